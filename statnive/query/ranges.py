"""What a request asks for: local days from from/to or period/date, the interval, the page of a list.

Days are the site's. An hour is the UTC instant at which the site's local hour began: with half-hour zones and
on the days of a clock change the hours of a day are neither always 24 nor always at minute 0 of UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from statnive.errors import Rejected
from statnive.query.where import Scope, TimeColumn

RANGE_YEARS_MAX: Final = 10
HOURLY_DAYS_MAX: Final = 31
LIMIT_DEFAULT: Final = 10
LIMIT_MAX: Final = 1_000
OFFSET_MAX: Final = 1_000_000
# What a ClickHouse Date and DateTime can hold, with a margin for any zone.
FIRST_DAY: Final = date(1970, 1, 2)
LAST_DAY: Final = date(2105, 12, 30)
PERIODS: Final = ("day", "7d", "28d", "30d", "91d", "month", "6mo", "12mo", "year")
PERIOD_DEFAULT: Final = "30d"
# Every transition of the IANA database since 1972 falls on a quarter of an hour of UTC.
QUANTUM: Final = timedelta(minutes=15)


class Interval(StrEnum):
    """The step of a trend."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@attrs.frozen
class Days:
    """Local days, both ends included, in the site's time zone."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def count(self) -> int:
        return (self.last - self.first).days + 1

    def scope(self, site_id: int) -> Scope:
        """These days of a site, for tables with a `day`."""
        return Scope(site_id, TimeColumn.DAY, self.first, self.last + timedelta(days=1))

    def each_day(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range(self.count)]

    def each_month(self) -> list[date]:
        """The first day of each month that the days touch."""
        return sorted({day.replace(day=1) for day in self.each_day()})

    def each_hour(self) -> list[datetime]:
        """The instant (UTC) at which each local hour began; 23 or 25 of them on the day of a clock change."""
        moment, end = midnight(self.first, self.zone), midnight(self.last + timedelta(days=1), self.zone)
        hours: dict[datetime, None] = {}
        while moment < end:
            hours[hour_start(moment, self.zone)] = None
            moment += QUANTUM
        return list(hours)


@attrs.frozen
class Slice:
    """Which rows of a list."""

    limit: int = LIMIT_DEFAULT
    offset: int = 0


def parse_days(parameters: Mapping[str, str], zone: ZoneInfo, now: datetime) -> Days:
    """The days that from/to, or period and date, name. Raises Rejected with the field and what is allowed."""
    today = now.astimezone(zone).date()
    if "from" in parameters or "to" in parameters:
        for other in ("period", "date"):
            if other in parameters:
                raise Rejected(other, "can't be given together with from and to")
        for field in ("from", "to"):
            if field not in parameters:
                raise Rejected(field, "is missing: from and to go together, as YYYY-MM-DD")
        first, last = _date("from", parameters["from"]), _date("to", parameters["to"])
        if last < first:
            raise Rejected("to", f"is before from ({first.isoformat()})")
        if last >= _years_later(first):
            raise Rejected("to", f"is too long after from: a range has at most {RANGE_YEARS_MAX} years")
        return Days(first, last, zone)
    day = _date("date", parameters["date"]) if "date" in parameters else today
    first, last = _period(parameters.get("period", PERIOD_DEFAULT), day)
    return Days(first, last, zone)


def parse_interval(parameters: Mapping[str, str], days: Days) -> Interval:
    """The trend's step: hours for one day, else days, unless `interval` says otherwise. Raises Rejected."""
    text = parameters.get("interval")
    if text is None:
        return Interval.HOUR if days.count == 1 else Interval.DAY
    try:
        interval = Interval(text)
    except ValueError:
        raise Rejected("interval", f"must be one of {', '.join(Interval)}") from None
    if interval is Interval.HOUR and days.count > HOURLY_DAYS_MAX:
        raise Rejected("interval", f"hour is for at most {HOURLY_DAYS_MAX} days, these are {days.count}")
    return interval


def parse_slice(parameters: Mapping[str, str]) -> Slice:
    """limit and offset. Raises Rejected."""
    return Slice(
        limit=whole("limit", parameters.get("limit"), LIMIT_DEFAULT, 1, LIMIT_MAX),
        offset=whole("offset", parameters.get("offset"), 0, 0, OFFSET_MAX),
    )


def hour_start(moment: datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which the local hour of `moment` began; what ingest puts into `hour`."""
    local = moment.astimezone(zone)
    past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return local.astimezone(UTC) - past


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which the local day begins, also where the clock change skips or repeats 00:00."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _period(period: str, day: date) -> tuple[date, date]:
    match period:
        case "day":
            return day, day
        case "7d" | "28d" | "30d" | "91d":
            first = day - timedelta(days=int(period.removesuffix("d")) - 1)
        case "month":
            first = day.replace(day=1)
            day = _month_end(day)
        case "6mo" | "12mo":
            # The calendar months up to and including that of the date.
            months = day.year * 12 + day.month - int(period.removesuffix("mo"))
            first = date(months // 12, months % 12 + 1, 1)
            day = _month_end(day)
        case "year":
            first, day = day.replace(month=1, day=1), day.replace(month=12, day=31)
        case _:
            raise Rejected("period", f"must be one of {', '.join(PERIODS)}")
    return max(first, FIRST_DAY), day


def _month_end(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _years_later(day: date) -> date:
    """The first day that is RANGE_YEARS_MAX years after `day`."""
    try:
        return day.replace(year=day.year + RANGE_YEARS_MAX)
    except ValueError:  # 29 February
        return date(day.year + RANGE_YEARS_MAX, 3, 1)


def _date(field: str, text: str) -> date:
    try:
        # fromisoformat also takes 20260101 and 2026-W01-1.
        day = (
            date.fromisoformat(text) if len(text) == len("YYYY-MM-DD") and text[4] == text[7] == "-" else None
        )
    except ValueError:
        day = None
    if day is None or text[5] == "W" or not FIRST_DAY <= day <= LAST_DAY:
        raise Rejected(field, f"must be a date YYYY-MM-DD from {FIRST_DAY} to {LAST_DAY}")
    return day


def whole(field: str, text: str | None, default: int, least: int, most: int) -> int:
    """A whole number from `least` to `most`. Raises Rejected."""
    if text is None:
        return default
    if not (
        text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most
    ):
        raise Rejected(field, f"must be a whole number from {least} to {most}")
    return int(text)
