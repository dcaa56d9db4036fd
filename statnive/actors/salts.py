"""The salts actor: daily salts from a key that forgets.

Owns:       the ratchet: the key of the oldest date still needed, in memory and in `identity.key`.
Inputs:     `salt(site_id, day)`: synchronous, from the pipeline.
Outputs:    a day's salt for a site. Never written anywhere.
Invariants: I1 the file holds one key, that of the oldest date that some time zone still needs (or did within the
            grace); I2 a key is erased only on trusted time: a wall clock that jumps ahead of the monotonic clock is
            not believed before it has stayed there for CONFIRM_S; I3 a date before the oldest key uses the oldest key
            (the clock stepped back: better one odd hash than a lost event).
Failure:    a key file that can't be read, is too open or is damaged stops the start, by name.
Shutdown:   `run` ends by cancellation.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import trio

from statnive.errors import Fatal
from statnive.ingest.visitor import KEY_BYTES, daily_salt, next_key
from statnive.secret_files import refuse_if_open

ROTATE_INTERVAL_S = 60.0
GRACE_S = 1_800
CONFIRM_S = 6 * 3_600
# The first zone reaches a date 14 hours before UTC does, the last one leaves it 12 hours after.
_ZONE_LAST_S = 12 * 3_600
_DAY_S = 86_400
_JUMP_S = 3_600
_CACHE_MAX = 50_000
_MAGIC = b"statnive-ratchet-1\n"


class Ratchet:
    """The key of the oldest date kept; later dates' keys are derived, earlier ones are gone."""

    def __init__(self, day: int, key: bytes) -> None:
        self.day = day
        self._keys = {day: key}

    def key(self, day: int) -> bytes:
        """The key of `day` (keeps I3)."""
        if day <= self.day:
            return self._keys[self.day]
        at = max(known for known in self._keys if known <= day)
        key = self._keys[at]
        while at < day:
            at, key = at + 1, next_key(key)
            self._keys[at] = key
        return key

    def erase_before(self, day: int) -> None:
        """Forget every key older than `day`'s."""
        if day > self.day:
            self.key(day)
            self._keys = {known: key for known, key in self._keys.items() if known >= day}
            self.day = day


class SaltsHandle:
    """Salts by site and local day, remembered while their day lasts."""

    def __init__(self, file: Path, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._file = file
        self._clock = clock
        self._monotonic = monotonic
        now = clock()
        self.ratchet = _load(file) or _create(file, _oldest_needed(now))
        self._salts: dict[tuple[int, int], bytes] = {}
        # A start after a gap is like a jump: the clock may be wrong (not set yet, after a boot), so beyond the time of
        # the key that was kept it is believed once it has stayed; until then only that time's beginning is certain.
        needed_since = self.ratchet.day * _DAY_S + GRACE_S + _ZONE_LAST_S
        self._trusted_wall = now if now < needed_since + _DAY_S else needed_since
        self._checked_at = monotonic()
        self._ahead_since: float | None = None
        self.rotations = 0

    def salt(self, site_id: int, day: int) -> bytes:
        """32 bytes for a site's local date; `day` counts from 1970-01-01."""
        key = (site_id, day)
        salt = self._salts.get(key)
        if salt is None:
            if len(self._salts) >= _CACHE_MAX:
                self._salts.clear()
            salt = self._salts[key] = daily_salt(self.ratchet.key(day), site_id, day)
        return salt

    def keeps(self, day: int) -> bool:
        """Whether the key of `day` is not erased yet."""
        return day >= self.ratchet.day

    def trusted_now(self) -> float:
        """The wall clock as far as it is believed (keeps I2)."""
        wall, monotonic = self._clock(), self._monotonic()
        expected = self._trusted_wall + (monotonic - self._checked_at)
        self._checked_at = monotonic
        if wall <= expected + _JUMP_S:
            self._ahead_since = None
            self._trusted_wall = max(self._trusted_wall, min(wall, expected + _JUMP_S))
        elif self._ahead_since is None:
            self._ahead_since = monotonic
            self._trusted_wall = expected
        elif monotonic - self._ahead_since >= CONFIRM_S:
            self._ahead_since = None
            self._trusted_wall = wall
        else:
            self._trusted_wall = expected
        return self._trusted_wall

    def due(self) -> int:
        """The oldest date whose key must stay; later than the ratchet's day when a rotation is due."""
        return _oldest_needed(self.trusted_now())

    def persist(self, day: int, key: bytes) -> None:
        """Replace the key file (blocking; called in a thread). On disk first, so that a crash loses nothing needed."""
        _write(self._file, day, key)

    def erase_before(self, day: int) -> None:
        """Forget the keys and salts of the dates before `day` (keeps I1)."""
        self.ratchet.erase_before(day)
        self._salts = {key: salt for key, salt in self._salts.items() if key[1] >= day}
        self.rotations += 1

    def stats(self) -> dict[str, float]:
        return {"salts_rotations_total": self.rotations, "salts_cached": len(self._salts)}


async def run(
    handle: SaltsHandle,
    report: Callable[[str, str], None],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Rotate once a minute where due. Cancel to stop."""
    limiter = trio.CapacityLimiter(1)
    task_status.started()
    while True:
        day = handle.due()
        if day > handle.ratchet.day:
            await trio.to_thread.run_sync(handle.persist, day, handle.ratchet.key(day), limiter=limiter)
            handle.erase_before(day)
            report("salt_rotated", "keys of days that are over everywhere are erased")
        await trio.sleep(ROTATE_INTERVAL_S)


def _oldest_needed(now: float) -> int:
    """The oldest local date that lasts somewhere, or ended less than the grace ago."""
    return int((now - GRACE_S - _ZONE_LAST_S) // _DAY_S)


def _load(file: Path) -> Ratchet | None:
    if not file.exists():
        return None
    refuse_if_open(file)
    raw = file.read_bytes()
    body = raw.removeprefix(_MAGIC)
    if not raw.startswith(_MAGIC) or len(body) != 4 + KEY_BYTES:
        raise Fatal(
            f"{file} is damaged; without it today's visitors are counted anew. To go on, move it away and start again"
        )
    return Ratchet(int.from_bytes(body[:4], "big"), body[4:])


def _create(file: Path, day: int) -> Ratchet:
    key = secrets.token_bytes(KEY_BYTES)
    _write(file, day, key)
    return Ratchet(day, key)


def _write(file: Path, day: int, key: bytes) -> None:
    """Replace the file durably, then overwrite the old one's blocks, as far as the filesystem honours that."""
    temporary = file.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(_MAGIC + day.to_bytes(4, "big") + key)
        out.flush()
        os.fsync(out.fileno())
    old = file.open("r+b") if file.exists() else None
    temporary.replace(file)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    if old is not None:
        with old:
            old.write(bytes(os.fstat(old.fileno()).st_size))
            old.flush()
            os.fsync(old.fileno())
