"""Whole models: unequal vocabularies, tied and untied outputs, shards, memory, and what is refused."""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from rumpun.errors import InputError
from rumpun.layer.merging.models import merge_models
from rumpun.layer.merging.params import MergeSettings
from rumpun.layer.merging.parents import open_parent
from rumpun.layer.merging.shards import Shards, narrowed
from rumpun.weights.folder import write_folder
from tiny import TEXTS, tiny_bpe, tiny_gguf, tiny_layer


def model(
    place: Path, seed: int, *, tokens: tuple[str, ...] = (), merges: tuple[str, ...] = (), tied: bool = True
) -> Path:
    """A folder of a random llama, with added tokens where asked."""
    gguf = tiny_gguf(place.with_suffix(".gguf"), seed, tied=tied)
    layer = None
    if tokens:
        layer = tiny_layer(place.with_suffix(".layer"), gguf, seed, targets=(), tokens=tokens, merges=merges)
    write_folder(gguf, place, layer=layer)
    return place


def merge(out: Path, parents: list[Path], base: Path | None = None, **asked):
    precision = asked.pop("precision", "same")
    shard_bytes = asked.pop("shard_bytes", 10**9)
    opened = [open_parent(path) for path in parents]
    under = open_parent(base) if base else None
    told = merge_models(
        opened, under, MergeSettings(**asked), out, precision=precision, shard_bytes=shard_bytes
    )
    return told, {name: Shards(out).tensor(name) for name in Shards(out).entries}


