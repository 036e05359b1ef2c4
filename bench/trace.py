"""Tracing: latency of queries whose sources are known, recall at five, size of the index, speed of making it.

python bench/trace.py [--mb 10] [--queries 100] [--folder DIR] [--tokenizer tokenizer.json] [--json]

Text of eleven languages in equal shares is made by `rumpun.corpus.synthetic`, from models of order 4 learnt from RUMPUN_DATA at run
time, and written as a corpus; `rumpun corpus index` makes its index, in a process of its own with one worker, whose processor
seconds and peak memory are the kernel's. Each query is a passage of 30 to 60 characters of a document drawn from the corpus; one in
three is asked as it stands, one with other spacing, one in capitals or with its marks apart. A document is found if it is
among the first five. `first` is the first time that a query is asked after opening, the index being read from the disk; `again`
the second. Ten answers of about 1,000 characters, half of them passages of documents, are searched for spans. At the end one
contributor of a hundred is taken back: corpus and index are made again without those rows, and their spans are searched.

--folder keeps corpus and index, and takes those that it finds there: they are asked again, nothing is made and nothing taken back.
"""

# ruff: noqa: A005  (a script that is never imported; the benchmark is named after the command)

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dedup import measured
from rumpun.corpus.synthetic import CharacterModel, documents, real_texts
from rumpun.corpus.trace.search import TraceIndex
from rumpun.corpus.trace.spans import find_spans
from rumpun.corpus.trace.step import indexes_of
from rumpun.corpus.withdraw.withdraw import withdraw
from rumpun.corpus.withdrawn import Entry
from rumpun.errors import InputError
from rumpun.language.tables import WORKING
from rumpun.records.artefacts import MANIFEST, Maker, Manifest, read_manifest, write_manifest

SEED = 8
ROW_GROUP_BYTES = 8 << 20
COLUMNS = ("id", "text", "language", "source", "licence", "url", "domain", "contributor")


def write_corpus(folder: Path, size: int) -> None:
    """Write a corpus of about `size` bytes; memory: one language's model and one row group."""
    (folder / "train").mkdir(parents=True, exist_ok=True)  # of a run that was cut off
    each = size // len(WORKING)
    schema = pa.schema([(name, pa.large_string() if name == "text" else pa.string()) for name in COLUMNS])
    for language in WORKING:
        texts, lengths = real_texts(language)
        draw = np.random.default_rng([SEED, WORKING.index(language)])
        rows: list[dict[str, str]] = []
        written = waiting = number = 0
        with pq.ParquetWriter(folder / "train" / f"{language}.parquet", schema, compression="zstd") as writer:
            for text in documents(CharacterModel(texts), draw, lengths):
                rows.append(
                    dict.fromkeys(COLUMNS, "")
                    | {
                        "id": f"{language}-{number}",
                        "text": text,
                        "language": language,
                        "source": f"made-{language}",
                        "licence": "CC0-1.0",
                        "contributor": f"contributor-{number % 100}",
                    }
                )
                size_here = len(text.encode())
                number, written, waiting = number + 1, written + size_here, waiting + size_here
                if waiting >= ROW_GROUP_BYTES or written >= each:
                    writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                    rows, waiting = [], 0
                if written >= each:
                    break
    maker = Maker(step="bench.trace", version=1, params={"seed": SEED}, rumpun="0")
    write_manifest(
        folder, Manifest(kind="corpus", id=folder.name, name="bench", maker=maker, languages=WORKING)
    )


