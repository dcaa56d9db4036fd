"""What was not recorded, by reason, with the last ones and the hostnames that no site has: for the operator."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from statnive.event import DropReason


class Drops:
    """Counters and two bounded lists. Holds no address and no user agent."""

    def __init__(self, clock: Callable[[], float], recent_max: int, hosts_max: int) -> None:
        self._clock = clock
        self._hosts_max = hosts_max
        self.by_reason: Counter[DropReason] = Counter()
        self._recent: deque[tuple[float, DropReason, str]] = deque(maxlen=recent_max)
        self._hosts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def count(self, reason: DropReason, detail: str, events: int = 1) -> None:
        self.by_reason[reason] += events
        self._recent.append((self._clock(), reason, detail))

    def unknown_site(self, host: str) -> None:
        """An event for a hostname that no site has: remembered by host, so that the operator can add it."""
        self.count(DropReason.UNKNOWN_SITE, host)
        events, _ = self._hosts.pop(host, (0, 0.0))
        self._hosts[host] = (events + 1, self._clock())
        if len(self._hosts) > self._hosts_max:
            self._hosts.popitem(last=False)

    def forget_host(self, host: str) -> None:
        """The operator has added the host as a site."""
        self._hosts.pop(host, None)

    def report(self) -> dict[str, Any]:
        """The shape of GET /api/operator/drops."""
        hosts = sorted(self._hosts.items(), key=lambda item: -item[1][0])
        return {
            "reasons": [{"reason": str(r), "events": n} for r, n in self.by_reason.most_common()],
            "unknown_sites": [
                {"host": host, "events": events, "last_seen": _iso(seen)} for host, (events, seen) in hosts
            ],
            "recent": [
                {"time": _iso(at), "reason": str(reason), "detail": detail}
                for at, reason, detail in reversed(self._recent)
            ],
        }


def _iso(ts: float) -> str:
    return datetime.fromtimestamp(int(ts), UTC).isoformat()
