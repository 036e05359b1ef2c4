"""One talk before a service of the tests: what a guard, a model and a server may do to a message."""

import contextlib
import itertools
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from between.address import Address, Reply
from between.tables import LANGUAGES, tables
from between.talk import LONGEST, Talk
from between.translate import trial
from between.trouble import Trouble
from served import BAD, DOUBTFUL, SAD, message, running, word_guard
from workers_process import interpreter

from rumpun.engines.fake import Fake
from rumpun.errors import EnvironmentFault
from rumpun.serve.settings import Settings

PASSPORTS = ("passport", "paspor", "pasport", "护照", "pasaporte", "หนังสือเดินทาง", "ပတ်စပို့")


def far_model(**options: Any) -> Fake:
    return Fake(name="jauh", context_tokens=32_768, **({"reply": interpreter} | options))


# ---- in this process: what a guard, a model and a server may do


@pytest.fixture
def talks() -> Iterator[Any]:
    """Makes talks, each before a service of its own."""
    with contextlib.ExitStack() as beside:

        def talk(engine: Any = None, mode: Any = "block", guard: Any = None, **options: Any) -> Talk:
            settings = Settings(guard=mode)
            run = beside.enter_context(running(engine or far_model(), guard or word_guard(), settings))
            address = beside.enter_context(Address(f"{run.url}/v1"))
            pair = options.pop("countries", ("ID", "SG"))
            worker, employer = options.pop("languages", ("id", "zh"))
            return Talk(address, {"worker": worker, "employer": employer}, pair, **options)

        yield talk


def test_a_text_of_distress_gets_help_and_stays_with_its_writer(talks: Any) -> None:
    talk = talks()
    turn = talk.say("worker", f"apa {SAD}")
    assert talk.views("employer") == []
    view = talk.view(turn, "worker")
    assert view["held"]
    assert " ".join(view["notes"][1].split()) == " ".join(message(f"apa {SAD}").split())


def test_a_word_of_care_passes_and_is_told_to_its_writer_alone(talks: Any) -> None:
    talk = talks()
    turn = talk.say("worker", f"apa {DOUBTFUL}")
    assert talk.view(turn, "employer")["translation"] == f"<Chinese> apa {DOUBTFUL}"
    said = " ".join(message(f"apa {DOUBTFUL}").split())
    assert said in [" ".join(note.split()) for note in talk.view(turn, "worker")["notes"]]
    assert said not in [" ".join(note.split()) for note in talk.view(turn, "employer")["notes"]]


def test_a_blocked_translation_is_not_shown_either(talks: Any) -> None:
    talk = talks(far_model(reply=lambda request: f"Baik. Lalu {BAD} itu."))
    turn = talk.say("worker", "Selamat pagi.")
    assert talk.views("employer") == []
    assert BAD not in json.dumps(talk.view(turn, "worker"))


def test_a_guard_that_only_warns_lets_pass_and_tells_the_writer(talks: Any) -> None:
    talk = talks(mode="warn")
    turn = talk.say("worker", f"apa {BAD}")
    mine, theirs = (talk.view(turn, side) for side in ("worker", "employer"))
    assert any("Penjaga menandai" in note for note in mine["notes"])
    assert theirs["translation"] == f"<Chinese> apa {BAD}"
    assert not any("守卫" in note for note in theirs["notes"])


def test_no_verdict_is_trouble_and_nothing_is_taken(talks: Any) -> None:
    class Broken(type(word_guard())):  # type: ignore[misc]
        def logits(self, texts: Any) -> Any:
            raise EnvironmentFault("no verdict")

    talk = talks(guard=word_guard(Broken))
    with pytest.raises(Trouble, match="answered 503"):
        talk.say("worker", "Selamat pagi.")
    assert talk.turns == []


def test_what_a_translation_lost_is_named_to_both(talks: Any) -> None:
    talk = talks(far_model(reply=lambda _: "我不知道。"))
    turn = talk.say("worker", "Lembur 1.250.000 sejak 7 Mei belum ada.")
    for side, words in (
        ("worker", ("1250000, 7", "upah lembur = 加班费")),
        ("employer", ("1250000, 7", "加班费")),
    ):
        notes = " ".join(talk.view(turn, side)["notes"])
        assert all(word in notes for word in words), notes


def test_a_number_that_a_translation_made_up_is_named_to_both(talks: Any) -> None:
    talk = talks(far_model(reply=lambda _: "我要求加班费450元,利息20%。"))
    turn = talk.say("worker", "Saya minta uang lembur 450 dolar.")
    for side in ("worker", "employer"):
        [note] = [note for note in talk.view(turn, side)["notes"] if note.endswith(": 20")]
        assert note.startswith(tables().says[talk.languages[side]]["added"])


@pytest.mark.parametrize(("reply", "tokens"), [("字" * 500, 8), ("", 400)])
def test_a_translation_that_was_cut_or_never_came_says_so(talks: Any, reply: str, tokens: int) -> None:
    talk = talks(far_model(reply=lambda _: reply), max_tokens=tokens)
    turn = talk.say("worker", "Selamat pagi.")
    assert "译文被截断,有缺失。" in talk.view(turn, "employer")["notes"]


