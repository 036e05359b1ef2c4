"""A tiny llama of random weights as a GGUF: a base for recipes that must run in seconds.

It knows nothing, and a layer trained on it shows only that every stage works. Same seed, same bytes.
"""

from pathlib import Path

__all__ = ["TINY_NAME", "write_tiny_base"]

TINY_NAME = "tiny"
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_CHAT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_PAIRS = (
    "an",
    "ng",
    " m",
    " s",
    "ก",
    "า",
    "က",
    "်",
    "ក",
    "ກ",
    "த",
)  # the first two bytes of each become one token
_HIDDEN, _INNER, _LAYERS, _HEADS, _KV_HEADS, _CONTEXT = 64, 128, 2, 4, 2, 512


def _letters() -> list[str]:
    """The letter that stands for each byte in a byte-level BPE (GPT-2's table)."""
    kept = {*range(33, 127), *range(161, 173), *range(174, 256)}
    other = iter(range(256, 512))
    return [chr(byte) if byte in kept else chr(next(other)) for byte in range(256)]


def write_tiny_base(path: Path, seed: int) -> Path:
    """Write the GGUF to `path`, whole or not at all, and return it."""
    import gguf
    import numpy as np

    letters = _letters()
    pairs = dict.fromkeys((letters[text.encode()[0]], letters[text.encode()[1]]) for text in _PAIRS)
    tokens = [*_SPECIAL, *letters, *("".join(pair) for pair in pairs)]
    making = path.with_name(f".{path.name}")
    writer = gguf.GGUFWriter(making, "llama")
    writer.add_name(f"Tiny {seed}")
    writer.add_license("CC0-1.0")
    writer.add_block_count(_LAYERS)
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_HIDDEN)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_rope_dimension_count(_HIDDEN // _HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in _SPECIAL else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in pairs])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_CHAT)
    random = np.random.default_rng(seed)
    narrow = _HIDDEN // _HEADS * _KV_HEADS
    shapes = {"attn_q": (_HIDDEN, _HIDDEN), "attn_k": (narrow, _HIDDEN), "attn_v": (narrow, _HIDDEN),
              "attn_output": (_HIDDEN, _HIDDEN), "ffn_gate": (_INNER, _HIDDEN), "ffn_up": (_INNER, _HIDDEN),
              "ffn_down": (_HIDDEN, _INNER)}  # fmt: skip
    ones = np.ones(_HIDDEN, dtype=np.float32)
    writer.add_tensor(
        "token_embd.weight", (random.standard_normal((len(tokens), _HIDDEN)) * 0.2).astype(np.float32)
    )
    for block in range(_LAYERS):
        writer.add_tensor(f"blk.{block}.attn_norm.weight", ones)
        writer.add_tensor(f"blk.{block}.ffn_norm.weight", ones)
        for name, (out, into) in shapes.items():
            matrix = random.standard_normal((out, into)) / into**0.5
            writer.add_tensor(f"blk.{block}.{name}.weight", matrix.astype(np.float32))
    writer.add_tensor("output_norm.weight", ones)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    making.replace(path)
    return path
