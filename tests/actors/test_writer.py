from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import trio

from statnive.actors import writer
from statnive.actors.writer import WriterHandle
from statnive.clickhouse.failures import Unavailable
from statnive.clickhouse.rows import RowEncoder, decode_row
from statnive.clickhouse.settle import SentBlock
from statnive.config import WalConfig, WriterConfig
from statnive.errors import Fatal, PoisonBlock, Retryable
from statnive.event import ROW_COLUMNS, Row
from statnive.wal.frame import row_suffix
from statnive.wal.fs import RealFileSystem
from statnive.wal.log import Log
from statnive.wal.state import StateFile, WriterState

WAL = WalConfig(segment_bytes=64 * 1024, size_bytes_max=4 * 1024 * 1024)
CONFIG = WriterConfig(block_interval_ms=1, retry_first_ms=1, retry_max_ms=2)
ROW = Row(
    1, 1_790_000_000, bytes(16), 7, 20_717, 1_790_000_000, "pageview", 0, 1, 1, 1, 0, 0, 255, "example.com", "/",
    "", "", "",
    "Direct", "", "", "", "", "", "", "", 0, "", "desktop", "Chrome", "131", "Linux", "", {}, [], 0, "",
)  # fmt: skip


class FakeSink:
    """ClickHouse by contract: a token counts once; rows whose path is "/poison" are refused for ever, if they hold
    `poison` for a reason that can be found. `fail` is asked before each attempt.
    """

    def __init__(
        self,
        fail: Callable[[int], Exception | None] = lambda attempt: None,
        *,
        poison: bytes = b"/poison",
    ) -> None:
        self.by_token: dict[str, bytes] = {}
        self.attempts: list[tuple[str, int]] = []
        self.settled: list[SentBlock] = []
        self.events: list[str] = []
        self.notes: list[str] = []
        self._fail = fail
        self._poison = poison

    def insert_block(self, payload: bytes, *, rows: int, token: str) -> None:
        self.events.append("insert")
        self._attempt(payload, rows, token)

    def settle_block(self, block: SentBlock) -> list[str]:
        self.events.append("settle")
        self.settled.append(block)
        self._attempt(b"".join(block.rows.values()), len(block.rows), block.token)
        return self.notes

    def find_refused(self, rows: Mapping[int, bytes]) -> dict[int, str]:
        self.events.append("find")
        return {lsn: "code 27" for lsn, row in rows.items() if self._poison in row}

    def flush_to_disk(self) -> None:
        self.events.append("flush")

    def _attempt(self, payload: bytes, rows: int, token: str) -> None:
        self.attempts.append((token, rows))
        error = self._fail(len(self.attempts))
        if error is not None:
            raise error
        if b"/poison" in payload:
            raise PoisonBlock("code 27: cannot parse input")
        assert self.by_token.setdefault(token, payload) == payload, "a token came back with other rows"


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
        await self.drain_when_closed(sink)

    async def drain_when_closed(self, sink: FakeSink) -> None:
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
    assert sink.events == ["insert", "flush"] * len(sink.by_token)


