"""A transformers folder from a GGUF: the same tokens as llama.cpp, the same numbers as the GGUF."""

import json
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.engines.llamacpp_score import Scorer
from rumpun.errors import InputError
from rumpun.weights import gguf_write
from rumpun.weights.assemble import assemble
from rumpun.weights.folder import write_folder
from rumpun.weights.gguf_file import STRING, Value, describe, read_gguf
from rumpun.weights.layer_file import read_layer
from rumpun.weights.names import heads_first
from rumpun.weights.tokenizer_json import PRE_TOKENIZERS
from tiny import CHAT, TEXTS, tiny_bpe, tiny_gguf, tiny_layer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

# written for the tests: one passage a working language, and what cuts text in odd places
PASSAGES = (
    "Pada tanggal 17 Agustus, warga desa berkumpul; harganya Rp25.000,00 (dua puluh lima ribu rupiah)!",
    'Jangan lupa bawa payung — cuaca tak menentu, kata nenek: "hujan petang ini, insya-Allah".',
    "Hôm nay trời nắng 35°C, nhưng chiều tối có thể mưa rào… Bạn có mang áo mưa không?",
    "วันนี้อากาศร้อน ๓๕ องศา เด็ก ๆ เล่นน้ำอยู่ที่คลองหน้าบ้าน ใช่ไหมคะ?",
    "Magandang umaga po! Ika-3 ng Mayo ngayon; mag-ingat sa daan at huwag kalimutang kumain.",
    "ယနေ့ ၃၅ ဒီဂရီ ပူသည်။ ကလေးများ ရေကစားနေကြ၏၊ မိုးရွာမည်လား။",
    "ថ្ងៃនេះអាកាសធាតុក្តៅ ៣៥ អង្សា។ ក្មេងៗលេងទឹកនៅមុខផ្ទះ៕",
    "ມື້ນີ້ອາກາດຮ້ອນ ໓໕ ອົງສາ ເດັກນ້ອຍຫຼິ້ນນ້ຳຢູ່ໜ້າເຮືອນ ບໍ່ແມ່ນບໍ?",
    "இன்று 35 டிகிரி வெயில்; குழந்தைகள் வாய்க்காலில் விளையாடுகிறார்கள். மழை வருமா?",
    "今天气温35度,孩子们在门前的小河里玩水。晚上会下雨吗?",
    "It's 35 degrees; they'll play by the canal, I'd say. We've 1,234.56 left, don't we?",
)
ODD = (
    " ", "   ", "\n", "\n\n  \n", "\t\ta", "a  ", "  a  b   c ", " \r\n x\r", "\u00a0x\u3000y\u2009z", "1234 ๑๒๓ ၁၂၃ ²½Ⅳ①",
    "'s 'S 'll'LL it''s", "👨‍👩‍👧‍👦🇹🇭 🙂🏽", "e\u0301ก\u0e49\u0e33", "a\u200bb\u200cc\u200d", "\ufeffx", "\x00\x01\x7f", "!!!???…—",
    "x" * 300, "ក" * 120, "<|im_start", "| im_end |>",
)  # fmt: skip


