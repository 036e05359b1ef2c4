"""Damaged input, kind by kind: what is readable is read, the rest is told by file and row, and nothing is lost."""

import errno
import resource
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import TEXTS, files, jsonl, read, rejected, rows, rules, sources, texts
from world import ID, World, several
from world import rows as world_rows

from rumpun.corpus.read import rows as documents_rows
from rumpun.corpus.read.formats.stream import CHUNK, Lines, chunks
from rumpun.corpus.read.policy import KEPT_BYTES
from rumpun.errors import EnvironmentFault, InputError

GOOD = b'{"text": "satu dua", "language": "id"}\n'


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "1")


@pytest.mark.parametrize(
    ("line", "rule", "words"),
    [
        (b'{"text": "x", "language": ', "read.not_json", "column"),
        (b"[1, 2]", "read.not_json", "a list, not an object"),
        (b'{"language": "id"}', "read.no_text", "no text"),
        (b'{"text": 5, "language": "id"}', "read.no_text", "text is '5'"),
        (b'{"text": null, "language": "id"}', "read.no_text", "no text"),
        (b'{"text": "\xff\xfe\xfd", "language": "id"}', "read.encoding", "no other encoding fits"),
        (b'{"text": "\\ud800", "language": "id"}', "read.unicode", "half a character"),
        (b'{"text": "x", "language": "idn"}', "read.language", "language 'idn' is unknown (did you mean"),
        (b'{"text": "x", "language": ["id"]}', "read.language", "is unknown"),
        (b'{"text": "x", "language": "id", "licence": "CC-BY-NC-4.0"}', "licence.terms", "CC-BY-NC-4.0"),
        (b'{"text": "x", "language": "id", "licence": "MIT AND ("}', "licence.unknown", "licence"),
        (b'{"text": "x", "language": "id", "licence": "Foo-9"}', "licence.unknown", "'Foo-9' is not known"),
        (b'{"text": "x", "language": "zzzzzz"}', "read.language", "language 'zzzzzz' is unknown"),
        (b"[" * 100_000, "read.not_json", "RecursionError"),
    ],
)  # fmt: skip
def test_a_bad_line_is_told_and_the_others_are_read(tmp_path, store, line, rule, words):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(GOOD + line + b"\n" + GOOD)
    folder = read(store, files=files(path))
    assert texts(folder) == ["satu dua", "satu dua"]
    (found,) = rejected(folder)
    assert (found["file"], found["row"], found["rule"]) == ("mine.jsonl", 2, rule)
    assert words in found["detail"]
    assert len(found["detail"]) < 140
    assert sources(folder)["mine"]["rejected"] == {rule: {"reports": 1, "rows": 1}}
    kept = b"" if rule.startswith("licence.") else line[:KEPT_BYTES]
    if rule in ("read.not_json", "read.encoding", "licence.terms", "licence.unknown"):
        assert found["data"] == kept
    with pytest.raises(InputError, match=r"mine\.jsonl:2: ") as caught:
        read(store, files=files(path), on_bad_input="stop")
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert len(list(store.glob("[!.]*/manifest.json"))) == 1


def test_text_without_a_licence_is_refused(tmp_path, store):
    jsonl(
        tmp_path / "a.jsonl",
        [{"text": "x", "language": "id"}, {"text": "y", "language": "id", "licence": "MIT"}],
    )
    folder = read(store, files=[{"path": str(tmp_path / "a.jsonl")}])
    assert texts(folder) == ["y"]
    assert rules(folder) == [("a.jsonl", 1, "licence.none")]


def _parquet(path, count=400, group=100):
    pq.write_table(
        pa.Table.from_pylist([{"text": f"{n} {text}", "language": "id"} for n, text in enumerate(several(ID, count))]),
        path, row_group_size=group, compression="zstd", use_dictionary=False,
    )  # fmt: skip
    return path


