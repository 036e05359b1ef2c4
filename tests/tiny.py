"""Tiny seeded models for tests: a llama of random weights as a GGUF that llama.cpp loads, and layers for it.

from tiny import tiny_gguf, tiny_layer, tiny_base
"""

import functools
import itertools
from collections import Counter
from pathlib import Path

import gguf
import numpy as np
import regex

from rumpun.records.artefacts import Maker, Manifest, sha256_file, write_manifest
from rumpun.weights.layer_file import LayerSpec, write_layer

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

# written for the tests; enough repetition that merges cross syllables in several scripts
TEXTS = (
    "Rumpun bambu tumbuh di tepi sungai. Orang di kampung menanam padi dan bambu di tepi sungai.",
    "Anak-anak kampung suka bermain di sungai pada waktu petang.",
    "Cây tre mọc bên bờ sông. Người trong làng trồng lúa và trồng tre bên bờ sông.",
    "ต้นไผ่ขึ้นอยู่ริมแม่น้ำ คนในหมู่บ้านปลูกข้าวและปลูกไผ่ริมแม่น้ำ",
    "Ang kawayan ay tumutubo sa tabi ng ilog. Ang mga tao ay nagtatanim ng palay sa tabi ng ilog.",
    "ဝါးပင်များသည် မြစ်ကမ်းတွင် ပေါက်သည်။ ရွာသားများသည် မြစ်ကမ်းတွင် စပါးစိုက်သည်။",
    "ដើមឫស្សីដុះនៅមាត់ទន្លេ។ អ្នកភូមិដាំស្រូវនៅមាត់ទន្លេ។",
    "ກໍໄຜ່ຂຶ້ນຢູ່ແຄມນ້ຳ. ຊາວບ້ານປູກເຂົ້າຢູ່ແຄມນ້ຳ.",
    "மூங்கில் ஆற்றங்கரையில் வளர்கிறது. கிராம மக்கள் ஆற்றங்கரையில் நெல் பயிரிடுகிறார்கள்.",
    "竹子长在河边。村里的人在河边种稻子,也种竹子。",
    "Bamboo grows by the river. The people of the village plant rice and bamboo by the river.",
)
_PIECES = regex.compile(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


@functools.cache
def byte_letters() -> tuple[str, ...]:
    """The letter that stands for each byte in a byte-level BPE (GPT-2's table)."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = iter(range(256, 512))
    return tuple(chr(byte) if byte in kept else chr(next(other)) for byte in range(256))


@functools.cache
def tiny_bpe(vocabulary: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(tokens, merges) of a byte-level BPE trained on `TEXTS`: specials, 256 bytes, then merges."""
    letters = byte_letters()
    words = Counter(
        tuple(letters[byte] for byte in piece.encode()) for text in TEXTS for piece in _PIECES.findall(text)
    )
    tokens, merges = [*SPECIAL, *letters], []
    while len(tokens) < vocabulary:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += count
        if not pairs:
            raise ValueError(f"vocabulary = {vocabulary}: the texts give at most {len(tokens)}")
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        tokens.append("".join(best))
        merges.append(" ".join(best))
        words = Counter({_joined(word, best): count for word, count in words.items()})
    return tuple(tokens), tuple(merges)


def _joined(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    at = 0
    while at < len(word):
        if word[at : at + 2] == pair:
            out.append("".join(pair))
            at += 2
        else:
            out.append(word[at])
            at += 1
    return tuple(out)


def tiny_tensors(
    seed: int, *, vocabulary: int, hidden: int, layers: int, heads: int, kv_heads: int, tied: bool
) -> dict[str, np.ndarray]:
    """Random float32 weights under GGUF's names."""
    random = np.random.default_rng(seed)
    width, inner = hidden // heads * kv_heads, 2 * hidden

    def matrix(out: int, into: int, scale: float = 1.0) -> np.ndarray:
        return (random.standard_normal((out, into)) * scale / into**0.5).astype(np.float32)

    tensors = {"token_embd.weight": matrix(vocabulary, hidden, 4.0)}
    for n in range(layers):
        tensors |= {
            f"blk.{n}.attn_norm.weight": random.uniform(0.5, 1.5, hidden).astype(np.float32),
            f"blk.{n}.ffn_down.weight": matrix(hidden, inner),
            f"blk.{n}.ffn_gate.weight": matrix(inner, hidden),
            f"blk.{n}.ffn_up.weight": matrix(inner, hidden),
            f"blk.{n}.ffn_norm.weight": random.uniform(0.5, 1.5, hidden).astype(np.float32),
            f"blk.{n}.attn_k.weight": matrix(width, hidden),
            f"blk.{n}.attn_output.weight": matrix(hidden, hidden),
            f"blk.{n}.attn_q.weight": matrix(hidden, hidden),
            f"blk.{n}.attn_v.weight": matrix(width, hidden),
        }
    tensors["output_norm.weight"] = random.uniform(0.5, 1.5, hidden).astype(np.float32)
    if not tied:
        tensors["output.weight"] = matrix(vocabulary, hidden, 4.0)
    return tensors


def tiny_gguf(
    path: Path,
    seed: int = 0,
    *,
    vocabulary: int = 384,
    hidden: int = 64,
    layers: int = 2,
    heads: int = 4,
    kv_heads: int = 2,
    context: int = 512,
    quantisation: str = "F32",  # of the matrices: F32, F16, Q8_0, Q4_0, Q4_1
    tied: bool = True,
    pre: str = "smollm",
) -> Path:
    """Write a random llama with a small byte-level BPE to `path` and return it; under a tenth of a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tokens, merges = tiny_bpe(vocabulary)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"Tiny {seed}")
    writer.add_license("Apache-2.0")
    writer.add_block_count(layers)
    writer.add_context_length(context)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(2 * hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocabulary)
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT)
    kind = gguf.GGMLQuantizationType[quantisation]
    given = tiny_tensors(
        seed, vocabulary=vocabulary, hidden=hidden, layers=layers, heads=heads, kv_heads=kv_heads, tied=tied
    )
    for name, tensor in given.items():
        if tensor.ndim == 1:
            writer.add_tensor(name, tensor)
        else:
            writer.add_tensor(name, gguf.quantize(tensor, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tiny_base(folder: Path, seed: int = 0, **shape: object) -> Path:
    """A finished artefact of kind "base" that holds `base.gguf`; returns the folder."""
    tiny_gguf(folder / "base.gguf", seed, **shape)  # type: ignore[arg-type]
    _manifest(folder, "base", f"{seed:032x}")
    return folder


def tiny_layer(
    folder: Path,
    base: Path,
    seed: int = 0,
    *,
    rank: int = 4,
    alpha: float = 8.0,
    targets: tuple[str, ...] = TARGETS,
    tokens: tuple[str, ...] = (),
    merges: tuple[str, ...] = (),
    chat_template: str | None = None,
    scale: float = 0.1,
) -> Path:
    """A random layer for a tiny GGUF, as a finished artefact of kind "layer"; returns the folder."""
    reader = gguf.GGUFReader(base)
    sizes = {tensor.name: [int(n) for n in tensor.shape[::-1]] for tensor in reader.tensors}
    named = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
             "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}  # fmt: skip
    outside = {"embed_tokens": ("model.embed_tokens", "token_embd"), "lm_head": ("lm_head", "output")}
    random = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}

    def pair(module: str, shape: list[int]) -> None:
        tensors[f"{module}.a"] = (random.standard_normal((rank, shape[1])) * scale).astype(np.float16)
        tensors[f"{module}.b"] = (random.standard_normal((shape[0], rank)) * scale).astype(np.float16)

    for target in targets:
        if target in outside:
            pair(outside[target][0], sizes[f"{outside[target][1]}.weight"])
            continue
        group = "mlp" if named[target].startswith("ffn") else "self_attn"
        for name, shape in sizes.items():
            if name.endswith(f".{named[target]}.weight"):
                pair(f"model.layers.{name.split('.')[1]}.{group}.{target}", shape)
    if tokens:
        hidden = sizes["token_embd.weight"][1]
        places = ["model.embed_tokens"] + (["lm_head"] if "output.weight" in sizes else [])
        for place in places:
            tensors[f"{place}.rows"] = random.standard_normal((len(tokens), hidden)).astype(np.float16)
    spec = LayerSpec(
        base_name="tiny",
        base_sha256=sha256_file(base),
        rank=rank,
        alpha=alpha,
        targets=targets,
        tokens=tokens,
        merges=merges,
        chat_template=chat_template,
    )
    write_layer(folder, spec, tensors)
    _manifest(folder, "layer", f"{seed + 1:032x}")
    return folder


def _manifest(folder: Path, kind: str, key: str) -> None:
    maker = Maker(step="tests.tiny", version=1, params={}, rumpun="0")
    write_manifest(
        folder, Manifest(kind=kind, id=key, name=folder.name, maker=maker, licences=("Apache-2.0",))
    )
