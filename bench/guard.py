"""The guard beside others on held-out sets, and what it costs: counts and figures, never a text.

    RUMPUN_DATA=… python bench/guard.py [--guard DIR --encoder DIR] [--only quality|latency] [--json]

Quality: the recipe's `measure` sets, by set and language. Beside our guard:

    teacher   the frozen English encoder all-MiniLM-L6-v2 with a logistic head
    ngrams    a logistic head over hashed character n-grams alone
    keywords  the 200 most telling words of the English harmful rows (log odds), put into the other languages by
              recipes/encoder/lexicons: how many different ones a text has
    profanity alt-profanity-check, where it is installed (pip install alt-profanity-check)

The first two are fitted, and the words chosen, on the very rows that the recipe fits. Each of the four gets its threshold from the rows
that the recipe keeps for it, with the promises of the point `balanced`; our guard has its own. multijail has harmful rows alone:
its languages are ranked against the prompts of recipes/guard/prompts that were never fitted (thresholds were chosen on
them, ranking was not), as the set `multijail + prompts`. Ordinary and sensitive prompts flagged in all eleven
languages are those same rows (`prompts`), in sight of the thresholds of all alike.

Latency: one text of about 20, 50, 100 and 500 tokens at a time on one thread, language and policy included; texts a second in batches
of 64 on two threads; the most memory of a process that loads the guard and checks 100 texts. `load` says how many processes
wanted a core: figures of a loaded machine are no figures.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumpun.encoder import Encoder
from rumpun.errors import RumpunError
from rumpun.guard.fit import Settings, fit_heads, paired
from rumpun.guard.guard import Guard
from rumpun.guard.heads import ANY
from rumpun.guard.held_out import figures
from rumpun.guard.judgement import POINTS, Point
from rumpun.guard.normalise import normalised
from rumpun.guard.rows import Row, read_prompts
from rumpun.guard.thresholds import choose
from rumpun.guard.train import GuardParams, recipe_rows
from rumpun.guard.windows import windows
from rumpun.language.ngrams import hashed
from rumpun.language.tables import WORKING
from rumpun.recipes import build, read_recipe
from rumpun.records.places import source_data

ROOT = Path(__file__).resolve().parent.parent
PROMPTS = ROOT / "recipes/guard/prompts"
POINT: Point = "balanced"
WORDS = 200  # of the keyword list
TOKENS = (20, 50, 100, 500)
Floats = npt.NDArray[np.float32]
Score = Callable[[Sequence[Row]], Floats]  # rows -> 0 to 1, higher is worse
Bare = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something that scores texts."""

    name: str
    score: Score
    thresholds: dict[str, float]  # language (or ANY) -> least score that is flagged


def ours(guard: Guard) -> Contestant:
    """Our guard at its own thresholds."""

    def score(rows: Sequence[Row]) -> Floats:
        logits, _ = guard.logits([row.text for row in rows])
        return np.stack([guard.heads.probabilities(logits[n], row.language)[0] for n, row in enumerate(rows)])

    table = guard.heads.spec.thresholds[POINT]["harm"]
    return Contestant("guard", score, {language: second for language, (_, second) in table.items()})


def with_thresholds(name: str, score: Score, kept: Sequence[Row], params: GuardParams) -> Contestant:
    """Another one, with thresholds as ours are chosen."""
    safe = [row for row in kept if not row.unsafe]
    table = choose({"harm": score(safe)}, safe, {point: params.promises[point] for point in POINTS})[POINT][
        "harm"
    ]
    return Contestant(name, score, {language: second for language, (_, second) in table.items()})


def head(fit: Sequence[Row], embed: Bare, params: GuardParams, ngram_size: float) -> Score:
    """A logistic head fitted as ours is."""
    settings = Settings(
        buckets=params.buckets if ngram_size else 2, lengths=params.ngram_lengths, ngram_size=ngram_size,
        regularisation=params.regularisation, category_regularisation=1, category_rows_min=len(fit) + 1,
    )  # fmt: skip
    fitted = fit_heads(fit, embed, settings, 0, lambda _: None)

    def score(rows: Sequence[Row]) -> Floats:
        texts = [windows(normalised(row.text))[0] for row in rows]
        counts = hashed(texts, buckets=settings.buckets, lengths=settings.lengths).normalised()
        logits = (embed(texts) @ fitted.dense + counts.dot(fitted.ngrams) + fitted.bias)[:, 0]
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)

    return score


