"""Write docs/sources.md from the inventories of the data folder: facts about sources, no sentence of theirs.

Usage: python scripts/make_sources.py [DATA_FOLDER] > docs/sources.md
"""

import sys
import tomllib
from pathlib import Path
from typing import Any

from rumpun.records.places import source_data

HEAD = """# Sources

What a layer of this repository may be made of. The texts themselves are not in the repository. This page is written by
`python scripts/make_sources.py > docs/sources.md` from the inventories of the data folder; correct those, not this page.

## How to get them

1. For each source below fetch the repository at the commit named (`git clone URL && git -C NAME checkout COMMIT`).
2. Bring its texts into Parquet or JSON Lines: for running text the columns `id, text, language, source, licence, url,
   domain`; for parallel text `id, source, domain, licence, url, src_lang, src, tgt_lang, tgt`. Languages are BCP-47 tags.
3. Write one `[[source]]` table for each into `inventory.toml` beside them:

   ```toml
   [[source]]
   name = "my-source"
   kind = "text"                      # text, parallel, instruct, seed, chat
   languages = ["th"]
   licence = "CC-BY-4.0"              # SPDX
   repository = "https://github.com/…"
   commit = "…"
   domain = "news"
   files = [{ path = "text/my-source.th.parquet", rows = 120, bytes = 45678, sha256 = "…" }]
   ```

4. Set `RUMPUN_DATA` to that folder. A recipe can also name single files and folders (`files = [{ path = "…" }]`), which
   need no inventory.
"""
TITLES = {
    "text": "Running text",
    "parallel": "Aligned pairs",
    "instruct": "Task rows made by rule",
    "seed": "Sentences written for this project by a language model, not reviewed by native speakers",
    "chat": "Conversations written for this project by a language model, not reviewed by native speakers",
}


def cell(value: object) -> str:
    """One cell of a table."""
    return str(value).replace("|", "\\|").replace("\n", " ")


def row(source: dict[str, Any]) -> str:
    """One source as a row of its table."""
    cells = [
        source["name"],
        " ".join(source["languages"]),
        source["licence"],
        source.get("domain", ""),
        f"{sum(file['rows'] for file in source['files']):,}",
        source.get("repository", ""),
        f"`{source['commit'][:12]}`" if source.get("commit") else "",
    ]
    return "| " + " | ".join(cell(value) for value in cells) + " |"


def page(folder: Path) -> str:
    """The whole page."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("inventory*.toml")):
        if path.name != "inventory-eval.toml":
            found += tomllib.loads(path.read_text(encoding="utf-8"))["source"]
    parts = [HEAD]
    for kind, title in TITLES.items():
        rows = sorted((s for s in found if s["kind"] == kind), key=lambda s: s["name"])
        head = "| source | languages | licence | domain | rows | repository | commit |\n|---|---|---|---|---:|---|---|"
        parts.append(f"## {title}\n\n{head}\n" + "\n".join(row(s) for s in rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page(Path(sys.argv[1]) if len(sys.argv) > 1 else source_data()))
