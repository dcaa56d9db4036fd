"""Challenges of passkeys: what an authenticator signs, good once and for a few minutes.

Owns:       a key of this run; the challenges that were used and have not expired.
Inputs:     what a challenge is for. Outputs: a challenge; whether one that comes back is good.
Invariants: I1 a challenge is good once, until it expires, and for what it was made for; I2 nothing is kept of one that
            was made, so that asking for many pushes nobody else's out; I3 memory is bounded by USED_MAX.
Failure:    none. A restart makes every open challenge worthless.
"""

from __future__ import annotations

import hmac
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

LIFE_S: Final = 300
USED_MAX: Final = 20_000
_NONCE_BYTES: Final = 16
_TIME_BYTES: Final = 8
_TAG_BYTES: Final = 32


class Challenges:
    """`new(purpose)` and `take(purpose, challenge)`. A purpose is a text that no other use has."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._key = os.urandom(32)
        self._used: OrderedDict[bytes, int] = OrderedDict()

    def new(self, purpose: str) -> bytes:
        """A challenge: random, when it ends, and a tag of both and of what it is for."""
        body = os.urandom(_NONCE_BYTES) + int(self._clock() + LIFE_S).to_bytes(_TIME_BYTES, "big")
        return body + self._tag(purpose, body)

    def take(self, purpose: str, challenge: bytes) -> bool:
        """Whether it is good; it is not a second time (keeps I1)."""
        body, tag = challenge[:-_TAG_BYTES], challenge[-_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(purpose, body)):
            return False
        now = int(self._clock())
        ends = int.from_bytes(body[_NONCE_BYTES:], "big")
        if now >= ends or body in self._used:
            return False
        self._forget(now)
        self._used[body] = ends
        return True

    def _tag(self, purpose: str, body: bytes) -> bytes:
        return hmac.digest(self._key, body + purpose.encode("utf-8", "surrogatepass"), "sha256")

    def _forget(self, now: int) -> None:
        """Keeps I3; all live equally long, so the first ones end first."""
        while self._used:
            oldest = next(iter(self._used))
            if self._used[oldest] > now and len(self._used) < USED_MAX:
                return
            del self._used[oldest]
