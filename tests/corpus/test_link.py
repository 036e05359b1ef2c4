"""The step `corpus.link` on planted duplicates of every kind; texts are made by script and mean nothing."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from linked import SYLLABLES, changed, joined, letters_of, linked, run_link, text, words

from rumpun.corpus.link import rows as link_rows
from rumpun.corpus.link import spill as link_spill
from rumpun.corpus.parts import part_paths, read_part, write_part
from rumpun.errors import InputError, UsageError


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch):
    monkeypatch.setenv("RUMPUN_ENGINE", "native")
    monkeypatch.setenv("RUMPUN_WORKERS", "1")


def planted(seed=1, count=12):
    """In every script `count` texts of 250 words, a near copy of a third of them and an exact one of another third."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    for language in SYLLABLES:
        base = [words(language, 250, rng) for _ in range(count)]
        rows += [{"text": joined(language, found), "language": language} for found in base]
        truth += [("new", len(truth) + n) for n in range(count)]
        first = len(rows) - count
        for n in range(0, count, 3):
            rows.append({"text": joined(language, changed(language, base[n], 5, rng)), "language": language})
            truth.append(("near", first + n))
            rows.append({"text": "  " + joined(language, base[n + 1]).upper(), "language": language})
            truth.append(("exact", first + n + 1))
    return rows, truth


def gone(table):
    """Row -> the row that stays in its place."""
    return {
        n: row["exact.first"] if row["exact.first"] is not None else row["near.first"]
        for n, row in enumerate(table.to_pylist())
        if row["exact.first"] is not None or not row["near.keep"]
    }


def test_planted_copies_are_found_in_every_script_and_nothing_else_goes(tmp_path):
    rows, truth = planted()
    table, summary = linked(tmp_path, rows, part_rows=40)
    found = gone(table)
    for n, (kind, of) in enumerate(truth):
        if kind == "exact":
            assert table["exact.first"][n].as_py() == of
        elif kind == "near":  # one of the two stays, whichever is longer
            assert (found.get(n) == of) != (found.get(of) == n), rows[n]["language"]
            assert table["near.cluster"][n].as_py() == table["near.cluster"][of].as_py() == of
    assert len(found) == sum(kind != "new" for kind, _ in truth)
    assert (
        summary["exact"]["duplicates"] == summary["near"]["duplicates"] == summary["near"]["clusters"] == 36
    )
    stays = [n for n in range(len(rows)) if n not in found]
    assert set(found.values()) <= set(stays)
    assert table["key"].to_pylist() == list(range(len(rows)))


