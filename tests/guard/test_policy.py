"""What policies decide: laws that hold for every policy, judgement, context and day."""

import functools
import logging
import re
import timeit
import tomllib
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError, UsageError
from rumpun.guard.judgement import POINTS, ROLES, Judgement
from rumpun.guard.policy import POLICIES, Policy, points
from rumpun.guard.policy.chain import COUNTRIES
from rumpun.guard.policy.policy import Decision
from rumpun.guard.policy.reply import _warn
from rumpun.guard.policy.vocabulary import FOLDER, SEVERITY, vocabulary

LOADED = {name: Policy.load(name) for name in POLICIES}
CATEGORIES = [category for category in vocabulary().categories if category != "harm"]
CONTEXTS = list(vocabulary().contexts)
LANGUAGES = [
    "id",
    "ms",
    "vi",
    "th",
    "tl",
    "my",
    "km",
    "lo",
    "ta",
    "zh",
    "en",
    "tet",
    "pt",
    "jv",
    "fil",
    "und",
    "xx",
    "ms-Arab",
]
DAY = date(2026, 12, 1)


def judged(levels=None, role="prompt", harm_level=0, language="en"):
    return Judgement(
        role=role, language=language, sure=True, harm=0.5, harm_level=harm_level, levels=levels or {}
    )


@functools.cache
def load(name, enable):
    try:
        return Policy.load(name, enable)
    except UsageError:  # two of them contradict each other
        return LOADED[name]


@st.composite
def policies(draw):
    """A shipped policy with some of its country's opt-in rules on, as long as they do not contradict each other."""
    name = draw(st.sampled_from(POLICIES))
    choices = [one.name for one in LOADED[name].rules if one.rule.opt_in]
    enable = tuple(draw(st.lists(st.sampled_from(choices), unique=True, max_size=3))) if choices else ()
    return load(name, tuple(sorted(enable)))


levels_of = st.dictionaries(st.sampled_from(CATEGORIES), st.integers(0, 2), max_size=6)
contexts_of = st.lists(st.sampled_from(CONTEXTS), unique=True, max_size=3)
days = st.dates(date(2026, 11, 23), date(2029, 1, 1))


def severity(decision: Decision) -> int:
    return SEVERITY[decision.action]


@settings(max_examples=300, deadline=None)
@given(
    policies(),
    levels_of,
    st.sampled_from(CATEGORIES),
    st.integers(1, 2),
    st.sampled_from(ROLES),
    contexts_of,
    st.integers(0, 2),
)
def test_a_higher_level_is_never_treated_more_mildly_except_by_help_for_distress(
    policy, levels, category, raised, role, contexts, harm_level
):
    """With a context that explains harm, the rise of a category may explain it: then harm is left out."""
    harm_level = 0 if contexts else harm_level
    if levels.get(category, 0) >= raised:
        return
    before = policy.decide(judged(levels, role, harm_level), contexts=contexts, today=DAY)
    after = policy.decide(judged(levels | {category: raised}, role, harm_level), contexts=contexts, today=DAY)
    helped = category == "selfharm_risk" and after.action == "help"
    assert severity(after) >= severity(before) or helped, (before, after)


@settings(max_examples=200, deadline=None)
@given(policies(), levels_of, st.sampled_from(ROLES), contexts_of, st.integers(0, 1))
def test_more_harm_is_never_treated_more_mildly(policy, levels, role, contexts, harm_level):
    before = policy.decide(judged(levels, role, harm_level), contexts=contexts, today=DAY)
    after = policy.decide(judged(levels, role, harm_level + 1), contexts=contexts, today=DAY)
    assert severity(after) >= severity(before)


@settings(max_examples=200, deadline=None)
@given(policies(), levels_of, st.sampled_from(ROLES), contexts_of, st.integers(0, 2), st.integers(1, 2))
def test_sexual_content_about_minors_is_blocked_whatever_else_is_said(
    policy, levels, role, contexts, harm, level
):
    decision = policy.decide(
        judged(levels | {"sexual_minors": level}, role, harm), contexts=contexts, today=DAY
    )
    assert decision.action == "block"
    assert decision.flagged


