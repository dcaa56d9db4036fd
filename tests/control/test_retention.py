"""Terms of retention, and the first day that they keep."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from statnive.control import retention
from statnive.control.snapshot import Retention, Site
from statnive.control.store import ControlStore
from statnive.erasures import day_text
from statnive.errors import Rejected

NOW = datetime(2026, 12, 1, 1, 30, tzinfo=UTC).timestamp()


def floors(
    events: str, counts: str = "", timezone: str = "UTC", *, now: float = NOW, **more: object
) -> list[str]:
    site = Site(5, "a.example", timezone, frozenset(), retention=Retention(events, counts))
    found = retention.floors([site], now, more.pop("open_s", 1_800.0), **more)[5]  # type: ignore[arg-type]
    return [day_text(day) if day else "" for day in found]


@pytest.mark.parametrize(
    ("events", "counts", "found"),
    [
        ("90d", "", ["2026-09-02", ""]),
        ("7d", "400d", ["2026-11-24", "2025-10-27"]),
        ("1m", "12m", ["2026-11-01", "2025-12-01"]),
        ("11m", "120m", ["2026-01-01", "2016-12-01"]),
    ],
)
def test_a_term_keeps_its_days_before_today_or_its_whole_months(
    events: str, counts: str, found: list[str]
) -> None:
    assert floors(events, counts) == found


def test_the_day_is_the_site_s_own() -> None:
    assert floors("7d", timezone="Pacific/Kiritimati") == ["2026-11-24", ""]
    assert floors("7d", timezone="America/New_York") == ["2026-11-23", ""]
    assert floors("1m", timezone="America/New_York") == ["2026-10-01", ""], "there it is November yet"


def test_days_in_which_the_log_or_a_visit_may_still_reach_are_kept_whatever_is_set() -> None:
    assert floors("7d", open_s=20 * 86_400) == ["2026-11-10", ""]


def test_a_site_without_a_term_is_left_alone() -> None:
    assert retention.floors([Site(1, "a.example", "UTC", frozenset())], NOW, 1_800) == {}


@pytest.mark.parametrize(("given", "kept"), [("090D", "90d"), (" 13m ", "13m"), ("", "")])
def test_a_term_has_one_spelling(given: str, kept: str) -> None:
    assert retention.checked(given, "").events == kept


@pytest.mark.parametrize("term", ["6d", "3661d", "0m", "121m", "90", "d", "-7d", "1y", "7.5d", "٩٠d", "90d0"])
def test_other_terms_are_refused_with_what_is_allowed(term: str) -> None:
    with pytest.raises(Rejected, match="keep_events: must be 7d to 3660d"):
        retention.checked(term, "")


@pytest.mark.parametrize(
    ("events", "counts"), [("", "13m"), ("90d", "89d"), ("13m", "12m"), ("13m", "400d"), ("90d", "3m")]
)
def test_counts_are_kept_as_long_as_their_events(events: str, counts: str) -> None:
    """90 days are never within 3 months, as February has 28: what is not certain is refused."""
    if (events, counts) == ("90d", "3m"):
        assert retention.checked("84d", counts)
    with pytest.raises(Rejected, match="keep_counts"):
        retention.checked(events, counts)


def test_a_change_counts_from_the_site_s_next_day_on_and_can_be_taken_back(tmp_path: Path) -> None:
    now = NOW
    with ControlStore.open(tmp_path / "control.db", now_s=lambda: now) as store:
        store.add_site("a.example", "UTC")
        site = store.set_retention("a.example", retention.checked("7d", ""))
        assert store.list_sites() == [site]
        assert retention.floors([site], NOW, 0) == {}
        assert retention.floors([site], NOW, 0, at_once=True).keys() == {site.id}
        assert retention.floors([site], NOW + 86_400, 0).keys() == {site.id}
        assert store.set_retention("a.example", retention.checked("", "")).retention is None
        assert store.list_sites()[0].retention is None
