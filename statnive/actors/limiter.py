"""The limiter actor: how many requests an address and a site may send.

Owns:       one token bucket for each address (or, for mobile carriers, each address and site) and for each site.
Inputs:     `admit_address`, `admit_site`: synchronous calls of the acceptor's lanes, on the same thread.
Outputs:    0, or the seconds to wait. Counters in `stats()`.
Invariants: I1 never more than `keys_max` buckets: when the table is full, newcomers share one overflow bucket;
            I2 a bucket that would be full is forgotten (it carries no information).
Failure:    none of its own.
Shutdown:   `run` ends by cancellation with the acceptor's nursery; nothing is kept.

The buckets are GCRA (the generic cell rate algorithm, ITU-T I.371): one number each, the instant at which the
bucket would be full again, in place of a count and a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from statnive.config import LimiterConfig

EVICT_INTERVAL_S = 5.0
_EVICT_CHUNK = 5_000
_ROUNDING_S = 1e-6


class Bucket:
    """The rate of one kind of bucket."""

    __slots__ = ("burst_s", "interval_s")

    def __init__(self, per_s: float, burst: float) -> None:
        self.interval_s = 1.0 / per_s
        self.burst_s = (burst - 1.0) / per_s

    def wait_s(self, full_in_s: float) -> int:
        """0 when a request fits into a bucket that is full again in `full_in_s`, else whole seconds to wait.

        Half a request of slack: the rounding of float sums must not decide about the last one.
        """
        over_s = full_in_s - self.burst_s
        return math.ceil(over_s - _ROUNDING_S) if over_s > self.interval_s / 2 else 0


class LimiterHandle:
    """Synchronous checks on state that only the event loop's thread touches."""

    def __init__(self, config: LimiterConfig, monotonic: Callable[[], float]) -> None:
        self._config = config
        self._monotonic = monotonic
        self._carriers = frozenset(config.carrier_asns)
        self._address = Bucket(config.address_per_s, config.address_burst)
        self._carrier = Bucket(config.carrier_per_s, config.carrier_burst)
        # One second's worth of burst: a site's cap guards the host, it does not shape traffic.
        self._site = Bucket(config.site_per_s, config.site_per_s)
        self._full_at: dict[bytes | tuple[bytes, int], float] = {}
        self._site_full_at: dict[int, float] = {}
        self.admitted = 0
        self.refused_address = 0
        self.refused_site = 0
        self.overflowed = 0

    def admit_address(self, network: bytes, asn: int) -> int:
        """Before the body is parsed: 0, or seconds to wait. Carriers are judged by site instead, afterwards."""
        if asn in self._carriers:
            return 0
        wait_s = self._take(network, self._address)
        if wait_s:
            self.refused_address += 1
        return wait_s

    def admit_site(self, network: bytes, asn: int, site_id: int) -> int:
        """For each event's site: 0, or seconds to wait."""
        if asn in self._carriers and (wait_s := self._take((network, site_id), self._carrier)):
            self.refused_address += 1
            return wait_s
        now = self._monotonic()
        full_at = self._site_full_at.get(site_id, now)
        if full_at <= now:
            full_at = now
        elif wait_s := self._site.wait_s(full_at - now):
            self.refused_site += 1
            return wait_s
        self._site_full_at[site_id] = full_at + self._site.interval_s
        self.admitted += 1
        return 0

    def _take(self, key: bytes | tuple[bytes, int], bucket: Bucket) -> int:
        now = self._monotonic()
        full_at = self._full_at.get(key)
        if full_at is None:
            if len(self._full_at) >= self._config.keys_max:  # keeps I1
                key, bucket = b"overflow", self._carrier
                self.overflowed += 1
                full_at = self._full_at.get(key, now)
            else:
                full_at = now
        if full_at <= now:
            full_at = now
        elif wait_s := bucket.wait_s(full_at - now):
            return wait_s
        self._full_at[key] = full_at + bucket.interval_s
        return 0

    def idle_keys(self) -> list[bytes | tuple[bytes, int]]:
        """The buckets that are full again."""
        now = self._monotonic()
        return [key for key, full_at in self._full_at.items() if full_at <= now]

    def forget(self, keys: list[bytes | tuple[bytes, int]]) -> None:
        """Drop the buckets of `keys` that are still full (keeps I2)."""
        now = self._monotonic()
        for key in keys:
            if self._full_at.get(key, math.inf) <= now:
                del self._full_at[key]

    def refusals(self) -> dict[str, int]:
        """Requests refused so far, by the limit that refused them."""
        return {"address": self.refused_address, "site": self.refused_site}

    def stats(self) -> dict[str, float]:
        return {
            "limiter_keys": len(self._full_at),
            "limiter_admitted_total": self.admitted,
            "limiter_refused_address_total": self.refused_address,
            "limiter_refused_site_total": self.refused_site,
            "limiter_overflow_total": self.overflowed,
        }


async def run(
    handle: LimiterHandle, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Evict idle buckets for ever, a chunk at a time so that the acceptor is never held up. Cancel to stop."""
    task_status.started()
    while True:
        await trio.sleep(EVICT_INTERVAL_S)
        idle = handle.idle_keys()
        for start in range(0, len(idle), _EVICT_CHUNK):
            handle.forget(idle[start : start + _EVICT_CHUNK])
            await trio.lowlevel.checkpoint()
