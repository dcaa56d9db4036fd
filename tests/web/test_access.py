"""Who may call what: every route, called by everybody, against a table written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from statnive.query.catalog import REPORTS
from statnive.web import app, plausible
from statnive.web.access import ANYONE, VIEW, AccessRefused, Guarded, in_query
from statnive.web.token_gate import TokenRefused
from tests.web.accounts_world import NODE, World, as_session

PROBED = 299  # the endpoint was reached

ALL_ROLES = {"viewer", "admin", "owner", "operator"}
READERS = {*ALL_ROLES, "link", "read token", "all-sites read token"}
SIGNED_IN = {*ALL_ROLES, "foreign owner", "without a role"}
MANAGERS = {"admin", "owner", "operator", "manage token", "all-sites manage token"}
NOBODY_ELSE = {"operator"}
EVERYBODY = {
    *SIGNED_IN, "anonymous", "disabled", "ended session", "idle session", "made-up cookie",
    "link", "foreign link", "locked link", "expired link",
    "read token", "manage token", "write token", "foreign read token", "foreign write token",
    "all-sites read token", "all-sites manage token", "all-sites write token",
    "expired token", "revoked token", "unknown token",
}  # fmt: skip
INSIDERS = {*ALL_ROLES, "link"}  # who may know that there is such a site
READ_TOKENS = {"read token", "all-sites read token"}
KNOWING_TOKENS = {*READ_TOKENS, "manage token", "all-sites manage token"}
MANAGE_TOKENS = {"manage token", "all-sites manage token"}
WRITE_TOKENS = {"write token", "all-sites write token"}
LISTING = {*SIGNED_IN, "link", "foreign link", *KNOWING_TOKENS, "foreign read token"}

# What a browser and everybody else may call, by method and path.
MAY: dict[tuple[str, str], set[str]] = {
    ("GET", "/{path:path}"): EVERYBODY,
    ("GET", "/share/{domain}"): EVERYBODY,
    ("GET", "/readyz"): EVERYBODY,
    ("GET", "/api/health"): EVERYBODY,
    ("GET", "/api/openapi.json"): EVERYBODY,
    ("GET", "/api/account"): EVERYBODY,
    ("POST", "/api/account/login"): EVERYBODY,
    ("POST", "/api/account/setup"): EVERYBODY,
    ("POST", "/api/account/setup/look"): EVERYBODY,
    ("POST", "/api/account/passkey/begin"): EVERYBODY,
    ("POST", "/api/account/passkey"): EVERYBODY,
    ("POST", "/api/links/open"): EVERYBODY,
    ("GET", "/api/stats/refresh"): EVERYBODY,  # only to say that it is a POST
    **{
        ("POST", f"/api/account/{path}"): SIGNED_IN
        for path in ("logout", "password", "totp/begin", "totp", "totp/remove", "recovery", "sessions/end")
    },
    ("GET", "/api/account/sessions"): SIGNED_IN,
    ("GET", "/api/account/passkeys"): SIGNED_IN,
    **{("POST", f"/api/account/passkeys{path}"): SIGNED_IN for path in ("", "/begin", "/remove")},
    ("GET", "/api/operator/drops"): NOBODY_ELSE,
    ("GET", "/api/operator/status"): NOBODY_ELSE,
    ("GET", "/metrics"): {"operator", "all-sites read token"},
    ("GET", "/api/sites"): LISTING,
    ("GET", "/api/stats/sites"): LISTING,
    ("GET", "/badge/{domain}.svg"): READERS,
    ("GET", "/api/notes"): READERS,
    ("GET", "/api/settings"): READERS | MANAGERS,
    **{
        ("POST", f"/api/{path}"): MANAGERS
        for path in (
            "settings", "aliases", "aliases/remove", "goals", "goals/{id:int}/remove", "segments",
            "segments/{id:int}/remove", "funnels", "funnels/{id:int}/remove", "notes", "notes/{id:int}/remove",
        )
    },
    ("GET", "/api/segments"): READERS,
    **{
        ("GET", f"/api/stats/{name}"): READERS
        for name in (*REPORTS, "overview", "trend", "funnel", "journeys", "bots", "export", "realtime")
    },
    ("POST", "/api/stats/refresh"): READERS,
    ("GET", "/api/users"): NOBODY_ELSE,
    ("POST", "/api/users"): NOBODY_ELSE,
    ("POST", "/api/users/disable"): NOBODY_ELSE,
    ("POST", "/api/users/enable"): NOBODY_ELSE,
    ("POST", "/api/users/link"): NOBODY_ELSE,
    ("POST", "/api/sites"): NOBODY_ELSE,
    ("GET", "/api/people"): {"owner", "operator"},
    ("POST", "/api/people"): {"owner", "operator"},
    ("POST", "/api/sites/remove"): {"owner", "operator"},
    ("GET", "/api/erasures"): {"owner", "operator"},
    ("POST", "/api/erase"): {"owner", "operator"},
    ("POST", "/api/retention"): {"owner", "operator"},
    ("POST", "/api/sites/public"): MANAGERS,
    ("GET", "/api/links"): MANAGERS,
    ("POST", "/api/links"): MANAGERS,
    ("POST", "/api/links/remove"): MANAGERS,
    ("GET", "/api/tokens"): MANAGERS,
    ("POST", "/api/tokens"): MANAGERS,
    ("POST", "/api/tokens/revoke"): MANAGERS,
    ("POST", "/api/v2/query"): READ_TOKENS,
    **{("GET", f"/api/v1/stats/{kind}"): READ_TOKENS for kind in ("aggregate", "timeseries", "breakdown")},
    ("GET", "/api/v1/stats/realtime/visitors"): READ_TOKENS,
    ("POST", "/api/v1/events"): WRITE_TOKENS,
    ("GET", "/api/v1/sites"): {*KNOWING_TOKENS, "foreign read token"},
    ("POST", "/api/v1/sites"): {"all-sites manage token"},
    ("GET", "/api/v1/sites/goals"): KNOWING_TOKENS,
    ("PUT", "/api/v1/sites/goals"): MANAGE_TOKENS,
    ("DELETE", "/api/v1/sites/goals/{goal}"): MANAGE_TOKENS,
    ("PUT", "/api/v1/sites/shared-links"): MANAGE_TOKENS,
    ("GET", "/api/v1/sites/{domain}"): KNOWING_TOKENS,
    ("PUT", "/api/v1/sites/{domain}"): MANAGE_TOKENS,
    ("DELETE", "/api/v1/sites/{domain}"): {"all-sites manage token"},
}  # fmt: skip


class Crowd(World):
    """One of everybody, with the headers by which each is known. All ask for the site a.example."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        idle = self.session(self.user("idle@a.example", a="owner"))
        self.now += self.accounts.config.session_idle_s + 1
        people = {
            "viewer": self.user("viewer@a.example", a="viewer"),
            "admin": self.user("admin@a.example", a="admin", b="viewer"),
            "owner": self.user("owner@a.example", a="owner"),
            "foreign owner": self.user("owner@b.example", b="owner"),
            "without a role": self.user("nothing@a.example"),
            "operator": self.user("root@a.example", operator=True),
            "disabled": self.user("gone@a.example", a="owner"),
        }
        self.headers = {name: as_session(self.session(number)) for name, number in people.items()}
        self.store.disable("gone@a.example")
        self.headers["ended session"] = as_session(self.session(people["owner"]))
        last = max(self.store.directory().sessions.values(), key=lambda session: session.id)
        self.store.end_sessions(people["owner"], last.id)
        self.headers["idle session"] = as_session(idle)
        self.headers["anonymous"] = {}
        self.headers["made-up cookie"] = as_session("A" * 43)
        for name, secret in (
            ("link", self.link(self.a, "one")),
            ("foreign link", self.link(self.b, "two")),
            ("locked link", self.link(self.a, "three", password="open sesame")),
        ):
            # A link has its own rights, whatever cookie comes with it.
            self.headers[name] = {"x-statnive-link": secret, **self.headers["operator"]}
        self.headers["expired link"] = {"x-statnive-link": self.link(self.a, "four", days=1)}
        tokens = {
            "read token": self.token("stats:read", site=self.a),
            "manage token": self.token("sites:manage", site=self.a),
            "write token": self.token("events:write", site=self.a),
            "foreign write token": self.token("events:write", site=self.b),
            "all-sites write token": self.token("events:write"),
            "foreign read token": self.token("stats:read", site=self.b),
            "all-sites read token": self.token("stats:read"),
            "all-sites manage token": self.token("sites:manage"),
            "expired token": self.token("stats:read", "sites:manage", days=1),
            "revoked token": self.token("stats:read", "sites:manage"),
            "unknown token": "stnv_" + "A" * 43,
        }
        self.control.revoke_token(self.control.list_tokens()[-1].id)
        self.now += 86_401  # the expired ones are now
        self.reload_sites()
        self.tokens.reload()
        for name, secret in tokens.items():
            self.headers[name] = {"authorization": f"Bearer {secret}", **self.headers["operator"]}

    def probe(self, route: Guarded) -> Any:
        """An app of this one route, behind the gate, that says when its endpoint was reached."""

        async def endpoint(request: Request) -> Response:
            return PlainTextResponse("reached", PROBED)

        probed = Guarded(route.path, endpoint, access=route.access, methods=route.methods, site=route.site)
        return app._starlette(self.parts, self.gate.routes([probed]))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    made = Crowd(tmp_path_factory.mktemp("crowd"))
    yield made
    made.control.close()


