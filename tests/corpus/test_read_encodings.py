"""Text in the region's older encodings is read as what it was; what fits none is refused, and nothing is guessed."""

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import TEXTS, files, read, rejected, sources, texts

from rumpun.corpus.read.formats.decode import Decoder, known_encoding
from rumpun.errors import InputError

FRENCH = "Le café près de la rivière était fermé à cause de l'été, a répondu la grand-mère."
TRADITIONAL = "奶奶在屋後種了薑和薑黃，這塊地屬於村裡的大家庭，每年雨季都有好收成。"
VIETNAMESE = TEXTS["vi"]


def cp1258(text):
    """Vietnamese as cp1258 writes it: base letters with their shapes, tones as marks of their own."""
    tones = "\u0300\u0301\u0303\u0309\u0323"
    out = bytearray()
    for letter in unicodedata.normalize("NFC", text):
        try:
            out += letter.encode("cp1258")
        except UnicodeEncodeError:
            parts = unicodedata.normalize("NFD", letter)
            tone = next(part for part in parts if part in tones)
            out += unicodedata.normalize("NFC", parts.replace(tone, "")).encode("cp1258") + tone.encode(
                "cp1258"
            )
    return bytes(out)


SAMPLES = {
    "cp874": TEXTS["th"].encode("cp874"),
    "cp1258": cp1258(VIETNAMESE),
    "gb18030": TEXTS["zh"].encode("gb18030"),
    "big5hkscs": TRADITIONAL.encode("big5hkscs"),
    "cp1252": FRENCH.encode("cp1252"),
}
MEANT = {
    "cp874": TEXTS["th"],
    "cp1258": VIETNAMESE,
    "gb18030": TEXTS["zh"],
    "big5hkscs": TRADITIONAL,
    "cp1252": FRENCH,
}


@pytest.mark.parametrize("name", list(SAMPLES))
def test_each_encoding_is_recognised(name):
    text, found = Decoder().text(SAMPLES[name])
    assert found == name
    assert unicodedata.normalize("NFC", text) == MEANT[name]


@pytest.mark.parametrize("name", list(SAMPLES))
@pytest.mark.parametrize("letters", [12, 24])
def test_short_pieces_are_never_taken_for_another_encoding(name, letters):
    right = wrong = 0
    for start in range(0, len(MEANT[name]) - letters, 3):
        piece = MEANT[name][start : start + letters]
        data = cp1258(piece) if name == "cp1258" else piece.encode(name)
        found = Decoder().text(data)
        if found is not None and found[1]:
            same = unicodedata.normalize("NFC", found[0]) == piece
            right += same
            wrong += not same
    assert right > 3 * wrong
    assert wrong <= 1 if letters == 12 else wrong == 0


def test_lines_of_several_encodings_in_one_document(tmp_path, store):
    lines = [TEXTS["th"].encode(), SAMPLES["cp874"], b"plain", SAMPLES["gb18030"], TEXTS["my"].encode()]
    (tmp_path / "mixed.txt").write_bytes(b"\n".join(lines))
    folder = read(store, files=files(tmp_path / "mixed.txt"))
    assert texts(folder) == ["\n".join([TEXTS["th"], TEXTS["th"], "plain", TEXTS["zh"], TEXTS["my"]])]
    assert sources(folder)["mixed"]["recoded"] == {"utf-8+cp874+gb18030": 1}
    with pytest.raises(InputError, match=r"mixed\.txt:1: not UTF-8 but utf-8\+cp874\+gb18030"):
        read(store, files=files(tmp_path / "mixed.txt"), on_bad_input="stop")


def test_lines_as_documents_each_in_its_own_encoding(tmp_path, store):
    lines = [
        SAMPLES["cp874"],
        TEXTS["lo"].encode(),
        SAMPLES["cp1252"],
        b"\xff\xfe\xfd\xfc\xfb",
        SAMPLES["gb18030"],
    ]
    (tmp_path / "l.txt").write_bytes(b"\n".join(lines))
    folder = read(store, files=files(tmp_path / "l.txt", documents="line"))
    assert texts(folder) == [TEXTS["th"], TEXTS["lo"], FRENCH, TEXTS["zh"]]
    (told,) = rejected(folder)
    assert (told["row"], told["rule"], told["data"]) == (4, "read.encoding", b"\xff\xfe\xfd\xfc\xfb")


@pytest.mark.parametrize("name", ["cp874", "gb18030", "big5hkscs"])
def test_json_lines_in_an_older_encoding(tmp_path, store, name):
    line = '{"text": "' + MEANT[name] + '"}\n'
    (tmp_path / "a.jsonl").write_bytes(line.encode(name))
    folder = read(store, files=files(tmp_path / "a.jsonl"))
    assert texts(folder) == [MEANT[name]]
    assert sources(folder)["a"]["recoded"] == {name: 1}


def test_an_encoding_named_by_the_recipe_is_no_bad_input(tmp_path, store):
    (tmp_path / "a.txt").write_bytes("ดี".encode("tis-620"))
    folder = read(store, files=files(tmp_path / "a.txt", encoding="TIS-620"), on_bad_input="stop")
    assert texts(folder) == ["ดี"]
    assert sources(folder)["a"]["recoded"] == {}


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_no_text(tmp_path, store, name):
    (tmp_path / "a.txt").write_bytes(TEXTS["ta"].encode(name))
    assert texts(read(store, files=files(tmp_path / "a.txt"))) == [TEXTS["ta"]]


@given(st.text(min_size=1))
def test_utf8_is_always_itself(text):
    data = text.encode("utf-8", "replace")
    assert Decoder("cp874", "vi").text(data) == (data.decode(), "")


def test_noise_is_refused():
    dice = random.Random(11)
    taken = 0
    for _ in range(200):
        data = bytes(dice.randrange(0x80, 0x100) for _ in range(60))
        taken += Decoder().text(data) is not None
    assert taken <= 4


def test_text_cut_in_the_middle_of_a_letter_is_refused():
    for text in TEXTS.values():
        if not text.isascii():
            data = text.encode()
            cut = next(n for n in range(len(data) - 1, 0, -1) if data[n] >= 0x80)
            assert Decoder().text(data[:cut]) is None


def test_labels_as_pages_write_them():
    assert known_encoding(" 'TIS-620' ") == "cp874"
    assert known_encoding("GB2312") == "gb18030"
    assert known_encoding("ISO-8859-1") == "cp1252"
    assert known_encoding("nonsense") == ""
    assert known_encoding("base64") == ""
