"""A simulated disk for the log's tests: what is durable, what is in memory only, and crashes."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from statnive.config import WalConfig
from statnive.wal.frame import row_suffix

SECTOR = 512
KIB = 1024


class Crash(BaseException):
    """The power fails: nothing after it happens."""


@attrs.define(eq=False)
class Inode:
    volatile: bytearray = attrs.field(factory=bytearray)
    durable: bytearray = attrs.field(factory=bytearray)
    dirty: set[int] = attrs.field(factory=set)  # sectors that the next flush would write


class SimFileSystem:
    """Files as two images each. `fault` is asked before each call and may name an error to raise."""

    def __init__(self) -> None:
        self.names: dict[Path, Inode] = {}
        self.durable_names: dict[Path, Inode] = {}
        self.pending: list[Callable[[dict[Path, Inode]], None]] = []
        self.fds: dict[int, Inode] = {}
        self.next_fd = 100
        self.calls: list[str] = []
        self.fault: Callable[[int, str], BaseException | None] = lambda number, name: None
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
        self.fault = lambda number, name: None

    def restart(self) -> None:
        """The process was killed: descriptors are gone, the page cache is not."""
        self.fds.clear()
        self.heal()

    def crash(self, rng: random.Random) -> None:
        """The power failed: of what was not flushed, any sectors and the first few names may have arrived."""
        for step in self.pending[: rng.randint(0, len(self.pending))]:
            step(self.durable_names)
        self.pending = []
        survives = rng.choice((0.0, 0.3, 0.7, 1.0))
        for inode in {*self.names.values(), *self.durable_names.values()}:
            for sector in inode.dirty:
                if rng.random() < survives:
                    self._flush(inode, sector)
            inode.dirty.clear()
            inode.volatile = bytearray(inode.durable)
        self.names = dict(self.durable_names)
        self.restart()

    def _flush(self, inode: Inode, sector: int) -> None:
        start, end = sector * SECTOR, min((sector + 1) * SECTOR, len(inode.volatile))
        if len(inode.durable) < end:
            inode.durable.extend(bytes(end - len(inode.durable)))
        inode.durable[start:end] = inode.volatile[start:end]

    def _step(self, name: str) -> BaseException | None:
        self.calls.append(name)
        return self.fault(len(self.calls), name)

    def _check(self, name: str) -> None:
        error = self._step(name)
        if error is not None:
            raise error

    def _rename_step(self, change: Callable[[dict[Path, Inode]], None]) -> None:
        change(self.names)
        self.pending.append(change)

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
        self.next_fd += 1
        self.fds[self.next_fd] = inode
        return self.next_fd

    def open(self, path: Path) -> int:
        self._check("open")
        return self._descriptor(self._inode(path))

    def create(self, path: Path) -> int:
        self._check("create")
        inode = Inode()
        self._rename_step(lambda names: names.__setitem__(path, inode))
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
        inode = self.fds[fd]
        taken = bytes(data)
        if error is not None or self.short_writes:
            taken = taken[: len(taken) // 2]  # a failing write may have written something
        if len(inode.volatile) < offset + len(taken):
            inode.volatile.extend(bytes(offset + len(taken) - len(inode.volatile)))
        inode.volatile[offset : offset + len(taken)] = taken
        inode.dirty.update(range(offset // SECTOR, (offset + len(taken) + SECTOR - 1) // SECTOR))
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
        for sector in inode.dirty:
            self._flush(inode, sector)
        inode.dirty.clear()

    def fsync_dir(self, path: Path) -> None:
        self._check("fsync_dir")
        for step in self.pending:
            step(self.durable_names)
        self.pending = []

    def rename(self, source: Path, target: Path) -> None:
        self._check("rename")
        self._inode(source)
        self._rename_step(lambda names: names.__setitem__(target, names.pop(source)))

    def unlink(self, path: Path) -> None:
        self._check("unlink")
        self._inode(path)
        self._rename_step(lambda names: names.__delitem__(path))

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
        other = SimFileSystem()
        inodes: dict[Inode, Inode] = {}
        for inode in {*self.names.values(), *self.durable_names.values()}:
            inodes[inode] = Inode(bytearray(inode.volatile), bytearray(inode.durable), set(inode.dirty))
        other.names = {path: inodes[inode] for path, inode in self.names.items()}
        other.durable_names = {path: inodes[inode] for path, inode in self.durable_names.items()}
        assert not self.pending, "copy a disk only when its names are durable"
        return other


@pytest.fixture
def sim() -> SimFileSystem:
    return SimFileSystem()


@pytest.fixture
def crash_error() -> BaseException:
    return Crash()


@pytest.fixture
def small() -> WalConfig:
    """Segments of 16 KiB: three frames of 4 KB each."""
    return WalConfig(segment_bytes=16 * KIB, size_bytes_max=640 * KIB)


@pytest.fixture
def make_rows() -> Callable[..., list[bytes]]:
    """Rows as the committer makes them: some text, then log id and LSN."""

    def make(log_id: int, first_lsn: int, count: int = 3, text_bytes: int = 20) -> list[bytes]:
        return [
            f"row {lsn}|".encode().ljust(text_bytes, b".") + row_suffix(log_id, lsn)
            for lsn in range(first_lsn, first_lsn + count)
        ]

    return make
