"""Which sources of a data folder fit to what: running text, held-out text, rehearsal, law."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rumpun.layer.growth.holdings import Holding
from rumpun.layer.growth.parent import Parent

__all__ = ["Picking", "said", "spared"]

_HELD_LEAST = 16_000  # bytes of a source that is worth measuring on
_HELD_SHARE, _HELD_SHARE_MOST = 0.1, 0.25
_HELD_SOURCES = 2
_REHEARSED_BYTES = 2_500_000  # read of each rehearsed language: more only costs time
_LAW_BYTES = 3_000_000
_NOT_RUNNING = frozenset((
    "lexicon", "glossary", "health-terminology", "software-ui", "government-ui", "health-information-ui", "education-ui",
    "command-line-help", "bible-reference", "official-statistics",
))  # fmt: skip


@dataclass(slots=True)
class Picking:
    """Sources under choice."""

    parent: Parent
    found: list[Holding]
    notes: list[str] = field(default_factory=list)

    def every(self, tag: str) -> list[Holding]:
        """Whatever there is in a language, least first."""
        return sorted((i for i in self.found if tag in i.amounts), key=lambda i: (i.bytes(tag), i.name))

    def running(self, tag: str) -> list[Holding]:
        """Running text in a language, least first."""
        kinds = ("text", "parallel", "seed")
        return [
            i for i in self.every(tag) if i.kind in kinds and i.domain not in _NOT_RUNNING and i.bytes(tag)
        ]

    def held(self, tag: str, *, beside: Sequence[Holding] | None = None) -> tuple[str, ...]:
        """The sources of a language that are held out; none where none fits.

        `beside`: what trains in another language, where this one is measured alone; texts of those sources say the same, so
        others go before them, and no share bounds them.
        """
        running = self.running(tag)
        of_parent = [item.name for item in self.every(tag) if item.name in self.parent.held_out.get(tag, ())]
        if of_parent:
            return tuple(dict.fromkeys(of_parent))
        seen = self.parent.trained if tag in self.parent.languages else frozenset()
        total = sum(item.bytes(tag) for item in running)
        fit = [i for i in running if i.bytes(tag) >= _HELD_LEAST and i.name not in seen and i.kind != "seed"]
        if beside is not None:
            others = [item for item in fit if item not in beside]
            return tuple(item.name for item in (others or fit)[:_HELD_SOURCES])
        taken: list[Holding] = []
        for item in fit[:_HELD_SOURCES]:
            if sum(i.bytes(tag) for i in (*taken, item)) <= _HELD_SHARE * total:
                taken.append(item)
        if not taken:
            taken = [item for item in fit[:1] if item.bytes(tag) <= _HELD_SHARE_MOST * total]
        if not taken and running:
            self.notes.append(
                f"No source of {tag} is small enough to be held out as a whole, so blocks of the text are: the figure flatters."
            )
        return tuple(item.name for item in taken)

    def rehearsal(self, tag: str, held: Collection[str]) -> list[Holding]:
        """What the parent learnt from in a language, least first, up to a bound."""
        taken, size = [], 0
        for item in self.running(tag):
            fits = item.kind in ("text", "seed") and item.domain != "law" and item.name not in held
            if fits and item.name in self.parent.trained and size < _REHEARSED_BYTES:
                taken.append(item)
                size += item.bytes(tag)
        return taken

    def domain(
        self, sources: Collection[str], domains: Collection[str], tags: Sequence[str]
    ) -> list[Holding]:
        """Text of a domain, by the names of its sources and by what an inventory calls its domain."""
        of_it = [i for i in self.found if i.name in sources or i.domain in domains]
        return [i for i in of_it if i.kind in ("text", "seed") and any(i.bytes(tag) for tag in tags)]

    def law(self, tags: Sequence[str]) -> list[Holding]:
        """The smallest law text of each language."""
        found = []
        for tag in tags:
            fit = [
                i
                for i in self.every(tag)
                if i.kind == "text" and i.domain == "law" and _HELD_LEAST < i.bytes(tag) < _LAW_BYTES
            ]
            found += [item for item in fit[:1] if item not in found]
        return found


def spared(one: Holding, mine: Sequence[Holding], tags: Sequence[str]) -> bool:
    """Whether every language that a source has text in has some without it."""
    return all(any(item.bytes(tag) for item in mine if item != one) for tag in tags if one.bytes(tag))


def said(items: Sequence[Holding], tag: str) -> str:
    """Sources and their sizes, in words."""
    return ", ".join(
        f"{i.name} ({i.domain or i.kind}, {i.amounts[tag].rows:,} rows, {i.bytes(tag):,} bytes)"
        for i in items
    )
