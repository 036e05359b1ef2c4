"""Public sets: the table, how rows become items, what is left out and counted, mirrors and a hub."""

import hashlib
import http.server
import json
import sys
import threading
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rumpun.errors import EnvironmentFault, InputError, MissingPartError, UsageError
from rumpun.evaluate.public import describe, load, names
from rumpun.evaluate.public_rows import _numbered
from rumpun.evaluate.public_table import FAMILIES, Public
from rumpun.recipes import build
from rumpun.records.licences import terms

COMMIT = "c" * 40
BELEBELE = {
    "id": "b.1", "language": "id", "licence": "CC-BY-SA-4.0", "link": "https://example.org/kopi", "label": "B",
    "flores_passage": "Pagi itu Sari menyeduh kopi untuk ayahnya di dapur.", "question": "Untuk siapa Sari menyeduh kopi?",
    "mc_answer1": "ibunya", "mc_answer2": "ayahnya", "mc_answer3": "kakaknya", "mc_answer4": "neneknya",
}  # fmt: skip


def put(folder, name, *found, file=""):
    """A set's file in a folder, with these rows."""
    path = folder / (file or describe(name).file)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(found)), path)
    return path


def one(folder, name, *found, **asked):
    put(folder, name, *found)
    return load(name, folder=folder, **asked)


# the table


def test_the_table():
    assert len(names()) >= 25
    for name in names():
        spec = describe(name)
        assert spec.name == name
        assert spec.file.startswith("safety/" if spec.tests in ("harmful", "answerable") else "eval/")
        assert spec.languages == tuple(sorted(set(spec.languages)))
        assert terms(spec.licence).name != "unknown"
    assert {describe(name).tests for name in names()} == set(FAMILIES)


def test_an_unknown_set():
    with pytest.raises(UsageError, match="'belebel'") as caught:
        load("belebel")
    assert "belebele" in caught.value.hint


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tests": "readings"}, "did you mean 'reading'"),
        ({"gold": {"kind": "pair", "column": "label"}}, "do not go together"),
        ({"gold": {"kind": "label"}}, "do not go together"),
        ({"options": []}, "names an option, and there are none"),
        ({"labels": {"a": "b"}}, "labels belong to"),
        ({"source_language": "en"}, "source_language and a target_language"),
        ({"json": ["nowhere"]}, "'nowhere' is no column"),
        ({"colour": "red"}, "unknown key"),
    ],
)
def test_a_table_that_cannot_be_meant(changed, said):
    table = {"file": "eval/x.parquet", "tests": "reading", "licence": "MIT", "languages": ["id"],
             "options": ["a", "b"], "gold": {"kind": "letter", "column": "label"}}  # fmt: skip
    build(Public, table, "t")
    with pytest.raises(UsageError, match="t: ") as caught:
        build(Public, table | changed, "t")
    assert said in caught.value.message


# rows


def test_options_and_a_letter(tmp_path):
    loaded = one(tmp_path, "belebele", BELEBELE)
    (item,) = loaded.items
    assert (item.id, item.language, item.source, item.group) == ("b.1", "id", "belebele", BELEBELE["link"])
    assert dict(item.fields) == {"passage": BELEBELE["flores_passage"], "question": BELEBELE["question"]}
    assert (item.options, item.gold, item.right) == (
        ("ibunya", "ayahnya", "kakaknya", "neneknya"),
        1,
        "ayahnya",
    )
    assert (loaded.licences, loaded.problems, loaded.dropped, loaded.missing) == (
        ("CC-BY-SA-4.0",),
        [],
        {},
        (),
    )


@pytest.mark.parametrize(
    ("letter", "place"), [("a", 0), ("D", 3), ("ဂ", 2), ("ข", 1), ("ກ", 0), ("ឃ", 3), ("இ", 2)]
)
def test_native_letters(tmp_path, letter, place):
    assert one(tmp_path, "belebele", BELEBELE | {"label": letter}).items[0].gold == place


