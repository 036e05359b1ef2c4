"""Layers of one base into one: exact sums and stacks, cuts with their error, added vocabulary, and extraction."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError, UsageError
from rumpun.layer.merging.extract import extract_layer
from rumpun.layer.merging.factors import Factors, apart, dense_cut, joined, padded, product_cut
from rumpun.layer.merging.layers import licence_of, merge_layers, open_layer_parent
from rumpun.layer.merging.params import MergeSettings
from rumpun.layer.merging.parents import open_parent, with_layer
from rumpun.weights.assemble import assemble
from rumpun.weights.folder import write_folder
from rumpun.weights.gguf_file import describe, read_gguf
from rumpun.weights.layer_file import layer_sha256, read_layer, read_spec, write_layer
from rumpun.weights.merge import open_layer
from tiny import TEXTS, tiny_bpe, tiny_gguf, tiny_layer


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_gguf(tmp_path_factory.mktemp("base") / "base.gguf", 3)


def merge(folders, method, out=None, *, rank=0, seed=0, **asked):
    parents = [open_layer_parent(folder) for folder in folders]
    spec, tensors, told = merge_layers(parents, MergeSettings(method=method, **asked), rank=rank, seed=seed)
    if out is not None:
        write_layer(out, spec, tensors)
    return spec, tensors, told


def product(folder_or_pair, module):
    spec, tensors = read_layer(folder_or_pair) if not isinstance(folder_or_pair, tuple) else folder_or_pair
    if f"{module}.a" not in tensors:
        return 0.0
    b, a = (tensors[f"{module}.{side}"].astype(np.float64) for side in "ba")
    return spec.alpha / spec.rank * b @ a


def on(layer, lower):
    """The same layer, said to stand on another."""
    spec, tensors = read_layer(layer)
    write_layer(layer, msgspec.structs.replace(spec, stands_on=layer_sha256(lower)), tensors)
    return layer


def test_sums_of_layers_are_exact_and_ranks_add_up(tmp_path, base):
    """Other ranks, alphas, targets and weights of any sign: every module is the weighted sum of products."""

    @settings(max_examples=20)
    @given(
        st.lists(
            st.tuples(
                st.integers(1, 6), st.floats(0.5, 32), st.floats(-2, 2).filter(lambda w: abs(w) > 0.01)
            ),
            min_size=1,
            max_size=3,
        ),
        st.floats(0.1, 2),
    )
    def check(made, scale):
        targets = [("q_proj", "down_proj"), ("q_proj", "v_proj"), ("up_proj",)]
        folders = [
            tiny_layer(tmp_path / f"{place}", base, place, rank=rank, alpha=alpha, targets=targets[place])
            for place, (rank, alpha, _) in enumerate(made)
        ]
        weights = tuple(weight for *_, weight in made)
        spec, tensors, told = merge(folders, "task_arithmetic", weight=weights, lambda_=scale)
        assert spec.rank == sum(rank for rank, *_ in made)
        assert told["error"]["all"] == 0
        for name in tensors:
            module = name.rpartition(".")[0]
            meant = sum(scale * w * product(f, module) for f, w in zip(folders, weights, strict=True))
            found = product((spec, tensors), module)
            np.testing.assert_allclose(found, meant, rtol=1e-5, atol=1e-5 * np.abs(meant).max())

    check()


def test_layers_of_one_scale_lose_not_one_bit(tmp_path, base):
    """Equal alpha / rank: float16 stays float16, and the sum is the same to the bit."""
    one = tiny_layer(tmp_path / "one", base, 1, rank=4, alpha=8.0)
    two = tiny_layer(tmp_path / "two", base, 2, rank=8, alpha=16.0)
    spec, tensors, _ = merge([one, two], "task_arithmetic")
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}
    for name in tensors:
        module = name.rpartition(".")[0]
        assert (product((spec, tensors), module) == product(one, module) + product(two, module)).all()


def test_a_merged_layer_on_the_base_is_the_sum_on_the_base(tmp_path, base):
    """Assembled by llama.cpp's route (GGUF, F32) too: base + one + two."""
    one, two = (tiny_layer(tmp_path / str(n), base, n) for n in (1, 2))
    merge([one, two], "task_arithmetic", tmp_path / "sum", weight=(0.5, 2.0))
    assemble(base, tmp_path / "sum", tmp_path / "whole.gguf", "F32")
    whole, plain = read_gguf(tmp_path / "whole.gguf"), read_gguf(base)
    parts = [open_layer(plain, layer) for layer in (one, two)]
    for name in plain.tensors:
        before = plain.tensor(name)
        meant = before + 0.5 * (parts[0].tensor(name) - before) + 2.0 * (parts[1].tensor(name) - before)
        np.testing.assert_allclose(whole.tensor(name), meant, atol=1e-5)


