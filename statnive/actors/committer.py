"""The committer actor: group commit into the write-ahead log.

Owns:       the open batch, and the right to append to the log.
Inputs:     `append(rows, waiter)`, synchronous, from the acceptor's lanes and the importer.
Outputs:    durable batches: waiters through the acks channel, `batch.done` for ASGI requests, and the durable LSN
            to the writer's handle. All of them only after the frame's fdatasync returned.
Invariants: I1 an event is acknowledged only after its frame is durable; I2 LSNs are dense and in append order;
            I3 one thread hop, one write and one fdatasync for a batch; I4 the open batch is bounded: past the bound
            `append` refuses with Overloaded, and nothing of the request is taken.
Failure:    the first failed write or fdatasync is final: every waiter's batch is marked failed, Fatal is raised and
            ends the process; nothing after it is acknowledged.
Shutdown:   `close()`; what was appended is committed, then `run` returns.
Cancelled:  a commit in flight is finished (its thread is never abandoned) but not acknowledged.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable
from typing import Any

import trio

from statnive.config import WalConfig
from statnive.errors import Fatal, Overloaded
from statnive.wal.log import Log

# Frames are never split over segments; the half leaves room for the row table and the rest of a segment.
_FRAME_SHARE = 0.5
BATCH_ROWS_MAX = 50_000
SPARE_CHECK_S = 0.25
_SUFFIX = struct.Struct(">BQBQ")
_UINT64 = 0xCF  # MessagePack's type byte of an unsigned 64-bit integer


class Batch:
    """Rows that become durable together, and who waits for them."""

    __slots__ = ("done", "failed", "payload_bytes", "rows", "waiters")

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.waiters: list[Any] = []
        self.payload_bytes = 0
        self.done = trio.Event()
        self.failed = False  # an acknowledgement fails closed: `done` alone does not mean durable

    async def wait_durable(self) -> None:
        """Return once the batch is durable; raises Fatal when it never will be. Cancelling gives up the wait only."""
        await self.done.wait()
        if self.failed:
            raise Fatal("the write-ahead log failed; this event was not made durable")


class CommitterHandle:
    """The only way to append. All methods are synchronous and belong to the event loop's thread."""

    def __init__(
        self,
        log: Log,
        config: WalConfig,
        clock: Callable[[], float],
        acks: trio.MemorySendChannel[list[Any]],
        notify_durable: Callable[[int], None],
    ) -> None:
        self.log = log
        self.config = config
        self.clock = clock
        self.acks = acks
        self.notify_durable = notify_durable
        self.closed = False
        self.failed = False
        self._bytes_max = int(config.segment_bytes * _FRAME_SHARE)
        self._next_lsn = log.next_lsn
        self._open = Batch()
        self.wake = trio.Event()  # something was appended, or the handle was closed
        self.full = trio.Event()  # enough for an early commit, or the handle was closed
        self.commits = 0
        self.rows_committed = 0
        self.bytes_committed = 0
        self.refused = 0
        self.rotate_wanted = False
        self.commit_s_sum = 0.0
        self.commit_s_max = 0.0
        self.commit_cpu_s = 0.0
        self.last_commit_at = float("-inf")  # on trio's clock

    def append(self, rows: list[bytes], waiter: Any) -> Batch:
        """Join the open batch. `waiter` (None = none) comes back on the acks channel once the rows are durable.

        Raises Overloaded, taking nothing, when the log is nearly full, the batch is full or the node is closing.
        """
        batch = self._open
        count = len(rows)
        size = (len(rows[0]) if count == 1 else sum(map(len, rows))) + _SUFFIX.size * count
        if self.closed or self.failed:
            raise Overloaded("the node is shutting down", 5)
        if self.log.nearly_full:
            self.refused += 1
            raise Overloaded("the write-ahead log is nearly full; ClickHouse has to catch up first", 10)
        if batch.payload_bytes + size > self._bytes_max or len(batch.rows) + count > BATCH_ROWS_MAX:
            self.refused += 1
            raise Overloaded("too many events are waiting for the disk", 1)
        pack, log_id, lsn = _SUFFIX.pack, self.log.log_id, self._next_lsn
        for row in rows:
            batch.rows.append(row + pack(_UINT64, log_id, _UINT64, lsn))
            lsn += 1
        self._next_lsn = lsn
        batch.payload_bytes += size
        if waiter is not None:
            batch.waiters.append(waiter)
        if not self.wake.is_set():
            self.wake.set()
        if len(batch.rows) >= self.config.commit_rows and not self.full.is_set():
            self.full.set()
        return batch

    def take(self) -> Batch:
        """The open batch, and a new one in its place."""
        batch, self._open = self._open, Batch()
        if not self.closed:
            self.wake, self.full = trio.Event(), trio.Event()
        return batch

    def rotate(self) -> None:
        """Have the log begin a new segment soon: the rows up to now are to leave it (see the eraser)."""
        self.rotate_wanted = True
        self.wake.set()

    @property
    def last_lsn(self) -> int:
        """The LSN of the last row appended, durable or not."""
        return self._next_lsn - 1

    @property
    def waiting_rows(self) -> int:
        return len(self._open.rows)

    def close(self) -> None:
        """No more appends; `run` commits what is open and returns."""
        self.closed = True
        self.wake.set()
        self.full.set()

    def stats(self) -> dict[str, float]:
        return {
            "wal_commits_total": self.commits,
            "wal_rows_total": self.rows_committed,
            "wal_payload_bytes_total": self.bytes_committed,
            "wal_refused_total": self.refused,
            "wal_commit_seconds_total": round(self.commit_s_sum, 6),
            "wal_commit_cpu_seconds_total": round(self.commit_cpu_s, 6),
            "wal_commit_seconds_max": round(self.commit_s_max, 6),
            "wal_waiting_rows": self.waiting_rows,
            "wal_bytes": self.log.bytes_used,
            "wal_bytes_limit": self.log.bytes_limit,
            "wal_segments": self.log.segments,
            "wal_durable_lsn": self.log.durable_lsn,
        }


