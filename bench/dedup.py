"""Duplicates: speed against datatrove on the same file, precision and recall in nine scripts, exact duplicates a second.

    python bench/dedup.py [near] [scripts] [exact] [--documents 5000] [--records 1000000] [--datatrove PYTHON] [--json]

near: Indonesian documents of 250 words, a fifth of them near copies (5 of 250 words changed), given to `corpus.tag` (minhash
alone) and `corpus.link`, and to datatrove's MinHash with its defaults: reading, signatures, buckets, clusters, filter. Each runs
as one process of its own; processor seconds and peak memory are the kernel's, start-up included. PYTHON is one that has
"datatrove[processing]==0.10.1" "xxhash<4" spacy nltk tokenizers tldextract pandas orjson; without it only ours is measured.
scripts: the same, for each language; beside it shingles of five words between spaces, with the same sketch and bands.
exact: short records, a tenth of them repeated: keys, sorting, firsts.

Text is made by `rumpun.corpus.synthetic` from models of order 4 learnt from RUMPUN_DATA at run time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from rumpun.corpus.synthetic import Plan, write_synthetic

LANGUAGES = ("id", "vi", "th", "lo", "km", "my", "ta", "zh", "en")
SEED = 8
DATATROVE = """
import sys
from pathlib import Path
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter

folder, language = Path(sys.argv[1]), sys.argv[2]
config = MinhashConfig()
work = {name: str(folder / name) for name in ("signatures", "buckets", "removed", "logs", "out", "gone")}
reader = lambda: JsonlReader(str(folder / "in"))

def run(name, pipeline, tasks=1):
    LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=1, logging_dir=work["logs"] + "/" + name).run()

if __name__ == "__main__":
    run("1", [reader(), MinhashDedupSignature(output_folder=work["signatures"], config=config, language=language)])
    run("2", [MinhashDedupBuckets(input_folder=work["signatures"], output_folder=work["buckets"], config=config)], config.num_buckets)
    run("3", [MinhashDedupCluster(input_folder=work["buckets"], output_folder=work["removed"], config=config)])
    gone = JsonlWriter(work["gone"], compression=None)
    run("4", [reader(), MinhashDedupFilter(input_folder=work["removed"], exclusion_writer=gone), JsonlWriter(work["out"], compression=None)])
"""


def measured(command: Sequence[str]) -> dict[str, float]:
    """Run a command; its processor and wall seconds, and its peak memory in MB. What it says is shown if it fails."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "RUMPUN_WORKERS": "1",
        "RUMPUN_ENGINE": "native",
    }
    with tempfile.TemporaryFile("w+") as said:
        start = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said)
        peak = pid = 0
        while not pid:
            # not ru_maxrss, which starts at what this process itself held when it forked
            peak = max(peak, resident_peak_kb(process.pid))
            time.sleep(0.02)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if status:
            said.seek(0)
            sys.stderr.write(said.read()[-2_000:])
            raise SystemExit(f"{' '.join(command[:2])} … ended with {os.waitstatus_to_exitcode(status)}")
    return {
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "wall_seconds": round(time.monotonic() - start, 2),
        "peak_mb": round(peak / 1024),
    }


