"""`rumpun up --layer`: the policy, the contexts and the caution that a layer asks for, unless the command line says otherwise."""

import signal
import sys
from pathlib import Path

import httpx2
import pytest
from served import process
from tiny import tiny_gguf, tiny_layer

from rumpun.records.service import Service, write_service

ASKED = Service(policy="asean", contexts=("health",), caution="This model gives no medical advice.")


@pytest.mark.parametrize(("more", "policy"), [((), "asean"), (("--policy", "sg"), "sg")])
def test_a_layer_brings_its_policy(tmp_path: Path, more: tuple[str, ...], policy: str) -> None:
    base = tiny_gguf(tmp_path / "base.gguf")
    layer = tiny_layer(tmp_path / "layer", base)
    write_service(layer, ASKED)
    command = [
        sys.executable,
        "-m",
        "rumpun.cli",
        "up",
        "--port",
        "0",
        "--base",
        str(base),
        "--layer",
        str(layer),
        *more,
    ]
    with process(*command) as service:
        url = service.url()
        health = httpx2.get(f"{url}/health", timeout=60).json()
        page = httpx2.get(url, timeout=60).text
        _, _, errors = service.end(signal.SIGTERM)
    assert health["guard"]["policy"] == policy
    assert "no medical advice" in page
    assert ("the layer asks for policy asean" in errors) == (policy == "asean")
