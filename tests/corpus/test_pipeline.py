"""The whole pipeline from one recipe: the same bytes however it is run, killed or not; a changed threshold costs little."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_texts import SENTENCES, document

from rumpun.recipes import read_recipe
from rumpun.records.artefacts import verify
from rumpun.steps import plan

pytest.importorskip("daft", reason="daft is not installed (make dev)")
pytest.importorskip("scipy", reason="scipy is not installed (make dev)")

STEPS = ["documents", "attributes", "links", "decisions", "mixture", "corpus", "index"]
RECIPE = """
name = "whole"
seed = 3
[steps.documents]
uses = "corpus.read"
[steps.documents.with]
from_inventory = false
files = [{ path = "PLACE/rows.jsonl" }]
[steps.attributes]
uses = "corpus.tag"
needs = ["documents"]
[steps.links]
uses = "corpus.link"
needs = ["documents", "attributes"]
[steps.decisions]
uses = "corpus.filter"
needs = ["documents", "attributes", "links"]
MORE
[steps.mixture]
uses = "corpus.mix"
needs = ["documents", "attributes", "links", "decisions"]
with = { max_per_language = 60_000, held_out_sources = { id = ["kept-apart"] } }
[steps.corpus]
uses = "corpus.write"
needs = ["documents", "attributes", "links", "decisions", "mixture"]
with = { card = { plots = false } }
[steps.index]
uses = "corpus.index"
needs = ["corpus"]
"""


def write_rows(place: Path, count: int = 40) -> None:
    """Documents in every script, some of them twice, one with a number that looks like a person's."""
    rows = []
    for tag in SENTENCES:
        for n in range(count):
            text = document(tag, n)
            rows.append(
                {
                    "id": f"{tag}-{n}",
                    "text": text,
                    "language": tag,
                    "source": "made",
                    "contributor": f"person {n % 3}",
                }
            )
            if n % 8 == 0:
                rows.append({"id": f"{tag}-{n}-again", "text": text, "language": tag, "source": "copied"})
    rows += [
        {"id": f"held-{n}", "text": document("id", 500 + n), "language": "id", "source": "kept-apart"}
        for n in range(12)
    ]
    rows.append(
        {
            "id": "mail",
            "text": document("en", 900) + "\nWrite to someone@example.org for more.",
            "language": "en",
            "source": "made",
        }
    )
    random.Random(1).shuffle(rows)
    lines = [json.dumps(row | {"licence": "CC0-1.0", "domain": "news"}, ensure_ascii=False) for row in rows]
    (place / "rows.jsonl").write_text("\n".join(lines) + "\n")


def write_recipe(place: Path, more: str = "") -> Path:
    path = place / "whole.toml"
    path.write_text(RECIPE.replace("PLACE", str(place)).replace("MORE", more))
    return path


def build(place: Path, store: Path, **settings: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "rumpun.cli",
        "corpus",
        "build",
        str(place / "whole.toml"),
        "--store",
        str(store),
    ]
    plain = {
        name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RUMPUN_ENGINE")
    }
    return subprocess.Popen(
        command, env=plain | settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def built(place: Path, store: Path, **settings: str) -> dict[str, dict[str, str]]:
    """Step -> file -> sha256, of a build that must end well."""
    done = build(place, store, **settings)
    said, errors = done.communicate(timeout=240)
    assert done.returncode == 0, errors
    found = {}
    for item in plan(read_recipe(place / "whole.toml"), store):
        assert item.done, (item.name, said)
        found[item.name] = {entry.path: entry.sha256 for entry in verify(item.folder).files}
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_rows(folder)
    write_recipe(folder)
    return folder


@pytest.fixture(scope="module")
def reference(place):
    return built(place, place / "one", RUMPUN_WORKERS="1")


@pytest.mark.slow
def test_the_corpus_holds_what_it_should(place, reference):
    import pyarrow.parquet as pq

    folder = next(
        item.folder
        for item in plan(read_recipe(place / "whole.toml"), place / "one")
        if item.name == "corpus"
    )
    kept = [
        row
        for path in sorted((folder / "train").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    held = [
        row
        for path in sorted((folder / "heldout").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    dropped = [
        row
        for path in sorted((folder / "drops").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    assert len(kept) + len(held) + len(dropped) == sum(1 for _ in (place / "rows.jsonl").open())
    assert all(row["rule"] and row["text"] for row in dropped)
    assert {row["source"] for row in held} == {"kept-apart"}
    texts = [row["text"] for row in kept]
    assert len(set(texts)) == len(texts)  # nothing stands twice
    assert sum(row["rule"].startswith("exact.") for row in dropped) == 5 * len(SENTENCES)
    assert not any("someone@example.org" in text for text in texts)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["2", "4"])
def test_the_same_bytes_with_more_workers(place, reference, tmp_path, workers):
    assert built(place, tmp_path / "store", RUMPUN_WORKERS=workers) == reference


@pytest.mark.slow
def test_the_same_bytes_on_a_ray_cluster_of_two_nodes(place, reference, tmp_path, ray_cluster):
    found = built(place, tmp_path / "store", RUMPUN_ENGINE="ray", RAY_ADDRESS=ray_cluster.address)
    assert found == reference


@pytest.mark.slow
def test_killed_at_random_times_it_ends_with_the_same_bytes(place, reference, tmp_path):
    draw = random.Random(5)
    for _ in range(3):
        process = build(place, tmp_path / "store", RUMPUN_WORKERS="2")
        time.sleep(draw.uniform(2, 9))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    assert built(place, tmp_path / "store", RUMPUN_WORKERS="2") == reference


@pytest.mark.slow
def test_another_threshold_leaves_what_was_tagged(place, reference, tmp_path):
    before = {item.name: item.key for item in plan(read_recipe(place / "whole.toml"), place / "one")}
    other = tmp_path / "whole.toml"
    other.write_text((place / "whole.toml").read_text().replace(
        'needs = ["documents", "attributes", "links"]\n',
        'needs = ["documents", "attributes", "links"]\nwith = { thresholds = { th = { "figures.letter_share" = 0.995 } } }\n', 1,
    ))  # fmt: skip
    after = {item.name: item for item in plan(read_recipe(other), place / "one")}
    assert [name for name in STEPS if after[name].done] == ["documents", "attributes", "links"]
    assert all(after[name].key != before[name] for name in STEPS[3:])
