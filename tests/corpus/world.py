"""A small data folder in the shape of the real one, with texts written for the tests."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ("id", "text", "language", "source", "licence", "url", "domain")
ID = "Nenek menanam jahe dan kunyit di belakang rumah sejak lama, nomor {n} dari kebun itu milik keluarga besar."
TH = "คุณยายปลูกขิงและขมิ้นไว้หลังบ้านมานานแล้ว แปลงที่ {n} เป็นของครอบครัวใหญ่ในหมู่บ้านริมน้ำ"
MY = "အဘွားသည် အိမ်နောက်ဘက်တွင် ချင်းနှင့်နနွင်းကို စိုက်ထားသည်။ အကွက် {n} သည် မိသားစုပိုင်ဖြစ်သည်။"
TA = "பாட்டி வீட்டின் பின்புறம் இஞ்சியும் மஞ்சளும் வளர்க்கிறார், பாத்தி {n} குடும்பத்திற்குச் சொந்தமானது."
ZH = "奶奶在屋后种了姜和姜黄，第{n}块地属于村里的大家庭，每年雨季都有好收成。"
EN = "Grandmother has long grown ginger and turmeric behind the house, and bed number {n} belongs to the family."
WORDS = [
    "satu",
    "dua",
    "tiga",
    "empat",
    "lima",
    "enam",
    "tujuh",
    "delapan",
    "sembilan",
    "sepuluh",
    "sebelas",
    "belas",
    "puluh",
    "ratus",
    "ribu",
    "juta",
]


def several(form: str, count: int, first: int = 0) -> list[str]:
    """Texts that differ in words, not only in digits."""
    return [
        form.format(n=f"{WORDS[n % 16]} {WORDS[n // 16 % 16]} {WORDS[n // 256 % 16]}")
        for n in range(first, first + count)
    ]


def rows(source: str, language: str, texts: list[str], **more: str) -> list[dict[str, str]]:
    """Rows in the inventory's columns."""
    fixed = {
        "language": language,
        "source": source,
        "licence": "CC-BY-4.0",
        "url": "",
        "domain": "story",
    } | more
    return [{"id": f"{source}-{language}-{n}", "text": text} | fixed for n, text in enumerate(texts)]


class World:
    """A data folder under way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables: list[str] = []
        (folder / "text").mkdir(parents=True)

    def add(self, name: str, found: list[dict[str, Any]], kind: str = "text", **more: str) -> Path:
        """Write one source as one Parquet file and name it in the inventory."""
        languages = sorted(
            {row[key] for row in found for key in ("language", "src_lang", "tgt_lang") if key in row}
        )
        path = self.folder / "text" / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(found), path)
        self.declare(name, kind, languages, path, len(found), **more)
        return path

    def add_jsonl(
        self, name: str, found: list[dict[str, Any]], kind: str, languages: list[str], **more: str
    ) -> Path:
        """The same as JSON Lines."""
        path = self.folder / "text" / f"{name}.jsonl"
        path.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found), encoding="utf-8"
        )
        self.declare(name, kind, languages, path, len(found), **more)
        return path

    def declare(
        self, name: str, kind: str, languages: list[str], path: Path, count: int, **more: str
    ) -> None:
        """Name a file in the inventory as it is now."""
        facts = {
            "licence": "CC-BY-4.0",
            "domain": "story",
            "repository": f"https://example.org/{name}",
            "commit": "c0ffee",
        }
        facts |= more
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        keys = "\n".join(f"{key} = {json.dumps(value)}" for key, value in facts.items())
        self.tables.append(
            f'[[source]]\nname = "{name}"\nkind = "{kind}"\nlanguages = {json.dumps(languages)}\n{keys}\n'
            f'files = [{{ path = "text/{path.name}", rows = {count}, bytes = {path.stat().st_size}, sha256 = "{digest}" }}]\n'
        )
        (self.folder / "inventory.toml").write_text("\n".join(self.tables), encoding="utf-8")


__all__ = ["COLUMNS", "World", "rows", "several"]
