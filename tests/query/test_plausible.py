"""Plausible's APIs over the real engine: every figure counted a second time here, from the rows, in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.event import NO_VISITOR, Row
from statnive.query import plausible_v1 as v1
from statnive.query import plausible_v2 as v2
from tests.query import worlds

BERLIN = ZoneInfo("Europe/Berlin")
AROUND = date(2026, 10, 25)  # the night in which clocks go back
NOW = datetime(2026, 10, 28, 11, 30, tzinfo=UTC)
WHOLE = ["2026-10-01", "2026-10-28"]
EPOCH = date(1970, 1, 1)


class World:
    """One site's rows in the engine, and the rows as Python sees them; bots apart."""

    def __init__(self, engine: Any) -> None:
        self.site: Site = worlds.site(1, "Europe/Berlin")
        rows = worlds.rows_of(self.site, AROUND, seed=7)
        engine.insert(*rows)
        self.rows = [row for row in rows if not row.is_bot]
        self.reader = engine.connect("reader")

    def v2(self, **body: Any) -> dict[str, Any]:
        asked = v2.parse({"site_id": self.site.domain, "date_range": WHOLE, **body}, self.site, NOW)
        return v2.answer(self.reader, asked)

    def rows_v2(self, **body: Any) -> dict[tuple[Any, ...], list[Any]]:
        return {tuple(row["dimensions"]): row["metrics"] for row in self.v2(**body)["results"]}

    def v1(self, kind: str, **given: str) -> Any:
        span = {"period": "custom", "date": ",".join(WHOLE)}
        asked = v1.parse(kind, {**span, **given}, self.site, NOW)
        return v1.answer(self.reader, asked)["results"]

    def counted(self, by: Callable[[Row], Any], *, views_only: bool = True) -> dict[Any, list[int]]:
        """[visitors, page views] by whatever `by` says of a row; visitors of any row, or of page views only."""
        people, views = defaultdict(set), Counter[Any]()
        for row in self.rows:
            key = by(row)
            if key is None or (views_only and not row.pageviews):
                continue
            people[key] |= {row.visitor} - {NO_VISITOR}
            views[key] += row.pageviews
        return {key: [len(people[key]), views[key]] for key in people}


@pytest.fixture
def world(engine: Any) -> World:
    return World(engine)


def day_of(row: Row) -> str:
    return (EPOCH + timedelta(days=row.day)).isoformat()


def source_of(row: Row) -> str:
    return row.referrer_name or "Direct / None"


def test_v2_totals_lists_and_points_are_as_counted_here(world: World) -> None:
    metrics = ["visitors", "pageviews", "events", "visits"]
    everybody = {row.visitor for row in world.rows} - {NO_VISITOR}
    assert world.rows_v2(metrics=metrics) == {
        (): [
            len(everybody),
            sum(row.pageviews for row in world.rows),
            sum(row.name != "engagement" for row in world.rows),
            sum(row.visit_start for row in world.rows),
        ]
    }
    pair = ["visitors", "pageviews"]
    for dimension, by in {
        "visit:source": source_of,
        "visit:device": lambda row: row.device.capitalize(),
        "visit:browser": lambda row: row.browser,
        "visit:city": lambda row: row.city_id,
        "visit:utm_medium": lambda row: row.utm_medium or "(not set)",
        "time:day": day_of,
    }.items():
        found = {key[0]: value for key, value in world.rows_v2(metrics=pair, dimensions=[dimension]).items()}
        assert found == world.counted(by, views_only=False), dimension


def test_v2_hours_are_local_and_labelled_as_plausible_does(world: World) -> None:
    first, last = (datetime(2026, 10, day, tzinfo=BERLIN) for day in (25, 26))
    span = ["2026-10-25T00:00:00+02:00", "2026-10-25T23:59:59+01:00"]
    found = world.v2(
        metrics=["pageviews"], date_range=span, dimensions=["time"], include={"time_labels": True}
    )
    counted: Counter[str] = Counter()
    for row in world.rows:
        if first.timestamp() <= row.ts < last.timestamp():
            counted[datetime.fromtimestamp(row.ts, BERLIN).strftime("%Y-%m-%d %H:00:00")] += row.pageviews
    summed: Counter[str] = Counter()
    for row in found["results"]:
        summed[row["dimensions"][0]] += row["metrics"][0]
    assert +summed == +counted
    assert len(found["meta"]["time_labels"]) == 25
    assert found["query"]["dimensions"] == ["time:hour"]
    assert found["query"]["date_range"] == span


