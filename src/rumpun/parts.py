"""The parts that a user may install, and which of them are here.

A part is an extra of the package (`pip install 'rumpun[corpus]'`) and a locked file (`requirements/corpus.txt`).
"""

import importlib.util
from collections.abc import Iterable, Mapping

from rumpun.errors import MissingPartError

__all__ = ["PARTS", "installed", "missing", "part_of", "require"]

# part -> the modules that stand for it; the lighter parts first
PARTS: Mapping[str, tuple[str, ...]] = {
    "runtime": (
        "xllamacpp",
        "gguf",
        "starlette",
        "uvicorn",
        "numpy",
        "onnxruntime",
        "tokenizers",
        "cryptography",
    ),
    "corpus": (
        "pyarrow",
        "daft",
        "fastwarc",
        "resiliparse",
        "phonenumbers",
        "pydivsufsort",
        "scipy",
        "altair",
        "vl_convert",
    ),
    "segment": ("pythainlp", "laonlp", "khmercut"),
    "score": ("sacrebleu", "yaml", "pyarrow"),
    "seahelm": ("pythainlp", "jieba", "pyonmttok"),
    "icu": ("icu",),
    "cluster": ("ray",),
    "presidio": ("presidio_analyzer",),
    "eval": ("torch", "transformers", "huggingface_hub"),
    "train": ("torch", "transformers", "peft", "sklearn", "pyarrow", "onnx"),
    "tests": ("pytest", "hypothesis", "openai", "playwright"),
}


def installed(module: str) -> bool:
    """Whether a module is here; it is not imported."""
    return importlib.util.find_spec(module) is not None


def missing(part: str) -> tuple[str, ...]:
    """The part's modules that are not installed."""
    return tuple(name for name in PARTS[part] if not installed(name))


def part_of(module: str) -> str | None:
    """The first part, lightest first, that brings a module, or None where it is none of theirs."""
    return next((part for part, modules in PARTS.items() if module in modules), None)


def require(what: str, parts: Iterable[str]) -> None:
    """See that every part is here.

    Raises:
        MissingPartError: names all that are not, at once.
    """
    lacking = [part for part in dict.fromkeys(parts) if part and missing(part)]
    if lacking:
        raise MissingPartError(what, *lacking)