@pytest.mark.parametrize("letter", ["E", "", "AB", "?", None])
def test_a_letter_of_no_option_is_left_out_and_told(tmp_path, letter):
    loaded = one(tmp_path, "belebele", BELEBELE, BELEBELE | {"id": "b.2", "label": letter})
    assert [item.id for item in loaded.items] == ["b.1"]
    assert loaded.dropped == {"no right option": 1}
    assert [(p.kind, p.id) for p in loaded.problems if p.kind != "item twice, two answers"] == [
        ("no right option", "b.2")
    ]


def test_places_from_zero_and_from_one(tmp_path):
    row = {"id": "x", "language": "th", "split": "test", "premise": "ฝนตกหนักมาก", "question": "effect",
           "choice1": "ถนนแห้ง", "choice2": "น้ำท่วมถนน", "label": 1, "idx": 3}  # fmt: skip
    (item,) = one(tmp_path, "xcopa", row, row | {"id": "y", "split": "validation"}).items
    assert (item.right, item.group, item.fields["asks"]) == ("น้ำท่วมถนน", "test:3", "effect")
    exam = {"id": "e", "language": "th", "exam": "onet-m3-math", "question": "2 + 3 เท่ากับเท่าใด",
            "options": "(1) 4 \n(2)  5 \n(3) 6 (1) \n(4) 7", "label": "๒"}  # fmt: skip
    (item,) = one(tmp_path, "thai-exam-onet-m3", exam, exam | {"id": "f", "exam": "onet-m3-english"}).items
    assert (item.id, item.options, item.right) == ("e", ("4", "5", "6 (1)", "7"), "5")
    assert one(tmp_path, "thai-exam-onet-m3", exam | {"label": "5"}).dropped == {"no right option": 1}


def test_numbered_options():
    assert _numbered("no numbers") == ()
    assert _numbered("(1) ข้อ (3) และ (4) (2) x") == ("ข้อ (3) และ (4)", "x")


def test_labels(tmp_path):
    row = {"id": "n", "language": "id", "split": "test_lay", "premise": "Ia pulang.", "hypothesis": "Ia pergi.", "label": "c",
           "premise_id": 7, "annotator_type": "lay"}  # fmt: skip
    loaded = one(tmp_path, "indonli", row, row | {"id": "m", "label": "z"})
    assert [(item.id, item.gold, item.options, item.group) for item in loaded.items] == [
        ("n", ("contradiction",), (), "7")
    ]
    assert loaded.dropped == {"label not in set": 1}
    assert describe("indonli").label_set == ("entailment", "neutral", "contradiction")


def test_a_pair(tmp_path):
    row = {"id": "p", "language": "id", "correct": "Tono tidur.", "wrong": "Tidur Tono di.", "linguistic_phenomenon": "order",
           "category": "x"}  # fmt: skip
    (item,) = one(tmp_path, "lindsea-minimal-pairs", row).items
    assert (item.options, item.gold, dict(item.fields)) == (("Tono tidur.", "Tidur Tono di."), 0, {})
    assert item.more == {"phenomenon": "order", "category": "x"}


def test_references(tmp_path):
    row = {"id": "q", "language": "su", "question": "Naon?", "question_id": "Q1", "region": "West_Java", "topic": "Food",
           "answers": ["peuyeum", " peuyeum ", "", "oncom"], "annotations": '[{"answers": ["oncom"], "count": 2}]'}  # fmt: skip
    loaded = one(tmp_path, "blend", row, row | {"id": "r", "answers": []})
    (item,) = loaded.items
    assert (item.gold, item.more["votes"]) == (("peuyeum", "oncom"), [{"answers": ["oncom"], "count": 2}])
    assert loaded.dropped == {"no reference": 1}
    with pytest.raises(InputError, match="blend: q: annotations"):
        one(tmp_path, "blend", row | {"annotations": "[{"})


def test_long_keys_of_groups_are_hashed_and_equal_ones_are_equal(tmp_path):
    row = {
        "id": "1",
        "language": "id",
        "split": "test",
        "passage_text": "Kota itu ramai. " * 20,
        "question_text": "Apa?",
        "answers": ["x"],
    }
    first, second = one(tmp_path, "facqa", row, row | {"id": "2", "question_text": "Siapa?"}).items
    assert first.group == second.group
    assert len(first.group) == 16


