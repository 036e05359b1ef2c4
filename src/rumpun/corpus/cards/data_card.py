"""The data card: Markdown with the front matter that the Hugging Face hub reads."""

import json
from typing import Any

from rumpun.corpus.cards.facts import FATES, Facts, fate, language_name
from rumpun.corpus.cards.licence_report import conflicts, licence_rows
from rumpun.corpus.cards.markdown import escape, number, share, table
from rumpun.corpus.cards.responsible import biases, limitations, personal
from rumpun.records.licences import obligations

__all__ = ["data_card", "front_matter"]

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"))  # fmt: skip
_HUB = {  # licences that the hub knows by a name of its own
    "CC0-1.0": "cc0-1.0", "CC-BY-3.0": "cc-by-3.0", "CC-BY-4.0": "cc-by-4.0", "CC-BY-SA-3.0": "cc-by-sa-3.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0", "CC-BY-NC-4.0": "cc-by-nc-4.0", "Apache-2.0": "apache-2.0", "MIT": "mit",
    "BSD-3-Clause": "bsd-3-clause", "MPL-2.0": "mpl-2.0",
}  # fmt: skip
_PROPERTIES = ("id", "text", "language", "source", "licence", "url", "domain", "contributor")


def _size(documents: int) -> str:
    return next(
        (name for most, name in _SIZES if documents < most), "n>1T" if documents >= 10**12 else "1B<n<10B"
    )


def front_matter(facts: Facts) -> dict[str, Any]:
    """The fields of the hub's dataset card."""
    licences = facts.licences()
    named = list(dict.fromkeys(_HUB.get(item, "other") for item in licences))
    train, held = (
        facts.files("train"),
        [p for p in facts.files("heldout") if p.parent.name == "heldout" and p.suffix == ".parquet"],
    )
    train = [path for path in train if path.suffix == ".parquet"]
    configs = []
    for tag in dict.fromkeys(path.stem for path in [*train, *held]):
        files = [
            {"split": split, "path": f"{folder}/{tag}.parquet"}
            for folder, split, paths in (("train", "train", train), ("heldout", "test", held))
            if any(path.stem == tag for path in paths)
        ]
        configs.append({"config_name": tag, "data_files": files})
    created = ["found"]
    if facts.machine_bytes():
        created.append("machine-generated")
    if facts.manifest.summary.get("not_reviewed"):
        created.append("other")
    splits = [
        {"name": name, "num_bytes": facts.total(outcome, "bytes"), "num_examples": facts.total(outcome)}
        for name, outcome in (("train", "train"), ("test", "heldout"))
    ]
    features = [{"name": name, "dtype": "string"} for name in _PROPERTIES]
    features += [{"name": "key", "dtype": "uint64"}, {"name": "times", "dtype": "uint16"}]
    found: dict[str, Any] = {
        "pretty_name": facts.title,
        "language": list(facts.manifest.languages),
        "license": named[0] if len(named) == 1 else (named or "unknown"),
        "annotations_creators": ["no-annotation"],
        "language_creators": created,
        "multilinguality": ["multilingual" if len(facts.manifest.languages) > 1 else "monolingual"],
        "size_categories": [_size(facts.total("train"))],
        "source_datasets": ["original" if not facts.manifest.sources else "extended"],
        "task_categories": ["text-generation"],
        "task_ids": ["language-modeling"],
        "tags": ["rumpun", "southeast-asia", "croissant"],
        "configs": configs,
        "dataset_info": {
            "features": features,
            "splits": splits,
            "download_size": sum(path.stat().st_size for path in [*train, *held]),
            "dataset_size": sum(split["num_bytes"] for split in splits),
        },
    }
    if "other" in named:
        found["license_name"] = "several, by row"
        found["license_link"] = "licences.md"
    return found


def _yaml(value: dict[str, Any]) -> str:
    """Front matter with a key a line; a JSON value is a YAML value."""
    return "".join(f"{key}: {json.dumps(item, ensure_ascii=False)}\n" for key, item in value.items())


def _languages(facts: Facts) -> str:
    documents = facts.sums("language", outcome="train", of="documents")
    sizes, seen = (
        facts.sums("language", outcome="train"),
        facts.sums("language", outcome="train", of="bytes_seen"),
    )
    held = facts.sums("language", outcome="heldout", of="documents")
    summary = facts.manifest.summary.get("languages", {})
    read = facts.sums("language", of="documents")
    packed = facts.manifest.summary.get("packed", {})
    rows = []
    for tag in facts.tags():
        key = (tag,)
        found = summary.get(tag, {})
        rows.append(
            (
                tag, language_name(tag), number(read.get(key)), number(documents.get(key)), number(sizes.get(key)),
                f"{seen[key] / sizes[key]:.2f}" if sizes.get(key) else "", number(packed.get(tag, {}).get("tokens")),
                number(found.get("machine_translated_bytes") or None), number(found.get("chat_rows") or None),
                number(held.get(key)), found.get("held_out", {}).get("by", ""),
            )
        )  # fmt: skip
    heads = (
        "tag", "language", "read>", "documents>", "bytes>", "epochs>", "tokens>", "machine translated, bytes>",
        "chat rows>", "held out>", "held out by",
    )  # fmt: skip
    return table(heads, rows)


