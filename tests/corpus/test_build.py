"""What goes in, what comes out, and where every row is."""

import json

import pytest
from world import EN, ID, MY, TA, TH, ZH, chat, drops, manifest, rows, several, texts

from rumpun.errors import InputError, UsageError
from rumpun.records.artefacts import verify
from rumpun.steps import plan

FORMS = {"id": ID, "th": TH, "my": MY, "ta": TA, "zh": ZH, "en": EN}


def fill(world, count=30):
    for tag, form in FORMS.items():
        world.add(f"news-{tag}", rows(f"news-{tag}", tag, several(form, count)))
        held = [text.replace(text[:12], "", 1) + text[:12] for text in several(form, 8, first=900)]
        other = [f"{text[::-1]}" for text in held]  # shares no run with the rest
        world.add(f"held-{tag}", rows(f"held-{tag}", tag, other))
    return {"languages": list(FORMS), "held_out_sources": {tag: [f"held-{tag}"] for tag in FORMS}}


def reason_of(folder):
    return {row["id"]: row["reason"] for row in drops(folder)}


def test_sources_are_held_out_whole_and_everything_is_counted(world, store):
    folder = world.build(store, **fill(world), held_out_documents_per_language=5)
    found = manifest(folder)
    verify(folder)
    assert set(texts(folder, "train", "source")) == {f"news-{tag}" for tag in FORMS}
    assert set(texts(folder, "heldout", "source")) == {f"held-{tag}" for tag in FORMS}
    assert found.summary["rows"]["held_out"] == 30
    assert found.summary["rows"]["dropped"] == {"held-out source, not measured": 18}
    assert found.languages == tuple(FORMS)
    assert {(s.name, s.role) for s in found.sources} == {(f"news-{t}", "text") for t in FORMS} | {
        (f"held-{t}", "held-out") for t in FORMS
    }
    assert all(
        s.url == f"https://example.org/{s.name}" and s.commit == "c0ffee" and len(s.sha256) == 64
        for s in found.sources
    )
    for tag in FORMS:
        share = found.summary["languages"][tag]
        assert share["train"]["documents"] == 30
        assert share["held_out"] | {"bytes": 0} == {"documents": 5, "bytes": 0, "by": "source"}


def test_the_same_inputs_give_the_same_bytes_and_another_seed_another_choice(world, store, tmp_path):
    params = fill(world) | {"max_bytes_per_language": 2_000}
    first, again = world.build(store, **params), world.build(tmp_path / "other", **params)
    hashes = [{f.path: f.sha256 for f in manifest(folder).files} for folder in (first, again)]
    assert hashes[0] == hashes[1]
    assert first.name == again.name
    assert texts(first, "train") != texts(world.build(store, seed=8, **params), "train")


def test_a_training_document_that_repeats_a_held_out_one_is_dropped(world, store):
    held = [
        "Pada suatu pagi yang cerah seekor kancil kecil berjalan jalan sendirian di tepi sungai yang lebar dan dalam itu."
    ]
    thai = ["เช้าวันหนึ่งมีกระจงน้อยตัวหนึ่งเดินเล่นอยู่ริมแม่น้ำกว้างใหญ่เพียงลำพังอย่างมีความสุขและไม่กลัวอะไรเลย"]
    world.add("held", rows("held", "id", held) + rows("held", "th", thai))
    leaks = [
        held[0].upper().replace(" ", "  "),
        f"Kata kakek, {held[0][8:]} Begitulah ceritanya.",
        "Pada suatu pagi yang cerah seekor kancil kecil makan.",
        ID,
    ]
    thai_leaks = [f"ยายเล่าว่า{thai[0][:70]}จริง ๆ นะ", f"{thai[0][:35]} แล้วก็กลับบ้านไปนอน", TH]
    world.add("train", rows("train", "id", leaks) + rows("train", "th", thai_leaks))
    folder = world.build(
        store,
        languages=["id", "th"],
        held_out_sources={"id": ["held"], "th": ["held"]},
        held_out_run_letters=50,
    )
    manifest(folder)
    assert {i for i, why in reason_of(folder).items() if why == "overlaps held-out"} == {
        "train-id-0",
        "train-id-1",
        "train-th-0",
    }
    assert set(texts(folder, "train", "id")) == {"train-id-2", "train-id-3", "train-th-1", "train-th-2"}


