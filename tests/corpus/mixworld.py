"""Documents, attributes and decisions made by hand, as the steps before the mixture leave them; texts written for this test."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from world import EN, ID, MY, TH, several

from rumpun.corpus.filter.step import decisions_schema
from rumpun.corpus.mix.params import MixParams
from rumpun.corpus.mix.step import mix
from rumpun.corpus.parts import documents_schema, write_part
from rumpun.corpus.write.params import WriteParams
from rumpun.corpus.write.step import write
from rumpun.recipes import build
from rumpun.records.artefacts import Maker, Manifest, SourceEntry, read_manifest, write_manifest
from rumpun.steps import Input, Outcome, Step, Work, quiet

FORMS = {"id": ID, "th": TH, "my": MY, "en": EN}


def document(source: str, language: str, text: str, number: int, **more: Any) -> dict[str, Any]:
    """One row; `decision` among `more` is merged into its decision, `score` and `normal` are attributes."""
    return {
        "id": f"{source}-{language}-{number}", "text": text, "language": language, "source": source, "licence": "CC-BY-4.0",
        "url": f"https://{source}.example.org/{number}", "domain": "news", "contributor": "", "where": f"{source}:{number}",
    } | more  # fmt: skip


def documents(source: str, language: str, count: int, first: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Rows that differ in their words."""
    texts = several(FORMS[language], count, first)
    return [document(source, language, text, n, **more) for n, text in enumerate(texts)]


class Stages:
    """The artefacts before the mixture, in a folder, cut into parts of so many rows."""

    def __init__(self, folder: Path, rows: list[dict[str, Any]], part_rows: int = 40) -> None:
        self.folder, self.rows = folder, rows
        self.inputs: dict[str, Input] = {}
        tables = self._tables()
        for kind, table in tables.items():
            place = folder / kind
            for number, start in enumerate(range(0, len(rows), part_rows)):
                write_part(place, number, table.slice(start, part_rows).combine_chunks())
            if kind == "documents":
                names = sorted({row["source"] for row in rows})
                listed = [{"name": name, "kind": "text", "left_out": []} for name in names]
                (place / "sources.json").write_text(json.dumps(listed))
            self._finish(kind, place)

    def _tables(self) -> dict[str, pa.Table]:
        schema = documents_schema()
        listed = [
            {name: row[name] for name in schema.names if name != "key"} | {"key": n}
            for n, row in enumerate(self.rows)
        ]
        made = [
            {"key": n, "language": row["language"], "kept": True, "failed": []} | row.get("decision", {})
            for n, row in enumerate(self.rows)
        ]
        scores = pa.array([row.get("score") for row in self.rows], pa.float32())
        normal = pa.array([row.get("normal") for row in self.rows], pa.large_string())
        keys = pa.array(range(len(self.rows)), pa.uint64())
        return {
            "documents": pa.Table.from_pylist(listed, schema=schema),
            "attributes": pa.table({"key": keys, "quality.score": scores, "normalise.text": normal}),
            "decisions": pa.Table.from_pylist(made, schema=decisions_schema()),
        }

    def _finish(self, kind: str, place: Path) -> None:
        sources = tuple(
            SourceEntry(name=name, licence="CC-BY-4.0", url=f"https://{name}.example.org", sha256="0" * 64)
            for name in sorted({row["source"] for row in self.rows})
        )
        made = Manifest(
            kind=kind, id=kind.ljust(32, "0"), maker=Maker(step=f"corpus.{kind}", version=1, params={}, rumpun="0"),
            sources=sources if kind == "documents" else (), languages=tuple(sorted({r["language"] for r in self.rows})),
        )  # fmt: skip
        write_manifest(place, made)
        self.inputs[kind] = Input(kind, place, read_manifest(place))

    def run(self, step: Step[Any], params: dict[str, Any], kind: str, seed: int = 7) -> tuple[Path, Outcome]:
        """Run one step by hand and finish its artefact."""
        import dataclasses

        place, scratch = self.folder / kind, self.folder / f"{kind}.scratch"
        place.mkdir()
        scratch.mkdir()
        made = build(step.params, params, kind)
        work = Work(
            inputs=tuple(self.inputs.values()),
            folder=place,
            scratch=scratch,
            seed=seed,
            progress=quiet,
            key="f" * 32,
        )
        outcome = step.function(made, work)
        manifest = Manifest(
            kind=kind, id=kind.ljust(32, "1"), sources=outcome.sources, languages=outcome.languages,
            licences=tuple(sorted({s.licence for s in outcome.sources})), summary=outcome.summary,
            maker=Maker(step=f"corpus.{kind}", version=1, params=dataclasses.asdict(made) | {"seed": seed}, rumpun="0"),
        )  # fmt: skip
        write_manifest(place, manifest)
        self.inputs[kind] = Input(kind, place, read_manifest(place))
        return place, outcome

    def mix(self, seed: int = 7, **params: Any) -> dict[str, Any]:
        """Run corpus.mix; the figures of mixture.json."""
        place, _ = self.run(mix, params, "mixture", seed)
        found: dict[str, Any] = json.loads((place / "mixture.json").read_text())
        return found

    def write(self, **params: Any) -> Path:
        """Run corpus.write; the corpus's folder."""
        return self.run(write, params, "corpus")[0]


__all__ = ["FORMS", "MixParams", "Stages", "WriteParams", "document", "documents"]
