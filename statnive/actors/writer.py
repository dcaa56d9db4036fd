"""The writer actor: frames from the log into ClickHouse, in blocks, exactly once.

Owns:       the writer's state file (what is done, and the one block that may be in flight) and the insert client.
Inputs:     `notify(durable_lsn)` from the committer; `close()`.
Outputs:    insert blocks; `done_lsn`; log segments given back for recycling.
Invariants: I1 one block at a time, of whole frames, contiguous; I2 a block's LSN range, row count and token are on
            disk before its first attempt, so that every retry and replay sends the same bytes under the same token;
            I3 done_lsn moves only after the insert succeeded (embedded: and reached the disk), and is durable before
            a segment is given back; I4 nothing is held in memory beyond one block.
Failure:    Retryable: the same block again, for ever, with capped backoff and jitter. PoisonBlock: bisected, the bad
            rows kept in a quarantine file and reported. Anything else ends the process.
Shutdown:   `close()`; what is durable is inserted, bounded by the node's drain deadline, then `run` returns. What
            could not be inserted stays in the log for the next start.
Cancelled:  an insert in flight is finished first; the state file then still names the block.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import trio

from statnive.clickhouse.rows import row_day
from statnive.config import WriterConfig
from statnive.errors import PoisonBlock, Retryable
from statnive.event import ROW_SCHEMA_VERSION
from statnive.wal.frame import Frame
from statnive.wal.log import Log
from statnive.wal.state import Block, StateFile, WriterState

QUARANTINE_DIR = "quarantine"
T = TypeVar("T")
_EPOCH = date(1970, 1, 1)


class BlockSink(Protocol):
    """Where blocks go: a ClickHouse server, the embedded engine, or a fake with the same contract."""

    def insert_block(self, payload: bytes, *, rows: int, token: str) -> None:
        """Insert all rows or raise Retryable or PoisonBlock; the same token never counts twice."""

    def flush_to_disk(self) -> None:
        """Return once everything inserted would survive a power cut."""


class WriterHandle:
    """The writer's inputs and counters; methods are synchronous."""

    def __init__(
        self,
        log: Log,
        state_file: StateFile,
        state: WriterState | None,
        config: WriterConfig,
        data_dir: Path,
        *,
        keep_s: float,
        clock: Callable[[], float],
        report: Callable[[str, str], None],
    ) -> None:
        self.log = log
        self.state_file = state_file
        self.config = config
        self.quarantine_dir = data_dir / QUARANTINE_DIR
        self.keep_s = keep_s
        self.clock = clock
        self.report = report  # (kind, text): something an operator must know
        self.state = state or WriterState(log.log_id, 0)
        if self.state.log_id != log.log_id:
            # A log made anew (its segments were removed) counts on from the old one's LSNs, under a new id. A block
            # that was in flight can't be sent again: its rows went with the old log.
            report(
                "corruption",
                f"the log is a new one; {self.state.block or 'no block'} was in flight when the old went",
            )
            self.state = WriterState(log.log_id, self.state.seen_lsn)
        self.durable_lsn = log.durable_lsn
        self.wake = trio.Event()
        self.progress = trio.Event()  # replaced at each step forward
        self.closed = False
        self.blocks = 0
        self.retries = 0
        self.quarantined = 0
        self.insert_s_sum = 0.0
        self.last_insert_at = 0.0
        self.last_error = ""

    @property
    def done_lsn(self) -> int:
        return self.state.done_lsn

    @property
    def lag_rows(self) -> int:
        return max(0, self.durable_lsn - self.done_lsn)

    def notify(self, durable_lsn: int) -> None:
        """Frames up to `durable_lsn` may be read."""
        self.durable_lsn = durable_lsn
        self.wake.set()

    def close(self) -> None:
        """No more frames will come; `run` inserts the rest and returns."""
        self.closed = True
        self.wake.set()

    async def wait_inserted(self, lsn: int) -> None:
        """Return once every row up to `lsn` is in ClickHouse. Cancelling gives up the wait only."""
        while self.done_lsn < lsn:
            await self.progress.wait()

    def stats(self) -> dict[str, float]:
        return {
            "writer_blocks_total": self.blocks,
            "writer_retries_total": self.retries,
            "writer_quarantined_rows_total": self.quarantined,
            "writer_insert_seconds_total": round(self.insert_s_sum, 6),
            "writer_done_lsn": self.done_lsn,
            "writer_lag_rows": self.lag_rows,
            "writer_last_insert_timestamp_seconds": round(self.last_insert_at, 3),
        }


