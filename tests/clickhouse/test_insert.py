"""Inserts into the real engine: exactly once in raw and in each rollup, whole or not at all."""

from __future__ import annotations

import tempfile

import pytest

from statnive.clickhouse.failures import Unavailable
from statnive.clickhouse.rows import RowEncoder, suffix
from statnive.clickhouse.verify import count_block, drift, rollup_drift_rows, rollups
from statnive.errors import ConfigError, PoisonBlock, Retryable
from statnive.event import NO_VISITOR

OCTOBER, NOVEMBER = 20_757, 20_758  # 2026-10-31, 2026-11-01
ROLLUPS = ["daily_devices", "daily_events", "daily_geo", "daily_pages", "daily_sources", "hourly_visitors"]


def many(engine, count=200):
    """Rows of many visitors and pages in two months, some bots, some engagement."""
    return [
        engine.row(
            visitor=number.to_bytes(16, "big"), pathname=f"/{number % 7}",
            previous_pathname="/0" if number % 3 else "",
            is_bot=int(number % 10 == 9), pageviews=int(number % 5 != 0), day=OCTOBER + number % 2,
        )
        for number in range(count)
    ]  # fmt: skip


def test_the_same_token_twice_counts_once_in_raw_and_in_every_rollup(engine):
    payload = engine.payload(many(engine))
    for _ in range(2):
        engine.writer.insert_block(payload, rows=200, token="7:1-200")
    assert count_block(engine.writer, 7, 1, 200) == {202610: 100, 202611: 100}
    for rollup in ROLLUPS:
        assert engine.scalars(f"SELECT sum(events) AS n FROM {{database}}.{rollup}") == {"n": 180}


def test_another_token_counts_again_even_for_the_same_rows(engine):
    payload = engine.payload([engine.row()])
    for token in ("a", "b"):
        engine.writer.insert_block(payload, rows=1, token=token)
    assert count_block(engine.writer, 7, 1, 1) == {202611: 2}


def test_a_retry_after_a_view_failed_completes_every_table(engine):
    """Raw is in, the rollups are not: what an ambiguous error leaves behind."""
    database = engine.config.database
    admin = engine.connect("admin")
    admin.command(f"CREATE TABLE {database}.trap (n UInt64) ENGINE = MergeTree ORDER BY n")
    admin.command(
        f"CREATE MATERIALIZED VIEW {database}.a_trap_mv TO {database}.trap AS "
        f"SELECT throwIf(site_id = 1, 'trap') AS n FROM {database}.events_raw"
    )
    payload = engine.payload(many(engine))
    with pytest.raises(Unavailable, match="trap") as caught:
        engine.writer.insert_block(payload, rows=200, token="t")
    assert caught.value.ambiguous
    admin.command(f"DROP TABLE {database}.a_trap_mv SYNC")
    engine.writer.insert_block(payload, rows=200, token="t")
    assert count_block(engine.writer, 7, 1, 200) == {202610: 100, 202611: 100}
    assert drift(engine.writer) == []


def test_a_block_is_one_part_for_each_table_and_month(engine):
    engine.insert(*many(engine, 5_000))
    parts = engine.writer.operator_query(
        "SELECT table, partition, count() AS n FROM system.parts WHERE database = {d:String} AND active "
        "AND table != 'schema_migrations' GROUP BY table, partition",
        {"d": engine.config.database},
    )
    assert {(part["table"], part["partition"]) for part in parts} == {
        (table, month) for table in ("events_raw", *ROLLUPS) for month in ("202610", "202611")
    }
    assert {part["n"] for part in parts} == {1}


POISON = {
    "text for a number": lambda row: b"\xa1x" + row[1:],
    "a float for a number": lambda row: b"\xcb" + bytes(8) + row[1:],
    "cut": lambda row: row[:-3],
    "a value too many": lambda row: row + b"\x01",
    "a value missing": lambda row: row[1:],
    "a byte that is no MsgPack": lambda row: b"\xc1" + row[1:],
    "an extension type": lambda row: b"\xd4\x01\x01" + row[1:],
}


@pytest.mark.parametrize("kind", POISON)
def test_bytes_that_are_no_rows_are_poison_and_nothing_is_in(engine, kind):
    good = engine.payload([engine.row()])
    with pytest.raises(PoisonBlock):
        engine.writer.insert_block(good + POISON[kind](good), rows=2, token="p")
    assert count_block(engine.writer, 7, 0, 2**63) == {}


def test_a_visitor_that_is_too_long_is_poison(engine):
    good = engine.row()
    encoded = RowEncoder().encode(good).replace(b"\xc4\x10" + good.visitor, b"\xc4\x11" + good.visitor + b"x")
    with pytest.raises(PoisonBlock, match="131"):
        engine.writer.insert_block(encoded + suffix(7, 1), rows=1, token="p")


