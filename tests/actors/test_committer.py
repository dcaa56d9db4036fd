from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from statnive.actors import committer
from statnive.actors.committer import BATCH_ROWS_MAX, CommitterHandle
from statnive.config import WalConfig
from statnive.errors import Fatal, Overloaded
from statnive.wal.fs import RealFileSystem
from statnive.wal.log import Log

CONFIG = WalConfig(
    segment_bytes=256 * 1024, size_bytes_max=4 * 1024 * 1024, commit_interval_ms=5, commit_gap_ms=0
)


class Fixture:
    def __init__(self, directory: Path, config: WalConfig = CONFIG, log: Any = None) -> None:
        if log is None:
            log, _ = Log.open(directory, config=config, fs=RealFileSystem(), checkpoint_lsn=0)
        self.log = log
        self.send, self.acks = trio.open_memory_channel[list[Any]](float("inf"))
        self.durable: list[int] = []
        self.handle = CommitterHandle(log, config, lambda: 1_000.0, self.send, self.durable.append)


async def test_waiters_come_back_only_after_their_frame_is_durable(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run, fixture.handle)
        fixture.handle.append([b"one", b"two"], "a")
        fixture.handle.append([b"three"], "b")
        assert await fixture.acks.receive() == ["a", "b"]
        frames = fixture.log.read(1, rows_max=10, bytes_max=10_000)
        assert [row[:-18] for frame in frames for row in frame.rows()] == [b"one", b"two", b"three"]
        assert fixture.durable == [3]
        fixture.handle.close()


async def test_close_commits_what_was_appended_and_returns(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    batch = fixture.handle.append([b"row"], None)
    fixture.handle.close()
    await committer.run(fixture.handle)
    await batch.wait_durable()
    assert fixture.log.durable_lsn == 1


async def test_after_close_nothing_is_taken(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    fixture.handle.close()
    with pytest.raises(Overloaded):
        fixture.handle.append([b"row"], None)


async def test_a_full_batch_is_refused_not_queued(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    before = fixture.handle.append([b"x"], None)
    with pytest.raises(Overloaded):
        fixture.handle.append([b""] * BATCH_ROWS_MAX, "late")
    with pytest.raises(Overloaded):
        fixture.handle.append([bytes(CONFIG.segment_bytes)], "late")
    assert (len(before.rows), before.waiters, fixture.handle.last_lsn) == (1, [], 1)


class FailingLog:
    """A log whose next append fails, as after EIO."""

    log_id, next_lsn, durable_lsn, nearly_full, needs_spare = 1, 1, 0, False, False

    def append(self, rows: list[bytes], commit_time_us: int) -> int:
        raise Fatal("fdatasync: EIO")


async def test_a_failed_sync_reaches_every_waiter_ends_the_actor_and_nothing_is_acknowledged(
    tmp_path: Path,
) -> None:
    fixture = Fixture(tmp_path, log=FailingLog())
    batch = fixture.handle.append([b"row"], "a")
    with pytest.raises(ExceptionGroup) as caught:
        await committer.run(fixture.handle)
    assert caught.group_contains(Fatal, match="EIO")
    with pytest.raises(Fatal):
        await batch.wait_durable()
    with pytest.raises(trio.EndOfChannel):
        await fixture.acks.receive()
    with pytest.raises(Overloaded):
        fixture.handle.append([b"row"], None)


class SlowLog:
    """A log whose append waits until the test lets it go."""

    log_id, next_lsn, durable_lsn, nearly_full, needs_spare = 1, 1, 0, False, False

    def __init__(self) -> None:
        self.go = threading.Event()
        self.appended: list[int] = []

    def append(self, rows: list[bytes], commit_time_us: int) -> int:
        assert self.go.wait(60)
        self.appended.append(len(rows))
        self.durable_lsn += len(rows)
        return 1


async def test_rows_that_come_while_a_commit_runs_share_the_next_one(tmp_path: Path) -> None:
    log = SlowLog()
    fixture = Fixture(tmp_path, log=log)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run, fixture.handle)
        fixture.handle.append([b"first"], None)
        while fixture.handle.waiting_rows:
            await trio.sleep(0.001)
        for _ in range(5):
            fixture.handle.append([b"later"], None)
        log.go.set()
        fixture.handle.close()
    assert log.appended == [1, 5]


async def test_a_commit_in_flight_is_finished_but_not_acknowledged_when_cancelled(tmp_path: Path) -> None:
    log = SlowLog()
    fixture = Fixture(tmp_path, log=log)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run, fixture.handle)
        batch = fixture.handle.append([b"row"], "a")
        while fixture.handle.waiting_rows:
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
        log.go.set()
    assert log.appended == [1]
    assert batch.failed or batch.done.is_set()
    assert fixture.acks.statistics().current_buffer_used == 0 or not batch.failed


async def test_a_large_batch_is_committed_before_the_interval(tmp_path: Path, mock_clock: MockClock) -> None:
    """On a clock that stands still: the interval never ends."""
    config = WalConfig(
        segment_bytes=256 * 1024,
        size_bytes_max=4 * 1024 * 1024,
        commit_interval_ms=100,
        commit_gap_ms=0,
        commit_rows=3,
    )
    fixture = Fixture(tmp_path, config)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run, fixture.handle)
        fixture.handle.append([b"1", b"2"], "a")
        await trio.testing.wait_all_tasks_blocked()
        assert fixture.handle.waiting_rows == 2
        fixture.handle.append([b"3"], "b")
        assert await fixture.acks.receive() == ["a", "b"]
        fixture.handle.close()


async def test_at_the_logs_limit_events_are_refused(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    fixture.log._bytes_used = fixture.log.bytes_limit
    with pytest.raises(Overloaded, match="nearly full"):
        fixture.handle.append([b"row"], None)
