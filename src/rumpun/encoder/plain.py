"""Sentences without a translation, for languages that have few pairs: the step `encoder.texts` and what training draws.

A part of a sentence's subwords is left out, and its vector must tell which they were (a denoising autoencoder, as in
Wang, Reimers and Gurevych 2021, arXiv 2104.06979, with a decoder of a bag of subwords). Subwords that no pair holds
come to stand by those that they are written beside.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.encoder.pairs import TABLE, Pair, letters_of, rows_of, sources_of, unfit
from rumpun.language import sentences
from rumpun.records.artefacts import sha256_file
from rumpun.records.places import source_data
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    import torch

__all__ = ["KIND", "Plain", "TextsParams", "read_texts", "texts"]

KIND, FILE = "plain-texts", "texts.parquet"
_FEWEST = 6  # subwords of a sentence, signs at both ends not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class TextsParams:
    """What the recipe may say."""

    languages: tuple[str, ...]
    sentences_max: int = 20_000  # a language
    left_out: tuple[str, ...] = ()  # sources

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if self.sentences_max < 1:
            raise ValueError(f"sentences_max = {self.sentences_max}: expected 1 or more")


def _files() -> list[Path]:
    return sorted((source_data() / "text").glob("*.parquet"))


def _identity(_: TextsParams) -> Mapping[str, Any]:
    return {path.name: sha256_file(path) for path in _files()}


@step(kind=KIND, version=1, identity=_identity, part="train", needs=("pairs",))
def texts(params: TextsParams, work: Work) -> Outcome:
    """Write `texts.parquet`: sentences of text of one language, none that is kept for measuring or choosing."""
    import pyarrow as pa
    from pyarrow import parquet

    pairs = work.input("pairs")
    made_with = pairs.manifest.maker.params
    away = {*params.left_out, *made_with.get("held_out", ()), *made_with.get("development", ())}
    table = parquet.read_table(pairs.folder / TABLE, columns=["split", "text", "english"]).to_pylist()
    measured = {
        letters_of(row[side]) for row in table if row["split"] != "fit" for side in ("text", "english")
    }
    found: dict[str, list[Pair]] = defaultdict(list)
    dropped: Counter[str] = Counter()
    seen: set[str] = set()
    for pair in _sentences(params, work):
        reason = "source left out" if pair.source in away else unfit(pair.text, pair.licence)
        if not reason and pair.text in seen:
            reason = "the same text again"
        if not reason and letters_of(pair.text) in measured:
            reason = "stands in a source that is kept out of the fit"
        if reason:
            dropped[reason] += 1
            continue
        seen.add(pair.text)
        found[pair.language].append(pair)
    kept = [
        p for language in sorted(found) for p in sorted(found[language], key=_rank)[: params.sentences_max]
    ]
    columns = {name: [getattr(p, name) for p in kept] for name in ("language", "text", "source", "licence")}
    parquet.write_table(pa.table(columns), work.folder / FILE)
    return Outcome(
        sources=sources_of(kept),
        languages=tuple(sorted(found)),
        summary={
            "sentences": dict(sorted(Counter(p.language for p in kept).items())),
            "dropped": dict(sorted(dropped.items())),
        },
        tools={"pyarrow": pa.__version__},
    )


def _sentences(params: TextsParams, work: Work) -> Iterator[Pair]:
    """Every sentence of the languages; the other side is empty."""
    files = _files()
    for place, path in enumerate(files):
        if path.suffixes[-2].removeprefix(".") not in params.languages:
            continue
        work.progress(place, len(files), path.stem)
        for row in rows_of(path, "text", "language", "source", "licence"):
            for piece in sentences.split(row["text"]) if row["language"] in params.languages else ():
                yield Pair(row["language"], piece.strip(), "", row["source"], "", row["licence"])


def _rank(pair: Pair) -> bytes:
    """An order that does not follow the files."""
    return hashlib.blake2b(pair.text.encode(), digest_size=8).digest()


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """Such sentences as subwords; every language is drawn alike."""

    ids: list[list[int]]
    weight: "torch.Tensor"  # [sentences]

    def draw(
        self, rows: int, share: float, generator: "torch.Generator"
    ) -> tuple[list[list[int]], list[list[int]]]:
        """So many sentences without about `share` of their subwords; and what was left out of each, never nothing."""
        import torch

        rest, gone = [], []
        for n in torch.multinomial(self.weight, rows, replacement=True, generator=generator).tolist():
            first, *inner, last = self.ids[n]
            out = torch.rand(len(inner), generator=generator) < share
            out[torch.randint(len(inner), (1,), generator=generator)] = True
            rest.append([first, *(i for i, o in zip(inner, out.tolist(), strict=True) if not o), last])
            gone.append([i for i, o in zip(inner, out.tolist(), strict=True) if o])
        return rest, gone


def read_texts(folder: Path, tokenizer: Any, longest: int) -> Plain:
    """What the step wrote; longer sentences are cut at `longest` subwords, those of very few left out."""
    import torch
    from pyarrow import parquet

    table = parquet.read_table(folder / FILE).to_pydict()
    whole = tokenizer.encode_batch(table["text"])
    kept = [n for n, row in enumerate(whole) if len(row.ids) >= _FEWEST + 2]
    counts = Counter(table["language"][n] for n in kept)
    ids = [
        [*whole[n].ids[: longest - 1], whole[n].ids[-1]] if len(whole[n].ids) > longest else whole[n].ids
        for n in kept
    ]
    return Plain(ids, torch.tensor([1.0 / counts[table["language"][n]] for n in kept]))
