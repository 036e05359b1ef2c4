"""Chat rows: what goes in, what comes out, and where every row is."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from world import EN, ID, MY, TA, TH, ZH, several

from rumpun.corpus.chat.params import ChatParams
from rumpun.corpus.chat.write import write_chat
from rumpun.corpus.overlap import HeldOut
from rumpun.errors import InputError, UsageError
from rumpun.recipes import build

FORMS = {"id": ID, "th": TH, "my": MY, "ta": TA, "zh": ZH, "en": EN}
WORD = {
    "id": "Apa ini", "th": "นี่คืออะไร", "my": "ဒါ ဘာလဲ", "ta": "இது என்ன", "zh": "这是什么", "en": "What is this",
}  # fmt: skip


@pytest.fixture
def make(world, tmp_path):
    def made(held=None, seed=7, **params):
        """The chat rows of the world: what became of them, chat.jsonl, what is held out; every row in one place."""
        given = build(ChatParams, {"data": str(world.folder)} | params, "test")
        folder, scratch = tmp_path / "corpus", tmp_path / "scratch"
        for place in (folder / "drops", scratch):
            place.mkdir(parents=True, exist_ok=True)
        found = write_chat(given, folder, scratch, seed, held or {}, progress=lambda _: None)
        rows, held_rows = (lines(folder / name) for name in ("chat.jsonl", "heldout/chat.jsonl"))
        assert (found.train, found.held_out) == (len(rows), len(held_rows))
        assert found.read == found.train + found.held_out + sum(found.dropped.values())
        listed = pq.read_table(folder / "drops" / "chat.parquet").to_pylist()
        unlisted = found.dropped.get("language not asked for", 0) + sum(item.rows for item in found.left_out)
        assert len(listed) == sum(found.dropped.values()) - unlisted
        return found, rows, held_rows

    return made


def lines(path):
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def conversations(count):
    return [
        {"key": f"k{n}", "topic": f"topic {n % 10}"}
        | {
            tag: {"user": f"{WORD[tag]} {n}?", "assistant": several(form, 1, n)[0]}
            for tag, form in FORMS.items()
        }
        for n in range(count)
    ]


def pair(n, source, domain, src, tgt, languages=("en", "id"), licence="CC-BY-4.0"):
    return {
        "id": f"{source}-{n}", "source": source, "domain": domain, "licence": licence, "url": "",
        "src_lang": languages[0], "src": src, "tgt_lang": languages[1], "tgt": tgt,
    }  # fmt: skip


def test_conversations_hold_out_whole_topics_in_all_languages_at_once(world, make):
    world.add_jsonl("chat-a", conversations(40), "chat", list(FORMS), domain="chat")
    found, rows, held = make(languages=["id", "th", "zh"], chat_seed=True, held_out_chat_share=0.2)
    assert len({row["key"] for row in held}) == 8
    assert len(held) == 24
    assert (found.read, found.train, dict(found.dropped)) == (120, 96, {})
    topics = {int(row["key"][1:]) % 10 for row in held}
    assert len(topics) == 2
    for row in rows:
        assert [m["role"] for m in row["messages"]] == ["user", "assistant"]
        assert row.keys() == {"messages", "language", "source", "licence"}
        number = row["messages"][0]["content"].rsplit(" ", 1)[1].rstrip("?")
        assert int(number) % 10 not in topics


def test_the_same_seed_gives_the_same_rows_in_the_same_order(world, make):
    world.add_jsonl("chat-a", conversations(40), "chat", list(FORMS), domain="chat")
    params = {"languages": ["id", "th"], "chat_seed": True, "held_out_chat_share": 0.2}
    first, again, other = (make(seed=seed, **params)[1] for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_pairs_become_requests_both_ways_and_software_does_not_rule(world, make):
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
    found, rows, _ = make(
        languages=["id", "th", "en"],
        pairs=True,
        pair_rows_per_language=40,
        max_share_per_pair_domain=0.5,
    )
    assert sum(row["source"] == "menus" for row in rows) == 20
    assert sum(row["source"] == "tales" and row["language"] == "id" for row in rows) == 20
    assert sum(row["language"] == "th" for row in rows) == 20
    assert found.dropped == {
        "language not asked for": 1,
        "not translated": 1,
        "over budget": 140,
        "too short": 1,
    }
    answers = {row["messages"][1]["content"] for row in rows}
    assert answers & set(english)
    assert answers & set(indonesian)
    asked = [row["messages"][0]["content"] for row in rows]
    assert any("Translate into Indonesian" in text for text in asked)
    assert any("bahasa Inggris" in text for text in asked)
    assert any("แปลเป็นภาษา" in text for text in asked)


def test_rows_that_repeat_held_out_text_are_dropped(world, make):
    held = several(ID, 4, 700)
    world.add(
        "tales",
        [pair(n, "tales", "story", f"Old tale {n}: {EN}", text) for n, text in enumerate(held)],
        kind="parallel",
    )
    world.add("held2", [pair(9, "held", "story", EN, ID)], kind="parallel")
    found, rows, _ = make(
        held={"id": HeldOut(held, words=13)},
        languages=["id", "en"],
        pairs=True,
        held_out_sources={"id": ["held"]},
    )
    assert rows == []
    assert found.dropped == {"held-out source, not measured": 1, "overlaps held-out": 4}


def test_strings_of_evaluation_sets_are_dropped_but_their_train_rows_may_stay(world, make):
    (world.folder / "eval").mkdir()
    answers = several(ID, 5)
    known = [
        {"split": "test", "sentence": answers[1].upper(), "tokens": ["a"]},
        {"split": "train", "sentence": answers[2], "tokens": ["b"]},
        {"split": "validation", "sentence": "ya", "tokens": answers[3].split()},
    ]
    pq.write_table(pa.Table.from_pylist(known), world.folder / "eval" / "set.parquet")
    said = [
        {"key": f"k{n}", "topic": "t", "id": {"user": f"Apa {n}?", "assistant": a}}
        for n, a in enumerate(answers)
    ]
    world.add_jsonl("chat-a", said, "chat", ["id"])
    found, rows, _ = make(languages=["id"], chat_seed=True, held_out_chat_share=0.0)
    assert found.dropped == {"overlaps evaluation data": 2}
    assert {row["messages"][1]["content"] for row in rows} == {answers[0], answers[2], answers[4]}


def test_task_rows_are_capped_and_carry_their_licence(world, make):
    tasks = [
        {"id": f"t{n}", "source": "tasks", "domain": "story", "licence": "CC-BY-3.0", "url": "", "language": "id",
         "instruction": "Ringkaslah.", "input": text, "output": text[:30], "derivation": "rule"}
        for n, text in enumerate(several(ID, 12))
    ]  # fmt: skip
    world.add("tasks", tasks, kind="instruct")
    found, rows, _ = make(languages=["id"], instruct=True, instruct_rows_per_language=5)
    assert len(rows) == 5
    assert found.dropped == {"over budget": 7}
    assert {row["licence"] for row in rows} == {"CC-BY-3.0"}


def test_a_source_that_may_not_be_used_is_counted_with_its_reason(world, make):
    world.add_jsonl("chat-a", conversations(3), "chat", ["id"])
    world.add_jsonl("chat-b", conversations(2), "chat", ["id"], licence="CC-BY-NC-4.0")
    found, rows, _ = make(languages=["id"], chat_seed=True, held_out_chat_share=0.0)
    assert len(rows) == 3
    assert [(item.source, item.rows) for item in found.left_out] == [("chat-b", 2)]
    assert found.dropped == {"licence CC-BY-NC-4.0 may not stand behind a shipped layer": 2}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"languages": ["id", "tha"]}, "language 'tha' is unknown (did you mean"),
        ({"languages": [], "pairs": True}, "chat_languages is empty"),
        ({"languages": ["id"], "held_out_chat_share": 1.5}, "expected a share from 0 to 1"),
        ({"languages": ["id"], "domain_shares": {"law": -0.1}}, "domain_shares.law = -0.1"),
        ({"languages": ["id"], "min_characters": 0}, "min_characters = 0"),
    ],
)
def test_parameters_that_cannot_be_meant(params, words):
    with pytest.raises(UsageError, match=r".") as caught:
        build(ChatParams, params, "test")
    assert words in caught.value.message


@pytest.fixture
def refused(make):
    def made(match, hint, **params):
        with pytest.raises(InputError, match=match) as caught:
            make(**({"languages": ["id", "en"]} | params))
        assert hint in caught.value.hint
        assert "\n" not in caught.value.message

    return made


def test_a_conversation_without_an_answer(world, refused):
    world.add_jsonl("talk", [{"key": "k1", "id": {"user": "Apa?"}}], "chat", ["id"])
    refused(r"talk\.jsonl: k1: 'id' is no turn", "assistant", chat_seed=True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"key": "x", "id": ', r"talk\.jsonl:2: not JSON"),
        (b"[1, 2]", r"talk\.jsonl:2: a list, not an object"),
        (b'{"id": {}}', r"talk\.jsonl:2: no key 'key'"),
        (b'{"key": "\xff\xfe"}', r"talk\.jsonl:2: not UTF-8"),
        (b'{"key": ' + b"[" * 100_000, r"talk\.jsonl:2: not JSON that can be read"),
    ],
)
def test_a_bad_line_is_named(world, refused, line, words):
    path = world.folder / "text" / "talk.jsonl"
    good = {"key": "k", "topic": "t", "id": {"user": "Apa?", "assistant": ID}}
    path.write_bytes(json.dumps(good).encode() + b"\n" + line + b"\n")
    world.declare("talk", "chat", ["id"], path, 2)
    refused(words, "", chat_seed=True)


def test_a_pair_without_one_side(world, refused):
    world.add(
        "tales", [{"id": "1", "src_lang": "en", "src": "A", "tgt_lang": "id", "tgt": None}], kind="parallel"
    )
    refused(r"tales\.parquet:1: tgt is None", "give both sides a text", pairs=True)


def test_files_that_are_missing_empty_changed_or_cut(world, refused):
    rows = [pair(n, "tales", "story", e, i) for n, (e, i) in enumerate(zip(several(EN, 9), several(ID, 9), strict=True))]  # fmt: skip
    path = world.add("tales", rows, kind="parallel")
    whole = path.read_bytes()
    path.unlink()
    refused(r"tales\.parquet: missing, though the source 'tales' names it", "docs/sources.md", pairs=True)
    path.write_bytes(b"")
    refused(r"tales\.parquet: empty \(0 bytes\)", "fetch it again", pairs=True)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    refused(r"tales\.parquet: sha256 [0-9a-f]{12}…, the inventory says", "inventory", pairs=True)
    world.tables.clear()
    path.write_bytes(whole[:-40])
    world.declare("tales", "parallel", ["en", "id"], path, 9)
    refused(r"tales\.parquet: not readable as Parquet", "fetch", pairs=True)
    world.tables.clear()
    pq.write_table(pa.table({"src": ["x"]}), path)
    world.declare("tales", "parallel", ["en", "id"], path, 1)
    refused(r"tales\.parquet: no column 'src_lang' \(it has: src\)", "name the column", pairs=True)


def test_nothing_to_read_says_so(world, refused):
    world.add_jsonl("talk", conversations(1), "chat", ["th"])
    refused("no source of the inventory has any in these languages", "chat_languages", chat_seed=True)


def declare_safety(world, name, found, use):
    (world.folder / "safety").mkdir(exist_ok=True)
    path = world.folder / "safety" / f"{name}.parquet"
    pq.write_table(pa.Table.from_pylist(found), path)
    with (world.folder / "inventory-eval.toml").open("a", encoding="utf-8") as stream:
        stream.write(
            f'[[source]]\nname = "{name}"\nkind = "safety"\nlanguages = ["id"]\nlicence = "Apache-2.0"\n'
            f'files = ["safety/{name}.parquet"]\nrows = {len(found)}\nuse = {json.dumps(use)}\n'
        )


def guarded(n, **more):
    """A question that wants care, and an answer that takes it."""
    return {
        "id": f"g{n}", "language": "id", "licence": "Apache-2.0", "harm": "local", "prompt": f"{WORD['id']} {n}?",
        "safe_response": several(ID, 1, n)[0],
    } | more  # fmt: skip


def test_safe_answers_train_up_to_their_budget_and_without_what_is_never_kept(world, make):
    found = [guarded(n) for n in range(9)]
    found += [guarded(9, harm="Minors at risk"), guarded(10, safe_response=""), guarded(11, language="en")]
    declare_safety(world, "careful", found, ["safety-train"])
    world.add_jsonl("chat-a", conversations(4), "chat", list(FORMS), domain="chat")
    asked = {"languages": ["id"], "safe_answers": ["careful"], "safe_rows_per_language": 7}
    told, rows, _ = make(**asked)
    assert told.dropped == {
        "over budget": 2, "label names children or minors": 1, "empty": 1, "language not asked for": 1
    }  # fmt: skip
    expected = {(row["prompt"], row["safe_response"]) for row in found[:9]}
    assert {tuple(turn["content"] for turn in row["messages"]) for row in rows} < expected
    assert [(source.name, source.rows, source.licence) for source in told.sources] == [
        ("careful", 7, "Apache-2.0")
    ]
    assert make(**asked)[1] == rows


def test_a_safety_set_that_may_not_train_is_refused(world, make):
    declare_safety(world, "measured", [guarded(1)], ["eval"])
    world.add_jsonl("chat-a", conversations(4), "chat", list(FORMS), domain="chat")
    with pytest.raises(InputError, match="'measured' is for eval, not for safety-train"):
        make(languages=["id"], safe_answers=["measured"])
    with pytest.raises(InputError, match="no safety set is called 'mesured'") as caught:
        make(languages=["id"], safe_answers=["mesured"])
    assert "measured" in caught.value.hint
    with pytest.raises(UsageError, match="chat_languages is empty"):
        make(languages=[], safe_answers=["measured"])
