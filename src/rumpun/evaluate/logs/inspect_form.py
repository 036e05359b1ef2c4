"""A sample of Inspect's log <-> a sample of ours; the header of a log <-> models and cells.

`to_theirs` gives a valid sample of Inspect; what a log says beyond it is kept by `kept.beyond`. Scores in letters are
numbers as Inspect takes them: C 1, P 0.5, I and N 0; what is no number is no score, never a zero.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rumpun.evaluate.logs.tally import UNKNOWN, Tally, cell, figure, language_of
from rumpun.evaluate.records import Cell, Figure, ModelInfo, Sample, Scores, Status

__all__ = [
    "ATTACHMENT",
    "NEEDED",
    "SAMPLE_FIELDS",
    "from_theirs",
    "scores_of",
    "summary_of",
    "to_theirs",
    "without_end",
]

# of a sample that is too large to be read whole
NEEDED = frozenset(
    (
        "id", "epoch", "input", "choices", "target", "output", "scores", "metadata", "error", "limit", "model_usage",
        "started_at", "completed_at", "total_time", "working_time", "uuid",
    )
)  # fmt: skip
SAMPLE_FIELDS = NEEDED | frozenset(
    (
        "attachments", "messages", "store", "events", "description", "sandbox", "files", "setup", "timelines", "role_usage", "model_fallbacks", "invalidation",
        "error_retries", "events_data", "turn_count", "token_limit", "token_limit_type", "token_limit_usage",
        "message_limit", "time_limit", "score", "transcript",
    )
)  # fmt: skip
ATTACHMENT = "attachment://"
_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_CUT = ("max_tokens", "model_length")
_SHORT = 1024  # characters that a summary keeps of a text


def from_theirs(theirs: Mapping[str, Any], task: str, model: str, languages: Mapping[str, str]) -> Sample:
    """The sample without what is kept beside it; every field of theirs may be missing or of an odd kind."""
    output = _object(theirs.get("output"))
    scores, parsed, first, no_answer = _scores(_object(theirs.get("scores")))
    error = theirs.get("error")
    choices = theirs.get("choices")
    epoch = theirs.get("epoch")
    return Sample(
        task=task,
        language=language_of(task, _object(theirs.get("metadata")).get("language"), languages),
        id=str(theirs.get("id", "")),
        model=model,
        run=epoch - 1 if type(epoch) is int and epoch > 0 else 0,
        method="generate",
        prompt=_prompt(theirs.get("input"), theirs.get("attachments")),
        options=_strings(choices) or [],
        tokens=_tokens(output),
        answer=_answer(output),
        parsed=parsed,
        gold=_gold(theirs.get("target")),
        scores=scores,
        score=first,
        status=_status(output, error, theirs.get("limit"), no_answer=no_answer),
        error=str(_object(error).get("message", error)) if error else "",
    )


def to_theirs(sample: Sample, epoch: int) -> dict[str, Any]:
    """The fields that Inspect writes for each sample, as far as ours gives them."""
    turns: list[dict[str, Any]] = (
        [{"content": sample.prompt, "source": "input", "role": "user"}]
        if isinstance(sample.prompt, str)
        else [dict(turn) for turn in sample.prompt]
    )
    reply = {"content": sample.answer or "", "source": "generate", "role": "assistant"}
    stop = {"ok": "stop", "no answer found": "stop", "truncated": "max_tokens"}.get(sample.status, "unknown")
    answered = sample.answer is not None
    output: dict[str, Any] = {
        "model": sample.model,
        "choices": [{"message": reply, "stop_reason": stop}] if answered else [],
        "completion": sample.answer or "",
    }
    usage = {}
    if len(sample.tokens) == 2:
        read, written = sample.tokens
        usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
        output["usage"] = usage
    found: dict[str, Any] = {
        "id": sample.id,
        "epoch": epoch,
        "input": sample.prompt if isinstance(sample.prompt, str) else turns,
        "choices": sample.options,
        "target": sample.gold,
        "messages": [*turns, *([reply] if answered else [])],
        "output": output,
        "scores": {
            name: {"value": value, "answer": sample.parsed, "explanation": sample.answer, "history": []}
            for name, value in sample.scores.items()
        },
        "metadata": {} if sample.language == UNKNOWN else {"language": sample.language},
        "store": {},
        "events": [],
        "model_usage": {sample.model: usage} if usage else {},
        "attachments": {},
    }
    if not sample.options:
        del found["choices"]
    if sample.error:
        found["error"] = {"message": sample.error, "traceback": "", "traceback_ansi": ""}
    return found


def summary_of(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """What Inspect lists of a sample without opening it, texts cut short; from the NEEDED fields alone."""
    names = ("id", "epoch", "input", "choices", "target", "metadata", "scores", "model_usage")
    found = {name: theirs[name] for name in names if name in theirs}
    found["input"] = _short(found.get("input"))
    found["metadata"] = {
        key: _short(value)
        for key, value in _object(found.get("metadata")).items()
        if not isinstance(value, (dict, list))
    }
    found["scores"] = {
        name: {key: _short(value) for key, value in _object(score).items()}
        for name, score in _object(found.get("scores")).items()
    }
    for name in ("started_at", "completed_at", "total_time", "working_time", "uuid"):
        if theirs.get(name) is not None:
            found[name] = theirs[name]
    if error := theirs.get("error"):
        found["error"] = str(_object(error).get("message", error))
    if limit := theirs.get("limit"):
        found["limit"] = str(_object(limit).get("type", limit))
    return found | {"completed": True}


def scores_of(
    logs: Sequence[tuple[Mapping[str, Any], Tally, Mapping[str, Any]]], languages: Mapping[str, str]
) -> Scores:
    """What logs say of a run: the header of each, what was counted of its samples, and what is kept of it."""
    models: dict[str, ModelInfo] = {}
    for header, _, _ in logs:
        name = str(header["eval"].get("model") or "")
        place = str(header["eval"].get("model_base_url") or "")
        models.setdefault(name, ModelInfo(name=name, engine="inspect", place=place))
    return Scores(
        suite="inspect",
        models=list(models.values()),
        cells=[_cell(header, tally, languages) for header, tally, _ in logs],
        made={"inspect": {"logs": [kept for _, _, kept in logs]}},
    )


def without_end(header: Mapping[str, Any], samples: int) -> str:
    """That a log did not come to its end, and how many samples of how many it has; empty where it did."""
    status = header.get("status")
    if status == "success":
        return ""
    spec = _object(header.get("eval"))
    planned = _object(spec.get("dataset")).get("samples")
    epochs = _object(spec.get("config")).get("epochs") or 1
    of = f" of {planned * epochs}" if type(planned) is type(epochs) is int else ""
    return (
        f"{'unfinished' if status == 'started' else f'ended as {status!r}'}: {samples}{of} samples are in it"
    )


def _cell(header: Mapping[str, Any], tally: Tally, languages: Mapping[str, str]) -> Cell:
    """A log's results; figures that are no numbers are left out and named in the notes."""
    spec = _object(header.get("eval"))
    task = str(spec.get("task") or "")
    told = _object(spec.get("metadata")).get("language")
    results = _object(header.get("results"))
    scores = results.get("scores")
    listed = [one for one in scores if isinstance(one, dict)] if isinstance(scores, list) else []
    metrics: dict[str, Figure] = {}
    notes = []
    if unfinished := without_end(header, tally.samples):
        notes.append(unfinished)
    for score in listed:
        own = _object(score.get("metrics"))
        error = _finite(_object(own.get("stderr")).get("value"))
        for name, metric in own.items():
            value = _finite(_object(metric).get("value"))
            label = _label(score, name, alone=len(listed) == 1)
            if value is None:
                notes.append(f"{label}: no value")
            elif name != "stderr" or len(own) == 1:
                metrics[label] = figure(value, error if name in ("accuracy", "mean") else None)
    return cell(
        task, language_of(task, told, languages), str(spec.get("model") or ""), tally,
        metrics=metrics, metric=next(iter(metrics), ""), notes=notes,
    )  # fmt: skip


