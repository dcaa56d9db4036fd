"""The reading API: GET /api/sites and /api/stats/*, JSON; all but bots from the rollups."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.query import reports
from statnive.query.ranges import parse_days, parse_interval, parse_slice
from statnive.query.reports import Asked, Reader
from statnive.web.control import site_json

if TYPE_CHECKING:
    from statnive.web.app import WebParts

COMMON = frozenset({"site", "from", "to", "period", "date"})
Report = Callable[[Reader, Asked, dict[str, str]], dict[str, Any]]

REPORTS: dict[str, tuple[Report, frozenset[str]]] = {
    "overview": (lambda reader, asked, _: reports.overview(reader, asked), frozenset()),
    "trend": (
        lambda reader, asked, given: reports.trend(reader, asked, parse_interval(given, asked.days)),
        frozenset({"interval"}),
    ),
    "pages": (
        lambda reader, asked, given: reports.pages(reader, asked, parse_slice(given)),
        frozenset({"limit", "offset"}),
    ),
    "sources": (
        lambda reader, asked, given: reports.sources(reader, asked, parse_slice(given)),
        frozenset({"limit", "offset"}),
    ),
    "bots": (
        lambda reader, asked, given: reports.bots(reader, asked, parse_slice(given)),
        frozenset({"limit", "offset"}),
    ),
}


def routes(parts: WebParts) -> list[BaseRoute]:
    """One route for each report. Reads share a small thread limiter, so that dashboards never crowd out ingest."""
    limiter = trio.CapacityLimiter(parts.query_threads)

    async def read(work: Callable[[Reader], dict[str, Any]]) -> Response:
        answer = await trio.to_thread.run_sync(parts.engine.read, work, limiter=limiter)
        return JSONResponse(answer, headers={"cache-control": "no-store"})

    def report(name: str) -> Callable[[Request], Any]:
        make, extra = REPORTS[name]

        async def endpoint(request: Request) -> Response:
            given = _given(request, COMMON | extra)
            site = _site(parts, given)
            now = datetime.fromtimestamp(parts.clock(), UTC)
            days = parse_days(given, ZoneInfo(site.timezone), now)
            asked = Asked(site, days, datetime.fromtimestamp(int(parts.fresh_through()), UTC))
            return await read(lambda reader: make(reader, asked, given))

        return endpoint

    async def realtime(request: Request) -> Response:
        site = _site(parts, _given(request, frozenset({"site"})))
        now = datetime.fromtimestamp(int(parts.clock()), UTC)
        return await read(lambda reader: reports.realtime(reader, site, now))

    async def sites(request: Request) -> Response:
        known = sorted(parts.sites.current.by_id.values(), key=lambda site: site.domain)
        return JSONResponse(
            {"sites": [site_json(site) for site in known]}, headers={"cache-control": "no-store"}
        )

    return [
        Route("/api/sites", sites),
        *(Route(f"/api/stats/{name}", report(name)) for name in REPORTS),
        Route("/api/stats/realtime", realtime),
    ]


def _given(request: Request, allowed: frozenset[str]) -> dict[str, str]:
    """The query's parameters. A parameter that would be ignored is refused: it was meant to change the answer."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in allowed:
            raise Rejected(name[:40], f"is unknown; allowed: {', '.join(sorted(allowed))}")
        if name in given:
            raise Rejected(name, "is given twice")
        given[name] = value
    return given


def _site(parts: WebParts, given: dict[str, str]) -> Site:
    domain = given.get("site", "")
    if not domain:
        raise Rejected("site", "is missing: the domain of the site to report on")
    site = parts.sites.current.lookup(domain)
    if site is None:
        raise Rejected("site", f"{domain[:60]} is not a site of this node")
    return site
