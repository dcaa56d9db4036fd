"""Days that are over, as numbers: what makes them count, what opens them again, and that they are really read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from statnive.clickhouse import closing
from statnive.clickhouse.client import Client
from statnive.control.snapshot import Site
from statnive.day_closing import MAKING
from statnive.query import closed
from statnive.query.engine import run
from statnive.query.model import Is, Query, Range
from statnive.query.ranges import Days
from statnive.query.where import Statement

SITE = Site(1, "a.example", "UTC", frozenset())
LAST = date(2026, 11, 1)
SPAN = Range(Days(LAST - timedelta(days=29), LAST, ZoneInfo("UTC")))
NOW = datetime(2026, 11, 3, 14, tzinfo=UTC)
DAY_S = 86_400


class Spy:
    """A reading handle that keeps what it is asked."""

    def __init__(self, reader: Client) -> None:
        self._reader = reader
        self.heard: list[str] = []

    def query(self, statement: Statement) -> list[dict[str, Any]]:
        self.heard.append(statement.sql)
        return self._reader.query(statement)


def fill(engine: Any, days_back: int, *paths: str) -> None:
    """A visitor for each path, so many days before LAST."""
    first = engine.row()
    rows = [
        engine.row(
            day=first.day - days_back, ts=first.ts - days_back * DAY_S, hour=first.hour - days_back * DAY_S,
            pathname=path, visitor=f"{days_back:08}{number:08}".encode(), visit_id=number + 1, country="DE",
            city_id=number, city=f"City {number}",
        )
        for number, path in enumerate(paths)
    ]  # fmt: skip
    engine.insert(*rows)


@pytest.fixture(autouse=True)
def any_day_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "EVENTS_MIN", 1)


def close_all(admin: Client, now: datetime = NOW) -> list[tuple[date, bool]]:
    return [
        (day.day, closing.close(admin, day, MAKING, now, 1024**3))
        for day in closing.due(admin, MAKING.sums, now)
    ]


def pages(reader: Any, span: Range = SPAN) -> list[tuple[Any, ...]]:
    found = run(reader, Query(SITE, span, ("visitors", "pageviews"), ("event:page",)))
    return [(*row.dimensions, *row.metrics) for row in found.rows]


def test_closed_days_are_read_as_numbers_and_open_ones_as_states(engine: Any) -> None:
    admin, spy = engine.connect("writer"), Spy(engine.connect("reader"))
    for days_back in (0, 5, 6):
        fill(engine, days_back, "/a", "/b", "/a")
    before = pages(spy)
    assert before == [("/a", 6, 6), ("/b", 3, 3)]
    assert not any("UNION" in sql for sql in spy.heard)
    assert close_all(admin) == [(LAST - timedelta(days=number), True) for number in (0, 5, 6)]
    fill(engine, 0, "/c")  # opens the last day again
    spy.heard.clear()
    assert pages(spy) == [*before, ("/c", 1, 1)]
    (sql,) = [sql for sql in spy.heard if "UNION ALL" in sql]
    assert "FROM closed_days" in sql
    assert "FROM daily_pages" in sql
    assert close_all(admin, NOW + timedelta(days=1)) == [(LAST, True)]
    spy.heard.clear()
    assert pages(spy) == [*before, ("/c", 1, 1)]
    assert not any("FROM daily_pages" in sql for sql in spy.heard), "no state is read where no day is open"


def test_what_happened_to_a_closed_day_is_seen_at_once(engine: Any) -> None:
    admin, reader = engine.connect("writer"), engine.connect("reader")
    fill(engine, 3, "/a")
    assert [done for _, done in close_all(admin)] == [True]
    fill(engine, 3, "/a", "/late")
    assert pages(reader) == [("/a", 1, 2), ("/late", 1, 1)]  # the late "/a" is the same visitor's
    # Erased, as retention does it: nothing is shown, and the numbers go too.
    for table in (
        "hourly_visitors",
        "daily_pages",
        "daily_sources",
        "daily_geo",
        "daily_devices",
        "daily_events",
    ):
        admin.command(f"TRUNCATE TABLE {engine.config.database}.{table}")
    assert pages(reader) == []
    assert close_all(admin, NOW + timedelta(days=1)) == [(LAST - timedelta(days=3), False)]
    assert engine.scalars("SELECT count() AS n FROM {database}.closed_days") == {"n": 0}


def test_a_closing_of_a_day_that_is_half_imported_does_not_count(engine: Any) -> None:
    admin, reader = engine.connect("writer"), engine.connect("reader")
    fill(engine, 3, "/a")
    admin.command(f"TRUNCATE TABLE {engine.config.database}.daily_sources")
    assert [done for _, done in close_all(admin)] == [False]
    query = Query(SITE, SPAN, ("visitors",), ("visit:country",))
    assert closed.closed_of(reader, closed_needs(query)) is None


def test_a_closing_that_was_cut_off_is_deleted_and_made_again(engine: Any) -> None:
    admin, reader = engine.connect("writer"), engine.connect("reader")
    fill(engine, 3, "/a", "/b")
    (day,) = closing.due(admin, MAKING.sums, NOW)
    real, sent = admin.command, []

    def dies_before_the_last(sql: str, parameters: Any = None) -> None:
        if "'total'" in sql:
            raise OSError("killed here")
        sent.append(sql)
        real(sql, parameters)

    admin.command = dies_before_the_last  # type: ignore[method-assign]
    with pytest.raises(OSError, match="killed here"):
        closing.close(admin, day, MAKING, NOW, 1024**3)
    admin.command = real  # type: ignore[method-assign]
    assert pages(reader) == [("/a", 1, 1), ("/b", 1, 1)]
    assert [done for _, done in close_all(admin, NOW + timedelta(hours=1))] == [True]
    assert pages(reader) == [("/a", 1, 1), ("/b", 1, 1)]
    assert engine.scalars("SELECT uniqExact(closing) AS n FROM {database}.closed_days") == {"n": 1}


def test_a_day_is_closed_when_it_is_over_everywhere_and_a_small_one_never(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = engine.connect("writer")
    fill(engine, 0, "/a", "/b")
    over = datetime(2026, 11, 2, 13, tzinfo=UTC)
    assert closing.due(admin, MAKING.sums, over - timedelta(seconds=1)) == []
    assert [day.day for day in closing.due(admin, MAKING.sums, over)] == [LAST]
    monkeypatch.setattr(closing, "EVENTS_MIN", 3)
    assert closing.due(admin, MAKING.sums, over) == []


def test_a_day_that_goes_on_changing_is_left_alone_for_some_hours(engine: Any) -> None:
    admin = engine.connect("writer")
    fill(engine, 3, "/a")
    close_all(admin)
    fill(engine, 3, "/b")
    assert closing.due(admin, MAKING.sums, NOW + timedelta(hours=5)) == []
    assert len(closing.due(admin, MAKING.sums, NOW + timedelta(hours=7))) == 1


def test_a_month_of_closed_days_is_read_as_one_and_opens_with_any_of_its_days(engine: Any) -> None:
    admin, spy = engine.connect("writer"), Spy(engine.connect("reader"))
    for days_back in (
        0,
        2,
        20,
        31,
        33,
    ):  # a day of November, three of October (the 1st too), one of September
        fill(engine, days_back, "/a", "/b", "/a")
    assert len(close_all(admin)) == 5
    months = closing.due(admin, MAKING.sums, NOW)
    assert [(month.day, month.is_month) for month in months] == [
        (date(2026, 10, 1), True),
        (date(2026, 9, 1), True),
    ]
    assert [done for _, done in close_all(admin)] == [True, True]
    assert closing.due(admin, MAKING.sums, NOW + timedelta(days=1)) == []
    span = Range(Days(date(2026, 9, 2), LAST, ZoneInfo("UTC")))
    assert pages(spy, span) == [("/a", 10, 10), ("/b", 5, 5)]
    (sql,) = [sql for sql in spy.heard if "UNION ALL" in sql]
    assert sql.count("FROM closed_days") == 2  # October as a month, the days of September and November
    by_month = run(spy, Query(SITE, span, ("visitors", "visits"), ("time:month",)))
    assert [(*row.dimensions, *row.metrics) for row in by_month.rows] == [
        ("2026-09-01", 3, 3), ("2026-10-01", 9, 9), ("2026-11-01", 3, 3),
    ]  # fmt: skip
    by_day = run(spy, Query(SITE, span, ("visitors",), ("time:day",)))
    assert [row.metrics for row in by_day.rows] == [(3,)] * 5
    fill(engine, 20, "/a", "/b", "/a")  # the same people, twice as many page views
    assert pages(spy, span) == [("/a", 10, 12), ("/b", 5, 6)]
    later = NOW + timedelta(days=1)
    assert close_all(admin, later) == [(date(2026, 10, 12), True)]
    assert close_all(admin, later + timedelta(seconds=1)) == [(date(2026, 10, 1), True)]
    assert pages(spy, span) == [("/a", 10, 12), ("/b", 5, 6)]
    assert engine.scalars(
        "SELECT uniqExact(closing) AS n FROM {database}.closed_days WHERE startsWith(report, 'month ')"
    ) == {"n": 2}


def test_what_is_erased_is_no_number_either(engine: Any) -> None:
    admin = engine.connect("writer")
    for days_back in (20, 31, 32):  # 12th and 1st of October, 30th of September
        fill(engine, days_back, "/a", "/b")
    close_all(admin)
    close_all(admin)
    closing.forget(admin, 202610, "site_id = 1 AND day = '2026-10-12'", {1})
    rows = admin.operator_query(
        f"SELECT DISTINCT day, startsWith(report, 'month ') AS is_month FROM {engine.config.database}.closed_days "
        "ORDER BY day, is_month"
    )
    assert [(row["day"], row["is_month"]) for row in rows] == [
        (date(2026, 9, 1), 1), (date(2026, 9, 30), 0), (date(2026, 10, 1), 0),
    ]  # fmt: skip
    closing.forget(admin, 202610, "0", set())


@pytest.mark.parametrize(
    ("dimensions", "filter_", "report"),
    [
        ((), None, "total"),
        (("time:day",), None, "total"),
        (("time:month", "visit:country"), None, "visit:country"),
        (("visit:channel", "visit:source"), None, "visit:source visit:channel"),
        (("visit:exit_page",), None, None),  # no visitors, no states to save
        ((), Is("event:page", "/a"), "event:page"),
        ((), Is("event:page", "/a", "/b"), None),  # visitors of both would be two
        (("visit:source",), Is("visit:channel", "Direct"), "visit:source visit:channel"),
        (("visit:source",), Is("visit:country", "DE"), None),
        (("visit:region",), None, None),
        (("time:hour",), None, None),
        (("event:goal",), None, None),
    ],
)
def test_only_what_days_were_closed_for_is_read_from_them(
    dimensions: tuple[str, ...], filter_: Any, report: str | None
) -> None:
    metrics = ("visits",) if "visit:exit_page" in dimensions else ("visitors",)
    assert closed.report_of(closed_needs(Query(SITE, SPAN, metrics, dimensions, filter_))) == report


def closed_needs(query: Query) -> Any:
    from statnive.query.needs import needs_of

    return needs_of(query)
