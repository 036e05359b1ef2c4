"""How fast each reader is, on one core, and that memory does not follow the file.

python bench/readers.py [--megabytes 50] [--flat 500] [--json]

Texts are made by script (seeded words of six scripts). For each reader: MB of text a CPU-second through `corpus.read`'s own
functions (look, read into parts), and the peak of a process of its own. Last, a file of `--flat` MB shows the peak again.
"""

import argparse
import gzip
import importlib
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ALPHABETS = {
    "id": "abcdefghijklmnoprstuwy", "vi": "aăâbcdđeêghiklmnoôơpqrstuưvxy", "th": "กขคงจชซญดตถทนบปผพมยรลวสหอะาิีุูเแโไ",
    "my": "ကခဂငစဆဇညတထဒနပဖဗမယရလဝသဟအာိီုူေ", "ta": "கஙசஞடணதநபமயரலவழளறனாிீுூெேைொோ", "zh": "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年",
}  # fmt: skip
READERS = ("jsonl", "jsonl.gz", "jsonl.zst", "parquet", "txt", "warc.gz", "warc")


def paragraphs(size: int, seed: int = 5) -> Iterator[tuple[str, str]]:
    """(language, text) until so many bytes are made; lengths log-normal about 600 characters."""
    dice = random.Random(seed)
    words = {
        tag: ["".join(dice.choices(letters, k=dice.randint(2, 9))) for _ in range(2000)]
        for tag, letters in ALPHABETS.items()
    }
    made = 0
    while made < size:
        tag = dice.choice(list(words))
        count = max(8, int(dice.lognormvariate(4.5, 0.8)))
        text = (" " if tag in ("id", "vi", "ta") else "").join(dice.choices(words[tag], k=count))
        made += len(text.encode())
        yield tag, text


def write(folder: Path, kind: str, size: int) -> Path:
    """One file of a kind."""
    path = folder / f"texts.{kind}"
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([("text", pa.string()), ("language", pa.string())])
        with pq.ParquetWriter(path, schema, compression="zstd") as out:
            held = []
            for tag, text in paragraphs(size):
                held.append({"text": text, "language": tag})
                if len(held) == 10_000:
                    out.write_table(pa.Table.from_pylist(held, schema=schema))
                    held = []
            out.write_table(pa.Table.from_pylist(held, schema=schema))
        return path
    if kind.startswith("warc"):
        return _warc(path, size)
    with path.open("wb") as raw:
        out = raw
        if kind.endswith(".gz"):
            out = gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=3)
        elif kind.endswith(".zst"):
            import pyarrow as pa

            out = pa.CompressedOutputStream(pa.PythonFile(raw), "zstd")
        for tag, text in paragraphs(size):
            line = text if kind == "txt" else json.dumps({"text": text, "language": tag}, ensure_ascii=False)
            out.write(line.encode() + b"\n")
        if out is not raw:
            out.close()
    return path


def _warc(path: Path, size: int) -> Path:
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    menu = "".join(f"<li><a href='/{n}'>menu {n}</a></li>" for n in range(40))
    with path.open("wb") as stream:
        writer = WARCWriter(stream, gzip=path.suffix == ".gz")
        for n, (_, text) in enumerate(paragraphs(size)):
            body = (
                f"<html><head><meta charset=utf-8><title>{n}</title></head><body><nav><ul>{menu}</ul></nav>"
                f"<main><article><p>{text}</p></article></main><footer>end</footer></body></html>"
            )
            http = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
            record = writer.create_warc_record(
                f"https://example.org/{n}", "response", payload=io.BytesIO(body.encode()), http_headers=http
            )
            writer.write_record(record)
    return path


def peak_kb() -> int:
    """The most memory that this process has held; getrusage would count what its parent held."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])


def measure(path: Path) -> dict[str, float]:
    """Look at a file and read it into parts, in this process."""
    from rumpun.corpus.languages import known
    from rumpun.corpus.read.params import Files, ReadParams
    from rumpun.corpus.read.units import as_json, find, group
    from rumpun.corpus.read.workers import examine, read_group

    params = ReadParams(
        from_inventory=False,
        files=(Files(path=str(path), licence="CC0-1.0", documents="line"),),
    )
    file = find(params).files[0]
    known()
    for name in (
        "pyarrow.parquet",
        "fastwarc.warc",
        "resiliparse.extract.html2text",
    ):  # not the reader's time
        importlib.import_module(name)
    before = peak_kb()
    cpu, wall = time.process_time(), time.monotonic()
    facts = examine({"files": [as_json(file)], "on_bad_input": "report"})[0]
    rows = size = rejected = 0
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for spans in group([file], [facts]):
            done = read_group(
                {
                    "folder": folder,
                    "name": "0",
                    "withdrawn": [], "files": {"0": as_json(file)}, "spans": [as_json(span) for span in spans],
                    "on_bad_input": "report", "max_bytes_per_document": 8_000_000,
                }
            )  # fmt: skip
            rows += sum(part["rows"] for part in done["parts"])
            size += sum(part["bytes"] for part in done["parts"])
            rejected += done["rejected"]
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    peak = peak_kb()
    return {
        "file_mb": path.stat().st_size / 1e6, "text_mb": size / 1e6, "documents": rows, "rejected": rejected,
        "cpu_seconds": cpu, "seconds": wall, "text_mb_per_cpu_second": size / 1e6 / cpu,
        "documents_per_cpu_second": rows / cpu, "peak_mb": peak / 1e3, "base_mb": before / 1e3,
    }  # fmt: skip


def main() -> None:
    """Print one line a reader."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument(
        "--flat", type=int, default=500, help="MB of the file that shows memory flat; 0 leaves it out"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file:
        print(json.dumps(measure(options.file)))
        return
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(kind, kind, options.megabytes) for kind in READERS]
        if options.flat:
            jobs += [(f"{kind} {options.flat} MB", kind, options.flat) for kind in ("jsonl", "parquet")]
        for name, kind, size in jobs:
            path = write(Path(folder), kind, size * 1_000_000)
            done = subprocess.run(
                [sys.executable, __file__, "--file", str(path)], capture_output=True, text=True, check=True
            )
            found[name] = json.loads(done.stdout)
            path.unlink()
            if not options.json:
                facts = found[name]
                print(
                    f"{name:16} {facts['text_mb_per_cpu_second']:8.1f} MB of text/CPU-s"
                    f" {facts['file_mb'] / facts['cpu_seconds']:8.1f} MB of file/CPU-s"
                    f" {facts['documents_per_cpu_second']:9.0f} documents/CPU-s  peak {facts['peak_mb']:6.0f} MB"
                    f"  ({facts['documents']} documents, {facts['rejected']} refused)"
                )
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
