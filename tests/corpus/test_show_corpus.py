"""Samples: the same for the same seed, kept and dropped, with rule, value and threshold; nothing of a text is a command."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traced import make_corpus, row

from rumpun.corpus.show import escaped, sample
from rumpun.errors import InputError, UsageError

DROPS = [
    {"key": n, "id": f"d{n}", "language": "id" if n % 2 else "th", "source": "kebun", "contributor": "", "stage": stage,
     "rule": f"{stage}.{rule}", "value": 0.25, "threshold": 0.5, "detail": "", "text": f"Yang dibuang nomor {n}"}
    for n, (stage, rule) in enumerate([("figures", "letter_share"), ("near", "duplicate")] * 20)
]  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    rows = [
        row(f"Kalimat nomor {n}", n, language="id" if n % 3 else "th", source="kebun" if n % 2 else "dapur")
        for n in range(60)
    ]
    return make_corpus(tmp_path_factory.mktemp("store"), rows, drops=DROPS)


def test_so_many_kept_and_so_many_dropped(corpus):
    found = sample(corpus, count=7)
    assert [item.place for item in found] == ["train"] * 7 + ["dropped"] * 7
    assert len({item.id for item in found}) == 14
    assert {(item.value, item.threshold) for item in found if item.rule} == {(0.25, 0.5)}
    assert all(item.text.startswith("Yang dibuang") == bool(item.rule) for item in found)


def test_a_seed_gives_its_sample(corpus):
    assert sample(corpus, seed=1) == sample(corpus, seed=1)
    assert sample(corpus, seed=1) != sample(corpus, seed=2)
    few, many = sample(corpus, count=3), sample(corpus, count=50)
    assert {item.id for item in few} <= {item.id for item in many}


@pytest.mark.parametrize(
    ("options", "check"),
    [
        ({"language": "th"}, lambda item: item.language == "th"),
        ({"source": "dapur"}, lambda item: item.source == "dapur"),
        ({"reason": "near"}, lambda item: item.rule == "near.duplicate"),
        ({"reason": "figures.letter_share"}, lambda item: item.rule == "figures.letter_share"),
        (
            {"reason": "near", "language": "id"},
            lambda item: item.rule == "near.duplicate" and item.language == "id",
        ),
    ],
)
def test_only_what_is_asked_for(corpus, options, check):
    found = sample(corpus, count=100, **options)
    assert found
    assert all(check(item) for item in found)


def test_what_is_not_there_names_what_is(corpus, tmp_path):
    with pytest.raises(UsageError, match=r"no document of the reason 'near\.duplicates'") as refused:
        sample(corpus, reason="near.duplicates")
    assert refused.value.hint == "did you mean 'near.duplicate'?"
    with pytest.raises(UsageError, match="no document fits"):
        sample(corpus, reason="near", language="th")
    with pytest.raises(UsageError, match="nothing to show"):
        sample(corpus, count=0)
    with pytest.raises(InputError, match="no finished artefact"):
        sample(tmp_path)


@given(st.text())
def test_no_character_of_a_text_moves_the_terminal(text):
    shown = escaped(text)
    unsafe = {"Cc", "Cf", "Zl", "Zp", "Cs"}
    assert not [c for c in shown if unicodedata.category(c) in unsafe and c not in "\u200b\u200c\u200d"]
    assert len(escaped(text, 5)) <= 51


def test_a_corpus_that_rows_were_withdrawn_from_leads_to_the_one_in_its_place(tmp_path):
    from rumpun.corpus.find import corpus_manifest
    from rumpun.records.artefacts import Maker, Manifest, write_manifest

    def put(name, kind, **summary):
        folder = tmp_path / name
        folder.mkdir()
        maker = Maker(step="corpus.write", version=1, params={}, rumpun="0")
        write_manifest(folder, Manifest(kind=kind, id=name, maker=maker, summary=summary))
        return folder

    last = put("c" * 32, "corpus")
    put("b" * 32, "withdrawn", replaced_by="c" * 32)
    first = put("a" * 32, "withdrawn", replaced_by="b" * 32)
    with pytest.raises(InputError, match="rows were withdrawn from it") as caught:
        corpus_manifest(first)
    assert caught.value.hint == f"use {last}"
    assert corpus_manifest(last).id == "c" * 32
    with pytest.raises(InputError, match="a layer, not a corpus"):
        corpus_manifest(put("d" * 32, "layer"))
