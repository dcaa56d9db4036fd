"""A process that a scenario starts, breaks and starts again.

Its side: one line of JSON on stdout when it is ready, and an end as soon as stdin ends (`end_with_parent`).
The scenario's side: `Child`. All of it blocks, for milliseconds mostly: call it from a thread where that
matters."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Self

import trio

REPOSITORY: Final = Path(__file__).parent.parent.parent
READY_S: Final = 90.0  # generous, as all of these: the machine may be busy
END_S: Final = 60.0
LOG_CHARS: Final = 2_000
PARENT_OPTION: Final = "--end-with-parent"


class ChildError(Exception):
    """The process did not start, or did not end; the message has the end of its log."""


class Child:
    """`python -m module arguments…` under the name `name`; its log and its pid are files in `run_dir`.

    `wrapper` goes before the command: ("strace", "-f", …) or ("nsenter", …). `env` is added to
    this process's. Signals go to the process itself, whose pid its ready line tells, not to the wrapper."""

    def __init__(
        self,
        name: str,
        module: str,
        run_dir: Path,
        *,
        wrapper: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.module = name, module
        self.wrapper, self.env = tuple(wrapper), dict(env or {})
        self.log = run_dir / f"{name}.log"
        self.ready: dict[str, Any] = {}
        self._pid_file = run_dir / f"{name}.pid"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Of the process itself, also when a wrapper runs it."""
        return int(self.ready["pid"])

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, arguments: Sequence[str], *, ready_s: float = READY_S) -> dict[str, Any]:
        """Start it and wait for its ready line, which is returned. Kills what a crashed run left behind.

        Raises ChildError when it ends or says nothing for `ready_s`.
        """
        assert not self.running, f"{self.name} runs already"
        self.kill()
        self.kill_leftover()
        command = [*self.wrapper, sys.executable, "-m", self.module, *arguments, PARENT_OPTION]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=REPOSITORY,
                env={**os.environ, **self.env},
            )
        assert self._process.stdout is not None
        line = _line(self._process.stdout, ready_s)
        try:
            self.ready = json.loads(line)
        except ValueError:
            self.kill()
            raise ChildError(f"{self.name} did not get ready: {self.log_end()}") from None
        self._pid_file.write_text(str(self.pid))
        return self.ready

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self.running and self.ready:
            os.kill(self.pid, number)

    def stop(self) -> None:
        """SIGSTOP: it stays, its sockets stay open, nothing moves."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait for the end. Also for one that has ended, or never started."""
        process = self._process
        if process is None:
            return
        self.signal(signal.SIGKILL)
        if not self.ready:
            process.kill()
        self._end(process, END_S)

    def terminate(self, deadline_s: float = END_S) -> int:
        """SIGTERM, and wait; returns the exit status. Raises ChildError, and kills, after `deadline_s`."""
        process = self._process
        assert process is not None, f"{self.name} was not started"
        self.resume()
        self.signal(signal.SIGTERM)
        return self._end(process, deadline_s)

    def wait(self, deadline_s: float) -> int:
        """Wait for an end that something else brings; returns the exit status (-9: killed)."""
        assert self._process is not None, f"{self.name} was not started"
        return self._end(self._process, deadline_s)

    def kill_leftover(self) -> None:
        """SIGKILL what an earlier, crashed run started under this name and left behind (stopped, perhaps)."""
        try:
            pid = int(self._pid_file.read_text())
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return
        if self.module.encode() in arguments:
            os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + END_S
            while _alive(pid) and time.monotonic() < until:
                time.sleep(0.01)
        self._pid_file.unlink(missing_ok=True)

    def log_end(self) -> str:
        """The end of its log, for a message."""
        try:
            return self.log.read_text(errors="replace")[-LOG_CHARS:].strip() or "(nothing was logged)"
        except OSError:
            return "(no log)"

    def _end(self, process: subprocess.Popen[bytes], deadline_s: float) -> int:
        try:
            status = process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            process.kill()
            process.wait(END_S)
            raise ChildError(f"{self.name} did not end within {deadline_s} s: {self.log_end()}") from None
        finally:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process, self.ready = None, {}
            self._pid_file.unlink(missing_ok=True)
        return status


def announce(**facts: Any) -> None:
    """The ready line."""
    print(json.dumps({"pid": os.getpid(), **facts}), flush=True)


async def end_with_parent() -> None:
    """End this process, at once, when its stdin ends: the parent is gone, however it went."""
    while True:
        await trio.lowlevel.wait_readable(0)
        if not os.read(0, 4096):
            os._exit(1)


def _line(pipe: IO[bytes], deadline_s: float) -> bytes:
    """What comes on `pipe` up to a newline, the end or the deadline."""
    until = time.monotonic() + deadline_s
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not line.endswith(b"\n") and selector.select(max(0, until - time.monotonic())):
            part = os.read(pipe.fileno(), 4096)
            if not part:
                break
            line += part
    return line


def _alive(pid: int) -> bool:
    """False for one that has ended, also while its parent has not asked for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
