"""Nothing is lost: our run through their layout, their log through ours, one tool's log through the other's layout."""

import json
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from made_logs import (
    exactly,
    inspect_log,
    lm_log,
    read_lm_eval,
    read_zip,
    runs,
    same_run,
    write_inspect,
    write_lm_eval,
    write_run,
)

from rumpun.evaluate.logs import (
    export_inspect,
    export_lm_eval,
    import_inspect,
    import_lm_eval,
    inspect_sample,
)

examples = hypothesis.settings(max_examples=60)


@examples
@hypothesis.given(runs, st.sampled_from(("eval", "json")))
def test_our_run_through_inspect(run: Any, form: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = write_run(folder / "ours", run)
        logs = export_inspect(ours, folder / "theirs", form=form)
        kinds = {(one.task, one.language, one.model) for one in (*run[0].cells, *run[1])}
        assert len(logs) == len(kinds)
        if not logs:
            return
        found = import_inspect(folder / "theirs", folder / "again")
        assert same_run(ours, folder / "again")
        assert found.samples == len(run[1])
        assert not found.left


@examples
@hypothesis.given(runs)
def test_our_run_through_lm_eval(run: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = write_run(folder / "ours", run)
        if not export_lm_eval(ours, folder / "theirs"):
            assert not run[0].cells
            assert not run[1]
            return
        found = import_lm_eval(folder / "theirs", folder / "again")
        assert same_run(ours, folder / "again")
        assert not found.left
        assert not [warning for warning in found.warnings if "hash" in warning]


@examples
@hypothesis.given(inspect_log, st.sampled_from((0, 8, 93)), st.booleans())
def test_inspects_log_through_ours(log: Any, method: int, small: bool) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            inspect_sample, "LARGE", 1 << 20 if small else 40
        )  # else nearly every sample is kept packed
        folder = Path(name)
        members = write_inspect(folder / "log.eval", log, method)
        found = import_inspect(folder / "log.eval", folder / "ours")
        assert found.samples == len(log["samples"])
        assert set(found.left) <= {"from_a_later_version"}
        (path,) = export_inspect(folder / "ours", folder / "theirs")
        if method == 93 and not small:
            again = import_inspect(path, folder / "again")
            assert again.samples == len(log["samples"])
            assert same_run(folder / "ours", folder / "again")
            return  # packed members stay as they were packed, which the standard library does not read
        assert exactly(read_zip(path)) == exactly(members)
        import_inspect(path, folder / "again")
        assert same_run(folder / "ours", folder / "again")


@examples
@hypothesis.given(inspect_log, st.sampled_from((None, 2)), st.booleans())
def test_inspects_json_log_through_ours(log: Any, indent: int | None, samples_first: bool) -> None:
    whole = {**log["header"], "samples": log["samples"], "reductions": log.get("reductions")}
    if samples_first:
        whole = {"samples": whole.pop("samples"), **whole}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "log.json").write_text(json.dumps(whole, indent=indent), encoding="utf-8")
        assert import_inspect(folder / "log.json", folder / "ours").samples == len(log["samples"])
        (path,) = export_inspect(folder / "ours", folder / "theirs", form="json")
        assert exactly(json.loads(path.read_text(encoding="utf-8"))) == exactly(whole)
        import_inspect(path, folder / "again")
        assert same_run(folder / "ours", folder / "again")


@examples
@hypothesis.given(lm_log)
def test_lm_evals_files_through_ours(log: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_lm_eval(folder / "theirs", log)
        found = import_lm_eval(folder / "theirs", folder / "ours")
        assert set(found.left) <= {"extra"}
        export_lm_eval(folder / "ours", folder / "back")
        assert exactly(read_lm_eval(folder / "back")) == exactly(files)
        import_lm_eval(folder / "back", folder / "again")
        assert same_run(folder / "ours", folder / "again")


@hypothesis.settings(max_examples=30)
@hypothesis.given(inspect_log, st.sampled_from(("eval", "json")))
def test_inspects_log_through_lm_eval_and_through_the_other_form(log: Any, form: Any) -> None:
    other = "json" if form == "eval" else "eval"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inspect(folder / "log.eval", log)
        import_inspect(folder / "log.eval", folder / "first")
        import_inspect(*export_inspect(folder / "first", folder / "forms", form=form), folder / "ours")
        export_lm_eval(folder / "ours", folder / "lm")
        import_lm_eval(folder / "lm", folder / "again")
        assert same_run(folder / "ours", folder / "again")
        import_inspect(*export_inspect(folder / "again", folder / "other", form=other), folder / "last")
        assert same_run(folder / "first", folder / "last")
        (path,) = export_inspect(folder / "last", folder / "end")
        assert exactly(read_zip(path)) == exactly(read_zip(folder / "log.eval"))


@hypothesis.settings(max_examples=30)
@hypothesis.given(lm_log)
def test_lm_evals_files_through_inspect(log: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_lm_eval(folder / "theirs", log)
        import_lm_eval(folder / "theirs", folder / "ours")
        if export_inspect(folder / "ours", folder / "inspect"):
            import_inspect(folder / "inspect", folder / "again")
            assert same_run(folder / "ours", folder / "again")
            export_lm_eval(folder / "again", folder / "back")
            assert exactly(read_lm_eval(folder / "back")) == exactly(files)
