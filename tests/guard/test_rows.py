"""Labelled rows: what may be fitted, what is dropped and counted, and that no text gets into a message."""

import json
import logging
from collections import Counter

import pytest

from rumpun.errors import InputError, UsageError
from rumpun.guard.rows import Rows, read_held_out, read_labelled, read_prompts, read_rows, read_seed
from rumpun.guard.sets import Sets, sets
from rumpun.recipes import build

SECRET = "zorkblip quuxwomp"  # nonsense in the place of what nobody should see
ROW = {
    "language": "en",
    "licence": "MIT",
    "prompt": SECRET,
    "prompt_label": "unsafe",
    "url": "https://example.org/a/b",
}


@pytest.fixture
def put(tmp_path):
    """Write a set into a data folder; a row of it is ROW with what is given."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (part corpus)")
    from pyarrow import parquet

    def write(name, *rows, split="train", without=()):
        (tmp_path / "safety").mkdir(exist_ok=True)
        whole = [ROW | {"id": str(n), "split": split} | row for n, row in enumerate(rows)]
        columns = [
            column for column in dict.fromkeys(key for row in whole for key in row) if column not in without
        ]
        whole = [{column: row.get(column) for column in columns} for row in whole]
        parquet.write_table(pa.Table.from_pylist(whole), tmp_path / "safety" / f"{name}.parquet")
        return tmp_path

    return write


def said(error):
    """All that an error says, with what led to it."""
    lines = []
    while error is not None:
        lines += [repr(error), str(error), getattr(error, "hint", "")]
        error = error.__cause__
    return "\n".join(lines)


@pytest.mark.parametrize("name", ["multijail", "simplesafetytests", "xstest", "hatecheck"])
def test_a_set_for_measuring_is_never_fitted(put, name):
    column = sets().sets[name].column
    folder = put(name, {sets().sets[name].text: SECRET, column: sets().sets[name].unsafe[0]}, split="test")
    with pytest.raises(InputError, match="a set of split 'test'") as caught:
        read_rows(folder, [name], {}, fit=True)
    assert "zorkblip" not in said(caught.value)
    assert [row.use for row in read_rows(folder, [name], {}, fit=False).rows] == ["measure"]


@pytest.mark.parametrize("name", ["ailuminate-demo", "xsafety"])
def test_a_test_set_is_fitted_only_where_the_table_says_why(put, name):
    folder = put(name, {"prompt_label": "safety-topic"}, split="test")
    assert sets().sets[name].fit_because
    assert [row.use for row in read_rows(folder, [name], {}, fit=True).rows] == ["fit"]
    assert name not in {row.source for row in read_held_out_of(folder)}


def read_held_out_of(folder):
    """Rows of the sets that are there among those that may never be fitted."""
    there = {path.stem for path in (folder / "safety").glob("*.parquet")}
    names = [name for name in sets().sets if not sets().fitted(name) and name in there]
    return read_rows(folder, names, {}, fit=False).rows


def test_every_set_for_measuring_is_held_out(put):
    names = [name for name, one in sets().sets.items() if one.split == "test" and not one.fit_because]
    for name in names:
        one = sets().sets[name]
        folder = put(name, {one.text: SECRET, one.column: one.unsafe[0]}, split="test")
    assert Counter(row.source for row in read_held_out(folder).rows) == Counter(names)


@pytest.mark.parametrize(("name", "split"), [("harmful-en", "test"), ("xstest", "train"), ("xstest", None)])
def test_a_row_of_another_split_stops_the_reading(put, name, split):
    folder = put(name, {"split": split})
    with pytest.raises(InputError, match="a row of split") as caught:
        read_rows(folder, [name], {}, fit=False)
    assert "zorkblip" not in said(caught.value)


@pytest.mark.parametrize(
    ("column", "label"),
    [
        ("category", "Child Safety"), ("category", "child_abuse"), ("tags", ["Theft", "Children"]), ("hazard", "CSE"),
        ("type", "sexual, minors"), ("harm_area", "underage drinking"), ("focus", "pedophilia"),
    ],
)  # fmt: skip
def test_labels_that_name_children_are_dropped_and_counted(put, column, label, caplog):
    other = ["x"] if isinstance(label, list) else "schoolchildish minority heritage"
    folder = put("harmful-en", {column: label}, {column: other})
    with caplog.at_level(logging.DEBUG):
        read = read_rows(folder, ["harmful-en"], {}, fit=True)
    assert [row.id for row in read.rows] == ["1"]
    assert read.dropped == {"label names children or minors": 1}
    assert "zorkblip" not in caplog.text + repr(read)


def test_what_cannot_be_used_is_dropped_with_its_reason(put):
    folder = put(
        "xstest",
        {"prompt": "  "}, {"prompt": None}, {"licence": "CC-BY-NC-4.0"}, {"prompt_label": "who knows"}, {},
        {"prompt_label": "safe"}, split="test",
    )  # fmt: skip
    read = read_rows(folder, ["xstest"], {}, fit=False)
    assert [(row.id, row.unsafe, row.sensitive) for row in read.rows] == [
        ("4", True, False),
        ("5", False, True),
    ]
    assert read.dropped == {
        "no text": 2, "licence CC-BY-NC-4.0": 1, "xstest: a label that prompt_label has no meaning for": 1,
    }  # fmt: skip


def test_labels_left_out_by_the_table_are_counted(put):
    folder = put("ailuminate-demo", {"hazard": "spc_hlt", "prompt_label": "safety-topic"},
                 {"hazard": "vcr", "prompt_label": "safety-topic"}, split="test")  # fmt: skip
    read = read_rows(folder, ["ailuminate-demo"], {}, fit=True)
    assert [(row.categories, row.weight) for row in read.rows] == [(("violence_threat",), 0.6)]
    assert read.dropped == {"ailuminate-demo: left out by sets.toml": 1}


def test_categories_come_from_labels_else_from_words(put):
    folder = put(
        "harmful-en",
        {"category": "Violence", "prompt": "a ponzi of zorkblip"}, {"category": "who knows", "prompt": "a Ponzi of zorkblip"},
        {"category": None}, {"category": "illegal", "dataset": "kept"},
    )  # fmt: skip
    read = read_rows(folder, ["harmful-en"], {"harmful-en": {"dataset": ("kept",)}}, fit=True)
    assert [row.categories for row in read.rows] == [
        ("violence_threat",),
        ("scam_fraud",),
        (),
        ("crime_general",),
    ]
    assert [row.use for row in read.rows] == ["fit", "fit", "fit", "threshold"]
    assert read.rows[3].part == "kept"


def test_a_safe_answer_is_a_row_of_its_own_on_the_side_of_its_prompt(put):
    folder = put("indosafety-train", {"safe_response": "blorp", "specific_harms": "Misinformation", "language": "id"},
                 {"safe_response": None, "specific_harms": "kept"})  # fmt: skip
    read = read_rows(
        folder, ["indosafety-train"], {"indosafety-train": {"specific_harms": ("kept",)}}, fit=True
    )
    told = [(row.id, row.role, row.unsafe, row.sensitive, row.use, row.categories) for row in read.rows]
    assert told == [
        ("0", "prompt", True, False, "fit", ("deception",)), ("0", "answer", False, True, "fit", ()),
        ("1", "prompt", True, False, "threshold", ()),
    ]  # fmt: skip


@pytest.mark.parametrize("column", ["split", "language", "licence", "prompt", "prompt_label"])
def test_a_missing_column_is_named(put, column):
    folder = put("harmful-en", {}, without=(column,))
    with pytest.raises(InputError, match=rf"harmful-en\.parquet: no column '{column}'") as caught:
        read_rows(folder, ["harmful-en"], {}, fit=True)
    assert "zorkblip" not in said(caught.value)


def test_missing_damaged_and_unknown_files_are_named(put, tmp_path):
    folder = put("harmful-en", {})
    with pytest.raises(InputError, match="no set of that name"):
        read_rows(folder, ["harmful-fr"], {}, fit=True)
    with pytest.raises(InputError, match=r"ordinary-prompts\.parquet: cannot be read"):
        read_rows(folder, ["ordinary-prompts"], {}, fit=True)
    (folder / "safety/harmful-en.parquet").write_bytes(b"PAR1" + SECRET.encode())
    with pytest.raises(InputError, match="cannot be read as parquet") as caught:
        read_rows(folder, ["harmful-en"], {}, fit=True)
    assert "zorkblip" not in said(caught.value)


BAD_LINES = {
    f"{SECRET}": "line 2: no JSON",
    json.dumps([SECRET]): "line 2: a list",
    json.dumps({"prompt": SECRET}): "line 2: label is neither",
    json.dumps({"prompt": SECRET, "label": SECRET}): "line 2: label is neither",
    json.dumps({"prompt": SECRET, "label": {"unsafe": SECRET}}): "line 2: label is neither",
    json.dumps({"prompt": [SECRET], "label": "safe"}): "line 2: 'prompt' is a list",
    json.dumps({"label": "safe"}): "line 2: expected 'prompt'",
    json.dumps({"prompt": SECRET, "label": "safe", "categories": [{"a": SECRET}]}): "line 2: categories are not all names",
    json.dumps({"prompt": SECRET, "label": "safe", "category": 4}): "line 2: categories are not all names",
    json.dumps({"prompt": SECRET, "label": "safe", "category": "hat"}): "line 2: no category is called 'hat'",
}  # fmt: skip


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_of_a_labelled_file_is_named_and_never_quoted(tmp_path, line, caplog, capsys):
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps({"prompt": "x", "label": "safe", "language": "en"}) + "\n" + line + "\n")
    with pytest.raises(InputError, match=BAD_LINES[line]) as caught:
        read_labelled(path)
    assert "zorkblip" not in said(caught.value) + caplog.text + "".join(capsys.readouterr())


def test_a_labelled_file_tells_its_rows(tmp_path):
    path = tmp_path / "own.jsonl"
    lines = [
        {"prompt": "two\u2028lines", "label": "unsafe", "category": "hate", "language": "ms"},
        {"prompt": "q", "response": "r", "label": "safe", "sensitive": True, "language": "en", "source": "ours"},
        {"messages": [{"role": "user", "content": "q"}], "label": "unsafe", "categories": ["hate", "violence_threat"], "id": 7},
    ]  # fmt: skip
    path.write_bytes("\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode())
    rows = read_labelled(path).rows
    assert [(r.text, r.role, r.unsafe, r.source, r.id) for r in rows] == [
        ("two\u2028lines", "prompt", True, "own", "1"), ("r", "answer", False, "ours", "2"), ("q", "prompt", True, "own", "7"),
    ]  # fmt: skip
    assert [r.before for r in rows] == [(), ("q",), ()]
    assert [r.categories for r in rows] == [("hate",), (), ("hate", "violence_threat")]
    assert [r.language for r in rows[:2]] == ["ms", "en"]
    assert rows[1].sensitive
    path.write_bytes(b'{"prompt": "x\xff", "label": "safe"}\n')
    with pytest.raises(InputError, match="line 1: not UTF-8"):
        read_labelled(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_labelled(tmp_path / "nowhere.jsonl")


def test_a_prompt_without_a_field_is_named(tmp_path):
    (tmp_path / "en.jsonl").write_text(json.dumps({"key": "k", "text": SECRET, "topic": "t"}))
    with pytest.raises(InputError, match=r"en\.jsonl: line 1: no field 'sensitive'") as caught:
        read_prompts(tmp_path)
    assert "zorkblip" not in said(caught.value)


def test_both_turns_and_all_languages_of_a_topic_lie_on_one_side(tmp_path):
    (tmp_path / "seed").mkdir()
    turns = [{"key": f"k{n}", "topic": f"t{n // 2}", "sensitive": True, "en": {"user": "a", "assistant": "b"},
              "ms": {"user": "c", "assistant": "d"}} for n in range(80)]  # fmt: skip
    (tmp_path / "seed/chat.jsonl").write_text("\n".join(map(json.dumps, turns)))
    read: Rows = read_seed(tmp_path)
    assert len(read.rows) == 320
    assert Counter(row.role for row in read.rows) == {"prompt": 160, "answer": 160}
    use = {}
    for row in read.rows:
        use.setdefault(int(row.id[1:]) // 2, set()).add(row.use)
    assert all(len(found) == 1 for found in use.values())
    assert 1 <= sum(found == {"threshold"} for found in use.values()) <= 20


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"sets": {"a": {"categories": {"c": {"x": "nonsense"}}}}}, "'nonsense' is no category"),
        ({"words": {"a": {"nonsense": ["x"]}}}, "'nonsense' is no category"),
        ({"words": {"b": {"hate": ["x"]}}}, "words.b: no set of that name"),
        ({"sets": {"a": {"split": "dev"}}}, "split is 'dev'"),
        ({"sets": {"a": {"safe": ["x"], "unsafe": ["x"]}}}, "'x' is both safe and unsafe"),
        ({"sets": {"a": {"weigth": 2.0}}}, "weigth"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table, says):
    own = {"split": "train", "text": "prompt", "column": "label"} | table.get("sets", {}).get("a", {})
    whole = {"labels": []} | table | {"sets": {"a": own}}
    with pytest.raises(UsageError, match=says):
        build(Sets, whole, "sets.toml")
