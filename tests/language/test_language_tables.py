"""The tables: complete, strict, and mended by the message."""

import unicodedata

import pytest

from rumpun.errors import InputError, UsageError
from rumpun.language import languages, script_of, tables
from rumpun.language.tables import WORKING, fallback, read_language

BACK = '["ilo"]'
GOOD = (
    'tag = "th"\niso639_3 = "tha"\nenglish = "Thai"\nown = "ไทย"\nfamily = "Tai"\nscripts = ["Thai"]\nsisters = ["lo"]\n'
    "sentence_ends = []\n"
)


def test_the_eleven_working_languages_come_first():
    assert tuple(languages())[:11] == WORKING


def test_each_language_is_named_in_its_own_first_script():
    for language in languages().values():
        seen = {script_of(ord(sign)) for sign in language.own} - {""}
        expected = {"Hani"} if language.scripts[0] == "Hans" else set(language.scripts)
        assert seen <= expected, language.tag
        assert language.reviewed_by == ()


def test_digits_are_the_scripts_own_zero_to_nine():
    with_digits = {(tag, script) for tag, language in languages().items() for script in language.digits}
    assert {tag for tag, _ in with_digits} >= {"th", "my", "km", "lo", "ta", "shn", "ms", "jv", "su", "ban"}
    for tag, script in with_digits:
        digits = languages()[tag].digits[script]
        assert [unicodedata.decimal(sign) for sign in digits] == list(range(10))
        assert {script_of(ord(sign)) for sign in digits} <= {script, "Arab"} | {""}
    assert languages()["th"].native_digits == "๐๑๒๓๔๕๖๗๘๙"
    assert languages()["ms"].native_digits == ""  # its digits are of its second script
    assert languages()["shn"].native_digits != languages()["my"].native_digits


def test_every_fact_has_a_source_and_every_segmenter_a_name():
    for language in languages().values():
        assert language.sources, language.tag
        assert language.family
        assert language.segmenter in tables.SEGMENTERS
        assert (language.segmenter == "icu") == (not language.words_with_spaces), language.tag


def test_the_tags_that_the_design_names_all_have_a_file():
    named = "id ms vi th tl my km lo ta zh en jv su ceb ilo war min ban ace bug bjn mad hil pam bik shn tet hmn en-SG"
    assert set(languages()) == set(named.split())


def test_every_chain_of_sisters_reaches_a_working_language_and_comes_to_an_end():
    for tag in languages():
        chain = fallback(tag)
        assert tag not in chain
        assert len(set(chain)) == len(chain)
        assert tag in WORKING or set(chain) & set(WORKING), tag
    assert fallback("ms") == ("id",)
    assert fallback("war")[:3] == ("hil", "ceb", "tl")
    assert fallback("ms-Arab") == ("ms", "id")
    assert fallback("fr") == ()


@pytest.mark.parametrize(
    ("sisters", "says", "mend"),
    [
        ('["lao"]', "'lao' has no file", "did you mean"),
        ('["pam"]', "no working language is reached", "end the list with one of id, ms"),
    ],
)
def test_a_chain_that_leads_nowhere_is_refused(tmp_path, monkeypatch, sisters, says, mend):
    for language in languages().values():
        path = tables._FOLDER / f"{language.tag}.toml"
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    for tag in ("ilo", "pam"):
        path = tmp_path / f"{tag}.toml"
        lines = [
            f"sisters = {sisters if tag == 'ilo' else BACK}" if line.startswith("sisters") else line
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(tables, "_FOLDER", tmp_path)
    with pytest.raises(UsageError, match=says) as caught:
        tables.languages.__wrapped__()
    assert mend in caught.value.hint


@pytest.mark.parametrize(
    ("text", "says", "mend"),
    [
        (GOOD + 'sentense_ends = ["."]\n', "unknown key 'sentense_ends'", "did you mean 'sentence_ends'?"),
        (GOOD.replace('own = "ไทย"\n', ""), "the key 'own' is missing", "add own"),
        (GOOD.replace('"Thai"]', '"Thaana"]'), "Thaana", "change the value"),
        (GOOD + 'digits = { Thai = "123" }\n', "digits.Thai = '123'", "change the value"),
        (GOOD + 'digits = { Laoo = "๐๑๒๓๔๕๖๗๘๙" }\n', "digits.Laoo", "change the value"),
        (GOOD.replace('"lo"', '"th"'), "sisters = ['th']", "change the value"),
        (GOOD + 'segmenter = "icy"\n', "did you mean 'icu'?", "change the value"),
        (GOOD.replace('"tha"', '"th"'), "iso639_3 = 'th'", "change the value"),
        (GOOD.replace('tag = "th"', 'tag = "Thai"'), "tag = 'Thai'", "change the value"),
        (GOOD.replace('tag = "th"', 'tag = "km"'), "tag = 'km'", "km.toml"),
        (GOOD + "words_with_spaces = 1\n", "words_with_spaces = 1", "expected true or false"),
    ],
)
def test_a_wrong_table_is_named_with_its_mend(tmp_path, text, says, mend):
    path = tmp_path / "th.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_language(path)
    assert says in caught.value.message
    assert mend in caught.value.hint


def test_what_is_no_toml_or_not_there_is_an_input_error(tmp_path):
    (tmp_path / "th.toml").write_text("tag = ")
    with pytest.raises(InputError, match="not TOML"):
        read_language(tmp_path / "th.toml")
    with pytest.raises(InputError, match="cannot be read"):
        read_language(tmp_path / "lo.toml")
