"""The guard's verdicts, on ordinary words and on words that mean nothing."""

import statistics
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_guard import SIGNAL_WORD, UNSAFE_WORD, StandIn, tiny_guard, write_guard

import rumpun
from rumpun.errors import InputError, RumpunError, UsageError
from rumpun.guard import Exchange, Guard
from rumpun.guard.windows import WINDOW, windows

ORDINARY = {
    "id": "Bagaimana cara memasak rendang untuk sepuluh orang?",
    "ms": "Boleh tolong terangkan cara memohon lesen memandu?",
    "vi": "Làm thế nào để nấu phở bò cho cả nhà?",
    "th": "ช่วยแนะนำที่เที่ยวในเชียงใหม่หน่อย",
    "tl": "Paano magluto ng adobo para sa pamilya?",
    "my": "ထမင်းကြော် ဘယ်လိုကြော်ရမလဲ။",
    "km": "តើធ្វើសម្លម្ជូរយ៉ាងដូចម្តេច?",
    "lo": "ຊ່ວຍບອກວິທີເຮັດລາບແດ່",
    "ta": "சாம்பார் செய்வது எப்படி?",
    "zh": "请告诉我怎么做海南鸡饭。",
    "en": "How do I cook fried rice for ten people?",
}


@pytest.fixture(scope="module")
def shipped():
    return Guard.load()


@pytest.fixture
def guard(tmp_path):
    return tiny_guard(tmp_path / "guard")


def test_ordinary_questions_pass_in_all_eleven_languages(shipped):
    verdicts = shipped.check(list(ORDINARY.values()))
    assert [tag for tag, verdict in zip(ORDINARY, verdicts, strict=True) if verdict.flagged] == []
    assert verdicts[3].language == "th"
    assert set(verdicts[0].judgement.probabilities) == set(shipped.heads.spec.labels[1:])


def test_the_shipped_guard_is_small_and_has_its_card(shipped):
    assert sum(path.stat().st_size for path in shipped.folder.glob("guard.*")) < 5_000_000
    assert shipped.card.is_file()
    assert shipped.name in shipped.card.read_text()
    assert rumpun.Guard is Guard


def test_flags_categories_and_signals(guard):
    plain, bad, signal = guard.check(["hello there", f"a {UNSAFE_WORD}", f"a {SIGNAL_WORD}"], role="answer")
    assert (plain.flagged, plain.categories, plain.action, plain.message) == (False, (), "allow", "")
    assert (bad.flagged, bad.categories, bad.role) == (True, ("crime_general",), "answer")
    assert (bad.action, bad.policy, bad.point, bad.level) == ("block", "base", "balanced", 2)
    assert bad.message
    assert (signal.flagged, signal.categories) == (False, ("local_sensitive",))
    assert plain.score < 0.5 < bad.score


def test_a_verdict_is_one_json_object_with_stable_keys(guard):
    found = guard.check([f"a {UNSAFE_WORD}"])[0].plain()
    assert list(found) == [
        "flagged", "score", "level", "categories", "language", "language_sure", "role", "action", "message",
        "category", "rule", "reason", "policy", "point",
    ]  # fmt: skip
    assert found["categories"]["crime_general"] == {
        "score": pytest.approx(found["score"], abs=0.01),
        "level": 2,
    }
    assert UNSAFE_WORD not in str(found)


def test_another_policy_and_another_point_decide_with_the_same_models(guard, tmp_path):
    path = tmp_path / "mild.toml"
    rule = 'category = "{}"\nlevel = {}\naction = "allow"\nreason = "x"\ncitation = "own"\nreview_by = 2030-01-01\n'
    rules = "".join(
        f"[rules.{category}-{level}]\n".replace("_", "-") + rule.format(category, level)
        for category in ("harm", "crime_general")
        for level in (1, 2)
    )
    path.write_text(f'name = "mild"\nversion = "1"\nextends = "base"\n{rules}')
    other = guard.with_policy(str(path), "strict")
    mild, usual = other.check([f"a {UNSAFE_WORD}"])[0], guard.check([f"a {UNSAFE_WORD}"])[0]
    assert (mild.flagged, mild.policy, mild.point) == (False, "mild", "strict")
    assert (usual.flagged, usual.score) == (True, mild.score)


def test_disguised_words_are_the_same_words(guard):
    for text in (UNSAFE_WORD.upper(), "\u200b".join(UNSAFE_WORD), UNSAFE_WORD.replace("o", "ｏ")):
        assert guard.check([text])[0].flagged


def test_an_exchange_is_judged_with_what_stands_before_it(guard):
    assert not guard.check(["lalu?"])[0].flagged
    assert guard.check([Exchange("lalu?", "prompt", (f"a {UNSAFE_WORD}",))])[0].flagged
    assert guard.check([Exchange("baik", "answer", (f"a {UNSAFE_WORD}",))])[0].role == "answer"


