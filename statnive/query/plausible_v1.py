"""Plausible's Stats API v1, which most wrappers still call: aggregate, timeseries, breakdown, realtime visitors.

Owns:       the grammar of their query strings. Inputs: parameters, a site, the time. Outputs: an Asked; its answer.
Invariants: I1 a metric, property or operator that is not known is refused by name; I2 parameters that change nothing
            are named in `ignored`, so that the answer can say so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.query import plausible_names as names
from statnive.query import plausible_ranges as ranges
from statnive.query.engine import LIMITS, Limits, run
from statnive.query.filters import Segments, no_segments
from statnive.query.given import previous_period
from statnive.query.model import (
    LIMIT_MAX as ROWS_MAX,
)
from statnive.query.model import (
    PROPS_PREFIX,
    And,
    Filter,
    Op,
    Query,
    Range,
    Reader,
    Test,
    Value,
    check,
    each_test,
)
from statnive.query.needs import needs_of
from statnive.query.ranges import hour_start
from statnive.query.removed import warnings_of

METRICS: Final = (
    "visitors", "visits", "pageviews", "views_per_visit", "bounce_rate", "visit_duration", "events",
    "conversion_rate", "time_on_page", "scroll_depth",
)  # fmt: skip
KINDS: Final = ("aggregate", "timeseries", "breakdown")
LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1_000
PAGE_MAX: Final = 1_000
FILTER_CHARS_MAX: Final = 16_384
DIRECT: Final = "(Direct / None)"
REALTIME_MINUTES: Final = 5
_COMMON: Final = ("site_id", "period", "date", "metrics", "filters", "with_imported")
PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "aggregate": (*_COMMON, "compare"),
    "timeseries": (*_COMMON, "interval"),
    "breakdown": (*_COMMON, "property", "limit", "page"),
}
# Names that clients use and that Plausible's own documents do not know.
_ALIASES: Final[Mapping[str, str]] = {
    "event:entry_page": "visit:entry_page",
    "event:exit_page": "visit:exit_page",
    "visit:page": "event:page",
    "visit:medium": "visit:utm_medium",
    "visit:campaign": "visit:utm_campaign",
}
_TEST: Final = re.compile(r"\s*([a-z]+:[^=!]+?)\s*(==|!=)(.*)", re.DOTALL)
_INTERVALS: Final = {"date": "day", "day": "day", "month": "month"}
_POINTS: Final = ("bounce_rate", "conversion_rate", "scroll_depth")
NO_IMPORTS: Final = "Imported stats are not included in the results: this site has none."


@attrs.frozen
class Asked:
    """A request, read. `metrics` are as asked for; `leaf` names the property in the rows of a breakdown."""

    kind: str
    query: Query
    metrics: tuple[str, ...]
    compared: Range | None = None
    leaf: str = ""
    with_imported: bool = False
    ignored: tuple[str, ...] = ()


def parse(
    kind: str, given: Mapping[str, str], site: Site, now: datetime, segments: Segments = no_segments
) -> Asked:
    """Read a request whose site is known. Raises Rejected with the parameter and what is allowed."""
    period = given.get("period", "30d")
    span = ranges.range_v1(period, given.get("date"), ZoneInfo(site.timezone), now)
    metrics = tuple(part.strip() for part in given.get("metrics", "visitors").split(","))
    filter_ = parse_filter(given["filters"], segments) if given.get("filters") else None
    dimensions: tuple[str, ...] = ()
    leaf = ""
    limit, offset = ROWS_MAX, 0
    if kind == "timeseries":
        dimensions = (f"time:{_step(given.get('interval'), period, span)}",)
    elif kind == "breakdown":
        dimensions, leaf = _property(given.get("property"))
        limit = _whole("limit", given.get("limit"), LIMIT_DEFAULT, LIMIT_MAX)
        offset = limit * (_whole("page", given.get("page"), 1, PAGE_MAX) - 1)
    _check_metrics(metrics, dimensions, filter_)
    query = Query(
        site, span, _counted(metrics, dimensions), dimensions,
        filter=filter_, limit=limit, offset=offset, fill=kind == "timeseries",
    )  # fmt: skip
    check(query)
    needs_of(query)
    compare = given.get("compare") if kind == "aggregate" else None
    if compare not in (None, "previous_period"):
        raise Rejected("compare", "must be previous_period")
    imported = given.get("with_imported", "false")
    if imported not in ("true", "false"):
        raise Rejected("with_imported", "is true or false")
    ignored = tuple(sorted(name[:40] for name in given if name not in PARAMETERS[kind]))
    compared = previous_period(span) if compare else None
    return Asked(kind, query, metrics, compared, leaf, imported == "true", ignored)


def answer(reader: Reader, asked: Asked, limits: Limits = LIMITS) -> dict[str, Any]:
    """{"results": …}, with a "warning" where there is one to give. Raises what `engine.run` raises."""
    result = run(reader, asked.query, limits)
    rows = [
        (row.dimensions, [names.number(*pair) for pair in zip(asked.metrics, row.metrics, strict=True)])
        for row in result.rows
    ]
    found: dict[str, Any]
    if asked.kind == "aggregate":
        found = {"results": _totals(reader, asked, rows[0][1] if rows else _nothing(asked), limits)}
    else:
        key = "date" if asked.kind == "timeseries" else asked.leaf
        name = asked.query.dimensions[0]
        found = {
            "results": [
                {
                    key: names.shown(name, dimensions[0], DIRECT),
                    **dict(zip(asked.metrics, metrics, strict=True)),
                }
                for dimensions, metrics in rows
            ]
        }
    warnings = [NO_IMPORTS] if asked.with_imported else []
    if result.sampled is not None:
        warnings.append(names.sampled_warning(result.sampled))
    warnings += warnings_of(result.gone)
    return {**found, "warning": " ".join(warnings)} if warnings else found


def realtime(reader: Reader, site: Site, now: datetime) -> tuple[int, datetime]:
    """Visitors of the local hours that the last five minutes touch, and since when that is.

    Plausible counts five minutes; the rollups know whole hours, so this is five minutes at least and 64 at most.
    """
    zone = ZoneInfo(site.timezone)
    since = hour_start(now - timedelta(minutes=REALTIME_MINUTES), zone)
    span = Range.of_instants(since, hour_start(now, zone) + timedelta(hours=1), zone)
    rows = run(reader, Query(site, span, ("visitors",))).rows
    count = rows[0].metrics[0] if rows else 0
    assert isinstance(count, int)
    return count, since


def parse_filter(text: str, segments: Segments = no_segments) -> Filter | None:
    """`event:page==/a|/b;visit:country!=FR`: tests joined by ";", values by "|"; v2's JSON is taken too."""
    if len(text) > FILTER_CHARS_MAX:
        raise Rejected("filters", f"is longer than {FILTER_CHARS_MAX} characters")
    if text.lstrip().startswith("["):
        return names.parse_filters(text, segments)
    tests = tuple(_test(part) for part in text.split(";") if part.strip())
    return And(tests) if len(tests) > 1 else tests[0] if tests else None


