"""The country packs: loaded strictly, whole, and honest about who has read them."""

import pytest

from rumpun.errors import InputError, UsageError
from rumpun.personal.pack import COUNTRIES, packs, read_pack
from rumpun.personal.words import LONGEST_WORD, normal


def test_every_country_has_a_pack_with_identifiers_phones_and_words():
    assert tuple(packs()) == ("all", *COUNTRIES)
    for country in COUNTRIES:
        pack = packs()[country]
        assert pack.region == country.upper()
        assert pack.identifier
        assert pack.allow
        assert any(i.type == "PASSPORT" for i in pack.identifier)


def test_the_eleven_languages_have_words_for_numbers_passports_phones_and_accounts():
    words = packs()["all"].words
    own = {lang for pack in packs().values() for i in pack.identifier for lang in i.context}
    for language in ("en", "id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh"):
        assert language in words["phone"]
        assert language in words["account"]
        assert language in words["passport"]
        assert language in words["id"] or language in own


def test_words_are_written_as_they_are_compared():
    for pack in packs().values():
        for word in pack.all_words():
            assert normal(word) == word, (pack.country, word)
            assert 2 <= len(word) <= LONGEST_WORD, (pack.country, word)


def test_nobody_is_said_to_have_read_a_list_who_has_not():
    assert all(pack.reviewed_by == () for pack in packs().values())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('layouts = ["###"]\nchek = "x"', "unknown key 'chek'"),
        ('layouts = ["12"]', "layout = '12'"),
        ('layouts = ["###"]\nchecked_by = "th_pim"', "did you mean 'th_pin'"),
        ('layouts = ["###"]\nplaces = ["1-x"]', "place = '1-x'"),
        ("", "needs layouts or digits"),
        ('layouts = ["###"]\nchance = 2.0', "expected shares"),
        ('layouts = ["###"]\n[identifier.context]\nen = ["NRIC"]', "expected lower case"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, change, says):
    path = tmp_path / "xx.toml"
    path.write_text(
        f'country = "xx"\nname = "X"\nlanguages = ["en"]\n[[identifier]]\ntype = "XX_ID"\nname = "x"\n{change}\n'
    )
    with pytest.raises(UsageError, match=r"xx\.toml") as refused:
        read_pack(path)
    assert says in refused.value.message


def test_a_pack_is_named_as_its_country_and_must_be_toml(tmp_path):
    path = tmp_path / "xx.toml"
    path.write_text('country = "yy"\nname = "Y"\nlanguages = ["en"]\n')
    with pytest.raises(UsageError, match="country = 'yy'"):
        read_pack(path)
    path.write_text("country =")
    with pytest.raises(InputError, match="not TOML"):
        read_pack(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_pack(tmp_path / "none.toml")
