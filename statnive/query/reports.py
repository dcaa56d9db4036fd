"""The native reports: what the dashboard and the JSON API are answered with, by way of the one query engine.

visitors is the merge of the visitor states over the range. The salt changes each local day, so a person who
comes on two days is two visitors; one who objects to being recognised is in every total and in no `visitors`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.query.catalog import REPORTS, TOTALS, TREND_METRICS, VISITS, Report
from statnive.query.engine import LIMITS, Limits, is_in_rollups, run
from statnive.query.given import Options
from statnive.query.model import (
    LIMIT_MAX,
    PROPS_PREFIX,
    And,
    Filter,
    Is,
    IsNot,
    Op,
    Query,
    Range,
    Reader,
    Result,
    ResultRow,
    Test,
    Value,
    each_test,
)
from statnive.query.ranges import Days, hour_start
from statnive.query.removed import Gone, json_of, warnings_of
from statnive.query.where import Scope, Table, TimeColumn, where

REALTIME_MINUTES: Final = 60
REALTIME_HOURS_SHOWN: Final = 24
Answer = dict[str, Any]
_COUNTS: Final = (
    "uniqCombined64Merge(visitors) AS visitors, sum(visits) AS visits, sum(pageviews) AS pageviews"
)
_MEASURES: Final = f"{_COUNTS}, sum(bounces) AS bounces, sum(duration_s) AS duration_s"
_NOTHING: Final = {"visitors": 0, "visits": 0, "pageviews": 0, "bounces": 0, "duration_s": 0}


@attrs.frozen
class Asked:
    """A site, what is asked of it, and the instant through which what is stored was complete when it was asked."""

    site: Site
    options: Options
    fresh_through: datetime
    limits: Limits = LIMITS

    def query(self, metrics: tuple[str, ...], dimensions: tuple[str, ...] = (), **changed: Any) -> Query:
        """A Query of the site, the range and the filter."""
        options = self.options
        return Query(
            self.site, changed.pop("range", options.range), metrics, dimensions,
            filter=both(options.filter, changed.pop("filter", None)), **changed,
        )  # fmt: skip


def overview(reader: Reader, asked: Asked) -> Answer:
    """The totals of the range. Rates are null when there were no visits.

    A range that still runs is compared with as much of the other one (`given.as_far`) wherever hours can be counted:
    half a day beside a whole one says nothing.
    """
    metrics = _chosen(asked.options, VISITS, TOTALS)
    asked = _of_goals(asked, metrics)
    result = run(reader, asked.query(metrics), asked.limits)
    answer = {**_head(asked, result), "metrics": _figures(metrics, _totals(metrics, result))}
    compared = _compared(asked, metrics)
    if compared is not None:
        before = run(reader, asked.query(metrics, range=compared), asked.limits)
        answer["comparison"] = {
            **_dates(compared),
            **lacking(before.gone),
            "metrics": _figures(metrics, _totals(metrics, before)),
        }
    return answer


def _compared(asked: Asked, metrics: tuple[str, ...]) -> Range | None:
    """As much of the range compared with as has passed of this one, if the rollups know its hours, or if it is one day
    whose events can be looked at; else the whole of it.
    """
    options = asked.options
    span = options.compare_as_far
    if span is None:
        return options.compare
    near = span.days.count == 1 and (options.range.days.first - span.days.last).days <= 1
    return span if near or is_in_rollups(asked.query(metrics, range=span)) else options.compare


def trend(reader: Reader, asked: Asked) -> Answer:
    """A point for each step of the range, also where nothing happened.

    An hour's time is local with its offset; a week's is its Monday, a month's its first day, whatever part of it the
    range holds.
    """
    interval = asked.options.interval
    metrics = _chosen(asked.options, TREND_METRICS, TOTALS)
    asked = _of_goals(asked, metrics)

    def points(span: Range) -> tuple[Result, list[Answer]]:
        query = asked.query(
            metrics, ("time",), range=span, interval=interval.value, fill=True, limit=LIMIT_MAX
        )
        result = run(reader, query, asked.limits)
        return result, [{"time": row.dimensions[0], **_figures(metrics, row.metrics)} for row in result.rows]

    result, found = points(asked.options.range)
    answer = {**_head(asked, result), "interval": interval.value, "points": found}
    compared = asked.options.compare
    if compared is not None:
        before, earlier = points(compared)
        answer["comparison"] = {**_dates(compared), **lacking(before.gone), "points": earlier}
    return answer


def listed(reader: Reader, asked: Asked, name: str) -> Answer:
    """A report of the catalog: rows with the keys and metrics that it declares, largest first."""
    options, report = asked.options, REPORTS[name]
    dimensions, keys = _divided(report, options)
    metrics = _chosen(options, report.metrics, report.allowed)
    filter_ = both(report.only, _of_event(name, options))
    if options.search:
        filter_ = both(filter_, Test(Op.CONTAINS, dimensions[0], (options.search,), case_sensitive=False))
    query = asked.query(
        metrics,
        dimensions,
        filter=filter_,
        order_by=_order(options.sort, dict(zip(keys, dimensions, strict=True)), metrics),
        limit=options.slice.limit,
        offset=options.slice.offset,
        total_rows=True,
    )
    result = run(reader, query, asked.limits)
    rows = [
        {**dict(zip(keys, row.dimensions, strict=True)), **_figures(metrics, row.metrics)}
        for row in result.rows
    ]
    answer = {**_head(asked, result), "total_rows": result.total_rows, "rows": rows}
    if options.compare is not None:
        _compare_rows(reader, asked, query, result, rows)
        answer["comparison"] = _dates(options.compare)
    return answer


def _compare_rows(reader: Reader, asked: Asked, query: Query, result: Result, rows: list[Answer]) -> None:
    """Into each row, its metrics in the range compared with; zeros where it was not there."""
    compared = asked.options.compare
    assert compared is not None
    values = tuple(sorted({row.dimensions[0] for row in result.rows}))
    first = query.dimensions[0]
    only = Is(first, *values) if values and len(values) <= 200 and first != "event:props" else None
    before = attrs.evolve(
        query, range=compared, filter=both(query.filter, only), order_by=(), limit=LIMIT_MAX, offset=0,
        total_rows=False,
    )  # fmt: skip
    known = {row.dimensions: row.metrics for row in run(reader, before, asked.limits).rows}
    nothing = tuple(_nothing(metric) for metric in query.metrics)
    for row, found in zip(rows, result.rows, strict=True):
        row["comparison"] = _figures(query.metrics, known.get(found.dimensions, nothing))


def realtime(reader: Reader, site: Site, now: datetime) -> Answer:
    """The local hours that the last 60 minutes touch, together; and each of the last 24 hours as a point.

    The rollup knows whole hours, so these are up to 119 minutes. `fresh_through` is `now`.
    """
    zone = ZoneInfo(site.timezone)
    first = hour_start(now - timedelta(hours=REALTIME_HOURS_SHOWN - 1), zone)
    recent = hour_start(now - timedelta(minutes=REALTIME_MINUTES) + timedelta(seconds=1), zone)
    end = now.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
    (totals,) = reader.query(
        where(Scope(site.id, TimeColumn.HOUR, recent, end)).select(_COUNTS, Table.HOURLY_VISITORS)
    )
    statement = where(Scope(site.id, TimeColumn.HOUR, first, end)).select(
        f"toUnixTimestamp(hour) AS step, {_MEASURES}", Table.HOURLY_VISITORS, "GROUP BY step"
    )
    days = Days(now.astimezone(zone).date() - timedelta(days=1), now.astimezone(zone).date(), zone)
    hours = [hour for hour in days.each_hour() if first <= hour < end]
    return {
        "site": site.domain,
        "timezone": site.timezone,
        "from": recent.astimezone(zone).date().isoformat(),
        "to": days.last.isoformat(),
        "fresh_through": _instant(now),
        "visitors": totals["visitors"],
        "pageviews": totals["pageviews"],
        "minutes": REALTIME_MINUTES,
        "points": _filled(reader.query(statement), (int(hour.timestamp()) for hour in hours), zone),
    }


def both(one: Filter | None, other: Filter | None) -> Filter | None:
    """Both filters hold."""
    parts = tuple(part for part in (one, other) if part is not None)
    return And(parts) if len(parts) > 1 else parts[0] if parts else None


def _divided(report: Report, options: Options) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The dimensions of a list and what its rows call them."""
    if options.property:
        return (PROPS_PREFIX + options.property,), ("value",)
    if options.choice:
        if options.choice not in report.choices:
            raise Rejected(report.choice, f"must be one of {', '.join(report.choices)}")
        return (f"visit:{options.choice}",), (options.choice,)
    return report.dimensions, report.keys


