"""Croissant 1.1 with RAI 1.0: a corpus as JSON-LD, and a check of such a description against the files themselves.

Specification: mlcommons/croissant, docs/croissant-spec-1.1.md and docs/croissant-rai-spec.md. A record set stands for each
file, since a field has one source. Provenance is PROV-O: the sources that the corpus derives from, the steps that made
it, and for every record its source and contributor. Terms of use are an ODRL offer for each licence.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rumpun.corpus.cards.facts import Facts
from rumpun.corpus.cards.responsible import responsible
from rumpun.records.artefacts import sha256_file
from rumpun.records.licences import terms

__all__ = ["CONFORMS", "croissant", "problems"]

CONFORMS = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
_CR = (
    "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes", "extract", "field",
    "fileProperty", "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
    "parentField", "path", "recordSet", "references", "regex", "readLines", "repeated", "replace", "samplingRate", "sdVersion",
    "separator", "source", "subField", "transform", "unArchive", "value",
)  # fmt: skip
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "cc": "http://creativecommons.org/ns#",
    "conformsTo": "dct:conformsTo",
    **{name: f"cr:{name}" for name in _CR},
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}
_FIELDS = (  # column -> type, what it is, the property of a vocabulary that it is
    ("id", "sc:Text", "The source's own name for the document, or its hash.", "sc:identifier"),
    ("text", "sc:Text", "The text, with every edit applied.", "sc:text"),
    ("language", "sc:Text", "BCP 47.", "sc:inLanguage"),
    ("source", "sc:Text", "The source that it is from.", "prov:wasDerivedFrom"),
    ("licence", "sc:Text", "SPDX expression, or LicenseRef-.", "sc:license"),
    ("url", "sc:Text", "Where it was published; may be empty.", "sc:url"),
    ("domain", "sc:Text", "What kind of text it is.", "sc:genre"),
    ("contributor", "sc:Text", "Who gave it; may be empty.", "prov:wasAttributedTo"),
    ("key", "sc:Integer", "The document's number through all stages.", ""),
    ("times", "sc:Integer", "How often the mixture takes it.", ""),
)
_DUTIES = {
    "attribution": "cc:Attribution",
    "share-alike": "cc:ShareAlike",
    "keep-notice": "cc:Notice",
    "disclose-source-files": "cc:SourceCode",
}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def croissant(facts: Facts) -> dict[str, Any]:
    """The description; `contentUrl` is relative to the corpus's folder."""
    manifest = facts.manifest
    files = [path for path in facts.files("train", "heldout") if path.suffix == ".parquet"]
    found: dict[str, Any] = {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "name": re.sub(r"[^\w-]+", "-", facts.title).strip("-") or "corpus",
        "alternateName": facts.title,
        "description": facts.card.get("description") or f"Text in {len(manifest.languages)} languages of Southeast Asia and its neighbours, curated and traced by rumpun.",
        "conformsTo": list(CONFORMS),
        "url": facts.card.get("url") or f"urn:rumpun:{manifest.id}",
        "identifier": f"urn:rumpun:{manifest.id}",
        "version": facts.card.get("version") or "1.0.0",
        "license": [_licence(item) for item in facts.licences()],
        "creator": {"@type": "sc:Organization", "name": facts.said("creator")},
        "datePublished": manifest.created[:10],
        "dateCreated": manifest.created[:10],
        "inLanguage": list(manifest.languages),
        "keywords": ["language modelling", "Southeast Asia", *manifest.languages],
        "isLiveDataset": False,
        "citeAs": facts.card.get("citation") or f"@misc{{rumpun-{manifest.id[:8]}, title = {{{facts.title}}}, year = {{{manifest.created[:4]}}}}}",
        "usageInfo": [_offer(item) for item in facts.licences()],
        "distribution": [_file(path, facts.folder) for path in facts.files("train", "heldout")],
        "recordSet": [_splits(), *(_records(path, facts.folder) for path in files)],
        **_provenance(facts),
        **{f"rai:{name}": value for name, value in responsible(facts).items()},
    }  # fmt: skip
    return found


