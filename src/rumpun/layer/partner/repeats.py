"""The step `layer.repeats`: how many training rows a layer goes on with word for word, where its base does not.

A row's first tokens are given, and the most probable token is taken again and again. That this greedy continuation equals the row's own
for n tokens is the same as that each of those tokens is the most probable one after the row's own text, which one pass shows. After Carlini
et al. 2021 and 2023 (extractable memorisation). Only counts are written.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.engines.bases import as_folder, as_gguf, base_of_layer
from rumpun.errors import InputError
from rumpun.records.private import PREFIX, is_private
from rumpun.steps import Outcome, Progress, Work, step

__all__ = ["FILE", "RepeatsParams", "repeats"]

FILE = "repeats.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatsParams:
    """What is asked."""

    rows_max: int = 200  # of the training rows, and as many of the held-out ones
    prefix_tokens: int = 32  # given
    continued_tokens: int = 32  # that have to be the row's own, all of them

    def check(self) -> None:
        """Refuse counts that ask nothing."""
        for name in ("rows_max", "prefix_tokens", "continued_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}, expected 1 or more")


@step(kind="repeats", version=1, part="train", needs=("corpus", "layer"))
def repeats(params: RepeatsParams, work: Work) -> Outcome:
    """Inputs: a corpus, a layer and, where there is one, the merged model. Of private rows where the corpus has any, else of all.

    Raises:
        InputError: no training row is long enough.
    """
    import torch

    from rumpun.weights.folder import write_folder

    corpus, layer = work.input("corpus"), work.input("layer")
    base = base_of_layer(layer.folder, work.progress)
    model = next((item.folder for item in work.inputs if item.manifest.kind == "model"), None)
    if model is None:
        model = work.scratch / "merged"
        write_folder(as_gguf(base), model, layer=layer.folder, progress=work.progress)
    only_private = is_private(corpus.manifest)
    found: dict[str, Any] = {
        place: {"asked": 0, "prefix_tokens": params.prefix_tokens, "continued_tokens": params.continued_tokens} for place in ("train", "held_out")
    }  # fmt: skip
    texts = {
        place: _texts(corpus.folder / folder, only_private, work.seed)
        for place, folder in (("train", "train"), ("held_out", "heldout"))
    }
    for name, folder in (("layer", model), ("base", as_folder(base, work.progress))):
        asking = _Asking(folder, params, work.progress)
        for place, of_place in texts.items():
            counts = asking.counts(of_place)
            found[place]["asked"] = max(found[place]["asked"], counts.pop("asked"))
            found[place][name] = counts
    if not found["train"]["asked"]:
        raise InputError(
            f"no training row has {params.prefix_tokens} + {params.continued_tokens} tokens",
            "lower prefix_tokens or continued_tokens",
        )
    summary = {"private": only_private} | found
    (work.folder / FILE).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return Outcome(summary=summary, tools={"torch": str(torch.__version__)})


def _texts(folder: Path, only_private: bool, seed: int) -> list[str]:
    """Texts in an order that depends on the seed and the rows' ids alone."""
    import pyarrow.parquet as pq

    rows: list[tuple[str, str]] = []
    for shard in sorted(folder.glob("*.parquet")):
        for row in pq.read_table(shard, columns=["id", "text", "source"]).to_pylist():
            if row["text"] and (not only_private or row["source"].startswith(PREFIX)):
                key = hashlib.blake2b(f"{seed}:{row['id']}".encode(), digest_size=8).hexdigest()
                rows.append((key + row["id"], row["text"]))
    return [text for _, text in sorted(rows)]


class _Asking:
    """One model, asked for row after row."""

    def __init__(self, folder: Path, params: RepeatsParams, progress: Progress) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        from rumpun.layer.tokenizer import Tokenizer

        self.params, self.progress = params, progress
        self.tokenizer = Tokenizer(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def counts(self, texts: Sequence[str]) -> dict[str, Any]:
        """How many rows are asked and repeated, which share of the tokens is met, and the longest run of them."""
        first, more = self.params.prefix_tokens, self.params.continued_tokens
        asked = repeated = met = longest = 0
        for text in texts:
            tokens = self.tokenizer.documents([text])[0]
            if len(tokens) < first + more:
                continue
            hits = self._hits([self.tokenizer.end, *tokens[: first + more]], more)
            asked += 1
            run = hits.index(False) if False in hits else more
            repeated, met, longest = repeated + (run == more), met + sum(hits), max(longest, run)
            self.progress(asked, min(len(texts), self.params.rows_max), "rows asked for")
            if asked == self.params.rows_max:
                break
        share = round(met / (asked * more), 4) if asked else 0.0
        return {"asked": asked, "repeated": repeated, "matched_share": share, "longest": longest}

    def _hits(self, tokens: list[int], more: int) -> list[bool]:
        """For each of the last tokens, whether it is the most probable one after those before it."""
        import torch

        ids = torch.tensor([tokens])
        with torch.inference_mode():
            said = self.model(input_ids=ids).logits[0, -more - 1 : -1].argmax(-1)
        return [bool(hit) for hit in (said == ids[0, -more:]).tolist()]
