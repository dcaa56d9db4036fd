"""How long acknowledged requests waited, from the reading of a request to its answer.

Owns:       one histogram since the start, and what it was a few minutes ago.
Inputs:     `add`, for a chunk of answers at a time: a batch's requests were read in a few rounds of the reactor, so
            that there are far fewer times than requests.
Outputs:    `stats` and `buckets`, for the metrics and the operator's page.
Failure:    none.

Not in it: the time before the kernel's bytes were read (`acceptor_queue_seconds` has that), and the way to the client.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

# Upper bounds, in seconds; fine where a commit every tenth of a second puts most of them.
BOUNDS_S: Final = tuple(
    ms / 1_000
    for ms in (
        1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 175, 200, 250, 300,
        400, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000,
    )
)  # fmt: skip
RECENT_S: Final = 300.0
_STEP_S: Final = 60.0


class AckTimes:
    """See the module's contract. `clock`: the monotonic one that the requests' times are of, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._counts = [0] * (len(BOUNDS_S) + 1)  # the last one: above every bound
        self._sum_s = 0.0
        # (when, the counts before what came then): one a minute at most, and only where something came.
        self._before: deque[tuple[float, list[int]]] = deque(maxlen=int(RECENT_S / _STEP_S) + 1)

    def add(self, asked: Sequence[float]) -> None:
        """Answers that were just given: when each request was read, the first one first."""
        now = self.clock()
        if not self._before or now - self._before[-1][0] >= _STEP_S:
            self._before.append((now, self._counts.copy()))
        start = 0
        while start < len(asked):  # once for each time, not for each request
            waited_s = now - asked[start]
            end = bisect_right(asked, asked[start], start)
            self._counts[bisect_left(BOUNDS_S, waited_s)] += end - start
            self._sum_s += waited_s * (end - start)
            start = end

    def recent(self) -> list[int]:
        """The counts of the last five to six minutes, by bucket."""
        since = self.clock() - RECENT_S - _STEP_S
        for at, counts in self._before:
            if at >= since:
                return [now - before for now, before in zip(self._counts, counts, strict=True)]
        return [0] * len(self._counts)

    def stats(self) -> dict[str, float]:
        """Figures by metric name; the quantiles are 0 when nothing came in the last minutes."""
        recent = self.recent()
        return {
            "ack_seconds_sum": round(self._sum_s, 6),
            "ack_seconds_count": sum(self._counts),
            "ack_recent_requests": sum(recent),
            "ack_recent_seconds_p50": quantile(recent, 0.5),
            "ack_recent_seconds_p99": quantile(recent, 0.99),
        }

    def buckets(self) -> list[tuple[str, int]]:
        """Each bound as text and how many requests waited that long at most, as Prometheus wants them."""
        texts = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
        return list(zip(texts, accumulate(self._counts), strict=True))


def quantile(counts: list[int], share: float) -> float:
    """The time that `share` of the requests waited at most, in seconds: within its bucket by a straight line. 0.0 for
    no request; of those above the last bound only that is known.
    """
    wanted = share * sum(counts)
    below = 0
    for lower, upper, count in zip((0.0, *BOUNDS_S), (*BOUNDS_S, BOUNDS_S[-1]), counts, strict=True):
        if count and below + count >= wanted:
            return round(lower + (upper - lower) * (wanted - below) / count, 6)
        below += count
    return 0.0
