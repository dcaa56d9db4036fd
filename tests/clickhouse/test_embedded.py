"""The embedded engine as a Client: its directory, its lock, and what a reader may do."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import date

import attrs
import pytest

from statnive.clickhouse.client import connect
from statnive.clickhouse.failures import LimitExceeded, Unavailable
from statnive.config import ClickHouseConfig
from statnive.errors import Busy, ConfigError
from statnive.query.where import Scope, Table, TimeColumn, where

OPEN = """
import sys
from pathlib import Path
from statnive.clickhouse.client import connect
from statnive.config import ClickHouseConfig
try:
    print(connect(ClickHouseConfig(), Path(sys.argv[1]), purpose="admin"))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_directory_that_another_process_holds_is_busy_and_says_so(engine_dir):
    found = subprocess.run(
        [sys.executable, "-c", OPEN, engine_dir], capture_output=True, text=True, timeout=180
    )
    assert found.stdout.startswith("Busy "), found.stderr
    assert "is in use by another process" in found.stdout


def test_what_a_killed_process_spilled_is_purged_at_the_next_start_only(engine, engine_dir, tmp_path):
    for data_dir in (tmp_path, engine_dir):
        (data_dir / "clickhouse" / "tmp").mkdir(parents=True, exist_ok=True)
        (data_dir / "clickhouse" / "tmp" / "spilled").write_text("visitors")
    found = subprocess.run(
        [sys.executable, "-c", OPEN, tmp_path], capture_output=True, text=True, timeout=180
    )
    assert found.stdout.startswith("<EmbeddedClient admin"), found.stderr
    assert not (tmp_path / "clickhouse" / "tmp" / "spilled").exists()
    engine.connect("reader")
    assert (engine_dir / "clickhouse" / "tmp" / "spilled").exists()


def test_a_second_directory_in_the_same_process_is_busy_and_says_so(engine_dir, tmp_path):
    with pytest.raises(Busy, match="this process has the engine open in another directory"):
        connect(ClickHouseConfig(), tmp_path, purpose="admin")


def test_only_the_owner_may_look_into_the_engine_s_directory(engine_dir):
    assert stat.S_IMODE((engine_dir / "clickhouse").stat().st_mode) == 0o700
    assert stat.S_IMODE((engine_dir / "clickhouse.xml").stat().st_mode) == 0o600


def test_the_engine_runs_with_the_shipped_memory_settings(engine):
    rows = engine.writer.operator_query(
        "SELECT name, value FROM system.server_settings WHERE name IN "
        "('max_server_memory_usage', 'mark_cache_size', 'uncompressed_cache_size')"
    )
    assert {row["name"]: int(row["value"]) for row in rows} == {
        "max_server_memory_usage": 1024**3,
        "mark_cache_size": 64 * 1024**2,
        "uncompressed_cache_size": 0,
    }


def test_a_writer_needs_the_database_to_exist(empty_engine):
    with pytest.raises(ConfigError, match=r"\(81\): Database test_\d+ does not exist"):
        empty_engine.connect("writer")


def test_a_reader_reads_and_can_do_nothing_else(engine, tmp_path):
    engine.insert(engine.row())
    reader = engine.connect("reader")
    scope = Scope(1, TimeColumn.DAY, date(2026, 11, 1), date(2026, 11, 2))
    assert reader.query(where(scope).select("sum(events) AS n", Table.DAILY_PAGES)) == [{"n": 1}]
    for sql in (
        f"INSERT INTO {engine.config.database}.schema_migrations (number) VALUES (9)",
        "DROP TABLE daily_pages",
        "SELECT 1 AS n SETTINGS max_execution_time = 1000",
        "SET readonly = 0",
        "SELECT * FROM url('http://127.0.0.1:9/', 'CSV', 'a String')",
    ):
        with pytest.raises((ConfigError, Unavailable), match="readonly"):
            reader.operator_query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT number FROM numbers(20001)",
        "SELECT count() AS n FROM (SELECT number FROM numbers(300000000))",
        "SELECT length(groupArray(number)) AS n FROM numbers(190000000)",
    ],
)
def test_a_reader_s_statement_that_is_too_large_is_stopped(engine, sql):
    config = attrs.evolve(engine.config, memory_bytes_max=256 * 1024**2)
    reader = connect(config, engine.data_dir, purpose="reader")
    with pytest.raises(LimitExceeded):
        reader.operator_query(sql)
    reader.close()


def test_a_reader_s_statement_that_takes_too_long_is_stopped(engine):
    reader = connect(attrs.evolve(engine.config, query_deadline_s=0.5), engine.data_dir, purpose="reader")
    with pytest.raises(LimitExceeded, match="159"):
        reader.operator_query(
            "SELECT count() AS n FROM numbers(99999) AS a, numbers(99999) AS b WHERE a.number * b.number = 1"
        )
    reader.close()


def test_a_reader_reads_while_the_writer_writes(engine):
    """Handles are apart: a reader's limits and its database do not reach the writer."""
    reader = engine.connect("reader")
    engine.insert(engine.row())
    assert reader.ping()
    engine.insert(engine.row())
    assert engine.scalars("SELECT count() AS n FROM {database}.events_raw") == {"n": 2}


def test_closing_is_for_good_and_twice_does_nothing(engine):
    client = engine.connect("admin")
    client.close()
    client.close()
    with pytest.raises(AssertionError, match="was closed"):
        client.operator_query("SELECT 1")
