"""Putting right what a crash of the engine left wrong, one partition at a time.

Owns:       the tables `repair_…` of the database; no statement but these touches them.
Inputs:     a partition and what is wrong with it (verify.py), rows of the log.
Outputs:    events_raw with each row once; rollups that hold what events_raw holds.
Invariants: I1 every step can be repeated, and a crash between two of them is finished by `finish_left_over`; I2 a
            row is taken out of events_raw only while a copy of it is in `repair_kept`; I3 events_raw gets rows by
            one part that appears at once (ATTACH PARTITION), past the views; I4 a rollup's partition is replaced
            as a whole, only by one whose `events` are those of events_raw.
Failure:    Unavailable: nothing is lost, do it again. What comes out otherwise than expected is Unavailable too.

Statements of operators, as verify.py's. Not for a cluster: its tables commit a part and its token in one step.
"""

# Names of tables and whole numbers are put into the text of statements here, and nothing else.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from statnive.clickhouse import verify
from statnive.clickhouse.client import RAW_TABLE, Client
from statnive.clickhouse.failures import Unavailable
from statnive.clickhouse.settings import COPY_SETTINGS
from statnive.clickhouse.verify import REPAIR_PREFIX
from statnive.errors import PoisonBlock

ROWS_TABLE: Final = f"{REPAIR_PREFIX}rows"  # rows of the log on their way into events_raw
KEPT_TABLE: Final = f"{REPAIR_PREFIX}kept"  # one copy of each row that events_raw holds twice
ROLLUP_TABLE: Final = f"{REPAIR_PREFIX}rollup"  # a rollup's partition, built anew
PROBE_TABLE: Final = f"{REPAIR_PREFIX}probe"  # takes rows and keeps none
STAGING_TOKEN: Final = "staging"  # noqa: S105 - of inserts into tables that are made for one
VIEW_SUFFIX: Final = "_mv"  # the view that feeds a rollup is named after it


def finish_left_over(client: Client) -> list[str]:
    """Finish or undo what a repair left behind when it was cut off (keeps I1); what was finished, in words."""
    tables = client.operator_query(
        "SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {prefix:String})",
        {"database": client.database, "prefix": REPAIR_PREFIX},
    )
    names = {row["name"] for row in tables}
    if names and verify.is_running(client):
        raise Unavailable("a statement of an earlier repair is still running", ambiguous=True)
    notes = []
    if KEPT_TABLE in names:
        _put_back(client)
        notes.append("a repair that was cut off was finished")
    for name in sorted(names - {KEPT_TABLE}):
        _drop(client, name)
    return notes


def remove_doubled(client: Client, partition: int, log_id: int, first_lsn: int, last_lsn: int) -> None:
    """Leave one of each row of a log's LSN range in a partition of events_raw. The range is a few blocks' at most:
    its rows are copied as one block.
    """
    assert not client.cluster
    within = _within(partition, log_id, first_lsn, last_lsn)
    _drop(client, KEPT_TABLE)
    _create(client, KEPT_TABLE, RAW_TABLE)
    client.command(
        f"INSERT INTO {client.database}.{KEPT_TABLE} {_copying()} "
        f"SELECT * FROM {client.database}.{RAW_TABLE} WHERE {within} LIMIT 1 BY log_id, lsn"
    )
    _put_back(client)


def add_rows(client: Client, partition: int, rows: Mapping[int, bytes]) -> None:
    """Bring rows that are missing into a partition of events_raw, and not into the rollups (keeps I3)."""
    assert not client.cluster
    assert rows, "nothing to add"
    _drop(client, ROWS_TABLE)
    _create(client, ROWS_TABLE, RAW_TABLE)
    client.insert_block(b"".join(rows.values()), rows=len(rows), token=STAGING_TOKEN, table=ROWS_TABLE)
    (staged,) = client.operator_query(
        f"SELECT count() AS row_count, countIf(toYYYYMM(day) = {partition:d}) AS own, "
        f"uniqExact(_part) AS parts FROM {client.database}.{ROWS_TABLE}"
    )
    if (staged["row_count"], staged["own"], staged["parts"]) != (len(rows), len(rows), 1):
        raise _unexpected(f"{len(rows)} rows for {partition} were staged as {staged}")
    _attach(client, partition, ROWS_TABLE)
    _drop(client, ROWS_TABLE)