@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        ([["is", "visit:source", ["Direct / None"]]], lambda row: row.referrer_name == ""),
        ([["is_not", "visit:source", ["Google", "news"]]], lambda row: row.referrer_name not in ("Google", "news")),
        ([["contains", "visit:browser", ["FIRE"], {"case_sensitive": False}]], lambda row: row.browser == "Firefox"),
        ([["is", "visit:device", ["Mobile"]]], lambda row: row.device == "mobile"),
        ([["is", "visit:city", [2950159]]], lambda row: row.city == "Berlin"),
        (
            [["not", ["or", [["is", "visit:os", ["iOS"]], ["matches", "visit:browser_version", ["^14[12]$"]]]]]],
            lambda row: row.os != "iOS" and row.browser_version not in ("141", "142"),
        ),
        ([["matches_wildcard", "event:page", ["/blog/*"]]], lambda row: row.pathname.startswith("/blog/")),
        ([["is", "event:props:plan", ["pro"]]], lambda row: row.props.get("plan") == "pro"),
        (
            [["and", [["is", "visit:country", ["DE"]], ["contains_not", "event:page", ["/a", "A"]]]]],
            lambda row: row.country == "DE" and "/a" not in row.pathname and "A" not in row.pathname,
        ),
    ],
)  # fmt: skip
def test_v2_filters_leave_in_what_they_say(world: World, filters: Any, holds: Callable[[Row], bool]) -> None:
    fitting = [row for row in world.rows if holds(row)]
    assert world.rows_v2(metrics=["visitors", "pageviews"], filters=filters) == {
        (): [len({row.visitor for row in fitting} - {NO_VISITOR}), sum(row.pageviews for row in fitting)]
    }


def test_v2_goals_have_conversions_and_revenue(world: World) -> None:
    reached = [row for row in world.rows if 1 in row.goals]
    people = {row.visitor for row in reached} - {NO_VISITOR}
    everybody = {row.visitor for row in world.rows} - {NO_VISITOR}
    found = world.rows_v2(
        metrics=["visitors", "events", "conversion_rate"], filters=[["is", "event:goal", ["Signup"]]]
    )
    assert found == {(): [len(people), len(reached), round(100 * len(people) / len(everybody), 2)]}
    goals = world.rows_v2(metrics=["visitors", "events"], dimensions=["event:goal"])
    assert goals["Signup",] == [len(people), len(reached)]
    answer = world.v2(metrics=["total_revenue"], dimensions=["event:goal"])
    money = {row["dimensions"][0]: row["metrics"][0] for row in answer["results"]}
    views = sum(5 in row.goals for row in world.rows)
    assert money["Visit /"] == {
        "value": views / 1000, "currency": "EUR", "short": f"€{views / 1000:.1f}", "long": f"€{views / 1000:.2f}",
    }  # fmt: skip
    assert money["Visit /blog/**"] is None


def test_v2_pages_order_and_count_of_all_rows(world: World) -> None:
    counted = world.counted(lambda row: row.pathname)
    answer = world.v2(
        metrics=["visitors", "percentage"], dimensions=["event:page"], order_by=[["event:page", "desc"]],
        pagination={"limit": 2, "offset": 1}, include={"total_rows": True},
    )  # fmt: skip
    pages = sorted(counted, reverse=True)[1:3]
    assert [row["dimensions"][0] for row in answer["results"]] == pages
    assert answer["meta"]["total_rows"] == len(counted)
    everybody = len({row.visitor for row in world.rows} - {NO_VISITOR})
    for row in answer["results"]:
        visitors, share = row["metrics"]
        assert share == round(100 * visitors / everybody, 2)


def test_v2_all_begins_with_the_first_day_that_has_events(world: World) -> None:
    found = world.v2(metrics=["pageviews"], date_range="all")
    assert found["query"]["date_range"] == [
        f"{min(map(day_of, world.rows))}T00:00:00+02:00", "2026-10-28T23:59:59+01:00",
    ]  # fmt: skip
    assert found["results"][0]["metrics"] == [sum(row.pageviews for row in world.rows)]


def test_v1_answers_what_v2_answers_in_its_own_shape(world: World) -> None:
    everybody = {row.visitor for row in world.rows} - {NO_VISITOR}
    views = sum(row.pageviews for row in world.rows)
    assert world.v1("aggregate", metrics="visitors,pageviews") == {
        "visitors": {"value": len(everybody)},
        "pageviews": {"value": views},
    }
    by_source = world.v1("breakdown", property="visit:source", metrics="visitors,pageviews")
    named = world.counted(lambda row: row.referrer_name or "(Direct / None)", views_only=False)
    assert {row["source"]: [row["visitors"], row["pageviews"]] for row in by_source} == named
    points = world.v1("timeseries", metrics="pageviews")
    assert [row["date"] for row in points] == [f"2026-10-{day:02}" for day in range(1, 29)]
    days = world.counted(day_of, views_only=False)
    assert {row["date"]: row["pageviews"] for row in points if row["pageviews"]} == {
        day: value[1] for day, value in days.items() if value[1]
    }


