"""Web pages and WARC files: the main text, with address, time and title beside it; damage told record by record."""

import gzip
import io

import pyarrow.parquet as pq
import pytest
from reading import TEXTS, files, jsonl, read, rejected, rows, rules, sources, texts
from test_read_encodings import TRADITIONAL, cp1258

pytest.importorskip("resiliparse", reason="resiliparse is not installed (make dev)")
warcio = pytest.importorskip("warcio", reason="warcio is not installed (make dev)")
from warcio.statusandheaders import StatusAndHeaders  # noqa: E402
from warcio.warcwriter import WARCWriter  # noqa: E402

DATE = "2026-03-04T05:06:07Z"


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "1")


def page(text, title="Judul", charset="utf-8", *, meta=True):
    """A page with all that is not its main text."""
    head = f'<meta charset="{charset}">' if meta else ""
    paragraphs = "".join(f"<p>{line}</p>" for line in text.split("\n"))
    return (
        f"<!doctype html><html><head>{head}<title>{title}</title><script>var a = 'skrip';</script></head><body>"
        "<nav><ul><li><a href='/satu'>Beranda</a></li><li><a href='/dua'>Kontak</a></li></ul></nav>"
        f"<main><article><h1>Kepala</h1>{paragraphs}<p><a href='https://example.org/x'>tautan</a></p></article></main>"
        "<footer>Hak cipta kami</footer></body></html>"
    )  # fmt: skip


class Crawl:
    """A WARC file under way."""

    def __init__(self, path, *, packed=False):
        self.path = path
        self.stream = path.open("wb")
        self.writer = WARCWriter(self.stream, gzip=packed)

    def add(self, url, body, kind="text/html", status="200 OK", record="response", headers=()):
        if record == "response":
            http = StatusAndHeaders(status, [("Content-Type", kind), *headers], protocol="HTTP/1.1")
            made = self.writer.create_warc_record(
                url,
                record,
                payload=io.BytesIO(body),
                http_headers=http,
                warc_headers_dict={"WARC-Date": DATE},
            )
        else:
            made = self.writer.create_warc_record(
                url,
                record,
                payload=io.BytesIO(body),
                warc_content_type=kind,
                warc_headers_dict={"WARC-Date": DATE},
            )
        self.writer.write_record(made)
        return self

    def done(self):
        self.stream.close()
        return self.path


