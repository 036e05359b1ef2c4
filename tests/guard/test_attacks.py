"""Attacks: named, seeded, only on their scripts; and what the normaliser takes off."""

import base64
import random
import unicodedata

import pytest
from attack_sentences import SENTENCES

from rumpun.guard.attacks import ATTACKS, attacks_for, mixed, padding
from rumpun.guard.attacks.burmese import as_zawgyi
from rumpun.guard.normalise import normalised, views
from rumpun.language.normalise import normalise
from rumpun.language.scripts import script_counts
from rumpun.language.segment import segmenter_for
from rumpun.language.zawgyi import convert, probability

TEXTS = [text for texts in SENTENCES.values() for text in texts]
# attack -> least share of ordinary texts that the normaliser gives back exactly, of all languages that it applies to
UNDONE = {
    "zero_width": 1.0, "homoglyph": 0.97, "fullwidth": 1.0, "mark_order": 1.0, "zawgyi": 0.95, "spacing": 0.9, "digits": 1.0,
    "repeat": 0.85, "case_mix": 1.0,
}  # fmt: skip
SCRIPT = {"th": "Thai", "lo": "Laoo", "km": "Khmr", "my": "Mymr", "ta": "Taml", "zh": "Hani"}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_the_same_seed_gives_the_same_text_and_another_sometimes_another(attack):
    own = [text for text in TEXTS if attack.applies(text)]
    assert own
    assert [attack(text, 3) for text in own] == [attack(text, 3) for text in own]
    assert any(attack(text, 3) != text for text in own)
    if attack.name not in ("base64", "rot13"):
        assert any(attack(text, 3) != attack(text, 4) for text in own)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_where_it_does_not_apply_the_text_is_the_same(attack):
    for text in (*TEXTS, "", "  ", "?!"):
        if not attack.applies(text):
            assert attack(text, 1) is text
    if "Zyyy" not in attack.scripts:
        assert not attack.applies("12 ?! 😀")
        for language, script in SCRIPT.items():
            for text in SENTENCES[language]:
                if set(script_counts(text)) == {script} and script not in attack.scripts:
                    assert not attack.applies(text)


@pytest.mark.parametrize("name", UNDONE)
def test_the_normaliser_gives_the_text_back(name):
    attack = ATTACKS[name]
    pairs = [(text, other) for text in TEXTS for seed in range(5) if (other := attack(text, seed)) != text]
    assert len(pairs) >= 15
    back = sum(normalised(other) == normalised(text) for text, other in pairs)
    assert back >= UNDONE[name] * len(pairs), f"{back} of {len(pairs)}"


def test_wrapping_is_opened_by_a_view():
    for name in ("base64", "hex"):
        assert all(normalised(text) in views(ATTACKS[name](text, 2)) for text in TEXTS)
    assert base64.b64decode(ATTACKS["base64"](TEXTS[0])).decode() == TEXTS[0]


def test_leet_keeps_what_is_no_word():
    changed = ATTACKS["leet"]("Write to info@example.com about 2024 trees and houses", 1)
    assert "info@example.com" in changed
    assert "2024" in changed
    assert any(sign in changed for sign in ("1t", "4", "3", "0", "@", "$", "7")), changed


def test_leet_of_a_script_uses_its_own_signs():
    assert set(ATTACKS["leet"]("கடல் உப்பு எனக்கு அங்கே", 1)) & set("௧௨௭௮")
    assert set(ATTACKS["leet"]("อยากกินข้าวกับเพื่อน ๆ ที่บ้าน", 5)) & set("๐ๅ")


def test_zawgyi_is_zawgyi_and_converts_back():
    for n, text in enumerate(SENTENCES["my"]):
        plain = normalise(text, "my").text
        for seed in range(20):
            written = as_zawgyi(plain, random.Random(seed))
            assert probability(written) > 0.5, n
            assert normalise(convert(written)[0], "my").text == plain


def test_marks_in_another_order_look_the_same_and_are_the_same_signs():
    for language in ("th", "lo", "km", "my", "vi"):
        for text in SENTENCES[language]:
            for seed in range(5):
                other = ATTACKS["mark_order"](text, seed)
                assert normalise(other, language).text == normalise(text, language).text or language == "vi"
                assert sorted(unicodedata.normalize("NFKD", normalised(other))) == sorted(
                    unicodedata.normalize("NFKD", normalised(text))
                )


def test_romanised_text_is_in_latin_letters():
    for language in ("th", "lo", "km", "my", "ta", "vi"):
        for text in SENTENCES[language]:
            other = ATTACKS["romanised"](text, 1)
            assert set(script_counts(other)) == {"Latn"}, other
            assert all(ord(sign) < 0x300 or not sign.isalpha() for sign in other), other
            if language != "vi":
                assert len({ATTACKS["romanised"](text, seed) for seed in range(12)}) > 1  # writers differ


def test_mixing_takes_the_words_of_the_lexicon():
    attack = mixed("tl", {"klase": ["class"], "gulay": ["veggies", "vegetables"]}, share=1.0)
    assert "class" in attack("Umulan nang malakas kaninang umaga kaya nahuli ako sa klase.", 1)
    assert any(word in attack("Nagtitinda si Lola ng gulay", 1) for word in ("veggies", "vegetables"))
    assert {attack("Nagtitinda si Lola ng gulay", seed) for seed in range(9)} != {
        attack("Nagtitinda si Lola ng gulay", 1)
    }


def test_mixing_finds_words_where_no_spaces_are():
    text = "เมื่อเช้าไปตลาดกับแม่"
    words = {text[start:end] for start, end in segmenter_for("th").words(text)}
    changed = mixed("th", {word: [f"w{n}"] for n, word in enumerate(sorted(words))}, share=1.0)(text, 1)
    assert not any(word in changed.split() for word in words)
    assert sum(piece[:1] == "w" for piece in changed.split()) == len(words)


def test_street_forms_need_no_lexicon():
    changed = [mixed("id", {})("Saya tidak tahu yang mana saja untuk kamu", seed) for seed in range(6)]
    assert any("yg" in text.split() for text in changed)
    assert any("gak" in text.split() for text in changed)
    assert any(text.rstrip(".").split()[-1] in ("lah", "leh", "lor", "ah", "hor", "sia", "meh", "one")
               for text in (mixed("en", {})("We went to the market.", seed) for seed in range(6)))  # fmt: skip


def test_padding_comes_from_the_caller():
    attack = padding(["The tide is low in the morning."], characters=500)
    padded = attack("What time is it?", 1)
    assert "What time is it?" in padded
    assert len(padded) >= 500
    assert set(padded.split("\n")) == {"What time is it?", "The tide is low in the morning."}
    with pytest.raises(ValueError, match="no text to pad with"):
        padding([" "])


def test_every_attack_has_its_own_name_and_tells_its_scripts():
    found = attacks_for("id", harmless=["Selamat pagi."])
    assert len({attack.name for attack in found}) == len(found) == len(ATTACKS) + 2
    assert all(attack.about and attack.scripts for attack in found)