def keywords(fit: Sequence[Row], folders: Sequence[str]) -> Score:
    """How many words of the list a text has, as a share of the list."""
    from rumpun.guard.train import lexicon

    count: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for row in fit:
        if row.language == "en" and not row.augmented:
            count[row.unsafe].update(set(re.findall(r"[a-z]{3,}", row.text.lower())))
    rows = {side: sum(row.language == "en" and row.unsafe == side for row in fit) for side in (True, False)}
    odds = {
        word: np.log((hits + 0.5) / (rows[True] + 1)) - np.log((count[False][word] + 0.5) / (rows[False] + 1))
        for word, hits in count[True].items()
        if hits >= 5
    }
    telling = sorted(odds, key=lambda word: -odds[word])[:WORDS]
    known = lexicon(folders, [tag for tag in WORKING if tag != "en"])
    lists: dict[str, list[str]] = {"en": telling}
    for language, words in known.items():
        lists[language] = sorted({other.lower() for word in telling for other in words.get(word, ())})
    patterns = {language: [pattern(word) for word in words if word] for language, words in lists.items()}

    def score(rows: Sequence[Row]) -> Floats:
        found = []
        for row in rows:
            small = row.text.lower()
            both = [*patterns.get(row.language, ()), *(patterns["en"] if row.language != "en" else ())]
            found.append(sum(bool(one.search(small)) for one in both) / WORDS)
        return np.array(found, np.float32)

    return score


def pattern(word: str) -> "re.Pattern[str]":
    """A whole word where words stand apart, else the letters anywhere."""
    return re.compile(
        rf"\b{re.escape(word)}\b" if re.fullmatch(r"[\w' -]+", word) and word < "\u0900" else re.escape(word)
    )


def contestants(guard: Guard, params: GuardParams, seed: int) -> Iterator[Contestant]:
    """Those that can be measured here."""
    read = recipe_rows(params, source_data(), seed)[0].rows
    fit = paired([row for row in read if row.use == "fit"])
    kept = [row for row in read if row.use == "threshold" and row.role == "prompt"]
    yield ours(guard)

    def teacher() -> Score:
        from rumpun.encoder.teacher import Teacher

        return head(fit, Teacher.load().vectors, params, 0.0)

    def profanity() -> Score:
        from profanity_check import predict_prob

        return lambda rows: np.asarray(predict_prob([row.text for row in rows]), np.float32)

    makers = {
        "teacher": teacher,
        "ngrams": lambda: head(fit, lambda texts: np.zeros((len(texts), 1), np.float32), params, 1.0),
        "keywords": lambda: keywords(fit, params.lexicons),
        "profanity": profanity,
    }
    for name, make in makers.items():
        try:
            one = with_thresholds(name, make(), kept, params)
        except (RumpunError, ImportError) as error:
            sys.stderr.write(f"{name} is left out: {error}\n")
        else:
            yield one


def held_out(params: GuardParams, seed: int) -> dict[tuple[str, str], list[Row]]:
    """(set, language) -> rows: the sets that are only measured, and prompts that were never fitted."""
    prompts = [replace(row, use="measure") for row in read_prompts(PROMPTS).rows if row.use == "threshold"]
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    measured = recipe_rows(params, source_data(), seed)[1].rows
    for row in (*measured, *prompts):
        found[row.source, row.language].append(row)
    return found


def quality(guard: Guard, params: GuardParams, seed: int) -> dict[str, Any]:
    """Contestant by contestant, an entry for each set and language."""
    sets = held_out(params, seed)
    single = [row for rows in sets.values() for row in rows]
    places = {id(row): n for n, row in enumerate(single)}
    for language in sorted({language for name, language in sets if name == "multijail"}):
        if safe := sets.get(("prompts", language)):
            sets["multijail + prompts", language] = [*sets["multijail", language], *safe]
        if safe := [row for name in params.ordinary for row in sets.get((name, language), ())]:
            sets["multijail + ordinary texts", language] = [*sets["multijail", language], *safe]
    found: dict[str, Any] = {}
    for one in contestants(guard, params, seed):
        scores = one.score(single)
        found[one.name] = []
        for (name, language), rows in sorted(sets.items()):
            least = one.thresholds.get(language, one.thresholds[ANY])
            told = figures(scores[[places[id(row)] for row in rows]], rows, {POINT: least})
            found[one.name].append({"set": name, "language": language} | told)
    return found