def test_strings_of_evaluation_sets_do_not_train_but_their_train_rows_may(world, store):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (world.folder / "eval").mkdir()
    known = [
        {"split": "test", "sentence": several(ID, 1, 1)[0].upper(), "tokens": ["a"]},
        {"split": "train", "sentence": several(ID, 1, 2)[0], "tokens": ["b"]},
        {"split": "validation", "sentence": "ya", "tokens": several(ID, 1, 3)[0].split()},
    ]
    pq.write_table(pa.Table.from_pylist(known), world.folder / "eval" / "set.parquet")
    world.add("news", rows("news", "id", several(ID, 5)))
    world.add("more", rows("more", "id", ["Ini sumber lain supaya bahasa ini punya lebih dari satu sumber."]))
    folder = world.build(store, languages=["id"])
    manifest(folder)
    assert {i for i, why in reason_of(folder).items() if why == "overlaps evaluation data"} == {
        "news-id-1",
        "news-id-3",
    }


def test_every_filter_is_counted_and_listed(world, store):
    bad = [
        "kecil",
        "",
        "12 + 34 = 46; 56 - 12 = 44; 1 : 2",
        "Selamat \ufffd pagi semuanya hari ini",
        "ลองเขียนภาษาไทยในที่ของภาษาอื่นดูบ้าง",
    ]
    good = several(ID, 3)
    world.add("mixed", rows("mixed", "id", [*good, good[0].upper() + "  ", *bad]))
    world.add("words", rows("words", "id", several(ID, 4, 50), domain="lexicon"), domain="lexicon")
    world.add("closed", rows("closed", "id", several(ID, 2, 70)), licence="CC-BY-NC-4.0")
    world.add("partly", rows("partly", "id", several(ID, 2, 90), licence="CC-BY-NC-4.0"))
    world.add(
        "other",
        rows("other", "id", several(ID, 1, 120))
        + rows("other", "sw", [])
        + rows("other", "jv", several(ID, 3, 130)),
    )
    folder = world.build(store, languages=["id"])
    found = manifest(folder)
    assert found.summary["rows"]["dropped"] == {
        "domain lexicon is not running text": 4,
        "duplicate": 1,
        "empty": 1,
        "language not asked for": 3,
        "licence CC-BY-NC-4.0 may not stand behind a shipped layer": 2,
        "licence may not stand behind a shipped layer": 2,
        "mostly symbols or digits": 1,
        "replacement characters": 1,
        "too short": 1,
        "wrong script": 1,
    }
    assert found.licences == ("CC-BY-4.0",)
    assert set(texts(folder, "train", "source")) == {"mixed", "other"}


def test_budgets_hold_and_name_what_they_leave(world, store):
    world.add("big", rows("big", "id", several(ID, 200)))
    world.add("small", rows("small", "id", several(EN, 20)))
    world.add("course-mt", rows("course-mt", "id", several(EN, 100, 100)))
    folder = world.build(
        store,
        languages=["id"],
        max_bytes_per_language=8_000,
        max_share_per_source=0.5,
        max_share_per_domain=1.0,
        max_share_machine_translated=0.1,
    )
    found = manifest(folder)
    sources = {name: part["bytes"] for name, part in found.summary["sources"]["id"].items()}
    assert sum(sources.values()) <= 8_000
    assert sources["big"] <= 4_000
    assert 0 < sources["course-mt"] <= 800
    assert sources["small"] > 1_900  # all of the small one
    assert found.summary["rows"]["dropped"].keys() == {"over budget"}


