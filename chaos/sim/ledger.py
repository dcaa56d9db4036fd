"""What the world knows for certain, and the promises it holds the product to.

Owns:       what was sent, acknowledged, refused; the checkpoint as last seen.
Inputs:     acknowledgements, as they are given; what a process does to its segments and its checkpoint; the engine
            at rest.
Outputs:    Violation, at the first broken promise.
Invariants: I1 every promise is judged by sets of rows, on the medium's image where durability is promised; I2 nothing
            the product says of itself is believed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs

from chaos.sim.engine import RAW, ROLLUPS, TABLES, Engine
from chaos.sim.filesystem import Inode, SimFileSystem
from chaos.sim.tables import Event, RowRef
from statnive.actors.writer import QUARANTINE_DIR
from statnive.wal.recovery import Recovery
from statnive.wal.segment import parse_name
from statnive.wal.state import STATE_NAME

Fate = Literal["unknown", "acknowledged", "refused"]


class Violation(Exception):  # noqa: N818 - named by what is found
    """The product broke a promise."""


@attrs.define(eq=False)
class Request:
    """Events sent together, and what became of them as far as the client knows."""

    events: list[Event]
    rows: list[bytes] = attrs.field(factory=list)  # as appended: with log id and LSN
    first_lsn: int = 0
    fate: Fate = "unknown"

    @property
    def last_lsn(self) -> int:
        return self.first_lsn + len(self.rows) - 1


class Ledger:
    """See the module's contract."""

    def __init__(self, disk: SimFileSystem, engine: Engine, directory: Path) -> None:
        self._disk, self._engine, self._directory = disk, engine, directory
        self.requests: list[Request] = []
        self.checkpoint = 0  # as any later start may find it
        self.log_id = 0
        self.log_end = self.lag_rows = 0
        self.violations: list[str] = []

    def broken(self, promise: str) -> Violation:
        self.violations.append(promise)
        return Violation(promise)

    @property
    def acknowledged(self) -> list[Event]:
        return [
            event for request in self.requests if request.fate == "acknowledged" for event in request.events
        ]

    @property
    def rows_set_aside(self) -> int:
        return len(self._set_aside(self._disk.names))

    # --- while it runs --------------------------------------------------------------------------------------

    def acknowledge(self, request: Request) -> None:
        """A client was told 202: its rows must survive a power cut at this very moment."""
        request.fate = "acknowledged"
        images = [
            inode.durable for path, inode in self._disk.durable_names.items() if path.name.endswith(".wal")
        ]
        for lsn, row in enumerate(request.rows, request.first_lsn):
            if lsn > self.checkpoint and not any(row in image for image in images):
                raise self.broken(f"LSN {lsn} was acknowledged and is not on the medium")

    def log_opened(self, recovery: Recovery) -> None:
        """A life begins with this log."""
        if recovery.corruptions:
            raise self.broken(f"corruption is reported where there is none: {recovery.corruptions}")
        if recovery.log_id != self.log_id and self._answered():
            raise self.broken("the log was made anew although it held acknowledged rows")
        self.log_id = recovery.log_id
        highest = max((request.last_lsn for request in self._answered()), default=0)
        if recovery.next_lsn <= max(highest, self.checkpoint):
            raise self.broken(f"LSN {recovery.next_lsn} is given out again; {highest} was acknowledged")

    def stopped(self, log_end: int, lag_rows: int) -> None:
        """A life ended in good order."""
        self.log_end, self.lag_rows = log_end, lag_rows

    def _answered(self) -> list[Request]:
        return [request for request in self.requests if request.fate == "acknowledged"]

    def segment_goes(self, path: Path) -> None:
        """A segment loses its name: the checkpoint on the medium must be at its end or beyond."""
        later = [lsn for name in self._disk.names if (lsn := parse_name(name.name)) and name.name > path.name]
        if not later:
            raise self.broken(f"{path.name}, the last segment, is removed")
        inode = self._disk.durable_names.get(self._directory / STATE_NAME)
        done = _done_lsn(bytes(inode.durable)) if inode else 0
        if done < min(later) - 1:
            raise self.broken(
                f"{path.name} goes while the durable checkpoint is {done}, not {min(later) - 1}"
            )

    def checkpoint_appears(self, document: bytes) -> None:
        """From now on a start may find this checkpoint: the engine's medium must hold every row up to it."""
        done = _done_lsn(document)
        if done < self.checkpoint:
            raise self.broken(f"the checkpoint goes back from {self.checkpoint} to {done}")
        missing = self._not_durable(self.checkpoint + 1, done)
        if missing:
            raise self.broken(f"checkpoint {done}: the engine does not durably hold {missing}")
        self.checkpoint = done

    def _not_durable(self, first_lsn: int, last_lsn: int) -> dict[str, list[int]]:
        wanted = set(range(first_lsn, last_lsn + 1))
        missing = {}
        raw: list[RowRef] = []
        for name in TABLES:
            rows = [
                row
                for row in self._engine.tables[name].durable_rows()
                if row.lsn in wanted and row.log_id == self.log_id
            ]
            if name == RAW:
                raw = rows
                lacking = wanted - {row.lsn for row in rows} - set(self._set_aside(self._disk.durable_names))
            else:
                needed = {row.lsn for row in raw if not self._engine.events[row.event].is_bot}
                lacking = needed - {row.lsn for row in rows}
            if lacking:
                missing[name] = sorted(lacking)
        return missing

    def _set_aside(self, names: Mapping[Path, Inode]) -> dict[int, int]:
        """The rows in the quarantine, as these names say: LSN -> event."""
        found = {}
        for path, inode in names.items():
            if path.parent.name == QUARANTINE_DIR and path.suffix == ".msgpack" and inode.durable:
                (row,) = self._engine.events.split(bytes(inode.durable))
                assert path.name.startswith(f"{row.log_id:016x}-{row.lsn}."), path
                found[row.lsn] = row.event
        return found

    # --- at rest --------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Everything has drained: is each row where it belongs, once, and in no other place?"""
        if self.lag_rows:
            raise self.broken(f"{self.lag_rows} rows are left in the log although nothing fails any more")
        raw = self._engine.tables[RAW].rows()
        times = Counter(row.event for row in raw)
        set_aside = self._set_aside(self._disk.names)
        self._judge_events(times + Counter(set_aside.values()))
        self._judge_lsns(raw, self.log_end, set(set_aside))
        counted = Counter(
            {number: n for number, n in times.items() if not self._engine.events[number].is_bot}
        )
        for name in ROLLUPS:
            folded = Counter(row.event for row in self._engine.tables[name].rows())
            if folded != counted:
                raise self.broken(
                    f"{name}: lacks {sorted((counted - folded).elements())}, "
                    f"has too many of {sorted((folded - counted).elements())}"
                )

    def _judge_events(self, times: Counter[int]) -> None:
        for request in self.requests:
            for event in request.events:
                there = times[event.number]
                if there > 1:
                    raise self.broken(f"event {event.number} ({request.fate}) is there {there} times")
                if there == 0 and request.fate == "acknowledged":
                    raise self.broken(f"event {event.number} was acknowledged and is lost")
                if there and request.fate == "refused":
                    raise self.broken(f"event {event.number} was refused and is there")

    def _judge_lsns(self, raw: list[RowRef], durable_lsn: int, set_aside: set[int]) -> None:
        names = Counter((row.log_id, row.lsn) for row in raw)
        twice = [name for name, times in names.items() if times > 1]
        if twice:
            raise self.broken(f"LSNs given to two rows: {twice}")
        lsns = {row.lsn for row in raw if row.log_id == self.log_id} | set_aside
        gaps = set(range(1, durable_lsn + 1)) ^ lsns
        if gaps:
            raise self.broken(f"LSNs are not dense: {sorted(gaps)}")


def _done_lsn(document: bytes) -> int:
    done: int = json.loads(document.partition(b"\n")[2])["done_lsn"]
    return done