def _label(score: Mapping[str, Any], metric: str, *, alone: bool) -> str:
    if alone:
        return metric
    reducer = f"[{score['reducer']}]" if score.get("reducer") else ""
    return f"{score.get('name')}{reducer}/{metric}"


def _finite(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:  # an integer past every double
        return None
    return number if math.isfinite(number) else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str] | None:
    return value if isinstance(value, list) and all(isinstance(one, str) for one in value) else None


def _short(value: Any) -> Any:
    return f"{value[:_SHORT]}…" if isinstance(value, str) and len(value) > _SHORT else value


def _prompt(value: Any, attachments: Any) -> str | list[dict[str, str]]:
    if isinstance(value, str):
        return _text(value, attachments)
    if not isinstance(value, list):
        return ""
    return [
        {"role": str(turn.get("role", "")), "content": _text(turn.get("content"), attachments)}
        for turn in value
        if isinstance(turn, dict)
    ]


def _text(content: Any, attachments: Any) -> str:
    """A turn's text; of content in parts the texts, and other kinds by name."""
    if isinstance(content, str):
        if content.startswith(ATTACHMENT):
            return str(_object(attachments).get(content.removeprefix(ATTACHMENT), content))
        return content
    parts: Sequence[Any] = content if isinstance(content, list) else []
    return "\n".join(
        _text(part.get("text"), attachments) if part.get("type") == "text" else f"[{part.get('type')}]"
        for part in parts
        if isinstance(part, dict)
    )


