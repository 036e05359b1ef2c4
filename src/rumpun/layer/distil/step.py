"""The step `layer.distil`: prompts and a teacher to a corpus of the teacher's answers, which `layer.tune` learns.

Writes `chat.jsonl` in the form of a corpus's: beside the usual keys a row has "teacher" and "prompt_source", and its source is
`teacher-<name>`. `dropped.jsonl` names each answer that was left out, and why, without its text.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from rumpun.engines.load import open_engine, resolve
from rumpun.engines.port import Engine
from rumpun.errors import InputError, UsageError
from rumpun.layer.base import base_sha256
from rumpun.layer.distil.ask import Answer, Ask, answers, kept_file
from rumpun.layer.distil.filters import Guard, languages_of, refused
from rumpun.layer.distil.params import DistilParams
from rumpun.layer.distil.prompts import find_prompts
from rumpun.layer.distil.teacher import Teacher, find_teacher
from rumpun.layer.prefer.rows import Turn, lines, write_rows
from rumpun.layer.prefer.rules import Answered, joined_licences
from rumpun.records.artefacts import SourceEntry, sha256_file
from rumpun.steps import Outcome, Work, step

__all__ = ["distil"]

_JUDGED_TOGETHER = 32


def _facts(params: DistilParams) -> dict[str, Any]:
    """The hashes of the teacher, where it is no address, and of the prompts' files."""
    found = resolve(params.teacher)
    teacher = "" if found.kind == "url" else base_sha256(found.path)
    return {"teacher": teacher, "prompts": [sha256_file(Path(name).expanduser()) for name in params.prompts]}


@step(kind="corpus", version=1, identity=_facts)
def distil(params: DistilParams, work: Work) -> Outcome:
    """Ask a teacher; inputs: a corpus whose chat prompts are asked and whose chat rows go on, if the recipe has one."""
    teacher = find_teacher(params.teacher, params.teacher_licence, work.progress)
    corpus = next((item.folder for item in work.inputs if item.manifest.kind == "corpus"), None)
    dropped: Counter[str] = Counter()
    prompts, sources = find_prompts(params, corpus, work.seed, dropped)
    asks = {Ask(prompt.messages, n): prompt for n in range(params.answers_per_prompt) for prompt in prompts}
    engine = _open(teacher, params, work)
    try:
        name = getattr(engine, "model", teacher.source.name)  # an address serves one model of several
        given, fresh = answers(
            list(asks),
            engine,
            kept_file(teacher, name, params, work.seed),
            params,
            work.seed,
            progress=work.progress,
        )
    finally:
        engine.close()
    dropped["budget spent"] += len(asks) - len(given)
    reasons = _reasons(given, asks, params)
    rows, seen = [], set()
    left: list[dict[str, Any]] = []
    for ask, answer in given.items():
        why = reasons[ask] or ("said before" if (ask.identity, answer.text.strip()) in seen else "")
        if why:
            dropped[why] += 1
            left.append({"ask": ask.identity, "n": ask.n, "language": asks[ask].language, "why": why})
        else:
            seen.add((ask.identity, answer.text.strip()))
            rows.append(_row(asks[ask], answer, teacher.source, name))
    if not rows:
        raise InputError(
            f"{params.teacher}: none of its {len(given)} answers was kept"
            f" ({'; '.join(f'{n} {why}' for why, n in dropped.items() if n)})",
            "ask for longer answers, loosen the filters, or name another teacher",
        )
    own = _own_chat(corpus) if params.keep_chat and corpus is not None else []
    write_rows(work.folder / "chat.jsonl", [*own, *rows])
    write_rows(work.folder / "dropped.jsonl", left)
    said = Counter(row["language"] for row in rows)
    spent = sum(answer.tokens for answer in given.values())
    return Outcome(
        sources=(*sources, _taught(teacher, rows)),
        languages=tuple(sorted({row["language"] for row in rows})),
        summary={
            "teacher": name,
            "prompts": len(prompts),
            "answers": len(given),
            "answers_now": fresh,
            "answered_tokens": spent,
            "kept": len(rows),
            "chat_rows_beside": len(own),
            "chat": {
                "read": len(given) + len(own),
                "train": len(rows) + len(own),
                "held_out": 0,
                "dropped": {why: count for why, count in sorted(dropped.items()) if count},
            },
            "languages": {tag: {"chat_rows": count} for tag, count in sorted(said.items())},
            "guard": params.guard_url,
        },
    )


def _open(teacher: Teacher, params: DistilParams, work: Work) -> Engine:
    if not params.teacher_model:
        return open_engine(teacher.found, progress=work.progress)
    if teacher.found.kind != "url":
        raise UsageError(
            f"teacher_model = '{params.teacher_model}', and {params.teacher} is no address",
            "leave teacher_model out",
        )
    from rumpun.engines.http import OpenAICompatible

    found = OpenAICompatible(teacher.found.place, name=teacher.found.name, model=params.teacher_model)
    return cast("Engine", found)


def _reasons(given: dict[Ask, Answer], asks: dict[Ask, Answered], params: DistilParams) -> dict[Ask, str]:
    """Why each answer is left out, or an empty string."""
    asked = list(given)
    spoken = languages_of([given[ask].text for ask in asked])
    before = languages_of(
        [asks[ask].answer for ask in asked]
    )  # a request to translate wants another language
    found = {}
    for ask, language, reference in zip(asked, spoken, before, strict=True):
        wanted = frozenset({asks[ask].language, reference} - {"und"}) if params.own_language else frozenset()
        found[ask] = refused(
            given[ask].text, given[ask].finish, language, wanted=wanted, least=params.min_characters,
            repeated_most=params.repeated_share_max,
        )  # fmt: skip
    if params.guard_url:
        guard = Guard(params.guard_url)
        try:
            open_ = [ask for ask in asked if not found[ask]]
            for at in range(0, len(open_), _JUDGED_TOGETHER):
                some = open_[at : at + _JUDGED_TOGETHER]
                for ask, flagged in zip(some, guard.flagged([given[ask].text for ask in some]), strict=True):
                    found[ask] = "flagged by the guard" if flagged else ""
        finally:
            guard.close()
    return found


def _row(prompt: Answered, answer: Answer, teacher: SourceEntry, name: str) -> dict[str, Any]:
    turns = [*prompt.messages, Turn(role="assistant", content=answer.text.strip())]
    return {
        "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
        "language": prompt.language,
        "source": f"teacher-{teacher.name}",
        "licence": joined_licences(prompt.licence, teacher.licence),
        "teacher": name,
        "prompt_source": prompt.source,
    }


def _taught(teacher: Teacher, rows: Sequence[dict[str, Any]]) -> SourceEntry:
    entry = teacher.source
    return SourceEntry(
        name=f"teacher-{entry.name}", licence=entry.licence, url=entry.url, sha256=entry.sha256, rows=len(rows),
        bytes=sum(len(row["messages"][-1]["content"].encode()) for row in rows), role="teacher",
    )  # fmt: skip


def _own_chat(corpus: Path) -> list[dict[str, Any]]:
    path = corpus / "chat.jsonl"
    return [json.loads(line) for _, line in lines(path)] if path.is_file() else []
