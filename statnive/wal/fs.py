"""Everything the log does to a disk, behind one Protocol, so that a simulated disk can stand in for it.

Inputs: paths and file descriptors. Outputs: bytes, sizes, names; every failure is an OSError.
Invariants: I1 nothing is durable before `fdatasync` (bytes, size) or `fsync_dir` (names) has returned.
            I2 a file is made with mode 0600 and a directory with mode 0700.
Failure: `pwrite` may take fewer bytes than given, as the system call may; `write_all` turns that into an
OSError.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


class FileSystem(Protocol):
    """What the log needs of a disk. All methods raise OSError; all sizes and offsets are bytes."""

    def mkdir(self, path: Path) -> None:
        """Make a directory and its missing parents; one that exists is left as it is."""

    def listdir(self, path: Path) -> list[str]:
        """The names in a directory, in no order."""

    def size(self, path: Path) -> int:
        """The size of a file."""

    def open(self, path: Path) -> int:
        """A descriptor of a file that exists, for reading and writing."""

    def create(self, path: Path) -> int:
        """A descriptor of a new empty file; an old one of that name is emptied."""

    def close(self, fd: int) -> None:
        """Give a descriptor back."""

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """`size` bytes from `offset`; fewer only at the end of the file."""

    def pwrite(self, fd: int, data: bytes | bytearray, offset: int) -> int:
        """Write at `offset`; how many bytes were taken, which may be fewer than given."""

    def fdatasync(self, fd: int) -> None:
        """Make the file's bytes and size durable. After a failure nothing may be believed of the file."""

    def fsync_dir(self, path: Path) -> None:
        """Make the names in a directory durable."""

    def rename(self, source: Path, target: Path) -> None:
        """Rename a file, in place of a file that has the name."""

    def unlink(self, path: Path) -> None:
        """Remove a file."""


class RealFileSystem:
    """The operating system's files."""

    def mkdir(self, path: Path) -> None:
        if path.is_dir():
            return
        if path.parent != path:
            self.mkdir(path.parent)
        with suppress(FileExistsError):  # someone else was faster
            os.mkdir(path, DIRECTORY_MODE)
        self.fsync_dir(path.parent)

    def listdir(self, path: Path) -> list[str]:
        return os.listdir(path)

    def size(self, path: Path) -> int:
        return os.stat(path).st_size

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def create(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)

    def close(self, fd: int) -> None:
        os.close(fd)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        data = os.pread(fd, size, offset)
        if len(data) in (0, size):
            return data
        pieces = [data]  # a read across a signal or above 2 GiB comes in pieces
        got = len(data)
        while got < size and (data := os.pread(fd, size - got, offset + got)):
            pieces.append(data)
            got += len(data)
        return b"".join(pieces)

    def pwrite(self, fd: int, data: bytes | bytearray, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        os.fdatasync(fd)

    def fsync_dir(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)


def write_all(fs: FileSystem, fd: int, data: bytes | bytearray, offset: int) -> None:
    """Write the whole of `data` at `offset`, or raise OSError: a short write is an error for good."""
    taken = fs.pwrite(fd, data, offset)
    if taken != len(data):
        raise OSError(errno.EIO, f"short write: {taken} of {len(data)} bytes taken")


def write_zeros(fs: FileSystem, fd: int, start: int, end: int, *, chunk_bytes: int = 1024 * 1024) -> None:
    """Write zeros over [start, end). They are not durable yet."""
    chunk = bytes(min(chunk_bytes, max(0, end - start)))
    for offset in range(start, end, chunk_bytes):
        size = min(chunk_bytes, end - offset)
        write_all(fs, fd, chunk if size == len(chunk) else bytes(size), offset)


def read_file(fs: FileSystem, path: Path) -> bytes:
    """All of a (small) file. Raises OSError."""
    fd = fs.open(path)
    try:
        return fs.pread(fd, fs.size(path), 0)
    finally:
        fs.close(fd)


def replace_file(fs: FileSystem, path: Path, data: bytes | bytearray) -> None:
    """Put `data` in place of the file `path`, durably: a crash leaves the old file or the new one, whole.

    Raises OSError; then either of the two may be there.
    """
    temporary = path.with_name(path.name + ".tmp")
    fd = fs.create(temporary)
    try:
        write_all(fs, fd, data, 0)
        fs.fdatasync(fd)
    finally:
        fs.close(fd)
    fs.rename(temporary, path)
    fs.fsync_dir(path.parent)
