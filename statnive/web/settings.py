"""A site's settings for the dashboard: GET /api/settings, and the changes that a person makes there.

What both can change is one set of endpoints: the control socket's for the CLI, and the same ones here for a browser,
behind the gate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec
import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from statnive.control import exclusions
from statnive.control.site_settings import SiteChange
from statnive.control.snapshot import Exclusions, Funnel, Site
from statnive.errors import Rejected
from statnive.query.funnels import WINDOW_S_DEFAULT, WINDOW_S_MAX, parse_steps
from statnive.web import control
from statnive.web.access import EDIT, OPERATOR, SETTINGS, Guarded, in_body, in_query
from statnive.web.control import SiteName, goal_json, read_body, segment_json, site_json
from statnive.web.erasing import retention_json

if TYPE_CHECKING:
    from statnive.web.app import WebParts

Endpoint = Callable[[Request], Awaitable[Response]]
NO_STORE: Final = {"cache-control": "no-store"}
# The control socket's endpoints that a browser may use as well.
_SHARED: Final = (
    "/goals",
    "/goals/{id:int}/remove",
    "/segments",
    "/segments/{id:int}/remove",
    "/notes",
    "/notes/{id:int}/remove",
)


class ExclusionLists(msgspec.Struct, forbid_unknown_fields=True):
    """Exclusions as they come; see statnive.control.exclusions."""

    networks: list[str] = []
    pages: list[str] = []
    countries: list[str] = []
    hostnames: list[str] = []


class SiteSettings(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/settings; what is left out stays as it is."""

    site: str
    domain: str | None = None
    timezone: str | None = None
    currency: str | None = None
    exclusions: ExclusionLists | None = None


class SiteHost(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/aliases and /api/aliases/remove."""

    site: str
    host: str


class NewFunnel(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/funnels."""

    site: str
    name: str
    steps: list[dict[str, str]]
    window: int = WINDOW_S_DEFAULT


def routes(parts: WebParts) -> list[BaseRoute]:
    """The public ones, for those who look after the site."""
    shared = {
        route.path: route.endpoint
        for route in control.routes(parts)
        if isinstance(route, Guarded) and "POST" in route.methods
    }
    changes = {f"/api{path}": shared[f"/control{path}"] for path in _SHARED} | _changes(parts)
    return [
        Guarded("/api/settings", _settings(parts), access=SETTINGS, site=in_query()),
        *(
            Guarded(path, endpoint, access=EDIT, methods=("POST",), site=in_body)
            for path, endpoint in changes.items()
        ),
    ]


def control_routes(parts: WebParts) -> list[BaseRoute]:
    """The same changes on the control socket, which belongs to this machine's operator."""
    return [
        Guarded(path.replace("/api/", "/control/"), endpoint, access=OPERATOR, methods=("POST",))
        for path, endpoint in _changes(parts).items()
    ]


def _settings(parts: WebParts) -> Endpoint:
    async def settings(request: Request) -> Response:
        domain = request.query_params.get("site", "")
        site = parts.sites.current.lookup(domain)
        if site is None:
            raise Rejected("site", f"{domain[:60]} is not a site of this node")
        found = settings_json(site)
        found["public"] = site.id in parts.accounts.directory.public_site_ids
        if not parts.gate.may_edit(request.state.caller, site):
            del found["exclusions"]  # whose addresses are not counted is nobody's business
        return JSONResponse(found, headers=NO_STORE)

    return settings


def _changes(parts: WebParts) -> dict[str, Endpoint]:
    async def changed(change: Callable[..., Any], *given: Any) -> Any:
        result = await trio.to_thread.run_sync(change, *given)
        await trio.to_thread.run_sync(parts.reload_sites)
        return result

    async def change_site(request: Request) -> Response:
        body = await read_body(request, SiteSettings)
        lists = body.exclusions
        wanted = SiteChange(
            domain=body.domain,
            timezone=body.timezone,
            currency=body.currency,
            exclusions=None if lists is None else exclusions.checked(**msgspec.structs.asdict(lists)),
        )
        site: Site = await changed(parts.store.change_site, body.site, wanted)
        parts.auditor.record("site_changed", site=site.domain, what="settings")
        return JSONResponse(settings_json(site))

    async def add_alias(request: Request) -> Response:
        body = await read_body(request, SiteHost)
        site: Site = await changed(parts.store.add_alias, body.site, body.host)
        for host in site.hosts:
            parts.drops.forget_host(host)
        parts.auditor.record("site_changed", site=site.domain, what="hostname added")
        return JSONResponse(settings_json(site), 201)

    async def remove_alias(request: Request) -> Response:
        body = await read_body(request, SiteHost)
        site: Site = await changed(parts.store.remove_alias, body.site, body.host)
        parts.auditor.record("site_changed", site=site.domain, what="hostname removed")
        return JSONResponse(settings_json(site))

    async def add_funnel(request: Request) -> Response:
        body = await read_body(request, NewFunnel)
        if not 1 <= body.window <= WINDOW_S_MAX:
            raise Rejected("window", f"must be 1 to {WINDOW_S_MAX} seconds")
        steps = msgspec.json.encode(body.steps).decode()
        parse_steps(steps)
        funnel: Funnel = await changed(parts.store.add_funnel, body.site, body.name, steps, body.window)
        parts.auditor.record("funnel_added", funnel=funnel.id, site=body.site)
        return JSONResponse(funnel_json(funnel), 201)

    async def remove_funnel(request: Request) -> Response:
        body = await read_body(request, SiteName)
        number = int(request.path_params["id"])
        funnel: Funnel = await changed(parts.store.remove_funnel, body.site, number)
        parts.auditor.record("funnel_removed", funnel=funnel.id, site=body.site)
        return JSONResponse(funnel_json(funnel))

    return {
        "/api/settings": change_site,
        "/api/aliases": add_alias,
        "/api/aliases/remove": remove_alias,
        "/api/funnels": add_funnel,
        "/api/funnels/{id:int}/remove": remove_funnel,
    }


def settings_json(site: Site) -> dict[str, Any]:
    """Everything that can be set for a site."""
    return {
        **site_json(site),
        "currency": site.currency,
        "goals": [goal_json(goal) for goal in site.goals],
        "segments": [segment_json(segment) for segment in site.segments],
        "funnels": [funnel_json(funnel) for funnel in site.funnels],
        "exclusions": attrs.asdict(site.exclusions or Exclusions()),
        **retention_json(site),
    }


def funnel_json(funnel: Funnel) -> dict[str, Any]:
    """A saved funnel as the API shows it; `window` in seconds."""
    steps = msgspec.json.decode(funnel.steps)
    return {"id": funnel.id, "name": funnel.name, "steps": steps, "window": funnel.window_s}
