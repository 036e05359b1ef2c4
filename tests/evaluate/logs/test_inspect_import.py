"""Logs of Inspect: what becomes what, unfinished and hostile files, bounded memory."""

import io
import json
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from made_logs import NAN, exactly, read_zip, write_inspect, write_zip

from rumpun.errors import InputError, MissingPartError, UsageError
from rumpun.evaluate.logs import archive, export_inspect, import_inspect, inspect_sample
from rumpun.evaluate.logs.json_text import ODD
from rumpun.evaluate.records import read_samples, read_scores


def sample(number: int, **more: Any) -> dict[str, Any]:
    reply = {"id": f"r{number}", "content": "ANSWER: B", "source": "generate", "role": "assistant"}
    return {
        "id": number, "epoch": 1, "input": f"Soal {number}?", "choices": ["Jakarta", "Bandung"], "target": "B",
        "messages": [{"content": f"Soal {number}?", "role": "user"}, reply],
        "output": {
            "model": "openai/x", "choices": [{"message": reply, "stop_reason": "stop"}], "completion": "ANSWER: B",
            "usage": {"input_tokens": 11, "output_tokens": 3, "total_tokens": 14},
        },
        "scores": {"choice": {"value": "C", "answer": "B", "explanation": "…"}, "judge": {"value": 0.25}},
        "metadata": {"language": "id"}, "store": {}, "events": [{"event": "info", "data": number}], "model_usage": {},
        "attachments": {}, **more,
    }  # fmt: skip


def log(*samples: dict[str, Any], **more: Any) -> dict[str, Any]:
    metrics = {
        "accuracy": {"name": "accuracy", "value": 0.75, "params": {}},
        "stderr": {"name": "stderr", "value": 0.1, "params": {}},
    }
    header = {
        "version": 2, "status": "success",
        "eval": {"task": "ujian", "task_id": "t1", "model": "openai/x", "created": "2026-08-18T10:00:00+00:00",
                 "model_base_url": "http://127.0.0.1:1/v1", "dataset": {"location": "/etc/passwd"}},
        "results": {"total_samples": len(samples), "scores": [
            {"name": "choice", "scorer": "choice", "metrics": metrics},
            {"name": "judge", "scorer": "judge", "reducer": "mean", "metrics": {"mean": {"name": "mean", "value": NAN}}},
        ]},
    }  # fmt: skip
    return {"header": header, "samples": list(samples), "summaries": True, **more}


