"""Cards of a written corpus: complete for every language, sound for other people's readers, and harmless."""

import csv
import io
import json
import re
import struct

import pytest
from mixworld import FORMS, Stages, document, documents
from world import several

from rumpun.corpus.cards import render
from rumpun.corpus.cards.croissant import problems
from rumpun.corpus.cards.data_card import front_matter
from rumpun.corpus.cards.eu_summary import PROVIDER
from rumpun.corpus.cards.facts import FATES, fate, read_facts
from rumpun.corpus.cards.licence_report import commercial, conflicts, licence_rows
from rumpun.corpus.cards.markdown import escape, size
from rumpun.corpus.filter.params import FilterParams
from rumpun.errors import InputError
from rumpun.language.tables import WORKING
from rumpun.records.artefacts import read_manifest

pytest.importorskip("altair", reason="altair is not installed (make dev)")
EVIL = "evil|<script>alert(1)</script>"
CARD = {
    "title": "Cards' <b>test</b> | corpus", "description": "Written for this test.", "creator": "Nobody",
    "url": "https://example.org/corpus", "version": "1.2.0", "collected_from": "2026-01-01", "collected_to": "2026-06-30",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder of a corpus, its stages): several languages, licences and outcomes, one source with a wicked name."""
    patch = pytest.MonkeyPatch()
    patch.setenv("RUMPUN_WORKERS", "1")
    patch.setenv("RUMPUN_ENGINE", "native")
    rows = documents("news", "id", 30) + documents("more", "id", 10, first=400, licence="CC-BY-SA-4.0")
    rows += documents("news", "th", 20) + documents("kamus-mt", "th", 8, first=300, licence="CC0-1.0")
    rows += documents("forum", "en", 12, domain="forum") + documents(
        EVIL, "en", 5, first=700, contributor="Siti"
    )
    rows += documents("closed", "my", 6, licence="CC-BY-NC-SA-4.0")
    for n, (rule, value) in enumerate(
        [("near.duplicate", 0.9), ("language.other", None), ("toxicity.score", 0.8), ("figures.letters", 0.2)]
    ):
        rows[n]["decision"] = {"kept": False, "rule": rule, "value": value, "failed": [rule]}
    masked = [{"start": 0, "end": 5, "with": "<EMAIL>", "rule": "personal.EMAIL"}]
    rows[9]["decision"] = {"edits": masked}
    stages = Stages(tmp_path_factory.mktemp("cards"), rows)
    stages.mix(held_out_sources={"id": ["more"]}, held_out_documents_per_language=5, max_per_language=4000)
    yield stages.write(card=CARD), stages
    patch.undo()


def text_of(made, name):
    return (made[0] / "cards" / name).read_text(encoding="utf-8")


def test_every_file_is_there_and_rendering_again_gives_the_same(made, tmp_path):
    folder, _ = made
    files = {p.relative_to(folder / "cards").as_posix() for p in (folder / "cards").rglob("*") if p.is_file()}
    plots = {
        f"plots/{n}.{e}"
        for n in ("languages", "fates", "reasons", "removed", "sources", "mixture")
        for e in ("svg", "png")
    }
    assert files == plots | {
        "README.md", "croissant.json", "licences.md", "licences.json", "eu_summary.md", "counts.csv", "index.html",
    }  # fmt: skip
    again = render(folder, tmp_path / "again")
    assert {p.relative_to(tmp_path / "again").as_posix() for p in again} == files
    for name in ("licences.json", "counts.csv", "plots/fates.svg", "plots/languages.png"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / "cards" / name).read_bytes()
    with pytest.raises(InputError, match="inside the corpus"):
        render(folder, folder / "cards")


def test_every_working_language_has_a_row_with_data_or_without(made):
    card, page = text_of(made, "README.md"), text_of(made, "index.html")
    table = card.split("## Languages")[1].split("##")[0]
    for tag in WORKING:
        assert re.search(rf"^\| {tag} \|", table, re.MULTILINE), tag
        assert f'<span class="soft">{tag}</span>' in page
    row = next(line for line in table.splitlines() if line.startswith("| km |"))
    assert row.replace("|", "").split() == ["km", "Khmer"]


def test_the_front_matter_is_yaml_that_the_hub_knows(made):
    yaml = pytest.importorskip("yaml")
    card = text_of(made, "README.md")
    _, head, _ = card.split("---\n", 2)
    found = yaml.safe_load(head)
    assert found == json.loads(json.dumps(front_matter(read_facts(made[0], read_manifest(made[0])))))
    assert {
        "language",
        "license",
        "pretty_name",
        "size_categories",
        "task_categories",
        "configs",
        "dataset_info",
    } <= set(found)
    assert found["license"] == ["cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0"]
    for config in found["configs"]:
        for file in config["data_files"]:
            assert (made[0] / file["path"]).is_file()
    splits = {item["name"]: item["num_examples"] for item in found["dataset_info"]["splits"]}
    rows = read_manifest(made[0]).summary["rows"]
    assert splits == {"train": rows["train"], "test": rows["held_out"]}


def test_the_counts_add_up_to_every_row_that_was_read(made):
    rows = list(csv.DictReader(io.StringIO(text_of(made, "counts.csv"))))
    summary = read_manifest(made[0]).summary["rows"]
    assert sum(int(row["documents"]) for row in rows) == summary["read"] == len(made[1].rows)
    by_outcome = {}
    for row in rows:
        by_outcome[row["outcome"]] = by_outcome.get(row["outcome"], 0) + int(row["documents"])
    assert by_outcome == {"train": summary["train"], "heldout": summary["held_out"], **summary["dropped"]}
    assert {row["fate"] for row in rows} <= set(FATES)
    assert any(row["class"] == "web" and row["source"] == "forum" for row in rows)


def test_a_rule_s_group_is_known_for_every_rule_of_the_filter():
    import tomllib
    from pathlib import Path

    import rumpun.corpus.filter

    raw = tomllib.loads(
        (Path(rumpun.corpus.filter.__file__).parent / "rules.toml").read_text(encoding="utf-8")
    )
    names = re.findall(r"'name': '([a-z_]+\.[a-z_]+)'", str(raw))
    assert names
    assert fate("near.duplicate") == fate("exact.duplicate") == "duplicate"
    assert fate("heldout.overlap") == fate("mixture.budget") == "left over"
    assert fate("licence.terms") == "unreadable, licence, withdrawn"
    assert {fate(name) for name in names} <= set(FATES[2:])
    assert FilterParams is not None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib, inside mlcroissant
def test_croissant_is_sound_for_its_own_reader_and_for_ours(made, tmp_path):
    mlc = pytest.importorskip("mlcroissant")
    folder, _ = made
    document_ = json.loads(text_of(made, "croissant.json"))
    assert problems(document_, folder) == []
    import shutil

    place = tmp_path / "published"
    shutil.copytree(folder, place)
    shutil.copy(folder / "cards" / "croissant.json", place / "croissant.json")
    dataset = mlc.Dataset(str(place / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    got = [row["train-th/text"].decode() for row in dataset.records("train-th")]
    import pyarrow.parquet as pq

    assert got == pq.read_table(folder / "train" / "th.parquet")["text"].to_pylist()
    assert "http://mlcommons.org/croissant/1.1" in document_["conformsTo"]
    assert {entry["prov:label"] for entry in document_["prov:wasDerivedFrom"]} >= {"news", "forum", EVIL}
    assert all(
        document_[f"rai:{name}"]
        for name in ("dataCollection", "dataLimitations", "dataBiases", "personalSensitiveInformation")
    )
    offers = {offer["sc:license"]: offer for offer in document_["usageInfo"]}
    assert {duty["odrl:action"]["@id"] for duty in offers["https://spdx.org/licenses/CC-BY-SA-4.0"]["odrl:permission"]["odrl:duty"]} == {
        "cc:Attribution", "cc:ShareAlike",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda d: d.pop("name"), "no name"),
        (lambda d: d.update(conformsTo=["http://mlcommons.org/croissant/1.0"]), "conformsTo lacks"),
        (lambda d: d["distribution"][0].update(sha256="0" * 64), "another file than described"),
        (lambda d: d["distribution"][0].update(sha256="xyz"), "is no sha256"),
        (lambda d: d["distribution"][0].update(contentUrl="gone.parquet"), "is not there"),
        (lambda d: d["recordSet"][1]["field"][0].update(dataType="sc:Txt"), "dataType 'sc:Txt'"),
        (
            lambda d: d["recordSet"][1]["field"][0]["source"]["extract"].update(column="ident"),
            "has no column ident",
        ),
        (
            lambda d: d["recordSet"][1]["field"][0]["source"].update(fileObject={"@id": "nowhere"}),
            "nothing has this id",
        ),
        (
            lambda d: d["recordSet"][1]["field"][1].update({"@id": d["recordSet"][1]["field"][0]["@id"]}),
            "two things",
        ),
        (lambda d: d.update(version="one"), "not MAJOR.MINOR.PATCH"),
    ],
)
def test_what_is_wrong_with_a_description_is_said(made, harm, said):
    found = json.loads(text_of(made, "croissant.json"))
    harm(found)
    assert any(said in problem for problem in problems(found, made[0]))


def test_a_non_commercial_row_never_passes_and_share_alike_travels(made):
    folder, _ = made
    facts = read_facts(folder, read_manifest(folder))
    rows = {row["licence"]: row for row in licence_rows(facts)}
    assert set(rows) == {"CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0"}
    assert all(row["commercial"] and row["may_be_shipped"] for row in rows.values())
    assert rows["CC-BY-SA-4.0"]["share_alike"]
    assert rows["CC0-1.0"]["obligations"] == []
    assert not any("CC-BY-NC-SA-4.0" in entry.licence for entry in facts.manifest.sources if entry.rows)
    assert read_manifest(folder).summary["rows"]["dropped"]["licence.terms"] == 6
    report = text_of(made, "licences.md")
    assert "Share-alike travels" in report
    assert "under CC-BY-SA-4.0" in report


def test_licences_that_do_not_go_together_are_named():
    assert conflicts(["CC-BY-4.0", "CC0-1.0", "CC-BY-SA-4.0"]) == []
    assert "does not allow" in conflicts(["CC-BY-NC-4.0"])[0]
    assert any("may not be made from both" in said for said in conflicts(["CC-BY-SA-4.0", "MPL-2.0"]))
    assert not commercial("CC-BY-NC-SA-4.0")
    assert not commercial("LicenseRef-nobody-knows")
    assert commercial("CC-BY-NC-4.0 OR CC-BY-4.0")


def test_the_eu_summary_has_its_three_sections_and_marks_what_it_cannot_know(made):
    said = text_of(made, "eu_summary.md")
    for head in ("## 1. General information", "## 2. List of data sources", "## 3. Data processing aspects"):
        assert head in said
    for number in ("1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "3.1", "3.2"):
        assert f"### {number} " in said
    assert said.count(PROVIDER) >= 8
    assert "forum.example.org" in said
    assert "news.example.org" not in said.split("### 2.3")[1].split("### 2.4")[0]
    assert "Machine translation" in said
    assert "2026-06-30" in said


def test_no_source_writes_html_or_markdown_into_a_card_and_the_page_loads_nothing(made):
    page, card = text_of(made, "index.html"), text_of(made, "README.md")
    assert "<script" not in page
    from markdown_it import MarkdownIt

    for text in (card.split("---\n", 2)[2], text_of(made, "licences.md"), text_of(made, "eu_summary.md")):
        shown = MarkdownIt("commonmark").enable("table").render(text)
        assert "<script" not in shown
        assert "&lt;script&gt;" in shown
    assert "&lt;script&gt;" in page
    assert "Cards&#39; &lt;b&gt;test&lt;/b&gt;" in page
    assert not re.search(r'(?:src|href)\s*=\s*"(?!data:)', page)
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert escape("a|b\n<c>") == r"a\|b \<c\>"


def test_pictures_have_words_and_are_what_their_endings_say(made):
    page = text_of(made, "index.html")
    words = re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)"', page)
    assert len(words) == 6
    assert len(page) < 900_000  # a telephone loads it too
    assert all(len(said) > 30 for said in words)
    for path in (made[0] / "cards" / "plots").iterdir():
        data = path.read_bytes()
        if path.suffix == ".png":
            assert data[:8] == b"\x89PNG\r\n\x1a\n"
            width, height = struct.unpack(">II", data[16:24])
            assert 600 < width < 1400
            assert height > 200
            assert len(data) < 150_000
            assert data.count(b"IDAT") == 1
        else:
            assert data.lstrip().startswith(b"<svg")
            assert b"http" not in re.sub(rb'xmlns(:xlink)?="[^"]+"', b"", data)


def test_sizes_are_told_in_the_unit_that_suits_them():
    assert [size(n) for n in (0, 963, 12_400, 1_300_000_000)] == ["0 bytes", "963 bytes", "12.4 kB", "1.3 GB"]


def test_a_corpus_without_figures_says_what_is_missing(made, tmp_path):
    import shutil

    place = tmp_path / "old"
    shutil.copytree(made[0], place)
    (place / "figures.json").unlink()
    with pytest.raises(InputError, match="no figures there"):
        render(place, tmp_path / "out")


def test_a_corpus_of_one_language_and_nothing_removed_has_whole_cards(tmp_path, monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "1")
    stages = Stages(
        tmp_path, [document("s", "id", text, n) for n, text in enumerate(several(FORMS["id"], 4))]
    )
    stages.mix(held_out_documents_per_language=0)
    folder = stages.write()
    assert problems(json.loads((folder / "cards" / "croissant.json").read_text()), folder) == []
    assert "Nothing was removed" in (folder / "cards" / "README.md").read_text()


def test_control_characters_in_names_do_not_stop_the_pictures(tmp_path):
    from rumpun.corpus.cards.plots import _drawable

    told = {
        "title": "sr\u0001c",
        "data": ["\x1b[1m", "\ufffe", "ab\tကခ\U0001f33e", 3, None, {"a\u0001": True}],
    }
    assert _drawable(told) == {
        "title": "sr\ufffdc",
        "data": ["\ufffd[1m", "\ufffd", "ab\tကခ\U0001f33e", 3, None, {"a\u0001": True}],
    }
