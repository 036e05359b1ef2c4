"""Words that tell sisters apart: what the files must hold, and what they do to a model's weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.language.identifier import identify, latin
from rumpun.language.identifier_contrasts import (
    CLASSES,
    CONTRASTS,
    Contrast,
    chosen_nats,
    contrasted,
    read_contrasts,
)
from rumpun.language.identifier_model import Model, placed
from rumpun.language.identifier_words import finish, join, words, words_of

SLOTS = 8192
LABELS = ("a", "b", "c", "z")


def made(seed):
    """A model whose n-grams and words of a few words have weights from a seed; strength 1 at a line of five words."""
    dice = np.random.default_rng(seed)
    weights, prints = np.zeros((SLOTS, 4), np.int8), np.zeros(SLOTS, np.uint16)
    slot, mark = placed(finish(words_of(["kata", "buku", "lagu"]).key, "word"), SLOTS)
    weights[slot], prints[slot] = dice.integers(-20, 21, (3, 4)), mark
    return Model(
        LABELS, weights, prints, np.full(4, 0.05, np.float32), 150**0.5, 0.5, np.zeros(4, np.float32), {}
    )


def said(model, text):
    return model.scores(words(join([text]))).sums.sum(axis=0) * model.gain * 150**-model.power


@given(st.integers(0, 2000), st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([0.0, 0.25, 0.5]))
def test_a_word_says_at_least_what_its_class_asks_for_and_only_within_its_group(seed, nats, lifted):
    group = ("a", "b", "c")
    contrasts = [
        Contrast("kata", "sure", ("a",), group, lifted),
        Contrast("lagu baru", "sure", ("b", "c"), group, lifted),
        Contrast("buku", "even", group, group, lifted),
        Contrast("belum", "likely", ("c",), group, lifted),
    ]
    before = made(seed)
    model = contrasted(before, contrasts, {"sure": nats, "likely": nats, "even": 0.5})
    a, b, c, _ = said(model, "kata")
    assert a - max(b, c) >= nats - 0.06  # a step of int8 each
    a, b, c, _ = said(model, "lagu baru")
    assert min(b, c) - a >= nats - 0.06
    a, b, c, _ = said(model, "buku")
    assert max(a, b, c) - min(a, b, c) <= 0.5 + 0.06
    a, b, c, _ = said(model, "belum")
    assert c - max(a, b) >= nats - 0.06
    for word in ("kata", "buku", "lagu", "lagu baru", "belum"):
        assert said(model, word)[3] == pytest.approx(said(before, word)[3])
    if lifted == 0:
        assert said(model, "kata")[0] == pytest.approx(said(before, "kata")[0])
    assert not np.shares_memory(model.weights, before.weights)


def test_what_the_others_cannot_lose_is_given_to_those_that_use_the_word():
    contrast = Contrast("kata", "sure", ("a",), ("a", "b"), 0.0)
    before = made(3)
    model = contrasted(before, [contrast], {"sure": 9.0})
    a, b, *_ = said(model, "kata")
    assert b == pytest.approx(-127 * 0.05)
    assert a - b >= 9 - 0.06


def test_a_class_that_asks_for_nothing_changes_no_word_and_the_least_loss_is_chosen():
    before = made(5)
    contrasts = [
        Contrast("kata", "sure", ("a",), ("a", "b"), 0.0),
        Contrast("buku", "even", ("a", "b"), ("a", "b"), 0.0),
    ]
    same = contrasted(before, contrasts, {kind: options[0] for kind, options in CLASSES.items()})
    assert np.array_equal(same.weights, before.weights)

    def loss(model):
        a, b, *_ = said(model, "kata")
        return abs(a - b - 2)

    assert chosen_nats(before, contrasts, loss)["sure"] == 2.0


def test_every_file_is_whole_and_says_who_wrote_it():
    paths = sorted(CONTRASTS.glob("*.toml"))
    assert {path.stem for path in paths} >= {"id-ms", "philippine", "english"}
    for path in paths:
        assert "not reviewed by native speakers" in path.read_text(encoding="utf-8")
    contrasts = read_contrasts()
    assert len(contrasts) > 2000
    assert {label for contrast in contrasts for label in contrast.group} <= set(latin().labels)
    counts = np.bincount(words_of([contrast.word for contrast in contrasts]).row)
    assert counts.tolist() == [contrast.word.count(" ") + 1 for contrast in contrasts]


def test_an_unknown_class_or_label_is_named(tmp_path):
    for wrong in ('[surely]\na = "x"', '[sure]\nq = "x"'):
        (tmp_path / "x.toml").write_text(f'labels = ["a", "b"]\n{wrong}\n', encoding="utf-8")
        with pytest.raises(ValueError, match="expected"):
            read_contrasts(tmp_path)


def test_the_shipped_model_has_learnt_the_contrasts():
    model = latin()
    nats = model.facts["contrast_nats"]
    assert set(nats) == set(CLASSES)
    labels = [model.labels.index(tag) for tag in ("id", "ms")]
    right = []
    for contrast in read_contrasts():
        if contrast.group == ("id", "ms") and contrast.kind == "sure":
            one, two = said(model, contrast.word)[labels]
            right.append((one > two) == (contrast.using == ("id",)))
    assert sum(right) > 0.97 * len(right)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Kapan kamu bisa datang ke kantor saya?", "id"),
        ("Bila awak boleh datang ke pejabat saya?", "ms"),
        ("Harga mobil listrik naik dua persen tahun ini", "id"),
        ("Harga kereta elektrik naik dua peratus tahun ini", "ms"),
        ("E ku balu nung nukarin ya minta", "pam"),
        ("Namit gid ang luto sang nanay mo", "hil"),
        ("Diri ako maaram kon hain hiya nakadto", "war"),
        ("Dai ko aram kun saen siya nagduman", "bik"),
        ("Wala ko kabalo kung asa siya miadto", "ceb"),
        ("This one can or not ah, later kena scolding then you know", "en-SG"),
    ],
)
def test_a_line_of_contrast_words_is_told_from_its_sisters(text, tag):
    assert identify(text).language == tag
