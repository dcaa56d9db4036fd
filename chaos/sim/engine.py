"""A simulated ClickHouse: events_raw, three rollups fed by views, and the faults that the real one was seen to have.

Owns:       its tables (tables.py); whether it runs.
Inputs:     inserts and the pieces that statements are made of (sql.py), one at a time; `step`, called before each
            thing that a crash can fall between.
Outputs:    tables; what a crash leaves behind.
Invariants: I1 nothing is atomic over tables or partitions: a part is written, recorded in the log of tokens and
            renamed into place alone, the last two in the order that `log_first` says (a crash between them loses the
            part to a retry, or doubles it); I2 `parts_synced` (a server's settings) makes parts durable as they come,
            never the log of tokens.
Failure:    DatabaseError with ClickHouse's code; whatever `step` raises passes through.

Not modelled: merges (they keep rows and tokens alike), replication, torn lines of the log of tokens.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from clickhouse_connect.driver.exceptions import DatabaseError

from chaos.sim.tables import Events, Mutation, Part, Predicate, RowRef, Table

RAW: Final = "events_raw"
ROLLUPS: Final = ("daily_pages", "daily_sources", "hourly_visitors")
TABLES: Final = (RAW, *ROLLUPS)
FILESYSTEM_ERROR: Final = 1001
CANNOT_PARSE: Final = 44
UNKNOWN_TABLE: Final = 60
TABLE_EXISTS: Final = 57
VIEW_FAILED: Final = 395
MUTATES_SHARE: Final = 0.5  # of statements before which mutations left by a crash go on

Step = Callable[[str], object]


def failure(code: int, text: str) -> DatabaseError:
    """ClickHouse refuses or fails: the driver's exception."""
    return DatabaseError(f"Code: {code}. {text}", code=code)


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
        self._log_first, self._window, self.parts_synced = log_first, window, parts_synced
        self.tables = {name: Table(name, window) for name in TABLES}
        self._durable_tables = dict(self.tables)
        self.running = False
        self._part_number = 0
        self.rename_errors = 0.0  # share of renames that the filesystem refuses
        self.view_errors = 0.0  # share of a rollup's parts before which the insert fails

    # --- its life -------------------------------------------------------------------------------------------

    def start(self) -> None:
        for table in self.tables.values():
            table.load()
        self.running = True

    def kill(self) -> None:
        """Its memory goes, its files stay."""
        self.running = False

    def power_cut(self) -> None:
        """Only the medium stays, and some of what was on the way to it."""
        self.running = False
        new_names = {id(table): name for name, table in self.tables.items()}
        old_names = {id(table): name for name, table in self._durable_tables.items()}
        kept: dict[str, Table] = {}
        for table in [*self.tables.values(), *self._durable_tables.values()]:
            new, old = new_names.pop(id(table), None), old_names.pop(id(table), None)
            happened = self._rng.random() < 0.5  # it was made, renamed or dropped since the last sync
            name = new if happened or new == old else old
            if name is not None and (name not in kept or happened):
                table.lose_memory(self._rng)
                kept[name] = table
        self.tables = kept
        self._durable_tables = dict(kept)

    def sync(self) -> None:
        """syncfs."""
        for table in self.tables.values():
            table.sync()
        self._durable_tables = dict(self.tables)

    def drop_dangling_tokens(self) -> int:
        """What statnive.clickhouse.dedup_log does to the real log: tokens whose part is not there go."""
        dropped = 0
        for table in self.tables.values():
            true = [entry for entry in table.token_log if entry[1] in table.files]
            dropped += len(table.token_log) - len(true)
            table.token_log = true
            table.token_log_durable = len(true)  # it is replaced by a file that is flushed
        return dropped

    def background(self, step: Step) -> None:
        """What the engine does by itself between statements."""
        for table in list(self.tables.values()):
            if table.mutations and self._rng.random() < MUTATES_SHARE:
                self.mutate(table, step)

    # --- inserts --------------------------------------------------------------------------------------------

    def insert(self, name: str, payload: bytes, settings: Mapping[str, str], step: Step) -> None:
        """INSERT INTO `name`, and from events_raw by the views into each rollup."""
        rows = self.events.split(payload)
        if any(self.events[row.event].is_poison for row in rows):
            raise failure(CANNOT_PARSE, "cannot parse the rows")
        self.table(name)
        if name.startswith("repair_probe"):
            return
        token = settings["insert_deduplication_token"] if settings["insert_deduplicate"] == "1" else ""
        self.insert_rows(name, rows, token, step)
        if name != RAW:
            return
        if settings["deduplicate_blocks_in_dependent_materialized_views"] != "1":
            token = ""
        for rollup in ROLLUPS:
            self.insert_rows(rollup, (row for row in rows if not row.is_bot), token, step)

    def insert_rows(self, name: str, rows: Iterable[RowRef], token: str, step: Step) -> None:
        """One block into one table: a part for each partition."""
        table = self.table(name)
        for partition, part_rows in by_partition(rows).items():
            if name in ROLLUPS and self._rng.random() < self.view_errors:
                self._trace("engine", "view fails", name, partition)
                raise failure(VIEW_FAILED, f"while pushing to view {name}")
            self._insert_part(table, partition, part_rows, token and f"{token}/{partition}", step)

    def _insert_part(
        self, table: Table, partition: int, rows: tuple[RowRef, ...], token: str, step: Step
    ) -> None:
        step(f"part of {table.name}")
        if token in table.known:
            self._trace("engine", "known token", table.name, token)
            return
        self._part_number += 1
        part = Part(self._part_number, partition, rows)
        if token and self._log_first:
            table.remember(token, part.number)
            step(f"rename in {table.name}")
        self.publish(table, part)
        if token and not self._log_first:
            step(f"token of {table.name}")
            table.remember(token, part.number)

    def publish(self, table: Table, part: Part) -> None:
        """The rename that makes a part count."""
        if self.rename_errors and self._rng.random() < self.rename_errors:
            self._trace("engine", "rename fails", table.name, part.partition)
            raise failure(FILESYSTEM_ERROR, "rename: input/output error")
        table.publish(part, synced=self.parts_synced)
        self._trace("engine", "part", table.name, part.partition, [row.lsn for row in part.rows])

    # --- the pieces of statements ---------------------------------------------------------------------------

    def table(self, name: str) -> Table:
        if name not in self.tables:
            raise failure(UNKNOWN_TABLE, f"table {name} does not exist")
        return self.tables[name]

    def create(self, name: str) -> None:
        """CREATE TABLE … AS another: settings alike, no rows."""
        if name in self.tables:
            raise failure(TABLE_EXISTS, f"table {name} already exists")
        self.tables[name] = Table(name, self._window)
        if self.parts_synced:
            self._durable_tables[name] = self.tables[name]

    def drop(self, name: str) -> None:
        """DROP TABLE IF EXISTS."""
        self.tables.pop(name, None)
        if self.parts_synced:
            self._durable_tables.pop(name, None)

    def copy_partition(self, name: str, partition: int, source: str, step: Step, *, replaces: bool) -> None:
        """ALTER TABLE … ATTACH or REPLACE PARTITION FROM: each part by a rename; then one that covers the old."""
        table = self.table(name)
        old = [part.number for part in table.active.values() if part.partition == partition]
        for part in [part for part in self.table(source).active.values() if part.partition == partition]:
            step(f"rename in {name}")
            self._part_number += 1
            self.publish(table, Part(self._part_number, partition, part.rows))
        if replaces and old:
            step(f"cover in {name}")
            self._cover(table, partition, old)

    def move_partition(self, name: str, partition: int, target: str, step: Step) -> None:
        """ALTER TABLE … MOVE PARTITION TO TABLE: its parts appear there, and then they are covered here."""
        table = self.table(name)
        old = [part for part in table.active.values() if part.partition == partition]
        for part in old:
            step(f"rename in {target}")
            self._part_number += 1
            self.publish(self.table(target), Part(self._part_number, partition, part.rows))
        if old:
            step(f"cover in {name}")
            self._cover(table, partition, [part.number for part in old])

    def _cover(self, table: Table, partition: int, old: Iterable[int]) -> None:
        self._part_number += 1
        self.publish(table, Part(self._part_number, partition, (), frozenset(old)))

    def delete(self, name: str, partition: int, goes: Predicate, step: Step) -> None:
        """ALTER TABLE … DELETE with mutations_sync: it is written down first, and outlives a crash."""
        table = self.table(name)
        step(f"mutation of {name}")
        table.mutations.append(Mutation(self._part_number + 1, partition, goes))
        self.mutate(table, step)

    def mutate(self, table: Table, step: Step) -> None:
        """Carry out what mutations are written down: each part is written anew, by a rename."""
        while table.mutations:
            mutation = table.mutations[0]
            for part in list(table.active.values()):
                if part.number < mutation.before and part.partition == mutation.partition:
                    left = tuple(row for row in part.rows if not mutation.goes(row))
                    if len(left) < len(part.rows):
                        step(f"mutated part of {table.name}")
                        self._part_number += 1
                        covers = part.covers | {part.number}
                        self.publish(table, Part(self._part_number, part.partition, left, covers))
            table.mutations.pop(0)


def by_partition(rows: Iterable[RowRef]) -> dict[int, tuple[RowRef, ...]]:
    """Rows as an insert divides them."""
    found: dict[int, list[RowRef]] = {}
    for row in rows:
        found.setdefault(row.partition, []).append(row)
    return {partition: tuple(found[partition]) for partition in sorted(found)}
