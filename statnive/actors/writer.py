"""The writer actor: frames from the log into ClickHouse, in blocks, exactly once.

Owns:       the writer's state file (what is done, and the one block that may be in flight) and the insert client.
Inputs:     `notify(durable_lsn)` from the committer; `close()`.
Outputs:    insert blocks; `done_lsn`; log segments given back for recycling.
Invariants: I1 one block at a time, of whole frames, contiguous; I2 a block's LSN range, row counts and token are on
            disk before its first attempt, and the rows set aside before the first attempt without them, so that
            every retry and replay sends the same rows under the same token; I3 done_lsn moves only after the insert
            succeeded (embedded: and reached the disk), and is durable before a segment is given back; I4 nothing is
            held in memory beyond one block; I5 only the answer to a block's first attempt is believed: after
            anything else, and for all that the log holds where the state file is gone, the block is in doubt, and is
            counted and repaired by `settle_block`; I6 a row that the ledger of erasures says is gone is not inserted
            (again): the eraser changes the ledger between two blocks only (`turn`), so that all attempts with a block
            leave out the same rows.
Failure:    Retryable: the same block again, for ever, with capped backoff and jitter. PoisonBlock: the bad rows are
            found, kept in quarantine files, reported and left out. Anything else ends the process.
Shutdown:   `close()`; what is durable is inserted, bounded by the node's drain deadline, then `run` returns. What
            could not be inserted stays in the log for the next start.
Cancelled:  an insert in flight is finished first; the state file then still names the block.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import attrs
import trio

from statnive.clickhouse.rows import first_day_of, month_of, months_of, row_day, row_site
from statnive.clickhouse.settle import SentBlock
from statnive.config import WriterConfig
from statnive.erasures import Book, LogRows, Nothing
from statnive.errors import Fatal, PoisonBlock, Retryable
from statnive.event import ROW_SCHEMA_VERSION
from statnive.wal.frame import Frame
from statnive.wal.fs import replace_file
from statnive.wal.log import Log
from statnive.wal.state import Block, StateFile, WriterState

QUARANTINE_DIR = "quarantine"
T = TypeVar("T")


class BlockSink(Protocol):
    """Where blocks go: a ClickHouse server, the embedded engine, or a fake with the same contract."""

    def insert_block(self, payload: bytes, *, rows: int, token: str) -> None:
        """Insert a block for the first time, whole. Raises Retryable (nothing is in for sure only if it has
        `ambiguous` = False) or PoisonBlock.
        """

    def settle_block(self, block: SentBlock) -> list[str]:
        """Return when each row of a block that may have been sent is in once, and the rollups fit; what had to be
        repaired, in words. Raises Retryable or PoisonBlock.
        """

    def find_refused(self, rows: Mapping[int, bytes]) -> dict[int, str]:
        """Which rows are refused for ever, by LSN, and why. Inserts nothing. Raises Retryable."""

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
        book: Book | None = None,
    ) -> None:
        self.log = log
        self.book = book or Nothing()
        self.turn = trio.Lock()  # held from the recording of a block to its checkpoint, and by the eraser
        self.state_file = state_file
        self.config = config
        self.quarantine_dir = data_dir / QUARANTINE_DIR
        self.quarantine_files = {path.name for path in self.quarantine_dir.glob("*.msgpack")}
        self.keep_s = keep_s
        self.clock = clock
        self.report = report  # (kind, text): something an operator must know
        self.state = state or WriterState(log.log_id, 0)
        # Without a state nobody knows which of the log's rows are in ClickHouse: each of their blocks is in doubt.
        self.doubted_lsn = 0 if state is not None else log.durable_lsn
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
        self.left_out = 0
        self.settled = 0
        self.repairs = 0
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
            "writer_left_out_rows_total": self.left_out,
            "writer_quarantine_rows": len(self.quarantine_files),
            "writer_blocks_settled_total": self.settled,
            "writer_repairs_total": self.repairs,
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
    handle.turn.acquire_nowait()  # before anybody else has a chance
    task_status.started()
    await writer.finish_block_of_last_run()
    handle.turn.release()  # not after an error: then a block may be half done
    while True:
        await handle.wake.wait()
        if handle.lag_rows == 0:
            if handle.closed:
                return
            handle.wake = trio.Event()
            continue
        await writer.pace()
        try:
            handle.turn.acquire_nowait()
        except trio.WouldBlock:
            await handle.turn.acquire()
        await writer.next_block()
        handle.turn.release()


@attrs.frozen
class _Taken:
    """A block's frames, and the LSNs of those of its rows that are erased (keeps I6)."""

    frames: list[Frame]
    left_out: frozenset[int]

    def rows(self, set_aside: tuple[int, ...] = ()) -> dict[int, bytes]:
        """The rows to be inserted, by LSN."""
        out = self.left_out.union(set_aside)
        return {
            lsn: row
            for frame in self.frames
            for lsn, row in enumerate(frame.rows(), frame.first_lsn)
            if lsn not in out
        }


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
        """A block recorded but not done: the same rows, and nobody knows how far it went (keeps I2 and I5)."""
        block = self._handle.state.block
        if block is not None:
            frames = await self._in_thread(partial(self._read_again, block))
            taken = await self._take(frames)
            await self._insert(block, taken, in_doubt=True)

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
        await self._save(WriterState(handle.log.log_id, handle.done_lsn, block))
        taken = await self._take(frames)
        if taken.left_out:
            handle.left_out += len(taken.left_out)
            gone = LogRows(handle.log.log_id, first, last, len(taken.left_out))
            await self._in_thread(lambda: handle.book.change(lambda ledger: ledger.leave_out(gone)))
        await self._insert(block, taken, in_doubt=first <= handle.doubted_lsn)

    async def _take(self, frames: list[Frame]) -> _Taken:
        """Keeps I6."""
        if not self._handle.book.ledger.has_erased or not frames:
            return _Taken(frames, frozenset())
        return _Taken(frames, await self._in_thread(partial(self._left_out, frames)))

    def _left_out(self, frames: list[Frame]) -> frozenset[int]:
        """Live events are of today, so that nearly always a look at the oldest day is enough."""
        ledger, log_id = self._handle.book.ledger, self._handle.log.log_id
        oldest = min(first_day_of(frame.payload, frame.lengths) for frame in frames)
        if not ledger.may_leave_out(log_id, frames[0].first_lsn, oldest):
            return frozenset()
        return frozenset(
            lsn
            for frame in frames
            for lsn, row in enumerate(frame.rows(), frame.first_lsn)
            if ledger.leaves_out(row_site(row), day := row_day(row), month_of(day), log_id, lsn)
        )

    async def _insert(self, block: Block, taken: _Taken, *, in_doubt: bool) -> None:
        handle = self._handle
        self._last_block_at = trio.current_time()
        block = await self._until_inserted(block, taken, in_doubt=in_doubt)
        await self._in_thread(self._sink.flush_to_disk)
        await self._save(WriterState(handle.log.log_id, block.last_lsn, None))  # keeps I3
        handle.blocks += 1
        handle.last_insert_at = handle.clock()
        progress, handle.progress = handle.progress, trio.Event()
        progress.set()
        now_us, keep_us = int(handle.clock() * 1_000_000), int(handle.keep_s * 1_000_000)
        # Also what seems to be of the next `keep_s`: after a small step back of the clock, visits are still whole.
        await self._in_thread(
            partial(
                handle.log.trim,
                block.last_lsn,
                keep_since_us=now_us - keep_us,
                keep_until_us=now_us + keep_us,
            )
        )

    async def _until_inserted(self, block: Block, taken: _Taken, *, in_doubt: bool) -> Block:
        """Try until ClickHouse has the block's rows, each once; the block with the rows that it refused set aside."""
        handle = self._handle
        delay_s = handle.config.retry_first_ms / 1_000
        while True:
            started = trio.current_time()
            try:
                try:
                    await self._attempt(block, taken, in_doubt=in_doubt)
                except PoisonBlock as poison:
                    in_doubt = True
                    block = await self._set_aside(block, taken, poison)
                    continue
            except Retryable as error:
                # Not ambiguous = not a byte of it was sent: the next attempt is the first one again (keeps I5).
                in_doubt = in_doubt or getattr(error, "ambiguous", True)
                handle.retries += 1
                if handle.last_error != str(error):
                    handle.last_error = str(error)
                    handle.report("insert_failed", f"block {block.token} is retried: {error}")
                await trio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                delay_s = min(delay_s * 2, handle.config.retry_max_ms / 1_000)
            else:
                if handle.last_error:
                    handle.report("insert_recovered", f"block {block.token} is in")
                    handle.last_error = ""
                handle.insert_s_sum += trio.current_time() - started
                return block

    async def _attempt(self, block: Block, taken: _Taken, *, in_doubt: bool) -> None:
        if not in_doubt:
            rows = block.rows - len(taken.left_out)
            if rows:
                pieces = (
                    taken.rows().values() if taken.left_out else (frame.payload for frame in taken.frames)
                )
                payload = b"".join(pieces)
                insert = partial(self._sink.insert_block, payload, rows=rows, token=block.sent_token)
                await self._in_thread(insert)
            return
        notes = await self._in_thread(lambda: self._sink.settle_block(self._sent_block(block, taken)))
        self._handle.settled += 1
        self._handle.repairs += len(notes)
        for note in notes:
            self._handle.report("repaired", note)

    def _sent_block(self, block: Block, taken: _Taken) -> SentBlock:
        log_id, rows = self._handle.log.log_id, taken.rows(block.set_aside)
        return SentBlock(log_id, block.first_lsn, block.last_lsn, block.sent_token, rows)

    async def _set_aside(self, block: Block, taken: _Taken, poison: PoisonBlock) -> Block:
        """Find the rows that ClickHouse refuses, keep them in files, and record that they are left out (keeps I2).

        When it can read every row, it isn't the rows that it refuses: Retryable.
        """
        handle = self._handle
        handle.report("poison", f"ClickHouse refuses rows of block {block.token}: {poison}")
        rows = (await self._in_thread(partial(self._sent_block, block, taken))).rows
        refused = await self._in_thread(partial(self._sink.find_refused, rows))
        if not refused:
            raise Retryable(f"every row can be read, the block is refused all the same: {poison}")
        for lsn, why in sorted(refused.items()):
            path = await self._in_thread(partial(self._quarantine, lsn, rows[lsn]))
            handle.quarantined += 1
            handle.quarantine_files.add(path.name)
            handle.report("quarantined", f"row {lsn} is set aside in {path}: {why}")
        block = attrs.evolve(block, set_aside=(*block.set_aside, *sorted(refused)))
        await self._save(WriterState(handle.log.log_id, handle.done_lsn, block))
        return block

    def _quarantine(self, lsn: int, row: bytes) -> Path:
        """Write the row down, durably; the same row twice is the same file."""
        handle = self._handle
        fs = handle.state_file.fs
        path = handle.quarantine_dir / f"{handle.log.log_id:016x}-{lsn}.v{ROW_SCHEMA_VERSION}.msgpack"
        try:
            fs.mkdir(handle.quarantine_dir)
            replace_file(fs, path, row)
        except OSError as error:
            raise Fatal(f"{path} can't be written, and a row must not be lost: {error}") from error
        return path

    async def _save(self, state: WriterState) -> None:
        await self._in_thread(partial(self._handle.state_file.save, state))
        self._handle.state = state

    def _read_again(self, block: Block) -> list[Frame]:
        """The frames of a recorded block; its composition is fixed (keeps I2). What the log has lost of it since,
        and has reported, is missing.
        """
        frames: list[Frame] = []
        at = block.first_lsn
        while at <= block.last_lsn:
            more = self._handle.log.read(
                at, rows_max=block.last_lsn - at + 1, bytes_max=self._handle.config.block_bytes_max
            )
            own = [frame for frame in more if frame.first_lsn <= block.last_lsn]
            if not own:
                break
            assert own[-1].last_lsn <= block.last_lsn, f"block {block.token} does not end with a frame"
            frames += own
            at = own[-1].last_lsn + 1
        return frames


def _partitions(frames: list[Frame]) -> dict[int, int]:
    """Rows by local month (yyyymm): what a count in ClickHouse must find."""
    months: Counter[int] = Counter()
    for frame in frames:
        months.update(months_of(frame.payload, frame.lengths))
    return dict(months)


def _one_schema(frames: list[Frame]) -> list[Frame]:
    """A block holds rows of one schema version, so that one column list fits all of them."""
    version = frames[0].schema_version if frames else 0
    for index, frame in enumerate(frames):
        if frame.schema_version != version:
            return frames[:index]
    return frames
