"""Checks over all sites: is each row there once, and do the rollups hold what raw holds?

Reads only; repair.py is what changes something. These are the operator's statements, not a site's: with repair.py,
erase.py and migrate.py the only ones that do not go through statnive.query.where. Run them while no insert runs (under
the Engine's lock): between a part of events_raw and its rollups' parts the numbers rightly differ.
"""

# Names of tables and whole numbers are put into the text of statements here, and nothing else.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from statnive.clickhouse.client import RAW_TABLE, Client
from statnive.erasures import EMPTY, Ledger

_CLUSTER_LOCAL: Final = "_local"
REPAIR_PREFIX: Final = "repair_"  # of the tables that a repair makes and drops
NO_TOKEN: Final = "-"  # noqa: S105 - of no insert: an empty one would be that of each statement without one
# LSNs that one row of the census stands for, and how many of those one exact count, and one repair, looks at.
BUCKET_LSNS: Final = 65_536
BUCKETS_AT_ONCE: Final = 8


class Drift(NamedTuple):
    """A partition of a rollup that disagrees with events_raw."""

    rollup: str
    partition: int  # local month, YYYYMM
    raw_rows: (
        int  # rows of events_raw that belong in it (no bots), and those that were erased there and kept here
    )
    rollup_events: int


class Found(NamedTuple):
    """What events_raw holds of a range of LSNs in one partition."""

    rows: int
    lsns: int  # distinct ones: fewer than rows when some are there twice


class Doubled(NamedTuple):
    """Rows of a partition that are there more than once, somewhere in [first_lsn, last_lsn]."""

    partition: int
    log_id: int
    first_lsn: int
    last_lsn: int
    rows: int  # how many too many


class Census(NamedTuple):
    """All rows of events_raw by the log that they came from."""

    rows: int
    doubled: list[Doubled]
    gaps: int  # LSNs between a log's first and last one that are not there, and were not erased: set aside, or lost


def table_sizes(client: Client) -> dict[str, Any]:
    """{"version": ClickHouse's, "tables": [{"table", "parts", "rows", "bytes"}, …]}, the largest first."""
    (engine,) = client.operator_query("SELECT version() AS version")
    tables = client.operator_query(
        "SELECT table, count() AS parts, sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts "
        "WHERE database = {database:String} AND active GROUP BY table ORDER BY bytes DESC, table",
        {"database": client.database},
    )
    sizes = [{key: row[key] if key == "table" else int(row[key]) for key in row} for row in tables]
    return {"version": engine["version"], "tables": sizes}


def find_block(
    client: Client, log_id: int, first_lsn: int, last_lsn: int, partitions: Collection[int]
) -> dict[int, Found]:
    """What `partitions` of events_raw hold of a log's LSN range; one that holds nothing is left out."""
    rows = client.operator_query(
        "SELECT toYYYYMM(day) AS partition, count() AS row_count, uniqExact(lsn) AS lsn_count "
        f"FROM {client.database}.{RAW_TABLE} WHERE {_range(partitions)} GROUP BY partition",
        _bounds(log_id, first_lsn, last_lsn),
    )
    return {row["partition"]: Found(row["row_count"], row["lsn_count"]) for row in rows}


def find_lsns(client: Client, log_id: int, first_lsn: int, last_lsn: int, partition: int) -> dict[int, int]:
    """How often each LSN of the range is in a partition of events_raw; the range is one block's."""
    rows = client.operator_query(
        f"SELECT lsn, count() AS row_count FROM {client.database}.{RAW_TABLE} "
        f"WHERE {_range([partition])} GROUP BY lsn",
        _bounds(log_id, first_lsn, last_lsn),
    )
    return {row["lsn"]: row["row_count"] for row in rows}


def count_block(client: Client, log_id: int, first_lsn: int, last_lsn: int) -> dict[int, int]:
    """How many rows of a log's LSN range are in events_raw, by partition. Empty: none is. Reads all partitions."""
    rows = client.operator_query(
        f"SELECT toYYYYMM(day) AS partition, count() AS row_count FROM {client.database}.{RAW_TABLE} "
        f"WHERE {_range([])} GROUP BY partition ORDER BY partition",
        _bounds(log_id, first_lsn, last_lsn),
    )
    return {row["partition"]: row["row_count"] for row in rows}


