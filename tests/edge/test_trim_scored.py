"""Trimming a SentencePiece vocabulary (Gemma's form): the cuts, scores and logits of what is kept stay as they were."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families import tiny_folder, tokenizer_of
from rumpun.edge.keep import choose
from rumpun.edge.tokens import counting, passages
from rumpun.edge.trim import TrimParams, trim_file
from rumpun.engines.bases import as_gguf
from rumpun.engines.llamacpp_score import Scorer
from rumpun.errors import InputError
from rumpun.weights.folder import write_folder
from rumpun.weights.gguf_file import describe, read_gguf
from rumpun.weights.gguf_write import write_gguf
from rumpun.weights.tokenizer_spm import UNUSED
from rumpun.weights.trim import Pieces, closed, read_pieces
from tiny import TEXTS

KEPT = TrimParams(keep_scripts=("Latn", "Thai"), measure=False)
LETTERS = {
    "kept": sorted(
        {letter for n in (0, 1, 2, 3, 4, 10) for letter in TEXTS[n]} | set("é 0123456789\n\t.,€–🙂")
    ),
    "all": sorted({letter for text in TEXTS for letter in text} | set("ꓐ🙂")),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="torch is not installed")
    return as_gguf(tiny_folder(tmp_path_factory.mktemp("gemma") / "gemma3", "gemma3"))


@pytest.fixture(scope="module")
def trimmed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """(File, the kept ids)."""
    path = tmp_path_factory.mktemp("trimmed") / "phone.gguf"
    trim_file(model, path, KEPT)
    after, before = (read_gguf(p).get("tokenizer.ggml.tokens") for p in (path, model))
    return path, [before.index(token) for token in after]


@pytest.fixture(scope="module")
def scorers(model: Path, trimmed: tuple[Path, list[int]]) -> Iterator[list[Scorer]]:
    found = [Scorer(path, describe(path), 1) for path in (model, trimmed[0])]
    yield found
    for scorer in found:
        scorer.close()


def lines(letters: str) -> st.SearchStrategy[str]:
    words = [
        word for n in ((0, 1, 2, 3, 4, 10) if letters == "kept" else range(11)) for word in TEXTS[n].split()
    ]
    pieces = st.one_of(st.sampled_from(words), st.text(st.sampled_from(LETTERS[letters]), max_size=5))
    return st.lists(pieces, max_size=8).map(" ".join)


@settings(max_examples=200)
@given(line=lines("kept"))
def test_text_of_kept_scripts_is_cut_as_before(
    scorers: list[Scorer], trimmed: tuple[Path, list[int]], line: str
) -> None:
    before, after = (scorer.tokenize([line])[0] for scorer in scorers)
    assert [trimmed[1][number] for number in after] == before


@settings(max_examples=100)
@given(line=lines("all"))
def test_no_text_is_lost(scorers: list[Scorer], trimmed: tuple[Path, list[int]], line: str) -> None:
    contents = read_pieces(read_gguf(trimmed[0])).contents
    assert b"".join(contents[number] for number in scorers[1].tokenize([line])[0]) == line.encode()


def test_scripts_go_whole_and_the_rest_of_the_file_fits(model: Path, trimmed: tuple[Path, list[int]]) -> None:
    path, kept = trimmed
    found = trim_file(model, None, KEPT)
    counts = {entry.script: entry for entry in found.tally}
    for script in ("Mymr", "Khmr", "Taml", "Laoo", "Hani"):
        assert counts[script].kept == 0
        assert counts[script].dropped > 3
    assert counts["Latn"].dropped == counts["Thai"].dropped == 0
    places = read_pieces(read_gguf(model)).types.count(
        UNUSED
    )  # rows beside the vocabulary, which no text reaches
    assert counts["special"].dropped == places > 0
    assert found.tokens_after == len(kept)
    old, new = read_gguf(model), read_gguf(path)
    for key in ("tokens", "scores", "token_type"):
        values = old.get(f"tokenizer.ggml.{key}")
        assert new.get(f"tokenizer.ggml.{key}") == [values[number] for number in kept]
    for key in ("bos", "eos", "unknown", "padding"):
        name = f"tokenizer.ggml.{key}_token_id"
        if old.get(name) is not None:
            assert kept[new.get(name)] == old.get(name)
    rows = old.raw("token_embd.weight").reshape(len(old.get("tokenizer.ggml.tokens")), -1)
    assert new.raw("token_embd.weight").tobytes() == rows[kept].tobytes()


def test_logits_of_kept_tokens_are_the_same_numbers(
    model: Path, trimmed: tuple[Path, list[int]], tmp_path: Path
) -> None:
    """By transformers, from the two files as folders: not one bit of a kept token's logit differs."""
    import torch
    import transformers

    made = []
    for name, path in (("whole", model), ("phone", trimmed[0])):
        write_folder(path, tmp_path / name)
        loaded = transformers.AutoModelForCausalLM.from_pretrained(
            tmp_path / name, dtype=torch.float32
        ).eval()
        made.append((loaded, tokenizer_of(tmp_path / name)))
    kept = torch.tensor(trimmed[1])
    for tag in ("id", "th", "en"):
        ids = [
            torch.tensor([own(passages()[tag], add_special_tokens=False)["input_ids"][:60]])
            for _, own in made
        ]
        assert torch.equal(kept[ids[1][0]], ids[0][0])
        with torch.no_grad():
            before, after = (loaded(one).logits[0] for (loaded, _), one in zip(made, ids, strict=True))
        assert torch.equal(before[:, kept], after[:, : len(kept)])


