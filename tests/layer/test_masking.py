"""Documents packed into one sequence do not see one another: the same losses and gradients as each alone."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rumpun.layer.batches import Batches, make_plan
from rumpun.layer.loop import one_step
from rumpun.layer.params import TrainParams
from rumpun.layer.prepared import Device, prepare
from rumpun.layer.source import CHAT, Shard, Source, join

CPU = Device(torch.device("cpu"), torch.float32, 64, 16)
PARAMS = TrainParams(
    tokens=128,
    sequence_tokens=32,
    batch_sequences=4,
    rank=4,
    alpha=8.0,
    precision="float32",
    epochs_max=100.0,
)


def source(name: str, lengths: list[int], *, begins: bool = False, chat: bool = False) -> Source:
    """Documents of tokens from 3 up, the last of each the end-of-text token 2."""
    chance = np.random.default_rng(len(lengths))
    each = np.array(lengths)
    tokens = chance.integers(3, 250, each.sum()).astype(np.uint16)
    tokens[np.cumsum(each) - 1] = 2
    learn = chance.random(each.sum()) < 0.7 if chat else None
    shard = Shard(tokens, learn, np.cumsum(each) - each, each, np.ones_like(each), each * 3)
    return join(name, [shard], begins=begins)


def run_of(folder: Path) -> Any:
    """A run whose products are no longer zero."""
    run = prepare(folder, PARAMS, CPU, 3)
    chance = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in run.parameters.items():
            if name.endswith(".b"):
                parameter.normal_(0, 0.05, generator=chance)
    run.refresh()
    return run


def alone(run: Any, tokens: torch.Tensor, targets: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Loss [b, t] of each document's part by itself, through transformers' own logits."""
    found = torch.zeros(tokens.shape)
    for line, row in enumerate(tokens):
        starts = [*torch.nonzero(positions[line] == 0).flatten().tolist(), len(row)]
        for low, high in itertools.pairwise(starts):
            hidden = run.decoder(input_ids=row[None, low:high], use_cache=False).last_hidden_state[0]
            logits = hidden @ run.table.t()
            aims = targets[line, low:high]
            each = torch.nn.functional.cross_entropy(logits, aims.clamp(min=0), reduction="none")
            found[line, low:high] = each.detach() * (aims >= 0)
    return found


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("micro", [32, 128])
def test_a_packed_batch_is_each_document_alone(base_folder: Path, begins: bool, micro: int) -> None:
    sources = [
        source("id", [5, 9, 30, 1, 2, 7, 40], begins=begins),
        source(CHAT, [6, 4, 9, 3], chat=True, begins=True),
    ]
    params = dataclasses.replace(PARAMS, chat_share=0.25)
    batches = Batches(sources, make_plan(sources, params), params, 1)
    tokens, targets = (torch.from_numpy(array) for array in batches.batch(0)[:2])
    positions = torch.from_numpy(batches.positions(0))
    assert (positions == 0).sum() > len(tokens)
    run = dataclasses.replace(run_of(base_folder), device=dataclasses.replace(CPU, micro_tokens=micro))
    expected = alone(run, tokens, targets, positions)
    each = one_step(run, tokens, targets, 1.0, positions)
    torch.testing.assert_close(each, expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(one_step(run_of(base_folder), tokens, targets, 1.0), expected, atol=1e-2)


def test_what_stands_before_a_document_changes_nothing_in_it(base_folder: Path) -> None:
    run = run_of(base_folder)
    tokens = torch.randint(3, 250, (1, 32), generator=torch.Generator().manual_seed(2))
    other = tokens.clone()
    other[0, :11] = 7
    positions = torch.cat([torch.arange(11), torch.arange(21)])[None]
    first, second = (
        run.decoder(input_ids=ids, position_ids=positions, use_cache=False).last_hidden_state[0, 11:]
        for ids in (tokens, other)
    )
    assert torch.equal(first, second)


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    begins=st.booleans(),
    seed=st.integers(0, 99),
)
def test_positions_restart_where_a_document_begins(lengths: list[int], begins: bool, seed: int) -> None:
    text = source("th", lengths, begins=begins)
    batches = Batches([text], make_plan([text], PARAMS), PARAMS, seed)
    if not batches.chosen.size:
        return
    tokens, targets, _ = batches.batch(0)
    positions = batches.positions(0)
    assert positions is not None
    steps = np.diff(positions, axis=1)
    assert ((steps == 1) | (positions[:, 1:] == 0)).all()
    if begins:  # the end of a document is not asked what comes next
        assert (targets[tokens == 2] == -1).all()
    else:  # what follows an end-of-text token is told from that token alone
        assert (positions[:, :-1][tokens[:, :-1] == 2] == 0).all()
        assert (targets[:, :-1] >= 0).all()


def test_without_masking_there_are_no_positions() -> None:
    params = dataclasses.replace(PARAMS, document_masking=False)
    text = source("th", [9, 90])
    assert Batches([text], make_plan([text], params), params, 1).positions(0) is None