def test_a_long_text_is_judged_by_its_worst_window(guard):
    text = "nasi goreng enak " * 2000
    assert not guard.check([text])[0].flagged
    for place in (0, 17_000, len(text)):
        verdict = guard.check([f"{text[:place]} {UNSAFE_WORD} {text[place:]}"])[0]
        assert verdict.flagged
        assert 0 < verdict.plain()["read"] < 1  # it says that the encoder did not read all of it
    assert "read" not in guard.check(["nasi"])[0].plain()


@given(st.integers(0, 5000))
def test_windows_cover_the_text(size):
    text = "".join(chr(33 + n % 90) for n in range(size))
    found = windows(text)
    assert all(len(window) <= WINDOW for window in found)
    covered = found[0] + "".join(window[WINDOW // 2 :] for window in found[1:])
    assert covered == text


def test_nothing_to_judge_scores_nothing(guard):
    for text in ("", "  \n"):
        verdict = guard.check([text])[0]
        assert (verdict.flagged, verdict.language, verdict.action) == (False, "und", "allow")
        assert verdict.plain()["score"] == 0
        assert max(verdict.judgement.probabilities.values()) < 1e-6
    assert not guard.check(["\u200b\u2060"])[0].flagged
    assert guard.check([]) == []


def test_batches_agree_with_single_checks(guard):
    texts = [*ORDINARY.values(), "", "x" * 3000, f"a {UNSAFE_WORD}"]
    together = guard.check(texts)
    for text, verdict in zip(texts, together, strict=True):
        alone = guard.check([text])[0]
        assert alone.flagged == verdict.flagged
        assert abs(alone.score - verdict.score) < 2e-4


def test_wrong_arguments_are_refused(guard):
    with pytest.raises(UsageError, match="role = 'user'"):
        guard.check(["a"], role="user")
    with pytest.raises(UsageError, match="text 1: a NoneType"):
        guard.check(["a", None])
    with pytest.raises(UsageError, match="'newz'"):
        guard.check([f"a {UNSAFE_WORD}"], contexts=("newz",))
    with pytest.raises(UsageError, match="point = 'lax'"):
        Guard.load(point="lax")
    with pytest.raises(UsageError, match="no policy is called 'atlantis'"):
        guard.with_policy("atlantis")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"schema": 1}, "schema 1, this rumpun reads 2"),
        ({"labels": ("harm", "crime_generally", "local_sensitive")}, "'crime_generally' is no category"),
        ({"labels": ("crime_general", "harm", "local_sensitive")}, "the first head is 'harm'"),
        ({"calibration": {"en": (1.0, 0.0)}}, "calibration"),
        ({"thresholds": {}}, "thresholds.strict.harm"),
        ({"thresholds": {"strict": {"harm": {"any": (0.9, 0.5)}}}}, "level 1 not above level 2"),
    ],
)
def test_a_guard_without_its_facts_is_refused(tmp_path, facts, says):
    with pytest.raises(InputError, match=says):
        Guard.load(write_guard(tmp_path, **facts), encoder=StandIn())


def test_a_guard_of_another_encoder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"fitted with encoder 1{12}…"):
        Guard.load(write_guard(tmp_path, encoder="1" * 64), encoder=StandIn())


def test_a_damaged_or_missing_guard_is_named(tmp_path):
    folder = write_guard(tmp_path)
    path = folder / "guard.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"guard\.safetensors: sha256"):
        Guard.load(folder, encoder=StandIn())
    with pytest.raises(InputError, match=r"guard\.json: no such file"):
        Guard.load(tmp_path / "none", encoder=StandIn())
    (folder / "guard.json").write_text("{")
    with pytest.raises(RumpunError, match=r"guard\.json"):
        Guard.load(folder, encoder=StandIn())


def test_a_check_takes_milliseconds_and_a_megabyte_bounded_time(guard):
    text = ("Saya ingin memasak untuk keluarga besar di kampung. " * 10)[:500]
    guard.check([text])
    times = []
    for _ in range(30):
        start = time.process_time()
        guard.check([text])
        times.append(time.process_time() - start)
    assert (
        statistics.median(times) < 0.02
    )  # the heads, rules and normaliser alone; the encoder is measured elsewhere
    read = []

    class Counting(StandIn):
        def embed(self, texts):
            read.extend(texts)
            return super().embed(texts)

    counting = Guard.load(guard.folder, encoder=Counting())
    start = time.process_time()
    counting.check(["kata lain " * 100_000])
    assert time.process_time() - start < 10
    assert len(read) <= 4 * 48  # windows that the encoder reads of a text, whatever its length


def test_importing_the_room_brings_no_numpy():
    code = "import sys, rumpun, rumpun.guard, rumpun.language; print('numpy' in sys.modules, 'sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
