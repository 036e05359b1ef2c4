import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed (make dev)")
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def world(tmp_path):
    from world import World

    return World(tmp_path / "data")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"
