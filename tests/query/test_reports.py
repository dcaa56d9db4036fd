"""The reports on the real engine, against numbers counted by hand and against a naive model."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statnive.control.snapshot import Site
from statnive.event import NO_VISITOR
from statnive.ingest.local_time import LocalTime
from statnive.query import reports
from statnive.query.given import Options
from statnive.query.model import Range
from statnive.query.ranges import Days, Interval, Slice
from statnive.query.reports import Asked, realtime

BERLIN = "Europe/Berlin"
FRESH = datetime(2026, 11, 1, 12, 34, 56, 789, tzinfo=UTC)
HEAD = {
    "site": "example.com", "timezone": BERLIN, "from": "2026-10-25", "to": "2026-11-01",
    "fresh_through": "2026-11-01T12:34:56Z",
}  # fmt: skip
ROLLUP = {**HEAD, "source": "rollup"}
SITES = itertools.count(10)
ALICE, BOB, CAROL = (bytes([number]) * 16 for number in (1, 2, 3))


def site(timezone=BERLIN, site_id=1):
    return Site(site_id, "example.com", timezone, frozenset({"example.com"}))


def asked(first="2026-10-25", last="2026-11-01", timezone=BERLIN, site_id=1):
    days = Days(date.fromisoformat(first), date.fromisoformat(last), ZoneInfo(timezone))
    return Asked(site(timezone, site_id), Options(Range(days)), FRESH)


def with_options(question, **options):
    return attrs.evolve(question, options=attrs.evolve(question.options, **options))


def overview(reader, question):
    return reports.overview(reader, question)


def trend(reader, question, interval):
    return reports.trend(reader, with_options(question, interval=interval))


def pages(reader, question, part):
    return reports.listed(reader, with_options(question, slice=part), "pages")


def sources(reader, question, part):
    return reports.listed(reader, with_options(question, slice=part), "sources")


class Browser:
    """Makes rows as ingest would: hours and days of the site, deltas of a visit."""

    def __init__(self, make_row, timezone=BERLIN):
        self.make_row, self.times, self.visits = make_row, LocalTime(timezone), {}

    def view(self, at, visitor, path, name="pageview", **changed):
        """A page view (or engagement) of `visitor` at `at` (ISO); each visitor makes one visit."""
        ts = int(datetime.fromisoformat(at).timestamp())
        day, hour, _ = self.times.at(ts)
        visit = self.visits.setdefault(visitor, SimpleNamespace(ts=ts, views=0, path=""))
        is_view, is_first = name == "pageview", visit.views == 0
        row = self.make_row(
            ts=ts, day=day, hour=hour, visitor=visitor, pathname=path, name=name, pageviews=int(is_view),
            visit_start=int(is_first), bounce_delta=0 if not is_view else {0: 1, 1: -1}.get(visit.views, 0),
            duration_delta=ts - visit.ts, previous_pathname=visit.path if is_view else "", **changed,
        )  # fmt: skip
        visit.ts = ts
        if is_view:
            visit.views, visit.path = visit.views + 1, path
        return row


@pytest.fixture
def shop(engine):
    """Alice: / then /buy, 90 s, from Google. Bob bounces on /. Carol is direct. One who objects. A bot."""
    browser = Browser(engine.row)
    google = {"referrer_name": "Google", "channel": "Organic Search"}
    newsletter = {"referrer_name": "news", "channel": "Email", "utm_source": "news", "utm_medium": "email"}
    engine.insert(
        browser.view("2026-10-31T10:00:00+01:00", ALICE, "/", **google),
        browser.view("2026-10-31T10:01:00+01:00", ALICE, "/buy", **google),
        browser.view("2026-10-31T10:01:30+01:00", ALICE, "/buy", "engagement", **google),
        browser.view("2026-10-31T23:59:59+01:00", BOB, "/", **newsletter, utm_campaign="a"),
        browser.view("2026-11-01T00:00:01+01:00", CAROL, "/about"),
        browser.view("2026-11-01T00:00:02+01:00", NO_VISITOR, "/"),
        engine.row(is_bot=1),
        engine.row(site_id=2),
    )
    return engine.connect("reader")


def test_the_overview_is_as_counted_by_hand(shop):
    assert overview(shop, asked()) == {
        **ROLLUP,
        "metrics": {
            "visitors": 3,
            "visits": 4,
            "pageviews": 5,
            "views_per_visit": 1.25,
            "bounce_rate": 75.0,
            "visit_duration": 22.5,
        },
    }


def test_an_empty_range_has_zeros_and_no_rates(shop):
    metrics = overview(shop, asked("2026-01-01", "2026-01-02"))["metrics"]
    assert metrics == {
        "visitors": 0, "visits": 0, "pageviews": 0,
        "views_per_visit": None, "bounce_rate": None, "visit_duration": None,
    }  # fmt: skip


def point(time, visitors, visits, pageviews, bounce_rate, visit_duration):
    """One point of a trend."""
    return {
        "time": time, "visitors": visitors, "visits": visits, "pageviews": pageviews,
        "bounce_rate": bounce_rate, "visit_duration": visit_duration,
    }  # fmt: skip


def test_a_trend_of_days_has_a_point_for_every_day(shop):
    answer = trend(shop, asked(), Interval.DAY)
    assert answer["interval"] == "day"
    assert answer["points"] == [
        *(point(f"2026-10-{day}", 0, 0, 0, None, None) for day in range(25, 31)),
        point("2026-10-31", 2, 2, 3, 50.0, 45.0),
        point("2026-11-01", 1, 2, 2, 100.0, 0.0),
    ]


def test_a_trend_of_months_is_labelled_by_their_first_days(shop):
    assert trend(shop, asked(), Interval.MONTH)["points"] == [
        point("2026-10-01", 2, 2, 3, 50.0, 45.0),
        point("2026-11-01", 1, 2, 2, 100.0, 0.0),
    ]


def test_a_trend_of_hours_is_local_with_its_offset(shop):
    points = trend(shop, asked("2026-10-31", "2026-10-31"), Interval.HOUR)["points"]
    assert len(points) == 24
    assert points[10] == point("2026-10-31T10:00:00+01:00", 1, 1, 2, 0.0, 90.0)
    assert points[23] == point("2026-10-31T23:00:00+01:00", 1, 1, 1, 100.0, 0.0)
    assert sum(point["pageviews"] for point in points) == 3


def test_the_hour_that_comes_twice_is_two_points(engine):
    browser = Browser(engine.row)
    engine.insert(
        browser.view("2026-10-25T02:30:00+02:00", ALICE, "/"),
        browser.view("2026-10-25T02:30:00+01:00", BOB, "/"),
    )
    points = trend(engine.connect("reader"), asked("2026-10-25", "2026-10-25"), Interval.HOUR)["points"]
    assert len(points) == 25
    assert [(point["time"], point["visitors"]) for point in points[2:4]] == [
        ("2026-10-25T02:00:00+02:00", 1),
        ("2026-10-25T02:00:00+01:00", 1),
    ]


def test_hours_of_a_half_hour_zone_begin_at_its_full_hours(engine):
    browser = Browser(engine.row, "Asia/Kolkata")
    engine.insert(browser.view("2026-10-25T09:15:00+05:30", ALICE, "/"))
    answer = trend(engine.connect("reader"), asked("2026-10-25", "2026-10-25", "Asia/Kolkata"), Interval.HOUR)
    assert answer["points"][9] == point("2026-10-25T09:00:00+05:30", 1, 1, 1, 100.0, 0.0)
    assert len(answer["points"]) == 24


def test_rows_of_another_zone_s_hours_are_shown_not_lost(engine):
    """The site's time zone was changed from Kolkata to Berlin: the old hours begin at half past."""
    browser = Browser(engine.row, "Asia/Kolkata")
    engine.insert(browser.view("2026-10-30T13:15:00+05:30", ALICE, "/"))
    points = trend(engine.connect("reader"), asked("2026-10-30", "2026-10-30"), Interval.HOUR)["points"]
    assert [point["time"] for point in points if point["pageviews"]] == ["2026-10-30T08:30:00+01:00"]
    assert len(points) == 25


