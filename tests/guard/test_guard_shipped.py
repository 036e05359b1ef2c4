"""What is shipped: the card tells the manifest's numbers, and they hold on the real sets where those are at hand."""

import pytest

from rumpun.errors import RumpunError
from rumpun.guard import Guard
from rumpun.guard.card import card
from rumpun.guard.held_out import measure
from rumpun.guard.rows import read_measured
from rumpun.records.artefacts import verify
from rumpun.records.licences import shippable
from rumpun.records.places import source_data


def test_the_shipped_folder_is_whole_and_its_card_is_the_manifests():
    guard = Guard.load()
    manifest = verify(guard.folder)
    assert guard.card.read_text() == card(manifest)
    assert all(shippable(source.licence) for source in manifest.sources)
    fitted = {source.name.partition("/")[0] for source in manifest.sources if source.role != "benchmark"}
    measured = {source.name for source in manifest.sources if source.role == "benchmark"}
    assert not fitted & measured
    assert guard.heads.facts["thresholds"] == manifest.summary["thresholds"]


def test_the_figures_on_the_card_are_measured_again():
    try:
        folder = source_data()
    except RumpunError as error:
        pytest.skip(f"RUMPUN_DATA is not here: {error.message}")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (part corpus)")
    guard = Guard.load()
    told = {(e["set"], e["language"]): e for e in verify(guard.folder).summary["held_out"]}
    found = {(e["set"], e["language"]): e for e in measure(guard, read_measured(folder).rows)}
    assert found.keys() == told.keys()
    for key, entry in found.items():
        for kind in ("recall", "false_alarms", "topic_flags"):
            if kind in entry:
                assert entry[kind]["rows"] == told[key][kind]["rows"], key
                assert abs(entry[kind]["share"] - told[key][kind]["share"]) < 0.01, key
