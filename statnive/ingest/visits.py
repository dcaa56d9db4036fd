"""Visits without session rows: the table of open visits turns each event into additive deltas.

Owns:       the open visits of the last 30 minutes, in order of their last event, bounded.
Inputs:     events in the order of the log; at start, the log's last rows.
Outputs:    for each event the columns of its row that rollups sum, and those from which `rebuild` makes the table
            again.
Invariants: I1 over a visit's rows, visit_start sums to 1 and bounce_delta to 1 (a bounce) or 0 (none);
            I2 duration_delta sums to last event - first event; I3 each page view moves the exit: +1 here, -1
            where it was; I4 over the rows of a page view's engagement, scroll_gain sums to the deepest point told and
            scroll_views to 1; I5 the last row of a visit holds all that the table knows of it.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from statnive.event import SCROLL_UNTOLD, Row
from statnive.ingest.referrer import Source

# visit_state: 0-100 how deep the exit page was scrolled, 127 not told; +128 what makes a visit no bounce has happened.
DEPTH_UNTOLD: Final = 127
INTERACTED: Final = 128


class Visit:
    """One open visit."""

    __slots__ = ("day", "depth", "entry", "exit", "hour", "interacted", "last_ts", "source", "visit_id")

    def __init__(self, visit_id: int, ts: int, day: int, hour: int, source: Source) -> None:
        self.visit_id = visit_id
        self.last_ts = ts
        self.day = day  # the local day of the last event
        self.hour = hour  # the local hour of the first event of that day
        self.source = source
        self.entry = ""  # the page of the first page view
        self.exit = ""  # the page of the last one
        self.interacted = False  # a second page view, or an interactive custom event
        self.depth = DEPTH_UNTOLD  # of the exit page


class Delta(NamedTuple):
    """What one event adds to its visit's sums, and what a restart needs: columns of its Row."""

    visit_id: int
    source: Source
    visit_start: int
    bounce_delta: int
    duration_delta: int
    previous_pathname: str
    entry_pathname: str
    visit_hour: int
    visit_state: int
    scroll_gain: int
    scroll_views: int


_make_delta = Delta._make


class VisitTable:
    """All open visits. Key: the visitor's hash, which the site's salt makes unique to the site."""

    def __init__(self, inactivity_s: int, visits_max: int) -> None:
        self._inactivity_s = inactivity_s
        self._visits_max = visits_max
        self._visits: OrderedDict[bytes, Visit] = OrderedDict()
        self._random = random.Random()  # noqa: S311 - a visit's id is a name, not a secret
        self.evicted_early = 0
        self.rebuilt = 0

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
        self,
        visitor: bytes,
        ts: int,
        day: int,
        hour: int,
        page: str,
        is_pageview: bool,
        interactive: bool,
        depth: int,
        source: Source,
    ) -> Delta:
        """Take in one event of the local `day` and `hour`. `depth` is its scroll depth (255 = none told); `source`
        counts only when it starts a visit.
        """
        visits = self._visits
        visit = visits.get(visitor)
        start = duration = bounce = gain = told = 0
        if visit is None or ts - visit.last_ts > self._inactivity_s:
            start = 1
            visits.pop(visitor, None)
            visit = visits[visitor] = Visit(self._random.getrandbits(64), ts, day, hour, source)
        else:
            visits.move_to_end(visitor)
            if ts > visit.last_ts:
                duration = ts - visit.last_ts
                visit.last_ts = ts
            if visit.day != day:
                visit.day, visit.hour = day, hour
        previous = visit.exit
        if is_pageview:
            if not visit.entry:
                visit.entry = page
                bounce = 0 if visit.interacted else 1
            elif not visit.interacted:
                visit.interacted = True
                bounce = -1
            visit.exit = page
            visit.depth = DEPTH_UNTOLD
        elif interactive:
            if not visit.interacted:
                visit.interacted = True
                bounce = -1 if visit.entry else 0
        elif depth != SCROLL_UNTOLD and page == previous:
            gain, told = _deepen(visit, depth)
        if start:  # only then has the table grown
            self._evict(ts)
        entry = visit.entry
        return _make_delta(
            (
                visit.visit_id,
                visit.source,
                start,
                bounce,
                duration,
                previous,
                "" if entry == page else entry,
                0 if visit.hour == hour else visit.hour,
                visit.depth + INTERACTED if visit.interacted else visit.depth,
                gain,
                told,
            )
        )

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

    def rebuild(
        self,
        rows: Iterable[bytes],
        now: int,
        head: Callable[[bytes], tuple[int, bytes]],
        decode: Callable[[bytes], tuple[Any, ...]],
    ) -> int:
        """Fill an empty table from the log's `rows`, oldest first; how many visits are open at `now`.

        Only a visitor's last row is decoded (keeps I5); at most `visits_max` are held, those that did something last.
        `head` gives a row's ts and visitor, `decode` all of it. Rows of imports are of the past, or of visitors that
        nobody is. An old day's hash of a visit that went on across midnight stays until it times out.
        """
        assert not self._visits, "a table that was in use"
        since = now - self._inactivity_s
        latest: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()
        for row in rows:
            ts, visitor = head(row)
            if ts < since:
                continue
            known = latest.pop(visitor, None)
            latest[visitor] = (row, ts if known is None else max(ts, known[1]))
            if len(latest) > self._visits_max:
                latest.popitem(last=False)
        while latest:
            visitor, (row, last_ts) = latest.popitem(last=False)
            self._visits[visitor] = _visit_of(decode(row), last_ts)
        self.rebuilt = len(self._visits)
        return self.rebuilt


def _deepen(visit: Visit, depth: int) -> tuple[int, int]:
    """(scroll_gain, scroll_views) of a depth told for the exit page (keeps I4)."""
    if visit.depth == DEPTH_UNTOLD:
        visit.depth = depth
        return depth, 1
    if depth > visit.depth:
        gain = depth - visit.depth
        visit.depth = depth
        return gain, 0
    return 0, 0


def _visit_of(values: tuple[Any, ...], last_ts: int) -> Visit:
    """The visit as it was after its last row."""
    row = Row._make(values[: len(Row._fields)])
    source = Source(*(getattr(row, name) for name in Source._fields))
    visit = Visit(row.visit_id, last_ts, row.day, row.visit_hour or row.hour, source)
    visit.exit = row.pathname if row.pageviews else row.previous_pathname
    if visit.exit:
        visit.entry = row.entry_pathname or row.pathname
    visit.interacted = row.visit_state >= INTERACTED
    visit.depth = row.visit_state % INTERACTED
    return visit
