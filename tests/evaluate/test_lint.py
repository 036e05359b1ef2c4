"""The item lint: planted faults are found, sound items are left alone, biases are tested as they should be."""

import dataclasses
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lint_items import FAULTS, FRAMES, planted, sound
from scipy import stats

from rumpun.evaluate.items import Item, read_items
from rumpun.evaluate.lint import KINDS, lint, no_gold
from rumpun.evaluate.lint_bias import _chi_square, _upper, longest_bias, place_bias
from rumpun.evaluate.lint_texts import csv_quoted, damage, decoded, same, trimmed, unclosed, unquoted
from rumpun.evaluate.mend import mended_item
from rumpun.evaluate.public_rows import linted

SUITE = Path(__file__).resolve().parents[2] / "src" / "rumpun" / "evaluate" / "suites" / "region"


def kinds(*items, **asked):
    return Counter(problem.kind for problem in lint(items, **asked))


def item(**changed):
    fixed = {"id": "1", "language": "en", "fields": {"question": "Which fruit is yellow?"},
             "options": ("banana", "plum", "lime", "fig"), "gold": 0}  # fmt: skip
    return Item(**(fixed | changed))


def test_planted_faults_are_found_and_sound_items_are_not_accused():
    items, truth = planted(40)
    assert len(items) >= 200
    assert len({one.language for one in items}) >= 6
    assert set(truth.values()) == {kind for kind, _ in FAULTS}
    found = {}
    for problem in lint(items):
        found.setdefault(problem.id, set()).add(problem.kind)
    hit = [key for key, kind in truth.items() if kind in found.get(key, ())]
    missed = Counter(f"{kind} ({key[:2]})" for key, kind in truth.items() if key not in hit)
    clean = [one.id for one in items if one.id not in truth]
    accused = [key for key in clean if key in found]
    print(f"\nplanted {len(truth)}, found {len(hit) / len(truth):.4f}; missed: {dict(missed)}")
    print(f"sound {len(clean)}, accused {len(accused) / len(clean):.4f}: {[(k, found[k]) for k in accused]}")
    assert len(hit) / len(truth) >= 0.95
    assert len(accused) / len(clean) <= 0.02


def test_a_planted_fault_brings_no_second_alarm():
    """One fault is one kind of problem: what is told is what is wrong."""
    items, truth = planted(40)
    extra = Counter()
    for problem in lint(items):
        if problem.id in truth and problem.kind != truth[problem.id]:
            extra[truth[problem.id], problem.kind] += 1
    # mojibake of a whole passage is also no language's text; nothing else may be told twice
    assert set(extra) <= {("damaged text", "wrong language")}


@pytest.mark.parametrize("language", sorted(FRAMES))
def test_the_region_suite_is_clean(language):
    assert lint(read_items(SUITE / f"{language}.jsonl")) == []


def test_every_kind_that_is_told_is_explained():
    items, _ = planted(21)
    items += [dataclasses.replace(items[0]), item(options=(), gold=("x",))]
    told = {problem.kind for problem in lint(items, labels=["a"])}
    assert told <= set(KINDS)
    assert len(told) >= 14


def test_ten_thousand_items_take_less_than_five_seconds():
    some = sound(40)
    # no text is seen twice, as the lint looks at each only once
    items = [
        dataclasses.replace(
            one, id=f"{one.id}.{n}", fields={k: f"{text} {n}." for k, text in one.fields.items()}
        )
        for n in range(10_000 // len(some) + 1)
        for one in some
    ][:10_000]
    start = time.process_time()
    lint(items)
    took = time.process_time() - start
    print(f"\n{len(items)} items in {took:.2f} s")
    assert took <= 5


# options and right answers


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("banana", "plum", "lime", "fig"), {}),
        (("banana", " ", "lime", "fig"), {"empty option": 1}),
        (("banana", "plum\u3000", "lime\u200b", "fig"), {"space at an option": 2}),
        (("banana", "Plum", "plum", "PLUM  "), {"duplicate option": 1, "space at an option": 1}),
        (("ba na", "BA\u00a0 na", "lime", "fig"), {"right option twice": 1}),
        (("AA", "Aa", "aa", "aA"), {}),
        (("AA", "AA ", "aa", "aA"), {"right option twice": 1, "space at an option": 1}),
        (("cà phê", "ca\u0300 phe\u0302", "trà", "sữa"), {"right option twice": 1}),
    ],
)
def test_options(options, told):
    assert kinds(item(options=options), language_check=False) == told


@pytest.mark.parametrize("gold", [4, -1, ("banana",), ()])
def test_a_right_option_that_is_not_there(gold):
    assert kinds(item(gold=gold)) == {"no right option": 1}


