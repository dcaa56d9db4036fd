"""A simulated ClickHouse: events_raw and three rollups, with the faults that the real one was seen to have.

Owns:       for each table its parts and its log of dedup tokens, each as memory, page cache and medium.
Inputs:     statements, one at a time; `step`, called before each thing that a crash can fall between.
Outputs:    counts; what a crash leaves behind.
Invariants: I1 nothing is atomic over tables or partitions: a part is written, recorded in the token log and renamed
            into place alone, in the order `log_first` says (a crash between the two loses that part to a retry, or
            doubles it); I2 what a restart finds is what the files say: a part that was replaced but not yet removed
            comes back; I3 only `sync` makes parts and token logs durable, `parts_synced` makes parts so as they
            come and never the token log.
Failure:    DatabaseError with ClickHouse's code; whatever `step` raises passes through.

Not modelled: merges (they keep rows and tokens alike), replication, torn lines of the token log.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import attrs
from clickhouse_connect.driver.exceptions import DatabaseError

from statnive.clickhouse.rows import suffix

RAW: Final = "events_raw"
ROLLUPS: Final = ("daily_pages", "daily_sources", "hourly_visitors")
TABLES: Final = (RAW, *ROLLUPS)
FIRST_EVENT: Final = 1 << 16  # from here on MessagePack writes an event's number in five bytes
FILESYSTEM_ERROR: Final = 1001
CANNOT_PARSE: Final = 44
VIEW_FAILED: Final = 395

Step = Callable[[str], object]


def failure(code: int, text: str) -> DatabaseError:
    """ClickHouse refuses or fails: the driver's exception."""
    return DatabaseError(f"Code: {code}. {text}", code=code)


@attrs.frozen
class Event:
    """What the world knows of an event that it sent. Its number is its site_id: the first column of its row."""

    number: int
    encoded: bytes  # without the suffix
    partition: int  # YYYYMM
    is_bot: bool = False
    is_poison: bool = False


class RowRef(NamedTuple):
    """A row in a table: which event, under which name of the log."""

    log_id: int
    lsn: int
    event: int


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
            encoded = self[number].encoded
            end = at + len(encoded)
            assert payload[at:end] == encoded, f"the row of event {number} is not as it was sent"
            log_id = int.from_bytes(payload[end + 1 : end + 9], "big")
            lsn = int.from_bytes(payload[end + 10 : end + 18], "big")
            assert payload[end : end + 18] == suffix(log_id, lsn)
            rows.append(RowRef(log_id, lsn, number))
            at = end + 18
        return rows


@attrs.frozen(eq=False)
class Part:
    number: int
    partition: int
    rows: tuple[RowRef, ...]  # of a rollup: those that were folded in


Parts = dict[int, Part]


@attrs.define(eq=False)
class Table:
    """Three images of a table: what the running engine knows, what the files say, what the medium holds."""

    name: str
    active: Parts = attrs.field(factory=dict)
    files: Parts = attrs.field(factory=dict)
    durable: Parts = attrs.field(factory=dict)
    known: dict[str, None] = attrs.field(factory=dict)  # tokens in memory, oldest first
    token_log: list[str] = attrs.field(factory=list)
    token_log_durable: int = 0

    def publish(self, part: Part, *, synced: bool) -> None:
        self.active[part.number] = self.files[part.number] = part
        if synced:
            self.durable[part.number] = part

    def remember(self, token: str, window: int) -> None:
        self.token_log.append(token)
        self._learn(token, window)

    def _learn(self, token: str, window: int) -> None:
        self.known[token] = None
        while len(self.known) > window:
            del self.known[next(iter(self.known))]

    def remove_outdated(self) -> None:
        self.files = dict(self.active)

    def sync(self) -> None:
        self.durable = dict(self.files)
        self.token_log_durable = len(self.token_log)

    def load(self, window: int) -> None:
        """An engine starts: it believes the files (I2)."""
        self.active = dict(self.files)
        self.known = {}
        for token in self.token_log:
            self._learn(token, window)

    def lose_memory(self, rng: random.Random) -> None:
        """The power failed: any of the changes since the last sync may have arrived; of the log, a beginning."""
        survives = rng.choice((0.0, 0.3, 0.7, 1.0))
        kept: Parts = {}
        for number in sorted({*self.files, *self.durable}):
            part = self.files.get(number) or self.durable[number]
            both = number in self.files and number in self.durable
            if both or (rng.random() < survives) == (number in self.files):
                kept[number] = part
        self.durable, self.files = kept, dict(kept)
        keep = rng.randint(self.token_log_durable, len(self.token_log))
        del self.token_log[keep:]
        self.token_log_durable = keep

    def rows(self, image: Mapping[int, Part]) -> list[RowRef]:
        return [row for part in image.values() for row in part.rows]


