"""The step `encoder.vocabulary`: a subword vocabulary for the region's scripts, and a first vector for each subword.

Subwords: byte pair encoding (Sennrich et al. 2016, arXiv 1508.07909) over lower-cased NFKC text, cut at spaces, between
scripts and around punctuation and digits; characters outside it fall back to bytes. Every language brings about as many
letters.

First vectors: a subword that English text uses begins as the teacher's own vector of it; a subword of another language
begins as the mean of the vectors of the English words that stand beside it in aligned text, weighted by how often they
translate one another (IBM model 1, Brown et al. 1993, a few rounds). After it the student already understands word by
word, and training starts from there.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rumpun.encoder.pairs import TABLE
from rumpun.records.artefacts import sha256_file
from rumpun.records.places import source_data
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rumpun.encoder.teacher import Teacher

__all__ = ["ROWS", "SPECIAL", "TOKENIZER", "VocabularyParams", "vocabulary"]

TOKENIZER = "tokenizer.json"
ROWS = "rows.safetensors"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_UNSPACED = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\uaa60-\uaa7f\u3400-\u9fff]"
# runs of letters of one script, single digits, single other signs; a space belongs to what follows it
_WORDS = r"\p{Thai}+|\p{Lao}+|[\p{Khmer}]+|\p{Myanmar}+|\p{Han}+|▁?[\p{Tamil}]+|▁?[\p{Latin}\p{M}'’]+|▁?\p{N}|▁?[^▁\p{L}\p{M}]|▁|."
_MOST_WORDS = 1 << 20
_PIECES = 24  # subwords of a text that alignment looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularyParams:
    """What the recipe may say."""

    subwords: int = 40_000
    letters_a_language: int = 3_000_000  # code points of text that each language brings
    english_share: float = 1.5  # of English, against another language
    align_rows: int = 20_000  # rows of aligned text a language
    rounds: int = 5

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if self.subwords < 1000:
            raise ValueError(f"subwords = {self.subwords}: expected 1000 or more")


def _identity(_: VocabularyParams) -> Mapping[str, Any]:
    folder = source_data()
    return {p.name: sha256_file(p) for p in sorted((folder / "text").glob("*.parquet"))}


@step(kind="vocabulary", version=1, identity=_identity, part="train", needs=("pairs",))
def vocabulary(params: VocabularyParams, work: Work) -> Outcome:
    """Train the subwords, align, write `tokenizer.json` and `rows.safetensors`."""
    import tokenizers
    from pyarrow import parquet
    from safetensors.numpy import save_file

    from rumpun.encoder.teacher import Teacher

    table = parquet.read_table(work.input("pairs").folder / TABLE).to_pydict()
    fit = [n for n, where in enumerate(table["split"]) if where == "fit"]
    texts: dict[str, list[str]] = defaultdict(list)
    for n in fit:
        if table["language"][n] != "en":
            texts[table["language"][n]].append(table["text"][n])
        texts["en"].append(table["english"][n])
    work.progress(0, 3, "subwords")
    tokenizer = _train(params, texts, work.seed)
    tokenizer.save(str(work.folder / TOKENIZER))
    teacher = Teacher.load(work.progress)
    work.progress(1, 3, "first vectors of subwords")
    rows, facts = _first_rows(params, tokenizer, teacher, table=table, fit=fit, english=texts["en"])
    save_file({"rows": rows}, str(work.folder / ROWS))
    letters = {name: sum(map(len, found)) for name, found in sorted(texts.items())}
    return Outcome(
        languages=tuple(sorted(texts)),
        summary={"subwords": tokenizer.get_vocab_size(), "letters_of_pairs": letters} | facts,
        tools={"tokenizers": tokenizers.__version__},
    )


def _running(language: str, most: int) -> Iterator[str]:
    """Running text of a language under the data folder, up to `most` code points."""
    from pyarrow import parquet

    left = most
    for path in sorted((source_data() / "text").glob(f"*.{language}.parquet")):
        if path.name.startswith("frequency-words"):
            continue
        share = most // 3  # no file alone is the language
        for text in parquet.read_table(path, columns=["text"])["text"].to_pylist():
            for line in (text or "").splitlines():
                if line.strip():
                    yield line[:1000]
                    share -= len(line)
                    left -= len(line)
                if share <= 0 or left <= 0:
                    break
            if share <= 0 or left <= 0:
                break
        if left <= 0:
            return


def _train(params: VocabularyParams, texts: Mapping[str, Sequence[str]], seed: int) -> Any:
    import random

    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[1], byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Replace(Regex(r"[\u00ad\u200b-\u200f\u2060\ufeff]"), ""),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
            # between letters of scripts that need no spaces a space says nothing: writers differ in it
            normalizers.Replace(Regex(f"(?<={_UNSPACED}) (?={_UNSPACED})"), ""),
            # a word is the same subword wherever it stands; scripts without spaces have no such sign
            normalizers.Replace(Regex(f"^(?!{_UNSPACED})"), " "),
            normalizers.Replace(" ", "▁"),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORDS), "isolated")

    def stream() -> Iterator[str]:
        draw = random.Random(seed)  # noqa: S311  (a seeded draw, no secret)
        for language, found in sorted(texts.items()):
            most = int(params.letters_a_language * (params.english_share if language == "en" else 1))
            pool = list(dict.fromkeys(found))
            draw.shuffle(pool)
            half = most // 2
            for text in pool:
                if half <= 0:
                    break
                half -= len(text)
                yield text
            yield from _running(language, most // 2 + half)

    tokenizer.train_from_iterator(
        stream(),
        trainers.BpeTrainer(
            vocab_size=params.subwords - 256, special_tokens=list(SPECIAL), max_token_length=16,
            limit_alphabet=9000, min_frequency=3, show_progress=False,
        ),
    )  # fmt: skip
    whole = json.loads(tokenizer.to_str())
    known = whole["model"]["vocab"]
    known |= {f"<0x{n:02X}>": len(known) + n for n in range(256)}
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _first_rows(
    params: VocabularyParams,
    tokenizer: Any,
    teacher: "Teacher",
    *,
    table: Mapping[str, Sequence[Any]],
    fit: Sequence[int],
    english: Sequence[str],
) -> "tuple[npt.NDArray[np.float32], dict[str, Any]]":
    import numpy as np

    size = tokenizer.get_vocab_size()
    words = teacher.words()
    own = _english_rows(tokenizer, teacher)
    english_use = np.zeros(size)
    for text in tokenizer.encode_batch(list(dict.fromkeys(english))[:100_000], add_special_tokens=False):
        np.add.at(english_use, text.ids, 1)
    places: dict[str, list[int]] = defaultdict(list)
    for n in fit:
        places[table["language"][n]].append(n)
    total = np.zeros((size, words.shape[1]), np.float64)
    weight = np.zeros(size)
    for _, every in sorted(places.items()):
        every.sort(key=lambda n: (table["group"][n] == "technical", table["group"][n] == "scripture"))
        mine = every[: params.align_rows]
        found = _align(
            [
                e.ids[:_PIECES]
                for e in tokenizer.encode_batch([table["text"][n] for n in mine], add_special_tokens=False)
            ],
            [e[:_PIECES] for e in teacher.ids([table["english"][n] for n in mine])],
            params.rounds,
        )
        for subword, (share, use) in found.items():
            total[subword] += use * (np.fromiter(share.values(), float) @ words[list(share)])
            weight[subword] += use
    blend = weight / np.maximum(weight + english_use, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        aligned = np.where(weight[:, None] > 0, total / weight[:, None], own)
    # the mean of many vectors is short: give each row the length that the teacher's rows have
    length = np.linalg.norm(words, axis=1).mean()
    aligned *= length / np.maximum(np.linalg.norm(aligned, axis=1, keepdims=True), 1e-6)
    rows = blend[:, None] * aligned + (1 - blend[:, None]) * own
    for name in SPECIAL:
        rows[tokenizer.token_to_id(name)] = words[teacher.tokenizer.token_to_id(name)]
    return rows.astype(np.float32), {"aligned_subwords": int((weight > 0).sum())}


def _english_rows(tokenizer: Any, teacher: "Teacher") -> "npt.NDArray[np.float64]":
    """The teacher's vector of each subword as English spells it: one row, or the mean of its pieces."""
    import numpy as np

    words = teacher.words()
    rows = np.zeros((tokenizer.get_vocab_size(), words.shape[1]))
    for subword, place in tokenizer.get_vocab().items():
        plain = subword.removeprefix("▁")
        inside = teacher.tokenizer.token_to_id(f"##{plain}") if not subword.startswith("▁") else None
        ids = [inside] if inside is not None else teacher.ids([plain])[0]
        rows[place] = words[ids].mean(0) if ids else words.mean(0)
    return rows


