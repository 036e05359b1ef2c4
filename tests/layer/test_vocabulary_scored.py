"""New tokens in a SentencePiece vocabulary (Gemma's): two readers join alike, English, code and numbers stay, letters come first."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families import tiny_folder, tokenizer_of
from rumpun.edge.apply import apply_layer
from rumpun.edge.tokens import counting
from rumpun.engines.bases import as_gguf
from rumpun.errors import InputError
from rumpun.layer.merging.models import merge_models
from rumpun.layer.merging.params import MergeSettings
from rumpun.layer.merging.parents import open_parent
from rumpun.layer.params import ExtendParams, PruneParams
from rumpun.layer.vocabulary.base import BaseTokenizer
from rumpun.layer.vocabulary.extend import extend_files
from rumpun.layer.vocabulary.learn import Vocabulary, code_reference, learn
from rumpun.layer.vocabulary.prune import prune
from rumpun.layer.vocabulary.scored import spelt
from rumpun.layer.vocabulary.texts import Texts
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Work, quiet
from rumpun.weights.layer_file import read_layer
from rumpun.weights.tokenizer_spm import SPACE
from tiny import TEXTS

TAGS = ("id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en")
# letters that the tiny tokenizer knows, and letters and digits that it spells in bytes
MORE = {
    "th": "เธอซื้อผลไม้ ๓ กิโล ให้ยายกับเพื่อน ๆ ทุกวันศุกร์",
    "km": "គាត់ទិញផ្លែឈើឱ្យជីដូនរៀងរាល់ថ្ងៃ ១៥",
    "en": "She buys fruit for 15 friends, every Friday: x = 3.14 * (2 + y[0]);",
}
TEXT = {
    tag: [text, MORE[tag]] * 5 if tag in MORE else [text] * 5 for tag, text in zip(TAGS, TEXTS, strict=True)
}
SMALL = ExtendParams(tokens_max=200, tokens_per_character=0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="torch is not installed")
    return tiny_folder(tmp_path_factory.mktemp("gemma") / "gemma3", "gemma3")


@pytest.fixture(scope="module")
def base(folder: Path) -> BaseTokenizer:
    return BaseTokenizer(folder)


@pytest.fixture(scope="module")
def found(base: BaseTokenizer) -> Vocabulary:
    return learn(base, Texts(TEXT, TEXT, TEXT), [code_reference()], SMALL, quiet)


def files(folder: Path, texts: dict[str, list[str]]) -> list[Path]:
    rows = [{"text": t, "language": tag, "source": "s"} for tag, found in texts.items() for t in found]
    path = folder.with_suffix(".jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return [path]


def made(place: Path, base: Path, texts: dict[str, list[str]], tokens_max: int = 120) -> Path:
    params = dataclasses.replace(SMALL, base=str(base), tokens_max=tokens_max)
    extend_files(files(place, texts), [], params, place, quiet)
    return place


def merged(out: Path, base: Path, *layers: Path) -> None:
    parents = [open_parent(layer, base) for layer in layers]
    settings = MergeSettings(method="linear", weight=(1.0,) * len(layers))
    merge_models(parents, None, settings, out, precision="same", shard_bytes=10**9)


# two ways to join


def joined(scores: dict[str, int], text: str) -> list[str]:
    """llama.cpp's rule, step by step: the neighbours whose sum has the best score, of equals the leftmost."""
    row = list(text)
    while True:
        sums = [one + other for one, other in pairwise(row)]
        known = [(scores[both], place) for place, both in enumerate(sums) if both in scores]
        if not known:
            return row
        place = min(known)[1]
        row[place : place + 2] = [sums[place]]


def listed(letters: str, tokens: Sequence[str]) -> Callable[[str], list[str]]:
    """The tokenizers library's rule."""
    from tokenizers.models import BPE

    vocab = {token: number for number, token in enumerate([*letters, *tokens])}
    cut = BPE(vocab=vocab, merges=[tuple(merge.split(" ")) for merge in spelt(tokens, letters)])
    return lambda text: [token.value for token in cut.tokenize(text)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("abc", min_size=2, max_size=5), max_size=12), st.text("abc", min_size=1, max_size=30))
def test_tokens_are_joined_alike_by_both_rules(candidates: list[str], text: str) -> None:
    tokens = list(dict.fromkeys(candidates))
    scores = {token: number for number, token in enumerate(tokens)}
    assert listed("abc", tokens)(text) == joined(scores, text)


def test_a_way_that_is_not_listed_would_be_missed() -> None:
    from tokenizers.models import BPE

    tokens = ["ab", "bc", "abc"]
    vocab = {token: number for number, token in enumerate([*"abc", *tokens])}
    assert spelt(tokens, "abc") == ("a b", "b c", "a bc", "ab c")
    one_way = BPE(vocab=vocab, merges=[("a", "b"), ("b", "c"), ("a", "bc")])
    assert [token.value for token in one_way.tokenize("abc")] == ["ab", "c"]
    assert listed("abc", tokens)("abc") == joined(dict.fromkeys(tokens, 0), "abc") == ["abc"]


# what is learnt


def test_pieces_get_fewer_and_what_is_kept_stays(base: BaseTokenizer, found: Vocabulary) -> None:
    after = base.tokenizer(found.tokens, found.merges)
    for tag in ("th", "my", "km", "lo", "ta"):
        before, now = (
            sum(len(one.ids) for one in reader.encode_batch(TEXT[tag], add_special_tokens=False))
            for reader in (base.inner, after)
        )
        assert now < 0.7 * before, tag
    for text in (*TEXT["en"], *code_reference().splitlines(), "0123456789 3.14 1,000,000 ½ x²"):
        assert after.encode(text).ids == base.inner.encode(text).ids
    assert found.refused["it would change English or code"]


