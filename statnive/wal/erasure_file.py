"""The ledger of erasures on disk: `erasures` in the data directory, a sealed file that is replaced as a whole.

Owns:       the file and the current Ledger. Inputs: steps, as functions from one Ledger to the next.
Outputs:    the Ledger, durable when `change` returns.
Invariants: I1 one step at a time, and none is visible before it is durable; I2 after a failed write nothing is
            written any more: what the disk holds is not known then.
Failure:    a damaged file or a failed write is Fatal: without it erased rows could come back, or kept ones go.
Shutdown:   nothing to do.

Steps come from worker threads (ClickHouse's and the eraser's); readers take `ledger` without a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from statnive.erasures import EMPTY, Ledger
from statnive.errors import Fatal
from statnive.wal.fs import FileSystem
from statnive.wal.sealed import BrokenSeal, read_sealed, write_sealed

FILE_NAME: Final = "erasures"


class ErasureFile:
    """See the module's contract. Raises Fatal when the file can't be believed."""

    def __init__(self, directory: Path, fs: FileSystem) -> None:
        self._path, self._fs = directory / FILE_NAME, fs
        self._lock = threading.Lock()
        self._poison = ""
        try:
            found = read_sealed(fs, self._path, Ledger)
        except BrokenSeal as error:
            raise Fatal(
                f"{self._path} is damaged ({error}); without it nobody knows what was erased: restore it from a backup"
            ) from None
        except OSError as error:
            raise Fatal(f"{self._path} can't be read: {error}") from error
        self._ledger = found or EMPTY

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    def change(self, make: Callable[[Ledger], Ledger]) -> Ledger:
        """Take one step, durably (keeps I1). Raises Fatal, then for ever (keeps I2)."""
        with self._lock:
            if self._poison:
                raise Fatal(self._poison)
            changed = make(self._ledger)
            self._poison = f"{self._path}: an earlier write failed"
            try:
                write_sealed(self._fs, self._path, changed)
            except OSError as error:
                self._poison = f"{self._path} can't be written: {error}"
                raise Fatal(self._poison) from error
            self._poison = ""
            self._ledger = changed
            return changed
