"""Bugs to plant in the product, each of them one that a system of this kind has had: the simulation must find it.

A mutant is a context manager that patches the product while it is open.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import trio

from chaos.sim.client import SimClient, SimDriver
from chaos.sim.disk import ProcessFiles
from statnive.actors import committer, writer
from statnive.actors.committer import Batch, CommitterHandle
from statnive.clickhouse import engine as clickhouse_engine
from statnive.clickhouse import repair
from statnive.clickhouse.client import Client
from statnive.clickhouse.settle import SentBlock
from statnive.wal import recovery, segment
from statnive.wal.fs import FileSystem, write_all
from statnive.wal.segment import Segment
from statnive.wal.state import Block, WriterState

Mutant = Callable[[], AbstractContextManager[object]]


def _ack_before_fsync() -> AbstractContextManager[object]:
    commit = committer._commit

    async def eager(handle: CommitterHandle, batch: Batch, limiter: trio.CapacityLimiter) -> None:
        batch.done.set()
        waiters, batch.waiters = batch.waiters, []
        if waiters:
            handle.acks.send_nowait(waiters)
        await commit(handle, batch, limiter)

    return patch.object(committer, "_commit", eager)


def _fsync_error_is_only_logged() -> AbstractContextManager[object]:
    fdatasync = ProcessFiles.fdatasync

    def deaf(self: ProcessFiles, fd: int) -> None:
        try:
            fdatasync(self, fd)
        except OSError:
            return

    return patch.object(ProcessFiles, "fdatasync", deaf)


def _names_are_not_flushed() -> AbstractContextManager[object]:
    return patch.object(ProcessFiles, "fsync_dir", lambda self, path: None)


def _a_segment_is_named_before_its_header_is_durable() -> AbstractContextManager[object]:
    def hasty(fs: FileSystem, blank: Path, directory: Path, log_id: int, first_lsn: int) -> tuple[Path, int]:
        fd = fs.open(blank)
        write_all(fs, fd, segment.encode_header(log_id, first_lsn), 0)
        path = directory / segment.segment_name(first_lsn)
        fs.rename(blank, path)
        fs.fsync_dir(directory)
        return path, fd

    return patch.object(segment, "begin_segment", hasty)


def _recovered_frames_are_only_flushed() -> AbstractContextManager[object]:
    def settle(self: Any, last: Segment, last_frame: bytes, torn_end: int, *, wipe: bool) -> None:
        fd = self._fs.open(last.path)
        self._fs.fdatasync(fd)
        self._fs.close(fd)

    return patch.object(recovery._Recovery, "_settle", settle)


def _checkpoint_before_insert() -> AbstractContextManager[object]:
    insert = writer._Writer._until_inserted

    async def late(self: Any, block: Block, *arguments: Any, **options: Any) -> Block:
        handle = self._handle
        await self._in_thread(
            partial(handle.state_file.save, WriterState(handle.log.log_id, block.last_lsn, None))
        )
        return await insert(self, block, *arguments, **options)

    return patch.object(writer._Writer, "_until_inserted", late)


def _checkpoint_before_syncfs() -> AbstractContextManager[object]:
    return patch.object(SimClient, "flush_to_disk", lambda self: None)


def _trim_before_checkpoint() -> AbstractContextManager[object]:
    save: Callable[[Any, WriterState], Awaitable[None]] = writer._Writer._save

    async def trim_first(self: Any, state: WriterState) -> None:
        if state.block is None:
            await self._in_thread(partial(self._handle.log.trim, state.done_lsn, keep_since_us=2**62))
        await save(self, state)

    return patch.object(writer._Writer, "_save", trim_first)


def _skip_verification() -> AbstractContextManager[object]:
    def resend(client: Client, block: SentBlock, book: object) -> list[str]:
        client.insert_block(b"".join(block.rows.values()), rows=len(block.rows), token=block.token)
        return []

    return patch.object(clickhouse_engine, "settle", resend)


def _doubt_is_forgotten_by_a_restart() -> AbstractContextManager[object]:
    insert = writer._Writer._insert

    async def sure(self: Any, block: Block, frames: Any, *, in_doubt: bool) -> None:
        await insert(self, block, frames, in_doubt=False)

    return patch.object(writer._Writer, "_insert", sure)


def _lose_the_token() -> AbstractContextManager[object]:
    insert, numbers = SimDriver.insert, itertools.count()

    def fresh(self: SimDriver, table: str, payload: bytes, settings: Mapping[str, str]) -> None:
        insert(self, table, payload, {**settings, "insert_deduplication_token": f"fresh-{next(numbers)}"})

    return patch.object(SimDriver, "insert", fresh)


def _what_a_repair_left_stays() -> AbstractContextManager[object]:
    return patch.object(repair, "drop_left_over", lambda client: [])


def _a_cut_off_replacement_is_not_looked_for() -> AbstractContextManager[object]:
    return patch.object(repair, "_resolve_doubt", lambda client: [])


MUTANTS: Final[Mapping[str, Mutant]] = {
    "ack before fsync": _ack_before_fsync,
    "fsync error is only logged": _fsync_error_is_only_logged,
    "names are not flushed": _names_are_not_flushed,
    "a segment is named before its header is durable": _a_segment_is_named_before_its_header_is_durable,
    "recovered frames are only flushed": _recovered_frames_are_only_flushed,
    "checkpoint before insert": _checkpoint_before_insert,
    "checkpoint before syncfs": _checkpoint_before_syncfs,
    "trim before the checkpoint is durable": _trim_before_checkpoint,
    "skip verification": _skip_verification,
    "doubt is forgotten by a restart": _doubt_is_forgotten_by_a_restart,
    "lose the token": _lose_the_token,
    "what a repair left stays": _what_a_repair_left_stays,
    "a cut-off replacement is not looked for": _a_cut_off_replacement_is_not_looked_for,
}
