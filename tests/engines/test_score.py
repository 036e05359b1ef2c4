"""Scoring through the C functions: agreement with transformers, windows, packing, and refusal on any doubt."""

import itertools

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.engines import llamacpp_library, llamacpp_score
from rumpun.engines.hf import Transformers
from rumpun.engines.llamacpp import LlamaCpp
from rumpun.engines.llamacpp_library import Library, library
from rumpun.engines.llamacpp_score import Scorer
from rumpun.engines.port import Request, Score
from rumpun.engines.windows import (
    Window,
    first_of_continuation,
    packed_groups,
    padded_groups,
    window_tokens,
    windows,
)
from rumpun.errors import EnvironmentFault, UsageError
from rumpun.weights.folder import write_folder
from rumpun.weights.gguf_file import describe
from tiny import TEXTS, tiny_gguf, tiny_tensors

# nats of one token between llama.cpp and transformers on the same dequantised weights. With float32 weights only the
# order of sums differs; beside quantised weights llama.cpp also rounds what goes into a product to 8 bits.
TOLERANCE = {"F32": 2e-3, "Q8_0": 0.15, "Q4_1": 0.15}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture
def scorer(weights):
    made = Scorer(weights, describe(weights), 1)
    yield made
    made.close()


# --- agreement


@pytest.mark.parametrize("quantisation", TOLERANCE)
def test_llamacpp_and_transformers_agree_on_the_same_weights(quantisation, tmp_path):
    path = tiny_gguf(tmp_path / "tiny.gguf", seed=3, quantisation=quantisation)
    write_folder(path, tmp_path / "folder")
    one = LlamaCpp(path, name="tiny", threads=1, slots=1)
    other = Transformers(tmp_path / "folder", name="tiny", device="cpu")
    pairs = [("", text) for text in TEXTS] + [(text[:9], text[9:]) for text in TEXTS]
    pairs += [("", "\n".join(TEXTS) * 3), ("\n".join(TEXTS) * 2, TEXTS[3])]  # several windows
    try:
        for pair, a, b in zip(pairs, one.score(pairs), other.score(pairs), strict=True):
            assert a.tokens == b.tokens, pair
            assert a.logprob == pytest.approx(b.logprob, abs=TOLERANCE[quantisation] * a.tokens), pair
        if quantisation == "F32":
            assert ((one.embed(TEXTS) * other.embed(TEXTS)).sum(1) > 0.9999).all()
            requests = [Request(prompt=text[:9], max_tokens=16, temperature=0, seed=1) for text in TEXTS]
            same = [
                x.text == y.text
                for x, y in zip(one.generate(requests), other.generate(requests), strict=True)
            ]
            assert sum(same) >= len(TEXTS) // 2  # answers of broken bytes are shown differently
    finally:
        one.close()


@pytest.mark.base
def test_both_agree_on_the_embedded_base(base_gguf, tmp_path):
    texts = [
        "Penduduk desa itu menanam padi di sawah dan memancing di sungai setiap pagi.",
        "ชาวบ้านปลูกข้าวในนาและจับปลาในแม่น้ำทุกเช้า",
        "ရွာသားများသည် လယ်ထဲတွင် စပါးစိုက်ပြီး မနက်တိုင်း မြစ်ထဲတွင် ငါးဖမ်းကြသည်။",
        "The villagers plant rice in the fields and fish in the river every morning.",
    ]
    write_folder(base_gguf, tmp_path / "folder")
    other = Transformers(tmp_path / "folder", name="base", device="cpu")
    one = LlamaCpp(base_gguf, name="base", context_tokens=256, slots=1, threads=1)
    for a, b in zip(
        one.score([("", text) for text in texts]), other.score([("", t) for t in texts]), strict=True
    ):
        assert a.tokens == b.tokens
        assert a.logprob == pytest.approx(b.logprob, rel=0.02)
    assert ((one.embed(texts) * other.embed(texts)).sum(1) > 0.995).all()
    stored = llamacpp_score._STORED[(base_gguf.stat().st_size, describe(base_gguf).name)]
    found = other.score([("", text) for text in llamacpp_score._SELF_TEST])
    assert [score.logprob for score in found] == pytest.approx(stored, abs=0.01)
    one.close()


