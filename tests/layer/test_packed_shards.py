"""Training on packed shards: the same tokens, losses and bytes as from train/*.parquet; what does not fit is said."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_train import PARAMS, read, work

from conftest import TEXTS
from rumpun.corpus.tokenizer import PackTokenizer, tokenizer_file
from rumpun.corpus.write.packed import Packer
from rumpun.engines.bases import as_folder
from rumpun.errors import InputError, UsageError
from rumpun.layer.tokenizer import Tokenizer
from rumpun.layer.tokens import tokenise
from rumpun.layer.train import train
from rumpun.steps import Input, quiet

SCHEMA = pa.schema(
    [("text", pa.string()), ("language", pa.string()), ("key", pa.uint64()), ("times", pa.uint16())]
)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory, corpus: Input, base_folder: Path) -> Input:
    """The small corpus with repetitions, written both ways."""
    folder = tmp_path_factory.mktemp("packed") / "corpus"
    (folder / "train").mkdir(parents=True)
    shutil.copy(corpus.folder / "chat.jsonl", folder)
    with Packer(folder / "packed", PackTokenizer(str(base_folder)), shard_tokens=200) as packer:
        for tag, texts in TEXTS.items():
            rows = [
                {"text": f"{text} <|im_end|> {n}", "language": tag, "key": n, "times": 1 + n % 3}
                for n, text in enumerate(texts * 4)
            ]
            pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / "train" / f"{tag}.parquet")
            columns: dict[str, list[Any]] = {
                key: [row[key] for row in rows] for key in ("text", "key", "times")
            }
            packer.put(tag, columns["text"], columns["key"], columns["times"])
        packer.close()
    return dataclasses.replace(corpus, folder=folder)


@pytest.fixture
def copy(packed: Input, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packed.folder, tmp_path / "copy"))


def edit(corpus: Path, **change: Any) -> None:
    path = corpus / "packed" / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_packed_and_tokenised_text_are_the_same_documents_in_the_same_order(
    packed: Input, copy: Path, tmp_path: Path, base_folder: Path
) -> None:
    shutil.rmtree(copy / "packed")
    said: list[str] = []

    def listen(done: float, total: float = 0, note: str = "") -> None:
        said.append(note)

    tokenizer = Tokenizer(base_folder)
    ours, from_packed = tokenise(packed.folder, tmp_path / "a", tokenizer, listen)
    theirs, from_text = tokenise(copy, tmp_path / "b", tokenizer, listen)
    assert (from_packed, from_text) == ("packed shards", "train/*.parquet")
    assert said[0] == f"{sum(s.tokens for s in ours):,} tokens of packed shards"
    assert said[1] == "tokenising en.parquet (no packed shards)"
    assert not (tmp_path / "a").exists()
    for a, b in zip(ours, theirs, strict=True):
        assert (a.name, a.tokens, a.bytes) == (b.name, b.tokens, b.bytes)
        assert read(a) == read(b)
    assert all(len(source.shards) > 1 for source in ours)
    assert isinstance(ours[0].shards[0].tokens.base, np.memmap)


def test_a_layer_trained_on_either_has_the_same_bytes(
    packed: Input, copy: Path, tmp_path: Path, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")
    shutil.rmtree(copy / "packed")
    params = dataclasses.replace(PARAMS, base=str(base_folder))
    ours = train.function(params, work(tmp_path / "a", packed))
    theirs = train.function(params, work(tmp_path / "b", dataclasses.replace(packed, folder=copy)))
    assert (ours.summary["text_from"], theirs.summary["text_from"]) == ("packed shards", "train/*.parquet")
    for name in ("layer.json", "layer.safetensors", "losses.jsonl"):
        assert (tmp_path / "a/made" / name).read_bytes() == (tmp_path / "b/made" / name).read_bytes()


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("sha256", "0" * 64, "packed with another tokenizer"),
        ("end_id", 2, r"packed with '<|endoftext|>' between documents"),
    ],
)
def test_shards_of_another_tokenizer_are_passed_over(
    copy: Path, tmp_path: Path, base_folder: Path, key: str, value: Any, why: str
) -> None:
    about = json.loads((copy / "packed" / "index.json").read_text())["tokenizer"]
    edit(copy, tokenizer=about | {key: value})
    said: list[str] = []
    _, text_from = tokenise(
        copy, tmp_path / "a", Tokenizer(base_folder), lambda *given: said.append(given[2])
    )
    assert text_from == "train/*.parquet"
    assert said[0] == f"tokenising en.parquet ({why})"


def test_a_language_that_was_left_out_of_the_shards_is_not_lost(
    copy: Path, tmp_path: Path, base_folder: Path
) -> None:
    index = json.loads((copy / "packed" / "index.json").read_text())
    edit(
        copy,
        shards=[row for row in index["shards"] if row["language"] != "km"],
        languages={tag: sums for tag, sums in index["languages"].items() if tag != "km"},
    )
    sources, text_from = tokenise(copy, tmp_path / "a", Tokenizer(base_folder), quiet)
    assert text_from == "train/*.parquet"
    assert "km" in [source.name for source in sources]


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "packed/th-00000.bin").unlink(), r"th-00000\.bin: -1 bytes"),
        (lambda folder: changed(folder / "packed/th-00000.bin"), "th-00000: the shard's bytes are not those"),
        (lambda folder: changed(folder / "packed/th-00000.docs.npy"), "th-00000: the shard's bytes are not those"),
        (lambda folder: (folder / "packed/th-00000.docs.npy").unlink(), r"th-00000\.docs\.npy"),
        (lambda folder: (folder / "packed/index.json").write_text("{"), "no packed shards"),
        (lambda folder: edit(folder, format=1), "format 1, this rumpun reads 2"),
        (lambda folder: edit(folder, dtype="cat"), "not an index of packed shards"),
        (lambda folder: edit(folder, shards=[{}]), "not an index of packed shards"),
        (lambda folder: edit(folder, shards=[]), "the languages of its shards"),
        (lambda folder: shutil.copy(folder / "train/id.parquet", folder / "train/th.parquet"),
         r"what is packed in th is not what stands in train/th\.parquet"),
    ],
)  # fmt: skip
def test_damaged_or_foreign_shards_are_one_clean_error(
    copy: Path, tmp_path: Path, base_folder: Path, spoil: Any, words: str
) -> None:
    spoil(copy)
    with pytest.raises(InputError, match=words) as caught:
        tokenise(copy, tmp_path / "a", Tokenizer(base_folder), quiet)
    assert caught.value.hint


def test_a_tokenizer_is_found_by_its_base_as_training_finds_it(base_file: Path, tmp_path: Path) -> None:
    found = tokenizer_file(str(base_file))
    assert found == as_folder(base_file) / "tokenizer.json"
    assert found == tokenizer_file(str(found)) == tokenizer_file(str(found.parent))
    with pytest.raises(InputError, match=r"no tokenizer\.json there"):
        tokenizer_file(str(tmp_path))
    with pytest.raises(UsageError, match="rotan"):
        tokenizer_file("rotan")
