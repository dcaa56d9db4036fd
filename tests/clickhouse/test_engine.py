"""The Engine: what a failed insert leaves in doubt, and what waits for that."""

from __future__ import annotations

import os
import threading

import pytest

from statnive.clickhouse import engine as engine_module
from statnive.clickhouse import repair
from statnive.clickhouse.client import Client
from statnive.clickhouse.engine import YIELD_EVERY, Engine
from statnive.clickhouse.failures import Unavailable
from statnive.clickhouse.priority import ENGINE_NICE
from statnive.clickhouse.rows import RowEncoder, suffix
from statnive.clickhouse.settle import SentBlock
from statnive.config import ClickHouseConfig
from statnive.errors import PoisonBlock
from tests.clickhouse_fixture import SQL_DIR, a_row


def rows(first_lsn=1, count=4):
    encoded = RowEncoder().encode(a_row())
    return {lsn: encoded + suffix(7, lsn) for lsn in range(first_lsn, first_lsn + count)}


def block(token="t", **what):
    own = rows(**what)
    return SentBlock(7, min(own), max(own), token, own)


@pytest.fixture
def make(empty_engine, monkeypatch):
    """Engines on the shared chDB, in a database of the test's own."""
    monkeypatch.setattr(engine_module, "DRIFT_PATIENCE_S", 0.01)
    made = []

    def make(**options):
        made.append(Engine(empty_engine.config, empty_engine.data_dir, SQL_DIR, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def insert(engine, payload=None):
    engine.insert_block(payload or b"".join(rows().values()), rows=4, token="t")


def fail(engine, monkeypatch, error):
    def refuse(*arguments, **named):
        raise error

    engine.prepare()
    with monkeypatch.context() as patch:
        patch.setattr(engine._prepare_writer(), "insert_block", refuse)
        with pytest.raises(type(error)):
            insert(engine)


@pytest.mark.parametrize("error", [Unavailable("reset", ambiguous=True), PoisonBlock("code 27")])
def test_after_a_failed_insert_nothing_is_checked_until_the_block_is_settled(make, monkeypatch, error):
    engine = make()
    fail(engine, monkeypatch, error)
    with pytest.raises(Unavailable, match="being sent again"):
        engine.drift_rows()
    with pytest.raises(Unavailable, match="still being sent again"):
        engine.check_all(repairing=True, rows_set_aside=0, patience_s=0.01)
    assert engine.settle_block(block()) == []
    assert engine.drift_rows() == 0
    assert engine.check_all(repairing=False, rows_set_aside=0, patience_s=0).rows == 4


def test_an_insert_of_which_nothing_was_sent_leaves_no_doubt(make, monkeypatch):
    engine = make()
    fail(engine, monkeypatch, Unavailable("refused", ambiguous=False))
    assert engine.drift_rows() == 0


def test_a_block_recorded_by_the_last_run_is_in_doubt_from_the_start(make):
    engine = make(in_doubt=True)
    with pytest.raises(Unavailable):
        engine.drift_rows()
    engine.settle_block(block())
    assert engine.drift_rows() == 0


def test_a_block_that_can_t_be_settled_stays_in_doubt(make, monkeypatch):
    engine = make()
    monkeypatch.setattr(engine_module, "settle", lambda client, block, book: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.settle_block(block())
    with pytest.raises(Unavailable):
        engine.drift_rows()


def test_a_check_waits_for_the_block_in_doubt(make):
    engine = make(in_doubt=True)
    found = []
    check = threading.Thread(
        target=lambda: found.append(engine.check_all(repairing=False, rows_set_aside=0, patience_s=60))
    )
    check.start()
    engine.settle_block(block())
    check.join(90)
    assert found[0].rows == 4


def test_after_an_unclean_stop_the_log_of_tokens_is_repaired_before_the_engine_is_opened(make, monkeypatch):
    order = []
    monkeypatch.setattr(
        engine_module, "repair_dedup_logs", lambda directory: order.append(directory.name) or ["dropped 1"]
    )
    connect = engine_module.connect
    monkeypatch.setattr(
        engine_module, "connect", lambda *args, **named: order.append("open") or connect(*args, **named)
    )
    engine = make(unclean=True)
    engine.prepare()
    assert order == ["clickhouse", "open"]
    assert engine.settle_block(block()) == ["dropped 1"]
    assert engine.settle_block(block()) == []
    make(unclean=False).prepare()
    assert order.count("clickhouse") == 1


def test_a_server_s_log_of_tokens_is_not_ours_to_repair(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_module, "repair_dedup_logs", lambda directory: 1 / 0)
    engine = Engine(ClickHouseConfig(url="http://127.0.0.1:9"), tmp_path, SQL_DIR, unclean=True)
    with pytest.raises(Unavailable):
        engine.prepare()
    engine.close()


def test_a_replacement_that_was_cut_off_is_put_right_at_the_next_start(make):
    """The new parts are there, and the old ones did not go: rows of no block in doubt are there twice, too."""
    engine = make()
    insert(engine)
    writer = engine._prepare_writer()
    database = writer.database
    writer.command(f"CREATE TABLE {database}.repair_kept_1 AS {database}.events_raw")
    (row,) = writer.operator_query(f"SELECT toYYYYMM(any(day)) AS month FROM {database}.events_raw")
    for to, source in (("repair_kept_1", "events_raw"), ("events_raw", "repair_kept_1")):
        writer.command(
            f"ALTER TABLE {database}.{to} ATTACH PARTITION {row['month']} FROM {database}.{source}"
        )
    writer.command(f"CREATE TABLE {database}.repair_rollup_1 AS {database}.daily_pages")
    engine = make()
    engine.prepare()
    (note,) = engine.settle_block(block())
    assert "held 4 rows twice, after a repair that was cut off" in note
    found = engine.check_all(repairing=False, rows_set_aside=0, patience_s=0)
    assert (found.is_right, found.rows) == (True, 4)
    tables = writer.operator_query(
        "SELECT name FROM system.tables WHERE database = {d:String} AND startsWith(name, 'repair_')",
        {"d": database},
    )
    assert tables == []


def test_after_a_check_s_repair_was_cut_off_nothing_is_inserted_before_its_tables_are_gone(make, monkeypatch):
    engine = make()
    insert(engine)
    writer = engine._prepare_writer()
    database = writer.database
    writer.command(f"INSERT INTO {database}.daily_pages SELECT * FROM {database}.daily_pages")
    with monkeypatch.context() as patch:
        patch.setattr(repair, "_replace", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            engine.check_all(repairing=True, rows_set_aside=0, patience_s=0)
    dropped = []
    monkeypatch.setattr(repair, "drop_left_over", lambda client: dropped.append(client) or [])
    engine.insert_block(b"".join(rows().values()), rows=4, token="again")
    assert len(dropped) == 1
    engine.insert_block(b"".join(rows().values()), rows=4, token="again")
    assert len(dropped) == 1


def test_the_engine_s_threads_stand_behind_the_event_loop_s(make):
    engine = make()
    for first in range(1, 1 + 4 * YIELD_EVERY, 4):
        engine.insert_block(b"".join(rows(first_lsn=first).values()), rows=4, token=f"t{first}")
    nice = {task: os.getpriority(os.PRIO_PROCESS, int(task)) for task in os.listdir("/proc/self/task")}
    own = nice.pop(str(os.getpid()))
    assert own < ENGINE_NICE
    assert sum(value >= ENGINE_NICE for value in nice.values()) > 0


def test_refused_rows_are_found_without_inserting_any(make):
    engine = make()
    refused = engine.find_refused({**rows(), 9: b"\xc1"})
    assert refused.keys() == {9}
    assert engine.check_all(repairing=False, rows_set_aside=0, patience_s=0).rows == 0


def test_a_block_costs_no_query_and_a_clean_start_one_beside_the_migrations(make, monkeypatch):
    asked = []
    for name in ("command", "operator_query"):
        method = getattr(Client, name)
        monkeypatch.setattr(
            Client,
            name,
            lambda self, sql, *rest, method=method: asked.append(sql) or method(self, sql, *rest),
        )
    engine = make()
    engine.prepare()
    assert [sql for sql in asked if "repair_" in sql or "events_raw WHERE" in sql] == []
    asked_of_repairs = [sql for sql in asked if "startsWith(name, {prefix:String})" in sql]
    assert len(asked_of_repairs) == 1
    asked.clear()
    insert(engine)
    engine.flush_to_disk()
    assert asked == []
