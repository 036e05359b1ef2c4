"""The encoder in use: any text, any order, any batch, any thread; and files that are not what they should be."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_encoder import FIT, HELD_OUT, WORDS, put

from rumpun.encoder import Encoder
from rumpun.errors import InputError

MIXED = [*HELD_OUT[:20], *(put("th", e) for e in HELD_OUT[:20]), "", *(put("id", e) for e in HELD_OUT[:20])]


@pytest.mark.parametrize("text", ["", " ", "\n", "\u200b", "\u00a0\ufeff"])
def test_nothing_has_the_zero_vector(toy: Encoder, text: str) -> None:
    assert not toy.embed([text]).any()
    assert toy.tokens([text]) == [2]


def test_no_texts_have_no_vectors(toy: Encoder) -> None:
    assert toy.embed([]).shape == (0, 96)
    assert toy.tokens([]) == []


@given(st.text(max_size=40))
def test_any_text_has_a_unit_vector_or_none(toy: Encoder, text: str) -> None:
    """Lone surrogates, controls and unassigned code points among them."""
    (vector,) = toy.embed([text])
    assert vector.dtype == np.float32
    assert np.isfinite(vector).all()
    length = np.linalg.norm(vector)
    assert length == pytest.approx(1, abs=1e-4) if toy.tokens([text])[0] > 2 else length == 0


def test_a_lone_surrogate_is_a_question_mark(toy: Encoder) -> None:
    np.testing.assert_array_equal(toy.embed(["river \ud800 boat"]), toy.embed(["river ? boat"]))


def test_traditional_characters_are_read_as_simplified_ones(toy: Encoder) -> None:
    np.testing.assert_array_equal(toy.embed(["圖書館在哪裡"]), toy.embed(["图书馆在哪里"]))


def test_a_sign_that_somebody_typed_is_text(toy: Encoder) -> None:
    """No writer can put the model's own signs into a text, nor blank words out with them."""
    for sign in ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"):
        ids = toy.tokenizer.encode(f"river {sign} boat").ids
        assert (ids[0], ids[-1]) == (2, 3)
        assert min(ids[1:-1]) > 4
    assert toy.embed(["[PAD]"]).any()


def test_order_is_kept_and_a_batch_is_its_texts(toy: Encoder) -> None:
    """Activations are quantised over a whole batch, so a vector moves a little with its company."""
    together = toy.embed(MIXED)
    alone = np.concatenate([toy.embed([text]) for text in MIXED])
    cosine = (together * alone).sum(1)
    assert not together[40].any()
    assert np.delete(cosine, 40).min() > 0.999
    order = np.random.default_rng(0).permutation(len(MIXED))
    np.testing.assert_allclose(toy.embed([MIXED[n] for n in order]), together[order], atol=1e-6)


def test_many_texts_are_cut_into_runs_without_a_seam(toy: Encoder) -> None:
    texts = [text for text in MIXED if text] * 20  # far beyond one run of the runtime
    found = toy.embed(texts)
    assert ((found[: len(found) // 20] * found[-len(found) // 20 :]).sum(1) > 0.999).all()


def test_a_text_beyond_the_length_is_read_up_to_it(toy: Encoder) -> None:
    words = list(WORDS) * 2
    (length,) = toy.tokens([" ".join(words)])
    assert length > 24
    cut = 24
    while toy.tokens([" ".join(words[:cut])])[0] > 24:
        cut -= 1
    if toy.tokens([" ".join(words[:cut])])[0] == 24:
        np.testing.assert_allclose(
            toy.embed([" ".join(words)]), toy.embed([" ".join(words[:cut])]), atol=1e-6
        )


@pytest.mark.parametrize("text", ["river boat ", "กาขีงู", "\u200b", "[", "😀"])
def test_a_megabyte_is_answered_soon(toy: Encoder, text: str) -> None:
    whole = text * (1_000_000 // len(text.encode()))
    start = time.process_time()
    (vector,) = toy.embed([whole])
    assert time.process_time() - start < 2
    np.testing.assert_allclose(vector, toy.embed([whole[:2000]])[0], atol=1e-6)


def test_a_beginning_that_vanishes_hides_nothing(toy: Encoder) -> None:
    """A text is cut before it is split, for speed; unless what was cut off is needed after all."""
    np.testing.assert_array_equal(toy.embed(["\u200b" * 100_000 + "river boat"]), toy.embed(["river boat"]))


def test_threads_share_one_encoder(toy: Encoder) -> None:
    texts = [[put("th", e)] for e in FIT[:40]]
    expected = [toy.embed(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        for found, mine in zip(pool.map(toy.embed, texts), expected, strict=True):
            np.testing.assert_array_equal(found, mine)


@pytest.fixture
def copied(released: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(released[1], tmp_path / "encoder"))


@pytest.mark.parametrize("name", ["encoder.json", "encoder.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(InputError, match=f"{name}: no such file") as caught:
        Encoder.load(copied)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json"])
def test_another_file_is_met_by_its_hash(copied: Path, name: str) -> None:
    path = copied / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(InputError, match=f"{name}: is not the file that encoder.json names"):
        Encoder.load(copied, check=True)


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_half_a_file_is_met_without_hashing(copied: Path, name: str, share: float) -> None:
    data = (copied / name).read_bytes()
    (copied / name).write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="cannot be read as an encoder"):
        Encoder.load(copied)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"longest": 3}, "unknown field `longest`"),
        ({"width": "wide"}, r"Expected `int`, got `str` - at `\$\.width`"),
        ({"width": 384}, "belong to different encoders"),
        ({"subwords": 999}, "belong to different encoders"),
    ],
)
def test_a_description_that_does_not_fit_is_named(
    copied: Path, change: dict[str, object], words: str
) -> None:
    path = copied / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=words):
        Encoder.load(copied)


def test_a_tokenizer_of_another_encoder_is_met_at_loading(copied: Path) -> None:
    """Else its larger numbers would fall out of the graph's rows at some text, much later."""
    path = copied / "tokenizer.json"
    other = json.loads(path.read_text())
    other["model"]["vocab"] |= {"▁another": len(other["model"]["vocab"])}
    path.write_text(json.dumps(other))
    with pytest.raises(InputError, match=r"encoders \(\d+ beside \d+\)"):
        Encoder.load(copied)
