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


@pytest.fixture(scope="session")
def ray_cluster():
    """A Ray cluster of two nodes on this machine."""
    pytest.importorskip("ray", reason="ray is not installed (make dev)")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        made = Cluster()
        for _ in range(2):
            made.add_node(num_cpus=1, object_store_memory=150 << 20, include_dashboard=False)
        yield made
        made.shutdown()
