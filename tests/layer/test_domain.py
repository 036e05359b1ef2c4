"""`rumpun layer domain | offspring --run` as people type them: a recipe out of a small data folder, walked to its end."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from growing import Made, parent_recipe, texts, write_data, write_texts

from rumpun.records.artefacts import Manifest, read_manifest
from rumpun.records.service import read_service
from rumpun.weights.layer_file import read_spec

HANDBOOK = Made(
    name="handbook", counts={"id-work": 700, "en-work": 700}, domain="labour", licence="CC-BY-4.0"
)
HOTLINE = Made(name="hotline", counts={"id-work": 60, "en-work": 60}, domain="labour")
WARTA = Made(name="warta", counts={"id": 140, "en": 140}, licence="CC-BY-SA-4.0")
SOURCES = (
    HANDBOOK, HOTLINE, WARTA,
    Made(name="closed", counts={"id-work": 20}, domain="labour-law", licence="CC-BY-NC-4.0"),
    Made(name="seed-chat-work", counts={"id-work": 30, "en-work": 30}, domain="", kind="chat"),
    Made(name="desa", counts={"su": 1500}), Made(name="radio", counts={"su": 120}, licence="CC-BY-4.0"),
)  # fmt: skip
STEPS = [
    "parent", "documents", "attributes", "links", "decisions", "mixture", "corpus", "layer", "merge", "evaluate", "release",
]  # fmt: skip
NOTES = ("CARD-notes.md", "CHECKLIST.md", "run.toml")
OPEN = " *to be filled in*"

Typed = Callable[..., subprocess.CompletedProcess[str]]


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The JSON object of a command that succeeded."""
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def typed(place: Path) -> Typed:
    """`rumpun` in a process and a home of its own."""
    own = {"RUMPUN_HOME": str(place / "home"), "RUMPUN_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}

    def rumpun(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rumpun.cli", *map(str, words)]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | own, timeout=240
        )

    return rumpun


@pytest.fixture(scope="module")
def parent(place: Path, typed: Typed) -> Path:
    return Path(said(typed("run", parent_recipe(place), "--json"))["steps"]["layer"])


@pytest.fixture(scope="module")
def data(place: Path) -> Path:
    (place / "data").mkdir()
    return write_data(place / "data", SOURCES)


@pytest.fixture(scope="module")
def grown(place: Path, typed: Typed, parent: Path, data: Path) -> tuple[Path, dict[str, Path]]:
    """The folder of a domain's recipe, and the folders of the steps that `--run` made of it."""
    asked = ("layer", "domain", "--domain", "workers", "--parent", parent, "--data", data)
    told = said(typed(*asked, "--into", place / "workers", "--minutes", "0.1", "--run", "--json"))
    assert told["recipe"] == "tiny-layer-workers"
    return place / "workers", {name: Path(folder) for name, folder in told["steps"].items()}


def test_a_domain_is_written_and_walked_to_its_end(
    typed: Typed, grown: tuple[Path, dict[str, Path]], parent: Path
) -> None:
    folder, steps = grown
    assert sorted(path.name for path in folder.iterdir()) == sorted(NOTES)
    planned = said(typed("run", folder / "run.toml", "--plan", "--json"))["steps"]
    assert [(step["name"], step["done"]) for step in planned] == [(name, True) for name in STEPS]
    assert {step["name"]: Path(step["folder"]) for step in planned} == steps
    layer, brought = read_manifest(steps["layer"]), read_manifest(steps["parent"])
    assert brought.parents == (read_manifest(parent).id,)
    assert layer.summary["begun_from"]["layer"] == brought.id
    assert set(layer.summary["tokens_by_source"]) == {"en", "id", "chat"}
    service = read_service(steps["release"])
    assert service.policy == "asean"
    assert "no legal advice" in service.caution
    assert "labour office" in service.caution


def test_what_the_domain_is_measured_on_does_not_train(grown: tuple[Path, dict[str, Path]]) -> None:
    _, steps = grown
    for tag in ("id", "en"):
        trained = pq.read_table(steps["corpus"] / "train" / f"{tag}.parquet")
        assert set(trained["source"].to_pylist()) == {"handbook"}
        held = pq.read_table(steps["corpus"] / "heldout" / f"{tag}.parquet")
        assert set(held["source"].to_pylist()) == {"hotline", "warta"}
        assert set(held["text"].to_pylist()).isdisjoint(trained["text"].to_pylist())
        assert {*texts(HOTLINE, f"{tag}-work"), *texts(WARTA, tag)} >= set(held["text"].to_pylist())


def test_it_stands_beside_its_parent_on_the_domain_and_on_others(
    grown: tuple[Path, dict[str, Path]],
) -> None:
    _, steps = grown
    told = json.loads((steps["evaluate"] / "bpb.json").read_text(encoding="utf-8"))
    card = (steps["release"] / "CARD.md").read_text(encoding="utf-8")
    for tag in ("id", "en"):
        sources = told["sources"][tag]
        assert set(sources) == {"hotline", "warta"}  # the domain's own text, and news
        for row in (told["languages"][tag], *sources.values()):
            low, high = row["from_parent"]
            assert low <= row["model"] - row["parent"] <= high
            assert row["documents"] > 1
        assert sources["hotline"]["from_parent"][1] < 0  # the child has read of work and pay
        whole = told["languages"][tag]
        assert whole["documents"] == sum(row["documents"] for row in sources.values())
        low, high = whole["from_parent"]
        assert f"| {whole['parent']:.3f} | {low:+.3f} to {high:+.3f} |" in card


# ---- the pages beside the recipe


def table(page: str) -> dict[str, dict[str, str]]:
    """The table of sources: first cell -> column -> cell."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("|")
    ]
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


def check_notes(page: str, title: str, parent: Manifest, base: str, still_open: int) -> None:
    """What a card skeleton says by itself, and what it leaves to its makers."""
    lines = page.splitlines()
    assert lines[0] == f"# {title}: notes for the card"
    assert f"- Parent: {parent.name}, layer `{parent.id}`." in lines
    assert base in lines
    assert "- Guard policy when it is served: `asean` (`rumpun policy show asean`)." in lines
    waiting = [line.removesuffix(OPEN) for line in lines if line.startswith("- ") and line.endswith(OPEN)]
    assert len(waiting) == still_open
    assert {"- Who made it, and for whom:", "- What it is for:", "- What they found:"} <= set(waiting)
    assert any(line.startswith("- Native speakers who have judged its answers") for line in waiting)
    assert not any(line.endswith(":") for line in lines if line.startswith("- "))  # an empty line is marked


def base_of(layer: Path) -> str:
    spec = read_spec(layer)
    assert len(spec.base_sha256) == 64
    return f"- Base: {spec.base_name}, sha256 `{spec.base_sha256}`."


def test_the_notes_of_a_domain(grown: tuple[Path, dict[str, Path]], parent: Path) -> None:
    page = (grown[0] / "CARD-notes.md").read_text(encoding="utf-8")
    made = read_manifest(parent)
    title = f"Workers' rights, at home and abroad, a domain of {made.name}"
    check_notes(page, title, made, base_of(parent), 4)
    assert "- What it is not for: This model gives no legal advice" in page
    sizes = {
        (source.name, tag): f"{sum(len(text.encode()) for text in texts(source, words)):,}"
        for source in (HANDBOOK, HOTLINE, WARTA)
        for words in source.counts
        for tag in (words.partition("-")[0],)
    }
    rows = table(page)
    assert {name: (row["licence"], row["domain"], row["use"]) for name, row in rows.items()} == {
        "handbook": ("CC-BY-4.0", "labour", "trains en, id"),
        "hotline": ("CC0-1.0", "labour", "held out in en, id"),
        "warta": ("CC-BY-SA-4.0", "news", "held out in en, id"),
        "seed-chat-work": ("CC0-1.0", "", "conversations"),
    }
    assert {key: rows[key[0]][f"{key[1]}, bytes"] for key in sizes} == sizes


def test_the_checklist_of_a_domain(grown: tuple[Path, dict[str, Path]]) -> None:
    lines = (grown[0] / "CHECKLIST.md").read_text(encoding="utf-8").splitlines()
    size = sum(len(text.encode()) for text in texts(HANDBOOK, "id-work"))
    assert f"- id: {size:,} bytes of text to train on." in lines
    assert "- seed-work is not in this data folder." in lines
    # a source of the domain that is left out is named, under whatever word its inventory puts the domain
    assert (
        "- closed (text, labour-law, CC-BY-NC-4.0): its licence does not let a layer be given away" in lines
    )
    assert not any(line.startswith("- Every source") for line in lines)
    assert not any(line.startswith(("- desa", "- radio")) for line in lines)  # of another field
    assert "- [ ] attribution: CC-BY-4.0, CC-BY-SA-4.0" in lines
    assert "- [ ] share-alike: CC-BY-SA-4.0" in lines
    assert any(line.startswith("- [ ] A lawyer or a labour inspector of each country") for line in lines)
    assert f"rumpun run {grown[0]}/run.toml" in lines


# ---- a language, and a step that fails


def test_run_walks_what_offspring_wrote(typed: Typed, place: Path, parent: Path, data: Path) -> None:
    into = place / "su"
    asked = ("layer", "offspring", "--language", "su", "--parent", parent, "--data", data, "--into", into)
    done = typed(*asked, "--minutes", "0.1", "--run")
    assert done.returncode == 0, done.stderr
    assert str(into / "run.toml") in done.stdout.splitlines()
    steps = {
        words[0]: Path(words[1]) for line in done.stdout.splitlines() if (words := line.split())[0] in STEPS
    }
    assert list(steps) == STEPS
    told = json.loads((steps["evaluate"] / "bpb.json").read_text(encoding="utf-8"))
    assert set(told["sources"]["su"]) == {"radio"}
    assert told["languages"]["su"]["from_parent"][1] < 0

    made = read_manifest(parent)
    page = (into / "CARD-notes.md").read_text(encoding="utf-8")
    check_notes(page, f"Sundanese, an offspring of {made.name}", made, base_of(parent), 5)
    rows = table(page)
    assert (rows["desa"]["licence"], rows["desa"]["use"]) == ("CC0-1.0", "trains su")
    assert (rows["radio"]["licence"], rows["radio"]["use"]) == ("CC-BY-4.0", "held out in su")
    assert rows["warta"]["use"] == "held out in id"  # a sister that the parent did not read these texts of
    assert set(rows).isdisjoint({"hotline", "closed", "seed-chat-work"})


def test_a_step_that_fails_is_one_line_and_the_recipe_stays(
    typed: Typed, place: Path, parent: Path, tmp_path: Path
) -> None:
    own = write_data(tmp_path, SOURCES[:3])
    write_texts(own, HANDBOOK, "id-work", texts(HANDBOOK, "en-work"))  # English under Indonesian's name
    into = tmp_path / "workers"
    asked = ("layer", "domain", "--domain", "workers", "--parent", parent, "--data", own, "--into", into)
    failed = typed(*asked, "--languages", "id", "--minutes", "0.1", "--run", "--json")
    assert (failed.returncode, failed.stdout) == (3, "")
    assert "Traceback" not in failed.stderr
    line, hint = failed.stderr.splitlines()[-2:]
    assert line.startswith("rumpun: ")
    assert hint.startswith("  ")
    kept = {path.name: path.read_bytes() for path in into.iterdir()}
    assert set(kept) == set(NOTES)
    planned = said(typed("run", into / "run.toml", "--plan", "--json"))["steps"]
    done = {step["name"]: step["done"] for step in planned}
    assert done["documents"]  # what was made before it is not made again
    assert not done["layer"]

    again = typed(*asked, "--languages", "id", "--run")
    assert again.returncode == 2
    assert "a recipe stands there already" in again.stderr
    assert {path.name: path.read_bytes() for path in into.iterdir()} == kept

    write_texts(own, HANDBOOK, "id-work", texts(HANDBOOK, "id-work"))
    mended = said(typed("run", into / "run.toml", "--json"))["steps"]
    assert list(mended) == STEPS
    told = json.loads((Path(mended["evaluate"]) / "bpb.json").read_text(encoding="utf-8"))
    assert told["sources"]["id"]["hotline"]["from_parent"][1] < 0
