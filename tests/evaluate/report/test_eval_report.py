"""The report: nothing from data acts, nothing missing is a zero, nothing is claimed that the test does not say."""

import math
import re
import time
from collections import Counter
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_parts import HOSTILE, Page, hostile
from report_runs import BASE, LANGUAGES, LAYER, TASKS, run

from rumpun.evaluate.costs import costs_of
from rumpun.evaluate.records import Cell, Difference, Figure, ModelInfo, Sample, Scores
from rumpun.evaluate.report import report_html
from rumpun.evaluate.report.gains import gain_of, headline
from rumpun.evaluate.report.shown import shown_items
from rumpun.evaluate.report.text import visible
from rumpun.evaluate.report.view import view

replace = msgspec.structs.replace
WHOLE = run()
SMALL = run(items=2, languages=("id", "th"))
PLAIN = Page(report_html(*hostile(SMALL.scores, SMALL.samples, SMALL.against, "q")))


def part(html: str, name: str) -> str:
    """A section of the page."""
    return html[html.index(f'<section id="{name}"') :].partition("</section>")[0]


@settings(max_examples=40)
@given(HOSTILE)
def test_no_text_of_the_data_becomes_markup(text: str) -> None:
    html = report_html(*hostile(SMALL.scores, SMALL.samples, SMALL.against, text))
    page = Page(html)
    assert Counter(page.tags) == Counter(PLAIN.tags)  # which items stand first depends on their names
    assert Counter(page.ends) == Counter(PLAIN.ends)
    assert page.odd == []
    assert "script" not in page.ends
    html.encode()  # no halves of surrogates: the file can be written
    if text.strip() and not text[0].isspace():
        said = re.sub(r"\s+", "", page.text)
        assert re.sub(r"\s+", "", visible(text)) in said
    for value in page.of("lang"):
        assert value == "en" or value.startswith(visible(text))


def test_one_word_of_a_megabyte_is_cut_with_its_count() -> None:
    sample = replace(WHOLE.samples[0], prompt="z" * 1_000_000)
    html = report_html(WHOLE.scores, [sample])
    assert len(html) < 300_000
    assert "998,500 characters more" in html


def test_the_page_loads_nothing_and_can_be_read_by_everybody() -> None:
    html = report_html(WHOLE.scores, WHOLE.samples, WHOLE.against)
    page = Page(html)
    names = Counter(tag for tag, _ in page.tags)
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & set(names)
    assert not page.of("src")
    assert not [name for _, name, _ in page.values if name.startswith("on")]
    assert not re.search(r"@import|url\(|https?:", html)
    ids = page.of("id")
    assert len(ids) == len(set(ids))
    assert set(page.of("href")) <= {f"#{one}" for one in ids}
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    assert all(
        "aria-label" in attrs or "aria-hidden" in attrs
        for tag, attrs in page.tags
        if tag == "svg" and "x" not in attrs
    )
    assert names["table"] - names["caption"] == html.count('<table class="options">') + html.count(
        "<table><thead>"
    )
    heads = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert heads[0] == 1
    assert all(after - before <= 1 or (before, after) == (2, 4) for before, after in pairwise(heads))
    assert {"th", "lo", "km", "my", "ta", "zh"} <= set(page.of("lang"))
    assert "ဟင်းရွက်များ" in page.text


def test_colours_of_text_stand_out_in_light_and_dark() -> None:
    html = report_html(SMALL.scores, [])
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\n *\}", html, re.DOTALL)[:2]
    )

    def bright(colour: str) -> float:
        parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    for palette in (light, dark):
        for ink in ("ink", "soft", "leaf", "other", "alarm"):
            for paper in ("paper", "raised", "pale"):
                pair = sorted((bright(palette[ink]), bright(palette[paper])))
                assert pair[1] / pair[0] >= 4.5, (ink, paper, palette)


def test_a_missing_cell_is_a_dash_with_its_reason_and_never_a_zero() -> None:
    skills = part(report_html(WHOLE.scores, []), "skills")
    row = skills[skills.index("Tagalog") :].partition("</tr>")[0]
    assert row.count('title="the suite has no items of this skill in this language"') == 2  # of either model
    assert "missing: the suite has no items" in row
    others = [tag for tag in skills.split("<tr>") if '<th scope="row">' in tag and "Tagalog" not in tag]
    assert not any("missing:" in one for one in others)
    left = part(report_html(WHOLE.scores, []), "not-run")
    assert "linguistics in tl" in left
    assert "the time was up" in left
    assert f"{BASE}: translation-from-english in lo" in left


