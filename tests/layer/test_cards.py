"""Cards are complete: every section, every figure of a manifest, all working languages, and no markup from data."""

import json
import re

import msgspec
import pytest
from markdown_it import MarkdownIt

from rumpun.errors import InputError
from rumpun.language.tables import WORKING
from rumpun.layer.card_tables import findings
from rumpun.layer.card_words import escape
from rumpun.layer.cards import data_card, model_card
from rumpun.records.artefacts import Maker, Manifest, SourceEntry
from rumpun.weights.layer_file import LayerSpec

NASTY = "x|y](http://evil.example) <script>alert(1)</script> **bold** `code` # not a heading"


def maker(step, **params):
    return Maker(step=step, version=1, params=params, rumpun="0.1.0", tools={"torch": "2.13.0"}, seconds=12.5)


def corpus(**more):
    summary = {
        "rows": {"read": 1190, "train": 1000, "held_out": 90, "dropped": {"duplicate": 150, "over budget": 50}},
        "languages": {
            "th": {"train": {"documents": 321, "bytes": 65432}, "held_out": {"documents": 45, "bytes": 9876, "by": "source"},
                   "chat_rows": 78, "machine_translated_bytes": 432, "dropped": {"duplicate": 3}},
            "jv": {"train": {"documents": 7, "bytes": 777}, "held_out": {"documents": 2, "bytes": 222, "by": "blocks of wiki"},
                   "chat_rows": 0, "machine_translated_bytes": 0, "dropped": {}},
        },
        "sources": {"th": {"law": {"documents": 320, "bytes": 65400}, NASTY: {"documents": 1, "bytes": 32}}, "jv": {}},
        "held_out_sources": {"th": {"news": {"documents": 45, "bytes": 9876}}, "jv": {}},
        "chat": {"read": 99, "train": 78, "held_out": 11, "dropped": {"too long": 10}},
        "left_out": [{"source": "words", "reason": "domain lexicon is not running text", "rows": 10000}],
        "not_reviewed": "seed rows were written by a language model and not reviewed by native speakers",
    }  # fmt: skip
    sources = (
        SourceEntry(name="law", licence="CC-BY-SA-4.0", url="https://example.org/law", commit="abcdef0123456789", rows=320, bytes=65400),
        SourceEntry(name=NASTY, licence="CC-BY-4.0", url="javascript:alert(1)", rows=1, bytes=32),
        SourceEntry(name="news", licence="CC0-1.0", rows=45, bytes=9876, role="held-out"),
    )  # fmt: skip
    return Manifest(
        kind="corpus", id="c" * 32, name="corpus", created="2026-01-02T03:04:05Z", maker=maker("corpus.write", languages=["th", "jv"]),
        sources=sources, licences=("CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0"), languages=("th", "jv"),
        summary=summary | more,
    )  # fmt: skip


def layer():
    base = SourceEntry(name="smollm2", licence="Apache-2.0", sha256="b" * 64, role="base")
    summary = {
        "steps": 77, "tokens": 315392, "seconds": 812.4, "rank": 32, "alpha": 64.0, "device": "processor, 2 cores",
        "precision": "float32", "peak_memory_bytes": 9123456789, "trained_parameters": 9768960,
        "tokens_by_source": {"th": 300000, "jv": 15392}, "loss": {"first": 3.4567, "last": 2.3456},
    }  # fmt: skip
    return Manifest(
        kind="layer", id="a" * 32, name="first-layer", maker=maker("layer.train"), parents=("c" * 32,), sources=(base,),
        licences=("Apache-2.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0"), languages=("th", "jv"), summary=summary,
    )  # fmt: skip


def score(model, against, low, high):
    return {"model": model, "against": against, "difference": [low, high], "documents": 40, "bytes": 11223}


def evaluation(**languages):
    return Manifest(
        kind="evaluation",
        id="e" * 32,
        name="evaluation",
        maker=maker("evaluate.bpb"),
        summary={"languages": languages},
    )


SPEC = LayerSpec(
    base_name="smollm2-135m", base_sha256="b" * 64, rank=32, alpha=64.0, targets=("q_proj", "v_proj")
)
SCORES = {
    "th": score(1.26172, 1.71234, -0.4711, -0.4321), "km": score(2.0, 2.01, -0.1, 0.08), "lo": score(2.2, 2.1, 0.05, 0.15),
    "en": score(1.51234, 1.49456, 0.01123, 0.02345),
}  # fmt: skip


def whole_card(**more):
    given = {
        "title": "A layer",
        "name": "first",
        "spec": SPEC,
        "layer": layer(),
        "corpus": corpus(),
        "evaluation": evaluation(**SCORES),
    }
    return model_card(**given | more)


def figures(table):
    for value in table.values():
        if isinstance(value, dict):
            yield from figures(value)
        else:
            yield value


def headings(card):
    return re.findall(r"^#+ (.*)$", card, re.MULTILINE)


