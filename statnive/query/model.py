"""The vocabulary of a question: site, range, metrics, dimensions, filter; and of its answer.

Every API speaks it: the native routes, Plausible's, funnels. A Query is only data; `statnive.query.engine.run` checks
and answers it. Names follow Plausible's Stats API v2, numbers docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, Protocol, TypeAlias
from zoneinfo import ZoneInfo

import attrs

from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.query.ranges import FIRST_DAY, LAST_DAY, RANGE_YEARS_MAX, Days, midnight
from statnive.query.removed import Gone
from statnive.query.where import Statement

PROPS_PREFIX: Final = "event:props:"
# Metrics of events: what happened. Metrics of visits are of whole visits; see docs/metrics.md for both.
EVENT_METRICS: Final = ("visitors", "pageviews", "events", "scroll_depth", "time_on_page")
VISIT_METRICS: Final = ("visits", "views_per_visit", "bounce_rate", "visit_duration")
# Of event:page only: visits that entered by it and that ended with it.
PAGE_METRICS: Final = ("entries", "exits")
# conversion_rate: share, in per cent, of the visitors under the same filters but those of events and goals;
# group_conversion_rate: of those visitors in the same row.
CONVERSION_METRICS: Final = ("conversion_rate", "group_conversion_rate")
REVENUE_METRICS: Final = ("total_revenue", "average_revenue")
METRICS: Final = (*EVENT_METRICS, *VISIT_METRICS, *PAGE_METRICS, *CONVERSION_METRICS, *REVENUE_METRICS)

TIME_DIMENSIONS: Final = ("time", "time:hour", "time:day", "time:week", "time:month")
VISIT_DIMENSIONS: Final = (
    "visit:source", "visit:channel", "visit:referrer",
    "visit:utm_source", "visit:utm_medium", "visit:utm_campaign", "visit:utm_content", "visit:utm_term",
    "visit:country", "visit:region", "visit:city", "visit:city_name",
    "visit:device", "visit:browser", "visit:browser_version", "visit:os", "visit:os_version",
    "visit:entry_page", "visit:exit_page",
)  # fmt: skip
# And event:props:<name>, for any name. event:props: the names that an event has; not for filters.
EVENT_DIMENSIONS: Final = ("event:page", "event:hostname", "event:name", "event:goal", "event:props")
DIMENSIONS: Final = (*VISIT_DIMENSIONS, *EVENT_DIMENSIONS, *TIME_DIMENSIONS)

FILTER_DEPTH_MAX: Final = 12
FILTER_NODES_MAX: Final = 100
FILTER_VALUES_MAX: Final = 500
VALUE_CHARS_MAX: Final = 2_000
PATTERN_CHARS_MAX: Final = 500
DIMENSIONS_MAX: Final = 4
LIMIT_MAX: Final = 10_000


class Op(StrEnum):
    """How a value of a dimension is compared; a `*_not` or `is_not` is true when none of the values fits."""

    IS = "is"
    IS_NOT = "is_not"
    CONTAINS = "contains"
    CONTAINS_NOT = "contains_not"
    MATCHES = "matches"  # RE2, anywhere in the value
    MATCHES_NOT = "matches_not"
    WILDCARD = "wildcard"  # the whole value: * is any text within a segment, ** any text at all
    WILDCARD_NOT = "wildcard_not"


@attrs.frozen
class Test:
    """`dimension` compared with each of `values`."""

    __test__ = False  # no test of pytest's

    op: Op
    dimension: str
    values: tuple[str, ...]
    case_sensitive: bool = True


@attrs.frozen
class And:
    """All of them hold."""

    filters: tuple[Filter, ...]


@attrs.frozen
class Or:
    """At least one of them holds."""

    filters: tuple[Filter, ...]


@attrs.frozen
class Not:
    """It does not hold."""

    filter: Filter


Filter: TypeAlias = Test | And | Or | Not


def Is(dimension: str, *values: str) -> Test:  # noqa: N802 - a constructor
    """Equal to one of `values`."""
    return Test(Op.IS, dimension, values)


def IsNot(dimension: str, *values: str) -> Test:  # noqa: N802
    """Equal to none of `values`."""
    return Test(Op.IS_NOT, dimension, values)


def Contains(dimension: str, *values: str) -> Test:  # noqa: N802
    """Has one of `values` in it."""
    return Test(Op.CONTAINS, dimension, values)


def ContainsNot(dimension: str, *values: str) -> Test:  # noqa: N802
    """Has none of `values` in it."""
    return Test(Op.CONTAINS_NOT, dimension, values)


def Matches(dimension: str, *patterns: str) -> Test:  # noqa: N802
    """One of the RE2 `patterns` is found in it."""
    return Test(Op.MATCHES, dimension, patterns)


def Wildcard(dimension: str, *patterns: str) -> Test:  # noqa: N802
    """One of the wildcard `patterns` is the whole of it."""
    return Test(Op.WILDCARD, dimension, patterns)


def each_test(filter_: Filter | None) -> Iterator[Test]:
    """Every Test of a filter, from left to right."""
    match filter_:
        case Test():
            yield filter_
        case And(filters) | Or(filters):
            for inner in filters:
                yield from each_test(inner)
        case Not(inner):
            yield from each_test(inner)


@attrs.frozen
class Range:
    """Whole local days; or, with `start` and `end`, the instants [start, end) within them."""

    days: Days
    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def of_instants(cls, start: datetime, end: datetime, zone: ZoneInfo) -> Range:
        """From `start` up to but not including `end`, both aware. Raises Rejected for an empty or too long span."""
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        if end <= start:
            raise Rejected("date_range", "ends before it begins")
        first = start.astimezone(zone).date()
        last = (end - timedelta(microseconds=1)).astimezone(zone).date()
        if first < FIRST_DAY or last > LAST_DAY or (last - first).days > 366 * RANGE_YEARS_MAX:
            raise Rejected(
                "date_range", f"must lie from {FIRST_DAY} to {LAST_DAY}, {RANGE_YEARS_MAX} years at most"
            )
        return cls(Days(first, last, zone), start, end)

    @property
    def is_whole_days(self) -> bool:
        return self.start is None

    @property
    def ends(self) -> tuple[datetime, datetime]:
        """The instants [start, end)."""
        if self.start is not None and self.end is not None:
            return self.start, self.end
        zone = self.days.zone
        return midnight(self.days.first, zone), midnight(self.days.last + timedelta(days=1), zone)


@attrs.frozen
class Query:
    """One question. `dimensions` make the rows; none of them = one row of totals.

    order_by: (metric or dimension, descending) pairs; () = first metric descending, or by time when there is a
    time dimension first. `time` as a dimension takes its step from `interval`. With `fill`, every step of the range has
    a row when a time dimension is the only one.
    """

    site: Site
    range: Range
    metrics: tuple[str, ...]
    dimensions: tuple[str, ...] = ()
    filter: Filter | None = None
    order_by: tuple[tuple[str, bool], ...] = ()
    limit: int = 1_000
    offset: int = 0
    interval: Literal["hour", "day", "week", "month"] = "day"
    fill: bool = False
    total_rows: bool = False  # count all rows, beyond the limit


@attrs.frozen
class Money:
    """An amount in thousandths of `currency` (ISO 4217)."""

    amount: int
    currency: str


# Whole numbers of counts, quotients, None where there is nothing to divide by; the money of revenue, by currency.
Value: TypeAlias = int | float | tuple[Money, ...] | None


@attrs.frozen
class ResultRow:
    """One row: the values of the query's dimensions and metrics, in their order.

    Dimensions are text: "" = not set (source: direct). visit:city is the GeoNames id, "0" unknown. Time: "2026-11-01"
    (day, week's Monday, month's first), "2026-11-01T13:00:00+01:00" (hour). bounce_rate, scroll_depth and
    conversion rates are per cent, visit_duration and time_on_page (of one view) seconds.
    """

    dimensions: tuple[str, ...]
    metrics: tuple[Value, ...]


@attrs.frozen
class Result:
    """The answer. `sampled`: the share of visitors that was read, None = all; counts are scaled up then."""

    rows: tuple[ResultRow, ...]
    total_rows: int | None
    sampled: float | None
    source: Literal["rollup", "raw"]
    fresh_through: datetime | None = None
    warnings: tuple[str, ...] = ()
    gone: tuple[Gone, ...] = ()  # days of the range that are erased


class Reader(Protocol):
    """A reading handle: statnive.clickhouse.client.Client."""

    def query(self, statement: Statement) -> list[dict[str, Any]]: ...


def check(query: Query) -> None:
    """Raise Rejected for what no query may ask, naming field and allowed values; what can't be combined, the engine
    refuses.
    """
    if not query.metrics or len(set(query.metrics)) != len(query.metrics):
        raise Rejected("metrics", "must be at least one, each once")
    for metric in query.metrics:
        if metric not in METRICS:
            raise Rejected("metrics", f"{metric[:60]!r} is unknown; allowed: {', '.join(METRICS)}")
    if len(query.dimensions) > DIMENSIONS_MAX or len(set(query.dimensions)) != len(query.dimensions):
        raise Rejected("dimensions", f"must be at most {DIMENSIONS_MAX}, each once")
    for dimension in query.dimensions:
        check_dimension("dimensions", dimension)
    if sum(dimension in TIME_DIMENSIONS for dimension in query.dimensions) > 1:
        raise Rejected("dimensions", "can hold one time dimension only")
    if query.filter is not None:
        check_filter(query.filter)
    for name, _ in query.order_by:
        if name not in query.metrics and name not in query.dimensions:
            raise Rejected("order_by", f"{name[:60]!r} must be one of the metrics and dimensions asked for")
        if name in REVENUE_METRICS:
            raise Rejected("order_by", f"{name} has several currencies: order by another metric")
    if not 1 <= query.limit <= LIMIT_MAX or not 0 <= query.offset <= 1_000_000:
        raise Rejected("limit", f"must be from 1 to {LIMIT_MAX}, the offset from 0 to 1000000")


def check_dimension(field: str, dimension: str) -> None:
    """Raise Rejected when there is no such dimension."""
    if dimension in DIMENSIONS:
        return
    name = dimension.removeprefix(PROPS_PREFIX)
    if name == dimension:
        raise Rejected(
            field, f"{dimension[:60]!r} is unknown; allowed: {', '.join(DIMENSIONS)}, {PROPS_PREFIX}<name>"
        )
    if not name or len(name.encode("utf-8", "replace")) > 300 or not name.isprintable():
        raise Rejected(field, "a property's name has 1 to 300 printable bytes")


def check_filter(filter_: Filter) -> None:
    """Raise Rejected("filters", …) for a filter that is too deep, too large or of an unknown dimension."""
    nodes = values = 0
    waiting: list[tuple[Filter, int]] = [(filter_, 1)]
    while waiting:
        node, depth = waiting.pop()
        nodes += 1
        if depth > FILTER_DEPTH_MAX or nodes > FILTER_NODES_MAX:
            raise Rejected(
                "filters", f"may be {FILTER_DEPTH_MAX} deep and have {FILTER_NODES_MAX} parts at most"
            )
        match node:
            case And(filters) | Or(filters):
                if not filters:
                    raise Rejected("filters", "'and' and 'or' take at least one filter")
                waiting += [(inner, depth + 1) for inner in filters]
            case Not(inner):
                waiting.append((inner, depth + 1))
            case Test():
                values += len(node.values)
                _check_test(node)
    if values > FILTER_VALUES_MAX:
        raise Rejected("filters", f"may have {FILTER_VALUES_MAX} values at most")


def _check_test(test: Test) -> None:
    check_dimension("filters", test.dimension)
    if test.dimension in TIME_DIMENSIONS:
        raise Rejected("filters", f"{test.dimension} can't be filtered: use the range")
    if test.dimension == "event:props":
        raise Rejected("filters", f"a property is filtered by {PROPS_PREFIX}<name>")
    if not test.values:
        raise Rejected("filters", f"{test.dimension} {test.op} takes at least one value")
    most = PATTERN_CHARS_MAX if test.op in (Op.MATCHES, Op.MATCHES_NOT) else VALUE_CHARS_MAX
    for value in test.values:
        if len(value) > most:
            raise Rejected("filters", f"a value of {test.dimension} {test.op} has {most} characters at most")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise Rejected("filters", f"a value of {test.dimension} is no text")
    if test.dimension == "event:goal" and test.op not in (Op.IS, Op.IS_NOT, Op.CONTAINS, Op.CONTAINS_NOT):
        raise Rejected("filters", "event:goal takes is, is_not, contains and contains_not")


def monday(day: date) -> date:
    """The first day of its week."""
    return day - timedelta(days=day.weekday())
