"""Folding: what only looks different becomes the same, whatever the script; every letter knows where it came from."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from traced import TEXT, slow_fold

from rumpun.corpus.trace.fold import codes_of, fold, folded_bytes, starts_cluster
from rumpun.corpus.trace.skeleton import skeleton, words
from rumpun.corpus.trace.variants import variants
from rumpun.errors import InputError


def letters(text: str) -> str:
    return folded_bytes(fold(text).codes).decode()


@given(TEXT)
def test_it_is_the_slow_one(text):
    assert letters(text) == slow_fold(text)


@given(st.text(max_size=40))
def test_any_text_of_unicode_folds_as_the_slow_one(text):
    assert letters(text) == slow_fold(text)


@given(TEXT)
def test_twice_is_once(text):
    assert letters(letters(text)) == letters(text)


@given(TEXT, st.sampled_from(["NFC", "NFD"]))
def test_canonically_equivalent_texts_fold_alike(text, form):
    assert letters(unicodedata.normalize(form, text)) == letters(text)


@given(TEXT, TEXT)
def test_a_text_cut_before_a_base_letter_folds_to_its_halves(left, right):
    if right and starts_cluster(codes_of(right.replace("\0", " ")))[0]:
        assert letters(left + right) == letters(left) + letters(right)


@given(TEXT)
def test_every_letter_comes_from_a_character_that_folds_to_it(text):
    folded = fold(text)
    for code, origin in zip(folded.codes.tolist(), folded.origin.tolist(), strict=True):
        assert chr(code) in letters(text[origin])
    assert (np.bincount(folded.origin, minlength=len(text)) == [len(letters(c)) for c in text]).all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("น้ำใจ", "น้ํา ใจ"),  # sara am, typed as nikhahit and sara aa
        ("น้ำ", "นํ้า"),  # and the tone mark after the nikhahit
        ("กี่", "ก่ี"),  # vowel and tone in either order
        ("แม่", "เเม่"),  # sara ae typed as two sara e
        ("ນ້ຳ", "ນ້ໍາ"),  # Lao
        ("ຫນູ", "ໜູ"),
        ("ကို့", "ကု့ိ"),  # Burmese marks in another order
        ("ស្រុក", "ស្រុ\u200bក"),  # a zero-width space
        ("គោ", "គេា"),  # Khmer oo typed as e and aa
        ("Hà Nội", "Ha\u0300 Nô\u0323i"),
        ("கொடு", "கெ\u0bbeடு"),  # Tamil o typed as e and aa
        ("RUMAH-sakit!", "rumah sakit"),
        ("ＡＢＣ１２３", "abc123"),
        ("๑๒๓ ၁၂၃ ១២៣", "123123123"),
        ("straße", "STRASSE"),
    ],
)
def test_ways_to_write_the_same(one, other):
    assert letters(one) == letters(other)


@pytest.mark.parametrize(
    ("one", "other"), [("má", "mà"), ("ใกล้", "ไกล"), ("กา", "ก้า"), ("ကောင်", "ကောင်း"), ("buku", "baku")]
)
def test_what_is_different_stays_different(one, other):
    assert letters(one) != letters(other)


def test_half_a_character_is_refused():
    with pytest.raises(InputError, match="lone surrogate at character 2"):
        fold("ab\ud800c")


def test_old_spellings_are_named():
    found = dict(variants("cucu saya bernyanyi"))
    assert found["spelling of 1901"] == "tjoetjoe saja bernjanji"
    assert found["spelling of 1947"] == "tjutju saja bernjanji"
    read = {spelled for _, spelled in variants("tjoetjoe saja bernjanji")}
    assert "cucu saya bernyanyi" in read
    assert ("reduplication written with 2, written out", "buku-buku tua") in variants("buku2 tua")
    assert ("reduplication written with 2", "buku2 tua") in variants("buku-buku tua")
    assert "hoà bình" in {spelled for _, spelled in variants("hòa bình")}
    assert "hòa bình" in {spelled for _, spelled in variants("hoà bình")}
    assert "quả" not in {
        spelled for rule, spelled in variants("qủa") if rule == "tone mark on the first vowel"
    }


@pytest.mark.parametrize("text", ["ไม่มีตัวละติน", "奶奶种了姜", "", "123", "မြန်မာ"])
def test_other_scripts_have_no_other_spelling(text):
    assert variants(text) == []


@given(TEXT)
def test_variants_are_few_and_different(text):
    found = variants(text)
    assert len(found) <= 12
    assert text not in {spelled for _, spelled in found}


def test_zawgyi_and_look_alikes_are_read_as_the_corpus_writes_them():
    assert ("normalised", "မြန်မာနိုင်ငံ") in variants("ျမန္မာႏိုင္ငံ")
    assert ("normalised", "makan nasi goreng") in variants("mаkаn nаsi goreng")  # Cyrillic a


def test_jawi_and_rumi_have_one_skeleton():
    assert skeleton("kitab sejarah Melayu") == b" ktb sjrh ml "
    assert skeleton("كتاب سجاره ملايو") == b" ktb sjrh ml "
    assert skeleton("buku-buku") == skeleton("buku2") == skeleton("بوکو٢") == b" bk bk "
    assert skeleton("ia") == b""
    assert [(bones, "saya makan nasi"[start:end]) for bones, start, end in words("saya makan nasi")] == [
        ("s", "saya"), ("mkn", "makan"), ("ns", "nasi"),
    ]  # fmt: skip


@given(TEXT)
def test_skeletons_are_ascii_and_words_lie_in_the_text(text):
    bones = skeleton(text)
    assert bones.isascii()
    assert b"\0" not in bones
    assert [bone for bone, _, _ in words(text)] == bones.decode().split()
    for _, start, end in words(text):
        assert 0 <= start < end <= len(text)
