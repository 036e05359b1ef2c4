"""Bits per byte: figures that can be checked by hand, files read strictly, a step that goes on where it was cut."""

import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rumpun.engines.fake import Fake
from rumpun.engines.port import About, Score
from rumpun.errors import InputError, UsageError
from rumpun.evaluate.bpb import compare
from rumpun.evaluate.step import BpbParams, bpb
from rumpun.evaluate.texts import Text, held_out, known_language, read_texts
from rumpun.records.artefacts import Maker, Manifest, read_manifest
from rumpun.steps import Input, Work, quiet
from tiny import tiny_base, tiny_gguf, tiny_layer

TEXTS = {
    "th": ["แม่ปลูกข้าวในนา", "เราดื่มชากับยายทุกเย็น", "ไผ่"],
    "id": ["Ibu menanam padi di sawah.", "Kami minum teh.", "Bambu."],
    "my": ["အမေ စပါးစိုက်သည်။", "ဝါး", "ရေ"],
    "en": ["Mother plants rice.", "We drink tea.", "Bamboo!"],
}


class Uniform:
    """Gives every byte the same probability, some of them with a fixed lean; scores only."""

    def __init__(self, bits: float, *, broken: bool = False) -> None:
        self.bits, self.broken = bits, broken
        self.seen: list[str] = []

    def about(self) -> About:
        return About(
            name="uniform", engine="fake", context_tokens=64, vocabulary=256, can=frozenset({"score"})
        )

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        self.seen += [continuation for _, continuation in pairs]
        assert all(context == "" for context, _ in pairs)
        nats = -math.inf if self.broken else -math.log(2) * self.bits
        return [Score(nats * len(text.encode()), len(text.encode())) for _, text in pairs]


def documents() -> list[Text]:
    return [Text(text, tag, f"t:{n}") for tag, texts in TEXTS.items() for n, text in enumerate(texts)]


