"""The tagger `normalise`: the text that every later figure and edit is about, kept only where it differs from what was read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rumpun.corpus.tag.batch import Batch

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Normalise", "normalised"]


def normalised(texts: list[str], tags: list[str]) -> list[tuple[str, dict[str, int]]]:
    """Each text normalised for its language, with what was mended: rule -> how often."""
    from rumpun.language.normalise import normalise_all

    found = normalise_all(texts, [tag or None for tag in tags])
    return [(item.text, dict(item.changes)) for item in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalise:
    """Normalisation by script, as language.normalise does it; no options."""

    @property
    def name(self) -> str:
        """As in the table."""
        return "normalise"

    @property
    def version(self) -> int:
        """Raised whenever a text comes out differently."""
        return 1

    @property
    def columns(self) -> "pa.Schema":
        """Both are null where nothing was mended."""
        import pyarrow as pa

        change = pa.struct([("rule", pa.string()), ("count", pa.int32())])
        return pa.schema([("normalise.text", pa.large_string()), ("normalise.changes", pa.list_(change))])

    def facts(self) -> dict[str, Any]:
        """Nothing beside the version."""
        return {}

    def tag(self, batch: Batch) -> "dict[str, pa.Array]":
        """N texts and N lists of what was mended."""
        import pyarrow as pa

        texts: list[str | None] = []
        changes: list[list[dict[str, Any]] | None] = []
        for before, (after, mended) in zip(batch.texts, normalised(batch.texts, batch.declared), strict=True):
            same = after == before
            texts.append(None if same else after)
            listed = [{"rule": rule, "count": count} for rule, count in sorted(mended.items())]
            changes.append(None if same else listed)
        schema = self.columns
        return {
            name: pa.array(column, schema.field(name).type)
            for name, column in (("normalise.text", texts), ("normalise.changes", changes))
        }