def test_a_parquet_with_one_damaged_row_group(tmp_path, store):
    path = _parquet(tmp_path / "a.parquet")
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    start = column.data_page_offset + 40
    data[start : start + 200] = b"\xff" * 200
    path.write_bytes(data)
    folder = read(store, files=files(path))
    found = [int(text.split()[0]) for text in texts(folder)]
    assert found == [*range(100), *range(200, 400)]
    (told,) = rejected(folder)
    assert (told["rule"], told["row"], told["rows"]) == ("read.corrupt", 101, 100)
    assert "row group 1" in told["detail"]


def test_a_parquet_without_its_end(tmp_path, store):
    path = _parquet(tmp_path / "a.parquet")
    path.write_bytes(path.read_bytes()[:-40])
    good = jsonl(tmp_path / "b.jsonl", [{"text": "x", "language": "id"}])
    folder = read(store, files=files(path, good))
    assert texts(folder) == ["x"]
    assert rules(folder) == [("a.parquet", 0, "read.corrupt")]


def test_a_parquet_string_that_is_not_utf8(tmp_path, store):
    raw = [b"satu", "คุณยายปลูกขิงและขมิ้นไว้หลังบ้าน".encode("cp874"), b"\xff\xfe\xfd\xfc", b"empat"]
    text = pa.Array.from_buffers(pa.string(), 4, pa.array(raw, pa.binary()).buffers())
    pq.write_table(pa.table({"text": text}), tmp_path / "a.parquet")
    folder = read(store, files=files(tmp_path / "a.parquet", language="th"))
    assert texts(folder) == ["satu", "คุณยายปลูกขิงและขมิ้นไว้หลังบ้าน", "empat"]
    assert rules(folder) == [("a.parquet", 3, "read.encoding")]
    assert sources(folder)["a"]["recoded"] == {"cp874": 1}


def test_a_parquet_without_text_says_what_it_has(tmp_path, store):
    pq.write_table(pa.table({"body": ["x"], "n": [1]}), tmp_path / "a.parquet")
    good = jsonl(tmp_path / "b.jsonl", [{"text": "x", "language": "id"}])
    folder = read(store, files=files(tmp_path / "a.parquet", good))
    assert rejected(folder)[0]["detail"] == "no column 'text' (it has: body, n)"


def test_a_line_of_a_hundred_megabytes_is_bounded_and_memory_stays_flat(tmp_path):
    path = tmp_path / "long.jsonl"
    with path.open("wb") as out:
        out.write(GOOD + b'{"text": "')
        for _ in range(100):
            out.write(b"a" * 1_000_000)
        out.write(b'"}\n' + GOOD)
    # a process of its own: the peak of this one is not its peak
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rumpun.corpus.read.formats.stream import Lines, chunks\n"
        "found = [(n, len(line), size) for n, line, size, _ in\n"
        "         Lines(chunks(Path(sys.argv[1]), '', print), 8_000_000)]\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(found, status.partition('VmHWM:')[2].split()[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    found, _, peak = done.stdout.strip().rpartition(" ")
    assert found == str(
        [(1, len(GOOD) - 1, len(GOOD) - 1), (2, KEPT_BYTES, 100_000_012), (3, len(GOOD) - 1, len(GOOD) - 1)]
    )
    assert int(peak) < 120_000  # kB


def test_a_document_over_the_limit_is_told_with_its_size(tmp_path, store):
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD + b'{"text": "' + b"a" * 3_000_000 + b'"}\n' + GOOD)
    (tmp_path / "b.txt").write_bytes(b"satu dua\n" * 300_000)
    pq.write_table(pa.table({"text": ["x", "y" * 2_500_000, "z"]}), tmp_path / "c.parquet")
    folder = read(
        store, files=files(tmp_path / "a.jsonl", tmp_path / "b.txt", tmp_path / "c.parquet"), max_bytes_per_document=2_000_000
    )  # fmt: skip
    assert len(rows(folder)) == 4
    assert [(line["file"], line["row"], line["size"], len(line["data"])) for line in rejected(folder)] == [
        ("a.jsonl", 2, 3_000_012, KEPT_BYTES), ("b.txt", 1, 2_700_000, KEPT_BYTES), ("c.parquet", 2, 2_500_000, KEPT_BYTES),
    ]  # fmt: skip
    assert {line["rule"] for line in rejected(folder)} == {"read.too_large"}