def _drops(facts: Facts) -> str:
    dropped = facts.manifest.summary["rows"]["dropped"]
    chat = facts.manifest.summary.get("chat", {}).get("dropped", {})
    rows = [
        (rule, fate(rule), number(n), share(n, facts.read))
        for rule, n in sorted(dropped.items(), key=lambda i: -i[1])
    ]
    text = table(("rule", "what it is", "documents>", "of all read>"), rows)
    if chat:
        text += "\nOf chat rows:\n\n" + table(("reason", "rows>"), [(r, number(n)) for r, n in chat.items()])
    return text


def _sources(facts: Facts) -> str:
    documents = facts.sums("language", "source", "licence", "class", outcome="train", of="documents")
    sizes = facts.sums("language", "source", "licence", "class", outcome="train")
    rows = [
        (tag, source, kind, licence, number(documents[tag, source, licence, kind]), number(size))
        for (tag, source, licence, kind), size in sorted(
            sizes.items(), key=lambda item: (item[0][0], -item[1])
        )
    ]
    return table(("language", "source", "class", "licence", "documents>", "bytes>"), rows)


def _sentences(items: list[str]) -> str:
    return "".join(f"- {escape(item)}\n" for item in items) or "None known.\n"


def _opening(facts: Facts) -> list[str]:
    """Title, what it is, who made it, and how many rows went where."""
    manifest, summary = facts.manifest, facts.manifest.summary
    about = str(
        facts.card.get("description") or "Text for training language models, curated and traced by rumpun."
    )
    return [
        f"# {escape(facts.title)}\n",
        f"{escape(about)}\n",
        (
            f"Corpus `{escape(manifest.id)}`, version {escape(facts.card.get('version') or '1.0.0')}, made {escape(manifest.created[:10])} by"
            f" rumpun {escape(manifest.maker.rumpun)}. Creator: {escape(facts.said('creator'))}. Contact: {escape(facts.said('contact'))}."
            " Bytes are of UTF-8 text.\n"
        ),
        (
            f"{number(facts.read)} rows were met: {number(facts.total('train'))} documents train,"
            f" {number(facts.total('heldout'))} are held out, {number(sum(summary['rows']['dropped'].values()))} were removed,"
            " each for a reason that is kept with it.\n"
        ),
        f"**{escape(summary['not_reviewed']).capitalize()}.**\n" if summary.get("not_reviewed") else "",
    ]


def data_card(facts: Facts, pictures: dict[str, str]) -> str:
    """The card.

    Args:
        facts: of the corpus.
        pictures: file of a plot, relative to the card -> what it shows, in words.
    """
    manifest, summary = facts.manifest, facts.manifest.summary
    licences = [row["licence"] for row in licence_rows(facts)]
    shown = "\n".join(f"![{escape(words)}]({name})\n" for name, words in pictures.items())
    parts = [
        f"---\n{_yaml(front_matter(facts))}---\n",
        *_opening(facts),
        shown,
        "## Languages\n",
        _languages(facts),
        "## What was removed, and why\n",
        (
            f"Groups: {', '.join(FATES[2:])}. The documents stand in `drops/` with rule, value and threshold;"
            " language, source and reason are counted in `counts.csv`.\n"
        ),
        _drops(facts),
        "## Sources\n",
        _sources(facts),
        "## Held out\n",
        (
            "Sources, not rows, are held out: no document of them trains in that language, and training documents that equal one"
            " of them or share a long run with it were removed (`heldout.overlap`).\n"
        ),
        table(
            ("language", "source", "documents>", "bytes>"),
            [
                (tag, source, number(part["documents"]), number(part["bytes"]))
                for tag, places in summary.get("held_out_sources", {}).items()
                for source, part in places.items()
            ],
        ),
        "## Licences\n",
        table(("duty", "brought by"), ((duty, ", ".join(of)) for duty, of in obligations(licences).items())),
        "Conflicts: "
        + ("; ".join(escape(item) for item in conflicts(licences)) or "none found")
        + ". See `licences.md`.\n",
        "## Personal data\n",
        _sentences(personal(facts)),
        "## Biases\n",
        _sentences(biases(facts)),
        "## Limitations\n",
        _sentences(limitations(facts)),
        "## How it was made\n",
        table(
            ("step", "version>", "artefact"),
            [(item["step"], item["version"], item["id"]) for item in facts.figures.get("made_by", [])]
            + [(manifest.maker.step, manifest.maker.version, manifest.id)],
        ),
        "To publish it, copy `README.md` and `croissant.json` beside `train/`.\n",
        f"## Citation\n\n```\n{facts.card['citation']}\n```\n"
        if facts.card.get("citation") and "```" not in facts.card["citation"]
        else "",
    ]
    return "\n".join(part for part in parts if part)
