"""Running `corpus.read` in tests, with texts written for them and not reviewed by native speakers."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rumpun.corpus.parts import each_part
from rumpun.recipes.recipe import Recipe, StepEntry
from rumpun.steps import quiet, run

TEXTS = {
    "id": "Nenek menanam jahe dan kunyit di belakang rumah sejak lama.",
    "vi": "Bà ngoại trồng gừng và nghệ sau nhà từ lâu, mảnh vườn số ba thuộc về đại gia đình.",
    "th": "คุณยายปลูกขิงและขมิ้นไว้หลังบ้านมานานแล้ว แปลงนี้เป็นของครอบครัวใหญ่",
    "my": "အဘွားသည် အိမ်နောက်ဘက်တွင် ချင်းနှင့်နနွင်းကို စိုက်ထားသည်။",
    "km": "ជីដូនដាំខ្ញីនិងរមៀតនៅក្រោយផ្ទះជាយូរមកហើយ។",
    "lo": "ແມ່ຕູ້ປູກຂີງແລະຂີ້ໝິ້ນໄວ້ຫຼັງເຮືອນມາດົນແລ້ວ",
    "ta": "பாட்டி வீட்டின் பின்புறம் இஞ்சியும் மஞ்சளும் வளர்க்கிறார்.",
    "zh": "奶奶在屋后种了姜和姜黄，这块地属于村里的大家庭，每年雨季都有好收成。",
    "en": "Grandmother has long grown ginger and turmeric behind the house.",
}


def recipe(seed: int = 7, **params: Any) -> Recipe:
    """A recipe of the one step."""
    table = {"from_inventory": False} | params
    return Recipe(
        name="test", seed=seed, steps=(StepEntry(uses="corpus.read", name="documents", params=table),)
    )


def read(store: Path, **params: Any) -> Path:
    """Read and return the artefact's folder."""
    return run(recipe(**params), store, progress=lambda _: quiet)["documents"]


def files(*paths: Path, **more: Any) -> list[dict[str, Any]]:
    """The recipe's `files` for some paths, all with a licence."""
    return [{"path": str(path), "licence": "CC0-1.0"} | more for path in paths]


def rows(folder: Path) -> list[dict[str, Any]]:
    """All documents of an artefact, its keys checked."""
    found = [row for table in each_part(folder) for row in table.to_pylist()]
    assert [row["key"] for row in found] == list(range(len(found)))
    return found


def texts(folder: Path) -> list[str]:
    """Their texts."""
    return [row["text"] for row in rows(folder)]


def rejected(folder: Path) -> list[dict[str, Any]]:
    """The refusals."""
    return pq.read_table(folder / "rejected.parquet").to_pylist()


def rules(folder: Path) -> list[tuple[str, int, str]]:
    """(file, row, rule) of each refusal."""
    return [(line["file"], line["row"], line["rule"]) for line in rejected(folder)]


def sources(folder: Path) -> dict[str, dict[str, Any]]:
    """sources.json by name."""
    return {row["name"]: row for row in json.loads((folder / "sources.json").read_text(encoding="utf-8"))}


def jsonl(path: Path, found: list[Any]) -> Path:
    """Write rows as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found), encoding="utf-8")
    return path
