"""Every benchmark of the project, one after another; each prints its own table.

python bench/all.py [NAME …]
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ORDER = (
    "startup",
    "engine_speed",
    "service_speed",
    "stream_delay",
    "train_speed",
    "quantisation",
    "merge",
    "vocabulary",
    "what_is_trained",
    "offspring",
    "safety",
    "shipped",
    "run_stages",
    "bits_per_byte",
    "cold_start",
    "identify",
    "identify_mixed",
    "normalise",
    "robustness",
    "guard",
    "personal",
    "encoder",
    "personal_disguises",
    "readers",
    "corpus_engine",
    "filters",
    "dedup",
    "trace",
    "corpus_growth",
    "corpus_whole",
    "evaluate_speed",
    "inspect_log",
)


def main() -> int:
    """Run the named benchmarks, or all of them."""
    names = sys.argv[1:] or list(ORDER)
    unknown = [name for name in names if not (FOLDER / f"{name}.py").is_file()]
    if unknown:
        sys.stderr.write(f"no benchmark is called {unknown[0]}; known: {', '.join(ORDER)}\n")
        return 2
    failed = 0
    for name in names:
        print(f"== {name}", flush=True)
        failed |= subprocess.run([sys.executable, str(FOLDER / f"{name}.py")], check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