def drift(client: Client, partitions: Collection[int] = (), ledger: Ledger = EMPTY) -> list[Drift]:
    """Every partition (of `partitions`; () = all) of every rollup whose `events` is not the number of rows in
    events_raw, and of those that `ledger` says were erased there only; [] = all is well.
    """
    raw = _by_partition(client, RAW_TABLE, "countIf(is_bot = 0)", partitions)
    kept = {month for month in ledger.kept if not partitions or month in partitions}
    found = []
    for rollup in rollups(client):
        counted = _by_partition(client, rollup, "sum(events)", partitions)
        for partition in sorted(raw.keys() | counted.keys() | kept):
            raw_rows = raw.get(partition, 0) + ledger.kept_in(rollup, partition)
            events = counted.get(partition, 0)
            if raw_rows != events:
                found.append(Drift(rollup, partition, raw_rows, events))
    return found


def drift_rows(found: Collection[Drift]) -> int:
    """The metric that must be 0: rows missing from or surplus in the rollups, over all partitions."""
    return sum(abs(one.raw_rows - one.rollup_events) for one in found)


def rollup_drift_rows(client: Client, ledger: Ledger = EMPTY) -> int:
    """`drift_rows` of all partitions."""
    return drift_rows(drift(client, ledger=ledger))


def rollups(client: Client) -> list[str]:
    """The rollups by what makes a table one: a summed column `events`. A new migration file is checked at
    once.
    """
    rows = client.operator_query(
        "SELECT table FROM system.columns WHERE database = {database:String} AND name = 'events' "
        "AND startsWith(type, 'SimpleAggregateFunction(sum') ORDER BY table",
        {"database": client.database},
    )
    names = [str(row["table"]) for row in rows]
    return [
        name for name in names if not name.endswith(_CLUSTER_LOCAL) and not name.startswith(REPAIR_PREFIX)
    ]


def census(client: Client, ledger: Ledger = EMPTY) -> Census:
    """Is each LSN there once? One pass over two columns of events_raw, and an exact look only where its sums do
    not fit. The rows that `ledger` says were erased are no gaps.
    """
    buckets = client.operator_query(
        "SELECT log_id, intDiv(lsn, {size:UInt64}) AS bucket, min(lsn) AS low, max(lsn) AS high, "
        "count() AS row_count, sum(lsn - bucket * {size:UInt64}) AS first_power, "
        "sum((lsn - bucket * {size:UInt64}) * (lsn - bucket * {size:UInt64})) AS second_power "
        f"FROM {client.database}.{RAW_TABLE} GROUP BY log_id, bucket ORDER BY log_id, bucket",
        {"size": BUCKET_LSNS},
    )
    doubled: list[Doubled] = []
    for log_id, odd in _odd_buckets(buckets):
        doubled += _doubled(client, log_id, odd)
    surplus: dict[int, int] = {}
    for found in doubled:
        surplus[found.log_id] = surplus.get(found.log_id, 0) + found.rows
    gaps = _gaps(buckets, surplus, ledger)
    return Census(sum(row["row_count"] for row in buckets), doubled, gaps)


def _gaps(buckets: list[dict[str, Any]], surplus: Mapping[int, int], ledger: Ledger) -> int:
    """LSNs of each log, from its first row to its last one, that are neither there nor erased."""
    erased = {one.log_id: one for one in ledger.logs}
    gaps = 0
    for log_id in {row["log_id"] for row in buckets} | erased.keys():
        own = [row for row in buckets if row["log_id"] == log_id]
        there = sum(row["row_count"] for row in own) - surplus.get(log_id, 0)
        low, high = [row["low"] for row in own], [row["high"] for row in own]
        if log_id in erased:
            there += erased[log_id].rows
            low.append(erased[log_id].first_lsn)
            high.append(erased[log_id].last_lsn)
        gaps += max(high) - min(low) + 1 - there
    return gaps