def shown_in(card, value):
    text = escape(value if isinstance(value, str) else json.dumps(value))
    return text in card or (isinstance(value, int) and f"{value:,}" in card)


def test_every_section_of_the_model_card_is_there():
    assert headings(whole_card())[:11] == [
        "A layer", "What it is", "How it was trained", "How well it predicts held-out text",
        "Asked for harm, and asked something harmless", "What it cannot do", "Data",
        "Licences and what they oblige", "Lineage", "How to verify", "Every figure",
    ]  # fmt: skip


def test_every_figure_of_layer_and_evaluation_is_on_the_model_card():
    gguf = Manifest(
        kind="gguf",
        id="f" * 32,
        name="edge",
        maker=maker("edge.export"),
        summary={"size_bytes": 144810112, "bench": {"tokens": 77.7}},
    )
    card = whole_card(others=(gguf,))
    for manifest in (layer(), evaluation(**SCORES), gguf):
        assert manifest.id in card
        for value in figures(manifest.summary):
            assert shown_in(card, value), value


def test_every_figure_of_the_corpus_is_on_the_data_card():
    found = corpus()
    card = data_card(found, title="A layer")
    for key in ("rows", "sources", "held_out_sources", "chat"):
        for value in figures(found.summary[key]):
            assert shown_in(card, value), (key, value)
    for share in found.summary["languages"].values():
        for key in ("train", "held_out"):
            for value in figures(share[key]):
                assert shown_in(card, value), value
    assert "10,000" in card
    for entry in found.sources:
        assert escape(entry.name) in card
        assert escape(entry.licence) in card
    assert "abcdef012345" in card
    assert "<https://example.org/law>" in card
    assert "99.9 %" in card or "100.0 %" in card
    assert "not reviewed by native speakers" in card
    for section in (
        "Languages",
        "Sources",
        "Held out",
        "Rows, each in one place",
        "Sources left out whole",
        "Parameters",
    ):
        assert section in headings(card)


@pytest.mark.parametrize("make", [whole_card, lambda: data_card(corpus(), title="A layer")])
def test_all_eleven_languages_stand_in_every_table_of_languages(make):
    card = make()
    for tag in WORKING:
        assert re.search(rf"^\| {tag} \|", card, re.MULTILINE), tag
    assert re.search(r"^\| lo \|( {1,2}\|){3,}|^\| lo \| 2", card, re.MULTILINE)


def test_an_evaluation_that_is_missing_leaves_cells_empty_and_says_so():
    card = whole_card(evaluation=None)
    assert re.search(r"^\| th \|( +\|){6}$", card, re.MULTILINE)
    assert "English, by which forgetting is seen, was not measured." in card
    assert f"It was not measured in: {', '.join(WORKING)}." in card


def test_the_card_says_by_itself_where_the_layer_does_not_beat_the_base():
    card = whole_card()
    assert "It predicts held-out text worse than the base alone in: lo, en." in card
    assert "It is not shown to beat the base in: km." in card
    assert "| th | 1.712 | 1.262 | -0.471 to -0.432 | 40 | 11,223 | better than the base |" in card
    assert "from 1.495 to 1.512 bits per byte (+0.011 to +0.023): it has forgotten some." in card
    assert findings({"en": score(1, 1, -0.1, 0.1)}) == {"en": "no difference shown"}


def rows_under(card, heading):
    """The cells of the table's rows under a heading, by the first cell."""
    part = card.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in part.splitlines() if line.startswith("|")]
    widths = {len(line) for line in lines}
    assert len(widths) == 1, f"a row with a cell too many or too few: {widths}"
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_a_grown_layer_stands_beside_its_parent_with_the_interval():
    def grown(row, parent, low, high):
        return row | {"parent": parent, "from_parent": [low, high]}

    scores = {
        "th": grown(SCORES["th"], 1.30001, -0.05011, -0.02022),
        "en": grown(SCORES["en"], 1.49, 0.01, 0.03),
        "km": grown(SCORES["km"], 2.005, -0.02, 0.01) | {"from_parent": None},
    }
    rows = rows_under(whole_card(evaluation=evaluation(**scores)), "How well it predicts held-out text")
    assert rows["language"] == [
        "base", "with the layer", "difference, 95 %", "parent", "from the parent, 95 %", "documents", "bytes", "in plain words",
    ]  # fmt: skip
    assert rows["th"] == [
        "1.712", "1.262", "-0.471 to -0.432", "1.300", "-0.050 to -0.020", "40", "11,223", "better than the base",
    ]  # fmt: skip
    assert rows["en"][3:5] == ["1.490", "+0.010 to +0.030"]
    assert rows["km"][3:5] == ["2.005", ""]
    assert rows["my"] == [""] * 8
    card = whole_card(evaluation=evaluation(**scores))
    assert "worse than the layer that it was grown from in: en.\n" in card
    for word in ("parent", "grown from"):
        assert word not in whole_card().split("## Data")[0], (
            "nothing is said of a parent where none was measured"
        )


