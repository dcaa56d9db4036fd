"""C: connection resets. Again and again 20 % of the established connections are reset: at once, in the middle of a
request, in the middle of an answer; those between the node and ClickHouse, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from chaos.rig.clients import Group
from chaos.scenarios.contract import Play, Scenario

SHARE = 0.2
EVERY_S = 0.25
RESETS_MIN = 10
DURING = ("now", "request", "answer")


class ConnectionResets(Scenario):
    """A request is taken whole or not at all, whatever becomes of its connection."""

    letter = "C"
    title = "connection resets"

    def groups(self) -> dict[str, Group]:
        return {"visitors": Group(rate=100, events_per_request=3)}

    def target(self) -> str:
        return f"{self.rig.proxied_url}/api/event"

    def apply(self, fault: str) -> None:
        self._resets = 0
        self._reset(0)

    def hold(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        turn = 0
        while time.monotonic() < end:
            time.sleep(EVERY_S)
            turn += 1
            self._reset(turn)

    def restore(self) -> None:
        """Connections that were to be reset in the middle of what comes next are reset now, and that is the end."""
        for proxy in (self.rig.path_to_node, self.rig.path_to_clickhouse):
            if proxy is not None:
                proxy.restore()

    def judge(self, play: Play) -> Iterator[str]:
        if self._resets < (RESETS_MIN if self.windows.judges_pace else 1):
            yield f"{self._resets} connections were reset: too few to show anything"

    def facts(self, play: Play) -> dict[str, str]:
        assert self.rig.path_to_node is not None
        counters = self.rig.path_to_node.counters()
        return {"connections reset": f"{self._resets} chosen, {counters['resets']} so far on this path"}

    def _reset(self, turn: int) -> None:
        assert self.rig.path_to_node is not None
        during = DURING[turn % len(DURING)]
        self._resets += self.rig.path_to_node.reset(SHARE, during)
        if self.rig.path_to_clickhouse is not None:
            self.rig.path_to_clickhouse.reset(SHARE if turn % 2 else 1.0, during)
