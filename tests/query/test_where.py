"""The choke point: what it renders, and that nothing goes around it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest

from statnive.query.where import Scope, Statement, Table, TimeColumn, where

DAY = Scope(5, TimeColumn.DAY, date(2026, 11, 1), date(2026, 12, 1))
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_a_scope_of_days_is_rendered_with_bound_parameters():
    rendered = where(DAY)
    assert rendered.text == "WHERE site_id = {site_id:UInt32} AND day >= {from:Date} AND day < {to:Date}"
    assert rendered.parameters == {"site_id": 5, "from": "2026-11-01", "to": "2026-12-01"}


@pytest.mark.parametrize("column", [TimeColumn.HOUR, TimeColumn.TS])
def test_a_scope_of_instants_is_bound_in_seconds(column):
    rendered = where(Scope(5, column, NOON, NOON.replace(hour=13)))
    assert f"AND {column} >= {{from:DateTime('UTC')}} AND {column} < {{to:DateTime('UTC')}}" in rendered.text
    assert rendered.parameters == {"site_id": 5, "from": 1_793_534_400, "to": 1_793_538_000}


@pytest.mark.parametrize(
    ("column", "start", "end"),
    [
        (TimeColumn.DAY, NOON, NOON.replace(hour=13)),
        (TimeColumn.HOUR, date(2026, 1, 1), date(2026, 1, 2)),
        (TimeColumn.TS, NOON.replace(tzinfo=None), NOON.replace(tzinfo=None, hour=13)),
        (TimeColumn.DAY, date(2026, 1, 1), date(2026, 1, 1)),
    ],
)
def test_a_scope_without_a_real_span_is_a_programmers_error(column, start, end):
    with pytest.raises(AssertionError):
        Scope(1, column, start, end)


def test_a_statement_holds_its_scope_and_what_was_bound():
    statement = where(DAY).select("count() AS n", Table.DAILY_PAGES, "LIMIT {limit:UInt32}", limit=3)
    assert statement.sql.startswith(
        "SELECT count() AS n FROM daily_pages WHERE site_id = {site_id:UInt32} AND "
    )
    assert statement.sql.endswith(" LIMIT {limit:UInt32}")
    assert statement.parameters["limit"] == 3
    assert statement.outer("sum(n)").sql == f"SELECT sum(n) FROM ({statement.sql})"


def test_a_statement_can_t_be_made_without_a_scope():
    with pytest.raises(TypeError, match="made by where"):
        Statement("SELECT 1", {}, object())


def test_a_statement_and_its_parameters_can_t_be_changed():
    statement = where(DAY).select("1", Table.DAILY_PAGES)
    with pytest.raises(AttributeError):
        statement.sql = "SELECT 1"  # type: ignore[misc]
    with pytest.raises(TypeError):
        statement.parameters["site_id"] = 6  # type: ignore[index]


def test_a_report_can_t_rebind_its_site():
    with pytest.raises(AssertionError, match="rebind"):
        where(DAY).select("1", Table.DAILY_PAGES, "", site_id=6)


@pytest.mark.parametrize("bound", [{}, {"limit": 1, "more": 2}])
def test_a_placeholder_without_its_value_is_a_programmers_error(bound):
    with pytest.raises(AssertionError, match="placeholders"):
        where(DAY).select("1", Table.DAILY_PAGES, "LIMIT {limit:UInt32}", **bound)


def test_only_product_tables_can_be_read():
    with pytest.raises(ValueError, match=r"system\.tables"):
        where(DAY).select("1", "system.tables")  # type: ignore[arg-type]


def test_every_product_table_has_the_columns_of_the_scopes(engine):
    columns = engine.writer.operator_query(
        "SELECT table, groupArray(name) AS names FROM system.columns WHERE database = {d:String} "
        "GROUP BY table",
        {"d": engine.config.database},
    )
    by_table = {row["table"]: set(row["names"]) for row in columns}
    for table in Table:
        assert {"site_id", "day"} <= by_table[table]
    assert {"hour", "ts"} <= by_table[Table.EVENTS_RAW]
    assert "hour" in by_table[Table.HOURLY_VISITORS]


def granules_read(engine, statement, more=""):
    """(read, all) granules of events_raw, as the engine plans it."""
    plan = engine.writer.operator_query(f"EXPLAIN indexes = 1 {statement.sql} {more}", statement.parameters)
    return [re.search(r"Granules: (\d+)/(\d+)", row["explain"]) for row in plan if "/" in row["explain"]][
        -1
    ].groups()


def test_the_sort_key_skips_other_sites_and_makes_a_range_of_visitors_a_sample(engine):
    engine.connect("admin").command(
        f"INSERT INTO {engine.config.database}.events_raw (site_id, day, visitor) "
        "SELECT 4 + number % 3, '2026-11-01', MD5(toString(number)) FROM numbers(200000)"
    )
    engine.connect("admin").command(f"OPTIMIZE TABLE {engine.config.database}.events_raw FINAL")
    statement = where(DAY).select("sum(pageviews) AS n", Table.EVENTS_RAW)
    read, total = map(int, granules_read(engine, statement))
    assert total >= 24
    assert read <= total / 3 + 2
    sampled, _ = map(int, granules_read(engine, statement, "AND visitor < toFixedString(unhex('40'), 16)"))
    assert sampled <= read / 4 + 2
