"""The end of a process that ClickHouse keeps: once everything is cancelled, a few seconds and no more.

Seen: the embedded engine waits for ever to drop a table on a disk that has failed, and a thread in it can't be ended.
The next start finds the data as after a kill.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import trio

END_GRACE_S = 3.0


class LastResort:
    """Runs a node's actors, knows what went wrong first, and calls `end_process` with it when the end hangs.

    `end_process` must not return; None: whoever built the node waits as long as it takes.
    """

    def __init__(self, end_process: Callable[[BaseException | None], None] | None) -> None:
        self._end_process = end_process
        self._first_error: BaseException | None = None  # of an actor; the others are cancelled for it
        self._timer: threading.Timer | None = None

    async def act(
        self,
        run: Callable[..., Any],
        done: trio.Event,
        *arguments: Any,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run an actor to its end, then set `done`; the first one's error is kept."""
        try:
            await run(*arguments, task_status=task_status)
        except trio.Cancelled:
            raise
        except BaseException as error:
            # An actor with a nursery of its own is cancelled with a group: nothing went wrong in it.
            wrong = error.split(trio.Cancelled)[1] if isinstance(error, BaseExceptionGroup) else error
            self._first_error = self._first_error or wrong
            raise
        done.set()

    async def run(self) -> None:
        """Sleep; cancelled, arm the timer."""
        try:
            await trio.sleep_forever()
        finally:
            if self._end_process is not None:
                self._timer = threading.Timer(END_GRACE_S, partial(self._end_process, self._first_error))
                self._timer.daemon = True
                self._timer.start()

    def disarm(self) -> None:
        """Everything has ended by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()  # where it has begun, the process ends here, and its stop was no clean one
