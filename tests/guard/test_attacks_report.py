"""The robustness report, on a made-up guard whose failures are known beforehand."""

import numpy as np
import pytest

from rumpun.guard.attacks import ATTACKS
from rumpun.guard.robustness import readable, report, restored
from rumpun.guard.rows import Row

NONSENSE = "blarg"  # a word that means nothing: what the made-up guard looks for


def row(text, *, unsafe, language="id"):
    return Row(text=text, language=language, source="made", licence="CC0-1.0", unsafe=unsafe, use="measure")


def score(texts):
    return np.array([1.0 if NONSENSE in text.lower() else number(text) / 1e4 for text in texts])


def number(text):
    return int("0" + "".join(sign for sign in text if sign in "0123456789"))


BENIGN = [row(f"cerita nomor {n} tentang pasar malam", unsafe=False) for n in range(100)]
HARMFUL = [row(f"kata {NONSENSE} nomor {n} di pasar", unsafe=True) for n in range(40)]


def entry(entries, language, attack):
    return next(e for e in entries if (e["language"], e["attack"]) == (language, attack))


@pytest.fixture(scope="module")
def entries():
    return report(
        score,
        [*BENIGN, *HARMFUL],
        attacks=lambda _: [ATTACKS["zero_width"], ATTACKS["rot13"], ATTACKS["zawgyi"]],
    )


def test_recall_lost_before_the_normaliser_and_not_after(entries):
    told = entry(entries, "id", "zero_width")["at"]["0.05"]
    assert told["before"]["clean"]["share"] == 1
    assert told["before"]["drop"] > 50
    assert told["after"]["drop"] == 0
    assert told["after"]["attacked"] == {"rows": 40, "flagged": 40, "share": 1.0, "low": 0.9124, "high": 1.0}


def test_what_no_view_opens_is_lost(entries):
    assert entry(entries, "id", "rot13")["at"]["0.05"]["after"]["drop"] == 100


def test_an_attack_on_another_script_has_no_entry(entries):
    assert {e["attack"] for e in entries} == {"zero_width", "rot13"}


def test_thresholds_flag_their_share_of_clean_benign_texts(entries):
    for share in ("0.01", "0.05"):
        assert entry(entries, "id", "zero_width")["at"][share]["after"]["alarms_clean"]["share"] <= float(
            share
        )


def test_a_language_without_harmful_rows_has_alarms_and_no_recall():
    benign = [row(r.text, unsafe=False, language="ms") for r in BENIGN]
    told = entry(report(score, benign, attacks=lambda _: [ATTACKS["case_mix"]]), "ms", "case_mix")["at"][
        "0.05"
    ]["after"]
    assert set(told) == {"alarms", "alarms_clean"}


def test_too_few_benign_texts_for_a_share_give_no_figure_there():
    told = entry(
        report(score, [*BENIGN[:50], *HARMFUL], attacks=lambda _: [ATTACKS["case_mix"]]), "id", "case_mix"
    )["at"]
    assert told["0.01"] == {}
    assert "drop" in told["0.05"]["after"]


def test_false_alarms_that_an_attack_makes_are_told():
    def nervous(texts):
        return np.array(
            [float("\u200b" in t or "\u2060" in t or not t.isascii()) + number(t) / 1e4 for t in texts]
        )

    told = entry(report(nervous, BENIGN, attacks=lambda _: [ATTACKS["zero_width"]]), "id", "zero_width")[
        "at"
    ]["0.05"]
    assert told["before"]["alarms"]["share"] == 1
    assert told["after"]["alarms"]["share"] <= 0.05


def test_the_tables_say_what_the_entries_say(entries):
    text = readable(entries)
    assert text.count("| id | zero_width | 40 |") == 2
    assert "At the threshold that flags 1 % of the clean benign texts" in text
    empty = report(score, [*BENIGN], attacks=lambda _: [ATTACKS["case_mix"]])
    assert "| id | case_mix | – | – | – | – | – | 5 → 5" in readable(empty, (0.05,))


def test_no_text_is_in_the_report(entries):
    assert "pasar" not in str(entries) + readable(entries)


def test_restored_counts_the_texts_that_come_back():
    attacks = [ATTACKS[name] for name in ("case_mix", "rot13", "base64", "zawgyi")]
    found = restored([r.text for r in BENIGN], attacks)
    shares = {name: (each["normalised"]["share"], each["view"]["share"]) for name, each in found.items()}
    assert shares == {"case_mix": (1, 1), "rot13": (0, 0), "base64": (0, 1)}
