"""Round trips of an extended vocabulary: tokenizers, transformers and llama.cpp give the same tokens for any text."""

import json
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.engines.llamacpp_score import Scorer
from rumpun.layer.earlier import tokenizer_folder
from rumpun.layer.params import ExtendParams
from rumpun.layer.vocabulary.extend import extend_files
from rumpun.steps import quiet
from rumpun.weights.assemble import assemble
from rumpun.weights.folder import write_folder
from rumpun.weights.gguf_file import describe, read_gguf
from rumpun.weights.layer_file import LayerSpec, read_layer
from tiny import TEXTS, tiny_gguf

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

TAGS = ("id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en")
CODE = (
    "def f(x):\n    return {'a': x[1:]}  # ok\n", 'for (int i = 0; i < 10; ++i) {\n\tputs("%d\\n");\n}\r\n',
    "SELECT * FROM t WHERE a >= 3.14;", '<p class="x">&nbsp;</p>', "x += 1\n\n\n    y = 0xFF  \n",
)  # fmt: skip
NUMBERS = ("1234567890", "3.14", "๑๒๓", "၁၂၃", "១២៣", "໑໒໓", "௧௨௩", "½²Ⅳ", "2,026")
# letters and marks of five scripts, in any order: what a keyboard can make, not only what is spelt right
SIGNS = (
    "กขงนมรวอเแโไ" + "ะาิีุู่้์็",
    "ကခင့သည်းမြို" + "ါာိီုူေဲံ့း္်ျြွှ",
    "កខងនមរវ" + "ាិីុូេោះ្់៉ំ",
    "ກຂງນມຣວອເແໂໄ" + "ະາິີຸູ່້໌ໍ",
    "கஙசமயரலவ" + "ாிீுூெேைொ்",
)
OTHER = ("🙂", "👨‍👩‍👧", "🇹🇭", " ", "  ", "\n", "\t", "\r\n", "\u00a0", "\u200b", "\u200d", "។", "၊", "॥", "—", "…", "(", ")", "竹子", "đường", "é", "e\u0301")  # fmt: skip


def learnt(folder: Path, gguf: Path) -> Path:
    lines = [{"text": text, "language": tag} for tag, text in zip(TAGS, TEXTS, strict=True) for _ in range(5)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    params = ExtendParams(base=str(gguf), tokens_max=250, clusters_max=120, tokens_per_character=0.1)
    extend_files([folder / "texts.jsonl"], [folder / "texts.jsonl"], params, folder / "layer", quiet)
    return folder / "layer"


def loaded(folder: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return transformers.AutoTokenizer.from_pretrained(folder)


class Three:
    """The three readers of one extended base, and the base's own tokens."""

    def __init__(self, folder: Path, gguf: Path, *, whole: bool) -> None:
        layer = learnt(folder, gguf)
        self.spec = read_layer(layer)[0]
        assemble(gguf, layer, folder / "whole.gguf", "Q8_0" if whole else "Q4_1")
        if whole:
            write_folder(gguf, folder / "folder", layer=layer)
        else:
            tokenizer_folder(gguf, self.spec, folder / "folder")
        plain = LayerSpec(base_name="", base_sha256="0" * 64, rank=1, alpha=1.0, targets=())
        tokenizer_folder(gguf, plain, folder / "plain")
        self.gguf = folder / "whole.gguf"
        self.plain_tokenizer = tokenizers.Tokenizer.from_file(str(folder / "plain" / "tokenizer.json"))
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "folder" / "tokenizer.json"))
        self.transformers = loaded(folder / "folder")

    def disagreements(self, texts: list[str]) -> list[str]:
        scorer = Scorer(self.gguf, describe(self.gguf), 1)
        try:
            llamacpp = scorer.tokenize(texts)
        finally:
            scorer.close()
        found = []
        for text, theirs in zip(texts, llamacpp, strict=True):
            ours = self.tokenizer.encode(text, add_special_tokens=False).ids
            with_transformers = self.transformers(text, add_special_tokens=False)["input_ids"]
            back = self.tokenizer.decode(ours, skip_special_tokens=False)
            again = self.transformers.decode(ours)
            if not (ours == theirs == with_transformers and back == again == text):
                found.append(text)
        return found


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def tiny(request, tmp_path_factory) -> Three:
    folder = tmp_path_factory.mktemp("tiny")
    return Three(folder, tiny_gguf(folder / "base.gguf", vocabulary=300, tied=request.param), whole=True)


def strings():
    """Text of all the scripts mixed with English, numbers, code, emoji and odd spaces."""
    signs = st.sampled_from(SIGNS).flatmap(lambda signs: st.text(signs, min_size=1, max_size=8))
    cuts = st.tuples(st.sampled_from(TEXTS), st.integers(0, 40), st.integers(1, 12)).map(
        lambda found: found[0][found[1] : found[1] + found[2]]
    )
    plain = st.sampled_from(CODE + NUMBERS + OTHER + ("bamboo", " the river", "Kampung"))
    return st.lists(signs | cuts | plain, min_size=1, max_size=8).map("".join)


def gathered(count: int) -> list[str]:
    texts: list[str] = []

    @settings(max_examples=count, database=None)
    @given(strings())
    def gather(text):
        texts.append(text)

    gather()
    return list(dict.fromkeys(texts))


def test_three_readers_give_the_same_tokens_for_any_text(tiny):
    clusters = [token for token in tiny.spec.tokens if any(ord(letter) > 0x500 for letter in token)]
    assert len(clusters) > 30
    joined = ["".join(clusters), " ".join(clusters), "".join(reversed(clusters)), "x".join(clusters)]
    assert tiny.disagreements([*TEXTS, *CODE, *NUMBERS, *joined, *gathered(300)]) == []


def test_code_and_numbers_keep_the_bases_tokens(tiny):
    for text in (*CODE, *NUMBERS, TEXTS[-1]):
        assert tiny.tokenizer.encode(text).ids == tiny.plain_tokenizer.encode(text).ids


def test_every_new_token_is_used_by_some_text_and_is_of_its_type(tiny):
    first = tiny.plain_tokenizer.get_vocab_size(with_added_tokens=True)
    types = read_gguf(tiny.gguf).get("tokenizer.ggml.token_type")[first:]
    merged = {merge.replace(" ", "") for merge in tiny.spec.merges}
    assert types == [1 if token in merged else 4 for token in tiny.spec.tokens]
    for number, token in enumerate(tiny.spec.tokens, first):
        if token not in merged:
            assert tiny.tokenizer.encode(token).ids == [number]


def test_a_cluster_is_found_inside_a_word(tiny):
    cluster = next(token for token in tiny.spec.tokens if token[0] in "ကသမပ" and len(token) > 1)
    number = tiny.tokenizer.token_to_id(cluster)
    assert number in tiny.tokenizer.encode(f"က{cluster}က").ids
    assert tiny.disagreements([f"က{cluster}က", f"x{cluster}1", f"\n{cluster}\n"]) == []


@pytest.mark.base
def test_on_the_embedded_base_the_three_agree_too(base_gguf, tmp_path):
    whole = Three(tmp_path, base_gguf, whole=False)  # the tokenizer's files alone, as training writes them
    assert whole.disagreements([*TEXTS, *CODE, *NUMBERS, *gathered(200)]) == []
    for text in (*CODE, *NUMBERS, TEXTS[-1]):
        assert whole.tokenizer.encode(text).ids == whole.plain_tokenizer.encode(text).ids
