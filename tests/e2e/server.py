"""The node of the end-to-end tests: chaos.statnive_node, and events as a browser sends them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from chaos.statnive_node import NO_TLS, StatniveNode, environment, read_clickhouse, statnive

__all__ = ["BROWSER", "NOON_ZONE", "TIMEOUT_S", "Server", "environment", "read_clickhouse", "statnive"]

TIMEOUT_S = 60.0  # of a request: the machine may be busy

BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)


def zone_at_noon(now: datetime) -> str:
    """A time zone in which it is between 12:00 and 13:00: no midnight comes while a test runs."""
    ahead = 12 - now.hour
    return f"Etc/GMT{-ahead:+d}"  # Etc/GMT-5 is five hours ahead of UTC


NOON_ZONE = zone_at_noon(datetime.now(UTC))


class Server(StatniveNode):
    """A node that is sent events one by one."""

    def event(self, *, host: str, path: str = "/", agent: str = BROWSER, **extra: Any) -> httpx.Response:
        """Send one event as a browser would."""
        headers = {"user-agent": agent, "content-type": "text/plain"}
        body = {"n": "pageview", "u": f"https://{host}{path}", **extra}
        return httpx.post(
            f"{self.url}/api/event",
            content=msgspec.json.encode(body), headers=headers, timeout=TIMEOUT_S, verify=NO_TLS,
        )  # fmt: skip