@pytest.mark.parametrize("options", [("", ""), (" ", "\u200b", "\ufeff\u3000")])
@pytest.mark.parametrize("gold", [0, 1, 7, ("banana",)])
def test_an_item_with_nothing_to_choose_cannot_be_scored(options, gold):
    one = item(options=options, gold=gold)
    assert kinds(one) == {"no option": 1}
    assert no_gold(one, None) == ("no option", f"{len(options)} options, all empty")
    half = dataclasses.replace(one, options=(*options, "banana"), gold=len(options))
    assert kinds(half) == {"empty option": len(options)}
    loaded = linted([one, half, item()])
    assert loaded.items == [half, item()]
    assert loaded.dropped == {"no option": 1}


def test_labels():
    one = item(options=(), gold=("positive",), fields={"text": "Good."})
    assert kinds(one, labels=["positive", "negative"]) == {}
    assert kinds(one, labels=["good", "bad"]) == {"label not in set": 1}
    assert kinds(dataclasses.replace(one, gold=()), labels=["good"]) == {"label not in set": 1}
    assert kinds(one) == {}  # a reference: any text


def test_nothing_to_ask():
    assert kinds(item(fields={}, options=(), gold=("x",))) == {"empty text": 1}
    assert kinds(item(fields={"passage": "\ufeff", "question": "Why?"})) == {"empty text": 1}


# copies


def test_copies():
    one = item()
    assert kinds(one, dataclasses.replace(one, id="2", options=one.options[::-1], gold=3)) == {
        "item twice": 1
    }
    assert kinds(one, dataclasses.replace(one, id="2", gold=1)) == {"item twice, two answers": 1}
    assert kinds(one, dataclasses.replace(one, id="2", language="tl"), language_check=False) == {}
    assert kinds(one, dataclasses.replace(one, options=("a", "b"))) == {"duplicate id": 1}
    assert kinds(one, dataclasses.replace(one, source="other")) == {}


def test_two_references_for_one_text_are_no_copy_and_two_labels_are_one():
    one = item(options=(), gold=("apa kabar",), fields={"text": "How are you?"})
    other = dataclasses.replace(one, id="2", gold=("bagaimana kabarmu",))
    assert kinds(one, other) == {}
    assert kinds(one, dataclasses.replace(one, id="2")) == {"item twice": 1}
    assert kinds(one, other, labels=[*one.gold, *other.gold]) == {"item twice, two answers": 1}


# languages

LONG = {language: frame[0].format(day=frame[4][0], name=frame[3][0], place=frame[5][0], thing=frame[2][0])
        for language, frame in FRAMES.items()}  # fmt: skip


@pytest.mark.parametrize("tag", sorted(FRAMES))
@pytest.mark.parametrize("found", sorted(FRAMES))
def test_a_text_in_another_language(tag, found):
    one = item(language=tag, fields={"text": LONG[found]}, options=(), gold=("x",))
    sound_here = tag == found or {tag, found} == {"id", "ms"}
    assert kinds(one) == ({} if sound_here else {"wrong language": 1})


def test_only_the_question_or_a_long_option():
    one = item(language="th", fields={"passage": LONG["th"], "question": "What did the two buy at the market that day?"},
               options=("ปลา", "ข้าว", "ผัก", "หมู"))  # fmt: skip
    assert kinds(one) == {"wrong language": 1}
    whole = dataclasses.replace(one, fields={"passage": LONG["th"]})
    assert kinds(whole) == {}
    option = "because the rain had stopped and the bus was already waiting"
    assert kinds(dataclasses.replace(whole, options=("ปลา", option, "ผัก", "หมู"))) == {"wrong language": 1}


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("th", "ติดตั้ง Python 3.12 แล้วพิมพ์ pip install numpy ใน Terminal ก่อนเริ่มบทเรียน"),
        (
            "id",
            "Klik tombol Sign in with Google, lalu pilih Settings dan aktifkan two-factor authentication.",
        ),
        ("vi", "Máy tính dùng Windows 11 Home, RAM 16 GB, SSD 512 GB và card NVIDIA GeForce RTX 4060."),
        ("my", "Facebook Messenger မှ ဗီဒီယိုခေါ်ဆိုမှု ပြုလုပ်နိုင်ပါသည်။ Wi-Fi လိုအပ်ပါသည်။"),
        ("tl", "Ano ang output ng print(len([1, 2, 3])) sa Python?"),
        ("zh", "在 Microsoft Excel 里用 VLOOKUP 函数查找数据。"),
        ("ta", "print('hello') என்ற Python கட்டளை என்ன செய்யும்?"),
        ("km", "សូមចុច Settings រួចជ្រើសរើស Bluetooth ដើម្បីភ្ជាប់ទូរស័ព្ទ។"),
        ("ms", "Acara ini diadakan di Universiti Malaya; anda boleh mendaftar melalui laman web rasmi."),
        ("en", "Nasi lemak, roti canai and teh tarik are eaten for breakfast in Malaysia."),
        ("xx", "Sakey iya ed saray lugar ed Africa tan ikokonsideran na amin a totoo."),
    ],
)
def test_terms_code_and_names_of_another_language_are_no_fault(tag, text):
    assert kinds(item(language=tag, fields={"text": text}, options=(), gold=("x",))) == {}


