"""From what people type to a model: every kind of reference, every kind of mistake."""

import multiprocessing
import os
import shutil
from types import SimpleNamespace

import pytest

import rumpun
from families import tiny_folder
from rumpun.engines import assembled as assembling
from rumpun.engines import load
from rumpun.engines.assembled import assembled, manifest_of_gguf
from rumpun.engines.bases import as_gguf
from rumpun.engines.load import Found, locate, open_engine, resolve, shipped_layer, sources_of_gguf
from rumpun.engines.model import Model
from rumpun.engines.port import Message
from rumpun.errors import InputError, UsageError
from rumpun.records.artefacts import (
    MANIFEST,
    Maker,
    Manifest,
    read_manifest,
    sha256_file,
    verify,
    write_manifest,
)
from rumpun.records.lineage import verify_file, walk
from rumpun.weights.gguf_file import describe
from tiny import TEXTS, tiny_base, tiny_gguf, tiny_layer


@pytest.fixture
def pair(tmp_path):
    """A tiny base as an artefact, and a layer for it."""
    base = tiny_base(tmp_path / "tiny") / "base.gguf"
    return base, tiny_layer(tmp_path / "first", base)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of shipped layers."""
    folder = tmp_path / "layers"
    folder.mkdir()
    monkeypatch.setattr(load, "shipped_folder", lambda: folder)
    return folder


def embed(monkeypatch, base):
    """Let a tiny file stand for the embedded base."""
    monkeypatch.setattr(load, "base", lambda progress, keep=True: base)


def test_a_file_is_taken_as_it_is(home, tmp_path):
    path = tiny_gguf(tmp_path / "mine.gguf")
    found = resolve(path)
    assert found == Found(name="mine", kind="gguf", place=str(path), base_name="mine")


def test_an_artefact_s_folder_its_file_and_its_id_are_one_model(home):
    folder = tiny_base(home / "data" / "artefacts" / ("a" * 32), seed=10)
    shutil.rmtree(folder)
    folder = tiny_base(home / "data" / "artefacts" / f"{10:032x}", seed=10)
    by_folder, by_file, by_id = resolve(folder), resolve(folder / "base.gguf"), resolve(f"{10:032x}")
    assert by_folder == by_file == by_id
    assert by_folder.lineage == folder


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000/v1", "https://models.example.org/v1"])
def test_an_address_is_left_to_its_engine(home, address):
    found = resolve(address)
    assert (found.kind, found.place) == ("url", address)
    assert resolve(address, "none") == found
    with pytest.raises(UsageError, match="remote"):
        resolve(address, "layers/first")


def test_a_folder_of_weights(home, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").write_text("{}")
    assert resolve(tmp_path / "weights").kind == "folder"
    with pytest.raises(InputError, match="no layer there"):
        resolve(tmp_path / "weights", tmp_path)
    layer = tiny_layer(tmp_path / "layer", tiny_gguf(tmp_path / "base.gguf"))
    with pytest.raises(InputError, match="weights"):
        resolve(tmp_path / "weights", layer)


def test_a_layer_on_a_folder_of_weights_is_put_on_its_gguf(home, tmp_path):
    folder = tiny_folder(tmp_path / "Tiny-1", "llama")
    layer = tiny_layer(tmp_path / "first", as_gguf(folder))
    found = resolve(folder, layer)
    assert (found.kind, found.base_name) == ("gguf", "Tiny-1")
    assert found.name == f"Tiny-1+{read_manifest(layer).name}"
    assert resolve(folder, layer).place == found.place, "put together once"
    alone = resolve(folder, "none")
    assert (alone.kind, alone.place) == ("folder", str(folder))
    with Model.load(found) as model, Model.load(as_gguf(folder)) as base:
        ours, theirs = ([one.engine.score([("", text)])[0] for text in TEXTS[:4]] for one in (model, base))
    assert [one.tokens for one in ours] == [one.tokens for one in theirs]
    assert all(one.logprob != other.logprob for one, other in zip(ours, theirs, strict=True))
    other = tiny_layer(tmp_path / "second", tiny_gguf(tmp_path / "other.gguf", 77))
    with pytest.raises(InputError, match="made for the base"):
        resolve(folder, other)


@pytest.mark.parametrize("name", ["base", "smollm2-135m-instruct"])
def test_base_is_the_embedded_one_alone(home, pair, shelf, monkeypatch, name):
    embed(monkeypatch, pair[0])
    shutil.copytree(pair[1], shelf / "first")
    assert resolve(name).layer_name is None
    assert resolve(name).place == str(pair[0])


def test_default_carries_the_shipped_layer(home, pair, shelf, monkeypatch):
    embed(monkeypatch, pair[0])
    assert resolve("default").layer_name is None, "none is shipped"
    shutil.copytree(pair[1], shelf / "first")
    found = resolve("default")
    assert (found.name, found.base_name, found.layer_name) == ("tiny+first", "tiny", "first")
    assert found.path.is_file()
    assert resolve("default", "none").layer_name is None
    assert resolve("base", shelf / "first") == found
    assert resolve(shelf / "first").place == found.place if (shelf / "first" / "base.gguf").exists() else True
    assert locate("default") == found.lineage


def test_the_base_is_not_kept_where_only_the_default_asked_for_it(home, pair, shelf, monkeypatch):
    base, layer = pair
    shutil.copytree(layer, shelf / "first")
    monkeypatch.setattr(load, "described", lambda: manifest_of_gguf(base))
    monkeypatch.setattr(load, "EMBEDDED", SimpleNamespace(sha256=sha256_file(base)))
    asked, dropped = [], []
    monkeypatch.setattr(load, "base", lambda progress, keep: asked.append(keep) or base)
    monkeypatch.setattr(load, "drop", lambda: dropped.append(1))
    found = resolve("default")
    assert (asked, dropped) == ([False], [1])
    assert resolve("default") == found
    assert asked == [False], "the assembled file is enough"
    shutil.rmtree(found.lineage)
    monkeypatch.setattr(load, "standing", lambda folder: base)
    assert resolve("default") == found
    assert dropped == [1], "a base that stood before stays"


def test_the_shipped_layer_is_the_one_named(shelf):
    assert shipped_layer() is None
    for name in ("beta", "alpha"):
        (shelf / name).mkdir()
        (shelf / name / "layer.json").write_text("{}")
    assert shipped_layer() == shelf / "alpha"
    (shelf / "default.toml").write_text('layer = "beta"')
    assert shipped_layer() == shelf / "beta"
    for broken in ('layer = "gamma"', "layer = ", "other = 1"):
        (shelf / "default.toml").write_text(broken)
        with pytest.raises(InputError, match=r"default\.toml"):
            shipped_layer()


@pytest.mark.parametrize(
    ("reference", "error", "said", "hint"),
    [
        ("defualt", UsageError, "no model is called 'defualt'", "did you mean 'default'?"),
        ("gemma-sealion-v4.5-e2b-it", UsageError, "no model is called", "gemma-sea-lion-v4.5-e2b-it"),
        ("nowhere/x.gguf", InputError, "no such file or folder", "name a GGUF file"),
        ("gone.gguf", InputError, "no such file or folder", "name a GGUF file"),
        ("qwen3-4b", InputError, "not at hand (2.50 GB, Apache-2.0", "rumpun up --base qwen3-4b"),
        ("gemma-3-4b-it", InputError, "size not stated", "rumpun up --base gemma-3-4b-it"),
        ("qwen-sea-lion-v4.5-27b-it", InputError, "transformers weights only", "vllm serve"),
        ("f" * 32, UsageError, "no model is called", ""),
    ],
)
def test_what_cannot_be_found_says_what_can_be_done(home, reference, error, said, hint):
    with pytest.raises(error) as caught:
        resolve(reference)
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_folders_that_hold_no_one_model(home, tmp_path, pair):
    with pytest.raises(InputError, match="no model there"):
        resolve(tmp_path / "home")
    shutil.copyfile(pair[0], pair[0].parent / "second.gguf")
    with pytest.raises(InputError, match="2 GGUF files"):
        resolve(pair[0].parent)
    with pytest.raises(InputError, match=r"no layer\.json"):
        resolve(pair[0], tmp_path)


def test_assembling_is_done_once_and_recorded(home, pair, monkeypatch):
    base, layer = pair
    folder = assembled(base, layer)
    manifest = verify(folder)
    below, above = read_manifest(base.parent), read_manifest(layer)
    assert (manifest.kind, manifest.parents, manifest.name) == ("gguf", (below.id, above.id), "tiny+first")
    said = describe(folder / "model.gguf")
    assert said.metadata["rumpun.id"] == manifest.id == folder.name
    assert said.metadata["rumpun.parents"] == [below.id, above.id]
    assert said.name == "tiny+first"
    assert {path.stem for path in (folder / "lineage").iterdir()} == {below.id, above.id}
    monkeypatch.setattr(assembling, "_assemble", lambda *_: pytest.fail("assembled again"))
    assert assembled(base, layer) == folder


def test_its_lineage_holds_where_the_base_and_the_layer_are_gone(home, pair):
    folder = assembled(*pair)
    for path in (pair[0].parent, pair[1]):
        shutil.rmtree(path)
    found = walk(folder)
    assert found.complete
    assert len(found.nodes) == 3


def test_another_layer_or_quantisation_is_another_file(home, pair, tmp_path):
    base, layer = pair
    first = assembled(base, layer)
    assert assembled(base, layer, quantisation="Q4_0") != first
    assert assembled(base, tiny_layer(tmp_path / "second", base, seed=5)) != first


def test_a_layer_without_a_manifest_can_be_tried(home, pair):
    (pair[1] / MANIFEST).unlink()
    folder = assembled(*pair)
    assert walk(folder).complete


def test_a_layer_for_another_base_is_refused(home, pair, tmp_path):
    other = tiny_base(tmp_path / "other", seed=9) / "base.gguf"
    with pytest.raises(InputError, match="base"):
        resolve(other, pair[1])
    assert not list((home / "cache" / "assembled").glob("[0-9a-f]*"))


@pytest.mark.parametrize("name", ["layer.safetensors", "layer.json"])
def test_a_damaged_layer_is_refused_by_name(home, pair, name):
    path = pair[1] / name
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        assembled(*pair)


def test_a_cut_assembled_file_is_made_again(home, pair):
    folder = assembled(*pair)
    (folder / "model.gguf").write_bytes(b"GGUF")
    assert verify(assembled(*pair)).id == folder.name


def make(base, layer, ready, made):
    original = assembling._assemble

    def counted(*arguments):
        made.put(os.getpid())
        original(*arguments)

    assembling._assemble = counted
    ready.wait()
    assembled(base, layer)


def test_of_two_processes_one_assembles(home, pair):
    context = multiprocessing.get_context("spawn")
    ready, made = context.Barrier(2), context.Queue()
    children = [context.Process(target=make, args=(*pair, ready, made), daemon=True) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    made.get(timeout=5)
    assert made.empty()


def test_too_little_disk_is_said_before_assembling(home, pair, monkeypatch):
    from rumpun.errors import EnvironmentFault

    usage = shutil.disk_usage
    monkeypatch.setattr(assembling.shutil, "disk_usage", lambda path: usage(path)._replace(free=10))
    with pytest.raises(EnvironmentFault, match="assembling needs"):
        assembled(*pair)


def test_an_engine_is_opened_and_talks(home, pair):
    engine = open_engine(pair[0], layer=pair[1], context_tokens=256, slots=1, threads=1)
    try:
        about = engine.about()
        assert (about.name, about.engine) == ("tiny+first", "llamacpp")
    finally:
        engine.close()


def test_a_model_is_friendly(home, pair):
    with Model.load(pair[0], context_tokens=256, slots=1) as model:
        assert model.about.name == "tiny"
        assert model.count_tokens("ຊາວບ້ານປູກເຂົ້າ") > 3
        asked = {"max_tokens": 8, "temperature": 0.0}
        answer = model.chat("Apa kabar?", **asked)
        assert answer == model.chat([{"role": "user", "content": "Apa kabar?"}], **asked)
        assert answer == model.chat([Message("user", "Apa kabar?")], **asked)
        assert "".join(model.stream("Apa kabar?", **asked)) == answer
        assert isinstance(model.complete("Bambu", **asked), str)
        assert model.score("sungai", "tepi ").logprob < 0


def test_model_is_public():
    assert rumpun.Model is Model


def test_a_foreign_file_is_refused(home, tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match="not a GGUF"):
        open_engine(path)


def test_a_damaged_layer_is_refused_cold_and_warm(home, pair, tmp_path):
    base, layer = pair
    manifest = Manifest(
        kind="layer", id="b" * 32, name="first", maker=Maker(step="t", version=1, params={}, rumpun="0")
    )
    write_manifest(layer, manifest)
    spoilt = tmp_path / "spoilt"
    shutil.copytree(layer, spoilt)
    path = spoilt / "layer.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"layer\.safetensors: damaged"):
        assembled(base, spoilt)
    good = assembled(base, layer)
    with pytest.raises(InputError, match=r"layer\.safetensors: damaged"):
        assembled(base, spoilt)
    assert assembled(base, layer) == good


def test_a_served_models_name_leads_to_it(home, pair):
    folder = assembled(*pair)
    name = read_manifest(folder).name
    assert locate(name) == folder
    assert resolve(name).path == folder / "model.gguf"


def test_an_assembled_file_names_its_sources_itself(home, pair, tmp_path):
    folder = assembled(*pair)
    copy = tmp_path / "elsewhere.gguf"
    shutil.copyfile(folder / "model.gguf", copy)
    assert sources_of_gguf(copy) == read_manifest(folder).sources
    assert sources_of_gguf(pair[0]) == ()


def test_a_copied_file_is_verified_by_its_own_bytes(home, pair, tmp_path):
    folder = assembled(*pair)
    copy = tmp_path / "elsewhere.gguf"
    shutil.copyfile(folder / "model.gguf", copy)
    key = read_manifest(folder).id
    verify_file(copy, walk(copy, id=key))
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    with pytest.raises(InputError, match=r"elsewhere\.gguf: sha256"):
        verify_file(copy, walk(copy, id=key))
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="not verified"):
        verify_file(copy, walk(copy, id=key))
