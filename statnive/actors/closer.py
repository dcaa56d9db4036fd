"""The closer actor: days that are over become numbers, in the background and with much rest in between.

Owns:       when days are closed. Inputs: a clock; `Engine.days_due` and `Engine.close_day`. Outputs: figures.
Invariants: I1 one day at a time, in one thread, and then a rest of REST times what it took: at most a fifth of a core;
            I2 nothing waits for it: a day that is not closed is read from the rollups.
Failure:    a Retryable or a limit is counted, and tried again at the next round. Anything else is reported once.
Shutdown:   cancelled with the node; a day that is being closed is given up after the statement under way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from statnive.clickhouse.closing import Day
from statnive.errors import Retryable, StatniveError

FIRST_S: Final = 60.0
ROUND_S: Final = 3_600.0
REST: Final = 4.0
REST_S_MAX: Final = 20.0
FAILURES_MAX: Final = 3  # of a round: then it is the engine that is not well


class CloserHandle:
    """Figures, and what the actor works with."""

    def __init__(
        self,
        due: Callable[[], list[Day]],
        close: Callable[[Day, Callable[[], bool]], bool],
        report: Callable[[str, str], None],
    ) -> None:
        self.due = due
        self.close = close
        self.report = report
        self.closed = 0
        self.failed = 0
        self.stopping = False

    def stats(self) -> dict[str, float]:
        """Figures by metric name."""
        return {"days_closed_total": self.closed, "days_not_closed_total": self.failed}


async def run(handle: CloserHandle, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Close what is due, a minute after the start and then each hour. Never returns."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tell_stop, handle)
        task_status.started()
        await trio.sleep(FIRST_S)
        await _rounds(handle)


async def _tell_stop(handle: CloserHandle) -> None:
    """A thread can't be cancelled: it looks at the flag."""
    try:
        await trio.sleep_forever()
    finally:
        handle.stopping = True


async def _rounds(handle: CloserHandle) -> None:
    limiter, told = trio.CapacityLimiter(1), ""
    while True:
        more = False
        try:
            more = await _round(handle, limiter)
        except Retryable:
            handle.failed += 1
        except StatniveError as error:
            handle.failed += 1
            if str(error) != told:
                told = str(error)
                handle.report("closing_failed", f"days can't be closed, long ranges stay slower: {error}")
        await trio.sleep(0 if more else ROUND_S)


async def _round(handle: CloserHandle, limiter: trio.CapacityLimiter) -> bool:
    """One list of days; whether there may be more. A day that is too much keeps no other one from being closed."""
    days = await trio.to_thread.run_sync(handle.due, limiter=limiter)
    closed, failures = 0, 0
    for day in days:
        started = trio.current_time()
        try:
            done = await trio.to_thread.run_sync(handle.close, day, lambda: handle.stopping, limiter=limiter)
        except Retryable:
            failures += 1
            if failures == FAILURES_MAX:
                raise
            done = False
        closed += done
        handle.closed += done
        handle.failed += not done and day.events > 0
        await trio.sleep(min(REST * (trio.current_time() - started), REST_S_MAX))  # keeps I1
    return closed > 0  # months come after the last day
