"""The process that `bench.measure` starts: load one GGUF, time it, print one JSON line."""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from rumpun.errors import MissingPartError, RumpunError

__all__ = ["main"]


def _run(path: Path, counts: dict[str, Any]) -> dict[str, Any]:
    from rumpun.edge.bench import SLACK_TOKENS, measure_engine
    from rumpun.engines.llamacpp import LlamaCpp
    from rumpun.engines.llamacpp_memory import cores

    threads = counts["threads"] or cores()
    context = counts["prompt_tokens"] + counts["decode_tokens"] + SLACK_TOKENS
    started = time.perf_counter()
    engine = LlamaCpp(path, name=path.stem, context_tokens=context, threads=threads, slots=1)
    loaded = time.perf_counter() - started
    try:
        found = measure_engine(
            engine,
            prompt_tokens=counts["prompt_tokens"],
            decode_tokens=counts["decode_tokens"],
            runs=counts["runs"],
        )
    finally:
        engine.close()
    return {
        "threads": threads,
        "runs": counts["runs"],
        "load_seconds": round(loaded, 3),
        "resident_bytes": _peak_bytes(),
        **found,
    }


def _peak_bytes() -> int:
    """The most memory this process has held; Linux lets the older figure of getrusage pass from parent to child."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Arguments: the file, and the counts as JSON."""
    try:
        answer = _run(Path(sys.argv[1]), json.loads(sys.argv[2]))
    except RumpunError as error:
        answer = {"error": error.message, "hint": error.hint, "kind": type(error).__name__}
        if isinstance(error, MissingPartError):
            answer["parts"] = error.parts
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
