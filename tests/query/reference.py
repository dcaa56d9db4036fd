"""What any Query must be answered with, counted in plain Python from the rows of events_raw: no SQL, no rollup, and
none of the product's query code but the vocabulary.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import attrs

from statnive.event import NO_VISITOR, Row
from statnive.query.model import (
    CONVERSION_METRICS,
    PAGE_METRICS,
    TIME_DIMENSIONS,
    VISIT_METRICS,
    And,
    Money,
    Not,
    Or,
    Query,
    Test,
    each_test,
)

COLUMNS = {
    "visit:source": "referrer_name", "visit:channel": "channel", "visit:referrer": "referrer",
    "visit:utm_source": "utm_source", "visit:utm_medium": "utm_medium", "visit:utm_campaign": "utm_campaign",
    "visit:utm_content": "utm_content", "visit:utm_term": "utm_term", "visit:country": "country",
    "visit:region": "region", "visit:city": "city_id", "visit:city_name": "city", "visit:device": "device",
    "visit:browser": "browser", "visit:browser_version": "browser_version", "visit:os": "os",
    "visit:os_version": "os_version", "event:hostname": "hostname", "event:name": "name",
}  # fmt: skip
EPOCH = date(1970, 1, 1)
NAMED = ("event:name", "event:goal", "event:hostname", "event:props")
Key = tuple[str, ...]


class Cell(NamedTuple):
    """Where one thing that a row says counts: at a page, an hour, an exit page; for a goal or a property."""

    row: Row
    page: str
    hour: int
    exit: str
    goal: int
    prop: str
    adds: dict[str, int]
    is_own: bool


def named(dimension: str) -> bool:
    return dimension in NAMED or dimension.startswith("event:props:")


def answer(query: Query, rows: list[Row]) -> dict[Key, tuple[Any, ...]]:
    """Every row of the answer, by its dimensions."""
    groups, conversion = _groups(query, rows), CONVERSION_METRICS
    found = {key: [_metric(name, query, sums) for name in query.metrics] for key, sums in groups.items()}
    for name in set(query.metrics) & set(conversion):
        by = [
            number
            for number, dimension in enumerate(query.dimensions)
            if (dimension in TIME_DIMENSIONS if name == "conversion_rate" else not _of_event(dimension))
        ]
        whole = _groups(_whole(query, by), rows)
        for key, values in found.items():
            sums = whole.get(tuple(key[number] for number in by))
            everybody = len(sums["people"]) if sums else 0
            mine = len(groups[key]["people"])
            values[query.metrics.index(name)] = (
                round(min(100 * mine / everybody, 100.0), 2) if everybody else None
            )
    return {key: tuple(values) for key, values in found.items()}


def _of_event(dimension: str) -> bool:
    return named(dimension) and dimension != "event:hostname"


def _whole(query: Query, by: list[int]) -> Query:
    return attrs.evolve(
        query,
        metrics=("visitors",),
        dimensions=tuple(query.dimensions[number] for number in by),
        filter=_stripped(query.filter),
        fill=False,
    )


def _stripped(filter_: Any) -> Any:
    if isinstance(filter_, And):
        kept = tuple(part for part in map(_stripped, filter_.filters) if part is not None)
        return And(kept) if kept else None
    if filter_ is None or any(_of_event(test.dimension) for test in each_test(filter_)):
        return None
    return filter_


def kind_of(query: Query) -> str:
    filtered = {test.dimension for test in each_test(query.filter)}
    used = filtered | set(query.dimensions)
    if "event:page" in query.dimensions:
        return "page"
    if "visit:exit_page" in used:
        return "exit"
    if "visit:entry_page" in used:
        return "entry"
    return "page" if "event:page" in filtered and not any(map(named, used)) else "visit"


def _groups(query: Query, rows: list[Row]) -> dict[Key, dict[str, Any]]:
    filtered = {test.dimension for test in each_test(query.filter)}
    used, kind = filtered | set(query.dimensions), kind_of(query)
    by_visit = bool(set(query.metrics) & {*VISIT_METRICS, *PAGE_METRICS})
    membership = by_visit and (any(map(named, filtered)) or ("event:page" in filtered and kind != "page"))
    mine = [row for row in rows if _in_range(query, row)]
    exits, lasts, firsts = _exits(mine)

    def hits(row: Row, page: str, exit_page: str, goal: int) -> bool:
        if "event:name" in used and row.name == "engagement":
            return False
        return query.filter is None or _holds(query, query.filter, row, page, exit_page, goal)

    members = {
        row.visit_id for row in mine if membership and hits(row, row.pathname, exits.get(row.visit_id, ""), 0)
    }
    groups: dict[Key, dict[str, Any]] = defaultdict(
        lambda: defaultdict(int, people=set(), revenue=Counter(), paid=Counter(), unpaid=Counter())
    )
    if not query.dimensions:
        groups[()]  # totals have a row though nothing happened
    for row in mine:
        if membership and row.visit_id not in members:
            continue
        exit_page = exits.get(row.visit_id, "")
        for cell in _cells(query, row, exit_page, id(row) in lasts, id(row) in firsts):
            page = cell.page if kind == "page" and not membership else row.pathname
            is_hit = hits(row, page, exit_page if membership else cell.exit, cell.goal)
            if not membership and not is_hit:
                continue
            sums = groups[_key(query, cell, kind)]
            sums["hit"] += is_hit and cell.is_own
            _add(sums, cell, is_hit)
    return {key: sums for key, sums in groups.items() if _is_row(query, sums, used, kind, membership)}


def _is_row(query: Query, sums: dict[str, Any], used: set[str], kind: str, membership: bool) -> bool:
    if not [name for name in query.dimensions if name not in TIME_DIMENSIONS]:
        # What is only taken back or made longer here has a row too.
        return not (membership and query.dimensions) or True
    if membership:
        return sums["hit"] > 0
    if any(named(name) for name in used - {"event:hostname"}):
        return True
    if "event:page" in query.dimensions:
        return sums["pageviews"] > 0
    if used & {"event:page", "event:hostname"}:
        return True
    if kind == "exit" and "visit:exit_page" in query.dimensions:
        return sums["visit_exits"] > 0
    if kind == "entry" and "visit:entry_page" in query.dimensions:
        return sums["entries"] > 0
    return True


def _in_range(query: Query, row: Row) -> bool:
    days, span = query.range.days, query.range
    day = EPOCH + timedelta(days=row.day)
    if row.site_id != query.site.id or row.is_bot or not days.first <= day <= days.last:
        return False
    if span.start is None or span.end is None:
        return True
    return span.start.timestamp() <= row.ts < span.end.timestamp()


def _exits(rows: list[Row]) -> tuple[dict[int, str], set[int], set[int]]:
    """Of each visit its last page within the range; the rows that are last views, and those that are first ones of a
    visit that viewed a page before.
    """
    views: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if row.pageviews:
            views[row.visit_id].append(row)
    exits = {visit: mine[-1].pathname for visit, mine in views.items()}
    firsts = {id(mine[0]) for mine in views.values() if mine[0].previous_pathname}
    return exits, {id(mine[-1]) for mine in views.values()}, firsts


def _cells(query: Query, row: Row, exit_page: str, is_last: bool, is_first: bool) -> list[Cell]:
    goals = row.goals if "event:goal" in query.dimensions else [0]
    known = {goal.id for goal in query.site.goals} | {0}
    cells = []
    for goal in [goal for goal in goals if goal in known]:
        for prop in list(row.props) if "event:props" in query.dimensions else [""]:
            own = {
                "pageviews": row.pageviews, "events": row.name != "engagement", "visits": row.visit_start,
                "engaged": row.engaged_ms, "depth": row.scroll_gain, "told": row.scroll_views,
                "entries": int(row.pageviews and not row.previous_pathname), "exits": row.pageviews,
                "visit_exits": int(is_last),
            }  # fmt: skip
            entry, hour = row.entry_pathname or row.pathname, row.visit_hour or row.hour
            home = {"bounces": row.bounce_delta, "duration": row.duration_delta}
            cells.append(Cell(row, row.pathname, row.hour, exit_page, goal, prop, own, True))
            if row.bounce_delta or row.duration_delta:
                cells.append(Cell(row, entry, hour, exit_page, goal, prop, home, False))
            if row.pageviews and row.previous_pathname:
                before = {"exits": -1}
                cells.append(Cell(row, row.previous_pathname, row.hour, exit_page, goal, prop, before, False))
            if is_first:
                left = {"visit_exits": -1}
                cells.append(
                    Cell(row, row.pathname, row.hour, row.previous_pathname, goal, prop, left, False)
                )
    return cells


def _add(sums: dict[str, Any], cell: Cell, is_hit: bool) -> None:
    of_events = {"pageviews", "events", "engaged", "depth", "told"}
    for name, number in cell.adds.items():
        if name not in of_events or is_hit:
            sums[name] += number
    if not cell.is_own:
        return
    sums["visit_pageviews"] += cell.row.pageviews
    if not is_hit:
        return
    if cell.row.visitor != NO_VISITOR:
        sums["people"].add(cell.row.visitor)
    if cell.row.currency:
        sums["revenue"][cell.row.currency] += cell.row.revenue
        sums["paid"][cell.row.currency] += 1
    else:
        for goal in [cell.goal] if cell.goal else cell.row.goals:
            sums["unpaid"][goal] += 1


def _key(query: Query, cell: Cell, kind: str) -> Key:
    names = {goal.id: goal.name for goal in query.site.goals}
    zone, key = query.range.days.zone, []
    for name in query.dimensions:
        step = query.interval if name == "time" else name.removeprefix("time:")
        day = EPOCH + timedelta(days=cell.row.day)
        if name in TIME_DIMENSIONS:
            key.append(
                {
                    "hour": datetime.fromtimestamp(cell.hour, UTC).astimezone(zone).isoformat(),
                    "day": day.isoformat(),
                    "week": (day - timedelta(days=day.weekday())).isoformat(),
                    "month": day.replace(day=1).isoformat(),
                }[step]
            )
        elif name == "event:goal":
            key.append(names[cell.goal])
        elif name == "event:props":
            key.append(cell.prop)
        elif name == "event:page":
            key.append(cell.page)
        else:
            key.append(_value(name, cell.row, cell.page, cell.exit))
    return tuple(key)


def _value(name: str, row: Row, page: str, exit_page: str) -> str:
    if name == "event:page":
        return page
    if name == "visit:entry_page":
        return row.entry_pathname or row.pathname
    if name == "visit:exit_page":
        return exit_page
    if name.startswith("event:props:"):
        return row.props.get(name.removeprefix("event:props:"), "")
    return str(getattr(row, COLUMNS[name]))


def _holds(query: Query, filter_: Any, row: Row, page: str, exit_page: str, goal: int) -> bool:
    match filter_:
        case And(filters):
            return all(_holds(query, each, row, page, exit_page, goal) for each in filters)
        case Or(filters):
            return any(_holds(query, each, row, page, exit_page, goal) for each in filters)
        case Not(inner):
            return not _holds(query, inner, row, page, exit_page, goal)
    assert isinstance(filter_, Test)
    negated = filter_.op.value.endswith("_not") or filter_.op.value == "is_not"
    op = filter_.op.value.removesuffix("_not")
    if filter_.dimension == "event:goal":
        reached = {goal} if goal else set(row.goals)
        mine = {known.name for known in query.site.goals if known.id in reached}
        return any(_fits(op, name, filter_) for name in mine) != negated
    return _fits(op, _value(filter_.dimension, row, page, exit_page), filter_) != negated


def _fits(op: str, value: str, test: Test) -> bool:
    flags = re.DOTALL if test.case_sensitive else re.DOTALL | re.IGNORECASE
    for wanted in test.values:
        one, other = (value, wanted) if test.case_sensitive else (value.lower(), wanted.lower())
        if op == "is" and one == other:
            return True
        if op == "contains" and other in one:
            return True
        if op == "matches" and re.search(wanted, value, flags):
            return True
        if op == "wildcard":
            parts = re.split(r"(\*\*|\*)", wanted)
            text = "".join({"*": "[^/]*", "**": ".*"}.get(part) or re.escape(part) for part in parts)
            if re.fullmatch(text, value, flags):
                return True
    return False


def _metric(name: str, query: Query, sums: dict[str, Any]) -> Any:
    kind = kind_of(query)
    visits = {"exit": max(sums["visit_exits"], 0), "entry": sums["entries"]}.get(kind, sums["visits"])
    base = sums["entries"] if kind == "page" else visits

    def share(part: float, whole: int, most: float | None = None) -> float | None:
        if not whole:
            return None
        value = part / whole
        return round(value if most is None else min(max(value, 0.0), most), 2)

    match name:
        case "visitors":
            return len(sums["people"])
        case "visits":
            return visits
        case "exits":
            return max(sums["exits"], 0)
        case "views_per_visit":
            return None if kind == "page" else share(sums["visit_pageviews"], visits)
        case "bounce_rate":
            return share(100 * sums["bounces"], base, 100.0)
        case "visit_duration":
            return share(sums["duration"], base)
        case "scroll_depth":
            return share(sums["depth"], sums["told"], 100.0)
        case "time_on_page":
            return share(sums["engaged"] / 1000, sums["pageviews"])
        case "total_revenue" | "average_revenue":
            return _revenue(name, query, sums)
        case "conversion_rate" | "group_conversion_rate":
            return None
    return sums[name]


def _revenue(name: str, query: Query, sums: dict[str, Any]) -> tuple[Money, ...]:
    amounts, events = Counter(sums["revenue"]), Counter(sums["paid"])
    meant = set()
    for test in each_test(query.filter):
        if test.dimension == "event:goal" and test.op.value in ("is", "contains"):
            meant |= {goal.id for goal in query.site.goals if _fits(test.op.value, goal.name, test)}
    for goal in query.site.goals:
        count = sums["unpaid"][goal.id]
        if count and goal.currency and ("event:goal" in query.dimensions or goal.id in meant):
            amounts[goal.currency] += count * goal.value
            events[goal.currency] += count
    return tuple(
        Money(
            amounts[currency] if name == "total_revenue" else round(amounts[currency] / events[currency]),
            currency,
        )
        for currency in sorted(events)
        if events[currency]
    )
