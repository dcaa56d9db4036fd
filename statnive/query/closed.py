"""Days that are over, read as numbers: which they are, what they answer, and how they are made.

Owns:       the table closed_days: what its rows mean. Inputs: a reading handle, Needs. Outputs: statements.
Invariants: I1 a site's day is answered from closed_days only while the sums of its row `total` are those that
            hourly_visitors has now: what came late, was imported, erased or repaired opens the day again by itself;
            I2 only rows of that row's closing are read; I3 visitors are added up over days, never over keys: a report
            is answered only for the dimensions that it was made for.
Failure:    as the reader's.

A visitor's hash is of one local day, as its salt is: the visitors of a range are the sum of its days'. A year of a
large site's pages is a hundred million hashes in the rollup's states, and three million numbers in here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

import attrs

from statnive.query.columns import (
    DEVICE_COLUMNS,
    GEO_COLUMNS,
    ROLLUP_COLUMNS,
    SOURCE_COLUMNS,
    STEPS,
    Binder,
    condition,
    ids_sql,
    text_test,
)
from statnive.query.model import Op, Reader, Test
from statnive.query.needs import Needs
from statnive.query.where import Scope, Statement, Table, TimeColumn, union, where

# Shorter ranges are not worth two statements more; those without visitors have no states to save before this long.
DAYS_MIN: Final = 8
NUMBERS_DAYS_MIN: Final = 100
TOTAL: Final = "total"
PAGES: Final = "event:page"
EVENTS: Final = "event:name"
MONTH: Final = "month "  # before the report's name: the sums of a month of closed days, under its first day
KEYS: Final = ("k0", "k1", "k2", "k3")
FIGURES: Final = (
    "visitors", "events", "pageviews", "visits", "bounces", "duration_s", "engaged_ms",
    "entries", "exits", "scroll_depth", "scroll_views",
)  # fmt: skip
COLUMNS: Final = ("site_id", "report", "day", "closing", *KEYS, *FIGURES)
# What the row `total` and hourly_visitors must agree in.
SUMS: Final = ("pageviews", "visits", "bounces", "duration_s", "engaged_ms", "events")
_MEASURED: Final = frozenset({"visitors", *SUMS})
_PATHNAME_ONLY: Final = frozenset(FIGURES) - _MEASURED
_DIVISIONS: Final = {
    Table.DAILY_SOURCES: ("visit:source visit:channel", *(name for name in SOURCE_COLUMNS)),
    Table.DAILY_GEO: (
        "visit:country",
        "visit:region visit:country",
        "visit:city_name visit:city visit:region visit:country",
    ),
    Table.DAILY_DEVICES: (
        *(name for name in DEVICE_COLUMNS),
        "visit:browser visit:browser_version",
        "visit:os visit:os_version",
    ),
}
# Table and dimensions of each report but `total`.
REPORTS: Final[Mapping[str, tuple[Table, tuple[str, ...]]]] = {
    PAGES: (Table.DAILY_PAGES, (PAGES,)),
    EVENTS: (Table.DAILY_EVENTS, (EVENTS,)),
    **{text: (table, tuple(text.split())) for table, texts in _DIVISIONS.items() for text in texts},
}
_BY_DIMENSIONS: Final = {frozenset(names): (report, names) for report, (_, names) in REPORTS.items()}
_READ: Final = re.compile(r"(?:sum|uniqCombined64Merge)\((\w+)\)")
# Each of these counts every event of a day once.
ALIKE: Final = frozenset(REPORTS) - {EVENTS}
assert set(GEO_COLUMNS) == {name for text in _DIVISIONS[Table.DAILY_GEO] for name in text.split()}


@attrs.frozen
class Closed:
    """Of a query: the report that answers it; the closings of its closed days, and of those months, by their first
    days, of which all days are asked for; and its days with rows, in closed_days also, that are open.
    """

    report: str
    closings: tuple[int, ...]
    months: Mapping[date, int]
    open_days: tuple[date, ...]

    def carries(self, table: Table) -> bool:
        """Whether this is instead of that rollup."""
        return table is (REPORTS[self.report][0] if self.report != TOTAL else Table.HOURLY_VISITORS)


def report_of(needs: Needs) -> str | None:
    """The report that answers a query of a rollup (keeps I3), None: none does."""
    query, used = needs.query, needs.used
    if not query.range.is_whole_days or query.range.days.count < DAYS_MIN:
        return None
    if needs.step == "hour" or "revenue" in needs.bases:
        return None
    if "visitors" not in needs.bases and query.range.days.count < NUMBERS_DAYS_MIN:
        return None
    if not used:
        return TOTAL
    names = {PAGES if name in ("visit:entry_page", "visit:exit_page") else name for name in used}
    found = _BY_DIMENSIONS.get(frozenset(names))
    if found is None or (not _names_one_key(needs) and set(needs.dimensions) != used):
        return None
    return found[0]


def _names_one_key(needs: Needs) -> bool:
    """Whether the filter leaves one key: totals over several would add up visitors that they share."""
    test = needs.query.filter
    return isinstance(test, Test) and test.op is Op.IS and len(test.values) == 1 and test.case_sensitive


def closed_of(reader: Reader, needs: Needs) -> Closed | None:
    """What closed days have of the query (keeps I1), None: nothing."""
    report, query = report_of(needs), needs.query
    if report is None:
        return None
    scope = query.range.days.scope(query.site.id)
    marks = where(scope).select(
        f"day, closing, startsWith(report, '{MONTH}') AS is_month, {', '.join(SUMS)}",
        Table.CLOSED_DAYS,
        f"AND report IN ('{TOTAL}', '{MONTH}{TOTAL}')",
    )
    marked = reader.query(marks)
    if not marked:
        return None
    sums = ", ".join(f"sum({name}) AS {name}" for name in SUMS)
    counted = reader.query(where(scope).select(f"day, {sums}", Table.HOURLY_VISITORS, "GROUP BY day"))
    now = {row["day"]: _sums(row) for row in counted}
    months = _months(needs, [row for row in marked if row["is_month"]], now)
    days = [row for row in marked if not row["is_month"] and row["day"].replace(day=1) not in months]
    closings = {row["day"]: row["closing"] for row in days if now.get(row["day"]) == _sums(row)}
    others = now.keys() | {row["day"] for row in days}
    open_days = sorted(day for day in others - closings.keys() if day.replace(day=1) not in months)
    if not closings and not months:
        return None
    return Closed(report, tuple(sorted(set(closings.values()))), months, tuple(open_days))


def _months(
    needs: Needs, marked: list[dict[str, Any]], now: Mapping[date, tuple[int, ...]]
) -> dict[date, int]:
    """The closings of the closed months of which every day is asked for, by their first days (keeps I1)."""
    if needs.step not in (None, "month"):
        return {}
    span = needs.query.range.days
    sums: dict[date, tuple[int, ...]] = {}
    for day, found in now.items():
        first = day.replace(day=1)
        sums[first] = tuple(map(sum, zip(found, sums.get(first, (0,) * len(SUMS)), strict=True)))
    return {
        row["day"]: row["closing"]
        for row in marked
        if sums.get(row["day"]) == _sums(row) and month_end(row["day"]) <= span.last
    }


def month_end(first: date) -> date:
    """The last day of the month that begins with `first`."""
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _sums(row: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(row[name]) for name in SUMS)


def statement_of(
    needs: Needs,
    table: Table,
    bases: Mapping[str, str],
    closed: Closed,
    tail: str,
    more: str,
    bound: Mapping[str, int],
) -> Statement:
    """Over the closed days' numbers and the open days' states: `bases` are the rollup's own, `tail` begins behind the
    grouping.
    """
    binder, parts = Binder(), []
    columns = sorted({name for text in bases.values() for name in _READ.findall(text)})
    if closed.months:
        parts.append(_numbers(needs, columns, closed, binder, of_months=True))
    if closed.closings:
        parts.append(_numbers(needs, columns, closed, binder, of_months=False))
    if closed.open_days:
        parts.append(_states(needs, table, columns, closed, binder))
    outer = [f"d{number}" for number in range(len(needs.query.dimensions))]
    group = f"GROUP BY {', '.join(outer)}" if outer else ""
    selected = outer + [
        f"{text.replace('uniqCombined64Merge', 'sum')} AS b_{name}" for name, text in sorted(bases.items())
    ]
    selected += [more] if more else []
    return union(parts).outer(", ".join(selected), " ".join(filter(None, (group, tail))), **bound)


def _numbers(
    needs: Needs, columns: list[str], closed: Closed, binder: Binder, *, of_months: bool
) -> Statement:
    dimensions = REPORTS[closed.report][1] if closed.report != TOTAL else ()
    keys = dict(zip(dimensions, KEYS, strict=False))
    if closed.report == PAGES:
        keys |= {"visit:entry_page": "k0", "visit:exit_page": "k0"}
    closings = list(closed.months.values() if of_months else closed.closings)
    report = MONTH + closed.report if of_months else closed.report
    texts = [f"AND report = {binder.text(report)} AND closing IN ({ids_sql(closings, binder)})"]
    if of_months:
        texts.append(f"AND day IN ({_dates(closed.months, binder)})")
    else:
        texts += [f"AND day NOT IN ({_dates(closed.open_days, binder)})"] if closed.open_days else []
        texts += (
            [f"AND toStartOfMonth(day) NOT IN ({_dates(closed.months, binder)})"] if closed.months else []
        )
    texts += _filtered(needs, keys, binder)
    return _select(needs, Table.CLOSED_DAYS, keys, columns, " ".join(texts), binder)


def _states(needs: Needs, table: Table, columns: list[str], closed: Closed, binder: Binder) -> Statement:
    texts = [f"AND day IN ({_dates(closed.open_days, binder)})"]
    if table is Table.DAILY_EVENTS:
        texts.append("AND goal = 0 AND name != 'engagement'")
    names = ROLLUP_COLUMNS[table]
    texts += _filtered(needs, names, binder)
    groups = ", ".join(f"d{number}" for number in range(len(needs.query.dimensions)))
    texts += [f"GROUP BY {groups}"] if groups else []
    read = [
        f"uniqCombined64Merge({name}) AS {name}" if name == "visitors" else f"sum({name}) AS {name}"
        for name in columns
    ]
    keys = {name: f"toString({column})" for name, column in names.items()}
    return _select(needs, table, keys, read, " ".join(texts), binder)


def _filtered(needs: Needs, keys: Mapping[str, str], binder: Binder) -> list[str]:
    filter_ = needs.query.filter
    if filter_ is None:
        return []
    return [f"AND {condition(filter_, lambda test: text_test(test, keys[test.dimension], binder))}"]


def _select(
    needs: Needs, table: Table, keys: Mapping[str, str], columns: Iterable[str], tail: str, binder: Binder
) -> Statement:
    groups = []
    for number, name in enumerate(needs.query.dimensions):
        if name in needs.dimensions:
            groups.append(f"{keys[name]} AS d{number}")
        else:
            assert needs.step is not None
            groups.append(f"{STEPS[needs.step]} AS d{number}")
    scope = needs.query.range.days.scope(needs.query.site.id)
    return where(scope).select(", ".join([*groups, *columns]), table, tail, **binder.used(tail))


def _dates(days: Iterable[date], binder: Binder) -> str:
    since = date(1970, 1, 1)
    return ", ".join(f"toDate({binder.number((day - since).days)})" for day in days)


def rows(site_id: int, day: date, closing: int) -> list[Statement]:
    """The rows of every report but `total` of a site's day, in the order of COLUMNS; a statement for each rollup."""
    by_table: dict[Table, list[Statement]] = {}
    for report, (table, _) in REPORTS.items():
        by_table.setdefault(table, []).append(_made(_scope(site_id, day), closing, report))
    return [union(statements) for statements in by_table.values()]


