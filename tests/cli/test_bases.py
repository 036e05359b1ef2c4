"""rumpun bases list: every known family, sizes honest, tokens per character for what is at hand."""

import pytest
from commands import rumpun, said

LANGUAGES = ["id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en"]


def test_known_families_are_listed_with_stable_keys(home):
    record = said(rumpun("bases", "list", "--json"))
    assert {base["family"] for base in record["bases"]} >= {
        "SEA-LION",
        "Llama",
        "Gemma",
        "Qwen",
        "Apertus",
        "SmolLM",
    }
    assert list(record["bases"][0]) == [
        "name", "kind", "family", "architecture", "parameters", "size_bytes", "licence", "repository", "weights",
            "hidden", "blocks", "context_tokens", "vocabulary", "languages",
        "released", "note", "at_hand", "path", "problem", "tokens_per_character",
    ]  # fmt: skip
    assert not any(base["at_hand"] for base in record["bases"])
    assert all(base["licence"] for base in record["bases"])


@pytest.mark.base
def test_the_embedded_base_spends_more_tokens_on_the_region_than_on_english(home_with_base):
    record = said(rumpun("bases", "list", "--json"))
    at_hand = [base for base in record["bases"] if base["at_hand"]]
    assert [base["name"] for base in at_hand] == ["smollm2-135m-instruct"]
    counts = at_hand[0]["tokens_per_character"]
    assert list(counts) == LANGUAGES
    assert 0.15 < counts["en"] < 0.35
    for tag in ("th", "my", "km", "lo", "ta"):
        assert counts[tag] > 1.0
    assert list((home_with_base / "cache" / "tokens").iterdir())
    table = rumpun("bases", "list").stdout
    assert f"{counts['my']:.2f}" in table


def test_a_file_that_is_no_gguf_is_a_row_with_a_reason(home):
    models = home / "data" / "models"
    models.mkdir(parents=True)
    (models / "torn.gguf").write_bytes(b"GGUF\x03\0\0\0")
    (models / "foreign.gguf").write_bytes(b"\x89PNG" * 100)
    (models / "empty.gguf").write_bytes(b"")
    record = said(rumpun("bases", "list", "--json"))
    rows = {base["name"]: base for base in record["bases"] if base["kind"] == "local"}
    assert set(rows) == {"torn", "foreign", "empty"}
    for name, row in rows.items():
        assert not row["at_hand"]
        assert f"{name}.gguf" in row["problem"]
    done = rumpun("bases", "list")
    assert done.returncode == 0
    assert "unusable" in done.stdout