def every_route(world: World) -> dict[tuple[str, str], Guarded]:
    found: dict[tuple[str, str], Guarded] = {}
    for route in (*app.public_routes(world.parts), *plausible.routes(world.parts)):
        assert isinstance(route, Guarded)
        for method in route.methods:
            assert (method, route.path) not in found, f"{method} {route.path} is there twice"
            found[method, route.path] = route
    return found


def filled(path: str, domain: str) -> str:
    """The path with something in place of its parameters."""
    for name, value in (("domain", domain), ("goal", "1"), ("id:int", "1"), ("path:path", "x")):
        path = path.replace(f"{{{name}}}", value)
    return path.replace("//", "/")


def asked_for(domain: str) -> dict[str, str]:
    """Every way in which a request names its site."""
    return {
        "site": domain,
        "site_id": domain,
        "domain": domain,
        "name": "pageview",
        "url": "https://x.example/",
    }


def test_every_route_is_in_the_table_and_everything_in_the_table_is_a_route(crowd: Crowd) -> None:
    assert set(every_route(crowd)) == set(MAY)


@pytest.mark.parametrize(("method", "path"), sorted(MAY))
async def test_a_route_is_open_to_those_in_the_table_and_to_nobody_else(
    crowd: Crowd, method: str, path: str
) -> None:
    probed = crowd.probe(every_route(crowd)[method, path])
    url = (
        path.replace("{domain}", "a.example")
        .replace("{goal}", "1")
        .replace("{id:int}", "1")
        .replace("/{path:path}", "/x")
    )
    body = asked_for("a.example")
    given = {"params": body} if method == "GET" else {"json": body}
    if path == "/api/stats/refresh":
        given = {"params": body}
    reached = set()
    assert set(crowd.headers) == EVERYBODY
    for name, headers in crowd.headers.items():
        answer = await crowd.ask(method, url, app=probed, headers={"origin": NODE, **headers}, **given)
        if answer.status_code == PROBED:
            reached.add(name)
        else:
            assert answer.status_code in (401, 403, 404), (name, answer.status_code, answer.text)
            told = answer.text.replace("a.example is not a site of this node", "")
            assert name in INSIDERS or "a.example" not in told, (name, answer.text)
    assert reached == MAY[method, path]


