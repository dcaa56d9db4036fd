"""The closer: what is due is closed, one day at a time with a rest, and a day that is too much stops no other one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import date

import pytest
import trio

from statnive.actors import closer
from statnive.clickhouse.closing import BATCH_DAYS, EVENTS_MIN, Day
from statnive.errors import ConfigError, Retryable

LARGE = [Day(site, date(2026, 11, 1), EVENTS_MIN, stale=False) for site in range(1, 5)]


class Engine:
    """Lists of due days, in order; then none, for ever."""

    def __init__(self, *lists: list[Day], failing: dict[int, Exception] | None = None) -> None:
        self.lists = list(lists)
        self.failing = failing or {}
        self.closed: list[int] = []
        self.asked = 0
        self.reports: list[str] = []
        self.nothing_left = trio.Event()

    def due(self) -> list[Day]:
        self.asked += 1
        if not self.lists:
            trio.from_thread.run_sync(self.nothing_left.set)
            return []
        return self.lists.pop(0)

    def close(self, day: Day, is_stopping: Callable[[], bool]) -> bool:
        assert not is_stopping()
        if day.site_id in self.failing:
            raise self.failing[day.site_id]
        self.closed.append(day.site_id)
        return day.events >= EVENTS_MIN

    async def play(self, monkeypatch: pytest.MonkeyPatch) -> closer.CloserHandle:
        """Run until nothing is due any more, without the hour between the rounds."""
        for pause in ("FIRST_S", "ROUND_S", "REST"):
            monkeypatch.setattr(closer, pause, 0)
        handle = closer.CloserHandle(
            self.due, self.close, lambda kind, text: self.reports.append(f"{kind}: {text}")
        )
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                await nursery.start(closer.run, handle)
                await self.nothing_left.wait()
                nursery.cancel_scope.cancel()
        return handle


async def test_what_is_due_is_closed_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(LARGE[:2], [*LARGE[2:], Day(9, date(2026, 11, 1), 0, stale=True)])
    handle = await engine.play(monkeypatch)
    assert engine.closed == [1, 2, 3, 4, 9]
    assert handle.stats() == {"days_closed_total": 4, "days_not_closed_total": 0}


async def test_a_day_that_is_too_much_stops_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(LARGE, failing={1: Retryable("too much memory")})
    handle = await engine.play(monkeypatch)
    assert engine.closed == [2, 3, 4]
    assert handle.stats() == {"days_closed_total": 3, "days_not_closed_total": 1}


async def test_a_round_ends_when_the_engine_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(LARGE, failing=dict.fromkeys(range(1, 5), Retryable("down")))
    handle = await engine.play(monkeypatch)
    assert handle.closed == 0
    assert engine.reports == []


async def test_what_an_operator_must_mend_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = ConfigError("clickhouse.url", "(hidden)", "may not insert")
    engine = Engine(LARGE, LARGE, failing=dict.fromkeys(range(1, 5), broken))
    await engine.play(monkeypatch)
    assert len(engine.reports) == 1
    assert engine.reports[0].startswith("closing_failed: days can't be closed")


async def test_a_full_list_is_followed_by_the_next_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(LARGE[:1] * BATCH_DAYS, LARGE[:1])
    monkeypatch.setattr(closer, "FIRST_S", 0)
    monkeypatch.setattr(closer, "REST", 0)
    handle = closer.CloserHandle(engine.due, engine.close, lambda kind, text: None)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(closer.run, handle)  # ROUND_S is an hour
            while engine.asked < 2 or len(engine.closed) <= BATCH_DAYS:
                await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
    assert handle.closed == BATCH_DAYS + 1


async def test_a_stop_ends_a_day_that_is_being_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, seen = threading.Event(), []

    def close(day: Day, is_stopping: Callable[[], bool]) -> bool:
        begun.set()
        while not is_stopping():
            time.sleep(0.001)
        seen.append(day.site_id)
        return False

    monkeypatch.setattr(closer, "FIRST_S", 0)
    handle = closer.CloserHandle(lambda: LARGE, close, lambda kind, text: None)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(closer.run, handle)
            while not begun.is_set():
                await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
    assert seen == [1]
