"""A release is the layer byte for byte, its cards, and its whole lineage; what may not be given away is refused."""

import msgspec
import numpy as np
import pytest

from rumpun.errors import InputError, UsageError
from rumpun.layer.growth.parent import ParentParams, parent
from rumpun.layer.release import ReleaseParams, release
from rumpun.recipes import build
from rumpun.records.artefacts import Maker, Manifest, SourceEntry, read_manifest, verify, write_manifest
from rumpun.records.copies import copies, read_copy
from rumpun.records.lineage import walk
from rumpun.records.service import read_service
from rumpun.steps import TABLE, Input, Work, quiet, resolve
from rumpun.weights.layer_file import LayerSpec, write_layer

SPEC = LayerSpec(base_name="tiny", base_sha256="b" * 64, rank=2, alpha=4.0, targets=("q_proj",))
PLACE = "model.layers.0.self_attn.q_proj"


def manifest(kind, letter, parents=(), **more):
    made = Maker(step=f"{kind}.test", version=1, params={}, rumpun="0.1.0")
    return Manifest(
        **{
            "kind": kind,
            "id": letter * 32,
            "name": kind,
            "maker": made,
            "parents": tuple(p * 32 for p in parents),
        }
        | more
    )


@pytest.fixture
def inputs(tmp_path, home):
    """Corpus, layer and evaluation as finished artefacts of one store."""
    source = SourceEntry(name="news", licence="CC-BY-SA-4.0", rows=3, bytes=300)
    corpus = manifest("corpus", "c", sources=(source,), licences=("CC-BY-SA-4.0",), languages=("th",))
    base = SourceEntry(name="tiny", licence="Apache-2.0", role="base", sha256="b" * 64)
    layer = manifest(
        "layer",
        "a",
        ["c"],
        sources=(source, base),
        licences=("Apache-2.0", "CC-BY-SA-4.0"),
        languages=("th",),
    )
    scores = {
        "languages": {
            "th": {"model": 1.0, "against": 1.5, "difference": [-0.6, -0.4], "documents": 4, "bytes": 99}
        }
    }
    evaluation = manifest("evaluation", "e", ["a", "c"], summary=scores)
    found = []
    for item in (corpus, layer, evaluation):
        folder = tmp_path / "store" / item.id
        folder.mkdir(parents=True)
        if item.kind == "layer":
            rng = np.random.default_rng(1)
            write_layer(
                folder,
                SPEC,
                {
                    f"{PLACE}.a": rng.normal(size=(2, 8)).astype(np.float16),
                    f"{PLACE}.b": rng.normal(size=(8, 2)).astype(np.float16),
                },
            )
            (folder / "losses.jsonl").write_text("{}\n")
        found.append(Input(item.kind, folder, write_manifest(folder, item)))
    return found


def run(inputs, tmp_path, **params):
    folder = tmp_path / "release"
    folder.mkdir()
    work = Work(inputs=tuple(inputs), folder=folder, scratch=tmp_path, seed=7, progress=quiet)
    return folder, release.function(build(ReleaseParams, {"name": "first"} | params, "test"), work)


def test_a_release_holds_the_layer_its_cards_and_every_ancestor(inputs, tmp_path):
    folder, outcome = run(inputs, tmp_path, title="A first layer")
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "CARD.md", "DATA.md", "layer.json", "layer.safetensors",
        *(f"lineage/{letter * 32}.json.gz" for letter in "ace"),
    ]  # fmt: skip
    for name in ("layer.json", "layer.safetensors"):
        assert (folder / name).read_bytes() == (inputs[1].folder / name).read_bytes()
    assert (folder / "CARD.md").read_text(encoding="utf-8").startswith("# A first layer\n")
    assert outcome.summary["ancestors"] == 3
    assert outcome.summary["scores"]["th"]["documents"] == 4
    for path in copies(folder):
        assert read_copy(path).id == path.name.removesuffix(".json.gz")


