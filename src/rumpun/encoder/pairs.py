"""The step `encoder.pairs`: aligned text of many sources -> one table of (text, its English side), cleaned and split.

Sources: `parallel/*.parquet` and `seed/*.jsonl` under the data folder, and folders of sentences that travel with the
recipe. Held out by source, never by row: a row whose text or English side also stands in a held-out source is left out
of the fit, whatever source it comes from.
"""

import hashlib
import json
import tomllib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rumpun.encoder.lexicons import read_lexicons
from rumpun.errors import InputError
from rumpun.language.lines import lines_of
from rumpun.recipes import build
from rumpun.records.artefacts import SourceEntry, sha256_file
from rumpun.records.licences import shippable
from rumpun.records.places import source_data
from rumpun.steps import Outcome, Progress, Work, quiet, step

__all__ = [
    "TABLE", "Pair", "PairsParams", "held_out_rows", "letters_of", "pairs", "rows_of", "sources_of", "unfit",
]  # fmt: skip

TABLE = "pairs.parquet"
LONGEST = 400  # code points; a longer text says more than one vector holds
_ENGLISH = "en"
_TATOEBA = "tatoeba-laser"  # a benchmark: it may be measured on, never fitted
_LETTERS = 0.5  # least share of letters and marks: below it a row is code, a path, a list of signs


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsParams:
    """What the recipe may say."""

    languages: tuple[str, ...]  # of the other side; English is the side that the teacher reads
    development: tuple[str, ...] = ()  # sources for choosing: never fitted
    held_out: tuple[str, ...] = ()  # sources for measuring: never fitted, never chosen by
    left_out: tuple[str, ...] = ()
    rows_max: dict[str, int]  # group -> rows a language
    sentences: tuple[str, ...] = ()  # folders of *.jsonl beside the recipe, with one key a language
    lexicons: tuple[str, ...] = ()  # folders of *.tsv beside the recipe: word lists
    english_max: dict[str, int] = field(
        default_factory=dict
    )  # group -> rows of English alone: other pairs' sides

    def check(self) -> None:
        """Refuse what cannot be meant."""
        for name in ("rows_max", "english_max"):
            for group in getattr(self, name):
                if group not in _groups():
                    raise ValueError(f"{name}.{group}: known groups are {', '.join(_groups())}")
        if both := set(self.development) & set(self.held_out):
            raise ValueError(f"held_out and development both name {', '.join(sorted(both))}")


@dataclass(frozen=True, slots=True)
class Pair:
    """A text and its English side; a row of English alone has the same text twice."""

    language: str
    text: str
    english: str
    source: str
    group: str
    licence: str


def _groups() -> dict[str, list[str]]:
    path = Path(__file__).parent / "sources.toml"
    groups: dict[str, list[str]] = tomllib.loads(path.read_text(encoding="utf-8"))["groups"]
    return groups


def _identity(params: PairsParams) -> Mapping[str, Any]:
    folder = source_data()
    files = [
        p
        for g in ("parallel/*.parquet", "seed/*.jsonl", "eval/tatoeba-laser.*")
        for p in sorted(folder.glob(g))
    ]
    facts = {p.relative_to(folder).as_posix(): sha256_file(p) for p in files}
    for place in (*params.sentences, *params.lexicons):
        facts |= {f"{place}/{p.name}": sha256_file(p) for p in sorted(Path(place).glob("*.*"))}
    return facts


@step(kind="pairs", version=2, identity=_identity, part="train")
def pairs(params: PairsParams, work: Work) -> Outcome:
    """Read, clean, split, cap; write `pairs.parquet`."""
    import pyarrow as pa
    from pyarrow import parquet

    for place, kind in [(p, "*.jsonl") for p in params.sentences] + [(p, "*.tsv") for p in params.lexicons]:
        if not any(Path(place).glob(kind)):
            raise InputError(f"{place}: no {kind} in it", "name a folder, from where the recipe is run")
    kept, dropped = _split(params, work.progress)
    kept = _capped(kept, params, dropped)
    columns = {name: [getattr(p, name) for _, p in kept] for name in Pair.__slots__}
    parquet.write_table(pa.table({"split": [w for w, _ in kept]} | columns), work.folder / TABLE)
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for where, pair in kept:
        counts[pair.language][pair.group if where == "fit" else where] += 1
    return Outcome(
        sources=sources_of([p for _, p in kept]),
        languages=tuple(sorted({p.language for _, p in kept} | {_ENGLISH})),
        summary={
            "rows": {k: dict(sorted(v.items())) for k, v in sorted(counts.items())},
            "dropped": dict(sorted(dropped.items())),
        },
        tools={"pyarrow": pa.__version__},
    )


