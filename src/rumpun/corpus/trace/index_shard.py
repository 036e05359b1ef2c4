"""One shard of a trace index: what is written, and how it is made.

A shard holds documents of about SHARD_BYTES of text. Files:

- `folded.bin`: the documents folded (`corpus.fold`) as UTF-8, U+0000 before each and after the last;
- `suffixes.bin`: positions in `folded.bin` where a folded letter begins, in the order of what follows them; little-endian,
  3 bytes each, or 4 where the shard has more than 16 MiB;
- `texts.bin`: the documents as they are, in pieces, zlib blocks of about 64 KiB;
- `rows.bin`: each document's row without its text, JSON, zlib blocks of ROWS_AT_ONCE documents;
- `skeleton.bin`, `skeleton-suffixes.bin`: the same for consonant skeletons, positions of words' beginnings alone;
- `tables.safetensors`: where documents, pieces and blocks begin;
- `shard.json`: version, counts and the size of every file.

Memory while one is made: about 12 bytes for each byte of its text. Nothing here is a pickle.
"""

import json
import os
import shutil
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.trace.fold import codes_of, fold_codes, folded_bytes, starts_cluster
from rumpun.corpus.trace.skeleton import is_arabic, skeleton
from rumpun.errors import MissingPartError

__all__ = ["FIELDS", "FILES", "PIECE", "ROWS_AT_ONCE", "SHARD_BYTES", "VERSION", "make_shard", "suffix_array"]

VERSION = 1
SHARD_BYTES = 16 << 20  # of UTF-8 text
PIECE = 1 << 14  # code points; a longer document is folded again in pieces when a hit in it is looked at
ROWS_AT_ONCE = 128
FIELDS = ("id", "language", "source", "licence", "url", "domain", "contributor", "place")
FILES = (
    "folded.bin", "suffixes.bin", "texts.bin", "rows.bin", "skeleton.bin", "skeleton-suffixes.bin", "tables.safetensors",
)  # fmt: skip
_BLOCK = 1 << 16  # bytes of text
_CODES_AT_ONCE = 1 << 20
_LEVEL = 2  # of zlib

Rows = Sequence[Mapping[str, Any]]


def suffix_array(data: bytearray, keep: NDArray[np.bool_]) -> tuple[bytes, int]:
    """Positions that `keep` [len(data)] marks, in the order of their suffixes, packed; and the bytes of each.

    Raises:
        MissingPartError: pydivsufsort is not installed.
    """
    width = 3 if len(data) <= 1 << 24 else 4
    if not data:
        return b"", width
    try:
        import pydivsufsort
    except ModuleNotFoundError as error:
        raise MissingPartError("a trace index (pydivsufsort)", "corpus") from error
    order = pydivsufsort.divsufsort(np.frombuffer(data, dtype=np.uint8))
    kept = np.ascontiguousarray(order[keep[order]], dtype="<u4")
    return kept.view(np.uint8).reshape(-1, 4)[:, :width].tobytes(), width


