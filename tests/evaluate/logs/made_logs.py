"""Made-up runs and logs, drawn by hypothesis; logs of the other tools are written here without any code of ours."""

import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from rumpun.evaluate.records import (
    Cell,
    Difference,
    Figure,
    LanguageCost,
    Mean,
    ModelInfo,
    Sample,
    Scores,
    read_samples,
    read_scores,
    write_samples,
    write_scores,
)

NAN = float("nan")
TIME = "2026-08-18T10-00-00.123456"
TEXTS = (
    "Ibu kota?",
    "เมืองหลวง",
    "မြို့တော်",
    "តើអ្វី",
    "ເມືອງ",
    "தலைநகர்",
    'a "b" \\ \n',
    "",
    "NaN",
    "x: Infinity, y",
    "🎋",
)

short = st.sampled_from(TEXTS) | st.text(max_size=8)
names = st.text("abcXYZ09_-", min_size=1, max_size=6)
finite = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(-(2**62), 2**62) | st.sampled_from((0, 1, 2**63, 2**64 + 1, 10**30))
plain_json = st.recursive(
    st.none() | st.booleans() | whole | finite | short,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
odd_json = st.recursive(
    st.none() | st.booleans() | whole | st.floats() | short | st.just("\ud800 half"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.just("rumpun"), inner, max_size=3),
    max_leaves=6,
)


def maybe(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


# ---- runs of our own

turns = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(("user", "assistant", "system")), "content": short}),
    max_size=3,
)
samples = st.builds(
    Sample,
    task=st.sampled_from(("belebele", "nusax senti", "a/b")),
    language=st.sampled_from(("id", "th", "zh-Hant", "und")),
    id=st.sampled_from(("1", "2", "../x", "a/b", "C:\\x", "soal-ก")) | short,
    model=st.sampled_from(("base", "org/layer:1")),
    run=st.integers(0, 2),
    method=st.sampled_from(("likelihood", "generate")),
    prompt=short | turns,
    options=st.lists(short, max_size=3),
    logprobs=st.lists(finite, max_size=3),
    tokens=st.lists(st.integers(0, 99), max_size=3),
    answer=st.none() | short,
    parsed=st.none() | short,
    gold=short | st.lists(short, max_size=2),
    scores=st.dictionaries(st.sampled_from(("accuracy", "f1", "target", "doc", "a,b")), finite, max_size=3),
    score=st.none() | finite,
    status=st.sampled_from(("ok", "no answer found", "truncated", "error")),
    error=short,
    group=short,
    template=short,
    seed=st.none() | st.integers(0, 9),
    key=short,
    more=st.dictionaries(names, plain_json, max_size=2),
)  # fmt: skip
figures = st.builds(Figure, value=finite, ci95=st.none() | st.tuples(finite, finite))
cells = st.builds(
    Cell,
    task=st.sampled_from(("belebele", "nusax senti", "never asked")),
    language=st.sampled_from(("id", "th")),
    skill=short,
    model=st.sampled_from(("base", "org/layer:1")),
    metric=st.just("accuracy"),
    metrics=st.dictionaries(st.sampled_from(("accuracy", "f1")), figures, max_size=2),
    normalised=st.none() | figures,
    chance=finite,
    items=st.integers(0, 9),
    detectable=st.none() | finite,
    licences=st.lists(short, max_size=1),
)
differences = st.builds(
    Difference, task=short, language=short, metric=short, difference=finite, ci95=st.none(), p=finite, p_holm=finite,
    test=short, items=st.integers(0, 9), clusters=st.integers(0, 9),
)  # fmt: skip
scores = st.builds(
    Scores,
    suite=names,
    models=st.just([ModelInfo(name="base", engine="hf", vocabulary=7), ModelInfo(name="org/layer:1", engine="llamacpp")]),
    cells=st.lists(cells, max_size=4),
    differences=st.lists(differences, max_size=2),
    means=st.lists(st.builds(Mean, model=names, over=st.just("all"), name=st.just(""), figure=st.none() | figures), max_size=1),
    costs=st.lists(st.builds(LanguageCost, model=names, language=short, tokens_per_character=finite, against_english=st.none() | finite, characters_in_1000_tokens=finite), max_size=1),
    made=st.dictionaries(names, plain_json, max_size=2),
)  # fmt: skip
runs = st.tuples(scores, st.lists(samples, max_size=5))


