"""One thread, the toy world's data, and the toy recipe walked to its end once."""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from toy_encoder import teacher, write_data, write_recipe

from rumpun.encoder import Encoder
from rumpun.encoder.teacher import Teacher
from rumpun.engines.embedded import base
from rumpun.records.places import data_folder
from rumpun.steps import Input

# taken before any test changes RUMPUN_HOME, as tests/conftest.py does: runs share one copy of the teacher
SHARED_BASES = Path(os.environ.get("RUMPUN_TEST_BASE") or data_folder() / "bases")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def take() -> Callable[..., Path]:
    """Takes a packaged file, once for all runs."""
    return functools.partial(base, bases=SHARED_BASES)


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def toy_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("recipe") / "toy")


@pytest.fixture
def toy_world(toy_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy's data and teacher stand where the room looks for them."""
    found = teacher()
    monkeypatch.setenv("RUMPUN_DATA", str(toy_data))
    monkeypatch.setattr(Teacher, "load", lambda *_: found)


@pytest.fixture(scope="session")
def released(toy_data: Path, toy_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(store, released folder) of `rumpun encode train` on the toy recipe."""
    from click.testing import CliRunner

    from rumpun.cli.encode import encode

    place = tmp_path_factory.mktemp("released")
    found = teacher()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUMPUN_DATA", str(toy_data))
        patch.setattr(Teacher, "load", lambda *_: found)
        said = CliRunner().invoke(
            encode,
            ["train", "--recipe", str(toy_recipe), "--store", str(place / "store"),
             "--into", str(place / "encoder")],
            catch_exceptions=False,
        )  # fmt: skip
    assert said.exit_code == 0
    assert said.stdout.strip() == str(place / "encoder")
    return place / "store", place / "encoder"


@pytest.fixture(scope="session")
def inputs(released: tuple[Path, Path]) -> dict[str, Input]:
    """The recipe's artefacts by the name of their step."""
    from rumpun.records.artefacts import read_manifest
    from rumpun.steps import named

    found = {}
    for name in ("pairs", "vocabulary", "student", "export"):
        folder = named(released[0], "toy", name)
        found[name] = Input(name, folder, read_manifest(folder))
    return found


@pytest.fixture(scope="session")
def toy(released: tuple[Path, Path]) -> Encoder:
    return Encoder.load(released[1], threads=1, check=True)
