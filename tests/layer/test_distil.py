"""The step `layer.distil`: a teacher is asked once, what it says is filtered and marked, and `layer.tune` learns it."""

import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from preferring import SHAPE, as_input, work, write_lines

from rumpun.engines.fake import Fake
from rumpun.engines.port import Request
from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.layer.distil.filters import Guard, refused, repeated_share
from rumpun.layer.distil.params import DistilParams
from rumpun.layer.distil.step import distil
from rumpun.layer.params import TrainParams, TuneParams
from rumpun.layer.train import train, tune
from rumpun.steps import Input

GOOD = {
    "id": "Tentu, kami menanam padi di sawah setiap musim hujan bersama semua tetangga di desa.",
    "th": "ได้ครับ ชาวนาปลูกข้าวในนาทุกปีเมื่อฝนเริ่มตก",
    "en": "Yes, people plant rice in the fields every year when the rain begins to fall.",
}


def prompts(count: int = 4) -> list[dict[str, Any]]:
    return [
        {"prompt": f"{tag}: {n}?", "language": tag, "source": "asked", "licence": "CC-BY-4.0"}
        for n in range(count)
        for tag in GOOD
    ]


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


class Asked:
    """A teacher behind the port that counts what it is asked; `reply` is its whole mind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reply: Callable[[str, int], str]) -> None:
        self.said: list[str] = []
        self.fails_after = 10**9

        def answer(request: Request) -> str:
            if len(self.said) >= self.fails_after:
                raise EnvironmentFault("the machine stopped", "start it again")
            self.said.append(request.messages[-1].content)
            return reply(request.messages[-1].content, request.seed or 0)

        monkeypatch.setattr(
            "rumpun.layer.distil.step.open_engine", lambda *_, **__: Fake(name="wise", reply=answer)
        )


def plain(prompt: str, seed: int) -> str:
    return f"{GOOD[prompt[:2]]} {seed % 97}"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def params(tmp_path: Path) -> DistilParams:
    path = write_lines(tmp_path / "prompts.jsonl", prompts())
    return DistilParams(
        teacher="https://teacher.example/v1", teacher_licence="Apache-2.0", prompts=(str(path),), together=2
    )


def test_answers_become_chat_rows_with_their_lineage(
    tmp_path: Path, params: DistilParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    Asked(monkeypatch, plain)
    outcome = distil.function(params, work(tmp_path / "a"))
    rows = read(tmp_path / "a" / "made" / "chat.jsonl")
    assert len(rows) == outcome.summary["kept"] == 12
    for row in rows:
        assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
        assert row["messages"][1]["content"].startswith(GOOD[row["language"]])
        assert row["licence"] == "Apache-2.0 AND CC-BY-4.0"
        assert (row["source"], row["prompt_source"]) == ("teacher-teacher.example", "asked")
    teacher = next(entry for entry in outcome.sources if entry.role == "teacher")
    assert (teacher.licence, teacher.url, teacher.rows) == ("Apache-2.0", params.teacher, 12)
    assert next(entry for entry in outcome.sources if entry.role == "prompts").licence == "CC-BY-4.0"
    assert outcome.languages == ("en", "id", "th")


def test_nothing_is_asked_twice(
    tmp_path: Path, params: DistilParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Asked(monkeypatch, plain)
    distil.function(params, work(tmp_path / "whole"))
    expected = (tmp_path / "whole" / "made" / "chat.jsonl").read_bytes()
    monkeypatch.setenv("RUMPUN_HOME", str(tmp_path / "other"))
    cut = Asked(monkeypatch, plain)
    cut.fails_after = 7
    with pytest.raises(EnvironmentFault):
        distil.function(params, work(tmp_path / "cut"))
    (kept,) = (tmp_path / "other" / "cache" / "answers").glob("*.jsonl")
    with kept.open("ab") as stream:
        stream.write(b'{"ask": "torn by a ki')
    again = Asked(monkeypatch, plain)
    distil.function(params, work(tmp_path / "cut"))
    assert (tmp_path / "cut" / "made" / "chat.jsonl").read_bytes() == expected
    assert len(again.said) == 12 - 6  # three whole rounds of two were kept
    assert len(whole.said) == 12
    more = Asked(monkeypatch, plain)
    other = dataclasses.replace(params, answers_per_prompt=2, min_characters=20)
    outcome = distil.function(other, work(tmp_path / "more"))
    assert len(more.said) == outcome.summary["answers_now"] == 12  # the first answers are known


def test_what_is_left_out_is_counted(
    tmp_path: Path, params: DistilParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {
        "0": lambda tag: GOOD["en" if tag != "en" else "th"],
        "1": lambda tag: GOOD[tag][:20] * 20,
        "2": lambda _: "Ya",
        "3": lambda tag: GOOD[tag],
    }
    Asked(monkeypatch, lambda prompt, _: wrong[prompt[-2]](prompt[:2]))
    outcome = distil.function(dataclasses.replace(params, answers_per_prompt=2), work(tmp_path / "a"))
    assert outcome.summary["chat"]["dropped"] == {
        "in another language": 6, "repeats itself": 6, "said before": 3, "too short": 6,
    }  # fmt: skip
    assert outcome.summary["kept"] == 3
    left = read(tmp_path / "a" / "made" / "dropped.jsonl")
    assert len(left) == 21
    assert not any("text" in row or "messages" in row for row in left)


def test_a_budget_is_shared_by_languages_and_means_the_same_with_kept_answers(
    tmp_path: Path, params: DistilParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    Asked(monkeypatch, plain)
    tight = dataclasses.replace(params, budget_tokens=400, together=3)
    made = []
    for name in ("a", "b"):
        outcome = distil.function(tight, work(tmp_path / name))
        assert set(outcome.summary["languages"]) == set(GOOD)
        assert outcome.summary["chat"]["dropped"]["budget spent"] == 12 - outcome.summary["answers"] > 0
        assert 400 <= outcome.summary["answered_tokens"] < 400 + 3 * 100
        made.append((tmp_path / name / "made" / "chat.jsonl").read_bytes())
        distil.function(params, work(tmp_path / f"{name}-all"))  # everything is known now
    assert made[0] == made[1]


def test_licences_are_looked_at_first(
    tmp_path: Path, params: DistilParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = Asked(monkeypatch, plain)
    with pytest.raises(InputError, match="forbids to train other models") as caught:
        distil.function(dataclasses.replace(params, teacher_licence="llama3"), work(tmp_path / "a"))
    assert "LicenseRef-OpenAI-terms, llama2, llama3" in caught.value.hint.replace(
        "LicenseRef-Gemini-API-terms, ", ""
    )
    with pytest.raises(InputError, match="may not stand behind a shipped layer"):
        distil.function(dataclasses.replace(params, teacher_licence="CC-BY-NC-4.0"), work(tmp_path / "b"))
    with pytest.raises(UsageError, match="does not say its model's licence"):
        distil.function(dataclasses.replace(params, teacher_licence=""), work(tmp_path / "c"))
    assert not teacher.said


def test_a_file_says_its_own_licence(
    tmp_path: Path, params: DistilParams, base_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Asked(monkeypatch, plain)
    own = dataclasses.replace(params, teacher=str(base_file), teacher_licence="")
    outcome = distil.function(own, work(tmp_path / "a"))
    teacher = next(entry for entry in outcome.sources if entry.role == "teacher")
    assert teacher.licence == "CC0-1.0"
    assert len(teacher.sha256) == 64
    with pytest.raises(InputError, match=r"its licence is CC0-1\.0, the recipe says"):
        distil.function(dataclasses.replace(own, teacher_licence="MIT"), work(tmp_path / "b"))


def test_a_real_teacher_answers_and_is_learnt_from(
    tmp_path: Path, params: DistilParams, corpus: Input, base_folder: Path
) -> None:
    """transformers' random model as the teacher, the corpus's chat prompts, and `layer.tune` on its answers alone."""
    ask = dataclasses.replace(
        params, teacher=str(base_folder), teacher_licence="CC0-1.0", prompts=(), own_language=False, answer_tokens_max=24,
        min_characters=1, repeated_share_max=1.0, answers_per_prompt=4, keep_chat=False, temperature=1.5,
    )  # fmt: skip
    where = work(tmp_path / "a", corpus)
    assert distil.function(ask, where).summary["kept"] > 0
    taught = as_input(where.folder, "corpus")
    first = train.function(TrainParams(**SHAPE), work(tmp_path / "layer", corpus))
    layer = as_input(tmp_path / "layer" / "made", "layer", summary=first.summary)
    tuned = tune.function(
        TuneParams(**SHAPE | {"chat_share": 1.0}, chat_sources=("teacher-",)),
        work(tmp_path / "tuned", taught, layer),
    )
    assert set(tuned.summary["loss"]) == {"chat"}
    assert tuned.summary["loss"]["chat"]["last"] < tuned.summary["loss"]["chat"]["first"]


def test_a_model_of_an_address_is_for_addresses(
    tmp_path: Path, params: DistilParams, base_file: Path
) -> None:
    own = dataclasses.replace(params, teacher=str(base_file), teacher_licence="", teacher_model="large")
    with pytest.raises(UsageError, match="is no address"):
        distil.function(own, work(tmp_path / "a"))


def test_own_chat_rows_go_on(
    tmp_path: Path, params: DistilParams, corpus: Input, monkeypatch: pytest.MonkeyPatch
) -> None:
    Asked(monkeypatch, plain)
    distil.function(params, work(tmp_path / "a", corpus))
    rows = read(tmp_path / "a" / "made" / "chat.jsonl")
    own = read(corpus.folder / "chat.jsonl")
    assert rows[: len(own)] == own
    assert len(rows) == len(own) + 12


def test_bad_prompts_are_named(tmp_path: Path, params: DistilParams, monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch, plain)
    path = Path(params.prompts[0])
    for row in (
        {"language": "id"},
        prompts()[0] | {"prompt": "", "messages": [{"role": "system", "content": "x"}]},
        [1],
    ):
        write_lines(path, [prompts()[0], row])  # type: ignore[list-item]
        with pytest.raises(InputError, match=r"prompts\.jsonl:2: no prompt"):
            distil.function(params, work(tmp_path / "a"))
    with pytest.raises(InputError, match="no prompt to ask"):
        distil.function(dataclasses.replace(params, prompts=()), work(tmp_path / "a"))


@contextmanager
def moderations(answer: Callable[[list[str]], Any], *, roles: bool = True) -> Iterator[str]:
    """A real server with /v1/moderations, which may refuse fields that OpenAI's form has not."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = json.dumps(answer(body["input"])).encode()
            known = self.path == "/v1/moderations" and body.get("role", "assistant") == "assistant"
            self.send_response(400 if not roles and "role" in body else 200 if known else 404)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_guard_by_address(tmp_path: Path, params: DistilParams, monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch, plain)
    with moderations(lambda texts: {"results": [{"flagged": "Yes" in text} for text in texts]}) as url:
        outcome = distil.function(dataclasses.replace(params, guard_url=url), work(tmp_path / "a"))
    assert outcome.summary["chat"]["dropped"] == {"flagged by the guard": 4}
    assert set(outcome.summary["languages"]) == {"id", "th"}
    with moderations(lambda texts: {"results": [{"flagged": True}] * len(texts)}, roles=False) as url:
        guard = Guard(url)
        assert guard.flagged(["a", "b"]) == guard.flagged(["c", "d"]) == [True, True]
    with moderations(lambda _: {"results": []}) as url, pytest.raises(InputError, match="is no guard"):
        Guard(url + "/v1/").flagged(["x"])
    with pytest.raises(EnvironmentFault, match="does not answer"):
        Guard("http://127.0.0.1:9").flagged(["x"])


def test_filters() -> None:
    assert repeated_share(GOOD["id"]) < 0.05
    assert repeated_share("ข้าว" * 40) > 0.9
    wanted = {"wanted": frozenset({"id"}), "least": 5, "repeated_most": 0.3}
    assert refused(GOOD["id"], "stop", "id", **wanted) == ""
    assert refused(GOOD["id"], "length", "id", **wanted) == "not finished"
    assert refused("ya \ufffd ya ya", "stop", "id", **wanted) == "replacement characters"
    assert refused(GOOD["en"], "stop", "en", **wanted) == "in another language"