def write_run(folder: Path, run: tuple[Scores, list[Sample]]) -> Path:
    folder.mkdir()
    write_scores(folder / "scores.json", run[0])
    write_samples(folder / "samples.jsonl", run[1])
    return folder


def same_run(one: Path, other: Path) -> bool:
    """Whether two folders hold equal samples, in the same order, and equal scores."""
    return read_samples(one / "samples.jsonl") == read_samples(other / "samples.jsonl") and read_scores(
        one / "scores.json"
    ) == read_scores(other / "scores.json")


def exactly(value: Any) -> Any:
    """For a comparison that knows 1 from 1.0 from true, and that NaN is NaN; the order of keys does not count."""
    return json.dumps(value, sort_keys=True)


# ---- Inspect

message = maybe(
    {
        "id": short,
        "content": short | st.just([{"type": "text", "text": "dalam"}]),
        "role": short,
        "source": short,
    }
)
score = maybe(
    {
        "value": st.sampled_from(("C", "I", "P", "N", "yes", "0.5", "?")) | st.floats() | st.booleans()
        | st.dictionaries(names, st.floats(), max_size=2),
        "answer": st.none() | short, "explanation": st.none() | short, "metadata": odd_json, "history": st.just([]),
    }
)  # fmt: skip
output = maybe(
    {
        "model": names, "completion": short, "time": finite, "error": st.none() | short,
        "usage": st.just({"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}) | odd_json,
        "choices": st.lists(maybe({"message": message, "stop_reason": st.sampled_from(("stop", "max_tokens", "?"))}), max_size=2),
    }
)  # fmt: skip
inspect_sample = st.fixed_dictionaries(
    {"id": st.integers(0, 3) | names, "epoch": st.integers(1, 2)},
    optional={
        "input": short | st.lists(message, max_size=2), "choices": st.none() | st.lists(short, max_size=2),
        "target": short | st.lists(short, max_size=2), "messages": st.lists(message, max_size=2), "output": output,
        "scores": st.none() | st.dictionaries(names, score, max_size=2), "metadata": st.none() | st.dictionaries(names, odd_json, max_size=2),
        "store": odd_json, "events": st.lists(odd_json, max_size=2), "model_usage": odd_json, "started_at": short,
        "completed_at": short, "total_time": finite, "working_time": finite, "uuid": names, "limit": st.none() | st.just({"type": "token", "limit": 5}),
        "error": st.none() | st.just({"message": "sambungan putus", "traceback": "", "traceback_ansi": ""}),
        "attachments": st.dictionaries(names, short, max_size=1), "from_a_later_version": odd_json,
    },
)  # fmt: skip
spec = st.fixed_dictionaries(
    {"task": st.sampled_from(("xcopa_id", "belebele_zsm_Latn", "tugas")), "model": names, "created": st.just("2026-08-18T10:00:00+00:00")},
    optional={
        "eval_id": names, "run_id": names, "task_id": names, "task_version": whole, "task_args": odd_json, "solver": st.none() | short,
        "dataset": odd_json, "model_base_url": st.none() | short, "config": odd_json, "revision": odd_json, "packages": odd_json,
        "metadata": st.none() | st.dictionaries(names, odd_json, max_size=2), "scorers": odd_json, "tags": odd_json,
    },
)  # fmt: skip
eval_score = maybe(
    {
        "name": names, "scorer": names, "reducer": st.none() | names,
        "metrics": st.dictionaries(
            st.sampled_from(("accuracy", "stderr", "mean")),
            maybe({"name": names, "value": st.floats() | whole, "params": odd_json}), max_size=3,
        ),
    }
)  # fmt: skip
inspect_header = st.fixed_dictionaries(
    {"version": st.just(2), "status": st.sampled_from(("success", "error", "cancelled")), "eval": spec},
    optional={
        "plan": odd_json, "stats": odd_json, "error": odd_json, "tags": st.just([]), "invalidated": st.booleans(),
        "results": st.none() | maybe({"total_samples": whole, "scores": st.lists(eval_score, max_size=2), "metadata": odd_json}),
        "log_updates": odd_json, "metadata": odd_json,
    },
)  # fmt: skip
inspect_log = st.fixed_dictionaries(
    {
        "header": inspect_header,
        "samples": st.lists(inspect_sample, max_size=4, unique_by=lambda one: (str(one["id"]), one["epoch"])),
    },
    optional={"reductions": odd_json, "start": spec, "journal": st.booleans(), "summaries": st.booleans(), "update": odd_json},
)  # fmt: skip


def summary(sample: dict[str, Any]) -> dict[str, Any]:
    thin = {key: sample[key] for key in ("id", "epoch", "target", "scores", "uuid") if key in sample}
    return {**thin, "input": "…", "metadata": {}, "completed": True, "message_count": 2}


def members_of(log: dict[str, Any]) -> dict[str, Any]:
    """Name -> JSON value, in the order that Inspect writes them."""
    header, listed = log["header"], [summary(one) for one in log["samples"]]
    found: dict[str, Any] = {}
    if "start" in log:
        found["_journal/start.json"] = {"version": 2, "eval": log["start"], "plan": {}}
    for one in log["samples"]:
        found[f"samples/{one['id']}_epoch_{one['epoch']}.json"] = one
    if log.get("journal"):
        found["_journal/summaries/1.json"] = listed[:1]
        found["_journal/summaries/2.json"] = [{**one, "completed": False} for one in listed[1:]]
    if "update" in log:
        found["_journal/config_updates/1.json"] = log["update"]
    if log.get("summaries"):
        found["summaries.json"] = listed
    if "reductions" in log:
        found["reductions.json"] = log["reductions"]
    if header is not None:
        found["header.json"] = header
    return found


def write_zip(path: Path, members: dict[str, bytes], method: int = 8) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            if method != 93:
                archive.writestr(name, data, method)
                continue
            packed = pa.Codec("zstd", 3).compress(data, asbytes=True)
            archive.writestr(name, packed, zipfile.ZIP_STORED)
            info = archive.getinfo(name)
            info.compress_type, info.file_size, info.CRC = method, len(data), zlib.crc32(data)
    return path


def write_inspect(path: Path, log: dict[str, Any], method: int = 8) -> dict[str, Any]:
    """Write an `.eval` log; returns its members' values."""
    members = members_of(log)
    write_zip(path, {name: json.dumps(value).encode() for name, value in members.items()}, method)
    return members


def read_zip(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


# ---- lm-eval

options = st.lists(short, min_size=2, max_size=3)
chosen = st.builds(
    lambda prompt, texts, values: {
        "arguments": {f"gen_args_{n}": {"arg_0": prompt, "arg_1": text} for n, text in enumerate(texts)},
        "resps": [[[str(value), "False"]] for value in values[: len(texts)]],
        "filtered_resps": [[str(value), "False"] for value in values[: len(texts)]],
    },
    short, options, st.lists(st.floats(), min_size=3, max_size=3),
)  # fmt: skip
written = st.builds(
    lambda prompt, texts, found: {
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": ["\n"], "temperature": 0.0}}},
        "resps": [texts],
        "filtered_resps": [found],
    },
    short | st.just('[{"role": "user", "content": "apa?"}]') | st.just('[{"role":"user","content":"apa?"}]'),
    st.lists(short, min_size=1, max_size=2), short | st.just("[invalid]"),
)  # fmt: skip
counted = st.just(
    {"arguments": {"gen_args_0": {"arg_0": "panjang"}}, "resps": [["-12.5"]], "filtered_resps": ["-12.5"]}
)
metrics = st.dictionaries(
    st.sampled_from(("acc", "acc_norm", "exact_match")),
    st.floats() | st.booleans() | st.just([-1.5, 3]),
    max_size=2,
)
document = st.fixed_dictionaries(
    {"doc": st.dictionaries(names | st.just("rumpun"), odd_json, max_size=3), "target": short, "metrics": st.lists(metrics, min_size=2, max_size=2)},
    optional={"more": st.dictionaries(st.sampled_from(("doc_hash", "extra")), st.just("ff"))},
)  # fmt: skip
lm_task = st.fixed_dictionaries(
    {
        "name": st.sampled_from(("belebele_tha_Thai", "gsm8k", "xcopa_vi", "wikitext_my")),
        "kind": st.sampled_from(("multiple_choice", "generate_until", "loglikelihood_rolling", None)),
        "docs": st.lists(st.tuples(document, chosen | written | counted), max_size=3),
        "filters": st.sampled_from((["none"], ["strict-match", "flexible-extract"])),
        "shuffle": st.randoms(use_true_random=False) | st.none(),
        "again": st.booleans(),
    }
)  # fmt: skip
lm_log = st.fixed_dictionaries(
    {
        "tasks": st.lists(lm_task, max_size=2, unique_by=lambda one: one["name"]),
        "model": st.sampled_from(("org/model", "m")),
        "values": st.lists(st.floats() | st.just("N/A"), min_size=4, max_size=4),
        "more": maybe({"date": finite, "git_hash": short, "tokenizer_pad_token": st.just(["<pad>", "0"]), "eot_token_id": whole,
                       "max_length": st.none() | st.just(2048), "chat_template": short, "n-shot": odd_json, "total_evaluation_time_seconds": st.just("12.5")}),
    }
)  # fmt: skip


def sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def lines_of(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of a samples file, in lm-eval's order."""
    found = []
    for number, name in enumerate(task["filters"]):
        for doc_id, (own, asked) in enumerate(task["docs"]):
            line = {
                "doc_id": doc_id, "doc": own["doc"], "target": own["target"], **asked, "filter": name,
                "metrics": list(own["metrics"][number]), "doc_hash": sha(json.dumps(own["doc"], indent=2, ensure_ascii=False)),
                "prompt_hash": sha(asked["arguments"]["gen_args_0"]["arg_0"]), "target_hash": sha(own["target"]),
            }  # fmt: skip
            found.append({**line, **own.get("more", {}), **own["metrics"][number]})
    if task["again"]:
        found += found[:1]
    if task["shuffle"] is not None:
        task["shuffle"].shuffle(found)
    return found


def write_lm_eval(folder: Path, log: dict[str, Any]) -> dict[str, Any]:
    """Write a results file and its samples; returns what each file holds."""
    own = folder / log["model"].replace("/", "__")
    own.mkdir(parents=True)
    found: dict[str, Any] = {}
    first, second, third, fourth = log["values"]
    results: dict[str, Any] = {
        "results": {
            task["name"]: {"alias": task["name"], "acc,none": first, "acc_stderr,none": second, "f1,strict-match": third, "f1_stderr,strict-match": fourth}
            for task in log["tasks"]
        },
        "group_subtasks": {"all": [task["name"] for task in log["tasks"]]},
        "configs": {task["name"]: {"output_type": task["kind"]} for task in log["tasks"] if task["kind"]},
        "higher_is_better": {task["name"]: {"acc": True} for task in log["tasks"]},
        "config": {"model": "hf", "model_args": f"pretrained={log['model']}"}, "model_source": "hf", "model_name": log["model"],
        "task_hashes": {}, **log["more"],
    }  # fmt: skip
    for task in log["tasks"]:
        lines = lines_of(task)
        results["task_hashes"][task["name"]] = sha(
            "".join(one["doc_hash"] + one["prompt_hash"] + one["target_hash"] for one in lines)
        )
        name = f"samples_{task['name']}_{TIME}.jsonl"
        (own / name).write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
        found[name] = lines
    (own / f"results_{TIME}.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    return {**found, f"results_{TIME}.json": results}


def read_lm_eval(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in folder.rglob("*.json*"):
        text = path.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.split("\n") if line]
        found[path.name] = lines if path.suffix == ".jsonl" else json.loads(text)
    return found