def _test(text: str) -> Test:
    found = _TEST.fullmatch(text)
    if not found:
        raise Rejected("filters", f"{text[:60]!r} is no filter such as visit:source==Google|Twitter")
    name = names.dimension("filters", _ALIASES.get(found[1], found[1]))
    values = [part.replace("\\|", "|").strip() for part in re.split(r"(?<!\\)\|", found[3])]
    if not all(values):
        raise Rejected("filters", f"{name} needs a value, such as visit:source==Google")
    has_wildcard = name != "event:goal" and any("*" in value for value in values)
    if has_wildcard:
        op, values = Op.WILDCARD, [names.any_text(value) for value in values]
    else:
        op, values = Op.IS, [names.meant(name, value) for value in values]
    return Test(op if found[2] == "==" else Op(f"{op.value}_not"), name, tuple(values))


def _step(given: str | None, period: str, span: Range) -> str:
    """Hours of one day, months of 6mo and 12mo, else days, unless `interval` says otherwise."""
    if given is None:
        return "hour" if period == "day" else "month" if period.endswith("mo") else "day"
    if given not in _INTERVALS:
        raise Rejected("interval", f"{given[:40]!r} is unknown; must be day (or date) or month")
    if given == "month" and span.days.first.replace(day=1) == span.days.last.replace(day=1):
        raise Rejected("interval", "month is for a period longer than one calendar month")
    return _INTERVALS[given]


def _property(given: str | None) -> tuple[tuple[str, ...], str]:
    if not given:
        raise Rejected("property", "is missing: what to break down by, such as visit:source")
    name = names.dimension("property", _ALIASES.get(given, given))
    leaf = given.removeprefix(PROPS_PREFIX)
    return (name,), leaf if leaf != given else given.partition(":")[2]


def _check_metrics(metrics: tuple[str, ...], dimensions: tuple[str, ...], filter_: Filter | None) -> None:
    used = {test.dimension for test in each_test(filter_)} | set(dimensions)
    for metric in metrics:
        if metric not in METRICS:
            raise Rejected("metrics", f"{metric[:60]!r} is unknown; allowed: {', '.join(METRICS)}")
        names.needs_page(metric, used)
        if metric == "conversion_rate" and "event:goal" not in used:
            raise Rejected("metrics", "conversion_rate needs event:goal as the property or in the filters")


def _counted(metrics: tuple[str, ...], dimensions: tuple[str, ...]) -> tuple[str, ...]:
    """Of a breakdown by what a visit is, the rate is of the visitors in the same row."""
    by_visit = any(name.startswith("visit:") or name == "event:page" for name in dimensions)
    return tuple(
        "group_conversion_rate" if metric == "conversion_rate" and by_visit else metric for metric in metrics
    )


def _totals(reader: Reader, asked: Asked, values: list[Any], limits: Limits) -> dict[str, Any]:
    results: dict[str, Any] = {
        metric: {"value": value} for metric, value in zip(asked.metrics, values, strict=True)
    }
    if asked.compared is None:
        return results
    rows = run(reader, attrs.evolve(asked.query, range=asked.compared), limits).rows
    before = rows[0].metrics if rows else (None,) * len(asked.metrics)
    for metric, value, old in zip(asked.metrics, values, before, strict=True):
        results[metric]["change"] = _change(metric, value, names.number(metric, old))
    return results


def _nothing(asked: Asked) -> list[Any]:
    counts = ("visitors", "visits", "pageviews", "events")
    empty: list[Value] = [0 if metric in counts else None for metric in asked.metrics]
    return [names.number(*pair) for pair in zip(asked.metrics, empty, strict=True)]


def _change(metric: str, value: Any, before: Any) -> Any:
    """In per cent; of shares, the difference. From nothing to something is 100."""
    if metric in _POINTS:
        return None if value is None or before is None else round(value - before, 2)
    if not before:
        return 100 if value else 0
    return round(100 * ((value or 0) - before) / before)


def _whole(field: str, text: str | None, default: int, most: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise Rejected(field, f"must be a whole number from 1 to {most}")
    return int(text)
