"""`rumpun eval diff|lint|export|import|report|leaderboard`: planted changes and faults, whole scripts, forms, exit codes."""

import json
import re
import unicodedata
from functools import partial

import evaluated
import pytest
from evaluated import lines
from msgspec.structs import replace

from evaluate.report.report_runs import BASE, LAYER, TEXTS, run
from rumpun.evaluate.records import SCORES, read_samples, read_scores, write_samples, write_scores
from rumpun.language.graphemes import graphemes

LANGUAGES = ("th", "my", "km", "ta", "en")


@pytest.fixture
def inside(monkeypatch, capsys):
    return partial(evaluated.inside, monkeypatch, capsys)


def folder_of(path, scores, samples):
    path.mkdir(parents=True)
    write_scores(path / "scores.json", scores)
    write_samples(path / "samples.jsonl", samples)
    return path


@pytest.fixture
def made():
    return run(items=4, languages=LANGUAGES)


@pytest.fixture
def folder(tmp_path, made):
    return folder_of(tmp_path / "padi", made.scores, [*made.samples, *made.against])


# --- diff


def turned(samples, wanted):
    """Samples in which the wanted ones (task, language, id) are the other way round, or failed."""
    found = []
    for one in samples:
        what = wanted.get((one.task, one.language, one.id))
        if what == "failed":
            found.append(replace(one, status="error", error="time-out", score=None, scores={}, parsed=None))
        elif what == "flipped":
            value = 1.0 - one.score
            options = [option for option in one.options if option != one.gold]
            said = one.gold if value else options[0]
            found.append(replace(one, score=value, scores={"accuracy": value}, parsed=said))
        else:
            found.append(one)
    return found


