"""Queries answered from the rollups: which table carries one, and the statement over it.

Owns:       what each rollup carries. Inputs: Needs. Outputs: statements, or None: then it is a drill-down.
Invariants: I1 a rollup answers exactly what events_raw would by raw.py: the same dimensions, sums and rows; I2 a filter
            is applied or the rollup is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Final

import attrs

from statnive.query import closed
from statnive.query.columns import ROLLUP_COLUMNS, STEPS, Binder, condition, goal_ids, ids_sql, text_test
from statnive.query.model import Query, Test
from statnive.query.needs import Kind, Needs
from statnive.query.ranges import hour_start
from statnive.query.where import Scope, Statement, Table, TimeColumn, where

_COMMON: Final[dict[str, str]] = {
    "visitors": "uniqCombined64Merge(visitors)",
    "pageviews": "sum(pageviews)",
    "visit_pageviews": "sum(pageviews)",
    "visits": "sum(visits)",
    "bounces": "sum(bounces)",
    "duration": "sum(duration_s)",
    "engaged": "sum(engaged_ms)",
}
_PAGES: Final[dict[Kind, dict[str, str]]] = {
    Kind.PAGE: {
        **_COMMON,
        "entries": "sum(entries)",
        "exits": "greatest(sum(exits), 0)",
        "depth": "sum(scroll_depth)",
        "told": "sum(scroll_views)",
    },
    Kind.ENTRY: {"visits": "sum(entries)", "bounces": "sum(bounces)", "duration": "sum(duration_s)"},
    Kind.EXIT: {"visits": "greatest(sum(exits), 0)"},
    # Over all pages.
    Kind.VISIT: {"depth": "sum(scroll_depth)", "told": "sum(scroll_views)"},
}
_REVENUE: Final = (
    "sumMapIf([toString(currency)], [revenue], currency != '') AS b_revenue, "
    "sumMapIf([toString(currency)], [{0}], currency != '') AS b_paid, "
    "sumMapIf([goal], [conversions], currency = '' AND goal != 0) AS b_unpaid"
)
_PAGE_KINDS: Final = {"event:page": Kind.PAGE, "visit:entry_page": Kind.ENTRY, "visit:exit_page": Kind.EXIT}


@attrs.frozen
class Part:
    """Some of a query's sums, from one rollup."""

    table: Table
    bases: Mapping[str, str]


def parts_of(needs: Needs) -> list[Part] | None:
    """The rollups that together carry the query; more than one only for totals and series. None: none does."""
    if needs.membership:
        return None
    if not needs.query.range.is_whole_days and not _by_whole_hours(needs):
        return None
    if needs.used:
        table = _table_of(needs)
        bases = _bases(table, needs) if table else {}
        if table is None or not needs.bases <= bases.keys():
            return None
        return [Part(table, _chosen(bases, needs.bases))]
    parts, missing = [], set(needs.bases)
    for table in (Table.HOURLY_VISITORS, Table.DAILY_PAGES, Table.DAILY_EVENTS):
        found = missing & _bases(table, needs).keys()
        if found and table is not Table.HOURLY_VISITORS and not _has_days_only(needs):
            return None
        if found:
            parts.append(Part(table, _chosen(_bases(table, needs), found)))
            missing -= found
    return None if missing else parts


def statement_of(
    needs: Needs,
    part: Part,
    days: closed.Closed | None = None,
    more: str = "",
    tail: str = "",
    bound: Mapping[str, int] | None = None,
) -> Statement:
    """The statement over a part's rollup, of closed `days` over their numbers; `more` columns of the groups, `tail`
    orders and cuts.
    """
    binder, query = Binder(), needs.query
    if days is not None and days.carries(part.table):
        behind = " ".join(piece for piece in (_having(needs), tail) if piece)
        return closed.statement_of(needs, part.table, part.bases, days, behind, more, bound or {})
    columns = _dimension_columns(needs, part.table)
    where_text = _conditions(needs, part.table, binder)
    group = f"GROUP BY {', '.join(f'd{n}' for n in range(len(columns)))}" if columns else ""
    selected = [f"{column} AS d{number}" for number, column in enumerate(columns)]
    selected += [
        text if name == "revenue" else f"{text} AS b_{name}" for name, text in sorted(part.bases.items())
    ]
    selected += [more] if more else []
    text = " ".join(piece for piece in (where_text, group, _having(needs), tail) if piece)
    return where(_scope(query)).select(
        ", ".join(selected), part.table, text, **binder.used(text), **(bound or {})
    )


