"""Plausible's reading APIs, so that its clients work as they are: Stats API v2 and v1, and the list of sites.

Owns:       the routes below /api/v1 and /api/v2. Inputs: requests with a token. Outputs: Plausible's shapes.
Invariants: I1 nothing is read for a request that the gate did not let in, nor for a site that its token does not
            cover; I2 every error is {"error": text}.
Failure:    400 for what can't be asked, 401/403/429 of the gate, 503 when the engine can't answer; never a zero.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from statnive.clickhouse.client import Client
from statnive.control.snapshot import Goal, GoalKind, Site
from statnive.control.tokens import Token, TokenScope
from statnive.errors import Rejected, StatniveError
from statnive.query import plausible_v1 as v1
from statnive.query import plausible_v2 as v2
from statnive.query.filters import segments_of
from statnive.web.reads import Read
from statnive.web.token_gate import TokenRefused

if TYPE_CHECKING:
    from statnive.web.app import WebParts

BODY_BYTES_MAX: Final = 65_536
NO_STORE: Final = {"cache-control": "no-store"}
# What this app serves, so that it is reached from any address: a token opens it, not where one comes from.
PREFIXES: Final = (b"/api/v1/", b"/api/v2/")
HEALTH: Final = b"/api/health"


def serves(path: bytes) -> bool:
    """Whether a path is this app's."""
    return path.startswith(PREFIXES) or path == HEALTH


