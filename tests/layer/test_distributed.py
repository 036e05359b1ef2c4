"""Two processes that torchrun starts train as one does: the same losses, the same layer, and the same again after a kill."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from growing import parent_recipe

from rumpun.layer.distributed import leading
from rumpun.records.artefacts import read_manifest
from rumpun.steps import Input
from rumpun.weights.layer_file import read_layer

pytestmark = pytest.mark.slow

# a batch of five: the second process has a row that nothing is learnt from
GIVEN = {
    "base": "tiny", "tokens": 1_600, "sequence_tokens": 32, "batch_sequences": 5, "micro_tokens": 64, "rank": 4, "alpha": 8.0,
    "learning_rate": 1e-2, "chat_share": 0.25, "epochs_max": 20.0, "embeddings_rank": 2, "checkpoint_seconds": 1,
    "precision": "float32", "measure_steps": 2, "measure_documents": 2,
}  # fmt: skip


def start(processes: int, script: str, home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    path = Path(__file__).with_name(script)
    return subprocess.run(
        [sys.executable, *(launch if processes > 1 else []), str(path), *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=240,
        env=os.environ | {"RUMPUN_DEVICE": "cpu", "OMP_NUM_THREADS": "1", "RUMPUN_HOME": str(home)},
    )  # fmt: skip


def train(processes: int, corpus: Input, place: Path, die_at: int = 0) -> subprocess.CompletedProcess[str]:
    return start(
        processes,
        "several.py",
        place / "home",
        corpus.folder,
        place,
        "layer.train",
        json.dumps(GIVEN),
        die_at,
    )


def losses(place: Path) -> list[dict[str, float]]:
    lines = (place / "made" / "losses.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, corpus: Input) -> Path:
    place = tmp_path_factory.mktemp("one")
    made = train(1, corpus, place)
    assert made.returncode == 0, made.stderr
    return place


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, corpus: Input) -> Path:
    place = tmp_path_factory.mktemp("two")
    made = train(2, corpus, place)
    assert made.returncode == 0, made.stderr
    return place


def test_two_processes_have_the_loss_curve_of_one(one: Path, two: Path) -> None:
    alone, shared = losses(one), losses(two)
    assert len(alone) == len(shared) == 10
    assert alone[0] != alone[-1]
    for line, other in zip(alone, shared, strict=True):
        assert line.keys() == other.keys()
        for name, value in line.items():
            assert other[name] == pytest.approx(value, abs=2e-5)
    said = [json.loads((place / "summary.json").read_text()) for place in (one, two)]
    assert [summary["processes"] for summary in said] == [1, 2]
    curves = [(place / "made" / "curve.jsonl").read_text().splitlines() for place in (one, two)]
    for line, other in zip(*curves, strict=True):
        assert json.loads(other)["mean"] == pytest.approx(json.loads(line)["mean"], abs=1e-4)


def test_two_processes_write_the_layer_of_one(one: Path, two: Path) -> None:
    (spec, tensors), (other_spec, other) = read_layer(one / "made"), read_layer(two / "made")
    assert spec == other_spec
    for name, tensor in tensors.items():
        np.testing.assert_allclose(tensor, other[name], atol=1e-3, err_msg=name)


def test_killed_and_started_again_two_processes_write_the_same_bytes(
    tmp_path: Path, two: Path, corpus: Input
) -> None:
    assert (
        train(2, corpus, tmp_path, die_at=5).returncode != 0
    )  # a measurement is a checkpoint: it goes on after step 4
    assert not (tmp_path / "made" / "layer.json").exists()
    again = train(2, corpus, tmp_path)
    assert again.returncode == 0, again.stderr
    for name in ("layer.safetensors", "losses.jsonl"):
        made = [(place / "made" / name).read_bytes() for place in (two, tmp_path)]
        assert made[0] == made[1], name


def test_every_kind_of_run_is_shared_and_so_are_its_frozen_weights(tmp_path: Path, base_folder: Path) -> None:
    """Added tokens, bfloat16, gradient checkpointing, a product on the embedding, rows alone, the base beside."""
    found = []
    for processes in (1, 2):
        made = start(processes, "several_steps.py", tmp_path, base_folder)
        assert made.returncode == 0, made.stderr
        found.append([json.loads(line) for line in made.stdout.splitlines()])
    assert len(found[0]) == len(found[1]) == 5
    for place, (alone, shared) in enumerate(zip(*found, strict=True)):
        exact = {"rel": 1e-3} if place == 1 else {"rel": 1e-6}  # the second run is in bfloat16
        assert shared["losses"] == pytest.approx(alone["losses"], **exact)
        assert shared["last"] == pytest.approx(alone["last"], **exact)
        assert shared["held"] * 2 == alone["held"]
    assert found[0][0]["losses"][-1] < found[0][0]["losses"][0]
    assert found[0][4]["losses"][-1] > found[0][0]["losses"][-1]  # the base holds it back


def test_one_recipe_makes_one_layer_however_many_processes_walk_it(tmp_path: Path) -> None:
    """The command itself, corpus and all: process 0 alone says where things stand, and they stand under the same ids."""
    recipe = parent_recipe(tmp_path)
    told = recipe.read_text(encoding="utf-8")
    given = 'base = "tiny", precision = "float32", measure_steps = 8, measure_documents = 4,'
    assert told.count('base = "tiny",') == 1
    recipe.write_text(told.replace('base = "tiny",', given), encoding="utf-8")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    found = []
    for processes in (1, 2):
        store = tmp_path / f"store-{processes}"
        done = subprocess.run(
            [sys.executable, *(launch if processes > 1 else []), "-m", "rumpun.cli", "run", recipe, "--store", store, "--json"],
            capture_output=True, text=True, check=False, timeout=240,
            env=os.environ | {"RUMPUN_DEVICE": "cpu", "OMP_NUM_THREADS": "1", "RUMPUN_HOME": str(tmp_path / f"home-{processes}")},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (line,) = done.stdout.splitlines()
        made = {name: Path(place) for name, place in json.loads(line)["steps"].items()}
        assert {path.name for path in store.iterdir()} - {"names", ".making"} == {
            place.name for place in made.values()
        }
        found.append(made)
    alone, shared = found
    assert {name: place.name for name, place in alone.items()} == {
        name: place.name for name, place in shared.items()
    }
    said = [read_manifest(made["layer"]).summary for made in found]
    assert [summary["processes"] for summary in said] == [1, 2]
    assert [summary["steps"] for summary in said] == [16, 16]
    curves = [
        [json.loads(row)["loss"] for row in (made["layer"] / "losses.jsonl").read_text().splitlines()]
        for made in found
    ]
    assert len(curves[0]) == 16
    assert curves[0][0] != curves[0][-1]
    for row, other in zip(*curves, strict=True):
        assert other == pytest.approx(row, abs=2e-5)
    means = [summary["measured"]["last"]["mean"] for summary in said]
    assert means[1] == pytest.approx(means[0], abs=1e-4)
    (spec, tensors), (other_spec, others) = (read_layer(made["layer"]) for made in found)
    assert spec == other_spec
    assert any(tensor.any() for name, tensor in tensors.items() if name.endswith(".b"))
    for name, tensor in tensors.items():
        np.testing.assert_allclose(tensor, others[name], atol=1e-3, err_msg=name)


def test_without_torchrun_a_process_leads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with leading() as leads:
        assert leads
