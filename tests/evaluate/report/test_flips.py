"""What changed between two runs: held against a plain count over generated samples."""

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_parts import HOSTILE, Page, filled
from report_runs import run

from rumpun.errors import InputError
from rumpun.evaluate.records import Sample
from rumpun.evaluate.report.flips import KINDS, Flip, flips, flips_html, flips_text

WHOLE = run(items=3, languages=("th", "my", "en"))
FLIPPED = flips(WHOLE.against, WHOLE.samples)

outcomes = st.sampled_from(("right", "wrong", "graded", "nothing found", "error", "exact", "no score"))


def sample(key: tuple[str, str, str, int], outcome: str, answer: str = "ตอบ") -> Sample:
    task, language, name, turn = key
    scores = {"token_f1": 0.5, "exact": 1.0} if outcome == "exact" else {}
    score = {
        "right": 1.0,
        "wrong": 0.0,
        "graded": 0.5,
        "nothing found": 0.0,
        "error": None,
        "exact": 0.5,
        "no score": None,
    }[outcome]
    status = {"nothing found": "no answer found", "error": "error"}.get(outcome, "ok")
    return Sample(
        task=task, language=language, id=name, run=turn, model="m", method="generate", prompt="ถาม", answer=None if outcome == "error" else answer,
        gold=["ถูก"], scores=scores, score=score, status=status, error="time-out" if outcome == "error" else "",
    )  # fmt: skip


keys = st.tuples(
    st.sampled_from(("reading", "nli")),
    st.sampled_from(("th", "lo")),
    st.sampled_from("abc"),
    st.integers(0, 1),
)
runs = st.dictionaries(keys, outcomes)


@given(runs, runs)
def test_they_are_what_a_plain_count_finds(a: dict, b: dict) -> None:
    right = {"right": True, "exact": True, "wrong": False, "nothing found": False}
    wanted = {}
    for key in a.keys() & b.keys():
        before, after = a[key], b[key]
        if (before == "error") != (after == "error"):
            wanted[key] = "failed" if after == "error" else "no longer failed"
        elif before in right and after in right and right[before] != right[after]:
            wanted[key] = "right to wrong" if right[before] else "wrong to right"
    found = flips([sample(*one) for one in a.items()], [sample(*one) for one in b.items()])
    assert {(flip.task, flip.language, flip.id, flip.run): flip.kind for flip in found} == wanted
    assert [(flip.task, flip.language, flip.id, flip.run) for flip in found] == [
        key for key in a if key in wanted
    ]
    back = {
        "failed": "no longer failed",
        "no longer failed": "failed",
        "right to wrong": "wrong to right",
        "wrong to right": "right to wrong",
    }
    turned = flips([sample(*one) for one in b.items()], [sample(*one) for one in a.items()])
    assert {(f.task, f.language, f.id, f.run): back[f.kind] for f in turned} == wanted


def test_an_item_that_stands_twice_is_named() -> None:
    one = sample(("reading", "th", "th-1", 0), "right")
    with pytest.raises(InputError, match="the second run has item 'th-1' of reading in th twice"):
        flips([one], [one, one])


def test_a_flip_says_what_was_asked_answered_and_right() -> None:
    a = sample(("reading", "th", "1", 0), "wrong", "ผิด")
    b = msgspec.structs.replace(
        sample(("reading", "th", "1", 0), "right", "ถูก"), prompt=[{"role": "user", "content": "ถามใหม่"}]
    )
    (flip,) = flips([a, b][:1], [b])
    assert flip == Flip("wrong to right", a, b)
    assert (flip.prompt, flip.answers, flip.gold) == ("ถาม", ("ผิด", "ถูก"), ("ถูก",))
    text = flips_text([flip], names=("base", "layer"))
    assert text == (
        "base → layer: 1 wrong to right\n  reading: 1 wrong to right\n\nwrong to right: reading th 1\n  asked:\n    ถาม\n"
        "  asked by layer:\n    user: ถามใหม่\n  base:\n    ผิด\n  layer:\n    ถูก\n  right:\n    ถูก"
    )
    page = Page(flips_html([flip], names=("base", "layer")))
    assert "ถามใหม่" in page.text
    assert {"th", "en"} == set(page.of("lang"))


def test_what_both_chose_is_their_answer_where_options_were_scored() -> None:
    one = next(flip for flip in FLIPPED if flip.task == "reading" and flip.kind == "wrong to right")
    assert one.answers == (one.a.parsed, one.b.parsed)
    assert one.gold == (one.b.parsed,)


@settings(max_examples=50)
@given(HOSTILE)
def test_no_answer_steers_a_terminal_or_a_page(text: str) -> None:
    samples = [
        filled(own, lambda old: text + old if old else old, frozenset(("status", "method")))
        for own in (WHOLE.against, WHOLE.samples)
    ]
    found = flips(*samples)
    assert [flip.kind for flip in found] == [flip.kind for flip in FLIPPED]
    said = flips_text(found, names=(text, "b"))
    said.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)
    page, plain = Page(flips_html(found, names=(text, "b"))), Page(flips_html(FLIPPED, names=("a", "b")))
    assert sorted(tag for tag, _ in page.tags if tag != "span") == sorted(
        tag for tag, _ in plain.tags if tag != "span"
    )
    assert page.odd == []


def test_each_kind_is_shown_of_all_languages_and_tasks_first() -> None:
    kinds = {
        kind: [flip for flip in FLIPPED if flip.kind == kind] for kind in ("right to wrong", "wrong to right")
    }
    for limit in (1, 7, 1_000):
        text = flips_text(FLIPPED, limit=limit)
        shown = sum(min(limit, sum(flip.kind == kind for flip in FLIPPED)) for kind in KINDS)
        assert text.count("  right:\n") == shown
        assert text.endswith(f"{len(FLIPPED) - shown} more are not shown") == (shown < len(FLIPPED))
        for kind, own in kinds.items():
            met = re.findall(rf"^{kind}: (\S+) (\S+) ", text, re.MULTILINE)
            assert len(set(met)) == min(limit, len({(flip.task, flip.language) for flip in own}))
    assert "ဟင်းရွက်များ" in text


def test_nothing_changed() -> None:
    assert flips(WHOLE.samples, WHOLE.samples) == []
    assert flips_text([]) == "a → b: no item flipped"
    assert "No item that both runs have changed" in flips_html([])


def test_a_page_of_very_many_has_a_bound_and_counts_the_rest() -> None:
    found = [
        Flip(
            "wrong to right",
            msgspec.structs.replace(flip.a, id=str(n), prompt="x" * 5_000),
            msgspec.structs.replace(flip.b, id=str(n)),
        )
        for n, flip in enumerate(FLIPPED[:1] * 3_000)
    ]
    html = flips_html(found)
    assert len(html.encode()) < 3_000_000
    left = int(re.search(r"no room for ([\d,]+) of them", html).group(1).replace(",", ""))
    assert html.count("<article") + left == 3_000
    assert left > 0
