"""The reports behind the dashboard and the JSON API, from the rollups alone (bots, which are in none, from raw rows).

visitors is the merge of the visitor states over the range. The salt changes each local day, so a person who
comes on two days is two visitors; one who objects to being recognised is in every total and in no `visitors`.

bounces are signed and taken back when a visit goes on: a visit that lives across the edge of the range can
leave a -1 or a surplus +1 inside it, so rates are held to 0..100 and exits to 0 and more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import attrs

from statnive.query.ranges import Days, Interval, Slice, hour_start
from statnive.query.where import Scope, Statement, Table, TimeColumn, where

_NOTHING: Final = {"visitors": 0, "visits": 0, "pageviews": 0, "bounces": 0, "duration_s": 0}
REALTIME_MINUTES: Final = 60
REALTIME_HOURS_SHOWN: Final = 24
Rows = list[dict[str, Any]]
Answer = dict[str, Any]

_VISITORS: Final = "uniqCombined64Merge(visitors) AS visitors"
_COUNTS: Final = f"{_VISITORS}, sum(visits) AS visits, sum(pageviews) AS pageviews"
_BOUNCES: Final = "sum(bounces) AS bounces"
_MEASURES: Final = f"{_COUNTS}, {_BOUNCES}, sum(duration_s) AS duration_s"


class Reader(Protocol):
    """A reading handle: statnive.clickhouse.client.Client."""

    def query(self, statement: Statement) -> Rows: ...


class SiteLike(Protocol):
    """What a report needs to know of a site: statnive.control.snapshot.Site."""

    @property
    def id(self) -> int: ...
    @property
    def domain(self) -> str: ...
    @property
    def timezone(self) -> str: ...


@attrs.frozen
class Asked:
    """A site, its local days, and the instant through which what is stored was complete when it was asked."""

    site: SiteLike
    days: Days
    fresh_through: datetime


def overview(reader: Reader, asked: Asked) -> Answer:
    """The totals of the range. Rates are null when there were no visits."""
    statement = where(asked.days.scope(asked.site.id)).select(_MEASURES, Table.HOURLY_VISITORS)
    (row,) = reader.query(statement)
    visits = row["visits"]
    metrics = {
        "visitors": row["visitors"],
        "visits": visits,
        "pageviews": row["pageviews"],
        "views_per_visit": _ratio(row["pageviews"], visits),
        "bounce_rate": _bounce_rate(row["bounces"], visits),
        "visit_duration": _ratio(row["duration_s"], visits),
    }
    return {**_head(asked), "metrics": metrics}


def trend(reader: Reader, asked: Asked, interval: Interval) -> Answer:
    """A point for each hour, day or month of the range, also where nothing happened.

    An hour's time is local with its offset; a month's is its first day, whatever part of it the range holds.
    """
    days, zone = asked.days, asked.days.zone
    steps = where(days.scope(asked.site.id))
    if interval is Interval.HOUR:
        statement = steps.select(
            f"toUnixTimestamp(hour) AS step, {_MEASURES}", Table.HOURLY_VISITORS, "GROUP BY step"
        )
        points = _filled(
            reader.query(statement), map(_seconds, days.each_hour()), lambda at: _local(at, zone)
        )
    elif interval is Interval.DAY:
        statement = steps.select(f"day AS step, {_MEASURES}", Table.HOURLY_VISITORS, "GROUP BY step")
        points = _filled(reader.query(statement), days.each_day(), date.isoformat)
    else:
        statement = steps.select(
            f"toStartOfMonth(day) AS step, {_MEASURES}", Table.HOURLY_VISITORS, "GROUP BY step"
        )
        points = _filled(reader.query(statement), days.each_month(), date.isoformat)
    return {**_head(asked), "interval": interval.value, "points": points}


def pages(reader: Reader, asked: Asked, part: Slice) -> Answer:
    """Pages that were viewed, most visitors first. visits: those that began here; exits: those that ended
    here.
    """
    scope = where(asked.days.scope(asked.site.id))
    rows = reader.query(
        scope.select(
            f"pathname AS page, {_COUNTS}, sum(entries) AS entries, greatest(sum(exits), 0) AS exits",
            Table.DAILY_PAGES,
            # By its alias: an aggregate of that name again would be an aggregate inside an aggregate.
            "GROUP BY page HAVING pageviews > 0 ORDER BY visitors DESC, pageviews DESC, page "
            "LIMIT {limit:UInt32} OFFSET {offset:UInt32}",
            limit=part.limit,
            offset=part.offset,
        )
    )
    total = _total(
        reader, scope.select("pathname AS page", Table.DAILY_PAGES, "GROUP BY page HAVING sum(pageviews) > 0")
    )
    names = ("page", "visitors", "pageviews", "visits", "entries", "exits")
    return {
        **_head(asked),
        "total_rows": total,
        "rows": [{name: row[name] for name in names} for row in rows],
    }


def sources(reader: Reader, asked: Asked, part: Slice) -> Answer:
    """Sources with their channel, most visitors first; "" is direct."""
    scope = where(asked.days.scope(asked.site.id))
    group = "GROUP BY source, channel"
    rows = reader.query(
        scope.select(
            f"referrer_name AS source, channel, {_COUNTS}, {_BOUNCES}",
            Table.DAILY_SOURCES,
            f"{group} ORDER BY visitors DESC, pageviews DESC, source, channel "
            "LIMIT {limit:UInt32} OFFSET {offset:UInt32}",
            limit=part.limit,
            offset=part.offset,
        )
    )
    total = _total(reader, scope.select("referrer_name AS source, channel", Table.DAILY_SOURCES, group))
    listed = [
        {
            **{name: row[name] for name in ("source", "channel", "visitors", "visits", "pageviews")},
            "bounce_rate": _bounce_rate(row["bounces"], row["visits"]),
        }
        for row in rows
    ]
    return {**_head(asked), "total_rows": total, "rows": listed}


def bots(reader: Reader, asked: Asked, part: Slice) -> Answer:
    """Events that were taken for a bot's, by its name; most first. They are in no rollup, so these are raw rows."""
    scope = where(asked.days.scope(asked.site.id))
    counted = "browser AS bot, countIf(is_bot = 1) AS events"
    rows = reader.query(
        scope.select(
            counted,
            Table.EVENTS_RAW,
            "GROUP BY bot HAVING events > 0 ORDER BY events DESC, bot LIMIT {limit:UInt32} OFFSET {offset:UInt32}",
            limit=part.limit,
            offset=part.offset,
        )
    )
    (total,) = reader.query(
        scope.select(
            "countIf(is_bot = 1) AS events, uniqExactIf(browser, is_bot = 1) AS bots", Table.EVENTS_RAW
        )
    )
    return {**_head(asked), "events": total["events"], "total_rows": total["bots"], "rows": rows}


