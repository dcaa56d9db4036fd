"""Checks over all sites: is each row there once, and do the rollups hold what raw holds?

These are the operator's statements, not a site's: with migrate.py the only ones that do not go through
statnive.query.where. Run them while no insert runs (on the writer's thread): between a part of events_raw and
its rollups' parts the numbers rightly differ.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from statnive.clickhouse.client import RAW_TABLE, Client

_CLUSTER_LOCAL: Final = "_local"


class Drift(NamedTuple):
    """A partition of a rollup that disagrees with events_raw."""

    rollup: str
    partition: int  # local month, YYYYMM
    raw_rows: int  # rows of events_raw that belong in it (no bots)
    rollup_events: int


def count_block(client: Client, log_id: int, first_lsn: int, last_lsn: int) -> dict[int, int]:
    """How many rows of a log's LSN range are in events_raw, by partition (YYYYMM). Empty: none is."""
    rows = client.operator_query(
        f"SELECT toYYYYMM(day) AS partition, count() AS row_count FROM {client.database}.{RAW_TABLE} "  # noqa: S608
        "WHERE log_id = {log_id:UInt64} AND lsn >= {first_lsn:UInt64} AND lsn <= {last_lsn:UInt64} "
        "GROUP BY partition ORDER BY partition",
        {"log_id": log_id, "first_lsn": first_lsn, "last_lsn": last_lsn},
    )
    return {row["partition"]: row["row_count"] for row in rows}


def drift(client: Client) -> list[Drift]:
    """Every partition of every rollup whose `events` is not the number of rows in events_raw; [] = all is
    well.
    """
    raw = _by_partition(client, RAW_TABLE, "countIf(is_bot = 0)")
    found = []
    for rollup in rollups(client):
        counted = _by_partition(client, rollup, "sum(events)")
        for partition in sorted(raw.keys() | counted.keys()):
            raw_rows, events = raw.get(partition, 0), counted.get(partition, 0)
            if raw_rows != events:
                found.append(Drift(rollup, partition, raw_rows, events))
    return found


def rollup_drift_rows(client: Client) -> int:
    """The metric that must be 0: rows missing from or surplus in the rollups, over all partitions."""
    return sum(abs(found.raw_rows - found.rollup_events) for found in drift(client))


def rollups(client: Client) -> list[str]:
    """The rollups by what makes a table one: a summed column `events`. A new migration file is checked at
    once.
    """
    rows = client.operator_query(
        "SELECT table FROM system.columns WHERE database = {database:String} AND name = 'events' "
        "AND startsWith(type, 'SimpleAggregateFunction(sum') ORDER BY table",
        {"database": client.database},
    )
    return [row["table"] for row in rows if not row["table"].endswith(_CLUSTER_LOCAL)]


def _by_partition(client: Client, table: str, measure: str) -> dict[int, int]:
    rows = client.operator_query(
        f"SELECT toYYYYMM(day) AS partition, {measure} AS row_count "  # noqa: S608
        f"FROM {client.database}.{table} GROUP BY partition"
    )
    return {row["partition"]: row["row_count"] for row in rows}
