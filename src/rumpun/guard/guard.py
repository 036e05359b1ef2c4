"""The guard: texts -> verdicts, by heads over the encoder and n-grams, rules of words, and a policy.

`Guard.judge` says what the models see, `Guard.check` what a policy makes of it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rumpun.encoder import Encoder
from rumpun.encoder.encoder import EncoderSpec
from rumpun.errors import InputError, UsageError, nearest
from rumpun.guard.exchange import Exchange
from rumpun.guard.heads import GuardHeads, read_heads
from rumpun.guard.judgement import POINTS, ROLES, Judgement, Level, Point, Role
from rumpun.guard.normalise import views
from rumpun.guard.policy import Policy
from rumpun.guard.second import Second
from rumpun.guard.taxonomy import HARM, taxonomy
from rumpun.guard.verdict import Verdict
from rumpun.guard.windows import windows
from rumpun.guard.words import WordRules
from rumpun.language import identify_all
from rumpun.records.places import shipped_folder

__all__ = ["Checks", "Embeds", "Guard"]

_READ_MOST = 48  # windows of one text that the encoder reads: what a million characters cost is bounded by it
_SPREAD = 16  # of them, those taken evenly over the text; the others are those that the n-grams find worst
_SURE = 0.6  # of the identifier, for a language's own thresholds
_DISTRESS, _UNSURE_BESIDE = "selfharm_risk", ("hate", "harassment", "crime_general")
_LOOKED_AT = 2000  # code points that the language is told by
Floats = npt.NDArray[np.float32]


class Embeds(Protocol):
    """What the guard asks of an encoder."""

    @property
    def spec(self) -> EncoderSpec:
        """What its files are."""
        ...

    @property
    def folder(self) -> Path:
        """Where they lie."""
        ...

    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit vectors [texts, width]."""
        ...


