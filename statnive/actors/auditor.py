"""The auditor actor: keeps the record of what an operator must know, and checks the books.

Owns:       `audit.log` (JSON lines, append-only, 0600, rotated by size) and the drift figure.
Inputs:     `report(kind, text, **facts)` from every part: what an operator must know; `record(kind, **fields)`: who did
            what (`audit_record.py` lists the kinds and says how); `sum_up(kind, figures)`: counters whose growth is
            written once an interval. All synchronous, over a memory channel.
Outputs:    lines in audit.log; reports on stderr as well (level by kind); `rollup_drift_rows`.
Invariants: I1 no address, e-mail or secret is written, whatever a caller passes in: what looks like one is replaced;
            I2 a full channel drops the line and counts it: auditing never holds up an event; I3 what strangers can
            cause is written FLOOD_PER_MINUTE times a minute and counted beyond that: nobody fills the disk with it.
Failure:    a failed write of the audit log is reported on stderr and counted; it ends nothing.
Shutdown:   `close()`; the lines that were sent are written, then `run` returns.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio

from statnive.actors.audit_file import AuditFile
from statnive.actors.audit_record import RECORDS, FloodGate, Subjects, one_line
from statnive.config import AuditConfig
from statnive.errors import StatniveError

QUEUE_MAX = 1_000
# A check that could not be made (ClickHouse is down, a block is in doubt) is tried again this soon.
UNCHECKED_AGAIN_S = 30.0
LOG = logging.getLogger("statnive")

# What an operator has to act on is an ERROR, what was unexpected but lost nothing a WARNING.
_LEVELS = {
    "corruption": logging.ERROR,
    "quarantined": logging.ERROR,
    "poison": logging.ERROR,
    "drift": logging.ERROR,
    "bug": logging.ERROR,
    "reader_refused": logging.ERROR,
    "closing_failed": logging.WARNING,
    "reader_user": logging.WARNING,
    "insert_failed": logging.WARNING,
    "erase_failed": logging.WARNING,
    "torn_write": logging.WARNING,
    "drift_unchecked": logging.WARNING,
    "repaired": logging.WARNING,
    "geo_kept": logging.WARNING,
    "geo_missing": logging.WARNING,
    "tls_certificate_kept": logging.ERROR,
}

# Reports that a stranger's connection can bring about, as often as it likes.
CAUSED_BY_STRANGERS = frozenset({"bug", "slow_lane_failed", "accept_paused"})

Value = int | float | str | bool | None


class AuditorHandle:
    """Reports and records go in without waiting; the actor writes them down."""

    def __init__(
        self,
        file: Path,
        config: AuditConfig,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """The key of `subject` stands beside the file. Raises BrokenInput when that is open to others or damaged."""
        self.file = AuditFile(file, config.file_bytes_max, config.files_kept)
        self.config = config
        self.clock = clock
        self._subjects = Subjects(file.with_name("audit.key"))
        self._gate = FloodGate(monotonic)
        self._unlisted: Counter[str] = Counter()
        self._sums: dict[str, Callable[[], Mapping[Any, int]]] = {"unlisted": lambda: self._unlisted}
        self._told: dict[str, dict[Any, int]] = {}
        self._send, self.receive = trio.open_memory_channel[str](QUEUE_MAX)
        self.lines = 0
        self.lines_lost = 0
        self.drift_rows: int | None = None
        self.drift_checked_at = 0.0

    def report(self, kind: str, text: str, **facts: int | float | str) -> None:
        """Say on stderr and in the file what happened. Thread-unsafe: call on the event loop's thread."""
        if kind in CAUSED_BY_STRANGERS and not self._gate.admits(kind):
            self._unlisted[kind] += 1  # keeps I3
            return
        LOG.log(_LEVELS.get(kind, logging.INFO), "%s: %s", kind, one_line(text))
        self._write(kind, {"text": text, **facts})

    def record(self, kind: str, **fields: Value) -> None:
        """Note down who did what, in the file alone; `kind` is one of RECORDS. Thread-unsafe, never waits."""
        assert kind in RECORDS, f"{kind} is no kind of record; see statnive/actors/audit_record.py"
        if RECORDS[kind][1] and not self._gate.admits(kind):
            self._unlisted[kind] += 1  # keeps I3
            return
        self._write(kind, fields)

    def subject(self, name: str) -> str:
        """A person's name or e-mail as it may stand in a record: a hash under a key of this node."""
        return self._subjects.of(name)

    def sum_up(self, kind: str, figures: Callable[[], Mapping[Any, int]]) -> None:
        """From now on write down, once an interval and at the end, by how much these counters have grown."""
        assert kind in RECORDS, f"{kind} is no kind of record; see statnive/actors/audit_record.py"
        self._sums[kind] = figures

    def tell_sums(self) -> None:
        """One line for each kind of counters that have grown since the last time."""
        for kind, figures in self._sums.items():
            told, now = self._told.get(kind, {}), dict(figures())
            grown = {str(name): count - told.get(name, 0) for name, count in now.items()}
            self._told[kind] = now
            if more := {name: count for name, count in grown.items() if count > 0}:
                self._write(kind, more)

    def _write(self, kind: str, fields: Mapping[str, Value]) -> None:
        now = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds")
        clean = {
            name: self._subjects.redact(value) if isinstance(value, str) else value  # keeps I1
            for name, value in fields.items()
        }
        line = json.dumps({"time": now, "kind": kind, **clean}, ensure_ascii=True)
        try:
            self._send.send_nowait(line)
        except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            self.lines_lost += 1  # keeps I2

    def close(self) -> None:
        """No more reports; `run` writes the rest and returns."""
        self._send.close()

    def stats(self) -> dict[str, float]:
        stats: dict[str, float] = {
            "audit_lines_total": self.lines,
            "audit_lines_lost_total": self.lines_lost,
            "audit_lines_unlisted_total": self._unlisted.total(),
            "audit_rotations_total": self.file.rotations,
        }
        if self.drift_rows is not None:
            stats["rollup_drift_rows"] = self.drift_rows
            stats["rollup_drift_checked_timestamp_seconds"] = round(self.drift_checked_at, 3)
        return stats