def test_what_becomes_what(tmp_path: Path) -> None:
    write_inspect(
        tmp_path / "log.eval",
        log(
            sample(1),
            sample(2, epoch=2, scores={"choice": {"value": NAN, "answer": None}}),
            sample(3, error={"message": "putus", "traceback": "", "traceback_ansi": ""}, output={"choices": []}, scores=None),
            sample(4, scores={"choice": {"value": "N", "answer": ""}}),
            sample(5, output={"completion": "AN", "choices": [{"stop_reason": "max_tokens"}]}, target=["B", "b"]),
            sample(6, scores={"both": {"value": {"f1": 0.5, "em": "I", "odd": "?"}}}, limit={"type": "token", "limit": 9}),
        ),
    )  # fmt: skip
    found = import_inspect(tmp_path / "log.eval", tmp_path / "run")
    one, two, three, four, five, six = read_samples(tmp_path / "run" / "samples.jsonl")
    assert (one.task, one.language, one.id, one.model, one.run) == ("ujian", "id", "1", "openai/x", 0)
    assert (one.prompt, one.options, one.gold) == ("Soal 1?", ["Jakarta", "Bandung"], "B")
    assert (one.answer, one.parsed, one.tokens, one.status) == ("ANSWER: B", "B", [11, 3], "ok")
    assert (one.scores, one.score) == ({"choice": 1.0, "judge": 0.25}, 1.0)
    assert one.more["inspect"]["rest"]["events"] == [{"event": "info", "data": 1}]
    assert (two.run, two.scores, two.score) == (1, {}, None)  # NaN is no score, never a zero
    assert (three.status, three.error, three.answer, three.score) == ("error", "putus", None, None)
    assert (four.status, four.score) == ("no answer found", 0.0)
    assert (five.status, five.gold, five.answer) == ("truncated", ["B", "b"], "AN")
    assert (six.status, six.scores, six.score) == ("truncated", {"both/f1": 0.5, "both/em": 0.0}, 0.5)
    scores = read_scores(tmp_path / "run" / "scores.json")
    (cell,) = scores.cells
    assert cell.metric == "choice/accuracy"
    assert cell.metrics["choice/accuracy"].value == 0.75
    assert cell.metrics["choice/accuracy"].ci95 == pytest.approx(
        (0.554, 0.946), abs=1e-4
    )  # 1.96 of the log's 0.1
    assert "judge[mean]/mean: no value" in cell.notes
    assert (cell.items, cell.scored, cell.runs) == (6, 4, 2)
    assert (cell.errors, cell.truncated, cell.parse_failures, cell.language) == (1, 2, 1, "id")
    assert (scores.models[0].name, scores.models[0].place) == ("openai/x", "http://127.0.0.1:1/v1")
    assert found.samples == 6
    assert found.tasks == ("ujian",)
    assert not found.left
    assert found.warnings == (f"log.eval: 1 samples: {ODD}",)


@pytest.mark.parametrize(
    ("task", "told", "expected"),
    [
        ("belebele_zsm_Latn", None, "ms"), ("flores_zho_Hant_x", None, "zh"), ("xcopa_th", None, "th"), ("exam-my", None, "my"),
        ("mmlu", None, "und"), ("arc_easy", None, "und"), ("war", None, "und"), ("mmlu", "su", "su"), ("xcopa_id", "ms", "ms"),
        ("mmlu", "Indonesian", "und"),
    ],
)  # fmt: skip
def test_a_tasks_language(tmp_path: Path, task: str, told: Any, expected: str) -> None:
    made = log(sample(1, metadata={"language": told} if told else {}))
    made["header"]["eval"]["task"] = task
    write_inspect(tmp_path / "log.eval", made)
    found = import_inspect(tmp_path / "log.eval", tmp_path / "run")
    assert read_samples(tmp_path / "run" / "samples.jsonl")[0].language == expected
    assert any("language" in warning for warning in found.warnings) == (expected == "und")
    import_inspect(tmp_path / "log.eval", tmp_path / "again", languages={task: "jv"})
    assert read_scores(tmp_path / "again" / "scores.json").cells[0].language == "jv"


def test_a_changed_run_comes_back_changed(tmp_path: Path) -> None:
    write_inspect(tmp_path / "log.eval", log(sample(1), sample(2)))
    import_inspect(tmp_path / "log.eval", tmp_path / "run", languages={"ujian": "ban"})
    path = tmp_path / "run" / "samples.jsonl"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"parsed":"B"', '"parsed":"A"', 1), encoding="utf-8"
    )
    (written,) = export_inspect(tmp_path / "run", tmp_path / "out")
    import_inspect(written, tmp_path / "again")
    assert read_samples(path) == read_samples(tmp_path / "again" / "samples.jsonl")
    assert read_scores(tmp_path / "run" / "scores.json") == read_scores(tmp_path / "again" / "scores.json")
    theirs = read_zip(written)["samples/1_epoch_1.json"]
    assert theirs["metadata"]["language"] == "id"  # theirs stays as it was; ours stands beside
    assert theirs["metadata"]["rumpun"]["sample"]["parsed"] == "A"