def tokenizer(folder: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A base, and two models with vocabulary of their own: eight merges of one script, an added token of another."""
    place = tmp_path_factory.mktemp("three")
    tokens, merges = tiny_bpe(392)
    base = model(place / "base", 0)
    one = model(place / "one", 1, tokens=tokens[384:], merges=merges[-8:])
    two = model(place / "two", 2, tokens=("<มาสค์>", tokens[384]), merges=merges[-8:-7])
    return base, one, two


def test_the_merged_model_loads_and_computes_what_its_tensors_say(tmp_path, three):
    """Logits of the merged folder are those of a model whose weights torch has averaged itself."""
    from transformers import AutoModelForCausalLM

    base, *_ = three
    other = model(tmp_path / "other", 5)
    merge(tmp_path / "out", [base, other], method="linear", weight=(0.25, 0.75))
    one, two, out = (
        AutoModelForCausalLM.from_pretrained(f, dtype=torch.float32) for f in (base, other, tmp_path / "out")
    )
    with torch.no_grad():
        for (_, p), (_, q) in zip(one.named_parameters(), two.named_parameters(), strict=True):
            p.mul_(0.25).add_(q, alpha=0.75)
        ids = torch.arange(3, 43).reshape(2, 20)
        torch.testing.assert_close(out(input_ids=ids).logits, one(input_ids=ids).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["linear", "slerp", "task_arithmetic", "ties"])
def test_tokens_of_one_parent_keep_their_rows(tmp_path, three, method):
    base, one, two = three
    under = base if method in ("task_arithmetic", "ties") else None
    told, found = merge(tmp_path / "out", [one, two], under, method=method)
    rows = found["model.embed_tokens.weight"]
    tokens, _ = tiny_bpe(392)
    first, second = (Shards(f).tensor("model.embed_tokens.weight") for f in (one, two))
    made = tokenizer(tmp_path / "out")
    assert told["tokens"] == len(made) == len(rows) == 393
    for number, token in enumerate(tokens[385:], 385):  # one alone has them
        np.testing.assert_allclose(
            rows[made.convert_tokens_to_ids(token)], first[number], rtol=1e-5, atol=1e-6
        )
    mask = made.convert_tokens_to_ids("<มาสค์>")
    np.testing.assert_allclose(rows[mask], second[384], rtol=1e-5, atol=1e-6)
    shared = rows[made.convert_tokens_to_ids(tokens[384])]
    if method != "slerp":
        np.testing.assert_allclose(shared, (first[384] + second[385]) / 2, rtol=1e-4, atol=1e-5)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["vocab_size"] == 393


def test_a_parent_that_lacks_tokens_of_the_base_says_nothing_of_them(tmp_path, three):
    base, one, _ = three
    told, found = merge(tmp_path / "out", [base], one, method="task_arithmetic", weight=(0.5,))
    wide = {f: Shards(f).tensor("model.embed_tokens.weight") for f in (base, one)}
    rows = found["model.embed_tokens.weight"]
    np.testing.assert_allclose(rows[:384], (wide[base] + wide[one][:384]) / 2, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(rows[384:], wide[one][384:])
    assert told["tokens_added"] == 0


def test_the_joined_tokenizer_agrees_with_each_parents_own_tokens(tmp_path, three):
    """transformers and the tokenizers library read it alike; what a parent's text was cut into is still a token."""
    from tokenizers import Tokenizer

    _, one, two = three
    told, _ = merge(tmp_path / "out", [one, two], method="linear")
    assert told["tokens_unreached"] == 0
    made, plain = tokenizer(tmp_path / "out"), Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    first = tokenizer(one)

    @settings(max_examples=100)
    @given(
        st.lists(st.sampled_from([*TEXTS, "<มาสค์>", " ", "12", "def f(x):\n\treturn x"]), max_size=4).map(
            "".join
        )
    )
    def check(text):
        ids = made(text, add_special_tokens=False)["input_ids"]
        assert ids == plain.encode(text, add_special_tokens=False).ids
        assert made.decode(ids, clean_up_tokenization_spaces=False) == text
        if "<มาสค์>" not in text:
            assert ids == first(text, add_special_tokens=False)["input_ids"]

    check()


def test_an_untied_parent_makes_the_outcome_untied(tmp_path, three):
    base, *_ = three
    untied = model(tmp_path / "untied", 7, tied=False)
    told, found = merge(tmp_path / "out", [base, untied], method="linear")
    assert not told["tied"]
    one, two = Shards(base), Shards(untied)
    table = one.tensor("model.embed_tokens.weight")
    np.testing.assert_allclose(found["lm_head.weight"], (table + two.tensor("lm_head.weight")) / 2, atol=1e-5)
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    np.testing.assert_allclose(loaded.lm_head.weight.detach().numpy(), found["lm_head.weight"])


def test_untied_rows_follow_their_tokens_on_both_sides(tmp_path):
    tokens, merges = tiny_bpe(386)
    one = model(tmp_path / "one", 1, tied=False, tokens=tokens[384:], merges=merges[-2:])
    two = model(tmp_path / "two", 2, tied=False)
    _, found = merge(tmp_path / "out", [one, two], method="linear")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        np.testing.assert_allclose(found[name][384:], Shards(one).tensor(name)[384:], rtol=1e-6)


def test_a_layer_is_a_parent_with_its_vocabulary_and_template(tmp_path):
    """A layer with added tokens on a folder is the folder that its GGUF and the layer give."""
    gguf = tiny_gguf(tmp_path / "base.gguf", 3)
    write_folder(gguf, tmp_path / "base")
    tokens, merges = tiny_bpe(392)
    asked = {"tokens": (*tokens[384:], "<มาสค์>"), "merges": merges[-8:], "chat_template": "{{ 'X' }}"}
    write_folder(gguf, tmp_path / "expected", layer=tiny_layer(tmp_path / "one", gguf, **asked))
    from rumpun.layer.base import base_sha256
    from rumpun.layer.merge import merge_folder
    from rumpun.weights.layer_file import read_layer, write_layer

    spec, tensors = read_layer(tmp_path / "one")
    import msgspec

    spec = msgspec.structs.replace(spec, base_sha256=base_sha256(tmp_path / "base"))
    write_layer(tmp_path / "two", spec, tensors)
    merge_folder(tmp_path / "base", tmp_path / "two", tmp_path / "found", lambda *_: None)
    for name in Shards(tmp_path / "expected").entries:
        np.testing.assert_allclose(
            Shards(tmp_path / "found").tensor(name), Shards(tmp_path / "expected").tensor(name), atol=1e-6
        )
    read = [json.loads((tmp_path / f / "tokenizer.json").read_text()) for f in ("found", "expected")]
    assert read[0] == read[1]
    assert tokenizer(tmp_path / "found").chat_template == "{{ 'X' }}"


def test_shards_are_bounded_and_indexed_and_read_back_the_same(tmp_path, three):
    base, *_ = three
    other = model(tmp_path / "other", 4)
    _, whole = merge(tmp_path / "whole", [base, other], method="linear")
    told, split = merge(tmp_path / "split", [base, other], method="linear", shard_bytes=100_000)
    assert told["files"] > 2
    sizes = [path.stat().st_size for path in (tmp_path / "split").glob("*.safetensors")]
    assert max(sizes) < 110_000
    assert whole.keys() == split.keys()
    assert all((whole[name] == split[name]).all() for name in whole)
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(tmp_path / "split")


def test_dare_does_not_depend_on_shards(tmp_path, three):
    base, *_ = three
    other = model(tmp_path / "other", 4)
    asked = {"method": "dare_linear", "density": 0.4}
    _, whole = merge(tmp_path / "whole", [other], base, **asked)
    _, split = merge(tmp_path / "split", [other], base, shard_bytes=60_000, **asked)
    assert all((whole[name] == split[name]).all() for name in whole)


def test_bfloat16_stays_bfloat16_and_rounds_as_torch_does(tmp_path, three):
    from safetensors.torch import load_file as load_torch
    from safetensors.torch import save_file as save_torch

    base, *_ = three
    half = tmp_path / "half"
    shutil.copytree(base, half)
    tensors = {k: v.to(torch.bfloat16) for k, v in load_torch(half / "model.safetensors").items()}
    save_torch(tensors, half / "model.safetensors", metadata={"format": "pt"})
    told, found = merge(tmp_path / "out", [half, half], method="linear", weight=(1.0, 2.0))
    assert told["precision"] == "bfloat16"
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"
    for name, tensor in tensors.items():
        assert (found[name] == tensor.float().numpy()).all()
    told, _ = merge(tmp_path / "mixed", [half, base], method="linear")
    assert told["precision"] == "float32"

    @settings(max_examples=100)
    @given(st.floats(width=32, allow_nan=False))
    def check(value):
        ours = narrowed(np.array([value], np.float32), "BF16", "x").astype(np.uint32) << 16
        assert ours.view(np.float32)[0] == float(torch.tensor(value).to(torch.bfloat16))

    check()


def broken(folder: Path, base: Path, change) -> Path:
    """A copy of a model with its weights changed."""
    shutil.copytree(base, folder)
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_truncated_parent_is_refused_before_anything_is_written(tmp_path, three):
    base, *_ = three
    cut = tmp_path / "cut"
    shutil.copytree(base, cut)
    with (cut / "model.safetensors").open("r+b") as stream:
        stream.truncate((cut / "model.safetensors").stat().st_size - 10)
    with pytest.raises(InputError, match=r"model.safetensors: truncated: tensor \S+ ends at byte"):
        merge(tmp_path / "out", [base, cut], method="linear")
    assert not (tmp_path / "out").exists()
    (cut / "model.safetensors").write_bytes(b"\x01\x02")
    with pytest.raises(InputError, match="truncated or no safetensors"):
        open_parent(cut)


def test_a_shard_that_the_index_names_and_that_is_not_there_is_named(tmp_path, three):
    base, *_ = three
    merge(tmp_path / "split", [base], method="linear", shard_bytes=100_000)
    gone = sorted((tmp_path / "split").glob("model-*.safetensors"))[1]
    gone.unlink()
    with pytest.raises(InputError, match=f"{gone.name}: cannot be read"):
        open_parent(tmp_path / "split")


def test_numbers_that_are_not_finite_are_named(tmp_path, three):
    base, *_ = three

    def spoil(tensors):
        tensors["model.norm.weight"][3] = np.nan

    bad = broken(tmp_path / "bad", base, spoil)
    with pytest.raises(InputError, match=r"bad/model.safetensors: model.norm.weight has 1 of 64 values"):
        merge(tmp_path / "out", [base, bad], method="linear")


def test_unequal_shapes_names_and_architectures_are_named(tmp_path, three):
    base, *_ = three
    wider = tiny_gguf(tmp_path / "wider.gguf", 1, hidden=128)
    write_folder(wider, tmp_path / "wider")
    with pytest.raises(InputError, match=r"hidden_size = 64 in \S+base and 128 in \S+wider"):
        merge(tmp_path / "out", [base, tmp_path / "wider"], method="linear")

    def narrow(tensors):
        tensors["model.layers.0.mlp.up_proj.weight"] = tensors["model.layers.0.mlp.up_proj.weight"][
            :100
        ].copy()

    odd = broken(tmp_path / "odd", base, narrow)
    with pytest.raises(InputError, match=r"up_proj.weight is \[128, 64\] in \S+ and \[100, 64\]"):
        merge(tmp_path / "out", [base, odd], method="linear")
    fewer = broken(tmp_path / "fewer", base, lambda tensors: tensors.pop("model.norm.weight"))
    with pytest.raises(InputError, match=r"fewer: no tensor model.norm.weight"):
        merge(tmp_path / "out", [base, fewer], method="linear")
    other = tmp_path / "other"
    shutil.copytree(base, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"model_type": "qwen3"}))
    with pytest.raises(InputError, match="model_type = llama"):
        merge(tmp_path / "out", [base, other], method="linear")
    (other / "config.json").write_text(json.dumps(config | {"rope_parameters": {"rope_theta": 5e5}}))
    with pytest.raises(InputError, match=r"rope_theta = 10000.0 in \S+ and 500000.0"):
        merge(tmp_path / "out", [base, other], method="linear")


