"""Answers say which of their days are gone."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from statnive.control.snapshot import Site
from statnive.erasures import Removed, day_number
from statnive.query.ranges import Days
from statnive.query.removed import gone_of, json_of, warnings_of

ZONE = ZoneInfo("UTC")
MARCH = Days(date(2026, 3, 1), date(2026, 3, 31), ZONE)


def day(text: str) -> int:
    return day_number(date.fromisoformat(text))


def site(**removed: object) -> Site:
    return Site(1, "a.example", "UTC", frozenset(), removed=Removed(**removed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("events_from", "source", "found"),
    [
        ("2026-03-11", "raw", [("2026-03-01", "2026-03-10", "events")]),
        ("2026-03-11", "rollup", []),
        ("2026-03-01", "raw", []),
        ("2026-05-01", "raw", [("2026-03-01", "2026-03-31", "events")]),
    ],
)
def test_events_that_are_gone_are_missed_by_what_is_made_of_events_only(
    events_from: str, source: str, found: list[tuple[str, str, str]]
) -> None:
    gone = json_of(gone_of(site(events_from=day(events_from)), MARCH, source))  # type: ignore[arg-type]
    assert [(one["from"], one["to"], one["what"]) for one in gone] == found


@pytest.mark.parametrize("source", ["raw", "rollup"])
def test_counts_that_are_gone_and_what_was_erased_on_request_are_missed_by_all(source: str) -> None:
    floor, spans = (
        day("2026-03-05"),
        ((day("2026-02-01"), day("2026-02-20")), (day("2026-03-30"), day("2026-04-02"))),
    )
    gone = gone_of(site(events_from=floor, counted_from=floor, spans=spans), MARCH, source)  # type: ignore[arg-type]
    assert json_of(gone) == [
        {"from": "2026-03-01", "to": "2026-03-04", "why": "retention", "what": "counts"},
        {"from": "2026-03-30", "to": "2026-03-31", "why": "request", "what": "counts"},
    ]
    assert warnings_of(gone) == (
        "The days from 2026-03-01 to 2026-03-04 are removed, as the site keeps its counts for a limited time.",
        "The days from 2026-03-30 to 2026-03-31 were erased on request; what came since is counted.",
    )


def test_a_site_of_which_nothing_was_erased_has_nothing_to_say() -> None:
    assert gone_of(Site(1, "a.example", "UTC", frozenset()), MARCH, "raw") == ()
