"""OpenAI's shape, field by field."""

import pytest
from made_guard import SIGNAL_WORD, UNSAFE_WORD, tiny_guard

from rumpun.errors import UsageError
from rumpun.guard.moderation import covered, result
from rumpun.guard.taxonomy import Taxonomy, taxonomy
from rumpun.recipes import build

FIELDS = {
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
}  # fmt: skip


def test_every_field_of_openais_result_is_there(tmp_path):
    guard = tiny_guard(tmp_path)
    for verdict in guard.check(["hello", f"a {UNSAFE_WORD}", f"a {SIGNAL_WORD}"]):
        found = result(verdict)
        assert set(found["categories"]) == set(found["category_scores"]) == FIELDS
        assert found["category_applied_input_types"] == {key: ["text"] for key in taxonomy().openai}
        assert all(isinstance(value, bool) for value in found["categories"].values())
        assert all(0 <= value <= 1 for value in found["category_scores"].values())
        assert found["flagged"] == verdict.flagged


def test_a_head_sets_the_fields_of_its_category_and_no_other(tmp_path):
    found = result(tiny_guard(tmp_path).check([f"a {UNSAFE_WORD}"])[0])
    assert [key for key, fired in found["categories"].items() if fired] == ["illicit"]
    assert max(found["category_scores"], key=found["category_scores"].get) == "illicit"
    assert found["category_scores"]["illicit"] > 0.5
    assert found["x_rumpun"]["score"] > 0.5
    assert found["x_rumpun"]["action"] == "block"
    assert found["x_rumpun"]["categories"]["crime_general"]["level"] == 2


def test_the_official_client_reads_it(tmp_path):
    types = pytest.importorskip("openai.types", reason="the openai package is not installed (tests)")
    entry = result(tiny_guard(tmp_path).check([f"a {UNSAFE_WORD}"])[0])
    body = {"id": "modr-1", "model": "tiny", "results": [entry]}
    read = types.ModerationCreateResponse.model_validate(body)
    assert read.results[0].flagged
    assert read.results[0].categories.illicit
    assert not read.results[0].categories.self_harm_intent


def test_what_is_covered_follows_from_the_heads_and_the_rules_of_words():
    by_words = set(covered(("harm", "local_sensitive")))
    rules = [c for c in taxonomy().categories.values() if c.by_words]
    assert by_words == {key for c in rules for key in (*c.openai, *c.openai_serious)}
    more = set(covered(("harm", "hate")))
    assert more - by_words == {"hate", "hate/threatening"}
    assert list(covered(("hate", "violence_threat"))) == sorted(
        covered(("hate", "violence_threat")), key=taxonomy().openai.index
    )


def test_the_table_refuses_names_that_do_not_exist():
    good = {"openai": ["hate"], "categories": {"hate": {"about": "x", "openai": ["hate"]}}}
    assert build(Taxonomy, good, "x").categories["hate"].openai == ("hate",)
    with pytest.raises(UsageError, match="'hat' is no field"):
        build(Taxonomy, good | {"categories": {"hate": {"about": "x", "openai": ["hat"]}}}, "x")
    with pytest.raises(UsageError, match="'hat' is no field"):
        build(
            Taxonomy,
            good | {"categories": {"hate": {"about": "x", "openai": [], "openai_serious": ["hat"]}}},
            "x",
        )
