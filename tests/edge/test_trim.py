"""What a device keeps: scripts whole, texts piece by piece; what it would lose in silence is refused."""

import hashlib
import json
import os
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.edge.keep import choose, script_class, scripts_of
from rumpun.edge.tokens import counting, passages, prove
from rumpun.edge.trim import TrimParams, trim_file
from rumpun.engines.llamacpp_score import Scorer
from rumpun.errors import InputError, UsageError
from rumpun.language.tables import WORKING
from rumpun.recipes import build
from rumpun.records.artefacts import Maker, Manifest, read_manifest, write_manifest
from rumpun.steps import Input, Work, quiet, resolve
from rumpun.weights.gguf_file import describe, read_gguf
from rumpun.weights.trim import read_pieces
from rumpun.weights.vocabulary import USER_DEFINED
from tiny import TEXTS, tiny_base, tiny_gguf, tiny_layer

STEP = resolve("edge.trim")
KEY = "e" * 32
VOCABULARY = 672
POINTS = {
    "Latn": [*range(0x41, 0x5B), *range(0x61, 0x7B), *map(ord, "éđươạệñ")],
    "Thai": [*range(0xE01, 0xE3B), *range(0xE40, 0xE5C)],
    "Mymr": [*range(0x1000, 0x1040)],
    "Zyyy": [*map(ord, "0123456789 \n\t.,;:(){}[]<>=+-*/'\"“”…–°€"), 0x200D, 0x1F642],
}
WORDS = {
    "Latn": [w for i in (0, 1, 2, 4, 10) for w in TEXTS[i].split()],
    "Thai": TEXTS[3].split(),
    "Mymr": TEXTS[5].split(),
    "Zyyy": [" ", "\n\n", "    ", "2027", "3.14", "();", "🙂"],
}


def line_of(*scripts):
    piece = st.one_of(
        *(st.sampled_from(WORDS[s]) for s in (*scripts, "Zyyy")),
        *(st.text(st.sampled_from([chr(p) for p in POINTS[s]]), max_size=5) for s in (*scripts, "Zyyy")),
    )
    return st.lists(piece, max_size=8).map("".join)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model with pieces of words and of characters in ten scripts."""
    return tiny_gguf(
        tmp_path_factory.mktemp("model") / "model.gguf", 8, vocabulary=VOCABULARY, quantisation="Q8_0"
    )


@pytest.fixture(scope="module")
def trimmed(model, tmp_path_factory):
    """(path, kept ids) with Latin and Thai whole."""
    path = tmp_path_factory.mktemp("trimmed") / "phone.gguf"
    trim_file(model, path, TrimParams(keep_scripts=("Latn", "Thai"), measure=False))
    after, before = (read_gguf(p).get("tokenizer.ggml.tokens") for p in (path, model))
    return path, [before.index(token) for token in after]


@pytest.fixture(scope="module")
def scorers(model, trimmed):
    found = [Scorer(path, describe(path), 1) for path in (model, trimmed[0])]
    yield found
    for scorer in found:
        scorer.close()


def kept_of(model, **choice):
    file = read_gguf(model)
    with counting(model) as tokenize:
        return choose(read_pieces(file), tokenize=tokenize, **choice)


@settings(max_examples=200)
@given(line=line_of("Latn", "Thai"))
def test_text_of_kept_scripts_is_cut_as_before(scorers, trimmed, line):
    before, after = (scorer.tokenize([line])[0] for scorer in scorers)
    assert [trimmed[1][number] for number in after] == before


@settings(max_examples=100)
@given(line=line_of("Latn", "Thai", "Mymr"))
def test_no_text_is_lost(scorers, trimmed, line):
    after = scorers[1].tokenize([line])[0]
    contents = read_pieces(read_gguf(trimmed[0])).contents
    assert b"".join(contents[number] for number in after) == line.encode()


def test_scores_of_a_kept_text_differ_by_what_left_alone(scorers, trimmed):
    """Log-probabilities only gain what the dropped tokens had: never below the whole model's."""
    lines = [("", TEXTS[0]), ("", TEXTS[3])]
    before, after = (scorer.score(lines) for scorer in scorers)
    for old, new in zip(before, after, strict=True):
        assert new.tokens == old.tokens
        assert new.logprob > old.logprob - 1e-3 * abs(old.logprob)


