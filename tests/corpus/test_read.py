"""`corpus.read`: every readable row in canonical order, and what is known of its source."""

import errno
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import TEXTS, files, jsonl, read, recipe, rejected, rows, rules, sources, texts
from world import EN, ID, TH, World, several
from world import rows as world_rows

from rumpun.corpus.parts import documents_schema, part_paths, read_part
from rumpun.corpus.read import rows as documents_rows
from rumpun.corpus.read import units as documents_units
from rumpun.corpus.read import workers as documents_read
from rumpun.corpus.withdrawn import Entry, record
from rumpun.errors import InputError, UsageError
from rumpun.records.artefacts import read_manifest, verify
from rumpun.records.licences import terms
from rumpun.steps import plan


@pytest.fixture
def small_parts(monkeypatch):
    """Parts, groups and cuts of a size that small texts reach; one worker, so that the changes are seen."""
    monkeypatch.setenv("RUMPUN_WORKERS", "1")
    monkeypatch.setattr(documents_rows, "PART_BYTES", 4_000)
    monkeypatch.setattr(documents_units, "GROUP_BYTES", 6_000)
    monkeypatch.setattr(documents_units, "SPLIT_BYTES", 5_000)
    monkeypatch.setattr(documents_read, "SPLIT_BYTES", 5_000)


def test_every_script_comes_through_as_it_was(tmp_path, store):
    made = jsonl(tmp_path / "many.jsonl", [{"text": text, "language": tag} for tag, text in TEXTS.items()])
    folder = read(store, files=files(made))
    assert texts(folder) == list(TEXTS.values())
    assert [row["language"] for row in rows(folder)] == list(TEXTS)
    assert {row["where"] for row in rows(folder)} == {f"many.jsonl:{n}" for n in range(1, len(TEXTS) + 1)}
    assert read_part(part_paths(folder)[0]).schema == documents_schema()
    assert rejected(folder) == []
    manifest = verify(folder)
    assert manifest.kind == "documents"
    assert manifest.summary["documents"] == len(TEXTS)
    assert manifest.sources[0].name == "many"
    assert manifest.licences == ("CC0-1.0",)
    assert set(manifest.languages) == set(TEXTS)


def test_text_is_not_changed_by_a_byte(tmp_path, store):
    odd = [
        "  spaces \t\n\nand lines\r\n ",
        "",
        "e\u0301 not composed",
        "zero\u200bwidth \ufeff",
        "\x01 control",
        "a\u2028b",
    ]
    made = jsonl(tmp_path / "odd.jsonl", [{"text": text, "language": "en"} for text in odd])
    assert texts(read(store, files=files(made))) == odd


def test_the_inventory_is_read_by_its_rules(tmp_path, store):
    world = World(tmp_path / "data")
    world.add("news", world_rows("news", "id", several(ID, 3)))
    world.add("tales-mt", world_rows("tales-mt", "id", several(ID, 2, 10)))
    world.add("aaa", world_rows("aaa", "th", several(TH, 2)))
    world.add("words", world_rows("words", "id", several(ID, 2, 20)), domain="lexicon")
    world.add("closed", world_rows("closed", "id", several(ID, 2, 30)), licence="CC-BY-NC-4.0")
    folder = read(store, from_inventory=True, data=str(world.folder), languages=["id", "th"])
    assert [row["source"] for row in rows(folder)] == ["aaa"] * 2 + ["news"] * 3 + ["tales-mt"] * 2
    listed = sources(folder)
    assert listed["words"]["left_out"][0]["reason"] == "domain lexicon is not running text"
    assert rules(folder) == [("text/closed.parquet", 0, "licence.terms")]
    assert rejected(folder)[0]["rows"] == 2
    assert listed["news"] | {"files": 0} == {
        "name": "news", "kind": "text", "licence": "CC-BY-4.0", "domain": "story", "rows": 3, "files": 0,
        "repository": "https://example.org/news", "commit": "c0ffee", "languages": {"id": 3},
        "licences": {"CC-BY-4.0": 3}, "rejected": {}, "recoded": {}, "skipped": {}, "left_out": [],
        "bytes": sum(len(text.encode()) for text in several(ID, 3)),
    }  # fmt: skip
    with pytest.raises(InputError, match=r"closed.parquet: licence CC-BY-NC-4.0"):
        read(store, from_inventory=True, data=str(world.folder), languages=["id"], on_bad_input="stop")


