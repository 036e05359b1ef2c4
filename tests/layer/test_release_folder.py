"""A release holds what it promises and stands only when it is whole; what may not be given away leaves nothing behind."""

import hashlib
import subprocess
import sys
import time

import msgspec
import pytest
import yaml
from released import NEWS, artefact, released, rewrite, store_of

from rumpun.errors import InputError, UsageError
from rumpun.layer.release_folder import read_forms
from rumpun.layer.release_pages import hub_readme
from rumpun.layer.release_verify import verify_release
from rumpun.records.artefacts import Maker, Manifest, SourceEntry, read_manifest, write_manifest
from rumpun.records.copies import copies, keep_copy, read_copy
from rumpun.records.lineage import verify_lineage, walk
from rumpun.weights.gguf_file import describe, read_gguf
from rumpun.weights.layer_file import LayerSpec, read_layer


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(release's folder, what was said of it, the layer's own folder, base)."""
    place = tmp_path_factory.mktemp("made")
    layer, base = store_of(place, tokens=("kampung", "sungai"))
    told = released(
        layer, base, place / "out" / "first", name="first", forms=("Q8_0", "F16"), with_merged=True
    )
    return place / "out" / "first", told, layer, base


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_release_holds_everything_that_it_promises(made):
    folder, told, layer, _ = made
    stages = {letter * 32 for letter in "acde"}
    assert names(folder) == {
        "layer.json", "layer.safetensors", "tokenizer.json", "tokenizer_config.json", "manifest.json",
        "CARD.md", "DATA.md", "LICENCES.md", "README.md", "SHA256SUMS", "key.pub",
        "first-Q8_0.gguf", "first-F16.gguf", "lineage/release.intoto.jsonl",
        *(f"merged/{name}" for name in ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")),
        *(f"lineage/{stage}.{end}" for stage in stages for end in ("json", "intoto.jsonl")),
    }  # fmt: skip
    assert (told.files, told.stages, told.sources) == (len(names(folder)), 4, 4)
    assert told.bytes == sum((folder / name).stat().st_size for name in names(folder))
    assert told.licences == ("Apache-2.0", "CC-BY-SA-4.0", "CC0-1.0")
    for name in ("layer.json", "layer.safetensors"):
        assert (folder / name).read_bytes() == (layer / name).read_bytes()
    for stage in stages:
        assert (folder / "lineage" / f"{stage}.json").read_bytes() == (
            layer.parent / stage / "manifest.json"
        ).read_bytes()


@pytest.mark.parametrize("packed", [True, False])
def test_what_a_layer_brings_of_its_lineage_stays_as_it_came_and_lies_open(tmp_path, packed):
    """Of a layer that came with redacted copies, the store's own manifests of the same stages tell nothing more."""
    layer, base = store_of(tmp_path)
    stages = [letter * 32 for letter in "cd"]
    for stage in stages:
        keep_copy(read_manifest(layer.parent / stage), layer, stage, packed=packed)
    redacted = msgspec.structs.replace(read_manifest(layer.parent / stages[0]), name="redacted")
    keep_copy(redacted, layer, stages[0], packed=packed)
    write_manifest(layer, msgspec.structs.replace(read_manifest(layer), files=()))
    told = released(layer, base, tmp_path / "out" / "first", forms=())
    folder = tmp_path / "out" / "first"
    assert {path.name for path in copies(folder)} == {
        *(f"{letter * 32}.json" for letter in "acde"), *(path.name for path in copies(layer))
    }  # fmt: skip
    assert read_manifest(layer.parent / stages[0]).name == "corpus-c"
    assert read_copy(folder / "lineage" / f"{stages[0]}.json").name == "redacted"
    assert verify_release(folder).stages == told.stages == 4


