"""`rumpun layer` and `rumpun edge` as people type them."""

import json

import pytest
from commands import refused, rumpun, said
from safetensors.numpy import load_file, save_file

from rumpun.weights.gguf_file import describe
from tiny import tiny_gguf, tiny_layer


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A base and a layer for it."""
    place = tmp_path_factory.mktemp("made")
    base = tiny_gguf(place / "base.gguf", 31)
    return base, tiny_layer(place / "layer", base, 32)


def test_inspect_says_what_the_layer_is(made):
    _, layer = made
    found = said(rumpun("layer", "inspect", layer, "--json"))
    assert (found["base"], found["rank"], found["alpha"], found["tensors"]) == ("tiny", 4, 8.0, 28)
    assert found["targets"] == ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    assert (found["added_tokens"], found["chat_template"], found["licence"]) == (0, False, "Apache-2.0")
    shown = rumpun("layer", "inspect", layer)
    assert shown.returncode == 0
    assert "tiny" in shown.stdout


def test_apply_writes_one_gguf(made, tmp_path):
    base, layer = made
    done = rumpun(
        "layer", "apply", layer, "--base", base, "--out", tmp_path / "out.gguf", "--quantisation", "Q4_1"
    )
    assert done.returncode == 0, done.stderr
    assert describe(tmp_path / "out.gguf").quantisation == "Q4_1"
    assert f"{(tmp_path / 'out.gguf').stat().st_size:,} bytes" in done.stdout


def test_merge_writes_a_transformers_folder(made, tmp_path):
    base, layer = made
    done = rumpun("layer", "merge", layer, "--base", base, "--out", tmp_path / "folder")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "folder" / "config.json").read_text())["model_type"] == "llama"


def test_export_and_bench(made, tmp_path):
    base, layer = made
    out = tmp_path / "out.gguf"
    done = rumpun(
        "edge", "export", "--layer", layer, "--base", base, "--out", out, "--size-limit-bytes", 100_000
    )
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size <= 100_000
    found = said(
        rumpun("edge", "bench", out, "--prompt-tokens", 8, "--decode-tokens", 4, "--runs", 1, "--json")
    )
    assert set(found) == {
        "file", "size_bytes", "quantisation", "threads", "runs", "load_seconds", "prompt_tokens",
        "prompt_tokens_per_second", "decode_tokens", "decode_tokens_per_second", "resident_bytes",
    }  # fmt: skip


def test_bad_input_is_one_line_and_its_mend(made, tmp_path, home):
    base, layer = made
    out = ("--out", tmp_path / "out.gguf")
    line, hint = refused(rumpun("layer", "apply", layer, *out), 3)
    assert "made for the base 'tiny'" in line
    assert "--base" in hint
    other = tiny_gguf(tmp_path / "other.gguf", 5)
    line, _ = refused(rumpun("layer", "apply", layer, "--base", other, *out), 3)
    assert "'Tiny 5'" in line
    line, _ = refused(rumpun("layer", "apply", layer, "--base", base, *out, "--quantisation", "Q5"), 2)
    assert "Q5" in line
    line, _ = refused(rumpun("layer", "apply", layer, "--base", base, "--out", base), 2)
    assert "the base itself" in line
    line, _ = refused(rumpun("layer", "inspect", tmp_path), 3)
    assert "no layer there" in line
    line, hint = refused(rumpun("edge", "export", *out), 2)
    assert "neither a layer nor a base" in line
    line, _ = refused(rumpun("edge", "bench", layer / "layer.json"), 3)
    assert "not a GGUF file" in line
    line, _ = refused(rumpun("layer", "merge", layer, "--base", tmp_path / "none.gguf", *out), 3)
    assert "no such file" in line


def test_a_layer_with_values_that_are_no_numbers_is_refused(made, tmp_path):
    base, _ = made
    layer = tiny_layer(tmp_path / "layer", base)
    tensors = load_file(layer / "layer.safetensors")
    tensors["model.layers.0.mlp.up_proj.a"][0, 0] = float("nan")
    save_file(tensors, layer / "layer.safetensors")
    line, hint = refused(rumpun("layer", "inspect", layer), 3)
    assert "up_proj.a has 1 of 256 values that are not finite" in line
    assert "train" in hint
