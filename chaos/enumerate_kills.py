"""Kill the node at each Nth system call of one small block, or have the call fail: what is lost, what is doubled?

    python -m chaos.enumerate_kills                      every call, every state: about an hour on two cores
    python -m chaos.enumerate_kills --calls rename --states fresh
    python -m chaos.enumerate_kills --every 20           a sample

A point is a state (kill_child.STATES: an ordinary block, the repair of one that a crash left half done, or an erasure
beside one), a system call, a number and what happens there: SIGKILL on entering the call, so that it is not carried
out, or EIO from it.
For each point a copy of the prepared data directory is run under strace, started once more unharmed, and counted.
N goes up until a run passes unharmed. A sample takes only the calls that a first run made on the data directory.

Reusable: `Campaign` for scenario G and tests. Needs strace and the right to trace (root, or ptrace of children).
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs
import click

from chaos.kill_child import BLOCK_ROWS, ERASING, STATES
from chaos.kill_crew import HUNG, Crew

KILL: Final = "kill"
EIO: Final = "EIO"
CALLS: Final = (
    "write", "pwrite64", "fdatasync", "fsync", "syncfs", "rename", "renameat2", "unlink", "unlinkat", "rmdir",
    "mkdir", "link", "ftruncate",
)  # fmt: skip
# Calls that may fail once without a crash, and whose failure the node must survive or end by.
EIO_CALLS: Final = (
    "rename",
    "renameat2",
    "fdatasync",
    "fsync",
    "syncfs",
    "mkdir",
    "link",
    "unlink",
    "pwrite64",
    "write",
)
NUMBER_MAX: Final = 5_000  # a run that is never unharmed up to here is a fault of this program
_CALL: Final = re.compile(r"^(\d+)\s+(\w+)\(")


@attrs.frozen
class Point:
    state: str
    call: str
    number: int
    fault: str = KILL

    def __str__(self) -> str:
        return f"{self.state}: {self.fault} at {self.call} {self.number}"


@attrs.frozen
class Outcome:
    """What a point did. `lost` and `doubled` are rows, `wrong` everything else that must not be."""

    point: Point
    unharmed: bool  # the run came to its end by itself
    acked: bool
    lost: int = 0
    doubled: int = 0
    wrong: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def is_right(self) -> bool:
        return not self.lost and not self.doubled and not self.wrong


class Campaign:
    """Prepared directories, and points run on copies of them; `with Campaign(directory, jobs=2) as campaign`."""

    def __init__(self, directory: Path, *, jobs: int = 2) -> None:
        self._directory = directory.resolve()
        self._jobs = jobs
        self._crews: list[Crew] = []  # those at rest
        self._lock = threading.Lock()
        self._preparing = threading.Lock()
        self._calls: dict[str, dict[str, list[int]]] = {}  # by state, once traced

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for crew in self._crews:
            crew.close()

    def run(self, points: Iterable[Point]) -> Iterator[Outcome]:
        """The outcomes of `points`, in order, `jobs` at a time."""
        with ThreadPoolExecutor(self._jobs) as pool:
            yield from pool.map(self.run_point, points)

    def run_until_unharmed(self, state: str, call: str, fault: str = KILL) -> Iterator[Outcome]:
        """N = 1, 2, … until a run passes unharmed; the last outcome is that one."""
        for first in range(1, NUMBER_MAX, self._jobs):
            numbers = range(first, first + self._jobs)
            for outcome in self.run(Point(state, call, number, fault) for number in numbers):
                yield outcome
                if outcome.unharmed and fault == KILL:
                    return
        raise AssertionError(f"{state}: {call} never ended")

    def points(self, state: str, call: str, fault: str = KILL) -> list[Point]:
        """The calls on the data directory that an unharmed run makes: for each N the first thread to get there."""
        if state not in self._calls:
            self._calls[state] = self._traced(state)
        return [Point(state, call, number, fault) for number in self._calls[state].get(call, [])]

    def run_point(self, point: Point) -> Outcome:
        """Run one point on a copy of its state's directory."""
        started = time.monotonic()
        effect = "signal=KILL" if point.fault == KILL else f"error={point.fault}"
        options = ["-e", f"trace={point.call}", "-e", f"inject={point.call}:{effect}:when={point.number}"]
        with self._crew() as crew, self._copy(point.state, crew) as data_dir:
            ended = crew.run(data_dir, options, Path("/dev/null"))
            found = crew.judge(data_dir)
        unharmed = "finished" in ended.said and ended.code == 0
        acked = "acked" in ended.said or point.state not in ("fresh", ERASING)
        outcome = _compare(point, unharmed, acked, found)
        wrong = (*outcome.wrong, "the run came to no end") if ended.code == HUNG else outcome.wrong
        return attrs.evolve(outcome, wrong=wrong, seconds=time.monotonic() - started)

    @contextmanager
    def _crew(self) -> Iterator[Crew]:
        """A crew for as long as the context lasts."""
        with self._lock:
            crew = self._crews.pop() if self._crews else None
        if crew is None:
            crew = Crew(Path(tempfile.mkdtemp(dir=self._directory, prefix="crew-")))
        try:
            yield crew
        finally:
            with self._lock:
                self._crews.append(crew)

    @contextmanager
    def _copy(self, state: str, crew: Crew) -> Iterator[Path]:
        """A copy of the prepared directory of a state, which is made once."""
        template = self._directory / f"template {state}"
        with self._preparing:
            if not template.exists():
                unfinished = template.with_suffix(".tmp")
                shutil.rmtree(unfinished, ignore_errors=True)
                crew.prepare(unfinished, state)
                unfinished.rename(template)
        with tempfile.TemporaryDirectory(dir=self._directory) as scratch:
            data_dir = Path(scratch) / "data"
            shutil.copytree(template, data_dir, symlinks=True)
            yield data_dir

    def _traced(self, state: str) -> dict[str, list[int]]:
        """Call -> the numbers at which it is made on the data directory."""
        with self._crew() as crew, self._copy(state, crew) as data_dir:
            log = data_dir.with_name("strace.log")
            ended = crew.run(data_dir, ["-y", "-e", f"trace={','.join(CALLS)}"], log)
            assert ended.code == 0, f"a run without faults: {ended}"
            return _numbers(log.read_text(errors="replace").splitlines(), str(data_dir))


