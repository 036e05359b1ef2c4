"""lm-eval's files: what becomes what, their hashes, files that do not fit together."""

import hashlib
import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from made_logs import NAN, TIME, odd_json, read_lm_eval, same_run, sha, write_run

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.logs import export_lm_eval, import_lm_eval
from rumpun.evaluate.logs.lm_eval_form import doc_hash
from rumpun.evaluate.records import Cell, Figure, ModelInfo, Sample, Scores, read_samples, read_scores


def line(number: int, **more: Any) -> dict[str, Any]:
    doc = {"question": f"Soal {number}?", "skor": 1.5}
    found = {
        "doc_id": number, "doc": doc, "target": "B",
        "arguments": {"gen_args_0": {"arg_0": f"Soal {number}?\nJawab:", "arg_1": {"until": ["\n"]}}},
        "resps": [["Jawabannya B"]], "filtered_resps": ["B"], "filter": "none", "metrics": ["exact_match"],
        "exact_match": 1.0, **more,
    }  # fmt: skip
    hashes = {
        "doc_hash": sha(json.dumps(found["doc"], indent=2, ensure_ascii=False)),
        "prompt_hash": sha(found["arguments"]["gen_args_0"]["arg_0"]),
        "target_hash": sha(found["target"]),
    }
    return {**hashes, **found}


