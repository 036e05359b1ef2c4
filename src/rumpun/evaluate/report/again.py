"""The command that makes a run again, from one table of what a run stores of its settings."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from rumpun.evaluate.report.view import View, texts_of

__all__ = ["OPTIONS", "WITHOUT_WEIGHT", "command"]

# option of `rumpun eval run` -> where in `made` its value stands, and the value that need not be named; in the order in which
# they are written
OPTIONS: Mapping[str, tuple[str, Any]] = {
    "--tasks": ("tasks", ""), "--items": ("items", []), "--task": ("task", ""), "--labels": ("labels", ""), "--config": ("config", ""),
    "--compat": ("compat", ""), "--languages": ("languages", []), "--limit": ("limit", 0), "--method": ("method", None),
    "--template": ("template", None), "--max-tokens": ("max_tokens", 0), "--runs": ("runs", 1), "--temperature": ("temperature", 0.0),
    "--seed": ("seed", 0), "--judge": ("judge.place", ""), "--judge-labels": ("judge.labels", ""),
    "--guard-url": ("guard.address", ""),
}  # fmt: skip
# options that change neither samples nor figures: where files lie, how hard and how long a machine is pressed, what is printed
WITHOUT_WEIGHT = frozenset(
    (
        "--budget-minutes", "--into", "--cache", "--concurrency", "--per-minute", "--ray", "--ray-workers", "--plan", "--all",
        "--data", "--json", "--help",
    )
)  # fmt: skip
_ADDRESS = re.compile(r"https?://(?:(?!,https?://)\S)+")  # several have commas between
_REPEATED = ("--items",)  # written once for each value; other lists have commas between


def command(found: View) -> str:
    """The command that makes the run again: the one that it stored, else one put together from what it stored.

    No address in it has a password, a key or anything else behind its path.
    """
    made = found.scores.made
    if isinstance(made.get("command"), str):
        try:
            words = shlex.split(made["command"])
        except ValueError:  # a quotation without an end
            words = made["command"].split()
        return shlex.join(_open(word) for word in words)
    if not found.models:
        return ""
    names = [info.place.partition("#")[0] or info.name for info in found.models]
    words = ["rumpun", "eval", "run", names[0]]
    if len(names) > 1:
        words += ["--against", names[1]]
    if not made.get("items"):
        words += ["--suite", found.scores.suite]
    for option, (key, usual) in OPTIONS.items():
        value = _at(made, key)
        if value != usual:
            words += _written(option, value)
    if not _at(made, "judge.place") and (judge := _at(made, "judge.name")):
        words += _written("--judge", judge)  # a judge that is a file has no place
    return shlex.join(_open(word) for word in words)


def _at(made: Mapping[str, Any], key: str) -> Any:
    value: Any = made
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _written(option: str, value: Any) -> Sequence[str]:
    """An option with its value; nothing where it is of no kind that an option has."""
    if isinstance(value, (list, tuple)):
        texts = texts_of(value)
        if option in _REPEATED:
            return [word for text in texts for word in (option, text)]
        return [option, ",".join(texts)] if texts else []
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "":
        return []
    return [option, str(value).partition("#")[0] if option == "--judge" else str(value)]


def _open(word: str) -> str:
    """A word without what is secret in its addresses: user and password, query and fragment."""
    return _ADDRESS.sub(lambda found: _bare(found.group()), word)


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
