"""E: ClickHouse is gone, killed or cut off without a reset, until several segments wait; then it is back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import httpx

from chaos.rig.clients import Group, requests
from chaos.rig.watch import BACKLOG_S, until
from chaos.scenarios.contract import Play, Scenario

KILLED, CUT_OFF = "ClickHouse killed", "ClickHouse cut off"
SEGMENTS_MIN = 3
FILL_S = 120.0


class ClickHouseOutage(Scenario):
    """Events go on being acknowledged, wait in the log, and go in once, fast."""

    letter = "E"
    title = "ClickHouse outage"
    makes_backlog = True

    def groups(self) -> dict[str, Group]:
        if self.windows.judges_pace:
            return {"visitors": Group(rate=250)}
        return {"visitors": Group(rate=400, events_per_request=2)}

    def faults(self) -> Sequence[str]:
        return (KILLED, CUT_OFF)

    def prepare(self) -> None:
        super().prepare()
        self._segments: list[float] = []
        self._ready: list[int] = []

    def apply(self, fault: str) -> None:
        assert self.rig.clickhouse is not None
        if fault == KILLED:
            self.rig.clickhouse.kill()
        else:
            self.rig.cut_clickhouse()

    def hold(self, seconds: float) -> None:
        super().hold(seconds)
        until(self._enough_waits, FILL_S, 0.1)
        self._segments.append(self._waiting())
        self._ready.append(httpx.get(f"{self.rig.url}/readyz", timeout=60).status_code)

    def restore(self) -> None:
        assert self.rig.clickhouse is not None
        self.rig.clickhouse.restore()
        assert self.rig.path_to_clickhouse is not None
        self.rig.path_to_clickhouse.restore()

    def judge(self, play: Play) -> Iterator[str]:
        for span, segments, ready in zip(play.spans, self._segments, self._ready, strict=True):
            if segments < SEGMENTS_MIN:
                yield f"{span.fault}: {segments:.1f} segments waited, too few to show anything"
            if ready != 200:
                yield f"{span.fault}: /readyz answered {ready}, and events could be taken"
        everything = requests(play.all_ledgers())
        missed = [r for r in everything if not r.acknowledged]
        allowed = 0 if self.windows.judges_pace else self.windows.client_loss_max * len(everything)
        if len(missed) > allowed:
            yield f"{len(missed)} requests were not acknowledged, such as with {missed[0].status}"

    def facts(self, play: Play) -> dict[str, str]:
        return {"segments that waited": ", ".join(f"{segments:.1f}" for segments in self._segments)}

    def _enough_waits(self) -> bool:
        figures = self.rig.figures()
        worth_draining = (BACKLOG_S + 1) * self.groups()["visitors"].rate
        return (
            figures is not None
            and (figures["writer_lag_rows"] > worth_draining or not self.windows.judges_pace)
            and self._waiting() >= SEGMENTS_MIN
        )

    def _waiting(self) -> float:
        """Segments' worth of the log that ClickHouse has not got."""
        figures = self.rig.figures()
        if figures is None:
            return 0.0
        mean = figures["wal_payload_bytes_total"] / max(1.0, figures["wal_rows_total"])
        return figures["writer_lag_rows"] * mean / self.rig.segment_bytes
