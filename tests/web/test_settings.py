"""The settings routes: what they change, what they show, and who is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import trio

from statnive.actors.audit_record import RECORDS
from statnive.control.snapshot import SnapshotHolder
from statnive.control.store import ControlStore
from statnive.ingest.drops import Drops
from statnive.web import app, settings

PAGE = {"host": "stats.example", "origin": "https://stats.example", "sec-fetch-site": "same-origin"}
ALIAS = {"site": "example.com", "host": "www2.example.com"}


class Web:
    """The routes over a store of their own, called by a browser at `client`."""

    def __init__(self, store: ControlStore) -> None:
        self.records: list[str] = []
        self.parts: Any = SimpleNamespace(
            store=store,
            sites=SnapshotHolder(store.snapshot()),
            drops=Drops(lambda: 1_700_000_000.0, 10, 10),
            report=lambda kind, text: None,
            auditor=SimpleNamespace(record=self.record),
            reload_sites=self.reload,
        )
        self._app = app._starlette(self.parts, settings.routes(self.parts))

    def record(self, kind: str, **fields: object) -> None:
        assert kind in RECORDS
        self.records.append(kind)

    def reload(self) -> None:
        self.parts.sites.current = self.parts.store.snapshot()

    def ask(
        self, method: str, path: str, body: object = None, *, client: str = "192.0.2.1", **headers: str
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, client=(client, 1))
        sent = {**PAGE, **{name.replace("_", "-"): value for name, value in headers.items()}}

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://node") as http:
                return await http.request(method, path, json=body, headers=sent)

        return trio.run(ask)

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        return self.ask("POST", path, body, **headers)

    def settings(self) -> Any:
        answer = self.ask("GET", "/api/settings?site=example.com")
        assert answer.status_code == 200
        return answer.json()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with ControlStore.open(tmp_path / "control.db") as store:
        store.add_site("example.com", "UTC")
        yield Web(store)


def test_every_change_is_shown_and_is_in_the_snapshot_that_ingest_reads(web: Web) -> None:
    lists = {"networks": ["192.0.2.0/24"], "pages": ["/admin/**"], "countries": [], "hostnames": []}
    changed = {"site": "example.com", "timezone": "Asia/Kolkata", "currency": "inr", "exclusions": lists}
    assert web.post("/api/settings", changed).status_code == 200
    web.parts.drops.unknown_site("www2.example.com")
    assert web.post("/api/aliases", ALIAS).status_code == 201
    assert web.parts.drops.report()["unknown_sites"] == []
    goal = {"site": "example.com", "kind": "event", "target": "Signup"}
    assert web.post("/api/goals", goal).status_code == 201
    steps = [{"page": "/"}, {"event": "Signup"}]
    assert web.post("/api/funnels", {"site": "example.com", "name": "F", "steps": steps}).status_code == 201
    segment = {"site": "example.com", "name": "S", "filters": [["is", "visit:source", ["Google"]]]}
    assert web.post("/api/segments", segment).status_code == 201
    found = web.settings()
    assert (found["timezone"], found["currency"], found["exclusions"]) == ("Asia/Kolkata", "INR", lists)
    assert (found["aliases"], [goal["name"] for goal in found["goals"]]) == (["www2.example.com"], ["Signup"])
    assert (found["funnels"][0]["steps"], found["segments"][0]["name"]) == (steps, "S")
    site = web.parts.sites.current.lookup("www2.example.com")
    assert (site.domain, site.exclusions.pages) == ("example.com", ("/admin/**",))
    for kind in ("goals", "funnels", "segments"):
        assert web.post(f"/api/{kind}/1/remove", {"site": "example.com"}).status_code == 200
        assert web.settings()[kind] == []
    assert web.post("/api/aliases/remove", ALIAS).status_code == 200
    assert web.settings()["aliases"] == []


def test_a_site_is_added_from_the_browser(web: Web) -> None:
    added = web.post("/api/sites", {"domain": "new.example", "timezone": "Europe/Berlin"})
    assert added.status_code == 201
    assert web.parts.sites.current.lookup("new.example").timezone == "Europe/Berlin"
    again = web.post("/api/sites", {"domain": "new.example", "timezone": "UTC"})
    assert (again.status_code, again.json()["error"]["field"]) == (400, "domain")


def test_a_refusal_names_the_field_and_changes_nothing(web: Web) -> None:
    before = web.settings()
    for body, field in (
        ({"timezone": "Berlin"}, "timezone"),
        ({"currency": "euro"}, "currency"),
        ({"exclusions": {"networks": ["300.0.0.1"]}}, "networks"),
        ({"colour": "red"}, "body"),
    ):
        answer = web.post("/api/settings", {"site": "example.com", **body})
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
    steps = web.post("/api/funnels", {"site": "example.com", "name": "F", "steps": [{"page": "/"}]})
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
        {
            "client": "127.0.0.1",
            "host": "evil.example",
            "origin": "http://evil.example",
        },  # a name pointed to us
    ],
)
def test_a_page_of_another_site_changes_nothing(web: Web, headers: dict[str, str]) -> None:
    for path in ("/api/aliases", "/api/settings", "/api/sites", "/api/goals/1/remove"):
        assert web.post(path, ALIAS, **headers).status_code == 403
    assert web.records == ["csrf_refused"] * 4
    assert web.settings()["aliases"] == []


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "stats.localhost"])
def test_this_machine_s_own_pages_may(web: Web, host: str) -> None:
    answer = web.post("/api/aliases", ALIAS, client="127.0.0.1", host=host, origin=f"http://{host}")
    assert answer.status_code == 201
