"""Figures from arrays against plain Python in every script, and lines: hashed, found, cut."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_texts import SENTENCES, document
from slow_figures import figures, folded, trim

from rumpun.corpus.tag.batch import Batch, slices
from rumpun.corpus.tag.lines import boilerplate, line_hash, spans_of
from rumpun.corpus.tag.taggers import TABLE, make
from rumpun.language.tables import languages

SIGNS = " \n\n\t.!?…)\"'”-*•@/:w,;{}<=>#0123456789٣๔៥၆\u200b\u00a0\ufffd\x07\x0c+€😀\U00020000"
ALPHABET = "".join(sorted(set("".join("".join(part) for part in SENTENCES.values()) + SIGNS)))
PIECES = st.one_of(
    st.text(ALPHABET, max_size=30),
    st.sampled_from([s for part in SENTENCES.values() for s in part]),
    st.sampled_from(["https://a.example/b", "www.b.example", "a@b", "\n", "Page 3 of 9\n", "page 4 of 8\n", "--------", "(Ya.)\n", "...", "ha" * 20]),
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=12).map("".join)
TAGS = st.sampled_from([*sorted(languages()), "", "qq"])
CLOSE = 1e-6  # float32


def tagged(texts, tags):
    columns = make("figures").tag(Batch(texts, tags))
    assert list(columns) == make("figures").columns.names
    return {name.removeprefix("figures."): column.to_pylist() for name, column in columns.items()}


def compare(texts, tags):
    made = tagged(texts, tags)
    for n, (text, tag) in enumerate(zip(texts, tags, strict=True)):
        for name, value in figures(text, tag).items():
            got = made[name][n]
            if value is None:
                assert got is None, (name, text, tag)
            else:
                assert got == pytest.approx(value, rel=CLOSE, abs=CLOSE), (name, text, tag)


@settings(max_examples=80)
@given(st.lists(st.tuples(TEXTS, TAGS), max_size=5))
@example([("", "id"), ("", "th")])
@example([("\n", "id"), ("a", "en"), ("\n\n", "zh")])
def test_every_figure_is_that_of_plain_python(rows):
    compare([text for text, _ in rows], [tag for _, tag in rows])


@pytest.mark.parametrize("tag", sorted(SENTENCES))
def test_every_figure_of_running_text_in_every_script(tag):
    compare([document(tag, seed) for seed in range(3)], [tag] * 3)


@settings(max_examples=30)
@given(st.lists(st.tuples(TEXTS, TAGS), min_size=1, max_size=6))
def test_a_text_has_the_same_figures_whatever_lies_beside_it(rows):
    texts, tags = [text for text, _ in rows], [tag for _, tag in rows]
    together = tagged(texts, tags)
    for n, (text, tag) in enumerate(rows):
        alone = tagged([text], [tag])
        assert {name: column[n] for name, column in together.items()} == {
            name: column[0] for name, column in alone.items()
        }


@settings(max_examples=80)
@given(st.lists(TEXTS, max_size=4))
def test_lines_are_those_of_split_and_hash_by_their_folded_content(texts):
    made = tagged(texts, ["id"] * len(texts))
    by_hash, by_content = {}, {}
    for n, text in enumerate(texts):
        lines = text.split("\n")
        starts = [0, *(end + 1 for end in made["line_ends"][n][:-1])]
        assert [text[a:b] for a, b in zip(starts, made["line_ends"][n], strict=True)] == lines
        for line, number in zip(lines, made["line_hashes"][n], strict=True):
            content = folded(trim(line))
            assert (number == 0) == (content == "")
            assert by_hash.setdefault(number, content) == content
            assert by_content.setdefault(content, number) == number
            assert line_hash(line) == number


def test_letter_case_digits_and_white_space_around_make_no_new_line():
    assert line_hash("  Page 3 of 9\t") == line_hash("page 4 of 8")
    assert line_hash("หน้า ๓") == line_hash("หน้า 4")
    assert line_hash("page 4 of 18") != line_hash("page 4 of 8")
    assert line_hash("ab") != line_hash("ba")


@given(st.lists(st.text("ab ", max_size=3), min_size=1, max_size=8), st.sets(st.integers(-2, 9)))
def test_cutting_lines_leaves_the_others_as_they_were(lines, numbers):
    text = "\n".join(lines)
    ends = [sum(map(len, lines[: n + 1])) + n for n in range(len(lines))]
    left, at = [], 0
    for start, end in spans_of(ends, sorted(numbers)):
        assert at <= start < end or start == end == at or start <= end
        left.append(text[at:start])
        at = end
    left.append(text[at:])
    assert "".join(left) == "\n".join(line for n, line in enumerate(lines) if n not in numbers)


def test_a_frame_is_told_from_a_text_s_own_structure():
    text = "Beranda\n\nMasuk\nUndang-undang ini berlaku sejak hari ini.\nPasal 1\nisi\nPasal 2\nisi lain\nPasal 3\nPenutup\nHak cipta dilindungi undang-undang"
    lines = text.split("\n")
    made = tagged([text], ["id"])
    frequent = [
        n
        for n, line in enumerate(lines)
        if line not in ("isi", "isi lain", "Undang-undang ini berlaku sejak hari ini.")
    ]
    cut = boilerplate(made["line_ends"][0], made["line_hashes"][0], frequent)
    # the articles stand three times; "Penutup" goes with the line beside it, and stays as a heading where that is not frequent
    assert [lines[n] for n in cut] == ["Beranda", "Masuk", "Penutup", "Hak cipta dilindungi undang-undang"]
    alone = [n for n in frequent if lines[n] != "Hak cipta dilindungi undang-undang"]
    assert [lines[n] for n in boilerplate(made["line_ends"][0], made["line_hashes"][0], alone)] == [
        "Beranda",
        "Masuk",
    ]
    assert boilerplate(made["line_ends"][0], made["line_hashes"][0], []) == []


def test_a_very_long_text_is_judged_by_its_beginning(monkeypatch):
    monkeypatch.setattr("rumpun.corpus.tag.batch.LOOK", 1_000)
    made = tagged(["a1" * 400 + "\n" + "b" * 5_000], ["id"])
    assert made["characters"] == [5_801]
    assert made["line_max"] == [800]
    assert made["digit_share"][0] == pytest.approx(400 / 999)


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 60))
def test_slices_cover_every_row_once_and_are_no_larger_than_asked(lengths, most):
    found = list(slices(lengths, most))
    assert [n for a, b in found for n in range(a, b)] == list(range(len(lengths)))
    for first, last in found:
        assert sum(lengths[first:last]) <= most or last - first == 1


def test_empty_texts_by_the_hundred_thousand_are_no_slice_of_their_own():
    assert list(slices([0] * 45_000)) == [(0, 20_000), (20_000, 40_000), (40_000, 45_000)]


def test_every_tagger_of_the_table_says_what_it_adds():
    for name in TABLE:
        try:
            tagger = make(name)
        except ModuleNotFoundError as error:  # a room that is not there yet
            pytest.skip(f"{name}: {error}")
        assert tagger.name == name
        assert tagger.version >= 1
        assert all(column.startswith(f"{name}.") for column in tagger.columns.names)


def test_one_pass_of_a_histogram_counts_every_kind():
    batch = Batch(["aB1 ไทย\n", "", "你好。"], ["id", "id", "zh"])
    assert batch.histogram.sum(axis=1).tolist() == [8, 0, 3]
    assert batch.letters().tolist() == [5, 0, 2]
    assert np.array_equal(batch.owner, [0] * 8 + [2] * 3)
