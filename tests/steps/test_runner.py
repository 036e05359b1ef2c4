"""The runner: what stands is skipped, what was cut off resumes, what raises leaves nothing, ids do not drift."""

import importlib
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from rumpun import parts
from rumpun.errors import EnvironmentFault, InputError, MissingPartError, UsageError
from rumpun.recipes import read_recipe
from rumpun.records.artefacts import MANIFEST, read_manifest, verify
from rumpun.steps import TABLE, named, plan, quiet, resolve, run

MODULE = textwrap.dedent('''
    """Small steps that count how often they run."""
    import os, time
    from dataclasses import dataclass
    from pathlib import Path
    from rumpun.errors import InputError
    from rumpun.records.artefacts import SourceEntry
    from rumpun.steps import Outcome, Work, step

    @dataclass(frozen=True)
    class Write:
        text: str = "ပန်း"
        parts: int = 3
        seconds: float = 0.0
        fail: str = ""

    def facts(params):
        place = os.environ.get("FACTS")
        return {"facts": Path(place).read_text()} if place else {}

    @step(kind="corpus", version=1, identity=facts)
    def write(params: Write, work: Work) -> Outcome:
        with (Path(os.environ["RUNS"])).open("a") as log:
            log.write("write\\n")
        for n in range(params.parts):
            kept = work.scratch / f"{n}.txt"
            if not kept.exists():
                time.sleep(params.seconds)
                half = work.scratch / f".{n}"
                half.write_text(f"{params.text} {n} {work.seed}")
                half.replace(kept)
                with (Path(os.environ["RUNS"])).open("a") as log:
                    log.write(f"part {n}\\n")
            work.progress(n + 1, params.parts)
        if params.fail == "input":
            raise InputError("shard 3, row 7: not UTF-8", "write it again")
        if params.fail == "disk":
            raise OSError(28, "No space left on device")
        if params.fail == "short":  # as numpy says it
            raise OSError("62397 requested and 33782 written")
        for n in range(params.parts):
            (work.folder / f"{n}.txt").write_text((work.scratch / f"{n}.txt").read_text())
        source = SourceEntry(name="poems", licence="CC-BY-4.0")
        return Outcome(sources=(source,), languages=("my",), summary={"parts": params.parts})

    @dataclass(frozen=True)
    class Join:
        sign: str = "+"

    @step(kind="layer", version=2)
    def join(params: Join, work: Work) -> Outcome:
        if os.environ.get("FAIL_JOIN"):
            raise InputError("the parts cannot be joined", "try again")
        parts = sorted(work.input("corpus").folder.glob("*.txt"))
        (work.folder / "joined.txt").write_text(params.sign.join(path.read_text() for path in parts))
        return Outcome()
''')