class Engine:
    """See the module's contract. `start` before the first statement and after `kill` or `power_cut`."""

    def __init__(
        self,
        events: Events,
        rng: random.Random,
        trace: Callable[..., None],
        *,
        log_first: bool,
        window: int,
        parts_synced: bool,
    ) -> None:
        self.events, self._rng, self._trace = events, rng, trace
        self._log_first, self._window, self._parts_synced = log_first, window, parts_synced
        self.tables = {name: Table(name) for name in TABLES}
        self.running = False
        self._part_number = 0
        self.rename_errors = 0.0  # share of renames that the filesystem refuses
        self.view_errors = 0.0  # share of a rollup's parts before which the insert fails

    # --- its life -------------------------------------------------------------------------------------------

    def start(self) -> None:
        for table in self.tables.values():
            table.load(self._window)
        self.running = True

    def kill(self) -> None:
        """Its memory goes, its files stay."""
        self.running = False

    def power_cut(self) -> None:
        """Only the medium stays, and some of what was on the way to it."""
        self.running = False
        for table in self.tables.values():
            table.lose_memory(self._rng)

    def sync(self) -> None:
        """syncfs."""
        for table in self.tables.values():
            table.sync()

    # --- statements -----------------------------------------------------------------------------------------

    def insert(self, payload: bytes, token: str, step: Step) -> None:
        """INSERT INTO events_raw, and by its views into each rollup."""
        rows = self.events.split(payload)
        if any(self.events[row.event].is_poison for row in rows):
            raise failure(CANNOT_PARSE, "cannot parse the rows")
        for name, table in self.tables.items():
            is_rollup = name != RAW
            for partition, part_rows in self._by_partition(rows, is_rollup).items():
                if is_rollup and self._rng.random() < self.view_errors:
                    self._trace("engine", "view fails", name, partition)
                    raise failure(VIEW_FAILED, f"while pushing to view {name}")
                self._insert_part(table, partition, part_rows, f"{token}/{partition}", step)

    def _by_partition(self, rows: Iterable[RowRef], without_bots: bool) -> dict[int, tuple[RowRef, ...]]:
        found: dict[int, list[RowRef]] = {}
        for row in rows:
            event = self.events[row.event]
            if not (without_bots and event.is_bot):
                found.setdefault(event.partition, []).append(row)
        return {partition: tuple(found[partition]) for partition in sorted(found)}

    def _insert_part(
        self, table: Table, partition: int, rows: tuple[RowRef, ...], token: str, step: Step
    ) -> None:
        step(f"part of {table.name}")
        if token in table.known:
            self._trace("engine", "known token", table.name, token)
            return
        if self._log_first:
            table.remember(token, self._window)
            step(f"rename in {table.name}")
        self._publish(table, partition, rows)
        if not self._log_first:
            step(f"token of {table.name}")
            table.remember(token, self._window)

    def _publish(self, table: Table, partition: int, rows: tuple[RowRef, ...]) -> None:
        if self.rename_errors and self._rng.random() < self.rename_errors:
            self._trace("engine", "rename fails", table.name, partition)
            raise failure(FILESYSTEM_ERROR, "rename: input/output error")
        self._part_number += 1
        part = Part(self._part_number, partition, rows)
        table.publish(part, synced=self._parts_synced)
        self._trace("engine", "part", table.name, partition, [row.lsn for row in rows])

    def count_block(self, log_id: int, first_lsn: int, last_lsn: int) -> dict[int, int]:
        """Rows of a log's LSN range in events_raw, by partition."""
        found: Counter[int] = Counter()
        for part in self.tables[RAW].active.values():
            found[part.partition] += sum(
                row.log_id == log_id and first_lsn <= row.lsn <= last_lsn for row in part.rows
            )
        return {partition: rows for partition, rows in found.items() if rows}

    def sums(self, name: str) -> dict[int, int]:
        """A rollup's sum(events), or countIf(is_bot = 0) of events_raw, by partition."""
        found: Counter[int] = Counter()
        for part in self.tables[name].active.values():
            found[part.partition] += sum(not self.events[row.event].is_bot for row in part.rows)
        return {partition: rows for partition, rows in found.items() if rows}

    def replace_partition(
        self, name: str, partition: int, rows: tuple[RowRef, ...], step: Step
    ) -> None:
        """ALTER TABLE … REPLACE PARTITION from a stage that holds `rows` (as one part).

        New parts come before the old ones go, and the old ones' files go later still (I2).
        """
        table = self.tables[name]
        old = [number for number, part in table.active.items() if part.partition == partition]
        step(f"replace in {name}")
        if rows:
            self._publish(table, partition, rows)
        for number in old:
            del table.active[number]
        step(f"removal in {name}")
        table.remove_outdated()
        if self._parts_synced:
            table.durable = dict(table.files)

    def attach_rows(self, partition: int, rows: tuple[RowRef, ...], step: Step) -> None:
        """ALTER TABLE events_raw ATTACH PARTITION … FROM a stage: no view sees them, no token remembers them."""
        step("attach")
        self._publish(self.tables[RAW], partition, rows)
