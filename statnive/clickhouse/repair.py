"""Putting right what a crash of the engine left wrong, one partition at a time.

Owns:       the tables `repair_…` of the database; no statement but these touches them.
Inputs:     a partition and what is wrong with it (verify.py), rows of the log.
Outputs:    events_raw with each row once; rollups that hold what events_raw holds.
Invariants: I1 a repair makes what it needs in a table whose name was never there before, checks it, and puts it in
            place by one statement that names this table; cut off anywhere, it is begun anew, under another name; I2
            a statement that the server gets only after its repair was given up changes nothing that counts: before
            rows are counted or inserted again, `drop_left_over` has dropped the table that it names; I3 events_raw
            gets missing rows by one part that appears at once (ATTACH PARTITION), past the views; I4 a partition is
            replaced as a whole, only by one whose rows were counted, so that no row is ever away; I5 a partition that
            can't be built from events_raw alone (a part of its events was erased there and kept here) is replaced by
            a Swap of the ledger: cut off, it is carried out to its end.
Failure:    Unavailable: nothing is lost; `drop_left_over`, then do it again. What comes out otherwise than expected
            is Unavailable too.

Statements of operators, as verify.py's. Not for a cluster: its tables commit a part and its token in one step.
"""

# Names of tables and whole numbers are put into the text of statements here, and nothing else.
# ruff: noqa: S608

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from statnive.clickhouse import verify
from statnive.clickhouse.client import RAW_TABLE, Client
from statnive.clickhouse.failures import Unavailable
from statnive.clickhouse.settings import COPY_SETTINGS
from statnive.clickhouse.verify import REPAIR_PREFIX
from statnive.erasures import Book, Nothing, Swap
from statnive.errors import PoisonBlock

LsnRange = tuple[int, int, int]  # log id, first and last LSN
# What the tables' names begin with.
ROWS: Final = f"{REPAIR_PREFIX}rows"  # rows of the log on their way into events_raw
KEPT: Final = f"{REPAIR_PREFIX}kept"  # a partition of events_raw, with one of each row
ROLLUP: Final = f"{REPAIR_PREFIX}rollup"  # a rollup's partition, built anew, or the one that has to go
SWAP: Final = f"{REPAIR_PREFIX}swap"  # a partition as it will be, once the ledger says so
VOID: Final = f"{REPAIR_PREFIX}void"  # takes what a partition holds that will be empty
PROBE: Final = f"{REPAIR_PREFIX}probe"  # takes rows and keeps none
DOUBT: Final = f"{REPAIR_PREFIX}doubt"  # there was a KEPT, and events_raw has not been looked through since
STAGING_TOKEN: Final = "staging"  # noqa: S105 - of inserts into tables that are made for one
NAME_BYTES: Final = 8  # of chance in a table's name
VIEW_SUFFIX: Final = "_mv"  # the view that feeds a rollup is named after it


def drop_left_over(client: Client) -> list[str]:
    """Drop what repairs left behind when they were cut off, and with it what their statements still could do (keeps
    I2); what had to be put right after that, in words. Raises Unavailable, also while one of them runs.
    """
    tables = client.operator_query(
        "SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {prefix:String})",
        {"database": client.database, "prefix": REPAIR_PREFIX},
    )
    if not tables:
        return []
    if verify.is_running(client):
        raise Unavailable("a statement of an earlier repair is still running", ambiguous=True)
    names = [str(row["name"]) for row in tables]
    doubts = [name for name in names if name.startswith(DOUBT)]
    if not doubts and any(name.startswith(KEPT) for name in names):
        doubts = [create(client, DOUBT, RAW_TABLE, " ENGINE = Null")]
        client.flush_to_disk()
    for name in set(names).difference(doubts):
        _drop(client, name)
    notes = _resolve_doubt(client) if doubts else []
    for name in doubts:
        _drop(client, name)
    return notes


def _resolve_doubt(client: Client) -> list[str]:
    """A REPLACE PARTITION of events_raw may have been cut off between the new parts' coming and the old ones' going:
    then each row of the partition is there twice, and not those of the block in doubt only.
    """
    notes = []
    for partition, doubled in verify.by_partition(verify.census(client).doubled).items():
        rows = remove_doubled(
            client, partition, [(one.log_id, one.first_lsn, one.last_lsn) for one in doubled]
        )
        notes.append(f"{RAW_TABLE} {partition} held {rows} rows twice, after a repair that was cut off")
    return notes


