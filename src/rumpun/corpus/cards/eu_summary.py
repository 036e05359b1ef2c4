"""The public summary of training content that the EU's AI Act asks of providers of general-purpose models (Art. 53(1)(d)).

Template C(2025) 8311, three sections. What the corpus knows is filled in; what only the provider of a model can say is
marked. The thresholds for long lists (a dataset above 3 % of its kind; the largest tenth of crawled domains, or for small
providers the largest twentieth or 1,000) are as the template is reported to have them: check them before publishing.
"""

from rumpun.corpus.cards.facts import Facts, language_name
from rumpun.corpus.cards.markdown import escape, number, share, table

__all__ = ["PROVIDER", "eu_summary"]

PROVIDER = "**for the provider to fill in**"
_LARGE = 0.03
_RANGES = ((10**9, "less than 1 billion tokens"), (10**13, "1 billion to 10 trillion tokens"))


def _size(facts: Facts) -> str:
    packed = facts.manifest.summary.get("packed", {})
    size = facts.total("train", "bytes")
    if not packed:
        return f"{number(size)} bytes of text; tokens were not counted (give corpus.write the tokenizer)"
    tokens = sum(item["tokens"] for item in packed.values())
    words = next((name for most, name in _RANGES if tokens < most), "more than 10 trillion tokens")
    return f"{words} ({number(tokens)} tokens, {number(size)} bytes of text)"


def _languages(facts: Facts) -> str:
    sizes = {tag: size for (tag,), size in facts.sums("language", outcome="train").items()}
    total = sum(sizes.values())
    named = sorted(sizes, key=lambda tag: -sizes[tag])
    return ", ".join(f"{escape(language_name(tag))} ({share(sizes[tag], total)})" for tag in named) or "none"


def _datasets(facts: Facts) -> tuple[str, str]:
    """(large public datasets as a table, the others in words)."""
    sizes = {source: size for (source,), size in facts.sums("source", outcome="train").items()}
    total = sum(sizes.values())
    entries = {entry.name: entry for entry in facts.manifest.sources if entry.role == "text"}
    large = [name for name in sorted(sizes, key=lambda n: -sizes[n]) if sizes[name] >= _LARGE * total]
    rows = [
        (
            name,
            "text",
            share(sizes[name], total),
            entries[name].licence if name in entries else "",
            entries[name].url if name in entries else "",
        )
        for name in large
    ]
    small = len(sizes) - len(large)
    classes = sorted({facts.source_class(s, d) for (s, d) in facts.sums("source", "domain", outcome="train")})
    rest = sum(size for name, size in sizes.items() if name not in large)
    words = f"{small} smaller sources, together {share(rest, total) or '0 %'} of the text; kinds: {escape(', '.join(classes)) or 'none'}."
    return table(("dataset", "modality", "share of text>", "licence", "where"), rows), words