class Checks(Protocol):
    """Whatever gives verdicts: the guard, or a stand-in for tests."""

    def check(self, items: Sequence[str | Exchange], role: Role = "prompt") -> list[Verdict]:
        """One verdict for each item."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """A guard that is loaded; thread-safe, since it only reads. Make one with `Guard.load`."""

    heads: GuardHeads
    encoder: Embeds
    words: WordRules
    policy: Policy
    point: Point
    folder: Path
    second: Second | None = None  # judges the texts that the heads are unsure of

    @classmethod
    def load(
        cls,
        path: Path | str | None = None,
        *,
        encoder: Embeds | Path | str | None = None,
        policy: Policy | str = "base",
        point: Point = "balanced",
        second: Second | None = None,
    ) -> "Guard":
        """Read a guard's folder and its encoder's, by default those that are shipped.

        Args:
            path: the guard's folder.
            encoder: the encoder it was fitted with, or its folder.
            policy: that decides where `check` is given none: a policy's name or file; "base" judges harm alone.
            point: the operating point.
            second: a judge for the texts that the heads are unsure of.

        Raises:
            InputError: a file is missing, damaged, or the encoder is another than the guard was fitted with.
            MissingPartError: onnxruntime or tokenizers is not installed.
            UsageError: an unknown policy or point.
        """
        if point not in POINTS:
            raise UsageError(f"point = {point!r}", nearest(str(point), list(POINTS)))
        folder = Path(path) if path is not None else shipped_folder() / "guard"
        heads = read_heads(folder)
        loaded: Embeds = (
            Encoder.load(encoder) if encoder is None or isinstance(encoder, str | Path) else encoder
        )
        if loaded.spec.files["encoder.onnx"] != heads.spec.encoder:
            raise InputError(
                f"{folder / 'guard.json'}: fitted with encoder {heads.spec.encoder[:12]}…, {loaded.folder} is {loaded.spec.files['encoder.onnx'][:12]}…",
                "take guard and encoder from one release, or train the guard again: rumpun guard train",
            )
        chosen = policy if isinstance(policy, Policy) else Policy.load(policy)
        return cls(heads, loaded, WordRules.load(), chosen, point, folder, second)

    @property
    def name(self) -> str:
        """The guard's name."""
        return self.heads.spec.name

    @property
    def card(self) -> Path:
        """The guard's card, in Markdown."""
        return self.folder / "CARD.md"

    def with_policy(self, policy: Policy | str, point: Point | None = None) -> "Guard":
        """The same models under another policy or at another point."""
        chosen = policy if isinstance(policy, Policy) else Policy.load(policy)
        return replace(self, policy=chosen, point=point or self.point)

    def logits(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """(logits [texts, heads], share of its windows that was read [texts]).

        A head's logit is the largest over the text's views (as written, and with spelling tricks undone) and windows. A
        text of white space alone has the lowest logits there are.
        """
        owner: list[int] = []
        flat: list[str] = []
        share = np.ones(len(texts), np.float32)
        for n, text in enumerate(texts):
            parts = [part for view in views(text) if view.strip() for part in windows(view)]
            chosen = self._worth_reading(parts)
            share[n] = len(chosen) / len(parts) if parts else 1
            flat += chosen
            owner += [n] * len(chosen)
        found = np.full((len(texts), len(self.heads.spec.labels)), -30, np.float32)
        if flat:
            np.maximum.at(found, np.asarray(owner), self.heads.logits(flat, self.encoder.embed(flat)))
        return found, share

    def _worth_reading(self, parts: list[str]) -> list[str]:
        if len(parts) <= _READ_MOST:
            return parts
        worst = np.concatenate(
            [self.heads.ngram_logits(parts[at : at + 256])[:, 0] for at in range(0, len(parts), 256)]
        )
        places = {round(n * (len(parts) - 1) / (_SPREAD - 1)) for n in range(_SPREAD)}
        for place in np.argsort(-worst):
            if len(places) >= _READ_MOST:
                break
            places.add(int(place))
        return [parts[n] for n in sorted(places)]

    def judge(
        self,
        items: Sequence[str | Exchange],
        role: Role = "prompt",
        *,
        points: Mapping[str, Point] | None = None,
        point: Point | None = None,
    ) -> list[tuple[Judgement, float]]:
        """What the models say, with the share of each text that was read.

        Args:
            items: texts, or exchanges (whose own role counts).
            role: who wrote the texts.
            points: category -> its own operating point, where a policy moves it.
            point: the operating point of the others.

        Raises:
            UsageError: a role that is not known, or an item that is no text.
        """
        if role not in ROLES:
            raise UsageError(f"role = {role!r}", nearest(str(role), list(ROLES)))
        wanted = [_exchange(item, role, n) for n, item in enumerate(items)]
        viewed = [exchange.views() for exchange in wanted]
        logits, share = self.logits([text for views_ in viewed for text in views_])
        spoken = identify_all([exchange.text[:_LOOKED_AT] for exchange in wanted])
        seen, read, at = [], [], 0
        for exchange, texts, identified in zip(wanted, viewed, spoken, strict=True):
            end = at + len(texts)
            rules = self.words.levels(texts, exchange.role)
            # an answer that declines is not made harmful by the prompt that it stands beside
            rows = logits[at : at + 1] if "refusal" in rules and exchange.role == "answer" else logits[at:end]
            sure = identified.probability >= _SURE and identified.language != "und"
            odds = self.heads.probabilities(rows.max(axis=0), identified.language if sure else "und")
            seen.append(_Seen(exchange, identified.language, sure, odds, rules))
            read.append(float(share[at:end].min()))
            at = end
        return [
            (self._judgement(one, asked, word, points or {}, point or self.point), part)
            for one, (asked, word), part in zip(
                seen, self._words(seen, (points or {}).get(HARM, point or self.point)), read, strict=True
            )
        ]

    def _words(self, seen: "Sequence[_Seen]", point: Point) -> list[tuple[bool, bool | None]]:
        """Whether the second stage is asked about each, and its word."""
        found: list[tuple[bool, bool | None]] = [(False, None)] * len(seen)
        if self.second is None:
            return found
        grey = [
            n
            for n, one in enumerate(seen)
            if self.second.asks(
                float(one.odds[0]),
                self.heads.threshold(HARM, one.spoken, point, one.exchange.role)[1],
            )
        ]
        words = self.second.judge.judge([seen[n].exchange for n in grey]) if grey else []
        for n, word in zip(grey, words, strict=True):
            found[n] = (True, word)
        return found

    def _judgement(
        self, seen: "_Seen", asked: bool, word: bool | None, points: Mapping[str, Point], point: Point
    ) -> Judgement:
        spec, role = self.heads.spec, seen.exchange.role
        named = {label: float(p) for label, p in zip(spec.labels, seen.odds, strict=True)}
        harm = named.pop(HARM)
        if self.second is not None and asked:
            harm = self.second.moved(harm, word)
        harm_level = self.heads.level(HARM, harm, seen.spoken, points.get(HARM, point), role)
        levels: dict[str, Level] = {}
        signals = {name for name, category in taxonomy().categories.items() if category.signal}
        for label, probability in named.items():
            own = self.heads.level(label, probability, seen.spoken, points.get(label, point), role)
            # a category tells which harm it is; whether there is any, the head for harm says
            levels[label] = own if label in signals else min(own, harm_level)
        if (
            _DISTRESS in seen.rules
        ):  # despair reads as contempt or crime to heads that never saw it: help must not yield to them
            for label in _UNSURE_BESIDE:
                if levels.get(label, 0) == 2:
                    levels[label] = 1
        for label, (level, _) in seen.rules.items():
            levels[label] = max(levels.get(label, 0), level)
        return Judgement(
            role=role, language=seen.language, sure=seen.sure, harm=harm, harm_level=harm_level,
            probabilities=named, levels=levels, rules={label: rule for label, (_, rule) in seen.rules.items()},
            asked=asked, second=word,
        )  # fmt: skip

    def check(
        self, items: Sequence[str | Exchange], role: Role = "prompt", *, contexts: Collection[str] = (),
        language: str | None = None,
    ) -> list[Verdict]:  # fmt: skip
        """One verdict for each item; many at once are cheaper than one by one.

        Args:
            items: texts, or exchanges of several turns.
            role: who wrote the texts.
            contexts: labels of the place, for the policy.
            language: of the messages; that of each text where it is None.

        Raises:
            UsageError: a role or a context that is not known, or an item that is no text.
        """
        judged = self.judge(items, role, points=self.policy.points)
        return [
            self.decided(judgement, contexts=contexts, language=language, read=share)
            for judgement, share in judged
        ]

    def decided(
        self,
        judgement: Judgement,
        *,
        contexts: Collection[str] = (),
        language: str | None = None,
        read: float = 1.0,
    ) -> Verdict:
        """The verdict that the guard's policy makes of a judgement."""
        decision = self.policy.decide(judgement, contexts=contexts, language=language)
        return Verdict(
            judgement=judgement, decision=decision, policy=self.policy.name, point=self.point, read=read
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What the first stage makes of one exchange."""

    exchange: Exchange
    language: str
    sure: bool
    odds: Floats  # [heads]
    rules: Mapping[str, tuple[Level, str]]

    @property
    def spoken(self) -> str:
        """The language whose own thresholds hold."""
        return self.language if self.sure else "und"


def _exchange(item: str | Exchange, role: Role, place: int) -> Exchange:
    if isinstance(item, Exchange):
        return item
    if not isinstance(item, str):
        raise UsageError(f"text {place}: a {type(item).__name__}", "expected a string")
    return Exchange(item, role)