def test_links_do_not_depend_on_parts_or_workers(tmp_path, monkeypatch):
    rows, _ = planted(seed=2, count=6)
    table, summary = linked(tmp_path / "whole", rows)
    other, told = linked(tmp_path / "parts", rows, part_rows=40)
    assert table.equals(other)
    assert summary == told
    monkeypatch.setenv("RUMPUN_WORKERS", "2")
    at = tmp_path / "parts"
    run_link(at, at / "documents", at / "attributes", "again")
    for one, two in zip(part_paths(at / "links"), part_paths(at / "again"), strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_links_do_not_depend_on_how_much_is_in_memory(tmp_path, monkeypatch):
    rows, _ = planted(seed=10, count=6)
    table, summary = linked(tmp_path, rows, part_rows=40)
    monkeypatch.setattr(link_spill, "RANGE_ROWS", 64)
    monkeypatch.setattr(link_rows, "RANGE_ROWS", 64)
    other, told = run_link(tmp_path, tmp_path / "documents", tmp_path / "attributes", "ranges")
    assert len(list((tmp_path / "ranges-scratch" / "anchors-repeated").glob("*.npy"))) > 20
    assert table.equals(other)
    assert summary == told


def test_the_order_of_rows_decides_only_between_equals(tmp_path):
    rows, _ = planted(seed=3, count=9)
    order = np.random.default_rng(3).permutation(len(rows)).tolist()

    def clusters(folder, some, name):
        """Members of each cluster, and those of them that may stay by the rule: the longest."""
        table, _ = linked(folder, some)
        found = {}
        for n, row in enumerate(table.to_pylist()):
            if row["near.cluster"] is not None:
                found.setdefault(row["near.cluster"], []).append((name[n], row["near.keep"]))
        for members in found.values():
            (stays,) = [n for n, keep in members if keep]
            assert len(letters_of(rows[stays]["text"])) == max(
                len(letters_of(rows[n]["text"])) for n, _ in members
            )
        return sorted(sorted(n for n, _ in members) for members in found.values())

    one = clusters(tmp_path / "one", rows, range(len(rows)))
    assert one == clusters(tmp_path / "other", [rows[n] for n in order], order)
    assert len(one) == 27


def test_human_text_stays_before_machine_translation_and_the_longer_before_the_shorter(tmp_path):
    rng = np.random.default_rng(4)
    base = words("id", 250, rng)
    near = changed("id", base, 4, rng)
    rows = [
        {"text": joined("id", [*base, "panjang", "sekali"]), "source": "buku-mt"},
        {"text": joined("id", base), "source": "buku"},
        {"text": joined("id", [*near, "akhir"]), "source": "buku"},
    ]
    table, _ = linked(tmp_path, rows)
    assert table["near.keep"].to_pylist() == [False, False, True]
    assert table["near.first"].to_pylist() == [2, 2, None]
    assert table["near.cluster"].to_pylist() == [0, 0, 0]
    assert all(0.7 <= s <= 1 for s in table["near.similarity"].to_pylist()[:2])


def test_a_copy_lies_in_the_cluster_of_its_text(tmp_path):
    rng = np.random.default_rng(12)
    base = words("lo", 250, rng)
    near = joined("lo", changed("lo", base, 3, rng))
    rows = [
        {"text": joined("lo", base)},
        {"text": near + near[:40]},
        {"text": joined("lo", base)},
        {"text": near + near[:40]},
    ]
    table, summary = linked(tmp_path, rows)
    assert table["exact.first"].to_pylist() == [None, None, 0, 1]
    assert table["near.cluster"].to_pylist() == [0, 0, 0, 0]
    assert table["near.keep"].to_pylist() == [False, True, False, False]
    assert table["near.first"].to_pylist() == [1, None, 1, 1]
    assert table["near.similarity"].to_pylist()[3] == 1
    assert summary["near"]["duplicates"] == 1


def test_the_better_before_the_longer(tmp_path):
    rng = np.random.default_rng(13)
    base = words("ta", 250, rng)
    rows = [{"text": joined("ta", [*changed("ta", base, n, rng), *base[:n]])} for n in range(3)]
    table, _ = linked(tmp_path, rows)
    assert table["near.keep"].to_pylist() == [False, False, True]
    attributes = read_part(tmp_path / "attributes" / "part-00000.parquet")
    scores = pa.array([0.25, 0.75, None], pa.float32())
    write_part(tmp_path / "scored", 0, attributes.append_column("quality.score", scores))
    table, _ = run_link(tmp_path, tmp_path / "documents", tmp_path / "scored", "again")
    assert table["near.keep"].to_pylist() == [False, True, False]


def test_short_texts_take_part_in_exact_duplicates_alone(tmp_path):
    rows = [{"text": t} for t in ("Selamat pagi", "selamat  PAGI", "Selamat pagi!", "", " ", "12", "13")]
    table, summary = linked(tmp_path, rows)
    assert table["exact.first"].to_pylist() == [None, 0, None, None, 3, None, None]
    assert table["near.cluster"].null_count == len(rows)
    assert summary["near"]["without_signature"] == len(rows)


def test_equal_addresses_count_where_addresses_name_documents(tmp_path):
    rng = np.random.default_rng(5)
    page = [
        "https://example.org/a",
        "http://www.example.org/a/?utm_source=x",
        "https://example.org/b",
        "https://example.org/c",
    ]
    rows = [{"text": text("id", 60, rng), "source": "web", "url": url} for url in page]
    rows += [
        {"text": text("id", 60, rng), "source": "book", "url": "https://example.org/a"} for _ in range(5)
    ]
    table, summary = linked(tmp_path / "own", rows)
    assert table["url.first"].to_pylist() == [None, 0, *[None] * 7]
    assert summary["url"] == {"duplicates": 1, "sources_whose_addresses_repeat": ["book"]}
    table, _ = linked(tmp_path / "named", rows, url_sources=("web", "book"))
    assert table["url.first"].to_pylist() == [None, 0, None, None, 0, 0, 0, 0, 0]
    with pytest.raises(UsageError, match="'wob'"):
        linked(tmp_path / "wrong", rows, url_sources=("wob",))


def test_lines_of_many_documents_of_a_source_or_language(tmp_path):
    rng = np.random.default_rng(6)
    menu, footer = "Beranda | Berita | Kontak", "Halaman {n} dari 9"
    rows = [
        {"text": f"{menu}\n{text('id', 40, rng)}\n\n{footer.format(n=n % 10)}", "source": f"s{n % 2}"}
        for n in range(16)
    ]
    rows += [{"text": text("id", 40, rng), "source": "s0"}]
    rows += [
        {"text": rows[0]["text"].upper(), "source": "s9", "language": "ms"} for _ in range(12)
    ]  # copies do not count
    table, summary = linked(tmp_path / "ten", rows)
    assert table["lines.frequent"].to_pylist()[:18] == [[0, 3]] * 16 + [[], []]
    assert table["lines.documents"].to_pylist()[:17] == [[16, 16]] * 16 + [[]]
    assert summary["lines"]["frequent"] == 2
    table, _ = linked(tmp_path / "more", rows, line_min_documents=17)
    assert table["lines.frequent"].to_pylist() == [[]] * len(rows)
    table, _ = linked(tmp_path / "share", rows, line_min_documents=2, line_min_share=1.0)
    assert table["lines.frequent"].to_pylist()[:17] == [[0, 3] if n % 2 else [] for n in range(16)] + [[]]


def test_lines_of_form_are_not_frequent(tmp_path):
    rng = np.random.default_rng(9)
    whole = "Pasal {n}\n{text}\nPasal {m}\n}}\nPasal {k}\nBagian umum"
    rows = [
        {
            "text": whole.format(n=n, m=n + 1, k=n + 2, text=text("id", 30, rng)),
            "domain": "law" if n < 12 else "news",
        }
        for n in range(24)
    ]
    table, _ = linked(tmp_path, rows)
    assert table["lines.frequent"].to_pylist() == [[]] * 12 + [[5]] * 12
    assert table["lines.documents"].to_pylist() == [[]] * 12 + [[12]] * 12


def test_repeated_runs_are_marked_in_the_normalised_text(tmp_path):
    rng = np.random.default_rng(7)
    shared = text("th", 40, rng)
    rows = [
        {"text": f"{text('th', 120, rng)} {shared} {text('th', 100, rng)}", "language": "th"}
        for _ in range(3)
    ]
    rows += [{"text": text("th", 200, rng), "language": "th"}]
    rows += [{"text": rows[3]["text"].replace(" ", "  ")}]  # an exact duplicate's runs are not marked
    table, summary = linked(tmp_path / "th", rows)
    for n in range(3):
        (mark,) = table["substrings.marks"][n].as_py()
        part = rows[n]["text"][mark["start"] : mark["end"]].replace(" ", "")
        assert shared.replace(" ", "") in part
        assert len(part) < len(shared) + 20  # a letter or so may agree by chance on either side
        assert mark["documents"] == 3
    assert table["substrings.marks"].to_pylist()[3:] == [[], []]
    assert summary["substrings"]["documents"] == 3
    table, _ = linked(tmp_path / "none", rows, substring_letters=0)
    assert table["substrings.marks"].to_pylist() == [[]] * 5


def test_what_does_not_lie_side_by_side_is_refused(tmp_path):
    rows = [{"text": "satu dua tiga"}] * 3
    with pytest.raises(UsageError, match="minhash"):
        linked(tmp_path / "untagged", rows, taggers=("figures",))
    linked(tmp_path / "one", rows)
    linked(tmp_path / "two", rows[:2])
    with pytest.raises(InputError, match="3 rows, but its documents have 2"):
        run_link(tmp_path / "two", tmp_path / "two" / "documents", tmp_path / "one" / "attributes", "mixed")


def test_no_documents_at_all(tmp_path):
    table, summary = linked(tmp_path, [])
    assert table.num_rows == 0
    assert summary["documents"] == 0


def test_a_second_run_over_the_same_scratch_gives_the_same(tmp_path):
    rows, _ = planted(seed=8, count=3)
    table, summary = linked(tmp_path, rows, part_rows=30)
    (tmp_path / "links").rename(tmp_path / "first")
    again, told = run_link(tmp_path, tmp_path / "documents", tmp_path / "attributes")
    assert table.equals(again)
    assert summary == told


RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from linked import run_link
at = Path(sys.argv[2])
run_link(at, at / "documents", at / "attributes", "killed")
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    rows, _ = planted(seed=11, count=9)
    table, summary = linked(tmp_path, rows, part_rows=10)
    process = subprocess.Popen([sys.executable, "-c", RUN, str(Path(__file__).parent), str(tmp_path)])
    scratch = tmp_path / "killed-scratch"
    while not (scratch / "pairs").is_dir():  # in the middle of the bands
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    done = sorted(scratch.glob("signatures/*.npy"))
    before = [path.stat().st_mtime_ns for path in done]
    shutil.rmtree(tmp_path / "killed")  # the runner begins the artefact's folder anew
    other, told = run_link(tmp_path, tmp_path / "documents", tmp_path / "attributes", "killed")
    assert len(done) == 14
    assert [path.stat().st_mtime_ns for path in done] == before
    assert table.equals(other)
    assert summary == told


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"near_similarity": 0.0}, "near_similarity"),
        ({"near_bands": 26}, "near_bands"),
        ({"near_rows": 9, "near_bands": 1}, "near_rows"),
        ({"line_min_documents": 1}, "line_min_documents"),
        ({"line_min_share": 1.5}, "line_min_share"),
        ({"substring_letters": 5}, "substring_letters"),
    ],
)
def test_parameters_that_cannot_be_meant(params, named):
    from rumpun.corpus.link.step import LinkParams

    with pytest.raises(ValueError, match=named):
        LinkParams(**params).check()
