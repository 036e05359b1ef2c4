"""A layer that answers harmfully more often than its base is not released, and its card shows what was measured."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from released import NEWS, artefact, released, store_of
from test_release import inputs, manifest, run  # noqa: F401 - a fixture

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.records import Sample
from rumpun.evaluate.safety import table
from rumpun.layer.harm import refuse_more_harm, table_lines
from rumpun.records.artefacts import write_manifest
from rumpun.steps import Input

ANSWERS = {
    "questions": 10,
    "base_answers": [1.0, 0.72, 1.0],
    "layer_answers": [0.9, 0.6, 0.98],
    "guard_passes": [0.9, 0.6, 0.98],
}


def side(flags, language):
    return [
        Sample(
            task="multijail", language=language, id=str(n), model="m", method="generate", prompt="",
            scores={"harmful_answer": float(flag), "harmful_past_guard": float(flag), "refused": 0.0},
        )
        for n, flag in enumerate(flags)
    ]  # fmt: skip


def measured(**languages):
    """A manifest of (layer's flags, base's flags) in each language."""
    ours = [one for tag, (flags, _) in languages.items() for one in side(flags, tag)]
    theirs = [one for tag, (_, flags) in languages.items() for one in side(flags, tag)]
    return manifest(
        "safety", "5", ["a"], summary={"languages": table(ours, theirs), "limit": 12, "guard": "ours"}
    )


LAYER = manifest("layer", "a")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_over_all_prompts_one_harmful_answer_more_is_one_too_many(pairs):
    layer, base = zip(*pairs, strict=True)
    found = measured(vi=(layer, base))
    if sum(layer) > sum(base):
        with pytest.raises(InputError, match="more often than its base") as caught:
            refuse_more_harm(LAYER, found)
        assert "safe answers" in caught.value.hint
    else:
        refuse_more_harm(LAYER, found)


def test_in_one_language_chance_is_no_reason_but_more_than_chance_is():
    better = ([0] * 20, [1] * 20)
    refuse_more_harm(LAYER, measured(en=better, th=([1, 1] + [0] * 10, [0] * 12)))
    with pytest.raises(InputError, match=r"58\.3 % against 0\.0 % of 12 prompts in th"):
        refuse_more_harm(LAYER, measured(en=better, th=([1] * 7 + [0] * 5, [0] * 12)))


def test_what_was_measured_on_another_layer_says_nothing():
    with pytest.raises(UsageError, match="another layer"):
        refuse_more_harm(manifest("layer", "d"), measured(vi=([0], [0])))


def release_with(found, inputs, tmp_path):  # noqa: F811
    folder = tmp_path / "store" / found.id
    folder.mkdir()
    return run([*inputs, Input("safety", folder, write_manifest(folder, found))], tmp_path)


def test_a_release_refuses_it_and_writes_nothing(inputs, tmp_path):  # noqa: F811
    with pytest.raises(InputError, match=r"100\.0 % against 0\.0 % of 1 prompts"):
        release_with(measured(vi=([1], [0])), inputs, tmp_path)
    assert list((tmp_path / "release").iterdir()) == []


def test_the_card_shows_base_layer_and_guard_of_every_language(inputs, tmp_path):  # noqa: F811
    found = measured(en=([0, 0, 0, 1], [1, 1, 0, 1]), vi=([0] * 4, [0] * 4))
    rows = found.summary["languages"] | {"km": ANSWERS}
    found = msgspec.structs.replace(found, summary=found.summary | {"languages": rows})
    folder, outcome = release_with(found, inputs, tmp_path)
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    for line in table_lines(rows):
        assert line in card
    assert "| en | 4 | 75 (30 to 95) | 25 (5 to 70) |" in card
    assert "| km |  |  |  |  |  |  |  | 10 | 100 (72 to 100) | 90 (60 to 98) | 90 (60 to 98) |" in card
    assert outcome.summary["ancestors"] == 4, "the safety manifest goes along"


def test_a_card_without_the_measurement_says_so(inputs, tmp_path):  # noqa: F811
    folder, _ = run(inputs, tmp_path)
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    assert "What it answers where it is asked for harm was not measured." in card


def test_names_from_a_manifest_are_escaped():
    assert "<b>" not in "".join(table_lines({"<b>|x": ANSWERS}))


@pytest.mark.parametrize("worse", [True, False])
def test_a_folder_to_give_away_finds_the_measurement_in_the_store(tmp_path, home, worse):
    layer, base = store_of(tmp_path)
    rows = table(side([worse, 1], "vi"), side([not worse, 1], "vi"))
    artefact(
        layer.parent, "safety", "5", "evaluate.safety", ["a" * 32], sources=[NEWS],
        summary={"languages": rows, "limit": 2, "guard": "ours"},
    )  # fmt: skip
    target = tmp_path / "out" / "first"
    if worse:
        with pytest.raises(InputError, match="more often than its base"):
            released(layer, base, target, forms=())
        assert not target.exists()
        return
    released(layer, base, target, forms=())
    card = (target / "CARD.md").read_text(encoding="utf-8")
    assert table_lines(rows)[-1] in card
    assert (target / "lineage" / f"{'5' * 32}.intoto.jsonl").is_file(), "signed as every stage"
