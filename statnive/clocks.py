"""The two clocks that a node is given: tests and simulations give others."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs


@attrs.define
class Clocks:
    """Wall and monotonic time, in seconds."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
