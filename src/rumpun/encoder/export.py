"""The step `encoder.export`: a student -> int8 ONNX with its tokenizer, measured on sources that were never fitted."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rumpun.encoder.encoder import GRAPH, SPEC, TOKENIZER, Encoder, EncoderSpec
from rumpun.encoder.pairs import TABLE, Pair
from rumpun.encoder.train import WEIGHTS
from rumpun.errors import InputError
from rumpun.records.artefacts import sha256_file
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ExportParams", "export", "kept_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportParams:
    """What the recipe may say."""

    row_bits: int = 4  # of the subwords' vectors: 4 or 8
    weight_most: int = 63  # largest 8-bit weight; 127 where processors have VNNI
    longest_tokens: int = 256
    bytes_max: int = 25_000_000  # of graph and tokenizer together

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if self.row_bits not in (4, 8):
            raise ValueError(f"row_bits = {self.row_bits}: expected 4 or 8")


@step(kind="encoder", version=2, part="train", needs=("encoder-weights", "pairs"))
def export(params: ExportParams, work: Work) -> Outcome:
    """Quantise, write, measure."""
    import onnx
    import onnxruntime
    from safetensors.numpy import load_file

    from rumpun.encoder.measure import retrieval
    from rumpun.encoder.onnx_graph import build

    weights = work.input("encoder-weights")
    tensors = {name: t.astype("float32") for name, t in load_file(weights.folder / WEIGHTS).items()}
    graph = build(tensors, bits=params.row_bits, weight_most=params.weight_most)
    (work.folder / GRAPH).write_bytes(graph.SerializeToString())
    shutil.copyfile(weights.folder / TOKENIZER, work.folder / TOKENIZER)
    pairs = work.input("pairs")
    languages = ("en", *(name for name in pairs.manifest.languages if name != "en"))
    spec = EncoderSpec(
        name="rumpun-encoder",
        width=tensors["words.weight"].shape[1],
        longest_tokens=min(params.longest_tokens, len(tensors["places"])),
        languages=languages,
        subwords=len(tensors["words.weight"]),
        row_bits=params.row_bits,
        files={name: sha256_file(work.folder / name) for name in (GRAPH, TOKENIZER)},
    )
    (work.folder / SPEC).write_bytes(msgspec.json.format(msgspec.json.encode(spec), indent=2) + b"\n")
    size = sum((work.folder / name).stat().st_size for name in (GRAPH, TOKENIZER, SPEC))
    if size > params.bytes_max:
        raise InputError(
            f"the encoder is {size:,} bytes, bytes_max is {params.bytes_max:,}",
            "take fewer subwords, or row_bits = 4",
        )
    encoder = Encoder.load(work.folder)
    measured: dict[str, Any] = {"bytes": size, "trained": weights.manifest.summary}
    for split, rows in kept_out(pairs.folder / TABLE).items():
        work.progress(0, 1, f"retrieval, {split}")
        measured[split] = retrieval(encoder.embed, rows)
    return Outcome(
        languages=languages,
        summary=measured,
        tools={"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
        name=spec.name,
    )


def kept_out(table: Path) -> "Mapping[str, list[Pair]]":
    """The rows that were never fitted: "development" (for choosing) and "held-out" (for measuring)."""
    from pyarrow import parquet

    columns = parquet.read_table(table).to_pydict()
    found: dict[str, list[Pair]] = {"development": [], "held-out": []}
    for row in zip(columns["split"], *(columns[name] for name in Pair.__slots__), strict=True):
        if row[0] in found:
            found[row[0]].append(Pair(*row[1:]))
    return found
