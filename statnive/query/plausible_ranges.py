"""The time ranges of Plausible's APIs, as local days or instants of a site.

v2: day, 24h, 7d (any number of days before today), month, 6mo (any number of months before this one), year, all, two
dates or two instants. v1 is relative to a `date`: its days end the day before it, its months with the month it is in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from statnive.errors import Rejected
from statnive.query.model import Range, Reader, monday
from statnive.query.ranges import (
    FIRST_DAY,
    LAST_DAY,
    RANGE_YEARS_MAX,
    Days,
    hour_start,
    parse_days,
)
from statnive.query.where import Table, where

ALL: Final = "all"
V2_FORMS: Final = (
    "day, 24h, 7d, 28d, 30d, 91d (or another number of days), month, 6mo, 12mo (or another number of months), year, "
    'all, ["2026-01-01", "2026-01-31"] or two instants such as "2026-01-01T12:00:00+02:00"'
)
V1_PERIODS: Final = "12mo, 6mo, month, 30d, 7d, day, year, custom"
_COUNTED: Final = re.compile(r"([1-9][0-9]{0,3})(d|mo)")


def range_v2(given: object, zone: ZoneInfo, now: datetime) -> Range:
    """The range; of "all", as long as a range may be (`since_first_day` cuts it). Raises Rejected("date_range")."""
    today = now.astimezone(zone).date()
    if isinstance(given, list):
        return _pair(given, zone)
    if not isinstance(given, str):
        raise Rejected("date_range", f"must be one of {V2_FORMS}")
    counted = _COUNTED.fullmatch(given)
    if given == "24h":
        end = hour_start(now, zone) + timedelta(hours=1)
        return Range.of_instants(end - timedelta(hours=24), end, zone)
    if counted and counted[2] == "d":
        return _days(today - timedelta(days=int(counted[1])), today - timedelta(days=1), zone)
    if counted:
        this = today.replace(day=1)
        return _days(_month(this, -int(counted[1])), this - timedelta(days=1), zone)
    if given == ALL:
        return _days(_years_before(today), today, zone)
    return _days(*_calendar("date_range", given, today, V2_FORMS), zone)


def since_first_day(reader: Reader, site_id: int, span: Range) -> Range:
    """The part of the range from the first day on which anything happened; its last day when nothing did."""
    statement = where(span.days.scope(site_id)).select(
        "toString(min(day)) AS first, sum(events) AS events", Table.HOURLY_VISITORS
    )
    (row,) = reader.query(statement)
    first = date.fromisoformat(row["first"]) if int(row["events"]) else span.days.last
    return Range(Days(max(first, span.days.first), span.days.last, span.days.zone))


def range_v1(period: str, day: str | None, zone: ZoneInfo, now: datetime) -> Range:
    """The range of v1's `period` and `date`. Raises Rejected."""
    if period == "custom":
        parts = [part.strip() for part in (day or "").split(",")]
        if len(parts) != 2:
            raise Rejected("date", "goes with period=custom as two dates: 2026-01-01,2026-01-31")
        return _pair(parts, zone, field="date")
    today = now.astimezone(zone).date()
    if day is not None and day != "today":
        today = parse_days({"period": "day", "date": day}, zone, now).first
    counted = _COUNTED.fullmatch(period)
    if counted and counted[2] == "d":
        return _days(today - timedelta(days=int(counted[1])), today - timedelta(days=1), zone, "period")
    if counted:
        first = _month(today.replace(day=1), 1 - int(counted[1]))
        return _days(first, _month(today.replace(day=1), 1) - timedelta(days=1), zone, "period")
    return _days(*_calendar("period", period, today, V1_PERIODS), zone, "period")


def step_of(span: Range) -> str:
    """What "time" divides a range by: hours up to two days, days up to 40, weeks up to a year, else months."""
    start, end = span.ends
    if end - start <= timedelta(hours=49):
        return "hour"
    days = span.days.count
    return "day" if days <= 40 else "week" if days <= 366 else "month"


def absolute(span: Range) -> list[str]:
    """The first and the last second, with the site's offset."""
    start, end = span.ends
    zone = span.days.zone
    last = end.astimezone(UTC) - timedelta(seconds=1)
    return [at.astimezone(zone).isoformat(timespec="seconds") for at in (start, last)]


def labels(span: Range, step: str, until: datetime | None = None) -> list[str]:
    """Every step's label as answers show it; `until`: none that begins after it."""
    days = [
        day for day in span.days.each_day() if until is None or day <= until.astimezone(span.days.zone).date()
    ]
    match step:
        case "hour":
            start, end = span.ends
            first = hour_start(start, span.days.zone)
            hours = [hour for hour in span.days.each_hour() if first <= hour < end]
            local = [hour.astimezone(span.days.zone) for hour in hours if until is None or hour <= until]
            return [hour.strftime("%Y-%m-%d %H:%M:%S") for hour in local]
        case "week":
            return sorted({monday(day).isoformat() for day in days})
        case "month":
            return sorted({day.replace(day=1).isoformat() for day in days})
    return [day.isoformat() for day in days]


def _pair(given: Sequence[object], zone: ZoneInfo, field: str = "date_range") -> Range:
    if len(given) != 2 or not all(isinstance(part, str) for part in given):
        raise Rejected(field, "must be two dates, or two instants with their offsets")
    first, last = map(str, given)
    if "T" in first or "T" in last:
        start, end = _instant(field, first), _instant(field, last)
        return Range.of_instants(start, end + timedelta(seconds=1), zone)
    try:
        return Range(parse_days({"from": first, "to": last}, zone, datetime(2000, 1, 1, tzinfo=UTC)))
    except Rejected as error:
        end_of = "the first date" if error.field == "from" else "the second date"
        raise Rejected(field, f"{end_of} {error.reason}") from None


def _instant(field: str, text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not FIRST_DAY.year < at.year <= LAST_DAY.year:
        raise Rejected(field, "must be two instants such as 2026-01-01T12:00:00+02:00, each with its offset")
    return at


def _calendar(field: str, name: str, today: date, allowed: str) -> tuple[date, date]:
    if name == "day":
        return today, today
    if name == "month":
        first = today.replace(day=1)
        return first, _month(first, 1) - timedelta(days=1)
    if name == "year":
        return today.replace(month=1, day=1), today.replace(month=12, day=31)
    raise Rejected(field, f"{name[:40]!r} is unknown; must be one of {allowed}")


def _days(first: date, last: date, zone: ZoneInfo, field: str = "date_range") -> Range:
    if first < FIRST_DAY or last > LAST_DAY or (last - first).days > 366 * RANGE_YEARS_MAX:
        raise Rejected(field, f"must lie from {FIRST_DAY} to {LAST_DAY}, {RANGE_YEARS_MAX} years at most")
    return Range(Days(first, last, zone))


def _month(first: date, by: int) -> date:
    months = max(first.year * 12 + first.month - 1 + by, 12)
    return date(months // 12, months % 12 + 1, 1)


def _years_before(day: date) -> date:
    return max(date(day.year - RANGE_YEARS_MAX, day.month, min(day.day, 28)), FIRST_DAY)
