"""Taking rows of some sites and days out of events_raw and the rollups, a month at a time, in all tables or in none.

Owns:       nothing; the tables that it makes are of the repair's kind (`repair_swap_…`, `repair_void_…`).
Inputs:     an Erasure that is in the ledger; the writer's client, while no insert runs and no block is in doubt.
Outputs:    partitions without those rows, counted before they are put in place.
Invariants: I1 a month is erased as a whole: its partitions are made ready beside the tables and flushed, then the
            ledger commits to them (the Swap), then they take their place, and after a crash they still do; I2 nothing
            is erased in a month whose rollups differ from events_raw: that would make the difference unprovable; I3 a
            partition takes its place only if it holds exactly what it held, without what had to go.
Failure:    Unavailable: before the commit nothing has changed, after it `repair.finish_swap` goes on. Rejected for a
            cluster, whose replicated tables are not swapped.

Statements of operators, as verify.py's and repair.py's.
"""

# Names of tables and whole numbers are put into the text of statements here, and nothing else.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs

from statnive.clickhouse import closing, repair, verify
from statnive.clickhouse.client import RAW_TABLE, Client
from statnive.clickhouse.failures import Unavailable
from statnive.erasures import Book, Erasure, LogRows, Span, Swap, months_between
from statnive.errors import Rejected

ON_A_CLUSTER: Final = (
    "nothing is erased on a cluster, whose tables are not swapped; docs/operating.md says what to do"
)


@attrs.frozen
class Extent:
    """What an erasure takes: rows by table, events and days of events_raw, and the months that hold any of it."""

    rows: dict[str, int]
    months: tuple[int, ...]
    first_day: str  # "" = there is no event
    last_day: str

    @property
    def is_empty(self) -> bool:
        return not any(self.rows.values())


def refuse_cluster(client: Client) -> None:
    """Raise Rejected on a cluster."""
    if client.cluster:
        raise Rejected("clickhouse.cluster", ON_A_CLUSTER)


def measure(client: Client, events: Iterable[Span], rollups: Iterable[Span]) -> Extent:
    """Count what would go; changes nothing."""
    rows: dict[str, int] = {}
    months: set[int] = set()
    first, last = "", ""
    for table, condition in _conditions(client, events, rollups).items():
        if condition == "0":
            continue
        dates = "min(day) AS first_day, max(day) AS last_day"
        found = client.operator_query(
            f"SELECT toYYYYMM(day) AS month, count() AS row_count, {dates} FROM {client.database}.{table} "
            f"WHERE {condition} GROUP BY month"
        )
        rows[table] = sum(row["row_count"] for row in found)
        months.update(row["month"] for row in found)
        if table == RAW_TABLE and found:
            first = min(str(row["first_day"]) for row in found)
            last = max(str(row["last_day"]) for row in found)
    return Extent(rows, tuple(sorted(months)), first, last)


def erase_month(client: Client, erasure: Erasure, month: int, lsn: int, book: Book) -> list[str]:
    """Erase a month (keeps I1); `lsn`: the last one that is in ClickHouse. In words, what went otherwise."""
    refuse_cluster(client)
    drift = verify.drift(client, [month], book.ledger)
    if drift:  # keeps I2
        raise Unavailable(
            f"{drift[0].rollup} {month} differs from events_raw: statnive verify --repair puts it right; then its "
            "events can be erased",
            ambiguous=False,
        )
    counted_spans = list(months_between(erasure.rollups, month))
    conditions = _conditions(client, months_between(erasure.events, month), counted_spans)
    sites = {span.site_id for span in counted_spans}
    closing.forget(client, month, _condition(counted_spans), sites)
    raw = _count_raw(client, month, conditions[RAW_TABLE])
    tables: dict[str, str] = {}
    counted: dict[str, int] = {}
    for table, condition in conditions.items():
        staged, events = _stage(client, table, month, condition)
        if staged:
            tables[table] = staged
        if table != RAW_TABLE:
            counted[table] = events
    wanted = Swap(
        month,
        tables,
        erasure.id,
        lsn,
        raw["all_rows"],
        max(counted.values(), default=0),
        keeps={rollup: raw["own_rows"] - events for rollup, events in counted.items()},
        logs=_logs(client, month, conditions[RAW_TABLE]),
    )
    client.flush_to_disk()
    book.change(lambda ledger: ledger.commit(wanted))
    notes = repair.finish_swap(client, book)
    # What was closed meanwhile, from the rows of before.
    closing.forget(client, month, _condition(counted_spans), sites)
    return notes


