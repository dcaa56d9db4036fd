"""A block of which nobody knows whether it is in: count it, send it again, count it, repair what is still wrong.

Why a token is not enough: the engine writes its log of tokens and puts the part in place in two steps. A crash or
an error in between leaves a token without its part (chDB 26.9: the retry answers OK, and the part is missing from
exactly one table), or, in an engine that takes the steps the other way round, a part without its token (the retry
doubles it). So the answer to a retry proves nothing; only the rows do.

Invariants: I1 `settle` returns only when each row of the block is in events_raw once and its partitions' rollups
            hold what events_raw holds; I2 it may be called again after any failure or crash; I3 rows in the block's
            LSN range that the block doesn't hold (set aside, or lost by the log) are left as they are.
Failure:    Unavailable: call it again. PoisonBlock: ClickHouse refuses the rows (repair.find_refused finds which).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import attrs

from statnive.clickhouse import repair, verify
from statnive.clickhouse.client import RAW_TABLE, Client
from statnive.clickhouse.failures import Unavailable
from statnive.clickhouse.rows import row_month
from statnive.erasures import Book, Nothing

ROUNDS_MAX: Final = 4  # of repairing and counting again


@attrs.frozen
class SentBlock:
    """A block that was sent, as it must be in ClickHouse: its rows by LSN, in order."""

    log_id: int
    first_lsn: int
    last_lsn: int
    token: str
    rows: Mapping[int, bytes] = attrs.field(repr=False)


@attrs.frozen
class _Trouble:
    """What is wrong with a block's partitions. Rollups are looked at once the raw rows are right."""

    doubled: dict[int, int] = attrs.field(factory=dict)  # partition -> rows too many
    missing: dict[int, dict[int, bytes]] = attrs.field(factory=dict)  # partition -> LSN -> row
    drift: list[verify.Drift] = attrs.field(factory=list)

    def __bool__(self) -> bool:
        return bool(self.doubled or self.missing or self.drift)


def settle(client: Client, block: SentBlock, book: Book | None = None) -> list[str]:
    """Return when the block is in, exactly once (keeps I1); what had to be repaired, in words. `book`: what was
    erased.
    """
    book = book or Nothing()
    _check_quiet(client, block)
    notes = repair.drop_left_over(client)
    by_month = _by_month(block)
    if not _look(client, block, by_month, book):
        return notes
    if block.rows:
        client.insert_block(b"".join(block.rows.values()), rows=len(block.rows), token=block.token)
        _check_quiet(client, block)
    for _ in range(ROUNDS_MAX):
        trouble = _look(client, block, by_month, book)
        if not trouble:
            return notes
        if client.cluster:
            raise Unavailable(f"block {block.token} is not in as it was sent: {trouble}", ambiguous=True)
        notes += _repair(client, block, trouble, book)
    raise Unavailable(f"block {block.token} could not be put right: {notes[-1]}", ambiguous=True)


def _by_month(block: SentBlock) -> dict[int, dict[int, bytes]]:
    months: dict[int, dict[int, bytes]] = defaultdict(dict)
    for lsn, row in block.rows.items():
        months[row_month(row)][lsn] = row
    return dict(months)


def _check_quiet(client: Client, block: SentBlock) -> None:
    if verify.is_running(client, block.token):
        raise Unavailable(f"ClickHouse is still at work on block {block.token}", ambiguous=True)


def _look(
    client: Client, block: SentBlock, by_month: Mapping[int, Mapping[int, bytes]], book: Book
) -> _Trouble:
    """Two cheap counts; the LSNs themselves only when those don't fit, or when the block has holes, whose rows may
    be there in place of others.
    """
    trouble = _Trouble()
    if not by_month:
        return trouble
    span = (block.log_id, block.first_lsn, block.last_lsn)
    has_holes = len(block.rows) <= block.last_lsn - block.first_lsn
    found = verify.find_block(client, *span, list(by_month))
    for partition, rows in by_month.items():
        there = found.get(partition, verify.Found(0, 0))
        if there.rows == there.lsns == len(rows) and not has_holes:
            continue
        times = verify.find_lsns(client, *span, partition) if there.rows else {}
        if there.rows > there.lsns:
            trouble.doubled[partition] = there.rows - there.lsns
        missing = {lsn: row for lsn, row in rows.items() if lsn not in times}
        if missing:
            trouble.missing[partition] = missing
    if not trouble:
        trouble.drift.extend(verify.drift(client, list(by_month), book.ledger))
    return trouble


def _repair(client: Client, block: SentBlock, trouble: _Trouble, book: Book) -> list[str]:
    notes = []
    for partition, rows_too_many in trouble.doubled.items():
        repair.remove_doubled(client, partition, [(block.log_id, block.first_lsn, block.last_lsn)])
        notes.append(
            f"{RAW_TABLE} {partition} held {rows_too_many} rows of block {block.token} twice: "
            "one of each is left"
        )
    for partition, missing in trouble.missing.items():
        repair.add_rows(client, partition, missing)
        notes.append(f"{RAW_TABLE} {partition} lacked {len(missing)} rows of block {block.token}: added")
    for found in trouble.drift:
        lost = repair.rebuild_rollup(client, found.rollup, found.partition, book)
        notes.append(
            f"{found.rollup} {found.partition} held {found.rollup_events} events of {found.raw_rows}: built anew{lost}"
        )
    return notes