def test_packed_and_alone_are_the_same(scorer):
    pairs = [("", text) for text in TEXTS * 8]
    for pair, packed in zip(pairs[: len(TEXTS)], scorer.score(pairs), strict=False):
        alone = scorer.score([pair])[0]
        assert packed.tokens == alone.tokens
        assert packed.logprob == pytest.approx(alone.logprob, abs=2e-3 * alone.tokens)


def test_options_of_one_question_score_as_they_do_beside_other_texts(scorer):
    context = "Rice is planted in the wet season, and in the dry season people "
    pairs = [(context, option) for option in ("fish", "fish in the river", "weave cloth", "fish", "sleep")]
    pairs += [(context + "fish", " in the river"), ("", context)]
    for pair, together in zip(pairs, scorer.score(pairs), strict=True):
        apart = scorer.score([pair, *[("", text) for text in TEXTS]])[0]  # nothing shared: the same sums
        assert together.tokens == apart.tokens
        assert together.logprob == pytest.approx(apart.logprob, abs=1e-3)


def test_probabilities_of_all_next_tokens_sum_to_one(scorer):
    tokens = [scorer.start_token(), *scorer.tokenize([TEXTS[0]])[0]]
    vocabulary = scorer._about.vocabulary
    total = 0.0
    for token in range(vocabulary):
        total += np.exp(scorer._run([((0, [*tokens, token], Window(0, len(tokens) + 1, len(tokens))), 0)])[0])
    assert total == pytest.approx(1, abs=1e-3)


def test_the_start_token_is_end_of_text_by_its_name(scorer):
    assert scorer.start_token() == 0  # <|endoftext|>, although the file names 1 and 2 as its ends


def test_a_longer_text_after_a_shorter_one_gets_a_larger_context(tmp_path):
    path = tiny_gguf(tmp_path / "long.gguf", context=4096)
    made = Scorer(path, describe(path), 1)
    short = made.score([("", TEXTS[0])])[0]
    whole = "\n".join(TEXTS) * 5
    long = made.score([("", whole)])[0]
    assert long.tokens == len(made.tokenize([whole])[0]) > 2048
    assert made.score([("", TEXTS[0])])[0].logprob == pytest.approx(short.logprob, abs=0.05)
    made.close()
    with pytest.raises(EnvironmentFault, match="closed"):
        made.score([("", "a")])


def test_broken_text_is_scored_as_what_it_shows(scorer):
    assert scorer.score([("", "a\ud800b")])[0].tokens >= 3


# --- sentencepiece vocabularies


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory):
    """A tiny llama with a vocabulary of sentencepiece, which sets a space before every text."""
    path = tmp_path_factory.mktemp("spm") / "spm.gguf"
    words = [
        "▁",
        "a",
        "b",
        "n",
        "m",
        "u",
        "ba",
        "bu",
        "▁ba",
        "▁bu",
        "▁bambu",
        "bam",
        "bambu",
        "▁a",
        "ไ",
        "ผ",
        "่",
        "ไผ่",
    ]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    kinds = [2, 3, 3, *[6] * 256, *[1] * len(words)]
    scores = [0.0] * 259 + [-float(20 - len(word)) for word in words]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Spm")
    writer.add_block_count(1)
    writer.add_context_length(256)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(128)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(16)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    for name, tensor in tiny_tensors(
        1, vocabulary=len(tokens), hidden=64, layers=1, heads=4, kv_heads=2, tied=True
    ).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_space_that_sentencepiece_sets_belongs_to_no_one(sentencepiece):
    made = Scorer(sentencepiece, describe(sentencepiece), 1)
    assert made.start_token() == 1  # its own first token, as the model was trained, and no other beside it
    text = "bambu ไผ่ bambu é"
    whole = made.score([("", text)])[0]
    assert whole.tokens == len(made.tokenize([text])[0])
    for cut in range(1, len(text)):
        before, after = made.score([("", text[:cut])])[0], made.score([(text[:cut], text[cut:])])[0]
        assert after.tokens >= 1
        if len(made.tokenize([text[:cut]])[0]) + after.tokens == whole.tokens:
            assert before.logprob + after.logprob == pytest.approx(whole.logprob, abs=0.02)
    one, two = map(len, made.tokenize(["bambu", "bambu bambu"]))
    assert made.score([("bambu", " bambu")])[0].tokens == two - one == one
    made.close()


