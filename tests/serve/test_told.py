"""A chat without a system text is put to a layer after the one that names the asker's language, where the layer learnt that."""

from collections.abc import Iterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import Running, running, served, word_guard

from rumpun.engines.fake import Fake
from rumpun.engines.port import Message, Request
from rumpun.records.service import Service, read_service, write_service
from rumpun.serve.settings import Settings

SYSTEM = {
    "id": "Jawab dalam Bahasa Indonesia.",
    "ms": "Jawab dalam Bahasa Melayu.",
    "th": "ตอบเป็นภาษาไทย",
    "en": "Answer in English.",
}
INDONESIAN = "Bagaimana cara memperbaiki sepeda yang rantainya sering lepas karena sudah longgar?"
MALAY = "Bolehkah awak terangkan mengapa kanak-kanak perlu tidur awal pada waktu malam?"
THAI = "ทำไมท้องฟ้าจึงเป็นสีฟ้า"
TAMIL = "வானம் ஏன் நீலமாக இருக்கிறது?"


class Asked:
    """A service, and what its engine was asked."""

    def __init__(self, running: Running, requests: list[Request]) -> None:
        self.running, self.requests = running, requests

    def chat(self, *messages: tuple[str, str], **more: object) -> httpx2.Response:
        body = {"messages": [{"role": role, "content": text} for role, text in messages], **more}
        return httpx2.post(f"{self.running.url}/v1/chat/completions", json=body, timeout=60)

    def last(self) -> tuple[Message, ...]:
        return self.requests[-1].messages


@pytest.fixture(scope="module", params=["off", "warn", "block"])
def asked(request: pytest.FixtureRequest) -> Iterator[Asked]:
    requests: list[Request] = []

    def reply(request: Request) -> str:
        requests.append(request)
        return "Ya."

    model = served(Fake(reply=reply), system=SYSTEM)
    with running([model], word_guard(), Settings(guard=request.param)) as there:
        yield Asked(there, requests)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("question", "tag"), [(MALAY, "ms"), (THAI, "th")])
def test_the_askers_language_is_told(asked: Asked, question: str, tag: str, stream: bool) -> None:
    said = asked.chat(("user", question), stream=stream)
    assert said.status_code == 200, said.text
    assert asked.last() == (Message("system", SYSTEM[tag]), Message("user", question))


@pytest.mark.parametrize("short", ["Terima kasih", "Selamat pagi", "Boleh?", "OK", "🙂"])
def test_a_short_turn_does_not_change_the_language(asked: Asked, short: str) -> None:
    """Alone it tells nothing; after a long one the chat stays in that one's language."""
    asked.chat(("user", short))
    assert asked.last() == (Message("user", short),)
    asked.chat(("user", INDONESIAN), ("assistant", "Kencangkan rantainya."), ("user", short))
    assert asked.last()[0] == Message("system", SYSTEM["id"])


@pytest.mark.parametrize(
    "question",
    [
        "Terjemahkan ke bahasa Inggris: Saya suka makan nasi goreng di warung dekat rumah.",
        "Translate into Malay: I like to eat fried rice at the stall near the house.",
        "Please answer in Indonesian from now on, whatever I write to you in this chat.",
        "ช่วยแปลข้อความนี้เป็นภาษาอังกฤษ ฉันชอบกินข้าวผัดที่ร้านใกล้บ้าน",
    ],
)
def test_who_speaks_of_a_language_is_not_contradicted(asked: Asked, question: str) -> None:
    asked.chat(("user", question))
    assert asked.last() == (Message("user", question),)


def test_a_prompt_that_fits_without_the_text_goes_without(asked: Asked) -> None:
    requests: list[Request] = []
    engine = Fake(reply=lambda request: (requests.append(request), "Ya.")[1], context_tokens=len(MALAY) + 20)
    with running([served(engine, system=SYSTEM)]) as there:
        said = Asked(there, requests).chat(("user", MALAY), max_tokens=4)
    assert said.status_code == 200, said.text
    assert requests[-1].messages == (Message("user", MALAY),)


def test_the_last_question_decides(asked: Asked) -> None:
    asked.chat(("user", THAI), ("assistant", "เพราะแสง"), ("user", MALAY))
    assert asked.last()[0] == Message("system", SYSTEM["ms"])
    assert len(asked.last()) == 4


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_text_of_the_clients_stays_alone(asked: Asked, role: str) -> None:
    asked.chat((role, "Answer in English."), ("user", MALAY))
    assert asked.last() == (Message("system", "Answer in English."), Message("user", MALAY))


@pytest.mark.parametrize("question", [TAMIL, "???", "12 + 3"])
def test_a_language_that_the_layer_has_no_text_for_goes_as_it_came(asked: Asked, question: str) -> None:
    asked.chat(("user", question))
    assert asked.last() == (Message("user", question),)


def test_a_text_to_go_on_from_has_no_turns(asked: Asked) -> None:
    url = f"{asked.running.url}/v1/completions"
    said = httpx2.post(url, json={"prompt": MALAY}, timeout=60)
    assert said.status_code == 200
    assert (asked.requests[-1].prompt, asked.last()) == (MALAY, ())


def test_the_list_of_models_shows_the_texts(asked: Asked) -> None:
    (entry,) = httpx2.get(f"{asked.running.url}/v1/models", timeout=60).json()["data"]
    assert entry["rumpun"]["system"] == SYSTEM
    with running(Fake()) as plain:
        (entry,) = httpx2.get(f"{plain.url}/v1/models", timeout=60).json()["data"]
    assert entry["rumpun"]["system"] is None


@given(
    system=st.dictionaries(
        st.from_regex(r"[a-z]{2,3}(-[A-Z][a-z]{3})?", fullmatch=True), st.text(min_size=1)
    ),
    caution=st.text(),
)
def test_service_toml_reads_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, system: dict[str, str], caution: str
) -> None:
    folder = tmp_path_factory.mktemp("layer")
    service = Service(policy="asean", contexts=("health",), caution=caution, system=system)
    write_service(folder, service)
    assert read_service(folder) == service