def test_an_unfinished_log_is_read_from_its_journal(tmp_path: Path) -> None:
    made = log(sample(1), sample(2), journal=True, summaries=False, update={"max_samples": 4})
    made["start"], made["header"] = made["header"]["eval"], None
    made["start"] |= {"dataset": {"samples": 5}, "config": {"epochs": 2}}
    members = write_inspect(tmp_path / "log.eval", made)
    found = import_inspect(tmp_path / "log.eval", tmp_path / "run")
    assert found.samples == 2
    assert any("unfinished" in warning for warning in found.warnings)
    (cell,) = read_scores(tmp_path / "run" / "scores.json").cells
    assert not cell.metrics
    assert cell.notes == ["unfinished: 2 of 10 samples are in it"]
    (path,) = export_inspect(tmp_path / "run", tmp_path / "out")
    assert exactly(read_zip(path)) == exactly(members)
    (whole,) = export_inspect(tmp_path / "run", tmp_path / "out", form="json")
    assert json.loads(whole.read_text(encoding="utf-8"))["status"] == "started"


def test_a_sample_that_was_written_again_counts_once(tmp_path: Path) -> None:
    write_inspect(tmp_path / "log.eval", log(sample(1)))
    with zipfile.ZipFile(tmp_path / "log.eval", "a") as added, pytest.warns(UserWarning, match="Duplicate"):
        added.writestr("samples/1_epoch_1.json", json.dumps(sample(1, target="A")))
    found = import_inspect(tmp_path / "log.eval", tmp_path / "run")
    assert [one.gold for one in read_samples(tmp_path / "run" / "samples.jsonl")] == ["A"]
    assert any("written again" in warning for warning in found.warnings)


def test_a_member_of_another_kind_is_kept_and_told(tmp_path: Path) -> None:
    write_inspect(tmp_path / "log.eval", log(sample(1)))
    with zipfile.ZipFile(tmp_path / "log.eval", "a") as added:
        added.writestr("notes/from_later.bin", b"\0\1\2")
    assert import_inspect(tmp_path / "log.eval", tmp_path / "run").left == {"notes/from_later.bin": 1}
    (path,) = export_inspect(tmp_path / "run", tmp_path / "out")
    with zipfile.ZipFile(path) as written:
        assert written.read("notes/from_later.bin") == b"\0\1\2"


@pytest.mark.parametrize("method", [0, 8, 93])
@pytest.mark.parametrize("constant", ["1", "NaN", "-Infinity", "1e999", '"\\ud800"'])
def test_a_large_sample_is_kept_packed_as_it_stood(tmp_path: Path, method: int, constant: str) -> None:
    events = [{"event": "info", "data": f"NaN, Infinity: {'kata ' * 50}"}] * 5000
    made = sample(1, input="attachment://a1", attachments={"a1": "Soal panjang"}, events=events)
    body = json.dumps(made).replace('"store": {}', f'"store": {{"x": {constant}}}')
    small = {name: json.dumps(value).encode() for name, value in {"header.json": log()["header"]}.items()}
    write_zip(tmp_path / "log.eval", {"samples/1_epoch_1.json": body.encode(), **small}, method)
    assert len(body) > inspect_sample.LARGE
    found = import_inspect(tmp_path / "log.eval", tmp_path / "run")
    (one,) = read_samples(tmp_path / "run" / "samples.jsonl")
    assert (one.prompt, one.score, one.language) == ("Soal panjang", 1.0, "id")
    assert one.more["inspect"]["packed"]["bytes"] == len(body)
    assert (tmp_path / "run" / "samples.jsonl").stat().st_size < len(body) / 20
    assert any("NaN" in warning for warning in found.warnings) == (
        constant not in ("1", "1e999")
    )  # that is passed over
    (path,) = export_inspect(tmp_path / "run", tmp_path / "out")
    with archive.Archive(path) as written:
        assert written.read("samples/1_epoch_1.json") == body.encode()
    (whole,) = export_inspect(tmp_path / "run", tmp_path / "out", form="json")
    import_inspect(whole, tmp_path / "again")
    assert read_samples(tmp_path / "again" / "samples.jsonl") == [one]