# --- refusal


def test_a_default_that_is_not_the_documented_one_refuses_everything(weights, monkeypatch):
    monkeypatch.setitem(llamacpp_library._CONTEXT_WORDS, 1, 4096)
    changed = Library(str(llamacpp_library.runtime().xllamacpp.__file__))
    assert changed.fault == "word 1 of the context parameters is 0x800 by default, expected 0x1000"
    monkeypatch.setattr(llamacpp_score, "library", lambda: changed)
    made = Scorer(weights, describe(weights), 1)
    with pytest.raises(UsageError, match=r"refused: word 1 of the context parameters") as caught:
        made.score([("", "a")])
    assert "requirements/runtime.txt" in caught.value.hint


def test_a_missing_function_refuses(monkeypatch):
    monkeypatch.setitem(llamacpp_library._SIGNATURES, "llama_no_such_thing", (None, ()))
    changed = Library(str(llamacpp_library.runtime().xllamacpp.__file__))
    assert changed.fault == "the runtime exports no llama_no_such_thing"


def test_the_pinned_runtime_has_the_documented_defaults():
    assert library().fault == ""


def test_a_stored_score_that_disagrees_refuses(weights, monkeypatch):
    about = describe(weights)
    made = Scorer(weights, about, 1)
    right = tuple(score.logprob for score in made.score([("", text) for text in llamacpp_score._SELF_TEST]))
    made.close()
    monkeypatch.setitem(llamacpp_score._STORED, (about.size, about.name), right)
    made = Scorer(weights, about, 1)
    assert made.score([("", "bambu")])[0].tokens
    made.close()
    monkeypatch.setitem(
        llamacpp_score._STORED, (about.size, about.name), (right[0], right[1] * 1.1, right[2])
    )
    made = Scorer(weights, about, 1)
    for _ in range(2):  # and it stays refused
        with pytest.raises(UsageError, match=r"scoring is refused: .* stored are"):
            made.score([("", "bambu")])
    made.close()


def test_packed_scores_that_differ_from_single_ones_refuse(weights, monkeypatch):
    made = Scorer(weights, describe(weights), 1)
    honest = made._score

    def off_by_one(pairs):
        found = honest(pairs)
        return (
            found
            if len(pairs) == 1
            else [Score(score.logprob - score.tokens, score.tokens) for score in found]
        )

    monkeypatch.setattr(made, "_score", off_by_one)
    with pytest.raises(UsageError, match="beside others"):
        made.score([("", "bambu")])
    made.close()


def test_a_context_that_comes_out_otherwise_refuses(weights, monkeypatch):
    monkeypatch.setattr(llamacpp_score, "_N_SEQ", llamacpp_score._N_UBATCH)  # a wrong offset
    made = Scorer(weights, describe(weights), 1)
    with pytest.raises(UsageError, match="the runtime made a context of"):
        made.score([("", "bambu")])
    made.close()


