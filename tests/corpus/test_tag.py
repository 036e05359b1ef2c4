"""The step: parts beside parts, ids that follow taggers, resumption, and filtering anew without tagging anew."""

import hashlib
import time
from dataclasses import dataclass

import pyarrow as pa
import pytest
from made_parts import CALLS, artefact, documents, plain_map, run_step, whole
from made_texts import SENTENCES, document

from rumpun.corpus.parts import part_paths, read_part, write_part
from rumpun.corpus.tag.step import tag, tag_table
from rumpun.corpus.tag.taggers import make, ordered
from rumpun.errors import UsageError
from rumpun.recipes.recipe import Recipe, StepEntry
from rumpun.steps import quiet, run
from rumpun.steps.runner import plan
from rumpun.steps.step import TABLE, Outcome, Work, step

STANDS = ["normalise", "figures"]
GOLDEN = {("normalise", 1): "6b1a0c9a800324f4", ("figures", 1): "a1c986997acb1cbb"}


@pytest.fixture
def _plain_engine(monkeypatch):
    CALLS.clear()
    monkeypatch.setattr("rumpun.corpus.engine.map_parts", plain_map)


def rows(count=30, sentences=24):
    tags = sorted(SENTENCES)
    return [
        {"text": document(tags[n % len(tags)], n, sentences), "language": tags[n % len(tags)]}
        for n in range(count)
    ]


@pytest.mark.usefixtures("_plain_engine")
def test_attributes_lie_beside_the_documents_row_for_row(tmp_path):
    texts = artefact(tmp_path / "d", "documents", documents(rows(), part_rows=7))
    made = run_step(tag, {"taggers": STANDS}, [texts], tmp_path / "tag")
    pairs = zip(part_paths(texts.folder), part_paths(made.folder), strict=True)
    for one, other in pairs:
        assert one.name == other.name
        assert read_part(one)["key"].equals(read_part(other)["key"])
    expected = ["key", *(name for item in STANDS for name in make(item).columns.names)]
    assert read_part(part_paths(made.folder)[0]).schema.names == expected
    summary = made.manifest.summary
    assert (summary["documents"], summary["parts"]) == (30, 5)
    assert summary["bytes"] == sum(len(row["text"].encode()) for row in rows())
    assert summary["taggers"]["figures"]["version"] == make("figures").version


@pytest.mark.usefixtures("_plain_engine")
def test_parts_and_slices_do_not_bear_on_any_figure(tmp_path, monkeypatch):
    tables = []
    for number, (part_rows, most) in enumerate([(30, 100_000), (4, 100_000), (30, 300)]):
        monkeypatch.setattr("rumpun.corpus.tag.batch.slices.__defaults__", (most,), raising=False)
        texts = artefact(tmp_path / f"d{number}", "documents", documents(rows(), part_rows=part_rows))
        made = run_step(tag, {"taggers": STANDS}, [texts], tmp_path / f"tag{number}")
        tables.append(whole(made))
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.usefixtures("_plain_engine")
def test_later_taggers_see_the_normalised_text(tmp_path):
    decomposed = "Ca\u0301i nha\u0300 na\u0300y co\u0301 vu\u031bo\u031b\u0300n."
    texts = artefact(tmp_path / "d", "documents", documents([{"text": decomposed, "language": "vi"}]))
    made = whole(run_step(tag, {"taggers": STANDS}, [texts], tmp_path / "tag"))[0]
    assert made["normalise.text"] == "Cái nhà này có vườn."
    assert made["figures.characters"] == len("Cái nhà này có vườn.")
    assert made["normalise.changes"][0]["count"] >= 1
    plain = tag_table(
        documents([{"text": "Cái nhà này.", "language": "vi"}])[0], [make(name) for name in STANDS]
    )
    assert plain["normalise.text"].to_pylist() == [None]
    assert plain["normalise.changes"].to_pylist() == [None]


def test_no_documents_give_no_attributes():
    table = tag_table(documents([{"text": ""}])[0].slice(0, 0), [make("figures")])
    assert table.num_rows == 0
    assert table.schema.names[0] == "key"


def test_taggers_run_in_their_order_and_are_known_by_name():
    assert ordered(["figures", "language", "normalise"]) == ["normalise", "language", "figures"]
    with pytest.raises(UsageError, match="figurs") as caught:
        ordered(["figurs"])
    assert "figures" in caught.value.hint
    with pytest.raises(UsageError, match="twice"):
        ordered(["figures", "figures"])
    with pytest.raises(UsageError, match="unknown key 'widows'") as caught:
        make("toxicity", {"widows": 3})
    assert "windows" in caught.value.hint


@dataclass(frozen=True, kw_only=True)
class MadeParams:
    count: int
    sentences: int


