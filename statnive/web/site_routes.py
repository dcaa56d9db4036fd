"""Adding and removing sites.

Owns:       nothing. Inputs: requests that the gate let in, JSON bodies. Outputs: JSON.
Invariants: I1 the site that is removed is the one that the gate judged: `request.state.site`.
Failure:    Rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from statnive.control.snapshot import Site
from statnive.web.access import NO_STORE, OPERATOR, OWN, body_as, changing, site_of
from statnive.web.control import site_json
from statnive.web.erasing import remove_site

if TYPE_CHECKING:
    from statnive.web.app import WebParts


class NewSite(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/sites."""

    domain: str
    timezone: str = "UTC"
    aliases: list[str] = []


class GoneSite(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/sites/remove."""

    site: str
    erase: bool = False


def routes(parts: WebParts) -> list[BaseRoute]:
    """The routes."""
    sites = Sites(parts)
    return [
        changing("/api/sites", sites.add, OPERATOR),
        changing("/api/sites/remove", sites.remove, OWN),
    ]


class Sites:
    """See the module's contract; the Sites API of programs makes sites by the same method."""

    def __init__(self, parts: WebParts) -> None:
        self._parts, self._auditor = parts, parts.auditor

    async def add(self, request: Request) -> Response:
        wish = await body_as(request, NewSite)
        site = await self.make(wish.domain, wish.timezone, wish.aliases)
        self._auditor.record("site_added", site_id=site.id, by=request.state.caller.name)
        return JSONResponse(site_json(site), 201, NO_STORE)

    async def make(self, domain: str, timezone: str, aliases: list[str]) -> Site:
        """A new site, counted from now on. Raises Rejected."""
        site = await trio.to_thread.run_sync(self._parts.store.add_site, domain, timezone, aliases)
        await trio.to_thread.run_sync(self._parts.reload_sites)
        for host in site.hosts:
            self._parts.drops.forget_host(host)
        return site

    async def remove(self, request: Request) -> Response:
        """Forget the site; with `erase` its events and counts go, too (erasing.py)."""
        site, wish = site_of(request), await body_as(request, GoneSite)
        erasure = await remove_site(self._parts, request, site, erase=wish.erase)
        return JSONResponse({"site": site.domain, "erasure": erasure and erasure.id}, headers=NO_STORE)
