"""A process's view of the simulated disk: faults by plan, and two promises watched at each call.

Owns:       nothing; the disk belongs to the world and outlives the process.
Inputs:     the calls of statnive.wal.fs.FileSystem; `DiskFaults`.
Outputs:    the disk's answers; OSErrors as planned; `Watch` is told before a segment goes and before a new
            checkpoint can be seen.
Invariants: I1 a dead process changes nothing; it dies before a call, or in the middle of a write.
Failure:    Crash; what the faults say.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Protocol

import attrs

from chaos.sim.filesystem import Crash, SimFileSystem
from chaos.sim.process import Process
from statnive.wal.state import STATE_NAME


@attrs.define
class DiskFaults:
    """What the disk refuses in one life; counted in calls that change something."""

    error_at: int | None = None  # EIO at that call; a write is taken in part
    error_call: str = ""  # count calls of this name only
    short: bool = False  # if it is a write: without an error
    full_from: int | None = None  # ENOSPC for whatever needs room from that call on …
    full_calls: int = 0  # … this many times
    writes: int = 0
    matching: int = 0

    def next(self, name: str, *, grows: bool) -> OSError | None:
        """The error that this call meets."""
        self.writes += 1
        if self.error_call in ("", name):
            self.matching += 1
        if self.matching == self.error_at and self.error_call in ("", name):
            return OSError(errno.EIO, f"simulated, at {name}")
        if grows and self.full_from is not None and self.writes >= self.full_from and self.full_calls > 0:
            self.full_calls -= 1
            return OSError(errno.ENOSPC, f"simulated, at {name}")
        return None


class Watch(Protocol):
    """Who judges what a process does to its disk."""

    def segment_goes(self, path: Path) -> None: ...
    def checkpoint_appears(self, document: bytes) -> None: ...


class ProcessFiles:
    """A FileSystem. See the module's contract."""

    def __init__(self, disk: SimFileSystem, process: Process, faults: DiskFaults, watch: Watch) -> None:
        self._disk, self._process, self._faults, self._watch = disk, process, faults, watch
        self._labels: dict[int, str] = {}

    def _step(self, name: str, about: str) -> None:
        """A call that changes nothing."""
        if self._process.step(name):
            raise Crash

    def _fault(self, name: str, about: str, *, grows: bool = False) -> BaseException | None:
        """How a call that changes something fails."""
        dies = self._process.step(name)
        error = Crash() if dies else self._faults.next(name, grows=grows)
        self._process.trace(name, about, type(error).__name__ if error else "")
        return error

    def _check(self, name: str, about: str, *, grows: bool = False) -> None:
        error = self._fault(name, about, grows=grows)
        if error is not None:
            raise error

    def mkdir(self, path: Path) -> None:
        self._step("mkdir", path.name)

    def listdir(self, path: Path) -> list[str]:
        self._step("listdir", path.name)
        return self._disk.listdir(path)

    def size(self, path: Path) -> int:
        self._step("size", path.name)
        return self._disk.size(path)

    def open(self, path: Path) -> int:
        self._step("open", path.name)
        fd = self._disk.open(path)
        self._labels[fd] = path.name
        return fd

    def create(self, path: Path) -> int:
        self._check("create", path.name, grows=True)
        fd = self._disk.create(path)
        self._labels[fd] = path.name
        return fd

    def close(self, fd: int) -> None:
        self._step("close", self._labels.pop(fd, ""))
        self._disk.close(fd)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        self._step("pread", self._labels[fd])
        return self._disk.pread(fd, size, offset)

    def pwrite(self, fd: int, data: bytes | bytearray, offset: int) -> int:
        grows = offset + len(data) > len(self._disk.fds[fd].volatile)
        error = self._fault("pwrite", f"{self._labels[fd]} {offset}+{len(data)}", grows=grows)
        if error is None:
            return self._disk.pwrite(fd, data, offset)
        taken = self._disk.pwrite(fd, data[: self._process.rng.randint(0, len(data))], offset)
        if self._faults.short and not isinstance(error, Crash):
            return taken
        raise error

    def fdatasync(self, fd: int) -> None:
        error = self._fault("fdatasync", self._labels[fd])
        if isinstance(error, OSError):
            self._disk.fds[fd].dirty.clear()  # as Linux does: the pages count as clean, and were not written
        if error is not None:
            raise error
        self._disk.fdatasync(fd)

    def fsync_dir(self, path: Path) -> None:
        self._check("fsync_dir", path.name)
        self._disk.fsync_dir(path)

    def rename(self, source: Path, target: Path) -> None:
        self._check("rename", f"{source.name} -> {target.name}")
        if source.suffix == ".wal":
            self._watch.segment_goes(source)
        if target.name == STATE_NAME:
            self._watch.checkpoint_appears(bytes(self._disk.names[source].volatile))
        self._disk.rename(source, target)
        for fd, name in self._labels.items():
            if name == source.name:
                self._labels[fd] = target.name

    def unlink(self, path: Path) -> None:
        self._check("unlink", path.name)
        if path.suffix == ".wal":
            self._watch.segment_goes(path)
        self._disk.unlink(path)
