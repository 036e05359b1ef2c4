"""A child's recipe out of what data there is: what trains, what is held out, what is said, and that it runs."""

import json
import tomllib
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from growing import Made, parent_recipe, text, write_data
from hypothesis import given
from hypothesis import strategies as st
from released import rewrite, store_of

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.items import read_items
from rumpun.layer.growth.choose import choose_domain, choose_offspring, domains, relatives
from rumpun.layer.growth.held_test import swapped_pairs
from rumpun.layer.growth.holdings import Amount, Holding, holdings
from rumpun.layer.growth.parent import Parent, find_parent, read_parent
from rumpun.layer.growth.write import toml, write_child
from rumpun.recipes import read_recipe
from rumpun.records.artefacts import Maker, Manifest, read_manifest
from rumpun.records.service import Service, read_service, write_service
from rumpun.steps import plan, quiet, run
from rumpun.weights.layer_file import LayerSpec

ROOT = Path(__file__).parents[2]
SPEC = LayerSpec(base_name="tiny", base_sha256="0" * 64, rank=4, alpha=8.0, targets=("q_proj", "v_proj"))


def parent(**given: object) -> Parent:
    manifest = Manifest(
        kind="layer",
        id="a" * 32,
        name="region",
        maker=Maker(step="layer.train", version=1, params={}, rumpun="0"),
    )
    facts = {
        "reference": "region", "folder": Path("region"), "spec": SPEC, "manifest": manifest, "base": "base",
        "languages": ("id", "en", "th"), "trained": frozenset({"old-id", "tales-en", "reviews"}), "held_out": {"id": ("news-id",)},
    }  # fmt: skip
    return Parent(**facts | given)  # type: ignore[arg-type]


def holding(
    name: str, kind: str = "text", domain: str = "news", licence: str = "CC-BY-4.0", **sizes: int
) -> Holding:
    return Holding(
        name=name,
        kind=kind,
        licence=licence,
        domain=domain,
        amounts={tag: Amount(9, size) for tag, size in sizes.items()},
    )


FOUND = [
    holding("novel", su=2_000_000), holding("letters", su=400_000), holding("radio", su=50_000), holding("scraps", su=900),
    holding("menus", "parallel", "software-ui", su=40_000, id=40_000), holding("reviews", "parallel", "reviews", su=90_000, jv=90_000, id=9),
    holding("closed", su=30_000, licence="CC-BY-NC-4.0"), holding("old-id", id=300_000), holding("news-id", id=60_000),
    holding("tales-en", en=100_000), holding("paper-en", en=20_000), holding("talks", "chat", "", id=0, en=0),
]  # fmt: skip


def test_what_is_held_out_never_trains() -> None:
    choice = choose_offspring("su", parent(), FOUND)
    assert choice.held_out["su"] == (
        "radio",
        "reviews",
    )  # the smallest that are worth measuring on, up to a tenth
    assert choice.held_out["id"] == ("news-id",)  # as the parent was measured
    assert choice.held_out["en"] == ("paper-en",)  # the parent has not read it
    assert choice.own_bytes == {"su": 2_400_900}
    assert choice.rehearsed == ("id", "en")
    assert choice.watched == ("jv",)
    assert choice.budgets["jv"] == 0
    assert sum(choice.weights.values()) == pytest.approx(1)
    assert choice.sides["su"] == ("reviews",)
    assert "menus" not in {name for names in choice.sides.values() for name in names}
    assert "closed" not in choice.sources
    assert "CC-BY-NC-4.0" not in choice.licences
    assert any("reviews is held out in su" in note for note in choice.notes)


