"""Aligned text: held out by source, capped by the English side, and every bad row named."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from toy_encoder import FIT, parallel_row, put, work, write_parallel

from rumpun.encoder.lexicons import Entry, read_lexicons
from rumpun.encoder.pairs import TABLE, PairsParams, pairs
from rumpun.errors import InputError, RumpunError


def made(place: Path, **changed: Any) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """(rows of the table, why others were dropped)."""
    params = PairsParams(**({"languages": ("id", "th"), "rows_max": {}} | changed))
    outcome = pairs.function(params, work(place))
    return parquet.read_table(place / "made" / TABLE).to_pylist(), outcome.summary["dropped"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def seed_file(folder: Path, name: str, *rows: Any) -> Path:
    (folder / "seed").mkdir(parents=True, exist_ok=True)
    path = folder / "seed" / f"{name}.jsonl"
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("kept_out", [{"held_out": ("exam",)}, {"development": ("exam",)}])
def test_what_is_kept_out_is_never_fitted_whatever_source_it_comes_from(
    folder: Path, tmp_path: Path, kept_out: dict[str, Any]
) -> None:
    secret, other, plain = FIT[:3]
    write_parallel(folder, "a-talk", [  # read before the source that is kept out
        parallel_row(secret, "id", "talk"), parallel_row(secret, "th", "talk"),
        parallel_row(secret.upper() + " !", "th", "talk", tgt=put("th", other)),  # the English side alone, written otherwise
        parallel_row(other, "id", "talk", tgt=put("id", secret).title()),  # the text alone
        parallel_row(plain, "id", "talk"),
    ])  # fmt: skip
    write_parallel(folder, "b-exam", [parallel_row(secret, "id", "exam")])
    rows, dropped = made(tmp_path, **kept_out)
    where = next(iter(kept_out)).replace("_", "-")
    assert [(row["split"], row["source"], row["english"]) for row in rows if row["split"] != "fit"] == [
        (where, "exam", secret)
    ]
    assert [row["english"] for row in rows if row["split"] == "fit"] == [plain]
    assert dropped["stands in a source that is kept out of the fit"] == 4


@pytest.mark.parametrize("kept_out", ["held_out", "development"])
def test_a_kept_out_source_that_is_misspelt_is_refused(folder: Path, tmp_path: Path, kept_out: str) -> None:
    write_parallel(folder, "exam", [parallel_row(FIT[0], "id", "exam")])
    with pytest.raises(InputError, match="exams: to be kept out of the fit, and no row"):
        made(tmp_path, **{kept_out: ("exams",)})


def test_languages_keep_the_same_sentences_under_a_cap(folder: Path, tmp_path: Path) -> None:
    write_parallel(folder, "talk", [parallel_row(e, "id", "talk") for e in FIT[:40]])
    write_parallel(folder, "more", [parallel_row(e, "th", "more") for e in reversed(FIT[:40])])
    rows, dropped = made(tmp_path, rows_max={"natural": 15})
    kept = {
        language: {row["english"] for row in rows if row["language"] == language} for language in ("id", "th")
    }
    assert kept["id"] == kept["th"]
    assert len(kept["id"]) == 15
    assert dropped["over the cap of natural"] == 50


def test_english_alone_is_what_other_pairs_leave(folder: Path, tmp_path: Path) -> None:
    """Sides over the cap and of languages that are not trained; nothing that is measured, nothing twice."""
    secret, *rest = FIT[:41]
    write_parallel(folder, "talk", [parallel_row(e, "id", "talk") for e in rest[:20]])
    write_parallel(
        folder, "far", [parallel_row(e, "ceb", "far", tgt="x y z") for e in [secret, *rest[10:30]]]
    )
    write_parallel(
        folder, "exam", [parallel_row(secret, "id", "exam"), parallel_row(rest[39], "ceb", "exam", tgt="x y")]
    )
    chosen = {"rows_max": {"natural": 15}, "held_out": ("exam",)}
    (tmp_path / "with").mkdir()
    rows, _ = made(tmp_path / "with", **chosen, english_max={"natural": 12})
    alone = [row for row in rows if row["language"] == "en"]
    assert all(row["text"] == row["english"] and row["split"] == "fit" for row in alone)
    sides = [row["english"] for row in rows]
    assert len(alone) == 12
    assert len(set(sides)) == len(sides) == 15 + 12 + 1
    assert {row["english"] for row in alone} <= set(rest[:30])
    (tmp_path / "without").mkdir()
    assert made(tmp_path / "without", **chosen)[0] == [row for row in rows if row["language"] != "en"]


def test_what_cannot_be_given_away_or_learnt_from_is_counted(folder: Path, tmp_path: Path) -> None:
    good = FIT[0]
    write_parallel(folder, "talk", [
        parallel_row(good, "id", "talk"),
        parallel_row(FIT[1], "id", "talk", licence="CC-BY-NC-4.0"),
        parallel_row(FIT[2], "id", "talk", tgt=""),
        parallel_row(FIT[2], "id", "talk", tgt=None),
        parallel_row(FIT[3], "id", "talk", tgt="x" * 401),
        parallel_row(FIT[4], "id", "talk", tgt=f"{FIT[4].upper()}."),
        parallel_row(FIT[5], "id", "talk", tgt=put("id", good)),
        parallel_row(FIT[6], "id", "talk", tgt="%s: /usr/{0} -> <1>"),
        parallel_row(FIT[7], "de", "talk", tgt=put("id", FIT[7])),
    ])  # fmt: skip
    rows, dropped = made(tmp_path)
    assert [row["english"] for row in rows] == [good]
    assert dropped == {
        "licence CC-BY-NC-4.0": 1, "empty, or longer than 400 code points": 3, "both sides are the same": 1,
        "the same text again": 1, "more signs than letters": 1, "over the cap of natural": 0,
    }  # fmt: skip


def test_marks_count_as_letters(folder: Path, tmp_path: Path) -> None:
    """Half of the code points of Tamil, Burmese or Thai text may be marks."""
    texts = ("நாங்கள் தேநீர் குடிக்கிறோம்.", "ကျွန်ုပ်တို့သည်", "ที่นี่")
    write_parallel(
        folder, "talk", [parallel_row(FIT[n], "th", "talk", tgt=text) for n, text in enumerate(texts)]
    )
    assert len(made(tmp_path)[0]) == 3


def test_turns_of_a_chat_are_paired_by_name(folder: Path, tmp_path: Path) -> None:
    seed_file(
        folder, "chat",
        {"key": "1", "en": {"user": "the first question", "assistant": "the answer"},
         "id": {"assistant": "jawabannya", "user": "pertanyaan pertama"}, "th": {"user": "คำถามแรก"}},
    )  # fmt: skip
    rows, _ = made(tmp_path)
    assert [(row["text"], row["english"]) for row in rows] == [
        ("jawabannya", "the answer"),
        ("pertanyaan pertama", "the first question"),
        ("คำถามแรก", "the first question"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        '{"en": "x", "id": ', "", "[]", '"words"', '{"id": "tanpa bahasa Inggris"}', '{"en": "x", "id": null}',
        '{"en": "x", "id": ["a"]}', '{"en": {"user": 3}, "id": {"user": "a"}}',
    ],
)  # fmt: skip
def test_a_malformed_row_is_named(folder: Path, tmp_path: Path, line: str) -> None:
    path = seed_file(folder, "daily", {"en": "one row", "id": "satu baris"}, line)
    with pytest.raises(InputError, match=re.escape(f"{path}: line 2: ")):
        made(tmp_path)


def test_bytes_that_are_no_utf8_are_named(folder: Path, tmp_path: Path) -> None:
    path = seed_file(folder, "daily", {"en": "one row", "id": "satu baris"})
    path.write_bytes(path.read_bytes() + b'{"en": "\xff"}\n')
    with pytest.raises(InputError, match=r"daily\.jsonl: line 2: not UTF-8"):
        made(tmp_path)


def test_a_line_separator_in_a_sentence_does_not_end_its_row(folder: Path, tmp_path: Path) -> None:
    seed_file(folder, "daily", {"en": "one\u2028row", "id": "satu\x85baris"})
    assert [row["text"] for row in made(tmp_path)[0]] == ["satu\x85baris"]


def test_parquet_that_is_damaged_or_of_another_shape_is_named(folder: Path, tmp_path: Path) -> None:
    write_parallel(folder, "talk", [{"src": "x", "tgt": "y"}])
    with pytest.raises(InputError, match=r"talk\.parquet: cannot be read as parquet with src_lang"):
        made(tmp_path)
    (folder / "parallel" / "talk.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(InputError, match=r"talk\.parquet: cannot be read"):
        made(tmp_path)
    write_parallel(folder, "talk", [parallel_row(FIT[0], "id", "talk", domain="astrology")])
    with pytest.raises(InputError, match="domain 'astrology'"):
        made(tmp_path)


def test_folders_beside_the_recipe_are_there_or_named(folder: Path, tmp_path: Path) -> None:
    seed_file(folder, "daily", {"en": "one row", "id": "satu baris"})
    for name in ("sentences", "lexicons"):
        with pytest.raises(InputError, match="nowhere: no "):
            made(tmp_path, **{name: (str(tmp_path / "nowhere"),)})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"rows_max": {"poems": 3}}, "rows_max.poems: known groups"),
        ({"held_out": ("a", "b"), "development": ("b",)}, "both name b"),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PairsParams(**({"languages": ("id",), "rows_max": {}} | changed)).check()


def test_a_list_gives_every_alternative_of_the_languages_wanted(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text(
        "en\tid\tth\nriver\tsungai | kali\tแม่น้ำ\nrice\t\tข้าว\n", encoding="utf-8"
    )
    found = list(read_lexicons([str(tmp_path)], ["id"]))
    assert found == [
        Entry("id", "sungai", "river", "lexicon-words"),
        Entry("id", "kali", "river", "lexicon-words"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "line 1: a header"),
        (b"id\ten\n", "line 1: a header"),
        (b"en\tid\nriver\tsungai\nrice\n", "line 3: 1 columns, the header has 2"),
        (b"en\tid\nriver\tsungai\textra\n", "line 2: 3 columns"),
        (b"en\tid\nriver\t\xff\n", "line 2: not UTF-8"),
    ],
)
def test_a_list_with_a_fault_is_named(tmp_path: Path, text: bytes, words: str) -> None:
    (tmp_path / "words.tsv").write_bytes(text)
    with pytest.raises(InputError, match=words):
        list(read_lexicons([str(tmp_path)], ["id"]))


@given(text=st.text(alphabet="en\tid|\n \r\u2028ข้าว", max_size=60))
def test_any_text_is_a_list_or_an_error_that_says_where(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("lists")
    (place / "words.tsv").write_text(f"en\tid\n{text}", encoding="utf-8", newline="")
    said = ""
    found = []
    try:
        found = list(read_lexicons([str(place)], ["id"]))
    except RumpunError as error:
        said = error.message
    assert not said or "words.tsv: line " in said
    assert all(entry.word == entry.word.strip() != "" for entry in found)
