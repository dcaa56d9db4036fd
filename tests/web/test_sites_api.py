"""Plausible's Sites API, the people of a site, its links and tokens: what they make, find, refuse and remove."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.web.accounts_world import NODE, World, as_session

BASE = "/api/v1/sites"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    assert made.problems == []
    made.control.close()


async def api(
    world: World, token: str, method: str, path: str, body: Any = None, **given: Any
) -> httpx.Response:
    """One request of a program, which sends no Origin."""
    headers = {"authorization": f"Bearer {token}"}
    if body is not None:
        given["json"] = body
    return await world.ask(method, f"{BASE}{path}", headers=headers, **given)


async def test_a_site_is_made_found_renamed_and_removed(world: World) -> None:
    token = world.token("sites:manage")
    made = await api(world, token, "POST", "", {"domain": "New.example", "timezone": "Asia/Kolkata"})
    assert (made.status_code, made.json()) == (
        200, {"domain": "new.example", "timezone": "Asia/Kolkata"},
    )  # fmt: skip
    assert world.parts.sites.current.lookup("new.example") is not None
    again = await api(world, token, "POST", "", {"domain": "new.example"})
    assert (again.status_code, again.json()) == (
        400, {"error": "domain: new.example already belongs to the site new.example"},
    )  # fmt: skip
    form = await world.ask(
        "POST", BASE, data={"domain": "form.example"}, headers={"authorization": f"Bearer {token}"}
    )
    assert form.json()["timezone"] == "UTC"
    renamed = await api(world, token, "PUT", "/new.example", {"domain": "newer.example"})
    assert renamed.json()["domain"] == "newer.example"
    assert (await api(world, token, "GET", "/newer.example")).status_code == 200
    kept = world.parts.sites.current.lookup("new.example")
    assert kept is not None
    assert kept.domain == "newer.example"
    for body, word in (
        ({"timezone": "UTC"}, "domain"),
        ({"domain": "x.example", "timezone": "Berlin"}, "timezone"),
    ):
        refused = await api(world, token, "PUT", "/newer.example", body)
        assert (refused.status_code, refused.json()["error"].split(":")[0]) == (400, word)
    zoned = await api(world, token, "PUT", "/newer.example", {"domain": "newer.example", "timezone": "UTC"})
    assert zoned.json()["timezone"] == "UTC"
    assert (await api(world, token, "DELETE", "/new.example")).status_code == 400  # an alias is no site
    assert (await api(world, token, "DELETE", "/newer.example")).json() == {"deleted": True}
    assert world.parts.sites.current.lookup("newer.example") is None
    assert len(world.parts.eraser.book.ledger.open) == 1, "its data goes with it, as at Plausible"
    assert world.auditor.kinds() == [
        "site_added",
        "site_added",
        "site_changed",
        "site_changed",
        "erase_asked",
        "site_removed",
    ]


async def test_the_list_goes_in_pages_both_ways(world: World) -> None:
    for name in "cde":
        world.control.add_site(f"{name}.example", "UTC")
    world.reload_sites()
    token = world.token("sites:manage")

    async def page(**query: str) -> tuple[list[str], Any, Any]:
        answer = (await api(world, token, "GET", "", params=query)).json()
        return (
            [site["domain"][0] for site in answer["sites"]],
            answer["meta"]["before"],
            answer["meta"]["after"],
        )

    assert await page() == (["a", "b", "c", "d", "e"], None, None)
    assert await page(limit="2") == (["a", "b"], None, "b.example")
    assert await page(limit="2", after="b.example") == (["c", "d"], "c.example", "d.example")
    assert await page(limit="2", after="d.example") == (["e"], "e.example", None)
    assert await page(limit="2", before="c.example") == (["a", "b"], None, "b.example")
    assert await page(limit="2", before="e.example") == (["c", "d"], "c.example", "d.example")
    for limit in ("0", "1001", "x", "99999999999"):
        assert (await api(world, token, "GET", "", params={"limit": limit})).status_code == 400


async def test_a_put_that_is_sent_twice_changes_nothing(world: World) -> None:
    token = world.token("sites:manage", site=world.a)
    goals = [
        {"goal_type": "event", "event_name": "Signup"},
        {"goal_type": "page", "page_path": "/thanks"},
        {"goal_type": "page", "page_path": "/long/*", "scroll_threshold": 60},
    ]
    for body in goals:
        first, second = [
            (await api(world, token, "PUT", "/goals", {"site_id": "a.example", **body})).json()
            for _ in range(2)
        ]
        assert first == second
        assert {**first, **body} == first
    listed = (await api(world, token, "GET", "/goals", params={"site_id": "a.example"})).json()
    assert [goal["id"] for goal in listed["goals"]] == [1, 2, 3]
    links = [
        (await api(world, token, "PUT", "/shared-links", {"site_id": "a.example", "name": "board"})).json()
        for _ in range(2)
    ]
    assert links[0] == links[1]
    assert links[0]["url"].startswith(f"{NODE}/share/a.example?auth=")
    moved = await world.ask("GET", links[0]["url"])
    assert moved.headers["location"].startswith("/?site=a.example&auth=")
    removed = await api(world, token, "DELETE", "/goals/2", {"site_id": "a.example"})
    assert removed.json() == {"deleted": True}
    by_query = await api(world, token, "DELETE", "/goals/3", params={"site_id": "a.example"})
    assert by_query.json() == {"deleted": True}
    assert (await api(world, token, "DELETE", "/goals/2", {"site_id": "a.example"})).status_code == 400
    foreign = await api(world, token, "PUT", "/goals", {"site_id": "b.example", **goals[0]})
    assert foreign.status_code == 401


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "goal_type"),
        ({"goal_type": "video"}, "goal_type"),
        ({"goal_type": "event"}, "event_name"),
        ({"goal_type": "page", "page_path": 5}, "page_path"),
        ({"goal_type": "page", "page_path": "/a", "scroll_threshold": 101}, "scroll_depth"),
        ({"goal_type": "page", "page_path": "/a", "scroll_threshold": [1]}, "scroll_threshold"),
    ],
)
async def test_a_goal_that_is_none_is_refused_by_field(world: World, body: dict[str, Any], word: str) -> None:
    token = world.token("sites:manage", site=world.a)
    answer = await api(world, token, "PUT", "/goals", {"site_id": "a.example", **body})
    assert (answer.status_code, answer.json()["error"].split(":")[0]) == (400, word)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"[" * 50_000, b'{"site_id": "\xff"}', b'"x"', b"{}" + b" " * 70_000]
)
async def test_a_body_that_is_none_is_refused_and_breaks_nothing(world: World, content: bytes) -> None:
    token = world.token("sites:manage")
    for method, path in (("POST", ""), ("PUT", "/goals"), ("PUT", "/a.example")):
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        answer = await world.ask(method, f"{BASE}{path}", content=content, headers=headers)
        assert (answer.status_code, answer.json()["error"].split(":")[0]) == (400, "body")


async def test_the_site_that_was_judged_is_the_one_that_is_changed(world: World) -> None:
    """A body that names two sites must not be judged by one and done to the other."""
    session = world.session(world.user("ann@example.com", a="owner"))
    content = b'{"site": "b.example", "site": "a.example", "public": true}'
    headers = {"origin": NODE, "content-type": "application/json"}
    await world.ask("POST", "/api/sites/public", content=content, headers={**headers, **as_session(session)})
    assert world.accounts.directory.public_site_ids <= {world.a.id}
    content = content.replace(b"a.example", b"c.example").replace(b"b.example", b"a.example")
    content = content.replace(b"c.example", b"b.example")
    await world.ask("POST", "/api/sites/public", content=content, headers={**headers, **as_session(session)})
    assert world.accounts.directory.public_site_ids <= {world.a.id}


async def test_an_owner_gives_and_takes_roles_and_passes_a_link_on(world: World) -> None:
    owner = world.session(world.user("ann@example.com", a="owner"))
    body = {"site": "a.example", "email": "bob@example.com", "role": "viewer"}
    made = await world.post("/api/people", body, owner)
    assert made.status_code == 201
    secret = made.json()["setup_url"].partition("#")[2]
    setup = await world.post("/api/account/setup", {"link": secret, "password": "four plain words here"})
    assert setup.json()["account"]["email"] == "bob@example.com"
    changed = await world.post("/api/people", {**body, "role": "admin"}, owner)
    assert "setup_url" not in changed.json()
    people = await world.ask(
        "GET", "/api/people", params={"site": "a.example"}, headers={"cookie": f"statnive={owner}"}
    )
    assert people.json()["people"] == [
        {"email": "ann@example.com", "role": "owner", "is_invited": False},
        {"email": "bob@example.com", "role": "admin", "is_invited": False},
    ]
    await world.post("/api/people", {**body, "role": None}, owner)
    assert world.store.find("bob@example.com").roles == {}
    wrong = await world.post("/api/people", {**body, "role": "king"}, owner)
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (400, "role")


async def test_a_token_made_on_the_page_is_of_that_site_and_makes_none_that_may_do_more(world: World) -> None:
    admin = world.session(world.user("ann@example.com", a="admin"))
    wish = {"site": "a.example", "name": "ci", "scopes": ["sites:manage"], "days": 30}
    made = (await world.post("/api/tokens", wish, admin)).json()
    assert (made["sites"], made["scopes"]) == (["a.example"], ["sites:manage"])
    bearer = {"authorization": f"Bearer {made['secret']}"}
    more = {**wish, "name": "more", "scopes": ["sites:manage", "stats:read"]}
    refused = await world.ask("POST", "/api/tokens", json=more, headers=bearer)
    assert (refused.status_code, "stats:read" in refused.text) == (403, True)
    same = await world.ask("POST", "/api/tokens", json={**wish, "name": "same"}, headers=bearer)
    assert same.status_code == 201
    everything = world.token("stats:read")
    listed = await world.ask("GET", "/api/tokens", params={"site": "a.example"}, headers=bearer)
    assert [token["name"] for token in listed.json()["tokens"]] == ["ci", "same"]
    assert made["secret"] not in listed.text
    numbers = {token.name: token.id for token in world.control.list_tokens()}
    foreign = {"site": "a.example", "id": numbers[everything[:20]]}
    assert (await world.post("/api/tokens/revoke", foreign, admin)).status_code == 400
    assert (
        await world.post("/api/tokens/revoke", {"site": "a.example", "id": made["id"]}, admin)
    ).status_code == 200
    assert (
        await world.ask("GET", "/api/tokens", params={"site": "a.example"}, headers=bearer)
    ).status_code == 401


async def test_an_operator_adds_sites_and_users_and_is_told_what_is_wrong(world: World) -> None:
    root = world.session(world.user("root@example.com", operator=True))
    assert (await world.post("/api/sites", {"domain": "c.example"}, root)).status_code == 201
    wrong = await world.post("/api/sites", {"domain": "c d"}, root)
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (400, "domain")
    unknown = await world.post("/api/sites/remove", {"site": "none.example"}, root)
    assert (unknown.status_code, unknown.json()["error"]["field"]) == (404, "site")
    assert (await world.post("/api/sites/remove", {"site": "c.example"}, root)).status_code == 200
    made = await world.post("/api/users", {"email": "Eve@example.com", "operator": True}, root)
    assert made.json()["setup_url"].startswith(f"{NODE}/setup#")
    for body in (
        {"email": "x"},
        {"email": "e@example.com", "operator": "yes"},
        {"mail": "e@example.com"},
        [],
    ):
        assert (await world.post("/api/users", body, root)).status_code == 400