def test_tokenizers_that_cannot_be_joined_are_named(tmp_path, three):
    base, one, _ = three
    other = tmp_path / "other"
    shutil.copytree(one, other)
    table = json.loads((other / "tokenizer.json").read_text())
    (other / "tokenizer.json").write_text(json.dumps(table | {"pre_tokenizer": None}))
    with pytest.raises(InputError, match=r"cut text differently \(pre_tokenizer\)"):
        merge(tmp_path / "out", [base, other], method="linear")
    token = table["added_tokens"][0]["content"]
    table["added_tokens"][0]["special"] = False
    (other / "tokenizer.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match=f"'{token.replace('|', '.')}' is special in earlier parents"):
        merge(tmp_path / "out", [base, other], method="linear")


def test_roles_of_different_tokens_are_told(tmp_path, three):
    base, *_ = three
    other = tmp_path / "other"
    shutil.copytree(base, other)
    path = other / "tokenizer_config.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"eos_token": "<|endoftext|>", "chat_template": "Y"})
    )
    told, _ = merge(tmp_path / "out", [base, other], method="linear")
    assert any(
        words.startswith("eos_token: '<|im_end|>' of") and "endoftext" in words for words in told["clashes"]
    )
    assert any(words.startswith("chat template:") for words in told["clashes"])
    assert tokenizer(tmp_path / "out").eos_token == "<|im_end|>"