def _domains(facts: Facts) -> str:
    """The largest tenth of hosts of sources of the class web, by bytes."""
    web = {
        s for (s, d) in facts.sums("source", "domain", outcome="train") if facts.source_class(s, d) == "web"
    }
    sizes: dict[str, int] = {}
    for row in facts.figures.get("hosts", []):
        if row["source"] in web:
            sizes[row["host"]] = sizes.get(row["host"], 0) + row["bytes"]
    if not sizes:
        return "No text of this corpus says that it was crawled from a named host by or for its makers.\n"
    most = max(1, -(-len(sizes) // 10))
    ranked = sorted(sizes, key=lambda host: (-sizes[host], host))[:most]
    small = min(1000, max(1, -(-len(sizes) // 20)))
    return (
        f"{number(len(sizes))} hosts; the largest tenth by bytes, {number(most)} of them"
        f" (small and medium providers may list the first {number(small)}):\n\n"
        + table(("domain", "bytes>"), ((host, number(sizes[host])) for host in ranked))
    )


def _synthetic(facts: Facts) -> str:
    machine, said = facts.machine_bytes(), str(facts.manifest.summary.get("not_reviewed", ""))
    parts = (
        [f"Machine translation from public sources: {number(machine)} bytes of training text."]
        if machine
        else []
    )
    if said:
        parts.append(f"{escape(said).capitalize()}. Which model wrote them: {PROVIDER}.")
    return (
        " ".join(parts)
        or "None is known in this corpus. Synthetic data made for the model beyond it: " + PROVIDER + "."
    )


def _illegal(facts: Facts) -> str:
    dropped = facts.manifest.summary.get("rows", {}).get("dropped", {})
    found = {rule: n for rule, n in dropped.items() if rule.startswith(("toxicity", "personal", "licence"))}
    listed = ", ".join(f"{escape(rule)} {number(n)}" for rule, n in sorted(found.items()))
    return f"Documents removed by the corpus's own rules: {listed or 'none by rules of toxicity, personal data or licence'}."


def eu_summary(facts: Facts) -> str:
    """The summary, in Markdown."""
    large, rest = _datasets(facts)
    masked = {
        rule: n for rule, n in facts.manifest.summary.get("edits", {}).items() if rule.startswith("personal")
    }
    collected = f"{facts.said('collected_from')} to {facts.said('collected_to')}"
    lines = [
        f"# Public summary of training content: {escape(facts.title)}\n",
        (
            f"Made from the corpus `{escape(facts.manifest.id)}`, by rumpun {escape(facts.manifest.maker.rumpun)}. It follows the three"
            f" sections of the European Commission's template C(2025) 8311. Fields marked {PROVIDER} are about the model and its"
            " provider, which a corpus does not know.\n"
        ),
        "## 1. General information\n",
        "### 1.1 Provider\n",
        f"- Name and contact of the provider: {PROVIDER}\n- Authorised representative in the Union: {PROVIDER}\n",
        "### 1.2 Model\n",
        (
            f"- Versioned model name: {PROVIDER}\n- Model dependencies (the base that was modified): {PROVIDER}\n"
            f"- Date of placing on the Union market: {PROVIDER}\n"
        ),
        "### 1.3 Modalities, size and other characteristics\n",
        (
            f"- Modality: text\n- Size of the training text: {_size(facts)}\n- Types of content: "
            f"{escape(', '.join(sorted({c for (c,) in facts.sums('class', outcome='train')}))) or 'none'}\n"
            f"- Latest date of data acquisition: {escape(facts.said('collected_to'))}\n- Languages: {_languages(facts)}\n"
            f"- Chat rows: {number(facts.manifest.summary.get('chat', {}).get('train', 0))}\n"
        ),
        "## 2. List of data sources\n",
        "### 2.1 Publicly available datasets\n",
        f"Those above {_LARGE:.0%} of the text:\n",
        large,
        f"Others: {rest}\n",
        "### 2.2 Private datasets of third parties\n",
        f"None in this corpus: every source is listed under 2.1 with its licence. Others used for the model: {PROVIDER}.\n",
        "### 2.3 Data crawled and scraped from online sources\n",
        f"- Crawlers used by the provider, and how they behaved: {PROVIDER}\n- Period of collection: {escape(collected)}\n",
        _domains(facts),
        "### 2.4 User data\n",
        f"None in this corpus. Data of the provider's own services: {PROVIDER}.\n",
        "### 2.5 Synthetic data\n",
        _synthetic(facts) + "\n",
        "### 2.6 Other sources\n",
        f"Sentences written for the project are sources of the class seed. Others: {PROVIDER}.\n",
        "## 3. Data processing aspects\n",
        "### 3.1 Respect of reservations of rights\n",
        (
            "- Only sources whose licence allows the use are read; rows without a licence, or under one that forbids it, are"
            f" removed (rules read and licence). Rows can be taken back at any time (`rumpun corpus withdraw`).\n- Signatory of the code of practice; opt-outs respected by crawlers: {PROVIDER}\n"
        ),
        "### 3.2 Removal of illegal content\n",
        _illegal(facts) + f" Other measures: {PROVIDER}.\n",
        "### 3.3 Other information\n",
        f"Personal identifiers masked in the text that trains: {number(sum(masked.values()))}. Every removed document is kept with its rule, value and threshold (`drops/`).\n",
    ]
    return "\n".join(lines)