def remove_doubled(client: Client, partition: int, ranges: Sequence[LsnRange]) -> int:
    """Leave one of each row of logs' LSN ranges in a partition of events_raw; how many went. A range is a few blocks'
    at most: its rows are copied as one block. Rows outside of them come along as they are (hard links).
    """
    assert not client.cluster
    table = create(client, KEPT, RAW_TABLE)
    attach(client, table, partition, RAW_TABLE)
    surplus = 0
    for within in (_within(partition, *one) for one in ranges):
        doubled = _count(client, RAW_TABLE, within)
        client.command(
            f"ALTER TABLE {client.database}.{table} DELETE IN PARTITION {partition:d} WHERE {within} "
            "SETTINGS mutations_sync = 2"
        )
        client.command(
            f"INSERT INTO {client.database}.{table} {_copying()} "
            f"SELECT * FROM {client.database}.{RAW_TABLE} WHERE {within} LIMIT 1 BY log_id, lsn"
        )
        kept = _count(client, table, within)
        if kept != verify.Found(doubled.lsns, doubled.lsns):
            raise _unexpected(f"of {doubled} in {partition}, {kept} were kept")
        surplus += doubled.rows - doubled.lsns
    rows, built = _count_rows(client, RAW_TABLE, partition), _count_rows(client, table, partition)
    if built != rows - surplus:
        raise _unexpected(f"{partition} with {rows} rows, {surplus} too many, was built anew with {built}")
    client.flush_to_disk()  # wherever a part of what follows survives the power's failure, the table did, too …
    _replace(client, RAW_TABLE, partition, table)
    client.flush_to_disk()  # … and it goes when all of it does
    _drop(client, table)
    return surplus


def add_rows(client: Client, partition: int, rows: Mapping[int, bytes]) -> None:
    """Bring rows that are missing into a partition of events_raw, and not into the rollups (keeps I3)."""
    assert not client.cluster
    assert rows, "nothing to add"
    table = create(client, ROWS, RAW_TABLE)
    client.insert_block(b"".join(rows.values()), rows=len(rows), token=STAGING_TOKEN, table=table)
    (staged,) = client.operator_query(
        f"SELECT count() AS row_count, countIf(toYYYYMM(day) = {partition:d}) AS own, "
        f"uniqExact(_part) AS parts FROM {client.database}.{table}"
    )
    if (staged["row_count"], staged["own"], staged["parts"]) != (len(rows), len(rows), 1):
        raise _unexpected(f"{len(rows)} rows for {partition} were staged as {staged}")
    attach(client, RAW_TABLE, partition, table)
    _drop(client, table)


def rebuild_rollup(client: Client, rollup: str, partition: int, book: Book | None = None) -> str:
    """Build a rollup's partition from events_raw by the rollup's own view, and put it in place (keeps I4). What `book`
    says is kept there and erased in events_raw comes along; in words, when some of that is lost.
    """
    assert not client.cluster
    book = book or Nothing()
    kept = book.ledger.kept_in(rollup, partition)
    days = client.operator_query(
        f"SELECT day, count() AS row_count FROM {client.database}.{RAW_TABLE} "
        f"WHERE toYYYYMM(day) = {partition:d} AND is_bot = 0 GROUP BY day ORDER BY day"
    )
    select, columns = _view(client, rollup)
    table = create(client, SWAP if kept else ROLLUP, rollup)
    copied = _copy_kept(client, rollup, partition, table, columns, book) if kept else 0
    for row in days:  # a day at a time: a month's visitor states need not fit in memory
        client.command(
            f"INSERT INTO {client.database}.{table} ({columns}) {_copying()} "
            f"SELECT {columns} FROM ({select}) WHERE day = toDate('{row['day']}')"
        )
    expected = sum(row["row_count"] for row in days) + copied
    if not expected:  # a DROP PARTITION that came late would drop what is right
        _empty(client, rollup, partition, table, kept, book)
        return _lost(kept, 0)
    (built,) = client.operator_query(
        f"SELECT sum(events) AS events, uniqExact(toYYYYMM(day)) AS partitions FROM {client.database}.{table}"
    )
    if (built["events"], built["partitions"]) != (expected, 1):
        raise _unexpected(f"{rollup} {partition} was built anew as {built} for {expected} events")
    if kept:
        swap(client, Swap(partition, {rollup: table}, keeps={rollup: copied - kept}), book)  # keeps I5
    else:
        _replace(client, rollup, partition, table)
        _drop(client, table)
    return _lost(kept, copied)