def test_a_disk_that_is_full_is_said_and_leaves_nothing(tmp_path, three):
    """A process that may write 100 kB a file: one line with the mend, and no target nor half of one."""
    base, *_ = three
    script = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from rumpun.errors import EnvironmentFault
        from rumpun.layer.merging.command import merge_to
        from rumpun.layer.merging.params import MergeSettings

        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            merge_to(Path(sys.argv[2]), [sys.argv[1]] * 2, MergeSettings(method="linear"))
        except EnvironmentFault as fault:
            print(fault.message, "|", fault.hint)
        """
    )
    (tmp_path / "place").mkdir()
    command = [sys.executable, "-c", script, str(base), str(tmp_path / "place" / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "model.safetensors: cannot be written (File too large) | free space" in done.stdout
    assert not list((tmp_path / "place").iterdir())


def test_memory_is_some_tensors_whatever_the_models_size(tmp_path):
    """Three bfloat16 models of 50 MB each merged by ties: the process holds a few tensors of 4 MB, never a model."""
    script = textwrap.dedent(
        """
        import json, resource, sys
        from pathlib import Path
        import numpy as np
        from rumpun.layer.merging.models import merge_models
        from rumpun.layer.merging.params import MergeSettings
        from rumpun.layer.merging.parents import open_parent
        from rumpun.layer.merging.shards import NewShards

        folder = Path(sys.argv[1])
        shape, count = (1024, 1024), 24
        random = np.random.default_rng(0)
        table = random.standard_normal(shape, dtype=np.float32)
        for place in range(3):
            to = folder / str(place)
            to.mkdir()
            names = [(f"model.layers.{n}.mlp.up_proj.weight", shape, "BF16") for n in range(count)]
            NewShards(names, 12_000_000).write(to, lambda name: table * (place + 1), lambda *_: None)
            (to / "config.json").write_text(json.dumps({"model_type": "llama"}))
        base, *parents = [open_parent(folder / str(place)) for place in range(3)]

        def peak():
            return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) * 1024

        before = peak()
        merge_models(parents, base, MergeSettings(method="ties", density=0.5), folder / "out", shard_bytes=12_000_000)
        print(json.dumps([before, peak(), int(np.prod(shape)) * 4]))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after, tensor = json.loads(done.stdout)
    parents, shard = 2, 12_000_000
    assert after - before < tensor * (parents + 1) + shard
    assert after - before < tensor * 8  # of 24 in each model
