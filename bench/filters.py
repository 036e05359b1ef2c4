"""Heuristic figures with no word splitter, and filtering anew: MB of UTF-8 text a processor second in each script.

Text is drawn by order-4 character models of each language (rumpun.corpus.synthetic), learnt at run time from the folder of
source text. Aims: the figures at 5 MB a processor second in every script; a changed threshold in a tenth of the first pass.

python bench/filters.py [--megabytes 4] [--languages th km] [--taggers] [--json]
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

AIM = 5.0  # MB a processor second
LANGUAGES = ("id", "ms", "vi", "tl", "jv", "en", "th", "lo", "km", "my", "ta", "zh")
OTHERS = ("normalise", "language", "minhash", "personal", "toxicity", "decontaminate")


def texts_of(language: str, megabytes: float) -> list[str]:
    """About so many megabytes of generated documents."""
    from rumpun.corpus.synthetic import CharacterModel, documents, real_texts

    found, lengths = real_texts(language)
    model = CharacterModel(found)
    texts, size = [], 0
    for text in documents(model, np.random.default_rng(7), lengths):
        texts.append(text)
        size += len(text.encode())
        if size >= megabytes * 1e6:
            break
    return texts


def rate(tagger: Any, texts: list[str], language: str) -> float:
    """MB a processor second of one tagger."""
    from rumpun.corpus.tag.batch import Batch, slices

    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    started = time.process_time()
    for first, last in slices([len(text) for text in texts]):
        tagger.tag(Batch(texts[first:last], [language] * (last - first)))
    return round(megabytes / (time.process_time() - started), 2)


def again(texts: dict[str, list[str]]) -> dict[str, float]:
    """Processor seconds of the first pass (figures and filter) and of a changed threshold, in one process."""
    import pyarrow as pa

    from rumpun.corpus.filter.step import decide
    from rumpun.corpus.parts import PART_BYTES, documents_schema, write_part
    from rumpun.corpus.tag.step import tag_part
    from rumpun.recipes import build
    from rumpun.records.artefacts import Maker, Manifest, read_manifest, write_manifest
    from rumpun.steps import Work, quiet
    from rumpun.steps.step import Input

    def finished(folder: Path, kind: str) -> Input:
        maker = Maker(step=f"bench.{kind}", version=1, params={}, rumpun="0")
        write_manifest(folder, Manifest(kind=kind, id=kind, maker=maker))
        return Input(kind, folder, read_manifest(folder))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("documents", "attributes", "one", "two"):
            (folder / kind).mkdir()
        rows = [(language, text) for language, found in texts.items() for text in found]
        part: list[dict[str, Any]] = []
        number = size = 0
        for key, (language, text) in enumerate(rows):
            part.append(
                dict.fromkeys(documents_schema().names, "")
                | {"key": key, "text": text, "language": language, "source": "made", "licence": "CC0-1.0"}
            )
            size += len(text.encode())
            if size >= PART_BYTES or key == len(rows) - 1:
                write_part(folder / "documents", number, pa.Table.from_pylist(part, documents_schema()))
                part, size, number = [], 0, number + 1
        documents = finished(folder / "documents", "documents")
        started = time.process_time()
        chosen = json.dumps([["figures", {}]])
        for n in range(number):
            path = folder / "documents" / f"part-{n:05}.parquet"
            tag_part({"number": n, "path": str(path)}, taggers=chosen, folder=str(folder / "attributes"))
        attributes = finished(folder / "attributes", "attributes")
        seconds: dict[str, float] = {}
        for made, thresholds in (("one", {}), ("two", {"all": {"figures.characters": 40.0}})):
            work = Work(
                inputs=(documents, attributes), folder=folder / made, scratch=folder, seed=7, progress=quiet
            )
            decide.function(build(decide.params, {"thresholds": thresholds}, "bench"), work)
            seconds["first_pass" if made == "one" else "changed_threshold"] = time.process_time() - started
            started = time.process_time()
        seconds["share"] = seconds["changed_threshold"] / seconds["first_pass"]
    return {"documents": len(rows)} | {name: round(value, 4) for name, value in seconds.items()}


def main() -> None:
    """Measure and print."""
    from rumpun.corpus.tag.batch import Batch
    from rumpun.corpus.tag.taggers import make
    from rumpun.errors import RumpunError

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=4.0, help="of text for each language")
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--taggers", action="store_true", help="every other tagger too")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    texts: dict[str, list[str]] = {}
    for language in arguments.languages:
        try:
            texts[language] = texts_of(language, arguments.megabytes)
        except RumpunError as error:
            print(f"{language}: left out: {error}")
    names = ["figures"]
    if arguments.taggers:
        names += OTHERS
    figures: dict[str, dict[str, float]] = {}
    for name in names:
        try:
            tagger = make(name)
            tagger.tag(Batch(["warm"], ["id"]))
        except (RumpunError, ImportError) as error:
            print(f"{name}: left out: {error}")
            continue
        figures[name] = {language: rate(tagger, found, language) for language, found in texts.items()}
    result = {
        "megabytes_per_cpu_second": figures,
        "aim": AIM,
        "slowest": min(figures["figures"].values()),
        "filter_again": again(texts),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{'MB/CPU-s':14}" + "".join(f"{language:>7}" for language in texts))
    for name, found in figures.items():
        print(f"{name:14}" + "".join(f"{value:7.1f}" for value in found.values()))
    print(f"slowest script of figures: {result['slowest']} MB a processor second (aim {AIM})")
    print(f"a changed threshold: {result['filter_again']}; peak memory {result['peak_megabytes']} MB")


if __name__ == "__main__":
    main()
