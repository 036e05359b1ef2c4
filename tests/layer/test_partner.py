"""Private rows: what they make may leave, and no byte of them does."""

import json
import re
import tarfile
from pathlib import Path

import msgspec
import pytest

from rumpun.errors import InputError, UsageError
from rumpun.layer.partner.pack import pack
from rumpun.recipes import read_recipe
from rumpun.records.artefacts import Maker, Manifest, SourceEntry, read_manifest, write_manifest
from rumpun.records.lineage import ancestors, walk
from rumpun.records.private import is_private, must_stay, private_name, redacted
from rumpun.steps import plan, quiet, run

WORDS = [
    "padi",
    "bambu",
    "sungai",
    "kampung",
    "nenek",
    "pasar",
    "ikan",
    "jala",
    "perahu",
    "kebun",
    "cabai",
    "garam",
    "lesung",
    "tikar",
    "anyam",
    "sawah",
]
SECRET = "Zulfikarno menyimpan kunci besi kuningan di bawah tempayan Qanuriyah sejak malam keenam belas bulan purnama"
RECIPE = """
name = "partner"
seed = 7

[steps.documents]
uses = "corpus.read"
[steps.documents.with]
from_inventory = false
files = [
  {{ path = {private:?}, source = "private-1", private = true }},
  {{ path = {public:?}, source = "street-songs", licence = "CC0-1.0" }},
]
[steps.attributes]
uses = "corpus.tag"
needs = ["documents"]
with = {{ taggers = ["normalise", "figures", "minhash"] }}
[steps.links]
uses = "corpus.link"
needs = ["documents", "attributes"]
[steps.decisions]
uses = "corpus.filter"
needs = ["documents", "attributes", "links"]
[steps.mixture]
uses = "corpus.mix"
needs = ["documents", "attributes", "links", "decisions"]
[steps.mixture.with.held_out_sources]
id = ["street-songs"]
[steps.corpus]
uses = "corpus.write"
needs = ["documents", "attributes", "links", "decisions", "mixture"]
[steps.corpus.with.card]
title = "Rahasia Klinik Mutiara"
plots = false
[steps.layer]
uses = "layer.train"
needs = ["corpus"]
with = {{ base = "tiny", tokens = 1_024, sequence_tokens = 32, batch_sequences = 4, rank = 4, alpha = 8.0, epochs_max = 50.0 }}
[steps.repeats]
uses = "layer.repeats"
needs = ["corpus", "layer"]
with = {{ rows_max = 5, prefix_tokens = 8, continued_tokens = 8 }}
[steps.evaluate]
uses = "evaluate.bpb"
needs = ["corpus", "layer"]
"""


def sentence(number: int) -> str:
    picked = [WORDS[(number * 7 + n * n + n * number) % len(WORDS)] for n in range(14)]
    return f"{' '.join(picked).capitalize()} {' '.join(reversed(picked[:6]))}."


def ran(tmp_path: Path) -> tuple[Path, dict[str, Path]]:
    private, public = tmp_path / "pasien-mutiara-2026.jsonl", tmp_path / "songs.jsonl"
    rows = [
        {"id": f"rekam-medis-{n}", "text": f"{sentence(n)} {SECRET} {n}.", "language": "id", "licence": "CC-BY-4.0",
         "source": "Klinik Mutiara", "url": f"https://klinik-mutiara.example/{n}", "contributor": "suster-wulandari", "domain": "rahasia"}
        for n in range(30)
    ]  # fmt: skip
    private.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    public.write_text(
        "".join(json.dumps({"text": sentence(n + 100), "language": "id"}) + "\n" for n in range(8)), encoding="utf-8"
    )  # fmt: skip
    recipe = tmp_path / "run.toml"
    text = RECIPE.replace("{private:?}", json.dumps(str(private))).replace(
        "{public:?}", json.dumps(str(public))
    )
    recipe.write_text(text.replace("{{", "{").replace("}}", "}"), encoding="utf-8")
    return recipe, run(read_recipe(recipe), tmp_path / "store", progress=lambda _: quiet)