def _made(scope: Scope, closing: int, report: str) -> Statement:
    table, dimensions = REPORTS[report]
    kept = _MEASURED | _PATHNAME_ONLY if table is Table.DAILY_PAGES else _MEASURED
    if table is Table.DAILY_EVENTS:
        kept = frozenset({"visitors", "events"})
    columns = [ROLLUP_COLUMNS[table][name] for name in dimensions]
    columns += ["''"] * (len(KEYS) - len(columns))
    keys = [f"toString({column}) AS {key}" for column, key in zip(columns, KEYS, strict=True)]
    figures = [_figure(name, is_kept=name in kept) for name in FIGURES]
    tail = f"GROUP BY site_id, day, {', '.join(KEYS)}"
    if table is Table.DAILY_EVENTS:
        tail = f"AND goal = 0 AND name != 'engagement' {tail}"
    names = [
        "site_id", f"toLowCardinality('{report}') AS report", "day", "{closing:UInt64} AS closing", *keys, *figures,
    ]  # fmt: skip
    return where(scope).select(", ".join(names), table, tail, closing=closing)


def month_rows(site_id: int, first: date, closing: int) -> list[Statement]:
    """The rows of every report of a site's month, from those of its closed days, in the order of COLUMNS; those of
    `total` come last.
    """
    return [_of_month(site_id, first, closing, f"report {sign} '{TOTAL}'") for sign in ("!=", "=")]


