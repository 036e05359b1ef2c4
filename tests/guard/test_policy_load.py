"""Files of policies: tenants' overrides, what is refused, and with which words."""

import random
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError, RumpunError, UsageError
from rumpun.guard.judgement import Judgement
from rumpun.guard.policy import Policy
from rumpun.guard.policy.vocabulary import ACTIONS, FOLDER, SEVERITY

DAY = date(2026, 12, 1)
HEAD = 'name = "bank"\nversion = "1"\nextends = "sg"\n'
RULE = """
[rules.{name}]
category = "{category}"
level = {level}
role = "{role}"
context = ["{context}"]
action = "{action}"
message = "block"
lines = ["emergency"]
reason = "Made for a test."
citation = "own"
review_by = 2027-01-01
{more}
"""


def rule(name="bank-rule", category="hate", level=1, role="any", context="any", action="block", more=""):
    return RULE.format(
        name=name, category=category, level=level, role=role, context=context, action=action, more=more
    )


@pytest.fixture
def tenant(tmp_path):
    def write(text, name="bank.toml", head=HEAD):
        path = tmp_path / name
        path.write_text(head + text, encoding="utf-8")
        return str(path)

    return write


def decide(policy, levels, contexts=(), role="prompt", harm_level=0):
    said = Judgement(role=role, language="en", sure=True, harm=0.5, harm_level=harm_level, levels=levels)
    return policy.decide(said, contexts=contexts, today=DAY)


def refused(path):
    with pytest.raises(RumpunError) as error:
        Policy.load(path)
    return error.value


def test_a_tenants_rule_overrides_its_country_and_base(tenant):
    policy = Policy.load(tenant(rule(level=1, action="block")))
    assert decide(policy, {"hate": 1}).rule == "bank-rule"
    assert [layer.name for layer in policy.layers] == ["base", "asean", "sg", "bank"]
    assert decide(Policy.load("sg"), {"hate": 1}).action == "care"


def test_a_looser_rule_must_be_given_for_the_level_it_loosens(tenant):
    loose = Policy.load(tenant(rule(category="hate", level=1, action="allow")))
    assert decide(loose, {"hate": 1}).action == "allow"
    assert decide(loose, {"hate": 2}).action == "block"


def test_a_stricter_rule_on_level_one_holds_on_level_two_too(tenant):
    strict = Policy.load(tenant(rule(category="violence_graphic", level=1, action="block")))
    assert decide(strict, {"violence_graphic": 2}).action == "block"


def test_a_rule_for_any_context_leaves_the_rule_for_a_context_in_place(tenant):
    loose = Policy.load(tenant(rule(category="sexual_adult", level=1, action="allow")))
    assert decide(loose, {"sexual_adult": 1}, ["children_service"]).action == "block"


def test_of_several_contexts_the_strictest_counts_whatever_their_order(tenant):
    rules = rule("loose", context="news", action="allow") + rule("strict", context="minors")
    policy = Policy.load(tenant(rules))
    assert decide(policy, {"hate": 1}, ["news"]).action == "allow"
    assert decide(policy, {"hate": 1}, ["news", "minors"]).rule == "strict"
    assert decide(policy, {"hate": 1}, ["minors", "news"]).rule == "strict"


def test_a_tenant_of_a_tenant_stands_on_its_file(tenant):
    tenant(rule())
    head = 'name = "branch"\nversion = "1"\nextends = "bank.toml"\n'
    branch = Policy.load(tenant(rule(name="branch-rule", action="help"), "branch.toml", head))
    assert decide(branch, {"hate": 1}).rule == "branch-rule"
    assert branch.country == "SG"


def test_opt_in_rules_are_off_until_a_tenant_enables_them(tenant):
    on = Policy.load(tenant('enable = ["sg-harassment-block"]\n'))
    assert decide(on, {"harassment": 1}).rule == "sg-harassment-block"
    assert decide(Policy.load("sg"), {"harassment": 1}).action == "care"
    assert decide(Policy.load("sg", ("sg-harassment-block",)), {"harassment": 1}).action == "block"


