"""A node's wall clock, set from outside while it runs: libfaketime, which reads the offset from a file.

The monotonic clock stays the true one, as it does when an operator or NTP steps the wall clock.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from chaos.rig.shell import RigError

LIBRARIES: Final = (
    "/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
)


class Clock:
    """`environment` is what the node is started with; `set` takes effect at its next look at the clock."""

    def __init__(self, file: Path) -> None:
        """Raises RigError when libfaketime is not installed."""
        self._file = file
        candidates = [Path(path.format(machine=os.uname().machine)) for path in LIBRARIES]
        library = next((path for path in candidates if path.exists()), None)
        if library is None:
            raise RigError("libfaketime is not installed")
        self.offset_s = 0.0
        self.set(0.0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_RESET": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset_s: float) -> None:
        """From now on the wall clock is the true one plus `offset_s` seconds."""
        temporary = self._file.with_suffix(".new")
        temporary.write_text(f"{offset_s:+.3f}\n")
        temporary.replace(self._file)
        self.offset_s = offset_s
