"""The eraser actor: takes away what a site's retention no longer keeps and what somebody asked to be erased.

Owns:       the steps of each erasure of the ledger, and when retention is due.
Inputs:     `ask`: an erasure on request; `apply`: a site's retention now; the sites' floors, once a site-local day.
Outputs:    events_raw and the rollups without those rows; the ledger; audit records; answers forgotten.
Invariants: I1 an erasure is in the ledger, durably, before anything is done for it, and goes on after a crash; I2 it
            begins when every event that was acknowledged before it is in ClickHouse, and each of its months is
            erased between two blocks (the writer's turn), in all tables or in none; I3 retention goes by trusted time:
            a wall clock that jumps ahead removes nothing before it has stayed there for hours (salts.py); I4 after an
            erasure the log's segment is closed, so that it goes `wal.keep_s` later, and no spare keeps its bytes.
Failure:    Retryable: the month is tried again later, other erasures go on; everything is counted and reported.
            Fatal ends the process.
Shutdown:   cancelled; a month that is under way is finished first, the rest goes on at the next start.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import attrs
import trio

from statnive.actors.committer import CommitterHandle
from statnive.actors.writer import WriterHandle
from statnive.clickhouse.erase import Extent
from statnive.clickhouse.rows import row_day, row_site
from statnive.erasures import REQUEST, RETENTION, Book, Erasure, LogRows, Span, day_text
from statnive.errors import Retryable

CHECK_S = 600.0
RETRY_S = 10.0
FINISHED_MAX = 100
T = TypeVar("T")
Floors = Callable[[float, bool], Mapping[int, tuple[int, int]]]


class Eraser(Protocol):
    """ClickHouse, as the eraser uses it; every method may raise Retryable."""

    def measure_erasure(self, events: Iterable[Span], rollups: Iterable[Span]) -> Extent: ...
    def begin_erasure(self, erasure_id: int, log_id: int, lsn: int) -> Erasure: ...
    def erase_month(self, erasure_id: int, month: int, lsn: int) -> tuple[Erasure, list[str]]: ...


@attrs.frozen
class Told:
    """Who hears of erasures. `changed`: the sites' view of what is gone (blocking); `forget`: a site's answers."""

    report: Callable[..., None]
    record: Callable[..., None]
    forget: Callable[[int], None]
    changed: Callable[[], None]


class EraserHandle:
    """The eraser's inputs and counters."""

    def __init__(
        self,
        book: Book,
        engine: Eraser,
        writer: WriterHandle,
        committer: CommitterHandle,
        told: Told,
        *,
        floors: Floors,
        clock: Callable[[], float],
        scheduled: bool,
        is_refused: str = "",
    ) -> None:
        """`floors(now, at_once)`: the first days that are kept, by site (statnive/control/retention.py); `clock` is
        trusted. `scheduled`: whether retention is applied by itself. `is_refused`: why nothing can be erased here.
        """
        self.book, self.engine, self.writer, self.told = book, engine, writer, told
        self.committer = committer
        # The last LSN of the log that has to go out of it; None = nothing has. A start knows nothing of before.
        self.log_through = writer.durable_lsn if book.ledger.has_erased else None
        self.has_rotated = False
        self.floors, self.clock, self.scheduled = floors, clock, scheduled
        self.is_refused = is_refused
        self.wake = trio.Event()
        self.progress = trio.Event()  # replaced at each step forward
        self.finished: OrderedDict[int, Erasure] = (
            OrderedDict()
        )  # the last ones, those of retention among them
        self.done_total = 0
        self.rows_total = 0
        self.failures = 0
        self.busy_s = 0.0
        self.checked_at = 0.0
        self.last_error = ""

    async def measure(self, span: Span) -> Extent:
        """What `ask` would take; nothing is changed. Raises Retryable, Rejected on a cluster."""
        return await _in_thread(partial(self.engine.measure_erasure, [span], [span]))

    async def ask(self, span: Span) -> Erasure:
        """Erase a site's days, events and counts; returns once that is certain, and before it is done (keeps I1)."""
        return await self._ask(REQUEST, [span], [span])

    async def apply(self, site_id: int) -> Erasure | None:
        """Apply a site's retention now; None when there is nothing to do."""
        floor = self.floors(self.clock(), True).get(site_id, (0, 0))
        return await self._due({site_id: floor})

    async def apply_due(self) -> Erasure | None:
        """Apply every site's retention whose floor has moved: one erasure for all of them."""
        due = await self._due(self.floors(self.clock(), False))
        self.checked_at = self.writer.clock()
        return due

    async def _due(self, floors: Mapping[int, tuple[int, int]]) -> Erasure | None:
        asked = self.book.ledger.floors_asked()
        events, rollups = _below(floors, 0, asked[0]), _below(floors, 1, asked[1])
        return await self._ask(RETENTION, events, rollups) if events or rollups else None

    async def _ask(self, kind: str, events: list[Span], rollups: list[Span]) -> Erasure:
        at = int(self.writer.clock())
        ledger = await _in_thread(
            lambda: self.book.change(lambda ledger: ledger.ask(kind, events, rollups, at))
        )
        self.wake.set()
        return ledger.open[-1]

    def find(self, erasure_id: int) -> Erasure | None:
        """An erasure as it is now."""
        return self.book.ledger.find(erasure_id) or self.finished.get(erasure_id)

    def step(self) -> None:
        """Something has changed."""
        progress, self.progress = self.progress, trio.Event()
        progress.set()

    def stats(self) -> dict[str, float]:
        return {
            "erasures_open": len(self.book.ledger.open),
            "erasures_done_total": self.done_total,
            "erased_rows_total": self.rows_total,
            "erasure_failures_total": self.failures,
            "erasure_seconds_total": round(self.busy_s, 6),
            "retention_checked_timestamp_seconds": round(self.checked_at, 3),
        }


