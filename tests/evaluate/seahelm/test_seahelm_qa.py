"""Question answering: overlap of tokens, references, Thai and Chinese words."""

from collections import Counter
from importlib import metadata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError, MissingPartError
from rumpun.evaluate.seahelm.qa import plain, token_f1
from rumpun.evaluate.seahelm.score import score
from rumpun.evaluate.seahelm.tokenizers import chinese, thai


def rows(*references):
    return [{"id": f"q{n}", "label": list(right)} for n, right in enumerate(references)]


def naive_f1(answer, reference):
    """Token F1 by taking shared tokens off the reference one at a time."""

    def tokens(text):
        kept = "".join(char for char in text.lower() if char not in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
        return kept.split()

    ours, left, shared = tokens(answer), tokens(reference), 0
    size = len(left)
    for token in ours:
        if token in left:
            left.remove(token)
            shared += 1
    return 0.0 if not shared else 2 / (len(ours) / shared + size / shared)


words = st.lists(st.sampled_from(["satu", "Dua", "tiga.", "di-rumah", "၃", "—", "a"]), max_size=8).map(
    " ".join
)


@given(words, words)
def test_token_f1_is_that_of_a_plain_count(answer, reference) -> None:
    assert token_f1(answer, reference) == pytest.approx(naive_f1(answer, reference), abs=1e-12)
    assert token_f1(answer, reference) == token_f1(reference, answer)


def test_figures_of_a_task() -> None:
    items = rows(["Kota Bandung"], ["tahun 1945", "1945"], ["Ibu."], ["merah putih"])
    given_ = [
        "Jawaban: Kota Bandung, Jawa Barat\nsebuah kota",  # 2 of 4 tokens, 2 of 2
        "Jawaban: 1945.",  # the second reference, exactly
        None,
        "ibu merah",  # no tag: taken whole
    ]
    found = score("qa", "id", items, given_)
    values = [2 / 3, 1, 0, 1 / 2]
    assert found.values == pytest.approx(values, abs=1e-12)
    assert found.metrics == pytest.approx(
        {
            "exact_match": 25,
            "f1": 100 * sum(values) / 4,
            "normalized_f1": 100 * sum(values) / 4,
            "found_in_prediction": 25,  # the first reference alone: «tahun 1945» is not in «1945.»
            "null_count": 1,
        },
        abs=1e-9,
    )
    assert found.answers == ("Kota Bandung, Jawa Barat", "1945.", "", "ibu merah")
    assert found.parse_failures == 2  # the failed one and the one without a tag
    assert found.normalised == found.metrics["normalized_f1"]


def test_two_empty_texts_match_and_share_nothing() -> None:
    found = score("qa", "vi", rows(["..."]), ["Câu trả lời: !"])
    assert found.metrics["exact_match"] == 100
    assert found.metrics["f1"] == 0


def test_ends_of_the_first_reference_lose_their_stops() -> None:
    found = score("qa", "ta", rows(["சென்னை."], ["சென்னை"]), ["பதில்: அது சென்னை தான்", "பதில்: மதுரை"])
    assert found.metrics["found_in_prediction"] == 50


def test_thai_and_chinese_are_cut_and_compared_with_the_first_reference() -> None:
    items = rows(["กรุงเทพมหานคร", "เชียงใหม่"])
    assert score("qa", "th", items, ["คำตอบ: เชียงใหม่"]).metrics["f1"] == 0
    assert score("qa", "th", items, ["คำตอบ: กรุงเทพมหานคร"]).metrics["f1"] == 100
    part = score("qa", "th", rows(["นักเรียนไปโรงเรียน"]), ["คำตอบ: นักเรียนอยู่บ้าน"])
    ours, theirs = thai("นักเรียนอยู่บ้าน"), thai("นักเรียนไปโรงเรียน")
    shared = sum((Counter(ours) & Counter(theirs)).values())
    assert shared > 0
    assert part.metrics["f1"] == pytest.approx(100 * 2 * shared / (len(ours) + len(theirs)), abs=1e-9)
    assert any("first" in fault for fault in part.faults)
    # words, not the whole line: «北京» alone is one of the reference's words
    china = score("qa", "zh", rows(["北京清华大学", "上海"]), ["答案：北京"])
    assert china.metrics["f1"] == pytest.approx(100 * 2 / (1 + len(chinese("北京清华大学"))), abs=1e-9)
    assert score("qa", "zh", rows(["北京", "上海"]), ["答案：上海"]).metrics["f1"] == 0


def test_words_of_the_pinned_libraries() -> None:
    assert thai("รัฐบาล ขึ้นราคา") == ["รัฐบาล", " ", "ขึ้นราคา"]
    assert thai("") == []
    assert chinese("我来到北京清华大学") == ["我", "来到", "北京", "清华大学"]


@pytest.mark.parametrize("here", ["5.4.0", None])
def test_another_version_of_a_cutter_is_refused(monkeypatch, here) -> None:
    def version(_name):
        if here is None:
            raise metadata.PackageNotFoundError
        return here

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(MissingPartError, match=r"pythainlp 5\.2\.0") as error:
        thai("คำ")
    assert "seahelm" in error.value.hint


def test_a_draw_weighs_the_items() -> None:
    items = rows(["satu"], ["dua"], ["tiga"])
    found = score("qa", "id", items, ["Jawaban: satu", "Jawaban: empat", "Jawaban: tiga lima"])
    got = found.at(np.array([[3, 0, 0], [0, 2, 1], [1, 1, 1]]))
    assert got["f1"] == pytest.approx([100, 100 * (2 / 3) / 3, found.metrics["f1"]], abs=1e-9)
    line = [1, 1, 2]
    again = score(
        "qa", "id", [items[n] for n in line], ["Jawaban: empat", "Jawaban: empat", "Jawaban: tiga lima"]
    )
    assert {name: value[1] for name, value in got.items()} == pytest.approx(again.metrics, abs=1e-9)


def test_native_punctuation_stays() -> None:
    assert plain("«Jakarta», ၂၀၂၀။") == "«jakarta» ၂၀၂၀။"


@pytest.mark.parametrize("label", ["satu", [], [1], None])
def test_references_are_a_list_of_texts(label) -> None:
    with pytest.raises(InputError, match=r"item 1 \(id 5\): label is"):
        score("qa", "id", [{"id": 5, "label": label}], ["Jawaban: satu"])