NAMING_A_SITE = (
    READERS,
    MANAGERS,
    READERS | MANAGERS,
    {"owner", "operator"},
    READ_TOKENS,
    KNOWING_TOKENS,
    MANAGE_TOKENS,
    WRITE_TOKENS,
)


@pytest.mark.parametrize(("method", "path"), sorted(key for key in MAY if MAY[key] in NAMING_A_SITE))
async def test_a_site_that_is_none_is_refused_as_one_that_is_somebody_elses(
    crowd: Crowd, method: str, path: str
) -> None:
    route = every_route(crowd)[method, path]
    assert route.site is not None
    probed = crowd.probe(route)
    for name in ("viewer", "owner", "link", "read token", "write token", "anonymous"):
        answers = []
        for domain in ("b.example", "none.example"):
            url = filled(path, domain)
            body = asked_for(domain)
            given = {"params": body} if method == "GET" or "refresh" in path else {"json": body}
            headers = {"origin": NODE, **crowd.headers[name]}
            answer = await crowd.ask(method, url, app=probed, headers=headers, **given)
            answers.append((answer.status_code, answer.text.replace(domain, "SITE")))
        assert answers[0] == answers[1]
        assert answers[0][0] in (401, 403, 404)


async def test_whose_addresses_are_not_counted_is_told_to_those_who_look_after_the_site(crowd: Crowd) -> None:
    for name in sorted(READERS | MANAGERS):
        headers = crowd.headers[name]
        answer = await crowd.ask("GET", "/api/settings", params={"site": "a.example"}, headers=headers)
        assert ("exclusions" in answer.json()) is (name in MANAGERS), name