async def run(handle: EraserHandle, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Carry out what the ledger holds, and look for what retention has to remove. Cancel to stop."""
    task_status.started()
    while True:
        handle.wake = trio.Event()
        if handle.scheduled:
            await handle.apply_due()
        all_done = True
        for erasure in handle.book.ledger.open:
            all_done &= await _carry_out(handle, erasure)
        await _clean_log(handle)
        with trio.move_on_after(CHECK_S if all_done else RETRY_S):
            await handle.wake.wait()


async def _carry_out(handle: EraserHandle, erasure: Erasure) -> bool:
    """Do what is left of an erasure; whether all of it is done (keeps I2)."""
    writer, started = handle.writer, trio.current_time()
    try:
        if not erasure.has_begun:
            await writer.wait_inserted(writer.durable_lsn)
            async with writer.turn:
                begin = partial(handle.engine.begin_erasure, erasure.id, writer.log.log_id, writer.done_lsn)
                erasure = await _in_thread(begin)
            await _in_thread(handle.told.changed)
            handle.step()
        while erasure.months:
            async with writer.turn:
                month = partial(handle.engine.erase_month, erasure.id, erasure.months[0], writer.done_lsn)
                erasure, notes = await _in_thread(month)
            for note in notes:
                handle.told.report("repaired", note)
            for site_id in _sites(erasure):
                handle.told.forget(site_id)
            handle.step()
        await _finish(handle, erasure)
    except Retryable as error:
        handle.failures += 1
        if handle.last_error != str(error):
            handle.last_error = str(error)
            handle.told.report("erase_failed", f"erasure {erasure.id} is tried again: {error}")
        return False
    finally:
        handle.busy_s += trio.current_time() - started
    handle.last_error = ""
    return True


async def _finish(handle: EraserHandle, erasure: Erasure) -> None:
    aside = await _in_thread(partial(_erase_set_aside, handle.writer.quarantine_dir, erasure, handle.book))
    handle.writer.quarantine_files -= aside
    at = int(handle.writer.clock())
    await _in_thread(lambda: handle.book.change(lambda ledger: ledger.finish(erasure.id, at)))
    if erasure.months_all or aside:
        handle.log_through, handle.has_rotated = handle.writer.durable_lsn, False
    handle.finished[erasure.id] = attrs.evolve(erasure, done_at=at)
    while len(handle.finished) > FINISHED_MAX:
        handle.finished.popitem(last=False)
    handle.done_total += 1
    handle.rows_total += erasure.rows
    sites = _sites(erasure)
    if erasure.kind == REQUEST or erasure.months_all or aside:  # a floor that moves over nothing is no news
        _record(handle, erasure, sites, len(aside))
    for site_id in sites:
        handle.told.forget(site_id)
    await _in_thread(handle.told.changed)
    handle.step()


def _record(handle: EraserHandle, erasure: Erasure, sites: list[int], set_aside: int) -> None:
    facts: dict[str, Any] = {"site_id": sites[0]} if len(sites) == 1 else {"sites": len(sites)}
    if erasure.kind == REQUEST:
        facts |= {"first": day_text(erasure.events[0].first), "last": day_text(erasure.events[0].last)}
    handle.told.record(
        "erased", erasure=erasure.id, why=erasure.kind, **facts, rows=erasure.rows, counted=erasure.counted,
        months=erasure.months_all, set_aside=set_aside,
    )  # fmt: skip


async def _clean_log(handle: EraserHandle) -> None:
    """Keeps I4: a step each time, so that nothing waits for it."""
    log, writer = handle.writer.log, handle.writer
    if handle.log_through is None or log.needs_spare:  # without a spare a rotation would hold up events
        return
    if not handle.has_rotated:
        handle.has_rotated = True
        handle.log_through = log.durable_lsn
        handle.committer.rotate()
        return
    keep_since_us = int((writer.clock() - writer.keep_s) * 1_000_000)
    await _in_thread(partial(log.trim, writer.done_lsn, keep_since_us=keep_since_us))
    if log.first_lsn > handle.log_through:
        handle.log_through, handle.has_rotated = None, False
        await _in_thread(log.discard_used_spares)


def _erase_set_aside(directory: Path, erasure: Erasure, book: Book) -> set[str]:
    """Remove the files of refused rows that the erasure covers; their names."""
    gone = set()
    for path in sorted(directory.glob("*.msgpack")):
        row = path.read_bytes()
        if not erasure.covers(row_site(row), row_day(row)):
            continue
        log_id, lsn = path.name.partition(".")[0].split("-")
        one = LogRows(int(log_id, 16), int(lsn), int(lsn), 1)
        book.change(lambda ledger, one=one: ledger.strike(one))  # type: ignore[misc]
        path.unlink()
        gone.add(path.name)
    return gone


def _sites(erasure: Erasure) -> list[int]:
    return sorted({span.site_id for span in (*erasure.events, *erasure.rollups)})


def _below(floors: Mapping[int, tuple[int, int]], which: int, known: Mapping[int, int]) -> list[Span]:
    """What lies below the floors that have moved; all of it, so that what was left behind once goes, too."""
    return [
        Span(site_id, 0, floor[which] - 1)
        for site_id, floor in sorted(floors.items())
        if floor[which] > known.get(site_id, 0)
    ]


async def _in_thread(call: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(call)
