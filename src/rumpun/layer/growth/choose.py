"""What a child is trained on, what is held out, what is rehearsed and for how long: chosen from the data that there is.

Held out is always by source. A language that the parent was measured in keeps the parent's held-out sources, which it has never
seen; another one gives its smallest sources, up to a tenth of its text.
"""

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, UsageError, nearest
from rumpun.language.tables import languages as known_languages
from rumpun.layer.growth.holdings import Holding
from rumpun.layer.growth.parent import Parent
from rumpun.layer.growth.picking import Picking, said, spared
from rumpun.recipes import build

__all__ = [
    "LITTLE_BYTES",
    "TOKENS_A_SECOND",
    "Choice",
    "Domain",
    "choose_domain",
    "choose_offspring",
    "domains",
    "relatives",
]

TOKENS_A_SECOND = 360  # trained on two processor cores with the embedded base: docs/benchmarks.md
LITTLE_BYTES = 1_000_000  # of a language's running text: below it a child learns to spell, and little else
_BATCH = 1_024  # tokens
_SISTERS = 3
_PASSES = 4.0  # over a language's text; `epochs_max` of the recipe leaves room for what filters take
_BYTES_A_TOKEN = 4.5  # of English, the dearest; text of others is read less often than it might be
_CHAT_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain of `domains.toml`."""

    title: str
    languages: tuple[str, ...]
    sources: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    chat: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    law: bool = False
    policy: str = "base"
    contexts: tuple[str, ...] = ()
    caution: str = ""
    cannot: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """All that a recipe needs."""

    kind: str  # offspring, domain
    name: str  # the tag, or the domain
    title: str
    own: tuple[str, ...]  # the child's languages
    rehearsed: tuple[str, ...]  # of the parent's, so that they are not forgotten
    watched: tuple[str, ...]  # sisters that are measured and not trained
    sources: tuple[str, ...]
    sides: Mapping[str, tuple[str, ...]]  # language -> aligned sources whose side is text
    held_out: Mapping[str, tuple[str, ...]]
    weights: Mapping[str, float]  # of the languages that train
    budgets: Mapping[str, int]  # bytes a language may give at most; 0: measured alone
    tokens: int
    minutes: float
    own_bytes: Mapping[str, int]  # of the child's text that is left to train
    chat: tuple[str, ...] = ()  # sources of conversations
    chat_share: float = _CHAT_SHARE
    pairs: tuple[str, ...] = ()
    not_pairs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()  # more text, held out: files in the recipe's own folder
    licences: tuple[str, ...] = ()
    policy: str = "base"
    contexts: tuple[str, ...] = ()
    caution: str = ""
    cannot: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what has to be said of the choice
    ask: tuple[str, ...] = ()

    @property
    def languages(self) -> tuple[str, ...]:
        """All that are read."""
        return tuple(dict.fromkeys((*self.own, *self.rehearsed, *self.watched)))


@functools.cache
def domains() -> dict[str, Domain]:
    """Name -> domain.

    Raises:
        UsageError: an unknown key.
    """
    path = Path(__file__).parent / "domains.toml"
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: build(Domain, table, f"{path}: {name}") for name, table in raw.items()}


def relatives(tag: str) -> tuple[str, ...]:
    """A language's sisters, nearest first, then those that name it as theirs.

    Raises:
        UsageError: the language is unknown.
    """
    known = known_languages()
    if tag not in known:
        raise UsageError(f"--language {tag}: no such language", nearest(tag, list(known)))
    others = (other for other, language in known.items() if tag in language.sisters)
    return tuple(dict.fromkeys((*known[tag].sisters, *others)))


def choose_offspring(
    tag: str, parent: Parent, found: Sequence[Holding], *, rehearse: Sequence[str] = (), minutes: float = 6.0
) -> Choice:
    """Choose for the child of one language.

    Args:
        tag: BCP-47.
        parent: what it is grown from.
        found: what the data folder has, in the child, its relatives and what may be rehearsed.
        rehearse: languages of the parent; empty: those of the child's relatives that it knows, and English.
        minutes: of training, on two processor cores.

    Raises:
        UsageError: the language is unknown, or one to rehearse is not the parent's.
        InputError: there is no text in the child's language.
    """
    picking = Picking(parent, [item for item in found if item.usable])
    running = picking.running(tag)
    if not running:
        raise InputError(
            f"no running text in {tag}: the data folder has {said(picking.every(tag), tag) or 'nothing in it'}",
            "add a source with a licence to the folder's inventory.toml: letters, news, stories, radio scripts; a megabyte is a beginning",
        )
    near = relatives(tag)
    rehearsed = _rehearsed(
        rehearse or [other for other in near if other in parent.languages], parent, picking, tag
    )
    held = {other: picking.held(other) for other in (tag, *rehearsed)}
    own = tuple(item for item in running if item.name not in held[tag])
    apart = {other: picking.held(other, beside=own) for other in near if other not in rehearsed}
    watched = [other for other, names in apart.items() if names][:_SISTERS]
    held |= {other: apart[other] for other in watched}
    left = sum(item.bytes(tag) for item in own)
    notes = list(dict.fromkeys(picking.notes))
    if left < LITTLE_BYTES:
        notes.append(
            f"{left:,} bytes of running text in {tag} are little: the child will spell better and know little more."
            f" {LITTLE_BYTES:,} bytes and more of natural prose would help most; then sentences with a translation into"
            f" {rehearsed[0] if rehearsed else 'a language of the parent'}, then questions and answers."
        )
    notes += [
        f"{name} is held out in {other}, and the parent has read the same texts in other languages: both figures may flatter."
        for other, names in held.items() for name in names if name in parent.trained and other not in parent.languages
    ]  # fmt: skip
    return _made(
        picking, held, minutes, kind="offspring", name=tag, title=f"{known_languages()[tag].english}, an offspring of {parent.manifest.name}",
        own=(tag,), rehearsed=rehearsed, watched=tuple(watched), own_bytes={tag: left}, own_sources=own,
        chat=tuple(i.name for i in picking.found if i.kind == "chat" and set(i.amounts) & set(rehearsed)), notes=tuple(notes),
        policy="asean", cannot=(f"No native speaker of {known_languages()[tag].english} has judged what it writes.",),
    )  # fmt: skip


def choose_domain(
    name: str,
    parent: Parent,
    found: Sequence[Holding],
    *,
    languages: Sequence[str] = (),
    files: Sequence[str] = (),
    minutes: float = 6.0,
) -> Choice:
    """Choose for the child of one domain, in languages of the parent.

    Args:
        name: of `domains.toml`.
        parent: what it is grown from.
        found: what the data folder has in these languages.
        languages: others than the domain's usual ones.
        files: files in the recipe's folder with text of the domain, all of it held out.
        minutes: of training, on two processor cores.

    Raises:
        UsageError: an unknown domain, or a language that is not the parent's.
        InputError: nothing of the domain is there.
    """
    if name not in domains():
        raise UsageError(f"--domain {name}: no such domain", nearest(name, list(domains())))
    about = domains()[name]
    own = tuple(languages) or tuple(tag for tag in about.languages if tag in parent.languages)
    for tag in own:
        if tag not in parent.languages:
            raise UsageError(
                f"--languages {tag}: the parent was not trained on it", nearest(tag, list(parent.languages))
            )
    picking = Picking(parent, [item for item in found if item.usable])
    mine = picking.domain(about.sources, about.domains, own)
    chat = tuple(item.name for item in picking.found if item.kind == "chat" and item.name in about.chat)
    if not mine and not chat:
        raise InputError(
            f"nothing of the domain {name} in {', '.join(own)}: no source called {', '.join((*about.sources, *about.chat))}, none with the"
            f" domain {' or '.join(about.domains)}", f"add a source with domain = \"{about.domains[0]}\" to the folder's inventory.toml"
        )  # fmt: skip
    if about.law:
        mine += picking.law(own)
    held, mine, notes = _held_of_domain(name, picking, mine, own, files)
    there = {item.name for item in picking.found}
    notes += [
        f"{source} is not in this data folder."
        for source in (*about.sources, *about.chat, *about.pairs)
        if source not in there
    ]
    known = [item.name for item in mine if item.name in parent.trained]
    if known:
        notes.append(
            f"The parent has read {', '.join(known)} already, so what the child gains here is emphasis, not new text."
        )
    pairs = tuple(item.name for item in picking.found if item.name in about.pairs)
    return _made(
        picking, held, minutes, kind="domain", name=name, title=f"{about.title}, a domain of {parent.manifest.name}", own=own,
        rehearsed=(), watched=(), own_bytes={tag: sum(item.bytes(tag) for item in mine) for tag in own}, own_sources=tuple(mine),
        chat=chat, chat_share=0.4, pairs=pairs, files=tuple(files),
        not_pairs=tuple(i.name for i in picking.found if i.kind == "parallel" and i.name not in pairs), notes=tuple(notes),
        policy=about.policy, contexts=about.contexts, caution=about.caution, cannot=about.cannot, ask=about.ask,
    )  # fmt: skip


def _held_of_domain(
    name: str, picking: Picking, mine: list[Holding], own: Sequence[str], files: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], list[Holding], list[str]]:
    """What is held out in each language, the sources that are left to train on, and what has to be said of it."""
    held = {tag: picking.held(tag) for tag in own}
    notes = list(dict.fromkeys(picking.notes))
    if files:
        return {tag: (*names, f"{name}-heldout") for tag, names in held.items()}, mine, notes
    spare = [item for item in mine if item.domain != "law" and spared(item, mine, own)]
    if not spare:
        notes.append(
            "Nothing of the domain itself is held out: some language has one source alone. Put text of your own into heldout.jsonl."
        )
        return held, mine, notes
    least = min(spare, key=lambda item: sum(map(item.bytes, own)))
    if least.name in picking.parent.trained:
        notes.append(
            f"{least.name} is held out, but the parent was trained on it: its figure flatters the parent."
        )
    held = {tag: (*names, least.name) for tag, names in held.items()}
    return held, [item for item in mine if item != least], notes


def _rehearsed(wanted: Sequence[str], parent: Parent, picking: Picking, tag: str) -> tuple[str, ...]:
    for other in wanted:
        if other not in parent.languages:
            raise UsageError(
                f"--rehearse {other}: the parent was not trained on it",
                nearest(other, list(parent.languages)),
            )
    whole = dict.fromkeys((*wanted, *(("en",) if "en" in parent.languages else ())))
    return tuple(other for other in whole if other != tag and picking.rehearsal(other, picking.held(other)))


def _tokens(minutes: float, taken: Mapping[str, Sequence[Holding]], shares: Mapping[str, float]) -> int:
    """What is trained in so many minutes, or less where a language's text would be read more often than it may.

    Args:
        minutes: on two processor cores.
        taken: the text of each language.
        shares: of the training text, by language.
    """
    most = minutes * 60 * TOKENS_A_SECOND
    for tag, share in shares.items():
        size = sum(item.bytes(tag) for item in taken[tag])
        most = min(most, _PASSES * size / _BYTES_A_TOKEN / share)
    return max(1, int(most) // _BATCH) * _BATCH


def _made(
    picking: Picking, held: Mapping[str, tuple[str, ...]], minutes: float, *, own_sources: tuple[Holding, ...], own: tuple[str, ...],
    rehearsed: tuple[str, ...], watched: tuple[str, ...], chat: tuple[str, ...], pairs: tuple[str, ...] = (), chat_share: float = _CHAT_SHARE,
    notes: tuple[str, ...] = (), **given: Any,
) -> Choice:  # fmt: skip
    """Fill in what follows from the choice: names, sides, weights, budgets, licences."""
    by_name = {item.name: item for item in picking.found}
    taken: dict[str, list[Holding]] = {tag: list(own_sources) for tag in own}
    taken |= {tag: picking.rehearsal(tag, held.get(tag, ())) for tag in rehearsed}
    shares = {tag: 0.7 / len(own) if rehearsed else 1.0 / len(own) for tag in own}
    shares |= {tag: 0.3 / len(rehearsed) for tag in rehearsed}
    tokens = _tokens(minutes, taken, {tag: (1.0 - chat_share) * share for tag, share in shares.items()})
    spent = round(tokens / TOKENS_A_SECOND / 60, 1)
    if tokens + _BATCH < 0.9 * minutes * 60 * TOKENS_A_SECOND:
        notes += (
            f"There is text for {spent:g} minutes, not for {minutes:g}: more than {_PASSES:g} passes bring little (Muennighoff et al. 2023).",
        )
    for tag, names in held.items():
        taken.setdefault(tag, []).extend(by_name[name] for name in names if name in by_name)
    every = list(dict.fromkeys(item.name for items in taken.values() for item in items))
    sides = {
        tag: tuple(dict.fromkeys(item.name for item in items if item.kind == "parallel" and item.bytes(tag)))
        for tag, items in taken.items()
    }
    most = 2 * tokens * 3  # bytes: twice what the rehearsal of one language can use
    used = [by_name[name] for name in every] + [by_name[name] for name in (*chat, *pairs)]
    return Choice(
        sources=tuple(name for name in every if by_name[name].kind != "parallel"),
        sides={tag: names for tag, names in sides.items() if names},
        held_out={tag: names for tag, names in held.items() if names},
        weights={tag: round(share, 3) for tag, share in shares.items()},
        budgets=dict.fromkeys(rehearsed, most) | dict.fromkeys(watched, 0),
        licences=tuple(sorted({item.licence for item in used})),
        tokens=tokens,
        minutes=min(minutes, spent),
        chat_share=chat_share,
        notes=notes,
        own=own,
        rehearsed=rehearsed,
        watched=watched,
        chat=chat,
        pairs=pairs,
        **given,
    )