def test_long_documents_are_split_at_paragraphs_and_their_pieces_are_the_document(world, store):
    paragraphs = several(ID, 40)
    world.add("long", rows("long", "id", ["\n\n".join(paragraphs)]))
    world.add("more", rows("more", "id", several(EN, 2)))
    folder = world.build(store, languages=["id"], max_characters_per_document=500)
    found = manifest(folder)
    long = [
        text
        for text, source in zip(texts(folder, "train"), texts(folder, "train", "source"), strict=True)
        if source == "long"
    ]
    assert "".join(long) == "\n\n".join(paragraphs)
    assert found.summary["rows"]["added_by_splitting"] == len(long) - 1
    assert "long-id-0#1" in texts(folder, "train", "id")


def test_a_language_with_one_source_is_held_out_by_blocks_and_says_so(world, store):
    world.add("only", rows("only", "my", several(MY, 60)))
    folder = world.build(store, languages=["my", "lo"], held_out_run_letters=200)
    found = manifest(folder)
    share = found.summary["languages"]
    assert share["my"]["held_out"]["by"] == "blocks of only"
    assert 0 < share["my"]["held_out"]["documents"] <= 6
    assert share["lo"] == {
        "train": {"documents": 0, "bytes": 0}, "held_out": {"documents": 0, "bytes": 0, "by": ""},
        "chat_rows": 0, "machine_translated_bytes": 0, "dropped": {},
    }  # fmt: skip
    assert not set(texts(folder, "train")) & set(texts(folder, "heldout"))


def test_the_id_changes_with_the_data_and_not_with_the_place(world, store, tmp_path):
    path = world.add("news", rows("news", "id", several(ID, 3)))
    before = plan(world.recipe(languages=["id"]), store)[0].key
    assert plan(world.recipe(languages=["id"]), store)[0].key == before
    world.tables.clear()
    world.add("news", rows("news", "id", several(ID, 4)))
    assert plan(world.recipe(languages=["id"]), store)[0].key != before
    assert path.exists()


def test_files_folders_and_texts_outside_the_inventory(tmp_path, world, store):
    place = tmp_path / "mine"
    place.mkdir()
    (place / "a.jsonl").write_text(
        "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n\n" for text in several(ID, 3)),
        encoding="utf-8",
    )
    (place / "b.txt").write_text(several(ID, 1, 40)[0], encoding="utf-8")
    folder = world.build(
        store,
        languages=["id"],
        from_inventory=False,
        files=[{"path": str(place), "language": "id", "source": "mine", "licence": "CC0-1.0"}],
        texts=[{"text": several(ID, 1, 60)[0], "language": "id", "source": "own"}],
        held_out_sources={"id": ["own"]},
    )
    found = manifest(folder)
    assert found.summary["sources"]["id"]["mine"]["documents"] == 4
    assert texts(folder, "heldout", "source") == ["own"]
    assert found.licences == ("CC0-1.0",)


def conversations(count):
    return [
        {"key": f"k{n}", "topic": f"topic {n % 10}"}
        | {
            tag: {"user": f"{WORD[tag]} {n}?", "assistant": several(form, 1, n)[0]}
            for tag, form in FORMS.items()
        }
        for n in range(count)
    ]


WORD = {
    "id": "Apa ini",
    "th": "นี่คืออะไร",
    "my": "ဒါ ဘာလဲ",
    "ta": "இது என்ன",
    "zh": "这是什么",
    "en": "What is this",
}


