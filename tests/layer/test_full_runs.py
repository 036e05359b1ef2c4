"""Full training: what is refused, what a plan says of it, kills, and several processes."""

import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from fully import PARAMS, layer_with_rows, made, work
from safetensors.torch import load_file, save_file

from families import tiny_folder
from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.layer import calibrate
from rumpun.layer.cost import Load, operations, trained_numbers
from rumpun.layer.forecast import forecast
from rumpun.layer.full import full
from rumpun.layer.loop import one_step
from rumpun.layer.machines import find_gpu
from rumpun.layer.masters import prepare_full
from rumpun.layer.params import FullParams, TrainParams
from rumpun.layer.places import Asked, on_gpu
from rumpun.layer.prepared import find_device
from rumpun.layer.shape import find_shape
from rumpun.recipes import build, read_recipe
from rumpun.steps import Input, resolve
from rumpun.weights.layer_file import read_layer, write_layer


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


@pytest.mark.parametrize(
    ("key", "value"), [("rank", 8), ("alpha", 8.0), ("targets", []), ("keep_state", True)]
)
def test_what_belongs_to_products_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"unknown key '{key}'") as caught:
        build(resolve("layer.full").params, {key: value}, "run.toml: steps.model.with")
    assert "layer.train" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 0.9, "gradient_clip": 0.0, "warmup_share": 0.0, "tokens": 40_960, "epochs_max": 500.0}, "the loss is"),
        ({"sequence_tokens": 1024, "tokens": 8192}, "context is 512"),
        ({"epochs_max": 0.01}, "one batch"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_named(
    tmp_path: Path, corpus: Input, change: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if words == "the loss is":  # numbers as large as a run gone wrong has them
        monkeypatch.setattr("rumpun.layer.loop.learning_rate", lambda *_: 1e30)
    with pytest.raises(InputError, match=words) as caught:
        full.function(dataclasses.replace(PARAMS, **change), work(tmp_path, corpus))
    assert caught.value.hint
    assert not (tmp_path / "made" / "config.json").exists()


def test_a_layer_of_another_base_and_an_unknown_architecture_are_named(tmp_path: Path, corpus: Input) -> None:
    base, other = (tiny_folder(tmp_path / name, "llama", seed) for seed, name in enumerate(("one", "two")))
    layer, _ = layer_with_rows(tmp_path, other, corpus)
    with pytest.raises(InputError, match="base_sha256") as caught:
        full.function(dataclasses.replace(PARAMS, base=str(base)), work(tmp_path / "full", corpus, layer))
    assert "same base" in caught.value.hint
    spec = msgspec.structs.replace(read_layer(layer.folder)[0], stands_on="b" * 64)
    write_layer(tmp_path / "upper", spec, read_layer(layer.folder)[1])
    upper = made(tmp_path / "upper", "layer", other)
    with pytest.raises(InputError, match="stands on the layer"):
        full.function(dataclasses.replace(PARAMS, base=str(other)), work(tmp_path / "full", corpus, upper))
    config = base / "config.json"
    config.write_text(config.read_text().replace('"model_type": "llama"', '"model_type": "mamba"'))
    with pytest.raises(InputError, match="model_type 'mamba'"):
        full.function(dataclasses.replace(PARAMS, base=str(base)), work(tmp_path / "full", corpus))


def test_files_that_name_tensors_otherwise_are_refused_before_training(tmp_path: Path, corpus: Input) -> None:
    base = tiny_folder(tmp_path / "llama", "llama")
    tensors = load_file(base / "model.safetensors")
    renamed = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    save_file(renamed, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"model\.embed_tokens\.weight .* not there in the files") as caught:
        full.function(dataclasses.replace(PARAMS, base=str(base)), work(tmp_path / "full", corpus))
    assert "save_pretrained" in caught.value.hint


def test_a_disk_that_fills_leaves_no_model(tmp_path: Path, corpus: Input, base_folder: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    place = work(tmp_path, corpus)
    params = dataclasses.replace(PARAMS, base=str(base_folder))
    full.function(params, place)
    shutil.rmtree(place.folder)
    place.folder.mkdir()
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(EnvironmentFault) as caught:  # the state at the end, all steps done before
            full.function(params, place)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "free space" in caught.value.hint
    assert not list(place.folder.glob("*.safetensors"))
    full.function(params, place)
    assert (place.folder / "config.json").is_file()


@pytest.mark.parametrize("given", [{}, {"document_masking": False}, {"gradient_checkpointing": True}])
def test_operations_are_those_that_torch_counts(base_folder: Path, given: dict[str, Any]) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    params = dataclasses.replace(
        PARAMS, tokens=512, sequence_tokens=64, batch_sequences=8, micro_tokens=512, **given
    )
    run = prepare_full(base_folder, params, find_device(params))
    ids = torch.randint(0, 260, (8, 64), generator=torch.Generator().manual_seed(1))
    positions = torch.arange(64).remainder(40).expand(8, 64) if params.document_masking else None
    with FlopCounterMode(display=False) as counter:
        one_step(run, ids, torch.roll(ids, -1, 1), 1.0, positions)
    load = Load(find_shape("tiny"), params)
    expected = operations(load)
    products = sum(expected.values()) + (0 if params.document_masking else expected["attention"])
    out, into = load.shape.modules[
        "down_proj"
    ]  # a block's last product is not made again: nothing behind it is kept
    spared = 2 * load.shape.blocks * out * into if params.gradient_checkpointing else 0
    assert counter.get_total_flops() / ids.numel() == pytest.approx(products - spared)
    norms = 64 * (2 * load.shape.blocks + 1)  # which shapes leave out
    assert trained_numbers(load) + norms == sum(value.numel() for value in run.parameters.values())


def test_the_plan_knows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_HOME", str(tmp_path / "home"))
    (tmp_path / "run.toml").write_text(
        'name = "p"\n[steps.model]\nuses = "layer.full"\n'
        'with = { base = "tiny", tokens = 4_096, sequence_tokens = 32, batch_sequences = 4, precision = "float32" }\n'
    )
    recipe = read_recipe(tmp_path / "run.toml")
    (said,) = forecast(recipe, Asked(tokens_per_second=100.0, gpus=("h100",)))
    assert (said.uses, said.steps) == ("layer.full", 32)
    assert said.places[0].memory["trained"] == 16 * said.trained_numbers
    assert said.places[0].memory["weights"] == 0  # float32 computes with the numbers themselves
    load = Load(find_shape("tiny"), dataclasses.replace(PARAMS, tokens=4_096), added=5)
    speed = calibrate.calibrate(load)
    assert calibrate.cached(load) == speed
    assert speed.precision == "float32"
    layers = dataclasses.replace(
        load, params=TrainParams(base="tiny", tokens=4_096, sequence_tokens=32, batch_sequences=4)
    )
    assert calibrate.cached(layers) is None


def test_a_model_too_large_for_a_card_is_shared_out() -> None:
    config = find_shape("tiny")
    wide = dataclasses.replace(config, hidden=4096, blocks=32, inner=14_336, vocabulary=128_256, modules={
        "q_proj": (4096, 4096), "down_proj": (4096, 14_336), "up_proj": (14_336, 4096), "gate_proj": (14_336, 4096),
    })  # fmt: skip
    place = on_gpu(find_gpu("h100"), Load(wide, FullParams(tokens=10_000_000)), Asked())
    room = find_gpu("h100").memory_bytes
    alone, whole = place.cards - 1, 16 * 2 * wide.table_numbers
    blocks = 16 * wide.blocks * wide.block_numbers
    assert any(f"{place.cards} share the blocks' numbers" in note for note in place.notes)
    assert (
        blocks / place.cards + whole < room < blocks / max(1, alone) + whole + 8 * wide.table_numbers + 20e9
    )
    table = dataclasses.replace(wide, vocabulary=2_000_000)
    nowhere = on_gpu(find_gpu("t4"), Load(table, FullParams(tokens=10_000_000)), Asked())
    assert any("does not fit on any number of cards" in note for note in nowhere.notes)


# a batch of five: the second process has a row that nothing is learnt from
GIVEN = {
    "base": "tiny", "tokens": 1_280, "sequence_tokens": 32, "batch_sequences": 5, "micro_tokens": 64, "learning_rate": 2e-3,
    "epochs_max": 20.0, "checkpoint_seconds": 1, "measure_steps": 2, "measure_documents": 2, "precision": "float32",
}  # fmt: skip


def start(
    processes: int, corpus: Input, place: Path, die_at: int = 0, given: dict[str, Any] = GIVEN
) -> subprocess.CompletedProcess[str]:
    return launch(
        processes, "several.py", place, corpus.folder, place, "layer.full", json.dumps(given), die_at
    )


def launch(processes: int, script: str, place: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    path = Path(__file__).with_name(script)
    return subprocess.run(
        [sys.executable, *(torchrun if processes > 1 else []), str(path), *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=240,
        env=os.environ | {"RUMPUN_DEVICE": "cpu", "OMP_NUM_THREADS": "1", "RUMPUN_HOME": str(place / "home")},
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, corpus: Input) -> Path:
    place = tmp_path_factory.mktemp("full") / "whole"
    done = start(1, corpus, place)
    assert done.returncode == 0, done.stderr
    return place / "made"


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_bytes(tmp_path: Path, whole: Path, corpus: Input) -> None:
    assert start(1, corpus, tmp_path / "cut", die_at=5).returncode == -signal.SIGKILL
    assert start(1, corpus, tmp_path / "cut").returncode == 0
    for path in sorted(whole.iterdir()):
        assert path.read_bytes() == (tmp_path / "cut" / "made" / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_two_processes_have_the_losses_and_the_numbers_of_one(
    tmp_path: Path, whole: Path, corpus: Input
) -> None:
    two = start(2, corpus, tmp_path / "two")
    assert two.returncode == 0, two.stderr
    shared = tmp_path / "two" / "made"
    curves = [
        [json.loads(line)["loss"] for line in (place / "losses.jsonl").read_text().splitlines()]
        for place in (whole, shared)
    ]
    assert len(curves[0]) == 8
    for line, other in zip(*curves, strict=True):
        assert line == pytest.approx(other, abs=2e-5)
    numbers, others = (load_file(place / "model.safetensors") for place in (whole, shared))
    for name, tensor in numbers.items():
        torch.testing.assert_close(tensor, others[name], atol=1e-3, rtol=0, msg=name)
    assert json.loads((tmp_path / "two" / "summary.json").read_text())["processes"] == 2


@pytest.mark.slow
def test_two_processes_killed_go_on_to_the_same_bytes(tmp_path: Path, corpus: Input) -> None:
    assert start(2, corpus, tmp_path / "whole").returncode == 0
    assert start(2, corpus, tmp_path / "cut", die_at=5).returncode != 0
    assert not (tmp_path / "cut/made/config.json").exists()
    again = start(2, corpus, tmp_path / "cut")
    assert again.returncode == 0, again.stderr
    for name in ("model.safetensors", "losses.jsonl"):
        made = [(tmp_path / place / "made" / name).read_bytes() for place in ("whole", "cut")]
        assert made[0] == made[1], name


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "qwen3"])  # output tied, and not
def test_blocks_are_shared_out(tmp_path: Path, family: str) -> None:
    folder = tiny_folder(tmp_path / family, family)
    found = []
    for processes in (1, 2):
        place = tmp_path / str(processes)
        place.mkdir()
        done = launch(processes, "several_full.py", place, folder, place)
        assert done.returncode == 0, done.stderr
        found.append([json.loads(line) for line in done.stdout.splitlines()])
    assert len(found[0]) == len(found[1]) == 3
    for at, (alone, shared) in enumerate(zip(*found, strict=True)):
        near = 2e-3 if at == 1 else 1e-5  # the second computes in bfloat16
        assert shared["losses"] == pytest.approx(alone["losses"], rel=near)
        assert alone["losses"][-1] < alone["losses"][0]
        assert shared["last"] == pytest.approx(alone["last"], rel=10 * near)
        assert shared["sums"] == pytest.approx(alone["sums"], rel=10 * near)
        assert (alone["held"], alone["moments"]) == (alone["blocks"], alone["blocks"])
        assert shared["held"] == shared["moments"] == pytest.approx(alone["blocks"] / 2, rel=0.02)
        assert shared["put"] == shared["sums"]
        assert shared["state"] == pytest.approx(alone["state"], abs=200)  # the whole of it, by one process
