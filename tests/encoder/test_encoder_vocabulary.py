"""Subwords and their first vectors: what a text becomes whatever way it was typed, and words that were never glossed."""

import importlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from toy_encoder import HELD_OUT, LATIN, THAI, WORDS, put, teacher

from rumpun.encoder.vocabulary import ROWS, SPECIAL, TOKENIZER, VocabularyParams
from rumpun.steps import Input

module = importlib.import_module("rumpun.encoder.vocabulary")


@pytest.fixture(scope="session")
def tokenizer(inputs: dict[str, Input]) -> Tokenizer:
    return Tokenizer.from_file(str(inputs["vocabulary"].folder / TOKENIZER))


@pytest.mark.parametrize(
    "others",
    [
        ("กาขีงู", "กา ขีงู", "กา  ขี\u200bงู", " กาขีงู\n", "กา\u00a0ขี\ufeffงู"),
        ("မြို့သူ", "မြို့ သူ", "မြို့\u200bသူ"),
        ("ទឹកភ្លៀង", "ទឹក ភ្លៀង", "ទឹក\u200bភ្លៀង"),
        ("山高", "山 高", "山\u3000高"),
        (
            "River Boat",
            "river boat",
            "  river\tboat ",
            "ri\u00adver boat",
            "ＲＩＶＥＲ boat",
            "river\u200d boat",
        ),
        ("café", "cafe\u0301", "CAFÉ"),
    ],
)
def test_what_looks_the_same_is_the_same(tokenizer: Tokenizer, others: Sequence[str]) -> None:
    assert len({tuple(tokenizer.encode(text).ids) for text in others}) == 1


def test_a_space_between_latin_words_is_no_matter_of_taste(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("riverboat").ids != tokenizer.encode("river boat").ids


def test_a_word_is_the_same_subword_at_the_beginning_and_inside(tokenizer: Tokenizer) -> None:
    first, inside = tokenizer.encode("river rice").tokens, tokenizer.encode("rice river").tokens
    assert sorted(first) == sorted(inside)


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\n\t", "\ufeff"])
def test_nothing_written_is_nothing(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.encode(text).tokens == ["[CLS]", "[SEP]"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_every_character_can_be_written(inputs: dict[str, Input], text: str) -> None:
    """A character outside the vocabulary falls back to its bytes: none is unknown, and none is lost."""
    reader = Tokenizer.from_file(str(inputs["vocabulary"].folder / TOKENIZER))
    tokens = reader.encode(text, add_special_tokens=False).tokens
    assert "[UNK]" not in tokens
    written = b"".join(
        bytes([int(t[3:5], 16)]) if len(t) == 6 and t.startswith("<0x") else t.encode() for t in tokens
    )
    assert written.decode() == reader.normalizer.normalize_str(text)


def test_special_signs_stand_first(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_to_id(name) for name in SPECIAL] == [0, 1, 2, 3, 4]


def test_alignment_finds_the_cipher(tokenizer: Tokenizer, inputs: dict[str, Input]) -> None:
    """No list of words is read here: sentences alone tell which word stands for which."""
    from toy_encoder import FIT

    reader = teacher()
    for language, cipher in (("id", LATIN), ("th", THAI)):
        texts = [
            e.ids for e in tokenizer.encode_batch([put(language, s) for s in FIT], add_special_tokens=False)
        ]
        found = module._align(texts, reader.ids(FIT), 5)
        whole = {
            word: ids[0]
            for word, made in cipher.items()
            if len(ids := tokenizer.encode(made, add_special_tokens=False).ids) == 1 and ids[0] in found
        }
        right = [
            max(found[subword][0], key=found[subword][0].get) == reader.tokenizer.token_to_id(word)  # type: ignore[arg-type]
            for word, subword in whole.items()
        ]
        assert len(whole) > 0.6 * len(WORDS)
        assert np.mean(right) > 0.9, language
        assert all(abs(sum(shares.values()) - 1) < 1e-6 for shares, _ in found.values())


def test_first_vectors_beat_drawn_ones(tokenizer: Tokenizer, inputs: dict[str, Input]) -> None:
    """Before any training: the English side among sixty, where chance is 0.017."""
    import torch

    from rumpun.encoder.model import Student, padded

    rows = load_file(inputs["vocabulary"].folder / ROWS)["rows"]
    drawn = np.random.default_rng(0).permuted(rows, axis=0)
    reader = teacher()
    english = reader.vectors(HELD_OUT)
    share = {}
    for name, words in (("aligned", rows), ("drawn", drawn)):
        student = Student(vocabulary=len(rows), positions=64, layers=1, width=rows.shape[1])
        student.load_state_dict(dict(reader.model.state_dict()) | {"words.weight": torch.from_numpy(words)})
        for language in ("id", "th"):
            ids = [e.ids for e in tokenizer.encode_batch([put(language, s) for s in HELD_OUT])]
            with torch.inference_mode():
                found = student(*padded(ids)).numpy()
            share[name, language] = np.mean((found @ english.T).argmax(1) == np.arange(len(HELD_OUT)))
    assert min(share["aligned", "id"], share["aligned", "th"]) > 0.6
    assert max(share["drawn", "id"], share["drawn", "th"]) < 0.2


def test_rows_are_as_long_as_the_teachers(inputs: dict[str, Input]) -> None:
    rows = load_file(inputs["vocabulary"].folder / ROWS)["rows"]
    assert np.isfinite(rows).all()
    assert np.linalg.norm(rows, axis=1).max() < 2 * np.linalg.norm(teacher().words(), axis=1).max()


def test_the_same_text_gives_the_same_subwords(toy_world: None, inputs: dict[str, Input], tmp_path) -> None:
    from toy_encoder import work

    params = VocabularyParams(subwords=1000, letters_a_language=50_000)
    module.vocabulary.function(params, work(tmp_path, [inputs["pairs"]]))
    for name in (TOKENIZER, ROWS):
        assert (tmp_path / "made" / name).read_bytes() == (inputs["vocabulary"].folder / name).read_bytes()


def test_too_few_subwords_are_refused() -> None:
    with pytest.raises(ValueError, match="subwords = 300: expected 1000"):
        VocabularyParams(subwords=300).check()