def test_planted_flips_are_found_and_no_others(inside, tmp_path, made):
    """In five scripts: every text of the item stands in the output as it stands in the samples."""
    one = folder_of(tmp_path / "before", made.scores, made.samples)
    wanted = {}
    for language in LANGUAGES:
        asked = [
            s for s in made.samples if (s.task, s.language) == ("reading", language) and s.status == "ok"
        ]
        wanted["reading", language, asked[0].id] = "flipped"
    lost = next(s for s in made.samples if (s.task, s.language) == ("causal", "km") and s.status == "ok")
    wanted["causal", "km", lost.id] = "failed"
    after = turned(made.samples, wanted)
    after[-1] = replace(after[-1], id="new")  # one item is new, and one is gone
    other = folder_of(tmp_path / "after", made.scores, after)
    code, out, err = inside("diff", one, other, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert list(told) == ["flips", "compared"]
    kinds = {(f["a"]["task"], f["a"]["language"], f["a"]["id"]): f["kind"] for f in told["flips"]}
    assert set(kinds) == set(wanted)
    assert kinds["causal", "km", lost.id] == "failed"
    before = {(s.task, s.language, s.id): s.score for s in made.samples}
    for key, kind in kinds.items():
        if key[0] == "reading":
            assert kind == ("right to wrong" if before[key] else "wrong to right")
    assert told["compared"]["both"] == len(made.samples) - 1
    assert (told["compared"]["first"], told["compared"]["second"]) == (1, 1)
    assert told["compared"]["graded"] > 0  # translations, costs
    code, text, _ = inside("diff", one, other)
    assert code == 0
    assert text.splitlines()[0].startswith("before → after: ")
    assert f"{told['compared']['both']:,} items in both" in text.splitlines()[1]
    for language in LANGUAGES:
        passage, question, options = TEXTS[language]
        assert passage in text
        assert question in text
        assert any(option in text for option in options)
    assert "[U+" not in text
    assert not any(unicodedata.category(sign) in ("Cc", "Cs") for sign in text.replace("\n", ""))


def test_two_models_of_one_run_are_named_and_a_page_is_written(inside, tmp_path, folder):
    page = tmp_path / "flips.html"
    code, text, _ = inside("diff", folder, folder, "--html", page, "--limit", "1")
    assert code == 0
    assert text.startswith(f"{LAYER} → {BASE}: ")
    assert re.search(r"\d+ more are not shown", text)
    html = page.read_text(encoding="utf-8")
    assert f"<bdi>{LAYER}</bdi>" in html
    assert "items in both" in html
    told = json.loads(inside("diff", folder, folder, "--model-a", BASE, "--model-b", LAYER, "--json")[1])
    back = json.loads(inside("diff", folder, folder, "--json")[1])
    turn = {
        "right to wrong": "wrong to right",
        "wrong to right": "right to wrong",
        "failed": "no longer failed",
        "no longer failed": "failed",
    }
    assert {(f["a"]["id"], turn[f["kind"]]) for f in told["flips"]} == {
        (f["a"]["id"], f["kind"]) for f in back["flips"]
    }


def test_runs_without_a_common_item_say_so_and_a_changed_right_answer_is_shown(inside, tmp_path, made):
    one = folder_of(tmp_path / "one", made.scores, made.samples[:6])
    other = folder_of(tmp_path / "other", made.scores, made.samples[6:])
    code, text, _ = inside("diff", one, other)
    assert code == 0
    assert text.splitlines()[1].strip().startswith("0 items in both, 6 in the first alone")
    right = next(s for s in made.samples if s.task == "reading" and s.score == 1.0)
    mended = replace(
        right, gold=next(o for o in right.options if o != right.gold), score=0.0, scores={"accuracy": 0.0}
    )
    text = inside(
        "diff",
        folder_of(tmp_path / "a", made.scores, [right]),
        folder_of(tmp_path / "b", made.scores, [mended]),
    )[1]
    assert "right in b:" in text
    assert mended.gold in text


def test_a_fault_of_diff_is_one_line(inside, tmp_path, folder):
    (tmp_path / "empty").mkdir()
    cases = [
        ((folder, tmp_path / "none"), 3, "none/scores.json: cannot be read"),
        ((folder, tmp_path / "empty"), 3, "empty/scores.json: cannot be read"),
        ((folder, folder, "--model-b", "SmolLM"), 2, "no model 'SmolLM' in it"),
        ((folder, folder, "--limit", "0"), 2, "--limit"),
        ((folder,), 2, "Missing argument 'B'"),
    ]
    for arguments, code, words in cases:
        got, out, err = inside("diff", *arguments)
        assert (got, out, len(err.splitlines())) == (code, "", 2), err
        assert words in err


# --- lint

SOUND = [
    {"id": f"s{n}", "language": "th", "passage": TEXTS["th"][0], "question": f"{TEXTS['th'][1]} ({n})",
     "options": list(TEXTS["th"][2]), "answer": n % 4}
    for n in range(4)
]  # fmt: skip


def test_planted_faults_are_told_and_the_exit_code_says_that_there_are_some(inside, tmp_path):
    options = list(TEXTS["th"][2])
    planted = {
        "an-empty": ("empty option", {"options": [options[0], "", *options[2:]]}),
        "a-double": (
            "duplicate option",
            {"options": [options[0], options[1], options[1], options[3]], "answer": 0},
        ),
        "a-space": ("space at an option", {"options": [options[0], f" {options[1]}", *options[2:]]}),
        "a-language": ("wrong language", {"passage": TEXTS["en"][0] * 2, "question": TEXTS["en"][1] * 2}),
    }
    rows = SOUND + [
        SOUND[0] | {"id": key, "question": f"{SOUND[0]['question']} {key}"} | more
        for key, (_, more) in planted.items()
    ]
    path = lines(tmp_path / "items.jsonl", rows)
    code, out, err = inside("lint", path, "--json")
    assert (code, err) == (3, "")
    told = json.loads(out)
    assert list(told) == ["items", "problems", "kinds", "dropped"]
    assert told["items"] == len(rows)
    found = {(one["id"], one["kind"]) for one in told["problems"] if one["id"]}
    assert found == {(key, kind) for key, (kind, _) in planted.items()}
    assert sum(told["kinds"].values()) == len(told["problems"])
    code, text, _ = inside("lint", path)
    assert code == 3
    assert text.splitlines()[-1] == f"8 items can be scored, {len(told['problems'])} faults"
    double = next(line for line in text.splitlines() if line.startswith("a-double: duplicate option: "))
    assert options[1] in double


def test_a_long_option_is_cut_between_two_characters_of_its_script(inside, tmp_path):
    """Khmer and Burmese: no vowel sign or subscript loses the letter that it stands on."""
    for language in ("km", "my", "ta"):
        text = (TEXTS[language][0] * 3)[:-1]
        row = {
            "id": "x",
            "language": language,
            "passage": TEXTS[language][0],
            "question": TEXTS[language][1],
            "options": [text, text, "a", "b"],
            "answer": 2,
        }
        told = inside("lint", lines(tmp_path / "items.jsonl", [row]))[1]
        said = next(line for line in told.splitlines() if "duplicate option" in line)
        head, tail = said.partition("'")[2].rstrip("'").split("…")
        ends = {end for _, end in graphemes(text)}
        assert text.startswith(head)
        assert len(head) in ends
        assert text.endswith(tail)
        assert len(text) - len(tail) in ends


def test_sound_items_pass_and_what_is_left_out_is_counted(inside, tmp_path):
    other = {"id": "en", "language": "en", "passage": TEXTS["en"][0], "question": TEXTS["en"][1],
             "options": list(TEXTS["en"][2]), "answer": 0}  # fmt: skip
    path = lines(tmp_path / "items.jsonl", [*SOUND, other])
    code, text, err = inside("lint", path, "--language", "th")
    assert (code, err) == (0, "")
    assert text.splitlines() == ["4 items can be scored, 0 faults", "left out: language en 1"]
    code, _, err = inside("lint", path, "--language", "km")
    assert code == 3
    assert "items.jsonl: no item in km that can be scored" in err


def test_one_item_and_one_fault_are_told_in_the_singular(inside, tmp_path):
    blank = SOUND[1] | {"options": ["", " ", "\u200b", "\u3000"]}
    code, text, _ = inside("lint", lines(tmp_path / "items.jsonl", [SOUND[0], blank]))
    assert code == 3
    assert text.splitlines() == [
        "s1: no option: 4 options, all empty",
        "1 item can be scored, 1 fault",
        "left out: no option 1",
    ]


def test_labels_are_held_against_the_set_and_no_id_steers_the_terminal(inside, tmp_path):
    rows = [
        {"id": f"\x1b[2J{n}", "language": "th", "text": f"{TEXTS['th'][0]} {n}", "label": label}
        for n, label in enumerate(("บวก", "ลบ", "บวกก"))
    ]
    path = lines(tmp_path / "items.jsonl", rows)
    code, text, _ = inside("lint", path, "--labels", "บวก, ลบ")
    assert code == 3
    said = next(line for line in text.splitlines() if ": label not in set" in line)
    assert said.startswith("[U+001B][2J2: label not in set")
    assert "บวกก" in said
    assert "\x1b" not in text
    assert "left out: label not in set 1" in text


def test_a_fault_of_the_file_of_items_is_one_line(inside, tmp_path):
    (tmp_path / "empty").write_text("")
    (tmp_path / "torn").write_text('{"id": 1\n')
    for name, words in (
        ("none", "none: cannot be read"),
        ("empty", "empty: no item in it"),
        ("torn", "torn: line 1"),
    ):
        code, out, err = inside("lint", tmp_path / name)
        assert (code, out, len(err.splitlines())) == (3, "", 2), err
        assert words in err


# --- export and import


@pytest.mark.parametrize(
    ("form", "ending"), [("lm-eval", ".jsonl"), ("inspect", ".eval"), ("inspect-json", ".json")]
)
def test_a_run_goes_out_and_comes_back_through_each_layout(inside, tmp_path, folder, form, ending):
    code, out, err = inside("export", folder, "--form", form, "--into", tmp_path / "theirs")
    assert (code, err) == (0, "")
    written = out.splitlines()
    assert len([path for path in written if path.endswith(ending)]) >= 2 * 11
    back = tmp_path / "back"
    code, out, _ = inside(
        "import", tmp_path / "theirs", "--form", form.removesuffix("-json"), "--into", back, "--json"
    )
    assert code == 0
    told = json.loads(out)
    assert list(told) == ["run", "samples", "tasks", "left", "warnings"]
    assert told["samples"] == len(read_samples(folder / "samples.jsonl"))
    assert told["left"] == {}
    assert read_samples(back / "samples.jsonl") == read_samples(folder / "samples.jsonl")
    assert read_scores(back / SCORES) == read_scores(folder / SCORES)
    again = tmp_path / "again"
    assert inside("export", back, "--form", form, "--into", again)[0] == 0
    for path in (tmp_path / "theirs").rglob("*.json*"):
        assert (again / path.relative_to(tmp_path / "theirs")).read_bytes() == path.read_bytes()


def their_log(folder, *tasks):
    """A results file of lm-eval with samples of tasks whose language nothing says."""
    folder.mkdir()
    time = "2026-09-01T10-00-00.000001"
    results = {
        "results": {task: {"alias": task, "exact_match,none": 1.0} for task in tasks},
        "model_name": "org/m",
        "config": {"model": "hf"},
    }
    (folder / f"results_{time}.json").write_text(json.dumps(results))
    for task in tasks:
        row = {"doc_id": 0, "doc": {"soal": "Apa?"}, "target": "B", "arguments": {"gen_args_0": {"arg_0": "Apa?", "arg_1": {}}},
               "resps": [["B"]], "filtered_resps": ["B"], "filter": "none", "metrics": ["exact_match"], "exact_match": 1.0}  # fmt: skip
        lines(folder / f"samples_{task}_{time}.jsonl", [row])
    return folder


def test_the_language_of_a_log_that_says_none_is_named(inside, tmp_path):
    log = their_log(tmp_path / "log", "maths", "facts", "xcopa_id")
    code, _, err = inside("import", log, "--form", "lm-eval", "--into", tmp_path / "a")
    assert code == 0
    assert "maths: its language is not known; name it (--language 'maths=TAG')" in err
    code, _, err = inside(
        "import",
        log,
        "--form",
        "lm-eval",
        "--into",
        tmp_path / "b",
        "--language",
        "maths=ban",
        "--language",
        "th",
    )
    assert code == 0
    assert "is not known" not in err
    scores = read_scores(tmp_path / "b" / SCORES)
    told = {cell.task: cell.language for cell in scores.cells}
    assert told == {
        "maths": "ban",
        "facts": "th",
        "xcopa_id": "id",
    }  # what the name says stands before what is said of others
    assert {s.task: s.language for s in read_samples(tmp_path / "b" / "samples.jsonl")} == told
    # and goes out and in again
    assert inside("export", tmp_path / "b", "--form", "lm-eval", "--into", tmp_path / "c")[0] == 0
    assert inside("import", tmp_path / "c", "--form", "lm-eval", "--into", tmp_path / "d")[0] == 0
    assert read_samples(tmp_path / "d" / "samples.jsonl") == read_samples(tmp_path / "b" / "samples.jsonl")


def test_a_fault_of_export_and_import_is_one_line(inside, tmp_path, folder):
    log = their_log(tmp_path / "log", "maths")
    (tmp_path / "empty").mkdir()
    cases = [
        (("export", folder, "--form", "json", "--into", "x"), 2, "--form"),
        (("export", tmp_path / "none", "--form", "inspect", "--into", tmp_path / "x"), 3, "none"),
        (("import", tmp_path / "empty", "--form", "inspect", "--into", tmp_path / "x"), 3, "no .eval or .json log is in it"),
        (("import", log, "--form", "inspect", "--into", tmp_path / "x"), 3, "no .eval or .json log is in it"),
        (("import", log, "--form", "lm-eval", "--into", tmp_path / "x", "--language", "klingon"), 2, "no language 'klingon'"),
        (("import", log, "--form", "lm-eval", "--into", tmp_path / "x", "--language", "maths=id", "--language", "maths=th"), 2, "id was named already"),
        (("import", log, "--form", "lm-eval", "--into", folder), 2, "padi"),
    ]  # fmt: skip
    for arguments, code, words in cases:
        got, out, err = inside(*arguments)
        assert (got, out, len(err.splitlines())) == (code, "", 2), err
        assert words in err
    assert not (tmp_path / "x").exists(), "nothing half-written"


# --- pages


def test_the_report_and_the_board_are_written_again(inside, tmp_path, folder, made):
    code, out, _ = inside("report", folder)
    assert (code, out.strip()) == (0, str(folder / "report.html"))
    html = (folder / "report.html").read_text(encoding="utf-8")
    for language in LANGUAGES:
        assert TEXTS[language][0] in html
    code, out, _ = inside("leaderboard", folder, "--into", tmp_path / "board.html")
    assert code == 0
    assert LAYER in (tmp_path / "board.html").read_text(encoding="utf-8")
    code, _, err = inside("leaderboard", folder, tmp_path, "--into", tmp_path / "board2.html")
    assert code == 3
    assert "scores.json: cannot be read" in err
    assert not (tmp_path / "board2.html").exists()
