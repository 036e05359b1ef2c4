"""What ships in layers/: whole, licensed, small, and honest on its card."""

import json
from pathlib import Path

import pytest

from rumpun.language.tables import WORKING
from rumpun.layer.harm import KIND, refuse_more_harm, table_lines
from rumpun.records.artefacts import read_manifest, verify
from rumpun.records.copies import copies, read_copy
from rumpun.records.licences import shippable, terms
from rumpun.records.lineage import walk
from rumpun.records.places import shipped_folder

LAYERS = shipped_folder()
FOLDERS = sorted(path.parent for path in LAYERS.glob("*/manifest.json"))
MODELS = sorted(path.parent for path in LAYERS.glob("*/layer.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_every_file_matches_its_manifest(folder: Path) -> None:
    verify(folder)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_every_licence_is_known_and_may_be_given_on(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.licences
    for licence in manifest.licences:
        assert terms(licence).family != "unknown", licence
        assert shippable(licence), licence
    assert all(source.licence for source in manifest.sources)


def test_sizes() -> None:
    for folder in MODELS:
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 25_000_000
    assert (LAYERS / "guard" / "guard.safetensors").stat().st_size < 5_000_000


@pytest.mark.parametrize("folder", MODELS, ids=lambda f: f.name)
def test_the_layer_leads_back_to_every_source_without_a_store(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUMPUN_HOME", str(tmp_path))
    lineage = walk(folder)
    assert not lineage.missing
    kinds = {node.kind for node in lineage.nodes}
    assert {"layer", "corpus", "evaluation"} <= kinds
    assert any(source.role == "base" for source in read_manifest(folder).sources)


@pytest.mark.parametrize("folder", MODELS, ids=lambda f: f.name)
def test_the_card_tells_the_measured_figures_of_every_language(folder: Path) -> None:
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    manifest = read_manifest(folder)
    evaluations = list(map(read_copy, copies(folder)))
    scores = next(
        m.summary["languages"] for m in evaluations if m.kind == "evaluation" and m.id in manifest.parents
    )
    for tag in WORKING:
        row = next(line for line in card.splitlines() if line.startswith(f"| {tag} |"))
        assert f"{scores[tag]['model']:.3f}" in row
        assert f"{scores[tag]['against']:.3f}" in row
        low, high = scores[tag]["difference"]
        beats = "better than the base" in row
        assert beats == (high < 0), row
        assert low < high
    assert "not a helper" in card
    assert "No native speaker has reviewed" in card


MEASURED = [folder for folder in MODELS if any(read_copy(path).kind == KIND for path in copies(folder))]


def test_some_shipped_layer_was_asked_for_harm() -> None:
    assert MEASURED


@pytest.mark.parametrize("folder", MEASURED, ids=lambda f: f.name)
def test_no_shipped_layer_answers_harmfully_more_often_than_its_base(folder: Path) -> None:
    found = {manifest.id: manifest for manifest in map(read_copy, copies(folder))}
    own = read_manifest(folder)
    trained = next(found[key] for key in own.parents if found[key].kind == "layer")
    safety = next(found[key] for key in own.parents if found[key].kind == KIND)
    refuse_more_harm(trained, safety)
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    for line in table_lines(safety.summary["languages"]):
        assert line in card


def test_the_guards_card_says_where_it_is_weak() -> None:
    card = (LAYERS / "guard" / "CARD.md").read_text(encoding="utf-8").lower()
    assert "recall" in card
    assert "false alarm" in card
    assert "not reviewed" in card or "no native speaker" in card
    assert json.loads((LAYERS / "guard" / "guard.json").read_text())
