"""What a request's parameters mean, and the calendar behind a trend."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statnive.errors import Rejected
from statnive.ingest.local_time import LocalTime
from statnive.query.given import as_far, previous_period, year_before
from statnive.query.model import Range
from statnive.query.ranges import (
    Days,
    Interval,
    hour_start,
    midnight,
    parse_days,
    parse_interval,
    parse_slice,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)  # 1 November, 00:30 in Berlin
ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu",
         "America/Havana", "Asia/Beirut", "Pacific/Apia", "America/New_York"]  # fmt: skip


def days(parameters, zone=BERLIN, now=NOW):
    found = parse_days(parameters, zone, now)
    return found.first.isoformat(), found.last.isoformat()


@pytest.mark.parametrize(
    ("parameters", "first", "last"),
    [
        ({}, "2026-10-03", "2026-11-01"),
        ({"period": "day"}, "2026-11-01", "2026-11-01"),
        ({"period": "7d"}, "2026-10-26", "2026-11-01"),
        ({"period": "30d"}, "2026-10-03", "2026-11-01"),
        ({"period": "month"}, "2026-11-01", "2026-11-30"),
        ({"period": "12mo"}, "2025-12-01", "2026-11-30"),
        ({"period": "day", "date": "2024-02-29"}, "2024-02-29", "2024-02-29"),
        ({"period": "month", "date": "2024-02-29"}, "2024-02-01", "2024-02-29"),
        ({"period": "12mo", "date": "2024-02-29"}, "2023-03-01", "2024-02-29"),
        ({"period": "12mo", "date": "2026-01-31"}, "2025-02-01", "2026-01-31"),
        ({"date": "2026-03-01"}, "2026-01-31", "2026-03-01"),
        ({"from": "2026-01-01", "to": "2026-01-01"}, "2026-01-01", "2026-01-01"),
        ({"from": "2016-02-29", "to": "2026-02-28"}, "2016-02-29", "2026-02-28"),
    ],
)
def test_the_parameters_name_these_local_days(parameters, first, last):
    assert days(parameters) == (first, last)


def test_today_is_the_site_s_today():
    assert days({"period": "day"}, ZoneInfo("UTC")) == ("2026-10-31", "2026-10-31")


@given(st.dates(date(1980, 1, 1), date(2100, 1, 1)))
def test_twelve_months_are_twelve_months(day):
    found = parse_days({"period": "12mo", "date": day.isoformat()}, BERLIN, NOW)
    assert len(found.each_month()) == 12
    assert found.first.day == 1
    assert (found.last + timedelta(days=1)).day == 1
    assert found.first <= day <= found.last


@pytest.mark.parametrize(
    ("parameters", "field", "reason"),
    [
        ({"period": "decade"}, "period", "must be one of day, 7d, 28d, 30d, 91d, month, 6mo, 12mo, year"),
        ({"period": "day", "date": "1.2.2026"}, "date", "must be a date YYYY-MM-DD"),
        ({"date": "2026-02-30"}, "date", "must be a date YYYY-MM-DD"),
        ({"date": "2026-W01-1"}, "date", "must be a date YYYY-MM-DD"),
        ({"date": "20260101"}, "date", "must be a date YYYY-MM-DD"),
        ({"date": "2026-01-01T00:00:00"}, "date", "must be a date YYYY-MM-DD"),
        ({"date": "٢٠٢٦-01-01"}, "date", "must be a date YYYY-MM-DD"),
        ({"from": "2026-01-01"}, "to", "is missing"),
        ({"to": "2026-01-01"}, "from", "is missing"),
        ({"from": "x", "to": "2026-01-01"}, "from", "must be a date"),
        ({"from": "2026-01-01", "to": ""}, "to", "must be a date"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "to", "is before from"),
        ({"from": "2016-01-01", "to": "2026-01-01"}, "to", "at most 10 years"),
        ({"from": "2016-02-29", "to": "2026-03-01"}, "to", "at most 10 years"),
        ({"from": "1960-01-01", "to": "1960-01-01"}, "from", "from 1970-01-02 to 2105-12-30"),
        ({"from": "2106-01-01", "to": "2106-01-02"}, "from", "from 1970-01-02 to 2105-12-30"),
        ({"from": "2026-01-01", "to": "2026-01-02", "period": "day"}, "period", "together with from and to"),
        (
            {"from": "2026-01-01", "to": "2026-01-02", "date": "2026-01-01"},
            "date",
            "together with from and to",
        ),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(parameters, field, reason):
    with pytest.raises(Rejected, match=reason) as caught:
        days(parameters)
    assert caught.value.field == field


def span(count):
    return Days(date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=count - 1), BERLIN)


@pytest.mark.parametrize(
    ("text", "count", "interval"),
    [(None, 1, "hour"), (None, 2, "day"), ("hour", 31, "hour"), ("day", 1, "day"), ("month", 400, "month")],
)
def test_the_interval_follows_the_range_unless_it_is_told(text, count, interval):
    assert parse_interval({} if text is None else {"interval": text}, span(count)) == Interval(interval)


@pytest.mark.parametrize(
    ("text", "count", "reason"),
    [("year", 1, "hour, day, week, month"), ("", 1, "hour, day, week"), ("hour", 32, "at most 31")],
)
def test_an_interval_that_does_not_fit_is_refused(text, count, reason):
    with pytest.raises(Rejected, match=reason):
        parse_interval({"interval": text}, span(count))


def test_limit_and_offset_have_defaults_and_bounds():
    assert parse_slice({}) == parse_slice({"limit": "10", "offset": "0"})
    assert parse_slice({"limit": "1000", "offset": "1000000"}).limit == 1_000
    for field, text in [("limit", "0"), ("limit", "1001"), ("limit", "-1"), ("limit", "1e2"), ("limit", " 1"),
                        ("limit", "²"), ("offset", "1000001"), ("offset", "9" * 5_000)]:  # fmt: skip
        with pytest.raises(Rejected, match="must be a whole number from") as caught:
            parse_slice({field: text})
        assert caught.value.field == field


@pytest.mark.parametrize("zone", ZONES)
@given(ts=st.integers(0, 2**32 - 1))
def test_an_hour_starts_where_ingest_says(zone, ts):
    start = hour_start(datetime.fromtimestamp(ts, UTC), ZoneInfo(zone))
    assert int(start.timestamp()) == LocalTime(zone).at(ts)[1]


@pytest.mark.parametrize("zone", ZONES)
@given(day=st.dates(date(2000, 1, 1), date(2040, 1, 1)), seconds=st.integers(0, 26 * 3_600))
def test_the_hours_of_a_day_are_all_that_ingest_gives_events_of_that_day(zone, day, seconds):
    """Whatever instant is taken: its hour is in the day's list if and only if its day is that day."""
    found = Days(day, day, ZoneInfo(zone))
    ts = int(midnight(day, found.zone).timestamp()) + seconds
    local_day, hour, _ = LocalTime(zone).at(ts)
    hours = [int(moment.timestamp()) for moment in found.each_hour()]
    assert (hour in hours) == (date(1970, 1, 1) + timedelta(days=local_day) == day)
    assert hours == sorted(set(hours))


