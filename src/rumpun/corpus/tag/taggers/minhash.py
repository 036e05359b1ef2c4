"""The tagger `minhash`: a signature of each text for near-duplicates, and a key for exact ones; nothing is compared here."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rumpun.corpus.exact import text_keys
from rumpun.corpus.minhash import BINS, MIN_SHINGLES, SCHEME, signatures

if TYPE_CHECKING:
    import pyarrow as pa

    from rumpun.corpus.tag.batch import Batch

__all__ = ["MinHashTagger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinHashTagger:
    """Signatures in the format of `rumpun.corpus.minhash`, and keys of `rumpun.corpus.exact`; no options."""

    @property
    def name(self) -> str:
        """As in the table."""
        return "minhash"

    @property
    def version(self) -> int:
        """Raised whenever a signature or key changes."""
        return 1

    @property
    def columns(self) -> "pa.Schema":
        """Signature, how many shingles it stands for, and the text's key."""
        import pyarrow as pa

        return pa.schema(
            [
                ("minhash.signature", pa.binary(BINS)),  # null below MIN_SHINGLES shingles
                ("minhash.shingles", pa.int32()),  # about the text's letters
                ("minhash.text_key", pa.binary(16)),  # equal where texts are, case and white space apart
            ]
        )

    def facts(self) -> dict[str, Any]:
        """The signature's format by name."""
        return {"scheme": SCHEME}

    def tag(self, batch: "Batch") -> "dict[str, pa.Array]":
        """N values of each column; a text is sketched as far as the batch's arrays hold it."""
        import numpy as np
        import pyarrow as pa

        found, shingles = signatures(batch.codes, batch.kinds, batch.starts, batch.ends)
        return {
            "minhash.signature": _binary(found, shingles >= MIN_SHINGLES),
            "minhash.shingles": pa.array(shingles.astype(np.int32)),
            "minhash.text_key": _binary(text_keys(batch.texts), None),
        }


def _binary(rows: Any, valid: Any) -> "pa.Array":
    """Fixed-size binary from N rows of bytes, without a Python object for each."""
    import numpy as np
    import pyarrow as pa

    mask = None if valid is None or valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    width = rows.itemsize * (rows.shape[1] if rows.ndim > 1 else 1)
    return pa.Array.from_buffers(
        pa.binary(width), len(rows), [mask, pa.py_buffer(np.ascontiguousarray(rows))]
    )