async def run(
    handle: AuditorHandle,
    measure_drift: Callable[[], int],
    *,
    check_at_once: bool = False,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Write reports until the handle is closed; check the rollups against the raw rows once an interval, and
    `check_at_once` for the first time at the start, which is due after an unclean stop.
    """
    limiter = trio.CapacityLimiter(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_check_drift, handle, measure_drift, check_at_once)
        nursery.start_soon(_tell_sums, handle)
        task_status.started()
        with handle.receive:
            async for line in handle.receive:
                lines = [line]
                while len(lines) < QUEUE_MAX:
                    try:
                        lines.append(handle.receive.receive_nowait())
                    except (trio.WouldBlock, trio.EndOfChannel):
                        break
                try:
                    await trio.to_thread.run_sync(handle.file.append, lines, limiter=limiter)
                    handle.lines += len(lines)
                except OSError as error:
                    handle.lines_lost += len(lines)
                    LOG.error("audit log %s can't be written: %s", handle.file.path, error.strerror)
        nursery.cancel_scope.cancel()


async def _tell_sums(handle: AuditorHandle) -> None:
    while True:
        await trio.sleep(handle.config.sums_interval_s)
        handle.tell_sums()


async def _check_drift(handle: AuditorHandle, measure_drift: Callable[[], int], check_at_once: bool) -> None:
    limiter = trio.CapacityLimiter(1)
    interval_s = handle.config.drift_check_interval_s
    wait_s = 0.0 if check_at_once else interval_s
    why_not = ""
    while True:
        await trio.sleep(wait_s)
        try:
            rows = await trio.to_thread.run_sync(measure_drift, limiter=limiter)
        except StatniveError as error:
            if why_not != str(error):
                why_not = str(error)
                handle.report("drift_unchecked", f"the rollups could not be checked: {error}")
            wait_s = min(UNCHECKED_AGAIN_S, interval_s)
            continue
        wait_s, why_not = interval_s, ""
        handle.drift_rows = rows
        handle.drift_checked_at = handle.clock()
        if rows:
            handle.report(
                "drift",
                f"rollups and raw rows differ by {rows} rows; statnive verify tells more",
                rows=rows,
            )
