"""What a character costs: from the cells alone, beside English where it was counted, shown in every place alike."""

from hypothesis import given
from hypothesis import strategies as st

from evaluate.report.page_parts import Page
from evaluate.report.report_runs import BASE, LAYER, run
from rumpun.cli.evaluate_show import scores_text
from rumpun.evaluate.costs import costs_of
from rumpun.evaluate.records import Cell, Figure
from rumpun.evaluate.report.leaderboard import leaderboard_html
from rumpun.evaluate.report.report import report_html


def cell(language, value, model="m"):
    return Cell(
        task="tokens", language=language, skill="cost", model=model, metric="tokens_per_character",
        metrics={"tokens_per_character": Figure(value=value)},
    )  # fmt: skip


@given(st.dictionaries(st.sampled_from(["en", "th", "my", "id"]), st.floats(0.05, 8), min_size=1))
def test_a_cost_is_tokens_and_context_turned_over_and_english_costs_itself(told):
    found = {one.language: one for one in costs_of(cell(tag, value) for tag, value in told.items())}
    assert list(found) == list(told)
    for tag, one in found.items():
        assert abs(one.tokens_per_character * one.characters_in_1000_tokens - 1000) < 1e-6
        if "en" in told:
            assert abs(one.against_english - told[tag] / told["en"]) < 1e-9
        else:
            assert one.against_english is None
    assert not found.get("en") or found["en"].against_english == 1


def test_a_model_is_held_against_its_own_english_and_other_cells_cost_nothing():
    cells = [cell("en", 0.2, "a"), cell("th", 1.0, "a"), cell("th", 3.0, "b"), cell("en", 0.5, "c")]
    cells.append(Cell(task="nli", language="th", skill="reasoning", model="a", metric="accuracy"))
    found = {(one.model, one.language): one.against_english for one in costs_of(cells)}
    assert found == {("a", "en"): 1.0, ("a", "th"): 5.0, ("b", "th"): None, ("c", "en"): 1.0}


def test_what_the_same_sentences_cost_stands_beside_it():
    same = Cell(
        task="tokens-parallel", language="th", skill="cost", model="a", metric="tokens_against_english",
        metrics={"tokens_against_english": Figure(value=2.5)},
    )  # fmt: skip
    found = {one.language: one for one in costs_of([cell("en", 0.2, "a"), cell("th", 1.0, "a"), same])}
    assert (found["th"].same_text_against_english, found["en"].same_text_against_english) == (2.5, None)


def test_report_board_and_terminal_say_the_same():
    made = run()
    told = {(one.model, one.language): one for one in costs_of(made.scores.cells)}
    assert {model for model, _ in told} == {LAYER, BASE}
    page = Page(report_html(made.scores, made.samples, made.against)).text
    board = Page(leaderboard_html([("run", made.scores)])).text
    text = scores_text(made.scores)
    for tag in ("th", "my", "id"):
        one = told[LAYER, tag]
        held = f"{one.characters_in_1000_tokens:,.0f}"
        assert f"{one.tokens_per_character:.3f}" in page
        assert f"{one.against_english:.1f} ×" in page
        assert held in page
        assert f"({one.against_english:.1f} ×)" in board
        assert f"{held} characters in 1,000 tokens" in board
        assert f"{tag} {one.against_english:.1f}×" in text
        assert f"{tag} {held}" in text
