"""The real sources, where they are: each row that the inventory counts is a document, and nothing is refused."""

import tomllib

import pyarrow.parquet as pq
import pytest
from reading import read, rejected, sources

from rumpun.corpus.parts import each_part
from rumpun.errors import InputError
from rumpun.records.artefacts import read_manifest
from rumpun.records.places import source_data


@pytest.fixture(scope="module")
def data():
    try:
        return source_data()
    except InputError as error:
        pytest.skip(f"no source text: {error.message}")


def test_the_inventory_and_the_documents_agree(data, tmp_path):
    folder = read(tmp_path / "store", from_inventory=True, languages=["lo", "km", "ilo"], seed_text=True)
    tables = {}
    for path in sorted(data.glob("inventory*.toml")):
        for table in tomllib.loads(path.read_text(encoding="utf-8")).get("source", []):
            tables[table["name"], table["kind"]] = table
    listed = sources(folder)
    assert listed
    for name, source in listed.items():
        if source["kind"] != "text" or source["left_out"]:
            continue
        rows = {file["path"]: file["rows"] for file in tables[name, "text"]["files"]}
        taken = sum(rows[file["name"]] for file in source["files"])
        assert source["rows"] + sum(source["skipped"].values()) == taken, name
    assert rejected(folder) == []
    assert set(read_manifest(folder).languages) <= {"lo", "km", "ilo"}


def test_text_is_byte_for_byte_that_of_the_source(data, tmp_path):
    folder = read(tmp_path / "store", from_inventory=True, languages=["ilo"])
    for name, source in sources(folder).items():
        expected = []
        for file in source["files"]:
            table = pq.read_table(data / file["name"], columns=["text", "language"])
            expected += [row["text"] for row in table.to_pylist() if row["language"] == "ilo"]
        found = [
            row["text"] for part in each_part(folder) for row in part.to_pylist() if row["source"] == name
        ]
        assert found == expected
