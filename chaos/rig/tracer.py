"""strace on a running node: its n-th system call of a kind fails, or is the last thing that it does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chaos.rig.home import Home
from chaos.rig.shell import RigError

ATTACH_S: Final = 60.0
DETACH_S: Final = 1.0


class Injection:
    """`Injection(home, pid, calls, what)` is on until `end`, or until the process ends.

    `what` is strace's: "error=EIO:when=1+", "signal=KILL:when=3". It counts for each thread by itself. `path`: only
    calls whose first path it is.
    """

    def __init__(
        self, home: Home, pid: int, calls: Sequence[str], what: str, log: Path, *, path: Path | None = None
    ) -> None:
        """Attach. Raises RigError."""
        self._home = home
        self._log = log
        names = ",".join(calls)
        command = ["strace", "-f", "-o", str(log), "-e", f"trace={names}", "-e", f"inject={names}:{what}"]
        command += ["-P", str(path)] if path else []
        try:
            self._process = subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            raise RigError("strace is not installed") from None
        home.note(self._process.pid)
        until = time.monotonic() + ATTACH_S
        while not _is_traced(pid):
            if self._process.poll() is not None or time.monotonic() > until:
                self.end()
                raise RigError(f"strace could not attach to process {pid}")
            time.sleep(0.005)

    def end(self) -> None:
        """Detach; also when the process has ended. SIGTERM, so that strace lets go of the threads one by one; it may
        wait for ever for one that ends just then, and the kernel lets go of all when strace itself is gone.
        """
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.communicate(timeout=DETACH_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._home.forget(self._process.pid)

    def hits(self) -> int:
        """Calls that were tampered with so far."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return text.count("(INJECTED)") + text.count("killed by SIGKILL")


def _is_traced(pid: int) -> bool:
    """Whether every thread of the process has a tracer. A process that is gone needs none."""
    try:
        statuses = [task.joinpath("status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return not Path(f"/proc/{pid}").exists()
    return all("TracerPid:\t0\n" not in status for status in statuses)
