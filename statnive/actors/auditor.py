"""The auditor actor: keeps the record of what an operator must know, and checks the books.

Owns:       `audit.log` (JSON lines, append-only, 0600) and the drift figure.
Inputs:     `report(kind, text, **facts)`: synchronous, from every part, over a memory channel.
Outputs:    lines in audit.log and on stderr (level by kind); `rollup_drift_rows`.
Invariants: I1 no address, user agent, salt or e-mail is ever passed in (the callers' duty, and a test's); I2 a full
            channel drops the line and counts it: auditing never holds up an event.
Failure:    a failed write of the audit log is reported on stderr and counted; it ends nothing.
Shutdown:   `close()`; the lines that were sent are written, then `run` returns.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import trio

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
    "insert_failed": logging.WARNING,
    "torn_write": logging.WARNING,
    "drift_unchecked": logging.WARNING,
    "repaired": logging.WARNING,
    "geo_kept": logging.WARNING,
    "geo_missing": logging.WARNING,
}


class AuditorHandle:
    """Reports go in without waiting; the actor writes them down."""

    def __init__(self, file: Path, config: AuditConfig, clock: Callable[[], float]) -> None:
        self.file = file
        self.config = config
        self.clock = clock
        self._send, self.receive = trio.open_memory_channel[str](QUEUE_MAX)
        self.lines = 0
        self.lines_lost = 0
        self.drift_rows: int | None = None
        self.drift_checked_at = 0.0

    def report(self, kind: str, text: str, **facts: int | float | str) -> None:
        """Write one line: when, what kind, what happened. Thread-unsafe: call on the event loop's thread."""
        LOG.log(_LEVELS.get(kind, logging.INFO), "%s: %s", kind, text)
        now = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "kind": kind, "text": text, **facts}, ensure_ascii=True)
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
                    await trio.to_thread.run_sync(_append, handle.file, lines, limiter=limiter)
                    handle.lines += len(lines)
                except OSError as error:
                    handle.lines_lost += len(lines)
                    LOG.error("audit log %s can't be written: %s", handle.file, error.strerror)
        nursery.cancel_scope.cancel()


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


def _append(file: Path, lines: list[str]) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(("\n".join(lines) + "\n").encode("ascii"))