def _numbers(lines: Iterable[str], data_dir: str) -> dict[str, list[int]]:
    """strace counts each thread's calls by themselves, so N is reached by the thread that is first at its own N."""
    counts: dict[tuple[str, str], int] = {}
    reached: dict[str, int] = {}
    found: dict[str, list[int]] = {}
    for line in lines:
        match = _CALL.match(line)
        if match is None:
            continue
        thread, call = match.groups()
        count = counts[thread, call] = counts.get((thread, call), 0) + 1
        if count > reached.get(call, 0):
            reached[call] = count
            if data_dir in line:
                found.setdefault(call, []).append(count)
    return found


def _compare(point: Point, unharmed: bool, acked: bool, found: dict[str, Any]) -> Outcome:
    if "error" in found:
        return Outcome(point, unharmed, acked, wrong=(found["error"],))
    block, filler = found["block"], found["filler"]
    wrong = list(found["drifts"])
    if found["others"]:
        wrong.append(f"{found['others']} rows that nobody sent")
    if found["left"]:
        wrong.append(f"left behind: {found['left']}")
    if not acked and 0 < sum(map(bool, block)) < BLOCK_ROWS:
        wrong.append("a frame that was not acknowledged is there in part")
    lost = filler.count(0) + (block.count(0) if acked else 0)
    doubled = sum(max(0, times - 1) for times in block + filler)
    return Outcome(point, unharmed, acked, lost, doubled, tuple(wrong))


@click.command()
@click.option("--states", default=",".join(STATES), show_default=True)
@click.option("--calls", default=",".join(CALLS), show_default=True)
@click.option("--eio-calls", default=",".join(EIO_CALLS), show_default=True, help='"" = no failing calls.')
@click.option(
    "--every", default=1, show_default=True, help="Take every so manieth call on the data directory."
)
@click.option("--jobs", default=2, show_default=True)
@click.option(
    "--directory", type=click.Path(path_type=Path), help="Where to work; a fast disk. [a new one in /tmp]"
)
def main(states: str, calls: str, eio_calls: str, every: int, jobs: int, directory: Path | None) -> None:
    """Run a campaign and print a line for each state and call; exit code 1 when anything was lost or doubled."""
    bad: list[Outcome] = []
    total = 0
    with (
        tempfile.TemporaryDirectory(dir=directory, prefix="kills-") as scratch,
        Campaign(Path(scratch), jobs=jobs) as campaign,
    ):
        print(
            f"{'state':22}{'fault':7}{'call':12}{'points':>7}{'lost':>6}{'doubled':>9}{'wrong':>7}{'seconds':>9}"
        )
        for state in states.split(","):
            plan = [(call, KILL) for call in calls.split(",")]
            plan += [(call, EIO) for call in eio_calls.split(",") if call]
            for call, fault in plan:
                started = time.monotonic()
                if every == 1 and fault == KILL:
                    outcomes = list(campaign.run_until_unharmed(state, call, fault))
                else:
                    outcomes = list(campaign.run(campaign.points(state, call, fault)[::every]))
                total += len(outcomes)
                bad += [outcome for outcome in outcomes if not outcome.is_right]
                lost, doubled = sum(one.lost for one in outcomes), sum(one.doubled for one in outcomes)
                wrong = sum(bool(one.wrong) for one in outcomes)
                seconds = time.monotonic() - started
                print(
                    f"{state:22}{fault:7}{call:12}{len(outcomes):7}{lost:6}{doubled:9}{wrong:7}{seconds:9.0f}",
                    flush=True,
                )
    for outcome in bad:
        print(f"{outcome.point}: lost {outcome.lost}, doubled {outcome.doubled}, {'; '.join(outcome.wrong)}")
    print(f"{total} points, {len(bad)} bad")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
