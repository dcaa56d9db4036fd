"""`statnive verify`: every row of every site counted, every rollup compared, and put right on request.

Inputs:     a writer's client, alone with the database (the Engine's lock).
Outputs:    what was found; with `repairing` also what was repaired, and what is still wrong after it.
Invariants: I1 without `repairing` nothing is changed; I2 a rollup that holds more than events_raw is not rebuilt
            when events_raw may have lost just those rows: then the rollup is the only trace of them.
Failure:    Retryable; a repair that was cut off is finished at the next one or at the next start.
"""

from __future__ import annotations

from typing import Any

import attrs

from statnive.clickhouse import repair, verify
from statnive.clickhouse.client import RAW_TABLE, Client
from statnive.erasures import Book, Nothing


@attrs.frozen
class FullCheck:
    """The state of all rows and rollups; with repairs, after them."""

    rows: int  # of events_raw
    rollups: tuple[str, ...]
    doubled: tuple[verify.Doubled, ...]
    drift: tuple[verify.Drift, ...]
    gaps: int  # LSNs that are not there; see Census
    repaired: tuple[str, ...] = ()
    unrepaired: tuple[str, ...] = ()  # what a repair left alone, and why

    @property
    def drift_rows(self) -> int:
        return verify.drift_rows(self.drift)

    @property
    def is_right(self) -> bool:
        return not self.doubled and not self.drift

    def as_json(self) -> dict[str, Any]:
        """For the control socket."""
        return {
            "rows": self.rows,
            "rollups": list(self.rollups),
            "doubled": [found._asdict() for found in self.doubled],
            "drift": [found._asdict() for found in self.drift],
            "drift_rows": self.drift_rows,
            "gaps": self.gaps,
            "repaired": list(self.repaired),
            "unrepaired": list(self.unrepaired),
            "is_right": self.is_right,
        }


def check_all(client: Client, *, repairing: bool, rows_set_aside: int, book: Book | None = None) -> FullCheck:
    """Check everything, and repair (keeps I1). `rows_set_aside`: how many LSNs are missing for a known reason.
    `book`: what was erased, which is neither missing nor built anew.

    Raises Retryable.
    """
    book = book or Nothing()
    found = _check(client, book)
    if not repairing or found.is_right:
        return found
    if client.cluster:
        return attrs.evolve(found, unrepaired=("the tables of a cluster are not repaired",))
    repaired = []
    for partition, doubled in verify.by_partition(found.doubled).items():
        ranges = [(one.log_id, one.first_lsn, one.last_lsn) for one in doubled]
        rows = repair.remove_doubled(client, partition, ranges)
        repaired.append(f"{RAW_TABLE} {partition} held {rows} rows twice: one of each is left")
    unrepaired = []
    lost_at_most = found.gaps - rows_set_aside
    for drift in verify.drift(client, ledger=book.ledger):
        surplus = drift.rollup_events - drift.raw_rows
        if 0 < surplus <= lost_at_most:
            unrepaired.append(
                f"{drift.rollup} {drift.partition} holds {surplus} events more than {RAW_TABLE}, which lacks up to "
                f"{lost_at_most} rows: restore {RAW_TABLE} from a backup"
            )  # keeps I2
            continue
        lost = repair.rebuild_rollup(client, drift.rollup, drift.partition, book)
        repaired.append(
            f"{drift.rollup} {drift.partition} held {drift.rollup_events} events of {drift.raw_rows}: built anew{lost}"
        )
    return attrs.evolve(_check(client, book), repaired=tuple(repaired), unrepaired=tuple(unrepaired))


def _check(client: Client, book: Book) -> FullCheck:
    census = verify.census(client, book.ledger)
    return FullCheck(
        rows=census.rows,
        rollups=tuple(verify.rollups(client)),
        doubled=tuple(census.doubled),
        drift=tuple(verify.drift(client, ledger=book.ledger)),
        gaps=census.gaps,
    )