def test_a_translation_has_two_languages():
    fields, more = {"text": LONG["en"]}, {"from": "en", "to": "my"}
    one = item(language="my", fields=fields, more=more, options=(), gold=(LONG["my"],))
    assert kinds(one) == {}
    assert kinds(dataclasses.replace(one, gold=(LONG["en"],))) == {"wrong language": 1}
    assert kinds(dataclasses.replace(one, fields={"text": LONG["my"]})) == {"wrong language": 1}
    assert kinds(dataclasses.replace(one, gold=(LONG["en"],)), language_check=False) == {}


def test_a_script_of_no_language_of_the_region():
    russian = "Сегодня утром мы купили на рынке рыбу и рис"
    assert kinds(item(language="th", fields={"text": russian}, options=(), gold=("x",))) == {
        "wrong language": 1
    }


# signs

WORDS = st.sampled_from(sorted({word for text in LONG.values() for word in text.split()}))


@given(st.lists(WORDS, min_size=1, max_size=8).map(" ".join))
def test_sound_text_is_not_damaged(text):
    assert damage(text) == ""
    assert decoded(text) == text
    assert same(same(text)) == same(text)
    assert same(f" \u200b{text.upper().lower()}\u00a0 dan") == same(f"{text} DAN")
    assert trimmed(f" \u200b{text}\u00a0") == text


@given(st.sampled_from(sorted(set(LONG) - {"en", "id", "ms", "tl"})), st.sampled_from(["latin-1", "cp1252"]))
def test_mojibake_is_seen_and_undone(language, encoding):
    raw = LONG[language].encode("utf-8")
    if encoding == "latin-1":
        broken = raw.decode("latin-1")
    else:
        broken = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in raw)
    assert "another encoding" in damage(broken)
    assert decoded(broken) == LONG[language]


@pytest.mark.parametrize(
    "text", ["Apollo\u00e2\u20ac\u201cSoyuz", "S\u00c3\u00a3o Paulo", "565 \u00c2\u00b0C"]
)
def test_one_broken_sign_is_enough(text):
    assert damage(text)
    assert decoded(text) in ("Apollo–Soyuz", "São Paulo", "565 °C")


@pytest.mark.parametrize(
    "text",
    ["ĐÃ “đi” rồi", "«À»", "50 °C", "Là… thế", "“ĐÃ”", "a\tb\nc", "naïve façade", "Å · å", "señor", "²³¼½"],
)
def test_marks_that_only_look_broken(text):
    assert damage(text) == ""


def test_a_bullet_of_another_machine_is_told_and_not_guessed_at():
    text = "Ä¢ Berapa murid?"
    assert damage(text)
    assert decoded(text) == text


INSIDE = st.recursive(
    st.text("abกข字 ,", max_size=6),
    lambda inner: st.tuples(st.sampled_from(["()", "[]", "{}", "（）", "「」", "《》"]), inner, inner).map(
        lambda parts: parts[0][0] + parts[1] + parts[0][1] + parts[2]
    ),
    max_leaves=5,
)


@given(INSIDE)
def test_closed_brackets_are_let_be_and_a_lost_one_is_missed(text):
    assert unclosed(text) == ""
    assert unclosed(text + " (abcdef") == "("
    assert unclosed("abcdef） " + text) == "）"


@pytest.mark.parametrize(
    "text",
    [
        ":)",
        "ok ;-)",
        "1) satu 2) dua",
        "a) x; b) y",
        "x in [0, 1) or (2, 5]",
        "(a) (b)",
        "iv) x",
        "nota:(lihat)",
        "f(x)=(x+1)",
    ],
)
def test_loose_brackets_of_lists_faces_and_intervals(text):
    assert unclosed(text) == ""


@given(st.text(min_size=1, max_size=30), st.booleans())
def test_csv_quotes(text, inner):
    text = f'{text} "x"' if inner else text
    quoted = '"' + text.replace('"', '""') + '"'
    assert csv_quoted(quoted) == ('"' in text)
    assert unquoted(quoted) == text


