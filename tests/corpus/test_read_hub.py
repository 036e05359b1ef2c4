"""Data sets of a hub by name: the size first, the split's files alone, checked, fetched once. The hub is a loopback server."""

import hashlib
import http.server
import json
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import TEXTS, read, recipe, rows, sources, texts

from rumpun.corpus.read.hub import chosen
from rumpun.corpus.read.params import HubSet
from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.steps import plan, run

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (make dev)")
COMMIT = "c" * 40


class Hub(http.server.ThreadingHTTPServer):
    """Two addresses of a hub: what a data set holds, and a file of it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = {}
        self.asked = []
        self.lie = None

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path.startswith("/api/datasets/"):
            siblings = [
                {"rfilename": name, "size": len(content),
                 "lfs": {"sha256": self.server.lie or hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}}
                for name, content in self.server.files.items()
            ]  # fmt: skip
            name = path.removeprefix("/api/datasets/").partition("/revision")[0]
            about = {
                "id": name,
                "sha": COMMIT,
                "siblings": siblings,
                "private": False,
                "tags": [],
                "downloads": 0,
            }
            return self.give(json.dumps(about).encode(), "application/json")
        content = self.server.files.get(path.partition(f"/resolve/{COMMIT}/")[2])
        if content is None:
            return self.give(b"not here", "text/plain", 404)
        return self.give(content, "application/octet-stream")

    def give(self, content, kind, status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def parquet(found):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(found), sink)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def hub(monkeypatch, home):
    monkeypatch.setenv("RUMPUN_WORKERS", "1")
    with Hub() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", made.address)
        made.files = {
            "README.md": b"# a set",
            "id/train-00000-of-00002.parquet": parquet([{"content": TEXTS["id"], "writer": "Sari"}]),
            "id/train-00001-of-00002.parquet": parquet([{"content": "dua", "writer": None}]),
            "id/test-00000-of-00001.parquet": parquet([{"content": "test", "writer": "x"}]),
            "th/train-00000-of-00001.parquet": parquet([{"content": TEXTS["th"], "writer": "y"}]),
        }
        yield made
        made.shutdown()


def a_set(**more):
    fixed = {
        "hf": "someone/tales", "revision": COMMIT, "config": "id", "licence": "CC-BY-4.0", "language": "id",
        "columns": {"text": "content", "contributor": "writer"},
    }  # fmt: skip
    return [fixed | more]


def test_a_set_by_name(hub, store):
    folder = read(store, hubs=a_set())
    found = rows(folder)
    assert [row["text"] for row in found] == [TEXTS["id"], "dua"]
    assert [row["contributor"] for row in found] == ["Sari", ""]
    assert found[0]["where"] == "someone/tales/id/train-00000-of-00002.parquet:1"
    listed = sources(folder)["someone/tales"]
    assert (listed["commit"], listed["rows"], listed["licence"]) == (COMMIT, 2, "CC-BY-4.0")
    assert listed["repository"].endswith("/datasets/someone/tales")
    assert {path for path in hub.asked if "test-" in path} == set()


def test_the_size_is_said_before_anything_comes(hub, store):
    said = []

    def progress(done, total=0, note=""):
        said.append((note, [path for path in hub.asked if "/resolve/" in path]))

    run(recipe(hubs=a_set()), store, progress=lambda _: progress)
    size = sum(len(content) for name, content in hub.files.items() if name.startswith("id/train"))
    first = next(item for item in said if "fetching" in item[0])
    assert first == (f"someone/tales: fetching 2 files, {size / 1e6:.1f} MB", [])


def test_it_is_fetched_once_and_then_needs_no_network(hub, store, tmp_path, monkeypatch):
    read(store, hubs=a_set())
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert texts(read(tmp_path / "other", hubs=a_set())) == [TEXTS["id"], "dua"]


def test_planning_asks_nothing_of_the_network(hub, store):
    plan(recipe(hubs=a_set()), store)
    assert hub.asked == []


def test_more_than_allowed_is_refused_with_its_size(hub, store):
    with pytest.raises(InputError, match="GB to fetch, the recipe allows") as caught:
        read(store, hubs=a_set(max_download_bytes=100))
    assert "raise max_download_bytes to" in caught.value.hint
    assert not [path for path in hub.asked if "/resolve/" in path]


def test_what_is_not_what_the_hub_lists_is_refused(hub, store):
    hub.lie = "0" * 64
    with pytest.raises(InputError, match="is not what the hub lists"):
        read(store, hubs=a_set())


def test_a_hub_out_of_reach_and_a_set_that_is_not_there(hub, store, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(EnvironmentFault, match="someone/tales: the hub did not give it") as caught:
        read(store, hubs=a_set())
    assert "HF_ENDPOINT" in caught.value.hint


def test_a_branch_is_no_revision(store):
    with pytest.raises(UsageError, match="name a commit"):
        read(store, hubs=a_set(revision="main"))
    with pytest.raises(UsageError, match="expected owner/name"):
        read(store, hubs=a_set(hf="tales"))


NAMES = [
    "README.md",
    "data/train-00000-of-00001.parquet",
    "data/test.parquet",
    "train.jsonl",
    "th/train/0000.parquet",
    "ms/train/0000.parquet",
]


@pytest.mark.parametrize(
    ("names", "config", "split", "expected"),
    [
        (NAMES[:4], "", "train", ["data/train-00000-of-00001.parquet"]),
        (NAMES[:4], "", "test", ["data/test.parquet"]),
        (["train.jsonl.gz", "dev.jsonl.gz"], "", "train", ["train.jsonl.gz"]),
        (NAMES[4:], "ms", "train", ["ms/train/0000.parquet"]),
        (["default/partial-train/0000.parquet"], "", "train", ["default/partial-train/0000.parquet"]),
        (["data/training-notes.parquet", "data/train.parquet"], "", "train", ["data/train.parquet"]),
    ],
)
def test_which_files_a_split_has(names, config, split, expected):
    assert chosen(HubSet(hf="a/b", revision=COMMIT, config=config, split=split), names) == expected


def test_several_configs_or_none_are_told():
    with pytest.raises(InputError, match="2 configs have the split 'train'") as caught:
        chosen(HubSet(hf="a/b", revision=COMMIT), NAMES[4:])
    assert "ms, th" in caught.value.hint
    with pytest.raises(InputError, match="no Parquet or JSON Lines file of config 'xx'"):
        chosen(HubSet(hf="a/b", revision=COMMIT, config="xx"), NAMES)
