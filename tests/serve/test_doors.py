"""Who is let in, and what every answer carries."""

from pathlib import Path

import httpx2
import pytest
from served import echo, post, raw, running, saying, served, word_guard

from rumpun.engines.fake import Fake
from rumpun.serve.doors import Doors
from rumpun.serve.settings import Settings, is_loopback

BODY = b'{"messages": [{"role": "user", "content": "hai"}]}'
CHAT = "/v1/chat/completions"


def status(port: int, host: str | None, *more: str, method: str = "POST", path: str = CHAT) -> int:
    lines = [f"{method} {path} HTTP/1.1", *([f"Host: {host}"] if host is not None else []), *more]
    lines += [f"Content-Length: {len(BODY)}", "Connection: close", "", ""]
    with raw(port, "\r\n".join(lines).encode() + BODY) as connection:
        return int(connection.recv(64).split()[1])


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/v1/moderations", "/v1/embeddings", "/beta/litellm_basic_guardrail_api", "/portkey/webhook", "/analyze",
     "/anonymize", "/supportedentities", "/recognizers", "/beta/nothing"],
)  # fmt: skip
def test_where_there_are_keys_every_address_for_programs_asks_for_one(path: str) -> None:
    with running(echo(), word_guard(), Settings(guard="warn", api_keys=("kunci",))) as run:
        method = "GET" if path in {"/v1/models", "/supportedentities", "/recognizers"} else "POST"

        def ask(**headers: str) -> int:
            return httpx2.request(method, run.url + path, headers=headers, content=b"{}").status_code

        assert ask() == 401
        assert (
            ask(authorization="Bearer salah")
            == ask(**{"x-api-key": "salah"})
            == ask(authorization="Basic kunci")
            == 401
        )
        assert ask(authorization="Bearer kunci") == ask(**{"x-api-key": "kunci"}) in {200, 400, 404}
        assert httpx2.get(f"{run.url}/health").status_code == 200


def test_on_loopback_only_local_host_names_are_answered() -> None:
    with running(Fake(words=1)) as run:
        for good in (
            "localhost",
            "127.0.0.1",
            "[::1]",
            "LOCALHOST:8765",
            f"127.0.0.1:{run.port}",
            "[::1]:80",
        ):
            assert status(run.port, good) == 200, good
        for bad in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1]evil", "10.0.0.1",
                    "localhost:80:80", "x" * 5000):  # fmt: skip
            assert status(run.port, bad) in {400, 403}, bad
        assert status(run.port, "evil.example", method="GET", path="/") == 403
        assert status(run.port, None) == 400


def test_further_names_can_be_allowed() -> None:
    with running(Fake(words=1), settings=Settings(guard="off", hosts=("rumpun.lan",))) as run:
        assert status(run.port, "rumpun.lan") == 200
        assert status(run.port, "other.lan") == 403


def test_a_foreign_page_cannot_post() -> None:
    with running(Fake(words=1), settings=Settings(guard="off", origins=("https://app.example",))) as run:
        here = f"127.0.0.1:{run.port}"
        assert status(run.port, here, f"Origin: http://{here}") == 200
        assert status(run.port, here, "Origin: https://app.example") == 200
        for bad in ("https://evil.example", "null", "http://127.0.0.1:1", "http://[", "http://127.0.0.1", ""):
            assert status(run.port, here, f"Origin: {bad}") == 403, bad
        assert status(run.port, here, "Origin: https://evil.example", method="GET", path="/v1/models") == 200


def test_no_answer_lets_a_foreign_page_read_it() -> None:
    with running(Fake(words=1)) as run:
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        for answer in (
            httpx2.options(run.url + CHAT, headers=asked),
            httpx2.get(f"{run.url}/v1/models", headers=asked),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "path", ["/", "/models/fake", "/static/rumpun.js", "/v1/models", "/v1/nothing", "/nothing", "/healthz"]
)
def test_every_answer_has_the_safety_headers(path: str) -> None:
    with running(Fake(words=1)) as run:
        headers = httpx2.get(run.url + path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_a_service_for_others_takes_addresses_and_its_own_name_but_no_foreign_name() -> None:
    async def app(*_: object) -> None: ...

    import socket

    doors = Doors(app, Settings(host="0.0.0.0", guard="off"))

    def refused(host: str) -> bool:
        headers = [(b"host", host.encode())]
        return doors._refused({"type": "http", "method": "GET", "path": "/", "headers": headers}) is not None

    assert not refused("192.168.1.5:8765")
    assert not refused("[fe80::1]:8765")
    assert not refused(socket.gethostname())
    assert refused("evil.example")
    behind_keys = Doors(app, Settings(host="0.0.0.0", guard="off", api_keys=("k",)))
    assert (
        behind_keys._refused({"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"x.y")]})
        is None
    )


def test_loopback_is_known() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.9.9.9"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.1", "example.org", ""))


def test_pages_say_what_is_served_and_escape_it(tmp_path: Path) -> None:
    card = tmp_path / "CARD.md"
    card.write_text(
        "---\nlicense: x\n---\n# Kartu\n\n<script>alert(1)</script>\n\n![p](https://evil.example/p.png)\n\n"
        "[a](javascript:alert(1)) [b](https://example.org)\n\n| a | b |\n|---|---:|\n| 1 | 2 |\n"
    )
    models = [
        served(echo(name="satu"), layer_name="lapis", base_name="dasar", card=card, caution="Tidak bisa <b>berhitung</b>."),
        served(saying("x", name="dua/tiga")),
    ]  # fmt: skip
    with running(models, word_guard(), Settings(guard="warn")) as run:
        chat = httpx2.get(run.url).text
        page = httpx2.get(f"{run.url}/models/satu").text
        other = httpx2.get(f"{run.url}/models/dua/tiga")
        lost = httpx2.get(f"{run.url}/models/nobody")
        guard = httpx2.get(f"{run.url}/guard")
    assert '<option value="satu">' in chat
    assert "Tidak bisa &lt;b&gt;berhitung&lt;/b&gt;." in chat
    assert "prompts and answers are checked and marked" in chat
    assert "<noscript>" in chat
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "javascript:" not in page.replace("[a](javascript:alert(1))", "")
    assert "<img" not in page
    assert 'style="' not in page + chat
    assert 'class="to-right"' in page
    assert "license: x" not in page
    assert "lapis" in page
    assert "dasar" in page
    assert "came without a card" in other.text
    assert "No lineage came with this model" in other.text
    assert lost.status_code == 404
    assert "nobody" in lost.text
    assert "word-guard" in guard.text
    for text in (chat, page, guard.text):
        assert "http://" not in text.replace("http://127.0.0.1", "")
        assert "https://" not in text.replace("https://example.org", "").replace(
            "https://evil.example/p.png", ""
        )


def test_the_static_folder_gives_its_own_files_alone() -> None:
    with running(Fake(words=1)) as run:
        assert httpx2.get(f"{run.url}/static/rumpun.css").headers["content-type"].startswith("text/css")
        for path in (
            b"/static/../app.py",
            b"/static/%2e%2e/app.py",
            b"/static/..%2fapp.py",
            b"/static/",
            b"/static/x",
        ):
            with raw(
                run.port, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            ) as found:
                assert found.recv(64).split()[1] == b"404", path


def test_a_post_with_a_foreign_type_is_read_as_json() -> None:
    with (
        running(Fake(words=1)) as run,
        raw(run.port, post(CHAT, BODY, "Content-Type: text/plain")) as connection,
    ):
        assert connection.recv(64).startswith(b"HTTP/1.1 200")
