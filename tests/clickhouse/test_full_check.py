"""`statnive verify` on the real engine: what it finds, what it repairs, and what it leaves alone."""

from __future__ import annotations

import pytest

from statnive.clickhouse import verify
from statnive.clickhouse.full_check import check_all
from statnive.clickhouse.rows import RowEncoder, suffix

ROLLUPS = ("daily_devices", "daily_events", "daily_geo", "daily_pages", "daily_sources", "hourly_visitors")
OCTOBER, NOVEMBER = 20_757, 20_758  # 2026-10-31, 2026-11-01


def insert(engine, lsns, *, log_id=7, token=None):
    encoder = RowEncoder()
    payload = b"".join(
        encoder.encode(engine.row(visitor=lsn.to_bytes(16, "big"), day=OCTOBER + lsn % 2))
        + suffix(log_id, lsn)
        for lsn in lsns
    )
    engine.writer.insert_block(payload, rows=len(lsns), token=token or f"{log_id}:{lsns[0]}-{lsns[-1]}")


def check(engine, *, repairing=False, set_aside=0):
    return check_all(engine.writer, repairing=repairing, rows_set_aside=set_aside)


def test_an_empty_database_is_right(engine):
    found = check(engine)
    assert found.is_right
    assert (found.rows, found.gaps, found.drift_rows) == (0, 0, 0)
    assert found.rollups == ROLLUPS


def test_rows_of_several_logs_each_once_are_right(engine):
    insert(engine, range(1, 300))
    insert(engine, range(300, 500))
    insert(engine, range(1, 50), log_id=9)
    insert(engine, range(verify.BUCKET_LSNS - 5, verify.BUCKET_LSNS + 5), log_id=8)
    found = check(engine)
    assert found.is_right
    assert (found.rows, found.gaps) == (558, 0)


@pytest.mark.parametrize("at", [1, 40, 99, verify.BUCKET_LSNS - 20])
def test_rows_that_are_there_twice_are_found_and_one_of_each_is_left(engine, at):
    insert(engine, range(at, at + 100))
    insert(engine, range(at + 20, at + 30), token="again")
    found = check(engine)
    assert {(one.partition, one.log_id, one.rows) for one in found.doubled} == {
        (202610, 7, 5),
        (202611, 7, 5),
    }
    assert (found.gaps, found.rows) == (0, 110)
    assert check(engine).doubled == found.doubled, "a check changes nothing"
    repaired = check(engine, repairing=True)
    assert repaired.is_right
    assert (repaired.rows, repaired.gaps, repaired.unrepaired) == (100, 0, ())
    assert "events_raw 202610 held 5 rows twice: one of each is left" in repaired.repaired


def test_a_row_twice_and_another_missing_do_not_cancel_out(engine):
    insert(engine, [*range(1, 50), *range(51, 100)])
    insert(engine, [70], token="again")
    found = check(engine)
    assert [(one.first_lsn, one.last_lsn, one.rows) for one in found.doubled] == [(70, 70, 1)]
    assert found.gaps == 1


def test_two_twice_and_two_missing_with_the_same_sum_do_not_cancel_out(engine):
    insert(engine, [lsn for lsn in range(1, 100) if lsn not in (40, 60)])
    insert(engine, [45, 55], token="again")
    assert check(engine).gaps == 2
    assert sum(one.rows for one in check(engine).doubled) == 2


@pytest.mark.parametrize("rollup", ["daily_pages", "hourly_visitors"])
def test_a_rollup_that_lacks_events_is_built_anew_and_only_its_month(engine, rollup):
    insert(engine, range(1, 101))
    database = engine.config.database
    engine.writer.command(f"ALTER TABLE {database}.{rollup} DROP PARTITION 202611")
    found = check(engine)
    assert found.drift == ((rollup, 202611, 50, 0),)
    assert found.drift_rows == 50
    repaired = check(engine, repairing=True)
    assert repaired.is_right
    assert repaired.repaired == (f"{rollup} 202611 held 0 events of 50: built anew",)


def test_a_rollup_that_holds_rows_that_raw_may_have_lost_is_left_alone_and_said(engine):
    insert(engine, range(1, 101))
    database = engine.config.database
    engine.writer.command(
        f"ALTER TABLE {database}.events_raw DELETE WHERE lsn BETWEEN 10 AND 19 SETTINGS mutations_sync = 2"
    )
    repaired = check(engine, repairing=True)
    assert not repaired.is_right
    assert (repaired.gaps, repaired.repaired) == (10, ())
    assert len(repaired.unrepaired) == 2 * len(ROLLUPS)
    assert "restore events_raw from a backup" in repaired.unrepaired[0]


def test_rows_that_were_set_aside_are_no_reason_to_leave_a_rollup_alone(engine):
    insert(engine, [lsn for lsn in range(1, 101) if lsn != 50])
    table = f"{engine.config.database}.daily_pages"
    engine.writer.command(
        f"INSERT INTO {table} SELECT * FROM {table} WHERE toYYYYMM(day) = 202610 LIMIT 1 "
        "SETTINGS insert_deduplicate = 0"
    )
    engine.writer.command(f"ALTER TABLE {engine.config.database}.hourly_visitors DROP PARTITION 202610")
    assert check(engine, repairing=True, set_aside=1).is_right


def test_a_month_without_raw_rows_has_no_rollup_rows_after_a_repair(engine):
    insert(engine, range(1, 101))
    table = f"{engine.config.database}.daily_sources"
    engine.writer.command(f"INSERT INTO {table} SELECT * REPLACE (toDate('2026-09-01') AS day) FROM {table}")
    assert check(engine, repairing=True).is_right
    assert engine.scalars("SELECT sum(events) AS n FROM {database}.daily_sources") == {"n": 100}


def test_a_large_gap_costs_no_exact_count_of_what_is_not_there(engine):
    insert(engine, range(1, 11))
    insert(engine, range(10_000_000, 10_000_010))
    found = check(engine)
    assert found.is_right
    assert found.gaps == 10_000_009 - 20


def test_the_answer_for_the_control_socket_says_it_all(engine):
    insert(engine, range(1, 11))
    insert(engine, range(1, 11), token="again")
    found = check(engine).as_json()
    assert found["doubled"][0] == {
        "partition": 202610, "log_id": 7, "first_lsn": 2, "last_lsn": 10, "rows": 5,
    }  # fmt: skip
    assert found["is_right"] is False
