"""The folders that runs leave: whole or not there, refused where they hold something else, made by fakes and by llama.cpp."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_runs import QUICK, Counting, timeless

from rumpun.engines.load import Found
from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.evaluate import runs
from rumpun.evaluate.records import SAMPLES, SCORES, read_samples, read_scores
from rumpun.evaluate.run import Plan, Settings
from rumpun.evaluate.runs import plan_suite, run_suite, samples_of
from tiny import tiny_gguf


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[list[Counting]]:
    """Every name but «unknown» is a file whose model answers by what it holds."""
    opened: list[Counting] = []

    def found(name: str, **_: Any) -> Found:
        if name == "unknown":
            raise UsageError("no model is called 'unknown'", "known: …")
        file = home / "models" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        return Found(name=file.name, kind="gguf", place=str(file))

    def engine(place: Found, **_: Any) -> Counting:
        opened.append(Counting(name=place.place))
        return opened[-1]

    monkeypatch.setattr(runs, "resolve", found)
    monkeypatch.setattr(runs, "open_engine", engine)
    yield opened
    assert all(one.closed for one in opened)


def quick(*names: str) -> Plan:
    return plan_suite("region", Settings(languages=QUICK, limit=2), names)


def test_a_run_leaves_scores_samples_and_a_page_that_agree(tmp_path: Path, fakes: list[Counting]) -> None:
    told: list[str] = []

    def start(name: str) -> Any:
        told.append(name)
        return lambda *_, **__: None

    done = run_suite(quick(), "a", "b", into=tmp_path / "run", start=start)
    assert done.folder == tmp_path / "run"
    assert sorted(path.name for path in done.folder.iterdir()) == ["report.html", SAMPLES, SCORES]
    assert read_scores(done.folder / SCORES) == done.scores
    assert [m.name for m in done.scores.models] == ["a", "b"]
    both = [samples_of(done.folder, None, place) for place in (0, 1)]
    assert read_samples(done.folder / SAMPLES) == [*both[0], *both[1]]
    assert samples_of(done.folder, "b", 0) == both[1]
    assert (done.asked, done.kept) == (sum(len(one.seen) for one in fakes) + 2 * 4, 0), (
        "and the tokens of four texts"
    )
    assert "items" not in told
    assert {"a", "b"} <= set(told)
    with pytest.raises(UsageError, match="no model 'c' in it"):
        samples_of(done.folder, "c", 0)
    again = run_suite(quick(), "a", "b", into=tmp_path / "run")
    assert again.asked == 0
    assert timeless(again.scores) == timeless(done.scores)


def test_by_default_a_run_has_a_folder_of_its_own_with_the_models_name(
    home: Path, fakes: list[Counting]
) -> None:
    done = run_suite(quick("nli"), "x/padi pertama+1")
    assert done.folder.parent == home / "data" / "evaluations"
    assert done.folder.name.startswith("padi-pertama+1-2")
    assert (done.folder / SCORES).is_file()
    assert done.scores.made["tasks"] == "nli"


def test_models_of_one_name_are_told_apart_and_one_model_is_not_put_against_itself(
    tmp_path: Path, fakes: list[Counting]
) -> None:
    done = run_suite(quick("nli"), "x/model", "y/model", into=tmp_path / "run")
    assert [m.name for m in done.scores.models] == ["model", "model (2)"]
    assert Counter(cell.model for cell in done.scores.cells) == {"model": 2, "model (2)": 2}
    one, other = (samples_of(done.folder, None, place) for place in (0, 1))
    assert [s.logprobs for s in one] != [s.logprobs for s in other]
    with pytest.raises(UsageError, match="a and a are the same model"):
        run_suite(quick("nli"), "a", "a", into=tmp_path / "other")
    with pytest.raises(UsageError, match="no model is called 'unknown'"):
        run_suite(quick("nli"), "a", "unknown", into=tmp_path / "other")
    assert len(fakes) == 2, "nothing is asked before both are known"
    assert not (tmp_path / "other").exists()


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path: Path, fakes: list[Counting]) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis: holds chapter\.txt, which is no part of a run"):
        run_suite(quick("nli"), "a", into=folder)
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(EnvironmentFault, match="cannot be written"):
            run_suite(quick("nli"), "a", into=place)
    assert fakes == []
    assert [path.name for path in folder.iterdir()] == ["chapter.txt"]


def test_a_folder_that_was_cut_off_while_it_was_written_is_gone_on_with(
    tmp_path: Path, fakes: list[Counting]
) -> None:
    folder = tmp_path / "run"
    run_suite(quick("nli"), "a", into=folder)
    (folder / "flips.html").write_text("made from it")
    run_suite(quick("nli"), "a", into=folder)  # what people put beside a whole run is of no matter
    (folder / "flips.html").unlink()
    (folder / SCORES).unlink()
    (folder / f".{SCORES}.part").write_text('{"schema"')
    done = run_suite(quick("nli"), "a", into=folder)
    assert read_scores(folder / SCORES) == done.scores


def test_no_scores_stand_beside_samples_of_another_run(
    tmp_path: Path, fakes: list[Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    run_suite(quick("nli"), "a", into=folder)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs, "write_samples", full)
    with pytest.raises(OSError, match="No space"):
        run_suite(quick("causal"), "a", into=folder)
    assert not (folder / SCORES).exists()
    with pytest.raises(InputError, match="cannot be read"):
        samples_of(folder, None, 0)


def test_languages_are_those_of_the_tables_and_of_the_sets_that_are_asked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--languages: no language 'xx'"):
        plan_suite("region", Settings(languages=("id", "xx")))
    with pytest.raises(UsageError, match="no language 'nij'"):
        plan_suite("region", Settings(languages=("nij",)))
    with pytest.raises(InputError, match=r"nusax-sentiment: .* is not there"):
        plan_suite("region", Settings(languages=("nij",)), ["nusax-sentiment"], data=tmp_path)
    with pytest.raises(UsageError, match="nothing to ask in jv"):
        plan_suite("region", Settings(languages=("jv",)))
    with pytest.raises(UsageError, match="no task 'readin'") as caught:
        plan_suite("region", Settings(languages=("id",)), ["readin"])
    assert "reading" in caught.value.hint
    with pytest.raises(UsageError, match="no suite 'rgion'"):
        plan_suite("rgion", Settings(languages=("id",)))


def test_two_small_models_through_llama_cpp(tmp_path: Path, home: Path) -> None:
    one, other = tiny_gguf(tmp_path / "one" / "m.gguf", 1), tiny_gguf(tmp_path / "two" / "m.gguf", 2)
    made = plan_suite(
        "region", Settings(languages=("id", "en"), limit=3), ["grammar", "causal", "bpb", "tokens"]
    )
    done = run_suite(made, str(one), str(other), into=tmp_path / "run")
    assert done.scores.not_run == []
    assert len({m.digest for m in done.scores.models}) == 2
    assert all(cell.errors == 0 and cell.scored == 3 for cell in done.scores.cells)
    again = run_suite(made, str(one), str(other), into=tmp_path / "again")
    assert again.asked == 0
    assert timeless(again.scores) == timeless(done.scores)
