from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from statnive.actors import writer
from statnive.actors.writer import WriterHandle
from statnive.clickhouse.rows import RowEncoder, decode_row
from statnive.config import WalConfig, WriterConfig
from statnive.errors import Fatal, PoisonBlock, Retryable
from statnive.event import ROW_COLUMNS, Row
from statnive.wal.frame import row_suffix
from statnive.wal.fs import RealFileSystem
from statnive.wal.log import Log
from statnive.wal.state import StateFile

WAL = WalConfig(segment_bytes=64 * 1024, size_bytes_max=4 * 1024 * 1024)
CONFIG = WriterConfig(block_interval_ms=1, retry_first_ms=1, retry_max_ms=2)
ROW = Row(
    1, 1_790_000_000, bytes(16), 7, 20_717, 1_790_000_000, "pageview", 0, 1, 1, 1, 0, 0, 255, "example.com", "/",
    "", "", "",
    "Direct", "", "", "", "", "", "", "", 0, "", "desktop", "Chrome", "131", "Linux", "", {}, [], 0, "",
)  # fmt: skip


class FakeSink:
    """ClickHouse by contract: a token counts once; rows whose path is "/poison" are refused for ever."""

    def __init__(self, fail: Callable[[int], Exception | None] = lambda attempt: None) -> None:
        self.by_token: dict[str, bytes] = {}
        self.attempts: list[tuple[str, int]] = []
        self.flushed = 0
        self._fail = fail

    def insert_block(self, payload: bytes, *, rows: int, token: str) -> None:
        self.attempts.append((token, rows))
        error = self._fail(len(self.attempts))
        if error is not None:
            raise error
        if b"/poison" in payload:
            raise PoisonBlock("code 27: cannot parse input")
        assert self.by_token.setdefault(token, payload) == payload, "a token came back with other rows"

    def flush_to_disk(self) -> None:
        self.flushed += 1


class Fixture:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.reports: list[tuple[str, str]] = []
        self.open()

    def open(self) -> None:
        self.state_file = StateFile(self.directory / "wal", RealFileSystem())
        state = self.state_file.load()
        self.log, _ = Log.open(
            self.directory / "wal",
            config=WAL,
            fs=RealFileSystem(),
            checkpoint_lsn=state.done_lsn if state else 0,
        )
        self.handle = WriterHandle(
            self.log, self.state_file, state, CONFIG, self.directory,
            keep_s=0, clock=lambda: 1_790_000_000.0, report=lambda kind, text: self.reports.append((kind, text)),
        )  # fmt: skip

    def append(self, *paths: str) -> None:
        lsn = self.log.next_lsn
        rows = [
            RowEncoder().encode(ROW._replace(pathname=path)) + row_suffix(self.log.log_id, lsn + index)
            for index, path in enumerate(paths)
        ]
        self.log.append(rows, 1_000)
        self.handle.notify(self.log.durable_lsn)

    async def drain(self, sink: FakeSink) -> None:
        self.handle.close()
        with trio.fail_after(20):
            await writer.run(self.handle, sink)

    def lsns(self, sink: FakeSink) -> list[int]:
        found: list[int] = []
        for payload in sink.by_token.values():
            rest = payload
            while rest:
                size = _row_bytes(rest)
                found.append(decode_row(rest[:size])[ROW_COLUMNS.index("lsn")])
                rest = rest[size:]
        return found


def _row_bytes(payload: bytes) -> int:
    """The length of the first row: all rows of these tests end with the log's id and their LSN."""
    one = RowEncoder().encode(ROW)
    path_at = payload.index(b"example.com") + len(b"example.com")
    return len(one) - len("/") + (payload[path_at] & 0x1F) + 18


async def test_close_inserts_what_is_durable_and_returns(tmp_path: Path) -> None:
    fixture, sink = Fixture(tmp_path), FakeSink()
    fixture.append("/a", "/b")
    fixture.append("/c")
    await fixture.drain(sink)
    assert fixture.lsns(sink) == [1, 2, 3]
    state = fixture.state_file.load()
    assert state is not None
    assert (state.done_lsn, state.block) == (3, None)
    assert sink.flushed == len(sink.by_token)


async def test_a_failed_insert_is_sent_again_with_the_same_rows_and_token(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    sink = FakeSink(lambda attempt: Retryable("connection refused") if attempt <= 3 else None)
    fixture.append("/a", "/b")
    await fixture.drain(sink)
    assert len(set(sink.attempts)) == 1
    assert len(sink.attempts) == 4
    assert [kind for kind, _ in fixture.reports] == ["insert_failed", "insert_recovered"]


async def test_the_checkpoint_never_moves_past_a_block_that_failed(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    sink = FakeSink(lambda attempt: Retryable("down"))
    fixture.append("/a")
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run, fixture.handle, sink)
        while len(sink.attempts) < 5:
            await trio.sleep(0.001)
        fixture.append("/b")
        while len(sink.attempts) < 10:
            await trio.sleep(0.001)
        assert fixture.handle.done_lsn == 0
        assert {rows for _, rows in sink.attempts} == {1}
        nursery.cancel_scope.cancel()


async def test_a_block_of_the_last_run_is_sent_again_as_it_was(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    fixture.append("/a", "/b")
    first = FakeSink(lambda attempt: Fatal("the process dies here"))
    with pytest.raises(Fatal):
        await fixture.drain(first)
    fixture.log.close()
    fixture.open()
    fixture.append("/c")
    second = FakeSink()
    await fixture.drain(second)
    assert second.attempts[0] == first.attempts[0]
    assert fixture.lsns(second) == [1, 2, 3]


async def test_the_block_is_on_disk_before_its_first_attempt(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    seen = []

    def look(attempt: int) -> None:
        state = StateFile(tmp_path / "wal", RealFileSystem()).load()
        assert state is not None
        seen.append(state.block)

    fixture.append("/a", "/b")
    await fixture.drain(FakeSink(look))
    (block,) = seen
    assert block is not None
    assert (block.first_lsn, block.last_lsn, block.rows, block.partitions) == (1, 2, 2, {202609: 2})


async def test_a_poison_row_is_set_aside_and_all_others_go_in(tmp_path: Path) -> None:
    fixture, sink = Fixture(tmp_path), FakeSink()
    fixture.append("/a", "/b", "/poison", "/d", "/e")
    await fixture.drain(sink)
    assert sorted(fixture.lsns(sink)) == [1, 2, 4, 5]
    (kept,) = (tmp_path / "quarantine").iterdir()
    assert b"/poison" in kept.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert fixture.handle.stats()["writer_quarantined_rows_total"] == 1
    assert fixture.handle.done_lsn == 5
    assert any(kind == "quarantined" for kind, _ in fixture.reports)


async def test_cancelled_while_it_retries_the_block_stays_recorded(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    sink = FakeSink(lambda attempt: Retryable("down"))
    fixture.append("/a")
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run, fixture.handle, sink)
        while len(sink.attempts) < 2:
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    state = fixture.state_file.load()
    assert state is not None
    assert state.block is not None
    assert state.done_lsn == 0
