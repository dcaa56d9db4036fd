"""Plausible's Stats API v2: one request is one Query, its answer the same shape that their clients read.

Owns:       the grammar of POST /api/v2/query. Inputs: decoded JSON, a site, the time. Outputs: an Asked; its answer.
Invariants: I1 an unknown key, metric, dimension or operator is refused by name; I2 the answer's `query` says what was
            really asked: absolute times, the order, the step of "time".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs
import msgspec

from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.query import plausible_names as names
from statnive.query import plausible_ranges as ranges
from statnive.query.engine import LIMITS, Limits, run
from statnive.query.figures import percent
from statnive.query.filters import Segments, no_segments
from statnive.query.model import (
    LIMIT_MAX,
    REVENUE_METRICS,
    TIME_DIMENSIONS,
    Filter,
    Query,
    Reader,
    Result,
    ResultRow,
    Value,
    check,
    each_test,
)
from statnive.query.needs import needs_of
from statnive.query.removed import warnings_of

METRICS: Final = (
    "visitors", "visits", "pageviews", "views_per_visit", "bounce_rate", "visit_duration", "events", "scroll_depth",
    "percentage", "conversion_rate", "group_conversion_rate", "average_revenue", "total_revenue", "time_on_page",
)  # fmt: skip
KEYS: Final = (
    "site_id", "metrics", "date_range", "dimensions", "filters", "order_by", "include", "pagination",
)  # fmt: skip
INCLUDE: Final = ("imports", "time_labels", "total_rows", "trim_relative_date_range")
NO_IMPORTS: Final = {"imports_included": False, "imports_skip_reason": "no_imported_data"}
_UNORDERED: Final = (*REVENUE_METRICS, "group_conversion_rate")
_REVENUE_WARNINGS: Final = {
    "no_single_revenue_currency": "Revenue metrics are null as there are multiple currencies for the selected goals.",
    "no_revenue_goals_matching": "Revenue metrics are null as there are no matching revenue goals.",
}


@attrs.frozen(eq=False)
class Asked:
    """A request, read: the Query that answers it, and what is shown of it."""

    query: Query
    metrics: tuple[str, ...]
    from_first_day: bool
    include: Mapping[str, bool]
    shown: Mapping[str, Any]  # the answer's `query`
    now: datetime

    @property
    def key(self) -> bytes:
        """The same for requests with the same answer."""
        trimmed = self.now.isoformat(timespec="hours") if self.include.get("trim_relative_date_range") else ""
        return msgspec.json.encode([self.shown, self.from_first_day, trimmed])


def parse(body: Mapping[str, Any], site: Site, now: datetime, segments: Segments = no_segments) -> Asked:
    """Read a request whose site is known. Raises Rejected with the key and what is allowed."""
    for key in body:
        if key not in KEYS:
            raise Rejected(str(key)[:40], f"is unknown; allowed: {', '.join(KEYS)}")
    for key in ("metrics", "date_range"):
        if key not in body:
            raise Rejected(key, "is missing")
    span = ranges.range_v2(body["date_range"], ZoneInfo(site.timezone), now)
    metrics = _texts("metrics", body["metrics"])
    dimensions = tuple(_dimension(name, span) for name in _texts("dimensions", body.get("dimensions", [])))
    filter_ = names.filters(body.get("filters", []), segments)
    _check_metrics(metrics, dimensions, filter_)
    include = _include(body.get("include", {}), dimensions)
    limit, offset = _pagination(body.get("pagination", {}))
    order = _order(body.get("order_by"), metrics, dimensions)
    query = Query(
        site, span, _counted(metrics), dimensions,
        filter=filter_,
        order_by=tuple(("visitors" if name == "percentage" else name, down) for name, down in order),
        limit=limit,
        offset=offset,
        total_rows=include.get("total_rows", False),
    )  # fmt: skip
    check(query)
    needs_of(query)
    shown = {
        "site_id": site.domain,
        "metrics": list(metrics),
        "date_range": ranges.absolute(span),
        "filters": body.get("filters", []),
        "dimensions": list(dimensions),
        "order_by": [[name, "desc" if down else "asc"] for name, down in order],
        "include": include,
        "pagination": {"limit": limit, "offset": offset},
    }
    return Asked(query, metrics, body["date_range"] == ranges.ALL, include, shown, now)


def answer(reader: Reader, asked: Asked, limits: Limits = LIMITS) -> dict[str, Any]:
    """{"results", "meta", "query"}. Raises what `engine.run` raises."""
    query, shown = asked.query, dict(asked.shown)
    if asked.from_first_day:
        span = ranges.since_first_day(reader, query.site.id, query.range)
        query = attrs.evolve(query, range=span)
        shown["date_range"] = ranges.absolute(span)
    result = run(reader, query, limits)
    rows = result.rows or _nothing(query)
    whole = _whole(reader, query, limits) if "percentage" in asked.metrics else 0
    values = [_values(asked, query, row, whole) for row in rows]
    results = [
        {
            "metrics": [names.number(*pair) for pair in zip(asked.metrics, value, strict=True)],
            "dimensions": [names.shown(*pair) for pair in zip(query.dimensions, row.dimensions, strict=True)],
        }
        for row, value in zip(rows, values, strict=True)
    ]
    return {"results": results, "meta": _meta(asked, query, result, values), "query": shown}


def _texts(key: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(part, str) for part in given):
        raise Rejected(key, "must be a list of names")
    return tuple(given)


def _dimension(name: str, span: Any) -> str:
    if name == "time":
        return f"time:{ranges.step_of(span)}"
    return name if name in TIME_DIMENSIONS else names.dimension("dimensions", name)


def _check_metrics(metrics: tuple[str, ...], dimensions: tuple[str, ...], filter_: Filter | None) -> None:
    if not metrics or len(set(metrics)) != len(metrics):
        raise Rejected("metrics", "must be at least one, each once")
    used = {test.dimension for test in each_test(filter_)} | set(dimensions)
    for metric in metrics:
        if metric not in METRICS:
            raise Rejected("metrics", f"{metric[:60]!r} is unknown; allowed: {', '.join(METRICS)}")
        names.needs_page(metric, used)
    if "percentage" in metrics and not dimensions:
        raise Rejected("metrics", "percentage needs at least one dimension")


def _counted(metrics: tuple[str, ...]) -> tuple[str, ...]:
    """What is asked of the engine: a percentage is made of visitors."""
    found = tuple(metric for metric in metrics if metric != "percentage")
    return (*found, "visitors") if "percentage" in metrics and "visitors" not in found else found


def _include(given: object, dimensions: tuple[str, ...]) -> dict[str, bool]:
    if not isinstance(given, dict):
        raise Rejected("include", "must be an object")
    for name, value in given.items():
        if name not in INCLUDE:
            raise Rejected(f"include.{str(name)[:40]}", f"is unknown; allowed: {', '.join(INCLUDE)}")
        if not isinstance(value, bool):
            raise Rejected(f"include.{name}", "is true or false")
    if given.get("time_labels") and not any(name in TIME_DIMENSIONS for name in dimensions):
        raise Rejected("include.time_labels", "needs a time dimension")
    return given


def _pagination(given: object) -> tuple[int, int]:
    if not isinstance(given, dict) or not given.keys() <= {"limit", "offset"}:
        raise Rejected("pagination", 'must be {"limit": …, "offset": …}')
    limit, offset = given.get("limit", LIMIT_MAX), given.get("offset", 0)
    if type(limit) is not int or not 1 <= limit <= LIMIT_MAX:
        raise Rejected("pagination.limit", f"must be a whole number from 1 to {LIMIT_MAX}")
    if type(offset) is not int or not 0 <= offset <= 1_000_000:
        raise Rejected("pagination.offset", "must be a whole number from 0 to 1000000")
    return limit, offset


def _order(
    given: object, metrics: tuple[str, ...], dimensions: tuple[str, ...]
) -> tuple[tuple[str, bool], ...]:
    """As asked; else by time and then the first metric that orders, descending. True = descending."""
    times = [name for name in dimensions if name in TIME_DIMENSIONS]
    if given is None:
        kept = [
            name for name in metrics if name not in _UNORDERED and not (times and name == "conversion_rate")
        ]
        return (*((name, False) for name in times), *((name, True) for name in kept[:1]))
    if not isinstance(given, list):
        raise Rejected("order_by", 'must be a list such as [["visitors", "desc"]]')
    found = []
    for part in given:
        if not isinstance(part, list) or len(part) != 2 or part[1] not in ("asc", "desc"):
            raise Rejected("order_by", 'a part is a name and "asc" or "desc"')
        name = times[0] if part[0] == "time" and times else part[0]
        if name not in metrics and name not in dimensions:
            raise Rejected(
                "order_by", f"{str(name)[:60]!r} must be one of the metrics and dimensions asked for"
            )
        found.append((name, part[1] == "desc"))
    return tuple(found)


def _nothing(query: Query) -> tuple[ResultRow, ...]:
    """Of totals, one row also when nothing was counted at all."""
    if query.dimensions or query.offset:
        return ()
    counts = ("visitors", "visits", "pageviews", "events")
    values: tuple[Value, ...] = tuple(0 if metric in counts else None for metric in query.metrics)
    return (ResultRow((), values),)


def _whole(reader: Reader, query: Query, limits: Limits) -> int:
    """Visitors of all rows together."""
    total = Query(query.site, query.range, ("visitors",), filter=query.filter)
    rows = run(reader, total, limits).rows
    return int(rows[0].metrics[0]) if rows and isinstance(rows[0].metrics[0], int) else 0


def _values(asked: Asked, query: Query, row: ResultRow, whole: int) -> list[Value]:
    found = dict(zip(query.metrics, row.metrics, strict=True))
    if "percentage" in asked.metrics:
        visitors = found["visitors"]
        assert isinstance(visitors, int)
        found["percentage"] = percent(visitors, whole)
    return [found[metric] for metric in asked.metrics]


def _meta(asked: Asked, query: Query, result: Result, values: list[list[Value]]) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    if asked.include.get("imports"):
        meta |= NO_IMPORTS
    warnings = _revenue_warnings(asked.metrics, values)
    if warnings:
        meta["metric_warnings"] = warnings
    if asked.include.get("time_labels"):
        (time,) = (name for name in query.dimensions if name in TIME_DIMENSIONS)
        until = asked.now if asked.include.get("trim_relative_date_range") else None
        meta["time_labels"] = ranges.labels(query.range, time.removeprefix("time:"), until)
    if asked.include.get("total_rows"):
        meta["total_rows"] = result.total_rows
    said = list(warnings_of(result.gone))
    if result.sampled is not None:
        meta["sampled"] = round(result.sampled, 6)
        said.insert(0, names.sampled_warning(result.sampled))
    if said:
        meta["warning"] = " ".join(said)
    return meta


def _revenue_warnings(metrics: tuple[str, ...], values: list[list[Value]]) -> dict[str, Any]:
    found = {}
    for at, metric in enumerate(metrics):
        money = [value[at] for value in values if metric in REVENUE_METRICS]
        amounts = [len(value) for value in money if isinstance(value, tuple)]
        if metric not in REVENUE_METRICS or (1 in amounts and max(amounts) == 1):
            continue
        many = max(amounts, default=0) > 1
        code = "no_single_revenue_currency" if many else "no_revenue_goals_matching"
        found[metric] = {"code": code, "warning": _REVENUE_WARNINGS[code]}
    return found
