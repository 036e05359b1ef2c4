"""Tracing: against a search that tries every slice of every text; variants named, every hit looked at, damage refused."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from traced import ALPHABET, TEXT, make_corpus, make_index, row, slow_fold

from rumpun.corpus.trace import index_shard
from rumpun.corpus.trace.fold import codes_of, starts_cluster
from rumpun.corpus.trace.search import MIN_FOLDED, TraceIndex
from rumpun.corpus.trace.spans import find_spans
from rumpun.corpus.trace.step import IndexParams, index_corpus, indexes_of
from rumpun.errors import InputError, UsageError
from rumpun.records.artefacts import read_manifest, verify

PLAIN = st.text(alphabet="abกขမသ地村", min_size=8, max_size=40)


@pytest.fixture(autouse=True, scope="module")
def small_pieces():
    """Documents cut after few characters and blocks after few bytes, so that small texts cross their borders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_shard, "PIECE", 7)
        patch.setattr(index_shard, "_BLOCK", 32)
        patch.setattr(index_shard, "_CODES_AT_ONCE", 40)
        yield


def borders(text):
    """Where a cluster begins, and the end."""
    cut = starts_cluster(codes_of(text.replace("\0", " ")))
    return [n for n in range(len(text)) if cut[n]] + [len(text)]


def slices(text, wanted, places):
    return any(slow_fold(text[a:b]) == wanted for a in places for b in places if a < b)


CORE = st.text(alphabet=st.sampled_from(ALPHABET), min_size=6, max_size=14)
SPELLED = st.sampled_from([
    str, str.upper, str.casefold, " ".join, "\u200b".join, "-".join,
    lambda text: unicodedata.normalize("NFC", text), lambda text: unicodedata.normalize("NFD", text),
])  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    CORE, st.lists(st.tuples(TEXT, SPELLED, st.booleans(), TEXT), min_size=1, max_size=4), st.integers(1, 3)
)
def test_it_finds_what_a_search_of_every_slice_finds(core, around, shards):
    texts = [before + (spelled(core) if there else "") + after for before, spelled, there, after in around]
    places = borders(core)
    query = core[places[0] :]
    wanted = slow_fold(query)
    assume(len(wanted) >= MIN_FOLDED)
    with tempfile.TemporaryDirectory() as folder:
        found = make_index(Path(folder), texts, shards).find(query, limit=100, spellings=False)
    ids = {match.id for match in found.matches}
    surely = {f"row-{n}" for n, text in enumerate(texts) if slices(text, wanted, borders(text))}
    perhaps = {f"row-{n}" for n, text in enumerate(texts) if slices(text, wanted, range(len(text) + 1))}
    assert surely <= ids <= perhaps
    assert found.documents == len(ids)
    for match in found.matches:
        text = texts[int(match.id.removeprefix("row-"))]
        for place in match.places:
            assert text[place.start : place.end] == place.text
            assert slow_fold(place.text) == wanted
            assert text[: place.start].endswith(place.before)
            assert text[place.end :].startswith(place.after)


def every_span(answer, texts, least):
    """Maximal spans of an answer that stand in a text, by trying all."""
    wanted, held = slow_fold(answer), [slow_fold(text) for text in texts]
    found = [
        (a, b)
        for a in range(len(wanted))
        for b in range(a + least, len(wanted) + 1)
        if any(wanted[a:b] in text for text in held)
    ]
    return {(a, b) for a, b in found if not any(c <= a and b <= d and (a, b) != (c, d) for c, d in found)}


@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.lists(PLAIN, min_size=1, max_size=4), st.data(), st.integers(1, 2))
def test_spans_are_those_of_a_search_of_all(texts, data, shards):
    pieces = data.draw(st.lists(st.sampled_from(texts), min_size=1, max_size=3))
    cuts = [data.draw(st.integers(0, len(piece))) for piece in pieces]
    answer = "ab".join(piece[cut:] for piece, cut in zip(pieces, cuts, strict=True))
    assume(len(answer) >= 8)
    with tempfile.TemporaryDirectory() as folder:
        found = find_spans(make_index(Path(folder), texts, shards), answer, min_letters=8, limit=1000)
    assert {(span.start, span.end) for span in found.spans} == every_span(answer, texts, 8)
    assert [span.found.documents for span in found.spans] == sorted(
        span.found.documents for span in found.spans
    )
    letters = {n for a, b in every_span(answer, texts, 8) for n in range(a, b)}
    assert found.covered == len(letters)


