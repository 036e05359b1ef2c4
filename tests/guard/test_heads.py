"""The guard's two files: written and read back alike, and refused where they are not what they say."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rumpun.errors import InputError
from rumpun.guard.heads import ANSWERS, ANY, HeadsSpec, read_heads, write_heads
from rumpun.guard.judgement import POINTS
from rumpun.guard.taxonomy import taxonomy

LABELS = ("harm", "hate")


def spec_of(**facts):
    whole = {
        "schema": 2, "name": "tiny", "labels": LABELS, "lengths": (3, 4), "encoder": "0" * 64, "sha256": "",
        "calibration": {ANY: (1.0, 0.0), "th": (2.0, -1.0)},
        "thresholds": {point: {label: {ANY: (0.25, 0.5), "th": (0.5, 0.75)} for label in LABELS} for point in POINTS},
        "off": {"scam_fraud": "3 rows, 40 are needed"},
    }  # fmt: skip
    return HeadsSpec(**(whole | facts))


def tensors_of(**others):
    dice = np.random.default_rng(5)
    whole = {
        "dense": dice.normal(0, 1, (8, 2)).astype(np.float16),
        "ngrams": dice.integers(-127, 128, (64, 2)).astype(np.int8),
        "scale": np.array([0.01, 0.02], np.float32),
        "bias": np.array([-1, 1], np.float32),
    }
    return whole | others


@settings(max_examples=30)
@given(data=st.data())
def test_what_is_written_is_read_back(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("heads")
    count = data.draw(st.integers(1, 5))
    labels = ("harm", *list(taxonomy().categories)[: count - 1])
    level = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda pair: tuple(sorted(pair)))
    spec = spec_of(
        labels=labels, lengths=data.draw(st.sampled_from([(1,), (3, 4, 5), (2, 8)])), off={},
        calibration={ANY: (data.draw(st.floats(0.05, 9)), data.draw(st.floats(-9, 9)))},
        thresholds={point: {label: {ANY: data.draw(level)} for label in labels} for point in POINTS},
    )  # fmt: skip
    floats = st.floats(-100, 100, width=16)
    tensors = {
        "dense": data.draw(hnp.arrays(np.float16, (data.draw(st.integers(1, 9)), count), elements=floats)),
        "ngrams": data.draw(hnp.arrays(np.int8, (data.draw(st.sampled_from([2, 64])), count))),
        "scale": np.full(count, 0.5, np.float32),
        "bias": data.draw(hnp.arrays(np.float32, count, elements=floats)),
    }
    written = write_heads(folder, spec, tensors)
    read = read_heads(folder)
    assert read.spec == written
    assert msgspec.structs.replace(written, sha256="") == spec
    for name, tensor in tensors.items():
        assert np.array_equal(getattr(read, name), tensor)
    assert {getattr(read, name).dtype.name for name in ("dense", "scale", "bias")} == {"float32"}


def test_a_logit_is_the_sum_of_its_parts(tmp_path):
    """Against the plain words of the module: hashing is tested beside the language room."""
    from rumpun.language.ngrams import hashed

    tensors = tensors_of()
    write_heads(tmp_path, spec_of(), tensors)
    heads = read_heads(tmp_path)
    texts, vectors = (
        ["a garden", "", "water"],
        np.random.default_rng(1).normal(0, 1, (3, 8)).astype(np.float32),
    )
    counts = hashed(texts, buckets=64, lengths=(3, 4)).normalised()
    for n in range(3):
        at = slice(counts.indptr[n], counts.indptr[n + 1])
        for head in range(2):
            told = sum(
                v * tensors["ngrams"][i, head]
                for i, v in zip(counts.indices[at], counts.values[at], strict=True)
            )
            whole = vectors[n] @ tensors["dense"][:, head].astype(np.float32) + told * tensors["scale"][head]
            assert heads.logits(texts, vectors)[n, head] == pytest.approx(
                whole + tensors["bias"][head], rel=1e-4
            )


def test_a_probability_is_calibrated_for_its_language_and_only_for_harm(tmp_path):
    write_heads(tmp_path, spec_of(), tensors_of())
    heads, logits = read_heads(tmp_path), np.array([[0.5, 0.5], [-99, 99]], np.float32)
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    assert heads.probabilities(logits, "th")[0] == pytest.approx([sigmoid(0.0), sigmoid(0.5)])
    for other in ("en", "und"):
        assert heads.probabilities(logits, other)[0] == pytest.approx([sigmoid(0.5), sigmoid(0.5)])
    assert heads.probabilities(logits, "en")[1] == pytest.approx([0, 1], abs=1e-6)
    assert logits[1, 0] == -99  # what was given is not changed


@given(low=st.floats(0, 1), high=st.floats(0, 1), language=st.sampled_from(["en", "th", "und"]))
def test_a_level_never_falls_as_the_probability_grows(heads, low, high, language):
    low, high = sorted((low, high))
    for point in POINTS:
        for label in LABELS:
            assert heads.level(label, low, language, point) <= heads.level(label, high, language, point)
            first, second = heads.threshold(label, language, point)
            assert (heads.level(label, low, language, point) == 2) == (low >= second)
            assert (heads.level(label, low, language, point) >= 1) == (low >= first)


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    write_heads(folder, spec_of(), tensors_of())
    return read_heads(folder)


def test_answers_have_a_pair_of_their_own_where_there_is_one(tmp_path, heads):
    both = {
        point: {label: {ANY: (0.2, 0.4), "th": (0.3, 0.5), ANSWERS: (0.6, 0.9)} for label in LABELS}
        for point in POINTS
    }
    write_heads(tmp_path, spec_of(thresholds=both), tensors_of())
    own = read_heads(tmp_path)
    for language in ("th", "en"):
        assert own.threshold("harm", language, "balanced", "answer") == (0.6, 0.9)
        assert own.level("harm", 0.55, language, "balanced", "answer") == 0
        assert own.level("harm", 0.55, language, "balanced") == 2
        assert heads.threshold("hate", language, "strict", "answer") == heads.threshold(
            "hate", language, "strict"
        )


def table(first, second, tag=ANY):
    return {point: {label: {tag: (first, second)} for label in LABELS} for point in POINTS}


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"schema": 1}, "schema 1, this rumpun reads 2"),
        ({"schema": 3}, "schema 3"),
        ({"labels": ("hate", "harm")}, "first head is 'harm'"),
        ({"labels": ("harm", "harm")}, "each stands once"),
        ({"labels": ("harm", "gardening")}, "'gardening' is no category"),
        ({"off": {"gardening": "no rows"}}, "'gardening' is no category"),
        ({"calibration": {"th": (1.0, 0.0)}}, "needs 'any'"),
        ({"calibration": {ANY: (1.0, 0.0), "th": (-1.0, 0.0)}}, "slopes above 0"),
        ({"thresholds": {}}, "thresholds.strict.harm"),
        ({"thresholds": {k: v for k, v in table(0.2, 0.5).items() if k != "permissive"}}, "thresholds.permissive.harm"),
        ({"thresholds": table(0.2, 0.5, "th")}, "needs 'any'"),
        ({"thresholds": table(0.6, 0.5)}, "level 1 not above level 2"),
        ({"thresholds": table(-0.1, 0.5)}, "level 1 not above level 2"),
        ({"lengths": (4, 3)}, "expected ascending n-gram lengths"),
        ({"lengths": ()}, "expected ascending n-gram lengths"),
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_meant_is_refused(tmp_path, facts, says):
    write_heads(tmp_path, spec_of(**facts), tensors_of())
    with pytest.raises(InputError, match=says) as caught:
        read_heads(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"dense": np.zeros((8, 3), np.float16)}, "not of 2 heads"),
        ({"ngrams": np.zeros((64, 1), np.int8)}, "not of 2 heads"),
        ({"ngrams": np.zeros((64, 2), np.float32)}, "not of 2 heads"),
        ({"scale": np.ones(3, np.float32)}, "not of 2 heads"),
        ({"bias": np.zeros((2, 2), np.float32)}, "not of 2 heads"),
        ({"bias": np.array([0, np.nan], np.float32)}, "a weight is no number"),
        ({"dense": np.full((8, 2), np.inf, np.float16)}, "a weight is no number"),
        ({"ngrams": np.zeros((60, 2), np.int8)}, "expected a power of two"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, tensors, says):
    write_heads(tmp_path, spec_of(), tensors_of(**tensors))
    with pytest.raises(InputError, match=says):
        read_heads(tmp_path)


def cut(data):
    return data[: len(data) // 2]


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("name", ["guard.json", "guard.safetensors"])
@pytest.mark.parametrize("damage", [cut, flipped, lambda _: b"", lambda _: b"\xff\xfe\x00", None])
def test_a_damaged_or_missing_file_is_named(tmp_path, name, damage):
    write_heads(tmp_path, spec_of(), tensors_of())
    path = tmp_path / name
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    if name == "guard.json" and damage is flipped:  # the line's end alone
        assert path.read_bytes()[-1:] == b"\x0b"
    with pytest.raises(InputError) as caught:
        read_heads(tmp_path)
    assert name in caught.value.message
    assert caught.value.hint


def test_an_unknown_or_missing_key_is_named(tmp_path):
    write_heads(tmp_path, spec_of(), tensors_of())
    path = tmp_path / "guard.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole | {"extra": 1}))
    with pytest.raises(InputError, match="extra"):
        read_heads(tmp_path)
    del whole["encoder"]
    path.write_text(json.dumps(whole))
    with pytest.raises(InputError, match="encoder"):
        read_heads(tmp_path)
