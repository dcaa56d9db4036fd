"""`run`: the answer to any Query, from a rollup when one carries it, else by a drill-down.

Owns:       the decision, the budget of a drill-down. Inputs: a reading handle, a Query. Outputs: a Result.
Invariants: I1 a filter is applied or the query is refused, never left out; I2 a drill-down reads at most about
            as many rows as its Limits say: above that, of a share of the visitors, and the result says so.
Failure:    Rejected (names the field), LimitExceeded or Unavailable (Retryable) of the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, Literal

import attrs

from statnive.errors import Rejected, StatniveError
from statnive.query import closed, raw, rollup
from statnive.query.figures import metric, order_sql, percent, scaled
from statnive.query.model import (
    LIMIT_MAX,
    PROPS_PREFIX,
    TIME_DIMENSIONS,
    And,
    Filter,
    Is,
    Query,
    Reader,
    Result,
    ResultRow,
    Value,
    check,
    each_test,
    monday,
)
from statnive.query.needs import Needs, needs_of
from statnive.query.ranges import hour_start
from statnive.query.removed import gone_of
from statnive.query.where import Statement, Table, where

RAW_ROWS_MAX: Final = 4_000_000
# Funnels and journeys hold the rows of each visitor or visit until its last one is seen: of a site with 20 million
# events a day, 4 million rows of journeys were more than a reader's memory.
ORDERED_ROWS_MAX: Final = 1_000_000
_BAD_PATTERN: Final = 427  # CANNOT_COMPILE_REGEXP
_OF_EVENTS: Final = ("event:goal", "event:name", "event:props")
Row = dict[str, Any]
Ask = Callable[[Statement], list[Row]]


@attrs.frozen
class Limits:
    """What a drill-down may cost, beside the reading handle's own limits: rows of plain ones, and of those that look at
    what followed what.
    """

    raw_rows_max: int = RAW_ROWS_MAX
    ordered_rows_max: int = ORDERED_ROWS_MAX


LIMITS: Final = Limits()


def run(reader: Reader, query: Query, limits: Limits = LIMITS) -> Result:
    """Answer `query`. Raises Rejected, or what the reader raises."""
    check(query)
    needs = needs_of(query)
    ask = asker(reader)
    parts = rollup.parts_of(needs)
    share = None if parts else sample_share(reader, query, limits.raw_rows_max)
    days = closed.closed_of(reader, needs) if parts else None

    def statements(more: str = "", tail: str = "", **bound: int) -> list[Statement]:
        if parts is None:
            return [raw.statement_of(needs, share, more, tail, bound)]
        return [rollup.statement_of(needs, part, days, more, tail, bound) for part in parts]

    total: int | None
    if needs.dimensions:
        rows, total = _listed(ask, needs, statements)
    else:
        rows = _series(ask, needs, statements())
        total = len(rows)
        rows = rows[query.offset : query.offset + query.limit]
    values = [_values(needs, row, share) for row in rows]
    if {"conversion_rate", "group_conversion_rate"} & set(query.metrics):
        values = _with_rates(reader, needs, rows, values, share, limits)
    results = tuple(
        ResultRow(_labels(needs, row), tuple(value)) for row, value in zip(rows, values, strict=True)
    )
    source: Literal["rollup", "raw"] = "raw" if parts is None else "rollup"
    return Result(
        results,
        total if query.total_rows else None,
        share,
        source,
        warnings=needs.warnings,
        gone=gone_of(query.site, query.range.days, source),
    )


def is_in_rollups(query: Query) -> bool:
    """Whether rollups carry the query, so that it needs no drill-down. Raises Rejected for one that is none."""
    check(query)
    return rollup.parts_of(needs_of(query)) is not None


def asker(reader: Reader) -> Ask:
    """The reader's `query`, with a pattern that RE2 can't read refused by its field."""

    def ask(statement: Statement) -> list[Row]:
        try:
            return reader.query(statement)
        except StatniveError as error:
            if getattr(error, "code", None) != _BAD_PATTERN:
                raise
            raise Rejected("filters", "has a pattern that is no regular expression of RE2") from None

    return ask


def sample_share(reader: Reader, query: Query, rows_max: int) -> float | None:
    """The share of visitors that a drill-down over the query's range reads, for about `rows_max` rows; None = all
    (keeps I2).
    """
    counted = where(query.range.days.scope(query.site.id)).select(
        "sum(events) AS events", Table.HOURLY_VISITORS
    )
    (row,) = reader.query(counted)
    rows = int(row["events"])
    return None if rows <= rows_max else rows_max / rows


def _listed(
    ask: Ask, needs: Needs, statements: Callable[..., list[Statement]]
) -> tuple[list[Row], int | None]:
    """The rows of a list, ordered and cut by the engine."""
    query = needs.query
    more = "count() OVER () AS total" if query.total_rows else ""
    tail = f"{_order(needs)} LIMIT {{limit:UInt32}} OFFSET {{offset:UInt32}}"
    (statement,) = statements(more, tail, limit=query.limit, offset=query.offset)
    rows = ask(statement)
    if rows or not query.total_rows or not query.offset:
        return rows, int(rows[0]["total"]) if rows and query.total_rows else 0
    (statement,) = statements(more, tail, limit=1, offset=0)  # beyond the end
    first = ask(statement)
    return [], int(first[0]["total"]) if first else 0


def _order(needs: Needs) -> str:
    query, texts = needs.query, []
    order = query.order_by or _default_order(needs)
    for name, descending in order:
        if name in query.dimensions:
            text: str | None = f"d{query.dimensions.index(name)}"
        else:
            text = order_sql(name, needs)
        if text is not None:
            texts.append(f"{text} {'DESC' if descending else 'ASC'} NULLS LAST")
    named = {name for name, _ in order}
    texts += [f"d{number} ASC" for number, name in enumerate(query.dimensions) if name not in named]
    return f"ORDER BY {', '.join(texts)}" if texts else ""


def _default_order(needs: Needs) -> tuple[tuple[str, bool], ...]:
    if needs.query.dimensions[0] in TIME_DIMENSIONS:
        return ((needs.query.dimensions[0], False),)
    for name in needs.query.metrics:
        if name not in ("group_conversion_rate", "total_revenue", "average_revenue"):
            return ((name, True),)
    return ()


def _series(ask: Ask, needs: Needs, statements: Iterable[Statement]) -> list[Row]:
    """Totals, or one row for each step; sums of several rollups side by side."""
    found: dict[Any, Row] = {}
    for statement in statements:
        for row in ask(statement):
            found.setdefault(row.get("d0"), {}).update(row)
    if not needs.query.dimensions:
        return list(found.values())
    if needs.query.fill:
        for step in _steps(needs):
            found.setdefault(step, {"d0": step})
    rows = sorted(found.values(), key=lambda row: row["d0"])
    for name, descending in reversed(needs.query.order_by):
        if name in needs.query.dimensions:
            rows.sort(key=lambda row: row["d0"], reverse=descending)
        else:
            _sort(rows, name, needs, descending=descending)
    return rows


def _sort(rows: list[Row], name: str, needs: Needs, *, descending: bool) -> None:
    """By a metric, rows without one last."""

    def key(row: Row) -> tuple[bool, float]:
        value = metric(name, _sums(row), needs, None, None)
        assert not isinstance(value, tuple)
        return value is None, 0.0 if value is None else -value if descending else value

    rows.sort(key=key)


def _steps(needs: Needs) -> list[Any]:
    span = needs.query.range
    days = span.days.each_day()
    match needs.step:
        case "hour":
            hours = span.days.each_hour()
            if span.start is not None and span.end is not None:
                first = hour_start(span.start, span.days.zone)
                hours = [hour for hour in hours if first <= hour < span.end]
            return [int(hour.timestamp()) for hour in hours]
        case "week":
            return sorted({monday(day).isoformat() for day in days})
        case "month":
            return [day.isoformat() for day in span.days.each_month()]
    return [day.isoformat() for day in days]


def _values(needs: Needs, row: Row, share: float | None) -> list[Value]:
    sums, goal = _sums(row), None
    if "event:goal" in needs.dimensions:
        goal = int(row[f"d{needs.query.dimensions.index('event:goal')}"])
    return [metric(name, sums, needs, share, goal) for name in needs.query.metrics]


def _sums(row: Row) -> Row:
    """Sums by their names; those of revenue, maps by currency or goal, keep their b_."""
    nothing: tuple[list[Any], list[int]] = ([], [])
    kept: Row = dict.fromkeys(("b_revenue", "b_paid", "b_unpaid"), nothing)
    return {**kept, **row, **{name.removeprefix("b_"): value for name, value in row.items()}}


def _labels(needs: Needs, row: Row) -> tuple[str, ...]:
    goals = {str(goal.id): goal.name for goal in needs.query.site.goals}
    labels = []
    for number, name in enumerate(needs.query.dimensions):
        value = row[f"d{number}"]
        if name == "event:goal":
            value = goals[value]
        elif name in TIME_DIMENSIONS and needs.step == "hour":
            zone = needs.query.range.days.zone
            value = datetime.fromtimestamp(value, UTC).astimezone(zone).isoformat(timespec="seconds")
        labels.append(str(value))
    return tuple(labels)


def _with_rates(
    reader: Reader,
    needs: Needs,
    rows: list[Row],
    values: list[list[Value]],
    share: float | None,
    limits: Limits,
) -> list[list[Value]]:
    """The rates put in: visitors of the row in per cent of all, or of all in the same group."""
    query = needs.query
    by_time = tuple(name for name in query.dimensions if name in TIME_DIMENSIONS)
    by_group = tuple(name for name in query.dimensions if not _is_of_event(name))
    for name, by in (("conversion_rate", by_time), ("group_conversion_rate", by_group)):
        if name not in query.metrics:
            continue
        at = query.metrics.index(name)
        numbers = [query.dimensions.index(dimension) for dimension in by]
        keys = [tuple(_labels(needs, row)[number] for number in numbers) for row in rows]
        wholes = _wholes(reader, query, by, keys, limits)
        for value, row, key in zip(values, rows, keys, strict=True):
            value[at] = percent(scaled(int(row.get("b_visitors") or 0), share), wholes.get(key, 0))
    return values


def _wholes(
    reader: Reader, query: Query, by: tuple[str, ...], keys: list[tuple[str, ...]], limits: Limits
) -> dict[tuple[str, ...], int]:
    """Visitors by group, without what the filter says of events."""
    filter_ = without_events(query.filter)
    listed = [number for number, name in enumerate(by) if name not in TIME_DIMENSIONS]
    if len(listed) == 1:
        values = sorted({key[listed[0]] for key in keys})
        if 0 < len(values) <= 200:
            only = Is(by[listed[0]], *values)
            filter_ = only if filter_ is None else And((filter_, only))
    whole = attrs.evolve(
        query,
        metrics=("visitors",),
        dimensions=by,
        filter=filter_,
        order_by=(),
        limit=LIMIT_MAX,
        offset=0,
        fill=False,
        total_rows=False,
    )
    found = run(reader, whole, limits)
    return {row.dimensions: row.metrics[0] for row in found.rows if isinstance(row.metrics[0], int)}


def without_events(filter_: Filter | None) -> Filter | None:
    """The parts of a filter, joined by AND, that say nothing of events, goals and properties."""
    if isinstance(filter_, And):
        kept = tuple(part for part in map(without_events, filter_.filters) if part is not None)
        return And(kept) if kept else None
    if filter_ is None or any(_is_of_event(test.dimension) for test in each_test(filter_)):
        return None
    return filter_


def _is_of_event(dimension: str) -> bool:
    return dimension in _OF_EVENTS or dimension.startswith(PROPS_PREFIX)
