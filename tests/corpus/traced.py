"""Small written corpora and indexes for the tests of tracing and taking back; texts written for the tests, not reviewed."""

import json
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from rumpun.corpus.trace.index_shard import make_shard
from rumpun.corpus.trace.search import TraceIndex
from rumpun.records.artefacts import Maker, Manifest, SourceEntry, artefact_id, write_manifest

COLUMNS = ("id", "text", "language", "source", "licence", "url", "domain", "contributor")
DROPS = (
    "key",
    "id",
    "language",
    "source",
    "contributor",
    "stage",
    "rule",
    "value",
    "threshold",
    "detail",
    "text",
)

# letters, marks, digits, punctuation, spaces and invisible characters of every script that the project names
ALPHABET = (
    "abcghknostuyzABCIJß\u0130éễđơư\u0301\u0303\u0309\u0323\u031b\u0345ﬁｱＡＢ１²½ŉ"  # Latin, composed and not
    "กขคงจดตนบปมยรลวสหอาิีืุูเแโใไำํ่้๊็์ๅๆ๐๑๙"  # Thai
    "ກຂຄງຈດນບມລວສຫອາິີືຸູເແໂໄຳໍ່້ົຼໜໝ໐໑"  # Lao
    "ကခဂငစညတနပမယရလဝသဟအာါိီုူေဲံ့း်္ျြွှဥဦ၀၁၉"  # Burmese
    "កខគងចញតនបមយរលវសហអាិីឹឺុូួើៀេែៃោៅំះ៉៊់្០១៩"  # Khmer
    "கஙசஞடணதநபமயரலவழளறனாிீுூெேைொோௌ்௦௧"  # Tamil
    "奶奶种了姜地村里雨季〇"  # Han
    "ابتجچحدرزسشصعغڠفڤقکݢلمنهويءةأ\u064b\u0651ـ٠١"  # Jawi
    "ꦏꦒꦔꦤꦥꦩꦺꦴ꧀ᬓᬦᬫᬸᬶᨀᨁᨂᨘᨗᜃᜄᜅᜒᜓ"  # Javanese, Balinese, Buginese, Tagalog
    "0123456789 \u00a0\u200b\u200c\u200d\u2060\ufeff\u00ad\n\t.,!?-'’“”()/_´`^~$+😀\u0000\u0007\u202e"
)
TEXT = st.text(alphabet=st.sampled_from(ALPHABET), max_size=24)


def make_index(folder: Path, texts: list[str], shards: int = 1, **more: str) -> TraceIndex:
    """An index of texts, dealt into so many shards."""
    rows = [row(text, n, **more) | {"place": "train"} for n, text in enumerate(texts)]
    names = [f"shard-{n:05}" for n in range(shards)]
    for n, name in enumerate(names):
        make_shard([rows[n::shards]], folder / name, skeleton_languages=("ms",))
    (folder / "index.json").write_text(
        json.dumps({"version": 1, "corpus": "", "shards": names, "documents": len(rows)})
    )
    return TraceIndex.open(folder)


def row(text: str, number: int = 0, **more: str) -> dict[str, str]:
    """A row of a written corpus."""
    fixed = {
        "id": f"row-{number}", "text": text, "language": "id", "source": "kebun", "licence": "CC-BY-4.0", "url": "",
        "domain": "story", "contributor": "",
    }  # fmt: skip
    return fixed | more


def make_corpus(store: Path, rows, *, held=(), chat=(), drops=(), name: str = "small", parents=()) -> Path:
    """A written corpus in a store, with its manifest."""
    key = artefact_id("corpus", "corpus.write", 1, {"name": name}, [])
    folder = store / key
    for place, found in (("train", rows), ("heldout", held)):
        for tag in sorted({item["language"] for item in found}):
            here = [item for item in found if item["language"] == tag]
            (folder / place).mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(here), folder / place / f"{tag}.parquet")
    lines = [json.dumps(item, ensure_ascii=False) + "\n" for item in chat]
    (folder / "chat.jsonl").write_text("".join(lines), encoding="utf-8")
    if drops:
        (folder / "drops").mkdir()
        table = pa.Table.from_pylist([dict.fromkeys(DROPS) | item for item in drops])
        pq.write_table(table, folder / "drops" / "part-00000.parquet")
    (folder / "mixture.json").write_text("{}\n")
    sources = {}
    for role, found in (("text", rows), ("held-out", held), ("chat", chat)):
        for item in found:
            entry = sources.setdefault((item["source"], role), [0, 0, item["licence"]])
            entry[0] += 1
            entry[1] += len(item.get("text", "").encode())
    manifest = Manifest(
        kind="corpus",
        id=key,
        name=name,
        maker=Maker(step="corpus.write", version=1, params={"seed": 7}, rumpun="0"),
        parents=tuple(parents),
        sources=tuple(
            SourceEntry(name=source, role=role, licence=licence, rows=count, bytes=size)
            for (source, role), (count, size, licence) in sorted(sources.items())
        ),
        licences=tuple(sorted({licence for _, _, licence in sources.values()})),
        languages=tuple(sorted({item["language"] for item in rows})),
        summary={"rows": {"read": len(rows) + len(held) + len(drops), "train": len(rows), "held_out": len(held),
                          "dropped": {"near.duplicate": len(drops)}}},
    )  # fmt: skip
    write_manifest(folder, manifest)
    return folder


def slow_fold(text: str) -> str:
    """Folding once more, in the plainest words: one character after the other, then marks sorted cluster by cluster."""
    from rumpun.corpus.trace.fold import _ALIKE, _INVISIBLE, _ORDERS

    places = {mark: n for order in _ORDERS for n, marks in enumerate(order, 1) for mark in marks}
    out: list[str] = []
    shown = "".join(c for c in text if c not in _INVISIBLE)
    apart = "".join(c for c in unicodedata.normalize("NFKD", shown) if c not in _INVISIBLE)
    for character in unicodedata.normalize("NFKD", apart.casefold()):
        category = unicodedata.category(character)
        if category[0] in "PZ" or category in ("Cc", "Cf", "Cs", "Sk"):
            continue
        digit = unicodedata.decimal(character, None)
        out += _ALIKE.get(character, character) if digit is None else str(digit)

    def place(character: str) -> int:
        return places.get(character) or (
            100 + unicodedata.combining(character) if unicodedata.combining(character) else 0
        )

    clusters: list[list[str]] = [[]]
    for character in out:
        if not place(character):
            clusters.append([])
        clusters[-1].append(character)
    return "".join("".join(sorted(cluster, key=place)) for cluster in clusters)