def test_linear_is_the_mean(tmp_path, base):
    one, two = (tiny_layer(tmp_path / str(n), base, n) for n in (1, 2))
    spec, tensors, _ = merge([one, two], "linear", weight=(1.0, 3.0))
    module = "model.layers.1.self_attn.q_proj"
    meant = 0.25 * product(one, module) + 0.75 * product(two, module)
    np.testing.assert_allclose(product((spec, tensors), module), meant, atol=1e-6)


@settings(max_examples=30)
@given(st.integers(2, 20), st.integers(2, 20), st.integers(1, 8), st.integers(1, 8), st.integers(0, 999))
def test_a_cut_is_the_nearest_of_its_rank(rows, columns, whole, rank, seed):
    """Both cuts lose exactly what the singular values past the rank say (Eckart and Young)."""
    random = np.random.default_rng(seed)
    b, a = random.standard_normal((rows, whole)), random.standard_normal((whole, columns))
    matrix = 0.5 * b @ a
    sizes = np.linalg.svd(matrix, compute_uv=False)
    least = np.sqrt((sizes[rank:] ** 2).sum())
    given_ = Factors(a, b, 0.5)
    for made in (product_cut(given_, rank), dense_cut(matrix.astype(np.float32), rank)):
        gone = np.linalg.norm(matrix - made.scale * made.b @ made.a)
        assert gone == pytest.approx(least, rel=1e-4, abs=1e-5 * sizes[0])
        assert np.sqrt(apart(given_, made)[0]) == pytest.approx(gone, rel=1e-3, abs=1e-5 * sizes[0])
    same = padded(joined([given_], 2.0), whole + 3)
    np.testing.assert_allclose(same.scale * same.b @ same.a, matrix, atol=1e-5 * sizes[0])


def test_a_cut_layer_tells_its_true_error(tmp_path, base):
    one, two = (tiny_layer(tmp_path / str(n), base, n) for n in (1, 2))
    spec, tensors, told = merge([one, two], "task_arithmetic", tmp_path / "cut", rank=5)
    assert (spec.rank, spec.alpha) == (5, 5.0)
    gone = norm = 0.0
    for module in {name.rpartition(".")[0] for name in tensors}:
        meant = product(one, module) + product(two, module)
        gone += np.linalg.norm(meant - product((spec, tensors), module)) ** 2
        norm += np.linalg.norm(meant) ** 2
    assert told["error"]["all"] == pytest.approx((gone / norm) ** 0.5, rel=1e-3)
    assert 0.05 < told["error"]["all"] < told["error"]["worst"] < 1


@pytest.mark.parametrize("method", ["ties", "dare_linear", "dare_ties", "breadcrumbs", "breadcrumbs_ties"])
def test_choosing_methods_work_on_whole_products(tmp_path, base, method):
    """At full rank a merged layer is what the method gives on the dense differences."""
    from rumpun.layer.merging.methods import merge_differences

    one, two = (tiny_layer(tmp_path / str(n), base, n, targets=("q_proj",)) for n in (1, 2))
    asked = {"weight": (1.0, 0.7), "density": 0.4}
    spec, tensors, told = merge([one, two], method, rank=64, seed=5, **asked)
    module = "model.layers.0.self_attn.q_proj"
    dense = [product(folder, module).astype(np.float32) for folder in (one, two)]
    meant = merge_differences(MergeSettings(method=method, **asked), f"{module}.weight", dense, seed=5)
    np.testing.assert_allclose(product((spec, tensors), module), meant, atol=2e-3 * np.abs(meant).max())
    assert told["error"]["all"] < 2e-3  # float16's rounding