def test_sides_of_pairs_and_seed_rows_are_documents(tmp_path, store):
    world = World(tmp_path / "data")
    pair = {"id": "p1", "src_lang": "en", "src": EN, "tgt_lang": "id", "tgt": ID, "licence": "CC0-1.0"}
    world.add("talk", [pair], kind="parallel")
    world.add_jsonl("daily", [{"key": "d1", "id": ID, "th": TH, "en": EN}], "seed", ["id", "th", "en"])
    folder = read(
        store, from_inventory=True, data=str(world.folder), languages=["id", "th"], seed_text=True,
        text_from_pairs={"id": ["talk"]},
    )  # fmt: skip
    assert [(row["id"], row["language"], row["text"]) for row in rows(folder)] == [
        ("d1.id", "id", ID), ("d1.th", "th", TH), ("p1.id", "id", ID),
    ]  # fmt: skip


def test_rows_in_other_languages_are_counted_not_taken(tmp_path, store):
    found = [{"text": TEXTS[tag], "language": tag} for tag in ("id", "th", "my")] + [{"text": "no label"}]
    folder = read(store, languages=["id", "th"], files=files(jsonl(tmp_path / "x.jsonl", found)))
    assert [row["language"] for row in rows(folder)] == ["id", "th", ""]
    assert sources(folder)["x"]["skipped"] == {"language not asked for": 1}


def test_columns_are_mapped_and_the_author_is_the_contributor(tmp_path, store):
    found = [{"body": TEXTS["id"], "meta": {"link": "https://example.org/1"}, "author": "Sari", "n": 7}]
    columns = {"text": "body", "url": "meta.link", "contributor": "author", "id": "n"}
    more = {"columns": columns, "language": "id", "source": "blog", "domain": "essay"}
    expected = {
        "key": 0, "id": "7", "text": TEXTS["id"], "language": "id", "source": "blog", "licence": "CC0-1.0",
        "url": "https://example.org/1", "domain": "essay", "contributor": "Sari",
    }  # fmt: skip
    folder = read(store, files=files(jsonl(tmp_path / "a.jsonl", found), **more))
    assert rows(folder) == [expected | {"where": "a.jsonl:1"}]
    pq.write_table(pa.Table.from_pylist(found), tmp_path / "b.parquet")
    folder = read(store, files=files(tmp_path / "b.parquet", **more))
    assert rows(folder) == [expected | {"where": "b.parquet:1"}]
    with pytest.raises(UsageError, match="columns: 'texts'"):
        read(store, files=files(tmp_path / "b.parquet", columns={"texts": "body"}))


@pytest.mark.parametrize(("how", "expected"), [
    ("file", [("t.txt:1", "satu\ndua\n\ntiga\n")]),
    ("line", [("t.txt:1", "satu"), ("t.txt:2", "dua"), ("t.txt:4", "tiga")]),
    ("paragraph", [("t.txt:1", "satu\ndua"), ("t.txt:4", "tiga")]),
])  # fmt: skip
def test_text_files_by_file_line_or_paragraph(tmp_path, store, how, expected):
    (tmp_path / "t.txt").write_text("satu\ndua\n\ntiga\n", encoding="utf-8")
    folder = read(store, files=files(tmp_path / "t.txt", documents=how, language="id"))
    assert [(row["where"], row["text"]) for row in rows(folder)] == expected


def test_a_folder_in_canonical_order_and_what_is_ignored_in_it(tmp_path, store):
    place = tmp_path / "crawl"
    jsonl(place / "b" / "two.jsonl", [{"text": "two", "language": "en"}])
    jsonl(place / "a.jsonl", [{"text": "one", "language": "en"}])
    (place / "notes.docx").write_bytes(b"PK\x03\x04")
    (place / ".hidden.jsonl").write_bytes(b"{")
    folder = read(store, files=files(place, source="crawl"))
    assert [(row["text"], row["where"]) for row in rows(folder)] == [
        ("one", "crawl/a.jsonl:1"),
        ("two", "crawl/b/two.jsonl:1"),
    ]
    assert read_manifest(folder).summary["ignored_files"] == 1


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path, store):
    made = [
        jsonl(tmp_path / "x" / place / "part.jsonl", [{"text": place, "language": "id"}, {"no": "text"}])
        for place in ("d1", "d2/deep", "e/deep")
    ]
    other = jsonl(tmp_path / "other.jsonl", [{"text": "other", "language": "id"}])
    folder = read(store, files=files(*reversed(made), other))
    named = [f"{place}/part.jsonl" for place in ("d2/deep", "e/deep", "x/d1")]  # as many folders as they need
    assert [(row["where"], row["text"]) for row in rows(folder)] == [
        ("other.jsonl:1", "other"),
        *((f"{name}:1", name.removeprefix("x/").removesuffix("/part.jsonl")) for name in named),
    ]
    assert [file for file, _, _ in rules(folder)] == named
    assert {row["source"] for row in rows(folder)} == {"other", "part"}
    assert [row["where"] for row in rows(read(store, files=files(made[0])))] == ["part.jsonl:1"]


