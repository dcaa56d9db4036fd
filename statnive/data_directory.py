"""A node's data directory: whose it is, and the control socket in it."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from statnive.errors import BrokenInput, Busy


def take(data_dir: Path) -> int:
    """Create the directory (0700) and lock it for this process; the lock's descriptor, which the caller closes. Raises
    Busy naming the owner, or BrokenInput.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BrokenInput(f"data directory {data_dir} can't be used: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise Busy(f"data directory {data_dir} is in use by process {owner}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def listening_socket(data_dir: Path, name: str) -> socket.socket:
    """A Unix socket that listens under `name`, for this user only. A stale one is replaced: the directory is ours by
    its lock.
    """
    (data_dir / name).unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # A Unix socket's path is limited to 107 bytes; relative to the directory's descriptor it always fits.
    directory = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        old_mask = os.umask(0o177)
        try:
            sock.bind(f"/proc/self/fd/{directory}/{name}")
        finally:
            os.umask(old_mask)
    finally:
        os.close(directory)
    sock.listen(16)
    sock.setblocking(False)
    return sock