def test_a_tenant_renews_a_line_under_the_same_name(tenant):
    renewed = """
[resources.sos]
kind = "crisis"
name = "Samaritans of Singapore"
number = "1767"
hours = "24/7"
source = "called on 1 March 2027"
checked_on = 2027-03-01
expires_on = 2027-05-30
verified = true
"""
    said = Judgement(
        role="prompt", language="en", sure=True, harm=0.5, harm_level=0, levels={"selfharm_risk": 1}
    )
    decision = Policy.load(tenant(renewed)).decide(said, today=date(2027, 3, 2))
    assert "1767" in decision.message
    assert "1771" not in decision.message


def test_a_tenants_words_take_the_place_of_the_general_ones_language_by_language(tenant):
    policy = Policy.load(tenant('[messages.block]\nen = "Ask our desk, please."\n'))
    said = {"role": "prompt", "sure": True, "harm": 0.5, "harm_level": 2}
    assert policy.decide(Judgement(language="en", **said)).message == "Ask our desk, please."
    assert "Maaf" in policy.decide(Judgement(language="ms", **said)).message


def test_points_are_merged(tenant):
    policy = Policy.load(tenant('[points]\nhate = "permissive"\n'))
    assert policy.points["hate"] == "permissive"
    assert policy.points["scam_fraud"] == "strict"


REFUSED = [
    (
        rule(category="hatred"),
        "rules.bank-rule.category = 'hatred': no such category",
        "did you mean 'hate'?",
    ),
    (rule(context="newsroom"), "rules.bank-rule.context: 'newsroom' is no context", "did you mean 'news'?"),
    (rule(more="reasons = 1"), "rules.bank-rule: unknown key 'reasons'", "did you mean 'reason'?"),
    (rule(action="blok"), "rules.bank-rule.action = 'blok'", "did you mean 'block'?"),
    (rule(level=3), "rules.bank-rule.level = 3", ""),
    (
        rule().replace('"own"', '"owm"'),
        "rules.bank-rule.citation = 'owm': no such citation",
        "did you mean 'own'?",
    ),
    (
        rule().replace('message = "block"', 'message = "blocked"'),
        "message = 'blocked': no such message",
        "'block'",
    ),
    (rule().replace('message = "block"\n', ""), "action = 'block' needs a message", ""),
    (rule().replace("2027-01-01", '"soon"'), "rules.bank-rule.review_by = 'soon'", "date"),
    (rule(category="sexual_minors", action="care"), "no rule may loosen it", ""),
    (
        rule(category="sexual_minors", level=2, context="research", action="allow"),
        "no rule may loosen it",
        "",
    ),
    (rule(category="selfharm_risk", action="block"), "never blocked", ""),
    (rule(category="selfharm_risk", action="allow"), "leads to help", ""),
    (rule(name="hate-serious"), "has a rule of this name already", ""),
    (rule("one") + rule("two", action="care"), "rules.two: 'care' contradicts rules.one", ""),
    ('[points]\nhat = "strict"\n', "points.hat: no such category", "did you mean 'hate'?"),
    ('[points]\nsexual_minors = "permissive"\n', "no policy may loosen it", ""),
    ('[points]\nhate = "harsh"\n', "points.hate = 'harsh'", ""),
    ('enable = ["sg-harasment-block"]\n', "no rule is called 'sg-harasment-block'", "sg-harassment-block"),
    ('enable = ["hate-serious"]\n', "is on already", ""),
    ('[messages.emergency]\nen = "Call somebody."\n', "{numbers}", ""),
    ("colour = 1\n", "unknown key 'colour'", ""),
    ("[rules]\nx = 1\n", "rules.x = 1: not a table", "write [rules.x]"),
    ("rules = 1\n", "rules = 1: not a table", ""),
    ('country = "Singapore"\n', "country = 'Singapore'", "two capitals"),
]


