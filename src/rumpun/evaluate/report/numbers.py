"""Numbers as a reader wants them; what is no number is a dash."""

import math
from typing import Any

from rumpun.evaluate.records import Figure

__all__ = [
    "DASH",
    "SHARES",
    "digits_of",
    "figure_text",
    "finite",
    "interval",
    "number",
    "p_value",
    "shown_as",
    "sound",
    "unit_of",
]

DASH = "–"
_MINUS = "\u2212"
SHARES = frozenset(
    (
        "accuracy",
        "accuracy_loose",
        "accuracy_sum",
        "balanced_accuracy",
        "macro_f1",
        "token_f1",
        "exact",
        "rouge_l",
        "in_language",
        "language",
        "sister_language",
        "answered",
        "passed_guard",
        "refused",
        "stopped",
        "harmful_answer",
        "harmful_past_guard",
        "lead_rouge_l",
        "criteria_met",
    )
)  # stored from 0 to 1, shown in points of 100
_UNITS = {
    "bits_per_byte": "bits per byte",
    "tokens_per_character": "tokens a character",
    "tokens_against_english": "tokens for the same text, English 1",
    "chrf": "points of chrF++",
}
_DIGITS = {"bits_per_byte": 3, "tokens_per_character": 3}


def finite(value: Any) -> float | None:
    """The value as a number; None where it is none, or no finite one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def sound(figure: Figure | None) -> Figure | None:
    """A figure without what is no number: None where its value is none, no interval where an end of it is none."""
    if figure is None or finite(figure.value) is None:
        return None
    if figure.ci95 is None or all(finite(end) is not None for end in figure.ci95):
        return figure
    return Figure(value=figure.value)


def shown_as(metric: str, value: float) -> float:
    """A value of a metric as it is shown: shares in points of 100, all else as it comes."""
    return 100 * value if metric in SHARES else value


def unit_of(metric: str) -> str:
    """In what a metric's values, as shown, are counted."""
    return "points" if metric in SHARES else _UNITS.get(metric, metric.replace("_", " "))


def digits_of(metric: str) -> int:
    """How many digits after the point a metric is shown with."""
    return _DIGITS.get(metric, 1 if metric in SHARES or metric == "chrf" else 3)


def number(value: Any, digits: int = 1, *, sign: bool = False) -> str:
    """A number with separators of thousands and a true minus; whole numbers without a point."""
    found = finite(value)
    if found is None:
        return DASH
    if isinstance(value, int):
        said = f"{value:+,}" if sign else f"{value:,}"
    else:
        found = round(found, digits) + 0.0  # no "-0.0"
        said = f"{found:+,.{digits}f}" if sign and found else f"{found:,.{digits}f}"
    return said.replace("-", _MINUS)


def interval(ends: tuple[float, float] | None, digits: int = 1, *, sign: bool = False) -> str:
    """An interval in words; empty where there is none."""
    if ends is None:
        return ""
    low, high = (number(end, digits, sign=sign) for end in ends)
    return f"{low} to {high}"


def figure_text(figure: Figure | None, digits: int = 1, *, sign: bool = False) -> str:
    """A figure with its interval in brackets; a dash where there is none."""
    told = sound(figure)
    if told is None:
        return DASH
    span = interval(told.ci95, digits, sign=sign)
    return number(float(told.value), digits, sign=sign) + (f" ({span})" if span else "")


def p_value(value: float | None) -> str:
    """A p-value to three digits; a dash where there is none."""
    found = finite(value)
    if found is None:
        return DASH
    return "below 0.001" if found < 0.001 else f"{found:.3f}"
