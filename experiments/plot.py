"""The plot of a run as SVG: one panel a vital, its range as a band, phases and events as marks. No library: it is small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, PANEL, LEFT, TOP, GAP = 920, 110, 70, 46, 14
COLOURS = ("#3b82c4", "#c2571a", "#2f855a", "#a8326b")


class Panel(NamedTuple):
    """One vital: its name, points (minute, value), and range (None: no band)."""

    name: str
    points: Sequence[tuple[float, float]]
    band: tuple[float, float] | None


class Mark(NamedTuple):
    """Something at a minute, named in a few letters."""

    minute: float
    label: str


def svg(title: str, panels: Sequence[Panel], phases: Sequence[tuple[str, float]], marks: Sequence[Mark], minutes: float) -> str:
    """The drawing; `phases` are (name, minute of its beginning). Values are drawn on 0–1."""
    height = TOP + len(panels) * (PANEL + GAP) + 26
    inner = WIDTH - LEFT - 20
    bottom = TOP + len(panels) * (PANEL + GAP) - GAP

    def x(minute: float) -> float:
        return LEFT + inner * minute / minutes

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="11" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for name, begin in phases:
        parts.append(_line(x(begin), TOP - 6, x(begin), bottom, "#999999", dashed=False))
        parts.append(f'<text x="{x(begin) + 3:.1f}" y="{TOP - 30}" fill="#555555">{escape(name)}</text>')
    for number, mark in enumerate(marks):
        parts.append(_line(x(mark.minute), TOP, x(mark.minute), bottom, "#bbbbbb", dashed=True))
        # two rows, so that neighbours do not cover each other
        parts.append(f'<text x="{x(mark.minute) + 2:.1f}" y="{TOP - 18 + number % 2 * 12}" fill="#222222">{escape(mark.label)}</text>')
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (PANEL + GAP), COLOURS[number % len(COLOURS)], minutes, inner)
    step = 10 if minutes <= 180 else 60
    for minute in range(0, int(minutes) + 1, step):
        parts.append(f'<text x="{x(minute):.1f}" y="{bottom + 16}" fill="#555555" text-anchor="middle">{minute}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _panel(panel: Panel, top: int, colour: str, minutes: float, inner: int) -> list[str]:
    def y(value: float) -> float:
        return top + PANEL * (1 - min(max(value, 0.0), 1.0))

    parts = [f'<rect x="{LEFT}" y="{top}" width="{inner}" height="{PANEL}" fill="none" stroke="#cccccc"/>']
    if panel.band is not None:
        low, high = panel.band
        parts.append(f'<rect x="{LEFT}" y="{y(high):.1f}" width="{inner}" height="{y(low) - y(high):.1f}" fill="{colour}" opacity="0.12"/>')
    parts.append(f'<text x="{LEFT - 6}" y="{top + PANEL / 2}" fill="{colour}" text-anchor="end">{escape(panel.name)}</text>')
    parts += [f'<text x="{LEFT + 4}" y="{y(value) + 4:.1f}" fill="#999999" font-size="9">{value:g}</text>' for value in (0.25, 0.5, 0.75)]
    if panel.points:
        line = " ".join(f"{LEFT + inner * minute / minutes:.1f},{y(value):.1f}" for minute, value in panel.points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, dashed: bool) -> str:
    dash = ' stroke-dasharray="3 3"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dash}/>'
