"""Visits without session rows: the table of open visits turns each event into additive deltas.

Owns: the open visits of the last 30 minutes, in order of their last event, bounded.
Invariants: I1 over a visit's rows, visit_start sums to 1 and bounce_delta to 1 (a bounce) or 0 (none);
            I2 duration_delta sums to last event - first event; I3 each page view moves the exit: +1 here, -1
            where it was.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from typing import NamedTuple

from statnive.ingest.referrer import Source


class Visit:
    """One open visit."""

    __slots__ = ("bounces", "interacted", "last_page", "last_ts", "pageviews", "source", "visit_id")

    def __init__(self, visit_id: int, ts: int, source: Source) -> None:
        self.visit_id = visit_id
        self.last_ts = ts
        self.source = source
        self.pageviews = 0
        self.interacted = False
        self.bounces = False
        self.last_page = ""


class Delta(NamedTuple):
    """What one event adds to its visit's sums."""

    visit: Visit
    visit_start: int
    bounce_delta: int
    duration_delta: int
    previous_page: str


class VisitTable:
    """All open visits. Key: the visitor's hash, which the site's salt makes unique to the site."""

    def __init__(self, inactivity_s: int, visits_max: int) -> None:
        self._inactivity_s = inactivity_s
        self._visits_max = visits_max
        self._visits: OrderedDict[bytes, Visit] = OrderedDict()
        self._random = random.Random()  # noqa: S311 - a visit's id is a name, not a secret
        self.evicted_early = 0

    def __len__(self) -> int:
        return len(self._visits)

    def find(self, visitor: bytes, ts: int) -> Visit | None:
        """The visitor's open visit at `ts`, None when there is none or it timed out."""
        visit = self._visits.get(visitor)
        if visit is None or ts - visit.last_ts > self._inactivity_s:
            return None
        return visit

    def rename(self, old: bytes, new: bytes) -> None:
        """A visit goes on across midnight, under the new day's hash."""
        self._visits[new] = self._visits.pop(old)

    def touch(
        self, visitor: bytes, ts: int, *, page: str, is_pageview: bool, interactive: bool, source: Source
    ) -> Delta:
        """Take in one event; `source` counts only when it starts a visit."""
        visits = self._visits
        visit = visits.get(visitor)
        if visit is None or ts - visit.last_ts > self._inactivity_s:
            start, duration, previous_page = 1, 0, ""
            visits.pop(visitor, None)
            visit = visits[visitor] = Visit(self._random.getrandbits(64), ts, source)
        else:
            start, duration, previous_page = 0, max(0, ts - visit.last_ts), visit.last_page
            visits.move_to_end(visitor)
            if ts > visit.last_ts:
                visit.last_ts = ts
        bounce = _bounce(visit, is_pageview, interactive)
        if is_pageview:
            visit.pageviews += 1
            visit.last_page = page
        self._evict(ts)
        return Delta(visit, start, bounce, duration, previous_page)

    def _evict(self, ts: int) -> None:
        """Forget what timed out, two at a time at most, and never hold more than the bound (keeps memory flat)."""
        visits = self._visits
        for _ in range(2):
            oldest = next(iter(visits))
            if ts - visits[oldest].last_ts > self._inactivity_s:
                del visits[oldest]
            elif len(visits) > self._visits_max:
                del visits[oldest]
                self.evicted_early += 1
            else:
                return
            if not visits:
                return


def _bounce(visit: Visit, is_pageview: bool, interactive: bool) -> int:
    """+1 when the visit becomes a bounce (its first page view, nothing else done), -1 when it stops being one."""
    if is_pageview and visit.pageviews == 0 and not visit.interacted:
        visit.bounces = True
        return 1
    if is_pageview or interactive:
        visit.interacted = True
        if visit.bounces:
            visit.bounces = False
            return -1
    return 0