def test_an_insert_leaves_no_row_in_the_temporary_directory(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    engine.insert(engine.row())
    assert count_block(engine.writer, 7, 1, 1) == {202611: 1}


def test_a_missing_column_is_a_matter_of_the_schema_not_of_the_rows(engine):
    engine.connect("admin").command(f"ALTER TABLE {engine.config.database}.events_raw DROP COLUMN hostname")
    with pytest.raises(ConfigError, match="hostname"):
        engine.insert(engine.row())


def test_a_column_more_does_no_harm(engine):
    engine.connect("admin").command(
        f"ALTER TABLE {engine.config.database}.events_raw ADD COLUMN x UInt8 FIRST"
    )
    engine.insert(engine.row(pathname="/p"))
    assert engine.scalars("SELECT pathname, x FROM {database}.events_raw") == {"pathname": "/p", "x": 0}


def test_full_tables_are_a_reason_to_wait_not_to_set_rows_aside(engine):
    """TOO_MANY_PARTS, as a server that can't keep up with its merges says it."""
    engine.insert(engine.row())
    database = engine.config.database
    engine.connect("admin").command(f"SYSTEM STOP MERGES {database}.daily_pages")
    engine.connect("admin").command(
        f"ALTER TABLE {database}.daily_pages "
        "MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1"
    )
    with pytest.raises(Retryable, match="252") as caught:
        engine.insert(engine.row())
    assert isinstance(caught.value, Unavailable)
    assert caught.value.ambiguous, "raw's part was in before the rollup refused its own"


def test_flush_to_disk_returns(engine):
    engine.insert(engine.row())
    engine.writer.flush_to_disk()


@pytest.mark.parametrize("token", ["", "a b", "x'", "a\n", "é", "x" * 201])
def test_a_token_that_could_carry_sql_is_a_programmers_error(engine, token):
    with pytest.raises(AssertionError, match="a token is"):
        engine.writer.insert_block(b"", rows=1, token=token)


def test_only_a_writer_inserts_and_a_reader_changes_nothing(engine):
    with pytest.raises(AssertionError, match="a reader inserts nothing"):
        engine.connect("reader").insert_block(b"", rows=1, token="t")
    with pytest.raises(AssertionError, match="a reader changes nothing"):
        engine.connect("reader").command("SELECT 1")


def test_the_rollups_are_found_by_their_events_column(engine):
    assert rollups(engine.writer) == ROLLUPS


@pytest.mark.parametrize("rollup", ROLLUPS)
def test_a_rollup_part_that_is_lost_or_doubled_is_drift(engine, rollup):
    engine.insert(*many(engine))
    assert rollup_drift_rows(engine.writer) == 0
    table = f"{engine.config.database}.{rollup}"
    admin = engine.connect("admin")
    admin.command(f"INSERT INTO {table} SELECT * FROM {table} WHERE toYYYYMM(day) = 202610")
    assert drift(engine.writer) == [(rollup, 202610, 100, 200)]
    admin.command(f"ALTER TABLE {table} DROP PARTITION 202610")
    assert drift(engine.writer) == [(rollup, 202610, 100, 0)]
    assert rollup_drift_rows(engine.writer) == 100


def test_raw_rows_that_are_lost_are_drift_too(engine):
    engine.insert(*many(engine))
    engine.connect("admin").command(f"ALTER TABLE {engine.config.database}.events_raw DROP PARTITION 202611")
    assert {found[:3] for found in drift(engine.writer)} == {(rollup, 202611, 0) for rollup in ROLLUPS}


def test_bots_are_in_raw_and_in_no_rollup(engine):
    engine.insert(engine.row(is_bot=1))
    assert count_block(engine.writer, 7, 1, 1) == {202611: 1}
    for rollup in ROLLUPS:
        assert engine.scalars(f"SELECT count() AS n FROM {{database}}.{rollup}") == {"n": 0}


def test_who_objects_is_in_the_totals_and_in_no_visitor_state(engine):
    engine.insert(engine.row(visitor=NO_VISITOR), engine.row(visitor=NO_VISITOR), engine.row())
    for rollup in ROLLUPS:
        found = totals(engine, rollup)
        assert (found["visitors"], found["events"]) == (1, 3)
        assert found.get("pageviews") == (None if rollup == "daily_events" else 3)
    types = engine.writer.operator_query(
        "SELECT DISTINCT type FROM system.columns WHERE database = {d:String} AND name = 'visitors' "
        "AND type LIKE 'AggregateFunction%'",
        {"d": engine.config.database},
    )
    assert types == [{"type": "AggregateFunction(uniqCombined64, FixedString(16))"}]


def test_counters_are_added_up_by_a_merge(engine):
    for number in range(3):
        engine.insert(*[row._replace(visitor=bytes([number + 1]) * 16) for row in many(engine, 50)])
    before = [totals(engine, rollup) for rollup in ROLLUPS]
    for rollup in ROLLUPS:
        engine.connect("admin").command(f"OPTIMIZE TABLE {engine.config.database}.{rollup} FINAL")
    assert [totals(engine, rollup) for rollup in ROLLUPS] == before
    assert rollup_drift_rows(engine.writer) == 0


def totals(engine, rollup):
    """All that the rollup counts: each column that is a sum, and its visitors."""
    sums = engine.writer.operator_query(
        "SELECT name FROM system.columns WHERE database = {d:String} AND table = {t:String} "
        "AND type LIKE 'SimpleAggregateFunction(sum%' ORDER BY position",
        {"d": engine.config.database, "t": rollup},
    )
    assert len(sums) >= 3
    columns = ", ".join(f"sum({column['name']}) AS {column['name']}" for column in sums)
    return engine.scalars(
        f"SELECT uniqCombined64Merge(visitors) AS visitors, {columns} FROM {{database}}.{rollup}"
    )
