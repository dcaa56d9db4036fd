"""The ASGI apps: the public one (ingest, APIs, dashboard) and the control socket's (the CLI's way in)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import trio
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute

from statnive.actors.auditor import AuditorHandle
from statnive.actors.eraser import EraserHandle
from statnive.clickhouse.engine import Engine
from statnive.config import ServerConfig
from statnive.control.snapshot import SnapshotHolder
from statnive.control.store import ControlStore
from statnive.errors import Overloaded, Rejected, StatniveError
from statnive.ingest.client_address import ClientAddress
from statnive.ingest.drops import Drops
from statnive.web import (
    account_routes,
    badge,
    control,
    dashboard,
    erasing,
    operator,
    passkey_routes,
    people_routes,
    plausible,
    settings,
    sharing_routes,
    site_routes,
    stats,
    token_routes,
)
from statnive.web.access import AccessRefused
from statnive.web.accounts import Accounts
from statnive.web.gate import Gate
from statnive.web.imports import Imports
from statnive.web.ingest import DISCARD_S, IngestApp, Receive, Scope, Send, peer_of
from statnive.web.reads import Reads
from statnive.web.server_events import ServerEvents
from statnive.web.sign_in import SignIn
from statnive.web.token_gate import TokenGate

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_FRAMED = _CSP.replace("frame-ancestors 'none'", "frame-ancestors *").encode()
_CORP = b"cross-origin-resource-policy"
SECURITY_HEADERS = (
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (_CORP, b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


@attrs.frozen
class WebParts:
    """What the web layer works with; everything is passed in."""

    server: ServerConfig
    sites: SnapshotHolder
    store: ControlStore
    drops: Drops
    engine: Engine
    imports: Imports
    eraser: EraserHandle
    ingest: IngestApp
    server_events: ServerEvents
    addresses: ClientAddress
    clock: Callable[[], float]
    fresh_through: Callable[[], float]
    reads: Reads
    tokens: TokenGate
    accounts: Accounts
    sign_in: SignIn
    gate: Gate
    socket_gate: Gate
    figures: Callable[[], dict[str, float]]
    readiness: Callable[[], dict[str, str]]
    listening_url: Callable[[], str]
    is_listening: Callable[[], bool]
    reload_sites: Callable[[], None]
    report: Callable[[str, str], None]
    auditor: AuditorHandle  # `auditor.record(kind, …)`: who did what; see statnive/actors/audit_record.py
    dashboard_dir: Path
    data_dir: Path


class PublicApp:
    """Ingest routes first, then the APIs that a token opens; all else is for those who may see the dashboard."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._networks = [ipaddress.ip_network(text) for text in parts.server.dashboard_from]
        self._pages = _starlette(parts, parts.gate.routes(public_routes(parts)))
        self._api = plausible.app(parts)
        hsts_s = parts.server.hsts_s
        self._hsts = b"max-age=%d" % hsts_s if hsts_s else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self._parts.ingest.serves(scope["raw_path"]):
            await self._parts.ingest(scope, receive, send)
            return
        headers = _connection_headers(scope) + self._transport_headers(scope)
        shown = _with_headers(
            send,
            headers,
            is_framed=self._may_be_framed(scope),
            is_shown_elsewhere=scope["path"].startswith(badge.PATH),  # a picture in the site's own pages
        )
        app: Any = self._api if plausible.serves(scope["raw_path"]) else self._pages
        if app is self._pages and not self._may_see(scope):
            text = "The dashboard is not open to this address; see [server] dashboard_from.\n"
            app = PlainTextResponse(text, 403)
        await app(scope, receive, shown)
        if _has_body(scope):
            # Who is refused has an unread body, and hypercorn 0.18 on trio wedges a connection with one (measured).
            with trio.move_on_after(DISCARD_S):
                while (await receive())["type"] != "http.disconnect":
                    pass

    def _may_be_framed(self, scope: Scope) -> bool:
        """Only the page that an open shared link shows, which knows no cookie, may stand in another site's page."""
        if scope["path"] != "/" or b"auth=" not in scope["query_string"]:
            return False
        secret = QueryParams(scope["query_string"]).get("auth", "")
        return self._parts.accounts.locked_link(secret) is not None

    def _may_see(self, scope: Scope) -> bool:
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        address = self._parts.addresses.of(peer_of(scope), forwarded)
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed.version == n.version and parsed in n for n in self._networks)

    def _transport_headers(self, scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
        """HSTS, where the browser came by TLS: to us, or to a proxy that we trust."""
        if not self._hsts:
            return ()
        if scope["scheme"] != "https":
            told = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
            if told != [b"https"] or not self._parts.addresses.is_trusted(peer_of(scope)):
                return ()
        return ((b"strict-transport-security", self._hsts),)


def public_routes(parts: WebParts) -> list[BaseRoute]:
    """What the listening socket serves beside ingest and the APIs of tokens; the dashboard's pages come last."""
    return [
        *stats.routes(parts),
        *settings.routes(parts),
        *erasing.routes(parts),
        *operator.routes(parts),
        *account_routes.routes(parts),
        *passkey_routes.routes(parts),
        *people_routes.routes(parts),
        *site_routes.routes(parts),
        *sharing_routes.routes(parts),
        *token_routes.routes(parts),
        *badge.routes(parts),
        *dashboard.routes(parts.dashboard_dir),
    ]


def public_app(parts: WebParts) -> PublicApp:
    """What the listening socket serves."""
    return PublicApp(parts)


def control_app(parts: WebParts) -> Starlette:
    """What the control socket serves: everything an operator at this machine may do."""
    routes = [
        *control.routes(parts),
        *settings.control_routes(parts),
        *erasing.control_routes(parts),
        *people_routes.socket_routes(parts),
        *stats.routes(parts),
        *operator.routes(parts),
    ]
    return _starlette(parts, parts.socket_gate.routes(routes))


def _starlette(parts: WebParts, routes: list[BaseRoute]) -> Starlette:
    async def failed(request: Request, error: Exception) -> Response:
        parts.report("bug", f"{request.method} {request.url.path} failed: {type(error).__name__}")
        return error_answer(500, None, "internal error")

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Rejected)
        return error_answer(404 if error.field == "site" else 400, error.field, error.reason)

    async def unavailable(request: Request, error: Exception) -> Response:
        return error_answer(503, None, str(error), retry_after_s=getattr(error, "retry_after_s", 5))

    async def not_allowed(request: Request, error: Exception) -> Response:
        assert isinstance(error, AccessRefused)
        return error_answer(error.status, error.field, error.message, retry_after_s=error.retry_after_s)

    return Starlette(
        routes=routes,
        exception_handlers={
            Rejected: refused,
            AccessRefused: not_allowed,
            Overloaded: unavailable,
            StatniveError: unavailable,
            Exception: failed,
        },
    )


def error_answer(status: int, field: str | None, message: str, *, retry_after_s: int = 0) -> JSONResponse:
    """An error as the API and the dashboard know it."""
    headers = {"cache-control": "no-store"}
    if retry_after_s:
        headers["retry-after"] = str(retry_after_s)
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"error": {"field": field, "message": message}}, status, headers)


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _connection_headers(scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
    """A proxy's connection ends after an answer of the slow lane: it would go back into a pool that events use."""
    if scope["scheme"] == "https":
        return ()
    forwarded = any(name == b"x-forwarded-for" for name, _ in scope["headers"])
    return ((b"connection", b"close"),) if forwarded and scope["http_version"] in ("1.0", "1.1") else ()


def _with_headers(
    send: Send, more: tuple[tuple[bytes, bytes], ...], *, is_framed: bool, is_shown_elsewhere: bool
) -> Send:
    ours: tuple[tuple[bytes, bytes], ...] = SECURITY_HEADERS
    if is_framed:
        ours = ((b"content-security-policy", _FRAMED), *ours[1:])

    if is_shown_elsewhere:
        ours = tuple((name, b"cross-origin" if name == _CORP else value) for name, value in ours)

    async def sender(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *ours, *more]
        await send(message)

    return sender
