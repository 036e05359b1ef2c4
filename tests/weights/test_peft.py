"""Assembling agrees with PEFT: what `merge_and_unload` makes of the same layer, and what llama.cpp makes of it."""

import warnings

import numpy as np
import pytest

from rumpun.engines.llamacpp_score import Scorer
from rumpun.weights.assemble import assemble
from rumpun.weights.folder import write_folder
from rumpun.weights.gguf_file import describe
from rumpun.weights.kinds import QUANTISATIONS
from rumpun.weights.layer_file import read_layer
from tiny import TARGETS, TEXTS, tiny_gguf, tiny_layer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny base, a layer on all of its matrices and its embedding, and PEFT's merge of the two."""
    place = tmp_path_factory.mktemp("peft")
    base = tiny_gguf(place / "base.gguf", 11, tied=False)
    layer = tiny_layer(
        place / "layer", base, 12, rank=4, alpha=8.0, targets=(*TARGETS, "embed_tokens", "lm_head")
    )
    write_folder(base, place / "base")
    model = transformers.AutoModelForCausalLM.from_pretrained(place / "base")
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=[*TARGETS, "embed_tokens", "lm_head"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT asks transformers by a name that it will drop
        wrapped = peft.get_peft_model(model, config)
    _, tensors = read_layer(layer)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_" not in name:
                continue
            module, _, kind = name.removeprefix("base_model.model.").rpartition(".lora_")
            a, b = (torch.from_numpy(tensors[f"{module}.{side}"].astype(np.float32)) for side in "ab")
            if kind.startswith("embedding"):  # PEFT keeps an embedding's product the other way round
                parameter.copy_(b.T if "_A" in kind else a.T)
            else:
                parameter.copy_(a if kind.startswith("A") else b)
    return place, base, layer, wrapped.merge_and_unload().state_dict()


def test_the_folder_with_a_layer_is_pefts_merge(made):
    place, base, layer, merged = made
    write_folder(base, place / "merged", layer=layer)
    ours = transformers.AutoModelForCausalLM.from_pretrained(place / "merged").state_dict()
    assert ours.keys() == merged.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, merged[name], rtol=1e-5, atol=1e-6)


def test_the_assembled_gguf_is_pefts_merge(made):
    place, base, layer, merged = made
    assemble(base, layer, place / "assembled.gguf", "F32")
    write_folder(place / "assembled.gguf", place / "assembled")
    ours = transformers.AutoModelForCausalLM.from_pretrained(place / "assembled").state_dict()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, merged[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", QUANTISATIONS)
def test_llamacpp_loads_every_quantisation_and_scores_it_as_transformers_does(made, tmp_path, kind):
    _, base, layer, _ = made
    gguf = tmp_path / f"{kind}.gguf"
    assemble(base, layer, gguf, kind, embeddings=kind)
    write_folder(gguf, tmp_path / "folder")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "folder")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "folder")
    text = " ".join(TEXTS[:4])
    scorer = Scorer(gguf, describe(gguf), 1)
    (score,) = scorer.score([("", text)])
    scorer.close()
    tokens = torch.tensor([[0, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
    with torch.no_grad():
        chosen = model(tokens).logits[0, :-1].log_softmax(-1).gather(1, tokens[0, 1:, None])
    # llama.cpp rounds activations to eight bits before it multiplies them with quantised weights
    assert score.logprob == pytest.approx(float(chosen.sum()), rel=2e-3 if kind in ("F32", "F16") else 2e-2)


def test_llamacpp_generates_from_every_quantisation(made, tmp_path):
    from rumpun.engines.llamacpp import LlamaCpp
    from rumpun.engines.port import Message, Request

    _, base, layer, _ = made
    for kind in QUANTISATIONS:
        assemble(base, layer, tmp_path / f"{kind}.gguf", kind)
        engine = LlamaCpp(tmp_path / f"{kind}.gguf", name=kind, threads=1, slots=1)
        try:
            chat = Request(messages=(Message("user", "ສະບາຍດີ"),), max_tokens=8, temperature=0.0)
            (answer,) = engine.generate([chat])
            assert 1 <= answer.usage.completion_tokens <= 8
        finally:
            engine.close()
