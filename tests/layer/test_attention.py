"""Attention for a processor: torch's own on the same numbers, and a model that gives what it gave."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.layer import attention


def a_mask(dtype: torch.dtype, sequences: int, tokens: int, window: int) -> torch.Tensor:
    """What a token may not see: what comes later, and what is more than a window behind."""
    place = torch.arange(tokens)
    sees = (place[:, None] >= place[None]) & (place[:, None] - place[None] < window)
    low = torch.zeros(tokens, tokens, dtype=dtype).masked_fill(~sees, torch.finfo(dtype).min)
    return low.expand(sequences, 1, tokens, tokens)


@settings(max_examples=30, deadline=None)
@given(
    sequences=st.integers(1, 3), keys=st.integers(1, 3), group=st.integers(1, 3), tokens=st.integers(1, 17),
    width=st.sampled_from([4, 10]), window=st.integers(1, 20), seed=st.integers(0, 99),
)  # fmt: skip
def test_agrees_with_torch_and_so_do_its_gradients(
    sequences: int, keys: int, group: int, tokens: int, width: int, window: int, seed: int
) -> None:
    chance = torch.Generator().manual_seed(seed)
    sizes = [(sequences, keys * group, tokens, width), *[(sequences, keys, tokens, width)] * 2]
    ours = [torch.randn(size, generator=chance).requires_grad_() for size in sizes]
    theirs = [one.detach().clone().requires_grad_() for one in ours]
    mask = a_mask(torch.float32, sequences, tokens, window)
    weigh = torch.randn(sizes[0], generator=chance)

    found = attention.attend(*ours, mask, 0.3)
    expected = torch.nn.functional.scaled_dot_product_attention(
        theirs[0],
        theirs[1].repeat_interleave(group, 1),
        theirs[2].repeat_interleave(group, 1),
        mask,
        scale=0.3,
    )
    torch.testing.assert_close(found, expected)
    (found * weigh).sum().backward()
    (expected * weigh).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-5)


def hidden_of(folder: Path, kind: str, ids: torch.Tensor) -> torch.Tensor:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=kind)
    positions = torch.arange(ids.shape[1]) % 9  # documents of nine tokens
    found: torch.Tensor = model.model(
        input_ids=ids, position_ids=positions.expand(ids.shape), use_cache=False
    ).last_hidden_state
    return found


@pytest.mark.parametrize("longest", [512, 5])
def test_a_model_gives_the_same_short_and_long(
    base_folder: Path, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "LONGEST_KEPT", longest)
    ids = torch.randint(3, 250, (2, 24), generator=torch.Generator().manual_seed(1))
    ours = hidden_of(base_folder, attention.register(), ids)
    torch.testing.assert_close(ours, hidden_of(base_folder, "sdpa", ids), rtol=1e-4, atol=1e-5)
