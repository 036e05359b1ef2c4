"""The step `language.train_lid`: train the identifier's Latin model and measure the whole identifier.

Sources named under `held_out` are kept out of training in every language and only measured; those under `validation` are
kept out too and serve for calibration and for choosing settings. A language with one source is split by rows
(`split_rows`), and its figures say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rumpun.errors import InputError
from rumpun.records.artefacts import SourceEntry, sha256_file
from rumpun.records.licences import shippable
from rumpun.records.places import source_data
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    from rumpun.language.identifier_model import Floats, Model
    from rumpun.language.identifier_streams import Streams
    from rumpun.language.snippets import Pool

__all__ = ["LidParams", "measure", "parted", "train"]

_PLACES = ("text/*.parquet", "parallel/*.parquet", "seed/*.jsonl")
_SPLIT_TEST_SHARE = 5  # every fifth row of a language that is split by rows is measured
_CALIBRATION_CHARACTERS = (10, 20, 50, 100)
_LARGEST = 0.9998  # quantile of a label's weights that the largest int8 stands for
_TURNED_CHARACTERS = 80  # of a piece that is turned into the sister language
_CALIBRATION_PIECES = 300  # for each language and length


@dataclass(frozen=True, slots=True, kw_only=True)
class LidParams:
    """What the recipe may say."""

    latin: tuple[str, ...]  # languages that the linear model tells apart
    scripted: tuple[str, ...]  # languages that their script names; measured only
    held_out: dict[str, tuple[str, ...]]  # language -> sources that are measured and never trained on
    validation: dict[str, tuple[str, ...]] = field(default_factory=dict)  # the same, for calibration
    left_out: tuple[str, ...] = ()  # sources that are not used at all
    split_rows: tuple[str, ...] = ()  # languages with one source, split by rows
    aliases: dict[str, str] = field(default_factory=dict)  # tag in the data -> tag here
    domains: dict[str, tuple[str, ...]] = field(default_factory=dict)  # group -> domains in the data
    domain_share_max: dict[str, float] = field(default_factory=dict)  # group -> most of a language's snippets
    prior: dict[str, float] = field(default_factory=dict)  # nats added to a label, 0 where none is named
    mixing: tuple[str, ...] = ()  # languages whose speakers mix English in
    slots: int = 190_000  # features in the shipped model
    snippets: int = 9_000  # for each language and epoch
    emphasis: dict[str, float] = field(
        default_factory=dict
    )  # language -> times so many snippets, 1 where none is named
    source_characters_max: int = 400_000  # of one source in one language
    size_exponent: float = 0.3  # a source counts by its characters to this power: 0 is evenly, 1 by size
    lengths_characters: tuple[int, ...] = (6, 160)  # shortest and longest snippet in training
    measured_characters: tuple[int, ...] = (10, 20, 50, 100)
    measured_snippets: int = 500  # for each language and length
    epochs: int = 4
    epochs_packed: int = 1  # more, with only the features that are kept
    rate: float = 0.3
    decay: float = 1e-3

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if (
            len(self.lengths_characters) != 2
            or not 0 < self.lengths_characters[0] < self.lengths_characters[1]
        ):
            raise ValueError(
                f"lengths_characters = {list(self.lengths_characters)}: expected [shortest, longest]"
            )
        if self.epochs < 1 or self.snippets < 1:
            raise ValueError(f"epochs = {self.epochs}, snippets = {self.snippets}: expected 1 or more")
        unknown = sorted(set(self.domain_share_max) - set(self.domains))
        if unknown:
            raise ValueError(f"domain_share_max names '{unknown[0]}': expected a group of `domains`")


def _identity(_: LidParams) -> Mapping[str, Any]:
    from rumpun.language.identifier_contrasts import CONTRASTS
    from rumpun.language.identifier_pairs import PAIRS
    from rumpun.language.snippets import ROWS

    folder = source_data()
    paths = {p.relative_to(folder).as_posix(): p for place in _PLACES for p in sorted(folder.glob(place))}
    own = (path for place in (ROWS, PAIRS, CONTRASTS) for path in sorted(place.glob("*.toml")))
    paths |= {f"{path.parent.name}/{path.name}": path for path in own}
    return {name: sha256_file(path) for name, path in paths.items()}


@step(kind="identifier", version=3, identity=_identity, part="train")
def train(params: LidParams, work: Work) -> Outcome:
    """Train, measure and write `identifier.safetensors` and `identifier.json`."""
    import numpy as np

    from rumpun.language.identifier_model import write_model
    from rumpun.language.snippets import read_pools

    wanted = frozenset(params.latin + params.scripted) | _romanised(params)
    everything = read_pools(source_data(), params.aliases, wanted)
    used = [p for p in everything if p.source not in params.left_out and shippable(p.licence)]
    learn, validation, measured = parted(used, params)
    model = fitted_model(params, learn, validation, work)
    figures = measure(params, measured, model, work.seed)
    sources = _sources([*learn, *validation, *measured])
    text = [source for source in sources if source.role == "text"]
    model.facts["held_out"] = figures
    model.facts["licences"] = sorted({source.licence for source in text})
    model.facts["sources"] = sorted({source.name for source in text})
    write_model(work.folder, "identifier", model)
    return Outcome(
        sources=sources,
        languages=(*params.latin, *params.scripted),
        summary={"held_out": figures, "features": model.facts["features"], "threshold": model.facts["least"]},
        tools={"numpy": np.__version__},
        name="identifier",
    )


def _romanised(params: LidParams) -> frozenset[str]:
    return frozenset({"ta"}) if "ta-Latn" in params.latin else frozenset()


def parted(pools: "list[Pool]", params: LidParams) -> "tuple[list[Pool], list[Pool], list[Pool]]":
    """(to learn from, to calibrate with, to measure with); Tamil script is learnt in Latin letters."""
    from rumpun.language.snippets import Pool

    kept_out = {source for names in params.held_out.values() for source in names}
    measured = [p for p in pools if p.source in params.held_out.get(p.language, ())]
    rest = [p for p in pools if p.source not in kept_out]
    validation = [p for p in rest if p.source in params.validation.get(p.language, ())]
    waiting = {source for names in params.validation.values() for source in names}
    learn = [p for p in rest if p.language in params.latin and p.source not in waiting]
    learn += [
        Pool("ta-Latn", p.source, p.licence, p.domain, p.texts)
        for p in rest
        if p.language in _romanised(params) and p.source not in waiting and p.domain != "lexicon"
    ]
    learn += _turned(learn, params)
    for pool in [p for p in learn if p.language in params.split_rows and not p.domain.startswith("own")]:
        test = pool.texts[::_SPLIT_TEST_SHARE]
        measured.append(Pool(pool.language, pool.source, pool.licence, pool.domain, test))
        validation.append(
            Pool(pool.language, pool.source, pool.licence, pool.domain, pool.texts[1::_SPLIT_TEST_SHARE])
        )
        pool.texts = [text for n, text in enumerate(pool.texts) if n % _SPLIT_TEST_SHARE > 1]
    return learn, validation, measured


def _turned(learn: "list[Pool]", params: LidParams) -> "list[Pool]":
    """Texts of one language in the words of its sister, as further pools of the sister.

    A piece is kept only where every word of it, names aside, is met in the sister's own texts: a word that the table
    does not know would otherwise be taught as the sister's.
    """
    import random

    from rumpun.language.identifier_pairs import known_words, plain_words, turners
    from rumpun.language.snippets import Pool, sized

    dice = random.Random(1)  # noqa: S311 - sampling
    found = []
    for turner in turners():
        if turner.source not in params.latin or turner.target not in params.latin:
            continue
        known = known_words(text for pool in learn if pool.language == turner.target for text in pool.texts)
        for pool in learn:
            if pool.language != turner.source or pool.domain in ("lexicon", "own-words", "own-lines"):
                continue
            texts = list(pool.texts)
            dice.shuffle(texts)
            turned: list[str] = []
            size = 0
            for text in texts:
                for start in range(0, min(len(text), 20 * _TURNED_CHARACTERS), _TURNED_CHARACTERS):
                    piece = turner.turned(sized(text[start:], _TURNED_CHARACTERS), dice)
                    if piece is not None and plain_words(piece) <= known:
                        turned.append(piece)
                        size += len(piece)
                if size > params.source_characters_max // 4:
                    break
            if turned:
                found.append(Pool(turner.target, pool.source, pool.licence, "turned", turned))
    return found


def fitted_model(params: LidParams, learn: "list[Pool]", validation: "list[Pool]", work: Work) -> "Model":
    """A model trained on the pools, packed into its slots, and calibrated on sources that it has not seen."""
    from rumpun.language.identifier_fit import fitted, packed
    from rumpun.language.identifier_streams import Draw, Streams

    bare = [tag for tag in params.latin if not any(p.language == tag and p.texts for p in learn)]
    if bare:
        raise InputError(
            f"no text to learn {', '.join(bare)} from: every source is held out, left out or missing",
            "free a source of theirs in the recipe, or take them out of `latin`",
        )
    streams = Streams(learn, params.latin, params.source_characters_max, work.seed)
    wanted = _wanted(params, learn)
    draw = Draw(params.lengths_characters[0], params.lengths_characters[1], mixing=params.mixing)
    weights: Floats | None = None
    for first, epochs, seed in (
        (True, params.epochs, work.seed),
        (False, params.epochs_packed, work.seed + 1),
    ):
        if not epochs:
            continue
        rate = params.rate if first else params.rate / 2
        weights = fitted(
            streams,
            wanted,
            draw,
            epochs=epochs,
            rate=rate,
            decay=params.decay,
            weights=weights,
            seed=seed,
            progress=work.progress,
        )
        kept = packed(streams.hashes, weights, streams.worth() * streams.force, params.slots)
        streams.restrict(kept)
        weights = weights[kept]
    assert weights is not None
    weights = weights * streams.force[:, None]
    return _calibrated(params, streams, weights, validation or learn, work.seed)


def _wanted(params: LidParams, learn: "list[Pool]") -> list[int]:
    """Snippets of each pool in an epoch."""
    from rumpun.language.identifier_streams import shares

    wanted = [0] * len(learn)
    for language in params.latin:
        own = [n for n, pool in enumerate(learn) if pool.language == language]
        parts = shares([learn[n] for n in own], params.domains, params.domain_share_max, params.size_exponent)
        for n, part in zip(own, parts, strict=True):
            wanted[n] = max(1, round(part * params.snippets * params.emphasis.get(language, 1.0)))
    return wanted


def _calibrated(
    params: LidParams, streams: "Streams", weights: "Floats", pools: "list[Pool]", seed: int
) -> "Model":
    """The weights in int8, with the contrasts in them, and the gain and power that make unseen sources likeliest."""
    import dataclasses

    import numpy as np

    from rumpun.language.identifier import LEAST
    from rumpun.language.identifier_contrasts import chosen_nats, contrasted, read_contrasts
    from rumpun.language.identifier_fit import Unseen
    from rumpun.language.identifier_model import Model, placed
    from rumpun.language.snippets import cut

    slot, mark = placed(streams.hashes, params.slots)
    # the few weights beyond are cut, so that the many small ones keep their shades
    scale = np.maximum(np.quantile(np.abs(weights), _LARGEST, axis=0), 1e-6) / 127
    small = np.zeros((params.slots, len(params.latin)), np.int8)
    small[slot] = np.clip(np.rint(weights / scale), -127, 127)
    prints = np.zeros(params.slots, np.uint16)
    prints[slot] = mark
    prior = np.array([params.prior.get(tag, 0.0) for tag in params.latin], np.float32)
    facts: dict[str, Any] = {"least": LEAST}
    model = Model(params.latin, small, prints, scale.astype(np.float32), 1.0, 0.5, prior, facts)
    texts, truth = [], []
    for number, tag in enumerate(params.latin):
        own = [p for p in pools if p.language == tag]
        for size in _CALIBRATION_CHARACTERS:
            each = -(-_CALIBRATION_PIECES // max(1, len(own)))
            found = [t for p in own for t in cut(p, each, (size - 2, size + 2), seed)]
            texts += found
            truth += [number] * len(found)
    unseen = Unseen(texts, np.array(truth))
    model = unseen.calibrated(model)
    contrasts = read_contrasts()
    nats = chosen_nats(model, contrasts, unseen.loss)
    model = unseen.calibrated(contrasted(model, contrasts, nats))
    facts |= {"features": int(np.count_nonzero(model.weights.any(axis=1))), "contrast_nats": nats}
    return dataclasses.replace(model, gain=round(model.gain, 4))


def measure(params: LidParams, pools: "list[Pool]", model: "Model", seed: int) -> dict[str, Any]:
    """Length -> accuracy and F1 of each language, macro-F1, and how the mistakes fell."""
    from rumpun.language.identifier import identify_all
    from rumpun.language.snippets import cut

    figures: dict[str, Any] = {}
    for length in params.measured_characters:
        truth: list[str] = []
        said: list[str] = []
        for language in (*params.latin, *params.scripted):
            own = [p for p in pools if p.language == language]
            each = -(-params.measured_snippets // max(1, len(own)))
            texts = [t for p in own for t in cut(p, each, (length - 2, length + 2), seed)]
            truth += [language] * len(texts)
            said += [found.language for found in identify_all(texts, model, spans=False)]
        figures[str(length)] = _scores(truth, said, (*params.latin, *params.scripted))
    return figures


def _scores(truth: Sequence[str], said: Sequence[str], languages: Sequence[str]) -> dict[str, Any]:
    from rumpun.language.tables import WORKING

    by_language: dict[str, Any] = {}
    pairs = list(zip(truth, said, strict=True))
    for tag in languages:
        own = [s for t, s in pairs if t == tag]
        right, called = own.count(tag), said.count(tag)
        wrong = {s: own.count(s) for s in sorted(set(own)) if s != tag}
        by_language[tag] = {
            "snippets": len(own),
            "accuracy": round(right / len(own), 4) if own else None,
            "f1": round(2 * right / (len(own) + called), 4) if own else None,
            "taken_for": dict(sorted(wrong.items(), key=lambda item: -item[1])[:3]),
        }
    known = {tag: row["f1"] for tag, row in by_language.items() if row["f1"] is not None}
    working = [f1 for tag, f1 in known.items() if tag in WORKING]
    right = sum(t == s for t, s in pairs)
    return {
        "accuracy": round(right / max(1, len(pairs)), 4),
        "macro_f1": round(sum(known.values()) / max(1, len(known)), 4),
        "macro_f1_working": round(sum(working) / max(1, len(working)), 4),
        "languages": by_language,
    }


def _sources(pools: "list[Pool]") -> tuple[SourceEntry, ...]:
    rows: dict[tuple[str, str], list[int]] = {}
    for pool in pools:
        if pool.domain == "turned":
            continue  # the same rows in other words
        size = rows.setdefault((pool.source, pool.licence), [0, 0])
        size[0] += len(pool.texts)
        size[1] += sum(len(text.encode()) for text in pool.texts)
    return tuple(
        SourceEntry(name=name, licence=licence, rows=size[0], bytes=size[1])
        for (name, licence), size in sorted(rows.items())
    )