def tokenizer_of(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return transformers.AutoTokenizer.from_pretrained(folder)


def ids(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def differing(gguf, tokenizer, texts):
    scorer = Scorer(gguf, describe(gguf), 1)
    try:
        expected = scorer.tokenize(texts)
    finally:
        scorer.close()
    return [(text, ids(tokenizer, text), want) for text, want in zip(texts, expected, strict=True)
            if ids(tokenizer, text) != want]  # fmt: skip


@pytest.fixture(scope="module")
def base_folder(base_gguf, tmp_path_factory):
    """The embedded base as a transformers folder."""
    folder = tmp_path_factory.mktemp("base") / "folder"
    write_folder(base_gguf, folder)
    return folder


@pytest.mark.base
def test_tokens_of_the_base_are_llamacpps_in_every_language(base_gguf, base_folder):
    texts = [*TEXTS, *PASSAGES, *ODD, "\n".join(PASSAGES), " ".join(TEXTS)]
    assert differing(base_gguf, tokenizer_of(base_folder), texts) == []


@pytest.mark.base
def test_tokens_of_the_base_are_llamacpps_for_any_text(base_gguf, base_folder):
    # what Unicode had by version 14: the two libraries' tables of later characters may differ
    letters = st.characters(max_codepoint=0x2FFFF, exclude_categories=["Cs", "Cn", "Co"])
    shorts = st.text(st.sampled_from(" \n\t'sdl1.,aก်្ີா中🙂\u0301"), max_size=14)
    tokenizer = tokenizer_of(base_folder)
    texts = []

    @settings(max_examples=400, database=None)
    @given(st.text(letters, max_size=16) | shorts | st.sampled_from(PASSAGES).map(lambda text: text[7:40]))
    def gather(text):
        texts.append(text)

    gather()
    assert differing(base_gguf, tokenizer, texts) == []


@pytest.mark.base
def test_special_tokens_and_chats_of_the_base(base_gguf, base_folder):
    tokenizer = tokenizer_of(base_folder)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    assert ids(tokenizer, "<|im_start|>user\nHalo<|im_end|>")[:: len(ids(tokenizer, "user\nHalo")) + 1] == [
        1,
        2,
    ]
    assert len(tokenizer) == 49152
    assert tokenizer.model_max_length == 8192
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Halo"}], tokenize=False, add_generation_prompt=True
    )
    assert chat.startswith("<|im_start|>system\n")
    assert chat.endswith("<|im_start|>user\nHalo<|im_end|>\n<|im_start|>assistant\n")
    text = "".join(PASSAGES)
    assert tokenizer.decode(ids(tokenizer, text)) == text


def written(target, file, metadata, names):
    """Some tensors of a file under other metadata."""
    entries = [file.tensors[name] for name in names]
    tensors = [
        gguf_write.NewTensor(e.name, e.type, e.shape, e.size, partial(file.raw, e.name)) for e in entries
    ]
    gguf_write.write_gguf(target, metadata, tensors, progress=lambda *_: None)
    return target


def both(gguf, folder):
    """The model as we write it and as transformers' own code reads the same GGUF."""
    ours = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    plain = transformers.GgufConfig(dequantize=True)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, quantization_config=plain, dtype=torch.float32
    )
    return ours, theirs


def compare(ours, theirs, tokens):
    named = dict(theirs.named_parameters())
    for name, tensor in ours.named_parameters():
        torch.testing.assert_close(tensor, named[name], rtol=1e-6, atol=1e-7)
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens).logits, theirs(tokens).logits, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("quantisation", ["F32", "Q8_0", "Q4_1", "Q4_0"])
def test_transformers_own_reading_is_the_same(tmp_path, quantisation):
    gguf = tiny_gguf(tmp_path / "tiny.gguf", 6, quantisation=quantisation)
    write_folder(gguf, tmp_path / "folder")
    tokens = torch.tensor([ids(tokenizer_of(tmp_path / "folder"), PASSAGES[0])])
    compare(*both(gguf, tmp_path / "folder"), tokens)


@pytest.mark.base
def test_transformers_own_reading_of_the_base_is_the_same(base_gguf, tmp_path):
    file = read_gguf(base_gguf)
    kept = [
        name for name in file.tensors if not name.startswith("blk.") or name.startswith(("blk.0.", "blk.1."))
    ]
    metadata = file.metadata | {
        "llama.block_count": Value(4, 2)
    }  # two blocks: transformers needs a minute for thirty
    short = written(tmp_path / "short.gguf", file, metadata, kept)
    write_folder(short, tmp_path / "folder")
    tokens = torch.tensor([ids(tokenizer_of(tmp_path / "folder"), PASSAGES[0] + PASSAGES[3])])
    compare(*both(short, tmp_path / "folder"), tokens)


# the tokens of "tekken" differ, and how is in test_families.py
@pytest.mark.parametrize("pre", sorted(PRE_TOKENIZERS.keys() - {"tekken"}))
def test_every_known_cut_gives_llamacpps_tokens(tmp_path, pre):
    gguf = tiny_gguf(tmp_path / "tiny.gguf", pre=pre, vocabulary=600)
    write_folder(gguf, tmp_path / "folder")
    texts = [*TEXTS, *PASSAGES, *ODD]
    assert differing(gguf, tokenizer_of(tmp_path / "folder"), texts) == []


@pytest.mark.parametrize("tied", [True, False])
def test_weights_are_put_back_into_transformers_order(tmp_path, tied):
    gguf = tiny_gguf(tmp_path / "tiny.gguf", 8, tied=tied)
    write_folder(gguf, tmp_path / "folder")
    file = read_gguf(gguf)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "folder")
    assert model.config.tie_word_embeddings is tied
    assert model.config.rope_parameters["rope_theta"] == 10000.0
    query = model.model.layers[1].self_attn.q_proj.weight.detach().numpy()
    np.testing.assert_array_equal(query, heads_first(file.tensor("blk.1.attn_q.weight"), 4))
    key = model.model.layers[0].self_attn.k_proj.weight.detach().numpy()
    np.testing.assert_array_equal(key, heads_first(file.tensor("blk.0.attn_k.weight"), 2))
    np.testing.assert_array_equal(
        model.lm_head.weight.detach().numpy(), file.tensor("token_embd.weight" if tied else "output.weight")
    )