def test_what_cannot_be_opened_in_a_folder_is_told_and_the_rest_is_read(tmp_path, store, monkeypatch):
    place = tmp_path / "crawl"
    jsonl(place / "a.jsonl", [{"text": "one", "language": "en"}])
    jsonl(place / "dir.jsonl" / "inner.jsonl", [{"text": "two", "language": "en"}])
    (place / "lost.jsonl").symlink_to(tmp_path / "nowhere.jsonl")
    (place / "round.jsonl").symlink_to(place / "round.jsonl")
    shut = jsonl(place / "shut.jsonl", [{"text": "three", "language": "en"}])
    (place / "locked").mkdir()
    os.mkfifo(place / "pipe.jsonl")
    _deny(monkeypatch, shut, place / "locked")
    folder = read(store, files=files(place))
    assert texts(folder) == ["one", "two"]
    told = {line["file"]: (line["rule"], line["detail"]) for line in rejected(folder)}
    assert {name: rule for name, (rule, _) in told.items()} == {
        f"crawl/{name}": "read.missing" for name in ("lost.jsonl", "round.jsonl", "shut.jsonl", "locked")
    }
    for name in ("shut.jsonl", "locked"):
        assert told[f"crawl/{name}"][1] == "cannot be read (Permission denied)"
    with pytest.raises(InputError, match="locked: this folder cannot be read \\(Permission denied\\)"):
        read(store, files=files(place / "locked"))
    with pytest.raises(
        InputError, match=r"(locked|lost\.jsonl|round\.jsonl|shut\.jsonl): (missing|cannot be read)"
    ):
        read(store, files=files(place), on_bad_input="stop")


def _deny(monkeypatch, *paths):
    """Opening and listing of these are refused, as for a user without the right: tests may run as one who has it."""
    closed = {str(path) for path in paths}

    def guarded(real):
        def act(path, *arguments, **options):
            if str(path) in closed:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path, *arguments, **options)

        return act

    monkeypatch.setenv("RUMPUN_WORKERS", "1")
    monkeypatch.setattr(Path, "open", guarded(Path.open))
    monkeypatch.setattr(os, "scandir", guarded(os.scandir))


def test_parts_do_not_depend_on_where_the_files_lie(tmp_path, small_parts):
    digests = []
    for name in ("here", "there/deeper"):
        place = tmp_path / name / "crawl"
        for n in range(4):
            jsonl(
                place / f"{n}.jsonl", [{"text": text, "language": "id"} for text in several(ID, 40, 100 * n)]
            )
        folder = read(tmp_path / f"store-{name[:4]}", files=files(place))
        digests.append({f.path: f.sha256 for f in read_manifest(folder).files if f.path != "sources.json"})
    assert digests[0] == digests[1]
    assert sum(name.startswith("part-") for name in digests[0]) > 4


def test_large_files_are_cut_and_nothing_is_lost_or_misnumbered(tmp_path, store, small_parts):
    made = [{"text": f"{n} {text}", "language": "id"} for n, text in enumerate(several(ID, 300))]
    jsonl(tmp_path / "big.jsonl", made)
    pq.write_table(
        pa.Table.from_pylist(made), tmp_path / "big.parquet", row_group_size=20, compression="none"
    )
    (tmp_path / "big.txt").write_text("".join(row["text"] + "\n" for row in made), encoding="utf-8")
    for name in ("big.jsonl", "big.parquet", "big.txt"):
        folder = read(store / name, files=files(tmp_path / name, documents="line", language="id"))
        found = rows(folder)
        assert [row["text"] for row in found] == [row["text"] for row in made]
        assert [row["where"] for row in found] == [f"{name}:{n}" for n in range(1, 301)]
        assert len(part_paths(folder)) > 5
        assert sources(folder)["big"]["files"][0]["rows"] == 300


def test_the_id_follows_the_files_and_nothing_else(tmp_path, store):
    made = jsonl(tmp_path / "a.jsonl", [{"text": "one", "language": "en"}])
    first = plan(recipe(files=files(made)), store)[0].key
    assert plan(recipe(files=files(made)), store)[0].key == first
    jsonl(made, [{"text": "two", "language": "en"}])
    assert plan(recipe(files=files(made)), store)[0].key != first


