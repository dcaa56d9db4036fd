"""What the driver and its processes say to each other, as JSON lines."""

from __future__ import annotations

from typing import Final

import attrs

CONNECT_S_MAX: Final = 15.0  # then a process says "ready" with the connections that it has


@attrs.frozen
class Order:
    """One stage as this process is to run it: requests `worker`, `worker + processes`, … of the whole."""

    stage: int
    rate: float  # of all processes together
    seconds: float
    requests: int  # of this process
    start: float  # CLOCK_MONOTONIC
    first_request: int
    first_seq: int
    ledger: str  # path


@attrs.frozen
class Done:
    """What a stage cost the process, and where its ledger lies."""

    ledger: str
    cpu_s: float
    wall_s: float
    surplus_answers: int
    connections: int