@step(kind="documents", version=1)
def made_documents(params: MadeParams, work: Work) -> Outcome:
    for number, table in enumerate(documents(rows(params.count, params.sentences), part_rows=100)):
        write_part(work.folder, number, table)
    return Outcome(languages=tuple(sorted(SENTENCES)))


def recipe(count=30, sentences=24, taggers=STANDS, **decide):
    return Recipe(
        name="test", seed=7, steps=(
            StepEntry(uses="test.documents", name="documents", params={"count": count, "sentences": sentences}),
            StepEntry(uses="corpus.tag", name="attributes", needs=("documents",), params={"taggers": list(taggers)}),
            StepEntry(uses="corpus.filter", name="decisions", needs=("documents", "attributes"), params=decide),
        ),
    )  # fmt: skip


@pytest.fixture
def table(monkeypatch):
    for name, target in (
        ("test.documents", "test_tag:made_documents"),
        ("corpus.tag", "rumpun.corpus.tag.step:tag"),
        ("corpus.filter", "rumpun.corpus.filter.step:decide"),
    ):
        monkeypatch.setitem(TABLE, name, target)


@pytest.mark.usefixtures("_plain_engine", "table")
def test_a_changed_threshold_decides_anew_and_tags_nothing_in_a_tenth_of_the_time(tmp_path):
    size = {"count": 600, "sentences": 300}
    started = time.process_time()
    before = run(recipe(**size), tmp_path, progress=lambda _: quiet)
    first = time.process_time() - started
    tagged = len(CALLS)
    assert tagged == 6
    started = time.process_time()
    after = run(
        recipe(**size, thresholds={"th": {"figures.characters": 100_000}}), tmp_path, progress=lambda _: quiet
    )
    again = time.process_time() - started
    assert len(CALLS) == tagged
    assert (after["documents"], after["attributes"]) == (before["documents"], before["attributes"])
    assert after["decisions"] != before["decisions"]
    dropped = pa.concat_tables([read_part(path) for path in part_paths(after["decisions"])]).to_pylist()
    assert {row["kept"] for row in dropped if row["language"] == "th"} == {False}
    assert again < first / 10 + 0.05, (again, first)  # half a tenth of a second of it is the runner's own


@pytest.mark.usefixtures("table")
def test_ids_follow_taggers_their_versions_and_options(tmp_path, monkeypatch):
    def key(**more):
        return plan(recipe(**more), tmp_path)[1].key

    first = key()
    assert key() == first
    assert key(taggers=["figures"]) != first
    monkeypatch.setattr("rumpun.corpus.tag.taggers.figures.sentence_marks", lambda: ".")
    assert key() != first


@pytest.mark.usefixtures("table")
def test_the_engine_s_workers_give_the_same_bytes_and_a_cut_off_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "2")
    pooled = run(recipe(count=230), tmp_path / "pooled", progress=lambda _: quiet)
    monkeypatch.setattr("rumpun.corpus.engine.map_parts", plain_map)
    plain = run(recipe(count=230), tmp_path / "plain", progress=lambda _: quiet)
    for name in ("attributes", "decisions"):
        one, other = part_paths(pooled[name]), part_paths(plain[name])
        assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]

    def cut_off(function, units, **more):
        plain_map(function, units[:1])
        raise KeyboardInterrupt

    monkeypatch.setattr("rumpun.corpus.engine.map_parts", cut_off)
    with pytest.raises(KeyboardInterrupt):
        run(recipe(count=230), tmp_path / "cut", progress=lambda _: quiet)
    monkeypatch.setattr("rumpun.corpus.engine.map_parts", plain_map)
    whole_again = run(recipe(count=230), tmp_path / "cut", progress=lambda _: quiet)
    assert [path.read_bytes() for path in part_paths(whole_again["attributes"])] == [
        path.read_bytes() for path in part_paths(plain["attributes"])
    ]


def test_figures_and_normal_forms_are_those_of_their_version():
    """When this fails and the change is meant: raise the tagger's `version`, so that old attributes are not taken for new ones."""
    decomposed = {
        "vi": "Ca\u0301i nha\u0300",
        "th": "น\u0e4d\u0e32ใจ",
        "my": "\u1000\u1037\u103a",
        "km": "ក\u200b្រុង",
        "id": "ru\u00admah\r\n",
    }
    texts = [document(tag, n, 12) for tag in sorted(SENTENCES) for n in range(3)] + list(decomposed.values())
    tags = [tag for tag in sorted(SENTENCES) for _ in range(3)] + list(decomposed)
    made = tag_table(
        documents([{"text": text, "language": tag} for text, tag in zip(texts, tags, strict=True)])[0],
        [make(name) for name in STANDS],
    )
    found = {}
    for name in STANDS:
        columns = [made[column].to_pylist() for column in made.schema.names if column.startswith(f"{name}.")]
        found[name, make(name).version] = hashlib.blake2b(repr(columns).encode(), digest_size=8).hexdigest()
    assert found == GOLDEN
