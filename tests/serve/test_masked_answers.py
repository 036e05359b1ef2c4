"""Personal data in answers: masked however the stream is cut, growing identifiers held, no character broken."""

from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import BAD, running, saying, served, word_guard

from rumpun.engines.characters import clusters
from rumpun.engines.fake import Fake
from rumpun.engines.port import Chunk, Request, Usage
from rumpun.personal import Masker
from rumpun.serve.answers import Ending, answer
from rumpun.serve.models import Place
from rumpun.serve.settings import Settings
from rumpun.serve.watch import Watch

PHONE = "0812-3456-7890"
WORDS = [
    "halo ",
    "โทร 0812-3456-7890 ครับ ",
    f"HP {PHONE}. ",
    "ကျေးဇူး။ ",
    "ប្រាំ ",
    "a@b.example ",
    "👩‍👩‍👧 ",
    "é 12",
    "க்ஷ ",
    "မြန်မာ 5 ",
]


class Cut(Fake):
    """An engine whose answer comes in pieces of these sizes."""

    def __init__(self, text: str, size: int) -> None:
        super().__init__()
        self.pieces = clusters(text)
        self.size = size

    def stream(self, request: Request, cancelled: Any = None) -> Any:
        for at in range(0, len(self.pieces), self.size):
            yield Chunk(text="".join(self.pieces[at : at + self.size]))
        yield Chunk(finish="stop", usage=Usage(1, 1))


def happenings(text: str, size: int, mode: Any) -> tuple[list[str], Ending]:
    chosen = Settings(mask_personal=True, guard=mode)
    guard = None if mode == "off" else word_guard()
    place = Place(served(Cut(text, size)), 4)
    try:
        found = list(answer(place, Watch(guard, chosen), Request(prompt="hai"), lambda: False))
    finally:
        place.pool.shutdown()
    ending = found[-1]
    assert isinstance(ending, Ending)
    return [piece for piece in found if isinstance(piece, str)], ending


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(WORDS), max_size=10).map("".join),
    st.integers(1, 7),
    st.sampled_from(["off", "warn", "block"]),
)
def test_a_masked_stream_is_the_masked_text_in_whole_characters(text: str, size: int, mode: Any) -> None:
    pieces, ending = happenings(text, size, mode)
    whole = Masker().mask(text).text
    assert "".join(pieces) == whole
    assert [cluster for piece in pieces for cluster in clusters(piece)] == clusters(whole)
    assert ending.finish == "stop"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("mode", ["off", "warn", "block"])
def test_no_part_of_an_identifier_is_ever_sent(size: int, mode: Any) -> None:
    text = f"Hubungi saya di {PHONE} ya. Email budi@contoh.example. Selesai."
    pieces, _ = happenings(text, size, mode)
    assert "0812" not in "".join(pieces)
    assert "budi" not in "".join(pieces)
    assert "<PHONE>" in "".join(pieces)
    assert all("<" not in piece or ">" in piece for piece in pieces)


def test_masking_takes_nothing_from_the_guard() -> None:
    for size in (1, 2, 3, 5, 8, 13, 40):
        pieces, ending = happenings(f"HP {PHONE} ya. Lalu {BAD}. Habis.", size, "block")
        assert "".join(pieces) == "HP <PHONE> ya. "
        assert ending.finish == "content_filter"
        assert ending.answer is not None
        assert ending.answer.flagged


def test_through_the_service() -> None:
    body = {"messages": [{"role": "user", "content": "hai"}]}
    for chosen, said in (
        (Settings(guard="off", mask_personal=True), "HP <PHONE> ya"),
        (Settings(guard="off"), f"HP {PHONE} ya"),
    ):
        with running(saying(f"HP {PHONE} ya"), settings=chosen) as run:
            got = httpx2.post(f"{run.url}/v1/chat/completions", json=body).json()
            assert got["choices"][0]["message"]["content"] == said
