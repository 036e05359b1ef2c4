"""Fetching a base from a hub: the size first, the checksum after, nothing unless asked. The hub is a loopback server."""

import hashlib
import http.server
import json
import threading

import pytest

from rumpun.engines import hub
from rumpun.engines.catalogue import Entry, find
from rumpun.engines.hub import fetch
from rumpun.engines.load import resolve
from rumpun.errors import EnvironmentFault, InputError, MissingPartError
from rumpun.records.artefacts import verify
from tiny import tiny_gguf

COMMIT = "c" * 40


class Hub(http.server.ThreadingHTTPServer):
    """Two addresses of a model hub: what a repository holds, and a file of it."""

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
        if path.startswith("/api/models/"):
            siblings = [
                {"rfilename": name, "size": len(content),
                 "lfs": {"sha256": self.server.lie or hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}}
                for name, content in self.server.files.items()
            ]  # fmt: skip
            repository = path.removeprefix("/api/models/").partition("/revision")[0]
            return self.give(json.dumps({"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings,
                                         "private": False, "tags": [], "downloads": 0}).encode(), "application/json")  # fmt: skip
        content = self.server.files.get(path.rpartition("/")[2])
        if content is None or "/resolve/" not in path:
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


@pytest.fixture
def server(monkeypatch, home, tmp_path):
    with Hub() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", made.address)
        made.files["Tiny-Q4_K_M.gguf"] = tiny_gguf(tmp_path / "t.gguf").read_bytes()
        made.files["README.md"] = b"# Tiny"
        yield made
        made.shutdown()


def entry(**changes):
    facts = {
        "name": "tiny-hub",
        "kind": "hub",
        "repository": "someone/Tiny-GGUF",
        "file": "*Q4_K_M.gguf",
        "licence": "Apache-2.0",
    }
    return Entry(**(facts | changes))


def test_the_size_is_said_before_anything_comes(server, home):
    said = []

    def progress(done, total=0, note=""):
        said.append((done, total, note, [path for path in server.asked if "/resolve/" in path]))

    path = fetch(entry(), progress)
    size = len(server.files["Tiny-Q4_K_M.gguf"])
    assert said[0] == (0, size, f"tiny-hub (Apache-2.0): fetching {size / 1e9:.2f} GB", [])
    assert path == home / "data" / "bases" / "tiny-hub" / "Tiny-Q4_K_M.gguf"
    manifest = verify(path.parent)
    assert [file.path for file in manifest.files] == ["Tiny-Q4_K_M.gguf"]
    assert (manifest.kind, manifest.sources[0].commit, manifest.sources[0].role) == ("base", COMMIT, "base")


def test_it_is_fetched_once(server):
    first = fetch(entry())
    asked = len(server.asked)
    assert fetch(entry()) == first
    assert len(server.asked) == asked


@pytest.mark.parametrize("where", ["catalogue", "hub"])
def test_what_does_not_match_its_checksum_is_refused(server, home, where):
    if where == "hub":
        server.lie = "0" * 64
    with pytest.raises(InputError, match="sha256"):
        fetch(entry(sha256="1" * 64 if where == "catalogue" else ""))
    assert not (home / "data" / "bases" / "tiny-hub").exists()
    assert not list((home / "data").rglob("*.gguf"))


@pytest.mark.parametrize(("pattern", "count"), [("*Q8_0.gguf", 0), ("*", 2)])
def test_a_pattern_must_name_one_file(server, pattern, count):
    with pytest.raises(InputError, match=f"{count} files match"):
        fetch(entry(file=pattern))


def test_a_hub_out_of_reach_is_a_clear_error(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(EnvironmentFault, match="someone/Tiny-GGUF") as caught:
        fetch(entry())
    assert "HF_ENDPOINT" in caught.value.hint


def test_too_little_disk_is_said_first(server, monkeypatch):
    usage = hub.shutil.disk_usage
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda path: usage(path)._replace(free=10))
    with pytest.raises(EnvironmentFault, match="GB free"):
        fetch(entry())
    assert not [path for path in server.asked if "/resolve/" in path]


def test_without_the_library_the_part_is_named(server, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingPartError, match="huggingface_hub"):
        fetch(entry())


def test_nothing_is_fetched_in_silence(server):
    """A known base that is not at hand: an error by default, a fetch where it was asked for."""
    known = find("qwen3-1.7b")
    server.files[known.file] = server.files["Tiny-Q4_K_M.gguf"]
    with pytest.raises(InputError, match="not at hand"):
        resolve("qwen3-1.7b")
    assert server.asked == []
    found = resolve("qwen3-1.7b", fetch=True)
    assert (found.name, found.kind) == ("qwen3-1.7b", "gguf")
    assert resolve("qwen3-1.7b") == found
