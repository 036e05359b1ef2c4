"""A base whose tokenizer and weights are of two models: refused before any text is cut, in one line, with nothing written."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from growing import parent_recipe
from misfits import change, with_rows

from rumpun.errors import InputError
from rumpun.layer.full import full
from rumpun.layer.params import ExtendParams, FullParams, TrainParams
from rumpun.layer.tokenizer import Tokenizer, embedding_rows
from rumpun.layer.train import train
from rumpun.layer.vocabulary.extend import extend, extend_files
from rumpun.steps import Input, Work, quiet
from rumpun.weights.layer_file import read_layer

SHAPE: dict[str, Any] = {
    "tokens": 512, "sequence_tokens": 32, "batch_sequences": 4, "learning_rate": 1e-2, "epochs_max": 20.0, "precision": "float32",
}  # fmt: skip
RANK: dict[str, Any] = {"rank": 4, "alpha": 8.0}
PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


def work(folder: Path, corpus: Input) -> Work:
    for name in ("made", "keep"):
        (folder / name).mkdir(parents=True)
    return Work(inputs=(corpus,), folder=folder / "made", scratch=folder / "keep", seed=7, progress=quiet)


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def fewer_rows(folder: Path, base_folder: Path) -> Path:
    """Weights of a model of 200 tokens, whole in themselves, beside the tokenizer of another."""
    return with_rows(folder, base_folder, 200, told=200)


def another_config(folder: Path, base_folder: Path) -> Path:
    """The same weights, and a config.json that speaks of the tokenizer's tokens."""
    return with_rows(folder, base_folder, 200, told=268)


def as_a_file(folder: Path, base_folder: Path) -> Path:
    """A GGUF whose list of tokens is longer than its table; llama.cpp would not load it either."""
    import gguf

    from rumpun.layer.tiny_base import write_tiny_base

    path = folder.with_suffix(".gguf")
    add: Any = gguf.GGUFWriter.add_tensor

    def cut(writer: Any, name: str, tensor: Any) -> None:
        add(writer, name, tensor[:200].copy() if name == "token_embd.weight" else tensor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gguf.GGUFWriter, "add_tensor", cut)
        write_tiny_base(path, 3)
    return path


BROKEN: dict[Callable[[Path, Path], Path], tuple[str, str]] = {
    fewer_rows: ("tokens up to number 267", "the embedding has 200 rows"),
    another_config: ("the embedding is [200, 64]", "config.json says [268, 64]"),
    as_a_file: ("tokens up to number 267", "the embedding has 200 rows"),
}