def refused(tmp_path: Path, made: bytes, *words: str) -> None:
    path = tmp_path / "hostile.eval"
    path.write_bytes(made)
    with pytest.raises(InputError) as caught:
        import_inspect(path, tmp_path / "run")
    for word in ("hostile.eval", *words):
        assert word in caught.value.message
    assert caught.value.hint
    assert [one.name for one in tmp_path.iterdir()] == ["hostile.eval"]  # nothing half-made is left


def zipped(members: dict[str, bytes], method: int = 8) -> bytearray:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name), data, method)
    return bytearray(stream.getvalue())


GOOD = {
    "header.json": json.dumps(log()["header"]).encode(),
    "samples/1_epoch_1.json": json.dumps(sample(1)).encode(),
}


@pytest.mark.parametrize(
    "name", ["/etc/x.json", "samples/../../x_epoch_1.json", "samples\\x_epoch_1.json", "C:x.json"]
)
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    refused(tmp_path, zipped({**GOOD, name: b"{}"}), "leads out")


def test_torn_files_are_refused(tmp_path: Path) -> None:
    whole = bytes(zipped(GOOD))
    for size in (4, 30, len(whole) // 2, len(whole) - 1):
        refused(tmp_path, whole[:size], "no whole ZIP file")


def test_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    made = zipped(GOOD, 0)
    at = made.index(b"Jakarta")
    made[at] = ord("j")
    refused(tmp_path, made, "samples/1_epoch_1.json", "checksum")


def changed(made: bytearray, name: bytes, offset: int, form: str, value: int) -> bytearray:
    """A field of a member's record in the directory, which alone is read."""
    at = made.rindex(b"PK\x01\x02", 0, made.rindex(name))
    struct.pack_into(form, made, at + offset, value)
    return made


def test_methods_and_encryption_that_are_not_read_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, changed(zipped(GOOD), b"samples/1", 10, "<H", 12), "method 12")
    refused(tmp_path, changed(zipped(GOOD), b"samples/1", 8, "<H", 1), "encrypted")


def test_a_member_that_is_longer_or_shorter_than_it_says_is_refused(tmp_path: Path) -> None:
    for size in (10, 900_000):
        for method in (8, 0):
            refused(tmp_path, changed(zipped(GOOD, method), b"samples/1", 24, "<I", size), "damaged")
        path = write_zip(tmp_path / "x", GOOD, 93)
        made = bytearray(path.read_bytes())
        path.unlink()
        refused(tmp_path, changed(made, b"samples/1", 24, "<I", size), "damaged")


