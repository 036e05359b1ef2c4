"""Tiny models of random weights, one of each family, as transformers folders with tokenizers trained on the spot.

from families import FAMILIES, tiny_folder, llamacpp_logits, torch_logits
"""

import json
import warnings
from pathlib import Path

import numpy as np

from rumpun.engines.llamacpp_library import library
from rumpun.engines.llamacpp_score import Scorer
from rumpun.weights.gguf_file import describe
from rumpun.weights.tokenizer_json import PRE_TOKENIZERS
from rumpun.weights.tokenizer_spm import SPACE
from tiny import CHAT, TEXTS

FAMILIES = ("llama", "smollm3", "qwen3", "gemma3", "apertus")
CUTS = {"llama": "llama-bpe", "smollm3": "smaug-bpe", "qwen3": "qwen2", "apertus": "youtu"}
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
ROWS = 12  # of the embedding beyond the tokenizer's tokens, as published models have
_LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
           "original_max_position_embeddings": 64}  # fmt: skip


def write_byte_level(path: Path, cut: str) -> int:
    """A byte-level BPE trained on `TEXTS`; returns the number of its tokens."""
    from tokenizers import Tokenizer, models, trainers

    tokenizer = Tokenizer(models.BPE())
    table = json.loads(tokenizer.to_str())
    table["pre_tokenizer"] = PRE_TOKENIZERS[cut]
    table["decoder"] = {
        "type": "ByteLevel",
        "add_prefix_space": True,
        "trim_offsets": True,
        "use_regex": True,
    }
    tokenizer = Tokenizer.from_str(json.dumps(table))
    from tokenizers.pre_tokenizers import ByteLevel

    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=list(SPECIAL),
        show_progress=False,
        initial_alphabet=sorted(ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    tokenizer.save(str(path))
    return tokenizer.get_vocab_size()


def write_sentencepiece(path: Path) -> int:
    """A SentencePiece-like vocabulary as Gemma's tokenizer.json has it: single bytes, and every way to make a piece."""
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = sorted({letter for text in TEXTS for letter in text.replace(" ", SPACE)})
    pieces: list[str] = []
    words = sorted({SPACE + word for text in TEXTS for word in text.split()})
    for word in words[:120]:
        pieces += [word[:end] for end in range(2, min(len(word), 7) + 1)]
    pieces += [f"{SPACE}{SPACE}", "\n\n"]
    pieces = [piece for piece in dict.fromkeys(pieces) if len(piece) > 1]
    pieces.sort(key=lambda piece: (len(piece), piece))  # a piece comes after its parts
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    tokens = [*special, *bytes_, *pieces, *letters, "\n"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    assert len(vocabulary) == len(tokens)
    merges = [
        [piece[:at], piece[at:]]
        for piece in pieces
        for at in range(1, len(piece))
        if piece[:at] in vocabulary and piece[at:] in vocabulary
    ]
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    back = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    added = [
        {"id": number, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for number, token in enumerate(special)
    ]  # fmt: skip
    bos = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    table = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": replace,
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [bos, {"Sequence": {"id": "A", "type_id": 0}}, bos, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [back, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
            "vocab": vocabulary, "merges": merges,
        },
    }  # fmt: skip
    path.write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")
    return len(tokens)


def tiny_folder(
    folder: Path, family: str, seed: int = 0, *, shard_bytes: str = "50GB", dtype: str = "float32"
) -> Path:
    """A folder as a hub has it: config.json, safetensors, tokenizer; every number of the model is random."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    gemma = family == "gemma3"
    tokens = (
        write_sentencepiece(folder / "tokenizer.json")
        if gemma
        else write_byte_level(folder / "tokenizer.json", CUTS[family])
    )
    bos, eos, pad = ("<bos>", "<eos>", "<pad>") if gemma else (SPECIAL[1], SPECIAL[2], SPECIAL[0])
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": bos, "eos_token": eos,
                    "pad_token": pad, "model_max_length": 256, "chat_template": CHAT} | ({"unk_token": "<unk>"} if gemma else {}))
    )  # fmt: skip
    shape = {"vocab_size": tokens + ROWS, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
             "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256,
             "bos_token_id": 2 if gemma else 1, "eos_token_id": 1 if gemma else 2, "pad_token_id": 0}  # fmt: skip
    torch.manual_seed(seed)
    make = {
        "llama": lambda: transformers.LlamaConfig(**shape, rope_parameters=_LLAMA3, tie_word_embeddings=True),
        "smollm3": lambda: transformers.SmolLM3Config(**shape),
        "qwen3": lambda: transformers.Qwen3Config(**(shape | {"head_dim": 32})),
        "gemma3": lambda: transformers.Gemma3TextConfig(
            **(shape | {"head_dim": 32}), query_pre_attn_scalar=32, sliding_window=16,
            layer_types=["sliding_attention", "full_attention"] * 2,
            rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                             "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}},
        ),
        "apertus": lambda: transformers.ApertusConfig(**shape, rope_parameters={**_LLAMA3, "rope_theta": 12e6}),
    }  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_config(make[family]())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 and "act_fn" not in name:
                parameter.add_(torch.randn(parameter.shape) * 0.2)
            elif parameter.ndim == 1:
                parameter.copy_(torch.rand(parameter.shape) - 0.5)
            else:
                parameter.copy_(
                    torch.randn(parameter.shape)
                    * (0.3 if "embed" in name else 1.2 * parameter.shape[1] ** -0.5)
                )
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard_bytes)
    return folder


def tokenizer_of(folder: Path):
    """The folder's tokenizer as transformers loads it."""
    import transformers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return transformers.AutoTokenizer.from_pretrained(folder)


def torch_logits(folder: Path, texts: list[list[int]]) -> list[np.ndarray]:
    """Logits [tokens, vocabulary] of each list of tokens, in float32 and with transformers' plain attention."""
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        return [model(torch.tensor([tokens])).logits[0].numpy() for tokens in texts]


def llamacpp_logits(path: Path, texts: list[list[int]]) -> list[np.ndarray]:
    """The same from a GGUF by the runtime, through the C functions that scoring uses, without flash attention.

    Flash attention rounds on the way: with it the same files differ by up to 0.05 where logits spread by 2.5.
    """
    about = describe(path)
    scorer, lib = _Plain(path, about, 1), library()
    found = []
    try:
        context = scorer._need_context(max(map(len, texts)))
        for tokens in texts:
            lib.llama_memory_clear(lib.llama_get_memory(context), True)
            batch = lib.llama_batch_init(len(tokens), 0, 1)
            batch.count = len(tokens)
            for at, token in enumerate(tokens):
                batch.token[at], batch.pos[at], batch.n_seq[at], batch.seq[at][0] = token, at, 1, 0
                batch.logits[at] = 1
            assert lib.llama_decode(context, batch) == 0
            rows = np.ctypeslib.as_array(lib.llama_get_logits(context), (len(tokens), about.vocabulary))
            found.append(rows.copy())
            lib.llama_batch_free(batch)
    finally:
        scorer.close()
    return found


class _Plain(Scorer):
    def _library(self):
        return _PlainLibrary()


class _PlainLibrary:
    """The runtime's functions, with contexts that have flash attention switched off."""

    def __getattr__(self, name):
        return getattr(library(), name)

    def llama_context_default_params(self):
        params = library().llama_context_default_params()
        params.words[13] = 0  # flash_attn_type: disabled
        return params