def _tokens(output: Mapping[str, Any]) -> list[int]:
    usage = _object(output.get("usage"))
    found = [usage.get("input_tokens"), usage.get("output_tokens")]
    return found if all(type(count) is int for count in found) else []  # type: ignore[return-value]


def _answer(output: Mapping[str, Any]) -> str | None:
    completion = output.get("completion")
    choices = output.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(completion, str) and (completion or first is not None):
        return completion
    return _text(_object(_object(first).get("message")).get("content"), None) if first is not None else None


def _gold(target: Any) -> str | list[str]:
    if isinstance(target, str):
        return target
    listed = _strings(target)
    return listed if listed is not None else "" if target is None else msgspec.json.encode(target).decode()


def _scores(theirs: Mapping[str, Any]) -> tuple[dict[str, float], str | None, float | None, bool]:
    """Numbers by scorer; the first scorer's answer and number; whether that one found no answer."""
    values: dict[str, Any] = {}
    for name, score in theirs.items():
        value = _object(score).get("value")
        values |= (
            {f"{name}/{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
        )
    numbers = {name: _number(value) for name, value in values.items()}
    first = _object(next(iter(theirs.values()), None))
    answer = first.get("answer")
    return (
        {name: number for name, number in numbers.items() if number is not None},
        answer if isinstance(answer, str) else None,
        next(iter(numbers.values()), None),
        first.get("value") == "N",
    )


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        if value in _LETTERS or value.lower() in _LETTERS:
            return _LETTERS.get(value, _LETTERS.get(value.lower()))
        try:
            value = float(value)
        except ValueError:
            return None
    return _finite(value)


def _status(output: Mapping[str, Any], error: Any, limit: Any, *, no_answer: bool) -> Status:
    choices = output.get("choices")
    first = _object(choices[0]) if isinstance(choices, list) and choices else {}
    if error or output.get("error"):
        return "error"
    if limit or first.get("stop_reason") in _CUT:
        return "truncated"
    return "no answer found" if no_answer else "ok"
