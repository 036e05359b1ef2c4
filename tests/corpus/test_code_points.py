"""Tables and folding agree with asking Python about each code point and each string."""

import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rumpun.corpus.code_points import ASSIGNED, EVERY, categories, folded, folding_table
from rumpun.corpus.letters import LETTERS, SCRIPTS, kinds_table
from rumpun.corpus.tag.batch import DIGIT, PUNCTUATION, SYMBOL, UPPER, Batch

_PARTS = sorted(
    {
        part
        for code in range(0x20000)
        for part in unicodedata.normalize("NFD", chr(code))
        if not 0xAC00 <= code < 0xD7A4 and len(unicodedata.normalize("NFD", chr(code))) > 1
    }
)
_WHOLE = [chr(code) for code in range(0x20000) if unicodedata.decomposition(chr(code))[:1] not in ("", "<")]
_MARKS = [chr(code) for code in range(0x20000) if unicodedata.combining(chr(code))]
_HANGUL = "\u1100\u1161\u1175\u11a8\u11c2\uac00\uac01"
some_text = st.text(
    alphabet=st.one_of(
        st.sampled_from(_PARTS),
        st.sampled_from(_WHOLE),
        st.sampled_from(_MARKS),
        st.sampled_from(f"aeouAEOUกခဥကខßŉİſẞﬁ\u0345\ud800 \n{_HANGUL}"),
        st.characters(),
    ),
    max_size=8,
)


def plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def strings(texts: list[str]) -> list[str]:
    codes, lengths = folded(texts)
    ends = np.cumsum(lengths)
    return [
        codes[end - size : end].tobytes().decode("utf-32-le", "surrogatepass")
        for end, size in zip(ends, lengths, strict=True)
    ]


@given(st.lists(some_text, max_size=5))
def test_texts_fold_as_strings_do(texts):
    assert strings(texts) == [plain(text) for text in texts]


def test_every_letter_with_every_mark_that_follows_it_somewhere():
    texts = [f"{base}{mark}" for base in "aoUêơကဥகெ\u0dd9" for mark in _MARKS[:400]]
    texts += [f"u{one}{other}" for one in _MARKS[:90] for other in _MARKS[:90]]
    assert strings(texts) == [plain(text) for text in texts]


def test_every_code_point_folds_and_is_named_as_python_says():
    characters = [chr(code) for code in range(EVERY)]
    lower = [character.casefold() for character in characters]
    alone = [ord(found) if len(found) == 1 else code for code, found in enumerate(lower)]
    assert folding_table().tolist() == alone
    named = "".join(unicodedata.category(character) for character in characters)
    assert categories().tobytes().decode() == named[: 2 * ASSIGNED]
    assert set(named[2 * ASSIGNED :]) <= set("CnCo")


def test_folding_twice_is_folding_once():
    table = folding_table()
    assert (table[table] == table).all()


def test_kinds_and_signs_are_those_of_each_code_point():
    codes = [*range(0x100), *range(0x250, 0x3400, 7), *range(0xA000, 0xAC00, 5), *range(0x1D7C0, 0x1D800)]
    kinds = kinds_table()
    for code in codes:
        character, category = chr(code), unicodedata.category(chr(code))
        assert (kinds[code] >= LETTERS) == (category[0] in "LM")
        batch = Batch([character], [""])
        assert batch.with_sign(DIGIT)[0] == (category == "Nd")
        assert batch.with_sign(PUNCTUATION)[0] == (category[0] == "P")
        assert batch.with_sign(SYMBOL)[0] == (category[0] == "S")
        latin = kinds[code] == LETTERS + SCRIPTS.index("Latn")
        assert batch.with_sign(UPPER)[0] == (latin and category in ("Lu", "Lt"))
