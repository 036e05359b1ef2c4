"""The step `layer.pairs`: what is rejected and why, the same pairs each time, and no prompt on both sides."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from preferring import as_input, pair, work, write_lines

from rumpun.errors import InputError
from rumpun.language.graphemes import graphemes
from rumpun.layer.prefer.build import pairs
from rumpun.layer.prefer.params import PairsParams, Table
from rumpun.layer.prefer.rules import cut, joined_licences, repeated

SAID = {
    "en": "Rice is planted when the rain comes. The field is ploughed first, and then the seedlings go in.",
    "id": "Padi ditanam ketika hujan datang. Sawah dibajak dahulu, lalu bibitnya ditanam satu per satu.",
    "ms": "Padi ditanam apabila hujan turun. Sawah dibajak dahulu, kemudian anak benihnya ditanam satu demi satu.",
    "th": "ข้าวปลูกเมื่อฝนมา ชาวนาไถนาก่อน แล้วจึงปักดำกล้าทีละต้นด้วยมือของเขาเอง",
    "my": "မိုးကျလျှင် စပါးစိုက်သည်။ လယ်ကို အရင်ထွန်ပြီးမှ ပျိုးပင်များကို စိုက်ကြသည်။",
}


def rows(topics: int = 12) -> list[dict[str, Any]]:
    """Conversations of several topics in five languages."""
    return [
        {"key": f"k{n}", "topic": f"t{n}"} | {tag: {"user": f"{text[:9]} {n}?", "assistant": f"{text} {n}."} for tag, text in SAID.items()}
        for n in range(topics)
    ]  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> Table:
    path = write_lines(tmp_path / "seed.jsonl", rows())
    return Table(path=str(path), source="talks", licence="CC-BY-4.0")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_rule_rejects_what_it_says(tmp_path: Path, table: Table) -> None:
    params = PairsParams(tables=(table,), held_out_share=0.3)
    outcome = pairs.function(params, work(tmp_path / "a"))
    made, held = (
        read(tmp_path / "a" / "made" / name) for name in ("preferences.jsonl", "heldout/preferences.jsonl")
    )
    assert outcome.summary["pairs"] == len(made)
    assert outcome.summary["held_out_pairs"] == len(held) > 0
    assert set(outcome.summary["by_rule"]) == {"language", "sister", "cut", "repeat", "other"}
    good = {
        cell["assistant"]: (tag, row["key"])
        for row in rows()
        for tag, cell in row.items()
        if isinstance(cell, dict)
    }
    for row in [*made, *held]:
        tag, key = good[row["chosen"]]
        assert tag == row["language"]
        assert (row["source"], row["licence"]) == ("talks", "CC-BY-4.0")
        other = good.get(row["rejected"])
        if row["rule"] == "language":
            assert other is not None
            assert (other[0] == "en") == (tag != "en")
            assert other[1] == key
        elif row["rule"] == "sister":
            assert other is not None
            assert {tag, other[0]} == {"id", "ms"}  # no other two of the five are kin
            assert other[1] == key
        elif row["rule"] == "other":
            assert other is not None
            assert other[0] == tag
            assert other[1] != key
        elif row["rule"] == "cut":
            assert row["chosen"].startswith(row["rejected"])
        else:
            assert other is None
            assert row["rejected"].count(row["rejected"][:12]) >= 3
    keys = [{good[row["chosen"]][1] for row in part} for part in (made, held)]
    assert not keys[0] & keys[1]  # a conversation is held out in all its languages
    assert outcome.sources[0].licence == "CC-BY-4.0"
    assert outcome.sources[0].sha256


def test_the_same_pairs_each_time_and_others_of_another_seed(tmp_path: Path, table: Table) -> None:
    params = PairsParams(tables=(table,), pairs_per_rule=3)
    found = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        here = dataclasses.replace(work(tmp_path / name), seed=seed)
        pairs.function(params, here)
        found.append((here.folder / "preferences.jsonl").read_bytes())
    assert found[0] == found[1] != found[2]
    made = read(tmp_path / "a" / "made" / "preferences.jsonl")
    counts: dict[tuple[str, str], int] = {}
    for row in made:
        counts[row["rule"], row["language"]] = counts.get((row["rule"], row["language"]), 0) + 1
    assert max(counts.values()) <= 3


def test_chat_rows_files_and_what_is_left_out(tmp_path: Path, table: Table) -> None:
    folder = tmp_path / "corpus"
    lines = [
        {"messages": [{"role": "user", "content": f"Tanya {n}"}, {"role": "assistant", "content": SAID["id"] + str(n)}],
         "language": "id", "source": "chat", "licence": "CC0-1.0"}
        for n in range(6)
    ]  # fmt: skip
    lines.append(lines[0] | {"messages": lines[0]["messages"][:1]})
    lines.append(
        lines[1]
        | {
            "licence": "CC-BY-NC-4.0",
            "messages": [{"role": "user", "content": "x"}, *lines[1]["messages"][1:]],
        }
    )
    write_lines(folder / "chat.jsonl", lines)
    write_lines(folder / "heldout" / "chat.jsonl", [lines[2] | {"source": "talks", "key": "k3"}])
    given = write_lines(tmp_path / "given.jsonl", [pair("Apa?"), pair("Apa?"), pair("Siapa?", language="ms")])
    params = PairsParams(files=(str(given),), tables=(table,), languages=("id", "th"), held_out_share=0.0)
    outcome = pairs.function(params, work(tmp_path / "a", as_input(folder, "corpus")))
    dropped = outcome.summary["dropped"]
    assert dropped["conversation without a last answer"] == 1
    assert dropped["licence may not stand behind a shipped layer"] == 1
    assert dropped["held out in the corpus"] == len(SAID)
    assert dropped["duplicate"] == 1
    assert dropped["language not asked for"] == 1 + (len(SAID) - 2) * 11
    made = read(tmp_path / "a" / "made" / "preferences.jsonl")
    assert {row["language"] for row in made} == {"id", "th"}
    assert not any(" 3." in row["chosen"] for row in made if row["source"] == "talks")
    assert outcome.summary["by_rule"]["given"] == 1
    assert [entry.role for entry in outcome.sources] == ["preferences", "preferences"]


def test_a_recipe_names_tables(tmp_path: Path, table: Table) -> None:
    from rumpun.recipes import build

    with_ = {"tables": [{"path": table.path, "source": "talks", "licence": "CC0-1.0"}], "rules": ["language"]}
    params = build(PairsParams, with_, "recipe")
    assert params.tables[0].source == "talks"
    outcome = pairs.function(params, work(tmp_path / "a"))
    assert set(outcome.summary["by_rule"]) == {"language"}
    assert pairs.identity is not None
    before = pairs.identity(params)
    write_lines(Path(table.path), rows(3))
    assert pairs.identity(params) != before


def test_faults_are_named(tmp_path: Path, table: Table) -> None:
    with pytest.raises(InputError, match="no preference pair in 0 files"):
        pairs.function(PairsParams(), work(tmp_path / "a"))
    path = write_lines(tmp_path / "seed.jsonl", [{"key": "x", "id": {"user": "y"}}])
    with pytest.raises(InputError, match=r"seed\.jsonl:1: no conversation in several languages"):
        pairs.function(
            PairsParams(tables=(dataclasses.replace(table, path=str(path)),)), work(tmp_path / "b")
        )
    with pytest.raises(ValueError, match="no pairs"):
        PairsParams(rules=()).check()


@given(
    st.text("ab ကို။กำ.ខ្មែរ", min_size=12, max_size=80).filter(lambda text: len(text.strip(" .။")) > 8),
    st.integers(0, 2**64),
)
def test_a_cut_is_a_beginning_of_whole_characters(text: str, number: int) -> None:
    found = cut(text, number)
    assert text.startswith(found)
    assert len(found) <= 0.71 * len(text) + 4
    assert found == "" or found[-1] not in " .။"
    assert len(found) in {0, *(end for _, end in graphemes(text))}


@given(st.sampled_from(sorted(SAID)), st.integers(0, 10))
def test_repeats_are_the_first_sentence(tag: str, number: int) -> None:
    found = repeated(SAID[tag], tag, number)
    first = found[: len(found) // 20]
    assert SAID[tag].startswith(first)
    assert found.count(first) >= 3


def test_licences_join() -> None:
    assert joined_licences("MIT", "MIT") == "MIT"
    assert joined_licences("MIT", "CC0-1.0 AND MIT") == "CC0-1.0 AND MIT"
    assert joined_licences("MIT OR GPL-2.0-or-later", "CC0-1.0") == "CC0-1.0 AND (MIT OR GPL-2.0-or-later)"


def test_a_table_is_looked_for_in_the_folder_of_source_text(
    tmp_path: Path, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path))
    monkeypatch.chdir(Path(__file__).parent)
    near = dataclasses.replace(table, path=Path(table.path).name)
    assert pairs.identity is not None
    assert pairs.identity(PairsParams(tables=(near,))) == pairs.identity(PairsParams(tables=(table,)))
    outcome = pairs.function(PairsParams(tables=(near,)), work(tmp_path / "a"))
    assert outcome.summary["pairs"] > 0
    absent = dataclasses.replace(table, path="nowhere.jsonl")
    with pytest.raises(InputError, match=r"nowhere\.jsonl: neither here nor in"):
        pairs.identity(PairsParams(tables=(absent,)))