def test_added_vocabulary_is_joined(tmp_path, base):
    tokens, merges = tiny_bpe(392)
    one = tiny_layer(tmp_path / "one", base, 1, tokens=tokens[384:388], merges=merges[-8:-4])
    two = tiny_layer(tmp_path / "two", base, 2, tokens=(*tokens[386:392], "<มาสค์>"), merges=merges[-6:])
    none = tiny_layer(tmp_path / "none", base, 3)
    spec, tensors, _ = merge([one, none, two], "linear", tmp_path / "out", weight=(1.0, 5.0, 3.0))
    assert spec.tokens == (*tokens[384:392], "<มาสค์>")
    assert spec.merges == merges[-8:]
    rows = tensors["model.embed_tokens.rows"].astype(np.float64)
    first, second = (read_layer(f)[1]["model.embed_tokens.rows"].astype(np.float64) for f in (one, two))
    np.testing.assert_allclose(rows[:2], first[:2], rtol=1e-3)  # what one alone knows stays as it is
    np.testing.assert_allclose(rows[2:4], (first[2:] + 3 * second[:2]) / 4, atol=2e-3)
    np.testing.assert_allclose(rows[4:], second[2:], rtol=1e-3)


def test_joined_vocabulary_gives_one_cut_in_transformers_and_llamacpp(tmp_path, base):
    from transformers import AutoTokenizer

    from rumpun.engines.llamacpp_score import Scorer

    tokens, merges = tiny_bpe(420)
    one = tiny_layer(tmp_path / "one", base, 1, targets=(), tokens=tokens[384:400], merges=merges[-36:-20])
    two = tiny_layer(tmp_path / "two", base, 2, tokens=(*tokens[384:420], "<มาสค์>"), merges=merges[-36:])
    merge([one, two], "linear", tmp_path / "out")
    assemble(base, tmp_path / "out", tmp_path / "whole.gguf", "F32")
    write_folder(base, tmp_path / "folder", layer=tmp_path / "out")
    made = AutoTokenizer.from_pretrained(tmp_path / "folder")
    texts = [*TEXTS, "a<มาสค์>b 12", "def f(x):\n\treturn x\n"]
    scorer = Scorer(tmp_path / "whole.gguf", describe(tmp_path / "whole.gguf"), 1)
    found = scorer.tokenize(texts)
    scorer.close()
    for text, expected in zip(texts, found, strict=True):
        ids = made(text, add_special_tokens=False)["input_ids"]
        assert ids == expected
        assert made.decode(ids, clean_up_tokenization_spaces=False) == text


def test_untied_layers_join_both_tables(tmp_path):
    base = tiny_gguf(tmp_path / "base.gguf", 3, tied=False)
    tokens, merges = tiny_bpe(386)
    one = tiny_layer(tmp_path / "one", base, 1, tokens=tokens[384:385], merges=merges[-2:-1])
    two = tiny_layer(tmp_path / "two", base, 2, tokens=tokens[385:], merges=merges[-1:])
    spec, tensors, _ = merge([one, two], "linear", tmp_path / "out")
    assert tensors["lm_head.rows"].shape == (2, 64)
    assemble(base, tmp_path / "out", tmp_path / "whole.gguf", "F32")
    np.testing.assert_array_equal(
        read_gguf(tmp_path / "whole.gguf").tensor("output.weight")[384:],
        tensors["lm_head.rows"].astype(np.float32),
    )
    assert spec.tokens == tokens[384:]


@pytest.fixture
def chain(tmp_path, base):
    """Region, language on it, domain on that; each brings a token, the language another row for the region's."""
    tokens, merges = tiny_bpe(386)
    region = tiny_layer(tmp_path / "region", base, 1, tokens=tokens[384:385], merges=merges[-2:-1])
    language = on(tiny_layer(tmp_path / "language", base, 2, tokens=tokens[384:], merges=merges[-2:]), region)
    domain = on(tiny_layer(tmp_path / "domain", base, 3, rank=2, chat_template="{{ 'X' }}"), language)
    return region, language, domain