@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_llamacpps(tmp_path, tied):
    gguf = tiny_gguf(tmp_path / "tiny.gguf", 8, tied=tied)
    write_folder(gguf, tmp_path / "folder")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "folder")
    text = TEXTS[0] + TEXTS[3]
    scorer = Scorer(gguf, describe(gguf), 1)
    (score,) = scorer.score([("", text)])
    scorer.close()
    tokens = torch.tensor([[0, *ids(tokenizer_of(tmp_path / "folder"), text)]])
    with torch.no_grad():
        chosen = model(tokens).logits[0, :-1].log_softmax(-1).gather(1, tokens[0, 1:, None])
    assert score.tokens == tokens.shape[1] - 1
    # llama.cpp keeps keys and values as float16
    assert score.logprob == pytest.approx(float(chosen.sum()), rel=2e-3)


def test_a_layers_vocabulary_and_chat_form_are_taken(tmp_path):
    gguf = tiny_gguf(tmp_path / "tiny.gguf")
    tokens, merges = tiny_bpe(392)
    layer = tiny_layer(
        tmp_path / "layer",
        gguf,
        tokens=(*tokens[384:], "<มาสค์>"),
        merges=merges[-8:],
        chat_template="{{ 'X' }}",
    )
    write_folder(gguf, tmp_path / "folder", layer=layer)
    tokenizer = tokenizer_of(tmp_path / "folder")
    assert tokenizer.chat_template == "{{ 'X' }}"
    assert ids(tokenizer, "a<มาสค์>b")[1] == 392
    assert tokenizer.decode([392]) == "<มาสค์>"
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "folder")
    rows = model.model.embed_tokens.weight.detach().numpy()[384:]
    np.testing.assert_array_equal(rows, read_layer(layer)[1]["model.embed_tokens.rows"].astype(np.float32))


def test_tokens_of_added_vocabulary_are_llamacpps_too(tmp_path):
    gguf = tiny_gguf(tmp_path / "tiny.gguf")
    tokens, merges = tiny_bpe(600)
    layer = tiny_layer(
        tmp_path / "layer",
        gguf,
        targets=(),
        tokens=(*tokens[384:], "<มาสค์>", "ขอบคุณ"),
        merges=merges[384 - 259 :],
    )
    assemble(gguf, layer, tmp_path / "whole.gguf", "Q8_0")
    write_folder(gguf, tmp_path / "folder", layer=layer)
    tokenizer = tokenizer_of(tmp_path / "folder")
    texts = [*TEXTS, *PASSAGES, *ODD, "a<มาสค์>b", "ครับขอบคุณ ขอบคุณ<มาสค์>"]
    assert differing(tmp_path / "whole.gguf", tokenizer, texts) == []
    plain = tiny_gguf(tmp_path / "plain.gguf", vocabulary=600)
    assert differing(plain, tokenizer, TEXTS) == []  # the same merges in one go give the same tokens


def changed(gguf, target, **values):
    """The same file with other metadata."""
    file = read_gguf(gguf)
    metadata = file.metadata | {key: Value(STRING, value) for key, value in values.items()}
    return written(target, file, metadata, list(file.tensors))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tokenizer.ggml.pre": "smollm-2"}, "pre-tokenizer 'smollm-2'"),
        ({"tokenizer.ggml.model": "bert"}, "tokenizer 'bert'"),
        ({"llama.rope.scaling.type": "yarn"}, "yarn"),
        ({"general.architecture": "mamba"}, "architecture 'mamba'"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(tmp_path, values, words):
    gguf = changed(tiny_gguf(tmp_path / "tiny.gguf"), tmp_path / "changed.gguf", **values)
    with pytest.raises(InputError, match=words) as caught:
        write_folder(gguf, tmp_path / "folder")
    assert caught.value.hint
    assert not (tmp_path / "folder" / "config.json").exists()


def test_files_are_plain_and_the_chat_form_travels(tmp_path):
    write_folder(tiny_gguf(tmp_path / "tiny.gguf", quantisation="Q4_0"), tmp_path / "folder")
    names = {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert {path.name for path in (tmp_path / "folder").iterdir()} == names
    config = json.loads((tmp_path / "folder" / "tokenizer_config.json").read_text())
    assert config["chat_template"] == CHAT
    assert json.loads((tmp_path / "folder" / "generation_config.json").read_text())["eos_token_id"] == 2