def test_a_long_message_goes_in_pieces_and_comes_together_in_order(talks: Any) -> None:
    asked: list[str] = []

    def reply(request: Any) -> str:
        if request.messages[0].content.startswith("You read"):
            return "none"
        asked.append(request.messages[-1].content)
        return f'"{request.messages[-1].content}"'

    talk = talks(far_model(reply=reply))
    text = " ".join(f"Kalimat nomor {number} tentang kerja." for number in range(100))[:LONGEST]
    turn = talk.say("worker", text)
    assert len(asked) >= 8
    assert all(len(piece) <= 400 for piece in asked)
    assert turn.translation.text == text  # quotation marks around a piece are not its own
    assert turn.translation.numbers == ()


def test_the_model_may_see_a_sign_that_no_phrase_names(talks: Any) -> None:
    talk = talks()
    turn = talk.say("employer", "Dia marah sekali.")
    [sign] = talk.view(turn, "worker")["signs"]
    assert (sign["key"], sign["by"]) == ("threats", "dugaan model")
    assert talk.view(turn, "employer")["signs"] == []  # what may endanger the worker is not on that screen


@pytest.mark.parametrize("said", ["threats, injury, danger, unpaid", "Yes, I can help you!", ""])
def test_a_judgement_that_is_none_is_thrown_away_and_told(talks: Any, said: str) -> None:
    talk = talks(far_model(reply=lambda request: said if "You read" in request.messages[0].content else "好"))
    turn = talk.say("worker", "Selamat pagi.")
    assert turn.signs == ()
    assert turn.unasked
    assert any("只按词查找" in note for note in talk.view(turn, "employer")["notes"])


@pytest.mark.parametrize("pair", list(itertools.permutations(LANGUAGES, 2)))
def test_a_good_translation_of_the_trial_passes_and_a_lost_word_or_number_does_not(
    pair: tuple[str, str],
) -> None:
    tries = tables().prompts["trial"]

    def model(spoil: str) -> Any:
        def ask(messages: Any, _: int) -> Reply:
            source = next(tag for tag, text in tries.items() if text == messages[-1]["content"])
            return Reply(tries[pair[1 - pair.index(source)]].replace(spoil, "…"))

        return SimpleNamespace(ask=ask)

    assert trial(model("\0"), pair, 400)
    for spoil in (
        "၄၅၀" if pair[0] == "my" else "450",
        next(word for word in PASSPORTS if word in tries[pair[0]]),
    ):
        assert not trial(model(spoil), pair, 400)


def test_an_empty_cell_is_shown_empty_and_a_language_without_a_claim_in_english(talks: Any) -> None:
    talk = talks(languages=("my", "en"), countries=("MM", "TH"))
    turn = talk.say("worker", "ပတ်စပို့ အကြောင်း၊ လစာဖြတ် အကြောင်း")
    cells = {term["name"]: term["cells"] for term in talk.view(turn, "employer")["terms"]}
    assert cells["keeping a passport"][1] == {"country": "Myanmar", "says": None}
    assert cells["keeping a passport"][0]["law"].startswith("Emergency Decree")
    talk = talks(languages=("th", "en"), countries=("ID", "SG"))
    turn = talk.say("employer", "The overtime is paid.")
    cell = talk.view(turn, "worker")["terms"][0]["cells"][0]
    assert cell["language"] == "en"
    assert cell["country"] == "สิงคโปร์"


def test_too_much_is_refused_before_the_model_is_asked(talks: Any) -> None:
    talk = talks(far_model(fails_at=0))
    for text, says in (("x" * (LONGEST + 1), "4,001 characters; 4,000 fit"), (" \u202e\x00\n", "is empty")):
        with pytest.raises(Trouble, match=says):
            talk.say("worker", text)
    with pytest.raises(Trouble, match="answered 502"):
        talk.say("worker", "x")
    assert talk.turns == []


def test_a_file_that_is_full_holds_whole_lines_and_the_message_is_not_taken(
    talks: Any, tmp_path: Path
) -> None:
    kept = tmp_path / "talk"
    talk = talks(keep=kept)
    talk.say("worker", "Selamat pagi.")
    whole = kept.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 20, before[1]))
    try:
        with pytest.raises(Trouble, match="--keep: the message cannot be written"):
            talk.say("worker", "Selamat siang.")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert kept.read_bytes() == whole
    assert talk.say("worker", "Selamat siang.").number == 2
    talk.close()
    assert [json.loads(line)["number"] for line in kept.read_text(encoding="utf-8").splitlines()] == [1, 2]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": "x"}]}'])
def test_what_is_no_chat_answer_is_one_line(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    answer = SimpleNamespace(content=body, status_code=200, json=lambda: json.loads(body))
    with Address("http://127.0.0.1:9/v1") as address:
        monkeypatch.setattr(address._client, "post", lambda *_, **__: answer)
        with pytest.raises(Trouble, match="gave no chat answer"):
            address.ask([], 1)
