"""Two people through real processes: the example before `rumpun up`, with a guard that blocks and an address that dies."""

import contextlib
import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from between.address import Address, Reply
from between.tables import LANGUAGES, tables
from between.talk import LONGEST, Talk
from between.translate import trial
from between.trouble import Trouble
from served import BAD, DOUBTFUL, SAD, message, running, word_guard
from workers_process import BLOCKING, DISPUTE, TOLD, dispute, interpreter, process, up

from rumpun.engines.fake import Fake
from rumpun.errors import EnvironmentFault
from rumpun.serve.settings import Settings

WAGES, PAY = list(TOLD)[:2]
PASSPORTS = ("passport", "paspor", "pasport", "护照", "pasaporte", "หนังสือเดินทาง", "ပတ်စပို့")


def far_model(**options: Any) -> Fake:
    return Fake(name="jauh", context_tokens=32_768, **({"reply": interpreter} | options))


@pytest.fixture(scope="module")
def far() -> Iterator[str]:
    with running(far_model()) as run:
        yield f"{run.url}/v1"


@pytest.fixture(scope="module")
def service(far: str) -> Iterator[str]:
    with up(far, "--port", "0", *BLOCKING) as found:
        yield found.line()


def test_the_talk_runs_in_both_directions_with_terms_sources_and_advice(service: str, tmp_path: Path) -> None:
    kept = tmp_path / "talk.jsonl"
    with dispute(service, "--json", "--keep", str(kept)) as talk:
        first = talk.ask(WAGES)
        second = talk.ask(PAY)
        third = talk.ask("Terima kasih.")
        code = talk.end()
    assert (code, talk.errors) == (0, [])
    employer = first["employer"]
    assert (employer["translation"], employer["translation_language"]) == (TOLD[WAGES], "zh")
    assert (employer["text"], first["worker"]["translation"]) == (WAGES, TOLD[WAGES])
    assert first["worker"]["notes"] == []  # «2 bulan» is there as 2, overtime and wages by their words
    overtime = next(term for term in employer["terms"] if term["name"] == "加班费")
    assert [cell["country"] for cell in overtime["cells"]] == ["新加坡", "印度尼西亚"]
    assert [(cell["law"], cell["section"]) for cell in overtime["cells"]] == [
        ("Employment Act 1968", "section 38(4)"),
        ("Peraturan Pemerintah 35/2021", "Articles 26, 31, 32"),
    ]
    assert all(cell["address"].startswith("https://") and cell["as_of"] for cell in overtime["cells"])
    assert "1.5倍" in overtime["cells"][0]["says"]
    for side, word in (("worker", "kantor tenaga kerja"), ("employer", "劳工部门")):
        [sign] = first[side]["signs"]
        assert sign["key"] == "unpaid"
        assert word in sign["advice"]
        assert "https://www.mom.gov.sg" in json.dumps(sign["places"])
    # back, in the other direction
    assert second["worker"]["translation"] == TOLD[PAY]
    assert second["worker"]["terms"][0]["name"] == "upah lembur"
    assert second["worker"]["notes"] == []  # 1200 and 1.200 are one number
    assert second["worker"]["signs"] == []
    assert third["employer"]["translation"] == TOLD["Terima kasih."]
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert [(line["side"], line["text"], line["signs"]) for line in lines] == [
        ("worker", WAGES, ["unpaid"]), ("employer", PAY, []), ("worker", "Terima kasih.", []),
    ]  # fmt: skip
    assert kept.stat().st_mode & 0o077 == 0


def test_a_blocked_message_is_told_to_its_writer_and_to_nobody_else(service: str, tmp_path: Path) -> None:
    kept = tmp_path / "talk.jsonl"
    with dispute(service, "--json", "--keep", str(kept)) as talk:
        held = talk.ask("ini zorkblip, saya dipukul")
        after = talk.ask("Terima kasih.")  # still the worker's turn
        assert talk.end() == 0
    assert held["employer"] is None
    assert held["worker"]["held"]
    assert held["worker"]["translation"] == ""
    assert held["worker"]["notes"][0].startswith("Tidak terkirim.")
    # a guard's mistake does not take the advice away
    [sign] = held["worker"]["signs"]
    assert sign["key"] == "danger"
    assert "999" in json.dumps(sign["places"])
    assert after["worker"]["mine"]
    assert "zorkblip" not in kept.read_text(encoding="utf-8")