def test_too_little_memory_for_the_context_is_said(weights, monkeypatch):
    monkeypatch.setattr(llamacpp_score, "available_bytes", lambda: 1000)
    made = Scorer(weights, describe(weights), 1)
    with pytest.raises(EnvironmentFault, match=r"scoring .* tokens at once needs"):
        made.score([("", "bambu")])
    made.close()


# --- windows


@given(st.integers(1, 400), st.integers(1, 400), st.integers(2, 64))
def test_every_token_is_scored_once_with_half_a_window_before_it(count, first, size):
    scored = []
    for window in windows(count, first, size):
        assert 0 <= window.start < window.first <= window.stop <= count
        assert window.stop - window.start <= size
        for token in range(window.first, window.stop):
            assert token - window.start >= min(size // 2, token)
            scored.append(token)
    assert scored == list(range(max(first, 1), count))


def test_a_text_that_fits_is_one_window():
    assert list(windows(10, 1, 10)) == [Window(0, 10, 1)]
    assert list(windows(11, 1, 10)) == [Window(0, 10, 1), Window(5, 11, 10)]
    assert window_tokens(0) == window_tokens(100_000) == 8192
    assert window_tokens(512) == 512


@given(st.lists(st.integers(0, 5), max_size=20), st.integers(0, 60))
def test_a_token_belongs_to_the_continuation_when_any_of_its_bytes_does(sizes, cut):
    first = first_of_continuation(sizes, cut)
    ends = list(itertools.accumulate(sizes))
    assert all(end <= cut for end in ends[:first])
    assert first == len(sizes) or ends[first] > cut


@given(st.lists(st.integers(2, 40), max_size=30), st.integers(40, 100))
def test_groups_hold_every_window_once_and_keep_their_limits(sizes, most):
    todo = [(number, list(range(size)), Window(0, size, 1)) for number, size in enumerate(sizes)]
    packed = [[item for item, _ in group] for group in packed_groups(todo, most, 5)]
    for groups in (list(padded_groups(todo, most)), packed):
        assert sorted(item[0] for group in groups for item in group) == list(range(len(sizes)))
    for group in padded_groups(todo, most):
        assert len(group) * max(item[2].stop - 1 for item in group) <= most
    for group in packed_groups(todo, most, 5):
        assert len(group) <= 5
        assert sum(item[2].stop - 1 - shared for item, shared in group) <= most


@given(st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=12), max_size=30), st.integers(12, 60))
def test_what_texts_share_at_their_beginning_stands_in_a_batch_once(texts, most):
    todo = [(number, text, Window(0, len(text), 1)) for number, text in enumerate(texts)]
    for group in packed_groups(todo, most, 8):
        put_in = [tuple(item[1][: item[2].stop - 1]) for item, _ in group]
        prefixes = {text[: n + 1] for text in put_in for n in range(len(text))}
        computed = sum(len(text) - shared for text, (_, shared) in zip(put_in, group, strict=True))
        assert len(prefixes) <= computed <= len(prefixes) + 3 * len(group)  # fewer than four are not shared
        for (before, _), (item, shared) in itertools.pairwise(group):
            assert before[1][:shared] == item[1][:shared]


@given(st.lists(st.integers(2, 30), min_size=1, max_size=20), st.integers(0, 90), st.integers(12, 60))
def test_what_all_of_a_batch_share_does_not_count(sizes, shared, most):
    """Options of one question stay together though the question alone is longer than a batch."""
    question = list(range(100, 100 + shared))
    todo = [
        (n, [*question, n, *range(size)], Window(0, shared + 1 + size, 1)) for n, size in enumerate(sizes)
    ]
    groups = list(packed_groups(todo, most, 8))
    for group in groups:
        alike = shared if len(group) > 1 and shared >= 4 else 0
        beyond = sum(item[2].stop - 1 - known for item, known in group) - alike
        assert beyond <= most or len(group) == 1
    if shared >= 4 and sum(sizes) <= most:
        assert len(groups) == -(-len(sizes) // 8)
