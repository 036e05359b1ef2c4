"""`rumpun eval run` as people and programs meet it: real processes, a real server, one line for each fault."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import evaluated
import pytest
from commands import rumpun, said
from evaluated import lines

from engines.openai_server import App, fault, serving
from rumpun.engines.fake import Fake

QUESTIONS = ("knowledge", "sentiment", "causal")


@pytest.fixture
def inside(monkeypatch, capsys):
    return partial(evaluated.inside, monkeypatch, capsys)


class Model(App):
    """A server without probabilities that always chooses the first option; counts what it was asked, refuses what it is told to."""

    def __init__(self, delay_s=0.0, refuses=(), letter="A"):
        super().__init__(Fake(reply=self.said), plain=True)
        self.delay_s, self.refuses, self.letter = delay_s, refuses, letter

    def said(self, request):
        time.sleep(self.delay_s)
        return f"Jawaban: {self.letter}"

    async def answer(self, request):
        body = await request.json()
        if any(text in json.dumps(body, ensure_ascii=False) for text in self.refuses):
            return fault("that I do not answer")
        return await super().answer(request)

    @property
    def asked(self):
        return [
            body["messages"][0]["content"]
            for body in self.bodies
            if len(body.get("messages", [{}])[0].get("content", "")) > 10
        ]


def run_of(url, home, *more):
    return ["run", url, "--tasks", ",".join(QUESTIONS), "--languages", "id,ms", "--into", home / "run", *more]


def timeless(scores):
    return scores | {"made": {k: v for k, v in scores["made"].items() if k not in ("when", "seconds")}}


# --- run


def test_a_run_prints_the_result_first_and_leaves_its_files(home, tmp_path):
    with serving(Model()) as one, serving(Model(letter="B")) as other:
        done = rumpun("eval", *run_of(one, tmp_path, "--against", other))
        assert done.returncode == 0, done.stderr
        names = [url.removeprefix("http://") for url in (one, other)]
        first, second, third, *rest = done.stdout.splitlines()
        assert first == f"{names[0]} against {names[1]}"
        assert second.startswith("tasks: better in 0 of 2 languages, worse in 0, no difference found in 2")
        assert third.startswith("  over all: ")
        assert "; the suite can see " in third
        assert f"{tmp_path / 'run'}: scores.json, samples.jsonl, report.html" == rest[-1]
        assert rest[-2] == "128 questions asked, 0 answered from before"
        assert sum(line.startswith(("id  ", "ms  ")) for line in rest) == 4
        assert {path.name for path in (tmp_path / "run").iterdir()} == {
            "scores.json",
            "samples.jsonl",
            "report.html",
        }
        everything = rumpun("eval", *run_of(one, tmp_path, "--against", other, "--all"))
        assert "0 questions asked, " in everything.stdout
        assert sum(line.startswith("causal  ") for line in everything.stdout.splitlines()) == 2


def test_the_object_has_its_keys_and_the_same_run_again_asks_nothing(home, tmp_path):
    server = Model()
    with serving(server) as url:
        first = said(rumpun("eval", *run_of(url, tmp_path, "--json")))
        count = len(server.asked)
        assert count == len(set(server.asked)) == 2 * (10 + 12 + 10)
        again = said(rumpun("eval", *run_of(url, tmp_path, "--json")))
    assert len(server.asked) == count
    assert timeless(again) == timeless(first)
    assert list(first) == [
        "schema", "suite", "models", "cells", "differences", "means", "missing", "not_run", "costs", "made",
    ]  # fmt: skip
    assert first == json.loads((tmp_path / "run" / "scores.json").read_text()) | {"made": first["made"]}
    assert set(first["cells"][0]) >= {
        "task",
        "language",
        "skill",
        "model",
        "metric",
        "metrics",
        "normalised",
        "items",
        "scored",
    }
    assert set(first["made"]) == {
        "when", "version", "seconds", "languages", "tasks", "limit", "method", "template", "seed", "runs", "temperature",
        "max_tokens", "detectable", "lint", "dropped",
    }  # fmt: skip
    assert {c["method"] for c in first["cells"]} == {"generate"}


def test_a_run_that_was_killed_goes_on_and_asks_nothing_again(home, tmp_path):
    """The one question that was under way when it died may come twice, no other."""
    server = Model(delay_s=0.03)
    with serving(server) as url:
        command = [
            sys.executable,
            "-m",
            "rumpun.cli",
            "eval",
            *map(str, run_of(url, tmp_path, "--concurrency", "1", "--json")),
        ]
        for stop_at in (15, 40):
            process = subprocess.Popen(
                command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            until = time.monotonic() + 30
            while len(server.asked) < stop_at and time.monotonic() < until:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            assert not (tmp_path / "run").exists(), "nothing half-written"
        finished = said(subprocess.run(command, capture_output=True, text=True, check=False))
        assert len(set(server.asked)) == 64
        assert len(server.asked) <= 64 + 2
        calm = said(rumpun("eval", *run_of(url, tmp_path / "calm", "--cache", tmp_path / "other", "--json")))
    assert timeless(finished) == timeless(calm)


def test_what_a_server_refuses_is_left_out_and_the_exit_code_says_so(home, tmp_path):
    server = Model(refuses=("sepetang", "Sebuah bak mandi"))
    with serving(server) as url:
        done = rumpun("eval", *run_of(url, tmp_path, "--json"))
        assert done.returncode == 5
        scores = json.loads(done.stdout)
        errors = {(c["task"], c["language"]): c.get("errors", 0) for c in scores["cells"]}
        assert errors["knowledge", "id"] == 1
        total = sum(errors.values())
        assert done.stderr.splitlines()[-1] == (
            f"{total} questions got no answer: they are left out of every figure; run again to ask them again"
        )
        server.refuses = ()
        count = len(server.asked)
        mended = rumpun("eval", *run_of(url, tmp_path, "--json"))
    assert mended.returncode == 0
    assert len(server.asked) == count + total, "only those are asked again"


def test_a_budget_that_is_used_up_names_what_was_not_run(home, tmp_path):
    server = Model()
    with serving(server) as url:
        done = rumpun("eval", *run_of(url, tmp_path, "--budget-minutes", "0.000001"))
    assert done.returncode == 0
    assert "not run, the time was up: knowledge in all languages; " in done.stdout
    assert server.asked == []
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert len(scores["not_run"]) == 6
    assert {one["why"] for one in scores["not_run"]} == {"the time was up"}
    assert [mean["figure"] for mean in scores["means"]] == []


def test_the_plan_asks_nothing_and_says_what_could_be_seen(home, inside):
    code, out, _ = inside("run", "no-such-model", "--plan")
    assert code == 0
    assert "over all tasks and languages it sees a gain of " in out
    assert out.splitlines()[0] == "suite region: 1,078 items in 11 languages"
    code, out, _ = inside("run", "base", "--plan", "--json", "--languages", "th,jv", "--tasks", "nli,grammar")
    made = json.loads(out)
    assert list(made) == ["suite", "detectable", "missing", "not_run", "dropped", "lint", "cells"]
    assert made["cells"][0] == {
        "task": "nli", "language": "th", "items": 12, "left": 0, "detectable": pytest.approx(40, abs=5),
    }  # fmt: skip
    assert made["missing"] == [
        {"language": "jv", "skill": "reasoning"},
        {"language": "jv", "skill": "linguistics"},
    ]


def test_one_model_alone_has_a_table_and_no_differences(home, tmp_path):
    with serving(Model()) as url:
        done = rumpun(
            "eval",
            "run",
            url,
            "--tasks",
            "grammar,tokens,causal",
            "--languages",
            "id",
            "--into",
            tmp_path / "r",
        )
    assert done.returncode == 0, done.stderr
    assert "against" not in done.stdout
    assert "not run, this engine gives no probabilities of a text: grammar in id" in done.stdout
    assert "without linguistics, which not every language has" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "base", "--suite", "regoin"), 2, "no suite 'regoin'"),
        (("run", "base", "--tasks", "readin"), 2, "no task 'readin'"),
        (("run", "base", "--languages", "id,klingon"), 2, "no language 'klingon'"),
        (("run", "base", "--languages", "id,"), 2, "no language ''"),
        (("run", "base", "--languages", "jv"), 2, "nothing to ask in jv"),
        (("run", "base", "--template", "9"), 2, "--template 9"),
        (("run", "base", "--runs", "3"), 2, "3 runs at temperature 0"),
        (("run", "base", "--limit", "0"), 2, "--limit"),
        (("run", "base", "--method", "guess"), 2, "--method"),
        (("run", "base", "--budget-minutes", "0"), 2, "--budget-minutes"),
        (("run", "base", "--suite", "public", "--data", "{tmp}"), 3, "belebele: {tmp}/eval"),
        (("run", "bse"), 2, "no model is called 'bse'"),
        (("run", "{tmp}/none.gguf"), 3, "none.gguf: no such file"),
        (("run", "http://127.0.0.1:9/v1"), 5, "127.0.0.1:9"),
        (("run", "base", "--against", "base"), 2, "base and base are the same model"),
        (("run", "base", "--into", "{full}"), 2, "holds chapter.txt"),
        (("run", "base", "--into", "{full}/chapter.txt"), 5, "cannot be written"),
        (("run",), 2, "MODEL"),
        (("score", "{answers}", "--task", "sentiment"), 2, "--language"),
        (("score", "{answers}", "--task", "sentimen", "--language", "id"), 2, "no task 'sentimen'"),
        (("score", "{answers}", "--task", "sentiment", "--language", "jv"), 3, "no item in jv"),
        (("score", "{answers}", "--task", "sentiment", "--language", "id"), 3, "12 items have no line"),
        (("score", "{tmp}/none", "--task", "sentiment", "--language", "id"), 3, "none: cannot be read"),
        (("score", "{broken}", "--task", "sentiment", "--language", "id"), 3, "broken: line 1"),
        (
            ("score", "{answers}", "--task", "nli", "--language", "id", "--items", "{broken}"),
            3,
            "broken: line 1",
        ),
        (("score", "{answers}", "--task", "nli", "--language", "id", "--compat", "helm"), 2, "--compat"),
        (
            ("score", "{answers}", "--task", "sibi200", "--language", "id", "--data", "{tmp}"),
            2,
            "no task 'sibi200'",
        ),
        (
            ("score", "{answers}", "--task", "sib200", "--language", "id", "--data", "{tmp}"),
            3,
            "sib200: {tmp}/eval",
        ),
    ],
)
def test_each_fault_is_one_line_with_its_mend_and_its_code(
    home, home_with_base, tmp_path, inside, arguments, code, words
):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "chapter.txt").write_text("years of work")
    (tmp_path / "broken").write_text('{"id": 1,\n')
    names = {
        "tmp": tmp_path, "full": tmp_path / "full", "broken": tmp_path / "broken",
        "answers": lines(tmp_path / "answers", [{"id": 1, "prediction": "A"}]),
    }  # fmt: skip
    before = sorted(tmp_path.rglob("*"))
    got, out, err = inside(*(argument.format(**names) for argument in arguments))
    assert (got, out) == (code, "")
    told = [line for line in err.splitlines() if not line.startswith("items: ")]
    assert len(told) == 2, err
    assert told[0].startswith("rumpun: ")
    assert words.format(**names) in told[0]
    assert told[1].startswith("  ")
    assert [
        path for path in sorted(tmp_path.rglob("*")) if path not in before and home not in path.parents
    ] == []


def test_help_brings_nothing_heavy_in():
    code = "import sys, rumpun.cli.evaluate; print([m for m in sys.modules if m.startswith(('numpy', 'msgspec', 'rumpun.eval'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    shown = rumpun("eval", "run", "--help")
    assert shown.returncode == 0
    assert all(
        option in shown.stdout for option in ("--against", "--budget-minutes", "--plan", "--all", "--json")
    )
