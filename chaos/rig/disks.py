"""Disks to fill, to cut the power of, and to make fail: a small tmpfs, an ext4 image on a loop device."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from chaos.rig.home import mounts_below
from chaos.rig.shell import RigError, output, run
from chaos.rig.watch import until

MIB: Final = 1024 * 1024
BALLAST: Final = "ballast"
UNMOUNT_S: Final = 60.0


class Disk:
    """A file system of its own at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def fill(self, leave_bytes: int = 0) -> None:
        """Take all of its room but `leave_bytes`, whatever others take meanwhile."""
        descriptor = os.open(self.path / BALLAST, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while (more := self.free_bytes - leave_bytes) > 0:
                with suppress(OSError):  # somebody was faster
                    os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, more)
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Give the room back; also when it was not taken."""
        (self.path / BALLAST).unlink(missing_ok=True)

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    @property
    def size_bytes(self) -> int:
        return shutil.disk_usage(self.path).total

    def unmount(self) -> None:
        """Take it down; also when it is down."""
        if self.path in mounts_below(self.path.parent):
            run("umount", "-l", str(self.path))


class Tmpfs(Disk):
    """A file system in memory."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        super().__init__(path)
        run("mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0755", "statnive-chaos", str(path))


class Ext4(Disk):
    """An ext4 file system in the file `image`, on a loop device."""

    def __init__(self, path: Path, image: Path, size_bytes: int) -> None:
        super().__init__(path)
        self.image = image
        with image.open("wb") as file:
            file.truncate(size_bytes)
        # No lazy initialisation: nothing else writes to the image. 4 MiB of journal are enough, and quick to copy.
        options = "lazy_itable_init=0,lazy_journal_init=0"
        run("mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", "-E", options, str(image))
        self.mount()

    def mount(self) -> None:
        # As distributions mount it: the first error that the kernel sees ends the writing, and the journal is kept.
        run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.path))

    @property
    def is_read_only(self) -> bool:
        """Whether the kernel has seen an error and writes no more."""
        return bool(os.statvfs(self.path).f_flag & os.ST_RDONLY)

    def repair(self) -> None:
        """What an operator does after the device failed: take it down, check it, mount it again. Nobody uses it."""
        self._let_the_kernel_see()
        # A check of a file system that is still mounted would take back what it had made durable.
        if not until(self._is_down, UNMOUNT_S, 0.05):
            raise RigError(f"{self.path} is in use and can't be taken down")
        run("e2fsck", "-f", "-y", str(self.image), check=False)  # 1: errors were corrected
        self.mount()

    def _let_the_kernel_see(self) -> None:
        """The errors of its device. `umount` does not ask for them: it throws the journal away, and with it metadata
        that was durable there and whose way home had failed (seen: 128 inodes, a segment of the log among them).
        """
        with suppress(OSError):
            descriptor = os.open(self.path / "seen", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _is_down(self) -> bool:
        """Not mounted here, nor anywhere else: a process with mounts of its own keeps the loop device too."""
        if self.path in mounts_below(self.path.parent):
            run("umount", str(self.path), check=False)
        return self.path not in mounts_below(self.path.parent) and not output(
            "losetup", "-j", str(self.image)
        )

    def cut(self, copy: Path) -> None:
        """What a power cut now would leave: only what reached the device. The caller has stopped its writers."""
        run("cp", "--sparse=always", str(self.image), str(copy))


@contextmanager
def mounted(image: Path, path: Path) -> Iterator[Path]:
    """The image of a cut, mounted (its journal is replayed, as after a real one) and taken down again."""
    path.mkdir(parents=True, exist_ok=True)
    run("mount", "-o", "loop", str(image), str(path))
    try:
        yield path
    finally:
        run("umount", str(path))