def _licence(expression: str) -> str:
    simple = re.fullmatch(r"[\w.+-]+", expression) and not expression.startswith("LicenseRef-")
    return f"https://spdx.org/licenses/{expression}" if simple else expression


def _offer(expression: str) -> dict[str, Any]:
    found = terms(expression)
    duties = [
        {"@type": "odrl:Duty", "odrl:action": {"@id": _DUTIES[d]}} for d in found.oblige if d in _DUTIES
    ]
    permission: dict[str, Any] = {"@type": "odrl:Permission", "odrl:action": {"@id": "odrl:use"}}
    if duties:
        permission["odrl:duty"] = duties
    offer: dict[str, Any] = {
        "@type": ["sc:CreativeWork", "odrl:Offer"],
        "@id": f"urn:rumpun:terms:{re.sub(r'[^A-Za-z0-9.+-]+', '-', expression)}",
        "name": found.name,
        "sc:license": _licence(expression),
        "odrl:permission": permission,
    }
    if found.family == "non-commercial":
        offer["odrl:prohibition"] = {"@type": "odrl:Prohibition", "odrl:action": {"@id": "cc:CommercialUse"}}
    return offer


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _file(path: Path, folder: Path) -> dict[str, Any]:
    name = _name(path, folder)
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet" if path.suffix == ".parquet" else "application/jsonlines",
        "sha256": sha256_file(path),
    }


def _splits() -> dict[str, Any]:
    named = (("train", "cr:TrainingSplit"), ("heldout", "cr:TestSplit"))
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "Held-out text is from other sources than training text.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "splits/name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "splits/url", "dataType": "sc:URL"},
        ],
        "data": [{"splits/name": name, "splits/url": url} for name, url in named],
    }


def _records(path: Path, folder: Path) -> dict[str, Any]:
    name = f"{path.parent.name}-{path.stem}"
    fields = []
    for column, kind, words, property_ in _FIELDS:
        entry: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": f"{name}/{column}",
            "description": words,
            "dataType": kind,
            "source": {"fileObject": {"@id": _name(path, folder)}, "extract": {"column": column}},
        }
        if property_:
            entry["equivalentProperty"] = property_
        fields.append(entry)
    words = "to train on" if path.parent.name == "train" else "held out"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Documents in {path.stem}, {words}.",
        "key": {"@id": f"{name}/key"},
        "field": fields,
    }


def _provenance(facts: Facts) -> dict[str, Any]:
    sources = [
        {
            "@type": "prov:Entity",
            "@id": f"urn:rumpun:source:{re.sub(r'[^A-Za-z0-9._-]+', '-', entry.name)}:{entry.role.replace(' ', '-')}",
            "prov:label": entry.name,
            "sc:license": _licence(entry.licence),
            **({"sc:url": entry.url} if entry.url else {}),
            **({"sc:version": entry.commit} if entry.commit else {}),
            **({"sc:sha256": entry.sha256} if entry.sha256 else {}),
        }
        for entry in facts.manifest.sources
        if entry.rows
    ]
    steps = [
        {
            "@type": "prov:Activity",
            "@id": f"urn:rumpun:{item['id']}",
            "prov:label": f"{item['step']}, version {item['version']}",
        }
        for item in facts.figures.get("made_by", [])
    ]
    agent = f"rumpun {facts.manifest.maker.rumpun}"
    return {
        "prov:wasDerivedFrom": sources,
        "prov:wasGeneratedBy": steps,
        "prov:wasAttributedTo": {
            "@type": "prov:SoftwareAgent",
            "@id": "urn:rumpun:agent",
            "prov:label": agent,
        },
    }


_REQUIRED = (
    "@context",
    "@type",
    "conformsTo",
    "name",
    "description",
    "license",
    "url",
    "creator",
    "datePublished",
    "distribution",
)
_TYPES = ("sc:Text", "sc:Integer", "sc:Float", "sc:Boolean", "sc:Date", "sc:URL", "cr:Split")


