"""Running text as safe rows: what is taken, what is left out and counted, what is refused."""

from pathlib import Path

import pytest

from rumpun.errors import InputError, UsageError
from rumpun.guard.ordinary import Ordinary, read_ordinary
from rumpun.guard.rows import Row, Rows
from rumpun.recipes import build

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (part corpus)")


def write(path: Path, **columns: list[str]) -> None:
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    columns.setdefault("licence", ["CC0-1.0"] * len(next(iter(columns.values()))))
    parquet.write_table(pa.table(columns), path)


def test_sentences_are_cut_drawn_by_their_hash_and_marked(tmp_path):
    story = " ".join(f"Sentence number {n} tells of the market." for n in range(30))
    write(tmp_path / "text" / "a.en.parquet", text=[story, story], language=["en", "en"], url=["u", "u"])
    named = {"a": Ordinary(files="text/a.*.parquet", use="threshold", sentences_max=7)}
    rows = read_ordinary(tmp_path, named, Rows())
    assert len(rows.rows) == 7
    assert {row.use for row in rows.rows} == {"threshold"}
    assert not any(row.unsafe or row.sensitive for row in rows.rows)
    assert all(row.text.startswith("Sentence") and row.text.endswith(".") for row in rows.rows)
    assert rows.dropped["a: the same text again"] == 30
    assert rows.rows == read_ordinary(tmp_path, named, Rows()).rows
    numbers = [int(row.text.split()[2]) for row in rows.rows]
    assert numbers != sorted(numbers)[:7]  # not the first ones


def test_what_was_read_before_is_left_out(tmp_path):
    text = "The clinic opens at eight in the morning."
    write(
        tmp_path / "eval" / "q.parquet",
        question=[text, "Where is the old post office now?"],
        language=["en", "en"],
    )
    before = Rows([Row(text=text, language="en", source="x", licence="MIT", unsafe=False, use="fit")])
    named = {
        "q": Ordinary(files="eval/q.parquet", use="measure", columns={"question": "language"}, whole=True)
    }
    rows = read_ordinary(tmp_path, named, before)
    assert [row.text for row in rows.rows] == ["Where is the old post office now?"]
    assert rows.dropped["q: the same text again"] == 1


def test_both_sides_of_pairs_languages_and_lengths(tmp_path):
    write(
        tmp_path / "parallel" / "p.parquet", src=["A sentence that is long enough.", "Short."],
        src_lang=["en", "en"], tgt=["这里的天气今天很好。", "Kalimat yang cukup panjang untuk diambil."], tgt_lang=["zh-Hans", "id"],
    )  # fmt: skip
    sides = {"src": "src_lang", "tgt": "tgt_lang"}
    named = {"p": Ordinary(files="parallel/p.parquet", use="fit", columns=sides, languages=("en", "zh"))}
    rows = read_ordinary(tmp_path, named, Rows())
    assert sorted(row.language for row in rows.rows) == ["en", "zh"]
    assert rows.dropped["ordinary text too short or too long"] == 1


def test_a_licence_that_forbids_it_is_left_out_and_counted(tmp_path):
    write(
        tmp_path / "t.parquet",
        text=["A sentence that is long enough."],
        language=["en"],
        licence=["CC-BY-NC-4.0"],
    )
    rows = read_ordinary(tmp_path, {"t": Ordinary(files="t.parquet", use="fit")}, Rows())
    assert not rows.rows
    assert rows.dropped["licence CC-BY-NC-4.0"] == 1


def test_bad_input_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no file like 'text/none\.\*'"):
        read_ordinary(tmp_path, {"n": Ordinary(files="text/none.*", use="fit")}, Rows())
    write(tmp_path / "t.parquet", body=["x"], language=["en"])
    with pytest.raises(InputError, match="no column 'text'"):
        read_ordinary(tmp_path, {"t": Ordinary(files="t.parquet", use="fit")}, Rows())
    for wrong, told in (
        ({"use": "train"}, "use = 'train'"),
        ({"use": "fit", "sentences_max": 0}, "1 or more"),
    ):
        with pytest.raises(UsageError, match=told):
            build(Ordinary, {"files": "t", **wrong}, "recipe")
