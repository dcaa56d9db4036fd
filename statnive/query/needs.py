"""What a query needs: the sums its metrics are made of, and whose visits they are of.

The kind of a query says what "visits" are in it (docs/metrics.md, "With a filter"):

- PAGE: by event:page, or filtered by it alone: visits that began on the page; bounces and durations of those that
  entered by it.
- ENTRY, EXIT: by or filtered by visit:entry_page, visit:exit_page: the visits with a page view, by their first or last
  one.
- VISIT: everything else: first events of visits.

Where a filter names what happened in a visit (an event, a goal, a property, a hostname; a page beside one of those),
metrics of events count the events that fit, and metrics of visits whole visits with at least one such event in the
range (`membership`).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from statnive.errors import Rejected
from statnive.query.model import (
    CONVERSION_METRICS,
    PAGE_METRICS,
    PROPS_PREFIX,
    REVENUE_METRICS,
    TIME_DIMENSIONS,
    VISIT_METRICS,
    Query,
    each_test,
)
from statnive.query.ranges import HOURLY_DAYS_MAX


class Kind(Enum):
    """Whose visits; see the module."""

    VISIT = "visit"
    PAGE = "page"
    ENTRY = "entry"
    EXIT = "exit"


# The sums (and the unique count) that metrics are made of.
BASES: Final[dict[str, tuple[str, ...]]] = {
    "visitors": ("visitors",),
    "pageviews": ("pageviews",),
    "events": ("events",),
    "visits": ("visits",),
    "views_per_visit": ("visit_pageviews", "visits"),
    "bounce_rate": ("bounces", "visits"),
    "visit_duration": ("duration", "visits"),
    "entries": ("entries",),
    "exits": ("exits",),
    "scroll_depth": ("depth", "told"),
    "time_on_page": ("engaged", "pageviews"),
    "conversion_rate": ("visitors",),
    "group_conversion_rate": ("visitors",),
    "total_revenue": ("revenue",),
    "average_revenue": ("revenue",),
}
NAMED: Final = frozenset({"event:name", "event:goal", "event:hostname", "event:props"})


@attrs.frozen
class Needs:
    """A query, looked through."""

    query: Query
    dimensions: tuple[str, ...]  # without time
    filtered: frozenset[str]
    step: str | None
    kind: Kind
    membership: bool
    bases: frozenset[str]
    rows_with: str | None  # a group without it is no row: views of a page, visits by their entry or exit page
    warnings: tuple[str, ...]

    @property
    def used(self) -> frozenset[str]:
        """The dimensions that rows are made or filtered by; without time."""
        return self.filtered | set(self.dimensions)


def needs_of(query: Query) -> Needs:
    """Look a checked query through. Raises Rejected for metrics and dimensions that have no meaning together."""
    dimensions = tuple(name for name in query.dimensions if name not in TIME_DIMENSIONS)
    filtered = frozenset(test.dimension for test in each_test(query.filter))
    used = filtered | set(dimensions)
    kind = _kind(dimensions, filtered)
    by_visit = [name for name in query.metrics if name in VISIT_METRICS + PAGE_METRICS]
    _refuse(query, dimensions, used, kind, by_visit)
    named = any(_is_named(name) for name in filtered)
    page_of_a_visit = "event:page" in filtered and kind is not Kind.PAGE
    bases = {base for metric in query.metrics for base in _bases(metric, kind)}
    membership = bool(by_visit) and (named or page_of_a_visit)
    rows_with = None if membership else _rows_with(dimensions, used, kind)
    return Needs(
        query,
        dimensions,
        filtered,
        _step(query),
        kind,
        membership=membership,
        bases=frozenset(bases | {rows_with} if rows_with else bases),
        rows_with=rows_with,
        warnings=_warnings(query, kind),
    )


def _is_named(dimension: str) -> bool:
    return dimension in NAMED or dimension.startswith(PROPS_PREFIX)


def _kind(dimensions: tuple[str, ...], filtered: frozenset[str]) -> Kind:
    if "event:page" in dimensions:
        return Kind.PAGE
    used = filtered | set(dimensions)
    if "visit:exit_page" in used:
        return Kind.EXIT
    if "visit:entry_page" in used:
        return Kind.ENTRY
    if "event:page" in filtered and not any(_is_named(name) for name in used):
        return Kind.PAGE
    return Kind.VISIT


def _bases(metric: str, kind: Kind) -> tuple[str, ...]:
    """Of a page, bounces and durations are shares of the visits that entered by it."""
    bases = BASES[metric]
    if kind is Kind.PAGE and metric in ("bounce_rate", "visit_duration"):
        return (bases[0], "entries")
    if kind is Kind.PAGE and metric == "views_per_visit":
        return ()
    return bases


def _rows_with(dimensions: tuple[str, ...], used: frozenset[str], kind: Kind) -> str | None:
    """What makes a row of a group of whole visits or views; where a filter names events, those that fit make it."""
    if any(_is_named(name) for name in used - {"event:hostname"}):
        return None
    if "event:page" in dimensions:
        return "pageviews"
    if "event:page" in used or "event:hostname" in used:
        return None
    by_its_pages = {Kind.ENTRY: "visit:entry_page", Kind.EXIT: "visit:exit_page"}
    return "visits" if by_its_pages.get(kind) in dimensions else None


def _refuse(
    query: Query, dimensions: tuple[str, ...], used: frozenset[str], kind: Kind, by_visit: list[str]
) -> None:
    named = [name for name in dimensions if _is_named(name)]
    if named and by_visit:
        raise Rejected("metrics", f"{by_visit[0]} is of whole visits and can't be divided by {named[0][:60]}")
    for metric in query.metrics:
        if metric in PAGE_METRICS and kind is not Kind.PAGE:
            raise Rejected("metrics", f"{metric} needs event:page as a dimension or as the filter")
        if metric in CONVERSION_METRICS and not any(_is_named(name) for name in used):
            raise Rejected("metrics", f"{metric} needs event:goal as a dimension or in the filter")
        if metric in REVENUE_METRICS and not used & {"event:goal", "event:name"}:
            raise Rejected("metrics", f"{metric} needs event:goal as a dimension or in the filter")
    by_time = len(dimensions) < len(query.dimensions)
    for name, _ in query.order_by:
        if name == "group_conversion_rate" or (name == "conversion_rate" and by_time):
            raise Rejected("order_by", f"{name} can't order these rows: order by visitors")
    if _step(query) == "hour" and query.range.days.count > HOURLY_DAYS_MAX:
        raise Rejected("interval", f"hours are for at most {HOURLY_DAYS_MAX} days")


def _step(query: Query) -> str | None:
    for name in query.dimensions:
        if name in TIME_DIMENSIONS:
            return query.interval if name == "time" else name.removeprefix("time:")
    return None


def _warnings(query: Query, kind: Kind) -> tuple[str, ...]:
    if kind is Kind.PAGE and "views_per_visit" in query.metrics:
        return ("views_per_visit has no meaning for a page and is null",)
    return ()
