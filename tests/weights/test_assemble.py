"""Base + layer -> one GGUF: exact where it can be, within the computed bound where it is quantised."""

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from rumpun.errors import InputError, UsageError
from rumpun.records.artefacts import sha256_file
from rumpun.weights.assemble import assemble, assembled_size
from rumpun.weights.gguf_file import describe, read_gguf
from rumpun.weights.kinds import QUANTISATIONS
from rumpun.weights.layer_file import LayerSpec, read_layer, write_layer
from rumpun.weights.names import heads_first, pairs_first
from rumpun.weights.quantise import dequantise, quantise
from tiny import TARGETS, tiny_bpe, tiny_gguf, tiny_layer


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny base in the quantisation that the embedded one has."""
    return tiny_gguf(tmp_path_factory.mktemp("base") / "base.gguf", 1, quantisation="Q4_1")


@pytest.fixture(scope="module")
def layer(base):
    """A layer on every matrix of a block."""
    return tiny_layer(base.parent / "layer", base, 2)


def expected_weight(base, layer, name):
    """The sum in float64, by another path: transformers' order, product, llama.cpp's order."""
    file = read_gguf(base)
    spec, tensors = read_layer(layer)
    weight = file.tensor(name).astype(np.float64)
    parts = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
             "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
             "ffn_down": "mlp.down_proj"}  # fmt: skip
    _, block, part, _ = name.split(".")
    heads = {"attn_q": 4, "attn_k": 2}.get(part)
    module = f"model.layers.{block}.{parts[part]}"
    product = tensors[f"{module}.b"].astype(np.float64) @ tensors[f"{module}.a"].astype(np.float64)
    if heads:
        weight = heads_first(weight, heads)
    weight = weight + spec.alpha / spec.rank * product
    return pairs_first(weight, heads) if heads else weight


def matrices(file):
    return [name for name in file.tensors if name.startswith("blk.") and "norm" not in name]


def test_float32_is_the_sum_itself(base, layer, tmp_path):
    target = tmp_path / "model.gguf"
    assemble(base, layer, target, "F32")
    file = read_gguf(target)
    assert len(matrices(file)) == 14
    for name in matrices(file):
        np.testing.assert_allclose(file.tensor(name), expected_weight(base, layer, name), rtol=0, atol=2e-6)
    for name in ("token_embd.weight", "output_norm.weight", "blk.1.ffn_norm.weight"):
        np.testing.assert_array_equal(file.tensor(name), read_gguf(base).tensor(name))


def bound(exact, kind):
    """The largest error a number of each block may have after rounding; the scale itself is a float16."""
    blocks = exact.reshape(-1, 32).astype(np.float64)
    low, high, most = blocks.min(1), blocks.max(1), np.abs(blocks).max(1)
    half = 2.0**-11  # relative rounding of a float16
    if kind == "Q8_0":
        step = most / 127
        error = step / 2 + most * half
    elif kind == "Q4_0":
        step = most / 8  # the largest becomes -8 steps, so one of the other sign is cut at 7
        error = step + most * half
    elif kind == "Q4_1":
        step = (high - low) / 15
        error = step / 2 + (high - low) * half + np.abs(low) * half
    else:
        return np.abs(exact) * half + 1e-7
    return np.repeat(error * (1 + 1e-5) + 15 * 2.0**-25 + 127 * 2.0**-25, 32).reshape(exact.shape)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1", "F16"])
def test_quantised_is_within_the_computed_bound(base, layer, tmp_path, kind):
    target = tmp_path / "model.gguf"
    assemble(base, layer, target, kind)
    file = read_gguf(target)
    for name in matrices(file):
        exact = expected_weight(base, layer, name)
        assert file.tensors[name].type == kind
        assert (np.abs(file.tensor(name) - exact) <= bound(exact, kind)).all(), name


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1", "F16", "F32"])
def test_blocks_are_those_of_the_package_gguf(kind):
    @settings(max_examples=40)
    @given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 5), st.floats(1e-6, 1e3))
    def check(seed, rows, blocks, scale):
        tensor = (np.random.default_rng(seed).standard_normal((rows, 32 * blocks)) * scale).astype(np.float32)
        tensor[0] = 0.0
        raw = quantise(tensor, kind)
        number = gguf.GGMLQuantizationType[kind]
        np.testing.assert_array_equal(raw, gguf.quantize(tensor, number).reshape(-1).view(np.uint8))
        expected = gguf.dequantize(gguf.quantize(tensor, number), number)
        np.testing.assert_array_equal(dequantise(raw, kind, tensor.shape), expected)

    check()


@pytest.mark.parametrize("kind", QUANTISATIONS)
def test_without_a_layer_the_same_quantisation_copies_every_byte(tmp_path, kind):
    base = tiny_gguf(tmp_path / "base.gguf", 3, quantisation=kind)
    target = tmp_path / "model.gguf"
    assemble(base, None, target, kind, embeddings=kind)
    before, after = read_gguf(base), read_gguf(target)
    assert list(before.tensors) == list(after.tensors)
    for name in before.tensors:
        assert before.raw(name).tobytes() == after.raw(name).tobytes()


@pytest.mark.base
def test_the_embedded_base_in_its_own_quantisation_is_copied(base_gguf, tmp_path):
    target = tmp_path / "model.gguf"
    assemble(base_gguf, None, target, "Q4_1")
    before, after = read_gguf(base_gguf), read_gguf(target)
    assert all(before.raw(name).tobytes() == after.raw(name).tobytes() for name in before.tensors)


def test_metadata_of_the_base_stays_and_ours_is_added(base, layer, tmp_path):
    target = tmp_path / "model.gguf"
    assemble(base, layer, target, "Q8_0",
             metadata={"general.name": "ชั้น", "rumpun.id": "1" * 32, "rumpun.parents": ["2" * 32, "3" * 32]})  # fmt: skip
    before, after = read_gguf(base), read_gguf(target)
    changed = {key for key, value in before.metadata.items() if after.metadata[key] != value}
    assert changed <= {"general.name", "general.file_type", "general.quantization_version"}
    assert after.get("general.name") == "ชั้น"
    assert after.get("rumpun.parents") == ["2" * 32, "3" * 32]
    assert after.get("rumpun.base_sha256") == sha256_file(base)
    assert after.get("general.license") == "Apache-2.0"
    assert describe(target).quantisation == "Q8_0"
    fields = gguf.GGUFReader(target).fields
    assert fields["rumpun.id"].contents() == "1" * 32
    assert fields["rumpun.parents"].contents() == ["2" * 32, "3" * 32]


def test_the_layers_chat_template_and_licence_are_taken(base, tmp_path):
    layer = tiny_layer(tmp_path / "layer", base, chat_template="{{ messages[0]['content'] }}")
    spec, tensors = read_layer(layer)
    write_layer(
        layer,
        LayerSpec(**{f: getattr(spec, f) for f in spec.__struct_fields__} | {"licence": "CC-BY-4.0"}),
        tensors,
    )
    target = tmp_path / "model.gguf"
    assemble(base, layer, target, "Q4_0")
    assert describe(target).chat_template == "{{ messages[0]['content'] }}"
    assert describe(target).licence == "Apache-2.0 AND CC-BY-4.0"


@pytest.mark.parametrize("tied", [True, False])
def test_added_vocabulary_is_appended(tmp_path, tied):
    base = tiny_gguf(tmp_path / "base.gguf", tied=tied)
    tokens, merges = tiny_bpe(386)
    new, more = tokens[384:], merges[-2:]
    layer = tiny_layer(
        tmp_path / "layer", base, targets=("q_proj", "embed_tokens"), tokens=(*new, "<มาสค์>"), merges=more
    )
    target = tmp_path / "model.gguf"
    assemble(base, layer, target, "F32")
    before, after = read_gguf(base), read_gguf(target)
    assert after.get("tokenizer.ggml.tokens") == [*before.get("tokenizer.ggml.tokens"), *new, "<มาสค์>"]
    assert after.get("tokenizer.ggml.token_type")[384:] == [1, 1, 4]
    assert after.get("tokenizer.ggml.merges")[-2:] == list(more)
    assert after.get("llama.vocab_size") == 387 == describe(target).vocabulary
    spec, numbers = read_layer(layer)
    product = (
        spec.alpha
        / spec.rank
        * numbers["model.embed_tokens.b"].astype(np.float64)
        @ numbers["model.embed_tokens.a"]
    )
    expected = before.tensor("token_embd.weight") + product
    np.testing.assert_allclose(after.tensor("token_embd.weight")[:384], expected, atol=2e-5)
    np.testing.assert_array_equal(after.tensor("token_embd.weight")[384:], numbers["model.embed_tokens.rows"])
    assert ("output.weight" in after.tensors) is not tied
    if not tied:
        np.testing.assert_array_equal(after.tensor("output.weight")[384:], numbers["lm_head.rows"])


def test_rows_of_odd_length_become_float16_and_are_named(tmp_path):
    base = tiny_gguf(tmp_path / "base.gguf", hidden=48, heads=4, kv_heads=2)
    target = tmp_path / "model.gguf"
    assemble(base, None, target, "Q4_0")
    file = read_gguf(target)
    odd = [name for name, entry in file.tensors.items() if len(entry.shape) > 1 and entry.shape[-1] % 32]
    assert odd
    assert file.get("rumpun.kept_f16") == odd
    assert {file.tensors[name].type for name in odd} == {"F16"}
    assert file.tensors["blk.0.ffn_down.weight"].type == "Q4_0"
    assert file.tensors["blk.0.ffn_norm.weight"].type == "F32"


@pytest.mark.parametrize("kind", QUANTISATIONS)
def test_the_size_is_known_before_writing(base, layer, tmp_path, kind):
    target = tmp_path / "model.gguf"
    extra = {"general.name": "แบบทดสอบ"}
    assemble(base, layer, target, kind, embeddings="Q8_0", metadata=extra)
    assert assembled_size(base, layer, kind, embeddings="Q8_0", metadata=extra) == target.stat().st_size


def test_progress_counts_every_byte(base, layer, tmp_path):
    seen = []
    assemble(base, layer, tmp_path / "model.gguf", "Q8_0", progress=lambda *given: seen.append(given))
    done, total, _ = seen[-1]
    assert done == total == sum(entry.size for entry in read_gguf(tmp_path / "model.gguf").tensors.values())
    assert [step[0] for step in seen] == sorted(step[0] for step in seen)


def test_a_layer_for_another_base_names_both(layer, tmp_path):
    other = tiny_gguf(tmp_path / "other.gguf", 99)
    with pytest.raises(InputError, match="made for the base 'tiny'") as caught:
        assemble(other, layer, tmp_path / "model.gguf", "Q8_0")
    assert "'Tiny 99'" in caught.value.message
    assert sha256_file(other)[:12] in caught.value.message
    assert not (tmp_path / "model.gguf").exists()


def refitted(layer, base, folder, **changes):
    """The same tensors under a description that names another base."""
    spec, tensors = read_layer(layer)
    fields = {field: getattr(spec, field) for field in spec.__struct_fields__}
    write_layer(folder, LayerSpec(**fields | {"base_sha256": sha256_file(base)} | changes), tensors)
    return folder


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"layers": 3}, "3 blocks; the layer does not change model.layers.2"),
        ({"layers": 1}, "1 blocks; the layer changes model.layers.1"),
        ({"hidden": 96}, r"down_proj is \[96, 192\] there and \[64, 128\] in the layer"),
        ({"kv_heads": 4}, r"k_proj is \[64, 64\] there and \[32, 64\]"),
    ],
)
def test_a_layer_of_another_shape_is_refused_whatever_its_checksum_says(layer, tmp_path, shape, words):
    base = tiny_gguf(tmp_path / "other.gguf", 1, **shape)
    folder = refitted(layer, base, tmp_path / "layer")
    with pytest.raises(InputError, match=words):
        assemble(base, folder, tmp_path / "model.gguf", "Q8_0")


def test_output_rows_need_an_output(tmp_path):
    base, tied = tiny_gguf(tmp_path / "a.gguf", tied=False), tiny_gguf(tmp_path / "b.gguf")
    layer = tiny_layer(tmp_path / "layer", base, tokens=("<ลาว>",))
    folder = refitted(layer, tied, tmp_path / "refitted")
    with pytest.raises(InputError, match=r"lm_head\.rows have no place"):
        assemble(tied, folder, tmp_path / "model.gguf", "Q8_0")
    tensors = load_file(layer / "layer.safetensors")
    del tensors["lm_head.rows"]
    save_file(tensors, layer / "layer.safetensors")
    with pytest.raises(InputError, match=r"lm_head\.rows are missing"):
        assemble(base, layer, tmp_path / "model.gguf", "Q8_0")


@pytest.mark.parametrize(
    ("tokens", "merges", "words"),
    [
        (("a",), (), "'a' stands in the base already"),
        (("<x>",), ("a <y>",), "not in the vocabulary"),
        (("<x>",), ("Ġ <x>",), "not in the vocabulary"),
        (("<x>",), tiny_bpe(384)[1][:1], "stands in the base already"),
    ],
)
def test_vocabulary_that_does_not_fit_is_refused(tmp_path, tokens, merges, words):
    base = tiny_gguf(tmp_path / "base.gguf")
    layer = tiny_layer(tmp_path / "layer", base, tokens=tokens, merges=merges)
    with pytest.raises(InputError, match=words):
        assemble(base, layer, tmp_path / "model.gguf", "Q8_0")


def test_numbers_too_large_are_refused(tmp_path):
    base = tiny_gguf(tmp_path / "base.gguf")
    layer = tiny_layer(tmp_path / "layer", base, alpha=1e38, scale=30)
    with pytest.raises(InputError, match="not finite"):
        assemble(base, layer, tmp_path / "model.gguf", "F32")
    layer = tiny_layer(tmp_path / "layer", base, alpha=3e9)
    with pytest.raises(InputError, match="too large for F16"):
        assemble(base, layer, tmp_path / "model.gguf", "F16")
    assert not (tmp_path / "model.gguf").exists()


def test_an_unknown_quantisation_names_the_known(base, tmp_path):
    with pytest.raises(UsageError, match="Q4_K") as caught:
        assemble(base, None, tmp_path / "model.gguf", "Q4_K")
    assert "Q4_1" in caught.value.hint


def test_reordering_rows_undoes_itself():
    @given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 3))
    def check(heads, pairs, width):
        rows = np.arange(heads * pairs * 2 * width).reshape(heads * pairs * 2, width)
        np.testing.assert_array_equal(heads_first(pairs_first(rows, heads), heads), rows)
        first = pairs_first(rows, heads)[:2]
        np.testing.assert_array_equal(first, rows[[0, pairs]])  # partners stand side by side

    check()


def test_every_target_is_changed_and_nothing_else(base, tmp_path):
    for target in TARGETS:
        layer = tiny_layer(tmp_path / target, base, targets=(target,))
        out = tmp_path / f"{target}.gguf"
        assemble(base, layer, out, "F32")
        before, after = read_gguf(base), read_gguf(out)
        changed = {name.split(".")[2] for name in matrices(after)
                   if not np.array_equal(before.tensor(name), after.tensor(name))}  # fmt: skip
        assert len(changed) == 1
