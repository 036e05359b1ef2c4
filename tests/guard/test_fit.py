"""The fit of the heads: a language is never itself a reason, and one-sided languages teach nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.guard.fit import Settings, balance, fit_heads, paired
from rumpun.guard.rows import Row

BAD = "zorkblip"
SETTINGS = Settings(
    buckets=1 << 10,
    lengths=(3, 4),
    ngram_size=2.0,
    regularisation=10.0,
    category_regularisation=3.0,
    category_rows_min=3,
)


def row(text, unsafe, language="en", **facts):
    whole = {"source": "made", "licence": "MIT", "use": "fit"}
    return Row(text=text, unsafe=unsafe, language=language, **(whole | facts))


some_rows = st.lists(
    st.builds(
        row, st.just("x"), st.booleans(), st.sampled_from(["en", "id", "th"]),
        weight=st.sampled_from([0.5, 0.6, 1.0]), role=st.sampled_from(["prompt", "answer"]), parent=st.sampled_from(["", "", "made:1"]),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


@given(rows=some_rows)
def test_within_a_language_both_sides_weigh_the_same(rows):
    own = np.array([one.unsafe for one in rows])
    sides = {(one.language, one.unsafe) for one in rows}
    if not any({(tag, True), (tag, False)} <= sides for tag in ("en", "id", "th")):
        with pytest.raises(InputError, match="no language has rows of both sides"):
            balance(rows, own)
        return
    weights = balance(rows, own)
    assert weights.sum() == pytest.approx(len(rows))
    tags = np.array([one.language for one in rows])
    smaller = {}
    for tag in set(tags):
        here = tags == tag
        unsafe, safe = weights[here & own], weights[here & ~own]
        assert unsafe.sum() == pytest.approx(safe.sum() if len(unsafe) else 0)
        if len(unsafe) and len(safe):
            smaller[tag] = unsafe.sum() / min(len(unsafe), len(safe)) ** 0.5
        else:
            assert not weights[here].any()  # the language alone would tell the label
        for side in (here & own, here & ~own):  # a row's own weight counts within its side
            given = np.array([one.weight for one in rows])[side]
            assert weights[side] * given.sum() == pytest.approx(given * weights[side].sum())
    assert np.ptp(list(smaller.values())) == pytest.approx(0, abs=1e-9)


@given(rows=some_rows)
def test_rows_that_teach_the_language_or_the_role_are_left_out(rows):
    real = {(one.language, one.unsafe) for one in rows if one.role == "prompt" and not one.augmented}
    assert paired(rows) == [
        one
        for one in rows
        if one.role == "prompt" and (one.augmented or {(one.language, True), (one.language, False)} <= real)
    ]


def vectors(texts):
    """Unit vectors that tell nothing but a text's length."""
    angle = np.array([len(text) for text in texts])[:, None] * np.array([1.0, 2.0, 3.0, 4.0])
    return (np.cos(angle) / np.linalg.norm(np.cos(angle), axis=1, keepdims=True)).astype(np.float32)


def made(count=12):
    rows = []
    for n in range(count):
        rows.append(row(f"garden {n} {BAD}", True, categories=("hate",) if n % 2 else ("deception",)))
        rows.append(row(f"garden {n} water", False))
    return rows


def fit(rows, settings=SETTINGS, seed=1, told=None):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (part train)")
    return fit_heads(rows, vectors, settings, seed, (told if told is not None else []).append)


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("dense", "ngrams", "bias")
    )


def test_it_learns_the_word_that_tells_and_says_what_it_learnt_from():
    told = []
    found = fit(made(), told=told)
    assert found.labels == ("harm", "hate", "deception") == tuple(told)
    assert found.rows == {"harm": 12, "hate": 6, "deception": 6}
    assert found.off["scam_fraud"] == "0 rows, 3 are needed"
    assert "sexual_minors" not in found.off  # a rule of words judges it
    assert (found.dense.shape, found.ngrams.shape, found.bias.shape) == ((4, 3), (1 << 10, 3), (3,))
    from rumpun.language.ngrams import hashed

    texts = [f"a boat {BAD}", "a boat and water"]
    counts = hashed(texts, buckets=1 << 10, lengths=(3, 4)).normalised()
    bad, good = (vectors(texts) @ found.dense + counts.dot(found.ngrams) + found.bias)[:, 0]
    assert bad > 0 > good


def test_one_sided_languages_change_nothing():
    alone = [row(f"สวน {n}", unsafe=False, language="th") for n in range(30)]
    alone += [row(f"kebun {n} {BAD}", unsafe=True, language="id", categories=("hate",)) for n in range(30)]
    alone += [row(f"garden {n} with water", unsafe=False, role="answer") for n in range(30)]
    assert same(fit(made()), fit(made() + alone))


def test_the_fit_repeats_itself_and_its_noise_follows_the_seed():
    from dataclasses import replace

    blurred = replace(SETTINGS, blur=0.5)
    assert same(fit(made(), blurred, 1), fit(made(), blurred, 1))
    assert not same(fit(made(), blurred, 1), fit(made(), blurred, 2))
    assert same(fit(made(), SETTINGS, 1), fit(made(), SETTINGS, 2))


def test_rows_by_script_bring_no_real_rows_of_their_language_in():
    """Real safe rows beside harmful ones of mixed language would teach that the pure language is safe."""
    switched = [row(f"สวน {n} {BAD if n % 2 else 'water'}", unsafe=n % 2 == 1, language="th", parent=f"made:{n}")
                for n in range(8)]  # fmt: skip
    native = [row(f"สวน {n} น้ำ", unsafe=False, language="th") for n in range(30)]
    assert not same(fit(made()), fit(made() + switched))
    assert same(fit(made() + switched), fit(made() + switched + native))


def test_made_rows_do_not_count_as_rows_of_a_category():
    few = [row(f"garden {n} {BAD}", True, categories=("privacy_abuse",)) for n in range(2)]
    switched = [
        row(f"kebun {n} {BAD}", True, categories=("privacy_abuse",), parent=f"made:{n}") for n in range(9)
    ]
    found = fit(made() + few + switched)
    assert found.off["privacy_abuse"] == "2 rows, 3 are needed"
    assert "privacy_abuse" not in found.labels


def test_attempts_to_talk_a_guard_round_are_no_harm_by_themselves():
    attempts = [row(f"pretend {n} quuxwomp", True, categories=("jailbreak",)) for n in range(9)]
    without, found = fit(made()), fit(made() + attempts)
    assert found.rows["harm"] == without.rows["harm"]
    assert found.rows["jailbreak"] == 9
    assert np.array_equal(found.ngrams[:, 0], without.ngrams[:, 0])


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(InputError, match="no language has rows of both sides"):
        fit([one for one in made() if one.unsafe] + [row("สวน", unsafe=False, language="th")])
