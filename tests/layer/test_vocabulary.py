"""New vocabulary: what is merged, what is refused, where rows begin, and that finding tokens does not hang on the order."""

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.cli import cli
from rumpun.errors import InputError
from rumpun.layer.params import ExtendParams
from rumpun.layer.vocabulary.base import BaseTokenizer
from rumpun.layer.vocabulary.clusters import Apart, finder, learn_clusters, runs
from rumpun.layer.vocabulary.extend import extend, extend_files
from rumpun.layer.vocabulary.learn import code_reference, learn, weights_of
from rumpun.layer.vocabulary.merges import Word, learn_merges
from rumpun.layer.vocabulary.rows import first_rows
from rumpun.layer.vocabulary.texts import Texts, read_files
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Work, quiet
from rumpun.weights.layer_file import read_layer
from tiny import TEXTS, tiny_gguf

TAGS = ("id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en")
TEXT = {tag: [text] * 5 for tag, text in zip(TAGS, TEXTS, strict=True)}
SMALL = ExtendParams(tokens_max=150, clusters_max=60, tokens_per_character=0.1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseTokenizer:
    return BaseTokenizer(tiny_gguf(tmp_path_factory.mktemp("base") / "base.gguf", vocabulary=300))


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts(
        TEXT, {tag: rows[:1] for tag, rows in TEXT.items()}, {tag: rows[:1] for tag, rows in TEXT.items()}
    )


def rows_file(path: Path, texts: dict[str, list[str]], source: str = "s") -> Path:
    lines = [
        {"text": text, "language": tag, "source": source} for tag, rows in texts.items() for text in rows
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


# merges


def slow_merges(words: list[Word], tokens: int, steps: int) -> list[tuple[int, ...]]:
    """Byte pairs by counting everything again at each step; the rows at the end."""
    rows = [list(word.pieces) for word in words]
    for step in range(steps):
        pairs: Counter[tuple[int, int]] = Counter()
        for row, word in zip(rows, words, strict=True):
            for pair in itertools.pairwise(row):
                pairs[pair] += sum(word.counts.values())
        alive = {pair: count for pair, count in pairs.items() if count > 0}
        if not alive:
            break
        best = min(alive, key=lambda pair: (-alive[pair], pair))
        for row in rows:
            at = 0
            while at + 1 < len(row):
                if (row[at], row[at + 1]) == best:
                    row[at : at + 2] = [tokens + step]
                at += 1
    return [tuple(row) for row in rows]


@given(
    st.lists(st.tuples(st.text("abc", min_size=1, max_size=9), st.integers(4, 9)), min_size=1, max_size=12)
)
def test_merges_are_those_of_counting_again_at_each_step(found):
    letters = "abc"
    words = [
        Word(tuple(letters.index(one) for one in text), {"x": count}) for text, count in dict(found).items()
    ]
    # a token that stands already, by another way, is refused, which the slow way does not know: distinct names
    names = ["<a>", "<b>", "<c>"]
    learnt = learn_merges(words, names, tokens_max=6, weights={"x": 1}, targets={}, refuse=lambda *_: "")
    if learnt.refused:
        return
    expected = slow_merges(words, 3, len(learnt.merges))
    whole = names + list(learnt.tokens)
    for word, row in zip(words, expected, strict=True):
        again = list(word.pieces)
        for number, merge in enumerate(learnt.merges, 3):
            one, other = (whole.index(part) for part in merge.split(" "))
            at = 0
            while at + 1 < len(again):
                if (again[at], again[at + 1]) == (one, other):
                    again[at : at + 2] = [number]
                at += 1
        assert tuple(again) == row


def test_a_language_that_has_enough_asks_for_no_more():
    words = [Word((0, 1) * 4, {"x": 10}), Word((2, 3) * 4, {"y": 1000})]
    kwargs = {"tokens_max": 1, "weights": {"x": 1, "y": 1}, "refuse": lambda *_: ""}
    assert learn_merges(words, ["a", "b", "c", "d"], targets={}, **kwargs).tokens == ("cd",)
    assert learn_merges(words, ["a", "b", "c", "d"], targets={"y": 8000}, **kwargs).tokens == ("ab",)


def test_a_language_counts_what_the_balance_gives_it():
    weights = weights_of({"th": 1_000_000, "lo": 10_000}, {}, 0.5)
    assert weights["lo"] * 10_000 / (weights["th"] * 1_000_000) == pytest.approx(0.1, rel=0.01)
    assert weights_of({"th": 10, "lo": 10}, {"lo": 2.0}, 0.5)["th"] == 0


# clusters


def one_after_the_other(tokens: list[str], text: str) -> list[str]:
    """llama.cpp's way: each token, the longest first, over what is left of the whole text."""
    parts: list[tuple[bool, str]] = [(False, text)]
    for token in sorted(tokens, key=lambda token: -len(token.encode())):
        fresh = []
        for done, part in parts:
            pieces = [part] if done else part.split(token)
            for number, piece in enumerate(pieces):
                if number:
                    fresh.append((True, token))
                if piece or done:
                    fresh.append((done, piece))
        parts = fresh
    return [part for done, part in parts if done]


@settings(max_examples=300)
@given(st.lists(st.text("abc ", min_size=2, max_size=5), max_size=12), st.text("abc ", max_size=40))
def test_tokens_that_are_apart_are_found_alike_in_both_orders(candidates, text):
    apart, tokens = Apart(), []
    for token in dict.fromkeys(candidates):
        if apart.takes(token):
            apart.add(token)
            tokens.append(token)
    found = finder(tokens)
    assert (found.findall(text) if found else []) == one_after_the_other(tokens, text)


def test_tokens_that_are_not_apart_would_be_found_otherwise():
    tokens = ["ab", "bcc"]
    assert finder(tokens).findall("abcc") == ["ab"]
    assert one_after_the_other(tokens, "abcc") == ["bcc"]
    apart = Apart()
    apart.add("ab")
    assert not apart.takes("bcc")
    assert not Apart().takes("aba")


def test_clusters_save_pieces_and_stay_apart():
    text = {"my": TEXT["my"], "ta": TEXT["ta"], "km": TEXT["km"]}
    chosen = learn_clusters({tag: runs(rows) for tag, rows in text.items()}, dict.fromkeys(text, 1), len, 40)
    assert len(chosen) == len(set(chosen)) > 10
    apart = Apart()
    for token in chosen:
        assert apart.takes(token)
        apart.add(token)
    assert all(len(token) > 1 and any(ord(letter) > 0xB00 for letter in token) for token in chosen)


# what is learnt


def test_pieces_get_fewer_and_what_is_kept_stays(base, texts):
    found = learn(base, texts, [code_reference()], SMALL, quiet)
    assert len(found.tokens) <= 150
    assert 0 < len(found.clusters) <= 60
    after = base.tokenizer(found.tokens, found.merges)
    for tag in ("th", "my", "km", "lo", "ta", "zh"):
        (text,) = texts.held_out[tag]
        assert len(after.encode(text).ids) < 0.7 * len(base.inner.encode(text).ids), tag
    for text in (TEXT["en"][0], *code_reference().splitlines(keepends=True)):
        assert after.encode(text).ids == base.inner.encode(text).ids
    assert found.refused["it would change English or code"] > 0


NATIVE = ("๐๑๒๓๔๕๖๗๘๙", "၀၁၂၃၄၅၆၇၈၉", "០១២៣៤៥៦៧៨៩", "໐໑໒໓໔໕໖໗໘໙", "௦௧௨௩௪௫௬௭௮௯")


def test_what_is_merged_lies_inside_a_word_of_the_bases_cut(base, texts):
    """A merge across the borders of the base's pre-tokenizer would never come into play."""
    found = learn(base, texts, [], SMALL, quiet)
    lines = [
        line for rows in texts.train.values() for text in rows for line in text.splitlines(keepends=True)
    ]
    words = {word for line in lines for word, _ in base.inner.pre_tokenizer.pre_tokenize_str(line)}
    assert len(found.merged) > 20
    for token in found.merged:
        assert any(token in word for word in words), base.text(token)
    glued = "".join(word for word, _ in base.inner.pre_tokenizer.pre_tokenize_str(lines[0])[:2])
    assert not any(glued in word for word in words)  # what a cut that is ignored would give


def test_numbers_stay_and_a_scripts_own_digits_get_one_token_each(base, texts):
    given = Texts({**texts.train, "km": [*texts.train["km"], "ឆ្នាំ១៩៩៣"]}, texts.held_out, texts.parallel)
    found = learn(base, given, [], SMALL, quiet)
    after = base.tokenizer(found.tokens, found.merges)
    used = {letter for rows in given.train.values() for text in rows for letter in text}
    for ten in NATIVE:
        ids = [after.encode(digit).ids for digit in ten]
        if used & set(ten):
            assert all(len(one) == 1 for one in ids)
            assert after.encode(ten).ids == [number for one in ids for number in one]
        else:
            assert after.encode(ten).ids == base.inner.encode(ten).ids
    assert used & set(NATIVE[2])
    for text in ("0123456789", "3.14", "x2", "½²Ⅳ①㊿", "١٢٣"):
        assert after.encode(text).ids == base.inner.encode(text).ids, text


def test_the_same_text_gives_the_same_vocabulary(base, texts):
    assert learn(base, texts, [], SMALL, quiet) == learn(base, texts, [], SMALL, quiet)


def test_rows_are_means_of_the_pieces_rows(base):
    word, cluster = "".join(base.tokens[n] for n in base.pieces("à¸")), "கி"
    rows = first_rows(base, [word], [cluster], "mean")
    table = base.file.tensor("token_embd.weight")
    assert set(rows) == {"model.embed_tokens.rows"}
    for row, pieces in zip(
        rows["model.embed_tokens.rows"], (base.pieces(word), base.inner.encode(cluster).ids), strict=True
    ):
        np.testing.assert_allclose(row, table[list(pieces)].mean(0), atol=2e-3)
    last = first_rows(base, [], [cluster], "last")["model.embed_tokens.rows"][0].astype(float)
    first = first_rows(base, [], [cluster], "first")["model.embed_tokens.rows"][0].astype(float)
    ids = base.inner.encode(cluster).ids
    assert last @ table[ids[-1]] > first @ table[ids[-1]]
    assert first @ table[ids[0]] > last @ table[ids[0]]


def test_an_untied_output_gets_rows_too(tmp_path):
    base = BaseTokenizer(tiny_gguf(tmp_path / "base.gguf", tied=False))
    rows = first_rows(base, [], ["கி", "ကို"], "mean")
    assert {name: found.shape for name, found in rows.items()} == {
        "model.embed_tokens.rows": (2, 64),
        "lm_head.rows": (2, 64),
    }


# step and command


def corpus_of(folder: Path) -> Input:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for part, source in (("train", "s"), ("heldout", "seed-news")):
        (folder / part).mkdir(parents=True)
        for tag, rows in TEXT.items():
            table = [{"text": text, "language": tag, "source": source} for text in rows]
            pq.write_table(pa.Table.from_pylist(table), folder / part / f"{tag}.parquet")
    maker = Maker(step="corpus.write", version=1, params={}, rumpun="0")
    return Input("corpus", folder, Manifest(kind="corpus", id="c" * 32, maker=maker, licences=("CC0-1.0",)))


def test_the_step_leaves_a_layer_and_a_table_twice_the_same(tmp_path):
    gguf = tiny_gguf(tmp_path / "base.gguf", vocabulary=300)
    found = corpus_of(tmp_path / "corpus")
    params = ExtendParams(base=str(gguf), tokens_max=100, clusters_max=30)
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        work = Work(inputs=(found,), folder=tmp_path / name, scratch=tmp_path, seed=1, progress=quiet)
        outcome = extend.function(params, work)
        written.append(
            [
                (tmp_path / name / file).read_bytes()
                for file in ("layer.json", "layer.safetensors", "table.json")
            ]
        )
    assert written[0] == written[1]
    spec, tensors = read_layer(tmp_path / "one")
    assert spec.targets == ()
    assert len(spec.tokens) == len(tensors["model.embed_tokens.rows"]) == outcome.summary["tokens"]
    assert outcome.summary["kept_held_out_changed"] == outcome.summary["kept_code_changed"] == 0
    table = {row["language"]: row for row in json.loads((tmp_path / "one" / "table.json").read_text())}
    assert set(table) == set(TAGS)
    assert table["my"]["cost_after"] < table["my"]["cost_before"]
    assert table["en"]["cost_before"] == table["en"]["cost_after"] == 1.0
    assert table["th"]["per_character_after"] < table["th"]["per_character_before"]


def test_the_command_prints_the_table(tmp_path):
    gguf = tiny_gguf(tmp_path / "base.gguf", vocabulary=300)
    train, news = rows_file(tmp_path / "a.jsonl", TEXT), rows_file(tmp_path / "b.jsonl", TEXT, "seed-news")
    asked = ["layer", "extend", str(train), "--held-out", str(news), "--base", str(gguf), "--tokens", "80",
             "--clusters", "20", "--into", str(tmp_path / "layer")]  # fmt: skip
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == 0, done.output
    assert all(any(line.startswith(tag) for line in done.stdout.splitlines()) for tag in TAGS)
    done = CliRunner().invoke(cli, [*asked, "--json"])
    assert json.loads(done.stdout)["tokens"] == 80
    assert read_layer(tmp_path / "layer")[0].base_name == "base"


def test_what_is_no_text_is_refused_by_name(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "x", "language": "th"}\n{"text": 3, "language": "th"}\n')
    with pytest.raises(InputError, match=r"a\.jsonl: row 2"):
        read_files([tmp_path / "a.jsonl"], [], 1000, ())
    (tmp_path / "b.jsonl").write_text("no json\n")
    with pytest.raises(InputError, match=r"b\.jsonl:1: not JSON"):
        read_files([tmp_path / "b.jsonl"], [], 1000, ())
    gguf = tiny_gguf(tmp_path / "base.gguf")
    rows_file(tmp_path / "c.jsonl", {"en": ["a b c"] * 30})
    with pytest.raises(InputError, match="no new token"):
        extend_files([tmp_path / "c.jsonl"], [], ExtendParams(base=str(gguf)), tmp_path / "layer", quiet)
    assert not (tmp_path / "layer" / "layer.json").exists()
    asked = ExtendParams(base=str(gguf), kept_files=("/nowhere/*.py",))
    with pytest.raises(InputError, match="names no file"):
        extend_files([tmp_path / "c.jsonl"], [], asked, tmp_path / "layer", quiet)


def test_a_part_is_held_out_where_no_file_is(tmp_path):
    found = read_files(
        [rows_file(tmp_path / "a.jsonl", {"th": [f"ก{n}" for n in range(40)]})], [], 10_000, ()
    )
    assert found.held_out["th"] == ["ก19", "ก39"]
    assert len(found.train["th"]) == 38
    assert found.parallel == {}
