"""I: the disk says no. fdatasync, write and rename, the engine's too, fail with EIO (strace on the running node); and
the real thing, an ext4 file system whose device has no room left, so that the kernel itself reports the error, and
only once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaos.rig.clients import Group
from chaos.rig.disks import Ext4
from chaos.rig.tracer import Injection
from chaos.rig.watch import until
from chaos.scenarios.contract import DEATH_S, Play, Scenario, fatal_end
from statnive.wal.state import STATE_NAME

FDATASYNC, WRITE, CHECKPOINT = "fdatasync fails", "write fails", "the checkpoint's rename fails"
RENAME, ONE_RENAME, DEVICE = "every rename fails", "one rename fails", "the device fails"
INJECTED = {
    FDATASYNC: ("fdatasync", "error=EIO:when=1+"),
    WRITE: ("pwrite64", "error=EIO:when=1+"),
    CHECKPOINT: ("rename", "error=EIO:when=1+"),
    RENAME: ("rename", "error=EIO:when=1+"),
    ONE_RENAME: ("rename", "error=EIO:when=3"),
}
BITE_S = 60.0
# RENAME may: the first rename to fail is the engine's, which is tried again, or the log's, which is final.
MUST_END = (FDATASYNC, WRITE, CHECKPOINT, DEVICE)
# A device without room fails the first flush of a block that the file has not had before: that may take a while.
AT_ONCE = (FDATASYNC, WRITE, CHECKPOINT)


class IoErrors(Scenario):
    """Nothing is acknowledged after a failed write or flush, and the node ends; what was acknowledged is there."""

    letter = "I"
    title = "I/O errors"
    kinds = ("embedded",)
    fatal = True

    def groups(self) -> dict[str, Group]:
        return {"visitors": Group(rate=150, timeout_s=2)}

    def faults(self) -> Sequence[str]:
        if self.windows.every_fault:
            return (FDATASYNC, WRITE, CHECKPOINT, RENAME, ONE_RENAME, DEVICE)
        return (FDATASYNC, ONE_RENAME, DEVICE)

    def prepare(self) -> None:
        super().prepare()
        self._injection: Injection | None = None
        self._hits: dict[str, int] = {}

    def apply(self, fault: str) -> None:
        assert self.rig.node is not None
        self._fault = fault
        if fault == DEVICE:
            assert self.rig.backing is not None
            self.rig.backing.fill()
            return
        call, what = INJECTED[fault]
        log = self.rig.path / f"strace-{call}-{len(self._hits)}.log"
        path = self.rig.data_dir / "wal" / f"{STATE_NAME}.tmp" if fault == CHECKPOINT else None
        self._injection = Injection(self.rig.home, self.rig.node.pid, [call], what, log, path=path)

    def hold(self, seconds: float) -> None:
        injection = self._injection
        if injection is not None:
            until(lambda: injection.hits() > 0, BITE_S)
            if self._fault not in MUST_END:
                self.rig.wait_node(seconds)
            injection.end()
            self._hits[self._fault] = injection.hits()
            self._injection = None
            if self._fault not in MUST_END:
                self._await_outcome()
        if self._fault in MUST_END:
            self.rig.wait_node(DEATH_S)

    def _await_outcome(self) -> None:
        """Until the node commits events again, or has ended: on a busy machine its end takes a while to come."""
        before = self._committed()

        def known() -> bool:
            node = self.rig.node
            return node is None or not node.running or self._committed() > before

        until(known, DEATH_S, 0.1)

    def _committed(self) -> float:
        figures = self.rig.figures() if self.rig.node is not None else None
        return figures["wal_rows_total"] if figures is not None else float("-inf")

    def restore(self) -> None:
        if getattr(self, "_injection", None) is not None:
            self._injection.end()  # type: ignore[union-attr]
            self._injection = None
        if self.rig.backing is not None:
            self.rig.backing.free()
        self.rig.reap()
        if isinstance(self.rig.disk, Ext4):
            if self.rig.node is not None and self.rig.disk.is_read_only:
                self.rig.kill_node()  # it should have ended by itself, and is judged for that
            if self.rig.node is None:
                self.rig.disk.repair()
        self.rig.start_node()

    def ends_at_once(self, fault: str) -> bool:
        return fault in AT_ONCE

    def judge(self, play: Play) -> Iterator[str]:
        for span in play.spans:
            if span.fault in MUST_END or span.ended is not None:
                yield from fatal_end(span, self.windows, at_once=self.ends_at_once(span.fault))
            if span.fault != DEVICE and not self._hits.get(span.fault):
                yield f"{span.fault}: no call was tampered with"

    def facts(self, play: Play) -> dict[str, str]:
        return {
            span.fault: f"ended with {span.ended.code}" if span.ended else "went on" for span in play.spans
        }