def write(folder: Path, lines: dict[str, list[dict[str, Any]]], **more: Any) -> Path:
    folder.mkdir()
    results: dict[str, Any] = {
        "results": {task: {"alias": task, "exact_match,none": 0.5, "exact_match_stderr,none": "N/A"} for task in lines},
        "config": {"model": "hf"}, "model_source": "hf", "model_name": "org/m", "max_length": 2048, **more,
    }  # fmt: skip
    (folder / f"results_{TIME}.json").write_text(json.dumps(results), encoding="utf-8")
    for task, own in lines.items():
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in own)
        (folder / f"samples_{task}_{TIME}.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_what_becomes_what(tmp_path: Path) -> None:
    chosen = {
        "arguments": {f"gen_args_{n}": {"arg_0": "ฝน", "arg_1": f" {text}"} for n, text in enumerate("กข")},
        "resps": [[["-1.25", "True"]], [["-2.5", "False"]]], "filtered_resps": [["-1.25", "True"], ["-2.5", "False"]],
        "metrics": ["acc", "acc_norm"], "acc": True, "acc_norm": NAN, "exact_match": "no metric here",
    }  # fmt: skip
    strict = {"filter": "strict", "filtered_resps": ["[invalid]"], "exact_match": 0.0}
    chat = {"arguments": {"gen_args_0": {"arg_0": '[{"role": "user", "content": "Apa?"}]', "arg_1": {}}}}
    results = {
        "maths": {
            "alias": "maths",
            "exact_match,strict": 0.0,
            "exact_match,loose": 1.0,
            "exact_match_stderr,loose": 0.1,
        },
        "belebele_tha_Thai": {"acc,none": 1.0, "acc_norm,none": NAN},
        "pile": {"word_perplexity,none": 12.5},
        "all": {"acc,none": 0.5},
    }
    theirs = write(
        tmp_path / "theirs",
        {
            "maths": [
                line(0, **strict),
                line(1, **strict),
                line(0, filter="loose"),
                line(1, filter="loose", **chat),
            ],
            "belebele_tha_Thai": [line(0, **chosen)],
        },
        results=results,
        group_subtasks={"all": ["belebele_tha_Thai"], "maths": []},
        higher_is_better={"pile": {"word_perplexity": False}},
    )
    found = import_lm_eval(theirs, tmp_path / "run", languages={"pile": "en"})
    zero, one, choice = read_samples(tmp_path / "run" / "samples.jsonl")
    assert (zero.task, zero.id, zero.model, zero.method) == ("maths", "0", "org/m", "generate")
    assert (zero.prompt, zero.answer, zero.gold) == ("Soal 0?\nJawab:", "Jawabannya B", "B")
    assert (zero.parsed, zero.status) == (
        None,
        "no answer found",
    )  # by the first filter, whose metric is the score
    assert (zero.scores, zero.score) == ({"exact_match,strict": 0.0, "exact_match,loose": 1.0}, 0.0)
    assert isinstance(one.prompt, str)
    assert (choice.language, choice.method, choice.prompt) == ("th", "likelihood", "ฝน")
    assert (choice.options, choice.logprobs) == ([" ก", " ข"], [-1.25, -2.5])
    assert (choice.scores, choice.score) == ({"acc": 1.0}, 1.0)  # NaN is no score
    maths, belebele, pile = read_scores(tmp_path / "run" / "scores.json").cells
    assert (maths.metric, maths.items, maths.parse_failures, maths.language) == (
        "exact_match,strict",
        2,
        2,
        "und",
    )
    assert maths.metrics["exact_match,loose"].ci95 == pytest.approx((0.804, 1.196), abs=1e-4)
    assert belebele.metrics == {"acc": Figure(value=1.0)}
    assert belebele.notes == ["acc_norm: no value"]
    assert (pile.items, pile.language, pile.notes) == (0, "en", ["word_perplexity: lower is better"])
    (model,) = read_scores(tmp_path / "run" / "scores.json").models
    assert model == ModelInfo(name="org/m", engine="hf", context_tokens=2048)
    assert found.samples == 3
    assert found.left == {"exact_match": 1}  # no metric of that line
    assert [warning for warning in found.warnings if "maths" in warning] == [
        "maths: its language is not known; name it (--language 'maths=TAG')"
    ]


@pytest.mark.parametrize(
    ("target", "options", "gold"),
    [
        ("1", [" ใช่", " ไม่"], " ไม่"),  # a number of an option
        ("ใช่", [" ใช่", " ไม่"], " ใช่"),  # its text
        ("1", [" 3", " 1", " 2"], " 1"),  # a text before a number
        ("7", [" ใช่", " ไม่"], "7"),  # neither
        ("", [" ใช่", " ไม่"], ""),
    ],
)
def test_the_option_that_is_right_and_the_likeliest_one_are_told(
    tmp_path: Path, target: str, options: list[str], gold: str
) -> None:
    arguments = {f"gen_args_{n}": {"arg_0": "ฝน", "arg_1": text} for n, text in enumerate(options)}
    resps = [[[f"-{3.5 - n}", "False"]] for n in range(len(options))]
    asked = line(
        0,
        target=target,
        arguments=arguments,
        resps=resps,
        filtered_resps=[one[0] for one in resps],
        metrics=["acc"],
        acc=1.0,
    )
    folder = write(tmp_path / "log", {"t_th": [asked]}, configs={"t_th": {"output_type": "multiple_choice"}})
    import_lm_eval(folder, tmp_path / "run")
    (found,) = read_samples(tmp_path / "run" / "samples.jsonl")
    assert (found.gold, found.parsed, found.options) == (gold, options[-1], options)
    export_lm_eval(tmp_path / "run", tmp_path / "back")
    for path in folder.glob("*.jsonl"):
        assert json.loads(next((tmp_path / "back").rglob(path.name)).read_text()) == asked


def test_hashes_are_those_of_the_layout(tmp_path: Path) -> None:
    samples = [
        Sample(task="tugas", language="th", id=f"{n}", model="org/layer:1", method="likelihood", prompt="ฝนตก?", options=[" ใช่", " ไม่"],
               logprobs=[-1.0, -2.0], gold=" ใช่", scores={"accuracy": 1.0}, score=1.0)
        for n in range(3)
    ]  # fmt: skip
    cell = Cell(
        task="tugas", language="th", skill="x", model="org/layer:1", metric="accuracy",
        metrics={"accuracy": Figure(value=1.0, ci95=(0.5, 1.0))},
    )  # fmt: skip
    scores = Scores(suite="s", models=[ModelInfo(name="org/layer:1", engine="hf")], cells=[cell])
    paths = export_lm_eval(write_run(tmp_path / "run", (scores, samples)), tmp_path / "out")
    assert {path.parent.name for path in paths} == {"org__layer__1"}
    files = read_lm_eval(tmp_path / "out")
    (results,) = [value for name, value in files.items() if name.startswith("results_")]
    ((name, lines),) = [
        (name, value) for name, value in files.items() if name.startswith("samples_tugas_th_")
    ]
    assert name.removesuffix(".jsonl")[-26:] == next(one for one in files if "results" in one)[8:34]
    for one in lines:
        assert one["doc_hash"] == sha(json.dumps(one["doc"], indent=2, ensure_ascii=False))
        assert one["prompt_hash"] == hashlib.sha256("ฝนตก?".encode()).hexdigest()
        assert one["target_hash"] == hashlib.sha256(" ใช่".encode()).hexdigest()
        assert one["resps"] == [[["-1.0", "None"]], [["-2.0", "None"]]]
        assert one["metrics"] == ["accuracy"]
    joined = "".join(one["doc_hash"] + one["prompt_hash"] + one["target_hash"] for one in lines)
    assert results["task_hashes"] == {"tugas_th": hashlib.sha256(joined.encode()).hexdigest()}
    assert results["results"]["tugas_th"]["accuracy,none"] == 1.0
    assert results["results"]["tugas_th"]["accuracy_stderr,none"] == pytest.approx(0.25 / 1.96, rel=1e-3)
    assert results["n-samples"] == {"tugas_th": {"original": 3, "effective": 3}}


@hypothesis.given(odd_json)
def test_a_documents_hash_is_that_of_its_indented_json(doc: Any) -> None:
    assert doc_hash(doc) == sha(json.dumps(doc, indent=2, ensure_ascii=False))
    assert doc_hash({"a": [doc, [], {}, 1e22, -0.0, "\x00\x7f\u2028/"]}) == sha(
        json.dumps({"a": [doc, [], {}, 1e22, -0.0, "\x00\x7f\u2028/"]}, indent=2, ensure_ascii=False)
    )


def test_hashes_that_do_not_fit_are_told(tmp_path: Path) -> None:
    lines = [line(0), line(1) | {"target": "C", "doc": {"question": "lain"}}, line(2)]
    told = {"t": sha("".join(one["doc_hash"] + one["prompt_hash"] + one["target_hash"] for one in lines))}
    found = import_lm_eval(write(tmp_path / "theirs", {"t": lines}, task_hashes=told), tmp_path / "run")
    name = f"samples_t_{TIME}.jsonl"
    assert set(found.warnings[:2]) == {
        f"{name}: doc_hash does not fit in 1 lines",
        f"{name}: target_hash does not fit in 1 lines",
    }
    lost = import_lm_eval(
        write(tmp_path / "lost", {"t": [line(0), line(2)]}, task_hashes=told), tmp_path / "less"
    )
    assert any("lines were lost, added or changed" in warning for warning in lost.warnings)
    fits = {"t": sha("".join(line(0)[key] for key in ("doc_hash", "prompt_hash", "target_hash")))}
    good = import_lm_eval(write(tmp_path / "good", {"t": [line(0)]}, task_hashes=fits), tmp_path / "fits")
    assert len(good.warnings) == 1  # the language


def test_documents_that_stand_there_again_are_further_runs(tmp_path: Path) -> None:
    theirs = write(tmp_path / "theirs", {"t_id": [line(0), line(1), line(0, exact_match=0.0)]})
    found = import_lm_eval(theirs, tmp_path / "run")
    samples = read_samples(tmp_path / "run" / "samples.jsonl")
    assert [(one.id, one.run, one.score) for one in samples] == [("0", 0, 1.0), ("1", 0, 1.0), ("0", 1, 0.0)]
    assert any("1 documents stand there again" in warning for warning in found.warnings)


def test_a_changed_run_comes_back_changed(tmp_path: Path) -> None:
    import_lm_eval(
        write(tmp_path / "theirs", {"t": [line(0), line(1)]}), tmp_path / "run", languages={"t": "ban"}
    )
    path = tmp_path / "run" / "samples.jsonl"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"parsed":"B"', '"parsed":"A"', 1), encoding="utf-8"
    )
    export_lm_eval(tmp_path / "run", tmp_path / "out")
    found = import_lm_eval(tmp_path / "out", tmp_path / "again")
    assert same_run(tmp_path / "run", tmp_path / "again")
    assert not found.warnings


