"""The tables: complete, strict, and mended by the message."""

import pytest

from rumpun.errors import InputError, UsageError
from rumpun.language import languages, script_of
from rumpun.language.tables import WORKING, read_language

GOOD = 'tag = "th"\nenglish = "Thai"\nown = "ไทย"\nscripts = ["Thai"]\nsentence_ends = []\n'


def test_the_eleven_working_languages_come_first():
    assert tuple(languages())[:11] == WORKING


def test_each_language_is_named_in_its_own_first_script():
    for language in languages().values():
        seen = {script_of(ord(sign)) for sign in language.own} - {""}
        expected = {"Hani"} if language.scripts[0] == "Hans" else set(language.scripts)
        assert seen <= expected, language.tag
        assert language.reviewed_by == ()


def test_native_digits_count_from_zero_to_nine():
    with_digits = {tag for tag, language in languages().items() if language.native_digits}
    assert with_digits == {"th", "my", "km", "lo", "ta", "shn"}


@pytest.mark.parametrize(
    ("text", "says", "mend"),
    [
        (GOOD + 'sentense_ends = ["."]\n', "unknown key 'sentense_ends'", "did you mean 'sentence_ends'?"),
        (GOOD.replace('own = "ไทย"\n', ""), "the key 'own' is missing", "add own"),
        (GOOD.replace('"Thai"]', '"Thaana"]'), "Thaana", "change the value"),
        (GOOD + 'native_digits = "123"\n', "native_digits = '123'", "change the value"),
        (GOOD.replace('"th"', '"Thai"'), "tag = 'Thai'", "change the value"),
        (GOOD.replace('"th"', '"lo"'), "tag = 'lo'", "lo.toml"),
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
