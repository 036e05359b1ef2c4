"""Normalising the real sources, where they are: true Unicode is never taken for Zawgyi, little is touched, twice is once."""

import random

import pytest

from rumpun.errors import InputError
from rumpun.language.normalise import normalise_all
from rumpun.records.places import source_data


@pytest.fixture(scope="module")
def read():
    parquet = pytest.importorskip("pyarrow.parquet")
    try:
        data = source_data()
    except InputError as error:
        pytest.skip(f"no source text: {error.message}")

    def texts(language, most=300_000):
        paths = sorted(
            path for path in data.glob(f"text/*.{language}.parquet") if "frequency" not in path.name
        )
        if not paths:
            pytest.skip(f"no source text in {language}")
        rows = [
            text
            for path in paths
            for text in parquet.read_table(path, columns=["text"])["text"].to_pylist()
            if text
        ]
        random.Random(5).shuffle(rows)
        kept, left = [], most
        for row in rows:
            if left > 0:
                kept.append(row[: most // 4])
                left -= len(kept[-1])
        return kept

    return texts


@pytest.mark.parametrize("language", ["my", "shn", "mnw", "rki"])
def test_no_real_line_is_taken_for_zawgyi(read, language):
    lines = [line for text in read(language) for line in text.split("\n")]
    assert not [n for n, done in enumerate(normalise_all(lines)) if "zawgyi" in done.changes]


# share of the code points that may be touched in a text of the language: Lao sources write AM decomposed
@pytest.mark.parametrize(
    ("language", "most"),
    [("id", 0.0005), ("vi", 0.002), ("th", 0.001), ("my", 0.002), ("km", 0.004), ("lo", 0.02), ("ta", 0.002),
     ("zh", 0.001), ("en", 0.001), ("jv", 0.001), ("shn", 0.001), ("mnw", 0.001)],
)  # fmt: skip
def test_little_is_touched_and_twice_is_once(read, language, most):
    texts = read(language)
    done = normalise_all(texts)
    places = sum(sum(text.changes.values()) for text in done)
    assert places <= most * sum(map(len, texts))
    for text, again in zip(done, normalise_all([text.text for text in done]), strict=True):
        assert again.text is text.text
    for text, found in zip(texts, done, strict=True):
        assert found.offsets.length == len(found.text)
        assert found.offsets.original(0, len(found.text))[1] <= len(text)
