"""The guard's verdicts, on ordinary words and on words that mean nothing."""

import statistics
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_guard import SIGNAL_WORD, UNSAFE_WORD, tiny_guard, write_guard

import rumpun
from rumpun.errors import InputError, UsageError
from rumpun.guard import Guard
from rumpun.guard.guard import WINDOW, windows

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
    assert set(verdicts[0].scores) == set(shipped.heads.labels)


def test_the_shipped_guard_is_small_and_has_its_card(shipped):
    assert sum(path.stat().st_size for path in shipped.folder.glob("guard.*")) < 5_000_000
    assert shipped.card.is_file()
    assert shipped.name in shipped.card.read_text()
    assert rumpun.Guard is Guard


def test_flags_categories_and_signals(guard):
    plain, bad, signal = guard.check(["hello there", f"a {UNSAFE_WORD}", f"a {SIGNAL_WORD}"], role="answer")
    assert (plain.flagged, plain.categories) == (False, ())
    assert (bad.flagged, bad.categories, bad.role) == (True, ("crime_general",), "answer")
    assert (signal.flagged, signal.categories) == (False, ("local_sensitive",))


def test_disguised_words_are_the_same_words(guard):
    for text in (UNSAFE_WORD.upper(), "\u200b".join(UNSAFE_WORD), UNSAFE_WORD.replace("o", "ｏ")):
        assert guard.check([text])[0].flagged


def test_a_long_text_is_judged_by_its_worst_window(guard):
    text = "nasi goreng enak " * 2000
    assert not guard.check([text])[0].flagged
    for place in (0, 17_000, len(text)):
        assert guard.check([f"{text[:place]} {UNSAFE_WORD} {text[place:]}"])[0].flagged


@given(st.integers(0, 5000))
def test_windows_cover_the_text(size):
    text = "".join(chr(33 + n % 90) for n in range(size))
    found = windows(text)
    assert all(len(window) <= WINDOW for window in found)
    covered = found[0] + "".join(window[WINDOW // 2 :] for window in found[1:])
    assert covered == text


def test_nothing_to_judge_scores_nothing(guard, shipped):
    for text in ("", "  \n", "\u200b\u2060"):
        for one in (guard, shipped):
            verdict = one.check([text])[0]
            assert (verdict.flagged, verdict.language) == (False, "und")
            assert set(verdict.scores.values()) == {0.0}
    assert guard.check([]) == []


def test_batches_agree_with_single_checks(shipped):
    texts = [*ORDINARY.values(), "", "x" * 3000]
    together = shipped.check(texts)
    for text, verdict in zip(texts, together, strict=True):
        alone = shipped.check([text])[0]
        assert alone.flagged == verdict.flagged
        assert all(abs(alone.scores[k] - verdict.scores[k]) < 2e-4 for k in alone.scores)


def test_wrong_arguments_are_refused(guard):
    with pytest.raises(UsageError, match="role = 'user'"):
        guard.check(["a"], role="user")
    with pytest.raises(UsageError, match="text 1: a NoneType"):
        guard.check(["a", None])


@pytest.mark.parametrize(
    "facts",
    [
        {"thresholds": {"unsafe": 0.5}},
        {"thresholds": "high"},
        {"name": 3},
        {"thresholds": {"unsafe": "high", "crime_general": 1, "local_sensitive": 1}},
    ],
)
def test_a_guard_without_its_facts_is_refused(tmp_path, facts):
    with pytest.raises(InputError, match="threshold for each head"):
        Guard.load(write_guard(tmp_path, **facts))


def test_a_damaged_or_missing_guard_is_named(tmp_path):
    folder = write_guard(tmp_path)
    path = folder / "guard.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"guard\.safetensors: sha256"):
        Guard.load(folder)
    with pytest.raises(InputError, match="cannot be read"):
        Guard.load(tmp_path / "none")


def test_a_check_takes_milliseconds_and_a_megabyte_bounded_time(shipped):
    text = ("Saya ingin memasak untuk keluarga besar di kampung. " * 10)[:500]
    shipped.check([text])
    times = []
    for _ in range(30):
        start = time.process_time()
        shipped.check([text])
        times.append(time.process_time() - start)
    assert statistics.median(times) < 0.01  # about 1.4 ms on an idle core; a busy machine is given room
    start = time.process_time()
    shipped.check(["kata lain " * 100_000])
    assert time.process_time() - start < 10


def test_importing_the_room_brings_no_numpy():
    code = "import sys, rumpun, rumpun.guard, rumpun.language; print('numpy' in sys.modules, 'sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
