"""Closing days: a site's day that is over is counted once more, as numbers, into closed_days; so is a month of them.

Owns:       the rows of closed_days.
Inputs:     a writer's client of its own; for each day the statements of statnive/query/closed.py, passed in.
Outputs:    rows of the reports, and last the row `total`, which makes them count.
Invariants: I1 the row `total` is written only when every report of its closing has as many events as the day (an
            import half way through its tables closes nothing) and is on the disk for good; I2 rows whose day has other
            sums now, or none (late data, an import, an erasure, the end of a retention), are deleted.
Failure:    Retryable, or ConfigError; what was begun does not count, and is deleted before the day is closed again.

Only for sites for which it pays: below EVENTS_MIN events on the largest day of a month the states of the rollups are as
fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import attrs

from statnive.clickhouse.client import BoundStatement, Client

TABLE: Final = "closed_days"
EVENTS_MIN: Final = 2_000
# A local date is over in every time zone twelve hours after it is over in UTC; an hour more for what is under way.
OVER_AFTER: Final = timedelta(hours=37)
# A day that goes on changing (a long import) is not closed again and again.
AGAIN_AFTER_NS: Final = 6 * 3_600 * 10**9
BATCH_DAYS: Final = 200
# What does not fit in half of the memory goes on on the disk, in the engine's own directory.
_LIMITS: Final = (
    "max_threads = 1, max_execution_time = 120, max_memory_usage = {memory:d}, "
    "max_bytes_before_external_group_by = {spill:d}"
)
_INSERT: Final = "async_insert = 0, max_insert_threads = 1"
_EITHER: Final = "site_id AS site, start AS at"
_NEWEST: Final = "ORDER BY at DESC, events DESC LIMIT {most:UInt64} SETTINGS max_threads = 1"


@attrs.frozen
class Day:
    """A site's day, or the month that begins with it, that is not as closed_days has it. `stale`: it has rows of it."""

    site_id: int
    day: date
    events: int
    stale: bool
    is_month: bool = False


@attrs.frozen
class Making:
    """The statements of a closing, by statnive/query/closed.py. They take (site id, day, closing)."""

    columns: Sequence[str]
    sums: Sequence[str]
    alike: frozenset[str]  # the reports that `made` gives, each with as many events as the day
    rows: Callable[[int, date, int], Sequence[BoundStatement]]
    made: Callable[[int, date, int], BoundStatement]
    totals: Callable[[int, date], BoundStatement]
    month_rows: Callable[[int, date, int], Sequence[BoundStatement]]  # the last are its totals


def due(client: Client, sums: Sequence[str], now: datetime) -> list[Day]:
    """What to close, and what is only to be deleted: days, the newest first, or months when no day is due; at
    most BATCH_DAYS. `now` is aware.
    """
    names = _Names(client.database, sums)
    values = {
        "last": (now - OVER_AFTER).date().isoformat(),
        "least": EVENTS_MIN,
        "recent": _ns(now) - AGAIN_AFTER_NS,
        "most": BATCH_DAYS,
    }
    for is_month, sql in ((False, names.days_due()), (True, names.months_due())):
        rows = client.operator_query(sql, values)
        if rows:
            return [
                Day(row["site"], row["at"], int(row["events"]), bool(row["stale"]), is_month) for row in rows
            ]
    return []


class _Names:
    """The statements of `due`, put together from the names of the sums."""

    def __init__(self, database: str, sums: Sequence[str]) -> None:
        self._counted = ", ".join(f"sum({name}) AS {name}" for name in sums)
        self._marked = ", ".join(f"argMax({name}, closing) AS {name}" for name in sums)
        self._sums = sums
        self._hours = f"{database}.hourly_visitors"
        self._days = f"{database}.{TABLE}"

    def days_due(self) -> str:
        """Days with other sums than their rows `total`; of sites that have enough events on any day of the month."""
        most = "max(events) OVER (PARTITION BY site_id, toStartOfMonth(start)) AS most_events"
        hours = f"SELECT *, {most} FROM ({self._of('day', self._hours)})"  # noqa: S608
        return (
            f"SELECT {_EITHER}, h.events AS events, c.newest > 0 AS stale "  # noqa: S608
            f"FROM ({hours}) AS h FULL OUTER JOIN ({self._marks('total')}) AS c USING (site_id, start) "
            f"WHERE {self._differ('h', 'c')} AND c.newest < {{recent:UInt64}} AND at <= {{last:Date}} "
            f"AND (c.newest > 0 OR h.most_events >= {{least:UInt64}}) {_NEWEST}"
        )

    def months_due(self) -> str:
        """Months that are over, and whose days are all closed; and those whose rows are no longer true."""
        closed = self._of("toStartOfMonth(start)", f"({self._marks('total')})")
        whole = (
            f"SELECT h.* FROM ({self._of('toStartOfMonth(day)', self._hours)}) AS h "  # noqa: S608
            f"INNER JOIN ({closed}) AS c ON h.site_id = c.site_id AND h.start = c.start "
            f"WHERE NOT {self._differ('h', 'c')}"
        )
        return (
            f"SELECT {_EITHER}, h.events AS events, c.newest > 0 AS stale "  # noqa: S608
            f"FROM ({whole}) AS h FULL OUTER JOIN ({self._marks('month total')}) AS c USING (site_id, start) "
            f"WHERE {self._differ('h', 'c')} AND c.newest < {{recent:UInt64}} "
            f"AND toLastDayOfMonth(at) <= {{last:Date}} {_NEWEST}"
        )

    def _of(self, start: str, table: str) -> str:
        """The sums of each site and day, or month: `start` is its first day."""
        return f"SELECT site_id, {start} AS start, {self._counted} FROM {table} GROUP BY site_id, start"  # noqa: S608

    def _marks(self, report: str) -> str:
        return (
            f"SELECT site_id, day AS start, max(closing) AS newest, {self._marked} FROM {self._days} "  # noqa: S608
            f"WHERE report = '{report}' GROUP BY site_id, start"
        )

    def _differ(self, one: str, other: str) -> str:
        mine, theirs = (f"({', '.join(f'{table}.{name}' for name in self._sums)})" for table in (one, other))
        return f"({mine} != {theirs})"