def test_a_quotation_is_no_csv():
    assert not csv_quoted('"Pergi!" katanya, "sekarang."')
    assert not csv_quoted('"Pergi!"')


@settings(max_examples=50)
@given(st.integers(0, len(FAULTS) - 1), st.sampled_from(sorted(FRAMES)))
def test_what_is_mended_is_not_found_again_and_the_rest_stays(number, language):
    kind, plant = FAULTS[number]
    one, earlier = (next(x for x in sound(20) if x.id == f"{language}-{n}") for n in (7, 3))
    broken = plant(one, earlier)
    whole, told = mended_item(broken)
    after = {problem.kind for problem in lint([whole])}
    assert after & {"space at an option", "doubled quotes"} == set()
    if kind in ("space at an option", "doubled quotes"):
        assert told == (kind,)
        assert after == set()
    if kind not in (
        "space at an option",
        "doubled quotes",
        "damaged text",
        "empty option",
        "right option twice",
    ):
        assert whole == broken
        assert told == ()


# bias


@given(st.floats(0.01, 60), st.integers(1, 9))
def test_chi_square_agrees_with_scipy(value, freedom):
    assert _chi_square(value, freedom) == pytest.approx(stats.chi2.sf(value, freedom), rel=1e-9, abs=1e-14)


@given(st.integers(0, 400), st.data(), st.sampled_from([0.5, 1 / 3, 0.25, 0.2]))
def test_the_binomial_tail_agrees_with_scipy(items, data, share):
    hits = data.draw(st.integers(0, items))
    assert _upper(hits, items, share) == pytest.approx(
        stats.binom.sf(hits - 1, items, share), rel=1e-8, abs=1e-300
    )


def many(places, options=("abc", "abd", "abe", "abf"), **changed):
    return [item(id=str(n), fields={"question": f"Number {n}?"}, options=options[: max(2, len(options))], gold=place, **changed)
            for n, place in enumerate(places)]  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "biased"), [((30, 30, 30, 30), 0), ((36, 28, 29, 27), 0), ((60, 20, 20, 20), 1)]
)
def test_the_place_of_the_right_option(counts, biased):
    items = many([place for place, count in enumerate(counts) for _ in range(count)])
    found = [
        problem for problem in lint(items, language_check=False) if problem.kind == "place gives it away"
    ]
    assert len(found) == biased
    for problem in found:
        assert problem.id == ""
        p = stats.chisquare(counts).pvalue
        assert f"p = {p:.1e}" in problem.what
        assert ", ".join(map(str, counts)) in problem.what


def test_bias_is_told_for_the_source_and_language_that_has_it():
    lopsided, even = [0] * 40 + [1] * 8, [0, 1] * 24
    pairs = ("x", "y")
    items = [*many(lopsided, pairs, source="a", language="id"), *many(even, pairs, source="a", language="th"),
             *many(even, pairs, source="b", language="id")]  # fmt: skip
    found = [(p.language, p.what.split(":")[0]) for p in lint(items, language_check=False)]
    assert found == [("id", "a")]


def test_minimal_pairs_have_no_place():
    pairs = [Item(id=str(n), language="id", fields={"phenomenon": "order"}, options=(f"saya makan {n}", f"makan saya {n}"), gold=0)
             for n in range(60)]  # fmt: skip
    assert lint(pairs) == []


def test_the_longest_option():
    options = ("a much longer one", "short", "brief", "small")
    places = [0, 1, 2, 3] * 20
    given_away = [
        item(id=str(n), fields={"question": f"Number {n}?"}, gold=place,
             options=(*options[1 : place + 1], options[0], *options[place + 1 :]))
        for n, place in enumerate(places)
    ]  # fmt: skip
    assert kinds(*given_away, language_check=False) == {"length gives it away": 1}
    assert kinds(*many(places, options), language_check=False) == {}  # the longest is right in one of four


def test_a_fair_set_is_seldom_accused():
    dice = random.Random(5)
    pool = many([0, 1, 2, 3])
    told = 0
    for _ in range(1500):
        told += bool(list(place_bias([pool[dice.randrange(4)] for _ in range(100)])))
    assert told / 1500 <= 0.004  # one in a thousand is promised


def test_a_fair_set_of_unequal_lengths_is_seldom_accused():
    dice = random.Random(6)
    pool = many([0, 1, 2, 3], ("a long one", "short", "brief", "small"))
    told = sum(bool(list(longest_bias([pool[dice.randrange(4)] for _ in range(100)]))) for _ in range(1500))
    assert told / 1500 <= 0.004