@pytest.fixture(scope="module")
def partner(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUMPUN_DEVICE", "cpu")
        return ran(tmp_path_factory.mktemp("partner"))


def telltales() -> list[bytes]:
    """Every word of the rows that is not a common one, runs of words of the secret, and the names around them."""
    words = SECRET.split()
    runs = [" ".join(words[n : n + 2]) for n in range(len(words) - 1)]
    names = [
        "mutiara",
        "pasien",
        "rekam-medis",
        "wulandari",
        "rahasia",
        "Klinik",
        "songs.jsonl",
        "klinik-mutiara.example",
    ]
    return [text.lower().encode() for text in (*runs, "zulfikarno", "qanuriyah", *names)]


def test_nothing_of_the_rows_is_in_what_leaves(partner: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    _, made = partner
    telling = (made["documents"] / "sources.json").read_bytes().lower()
    assert b"pasien" in telling  # the search below finds such things where they are
    packed = pack(made["layer"], tmp_path / "layer.tar")
    assert not packed.warnings
    assert packed.private_sources == 1
    whole = (tmp_path / "layer.tar").read_bytes().lower()
    for text in telltales():
        assert text not in whole, text
    for file in made["layer"].rglob("*"):  # the layer's own folder too, as it lies in the store
        if file.is_file():
            content = file.read_bytes().lower()
            for text in telltales():
                assert text not in content, (file.name, text)


def test_what_leaves_is_a_layer_with_a_lineage(partner: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    _, made = partner
    pack(made["layer"], tmp_path / "layer.tar")
    with tarfile.open(tmp_path / "layer.tar") as tar:
        tar.extractall(tmp_path / "away", filter="data")
    folder = tmp_path / "away" / "layer"
    manifest = read_manifest(folder)
    assert manifest.id == read_manifest(made["layer"]).id
    private = next(source for source in manifest.sources if source.name == "private-1")
    assert private.licence == "CC-BY-4.0"
    assert private.rows > 0
    assert re.fullmatch("[0-9a-f]{64}", private.sha256)
    assert manifest.summary["steps"] == 8
    assert manifest.summary["redacted"] > 0
    assert walk(folder).complete
    assert [item.id for item, _ in ancestors([folder])]  # a release may be made of it
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    assert "| trained on | 5 | 8 | 8 |" in card
    assert "Nothing here is a proof of privacy" in card


def test_the_same_layer_gives_the_same_bytes(partner: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    _, made = partner
    for name in ("one.tar", "two.tar"):
        pack(made["layer"], tmp_path / name)
    with tarfile.open(tmp_path / "one.tar") as one, tarfile.open(tmp_path / "two.tar") as two:
        assert one.getnames() == two.getnames()
        assert {(entry.mtime, entry.uid, entry.uname) for entry in one} == {(0, 0, "")}


def test_a_release_of_private_rows_is_refused(partner: tuple[Path, dict[str, Path]]) -> None:
    _, made = partner
    with pytest.raises(InputError, match="private rows stand behind it") as caught:
        list(ancestors([made["layer"]]))
    assert "rumpun layer return" in caught.value.hint


def test_no_vocabulary_from_private_rows(partner: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    from rumpun.layer.params import ExtendParams
    from rumpun.layer.vocabulary.extend import extend_files

    with pytest.raises(UsageError, match="spelt out in the layer"):
        extend_files([partner[1]["corpus"]], [], ExtendParams(), tmp_path, quiet)


def test_a_public_layer_is_not_returned(tmp_path: Path) -> None:
    maker = Maker(step="layer.train", version=1, params={}, rumpun="0")
    write_manifest(tmp_path, Manifest(kind="layer", id="a" * 32, maker=maker))
    with pytest.raises(UsageError, match="no private rows"):
        pack(tmp_path, tmp_path / "layer.tar")
    assert not (tmp_path / "layer.tar").exists()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ('{ path = "a.jsonl", source = "klinik", private = true }', "a name that tells nothing"),
        ('{ path = "a.jsonl", private = true }', "a name that tells nothing"),
        ('{ path = "a.jsonl", source = "private-1" }', "without private = true"),
    ],
)
def test_private_files_have_a_name_that_tells_nothing(tmp_path: Path, files: str, said: str) -> None:
    recipe = tmp_path / "run.toml"
    recipe.write_text(
        f'name = "x"\n[steps.d]\nuses = "corpus.read"\nwith = {{ from_inventory = false, files = [{files}] }}\n'
    )
    with pytest.raises(UsageError, match=said):
        plan(read_recipe(recipe), tmp_path / "store")


def test_an_error_shows_no_private_row(tmp_path: Path) -> None:
    path = tmp_path / "pasien.jsonl"
    path.write_text(
        json.dumps({"text": SECRET, "language": "id"}) + "\n" + SECRET + "\n"
    )  # no licence; no JSON
    recipe = tmp_path / "run.toml"
    recipe.write_text(
        'name = "x"\n[steps.d]\nuses = "corpus.read"\n[steps.d.with]\nfrom_inventory = false\n'
        f'files = [{{ path = {json.dumps(str(path))}, source = "private-1", private = true }}]\n'
    )
    with pytest.raises(InputError) as caught:
        run(read_recipe(recipe), tmp_path / "store", progress=lambda _: quiet)
    said = f"{caught.value.message} {caught.value.hint}"
    assert "licence.none" in said
    assert "pasien" not in said
    assert not any(word in said for word in SECRET.split() if len(word) > 5)


def test_what_is_not_on_the_list_is_withheld() -> None:
    manifest = Manifest(
        kind="corpus",
        id="b" * 32,
        name="Klinik",
        maker=Maker(step="corpus.write", version=1, rumpun="0", params={
            "rank": 4, "path": "/home/budi/x", "held_out_sources": {"id": ["private-1"]}, "targets": ["q_proj", "budi"], "new": 1,
        }),
        sources=(
            SourceEntry(name="private-1", licence="CC0-1.0", url="https://x.example", commit="abc", sha256="c" * 64, rows=3),
            SourceEntry(name="open", licence="CC0-1.0", url="https://open.example"),
        ),
        languages=("id",),
        summary={"rows": {"train": 3, "Budi": 1}, "languages": {"id": {"documents": 3}}, "note": "Budi"},
    )  # fmt: skip
    clean = redacted(manifest)
    assert clean.maker.params == {"rank": 4, "targets": ["q_proj"]}
    assert clean.summary == {"rows": {"train": 3}, "languages": {"id": {"documents": 3}}, "redacted": 6}
    assert clean.sources[0] == msgspec.structs.replace(manifest.sources[0], url="", commit="")
    assert clean.sources[1] == manifest.sources[1]
    must_stay(clean, "x")
    with pytest.raises(InputError):
        must_stay(manifest, "x")


def test_names() -> None:
    assert private_name("private-1")
    assert not private_name("private-Klinik Mutiara")
    assert not private_name("clinic")
    maker = Maker(step="s", version=1, params={}, rumpun="0")
    assert not is_private(Manifest(kind="corpus", id="d" * 32, maker=maker))


def test_a_hit_is_what_greedy_decoding_says(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from rumpun.layer.partner.repeats import RepeatsParams, _Asking
    from rumpun.layer.tiny_base import write_tiny_base
    from rumpun.weights.folder import write_folder

    write_folder(write_tiny_base(tmp_path / "base.gguf", 3), tmp_path / "folder")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "folder", dtype=torch.float32)
    begun = torch.tensor([[1, 5, 9, 14]])
    whole = model.generate(
        begun,
        max_new_tokens=6,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        attention_mask=torch.ones_like(begun),
    )[0].tolist()
    asking = _Asking(tmp_path / "folder", RepeatsParams(), quiet)
    assert asking._hits(whole, 6) == [True] * 6
    other = [*whole[:-1], whole[-1] + 1]
    assert asking._hits(other, 6) == [True] * 5 + [False]
