"""Lines of lm-eval's samples files <-> a sample of ours; its results file <-> cells.

lm-eval writes one line for a document and filter; the lines of one document are one sample of ours, whose scores are named
`metric`, or `metric,filter` where the filter is not `none`.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rumpun.evaluate.logs.tally import UNKNOWN, Tally, cell, figure, language_of
from rumpun.evaluate.records import Cell, Figure, ModelInfo, Sample, Scores

__all__ = [
    "HASHES",
    "LINE_FIELDS",
    "doc_hash",
    "from_lines",
    "hashes",
    "metric_names",
    "model_name",
    "output_type",
    "sanitised",
    "scores_of",
    "tasks_of",
    "to_line",
    "wrong_hashes",
]

LINE_FIELDS = frozenset(
    (
        "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash",
        "prompt_hash", "target_hash",
    )
)  # fmt: skip
HASHES = ("doc_hash", "prompt_hash", "target_hash")  # a task's hash is that of these, line after line
_LIKELIHOOD = ("loglikelihood", "loglikelihood_rolling", "multiple_choice")
_INVALID = "[invalid]"  # what its filters write where they find no answer
_NOT_METRICS = ("name", "alias", "sample_len", "sample_count", "samples")


def _sha256(text: str) -> str:
    """Of a text in UTF-8; half a character counts as it would be written by a lenient writer."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def doc_hash(doc: Any) -> str:
    """Of a document: its JSON with two spaces of indentation, keys in their order."""
    text = json.dumps(doc, ensure_ascii=False)
    try:
        # ten times as quick as indenting while it is written; digits stay as Python writes them
        return hashlib.sha256(msgspec.json.format(text.encode(), indent=2)).hexdigest()
    except (msgspec.DecodeError, UnicodeEncodeError):  # NaN, or half a character
        return _sha256(json.dumps(doc, ensure_ascii=False, indent=2))


def sanitised(model: str) -> str:
    """A model's name as a folder's."""
    return re.sub(r"[\"<>:/|\\?*\[\]]+", "__", model)


def hashes(line: Mapping[str, Any]) -> dict[str, str]:
    """The three hashes that a line should have; without those whose text it does not have."""
    found = {}
    if "doc" in line:
        found["doc_hash"] = doc_hash(line["doc"])
    first = _requests(line)[:1]
    if first and isinstance(first[0].get("arg_0"), str):
        found["prompt_hash"] = _sha256(first[0]["arg_0"])
    if isinstance(line.get("target"), str):
        found["target_hash"] = _sha256(line["target"])
    return found


def wrong_hashes(line: Mapping[str, Any]) -> list[str]:
    """Names of the hashes that do not fit their line."""
    return [name for name, value in hashes(line).items() if name in line and line[name] != value]


def to_line(sample: Sample, doc_id: int) -> dict[str, Any]:
    """A sample as the line that lm-eval would write for the filter `none`, but for its hashes."""
    prompt = sample.prompt if isinstance(sample.prompt, str) else _compact(sample.prompt)
    requests: list[dict[str, Any]]
    if sample.method == "likelihood":
        requests = [{"arg_0": prompt, "arg_1": option} for option in sample.options or [""]]
        filtered: list[Any] = [[str(value), "None"] for value in sample.logprobs]
        answers: list[Any] = [[one] for one in filtered]
    else:
        requests = [{"arg_0": prompt, "arg_1": {}}]
        answers = [["" if sample.answer is None else sample.answer]]
        filtered = [sample.parsed if sample.parsed is not None else answers[0][0]]
        if sample.status == "no answer found":
            filtered = [_INVALID]
    scores = {
        name: value for name, value in sample.scores.items() if name not in LINE_FIELDS and "," not in name
    }
    doc = {"id": sample.id}
    if sample.language != UNKNOWN:
        doc["language"] = sample.language
    line: dict[str, Any] = {
        "doc_id": doc_id,
        "doc": doc,
        "target": sample.gold if isinstance(sample.gold, str) else str(sample.gold),
        "arguments": {f"gen_args_{number}": request for number, request in enumerate(requests)},
        "resps": answers,
        "filtered_resps": filtered,
        "filter": "none",
        "metrics": list(scores),
    }
    return {**line, **scores}


def from_lines(
    lines: Sequence[Mapping[str, Any]], task: str, model: str, kind: Any, languages: Mapping[str, str]
) -> Sample:
    """One document's lines, without what is kept beside them; `kind` is the task's `output_type`."""
    line = lines[0]
    requests, answers = _requests(line), line.get("resps")
    answers = answers if isinstance(answers, list) else []
    doc = line.get("doc")
    prompt = requests[0].get("arg_0") if requests else ""
    likelihood = kind in _LIKELIHOOD if isinstance(kind, str) else _is_pair(_first(_first(answers)))
    fields: dict[str, Any] = {}
    if likelihood:
        fields["options"] = [one["arg_1"] for one in requests if isinstance(one.get("arg_1"), str)]
        found = [_logprob(_first(one)) for one in answers]
        fields["logprobs"] = [value for value in found if value is not None]
        if fields["options"] == [""] and len(requests) == 1:
            fields["options"] = []
        fields["parsed"] = _likeliest(fields["options"], fields["logprobs"])
    else:
        answer, parsed = _first(_first(answers)), _first(line.get("filtered_resps"))
        fields["answer"] = answer if isinstance(answer, str) else None
        fields["parsed"] = parsed if isinstance(parsed, str) and parsed != _INVALID else None
        fields["status"] = "no answer found" if parsed == _INVALID else "ok"
    scores: dict[str, float] = {}
    first: float | None = None
    for number, one in enumerate(lines):
        for place, name in enumerate(metric_names(one)):
            value = _number(one.get(name))
            if number == place == 0:
                first = value
            if value is not None:
                scores[_scoped(name, one.get("filter"))] = value
    target = line.get("target")
    return Sample(
        task=task,
        language=language_of(task, doc.get("language") if isinstance(doc, dict) else None, languages),
        id=str(line.get("doc_id", "")),
        model=model,
        method="likelihood" if likelihood else "generate",
        prompt=_turns(prompt) if isinstance(prompt, str) else _compact(prompt),
        gold=_gold(target, fields.get("options", [])),
        scores=scores,
        score=first,
        **fields,
    )


