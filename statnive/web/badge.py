"""A badge for a site's own pages or README: how many visitors (page views) it had, as a small SVG.

It is shown to whoever may see the site's numbers; to strangers only when the site is public.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import attrs
from starlette.requests import Request
from starlette.responses import Response

from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.query.filters import segments_of
from statnive.query.given import parse_options
from statnive.web.access import VIEW, Guarded, in_path
from statnive.web.stats import ask

if TYPE_CHECKING:
    from statnive.web.app import WebParts

PATH: Final = "/badge/"
MAX_AGE_S: Final = 900

METRICS: Final = {"visitors": "visitors", "visits": "visits", "pageviews": "page views"}
PERIODS: Final = {"day": "today", "7d": "in 7 days", "30d": "in 30 days", "12mo": "in 12 months"}
# (ground of the label, its text, ground of the number, its text): each pair has a contrast of 4.5 and more.
THEMES: Final = {
    "light": ("#e7e5dc", "#17211d", "#0a6a57", "#ffffff"),
    "dark": ("#1d2623", "#e9efec", "#63cfb3", "#06231c"),
}
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "metric": tuple(METRICS),
    "period": tuple(PERIODS),
    "theme": tuple(THEMES),
}
LABEL_CHARS_MAX: Final = 40
PARAMETERS: Final = ("metric", "period", "label", "theme")
_CHAR_PX: Final = 6.6  # of an average character of the font at 11 px; `textLength` makes up the rest
_EDGE_PX: Final = 9


def routes(parts: WebParts) -> list[Guarded]:
    """GET /badge/example.com.svg"""

    async def badge(request: Request) -> Response:
        asked = badge_of(dict(request.query_params))
        site: Site = request.state.site
        now = datetime.fromtimestamp(parts.clock(), UTC)
        options = parse_options({"period": asked.period}, ZoneInfo(site.timezone), now, segments_of(site))
        read = await ask(parts, site, "overview", options)
        headers = {"cache-control": f"public, max-age={MAX_AGE_S}"}
        return Response(
            svg_of(asked, int(read.value["metrics"][asked.metric])), 200, headers, "image/svg+xml"
        )

    return [Guarded(f"{PATH}{{domain}}.svg", badge, access=VIEW, site=in_path("domain"))]


@attrs.frozen
class Badge:
    """What a badge shows."""

    metric: str = "visitors"
    period: str = "30d"
    label: str = ""
    theme: str = "light"


def badge_of(given: dict[str, str]) -> Badge:
    """The badge that an address asks for. Raises Rejected naming the parameter and what is allowed."""
    for name, value in given.items():
        if name not in PARAMETERS:
            raise Rejected(name[:40], f"is unknown; allowed: {', '.join(PARAMETERS)}")
        allowed = CHOICES.get(name)
        if allowed is not None and value not in allowed:
            raise Rejected(name, f"must be one of {', '.join(allowed)}")
    label = given.get("label", "")
    if len(label) > LABEL_CHARS_MAX or not (label.isprintable() or not label):
        raise Rejected("label", f"has {LABEL_CHARS_MAX} printable characters at most")
    return Badge(**given)


def svg_of(badge: Badge, value: int) -> str:
    """The picture. Texts are escaped: a label is whatever an address says."""
    left = badge.label or f"{METRICS[badge.metric]} {PERIODS[badge.period]}"
    right = short(value)
    label_ground, label_ink, ground, ink = THEMES[badge.theme]
    left_px, right_px = _width_px(left), _width_px(right)
    whole = left_px + right_px
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" '
        f'aria-label="{escape(left)}: {right}"><title>{escape(left)}: {right}</title>'
        f'<clipPath id="r"><rect width="{whole}" height="20" rx="4"/></clipPath><g clip-path="url(#r)">'
        f'<path fill="{label_ground}" d="M0 0h{left_px}v20H0z"/>'
        f'<path fill="{ground}" d="M{left_px} 0h{right_px}v20h-{right_px}z"/></g>'
        f'<g font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f"{_text(left, left_px / 2, left_px, label_ink)}{_text(right, left_px + right_px / 2, right_px, ink)}</g></svg>"
    )


def short(value: int) -> str:
    """987 · 1.2k · 35k · 3.4M: never more than four figures wide."""
    for factor, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if value >= factor:
            scaled = value / factor
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    return str(value)


def _width_px(text: str) -> int:
    return round(len(text) * _CHAR_PX) + 2 * _EDGE_PX


def _text(text: str, middle_px: float, width_px: int, ink: str) -> str:
    room = width_px - 2 * _EDGE_PX
    fitted = f'textLength="{room}" lengthAdjust="spacingAndGlyphs"'
    return f'<text x="{middle_px:g}" y="14" fill="{ink}" {fitted}>{escape(text)}</text>'