@pytest.mark.parametrize(("text", "words", "hint"), REFUSED)
def test_what_is_wrong_is_refused_in_one_line_with_file_line_and_rule(tenant, text, words, hint):
    path = tenant(text)
    error = refused(path)
    assert isinstance(error, UsageError)
    assert words in error.message
    assert hint in error.hint
    assert path in error.message
    assert "\n" not in error.message
    assert re.search(r"\.toml:\d+: |: head\.", error.message)


def test_the_line_is_the_rules_own(tenant):
    path = tenant(rule("first") + rule("second", level=3))
    line = 1 + Path(path).read_text(encoding="utf-8").splitlines().index("[rules.second]")
    assert f"{path}:{line}: rules.second" in refused(path).message


def test_both_contradicting_rules_are_named_with_their_lines(tenant):
    error = refused(tenant(rule("one") + rule("two", action="care")))
    assert re.search(
        r":18: rules\.two: 'care' contradicts rules\.one \(line 5\), which says 'block'", error.message
    )
    assert "hate, level 1, role any, context any" in error.message


def test_enabling_two_rules_that_contradict_each_other_is_refused():
    with pytest.raises(UsageError, match=r"rules\.th-royal-block.*contradicts rules\.th-royal-care"):
        Policy.load("th", ("th-royal-care", "th-royal-block"))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ('name = "bank"\nversion = "1"\n', "the key 'extends' is missing"),
        ('name = "bank"\nversion = "1"\nextends = "sq"\n', "no policy is called 'sq'"),
        ('name = "bank"\nversion = "1"\nextends = "bank.toml"\n', "leads back to itself"),
        ('name = "bank"\nversion = "1"\nextends = "no.toml"\n', "cannot be read"),
        ('version = "1"\nextends = "sg"\n', "the key 'name' is missing"),
        ('name = "Our Bank"\nversion = "1"\nextends = "sg"\n', "small letters"),
        ('name = "bank"\nversion = 1\nextends = "sg"\n', "head.version = 1"),
    ],
)
def test_a_head_that_leads_nowhere_is_refused(tenant, head, words):
    error = refused(tenant("", head=head))
    assert words in f"{error.message} {error.hint}"


def test_unreadable_files_are_input_errors(tmp_path):
    for name, content, words in (
        ("binary.toml", b'name = "\xff"', ":1: not UTF-8"),
        ("large.toml", b"#" * 1_000_001, "more than 1,000,000 bytes"),
        ("broken.toml", HEAD.encode() + b"[rules.x]\nlevel = \n", ":5: not TOML"),
        ("deep.toml", b"a = " + b"[" * 5000, "not TOML"),
    ):
        (tmp_path / name).write_bytes(content)
        error = refused(str(tmp_path / name))
        assert isinstance(error, InputError)
        assert words in error.message
    assert "in [rules.x]" in refused(str(tmp_path / "broken.toml")).message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("expires_on = 2027-03-01", "99 days after checked_on: expected 1 to 90"),
        ("expires_on = 2026-11-01", "expected 1 to 90"),
        ('number = ""', "needs a number or a url"),
        ('kind = "helpline"', "resources.line.kind = 'helpline'"),
    ],
)
def test_a_resource_that_cannot_be_trusted_is_refused(tenant, change, words):
    keys = {
        "kind": '"crisis"', "name": '"Line"', "number": '"123"', "source": '"us"', "checked_on": "2026-11-22",
        "expires_on": "2027-02-01", "verified": "true",
    }  # fmt: skip
    key, _, value = change.partition(" = ")
    keys[key] = value
    text = "[resources.line]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
    error = refused(tenant(text))
    assert words in error.message
    assert ":4: resources.line" in error.message


CONTEXTS = ["any", "news", "minors"]
made_rules = st.lists(
    st.tuples(
        st.sampled_from(["hate", "deception"]),
        st.integers(1, 2),
        st.sampled_from(["prompt", "answer", "any"]),
        st.sampled_from(CONTEXTS),
        st.sampled_from(ACTIONS),
    ),
    max_size=8,
    unique_by=lambda made: made[:4],
)