def test_letters_that_were_bytes_become_tokens_and_all_ten_digits(
    base: BaseTokenizer, found: Vocabulary
) -> None:
    assert "ឱ" not in base.ids
    assert {"ឱ", *"០១២៣៤៥៦៧៨៩", *"๐๑๒๓๔๕๖๗๘๙"} <= {*base.ids, *found.tokens}
    after = base.tokenizer(found.tokens, found.merges)
    assert after.encode("១៥", add_special_tokens=False).tokens == ["១", "៥"]
    bytes_ = {f"<0x{byte:02X}>" for byte in range(256)}
    assert not bytes_ & {part for merge in found.merges for part in merge.split(" ")}
    assert all(SPACE not in token[1:] for token in found.tokens)


def test_rows_begin_in_the_pieces_also_in_bytes(base: BaseTokenizer, folder: Path, tmp_path: Path) -> None:
    place = made(tmp_path / "words", folder, TEXT)
    spec, tensors = read_layer(place)
    table = base.file.tensor("token_embd.weight")
    pieces = base.inner.encode("ឱ", add_special_tokens=False).ids
    assert len(pieces) == 3
    weights = np.array([1, 0.9, 0.81]) / 2.71
    row = tensors["model.embed_tokens.rows"][spec.tokens.index("ឱ")]
    np.testing.assert_allclose(row, weights @ table[pieces], atol=2e-3)


# three readers


@pytest.fixture(scope="module")
def readers(
    folder: Path, base: BaseTokenizer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, Any, Any]]:
    place = tmp_path_factory.mktemp("readers")
    words = made(place / "words", folder, TEXT, 200)
    spec = read_layer(words)[0]
    apply_layer(words, str(as_gguf(folder)), place / "model.gguf", "F32")
    merged(place / "merged", folder, words)
    with counting(place / "model.gguf") as tokenize:
        yield base.tokenizer(spec.tokens, spec.merges), tokenizer_of(place / "merged"), tokenize


LETTERS = "".join(sorted({letter for found in TEXT.values() for text in found for letter in text}))
PARTS = st.sampled_from(sorted({word for found in TEXT.values() for text in found for word in text.split()}))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            PARTS, st.text(LETTERS, max_size=8), st.sampled_from([" ", "  ", "\n\n", "🌾", "x=1;", "ຊ"])
        )
    ).map("".join)
)
def test_any_text_gets_the_same_tokens_from_three_readers(readers: tuple[Any, Any, Any], text: str) -> None:
    ours, transformers, llamacpp = readers
    ids = ours.encode(text, add_special_tokens=False).ids
    assert transformers(text, add_special_tokens=False)["input_ids"] == ids
    assert llamacpp([text]) == [ids]


def test_layers_with_other_words_merge_into_one_that_all_read_alike(folder: Path, tmp_path: Path) -> None:
    one = made(tmp_path / "one", folder, {tag: TEXT[tag] for tag in ("th", "my", "en")})
    other = made(tmp_path / "other", folder, {tag: TEXT[tag] for tag in ("th", "km", "en")})
    assert {*read_layer(one)[0].tokens} & {*read_layer(other)[0].tokens}
    merged(tmp_path / "merged", folder, one, other)
    tokenizer = tokenizer_of(tmp_path / "merged")
    texts = [text for found in TEXT.values() for text in found[:2]]
    read = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    with counting(as_gguf(tmp_path / "merged")) as tokenize:
        assert tokenize(texts) == read


def test_a_languages_words_go_again(folder: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = made(tmp_path / "words", folder, TEXT)
    corpus = tmp_path / "corpus"
    for part in ("train", "heldout"):
        (corpus / part).mkdir(parents=True)
        for tag, texts in TEXT.items():
            rows = [
                {"id": f"{tag}{n}", "source": "s", "text": t, "language": tag} for n, t in enumerate(texts)
            ]
            pq.write_table(pa.Table.from_pylist(rows), corpus / part / f"{tag}.parquet")
    maker = Maker(step="layer.test", version=1, params={}, rumpun="0")
    inputs = tuple(
        Input(kind, place, Manifest(kind=kind, id=kind[0] * 32, maker=maker))
        for kind, place in (("corpus", corpus), ("layer", words))
    )
    out = tmp_path / "less"
    out.mkdir()
    work = Work(inputs=inputs, folder=out, scratch=out, seed=1, progress=quiet)
    prune.function(PruneParams(base=str(folder), languages=("km",)), work)
    before, after = (read_layer(place)[0] for place in (words, out))
    assert 0 < len(after.tokens) < len(before.tokens)
    base = BaseTokenizer(folder)
    old, new = (base.tokenizer(spec.tokens, spec.merges) for spec in (before, after))
    for tag in {*TAGS} - {"km"}:
        for text in TEXT[tag]:
            assert old.encode(text).tokens == new.encode(text).tokens
    assert new.encode(TEXT["km"][0]).tokens != old.encode(TEXT["km"][0]).tokens


def test_another_kind_of_tokenizer_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    gguf = tmp_path / "other.gguf"
    gguf.write_bytes(
        as_gguf(folder)
        .read_bytes()
        .replace(b"\x05\x00\x00\x00\x00\x00\x00\x00llama", b"\x05\x00\x00\x00\x00\x00\x00\x00plamo", 1)
    )
    with pytest.raises(InputError, match=r"its tokenizer is 'plamo'.*SentencePiece") as caught:
        BaseTokenizer(gguf)
    assert caught.value.hint
