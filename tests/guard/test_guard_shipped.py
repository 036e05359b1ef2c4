"""What is shipped: the card tells the manifest's numbers, and they hold on the real sets where those are at hand."""

import pytest

from rumpun.errors import RumpunError
from rumpun.guard import Guard
from rumpun.guard.card import card
from rumpun.guard.held_out import measure
from rumpun.guard.policy.cases import read_cases, run_cases, shipped_cases
from rumpun.guard.rows import read_held_out
from rumpun.records.artefacts import verify
from rumpun.records.licences import shippable
from rumpun.records.places import source_data


@pytest.fixture(scope="module")
def guard():
    return Guard.load()


def test_the_shipped_folder_is_whole_and_its_card_is_the_manifests(guard):
    manifest = verify(guard.folder)
    assert guard.card.read_text() == card(manifest)
    assert all(shippable(source.licence) for source in manifest.sources)
    fitted = {source.name.partition("/")[0] for source in manifest.sources if source.role != "benchmark"}
    measured = {source.name for source in manifest.sources if source.role == "benchmark"}
    assert not fitted & measured
    for point, heads in guard.heads.spec.thresholds.items():
        told = manifest.summary["thresholds"][point]
        assert {h: {t: list(v) for t, v in table.items()} for h, table in heads.items()} == told


def test_encoder_and_guard_are_within_thirty_megabytes(guard):
    files = [
        path for folder in (guard.folder, guard.encoder.folder) for path in folder.iterdir() if path.is_file()
    ]
    assert sum(path.stat().st_size for path in files) <= 30_000_000
    assert (
        sum((guard.encoder.folder / name).stat().st_size for name in guard.encoder.spec.files) <= 25_000_000
    )


def test_distress_leads_to_help_and_lawful_talk_is_never_blocked(guard):
    cases = read_cases(shipped_cases())
    judged = run_cases(cases, lambda text, role: guard.judge([text], role)[0][0])
    assert judged.waiting == 0
    # a note of care beside lawful talk is a miss that the guide counts; a block or a missed person in distress is not borne
    assert not [line for line in judged.failed if not line.endswith("-concern")]
    assert len(judged.failed) <= len(cases) // 50


def test_the_figures_on_the_card_are_measured_again(guard):
    try:
        folder = source_data()
    except RumpunError as error:
        pytest.skip(f"RUMPUN_DATA is not here: {error.message}")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (part corpus)")
    told = {(e["set"], e["language"]): e for e in verify(guard.folder).summary["held_out"]}
    rows = [row for row in read_held_out(folder).rows if row.source in ("simplesafetytests", "xstest")]
    found = {(e["set"], e["language"]): e for e in measure(guard, rows)}
    assert found
    for key, entry in found.items():
        for kind in ("recall", "ordinary", "sensitive"):
            if kind in entry["balanced"]:
                assert entry["balanced"][kind]["rows"] == told[key]["balanced"][kind]["rows"], key
                assert abs(entry["balanced"][kind]["share"] - told[key]["balanced"][kind]["share"]) < 0.02, (
                    key
                )
