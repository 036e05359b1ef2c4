"""A layer's files: what is written reads back, and what does not fit together is refused by name."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from rumpun.errors import EnvironmentFault, InputError
from rumpun.weights.layer_file import MODULES, LayerSpec, modules, read_layer, write_layer
from tiny import tiny_gguf, tiny_layer

SHA = "ab" * 32


def spec_of(**changes):
    return LayerSpec(
        **{"base_name": "tiny", "base_sha256": SHA, "rank": 2, "alpha": 4.0, "targets": ("q_proj",)} | changes
    )


def tensors_of(spec, blocks=1, width=8):
    random = np.random.default_rng(0)
    made = {}
    for module in modules(spec, blocks):
        made[f"{module}.a"] = random.standard_normal((spec.rank, width)).astype(np.float16)
        made[f"{module}.b"] = random.standard_normal((width, spec.rank)).astype(np.float16)
    if spec.tokens:
        made["model.embed_tokens.rows"] = random.standard_normal((len(spec.tokens), width)).astype(np.float16)
    return made


@pytest.fixture
def layer(tmp_path):
    """A whole layer, as `tiny_layer` makes it."""
    return tiny_layer(tmp_path / "layer", tiny_gguf(tmp_path / "base.gguf"))


def test_what_is_written_reads_back(tmp_path):
    words = st.text(st.characters(exclude_categories=["Cs", "Z"]), min_size=1, max_size=6)

    @settings(max_examples=60)
    @given(
        st.builds(
            spec_of,
            rank=st.integers(1, 4),
            alpha=st.floats(0.01, 100),
            targets=st.lists(st.sampled_from(sorted(MODULES)), unique=True, min_size=1).map(tuple),
            tokens=st.lists(words, unique=True, max_size=4).map(tuple),
            merges=st.lists(st.tuples(words, words).map(" ".join), unique=True, max_size=3).map(tuple),
            chat_template=st.none() | words,
        ),
        st.integers(1, 3),
    )
    def check(spec, blocks):
        tensors = tensors_of(spec, blocks)
        write_layer(tmp_path, spec, tensors)
        found, numbers = read_layer(tmp_path)
        assert found == spec
        assert numbers.keys() == tensors.keys()
        for name, tensor in tensors.items():
            np.testing.assert_array_equal(numbers[name], tensor)

    check()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rank": 0}, "rank = 0"),
        ({"alpha": float("nan")}, "alpha = nan"),
        ({"base_sha256": "b179c952"}, "64 hex digits"),
        ({"targets": ("q_proj", "qkv_proj")}, "unknown targets qkv_proj"),
        ({"targets": ("q_proj", "q_proj")}, "twice"),
        ({"tokens": ("ก", "ก")}, "twice"),
        ({"tokens": ("",)}, "empty"),
        ({"merges": ("ab",)}, "two parts"),
        ({"merges": ("a b c",)}, "two parts"),
        ({"targets": ()}, "changes nothing"),
        ({"schema": 2}, "schema 2"),
    ],
)
def test_a_spec_that_means_nothing_is_not_written(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        write_layer(tmp_path, spec_of(**changes), {})
    assert list(tmp_path.iterdir()) == []


def rewrite(layer, change):
    path = layer / "layer.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def take(name):
    return lambda tensors: tensors.pop(name)


def put(name, tensor):
    return lambda tensors: tensors.update({name: tensor})


QUERY = "model.layers.1.self_attn.q_proj"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (take(f"{QUERY}.a"), rf"1 tensors missing, the first is {QUERY}\.a"),
        (put("model.layers.0.self_attn.qkv.a", np.zeros((4, 64), np.float16)), "1 tensors not expected"),
        (put("model.embed_tokens.rows", np.zeros((4, 64), np.float16)), "not expected"),
        (put(f"{QUERY}.a", np.zeros((5, 64), np.float16)), r"shape \[5, 64\], expected \[4, in\]"),
        (put(f"{QUERY}.b", np.zeros((64, 3), np.float16)), r"expected \[out, 4\]"),
        (put(f"{QUERY}.a", np.zeros(64, np.float16)), "shape"),
        (put(f"{QUERY}.a", np.zeros((4, 64), np.int8)), "is int8"),
        (put(f"{QUERY}.a", np.full((4, 64), np.nan, np.float16)), "256 of 256 values that are not finite"),
        (put(f"{QUERY}.b", np.full((64, 4), np.inf, np.float32)), "not finite"),
    ],
)
def test_tensors_that_do_not_fit_the_spec_are_named(layer, change, words):
    rewrite(layer, change)
    with pytest.raises(InputError, match=words) as caught:
        read_layer(layer)
    assert "layer.safetensors" in caught.value.message
    assert caught.value.hint


def edit(layer, **changes):
    path = layer / "layer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 7}, "schema 7, this version reads 1"),
        ({"rank": "four"}, "not a layer's description"),
        ({"rang": 4}, "unknown field `rang`"),
        ({"rank": 8}, r"expected \[8, in\]"),
        ({"targets": ["q_proj"]}, "not expected"),
        ({"tokens": ["ก"]}, "rows"),
    ],
)
def test_a_changed_description_is_refused(layer, changes, words):
    edit(layer, **changes)
    with pytest.raises(InputError, match=words):
        read_layer(layer)


def test_files_that_are_missing_or_cut_are_named(layer, tmp_path):
    with pytest.raises(InputError, match="no layer there"):
        read_layer(tmp_path / "nowhere")
    content = (layer / "layer.safetensors").read_bytes()
    for size in (0, 7, 200, len(content) - 1):
        (layer / "layer.safetensors").write_bytes(content[:size])
        with pytest.raises(InputError, match="not whole safetensors"):
            read_layer(layer)
    (layer / "layer.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_layer(layer)
    (layer / "layer.json").write_text("{")
    with pytest.raises(InputError, match="not a layer's description"):
        read_layer(layer)


def test_a_folder_that_cannot_be_made_is_an_orderly_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    spec = spec_of()
    with pytest.raises(EnvironmentFault, match="cannot be made"):
        write_layer(tmp_path / "file" / "layer", spec, tensors_of(spec))


def test_the_description_is_json_that_people_can_read(layer):
    table = json.loads((layer / "layer.json").read_text())
    assert table["base_name"] == "tiny"
    assert msgspec.convert(table, LayerSpec) == read_layer(layer)[0]
