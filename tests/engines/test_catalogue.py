"""The catalogue: honest figures, every family, local files, counts that agree with the engine."""

import json
import re

import pytest

from rumpun.engines import catalogue
from rumpun.engines.catalogue import LANGUAGES, content_sha256, entries, find, look, tokens_per_character
from rumpun.records.artefacts import sha256_file
from tiny import tiny_base, tiny_gguf


def test_every_entry_is_whole(home):
    for entry in entries():
        assert re.fullmatch(r"[a-z0-9.-]+", entry.name)
        assert entry.family
        assert entry.architecture
        assert entry.licence
        assert entry.parameters
        assert entry.repository.count("/") == 1
        assert re.fullmatch(r"20\d\d-\d\d", entry.released)
        assert entry.size_bytes is None or entry.size_bytes > 50_000_000
        assert not entry.sha256 or re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
        assert entry.active is None or entry.active < entry.parameters


def test_sea_lion_s_own_releases_come_first(home):
    families = [entry.family for entry in entries() if entry.kind == "hub"]
    assert families[: families.count("SEA-LION")] == ["SEA-LION"] * families.count("SEA-LION")


@pytest.mark.parametrize(
    "name", ["qwen3-4b", "QWEN3-4B", "Qwen/Qwen3-4B-GGUF", "aisingapore/Gemma-SEA-LION-v4.5-E2B-IT-GGUF"]
)
def test_names_and_repositories_are_found(home, name):
    assert find(name) is not None


def test_unknown_names_are_not(home):
    assert find("no-such-model") is None


def test_files_of_this_machine_are_listed_by_their_own_words(home):
    tiny_gguf(home / "data" / "models" / "deep" / "mine.gguf")
    tiny_gguf(home / "data" / "bases" / "plain.gguf", seed=1)
    tiny_base(home / "data" / "bases" / "made", seed=2)
    tiny_gguf(home / "data" / "artefacts" / ".making" / "x" / "half.gguf")
    local = {entry.name: look(entry, count=False) for entry in entries() if entry.kind == "local"}
    assert set(local) == {"mine", "plain", "made"}
    assert local["mine"].entry.architecture == "llama"
    assert local["mine"].entry.parameters > 10_000
    assert not any(listing.problem for listing in local.values())


def test_a_known_base_that_was_fetched_is_at_hand(home):
    tiny_base(home / "data" / "bases" / "qwen3-4b")
    found = find("qwen3-4b")
    assert found.path.endswith("base.gguf")
    assert [entry.name for entry in entries() if entry.path] == ["qwen3-4b"]


def test_a_known_base_whose_file_was_cut_is_not_at_hand(home):
    folder = tiny_base(home / "data" / "bases" / "qwen3-4b")
    (folder / "base.gguf").write_bytes(b"GGUF")
    assert find("qwen3-4b").path == ""


def test_counts_agree_with_the_engine_and_are_kept(home, tmp_path):
    from rumpun.engines.llamacpp import LlamaCpp

    path = tiny_gguf(tmp_path / "tiny.gguf", quantisation="Q8_0")
    counts = tokens_per_character(path)
    assert tuple(counts) == LANGUAGES
    engine = LlamaCpp(path, name="tiny", slots=1)
    try:
        for tag, texts in catalogue._samples().items():
            assert counts[tag] == round(sum(engine.count_tokens(texts)) / sum(map(len, texts)), 3)
    finally:
        engine.close()
    kept = home / "cache" / "tokens" / f"{sha256_file(path)}.json"
    kept.write_text(json.dumps(dict.fromkeys(LANGUAGES, 1.5)))
    assert tokens_per_character(path)["th"] == 1.5
    kept.write_text("{ broken")
    assert tokens_per_character(path) == counts


def test_a_file_is_hashed_once_until_it_changes(home, tmp_path, monkeypatch):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"one")
    first = content_sha256(path)
    monkeypatch.setattr(catalogue, "sha256_file", lambda _: pytest.fail("hashed again"))
    assert content_sha256(path) == first
    monkeypatch.undo()
    monkeypatch.setenv("RUMPUN_HOME", str(home))
    path.write_bytes(b"other")
    assert content_sha256(path) == sha256_file(path) != first


def test_samples_say_what_they_are():
    lines = (
        (catalogue.Path(catalogue.__file__).parent / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    )
    about = json.loads(lines[0])
    assert "not reviewed by native speakers" in about["about"]
    assert about["licence"] == "CC0-1.0"
    rows = [json.loads(line) for line in lines[1:]]
    assert {row["language"] for row in rows} == set(LANGUAGES)
    assert len(rows) == 10 * len(LANGUAGES)
