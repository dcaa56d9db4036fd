"""Plausible's APIs for programs, so that its clients work as they are: Stats API v2 and v1, the Sites API; and events
from servers.

Owns:       the routes below /api/v1 and /api/v2. Inputs: requests with a token. Outputs: Plausible's shapes.
Invariants: I1 the gate (gate.py) lets a request in and says its site, before anything is read;
            I2 every error is {"error": text}.
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

from statnive.clickhouse.client import Client
from statnive.errors import Rejected, StatniveError
from statnive.query import plausible_v1 as v1
from statnive.query import plausible_v2 as v2
from statnive.query.filters import segments_of
from statnive.web import plausible_sites
from statnive.web.access import (
    ANYONE,
    TOKEN_READ,
    AccessRefused,
    Guarded,
    capped,
    in_query,
)
from statnive.web.reads import Read

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


def routes(parts: WebParts) -> list[Guarded]:
    """Every route of this app."""
    return [
        Guarded("/api/v2/query", _query(parts), access=TOKEN_READ, methods=("POST",), site=_in_query_body),
        *(
            Guarded(f"/api/v1/stats/{kind}", _stats(parts, kind), access=TOKEN_READ, site=in_query("site_id"))
            for kind in v1.KINDS
        ),
        Guarded(
            "/api/v1/stats/realtime/visitors", _realtime(parts), access=TOKEN_READ, site=in_query("site_id")
        ),
        *plausible_sites.routes(parts),
        *parts.server_events.routes(),
        Guarded("/api/health", _health(parts), access=ANYONE),
    ]


def app(parts: WebParts) -> Starlette:
    """The ASGI app."""

    async def rejected(request: Request, error: Exception) -> Response:
        assert isinstance(error, Rejected)
        return _error(400, f"{error.field}: {error.reason}")

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, AccessRefused)
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
        routes=parts.gate.routes(routes(parts)),
        exception_handlers={
            Rejected: rejected,
            AccessRefused: refused,
            StatniveError: unavailable,
            HTTPException: no_route,
            Exception: failed,
        },
    )


Endpoint = Callable[[Request], Awaitable[Response]]


def _query(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        site, body = request.state.site, request.state.body
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
        given, site = _given(request), request.state.site
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
        site = request.state.site
        now = _now(parts)
        count, since = await parts.reads.uncached(lambda reader: v1.realtime(reader, site, now))
        # Not five minutes: the answer is a bare number, so its label is a header.
        label = {"x-statnive-visitors-since": _instant(since)}
        return JSONResponse(count, headers={**NO_STORE, **label})

    return endpoint


def _health(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        problems = parts.readiness()
        found = {name: "error" if name in problems else "ok" for name in ("clickhouse", "log")}
        return JSONResponse(found, 500 if problems else 200, headers=NO_STORE)

    return endpoint


def _given(request: Request) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in values:
            raise Rejected(name[:40], "is given twice")
        values[name] = value
    return values


async def _in_query_body(request: Request) -> object:
    """The site is `site_id` of the query; the endpoint reads the same body."""
    request.state.body = body = await _body(request)
    return body.get("site_id")


async def _body(request: Request) -> dict[str, Any]:
    body = await capped(request, BODY_BYTES_MAX)
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


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Keeps I2."""
    return JSONResponse({"error": message}, status, {**NO_STORE, **(headers or {})})


def _now(parts: WebParts) -> datetime:
    return datetime.fromtimestamp(int(parts.clock()), UTC)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