@settings(max_examples=300, deadline=None)
@given(
    policies(),
    levels_of,
    st.sampled_from(ROLES),
    contexts_of,
    st.integers(0, 2),
    st.integers(1, 2),
    st.sampled_from(LANGUAGES),
)
def test_distress_always_meets_help(policy, levels, role, contexts, harm, level, language):
    """Whatever wins, the message has the words of help and says where to go; a prompt of distress alone is not refused."""
    levels = levels | {"selfharm_risk": level}
    decision = policy.decide(judged(levels, role, harm, language), contexts=contexts, today=DAY)
    assert policy._reply._wording.say("help", language) in decision.message
    others = {
        one for one, reached in levels.items() if reached and one not in ("selfharm_risk", "selfharm_promote")
    }
    if role == "prompt" and not others:
        assert decision.action == "help"
        assert not decision.flagged


@settings(max_examples=200, deadline=None)
@given(policies(), levels_of, st.sampled_from(ROLES), contexts_of, st.integers(0, 2))
def test_a_decision_is_the_same_twice_and_whatever_the_order_of_categories_and_contexts(
    policy, levels, role, contexts, harm
):
    first = policy.decide(judged(levels, role, harm), contexts=contexts, today=DAY)
    turned = dict(reversed(levels.items()))
    second = policy.decide(judged(turned, role, harm), contexts=contexts[::-1], today=DAY)
    assert (first.action, first.category, first.level) == (second.action, second.category, second.level)
    assert first == policy.decide(judged(levels, role, harm), contexts=contexts, today=DAY)


@settings(max_examples=400, deadline=None)
@given(
    policies(),
    levels_of,
    st.sampled_from(ROLES),
    contexts_of,
    st.integers(0, 2),
    st.sampled_from(LANGUAGES),
    days,
)
def test_no_number_is_shown_that_is_not_verified_or_has_expired(
    policy, levels, role, contexts, harm, language, day
):
    """Every run of digits in a message belongs to a resource that may be shown on that day."""
    levels = levels | {"selfharm_risk": 1}
    decision = policy.decide(judged(levels, role, harm, language), contexts=contexts, today=day)
    assert all(one.verified and one.checked_on <= day <= one.expires_on for one in decision.resources)
    allowed = " ".join(
        f"{one.name} {one.number} {one.url} {one.hours}"
        for one in policy.resources.values()
        if one.verified and day <= one.expires_on
    )
    assert set(re.findall(r"\d+", decision.message)) <= set(re.findall(r"\d+", allowed))


@pytest.mark.parametrize("name", COUNTRIES)
def test_an_expired_line_gives_way_to_the_clinic_and_the_emergency_number_and_the_operator_hears_of_it(
    name, caplog
):
    policy = Policy.load(name)  # a fresh one: messages are kept
    _warn.cache_clear()
    distress = judged({"selfharm_risk": 1}, language=policy.languages[0])
    with caplog.at_level(logging.WARNING, "rumpun.guard.policy"):
        decision = policy.decide(distress, today=date(2027, 6, 1))
        policy.decide(distress, today=date(2027, 6, 2))
    say = policy._reply._wording.say
    assert say("nearest", policy.languages[0]) in decision.message
    assert {one.kind for one in decision.resources} == {"emergency"}
    expired = [
        key for key, one in policy.resources.items() if one.kind in ("crisis", "child") and one.verified
    ]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(expired)  # once each, not once a text
    assert all(any(f"resources.{key} " in line for line in told) for key in expired)


def test_adults_without_a_verified_line_are_sent_to_the_clinic_besides_the_childrens_line():
    decision = LOADED["vn"].decide(judged({"selfharm_risk": 1}, language="vi"), today=DAY)
    assert "111" in decision.message
    assert LOADED["vn"]._reply._wording.say("nearest", "vi") in decision.message
    assert "306" not in decision.message


def test_base_judges_harm_alone():
    """Without a country, harm at the threshold blocks, whatever it is; below it nothing is flagged."""
    base = LOADED["base"]
    assert base.decide(judged(harm_level=2)).flagged
    assert not base.decide(judged(harm_level=1)).flagged
    assert base.decide(judged()) == Decision(action="allow")
    assert not base.resources


def test_a_context_that_speaks_of_a_category_explains_harm_only_up_to_its_level():
    base = LOADED["base"]
    assert base.decide(judged({"hate": 2}, harm_level=2), contexts=["news"]).action == "care"
    assert base.decide(judged({"hate": 1}, harm_level=2), contexts=["news"]).action == "block"
    assert (
        base.decide(judged({"hate": 2, "scam_fraud": 2}, harm_level=2), contexts=["news"]).action == "block"
    )