def test_a_script_goes_whole_and_parts_of_its_characters_too(model, trimmed):
    found = trim_file(model, None, TrimParams(keep_languages=("id", "th")))
    counts = {entry.script: entry for entry in found.tally}
    assert found.scripts == ("Latn", "Thai")
    assert [entry.script for entry in found.tally[:2]] == ["Latn", "Thai"]
    for script in ("Mymr", "Khmr", "Taml", "Laoo"):
        assert counts[script].kept == 0
        assert counts[script].dropped > 3
    assert counts["Latn"].dropped == counts["Thai"].dropped == counts["special"].dropped == 0
    assert sum(entry.kept for entry in found.tally) == found.tokens_after == len(trimmed[1])
    assert sum(entry.kept + entry.dropped for entry in found.tally) == found.tokens_before == VOCABULARY
    assert set(found.cost) == set(WORKING)
    for tag, cost in found.cost.items():
        assert cost.kept == (tag in {"id", "ms", "vi", "th", "tl", "en"})
        assert cost.after == cost.before if cost.kept else cost.after >= cost.before
    assert found.cost["my"].after > found.cost["my"].before
    assert found.numbers == "2·0·2·7·1·2·3·1"


def test_a_plan_says_what_the_file_will_be(model, tmp_path):
    params = TrimParams(keep_languages=("en", "my"), measure=False)
    planned = trim_file(model, None, params)
    made = trim_file(model, tmp_path / "phone.gguf", params)
    assert (tmp_path / "phone.gguf").stat().st_size == made.size_bytes_after == planned.size_bytes_after
    assert planned.file == ""
    assert msgspec.structs.replace(made, file="") == planned
    said = json.loads(read_gguf(tmp_path / "phone.gguf").get("rumpun.trim"))
    assert said["source_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert said["tokens"] == [VOCABULARY, made.tokens_after]
    assert said["dropped"]["Thai"] == 0 or said["dropped"]["Thai"] > 3


def test_a_text_keeps_its_pieces_and_the_single_letters_of_its_script(model, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(TEXTS[4] * 3 + "\n" + TEXTS[0], encoding="utf-8")
    pieces = read_pieces(read_gguf(model))
    with counting(model) as tokenize:
        often, seldom = (set(tokenize([TEXTS[n]])[0]) for n in (4, 0))
    all_seen, often_seen = (set(kept_of(model, texts=[text], min_count=n).ids) for n in (1, 3))
    assert often | seldom <= all_seen
    assert often <= often_seen < all_seen
    assert {
        n for n, content in enumerate(pieces.contents) if content.isascii() and content.strip().isdigit()
    } <= often_seen
    assert not {n for n in often_seen if "่" in pieces.contents[n].decode("utf-8", "ignore")}
    rows = tmp_path / "text.jsonl"
    rows.write_text(
        "".join(
            json.dumps({"text": line, "language": "tl"}) + "\n\n" for line in text.read_text().splitlines()
        )
    )
    assert set(kept_of(model, texts=[rows]).ids) == all_seen


def test_a_narrowed_script_says_what_it_costs(model, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(TEXTS[4], encoding="utf-8")
    found = trim_file(model, None, TrimParams(keep_scripts=("Thai",), keep_text=(str(text),)))
    assert (found.scripts, found.narrowed) == (("Thai",), ("Latn",))
    assert not found.cost["id"].kept
    dear = {tag for tag in ("id", "ms", "vi", "tl", "en") if found.cost[tag].after > found.cost[tag].before}
    assert "id" in dear
    assert {note.split()[0] for note in found.notes if "rumpun eval bpb" in note} == dear


def test_format_marks_stay_and_clusters_go_with_their_script(model, tmp_path):
    """User-defined tokens: a mark of a format is always needed, a cluster of letters only where its script is."""
    pieces = read_pieces(read_gguf(model))
    added = ("<tool_call>", "ကို", "ปี", " ဒီ", " นี้")
    pieces.tokens.extend(added)
    pieces.types.extend([USER_DEFINED] * len(added))
    pieces.contents.extend(token.encode() for token in added)
    with counting(model) as tokenize:
        ids = set(choose(pieces, scripts=["Thai"], tokenize=tokenize).ids)
    assert ids - set(range(VOCABULARY)) == {VOCABULARY, VOCABULARY + 2, VOCABULARY + 4}


def test_words_of_the_chat_template_stay(model):
    template = read_gguf(model).get("tokenizer.chat_template")
    with counting(model) as tokenize:
        pieces = {n for ids in tokenize(["assistant", "user", "system"]) for n in ids}
    assert pieces <= set(kept_of(model, scripts=["Thai"], template=template).ids)


@pytest.mark.parametrize(
    ("tag", "script"), [("th", "Thai"), ("ms", "Latn"), ("ms-Arab", "Arab"), ("zh", "Hani"), ("en-SG", "Latn")]
)  # fmt: skip
def test_a_language_means_its_most_usual_script(tag, script):
    assert scripts_of([tag]) == {tag: (script,)}


def test_code_points_have_one_class_each():
    assert [script_class(ord(letter)) for letter in "aก1 é。🙂\u200d\ufe0fꓐ"] == [
        "Latn", "Thai", "Zyyy", "Zyyy", "Latn", "Zyyy", "Zyyy", "Zyyy", "Zyyy", "Zzzz",
    ]  # fmt: skip
    assert script_class(0x2FE0) == script_class(0xE000) == "Zzzz"


def test_every_working_language_has_its_passage():
    assert tuple(passages()) == WORKING


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"keep_languages": ("th-Latn",)}, "Thai is written in Thai, not in Latn"),
        ({"keep_languages": ("xx",)}, "keep_languages: 'xx'"),
        ({"keep_scripts": ("Thia",)}, "keep_scripts: 'Thia'"),
        ({"keep_scripts": ("Bugi",)}, "nothing but bytes would be left"),
        ({"quantisation": "Q5", "keep_scripts": ("Latn",)}, "quantisation = 'Q5'"),
        ({}, "nothing to keep"),
        ({"keep_scripts": ("Latn",), "min_count": 0}, "min_count = 0"),
        ({"keep_scripts": ("Latn", "Thai", "Mymr", "Khmr", "Laoo", "Taml", "Hani")}, "would stay"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(model, tmp_path, choice, words):
    with pytest.raises(UsageError, match=words) as caught:
        trim_file(model, tmp_path / "out.gguf", TrimParams(measure=False, **choice))
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_count_that_no_piece_reaches_is_refused(model, tmp_path):
    (tmp_path / "text.txt").write_text("bambu", encoding="utf-8")
    with pytest.raises(UsageError, match="no piece stands so often"):
        kept_of(model, texts=[tmp_path / "text.txt"], min_count=50)


def test_a_target_that_is_the_source_or_a_folder_is_refused(model, tmp_path):
    params = TrimParams(keep_scripts=("Latn",), measure=False)
    content = model.read_bytes()
    with pytest.raises(UsageError, match="the model itself"):
        trim_file(model, model.parent / "." / model.name, params)
    with pytest.raises(UsageError, match="is a folder"):
        trim_file(model, tmp_path, params)
    assert model.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("digits.txt", b"1 2 3\n", "no letter in it"),
        ("odd.txt", b"a\xff\n", "not UTF-8"),
        ("odd.jsonl", b'{"text": "a"}\n{"words": "b"}\n', "row 2"),
        ("none", None, "no such file"),
    ],
)
def test_texts_that_cannot_be_read_are_named(model, tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        trim_file(model, None, TrimParams(keep_text=(str(path),)))
    assert name in caught.value.message


def test_a_cut_that_changes_is_refused(model, tmp_path):
    """A choice without the digits: numbers would go in other pieces, and that is said before anything is written."""
    kept = kept_of(model, scripts=["Latn", "Thai"]).ids
    with counting(model) as before, counting(model, kept, tmp_path) as after:
        prove(model, kept, before, after)
        digit = before(["7"])[0][0]
        with pytest.raises(InputError, match="numbers would be cut otherwise"):
            prove(model, [number for number in kept if number != digit], before, after)
        with pytest.raises(InputError, match="though all of them stay"):
            prove(model, list(range(VOCABULARY)), before, lambda lines: [ids[1:] for ids in before(lines)])


def work_on(folder, *inputs):
    (folder / "out").mkdir(parents=True)
    (folder / "scratch").mkdir()
    found = tuple(Input(path.name, path, read_manifest(path)) for path in inputs)
    return Work(
        inputs=found, folder=folder / "out", scratch=folder / "scratch", seed=0, progress=quiet, key=KEY
    )


def test_the_step_makes_a_phones_file_of_a_layer_and_of_a_gguf(tmp_path):
    base = tiny_base(tmp_path / "base", 21, vocabulary=VOCABULARY)
    layer = tiny_layer(tmp_path / "layer", base / "base.gguf", 22)
    params = TrimParams(keep_languages=("id", "th"), quantisation="Q4_0", measure_tokens=8)
    work = work_on(tmp_path / "one", base, layer)
    outcome = STEP.function(params, work)
    assert [entry.name for entry in work.folder.iterdir()] == ["model.gguf"]
    assert list(work.scratch.iterdir()) == []
    file = read_gguf(work.folder / "model.gguf")
    assert file.get("rumpun.id") == KEY
    assert file.get("rumpun.parents") == [read_manifest(folder).id for folder in (base, layer)]
    assert file.get("general.name") == outcome.name == "layer-trimmed"
    summary = outcome.summary
    assert (summary["quantisation"], summary["tokens_before"]) == ("Q4_0", VOCABULARY)
    assert summary["size_bytes_after"] < summary["size_bytes_untrimmed"] < summary["size_bytes_before"]
    assert summary["speed_after"]["decode_tokens_per_second"] > 0

    whole = tmp_path / "whole"
    resolve("edge.export").function(
        resolve("edge.export").params(quantisation="Q4_0", measure=False), work_on(whole, base, layer)
    )
    maker = Maker(step="edge.export", version=2, params={}, rumpun="0")
    write_manifest(whole / "out", Manifest(kind="gguf", id="9" * 32, name="whole", maker=maker))
    again = work_on(tmp_path / "two", whole / "out")
    STEP.function(TrimParams(keep_languages=("id", "th"), measure=False), again)
    other = read_gguf(again.folder / "model.gguf")
    assert other.get("rumpun.parents") == ["9" * 32]
    for name in file.tensors:
        assert other.raw(name).tobytes() == file.raw(name).tobytes()


def test_the_step_needs_something_to_trim_and_knows_its_texts_by_content(tmp_path):
    with pytest.raises(UsageError, match="needs a layer"):
        STEP.function(TrimParams(keep_scripts=("Latn",)), work_on(tmp_path / "one"))
    text = tmp_path / "text.txt"
    text.write_text("satu", encoding="utf-8")
    params = build(STEP.params, {"keep_text": [str(text)]}, "recipe: steps.phone.with")
    first = STEP.identity(params)
    text.write_text("dua", encoding="utf-8")
    assert STEP.identity(params) != first
    for table in (
        {"keep_scripts": []},
        {"keep_language": ["id"]},
        {"keep_scripts": ["Latn"], "min_count": 0},
    ):
        with pytest.raises(UsageError):
            build(STEP.params, table, "recipe: steps.phone.with")


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "rumpun.cli", "edge", "trim", *map(str, arguments)],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip


