"""Each rollup against events_raw, key by key: what an insert lost or doubled in one table, and only there.

A rollup is a table with a summed column `events`. Its keys are its sorting key's columns, its measures the
other ones; both are looked up, so that a new migration's rollup is compared at once, or said not to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import attrs

from chaos.oracle_rows import Sql

EXAMPLES_MAX: Final = 3
RAW: Final = "events_raw"
NO_VISITOR: Final = "toFixedString('', 16)"

# Of a rollup's measures: the expression over events_raw, and the one over the rollup.
MEASURES: Final = {
    "events": ("count()", "sum(events)"),
    "pageviews": ("sum(pageviews)", "sum(pageviews)"),
    "visits": ("sum(visit_start)", "sum(visits)"),
    "bounces": ("sum(bounce_delta)", "sum(bounces)"),
    "duration_s": ("sum(duration_delta)", "sum(duration_s)"),
    "engaged_ms": ("sum(engaged_ms)", "sum(engaged_ms)"),
    "entries": ("countIf(pageviews = 1 AND previous_pathname = '')", "sum(entries)"),
    "scroll_depth": ("sum(scroll_gain)", "sum(scroll_depth)"),
    "scroll_views": ("sum(scroll_views)", "sum(scroll_views)"),
    "revenue": ("sum(revenue)", "sum(revenue)"),
    "conversions": ("count()", "sum(conversions)"),
    "visitors": (
        f"uniqCombined64If(visitor, visitor != {NO_VISITOR})",
        "uniqCombined64Merge(visitors)",
    ),
}
# What an event adds to the visit that it belongs to goes where the visit began: its first hour of the day, its entry
# page. exits have no column in events_raw of their own.
VISIT_HOUR: Final = "if(toUnixTimestamp(visit_hour) = 0, hour, visit_hour)"
ENTRY_PAGE: Final = "if(entry_pathname = '', pathname, entry_pathname)"
ELSEWHERE: Final = ("bounces", "duration_s")
APPROXIMATE: Final = {"visitors": 0.01}  # share by which two ways to merge the same states may differ

Key = tuple[Any, ...]
Totals = dict[Key, dict[str, int]]


@attrs.define
class Drift:
    """A measure of a rollup that disagrees with events_raw."""

    table: str
    measure: str
    keys: int = 0
    examples: list[str] = attrs.field(factory=list)


@attrs.frozen
class RollupReport:
    drifts: tuple[Drift, ...]
    facts: Mapping[str, int]
    checked: tuple[str, ...]
    unchecked: tuple[str, ...]


class _Move(NamedTuple):
    """A part of a measure that belongs under another key than the event's own."""

    measure: str
    amount: str  # over events_raw
    where: str
    key: str
    place: str  # the expression that stands for the key


@attrs.frozen
class _Rollup:
    """A table (or the rows of it that `kept_where` names), and what of it can be recomputed from events_raw."""

    table: str
    keys: tuple[str, ...]
    measures: tuple[str, ...]
    strange: tuple[str, ...] = ()  # columns that this check has no expression for
    moves: tuple[_Move, ...] = ()
    raw_from: str = RAW
    kept_where: str = "1"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.measures, *(move.measure for move in self.moves))))


def check_rollups(sql: Sql, database: str) -> RollupReport:
    """Compare each rollup of the database, one local day at a time. Raises whatever `sql` raises."""
    drifts: dict[tuple[str, str], Drift] = {}
    checked: list[str] = []
    unchecked: list[str] = []
    facts: dict[str, int] = {}
    raw_columns = {column["name"] for column in _columns(sql, database, RAW)}
    for rollup in _rollups(sql, database, raw_columns):
        compared = 0
        for day in _days(sql, database, rollup.table):
            raw, kept = _totals(sql, database, rollup, day)
            compared += len(raw.keys() | kept.keys())
            for key, measure, expected, found in _differences(raw, kept):
                drift = drifts.setdefault((rollup.table, measure), Drift(rollup.table, measure))
                drift.keys += 1
                if len(drift.examples) < EXAMPLES_MAX:
                    name = ", ".join(map(str, key))
                    drift.examples.append(f"[{name}] raw {expected}, rollup {found}")
        fact = f"keys of {rollup.table} compared"
        facts[fact] = facts.get(fact, 0) + compared
        good = [name for name in rollup.names if (rollup.table, name) not in drifts]
        if good:
            checked.append(f"{rollup.table} by {', '.join(rollup.keys)}: {', '.join(good)} equal events_raw")
        if rollup.strange:
            unchecked.append(f"{rollup.table}: {', '.join(rollup.strange)}")
    if not facts:
        unchecked.append("rollups: there are none")
    return RollupReport(tuple(drifts.values()), facts, tuple(checked), tuple(unchecked))


def _columns(sql: Sql, database: str, table: str) -> Sequence[Mapping[str, Any]]:
    return sql(
        "SELECT name, type, is_in_sorting_key FROM system.columns "
        "WHERE database = {database:String} AND table = {table:String} ORDER BY position",
        {"database": database, "table": table},
    )


def _rollups(sql: Sql, database: str, raw_columns: set[str]) -> Iterator[_Rollup]:
    """Each rollup of this node. On a cluster the local tables hold the sorting key, the others all rows."""
    tables = sql(
        "SELECT table FROM system.columns WHERE database = {database:String} AND name = 'events' "
        "AND startsWith(type, 'SimpleAggregateFunction(sum') ORDER BY table",
        {"database": database},
    )
    names = [row["table"] for row in tables]
    for table in names:
        if table.endswith("_local"):
            continue
        local = f"{table}_local" if f"{table}_local" in names else table
        columns = _columns(sql, database, local)
        sorted_by = [column["name"] for column in columns if column["is_in_sorting_key"]]
        others = [column["name"] for column in columns if not column["is_in_sorting_key"]]
        yield from _parts_of(table, sorted_by, others, raw_columns)