def test_the_card_has_what_the_vocabulary_behind_the_layer_costs(inputs, tmp_path):
    corpus, layer, evaluation = inputs
    row = {"language": "th", "characters": 1000, "per_character_before": 1.75, "per_character_after": 0.5, "cost_before": None,
           "cost_after": None}  # fmt: skip
    extend = manifest(
        "layer", "f", ["c"], summary={"tokens": 2, "table": [row]}, maker=Maker(step="layer.extend", version=1, params={}, rumpun="0")
    )  # fmt: skip
    (tmp_path / "store" / extend.id).mkdir()
    write_manifest(tmp_path / "store" / extend.id, extend)
    rows = {"model.embed_tokens.rows": np.zeros((2, 8), np.float16)}
    spec = msgspec.structs.replace(SPEC, targets=(), tokens=("kampung", "sungai"))
    write_layer(layer.folder, spec, rows)
    own = write_manifest(
        layer.folder, msgspec.structs.replace(layer.manifest, parents=("c" * 32, "f" * 32), files=())
    )
    folder, outcome = run([corpus, Input("layer", layer.folder, own), evaluation], tmp_path)
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    assert "| th | 1,000 | 1.750 | 0.500 |  |  |" in card
    assert outcome.summary["ancestors"] == 4


def test_the_words_of_a_mean_are_not_told_as_text_that_was_read(inputs, tmp_path):
    corpus, layer, evaluation = inputs
    run_of = manifest(
        "layer", "f", "c", summary={"tokens": 2048, "steps": 4, "seconds": 1.5, "device": "cpu"},
        maker=Maker(step="layer.tune", version=1, params={}, rumpun="0"),
    )  # fmt: skip
    (tmp_path / "store" / run_of.id).mkdir()
    write_manifest(tmp_path / "store" / run_of.id, run_of)
    mean = msgspec.structs.replace(
        layer.manifest, parents=("c" * 32, "f" * 32), summary={"method": "linear", "rank": 2, "tokens": 77}, files=(),
        maker=Maker(step="layer.combine", version=2, params={}, rumpun="0"),
    )  # fmt: skip
    folder, _ = run(
        [corpus, Input("layer", layer.folder, write_manifest(layer.folder, mean)), evaluation], tmp_path
    )
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    assert "Tokens trained on" not in card
    assert "| Merged by the method | linear |" in card
    assert "2,048 tokens, 4 steps" in card


def test_what_an_earlier_stage_read_stands_on_both_cards(inputs, tmp_path):
    corpus, layer, evaluation = inputs
    source = SourceEntry(name="old-books", licence="CC0-1.0", rows=1, bytes=10)
    old = manifest("corpus", "b", sources=(source,), languages=("th",))
    stage = manifest("layer", "f", "b", maker=Maker(step="layer.train", version=1, params={}, rumpun="0"))
    for item in (old, stage):
        (tmp_path / "store" / item.id).mkdir()
        write_manifest(tmp_path / "store" / item.id, item)
    own = write_manifest(
        layer.folder, msgspec.structs.replace(layer.manifest, parents=("c" * 32, "f" * 32), files=())
    )
    folder, outcome = run([corpus, Input("layer", layer.folder, own), evaluation], tmp_path)
    data = (folder / "DATA.md").read_text(encoding="utf-8")
    assert data.index(f"the corpus `{'c' * 32}`") < data.index(f"the corpus `{'b' * 32}`")
    assert "old\\-books" in data or "old-books" in data
    assert "b" * 32 in (folder / "CARD.md").read_text(encoding="utf-8")
    assert outcome.summary["ancestors"] == 5


def test_what_grows_from_a_release_knows_its_layers_place_in_the_text(inputs, tmp_path):
    corpus, layer, evaluation = inputs
    place = {"corpus": "c" * 32, "seed": 7, "sequence_tokens": 32, "taken": {"th": 12}}
    summary = {"tokens": 384, "data": place}  # tokens: of a merged layer they would be words
    own = write_manifest(layer.folder, msgspec.structs.replace(layer.manifest, summary=summary, files=()))
    folder, outcome = run([corpus, Input("layer", layer.folder, own), evaluation], tmp_path)
    write_manifest(folder, manifest("layer", "d", "ace", summary=outcome.summary))
    brought = tmp_path / "brought"
    brought.mkdir()
    work = Work(inputs=(), folder=brought, scratch=tmp_path, seed=7, progress=quiet)
    told = parent.function(ParentParams(layer=str(folder)), work)
    assert told.summary == {"data": place, "layer": "d" * 32}