def test_pages_count_entries_and_exits_once(shop):
    answer = pages(shop, asked(), Slice())
    assert answer == {
        **ROLLUP,
        "total_rows": 3,
        "rows": [
            {"page": "/", "visitors": 2, "pageviews": 3, "visits": 3, "entries": 3, "exits": 2},
            {"page": "/about", "visitors": 1, "pageviews": 1, "visits": 1, "entries": 1, "exits": 1},
            {"page": "/buy", "visitors": 1, "pageviews": 1, "visits": 0, "entries": 0, "exits": 1},
        ],
    }


def test_pages_come_in_slices_with_a_total(shop):
    whole = pages(shop, asked(), Slice())["rows"]
    for offset in range(4):
        part = pages(shop, asked(), Slice(limit=1, offset=offset))
        assert part["rows"] == whole[offset : offset + 1]
        assert part["total_rows"] == 3


def test_a_page_that_was_only_left_behind_or_only_engaged_with_is_no_row(engine):
    """The visit crosses midnight: the second day holds the -1 of the page of the first."""
    browser = Browser(engine.row)
    engine.insert(
        browser.view("2026-10-30T23:59:00+01:00", ALICE, "/late"),
        browser.view("2026-10-31T00:01:00+01:00", ALICE, "/early"),
        browser.view("2026-10-31T00:02:00+01:00", ALICE, "/late", "engagement"),
    )
    reader = engine.connect("reader")
    (row,) = pages(reader, asked("2026-10-31", "2026-10-31"), Slice())["rows"]
    assert (row["page"], row["exits"]) == ("/early", 1)
    both = {row["page"]: row["exits"] for row in pages(reader, asked(), Slice())["rows"]}
    assert both == {"/late": 0, "/early": 1}