def test_one_row_gives_an_item_for_each_aspect_and_each_language(tmp_path):
    aspects = dict.fromkeys(describe("indonlu-casa").each.values(), "neutral") | {"price": "negative"}
    car = {"id": "c", "language": "id", "split": "test", "sentence": "Mobil ini mahal sekali."} | aspects
    items = one(tmp_path, "indonlu-casa", car).items
    assert {(item.id, item.fields["aspect"], item.gold) for item in items} >= {
        ("c.price", "price", ("negative",))
    }
    assert (len(items), {item.group for item in items}) == (6, {"c"})
    texts = {f"text_{tag}": f"kalimat {tag}" for tag in (*describe("nusax-en-xx").languages, "en")}
    row = {"id": "t", "language": "mul", "split": "test"} | texts
    into = {item.language: item for item in one(tmp_path, "nusax-en-xx", row).items}
    out = {item.language: item for item in one(tmp_path, "nusax-xx-id", row).items}
    assert (into["bug"].fields, into["bug"].gold) == ({"text": "kalimat en"}, ("kalimat bug",))
    assert into["bug"].more == {"from": "en", "to": "bug"}
    assert (out["bug"].fields, out["bug"].gold) == ({"text": "kalimat bug"}, ("kalimat id",))
    assert out["bug"].more == {"from": "bug", "to": "id"}
    assert (len(into), len(out), "id" in out) == (11, 10, False)


def test_tags_are_those_used_here_and_what_is_left_out_is_counted(tmp_path):
    row = {
        "id": "z",
        "language": "zh-Hans",
        "split": "test",
        "text": "今天天气很好。",
        "category": "travel",
        "index_id": 5,
    }
    hant = row | {"id": "y", "language": "zh-Hant"}
    loaded = one(tmp_path, "sib200", row, hant, languages=["zh", "zh-Hant", "km", "km"])
    assert [(item.id, item.language, item.group) for item in loaded.items] == [("z", "zh", "5")]
    assert loaded.dropped == {"language zh-Hant": 1}
    assert loaded.missing == ("zh-Hant", "km")
    short = {"id": "t", "language": "cha", "text": "Hafa adai.", "text_en": "Hello."}
    assert one(tmp_path, "tatoeba-xx-en", short).items[0].language == "ch"


def test_a_set_without_one_language_says_so(tmp_path):
    loaded = one(tmp_path, "belebele", BELEBELE, languages=["km", "id"])
    assert (len(loaded.items), loaded.missing) == (1, ("km",))
    assert one(tmp_path, "belebele", BELEBELE, languages=["km"]).items == []


def test_faults_of_the_file_are_told_and_mended(tmp_path):
    passage = '"Ia berkata, ""pergi"", lalu pulang ke São Paulo."'.replace("ã", "\u00c3\u00a3")
    row = BELEBELE | {
        "flores_passage": passage,
        "mc_answer2": "ayahnya\u00a0",
        "mc_answer3": "kakaknya\u200b",
    }
    loaded = one(tmp_path, "belebele", row)
    assert Counter(p.kind for p in loaded.problems) == {
        "space at an option": 2,
        "damaged text": 1,
        "doubled quotes": 1,
    }
    assert loaded.mended == {"space at an option": 1, "damaged text": 1, "doubled quotes": 1}
    (item,) = loaded.items
    assert item.fields["passage"] == 'Ia berkata, "pergi", lalu pulang ke São Paulo.'
    assert item.options[1:3] == ("ayahnya", "kakaknya")
    raw = load("belebele", folder=tmp_path, mend=False)
    assert (raw.items[0].options[1], raw.mended) == ("ayahnya\u00a0", {})
    assert raw.items[0].fields["passage"] == passage


# folders


