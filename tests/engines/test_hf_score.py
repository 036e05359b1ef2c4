"""Scores of the transformers engine: trees of texts that begin alike, against a plain loop over transformers."""

import shutil
import threading

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.engines import hf_score
from rumpun.engines.hf import Transformers
from rumpun.weights.folder import write_folder
from tiny import TEXTS, tiny_gguf

CONTEXT = 256


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    weights = tiny_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf", context=CONTEXT)
    write_folder(weights, weights.parent / "folder")
    return weights.parent / "folder"


@pytest.fixture(scope="module")
def engine(folder):
    return Transformers(folder, name="tiny", device="cpu")


def plainly(engine, pair):
    """(Nats, tokens) of one pair that fits the context: one forward pass of the whole model, its softmax in float64."""
    context, continuation = pair
    encoded = engine._plain.encode(context + continuation, add_special_tokens=False)
    tokens = [engine._start, *encoded.ids]
    assert len(tokens) <= CONTEXT
    with torch.inference_mode():
        logits = engine._model(input_ids=torch.tensor([tokens])).logits[0].double()
    nats = torch.log_softmax(logits, -1)[range(len(encoded.ids)), encoded.ids]
    mine = [end > len(context) for _, end in encoded.offsets]
    return float(nats[torch.tensor(mine, dtype=torch.bool)].sum()), sum(mine)


def agree(engine, pairs):
    for pair, score in zip(pairs, engine.score(pairs), strict=True):
        nats, tokens = plainly(engine, pair)
        assert score.tokens == tokens
        assert score.logprob == pytest.approx(nats, abs=1e-4)


def choices(preamble="", asked=4):
    """Questions with their options under one preamble; some options begin alike, one stands twice."""
    return [
        (f"{preamble}{TEXTS[at][:25]}?", option)
        for at in range(asked)
        for option in (" bambu", " bambu di tepi", " ไผ่", " 竹子", " bambu")
    ]


class Seen:
    """What went through the model: the shape of each batch, [rows, longest]."""

    def __init__(self, engine):
        self.shapes = []
        self._hook = engine._model.base_model.register_forward_pre_hook(self._saw, with_kwargs=True)

    def _saw(self, module, positional, named):
        self.shapes.append(tuple(named["input_ids"].shape))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._hook.remove()

    @property
    def tokens(self):
        return sum(rows * longest for rows, longest in self.shapes)


PIECES = st.sampled_from([text[:9] for text in TEXTS]) | st.text("ab 竹ไ\n", max_size=3)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.lists(PIECES, max_size=4).map("".join), st.lists(PIECES, max_size=2).map("".join)), max_size=9)
)  # fmt: skip
def test_scores_are_those_of_a_plain_loop(engine, pairs):
    agree(engine, pairs)


def test_a_preamble_and_options_are_those_of_a_plain_loop(engine):
    agree(engine, choices(preamble=TEXTS[0] + "\n"))


def test_what_texts_share_goes_through_the_model_once(engine):
    pairs = choices(preamble=TEXTS[0] + "\n")
    engine.score(pairs[:1])  # trees are tried
    wholes = engine.count_tokens([context + continuation for context, continuation in pairs])
    preamble = engine.count_tokens([TEXTS[0]])[0]
    with Seen(engine) as seen:
        engine.score(pairs)
    assert seen.tokens < sum(wholes) / 4
    assert seen.tokens < sum(wholes) - preamble * (len(pairs) - 1)
    with Seen(engine) as seen:
        engine.score([pairs[0]] * 50)
    assert seen.tokens == wholes[0]


def test_batches_keep_to_their_tokens_and_order(engine, monkeypatch):
    pairs = [(text[:20], text[20:60]) for text in TEXTS] + choices() + [("", TEXTS[0] * 9), ("", "a")]
    expected = engine.score(pairs)
    monkeypatch.setattr(hf_score, "_ROW_TOKENS", 40)
    monkeypatch.setattr(engine._scorer, "_batch_tokens", 90)
    with Seen(engine) as seen:
        found = engine.score(pairs[::-1])[::-1]
    assert len(seen.shapes) > 5
    assert all(rows * longest <= 90 or rows == 1 for rows, longest in seen.shapes)
    for one, other in zip(found, expected, strict=True):
        assert one.tokens == other.tokens
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)


def test_threads_score_at_once(folder):
    engine = Transformers(folder, name="tiny", device="cpu")
    pairs, together, found = choices(), threading.Barrier(4), []

    def run():
        together.wait(10)
        found.append(engine.score(pairs))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    assert all(one == found[0] for one in found)


# --- other families

SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "vocab_size": 400}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48}
FAMILIES = {
    "gpt2": ({"n_embd": 32, "n_layer": 3, "n_head": 4, "vocab_size": 400, "n_positions": 256}, True),
    "qwen2": ({**SMALL, **HEADS}, True),
    "bloom": ({"hidden_size": 32, "n_layer": 3, "n_head": 4, "vocab_size": 400}, False),  # ALiBi: no positions
    "gemma2": ({**SMALL, **HEADS, "head_dim": 8, "sliding_window": 12, "final_logit_softcapping": 3.0}, True),
    "gemma3_text": ({**SMALL, **HEADS, "head_dim": 8, "sliding_window": 12}, True),
    "mistral": ({**SMALL, **HEADS, "sliding_window": 12}, True),
    "mamba": ({**SMALL, "state_size": 8}, False),  # recurrent
    "falcon_mamba": ({**SMALL, "state_size": 8}, False),
    "lfm2": ({**SMALL, **HEADS, "layer_types": ["conv", "full_attention", "conv"]}, False),
    "qwen3_next": ({**SMALL, **HEADS, "head_dim": 8, "linear_num_value_heads": 4, "linear_num_key_heads": 2,
                    "linear_key_head_dim": 8, "linear_value_head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2,
                    "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16,
                    "layer_types": ["linear_attention", "full_attention", "linear_attention"]}, False),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_families_that_keep_to_a_mask_share_and_others_are_right_too(folder, tmp_path, family):
    fields, shares = FAMILIES[family]
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family, **fields)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(1.5)  # so that what a token sees matters
    model.save_pretrained(tmp_path)
    for path in folder.glob("*token*"):
        shutil.copy(path, tmp_path)
    engine = Transformers(tmp_path, name=family, device="cpu")
    assert max(engine._plain.get_vocab().values()) < 400
    pairs = [*choices(asked=2), ("", TEXTS[1]), ("ba", "mbu"), ("", TEXTS[3][:20])]
    agree(engine, pairs)
    with Seen(engine) as seen:
        engine.score([("bambu", option) for option in (" di", " tepi", " sungai")])
    assert (len(seen.shapes) == 1 and seen.shapes[0][0] == 1) == shares
