"""`rumpun layer plan`: what it says of a recipe, what it keeps, and how far off it says it was."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rumpun.cli.layer import layer
from rumpun.errors import EnvironmentFault, InputError, RumpunError, UsageError
from rumpun.layer import calibrate
from rumpun.layer.cost import Load
from rumpun.layer.forecast import forecast, hindsight
from rumpun.layer.params import TrainParams
from rumpun.layer.places import HERE, Asked, on_this_machine
from rumpun.layer.shape import find_shape
from rumpun.recipes import Recipe, read_recipe
from rumpun.records.artefacts import Maker, Manifest, write_manifest
from tiny import tiny_gguf, tiny_layer

WITH = 'base = "tiny", tokens = 4_096, sequence_tokens = 32, batch_sequences = 4, rank = 4, precision = "float32"'
STATED = Asked(tokens_per_second=100.0, gpus=("h100",))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUMPUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")
    return tmp_path / "home"


def write_recipe(folder: Path, given: str = WITH, more: str = "") -> Recipe:
    text = f'name = "p"\nseed = 3\n{more}\n[steps.layer]\nuses = "layer.train"\nneeds = {json.dumps(["v"] if more else [])}\nwith = {{ {given} }}\n'
    (folder / "run.toml").write_text(text)
    return read_recipe(folder / "run.toml")


def finish(store: Path, recipe: Recipe, params: dict[str, Any], **summary: Any) -> None:
    """A finished run's artefact, as the runner leaves it."""
    folder = store / ("a" * 32)
    folder.mkdir(parents=True)
    maker = Maker(step="layer.train", version=1, params=params, rumpun="0")
    write_manifest(folder, Manifest(kind="layer", id="a" * 32, maker=maker, summary=summary))
    names = store / "names" / recipe.name
    names.mkdir(parents=True)
    (names / "layer.json").write_text(json.dumps({"id": "a" * 32}))


PARAMS = TrainParams(
    base="tiny", tokens=4_096, sequence_tokens=32, batch_sequences=4, rank=4, precision="float32"
)
RAN = {"tokens": 2_048, "seconds": 25.6, "device": "cpu, 2 threads", "peak_memory_bytes": 500_000_000}


