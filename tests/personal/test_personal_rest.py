"""Presidio's two requests: its field names and answers, strictness, and its own anonymizer where that is installed."""

import copy
import hashlib
import json

import hypothesis
import hypothesis.strategies as st
import pytest

from rumpun.errors import InputError
from rumpun.personal import find
from rumpun.personal.names import PRESIDIO, entities_known, entity, type_of
from rumpun.personal.rest import analyze, anonymize
from rumpun.personal.rules import types_known

TEXT = "HP 0812-3456-7890, NRIC S1234567D, budi@example.com 😀"


def test_analyze_answers_as_presidio_does():
    found = analyze({"text": TEXT, "language": "id"})
    assert [list(item) for item in found] == [
        ["analysis_explanation", "end", "entity_type", "score", "start"]
    ] * 3
    assert {(i["entity_type"], TEXT[i["start"] : i["end"]]) for i in found} == {
        ("PHONE_NUMBER", "0812-3456-7890"), ("SG_NRIC_FIN", "S1234567D"), ("EMAIL_ADDRESS", "budi@example.com"),
    }  # fmt: skip
    assert all(item["analysis_explanation"] is None for item in found)
    assert [item["score"] for item in found] == sorted((item["score"] for item in found), reverse=True)
    json.dumps(found)


def test_the_reason_is_given_where_it_is_asked_for():
    (item,) = analyze({"text": "HP 0812-3456-7890", "language": "en", "return_decision_process": True})
    explained = item["analysis_explanation"]
    assert {"recognizer", "pattern_name", "pattern", "original_score", "score", "textual_explanation",
            "score_context_improvement", "supportive_context_word", "validation_result"} <= set(explained)  # fmt: skip
    assert "beside 'hp'" in explained["textual_explanation"]
    assert explained["score"] == item["score"]


def test_entities_threshold_context_and_allowed_values():
    ask = {"text": TEXT, "language": "en"}
    assert [i["entity_type"] for i in analyze(ask | {"entities": ["EMAIL_ADDRESS"]})] == ["EMAIL_ADDRESS"]
    assert analyze({"text": "1234567890121", "language": "th"}) == []
    guesses = analyze({"text": "1234567890121", "language": "th", "score_threshold": 0.3})
    assert [i["entity_type"] for i in guesses] == ["TH_TNIN"]
    assert analyze({"text": "91234567", "language": "en"}) == []
    assert [i["entity_type"] for i in analyze({"text": "91234567", "language": "en", "context": ["Mobile"]})] == ["PHONE_NUMBER"]  # fmt: skip
    assert len(analyze(ask | {"allow_list": ["budi@example.com"]})) == 2
    nothing = {
        "entities": None,
        "score_threshold": None,
        "context": None,
        "ad_hoc_recognizers": [],
        "correlation_id": "x",
    }
    assert analyze(ask | nothing) == analyze(ask)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text": None}, "text: missing"),
        ({"text": ["a"]}, "text: a list"),
        ({"language": None}, "language: missing"),
        ({"language": 5}, "language: a number"),
        ({"entities": "PHONE_NUMBER"}, "entities: expected a list"),
        ({"entities": ["PHONE_NUMBER", "PERSON"]}, "entities[1]: nothing finds the entity 'PERSON'"),
        ({"entities": ["PHONE"]}, "entities[0]: nothing finds the entity 'PHONE'"),
        ({"score_threshold": 2}, "score_threshold"),
        ({"score_threshold": True}, "score_threshold"),
        ({"score_threshold": float("nan")}, "score_threshold"),
        ({"return_decision_process": "yes"}, "return_decision_process: a string"),
        ({"ad_hoc_recognizers": [{"name": "x"}]}, "ad_hoc_recognizers: not offered"),
        ({"context": [1]}, "context: expected a list"),
        ({"allow_list_match": "regex"}, "allow_list_match"),
        ({"correlation_id": 1}, "correlation_id: a number"),
        ({"langauge": "en"}, "langauge: no such field"),
    ],
)
def test_analyze_refuses_by_name_what_it_cannot_mean(change, says):
    with pytest.raises(InputError) as refused:
        analyze({"text": TEXT, "language": "en"} | change)
    assert refused.value.message.startswith(says)
    assert "0812" not in refused.value.message + refused.value.hint


@pytest.mark.parametrize("body", [None, [], "x", 5, {1: 2}])
def test_a_request_is_an_object(body):
    for ask in (analyze, anonymize):
        with pytest.raises(InputError, match="the request"):
            ask(body)


def result(text, value, kind, score=0.9):
    start = text.index(value)
    return {"start": start, "end": start + len(value), "score": score, "entity_type": kind}


