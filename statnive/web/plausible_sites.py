"""Plausible's Sites API for provisioning: sites, their goals and shared links, made and removed by programs.

Owns:       the routes below /api/v1/sites. Inputs: requests with a token of the scope sites:manage, bodies as JSON or
            as a form. Outputs: Plausible's shapes.
Invariants: I1 a PUT finds what is there already, so that sending it twice changes nothing; I2 only a token for all
            sites makes or removes a site: one for a single site could else remove what it was given to look after.
Failure:    as plausible.py: {"error": text}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from statnive.control.goals import NewGoal
from statnive.control.site_settings import SiteChange
from statnive.control.snapshot import Goal, GoalKind, Site
from statnive.errors import Rejected
from statnive.web.access import (
    TOKEN_CREATE,
    TOKEN_KNOW,
    TOKEN_LIST,
    TOKEN_MANAGE,
    Caller,
    Guarded,
    capped,
    in_path,
    in_query,
)
from statnive.web.erasing import remove_site
from statnive.web.sharing_routes import Sharing, share_url
from statnive.web.site_routes import Sites

if TYPE_CHECKING:
    from statnive.web.app import WebParts

NO_STORE: Final = {"cache-control": "no-store"}
PAGE_MAX: Final = 1_000


def routes(parts: WebParts) -> list[Guarded]:
    """The routes; those with words in their path stand before the one with a domain."""
    api = SitesApi(parts)
    manage = {"access": TOKEN_MANAGE, "site": in_given_body}
    base = "/api/v1/sites"
    return [
        Guarded(base, api.every, access=TOKEN_LIST),
        Guarded(base, api.add, access=TOKEN_CREATE, methods=("POST",)),
        Guarded(f"{base}/goals", api.goals, access=TOKEN_KNOW, site=in_query("site_id")),
        Guarded(f"{base}/goals", api.put_goal, methods=("PUT",), **manage),  # type: ignore[arg-type]
        Guarded(f"{base}/goals/{{goal}}", api.remove_goal, methods=("DELETE",), **manage),  # type: ignore[arg-type]
        Guarded(f"{base}/shared-links", api.put_link, methods=("PUT",), **manage),  # type: ignore[arg-type]
        Guarded(f"{base}/{{domain}}", api.show, access=TOKEN_KNOW, site=in_path("domain")),
        Guarded(f"{base}/{{domain}}", api.rename, access=TOKEN_MANAGE, methods=("PUT",), site=in_path("domain")),
        Guarded(f"{base}/{{domain}}", api.remove, access=TOKEN_CREATE, methods=("DELETE",)),
    ]  # fmt: skip


async def given_body(request: Request) -> dict[str, Any]:
    """The keys of a body, JSON or a form. Raises Rejected."""
    body = await capped(request)
    kind = request.headers.get("content-type", "")
    # curl -d '{…}' calls its JSON a form, too.
    if kind.startswith("application/x-www-form-urlencoded") and not body.lstrip().startswith(b"{"):
        try:
            return dict(parse_qsl(body.decode(), strict_parsing=True, max_num_fields=50))
        except ValueError:
            raise Rejected("body", "is not a form such as site_id=example.com&name=board") from None
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        found = None
    if not isinstance(found, dict):
        raise Rejected("body", 'must be a JSON object such as {"domain": "example.com"}')
    return found


async def in_given_body(request: Request) -> object:
    """The site is `site_id` of the body (or of the address, where a DELETE has no body)."""
    query = request.query_params.get("site_id")
    if query is not None:
        request.state.body = {}
        return query
    request.state.body = body = await given_body(request)
    return body.get("site_id")


def site_json(site: Site) -> dict[str, Any]:
    """A site as Plausible shows it."""
    return {"domain": site.domain, "timezone": site.timezone}


def goal_json(goal: Goal) -> dict[str, Any]:
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


class SitesApi:
    """The endpoints."""

    def __init__(self, parts: WebParts) -> None:
        self._parts, self._auditor = parts, parts.auditor
        self._sites, self._sharing = Sites(parts), Sharing(parts)

    async def every(self, request: Request) -> Response:
        """By domain; `after` and `before` are domains at which another page begins or ends."""
        token = request.state.caller.token
        known = sorted(self._parts.sites.current.by_id.values(), key=lambda site: site.domain)
        seen = [site for site in known if token.covers(site.id)]
        after, before = request.query_params.get("after"), request.query_params.get("before")
        limit = _limit(request)
        if before is not None:
            left = [site for site in seen if site.domain < before]
            page, more_before, more_after = left[-limit:], len(left) > limit, len(left) < len(seen)
        else:
            left = [site for site in seen if after is None or site.domain > after]
            page, more_before, more_after = left[:limit], len(left) < len(seen), len(left) > limit
        meta = {
            "after": page[-1].domain if page and more_after else None,
            "before": page[0].domain if page and more_before else None,
            "limit": limit,
        }
        sites = [site_json(site) for site in page]
        return JSONResponse({"sites": sites, "meta": meta}, headers=NO_STORE)

    async def show(self, request: Request) -> Response:
        return JSONResponse(site_json(request.state.site), headers=NO_STORE)

    async def add(self, request: Request) -> Response:
        body = await given_body(request)
        domain, timezone = _text(body, "domain"), _text(body, "timezone", "UTC")
        site = await self._sites.make(domain, timezone, [])
        self._auditor.record("site_added", site_id=site.id, by=_by(request))
        return JSONResponse(site_json(site), headers=NO_STORE)

    async def rename(self, request: Request) -> Response:
        """Another domain; a `timezone` beside it is that of the days to come."""
        body, site = await given_body(request), request.state.site
        domain, store = _text(body, "domain"), self._parts.store
        wanted = SiteChange(timezone=_text(body, "timezone", site.timezone))

        def change() -> Site:
            changed = store.change_site(site.domain, wanted)
            return store.rename_site(changed.domain, domain)

        renamed = await trio.to_thread.run_sync(change)
        await trio.to_thread.run_sync(self._parts.reload_sites)
        self._auditor.record("site_changed", site_id=site.id, by=_by(request))
        return JSONResponse(site_json(renamed), headers=NO_STORE)

    async def remove(self, request: Request) -> Response:
        """With all its data, as there. Keeps I2: the token is for all sites, so the site may be looked up here."""
        site = self._parts.sites.current.by_host.get(request.path_params["domain"])
        if site is None or site.domain != request.path_params["domain"]:
            raise Rejected("domain", "no site has this domain")
        await remove_site(self._parts, request, site, erase=not self._parts.eraser.is_refused)
        return JSONResponse({"deleted": True}, headers=NO_STORE)

    async def goals(self, request: Request) -> Response:
        goals = [goal_json(goal) for goal in request.state.site.goals]
        meta = {"after": None, "before": None, "limit": max(len(goals), 100)}
        return JSONResponse({"goals": goals, "meta": meta}, headers=NO_STORE)

    async def put_goal(self, request: Request) -> Response:
        """Keeps I1."""
        site, new = request.state.site, _goal(request.state.body)
        found: Goal | None = next(
            (
                goal
                for goal in site.goals
                if (goal.kind.value, goal.target, goal.scroll_depth)
                == (new.kind, new.target, new.scroll_depth)
            ),
            None,
        )
        if found is None:
            found = await trio.to_thread.run_sync(self._parts.store.add_goal, site.domain, new)
            await trio.to_thread.run_sync(self._parts.reload_sites)
            self._auditor.record("goal_added", goal=found.id, site_id=site.id, by=_by(request))
        return JSONResponse(goal_json(found), headers=NO_STORE)

    async def remove_goal(self, request: Request) -> Response:
        number, site = request.path_params["goal"], request.state.site
        if not number.isdigit() or len(number) > 10:
            raise Rejected("goal_id", f"{number[:20]!r} is no goal's id")
        await trio.to_thread.run_sync(self._parts.store.remove_goal, site.domain, int(number))
        await trio.to_thread.run_sync(self._parts.reload_sites)
        self._auditor.record("goal_removed", goal=int(number), site_id=site.id, by=_by(request))
        return JSONResponse({"deleted": True}, headers=NO_STORE)

    async def put_link(self, request: Request) -> Response:
        """Keeps I1: a link is found by its name."""
        site, name = request.state.site, _text(request.state.body, "name").strip()
        links = self._parts.accounts.directory.links.values()
        link = next((link for link in links if (link.site_id, link.name) == (site.id, name)), None)
        if link is None:
            link = await self._sharing.make(site, name, "", None)
            self._auditor.record("link_added", link=link.id, site_id=site.id, by=_by(request))
        url = share_url(self._parts, request, site, link)
        return JSONResponse({"name": link.name, "url": url}, headers=NO_STORE)


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "100")
    if not text.isdigit() or not 1 <= int(text[:6]) <= PAGE_MAX:
        raise Rejected("limit", f"must be from 1 to {PAGE_MAX}")
    return int(text[:6])


def _text(body: dict[str, Any], key: str, default: str = "") -> str:
    found = body.get(key, default)
    if not isinstance(found, str) or not found:
        raise Rejected(key, "is missing, or is no text")
    return found


def _goal(body: dict[str, Any]) -> NewGoal:
    kind = body.get("goal_type")
    if kind == "event":
        return NewGoal("event", _text(body, "event_name"))
    if kind == "page":
        depth = body.get("scroll_threshold")
        if depth in (None, "", -1, "-1"):
            return NewGoal("page", _text(body, "page_path"))
        if not str(depth).isdigit():
            raise Rejected("scroll_threshold", "must be from 1 to 100")
        return NewGoal("scroll", _text(body, "page_path"), int(depth))
    raise Rejected("goal_type", "must be event or page")


def _by(request: Request) -> str:
    caller: Caller = request.state.caller
    return caller.name