GARDEN = [
    "Nenek menanam jahe dan kunyit di belakang rumah.",
    "NENEK menanam jahe, dan kunyit\ndi belakang rumah",
    "Nenek me\u200bnanam-jahe dan kunyit di belakang rumah",
    "Tjoetjoe nenek bernjanji di bawah pohon dekat soengai itoe.",
    "Anak-anak membaca buku-buku tua di perpustakaan desa.",
    "ยายปลูกขิงและขมิ้นไว้หลังบ้าน น้ำใส",
    "ยาย ปลูก ขิง และ ขมิ้น ไว้ หลัง บ้าน นํ้าใส",
    "နှင်းဆီပန်းများ ဥယျာဉ်ထဲတွင် ပွင့်သည်",
    "奶奶在屋后种了姜和姜黄。",
    "Bà trồng gừng và nghệ sau nhà để lấy củ.",
]


@pytest.fixture(scope="module")
def garden(tmp_path_factory):
    return make_index(tmp_path_factory.mktemp("garden"), GARDEN, shards=3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("menanam jahe dan kunyit di belakang", {"row-0": "exact", "row-2": "spacing", "row-1": "spacing"}),
        ("Nenek menanam jahe", {"row-0": "exact", "row-2": "spacing", "row-1": "spelling"}),
        ("cucu nenek bernyanyi di bawah pohon", {"row-3": "spelling"}),
        ("membaca buku2 tua", {"row-4": "spelling"}),
        ("ปลูกขิงและขมิ้นไว้หลังบ้าน", {"row-5": "exact", "row-6": "spacing"}),
        ("หลังบ้านน้ำใส", {"row-5": "spacing", "row-6": "spelling"}),
        ("屋后种了姜", {"row-8": "exact"}),
        ("姜黄", {"row-8": "exact"}),
        ("gừng và nghệ", {"row-9": "exact"}),
        ("gu\u031b\u0300ng va\u0300 nghe\u0323\u0302", {"row-9": "spelling"}),
        ("there is no such sentence", {}),
    ],
)
def test_the_kind_of_match_is_named(garden, query, expected):
    found = garden.find(query)
    assert {match.id: match.match for match in found.matches} == expected
    assert found.documents == len(expected)
    order = [match.match for match in found.matches]
    assert order == sorted(order, key=("exact", "spacing", "spelling", "script").index)
    for match in found.matches:
        assert (match.note == "") == (match.match == "exact")
        assert (match.source, match.licence) == ("kebun", "CC-BY-4.0")


def test_malay_is_found_in_the_other_script(tmp_path):
    texts = [
        "Maka raja pun berangkat ke negeri Melaka dengan kapal besar.",
        "مک راج ڤون برڠکت ک نݢري ملاک دڠن کاڤل بسر",
    ]
    index = make_index(tmp_path, texts, language="ms")
    found = index.find("raja pun berangkat ke negeri Melaka")
    assert [(match.id, match.match) for match in found.matches] == [("row-0", "exact"), ("row-1", "script")]
    assert found.matches[1].places[0].text == "راج ڤون برڠکت ک نݢري ملاک"
    back = index.find("ڤون برڠکت ک نݢري")
    assert [(match.id, match.match) for match in back.matches] == [("row-1", "exact"), ("row-0", "script")]
    assert back.matches[1].places[0].text == "pun berangkat ke negeri"
    short = index.find("raja pun")
    assert [match.match for match in short.matches] == ["exact"]
    assert short.not_asked == ("script: needs 3 words and 9 consonants",)


@pytest.mark.parametrize("query", ["", "   ", "ab", "!?…", "ก", "姜", "\u200b\u200b"])
def test_too_short_a_text_is_refused(garden, query):
    with pytest.raises(UsageError, match="a trace needs 4 or more") as refused:
        garden.find(query)
    assert refused.value.hint == "give a longer piece of the text"


def test_many_documents_are_counted_and_some_shown(tmp_path):
    index = make_index(tmp_path, [f"kebun nenek nomor {n}" for n in range(300)], shards=4)
    found = index.find("kebun nenek", limit=10)
    assert found.documents == 300
    assert len(found.matches) == 10


def test_indexes_are_opened_as_one(tmp_path):
    make_index(tmp_path / "one", ["kebun nenek di desa"])
    make_index(tmp_path / "two", ["Kebun nenek di kota"])
    found = TraceIndex.open(tmp_path / "one", tmp_path / "two").find("kebun nenek")
    assert found.documents == 2


def test_no_document_at_all(tmp_path):
    assert make_index(tmp_path, []).find("kebun nenek").documents == 0
    assert make_index(tmp_path / "empty", ["", "", "!"]).find("kebun nenek").documents == 0


