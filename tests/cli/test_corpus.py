"""`rumpun corpus` as people type it: build, index, trace, show and take back, each in a process of its own.

The texts are written for this test and not reviewed by native speakers.
"""

import json

import pytest
from commands import refused, rumpun, said

pytest.importorskip("pyarrow", reason="pyarrow is not installed (make dev)")

GARDEN = [
    ("kebun", "id", "", "Nenek menanam jahe dan kunyit di belakang rumah sejak lama sekali."),
    ("kebun", "id", "", "Anak-anak membaca buku-buku tua di perpustakaan desa setiap hari Sabtu."),
    ("dapur", "id", "Siti", "Siti memasak rendang dengan api kecil selama empat jam penuh\u202e merah."),
    ("dapur", "id", "Siti", "Resep sambal dari ibu memakai cabai rawit, terasi dan sedikit gula aren."),
    ("dapur", "id", "Siti", "pendek"),
    ("suan", "th", "Malee", "ยายปลูกขิงและขมิ้นไว้หลังบ้านมานานแล้ว"),
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
    path = home / "garden.toml"
    path.write_text(
        f"""name = "garden"
[steps.corpus]
uses = "corpus.build"
with = {{ languages = ["id", "th"], from_inventory = false, held_out_documents_per_language = 0, max_share_per_source = 1.0, max_share_per_domain = 1.0, files = [{{ path = "{home}/rows.jsonl" }}] }}
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
    assert [step["uses"] for step in planned["steps"]] == ["corpus.build", "corpus.index"]


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
        ("trace", "memasak rendang", "--corpus", built["corpus"]),
        ("show", built["corpus"], "--n", "9"),
    ):
        shown = run(home, *arguments)
        assert shown.returncode == 0, shown.stderr
        assert "\u202e" not in shown.stdout
        assert "\\u202e" in shown.stdout


def test_samples_of_kept_and_dropped(home, built):
    found = said(run(home, "show", built["corpus"], "--json"))["documents"]
    assert [item["id"] for item in found if item["place"] == "dropped"] == ["row-4"]
    assert {item["id"] for item in found if item["place"] == "train"} == {f"row-{n}" for n in (0, 1, 2, 3, 5)}
    thai = said(run(home, "show", built["corpus"], "--language", "th", "--json"))["documents"]
    assert [item["id"] for item in thai] == ["row-5"]
    dropped = said(run(home, "show", built["corpus"], "--reason", "too short", "--json"))["documents"]
    assert [(item["id"], item["rule"]) for item in dropped] == [("row-4", "too short")]
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
        (("mix", "{recipe}", "--dry-run"), 2, "no step that uses corpus.mix", "corpus"),
        (("build", "{recipe}", "--engine", "spark"), 2, "spark", "--help"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_a_mend(home, recipe, built, arguments, code, message, hint):
    given = [argument.format(recipe=recipe, **built) for argument in arguments]
    line, said_hint = refused(run(home, *given), code)
    assert message in line
    assert hint in said_hint


def test_a_contributor_is_taken_back(home, recipe, built, tmp_path):
    """In a store of its own, so that the other tests keep theirs; `corpus.build` knows no contributors, so by source."""
    place = tmp_path / "store"
    folder = said(run(home, "build", recipe, "--store", place, "--json"))["steps"]["corpus"]
    dry = said(run(home, "withdraw", "--source", "dapur", "--corpus", folder, "--dry-run", "--json"))
    assert (dry["rows"], dry["now"], dry["proof"]) == ({"train": 2, "drops": 1}, "", None)
    done = said(run(home, "withdraw", "--source", "dapur", "--corpus", recipe, "--store", place, "--json"))
    assert done["rows"] == {"train": 2, "drops": 1}
    assert (done["proof"]["rows_left"], done["proof"]["found_after"]) == (0, 0)
    assert done["proof"]["found_before"] == done["proof"]["spans"] > 0
    after = said(run(home, "trace", "memasak rendang", "--corpus", recipe, "--store", place, "--json"))
    assert after["documents"] == 0
    assert (
        said(run(home, "trace", "jahe dan kunyit", "--corpus", recipe, "--store", place, "--json"))[
            "documents"
        ]
        == 1
    )
    line, hint = refused(run(home, "trace", "memasak rendang", "--corpus", folder), 3)
    assert "rows were withdrawn from it" in line
    assert hint == f"use {done['now']}"