def refused(act: Callable[[], object], base: Path, words: tuple[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        act()
    assert caught.value.message.startswith(str(base))
    assert all(one in caught.value.message for one in words)
    assert "must be of one model: fetch" in caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("broken", BROKEN, ids=lambda made: made.__name__)
def test_no_step_trains_on_tokens_without_rows(
    tmp_path: Path, corpus: Input, base_folder: Path, broken: Callable[[Path, Path], Path]
) -> None:
    base = broken(tmp_path / "base", base_folder)
    named, words = str(base), BROKEN[broken]
    low = TrainParams(base=named, **SHAPE, **RANK)
    refused(lambda: train.function(low, work(tmp_path / "train", corpus)), base, words)
    whole = FullParams(base=named, **SHAPE)
    refused(lambda: full.function(whole, work(tmp_path / "full", corpus)), base, words)
    new = ExtendParams(base=named, tokens_max=30)
    refused(lambda: extend.function(new, work(tmp_path / "extend", corpus)), base, words)
    into = tmp_path / "into"
    refused(lambda: extend_files([corpus.folder], [], new, into, quiet), base, words)
    assert not into.exists()
    assert [written(tmp_path / name) for name in ("train", "full", "extend")] == [[], [], []]


def test_rows_beyond_the_tokens_are_no_fault(tmp_path: Path, corpus: Input, base_folder: Path) -> None:
    """Published tables are often filled up to a round number of rows."""
    base = with_rows(tmp_path / "base", base_folder, 280, told=280)
    assert embedding_rows(base) == 280
    made = train.function(TrainParams(base=str(base), **SHAPE, **RANK), work(tmp_path / "run", corpus))
    assert made.summary["steps"] == 4


def with_a_special_token(base: Path, base_folder: Path, before: str) -> Path:
    """One more special token than rows, as Gemma 3's tokenizer has one for images; chats begin with `before`."""
    shutil.copytree(base_folder, base)
    path = base / "tokenizer.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    table["added_tokens"].append({"id": 268, "content": "<picture>"} | PLAIN)
    path.write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")
    config = json.loads((base / "tokenizer_config.json").read_text(encoding="utf-8"))
    change(base / "tokenizer_config.json", chat_template=before + config["chat_template"])
    return base


def test_a_special_token_that_nothing_makes_needs_no_row(
    tmp_path: Path, corpus: Input, base_folder: Path
) -> None:
    base = with_a_special_token(tmp_path / "base", base_folder, "")
    tokenizer = Tokenizer(base, embedding_rows(base))
    assert 268 in tokenizer.inner.get_vocab().values()
    (ids,) = tokenizer.documents(["<picture>"])  # text that looks like it stays text
    assert max(ids) < 268
    params = TrainParams(base=str(base), **SHAPE, **RANK, chat_share=0.5)
    train.function(params, work(tmp_path / "run", corpus))
    assert read_layer(tmp_path / "run" / "made")[0].rank == 4


def test_a_chat_form_that_makes_one_is_refused(tmp_path: Path, corpus: Input, base_folder: Path) -> None:
    base = with_a_special_token(tmp_path / "base", base_folder, "<picture>")
    words = ("its chat template makes tokens up to number 268 ('<picture>')", "the embedding has 268 rows")
    params = TrainParams(base=str(base), **SHAPE, **RANK, chat_share=0.5)
    refused(lambda: train.function(params, work(tmp_path / "train", corpus)), base, words)
    whole = FullParams(base=str(base), **SHAPE, chat_share=0.5)
    refused(lambda: full.function(whole, work(tmp_path / "full", corpus)), base, words)
    assert [written(tmp_path / name / "made") for name in ("train", "full")] == [[], []]


def test_the_token_between_documents_needs_a_row(tmp_path: Path, corpus: Input, base_folder: Path) -> None:
    base = with_a_special_token(tmp_path / "base", base_folder, "")
    words = (base / "tokenizer.json").read_text(encoding="utf-8").replace("<|endoftext|>", "<|another|>")
    (base / "tokenizer.json").write_text(words, encoding="utf-8")
    config = json.loads((base / "tokenizer_config.json").read_text(encoding="utf-8"))
    kept = {name: "<|another|>" if value == "<|endoftext|>" else value for name, value in config.items()}
    change(base / "tokenizer_config.json", **kept | {"eos_token": "<picture>"})
    told = ("tokens up to number 268 ('<picture>')", "the embedding has 268 rows")
    params = TrainParams(base=str(base), **SHAPE, **RANK)
    refused(lambda: train.function(params, work(tmp_path / "run", corpus)), base, told)


def ended(done: subprocess.CompletedProcess[str], message: str) -> None:
    """A command that left with one line and its mend."""
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    line, hint = done.stderr.rstrip("\n").split("\n")[-2:]
    assert line == f"rumpun: {message}"
    assert hint.startswith("  tokenizer and weights must be of one model: fetch both again")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("uses", ["layer.train", "layer.full"])
def test_a_recipe_ends_with_one_line_and_its_mend(uses: str, tmp_path: Path, base_folder: Path) -> None:
    base = fewer_rows(tmp_path / "base", base_folder)
    recipe = parent_recipe(tmp_path)
    head = recipe.read_text(encoding="utf-8").partition("[steps.layer]")[0]
    given = ", ".join(
        f"{name} = {json.dumps(value)}" for name, value in ({"base": str(base)} | SHAPE).items()
    )
    step = f'[steps.layer]\nuses = "{uses}"\nneeds = ["corpus"]\nwith = {{ {given} }}\n'
    recipe.write_text(head + step, encoding="utf-8")
    last = Tokenizer(base).inner.convert_ids_to_tokens(267)
    message = f"{base}: its tokenizer makes tokens up to number 267 ('{last}'), the embedding has 200 rows"
    ended(command("run", recipe, "--store", tmp_path / "store", "--json"), message)
    kinds = {json.loads(path.read_text())["kind"] for path in (tmp_path / "store").glob("*/manifest.json")}
    assert "corpus" in kinds
    assert not kinds & {"layer", "model"}
    assert not list((tmp_path / "store").rglob("*.safetensors"))


def test_the_command_that_extends_ends_so_too(tmp_path: Path, corpus: Input, base_folder: Path) -> None:
    base = fewer_rows(tmp_path / "base", base_folder)
    done = command("layer", "extend", corpus.folder, "--base", base, "--into", tmp_path / "into")
    ended(done, f"{base}/tokenizer.json: tokens up to number 267, the embedding has 200 rows")
    assert not (tmp_path / "into").exists()


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rumpun.cli", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
