"""Congestion: how long a request waits before the fast lane gets to it, and what share to turn away for that.

The kernel hands ready sockets out in turn, so a marker that is itself a ready socket of the epoll set comes by once in
each turn of the whole queue: the time from arming it to seeing it is what a request that became ready just then has
waited. Past the target a share of the requests is refused before the costly part, so that those that are taken are
answered in time; with the queue empty nothing is refused any more.

Refusing costs about a third of serving, so the target is generous: while the queue is short of it, TCP's own
back-pressure makes clients wait and every cycle goes into acknowledgements.
"""

from __future__ import annotations

import os
import random
import select

SHARE_MAX = 0.95


class Congestion:
    """Owns the marker's descriptor. `refuses()` for each request; `seen` and `idle` from the reactor."""

    def __init__(self, epoll: select.epoll, target_s: float) -> None:
        self._epoll = epoll
        self._target_s = target_s
        self._random = random.Random()  # noqa: S311 - a fair share, not a secret
        self.fd = os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        epoll.register(self.fd, 0)
        self._armed_at = -1.0
        self.delay_s = 0.0
        self.share = 0.0
        self.refused = 0

    def busy(self, now: float) -> None:
        """A whole round was ready: there is a queue. Send the marker through it."""
        if self._armed_at < 0:
            self._armed_at = now
            self._epoll.modify(self.fd, select.EPOLLIN | select.EPOLLONESHOT)

    def seen(self, now: float) -> None:
        """The marker came out at the other end."""
        self.delay_s = now - self._armed_at
        self._armed_at = -1.0
        self.share = (
            max(0.0, min(SHARE_MAX, 1.0 - self._target_s / self.delay_s)) if self.delay_s > 0 else 0.0
        )

    def idle(self) -> None:
        """Nothing was ready."""
        self.delay_s = self.share = 0.0

    def refuses(self) -> bool:
        """Whether this request is one of those to turn away."""
        if self.share and self._random.random() < self.share:
            self.refused += 1
            return True
        return False

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)
