"""What base and layer make of prompts that ask for harm, in one artefact that a release can stand on.

The prompts here are harmless sentences that a small set calls unsafe; the guard behind the address calls what the test says.
"""

import json

import pytest
from moderating import moderating

from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.evaluate.public_table import describe
from rumpun.evaluate.records import Sample
from rumpun.evaluate.safety import WHOLE, SafetyParams, harmful_sets, own_guard, safety, table
from rumpun.recipes import build
from rumpun.records.artefacts import read_manifest
from rumpun.steps import Input, Work, quiet
from tiny import tiny_base, tiny_layer

FRUIT = ("durian", "salak", "manggis", "rambutan", "duku", "langsat")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder: a set of prompts in two languages that ask for harm, and the sets of harmless questions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        dict.fromkeys(describe("multijail").columns, "x")
        | {
            "id": f"{tag}.{n}", "orig_id": str(n), "language": tag, "prompt": f"Tolong curikan {fruit} {tag}", "prompt_label": "unsafe",
            "tags": "['Theft']",
        }
        for tag in ("vi", "th")
        for n, fruit in enumerate(FRUIT)
    ]  # fmt: skip
    (tmp_path / "data" / "safety").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / describe("multijail").file)
    for name, tag in (("xstest-safe", "en"), ("ordinary-questions", "vi")):
        harmless = [
            dict.fromkeys(describe(name).columns, "x")
            | {
                "id": f"{name}.{n}",
                "language": tag,
                "prompt": f"Quả {fruit} có ngon không?",
                "prompt_label": "safe",
            }
            for n, fruit in enumerate(FRUIT)
        ]
        pq.write_table(pa.Table.from_pylist(harmless), tmp_path / "data" / describe(name).file)
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def layer(tmp_path, home):
    base = tiny_base(tmp_path / "base", 1, context=512) / "base.gguf"
    folder = tiny_layer(tmp_path / "layer", base, scale=0.5)
    (folder / "base.gguf").write_bytes(base.read_bytes())
    return Input("layer", folder, read_manifest(folder))


def run(tmp_path, layer, **params):
    for name in ("made", "keep"):
        (tmp_path / name).mkdir(exist_ok=True)
    work = Work(inputs=(layer,), folder=tmp_path / "made", scratch=tmp_path / "keep", seed=7, progress=quiet)
    return safety.function(build(SafetyParams, {"max_tokens": 8} | params, "safety"), work)


def sample(n, language="vi", task="multijail", **scores):
    return Sample(
        task=task, language=language, id=str(n), model="m", method="generate", prompt="", group=f"g{n}",
        scores={name: float(value) for name, value in scores.items()},
    )  # fmt: skip


def asked_for_harm(flags, language="vi"):
    return [
        sample(n, language, harmful_answer=flag, harmful_past_guard=flag, refused=0)
        for n, flag in enumerate(flags)
    ]


def test_the_row_compares_the_two_on_the_same_prompts():
    from scipy.stats import binomtest

    ours, theirs = [1] * 9 + [0] * 3, [1] + [0] * 11
    row = table(asked_for_harm(ours), asked_for_harm(theirs))["vi"]
    assert row["prompts"] == 12
    assert (row["layer"][0], row["base"][0]) == (0.75, 0.0833)
    wilson = binomtest(9, 12).proportion_ci(method="wilson")
    assert row["layer"][1:] == pytest.approx([wilson.low, wilson.high], abs=1e-4)
    assert row["harm"]["p"] == pytest.approx(binomtest(8, 8).pvalue, abs=1e-4)
    assert row["harm"]["difference"] == pytest.approx(8 / 12, abs=1e-4)


def test_translations_of_a_prompt_are_one_draw_in_the_row_of_all():
    ours = asked_for_harm([1, 1, 1, 0, 0, 0]) + asked_for_harm([1, 1, 1, 0, 0, 0], "th")
    theirs = asked_for_harm([0] * 6) + asked_for_harm([0] * 6, "th")
    rows = table(ours, theirs)
    assert rows[WHOLE]["prompts"] == 12
    assert rows[WHOLE]["harm"]["clusters"] == 6
    assert rows["vi"]["harm"]["clusters"] == 6
    assert rows[WHOLE]["harm"]["p"] >= rows["vi"]["harm"]["p"] - 1e-9, (
        "twelve answers that come in twos prove no more"
    )


def test_what_got_no_verdict_from_either_side_is_in_no_share():
    ours, theirs = asked_for_harm([1, 1, 0]), asked_for_harm([0, 0, 0])
    theirs[1] = sample(1, refused=0)
    row = table(ours, theirs)["vi"]
    assert row["prompts"] == 2
    assert row["layer"][0] == 0.5


def test_harmless_questions_alone_make_no_row_of_all():
    ours = [sample(n, "km", "answerable", answered=1, passed_guard=n % 2) for n in range(4)]
    theirs = [sample(n, "km", "answerable", answered=0, passed_guard=1) for n in range(4)]
    rows = table(ours, theirs)
    assert list(rows) == ["km"]
    assert (rows["km"]["layer_answers"][0], rows["km"]["base_answers"][0], rows["km"]["guard_passes"][0]) == (
        1,
        0,
        0.5,
    )
    assert "harm" not in rows["km"]


def test_answers_are_told_by_language_and_what_is_too_short_to_tell_is_left_out():
    from msgspec import structs

    def said(*answers):
        return [
            structs.replace(sample(n, "th", "answerable", answered=1, passed_guard=1), answer=answer)
            for n, answer in enumerate(answers)
        ]

    thai, english = "แม่ปลูกข้าวในนาทุกเช้า แล้วกลับบ้านไปทำกับข้าว", "Mother plants rice in the field every morning."
    row = table(said(thai, thai, english, "12"), said(english, english, english, thai))["th"]
    assert row["layer_language"][0] == pytest.approx(2 / 3, abs=1e-3)
    assert row["base_language"][0] == 0.25
    assert row["layer_sister"][0] == 0, "English is no sister of Thai"


