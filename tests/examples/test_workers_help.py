"""Two people are told to see a labour office or a lawyer where the tables say so, each in their language, and nowhere else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from served import running
from workers_process import BLOCKING, dispute, interpreter, up

from rumpun.engines.fake import Fake

PAIRS = {"ID-MY": ("id", "ms"), "ID-SG": ("id", "zh"), "MM-TH": ("my", "th"), "PH-SG": ("tl", "en")}
# as each language calls them: a labour office; a lawyer or legal aid
OFFICE = {
    "en": "Labour office", "id": "Kantor tenaga kerja", "ms": "Pejabat buruh", "zh": "劳工部门", "tl": "Tanggapan ng paggawa",
    "th": "สำนักงานแรงงาน", "my": "အလုပ်သမားရုံး",
}  # fmt: skip
LAWYER = {
    "en": "Lawyer or legal aid", "id": "Pengacara atau bantuan hukum", "ms": "Peguam atau bantuan guaman", "zh": "律师或法律援助",
    "tl": "Abogado o legal aid", "th": "ทนายความหรือความช่วยเหลือทางกฎหมาย", "my": "ရှေ့နေ သို့မဟုတ် ဥပဒေအကူအညီ",
}  # fmt: skip
A_LAWYER = {
    "en": "lawyer", "id": "pengacara", "ms": "peguam", "zh": "律师", "tl": "abogado", "th": "ทนายความ", "my": "ရှေ့နေ",
}  # fmt: skip
# said by the worker: wages that are late by more than four weeks, and by less
MONTHS = {
    "id": "Gaji saya belum dibayar 2 bulan.", "my": "နှစ်လ လစာမပေးဘူး။", "tl": "Dalawang buwan na akong walang sahod.",
}  # fmt: skip
WEEKS = {
    "id": "Gaji saya belum dibayar 2 minggu.", "my": "နှစ်ပတ် လစာမပေးဘူး။", "tl": "Dalawang linggo na akong walang sahod.",
}  # fmt: skip
# said by the employer: a day in court, a paper to sign, and nothing of the kind
COURT = {
    "ms": "Tarikh mahkamah hari Isnin.",
    "zh": "下周开庭。",
    "th": "ศาลนัดวันจันทร์",
    "en": "The court date is on Monday.",
}
SIGN = {
    "ms": "Kamu mesti tandatangan surat itu.", "zh": "你今天签这份文件。", "th": "คุณต้องเซ็นวันนี้", "en": "You must sign it today.",
}  # fmt: skip
FINE = {
    "ms": "Gaji masuk pada masanya. Terima kasih.", "zh": "工资按时发了,谢谢。", "th": "ค่าจ้างมาตรงเวลา ขอบคุณ",
    "en": "The wages came on time. Thank you.",
}  # fmt: skip


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """`rumpun up` with a guard that blocks, before a model that sees no sign of its own."""
    with (
        running(Fake(name="jauh", context_tokens=32_768, reply=interpreter)) as far,
        up(f"{far.url}/v1", "--port", "0", *BLOCKING) as found,
    ):
        yield found.line()


def sent_to(view: dict[str, Any], key: str) -> tuple[str, list[str]]:
    """The advice for the one sign that a person is shown, and the kinds of places that it sends them to."""
    [sign] = view["signs"]
    assert sign["key"] == key
    return sign["advice"].casefold(), [place["kind"] for place in sign["places"]]


@pytest.mark.parametrize("countries", PAIRS)
def test_both_are_sent_to_an_office_or_a_lawyer_where_the_tables_say_so(service: str, countries: str) -> None:
    languages = worker, employer = PAIRS[countries]
    sides = dict(zip(("worker", "employer"), languages, strict=True))
    with dispute(service, "--json", "--countries", countries, languages=languages) as talk:
        late = talk.ask(f"w:{MONTHS[worker]}")
        court = talk.ask(f"e:{COURT[employer]}")
        paper = talk.ask(f"e:{SIGN[employer]}")
        others = [talk.ask(line) for line in (f"w:{WEEKS[worker]}", f"e:{FINE[employer]}")]
        assert talk.end() == 0
    for side, tag in sides.items():
        advice, places = sent_to(late[side], "unpaid")
        assert OFFICE[tag].casefold() in advice
        assert places == [OFFICE[tag], LAWYER[tag]]
        advice, places = sent_to(court[side], "deadline_near")
        assert A_LAWYER[tag] in advice
        assert places == [LAWYER[tag], OFFICE[tag]]
        for other in others:  # two weeks are no case for an office yet, and wages that came are none at all
            said = json.dumps(other[side], ensure_ascii=False).casefold()
            assert other[side]["signs"] == []
            assert OFFICE[tag].casefold() not in said
            assert A_LAWYER[tag] not in said
    advice, places = sent_to(paper["worker"], "pressed_to_sign")
    assert A_LAWYER[worker] in advice
    assert OFFICE[worker].casefold() in advice
    assert places == [LAWYER[worker], OFFICE[worker]]
    assert paper["employer"]["signs"] == []  # who presses is not told that the worker was warned


def test_at_the_terminal_it_is_printed_in_both_languages(service: str) -> None:
    def shown(*said: str) -> str:
        with dispute(service, "--countries", "ID-MY", languages=("id", "ms")) as talk:
            for text in (*said, "/quit"):
                talk.send(text)
            return "\n".join(talk.rest())

    needed, needless = shown(MONTHS["id"]), shown(WEEKS["id"], FINE["ms"])
    for line in (
        "Saatnya mencari bantuan", "Kantor tenaga kerja, Malaysia", "Pengacara atau bantuan hukum, Malaysia",
        "Masa untuk mendapatkan bantuan", "Pejabat buruh, Malaysia", "Peguam atau bantuan guaman, Malaysia",
    ):  # fmt: skip
        assert line in needed
        assert line not in needless
    assert WEEKS["id"] in needless  # both messages were shown
    assert FINE["ms"] in needless
