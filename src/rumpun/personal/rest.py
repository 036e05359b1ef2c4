"""Presidio's two requests, /analyze and /anonymize, as functions from a JSON object to its answer.

Field names, entities and answers are Presidio's (microsoft/presidio, its API of 2.2); what is found is ours. No network
and no framework: the service mounts them. A field that is not known, or whose value cannot be meant, is refused by name.
What differs: `language` changes nothing, since every language is read; the least score is 0.6 unless `score_threshold`
says otherwise; an entity that nothing finds (PERSON) is refused, where Presidio would silently find none; recognisers of
the request's own (`ad_hoc_recognizers`), expressions in `allow_list` and the operators `encrypt` and `custom` are refused.
"""

import math
from collections.abc import Mapping
from typing import Any

from rumpun.errors import InputError, nearest
from rumpun.personal.anonymise import DEFAULT, Operator, Span, anonymised
from rumpun.personal.finder import find
from rumpun.personal.found import MASK_AT, Found
from rumpun.personal.names import entity, type_of

__all__ = ["analyze", "anonymize"]

_ANALYZE = (
    "text", "language", "entities", "score_threshold", "return_decision_process", "context", "correlation_id",
    "allow_list", "allow_list_match", "regex_flags", "ad_hoc_recognizers",
)  # fmt: skip
_ANONYMIZE = ("text", "analyzer_results", "anonymizers")
_RESULT = ("start", "end", "score", "entity_type", "analysis_explanation", "recognition_metadata")


def analyze(body: Any) -> list[dict[str, Any]]:
    """Find personal data in a text: the answer to POST /analyze, likeliest first.

    Args:
        body: `text` and `language`; and as one likes `entities`, `score_threshold`, `return_decision_process`, `context`
            (words that speak for the text), `allow_list` (values that are left out), `correlation_id` (not used).

    Raises:
        InputError: names the field.
    """
    fields = _object(body, "", _ANALYZE)
    text = _string(fields, "text", needed=True)
    _string(fields, "language", needed=True)
    _string(fields, "correlation_id")
    if fields.get("ad_hoc_recognizers"):
        raise InputError(
            "ad_hoc_recognizers: not offered", "add the layout to a country's pack, or leave the field out"
        )
    if fields.get("allow_list_match") not in (None, "exact"):
        raise InputError(
            "allow_list_match: only 'exact' is offered", "write the values themselves in allow_list"
        )
    explain = fields.get("return_decision_process")
    if explain not in (None, True, False):
        raise InputError(f"return_decision_process: a {_kind(explain)}", "expected true or false")
    entities = _strings(fields, "entities")
    types = [type_of(name, f"entities[{place}]") for place, name in enumerate(entities)]
    allowed = frozenset(_strings(fields, "allow_list"))
    found = find(text, None, types or None, _threshold(fields), _strings(fields, "context"))
    kept = [item for item in found if text[item.start : item.end] not in allowed]
    kept.sort(key=lambda item: (-item.score, item.start))
    return [
        {
            "analysis_explanation": _explanation(item) if explain else None,
            "end": item.end,
            "entity_type": entity(item.type),
            "score": item.score,
            "start": item.start,
        }
        for item in kept
    ]


def anonymize(body: Any) -> dict[str, Any]:
    """Write something else in the place of what was found: the answer to POST /anonymize.

    Args:
        body: `text`, `analyzer_results` as `analyze` gives them, and as one likes `anonymizers`: for an entity or for
            "DEFAULT" an operator, `{"type": "replace" | "redact" | "mask" | "hash" | "keep", …}`.

    Raises:
        InputError: names the field.
    """
    fields = _object(body, "", _ANONYMIZE)
    text = _string(fields, "text", needed=True)
    results = fields.get("analyzer_results")
    if not isinstance(results, list):
        raise InputError(f"analyzer_results: {_wrong(results)}", "expected the list that /analyze gave")
    spans = [_span(result, f"analyzer_results[{place}]", len(text)) for place, result in enumerate(results)]
    given = fields.get("anonymizers")
    operators = {DEFAULT: Operator("replace")}
    for name, value in _object({} if given is None else given, "anonymizers", None).items():
        operators[name] = _operator(value, f"anonymizers.{name}")
    return anonymised(text, spans, operators)


