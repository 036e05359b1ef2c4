"""A model hub on the loopback: the addresses that huggingface_hub 2.4 asks for a repository, LFS files and a commit."""

import base64
import hashlib
import http.server
import json
import threading
import urllib.parse


class Repository:
    def __init__(self, private):
        self.private = private
        self.branches = {"main": "0" * 40}
        self.commits = {"0" * 40: {".gitattributes": b"*.gguf filter=lfs\n"}}
        self.messages = []


class Hub(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, token="hf_right"):
        super().__init__(("127.0.0.1", 0), Answer)
        self.token = token
        self.repositories = {}
        self.lfs = {}
        self.asked = []
        self.faults = {}  # part of an address -> a status, or "cut"
        self.lie = {}  # name -> what is said of its hash
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def files(self, name, revision="main"):
        repository = self.repositories[name]
        return repository.commits[repository.branches.get(revision, revision)]

    def handle_error(self, request, client_address):
        pass  # a cut connection


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def do_PUT(self):
        self.answer()

    def answer(self):
        hub, path = self.server, urllib.parse.unquote(self.path.partition("?")[0])
        hub.asked.append((self.command, path))
        fault = next((what for part, what in hub.faults.items() if part in path), None)
        if fault == "cut":
            self.rfile.read(min(64, int(self.headers.get("Content-Length", 0))))
            self.close_connection = True
            self.connection.close()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault:
            self.give({"error": f"no, {self.headers.get('Authorization')}"}, fault)
        elif path.startswith("/lfs/"):  # a store of its own, whose addresses are secrets
            oid = path.rpartition("/")[2]
            assert hashlib.sha256(body).hexdigest() == oid
            hub.lfs[oid] = body
            self.give({})
        elif self.headers.get("Authorization") != f"Bearer {hub.token}":
            self.give({"error": "Invalid credentials in Authorization header"}, 401)
        elif path == "/api/validate-yaml":
            self.give({"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            hub.repositories[name] = Repository(asked["visibility"] == "private")
            self.give({"url": f"{hub.address}/{name}", "id": name})
        elif path.endswith(".git/info/lfs/objects/batch"):
            objects = [item | self.actions(item["oid"]) for item in json.loads(body)["objects"]]
            self.give({"transfer": "basic", "objects": objects})
        elif path == "/lfs-verify":
            asked = json.loads(body)
            self.give({}, 200 if len(hub.lfs[asked["oid"]]) == asked["size"] else 422)
        else:
            self.repository(path.removeprefix("/api/models/").split("/"), body)

    def actions(self, oid):
        if oid in self.server.lfs:
            return {}
        there = {"href": f"{self.server.address}/lfs/{oid}", "header": {}}
        return {"actions": {"upload": there, "verify": {"href": f"{self.server.address}/lfs-verify"}}}

    def repository(self, parts, body):
        name, rest = "/".join(parts[:2]), parts[2:]
        found = self.server.repositories.get(name)
        if found is None:
            self.give({"error": "Repository not found"}, 404, "RepoNotFound")
        elif not rest or rest[0] == "revision":
            self.about(name, found, "/".join(rest[1:]) or "main")
        elif rest[0] == "branch":
            found.branches.setdefault("/".join(rest[1:]), found.branches["main"])
            self.give({})
        elif rest[0] == "preupload":
            modes = [
                {"path": item["path"], "shouldIgnore": False,
                 "uploadMode": "lfs" if item["path"].endswith((".gguf", ".safetensors")) else "regular"}
                for item in json.loads(body)["files"]
            ]  # fmt: skip
            self.give({"files": modes})
        elif rest[0] == "commit":
            self.commit(found, "/".join(rest[1:]), [json.loads(line) for line in body.splitlines()])

    def about(self, name, found, revision):
        commit = found.branches.get(revision, revision)
        if commit not in found.commits:
            self.give({"error": "Invalid rev id"}, 404, "RevisionNotFound")
            return
        siblings = []
        for path, content in found.commits[commit].items():
            sha256 = self.server.lie.get(path, hashlib.sha256(content).hexdigest())
            item = {
                "rfilename": path,
                "size": len(content),
                "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
            }
            if path.endswith((".gguf", ".safetensors")):
                item["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
            siblings.append(item)
        self.give({"id": name, "modelId": name, "sha": commit, "private": found.private, "siblings": siblings,
                   "tags": [], "downloads": 0})  # fmt: skip

    def commit(self, found, branch, lines):
        head = lines[0]["value"]
        if head.get("parentCommit") not in (None, found.branches[branch]):
            self.give({"error": "A commit has happened since"}, 412)
            return
        files = dict(found.commits[found.branches[branch]])
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.lfs[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        oid = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        found.commits[oid], found.branches[branch] = files, oid
        found.messages.append(head["summary"])
        self.give({"commitUrl": f"{self.server.address}/x/y/commit/{oid}", "commitOid": oid})

    def give(self, table, status=200, code=None):
        content = json.dumps(table).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        self.wfile.write(content)