def test_an_address_that_dies_is_one_line_and_nothing_is_lost(far: str, tmp_path: Path) -> None:
    kept = tmp_path / "talk.jsonl"
    with up(far, "--port", "0", *BLOCKING) as first:
        url = first.line()
        with dispute(url, "--json", "--keep", str(kept)) as talk:
            talk.ask(WAGES)
            first.kill()
            talk.send(PAY)
            line = talk.line("errors")
            assert line.startswith(f"not sent: {url}/v1 does not answer (ConnectError); start it")
            assert len(kept.read_text(encoding="utf-8").splitlines()) == 1
            with up(far, "--port", url.rpartition(":")[2], *BLOCKING) as again:
                assert again.line() == url
                found = talk.ask("")  # an empty line sends it again
            assert found["employer"]["mine"]
            assert found["worker"]["translation"] == TOLD[PAY]
            assert len(talk.errors) == 1
            talk.send("Terima kasih.")
            talk.line("errors")
            assert talk.end() == 5  # ended with a message that never went out
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 2


def test_two_people_at_a_terminal_read_it_in_their_languages(service: str) -> None:
    with dispute(service, "--countries", "ID-MY", languages=("id", "ms")) as talk:
        talk.send("Paspor saya ditahan majikan.")
        talk.send("/quit")
        out, _ = talk.child.communicate(timeout=60)
        lines = [talk.line() for _ in range(talk._lines["out"].qsize())] + out.splitlines()
    shown = "\n".join(lines)
    assert "Tidak ada yang disimpan" in shown
    assert "Tiada apa disimpan" in shown
    assert "Ini bukan nasihat hukum" in shown
    assert "<Malay> Paspor saya ditahan majikan." in shown
    assert (
        "Passports Act 1966 (Act 150), section 12(1)(f), https://lom.agc.gov.my; setakat 2025-01, belum disemak"
        in shown
    )
    assert "pejabat buruh" in shown
    assert "https://jtksm.mohr.gov.my" in shown


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--url", "ftp://x"), 2, "--url 'ftp://x' is no address"),
        (("--url", "http://user:secret-word@127.0.0.1/v1"), 2, "--url holds a password"),
        (("--countries", "ID-TH"), 2, "--countries ID-TH: no such pair in terms.toml; one of ID-MY"),
        (("--employer-language", "th"), 2, "id and th have no usual pair of countries; add --countries"),
        (("--keep", str(DISPUTE)), 3, "is there already; name a new file"),
        (("--keep", "/nowhere/talk"), 3, "cannot be made"),
        (("--api-key-file", "/nowhere/key"), 3, "--api-key-file /nowhere/key: cannot be read"),
    ],
)
def test_a_wrong_option_is_one_line(options: tuple[str, ...], code: int, says: str) -> None:
    with dispute("http://127.0.0.1:9", *options) as talk:
        line = talk.line("errors")
        assert talk.end() == code
    assert line.startswith("error: ")
    assert says in line
    assert "secret-word" not in line
    assert len(talk.errors) == 1


def test_the_sample_of_the_readme_runs_and_shows_what_it_is_for() -> None:
    sample = (DISPUTE.parent / "sample-id-en.txt").read_text(encoding="utf-8")
    with (
        running(far_model(), word_guard(), Settings(guard="block")) as run,
        dispute(run.url, "--json", languages=("id", "en")) as talk,
    ):
        turns = [talk.ask(line) for line in sample.splitlines()]
        assert talk.end() == 0
    signs = {sign["key"] for turn in turns for sign in turn["worker"]["signs"]}
    terms = {term["name"] for turn in turns for term in turn["employer"]["terms"]}
    assert signs >= {"unpaid", "passport_kept", "pressed_to_sign"}
    assert terms >= {
        "agency fee",
        "foreign worker levy",
        "deductions from wages",
        "weekly rest day",
        "keeping a passport",
    }
    assert "pressed_to_sign" not in {sign["key"] for turn in turns for sign in turn["employer"]["signs"]}


def test_every_option_in_the_readme_exists() -> None:
    from dispute import dispute as command

    text = (DISPUTE.parent / "README.md").read_text(encoding="utf-8")
    known = {name for option in command.params for name in option.opts}
    ours = [line for line in text.splitlines() if "dispute.py" in line or line.startswith("| `--")]
    said = set(re.findall(r"--[a-z][a-z-]+", " ".join(ours)))
    assert len(said) >= 8
    assert said <= known
    for name in re.findall(r"\]\(([a-z.]+)\)", text):
        assert (DISPUTE.parent / name).is_file()


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