def test_conversations_hold_out_whole_topics_in_all_languages_at_once(world, store):
    world.add(
        "news", rows("news", "id", ["Kalimat biasa yang tidak mirip dengan apa pun di sini sama sekali."] * 2)
    )
    world.add_jsonl("chat-a", conversations(40), "chat", list(FORMS), domain="chat")
    folder = world.build(store, languages=["id", "th", "zh"], chat_seed=True, held_out_chat_share=0.2)
    found = manifest(folder)
    held = chat(folder, "heldout/chat.jsonl")
    assert len({row["key"] for row in held}) == 8
    assert len(held) == 24
    assert found.summary["chat"] == {"read": 120, "train": 96, "held_out": 24, "dropped": {}}
    topics = {int(row["key"][1:]) % 10 for row in held}
    assert len(topics) == 2
    for row in chat(folder):
        assert [m["role"] for m in row["messages"]] == ["user", "assistant"]
        assert row.keys() == {"messages", "language", "source", "licence"}
        number = row["messages"][0]["content"].rsplit(" ", 1)[1].rstrip("?")
        assert int(number) % 10 not in topics


def pair(n, source, domain, src, tgt, languages=("en", "id"), licence="CC-BY-4.0"):
    return {
        "id": f"{source}-{n}", "source": source, "domain": domain, "licence": licence, "url": "",
        "src_lang": languages[0], "src": src, "tgt_lang": languages[1], "tgt": tgt,
    }  # fmt: skip


def test_pairs_become_requests_both_ways_and_software_does_not_rule(world, store):
    world.add(
        "news", rows("news", "id", ["Kalimat biasa yang tidak mirip dengan apa pun di sini sama sekali."] * 2)
    )
    english, indonesian, thai = several(EN, 150), several(ID, 150), several(TH, 150)
    menus = [
        pair(n, "menus", "software-ui", e, i)
        for n, (e, i) in enumerate(zip(english, indonesian, strict=True))
    ]
    tales = [
        pair(n, "tales", "story", f"Once: {e}", f"Dulu: {i}")
        for n, (e, i) in enumerate(zip(english[:30], indonesian, strict=False))
    ]
    tales += [
        pair(n + 100, "tales", "story", e, t, ("en", "th"))
        for n, (e, t) in enumerate(zip(english[:20], thai, strict=False))
    ]
    tales += [
        pair(500, "tales", "story", english[0], english[0]),
        pair(501, "tales", "story", "Hi", indonesian[0] * 3),
    ]
    tales += [pair(502, "tales", "story", english[1], MY, ("en", "my"))]
    world.add("menus", menus, kind="parallel", domain="software-ui")
    world.add("tales", tales, kind="parallel")
    folder = world.build(
        store,
        languages=["id", "th", "en"],
        pairs=True,
        pair_rows_per_language=40,
        max_share_per_pair_domain=0.5,
    )
    found = manifest(folder)
    lines = chat(folder)
    assert sum(row["source"] == "menus" for row in lines) == 20
    assert sum(row["source"] == "tales" and row["language"] == "id" for row in lines) == 20
    assert sum(row["language"] == "th" for row in lines) == 20
    assert found.summary["chat"]["dropped"] == {
        "language not asked for": 1,
        "not translated": 1,
        "over budget": 140,
        "too short": 1,
    }
    answers = {row["messages"][1]["content"] for row in lines}
    assert answers & set(english)
    assert answers & set(indonesian)
    asked = [row["messages"][0]["content"] for row in lines]
    assert any("Translate into Indonesian" in text for text in asked)
    assert any("bahasa Inggris" in text for text in asked)
    assert any("แปลเป็นภาษา" in text for text in asked)


def test_pairs_of_held_out_text_are_dropped(world, store):
    held = several(ID, 4, 700)
    world.add("held", rows("held", "id", held))
    world.add(
        "news", rows("news", "id", ["Kalimat biasa yang tidak mirip dengan apa pun di sini sama sekali."])
    )
    world.add(
        "tales",
        [pair(n, "tales", "story", f"Old tale {n}: {EN}", text) for n, text in enumerate(held)],
        kind="parallel",
    )
    world.add("held2", [pair(9, "held", "story", EN, ID)], kind="parallel")
    folder = world.build(store, languages=["id", "en"], pairs=True, held_out_sources={"id": ["held"]})
    assert manifest(folder).summary["chat"]["dropped"] == {
        "held-out source, not measured": 1,
        "overlaps held-out": 4,
    }


