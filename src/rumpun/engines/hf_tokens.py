"""Tokens drawn from logits, and text made of tokens as they come: the small parts of the transformers engine."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rumpun.engines.port import Finish, Request
from rumpun.engines.requests import seed_32

if TYPE_CHECKING:
    import torch

__all__ = ["Drawing", "TextOfTokens"]

_REPLACEMENT = "\ufffd"  # what a decoder shows for the first bytes of a character whose last ones are missing


class TextOfTokens:
    """Text of tokens fed one by one; bytes of an unfinished character are held, and dropped if nothing ends them.

    Args:
        decode: text of some tokens, special ones left out.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._tokens: list[int] = []  # from the last place where a text ended whole
        self._said = ""  # of the text of these, what was given out

    def feed(self, token: int) -> str:
        """What this token adds, or "" while a character is not whole."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        if text.endswith(_REPLACEMENT) and len(self._tokens) < 16:
            return ""
        added = text[len(self._said) :]
        # some decoders drop the space before a text's first word, so the last token stays for context
        self._tokens = self._tokens[-1:]
        self._said = self._decode(self._tokens)
        if self._said.endswith(_REPLACEMENT):  # the token alone is not whole: keep what led to it
            self._tokens, self._said = [], ""
        return added


class Drawing:
    """One request's way from logits to tokens: penalties, temperature, top-p, seed, and its end."""

    def __init__(self, request: Request, room: int) -> None:
        import torch

        self.request = request
        self.limit = min(request.max_tokens, room)
        self.made: list[int] = []
        self.finish: Finish | None = None
        self._counts: Counter[int] = Counter()
        self._source = torch.Generator()  # on the CPU, so that a seed means the same on every device
        if request.seed is None:
            self._source.seed()
        else:
            self._source.manual_seed(seed_32(request.seed))

    def draw(self, logits: "torch.Tensor", ends: frozenset[int]) -> int | None:
        """The next token of [vocabulary] logits, or None at the end; `finish` then says why."""
        if len(self.made) >= self.limit:
            self.finish = "length"
            return None
        token = self._pick(logits.float().cpu())
        self.made.append(token)
        self._counts[token] += 1
        if token in ends:
            self.finish = "stop"
            return None
        return token

    def _pick(self, logits: "torch.Tensor") -> int:
        import torch

        request = self.request
        if self._counts and (request.frequency_penalty or request.presence_penalty):
            ids = torch.tensor(list(self._counts))
            counts = torch.tensor(list(self._counts.values()), dtype=torch.float32)
            logits = logits.clone()
            logits[ids] -= request.frequency_penalty * counts + request.presence_penalty
        if request.temperature == 0:
            return int(logits.argmax())
        shares = torch.softmax(logits / request.temperature, dim=-1)
        if request.top_p < 1:
            ordered, order = shares.sort(descending=True)
            beyond = ordered.cumsum(-1) - ordered >= request.top_p  # the first is always kept
            shares = shares.index_fill(0, order[beyond], 0.0)
        return int(torch.multinomial(shares, 1, generator=self._source))