def _by_whole_hours(needs: Needs) -> bool:
    """Instants that cut no local hour in two can be counted from the hours."""
    span = needs.query.range
    assert span.start is not None
    assert span.end is not None
    whole = all(hour_start(at, span.days.zone) == at.astimezone(UTC) for at in (span.start, span.end))
    return whole and not needs.used and needs.step in (None, "hour", "day", "week", "month")


def _has_days_only(needs: Needs) -> bool:
    return needs.query.range.is_whole_days and needs.step != "hour"


def _table_of(needs: Needs) -> Table | None:
    if not _has_days_only(needs):
        return None
    if needs.used & _PAGE_KINDS.keys():
        # pathname is one dimension at a time.
        alone = len(needs.used) == 1 and _PAGE_KINDS[next(iter(needs.used))] is needs.kind
        return Table.DAILY_PAGES if alone else None
    if needs.used & {"event:name", "event:goal"}:
        return Table.DAILY_EVENTS if _is_of_events(needs) else None
    for table in (Table.DAILY_SOURCES, Table.DAILY_GEO, Table.DAILY_DEVICES):
        if needs.used <= ROLLUP_COLUMNS[table].keys():
            return table
    return None


def _is_of_events(needs: Needs) -> bool:
    """A goal's row says nothing of the event's name. A filter by goals without the dimension can be added up over
    events only when it names one goal: an event may reach several.
    """
    if needs.used == {"event:name"} or needs.dimensions == ("event:goal",) == tuple(needs.used):
        return True
    test = needs.query.filter
    if needs.used != {"event:goal"} or not isinstance(test, Test):
        return False
    ids, meant = goal_ids(needs.query.site, test)
    return meant and (len(ids) == 1 or needs.bases <= {"visitors"})


def _bases(table: Table, needs: Needs) -> dict[str, str]:
    if table is Table.DAILY_PAGES:
        return _PAGES[needs.kind]
    if table is not Table.DAILY_EVENTS:
        return _COMMON
    count = "conversions" if "event:goal" in needs.used else "events"
    bases = {"events": f"sum({count})"}
    if needs.used:
        bases |= {"visitors": _COMMON["visitors"], "revenue": _REVENUE.format(count)}
    return bases


def _chosen(bases: Mapping[str, str], names: frozenset[str] | set[str]) -> dict[str, str]:
    return {name: bases[name] for name in names}


def _dimension_columns(needs: Needs, table: Table) -> list[str]:
    columns = []
    for name in needs.query.dimensions:
        if name in needs.dimensions:
            column = ROLLUP_COLUMNS[table][name]
            columns.append(f"toString({column})" if name == "event:goal" else column)
        else:
            assert needs.step is not None
            columns.append(STEPS[needs.step])
    return columns


def _conditions(needs: Needs, table: Table, binder: Binder) -> str:
    site, texts = needs.query.site, []
    if table is Table.DAILY_EVENTS:
        if "event:goal" in needs.used:
            known = ids_sql([goal.id for goal in site.goals], binder)
            texts.append(f"AND goal IN ({known})")
        else:
            texts.append("AND goal = 0 AND name != 'engagement'")

    def test_sql(test: Test) -> str:
        if test.dimension == "event:goal":
            ids, meant = goal_ids(site, test)
            return f"(goal {'' if meant else 'NOT '}IN ({ids_sql(ids, binder)}))"
        return text_test(test, ROLLUP_COLUMNS[table][test.dimension], binder)

    if needs.query.filter is not None:
        texts.append(f"AND {condition(needs.query.filter, test_sql)}")
    return " ".join(texts)


def _having(needs: Needs) -> str:
    return f"HAVING b_{needs.rows_with} > 0" if needs.rows_with else ""


def _scope(query: Query) -> Scope:
    span = query.range
    if span.start is None or span.end is None:
        return span.days.scope(query.site.id)
    return Scope(query.site.id, TimeColumn.HOUR, span.start, span.end)
