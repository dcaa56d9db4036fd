"""audit.log on disk: append-only, 0600, rotated by size. Blocking: called in a thread.

The file is opened by its name for each batch of lines. So one that logrotate or an operator has moved away is left
alone from the next line on, without a signal; and one that `chattr +a` guards can still be written.
"""

from __future__ import annotations

import os
from pathlib import Path


class AuditFile:
    """`append(lines)`. At `bytes_max` the file becomes `audit.log.1`, that one `.2`, and so on; `files_kept` stay."""

    def __init__(self, path: Path, bytes_max: int, files_kept: int) -> None:
        self.path = path
        self._bytes_max = bytes_max
        self._files_kept = files_kept
        self.rotations = 0

    def append(self, lines: list[str]) -> None:
        """Write whole lines of ASCII. Raises OSError; a failed rotation loses no line, it leaves a longer file."""
        data = ("\n".join(lines) + "\n").encode("ascii")
        failed: OSError | None = None
        if self._size() + len(data) > self._bytes_max and self._size():
            try:
                self._rotate()
            except OSError as error:
                failed = error
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
        if failed is not None:
            raise failed

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def _rotate(self) -> None:
        for number in range(self._files_kept, 1, -1):
            older = self._named(number - 1)
            if older.exists():
                older.replace(self._named(number))
        self.path.replace(self._named(1))
        self.rotations += 1

    def _named(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
