"""Decisions: every rule meets the document planted for it, duplicates settle among survivors, edits fit, counts add up."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_parts import artefact, documents, links, plain_map, run_step, whole
from made_texts import document

from rumpun.corpus.filter.edits import Edit, settled
from rumpun.corpus.filter.groups import NONE, representatives, settle_near
from rumpun.corpus.filter.step import decide, decisions_schema
from rumpun.corpus.filter.thresholds import rules
from rumpun.corpus.tag.step import tag
from rumpun.corpus.texts import apply_edits
from rumpun.errors import InputError, UsageError

GOOD = 40


@pytest.fixture(autouse=True)
def _plain_engine(monkeypatch):
    monkeypatch.setattr("rumpun.corpus.engine.map_parts", plain_map)


def made(tmp_path, rows, linked=None, taggers=("normalise", "figures"), more=None, part_rows=1_000):
    """(documents, attributes, links) of rows; `more`: columns of attributes to add, by key."""
    texts = artefact(tmp_path / "documents", "documents", documents(rows, part_rows))
    attributes = run_step(tag, {"taggers": list(taggers)}, [texts], tmp_path / "tag")
    if more:
        import pyarrow as pa

        from rumpun.corpus.parts import each_part

        parts = []
        for table in each_part(attributes.folder):
            keys = table["key"].to_pylist()
            added = {
                name: pa.array([values.get(key) for key in keys], kind)
                for name, (kind, values) in more.items()
            }
            parts.append(pa.table({name: table[name] for name in table.schema.names} | added))
        attributes = artefact(tmp_path / "more", "attributes", parts, **attributes.manifest.summary)
    found = [texts, attributes]
    if linked is not None:
        found.append(artefact(tmp_path / "links", "links", links(len(rows), linked, part_rows)))
    return found


def decided(inputs, tmp_path, **params):
    item = run_step(decide, params, inputs, tmp_path / f"decide{len(list(tmp_path.iterdir()))}")
    rows = whole(item)
    assert [row["key"] for row in rows] == list(range(len(rows)))
    counts = Counter(row["rule"] for row in rows if not row["kept"])
    summary = item.manifest.summary
    assert summary["removed"] == dict(counts)
    assert summary["kept"] + sum(counts.values()) == summary["documents"] == len(rows)
    assert sum(n for s in summary["languages"].values() for f in s.values() for n in f.values()) == len(rows)
    for row in rows:
        assert row["kept"] == (row["rule"] is None) == (not row["failed"])
        assert row["kept"] or row["failed"][0] == row["rule"]
        assert row["kept"] or row["edits"] is None
    return rows, item


def good(count=GOOD, tag="id", **more):
    return [{"text": document(tag, n), "language": tag} | more for n in range(count)]


PLANTED = {
    "licence.terms": {"text": document("id", 900), "licence": "CC-BY-NC-4.0"},
    "figures.empty": {"text": " \n\t\n"},
    "figures.characters": {"text": "Baik."},
    "figures.replacement": {"text": document("id", 901) + " r\ufffdsak"},
    "figures.control": {"text": document("id", 902) + "\x07"},
    "figures.letter_share": {"text": "1.200.000 + 3.400.000 = 4.600.000; 12/03/2024, 13:45–14:20. (50 %)\n" * 3 + "a"},
    "figures.script_share": {"text": document("th", 903)},
    "figures.digit_share": {"text": "\n".join(f"baris{n * 7919 % 1000} 48{n}1 77{n}" for n in range(30))},
    "figures.symbol_share": {"text": document("id", 904) + " → € + ≈ " * 120},
    "figures.upper_share": {"text": document("id", 905).upper()},
    "figures.duplicate_line_share": {"text": "\n".join(["Klik di sini untuk membaca."] * 9 + document("id", 906, 4).split("\n"))},
    "figures.word_long": {"text": "".join(document("id", 907).split())},
    "figures.word_short": {"text": " ".join("".join(document("id", 908, 8).split()))},
    "figures.link_rate": {"text": "\n".join(f"Baca juga https://contoh.example/{'abcdefgh'[n % 8]}{document('id', n)[:30]}" for n in range(20))},
    "figures.punctuation_share": {"text": "Ya! (Ya?) \"Ya\", 'ya'; ya: ya!? - ya... ya!!! (ya)! [ya]? ya!! ya; ya??"},
    "figures.code_share": {"text": "jika (x > 0) { y = x * z[1]; } lain { y = a && b || c; } ulang <= 10;\n" * 2},
    "figures.line_end_share": {"text": document("id", 911, 30).replace(".\n", "\n").rstrip(".")},
    "figures.short_line_share": {"text": document("id", 912, 30).replace(". ", ".\n").replace(" di ", "\ndi ").replace(" se", "\nse").replace(" d", "\nd").replace(" b", "\nb").replace(" g", "\ng")},
    "figures.bullet_share": {"text": "\n".join("- " + line for line in document("id", 913, 30).split("\n"))},
    "figures.ellipsis_share": {"text": document("id", 914, 30).replace(".\n", "…\n")},
    "figures.top_8": {"text": " ".join(f"jahe merah {word}" for word in document("id", 915, 10).split())},
    "figures.top_24": {"text": " ".join(f"kebun jahe merah di belakang rumah {word}" for word in document("id", 916, 4).split())},
    "figures.repeat_24": {"text": " ".join([document("id", 909, 8).replace("\n", " ")] * 4)},
    "figures.distinct_4": {"text": "ha" * 200 + ". " + document("id", 910, 1)},
}  # fmt: skip


def test_each_rule_meets_the_document_planted_for_it(tmp_path):
    names = list(PLANTED)
    inputs = made(
        tmp_path, [*good(), *(row | {"source": "crawl"} for row in PLANTED.values())], taggers=["figures"]
    )  # normalising mends control characters
    rows, _ = decided(inputs, tmp_path, least_documents=20, trusted={"id": ["web"]})
    assert all(row["kept"] for row in rows[:GOOD])
    order = [rule.name for rule in rules()]
    for name, row in zip(names, rows[GOOD:], strict=True):
        assert name in row["failed"], (name, row)
        assert row["failed"] == sorted(row["failed"], key=order.index)
        rule = next(rule for rule in rules() if rule.name == row["rule"])
        if rule.how == "policy":
            assert row["threshold"] is None
        else:
            lower = row["value"] < row["threshold"]
            assert lower == (rule.side == "low")
            assert row["value"] != row["threshold"]


def test_policies_of_languages_domains_terms_and_rules(tmp_path):
    rows = [
        *good(30), {"text": document("th", 1), "language": "th"}, {"text": document("id", 50), "domain": "lexicon"},
        {"text": document("id", 51), "licence": "CC-BY-NC-4.0"}, {"text": "Ya."},
    ]  # fmt: skip
    inputs = made(tmp_path, rows)
    found, _ = decided(inputs, tmp_path, languages=["id"], exclude_domains=["lexicon"])
    assert [row["rule"] for row in found[30:]] == [
        "language.unasked", "domain.excluded", "licence.terms", "figures.characters",
    ]  # fmt: skip
    found, _ = decided(inputs, tmp_path, terms="any", without=["figures.characters"])
    assert all(row["kept"] for row in found)


def test_scores_beside_the_text_are_rules_too_and_quality_is_off_until_asked_for(tmp_path):
    import pyarrow as pa

    number = pa.float32()
    scores = {
        "toxicity.unsafe": (number, {30: 0.99, 31: 0.9}), "quality.score": (number, {32: 0.1, 33: 0.9}),
        "decontaminate.share": (number, {34: 0.01, 35: 0.0}), "decontaminate.near": (number, {36: 0.6, 37: 0.5}),
    }  # fmt: skip
    inputs = made(tmp_path, good(40), {38: {"url.first": 39}}, more=scores)
    rows, _ = decided(inputs, tmp_path)
    removed = {row["key"]: row["rule"] for row in rows if not row["kept"]}
    assert removed == {
        30: "toxicity.unsafe",
        34: "decontaminate.share",
        36: "decontaminate.near",
        39: "url.duplicate",
    }
    rows, _ = decided(inputs, tmp_path, thresholds={"all": {"quality.score": 0.5, "toxicity.unsafe": 0.5}})
    removed = {row["key"] for row in rows if row["rule"] in ("quality.score", "toxicity.unsafe")}
    assert removed == {30, 31, 32}


def test_a_changed_threshold_changes_what_it_says_and_nothing_else(tmp_path):
    inputs = made(tmp_path, [*good(), *good(10, "th")], part_rows=13)
    before, first = decided(inputs, tmp_path, least_documents=20)
    after, second = decided(
        inputs, tmp_path, least_documents=20, thresholds={"th": {"figures.characters": 100_000}}
    )
    assert [row["rule"] for row in after[GOOD:]] == ["figures.characters"] * 10
    assert {(row["threshold"], row["failed"][0]) for row in after[GOOD:]} == {
        (100_000.0, "figures.characters")
    }
    assert before[:GOOD] == after[:GOOD]
    kept = [
        json.loads((item.folder / "thresholds.json").read_text())["thresholds"] for item in (first, second)
    ]
    assert kept[0].pop("id") == kept[1].pop("id")
    assert kept[1]["th"].pop("figures.characters") == {
        "value": 100_000.0,
        "side": "low",
        "how": "recipe",
        "of": "",
        "documents": 0,
    }
    assert kept[0]["th"].pop("figures.characters")["how"] == "fixed"
    assert kept[0] == kept[1]


def test_a_wrong_rule_or_language_is_named(tmp_path):
    inputs = made(tmp_path, good(2))
    wrong = [
        ({"thresholds": {"th": {"figures.leter_share": 0.4}}}, "did you mean 'figures.letter_share'"),
        ({"thresholds": {"tha": {"figures.letter_share": 0.4}}}, "thresholds: language 'tha' is unknown"),
        ({"without": ["figures.leter_share"]}, "no rule is called"),
        ({"languages": ["tha"]}, "languages: language 'tha' is unknown"),
        ({"trusted": {"th": ["no-such-source"]}}, r"trusted\.th: no source is called 'no-such-source'"),
    ]
    for number, (params, words) in enumerate(wrong):
        place = tmp_path / str(number)
        place.mkdir()
        with pytest.raises(UsageError, match=words):
            decided(inputs, place, **params)


def test_attributes_of_other_documents_are_refused(tmp_path):
    one = made(tmp_path / "one", good(3))
    other = made(tmp_path / "other", good(5))
    with pytest.raises(InputError, match="other documents"):
        decided([one[0], other[1]], tmp_path)
    many = made(tmp_path / "many", good(5), part_rows=2)
    with pytest.raises(InputError, match="3 parts of documents, 1 of attributes"):
        decided([many[0], other[1]], tmp_path)


def test_a_duplicate_stays_where_its_first_copy_may_not_be_used(tmp_path):
    text = document("id", 77)
    rows = [*good(30), {"text": text, "licence": "CC-BY-NC-4.0"}, {"text": text}, {"text": text}]
    linked = {31: {"exact.first": 30}, 32: {"exact.first": 30}}
    found, _ = decided(made(tmp_path, rows, linked), tmp_path)
    assert [row["rule"] for row in found[30:]] == ["licence.terms", None, "exact.duplicate"]
    # the forbidden copy is a duplicate of the one that stays, too
    assert found[30]["failed"] == ["licence.terms", "exact.duplicate"]
    assert found[32]["detail"] == "the same as key 31"


def test_a_cluster_keeps_what_the_links_keep_or_else_its_longest_survivor(tmp_path):
    rows = good(36)
    cluster = {"near.cluster": 30}
    linked = {
        30: cluster | {"near.keep": False, "near.similarity": 0.9, "near.first": 31}, 31: cluster,
        32: cluster | {"near.keep": False, "near.similarity": 0.8, "near.first": 31},
    }  # fmt: skip
    inputs = made(tmp_path, rows, linked)
    found, _ = decided(inputs, tmp_path)
    assert [row["rule"] for row in found[30:33]] == ["near.duplicate", None, "near.duplicate"]
    assert found[30]["value"] == pytest.approx(0.9)
    rows[31]["licence"] = "CC-BY-NC-4.0"
    found, _ = decided(made(tmp_path / "b", rows, linked), tmp_path)
    longest = max((30, 32), key=lambda n: len(rows[n]["text"]))
    assert [found[n]["kept"] for n in (30, 31, 32)] == [longest == 30, False, longest == 32]


GROUPS = st.lists(st.integers(0, 4), min_size=1, max_size=20)


@given(GROUPS, st.data())
def test_every_group_with_a_survivor_keeps_exactly_one_and_it_survives(groups, data):
    size = len(groups)
    alive = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    first = np.array([groups.index(g) if groups.index(g) != n else NONE for n, g in enumerate(groups)])
    stays = representatives(first, alive)
    lengths = np.array(data.draw(st.lists(st.integers(0, 9), min_size=size, max_size=size)))
    clusters = np.array([groups.index(g) if groups.count(g) > 1 else NONE for g in groups])
    keep = np.array([groups.index(g) == n for n, g in enumerate(groups)])
    near = settle_near(clusters, keep, lengths, alive)
    for found in (stays, near):
        for g in set(groups):
            members = [n for n in range(size) if groups[n] == g]
            left = [n for n in members if found[n] == NONE]
            assert len(left) == 1
            assert all(found[n] == left[0] for n in members if n not in left)
            assert alive[left[0]] or not alive[members].any()
    for n in np.flatnonzero(keep & alive & (clusters != NONE)):
        assert near[n] == NONE


def test_frequent_lines_are_cut_and_what_is_too_short_then_is_named(tmp_path):
    menu = "Beranda | Kontak | Masuk"
    text = document("id", 5)
    rows = [
        *good(30),
        {"text": f"{menu}\n{text}\n{menu}"},
        {"text": f"{menu}\nYa."},
        {"text": f"{menu}\n{text}"},
    ]
    last = text.count("\n") + 2
    linked = {30: {"lines.frequent": [0, last]}, 31: {"lines.frequent": [0]}, 32: {"lines.frequent": [0]}}
    inputs = made(tmp_path, rows, linked)
    found, item = decided(inputs, tmp_path)
    assert apply_edits(rows[30]["text"], found[30]["edits"]) == text
    assert apply_edits(rows[32]["text"], found[32]["edits"]) == text
    assert (found[31]["rule"], found[31]["value"], found[31]["threshold"]) == ("lines.short", 3.0, 10.0)
    assert item.manifest.summary["edits"] == {"lines.frequent": 3}
    found, _ = decided(inputs, tmp_path, cut_frequent_lines=False)
    assert found[30]["edits"] is None
    assert found[31]["kept"]


def personal(count, spans):
    import pyarrow as pa

    from rumpun.corpus.tag.taggers.personal import Personal

    columns = Personal().columns
    return {
        "personal.count": (pa.int32(), {n: len(spans.get(n, ())) for n in range(count)}),
        "personal.spans": (columns.field("personal.spans").type, spans),
    }


def test_personal_data_are_masked_dropped_or_kept_as_the_recipe_says(tmp_path):
    text = "Hubungi saya di nenek@contoh.example atau lewat tetangga sebelah rumah."
    start = text.index("nenek@")
    spans = [
        {"type": "EMAIL", "start": start, "end": start + 20, "score": 0.9},
        {"type": "PHONE", "start": 0, "end": 7, "score": 0.3},
    ]
    inputs = made(tmp_path, [*good(30), {"text": text}], more=personal(31, {30: spans}))
    found, _ = decided(inputs, tmp_path)
    assert apply_edits(text, found[30]["edits"]) == text.replace("nenek@contoh.example", "<EMAIL>")
    assert decided(inputs, tmp_path, personal="keep")[0][30]["edits"] is None
    found, _ = decided(inputs, tmp_path, personal="drop")
    assert (found[30]["rule"], found[30]["value"], found[30]["threshold"]) == ("personal.count", 2.0, 0.0)


@given(st.text("ab\n", max_size=30), st.data())
def test_settled_edits_are_sorted_apart_and_keep_every_cut(text, data):
    places = st.integers(0, len(text))
    spans = data.draw(st.lists(st.tuples(places, places), max_size=6))
    cuts = settled([Edit(min(s), max(s), "", "lines.frequent") for s in spans])
    marks = [
        Edit(*sorted(data.draw(st.tuples(places, places))), "<X>", "personal.X")
        for _ in range(data.draw(st.integers(0, 5)))
    ]
    found = settled([*cuts, *marks])
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
    assert [edit for edit in found if not edit.put] == cuts
    apply_edits(text, [edit.row() for edit in found])


def languages_of(rows):
    import pyarrow as pa

    return {
        "language.label": (pa.string(), {n: row[0] for n, row in rows.items()}),
        "language.probability": (pa.float32(), {n: row[1] for n, row in rows.items()}),
        "language.lines": (pa.float32(), {n: row[2] for n, row in rows.items()}),
    }


def test_a_text_in_another_language_goes_and_one_in_a_sister_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "rumpun.corpus.filter.rules._sisters", lambda tag: {"id": ("ms",), "ms": ("id",)}.get(tag, ())
    )
    monkeypatch.setattr("rumpun.corpus.tag.taggers.language.identifier_languages", lambda: ["id", "ms", "en"])
    said = {
        0: ("id", 0.99, None), 1: ("ms", 0.99, None), 2: ("en", 0.99, None), 3: ("en", 0.6, None),
        4: ("en", 0.99, 0.75), 5: ("und", 0.0, None),
    }  # fmt: skip
    rows = good(6)
    texts = artefact(
        tmp_path / "documents", "documents", documents([*rows, {"text": rows[0]["text"], "language": "bew"}])
    )
    attributes = run_step(tag, {"taggers": ["language", "figures"]}, [texts], tmp_path / "tag")
    summary = attributes.manifest.summary
    import pyarrow as pa

    from rumpun.corpus.parts import read_part

    table = read_part(attributes.folder / "part-00000.parquet")
    for name, (kind, values) in languages_of(said | {6: ("id", 0.99, None)}).items():
        place = table.schema.names.index(name)
        table = table.set_column(place, name, pa.array([values[n] for n in range(7)], kind))
    inputs = [texts, artefact(tmp_path / "made", "attributes", [table], **summary)]
    found, _ = decided(inputs, tmp_path)
    assert [row["rule"] for row in found] == [None, None, "language.other", None, None, None, None]
    assert found[2]["detail"] == "identified as en"
    found, _ = decided(inputs, tmp_path, other_language="drop-sisters")
    assert [row["kept"] for row in found] == [True, False, False, True, True, True, True]
    found, _ = decided(inputs, tmp_path, other_language="keep")
    assert all(row["kept"] for row in found)


def test_rules_that_nothing_gave_figures_for_are_said(tmp_path):
    _, item = decided(made(tmp_path, good(3)), tmp_path)
    blind = item.manifest.summary["rules_without_figures"]
    assert {"language.other", "toxicity.unsafe", "near.duplicate", "personal.count"} <= set(blind)
    assert not any(name.startswith("figures.") for name in blind)


def test_decisions_have_the_stated_columns(tmp_path):
    from rumpun.corpus.parts import read_part

    _, item = decided(made(tmp_path, good(3)), tmp_path)
    assert read_part(item.folder / "part-00000.parquet").schema.equals(decisions_schema())