def test_rates_stay_between_0_and_100_where_the_range_cuts_a_visit(engine):
    browser = Browser(engine.row)
    engine.insert(
        browser.view("2026-10-30T23:59:00+01:00", ALICE, "/"),
        browser.view("2026-10-31T00:01:00+01:00", ALICE, "/two"),
        browser.view("2026-10-31T00:02:00+01:00", BOB, "/"),
        browser.view("2026-10-31T00:03:00+01:00", BOB, "/two"),
    )
    reader = engine.connect("reader")
    assert overview(reader, asked("2026-10-31", "2026-10-31"))["metrics"]["bounce_rate"] == 0.0
    assert overview(reader, asked())["metrics"]["bounce_rate"] == 0.0


def test_sources_are_named_with_channel_and_bounce_rate(shop):
    answer = sources(shop, asked(), Slice())
    assert answer["total_rows"] == 3
    assert answer["rows"] == [
        {"source": "", "channel": "Direct", "visitors": 1, "visits": 2, "pageviews": 2, "bounce_rate": 100.0},
        {
            "source": "Google",
            "channel": "Organic Search",
            "visitors": 1,
            "visits": 1,
            "pageviews": 2,
            "bounce_rate": 0.0,
        },
        {
            "source": "news",
            "channel": "Email",
            "visitors": 1,
            "visits": 1,
            "pageviews": 1,
            "bounce_rate": 100.0,
        },
    ]


def test_the_same_source_with_other_utm_tags_is_one_row_and_one_visitor(engine):
    browser = Browser(engine.row)
    for tag in ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"):
        engine.insert(
            browser.view("2026-10-31T10:00:00+01:00", ALICE, "/", referrer_name="Google", **{tag: "x"})
        )
    (row,) = sources(engine.connect("reader"), asked(), Slice())["rows"]
    assert (row["visitors"], row["pageviews"]) == (1, 5)
    assert engine.scalars("SELECT count() AS n FROM {database}.daily_sources FINAL") == {"n": 5}


def test_realtime_covers_the_last_sixty_minutes_and_shows_a_day(engine):
    browser = Browser(engine.row)
    engine.insert(
        browser.view("2026-11-01T12:31:00+01:00", ALICE, "/"),
        browser.view("2026-11-01T13:20:00+01:00", BOB, "/"),
        browser.view("2026-11-01T11:00:00+01:00", CAROL, "/"),
    )
    now = datetime(2026, 11, 1, 13, 30, tzinfo=ZoneInfo(BERLIN))
    answer = realtime(engine.connect("reader"), site(), now)
    points = answer.pop("points")
    assert answer == {
        **HEAD, "from": "2026-11-01", "fresh_through": "2026-11-01T12:30:00Z",
        "visitors": 2, "pageviews": 2, "minutes": 60,
    }  # fmt: skip
    assert len(points) == 24
    assert points[0]["time"] == "2026-10-31T14:00:00+01:00"
    assert [point["visitors"] for point in points[-3:]] == [1, 1, 1]


