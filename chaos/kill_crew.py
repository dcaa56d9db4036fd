"""A process that has everything imported and forks a child for each order: a run under strace costs half a second
instead of seven (strace stops a child at every call, and an import makes 20,000).

Owns:       the crew's process (chaos.kill_child), and during an order its child and the child's strace.
Inputs:     orders: prepare, run, judge.
Outputs:    what the child wrote on its standard output, and how it ended.
Failure:    a child that comes to no end is killed after RUN_DEADLINE_S, and its exit code is HUNG.

The engine must not be imported before a fork: its threads would be missing in the child, which then hangs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs

RUN_DEADLINE_S: Final = 120
HUNG: Final = -1_000


@attrs.frozen
class Ended:
    """What a child said, word by word, and its exit code (negative: the signal that ended it)."""

    said: tuple[str, ...]
    code: int


class Crew:
    """One order at a time; `close` it. Raises RuntimeError when its process is gone."""

    def __init__(self, scratch: Path) -> None:
        """`scratch`: a directory for what children write."""
        self._output = scratch / "said"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.kill_child"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1,
        )  # fmt: skip

    def prepare(self, data_dir: Path, state: str) -> None:
        ended = self._carry_out(["prepare", str(data_dir), state])
        if ended.code:
            raise RuntimeError(f"{data_dir} could not be prepared as {state!r}: {ended}")

    def run(self, data_dir: Path, options: Sequence[str], log: Path) -> Ended:
        """Run the node on `data_dir` under strace with `options`; what strace writes goes to `log`."""
        return self._carry_out(["run", str(data_dir)], ["strace", "-f", "-qq", "-o", str(log), *options])

    def judge(self, data_dir: Path) -> dict[str, Any]:
        ended = self._carry_out(["judge", str(data_dir)])
        try:
            found: dict[str, Any] = json.loads(self._output.read_text())
        except ValueError:
            return {"error": f"the judge said nothing: {ended}"}
        return found

    def _carry_out(self, order: Sequence[str], tracer: Sequence[str] = ()) -> Ended:
        self._say([*order, str(self._output)])
        child = int(self._hear())
        hung = threading.Event()

        def end() -> None:
            hung.set()
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

        timer = threading.Timer(RUN_DEADLINE_S, end)
        timer.start()
        strace = None
        try:
            if tracer:  # the child waits for it. No --seccomp-bpf: strace 6.1 then forgets injected signals
                strace = subprocess.Popen([*tracer, "-p", str(child)], stderr=subprocess.DEVNULL)
            code = int(self._hear())
        finally:
            timer.cancel()
            if strace is not None:
                strace.wait(RUN_DEADLINE_S)
        said = tuple(self._output.read_text().split()) if self._output.exists() else ()
        return Ended(said, HUNG if hung.is_set() else code)

    def _say(self, order: Sequence[str]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the crew's process ended with {self._process.wait()}")
        return line

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