def problems(document: Mapping[str, Any], folder: Path | None = None) -> list[str]:
    """What is wrong with a description, a sentence each; none where it is sound.

    Args:
        document: the JSON-LD.
        folder: the corpus's; where given, files are looked at: size, sha256 and columns.
    """
    found = _dataset_problems(document)
    ids: dict[str, Mapping[str, Any]] = {}
    for node in _nodes(document):
        if len(node) > 1 and "@id" in node:
            if node["@id"] in ids:
                found.append(f"{node['@id']}: two things have this id")
            ids[node["@id"]] = node
    for node in _nodes(document):
        found += _node_problems(node, ids)
    return found if folder is None else found + _file_problems(document, ids, folder)


def _dataset_problems(document: Mapping[str, Any]) -> list[str]:
    found = [f"no {name}" for name in _REQUIRED if not document.get(name)]
    declared = document.get("conformsTo", ())
    found += [f"conformsTo lacks {name}" for name in CONFORMS if name not in declared]
    if document.get("@type") != "sc:Dataset":
        found.append(f"@type is {document.get('@type')!r}, not sc:Dataset")
    if not _VERSION.fullmatch(str(document.get("version", ""))):
        found.append(f"version {document.get('version')!r} is not MAJOR.MINOR.PATCH")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", str(document.get("datePublished", ""))):
        found.append(f"datePublished {document.get('datePublished')!r} is no date")
    return found


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object of a description but its context and embedded data."""
    if isinstance(value, list):
        for item in value:
            yield from _nodes(item)
    elif isinstance(value, Mapping):
        yield value
        for key, item in value.items():
            if key not in ("@context", "data", "examples"):
                yield from _nodes(item)


def _node_problems(node: Mapping[str, Any], ids: Mapping[str, Any]) -> list[str]:
    name, kind = node.get("@id", "?"), node.get("@type")
    found = []
    if kind == "cr:FileObject":
        found += [
            f"{name}: no {key}"
            for key in ("contentUrl", "encodingFormat", "contentSize")
            if not node.get(key)
        ]
        if not _SHA256.fullmatch(str(node.get("sha256", ""))):
            found.append(f"{name}: sha256 is no sha256")
    if kind == "cr:RecordSet" and not node.get("field"):
        found.append(f"{name}: a record set without fields")
    if kind == "cr:Field":
        if node.get("dataType") not in _TYPES:
            found.append(f"{name}: dataType {node.get('dataType')!r} is none of {', '.join(_TYPES)}")
        if "/" not in str(name):
            found.append(f"{name}: a field's id begins with its record set's")
    if set(node) == {"@id"} and not str(name).startswith(("odrl:", "cc:")) and name not in ids:
        found.append(f"{name}: nothing has this id")
    return found


def _file_problems(
    document: Mapping[str, Any], ids: Mapping[str, Mapping[str, Any]], folder: Path
) -> list[str]:
    import pyarrow.parquet as pq

    found: list[str] = []
    columns: dict[str, list[str]] = {}
    for entry in document.get("distribution", ()):
        path = folder / entry["contentUrl"]
        if not path.is_file():
            found.append(f"{entry['@id']}: {path} is not there")
            continue
        if entry["contentSize"] != f"{path.stat().st_size} B" or entry["sha256"] != sha256_file(path):
            found.append(f"{entry['@id']}: {path} is another file than described")
        elif path.suffix == ".parquet":
            columns[entry["@id"]] = list(pq.read_schema(path).names)
    for name, node in ids.items():
        source = node.get("source", {}) if node.get("@type") == "cr:Field" else {}
        file = source.get("fileObject", {}).get("@id")
        if file in columns and source["extract"]["column"] not in columns[file]:
            found.append(f"{name}: {file} has no column {source['extract']['column']}")
    return found