def _parts_of(
    table: str, sorted_by: list[str], others: list[str], raw_columns: set[str]
) -> Iterator[_Rollup]:
    """The rollup; and apart from it what it says of goals, which an event may have several of."""
    keys = tuple(name for name in sorted_by if name in raw_columns)
    has_goals = "goal" in sorted_by
    moves = tuple(_moves(keys, others))
    moved = {move.measure for move in moves}
    of_goals = ("conversions",) if has_goals else ()
    measures = tuple(
        name for name in MEASURES if name in others and name not in moved and name not in of_goals
    )
    known = {*keys, *measures, *moved, *of_goals, *(("goal",) if has_goals else ())}
    strange = tuple(name for name in (*sorted_by, *others) if name not in known)
    yield _Rollup(table, keys, measures, strange, moves, kept_where="goal = 0" if has_goals else "1")
    if has_goals:
        yield _Rollup(
            table,
            tuple("goal" if key == "name" else key for key in keys),
            tuple(name for name in ("conversions", "revenue", "visitors") if name in others),
            raw_from=f"{RAW} ARRAY JOIN goals AS goal",
            kept_where="goal != 0",
        )


def _moves(keys: tuple[str, ...], measures: list[str]) -> Iterator[_Move]:
    for key, place in (("hour", VISIT_HOUR), ("pathname", ENTRY_PAGE)):
        if key in keys:
            for name in ELSEWHERE:
                if name in measures:
                    yield _Move(name, MEASURES[name][0], "1", key, place)
    if "exits" in measures and "pathname" in keys:
        yield _Move("exits", "sum(pageviews)", "1", "pathname", "pathname")
        left = "pageviews = 1 AND previous_pathname != ''"
        yield _Move("exits", "-toInt64(count())", left, "pathname", "previous_pathname")


def _days(sql: Sql, database: str, table: str) -> list[Any]:
    """Local days that either table has rows of."""
    days = {
        row["day"] for name in (RAW, table) for row in sql(f"SELECT DISTINCT day FROM {database}.{name}", {})
    }
    return sorted(days)


def _totals(sql: Sql, database: str, rollup: _Rollup, day: Any) -> tuple[Totals, Totals]:
    """What events_raw and the rollup say of a day, by key."""
    keys = ", ".join(rollup.keys)
    raw_measures = ", ".join(f"{MEASURES[name][0]} AS m_{name}" for name in rollup.measures)
    kept = {name: MEASURES[name][1] if name in MEASURES else f"sum({name})" for name in rollup.names}
    kept_measures = ", ".join(f"{expression} AS m_{name}" for name, expression in kept.items())
    parameters = {"day": day}
    raw_totals = _by_key(
        rollup,
        sql(
            f"SELECT {keys}, {raw_measures} FROM {database}.{rollup.raw_from} "
            f"WHERE is_bot = 0 AND day = {{day:Date}} GROUP BY {keys}",
            parameters,
        ),
    )
    kept_totals = _by_key(
        rollup,
        sql(
            f"SELECT {keys}, {kept_measures} FROM {database}.{rollup.table} "
            f"WHERE day = {{day:Date}} AND {rollup.kept_where} GROUP BY {keys}",
            parameters,
        ),
    )
    for move in rollup.moves:
        _add_moved(sql, database, rollup, move, parameters, raw_totals)
    return raw_totals, kept_totals


def _by_key(rollup: _Rollup, rows: Sequence[Mapping[str, Any]]) -> Totals:
    totals: Totals = {}
    for row in rows:
        measures = {name[2:]: int(value) for name, value in row.items() if name.startswith("m_")}
        totals[tuple(row[name] for name in rollup.keys)] = measures
    return totals


def _add_moved(
    sql: Sql, database: str, rollup: _Rollup, move: _Move, parameters: Mapping[str, Any], raw: Totals
) -> None:
    """Add a part of a measure under the key where it belongs."""
    inner = ", ".join(
        f"{move.place} AS its_{key}" if key == move.key else f"{key} AS its_{key}" for key in rollup.keys
    )
    outer = ", ".join(f"its_{key}" for key in rollup.keys)
    rows = sql(
        f"SELECT {inner}, {move.amount} AS amount FROM {database}.{RAW} "
        f"WHERE is_bot = 0 AND day = {{day:Date}} AND {move.where} GROUP BY {outer}",
        parameters,
    )
    for row in rows:
        measures = raw.setdefault(tuple(row[f"its_{key}"] for key in rollup.keys), {})
        measures[move.measure] = measures.get(move.measure, 0) + int(row["amount"])


def _differences(raw: Totals, kept: Totals) -> Iterator[tuple[Key, str, int, int]]:
    """(key, measure, of raw, of the rollup) wherever they differ; what is missing counts as zero."""
    for key in sorted(raw.keys() | kept.keys(), key=repr):
        left, right = raw.get(key, {}), kept.get(key, {})
        for measure in left.keys() | right.keys():
            expected, found = left.get(measure, 0), right.get(measure, 0)
            allowed = APPROXIMATE.get(measure, 0.0) * max(expected, found)
            if abs(expected - found) > allowed:
                yield key, measure, expected, found