@given(
    sizes=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=8),
    minutes=st.floats(0.1, 500),
)
def test_held_out_sources_are_few_and_small(sizes: list[int], minutes: float) -> None:
    found = [holding(f"s{n}", su=size) for n, size in enumerate(sizes)]
    if not any(sizes):
        with pytest.raises(InputError, match="no running text in su"):
            choose_offspring("su", parent(), found, minutes=minutes)
        return
    choice = choose_offspring("su", parent(), found, minutes=minutes)
    held = sum(size for n, size in enumerate(sizes) if f"s{n}" in choice.held_out.get("su", ()))
    assert held <= 0.25 * sum(sizes)
    assert held + choice.own_bytes["su"] == sum(sizes)
    assert choice.tokens % 1024 == 0
    assert choice.tokens >= 1024
    read = choice.tokens * (1 - choice.chat_share) * choice.weights["su"]
    assert choice.tokens == 1024 or read <= 4 * choice.own_bytes["su"] / 4.5  # four passes over English
    assert choice.tokens == 1024 or choice.tokens <= minutes * 60 * 360
    cut = choice.tokens + 1024 < 0.9 * minutes * 60 * 360
    assert cut == any("There is text for" in note for note in choice.notes)
    assert (choice.own_bytes["su"] < 1_000_000) == any("are little" in note for note in choice.notes)


def test_too_little_is_said_with_numbers() -> None:
    choice = choose_offspring("su", parent(), [holding("radio", su=50_000)])
    assert any("50,000 bytes of running text in su are little" in note for note in choice.notes)
    assert any("blocks of the text" in note for note in choice.notes)
    with pytest.raises(InputError, match=r"no running text in su: .*menus \(software-ui"):
        choose_offspring("su", parent(), [holding("menus", "parallel", "software-ui", su=40_000)])
    with pytest.raises(UsageError, match="no such language"):
        relatives("sunda")
    with pytest.raises(UsageError, match="parent was not trained on it"):
        choose_offspring("su", parent(), FOUND, rehearse=["vi"])


def test_a_domain_keeps_text_in_every_language() -> None:
    found = [
        holding("seed-health", "seed", "", id=9_000, en=9_000), holding("seed-care", "seed", "", id=8_000), *FOUND,
    ]  # fmt: skip
    choice = choose_domain("health", parent(), found)
    assert choice.held_out["id"] == ("news-id", "seed-care")
    found[1] = holding("seed-care", "seed", "", en=500)
    found[0] = holding("seed-health", "seed", "", id=9_000)
    alone = choose_domain("health", parent(), found)
    assert alone.own_bytes == {"en": 500, "id": 9_000}
    assert any("some language has one source alone" in note for note in alone.notes)
    assert alone.tokens == 1024
    assert any("There is text for" in note for note in alone.notes)


def test_a_domain_keeps_its_own_text_apart() -> None:
    found = [
        holding("seed-health", "seed", "", id=9_000, en=9_000),
        holding("seed-care", "seed", "", id=8_000, en=8_000),
        *FOUND,
    ]
    choice = choose_domain("health", parent(trained=frozenset({"seed-care"})), found)
    assert choice.own == ("en", "id")
    assert choice.held_out["id"] == ("news-id", "seed-care")
    assert any("its figure flatters the parent" in note for note in choice.notes)
    assert any("tico19-terminology is not in this data folder" in note for note in choice.notes)
    assert choice.policy == "asean"
    assert choice.contexts == ("health",)
    assert "no medical advice" in choice.caution
    own = choose_domain("health", parent(), found, files=["x/heldout.jsonl"])
    assert own.held_out["en"][-1] == "health-heldout"
    assert {"seed-health", "seed-care"} <= set(own.sources)
    with pytest.raises(InputError, match="nothing of the domain workers"):
        choose_domain("workers", parent(), found)
    with pytest.raises(UsageError, match="no such domain"):
        choose_domain("cooking", parent(), found)


def test_every_domain_names_a_policy_and_contexts_that_the_guard_knows() -> None:
    from rumpun.guard.policy import Policy
    from rumpun.guard.policy.vocabulary import vocabulary

    for about in domains().values():
        assert Policy.load(about.policy).name == about.policy
        assert set(about.contexts) <= set(vocabulary().contexts)
        assert about.caution
        assert about.cannot


@given(st.recursive(st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6))  # fmt: skip
def test_values_are_read_as_they_were_written(value: object) -> None:
    assert tomllib.loads(f"x = {toml(value)}")["x"] == value


