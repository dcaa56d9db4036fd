"""Tables of the simulated engine: parts and dedup tokens, each as memory, page cache and medium.

Owns:       three images of each table.
Inputs:     parts that come, that replace others, that go; tokens.
Outputs:    rows; what is left of a table after its engine was killed or the power failed.
Invariants: I1 what a starting engine knows is what the files say: a part is gone once the one that covers it (a
            mutated one, or an empty one after REPLACE or DROP PARTITION) is there, and not before; I2 only `sync`
            makes anything durable; of the rest any parts, and of the log of tokens the beginning, may survive the
            power's failure.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import attrs

from statnive.clickhouse.rows import suffix

FIRST_EVENT: Final = 1 << 16  # from here on MessagePack writes an event's number in five bytes
SURVIVAL: Final = (0.0, 0.3, 0.7, 1.0)


@attrs.frozen
class Event:
    """What the world knows of an event that it sent. Its number is its site_id: the first column of its row."""

    number: int
    encoded: bytes  # without the suffix
    day: str
    is_bot: bool = False
    is_poison: bool = False


class RowRef(NamedTuple):
    """A row of a table, as statements see it; in a rollup: one that was folded in."""

    log_id: int
    lsn: int
    event: int
    day: str
    is_bot: int
    events: int = 1

    @property
    def partition(self) -> int:
        return int(self.day[:4] + self.day[5:7])


class Events:
    """All events of a world, to take payloads apart: rows have no length of their own."""

    def __init__(self) -> None:
        self.all: list[Event] = []

    @property
    def next_number(self) -> int:
        return FIRST_EVENT + len(self.all)

    def __getitem__(self, number: int) -> Event:
        return self.all[number - FIRST_EVENT]

    def split(self, payload: bytes) -> list[RowRef]:
        """The rows of an insert block; AssertionError for bytes that nobody sent."""
        rows, at = [], 0
        while at < len(payload):
            number = int.from_bytes(payload[at + 1 : at + 5], "big")
            assert payload[at] == 0xCE, f"no row begins at byte {at} of a block"
            assert FIRST_EVENT <= number < self.next_number, f"an alien row {number}"
            event = self[number]
            end = at + len(event.encoded)
            assert payload[at:end] == event.encoded, f"the row of event {number} is not as it was sent"
            log_id = int.from_bytes(payload[end + 1 : end + 9], "big")
            lsn = int.from_bytes(payload[end + 10 : end + 18], "big")
            assert payload[end : end + 18] == suffix(log_id, lsn), f"the row of event {number} has no LSN"
            rows.append(RowRef(log_id, lsn, number, event.day, int(event.is_bot)))
            at = end + 18
        return rows


@attrs.frozen(eq=False)
class Part:
    number: int
    partition: int
    rows: tuple[RowRef, ...]
    covers: frozenset[int] = frozenset()  # parts that are gone wherever this one is there


Parts = dict[int, Part]
Predicate = Callable[[RowRef], bool]


@attrs.frozen(eq=False)
class Mutation:
    """ALTER … DELETE: the rows to go, of parts that were there before it."""

    before: int  # part number
    partition: int
    goes: Predicate


@attrs.define(eq=False)
class Table:
    """See the module's contract."""

    name: str
    window: int
    active: Parts = attrs.field(factory=dict)
    files: Parts = attrs.field(factory=dict)
    durable: Parts = attrs.field(factory=dict)
    known: dict[str, int] = attrs.field(factory=dict)  # tokens in memory and their parts, oldest first
    token_log: list[tuple[str, int]] = attrs.field(factory=list)
    token_log_durable: int = 0
    mutations: list[Mutation] = attrs.field(factory=list)

    def publish(self, part: Part, *, synced: bool) -> None:
        """A part appears in its place, and those it covers are gone with the same rename."""
        self.active[part.number] = self.files[part.number] = part
        for number in part.covers:
            self.active.pop(number, None)
        if synced:
            self.durable[part.number] = part

    def remember(self, token: str, part: int) -> None:
        self.token_log.append((token, part))
        self._learn(token, part)

    def _learn(self, token: str, part: int) -> None:
        self.known[token] = part
        while len(self.known) > self.window:
            del self.known[next(iter(self.known))]

    def sync(self) -> None:
        self.durable = dict(self.files)
        self.token_log_durable = len(self.token_log)

    def load(self) -> None:
        """An engine starts: it believes the files (I1)."""
        self.active = uncovered(self.files)
        self.known = {}
        for token, part in self.token_log:
            self._learn(token, part)

    def lose_memory(self, rng: random.Random) -> None:
        """The power failed (I2)."""
        survives = rng.choice(SURVIVAL)
        kept: Parts = {}
        for number in sorted({*self.files, *self.durable}):
            is_new, was_there = number in self.files, number in self.durable
            if (is_new and was_there) or (rng.random() < survives) == is_new:
                kept[number] = self.files[number] if is_new else self.durable[number]
        self.durable, self.files = kept, dict(kept)
        keep = rng.randint(self.token_log_durable, len(self.token_log))
        del self.token_log[keep:]
        self.token_log_durable = keep
        if rng.random() < survives:
            self.mutations = []

    def rows(self) -> list[RowRef]:
        """What a statement finds."""
        return [row for part in self.active.values() for row in part.rows]

    def durable_rows(self) -> list[RowRef]:
        """What a statement would find if the power failed now and nothing else survived."""
        return [row for part in uncovered(self.durable).values() for row in part.rows]


def uncovered(parts: Mapping[int, Part]) -> Parts:
    """The parts that a starting engine takes for active."""
    covered = {number for part in parts.values() for number in part.covers}
    return {number: part for number, part in parts.items() if number not in covered}
