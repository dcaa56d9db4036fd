"""`make bench-query`: its data are whole, its play of the cache is the product's, its receipt is computed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from chaos.bench import query_cache, query_data
from chaos.bench.query_data import CLOSED, LAST_DAY, ROLLUPS, Made
from chaos.bench.query_growth import Growth
from chaos.bench.query_http import Acks, Timing, quantile, questions
from chaos.bench.query_plot import plot
from chaos.bench.query_receipt import TARGETS, Found, render, verdicts
from statnive.clickhouse import closing
from statnive.clickhouse.verify import drift
from statnive.day_closing import MAKING
from statnive.query import reports

MADE = Made(200_000_000, 405, 600.0, 90.0, 30.0, 9_000_000_000)
COSTS = dict.fromkeys(query_cache.PAGE, 10.0)


def found(**changed) -> Found:
    timings = [
        Timing("pages", "largest", 30, cold_ms=[20.0, 90.0], warm_ms=[1.0], source="rollup"),
        Timing("pages", "largest", 365, cold_ms=[200.0], warm_ms=[2.0], source="rollup"),
        Timing("journeys", "largest", 30, cold_ms=[1_500.0], warm_ms=[1.0], source="raw", sampled=0.05),
    ]
    whole = Found(
        made=MADE,
        timings=timings,
        alone=[Acks(10.0, 40.0, 5_000.0, 0)],
        beside=[Acks(11.0, 42.0, 5_000.0, 80)],
        growths=[Growth("pages of the site", "pages", (10, 1_000), {"pages": [2.0, 8.0]})],
        saved=[query_cache.Saved("watched", 10, 1.0, 12.0, 60.0, 100.0, 10.0)],
        seconds=1_800.0,
    )
    return attrs.evolve(whole, **changed)


def test_every_report_is_asked_for() -> None:
    assert {question.path for question in questions()} >= {*reports.NAMES, "bots", "funnel", "journeys"}


def test_the_data_go_through_the_views_and_the_history_is_the_week_moved(engine) -> None:
    admin = engine.connect("admin")
    query_data.insert_events(admin, day=LAST_DAY - 1, first=0, rows=400, only_site=30)
    assert drift(engine.writer) == []
    day = closing.Day(30, query_data.EPOCH + timedelta(days=LAST_DAY - 1), closing.EVENTS_MIN, stale=False)
    assert closing.close(engine.writer, day, MAKING, datetime(2027, 1, 1, tzinfo=UTC), 1024**3)
    tables = (*ROLLUPS, *CLOSED)
    query_data.copy_rollups(
        admin, first=LAST_DAY - 1, last=LAST_DAY - 1, back_days=(7, 14), only=(30,), tables=tables
    )
    for table in tables:
        rows = admin.operator_query(
            f"SELECT toUInt32(day) AS day, sum(events) AS n, uniqCombined64Merge(visitors) AS v "
            f"FROM {admin.database}.{table} WHERE site_id = 30 GROUP BY day ORDER BY day"
            if table == "hourly_visitors"
            else f"SELECT toUInt32(day) AS day, count() AS n, 0 AS v FROM {admin.database}.{table} "
            "WHERE site_id = 30 GROUP BY day ORDER BY day"
        )
        assert [row["day"] for row in rows] == [LAST_DAY - 15, LAST_DAY - 8, LAST_DAY - 1], table
        assert len({(row["n"], row["v"]) for row in rows}) == 1, table
        assert rows[0]["n"] > 0


def test_the_hour_cache_reads_each_report_once_an_hour_and_a_five_minute_one_twelve_times() -> None:
    wall, office, alone = query_cache.play(COSTS, dict.fromkeys(query_cache.PAGE, 50.0))
    page_s = sum(COSTS.values()) / 1_000
    assert wall.hour_s == pytest.approx(24 * page_s)
    assert wall.five_minutes_s == pytest.approx(288 * page_s)
    assert wall.share(wall.pipeline_s) == pytest.approx(1 - 24 / 288)
    assert wall.share(wall.anew_s) == pytest.approx(1 - 24 / 288 / 5)
    assert wall.uncached_s == pytest.approx(1_440 * page_s)
    assert alone.hour_s == pytest.approx(2 * page_s)
    assert alone.five_minutes_s == pytest.approx(
        2 * page_s
    )  # opened again after four minutes of the same five
    assert office.hour_s == pytest.approx(10 * page_s)
    assert office.hour_s < office.five_minutes_s < office.uncached_s


def test_targets_are_met_or_not_by_the_figures() -> None:
    assert [verdict.met for verdict in verdicts(found())] == [True] * 6 + [True]
    slow = Timing("pages", "largest", 30, cold_ms=[20.0, 101.0], warm_ms=[6.0], source="rollup")
    refused = Timing("journeys", "largest", 30, source="raw", refused="503: too much memory")
    worse = found(
        timings=[slow, refused],
        beside=[Acks(11.0, 45.0, 5_000.0, 80)],
        made=attrs.evolve(MADE, events_s=1_000.0),
        saved=[query_cache.Saved("watched", 10, 3.0, 12.0, 200.0, 100.0, 10.0)],
    )
    judged = dict(zip(TARGETS, verdicts(worse), strict=True))
    assert not any(verdict.met for verdict in judged.values())
    assert judged["cold 30"].missed_by == ("pages (largest, 30 days): 101 ms",)
    assert judged["cold 365"].measured == "not measured in this run"
    assert judged["drill-down"].missed_by == ("journeys (largest): 503: too much memory",)
    assert judged["acks"].measured == "40.0 ms alone, 45.0 ms beside: +12 %"
    assert not verdicts(found(alone=[]))[4].met


def test_the_receipt_holds_every_target_and_every_timing() -> None:
    text = render(found(), "make bench-query", "queries.svg")
    for target, _ in TARGETS.values():
        assert f"| {target} |" in text
    assert "| journeys | largest | 30 | 1500.0 | 1500.0 | 1.0 | 1.0 | 1 | raw | 5.0% |" in text
    assert "pages 4.0 times for 100 times as many" in text
    assert "12.0 minutes for 200,000,000 events" in text
    assert "Not met by" not in text
    assert "](queries.svg)" in text


def test_the_plot_has_a_line_for_each_report() -> None:
    growth = Growth("days", "days", (1, 30, 365), {"overview": [1.0, 2.0, 3.0], "pages": [2.0, 40.0, 220.0]})
    drawn = plot([growth, growth])
    assert drawn.count("<polyline") == 4
    assert "NaN" not in drawn
    assert drawn.startswith("<svg")
    assert drawn.endswith("</svg>\n")


def test_the_p99_of_a_few_is_the_largest() -> None:
    assert quantile([float(n) for n in range(20)], 0.99) == 19
    assert quantile([float(n) for n in range(1_000)], 0.99) == 990