def make_shard(rows: Iterable[Rows], final: Path, *, skeleton_languages: Sequence[str]) -> dict[str, Any]:
    """Write one shard beside `final` and rename it there; one that stands is left alone.

    Args:
        rows: batches of rows: `text` and FIELDS.
        final: the shard's folder.
        skeleton_languages: documents in these, and all in Arabic letters, are found across Jawi and Rumi.

    Returns:
        What `shard.json` says.
    """
    done = final / "shard.json"
    if done.is_file():
        found: dict[str, Any] = json.loads(done.read_bytes())
        return found
    aside = final.parent / f".{final.name}.{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        making = _Shard(aside, frozenset(skeleton_languages))
        for batch in rows:
            making.add(batch)
        facts = making.close()
        shutil.rmtree(final, ignore_errors=True)
        aside.replace(final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return facts


class _Blocks:
    """A file of zlib blocks and where they begin, in the file and in what was put in."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb")
        self._waiting: list[bytes] = []
        self._size = 0
        self.begin = [0]  # of what was put in
        self.at = [0]  # in the file

    def put(self, data: bytes) -> int:
        """Append, and say where it begins in what was put in."""
        begin = self.begin[-1] + self._size
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _BLOCK:
            self.cut()
        return begin

    def cut(self) -> None:
        """End the block."""
        if self._waiting:
            self.at.append(self.at[-1] + self._stream.write(zlib.compress(b"".join(self._waiting), _LEVEL)))
            self.begin.append(self.begin[-1] + self._size)
            self._waiting, self._size = [], 0

    def close(self) -> None:
        """End the file."""
        self.cut()
        self._stream.close()


class _Shard:
    """One shard under way."""

    def __init__(self, folder: Path, skeleton_languages: frozenset[str]) -> None:
        self._folder = folder
        self._skeleton_languages = skeleton_languages
        self._texts = _Blocks(folder / "texts.bin")
        self._rows = _Blocks(folder / "rows.bin")
        self._row_blocks: list[dict[str, Any]] = []
        self._folded = bytearray()
        self._bones = bytearray()
        self._documents = 0
        self._text_bytes = 0
        self._piece: dict[str, list[int]] = {"document": [], "character": [], "byte": []}
        self._piece_folded: list[NDArray[np.int64]] = []
        self._bone_documents: list[int] = []
        self._bone_starts: list[int] = []

    def add(self, rows: Rows) -> None:
        """Take a batch of rows, some megabytes of text at a time."""
        waiting: list[str] = []
        codes = 0
        for row in rows:
            text = row["text"]
            self._row_blocks.append({name: row.get(name) or "" for name in FIELDS})
            if len(self._row_blocks) == ROWS_AT_ONCE:
                self._end_rows()
            if row["language"] in self._skeleton_languages or is_arabic(text):
                self._add_bones(text, self._documents + len(waiting))
            waiting.append(text)
            codes += len(text)
            if codes >= _CODES_AT_ONCE:
                self._fold(waiting)
                waiting, codes = [], 0
        self._fold(waiting)

    def _end_rows(self) -> None:
        if self._row_blocks:
            self._rows.put(json.dumps(self._row_blocks, ensure_ascii=False).encode())
            self._rows.cut()
            self._row_blocks = []

    def _add_bones(self, text: str, document: int) -> None:
        bones = skeleton(text)
        if bones:
            self._bones += b"\0"
            self._bone_documents.append(document)
            self._bone_starts.append(len(self._bones))
            self._bones += bones

    def _fold(self, texts: list[str]) -> None:
        """Fold whole documents and note where each of their pieces begins."""
        if not texts:
            return
        codes = codes_of("\0" + "\0".join(text.replace("\0", " ") for text in texts))
        folded = fold_codes(codes)
        sizes = (
            1 + (folded.codes >= 0x80).astype(np.int64) + (folded.codes >= 0x800) + (folded.codes >= 0x10000)
        )
        begins = np.concatenate([[0], np.cumsum(sizes)])
        places: list[int] = []  # code points at which pieces begin; a document's first one is its separator
        at = 0
        for text in texts:
            cuts = _cuts(codes[at + 1 : at + 1 + len(text)])
            for begin, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
                data = text[begin:end].encode()
                self._piece["document"].append(self._documents)
                self._piece["character"].append(begin)
                self._piece["byte"].append(self._texts.put(data))
                self._text_bytes += len(data)
                places.append(at if begin == 0 else at + 1 + begin)
            self._documents += 1
            at += 1 + len(text)
        # a piece begins with a base letter, before which and after which nothing is reordered: `origin` can be searched
        self._piece_folded.append(begins[np.searchsorted(folded.origin, places)] + len(self._folded))
        self._folded += folded_bytes(folded.codes)

    def close(self) -> dict[str, Any]:
        """Write every file; the shard's figures."""
        from safetensors.numpy import save_file

        self._end_rows()
        self._texts.close()
        self._rows.close()
        folded, bones = self._folded, self._bones
        folded += b"\0"
        bones += b"\0"
        begins = np.frombuffer(folded, dtype=np.uint8)
        packed, width = suffix_array(folded, ((begins & 0xC0) != 0x80) & (begins != 0))
        bone_begins = np.frombuffer(bones, dtype=np.uint8)
        bone_packed, bone_width = suffix_array(bones, bone_begins == ord(" "))
        for name, data in (
            ("folded.bin", folded), ("suffixes.bin", packed), ("skeleton.bin", bones), ("skeleton-suffixes.bin", bone_packed),
        ):  # fmt: skip
            (self._folder / name).write_bytes(data)
        every = self._piece_folded or [np.zeros(0, dtype=np.int64)]
        tables = {f"piece_{name}": np.array(values, dtype=np.uint64) for name, values in self._piece.items()}
        tables |= {
            "piece_folded": np.concatenate(every).astype(np.uint64),
            "text_begin": np.array(self._texts.begin, dtype=np.uint64),
            "text_at": np.array(self._texts.at, dtype=np.uint64),
            "row_at": np.array(self._rows.at, dtype=np.uint64),
            "skeleton_document": np.array(self._bone_documents, dtype=np.uint64),
            "skeleton_start": np.array(self._bone_starts, dtype=np.uint64),
        }
        save_file(tables, self._folder / "tables.safetensors")
        facts = {
            "version": VERSION,
            "documents": self._documents,
            "text_bytes": self._text_bytes,
            "suffix_bytes": width,
            "skeleton_suffix_bytes": bone_width,
            "sizes": {name: (self._folder / name).stat().st_size for name in FILES},
        }
        (self._folder / "shard.json").write_text(json.dumps(facts) + "\n")
        return facts


def _cuts(codes: NDArray[np.uint32]) -> list[int]:
    """Where the pieces of one document [C] begin: 0, and then base letters at least PIECE code points apart."""
    found = [0]
    if len(codes) <= PIECE:
        return found
    bases = np.flatnonzero(starts_cluster(codes))
    while True:
        at = int(np.searchsorted(bases, found[-1] + PIECE))
        if at == len(bases):
            return found
        found.append(int(bases[at]))