@pytest.mark.parametrize(
    ("zone", "day", "count", "first"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23, "2026-03-28T23:00:00+00:00"),
        ("Europe/Berlin", date(2026, 10, 25), 25, "2026-10-24T22:00:00+00:00"),
        ("Asia/Kolkata", date(2026, 10, 25), 24, "2026-10-24T18:30:00+00:00"),
        ("America/Havana", date(2026, 11, 1), 25, "2026-11-01T04:00:00+00:00"),  # 01:00 becomes 00:00
        ("Asia/Beirut", date(2026, 3, 29), 23, "2026-03-28T22:00:00+00:00"),  # there is no 00:00
        ("Pacific/Apia", date(2011, 12, 31), 24, "2011-12-30T10:00:00+00:00"),  # the day before never was
    ],
)
def test_days_of_a_clock_change_have_their_own_number_of_hours(zone, day, count, first):
    hours = Days(day, day, ZoneInfo(zone)).each_hour()
    assert len(hours) == count
    assert hours[0].isoformat() == first


def compared(first, last, now, of=previous_period, zone=BERLIN):
    """What of the other range is compared, by the site's clock."""
    span = Range(Days(date.fromisoformat(first), date.fromisoformat(last), zone))
    found = as_far(span, of(span), datetime.fromisoformat(now).replace(tzinfo=zone))
    return found and tuple(f"{end.astimezone(zone):%Y-%m-%d %H:%M}" for end in found.ends)


@pytest.mark.parametrize(
    ("first", "last", "now", "start", "end"),
    [
        ("2026-11-10", "2026-11-10", "2026-11-10 11:20", "2026-11-09 00:00", "2026-11-09 12:00"),
        ("2026-11-10", "2026-11-10", "2026-11-10 00:00", "2026-11-09 00:00", "2026-11-09 01:00"),
        ("2026-11-04", "2026-11-10", "2026-11-10 11:20", "2026-10-28 00:00", "2026-11-03 12:00"),
        ("2026-11-01", "2026-11-30", "2026-11-10 11:20", "2026-10-02 00:00", "2026-10-11 12:00"),
        # The day of the clock change has 25 hours, and the one after it is compared by the clock.
        ("2026-10-26", "2026-10-26", "2026-10-26 11:20", "2026-10-25 00:00", "2026-10-25 12:00"),
        ("2026-03-29", "2026-03-29", "2026-03-29 03:20", "2026-03-28 00:00", "2026-03-28 04:00"),
    ],
)
def test_a_range_that_runs_is_compared_with_as_much_of_the_one_before(first, last, now, start, end):
    assert compared(first, last, now) == (start, end)


def test_a_range_that_runs_is_compared_with_as_much_of_the_year_before():
    assert compared("2026-11-04", "2026-11-10", "2026-11-10 11:20", year_before) == (
        "2025-11-04 00:00", "2025-11-10 12:00",
    )  # fmt: skip


@pytest.mark.parametrize(
    "now", ["2026-11-11 00:00", "2026-11-10 23:01", "2026-11-08 12:00", "2026-11-09 22:59"]
)
def test_a_range_that_is_over_or_has_not_begun_is_compared_as_a_whole(now):
    assert compared("2026-11-10", "2026-11-10", now) is None


@given(
    st.sampled_from(ZONES),
    st.dates(date(2005, 1, 1), date(2030, 1, 1)),
    st.integers(1, 40),
    st.integers(0, 40 * 24 * 60),
)
def test_what_is_compared_so_far_begins_with_the_other_range_and_ends_on_a_local_hour_within_it(
    zone, first, count, minutes
):
    span = Range(Days(first, first + timedelta(days=count - 1), ZoneInfo(zone)))
    before = previous_period(span)
    found = as_far(span, before, span.ends[0] + timedelta(minutes=minutes))
    if found is None:
        return
    (start, end), (other_start, other_end) = found.ends, before.ends
    assert start == other_start
    assert start < end < other_end
    assert hour_start(end, ZoneInfo(zone)) == end
