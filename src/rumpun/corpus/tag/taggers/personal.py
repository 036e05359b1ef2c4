"""The tagger `personal`: identifiers, phones, cards and mail addresses, found by the room `personal`; nothing is masked here."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rumpun.corpus.tag.batch import Batch

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Personal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """Spans of personal data in the normalised text."""

    least_score: float = 0.6  # from which a span counts

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if not 0 <= self.least_score <= 1:
            raise ValueError(f"least_score = {self.least_score}: expected 0 to 1")

    @property
    def name(self) -> str:
        """As in the table."""
        return "personal"

    @property
    def version(self) -> int:
        """Raised whenever a span changes by what is written here."""
        return 1

    @property
    def columns(self) -> "pa.Schema":
        """`spans` is null where nothing was found; `count` is of those with at least `least_score`."""
        import pyarrow as pa

        span = pa.struct(
            [
                ("type", pa.string()),  # "EMAIL", "SG_NRIC"
                ("start", pa.int32()),  # code points of the normalised text
                ("end", pa.int32()),
                ("score", pa.float32()),
            ]
        )
        return pa.schema([("personal.count", pa.int32()), ("personal.spans", pa.list_(span))])

    def facts(self) -> dict[str, Any]:
        """The packs of countries, by hash."""
        import hashlib
        from pathlib import Path

        import rumpun.personal as room

        folder = Path(next(iter(room.__path__)))
        digest = hashlib.sha256()
        for path in sorted([*folder.rglob("*.toml"), *folder.rglob("*.py")]):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
        return {"personal": digest.hexdigest()[:16]}

    def tag(self, batch: Batch) -> "dict[str, pa.Array]":
        """N counts and N lists of spans."""
        import pyarrow as pa

        from rumpun.personal import tag

        counts: list[int] = []
        spans: list[list[dict[str, Any]] | None] = []
        for found in tag(batch.texts):
            counts.append(sum(item.score >= self.least_score for item in found))
            listed = [
                {"type": item.type, "start": item.start, "end": item.end, "score": item.score}
                for item in found
            ]
            spans.append(listed or None)
        schema = self.columns
        return {
            name: pa.array(column, schema.field(name).type)
            for name, column in (("personal.count", counts), ("personal.spans", spans))
        }
