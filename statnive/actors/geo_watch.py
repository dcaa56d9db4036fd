"""The geo watch actor: reads the address databases again when their files change, or when it is asked to.

Owns:       when `Geo.reload` is called; the counts of reloads and of refused files.
Inputs:     the files' stamps, every POLL_S; `request()`: synchronous, from SIGHUP's handler.
Outputs:    answers from the new databases; a report for each reload, "geo_kept" for each refused file.
Invariants: I1 a database that can't be read leaves the old one in use; I2 a changed file is read only once it has
            been left alone for a whole interval, so that a copy in progress is not taken for a broken file; I3 a
            refused file is reported once, not at each interval.
Failure:    none of its own: what is wrong with a file is a report.
Shutdown:   `run` ends by cancellation with the acceptor's nursery.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from statnive.errors import BrokenInput
from statnive.ingest.geo import Geo

POLL_S = 2.0


class GeoWatchHandle:
    """`request()` asks for a reload; `run` does it."""

    def __init__(self, geo: Geo, report: Callable[[str, str], None]) -> None:
        self.geo = geo
        self.report = report
        self.reloads = 0
        self.kept = 0
        self._asked = trio.Event()
        self._seen = geo.stamps()

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
        stamps, seen = self.geo.stamps(), self._seen
        self._seen = stamps
        if not asked and (not self.geo.changed() or stamps != seen):  # keeps I2
            return None
        try:
            self.geo.reload()
        except BrokenInput as broken:  # keeps I1 and, with Geo's memory of what it tried, I3
            return str(broken)
        return ""

    def stats(self) -> dict[str, float]:
        return {"geo_reloads_total": self.reloads, "geo_kept_total": self.kept}


async def run(
    handle: GeoWatchHandle, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
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
            handle.report("geo_kept", f"{wrong}; the database read before stays in use")
        else:
            handle.reloads += 1
            handle.report("geo_read", "the address databases were read again")
