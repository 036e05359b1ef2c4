"""Each kind of damaged input is one line that names file and row, with its mend, and leaves nothing half-made."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from world import ID, rows, several

from rumpun.errors import InputError


@pytest.fixture
def refused(world, store):
    def build(match, hint="", **params):
        with pytest.raises(InputError, match=match) as caught:
            world.build(store, **({"languages": ["id"]} | params))
        assert hint in caught.value.hint
        assert caught.value.hint
        assert "\n" not in caught.value.message
        assert not list(store.glob("[!.]*/manifest.json"))
        return caught.value

    return build


def test_a_missing_file(world, refused):
    world.add("news", rows("news", "id", several(ID, 2))).unlink()
    refused(r"news\.parquet: missing, though the source 'news' names it", "docs/sources.md")


def test_an_empty_file(world, refused):
    path = world.folder / "text" / "news.parquet"
    path.write_bytes(b"")
    world.declare("news", "text", ["id"], path, 0)
    refused(r"news\.parquet: empty \(0 bytes\)", "fetch it again")


def test_a_shard_without_rows(world, refused):
    path = world.folder / "text" / "news.parquet"
    pq.write_table(pa.table({"text": pa.array([], pa.string()), "language": pa.array([], pa.string())}), path)
    world.declare("news", "text", ["id"], path, 0)
    refused(r"news\.parquet: no rows")


def test_another_checksum(world, refused):
    path = world.add("news", rows("news", "id", several(ID, 2)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused(r"news\.parquet: sha256 [0-9a-f]{12}…, the inventory says [0-9a-f]{12}…", "inventory")


def test_a_truncated_shard_whose_checksum_is_unknown(world, tmp_path, refused):
    path = world.add("news", rows("news", "id", several(ID, 50)))
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(path.read_bytes()[:-40])
    refused(
        r"cut\.parquet: not readable as Parquet", "fetch", from_inventory=False, files=[{"path": str(cut)}]
    )


def test_a_missing_column(world, refused):
    world.add("news", [{"id": "1", "body": ID, "language": "id"}])
    refused(r"news\.parquet: no column 'text' \(it has: id, body, language\)", "name the column text")


def test_an_unknown_language_names_the_row_and_the_nearest(world, refused):
    world.add("news", rows("news", "id", several(ID, 2)) + rows("news", "idn", several(ID, 1)))
    error = refused(r"news\.parquet:3: language 'idn' is unknown")
    assert error.hint.startswith("did you mean")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"text": "x", "language": ', r"mine\.jsonl:2: not JSON"),
        (b"[1, 2]", r"mine\.jsonl:2: a list, not an object"),
        (b'{"language": "id"}', r"mine\.jsonl:2: no key 'text'"),
        (b'{"text": 5, "language": "id"}', r"mine\.jsonl:2: text is 5"),
        (b'{"text": null, "language": "id"}', r"mine\.jsonl:2: text is None"),
        (b'{"text": "\xff\xfe", "language": "id"}', r"mine\.jsonl:2: not UTF-8"),
        (b'{"text": "halo dunia yang luas sekali", "language": null}', r"mine\.jsonl:2: language "),
    ],
)
def test_a_bad_line_is_named(tmp_path, refused, line, words):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(json.dumps({"text": ID, "language": "id"}).encode() + b"\n" + line + b"\n")
    refused(words, from_inventory=False, files=[{"path": str(path), "licence": "CC0-1.0"}])


def test_text_without_a_licence_or_a_language(tmp_path, refused):
    path = tmp_path / "mine.txt"
    path.write_text(ID, encoding="utf-8")
    refused("does not say its language", "add language", from_inventory=False, files=[{"path": str(path)}])
    refused("no licence", "SPDX", from_inventory=False, files=[{"path": str(path), "language": "id"}])


def test_files_that_are_not_there(tmp_path, refused):
    refused(
        "no such file or folder",
        "name a .jsonl",
        from_inventory=False,
        files=[{"path": "nowhere/at/all.jsonl"}],
    )
    refused(
        "no .jsonl, .parquet or .txt file in this folder",
        from_inventory=False,
        files=[{"path": str(tmp_path / "data" / "text")}],
    )


def test_damaged_inventories(world, refused):
    refused("no inventory.toml there", "docs/sources.md")
    (world.folder / "inventory.toml").write_text("[[source]\n")
    refused(r"inventory\.toml: not an inventory")
    (world.folder / "inventory.toml").write_text('[[source]]\nname = "x"\nkind = "text"\n')
    refused(r"inventory\.toml: source 1: no key 'licence'")


def test_no_data_folder_says_how_to_get_the_sources(world, store, monkeypatch, tmp_path):
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="no folder of source text there") as caught:
        world.build(store, languages=["id"], data="")
    assert "docs/sources.md" in caught.value.hint


def test_a_conversation_without_an_answer(world, refused):
    world.add("news", rows("news", "id", several(ID, 2)))
    world.add_jsonl("talk", [{"key": "k1", "id": {"user": "Apa?"}}], "chat", ["id"])
    refused(r"talk\.jsonl: k1: 'id' is no turn", "assistant", chat_seed=True)


def test_a_pair_without_one_side(world, refused):
    world.add("news", rows("news", "id", several(ID, 2)))
    world.add(
        "tales", [{"id": "1", "src_lang": "en", "src": "A", "tgt_lang": "id", "tgt": None}], kind="parallel"
    )
    world.tables[-1] = world.tables[-1].replace('languages = ["en", "id"]', 'languages = ["en", "id"]')
    refused(r"tales\.parquet:1: tgt is None", languages=["id", "en"], pairs=True)
