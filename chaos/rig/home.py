"""A run's directory, and the sweep of what crashed runs left on this machine.

Owns:       `<temporary directory>/statnive-chaos-<tag>/`, and by its tag: network namespaces and devices named
            `snc<tag>…`, mounts below the directory, processes noted in it.
Inputs:     nothing. Outputs: a directory that is this process's alone, while it lives.
Invariants: I1 the kernel frees the directory's lock when its owner dies, however it dies, so what is swept is
            nobody's; I2 a process is ended only if it is the one that was noted: pid and start time agree;
            I3 `clean` may be repeated, and goes on where an earlier one was cut off.
Failure:    RigError when something of ours can't be removed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from chaos.rig.shell import RigError, output, run

PREFIX: Final = "statnive-chaos-"
DEVICE_PREFIX: Final = "snc"
END_S: Final = 60.0


class Home:
    """`with Home() as home:`: `home.path` and, for names that the whole machine sees, `home.name("a")`."""

    def __init__(self) -> None:
        sweep()
        self.tag = secrets.token_hex(3)
        self.path = Path(tempfile.gettempdir()) / f"{PREFIX}{self.tag}"
        # Locked before it has a name that sweeps look for: one that begins just now must not take it for a leftover.
        unnamed = self.path.with_name(f"new-{self.path.name}")
        unnamed.mkdir(mode=0o755)
        self._lock = _lock(unnamed)
        assert self._lock is not None, "a directory that nobody else knows is locked"
        unnamed.rename(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def name(self, suffix: str) -> str:
        """A name for a network namespace or device (15 characters at most): the sweep knows it by its tag."""
        name = f"{DEVICE_PREFIX}{self.tag}{suffix}"
        assert len(name) <= 15, name
        return name

    def note(self, pid: int) -> None:
        """Have the process ended should this one crash."""
        _notes(self.path).mkdir(exist_ok=True)
        (_notes(self.path) / f"{pid}.json").write_text(json.dumps({"pid": pid, "started": _started(pid)}))

    def forget(self, pid: int) -> None:
        """The process has ended."""
        (_notes(self.path) / f"{pid}.json").unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all of it; a second time does nothing."""
        if self._lock is not None:
            clean(self.path)
            os.close(self._lock)
            self._lock = None


def sweep() -> list[str]:
    """Remove what runs that no longer live left behind; their names."""
    swept = []
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        lock = _lock(path)
        if lock is None:
            continue  # its owner lives
        clean(path)
        os.close(lock)
        swept.append(path.name)
    return swept


def clean(path: Path) -> None:
    """End, take down, unmount and remove everything of one run (keeps I3). Raises RigError."""
    for note in sorted(_notes(path).glob("*.json")):
        _end(note)
    names = f"{DEVICE_PREFIX}{path.name.removeprefix(PREFIX)}"
    for line in output("ip", "netns", "list").splitlines() if shutil.which("ip") else ():
        if line.startswith(names):
            run("ip", "netns", "del", line.split()[0])
    for device in sorted(os.listdir("/sys/class/net")):
        if device.startswith(names):
            run("ip", "link", "del", device, check=False)  # a veth goes with its peer
    for mount in reversed(mounts_below(path)):
        run("umount", "-l", str(mount))
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        shutil.rmtree(path)


def mounts_below(path: Path) -> list[Path]:
    """Mount points below a directory, in the order in which they were mounted."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(point) for point in points if point.startswith(f"{path}/")]


def _notes(path: Path) -> Path:
    return path / "processes"


def _lock(path: Path) -> int | None:
    """A descriptor that holds the directory's lock, None when somebody else's does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None  # swept by somebody else just now
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _started(pid: int) -> str:
    """When the process began, in the kernel's ticks; "" when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _end(note: Path) -> None:
    """SIGKILL the process of a note (keeps I2), and wait until it is gone or a zombie of somebody's."""
    try:
        process = json.loads(note.read_text())
    except ValueError:  # cut off while it was written
        process = {"pid": 0, "started": "never"}
    pid = process["pid"]
    if process["started"] and _started(pid) == process["started"]:
        with suppress(ProcessLookupError):  # it has just ended
            for number in (signal.SIGKILL, signal.SIGCONT):
                os.kill(pid, number)
        until = time.monotonic() + END_S
        while lives(pid) and time.monotonic() < until:
            time.sleep(0.01)
        if lives(pid):
            raise RigError(f"process {pid} of an earlier run does not end")
    note.unlink(missing_ok=True)


def lives(pid: int) -> bool:
    """False for a process that has ended, also while its parent has not asked for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
