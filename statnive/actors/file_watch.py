"""The file watch actor: reads an operator's files again when they change, or when it is asked to.

One for the address databases, one for the TLS certificate and its key.

Owns:       when `reload` of its files is called; the counts of reloads and of refused files.
Inputs:     the files' stamps, every POLL_S; `request()`: synchronous, from SIGHUP's handler.
Outputs:    the new content in use; a report for each reload, "<name>_kept" for each refused file.
Invariants: I1 a file that can't be used leaves the old content in use; I2 a changed file is read only once it has
            been left alone for a whole interval, so that a copy in progress is not taken for a broken file; I3 a
            refused file is reported once, not at each interval.
Failure:    none of its own: what is wrong with a file is a report.
Shutdown:   `run` ends by cancellation with the acceptor's nursery.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from statnive.errors import BrokenInput

POLL_S = 2.0


class Files(Protocol):
    """What is watched: files that are read as a whole."""

    def stamps(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What tells one state of the files from another."""
        ...

    def changed(self) -> bool:
        """Whether a file differs from what was last read or tried."""
        ...

    def reload(self) -> None:
        """Read them. Raises BrokenInput, with the old content still in use."""
        ...


class FileWatchHandle:
    """`request()` asks for a reload; `run` does it. `name` is of metrics and reports, `what` of the texts."""

    def __init__(self, files: Files, report: Callable[[str, str], None], *, name: str, what: str) -> None:
        self.files = files
        self.report = report
        self.name, self.what = name, what
        self.reloads = 0
        self.kept = 0
        self._asked = trio.Event()
        self._seen = files.stamps()

    def request(self) -> None:
        """Read the files at the next opportunity, changed or not. Call on the event loop's thread."""
        self._asked.set()

    async def due(self) -> bool:
        """Wait for a request or the end of an interval; whether it was a request. Cancelling loses none."""
        with trio.move_on_after(POLL_S):
            await self._asked.wait()
        asked = self._asked.is_set()
        self._asked = trio.Event()
        return asked

    def look(self, asked: bool) -> str | None:
        """Blocking. Read what is to be read; what went wrong ("" = nothing), None = there was nothing to read."""
        stamps, seen = self.files.stamps(), self._seen
        self._seen = stamps
        if not asked and (not self.files.changed() or stamps != seen):  # keeps I2
            return None
        try:
            self.files.reload()
        except BrokenInput as broken:  # keeps I1 and, with the files' memory of what it tried, I3
            return str(broken)
        return ""

    def stats(self) -> dict[str, float]:
        return {f"{self.name}_reloads_total": self.reloads, f"{self.name}_kept_total": self.kept}


async def run(
    handle: FileWatchHandle, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Watch for ever. Cancelling waits for a file that is being read."""
    limiter = trio.CapacityLimiter(1)
    task_status.started()
    while True:
        asked = await handle.due()
        wrong = await trio.to_thread.run_sync(handle.look, asked, limiter=limiter)
        if wrong is None:
            continue
        if wrong:
            handle.kept += 1
            handle.report(f"{handle.name}_kept", f"{wrong}; what was read before stays in use")
        else:
            handle.reloads += 1
            handle.report(f"{handle.name}_read", f"{handle.what} were read again")
