"""Starts the generator's processes, hands them stages, and makes summaries of their ledgers.

`run(settings, stages)` blocks until the load is over. `Load` is the same in steps, for callers that break
something in the middle: `with Load(settings, directory) as load: load.begin(stage); …; summary =
load.finish()`.
"""

from __future__ import annotations

import json
import math
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import attrs

from chaos.load.ledger import SUFFIX, Ledger
from chaos.load.protocol import CONNECT_S_MAX, Done, Order
from chaos.load.settings import SEQ_MAX, STAGE_REQUESTS_MAX, Settings, Stage, to_json
from chaos.load.summary import Process, Summary, summarize
from chaos.load.target import parse_target
from statnive.errors import Fatal, Rejected

ROOT: Final = Path(__file__).resolve().parents[2]
STARTUP_S_MAX: Final = 60.0
START_MARGIN_S: Final = 0.3
PREPARE_S_PER_REQUEST: Final = 5e-7
END_MARGIN_S: Final = 30.0
DESCRIPTORS_SPARE: Final = 64


class Load:
    """The processes of one load. Stages run one after another; sequence numbers go on from stage to stage."""

    def __init__(
        self, settings: Settings, directory: Path, first_seq: int = 0, connect_s_max: float = CONNECT_S_MAX
    ) -> None:
        """Ledgers go to `directory`. Raises Rejected for a target elsewhere, or too many connections."""
        parse_target(settings.target)
        _check_descriptors(-(-settings.connections // settings.processes))
        self._connect_s_max = connect_s_max
        self.settings = settings
        self._directory = directory
        self._next_seq = first_seq
        self._stage = 0
        self._requests_done = [0] * settings.processes
        self._workers: list[subprocess.Popen[str]] = []
        self._deadline = 0.0
        self.ledgers: list[Path] = []

    def __enter__(self) -> Load:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        for worker in range(self.settings.processes):
            process = subprocess.Popen(
                [sys.executable, "-m", "chaos.load.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
            )  # fmt: skip
            self._workers.append(process)
            self._tell(
                worker,
                {"settings": to_json(self.settings), "worker": worker, "connect_s_max": self._connect_s_max},
            )
        self._deadline = time.monotonic() + STARTUP_S_MAX + self._connect_s_max
        try:
            connected = sum(int(self._hear(worker)["ready"]) for worker in range(self.settings.processes))
        except BaseException:
            self._kill()
            raise
        if not connected and not self.settings.new_connections:
            self._kill()
            raise Rejected("target", f"{self.settings.target}: no connection could be opened")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is not None:
            self._kill()
            return
        for process in self._workers:
            if process.stdin:
                process.stdin.close()
        for process in self._workers:
            process.wait(timeout=END_MARGIN_S)
            if process.stdout:
                process.stdout.close()

    def begin(self, stage: Stage) -> float:
        """Start a stage; returns the instant of its first due time (CLOCK_MONOTONIC)."""
        processes, per = self.settings.processes, self.settings.events_per_request
        shares = [len(range(worker, stage.requests, processes)) for worker in range(processes)]
        if max(shares) > STAGE_REQUESTS_MAX:
            raise Rejected(
                "seconds", f"{stage.requests} requests in a stage: at most {STAGE_REQUESTS_MAX} a process"
            )
        if self._next_seq + stage.requests * per > SEQ_MAX:
            raise Rejected("seconds", f"sequence numbers end at {SEQ_MAX}: use another run id")
        start = time.monotonic() + START_MARGIN_S + max(shares) * PREPARE_S_PER_REQUEST
        for worker, requests in enumerate(shares):
            name = f"{self.settings.run}-{self._next_seq:010d}-{worker}{SUFFIX}"
            order = Order(
                stage=self._stage,
                rate=stage.rate,
                seconds=stage.seconds,
                requests=requests,
                start=start,
                first_request=self._requests_done[worker],
                first_seq=self._next_seq,
                ledger=str(self._directory / name),
            )
            self._requests_done[worker] += requests
            self._next_seq += requests * per
            self._tell(worker, attrs.asdict(order))
        self._stage += 1
        limits = self.settings.backlog_grace_s + self.settings.timeout_s
        self._deadline = start + stage.seconds + limits + END_MARGIN_S
        return start

    def stop(self) -> None:
        """End the running stage early: no more requests; `finish` still waits for answers under way."""
        for process in self._workers:
            process.send_signal(signal.SIGTERM)

    def finish(self) -> Summary:
        """Wait for the running stage's end. Raises Fatal when a process died or overran its time."""
        done = [Done(**self._hear(worker)) for worker in range(self.settings.processes)]
        paths = [Path(each.ledger) for each in done]
        self.ledgers += paths
        return summarize(
            [Ledger.read(path) for path in paths],
            [Process(each.cpu_s, each.wall_s, each.surplus_answers) for each in done],
        )

    def _tell(self, worker: int, message: dict[str, Any]) -> None:
        stdin = self._workers[worker].stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(message) + "\n")
            stdin.flush()
        except BrokenPipeError:
            self._kill()
            raise Fatal(f"process {worker} of the load generator died") from None

    def _hear(self, worker: int) -> dict[str, Any]:
        stdout = self._workers[worker].stdout
        assert stdout is not None
        readable, _, _ = select.select([stdout], [], [], max(0.0, self._deadline - time.monotonic()))
        line = stdout.readline() if readable else ""
        if not line:
            self._kill()
            raise Fatal(
                f"process {worker} of the load generator {'died' if readable else 'did not end in time'}"
            )
        message: dict[str, Any] = json.loads(line)
        return message

    def _kill(self) -> None:
        for process in self._workers:
            process.kill()
        for process in self._workers:
            process.communicate()


def _check_descriptors(connections: int) -> None:
    """Raises Rejected when a process may not have that many connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and connections + DESCRIPTORS_SPARE > hard:
        raise Rejected("connections", f"takes {connections} descriptors a process, the limit is {hard}")


@attrs.frozen
class Result:
    """A load that is over."""

    settings: Settings
    stages: tuple[Summary, ...]
    ledgers: tuple[Path, ...]  # empty where none were asked to be kept

    def to_json(self) -> dict[str, Any]:
        return {
            "settings": to_json(self.settings),
            "stages": [stage.to_json() for stage in self.stages],
            "ledgers": [str(path) for path in self.ledgers],
        }


def run(
    settings: Settings, stages: Sequence[Stage], ledger_directory: Path | None = None, first_seq: int = 0
) -> Result:
    """Run the stages. Ledgers are kept in `ledger_directory` (made if need be), or not at all.

    Ctrl-C ends the load early; the result then holds what was done until then.
    """
    with tempfile.TemporaryDirectory(prefix="statnive-load-") as temporary:
        directory = ledger_directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        summaries = []
        with Load(settings, directory, first_seq) as load:
            for stage in stages:
                load.begin(stage)
                try:
                    summaries.append(load.finish())
                except KeyboardInterrupt:
                    load.stop()
                    summaries.append(load.finish())
                    break
        return Result(settings, tuple(summaries), tuple(load.ledgers) if ledger_directory else ())


@attrs.frozen
class Ramp:
    """Stages of rising rate, until one is not sustained. `factor` is from one rate to the next."""

    start_rate: float
    stage_seconds: float = 5.0
    factor: float = 1.15
    rate_max: float = 200_000.0
    p99_ms_max: float = 1_000.0
    acknowledged_share_min: float = 0.99
    failures_allowed: int = 1  # stages in a row that may fail before the ramp ends: one hiccup is no limit

    def sustained(self, summary: Summary) -> bool:
        """Acknowledged nearly all, in time, and as fast as it was due: with a growing backlog a short stage's
        latencies can still look well, but what comes back in its second half is less than what was due."""
        due_in_half = summary.due / 2
        keeps_up = summary.acknowledged_late_half >= 0.98 * due_in_half - 3 * math.sqrt(due_in_half)
        share = summary.acknowledged / summary.due
        in_time = summary.latency_ms["p99"] <= self.p99_ms_max
        return share >= self.acknowledged_share_min and in_time and keeps_up


def ramp(settings: Settings, plan: Ramp, directory: Path, first_seq: int = 0) -> Iterator[Summary]:
    """Yields the stages of a ramp as they end; the caller keeps the last one that `plan.sustained`."""
    rate, failures = plan.start_rate, 0
    with Load(settings, directory, first_seq) as load:
        while rate <= plan.rate_max and failures <= plan.failures_allowed:
            load.begin(Stage(rate, plan.stage_seconds))
            summary = load.finish()
            failures = 0 if plan.sustained(summary) else failures + 1
            yield summary
            rate *= plan.factor