@pytest.mark.parametrize("tell", [("ms",), ("th", "ms")])
def test_the_service_gets_the_system_texts_that_were_learnt(inputs, tmp_path, tell):
    """Read from the lineage, the latest for each language; the card says what another program must do."""
    corpus, layer, evaluation = inputs

    def trained(letter, month, **params):
        maker = Maker(
            step="layer.tune",
            version=3,
            params={"chat_share": 0.3, "chat_system_share": 0.5} | params,
            rumpun="0",
        )
        found = manifest("layer", letter, ["c"], created=f"2026-{month}-01T00:00:00Z", maker=maker)
        (tmp_path / "store" / found.id).mkdir()
        write_manifest(tmp_path / "store" / found.id, found)
        return found.id

    behind = (
        trained("4", "04", chat_system={"zh": "请用中文回答。"}, chat_share=0.0),  # read no chat rows
        trained("2", "02", chat_system={"ms": 'Jawab dalam "Bahasa Melayu".'}),
        trained("1", "01", chat_system={"th": "ตอบเป็นภาษาไทย", "ms": "Melayu"}),
        trained("3", "03", chat_system={}),
    )
    own = write_manifest(
        layer.folder, msgspec.structs.replace(layer.manifest, parents=("c" * 32, *behind), files=())
    )
    given = (corpus, Input("layer", layer.folder, own), evaluation)
    folder, _ = run(given, tmp_path, policy="asean", tell=list(tell))
    service = read_service(folder)
    learnt = {"th": "ตอบเป็นภาษาไทย", "ms": 'Jawab dalam "Bahasa Melayu".'}
    assert service.system == {tag: learnt[tag] for tag in tell}
    assert service.policy == "asean"
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    assert f"names the language ({', '.join(service.system)})" in card
    assert "The guard's policy for it: asean." in card
    (tmp_path / "release").rename(tmp_path / "told")
    folder, _ = run(given, tmp_path)
    assert read_service(folder).system == {}
    folder.rename(tmp_path / "untold")
    with pytest.raises(UsageError, match="no system text was learnt for 'zh'"):
        run(given, tmp_path, tell=["zh"])


def test_the_lineage_is_whole_where_the_store_is_gone(inputs, tmp_path):
    import shutil

    folder, _ = run(inputs, tmp_path)
    write_manifest(folder, manifest("layer", "d", "ace"))
    elsewhere = tmp_path / "elsewhere" / "first"
    shutil.copytree(folder, elsewhere)
    shutil.rmtree(tmp_path / "store")
    shutil.rmtree(folder)
    lineage = walk(elsewhere)
    assert lineage.complete
    assert {source.name for source in lineage.sources} == {"news", "tiny"}
    assert "share-alike" in lineage.obligations
    assert verify(elsewhere).id == read_manifest(elsewhere).id


def test_a_release_above_its_limit_is_refused(inputs, tmp_path):
    with pytest.raises(InputError, match=r"first: [\d,]+ bytes, above max_bytes = 1,000") as caught:
        run(inputs, tmp_path, max_bytes=1_000)
    assert "smaller rank" in caught.value.hint


def test_what_may_not_be_given_away_is_not_released(inputs, tmp_path):
    closed = msgspec.structs.replace(inputs[1].manifest, licences=("CC-BY-NC-4.0",))
    with pytest.raises(InputError, match=r"CC-BY-NC-4\.0 stands behind the layer"):
        run([inputs[0], Input("layer", inputs[1].folder, closed), inputs[2]], tmp_path)


def test_a_missing_ancestor_is_named(inputs, tmp_path):
    stray = inputs[2].folder.parent / ("9" * 32)
    stray.mkdir()
    more = write_manifest(stray, manifest("gguf", "9", ["8"]))
    with pytest.raises(InputError, match=r"its ancestor 8{32} is missing"):
        run([*inputs, Input("gguf", stray, more)], tmp_path)


def test_inputs_that_do_not_belong_together(inputs, tmp_path):
    other = msgspec.structs.replace(inputs[0].manifest, id="7" * 32)
    with pytest.raises(UsageError, match=r"was not trained on the corpus 7{32}"):
        run([Input("corpus", inputs[0].folder, other), *inputs[1:]], tmp_path)


def test_a_step_without_its_inputs_says_what_is_missing(inputs, tmp_path):
    with pytest.raises(UsageError, match="needs a evaluation"):
        run(inputs[:2], tmp_path)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b"])
def test_names_that_are_no_folder(name):
    with pytest.raises(UsageError, match=r"name = "):
        build(ReleaseParams, {"name": name}, "test")


def test_the_step_is_in_the_table():
    assert TABLE["layer.release"] == "rumpun.layer.release:release"
    assert resolve("layer.release").kind == "layer"
