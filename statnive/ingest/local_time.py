"""A site's local day and hour at an instant, exact through DST and half-hour zones, computed at ingest."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

# Every transition of the IANA database since 1972 falls on a quarter of an hour of UTC.
QUANTUM_S = 900
_CACHE_MAX = 4_096


class LocalTime:
    """`at(ts)` → (day, hour): days since the epoch of the local date; the UTC instant at which the local hour began."""

    __slots__ = ("_cache", "zone")

    def __init__(self, timezone: str) -> None:
        self.zone = ZoneInfo(timezone)
        self._cache: dict[int, tuple[int, int]] = {}

    def at(self, ts: int) -> tuple[int, int]:
        quantum = ts // QUANTUM_S
        known = self._cache.get(quantum)
        if known is None:
            known = self._compute(quantum * QUANTUM_S)
            if len(self._cache) >= _CACHE_MAX:
                self._cache.clear()
            self._cache[quantum] = known
        return known

    def _compute(self, ts: int) -> tuple[int, int]:
        offset = datetime.fromtimestamp(ts, self.zone).utcoffset()
        assert offset is not None, "a ZoneInfo always knows its offset"
        local = ts + int(offset.total_seconds())
        return local // 86_400, ts - local % 3_600


class LocalTimes:
    """One LocalTime for each time zone in use; zones are few, so this is bounded by the IANA database."""

    def __init__(self) -> None:
        self._zones: dict[str, LocalTime] = {}

    def of(self, timezone: str) -> LocalTime:
        known = self._zones.get(timezone)
        if known is None:
            known = self._zones[timezone] = LocalTime(timezone)
        return known
