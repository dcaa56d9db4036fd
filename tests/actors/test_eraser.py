"""The eraser, its ledger and the writer that obeys it, without ClickHouse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from statnive.actors import committer, eraser, writer
from statnive.actors.committer import CommitterHandle
from statnive.actors.eraser import EraserHandle, Told
from statnive.actors.writer import WriterHandle
from statnive.clickhouse.erase import Extent
from statnive.clickhouse.failures import Unavailable
from statnive.clickhouse.rows import RowEncoder, decode_row
from statnive.erasures import REQUEST, RETENTION, Erasure, Span, Swap
from statnive.errors import Fatal
from statnive.wal.erasure_file import FILE_NAME, ErasureFile
from statnive.wal.frame import row_suffix
from statnive.wal.fs import RealFileSystem
from statnive.wal.log import Log
from statnive.wal.state import Block, StateFile, WriterState
from tests.actors.test_writer import CONFIG, ROW, WAL, FakeSink

TODAY = 20_757  # 2026-10-31
NOW = TODAY * 86_400 + 40_000
LSN, DAY = -1, 4  # columns of a decoded row


class FakeEngine:
    """ClickHouse by contract: months of an erasure, one after the other, between two blocks."""

    def __init__(self, world: World, months: Iterable[int] = (202609, 202610)) -> None:
        self.world, self.months = world, tuple(months)
        self.erased: list[tuple[int, int, int]] = []
        self.failures: list[Exception] = []

    def measure_erasure(self, events: Iterable[Span], rollups: Iterable[Span]) -> Extent:
        return Extent({"events_raw": 5}, self.months, "2026-09-01", "2026-10-31")

    def begin_erasure(self, erasure_id: int, log_id: int, lsn: int) -> Erasure:
        self._fail()
        self.world.book.change(lambda ledger: ledger.begin(erasure_id, log_id, lsn, self.months))
        return self._found(erasure_id)

    def erase_month(self, erasure_id: int, month: int, lsn: int) -> tuple[Erasure, list[str]]:
        self._fail()
        self.erased.append((erasure_id, month, lsn))
        swap = Swap(month, {}, erasure_id, lsn, rows=3, counted=2)
        self.world.book.change(lambda ledger: ledger.commit(swap).settle())
        return self._found(erasure_id), []

    def _fail(self) -> None:
        assert self.world.writer.turn.locked(), "a block may be under way"
        if self.failures:
            raise self.failures.pop(0)

    def _found(self, erasure_id: int) -> Erasure:
        found = self.world.book.ledger.find(erasure_id)
        assert found is not None
        return found


class World:
    """A log, its committer and writer, and the eraser beside them."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.now = directory, float(NOW)
        self.sink = FakeSink()
        self.floors: dict[int, tuple[int, int]] = {}
        self.reports: list[tuple[str, str]] = []
        self.records: list[dict[str, Any]] = []
        self.forgotten: list[int] = []
        self.reloads = 0
        self.open()

    def open(self, *, scheduled: bool = False) -> None:
        fs, clock = RealFileSystem(), lambda: self.now
        self.book = ErasureFile(self.directory, fs)
        self.state_file = StateFile(self.directory / "wal", fs)
        state = self.state_file.load()
        self.log, _ = Log.open(
            self.directory / "wal", config=WAL, fs=fs, checkpoint_lsn=state.done_lsn if state else 0
        )
        self.writer = WriterHandle(
            self.log, self.state_file, state, CONFIG, self.directory, keep_s=0, clock=clock,
            report=self._report, book=self.book,
        )  # fmt: skip
        acks, _ = trio.open_memory_channel[list[Any]](1_000)
        self.committer = CommitterHandle(self.log, WAL, clock, acks, self.writer.notify)
        self.engine = FakeEngine(self)
        told = Told(self._report, self._record, self.forgotten.append, self._reload)
        self.handle = EraserHandle(
            self.book, self.engine, self.writer, self.committer, told,
            floors=lambda now, at_once: self.floors, clock=clock, scheduled=scheduled,
        )  # fmt: skip

    def _report(self, kind: str, text: str) -> None:
        self.reports.append((kind, text))

    def _record(self, kind: str, **fields: Any) -> None:
        assert kind == "erased"
        self.records.append(fields)

    def _reload(self) -> None:
        self.reloads += 1

    @asynccontextmanager
    async def running(self) -> Any:
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                await nursery.start(committer.run, self.committer)
                await nursery.start(writer.run, self.writer, self.sink)
                await nursery.start(eraser.run, self.handle)
                yield
                nursery.cancel_scope.cancel()

    def rows(self, *days: int, site_id: int = 1) -> list[bytes]:
        return [RowEncoder().encode(ROW._replace(site_id=site_id, day=day)) for day in days]

    async def append(self, *days: int, site_id: int = 1) -> None:
        await self.committer.append(self.rows(*days, site_id=site_id), None).wait_durable()

    async def until(self, holds: Callable[[], object]) -> None:
        while not holds():
            await self.handle.progress.wait()

    def inserted(self) -> list[tuple[int, int]]:
        """(LSN, day) of every row that the sink has."""
        found = []
        for payload in self.sink.by_token.values():
            rest = payload
            while rest:
                size = next(n for n in range(1, len(rest) + 1) if _is_row(rest[:n]))
                row = decode_row(rest[:size])
                found.append((row[LSN], row[DAY]))
                rest = rest[size:]
        return sorted(found)