@pytest.fixture(scope="module")
def tied(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same vocabulary with five different scores, so that most joins are chosen by their place alone."""
    file = read_gguf(model)
    scores = file.metadata["tokenizer.ggml.scores"]
    ties = [float(-(number * 7 % 5)) for number in range(len(scores.value))]
    path = tmp_path_factory.mktemp("tied") / "tied.gguf"
    whole = dict(file.metadata) | {"tokenizer.ggml.scores": type(scores)(scores.type, ties, scores.item_type)}
    write_gguf(path, whole, (), progress=lambda *_: None)
    return path


@pytest.mark.parametrize("name", ["model", "tied"])
@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(lines("all"), min_size=1, max_size=3),
    others=st.lists(lines("all"), min_size=5, max_size=20),
)
def test_a_text_whose_pieces_are_kept_is_cut_as_before(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    others: list[str],
) -> None:
    """Kept by text, not by script: llama.cpp cuts that text, and any other of its pieces, as it did."""
    source, folder = request.getfixturevalue(name), tmp_path_factory.mktemp("kept")
    path = folder / "text.txt"
    path.write_text("\n".join([*texts, "bambu"]), encoding="utf-8")
    with counting(source) as before:
        kept = choose(read_pieces(read_gguf(source)), texts=[path], tokenize=before).ids
        with counting(source, kept, folder) as after:
            for line in [path.read_text(encoding="utf-8"), *texts, *others]:
                old = before([line])[0]
                if set(old) <= set(kept):
                    assert [kept[number] for number in after([line])[0]] == old


def joined(text: str, scores: dict[str, float]) -> list[str]:
    """llama.cpp's rule, written anew: join the neighbours with the highest score, of equal ones the leftmost."""
    parts = list(text)
    while pairs := [(-scores[a + b], at) for at, (a, b) in enumerate(pairwise(parts)) if a + b in scores]:
        at = min(pairs)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


@settings(max_examples=500)
@given(data=st.data())
def test_any_vocabulary_keeps_the_cuts_of_what_is_kept(data: st.DataObject) -> None:
    """Any pieces with any scores, equal ones among them, some of which are never reached."""
    words = st.text("abc", min_size=1, max_size=5)
    tokens: Sequence[str] = data.draw(st.lists(words, min_size=3, max_size=25, unique=True))
    scores = data.draw(st.lists(st.integers(-6, 0), min_size=len(tokens), max_size=len(tokens)))
    wanted = data.draw(st.sets(st.integers(0, len(tokens) - 1), min_size=1))
    kinds = data.draw(st.lists(st.sampled_from([1, 1, 1, 3]), min_size=len(tokens), max_size=len(tokens)))
    pieces = Pieces(
        list(tokens),
        kinds,
        [t.encode() for t in tokens],
        [],
        frozenset(),
        [float(s) for s in scores],
    )
    whole = dict(zip(tokens, scores, strict=True))
    kept = {tokens[number]: scores[number] for number in closed(pieces, wanted)}
    assert {tokens[number] for number in wanted} <= kept.keys()
    for text in data.draw(st.lists(st.text("abc", max_size=9), max_size=12)):
        before = joined(text, whole)
        if all(part in kept or len(part) == 1 for part in before):
            assert joined(text, kept) == before


def test_scores_that_do_not_fit_are_named(model: Path, tmp_path: Path) -> None:
    file = read_gguf(model)
    scores = file.metadata["tokenizer.ggml.scores"]
    odd = dict(file.metadata) | {
        "tokenizer.ggml.scores": type(scores)(scores.type, scores.value[:-1], scores.item_type)
    }
    write_gguf(tmp_path / "odd.gguf", odd, (), progress=lambda *_: None)
    with pytest.raises(InputError, match=r"tokens and \d+ scores"):
        read_pieces(read_gguf(tmp_path / "odd.gguf"))
