"""Figures over labelled rows: against scikit-learn and by hand; what cannot be told is left out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_guard import ORDINARY, SIGNAL_WORD, UNSAFE_WORD, tiny_guard

from rumpun.guard.held_out import figures, measure, probe, readable, reliability
from rumpun.guard.rows import Row
from rumpun.measure.rates import wilson

POINTS = {"strict": 0.3, "balanced": 0.5, "permissive": 0.8}


def row(unsafe, sensitive=False, **facts):
    whole = {"text": "x", "language": "en", "source": "made", "licence": "MIT", "use": "measure"}
    return Row(unsafe=unsafe, sensitive=sensitive, **(whole | facts))


odds = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=20, max_size=50)


@settings(max_examples=15)
@given(unsafe=odds, safe=odds)
def test_figures_are_scikit_learns(unsafe, safe):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed (part train)")
    rows = [row(unsafe=True)] * len(unsafe) + [row(unsafe=False)] * len(safe)
    scores, truth = np.array(unsafe + safe, np.float32), [1] * len(unsafe) + [0] * len(safe)
    found = figures(scores, rows, POINTS)
    assert found["auprc"]["figure"] == pytest.approx(metrics.average_precision_score(truth, scores), abs=1e-4)
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(truth, scores), abs=1e-4)
    for share in (0.01, 0.05):
        best = max(  # every threshold that keeps the promise, one above all scores among them
            (np.array(unsafe, np.float32) >= least).mean()
            for least in [*np.unique(scores), 2]
            if (np.array(safe, np.float32) >= least).sum() <= share * len(safe)
        )
        assert found[f"recall_at_{share:g}"]["figure"] == pytest.approx(best, abs=1e-4)
    for point, least in POINTS.items():
        expected = metrics.f1_score(truth, scores >= least, zero_division=0)
        assert found[point]["f1"]["figure"] == pytest.approx(expected, abs=1e-4)
        assert found[point]["f1"]["low"] <= found[point]["f1"]["high"]


def test_shares_are_counted_by_kind_with_their_intervals():
    rows = [row(unsafe=True)] * 4 + [row(unsafe=False)] * 5 + [row(unsafe=False, sensitive=True)] * 2
    scores = np.array([0.9, 0.8, 0.5, 0.1, 0.6, 0.4, 0, 0, 0, 0.7, 0.5], np.float32)
    found = figures(scores, rows, {"balanced": 0.5})["balanced"]
    for name, flagged, count in (("recall", 3, 4), ("ordinary", 1, 5), ("sensitive", 2, 2)):
        low, high = wilson(flagged, count)
        assert found[name] == {"rows": count, "flagged": flagged, "share": round(flagged / count, 4),
                               "low": round(low, 4), "high": round(high, 4)}  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "present"),
    [
        ([row(unsafe=True)] * 30, {"recall"}),
        ([row(unsafe=False)] * 30, {"ordinary"}),
        ([row(unsafe=False, sensitive=True)] * 30, {"sensitive"}),
        ([row(unsafe=True)] * 30 + [row(unsafe=False)] * 19, {"recall", "ordinary", "f1"}),
        ([row(unsafe=True)] * 19 + [row(unsafe=False, sensitive=True)] * 30, {"recall", "sensitive", "f1"}),
    ],
)
def test_a_figure_without_rows_of_its_kind_is_left_out(rows, present):
    found = figures(np.linspace(0, 1, len(rows), dtype=np.float32), rows, POINTS)
    assert set(found["balanced"]) == present
    assert not {"auprc", "auroc", "recall_at_0.01"} & set(found)  # fewer than twenty of a side rank nothing
    assert found["unsafe"] + found["safe"] == len(rows)


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    return tiny_guard(tmp_path_factory.mktemp("guard"))


def sayings(language, count, **facts):
    """As many unsafe as safe rows."""
    unsafe = [
        row(True, text=f"{ORDINARY[language]} {n} {UNSAFE_WORD}", language=language, **facts)
        for n in range(count)
    ]
    safe = [row(False, text=f"{ORDINARY[language]} {n}", language=language, sensitive=n % 2 == 0,
                **(facts | {"categories": ()})) for n in range(count)]  # fmt: skip
    return unsafe + safe


def test_one_entry_for_each_set_language_and_role(guard):
    rows = sayings("en", 25, source="b", categories=("crime_general",)) + sayings("id", 3, source="b")
    rows += [replace(one, source="a") for one in sayings("en", 22) if one.unsafe]
    rows += [replace(one, role="answer", source="a") for one in sayings("th", 2)]
    entries = measure(guard, rows)
    assert [(e["set"], e["language"], e.get("role")) for e in entries] == [
        ("a", "en", None), ("a", "th", "answer"), ("b", "en", None), ("b", "id", None),
    ]  # fmt: skip
    only_unsafe, _, whole, few = entries
    assert "auprc" not in only_unsafe
    assert only_unsafe["balanced"]["recall"]["share"] == 1
    assert "categories" not in only_unsafe
    assert whole["auprc"] == {"figure": 1, "low": 1, "high": 1}
    assert whole["balanced"]["ordinary"]["flagged"] == whole["balanced"]["sensitive"]["flagged"] == 0
    assert whole["categories"] == {"crime_general": {"rows": 25, "auprc": 1, "auroc": 1}}
    assert "auprc" not in few
    text = "\n".join(readable(entries)) + json.dumps(entries)
    assert UNSAFE_WORD not in text
    assert not set(ORDINARY["th"].split()) & set(text.split())
    assert len([line for line in readable(entries) if " balanced f1 " in line]) == 3


def test_an_exchange_is_measured_as_it_is_checked(guard, tmp_path):
    """By itself and with what stands before it: long harmless turns do not thin out a short harmful answer."""
    from rumpun.guard.rows import read_labelled

    long = " ".join([ORDINARY["en"]] * 40)
    lines = [
        {"prompt": long, "response": f"yes {UNSAFE_WORD}", "label": "unsafe", "language": "en"},
        {"prompt": f"say {UNSAFE_WORD}", "response": long, "label": "safe", "language": "en"},
        {"prompt": long, "response": long, "label": "safe", "language": "en"},
    ]
    path = tmp_path / "exchanges.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    rows = read_labelled(path).rows
    checked = [verdict.level == 2 for verdict in guard.check([one.exchange for one in rows])]
    entry = measure(guard, rows)[0]["balanced"]
    assert checked[0]
    assert entry["recall"]["flagged"] == sum(checked[:1])
    assert entry["sensitive" if "sensitive" in entry else "ordinary"]["flagged"] == sum(checked[1:])


def test_the_threshold_is_that_of_the_rows_language(tmp_path):
    from made_guard import LABELS, StandIn, write_guard

    from rumpun.guard.guard import Guard
    from rumpun.guard.judgement import POINTS as NAMES

    table = {point: {label: {"any": (0.5, 0.5), "id": (1.1, 1.1)} for label in LABELS} for point in NAMES}
    guard = Guard.load(write_guard(tmp_path, thresholds=table), encoder=StandIn())
    shares = {
        e["language"]: e["balanced"]["recall"]["share"]
        for e in measure(guard, sayings("en", 2) + sayings("id", 2))
    }
    assert shares == {"en": 1, "id": 0}


def test_the_probe_sees_what_language_and_length_give_away():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (part train)")
    dice = np.random.default_rng(2)
    even = [row(bool(n % 2), text="x" * int(dice.integers(5, 50)), language=("en", "id")[n // 2 % 2], source="a")
            for n in range(400)]  # fmt: skip
    told = probe(even, 1)
    assert all(abs(area - 0.5) < 0.1 for area in told.values()), told
    lengthy = [replace(one, text=one.text * (5 if one.unsafe else 1)) for one in even]
    assert probe(lengthy, 1)["language_and_length"] > 0.8
    assert abs(probe(lengthy, 1)["language"] - 0.5) < 0.1
    sourced = [replace(one, source="bad" if one.unsafe else "good") for one in even]
    assert probe(sourced, 1)["language_length_and_source"] > 0.99
    mostly = [
        replace(one, language="en" if one.unsafe == (n % 10 < 8) else "id") for n, one in enumerate(even)
    ]
    assert abs(probe(mostly, 1)["language"] - 0.5) < 0.15  # weights take the language's own share away


def test_reliability_is_the_gap_between_what_is_said_and_what_is(guard):
    rows = sayings("en", 45) + sayings("id", 5)
    told = reliability(guard, rows)
    assert set(told) == {"any", "en"}  # of Indonesian there are too few
    assert told["en"]["rows"] == 90
    logits, _ = guard.logits([one.text for one in rows[:90]])
    odds = 1 / (1 + np.exp(-logits[:, 0].astype(float)))
    unsafe = np.array([one.unsafe for one in rows[:90]])
    error = 0.0
    for n in range(10):
        inside = (np.minimum((odds * 10).astype(int), 9)) == n
        if inside.any():
            error += inside.sum() / 90 * abs(unsafe[inside].mean() - odds[inside].mean())
    assert told["en"]["error"] == pytest.approx(error, abs=1e-3)
    assert told["en"]["bins"][0] == 0
    assert told["en"]["bins"][5] is None
    assert reliability(guard, [one for one in rows if one.unsafe]) == {}


def test_signals_have_figures_of_their_own(guard):
    rows = [row(True, text=f"{n} {SIGNAL_WORD}", categories=("local_sensitive",)) for n in range(20)]
    rows += [row(True, text=f"{n} {UNSAFE_WORD}", categories=("crime_general",)) for n in range(20)]
    rows += [row(True, text=f"{n} of unknown kind {SIGNAL_WORD}") for n in range(20)]
    told = measure(guard, rows)[0]["categories"]
    assert {name: (e["rows"], e["auroc"]) for name, e in told.items()} == {
        "crime_general": (20, 1),
        "local_sensitive": (20, 1),
    }