def app(parts: WebParts) -> Starlette:
    """The ASGI app."""
    routes = [
        Route("/api/v2/query", _query(parts), methods=["POST"]),
        *(Route(f"/api/v1/stats/{kind}", _stats(parts, kind), methods=["GET"]) for kind in v1.KINDS),
        Route("/api/v1/stats/realtime/visitors", _realtime(parts), methods=["GET"]),
        Route("/api/v1/sites", _sites(parts), methods=["GET"]),
        Route("/api/v1/sites/goals", _goals(parts), methods=["GET"]),
        Route("/api/v1/sites/{domain}", _site(parts), methods=["GET"]),
        Route("/api/health", _health(parts), methods=["GET"]),
    ]

    async def rejected(request: Request, error: Exception) -> Response:
        assert isinstance(error, Rejected)
        return _error(400, f"{error.field}: {error.reason}")

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, TokenRefused)
        headers = {"www-authenticate": "Bearer"} if error.status == 401 else {}
        if error.retry_after_s:
            headers["retry-after"] = str(error.retry_after_s)
        return _error(error.status, error.message, headers)

    async def unavailable(request: Request, error: Exception) -> Response:
        return _error(503, str(error), {"retry-after": str(getattr(error, "retry_after_s", 5))})

    async def no_route(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _error(error.status_code, f"{request.method} {request.url.path[:100]}: {error.detail}")

    async def failed(request: Request, error: Exception) -> Response:
        parts.report("bug", f"{request.method} {request.url.path} failed: {type(error).__name__}")
        return _error(500, "internal error")

    return Starlette(
        routes=routes,
        exception_handlers={
            Rejected: rejected,
            TokenRefused: refused,
            StatniveError: unavailable,
            HTTPException: no_route,
            Exception: failed,
        },
    )


Endpoint = Callable[[Request], Awaitable[Response]]


def _query(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        token = await _admitted(parts, request)
        body = await _body(request)
        site = _site_of(parts, token, body.get("site_id"))
        asked = v2.parse(body, site, _now(parts), segments_of(site))

        def work(reader: Client) -> dict[str, Any]:
            return v2.answer(reader, asked)

        read = await parts.reads.ask(site, ("v2", asked.key, asked.query.filter), work)
        meta = {**read.value["meta"], "fresh_through": _instant(read.fresh_through)}
        if read.stale:
            meta["stale"] = True
        return JSONResponse({**read.value, "meta": meta}, headers=NO_STORE)

    return endpoint


def _stats(parts: WebParts, kind: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        token = await _admitted(parts, request)
        given = _given(request)
        site = _site_of(parts, token, given.get("site_id"))
        asked = v1.parse(kind, given, site, _now(parts), segments_of(site))

        def work(reader: Client) -> dict[str, Any]:
            return v1.answer(reader, asked)

        read = await parts.reads.ask(site, ("v1", attrs.evolve(asked, ignored=())), work)
        headers = _headers(read)
        if asked.ignored:
            headers["x-statnive-ignored"] = ", ".join(map(ascii, asked.ignored))
        return JSONResponse(read.value, headers=headers)

    return endpoint


def _realtime(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        token = await _admitted(parts, request)
        site = _site_of(parts, token, _given(request).get("site_id"))
        now = _now(parts)
        count, since = await parts.reads.uncached(lambda reader: v1.realtime(reader, site, now))
        # Not five minutes: the answer is a bare number, so its label is a header.
        label = {"x-statnive-visitors-since": _instant(since)}
        return JSONResponse(count, headers={**NO_STORE, **label})

    return endpoint


def _sites(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        token = await _admitted(parts, request, TokenScope.STATS_READ, TokenScope.SITES_MANAGE)
        known = sorted(parts.sites.current.by_id.values(), key=lambda site: site.domain)
        sites = [_site_json(site) for site in known if token.covers(site.id)]
        meta = {"after": None, "before": None, "limit": max(len(sites), 100)}
        return JSONResponse({"sites": sites, "meta": meta}, headers=NO_STORE)

    return endpoint


def _site(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        token = await _admitted(parts, request, TokenScope.STATS_READ, TokenScope.SITES_MANAGE)
        site = _site_of(parts, token, request.path_params["domain"])
        return JSONResponse(_site_json(site), headers=NO_STORE)

    return endpoint


def _goals(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        token = await _admitted(parts, request, TokenScope.STATS_READ, TokenScope.SITES_MANAGE)
        site = _site_of(parts, token, _given(request).get("site_id"))
        goals = [_goal_json(goal) for goal in site.goals]
        meta = {"after": None, "before": None, "limit": max(len(goals), 100)}
        return JSONResponse({"goals": goals, "meta": meta}, headers=NO_STORE)

    return endpoint


def _health(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        problems = parts.readiness()
        found = {name: "error" if name in problems else "ok" for name in ("clickhouse", "log")}
        return JSONResponse(found, 500 if problems else 200, headers=NO_STORE)

    return endpoint


async def _admitted(parts: WebParts, request: Request, *scopes: TokenScope) -> Token:
    """The token of a request; it reads statistics unless `scopes` says otherwise. Raises TokenRefused."""
    header = request.headers.get("authorization", "")
    return await parts.tokens.admit(header, *(scopes or (TokenScope.STATS_READ,)))


def _site_of(parts: WebParts, token: Token, domain: object) -> Site:
    """Keeps I1. Raises Rejected for none named, TokenRefused for one that is not the token's."""
    if not isinstance(domain, str) or not domain:
        raise Rejected("site_id", "is missing: the domain of the site to report on")
    return parts.tokens.for_site(token, parts.sites.current.lookup(domain.strip()))


def _given(request: Request) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in values:
            raise Rejected(name[:40], "is given twice")
        values[name] = value
    return values


async def _body(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise Rejected("body", f"is longer than {BODY_BYTES_MAX} bytes")
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        found = None
    if not isinstance(found, dict):
        raise Rejected(
            "body", 'must be a JSON object such as {"site_id": …, "metrics": […], "date_range": …}'
        )
    return found


def _headers(read: Read) -> dict[str, str]:
    stale = {"warning": '110 - "response is stale"'} if read.stale else {}
    return {**NO_STORE, "x-statnive-fresh-through": _instant(read.fresh_through), **stale}


def _site_json(site: Site) -> dict[str, Any]:
    return {"domain": site.domain, "timezone": site.timezone}


def _goal_json(goal: Goal) -> dict[str, Any]:
    """As Plausible shows a goal: of an event, or of a page (with a depth to scroll to)."""
    is_event = goal.kind is GoalKind.EVENT
    return {
        "id": goal.id,
        "goal_type": "event" if is_event else "page",
        "display_name": goal.name,
        "event_name": goal.target if is_event else None,
        "page_path": None if is_event else goal.target,
        "scroll_threshold": goal.scroll_depth or None,
        "currency": goal.currency or None,
    }


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Keeps I2."""
    return JSONResponse({"error": message}, status, {**NO_STORE, **(headers or {})})


def _now(parts: WebParts) -> datetime:
    return datetime.fromtimestamp(int(parts.clock()), UTC)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