def _align(
    texts: Sequence[Sequence[int]], english: Sequence[Sequence[int]], rounds: int
) -> dict[int, tuple[dict[int, float], float]]:
    """IBM model 1: subword -> ({English word: share}, how often the subword stands in the texts)."""
    import numpy as np

    left, right, row = [], [], []
    for n, (of_text, of_english) in enumerate(zip(texts, english, strict=True)):
        if of_text and of_english:
            left.append(np.repeat(np.asarray(of_text, np.int64), len(of_english)))
            right.append(np.tile(np.asarray(of_english, np.int64), len(of_text)))
            row.append(np.tile(n * 64 + np.arange(len(of_english)), len(of_text)))
    s, e = np.concatenate(left), np.concatenate(right)
    pair, lane = np.unique(s * _MOST_WORDS + e, return_inverse=True)
    _, slot = np.unique(np.concatenate(row), return_inverse=True)
    of = pair // _MOST_WORDS
    share = np.ones(len(pair))
    for _ in range(rounds):
        p = share[lane]
        p /= np.bincount(slot, p)[slot]  # each English word is told by one of the text's subwords
        count = np.bincount(lane, p, len(pair))
        share = count / np.bincount(of, count)[of]
    use = np.bincount(s, minlength=int(of.max()) + 1) / max(1.0, float(np.mean([len(x) for x in english])))
    found: dict[int, tuple[dict[int, float], float]] = {}
    bounds = np.flatnonzero(np.diff(of, prepend=-1, append=-1))
    for begin, end in itertools.pairwise(bounds):
        best = begin + np.argsort(-share[begin:end])[:8]
        weights = (share[best] / float(share[best].sum())).tolist()
        found[int(of[begin])] = (
            dict(zip((pair[best] % _MOST_WORDS).tolist(), weights, strict=True)),
            float(use[of[begin]]),
        )
    return found