def _kind(value: object) -> str:
    names: dict[type, str] = {
        bool: "boolean",
        int: "number",
        float: "number",
        str: "string",
        list: "list",
        dict: "object",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _wrong(value: object) -> str:
    return "missing" if value is None else f"a {_kind(value)}"


def _object(value: Any, where: str, known: tuple[str, ...] | None) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{where or 'the request'}: a {_kind(value)}", "expected a JSON object")
    for key in value:
        if known is not None and key not in known:
            raise InputError(f"{f'{where}.' if where else ''}{key}: no such field", nearest(key, list(known)))
    return dict(value)


def _string(fields: Mapping[str, Any], name: str, *, needed: bool = False) -> str:
    value = fields.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{name}: {_wrong(value)}", "expected a string")
    return value


def _strings(fields: Mapping[str, Any], name: str) -> list[str]:
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{name}: expected a list of strings", 'such as ["PHONE_NUMBER"]')
    return value


def _number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and 0 <= value <= 1
    )


def _threshold(fields: Mapping[str, Any]) -> float:
    value = fields.get("score_threshold")
    if value is None:
        return MASK_AT
    if not _number(value):
        raise InputError("score_threshold: expected a number from 0 to 1", f"leave it out for {MASK_AT}")
    return float(value)


def _explanation(item: Found) -> dict[str, Any]:
    return {
        "recognizer": "RumpunRecogniser",
        "pattern_name": None,
        "pattern": None,
        "original_score": item.score,
        "score": item.score,
        "textual_explanation": item.reason,
        "score_context_improvement": 0,
        "supportive_context_word": "",
        "validation_result": None,
        "regex_flags": None,
    }


def _place(fields: Mapping[str, Any], name: str, where: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{where}.{name}: {_wrong(value)}", "expected a whole number of code points")
    return value


def _span(value: Any, where: str, size: int) -> Span:
    fields = _object(value, where, _RESULT)
    start, end, kind = _place(fields, "start", where), _place(fields, "end", where), fields.get("entity_type")
    if not 0 <= start < end <= size:
        raise InputError(
            f"{where}: {start} to {end} is no place in a text of {size} code points", "send the same text"
        )
    if not isinstance(kind, str) or not kind:
        raise InputError(
            f"{where}.entity_type: {'empty' if kind == '' else _wrong(kind)}", "expected a string"
        )
    if not _number(fields.get("score")):
        raise InputError(f"{where}.score: expected a number from 0 to 1", "send what /analyze gave")
    return Span(start, end, kind, float(fields["score"]))


_PARAMETERS: Mapping[str, Mapping[str, type]] = {
    "replace": {"new_value": str},
    "redact": {},
    "keep": {},
    "mask": {"masking_char": str, "chars_to_mask": int, "from_end": bool},
    "hash": {"hash_type": str, "salt": str},
}


def _operator(value: Any, where: str) -> Operator:
    fields = _object(value, where, None)
    name = fields.pop("type", None)
    if not isinstance(name, str) or name not in _PARAMETERS:
        shown = f"'{name}' is not offered" if isinstance(name, str) else _wrong(name)
        raise InputError(f"{where}.type: {shown}", f"one of {', '.join(_PARAMETERS)}")
    known = _PARAMETERS[name]
    _object(fields, where, tuple(known))
    for key, kind in known.items():
        given = fields.get(key)
        if given is None and name != "mask":
            fields.pop(key, None)
        elif not isinstance(given, kind) or (kind is int and isinstance(given, bool)):
            raise InputError(f"{where}.{key}: {_wrong(given)}", f"'{name}' expects a {_kind(kind())}")
    if name == "mask" and len(fields["masking_char"]) != 1:
        raise InputError(f"{where}.masking_char: expected one code point", 'such as "*"')
    if fields.get("hash_type", "sha256") not in ("sha256", "sha512"):
        raise InputError(f"{where}.hash_type: not offered", "sha256 or sha512")
    if "salt" in fields and len(fields["salt"].encode("utf-8", "surrogatepass")) < 16:
        raise InputError(f"{where}.salt: expected 16 bytes or more", "leave it out for a new one each time")
    return Operator(name, **fields)
