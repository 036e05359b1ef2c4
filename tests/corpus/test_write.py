"""From decisions to a written corpus: every document in one place, edits exact, tokens as the tokenizer makes them."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mixworld import FORMS, Stages, document, documents
from world import several

from rumpun.corpus.mix.step import plan_rows, plan_table
from rumpun.corpus.parts import drops_schema
from rumpun.corpus.texts import apply_edits
from rumpun.corpus.tokenizer import PackTokenizer
from rumpun.corpus.withdrawn import Entry, record
from rumpun.corpus.write.rows import corpus_schema
from rumpun.errors import InputError, UsageError
from rumpun.recipes.recipe import Recipe, StepEntry
from rumpun.records.artefacts import read_manifest, verify
from rumpun.steps import plan
from rumpun.weights.packed_shards import DOCUMENTS, PackedShards

DROPPED = {
    "kept": False,
    "rule": "figures.letters",
    "value": 0.1,
    "threshold": 0.4,
    "failed": ["figures.letters"],
}


@pytest.fixture(autouse=True)
def one_worker(monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "1")
    monkeypatch.setenv("RUMPUN_ENGINE", "native")


def rows_of(folder, place):
    found = []
    for path in sorted((folder / place).glob("*.parquet")):
        found += pq.read_table(path).to_pylist()
    return found


def few():
    """Two sources each of two languages, one of them held out, in texts that share no run."""
    found = documents("news-id", "id", 30) + documents("more-id", "id", 10, first=400)
    found += documents("news-th", "th", 30) + documents("more-th", "th", 10, first=400)
    held = [text[::-1] for text in several(FORMS["id"], 6, 900)]
    return found + [document("held", "id", text, n) for n, text in enumerate(held)]


def write(folder, rows, mix=None, **params):
    stages = Stages(folder, rows)
    stages.mix(**(mix or {}))
    return stages.write(**{"card": {"plots": False}} | params)


def test_every_document_is_in_exactly_one_place_and_the_manifest_adds_up(tmp_path):
    rows = few()
    for n in (0, 7, 41):
        rows[n]["decision"] = DROPPED
    rows[50]["licence"] = "CC-BY-NC-4.0"
    rows.append(document("odd", "en", several(FORMS["en"], 1)[0], 0, licence=""))
    folder = write(
        tmp_path, rows,
        {"languages": ["id", "th", "en"], "held_out_sources": {"id": ["held"]}, "held_out_documents_per_language": 4, "max_per_language": 2500},
    )  # fmt: skip
    verify(folder)
    train, held, drops = (rows_of(folder, place) for place in ("train", "heldout", "drops"))
    assert sorted(row["key"] for row in [*train, *held, *drops]) == list(range(len(rows)))
    summary = read_manifest(folder).summary
    assert summary["rows"]["read"] == len(rows)
    assert summary["rows"]["train"] == len(train)
    assert summary["rows"]["held_out"] == len(held) == 4
    assert sum(summary["rows"]["dropped"].values()) == len(drops)
    by_rule = {row["key"]: row["rule"] for row in drops}
    assert by_rule[0] == by_rule[41] == "figures.letters"
    assert by_rule[50] == by_rule[len(rows) - 1] == "licence.terms"
    assert sum(rule == "heldout.unmeasured" for rule in by_rule.values()) == 2
    assert summary["rows"]["dropped"]["mixture.budget"] > 0
    for tag in ("id", "th"):
        assert 0 < summary["languages"][tag]["train"]["bytes"] <= 2500
    assert {row["source"] for row in train} <= {"news-id", "more-id", "news-th", "more-th"}
    assert {row["source"] for row in held} == {"held"}
    over = [row for row in drops if row["rule"] == "mixture.budget"]
    assert all(row["value"] > row["threshold"] and row["text"] and row["stage"] == "mixture" for row in over)
    for path in (folder / "drops").glob("*.parquet"):
        assert pq.read_schema(path).equals(drops_schema())
    for path in (folder / "train").glob("*.parquet"):
        assert pq.read_schema(path).equals(corpus_schema())


def test_a_training_text_that_repeats_held_out_text_is_dropped_after_edits_and_normalising(tmp_path):
    held = "Pada suatu pagi yang cerah seekor kancil kecil berjalan jalan sendirian di tepi sungai yang lebar dan dalam itu."
    thai = "เช้าวันหนึ่งมีกระจงน้อยตัวหนึ่งเดินเล่นอยู่ริมแม่น้ำกว้างใหญ่เพียงลำพังอย่างมีความสุขและไม่กลัวอะไรเลย"
    rows = [document("held", "id", held, 0), document("held", "th", thai, 0)]
    rows += documents("news", "id", 6) + documents("news", "th", 6)
    rows += [
        document("leak", "id", f"Kata kakek, {held[8:]} Begitulah.", 0),
        document("leak", "th", f"ยายเล่าว่า{thai[0:70]}จริง ๆ นะ", 0),
        document("leak", "id", "Lain sekali isinya ini.", 1, normal=f"Kata nenek: {held}"),
    ]
    cut = f"{held[:40]} IKLAN {held[40:]}"
    edits = [{"start": 41, "end": 47, "with": "", "rule": "lines.frequent"}]
    rows.append(document("leak", "id", cut, 2, decision={"edits": edits}))
    folder = write(tmp_path, rows, {"held_out_sources": {"id": ["held"], "th": ["held"]}})
    dropped = {row["id"] for row in rows_of(folder, "drops") if row["rule"] == "heldout.overlap"}
    assert dropped == {"leak-id-0", "leak-th-0", "leak-id-1", "leak-id-2"}
    assert {row["source"] for row in rows_of(folder, "train")} == {"news"}


def test_edits_are_applied_exactly_and_only_to_what_is_used(tmp_path):
    rows = few()
    text = "Hubungi siti@example.org atau 0812-3456 hari ini juga. 👩🏽‍🌾 Terima kasih."
    start, other = text.index("siti"), text.index("0812")
    edits = [
        {"start": start, "end": start + 16, "with": "<EMAIL>", "rule": "personal.EMAIL"},
        {"start": other, "end": other + 9, "with": "<PHONE>", "rule": "personal.PHONE"},
    ]
    rows[3] |= {"text": text, "decision": {"edits": edits}}
    rows[4] |= {"text": "lama", "normal": text, "decision": {"edits": edits[:1]}}
    folder = write(tmp_path, rows)
    texts = {row["key"]: row["text"] for row in rows_of(folder, "train") + rows_of(folder, "heldout")}
    assert texts[3] == "Hubungi <EMAIL> atau <PHONE> hari ini juga. 👩🏽‍🌾 Terima kasih."
    assert texts[4] == "Hubungi <EMAIL> atau 0812-3456 hari ini juga. 👩🏽‍🌾 Terima kasih."
    assert texts[5] == rows[5]["text"]
    assert read_manifest(folder).summary["edits"] == {"personal.EMAIL": 2, "personal.PHONE": 1}


@pytest.mark.parametrize("spans", [[(3, 2)], [(0, 4), (3, 5)], [(4, 9)]])
def test_edits_that_do_not_fit_are_refused(spans):
    edits = [{"start": a, "end": b, "with": "", "rule": "x"} for a, b in spans]
    with pytest.raises(InputError, match=r"part-00001\.parquet, row 3: the edit"):
        apply_edits("lima5", edits, "part-00001.parquet, row 3")


def test_quality_and_epochs_choose_and_repeat_and_the_same_seed_chooses_the_same(tmp_path):
    rows = few()
    for n, row in enumerate(rows):
        row["score"] = (n * 37 % 101) / 101
    mixed = {
        "weights": "unimax",
        "budget": 9000,
        "epochs": 2.0,
        "quality_strength": 1.0,
        "held_out_documents_per_language": 0,
    }
    folders = {}
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        stages = Stages(tmp_path / name, rows)
        figures = stages.mix(seed=seed, **mixed)
        folders[name] = stages.write(card={"plots": False})
        assert figures["taken"] <= 9000
        assert all(0 < item["epochs"] <= 2 for item in figures["languages"].values())
        for item in figures["languages"].values():
            assert sum(leaf["taken"] for leaf in item["leaves"]) == item["taken"]
        weights = [leaf["weight"] for item in figures["languages"].values() for leaf in item["leaves"]]
        assert sum(weights) == pytest.approx(1)
        epochs = {"head": [0, 0], "tail": [0, 0]}
        for leaf in figures["languages"]["id"]["leaves"]:
            for bucket, sums in epochs.items():
                if leaf["bucket"] == bucket:
                    sums[0] += leaf["taken"]
                    sums[1] += leaf["available"]
        assert epochs["head"][0] / epochs["head"][1] > epochs["tail"][0] / epochs["tail"][1]
    hashes = {
        name: {f.path: f.sha256 for f in read_manifest(folder).files} for name, folder in folders.items()
    }
    assert hashes["a"] == hashes["b"]
    assert hashes["a"]["train/id.parquet"] != hashes["c"]["train/id.parquet"]
    times = {row["key"]: row["times"] for row in rows_of(folders["a"], "train")}
    assert set(times.values()) <= {1, 2}


def test_the_plan_says_what_the_mixture_does(tmp_path):
    stages = Stages(tmp_path, few())
    rows = plan_rows(stages.mix(max_per_language=2000, languages=["id", "km", "th"]))
    whole = [row for row in rows if not row["source"]]
    assert [row["language"] for row in whole] == ["id", "km", "th"]
    assert whole[1] | {"by_quality": {}} == whole[1] == whole[1] | {"documents": 0, "taken": 0, "share": 0}
    for row in whole:
        parts = [other for other in rows if other["source"] and other["language"] == row["language"]]
        for key in ("documents", "available", "taken"):
            assert row[key] == sum(other[key] for other in parts)
    assert sum(row["share"] for row in whole) == pytest.approx(1)


def listing(folder):
    return sorted((path.as_posix(), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_a_dry_run_shows_the_very_rows_and_writes_nothing(tmp_path):
    stages = Stages(tmp_path / "stages", few())
    mixed = {"max_per_language": 2000, "held_out_sources": {"id": ["held"]}}
    read = {"from_inventory": False, "files": [{"path": str(tmp_path / "rows.jsonl")}]}
    (tmp_path / "rows.jsonl").write_text('{"text": "x", "language": "id"}\n')
    steps = [
        StepEntry(uses="corpus.read", name="documents", params=read),
        StepEntry(uses="corpus.tag", name="attributes", needs=("documents",)),
        StepEntry(uses="corpus.filter", name="decisions", needs=("documents", "attributes")),
        StepEntry(
            uses="corpus.mix", name="mixture", needs=("documents", "attributes", "decisions"), params=mixed
        ),
    ]
    recipe = Recipe(name="dry", seed=7, steps=tuple(steps))
    store = tmp_path / "store"
    with pytest.raises(UsageError, match="the step documents has not been made"):
        plan_table(recipe, store)
    for item in plan(recipe, store)[:3]:
        shutil.copytree(stages.inputs[item.name].folder, item.folder)
    before = listing(store)
    rows = plan_table(recipe, store)
    assert listing(store) == before
    assert rows == plan_rows(stages.mix(**mixed))
    with pytest.raises(UsageError, match=r"no step that uses corpus\.mix"):
        plan_table(Recipe(name="dry", seed=7, steps=tuple(steps[:3])), store)


def tokenizer(folder):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>"])
    path = folder / "tokenizer.json"
    made.save(str(path))
    return path


def test_packed_shards_hold_the_texts_token_for_token_in_files_that_numpy_maps(tmp_path):
    path = tokenizer(tmp_path)
    rows = few()
    rows[2]["text"] = "Kata <|endoftext|> di tengah kalimat tetaplah teks biasa."
    folder = write(
        tmp_path / "x",
        rows,
        {"epochs": 2.0, "max_per_language": 9000},
        tokenizer=str(path),
        shard_tokens=1500,
    )
    shards = PackedShards(folder / "packed")
    coder = PackTokenizer(str(path))
    assert shards.languages == ["id", "th"]
    assert len([row for row in shards.index["shards"] if row["language"] == "th"]) > 1
    for tag in shards.languages:
        written = pq.read_table(folder / "train" / f"{tag}.parquet").to_pylist()
        found = list(shards.documents(tag))
        assert [key for key, _, _ in found] == [row["key"] for row in written]
        assert [times for _, times, _ in found] == [row["times"] for row in written]
        for (_, _, tokens), row in zip(found, written, strict=True):
            assert tokens[-1] == coder.end
            assert coder.end not in tokens[:-1]
            assert coder.decode(tokens[:-1].tolist()) == row["text"]
        sums = read_manifest(folder).summary["packed"][tag]
        assert sums["tokens"] == sum(len(tokens) for _, _, tokens in found)
        assert sums["tokens_seen"] == sum(len(tokens) * times for _, times, tokens in found)
        sizes = [size for _, table in shards.shards(tag) for size in table["bytes"].tolist()]
        assert sizes == [len(row["text"].encode()) for row in written]
    shards.verify()
    raw = np.memmap(folder / "packed" / "id-00000.bin", dtype="<u2", mode="r")
    table = np.load(folder / "packed" / "id-00000.docs.npy", allow_pickle=False)
    assert table.dtype == DOCUMENTS
    assert (raw[(table["start"] + table["tokens"] - 1)] == coder.end).all()


def test_a_shard_that_was_cut_off_is_refused(tmp_path):
    path = tokenizer(tmp_path)
    folder = write(tmp_path / "x", few(), tokenizer=str(path)) / "packed"
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shard = copy / "th-00000.bin"
    shard.write_bytes(shard.read_bytes()[:-2])
    with pytest.raises(InputError, match=r"th-00000\.bin: \d+ bytes, the index says"):
        PackedShards(copy)
    for name in ("id-00000.bin", "id-00000.docs.npy"):  # of the right length, and changed inside
        other = tmp_path / name
        shutil.copytree(folder, other)
        data = bytearray((other / name).read_bytes())
        data[-3] ^= 1
        (other / name).write_bytes(bytes(data))
        with pytest.raises(InputError, match="id-00000: the shard's bytes are not those that were written"):
            PackedShards(other).verify()
    with pytest.raises(InputError, match="no packed shards"):
        PackedShards(tmp_path)


def test_budgets_in_tokens_are_met_by_the_tokens_that_are_packed(tmp_path):
    path = tokenizer(tmp_path)
    mixed = {
        "unit": "tokens",
        "tokenizer": str(path),
        "max_per_language": 2500,
        "held_out_documents_per_language": 0,
    }
    folder = write(tmp_path / "x", few(), mixed, tokenizer=str(path))
    for sums in read_manifest(folder).summary["packed"].values():
        assert (
            1900 < sums["tokens"] <= 2560
        )  # within a document of each of two sources, and counted on samples


def test_what_could_not_be_read_is_in_the_drops_and_in_the_sum(tmp_path):
    from rumpun.corpus.read.policy import rejected_schema

    stages = Stages(tmp_path, few())
    line = {
        "file": "data/a.jsonl", "row": 12, "rows": 1, "source": "news-id", "rule": "read.encoding", "detail": "byte 3",
        "size": 4, "data": b"ab\xff!",
    }  # fmt: skip
    pq.write_table(
        pa.Table.from_pylist([line, line | {"row": 0, "rows": 5, "data": b""}], schema=rejected_schema()),
        tmp_path / "documents" / "rejected.parquet",
    )
    stages.mix()
    folder = stages.write(card={"plots": False})
    summary = read_manifest(folder).summary
    assert summary["rows"]["dropped"]["read.encoding"] == 6
    assert summary["rows"]["read"] == len(stages.rows) + 6
    drops = [row for row in rows_of(folder, "drops") if row["key"] is None]
    assert [(row["id"], row["text"]) for row in drops] == [
        ("data/a.jsonl:12", "ab\ufffd!"),
        ("data/a.jsonl", ""),
    ]


def test_stages_of_other_documents_are_refused(tmp_path):
    stages, other = Stages(tmp_path / "a", few()), Stages(tmp_path / "b", few()[:60])
    stages.mix()
    stages.inputs["decisions"] = other.inputs["decisions"]
    with pytest.raises(InputError, match="parts do not match"):
        stages.write()


def test_a_mixture_of_nothing_is_refused(tmp_path):
    rows = [row | {"decision": DROPPED} for row in few()]
    with pytest.raises(InputError, match="takes no document"):
        Stages(tmp_path, rows).mix()


def test_chat_rows_are_written_beside_the_text_and_do_not_repeat_what_is_held_out(tmp_path, world):
    texts = several(FORMS["id"], 6, 900)
    made = [
        {
            "key": f"k{n}",
            "topic": f"t{n}",
            "id": {"user": f"Ceritakan hal nomor {n} itu kepada saya", "assistant": text},
        }
        for n, text in enumerate([texts[0][::-1], *several(FORMS["id"], 3, 700)])
    ]
    world.add_jsonl("seed-chat", made, "chat", ["id"])
    folder = write(
        tmp_path / "x", few(), {"held_out_sources": {"id": ["held"]}}, data=str(world.folder), chat_languages=["id"],
        chat_seed=True, held_out_chat_share=0.0,
    )  # fmt: skip
    summary = read_manifest(folder).summary["chat"]
    assert summary == {"read": 4, "train": 3, "held_out": 0, "dropped": {"overlaps held-out": 1}}
    lines = [json.loads(line) for line in (folder / "chat.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    assert {entry.role for entry in read_manifest(folder).sources} == {"text", "held-out", "chat"}
    assert [row["rule"] for row in rows_of(folder, "drops") if row["stage"] == "chat"] == [
        "chat.overlaps_held-out"
    ]


def test_chat_rows_of_a_source_that_was_withdrawn_stay_out(tmp_path, world, monkeypatch):
    monkeypatch.setenv("RUMPUN_HOME", str(tmp_path / "home"))
    said = {"user": "Ceritakan pagi itu kepada saya", "assistant": several(FORMS["id"], 1, 700)[0]}
    for name in ("seed-chat", "seed-other"):
        world.add_jsonl(name, [{"key": name, "topic": "t", "id": said}], "chat", ["id"])
    chat = {
        "data": str(world.folder),
        "chat_languages": ["id"],
        "chat_seed": True,
        "held_out_chat_share": 0.0,
    }
    before = write(tmp_path / "before", few(), **chat)
    record([Entry(what="source", name="seed-other")])
    after = write(tmp_path / "after", few(), **chat)
    sources = [{json.loads(line)["source"] for line in (f / "chat.jsonl").open()} for f in (before, after)]
    assert sources == [{"seed-chat", "seed-other"}, {"seed-chat"}]
    assert read_manifest(after).summary["chat"]["dropped"] == {"withdrawn": 1}


def test_layers_and_measures_read_what_is_written(tmp_path):
    from rumpun.evaluate.texts import held_out

    folder = write(tmp_path, few(), {"held_out_sources": {"id": ["held"]}})
    found = held_out(folder, (), 3, 7)
    assert {item.language for item in found} == {"id"}
    assert len(found) == 3
    for path in (folder / "train").glob("*.parquet"):
        assert {"text", "language"} <= set(pq.read_schema(path).names)


@pytest.mark.parametrize(
    "params",
    [{"held_out_sources": {"id": ["hled"]}}, {"source_classes": {"hled": "web"}}],
    ids=["held out", "class"],
)
def test_a_source_that_is_not_there_is_named_with_the_nearest(tmp_path, params):
    with pytest.raises(UsageError, match="no source is called 'hled'") as caught:
        Stages(tmp_path, few()).mix(**params)
    assert caught.value.hint == "did you mean 'held'?"