@pytest.mark.parametrize("size", [1, 7, CHUNK])
@pytest.mark.parametrize("limit", [3, 1000])
def test_lines_agree_with_a_plain_split(size, limit):
    data = b"one\n\nthree is long\nfour\r\n" + b"x" * 50 + b"\nlast"
    pieces = [data[n : n + size] for n in range(0, len(data), size)]
    found = list(Lines(iter(pieces), limit))
    expected = data.split(b"\n")
    assert [(n, size) for n, _, size, _ in found] == [(n, len(line)) for n, line in enumerate(expected, 1)]
    assert [line for _, line, size, _ in found if size <= limit] == [
        line for line in expected if len(line) <= limit
    ]
    assert [ended for *_, ended in found] == [True] * 5 + [False]


def test_binary_empty_and_missing_files(tmp_path, store):
    good = jsonl(tmp_path / "a.jsonl", [{"text": "x", "language": "id"}])
    (tmp_path / "b.txt").write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3" + b"\0" * 100)
    (tmp_path / "c.jsonl").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "d.txt").write_bytes(b"")
    (tmp_path / "e.jsonl").write_bytes(b"\n\n")
    folder = read(
        store,
        files=files(
            good, *(tmp_path / name for name in ("b.txt", "c.jsonl", "d.txt", "e.jsonl")), language="id"
        ),
    )
    assert texts(folder) == ["x"]
    assert sorted(rules(folder)) == [
        ("b.txt", 0, "read.binary"), ("c.jsonl", 0, "read.binary"), ("d.txt", 0, "read.empty"), ("e.jsonl", 0, "read.empty"),
    ]  # fmt: skip


def test_a_source_whose_checksum_changed_is_left_out(tmp_path, store):
    world = World(tmp_path / "data")
    world.add("news", world_rows("news", "id", several(ID, 3)))
    path = world.add("other", world_rows("other", "id", several(ID, 3, 10)))
    gone = world.add("gone", world_rows("gone", "id", several(ID, 3, 20)))
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    gone.unlink()
    params = {"from_inventory": True, "data": str(world.folder), "languages": ["id"]}
    folder = read(store, **params)
    assert {row["source"] for row in rows(folder)} == {"news"}
    assert rules(folder) == [
        ("text/gone.parquet", 0, "read.missing"),
        ("text/other.parquet", 0, "read.checksum"),
    ]
    named = files(path, sha256="0" * 64, language="id") + files(jsonl(tmp_path / "a.jsonl", [{"text": "x"}]))
    assert rules(read(store, files=named)) == [("other.parquet", 0, "read.checksum")]
    with pytest.raises(InputError, match=r"gone\.parquet: missing, though the source 'gone' names it"):
        read(store, **params, on_bad_input="stop")


def test_a_full_disk_leaves_the_last_good_state_and_the_next_run_resumes(tmp_path, store, monkeypatch):
    made = [jsonl(tmp_path / f"{n}.jsonl", [{"text": f"{n}", "language": "id"}]) for n in range(3)]
    first = read(store, files=files(made[0]))
    whole = documents_rows._write

    def full(path, table):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(documents_rows, "_write", full)
    with pytest.raises(EnvironmentFault, match="No space left on device") as caught:
        read(store, files=files(*made))
    assert caught.value.hint
    assert [path.parent for path in store.glob("[!.]*/manifest.json")] == [first]
    monkeypatch.setattr(documents_rows, "_write", whole)
    assert texts(read(store, files=files(*made))) == ["0", "1", "2"]


def test_peak_memory_does_not_follow_the_file(tmp_path):
    path = tmp_path / "a.txt"
    line = (TEXTS["th"] * 8).encode() + b"\n"
    with path.open("wb") as out:
        for _ in range(30_000_000 // len(line)):
            out.write(line)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = sum(size for _, _, size, _ in Lines(chunks(path, "", print), 1 << 20))
    assert total > 29_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