def realtime(reader: Reader, site: SiteLike, now: datetime) -> Answer:
    """The local hours that the last 60 minutes touch, together; and each of the last 24 hours as a point.

    The rollup knows whole hours, so these are up to 119 minutes. `fresh_through` is `now`.
    """
    zone = ZoneInfo(site.timezone)
    first = hour_start(now - timedelta(hours=REALTIME_HOURS_SHOWN - 1), zone)
    recent = hour_start(now - timedelta(minutes=REALTIME_MINUTES) + timedelta(seconds=1), zone)
    end = now.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
    (totals,) = reader.query(
        where(Scope(site.id, TimeColumn.HOUR, recent, end)).select(_COUNTS, Table.HOURLY_VISITORS)
    )
    statement = where(Scope(site.id, TimeColumn.HOUR, first, end)).select(
        f"toUnixTimestamp(hour) AS step, {_MEASURES}", Table.HOURLY_VISITORS, "GROUP BY step"
    )
    days = Days(now.astimezone(zone).date() - timedelta(days=1), now.astimezone(zone).date(), zone)
    hours = [hour for hour in days.each_hour() if first <= hour < end]
    return {
        **_head(Asked(site, Days(recent.astimezone(zone).date(), days.last, zone), now)),
        "visitors": totals["visitors"],
        "pageviews": totals["pageviews"],
        "minutes": REALTIME_MINUTES,
        "points": _filled(reader.query(statement), map(_seconds, hours), lambda at: _local(at, zone)),
    }


def _head(asked: Asked) -> Answer:
    return {
        "site": asked.site.domain,
        "timezone": asked.site.timezone,
        "from": asked.days.first.isoformat(),
        "to": asked.days.last.isoformat(),
        "fresh_through": asked.fresh_through.astimezone(UTC)
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z"),
    }


def _filled(rows: Rows, steps: Iterable[Any], label: Callable[[Any], str]) -> list[Answer]:
    """A point for each step. A step that the calendar does not know (the site's zone was changed) keeps its
    rows.
    """
    found = {row["step"]: row for row in rows}
    return [{"time": label(step), **_point(found.get(step, _NOTHING))} for step in sorted({*steps, *found})]


def _point(row: dict[str, Any]) -> Answer:
    """The measures of one step, rates among them; null without visits."""
    point: Answer = {name: row[name] for name in ("visitors", "visits", "pageviews")}
    point["bounce_rate"] = _bounce_rate(row["bounces"], row["visits"])
    point["visit_duration"] = _ratio(row["duration_s"], row["visits"])
    return point


def _total(reader: Reader, statement: Statement) -> int:
    (row,) = reader.query(statement.outer("count() AS total_rows"))
    return int(row["total_rows"])


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def _local(seconds: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(seconds, zone).isoformat(timespec="seconds")


def _bounce_rate(bounces: int, visits: int) -> float | None:
    rate = _ratio(100 * bounces, visits)
    return None if rate is None else min(max(rate, 0.0), 100.0)


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 2) if whole else None
