"""Lineage: every ancestor found or named as missing, cycles and damage survived, obligations drawn."""

import json
import shutil

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.records.artefacts import Maker, Manifest, SourceEntry, write_manifest
from rumpun.records.lineage import verify_lineage, walk


def artefact(store, key, *, parents=(), sources=(), kind="corpus", name=""):
    folder = store / (name or key)
    folder.mkdir(parents=True)
    (folder / "content.txt").write_text(f"ເນື້ອໃນ {key}")
    maker = Maker(step="test.step", version=1, params={}, rumpun="0")
    entries = tuple(SourceEntry(name=source, licence=licence) for source, licence in sources)
    licences = tuple(licence for _, licence in sources)
    write_manifest(
        folder, Manifest(kind=kind, id=key, maker=maker, parents=parents, sources=entries, licences=licences)
    )
    return folder


A, B, C, D = (letter * 32 for letter in "abcd")


def test_a_chain_is_walked_to_its_sources(home, tmp_path):
    store = home / "data" / "artefacts"
    artefact(store, A, sources=[("statutes", "CC0-1.0"), ("wiki", "CC-BY-SA-4.0")])
    artefact(store, B, sources=[("base", "Apache-2.0")], kind="base")
    artefact(store, C, parents=(A, B), kind="layer")
    found = walk(artefact(store, D, parents=(C, B), kind="gguf"))
    assert [node.id for node in found.nodes] == [D, C, B, A]
    assert [source.name for source in found.sources] == ["base", "statutes", "wiki"]
    assert found.obligations == {
        "attribution": ["CC-BY-SA-4.0"],
        "keep-notice": ["Apache-2.0"],
        "share-alike": ["CC-BY-SA-4.0"],
    }
    assert found.complete
    assert found.not_shippable == ()
    assert walk(D).nodes == found.nodes


def test_ancestors_are_found_in_the_folder_s_own_copies(home, tmp_path):
    """A released layer far from any store: `lineage/` alone carries it."""
    store = tmp_path / "elsewhere"
    parent = artefact(store, A, sources=[("radio", "CC-BY-4.0")])
    layer = artefact(tmp_path / "release", B, parents=(A,), kind="layer", name="first")
    (layer / "lineage").mkdir()
    shutil.copyfile(parent / "manifest.json", layer / "lineage" / f"{A}.json")
    shutil.rmtree(store)
    found = walk(layer)
    assert found.complete
    assert [(node.id, node.whole) for node in found.nodes] == [(B, True), (A, False)]
    assert [source.licence for source in found.sources] == ["CC-BY-4.0"]


def test_neighbours_in_a_store_are_found(home, tmp_path):
    artefact(tmp_path / "store", A, name="one")
    assert walk(artefact(tmp_path / "store", B, parents=(A,), name="two")).complete


def test_a_parent_that_is_nowhere_is_named(home, tmp_path):
    found = walk(artefact(tmp_path, A, parents=(B,)))
    assert not found.complete
    assert [(gap.id, gap.wanted_by) for gap in found.missing] == [(B, A)]


def test_a_damaged_ancestor_is_named_as_such(home):
    store = home / "data" / "artefacts"
    (artefact(store, B) / "manifest.json").write_bytes(b"{ broken")
    found = walk(artefact(store, A, parents=(B,)))
    assert "cannot be read" in found.missing[0].problem
    assert B in found.missing[0].problem


def test_a_cycle_ends(home):
    store = home / "data" / "artefacts"
    artefact(store, A, parents=(B,))
    artefact(store, B, parents=(C,))
    found = walk(artefact(store, C, parents=(A, C)))
    assert sorted(node.id for node in found.nodes) == [A, B, C]


def test_a_licence_that_may_not_ship_is_flagged(home, tmp_path):
    found = walk(artefact(tmp_path, A, sources=[("corpus", "CC-BY-NC-4.0"), ("other", "MIT")]))
    assert found.not_shippable == ("CC-BY-NC-4.0",)


def test_verify_names_the_file_of_an_ancestor_that_changed(home):
    store = home / "data" / "artefacts"
    parent = artefact(store, A)
    found = walk(artefact(store, B, parents=(A,)))
    assert len(verify_lineage(found)) == 2
    (parent / "content.txt").write_text("x")
    with pytest.raises(InputError, match=r"content\.txt"):
        verify_lineage(found)


def test_a_folder_without_a_manifest_and_an_unknown_id_are_clear_errors(home, tmp_path):
    with pytest.raises(InputError, match=r"manifest\.json"):
        walk(tmp_path)
    with pytest.raises(InputError, match="neither an artefact's folder"):
        walk("f" * 32)


def test_a_file_that_says_its_own_ancestry_is_walked(home, tmp_path):
    """A GGUF carried away from its folder: its metadata leads on."""
    artefact(home / "data" / "artefacts", A, sources=[("songs", "CC0-1.0")])
    carried = tmp_path / "away" / "carried.gguf"  # its neighbours are looked at too: no other test's folders
    carried.parent.mkdir()
    carried.write_bytes(b"GGUF")
    found = walk(carried, id=C, parents=(A, B))
    assert [node.id for node in found.nodes] == [C, A]
    assert [gap.id for gap in found.missing] == [B]


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"), max_size=3), min_size=1))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_graph_is_walked_once_and_nothing_is_dropped(home, tmp_path_factory, graph):
    """Reachable parents are either a node or missing, each exactly once; reachability computed independently."""
    store = tmp_path_factory.mktemp("store")
    for key, parents in graph.items():
        artefact(store, key * 32, parents=tuple(p * 32 for p in sorted(parents)))
    root = min(graph)
    reached, queue = {root}, [root]
    while queue:
        for parent in graph.get(queue.pop(), ()):
            if parent not in reached:
                reached.add(parent)
                queue.append(parent)
    found = walk(store / (root * 32))
    said = [node.id[0] for node in found.nodes] + [gap.id[0] for gap in found.missing]
    assert sorted(said) == sorted(reached)
    assert {gap.id[0] for gap in found.missing} == reached - set(graph)


def test_json_keys_are_stable(home, tmp_path):
    record = json.loads(msgspec.json.encode(walk(artefact(tmp_path, A, sources=[("s", "MIT")]))))
    assert list(record) == ["root", "nodes", "sources", "licences", "obligations", "not_shippable", "missing"]
    assert list(record["nodes"][0]) == [
        "id",
        "kind",
        "name",
        "step",
        "created",
        "parents",
        "licences",
        "place",
        "whole",
    ]
