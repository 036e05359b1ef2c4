"""The documents are true: links lead somewhere, commands exist, generated pages are current, the house is clean."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from rumpun.cli import cli
from rumpun.recipes import read_recipe
from rumpun.steps import plan

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "layers").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    ]
)
COMMAND = re.compile(r"^(?:rumpun|make) .*$", re.MULTILINE)


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def fenced_commands() -> list[tuple[str, str]]:
    """(page, command line) of every `rumpun …` and `make …` in a shell block."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            found += [
                (page.name, line.split("  #")[0].split(" #")[0].strip()) for line in COMMAND.findall(block)
            ]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_there_are_commands_to_check() -> None:
    assert len(fenced_commands()) >= 12


@pytest.mark.parametrize(("page", "line"), fenced_commands())
def test_documented_commands_exist(page: str, line: str) -> None:
    """Every word up to the first value is a command, and every option is one of that command's."""
    words = shlex.split(line)
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets, f"{page}: make has no target {words[1]}"
        return
    command: click.Command = cli
    context = click.Context(cli)
    rest = words[1:]
    while isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest[0])
        assert found is not None, f"{page}: {line}: no command {rest[0]}"
        command, rest = found, rest[1:]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
    for word in rest:
        if word.startswith("-"):
            assert word.split("=")[0] in known, f"{page}: {line}: no option {word}"


def test_the_reference_is_generated_from_this_code() -> None:
    ran = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "recipe", sorted((ROOT / "recipes").rglob("*.toml")), ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_recipes_load_and_plan(recipe: Path, tmp_path: Path) -> None:
    if "steps" not in tomllib.loads(recipe.read_text(encoding="utf-8")):
        pytest.fail(f"{recipe}: no recipe")
    read = read_recipe(recipe)
    needs_data = any(
        step.uses == "corpus.read" and step.params.get("from_inventory", True) for step in read.steps
    )
    if needs_data or "guard" in recipe.parts or "lid" in recipe.parts:
        from rumpun.errors import InputError
        from rumpun.records.places import source_data

        try:
            source_data()
        except InputError as error:
            pytest.skip(f"RUMPUN_DATA: {error.message}")
    planned = plan(read, tmp_path)
    assert [item.name for item in planned] == [step.name for step in read.steps]
    assert len({item.key for item in planned}) == len(planned)


def test_every_benchmark_is_run_by_make_bench() -> None:
    text = (ROOT / "bench" / "all.py").read_text()
    for path in (ROOT / "bench").glob("*.py"):
        assert path.stem == "all" or f'"{path.stem}"' in text, f"bench/{path.name} is not in bench/all.py"


def test_no_marks_of_unfinished_work() -> None:
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|raise NotImplemented" r"Error")
    for path in tracked("src/*.py", "tests/*.py", "bench/*.py", "scripts/*.py", "examples/*.py"):
        assert not marks.search(path.read_text(encoding="utf-8")), path


def test_source_files_stay_readable() -> None:
    for path in tracked("src/*.py", "examples/*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 450, f"{path}: more than 450 lines"


def test_nothing_large_is_tracked_but_the_layers() -> None:
    def most(path: Path) -> int:
        """Bytes: of a layer, of the language identifier (its bound), of anything else."""
        return (
            25_000_000
            if "layers" in path.parts
            else 5_000_000
            if path.name == "identifier.safetensors"
            else 3_000_000
        )

    for path in tracked():
        assert path.stat().st_size <= most(path), path


@pytest.mark.base
def test_what_the_readme_tells_people_to_type_runs(home_with_base: Path, tmp_path: Path) -> None:
    """Every `rumpun …` line of the README but the servers; a recipe or a suite is planned instead of walked."""
    rows = [
        {"text": "Nenek menanam bambu di tepi sungai.", "language": "id"},
        {"text": "ย่าปลูกไผ่ริมน้ำ", "language": "th"},
    ]
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "texts.txt").write_text("".join(row["text"] + "\n" for row in rows))
    items = [{"id": n, "label": label, "prompts": [{"text": "…"}]} for n, label in enumerate("AB")]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in items))
    said = [{"id": n, "prediction": "คำตอบ: A"} for n in range(2)]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    for name in ("layers", "recipes"):
        (tmp_path / name).symlink_to(ROOT / name)
    ran = []
    for page, line in fenced_commands():
        words = shlex.split(line)
        if page != "README.md" or words[0] != "rumpun" or words[1] == "up":
            continue
        if words[1] == "run" or words[1:3] in (["corpus", "build"], ["eval", "run"]):
            words.append("--plan")
        if words[1:3] == ["corpus", "trace"]:  # needs a corpus; tests/cli/test_corpus.py makes one
            continue
        done = subprocess.run(
            [sys.executable, "-m", "rumpun.cli", *words[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        if words[-1] == "--plan" and "no folder of source text" in done.stderr:
            continue
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert done.stdout.strip(), line
        ran.append(words[1])
    assert {"doctor", "bases", "eval", "lineage"} <= set(ran)
