from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statnive.ingest.local_time import LocalTime

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Asia/Kolkata",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Tehran",
    "Pacific/Apia",
    "America/Santiago",
    "Asia/Beirut",
]


@given(st.sampled_from(ZONES), st.integers(946_684_800, 2_000_000_000))
def test_day_and_hour_are_the_sites_local_ones(zone: str, ts: int) -> None:
    day, hour, day_age_s = LocalTime(zone).at(ts)
    local = datetime.fromtimestamp(ts, ZoneInfo(zone))
    assert date(1970, 1, 1) + timedelta(days=day) == local.date()
    assert 0 <= ts - hour < 3_600
    began = ts - ts % 900 - day_age_s
    assert datetime.fromtimestamp(began, ZoneInfo(zone)).date() == local.date()
    assert datetime.fromtimestamp(began - 1, ZoneInfo(zone)).date() < local.date()
    assert ts - hour == local.minute * 60 + local.second


def test_half_hour_zones_begin_their_hours_at_half_past() -> None:
    ts = int(datetime(2026, 1, 1, 5, 45, tzinfo=UTC).timestamp())
    assert datetime.fromtimestamp(LocalTime("Asia/Kolkata").at(ts)[1], UTC).minute == 30


def test_a_day_that_has_no_midnight_is_young_when_it_begins() -> None:
    one_oclock = int(datetime(2026, 9, 6, 1, tzinfo=ZoneInfo("America/Santiago")).timestamp())
    clock = LocalTime("America/Santiago")
    assert clock.at(one_oclock - 1).day == clock.at(one_oclock).day - 1
    assert clock.at(one_oclock + 59).day_age_s == 0


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)]
)
def test_a_day_has_the_hours_it_has(day: date, hours: int) -> None:
    clock = LocalTime("Europe/Berlin")
    number = (day - date(1970, 1, 1)).days
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
    seen = {clock.at(ts)[1] for ts in range(noon - 86_400, noon + 86_400, 900) if clock.at(ts)[0] == number}
    assert len(seen) == hours
