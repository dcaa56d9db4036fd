"""Erasing and retention by HTTP: what the owner may, what is said before, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statnive.clickhouse.erase import ON_A_CLUSTER
from statnive.erasures import DAY_LAST, REQUEST, RETENTION, Span
from tests.web.accounts_world import as_session
from tests.web.test_settings import PAGE, Web


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    yield made
    made.control.close()


def open_erasures(web: Web) -> Any:
    return web.parts.eraser.book.ledger.open


def site_id(web: Web) -> int:
    return int(web.parts.sites.current.lookup("example.com").id)


def test_a_dry_run_says_what_would_go_and_changes_nothing(web: Web) -> None:
    wish = {"site": "example.com", "from": "2026-11-01", "to": "2026-11-30", "dry_run": True}
    answer = web.change("/api/erase", wish)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "site": "example.com", "from": "2026-11-01", "to": "2026-11-30",
            "rows": {"events_raw": 5, "daily_pages": 2}, "first_day": "2026-11-01", "last_day": "2026-11-02",
            "months": 1,
        },
    )  # fmt: skip
    assert open_erasures(web) == ()


def test_an_erasure_is_written_down_before_it_is_answered_and_shown_as_it_goes_on(web: Web) -> None:
    answer = web.change("/api/erase", {"site": "example.com", "from": "2026-11-01"})
    assert answer.status_code == 202
    found = answer.json()
    assert (found["state"], found["from"], found["to"]) == ("waiting", "2026-11-01", None)
    (erasure,) = open_erasures(web)
    first = (erasure.events[0].first - 20_758, erasure.events[0].last)
    assert (first, erasure.events, erasure.kind) == ((0, DAY_LAST), erasure.rollups, REQUEST)
    record = dict(web.auditor.records)["erase_asked"]
    assert (record["site_id"], record["first"], record["by"]) == (site_id(web), "2026-11-01", "user 1")
    web.parts.eraser.book.change(lambda ledger: ledger.begin(erasure.id, 7, 9, [202611]))
    shown = web.request("GET", "/api/erasures?site=example.com").json()["erasures"]
    assert [(one["state"], one["months"], one["months_done"]) for one in shown] == [("running", 1, 0)]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/erase", {"site": "example.com", "from": "yesterday"}, "from"),
        ("/api/erase", {"site": "example.com", "to": "2026-11-31"}, "to"),
        ("/api/erase", {"site": "example.com", "from": "2026-11-02", "to": "2026-11-01"}, "to"),
        ("/api/erase", {"site": "example.com", "from": "1969-12-31"}, "from"),
        ("/api/erase", {"site": "example.com", "all": True}, "body"),
        ("/api/retention", {"site": "example.com", "keep_events": "3d"}, "keep_events"),
        ("/api/retention", {"site": "example.com", "keep_counts": "13m"}, "keep_counts"),
    ],
)
def test_a_bad_body_is_refused_by_its_field(web: Web, path: str, body: Any, field: str) -> None:
    answer = web.change(path, body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field), answer.text
    assert open_erasures(web) == ()


def test_only_an_owner_erases_and_sets_the_retention(web: Web) -> None:
    for role, status in (("viewer", 403), ("admin", 403), ("owner", 202)):
        email = f"{role}@example.com"
        web.user(email)
        web.store.set_role(email, site_id(web), role)
        web.accounts.reload()
        web.page = {**PAGE, **as_session(web.session(web.store.find(email).id))}
        assert web.change("/api/erase", {"site": "example.com"}).status_code == status
        kept = web.change("/api/retention", {"site": "example.com", "keep_events": "90d"})
        assert kept.status_code == (200 if status == 202 else status)


def test_retention_is_set_shown_and_applied_at_once_on_demand(web: Web) -> None:
    answer = web.change("/api/retention", {"site": "example.com", "keep_events": "90d"})
    assert (answer.status_code, answer.json()["applied"]) == (200, None)
    assert (web.settings()["keep_events"], web.settings()["keep_counts"]) == ("90d", "")
    assert ("retention_changed", "90d") in [
        (kind, fields.get("events")) for kind, fields in web.auditor.records
    ]
    answer = web.change("/api/retention", {"site": "example.com", "apply": True})
    assert answer.json()["applied"]["why"] == RETENTION
    today = int(web.now // 86_400)
    assert open_erasures(web)[0].events == (Span(site_id(web), 0, today - 91),)
    assert web.change("/api/retention", {"site": "example.com", "apply": True}).json()["applied"] is None
    number = open_erasures(web)[0].id
    web.parts.eraser.book.change(lambda ledger: ledger.begin(number, 7, 9, []))
    web.reload_sites()
    assert web.settings()["events_from"] is not None


def test_removing_a_site_asks_for_its_data_to_go_before_the_site_is_forgotten(web: Web) -> None:
    number = site_id(web)
    answer = web.change("/api/sites/remove", {"site": "example.com", "erase": True})
    assert answer.json() == {"site": "example.com", "erasure": 1}
    assert open_erasures(web)[0].events == (Span(number, 0, DAY_LAST),)
    assert web.parts.sites.current.lookup("example.com") is None


def test_a_removed_site_keeps_its_data_unless_that_is_asked_for(web: Web) -> None:
    assert web.change("/api/sites/remove", {"site": "example.com"}).json()["erasure"] is None
    assert open_erasures(web) == ()


def test_on_a_cluster_nothing_is_promised(web: Web) -> None:
    web.parts.eraser.is_refused = ON_A_CLUSTER
    assert web.change("/api/erase", {"site": "example.com"}).json()["error"]["message"] == ON_A_CLUSTER
    answer = web.change("/api/retention", {"site": "example.com", "keep_events": "90d"})
    assert (answer.status_code, web.settings()["keep_events"]) == (400, "")
    assert web.change("/api/sites/remove", {"site": "example.com", "erase": True}).status_code == 400
    assert open_erasures(web) == ()