def _empty(client: Client, rollup: str, partition: int, table: str, kept: int, book: Book) -> None:
    """Take a partition away that must hold nothing."""
    if kept:
        void = create(client, VOID, rollup)
        swap(client, Swap(partition, {rollup: void}, keeps={rollup: -kept}), book)
    else:
        _move(client, rollup, partition, table)
    _drop(client, table)


def _lost(kept: int, copied: int) -> str:
    return "" if copied == kept else f"; {kept - copied} of {kept} events that it alone had kept are lost"


def _copy_kept(client: Client, rollup: str, partition: int, table: str, columns: str, book: Book) -> int:
    """The rows of days that are erased in events_raw and kept in the rollup: below a site's floor nothing comes any
    more, so such a day is whole, or still in events_raw. How many events they are.
    """
    floors: dict[int, list[int]] = {}
    for site_id, day in book.ledger.events_from.items():
        floors.setdefault(day, []).append(site_id)
    below = " OR ".join(
        f"(site_id IN ({', '.join(map(str, sorted(sites)))}) AND day < toDate({day:d}))"
        for day, sites in sorted(floors.items())
    )
    client.command(
        f"INSERT INTO {client.database}.{table} ({columns}) {_copying()} "
        f"SELECT {columns} FROM {client.database}.{rollup} WHERE toYYYYMM(day) = {partition:d} AND ({below or '0'}) "
        f"AND (site_id, day) NOT IN (SELECT site_id, day FROM {client.database}.{RAW_TABLE} "
        f"WHERE toYYYYMM(day) = {partition:d} AND is_bot = 0 GROUP BY site_id, day)"
    )
    (copied,) = client.operator_query(f"SELECT sum(events) AS events FROM {client.database}.{table}")
    return int(copied["events"])


def swap(client: Client, wanted: Swap, book: Book) -> None:
    """Have ready partitions take their tables' place, all of them, whatever happens meanwhile: once the ledger holds
    the swap, `finish_swap` carries it out (keeps I1: the statements name tables that are made for it).
    """
    client.flush_to_disk()  # wherever the ledger's line survives the power's failure, the partitions do, too
    book.change(lambda ledger: ledger.commit(wanted))
    finish_swap(client, book)


def finish_swap(client: Client, book: Book) -> list[str]:
    """Carry out what the ledger has committed, as often as it takes; in words, what could not be found any more.
    Before anything is inserted, counted or repaired. Raises Unavailable.
    """
    wanted = book.ledger.swap
    if wanted is None:
        return []
    if verify.is_running(client):
        raise Unavailable("a statement of an earlier repair is still running", ambiguous=False)
    rows = client.operator_query(
        "SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {prefix:String})",
        {"database": client.database, "prefix": REPAIR_PREFIX},
    )
    ready = {str(row["name"]) for row in rows}
    notes = []
    for table, staged in wanted.tables.items():
        if staged not in ready:
            notes.append(
                f"{table} {wanted.month}: {staged} is gone; statnive verify --repair puts the month right"
            )
        elif not staged.startswith(VOID):
            _replace(client, table, wanted.month, staged)
        elif _has_parts(client, table, wanted.month):
            _move(client, table, wanted.month, staged)
    client.flush_to_disk()
    book.change(lambda ledger: ledger.settle())
    for staged in wanted.tables.values():
        _drop(client, staged)
    return notes


