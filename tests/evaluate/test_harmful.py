"""Prompts that ask for harm: what model and guard make of them is measured, and no text of theirs is left anywhere.

The prompts here are harmless sentences that a small set calls unsafe.
"""

import contextlib
import hashlib
import json
import sys

import msgspec
import pytest
from fake_runs import INFO, Counting
from moderating import moderating

from engines.openai_server import App, serving
from rumpun.cli import main
from rumpun.engines.fake import Fake
from rumpun.errors import EnvironmentFault, UsageError
from rumpun.evaluate.ask import Asker
from rumpun.evaluate.cache import Cache
from rumpun.evaluate.guarded import GuardAddress, through_guard
from rumpun.evaluate.harmful import Unseen, sealed, unseen
from rumpun.evaluate.public_table import describe, names
from rumpun.evaluate.records import read_samples, read_scores, write_samples
from rumpun.evaluate.run import Settings, ask_model, plan
from rumpun.evaluate.shards import _Noting
from rumpun.evaluate.tasks import chosen, items_of, suites, task
from rumpun.guard.sets import sets

TRICKS = ("durian", "salak", "manggis", "rambutan", "duku", "langsat")


def prompt(fruit, language):
    return f"Tolong curikan {fruit} tetangga {language}"


@pytest.fixture
def data(tmp_path):
    """A mirror of the data folder with a set of made prompts, one of which is labelled as of children."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = describe("multijail").columns
    rows = [
        dict.fromkeys(columns, "x")
        | {
            "id": f"{tag}.{n}", "orig_id": str(n), "language": tag, "prompt": prompt(fruit, tag), "prompt_label": "unsafe",
            "tags": "['Theft']",
        }
        for tag in ("vi", "th")
        for n, fruit in enumerate(TRICKS)
    ]  # fmt: skip
    rows += [
        rows[0] | {"id": "vi.7", "prompt": "rahasia anak", "tags": "['Child abuse', 'Theft']"},
        rows[0] | {"id": "vi.8", "prompt": "selamat pagi", "prompt_label": "safe"},
    ]
    (tmp_path / "safety").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / describe("multijail").file)
    return tmp_path


def answer(request):
    """A model that refuses over durians, obeys over salak and duku, and says nothing over langsat."""
    last = request.messages[-1].content
    if "durian" in last:
        return "I'm sorry, but I can't help with that."
    if "langsat" in last:
        return "<think>Hmm."
    return f"Ambil galah: rahasia {last}" if "salak" in last or "duku" in last else "Tidur saja dulu."


def verdict(text, _):
    """A guard that stops durians and salak, finds every pole harmful, and breaks over rambutan."""
    if "rambutan" in text:
        return 400, {"error": text}
    return 200, {"results": [{"flagged": "Ambil galah" in text or "durian" in text or "salak" in text}]}


def asked(data, engine, cache, **settings):
    made = plan(
        "test", [task("multijail")], Settings(languages=settings.pop("languages", ("vi",)), **settings), data
    )
    return made, ask_model(made, INFO, Asker(engine, {"model": "fake"}, cache))


def test_the_sets_are_read_and_labels_of_children_are_dropped_and_counted(data):
    read = items_of(task("multijail"), (), data)
    assert len(read.items) == 12
    assert read.dropped == {"label names children or minors": 1}
    assert {item.group for item in read.items} == {str(n) for n in range(6)}, "translations are linked"
    assert {one.family for one in chosen(["harmful"])} == {"harmful"}
    for name in suites()["harmful"]:
        assert name in names()
        fitted = describe(name).file.rpartition("/")[2].removesuffix(".parquet")
        assert ("learnt from these rows" in describe(name).notes) == sets().fitted(fitted)


def test_refusals_are_counted_and_no_text_is_in_a_sample_or_the_cache(data, tmp_path):
    with Cache(tmp_path / "a.sqlite") as cache:
        _, (samples, not_run) = asked(data, Fake(reply=answer, context_tokens=90_000), cache)
        assert len(cache) == 0
    assert not_run == []
    by = {one.id: one for one in samples}
    assert [by[f"vi.{n}"].scores for n in range(6)] == [
        {"refused": 1.0}, {"refused": 0.0}, {"refused": 0.0}, {"refused": 0.0}, {"refused": 0.0}, {},
    ]  # fmt: skip
    assert by["vi.5"].status == "no answer found"
    assert by["vi.1"].more["prompt_sha256"] == hashlib.sha256(prompt("salak", "vi").encode()).hexdigest()
    assert by["vi.1"].more["labels"] == {"tags": "['Theft']"}
    assert prompt("salak", "vi") not in repr(samples)
    with pytest.raises(TypeError, match="Unseen"):
        write_samples(tmp_path / "leak.jsonl", samples)
    assert not (tmp_path / "leak.jsonl").exists()
    done = sealed(samples)
    write_samples(tmp_path / "fine.jsonl", done)
    text = (tmp_path / "fine.jsonl").read_text()
    assert "curikan" not in text
    assert "galah" not in text
    assert [one.scores for one in done] == [one.scores for one in samples]
    assert all(unseen(one) is None for one in done)
    assert repr(Unseen("secret", "secret")) == "(not shown)"
    with pytest.raises(TypeError):
        msgspec.json.encode(Unseen("a", "b"))


def test_the_same_run_again_asks_again(data, tmp_path):
    engine = Counting(reply=answer, context_tokens=90_000)
    with Cache(tmp_path / "a.sqlite") as cache:
        for _ in range(2):
            asked(data, engine, cache, languages=("vi", "th"))
    assert len(engine.seen) == 24


class Gossip(Fake):
    """Fails, and says what it was asked."""

    def generate(self, requests):
        kind = EnvironmentFault if self.fails_at else UsageError
        raise kind(f"cannot answer «{requests[0].messages[0].content}»", "no")


def test_an_engine_that_quotes_a_prompt_is_not_quoted(data, tmp_path):
    with Cache(tmp_path / "a.sqlite") as cache:
        _, (samples, _) = asked(data, Gossip(context_tokens=90_000), cache)
        assert {one.status for one in samples} == {"error"}
        assert "curikan" not in repr(samples)
        with pytest.raises(EnvironmentFault) as caught:
            asked(
                data,
                Gossip(context_tokens=90_000, fails_at=1),
                cache,
                languages=("vi", "th"),
                runs=4,
                temperature=0.5,
            )
    assert "curikan" not in str(caught.value) + repr(caught.value.__cause__)
    assert caught.value.__suppress_context__


def test_a_guard_looks_at_prompts_and_answers(data, tmp_path):
    with Cache(tmp_path / "a.sqlite") as cache:
        _, (samples, _) = asked(data, Fake(reply=answer, context_tokens=90_000), cache)
    with moderating(verdict) as (url, told), GuardAddress(url) as guard:
        looked, made = through_guard(samples, guard)
    by = {one.id: one.scores for one in looked}
    assert [by[f"vi.{n}"].get("stopped") for n in range(6)] == [1.0, 1.0, 0.0, None, 0.0, 0.0]
    assert [by[f"vi.{n}"].get("harmful_answer") for n in range(6)] == [0.0, 1.0, 0.0, None, 1.0, 0.0]
    assert [by[f"vi.{n}"].get("harmful_past_guard") for n in range(6)] == [0.0, 0.0, 0.0, None, 1.0, 0.0]
    assert (made["prompts"], made["answers"], made["errors"]) == (6, 6, 1)
    assert "rambutan" not in json.dumps(made)
    assert len(told.bodies) == 13, "and one to see whether it is there"
    roles = [body.get("role", "user") for _, body in told.bodies[1:]]
    assert (roles.count("user"), roles.count("assistant")) == (6, 6)


def test_no_such_prompt_is_handed_to_a_cluster(data, tmp_path):
    """What a cluster answers is kept in the cache, so these prompts are left to the run itself."""
    made = plan("test", [task("multijail")], Settings(languages=("vi",)), data)
    engine = Counting(reply=answer, context_tokens=90_000)
    with Cache(tmp_path / "a.sqlite") as cache:
        assert _Noting(engine, {"model": "fake"}, cache).unanswered(made, INFO) == []
    assert engine.seen == []


@pytest.fixture
def inside(monkeypatch, capsys, home):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["rumpun", "eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


@contextlib.contextmanager
def served():
    model = App(Fake(reply=answer, context_tokens=90_000), plain=True)
    with serving(model) as first, moderating(verdict) as (second, _):
        yield first, second


def test_a_whole_run_leaves_verdicts_and_no_text(data, tmp_path, inside, home):
    with served() as (model, guard):
        code, out, err = inside(
            "run", model, "--tasks", "multijail", "--languages", "vi,th", "--data", data, "--guard-url", guard,
            "--into", tmp_path / "run", "--cache", tmp_path / "a.sqlite",
        )  # fmt: skip
        assert code == 0, err
        alone, more, _ = inside(
            "run", model, "--tasks", "multijail", "--languages", "vi", "--data", data, "--into", tmp_path / "alone",
        )  # fmt: skip
    assert alone == 0
    cells = {cell.language: cell for cell in read_scores(tmp_path / "run/scores.json").cells}
    for cell in cells.values():
        told = {name: figure.value for name, figure in cell.metrics.items()}
        assert told == {"refused": 0.2, "stopped": 0.4, "harmful_answer": 0.4, "harmful_past_guard": 0.2}
        assert all(figure.ci95 for figure in cell.metrics.values())
        assert any(guard in note for note in cell.notes)
    row = next(line for line in out.splitlines() if "multijail" in line and " vi " in line)
    assert row.split()[:3] == ["vi", "multijail", "6"]
    assert "guard stops it" in out
    assert "guard stops it" not in more
    assert f"guard: {guard}, 12 answers and 12 prompts" in out
    assert "it gave no verdict on 2" in out
    samples = read_samples(tmp_path / "run/samples.jsonl")
    assert {one.prompt for one in samples} == {""}
    assert {one.answer for one in samples} == {None}
    assert {one.more["guard"]["flagged_prompt"] for one in samples if "error" not in one.more["guard"]} == {
        True,
        False,
    }
    left = [
        path
        for root in (tmp_path / "run", tmp_path / "alone", home)
        for path in root.rglob("*")
        if path.is_file()
    ]
    for path in [*left, *tmp_path.glob("a.sqlite*")]:
        said = path.read_bytes()
        assert b"curikan" not in said, path
        assert b"galah" not in said, path
    assert not any(word in out + err + more for word in ("curikan", "galah", *TRICKS))
    assert len(left) >= 6
