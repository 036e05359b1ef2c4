"""Fewer tokens in a GGUF: rows as they lay, cuts as they were, ids that point where they did."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from rumpun.engines.llamacpp_library import library
from rumpun.engines.llamacpp_score import Scorer
from rumpun.errors import EnvironmentFault, InputError
from rumpun.steps import quiet
from rumpun.weights.gguf_file import ARRAY, Value, describe, read_gguf
from rumpun.weights.gguf_write import NewTensor, strings, text, write_gguf
from rumpun.weights.tokenizer_json import tokenizer_json
from rumpun.weights.trim import Pieces, closed, read_pieces, trim, trimmed_size, write_vocabulary
from tiny import TEXTS, byte_letters, tiny_gguf

VOCABULARY = 640
TEXT = st.lists(
    st.sampled_from([*{word for line in TEXTS for word in line.split()}, " ", "\n", "2027", "if (x[1]) {", "🙂", "é"]),
    max_size=8,
).map(" ".join)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_gguf(
        tmp_path_factory.mktemp("model") / "model.gguf", 3, vocabulary=VOCABULARY, quantisation="Q8_0"
    )


def edited(source, target, change, tensors=None):
    """A copy of a GGUF with its metadata changed by `change`."""
    file = read_gguf(source)
    metadata = dict(file.metadata)
    change(metadata)
    given = [
        NewTensor(e.name, e.type, e.shape, e.size, lambda name=e.name: file.raw(name))
        for e in file.tensors.values()
        if tensors is None or e.name in tensors
    ]
    write_gguf(target, metadata, given, progress=quiet)
    return target


def some(pieces, seed, share=0.4):
    """A closed choice of so many of the tokens, with every special one."""
    random = np.random.default_rng(seed)
    drawn = np.flatnonzero(random.random(len(pieces.tokens)) < share)
    return closed(pieces, {*map(int, drawn), *pieces.special})


def runtime_ids(path, texts):
    scorer = Scorer(path, describe(path), 1)
    try:
        return scorer.tokenize(texts)
    finally:
        scorer.close()


def logits(path, tokens):
    """Logits at every place, [tokens, vocabulary], through llama.cpp's C functions."""
    about = describe(path)
    scorer = Scorer(path, about, 1)
    try:
        lib, context = library(), scorer._need_context(len(tokens))
        lib.llama_memory_clear(lib.llama_get_memory(context), False)
        batch = lib.llama_batch_init(len(tokens), 0, 1)
        batch.count = len(tokens)
        for at, token in enumerate(tokens):
            batch.token[at], batch.pos[at], batch.n_seq[at], batch.logits[at] = token, at, 1, 1
            batch.seq[at][0] = 0
        assert lib.llama_decode(context, batch) == 0
        found = np.ctypeslib.as_array(lib.llama_get_logits(context), (len(tokens), about.vocabulary)).copy()
        lib.llama_batch_free(batch)
        return found
    finally:
        scorer.close()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", ["F32", "F16", "Q8_0", "Q4_0", "Q4_1"])
def test_kept_rows_are_the_same_bytes_and_everything_else_too(tmp_path, kind, tied):
    source = tiny_gguf(tmp_path / "source.gguf", 4, quantisation=kind, tied=tied)
    before = read_gguf(source)
    kept = some(read_pieces(before), 1)
    trim(source, kept, tmp_path / "out.gguf")
    after = read_gguf(tmp_path / "out.gguf")
    assert list(after.tensors) == list(before.tensors)
    for name, entry in before.tensors.items():
        assert after.entry(name).type == entry.type
        expected = before.raw(name)
        if name in ("token_embd.weight", "output.weight"):
            expected = expected.reshape(384, -1)[kept].reshape(-1)
            assert after.entry(name).shape == (len(kept), 64)
        assert after.raw(name).tobytes() == expected.tobytes()
    assert (tmp_path / "out.gguf").stat().st_size == trimmed_size(source, kept) < source.stat().st_size


@pytest.mark.parametrize("kind", ["F32", "Q8_0", "Q4_0"])
def test_logits_of_kept_tokens_are_those_of_the_whole_model(tmp_path, kind):
    source = tiny_gguf(tmp_path / "source.gguf", 5, quantisation=kind, vocabulary=VOCABULARY)
    pieces = read_pieces(read_gguf(source))
    kept = some(pieces, 2, 0.7)
    trim(source, kept, tmp_path / "out.gguf")
    tokens = [kept[place] for place in np.random.default_rng(0).integers(0, len(kept), 40)]
    whole = logits(source, tokens)[:, kept]
    ours = logits(tmp_path / "out.gguf", [kept.index(token) for token in tokens])
    np.testing.assert_allclose(ours, whole, rtol=0, atol=1e-5 * np.abs(whole).max())


@settings(max_examples=60)
@given(seed=st.integers(0, 40), share=st.sampled_from([0.0, 0.3, 0.8]), line=TEXT)
def test_a_text_whose_pieces_stay_is_cut_as_before_and_no_text_is_lost(
    model, seed, share, line, tmp_path_factory
):
    file = read_gguf(model)
    pieces = read_pieces(file)
    kept = some(pieces, seed, share)
    small = tmp_path_factory.mktemp("small") / "vocabulary.gguf"
    write_vocabulary(model, kept, small)
    left = read_pieces(read_gguf(small))
    whole = Tokenizer.from_str(json.dumps(tokenizer_json(file, file.metadata)))
    ours = Tokenizer.from_str(json.dumps(tokenizer_json(read_gguf(small), read_gguf(small).metadata)))
    before = whole.encode(line, add_special_tokens=False).ids
    after = ours.encode(line, add_special_tokens=False).ids
    if set(before) <= set(kept):
        assert [kept[number] for number in after] == before
    assert b"".join(left.contents[number] for number in after) == line.encode()
    assert runtime_ids(small, [line])[0] == after
    assert runtime_ids(model, [line])[0] == before