def test_models_stand_apart_and_one_alone_says_so(tmp_path: Path) -> None:
    samples = [
        Sample(
            task="t", language="id", id="1", model=name, method="generate", prompt="?", answer="ya", score=1.0
        )
        for name in ("base", "layer")
    ]
    cells = [Cell(task="t", language="id", skill="", model=name, metric="") for name in ("base", "layer")]
    scores = Scores(
        suite="s", models=[ModelInfo(name=name, engine="hf") for name in ("base", "layer")], cells=cells
    )
    paths = export_lm_eval(write_run(tmp_path / "run", (scores, samples)), tmp_path / "out")
    assert len(paths) == 4
    assert import_lm_eval(tmp_path / "out", tmp_path / "both").warnings == ()
    assert same_run(tmp_path / "run", tmp_path / "both")
    alone = import_lm_eval(tmp_path / "out" / "layer", tmp_path / "one")
    assert any("not every file of the run" in warning for warning in alone.warnings)
    assert read_samples(tmp_path / "one" / "samples.jsonl") == samples[1:]
    assert read_scores(tmp_path / "one" / "scores.json").cells == cells[1:]
    with pytest.raises(UsageError, match="is there already"):
        export_lm_eval(tmp_path / "run", tmp_path / "out")
    with pytest.raises(UsageError, match="is there already"):
        import_lm_eval(tmp_path / "out", tmp_path / "one")


