"""Measuring a GGUF: figures of a real run in a process of its own, and what cannot be measured."""

import pytest

from rumpun.edge.bench import measure, measure_engine
from rumpun.engines.fake import Fake
from rumpun.errors import InputError, RumpunError, UsageError
from tiny import tiny_gguf


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    """A tiny model with room for a prompt."""
    return tiny_gguf(tmp_path_factory.mktemp("bench") / "tiny.gguf", quantisation="Q8_0")


def test_figures_are_of_the_file_and_plausible(gguf):
    found = measure(gguf, prompt_tokens=32, decode_tokens=16, runs=2, threads=1)
    assert (found.file, found.size_bytes, found.quantisation) == (str(gguf), gguf.stat().st_size, "Q8_0")
    assert (found.threads, found.runs) == (1, 2)
    assert 32 <= found.prompt_tokens < 32 + 8
    assert 1 <= found.decode_tokens <= 17
    assert 1 < found.prompt_tokens_per_second < 1e7
    assert 1 < found.decode_tokens_per_second < 1e6
    assert 0 < found.load_seconds < 60
    assert 20e6 < found.resident_bytes < 2e9


def test_the_whole_context_can_be_used_and_no_more(gguf):
    assert measure(gguf, prompt_tokens=440, decode_tokens=64, runs=1).prompt_tokens >= 440
    with pytest.raises(UsageError, match=r"the context of .* is 512") as caught:
        measure(gguf, prompt_tokens=441, decode_tokens=64, runs=1)
    assert "504" in caught.value.hint


def test_resident_memory_is_the_models_and_not_this_processs(gguf):
    ballast = bytearray(400_000_000)
    found = measure(gguf, prompt_tokens=8, decode_tokens=4, runs=1)
    assert found.resident_bytes < len(ballast)


def test_an_engine_is_asked_for_a_new_prompt_in_every_run():
    engine = Fake()
    asked = []
    stream = engine.stream

    def listening(request, *rest):
        asked.append(request.prompt)
        return stream(request, *rest)

    engine.stream = listening
    found = measure_engine(engine, prompt_tokens=20, decode_tokens=8, runs=3)
    assert len(set(asked)) == 4  # one to warm up
    assert len({prompt[:8] for prompt in asked}) == 4  # no common start that a cache could keep
    assert found["prompt_tokens"] >= 20


@pytest.mark.parametrize(
    ("counts", "words"),
    [({"prompt_tokens": 0}, "prompt_tokens = 0"), ({"runs": -1}, "runs = -1"), ({"threads": 0}, "threads = 0"),
     ({"prompt_tokens": 500, "decode_tokens": 100}, "the context of .* is 512")],
)  # fmt: skip
def test_absurd_counts_are_refused(gguf, counts, words):
    with pytest.raises(UsageError, match=words):
        measure(gguf, **counts)


def test_a_truncated_file_is_refused_before_anything_is_loaded(gguf, tmp_path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(gguf.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated"):
        measure(cut)


def test_a_file_that_the_runtime_refuses_is_an_orderly_error(gguf, tmp_path):
    odd = tmp_path / "odd.gguf"
    odd.write_bytes(gguf.read_bytes().replace(b"llama", b"lxama"))  # no such architecture
    with pytest.raises(RumpunError) as caught:
        measure(odd, prompt_tokens=8, decode_tokens=4, runs=1)
    assert str(odd) in caught.value.message
    assert caught.value.hint
