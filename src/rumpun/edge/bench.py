"""Speed and memory of a GGUF on this machine, measured through the engine that serves it.

The model is loaded in a process of its own, so that its memory can be told from everything else and a file that brings
the runtime down brings down nothing more. Each run has a prompt that no earlier run had, so nothing comes from a cache.
"""

import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec

from rumpun.engines.port import Engine, Request
from rumpun.errors import EnvironmentFault, InputError, MissingPartError, RumpunError, UsageError

__all__ = ["SLACK_TOKENS", "Bench", "measure", "measure_engine"]

_TIMEOUT_S = 600
# tokens beside those asked for: one that starts a text, one that the clock starts with, a character in several pieces
SLACK_TOKENS = 8
# a passage in several scripts, written for this purpose; repeated until the prompt is long enough
_PASSAGE = (
    "The bamboo by the river was planted long ago. Bambu di tepi sungai ditanam sejak lama. "
    "ต้นไผ่ริมแม่น้ำปลูกไว้นานแล้ว Tre bên sông được trồng từ lâu. "
)


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What one GGUF does on this machine; speeds are medians over the runs."""

    file: str
    size_bytes: int
    quantisation: str
    threads: int
    runs: int
    load_seconds: float
    prompt_tokens: int  # of each run's prompt
    prompt_tokens_per_second: float
    decode_tokens: int  # generated in each run, at most
    decode_tokens_per_second: float
    resident_bytes: int  # the process's peak: weights, context and the interpreter


def measure(
    path: Path,
    *,
    prompt_tokens: int = 256,
    decode_tokens: int = 64,
    runs: int = 3,
    threads: int | None = None,
) -> Bench:
    """Load a GGUF in a process of its own and time it.

    Raises:
        UsageError: a count below 1, or a prompt that does not fit into the model's context.
        InputError: the file is missing, truncated or foreign, or the runtime refuses it.
        MissingPartError: the runtime is not installed.
        EnvironmentFault: no result within ten minutes.
    """
    from rumpun.weights.gguf_file import describe

    counts = {
        "prompt_tokens": prompt_tokens,
        "decode_tokens": decode_tokens,
        "runs": runs,
        "threads": threads,
    }
    for name, count in counts.items():
        if count is not None and count < 1:
            raise UsageError(f"{name} = {count}", "expected 1 or more")
    about = describe(path)
    if about.context_tokens and prompt_tokens + decode_tokens + SLACK_TOKENS > about.context_tokens:
        raise UsageError(
            f"{prompt_tokens} + {decode_tokens} tokens, the context of {path} is {about.context_tokens}",
            f"ask for {about.context_tokens - SLACK_TOKENS} in all, or fewer",
        )
    found = _in_child([str(path.absolute()), json.dumps(counts)], path)
    return msgspec.convert(
        {**found, "file": str(path), "size_bytes": about.size, "quantisation": about.quantisation}, Bench
    )


def _in_child(arguments: Sequence[str], path: Path) -> dict[str, object]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rumpun.edge.child", *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFault(
            f"{path}: no result within {_TIMEOUT_S} s", "ask for fewer tokens, or a smaller file"
        ) from error
    last = done.stdout.strip().rpartition("\n")[2]
    try:
        answer = msgspec.json.decode(last, type=dict[str, object])
    except msgspec.DecodeError as error:
        words = done.stderr.strip().rpartition("\n")[2][-200:] or f"exit code {done.returncode}"
        raise InputError(
            f"{path}: the runtime ended without a result ({words})",
            "try the file with another version of the runtime",
        ) from error
    if "error" in answer:
        raise _raised(answer)
    return answer


def _raised(answer: dict[str, object]) -> RumpunError:
    """The error that the other process met, as it was there."""
    message, hint = str(answer["error"]), str(answer["hint"])
    if "parts" in answer:
        return MissingPartError("measuring speed", *map(str, cast("list[str]", answer["parts"])))
    kinds = {"UsageError": UsageError, "EnvironmentFault": EnvironmentFault}
    return kinds.get(str(answer["kind"]), InputError)(message, hint)


def measure_engine(engine: Engine, *, prompt_tokens: int, decode_tokens: int, runs: int) -> dict[str, float]:
    """Time an engine that is loaded: tokens per second of prompt and of generation, medians over the runs."""
    prompts = [_prompt(engine, prompt_tokens, run) for run in range(runs + 1)]
    timed = [_timed(engine, prompt, decode_tokens) for prompt in prompts][1:]  # the first warms caches up
    return {
        "prompt_tokens": round(statistics.median(run[0] for run in timed)),
        "prompt_tokens_per_second": round(statistics.median(run[1] for run in timed), 1),
        "decode_tokens": round(statistics.median(run[2] for run in timed)),
        "decode_tokens_per_second": round(statistics.median(run[3] for run in timed), 1),
    }


def _prompt(engine: Engine, tokens: int, run: int) -> str:
    """A text of so many tokens, or a character's pieces more, that starts like no other run's."""
    text = f"{run * 7919}: "
    for word in itertools.cycle(_PASSAGE.split(" ")):
        if engine.count_tokens([text])[0] >= tokens:
            break
        text += word + " "
    while len(text) > 1 and engine.count_tokens([text[:-1]])[0] >= tokens:
        text = text[:-1]
    return text


def _timed(engine: Engine, prompt: str, decode_tokens: int) -> tuple[float, float, float, float]:
    started = time.perf_counter()
    first = 0.0
    usage = None
    for chunk in engine.stream(Request(prompt=prompt, max_tokens=decode_tokens + 1, temperature=0.0)):
        first = first or time.perf_counter()
        usage = chunk.usage or usage
    ended = time.perf_counter()
    if usage is None:
        raise InputError("the engine said nothing of tokens used", "use an engine that reports usage")
    # the first token comes with the prompt's work; what follows is generation alone
    after = max(usage.completion_tokens - 1, 0)
    speed = after / (ended - first) if after and ended > first else 0.0
    return (
        usage.prompt_tokens,
        usage.prompt_tokens / max(first - started, 1e-9),
        usage.completion_tokens,
        speed,
    )
