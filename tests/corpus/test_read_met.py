"""A withdrawal changes the id of every reading that it may concern, and of no other that is known."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reading import files, jsonl, read, recipe, texts

from rumpun.corpus import met
from rumpun.corpus.read.params import Files, ReadParams
from rumpun.corpus.read.units import identity, reading
from rumpun.corpus.withdrawn import Entry, Withdrawn, list_path, record
from rumpun.records.artefacts import read_manifest
from rumpun.steps import plan

NAMES = st.sampled_from(["a", "b", "a#2", "a#2#3", "Rina", 'R"ina', "ริน่า", "é\\n", "", "x" * 400])
ROWS = st.fixed_dictionaries(
    {"id": NAMES, "source": NAMES, "contributor": NAMES, "unread": st.just("")}
    | {"unread": st.lists(NAMES, max_size=3).map(lambda n: ", ".join(json.dumps(x, ensure_ascii=len(n) > 1) for x in n))}
)  # fmt: skip
ENTRIES = st.builds(
    Entry, what=st.sampled_from(["source", "row", "contributor"]), name=NAMES.filter(lambda name: name != "")
)


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "1")


def rows_of(person, count=3):
    return [
        {"id": f"{person}{n}", "text": f"{person} {n}", "language": "id", "contributor": person}
        for n in range(count)
    ]


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(ROWS, max_size=4), before=st.lists(ENTRIES, max_size=2), entry=ENTRIES)
@example(
    rows=[{"id": "a#2", "source": "", "contributor": "", "unread": ""}],
    before=[],
    entry=Entry(what="row", name="a"),
)
def test_an_entry_that_takes_a_row_is_never_left_out_of_the_id(tmp_path_factory, rows, before, entry):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUMPUN_HOME", str(tmp_path_factory.mktemp("home")))
        record(before)
        asked = met.Asked(Withdrawn(before))
        assert [asked.takes(row) for row in rows] == [Withdrawn(before).takes(row) for row in rows]
        first = met.identity("f" * 32)
        met.remember("f" * 32, [], asked)
        assert met.identity("f" * 32) == first
        record([entry])
        known = entry.line in {item.line for item in before}
        if any(Withdrawn([entry]).takes(row) for row in rows) and not known:
            assert met.identity("f" * 32) != first
        # another reading, of which nothing is known, goes by the whole list
        assert met.identity("0" * 32) != {}


def test_a_withdrawal_leaves_readings_that_it_does_not_concern(tmp_path, store, home):
    one, two = (jsonl(tmp_path / f"{name}.jsonl", rows_of(name)) for name in ("Ani", "Budi"))
    first, second = read(store, files=files(one)), read(store, files=files(two))
    record(
        [
            Entry(what="contributor", name="Ani"),
            Entry(what="row", name="Ani2"),
            Entry(what="source", name="one"),
        ]
    )
    assert read(store, files=files(two)) == second
    again = read(store, files=files(one), texts=[{"text": "x", "language": "id"}])
    assert texts(again) == ["x"]
    assert plan(recipe(files=files(one)), store)[0].folder != first
    record([Entry(what="contributor", name="nobody")])
    assert read(store, files=files(one), texts=[{"text": "x", "language": "id"}]) == again


def test_what_is_not_known_counts_as_concerned(tmp_path, store, home):
    path = jsonl(tmp_path / "Ani.jsonl", rows_of("Ani"))
    first = read(store, files=files(path))
    kept = home / "data" / "met" / read_manifest(first).summary["met"]
    record([Entry(what="contributor", name="Budi")])
    assert read(store, files=files(path)) == first
    whole = kept.read_bytes()
    for damaged in (b"", whole[:9], whole.partition(b"\n")[0] + b"\n", whole[:-8]):
        kept.write_bytes(damaged)
        assert plan(recipe(files=files(path)), store)[0].folder != first
    kept.unlink()
    other = read(store, files=files(path))
    assert other != first
    assert read(store, files=files(path)) == other


def test_an_id_that_went_out_of_use_does_not_come_back(tmp_path, home):
    path = jsonl(tmp_path / "Ani.jsonl", rows_of("Ani"))
    params = ReadParams(from_inventory=False, files=(Files(path=str(path)),))
    name = reading(params)
    met.remember(name, [], met.Asked(Withdrawn(())))
    first = identity(params)
    entry = Entry(what="contributor", name="only in conversations")
    record([entry])
    assert identity(params) == first
    met.heed(name, [entry])
    second = identity(params)
    list_path().unlink()  # a person says that it was a slip
    assert len({json.dumps(item) for item in (first, second, identity(params))}) == 3