@settings(max_examples=60, deadline=None)
@given(made_rules, made_rules, st.data())
def test_layers_are_laid_over_one_another_in_the_written_order(tmp_path_factory, lower, upper, data):
    """Two made layers over base, against the order of precedence coded once more from its words."""
    folder = tmp_path_factory.mktemp("layers")
    for name, below, made in (("low", "base", lower), ("top", "low.toml", upper)):
        head = f'name = "{name}"\nversion = "1"\nextends = "{below}"\n'
        rules = [rule(f"{name}-{n}", *one) for n, one in enumerate(made)]
        (folder / f"{name}.toml").write_text(head + "".join(rules), encoding="utf-8")
    base = [
        ("hate", 1, "any", "any", "care"),
        ("hate", 2, "any", "any", "block"),
        ("hate", 2, "any", "news", "care"),
    ]
    base += [("deception", 1, "any", "any", "care"), ("deception", 2, "any", "any", "block")]
    base += [("deception", 2, "any", "news", "care")]
    holds = {one[:4]: one[4] for layer in (base, lower, upper) for one in layer}
    policy = Policy.load(str(folder / "top.toml"))
    category = data.draw(st.sampled_from(["hate", "deception"]))
    level = data.draw(st.integers(1, 2))
    role = data.draw(st.sampled_from(["prompt", "answer"]))
    contexts = data.draw(st.lists(st.sampled_from(CONTEXTS[1:]), unique=True))

    def at(step, context):
        return holds.get((category, step, role, context)) or holds.get((category, step, "any", context))

    wanted = 0
    for step in range(1, level + 1):
        near = [found for context in contexts if (found := at(step, context))] or [at(step, "any")]
        wanted = max(wanted, *(SEVERITY[action] for action in near))
    assert SEVERITY[decide(policy, {category: level}, contexts, role).action] == wanted


SHIPPED = {name: (FOLDER / name).read_text(encoding="utf-8") for name in ("asean.toml", "countries/th.toml")}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SHIPPED)), st.integers(0, 2**32), st.integers(1, 3))
def test_a_file_mutated_at_random_loads_or_is_refused_in_one_line_that_names_the_file(
    tmp_path_factory, name, seed, times
):
    pick = random.Random(seed)
    lines = SHIPPED[name].splitlines()
    touched = sorted(pick.choices(range(len(lines)), k=times))
    for number in touched:
        line = lines[number]
        spot = pick.randrange(len(line) + 1)
        kind = pick.randrange(4)
        if kind == 0:
            lines[number] = line[:spot] + line[spot + 1 :]
        elif kind == 1:
            lines[number] = line[:spot] + pick.choice("[]{}=\"'#.,9zก\x00") + line[spot:]
        elif kind == 2:
            lines[number] = line[:spot]
        else:
            lines[number] = pick.choice(lines)
    path = tmp_path_factory.mktemp("mutated") / "made.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    error = outcome(path)
    if error is not None:
        assert str(path) in error.message
        assert "\n" not in error.message + error.hint


def outcome(path):
    """The error that a file is refused with, or None; any other kind of error is a fault."""
    try:
        Policy.load(str(path))
    except RumpunError as error:
        return error
    return None


@pytest.mark.parametrize("junk", ["{}", "[[]]", "0", '"none of these"', "1979-05-27", "true", "= 1"])
@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_wrong_value_in_a_rule_is_refused_with_the_rules_name_and_line(tmp_path, name, junk):
    """Each key of each rule in turn; what the junk happens to suit may load."""
    lines = SHIPPED[name].splitlines()
    path = tmp_path / "made.toml"
    refusals, here = 0, ""
    for number, line in enumerate(lines):
        if line[:1] == "[":
            here, header = line[1:-1], number + 1
        elif here.startswith("rules.") and " = " in line:
            changed = line.partition(" = ")[0] + f" = {junk}"
            path.write_text("\n".join([*lines[:number], changed, *lines[number + 1 :]]), encoding="utf-8")
            error = outcome(path)
            if error is not None:
                refusals += 1
                places = (f"{path}:{header}: {here}", f"{path}:{number + 1}: not TOML")
                assert error.message.startswith(places), error.message
                assert here in error.message
    assert refusals > 10