def _is_row(data: bytes) -> bool:
    try:
        return len(decode_row(data)) == len(ROW) + 2
    except ValueError:
        return False


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_an_erasure_begins_when_all_that_was_acknowledged_is_in_and_goes_month_by_month(
    world: World,
) -> None:
    async with world.running():
        await world.append(TODAY, TODAY, TODAY)
        asked = await world.handle.ask(Span(1, 0, TODAY))
        await world.until(lambda: world.records)
        assert world.inserted() == [(1, TODAY), (2, TODAY), (3, TODAY)]
        assert world.engine.erased == [(asked.id, 202609, 3), (asked.id, 202610, 3)]
        (found,) = world.records
        assert (found["site_id"], found["rows"], found["counted"], found["why"]) == (1, 6, 4, REQUEST)
        assert (found["first"], found["last"]) == ("1970-01-01", "2026-10-31")
        assert set(world.forgotten) == {1}
        assert world.reloads == 2, "when it had begun, and when it was done"
        done = world.book.ledger.find(asked.id)
        assert done is not None
        assert (done.done_at, done.lsn, done.through) == (NOW, 3, {202609: 3, 202610: 3})
        assert world.handle.stats()["erasures_done_total"] == 1


async def test_what_fails_is_tried_again_and_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eraser, "RETRY_S", 0.01)
    world.engine.failures = [Unavailable("ClickHouse is away", ambiguous=False)]
    first = await world.handle.ask(Span(1, 0, TODAY))
    second = await world.handle.ask(Span(2, 0, TODAY))
    async with world.running():
        await world.until(lambda: len(world.records) == 2)
    assert [one["erasure"] for one in world.records] == [second.id, first.id]
    assert world.reports == [("erase_failed", f"erasure {first.id} is tried again: ClickHouse is away")]
    assert world.handle.stats()["erasure_failures_total"] == 1


async def test_an_erasure_of_before_goes_on_after_a_restart_with_the_months_that_are_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await world.handle.ask(Span(1, 0, TODAY))
    gone = Unavailable("killed here", ambiguous=False)
    monkeypatch.setattr(world.engine, "failures", [gone], raising=True)
    async with world.writer.turn:
        with pytest.raises(Unavailable):
            world.engine.begin_erasure(asked.id, world.log.log_id, 0)
        world.engine.begin_erasure(asked.id, world.log.log_id, 0)
        world.engine.erase_month(asked.id, 202609, 0)
    world.log.close()
    world.open()
    async with world.running():
        await world.until(lambda: world.records)
    assert world.engine.erased == [(asked.id, 202610, 0)]
    assert world.records[0]["rows"] == 6


async def test_retention_is_one_erasure_for_all_sites_whose_floor_has_moved(world: World) -> None:
    world.floors = {1: (TODAY - 90, 0), 2: (TODAY - 30, TODAY - 400), 3: (0, 0)}
    world.open(scheduled=True)
    async with world.running():
        await world.until(lambda: world.records)
        assert (world.records[0]["why"], world.records[0]["sites"]) == (RETENTION, 2)
        assert world.book.ledger.events_from == {1: TODAY - 90, 2: TODAY - 30}
        assert world.book.ledger.counted_from == {2: TODAY - 400}
        assert world.book.ledger.done == ()
        assert await world.handle.apply_due() is None
        world.floors = {**world.floors, 1: (TODAY - 89, 0)}
        moved = await world.handle.apply_due()
        assert moved is not None
        assert moved.events == (Span(1, 0, TODAY - 90),)
        world.floors = {1: (TODAY - 200, 0), 2: (TODAY - 30, TODAY - 400)}
        assert await world.handle.apply_due() is None, "what is gone does not come back"


async def test_a_node_that_only_serves_a_command_applies_no_retention_by_itself(world: World) -> None:
    world.floors = {1: (TODAY - 90, 0)}
    async with world.running():
        await world.handle.ask(Span(2, 0, TODAY))
        await world.until(lambda: world.records)
        assert world.book.ledger.events_from == {}
        assert await world.handle.apply(1) is not None
        assert await world.handle.apply(1) is None, "it is asked for already"
        await world.until(lambda: len(world.records) == 2)
        assert world.book.ledger.events_from == {1: TODAY - 90}