def test_anonymize_as_in_presidio_s_documentation():
    text = "hello world, my name is Jane Doe. My number is: 034453334"
    answer = anonymize({
        "text": text,
        "anonymizers": {
            "DEFAULT": {"type": "replace", "new_value": "ANONYMIZED"},
            "PHONE_NUMBER": {"type": "mask", "masking_char": "*", "chars_to_mask": 4, "from_end": True},
        },
        "analyzer_results": [
            result(text, "Jane Doe", "NAME"), result(text, "Jane", "FIRST_NAME"), result(text, "Doe", "LAST_NAME"),
            result(text, "034453334", "PHONE_NUMBER"),
        ],
    })  # fmt: skip
    assert answer["text"] == "hello world, my name is ANONYMIZED. My number is: 03445****"
    assert [(i["operator"], i["entity_type"], i["text"]) for i in answer["items"]] == [
        ("mask", "PHONE_NUMBER", "03445****"), ("replace", "NAME", "ANONYMIZED"),
    ]  # fmt: skip
    for item in answer["items"]:
        assert answer["text"][item["start"] : item["end"]] == item["text"]


def test_every_operator():
    text = "a 0812 b"

    def written(**operator):
        return anonymize({"text": text, "analyzer_results": [result(text, "0812", "X")], "anonymizers": {"X": operator}})["text"]  # fmt: skip

    assert written(type="replace") == "a <X> b"
    assert written(type="redact") == "a  b"
    assert written(type="keep") == text
    assert written(type="mask", masking_char="#", chars_to_mask=3, from_end=False) == "a ###2 b"
    assert written(type="mask", masking_char="#", chars_to_mask=-3, from_end=False) == text
    salted = hashlib.sha512(b"0812" + b"s" * 16).hexdigest()
    assert written(type="hash", hash_type="sha512", salt="s" * 16) == f"a {salted} b"
    assert written(type="hash") != written(type="hash")  # a new salt each time
    plain = {"text": text, "analyzer_results": [result(text, "0812", "X")]}
    assert anonymize(plain)["text"] == anonymize(plain | {"anonymizers": None})["text"] == "a <X> b"


def test_what_two_places_share_is_shown_by_neither():
    text = "0123456789"
    spans = [
        {"start": 0, "end": 6, "score": 0.9, "entity_type": "A"},
        {"start": 4, "end": 10, "score": 0.9, "entity_type": "B"},
    ]
    answer = anonymize(
        {
            "text": text,
            "analyzer_results": spans,
            "anonymizers": {"A": {"type": "keep"}, "B": {"type": "redact"}},
        }
    )
    assert answer["text"] == "0123"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text": None}, "text: missing"),
        ({"analyzer_results": None}, "analyzer_results: missing"),
        ({"analyzer_results": {}}, "analyzer_results: a object"),
        ({"analyzer_results": [5]}, "analyzer_results[0]: a number"),
        ({"analyzer_results": [{"start": 0, "end": 9, "score": 1, "entity_type": "X"}]}, "analyzer_results[0]: 0 to 9"),
        ({"analyzer_results": [{"start": 2, "end": 2, "score": 1, "entity_type": "X"}]}, "analyzer_results[0]: 2 to 2"),
        ({"analyzer_results": [{"start": True, "end": 2, "score": 1, "entity_type": "X"}]}, "analyzer_results[0].start: a boolean"),
        ({"analyzer_results": [{"start": 0, "end": 2, "score": "1", "entity_type": "X"}]}, "analyzer_results[0].score"),
        ({"analyzer_results": [{"start": 0, "end": 2, "score": 1, "entity_type": ""}]}, "analyzer_results[0].entity_type: empty"),
        ({"analyzer_results": [{"start": 0, "end": 2, "score": 1, "entity": "X"}]}, "analyzer_results[0].entity: no such field"),
        ({"anonymizers": []}, "anonymizers: a list"),
        ({"anonymizers": {"X": {"type": "encrypt", "key": "k"}}}, "anonymizers.X.type: 'encrypt' is not offered"),
        ({"anonymizers": {"X": {}}}, "anonymizers.X.type: missing"),
        ({"anonymizers": {"X": {"type": "mask", "masking_char": "**", "chars_to_mask": 1, "from_end": True}}}, "anonymizers.X.masking_char"),
        ({"anonymizers": {"X": {"type": "mask", "masking_char": "*", "chars_to_mask": True, "from_end": True}}}, "anonymizers.X.chars_to_mask: a boolean"),
        ({"anonymizers": {"X": {"type": "mask", "masking_char": "*", "chars_to_mask": 4}}}, "anonymizers.X.from_end: missing"),
        ({"anonymizers": {"X": {"type": "replace", "new_value": 5}}}, "anonymizers.X.new_value: a number"),
        ({"anonymizers": {"X": {"type": "replace", "value": "x"}}}, "anonymizers.X.value: no such field"),
        ({"anonymizers": {"X": {"type": "hash", "hash_type": "md5"}}}, "anonymizers.X.hash_type"),
        ({"anonymizers": {"X": {"type": "hash", "salt": "short"}}}, "anonymizers.X.salt"),
    ],
)  # fmt: skip
def test_anonymize_refuses_by_name_what_it_cannot_mean(change, says):
    with pytest.raises(InputError) as refused:
        anonymize({"text": "abcd", "analyzer_results": []} | change)
    assert refused.value.message.startswith(says)