def test_a_finished_run_is_held_against_what_was_said_of_it(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    (said,) = forecast(recipe, STATED)
    assert (said.tokens, said.steps, said.places[0].name) == (4_096, 32, HERE)
    finish(tmp_path / "store", recipe, asdict(PARAMS) | {"seed": 3}, **RAN)
    (found,) = hindsight(recipe, tmp_path / "store", Asked())
    assert found.beforehand
    assert found.error["tokens"] == pytest.approx(1.0)
    assert found.error["seconds"] == pytest.approx((40.96 - 25.6) / 25.6)
    assert found.error["tokens_per_second"] == pytest.approx((100 - 80) / 80)
    shown = CliRunner().invoke(
        layer, ["plan", str(tmp_path / "run.toml"), "--after", "--store", str(tmp_path / "store")]
    )
    assert shown.exit_code == 0
    assert "+100.0%" in shown.output
    assert "said beforehand" in shown.output
    (later,) = forecast(recipe, Asked(tokens_per_second=80.0))  # after the run: no forecast of it
    assert later.places[0].tokens_per_second == 80.0
    assert hindsight(recipe, tmp_path / "store", Asked()) == [found]


def test_without_a_forecast_todays_is_used_and_marked(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, WITH.replace(', precision = "float32"', ""))
    ran = RAN | {"device": "NVIDIA H100 80GB HBM3", "processes": 4}
    finish(tmp_path / "store", recipe, asdict(PARAMS) | {"seed": 3, "precision": "auto"}, **ran)
    (found,) = hindsight(recipe, tmp_path / "store", Asked())
    assert not found.beforehand
    assert (found.place, found.processes) == ("NVIDIA H100 SXM", 4)
    assert found.error.keys() == {"tokens", "seconds", "tokens_per_second", "memory_bytes"}


def test_another_run_than_the_recipes_is_no_measure(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    with pytest.raises(RumpunError, match="not made"):
        hindsight(recipe, tmp_path / "store", Asked())
    finish(tmp_path / "store", recipe, asdict(PARAMS) | {"seed": 4}, **RAN)
    with pytest.raises(InputError, match="other parameters"):
        hindsight(recipe, tmp_path / "store", Asked())


def test_what_is_wrong_in_a_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"steps\.layer\.with"):
        forecast(write_recipe(tmp_path, WITH + ", ranks = 3"), STATED)
    with pytest.raises(UsageError, match="--gpu 'h101'"):
        forecast(write_recipe(tmp_path), Asked(gpus=("h101",), tokens_per_second=1.0))
    (tmp_path / "run.toml").write_text('name = "p"\n[steps.merge]\nuses = "layer.merge"\n')
    with pytest.raises(UsageError, match="no step trains"):
        forecast(read_recipe(tmp_path / "run.toml"), STATED)


def test_new_vocabulary_among_the_inputs_is_counted(tmp_path: Path) -> None:
    more = '[steps.v]\nuses = "layer.extend"\nwith = { base = "tiny", tokens_max = 100, clusters_max = 0 }'
    (plain,) = forecast(write_recipe(tmp_path), STATED)
    (wide,) = forecast(write_recipe(tmp_path, more=more), STATED)
    assert wide.trained_numbers - plain.trained_numbers == 100 * 64
    assert wide.added_tokens == 100
    parent = tiny_layer(tmp_path / "parent", tiny_gguf(tmp_path / "base.gguf"), tokens=("<ก>", "<ข>"))
    more = f'[steps.v]\nuses = "layer.parent"\nwith = {{ layer = "{parent}" }}'
    (grown,) = forecast(write_recipe(tmp_path, more=more), STATED)
    assert grown.added_tokens == 2


def test_the_command_prints_a_table_and_json(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    arguments = ["plan", str(tmp_path / "run.toml"), "--gpu", "h100,t4", "--tokens-per-second", "100", "--watts", "50"]  # fmt: skip
    shown = CliRunner().invoke(layer, arguments)
    assert shown.exit_code == 0
    assert "stated; watts stated" in shown.output
    assert "computed; watts data sheet" in shown.output
    made = json.loads(CliRunner().invoke(layer, [*arguments, "--json"]).stdout)
    assert [place["name"] for place in made["steps"][0]["places"]] == [HERE, "NVIDIA H100 SXM", "NVIDIA T4"]
    assert made["steps"][0]["places"][0]["watt_hours"] == pytest.approx(50 * 40.96 / 3600)


def test_without_torch_the_plan_stands_and_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rumpun.layer.places.missing", lambda part: ("torch",))
    recipe = write_recipe(tmp_path, WITH.replace(', precision = "float32"', ""))
    (said,) = forecast(recipe, Asked(gpus=("h100",)))
    assert said.places[0].hours is None
    assert any("torch not installed" in note for note in said.places[0].notes)
    assert said.places[1].hours is not None
    assert not (tmp_path / "home" / "cache").exists()


def test_a_model_too_large_to_be_tried_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rumpun.engines.llamacpp_memory.available_bytes", lambda: 1_000_000)
    with pytest.raises(EnvironmentFault, match="too large to be tried") as caught:
        calibrate.calibrate(Load(find_shape("tiny"), PARAMS))
    assert "--tokens-per-second" in caught.value.hint


def test_this_machine_is_measured_once_and_the_figure_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(find_shape("tiny"), PARAMS, added=5)
    assert calibrate.cached(load) is None
    speed = calibrate.calibrate(load)
    assert calibrate.cached(load) == speed
    assert speed.precision == "float32"
    assert speed.depths == (1, 2)
    assert 1e-4 < speed.step_seconds < 60
    assert speed.memory_bytes > 100_000_000
    monkeypatch.setattr(os, "getloadavg", lambda: (speed.load, 0.0, 0.0))
    monkeypatch.setattr(calibrate, "calibrate", lambda *_: pytest.fail("measured again"))
    place = on_this_machine(load, Asked())
    assert place.basis == "measured"
    assert place.tokens_per_second == pytest.approx(load.batch_tokens / speed.step_seconds)
    other = Load(load.shape, replace(PARAMS, rank=8), added=5)
    assert calibrate.cached(other) is None