def test_v1_filters_and_compares(world: World) -> None:
    fitting = [
        row for row in world.rows
        if row.browser in ("Firefox", "Safari") and row.pathname.startswith("/blog") and row.country != "GB"
    ]  # fmt: skip
    filters = "visit:browser==Firefox|Safari;event:page==/blog*;visit:country!=GB"
    assert world.v1("aggregate", metrics="pageviews", filters=filters) == {
        "pageviews": {"value": sum(row.pageviews for row in fitting)}
    }
    days = world.counted(day_of, views_only=False)
    last, before = (days[day][1] for day in ("2026-10-26", "2026-10-25"))
    found = world.v1(
        "aggregate", period="day", date="2026-10-26", metrics="pageviews", compare="previous_period"
    )
    assert found == {"pageviews": {"value": last, "change": round(100 * (last - before) / before)}}


def test_v1_realtime_counts_the_hours_that_five_minutes_touch(world: World) -> None:
    last = world.rows[-1].ts
    now = datetime.fromtimestamp(last, UTC).replace(minute=3)
    count, since = v1.realtime(world.reader, world.site, now)
    assert since == now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    recent = {row.visitor for row in world.rows if since.timestamp() <= row.ts < since.timestamp() + 7200}
    assert count == len(recent - {NO_VISITOR})


SITE = worlds.site(1, "Europe/Berlin")


@pytest.mark.parametrize(
    ("form", "first", "last"),
    [
        ("day", "2026-10-28T00:00:00+01:00", "2026-10-28T23:59:59+01:00"),
        ("24h", "2026-10-27T13:00:00+01:00", "2026-10-28T12:59:59+01:00"),
        ("7d", "2026-10-21T00:00:00+02:00", "2026-10-27T23:59:59+01:00"),
        ("28d", "2026-09-30T00:00:00+02:00", "2026-10-27T23:59:59+01:00"),
        ("month", "2026-10-01T00:00:00+02:00", "2026-10-31T23:59:59+01:00"),
        ("6mo", "2026-04-01T00:00:00+02:00", "2026-09-30T23:59:59+02:00"),
        ("12mo", "2025-10-01T00:00:00+02:00", "2026-09-30T23:59:59+02:00"),
        ("year", "2026-01-01T00:00:00+01:00", "2026-12-31T23:59:59+01:00"),
        (["2026-10-24", "2026-10-25"], "2026-10-24T00:00:00+02:00", "2026-10-25T23:59:59+01:00"),
    ],
)
def test_v2_date_ranges_are_those_of_plausible(form: Any, first: str, last: str) -> None:
    asked = v2.parse({"site_id": "x", "metrics": ["visitors"], "date_range": form}, SITE, NOW)
    assert asked.shown["date_range"] == [first, last]


@pytest.mark.parametrize(
    ("period", "day", "first", "last"),
    [
        ("day", None, "2026-10-28", "2026-10-28"),
        ("7d", "2021-01-08", "2021-01-01", "2021-01-07"),
        ("month", "2021-02-03", "2021-02-01", "2021-02-28"),
        ("6mo", "2021-01-01", "2020-08-01", "2021-01-31"),
        ("12mo", "2021-01-01", "2020-02-01", "2021-01-31"),
        ("custom", "2020-12-01, 2021-01-02", "2020-12-01", "2021-01-02"),
    ],
)
def test_v1_periods_are_those_of_plausible(period: str, day: str | None, first: str, last: str) -> None:
    given = {"period": period} if day is None else {"period": period, "date": day}
    days = v1.parse("aggregate", given, SITE, NOW).query.range.days
    assert (days.first.isoformat(), days.last.isoformat()) == (first, last)


