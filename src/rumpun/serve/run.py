"""The server in the foreground: checks the port first, binds when the models are loaded, ends cleanly."""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from rumpun.errors import EnvironmentFault
from rumpun.serve.app import create_app
from rumpun.serve.connection import connection_class
from rumpun.serve.encoding import Embedder
from rumpun.serve.models import ServedModel
from rumpun.serve.settings import Settings

if TYPE_CHECKING:
    from rumpun.guard import Guard

__all__ = ["Server", "check_port", "listen", "serve"]


def check_port(host: str, port: int) -> None:
    """See that an address can be bound, before time is spent on loading.

    Raises:
        EnvironmentFault: it cannot; the hint is the mend.
    """
    if port:
        listen(host, port, backlog=0).close()


def listen(host: str, port: int, backlog: int = 1024) -> socket.socket:
    """A socket bound to an address, listening unless `backlog` is 0.

    Raises:
        EnvironmentFault: the port is in use, not allowed, or the host is none of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise EnvironmentFault(
            f"'{host}' is no address of this machine", "use --host 127.0.0.1, or 0.0.0.0 for every address"
        ) from error
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        if backlog:
            bound.listen(backlog)
            bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise _port_fault(host, port, error) from error
    return bound


def _port_fault(host: str, port: int, error: OSError) -> EnvironmentFault:
    if error.errno == errno.EADDRINUSE:
        return EnvironmentFault(
            f"port {port} on {host} is in use", f"stop what uses it, or choose another: --port {port + 1}"
        )
    if error.errno == errno.EACCES:
        return EnvironmentFault(f"port {port} needs more rights than you have", "choose one above 1023")
    return EnvironmentFault(
        f"{host} port {port} cannot be bound ({error.strerror})",
        "use --host 127.0.0.1, or 0.0.0.0 for every address",
    )


class Server(uvicorn.Server):
    """uvicorn, ended in order: on a signal streams are told, then connections close, and the exit code is 0."""

    def __init__(self, app: Starlette, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=connection_class(settings.head_seconds),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=20,
                timeout_graceful_shutdown=max(1, round(settings.closing_seconds)),
            )
        )
        self._starlette = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, end the streams, wait a few seconds for clients to take what is left."""
        self._starlette.state.service.end_streams()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Turn Ctrl-C and SIGTERM into an orderly end; a second Ctrl-C does not wait for anybody."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(
    models: Sequence[ServedModel],
    guard: "Guard | None",
    settings: Settings,
    announce: Callable[[str], None] = print,
    *,
    trouble: str = "",
    encoder: Callable[[], Embedder] | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM, then close the engines. The address is announced once it answers.

    The log says first what each route does about the guard; `trouble` is why there is none.

    Raises:
        EnvironmentFault: the address cannot be bound.
    """
    app = create_app(models, guard, settings, trouble=trouble, encoder=encoder)
    app.state.service.watch.log_states()
    try:
        bound = listen(settings.host, settings.port)
        host = f"[{settings.host.strip('[]')}]" if ":" in settings.host else settings.host
        announce(f"http://{host}:{bound.getsockname()[1]}")
        sys.stdout.flush()
        _quiet_uvicorn()
        server = Server(app, settings)
        asyncio.run(server.serve(sockets=[bound]))
    finally:
        app.state.service.close()


def _quiet_uvicorn() -> None:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # its tracebacks could quote a request
