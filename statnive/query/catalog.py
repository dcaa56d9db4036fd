"""The native reports, declared: what each is divided by, what it counts, what it is called in an answer.

Routes, the OpenAPI document, CSV files and the tests are made from these declarations.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import attrs

from statnive.query.model import Filter, IsNot

VISITS: Final = ("visitors", "visits", "pageviews", "views_per_visit", "bounce_rate", "visit_duration")
OF_PAGES: Final = (
    "visitors", "pageviews", "visits", "entries", "exits",
    "bounce_rate", "visit_duration", "time_on_page", "scroll_depth",
)  # fmt: skip
OF_EVENTS: Final = (
    "visitors", "events", "conversion_rate", "group_conversion_rate", "total_revenue", "average_revenue",
)  # fmt: skip
MORE: Final = ("events", "time_on_page")


@attrs.frozen
class Report:
    """One list. `keys` name its dimensions in a row; `metrics` are its columns unless others, of `allowed`, are asked
    for.
    """

    title: str
    dimensions: tuple[str, ...]
    keys: tuple[str, ...]
    metrics: tuple[str, ...]
    allowed: tuple[str, ...]
    only: Filter | None = None
    searched: bool = True
    # The name of a parameter that chooses the dimension, and its values by dimension.
    choice: str = ""
    choices: tuple[str, ...] = ()


def _visits(title: str, dimensions: str, keys: str, metrics: tuple[str, ...] = VISITS) -> Report:
    return Report(title, tuple(dimensions.split()), tuple(keys.split()), metrics, (*VISITS, *MORE))


REPORTS: Final = MappingProxyType(
    {
        "pages": Report("Pages", ("event:page",), ("page",), OF_PAGES[:5], (*OF_PAGES, "events")),
        "entry-pages": _visits(
            "Entry pages", "visit:entry_page", "page", ("visits", "bounce_rate", "visit_duration")
        ),
        "exit-pages": _visits("Exit pages", "visit:exit_page", "page", ("visits",)),
        "hostnames": Report(
            "Hostnames",
            ("event:hostname",),
            ("hostname",),
            ("visitors", "pageviews"),
            ("visitors", "pageviews", "events", "time_on_page"),
        ),
        "sources": _visits(
            "Sources",
            "visit:source visit:channel",
            "source channel",
            ("visitors", "visits", "pageviews", "bounce_rate"),
        ),
        "channels": _visits("Channels", "visit:channel", "channel"),
        "referrers": _visits("Referrers", "visit:referrer", "referrer"),
        "campaigns": attrs.evolve(
            _visits("Campaigns by a UTM tag", "visit:utm_campaign", "campaign"),
            choice="tag",
            choices=("utm_campaign", "utm_source", "utm_medium", "utm_content", "utm_term"),
        ),
        "countries": _visits("Countries", "visit:country", "country"),
        "regions": _visits("Regions", "visit:region visit:country", "region country"),
        "cities": _visits(
            "Cities",
            "visit:city_name visit:city visit:region visit:country",
            "city geoname_id region country",
        ),
        "devices": _visits("Device classes", "visit:device", "device"),
        "browsers": _visits("Browsers", "visit:browser", "browser"),
        "browser-versions": _visits(
            "Versions of browsers", "visit:browser visit:browser_version", "browser version"
        ),
        "os": _visits("Operating systems", "visit:os", "os"),
        "os-versions": _visits("Versions of operating systems", "visit:os visit:os_version", "os version"),
        "events": Report(
            "Custom events",
            ("event:name",),
            ("name",),
            ("visitors", "events"),
            OF_EVENTS,
            only=IsNot("event:name", "pageview"),
        ),
        "properties": Report(
            "Properties of events, or the values of one",
            ("event:props",),
            ("property",),
            ("visitors", "events"),
            OF_EVENTS[:4],
            searched=False,
        ),
        "goals": Report(
            "Goals",
            ("event:goal",),
            ("goal",),
            ("visitors", "events", "conversion_rate", "total_revenue", "average_revenue"),
            OF_EVENTS,
        ),
    }
)
TREND_METRICS: Final = ("visitors", "visits", "pageviews", "bounce_rate", "visit_duration")
TOTALS: Final = (*VISITS, *MORE, "scroll_depth", "total_revenue")
