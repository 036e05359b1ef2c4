"""What an engine said about an item -> a sample with its scores; what failed is marked and has none."""

import math
from collections.abc import Sequence
from typing import Any

from msgspec import structs

from rumpun.engines.port import Generation, Score
from rumpun.evaluate.answers import Read, read_choice, read_label, read_text
from rumpun.evaluate.ask import Failed
from rumpun.evaluate.ifeval import ifeval
from rumpun.evaluate.instructions import judge
from rumpun.evaluate.items import Item
from rumpun.evaluate.prompts import prompts
from rumpun.evaluate.questions import Question, label_words
from rumpun.evaluate.records import Sample, Status
from rumpun.evaluate.refusing import answered
from rumpun.evaluate.tasks import Task
from rumpun.evaluate.text_metrics import chrf, exact, rouge_l, token_f1

__all__ = ["by_likelihood", "by_text", "metric_of", "rules_kept", "text_scores"]

# family -> the metric that goes up; each sample has it among its scores
_METRIC = {
    "choice": "accuracy", "label": "accuracy", "pairs": "accuracy", "text": "token_f1", "instructions": "accuracy",
    "answerable": "answered", "harmful": "refused", "turns": "criteria_met", "parallel": "tokens_against_english",
    "bits": "bits_per_byte", "tokens": "tokens_per_character",
}  # fmt: skip


def metric_of(one: Task) -> str:
    """The metric of a task that goes up."""
    if one.prompt == "summary":
        return "rouge_l"
    return "chrf" if one.translates else _METRIC[one.family]


def by_likelihood(
    one: Task, question: Question, said: Sequence[Score | Failed], model: str, key: str
) -> Sample:
    """A sample of what could follow, each with its log-probability.

    Options of different lengths are compared by nats a byte (a short one is likelier whatever it says); labels, letters
    and the two sentences of a pair by nats. `accuracy_sum` is the other way. The first of equals is taken.
    """
    item = question.item
    common: dict[str, Any] = {
        "task": one.name, "language": item.language, "id": item.id, "model": model, "method": question.method,
        "prompt": question.prompt, "options": list(question.values), "gold": item.right, "group": item.group,
        "template": question.template, "key": key,
    }  # fmt: skip
    if failed := next((each for each in said if isinstance(each, Failed)), None):
        return Sample(**common, status="error", error=failed.why)
    scores = [each for each in said if isinstance(each, Score)]
    nats = [each.logprob for each in scores]
    per_byte = [n / max(1, len(f.encode())) for n, f in zip(nats, question.follows, strict=True)]
    if not all(map(math.isfinite, nats)):
        return Sample(**common, status="error", error="a log-probability that is no finite number")
    by_bytes = one.family == "choice" and question.method == "likelihood"
    values = question.values
    right = values.index(item.right)
    chosen = _first_best(per_byte if by_bytes else nats)
    own = {"accuracy": float(chosen == right)}
    if by_bytes:
        own["accuracy_sum"] = float(_first_best(nats) == right)
    return Sample(
        **common, logprobs=nats, tokens=[each.tokens for each in scores], parsed=values[chosen], scores=own,
        score=own["accuracy"],
    )  # fmt: skip


def _first_best(values: Sequence[float]) -> int:
    return max(range(len(values)), key=lambda place: (values[place], -place))


def by_text(
    one: Task,
    question: Question,
    said: Generation | Failed,
    model: str,
    key: str,
    *,
    run: int,
    seed: int | None,
) -> Sample:
    """A sample of an answer in words; texts beside references are scored by `text_scores`, all at once."""
    item = question.item
    chosen = bool(question.shown or question.values)
    common: dict[str, Any] = {
        "task": one.name, "language": item.language, "id": item.id, "model": model, "method": question.method, "run": run,
        "prompt": [{"role": m.role, "content": m.content} for m in question.messages] or question.prompt,
        "options": list(question.shown or question.values), "group": item.group, "template": question.template,
        "key": key, "seed": seed, "gold": item.right if chosen or isinstance(item.gold, int) else list(item.gold),
    }  # fmt: skip
    if isinstance(said, Failed):
        return Sample(**common, status="error", error=said.why)
    common |= {"answer": said.text, "tokens": [said.usage.prompt_tokens, said.usage.completion_tokens]}
    cut: Status = "truncated" if said.finish == "length" else "ok"
    if one.family == "instructions":
        own = rules_kept(item, said.text)
        return Sample(**common, scores=own, score=own["accuracy"], status=cut)
    if one.family == "answerable":
        own = answered(said.text, item.language)
        said_ = cut if own or cut != "ok" else "no answer found"
        return Sample(**common, scores=own, score=own.get("answered"), status=said_)
    read = _read(one, question, said.text)
    if read.value is None:
        # an answer that was cut off may have been under way to one: it is told apart from one that says nothing
        lost = {} if one.family == "text" else {"accuracy": 0.0}
        return Sample(
            **common,
            scores=lost,
            score=lost.get("accuracy"),
            status=cut if cut != "ok" else "no answer found",
        )
    parsed = question.shown[read.value] if isinstance(read.value, int) else read.value
    if one.family == "text":
        return Sample(**common, parsed=parsed, status=cut)
    right = float(parsed == item.right)
    return Sample(**common, parsed=parsed, scores={"accuracy": right}, score=right)


def rules_kept(item: Item, answer: str) -> dict[str, float]:
    """Rule -> 1 where an answer keeps it; `accuracy` is of all of them, `accuracy_loose` of IFEval's milder reading."""
    if "instruction_id_list" in item.more:
        kept = ifeval(answer, item.more["instruction_id_list"], item.more["kwargs"])
        return {"accuracy": float(all(kept.strict)), "accuracy_loose": float(all(kept.loose))}
    rules = judge(answer, item.more["rules"], item.language)
    return {"accuracy": float(all(rules.values()))} | {name: float(kept) for name, kept in rules.items()}


def _read(one: Task, question: Question, text: str) -> Read:
    own = prompts(question.asked_in)
    tags = tuple(dict.fromkeys((*question.tags, *own.tags)))
    if question.shown:
        return read_choice(
            text, options=question.shown, letters=own.letters[: len(question.shown)], tags=tags
        )
    if one.family == "label":
        return read_label(text, labels=label_words(question, one), tags=tags)
    return read_text(text, tags=tags)


def text_scores(one: Task, language: str, samples: Sequence[Sample]) -> list[Sample]:
    """Samples of texts, each with its scores beside the references; nothing said scores 0, an error has none."""
    places = [n for n, sample in enumerate(samples) if sample.status != "error"]
    if not places:
        return list(samples)
    said = [samples[n].parsed or "" for n in places]
    meant = [list(samples[n].gold) for n in places]
    target = one.answered_in(language)
    found = (
        [chrf(said, meant, target)]
        if one.translates
        else [rouge_l(said, meant, target), chrf(said, meant, target)]
        if one.summarises
        else [token_f1(said, meant, target), exact(said, meant, target), rouge_l(said, meant, target)]
    )
    done = list(samples)
    for row, n in enumerate(places):
        own = {metric.name: float(metric.values[row]) for metric in found}
        done[n] = structs.replace(samples[n], scores=own, score=own[metric_of(one)])
    return done
