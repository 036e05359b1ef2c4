"""Taking back rows that were refused, from sources to corpus: they go from the drops, stay away, and nothing else is read anew."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from made_texts import document
from reading import jsonl

from rumpun.corpus.show import sample
from rumpun.corpus.trace.step import index_corpus
from rumpun.corpus.withdraw import proof as withdraw_proof
from rumpun.corpus.withdraw.withdraw import withdraw
from rumpun.corpus.withdrawn import Entry, Withdrawn
from rumpun.errors import InputError, RumpunError
from rumpun.recipes.recipe import Recipe, StepEntry
from rumpun.records.artefacts import read_manifest
from rumpun.steps import plan, quiet, run

pytest.importorskip("daft", reason="daft is not installed (make dev)")

STEPS = [
    ("documents", "corpus.read", {}),
    ("attributes", "corpus.tag", {"taggers": ["normalise", "language", "figures", "minhash"]}),
    ("links", "corpus.link", {}),
    ("decisions", "corpus.filter", {}),
    ("mixture", "corpus.mix", {"held_out_documents_per_language": 0}),
    ("corpus", "corpus.write", {"card": {"plots": False}}),
]
CUT = b'{"id": "r8", "contributor": "Rina", "text": "Kakak mengecat perahu ungu sejak semalam'


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "1")


@pytest.fixture
def store(home):
    return home / "data" / "artefacts"


@pytest.fixture
def mine(tmp_path):
    """Rows of three people: of Rina two are refused, and a line of hers breaks off; of Wati all are refused."""
    rows = [
        {"id": f"r{n}", "text": document("id", n), "language": "id", "contributor": "Budi"}
        for n in range(1, 7)
    ]
    rows[4] |= {"contributor": "Rina"}
    rows += [
        {"id": "r9", "text": document("id", 9), "language": "idn", "contributor": "Rina"},
        {"id": "r10", "text": "", "language": "id", "contributor": "Rina", "licence": "Foo-9"},
        {"id": "r11", "text": document("id", 11), "language": "xxx", "contributor": "Wati"},
        {"id": "r12", "text": None, "contributor": "Wati"},
        {"id": "r13", "text": document("id", 13), "language": "xxx", "contributor": "Budi"},
    ]
    path = jsonl(tmp_path / "mine.jsonl", rows)
    path.write_bytes(path.read_bytes() + CUT)
    return path


def recipe(*paths: Path, name: str = "mine") -> Recipe:
    files = [{"path": str(path), "licence": "CC0-1.0"} for path in paths]
    given = {"documents": {"from_inventory": False, "files": files}}
    names = [step for step, _, _ in STEPS]
    return Recipe(
        name=name,
        seed=7,
        steps=tuple(
            StepEntry(uses=uses, name=step, params=params | given.get(step, {}), needs=tuple(names[:number]))
            for number, (step, uses, params) in enumerate(STEPS)
        ),
    )


def build(made: Recipe, store: Path) -> Path:
    return run(made, store, progress=lambda _: quiet)["corpus"]


def everything(corpus: Path) -> str:
    """All texts and names of a corpus, drops too."""
    found = [
        json.dumps(pq.read_table(path).to_pylist(), ensure_ascii=False, default=str)
        for path in sorted(corpus.rglob("*.parquet"))
    ]
    return "\n".join(found)


def drops(corpus: Path) -> dict[str, str]:
    rows = pq.read_table(corpus / "drops" / "rejected.parquet").to_pylist()
    return {row["id"]: row["rule"] for row in rows}


def test_refused_rows_carry_whose_they_are(store, mine):
    corpus = build(recipe(mine), store)
    rows = {row["id"]: row for row in pq.read_table(corpus / "drops" / "rejected.parquet").to_pylist()}
    told = {
        name: (row["rule"], row["contributor"], row["language"], row["detail"].partition(": ")[0])
        for name, row in rows.items()
    }
    assert told == {
        "r9": ("read.language", "Rina", "", "mine.jsonl:7"),
        "r10": ("licence.unknown", "Rina", "id", "mine.jsonl:8"),
        "r11": ("read.language", "Wati", "", "mine.jsonl:9"),
        "r12": ("read.no_text", "Wati", "", "mine.jsonl:10"),
        "r13": ("read.language", "Budi", "", "mine.jsonl:11"),
        "mine.jsonl:12": ("read.cut_off", "", "", "not JSON (Unterminated string starting at, column 45)"),
    }


def test_a_person_goes_with_the_rows_that_were_refused(tmp_path, store, mine):
    corpus = build(recipe(mine), store)
    before = read_manifest(corpus).summary["rows"]
    assert sum(item.contributor == "Rina" for item in sample(corpus, count=99)) == 3
    corpus_before = shutil.copytree(corpus, tmp_path / "before")
    done = withdraw([Entry(what="contributor", name="Rina")], corpus)
    assert done.rows == {"train": 1, "drops": 3}
    new = Path(done.now)
    for words in ("Rina", "perahu ungu", *(document("id", n).splitlines()[0] for n in (5, 9))):
        assert words in everything(corpus_before)
        assert words not in everything(new)
    assert set(drops(new)) == {"r11", "r12", "r13"}
    assert (done.proof.rows_left, done.proof.texts, done.proof.drops_read) == (0, 3, 3)
    after = read_manifest(new).summary["rows"]
    assert after["read"] == before["read"] == after["train"] + sum(after["dropped"].values())
    assert after["dropped"]["withdrawn"] == 4
    figures = json.loads((new / "figures.json").read_text())
    counted = sum(row["documents"] for row in figures["counts"]) + sum(r["rows"] for r in figures["rejected"])
    assert counted == before["read"]
    again = build(recipe(mine), store)
    assert again not in (corpus, new)
    assert "Rina" not in everything(again)
    assert "perahu ungu" not in everything(again)
    assert set(drops(again)) == {"r11", "r12", "r13"}
    skipped = read_manifest(plan(recipe(mine), store)[0].folder).summary["skipped"]
    assert skipped == {"withdrawn": 4}


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        (Entry(what="row", name="r9"), {"r10", "r11", "r12", "r13", "mine.jsonl:12"}),
        (Entry(what="row", name="r8"), {"r9", "r10", "r11", "r12", "r13"}),
        (Entry(what="row", name="mine.jsonl:12"), {"r9", "r10", "r11", "r12", "r13"}),
        (Entry(what="contributor", name="Wati"), {"r9", "r10", "r13", "mine.jsonl:12"}),
    ],
)
def test_what_was_refused_alone_can_be_named_and_stays_away(store, mine, entry, left):
    corpus = build(recipe(mine), store)
    done = withdraw([entry], corpus)
    assert set(done.rows) == {"drops"}
    assert set(drops(Path(done.now))) == left
    assert set(drops(build(recipe(mine), store))) == left
    with pytest.raises(InputError, match="was withdrawn on 20"):
        withdraw([entry], Path(done.now))


def test_a_source_of_which_nothing_could_be_read_leaves_no_line(tmp_path, store, mine):
    bad = tmp_path / "nojson.jsonl"
    bad.write_bytes(b"Catatan rahasia dari buku harian\n{no json}\n")
    corpus = build(recipe(mine, bad), store)
    assert "rahasia" in everything(corpus)
    done = withdraw([Entry(what="source", name="nojson")], corpus)
    assert "rahasia" not in everything(Path(done.now))
    assert "nojson" not in everything(Path(done.now))
    again = plan(recipe(mine, bad), store)[0].folder
    assert not again.exists()
    corpus = build(recipe(mine, bad), store)
    for folder in (corpus, again):
        assert "rahasia" not in everything(folder)
        assert "nojson" not in everything(folder)


def test_a_proof_searches_the_drops(store, mine):
    corpus = build(recipe(mine), store)
    texts = store / "texts"
    went = document("id", 13)
    texts.write_text(json.dumps(["train", went]) + "\n")
    index = index_corpus(corpus, store)
    found = withdraw_proof.prove(corpus, index, None, Withdrawn([Entry(what="row", name="other")]), texts)
    assert [(item.id, item.source) for item in found.shared] == [("r13", "mine")]
    with pytest.raises(RumpunError, match="1 rows and 0 spans of what was withdrawn are still there"):
        withdraw_proof.prove(corpus, index, None, Withdrawn([Entry(what="row", name="r13")]), texts)
