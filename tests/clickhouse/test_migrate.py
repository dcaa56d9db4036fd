"""The migrations on the real engine: order, idempotence, resumption, the ledger, the cluster's rendering."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from statnive.clickhouse.migrate import MigrationFailed, SchemaMismatch, migrate, render
from statnive.errors import ConfigError
from statnive.event import ROW_COLUMNS

SQL_DIR = Path(__file__).parents[2] / "sql"
TITLES = [
    "0001_events_raw",
    "0002_hourly_visitors",
    "0003_daily_pages",
    "0004_daily_sources",
    "0005_daily_geo",
    "0006_daily_devices",
    "0007_daily_events",
    "0008_closed_days",
]
LEDGER = "SELECT count() AS n, max(number) AS last FROM {database}.schema_migrations"


@pytest.fixture
def sql_dir(tmp_path: Path) -> Path:
    """A copy of sql/ that a test may change."""
    return Path(shutil.copytree(SQL_DIR, tmp_path / "sql"))


def test_migrations_run_in_order_and_only_once(empty_engine):
    admin = empty_engine.connect("admin")
    assert [migration.title for migration in migrate(admin, SQL_DIR)] == TITLES
    assert migrate(admin, SQL_DIR) == []
    assert empty_engine.scalars(LEDGER) == {"n": len(TITLES), "last": len(TITLES)}


def test_raw_has_exactly_the_columns_of_a_row_and_none_is_nullable(engine):
    columns = engine.writer.operator_query(
        "SELECT name, type FROM system.columns WHERE database = {d:String} AND table = 'events_raw' "
        "ORDER BY position",
        {"d": engine.config.database},
    )
    assert tuple(column["name"] for column in columns) == ROW_COLUMNS
    assert not [column for column in columns if "Nullable" in column["type"]]


def test_every_table_of_rows_has_a_dedup_window_and_the_same_partition_key(engine):
    tables = engine.writer.operator_query(
        "SELECT name, partition_key, create_table_query AS ddl FROM system.tables "
        "WHERE database = {d:String} AND engine LIKE '%MergeTree' AND name != 'schema_migrations'",
        {"d": engine.config.database},
    )
    assert len(tables) == len(TITLES)
    for table in tables:
        assert table["partition_key"] == "toYYYYMM(day)", table["name"]
        assert "non_replicated_deduplication_window = 10000" in table["ddl"], table["name"]
        assert "old_parts_lifetime = 480" in table["ddl"], table["name"]


@pytest.mark.parametrize("done", [1, 2])
def test_a_migration_that_stopped_in_the_middle_is_finished_by_the_next_run(empty_engine, done):
    admin = empty_engine.connect("admin")
    hourly = render(SQL_DIR, empty_engine.config.database, "", fsync=False)[1]
    original, sent = admin.command, []

    def failing(sql, parameters=None):
        if sql in hourly.statements:
            if len(sent) == done - 1:
                raise OSError("killed here")
            sent.append(sql)
        original(sql, parameters)

    admin.command = failing
    with pytest.raises(OSError, match="killed here"):
        migrate(admin, SQL_DIR)
    assert empty_engine.scalars(LEDGER)["n"] == 1
    admin.command = original
    assert [migration.title for migration in migrate(admin, SQL_DIR)] == TITLES[1:]


def test_a_migration_run_again_after_its_ledger_row_was_lost_changes_nothing(engine):
    admin = engine.connect("admin")
    admin.command(f"TRUNCATE TABLE {engine.config.database}.schema_migrations")
    engine.insert(engine.row())
    migrate(admin, SQL_DIR)
    assert engine.scalars("SELECT sum(events) AS n FROM {database}.hourly_visitors") == {"n": 1}


def test_an_applied_migration_that_was_changed_is_refused(engine, sql_dir):
    file = sql_dir / "0003_daily_pages.sql.j2"
    file.write_text(file.read_text().replace("pathname String", "pathname LowCardinality(String)"))
    with pytest.raises(SchemaMismatch, match="0003_daily_pages was changed after database test_"):
        migrate(engine.connect("admin"), sql_dir)


def test_a_comment_or_layout_change_is_no_change(engine, sql_dir):
    file = sql_dir / "0003_daily_pages.sql.j2"
    file.write_text("{# a word more #}\n" + file.read_text().replace("    site_id,", "  site_id,\n"))
    assert migrate(engine.connect("admin"), sql_dir) == []


def test_a_database_newer_than_the_program_is_refused(engine, sql_dir):
    (sql_dir / "0008_closed_days.sql.j2").unlink()
    with pytest.raises(
        SchemaMismatch, match="has migration 0008_closed_days, this program knows 0007_daily_events"
    ):
        migrate(engine.connect("admin"), sql_dir)


def test_a_gap_in_the_numbers_is_refused(sql_dir):
    (sql_dir / "0003_daily_pages.sql.j2").rename(sql_dir / "0009_daily_pages.sql.j2")
    with pytest.raises(SchemaMismatch, match=r"expected 0003_name"):
        render(sql_dir, "statnive", "", fsync=False)


def test_a_refused_statement_names_its_migration(engine, sql_dir):
    (sql_dir / "0009_wrong.sql.j2").write_text(
        "CREATE TABLE {{ database }}.t (a NoSuchType) ENGINE = Memory;\n"
    )
    with pytest.raises(MigrationFailed, match=r"0009_wrong, statement 1: .*NoSuchType"):
        migrate(engine.connect("admin"), sql_dir)


@pytest.mark.parametrize(("database", "cluster"), [("a; DROP", ""), ("a", "x' y"), ("", "")])
def test_names_that_could_carry_sql_are_refused(database, cluster):
    with pytest.raises(ConfigError, match="must be letters, digits"):
        render(SQL_DIR, database, cluster, fsync=False)


@pytest.mark.parametrize("cluster", ["", "main"])
def test_every_statement_of_either_rendering_parses(engine, cluster):
    statements = [text for m in render(SQL_DIR, "d", cluster, fsync=bool(cluster)) for text in m.statements]
    assert len(statements) == (22 if cluster else 14)
    for text in statements:
        engine.writer.operator_query(f"EXPLAIN AST {text}")
        assert "ON CLUSTER" in text if cluster else "Replicated" not in text


def test_the_cluster_gets_replicated_tables_behind_distributed_ones_of_the_same_columns():
    migrations = render(SQL_DIR, "d", "main", fsync=True)
    for migration in migrations:
        table, distributed, *views = migration.statements
        name = migration.name
        assert table.startswith(f"CREATE TABLE IF NOT EXISTS d.{name}_local ON CLUSTER 'main'")
        assert "MergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')" in table
        assert "replicated_deduplication_window = 10000" in table
        assert "replicated_deduplication_window_seconds = 604800" in table
        assert "fsync_after_insert = 1" in table
        assert f"CREATE TABLE IF NOT EXISTS d.{name} ON CLUSTER 'main'\nAS d.{name}_local" in distributed
        assert f"Distributed('main', 'd', '{name}_local', cityHash64(site_id))" in distributed
        for view in views:
            assert f"TO d.{name}_local" in view
            assert "FROM d.events_raw_local" in view


def test_statements_without_a_cluster_are_those_that_the_engine_runs(empty_engine):
    """The non-replicated rendering is the replicated one but for engines, names and settings: same columns,
    same SELECT.
    """
    single = render(SQL_DIR, "d", "", fsync=False)
    cluster = render(SQL_DIR, "d", "main", fsync=False)
    for one, many in zip(single, cluster, strict=True):
        plain = many.statements[0].replace(" ON CLUSTER 'main'", "").replace("_local", "")
        assert one.statements[0].split("ENGINE")[0] == plain.split("ENGINE")[0]
        assert [text.split("AS SELECT")[1] for text in one.statements[1:]] == [
            text.split("AS SELECT")[1].replace("_local", "") for text in many.statements[2:]
        ]
