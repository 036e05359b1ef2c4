"""The one plan that every stage runs: a Daft frame with a row for each unit of work, and one batch function over it.

On one machine the frame runs on Daft's native runner in worker processes, since Python and numpy hold the interpreter.
RUMPUN_ENGINE=ray, or RAY_ADDRESS, runs the same frame on a Ray cluster; every node must then see the store's folder.
Who calls gets the results in the order of the units, so nothing depends on how many workers there were.
"""

import base64
import contextlib
import hashlib
import importlib
import json
import logging
import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rumpun.errors import EnvironmentFault, UsageError
from rumpun.steps import Progress, quiet
from rumpun.steps.cluster import QUIET, environment, join

__all__ = ["RESUBMISSIONS", "engine", "map_parts", "workers"]

RESUBMISSIONS = 3  # how often units that did not come back are handed out again
_QUIET = {  # no bars, no reports to other hosts, one thread for each worker's arithmetic
    "DAFT_PROGRESS_BAR": "0",
    "DAFT_ANALYTICS_ENABLED": "0",
    **QUIET,
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}

_LEVELS = {"daft_local_execution": logging.CRITICAL, "daft.runners": logging.ERROR}


def engine() -> Literal["native", "ray"]:
    """Which runner the environment names.

    Raises:
        UsageError: RUMPUN_ENGINE is neither "native" nor "ray".
    """
    named = os.environ.get("RUMPUN_ENGINE", "")
    if named not in ("", "native", "ray"):
        raise UsageError(f"RUMPUN_ENGINE = {named!r}", "set it to native or ray, or leave it out")
    if named == "native":
        return "native"
    return "ray" if named or os.environ.get("RAY_ADDRESS") else "native"


def workers() -> int:
    """How many workers: RUMPUN_WORKERS, or the cores that this process may use.

    Raises:
        UsageError: RUMPUN_WORKERS is no number from 1 on.
    """
    named = os.environ.get("RUMPUN_WORKERS", "")
    if not named:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not named.isdecimal() or int(named) < 1:
        raise UsageError(f"RUMPUN_WORKERS = {named!r}", "set it to a number from 1 on, or leave it out")
    return int(named)


def map_parts(
    function: Callable[[Any], Any],
    units: Sequence[Any],
    *,
    progress: Progress = quiet,
    note: str = "",
    keep: Path | None = None,
    least: int = 1,
) -> list[Any]:
    """`function(unit)` for every unit, in worker processes; the results in the order of the units.

    `function` is a callable of a module, or a `functools.partial` of one with arguments that pickle. Units and results
    are what JSON can say. What a function writes it writes aside and renames, so that a worker killed in the middle
    costs one unit: units that did not come back are handed out again, at most RESUBMISSIONS times. With `keep`, a
    folder that belongs to this run alone, each result is kept there and a finished unit is not done again, not even
    by a process started anew: so what a unit wrote must stay where it is until the run is over (link it to its place).
    A worker process costs about half a second of processor time: `least` says how many units make one worth its start.

    Raises:
        EnvironmentFault: workers died again and again.
        Exception: the first unit, in their order, whose function raised; its exception as it was.
    """
    if not units:
        return []
    calls = [_call(function, number, unit, keep) for number, unit in enumerate(units)]
    results = {number: _opened(text) for number, text in _kept(calls)}
    _DIED.clear()
    progress(len(results), len(units), note)
    lost: Exception | None = None
    for attempt in range(RESUBMISSIONS + 1):
        todo = [call for call in calls if call["number"] not in results]
        if not todo:
            break
        if attempt:
            progress(
                len(results), len(units), f"{note}: {len(todo)} handed out again ({_said(lost)})".lstrip(": ")
            )
        try:
            for number, text in _answers(function, todo, least):
                results[number] = _opened(text)
                died = f" ({len(_DIED)} workers died and were started again)" if _DIED else ""
                progress(len(results), len(units), note + died)
        except _LostError as error:
            lost = error
    missing = [number for number in range(len(units)) if number not in results]
    if missing:
        raise EnvironmentFault(
            f"{note or getattr(function, '__name__', 'the work')}: {len(missing)} of {len(units)} units did not come back"
            f" after {RESUBMISSIONS + 1} tries ({_said(lost)}); the first is {_short(units[missing[0]])}",
            "workers were killed: give them more memory, or fewer of them by RUMPUN_WORKERS, and run again: it resumes",
        )
    return [results[number] for number in range(len(units))]


_DIED: list[str] = []  # what the cluster said of workers that died while this process waited


class _LostError(Exception):
    """The runner gave up; some units may not have come back."""


def _said(error: Exception | None) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any(
        sign in line
        for line in lines
        for sign in ("EOF reached", "has terminated", "actor died", "ActorDied")
    ):
        return "a worker process was ended"
    return (lines or ["no word from the workers"])[0][:160]


def _short(unit: Any) -> str:
    text = json.dumps(unit, ensure_ascii=False)
    return text if len(text) <= 120 else text[:119] + "…"


def _call(function: Callable[[Any], Any], number: int, unit: Any, keep: Path | None) -> dict[str, Any]:
    """A unit with its number and the file in which its result is kept."""
    kept = ""
    if keep is not None:
        inner = getattr(function, "func", function)
        named = f"{inner.__module__}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"
        fixed = [repr(getattr(function, "args", ())), repr(getattr(function, "keywords", {}))]
        said = json.dumps([named, fixed, unit], sort_keys=True, ensure_ascii=False)
        kept = str(keep.absolute() / f"{hashlib.blake2b(said.encode(), digest_size=12).hexdigest()}.json")
    return {"number": number, "unit": unit, "kept": kept}


