"""`rumpun corpus` as people type it: build, index, trace, show and take back, each in a process of its own.

The texts are written for this test and not reviewed by native speakers.
"""

import json
import shutil
from pathlib import Path

import pytest
from commands import refused, rumpun, said

pytest.importorskip("pyarrow", reason="pyarrow is not installed (make dev)")

GARDEN = [
    ("kebun", "id", "", "Nenek menanam jahe dan kunyit di belakang rumah sejak lama sekali."),
    ("kebun", "id", "", "Anak-anak membaca buku-buku tua di perpustakaan desa setiap hari Sabtu."),
    ("dapur", "id", "Siti", "Siti memasak rendang dengan api kecil selama empat jam penuh merah."),
    ("dapur", "id", "Siti", "Resep sambal dari ibu memakai cabai rawit, terasi dan sedikit gula aren."),
    ("kebun", "id", "", "Resep sambal dari ibu memakai cabai rawit, terasi dan sedikit gula aren."),
    ("suan", "th", "Malee\x1b[31m", "ยายปลูกขิงและขมิ้นไว้หลังบ้านมานานแล้ว"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def run(home, *arguments, **options):
    return rumpun(
        "corpus", *arguments, environment={"RUMPUN_HOME": str(home), "RUMPUN_WORKERS": "1"}, **options
    )


@pytest.fixture(scope="module")
def recipe(home):
    rows = [
        {
            "id": f"row-{n}",
            "text": text,
            "language": language,
            "source": source,
            "licence": "CC-BY-4.0",
            "contributor": by,
        }
        for n, (source, language, by, text) in enumerate(GARDEN)
    ]
    (home / "rows.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    (home / "other.toml").write_text('name = "other"\n[steps.lid]\nuses = "corpus.read"\n', encoding="utf-8")
    path = home / "garden.toml"
    path.write_text(
        f"""name = "garden"
[steps.documents]
uses = "corpus.read"
with = {{ from_inventory = false, files = [{{ path = "{home}/rows.jsonl" }}] }}
[steps.attributes]
uses = "corpus.tag"
needs = ["documents"]
with = {{ taggers = ["normalise", "language", "figures", "minhash"] }}
[steps.links]
uses = "corpus.link"
needs = ["documents", "attributes"]
[steps.decisions]
uses = "corpus.filter"
needs = ["documents", "attributes", "links"]
with = {{ other_language = "keep" }}
[steps.mixture]
uses = "corpus.mix"
needs = ["documents", "attributes", "decisions"]
with = {{ held_out_documents_per_language = 0 }}
[steps.corpus]
uses = "corpus.write"
needs = ["documents", "attributes", "links", "decisions", "mixture"]
with = {{ card = {{ plots = false }} }}
[steps.index]
uses = "corpus.index"
needs = ["corpus"]
[steps.chat]
uses = "layer.train"
needs = ["corpus"]
with = {{ tokens = 4096 }}
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def built(home, recipe):
    return said(run(home, "build", recipe, "--json"))["steps"]


def test_a_plan_names_the_corpus_steps_alone(home, recipe):
    planned = said(run(home, "build", recipe, "--plan", "--json"))
    names = ("read", "tag", "link", "filter", "mix", "write", "index")
    assert [step["uses"] for step in planned["steps"]] == [f"corpus.{name}" for name in names]


def test_a_text_is_traced(home, built):
    found = said(run(home, "trace", "MENANAM jahe, dan kunyit", "--corpus", built["corpus"], "--json"))
    assert found["documents"] == 1
    match = found["matches"][0]
    assert (match["id"], match["source"], match["licence"], match["match"]) == (
        "row-0",
        "kebun",
        "CC-BY-4.0",
        "spelling",
    )
    assert match["places"][0]["text"] == "menanam jahe dan kunyit"
    assert found["seconds"] < 1


def test_a_recipe_and_an_index_name_the_corpus_too(home, recipe, built):
    for corpus in (recipe, built["index"]):
        assert said(run(home, "trace", "ขิงและขมิ้น", "--corpus", corpus, "--json"))["documents"] == 1


def test_a_long_answer_is_traced_by_its_parts(home, built):
    answer = f"Kata orang: {GARDEN[0][3]} Tetapi tidak ada yang tahu. {GARDEN[3][3]}"
    found = said(run(home, "trace", "-", "--spans", "--corpus", built["corpus"], "--json", input=answer))
    assert {span["found"]["matches"][0]["id"] for span in found["spans"]} == {"row-0", "row-3"}
    shown = run(home, "trace", "-", "--spans", "--corpus", built["corpus"], input=answer)
    assert "letters" in shown.stdout
    assert "row-3" in shown.stdout


def test_nothing_of_a_text_reaches_the_terminal_as_a_command(home, built):
    for arguments in (
        ("trace", "ขิงและขมิ้น", "--corpus", built["corpus"]),
        ("show", built["corpus"], "--n", "9"),
    ):
        shown = run(home, *arguments)
        assert shown.returncode == 0, shown.stderr
        assert "\x1b" not in shown.stdout
        assert "Malee\\u001b[31m" in shown.stdout


def test_samples_of_kept_and_dropped(home, built):
    found = said(run(home, "show", built["corpus"], "--json"))["documents"]
    assert [item["id"] for item in found if item["place"] == "dropped"] == ["row-4"]
    assert {item["id"] for item in found if item["place"] == "train"} == {f"row-{n}" for n in (0, 1, 2, 3, 5)}
    thai = said(run(home, "show", built["corpus"], "--language", "th", "--json"))["documents"]
    assert [item["id"] for item in thai] == ["row-5"]
    dropped = said(run(home, "show", built["corpus"], "--reason", "exact", "--json"))["documents"]
    assert [(item["id"], item["rule"], item["text"]) for item in dropped] == [
        ("row-4", "exact.duplicate", GARDEN[4][3])
    ]
    line, hint = refused(run(home, "show", built["corpus"], "--source", "kebum"), 2)
    assert "no document of the source 'kebum'" in line
    assert hint == "did you mean 'kebun'?"


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (("trace", "", "--corpus", "{corpus}"), 2, "a trace needs 4 or more", "longer piece"),
        (("trace", "ab", "--corpus", "{corpus}"), 2, "has 2 letters", "longer piece"),
        (("trace", "menanam jahe", "--spans", "--corpus", "{corpus}"), 2, "its spans need 24", "--spans"),
        (
            ("trace", "menanam jahe", "--corpus", "nowhere"),
            3,
            "nowhere: no folder and no recipe",
            "recipe that makes it",
        ),
        (("trace", "menanam jahe"), 2, "--corpus", "rumpun corpus trace --help"),
        (("withdraw", "--corpus", "{corpus}"), 2, "nothing to withdraw", "--source NAME"),
        (
            ("withdraw", "--source", "kebum", "--corpus", "{corpus}"),
            3,
            "no row of the source 'kebum'",
            "'kebun'",
        ),
        (("index", "{index}"), 3, "a trace, not a corpus", "written corpus"),
        (("mix", "{home}/other.toml", "--dry-run"), 2, "no step that uses corpus.mix", "corpus"),
        (("build", "{recipe}", "--engine", "spark"), 2, "spark", "--help"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_a_mend(home, recipe, built, arguments, code, message, hint):
    given = [argument.format(recipe=recipe, home=home, **built) for argument in arguments]
    line, said_hint = refused(run(home, *given), code)
    assert message in line
    assert hint in said_hint


def holding(index):
    """How many documents hold a sentence of Siti's, one of nobody's, and one that somebody else had too."""
    from rumpun.corpus.trace.search import TraceIndex

    opened = TraceIndex.open(index)
    return [
        opened.find(text).documents
        for text in ("memasak rendang", "jahe dan kunyit", "Resep sambal dari ibu")
    ]


def test_a_contributor_is_taken_back(home, recipe, built, tmp_path):
    """In a home of its own, since the list of what was taken back is the home's."""
    mine = tmp_path / "home"
    shutil.copytree(
        home / "data" / "artefacts", mine / "data" / "artefacts", ignore=shutil.ignore_patterns("names")
    )
    folder = mine / "data" / "artefacts" / Path(built["corpus"]).name
    dry = said(run(mine, "withdraw", "--contributor", "Siti", "--corpus", folder, "--dry-run", "--json"))
    assert (dry["rows"], dry["now"], dry["proof"]) == ({"train": 2}, "", None)
    done = said(run(mine, "withdraw", "--contributor", "Siti", "--corpus", folder, "--json"))
    assert done["rows"] == {"train": 2}
    assert (done["proof"]["rows_left"], done["proof"]["found_after"]) == (0, 0)
    assert done["proof"]["found_before"] == done["proof"]["spans"] > 0
    kinds = ["attributes", "corpus", "decisions", "documents", "links", "mixture", "trace"]
    assert sorted(item["kind"] for item in done["out_of_use"]) == kinds
    assert done["copies_dropped"] == 1
    assert holding(done["index"]) == [0, 1, 0]  # the copy was dropped before; the next build takes it in
    line, hint = refused(run(mine, "trace", "memasak rendang", "--corpus", folder), 3)
    assert "rows were withdrawn from it" in line
    assert hint == f"use {done['now']}"
    cards = said(run(mine, "card", done["now"], "--out", tmp_path / "cards", "--json"))["files"]
    assert "withdrawn" in (tmp_path / "cards" / "counts.csv").read_text()
    assert any(name.endswith("croissant.json") for name in cards)

    again = said(run(mine, "build", recipe, "--json"))["steps"]  # reads the sources anew, and heeds the list
    assert again["corpus"] not in (str(folder), done["now"])
    assert holding(again["index"]) == [0, 1, 1]


def test_a_build_says_what_was_read_refused_kept_and_left_out(tmp_path):
    good = {"id": "a", "text": GARDEN[0][3], "language": "id", "source": "kebun", "licence": "CC-BY-4.0"}
    lines = [json.dumps(good), "{broken", json.dumps(good | {"id": "b", "language": "zzz"})]
    lines.append(json.dumps(good | {"id": "c", "text": GARDEN[1][3], "licence": "CC-BY-NC-4.0"}))
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "small.toml").write_text(
        f"""name = "small"
[steps.documents]
uses = "corpus.read"
with = {{ from_inventory = false, files = [{{ path = "{tmp_path}/rows.jsonl" }}] }}
[steps.attributes]
uses = "corpus.tag"
needs = ["documents"]
with = {{ taggers = ["normalise", "figures"] }}
[steps.decisions]
uses = "corpus.filter"
needs = ["documents", "attributes"]
[steps.mixture]
uses = "corpus.mix"
needs = ["documents", "attributes", "decisions"]
[steps.corpus]
uses = "corpus.write"
needs = ["documents", "attributes", "decisions", "mixture"]
with = {{ card = {{ plots = false }} }}
""",
        encoding="utf-8",
    )
    lines = run(tmp_path, "build", tmp_path / "small.toml").stdout.splitlines()
    assert "1 documents read" in lines[1]
    assert "3 refused (1 licence.terms, 1 read.language, 1 read.not_json), each with file and row" in lines[2]
    assert lines[2].endswith("rejected.parquet")
    assert "1 documents train, 0 are held out, 3 were left out, each with its reason" in lines[-1]
