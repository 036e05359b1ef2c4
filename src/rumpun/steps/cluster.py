"""Joining a Ray cluster, or starting one of this machine, with no word on the terminal and none to other hosts."""

import contextlib
import importlib
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rumpun.errors import EnvironmentFault
from rumpun.parts import require

__all__ = ["QUIET", "environment", "join"]

QUIET = {  # no reports to other hosts; workers run in this environment and see what accelerators there are
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables of the environment, for a while; what the user has set stays."""
    before = {name: os.environ.get(name) for name in values}
    for name, value in values.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                os.environ.pop(name, None)


def join(cores: int, hint: str, said: Callable[[str], None]) -> bool:
    """Join the cluster at RAY_ADDRESS, or start one of this machine; call it inside `environment(QUIET)`.

    Args:
        cores: of a cluster that is started here.
        hint: how to go on without a cluster, for the error.
        said: told what Ray would print here when a worker dies.

    Returns:
        Whether this call did it; False where the process was in a cluster already.

    Raises:
        MissingPartError: Ray is not installed.
        EnvironmentFault: no cluster answers at RAY_ADDRESS.
    """
    require("working on a Ray cluster", ["cluster"])
    import ray

    if ray.is_initialized():
        return False
    address = os.environ.get("RAY_ADDRESS")
    more: dict[str, Any] = {} if address else {"num_cpus": cores, "include_dashboard": False}
    try:
        _answers_at(address or "")
        # "local": with no address Ray would join whatever cluster somebody has started on this machine
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **more)
    except (ConnectionError, OSError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise EnvironmentFault(
            f"RAY_ADDRESS = {address}: no Ray cluster answers there ({why})",
            f"start it (ray start --head), or {hint}",
        ) from error
    # Ray prints to this process's standard output when a worker dies, whatever log_to_driver says
    talker: Any = importlib.import_module("ray._private.worker")
    talker.print_to_stdstream = lambda line, **_: said(str(line))
    return True


def _answers_at(address: str) -> None:
    """Raise OSError where nothing listens at host:port: Ray itself would go on trying for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
