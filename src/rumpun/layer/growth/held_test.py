"""A small test out of held-out text: each item a sentence and the same with two neighbouring words swapped.

The swapped words differ and stand inside the sentence, so a model that has learnt the language's word order prefers the sentence as
it was written. It is made by a program and read by nobody: some swaps may be good sentences too.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

__all__ = ["FOLDER", "swapped_pairs", "write_test"]

FOLDER = "held-out-test"  # of a recipe's folder; a .gitignore in it keeps other people's sentences out of repositories
_WORDS = range(6, 26)


def swapped_pairs(
    texts: Iterable[str], language: str, source: str, licence: str, *, most: int = 48
) -> list[dict[str, str]]:
    """Items in the native layout, the same ones whenever the texts are the same; none where no text fits."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        words = text.split()
        key = hashlib.blake2b(f"{source}\n{text}".encode(), digest_size=6).hexdigest()
        if len(words) not in _WORDS or "\n" in text:
            continue
        places = [
            n
            for n in range(1, len(words) - 2)
            if words[n].isalpha() and words[n + 1].isalpha() and words[n] != words[n + 1]
        ]
        if not places:
            continue
        at = places[int(key, 16) % len(places)]
        other = [*words[:at], words[at + 1], words[at], *words[at + 2 :]]
        found[key] = {
            "id": f"{language}-{key}", "language": language, "good": " ".join(words), "bad": " ".join(other),
            "source": source, "licence": licence,
        }  # fmt: skip
    return [found[key] for key in sorted(found)[:most]]


def write_test(folder: Path, items: list[dict[str, str]]) -> Path:
    """Write `test.jsonl` into a folder of its own that repositories pass over; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    path = folder / "test.jsonl"
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")
    return path
