"""Two people through real processes: the example before `rumpun up`, with a guard that blocks and an address that dies."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from served import running, word_guard
from workers_process import BLOCKING, DISPUTE, TOLD, dispute, interpreter, process, up

from rumpun.engines.fake import Fake
from rumpun.serve.settings import Settings

WAGES, PAY = list(TOLD)[:2]


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