def test_one_model_stands_alone() -> None:
    alone = run(models=1)
    html = report_html(alone.scores, alone.samples)
    assert 'id="gains"' not in html
    assert BASE not in html
    assert "less" not in part(html, "skills")
    every = next(mean for mean in alone.scores.means if mean.over == "all")
    assert f"has a mean of {every.figure.value:.1f}" in html


def test_a_run_of_nothing_says_so() -> None:
    html = report_html(Scores(suite="region", models=[], cells=[]), [])
    assert "Nothing was measured." in html
    assert "No task was run." in html
    assert "No sample is there to show." in html


def test_what_is_no_number_is_a_dash() -> None:
    nan, inf = math.nan, math.inf
    cells = [
        Cell(task="reading", language="th", skill="understanding", model=LAYER, metric="accuracy", metrics={"accuracy": Figure(value=nan)}, normalised=Figure(value=nan, ci95=(nan, 1.0)), items=3, scored=3, detectable=nan),
        Cell(task="reading", language="lo", skill="understanding", model=LAYER, metric="accuracy", metrics={"accuracy": Figure(value=0.5, ci95=(nan, inf))}, normalised=Figure(value=inf), items=3, scored=3),
        Cell(task="nli", language="th", skill="reasoning", model=LAYER, metric="accuracy", items=4, errors=4),
    ]  # fmt: skip
    apart = [
        Difference(task="reading", language="th", metric="accuracy", difference=nan, ci95=None, p=nan, p_holm=nan, test="x", items=0, clusters=0),
        Difference(task="reading", language="lo", metric="accuracy", difference=0.1, ci95=(nan, inf), p=None, p_holm=None, test="x", items=1, clusters=1),
    ]  # fmt: skip
    for value in (nan, inf, 0.0):
        counted = Cell(
            task="tokens",
            language="th",
            skill="cost",
            model=LAYER,
            metric="tokens_per_character",
            metrics={"tokens_per_character": Figure(value=value)},
        )
        assert costs_of([counted]) == []
        cells.append(counted)
    scores = Scores(
        suite="x", models=[ModelInfo(name=LAYER, engine=""), ModelInfo(name=BASE, engine="")], cells=cells, differences=apart,
        made={"detectable": inf, "lint": ["odd"], "languages": 3, "limit": nan},
    )  # fmt: skip
    sample = Sample(
        task="reading",
        language="th",
        id="1",
        model=LAYER,
        method="likelihood",
        prompt="x",
        options=["a"],
        logprobs=[nan],
        score=inf,
    )
    page = Page(report_html(scores, [sample]))
    assert not re.search(r"\b(nan|inf|None)\b", page.text.partition("forced-color")[2])
    assert not any(re.search(r"\b(nan|inf)\b", value) for _, name, value in page.values if name != "content")
    assert "none of 4 questions got an answer" in " ".join(page.of("title"))
    assert f"In none of 1 language can the test tell {LAYER} from {BASE}." in page.text


@st.composite
def verdicts(draw: st.DrawFn) -> list[tuple[str, float, float | None]]:
    tags = draw(st.lists(st.sampled_from(LANGUAGES), unique=True, min_size=1))
    return [
        (tag, draw(st.sampled_from((-0.2, 0.0, 0.3))), draw(st.sampled_from((0.001, 0.05, 0.051, 1.0))))
        for tag in tags
    ]


@settings(max_examples=40)
@given(verdicts())
def test_the_sentence_counts_what_the_corrected_p_says(told: list[tuple[str, float, float]]) -> None:
    apart = [
        Difference(
            task="*", language=tag, metric="accuracy", difference=gain, ci95=(gain - 0.1, gain + 0.1), p=p / 10, p_holm=p,
            test="McNemar exact", items=90, clusters=90,
        )
        for tag, gain, p in told
    ]  # fmt: skip
    made = SMALL.scores.made | {"languages": list(LANGUAGES)}
    page = Page(report_html(replace(SMALL.scores, differences=apart, made=made), []))
    better = sum(gain > 0 and p <= 0.05 for _, gain, p in told)
    worse = sum(gain < 0 and p <= 0.05 for _, gain, p in told)
    unclear = len(told) - better - worse
    noun = "language" if len(told) == 1 else "languages"
    tail = f"; in {unclear} the test cannot tell" if unclear else ""
    if better or worse:
        said = f"{LAYER} is better than {BASE} in {better or 'none'} of {len(told)} {noun}, worse in {worse or 'none'}{tail}."
    else:
        said = f"In none of {len(told)} {noun} can the test tell {LAYER} from {BASE}."
    assert said in page.text
    assert page.text.count("not compared") == len(LANGUAGES) - len(told)