def test_the_command_plans_writes_and_refuses(model, tmp_path):
    out = tmp_path / "phone.gguf"
    planned = command(model, "--keep-languages", "id, th", "--plan", "--json")
    assert planned.returncode == 0, planned.stderr
    assert not out.exists()
    done = command(model, "--keep-languages", "id,th", "--out", out, "--quantisation", "Q4_0")
    assert done.returncode == 0, done.stderr
    assert describe(out).quantisation == "Q4_0"
    assert describe(out).vocabulary == json.loads(planned.stdout)["tokens_after"]
    assert "decode_tokens_per_second" in done.stdout
    assert describe(out).metadata.get("rumpun.id") is None
    refused = command(model, "--keep-languages", "id,th")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "no --out" in refused.stderr


@pytest.mark.base
def test_the_embedded_base_keeps_its_cuts_and_its_logits(base_gguf, home_with_base, tmp_path):
    out = tmp_path / "phone.gguf"
    found = trim_file(base_gguf, out, TrimParams(keep_languages=("id", "th"), measure=False))
    assert found.tokens_before == 49_152
    assert 48_000 < found.tokens_after < 49_000
    assert all(cost.before == cost.after for cost in found.cost.values() if cost.kept)
    after, before = (read_gguf(p).get("tokenizer.ggml.tokens") for p in (out, base_gguf))
    place = {token: number for number, token in enumerate(before)}
    kept = np.array([place[token] for token in after])
    lines = [passages()[tag][:80] for tag in ("id", "en", "th")]
    scorers = [Scorer(path, describe(path), 2) for path in (base_gguf, out)]
    old, new = (scorer.tokenize(lines) for scorer in scorers)
    assert [[int(kept[number]) for number in ids] for ids in new] == old
    scores = [scorer.score([("", line) for line in lines]) for scorer in scorers]
    for one, other in zip(*scores, strict=True):
        # the dropped tokens leave their share of probability to the rest, and kernels round by batch
        assert abs(one.logprob - other.logprob) < 0.005 * abs(one.logprob)
    for scorer in scorers:
        scorer.close()
