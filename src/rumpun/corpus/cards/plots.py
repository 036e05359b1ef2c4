"""Pictures of a corpus: drawn by Altair, made SVG and PNG by vl-convert without a browser.

They are narrow, so that a telephone shows their letters at full size; colours are Okabe and Ito's, which stay apart for
colour-blind eyes, with dark letters on white; each has a sentence that says what it shows.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rumpun.corpus.cards.facts import FATES, Facts, fate, language_name
from rumpun.corpus.cards.markdown import share, size
from rumpun.errors import MissingPartError

if TYPE_CHECKING:
    import altair as alt

__all__ = ["PPI", "Picture", "draw"]

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INK, _GRID = "#1a1a1a", "#e3e3e3"
_COLOURS = ("#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#CC79A7", "#009E73", "#999999", "#1a1a1a")
_CLASSES = ("curated", "web", "teaching", "software", "seed", "parallel", "other")
_DUTIES = ("nothing", "attribution", "share alike", "notice", "other")
_LEFT = FATES[6]
_WIDTH = 250  # of the plotting area; with labels about 350 in all
_ROW = 18  # height of a bar with its gap
_MOST = 20  # bars of a ranking
PPI = 216  # three dots a pixel, for sharp letters on telephones


@dataclass(frozen=True, slots=True)
class Picture:
    """One plot."""

    name: str  # file name without its ending
    title: str
    alt: str  # what it shows, in words, for who cannot see it
    svg: str
    png: bytes


def _altair() -> Any:
    try:
        import altair as alt
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise MissingPartError("drawing the cards' plots", "corpus") from error
    return alt


def _finish(chart: "alt.Chart", name: str, title: str, words: str) -> Picture:
    import vl_convert

    font = "Liberation Sans, Arial, sans-serif"
    whole = (
        chart.configure(font=font, background="white", padding=6)
        .configure_axis(
            labelColor=_INK, titleColor=_INK, gridColor=_GRID, domainColor="#6b6b6b", tickColor="#6b6b6b",
            labelFontSize=11, titleFontSize=11, titleFontWeight="normal", labelLimit=130,
        )
        .configure_legend(
            orient="top", columns=2, title=None, labelColor=_INK, labelFontSize=11, symbolType="square", symbolSize=90,
            labelLimit=170,
        )
        .configure_view(stroke=None)
        .to_dict(validate=False)
    )  # fmt: skip
    svg = vl_convert.vegalite_to_svg(_drawable(whole))
    return Picture(name, title, words, svg, _deflated(vl_convert.svg_to_png(svg, ppi=PPI)))


def _drawable(value: Any) -> Any:
    """The same description with only characters that XML 1.0 allows; the renderer aborts the process at any other."""
    if isinstance(value, str):
        return _NO_XML.sub("\ufffd", value)
    if isinstance(value, dict):
        return {key: _drawable(item) for key, item in value.items()}
    return [_drawable(item) for item in value] if isinstance(value, list) else value


def _deflated(png: bytes) -> bytes:
    """The same picture in about a quarter of the bytes: vl-convert deflates for speed (PNG, ISO 15948, chunks)."""
    before, after, data, at = bytearray(png[:8]), bytearray(), bytearray(), 8
    while at < len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : end - 4]
        else:
            (after if data else before).extend(png[at:end])
        at = end
    body = b"IDAT" + zlib.compress(zlib.decompress(data), 6)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return bytes(before + chunk + after)


def _colours(alt: Any, field: str, names: Sequence[str], rows: Sequence[dict[str, Any]], value: str) -> Any:
    """A colour for each name, the same in every corpus; the legend shows those that are there."""
    there = [name for name in names if any(row[field] == name and row[value] for row in rows)]
    scale = alt.Scale(domain=list(names), range=list(_COLOURS[: len(names)]))
    return alt.Color(f"{field}:N", scale=scale, legend=alt.Legend(values=there) if len(there) > 1 else None)


def _rows_height(count: int) -> int:
    return max(1, count) * _ROW


def _languages(alt: Any, facts: Facts) -> Picture:
    sizes = facts.sums("language", "class", outcome="train")
    totals = {tag: sum(n for (of, _), n in sizes.items() if of == tag) for tag in facts.tags()}
    rows = [
        {"language": tag, "class": name, "size": sizes.get((tag, name), 0), "order": n}
        for tag in totals
        for n, name in enumerate(_CLASSES)
    ]
    chart = (
        alt.Chart(alt.Data(values=rows), width=_WIDTH, height=_rows_height(len(totals)))
        .mark_bar()
        .encode(
            y=alt.Y("language:N", sort=list(totals), title=None),
            x=alt.X(
                "size:Q",
                axis=alt.Axis(format="~s", tickCount=5),
                title="bytes of text that trains, each document once",
            ),
            color=_colours(alt, "class", _CLASSES, rows, "size"),
            order=alt.Order("order:Q"),
        )
    )
    ranked = sorted(totals, key=lambda tag: -totals[tag])
    most = ", ".join(f"{language_name(tag)} {size(totals[tag])}" for tag in ranked[:3] if totals[tag])
    empty = [language_name(tag) for tag in totals if not totals[tag]]
    words = f"Bars, a language each, by kind of source. The most: {most or 'none'}." + (
        f" None: {', '.join(empty)}." if empty else ""
    )
    return _finish(chart, "languages", "What it is made of", words)


def _fates(alt: Any, facts: Facts) -> Picture:
    counts = facts.sums("language", "fate", of="documents")
    tags = facts.tags()
    rows = []
    for tag in tags:
        total = sum(n for (of, _), n in counts.items() if of == tag)
        rows += [
            {
                "language": tag,
                "fate": name,
                "share": 100 * counts.get((tag, name), 0) / total if total else 0.0,
                "order": n,
            }
            for n, name in enumerate(FATES)
        ]
    chart = (
        alt.Chart(alt.Data(values=rows), width=_WIDTH, height=_rows_height(len(tags)))
        .mark_bar()
        .encode(
            y=alt.Y("language:N", sort=tags, title=None),
            x=alt.X("share:Q", title="% of the documents read", scale=alt.Scale(domain=[0, 100])),
            color=_colours(alt, "fate", FATES, rows, "share"),
            order=alt.Order("order:Q"),
        )
    )
    read = sum(counts.values())
    sums = {name: sum(n for (_, of), n in counts.items() if of == name) for name in FATES}
    told = ", ".join(f"{name} {share(sums[name], read)}" for name in FATES if sums[name])
    return _finish(
        chart,
        "fates",
        "Where every document went",
        f"Bars of 100 %, a language each. Over all: {told or 'no document'}.",
    )


def _ranking(alt: Any, rows: Sequence[dict[str, Any]], colours: Sequence[str], axis: str) -> Any:
    """Bars with their numbers; rows of name, kind, value and label, the largest first."""
    names = [row["name"] for row in rows]
    base = alt.Chart(alt.Data(values=list(rows)), width=_WIDTH - 60, height=_rows_height(len(rows)))
    y = alt.Y("name:N", sort=names, title=None)
    bars = base.mark_bar().encode(
        y=y,
        x=alt.X("value:Q", title=axis, axis=alt.Axis(format="~s", tickCount=4)),
        color=_colours(alt, "kind", colours, rows, "value"),
    )
    labels = base.mark_text(align="left", dx=3, color=_INK, fontSize=10).encode(
        y=y, x="value:Q", text="label:N"
    )
    return bars + labels


def _reasons(alt: Any, facts: Facts) -> Picture:
    every = facts.manifest.summary["rows"]["dropped"]
    dropped = {rule: n for rule, n in every.items() if fate(rule) != _LEFT}  # budgets would hide all others
    ranked = sorted(dropped, key=lambda rule: (-dropped[rule], rule))[:_MOST]
    rows = [
        {"name": rule, "kind": fate(rule), "value": dropped[rule], "label": f"{dropped[rule]:,}"}
        for rule in ranked
    ]
    chart = _ranking(alt, rows, FATES, "documents removed")
    told = ", ".join(f"{rule} {dropped[rule]:,}" for rule in ranked[:5])
    left = sum(every.values()) - sum(dropped.values())
    words = (
        f"Bars, a rule each, the {len(ranked)} that removed most. {told or 'Nothing was removed'}."
        f" Not shown: {left:,} documents that were left over by budgets or for overlapping held-out text."
    )
    return _finish(chart, "reasons", "Which rules removed documents", words)


def _sources(alt: Any, facts: Facts) -> Picture:
    sizes = {source: n for (source,), n in facts.sums("source", outcome="train").items()}
    licences: dict[str, str] = dict(list(facts.sums("source", "licence", outcome="train")))  # type: ignore[arg-type]
    ranked = sorted(sizes, key=lambda name: (-sizes[name], name))[:_MOST]
    rows = [
        {
            "name": name, "kind": facts.duties(licences[name]), "value": sizes[name],
            "label": size(sizes[name]),
        }
        for name in ranked
    ]  # fmt: skip
    chart = _ranking(alt, rows, _DUTIES, "bytes of text that trains")
    told = ", ".join(f"{name} {size(sizes[name])}" for name in ranked[:3])
    words = f"Bars, a source each, coloured by what the licence asks; {len(ranked)} of {len(sizes)} sources. The most: {told or 'none'}."
    return _finish(chart, "sources", "Whose text it is, and what the licence asks", words)


def _epochs(alt: Any, facts: Facts) -> Picture:
    found = facts.figures.get("mixture", {}).get("languages", {})
    unit = facts.figures.get("mixture", {}).get("unit", "bytes")
    tags = facts.tags()
    rows = [
        {"language": tag, "what": what, "value": found[tag][key]}
        for tag in tags
        for what, key in (("available", "available"), ("taken, with repetitions", "taken"))
        if tag in found and found[tag][key]
    ]
    base = alt.Chart(alt.Data(values=rows), width=_WIDTH, height=_rows_height(len(tags)))
    y = alt.Y("language:N", sort=tags, title=None, scale=alt.Scale(domain=tags))
    axis = alt.Axis(format="~s", tickCount=4)
    x = alt.X("value:Q", title=f"{unit}, on a scale of powers", scale=alt.Scale(type="log"), axis=axis)
    lines = base.mark_line(color="#6b6b6b").encode(y=y, x=x, detail="language:N")
    colours = alt.Scale(domain=["available", "taken, with repetitions"], range=["#E69F00", "#0072B2"])
    shapes = alt.Scale(domain=["available", "taken, with repetitions"], range=["square", "circle"])
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        y=y, x=x, color=alt.Color("what:N", scale=colours), shape=alt.Shape("what:N", scale=shapes)
    )
    repeated = [tag for tag in tags if tag in found and found[tag]["epochs"] > 1]
    told = ", ".join(f"{language_name(tag)} {found[tag]['epochs']:.2f} times" for tag in repeated)
    words = (
        f"Two points for each language: what there is and what the mixture takes. Repeated: {told or 'none'}."
    )
    return _finish(lines + points, "mixture", "What there is, and what is taken", words)


def _groups(alt: Any, facts: Facts) -> Picture:
    counts = facts.sums("language", "fate", of="documents")
    tags = facts.tags()
    rows = []
    for tag in tags:
        total = sum(n for (of, _), n in counts.items() if of == tag)
        for name in FATES[2:]:
            part = 100 * counts.get((tag, name), 0) / total if total else None
            label = "" if part is None else ("0" if not part else f"{part:.0f}" if part >= 1 else "<1")
            rows.append(
                {
                    "language": tag,
                    "fate": name,
                    "share": part,
                    "label": label,
                    "dark": bool(part and part > 65),
                }
            )
    base = alt.Chart(alt.Data(values=rows), width=_WIDTH, height=_rows_height(len(tags)))
    y = alt.Y("language:N", sort=tags, title=None)
    x = alt.X(
        "fate:N",
        sort=list(FATES[2:]),
        title=None,
        axis=alt.Axis(orient="top", labelAngle=-40, labelLimit=180),
    )
    cells = base.mark_rect(stroke="white").encode(
        y=y, x=x, color=alt.Color("share:Q", scale=alt.Scale(scheme="blues", domain=[0, 100]), legend=None)
    )
    labels = base.mark_text(fontSize=10).encode(
        y=y, x=x, text="label:N", color=alt.condition("datum.dark", alt.value("white"), alt.value(_INK))
    )
    shares = {(tag, name): n for (tag, name), n in counts.items() if name in FATES[2:] and n}
    totals = {tag: sum(n for (of, _), n in counts.items() if of == tag) for tag, _ in shares}
    told = "Nothing was removed."
    if shares:
        tag, name = max(shares, key=lambda key: (shares[key] / totals[key[0]], key))
        told = f"The most: {language_name(tag)}, {name}, {share(shares[tag, name], totals[tag])}."
    words = f"A table of languages and kinds of reason, with the percentage of documents that each removed. {told}"
    return _finish(cells + labels, "removed", "What was removed in which language, in per cent", words)


def draw(facts: Facts) -> list[Picture]:
    """Every plot, in the order in which they are to be looked at.

    Raises:
        MissingPartError: Altair or vl-convert is not installed.
    """
    alt = _altair()
    makers = (_languages, _fates, _reasons, _groups, _sources, _epochs)
    return [make(alt, facts) for make in makers]
