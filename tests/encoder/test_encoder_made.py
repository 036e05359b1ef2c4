"""The whole way on a made-up language: pairs, subwords, student, export, release; then used and measured."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pyarrow import parquet
from toy_encoder import FIT, HELD_OUT, WORDS, put

from rumpun.cli.encode import encode
from rumpun.encoder import Encoder
from rumpun.encoder.measure import retrieval
from rumpun.encoder.pairs import TABLE
from rumpun.encoder.read import shipped_held_out
from rumpun.records.artefacts import verify
from rumpun.steps import Input


def test_a_student_learns_a_language_that_nobody_speaks(toy: Encoder, inputs: dict[str, Input]) -> None:
    """Sentences that it never saw, of words that it did: found among sixty, where chance is a sixtieth."""
    held_out = inputs["export"].manifest.summary["held-out"]
    assert [(row["source"], row["language"], row["rows"]) for row in held_out] == [
        ("toy-news", "id", 60),
        ("toy-news", "th", 60),
    ]
    assert min(row[way]["share"] for row in held_out for way in ("to_english", "from_english")) > 0.85
    there = toy.embed([put("th", HELD_OUT[0]), put("id", HELD_OUT[0]), *HELD_OUT[:2]])
    assert there[0] @ there[2] > 0.8 > there[0] @ there[3]
    assert there[0] @ there[1] > 0.8


def test_the_release_is_whole_and_says_what_it_stands_on(released: tuple[Path, Path]) -> None:
    manifest = verify(released[1])
    assert manifest.kind == "encoder"
    assert {source.name for source in manifest.sources} >= {"toy-talk", "lexicon-words", "all-minilm-l6-v2"}
    assert manifest.languages == ("en", "id", "th")
    card = (released[1] / "CARD.md").read_text(encoding="utf-8")
    assert "| toy-news | th | 60 |" in card
    assert "| toy-choice | id | 40 |" in card


def test_eval_without_a_file_measures_what_the_lineage_kept_out(
    released: tuple[Path, Path], toy_world: None, inputs: dict[str, Input]
) -> None:
    said = CliRunner().invoke(
        encode, ["eval", "--encoder", str(released[1]), "--json"], catch_exceptions=False
    )
    assert said.exit_code == 0
    assert json.loads(said.stdout)["retrieval"] == inputs["export"].manifest.summary["held-out"]


def test_what_one_of_two_tables_fitted_is_not_measured(
    released: tuple[Path, Path], toy_world: None, tmp_path: Path
) -> None:
    """Subwords may stand on other pairs than the student does."""
    import shutil

    shutil.copytree(released[1], tmp_path / "encoder")
    (path,) = [
        p
        for p in (tmp_path / "encoder" / "lineage").glob("*.json")
        if json.loads(p.read_text())["kind"] == "pairs"
    ]
    other = json.loads(path.read_text())
    other["maker"]["params"]["held_out"] = ["toy-choice"]
    other["maker"]["params"]["development"] = []
    (path.parent / f"{'f' * 32}.json").write_text(json.dumps(other))
    assert shipped_held_out(Encoder.load(tmp_path / "encoder")) == []


def test_eval_of_a_file(released: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [{"language": "id", "text": put("id", e), "english": e} for e in FIT[:20]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = CliRunner().invoke(
        encode, ["eval", str(path), "--encoder", str(released[1]), "--json"], catch_exceptions=False
    )
    (entry,) = json.loads(said.stdout)["retrieval"]
    assert (entry["source"], entry["language"], entry["rows"], entry["candidates"]) == ("mine", "id", 20, 20)
    assert entry["to_english"]["share"] > 0.85


def test_embed_answers_each_line_in_its_place(
    released: tuple[Path, Path], toy: Encoder, tmp_path: Path
) -> None:
    long = " ".join(WORDS)
    path = tmp_path / "lines.txt"
    path.write_text(f"{HELD_OUT[0]}\n\n{json.dumps({'text': HELD_OUT[1]})}\n{long}\n", encoding="utf-8")
    said = CliRunner().invoke(
        encode, ["embed", "--json", "--encoder", str(released[1]), str(path)], catch_exceptions=False
    )
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    assert [row.get("truncated", False) for row in rows] == [False, False, False, True]
    assert rows[3]["tokens"] > toy.spec.longest_tokens == 24
    assert not any(rows[1]["embedding"])
    expected = toy.embed([HELD_OUT[0], "", HELD_OUT[1], long])
    np.testing.assert_allclose([row["embedding"] for row in rows], expected, atol=1e-6)
    plain = CliRunner().invoke(encode, ["embed", "--encoder", str(released[1]), str(path)])
    assert [len(line.split()) for line in plain.stdout.splitlines()] == [toy.spec.width] * 4
    assert "1 texts were cut at 24 tokens" in plain.stderr


@pytest.mark.parametrize("line", ['{"text": 3}', '{"words": "x"}', '{"text": "x"', "{[]}"])
def test_a_line_that_is_no_object_with_text_is_named(
    released: tuple[Path, Path], tmp_path: Path, line: str
) -> None:
    from rumpun.errors import InputError

    path = tmp_path / "lines.jsonl"
    path.write_text(f'{{"text": "river"}}\n{line}\n')
    with pytest.raises(InputError, match=r"lines\.jsonl: line 2: "):
        CliRunner().invoke(
            encode, ["embed", "--encoder", str(released[1]), str(path)], catch_exceptions=False
        )


def test_retrieval_counts_what_is_right_and_among_how_many() -> None:
    """Vectors by hand, one of three right each way."""
    from rumpun.encoder.pairs import Pair

    def row(text: str, english: str, source: str = "s") -> Pair:
        return Pair("id", text, english, source, "natural", "")

    places = {
        "A": (1, 0), "B": (0, 1), "C": (-1, 0), "D": (0.8, 0.6),
        "a": (0.9, 0.44), "b": (0.1, 0.99), "c": (0.97, -0.24), "d": (0, -1),
    }  # fmt: skip

    def embed(texts):
        return np.asarray([places[t] for t in texts], np.float32).reshape(-1, 2)

    rows = [row("a", "A"), row("b", "B"), row("b", "B"), row("c", "C"), row("d", "D", "other")]
    found = {entry["source"]: entry for entry in retrieval(embed, rows)}
    mine = found["s"]
    assert (mine["rows"], mine["candidates"], mine["from_english"]["candidates"]) == (3, 4, 4)
    # a is nearest to D, of the other source, b to B, c to A; A is nearest to c, B to b, C to none of its own
    assert mine["to_english"]["share"] == pytest.approx(1 / 3, abs=1e-4)
    assert mine["from_english"]["share"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["other"]["candidates"] == 4


def test_nothing_is_embedded_where_a_source_fills_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makers of vectors of other kinds (TF-IDF) refuse an empty list."""
    from rumpun.encoder.pairs import Pair

    monkeypatch.setattr("rumpun.encoder.measure.CANDIDATES", 2)

    def embed(texts):
        assert len(texts)
        return np.asarray([[len(t), 1.0] for t in texts], np.float32)

    rows = [
        Pair("id", "x" * n, "y" * n, source, "natural", "") for n, source in ((1, "s"), (2, "s"), (3, "t"))
    ]
    found = {entry["source"]: entry["from_english"]["candidates"] for entry in retrieval(embed, rows)}
    assert found == {"s": 2, "t": 2}


def test_topics_are_learnt_from_english_alone() -> None:
    from rumpun.encoder.measure import topics

    def embed(texts):
        return np.asarray([[len(t) % 2, 1.0] for t in texts], np.float32)

    fit = [("x", "odd"), ("xx", "even"), ("xxx", "odd"), ("xxxx", "even")] * 5
    rows = [("th", "กขค", "odd"), ("th", "กข", "even"), ("my", "ကခ", "odd"), ("my", "က", "odd")]
    found = {entry["language"]: entry["accuracy"]["share"] for entry in topics(embed, fit, rows)}
    assert found == {"th": 1.0, "my": 0.5}


def test_pairs_hold_no_held_out_sentence(inputs: dict[str, Input]) -> None:
    table = parquet.read_table(inputs["pairs"].folder / TABLE).to_pydict()
    fitted = {
        side
        for where, *sides in zip(table["split"], table["text"], table["english"], strict=True)
        if where == "fit"
        for side in sides
    }
    assert not fitted & {*HELD_OUT, *(put("id", e) for e in HELD_OUT), *(put("th", e) for e in HELD_OUT)}
    assert fitted >= {*FIT, *WORDS}
