"""Every family both ways: a folder becomes a GGUF that llama.cpp computes alike, and the same folder again."""

import json
import shutil
import struct
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from test_folder import ODD, PASSAGES

from families import FAMILIES, llamacpp_logits, tiny_folder, tokenizer_of, torch_logits
from rumpun.engines.llamacpp_score import Scorer
from rumpun.errors import InputError, UsageError
from rumpun.steps import quiet
from rumpun.weights.assemble import assemble
from rumpun.weights.families.hyper import read_config
from rumpun.weights.families.rope import factors_of, settings_of
from rumpun.weights.families.table import by_architecture, by_model_type, families
from rumpun.weights.folder import write_folder
from rumpun.weights.from_folder import write_gguf_of
from rumpun.weights.gguf_file import describe, read_gguf
from rumpun.weights.gguf_write import NewTensor, text, write_gguf
from rumpun.weights.shards import INDEX, Shards
from rumpun.weights.tokenizer_spm import merges_of_scores, scores_of_merges
from tiny import TEXTS

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

EXACT = 1e-4  # measured: 2e-5 and less, as much as float32 and float64 differ in transformers itself
LOOKED_UP = 5e-3  # measured: 3.3e-3
EIGHT_BITS = (
    1.2  # of logits that spread by 1.3 to 2.5; random weights have no redundancy that would hide the rounding
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Several processes share the machine, and torch's threads wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One folder a family, made once."""
    root = tmp_path_factory.mktemp("families")
    return {family: tiny_folder(root / family, family) for family in FAMILIES}


@pytest.fixture(scope="module")
def ggufs(folders):
    """Each as a GGUF of float32."""
    made = {family: folder.with_suffix(".gguf") for family, folder in folders.items()}
    for family, target in made.items():
        write_gguf_of(folders[family], target)
    return made


@pytest.fixture
def copied(folders, tmp_path):
    """A folder to damage."""

    def copy(family):
        shutil.copytree(folders[family], tmp_path / family)
        return tmp_path / family

    return copy


def tokens_of(folder):
    tokenizer = tokenizer_of(folder)
    return [tokenizer(one, add_special_tokens=False)["input_ids"] for one in TEXTS]


def llamacpp_tokens(path, texts):
    scorer = Scorer(path, describe(path), 1)
    try:
        return scorer.tokenize(texts)
    finally:
        scorer.close()


def furthest(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def expected(folders):
    """Each family's tokens of the texts, and transformers' logits."""
    found = {}
    for family, folder in folders.items():
        texts = tokens_of(folder)
        assert max(map(len, texts)) > 16  # longer than gemma's window
        found[family] = texts, torch_logits(folder, texts)
    return found


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "gemma3"])
def test_llamacpp_computes_what_transformers_computes(ggufs, expected, family):
    texts, logits = expected[family]
    assert furthest(logits, llamacpp_logits(ggufs[family], texts)) < EXACT


def test_gemma_agrees_but_for_an_activation_that_the_runtime_looks_up_in_float16(
    ggufs, expected, copied, tmp_path
):
    texts, logits = expected["gemma3"]
    assert furthest(logits, llamacpp_logits(ggufs["gemma3"], texts)) < LOOKED_UP
    folder = copied("gemma3")  # with what follows the activation at zero, all the rest is seen to agree
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: array * 0 if "down_proj" in name else array for name, array in weights.items()},
        folder / "model.safetensors",
    )
    write_gguf_of(folder, tmp_path / "model.gguf")
    assert furthest(torch_logits(folder, texts), llamacpp_logits(tmp_path / "model.gguf", texts)) < EXACT


@pytest.mark.parametrize("family", FAMILIES)
def test_in_eight_bits_it_stays_near(folders, expected, family, tmp_path):
    texts, want = expected[family]
    write_gguf_of(folders[family], tmp_path / "q8.gguf", "Q8_0")
    kinds = {entry.type for entry in read_gguf(tmp_path / "q8.gguf").tensors.values()}
    assert kinds == {"F32", "Q8_0"}
    found = llamacpp_logits(tmp_path / "q8.gguf", texts)
    assert furthest(want, found) < EIGHT_BITS
    same = np.mean([np.mean(a.argmax(1) == b.argmax(1)) for a, b in zip(want, found, strict=True)])
    assert same > 0.85


