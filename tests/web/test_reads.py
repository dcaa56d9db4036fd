"""The kept answers: one flight for many, to the top of the hour, forgotten when something changed, stale when the
engine is down; bounded.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
import trio
import trio.testing

from statnive.clickhouse.failures import LimitExceeded, Unavailable
from statnive.control.snapshot import Goal, GoalKind, Site
from statnive.errors import Overloaded
from statnive.web import reads as reads_module
from statnive.web.reads import Reads

HALF_PAST = 1_793_536_200.0  # 2026-11-01 12:30 UTC
BERLIN = Site(1, "example.com", "Europe/Berlin", frozenset())
KOLKATA = Site(2, "example.in", "Asia/Kolkata", frozenset())


class World:
    """A clock, a log's lag, and an engine that counts its reads."""

    def __init__(self) -> None:
        self.now = HALF_PAST
        self.lag_s = 0.0
        self.engine_reads = 0
        self.error: Exception | None = None
        self.reads = Reads(
            self.read, threads=2, clock=lambda: self.now, fresh_through=lambda: self.now - self.lag_s
        )

    def read(self, work: Any) -> Any:
        self.engine_reads += 1
        if self.error is not None:
            raise self.error
        return work(None)

    async def ask(self, site: Site = BERLIN, key: str = "overview") -> Any:
        number = self.engine_reads + 1
        return await self.reads.ask(site, key, lambda reader: {"answer": number})


async def test_an_answer_is_kept_to_the_top_of_the_hour() -> None:
    world = World()
    first = await world.ask()
    assert (first.value, first.kept) == ({"answer": 1}, False)
    world.now += 29 * 60 + 59
    again = await world.ask()
    assert (again.value, again.kept, again.fresh_through) == ({"answer": 1}, True, first.fresh_through)
    world.now += 1
    assert (await world.ask()).value == {"answer": 2}


async def test_the_hour_is_the_site_s_own() -> None:
    world = World()
    await world.ask(KOLKATA)  # 18:00 there
    world.now += 59 * 60 + 59
    assert (await world.ask(KOLKATA)).kept
    world.now += 1
    assert not (await world.ask(KOLKATA)).kept


async def test_everything_that_shapes_an_answer_is_part_of_its_key() -> None:
    world = World()
    await world.ask()
    goal = Goal(1, GoalKind.EVENT, "Signup")
    for site in (
        KOLKATA,
        Site(1, "example.com", "UTC", frozenset()),
        Site(1, "example.com", "Europe/Berlin", frozenset(), (goal,)),
    ):
        assert not (await world.ask(site)).kept
    assert not (await world.ask(key="trend")).kept
    assert (await world.ask()).kept


async def test_many_who_ask_at_once_are_one_read() -> None:
    world, go = World(), threading.Event()
    answers: list[Any] = []

    def slow(reader: Any) -> dict[str, int]:
        assert go.wait(30)
        return {"answer": 1}

    async def ask() -> None:
        answers.append(await world.reads.ask(BERLIN, "slow", slow))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        go.set()
    assert world.engine_reads == 1
    assert [read.value for read in answers] == [{"answer": 1}] * 20
    assert sum(read.kept for read in answers) == 19


async def test_a_failed_flight_is_flown_again_for_those_who_waited() -> None:
    world = World()
    world.error = Unavailable("down", ambiguous=False)
    failures = []

    async def ask() -> None:
        try:
            await world.ask()
        except Unavailable as error:
            failures.append(error)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
    assert len(failures) == 3
    world.error = None
    assert not (await world.ask()).kept


async def test_what_was_forgotten_is_not_shown_again_even_if_it_was_being_read() -> None:
    world, go = World(), threading.Event()

    def slow(reader: Any) -> dict[str, str]:
        assert go.wait(30)
        return {"answer": "of before"}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.reads.ask, BERLIN, "overview", slow)
        await trio.testing.wait_all_tasks_blocked()
        world.reads.forget(BERLIN.id)
        go.set()
    assert (await world.ask()).value == {"answer": 2}
    world.reads.forget()
    assert (await world.ask()).value == {"answer": 3}


async def test_forgetting_a_site_leaves_the_others() -> None:
    world = World()
    await world.ask(BERLIN)
    await world.ask(KOLKATA)
    world.reads.forget(BERLIN.id)
    assert (await world.ask(KOLKATA)).kept
    assert not (await world.ask(BERLIN)).kept


async def test_an_answer_that_misses_acknowledged_events_is_kept_for_seconds_only() -> None:
    world = World()
    world.lag_s = 600
    await world.ask()
    world.now += reads_module.LAGGING_S
    world.lag_s = 0
    assert not (await world.ask()).kept


async def test_with_the_engine_down_an_answer_of_before_is_given_and_marked() -> None:
    world = World()
    await world.ask()
    world.now += 3_600
    world.error = Unavailable("down", ambiguous=False)
    stale = await world.ask()
    assert (stale.value, stale.stale) == ({"answer": 1}, True)
    assert stale.fresh_through.timestamp() == HALF_PAST
    with pytest.raises(Unavailable):
        await world.ask(key="never asked before")
    world.reads.forget(BERLIN.id)
    with pytest.raises(Unavailable):
        await world.ask()


async def test_a_question_too_large_is_an_error_and_no_stale_answer() -> None:
    world = World()
    await world.ask()
    world.now += 3_600
    world.error = LimitExceeded("too many rows", ambiguous=False)
    with pytest.raises(LimitExceeded):
        await world.ask()


async def test_a_refresh_is_allowed_once_a_minute_a_site() -> None:
    world = World()
    await world.ask()
    assert world.reads.refresh(BERLIN.id) == 0
    assert not (await world.ask()).kept
    world.now += 59
    assert world.reads.refresh(BERLIN.id) == 2
    assert world.reads.refresh(KOLKATA.id) == 0
    assert (await world.ask()).kept
    world.now += 1
    assert world.reads.refresh(BERLIN.id) == 0


async def test_what_is_kept_is_bounded_in_number_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads_module, "ENTRIES_MAX", 10)
    monkeypatch.setattr(reads_module, "BYTES_MAX", 4_000)
    world = World()
    for number in range(30):
        await world.ask(key=f"small {number}")
    assert world.reads.stats()["query_cache_entries"] == 10
    for number in range(30):
        await world.reads.ask(BERLIN, f"large {number}", lambda reader: "x" * 120)
    stats = world.reads.stats()
    assert 0 < stats["query_cache_bytes"] <= 4_000
    await world.reads.ask(BERLIN, "huge", lambda reader: "x" * 10_000)
    assert world.reads.stats() | {"query_asked_total": 0} == stats | {"query_asked_total": 0}


async def test_too_many_who_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads_module, "WAITING_MAX", 2)
    world, go = World(), threading.Event()

    async def ask(key: int) -> None:
        await world.reads.ask(BERLIN, key, lambda reader: go.wait(30))

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(ask, number)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Overloaded):
            await world.ask(key="one more")
        go.set()


async def test_no_more_reads_run_at_once_than_there_are_threads() -> None:
    world, lock = World(), threading.Lock()
    running, most = 0, 0
    barrier = threading.Event()

    def work(reader: Any) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        barrier.wait(0.01)
        with lock:
            running -= 1
        return 1

    async with trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(world.reads.ask, BERLIN, number, work)
    assert 1 <= most <= 2