def test_a_mirror_may_hold_the_files_side_by_side(tmp_path, monkeypatch):
    put(tmp_path, "belebele", BELEBELE, file="belebele.reading-mc.parquet")
    assert len(load("belebele", folder=tmp_path).items) == 1
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path))
    assert len(load("belebele").items) == 1


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"belebele: .*reading-mc\.parquet is not there"):
        load("belebele", folder=tmp_path)
    put(tmp_path, "belebele", {key: value for key, value in BELEBELE.items() if key != "question"})
    with pytest.raises(InputError, match="no column 'question'"):
        load("belebele", folder=tmp_path)
    (tmp_path / describe("belebele").file).write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        load("belebele", folder=tmp_path)
    with pytest.raises(UsageError, match="both a folder and a hub"):
        load("belebele", folder=tmp_path, repo="a/b")


# a hub


class Hub(http.server.ThreadingHTTPServer):
    """Two addresses of a hub: what a data set holds, and a file of it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.asked, self.lie = {}, [], None

    def fetched(self):
        return [path for path in self.asked if "/resolve/" in path]


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path.startswith("/api/datasets/someone/tests"):
            siblings = [
                {"rfilename": name, "size": len(content),
                 "lfs": {"sha256": self.server.lie or hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}}
                for name, content in self.server.files.items()
            ]  # fmt: skip
            about = {
                "id": "someone/tests",
                "sha": COMMIT,
                "siblings": siblings,
                "private": False,
                "tags": [],
                "downloads": 0,
            }
            return self.give(json.dumps(about).encode(), "application/json")
        content = self.server.files.get(path.partition(f"/resolve/{COMMIT}/")[2])
        return self.give(content or b"not here", "application/octet-stream", 200 if content else 404)

    def give(self, content, kind, status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture
def hub(monkeypatch, home, tmp_path):
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (make dev)")
    with Hub() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{made.server_address[1]}")
        made.files["eval/belebele.reading-mc.parquet"] = put(tmp_path, "belebele", BELEBELE).read_bytes()
        yield made
        made.shutdown()


def test_a_hub_says_the_size_first_and_is_asked_for_a_file_once(hub, home):
    said = []
    loaded = load("belebele", repo="someone/tests", say=lambda text: said.append((text, hub.fetched())))
    assert len(loaded.items) == 1
    size = len(hub.files["eval/belebele.reading-mc.parquet"])
    assert said == [(f"someone/tests: fetching eval/belebele.reading-mc.parquet, {size / 1e6:.1f} MB", [])]
    first = hub.fetched()
    assert first
    assert load("belebele", repo=f"someone/tests@{COMMIT}").items == loaded.items
    assert hub.fetched() == first
    assert list((home / "cache").rglob("*.parquet"))


def test_a_hub_that_holds_the_file_elsewhere_twice_or_not_at_all(hub):
    content = hub.files.pop("eval/belebele.reading-mc.parquet")
    with pytest.raises(InputError, match="0 files named"):
        load("belebele", repo="someone/tests")
    hub.files["data/belebele.reading-mc.parquet"] = content
    assert len(load("belebele", repo="someone/tests").items) == 1
    hub.files["old/belebele.reading-mc.parquet"] = content
    with pytest.raises(InputError, match="2 files named"):
        load("belebele", repo="someone/tests")


def test_what_the_hub_does_not_list_is_refused(hub, home):
    hub.lie = "0" * 64
    with pytest.raises(InputError, match="not what the hub lists"):
        load("belebele", repo="someone/tests")
    assert not list((home / "cache").rglob("*.parquet"))


def test_a_hub_out_of_reach(hub, monkeypatch):
    with pytest.raises(EnvironmentFault, match="someone/nothing"):
        load("belebele", repo="someone/nothing")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(EnvironmentFault, match="someone/tests"):
        load("belebele", repo="someone/tests")


def test_without_the_libraries_the_part_is_named(tmp_path, monkeypatch):
    put(tmp_path, "belebele", BELEBELE)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingPartError, match="'eval'"):
        load("belebele", repo="someone/tests")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPartError, match="'corpus'"):
        load("belebele", folder=tmp_path)
