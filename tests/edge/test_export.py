"""The step `edge.export` in a recipe's place: what it writes, what it says, what it refuses."""

import shutil

import msgspec
import numpy as np
import pytest

from rumpun.edge.export import ExportParams, base_of_layer
from rumpun.errors import InputError, UsageError
from rumpun.recipes import build
from rumpun.records.artefacts import Maker, Manifest, SourceEntry, read_manifest, write_manifest
from rumpun.steps import Input, Work, quiet, resolve
from rumpun.weights.folder import write_folder
from rumpun.weights.gguf_file import read_gguf
from tiny import tiny_base, tiny_gguf, tiny_layer

STEP = resolve("edge.export")
KEY = "c" * 32


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A base and a layer for it, as finished artefacts."""
    place = tmp_path_factory.mktemp("made")
    base = tiny_base(place / "base", 21)
    return base, tiny_layer(place / "layer", base / "base.gguf", 22)


def work_on(folder, *inputs):
    folder.mkdir(parents=True, exist_ok=True)
    found = tuple(Input(path.name, path, read_manifest(path)) for path in inputs)
    return Work(inputs=found, folder=folder, scratch=folder.parent, seed=0, progress=quiet, key=KEY)


def test_writes_a_gguf_that_names_its_parents_and_says_what_it_is(made, tmp_path):
    outcome = STEP.function(ExportParams(measure=False), work_on(tmp_path / "out", *made))
    path = tmp_path / "out" / "model.gguf"
    file = read_gguf(path)
    base, layer = (read_manifest(folder) for folder in made)
    assert file.get("rumpun.id") == KEY
    assert file.get("rumpun.parents") == [base.id, layer.id]
    assert file.get("general.name") == outcome.name == "tiny+layer"
    summary = outcome.summary
    assert (summary["size_bytes"], summary["quantisation"], summary["asked"]) == (
        path.stat().st_size,
        "Q8_0",
        "Q8_0",
    )
    assert summary["tensors"] == {"Q8_0": 15, "F32": 5}
    assert (summary["base"], summary["layer"], summary["vocabulary"]) == ("tiny", "layer", 384)
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["model.gguf"]


def test_measures_what_it_wrote(made, tmp_path):
    outcome = STEP.function(ExportParams(measure_tokens=8), work_on(tmp_path / "out", *made))
    bench = outcome.summary["bench"]
    assert bench["prompt_tokens_per_second"] > 0
    assert bench["decode_tokens_per_second"] > 0
    assert bench["resident_bytes"] > 10_000_000
    assert 8 <= bench["prompt_tokens"] < 8 + 64


def test_takes_the_next_smaller_quantisation_that_fits_and_says_so(made, tmp_path):
    sizes = {}
    for kind in ("F32", "F16", "Q8_0", "Q4_1", "Q4_0"):
        STEP.function(ExportParams(quantisation=kind, measure=False), work_on(tmp_path / kind, *made))
        sizes[kind] = (tmp_path / kind / "model.gguf").stat().st_size
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
    limited = {
        sizes["F16"]: "F16",
        sizes["F16"] - 1: "Q8_0",
        sizes["Q4_1"] + 5: "Q4_1",
        sizes["Q4_0"]: "Q4_0",
    }
    for limit, expected in limited.items():
        params = ExportParams(quantisation="F16", size_limit_bytes=limit, measure=False)
        outcome = STEP.function(params, work_on(tmp_path / f"limit-{limit}", *made))
        assert outcome.summary["quantisation"] == expected
        assert outcome.summary["asked"] == "F16"
        assert outcome.summary["size_bytes"] <= limit


def test_a_limit_below_everything_is_refused_with_the_smallest(made, tmp_path):
    params = ExportParams(size_limit_bytes=20_000, measure=False)
    with pytest.raises(UsageError, match=r"20,000: the smallest file of this base is \d\d,\d\d\d bytes"):
        STEP.function(params, work_on(tmp_path / "out", *made))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_limit_never_makes_a_file_larger_than_asked(made, tmp_path):
    params = ExportParams(quantisation="Q4_0", size_limit_bytes=10_000_000, measure=False)
    outcome = STEP.function(params, work_on(tmp_path / "out", *made))
    assert outcome.summary["quantisation"] == "Q4_0"


def test_the_same_inputs_give_the_same_bytes(made, tmp_path):
    for name in ("one", "two"):
        STEP.function(ExportParams(measure=False), work_on(tmp_path / name, *made))
    one, two = ((tmp_path / name / "model.gguf").read_bytes() for name in ("one", "two"))
    assert one == two


def model_folder(folder, gguf):
    """A transformers folder as a finished artefact of kind "model"."""
    write_folder(gguf, folder)
    maker = Maker(step="layer.full", version=1, params={}, rumpun="0.1.0")
    source = SourceEntry(name="news", licence="CC-BY-4.0", rows=2)
    write_manifest(
        folder,
        Manifest(kind="model", id="d" * 32, name="", maker=maker, sources=(source,), licences=("CC-BY-4.0",)),
    )
    return folder


def test_needs_a_layer_or_a_model_and_not_both(made, tmp_path):
    model = model_folder(tmp_path / "model", made[0] / "base.gguf")
    for given in ((made[0],), (made[1], model)):
        with pytest.raises(UsageError, match="a layer or a model"):
            STEP.function(ExportParams(), work_on(tmp_path / "out", *given))


def test_a_model_of_every_weight_becomes_a_file(made, tmp_path, home):
    model = model_folder(tmp_path / "model", made[0] / "base.gguf")
    params = ExportParams(quantisation="F32", measure=False)
    outcome = STEP.function(params, work_on(tmp_path / "out", model))
    written, base = read_gguf(tmp_path / "out" / "model.gguf"), read_gguf(made[0] / "base.gguf")
    assert written.get("general.name") == outcome.name == outcome.summary["model"] == "model"
    assert written.get("rumpun.parents") == ["d" * 32]
    assert written.get("general.license") == "CC-BY-4.0"
    assert "base" not in outcome.summary
    assert written.tensors.keys() == base.tensors.keys()
    for name in base.tensors:
        np.testing.assert_allclose(written.tensor(name), base.tensor(name), atol=1e-6)


def test_a_given_base_that_is_another_is_refused(made, tmp_path):
    other = tiny_base(tmp_path / "other", 77)
    with pytest.raises(InputError, match="made for the base 'tiny'"):
        STEP.function(ExportParams(measure=False), work_on(tmp_path / "out", other, made[1]))


def test_a_base_with_two_files_is_refused(made, tmp_path):
    odd = tiny_base(tmp_path / "odd", 77)
    tiny_gguf(odd / "second.gguf")
    with pytest.raises(InputError, match="2 GGUF files, expected one"):
        STEP.function(ExportParams(measure=False), work_on(tmp_path / "out", odd, made[1]))


def test_the_base_is_found_beside_the_layer_or_where_it_was_trained(made, tmp_path, home):
    base = made[0] / "base.gguf"
    layer = tiny_layer(tmp_path / "layer", base)
    with pytest.raises(InputError, match="'tiny', which is not known here") as caught:
        base_of_layer(layer)
    assert "--base" in caught.value.hint
    maker = Maker(step="layer.train", version=1, params={"base": str(base)}, rumpun="0")
    write_manifest(layer, Manifest(kind="layer", id="d" * 32, maker=maker))
    assert base_of_layer(layer) == base
    (layer / "base.gguf").write_bytes(base.read_bytes())
    assert base_of_layer(layer) == layer / "base.gguf"


@pytest.mark.base
def test_the_embedded_base_is_found_by_its_name(base_gguf, home_with_base, tmp_path):
    from rumpun.engines.embedded import BASE_NAME
    from rumpun.weights.layer_file import LayerSpec, write_layer

    spec = LayerSpec(
        base_name=BASE_NAME, base_sha256="0" * 64, rank=1, alpha=1.0, targets=(), chat_template="x"
    )
    write_layer(tmp_path / "layer", spec, {})
    assert base_of_layer(tmp_path / "layer").samefile(base_gguf)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"quantisation": "Q5_K"}, "Q5_K"),
        ({"quantization": "Q8_0"}, "unknown key 'quantization'"),
        ({"size_limit_bytes": 0}, "size_limit_bytes = 0"),
        ({"measure_tokens": 0}, "measure_tokens = 0"),
    ],
)
def test_wrong_parameters_are_refused_when_planned(table, words):
    with pytest.raises(UsageError, match=words):
        build(STEP.params, table, "recipe: steps.edge.with")


def test_the_file_alone_names_the_layers_sources(made, tmp_path):
    from rumpun.engines.load import sources_of_gguf

    base, layer = made
    named = tmp_path / "named"
    shutil.copytree(layer, named)
    sources = (SourceEntry(name="surat", licence="CC-BY-4.0", url="https://example.org/surat", rows=3),)
    write_manifest(named, msgspec.structs.replace(read_manifest(layer), sources=sources))
    STEP.function(ExportParams(measure=False), work_on(tmp_path / "out", base, named))
    assert sources_of_gguf(tmp_path / "out" / "model.gguf") == sources


def test_a_file_made_by_hand_names_what_it_was_made_of_and_takes_no_others_id(made, tmp_path):
    from rumpun.edge.apply import apply_layer
    from rumpun.engines.load import sources_of_gguf

    base, layer = made
    named = tmp_path / "named"
    shutil.copytree(layer, named)
    sources = (SourceEntry(name="surat", licence="CC-BY-4.0", url="https://example.org/surat", rows=3),)
    write_manifest(named, msgspec.structs.replace(read_manifest(layer), sources=sources))
    apply_layer(named, str(base / "base.gguf"), tmp_path / "hand.gguf", "Q8_0")
    file = read_gguf(tmp_path / "hand.gguf")
    assert file.get("rumpun.parents") == [read_manifest(layer).id]
    assert file.get("general.name") == "Tiny 21+layer"
    assert sources_of_gguf(tmp_path / "hand.gguf") == sources
    STEP.function(ExportParams(measure=False), work_on(tmp_path / "out", base, named))
    apply_layer(None, str(tmp_path / "out" / "model.gguf"), tmp_path / "again.gguf", "Q4_0")
    again = read_gguf(tmp_path / "again.gguf")
    assert not again.get("rumpun.id")
    assert again.get("rumpun.parents") == [KEY]