def test_fewer_bits_are_better_and_judged_by_their_interval() -> None:
    common = {
        "task": "bpb",
        "language": "th",
        "metric": "bits_per_byte",
        "p": None,
        "p_holm": None,
        "test": "",
        "items": 9,
        "clusters": 9,
    }
    for difference, ci95, verdict in (
        (-0.3, (-0.4, -0.2), "better"), (0.3, (0.2, 0.4), "worse"), (-0.1, (-0.3, 0.1), "unclear"), (-0.1, None, "unclear"),
    ):  # fmt: skip
        assert gain_of(Difference(**common, difference=difference, ci95=ci95)).verdict == verdict
    apart = [Difference(**common, difference=-0.3, ci95=(-0.4, -0.2))]
    gains = headline(Scores(suite="x", models=[], cells=[], differences=apart), ["th"])
    assert gains.lower
    assert gains.of("better") == ("th",)
    more = [*apart, replace(apart[0], task="reading", metric="accuracy", p=1.0, p_holm=1.0)]
    assert headline(Scores(suite="x", models=[], cells=[], differences=more), ["th"]).of("unclear") == ("th",)


def test_a_language_of_several_tasks_has_no_gain_unless_they_were_pooled() -> None:
    whole = headline(WHOLE.scores, LANGUAGES)
    assert {row.language for row in whole.rows} == set(LANGUAGES)
    assert all(row.task == "*" for row in whole.rows)
    without = replace(
        WHOLE.scores,
        differences=[one for one in WHOLE.scores.differences if one.task != "*" and one.metric == "accuracy"],
    )
    assert headline(without, LANGUAGES) is None


def test_means_that_a_run_stored_without_intervals_get_those_of_their_cells() -> None:
    found = view(WHOLE.scores)
    for stored in WHOLE.scores.means:
        mean = found.mean((LAYER, BASE).index(stored.model), stored.over, stored.name, stored.language)
        assert mean.figure.value == pytest.approx(stored.figure.value)
        assert mean.figure.ci95[0] <= mean.figure.value <= mean.figure.ci95[1]
    single = found.mean(0, "skill", "culture", "th")
    assert single.figure.ci95 == pytest.approx(found.cells[0]["culture", "th"].normalised.ci95)
    told = replace(WHOLE.scores.means[0], figure=Figure(value=1.0, ci95=(0.0, 2.0)))
    assert (
        view(replace(WHOLE.scores, means=[told])).mean(0, "skill", told.name, told.language).figure
        == told.figure
    )


def test_two_models_of_one_name_keep_their_own_cells() -> None:
    twin = filled_name(WHOLE.scores, BASE, LAYER)
    found, own = view(twin), view(WHOLE.scores)
    for place in (0, 1):
        assert {key: cell.metrics for key, cell in found.cells[place].items()} == {
            key: cell.metrics for key, cell in own.cells[place].items()
        }
        mean = found.mean(place, "skill", "culture", "th").figure
        assert mean == own.mean(place, "skill", "culture", "th").figure


def filled_name(scores: Scores, old: str, new: str) -> Scores:
    def put(one: msgspec.Struct) -> msgspec.Struct:
        return replace(one, model=new) if one.model == old else one

    models = [replace(one, name=new) if one.name == old else one for one in scores.models]
    return replace(
        scores,
        models=models,
        cells=[put(one) for one in scores.cells],
        means=[put(one) for one in scores.means],
    )