def test_bombs_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    made = changed(zipped(GOOD), b"samples/1", 24, "<I", (1 << 30) + 1)
    refused(tmp_path, made, "samples/1_epoch_1.json", "more than")
    many = zipped({**GOOD, **{f"samples/{n}_epoch_2.json": b"[]" for n in range(3)}})
    for number in range(3):
        changed(many, b"samples/%d_epoch_2" % number, 24, "<I", 1 << 30)
    tracemalloc.start()
    refused(tmp_path, many, "would unpack to")
    assert tracemalloc.get_traced_memory()[1] < 5 << 20
    tracemalloc.stop()


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    made = zipped({**GOOD, "samples/2_epoch_1.json": GOOD["samples/1_epoch_1.json"]})
    at = made.index(b"PK\x03\x04", made.index(b"samples/1_epoch"))  # of the second sample
    refused(tmp_path, changed(made, b"samples/2", 42, "<I", at - 40), "lies over")


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"samples/1_epoch_1.json": b"{}"}, "neither header.json"),
        ({"header.json": b"[]"}, "no 'eval'"),
        ({"header.json": b'{"eval": {}}'}, "no 'eval'"),
        ({"header.json": b'{"eval": {"task": "x"}'}, "no JSON"),
        ({**GOOD, "samples/1_epoch_1.json": b"[1]"}, "expected a sample"),
        ({**GOOD, "samples/1_epoch_1.json": b'{"id": \xff}'}, "no JSON"),
        ({**GOOD, "samples/1_epoch_1.json": b"[" * 100_000}, ""),
        ({**GOOD, "summaries.json": b"{}"}, "expected a list"),
        ({**GOOD, "samples/1_epoch_1/sample.json": b"{}"}, "cut in chunks"),
    ],
)  # fmt: skip
def test_what_is_no_log_is_refused(tmp_path: Path, members: dict[str, bytes], word: str) -> None:
    refused(tmp_path, zipped(members), word)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "neither a ZIP"), ("[]", "neither a ZIP"), ('{"eval": {"task": "x"}, "samples": [{}', "ends in the middle"),
        ('{"eval": {"task": "x"}, "samples": [{}, 1]}', "no object"), ('{"eval": {"task": "x"}, "samples": [[1]]}', "expected a sample"),
        ('{"eval": {"task": "x"}, "samples": [{"id": }]}', "no JSON"), ('{"samples": [{}]}', "no 'eval'"),
    ],
)  # fmt: skip
def test_what_is_no_json_log_is_refused(tmp_path: Path, text: str, word: str) -> None:
    refused(tmp_path, text.encode(), word)


def test_zstandard_needs_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_inspect(tmp_path / "log.eval", log(sample(1)), 93)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPartError) as caught:
        import_inspect(tmp_path / "log.eval", tmp_path / "run")
    assert caught.value.parts == ("score",)
    assert not (tmp_path / "run").exists()


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    def peak(samples: int, name: str) -> int:
        body = json.dumps(sample(1, events=[{"event": "info", "data": "x" * 3_000_000}])).encode()
        members = {f"samples/{number}_epoch_1.json": body for number in range(samples)}
        write_zip(tmp_path / f"{name}.eval", {**members, "header.json": GOOD["header.json"]})
        header = GOOD["header.json"][:-1]
        (tmp_path / f"{name}.json").write_bytes(
            header + b',"samples":[' + b",".join([body] * samples) + b"]}"
        )
        most = []
        for form in ("eval", "json"):
            tracemalloc.start()
            import_inspect(tmp_path / f"{name}.{form}", tmp_path / f"{name}-{form}")
            most.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        return max(most)

    few, many = peak(8, "few"), peak(40, "many")
    assert many < few * 1.3  # of a log five times as large
    assert many < 100 << 20


def test_folders_and_places(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    write_inspect(logs / "a.eval", log(sample(1)))
    made = log(sample(1))
    made["header"]["eval"]["model"] = "openai/y"
    (logs / "b.json").write_text(json.dumps({**made["header"], "samples": made["samples"]}), encoding="utf-8")
    (logs / "listing.json").write_text('{"a.eval": {}}', encoding="utf-8")
    found = import_inspect(logs, tmp_path / "run")
    assert found.samples == 2
    assert any("listing.json: is no log" in warning for warning in found.warnings)
    assert [model.name for model in read_scores(tmp_path / "run" / "scores.json").models] == [
        "openai/x",
        "openai/y",
    ]
    with pytest.raises(UsageError, match="is there already"):
        import_inspect(logs, tmp_path / "run")
    export_inspect(tmp_path / "run", tmp_path / "out")
    with pytest.raises(UsageError, match="is there already"):
        export_inspect(tmp_path / "run", tmp_path / "out")
    with pytest.raises(UsageError, match="form 'zip'"):
        export_inspect(tmp_path / "run", tmp_path / "out", form="zip")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"no \.eval or \.json"):
        import_inspect(tmp_path / "run", tmp_path / "new")
    with pytest.raises(InputError, match="cannot be read"):
        import_inspect(tmp_path / "absent.eval", tmp_path / "new")