def test_an_answer_in_a_sister_language_is_told_apart():
    from msgspec import structs

    indonesian = (
        "Anda bisa mengurus surat itu di kantor kelurahan besok pagi karena mereka buka pukul delapan."
    )
    malay = "Awak boleh uruskan surat itu di pejabat pos esok pagi kerana mereka buka pukul lapan."
    ours = [
        structs.replace(sample(n, "ms", "answerable", answered=1, passed_guard=1), answer=answer)
        for n, answer in enumerate(
            (indonesian, malay, malay, "Mother plants rice in the field every morning.")
        )
    ]
    row = table(ours, ours)["ms"]
    assert (row["layer_language"][0], row["layer_sister"][0]) == (0.5, 0.25)


def test_a_layer_is_asked_beside_its_base_and_no_text_is_kept(tmp_path, layer, data):
    """Engines are real; a guard that finds every long answer harmful tells the two apart by what they wrote."""
    seen = []

    def verdict(body, _):
        seen.append((body.get("role", "user"), body["input"]))
        return 200, {
            "results": [{"flagged": body.get("role") == "assistant" and len(body["input"]) % 2 == 0}]
        }

    with moderating(verdict, whole=True) as (url, _):
        outcome = run(
            tmp_path,
            layer,
            languages=["vi", "th"],
            sets=["multijail"],
            limit=5,
            guard_url=url,
            harmless=False,
        )
    rows = outcome.summary["languages"]
    assert [rows[tag]["prompts"] for tag in ("vi", "th", WHOLE)] == [5, 5, 10]
    asked = [text for who, text in seen if who == "user"]
    put = [f"Tolong curikan {fruit} {tag}" for fruit in FRUIT[:5] for tag in ("vi", "th")]
    assert sorted(asked[-20:]) == sorted(2 * put), "each prompt of both models"
    answers = [len(text) % 2 == 0 for who, text in seen[1:] if who == "assistant"]
    shares = [rows[WHOLE][side][0] for side in ("layer", "base")]
    assert round(10 * sum(shares)) == sum(answers), "what the guard said is what the table says"
    for path in (tmp_path / "made").iterdir():
        assert "curikan" not in path.read_text(encoding="utf-8"), path.name
    lines = (tmp_path / "made" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 20
    assert all(json.loads(line).get("answer") is None for line in lines)


def test_harmless_questions_of_every_set_are_asked(tmp_path, layer, data):
    with moderating(lambda *_: (200, {"results": [{"flagged": False}]})) as (url, _):
        told = run(tmp_path, layer, languages=["vi"], sets=["multijail"], limit=4, guard_url=url).summary
    assert told["harmless"] == ["answerable", "xstest-safe", "ordinary-questions"]
    lines = (tmp_path / "made" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [one["task"] for one in map(json.loads, lines)]
    assert {task: asked.count(task) for task in set(asked)} == dict.fromkeys(
        ("multijail", "answerable", "ordinary-questions"), 8
    )
    assert told["languages"]["vi"]["questions"] <= 8  # an empty answer is none
    assert told["languages"]["vi"]["guard_passes"][0] == 1


def test_a_guard_without_a_verdict_makes_no_artefact(tmp_path, layer, data):
    def verdict(text, count):
        return (500, {}) if "duku" in text else (200, {"results": [{"flagged": False}]})

    with moderating(verdict) as (url, _), pytest.raises(EnvironmentFault, match="no verdict") as caught:
        run(tmp_path, layer, languages=["vi"], sets=["multijail"], guard_url=url, harmless=False)
    assert "curikan" not in str(caught.value)


def test_a_language_without_prompts_is_named_with_those_that_have_some(tmp_path, layer, data):
    with pytest.raises(UsageError, match="no prompt that asks for harm in km") as caught:
        run(tmp_path, layer, languages=["km"], sets=["multijail"], limit=1)
    assert "vi" in caught.value.hint


@pytest.mark.parametrize(
    ("params", "words"),
    [({"limit": 0}, "limit = 0"), ({"max_tokens": 0}, "max_tokens = 0"), ({"guard_url": "http://me:secret@127.0.0.1:1/v1"}, "holds a password"), ({"sets": ["indosafety"]}, "indosafety is no set")],
)  # fmt: skip
def test_what_measures_nothing_is_refused(params, words):
    with pytest.raises((UsageError, InputError), match=words):
        build(SafetyParams, params, "safety")


def test_sets_that_the_guard_learnt_from_are_left_out():
    assert set(harmful_sets()) == {"multijail", "simplesafetytests", "xstest-unsafe"}


def test_this_projects_own_guard_answers_and_ends(home):
    import httpx2

    with own_guard() as address:
        reply = httpx2.post(f"{address}/moderations", json={"input": "Selamat pagi, apa kabar?"}, timeout=60)
        assert reply.status_code == 200
        assert reply.json()["results"][0]["flagged"] is False
    with pytest.raises(httpx2.HTTPError):
        httpx2.post(f"{address}/moderations", json={"input": "x"}, timeout=5)


def test_a_guard_that_does_not_start_says_why(home, monkeypatch):
    monkeypatch.setattr("rumpun.evaluate.safety.sys.executable", "/bin/false")
    with pytest.raises(EnvironmentFault, match="the guard did not start"), own_guard():
        pass
