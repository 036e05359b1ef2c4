"""A data folder of made-up sentences and a tiny parent, for children that are grown in seconds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
WORDS = {
    "su": ["kuring", "manéhna", "barudak", "nini", "imah", "sawah", "walungan", "isuk", "peuting", "dahar", "leumpang", "ngala", "melak", "paré", "kalapa", "jeung", "di", "ka", "ti", "geus", "keur", "moal", "gedé", "leutik", "loba", "hayang", "balik", "datang", "nyieun", "meuli", "ngajual", "deukeut", "jauh"],
    "id": ["saya", "dia", "anak-anak", "nenek", "rumah", "sawah", "sungai", "pagi", "malam", "makan", "berjalan", "memetik", "menanam", "padi", "kelapa", "dan", "di", "ke", "dari", "sudah", "sedang", "tidak", "besar", "kecil", "banyak", "ingin", "pulang", "datang", "membuat", "membeli", "menjual", "dekat", "jauh"],
    "en": ["the", "a", "river", "market", "morning", "evening", "children", "grandmother", "walked", "planted", "bought", "sold", "rice", "coconuts", "and", "in", "to", "from", "was", "were", "not", "big", "small", "many", "wanted", "home", "came", "made", "near", "far", "village", "boat"],
    # of work and pay
    "id-work": ["pekerja", "majikan", "upah", "lembur", "gaji", "kontrak", "cuti", "bulan", "membayar", "dibayar", "meminta", "menandatangani", "berhak", "harus", "tidak", "dan", "di", "dari", "untuk", "setiap", "kantor", "tenaga", "kerja", "jam", "libur", "potongan", "agen", "paspor", "melapor", "surat"],
    "en-work": ["the", "a", "worker", "employer", "wages", "overtime", "contract", "leave", "month", "pays", "paid", "asks", "signs", "must", "not", "and", "in", "from", "for", "every", "office", "labour", "hours", "holiday", "deduction", "agent", "passport", "reports", "letter", "rest", "day"],
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One source: so many sentences of each list of words."""

    name: str
    counts: Mapping[str, int]  # key of WORDS -> sentences
    domain: str = "news"
    licence: str = "CC0-1.0"
    kind: str = "text"


def text(words: str, seed: int) -> str:
    """A sentence of 24 words, the same one whenever it is asked for."""
    state, found = seed * 2_654_435_761 % 2**32, []
    for _ in range(24):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        found.append(WORDS[words][state // 65_536 % len(WORDS[words])])
    return " ".join(found).capitalize() + "."


def texts(source: Made, words: str) -> list[str]:
    """The sentences of a source."""
    return [text(words, len(source.name) * 100_000 + n) for n in range(source.counts[words])]


def write_texts(folder: Path, source: Made, words: str, said: Sequence[str]) -> str:
    """One language of a source as a file of the data folder; returns its path there."""
    tag = words.partition("-")[0]
    rows = [
        {"id": f"{source.name}-{tag}-{n}", "text": one, "language": tag, "source": source.name, "licence": source.licence,
         "url": "", "domain": source.domain}
        for n, one in enumerate(said)
    ]  # fmt: skip
    path = f"text/{source.name}.{tag}.parquet"
    (folder / "text").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / path)
    return path


def write_chat(folder: Path, source: Made) -> str:
    """A source's sentences as conversations in all its languages; returns its path in the data folder."""
    sides = {words.partition("-")[0]: texts(source, words) for words in source.counts}
    lines = [
        {"key": f"{source.name}-{n}", "topic": f"topic {n}"}
        | {tag: {"user": f"{said[n][:40]}?", "assistant": said[n]} for tag, said in sides.items()}
        for n in range(min(map(len, sides.values())))
    ]
    (folder / "seed").mkdir(exist_ok=True)
    path = f"seed/{source.name}.jsonl"
    (folder / path).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def write_data(folder: Path, sources: Sequence[Made]) -> Path:
    """Write the sources and their inventory; returns the folder."""
    tables = []
    for source in sources:
        tags = [words.partition("-")[0] for words in source.counts]
        if source.kind == "chat":
            files = {write_chat(folder, source): min(source.counts.values())}
        else:
            files = {
                write_texts(folder, source, words, texts(source, words)): count
                for words, count in source.counts.items()
            }
        listed = ", ".join(
            f'{{ path = "{path}", rows = {rows}, sha256 = "" }}' for path, rows in files.items()
        )
        tables.append(
            f'[[source]]\nname = "{source.name}"\nkind = "{source.kind}"\nlanguages = {json.dumps(tags)}\nlicence = "{source.licence}"\n'
            f'repository = "https://x.example"\ncommit = ""\ndomain = "{source.domain}"\nrows = {sum(files.values())}\nfiles = [{listed}]\n'
        )
    (folder / "inventory.toml").write_text("\n".join(tables), encoding="utf-8")
    return folder


def parent_recipe(folder: Path) -> Path:
    """The recipe of a tiny layer of id, th, my and en, which is measured on no source of the data folder; returns its file."""
    whole = (ROOT / "recipes" / "tiny" / "run.toml").read_text(encoding="utf-8")
    path = folder / "parent.toml"
    own = whole.replace("recipes/tiny", str(ROOT / "recipes" / "tiny")).partition("[steps.merge]")[0]
    path.write_text(own, encoding="utf-8")
    return path
