"""The growth of a report's time as one SVG: a panel each for sites, days and pages. Without a library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from chaos.bench.query_growth import Growth
from chaos.plots import COLOURS, nice_ceiling, short

PANEL_WIDTH: Final = 330
HEIGHT: Final = 250
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 44, 40
TICKS: Final = 4


def plot(growths: Sequence[Growth]) -> str:
    """The SVG. The axis of sizes is logarithmic, that of milliseconds begins at 0."""
    width = PANEL_WIDTH * len(growths)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" role="img" '
        'aria-label="How the time of a report grows" font-family="system-ui, sans-serif" font-size="11">',
        f'<rect width="{width}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for number, growth in enumerate(growths):
        parts.append(f'<g transform="translate({number * PANEL_WIDTH} 0)">{_panel(growth)}</g>')
    return "".join(parts) + "</svg>\n"


def _panel(growth: Growth) -> str:
    top = nice_ceiling(max(max(values) for values in growth.ms.values()))
    span = math.log(growth.sizes[-1] / growth.sizes[0]) or 1.0

    def at_x(size: float) -> float:
        return LEFT + math.log(size / growth.sizes[0]) / span * (PANEL_WIDTH - LEFT - RIGHT)

    def at_y(ms: float) -> float:
        return HEIGHT - BOTTOM - ms / top * (HEIGHT - TOP - BOTTOM)

    parts = [f'<text x="{LEFT}" y="16" font-size="13" font-weight="600">{escape(growth.title)}</text>']
    for tick in range(TICKS + 1):
        ms = top * tick / TICKS
        parts.append(
            f'<line x1="{LEFT}" x2="{PANEL_WIDTH - RIGHT}" y1="{at_y(ms):.1f}" y2="{at_y(ms):.1f}" stroke="#e3e3e3"/>'
            f'<text x="{LEFT - 5}" y="{at_y(ms) + 4:.1f}" text-anchor="end">{short(ms)}</text>'
        )
    parts += [
        f'<text x="{at_x(size):.1f}" y="{HEIGHT - 22}" text-anchor="middle">{short(size)}</text>'
        for size in growth.sizes
    ]
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 6}" fill="#666">ms, by {escape(growth.unit)}</text>')
    for number, (name, values) in enumerate(growth.ms.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(at_x(size), at_y(ms)) for size, ms in zip(growth.sizes, values, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in points]
        x = LEFT + 90 * number
        parts.append(
            f'<rect x="{x}" y="24" width="9" height="9" fill="{colour}"/>'
            f'<text x="{x + 13}" y="32">{escape(name)}</text>'
        )
    return "".join(parts)
