"""Taking back: corpus, index and drops without the rows, what was made from them named, absence proved; whole at any time."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from traced import make_corpus, row

from rumpun.corpus.trace.search import TraceIndex
from rumpun.corpus.trace.step import IndexParams, index_corpus, indexes_of
from rumpun.corpus.withdraw import artefacts as withdraw_artefacts
from rumpun.corpus.withdraw import proof as withdraw_proof
from rumpun.corpus.withdraw.withdraw import withdraw
from rumpun.corpus.withdrawn import Entry, Withdrawn, identity, list_path, record, withdrawn
from rumpun.errors import InputError, RumpunError
from rumpun.records.artefacts import Maker, Manifest, SourceEntry, read_manifest, verify, write_manifest

SITI = Entry(what="contributor", name="Siti")
WORDS = [
    "jahe",
    "kunyit",
    "serai",
    "pandan",
    "kelapa",
    "cabai",
    "lengkuas",
    "salam",
    "kemangi",
    "temu",
    "gula",
    "aren",
    "beras",
]


def sentence(n: int) -> str:
    dice = random.Random(n)
    return f"Petak {n} ditanami {' '.join(dice.sample(WORDS, 9))} oleh keluarga."


def rows_of_many():
    found = [row(sentence(n), n) for n in range(30)]
    found += [row(sentence(100 + n), 100 + n, source="dapur", contributor="Siti") for n in range(6)]
    found += [
        row(f"แปลงที่ {n} ปลูกขิงและขมิ้นของยายมาลี", 200 + n, language="th", source="suan", contributor="Malee")
        for n in range(8)
    ]
    found.append(
        row(
            f"Siti menulis lagi: {sentence(3)} Lalu hujan turun di kebun lama.",
            300,
            source="dapur",
            contributor="Siti",
        )
    )
    found.append(row(sentence(4)[:60], 301, source="dapur", contributor="Siti"))
    return found


def chat_row(source: str, answer: str, **more: str):
    turns = [
        {"role": "user", "content": "Apa yang tumbuh di kebun?"},
        {"role": "assistant", "content": answer},
    ]
    return {"messages": turns, "language": "id", "source": source, "licence": "CC0-1.0"} | more


DROPS = [
    {"key": 1, "id": "d1", "language": "id", "source": "dapur", "contributor": "Siti", "stage": "near", "rule": "near.duplicate",
     "text": "Kembar dari Siti"},
    {"key": 2, "id": "d2", "language": "id", "source": "kebun", "contributor": "", "stage": "near", "rule": "near.duplicate",
     "text": "Kembar orang lain"},
]  # fmt: skip


@pytest.fixture
def store(home):
    return home / "data" / "artefacts"


@pytest.fixture
def corpus(store):
    chat = [
        chat_row("obrolan", "Jahe merah dan sereh wangi.", contributor="Siti"),
        chat_row("obrolan", "Padi dan jagung."),
    ]
    held = [row("Kalimat uji dari Siti tentang dapur yang ramai.", 400, source="uji", contributor="Siti"),
            row("Kalimat uji orang lain tentang sawah.", 401, source="uji")]  # fmt: skip
    return make_corpus(store, rows_of_many(), held=held, chat=chat, drops=DROPS)


def artefact(store: Path, key: str, kind: str, parents=(), sources=()) -> Path:
    folder = store / key
    folder.mkdir(parents=True)
    (folder / "data.bin").write_text(key)
    maker = Maker(step=f"test.{kind}", version=1, params={}, rumpun="0")
    write_manifest(
        folder,
        Manifest(kind=kind, id=key, name=kind, maker=maker, parents=tuple(parents), sources=tuple(sources)),
    )
    return folder


def column(folder: Path, name: str, place: str = "train") -> list[str]:
    return [
        value
        for path in sorted((folder / place).glob("*.parquet"))
        for value in pq.read_table(path)[name].to_pylist()
    ]


def digest(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_contributor_is_taken_out_and_the_absence_proved(store, corpus):
    index = index_corpus(corpus, store, IndexParams(shard_bytes=1 << 20))
    layer = artefact(store, "1" * 32, "layer", [read_manifest(corpus).id])
    gguf = artefact(store, "2" * 32, "gguf", ["1" * 32])
    stranger = artefact(store, "3" * 32, "layer", ["9" * 32])
    untouched = {place: digest(place) for place in (layer, gguf, stranger)}
    (store / "names" / "region").mkdir(parents=True)
    (store / "names" / "region" / "corpus.json").write_text(json.dumps({"id": corpus.name}))
    thai = (corpus / "train" / "th.parquet").read_bytes()

    done = withdraw([SITI], corpus, reason="asked by letter")

    new = Path(done.now)
    assert done.rows == {"train": 8, "heldout": 1, "chat": 1, "drops": 1}
    assert done.by_source == {"dapur": 8, "obrolan": 1, "uji": 1}
    assert "Siti" not in column(new, "contributor") + column(new, "contributor", "heldout") + column(
        new, "contributor", "drops"
    )
    assert column(new, "text") == [
        item["text"]
        for item in sorted(rows_of_many(), key=lambda r: r["language"])
        if item["contributor"] != "Siti"
    ]
    assert len((new / "chat.jsonl").read_text().splitlines()) == 1
    assert (new / "train" / "th.parquet").read_bytes() == thai
    verify(new)
    verify(Path(done.index))
    for text in [
        *(sentence(100 + n) for n in range(6)),
        "Jahe merah dan sereh wangi",
        "Lalu hujan turun di kebun lama",
    ]:
        assert TraceIndex.open(done.index).find(text).documents == 0
    everything = b"".join(path.read_bytes() for path in store.rglob("*.bin"))
    assert b"lalu" not in everything

    proof = done.proof
    assert (proof.rows_left, proof.found_after, proof.texts) == (0, 0, 11)
    assert proof.rows_read == len(column(new, "id")) + 2
    assert proof.found_before == proof.spans > 9
    assert proof.spans_shared == 1  # one row is the beginning of another's
    assert proof.rows_sharing == 2  # and one repeats another's sentence
    assert {(item.source, item.id) for item in proof.shared} == {("kebun", "row-3"), ("kebun", "row-4")}

    assert [(item.kind, item.id) for item in done.made_from] == [("layer", "1" * 32), ("gguf", "2" * 32)]
    assert {place: digest(place) for place in untouched} == untouched
    assert [item.kind for item in done.out_of_use] == ["corpus", "trace"]
    for old, after in ((corpus, new), (index, Path(done.index))):
        tombstone = read_manifest(old)
        assert (tombstone.kind, tombstone.files, tombstone.summary["replaced_by"]) == (
            "withdrawn",
            (),
            after.name,
        )
        assert [path.name for path in old.iterdir()] == ["manifest.json"]
    assert json.loads((store / "names" / "region" / "corpus.json").read_text()) == {"id": new.name}
    assert [(e.what, e.name, e.reason) for e in withdrawn().entries] == [
        ("contributor", "Siti", "asked by letter")
    ]

    manifest = read_manifest(new)
    assert "dapur" not in {source.name for source in manifest.sources}
    assert {s.name: s.rows for s in manifest.sources if s.role == "text"} == {"kebun": 30, "suan": 8}
    figures = manifest.summary["rows"]
    assert figures["read"] == figures["train"] + figures["held_out"] + sum(figures["dropped"].values())
    assert figures["dropped"] == {"near.duplicate": 1, "withdrawn": 10}


def test_a_dry_run_writes_nothing(home, store, corpus):
    index_corpus(corpus, store)
    before = digest(home)
    done = withdraw([SITI], corpus, dry_run=True)
    assert (done.dry_run, done.now, done.proof) == (True, "", None)
    assert done.rows == {"train": 8, "heldout": 1, "chat": 1, "drops": 1}
    assert [item.kind for item in done.out_of_use] == ["corpus", "trace"]
    assert digest(home) == before


def test_a_source_and_a_row_go_and_every_artefact_that_names_the_source_is_listed(store, corpus):
    artefact(store, "4" * 32, "layer", ["9" * 32], [SourceEntry(name="suan", licence="CC-BY-4.0")])
    done = withdraw([Entry(what="source", name="suan"), Entry(what="row", name="row-7")], corpus)
    assert done.rows == {"train": 9}
    assert not (Path(done.now) / "train" / "th.parquet").exists()
    assert "row-7" not in column(Path(done.now), "id")
    assert [(item.id, item.why) for item in done.made_from] == [("4" * 32, "names the source suan")]
    assert done.proof.found_before is None  # there was no index
    assert indexes_of(Path(done.now), []) == [Path(done.index)]


def test_stages_that_hold_the_rows_go_out_of_use_and_other_corpora_are_named(store):
    documents = artefact(store, "5" * 32, "documents")
    artefact(store, "6" * 32, "attributes", ["5" * 32])
    corpus = make_corpus(store, rows_of_many(), parents=["6" * 32, "5" * 32])
    other = make_corpus(store, rows_of_many(), name="another")
    whole = digest(other)
    done = withdraw([SITI], corpus)
    assert sorted(item.kind for item in done.out_of_use) == ["attributes", "corpus", "documents"]
    assert [path.name for path in documents.iterdir()] == ["manifest.json"]
    assert [(item.id, item.kind) for item in done.also_in] == [(read_manifest(other).id, "corpus")]
    assert digest(other) == whole
    assert read_manifest(Path(done.now)).parents == ()


def test_the_old_name_leads_to_what_stands_in_its_place(store, corpus):
    first = withdraw([SITI], corpus)
    second = withdraw([Entry(what="row", name="row-1")], corpus)
    assert second.corpus == first.now
    assert "row-1" not in column(Path(second.now), "id")
    assert "Siti" not in column(Path(second.now), "contributor")
    with pytest.raises(InputError, match="'Siti', which was withdrawn on 20"):
        withdraw([SITI], corpus)
    with pytest.raises(InputError, match="rows were withdrawn from it") as refused:
        index_corpus(Path(first.now), store)
    assert refused.value.hint == f"use {second.now}"


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        (Entry(what="source", name="kebum"), "did you mean 'kebun'?"),
        (Entry(what="contributor", name="Sitti"), "show"),
    ],
)
def test_what_is_not_there_is_refused_and_not_recorded(store, corpus, entry, hint):
    before = digest(store)
    with pytest.raises(InputError, match=f"no row of the {entry.what} '{entry.name}'") as refused:
        withdraw([SITI, entry], corpus)
    assert hint in refused.value.hint
    assert not list_path().exists()
    assert {name: data for name, data in digest(store).items() if ".withdrawn" not in name} == before


def test_a_proof_that_fails_leaves_the_old_corpus(store, corpus, monkeypatch):
    index = index_corpus(corpus, store)
    before = digest(corpus), digest(index)
    # as if every row were withdrawn: the sentence that stays is found in a row that should have gone
    monkeypatch.setattr(Withdrawn, "holds", lambda *_: True)
    with pytest.raises(RumpunError, match="still there") as failed:
        withdraw_proof.prove(corpus, index, None, Withdrawn([SITI]), _spilled(store, sentence(3)))
    assert "nothing was moved out of use" in failed.value.hint
    assert (digest(corpus), digest(index)) == before


def _spilled(store: Path, text: str) -> Path:
    path = store / "texts"
    path.write_text(json.dumps(["train", text]) + "\n")
    return path


def test_a_failing_proof_undoes_the_new_corpus(store, corpus, monkeypatch):
    index = index_corpus(corpus, store)
    before = {path.name for path in store.glob("[!.]*")}

    def fail(*_, **__):
        raise RumpunError("still there")

    monkeypatch.setattr("rumpun.corpus.withdraw.withdraw.prove", fail)
    with pytest.raises(RumpunError, match="still there"):
        withdraw([SITI], corpus)
    assert {path.name for path in store.glob("[!.]*")} == before
    verify(corpus)
    verify(index)
    assert not list((store / ".withdrawn").glob("*.texts"))


@pytest.mark.parametrize("at", range(8))
def test_moving_out_of_use_is_finished_by_the_next(store, corpus, monkeypatch, at):
    """The process is stopped at its n-th rename or removal; what was begun is completed, nothing is in between."""
    index_corpus(corpus, store)
    done = {"count": 0}

    def counted(real):
        def act(*arguments, **options):
            if done["count"] == at:
                raise SystemExit
            done["count"] += 1
            return real(*arguments, **options)

        return act

    real_retire = withdraw_artefacts.retire

    def retire(*arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "replace", counted(Path.replace))
            patch.setattr(shutil, "rmtree", counted(shutil.rmtree))
            real_retire(*arguments)

    monkeypatch.setattr("rumpun.corpus.withdraw.withdraw.retire", retire)
    try:
        withdraw([SITI], corpus)
        stopped = False
    except SystemExit:
        stopped = True
    monkeypatch.undo()
    monkeypatch.setenv("RUMPUN_HOME", str(store.parent.parent))
    for path in store.glob("[!.]*/manifest.json"):
        verify(path.parent)
    again = withdraw([Entry(what="row", name="row-2")], corpus)
    assert "row-2" not in column(Path(again.now), "id")
    kinds = sorted(read_manifest(path.parent).kind for path in store.glob("[!.]*/manifest.json"))
    assert kinds.count("corpus") == kinds.count("trace") == (2 if stopped and at == 0 else 1)
    if not (stopped and at == 0):
        assert "Siti" not in column(Path(again.now), "contributor")
    assert [path.name for path in (store / ".withdrawn").iterdir()] == ["lock"]


CHILD = """
import sys
from pathlib import Path
from rumpun.corpus.withdraw.withdraw import withdraw
from rumpun.corpus.withdrawn import Entry
print(withdraw([Entry(what=sys.argv[2], name=sys.argv[3])], Path(sys.argv[1])).now)
"""


def start(corpus: Path, what: str, name: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(corpus), what, name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_at_once_both_hold(store, corpus):
    index_corpus(corpus, store)
    children = [start(corpus, "contributor", "Siti"), start(corpus, "contributor", "Malee")]
    for child in children:
        _, errors = child.communicate(timeout=120)
        assert child.returncode == 0, errors
    standing = [
        p.parent for p in store.glob("[!.]*/manifest.json") if read_manifest(p.parent).kind == "corpus"
    ]
    assert len(standing) == 1
    assert set(column(standing[0], "contributor")) == {""}
    assert {entry.name for entry in withdrawn().entries} == {"Siti", "Malee"}


def test_killed_at_random_times_nothing_is_half_withdrawn(store, corpus):
    index_corpus(corpus, store)
    dice = random.Random(3)
    for attempt in range(4):
        child = start(corpus, "contributor", "Siti")
        time.sleep(0.4 + 0.5 * attempt + dice.random() / 2)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        for path in store.glob("[!.]*/manifest.json"):
            manifest = verify(path.parent)
            if manifest.kind == "corpus":
                assert ("Siti" in column(path.parent, "contributor")) == (path.parent == corpus)
    child = start(corpus, "row", "row-5")
    out, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    final = (
        withdraw([SITI], Path(out.strip())) if "Siti" in column(Path(out.strip()), "contributor") else None
    )
    folder = Path(final.now if final else out.strip())
    assert "Siti" not in column(folder, "contributor")
    assert "row-5" not in column(folder, "id")
    assert [path.name for path in (store / ".withdrawn").iterdir()] == ["lock"]


def test_packed_shards_lose_the_same_documents(store):
    from rumpun.weights.packed_shards import DOCUMENTS, FORMAT, PackedShards, hashes

    rows = [row(sentence(n), n, contributor="Siti" if n % 3 == 0 else "") | {"key": n} for n in range(9)]
    corpus = make_corpus(store, rows)
    packed = corpus / "packed"
    packed.mkdir()
    lengths = np.arange(3, 12)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    table = np.array(
        [(s, n, k, 1 + k % 2, 4 * n) for k, (s, n) in enumerate(zip(starts, lengths, strict=True))],
        dtype=DOCUMENTS,
    )
    np.repeat(np.arange(9), lengths).astype("<u2").tofile(packed / "id-00000.bin")
    np.save(packed / "id-00000.docs.npy", table)
    counts = {"documents": 9, "tokens": int(lengths.sum())}
    shards = [{"name": "id-00000", "language": "id"} | counts | hashes(packed, "id-00000")]
    sums = {"id": {"documents": 9, "tokens": int(lengths.sum()), "tokens_seen": 0}}
    index = {"format": FORMAT, "dtype": "<u2", "tokenizer": {}, "shards": shards, "languages": sums}
    (packed / "index.json").write_text(json.dumps(index))
    manifest = read_manifest(corpus)
    (corpus / "manifest.json").unlink()
    write_manifest(corpus, manifest)
    done = withdraw([SITI], corpus)
    found = PackedShards(Path(done.now) / "packed")
    found.verify()
    documents = list(found.documents("id"))
    assert [key for key, _, _ in documents] == [1, 2, 4, 5, 7, 8]
    for key, times, tokens in documents:
        assert times == 1 + key % 2
        assert tokens.tolist() == [key] * lengths[key]
    assert found.index["languages"]["id"]["documents"] == 6
    assert found.index["languages"]["id"]["tokens_seen"] == sum(
        int(lengths[k]) * (1 + k % 2) for k in (1, 2, 4, 5, 7, 8)
    )


def test_the_figures_count_what_went_as_withdrawn(store):
    rows = [
        row(
            sentence(n),
            n,
            contributor="Siti" if n < 3 else "Ani",
            url="https://siti.example/a" if n < 3 else "",
        )
        for n in range(5)
    ]
    rows = [item | {"key": n, "times": 2} for n, item in enumerate(rows)]
    corpus = make_corpus(store, rows, drops=DROPS)
    size = sum(len(item["text"].encode()) for item in rows)
    cell = {"language": "id", "source": "kebun", "licence": "CC-BY-4.0", "domain": "story"}
    dropped = {
        "language": "id",
        "licence": "",
        "domain": "",
        "outcome": "near.duplicate",
        "documents": 1,
        "bytes": 16,
        "bytes_seen": 0,
    }
    counts = [
        cell | {"outcome": "train", "documents": 5, "bytes": size, "bytes_seen": 2 * size},
        dropped | {"source": "dapur"}, dropped | {"source": "kebun"},
    ]  # fmt: skip
    figures = {"counts": counts, "rejected": [], "hosts": [], "contributors": {"kebun": 2}, "kinds": {}}
    (corpus / "figures.json").write_text(json.dumps(figures))
    manifest = read_manifest(corpus)
    (corpus / "manifest.json").unlink()
    write_manifest(corpus, manifest)
    done = withdraw([SITI], corpus)
    told = json.loads((Path(done.now) / "figures.json").read_text())
    kept = sum(len(item["text"].encode()) for item in rows[3:])
    found = {
        (r["source"], r["outcome"]): (r["documents"], r["bytes"], r["bytes_seen"]) for r in told["counts"]
    }
    assert found == {
        ("kebun", "train"): (2, kept, 2 * kept), ("kebun", "withdrawn"): (3, size - kept, 0),
        ("dapur", "withdrawn"): (1, 16, 0), ("kebun", "near.duplicate"): (1, 16, 0),
    }  # fmt: skip
    assert (told["hosts"], told["contributors"]) == ([], {"kebun": 1})


def test_the_list_is_appended_to_and_heeded(home):
    assert identity() == {}
    record([SITI, Entry(what="row", name="a")], "by letter")
    first = identity()
    assert len(record([SITI, Entry(what="source", name="s")])) == 1
    assert [entry.line for entry in withdrawn().entries] == ["contributor Siti", "row a", "source s"]
    assert identity() != first
    gone = withdrawn()
    assert gone.takes({"source": "x", "id": "a#2"})
    assert gone.takes({"source": "s", "id": "b"})
    assert gone.takes({"source": "x", "id": "b", "contributor": "Siti"})
    assert not gone.takes({"source": "x", "id": "ab", "contributor": None})
    assert gone.named({"source": "s", "id": "a#2", "contributor": "Siti"}) == {
        "source s",
        "row a",
        "contributor Siti",
    }
    assert gone.named({"source": "x", "id": "ab", "contributor": None}) == set()
    list_path().write_text('{"what": "row"}\n')
    with pytest.raises(InputError, match=r"withdrawn\.jsonl:1: not a withdrawal"):
        withdrawn()
