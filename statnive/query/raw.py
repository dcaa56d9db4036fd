"""Drill-downs: queries that no rollup carries, from events_raw, by the same sums as the rollups' views.

Owns:       the statement of a drill-down. Inputs: Needs; the share of visitors to read. Outputs: one statement.
Invariants: I1 an event adds to the same rows as in the rollups: what it changes about its visit counts for the
            visit's entry page and hour, not its own; I2 bots are left out; I3 a sample is of whole visitors; I4 every
            level that reads the table begins with the scope.

Levels, from within: the rows of the range, with the exit pages of their visits if those are asked for; each row's cells
(its own, its visit's, the page before it), if anything asked for needs them; groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Final

import attrs

from statnive.errors import Rejected
from statnive.query.columns import (
    RAW_COLUMNS,
    STEPS,
    Binder,
    condition,
    goal_ids,
    ids_sql,
    prop_column,
    text_test,
)
from statnive.query.model import Query, Test, each_test
from statnive.query.needs import Kind, Needs
from statnive.query.where import Statement, Table, Where, where

_COLUMNS: Final = (
    "ts, day, hour, visitor, visit_id, name, pageviews, visit_start, bounce_delta, duration_delta, engaged_ms, "
    "hostname, pathname, previous_pathname, referrer, referrer_name, channel, "
    "utm_source, utm_medium, utm_campaign, utm_content, utm_term, country, region, city_id, city, "
    "device, browser, browser_version, os, os_version, props, goals, revenue, currency, "
    "entry_pathname, visit_hour, scroll_gain, scroll_views, lsn"
)
_NOBODY: Final = "toFixedString('', 16)"
_ENTRY: Final = "if(entry_pathname = '', pathname, entry_pathname)"
# The exit page of each row's visit, within the range; and whether the row is the last view, or the first of a visit
# that viewed another page before the range.
_EXITS: Final = (
    "argMaxIf(pathname, (ts, lsn), pageviews = 1) OVER (PARTITION BY visit_id) AS exit_pathname, "
    "pageviews = 1 AND (ts, lsn) = maxIf((ts, lsn), pageviews = 1) OVER (PARTITION BY visit_id) AS is_exit, "
    "pageviews = 1 AND previous_pathname != '' "
    "AND (ts, lsn) = minIf((ts, lsn), pageviews = 1) OVER (PARTITION BY visit_id) AS left_before"
)
# A cell: (page, hour, own, of the visit, exits of the page, exit page, exits of the visit).
_OWN_CELL: Final = "(pathname, hour, 1, {is_home}, toInt8(pageviews), {exit}, toInt8({is_exit}))"
_HOME_CELL: Final = "({page}, {hour}, 0, 1, toInt8(0), {exit}, toInt8(0))"
_BEFORE_CELL: Final = "(previous_pathname, hour, 0, 0, toInt8(-1), {exit}, toInt8(0))"
_LEFT_CELL: Final = "(pathname, hour, 0, 0, toInt8(0), previous_pathname, toInt8(-1))"
_OF_CELLS: Final = frozenset({"bounces", "duration", "exits"})


@attrs.frozen
class Span:
    """What every level of a drill-down begins with, beside the scope."""

    text: str
    bound: Mapping[str, int | str]


def statement_of(
    needs: Needs,
    share: float | None,
    more: str = "",
    tail: str = "",
    bound: Mapping[str, int] | None = None,
) -> Statement:
    """The drill-down; `share` of the visitors are read (None: all); `more` columns of the groups, `tail` orders and
    cuts.
    """
    return _Drilldown(needs, share).statement(more, tail, bound or {})


def filter_sql(query: Query, binder: Binder) -> str:
    """The query's filter as a condition on one row of events_raw. Raises Rejected for the page a visit ended with,
    which no row knows.
    """
    assert query.filter is not None

    def test_sql(test: Test) -> str:
        if test.dimension == "visit:exit_page":
            raise Rejected("filters", "visit:exit_page can't be a filter here")
        if test.dimension == "event:goal":
            ids, meant = goal_ids(query.site, test)
            return f"({'' if meant else 'NOT '}hasAny(goals, [{ids_sql(ids, binder)}]))"
        return text_test(test, row_column(test.dimension, binder), binder)

    return condition(query.filter, test_sql)


def row_column(name: str, binder: Binder) -> str:
    """The dimension of one event, as its row has it."""
    own = {"event:page": "pathname", "visit:entry_page": _ENTRY}
    return own.get(name) or RAW_COLUMNS.get(name) or prop_column(name, binder)


def span_of(needs: Needs, share: float | None) -> Span:
    """Bots, instants and the sample."""
    texts, bound = ["AND is_bot = 0"], dict[str, int | str]()
    span = needs.query.range
    if span.start is not None and span.end is not None:
        texts.append("AND ts >= {ts_from:DateTime('UTC')} AND ts < {ts_to:DateTime('UTC')}")
        bound = {"ts_from": ceil(span.start.timestamp()), "ts_to": ceil(span.end.timestamp())}
    if share is not None:
        # Visitors are hashes: those below a threshold are a sample. One who objects has none; by visit then.
        texts.append(
            "AND visitor < unhex({sample_visitor:String}) "
            f"AND (visitor != {_NOBODY} OR visit_id < {{sample_visit:UInt64}})"
        )
        limit = min(int(share * 2**64), 2**64 - 1)
        bound = {**bound, "sample_visitor": f"{limit:016x}{'0' * 16}", "sample_visit": limit}
    return Span(" ".join(texts), bound)


class _Drilldown:
    def __init__(self, needs: Needs, share: float | None) -> None:
        self.needs = needs
        self.binder = Binder()
        self.span = span_of(needs, share)
        self.scope = where(needs.query.range.days.scope(needs.query.site.id))
        self.with_exits = "visit:exit_page" in needs.used
        self.has_page_cells = needs.kind is Kind.PAGE and bool(needs.bases & _OF_CELLS)
        self.has_hour_cells = needs.step == "hour" and bool(needs.bases & {"bounces", "duration"})
        self.has_exit_cells = needs.kind is Kind.EXIT and "visits" in needs.bases
        self.has_cells = self.has_page_cells or self.has_hour_cells or self.has_exit_cells
        self.joined = [
            text
            for name, text in (
                ("event:goal", "arrayJoin(goals) AS goal"),
                ("event:props", "arrayJoin(mapKeys(props)) AS prop"),
            )
            if name in needs.dimensions
        ]

    def statement(self, more: str, tail: str, bound: Mapping[str, int]) -> Statement:
        hit = self._filter(in_cells=False) if self.needs.membership else "1"
        columns = [f"{self._dimension(name)} AS d{n}" for n, name in enumerate(self.needs.query.dimensions)]
        columns += self._bases(hit) + ([more] if more else [])
        group = f"GROUP BY {', '.join(f'd{n}' for n in range(len(self.needs.query.dimensions)))}"
        rest = " ".join(
            piece
            for piece in (group if self.needs.query.dimensions else "", self._having(hit), tail)
            if piece
        )
        conditions = self._conditions()
        selected = ", ".join(columns)
        scope = self.scope.of_visits(self.member_visits()) if self.needs.membership else self.scope
        used = {**self.binder.used(selected, conditions, rest), **bound}
        if not (self.has_cells or self.with_exits or self.joined):
            text = f"{self.span.text} {conditions and 'AND ' + conditions} {rest}"
            return scope.select(selected, Table.EVENTS_RAW, text, **self.span.bound, **used)
        rows = self._rows(scope)
        joined = [f"arrayJoin({self._cells()}) AS cell"] if self.has_cells else []
        if joined or self.joined:
            rows = rows.outer(", ".join([self._carried(), *joined, *self.joined]))
        return rows.outer(selected, f"{conditions and 'WHERE ' + conditions} {rest}", **used)

    def member_visits(self) -> Statement:
        """The ids of the visits with at least one event that fits."""
        hit = self._filter(in_cells=False)
        if self.with_exits:
            return self._rows(self.scope).outer("visit_id", f"WHERE {hit}", **self.binder.used(hit))
        text = f"{self.span.text} AND {hit}"
        return self.scope.select(
            "visit_id", Table.EVENTS_RAW, text, **self.span.bound, **self.binder.used(hit)
        )

    def _rows(self, scope: Where) -> Statement:
        columns = f"{_COLUMNS}, {_EXITS}" if self.with_exits else _COLUMNS
        return scope.select(columns, Table.EVENTS_RAW, self.span.text, **self.span.bound)

    def _carried(self) -> str:
        return f"{_COLUMNS}, exit_pathname" if self.with_exits else _COLUMNS

    def _cells(self) -> str:
        """Keeps I1. Only what is asked for has cells of its own: an event's own page and hour are its visit's then."""
        away = []
        if self.has_page_cells:
            away.append(f"{_ENTRY} != pathname")
        if self.has_hour_cells:
            away.append("visit_hour NOT IN (0, hour)")
        moves = f"(bounce_delta != 0 OR duration_delta != 0) AND ({' OR '.join(away) or '0'})"
        names = {
            "page": _ENTRY if self.has_page_cells else "pathname",
            "hour": "if(visit_hour = 0, hour, visit_hour)" if self.has_hour_cells else "hour",
            "exit": "exit_pathname" if self.with_exits else "''",
            "is_exit": "is_exit" if self.has_exit_cells else "0",
            "is_home": f"if({moves}, 0, 1)",
        }
        own, home, before = (cell.format(**names) for cell in (_OWN_CELL, _HOME_CELL, _BEFORE_CELL))
        parts = [f"[{own}]"]
        if away:
            parts.append(f"if({moves}, [{home}], [])")
        if self.has_page_cells:
            parts.append(f"if(pageviews = 1 AND previous_pathname != '', [{before}], [])")
        if self.has_exit_cells:
            parts.append(f"if(left_before, [{_LEFT_CELL}], [])")
        return f"arrayConcat({', '.join(parts)})"

    def _conditions(self) -> str:
        """The filter where it is not a matter of membership; a goal's or event's row is of such a one."""
        texts = []
        if not self.needs.membership and self.needs.query.filter is not None:
            texts.append(self._filter(in_cells=self.has_cells))
        if "event:goal" in self.needs.dimensions:
            known = ids_sql([goal.id for goal in self.needs.query.site.goals], self.binder)
            texts.append(f"goal IN ({known})")
        if "event:name" in self.needs.used and not self.needs.membership:
            texts.append("name != 'engagement'")
        return " AND ".join(texts)

    def _filter(self, *, in_cells: bool) -> str:
        assert self.needs.query.filter is not None
        text = condition(self.needs.query.filter, lambda test: self._test(test, in_cells))
        if self.needs.membership and any(
            test.dimension == "event:name" for test in each_test(self.needs.query.filter)
        ):
            return f"({text} AND name != 'engagement')"
        return text

    def _test(self, test: Test, in_cells: bool) -> str:
        if test.dimension != "event:goal":
            return text_test(test, self._column(test.dimension, in_cells), self.binder)
        ids, meant = goal_ids(self.needs.query.site, test)
        bound = ids_sql(ids, self.binder)
        if "event:goal" in self.needs.dimensions:
            return f"(goal {'' if meant else 'NOT '}IN ({bound}))"
        return f"({'' if meant else 'NOT '}hasAny(goals, [{bound}]))"

    def _dimension(self, name: str) -> str:
        if name not in self.needs.dimensions:
            assert self.needs.step is not None
            if self.needs.step == "hour" and self.has_cells:
                return "toUnixTimestamp(cell.2)"
            return STEPS[self.needs.step]
        if name == "event:goal":
            return "toString(goal)"
        return self._column(name, self.has_cells)

    def _column(self, name: str, in_cells: bool) -> str:
        if name == "event:page" and in_cells and self.has_page_cells:
            return "cell.1"
        if name == "visit:exit_page":
            return "cell.6" if in_cells else "exit_pathname"
        if name == "event:props":
            return "prop"
        return row_column(name, self.binder)

    def _bases(self, hit: str) -> list[str]:
        own = "cell.3 = 1" if self.has_cells else "1"
        home = "cell.4 = 1" if self.has_cells else "1"
        fits = " AND ".join(part for part in (own, hit) if part != "1") or "1"
        visits = {
            Kind.EXIT: "greatest(sum(cell.7), 0)",
            Kind.ENTRY: f"countIf(pageviews = 1 AND previous_pathname = '' AND {own})",
        }.get(self.needs.kind, f"sumIf(visit_start, {own})")
        texts = {
            "visitors": f"uniqCombined64If(visitor, visitor != {_NOBODY} AND {fits})",
            "pageviews": f"sumIf(pageviews, {fits})",
            "visit_pageviews": f"sumIf(pageviews, {own})",
            "events": f"countIf(name != 'engagement' AND {fits})",
            "visits": visits,
            "bounces": f"sumIf(bounce_delta, {home})",
            "duration": f"sumIf(duration_delta, {home})",
            "engaged": f"sumIf(engaged_ms, {fits})",
            "entries": f"countIf(pageviews = 1 AND previous_pathname = '' AND {own})",
            "exits": "greatest(sum(cell.5), 0)",
            "depth": f"sumIf(scroll_gain, {fits})",
            "told": f"sumIf(scroll_views, {fits})",
        }
        columns = [f"{texts[name]} AS b_{name}" for name in sorted(self.needs.bases) if name != "revenue"]
        if "revenue" in self.needs.bases:
            columns += self._revenue(fits)
        return columns

    def _revenue(self, fits: str) -> list[str]:
        goals = "[goal]" if "event:goal" in self.needs.dimensions else "goals"
        return [
            f"sumMapIf([toString(currency)], [revenue], currency != '' AND {fits}) AS b_revenue",
            f"sumMapIf([toString(currency)], [toUInt64(1)], currency != '' AND {fits}) AS b_paid",
            f"sumMapIf({goals}, arrayMap(g -> toUInt64(1), {goals}), currency = '' AND {fits}) AS b_unpaid",
        ]

    def _having(self, hit: str) -> str:
        needs = self.needs
        if needs.membership and needs.dimensions:
            own = "cell.3 = 1 AND " if self.has_cells else ""
            return f"HAVING countIf({own}{hit}) > 0"
        return f"HAVING b_{needs.rows_with} > 0" if needs.rows_with else ""