def close(
    client: Client,
    day: Day,
    making: Making,
    now: datetime,
    memory_bytes_max: int,
    is_stopping: Callable[[], bool] = lambda: False,
) -> bool:
    """Close the day or month, or delete its rows where nothing is left of it (keeps I1 and I2); whether it is closed.

    `is_stopping`, asked between two statements, ends it early.
    """
    _delete(client, day)
    if not day.events or is_stopping():
        return False
    closing = _ns(now)
    into = _Into(client, making.columns, memory_bytes_max)
    if day.is_month:
        *reports, totals = making.month_rows(day.site_id, day.day, closing)
        if not into.insert(reports, is_stopping):
            return False
        client.flush_to_disk()
        return into.insert([totals], is_stopping)
    if not into.insert(making.rows(day.site_id, day.day, closing), is_stopping):
        return False
    (found,) = client.query(making.totals(day.site_id, day.day))
    made = {
        row["name"]: int(row["events"]) for row in client.query(making.made(day.site_id, day.day, closing))
    }
    if made != dict.fromkeys(making.alike, int(found["events"])):
        return False
    client.flush_to_disk()  # a power cut must not leave the row `total` without the others
    values: dict[str, Any] = {name: int(found[name]) for name in ("visitors", *making.sums)}
    placeholders = ", ".join(f"{{{name}:Int64}}" for name in values)
    client.command(
        f"INSERT INTO {client.database}.{TABLE} (site_id, report, day, closing, {', '.join(values)}) "
        f"SELECT {{site_id:UInt32}}, 'total', {{day:Date}}, {{closing:UInt64}}, {placeholders}",
        {"site_id": day.site_id, "day": day.day.isoformat(), "closing": closing, **values},
    )
    return True


@attrs.frozen
class _Into:
    client: Client
    columns: Sequence[str]
    memory_bytes_max: int

    def insert(self, statements: Sequence[BoundStatement], is_stopping: Callable[[], bool]) -> bool:
        """The rows of each into closed_days; False when it was stopped before the last."""
        limits = _LIMITS.format(memory=self.memory_bytes_max // 4, spill=self.memory_bytes_max // 8)
        into = f"INSERT INTO {self.client.database}.{TABLE} ({', '.join(self.columns)}) SETTINGS {_INSERT}, {limits}"
        for rows in statements:
            if is_stopping():
                return False
            self.client.command(f"{into} {rows.sql}", rows.parameters)
        return True


def forget(client: Client, month: int, condition: str, site_ids: Iterable[int]) -> None:
    """Delete the rows of a month (yyyymm) that `condition`, of site_id and day, is true of, and the month's own of the
    sites: what they are made from is being erased.
    """
    sites = ", ".join(f"{site_id:d}" for site_id in sorted(site_ids))
    if not sites:
        return
    which = f"({condition}) OR (startsWith(report, 'month ') AND site_id IN ({sites}))"
    (found,) = client.operator_query(
        f"SELECT count() AS n FROM {client.database}.{TABLE} WHERE toYYYYMM(day) = {month:d} AND ({which})"  # noqa: S608
    )
    if found["n"]:
        client.command(
            f"ALTER TABLE {client.database}.{TABLE} DELETE IN PARTITION {month:d} WHERE {which} "
            "SETTINGS mutations_sync = 2"
        )


def _delete(client: Client, day: Day) -> None:
    """Every row of the day, or of the month, also those of a closing that was cut off."""
    which = f"{'' if day.is_month else 'NOT '}startsWith(report, 'month ')"
    scope: Mapping[str, Any] = {"site": day.site_id, "day": day.day.isoformat()}
    (found,) = client.operator_query(
        f"SELECT count() AS n FROM {client.database}.{TABLE} WHERE site_id = {{site:UInt32}} AND day = {{day:Date}} "  # noqa: S608
        f"AND {which}",
        scope,
    )
    if found["n"]:
        client.command(
            f"ALTER TABLE {client.database}.{TABLE} DELETE WHERE site_id = {day.site_id:d} "
            f"AND day = toDate('{day.day.isoformat()}') AND {which} SETTINGS mutations_sync = 1"
        )


def _ns(now: datetime) -> int:
    return int(now.timestamp() * 1_000_000) * 1_000
