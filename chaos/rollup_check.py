"""Each rollup against events_raw, key by key: what an insert lost or doubled in one table, and only there.

A rollup is a table with a summed column `events`. Its keys are its sorting key's columns, its measures the
other ones; both are looked up, so that a new migration's rollup is compared at once, or said not to be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

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
    "entries": ("sum(visit_start * pageviews)", "sum(entries)"),
    "visitors": (
        f"uniqCombined64If(visitor, visitor != {NO_VISITOR})",
        "uniqCombined64Merge(visitors)",
    ),
}
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


@attrs.frozen
class _Rollup:
    """A table, and what of it can be recomputed from events_raw."""

    table: str
    keys: tuple[str, ...]
    measures: tuple[str, ...]
    strange: tuple[str, ...]  # columns that this check has no expression for
    signed_exits: bool


def check_rollups(sql: Sql, database: str) -> RollupReport:
    """Compare each rollup of the database, one local day at a time. Raises whatever `sql` raises."""
    drifts: dict[tuple[str, str], Drift] = {}
    checked, unchecked, facts = [], [], {}
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
        facts[f"keys of {rollup.table} compared"] = compared
        names = (*rollup.measures, "exits") if rollup.signed_exits else rollup.measures
        good = [name for name in names if (rollup.table, name) not in drifts]
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
        keys = tuple(name for name in sorted_by if name in raw_columns)
        signed_exits = "exits" in others and "pathname" in keys
        measures = tuple(name for name in MEASURES if name in others)
        known = {*keys, *measures, *(("exits",) if signed_exits else ())}
        strange = tuple(name for name in (*sorted_by, *others) if name not in known)
        yield _Rollup(table, keys, measures, strange, signed_exits)


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
    kept_measures = ", ".join(f"{MEASURES[name][1]} AS m_{name}" for name in rollup.measures)
    if rollup.signed_exits:
        kept_measures += ", sum(exits) AS m_exits"
    parameters = {"day": day}
    raw = _by_key(
        rollup,
        sql(
            f"SELECT {keys}, {raw_measures} FROM {database}.{RAW} "
            f"WHERE is_bot = 0 AND day = {{day:Date}} GROUP BY {keys}",
            parameters,
        ),
    )
    kept = _by_key(
        rollup,
        sql(
            f"SELECT {keys}, {kept_measures} FROM {database}.{rollup.table} "
            f"WHERE day = {{day:Date}} GROUP BY {keys}",
            parameters,
        ),
    )
    if rollup.signed_exits:
        _add_exits(sql, database, rollup, parameters, raw)
    return raw, kept


def _by_key(rollup: _Rollup, rows: Sequence[Mapping[str, Any]]) -> Totals:
    totals: Totals = {}
    for row in rows:
        measures = {name[2:]: int(value) for name, value in row.items() if name.startswith("m_")}
        totals[tuple(row[name] for name in rollup.keys)] = measures
    return totals


def _add_exits(sql: Sql, database: str, rollup: _Rollup, parameters: Mapping[str, Any], raw: Totals) -> None:
    """A page view makes its page the exit page, and its visit's page before it none any more."""
    for measures in raw.values():
        measures["exits"] = measures["pageviews"]
    inner = ", ".join("previous_pathname AS page" if key == "pathname" else key for key in rollup.keys)
    outer = ", ".join("page" if key == "pathname" else key for key in rollup.keys)
    taken_back = sql(
        f"SELECT {outer}, count() AS taken FROM (SELECT {inner} FROM {database}.{RAW} "
        "WHERE is_bot = 0 AND day = {day:Date} AND pageviews = 1 AND previous_pathname != '') "
        f"GROUP BY {outer}",
        parameters,
    )
    for row in taken_back:
        key = tuple(row["page" if name == "pathname" else name] for name in rollup.keys)
        measures = raw.setdefault(key, defaultdict(int))
        measures["exits"] = measures.get("exits", 0) - int(row["taken"])


def _differences(raw: Totals, kept: Totals) -> Iterator[tuple[Key, str, int, int]]:
    """(key, measure, of raw, of the rollup) wherever they differ; what is missing counts as zero."""
    for key in sorted(raw.keys() | kept.keys(), key=repr):
        left, right = raw.get(key, {}), kept.get(key, {})
        for measure in left.keys() | right.keys():
            expected, found = left.get(measure, 0), right.get(measure, 0)
            allowed = APPROXIMATE.get(measure, 0.0) * max(expected, found)
            if abs(expected - found) > allowed:
                yield key, measure, expected, found
