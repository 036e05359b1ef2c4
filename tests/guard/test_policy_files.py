"""The shipped policies as data: whole, sourced, marked, and in the languages that they claim."""

import re
from datetime import date

import pytest

from rumpun.guard.policy import POLICIES, Policy
from rumpun.guard.policy.cases import read_cases, run_cases, shipped_cases
from rumpun.guard.policy.chain import COUNTRIES
from rumpun.guard.policy.vocabulary import FOLDER, vocabulary
from rumpun.guard.policy.wording import HELP, NUMBERS, general
from rumpun.language.normalise import normalise
from rumpun.language.tables import WORKING

LOADED = {name: Policy.load(name) for name in POLICIES}
CHECKED = date(2026, 11, 23)
# numbers that the survey marks as unverified, or calls by another word for it
UNVERIFIED = {
    "my": ["03-7627 2929", "15999"], "th": ["1667"], "vn": ["096 306 1414"], "kh": ["023 63 66 991"],
    "la": ["1554", "1362"], "tl": ["12123"],
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTRIES)
def test_every_country_has_an_emergency_number_languages_notes_and_an_age_of_majority(name):
    policy = LOADED[name]
    emergency = [one for one in policy.resources.values() if one.kind == "emergency"]
    assert emergency
    assert all(one.state(CHECKED) == "shown" for one in emergency)
    own = policy.layers[-1]
    assert own.country == name.upper()
    assert own.notes
    assert own.age_of_majority
    assert [layer.name for layer in policy.layers] == ["base", "asean", name]


@pytest.mark.parametrize("name", COUNTRIES)
def test_emergency_numbers_are_those_of_the_numbering_plan(name):
    numbers = pytest.importorskip(
        "phonenumbers.shortnumberinfo", reason="needs phonenumberslite (part 'corpus')"
    )
    for one in LOADED[name].resources.values():
        if one.kind == "emergency":
            assert numbers.is_emergency_number(one.number, name.upper()), one.number


@pytest.mark.parametrize("name", COUNTRIES)
def test_lines_are_verified_exactly_where_the_survey_says_so(name):
    unverified = [one.number for one in LOADED[name].resources.values() if not one.verified]
    assert unverified == UNVERIFIED.get(name, [])


def test_helplines_expire_ninety_days_after_they_were_checked():
    for policy in LOADED.values():
        for one in policy.resources.values():
            assert one.source
            assert one.checked_on == CHECKED
            assert (one.expires_on - one.checked_on).days == (365 if one.kind == "emergency" else 90)


@pytest.mark.parametrize("name", COUNTRIES)
def test_restrictive_rules_of_countries_are_opt_in_and_stand_on_a_law(name):
    own = LOADED[name].layers[-1]
    assert own.rules
    for rule in own.rules.values():
        assert rule.opt_in
        assert own.citations[rule.citation].kind == "law"
    assert not own.enable


def test_no_shipped_policy_enables_anything_and_all_say_that_nobody_reviewed_them():
    for policy in LOADED.values():
        assert all(layer.reviewed == "not reviewed" and not layer.enable for layer in policy.layers)


def test_every_category_of_the_vocabulary_has_a_rule_in_base():
    spoken_of = {one.rule.category for one in LOADED["base"].rules}
    assert spoken_of == set(vocabulary().categories)
    assert len([c for c in vocabulary().categories.values() if not c.signal]) == 17  # 16 harms and "harm"
    assert len([c for c in vocabulary().categories.values() if c.signal]) == 3


def test_every_message_exists_in_the_eleven_languages_and_help_in_every_language_of_a_country():
    book = general()
    for name, texts in book.items():
        assert set(WORKING) <= set(texts), name
    for policy in LOADED.values():
        for language in policy.languages:
            for name in HELP:
                assert book[name].get(language), (policy.name, name, language)


def test_the_emergency_message_has_a_place_for_the_numbers_in_every_language():
    assert all(NUMBERS in text for text in general()["emergency"].values())
    assert not any(
        "{" in text for name, texts in general().items() if name != "emergency" for text in texts.values()
    )


def test_messages_are_short_normalised_and_never_speak_of_law():
    unlawful = re.compile(
        r"illegal|unlawful|melanggar hukum|salah di sisi|phạm pháp|ผิดกฎหมาย|违法|labag sa batas",
        re.IGNORECASE,
    )
    for name, texts in general().items():
        for language, text in texts.items():
            assert len(text) <= 260, (name, language)
            assert not unlawful.search(text), (name, language)
            assert normalise(text, language).text == text, (name, language)


@pytest.mark.parametrize(
    ("language", "script"),
    [("th", "฀-๿"), ("lo", "຀-໿"), ("km", "ក-៿"), ("my", "က-႟"), ("ta", "஀-௿"), ("zh", "一-鿿")],
)
def test_messages_are_in_the_languages_own_script(language, script):
    for name, texts in general().items():
        letters = [sign for sign in texts[language].replace(NUMBERS, "").replace("OTP", "") if sign.isalpha()]
        inside = [sign for sign in letters if re.match(f"[{script}]", sign)]
        assert inside == letters, (name, texts[language])


def test_message_files_say_that_they_are_machine_written_until_somebody_reviews_them():
    for path in (FOLDER / "messages").glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        assert 'written_by = "a language model"' in text
        assert "reviewed_by = []" in text


def test_golden_cases_pass_and_cover_every_policy():
    cases = read_cases(shipped_cases())
    report = run_cases(cases)
    assert report.failed == ()
    assert {case.policy for case in cases} == set(POLICIES)
    assert report.waiting == sum(1 for case in cases if case.text)
    for name in COUNTRIES:
        opted = {rule for case in cases if case.policy == name for rule in case.enable}
        assert opted == set(LOADED[name].layers[-1].rules)


def test_each_country_has_texts_of_distress_and_of_lawful_talk_for_the_models_run():
    cases = [case for case in read_cases(shipped_cases()) if case.text]
    for name in COUNTRIES:
        assert {case.expect.action for case in cases if case.policy == name} == {"help", "allow"}