def test_a_page_gives_its_main_text_and_nothing_around_it(tmp_path, store):
    (tmp_path / "a.html").write_text(page(f"{TEXTS['id']}\n{TEXTS['my']}"), encoding="utf-8")
    folder = read(store, files=files(tmp_path / "a.html", language="id"))
    (text,) = texts(folder)
    assert TEXTS["id"] in text
    assert TEXTS["my"] in text
    assert not [
        word for word in ("Judul", "Beranda", "Hak cipta", "skrip", "example.org", "<") if word in text
    ]
    assert pq.read_table(folder / "pages.parquet").to_pylist() == [
        {"key": 0, "title": "Judul", "fetched": "", "encoding": "utf-8"}
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_a_crawl(tmp_path, store, packed):
    crawl = Crawl(tmp_path / ("a.warc.gz" if packed else "a.warc"), packed=packed)
    crawl.add("https://example.org/1", page(TEXTS["th"]).encode())
    crawl.add("https://example.org/2", page("gone").encode(), status="404 Not Found")
    crawl.add("https://example.org/3", b"\x89PNG....", kind="image/png")
    crawl.add("https://example.org/4", TEXTS["lo"].encode(), kind="text/plain; charset=utf-8")
    crawl.add("https://example.org/5", TEXTS["km"].encode(), kind="text/plain", record="conversion")
    crawl.add("https://example.org/6", b"x: y", kind="application/warc-fields", record="metadata")
    crawl.add("https://example.org/7", b"<html><body><script>1</script></body></html>")
    path = crawl.done()
    folder = read(store, files=files(path, source="crawl"))
    found = rows(folder)
    assert [row["url"] for row in found] == [
        "https://example.org/1",
        "https://example.org/4",
        "https://example.org/5",
    ]
    assert TEXTS["th"] in found[0]["text"]
    assert [row["text"] for row in found[1:]] == [TEXTS["lo"], TEXTS["km"]]
    assert [row["where"] for row in found] == [f"{path.name}:{n}" for n in (1, 4, 5)]
    assert len({row["id"] for row in found}) == 3
    pages = pq.read_table(folder / "pages.parquet").to_pylist()
    assert [row["fetched"] for row in pages] == [DATE] * 3
    assert [row["key"] for row in pages] == [0, 1, 2]
    assert sources(folder)["crawl"]["skipped"] == {
        "content type image/png": 1,
        "record metadata": 1,
        "status 404": 1,
    }
    assert rules(folder) == [(path.name, 7, "read.no_text")]


@pytest.mark.parametrize(("charset", "text", "encode"), [
    ("tis-620", TEXTS["th"], lambda text: text.encode("cp874")),
    ("windows-1258", TEXTS["vi"], cp1258),
    ("gb2312", TEXTS["zh"], lambda text: text.encode("gb18030")),
    ("big5", TRADITIONAL, lambda text: text.encode("big5hkscs")),
], ids=["tis-620", "windows-1258", "gb2312", "big5"])  # fmt: skip
@pytest.mark.parametrize("said", ["header", "page", "nowhere", "falsely"])
def test_encodings_declared_or_not(tmp_path, store, charset, text, encode, said):
    import unicodedata

    label = "iso-8859-1" if said == "falsely" else charset
    html = page(
        text, title="x", charset="utf-8" if said == "falsely" else label, meta=said in ("page", "falsely")
    )
    kind = f"text/html; charset={label}" if said == "header" else "text/html"
    crawl = Crawl(tmp_path / "a.warc").add("https://example.org/", encode(html), kind=kind)
    folder = read(store, files=files(crawl.done()))
    assert text in unicodedata.normalize("NFC", texts(folder)[0])
    (encoding,) = sources(folder)["a"]["recoded"]
    assert pq.read_table(folder / "pages.parquet")["encoding"].to_pylist() == [encoding]


def test_packed_and_chunked_bodies(tmp_path, store):
    body = page(TEXTS["ta"]).encode()
    packed = gzip.compress(body)
    chunked = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (100, body[:100], len(body) - 100, body[100:])
    crawl = Crawl(tmp_path / "a.warc")
    crawl.add("https://example.org/1", packed, headers=[("Content-Encoding", "gzip")])
    crawl.add("https://example.org/2", chunked, headers=[("Transfer-Encoding", "chunked")])
    crawl.add(
        "https://example.org/3",
        body,
        headers=[("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")],
    )
    crawl.add("https://example.org/4", b"\x8b\x05\x80", headers=[("Content-Encoding", "br")])
    crawl.add("https://example.org/5", packed[:20] + b"\xff" * 40, headers=[("Content-Encoding", "gzip")])
    folder = read(store, files=files(crawl.done()))
    assert [TEXTS["ta"] in text for text in texts(folder)] == [True] * 3
    assert [line["row"] for line in rejected(folder)] == [4, 5]


def test_a_damaged_crawl_loses_the_damaged_record_alone(tmp_path, store):
    crawl = Crawl(tmp_path / "a.warc.gz", packed=True)
    for n in range(50):
        crawl.add(f"https://example.org/{n}", page(f"{n} {TEXTS['id']}").encode())
    path = crawl.done()
    data = path.read_bytes()
    at = len(data) * 3 // 5
    path.write_bytes(data[:at] + b"\xff" * 64 + data[at + 64 :])
    folder = read(store, files=files(path))
    numbers = [int(row["url"].rpartition("/")[2]) for row in rows(folder)]
    lost = sorted(set(range(50)) - set(numbers))
    assert numbers == sorted(numbers)
    assert 1 <= len(lost) <= 2
    assert lost[-1] - lost[0] < 2
    assert 25 < lost[0] < 35
    assert "read.corrupt" in {rule for _, _, rule in rules(folder)}
    path.write_bytes(data[: at // 2])
    folder = read(store, files=files(path))
    assert 10 < len(rows(folder)) < 20
    assert {rule for _, _, rule in rules(folder)} <= {"read.corrupt", "read.cut_off"}
    assert rejected(folder)


@pytest.mark.parametrize("seed", range(6))
def test_no_damage_makes_a_crawl_repeat_or_invent(tmp_path, store, seed):
    import random

    dice = random.Random(seed)
    crawl = Crawl(tmp_path / "a.warc.gz", packed=True)
    for n in range(40):
        noise = "".join(dice.choices("abcdefghijklmnop ", k=dice.randint(10, 4000)))
        crawl.add(f"https://example.org/{n}", page(f"{n} {TEXTS['id']} {noise}").encode())
    path = crawl.done()
    whole = {row["url"]: row["text"] for row in rows(read(store / "whole", files=files(path)))}
    data = bytearray(path.read_bytes())
    for _ in range(3):
        at = dice.randrange(len(data) - 50)
        data[at : at + 30] = dice.randbytes(30)
    path.write_bytes(data)
    found = rows(read(store, files=files(path)))
    assert len({row["url"] for row in found}) == len(found)
    assert len(found) >= 32
    assert all(whole.get(row["url"]) == row["text"] for row in found)


def test_a_huge_page_and_a_file_that_is_no_warc(tmp_path, store):
    crawl = Crawl(tmp_path / "a.warc")
    crawl.add("https://example.org/1", b"<html><body><p>" + b"a" * 3_000_000)
    crawl.add("https://example.org/2", page(TEXTS["id"]).encode())
    (tmp_path / "b.warc").write_text("this is no archive\n" * 100)
    folder = read(store, files=files(crawl.done(), tmp_path / "b.warc"), max_bytes_per_document=1_000_000)
    assert len(rows(folder)) == 1
    assert [(line["file"], line["row"], line["rule"]) for line in rejected(folder)] == [
        ("a.warc", 1, "read.too_large"), ("b.warc", 0, "read.corrupt"),
    ]  # fmt: skip


def test_pages_among_other_files_keep_the_right_keys(tmp_path, store):
    place = tmp_path / "all"
    place.mkdir()
    jsonl(place / "a.jsonl", [{"text": "x", "language": "id"}] * 3)
    (place / "b.html").write_text(page(TEXTS["id"]), encoding="utf-8")
    jsonl(place / "c.jsonl", [{"text": "y", "language": "id"}] * 2)
    (place / "d.html").write_text(page(TEXTS["ta"], title="Dua"), encoding="utf-8")
    folder = read(store, files=files(place, source="all"))
    assert pq.read_table(folder / "pages.parquet").select(["key", "title"]).to_pylist() == [
        {"key": 3, "title": "Judul"}, {"key": 6, "title": "Dua"},
    ]  # fmt: skip
