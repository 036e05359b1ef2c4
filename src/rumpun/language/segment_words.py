"""Making `segment_words.json`: the commonest words of Thai, Lao, Khmer and Burmese, for the pure segmenter.

    python -m rumpun.language.segment_words DATA [OUT]

DATA is the folder of the project's data; ICU finds the words of texts whose licences ask for nothing but attribution
(`SOURCES`), each source counts for at most `MOST` words so that none is the language, and the ranks are kept, without
counts. The manifest beside the list names every source with its licence, rows and words. It is a statistic: no sentence
is kept. `seed/news` and `seed/care` are left out, so that agreement can be measured on them.
"""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import regex

from rumpun.language.normalise import normalise
from rumpun.language.segment import segmenter

__all__ = ["SIZES", "SOURCES", "build"]

VERSION = 1
MOST = 150_000  # words that one source counts for at most
LEAST = 3  # times that a word must be seen
SIZES = {"th": 4500, "lo": 3500, "km": 2800, "my": 2600}  # words kept
_SCRIPTS = {"th": "Thai", "lo": "Lao", "km": "Khmer", "my": "Myanmar"}
# folder/name -> languages; running text, aligned pairs, a dictionary's entries, sentences written for the project
SOURCES: dict[str, tuple[str, ...]] = {
    "text/common-voice": ("th",),
    "text/thaigov": ("th",),
    "text/thai-law": ("th",),
    "text/hf-course": ("th", "my"),
    "text/glr-voa-burmese": ("my",),
    "text/global-asp": ("my", "km"),
    "text/cambodia-constitution": ("km",),
    "text/ms-azd-course-mt": ("km", "my"),
    "parallel/aosp-settings": ("th", "lo", "km", "my"),
    "parallel/kolibri-ui": ("km", "my"),
    "parallel/dhis2-core": ("lo",),
    "parallel/lao-dictionary": ("lo",),
    "parallel/talpco": ("th", "my"),
    "parallel/tico19-terminology": ("th", "lo", "km", "my"),
    "seed/daily": ("th", "lo", "km", "my"),
    "seed/work": ("th", "lo", "km", "my"),
    "seed/health": ("th", "lo", "km", "my"),
    "seed/culture": ("th", "lo", "km", "my"),
    "seed/chat-help": ("th", "lo", "km", "my"),
    "seed/chat-work": ("th", "lo", "km", "my"),
}


def _rows(data: Path, source: str, language: str) -> Iterator[tuple[str, str]]:
    """(text, licence) of each row of a source in a language."""
    folder, name = source.split("/")
    if folder == "seed":
        for line in (data / folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            for text in _texts(json.loads(line).get(language)):
                yield text, "CC0-1.0"
        return
    from pyarrow import parquet

    path = data / folder / (f"{name}.{language}.parquet" if folder == "text" else f"{name}.parquet")
    for row in parquet.read_table(path).to_pylist():
        if folder == "text":
            yield row["text"], row["licence"]
        for side in ("src", "tgt"):
            if row.get(f"{side}_lang") == language:
                yield row[side], row["licence"]


def _texts(value: object) -> Iterator[str]:
    """Every text of a seed row's value: a text, or a table or list of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def build(data: Path, out: Path) -> None:
    """Write the list and its manifest into the folder `out`."""
    words, sources = {}, []
    for language, size in SIZES.items():
        icu = segmenter("icu", language)
        letters = regex.compile(rf"(?V1)[\p{{Script={_SCRIPTS[language]}}}&&[\p{{L}}\p{{M}}]]{{1,24}}")
        total: Counter[str] = Counter()
        for source, languages in SOURCES.items():
            if language not in languages:
                continue
            counts: Counter[str] = Counter()
            licences: Counter[str] = Counter()
            for text, licence in _rows(data, source, language):
                licences[licence] += 1
                clean = normalise(text or "", language).text
                counts.update(clean[start:end] for start, end in icu.words(clean))
                if counts.total() > 4 * MOST:
                    break
            share = min(1.0, MOST / max(1, counts.total()))
            total.update({word: n * share for word, n in counts.items()})
            sources.append({"source": source, "language": language, "rows": licences.total(), "words": counts.total(),
                            "licences": sorted(licences)})  # fmt: skip
        kept = [word for word, n in total.items() if n >= LEAST and letters.fullmatch(word)]
        words[language] = sorted(kept, key=lambda word: (-total[word], word))[:size]
    text = json.dumps({"version": VERSION, "words": words}, ensure_ascii=False, separators=(",", ":"))
    text = text.replace('],"', '],\n"') + "\n"
    (out / "segment_words.json").write_text(text, encoding="utf-8")
    manifest = {
        "what": "ranks of the commonest words that ICU finds in the sources named; no sentence is kept",
        "made_by": "python -m rumpun.language.segment_words DATA",
        "segmenter": segmenter("icu").version,
        "segmenter_licence": "Unicode-3.0",
        "reviewed_by": [],
        "words": {language: len(listed) for language, listed in words.items()},
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "sources": sources,
    }
    (out / "segment_words-manifest.json").write_text(
        json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent)
