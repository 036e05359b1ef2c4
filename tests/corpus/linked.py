"""Documents and attributes for tests of linking, and the step run over them. Texts here are made by script."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rumpun.corpus.letters import kinds_table
from rumpun.corpus.link.step import LinkParams, link
from rumpun.corpus.parts import documents_schema, each_part, write_part
from rumpun.corpus.tag.batch import Batch
from rumpun.corpus.tag.step import tag_table
from rumpun.corpus.tag.taggers import make
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Work, quiet

# syllables of each script, from which the tests make words; not reviewed by native speakers
SYLLABLES = {
    "id": ["ba", "be", "bi", "bo", "bu", "ka", "ke", "ki", "ko", "ku", "la", "li", "lu", "ma", "me", "mi", "mo", "na", "ni", "nu", "pa", "pe", "pi", "ra", "ri", "ru", "sa", "se", "si", "ta", "te", "ti", "tu", "wa", "ya", "an", "ang"],
    "vi": ["thị", "nước", "người", "được", "không", "những", "làm", "trong", "cũng", "với", "đường", "sông", "trường", "học", "biển", "núi", "cây", "hoa", "quả", "ngày", "tháng", "năm"],
    "th": ["กา", "ขา", "คน", "งาน", "จาก", "ฉัน", "ชา", "ดี", "ตา", "ทำ", "นา", "บ้าน", "ปลา", "ผม", "ฝน", "พ่อ", "ฟ้า", "มา", "ยา", "รัก", "ลม", "วัน", "สวน", "หมู", "อา", "ไป", "ใจ", "เรา", "โต", "แม่"],
    "lo": ["ກາ", "ຂາ", "ຄົນ", "ງານ", "ຈາກ", "ສາ", "ຊາ", "ດີ", "ຕາ", "ທຳ", "ນາ", "ບ້ານ", "ປາ", "ຜົມ", "ຝົນ", "ພໍ່", "ຟ້າ", "ມາ", "ຢາ", "ຮັກ", "ລົມ", "ວັນ", "ສວນ", "ໝູ", "ໄປ", "ໃຈ", "ເຮົາ", "ແມ່"],
    "km": ["កា", "ខ្ញុំ", "គាត់", "ងារ", "ចាស់", "ឆ្នាំ", "ជា", "ដី", "តា", "ថា", "ទឹក", "នា", "បាន", "ផ្ទះ", "ពី", "ភូមិ", "មាន", "យើង", "រស់", "លើ", "វា", "ស្រី", "ហើយ", "អ្នក", "ទៅ", "ដែល"],
    "my": ["က", "ကို", "ခု", "ငါ", "စာ", "ဆို", "ည", "တယ်", "ထား", "ဒီ", "နေ", "ပါ", "ဖြစ်", "ဘာ", "မိုး", "ယူ", "ရွာ", "လူ", "ဝါး", "သူ", "ဟာ", "အိမ်", "များ", "ကြီး", "ချင်း", "သည်", "မှာ"],
    "ta": ["அம்மா", "வீடு", "நிலம்", "மழை", "மரம்", "கடல்", "மலை", "காடு", "நாள்", "ஆண்டு", "பள்ளி", "பாடம்", "நூல்", "மொழி", "மக்கள்", "ஊர்", "வழி", "கை", "கண்", "பால்", "தேன்"],
    "zh": [chr(code) for code in range(0x4E00, 0x4E00 + 900)],
    "en": ["the", "of", "and", "to", "in", "is", "was", "for", "on", "that", "with", "as", "by", "at", "from", "water", "river", "house", "people", "school", "year", "day", "work", "many", "good"],
}  # fmt: skip
SPACED = ("id", "vi", "ta", "en")


def words(language: str, count: int, rng: np.random.Generator) -> list[str]:
    """Words of two syllables, or characters of Han."""
    syllables = SYLLABLES[language]
    many = 1 if language == "zh" else 2
    drawn = rng.integers(len(syllables), size=(count, many))
    return ["".join(syllables[n] for n in row) for row in drawn]


def text(language: str, count: int, rng: np.random.Generator) -> str:
    """A text of so many words, with spaces between them where the language has them, else between phrases."""
    return joined(language, words(language, count, rng))


def joined(language: str, found: Sequence[str]) -> str:
    if language in SPACED:
        return " ".join(found)
    return " ".join("".join(found[n : n + 9]) for n in range(0, len(found), 9))


def changed(language: str, found: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """The words with so many of them changed, spread evenly: no two changes hide each other."""
    made = list(found)
    for n in range(count):
        at = (n * len(made) + len(made) // 2) // count
        new = made[at]
        while new == made[at]:
            new = words(language, 1, rng)[0]
        made[at] = new
    return made


def arrays(texts: Sequence[str]) -> tuple[Any, Any, Any, Any]:
    """codes, kinds, starts, ends of texts."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    ends = np.cumsum([len(t) for t in texts], dtype=np.int64)
    return codes, kinds_table()[codes], ends - np.array([len(t) for t in texts], dtype=np.int64), ends


def letters_of(whole: str) -> str:
    """The letters that shingles are made of, one by one."""
    kept = [c for c in whole if unicodedata.category(c)[0] in "LM"]
    return "".join(c.casefold() if len(c.casefold()) == 1 else c for c in kept)


def linked(
    folder: Path,
    rows: Sequence[dict[str, str]],
    *,
    part_rows: int = 10_000,
    taggers: Sequence[str] = (),
    **params: Any,
):
    """Documents of rows (text, and what else they have), their attributes, and the links as one table; the summary too."""
    documents, attributes = folder / "documents", folder / "attributes"
    chosen = [make(name) for name in taggers or ("figures", "minhash")]
    for number, first in enumerate(range(0, max(1, len(rows)), part_rows)):
        some = rows[first : first + part_rows]
        table = pa.Table.from_pylist(
            [
                {"key": first + n, "id": f"row-{first + n}", "language": "id", "source": "test", "licence": "CC0-1.0",
                 "url": "", "domain": "", "contributor": "", "where": ""} | row
                for n, row in enumerate(some)
            ],
            schema=documents_schema(),
        )  # fmt: skip
        write_part(documents, number, table)
        write_part(attributes, number, tag_table(table, chosen))
    return run_link(folder, documents, attributes, **params)


def run_link(folder: Path, documents: Path, attributes: Path, name: str = "links", **params: Any):
    """The step alone; links as one table, and the summary."""
    made, scratch = folder / name, folder / f"{name}-scratch"
    made.mkdir()
    scratch.mkdir(exist_ok=True)
    inputs = tuple(
        Input(kind, where, _manifest(kind))
        for kind, where in (("documents", documents), ("attributes", attributes))
    )
    outcome = link.function(
        LinkParams(**params), Work(inputs=inputs, folder=made, scratch=scratch, seed=1, progress=quiet)
    )
    return pa.concat_tables(each_part(made)), outcome.summary


def _manifest(kind: str) -> Manifest:
    return Manifest(kind=kind, id=kind, name=kind, maker=Maker(step=kind, version=1, params={}, rumpun="0"))


__all__ = [
    "SPACED",
    "SYLLABLES",
    "Batch",
    "arrays",
    "changed",
    "joined",
    "letters_of",
    "linked",
    "run_link",
    "text",
    "words",
]
