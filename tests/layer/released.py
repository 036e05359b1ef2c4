"""A store with a corpus, a layer trained on it and its measurement, and a release of them; all tiny and made here."""

from pathlib import Path

import msgspec

from rumpun.edge.export import ExportParams, layer_metadata, write_fitting
from rumpun.layer.release_folder import Settings, build_release
from rumpun.layer.signing import make_key, open_key
from rumpun.records.artefacts import Maker, Manifest, SourceEntry, read_manifest, write_manifest
from tiny import tiny_gguf, tiny_layer

NEWS = SourceEntry(
    name="news", licence="CC-BY-SA-4.0", url="https://example.org/news", commit="abc", rows=3, bytes=300
)
TESTS = SourceEntry(name="tests", licence="CC-BY-NC-4.0", rows=1, bytes=9, role="benchmark")
HELD = SourceEntry(name="held", licence="CC0-1.0", rows=1, bytes=9, role="held-out")


def maker(step):
    return Maker(
        step=step, version=1, params={"share": 0.5, "names": ["a"]}, rumpun="0.1.0", tools={"numpy": "2"}
    )


def artefact(store, kind, letter, step, parents=(), **facts):
    """A finished artefact whose licences are those of its sources and parents; returns its folder."""
    folder = store / (letter * 32)
    folder.mkdir(parents=True, exist_ok=True)
    above = [read_manifest(store / parent) for parent in parents]
    sources = {(s.name, s.role): s for m in above for s in m.sources} | {
        (s.name, s.role): s for s in facts.pop("sources", ())
    }
    licences = {s.licence for s in sources.values()} | {licence for m in above for licence in m.licences}
    write_manifest(
        folder,
        Manifest(
            kind=kind, id=letter * 32, name=f"{kind}-{letter}", maker=maker(step), parents=tuple(parents),
            sources=tuple(sources.values()), licences=tuple(sorted(licences)), languages=("th", "id"), **facts,
        ),
    )  # fmt: skip
    return folder


def store_of(place, *, news=NEWS, tokens=()):
    """(folder of the layer, its base): documents -> corpus -> layer <- evaluation, which also read a benchmark."""
    store = place / "store"
    base = tiny_gguf(place / "tiny.gguf", 31)
    own = SourceEntry(
        name="tiny", licence="Apache-2.0", role="base", url="https://huggingface.co/someone/Tiny"
    )
    artefact(store, "documents", "d", "corpus.read", sources=[news, HELD])
    artefact(store, "corpus", "c", "corpus.write", ["d" * 32])
    (store / ("c" * 32) / "train.jsonl").write_text("{}\n")
    tiny_layer(store / ("a" * 32), base, 32, tokens=tokens)
    layer = artefact(store, "layer", "a", "layer.train", ["c" * 32], sources=[own], summary={"steps": 7})
    scores = {
        "languages": {
            "th": {"model": 1.0, "against": 1.5, "difference": [-0.6, -0.4], "documents": 4, "bytes": 99}
        }
    }
    artefact(store, "evaluation", "e", "evaluate.bpb", ["a" * 32, "c" * 32], sources=[TESTS], summary=scores)
    return layer, base


def released(layer, base, target, key=None, **settings):
    """A release of the layer; its key is made beside it where none is given."""
    own = Path(target).parent / "maker.pem"
    key = key or (open_key(own) if own.exists() else make_key(own))

    def put_together(file, form, about):
        metadata = {"general.name": about.name, "rumpun.parents": [about.id]} | layer_metadata(about)
        write_fitting(base, layer, file, ExportParams(quantisation=form), metadata=metadata)

    return build_release(layer, target, Settings(**settings), base=base, key=key, put_together=put_together)


def rewrite(path, **facts):
    """A manifest with other facts, its files as they were."""
    old = msgspec.json.decode(path.read_bytes(), type=Manifest)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(old, **facts)))
