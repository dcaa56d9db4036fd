"""G: SIGKILL of the node, at random moments under load, and at each Nth write, fdatasync, rename, unlink and mkdir of
log, checkpoint and engine (chaos/enumerate_kills.py, on directories of its own).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence

from chaos.enumerate_kills import Campaign, Outcome, Point
from chaos.rig.clients import Group
from chaos.scenarios.contract import Play, Scenario

CALLS = ("rename", "fdatasync", "write", "unlink", "mkdir", "pwrite64")
MOMENT_S_MAX = 0.6
DOWN_S = 0.05
REST_S = 0.6
SIGKILLED = -9
JOBS = 2


class Sigkill(Scenario):
    """Wherever the node dies, what it acknowledged is there once."""

    letter = "G"
    title = "SIGKILL"
    kinds = ("embedded", "server")
    fatal = True

    def groups(self) -> dict[str, Group]:
        return {"visitors": Group(rate=150, events_per_request=2, timeout_s=2)}

    def faults(self) -> Sequence[str]:
        return [f"SIGKILL {number}" for number in range(1, self.windows.kills + 1)]

    def prepare(self) -> None:
        super().prepare()
        self._moments = random.Random(7)
        self._outcomes: list[Outcome] = []

    def apply(self, fault: str) -> None:
        time.sleep(self._moments.uniform(0, MOMENT_S_MAX))
        self.rig.kill_node()

    def hold(self, seconds: float) -> None:
        time.sleep(DOWN_S)

    def restore(self) -> None:
        self.rig.start_node()

    def rest(self) -> None:
        """Until events are taken again, and a bit longer, so that there is something to lose."""
        self.rest_for(REST_S)

    def judge(self, play: Play) -> Iterator[str]:
        for span in play.spans:
            if span.ended is None or span.ended.code != SIGKILLED:
                yield f"{span.fault}: the node ended with {span.ended and span.ended.code}"
        if self.windows.points:  # the quick matrix leaves them to tests/chaos/test_enumerate_kills.py
            yield from self._enumerate()

    def facts(self, play: Play) -> dict[str, str]:
        killed = [outcome for outcome in self._outcomes if not outcome.unharmed]
        calls = ", ".join(sorted({outcome.point.call for outcome in killed}))
        return {
            "kills at random moments": str(len(play.spans)),
            "kills at system calls": f"{len(killed)} ({calls})" if killed else "none in this run",
        }

    def _enumerate(self) -> Iterator[str]:
        """Kill a node of its own at system call after system call."""
        directory = self.rig.path / "kills"
        directory.mkdir(exist_ok=True)
        with Campaign(directory, jobs=JOBS) as campaign:
            for outcome in campaign.run(self._points(campaign)):
                self._outcomes.append(outcome)
                if not outcome.is_right:
                    told = f"lost {outcome.lost}, doubled {outcome.doubled}, {'; '.join(outcome.wrong)}"
                    yield f"{outcome.point}: {told}"

    def _points(self, campaign: Campaign) -> list[Point]:
        """The calls that a run makes on the data directory, or as many of each kind as the windows allow."""
        found: list[Point] = []
        for call in CALLS:
            points = campaign.points("fresh", call)
            most = min(self.windows.points, len(points))
            found += [points[number * len(points) // most] for number in range(most)]
        return found