def sample(encoder: Encoder, tokens: int, count: int) -> list[str]:
    """Texts of about so many tokens, out of ordinary prompts of all languages."""
    texts: list[str] = []
    for tag in WORKING:
        own = [row.text for row in read_prompts(PROMPTS).rows if row.language == tag]
        size, part = 0, ""
        for text, length in zip(own, encoder.tokens(own), strict=True):
            room = (tokens - size) / (length - 2)
            part += f" {text[: max(1, int(len(text) * min(1.0, room)))]}"
            size += min(length - 2, tokens - size)
            if size >= tokens:
                texts.append(part.strip())
                size, part = 0, ""
    order = np.random.default_rng(7).permutation(len(texts))
    return [texts[n] for n in order[:count]]


def latency(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds, texts a second, megabytes."""
    one = Encoder.load(options.encoder, threads=1)
    guard = Guard.load(options.guard, encoder=one)
    found: dict[str, Any] = {"milliseconds": {}}
    for tokens in TOKENS:
        texts = sample(one, tokens, options.texts)
        for text in texts[:5]:
            guard.check([text])
        spent = []
        for text in texts:
            start = time.perf_counter()
            guard.check([text])
            spent.append(1e3 * (time.perf_counter() - start))
        p50, p99 = np.percentile(spent, [50, 99])
        found["milliseconds"][tokens] = {
            "texts": len(texts), "tokens": round(float(np.mean(one.tokens(texts))), 1),
            "p50": round(float(p50), 2), "p99": round(float(p99), 2),
        }  # fmt: skip
    two = Guard.load(options.guard, encoder=Encoder.load(options.encoder, threads=2))
    texts = [row.text for row in read_prompts(PROMPTS).rows][: 4 * options.texts]
    start = time.perf_counter()
    for at in range(0, len(texts), 64):
        two.check(texts[at : at + 64])
    found["texts_a_second"] = round(len(texts) / (time.perf_counter() - start), 1)
    found["megabytes"] = memory(options)
    return found


_CHILD = """
import sys
from pathlib import Path
from rumpun.guard.guard import Guard
folder, encoder, *texts = sys.argv[1:]
Guard.load(folder or None, encoder=encoder or None).check(texts)
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def memory(options: argparse.Namespace) -> float:
    """The most memory that a process of its own held: guard loaded, 100 texts checked at once."""
    texts = [row.text for row in read_prompts(PROMPTS).rows][::20][:100]
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(options.guard or ""), str(options.encoder or ""), *texts],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return round(int(done.stdout) / 1024, 1)


def table(found: dict[str, Any]) -> list[str]:
    """A line for each contestant, set and language."""
    lines = [f"load {found['load']}"]
    for tokens, told in found.get("latency", {}).get("milliseconds", {}).items():
        lines.append(
            f"{tokens:>4} tokens  p50 {told['p50']:.2f} ms  p99 {told['p99']:.2f} ms  {told['texts']} texts"
        )
    if "latency" in found:
        told = found["latency"]
        lines.append(f"{told['texts_a_second']} texts/s on two threads, {told['megabytes']} MB at most")
    for name, entries in found.get("quality", {}).items():
        for entry in entries:
            cells = [
                f"{label} {entry[key]['figure']:.3f} [{entry[key]['low']:.3f}, {entry[key]['high']:.3f}]"
                for key, label in (("auprc", "AUPRC"), ("recall_at_0.01", "R@1%"), ("recall_at_0.05", "R@5%"))
                if key in entry
            ]
            cells += [
                f"{key} {entry[POINT][key]['share']:.3f} of {entry[POINT][key]['rows']}"
                for key in ("recall", "ordinary", "sensitive")
                if key in entry[POINT]
            ]
            lines.append(f"{name:9} {entry['set']:20} {entry['language']:4} {'  '.join(cells)}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--guard", type=Path, help="a guard's folder (default: ours)")
    parser.add_argument("--encoder", type=Path, help="the encoder it was fitted with (default: ours)")
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes/guard/run.toml")
    parser.add_argument("--only", choices=("quality", "latency"))
    parser.add_argument("--texts", type=int, default=200, help="texts of each length, at most")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for name in ("guard", "encoder", "recipe"):
        if path := getattr(options, name):
            setattr(options, name, path.resolve())
    os.chdir(ROOT)  # the recipe names folders of the checkout
    found: dict[str, Any] = {"load": round(os.getloadavg()[0], 1)}
    try:
        if options.only != "latency":
            recipe = read_recipe(options.recipe)
            params = build(GuardParams, recipe.steps[0].params, str(options.recipe))
            guard = Guard.load(options.guard, encoder=options.encoder)
            found["quality"] = quality(guard, params, recipe.seed)
        if options.only != "quality":
            found["latency"] = latency(options)
    except RumpunError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    print(json.dumps(found) if options.json else "\n".join(table(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
