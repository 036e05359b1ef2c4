"""`rumpun policy` as a process, and what policies compile to."""

import json
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from rumpun.errors import RumpunError
from rumpun.guard.judgement import Judgement
from rumpun.guard.policy import POLICIES, Policy, points
from rumpun.guard.policy.cases import read_cases, run_cases
from rumpun.guard.policy.compile import to_prompt
from rumpun.guard.policy.show import describe, lines_of
from rumpun.guard.policy.vocabulary import vocabulary

TENANT = """
name = "bank"
version = "1"
extends = "sg"
enable = ["sg-doxxing-block"]

[rules.bank-advice]
category = "advice_risky"
level = 2
action = "block"
message = "care_advice"
reason = "A bank gives no advice by machine."
citation = "own"
review_by = 2027-01-01
"""


def run(*arguments, cwd=None):
    command = [sys.executable, "-c", "from rumpun.cli import main; main()", "policy", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)


@pytest.fixture
def bank(tmp_path):
    path = tmp_path / "bank.toml"
    path.write_text(TENANT, encoding="utf-8")
    return path


def test_show_gives_every_rule_with_its_place_and_warns_of_expired_lines(bank):
    done = run("show", str(bank), "--on", "2027-03-01", "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    rules = {one["name"]: one for one in shown["rules"]}
    assert (rules["bank-advice"]["file"], rules["bank-advice"]["line"]) == (str(bank), 7)
    assert rules["bank-advice"]["overdue"]
    assert rules["hate-serious"]["file"] == "base.toml"
    assert rules["sg-doxxing-block"]["state"] == "on"
    assert rules["sg-harassment-block"]["state"] == "off"
    states = {one["name"]: one["state"] for one in shown["resources"]}
    assert states["mindline"] == "expired"
    assert states["emergency-995"] == "shown"
    assert "warning: mindline expired on 2027-02-21 and is not shown" in done.stderr


@pytest.mark.parametrize("name", POLICIES)
def test_what_is_shown_holds_every_rule_and_every_resource_with_its_state(name):
    policy = Policy.load(name)
    text = "\n".join(lines_of(describe(policy, date(2026, 12, 1))))
    for one in policy.rules:
        assert f" {one.name} (" in text
        assert one.rule.reason in text
    for one in policy.resources.values():
        assert f"{one.state(date(2026, 12, 1)):10} {one.kind:9} {one.name}" in text
    if name in ("mm", "vn", "kh", "la", "tl"):
        assert "no crisis line can be shown" in text


def test_test_passes_on_the_shipped_cases_of_one_policy():
    done = run("test", "sg")
    assert (done.returncode, done.stdout) == (0, "")
    assert " passed, 0 failed" in done.stderr
    assert "expired" not in done.stderr


def test_test_fails_with_one_line_a_case(tmp_path):
    cases = tmp_path / "mine.jsonl"
    rows = [
        {"policy": "th", "judgement": {"levels": {"hate": 2}}, "expect": {"action": "allow"}},
        {
            "policy": "th",
            "judgement": {"levels": {"hate": 2}},
            "expect": {"action": "block", "rule": "hate-concern"},
        },
        {"policy": "th", "judgement": {"levels": {"hate": 2}}, "expect": {"action": "block"}},
        {"policy": "th", "text": "เหนื่อย", "expect": {"action": "help"}},
    ]
    cases.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = run("test", str(cases))
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{cases}:1: th: expected allow, got block by hate-serious",
        f"{cases}:2: th: expected the rule hate-concern, got hate-serious",
    ]
    assert "1 passed, 2 failed, 1 of text wait for a model" in done.stderr
    assert json.loads(run("test", "th", str(cases), "--json").stdout)["waiting"] == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", ":1: not JSON"),
        ("[]", ":1: a list"),
        ('{"policy": "sg", "judgment": {}}', "unknown key 'judgment'"),
        ('{"policy": "sg", "expect": {"action": "allow"}}', "expected either judgement or text"),
        (
            '{"policy": "sg", "judgement": {"levels": {"hat": 1}}, "expect": {"action": "allow"}}',
            "no such category",
        ),
        (
            '{"policy": "sg", "judgement": {"levels": {"hate": 3}}, "expect": {"action": "allow"}}',
            "levels.hate = 3",
        ),
        (
            '{"policy": "sg", "judgement": {"harm_level": 1}, "today": "soon", "expect": {"action": "care"}}',
            ":1: ",
        ),
        ('{"judgement": {"harm_level": 1}, "expect": {"action": "care"}}', "no policy or no expect"),
        (
            '{"policy": "s", "judgement": {"harm_level": 1}, "expect": {"action": "care"}}',
            "no policy is called 's'",
        ),
    ],
)
def test_a_broken_case_is_refused_with_its_line(tmp_path, line, words):
    path = tmp_path / "cases.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(RumpunError) as error:
        run_cases(read_cases([path]))
    assert words in error.value.message