async def test_rows_of_days_that_are_gone_are_not_inserted_and_others_are(world: World) -> None:
    world.book.change(lambda ledger: ledger.ask(RETENTION, [Span(1, 0, TODAY - 10)], [], NOW))
    async with world.running():
        await world.until(lambda: world.records)
        await world.append(TODAY, TODAY - 10, TODAY - 9, TODAY - 400)
        await world.append(TODAY - 400, site_id=2)
        await world.append(TODAY - 11)  # a block of nothing else
        await world.writer.wait_inserted(6)
    assert world.inserted() == [(1, TODAY), (3, TODAY - 9), (5, TODAY - 400)]
    assert world.writer.stats()["writer_left_out_rows_total"] == 3
    assert sum(one.rows for one in world.book.ledger.logs) == 3


async def test_a_block_that_is_sent_again_after_an_erasure_brings_none_of_its_rows_back(world: World) -> None:
    async with world.running():
        await world.append(TODAY, TODAY - 1, TODAY)
        asked = await world.handle.ask(Span(1, TODAY, TODAY))
        await world.until(lambda: world.records)
        await world.append(TODAY)  # after it: that day goes on
        await world.writer.wait_inserted(4)
    log_id = world.log.log_id
    world.log.close()
    # A state of before comes back: a backup's, or that of a disk that lost what it had promised.
    old = Block(1, 4, 4, f"{log_id:016x}-1-4", {202610: 4})
    world.state_file.save(WriterState(log_id, 0, old))
    world.sink = FakeSink()
    world.open()
    async with world.running():
        await world.writer.wait_inserted(4)
    assert world.sink.events[0] == "settle"
    assert world.inserted() == [(2, TODAY - 1), (4, TODAY)]
    assert asked.id == 1


async def test_refused_rows_in_quarantine_are_erased_too(world: World) -> None:
    folder = world.writer.quarantine_dir
    folder.mkdir()
    names = []
    for lsn, row in enumerate([*world.rows(TODAY), *world.rows(TODAY, site_id=2)], 1):
        names.append(f"{7:016x}-{lsn}.v1.msgpack")
        (folder / names[-1]).write_bytes(row + row_suffix(7, lsn))
    world.writer.quarantine_files = set(names)
    await world.handle.ask(Span(1, 0, TODAY))
    async with world.running():
        await world.until(lambda: world.records)
    assert [path.name for path in folder.iterdir()] == names[1:]
    assert world.writer.quarantine_files == {names[1]}
    assert world.records[0]["set_aside"] == 1


async def test_the_log_lets_go_of_the_rows_of_before(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eraser, "CHECK_S", 0.01)
    marker = b"/to-be-forgotten"
    row = RowEncoder().encode(ROW._replace(pathname=marker.decode(), day=TODAY))

    def holds() -> bool:
        return any(
            marker in path.read_bytes() for path in (world.directory / "wal").iterdir() if path.is_file()
        )

    async with world.running():
        await world.committer.append([row], None).wait_durable()
        await world.writer.wait_inserted(1)
        assert holds()
        await world.handle.ask(Span(1, 0, TODAY))
        await world.until(lambda: world.records)
        world.now += 1
        with trio.fail_after(30):
            while holds():
                await trio.sleep(0.02)
        await world.append(TODAY)
        await world.writer.wait_inserted(2)
    assert world.handle.log_through is None


def test_a_damaged_ledger_stops_the_start_by_name(tmp_path: Path) -> None:
    book = ErasureFile(tmp_path, RealFileSystem())
    book.change(lambda ledger: ledger.ask(REQUEST, [Span(1, 0, 9)], [Span(1, 0, 9)], NOW))
    again = ErasureFile(tmp_path, RealFileSystem())
    assert again.ledger == book.ledger
    file = tmp_path / FILE_NAME
    file.write_bytes(file.read_bytes().replace(b'"last":9', b'"last":8'))
    with pytest.raises(Fatal, match="erasures is damaged"):
        ErasureFile(tmp_path, RealFileSystem())


def test_a_ledger_that_can_not_be_written_is_never_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs = RealFileSystem()
    book = ErasureFile(tmp_path, fs)
    with monkeypatch.context() as patch:
        patch.setattr(fs, "rename", lambda source, target: (_ for _ in ()).throw(OSError(5, "EIO")))
        with pytest.raises(Fatal, match="can't be written"):
            book.change(lambda ledger: ledger.ask(REQUEST, [], [], NOW))
    with pytest.raises(Fatal, match="can't be written"):
        book.change(lambda ledger: ledger.ask(REQUEST, [], [], NOW))
    assert book.ledger.last_id == 0
