"""The responsible-AI fields of a corpus (Croissant RAI 1.0), from what it counted and what its makers say."""

from typing import Any

from rumpun.corpus.cards.facts import Facts, language_name
from rumpun.corpus.cards.markdown import number, share

__all__ = ["biases", "limitations", "personal", "responsible"]

_COLLECTED = {  # source class -> a value that the specification recommends
    "web": "Web Scraping", "curated": "Secondary Data analysis", "teaching": "Secondary Data analysis",
    "software": "Secondary Data analysis", "parallel": "Secondary Data analysis", "seed": "Manual Human Curator",
    "other": "Others",
}  # fmt: skip
_SMALL = 1_000_000  # bytes of a language, below which the cards say that there is little
_MUCH = 0.5  # of a language from one source


def biases(facts: Facts) -> list[str]:
    """Sentences on who rules the text: sources, machine translation, languages."""
    said = []
    by_language = facts.sums("language", outcome="train")
    by_source = facts.sums("language", "source", outcome="train")
    for (tag,), size in by_language.items():
        name, most = max(
            ((s, n) for (t, s), n in by_source.items() if t == tag), key=lambda item: (item[1], item[0])
        )
        if size and most > _MUCH * size:
            said.append(f"{language_name(tag)}: {share(most, size)} of the text is from one source, {name}.")
    machine, total = facts.machine_bytes(), facts.total("train", "bytes")
    if machine:
        said.append(f"{share(machine, total)} of the text is machine translation.")
    if total:
        (tag,), size = max(by_language.items(), key=lambda item: (item[1], item[0]))
        said.append(f"The largest language, {language_name(tag)}, has {share(size, total)} of the text.")
    if facts.manifest.summary.get("not_reviewed"):
        said.append(f"{str(facts.manifest.summary['not_reviewed']).capitalize()}.")
    return said


def limitations(facts: Facts) -> list[str]:
    """Sentences on what it is too small or too coarse for, and those of its makers."""
    sizes = {tag: size for (tag,), size in facts.sums("language", outcome="train").items()}
    small = [language_name(tag) for tag in facts.tags() if 0 < sizes.get(tag, 0) < _SMALL]
    empty = [language_name(tag) for tag in facts.tags() if not sizes.get(tag)]
    said = [str(item) for item in facts.card.get("limitations", ())]
    if small:
        said.append(f"Less than 1 MB of text in: {', '.join(small)}.")
    if empty:
        said.append(f"No text in: {', '.join(empty)}.")
    said.append(
        "Languages, quality and personal data were judged by programs; no native speaker has read the whole."
    )
    return said


def personal(facts: Facts) -> list[str]:
    """Sentences on personal data."""
    edits: dict[str, int] = facts.manifest.summary.get("edits", {})
    masked = {rule.split(".", 1)[1]: n for rule, n in edits.items() if rule.startswith("personal.")}
    dropped = sum(
        n for rule, n in facts.manifest.summary["rows"]["dropped"].items() if rule.startswith("personal.")
    )
    if not masked and not dropped:
        return ["No identifier was masked: either none was found, or the recipe did not look for any."]
    kinds = ", ".join(f"{kind} {number(n)}" for kind, n in sorted(masked.items()))
    said = [f"Identifiers masked in the text that trains: {kinds}."] if masked else []
    if dropped:
        said.append(f"Documents removed for personal data: {number(dropped)}.")
    return [*said, "Names of people in running text stand as they were published."]


def _steps(facts: Facts) -> list[str]:
    said = [f"{item['step']} (version {item['version']})" for item in facts.figures.get("made_by", [])]
    rules = facts.manifest.summary["rows"]["dropped"]
    return [
        f"Steps: {', '.join([*said, facts.manifest.maker.step])}.",
        f"Documents removed, by rule: {', '.join(f'{rule} {number(n)}' for rule, n in rules.items()) or 'none'}.",
        f"Held out by source: {number(facts.total('heldout'))} documents; training text that shares a long run with them was removed.",
    ]


def responsible(facts: Facts) -> dict[str, Any]:
    """Property of the vocabulary, without its prefix -> value."""
    classes = sorted({name for (name,) in facts.sums("class", outcome="train")})
    edits = facts.manifest.summary.get("edits", {})
    dates = [facts.card[name] for name in ("collected_from", "collected_to") if facts.card.get(name)]
    found: dict[str, Any] = {
        "dataCollection": f"Gathered by recipe from {len({s for (s,) in facts.sums('source', outcome='train')})} sources with a known licence; classes: {', '.join(classes) or 'none'}.",
        "dataCollectionType": sorted({_COLLECTED[name] for name in classes}) or ["Others"],
        "dataCollectionMissingData": f"{number(facts.rejected)} rows could not be read; each is listed with its file, row and reason.",
        "dataCollectionRawData": "Texts as their sources publish them; every row names its source, licence and, where there is one, its address.",
        "dataPreprocessingProtocol": _steps(facts),
        "dataManipulationProtocol": "Edits to the text, by rule: " + (", ".join(f"{r} {number(n)}" for r, n in edits.items()) or "none") + ".",
        "dataImputationProtocol": "Nothing is imputed.",
        "dataAnnotationProtocol": "No annotation by people; language and quality are computed.",
        "annotationsPerItem": "0",
        "machineAnnotationTools": [
            f"{item['step']} {item['version']}" + "".join(f", {k} {v}" for k, v in sorted(item["tools"].items()))
            for item in facts.figures.get("made_by", [])
        ],
        "dataUseCases": list(facts.card.get("use_cases", ())) or ["Training of language models; held-out text for measuring them."],
        "dataLimitations": limitations(facts),
        "dataBiases": biases(facts),
        "dataSocialImpact": facts.said("social_impact"),
        "personalSensitiveInformation": personal(facts),
        "dataReleaseMaintenancePlan": facts.card.get("maintenance") or "Rows are taken back on request: rumpun corpus withdraw makes the corpus and its index again without them and proves their absence.",
    }  # fmt: skip
    if dates:
        found["dataCollectionTimeframe"] = dates
    return found