@hypothesis.given(
    st.lists(
        st.sampled_from(
            ["😀", "𝟎𝟖", "hp ", "081234567890", "S1234567D ", "ครับ", "๐๘๑๒๓๔๕๖๗๘", "budi@example.com ", "é"]
        ),
        max_size=8,
    ).map("".join)
)
def test_what_analyze_finds_anonymize_hides_at_the_same_places(text):
    found = analyze({"text": text, "language": "th"})
    assert {(i["start"], i["end"]) for i in found} == {(f.start, f.end) for f in find(text)}
    answer = anonymize({"text": text, "analyzer_results": found})
    kept, last = [], 0
    for item in sorted(found, key=lambda i: i["start"]):
        kept.append(text[last : item["start"]])
        last = item["end"]
    plain = answer["text"]
    for item in answer["items"]:  # last first
        assert plain[item["start"] : item["end"]] == item["text"] == f"<{item['entity_type']}>"
        plain = plain[: item["start"]] + plain[item["end"] :]
    assert plain.replace(" ", "") == "".join([*kept, text[last:]]).replace(" ", "")


json_values = st.recursive(st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=4), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "start", "end", "score", "entity_type", "X", "salt"]), inner, max_size=4), max_leaves=8)  # fmt: skip
fields = st.sampled_from(["text", "language", "entities", "score_threshold", "context", "allow_list", "analyzer_results", "anonymizers", "return_decision_process"])  # fmt: skip


@hypothesis.given(st.dictionaries(fields, json_values, max_size=5))
def test_whatever_comes_is_answered_or_refused_by_name(changes):
    refused = []
    for ask, body in (
        (analyze, {"text": "HP 081234567890", "language": "en"}),
        (anonymize, {"text": "HP 0812", "analyzer_results": []}),
    ):
        try:
            ask(body | changes)
        except InputError as error:
            refused.append(error.message)
    assert all(refused)


def test_names_go_both_ways():
    assert len(entities_known()) == len(types_known())
    for name in types_known():
        assert type_of(entity(name), "entities") == name
    assert set(PRESIDIO) <= set(types_known())


spans = st.lists(st.tuples(st.integers(0, 19), st.integers(1, 8), st.sampled_from(["A", "B", "C"]), st.sampled_from([0.3, 0.6, 0.9])), max_size=5)  # fmt: skip
operators = st.sampled_from(
    [
        {"type": "replace", "new_value": "X"}, {"type": "replace"}, {"type": "redact"}, {"type": "keep"},
        {"type": "mask", "masking_char": "*", "chars_to_mask": 3, "from_end": True}, {"type": "hash", "salt": "s" * 16},
    ]
)  # fmt: skip


@hypothesis.given(
    st.text(alphabet="ab 1๑😀", min_size=20, max_size=24),
    spans,
    st.dictionaries(st.sampled_from(["A", "B", "DEFAULT"]), operators),
)
def test_the_answer_is_presidio_s_where_no_two_entities_cross(text, places, chosen):
    engine = pytest.importorskip("presidio_anonymizer", reason="presidio-anonymizer is not installed")
    from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

    results = [
        {"start": a, "end": min(a + n, len(text)), "entity_type": kind, "score": score}
        for a, n, kind, score in places
    ]
    hypothesis.assume(
        not any(
            x["entity_type"] != y["entity_type"] and x["start"] < y["end"] and y["start"] < x["end"]
            for x in results
            for y in results
        )
    )
    theirs = engine.AnonymizerEngine().anonymize(
        text,
        [RecognizerResult(**r) for r in results],
        {k: OperatorConfig.from_json(copy.deepcopy(v)) for k, v in chosen.items()},
    )
    ours = anonymize({"text": text, "analyzer_results": results, "anonymizers": chosen})
    assert ours == {"text": theirs.text, "items": [item.to_dict() for item in theirs.items]}