@pytest.mark.parametrize("name", POLICIES)
def test_signals_alone_flag_nothing_by_default(name):
    for signal in ("jailbreak", "local_sensitive", "refusal"):
        for role in ROLES:
            assert not LOADED[name].decide(judged({signal: 2}, role)).flagged
    assert LOADED[name].decide(judged({"local_sensitive": 2})).action == "allow"
    assert LOADED[name].decide(judged({"jailbreak": 1})).action == "care"


@pytest.mark.parametrize("name", POLICIES)
def test_probabilities_alone_decide_nothing(name):
    """A masked identifier, or a score below its threshold, is not in `levels`."""
    said = Judgement(
        role="prompt",
        language="ms",
        sure=True,
        harm=0.99,
        harm_level=0,
        probabilities={"privacy_abuse": 0.99},
    )
    assert LOADED[name].decide(said) == Decision(action="allow")


def test_what_a_country_adds_is_opt_in():
    """On its own, no country's file changes an action that ASEAN's has."""
    from rumpun.guard.policy.diff import combinations, diff

    for name in COUNTRIES:
        found = diff(LOADED["asean"], LOADED[name], combinations(), DAY)
        assert found.cases == len(vocabulary().categories) * 2 * 2 * (len(CONTEXTS) + 1)
        assert found.rows == ()
        assert found.other_words > 0  # the lines and numbers are its own


def test_an_unknown_context_and_an_unknown_category_are_named():
    with pytest.raises(UsageError, match="no context is called 'new'") as error:
        LOADED["sg"].decide(judged({"hate": 1}), contexts=["new"])
    assert "news" in error.value.hint
    with pytest.raises(InputError, match="'hatred'") as error:
        LOADED["sg"].decide(judged({"hatred": 1}))
    assert "hate" in error.value.hint


def test_points_are_the_callers_except_where_the_policy_names_one():
    for point in POINTS:
        table = points(LOADED["sg"], point)
        assert list(table) == list(vocabulary().categories)
        assert table["scam_fraud"] == table["sexual_minors"] == table["selfharm_risk"] == "strict"
        assert table["hate"] == point
    assert points(LOADED["base"], "permissive")["scam_fraud"] == "permissive"


def test_a_decision_takes_less_than_a_twentieth_of_a_millisecond():
    said = judged(
        {"selfharm_risk": 1, "hate": 1, "scam_fraud": 2, "local_sensitive": 1}, harm_level=2, language="jv"
    )
    runs = [
        timeit.timeit(lambda: LOADED["sg"].decide(said, contexts=["news"]), number=200) for _ in range(20)
    ]
    assert min(runs) / 200 < 50e-6


def rules_of(name):
    """Rules as plain tables, with the layer they stand in: read without the code under test."""
    folder = {"base": "base.toml", "asean": "asean.toml"}
    chain = ["base"] if name == "base" else ["base", "asean"] + ([name] if name in COUNTRIES else [])
    for depth, layer in enumerate(chain):
        text = (FOLDER / folder.get(layer, f"countries/{layer}.toml")).read_text(encoding="utf-8")
        for key, rule in tomllib.loads(text)["rules"].items():
            yield depth, key, {"role": "any", "context": ["any"]} | rule


def expected_action(rules, category, level, role, contexts):
    """The written order of precedence, as plainly as it can be coded."""
    strictest = 0
    for step in range(1, level + 1):
        fits = [
            (rule["role"] == role, depth, context, rule["action"])
            for depth, _, rule in rules
            for context in rule["context"]
            if rule["category"] == category and rule["level"] == step and rule["role"] in ("any", role)
        ]
        # context -> action of the rule that holds there: the last of those for it
        best = {context: action for _, _, context, action in sorted(fits, key=lambda fit: fit[:2])}
        near = [SEVERITY[best[context]] for context in contexts if context in best]
        strictest = max(strictest, *near) if near else max(strictest, SEVERITY[best.get("any", "allow")])
    return strictest


@pytest.mark.parametrize("name", POLICIES)
def test_every_single_category_is_decided_in_the_written_order_of_precedence(name):
    rules = [entry for entry in rules_of(name) if not entry[2].get("opt_in")]
    pairs = [
        [],
        *([context] for context in CONTEXTS),
        ["education", "children_service"],
        ["minors", "health"],
    ]
    for category in CATEGORIES:
        for level in (1, 2):
            for role in ROLES:
                for contexts in pairs:
                    decision = LOADED[name].decide(
                        judged({category: level}, role), contexts=contexts, today=DAY
                    )
                    wanted = expected_action(rules, category, level, role, contexts)
                    assert severity(decision) == wanted, (category, level, role, contexts, decision)