def find_refused(client: Client, rows: Mapping[int, bytes]) -> dict[int, str]:
    """Which rows ClickHouse can't read, by LSN, and why: by halves, into a table that keeps nothing. {} = it can
    read all of them.
    """
    table = create(client, PROBE, RAW_TABLE, " ENGINE = Null")
    refused: dict[int, str] = {}
    stretches = [list(rows)] if rows else []
    while stretches:
        lsns = stretches.pop()
        payload = b"".join(rows[lsn] for lsn in lsns)
        try:
            client.insert_block(payload, rows=len(lsns), token=STAGING_TOKEN, table=table)
        except PoisonBlock as poison:
            if len(lsns) == 1:
                refused[lsns[0]] = str(poison)
            else:
                middle = len(lsns) // 2
                stretches += [lsns[middle:], lsns[:middle]]
    _drop(client, table)
    return refused


def _count_rows(client: Client, table: str, partition: int) -> int:
    (found,) = client.operator_query(
        f"SELECT count() AS row_count FROM {client.database}.{table} WHERE toYYYYMM(day) = {partition:d}"
    )
    return int(found["row_count"])


def _count(client: Client, table: str, where: str) -> verify.Found:
    (found,) = client.operator_query(
        f"SELECT count() AS row_count, uniqExact(lsn) AS lsn_count FROM {client.database}.{table} WHERE {where}"
    )
    return verify.Found(found["row_count"], found["lsn_count"])


def attach(client: Client, table: str, partition: int, source: str) -> None:
    """Bring a copy of a partition (hard links) into a table like its own, at once, past the views."""
    client.command(
        f"ALTER TABLE {client.database}.{table} ATTACH PARTITION {partition:d} FROM {client.database}.{source}"
    )


def _replace(client: Client, table: str, partition: int, source: str) -> None:
    client.command(
        f"ALTER TABLE {client.database}.{table} REPLACE PARTITION {partition:d} FROM {client.database}.{source}"
    )


def _move(client: Client, table: str, partition: int, target: str) -> None:
    client.command(
        f"ALTER TABLE {client.database}.{table} MOVE PARTITION {partition:d} TO TABLE {client.database}.{target}"
    )


def _has_parts(client: Client, table: str, partition: int) -> bool:
    (row,) = client.operator_query(
        "SELECT count() AS parts FROM system.parts WHERE database = {database:String} AND table = {table:String} "
        "AND active AND partition_id = {partition:String}",
        {"database": client.database, "table": table, "partition": str(partition)},
    )
    return bool(row["parts"])


def _view(client: Client, rollup: str) -> tuple[str, str]:
    """The SELECT of the view that feeds a rollup, and the columns that it gives."""
    views = client.operator_query(
        "SELECT as_select FROM system.tables WHERE database = {database:String} AND name = {name:String}",
        {"database": client.database, "name": rollup + VIEW_SUFFIX},
    )
    columns = client.operator_query(
        "SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String} "
        "ORDER BY position",
        {"database": client.database, "table": rollup},
    )
    if not views:
        raise _unexpected(f"{rollup} has no view {rollup}{VIEW_SUFFIX} to build it from")
    return str(views[0]["as_select"]), ", ".join(f"`{row['name']}`" for row in columns)


def create(client: Client, what: str, like: str, engine: str = "") -> str:
    """Make a table like another, empty; its name, which was never there before (keeps I1)."""
    table = f"{what}_{secrets.token_hex(NAME_BYTES)}"
    client.command(f"CREATE TABLE {client.database}.{table} AS {client.database}.{like}{engine}")
    return table


def _drop(client: Client, table: str) -> None:
    client.command(f"DROP TABLE IF EXISTS {client.database}.{table} SYNC SETTINGS max_table_size_to_drop = 0")


def _within(partition: int, log_id: int, first_lsn: int, last_lsn: int) -> str:
    """Numbers only, so written out: an ALTER binds no parameters."""
    return f"toYYYYMM(day) = {partition:d} AND log_id = {log_id:d} AND lsn >= {first_lsn:d} AND lsn <= {last_lsn:d}"


def _copying() -> str:
    return "SETTINGS " + ", ".join(f"{key} = '{value}'" for key, value in COPY_SETTINGS.items())


def _unexpected(what: str) -> Unavailable:
    return Unavailable(f"a repair came out otherwise than expected: {what}", ambiguous=True)