def _of_month(site_id: int, first: date, closing: int, which: str) -> Statement:
    figures = ", ".join(f"sum({name}) AS {name}" for name in FIGURES)
    keys = ", ".join(KEYS)
    scope = Scope(site_id, TimeColumn.DAY, first, month_end(first) + timedelta(days=1))
    names = f"site_id, toLowCardinality(concat('{MONTH}', report)) AS name, toStartOfMonth(day) AS month"
    return where(scope).select(
        f"{names}, {{closing:UInt64}} AS number, {keys}, {figures}",
        Table.CLOSED_DAYS,
        f"AND {which} AND NOT startsWith(report, '{MONTH}') GROUP BY site_id, name, month, {keys}",
        closing=closing,
    )


def _scope(site_id: int, day: date) -> Scope:
    return Scope(site_id, TimeColumn.DAY, day, day + timedelta(days=1))


def _figure(name: str, *, is_kept: bool) -> str:
    kind = "Int64" if name in ("bounces", "exits") else "UInt64"
    if not is_kept:
        return f"to{kind}(0) AS {name}"
    text = "uniqCombined64Merge(visitors)" if name == "visitors" else f"sum({name})"
    return f"{text} AS {name}"


def totals(site_id: int, day: date) -> Statement:
    """The day's sums and visitors as hourly_visitors has them."""
    sums = ", ".join(f"sum({name}) AS {name}" for name in SUMS)
    return where(_scope(site_id, day)).select(
        f"uniqCombined64Merge(visitors) AS visitors, {sums}", Table.HOURLY_VISITORS
    )


def made(site_id: int, day: date, closing: int) -> Statement:
    """How many events each report of a closing has, for those that must have as many as the day (ALIKE)."""
    return where(_scope(site_id, day)).select(
        "toString(report) AS name, sum(events) AS events",
        Table.CLOSED_DAYS,
        f"AND closing = {{closing:UInt64}} AND report != '{EVENTS}' GROUP BY name",
        closing=closing,
    )
