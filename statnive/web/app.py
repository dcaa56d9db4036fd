"""The ASGI apps: the public one (ingest, APIs, dashboard) and the control socket's (the CLI's way in)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute

from statnive.actors.auditor import AuditorHandle
from statnive.clickhouse.engine import Engine
from statnive.config import ServerConfig
from statnive.control.snapshot import SnapshotHolder
from statnive.control.store import ControlStore
from statnive.errors import Overloaded, Rejected, StatniveError
from statnive.ingest.client_address import ClientAddress
from statnive.ingest.drops import Drops
from statnive.web import control, dashboard, operator, plausible, settings, stats
from statnive.web.imports import Imports
from statnive.web.ingest import IngestApp, Receive, Scope, Send, peer_of
from statnive.web.reads import Reads
from statnive.web.token_gate import TokenGate

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = (
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
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
    ingest: IngestApp
    addresses: ClientAddress
    clock: Callable[[], float]
    fresh_through: Callable[[], float]
    reads: Reads
    tokens: TokenGate
    figures: Callable[[], dict[str, float]]
    readiness: Callable[[], dict[str, str]]
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
        routes: list[BaseRoute] = [
            *stats.routes(parts),
            *settings.routes(parts),
            *operator.routes(parts),
            *dashboard.routes(parts.dashboard_dir),
        ]
        self._pages = _starlette(parts, routes)
        self._api = plausible.app(parts)
        hsts_s = parts.server.hsts_s
        self._hsts = b"max-age=%d" % hsts_s if hsts_s else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self._parts.ingest.serves(scope["raw_path"]):
            await self._parts.ingest(scope, receive, send)
            return
        shown = _with_headers(send, _connection_headers(scope) + self._transport_headers(scope))
        if plausible.serves(scope["raw_path"]):
            await self._api(scope, receive, shown)  # type: ignore[arg-type]
        elif self._may_see(scope):
            await self._pages(scope, receive, shown)  # type: ignore[arg-type]
        else:
            text = "The dashboard is not open to this address; see [server] dashboard_from.\n"
            await PlainTextResponse(text, 403)(scope, receive, send)  # type: ignore[arg-type]

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


def public_app(parts: WebParts) -> PublicApp:
    """What the listening socket serves."""
    return PublicApp(parts)


def control_app(parts: WebParts) -> Starlette:
    """What the control socket serves: everything an operator at this machine may do."""
    return _starlette(
        parts,
        [
            *control.routes(parts),
            *settings.control_routes(parts),
            *stats.routes(parts),
            *operator.routes(parts),
        ],
    )


def _starlette(parts: WebParts, routes: list[BaseRoute]) -> Starlette:
    async def failed(request: Request, error: Exception) -> Response:
        parts.report("bug", f"{request.method} {request.url.path} failed: {type(error).__name__}")
        return error_answer(500, None, "internal error")

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Rejected)
        return error_answer(404 if error.field == "site" else 400, error.field, error.reason)

    async def unavailable(request: Request, error: Exception) -> Response:
        return error_answer(503, None, str(error), retry_after_s=getattr(error, "retry_after_s", 5))

    return Starlette(
        routes=routes,
        exception_handlers={
            Rejected: refused,
            Overloaded: unavailable,
            StatniveError: unavailable,
            Exception: failed,
        },
    )


def error_answer(status: int, field: str | None, message: str, *, retry_after_s: int = 0) -> JSONResponse:
    """An error as the API and the dashboard know it."""
    headers = {"retry-after": str(retry_after_s)} if retry_after_s else None
    return JSONResponse({"error": {"field": field, "message": message}}, status, headers)


def _connection_headers(scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
    """A proxy's connection ends after an answer of the slow lane: it would go back into a pool that events use."""
    if scope["scheme"] == "https":
        return ()
    forwarded = any(name == b"x-forwarded-for" for name, _ in scope["headers"])
    return ((b"connection", b"close"),) if forwarded and scope["http_version"] in ("1.0", "1.1") else ()


def _with_headers(send: Send, more: tuple[tuple[bytes, bytes], ...]) -> Send:
    async def sender(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *SECURITY_HEADERS, *more]
        await send(message)

    return sender