def write(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_uniform_model_spends_eight_bits_a_byte_in_every_script() -> None:
    table = compare(Uniform(8.0), Uniform(7.0), documents())  # type: ignore[arg-type]
    assert list(table) == ["languages"]
    assert list(table["languages"]) == ["th", "id", "my", "en"]
    for tag, row in table["languages"].items():
        assert list(row) == ["model", "against", "difference", "documents", "bytes"]
        assert (row["model"], row["against"]) == (8.0, 7.0)
        assert row["difference"] == pytest.approx([1.0, 1.0])
        assert row["bytes"] == sum(len(text.encode()) for text in TEXTS[tag])
        assert row["documents"] == 3


def test_a_figure_is_total_bits_over_total_bytes() -> None:
    class Dear(Uniform):
        def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
            return [Score(-math.log(2) * (90 if text == "aaa" else 10), 1) for _, text in pairs]

    texts = [Text("aaa", "en", "1"), Text("b" * 7, "en", "2")]
    assert compare(Dear(0), None, texts)["languages"]["en"]["model"] == 10.0  # type: ignore[arg-type]


def test_without_a_second_model_the_keys_stay_and_are_null() -> None:
    row = compare(Uniform(1.0), None, documents())["languages"]["th"]  # type: ignore[arg-type]
    assert row["against"] is None
    assert row["difference"] is None


def test_each_document_is_scored_once_and_alone() -> None:
    engine = Uniform(1.0)
    compare(engine, None, documents())  # type: ignore[arg-type]
    assert engine.seen == [text.text for text in documents()]


def test_a_score_that_is_no_number_names_the_document() -> None:
    with pytest.raises(InputError, match=r"t:0: uniform gives it a log-probability of -inf"):
        compare(Uniform(1.0, broken=True), None, documents())  # type: ignore[arg-type]


def test_an_engine_that_cannot_score_is_named() -> None:
    class Mute(Uniform):
        def about(self) -> About:
            return About(name="mute", engine="http", context_tokens=1, vocabulary=0, can=frozenset({"chat"}))

    with pytest.raises(UsageError, match=r"mute: this engine \(http\) cannot score"):
        compare(Mute(1.0), Fake(), documents())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"text": "a", "language": "th"', r"t\.jsonl:2: not JSON"),
        (b'["a", "th"]', r't\.jsonl:2: \["a", "th"\], expected an object'),
        (b'{"language": "th"}', r"t\.jsonl:2: no key 'text' \(its keys: language\)"),
        (b'{"text": "a"}', r"t\.jsonl:2: no key 'language'"),
        (b'{"text": 3, "language": "th"}', r"t\.jsonl:2: text = 3, expected a string"),
        (b'{"text": null, "language": "th"}', r"t\.jsonl:2: text = null"),
        (b'{"text": "", "language": "th"}', r"t\.jsonl:2: the text is empty"),
        (b'{"text": "a", "language": "thh"}', r"t\.jsonl:2: language = 'thh' is not known"),
        (b'{"text": "a", "language": "Thai"}', r"t\.jsonl:2: language = 'Thai' is not known"),
        (b'{"text": "\\ud800", "language": "th"}', r"t\.jsonl:2: the text has half a surrogate pair"),
        (b'{"text": "\xff", "language": "th"}', r"t\.jsonl:2: not UTF-8"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(tmp_path: Path, line: bytes, words: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"text": "ok", "language": "id"}\n' + line + b"\n")
    with pytest.raises(InputError, match=words) as caught:
        read_texts(path)
    assert caught.value.hint


def test_files_without_a_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_texts(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(InputError, match="no text in it"):
        read_texts(tmp_path / "empty.jsonl")


def test_texts_are_taken_as_given(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"text": " a\\u2028b\\r\\n", "language": "en-SG"}\r\n\n{"text": "b", "language": "zh-Hant"}'
    )
    found = read_texts(path)
    assert [(t.text, t.language) for t in found] == [(" a\u2028b\r\n", "en-SG"), ("b", "zh-Hant")]


def test_the_limit_counts_per_language(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.jsonl", [{"text": str(n), "language": tag} for n in range(5) for tag in ("th", "id")]
    )
    assert [(t.text, t.language) for t in read_texts(path, 2)] == [
        ("0", "th"),
        ("0", "id"),
        ("1", "th"),
        ("1", "id"),
    ]


@pytest.mark.parametrize(
    ("tag", "known"), [("th", True), ("shn", True), ("ms-SG", True), ("xx", False), ("", False)]
)
def test_tags(tag: str, known: bool) -> None:
    assert known_language(tag) is known


# --- with real engines


@pytest.fixture
def circle(tmp_path: Path) -> tuple[Input, Input]:
    """(corpus, layer) as artefacts; the layer's base lies beside it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "corpus" / "heldout"
    folder.mkdir(parents=True)
    for tag, texts in TEXTS.items():
        rows = [
            {"id": f"{tag}-{n}", "text": f"{text} {n}", "language": tag} for n, text in enumerate(texts * 3)
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{tag}.parquet")
    base = tiny_base(tmp_path / "base", 1) / "base.gguf"
    layer = tiny_layer(tmp_path / "layer", base)
    (layer / "base.gguf").write_bytes(base.read_bytes())
    maker = Maker(step="corpus.write", version=1, params={}, rumpun="0")
    manifest = Manifest(kind="corpus", id="c" * 32, maker=maker)
    return Input("corpus", tmp_path / "corpus", manifest), Input("layer", layer, read_manifest(layer))


def step_work(folder: Path, inputs: tuple[Input, ...], progress: Any = quiet) -> Work:
    (folder / "made").mkdir(parents=True, exist_ok=True)
    (folder / "keep").mkdir(exist_ok=True)
    return Work(inputs=inputs, folder=folder / "made", scratch=folder / "keep", seed=7, progress=progress)


def test_the_step_measures_base_and_layer_and_shows_every_working_language(
    tmp_path: Path, circle: tuple[Input, Input], home: Path
) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    outcome = bpb.function(BpbParams(documents_max=5), step_work(tmp_path, circle))
    table = json.loads((tmp_path / "made" / "bpb.json").read_text())["languages"]
    assert list(table) == ["id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en"]
    assert table["lo"] == {
        "model": None,
        "against": None,
        "difference": None,
        "documents": None,
        "bytes": None,
    }
    for tag in TEXTS:
        assert table[tag]["documents"] == 5
        assert table[tag]["model"] != table[tag]["against"]
        low, high = table[tag]["difference"]
        assert low <= table[tag]["model"] - table[tag]["against"] <= high
    assert outcome.summary["forgetting"] == table["en"]
    assert set(outcome.summary["languages"]) == set(TEXTS)


def test_cut_off_the_step_goes_on_to_the_same_file(
    tmp_path: Path, circle: tuple[Input, Input], home: Path
) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    bpb.function(BpbParams(), step_work(tmp_path / "whole", circle))

    class Cut(Exception):  # noqa: N818
        pass

    def cut(done: float, total: float = 0, note: str = "") -> None:
        if note == "scoring with the layer" and done > 45:
            raise Cut

    with pytest.raises(Cut):
        bpb.function(BpbParams(), step_work(tmp_path / "cut", circle, cut))
    scores = tmp_path / "cut" / "keep" / "scores-layer.jsonl"
    scores.write_text(scores.read_text() + "-12.")  # a line that a kill tore off
    marks: list[str] = []
    bpb.function(
        BpbParams(), step_work(tmp_path / "cut", circle, lambda done, total=0, note="": marks.append(note))
    )
    assert "scoring with the base" not in marks, "what was scored is not scored again"
    for name in ("bpb.json",):
        assert (tmp_path / "cut" / "made" / name).read_bytes() == (
            tmp_path / "whole" / "made" / name
        ).read_bytes()


def test_languages_without_held_out_text_are_named(
    tmp_path: Path, circle: tuple[Input, Input], home: Path
) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(UsageError, match="nothing is held out in lo"):
        bpb.function(BpbParams(languages=("th", "lo")), step_work(tmp_path, circle))


def test_held_out_rows_are_chosen_by_the_seed(circle: tuple[Input, Input]) -> None:
    def ids(seed: int) -> list[str]:
        return [text.where for text in held_out(circle[0].folder, (), 4, seed)]

    assert ids(1) == ids(1) != ids(2)
    with pytest.raises(InputError, match=r"no document in 0 shards"):
        held_out(circle[1].folder, (), 4, 1)


def rumpun(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"RUMPUN_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "from rumpun.cli import main; main()", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_the_command_agrees_between_runtime_and_transformers(tmp_path: Path, home: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from rumpun.weights.folder import write_folder

    base = tiny_gguf(tmp_path / "base.gguf", 1)
    write_folder(base, tmp_path / "folder")
    long = " ".join(TEXTS["id"] * 30)  # more tokens than the context of 512
    rows = [{"text": text, "language": tag} for tag, texts in TEXTS.items() for text in texts]
    texts = write(tmp_path / "t.jsonl", [*rows, {"text": long, "language": "id"}])
    made = rumpun(
        "eval",
        "bpb",
        str(base),
        "--against",
        str(tmp_path / "folder"),
        "--text",
        str(texts),
        "--json",
        home=home,
    )
    assert made.returncode == 0, made.stderr
    table = json.loads(made.stdout)["languages"]
    assert set(table) == set(TEXTS)
    for row in table.values():
        assert row["model"] == pytest.approx(row["against"], rel=2e-3)
    shown = rumpun("eval", "bpb", str(base), "--text", str(texts), "--limit", "1", home=home)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == [
        "id",
        "ms",
        "vi",
        "th",
        "tl",
        "my",
        "km",
        "lo",
        "ta",
        "zh",
        "en",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("no-such-model", "--text", "{good}"), 2, "no-such-model"),
        (("{base}", "--text", "{bad}"), 3, "bad.jsonl:1"),
        (("{base}", "--text", "missing.jsonl"), 3, "missing.jsonl"),
        (("{bad}", "--text", "{good}"), 3, "bad.jsonl"),
        (("{base}",), 2, "--text"),
    ],
)
def test_the_command_leaves_with_the_code_of_the_fault(
    tmp_path: Path, home: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    names = {
        "good": write(tmp_path / "good.jsonl", [{"text": "a", "language": "en"}]),
        "bad": write(tmp_path / "bad.jsonl", [{"text": "a", "language": "xx"}]),
        "base": tiny_gguf(tmp_path / "base.gguf", 1),
    }
    made = rumpun("eval", "bpb", *(argument.format(**names) for argument in arguments), home=home)
    assert made.returncode == code, made.stderr
    assert words in made.stderr
    assert "Traceback" not in made.stderr


@pytest.mark.base
def test_the_base_finds_english_easier_than_its_shuffled_letters(base_gguf: Path, tmp_path: Path) -> None:
    """A real model on real sentences: plain English costs it under 2 bits a byte, its letters shuffled far more."""
    from rumpun.engines.llamacpp import LlamaCpp

    plain = "The farmers in the village plant rice by the river every year when the rains come."
    letters = list(plain)
    random.Random(1).shuffle(letters)
    texts = [Text(plain, "en", "1"), Text("".join(letters), "en-SG", "2")]
    engine = LlamaCpp(base_gguf, name="base")
    try:
        found = compare(engine, None, texts)["languages"]  # type: ignore[arg-type]
    finally:
        engine.close()
    assert found["en"]["model"] < 2.0
    assert found["en-SG"]["model"] > 1.5 * found["en"]["model"]