def _stage(client: Client, table: str, month: int, condition: str) -> tuple[str, int]:
    """A table with the partition as it will be ("" = as it is), and how many events of it go (keeps I3)."""
    if condition == "0":
        return "", 0
    is_raw = table == RAW_TABLE
    before = _count(client, table, month, condition, is_raw=is_raw)
    if not before["rows_gone"]:
        return "", 0
    events = before["events_gone"]
    if before["rows_gone"] == before["all_rows"]:
        return repair.create(client, repair.VOID, table), events
    staged = repair.create(client, repair.SWAP, table)
    repair.attach(client, staged, month, table)
    client.command(
        f"ALTER TABLE {client.database}.{staged} DELETE IN PARTITION {month:d} WHERE {condition} "
        "SETTINGS mutations_sync = 2"
    )
    after = _count(client, staged, month, condition, is_raw=is_raw)
    if after["rows_gone"] or not after["all_rows"] or after["all_events"] != before["all_events"] - events:
        raise Unavailable(f"{table} {month}, {before}, came out as {after}", ambiguous=False)
    return staged, events


def _count(client: Client, table: str, month: int, condition: str, *, is_raw: bool) -> dict[str, int]:
    """In one statement: a merge of a rollup's parts changes how many rows there are, and no sum of them."""
    all_events, events_gone = (
        ("count()", f"countIf({condition})") if is_raw else ("sum(events)", f"sumIf(events, {condition})")
    )
    (row,) = client.operator_query(
        f"SELECT count() AS all_rows, countIf({condition}) AS rows_gone, {all_events} AS all_events, "
        f"{events_gone} AS events_gone FROM {client.database}.{table} WHERE toYYYYMM(day) = {month:d}"
    )
    return {name: int(value) for name, value in row.items()}


def _count_raw(client: Client, month: int, condition: str) -> dict[str, Any]:
    (row,) = client.operator_query(
        f"SELECT count() AS all_rows, countIf(is_bot = 0) AS own_rows FROM {client.database}.{RAW_TABLE} "
        f"WHERE toYYYYMM(day) = {month:d} AND ({condition})"
    )
    return row


def _logs(client: Client, month: int, condition: str) -> tuple[LogRows, ...]:
    rows = client.operator_query(
        f"SELECT log_id, min(lsn) AS low, max(lsn) AS high, count() AS row_count FROM {client.database}.{RAW_TABLE} "
        f"WHERE toYYYYMM(day) = {month:d} AND ({condition}) GROUP BY log_id"
    )
    return tuple(LogRows(row["log_id"], row["low"], row["high"], row["row_count"]) for row in rows)


def _conditions(client: Client, events: Iterable[Span], rollups: Iterable[Span]) -> dict[str, str]:
    """Which rows go, by table; "0" = none."""
    counted = _condition(rollups)
    return {RAW_TABLE: _condition(events), **dict.fromkeys(verify.rollups(client), counted)}


def _condition(spans: Iterable[Span]) -> str:
    """Numbers only, so written out: an ALTER binds no parameters. Sites with the same days share a part."""
    sites: dict[tuple[int, int], list[int]] = {}
    for span in spans:
        sites.setdefault((span.first, span.last), []).append(span.site_id)
    parts = [
        f"(site_id IN ({', '.join(map(str, sorted(set(ids))))}) "
        f"AND day >= toDate({first:d}) AND day <= toDate({last:d}))"
        for (first, last), ids in sorted(sites.items())
    ]
    return " OR ".join(parts) or "0"