def held_out_rows(params: Mapping[str, Any]) -> list[Pair]:
    """The rows of the sources that a recipe with these parameters keeps for measuring, out of the data folder."""
    # a manifest adds the recipe's seed
    own = {name: value for name, value in params.items() if name != "seed"}
    whole = build(PairsParams, own, "the encoder's lineage")
    kept, _ = _split(whole, quiet)
    return [pair for where, pair in kept if where == "held-out"]


def _split(params: PairsParams, progress: Progress) -> tuple[list[tuple[str, Pair]], Counter[str]]:
    """(split, row) of every row that is kept, and why others are not."""
    dropped: Counter[str] = Counter()
    split = dict.fromkeys(params.development, "development") | dict.fromkeys(params.held_out, "held-out")
    kept: list[tuple[str, Pair]] = []
    seen: set[tuple[str, str]] = set()
    every = list(_every(params, progress))
    # a slip of the pen in a name would fit what is to be measured
    if unknown := split.keys() - {p.source for p in every}:
        raise InputError(
            f"{', '.join(sorted(unknown))}: to be kept out of the fit, and no row has this source",
            "mend its name in the recipe",
        )
    measured = {letters_of(side) for p in every if p.source in split for side in (p.text, p.english)}
    for pair in every:
        where = split.get(pair.source, "fit")
        if where != "fit" and pair.language == _ENGLISH:
            continue  # nothing to measure in it
        reason = _refused(pair, seen)
        if (
            not reason
            and where == "fit"
            and (letters_of(pair.text) in measured or letters_of(pair.english) in measured)
        ):
            reason = "stands in a source that is kept out of the fit"
        if reason:
            dropped[reason] += 1
            continue
        seen.add((pair.language, pair.text))
        kept.append((where, pair))
    return kept, dropped


def _every(params: PairsParams, progress: Progress) -> Iterator[Pair]:
    folder = source_data()
    group_of = {domain: group for group, domains in _groups().items() for domain in domains}
    files = sorted((folder / "parallel").glob("*.parquet"))
    for place, path in enumerate(files):
        progress(place, len(files), path.stem)
        yield from _parallel(path, params, group_of)
    for path in sorted((folder / "seed").glob("*.jsonl")):
        yield from _aligned(path, f"seed-{path.stem}", params)
    if _TATOEBA in (*params.held_out, *params.development):
        yield from _tatoeba(folder / "eval" / "tatoeba-laser.translation.parquet", params)
    for name in params.sentences:
        for path in sorted(Path(name).glob("*.jsonl")):
            yield from _aligned(path, f"sentences-{path.stem}", params)
    for entry in read_lexicons(params.lexicons, params.languages):
        yield Pair(entry.language, entry.word, entry.english, entry.source, "lexicon", "CC0-1.0")


