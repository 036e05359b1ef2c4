"""A run as a picture: loss, and held-out bits per byte with intervals, over the tokens seen; SVG without a library."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["draw"]

_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#7F3C8D",
    "#3D3D3D",
)  # Okabe and Ito, two more
_WIDTH, _HEIGHT, _LEFT, _TOP, _KEY = 620, 220, 60, 34, 110  # of a panel, its margins and the names beside it
_POINTS = 120  # of a line of losses at most; more are averaged

Line = list[tuple[float, float, tuple[float, float] | None]]  # tokens, value, interval


def draw(
    curve: Sequence[Mapping[str, Any]],
    losses: Sequence[Sequence[Sequence[float]]],
    names: Sequence[str],
    per_step: int,
) -> str:
    """The SVG of a run.

    Args:
        curve: lines of `curve.jsonl`; none: the panel of losses stands alone.
        losses: [steps, sources, 2] of (nats, learnt tokens).
        names: of the sources.
        per_step: tokens of a step.
    """
    panels = [("Training loss, nats a token", _losses(losses, names, per_step))]
    if curve:
        panels.append(("Held out, bits per byte, 95 % intervals over documents", _measured(curve)))
    colours = {
        name: _COLOURS[place % len(_COLOURS)]
        for place, name in enumerate(dict.fromkeys(name for _, lines in panels for name in lines))
    }
    whole = len(panels) * (_HEIGHT + 90)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + _KEY} {whole}"',
        'font-family="Liberation Sans, Arial, sans-serif" font-size="12" fill="#1a1a1a" role="img">',
        "<title>Loss and held-out bits per byte over the tokens seen</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for place, (title, lines) in enumerate(panels):
        parts += [
            f'<g transform="translate({_LEFT} {_TOP + place * (_HEIGHT + 90)})">',
            *_panel(title, lines, colours),
            "</g>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def _losses(
    losses: Sequence[Sequence[Sequence[float]]], names: Sequence[str], per_step: int
) -> dict[str, Line]:
    found: dict[str, Line] = {}
    group = max(1, math.ceil(len(losses) / _POINTS))
    for place, name in enumerate(names):
        line: Line = []
        for start in range(0, len(losses), group):
            some = [row[place] for row in losses[start : start + group]]
            count = sum(row[1] for row in some)
            if count:
                line.append(((start + len(some)) * per_step, sum(row[0] for row in some) / count, None))
        if line:
            found[name] = line
    return found


def _measured(curve: Sequence[Mapping[str, Any]]) -> dict[str, Line]:
    found: dict[str, Line] = {}
    for row in curve:
        for name, one in row["languages"].items():
            ends = (one["ci95"][0], one["ci95"][1]) if one["ci95"] else None
            found.setdefault(name, []).append((row["tokens"], one["bpb"], ends))
    return found


def _panel(title: str, lines: Mapping[str, Line], colours: Mapping[str, str]) -> list[str]:
    points = [point for line in lines.values() for point in line]
    right = max((x for x, _, _ in points), default=1.0) or 1.0
    ends = [end for _, y, ci in points for end in (y, *(ci or ()))] or [0.0, 1.0]
    ticks = _ticks(min(ends), max(ends))
    low, high = ticks[0], ticks[-1]

    def x_of(tokens: float) -> str:
        return f"{tokens / right * _WIDTH:.1f}"

    def y_of(value: float) -> str:
        return f"{(high - value) / (high - low) * _HEIGHT:.1f}"

    parts = [
        f'<text y="-12" font-weight="bold">{escape(title)}</text>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#6b6b6b"/>',
    ]
    for tick in ticks:
        y = y_of(tick)
        parts += [f'<line x1="0" y1="{y}" x2="{_WIDTH}" y2="{y}" stroke="#dddddd"/>',
                  f'<text x="-6" y="{float(y) + 4:.1f}" text-anchor="end">{tick:g}</text>']  # fmt: skip
    for tick in _ticks(0.0, right):
        if tick <= right:
            parts.append(f'<text x="{x_of(tick)}" y="{_HEIGHT + 16}" text-anchor="middle">{tick:,.0f}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT + 34}" text-anchor="middle">tokens</text>')
    for place, (name, line) in enumerate(lines.items()):
        colour = colours[name]
        dash = ' stroke-dasharray="5 3"' if list(colours).index(name) >= len(_COLOURS) else ""
        for tokens, _, ci in line:
            if ci:
                parts.append(
                    f'<line x1="{x_of(tokens)}" y1="{y_of(ci[0])}" x2="{x_of(tokens)}" y2="{y_of(ci[1])}" stroke="{colour}" stroke-opacity="0.45"/>'
                )
        path = " ".join(f"{x_of(tokens)},{y_of(value)}" for tokens, value, _ in line)
        parts += [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>',
                  f'<text x="{_WIDTH + 10}" y="{12 + 16 * place}" fill="{colour}">{escape(name)} {line[-1][1]:.3f}</text>']  # fmt: skip
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that hold both ends, six or so."""
    rough = max((high - low) / 5, abs(high) * 1e-6, 1e-9)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * (1 - 1e-12))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * place, 12) for place in range(first, max(last, first + 1) + 1)]
