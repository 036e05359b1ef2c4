"""One table a language: what base, layer, and layer with the guard make of prompts that ask for harm and of harmless questions.

    python bench/safety.py [MODEL] [--against base] [--limit 40] [--max-tokens 128] [--harm-only]
                           [--languages th,vi] [--into FOLDER] [--json]

MODEL is what `rumpun eval run` takes (default: default). It is what the step `evaluate.safety` measures, for a model that no
recipe makes. No harmful prompt or answer is shown or kept. Needs RUMPUN_DATA for the harmful sets.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from rumpun.errors import RumpunError
from rumpun.evaluate.safety import SafetyParams, put_to
from rumpun.layer.harm import table_lines


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
    params = SafetyParams(
        languages=tuple(filter(None, asked.languages.split(","))), limit=asked.limit, max_tokens=asked.max_tokens,
        harmless=not asked.harm_only,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = put_to(asked.model, asked.against, params, into=asked.into or Path(folder) / "run")
        except RumpunError as error:
            sys.exit(str(error))
    if asked.json:
        print(json.dumps(found))
        return
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {len(os.sched_getaffinity(0))} cores\n")
    print(*table_lines(found), sep="\n")


if __name__ == "__main__":
    main()
