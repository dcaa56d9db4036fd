"""Line plots as small SVG files, without a library: for reports that are read years later in a browser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

import attrs

WIDTH, HEIGHT = 960, 220
LEFT, RIGHT, TOP, BOTTOM = 70, 14, 30, 34
COLOURS: Final = ("#1f6feb", "#d1570a", "#2f9e44", "#8250df")
TICKS: Final = 4
POINTS_MAX: Final = 1_500  # of a line: more than pixels help nobody


@attrs.frozen
class Line:
    """A named line of (hours, value)."""

    name: str
    points: Sequence[tuple[float, float]]


@attrs.frozen
class Band:
    """A stretch of time, in hours, shaded behind the lines."""

    start: float
    end: float
    label: str


def plot(title: str, unit: str, lines: Sequence[Line], bands: Sequence[Band] = ()) -> str:
    """The SVG. Values below 0 are not expected; the axis begins at 0."""
    hours = max((x for line in lines for x, _ in line.points), default=1.0) or 1.0
    top = nice_ceiling(max((y for line in lines for _, y in line.points), default=1.0))

    def at_x(x: float) -> float:
        return LEFT + x / hours * (WIDTH - LEFT - RIGHT)

    def at_y(y: float) -> float:
        return HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="16" font-size="13" font-weight="600">{escape(title)}</text>',
    ]
    for band in bands:
        x, width = at_x(band.start), max(1.0, at_x(band.end) - at_x(band.start))
        parts.append(
            f'<rect x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - TOP - BOTTOM}" fill="#f3d9d9">'
            f"<title>{escape(band.label)}</title></rect>"
        )
    for tick in range(TICKS + 1):
        y, x = top * tick / TICKS, hours * tick / TICKS
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at_y(y):.1f}" y2="{at_y(y):.1f}" stroke="#e3e3e3"/>'
            f'<text x="{LEFT - 6}" y="{at_y(y) + 4:.1f}" text-anchor="end">{short(y)}</text>'
            f'<text x="{at_x(x):.1f}" y="{HEIGHT - 16}" text-anchor="middle">{x:.3g} h</text>'
        )
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 3}" fill="#666">{escape(unit)}</text>')
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{at_x(x):.1f},{at_y(min(y, top)):.1f}" for x, y in thin(line.points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
        x = WIDTH - RIGHT - 130 * (len(lines) - number)
        parts.append(
            f'<rect x="{x}" y="8" width="10" height="10" fill="{colour}"/>'
            f'<text x="{x + 15}" y="17">{escape(line.name)}</text>'
        )
    return "".join(parts) + "</svg>\n"


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most POINTS_MAX points: of each stretch its highest, so that no peak is lost."""
    if len(points) <= POINTS_MAX:
        return list(points)
    size = -(-len(points) // POINTS_MAX)
    return [
        max(points[start : start + size], key=lambda point: point[1]) for start in range(0, len(points), size)
    ]


def nice_ceiling(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, … that is not below."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999_999)


def short(value: float) -> str:
    """12,000 as 12k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
