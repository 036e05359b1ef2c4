"""What every room's tests share: a home of their own, the embedded base, and honest skips.

A skip is a promise not kept, so its reason is counted in the last lines of a run, and where CI=true it is a failure.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from rumpun.errors import RumpunError
from rumpun.records.places import data_folder

# taken before any test changes RUMPUN_HOME: workers and later runs share one copy of the base
SHARED_BASES = Path(os.environ.get("RUMPUN_TEST_BASE") or data_folder() / "bases")
# Reasons that may be met anywhere: no test machine is bound to have a GPU; Presidio brings 390 MB and a package that
# overwrites one of ours, so its adapter is tested against a stand-in, and against Presidio itself where it is installed
MAY_SKIP = ("GPU", "presidio-")

hypothesis.settings.register_profile(
    "rumpun", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("rumpun")


@pytest.fixture(scope="session", autouse=True)
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """RUMPUN_HOME for the whole run, so that no test writes into its user's own folders."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUMPUN_HOME", str(home))
        yield home


@pytest.fixture(scope="session")
def base_gguf(session_home: Path) -> Path:
    """The embedded base's GGUF, also linked into the run's home; skips where it cannot be taken."""
    from rumpun.engines.embedded import base

    try:
        found = base(bases=SHARED_BASES)
    except RumpunError as error:
        pytest.skip(f"the embedded base cannot be taken: {error.message}")
    link_base(found, session_home)
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty RUMPUN_HOME for one test."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("RUMPUN_HOME", str(folder))
    return folder


@pytest.fixture
def home_with_base(home: Path, base_gguf: Path) -> Path:
    """A RUMPUN_HOME for one test in which the embedded base stands already."""
    link_base(base_gguf, home)
    return home


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


def link_base(base: Path, home: Path) -> None:
    """Put the base's folder into a home by hard links, or copies where the disk differs."""
    target = home / "data" / "bases" / base.parent.name
    target.mkdir(parents=True, exist_ok=True)
    for path in base.parent.iterdir():
        if not (target / path.name).exists():
            try:
                os.link(path, target / path.name)
            except OSError:
                shutil.copyfile(path, target / path.name)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def _forbid(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = _reason(report)
    if not reason.startswith(MAY_SKIP):
        report.outcome = "failed"
        report.longrepr = f"skipped, and with CI=true a skip is a failure: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    _forbid(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    yield
    reports = terminalreporter.stats.get("skipped", [])
    counts = Counter(_reason(report) for report in reports)
    terminalreporter.write_line(f"skips: {sum(counts.values())}")
    for reason, count in counts.most_common():
        terminalreporter.write_line(f"  {count:4} {reason}")