DEEP: Any = ["is", "event:page", ["/"]]
for _ in range(50):
    DEEP = ["not", DEEP]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"metrics": []}, "metrics"),
        ({"metrics": ["visitors", "visitors"]}, "metrics"),
        ({"metrics": ["entries"]}, "metrics"),
        ({"metrics": "visitors"}, "metrics"),
        ({"metrics": ["percentage"]}, "metrics"),
        ({"metrics": ["time_on_page"]}, "metrics"),
        ({"metrics": ["conversion_rate"]}, "metrics"),
        ({"metrics": ["bounce_rate"], "dimensions": ["event:goal"]}, "metrics"),
        ({"date_range": "fortnight"}, "date_range"),
        ({"date_range": ["2026-10-02", "2026-10-01"]}, "date_range"),
        ({"date_range": ["1826-10-02", "2026-10-01"]}, "date_range"),
        ({"date_range": ["2026-10-02T10:00:00", "2026-10-02T11:00:00"]}, "date_range"),
        ({"date_range": 7}, "date_range"),
        ({"date_range": "9999mo"}, "date_range"),
        ({"dimensions": ["visit:country_name"]}, "dimensions"),
        ({"dimensions": ["event:props:"]}, "dimensions"),
        ({"dimensions": ["nonsense'; DROP TABLE"]}, "dimensions"),
        ({"filters": {}}, "filters"),
        ({"filters": DEEP}, "filters"),
        ({"filters": [["is", "time:day", ["2026-10-01"]]]}, "filters"),
        ({"filters": [["has_done", ["is", "event:page", ["/"]]]]}, "filters"),
        ({"filters": [["is", "segment", [3]]]}, "filters"),
        ({"filters": [["is", "visit:source", []]]}, "filters"),
        ({"filters": [["like", "visit:source", ["x"]]]}, "filters"),
        ({"filters": [["is", "event:goal", ["Nope"]]]}, "filters"),
        ({"order_by": [["pageviews", "desc"]]}, "order_by"),
        ({"order_by": [["visitors", "down"]]}, "order_by"),
        ({"include": {"compare": True}}, "include.compare"),
        ({"include": {"time_labels": True}}, "include.time_labels"),
        ({"pagination": {"limit": 0}}, "pagination.limit"),
        ({"pagination": {"limit": True}}, "pagination.limit"),
        ({"pagination": {"page": 2}}, "pagination"),
        ({"preset": 1}, "preset"),
    ],
)
def test_v2_refuses_by_name_what_it_can_not_answer(world: World, changed: Any, field: str) -> None:
    with pytest.raises(Rejected) as caught:
        world.v2(**{"metrics": ["visitors"], **changed})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        ("aggregate", {"metrics": "visitor"}, "metrics"),
        ("aggregate", {"metrics": "conversion_rate"}, "metrics"),
        ("aggregate", {"period": "week"}, "period"),
        ("aggregate", {"period": "custom"}, "date"),
        ("aggregate", {"period": "day", "date": "yesterday"}, "date"),
        ("aggregate", {"compare": "last_year"}, "compare"),
        ("aggregate", {"with_imported": "1"}, "with_imported"),
        ("aggregate", {"filters": "badproperty==bar"}, "filters"),
        ("aggregate", {"filters": "visit:source=Google"}, "filters"),
        ("aggregate", {"filters": "visit:source=="}, "filters"),
        ("aggregate", {"filters": "[["}, "filters"),
        ("aggregate", {"filters": "event:goal==Nope"}, "filters"),
        ("timeseries", {"interval": "hour"}, "interval"),
        ("timeseries", {"period": "month", "interval": "month"}, "interval"),
        ("breakdown", {}, "property"),
        ("breakdown", {"property": "visit:country_name"}, "property"),
        ("breakdown", {"property": "visit:source", "limit": "1001"}, "limit"),
        ("breakdown", {"property": "visit:source", "page": "0"}, "page"),
    ],
)
def test_v1_refuses_by_name_what_it_can_not_answer(world: World, kind: str, given: Any, field: str) -> None:
    with pytest.raises(Rejected) as caught:
        v1.answer(world.reader, v1.parse(kind, given, world.site, NOW))
    assert caught.value.field == field


def test_v1_filter_text_escapes_bars_and_knows_the_label_of_nothing() -> None:
    assert v1.parse_filter(r"visit:utm_campaign==a\|b|c") == v1.Test(
        v1.Op.IS, "visit:utm_campaign", ("a|b", "c")
    )
    assert v1.parse_filter("visit:source==(Direct / None)") == v1.Test(v1.Op.IS, "visit:source", ("",))
    assert v1.parse_filter("event:goal!=Visit /blog/**") == v1.Test(
        v1.Op.IS_NOT, "event:goal", ("Visit /blog/**",)
    )
    assert v1.parse_filter('[["is","visit:source",["x"]]]') == v1.Test(v1.Op.IS, "visit:source", ("x",))


def test_v1_names_the_parameters_that_changed_nothing() -> None:
    asked = v1.parse("aggregate", {"site_id": "x", "interval": "date", "auth": "1"}, SITE, NOW)
    assert asked.ignored == ("auth", "interval")