def drawn(corpus: Path, wanted: int, rng: random.Random) -> list[tuple[str, str]]:
    """(id, text) of so many documents of each language, of those with more than 80 characters."""
    chosen: list[tuple[str, str]] = []
    for path in sorted((corpus / "train").glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
            groups = Counter(rng.choices(range(len(sizes)), weights=sizes, k=wanted))
            for group, count in sorted(groups.items()):
                rows = file.read_row_group(group, columns=["id", "text"]).to_pylist()
                long = [(row["id"], row["text"]) for row in rows if len(row["text"]) > 80]
                chosen += rng.sample(long, min(count, len(long)))
    return chosen


def asked(text: str, number: int, rng: random.Random) -> str:
    """A passage of a text, as it stands or written otherwise."""
    size = rng.randint(30, 60)
    first = rng.randrange(max(1, len(text) - size))
    passage = text[first : first + size]
    while passage and (unicodedata.combining(passage[0]) or not passage[0].strip()):
        passage = passage[1:]
    if number % 3 == 1:
        return passage.replace(" ", "") if " " in passage else " ".join(passage)
    if number % 3 == 2:
        changed = passage.upper() if passage.upper() != passage else unicodedata.normalize("NFD", passage)
        return f"“{changed}”"
    return passage


class Clock:
    """Wall and processor seconds of each of several pieces of work."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def __enter__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall.append(time.perf_counter() - self._start[0])
        self.cpu.append(time.process_time() - self._start[1])

    def told(self) -> dict[str, float]:
        """Milliseconds."""
        return {
            "p50_ms": round(1000 * float(np.percentile(self.wall, 50)), 2),
            "p95_ms": round(1000 * float(np.percentile(self.wall, 95)), 2),
            "max_ms": round(1000 * max(self.wall), 2),
            "cpu_p50_ms": round(1000 * float(np.percentile(self.cpu, 50)), 2),
            "cpu_p95_ms": round(1000 * float(np.percentile(self.cpu, 95)), 2),
        }


def timed(index: TraceIndex, queries: list[tuple[str, str]]) -> tuple[dict[str, float], int]:
    """Times of the queries, and how many found their document among the first five."""
    clock, found = Clock(), 0
    for name, query in queries:
        with clock:
            matches = index.find(query, limit=5).matches
        found += name in {match.id for match in matches}
    return clock.told(), found


def spans(index: TraceIndex, chosen: list[tuple[str, str]], rng: random.Random) -> dict[str, Any]:
    """Answers of about 1,000 characters: passages of documents between words of none."""
    clock, covered = Clock(), []
    for _ in range(10):
        answer = ""
        while len(answer) < 1000:
            _, text = rng.choice(chosen)
            answer += text[:100] + " " + "".join(rng.choice("aeioubdgkmnrst ") for _ in range(100)) + " "
        with clock:
            found = find_spans(index, answer)
        covered.append(found.covered / found.letters)
    return clock.told() | {"covered": round(sum(covered) / len(covered), 3)}


def withdrawal(corpus: Path) -> dict[str, Any]:
    """Take one contributor of a hundred back; seconds, and what the proof says."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["RUMPUN_HOME"] = home  # the list of what was taken back is not the user's
        start, before = time.perf_counter(), cpu()
        done = withdraw([Entry(what="contributor", name="contributor-7")], corpus)
    proof = done.proof
    assert proof is not None
    return {
        "wall_s": round(time.perf_counter() - start, 1),
        "cpu_s": round(cpu() - before, 1),
        "rows": done.rows,
        "spans": proof.spans,
        "found_before": proof.found_before,
        "found_after": proof.found_after,
        "spans_shared": proof.spans_shared,
    }


def command_seconds(corpus: Path, query: str) -> float:
    """The whole command in a process of its own, start included: the better of two."""
    best = 1e9
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "rumpun.cli", "corpus", "trace", query, "--corpus", str(corpus), "--json"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        best = min(best, time.perf_counter() - start)
    return round(best, 3)


def cpu() -> float:
    """Processor seconds of this process and its ended children."""
    return sum(
        use.ru_utime + use.ru_stime
        for use in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def tokens_in(corpus: Path, tokenizer: str) -> int:
    """Tokens of a sample of each language, scaled to the whole."""
    from rumpun.corpus.tokenizer import PackTokenizer

    counting = PackTokenizer(tokenizer)
    total = 0.0
    for path in sorted((corpus / "train").glob("*.parquet")):
        texts = pq.read_table(path, columns=["text"])["text"].to_pylist()
        sample = texts[:: max(1, len(texts) // 200)]
        counted = sum(len(ids) for ids in counting.encode(sample))
        total += counted * sum(len(t) for t in texts) / max(1, sum(len(t) for t in sample))
    return round(total)


def out_of_memory(folder: Path) -> None:
    """Have the system forget the pages of these files, so that what is asked next is read from the disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def made(corpus: Path) -> tuple[Path, dict[str, float]]:
    """The index of a corpus, and what its making cost; nothing where it stood already."""
    stores = [corpus.parent]
    try:
        return indexes_of(corpus, stores)[0], {}
    except InputError:
        cost = measured([sys.executable, "-m", "rumpun.cli", "corpus", "index", str(corpus)])
    return indexes_of(corpus, stores)[0], {f"make_{name}": value for name, value in cost.items()}


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Make a corpus and its index, or take those that stand, and ask."""
    corpus = folder / "0123456789abcdef0123456789abcdef"
    if not (corpus / MANIFEST).is_file():
        write_corpus(corpus, arguments.mb * 1_000_000)
    place, cost = made(corpus)
    summary = read_manifest(place).summary
    megabytes = summary["text_bytes"] / 1e6
    rng = random.Random(SEED)
    chosen = drawn(corpus, -(-arguments.queries // len(WORKING)) * 2, rng)
    picked = rng.sample(chosen, min(arguments.queries, len(chosen)))
    queries = [(name, asked(text, number, rng)) for number, (name, text) in enumerate(picked)]
    absent = [("", "".join(rng.choice("bcdfghjklmnpqrstvwxz") for _ in range(30))) for _ in queries]
    out_of_memory(place)
    start = time.perf_counter()
    index = TraceIndex.open(place)
    opened = time.perf_counter() - start
    first, found = timed(index, queries)
    again, _ = timed(index, queries)
    result = {
        "text_mb": round(megabytes, 1),
        "documents": summary["documents"],
        "shards": summary["shards"],
        **cost,
        "index_bytes_per_text_byte": summary["bytes_per_text_byte"],
        "open_ms": round(1000 * opened, 1),
        "queries": len(queries),
        "recall_at_5": round(found / len(queries), 4),
        "first": first,
        "again": again,
        "absent": timed(index, absent)[0],
        "spans_of_1000_characters": spans(index, chosen, rng),
    }
    if cost:
        result["make_mb_per_cpu_second"] = round(megabytes / cost["make_cpu_seconds"], 2)
    if arguments.tokenizer:
        tokens = tokens_in(corpus, arguments.tokenizer)
        result["tokens"] = tokens
        result["index_bytes_per_token"] = round(summary["index_bytes"] / tokens, 2)
    if arguments.command:
        result["command_s"] = command_seconds(corpus, queries[0][1])
    if arguments.withdraw and not arguments.folder:
        result["withdraw_1_of_100"] = withdrawal(corpus)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=int, default=10, help="of text")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="kept, and used again")
    parser.add_argument("--tokenizer", default="", help="a tokenizer.json, for bytes a token")
    parser.add_argument("--no-withdraw", dest="withdraw", action="store_false", help="take nothing back")
    parser.add_argument(
        "--no-command", dest="command", action="store_false", help="leave the command's start out"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ["RUMPUN_WORKERS"] = "1"
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="rumpun-trace-"))
    try:
        result = measure(folder, arguments)
    finally:
        if not arguments.folder:
            shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
