"""H: the disk is full, while frames are appended, while a segment is begun, while the checkpoint is written; then it
has room again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaos.rig.clients import Group, requests
from chaos.rig.watch import until
from chaos.scenarios.contract import DEATH_S, Play, Scenario, fatal_end

APPENDING, ROTATING, CHECKPOINTING = "full while appending", "full while rotating", "full while checkpointing"
BITE_S = 60.0


class DiskFull(Scenario):
    """What can't be made durable is refused, or ends the node; what was acknowledged is there."""

    letter = "H"
    title = "disk full"
    fatal = True

    def groups(self) -> dict[str, Group]:
        return {"visitors": Group(rate=250, timeout_s=2)}

    def faults(self) -> Sequence[str]:
        if self.windows.every_fault:
            return (APPENDING, ROTATING, CHECKPOINTING)
        return (APPENDING, CHECKPOINTING)

    def prepare(self) -> None:
        super().prepare()
        self._bit: dict[str, str] = {}

    def apply(self, fault: str) -> None:
        assert self.rig.clickhouse is not None
        self._fault = fault
        self._refused_before = self._refused()
        if fault != CHECKPOINTING:
            self.rig.clickhouse.kill()  # nothing is inserted, so nothing is checkpointed
        self.rig.disk.fill(self.rig.segment_bytes // 2 if fault == ROTATING else 0)

    def hold(self, seconds: float) -> None:
        """Until the node refuses or has ended."""
        if self._fault == CHECKPOINTING:
            self.rig.wait_node(DEATH_S)
            return
        if until(self._refuses, BITE_S, 0.05) and self.rig.node is not None:
            self._bit[self._fault] = "refused with 503"
            super().hold(seconds / 2)

    def restore(self) -> None:
        self.rig.disk.free()
        if self.rig.clickhouse is not None:
            self.rig.clickhouse.restore()
        self.rig.start_node()

    def judge(self, play: Play) -> Iterator[str]:
        for span in play.spans:
            if span.ended is not None:
                self._bit[span.fault] = f"ended with {span.ended.code}"
                yield from fatal_end(span, self.windows)
            elif span.fault == CHECKPOINTING:
                yield "a checkpoint that can't be written did not end the node"
            if span.fault not in self._bit:
                yield f"{span.fault}: nothing was refused and nothing ended: the disk was not full"
        odd = {r.status for r in requests(play.all_ledgers())} - {0, 202, 503}
        if odd:
            yield f"clients got {odd} in place of 202 or 503"

    def facts(self, play: Play) -> dict[str, str]:
        return dict(self._bit)

    def _refuses(self) -> bool:
        self.rig.reap()
        return self.rig.node is None or self._refused() > self._refused_before

    def _refused(self) -> float:
        figures = self.rig.figures()
        return figures["wal_refused_total"] if figures else 0.0