def _of_event(name: str, options: Options) -> Filter | None:
    filter_: Filter | None = Is("event:name", options.event) if options.event else None
    if name == "properties" and options.property:
        filter_ = both(filter_, IsNot(PROPS_PREFIX + options.property, ""))
    return filter_


def _chosen(options: Options, default: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    metrics = options.metrics
    if metrics is None:
        return default
    for metric in metrics:
        if metric not in allowed:
            raise Rejected("metrics", f"{metric[:60]!r} is unknown here; allowed: {', '.join(allowed)}")
    return metrics


def _of_goals(asked: Asked, metrics: tuple[str, ...]) -> Asked:
    """Revenue is of goals: of those that the filter names, else of all. Raises Rejected beside other metrics."""
    if "total_revenue" not in metrics:
        return asked
    if len(metrics) > 1:
        raise Rejected("metrics", "total_revenue is of events that reached a goal: ask for it alone")
    if any(test.dimension == "event:goal" for test in each_test(asked.options.filter)):
        return asked
    every_goal = Test(Op.CONTAINS, "event:goal", ("",))
    return attrs.evolve(
        asked, options=attrs.evolve(asked.options, filter=both(asked.options.filter, every_goal))
    )


def _order(sort: str, columns: dict[str, str], metrics: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
    """`sort` as an order; else the largest first, pages that are alike by their views."""
    if not sort:
        more = (("pageviews", True),) if "pageviews" in metrics and metrics[0] == "visitors" else ()
        return ((metrics[0], True), *more)
    name = sort.removeprefix("-")
    if name not in metrics and name not in columns:
        raise Rejected("sort", f"must be one of {', '.join((*columns, *metrics))}, with - for largest first")
    return ((columns.get(name, name), sort.startswith("-")),)


def _totals(metrics: tuple[str, ...], result: Result) -> tuple[Value, ...]:
    """The one row of totals; that no hour at all was counted is a row of nothing."""
    row = result.rows[0] if result.rows else ResultRow((), tuple(_nothing(name) for name in metrics))
    return row.metrics


def _nothing(metric: str) -> Value:
    if metric in ("total_revenue", "average_revenue"):
        return ()
    return 0 if metric in ("visitors", "visits", "pageviews", "events", "entries", "exits") else None


def _figures(metrics: tuple[str, ...], values: Iterable[Value]) -> Answer:
    return {
        name: [{"amount": str(Decimal(money.amount) / 1000), "currency": money.currency} for money in value]
        if isinstance(value, tuple)
        else value
        for name, value in zip(metrics, values, strict=True)
    }


def head(site: Site, span: Range, fresh_through: datetime) -> Answer:
    """What every answer begins with."""
    return {
        "site": site.domain,
        "timezone": site.timezone,
        **_dates(span),
        "fresh_through": _instant(fresh_through),
    }


def _head(asked: Asked, result: Result) -> Answer:
    found = {**head(asked.site, asked.options.range, asked.fresh_through), "source": result.source}
    if result.sampled is not None:
        found["sampled"] = round(result.sampled, 6)
    return {**found, **lacking(result.gone, result.warnings)}


def lacking(gone: tuple[Gone, ...], warnings: tuple[str, ...] = ()) -> Answer:
    """What an answer says of itself: `removed`, days that are erased, and `warnings`, in sentences."""
    warnings += warnings_of(gone)
    found: Answer = {"removed": json_of(gone)} if gone else {}
    return {**found, "warnings": list(warnings)} if warnings else found


def _dates(span: Range) -> Answer:
    if span.start is not None and span.end is not None:
        zone = span.days.zone
        last = span.end - timedelta(hours=1)
        return {
            "from": span.start.astimezone(zone).isoformat(timespec="seconds"),
            "to": last.astimezone(zone).isoformat(timespec="seconds"),
        }
    return {"from": span.days.first.isoformat(), "to": span.days.last.isoformat()}


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _filled(rows: list[Answer], steps: Iterable[int], zone: ZoneInfo) -> list[Answer]:
    """A point for each hour. One that the calendar does not know (the site's zone was changed) keeps its rows."""
    found = {row["step"]: row for row in rows}
    return [
        {
            "time": datetime.fromtimestamp(step, zone).isoformat(timespec="seconds"),
            **_point(found.get(step, _NOTHING)),
        }
        for step in sorted({*steps, *found})
    ]


def _point(row: Answer) -> Answer:
    point: Answer = {name: row[name] for name in ("visitors", "visits", "pageviews")}
    visits = row["visits"]
    point["bounce_rate"] = round(min(max(100 * row["bounces"] / visits, 0.0), 100.0), 2) if visits else None
    point["visit_duration"] = round(row["duration_s"] / visits, 2) if visits else None
    return point


def made_by(name: str) -> Callable[[Reader, Asked], Answer]:
    """What answers the report of that name."""
    if name == "overview":
        return overview
    if name == "trend":
        return trend
    return lambda reader, asked: listed(reader, asked, name)


def columns_of(name: str, options: Options) -> tuple[str, ...]:
    """The names of a report's columns, in order, also when it has no row."""
    if name == "overview":
        return ("from", "to", *_chosen(options, VISITS, TOTALS))
    if name == "trend":
        return ("time", *_chosen(options, TREND_METRICS, TOTALS))
    report = REPORTS[name]
    return (*_divided(report, options)[1], *_chosen(options, report.metrics, report.allowed))


NAMES: Final[tuple[str, ...]] = ("overview", "trend", *REPORTS)
