"""What a path does to bytes: when they come out at its other end. Pure: an instant in, an instant out."""

from __future__ import annotations

import math
import random
from typing import Any, Final, Literal, NamedTuple

import attrs

PACKET_BYTES: Final = 1_460
# A packet lost this often in a row is through: 51 s at an RTO of 200 ms.
LOSSES_MAX: Final = 8

Connects = Literal["accepted", "refused", "unanswered"]


@attrs.frozen
class Path:
    """One direction of all connections.

    `latency_ms` ± up to `jitter_ms`, in order all the same. `bytes_per_s` 0: as fast as it goes. `loss`: the
    share of packets of 1,460 bytes that are lost; each holds up what follows for `rto_ms`, twice as long if
    it is lost again. `hold`: a black hole, nothing comes out until it ends, and then all of it. `reset`: the
    share of writes that stop in their middle, where both sides get a reset."""

    latency_ms: float = 0
    jitter_ms: float = 0
    bytes_per_s: float = 0
    loss: float = 0
    rto_ms: float = 200
    hold: bool = False
    reset: float = 0

    def __attrs_post_init__(self) -> None:
        if min(self.latency_ms, self.jitter_ms, self.bytes_per_s, self.rto_ms) < 0:
            raise ValueError("latency_ms, jitter_ms, bytes_per_s and rto_ms must not be below 0")
        if not (0 <= self.loss <= 1 and 0 <= self.reset <= 1):
            raise ValueError("loss and reset must be 0 to 1")


@attrs.frozen
class Faults:
    """`up` is from client to server, `down` back. `connects`: new connections are taken, refused (by a reset)
    or not answered at all (their SYN is dropped); those there are go on."""

    up: Path = Path()
    down: Path = Path()
    connects: Connects = "accepted"

    def __attrs_post_init__(self) -> None:
        if self.connects not in ("accepted", "refused", "unanswered"):
            raise ValueError("connects must be accepted, refused or unanswered")

    @classmethod
    def both(cls, **path: Any) -> Faults:
        """The same Path in both directions."""
        return cls(up=Path(**path), down=Path(**path))

    @classmethod
    def cut(cls) -> Faults:
        """The cable is out: no byte either way, no connection, no reset."""
        return cls(up=Path(hold=True), down=Path(hold=True), connects="unanswered")


class Release(NamedTuple):
    """When bytes come out, and how long a loss held them up (0: none)."""

    at: float
    stalled_s: float


class Shaper:
    """One direction of one connection."""

    def __init__(self, random_: random.Random) -> None:
        self._random = random_
        self._sent_at = -math.inf  # when the last byte had left
        self._out_at = -math.inf  # when the last byte comes out

    def release(self, size: int, now: float, path: Path) -> Release:
        """When `size` bytes that came in at `now` come out: never before those that came in earlier."""
        self._sent_at = max(now, self._sent_at)
        if path.bytes_per_s:
            self._sent_at += size / path.bytes_per_s
        delay_ms = path.latency_ms
        if path.jitter_ms:
            delay_ms = max(0.0, delay_ms + self._random.uniform(-path.jitter_ms, path.jitter_ms))
        stalled_s = self._stall_s(size, path)
        self._out_at = max(self._out_at, self._sent_at + delay_ms / 1000 + stalled_s)
        return Release(self._out_at, stalled_s)

    def cut(self, size: int, path: Path) -> int | None:
        """After how many of the next `size` bytes the connection is reset; None: not here."""
        if path.reset and self._random.random() < path.reset:
            return self.middle(size)
        return None

    def middle(self, size: int) -> int:
        """Somewhere before the end of `size` bytes."""
        return self._random.randrange(size)

    def _stall_s(self, size: int, path: Path) -> float:
        """The longest of the stalls that lost packets make: those of one flight are waited for together."""
        if not path.loss:
            return 0.0
        worst = 0
        for _ in range(math.ceil(size / PACKET_BYTES)):
            losses = 0
            while losses < LOSSES_MAX and self._random.random() < path.loss:
                losses += 1
            worst = max(worst, losses)
        return path.rto_ms / 1000 * (2.0**worst - 1)
