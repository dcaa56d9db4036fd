"""F: clock skew. The node's wall clock is stepped +120 s, −120 s, +2 days and back, and drifts, across a site's
midnight; the node has been started while its clock was two days ahead, as before NTP has set it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from chaos.load import Variety
from chaos.rig.clients import Group
from chaos.rig.clock import Clock
from chaos.rig.rig import ZONES
from chaos.rig.watch import until
from chaos.scenarios.contract import Play, Scenario

HOUR_S, DAY_S = 3_600, 86_400
HOLD_S_MIN = 4.0
DRIFT = 0.3  # of a second, each second
INACTIVITY_S = 1_800
# (from which part of the hold on, the offset to the shifted time): midnight passes right after the first step.
STEPS = ((0.0, 0.0), (0.2, 120.0), (0.3, 0.0), (0.4, -120.0), (0.5, 0.0), (0.6, 2.0 * DAY_S), (0.7, 0.0))
DRIFT_FROM = 0.75
STEP_ROWS, STEP_S_MAX = 240, 30.0  # three long steps are still less than the 120 s of the step back


class ClockSkew(Scenario):
    """No key is burnt, LSNs stay dense and in order, visits stay sane."""

    letter = "F"
    title = "clock skew"

    def groups(self) -> dict[str, Group]:
        # Few visitors, so that they come back, and all sites alike, so that the one whose midnight it is has some.
        return {
            "visitors": Group(
                rate=200, variety=Variety(240, user_agents=50, urls=240, sites=24, zipf_exponent=0)
            )
        }

    def prepare(self) -> None:
        rig = self.rig
        self._key = (rig.data_dir / "identity.key").read_bytes()
        if rig.node is not None:
            rig.stop_node()
        # It starts two days ahead of the time, and is put right.
        rig.clock = rig.clock or Clock(rig.path)
        rig.clock.set(2.0 * DAY_S)
        rig.start_node(clock=True)
        rig.clock.set(0.0)

    def apply(self, fault: str) -> None:
        clock = self.rig.clock
        assert clock is not None
        seconds = max(HOLD_S_MIN, self.windows.hold_s)
        now = time.time()
        midnight = round(now / HOUR_S) * HOUR_S  # some site's, less than half an hour away
        hour = midnight // HOUR_S % 24
        # Etc/GMT-5 is five hours ahead of UTC: its midnight is at 19:00 UTC.
        ahead = -hour % 24
        self._site = ZONES.index(f"Etc/GMT{-(ahead if ahead <= 11 else ahead - 24):+d}")
        self._base_s = midnight - 0.1 * seconds - now
        clock.set(self._base_s)

    def hold(self, seconds: float) -> None:
        clock = self.rig.clock
        assert clock is not None
        seconds = max(HOLD_S_MIN, seconds)
        ends = [share for share, _ in STEPS[1:]] + [DRIFT_FROM]
        for (share, offset_s), end in zip(STEPS, ends, strict=True):
            clock.set(self._base_s + offset_s)
            self._stay((end - share) * seconds)
        begin = time.monotonic()
        while (passed := time.monotonic() - begin) < (1 - DRIFT_FROM) * seconds:
            clock.set(self._base_s + DRIFT * passed)
            time.sleep(0.02)

    def _stay(self, seconds: float) -> None:
        """So long, and until the site, one of 24 that are alike, has surely had events at this time."""
        before = self.rows_taken()
        time.sleep(seconds)
        until(lambda: self.rows_taken() >= before + STEP_ROWS, STEP_S_MAX, 0.02)

    def restore(self) -> None:
        if self.rig.clock is not None:
            self.rig.clock.set(0.0)

    def judge(self, play: Play) -> Iterator[str]:
        figures = self.rig.figures()
        assert figures is not None, "a node that runs answers"
        if figures["salts_rotations_total"] or (self.rig.data_dir / "identity.key").read_bytes() != self._key:
            yield "a key that is still needed was burnt: today's visitors are counted anew"
        run = play.ledgers["visitors"][0].header.settings.run
        self._visits = self.rig.sql(_VISITS.format(database=self.rig.database), {"run": run})
        insane = [visit for visit in self._visits if not _sane(visit)]
        if insane:
            yield f"{len(insane)} of {len(self._visits)} visits are not sane, such as {insane[0]}"
        days = self.rig.sql(
            f"SELECT day, count() AS events FROM {self.rig.database}.events_raw "
            "WHERE props['run'] = {run:String} AND site_id = {site:UInt32} GROUP BY day ORDER BY day",
            {"run": run, "site": self._site + 1},
        )
        self._days = [f"{row['day']}: {row['events']}" for row in days]
        if len(days) < 3:
            yield f"the site's events are of {self._days}: its midnight was not crossed"

    def facts(self, play: Play) -> dict[str, str]:
        return {
            "events by local day, of the site whose midnight it was": ", ".join(self._days),
            "visits": str(len(self._visits)),
        }


# Of each visit that the run took part in: what its rows sum to, and between which times they lie.
_VISITS = (
    "SELECT visit_id, count() AS events, sum(visit_start) AS starts, sum(bounce_delta) AS bounces, "
    "sum(duration_delta) AS duration_s, max(ts) - min(ts) AS span_s, uniqExact(site_id) AS sites "
    "FROM {database}.events_raw WHERE visit_id IN "
    "(SELECT visit_id FROM {database}.events_raw WHERE props['run'] = {{run:String}}) GROUP BY visit_id"
)


def _sane(visit: dict[str, int]) -> bool:
    return (
        visit["starts"] == 1
        and visit["sites"] == 1
        and visit["bounces"] in (0, 1)
        and 0 <= visit["duration_s"] <= visit["span_s"]
        and visit["duration_s"] <= INACTIVITY_S * visit["events"]
    )
