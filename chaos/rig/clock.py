"""A node's wall clock, set from outside while it runs, by a small preloaded library (wall_clock.c).

The monotonic clock stays the true one, as it does when an operator or NTP steps the wall clock.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

from chaos.rig.shell import run

SOURCE: Final = Path(__file__).with_name("wall_clock.c")


class Clock:
    """`environment` is what the node is started with; `set` takes effect at its next look at the clock."""

    def __init__(self, directory: Path) -> None:
        """Build the library. Raises RigError where there is no C compiler."""
        self._file = directory / "clock.offset"
        library = directory / "wall_clock.so"
        if not library.exists():
            run("cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE))
        self.set(0.0)
        self.environment = {"LD_PRELOAD": str(library), "CHAOS_CLOCK_FILE": str(self._file)}

    def set(self, offset_s: float) -> None:
        """From now on the wall clock is the true one plus `offset_s` seconds."""
        self.offset_s = offset_s
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, struct.pack("<q", round(offset_s * 1e9)), 0)
        finally:
            os.close(descriptor)
