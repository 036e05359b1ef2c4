"""Items of the native layout: read as they are written, and refused with the row and the mend where they cannot be meant."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.evaluate.items import Item, fields_of, id_of, read_items, rows_of

CHOICE = {"id": "a", "language": "th", "question": "ไผ่ขึ้นที่ไหน", "options": ["ริมน้ำ", "บนดอย"], "answer": 1}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_each_kind_of_item_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.jsonl",
        CHOICE | {"group": "g", "source": "s", "licence": "CC0-1.0", "more": {"page": 3}},
        {"id": 7, "language": "id", "good": "Ibu memasak nasi.", "bad": "Ibu dimasak nasi."},
        {"id": "c", "language": "vi", "text": "Tre xanh.", "label": "neutral", "skill": "sentiment"},
        {"id": "d", "language": "en", "text": "Bambu.", "references": ["Bamboo.", "A bamboo."]},
        {"id": "e", "language": "km", "passage": "ឫស្សី", "year": 1980},
    )
    choice, pair, label, translated, text = read_items(path)
    assert choice == Item(
        id="a", language="th", fields={"question": "ไผ่ขึ้นที่ไหน"}, options=("ริมน้ำ", "บนดอย"), gold=1, group="g", source="s",
        licence="CC0-1.0", more={"page": 3},
    )  # fmt: skip
    assert (choice.right, choice.cluster) == ("บนดอย", "g")
    assert (pair.id, pair.options, pair.gold, pair.fields) == (
        "7", ("Ibu memasak nasi.", "Ibu dimasak nasi."), 0, {},
    )  # fmt: skip
    assert (label.gold, label.right, label.fields) == (("neutral",), "neutral", {"text": "Tre xanh."})
    assert (translated.gold, translated.right) == (("Bamboo.", "A bamboo."), "Bamboo.")
    assert (text.gold, text.right, text.fields, text.cluster) == ((), "", {"passage": "ឫស្សី"}, "e")


def test_only_the_rows_of_a_skill_are_read_and_looked_at(tmp_path: Path) -> None:
    broken = {"id": "x", "language": "th", "skill": "reading", "options": ["one"], "answer": 0}
    path = write(tmp_path / "t.jsonl", CHOICE | {"skill": "culture"}, broken)
    assert [item.id for item in read_items(path, "culture")] == ["a"]
    with pytest.raises(InputError, match="row 2"):
        read_items(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": None}, "no 'id'"),
        ({"id": ""}, "no 'id'"),
        ({"id": True}, "no 'id'"),
        ({"id": 1.5}, "no 'id'"),
        ({"language": None}, "language is null"),
        ({"language": 5}, "language is a int"),
        ({"language": ""}, "no 'language'"),
        ({"group": ["a"]}, "group is a list"),
        ({"licence": 0}, "licence is a int"),
        ({"more": "x"}, "more is a str"),
        ({"options": "ab"}, "options are no list"),
        ({"options": ["a"]}, "options are no list of two"),
        ({"options": ["a", 2]}, "options are no list"),
        ({"answer": 2}, "answer 2 of 2 options"),
        ({"answer": -1}, "answer -1 of 2"),
        ({"answer": "1"}, "answer '1' of 2"),
        ({"answer": True}, "answer True of 2"),
        ({"answer": None}, "answer None of 2"),
        ({"good": "Ibu memasak."}, "good and bad are no two texts"),
        ({"good": "a", "bad": ""}, "good and bad are no two texts"),
    ],
)
def test_what_cannot_be_meant_is_named_with_its_row(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    path = write(tmp_path / "t.jsonl", CHOICE, CHOICE | {"id": "b"} | changes)
    with pytest.raises(InputError, match=r"t\.jsonl: row 2: ") as caught:
        read_items(path)
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"label": ["a"]}, "label is a list"),
        ({"label": ""}, "label is a str"),
        ({"label": None}, "label is null"),
        ({"references": "a"}, "references are no list"),
        ({"references": [1]}, "references are no list"),
    ],
)
def test_right_answers_of_the_wrong_kind(tmp_path: Path, row: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_items(write(tmp_path / "t.jsonl", {"id": 1, "language": "id", "text": "x"} | row))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"id": 1,', r"line 3: "),
        (b"[1, 2]", r"line 3: a list"),
        (b'"text"', r"line 3: a str"),
        (b'{"id": "\xff"}', r"line 3: "),
        (b"NaN", r"line 3: "),
    ],
)
def test_a_line_that_is_no_object_is_named_by_its_place_in_the_file(
    tmp_path: Path, line: bytes, words: str
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"id": 1}\n\n' + line + b"\n")
    with pytest.raises(InputError, match=words) as caught:
        rows_of(path)
    assert str(path) in caught.value.message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl: cannot be read"):
        rows_of(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        rows_of(tmp_path)


def test_lines_as_other_systems_write_them(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1, "text": "a\\u2028b"}\r\n\r\n{"id": 2, "text": "\xe2\x80\xa8"}')
    assert rows_of(path) == [{"id": 1, "text": "a\u2028b"}, {"id": 2, "text": "\u2028"}]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "id": st.one_of(st.integers(), st.text(min_size=1)),
                "language": st.sampled_from(["id", "th", "my", "zh"]),
                "question": st.text(),
                "options": st.lists(st.text(), min_size=2, max_size=7),
                "answer": st.integers(0, 1),
            }
        ),
        max_size=5,
    )
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    path = write(tmp_path_factory.mktemp("items") / "t.jsonl", *rows)
    found = read_items(path)
    assert [item.id for item in found] == [str(row["id"]) for row in rows]
    for item, row in zip(found, rows, strict=True):
        assert (item.language, item.fields, list(item.options), item.gold) == (
            row["language"], {"question": row["question"]}, row["options"], row["answer"],
        )  # fmt: skip


def test_helpers() -> None:
    assert id_of({"id": 0}, "x") == "0"
    assert fields_of({"id": "1", "text": "a", "label": "b", "prompt_label": "c", "n": 3}) == {"text": "a"}
