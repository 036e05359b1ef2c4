"""A folder of transformers weights opened: checked first, loaded in silence, its tokenizer made fit for threads."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rumpun.engines.llamacpp_memory import available_bytes, calm_threads
from rumpun.errors import EnvironmentFault, InputError, MissingPartError

if TYPE_CHECKING:
    import torch

__all__ = ["check_folder", "core_of", "device_of", "end_tokens", "load", "torch_or_missing"]

_ENDS: Final = (
    "<|endoftext|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|end|>",
    "<end_of_turn>",
    "<|assistant_end|>",
    "<|end_of_text|>",
    "</s>",
)


def torch_or_missing() -> Any:
    """The module torch, with transformers silenced.

    Raises:
        MissingPartError: one of them is not installed.
    """
    calm_threads()
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingPartError("a folder of transformers weights", "eval") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return torch


def check_folder(folder: Path) -> None:
    """Refuse a folder that lacks a file, before anything heavy is loaded.

    Raises:
        InputError: names the first that is missing.
    """
    mend = "name a folder with config.json, *.safetensors and tokenizer.json"
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", mend)
    for wanted in ("config.json", "*.safetensors", "tokenizer.json"):
        if not any(folder.glob(wanted)):
            raise InputError(f"{folder}: no {wanted} in it", mend)


def device_of(asked: str | None) -> "torch.device":
    """The device asked for, RUMPUN_DEVICE's, a GPU where there is one, or the CPU; engines and training alike.

    Raises:
        EnvironmentFault: torch cannot use it here.
    """
    import torch

    named = os.environ.get("RUMPUN_DEVICE")
    wanted = asked or named or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise EnvironmentFault(
            f"{'device' if asked else 'RUMPUN_DEVICE'} = '{wanted}': torch cannot use it"
            f" ({str(error).splitlines()[0]})",
            "cpu or cuda, or unset RUMPUN_DEVICE",
        ) from error
    return device


def load(folder: Path, dtype: Any, device: "torch.device") -> tuple[Any, Any]:
    """(model, tokenizer), from local files of safetensors alone.

    Raises:
        InputError: a file is damaged or of an unknown kind.
        EnvironmentFault: too little memory.
    """
    import transformers

    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    free = available_bytes()
    if device.type == "cpu" and free is not None and stored * 1.2 > free:
        raise EnvironmentFault(
            f"{folder}: {stored / 1e9:,.1f} GB of weights, {free / 1e9:,.1f} GB of memory are free",
            "free memory, or serve a quantised GGUF of it",
        )
    fixed: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), **fixed)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=dtype, use_safetensors=True, **fixed
        )
        return model.to(device).eval(), tokenizer
    except MemoryError as error:
        raise EnvironmentFault(
            f"{folder}: too little memory", "free memory, or use a smaller model"
        ) from error
    except Exception as error:  # transformers and safetensors raise many kinds for a damaged folder
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"{folder}: transformers cannot load it ({reason[0][:200]})", "fetch or make the folder again"
        ) from error


def core_of(tokenizer: Any, *, special: bool) -> Any:
    """The tokenizer's core, which threads may share: it keeps no state of a call."""
    import tokenizers

    core = tokenizers.Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    core.no_truncation()
    core.no_padding()
    core.encode_special_tokens = not special
    return core


def end_tokens(model: Any, tokenizer: Any, core: Any) -> tuple[frozenset[int], int]:
    """Tokens that end an answer, and the one that stands before a text to score."""
    named = model.generation_config.eos_token_id
    ends = {*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id}
    ends |= {core.token_to_id(token) for token in _ENDS}
    begun = tokenizer("")["input_ids"]  # what the tokenizer itself sets before a text
    first = tokenizer.bos_token_id
    start = first if first is not None and begun[:1] == [first] else core.token_to_id("<|endoftext|>")
    for token in (tokenizer.eos_token_id, tokenizer.bos_token_id):
        start = token if start is None else start
    if start is None:
        raise InputError(
            f"{tokenizer.name_or_path}: no end-of-text token", "add eos_token to tokenizer_config.json"
        )
    return frozenset(token for token in ends if token is not None), int(start)