def test_a_damaged_index_is_refused(tmp_path):
    make_index(tmp_path / "whole", GARDEN, language="ms")
    for name in index_shard.FILES:
        folder = tmp_path / "short"
        shutil.copytree(tmp_path / "whole", folder)
        path = folder / "shard-00000" / name
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(InputError, match=f"{name}: .*bytes, shard.json says") as refused:
            TraceIndex.open(folder)
        assert "rumpun corpus index" in refused.value.hint
        shutil.rmtree(folder)
    shutil.copytree(tmp_path / "whole", folder)
    for name in ("texts.bin", "rows.bin"):
        path = folder / "shard-00000" / name
        path.write_bytes(bytes(byte ^ 0x55 for byte in path.read_bytes()))
        with pytest.raises(InputError, match="damaged"):
            TraceIndex.open(folder).find("menanam jahe")
    (folder / "shard-00000" / "shard.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        TraceIndex.open(folder)
    with pytest.raises(InputError, match="no trace index there"):
        TraceIndex.open(tmp_path / "nowhere")


def test_texts_that_do_not_fit_the_letters_are_told(tmp_path):
    make_index(tmp_path / "one", ["Nenek menanam jahe di kebun"])
    make_index(tmp_path / "two", ["Kakek menanam padi di sawah"])
    for name in ("folded.bin", "suffixes.bin"):
        shutil.copy(tmp_path / "one" / "shard-00000" / name, tmp_path / "two" / "shard-00000" / name)
    facts = tmp_path / "two" / "shard-00000" / "shard.json"
    sizes = json.loads((tmp_path / "one" / "shard-00000" / "shard.json").read_bytes())["sizes"]
    told = json.loads(facts.read_bytes())
    told["sizes"] |= {name: sizes[name] for name in ("folded.bin", "suffixes.bin")}
    facts.write_text(json.dumps(told))
    with pytest.raises(InputError, match="do not fit together"):
        TraceIndex.open(tmp_path / "two").find("Nenek menanam jahe")


def test_the_step_indexes_everything_that_was_fed(tmp_path):
    rows = [row(f"Kalimat latih nomor {n} tentang kebun nenek", n) for n in range(40)]
    rows += [
        row(f"ประโยคที่ {n} เรื่องสวนของยาย", 100 + n, language="th", source="suan", contributor="Malee")
        for n in range(40)
    ]
    held = [row("Kalimat uji tentang kebun nenek", 900, source="uji")]
    chat = [{"messages": [{"role": "user", "content": "Apa isi kebun nenek?"}, {"role": "assistant", "content": "Jahe merah."}],
             "language": "id", "source": "obrolan", "licence": "CC0-1.0"}]  # fmt: skip
    corpus = make_corpus(tmp_path, rows, held=held, chat=chat)
    made = index_corpus(corpus, tmp_path, IndexParams(shard_bytes=1000))
    manifest = verify(made)
    assert manifest.parents == (read_manifest(corpus).id,)
    assert manifest.summary["documents"] == 82
    assert manifest.summary["shards"] > 3
    assert manifest.summary["text_bytes"] == sum(len(item["text"].encode()) for item in [*rows, *held]) + 32
    assert indexes_of(corpus, []) == [made]
    index = TraceIndex.open(made)
    assert index.documents == 82
    assert {match.place for match in index.find("kebun nenek", limit=100).matches} == {
        "train",
        "heldout",
        "chat",
    }
    assert index.find("ประโยคที่ 39 เรื่องสวน").matches[0].contributor == "Malee"
    assert index_corpus(corpus, tmp_path, IndexParams(shard_bytes=1000)) == made


def test_a_corpus_without_an_index_names_the_mend(tmp_path):
    corpus = make_corpus(tmp_path, [row("Kebun nenek di desa")])
    with pytest.raises(InputError, match="no trace index of it") as refused:
        indexes_of(corpus, [])
    assert refused.value.hint == f"rumpun corpus index {corpus}"


CHILD = """
import sys
from pathlib import Path
from rumpun.corpus.trace.step import IndexParams, index_corpus
print(index_corpus(Path(sys.argv[1]), Path(sys.argv[2]), IndexParams(shard_bytes=60_000)))
"""


def test_killed_and_resumed_or_with_more_workers_the_bytes_are_the_same(tmp_path):
    rows = [
        row(" ".join(random.Random(n).choices(GARDEN, k=3)), n, language="ms" if n % 2 else "th")
        for n in range(900)
    ]
    corpus = make_corpus(tmp_path / "corpora", rows)

    def start(store, workers):
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, str(corpus), str(store)],
            env=os.environ | {"RUMPUN_WORKERS": workers},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    whole = Path(start(tmp_path / "whole", "1").communicate(timeout=120)[0].strip())
    assert verify(whole).summary["shards"] > 3
    store = tmp_path / "killed"
    for attempt in range(3):
        child = start(store, "2")
        time.sleep(1.2 + 0.7 * attempt)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        for path in store.glob("[!.]*/manifest.json"):
            verify(path.parent)
    last = Path(start(store, "2").communicate(timeout=120)[0].strip())
    assert [(f.path, f.sha256) for f in verify(last).files] == [
        (f.path, f.sha256) for f in verify(whole).files
    ]
    assert not list((store / ".making").glob("*/"))