def test_names_that_lead_out_stay_inside(tmp_path: Path) -> None:
    sample = Sample(task="../../t", language="id", id="1", model="../..", method="generate", prompt="?")
    run = write_run(tmp_path / "run", (Scores(suite="s", models=[], cells=[]), [sample]))
    (tmp_path / "in").mkdir()
    for path in export_lm_eval(run, tmp_path / "in" / "out"):
        assert path.resolve().is_relative_to((tmp_path / "in" / "out").resolve())
    assert {path.name for path in tmp_path.iterdir()} == {"run", "in"}
    import_lm_eval(tmp_path / "in" / "out", tmp_path / "again")
    assert same_run(run, tmp_path / "again")


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        (f"results_{TIME}.json", "", "no JSON"), (f"results_{TIME}.json", "[1]", "no 'results'"),
        (f"results_{TIME}.json", '{"results": 3}', "no 'results'"), (f"results_{TIME}.json", "[" * 100_000, ""),
        (f"samples_t_{TIME}.jsonl", '{"doc_id": 0}\n{"doc_id": 1', "line 2"), (f"samples_t_{TIME}.jsonl", "[]\n", "line 1"),
        (f"samples_t_{TIME}.jsonl", "{}\n", "no 'doc_id'"), (f"samples_t_{TIME}.jsonl", '\n{"doc_id": \xff}\n', "line 2"),
    ],
)  # fmt: skip
def test_what_is_none_of_theirs_is_refused(tmp_path: Path, name: str, text: str, word: str) -> None:
    theirs = write(tmp_path / "theirs", {"t": [line(0)]})
    (theirs / name).write_text(text, encoding="latin-1")
    with pytest.raises(InputError) as caught:
        import_lm_eval(theirs, tmp_path / "run")
    assert name in caught.value.message
    assert word in caught.value.message
    assert caught.value.hint
    assert [one.name for one in tmp_path.iterdir()] == ["theirs"]


def test_results_without_samples(tmp_path: Path) -> None:
    theirs = write(tmp_path / "theirs", {"xcopa_id": [line(0)]})
    (theirs / f"samples_xcopa_id_{TIME}.jsonl").unlink()
    found = import_lm_eval(theirs / f"results_{TIME}.json", tmp_path / "run")
    assert (found.samples, found.tasks) == (0, ("xcopa_id",))
    assert any("--log_samples" in warning for warning in found.warnings)
    assert read_scores(tmp_path / "run" / "scores.json").cells[0].metrics == {
        "exact_match": Figure(value=0.5)
    }
    with pytest.raises(InputError, match="no results_"):
        import_lm_eval(tmp_path / "run", tmp_path / "again")
