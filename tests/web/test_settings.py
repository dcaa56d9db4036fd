"""The settings routes: what they change, what they show, and who is refused."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from tests.web.accounts_world import World, as_session

PAGE = {"host": "stats.example", "origin": "https://stats.example", "sec-fetch-site": "same-origin"}
ALIAS = {"site": "example.com", "host": "www2.example.com"}


class Web(World):
    """The routes as a node serves them to the signed-in owner of example.com, who is the node's operator."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.control.add_site("example.com", "UTC")
        self.reload_sites()
        self.page = {**PAGE, **as_session(self.session(self.user("ann@example.com", operator=True)))}

    def request(
        self, method: str, path: str, body: object = None, *, client: str = "192.0.2.1", **headers: str
    ) -> httpx.Response:
        sent = {**self.page, **{name.replace("_", "-"): value for name, value in headers.items()}}
        content = None if body is None else msgspec.json.encode(body)
        sent = {"content-type": "application/json", **sent}
        return trio.run(partial(self.ask, method, path, address=client, content=content, headers=sent))

    def change(self, path: str, body: object, **headers: str) -> httpx.Response:
        return self.request("POST", path, body, **headers)

    def settings(self) -> Any:
        answer = self.request("GET", "/api/settings?site=example.com")
        assert answer.status_code == 200
        return answer.json()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    yield made
    made.control.close()


def test_every_change_is_shown_and_is_in_the_snapshot_that_ingest_reads(web: Web) -> None:
    lists = {"networks": ["192.0.2.0/24"], "pages": ["/admin/**"], "countries": [], "hostnames": []}
    changed = {"site": "example.com", "timezone": "Asia/Kolkata", "currency": "inr", "exclusions": lists}
    assert web.change("/api/settings", changed).status_code == 200
    web.parts.drops.unknown_site("www2.example.com")
    assert web.change("/api/aliases", ALIAS).status_code == 201
    assert web.parts.drops.report()["unknown_sites"] == []
    goal = {"site": "example.com", "kind": "event", "target": "Signup"}
    assert web.change("/api/goals", goal).status_code == 201
    steps = [{"page": "/"}, {"event": "Signup"}]
    assert web.change("/api/funnels", {"site": "example.com", "name": "F", "steps": steps}).status_code == 201
    segment = {"site": "example.com", "name": "S", "filters": [["is", "visit:source", ["Google"]]]}
    assert web.change("/api/segments", segment).status_code == 201
    found = web.settings()
    assert (found["timezone"], found["currency"], found["exclusions"]) == ("Asia/Kolkata", "INR", lists)
    assert (found["aliases"], [goal["name"] for goal in found["goals"]]) == (["www2.example.com"], ["Signup"])
    assert (found["funnels"][0]["steps"], found["segments"][0]["name"]) == (steps, "S")
    site = web.parts.sites.current.lookup("www2.example.com")
    assert (site.domain, site.exclusions.pages) == ("example.com", ("/admin/**",))
    for kind in ("goals", "funnels", "segments"):
        assert web.change(f"/api/{kind}/1/remove", {"site": "example.com"}).status_code == 200
        assert web.settings()[kind] == []
    assert web.change("/api/aliases/remove", ALIAS).status_code == 200
    assert web.settings()["aliases"] == []


def test_a_site_is_added_from_the_browser(web: Web) -> None:
    added = web.change("/api/sites", {"domain": "new.example", "timezone": "Europe/Berlin"})
    assert added.status_code == 201
    assert web.parts.sites.current.lookup("new.example").timezone == "Europe/Berlin"
    again = web.change("/api/sites", {"domain": "new.example", "timezone": "UTC"})
    assert (again.status_code, again.json()["error"]["field"]) == (400, "domain")


def test_a_refusal_names_the_field_and_changes_nothing(web: Web) -> None:
    before = web.settings()
    for body, field in (
        ({"timezone": "Berlin"}, "timezone"),
        ({"currency": "euro"}, "currency"),
        ({"exclusions": {"networks": ["300.0.0.1"]}}, "networks"),
        ({"colour": "red"}, "body"),
    ):
        answer = web.change("/api/settings", {"site": "example.com", **body})
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
    steps = web.change("/api/funnels", {"site": "example.com", "name": "F", "steps": [{"page": "/"}]})
    assert (steps.status_code, steps.json()["error"]["field"]) == (400, "steps")
    assert web.settings() == before


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"content_type": "text/plain"},
        {"x_statnive_csrf": "0" * 32},
    ],
)
def test_a_page_of_another_site_changes_nothing(web: Web, headers: dict[str, str]) -> None:
    for path in ("/api/aliases", "/api/settings", "/api/sites", "/api/goals/1/remove"):
        assert web.change(path, ALIAS, **headers).status_code == 403
    assert web.auditor.kinds() == ["csrf_refused"] * 4
    assert web.settings()["aliases"] == []


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "stats.localhost"])
def test_this_machine_s_own_pages_may(web: Web, host: str) -> None:
    answer = web.change("/api/aliases", ALIAS, client="127.0.0.1", host=host, origin=f"http://{host}")
    assert answer.status_code == 201