def test_items_are_drawn_alike_in_every_run_and_whatever_the_order() -> None:
    found = view(WHOLE.scores)

    def drawn(samples: list[Sample], budget: int = 2_000_000) -> dict[tuple[str, str], list[str]]:
        shown = shown_items(samples, WHOLE.against, found.names, found.tasks, found.languages, budget=budget)
        return {
            (g.task, g.language): [one.id for one in g.items] for _, groups in shown.tasks for g in groups
        }

    first = drawn(WHOLE.samples)
    assert drawn(WHOLE.samples[::-1]) == first
    assert all(len(ids) == len(set(ids)) == 5 for ids in first.values())
    assert not {task for task, _ in first} & {"bpb", "tokens"}
    fewer = drawn(WHOLE.samples, 300_000)
    assert {len(ids) for ids in fewer.values()} < {1, 2, 3, 4}
    assert all(first[key][: len(ids)] == ids for key, ids in fewer.items())
    assert 0 < len(drawn(WHOLE.samples, 20_000)) < len(first)


def test_failures_are_counted_not_hidden() -> None:
    html = report_html(WHOLE.scores, [])
    lost = part(html, "failures")
    for model in (LAYER, BASE):
        for task in TASKS:
            own = [cell for cell in WHOLE.scores.cells if (cell.model, cell.task) == (model, task)]
            row = next(one for one in lost.split("<tr>") if f">{task}<" in one and model in one)
            numbers = [int(one.replace(",", "")) for one in re.findall(r'<td class="n">([\d,]+)</td>', row)]
            assert numbers == [
                sum(cell.items for cell in own), sum(cell.parse_failures for cell in own), sum(cell.truncated for cell in own),
                sum(cell.errors for cell in own),
            ]  # fmt: skip


def test_the_command_is_the_one_that_the_run_stored() -> None:
    html = report_html(WHOLE.scores, [])
    assert WHOLE.scores.made["command"] in html
    made = {key: value for key, value in WHOLE.scores.made.items() if key != "command"} | {
        "languages": ["th", "lo"],
        "seed": 7,
    }
    assert (
        f"rumpun eval run {LAYER} --against {BASE} --suite region-chat --languages th,lo --limit 12 --seed 7<"
        in report_html(replace(WHOLE.scores, made=made), [])
    )


def test_a_whole_run_of_long_texts_is_small_and_quick() -> None:
    """Eleven languages, eleven tasks, twelve items, two models: prompts as long as the longest in use."""

    def longer(sample: Sample) -> Sample:
        turns = sample.prompt if isinstance(sample.prompt, str) else sample.prompt[0]["content"]
        text = " ".join([turns or sample.options[0]] * 12)
        return replace(
            sample, prompt=text if isinstance(sample.prompt, str) else [{"role": "user", "content": text}]
        )

    samples, against = [longer(one) for one in WHOLE.samples], [longer(one) for one in WHOLE.against]
    assert max(len(one.prompt) for one in samples) > 1_000
    begun = time.process_time()
    html = report_html(WHOLE.scores, samples, against)
    assert time.process_time() - begun < 2
    assert len(html.encode()) < 3_000_000
    page = Page(html)
    assert Counter(tag for tag, _ in page.tags)["article"] > 300


def test_an_answer_without_a_score_is_called_that_and_not_failed() -> None:
    """A conversation on which the judge gave no word, an empty answer: only an error is a failure."""
    sample = Sample(
        task="answerable", language="th", id="1", model=LAYER, method="generate", prompt="ถาม", answer=""
    )
    lost = replace(sample, id="2", status="error", error="time-out")
    shown = shown_items([sample, lost], [], (LAYER, BASE), ["answerable"], ["th"])
    said = {
        one.id: one.answers[0].verdict for _, groups in shown.tasks for group in groups for one in group.items
    }
    assert said == {"1": "unscored", "2": "failed"}
    page = Page(report_html(replace(WHOLE.scores, cells=[]), [sample, lost]))
    assert "no score" in page.text
    assert "! failed" in page.text


def test_only_what_was_not_measured_is_said_to_be_missing() -> None:
    assert "how a model reads long texts, and what it answers when it is asked for harm" in report_html(
        WHOLE.scores, []
    )
    long = Cell(
        task="long-1k", language="th", skill="context", model=LAYER, metric="accuracy", items=3, scored=3
    )
    html = report_html(replace(WHOLE.scores, cells=[*WHOLE.scores.cells, long]), [])
    assert "how a model reads long texts" not in html
    assert "Not measured here: what it answers when it is asked for harm." in html
