"""Write requirements/<part>.txt: pinned, hashed, without addresses, one resolution for every part.

Run by `make lock`. Needs uv. torch's entry keeps the hashes of CPU builds alone: the `+cpu` files that the
configured indexes and folders offer, and the builds for systems that have no CUDA build (macOS, Windows).
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = (
    "build",
    "runtime",
    "corpus",
    "segment",
    "seahelm",
    "score",
    "icu",
    "cluster",
    "eval",
    "train",
    "tests",
)
TORCH = "2.13.0"
CUDA_ONLY = re.compile(r"^(nvidia-|cuda-|triton\b)")
OTHER_SYSTEMS = ("macosx_14_0_arm64", "win_amd64")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
HEADER = (
    "# Locked by scripts/lock.py from {part}.in; do not edit. Hashes pin every file; no addresses are kept.\n"
)


def compile_lock(source: Path, target: Path, *extra: str) -> None:
    """Resolve `source` for every system and Python the package supports."""
    links = os.environ.get("PIP_FIND_LINKS", "")
    command = ["uv", "pip", "compile", "-q", "--universal", "--python-version", "3.11", "--generate-hashes",
               "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header", *extra]  # fmt: skip
    for link in links.split():
        command += ["--find-links", link]
    subprocess.run([*command, str(source), "-o", str(target)], check=True)


def entries(text: str) -> list[str]:
    """Split a lock into its requirements, each with its hash lines."""
    return [part for part in re.split(r"(?m)^(?=[A-Za-z0-9])", text) if part.strip()]


def torch_hashes(locked: list[str]) -> list[str]:
    """Hashes of the CPU builds in reach, never a CUDA one."""
    found = {
        h
        for e in locked
        if e.startswith(f"torch=={TORCH}+cpu")
        for h in re.findall(r"sha256:([0-9a-f]{64})", e)
    }
    for system in OTHER_SYSTEMS:
        for python in PYTHONS:
            with tempfile.TemporaryDirectory() as folder:
                answer = subprocess.run(
                    [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps", "--report", "-",
                     "--only-binary=:all:", "--platform", system, "--python-version", python, "--target", folder,
                     f"torch=={TORCH}"],
                    capture_output=True, text=True, check=False)  # fmt: skip
            if answer.returncode == 0:
                for item in json.loads(answer.stdout)["install"]:
                    found.add(item["download_info"]["archive_info"]["hashes"]["sha256"])
    return sorted(found)


def main() -> None:
    """Lock the union once, then each part under it."""
    with tempfile.TemporaryDirectory() as folder:
        union = Path(folder) / "union.in"
        union.write_text("".join((ROOT / f"requirements/{p}.in").read_text() for p in PARTS))
        constraint = Path(folder) / "union.txt"
        compile_lock(union, constraint)
        hashes = torch_hashes(entries(constraint.read_text()))
        for part in PARTS:
            target = Path(folder) / f"{part}.txt"
            compile_lock(ROOT / f"requirements/{part}.in", target, "--constraint", str(constraint))
            kept = [
                e
                for e in entries(target.read_text())
                if not CUDA_ONLY.match(e) and not e.startswith("torch==")
            ]
            if any(e.startswith("torch==") for e in entries(target.read_text())):
                kept.append(
                    f"torch=={TORCH} \\\n" + " \\\n".join(f"    --hash=sha256:{h}" for h in hashes) + "\n"
                )
            (ROOT / f"requirements/{part}.txt").write_text(HEADER.format(part=part) + "".join(sorted(kept)))


if __name__ == "__main__":
    main()