def resident_peak_kb(pid: int) -> int:
    """The most memory that a process has held so far."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM:")), 0)


def scored(removed: set[int], truth: Path) -> dict[str, float]:
    """Precision and recall of removed rows: of each planted pair one is to go."""
    rows = pq.read_table(truth).to_pylist()
    pairs = [(row["row"], row["of"]) for row in rows if row["kind"] != "new"]
    hit = sum((a in removed) != (b in removed) for a, b in pairs)
    return {
        "planted": len(pairs),
        "removed": len(removed),
        "false": len(removed) - hit,
        "precision": round(hit / len(removed), 4) if removed else 1.0,
        "recall": round(hit / len(pairs), 4) if pairs else 1.0,
    }


def ours(folder: Path) -> None:
    """In a process of its own: JSON Lines -> documents, signatures, links; the removed rows into removed.json."""
    import pyarrow as pa

    from rumpun.corpus.link.step import LinkParams, link
    from rumpun.corpus.parts import PART_BYTES, documents_schema, each_part, write_part
    from rumpun.corpus.tag.step import tag_table
    from rumpun.corpus.tag.taggers import make
    from rumpun.records.artefacts import Maker, Manifest
    from rumpun.steps import Input, Work, quiet

    tagger = [make("minhash")]
    rows: list[dict[str, Any]] = []
    part = key = size = 0

    def write() -> None:
        table = pa.Table.from_pylist(rows, schema=documents_schema())
        write_part(folder / "documents", part, table)
        write_part(folder / "attributes", part, tag_table(table, tagger))

    with (folder / "in" / "rows.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            rows.append(row | {"key": key, "contributor": "", "where": ""})
            key, size = key + 1, size + len(line)
            if size > PART_BYTES:
                write()
                rows, size, part = [], 0, part + 1
    if rows:
        write()
    for name in ("links", "scratch"):
        (folder / name).mkdir()
    inputs = tuple(
        Input(
            kind,
            folder / kind,
            Manifest(kind=kind, id=kind, maker=Maker(step=kind, version=1, params={}, rumpun="0")),
        )
        for kind in ("documents", "attributes")
    )
    link.function(
        LinkParams(substring_letters=0),
        Work(inputs=inputs, folder=folder / "links", scratch=folder / "scratch", seed=1, progress=quiet),
    )
    removed = [
        row["key"]
        for table in each_part(folder / "links", ["key", "exact.first", "near.keep"])
        for row in table.to_pylist()
        if row["exact.first"] is not None or not row["near.keep"]
    ]
    (folder / "removed.json").write_text(json.dumps(removed))


def near(documents: int, datatrove: str, folder: Path) -> list[dict[str, Any]]:
    """The same Indonesian file to both."""
    source = folder / "near" / "in"
    source.mkdir(parents=True)
    plan = Plan(languages=("id",), rows=documents, words=250, exact=0, near=0.2, seed=SEED)
    told = write_synthetic(source / "rows.jsonl", plan)
    truth = folder / "near" / "rows.truth.parquet"
    (source / "rows.truth.parquet").rename(truth)
    found = []
    for name, command in (
        ("rumpun", [sys.executable, __file__, "--ours", str(folder / "near")]),
        ("datatrove", [datatrove, "-c", DATATROVE, str(folder / "near"), "ind"]),
    ):
        if not command[0]:
            continue
        cost = measured(command)
        if name == "rumpun":
            removed = set(json.loads((folder / "near" / "removed.json").read_text()))
        else:
            gone = sorted((folder / "near" / "gone").glob("*.jsonl"))
            lines = [line for path in gone for line in path.read_text(encoding="utf-8").splitlines()]
            removed = {int(json.loads(line)["id"].removeprefix("synthetic-")) for line in lines}
        speed = {
            "documents_per_cpu_second": round(documents / cost["cpu_seconds"]),
            "mb_per_cpu_second": round(told["bytes"] / 1e6 / cost["cpu_seconds"], 2),
        }
        found.append(
            {"tool": name, "documents": documents, "mb": round(told["bytes"] / 1e6, 1)}
            | cost
            | speed
            | scored(removed, truth)
        )
    return found


def removed_by(signatures: Any, letters: Any) -> set[int]:
    """Rows that go, by the bands and rules of `corpus.link`."""
    from rumpun.corpus.link.near import Signatures, alike, settle
    from rumpun.corpus.link.step import LinkParams
    from rumpun.corpus.minhash import MIN_SHINGLES, band_keys

    params, of = LinkParams(), Signatures([signatures])
    taking = np.flatnonzero(letters >= MIN_SHINGLES)
    pairs = []
    for band in range(params.near_bands):
        keys = band_keys(signatures, band, params.near_rows)[taking]
        order = np.argsort(keys, kind="stable")
        pairs.append(alike(keys[order], taking[order], of, params.near_similarity))
    one, other = (np.concatenate([getattr(p, side) for p in pairs]) for side in ("one", "other"))
    found = settle(one, other, (-letters,), of, params.near_similarity)
    return set(found.rows[found.first != found.rows].tolist())


def scripts(documents: int, folder: Path) -> list[dict[str, Any]]:
    """Precision and recall by language: letters, and words between spaces."""
    import hashlib

    from rumpun.corpus.minhash import signatures, sketch
    from rumpun.corpus.tag.batch import Batch, slices

    found = []
    warm = Batch(["bambu"], ["id"])
    signatures(warm.codes, warm.kinds, warm.starts, warm.ends)  # tables are made once a process
    for language in LANGUAGES:
        path = folder / f"{language}.jsonl"
        write_synthetic(
            path, Plan(languages=(language,), rows=documents, words=250, exact=0, near=0.2, seed=SEED)
        )
        texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
        truth = path.with_suffix(".truth.parquet")
        made = []
        start = time.process_time()
        for first, last in slices([len(text) for text in texts]):
            batch = Batch(texts[first:last], [language] * (last - first))
            made.append(signatures(batch.codes, batch.kinds, batch.starts, batch.ends))
        seconds = time.process_time() - start
        letters = removed_by(*(np.concatenate(part) for part in zip(*made, strict=True)))
        hashes, owners = [], []
        for number, text in enumerate(texts):
            words = text.lower().split()
            for n in range(max(1, len(words) - 4)):
                digest = hashlib.blake2b(" ".join(words[n : n + 5]).encode(), digest_size=8).digest()
                hashes.append(int.from_bytes(digest, "little"))
                owners.append(number)
        flat, of = np.array(hashes, dtype=np.uint64), np.array(owners)
        # a text of few words has few shingles and is still compared: the comparison is of shingles, not of a lower bound
        spaces = removed_by(sketch(flat, of, len(texts)), np.full(len(texts), 1 << 20))
        size = sum(len(text.encode()) for text in texts) / 1e6
        found.append(
            {"language": language, "signatures_mb_per_cpu_second": round(size / seconds, 1)}
            | {f"letters_{key}": value for key, value in scored(letters, truth).items() if key != "planted"}
            | {f"spaces_{key}": value for key, value in scored(spaces, truth).items() if key != "planted"}
        )
    return found


def exact(records: int, folder: Path) -> list[dict[str, Any]]:
    """Short records, a tenth of them repeated."""
    import pyarrow as pa

    rng = np.random.default_rng(SEED)
    path = folder / "records.parquet"
    with pq.ParquetWriter(path, pa.schema([("text", pa.string())])) as writer:
        for first in range(0, records, 100_000):
            count = min(100_000, records - first)
            names = np.where(
                rng.random(count) < 0.1,
                rng.integers(0, max(1, first), size=count),
                np.arange(first, first + count),
            )
            texts = [
                f"Catatan pendek nomor {name} dari kebun bambu di tepi sungai, ditulis untuk pengukuran."
                for name in names.tolist()
            ]
            writer.write_table(pa.table({"text": texts}))
    cost = measured([sys.executable, __file__, "--exact", str(folder)])
    found = json.loads((folder / "exact.json").read_text())
    start = measured(
        [
            sys.executable,
            "-c",
            "import numpy, pyarrow.parquet, rumpun.corpus.exact, rumpun.corpus.link.spill",
        ]
    )
    spent = cost["cpu_seconds"] - start["cpu_seconds"]
    return [{"records": records} | cost | {"records_per_cpu_second": round(records / spent)} | found]


def exact_alone(folder: Path) -> None:
    """In a process of its own: the keys of all records, sorted on disk, and the later ones of each."""
    from rumpun.corpus.exact import firsts, text_keys
    from rumpun.corpus.link.spill import gather, ranges, spill

    key = duplicates = 0
    with pq.ParquetFile(folder / "records.parquet") as file:
        for part, batch in enumerate(file.iter_batches(batch_size=100_000)):
            texts = batch.column(0).to_pylist()
            halves = np.ascontiguousarray(text_keys(texts)).view(np.uint64).reshape(-1, 2)
            spill(
                folder,
                "exact",
                part,
                halves[:, 0],
                halves[:, 1],
                np.arange(key, key + len(texts), dtype=np.uint64),
            )
            key += len(texts)
    for bounds in ranges(folder, "exact"):
        duplicates += len(firsts(gather(folder, "exact", bounds))[0])
    (folder / "exact.json").write_text(json.dumps({"duplicates": duplicates}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=["near", "scripts", "exact", []], default=[])
    parser.add_argument("--documents", type=int, default=5_000)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--datatrove", default="", metavar="PYTHON")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--exact", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        return ours(arguments.ours)
    if arguments.exact:
        return exact_alone(arguments.exact)
    result: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="rumpun-dedup-") as name:
        folder = Path(name)
        for what in arguments.what or ["near", "scripts", "exact"]:
            if what == "near":
                result[what] = near(arguments.documents, arguments.datatrove, folder)
            elif what == "scripts":
                result[what] = scripts(min(arguments.documents, 2_000), folder)
            else:
                result[what] = exact(arguments.records, folder)
            if not arguments.json:
                show(what, result[what])
    if arguments.json:
        print(json.dumps(result))
    return None


def show(what: str, rows: list[dict[str, Any]]) -> None:
    """A table, a column a figure."""
    print(f"== {what}")
    names = list(rows[0])
    widths = [max(len(name), *(len(str(row.get(name, ""))) for row in rows)) for name in names]
    print("  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True)))
    for row in rows:
        print(
            "  ".join(str(row.get(name, "")).rjust(width) for name, width in zip(names, widths, strict=True))
        )


if __name__ == "__main__":
    main()