def test_texts_of_the_recipe(store):
    folder = read(store, texts=[{"text": TEXTS["my"], "language": "my"}])
    assert [(row["text"], row["source"], row["where"]) for row in rows(folder)] == [
        (TEXTS["my"], "inline", "the recipe's texts")
    ]


def test_nothing_to_read_is_an_error_that_says_why(tmp_path, store):
    with pytest.raises(InputError, match="the recipe asks for no text"):
        read(store)
    jsonl(tmp_path / "a.jsonl", [{"no": "text"}])
    with pytest.raises(
        InputError, match=r"no document could be read .*read\.no_text.*a\.jsonl:1: no text"
    ) as caught:
        read(store, files=files(tmp_path / "a.jsonl"))
    assert caught.value.hint
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and no more")
    for policy, more in (("report", False), ("stop", True)):
        with pytest.raises(InputError, match=r"b\.parquet: not readable as Parquet") as caught:
            read(store, files=files(tmp_path / "b.parquet"), on_bad_input=policy)
        assert caught.value.hint.startswith("fetch the file again")
        assert ("on_bad_input" in caught.value.hint) == more
    jsonl(tmp_path / "c.jsonl", [{"text": "x", "licence": "Foo-9"}] * 3)
    with pytest.raises(InputError, match=r"3 times licence\.unknown.*c\.jsonl:1: licence 'Foo-9'") as caught:
        read(store, files=files(tmp_path / "c.jsonl"))
    assert "SPDX id" in caught.value.hint
    jsonl(tmp_path / "d.jsonl", [{"text": "x", "language": "id"}])
    with pytest.raises(InputError, match="1 times language not asked for"):
        read(store, files=files(tmp_path / "d.jsonl"), languages=["th"])
    with pytest.raises(InputError, match="no such file"):
        read(store, files=files(tmp_path / "none.jsonl"))
    with pytest.raises(UsageError, match="max_bytes_per_document"):
        read(store, files=files(tmp_path / "a.jsonl"), max_bytes_per_document=0)


def test_a_file_that_cannot_be_named_by_its_suffix(tmp_path, store):
    (tmp_path / "data").write_text(json.dumps({"text": "one", "language": "en"}))
    with pytest.raises(InputError, match="does not say the format"):
        read(store, files=files(tmp_path / "data"))
    assert texts(read(store, files=files(tmp_path / "data", format="jsonl"))) == ["one"]


def test_what_was_taken_back_is_not_read_again(tmp_path, store, home):
    found = [
        {"id": "a", "text": "satu", "language": "id", "contributor": "Sari"},
        {"id": "b", "text": "dua", "language": "id", "contributor": "Budi"},
        {"id": "c", "text": "tiga", "language": "id"},
    ]
    made = [
        jsonl(tmp_path / "one.jsonl", found),
        jsonl(tmp_path / "two.jsonl", [{"text": "empat", "language": "id"}]),
    ]
    first = read(store, files=files(*made))
    record(
        [
            Entry(what="row", name="c"),
            Entry(what="contributor", name="Sari"),
            Entry(what="source", name="two"),
        ]
    )
    second = read(store, files=files(*made))
    assert texts(first) == ["satu", "dua", "tiga", "empat"]
    assert texts(second) == ["dua"]
    assert read_manifest(second).summary["skipped"] == {"withdrawn": 3}
    assert [source.name for source in read_manifest(second).sources] == ["one"]


def test_rows_may_name_sources_of_their_own(tmp_path, store):
    found = [
        {"text": n, "language": "id", "source": source}
        for n, source in (("satu", "a"), ("dua", "b"), ("tiga", ""))
    ]
    made = jsonl(tmp_path / "all.jsonl", found)
    folder = read(store, files=files(made))
    assert [row["source"] for row in rows(folder)] == ["a", "b", "all"]
    assert {name: source["rows"] for name, source in sources(folder).items()} == {"a": 1, "b": 1, "all": 1}
    assert [source.name for source in read_manifest(folder).sources] == ["a", "all", "b"]
    made = jsonl(
        tmp_path / "l.jsonl", [{"text": n, "language": "id", "licence": n} for n in ("MIT", "CC0-1.0 OR MIT")]
    )
    (entry,) = read_manifest(read(store, files=files(made))).sources
    assert entry.licence == "(CC0-1.0 OR MIT) AND MIT"
    assert terms(entry.licence).oblige
    made = jsonl(tmp_path / "all.jsonl", found)
    folder = read(store, files=files(made, source="mine"))
    assert {row["source"] for row in rows(folder)} == {"mine"}