async def run(
    handle: CommitterHandle, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Commit batches until the handle is closed and drained. Raises Fatal when the log fails."""
    limiter = trio.CapacityLimiter(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_spare, handle)
        task_status.started()
        with handle.acks:
            while True:
                await handle.wake.wait()
                await _gather(handle)
                batch = handle.take()
                if batch.rows:
                    await _commit(handle, batch, limiter)
                elif handle.closed:
                    break
                if handle.rotate_wanted:
                    handle.rotate_wanted = False
                    await trio.to_thread.run_sync(handle.log.rotate, limiter=limiter)
        nursery.cancel_scope.cancel()


async def _keep_spare(handle: CommitterHandle) -> None:
    """Have the next segment zeroed ahead of time, so that a rotation never waits for 64 MiB of zeros."""
    limiter = trio.CapacityLimiter(1)
    while True:
        if handle.log.needs_spare:
            await trio.to_thread.run_sync(handle.log.prepare_spare, limiter=limiter)
        await trio.sleep(SPARE_CHECK_S)


async def _gather(handle: CommitterHandle) -> None:
    """Let the batch fill until it is large or its first event has waited; never too soon after the last."""
    if handle.closed:
        return
    interval_s = handle.config.commit_interval_ms / 1_000
    with trio.move_on_after(interval_s):
        await handle.full.wait()
    if not handle.closed and handle.config.commit_gap_ms:
        since_s = trio.current_time() - handle.last_commit_at
        gap_s = handle.config.commit_gap_ms / 1_000
        if since_s < gap_s:
            await trio.sleep(gap_s - since_s)


def _append(log: Log, rows: list[bytes], commit_time_us: int) -> float:
    """Append in a worker thread; the CPU seconds it took."""
    started = time.thread_time()
    log.append(rows, commit_time_us)
    return time.thread_time() - started


async def _commit(handle: CommitterHandle, batch: Batch, limiter: trio.CapacityLimiter) -> None:
    started = trio.current_time()
    try:
        commit_time_us = int(handle.clock() * 1_000_000)
        cpu_s = await trio.to_thread.run_sync(
            _append, handle.log, batch.rows, commit_time_us, limiter=limiter
        )
    except BaseException:
        # Fatal, or cancelled while the thread finished: either way nobody may be told that this is durable.
        handle.failed = True
        batch.failed = True
        batch.done.set()
        raise
    handle.last_commit_at = trio.current_time()
    took = handle.last_commit_at - started
    handle.commits += 1
    handle.commit_cpu_s += cpu_s
    handle.rows_committed += len(batch.rows)
    handle.bytes_committed += batch.payload_bytes
    handle.commit_s_sum += took
    handle.commit_s_max = max(handle.commit_s_max, took)
    batch.done.set()
    if batch.waiters:
        with contextlib.suppress(trio.BrokenResourceError):  # the acceptor is gone: nobody left to answer
            handle.acks.send_nowait(batch.waiters)
    handle.notify_durable(handle.log.durable_lsn)
