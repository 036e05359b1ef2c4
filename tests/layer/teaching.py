"""A teacher whose mind is known: a tiny GGUF that spells one sentence, with a figure in it that its seed draws."""

from pathlib import Path

import gguf
import numpy as np

from tiny import byte_letters, tiny_bpe, tiny_gguf

SPELT = "Kebun padi"  # no letter twice: the next token follows from the last one alone
ANSWER = r"Kebun padi[0-9]\."
ANSWER_TOKENS = range(len(SPELT) + 2, len(SPELT) + 4)  # the token that ends it may be counted or not


def spelling_gguf(path: Path) -> Path:
    """Write it to `path`: whatever it is asked, it answers `ANSWER` and stops."""
    tiny_gguf(path, 5, tied=False)
    tokens = tiny_bpe(384)[0]
    letters = byte_letters()
    place = {byte: tokens.index(letters[byte]) for byte in range(128)}
    spelt = [place[byte] for byte in SPELT.encode()]
    figures = [place[byte] for byte in b"0123456789"]
    follows = dict(zip(spelt, [place[ord("\n")], *spelt], strict=False))  # token -> what it follows
    follows |= dict.fromkeys(figures, spelt[-1])
    signs = np.random.default_rng(5).choice([-1.0, 1.0], (len(tokens), 64)).astype(np.float32)
    signs[figures] = signs[figures[0]]  # what comes after them is the same
    follows |= {place[ord(".")]: figures[0], tokens.index("<|im_end|>"): place[ord(".")]}
    out = np.zeros_like(signs)
    for token, before in follows.items():
        out[token] = signs[before]
    for tensor in gguf.GGUFReader(path, "r+").tensors:
        if tensor.name in ("token_embd.weight", "output.weight"):
            tensor.data[:] = signs if tensor.name.startswith("token") else out
        elif tensor.name == "output_norm.weight":
            tensor.data[:] = 1
        elif tensor.name.endswith(("attn_output.weight", "ffn_down.weight")):
            tensor.data[:] = 0  # the blocks add nothing: the last token decides
    return path