def test_its_forms_are_models_with_the_layers_words_and_sources(made):
    folder, _, layer, base = made
    rows = len(read_gguf(base).get("tokenizer.ggml.tokens"))
    for form in ("Q8_0", "F16"):
        path = folder / f"first-{form}.gguf"
        assert describe(path).quantisation == form
        file = read_gguf(path)
        assert file.get("tokenizer.ggml.tokens")[rows:] == ["kampung", "sungai"]
        assert file.get("rumpun.parents") == ["a" * 32]
        assert file.get("general.license") == "Apache-2.0 AND CC-BY-SA-4.0 AND CC0-1.0"
    assert read_layer(folder)[0] == read_layer(layer)[0]


def test_its_tokenizer_knows_the_added_words(made):
    from tokenizers import Tokenizer

    folder, _, _, base = made
    rows = len(read_gguf(base).get("tokenizer.ggml.tokens"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == rows + 2
    assert tokenizer.id_to_token(rows) == "kampung"


def test_sha256sum_itself_takes_the_sums(made):
    folder, _, _, _ = made
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {line.rpartition(": ")[0] for line in done.stdout.splitlines()} == names(folder) - {"SHA256SUMS"}


def test_the_readme_is_the_card_under_a_head_that_a_hub_reads(made):
    folder, _, _, _ = made
    _, head, card = (folder / "README.md").read_text().split("---\n", 2)
    assert card.strip() == (folder / "CARD.md").read_text().strip()
    facts = yaml.safe_load(head)
    assert facts["license"] == "other"
    assert (folder / facts["license_link"]).is_file()
    assert facts["base_model"] == "someone/Tiny"
    assert (facts["language"], facts["datasets"]) == (["th", "id"], ["news"])
    assert {"rumpun", "gguf"} <= set(facts["tags"])


def test_the_card_takes_its_figures_from_the_measurement_beside_the_layer(made):
    folder, _, _, _ = made
    card = (folder / "CARD.md").read_text()
    assert "| th | 1.500 | 1.000 | -0.600 to -0.400 | 4 | 99 | better than the base |" in card
    assert "| Optimiser steps | 7 |" in card
    assert "e" * 32 in card
    assert "Data of first" in (folder / "DATA.md").read_text()


def test_the_licences_name_whom_to_name_and_leave_out_what_only_measured(made):
    folder, _, _, _ = made
    page = (folder / "LICENCES.md").read_text()
    assert "| share-alike | CC-BY-SA-4.0 |" in page
    assert "| news | text | CC-BY-SA-4.0 | <https://example.org/news> | abc |" in page
    assert "| CC0-1.0 | Creative Commons Zero 1.0 | held-out text | none |" in page
    assert "| held |" not in page
    assert "CC-BY-NC-4.0" not in page


def test_its_lineage_can_be_walked_and_hashed_where_the_store_is_gone(made, tmp_path, home):
    import shutil

    folder = shutil.copytree(made[0], tmp_path / "elsewhere" / "first")
    lineage = walk(folder)
    assert lineage.complete
    assert {source.name for source in lineage.sources} == {"news", "held", "tiny"}
    assert verify_lineage(lineage) == [str(folder)]
    for entry in read_manifest(folder).files:
        assert hashlib.sha256((folder / entry.path).read_bytes()).hexdigest() == entry.sha256


def test_a_release_of_a_releases_step_keeps_its_cards(made, tmp_path, home):
    """A release step's output: its own cards and title, the numbers of the layer under it."""
    layer, base = store_of(tmp_path)
    own = layer.parent / ("f" * 32)
    own.mkdir()
    for name in ("layer.json", "layer.safetensors"):
        (own / name).write_bytes((layer / name).read_bytes())
    (own / "CARD.md").write_text("# The step's own card\n")
    (own / "DATA.md").write_text("# Its data\n")
    artefact(layer.parent, "layer", "f", "layer.release", ["c" * 32, "a" * 32, "e" * 32])
    told = released(own, base, tmp_path / "out", forms=())
    assert (tmp_path / "out" / "CARD.md").read_text() == "# The step's own card\n"
    assert (told.forms, told.stages) == ((), 5)
    assert told.licences == ("Apache-2.0", "CC-BY-SA-4.0", "CC0-1.0"), (
        "the benchmark is not behind the weights"
    )
    assert verify_release(tmp_path / "out").stages == 5


@pytest.mark.parametrize("licence", ["CC-BY-NC-4.0", "unknown", "LicenseRef-odd"])
def test_what_may_not_be_given_away_leaves_nothing(tmp_path, home, licence):
    closed = msgspec.structs.replace(NEWS, licence=licence)
    layer, base = store_of(tmp_path, news=closed)
    with pytest.raises(InputError, match=f"under {licence} stands behind") as caught:
        released(layer, base, tmp_path / "out" / "first")
    assert "exclude" in caught.value.hint
    assert not list((tmp_path / "out").glob("*first*"))


def test_a_missing_ancestor_is_named_and_leaves_nothing(tmp_path, home):
    layer, base = store_of(tmp_path)
    (layer.parent / ("d" * 32) / "manifest.json").unlink()
    with pytest.raises(InputError, match=f"its ancestor {'d' * 32} is missing"):
        released(layer, base, tmp_path / "out" / "first")
    assert not list((tmp_path / "out").glob("*first*"))


def test_a_damaged_layer_is_not_released(tmp_path, home):
    layer, base = store_of(tmp_path)
    with (layer / "layer.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x7f")
    with pytest.raises(InputError, match=r"layer\.safetensors: sha256"):
        released(layer, base, tmp_path / "first")


def test_a_chain_that_ends_in_nothing_is_refused(tmp_path, home):
    layer, base = store_of(tmp_path)
    rewrite(layer.parent / ("d" * 32) / "manifest.json", sources=(), licences=("CC-BY-SA-4.0", "CC0-1.0"))
    with pytest.raises(InputError, match=f"{'d' * 32}.json: neither a parent nor a source"):
        released(layer, base, tmp_path / "first")


def test_a_licence_lost_on_the_way_is_refused(tmp_path, home):
    layer, base = store_of(tmp_path)
    rewrite(layer.parent / ("c" * 32) / "manifest.json", licences=("CC0-1.0",))
    with pytest.raises(InputError, match=f"{'c' * 32}.json: the licence CC-BY-SA-4.0 .* is not in its set"):
        released(layer, base, tmp_path / "first")


def test_a_manifest_that_names_files_outside_its_folder_is_refused(tmp_path, home):
    layer, base = store_of(tmp_path)
    old = read_manifest(layer)
    entry = msgspec.structs.replace(old.files[0], path="../../store/" + "a" * 32 + "/layer.json")
    rewrite(layer / "manifest.json", files=(*old.files, entry))
    with pytest.raises(InputError, match="outside its folder"):
        released(layer, base, tmp_path / "first")


def test_a_layer_without_a_corpus_is_refused(tmp_path, home):
    layer, base = store_of(tmp_path)
    (layer.parent / ("e" * 32) / "manifest.json").unlink()
    rewrite(layer / "manifest.json", parents=())
    with pytest.raises(InputError, match="no corpus stands behind it"):
        released(layer, base, tmp_path / "first")


def test_a_layer_on_a_layer_goes_alone_and_not_as_a_model(tmp_path, home):
    from rumpun.weights.layer_file import write_layer

    layer, base = store_of(tmp_path)
    spec, tensors = read_layer(layer)
    write_layer(layer, msgspec.structs.replace(spec, stands_on="5" * 64), tensors)
    write_manifest(layer, msgspec.structs.replace(read_manifest(layer), files=()))
    for asked in ({}, {"forms": (), "with_merged": True}, {"forms": ("F16",)}):
        with pytest.raises(UsageError, match="stands on the layer 5555") as caught:
            released(layer, base, tmp_path / "first", **asked)
        assert "--method stack" in caught.value.hint
        assert '--forms ""' in caught.value.hint
        assert not (tmp_path / "first").exists()
    released(layer, base, tmp_path / "first", forms=())
    assert not (tmp_path / "first" / "tokenizer.json").exists()
    assert read_layer(tmp_path / "first")[0].stands_on == "5" * 64


@pytest.mark.parametrize("seen", ["layer.json", ".*Q8_0.gguf*", "*Q8_0.gguf", "lineage/*.intoto.jsonl"])
def test_a_release_that_is_killed_does_not_stand(tmp_path, home, seen):
    """Killed as soon as a part of it is there; then made again."""
    layer, base = store_of(tmp_path)
    target = tmp_path / "out" / "first"
    command = [
        sys.executable,
        "-m",
        "rumpun.cli",
        "layer",
        "release",
        str(layer),
        "--to",
        str(target),
        "--base",
        str(base),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(target.parent.glob(f".first-*/new/{seen}")):
        time.sleep(0.001)
    process.kill()
    process.wait()
    if target.exists():  # it was faster
        assert verify_release(target).stages == 4
        return
    assert released(layer, base, target).stages == 4
    assert verify_release(target).stages == 4


def test_what_stands_is_not_written_over(made, tmp_path):
    folder, _, layer, base = made
    before = (folder / "SHA256SUMS").read_bytes()
    from rumpun.layer.signing import make_key

    with pytest.raises(UsageError, match="there already"):
        released(layer, base, folder, key=make_key(tmp_path / "other.pem"))
    assert (folder / "SHA256SUMS").read_bytes() == before


def test_a_release_is_not_released_again(made, tmp_path):
    folder, _, _, base = made
    with pytest.raises(UsageError, match="a finished release already"):
        released(folder, base, tmp_path / "again")


def test_a_readmes_head_takes_nothing_odd_from_data(home):
    trained = Manifest(
        kind="layer", id="a" * 32, maker=Maker(step="layer.train", version=1, params={}, rumpun="0"), languages=("th", "no"),
        licences=("Apache-2.0",),
        sources=tuple(SourceEntry(name=name, licence="Apache-2.0") for name in ("plain", "a/b", "x\nlicense: mit", "- y", "a: b")),
    )  # fmt: skip
    spec = LayerSpec(base_name="tiny", base_sha256="b" * 64, rank=2, alpha=4.0, targets=("q_proj",))
    readme = hub_readme("# Card\n", trained, spec, forms=())
    _, head, card = readme.split("---\n", 2)
    assert yaml.safe_load(head) == {
        "language": ["th", "no"],
        "license": "apache-2.0",
        "datasets": ["a/b", "plain"],
        "tags": ["rumpun", "layer"],
    }
    assert card == "\n# Card\n"


def test_a_form_that_cannot_be_made_leaves_nothing(tmp_path, home):
    from tiny import tiny_gguf

    layer, _ = store_of(tmp_path)
    other = tiny_gguf(tmp_path / "other.gguf", 99)
    with pytest.raises(InputError, match="made for the base"):
        released(layer, other, tmp_path / "out" / "first")
    assert not list((tmp_path / "out").glob("*first*"))


@pytest.mark.parametrize(("text", "said"), [("Q8_0,Q3_X", "no quantisation 'Q3_X'"), ("F16,F16", "twice")])
def test_forms_that_cannot_be_meant(text, said):
    with pytest.raises(UsageError, match=said):
        read_forms(text)


def test_forms_are_read_as_they_stand():
    assert read_forms(" Q4_0, F16 ") == ("Q4_0", "F16")
    assert read_forms("") == ()


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "<b>"])
def test_names_that_are_no_file_names(tmp_path, home, name):
    layer, base = store_of(tmp_path)
    with pytest.raises(UsageError, match="--name"):
        released(layer, base, tmp_path / "first", name=name)
