"""The encoder as it is used: texts -> unit vectors, on a processor, without torch."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError, MissingPartError
from rumpun.language.hanzi import simplified
from rumpun.records.artefacts import sha256_file
from rumpun.records.json_files import read_json
from rumpun.records.places import shipped_folder

if TYPE_CHECKING:
    from tokenizers import Encoding

__all__ = ["GRAPH", "Encoder", "EncoderSpec"]

GRAPH, SPEC, TOKENIZER = "encoder.onnx", "encoder.json", "tokenizer.json"
_LETTERS = 64  # code points for each token that is read: more than any token of ours has


class EncoderSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`encoder.json`: what the files beside it are."""

    name: str
    width: int
    longest_tokens: int  # signs at both ends among them; what is beyond is not read
    languages: tuple[str, ...]
    subwords: int
    row_bits: int
    files: dict[str, str]  # file -> sha256


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """A sentence encoder that is loaded; thread-safe. Make one with `Encoder.load`."""

    spec: EncoderSpec
    folder: Path
    tokenizer: Any
    session: Any
    threads: int  # texts that are worked on at once

    @classmethod
    def load(
        cls, path: Path | str | None = None, *, threads: int | None = None, check: bool = False
    ) -> "Encoder":
        """Read an encoder's folder, by default the one that is shipped.

        Args:
            path: the folder.
            threads: texts worked on at once, each by one; by default the machine's cores, four at most.
            check: hash the files against `encoder.json` (some 30 ms).

        Raises:
            InputError: a file is missing, damaged, or not the one that `encoder.json` names.
            MissingPartError: onnxruntime or tokenizers is not installed.
        """
        folder = Path(path) if path is not None else shipped_folder() / "encoder"
        spec = _spec(folder)
        for name, sha256 in spec.files.items():
            if not (folder / name).is_file() or (check and sha256_file(folder / name) != sha256):
                state = (
                    "is not the file that encoder.json names" if (folder / name).is_file() else "no such file"
                )
                raise InputError(
                    f"{folder / name}: {state}",
                    "restore the encoder from a release, or train it: rumpun encode train",
                )
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ModuleNotFoundError as error:
            raise MissingPartError("sentence vectors", "runtime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            session = onnxruntime.InferenceSession(
                str(folder / GRAPH), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise their own kinds, tokenizers a bare Exception
            raise InputError(
                f"{folder}: cannot be read as an encoder ({type(error).__name__})",
                "restore it from a release",
            ) from error
        _agree(folder, spec, tokenizer, session)
        tokenizer.no_padding()
        tokenizer.enable_truncation(spec.longest_tokens)
        tokenizer.encode_special_tokens = True  # "[SEP]" that somebody typed is five characters
        return cls(spec, folder, tokenizer, session, threads or min(4, os.cpu_count() or 1))

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, signs at both ends among them, those beyond `spec.longest_tokens` too."""
        return [len(e.ids) + sum(len(o.ids) - 2 for o in e.overflowing) for e in self._encoded(texts)]

    def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Unit vectors [texts, width].

        A text is read up to `spec.longest_tokens` tokens; `tokens` tells which ones are longer. An empty text, or one
        of white space alone, has the zero vector.
        """
        most = _LETTERS * self.spec.longest_tokens
        encoded = self._encoded([text[:most] for text in texts])  # a megabyte need not be split to its end
        for n, text in enumerate(texts):
            if len(text) > most and not encoded[n].overflowing:  # of what was read, much vanished
                encoded[n] = self._encoded([text])[0]
        found = np.zeros((len(encoded), self.spec.width), np.float32)
        places = [n for n, one in enumerate(encoded) if len(one.ids) > 2]

        def put(n: int) -> None:
            found[n] = self._run(encoded[n].ids)

        if len(places) == 1 or self.threads == 1:
            for n in places:
                put(n)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(put, places))
        return found

    def _encoded(self, texts: Sequence[str]) -> "list[Encoding]":
        # lone surrogates; and the encoder learnt from simplified characters alone
        clean = [simplified(text.encode("utf-8", "replace").decode("utf-8")) for text in texts]
        encoded: list[Encoding] = self.tokenizer.encode_batch(clean)
        return encoded

    def _run(self, ids: Sequence[int]) -> "npt.NDArray[np.float32]":
        """One text a run: in a batch the 8-bit range of one text would move with its neighbours."""
        row = np.asarray([ids], np.int64)
        vectors: npt.NDArray[np.float32] = self.session.run(
            ["vectors"], {"ids": row, "mask": np.ones_like(row)}
        )[0]
        vector: npt.NDArray[np.float32] = vectors[0]
        return vector


def _agree(folder: Path, spec: EncoderSpec, tokenizer: Any, session: Any) -> None:
    """Graph, tokenizer and `encoder.json` are of one encoder; what `check` does not hash is met here, not at a text."""
    names = {put.name for put in session.get_inputs()}
    for found, said in (
        (tokenizer.get_vocab_size(), spec.subwords),
        ([put.shape[-1] for put in session.get_outputs()], [spec.width]),
        (sorted(names), ["ids", "mask"]),
    ):
        if found != said:
            raise InputError(
                f"{folder}: its files belong to different encoders ({found} beside {said})",
                "restore it from a release",
            )


def _spec(folder: Path) -> EncoderSpec:
    absent = "name an encoder's folder, or train one: rumpun encode train"
    mend = "restore the encoder from a release"
    return read_json(folder / SPEC, EncoderSpec, "an encoder's description", absent=absent, damaged=mend)