@pytest.mark.parametrize("family", FAMILIES)
def test_folder_to_gguf_and_back_is_the_same_model(folders, ggufs, expected, family, tmp_path):
    write_folder(ggufs[family], tmp_path / "back")
    first, second = Shards(folders[family]), Shards(tmp_path / "back")
    assert first.entries.keys() == second.entries.keys()
    shifted = family == "gemma3"  # 1 + weight is kept in the GGUF, so the last bit of a small weight is lost
    for name in first.entries:
        a, b = first.tensor(name), second.tensor(name)
        if shifted and "norm" in name:
            np.testing.assert_allclose(a, b, rtol=0, atol=6e-8)
        else:
            np.testing.assert_array_equal(a, b)
    texts, logits = expected[family]
    assert tokens_of(tmp_path / "back") == texts
    assert furthest(logits, torch_logits(tmp_path / "back", texts)) < (1e-5 if shifted else 1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_gguf_to_folder_and_back_is_the_same_file(ggufs, family, tmp_path):
    write_folder(ggufs[family], tmp_path / "back")
    write_gguf_of(tmp_path / "back", tmp_path / "again.gguf")
    first, second = read_gguf(ggufs[family]), read_gguf(tmp_path / "again.gguf")
    assert list(first.tensors) == list(second.tensors)
    for name in first.tensors:
        np.testing.assert_array_equal(first.tensor(name), second.tensor(name))
    own = {"general.name", "rumpun.made_from_sha256"}
    assert {k: v for k, v in first.metadata.items() if k not in own} == {
        k: v for k, v in second.metadata.items() if k not in own
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_those_of_transformers(folders, ggufs, family):
    tokenizer = tokenizer_of(folders[family])
    texts = [
        *TEXTS,
        *PASSAGES,
        *ODD,
        "for (i = 0; i < 10; i++) { camelCase(HelloWorld); }  // https://a.org/b/c?d=1",
    ]
    found = llamacpp_tokens(ggufs[family], texts)
    expected = [tokenizer(one, add_special_tokens=False)["input_ids"] for one in texts]
    assert [one for one, a, b in zip(texts, found, expected, strict=True) if a != b] == []


def test_apertus_is_cut_as_it_was_trained_and_not_as_its_published_files_say(folders, ggufs, tmp_path):
    """The runtime's "tekken" leaves marks out of words, which Thai, Burmese, Khmer, Lao and Tamil are full of."""
    assert read_gguf(ggufs["apertus"]).get("tokenizer.ggml.pre") == "youtu"
    published = tmp_path / "published.gguf"
    file = read_gguf(ggufs["apertus"])
    planned = [
        NewTensor(name, entry.type, entry.shape, entry.size, partial(file.raw, name))
        for name, entry in file.tensors.items()
    ]
    write_gguf(published, file.metadata | {"tokenizer.ggml.pre": text("tekken")}, planned, progress=quiet)
    tokenizer = tokenizer_of(folders["apertus"])
    expected = [tokenizer(passage, add_special_tokens=False)["input_ids"] for passage in PASSAGES]
    found = llamacpp_tokens(published, PASSAGES)
    differing = [place for place, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b]
    assert differing == [3, 5, 6, 7, 8]
    assemble(published, None, tmp_path / "again.gguf", "Q8_0")
    assert llamacpp_tokens(tmp_path / "again.gguf", PASSAGES) == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_both_engines_score_alike(folders, ggufs, family):
    """The same token stands before a text in both, the one that the model knows there."""
    from rumpun.engines.hf import Transformers

    scorer = Scorer(ggufs[family], describe(ggufs[family]), 1)
    engine = Transformers(folders[family], name=family, device="cpu")
    try:
        pairs = [("", one) for one in TEXTS[:4]] + [("Rumpun bambu ", "tumbuh di tepi sungai.")]
        for one, other in zip(scorer.score(pairs), engine.score(pairs), strict=True):
            assert one.tokens == other.tokens
            assert one.logprob == pytest.approx(other.logprob, abs=0.02 * one.tokens)
    finally:
        scorer.close()
        engine.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_begins_as_the_tokenizer_says(folders, ggufs, family):
    adds = len(tokenizer_of(folders[family])("a")["input_ids"]) > len(
        tokenizer_of(folders[family])("a", add_special_tokens=False)["input_ids"]
    )
    assert read_gguf(ggufs[family]).get("tokenizer.ggml.add_bos_token") == adds == (family == "gemma3")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_shards_of_low_precision_are_kept_as_they_are_stored(tmp_path, dtype):
    kind = {"bfloat16": "BF16", "float16": "F16"}[dtype]
    folder = tiny_folder(tmp_path / "qwen", "qwen3", dtype=dtype, shard_bytes="60KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    assert (folder / INDEX).is_file()
    write_gguf_of(folder, tmp_path / "qwen.gguf")
    file, shards = read_gguf(tmp_path / "qwen.gguf"), Shards(folder)
    assert {entry.type for entry in file.tensors.values()} == {"F32", kind}
    assert describe(tmp_path / "qwen.gguf").quantisation == kind
    np.testing.assert_array_equal(
        file.tensor("blk.1.attn_q.weight"), shards.tensor("model.layers.1.self_attn.q_proj.weight")
    )
    texts = tokens_of(folder)
    assert (
        furthest(torch_logits(folder, texts), llamacpp_logits(tmp_path / "qwen.gguf", texts)) < 0.3
    )  # products in low precision


def test_one_tensor_at_a_time_is_in_memory(tmp_path, folders):
    """The peak does not grow with the number of tensors."""
    write_gguf_of(folders["llama"], tmp_path / "first.gguf")  # imports and tables are loaded
    largest = max(entry.size for entry in Shards(folders["llama"]).entries.values())
    tracemalloc.start()
    write_gguf_of(folders["llama"], tmp_path / "again.gguf", "F16")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * largest + 2_000_000  # and the tokenizer's tables


@settings(max_examples=40)
@given(
    theta=st.sampled_from([10_000.0, 500_000.0, 12_000_000.0]),
    factor=st.sampled_from([4.0, 8.0, 32.0]),
    original=st.sampled_from([64, 8192]),
    half=st.sampled_from([8, 16, 32, 64]),
)
def test_the_rule_of_stretched_contexts_is_found_again(theta, factor, original, half):
    given_ = {"rope_type": "llama3", "rope_theta": theta, "factor": factor, "low_freq_factor": 1.0,
              "high_freq_factor": 4.0, "original_max_position_embeddings": original}  # fmt: skip
    factors = factors_of(given_, 2 * half)
    if factors.max() == factor:
        assert settings_of(factors, theta, original, "file") == given_
    odd = factors.copy()
    odd[0] *= 1.01
    with pytest.raises(InputError, match="rope_freqs"):
        settings_of(odd, theta, original, "file")


def test_stretched_frequencies_are_transformers_own(folders):
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config = read_config(folders["llama"])
    inverse, _ = ROPE_INIT_FUNCTIONS["llama3"](
        transformers.AutoConfig.from_pretrained(folders["llama"]), "cpu"
    )
    plain = config.rope["rope_theta"] ** -(np.arange(0, config.head_dim, 2) / config.head_dim)
    np.testing.assert_allclose(plain / config.rope_factors(), inverse.numpy(), rtol=1e-6)


@given(st.lists(st.text("ab▁", min_size=2, max_size=5), unique=True, max_size=12))
def test_scores_and_merges_say_the_same(pieces):
    tokens = ["a", "b", "▁", *sorted(pieces, key=len)]
    types = [1] * len(tokens)
    scores = [-float(number) for number in range(len(tokens))]
    merges = merges_of_scores(tokens, scores, types)
    again = scores_of_merges("file", tokens, merges, types)
    assert merges_of_scores(tokens, again, types) == merges
    if len(merges) > 1:
        with pytest.raises(InputError, match="SentencePiece"):
            scores_of_merges("file", tokens, merges[:1], types)


def test_targets_follow_the_family():
    usual = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    apertus = by_architecture("apertus", "file")
    assert apertus.usual_or(usual) == tuple(name for name in usual if name != "gate_proj")
    assert apertus.usual_or(("q_proj",)) == ("q_proj",)
    with pytest.raises(UsageError, match="no gate_proj") as caught:
        apertus.usual_or(("gate_proj", "q_proj"))
    assert "up_proj" in caught.value.hint
    assert all(family.usual_or(usual) == usual for family in families() if family.architecture != "apertus")


def test_a_model_of_text_and_images_gives_its_text(folders, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(folders["gemma3"], whole)
    inner = json.loads((whole / "config.json").read_text())
    (whole / "config.json").write_text(
        json.dumps({"model_type": "gemma3", "text_config": inner, "vision_config": {}})
    )
    weights = {
        f"language_model.{name}": array for name, array in load_file(whole / "model.safetensors").items()
    }
    weights["vision_tower.vision_model.post_layernorm.weight"] = np.ones(4, np.float32)
    save_file(weights, whole / "model.safetensors")
    write_gguf_of(whole, tmp_path / "whole.gguf")
    write_gguf_of(folders["gemma3"], tmp_path / "text.gguf")
    one, other = read_gguf(tmp_path / "whole.gguf"), read_gguf(tmp_path / "text.gguf")
    assert list(one.tensors) == list(other.tensors)
    assert all((one.raw(name) == other.raw(name)).all() for name in one.tensors)


def changed_config(folder: Path, **values: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


@pytest.mark.parametrize(
    ("family", "values", "words"),
    [
        ("llama", {"model_type": "mamba"}, "model_type 'mamba'"),
        ("llama", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0}}, "rope_type 'yarn'"),
        ("llama", {"hidden_act": "gelu"}, "activation 'gelu'"),
        ("qwen3", {"attention_bias": True}, "biases"),
        ("qwen3", {"use_sliding_window": True}, "use_sliding_window"),
        ("smollm3", {"no_rope_layers": [1, 0, 1, 0]}, "no_rope_layers"),
        ("gemma3", {"final_logit_softcapping": 30.0}, "soft-capped"),
        ("gemma3", {"query_pre_attn_scalar": 99}, "query_pre_attn_scalar = 99"),
        ("gemma3", {"layer_types": ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]}, "layer_types"),
        ("apertus", {"tie_word_embeddings": True}, "tie_word_embeddings"),
        ("llama", {"vocab_size": 77}, r"embedding is \[512, 64\].*\[77, 64\]"),
        ("llama", {"num_hidden_layers": 3}, "beyond the 3 blocks"),
        ("llama", {"num_hidden_layers": 5}, "no tensor for blk.4"),
    ],
)  # fmt: skip
def test_what_the_runtime_would_not_compute_is_refused(copied, tmp_path, family, values, words):
    folder = changed_config(copied(family), **values)
    with pytest.raises(InputError, match=words) as caught:
        write_gguf_of(folder, tmp_path / "model.gguf")
    assert caught.value.hint
    assert not (tmp_path / "model.gguf").exists()


def test_a_tokenizer_of_another_model_is_refused(copied, folders, tmp_path):
    folder = copied("llama")
    path = folder / "tokenizer.json"
    table = json.loads(path.read_text())
    table["model"]["vocab"] |= {f"more{number}": 500 + number for number in range(40)}
    path.write_text(json.dumps(table))
    with pytest.raises(InputError, match="tokens up to number 539, the embedding has 512 rows"):
        write_gguf_of(folder, tmp_path / "model.gguf")
    path.write_text(json.dumps(table | {"model": {"type": "Unigram", "vocab": []}}))
    with pytest.raises(InputError, match="'Unigram', expected BPE"):
        write_gguf_of(folder, tmp_path / "model.gguf")
    table = json.loads((folders["llama"] / "tokenizer.json").read_text())
    table["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\w+"
    path.write_text(json.dumps(table))
    with pytest.raises(InputError, match="cuts text by"):
        write_gguf_of(folder, tmp_path / "model.gguf")
    path.unlink()
    with pytest.raises(InputError, match=r"tokenizer.json: cannot be read"):
        write_gguf_of(folder, tmp_path / "model.gguf")


def test_damaged_shards_are_named(tmp_path):
    folder = tiny_folder(tmp_path / "qwen", "qwen3", shard_bytes="100KB")
    first, second, *_ = sorted(folder.glob("*.safetensors"))
    content = first.read_bytes()
    first.write_bytes(content[:-3])
    with pytest.raises(InputError, match=rf"{first.name}: not whole safetensors"):
        Shards(folder)
    first.write_bytes(content[:5])
    with pytest.raises(InputError, match=first.name):
        Shards(folder)
    first.unlink()
    with pytest.raises(InputError, match=rf"{first.name}: missing"):
        Shards(folder)
    first.write_bytes(second.read_bytes())
    with pytest.raises(InputError, match="stands in"):
        Shards(folder)
    header = json.dumps({"x": {"dtype": "I8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    first.write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    with pytest.raises(InputError, match="type I8"):
        Shards(folder)


def test_tensors_of_unknown_names_are_refused(copied, tmp_path):
    folder = copied("llama")
    weights = load_file(folder / "model.safetensors")
    save_file(
        weights | {"model.layers.0.mlp.router.weight": np.ones((2, 2), np.float32)},
        folder / "model.safetensors",
    )
    with pytest.raises(InputError, match=r"model.layers.0.mlp.router.weight has no place in a llama"):
        write_gguf_of(folder, tmp_path / "model.gguf")


def test_an_unknown_architecture_is_named():
    with pytest.raises(InputError, match=r"architecture 'mamba', expected one of llama"):
        by_architecture("mamba", "file")
    with pytest.raises(InputError, match=r"model_type 'gemma4', expected one of llama"):
        by_model_type("gemma4", "file")