def _kept(calls: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, str]]:
    for call in calls:
        if call["kept"]:
            with contextlib.suppress(FileNotFoundError):
                yield call["number"], Path(call["kept"]).read_text(encoding="utf-8")


def answer(function: bytes, text: str) -> str:
    """In a worker: do one call and say what came of it, as JSON with the call's number."""
    call = json.loads(text)
    kept = Path(call["kept"]) if call["kept"] else None
    if kept is not None and kept.is_file():
        return json.dumps({"number": call["number"], "said": kept.read_text(encoding="utf-8")})
    try:
        work = importlib.import_module("daft.pickle").loads(function)
        said = json.dumps({"result": work(call["unit"])}, ensure_ascii=False)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            aside = kept.with_suffix(f".{os.getpid()}.part")
            aside.write_text(said, encoding="utf-8")
            aside.replace(kept)
    except Exception as error:  # noqa: BLE001  (it is raised again where the results are gathered)
        said = json.dumps({"error": _packed(error), "trace": traceback.format_exc()}, ensure_ascii=False)
    return json.dumps({"number": call["number"], "said": said}, ensure_ascii=False)


def _packed(error: Exception) -> str:
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)  # noqa: S301  (our own bytes: an exception that cannot be made again must not be sent)
    except Exception:  # noqa: BLE001  (whatever a foreign exception does when it is copied)
        return ""
    return base64.b64encode(packed).decode()


def _opened(said: str) -> Any:
    """The result of one call, or its exception raised."""
    found = json.loads(said)
    if "error" not in found:
        return found["result"]
    if not found["error"]:
        raise RuntimeError(f"a worker failed\n{found['trace']}")
    error: Exception = pickle.loads(base64.b64decode(found["error"]))  # noqa: S301  (made by `answer` in our own worker)
    error.add_note(f"in a worker:\n{found['trace']}")
    raise error


class _Spared:
    """Finds no pandas: pyarrow would import it at the first array, for 0.4 s and 50 MB in every worker, and never use it."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:  # noqa: ARG004  (the import system's)
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not imported in a worker", name=name)


@contextlib.contextmanager
def prepared(paths: Sequence[str]) -> Iterator[None]:
    """In a worker's own process: see the same modules as the caller, keep to one thread, print nothing."""
    if not paths:  # a thread of the caller's process
        yield
        return
    sys.path.extend(path for path in paths if path not in sys.path)
    if _Spared not in sys.meta_path:
        sys.meta_path.insert(0, _Spared)
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("pyarrow").set_cpu_count(1)
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def _answers(
    function: Callable[[Any], Any], calls: Sequence[Mapping[str, Any]], least: int
) -> Iterator[tuple[int, str]]:
    """(number, what came of it) of each call, as the plan gives them.

    Raises:
        _LostError: the runner failed before all had come.
    """
    with _environment():
        import daft
        import daft.pickle

        where = engine()
        if (
            where == "native" and daft.get_or_infer_runner_type() != "native"
        ):  # DAFT_RUNNER, or a Ray job around this
            daft.set_runner_native()
        number = min(workers(), max(1, len(calls) // least)) if where == "native" else _cluster(len(calls))
        worker = _worker(number, processes=where == "native" and number > 1)
        own = where == "ray" or number > 1  # a process of its own for each worker
        work = worker([*sys.path] if own else [], daft.pickle.dumps(function)).work
        frame = daft.from_pydict({"call": [json.dumps(call, ensure_ascii=False) for call in calls]})
        if where == "ray":
            frame = frame.into_partitions(min(len(calls), 4 * number))
        try:
            for row in frame.select(work(daft.col("call")).alias("answer")).iter_rows(
                results_buffer_size=None
            ):
                found = json.loads(row["answer"])
                yield found["number"], found["said"]
        except Exception as error:
            raise _LostError(str(error)) from error


def _worker(number: int, *, processes: bool) -> Any:
    """The class whose instances the plan starts, one for each worker; one worker alone is a thread of this process."""
    import daft

    @daft.cls(use_process=processes, max_concurrency=number if processes else None)
    class Worker:
        def __init__(self, paths: list[str], function: bytes) -> None:
            self.paths = paths
            self.function = function
            self.turn = threading.Lock()  # threads would do several units at once

        @daft.method.batch(return_dtype=daft.DataType.string(), batch_size=1)
        def work(self, calls: daft.Series) -> list[str]:
            with self.turn, prepared(self.paths):
                return [answer(self.function, call) for call in calls.to_pylist()]

    return Worker


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """The settings that the runners and their workers read; what the user has set stays."""
    # the first repeats each error that is raised here, the second tells what the user has set himself
    talkers = {logging.getLogger(name): level for name, level in _LEVELS.items()}
    levels = {talker: talker.level for talker in talkers}
    for talker, level in talkers.items():
        talker.setLevel(level)
    try:
        with environment(_QUIET):
            yield
    finally:
        for talker, level in levels.items():
            talker.setLevel(level)


def _cluster(units: int) -> int:
    """Join the Ray cluster, or start one of this machine, and give how many workers it shall have."""
    join(workers(), "unset RAY_ADDRESS and RUMPUN_ENGINE to work on this machine", _DIED.append)
    import daft
    import ray

    if daft.get_or_infer_runner_type() != "ray":
        daft.set_runner_ray(noop_if_initialized=True)
    cluster: Any = ray
    cores = int(cluster.cluster_resources().get("CPU", 1))
    return max(1, min(units, workers() if os.environ.get("RUMPUN_WORKERS") else cores))
