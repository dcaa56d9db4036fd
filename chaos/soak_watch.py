"""What a soak watches of a node, once a second: memory, file descriptors, threads, parts, segments, lag."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import attrs

from chaos.rig.rig import Rig
from chaos.rig.watch import MetricsReader

INTERVAL_S: Final = 1.0
WARM_UP_S: Final = 20.0  # of each process: imports, caches, the engine's pools
READINGS_MIN: Final = 40  # fewer say nothing about growth
# Nor does a shorter time: the engine keeps parts for eight minutes after a merge, and its pools fill as slowly.
GROWTH_S_MIN: Final = 3_600.0
_PART: Final = re.compile(r"\d{6}_\d+_\d+_\d+(_\d+)?")
MIB: Final = 1024 * 1024


@attrs.frozen
class Reading:
    """One look; -1: could not be seen. `age_s` is of the process."""

    at: float
    age_s: float
    resident_mib: float
    descriptors: int
    threads: int
    parts: int
    segments: float
    lag_rows: float
    tasks: float  # of trio, if the node tells


# What must not grow, from which age of the process on, and how much more than before is still the same.
BOUNDS: Final[dict[str, tuple[Callable[[Reading], float], float, float]]] = {
    "resident MiB": (lambda reading: reading.resident_mib, 1.25, 40),
    "file descriptors": (lambda reading: reading.descriptors, 1.1, 12),
    "threads": (lambda reading: reading.threads, 1.1, 8),
    "parts": (lambda reading: reading.parts, 1.5, 60),
    "segments": (lambda reading: reading.segments, 1.5, 20),
}


class Watcher:
    """`with Watcher(rig) as watcher:`; `watcher.readings`."""

    def __init__(self, rig: Rig) -> None:
        self.readings: list[Reading] = []
        self._rig = rig
        self._reader = MetricsReader(lambda: rig.url if rig.node is not None else "", lambda: rig.token)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._pid, self._since = 0, 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """No more readings; a second time does nothing."""
        self._end.set()
        self._thread.join()
        self._reader.close()

    def grown(self) -> Iterator[str]:
        """What is higher in the last quarter than it was in the second one, beyond its bound, with warm processes."""
        warm = [reading for reading in self.readings if reading.age_s > WARM_UP_S]
        if not judges_growth(self.readings) or len(warm) < READINGS_MIN:
            return
        quarter = len(warm) // 4
        early, late = warm[quarter : 2 * quarter], warm[-quarter:]
        for name, (of, factor, more) in BOUNDS.items():
            before = statistics.median(map(of, early))
            after = statistics.median(map(of, late))
            if after > max(before * factor, before + more):
                yield f"{name} grew from {before:.0f} to {after:.0f}"

    def _run(self) -> None:
        while not self._end.wait(INTERVAL_S):
            reading = self._look()
            if reading is not None:
                self.readings.append(reading)

    def _look(self) -> Reading | None:
        node = self._rig.node
        if node is None:
            return None
        if node.pid != self._pid:
            self._pid, self._since = node.pid, time.monotonic()
        sample = self._reader.read()
        process = Path(f"/proc/{node.pid}")
        try:
            resident = node.resident_bytes() / MIB
            descriptors = len(list((process / "fd").iterdir()))
            threads = len(list((process / "task").iterdir()))
        except OSError:
            return None  # it ends just now
        figures = sample.figures if sample else {}
        now = time.monotonic()
        return Reading(
            at=now,
            age_s=now - self._since,
            resident_mib=resident,
            descriptors=descriptors,
            threads=threads,
            parts=count_parts(self._engine()),
            segments=figures.get("wal_segments", -1),
            lag_rows=figures.get("writer_lag_rows", -1),
            tasks=figures.get("tasks", -1),
        )

    def _engine(self) -> Path:
        """The directory of the engine that holds the rows."""
        if self._rig.clickhouse is not None:
            return self._rig.clickhouse.home / "engine"
        return self._rig.data_dir / "clickhouse"


def judges_growth(readings: Sequence[Reading]) -> bool:
    """Whether they span long enough to say whether something grew."""
    return bool(readings) and readings[-1].at - readings[0].at >= GROWTH_S_MIN


def count_parts(engine: Path) -> int:
    """Directories of parts of all tables, those merged away and not yet removed included."""
    found = 0
    for table in engine.glob("store/*/*"):
        try:
            found += sum(1 for name in table.iterdir() if _PART.fullmatch(name.name))
        except OSError:
            continue  # dropped just now
    return found