def test_both_are_warned_of_a_model_that_fails_the_trial() -> None:
    with (
        running(far_model(reply=lambda _: "Maaf, saya tidak tahu.")) as run,
        dispute(run.url, "--countries", "ID-MY", languages=("id", "ms")) as talk,
    ):
        line = talk.line("errors")
        assert line.startswith("warning: In a trial before this talk the model translated badly.")
        assert talk.end() == 0
        shown = [talk.line() for _ in range(8)]
    assert any("Jangan andalkan terjemahan" in line for line in shown)
    assert any("Jangan bergantung pada terjemahan" in line for line in shown)


def test_an_address_that_was_never_there_leaves_no_file(tmp_path: Path) -> None:
    with dispute("http://127.0.0.1:9", "--keep", str(tmp_path / "talk")) as talk:
        assert "http://127.0.0.1:9/v1 does not answer" in talk.line("errors")
        assert talk.end() == 5
    assert list(tmp_path.iterdir()) == []


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


def test_a_key_goes_out_and_is_never_said(tmp_path: Path, far: str) -> None:
    key = "kunci-rahasia-7781"
    (tmp_path / "key").write_text(f"{key}\n")
    with process(sys.executable, "-m", "rumpun.cli", "up", "--port", "0", "--base", far, "--guard", "off", "--quiet",
                 "--api-key-file", str(tmp_path / "key")) as service:  # fmt: skip
        url = service.line()
        assert httpx2.get(f"{url}/v1/models").status_code == 401
        with dispute(url, "--json", "--api-key-file", str(tmp_path / "key")) as talk:
            assert talk.ask("Terima kasih.")["employer"]["translation"] == "谢谢。"
            talk.end()
        with dispute(url, "--json", OPENAI_API_KEY="salah-7782") as wrong:
            assert "answered 401 (invalid_api_key); give --api-key-file" in wrong.line("errors")
            assert wrong.end() == 5
    said = "".join(talk.errors + wrong.errors + service.errors)
    assert key not in said
    assert "7782" not in said


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": "x"}]}'])
def test_what_is_no_chat_answer_is_one_line(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    answer = SimpleNamespace(content=body, status_code=200, json=lambda: json.loads(body))
    with Address("http://127.0.0.1:9/v1") as address:
        monkeypatch.setattr(address._client, "post", lambda *_, **__: answer)
        with pytest.raises(Trouble, match="gave no chat answer"):
            address.ask([], 1)


@pytest.mark.base
def test_the_embedded_base_itself_with_the_shipped_guard(home_with_base: Path) -> None:
    """Its translations are bad; the numbers, terms, sources and signs do not depend on them."""
    command = (
        sys.executable,
        "-m",
        "rumpun.cli",
        "up",
        "--port",
        "0",
        "--layer",
        "none",
        "--guard",
        "block",
        "--quiet",
    )
    with process(*command, RUMPUN_HOME=str(home_with_base)) as service:
        url = service.line(seconds=240)
        with dispute(url, "--json", "--max-tokens", "24", languages=("id", "en")) as talk:
            assert talk.line("errors", 240).startswith("warning: In a trial before this talk")
            talk.send("Paspor saya ditahan. Uang lembur 450 dolar belum dibayar 2 bulan.")
            first = json.loads(talk.line(seconds=240))
            talk.send("e:I will pay the overtime on 7 May.")
            second = json.loads(talk.line(seconds=240))
            talk.end()
    assert {sign["key"] for sign in first["worker"]["signs"]} >= {"passport_kept", "unpaid"}
    assert {term["name"] for term in first["employer"]["terms"]} >= {"overtime pay", "keeping a passport"}
    assert not first["worker"]["held"]
    assert not second["worker"]["held"]
    assert second["worker"]["terms"][0]["cells"][0]["law"] == "Employment Act 1968"
    for view in (first["employer"], second["worker"]):
        told = view["translation"]
        lost = [number for number in ("450", "7") if number in view["text"] and number not in told]
        assert all(any(number in note for note in view["notes"]) for number in lost), view
    assert "Traceback" not in "".join(service.errors)