@given(
    st.lists(
        st.lists(
            st.sampled_from(["kuring", "dahar", "sangu", "di", "imah", "nini", "barudak", "ulin"]),
            max_size=30,
        ),
        max_size=12,
    )
)
def test_a_swap_moves_two_neighbours_and_nothing_else(texts: list[list[str]]) -> None:
    items = swapped_pairs((" ".join(words) for words in texts), "su", "s", "CC0-1.0")
    for item in items:
        good, bad = item["good"].split(), item["bad"].split()
        apart = [n for n, pair in enumerate(zip(good, bad, strict=True)) if pair[0] != pair[1]]
        assert len(apart) == 2
        assert apart[1] == apart[0] + 1
        assert (good[apart[0]], good[apart[1]]) == (bad[apart[1]], bad[apart[0]])
    assert len({item["id"] for item in items}) == len(items)


def test_a_recipe_that_stands_is_not_written_over(tmp_path: Path) -> None:
    choice = choose_offspring("su", parent(), [holding("novel", su=2_000_000)])
    files = write_child(tmp_path / "su", choice, parent(), FOUND, [])
    assert {path.name for path in files} == {"run.toml", "CARD-notes.md", "CHECKLIST.md"}
    checklist = (tmp_path / "su" / "CHECKLIST.md").read_text(encoding="utf-8")
    assert "closed (text, news, CC-BY-NC-4.0): its licence does not let a layer be given away" in checklist
    assert "attribution: CC-BY-4.0" in checklist
    with pytest.raises(UsageError, match="stands there already"):
        write_child(tmp_path / "su", choice, parent(), FOUND, [])


def test_how_a_layer_asks_to_be_served(tmp_path: Path) -> None:
    assert read_service(tmp_path) == Service()
    asked = Service(policy="asean", contexts=("health",), caution='See a "doctor".')
    write_service(tmp_path, asked)
    assert read_service(tmp_path) == asked
    (tmp_path / "service.toml").write_text("polizy = 1")
    with pytest.raises(InputError, match=r"service\.toml"):
        read_service(tmp_path)


# ---- shipped recipes


@pytest.mark.parametrize(
    "folder", ["offspring/jv", "offspring/su", "offspring/min", "domains/health", "domains/workers"]
)
def test_shipped_recipes_have_a_test_a_policy_and_a_parent(folder: str) -> None:
    place = ROOT / "recipes" / folder
    items = read_items(place / "test.jsonl")
    assert len(items) >= 24
    assert all("not reviewed" in item.source and item.licence == "CC0-1.0" for item in items)
    recipe = read_recipe(place / "run.toml")
    steps = {step.name: step for step in recipe.steps}
    assert steps["evaluate"].needs == ("corpus", "layer", "merge", "parent")
    assert steps["release"].params["policy"] == "asean"
    held = steps["mixture"].params["held_out_sources"]
    assert all(held[tag] for tag in steps["layer"].params["language_weights"])
    if folder.startswith("domains"):
        assert (
            "no medical advice" in steps["release"].params["caution"]
            or "no legal advice" in steps["release"].params["caution"]
        )


def test_the_shipped_parent() -> None:
    found = read_parent("first")
    assert find_parent("rumpun-first") == found.folder
    assert "ud-id-csui" in found.held_out["id"]
    assert "ud-id-csui" not in found.trained
    assert "seed-health" in found.trained
    assert found.spec.rank == 32
    with pytest.raises(UsageError, match="no layer is called"):
        find_parent("frist")


@pytest.mark.parametrize("step", ["layer.train", "layer.tune", "layer.distil_logits", "layer.prefer"])
def test_whatever_trained_the_parent_names_its_base(tmp_path: Path, step: str) -> None:
    layer, base = store_of(tmp_path)
    assert read_parent(str(layer)).base == "base"
    manifest = read_manifest(layer)
    own = msgspec.structs.replace(manifest.maker, step=step, params={"base": str(base)})
    rewrite(layer / "manifest.json", maker=own)
    assert read_parent(str(layer)).base == str(base)
    copied = msgspec.structs.replace(own, step="layer.merge_layers")
    rewrite(layer / "manifest.json", maker=copied)  # no training: its `base` means another thing, or nothing
    assert read_parent(str(layer)).base == "base"