async def test_a_failed_insert_is_sent_again_with_the_same_rows_and_token(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    sink = FakeSink(lambda attempt: Retryable("connection refused") if attempt <= 3 else None)
    fixture.append("/a", "/b")
    await fixture.drain(sink)
    assert len(set(sink.attempts)) == 1
    assert sink.events == ["insert", "settle", "settle", "settle", "flush"]
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


async def test_without_the_state_file_all_that_the_log_holds_is_in_doubt(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    fixture.append("/a", "/b")
    await fixture.drain(FakeSink())
    fixture.log.close()
    (tmp_path / "wal" / "writer.state").unlink()
    fixture.open()
    second = FakeSink()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fixture.drain_when_closed, second)
        fixture.handle.notify(fixture.log.durable_lsn)
        await fixture.handle.wait_inserted(2)
        fixture.append("/c")
        fixture.handle.close()
    assert [(block.first_lsn, block.last_lsn) for block in second.settled] == [(1, 2)]
    assert second.events == ["settle", "flush", "insert", "flush"]


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
    assert second.events == ["settle", "flush", "insert", "flush"]
    (block,) = second.settled
    assert (block.log_id, block.first_lsn, block.last_lsn) == (fixture.log.log_id, 1, 2)
    assert list(block.rows) == [1, 2]
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


async def test_only_a_first_attempt_that_sent_nothing_may_be_followed_by_another_first_one(
    tmp_path: Path,
) -> None:
    """Anything else leaves the block in doubt, for good: it is counted."""
    errors = [
        Unavailable("refused", ambiguous=False),
        Unavailable("refused", ambiguous=False),
        Unavailable("reset", ambiguous=True),
        Unavailable("refused", ambiguous=False),
    ]
    fixture = Fixture(tmp_path)
    sink = FakeSink(lambda attempt: errors[attempt - 1] if attempt <= len(errors) else None)
    fixture.append("/a")
    await fixture.drain(sink)
    assert sink.events == ["insert", "insert", "insert", "settle", "settle", "flush"]


async def test_an_error_that_does_not_say_whether_it_is_ambiguous_is(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    sink = FakeSink(lambda attempt: Retryable("?") if attempt == 1 else None)
    fixture.append("/a")
    await fixture.drain(sink)
    assert sink.events == ["insert", "settle", "flush"]


async def test_what_had_to_be_repaired_is_reported_and_counted(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    sink = FakeSink(lambda attempt: Retryable("?") if attempt == 1 else None)
    sink.notes = ["daily_pages 202609 held 1 events of 2: built anew"]
    fixture.append("/a", "/b")
    await fixture.drain(sink)
    assert ("repaired", sink.notes[0]) in fixture.reports
    stats = fixture.handle.stats()
    assert (stats["writer_blocks_settled_total"], stats["writer_repairs_total"]) == (1, 1)


async def test_what_is_in_reaches_the_disk_before_the_checkpoint_and_that_before_a_segment_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture, sink = Fixture(tmp_path), FakeSink()
    fixture.append("/a")
    save, trim = fixture.state_file.save, fixture.log.trim

    def saved(state: WriterState) -> None:
        save(state)
        sink.events.append(f"checkpoint {state.done_lsn}")

    def trimmed(through_lsn: int, *, keep_since_us: int, keep_until_us: int) -> int:
        sink.events.append(f"trim {through_lsn}")
        return trim(through_lsn, keep_since_us=keep_since_us, keep_until_us=keep_until_us)

    monkeypatch.setattr(fixture.state_file, "save", saved)
    monkeypatch.setattr(fixture.log, "trim", trimmed)
    await fixture.drain(sink)
    assert sink.events == ["checkpoint 0", "insert", "flush", "checkpoint 1", "trim 1"]


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
    assert sink.events == ["insert", "find", "settle", "flush"]


async def test_a_row_set_aside_is_on_disk_and_recorded_before_the_others_are_sent(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    seen = []

    def look(attempt: int) -> None:
        state = StateFile(tmp_path / "wal", RealFileSystem()).load()
        assert state is not None
        assert state.block is not None
        seen.append((state.block.set_aside, len(list(tmp_path.glob("quarantine/*.msgpack")))))

    fixture.append("/a", "/poison", "/c")
    await fixture.drain(FakeSink(look))
    assert seen == [((), 0), ((2,), 1)]


async def test_a_crash_among_poison_sends_the_same_rows_under_the_same_token_again(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    fixture.append("/a", "/poison", "/c", "/poison")
    first = FakeSink(lambda attempt: Fatal("the process dies here") if attempt == 2 else None)
    with pytest.raises(Fatal):
        await fixture.drain(first)
    fixture.log.close()
    fixture.open()
    second = FakeSink()
    await fixture.drain(second)
    assert second.events == ["settle", "flush"], "what is poison is known: it is not looked for again"
    assert second.attempts == [first.attempts[1]]
    assert first.attempts[1] != first.attempts[0]
    assert list(second.settled[0].rows) == [1, 3]
    assert sorted(fixture.lsns(second)) == [1, 3]


async def test_a_block_of_poison_only_is_done_and_nothing_of_it_is_in(tmp_path: Path) -> None:
    fixture, sink = Fixture(tmp_path), FakeSink()
    fixture.append("/poison", "/poison")
    await fixture.drain(sink)
    assert fixture.lsns(sink) == []
    assert fixture.handle.done_lsn == 2


async def test_a_refusal_that_is_no_row_s_fault_sets_nothing_aside(tmp_path: Path) -> None:
    """A view that fails on them, say: an operator must mend it, and the rows wait."""
    fixture = Fixture(tmp_path)
    sink = FakeSink(poison=b"/nothing")
    fixture.append("/a", "/poison")
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run, fixture.handle, sink)
        while sink.events.count("find") < 3:
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    assert fixture.handle.done_lsn == 0
    assert not (tmp_path / "quarantine").exists()
    assert "every row can be read" in fixture.handle.last_error


async def test_rows_of_a_recorded_block_that_the_log_lost_since_are_left_out(tmp_path: Path) -> None:
    """They are reported by the log's recovery; the others must not wait for them for ever."""
    fixture = Fixture(tmp_path)
    for path in ("/a", "/b", "/c"):
        fixture.append(path)
    with pytest.raises(Fatal):
        await fixture.drain(FakeSink(lambda attempt: Fatal("the process dies here")))
    fixture.log.close()
    (segment,) = (tmp_path / "wal").glob("*.wal")
    data = bytearray(segment.read_bytes())
    data[data.index(b"\xa2/b")] ^= 1
    segment.write_bytes(data)
    fixture.open()
    sink = FakeSink()
    await fixture.drain(sink)
    assert list(sink.settled[0].rows) == [1, 3]
    assert fixture.handle.done_lsn == 3


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