def rows_of(path: Path, *columns: str) -> list[dict[str, Any]]:
    """The rows of a table of the data folder.

    Raises:
        InputError: it cannot be read, or lacks one of the columns.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        rows: list[dict[str, Any]] = parquet.read_table(path, columns=list(columns)).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: cannot be read as parquet with {', '.join(columns)}", "fetch the data again"
        ) from error
    return rows


def _parallel(path: Path, params: PairsParams, group_of: Mapping[str, str]) -> Iterator[Pair]:
    for row in rows_of(path, "src_lang", "tgt_lang", "src", "tgt", "source", "domain", "licence"):
        if row["src_lang"] != _ENGLISH or row["source"] in params.left_out:
            continue
        known = row["tgt_lang"] in params.languages
        if not known and not params.english_max:
            continue
        group = group_of.get(row["domain"])
        if group is None:
            raise InputError(f"{path}: domain '{row['domain']}'", "name it in encoder/sources.toml")
        language, text = (row["tgt_lang"], row["tgt"]) if known else (_ENGLISH, row["src"])
        yield Pair(language, text or "", row["src"] or "", row["source"], group, row["licence"])


def _tatoeba(path: Path, params: PairsParams) -> Iterator[Pair]:
    for row in rows_of(path, "language", "text", "text_en", "licence"):
        if row["language"] in params.languages:
            yield Pair(
                row["language"], row["text"] or "", row["text_en"] or "", _TATOEBA, "natural", row["licence"]
            )


def _aligned(path: Path, source: str, params: PairsParams) -> Iterator[Pair]:
    """Sentences with one key a language; a chat row has a turn of the user and an answer under each."""
    if source in params.left_out:
        return
    lines = (line for _, _, some in lines_of([path]) for line in some)
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            english = _turns(row[_ENGLISH])
            others = {name: _turns(row[name]) for name in row if name in params.languages}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: line {number}: no row with text under '{_ENGLISH}' and its languages",
                "write one object a line",
            ) from error
        for language, turns in others.items():
            for turn, text in turns.items():
                if turn in english:
                    yield Pair(language, text, english[turn], source, "natural", "CC0-1.0")


def _turns(value: Any) -> dict[str, str]:
    """Turn -> text; a sentence is a single turn."""
    turns = value if isinstance(value, dict) else {"": value}
    for text in turns.values():
        if not isinstance(text, str):
            raise TypeError(text)
    return turns


def letters_of(text: str) -> str:
    """What two copies of a sentence share."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def unfit(text: str, licence: str) -> str:
    """Why a text is not to be learnt from; empty where it is."""
    if not shippable(licence):
        return f"licence {licence}"
    if not 1 < len(text) <= LONGEST:
        return f"empty, or longer than {LONGEST} code points"
    solid = [c for c in text if not c.isspace()]
    if sum(unicodedata.category(c)[0] in "LM" for c in solid) < _LETTERS * len(solid):
        return "more signs than letters"
    return ""


def _refused(pair: Pair, seen: set[tuple[str, str]]) -> str:
    if reason := unfit(pair.text, pair.licence):
        return reason
    if not 1 < len(pair.english) <= LONGEST:
        return f"empty, or longer than {LONGEST} code points"
    if pair.language != _ENGLISH and letters_of(pair.text) == letters_of(pair.english):
        return "both sides are the same"
    if (pair.language, pair.text) in seen:
        return "the same text again"
    return ""


def _capped(
    kept: list[tuple[str, Pair]], params: PairsParams, dropped: Counter[str]
) -> list[tuple[str, Pair]]:
    """Rows of each language and group up to the cap, chosen by the English side: so languages keep the same ones.

    English alone is made of what is left: sides of pairs over the cap, and of languages that are not trained.
    """

    def rank(pair: Pair) -> bytes:
        return hashlib.blake2b(pair.english.encode(), digest_size=8).digest()

    cells: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    out = [item for item in kept if item[0] != "fit"]
    for where, pair in kept:
        if where == "fit":
            cells[pair.language, pair.group].append(pair)
    over: dict[str, list[Pair]] = defaultdict(list)
    sides: set[str] = set()
    for (language, group), pairs_ in sorted(cells.items()):
        pairs_.sort(key=rank)
        if language == _ENGLISH:
            over[group] += pairs_
            continue
        cap = params.rows_max.get(group, len(pairs_))
        dropped[f"over the cap of {group}"] += max(0, len(pairs_) - cap)
        out += [("fit", pair) for pair in pairs_[:cap]]
        sides |= {pair.english for pair in pairs_[:cap]}
        over[group] += pairs_[cap:]
    for group, most in sorted(params.english_max.items()):
        alone = {p.english: p for p in over[group] if p.english not in sides}
        chosen = sorted(alone.values(), key=rank)[:most]
        sides |= {pair.english for pair in chosen}
        out += [("fit", replace(pair, language=_ENGLISH, text=pair.english)) for pair in chosen]
    return out


def sources_of(kept: list[Pair]) -> tuple[SourceEntry, ...]:
    """Each source with its licence and how many rows it gave."""
    rows = Counter((p.source, p.licence) for p in kept)
    return tuple(
        SourceEntry(name=name, licence=licence, rows=n, sha256="", role="text")
        for (name, licence), n in sorted(rows.items())
    )