def stages(token, merges):
    """Everything that a token's letters become on the way, by the plainest reading of byte-pair encoding, and the end."""
    parts = list(token)
    met = set(parts)
    while True:
        pairs = [f"{a} {b}" for a, b in itertools.pairwise(parts)]
        best = next((merge for merge in merges if merge in pairs), None)
        if best is None:
            return met, parts
        while best in (pairs := [f"{a} {b}" for a, b in itertools.pairwise(parts)]):
            at = pairs.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        met |= set(parts)


@given(seed=st.integers(0, 10_000))
def test_a_closed_choice_holds_what_each_token_is_built_from(seed):
    random = np.random.default_rng(seed)
    tokens, merges = list("abcd"), []
    for _ in range(30):  # some tokens are made in more ways than one
        left, right = (tokens[place] for place in random.integers(0, len(tokens), 2))
        if f"{left} {right}" not in merges and len(left + right) < 9:
            merges.append(f"{left} {right}")
            tokens += [left + right] * (left + right not in tokens)
    pieces = Pieces(tokens, [1] * len(tokens), [t.encode() for t in tokens], merges, frozenset())
    wanted = set(map(int, random.integers(0, len(tokens), 3)))
    found = closed(pieces, wanted)
    assert found == sorted(found)
    assert wanted <= set(found)
    assert closed(pieces, found) == found
    for place in wanted:
        met, end = stages(tokens[place], merges)
        if end == [tokens[place]]:
            assert met - set("abcd") <= {tokens[number] for number in found}


def test_ids_lists_and_sizes_point_where_they_did(tmp_path, model):
    def change(metadata):
        size = len(metadata["tokenizer.ggml.tokens"].value)
        metadata["tokenizer.ggml.scores"] = Value(ARRAY, [float(n) for n in range(size)], 6)
        metadata["tokenizer.ggml.eot_token_id"] = Value(4, 300)
        metadata["tokenizer.ggml.sep_token_id"] = Value(4, 0xFFFFFFFF)  # none
        metadata["tokenizer.ggml.eog_token_ids"] = Value(ARRAY, [2, 301], 4)
        metadata["tokenizer.huggingface.json"] = text("{}")

    source = edited(model, tmp_path / "source.gguf", change)
    pieces = read_pieces(read_gguf(source))
    kept = some(pieces, 6, 0.1)
    assert {300, 301} <= set(kept)
    trim(source, kept, tmp_path / "out.gguf", metadata={"rumpun.trim": "x", "general.license": ""})
    before, after = read_gguf(source), read_gguf(tmp_path / "out.gguf")
    tokens = after.get("tokenizer.ggml.tokens")
    for key in ("bos", "eos", "eot", "padding", "unknown"):
        name = f"tokenizer.ggml.{key}_token_id"
        assert tokens[after.get(name)] == pieces.tokens[before.get(name)]
    assert [tokens[n] for n in after.get("tokenizer.ggml.eog_token_ids")] == [
        pieces.tokens[2],
        pieces.tokens[301],
    ]
    assert after.get("tokenizer.ggml.sep_token_id") == 0xFFFFFFFF
    assert after.get("tokenizer.ggml.scores") == [float(n) for n in kept]
    assert after.get("llama.vocab_size") == len(tokens) == len(after.get("tokenizer.ggml.token_type"))
    assert after.get("tokenizer.chat_template") == before.get("tokenizer.chat_template")
    assert "tokenizer.huggingface.json" not in after.metadata
    assert "general.license" not in after.metadata
    assert after.get("rumpun.trim") == "x"
    for merge in after.get("tokenizer.ggml.merges"):
        assert {*merge.split(" "), merge.replace(" ", "")} <= set(tokens)


def test_a_tokenizer_of_another_kind_is_refused_by_name(tmp_path, model):
    def change(metadata):
        metadata["tokenizer.ggml.model"] = text("t5")

    with pytest.raises(InputError, match=r"tokenizer .t5.*a byte-level BPE .* or a SentencePiece") as caught:
        read_pieces(read_gguf(edited(model, tmp_path / "odd.gguf", change)))
    assert caught.value.hint


def test_a_vocabulary_that_does_not_fit_its_weights_is_refused(tmp_path, model):
    def change(metadata):
        metadata["tokenizer.ggml.tokens"] = strings(metadata["tokenizer.ggml.tokens"].value[:-1])
        metadata["tokenizer.ggml.token_type"] = Value(
            ARRAY, metadata["tokenizer.ggml.token_type"].value[:-1], 5
        )

    with pytest.raises(InputError, match=r"token_embd\.weight has 640 rows for 639 tokens"):
        read_pieces(read_gguf(edited(model, tmp_path / "odd.gguf", change)))


def test_a_choice_that_would_lose_a_byte_is_no_choice(tmp_path, model):
    pieces = read_pieces(read_gguf(model))
    for kept in ([n for n in range(640) if n != 40], sorted(pieces.special | {639})):
        with pytest.raises(ValueError, match="special tokens are missing, or it is not ascending and closed"):
            trim(model, kept, tmp_path / "out.gguf")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path, model):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        trim(model, some(read_pieces(read_gguf(model)), 1), tmp_path / "file" / "out.gguf")


def test_every_byte_has_its_letter():
    from rumpun.weights.trim import byte_letters as ours

    assert [ours()[letter] for letter in byte_letters()] == list(range(256))
