"""rumpun lineage: by file, folder, id and name; a tree, sources, obligations; --verify names what does not match."""

import shutil

import pytest
from commands import refused, rumpun, said

from rumpun.engines.assembled import assembled
from rumpun.records.artefacts import Maker, Manifest, SourceEntry, read_manifest, write_manifest
from tiny import tiny_base, tiny_layer


@pytest.fixture
def model(home, tmp_path):
    """A corpus, a layer on it, a base, and the two assembled."""
    corpus = home / "data" / "artefacts" / ("c" * 32)
    corpus.mkdir(parents=True)
    (corpus / "rows.jsonl").write_text("မင်္ဂလာပါ\n")
    maker = Maker(step="corpus.write", version=1, params={}, rumpun="0")
    sources = (
        SourceEntry(name="statutes", licence="CC0-1.0", rows=10, url="https://example.org/statutes"),
        SourceEntry(name="wiki", licence="CC-BY-SA-4.0", rows=20),
    )
    write_manifest(corpus, Manifest(kind="corpus", id="c" * 32, name="texts", maker=maker, sources=sources,
                                    licences=("CC-BY-SA-4.0", "CC0-1.0")))  # fmt: skip
    base = tiny_base(home / "data" / "bases" / "tiny", seed=10) / "base.gguf"
    layer = tiny_layer(home / "data" / "artefacts" / "layer", base, seed=20)
    manifest = read_manifest(layer)
    (layer / "manifest.json").unlink()
    changed = Manifest(
        kind="layer", id="d" * 32, name="first", maker=maker, parents=("c" * 32,), licences=manifest.licences
    )
    write_manifest(layer, changed)
    return assembled(base, layer)


def test_every_reference_leads_to_the_same_tree(home, model, tmp_path):
    by_folder = said(rumpun("lineage", model, "--json"))
    assert [node["kind"] for node in by_folder["nodes"]] == ["gguf", "base", "layer", "corpus"]
    assert by_folder["complete"]
    assert said(rumpun("lineage", model / "model.gguf", "--json")) == by_folder
    assert said(rumpun("lineage", model.name, "--json")) == by_folder
    carried = tmp_path / "carried.gguf"
    shutil.copyfile(model / "model.gguf", carried)
    assert said(rumpun("lineage", carried, "--json"))["sources"] == by_folder["sources"]


def test_json_keys_are_stable(home, model):
    record = said(rumpun("lineage", model, "--json", "--verify"))
    assert list(record) == [
        "root", "nodes", "sources", "licences", "obligations", "not_shippable", "missing", "complete", "verified",
    ]  # fmt: skip
    assert len(record["verified"]) == 4


def test_people_read_the_tree_the_sources_and_the_duties(home, model):
    text = rumpun("lineage", model).stdout
    tree, sources, duties = text.split("\n\n")
    assert tree.splitlines()[0].startswith("gguf  tiny+first")
    assert tree.splitlines()[-1].startswith("    corpus  texts")
    assert "wiki (text)  20 rows" in sources
    assert "share-alike: CC-BY-SA-4.0" in duties


def test_a_licence_that_may_not_ship_stands_out(home, tmp_path):
    maker = Maker(step="s", version=1, params={}, rumpun="0")
    sources = (SourceEntry(name="songs", licence="CC-BY-NC-4.0"),)
    write_manifest(tmp_path, Manifest(kind="corpus", id="e" * 32, maker=maker, sources=sources))
    assert "! not shippable" in rumpun("lineage", tmp_path).stdout


def test_a_missing_ancestor_is_named(home, model):
    shutil.rmtree(home / "data" / "artefacts" / ("c" * 32))
    done = rumpun("lineage", model)
    assert done.returncode == 0
    assert "missing: " + "c" * 32 in done.stdout


def test_verify_names_the_first_file_that_does_not_match(home, model):
    assert "4 artefacts" in rumpun("lineage", model, "--verify").stdout
    rows = home / "data" / "artefacts" / ("c" * 32) / "rows.jsonl"
    rows.write_text("ပြောင်းပြီ\n")
    line, hint = refused(rumpun("lineage", model, "--verify"), 3)
    assert str(rows) in line
    assert hint


@pytest.mark.base
def test_the_embedded_base_by_its_name(home_with_base):
    record = said(rumpun("lineage", "base", "--json", "--verify"))
    assert [source["name"] for source in record["sources"]] == ["smollm2-135m-instruct"]
    assert record["obligations"] == {"keep-notice": ["Apache-2.0"]}