def test_a_stack_is_the_sum_with_the_upper_rows(tmp_path, base, chain):
    region, language, domain = chain
    spec, tensors, told = merge(chain, "stack", tmp_path / "out")
    assert (spec.rank, spec.stands_on, spec.chat_template) == (10, None, "{{ 'X' }}")
    for module in {name.rpartition(".")[0] for name in tensors if not name.endswith("rows")}:
        meant = sum(product(folder, module) for folder in chain)
        np.testing.assert_allclose(product((spec, tensors), module), meant, atol=1e-5)
    np.testing.assert_array_equal(
        tensors["model.embed_tokens.rows"], read_layer(language)[1]["model.embed_tokens.rows"]
    )
    assert told["layers"] == [layer_sha256(folder) for folder in (region, language, domain)]
    open_layer(read_gguf(base), tmp_path / "out")


def test_a_stack_out_of_order_or_on_another_is_refused_with_the_mend(tmp_path, base, chain):
    region, language, domain = chain
    cases = [
        ([language, region, domain], r"region: stands on the base alone, not on \S+language", "task_arithmetic"),
        ([region, domain, language], r"domain: stands on the layer \w+…, \S+region is", "put .*language right before it"),
        ([region, domain], "domain: stands on the layer", "name the layer that it was trained on"),
        ([language, domain], "language: is the lowest, and stands on the layer", "name that layer first"),
    ]  # fmt: skip
    for folders, words, mend in cases:
        with pytest.raises(InputError, match=words) as found:
            merge(folders, "stack")
        assert mend.replace(".*", "") in found.value.hint or all(
            p in found.value.hint for p in mend.split(".*")
        )
    with pytest.raises(InputError, match=r"region stands on the base alone, .*language on the layer"):
        merge([region, language], "linear")
    with pytest.raises(InputError, match="not on the base alone") as found:
        open_layer(read_gguf(base), language)
    assert "--method stack" in found.value.hint
    with pytest.raises(InputError, match="not on the base alone"):
        with_layer(base, language)


def test_layers_on_one_layer_merge_into_one_that_stands_there_too(tmp_path, base, chain):
    region, language, _ = chain
    other = on(tiny_layer(tmp_path / "other", base, 5), region)
    spec, _, _ = merge([language, other], "linear", tmp_path / "out")
    assert spec.stands_on == layer_sha256(region)
    merge([region, tmp_path / "out"], "stack")


