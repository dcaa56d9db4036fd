"""Every read of the product's tables: the readers' own few threads, and answers kept until the top of the hour.

Owns:       the limiter of the reading threads; the kept answers, bounded in number and bytes.
Inputs:     a site, a key that holds everything that shapes the answer, and the function that reads it.
Outputs:    answers, with the instant through which they are complete and whether they are kept or stale ones.
Invariants: I1 one question is asked of the engine once at a time, however many wait for it; I2 an answer is kept
            until the site's next full hour at most, and no longer than LAGGING_S while the log is behind; I3 what was
            forgotten (import, repair, refresh) is never shown again, though it was being read meanwhile; I4 when the
            engine is down, and then only, an answer of before is given, marked stale.
Failure:    as the function's; Overloaded when too many wait.
Shutdown:   nothing to do: a read in a thread is waited for.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import attrs
import trio

from statnive.clickhouse.client import Client
from statnive.clickhouse.failures import LimitExceeded
from statnive.control.snapshot import Site
from statnive.errors import Overloaded, Retryable
from statnive.query.ranges import hour_start

T = TypeVar("T")
Work = Callable[[Client], T]
ENTRIES_MAX: Final = 5_000
BYTES_MAX: Final = 64 * 1024 * 1024
WAITING_MAX: Final = 100
REFRESH_S: Final = 60
# How long an answer is kept that misses events which are acknowledged and not yet in ClickHouse.
LAGGING_S: Final = 30
LAG_ALLOWED_S: Final = 10


@attrs.frozen
class Read:
    """An answer. `fresh_through`: every event up to then is in it. `kept`: it was not read for this request."""

    value: Any
    fresh_through: datetime
    kept: bool = False
    stale: bool = False


@attrs.define
class _Kept:
    read: Read
    until: float
    generation: int
    size_bytes: int


class Reads:
    """See the module's contract."""

    def __init__(
        self,
        read: Callable[[Work[Any]], Any],
        *,
        threads: int,
        clock: Callable[[], float],
        fresh_through: Callable[[], float],
    ) -> None:
        self._read = read
        self._limiter = trio.CapacityLimiter(threads)
        self._clock = clock
        self._fresh_through = fresh_through
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._bytes = 0
        self._flights: dict[Hashable, trio.Event] = {}
        self._generations: dict[int, int] = {}
        self._refreshed: dict[int, float] = {}
        self._everything = 0
        self.counts = {"asked": 0, "kept": 0, "shared": 0, "stale": 0}

    async def uncached(self, work: Work[T]) -> T:
        """Read now, in one of the reading threads. Cancelling waits for a read that has begun."""
        if self._limiter.statistics().tasks_waiting >= WAITING_MAX:
            raise Overloaded("too many reads are waiting", retry_after_s=2)
        value: T = await trio.to_thread.run_sync(self._read, work, limiter=self._limiter)
        return value

    async def ask(self, site: Site, key: Hashable, work: Work[Any]) -> Read:
        """The kept answer to `key`, or that of `work`. The site's id, time zone, goals and erasures are added."""
        whole = (site.id, site.timezone, site.goals, site.removed, key)
        waited = False
        while True:
            self.counts["asked"] += not waited
            found = self._find(whole, site.id)
            if found is not None:
                self.counts["shared" if waited else "kept"] += 1
                return attrs.evolve(found.read, kept=True)
            flight = self._flights.get(whole)
            if flight is None:
                return await self._fly(site, whole, work)
            waited = True
            await flight.wait()  # keeps I1; a flight that failed is flown again

    def forget(self, site_id: int | None = None) -> None:
        """Answers of a site (None: of all) are not given any more, not even stale."""
        if site_id is None:
            self._everything += 1
        else:
            self._generations[site_id] = self._generations.get(site_id, 0) + 1
        for key in [key for key in self._kept if site_id in (None, key[0])]:  # type: ignore[index]
            self._drop(key)

    def refresh(self, site_id: int) -> int:
        """Forget a site's answers at someone's wish; 0, or in how many seconds that may be done again."""
        wait_s = self._refreshed.get(site_id, -1e9) + REFRESH_S - self._clock()
        if 0 < wait_s <= REFRESH_S:
            return int(wait_s) + 1
        self._refreshed[site_id] = self._clock()
        self.forget(site_id)
        return 0

    def stats(self) -> dict[str, float]:
        """Figures by metric name."""
        return {
            "query_cache_entries": len(self._kept),
            "query_cache_bytes": self._bytes,
            **{f"query_{name}_total": count for name, count in self.counts.items()},
        }

    async def _fly(self, site: Site, key: Hashable, work: Work[Any]) -> Read:
        landed = self._flights[key] = trio.Event()
        generation = self._generation(site.id)
        now, through = self._clock(), self._fresh_through()
        try:
            value = await self.uncached(work)
        except Retryable as error:
            before = self._kept.get(key)  # keeps I4: out of date, but not forgotten
            is_too_much = isinstance(error, LimitExceeded)
            if is_too_much or before is None or before.generation != self._generation(site.id):
                raise
            self.counts["stale"] += 1
            return attrs.evolve(before.read, kept=True, stale=True)
        finally:
            del self._flights[key]
            landed.set()
        read = Read(value, datetime.fromtimestamp(int(through), UTC))
        self._keep(key, _Kept(read, self._until(site, now, through), generation, _size(value)))
        return read

    def _until(self, site: Site, now: float, through: float) -> float:
        """Keeps I2."""
        at = datetime.fromtimestamp(now, UTC)
        top = (hour_start(at, ZoneInfo(site.timezone)) + timedelta(hours=1)).timestamp()
        return min(top, now + LAGGING_S) if now - through > LAG_ALLOWED_S else top

    def _find(self, key: Hashable, site_id: int) -> _Kept | None:
        found = self._kept.get(key)
        if found is None or found.generation != self._generation(site_id) or found.until <= self._clock():
            return None
        self._kept.move_to_end(key)
        return found

    def _keep(self, key: Hashable, entry: _Kept) -> None:
        self._drop(key)
        if entry.size_bytes > BYTES_MAX // 8:
            return
        self._kept[key] = entry
        self._bytes += entry.size_bytes
        while self._bytes > BYTES_MAX or len(self._kept) > ENTRIES_MAX:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        entry = self._kept.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size_bytes

    def _generation(self, site_id: int) -> int:
        """Keeps I3: an answer read before `forget` has another one."""
        return self._generations.get(site_id, 0) + self._everything


def _size(value: Any) -> int:
    """About the bytes that an answer takes: a few times those of its JSON."""
    return 4 * len(value if isinstance(value, str | bytes) else json.dumps(value, default=str))
