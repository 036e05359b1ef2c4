"""A choice -> a folder: `run.toml`, `CARD-notes.md`, `CHECKLIST.md`, and where licences allow it a small held-out test."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, UsageError
from rumpun.layer.growth.choose import Choice, domains
from rumpun.layer.growth.held_test import FOLDER, swapped_pairs, write_test
from rumpun.layer.growth.holdings import Holding, PublicTest, texts_of
from rumpun.layer.growth.parent import Parent
from rumpun.layer.params import TARGETS
from rumpun.records.licences import obligations
from rumpun.records.places import shipped_folder
from rumpun.records.service import quoted
from rumpun.steps import resolve

__all__ = ["CARD_NOTES", "CHECKLIST", "RECIPE", "toml", "write_child"]

RECIPE, CARD_NOTES, CHECKLIST = "run.toml", "CARD-notes.md", "CHECKLIST.md"


def write_child(
    into: Path,
    choice: Choice,
    parent: Parent,
    found: Sequence[Holding],
    tests: Sequence[PublicTest],
    *,
    data: str = "",
    place: str = "",
) -> list[Path]:
    """Write the folder whole, or nothing of it; returns its files.

    Args:
        into: the folder; text and a test that stand in it already stay.
        choice: what was chosen.
        parent: what the child is grown from.
        found: every source that was looked at.
        tests: public tests in the child's languages.
        data: the data folder, where the recipe must name it.
        place: what the pages call the folder; empty: `into`.

    Raises:
        UsageError: a recipe stands there already.
    """
    if (into / RECIPE).exists():
        raise UsageError(
            f"{into / RECIPE}: a recipe stands there already",
            f"run it with rumpun run {into / RECIPE}, or name another folder with --into",
        )
    rows = [_row(item, choice) for item in found]
    context = {
        "choice": choice, "parent": parent, "toml": toml, "data": data, "rows": rows, "tests": tests,
        "recipe": _recipe_name(choice, parent), "about": _about(choice, parent), "duties": obligations(choice.licences),
        "limitations": [*choice.cannot, *choice.notes], "into": place or str(into),
        "targets": tuple(name for name in parent.spec.targets if name in TARGETS),
        "against": f"layers/{parent.folder.name}" if parent.folder.parent == shipped_folder() else str(parent.folder),
        "source_share": 0.7 if len(choice.sources) + len(choice.sides) > 1 else 1.0,
    }  # fmt: skip
    texts = {
        name: _rendered(f"{name}.jinja", context) for name in (CARD_NOTES, CHECKLIST, RECIPE)
    }  # the recipe last
    _check(texts[RECIPE], into)
    items = _test(choice, found)
    try:
        into.mkdir(parents=True, exist_ok=True)
        if items and not (into / "test.jsonl").exists():
            write_test(into / FOLDER, items)
        for name, text in texts.items():
            aside = into / f".{name}.part"
            aside.write_text(text, encoding="utf-8")
            aside.replace(into / name)
    except OSError as error:
        raise InputError(
            f"{into}: cannot be written ({error.strerror})", "name another folder with --into"
        ) from error
    return sorted(path for path in into.rglob("*") if path.is_file() and path.name != ".gitignore")


def toml(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        return "{ " + ", ".join(f"{_key(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, str | bool):
        return quoted(value)
    if isinstance(value, int):
        return f"{value:_}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return repr(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else quoted(key)


def _recipe_name(choice: Choice, parent: Parent) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{parent.manifest.name or 'layer'}-{choice.name}")


def _about(choice: Choice, parent: Parent) -> str:
    words = ", ".join(choice.own)
    kind = (
        f"The child of {parent.manifest.name} for {words}"
        if choice.kind == "offspring"
        else f"{choice.title}, in {words}"
    )
    return f"{kind}: about {choice.minutes:g} minutes of training on two processor cores. Written by rumpun layer {choice.kind}; change what you know better."


def _row(item: Holding, choice: Choice) -> dict[str, Any]:
    held = sorted(tag for tag, names in choice.held_out.items() if item.name in names and item.bytes(tag))
    trains = [
        tag
        for tag in (*choice.own, *choice.rehearsed)
        if tag not in held
        and item.bytes(tag)
        and (item.name in choice.sources or item.name in choice.sides.get(tag, ()))
    ]
    uses = [f"trains {', '.join(trains)}"] * bool(trains) + [f"held out in {', '.join(held)}"] * bool(held)
    if item.name in (*choice.chat, *choice.pairs):
        uses.append("conversations" if item.kind == "chat" else "translation rows")
    return {
        "name": item.name, "kind": item.kind, "domain": item.domain, "licence": item.licence,
        "bytes": {tag: f"{item.bytes(tag):,}" if item.bytes(tag) else "" for tag in choice.languages},
        "use": "; ".join(uses) or "not used", "why": _why(item), "own": _concerns(item, choice),
    }  # fmt: skip


def _why(item: Holding) -> str:
    """Why a source is not used."""
    if not item.usable:
        return "its licence does not let a layer be given away"
    if item.kind in ("chat", "instruct"):
        return "no conversations of this kind are asked for"
    if item.domain in ("lexicon", "glossary", "health-terminology"):
        return "single words are not running text"
    if item.kind == "parallel":
        return "short interface text; by hand it can be added to `pairs`, as translation"
    return "there is enough without it"


def _concerns(item: Holding, choice: Choice) -> bool:
    """Whether people who grow this child want to know that a source is left out."""
    if choice.kind == "domain":
        about = domains()[choice.name]
        named = (*about.sources, *about.chat, *about.pairs)
        return (
            item.name in named or item.domain in about.domains or choice.name in f"{item.domain} {item.name}"
        )
    return any(tag in item.amounts for tag in choice.own)


def _test(choice: Choice, found: Sequence[Holding]) -> list[dict[str, str]]:
    if choice.kind != "offspring":
        return []
    tag = choice.own[0]
    items: list[dict[str, str]] = []
    for item in found:
        if item.name in choice.held_out.get(tag, ()) and item.usable:
            items += swapped_pairs(texts_of(item, tag), tag, item.name, item.licence)
    return items


def _check(text: str, into: Path) -> None:
    """Plan the recipe, so that none is written that `rumpun run` refuses."""
    from rumpun.recipes import build, read_recipe

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / RECIPE
        path.write_text(text, encoding="utf-8")
        for entry in read_recipe(path).steps:
            build(resolve(entry.uses).params, entry.params, f"{into / RECIPE}: steps.{entry.name}.with")


def _rendered(name: str, context: Mapping[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,  # noqa: S701  (TOML and Markdown; strings of TOML go through `toml`)
    )  # fmt: skip
    return re.sub(r"\n{3,}", "\n\n", environment.get_template(name).render(context))