# ---- from a data folder to a measured child, on a base of random weights


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = [
        Made(name="desa", counts={"su": 1500}), Made(name="radio", counts={"su": 120}),
        Made(name="desa-id", counts={"id": 300}), Made(name="warta-id", counts={"id": 140}),
    ]  # fmt: skip
    return write_data(tmp_path_factory.mktemp("data"), sources)


def test_bytes_are_of_the_texts(data: Path) -> None:
    found = {item.name: item for item in holdings(["su", "id"], str(data))}
    assert found["radio"].amounts["su"].rows == 120
    assert found["radio"].bytes("su") == sum(len(text("su", 500_000 + n).encode()) for n in range(120))
    assert [item.name for item in holdings(["id"], str(data))] == ["desa-id", "warta-id"]
    with pytest.raises(InputError, match=r"no inventory\.toml"):
        holdings(["su"], str(data / "text"))


def test_the_commands(data: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from rumpun.cli.layer import layer

    into = tmp_path / "su"
    asked = [
        "offspring",
        "--language",
        "su",
        "--data",
        str(data),
        "--into",
        str(into),
        "--minutes",
        "1",
        "--json",
    ]
    done = CliRunner().invoke(layer, asked)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["held_out"]["su"] == ["radio"]
    assert told["tokens"] == 21 * 1024  # a minute at 360 tokens a second
    assert str(into / "run.toml") in told["files"]
    again = CliRunner().invoke(layer, asked)
    assert isinstance(again.exception, UsageError)
    unknown = CliRunner().invoke(layer, ["domain", "--domain", "helth", "--data", str(data)])
    assert isinstance(unknown.exception, UsageError)
    assert "did you mean 'health'" in unknown.exception.hint


def test_a_child_is_grown_and_measured_against_its_parent(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")
    store = tmp_path / "store"
    made = run(read_recipe(parent_recipe(tmp_path)), store, progress=lambda _: quiet)
    grown_from = read_parent(str(made["layer"]))
    assert set(grown_from.languages) == {"id", "th", "my", "en"}
    found = holdings(["su", "id", "en"], str(data))
    choice = choose_offspring("su", grown_from, found, minutes=0.1)
    assert choice.held_out["su"] == ("radio",)
    folder = tmp_path / "recipe"
    files = write_child(folder, choice, grown_from, found, [], data=str(data))
    assert folder / "held-out-test" / "test.jsonl" in files
    assert (folder / "held-out-test" / ".gitignore").read_text() == "*\n"
    held = {item["text"] for item in pq.read_table(data / "text" / "radio.su.parquet").to_pylist()}
    items = [
        json.loads(line)
        for line in (folder / "held-out-test" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert items
    assert all(item["good"] in held for item in items)

    steps = run(read_recipe(folder / "run.toml"), store, progress=lambda _: quiet)
    told = json.loads((steps["evaluate"] / "bpb.json").read_text(encoding="utf-8"))
    row = told["languages"]["su"]
    assert row["model"] < row["parent"]  # the child has read its language
    assert row["from_parent"][1] < 0
    assert set(told["sources"]["su"]) == {"radio"}
    assert told["sources"]["su"]["radio"] == row
    layer, brought = read_manifest(steps["layer"]), read_manifest(steps["parent"])
    assert brought.id in layer.parents
    assert brought.parents == (grown_from.manifest.id,)
    assert layer.summary["begun_from"]["layer"] == brought.id
    assert {source.name for source in brought.sources} <= {source.name for source in layer.sources}
    assert read_service(steps["release"]).policy == "asean"
    card = (steps["release"] / "CARD.md").read_text(encoding="utf-8")
    assert "policy for it: asean" in card
    low, high = row["from_parent"]
    assert f"| {row['parent']:.3f} | {low:+.3f} to {high:+.3f} |" in card
    assert (steps["release"] / "lineage" / f"{grown_from.manifest.id}.json.gz").is_file()
    assert [item.done for item in plan(read_recipe(folder / "run.toml"), store)] == [True] * len(steps)