def rebuild_rollup(client: Client, rollup: str, partition: int) -> None:
    """Build a rollup's partition from events_raw by the rollup's own view, and put it in place (keeps I4)."""
    assert not client.cluster
    days = client.operator_query(
        f"SELECT day, count() AS row_count FROM {client.database}.{RAW_TABLE} "
        f"WHERE toYYYYMM(day) = {partition:d} AND is_bot = 0 GROUP BY day ORDER BY day"
    )
    if not days:
        client.command(f"ALTER TABLE {client.database}.{rollup} DROP PARTITION {partition:d}")
        return
    select, columns = _view(client, rollup)
    _drop(client, ROLLUP_TABLE)
    _create(client, ROLLUP_TABLE, rollup)
    for row in days:  # a day at a time: a month's visitor states need not fit in memory
        client.command(
            f"INSERT INTO {client.database}.{ROLLUP_TABLE} ({columns}) {_copying()} "
            f"SELECT {columns} FROM ({select}) WHERE day = toDate('{row['day']}')"
        )
    (built,) = client.operator_query(
        f"SELECT sum(events) AS events, uniqExact(toYYYYMM(day)) AS partitions "
        f"FROM {client.database}.{ROLLUP_TABLE}"
    )
    expected = sum(row["row_count"] for row in days)
    if (built["events"], built["partitions"]) != (expected, 1):
        raise _unexpected(f"{rollup} {partition} was built anew as {built} for {expected} events")
    client.command(
        f"ALTER TABLE {client.database}.{rollup} REPLACE PARTITION {partition:d} "
        f"FROM {client.database}.{ROLLUP_TABLE}"
    )
    _drop(client, ROLLUP_TABLE)


def find_refused(client: Client, rows: Mapping[int, bytes]) -> dict[int, str]:
    """Which rows ClickHouse can't read, by LSN, and why: by halves, into a table that keeps nothing. {} = it can
    read all of them.
    """
    _drop(client, PROBE_TABLE)
    client.command(
        f"CREATE TABLE {client.database}.{PROBE_TABLE} AS {client.database}.{RAW_TABLE} ENGINE = Null"
    )
    refused: dict[int, str] = {}
    stretches = [list(rows)] if rows else []
    while stretches:
        lsns = stretches.pop()
        payload = b"".join(rows[lsn] for lsn in lsns)
        try:
            client.insert_block(payload, rows=len(lsns), token=STAGING_TOKEN, table=PROBE_TABLE)
        except PoisonBlock as poison:
            if len(lsns) == 1:
                refused[lsns[0]] = str(poison)
            else:
                middle = len(lsns) // 2
                stretches += [lsns[middle:], lsns[:middle]]
    _drop(client, PROBE_TABLE)
    return refused


def _put_back(client: Client) -> None:
    """Replace in events_raw the rows that `repair_kept` has one copy of (keeps I2). May be repeated at any point:
    what was put back already is taken out again with the rest.
    """
    kept = client.operator_query(
        "SELECT toYYYYMM(day) AS partition, log_id, min(lsn) AS low, max(lsn) AS high, count() AS row_count, "
        f"uniqExact(lsn) AS lsn_count FROM {client.database}.{KEPT_TABLE} GROUP BY partition, log_id"
    )
    for row in kept:
        partition = row["partition"]
        within = _within(partition, row["log_id"], row["low"], row["high"])
        (outside,) = client.operator_query(
            f"SELECT count() AS row_count FROM {client.database}.{RAW_TABLE} WHERE {within} "
            f"AND lsn NOT IN (SELECT lsn FROM {client.database}.{KEPT_TABLE} WHERE {within})"
        )
        if outside["row_count"] or row["row_count"] != row["lsn_count"]:
            continue  # not whole, so nothing was taken out yet (keeps I2): it goes, and the repair begins anew
        client.command(
            f"ALTER TABLE {client.database}.{RAW_TABLE} DELETE IN PARTITION {partition:d} WHERE {within} "
            "SETTINGS mutations_sync = 2"
        )
        (left,) = client.operator_query(
            f"SELECT count() AS row_count FROM {client.database}.{RAW_TABLE} WHERE {within}"
        )
        if left["row_count"]:
            raise _unexpected(f"{left['row_count']} rows of {partition} could not be taken out")
        _attach(client, partition, KEPT_TABLE)
    _drop(client, KEPT_TABLE)


def _attach(client: Client, partition: int, table: str) -> None:
    client.command(
        f"ALTER TABLE {client.database}.{RAW_TABLE} ATTACH PARTITION {partition:d} FROM {client.database}.{table}"
    )


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


def _create(client: Client, table: str, like: str) -> None:
    client.command(f"CREATE TABLE {client.database}.{table} AS {client.database}.{like}")


def _drop(client: Client, table: str) -> None:
    client.command(f"DROP TABLE IF EXISTS {client.database}.{table} SYNC SETTINGS max_table_size_to_drop = 0")


def _within(partition: int, log_id: int, first_lsn: int, last_lsn: int) -> str:
    """Numbers only, so written out: an ALTER binds no parameters."""
    return f"toYYYYMM(day) = {partition:d} AND log_id = {log_id:d} AND lsn >= {first_lsn:d} AND lsn <= {last_lsn:d}"


def _copying() -> str:
    return "SETTINGS " + ", ".join(f"{key} = '{value}'" for key, value in COPY_SETTINGS.items())


def _unexpected(what: str) -> Unavailable:
    return Unavailable(f"a repair came out otherwise than expected: {what}", ambiguous=True)
