"""The identifier's model: what is written comes back, damage is named, and word sums are those of the features."""

import numpy as np
import pytest

from rumpun.errors import InputError
from rumpun.language.identifier_model import Model, placed, read_model, softmax, write_model
from rumpun.language.identifier_words import grams, join, pairs, words

SLOTS = 4096


def made():
    """A model that has learnt every feature of a few words, with weights from a seed."""
    found = words(join(["apa kabar semua", "kabar baik"]))
    hashes = [some.hashes for some in grams(found, np.arange(len(found)))]
    hashes.append(pairs(found.key[:1], found.key[1:2]))
    slot, mark = placed(np.unique(np.concatenate(hashes)), SLOTS)
    dice = np.random.default_rng(5)
    weights, prints = np.zeros((SLOTS, 2), np.int8), np.zeros(SLOTS, np.uint16)
    weights[slot] = dice.integers(-127, 128, (len(slot), 2))
    prints[slot] = mark
    scale, prior = np.array([0.5, 0.25], np.float32), np.array([0.0, -1.0], np.float32)
    return Model(("a", "b"), weights, prints, scale, 1.5, 0.5, prior, {"note": "x"})


def test_a_model_comes_back_as_it_was_written(tmp_path):
    model = made()
    write_model(tmp_path, "m", model)
    back = read_model(tmp_path, "m")
    assert (back.labels, back.gain, back.power, back.facts) == (("a", "b"), 1.5, 0.5, {"note": "x"})
    found = words(join(["apa kabar", "kabar lain"]))
    assert np.array_equal(back.scores(found).sums, model.scores(found).sums)
    assert np.array_equal(back.prior, model.prior)


def test_word_sums_are_those_of_their_features_and_equal_words_are_alike():
    model = made()
    found = words(join(["apa kabar semua kabar"]))
    scores = model.scores(found)
    for n in range(len(found)):
        hashes = [h for some in grams(found, np.array([n])) for h in some.hashes.tolist()]
        size = len(hashes)
        if n:
            hashes += pairs(found.key[n - 1 : n], found.key[n : n + 1]).tolist()
            size += 1
        slot, mark = placed(np.array(hashes, np.uint64), SLOTS)
        known = model.prints[slot] == mark
        expected = model.weights[slot[known]].sum(axis=0) * model.scale
        assert np.allclose(scores.sums[n], expected)
        assert scores.features[n] == size
    unknown = model.scores(words(join(["zzyx"])))
    assert not unknown.sums.any()


def test_the_odds_of_a_row_sum_to_one_however_large_its_logits():
    odds = softmax(np.array([[1e4, 0, -1e4], [0, 0, 0]], np.float32))
    assert np.allclose(odds.sum(axis=1), 1)
    assert np.allclose(odds[1], 1 / 3)


def test_damage_is_named(tmp_path):
    write_model(tmp_path, "m", made())
    data = (tmp_path / "m.safetensors").read_bytes()
    about = (tmp_path / "m.json").read_text()
    for damage in (data[:-9], data[:50] + b"\x01" + data[51:], b""):
        (tmp_path / "m.safetensors").write_bytes(damage)
        with pytest.raises(InputError, match="sha256"):
            read_model(tmp_path, "m")
    (tmp_path / "m.safetensors").write_bytes(data)
    for wrong, says in (
        (about.replace('"schema": 2', '"schema": 9'), "schema 9, expected 2"),
        (about.replace('"labels"', '"label"'), "not a description"),
        (about.replace('"b"', '"b","c"'), "for 3 labels"),
        ("{", "not a description"),
    ):
        (tmp_path / "m.json").write_text(wrong)
        with pytest.raises(InputError, match=says):
            read_model(tmp_path, "m")
    (tmp_path / "m.safetensors").unlink()
    (tmp_path / "m.json").write_text(about)
    with pytest.raises(InputError, match="cannot be read"):
        read_model(tmp_path, "m")
