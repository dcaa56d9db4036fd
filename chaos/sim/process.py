"""One life of the program, and its threads: nothing runs in parallel, everything may interleave.

Owns:       the count of the life's steps (calls to its disk or its engine), the moment of its death, its threads.
Inputs:     a `Fate`: at which step, or when, it dies and how; how often a thread is preempted.
Outputs:    `step`, asked before each call: goes on, lets other threads run first, or raises Crash.
Invariants: I1 after death no call has an effect; I2 a thread is a greenlet that trio's scheduler runs: it is
            preempted only inside `step`, so its order is the seed's; I3 as in a real process, a thread that began is
            never abandoned by a cancellation, only by death.
Failure:    Crash, for the thread that dies and, from then on, for every other.

The product calls `trio.to_thread.run_sync` and `threading.Lock`; inside `Threads.installed()` both are these.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Literal, TypeVar
from unittest.mock import patch

import attrs
import trio
from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

from chaos.sim.filesystem import Crash
from statnive.clickhouse import engine as clickhouse_engine
from statnive.wal import log as wal_log

T = TypeVar("T")
Death = Literal["kill", "power", "cancel"]  # cancel: it is told twice to stop, and ends without a drain
LOCK_POLL_S = 0.003


@attrs.frozen
class Fate:
    """How a life ends (unless something else ends it), and how its threads interleave."""

    death: Death | None = None  # None: it is stopped in good order
    at_step: int | None = None
    at_call: str = ""  # it is that step's number among those whose name begins so
    after_s: float = 60.0  # simulated
    preempt_share: float = 0.0  # of steps, at which other threads run first
    latency_s_max: float = 0.004


class Process:
    """A running program, as its disk and its engine see it."""

    def __init__(self, fate: Fate, rng: random.Random, trace: Callable[..., None]) -> None:
        self.fate = fate
        self.rng = rng
        self.trace = trace
        self.dead = False
        self.steps = 0
        self.scope = trio.CancelScope()
        self.threads = Threads(self)

    def step(self, what: str) -> bool:
        """Before a call: let others run, perhaps. True when the process dies now, in the middle of the call.

        Raises Crash when it is dead already (keeps I1).
        """
        if self.dead:
            raise Crash
        if self.fate.preempt_share and self.rng.random() < self.fate.preempt_share:
            self.threads.pause(self.rng.random() * self.fate.latency_s_max)
            if self.dead:
                raise Crash
        if what.startswith(self.fate.at_call):
            self.steps += 1
        if self.steps != self.fate.at_step or not what.startswith(self.fate.at_call):
            return False
        self.die(what)
        return True

    def die(self, where: str) -> None:
        """It is gone. What its disk and its engine keep is decided by whoever owns them."""
        if not self.dead:
            self.trace("dies", self.fate.death, where, self.steps)
            self.dead = True
            self.scope.cancel()


class Threads:
    """What `trio.to_thread` and `threading.Lock` are in a simulated process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._main = getcurrent()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The product's threads and locks are these, inside."""
        threading = SimpleNamespace(Lock=lambda: SimLock(self), Condition=SimCondition)
        with (
            patch.object(trio.to_thread, "run_sync", self.run_sync),
            patch.object(wal_log, "threading", threading),
            patch.object(clickhouse_engine, "threading", threading),
        ):
            yield

    async def run_sync(
        self, call: Callable[..., T], *arguments: Any, limiter: trio.CapacityLimiter, **options: Any
    ) -> T:
        """As `trio.to_thread.run_sync`: waits for the limiter, then runs to the end whatever is cancelled."""
        borrower = object()
        await limiter.acquire_on_behalf_of(borrower)
        thread = greenlet(call)
        try:
            await _doze(self._process.rng.random() * self._process.fate.latency_s_max)
            answer = self._resume(thread, *arguments)
            while not thread.dead:
                await _doze(answer)
                answer = self._resume(thread)
        finally:
            limiter.release_on_behalf_of(borrower)
        result: T = answer
        return result

    def _resume(self, thread: greenlet, *arguments: Any) -> Any:
        if not self._process.dead:
            return thread.switch(*arguments)
        if thread:  # it had begun: its `finally` clauses run, and reach nothing any more
            thread.throw(Crash)
        raise Crash

    def pause(self, seconds: float) -> None:
        """Let the others run; on the event loop's own thread nothing can."""
        if getcurrent() is not self._main:
            self._main.switch(seconds)

    @property
    def on_main(self) -> bool:
        """Whether this is the event loop's thread."""
        return getcurrent() is self._main


async def _doze(seconds: float) -> None:
    """Sleep through any cancellation; one scope is half the cost of two."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + seconds):
        await trio.sleep_forever()


class SimLock:
    """A `threading.Lock` for simulated threads."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads
        self._held = False

    def __enter__(self) -> bool:
        while self._held:
            assert not self.threads.on_main, "the event loop would wait for a thread that waits for the disk"
            self.threads.pause(LOCK_POLL_S)
        self._held = True
        return True

    def __exit__(self, *exc_info: object) -> None:
        self._held = False


class SimCondition:
    """A `threading.Condition` over a SimLock."""

    def __init__(self, lock: SimLock) -> None:
        self._lock = lock

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.__exit__()

    def wait_for(self, holds: Callable[[], bool], timeout: float) -> bool:
        """Give the lock away until `holds`, or until `timeout` seconds went by."""
        deadline = trio.current_time() + timeout
        while not holds() and trio.current_time() < deadline:
            self._lock.__exit__()
            self._lock.threads.pause(LOCK_POLL_S)
            self._lock.__enter__()
        return holds()

    def notify_all(self) -> None:
        """Nobody sleeps: those who wait look again and again."""
