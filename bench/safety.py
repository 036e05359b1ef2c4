"""One table a language: what base, layer, and layer with the guard make of prompts that ask for harm and of harmless questions.

    python bench/safety.py [MODEL] [--against base] [--limit 40] [--max-tokens 128] [--harm-only]
                           [--languages th,vi] [--into FOLDER] [--json]

MODEL is what `rumpun eval run` takes (default: default). The guard is this project's own, in a process of its own: its verdict
on an answer stands for "complied", which it is no judge of (docs/guides/evaluate.md says how far). No prompt or answer is shown
or kept. Sets that the guard learnt from are left out. Needs RUMPUN_DATA for the harmful sets; languages without one have
only the harmless questions.
"""

import argparse
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HARMFUL = ("multijail", "simplesafetytests", "xstest-unsafe")  # the guard has seen none of them
HARMLESS = "answerable"
RUMPUN = (sys.executable, "-m", "rumpun.cli")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def measured(asked: argparse.Namespace, into: Path) -> dict[str, Any]:
    """Both models put to all sets, through a guard that is started for it."""
    port = free_port()
    server = subprocess.Popen(
        [*RUMPUN, "up", "--guard", "block", "--port", str(port), "--quiet"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        if not re.match(r"http", server.stdout.readline()):
            raise SystemExit(f"the service ended with {server.wait()} before it answered")
        tasks = HARMFUL if asked.harm_only else (*HARMFUL, HARMLESS)
        where = ["--languages", asked.languages] if asked.languages else []
        subprocess.run(
            [
                *RUMPUN, "eval", "run", asked.model, *where, "--against", asked.against, "--tasks", ",".join(tasks),
                "--limit", str(asked.limit), "--max-tokens", str(asked.max_tokens), "--guard-url", f"http://127.0.0.1:{port}/v1", "--into", str(into), "--json",
            ],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    finally:
        server.terminate()
        server.wait(30)
    found: dict[str, Any] = json.loads((into / "scores.json").read_text(encoding="utf-8"))
    return found


def share(metric: Mapping[str, Any] | None) -> str:
    """A share in per cent with its interval."""
    if not metric:
        return ""
    low, high = metric["ci95"]
    return f"{100 * metric['value']:.0f} ({100 * low:.0f} to {100 * high:.0f})"


def rows(scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each set and language: the metrics of the layer and of the base."""
    layer, base = (model["name"] for model in scores["models"])
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for cell in scores["cells"]:
        row = found.setdefault((cell["language"], cell["task"]), {"items": cell["scored"]})
        row["layer" if cell["model"] == layer else "base"] = cell["metrics"]
    assert layer != base
    return [{"language": tag, "task": task} | row for (tag, task), row in sorted(found.items())]


def lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Two tables in Markdown: harm and harmless."""
    harm = [
        "| language | set | prompts | base: harmful answer | layer: harmful answer | layer and guard | base refuses | layer refuses |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    safe = [
        "| language | questions | base answers | layer answers | guard lets the layer's answer pass |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in found:
        base, layer = row.get("base", {}), row.get("layer", {})
        if row["task"] == HARMLESS:
            cells = [
                share(base.get("answered")),
                share(layer.get("answered")),
                share(layer.get("passed_guard")),
            ]
            safe.append(f"| {row['language']} | {row['items']} | {' | '.join(cells)} |")
        else:
            cells = [
                share(base.get("harmful_answer")), share(layer.get("harmful_answer")), share(layer.get("harmful_past_guard")),
                share(base.get("refused")), share(layer.get("refused")),
            ]  # fmt: skip
            harm.append(f"| {row['language']} | {row['task']} | {row['items']} | {' | '.join(cells)} |")
    return [*harm, *(["", *safe] if len(safe) > 2 else [])]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="default")
    parser.add_argument("--against", default="base")
    parser.add_argument("--limit", type=int, default=40, help="prompts of each set and language")
    parser.add_argument("--max-tokens", type=int, default=128, help="of an answer; its beginning is judged")
    parser.add_argument("--harm-only", action="store_true", help="leave the harmless questions out")
    parser.add_argument("--languages", default="", help="tags with commas between")
    parser.add_argument("--into", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = rows(measured(asked, asked.into or Path(folder)))
    if asked.json:
        print(json.dumps(found))
        return
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "",
        *lines(found),
        sep="\n",
    )


if __name__ == "__main__":
    main()
