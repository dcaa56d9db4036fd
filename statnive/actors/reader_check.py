"""Looks, once ClickHouse is there, at who the dashboards read as. Ingest doesn't wait for it.

Owns:       nothing. Inputs: `Engine.check_reader`. Outputs: a report when an operator should know something.
Failure:    a server that is down is asked again; a reader that is refused is reported, and looked at anew by each
            report that a dashboard asks for.
Shutdown:   cancelled with the node; returns by itself once it knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from statnive.errors import Retryable, StatniveError

AGAIN_S: Final = 10.0


async def run(check: Callable[[], str], report: Callable[[str, str], None]) -> None:
    """Call `check` in a thread until the server has answered; report its advice or its refusal."""
    limiter = trio.CapacityLimiter(1)
    while True:
        try:
            advice = await trio.to_thread.run_sync(check, limiter=limiter)
        except Retryable:
            await trio.sleep(AGAIN_S)
            continue
        except StatniveError as error:
            report("reader_refused", f"reports can't be answered: {error}")
            return
        if advice:
            report("reader_user", advice)
        return