async def test_a_public_site_is_read_by_anyone_and_its_neighbour_is_not(tmp_path: Path) -> None:
    world = World(tmp_path)
    probed = Crowd.probe(world, every_route(world)["GET", "/api/stats/overview"])  # type: ignore[arg-type]
    ask = {"app": probed, "params": {"site": "a.example"}}
    assert (await world.ask("GET", "/api/stats/overview", **ask)).status_code == 401
    assert (await world.ask("GET", "/api/sites")).status_code == 401
    world.store.set_public(world.a.id, True)
    world.accounts.reload()
    assert (await world.ask("GET", "/api/stats/overview", **ask)).status_code == PROBED
    other = await world.ask("GET", "/api/stats/overview", app=probed, params={"site": "b.example"})
    assert other.status_code == 401
    settings = await world.ask("GET", "/api/settings", params={"site": "a.example"})
    assert settings.json()["public"] is True
    listed = (await world.ask("GET", "/api/sites")).json()
    assert [site["domain"] for site in listed["sites"]] == ["a.example"]
    assert listed["signed_in"] is False
    assert (await world.ask("GET", "/api/links", params={"site": "a.example"})).status_code == 401
    world.control.close()


@pytest.mark.parametrize("name", sorted(LISTING))
async def test_the_list_of_sites_holds_what_one_may_see(crowd: Crowd, name: str) -> None:
    answer = await crowd.ask("GET", "/api/sites", headers=crowd.headers[name])
    domains = {site["domain"] for site in answer.json()["sites"]}
    if name in ("operator", "all-sites read token", "all-sites manage token", "admin"):
        assert domains == {"a.example", "b.example"}
    elif name == "without a role":
        assert domains == set()
    else:
        assert domains == ({"b.example"} if name.startswith("foreign") else {"a.example"})


def test_a_route_that_does_not_say_who_may_call_it_does_not_start(crowd: Crowd) -> None:
    async def endpoint(request: Request) -> Response:
        return Response()

    with pytest.raises(TypeError, match="does not say who may call it"):
        crowd.gate.routes([Guarded("/a", endpoint, access=ANYONE), Route("/api/forgotten", endpoint)])
    with pytest.raises(TypeError):
        Guarded("/a", endpoint)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="where its site is named"):
        Guarded("/a", endpoint, access=VIEW)
    with pytest.raises(TypeError, match="where its site is named"):
        Guarded("/a", endpoint, access=ANYONE, site=in_query())


def test_every_app_of_a_node_is_made_of_guarded_routes(crowd: Crowd) -> None:
    served = crowd.app._pages
    assert isinstance(served, Starlette)
    assert {route.path for route in served.routes} == {  # type: ignore[attr-defined]
        path for _, path in MAY if not path.startswith(("/api/v1/", "/api/v2/", "/api/health"))
    }
    assert issubclass(TokenRefused, AccessRefused)