def cost(tag, before, after, more=(None, None)):
    return {
        "language": tag, "characters": 12345, "tokens_before": 9, "tokens_after": 8, "per_character_before": before,
        "per_character_after": after, "cost_before": more[0], "cost_after": more[1],
    }  # fmt: skip


def extended(letter="f", tokens=2, rows=(), step="layer.extend"):
    return Manifest(
        kind="layer", id=letter * 32, maker=maker(step), summary={"tokens": tokens, "table": list(rows)}
    )


WORDS = msgspec.structs.replace(SPEC, tokens=("kampung", "sungai"))


def test_a_layer_with_new_tokens_says_what_text_costs_with_them():
    table = [cost("th", 1.7891, 0.4321, (11.2344, 2.7891)), cost("en", 0.2344, 0.2344, (1.0, 1.0)), cost("jv", None, None),
             cost(NASTY, 1.0, 1.0)]  # fmt: skip
    card = whole_card(
        spec=WORDS, behind=[corpus(), extended(rows=table), extended("9", rows=[cost("th", 9.0, 9.0)])]
    )
    rows = rows_under(card, "What text costs")
    assert rows["th"] == ["12,345", "1.789", "0.432", "11.234", "2.789"]
    assert rows["en"] == ["12,345", "0.234", "0.234", "1.000", "1.000"]
    assert rows["jv"] == ["12,345", "", "", "", ""]
    assert list(rows)[2 : 2 + len(WORKING)] == list(WORKING), "all of them, measured or not"
    assert rows["km"] == [""] * 5
    assert "f" * 32 in card
    assert "9" * 32 not in card
    assert "the layer's 2 new tokens" in card
    assert "<script>" not in MarkdownIt("commonmark", {"html": True}).enable("table").render(card)
    own = whole_card(spec=WORDS, layer=msgspec.structs.replace(extended(rows=table), parents=("c" * 32,)))
    assert rows_under(own, "What text costs") == rows, "a layer of vocabulary alone has its own table"


@pytest.mark.parametrize(
    "behind", [[], [extended(tokens=3, rows=[cost("th", 2.0, 1.0)])], [extended(step="layer.merge_layers")]]
)
def test_a_vocabulary_that_was_never_measured_has_no_figures_and_says_so(behind):
    card = whole_card(spec=WORDS, behind=behind)
    assert "The layer has 2 new tokens. What they make text cost was not measured" in card
    assert "per character" not in card
    assert "| characters |" not in card


def test_a_layer_without_new_tokens_says_nothing_of_their_cost():
    assert "What text costs" not in headings(whole_card(behind=[extended(rows=[cost("th", 2.0, 1.0)])]))


def test_plain_words_and_the_authors_own_on_what_it_cannot_do():
    card = whole_card(cannot=("It cannot <b>count</b>.",))
    assert "a demonstration, not a helper" in card
    assert "No native speaker has reviewed" in card
    assert "It cannot \\<b\\>count\\</b\\>." in card


def test_nothing_from_data_becomes_markup():
    for card in (data_card(corpus(), title=NASTY), whole_card(title=NASTY, name=NASTY)):
        html = MarkdownIt("commonmark", {"html": True}).enable("table").render(card)
        assert "<script>" not in html
        assert 'evil.example"' not in html
        assert "javascript:" not in re.sub(r"<td[^>]*>[^<]*</td>", "", html)
        assert "<strong>bold" not in html
    rows = [line for line in data_card(corpus(), title="t").splitlines() if "evil" in line]
    assert len(rows) == 2
    assert all(len(re.findall(r"(?<!\\)\|", row)) in (5, 9) for row in rows)


def test_the_tables_are_tables():
    for card in (whole_card(), data_card(corpus(), title="t")):
        html = MarkdownIt("commonmark").enable("table").render(card)
        assert html.count("<table>") >= 5
        assert "| |" not in re.sub(r"<[^>]+>", "", html)


def test_cards_are_made_of_the_right_kinds():
    with pytest.raises(InputError, match="a layer, not a corpus"):
        data_card(layer(), title="t")
    with pytest.raises(InputError, match="a corpus where a layer belongs"):
        whole_card(layer=corpus())


def test_earlier_runs_are_told_and_steps_that_trained_nothing_are_not():
    earlier = msgspec.structs.replace(
        layer(), id="e" * 32, name="on-a-card", maker=maker("layer.tune"),
        summary={"steps": 41, "tokens": 5_000, "seconds": 7.25, "device": "H100"},
    )  # fmt: skip
    joined = msgspec.structs.replace(
        layer(), id="d" * 32, name="joined", maker=maker("layer.combine"), summary={"tokens": 8000}
    )
    card = whole_card(behind=[layer(), joined, corpus(), earlier])
    before = [line for line in card.splitlines() if line.startswith("| Before that")]
    assert before == [r"| Before that: on-a-card | 5,000 tokens, 41 steps, 7.250 s, H100 |"]
