"""The command that makes a run again: every option of the command has its place, and no secret goes into it."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from evaluate.report.report_runs import BASE, LAYER, run
from rumpun.cli.evaluate import run as run_command
from rumpun.evaluate.report.again import OPTIONS, WITHOUT_WEIGHT, command
from rumpun.evaluate.report.report import report_html
from rumpun.evaluate.report.view import view
from rumpun.evaluate.reviews import Review, reviewers

SCORES = run(items=8, languages=("id",)).scores
MADE = {"languages": ["id"], "limit": 0, "runs": 1, "temperature": 0.0, "seed": 0}


def words(scores=SCORES, **made):
    return shlex.split(command(view(replace(scores, made=MADE | made))))


def test_every_option_of_the_command_is_in_the_table_or_has_no_weight():
    """A new option is either stored by a run and written here, or named among those that change nothing."""
    options = {name for one in run_command.params for name in one.opts if name.startswith("--")}
    assert options - set(OPTIONS) - WITHOUT_WEIGHT == {"--against", "--suite"}


def test_settings_that_are_as_ever_are_not_named_and_all_others_are():
    assert words() == [
        "rumpun",
        "eval",
        "run",
        LAYER,
        "--against",
        BASE,
        "--suite",
        "region-chat",
        "--languages",
        "id",
    ]
    told = words(
        tasks="turns,answerable", limit=3, method="generate", template=1, runs=2, temperature=0.7, seed=5, max_tokens=64,
        judge={"name": "j", "place": "http://127.0.0.1:9000/v1#judge model", "labels": "my labels.jsonl", "criteria": 3},
        guard={"address": "http://127.0.0.1:8765/v1"},
    )  # fmt: skip
    assert told[7:] == [
        "region-chat",
        "--tasks", "turns,answerable", "--languages", "id", "--limit", "3", "--method", "generate", "--template", "1",
        "--max-tokens", "64", "--runs", "2", "--temperature", "0.7", "--seed", "5", "--judge", "http://127.0.0.1:9000/v1",
        "--judge-labels", "my labels.jsonl", "--guard-url", "http://127.0.0.1:8765/v1",
    ]  # fmt: skip
    assert words(judge={"name": "base", "place": ""})[-2:] == ["--judge", "base"]


def test_items_of_ones_own_stand_in_place_of_a_suite():
    told = words(
        items=["a.jsonl", "b c.jsonl"],
        config="config.yaml",
        task="nli",
        labels="x,y",
        max_tokens=0,
        compat="",
    )
    assert "--suite" not in told
    assert told[6:] == [
        "--items", "a.jsonl", "--items", "b c.jsonl", "--task", "nli", "--labels", "x,y", "--config", "config.yaml",
        "--languages", "id",
    ]  # fmt: skip


SECRET = st.from_regex(r"[A-Za-z0-9,.;!$&*+=~_'\"-]{6,12}", fullmatch=True).map(lambda text: f"s3cr3t{text}")


@given(SECRET, SECRET, SECRET)
def test_no_password_and_no_key_is_in_it_or_on_the_page(user, password, key):
    address = f"https://{user}:{password}@models.example:8443/v1?api_key={key}#{key}"
    models = [replace(one, place=address) for one in SCORES.models]
    settings = {"judge": {"name": "j", "place": address}, "guard": {"address": address}}
    stored = {
        "command": shlex.join(
            ["rumpun", "eval", "run", address, "--judge", f"{address},{address}", "--seed", "3"]
        )
    }
    for scores in (
        replace(SCORES, models=models, made=MADE | settings),
        replace(SCORES, models=models, made=MADE | stored),
    ):
        told = command(view(scores))
        assert "s3cr3t" not in told
        assert told.count("https://models.example:8443/v1") >= 3
    assert "--seed 3" in told


@pytest.mark.parametrize(
    "odd", [{"limit": "many\x1b[2J"}, {"judge": "x"}, {"guard": 3}, {"languages": 3}, {"seed": True}]
)
def test_a_log_with_odd_settings_still_has_a_command(odd):
    assert words(**odd)[:3] == ["rumpun", "eval", "run"]
    assert "\x1b" not in report_html(replace(SCORES, made=MADE | odd), [])


def test_the_labels_are_named_by_their_file(tmp_path):
    path = tmp_path / "labels.jsonl"
    path.write_text('{"id": "a", "turn": 1, "criterion": "x", "met": true}\n')
    found = reviewers(Review(judge="http://127.0.0.1:9/v1", labels=path))
    assert found.labels_name == str(path)