def _likeliest(options: Sequence[str], logprobs: Sequence[float]) -> str | None:
    """The option that `acc` counts: that of the greatest log-probability; None where not every one has one."""
    if not options or len(options) != len(logprobs):
        return None
    return options[max(range(len(options)), key=logprobs.__getitem__)]


def _gold(target: Any, options: Sequence[str]) -> str:
    """The right answer; of options the one that it is but for white space, else the one whose number it is."""
    said = target if isinstance(target, str) else "" if target is None else _compact(target)
    same = next((option for option in options if option.strip() == said.strip()), None)
    if same is None and re.fullmatch(r"\d{1,3}", said) and int(said) < len(options):
        return options[int(said)]
    return said if same is None else same


def metric_names(line: Mapping[str, Any]) -> list[str]:
    """The metrics that a line says it has."""
    names = line.get("metrics")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def model_name(results: Mapping[str, Any]) -> str:
    """The model that a results file names."""
    config = results.get("config")
    told = config.get("model") if isinstance(config, dict) else None
    return str(results.get("model_name") or told or "")


def output_type(results: Mapping[str, Any], task: str) -> Any:
    """What a task asks a model for, where the results say it."""
    configs = results.get("configs")
    own = configs.get(task) if isinstance(configs, dict) else None
    return own.get("output_type") if isinstance(own, dict) else None


def tasks_of(results: Mapping[str, Any]) -> list[str]:
    """The tasks of a results file, without the groups that tasks are pooled in."""
    groups = {name for name, members in _object(results.get("group_subtasks")).items() if members}
    return [task for task in _object(results.get("results")) if task not in groups]


def _cell(
    task: str, results: Mapping[str, Any], model: str, tally: Tally, languages: Mapping[str, str]
) -> Cell:
    """A task's results; the metric is the first that goes up."""
    own = _object(_object(results.get("results")).get(task))
    better = _object(_object(results.get("higher_is_better")).get(task))
    metrics: dict[str, Figure] = {}
    notes = []
    up = ""
    for key, value in own.items():
        name, _, filtered = key.partition(",")
        if key in _NOT_METRICS or not filtered or name.endswith("_stderr"):
            continue
        label = _scoped(name, filtered)
        if (number := _number(value)) is None:
            notes.append(f"{label}: no value")
            continue
        error = own.get(f"{name}_stderr,{filtered}")
        metrics[label] = figure(number, _number(error))
        if not up and better.get(name) is not False:
            up = label
    if metrics and not up:
        up = next(iter(metrics))
        notes.append(f"{up}: lower is better")
    return cell(
        task, language_of(task, None, languages), model, tally, metrics=metrics, metric=up, notes=notes
    )


def scores_of(
    runs: Sequence[tuple[Mapping[str, Any], Mapping[str, Tally], Mapping[str, Any]]],
    languages: Mapping[str, str],
) -> Scores:
    """What results files say of a run: each one plain, what was counted of its tasks' samples, and what is kept of it."""
    models: dict[str, ModelInfo] = {}
    cells = []
    for results, tallies, _ in runs:
        name = model_name(results)
        length = results.get("max_length")
        models.setdefault(
            name,
            ModelInfo(
                name=name,
                engine=str(results.get("model_source") or "lm-eval"),
                context_tokens=length if type(length) is int and length > 0 else 0,
            ),
        )
        cells += [_cell(task, results, name, tally, languages) for task, tally in tallies.items()]
    return Scores(
        suite="lm-eval",
        models=list(models.values()),
        cells=cells,
        made={"lm_eval": {"runs": [kept for _, _, kept in runs]}},
    )


def _scoped(metric: str, filtered: Any) -> str:
    return metric if filtered == "none" else f"{metric},{filtered}"


def _requests(line: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in _object(line.get("arguments")).values() if isinstance(one, dict)]


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _is_pair(value: Any) -> bool:
    """Whether an answer is a log-probability and whether it was the likeliest."""
    return isinstance(value, list) and len(value) == 2 and value[1] in ("True", "False", "None", True, False)


def _logprob(answer: Any) -> float | None:
    return _number(answer[0] if isinstance(answer, list) and answer else answer)


def _number(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _compact(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _turns(prompt: str) -> str | list[dict[str, str]]:
    """A chat is put to an interface as the JSON text of its turns."""
    if prompt.startswith('[{"'):
        try:
            return msgspec.json.decode(prompt, type=list[dict[str, str]])
        except (msgspec.DecodeError, RecursionError):
            return prompt
    return prompt