@pytest.mark.parametrize("now", ["12:00:00", "12:00:01", "12:29:59", "12:59:59"])
@pytest.mark.parametrize("age_s", [0, 1, 1_800, 3_599])
def test_realtime_never_misses_an_event_of_the_last_sixty_minutes(engine, now, age_s):
    instant = datetime.fromisoformat(f"2026-11-01T{now}+01:00")
    engine.insert(Browser(engine.row).view((instant - timedelta(seconds=age_s)).isoformat(), ALICE, "/"))
    assert realtime(engine.connect("reader"), site(), instant)["pageviews"] == 1
    assert realtime(engine.connect("reader"), site(), instant + timedelta(hours=2))["pageviews"] == 0


def test_a_site_sees_nothing_of_another(shop):
    other = Asked(Site(3, "x", BERLIN, frozenset()), asked().options, FRESH)
    assert overview(shop, other)["metrics"]["pageviews"] == 0
    assert pages(shop, other, Slice())["rows"] == []
    assert sources(shop, other, Slice()) == {**ROLLUP, "site": "x", "total_rows": 0, "rows": []}


ROW = st.fixed_dictionaries(
    {
        "visitor": st.sampled_from([ALICE, BOB, CAROL, NO_VISITOR]),
        "day": st.integers(20_750, 20_760),
        "hour": st.integers(0, 30).map(lambda number: 1_792_800_000 + 3_600 * number),
        "is_bot": st.sampled_from([0, 0, 0, 1]),
        "pageviews": st.integers(0, 1),
        "visit_start": st.integers(0, 1),
        "bounce_delta": st.integers(-1, 1),
        "duration_delta": st.integers(0, 1_800),
        "pathname": st.sampled_from(["/", "/a", "/b", "/ü"]),
        "previous_pathname": st.sampled_from(["", "/", "/a"]),
        "referrer_name": st.sampled_from(["", "Google"]),
        "channel": st.sampled_from(["Direct", "Organic Search"]),
        "utm_campaign": st.sampled_from(["", "x", "y"]),
    }
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    blocks=st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=1, max_size=3),
    first=st.integers(20_750, 20_755),
)
def test_the_reports_say_what_a_naive_count_over_the_rows_says(engine, blocks, first):
    if not engine.readers:
        engine.readers.append(engine.connect("reader"))
    reader = engine.readers[0]
    number = next(SITES)
    for block in blocks:
        engine.insert(*[engine.row(site_id=number, **fields) for fields in block])
    rows = [
        engine.row(**fields)
        for block in blocks
        for fields in block
        if not fields["is_bot"] and first <= fields["day"] <= first + 4
    ]
    span = (date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat() for day in (first, first + 4))
    question = asked(*span, site_id=number)
    metrics = overview(reader, question)["metrics"]
    assert (metrics["visitors"], metrics["visits"], metrics["pageviews"]) == counted(rows)
    assert {
        row["page"]: tuple(row.values())[1:] for row in pages(reader, question, Slice())["rows"]
    } == by_page(rows)
    found = sources(reader, question, Slice())["rows"]
    grouped = defaultdict(list)
    for row in rows:
        grouped[row.referrer_name, row.channel].append(row)
    assert {
        (row["source"], row["channel"]): (row["visitors"], row["visits"], row["pageviews"]) for row in found
    } == {key: counted(group) for key, group in grouped.items()}
    for interval in Interval:
        points = trend(reader, question, interval)["points"]
        assert sum(point["pageviews"] for point in points) == metrics["pageviews"]
        assert sum(point["visits"] for point in points) == metrics["visits"]


def counted(rows):
    return (
        len({row.visitor for row in rows} - {NO_VISITOR}),
        sum(row.visit_start for row in rows),
        sum(row.pageviews for row in rows),
    )


def by_page(rows):
    """page -> (visitors, pageviews, visits, entries, exits), for the pages that were viewed."""
    exits, own = defaultdict(int), defaultdict(list)
    for row in rows:
        own[row.pathname].append(row)
        exits[row.pathname] += row.pageviews
        if row.pageviews and row.previous_pathname:
            exits[row.previous_pathname] -= 1
    table = {}
    for page, mine in own.items():
        visitors, visits, views = counted(mine)
        entries = sum(row.pageviews and not row.previous_pathname for row in mine)
        if views:
            table[page] = (visitors, views, visits, entries, max(exits[page], 0))
    return table
