"""A corpus's packed shards as training's sources, where they were packed with the tokenizer of the base in use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.layer.source import Shard, Source, Tokens, join
from rumpun.layer.tokenizer import Tokenizer
from rumpun.records.artefacts import sha256_file
from rumpun.weights.packed_shards import PackedShards

__all__ = ["packed_sources"]


def packed_sources(corpus: Path, tokenizer: Tokenizer) -> tuple[list[Source], str]:
    """Each language's text from `packed/`; none, and why not, where that cannot stand for `train/`.

    Every shard is read once to see that its bytes are those that were written, and each language's first document is
    tokenised again to see that the base's tokenizer makes these tokens of this text.

    Raises:
        InputError: there are packed shards, and they are damaged or hold something else than their index says.
    """
    if not (corpus / "packed").is_dir():
        return [], "no packed shards"
    packed = PackedShards(corpus / "packed")
    texts = _beginnings(corpus / "train")
    why = _why_not(packed.index, tokenizer, texts)
    if why:
        return [], why
    packed.verify()
    return [_source(packed, tokenizer, language, *begins) for language, begins in texts.items()], ""


def _beginnings(train: Path) -> dict[str, tuple[int, str]]:
    """Language -> documents of its file, and the first one's text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = {}
    for path in sorted(train.glob("*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                batch = next(file.iter_batches(batch_size=1, columns=["text"]), None)
                if batch is not None:
                    found[path.stem] = file.metadata.num_rows, batch["text"][0].as_py()
        except (pa.ArrowException, KeyError) as error:
            raise InputError(
                f"{path}: not a shard of documents ({error})", "make the corpus again"
            ) from error
    return found


def _why_not(index: Mapping[str, Any], tokenizer: Tokenizer, texts: Mapping[str, object]) -> str:
    about, file = index.get("tokenizer", {}), tokenizer.folder / "tokenizer.json"
    if not file.is_file() or about.get("sha256") != sha256_file(file):
        return "packed with another tokenizer"
    if about.get("end_id") != tokenizer.end:
        return f"packed with '{about.get('end_of_text')}' between documents"
    if tokenizer.start:
        return "packed without the token that begins a text"
    lacking = sorted(set(texts) - set(index["languages"]))
    return f"not packed: {', '.join(lacking)}" if lacking else ""


def _source(packed: PackedShards, tokenizer: Tokenizer, language: str, documents: int, text: str) -> Source:
    shards = [_shard(tokens, table) for tokens, table in packed.shards(language)]
    found = sum(len(shard.starts) for shard in shards)
    expected = [*tokenizer.documents([text])[0], tokenizer.end]
    if found != documents or shards[0].tokens[: shards[0].lengths[0]].tolist() != expected:
        raise InputError(
            f"{packed.folder}: what is packed in {language} is not what stands in train/{language}.parquet",
            "make the corpus again, or take packed/ out of it",
        )
    return join(language, shards)


def _shard(tokens: Tokens, table: npt.NDArray[Any]) -> Shard:
    columns = {name: table[name].astype(np.int64) for name in ("start", "tokens", "times", "bytes")}
    return Shard(tokens, None, columns["start"], columns["tokens"], columns["times"], columns["bytes"])
