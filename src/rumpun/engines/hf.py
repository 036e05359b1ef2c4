"""Transformers: a folder of safetensors weights, in float32 on a CPU; the reference for what other engines compute.

Nothing is fetched, no code of the folder is run, and nothing is printed.
"""

import inspect
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from rumpun.engines.characters import whole_characters
from rumpun.engines.hf_load import check_folder, core_of, device_of, end_tokens, load, torch_or_missing
from rumpun.engines.hf_score import Scorer
from rumpun.engines.hf_tokens import Drawing, TextOfTokens
from rumpun.engines.port import About, Cancelled, Chunk, Generation, Request, Score, Usage, never
from rumpun.engines.requests import StopCutter, check, need, plain, steering
from rumpun.engines.windows import Window, Work, padded_groups, window_tokens, windows
from rumpun.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

__all__ = ["Transformers"]

_BATCH_TOKENS: Final = 2048  # of texts embedded together, padding included
_GENERATE_ROWS: Final = 16  # requests generated together
_TRIAL: Final = ("Orang menanam padi di tepi sungai.", "Orang menanam bambu di sana.", "The river is long.")


class Transformers:
    """A causal model of transformers; safe to call from many threads.

    Args:
        folder: with config.json, *.safetensors and tokenizer.json.
        name: of the model, as people type it.
        device: "cpu", "cuda", "cuda:1" …; by default RUMPUN_DEVICE, else a GPU where there is one.
        dtype: of the weights; by default float32 on a CPU and bfloat16 on a GPU.

    Raises:
        MissingPartError: torch or transformers is not installed.
        InputError: a file is missing, damaged, or of a kind that transformers does not know.
        EnvironmentFault: too little memory.
        UsageError: no such device.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        name: str,
        device: str | None = None,
        dtype: Literal["float32", "bfloat16"] | None = None,
    ) -> None:
        self._folder = Path(folder)
        check_folder(self._folder)
        torch = torch_or_missing()
        self._device = device_of(device)
        kind = dtype or ("float32" if self._device.type == "cpu" else "bfloat16")
        self._model, tokenizer = load(self._folder, getattr(torch, kind), self._device)
        self._chat = tokenizer if tokenizer.chat_template else None
        self._steers = steering(str(token) for token in tokenizer.added_tokens_decoder.values())
        self._special = core_of(tokenizer, special=True)
        self._plain = core_of(tokenizer, special=False)
        self._ends, self._start = end_tokens(self._model, tokenizer, self._special)
        config = self._model.config
        self._context = int(getattr(config, "max_position_embeddings", 0) or 0)
        trial = [[self._start, *self._plain.encode(text, add_special_tokens=False).ids] for text in _TRIAL]
        self._scorer: Scorer | None = Scorer(self._model, self._device, trial)
        taken = inspect.signature(self._model.forward).parameters
        self._cache = "cache" if "cache" in taken else "past_key_values"  # renamed in transformers 5.24
        can = ("generate", "chat", "score", "embed") if self._chat else ("generate", "score", "embed")
        self._about = About(
            name=name,
            engine="hf",
            context_tokens=self._context or 2048,
            vocabulary=int(config.vocab_size),
            can=frozenset(can),  # type: ignore[arg-type]
            path=str(self._folder),
            architecture=str(config.model_type),
        )
        self._closed = False

    def about(self) -> About:
        """What this engine is and can do."""
        return self._about

    # --- generating

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Answer many requests, up to 16 in one batch; answers stand in the order asked."""
        prompts = [self._prompt(request) for request in requests]
        order = sorted(range(len(requests)), key=lambda at: len(prompts[at]))  # little padding
        done: dict[int, Generation] = {}
        for begin in range(0, len(order), _GENERATE_ROWS):
            rows = order[begin : begin + _GENERATE_ROWS]
            answers = self._together([requests[at] for at in rows], [prompts[at] for at in rows])
            done.update(zip(rows, answers, strict=True))
        return [done[at] for at in range(len(requests))]

    def _together(self, requests: list[Request], prompts: list[list[int]]) -> list[Generation]:
        drawings = [self._drawing(r, p) for r, p in zip(requests, prompts, strict=True)]
        texts = [_Whole(self._decode, request.stop) for request in requests]
        for step in self._steps(prompts, drawings):
            for at, token in enumerate(step):
                if token is not None and not texts[at].feed(token):
                    drawings[at].finish = "stop"
        return [
            Generation(text=text.text(), finish=d.finish or "stop", usage=Usage(len(p), len(d.made)))
            for text, d, p in zip(texts, drawings, prompts, strict=True)
        ]

    def stream(self, request: Request, cancelled: Cancelled = never) -> Iterator[Chunk]:
        """Answer one request in whole characters.

        Raises:
            UsageError: a value out of range, or a prompt longer than the context.
        """
        prompt = self._prompt(request)
        return self._stream(request, prompt, self._drawing(request, prompt), cancelled)

    def _stream(
        self, request: Request, prompt: list[int], drawing: Drawing, cancelled: Cancelled
    ) -> Iterator[Chunk]:
        began: list[float] = []

        def pieces() -> Iterator[str]:
            text = TextOfTokens(self._decode)
            for (token,) in self._steps([prompt], [drawing], cancelled):
                began.append(time.perf_counter())
                if token is not None:
                    yield text.feed(token)

        cutter = StopCutter(request.stop)
        for piece in whole_characters(cutter.cut(pieces())):
            yield Chunk(text=piece)
        seconds = began[-1] - began[0] if len(began) > 1 else 0.0
        yield Chunk(
            finish="stop" if cutter.found else drawing.finish,
            usage=Usage(len(prompt), len(drawing.made)),
            tokens_per_second=(len(began) - 1) / seconds if seconds else None,
        )

    def _steps(
        self, prompts: list[list[int]], drawings: list[Drawing], cancelled: Cancelled = never
    ) -> Iterator[list[int | None]]:
        """The next token of every request, step by step, until all have ended."""
        import torch

        longest = max(map(len, prompts), default=0)
        ids = torch.zeros((len(prompts), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = torch.tensor(prompt)
            mask[row, longest - len(prompt) :] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache: dict[str, Any] = {}
        while not cancelled():
            with torch.inference_mode():
                out = self._model(
                    input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1, **cache
                )  # fmt: skip
            cache = {self._cache: out[self._cache]}
            step = [
                d.draw(out.logits[row, -1], self._ends) if d.finish is None else None
                for row, d in enumerate(drawings)
            ]
            yield step
            if all(d.finish is not None for d in drawings):
                return
            ids = torch.tensor([[token or 0] for token in step], device=self._device)
            mask = torch.cat([mask, mask.new_ones((len(prompts), 1))], dim=1)
            positions = positions[:, -1:] + 1
        for drawing in drawings:
            drawing.finish = drawing.finish or "cancelled"

    def _prompt(self, request: Request) -> list[int]:
        self._open()
        check(request, self._about)
        if request.prompt is None:
            assert self._chat is not None
            turns = [{"role": m.role, "content": plain(m.content, self._steers)} for m in request.messages]
            try:
                text = self._chat.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            except Exception as error:  # whatever a template raises is about these messages
                raise UsageError(
                    f"{self._about.name} cannot answer this: {error}", "change the messages"
                ) from error
            tokens = self._special.encode(text, add_special_tokens=False).ids
        else:
            tokens = self._special.encode(request.prompt, add_special_tokens=True).ids
        tokens = tokens or [self._start]
        if len(tokens) >= self._about.context_tokens:
            raise UsageError(
                f"the prompt has {len(tokens):,} tokens;"
                f" the context of {self._about.name} holds {self._about.context_tokens:,}",
                "shorten the prompt",
            )
        return list(tokens)

    def _drawing(self, request: Request, prompt: list[int]) -> Drawing:
        return Drawing(request, self._about.context_tokens - len(prompt))

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._special.decode(list(tokens), skip_special_tokens=True))

    # --- scoring

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        """Log-probability of each (context, continuation); see the port."""
        self._open()
        scorer = self._scorer
        assert scorer is not None
        counts = [0] * len(pairs)
        size = window_tokens(self._context)
        todo: list[Work] = []
        for number, (context, continuation) in enumerate(pairs):
            encoded = self._plain.encode(context + continuation, add_special_tokens=False)
            first = next(
                (i for i, (_, end) in enumerate(encoded.offsets) if end > len(context)), len(encoded.ids)
            )
            counts[number] = len(encoded.ids) - first
            tokens = [self._start, *encoded.ids]
            todo += [(number, tokens, window) for window in windows(len(tokens), first + 1, size)]
        return [Score(nats, count) for nats, count in zip(scorer.nats(todo, len(pairs)), counts, strict=True)]

    def _hidden(self, rows: list[list[int]]) -> "tuple[torch.Tensor, torch.Tensor]":
        """Last hidden states [n, longest, width] and the mask [n, longest] of tokens padded on the right."""
        import torch

        longest = max(map(len, rows))
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        mask = mask.to(self._device)
        padded = bool((mask == 0).any())
        with torch.inference_mode():
            out = self._model.base_model(
                input_ids=ids.to(self._device), attention_mask=mask if padded else None, use_cache=False
            )
        return out.last_hidden_state, mask

    # --- vectors and tokens

    def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Unit vectors, [n, width]: the last hidden states, averaged over a text's tokens.

        Raises:
            UsageError: an empty text, or one longer than the context.
        """
        import numpy as np

        self._open()
        need(self._about, "embed")
        rows = [encoded.ids for encoded in self._special.encode_batch(list(texts))]
        for number, row in enumerate(rows):
            if not 1 <= len(row) <= self._about.context_tokens:
                raise UsageError(
                    f"text {number} to embed has {len(row):,} tokens: expected 1 to {self._about.context_tokens:,}",
                    "cut it into parts",
                )
        out = np.zeros((len(rows), int(self._model.config.hidden_size)), np.float32)
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        for group in padded_groups(
            [(at, rows[at], Window(0, len(rows[at]) + 1, 1)) for at in order], _BATCH_TOKENS
        ):
            hidden, mask = self._hidden([tokens for _, tokens, _ in group])
            weights = mask.unsqueeze(-1).float()
            means = (hidden.float() * weights).sum(1) / weights.sum(1)
            out[[at for at, _, _ in group]] = (means / means.norm(dim=-1, keepdim=True)).cpu().numpy()
        return out

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens; what looks like one in a text is text."""
        self._open()
        return [
            len(encoded.ids) for encoded in self._plain.encode_batch(list(texts), add_special_tokens=False)
        ]

    def close(self) -> None:
        """Free the weights; calling it twice is fine."""
        self._closed = True
        self._model = self._scorer = None

    def _open(self) -> None:
        if self._closed:
            raise EnvironmentFault(f"{self._folder}: the engine is closed", "open it again")


class _Whole:
    """The text of one generation, ended by its stop strings."""

    def __init__(self, decode: Any, stops: tuple[str, ...]) -> None:
        self._tokens = TextOfTokens(decode)
        self._stops = stops
        self._text = ""

    def feed(self, token: int) -> bool:
        """Whether to go on."""
        self._text += self._tokens.feed(token)
        return not any(stop in self._text for stop in self._stops)

    def text(self) -> str:
        """The text before the first stop string."""
        return "".join(StopCutter(self._stops).cut([self._text]))
