"""A simulated disk: what is durable, what is in memory only, and how a crash decides between them.

Owns:       files as two images each (page cache and medium), names as two maps, descriptors.
Inputs:     the calls of statnive.wal.fs.FileSystem; `fault`, asked before each of them.
Outputs:    bytes and names; after `crash` only what the medium may legally hold.
Invariants: I1 only `fdatasync` makes bytes durable, only `fsync_dir` names; I2 after `crash` each sector that was
            not flushed is as it was or as it became (one of them, perhaps, torn at some byte), and of each
            directory's changes the first few have happened; I3 the same calls and the same `rng` give the same disk,
            in every process (nothing is iterated in the order of addresses).
Failure:    what `fault` says: an OSError as the kernel would raise it, or Crash.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

import attrs

SECTOR = 512
TORN_SHARE = 0.25  # of crashes that tear a sector

Names = dict[Path, "Inode"]
Fault = Callable[[int, str], BaseException | None]


class Crash(BaseException):
    """The process is gone: nothing after it happens."""


@attrs.define(eq=False)
class Inode:
    """A file without its name."""

    number: int
    volatile: bytearray = attrs.field(factory=bytearray)
    durable: bytearray = attrs.field(factory=bytearray)
    dirty: set[int] = attrs.field(factory=set)  # sectors that the next flush would write

    def write(self, data: bytes, offset: int) -> None:
        end = offset + len(data)
        if len(self.volatile) < offset:
            self.volatile.extend(bytes(offset - len(self.volatile)))
        self.volatile[offset:end] = data
        self.dirty.update(range(offset // SECTOR, (end + SECTOR - 1) // SECTOR))

    def flush(self, sectors: Iterable[int]) -> None:
        for sector in sectors:
            self._flush(sector * SECTOR, min((sector + 1) * SECTOR, len(self.volatile)))

    def flush_all(self) -> None:
        """As `flush(self.dirty)`, in one copy where all of it is dirty."""
        if len(self.dirty) * SECTOR >= len(self.volatile):
            self.durable[:] = self.volatile
        else:
            self.flush(self.dirty)
        self.dirty.clear()

    def _flush(self, start: int, end: int) -> None:
        if len(self.durable) < end:
            self.durable.extend(bytes(end - len(self.durable)))
        self.durable[start:end] = self.volatile[start:end]

    def lose_memory(self, rng: random.Random, survives: float) -> None:
        """Each dirty sector reaches the medium with probability `survives`; one may be torn (keeps I2)."""
        dirty = sorted(self.dirty)
        self.flush(sector for sector in dirty if rng.random() < survives)
        if dirty and rng.random() < TORN_SHARE:
            start = rng.choice(dirty) * SECTOR
            self._flush(start, max(start, min(start + rng.randrange(SECTOR), len(self.volatile))))
        self.dirty.clear()
        self.volatile[:] = self.durable  # also what a failed flush had called clean


class SimFileSystem:
    """A disk for one process at a time. `fault` is asked before each call and may name an error to raise."""

    def __init__(self) -> None:
        self.names: Names = {}
        self.durable_names: Names = {}
        self.pending: list[tuple[Path, Callable[[Names], object]]] = []  # changes of names, by directory
        self.fds: dict[int, Inode] = {}
        self._next_fd = count(101)
        self._next_inode = count(1)
        self.calls: list[str] = []
        self.fault: Fault = lambda number, name: None
        self.short_writes = False
        self.bytes_read = 0
        self.unreadable: dict[Path, set[int]] = {}  # offsets of pages that answer EIO

    # --- faults ---------------------------------------------------------------------------------------------

    def fail_at(self, number: int, error: BaseException) -> None:
        """Raise `error` at the call of that number, counted from now."""
        target = len(self.calls) + number
        self.fault = lambda at, name: error if at == target else None

    def fail_on(self, name: str, error: BaseException) -> None:
        """Raise `error` at every call of that name."""
        self.fault = lambda at, called: error if called == name else None

    def heal(self) -> None:
        """No more faults."""
        self.fault = lambda number, name: None

    def restart(self) -> None:
        """The process was killed: descriptors are gone, the page cache is not."""
        self.fds.clear()
        self.heal()

    def crash(self, rng: random.Random) -> None:
        """The power failed: of what was not flushed, any sectors and the first few names may have arrived."""
        directories = {directory: None for directory, _ in self.pending}
        for directory in directories:
            steps = [step for at, step in self.pending if at == directory]
            for step in steps[: rng.randint(0, len(steps))]:
                step(self.durable_names)
        self.pending = []
        survives = rng.choice((0.0, 0.3, 0.7, 1.0))
        for inode in self._inodes():
            inode.lose_memory(rng, survives)
        self.names = dict(self.durable_names)
        self.restart()

    def _inodes(self) -> list[Inode]:
        """Every file that has a name, in an order that does not depend on addresses (keeps I3)."""
        found = {
            inode.number: inode for names in (self.names, self.durable_names) for inode in names.values()
        }
        return [found[number] for number in sorted(found)]

    def _step(self, name: str) -> BaseException | None:
        self.calls.append(name)
        return self.fault(len(self.calls), name)

    def _check(self, name: str) -> None:
        error = self._step(name)
        if error is not None:
            raise error

    def _change_names(self, directory: Path, change: Callable[[Names], object]) -> None:
        change(self.names)
        self.pending.append((directory, change))

    # --- the FileSystem -------------------------------------------------------------------------------------

    def mkdir(self, path: Path) -> None:
        self._check("mkdir")

    def listdir(self, path: Path) -> list[str]:
        self._check("listdir")
        return [name.name for name in self.names if name.parent == path]

    def _inode(self, path: Path) -> Inode:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return self.names[path]

    def size(self, path: Path) -> int:
        self._check("size")
        return len(self._inode(path).volatile)

    def _descriptor(self, inode: Inode) -> int:
        fd = next(self._next_fd)
        self.fds[fd] = inode
        return fd

    def open(self, path: Path) -> int:
        self._check("open")
        return self._descriptor(self._inode(path))

    def create(self, path: Path) -> int:
        self._check("create")
        inode = Inode(next(self._next_inode))
        self._change_names(path.parent, lambda names: names.__setitem__(path, inode))
        return self._descriptor(inode)

    def close(self, fd: int) -> None:
        self._check("close")
        del self.fds[fd]

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        self._check("pread")
        inode = self.fds[fd]
        for path, offsets in self.unreadable.items():
            if self.names.get(path) is inode and any(offset <= bad < offset + size for bad in offsets):
                raise OSError(errno.EIO, "unreadable")
        data = bytes(inode.volatile[offset : offset + size])
        self.bytes_read += len(data)
        return data

    def pwrite(self, fd: int, data: bytes | bytearray, offset: int) -> int:
        error = self._step("pwrite")
        taken = bytes(data)
        if error is not None or self.short_writes:
            taken = taken[: len(taken) // 2]  # a failing write may have written something
        self.fds[fd].write(taken, offset)
        if error is not None:
            raise error
        return len(taken)

    def fdatasync(self, fd: int) -> None:
        error = self._step("fdatasync")
        inode = self.fds[fd]
        if error is not None:
            if isinstance(error, OSError):
                inode.dirty.clear()  # as Linux does: the pages count as clean, and were not written
            raise error
        inode.flush_all()

    def fsync_dir(self, path: Path) -> None:
        self._check("fsync_dir")
        for directory, step in self.pending:
            if directory == path:
                step(self.durable_names)
        self.pending = [entry for entry in self.pending if entry[0] != path]

    def rename(self, source: Path, target: Path) -> None:
        self._check("rename")
        self._inode(source)
        self._change_names(target.parent, lambda names: names.__setitem__(target, names.pop(source)))

    def unlink(self, path: Path) -> None:
        self._check("unlink")
        self._inode(path)
        self._change_names(path.parent, lambda names: names.__delitem__(path))

    # --- for tests ------------------------------------------------------------------------------------------

    def change(self, path: Path, offset: int, data: bytes) -> None:
        """Damage the medium itself: both images."""
        inode = self.names[path]
        inode.volatile[offset : offset + len(data)] = data
        inode.durable[offset : offset + len(data)] = data

    def remove(self, path: Path) -> None:
        """An operator removes a file."""
        del self.names[path]
        del self.durable_names[path]

    def copy(self) -> SimFileSystem:
        """The same disk, for another try. Descriptors don't come along."""
        assert not self.pending, "copy a disk only when its names are durable"
        other = SimFileSystem()
        inodes = {
            inode: Inode(
                next(other._next_inode), bytearray(inode.volatile), bytearray(inode.durable), set(inode.dirty)
            )
            for inode in self._inodes()
        }
        other.names = {path: inodes[inode] for path, inode in self.names.items()}
        other.durable_names = {path: inodes[inode] for path, inode in self.durable_names.items()}
        return other