async def run(
    handle: WriterHandle, sink: BlockSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Insert blocks until the handle is closed and everything durable is in ClickHouse."""
    writer = _Writer(handle, sink)
    task_status.started()
    await writer.finish_block_of_last_run()
    while True:
        await handle.wake.wait()
        if handle.lag_rows == 0:
            if handle.closed:
                return
            handle.wake = trio.Event()
            continue
        await writer.pace()
        await writer.next_block()


class _Writer:
    def __init__(self, handle: WriterHandle, sink: BlockSink) -> None:
        self._handle = handle
        self._sink = sink
        self._limiter = trio.CapacityLimiter(1)
        self._last_block_at = float("-inf")

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """One hop; never abandoned, so that a write is never left half known."""
        return await trio.to_thread.run_sync(call, limiter=self._limiter)

    async def pace(self) -> None:
        """About one block a second, sooner when a whole block is waiting or the node is draining."""
        config = self._handle.config
        due_at = self._last_block_at + config.block_interval_ms / 1_000
        while not self._handle.closed and self._handle.lag_rows < config.block_rows_max:
            rest_s = due_at - trio.current_time()
            if rest_s <= 0:
                return
            await trio.sleep(min(rest_s, 0.1))

    async def finish_block_of_last_run(self) -> None:
        """A block recorded but not done: same frames, same token (keeps I2 across a crash)."""
        block = self._handle.state.block
        if block is not None:
            frames = await self._in_thread(partial(self._read_exactly, block))
            await self._insert(block, frames)

    async def next_block(self) -> None:
        """Read, record, insert and mark done one block (keeps I1)."""
        handle = self._handle
        read = partial(
            handle.log.read,
            handle.done_lsn + 1,
            rows_max=handle.config.block_rows_max,
            bytes_max=handle.config.block_bytes_max,
        )
        frames = _one_schema(await self._in_thread(read))
        assert frames, "rows are durable but no frame holds them"
        first, last = frames[0].first_lsn, frames[-1].last_lsn
        rows = sum(len(frame.lengths) for frame in frames)
        partitions = await self._in_thread(partial(_partitions, frames))
        block = Block(first, last, rows, f"{handle.log.log_id:016x}-{first}-{last}", partitions)
        state = WriterState(handle.log.log_id, handle.done_lsn, block)
        await self._in_thread(partial(handle.state_file.save, state))
        handle.state = state
        await self._insert(block, frames)

    async def _insert(self, block: Block, frames: list[Frame]) -> None:
        handle = self._handle
        self._last_block_at = trio.current_time()
        payload = b"".join(frame.payload for frame in frames)
        try:
            await self._until_inserted(payload, block.rows, block.token)
        except PoisonBlock as poison:
            handle.report("poison", f"ClickHouse refuses rows of block {block.token}: {poison}")
            rows = [row for frame in frames for row in frame.rows()]
            await self._bisect(rows, block.first_lsn, block.token)
        await self._in_thread(self._sink.flush_to_disk)
        state = WriterState(handle.log.log_id, block.last_lsn, None)
        await self._in_thread(partial(handle.state_file.save, state))
        handle.state = state
        handle.blocks += 1
        handle.last_insert_at = handle.clock()
        progress, handle.progress = handle.progress, trio.Event()
        progress.set()
        keep_since_us = int((handle.clock() - handle.keep_s) * 1_000_000)
        await self._in_thread(partial(handle.log.trim, block.last_lsn, keep_since_us=keep_since_us))

    async def _until_inserted(self, payload: bytes, rows: int, token: str) -> None:
        """The same bytes under the same token until ClickHouse has them; raises PoisonBlock only."""
        handle = self._handle
        delay_s = handle.config.retry_first_ms / 1_000
        while True:
            started = trio.current_time()
            try:
                await self._in_thread(partial(self._sink.insert_block, payload, rows=rows, token=token))
            except Retryable as error:
                handle.retries += 1
                if handle.last_error != str(error):
                    handle.last_error = str(error)
                    handle.report("insert_failed", f"block {token} is retried: {error}")
                await trio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                delay_s = min(delay_s * 2, handle.config.retry_max_ms / 1_000)
            else:
                if handle.last_error:
                    handle.report("insert_recovered", f"block {token} is in")
                    handle.last_error = ""
                handle.insert_s_sum += trio.current_time() - started
                return

    async def _bisect(self, rows: list[bytes], first_lsn: int, token: str) -> None:
        """Halve until the rows that ClickHouse refuses stand alone; those go into a file, the others in."""
        part_token = f"{token}/{first_lsn}+{len(rows)}"
        try:
            await self._until_inserted(b"".join(rows), len(rows), part_token)
        except PoisonBlock as poison:
            if len(rows) == 1:
                await self._in_thread(partial(self._quarantine, first_lsn, rows[0], str(poison)))
                return
            middle = len(rows) // 2
            await self._bisect(rows[:middle], first_lsn, token)
            await self._bisect(rows[middle:], first_lsn + middle, token)

    def _quarantine(self, lsn: int, row: bytes, why: str) -> None:
        handle = self._handle
        handle.quarantine_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = handle.quarantine_dir / f"{handle.log.log_id:016x}-{lsn}.v{ROW_SCHEMA_VERSION}.msgpack"
        path.write_bytes(row)
        path.chmod(0o600)
        handle.quarantined += 1
        handle.report("quarantined", f"row {lsn} is set aside in {path}: {why}")

    def _read_exactly(self, block: Block) -> list[Frame]:
        """The frames of a recorded block; its composition is fixed (keeps I2)."""
        frames: list[Frame] = []
        at = block.first_lsn
        while at <= block.last_lsn:
            more = self._handle.log.read(
                at, rows_max=block.last_lsn - at + 1, bytes_max=self._handle.config.block_bytes_max
            )
            assert more, f"the log no longer holds row {at} of the recorded block {block.token}"
            frames += more
            at = frames[-1].last_lsn + 1
        assert frames[-1].last_lsn == block.last_lsn, f"block {block.token} does not end with a frame"
        return frames


def _partitions(frames: list[Frame]) -> dict[int, int]:
    """Rows by local month (yyyymm): what a count in ClickHouse must find."""
    days: Counter[int] = Counter()
    for frame in frames:
        days.update(map(row_day, frame.rows()))
    months: Counter[int] = Counter()
    for day, rows in days.items():
        local = _EPOCH + timedelta(days=day)
        months[local.year * 100 + local.month] += rows
    return dict(months)


def _one_schema(frames: list[Frame]) -> list[Frame]:
    """A block holds rows of one schema version, so that one column list fits all of them."""
    version = frames[0].schema_version if frames else 0
    for index, frame in enumerate(frames):
        if frame.schema_version != version:
            return frames[:index]
    return frames
