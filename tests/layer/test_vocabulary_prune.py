"""Added tokens that go again: other text is cut as before, the dropped languages' as by the base, kept rows keep their numbers."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.layer.params import ExtendParams, PruneParams
from rumpun.layer.vocabulary.base import BaseTokenizer
from rumpun.layer.vocabulary.extend import extend_files
from rumpun.layer.vocabulary.prune import kept_words, prune
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Outcome, Work, quiet
from rumpun.weights.layer_file import LayerSpec, read_layer
from tiny import TEXTS, tiny_gguf, tiny_layer

TAGS = ("id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en")
TEXT = dict(zip(TAGS, TEXTS, strict=True))
PLACE = {"corpus": "c" * 32, "taken": {"zh": 3}}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf(tmp_path_factory.mktemp("base") / "base.gguf", vocabulary=262)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Input:
    folder = tmp_path_factory.mktemp("corpus")
    for part in ("train", "heldout"):
        (folder / part).mkdir()
        for tag, text in TEXT.items():
            rows = [{"id": f"{tag}{n}", "source": "s", "text": text, "language": tag} for n in range(5)]
            pq.write_table(pa.Table.from_pylist(rows), folder / part / f"{tag}.parquet")
    return given_input("corpus", folder, {})


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory, base: Path, corpus: Input) -> Input:
    folder = tmp_path_factory.mktemp("layer")
    extend_files(
        [corpus.folder], [], ExtendParams(base=str(base), tokens_max=150, clusters_max=40), folder, quiet
    )
    return given_input("layer", folder, {"data": PLACE})


def given_input(kind: str, folder: Path, summary: dict[str, object]) -> Input:
    maker = Maker(step=f"{kind}.test", version=1, params={}, rumpun="0")
    return Input(kind, folder, Manifest(kind=kind, id=kind[0] * 32, maker=maker, summary=summary))


def pruned(folder: Path, base: Path, *inputs: Input, languages: tuple[str, ...] = ("zh",)) -> Outcome:
    folder.mkdir()
    work = Work(inputs=inputs, folder=folder, scratch=folder, seed=1, progress=quiet)
    return prune.function(PruneParams(base=str(base), languages=languages), work)


def cut(base: Path, spec: LayerSpec, text: str) -> list[str]:
    tokenizer = BaseTokenizer(base).tokenizer(spec.tokens, spec.merges)
    return list(tokenizer.encode(text, add_special_tokens=False).tokens)


def test_the_languages_go_and_the_others_are_cut_as_before(tmp_path, base, corpus, layer):
    told = pruned(tmp_path / "made", base, corpus, layer).summary
    (before, old), (after, new) = read_layer(layer.folder), read_layer(tmp_path / "made")
    assert 0 < len(after.tokens) < len(before.tokens)
    assert (told["tokens"], told["tokens_before"]) == (len(after.tokens), len(before.tokens))
    none = LayerSpec(base_name="", base_sha256="", rank=1, alpha=1.0, targets=())
    assert cut(base, before, TEXT["zh"]) != cut(base, none, TEXT["zh"])
    assert cut(base, after, TEXT["zh"]) == cut(base, none, TEXT["zh"])
    for tag in set(TAGS) - {"zh"}:
        assert cut(base, after, TEXT[tag]) == cut(base, before, TEXT[tag])
    places = [before.tokens.index(token) for token in after.tokens]
    assert places == sorted(places)
    np.testing.assert_array_equal(new["model.embed_tokens.rows"], old["model.embed_tokens.rows"][places])
    rows = {row["language"]: row for row in told["table"]}
    assert rows["zh"]["tokens_after"] == rows["zh"]["tokens_before"]
    assert rows["th"]["tokens_after"] < rows["th"]["tokens_before"]
    assert told["data"] == PLACE  # a run may go on in the text


def test_a_second_time_nothing_goes(tmp_path, base, corpus, layer):
    pruned(tmp_path / "one", base, corpus, layer)
    again = pruned(tmp_path / "two", base, corpus, given_input("layer", tmp_path / "one", {})).summary
    assert again["tokens"] == again["tokens_before"]
    assert "data" not in again
    assert (tmp_path / "one/layer.safetensors").read_bytes() == (
        tmp_path / "two/layer.safetensors"
    ).read_bytes()


def test_products_stay_where_every_token_goes(tmp_path, base, corpus, layer):
    with pytest.raises(InputError, match="nothing of the layer would be left"):
        pruned(tmp_path / "rows", base, corpus, layer, languages=TAGS)
    words, _ = read_layer(layer.folder)
    both = tiny_layer(tmp_path / "both", base, tokens=words.tokens, merges=words.merges)
    told = pruned(tmp_path / "made", base, corpus, given_input("layer", both, {}), languages=TAGS).summary
    (before, old), (after, new) = read_layer(both), read_layer(tmp_path / "made")
    assert (told["tokens"], after.tokens, after.merges, after.targets) == (0, (), (), before.targets)
    assert new.keys() == old.keys() - {"model.embed_tokens.rows"}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_text_whose_tokens_stay_is_cut_as_before(data, base, layer):
    spec, _ = read_layer(layer.folder)
    rates = {
        tag: {token: data.draw(st.sampled_from((0.0, 0.2, 1.0))) for token in spec.tokens}
        for tag in ("a", "b")
    }
    kept = kept_words(spec.tokens, spec.merges, rates, ["a"], data.draw(st.sampled_from((0.0, 0.5, 0.9))))
    tokens = tuple(spec.tokens[place] for place in kept.places)
    less = LayerSpec(
        base_name="", base_sha256="", rank=1, alpha=1.0, targets=(), tokens=tokens, merges=kept.merges
    )
    gone = set(spec.tokens) - set(tokens)
    for text in TEXTS:
        at = data.draw(st.integers(0, len(text) - 1))
        before = cut(base, spec, text[at:])
        if not gone & set(before):
            assert cut(base, less, text[at:]) == before
    for merge in kept.merges:
        assert not gone & {*merge.split(" "), merge.replace(" ", "")}


def test_what_does_not_fit_is_refused_by_name(tmp_path, base, corpus, layer):
    with pytest.raises(InputError, match="no text in 'jv'"):
        pruned(tmp_path / "a", base, corpus, layer, languages=("jv",))
    plain = given_input("layer", tiny_layer(tmp_path / "plain", base), {})
    with pytest.raises(InputError, match="adds no token"):
        pruned(tmp_path / "b", base, corpus, plain)
    other = tiny_gguf(tmp_path / "other.gguf", vocabulary=270)
    with pytest.raises(InputError, match="stands on another base"):
        pruned(tmp_path / "c", other, corpus, layer)
    with pytest.raises(ValueError, match="languages is empty"):
        PruneParams(languages=()).check()


def test_a_plan_fetches_no_base(base):
    assert prune.identity(PruneParams(languages=("zh",), base="a-name-of-the-catalogue")) == {}
    assert set(prune.identity(PruneParams(languages=("zh",), base=str(base)))) == {"base_sha256"}
