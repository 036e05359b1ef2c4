"""`rumpun up --layer`: the policy, the contexts and the caution that a layer asks for, unless the command line says otherwise."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from rumpun.records.service import Service, write_service
from tiny import tiny_gguf, tiny_layer

SYSTEM = {"ms": "Jawab dalam Bahasa Melayu."}
ASKED = Service(
    policy="asean", contexts=("health",), caution="This model gives no medical advice.", system=SYSTEM
)


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
    ]
    with (tmp_path / "errors").open("w") as errors:
        service = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert service.stdout is not None
            found = next(
                filter(None, (re.search(r"http://[\d.]+:\d+", line) for line in service.stdout)), None
            )
            assert found, (tmp_path / "errors").read_text()
            health = httpx2.get(f"{found[0]}/health", timeout=60).json()
            page = httpx2.get(found[0], timeout=60).text
            served = httpx2.get(f"{found[0]}/v1/models", timeout=60).json()["data"][0]
        finally:
            service.send_signal(signal.SIGTERM)
            service.communicate(timeout=60)
    assert health["guard"]["policy"] == policy
    assert "no medical advice" in page
    assert served["rumpun"]["system"] == SYSTEM
    said = (tmp_path / "errors").read_text()
    assert ("the layer asks for policy asean" in said) == (policy == "asean")