RECIPE = """
name = "tiny"
seed = 3
[steps.corpus]
uses = "test.write"
with = {{ {corpus} }}
[steps.layer]
uses = "test.join"
needs = ["corpus"]
"""


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """A recipe writer, with two test steps in the table and a log of what ran."""
    (tmp_path / "small_steps.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("RUNS", str(tmp_path / "runs.log"))
    monkeypatch.setitem(TABLE, "test.write", "small_steps:write")
    monkeypatch.setitem(TABLE, "test.join", "small_steps:join")
    sys.modules.pop("small_steps", None)
    importlib.invalidate_caches()

    def recipe(corpus=""):
        path = tmp_path / "tiny.toml"
        path.write_text(RECIPE.format(corpus=corpus), encoding="utf-8")
        return read_recipe(path)

    yield recipe
    sys.modules.pop("small_steps", None)


def walk(recipe, store):
    return run(recipe, store, progress=lambda _: quiet)


def log(tmp_path):
    path = tmp_path / "runs.log"
    return path.read_text().split("\n")[:-1] if path.exists() else []


def test_a_recipe_is_made_once_and_then_found(steps, tmp_path):
    store = tmp_path / "store"
    made = walk(steps(), store)
    assert (made["layer"] / "joined.txt").read_text() == "ပန်း 0 3+ပန်း 1 3+ပန်း 2 3"
    first = log(tmp_path)
    assert walk(steps(), store) == made
    assert log(tmp_path) == first
    assert all(item.done for item in plan(steps(), store))
    assert named(store, "tiny", "layer") == made["layer"]


def test_manifests_carry_what_the_inputs_bring(steps, tmp_path):
    made = walk(steps(), tmp_path / "store")
    corpus, layer = (read_manifest(made[name]) for name in ("corpus", "layer"))
    assert layer.parents == (corpus.id,)
    assert layer.licences == corpus.licences == ("CC-BY-4.0",)
    assert layer.languages == ("my",)
    assert [source.name for source in layer.sources] == ["poems"]
    assert corpus.maker.params == {"text": "ပန်း", "parts": 3, "seconds": 0.0, "fail": "", "seed": 3}
    assert (layer.maker.step, layer.maker.version, layer.kind) == ("test.join", 2, "layer")
    for folder in made.values():
        verify(folder)


def test_planning_makes_nothing(steps, tmp_path):
    planned = plan(steps(), tmp_path / "store")
    assert [(item.name, item.done) for item in planned] == [("corpus", False), ("layer", False)]
    assert not (tmp_path / "store").exists()


def test_the_id_follows_parameters_seed_and_facts(steps, tmp_path, monkeypatch):
    store = tmp_path / "store"
    keys = [item.key for item in plan(steps(), store)]
    assert [item.key for item in plan(steps("parts = 3"), store)] == keys
    changed = [item.key for item in plan(steps("parts = 4"), store)]
    assert not set(changed) & set(keys)
    (tmp_path / "facts").write_text("sha of the data")
    monkeypatch.setenv("FACTS", str(tmp_path / "facts"))
    assert not {item.key for item in plan(steps(), store)} & set(keys)


def test_these_ids_never_drift(steps, tmp_path):
    """A golden pair: artefacts that people have made stay found after an upgrade."""
    assert [item.key for item in plan(steps(), tmp_path)] == GOLDEN


GOLDEN = ["40add9df2bfe2dd3f0de28fb638582b0", "efffe1bd39a54eccff027f950c9a5df4"]


@pytest.mark.parametrize(("fail", "error"), [("input", InputError), ("disk", EnvironmentFault)])
def test_a_step_that_raises_leaves_nothing_and_resumes(steps, tmp_path, fail, error):
    store = tmp_path / "store"
    with pytest.raises(error):
        walk(steps(f'fail = "{fail}"'), store)
    assert not [path for path in store.iterdir() if path.name not in (".making", "names")]
    with pytest.raises(error):
        walk(steps(f'fail = "{fail}"'), store)
    assert log(tmp_path).count("part 0") == 1


def test_finished_steps_stay_when_a_later_one_fails(steps, tmp_path, monkeypatch):
    store = tmp_path / "store"
    monkeypatch.setenv("FAIL_JOIN", "1")
    with pytest.raises(InputError, match="cannot be joined"):
        walk(steps(), store)
    assert len(list(store.glob("[0-9a-f]*"))) == 1
    first = log(tmp_path)
    monkeypatch.delenv("FAIL_JOIN")
    walk(steps(), store)
    assert log(tmp_path) == first


def test_killed_at_random_times_it_resumes_to_the_same_result(steps, tmp_path):
    steps("parts = 12, seconds = 0.02")
    whole, broken, order = tmp_path / "whole", tmp_path / "broken", random.Random()
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from rumpun.recipes import read_recipe
        from rumpun.steps import TABLE, quiet, run
        TABLE |= {"test.write": "small_steps:write", "test.join": "small_steps:join"}
        run(read_recipe(Path(sys.argv[1])), Path(sys.argv[2]), progress=lambda _: quiet)
    """)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    def start(store):
        return subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "tiny.toml"), str(store)], env=environment
        )

    assert start(whole).wait() == 0
    for _ in range(12):
        child = start(broken)
        time.sleep(order.uniform(0.05, 0.5))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        for path in broken.glob("[!.]*"):
            assert path.name == "names" or (path / MANIFEST).is_file()
    assert start(broken).wait() == 0
    ids = sorted(path.name for path in whole.glob("[0-9a-f]*"))
    assert sorted(path.name for path in broken.glob("[0-9a-f]*")) == ids
    for key in ids:
        assert verify(broken / key).files == verify(whole / key).files


def test_a_wrong_parameter_is_met_before_anything_runs(steps, tmp_path):
    with pytest.raises(UsageError, match=r"steps\.corpus\.with: unknown key 'prts'") as caught:
        walk(steps("prts = 1"), tmp_path / "store")
    assert "did you mean 'parts'?" in caught.value.hint
    assert log(tmp_path) == []


def test_an_input_of_a_kind_that_is_not_there(steps, tmp_path):
    path = tmp_path / "lonely.toml"
    path.write_text('name = "lonely"\n[steps.layer]\nuses = "test.join"\n')
    with pytest.raises(UsageError, match="needs a corpus"):
        walk(read_recipe(path), tmp_path / "store")


def test_a_plan_names_what_a_step_lacks_before_anything_is_made(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(
        'name = "short"\n[steps.documents]\nuses = "corpus.read"\n'
        'with = { from_inventory = false, texts = [{ text = "halo", language = "id" }] }\n'
        '[steps.decisions]\nuses = "corpus.filter"\nneeds = ["documents"]\n'
    )
    with pytest.raises(UsageError) as caught:
        plan(read_recipe(path), tmp_path / "store")
    assert f"{path}: steps.decisions: corpus.filter needs attributes, and its inputs are: documents" in str(
        caught.value
    )
    assert "`needs`" in caught.value.hint


def test_a_store_that_was_moved_is_still_its_own(steps, tmp_path):
    made = walk(steps(), tmp_path / "store")["layer"]
    (tmp_path / "store").rename(tmp_path / "moved")
    assert named(tmp_path / "moved", "tiny", "layer") == tmp_path / "moved" / made.name


def test_a_full_disk_that_a_library_counts_says_where_and_how_much_is_free(steps, tmp_path):
    with pytest.raises(EnvironmentFault) as caught:
        walk(steps('fail = "short"'), tmp_path / "store")
    assert re.search(
        r"could not write under .*store.*, where [0-9,]+ bytes are free \(62397 requested", str(caught.value)
    )


def test_an_unknown_step_meets_the_nearest():
    with pytest.raises(UsageError, match=r"'corpus\.raed'") as caught:
        resolve("corpus.raed")
    assert "corpus.read" in caught.value.hint


def test_every_part_that_is_missing_is_named_before_anything_is_made(tmp_path, monkeypatch):
    lacking = {"corpus": ("nowhere",), "train": ("nowhere_at_all",), "eval": ("json",), "tests": ("nowhere",)}
    monkeypatch.setattr(parts, "PARTS", lacking)
    (tmp_path / "needy.py").write_text(
        "from dataclasses import dataclass\n"
        "from rumpun.steps import Outcome, Work, step\n"
        "@dataclass(frozen=True)\n"
        "class Params:\n    pass\n"
        "def put(params: Params, work: Work) -> Outcome:\n"
        "    (work.folder / 'f').write_text('x')\n    return Outcome()\n"
        "first = step(kind='note', version=1)(put)\n"
        "second = step(kind='note', version=1, part='corpus')(put)\n"
        "third = step(kind='note', version=1, part='train')(put)\n"
        "fourth = step(kind='note', version=1, part='eval')(put)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    lines = ['name = "needy"\n']
    for name in ("first", "second", "third", "fourth"):
        monkeypatch.setitem(TABLE, f"layer.{name}", f"needy:{name}")
        lines.append(f'[steps.{name}]\nuses = "layer.{name}"\n')
    path = tmp_path / "needy.toml"
    path.write_text("".join(lines))
    said = "recipe needy needs the parts 'corpus', 'train', which are not installed"
    with pytest.raises(MissingPartError, match=said) as caught:
        run(read_recipe(path), tmp_path / "store", progress=lambda _: quiet)
    assert "rumpun[corpus,train]" in caught.value.hint
    assert not list((tmp_path / "store").glob("*"))


def test_every_step_of_the_table_plans_without_heavy_imports():
    """`rumpun run --plan` works before torch is installed: the modules of steps import it inside functions."""
    code = textwrap.dedent("""
        import sys
        from rumpun.steps import TABLE, resolve
        for name in TABLE:
            resolve(name)
        print(sorted({"torch", "transformers", "peft", "pyarrow", "sklearn", "xllamacpp"} & set(sys.modules)))
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_a_name_that_was_never_made_says_so(tmp_path):
    from rumpun.errors import RumpunError

    with pytest.raises(RumpunError, match="first/layer"):
        named(tmp_path, "first", "layer")