def test_text_may_come_from_one_side_of_pairs_and_from_seed_rows(world, store):
    world.add("tales", [pair(n, "tales", "story", e, i) for n, (e, i) in enumerate(zip(several(EN, 5), several(ID, 5), strict=True))],
              kind="parallel")  # fmt: skip
    seeds = [
        {"key": f"s{n}", "topic": "t", "id": i, "th": t}
        for n, (i, t) in enumerate(zip(several(ID, 4, 300), several(TH, 4), strict=True))
    ]
    world.add_jsonl("seed-a", seeds, "seed", ["id", "th"])
    world.add_jsonl("seed-b", [{"key": "z", "id": ID, "th": TH}], "seed", ["id", "th"])
    folder = world.build(
        store, languages=["en", "id", "th"], text_from_pairs={"en": ["tales"]}, seed_text=True,
        held_out_sources={"id": ["seed-b"], "th": ["seed-b"]}, held_out_documents_per_language=3, held_out_run_letters=90, held_out_run_words=40,
    )  # fmt: skip
    found = manifest(folder)
    assert found.summary["sources"]["en"].keys() == {"tales"}
    assert found.summary["sources"]["id"].keys() == {"seed-a"}
    assert texts(folder, "heldout", "id")[-2:] == ["z.id", "z.th"]


def test_task_rows_are_capped_and_carry_their_licence(world, store):
    world.add(
        "news", rows("news", "id", ["Kalimat biasa yang tidak mirip dengan apa pun di sini sama sekali."] * 2)
    )
    tasks = [
        {"id": f"t{n}", "source": "tasks", "domain": "story", "licence": "CC-BY-3.0", "url": "", "language": "id",
         "instruction": "Ringkaslah.", "input": text, "output": text[:30], "derivation": "rule"}
        for n, text in enumerate(several(ID, 12))
    ]  # fmt: skip
    world.add("tasks", tasks, kind="instruct")
    folder = world.build(store, languages=["id"], instruct=True, instruct_rows_per_language=5)
    found = manifest(folder)
    assert found.summary["chat"]["train"] == 5
    assert found.summary["chat"]["dropped"] == {"over budget": 7}
    assert "CC-BY-3.0" in found.licences


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"languages": ["id", "tha"]}, "language 'tha' is unknown (did you mean"),
        ({"languages": []}, "languages is empty"),
        ({"languages": ["id"], "max_share_per_source": 1.5}, "expected a share from 0 to 1"),
        ({"languages": ["id"], "domain_shares": {"law": -0.1}}, "domain_shares.law = -0.1"),
        ({"languages": ["id"], "min_characters": 0}, "min_characters = 0"),
        (
            {"languages": ["id"], "min_characters": 50, "max_characters_per_document": 20},
            "expected at least min_characters",
        ),
        (
            {"languages": ["id"], "sources": ["a"], "exclude_sources": ["a"]},
            "both in sources and in exclude_sources",
        ),
    ],
)
def test_parameters_that_cannot_be_meant(world, store, params, words):
    with pytest.raises(UsageError, match=r".") as caught:
        world.build(store, **params)
    assert words in caught.value.message


def test_a_source_that_does_not_exist_is_answered_with_the_nearest(world, store):
    world.add("berita-harian", rows("berita-harian", "id", several(ID, 2)))
    with pytest.raises(InputError, match=r"no source is called 'berita-harain'") as caught:
        world.build(store, languages=["id"], sources=["berita-harain"])
    assert caught.value.hint == "did you mean 'berita-harian'?"
    with pytest.raises(InputError, match="the recipe asks for no text"):
        world.build(store, languages=["my"])


def test_nothing_left_is_an_error_that_says_why(world, store):
    world.add("tiny", rows("tiny", "id", ["ya", "tidak"]))
    with pytest.raises(InputError, match=r"nothing is left to train on \(2 too short"):
        world.build(store, languages=["id"])
    assert not list(store.glob("[!.]*/manifest.json"))