def test_a_layer_that_stands_on_the_base_is_written_as_before(tmp_path, base):
    """The file of schema 1 has no word of it, so that older readers take it; with one it reads back."""
    layer = tiny_layer(tmp_path / "layer", base)
    assert "stands_on" not in json.loads((layer / "layer.json").read_text())
    assert read_spec(on(layer, tiny_layer(tmp_path / "lower", base, 9))).stands_on is not None
    table = json.loads((layer / "layer.json").read_text()) | {"stands_on": "short"}
    (layer / "layer.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match="stands_on = 'short', expected 64 hex digits"):
        read_spec(layer)


def test_layers_that_do_not_belong_together_are_named(tmp_path, base):
    one = tiny_layer(tmp_path / "one", base, 1)
    elsewhere = tiny_layer(tmp_path / "two", tiny_gguf(tmp_path / "other.gguf", 9), 2)
    with pytest.raises(InputError, match="two: stands on the base 'tiny'"):
        merge([one, elsewhere], "linear")
    with pytest.raises(UsageError, match="slerp turns whole models"):
        merge([one, one], "slerp")
    with pytest.raises(UsageError, match="a stack takes no weights"):
        merge([one], "stack", weight=(1.0,))
    wide = tiny_layer(tmp_path / "wide", tiny_gguf(tmp_path / "wide.gguf", 9, hidden=128), 2)
    spec, tensors = read_layer(wide)
    write_layer(wide, msgspec.structs.replace(spec, base_sha256=read_spec(one).base_sha256), tensors)
    with pytest.raises(InputError, match=r"down_proj is \[64, 128\] in \S+one and \[128, 256\] in \S+wide"):
        merge([one, wide], "linear")


def test_licences_of_all_parents_are_kept(tmp_path, base):
    assert licence_of(["MIT", "Apache-2.0", "MIT"]) == "MIT AND Apache-2.0"
    assert licence_of(["MIT OR ISC", "CC-BY-4.0"]) == "(MIT OR ISC) AND CC-BY-4.0"
    assert licence_of(["MIT OR ISC"]) == "MIT OR ISC"


def test_extraction_gives_back_a_layer_that_was_merged_in(tmp_path, base):
    """Rank 4 in, rank 4 out, with its vocabulary: what is put on the base again is the tuned model."""
    tokens, merges = tiny_bpe(388)
    layer = tiny_layer(tmp_path / "layer", base, 7, tokens=(*tokens[384:], "<มาสค์>"), merges=merges[-4:])
    write_folder(base, tmp_path / "tuned", layer=layer)
    targets = read_spec(layer).targets
    spec, tensors, told = extract_layer(
        open_parent(tmp_path / "tuned"), open_parent(base), base, str(base), rank=4, targets=targets
    )
    write_layer(tmp_path / "found", spec, tensors)
    assert told["error"]["all"] < 2e-3
    assert told["left_out"] == {}
    assert (spec.tokens, spec.merges) == (read_spec(layer).tokens, read_spec(layer).merges)
    again = with_layer(base, tmp_path / "found")
    tuned = open_parent(tmp_path / "tuned")
    for name in tuned.names():
        np.testing.assert_allclose(again.tensor(name), tuned.tensor(name), atol=2e-3)


def test_extraction_tells_what_a_layer_cannot_hold(tmp_path, base):
    from safetensors.numpy import load_file, save_file

    write_folder(base, tmp_path / "tuned")
    tensors = load_file(tmp_path / "tuned" / "model.safetensors")
    random = np.random.default_rng(0)
    tensors["model.norm.weight"] = tensors["model.norm.weight"] * np.float32(1.1)
    noise = random.standard_normal(tensors["model.layers.0.self_attn.q_proj.weight"].shape).astype(np.float32)
    tensors["model.layers.0.self_attn.q_proj.weight"] += noise
    save_file(tensors, tmp_path / "tuned" / "model.safetensors", metadata={"format": "pt"})
    model, under = open_parent(tmp_path / "tuned"), open_parent(base)
    _, _, told = extract_layer(model, under, base, str(base), rank=8, targets=("q_proj",))
    assert told["left_out"] == {"model.norm.weight": 0.1}
    sizes = np.linalg.svd(noise, compute_uv=False)
    least = np.sqrt((sizes[8:] ** 2).sum() / (sizes**2).sum())
    assert told["error"]["all"] == pytest.approx(least, rel=1e-3)
    with pytest.raises(InputError, match="no difference from"):
        extract_layer(under, under, base, str(base), rank=4, targets=("v_proj",))
    with pytest.raises(UsageError, match="'qkv'"):
        extract_layer(model, under, base, str(base), rank=4, targets=("qkv",))


def test_what_is_extracted_above_a_layer_stands_on_it_and_stacks(tmp_path, base):
    lower, upper = (tiny_layer(tmp_path / str(n), base, n) for n in (1, 2))
    merge([lower, upper], "task_arithmetic", tmp_path / "both")
    write_folder(base, tmp_path / "tuned", layer=tmp_path / "both")
    spec, tensors, _ = extract_layer(
        open_parent(tmp_path / "tuned"), with_layer(base, lower), base, str(base),
        rank=4, targets=read_spec(upper).targets, stands_on=layer_sha256(lower),
    )  # fmt: skip
    write_layer(tmp_path / "upper", spec, tensors)
    made = merge([lower, tmp_path / "upper"], "stack")
    module = "model.layers.0.mlp.up_proj"
    np.testing.assert_allclose(product(made[:2], module), product(tmp_path / "both", module), atol=2e-3)
