"""A site's local day and hour at an instant, exact through DST and half-hour zones, computed at ingest."""

from __future__ import annotations

from datetime import datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

# Every transition of the IANA database since 1972 falls on a quarter of an hour of UTC.
QUANTUM_S = 900
_CACHE_MAX = 4_096


class Moment(NamedTuple):
    """An instant as a site's clock shows it."""

    day: int  # the local date, in days since the epoch
    hour: int  # the UTC instant at which the local hour began, in seconds
    day_age_s: int  # seconds since the local date began, to the quantum


class LocalTime:
    """`at(ts)`: the Moment of an instant in one time zone."""

    __slots__ = ("_cache", "zone")

    def __init__(self, timezone: str) -> None:
        self.zone = ZoneInfo(timezone)
        self._cache: dict[int, Moment] = {}

    def at(self, ts: int) -> Moment:
        quantum = ts // QUANTUM_S
        known = self._cache.get(quantum)
        if known is None:
            known = self._compute(quantum * QUANTUM_S)
            if len(self._cache) >= _CACHE_MAX:
                self._cache.clear()
            self._cache[quantum] = known
        return known

    def _compute(self, ts: int) -> Moment:
        here = datetime.fromtimestamp(ts, self.zone)
        offset = here.utcoffset()
        assert offset is not None, "a ZoneInfo always knows its offset"
        local = ts + int(offset.total_seconds())
        # Not the clock's time of day: where clocks change at midnight a date may begin at one.
        began = int(datetime.combine(here.date(), time(), self.zone).timestamp())
        return Moment(local // 86_400, ts - local % 3_600, ts - began)


class LocalTimes:
    """One LocalTime for each time zone in use; zones are few, so this is bounded by the IANA database."""

    def __init__(self) -> None:
        self._zones: dict[str, LocalTime] = {}

    def of(self, timezone: str) -> LocalTime:
        known = self._zones.get(timezone)
        if known is None:
            known = self._zones[timezone] = LocalTime(timezone)
        return known