def by_partition(doubled: Collection[Doubled]) -> dict[int, list[Doubled]]:
    """What one repair of a partition puts right."""
    found: dict[int, list[Doubled]] = {}
    for one in doubled:
        found.setdefault(one.partition, []).append(one)
    return found


def is_running(client: Client, token: str = NO_TOKEN) -> bool:
    """Whether the server still works on an insert with `token`, or on any statement of a repair: one whose answer
    was lost goes on, and until it has ended a count means nothing.
    """
    (row,) = client.operator_query(
        "SELECT (SELECT count() FROM system.processes WHERE query NOT LIKE '%system.processes%' AND ("
        "Settings['insert_deduplication_token'] = {token:String} OR query LIKE {repair:String})) AS running",
        {"token": token, "repair": f"%{client.database}.{REPAIR_PREFIX}%"},
    )
    return bool(row["running"])


def _odd_buckets(buckets: list[dict[str, Any]]) -> Iterator[tuple[int, list[int]]]:
    """The log and up to BUCKETS_AT_ONCE adjacent buckets whose sums are not those of each LSN once."""
    log_id, odd = -1, list[int]()
    for row in buckets:
        if _is_dense(row):
            continue
        if odd and (row["log_id"] != log_id or row["bucket"] - odd[0] >= BUCKETS_AT_ONCE):
            yield log_id, odd
            odd = []
        log_id = row["log_id"]
        odd.append(row["bucket"])
    if odd:
        yield log_id, odd


def _is_dense(bucket: Mapping[str, Any]) -> bool:
    """Whether count, sum and sum of squares are those of low … high, each once."""
    base = bucket["bucket"] * BUCKET_LSNS
    low, high = bucket["low"] - base, bucket["high"] - base
    return bool(
        bucket["row_count"] == high - low + 1
        and bucket["first_power"] == _sum(high) - _sum(low - 1)
        and bucket["second_power"] == _sum_of_squares(high) - _sum_of_squares(low - 1)
    )


def _sum(n: int) -> int:
    return n * (n + 1) // 2


def _sum_of_squares(n: int) -> int:
    return n * (n + 1) * (2 * n + 1) // 6


def _doubled(client: Client, log_id: int, buckets: list[int]) -> list[Doubled]:
    rows = client.operator_query(
        "SELECT partition, min(lsn) AS low, max(lsn) AS high, sum(times - 1) AS too_many FROM ("
        "SELECT toYYYYMM(day) AS partition, lsn, count() AS times "
        f"FROM {client.database}.{RAW_TABLE} WHERE {_range([])} "
        "GROUP BY partition, lsn HAVING times > 1) GROUP BY partition ORDER BY partition",
        _bounds(log_id, buckets[0] * BUCKET_LSNS, (buckets[-1] + 1) * BUCKET_LSNS - 1),
    )
    return [Doubled(row["partition"], log_id, row["low"], row["high"], row["too_many"]) for row in rows]


def _range(partitions: Collection[int]) -> str:
    """The condition for a log's LSN range, in `partitions` only unless there are none."""
    within = f"toYYYYMM(day) IN ({', '.join(map(str, map(int, partitions)))}) AND " if partitions else ""
    return within + "log_id = {log_id:UInt64} AND lsn >= {first_lsn:UInt64} AND lsn <= {last_lsn:UInt64}"


def _bounds(log_id: int, first_lsn: int, last_lsn: int) -> dict[str, int]:
    return {"log_id": log_id, "first_lsn": first_lsn, "last_lsn": last_lsn}


def _by_partition(
    client: Client, table: str, measure: str, partitions: Collection[int] = ()
) -> dict[int, int]:
    within = f"WHERE toYYYYMM(day) IN ({', '.join(map(str, map(int, partitions)))})" if partitions else ""
    rows = client.operator_query(
        f"SELECT toYYYYMM(day) AS partition, {measure} AS row_count "
        f"FROM {client.database}.{table} {within} GROUP BY partition"
    )
    return {row["partition"]: row["row_count"] for row in rows}
