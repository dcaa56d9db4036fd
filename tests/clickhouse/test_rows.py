"""The MsgPack codec, and what the engine makes of it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statnive.clickhouse.rows import RowEncoder, decode_row, row_day, row_head, suffix
from statnive.event import ROW_COLUMNS, Row

U8, U16, U32, U64 = 2**8 - 1, 2**16 - 1, 2**32 - 1, 2**64 - 1
# Every character that UTF-8 can say; lone surrogates can't be encoded and ingest refuses them.
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
EDGES = {
    "site_id": st.integers(0, U32), "ts": st.integers(0, U32), "visit_id": st.integers(0, U64),
    "visitor": st.binary(min_size=16, max_size=16), "day": st.integers(0, U16), "hour": st.integers(0, U32),
    "is_bot": st.integers(0, 1), "pageviews": st.integers(0, U8), "visit_start": st.integers(0, U8),
    "bounce_delta": st.integers(-128, 127), "duration_delta": st.integers(0, U32),
    "engaged_ms": st.integers(0, U32), "scroll_depth": st.integers(0, U8), "city_id": st.integers(0, U32),
    "props": st.dictionaries(TEXT, TEXT, max_size=30), "goals": st.lists(st.integers(0, U32), max_size=5),
    "revenue": st.integers(-(2**63), 2**63 - 1), "visit_hour": st.integers(0, U32),
    "visit_state": st.integers(0, U8), "scroll_gain": st.integers(0, U8), "scroll_views": st.integers(0, U8),
}  # fmt: skip
ROWS = st.builds(Row, **{field: EDGES.get(field, TEXT) for field in Row._fields})


@given(row=ROWS, log_id=st.integers(0, U64), lsn=st.integers(0, U64))
def test_a_row_decodes_to_itself_with_and_without_its_suffix(row, log_id, lsn):
    encoded = RowEncoder().encode(row)
    assert decode_row(encoded) == tuple(row)
    assert decode_row(encoded + suffix(log_id, lsn)) == (*row, log_id, lsn)
    assert row_day(encoded) == row.day
    assert row_head(encoded) == (row.ts, row.visitor)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=st.lists(ROWS, min_size=1, max_size=20), log_id=st.integers(0, U64), first=st.integers(0, U64 - 20)
)
def test_the_engine_stores_what_was_encoded(engine, rows, log_id, first):
    # One month, so that one block is not refused for its many partitions; its days are tested at both ends
    # below.
    rows = [row._replace(day=20_000) for row in rows]
    table, encoder = f"{engine.config.database}.events_raw", RowEncoder()
    payload = b"".join(encoder.encode(row) + suffix(log_id, lsn) for lsn, row in enumerate(rows, first))
    engine.writer.command(f"TRUNCATE TABLE {table}")
    engine.writer.insert_block(payload, rows=len(rows), token=f"{log_id}:{first}:{hash(payload)}")
    stored = engine.writer.operator_query(f"SELECT {columns_as_numbers()} FROM {table} ORDER BY lsn")
    assert [tuple(row.values()) for row in stored] == [
        (*row, log_id, lsn) for lsn, row in enumerate(rows, first)
    ]


def columns_as_numbers() -> str:
    """The columns as MsgPack carries them: times and days as numbers."""
    numbers = {"ts": "toUnixTimestamp(ts)", "hour": "toUnixTimestamp(hour)", "day": "toUInt16(day)"}
    numbers["visit_hour"] = "toUnixTimestamp(visit_hour)"
    return ", ".join(f"{numbers.get(name, name)} AS `{name}_`" for name in ROW_COLUMNS)


@pytest.mark.parametrize("day", [0, U16])
def test_the_first_and_the_last_day_of_a_date_are_stored(engine, day):
    engine.insert(engine.row(day=day))
    assert engine.scalars("SELECT toUInt16(day) AS d FROM {database}.events_raw") == {"d": day}


WRONG = [
    ("site_id", -1), ("site_id", U32 + 1), ("ts", U32 + 1), ("visitor", b"short"), ("visitor", b"x" * 17),
    ("visit_id", U64 + 1), ("day", U16 + 1), ("hour", -1), ("is_bot", 2), ("pageviews", U8 + 1),
    ("visit_start", -1), ("bounce_delta", 128), ("bounce_delta", -129), ("duration_delta", -1),
    ("engaged_ms", U32 + 1),
    ("scroll_depth", 256), ("city_id", U32 + 1), ("revenue", 2**63), ("goals", [U32 + 1]),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_number_that_the_engine_would_silently_wrap_is_not_encoded(make_row, field, value):
    with pytest.raises(AssertionError, match="does not fit events_raw"):
        RowEncoder().encode(make_row(**{field: value}))


@pytest.mark.parametrize("change", [lambda row: row[:-1], lambda row: row + b"\x01", lambda row: b""])
def test_a_row_that_is_cut_or_has_a_value_too_many_is_no_row(make_row, change):
    with pytest.raises(ValueError, match="are no row of 45 or 43 columns"):
        decode_row(change(RowEncoder().encode(make_row())))
