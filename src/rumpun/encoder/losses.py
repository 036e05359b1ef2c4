"""What a student's vectors are pulled to: its teacher's, away from other sentences; labels; words left out."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own custom)
from torch import Tensor, nn

from rumpun.encoder.model import Student, padded

__all__ = ["Thrown", "labelled", "pulled", "words_left_out"]

_SHARP = 10.0  # of the decoder's first guesses, in units of cosine


class Thrown(nn.Module):
    """Heads that training needs and that are thrown away in the end."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.probe = nn.Linear(width, 1)  # tells labelled texts apart
        self.decoder = nn.Linear(
            width, width, bias=False
        )  # a sentence's vector -> near its subwords' vectors
        nn.init.zeros_(self.probe.weight)
        with torch.no_grad():
            self.decoder.weight.copy_(_SHARP * torch.eye(width))


def pulled(found: Tensor, right: Tensor, others: Tensor, column: Tensor, heat: float) -> dict[str, Tensor]:
    """Losses of student vectors [rows, width] against the teacher's.

    `right` [sentences, width] are the right ones, row n's at place `column[n]`; `others` are wrong for every row.
    Returns: `ranking`, cross-entropy at temperature `heat`; `pull`, one minus the cosine; `first`, the share that wins.
    """
    logits = found @ torch.cat([right, others]).T / heat
    return {
        "ranking": F.cross_entropy(logits, column),
        "pull": 1 - (found * right[column]).sum(1).mean(),
        "first": (logits.detach().argmax(1) == column).float().mean(),
    }


def labelled(model: Student, probe: nn.Linear, texts: Sequence[Sequence[int]], unsafe: Tensor) -> Tensor:
    """Cross-entropy of the probe on labelled texts; `unsafe` [texts] is 0 or 1."""
    place = model.words.weight.device
    vectors = model(*(t.to(place) for t in padded(texts)))
    return F.binary_cross_entropy_with_logits(probe(vectors).squeeze(1), unsafe.to(place))


def words_left_out(
    model: Student, decoder: nn.Linear, rest: Sequence[Sequence[int]], gone: Sequence[Sequence[int]]
) -> Tensor:
    """Cross-entropy of the subwords gone from sentences of which the rest is seen, among all subwords of those sentences."""
    place = model.words.weight.device
    candidates, at = _candidates(rest, gone)
    vectors = model(*(t.to(place) for t in padded(rest)))
    rows_of_words = F.normalize(model.words(candidates.to(place)), dim=-1)
    guesses = F.log_softmax(decoder(vectors) @ rows_of_words.T, dim=1)
    losses = [-guesses[n, mine].mean() for n, mine in enumerate(at)]
    return torch.stack(losses).mean()


def _candidates(
    rest: Sequence[Sequence[int]], gone: Sequence[Sequence[int]]
) -> tuple[Tensor, list[list[int]]]:
    """Every subword of these sentences once, and where each sentence's lost ones stand among them."""
    every = sorted({n for row in (*rest, *gone) for n in row})
    places = {n: place for place, n in enumerate(every)}
    return torch.tensor(every), [[places[n] for n in row] for row in gone]