def test_a_tenants_file_is_found_beside_its_cases(bank):
    path = bank.parent / "cases.jsonl"
    row = {"policy": "bank.toml", "judgement": {"levels": {"advice_risky": 2}}, "expect": {"action": "block"}}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert run_cases(read_cases([path])).passed == 1


def test_cases_of_text_run_where_there_is_a_judge(tmp_path):
    path = tmp_path / "cases.jsonl"
    row = {
        "policy": "vn",
        "text": "em mệt quá",
        "today": "2026-12-01",
        "expect": {"action": "help", "shows": ["111"]},
    }
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"text": "xin chào"}) + "\n", encoding="utf-8")
    heard = []

    def judge(text, role):
        heard.append((text, role))
        levels = {"selfharm_risk": 1} if "mệt" in text else {}
        return Judgement(role=role, language="vi", sure=True, harm=0.2, harm_level=0, levels=levels)

    report = run_cases(read_cases([path]), judge)
    assert heard == [("em mệt quá", "prompt"), ("xin chào", "prompt")]
    assert (report.passed, report.waiting) == (1, 0)
    assert report.failed == (f"{path}:2: vn: expected help, got allow by no rule",)


def test_diff_counts_what_changes_over_all_combinations(bank):
    done = run("diff", "sg", str(bank), "--json")
    found = json.loads(done.stdout)
    contexts = len(vocabulary().contexts) + 1
    assert found["cases"] == len(vocabulary().categories) * 4 * contexts
    # advice at level 2 in both roles; doxxing at level 1 in both roles, and everywhere
    assert found["counts"] == {"care -> block": 2 * contexts + 2 * contexts}
    assert len(found["rows"]) == sum(found["counts"].values())
    same = run("diff", "sg", "sg")
    assert same.stdout == ""
    assert "0 of" in same.stderr


def test_diff_over_a_sample_names_its_lines(bank, tmp_path):
    sample = tmp_path / "sample.jsonl"
    rows = [{"judgement": {"levels": {"advice_risky": 2}}}, {"judgement": {"levels": {"hate": 2}}}]
    sample.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = run("diff", "sg", str(bank), "--sample", str(sample))
    assert done.stdout == f"care -> block\t{sample}:1\tadvice-risky -> bank-advice\n"
    assert done.stderr.startswith("1 of 2 change")


@pytest.mark.parametrize("name", POLICIES)
def test_the_prompt_holds_every_active_rule_and_no_other(name):
    choices = [one.name for one in Policy.load(name).rules if one.rule.opt_in]
    for enable in ((), tuple(choices[:1])):
        policy = Policy.load(name, enable)
        prompt = to_prompt(policy)
        for one in policy.rules:
            assert (f"[{one.name}]" in prompt) == one.active
        for category, entry in vocabulary().categories.items():
            assert f"{category}: {entry.definition}" in prompt
        for context in vocabulary().contexts:
            assert f"- {context}: " in prompt
        example = prompt[prompt.index('{"categories"') :]
        assert all(key in example for key in ('"action"', '"rule"', '"flagged"'))


def test_a_rule_that_is_replaced_is_not_in_the_prompt(bank):
    text = bank.read_text(encoding="utf-8")
    bank.write_text(text.replace("level = 2", "level = 1"), encoding="utf-8")
    prompt = to_prompt(Policy.load(str(bank)))
    assert "[bank-advice]" in prompt
    assert "[advice-risky]" not in prompt


def test_compile_prints_prompt_and_thresholds(bank):
    assert run("compile", str(bank), "--to", "prompt").stdout == to_prompt(Policy.load(str(bank)))
    table = json.loads(run("compile", "my", "--to", "thresholds", "--point", "permissive").stdout)
    assert table == points(Policy.load("my"), "permissive")


def test_an_unknown_policy_is_answered_with_the_nearest_name():
    done = run("show", "sgp")
    assert done.returncode == 2
    assert "no policy is called 'sgp'" in done.stderr
    assert "did you mean 'sg'?" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_the_guides_example_loads_and_its_case_passes(tmp_path):
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "policies.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"```(toml|json)\n(.*?)```", guide, re.DOTALL))
    (tmp_path / "bank.toml").write_text(blocks["toml"], encoding="utf-8")
    (tmp_path / "cases.jsonl").write_text(json.dumps(json.loads(blocks["json"])) + "\n", encoding="utf-8")
    report = run_cases(read_cases([tmp_path / "cases.jsonl"]))
    assert (report.passed, report.failed) == (1, ())
    for context in vocabulary().contexts:
        assert f"`{context}`" in guide
