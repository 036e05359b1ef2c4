"""A guard behind an OpenAI-compatible address, for tests: a real server on a loopback port."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec


class Replies:
    """What a stand-in of a guard says; `bodies` is what it was asked."""

    def __init__(self, reply):
        self.reply, self.bodies, self.lock = reply, [], threading.Lock()


@contextlib.contextmanager
def moderating(reply, whole=False):
    """The address of a running guard whose replies, (status, body), are made from each input, or from the whole body."""
    told = Replies(reply)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = msgspec.json.decode(self.rfile.read(int(self.headers["content-length"])))
            with told.lock:
                told.bodies.append((self.path, asked))
            status, body = told.reply(asked if whole else asked["input"], len(told.bodies))
            raw = msgspec.json.encode(body)
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", told
    finally:
        server.shutdown()
        server.server_close()
