"""Sentences without translations: which are taken, what a draw leaves out, what training learns from them."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given as drawn_by
from hypothesis import strategies as st
from pyarrow import parquet
from toy_encoder import DEVELOPMENT, FIT, HELD_OUT, put, whole_and_cut, work

from rumpun.encoder.losses import Thrown, words_left_out
from rumpun.encoder.model import Student, padded, with_layers
from rumpun.encoder.plain import FILE, KIND, Plain, TextsParams, read_texts, texts
from rumpun.encoder.train import EncoderParams, train
from rumpun.errors import InputError, UsageError
from rumpun.steps import Input

SMALL: dict[str, Any] = {
    "languages": {"id": 1.0, "th": 1.0, "en": 1.0}, "groups": {"natural": 1.0}, "rows": 1500, "rows_a_round": 250,
    "tokens_a_batch": 80, "longest_tokens": 16, "negatives": 20, "warm_steps": 3, "rate": 1e-3, "rate_words": 5e-3,
    "plain": 0.5, "plain_rows": 6,
}  # fmt: skip


def row(text: str, language: str = "id", source: str = "diary", licence: str = "CC0-1.0") -> dict[str, str]:
    return {"text": text, "language": language, "source": source, "licence": licence}


def write(folder: Path, name: str, rows: list[dict[str, str]]) -> None:
    (folder / "text").mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), folder / "text" / name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_what_is_measured_stays_away_and_a_text_is_cut_into_sentences(
    inputs: dict[str, Input], folder: Path, tmp_path: Path
) -> None:
    mine = [put("id", english).capitalize() for english in FIT[:6]]
    write(
        folder, "diary.id.parquet",
        [
            row(f"{mine[0]}. {mine[1]}.\n{mine[2]}."),
            row(mine[0] + "."),  # again
            row(put("id", HELD_OUT[0]).upper() + "!"),  # a measured sentence in other dress
            row(put("id", DEVELOPMENT[0])),
            row(mine[3], source="toy-news"),  # a source that is kept out
            row(mine[4], source="refused"),
            row(mine[5], licence="proprietary"),
            row("12 + 34 = 46, 5 * 6 = 30"),
            row(mine[5], language="xx"),
        ],
    )  # fmt: skip
    write(folder, "other.th.parquet", [row(put("th", FIT[0]), "th")])
    params = TextsParams(languages=("id",), left_out=("refused",))
    outcome = texts.function(params, work(tmp_path, [inputs["pairs"]]))
    kept = parquet.read_table(tmp_path / "made" / FILE).to_pylist()
    assert sorted(r["text"] for r in kept) == sorted(f"{text}." for text in mine[:3])
    assert outcome.summary["sentences"] == {"id": 3}
    dropped = outcome.summary["dropped"]
    assert dropped["source left out"] == 2
    assert dropped["stands in a source that is kept out of the fit"] == 2
    assert dropped["the same text again"] == dropped["more signs than letters"] == 1
    assert {source.name for source in outcome.sources} == {"diary"}


def test_so_many_of_a_language_and_always_the_same(
    inputs: dict[str, Input], folder: Path, tmp_path: Path
) -> None:
    many = [row(put("id", english)) for english in FIT[:30]]
    kept = []
    for name, rows in (("one", many), ("two", many[::-1])):
        write(folder, "diary.id.parquet", rows)
        params = TextsParams(languages=("id",), sentences_max=10)
        texts.function(params, work(tmp_path / name, [inputs["pairs"]]))
        kept.append(parquet.read_table(tmp_path / name / "made" / FILE).column("text").to_pylist())
    assert kept[0] == kept[1]
    assert len(kept[0]) == 10
    with pytest.raises(ValueError, match="sentences_max = 0"):
        TextsParams(languages=("id",), sentences_max=0).check()


SENTENCES = st.lists(
    st.lists(st.integers(10, 60), min_size=1, max_size=20).map(lambda ids: [1, *ids, 2]),
    min_size=1,
    max_size=8,
)


@drawn_by(SENTENCES, st.floats(0, 1), st.integers(0, 2**31))
def test_a_draw_loses_nothing_and_always_leaves_something_out(
    ids: list[list[int]], share: float, seed: int
) -> None:
    plain = Plain(ids, torch.ones(len(ids)))
    rest, gone = plain.draw(5, share, torch.Generator().manual_seed(seed))
    assert len(rest) == len(gone) == 5
    for seen, lost in zip(rest, gone, strict=True):
        assert lost
        assert (seen[0], seen[-1]) == (1, 2)
        assert any(sorted([*seen, *lost]) == sorted(whole) for whole in ids)


def test_the_loss_is_the_cross_entropy_over_the_subwords_of_those_sentences() -> None:
    torch.manual_seed(3)
    model, head = Student(vocabulary=30, positions=16, layers=1, width=24), Thrown(24)
    rest, gone = [[1, 5, 6, 2], [1, 7, 2]], [[8, 9], [5]]
    candidates = [1, 2, 5, 6, 7, 8, 9]
    rows = torch.nn.functional.normalize(model.words.weight[candidates], dim=1)
    scores = head.decoder(model(*padded(rest))) @ rows.T
    odds = scores.exp() / scores.exp().sum(1, keepdim=True)
    expected = -(odds[0, 5].log() + odds[0, 6].log()) / 4 - odds[1, 2].log() / 2
    assert words_left_out(model, head.decoder, rest, gone).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.fixture
def fed(inputs: dict[str, Input], tmp_path: Path) -> list[Input]:
    """Beside the pairs: Thai sentences alone, of which half of the words always stand together."""
    place = tmp_path / "texts"
    place.mkdir()
    told = [put("th", english) for english in FIT]
    parquet.write_table(pa.table({"language": ["th"] * len(told), "text": told}), place / FILE)
    manifest = msgspec.structs.replace(inputs["pairs"].manifest, kind=KIND)
    return [inputs["pairs"], inputs["vocabulary"], Input("texts", place, manifest)]


def test_words_left_out_are_learnt_and_a_cut_changes_nothing(
    toy_world: None, fed: list[Input], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [row["left_out"] for row in whole_and_cut(SMALL, fed, tmp_path, monkeypatch)]
    assert np.mean(told[-3:]) < 0.9 * told[0]


def test_sentences_that_no_step_gives_are_asked_for(
    toy_world: None, inputs: dict[str, Input], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="needs a plain-texts"):
        train.function(EncoderParams(**SMALL), work(tmp_path, [inputs["pairs"], inputs["vocabulary"]]))


def test_sentences_of_very_few_subwords_are_not_drawn(fed: list[Input]) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(fed[1].folder / "tokenizer.json"))
    plain = read_texts(fed[2].folder, tokenizer, 10)
    assert 0 < len(plain.ids) <= len(FIT)
    assert {len(ids) for ids in plain.ids} <= {8, 9, 10}
    assert plain.weight.sum().item() == pytest.approx(1)  # of the one language


def test_a_student_of_some_layers_is_the_whole_one_without_the_others() -> None:
    torch.manual_seed(4)
    whole = Student(vocabulary=20, positions=8, layers=3, width=24)
    torch.nn.init.normal_(whole.places)
    ids = padded([[1, 4, 5, 2], [1, 9, 2]])
    fewer = Student(vocabulary=20, positions=8, layers=2, width=24)
    fewer.load_state_dict(with_layers(whole.state_dict(), (2, 0)))
    whole.layers = torch.nn.ModuleList([whole.layers[2], whole.layers[0]])
    torch.testing.assert_close(fewer(*ids), whole(*ids))
    with pytest.raises(InputError, match="no layer 3"):
        with_layers(Student(vocabulary=9, positions=8, layers=3, width=24).state_dict(), (0, 3))
