"""Public sites, and shared links for people without an account.

Owns:       nothing. Inputs: requests that the gate let in, JSON bodies. Outputs: JSON; a redirect to a link's page.
Invariants: I1 what is changed by a request is of the site that the gate judged: `request.state.site`, never a name read
            anew; I2 a link with a password is opened by a key that the password gives, never by its own secret.
Failure:    Rejected, AccessRefused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute

from statnive.control.passwords import PASSWORD_CHARS_MAX, new_secret
from statnive.control.sharing import SharedLink
from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.web.access import (
    ANYONE,
    EDIT,
    NO_STORE,
    AccessRefused,
    Guarded,
    Numbered,
    body_as,
    changing,
    reading,
    site_of,
)

if TYPE_CHECKING:
    from statnive.web.app import WebParts

THEMES: Final = ("light", "dark", "system")


class PublicWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/sites/public."""

    site: str
    public: bool


class LinkWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/links; "" = no password, `days` null = it does not expire."""

    site: str
    name: str
    password: str = ""
    days: int | None = None


class LinkPassword(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/links/open."""

    link: str
    password: str


def routes(parts: WebParts) -> list[BaseRoute]:
    """The routes."""
    sharing = Sharing(parts)
    return [
        changing("/api/sites/public", sharing.set_public, EDIT),
        reading("/api/links", sharing.links, EDIT),
        changing("/api/links", sharing.add, EDIT),
        changing("/api/links/remove", sharing.remove, EDIT),
        changing("/api/links/open", sharing.open, ANYONE),
        Guarded("/share/{domain}", sharing.page, access=ANYONE),
    ]


class Sharing:
    """Public sites, and links for people without an account."""

    def __init__(self, parts: WebParts) -> None:
        self._parts, self._accounts, self._auditor = parts, parts.accounts, parts.auditor

    async def set_public(self, request: Request) -> Response:
        wish, site = await body_as(request, PublicWish), site_of(request)
        await self._accounts.change(self._accounts.store.set_public, site.id, wish.public)
        kind = "link_added" if wish.public else "link_removed"
        self._auditor.record(kind, site_id=site.id, public=wish.public, by=request.state.caller.name)
        return JSONResponse({"site": site.domain, "public": wish.public}, headers=NO_STORE)

    async def links(self, request: Request) -> Response:
        site = site_of(request)
        own = [link for link in self._accounts.directory.links.values() if link.site_id == site.id]
        public = site.id in self._accounts.directory.public_site_ids
        shown = [self._json(request, site, link) for link in sorted(own, key=lambda link: link.id)]
        return JSONResponse({"public": public, "links": shown}, headers=NO_STORE)

    async def add(self, request: Request) -> Response:
        wish, site = await body_as(request, LinkWish), site_of(request)
        link = await self.make(site, wish.name, wish.password, wish.days)
        self._auditor.record("link_added", link=link.id, site_id=site.id, by=request.state.caller.name)
        return JSONResponse(self._json(request, site, link), 201, NO_STORE)

    async def make(self, site: Site, name: str, password: str, days: int | None) -> SharedLink:
        """A new shared link. Raises Rejected."""
        hashed = ""
        if password:
            if not 4 <= len(password) <= PASSWORD_CHARS_MAX:
                raise Rejected("password", f"has 4 to {PASSWORD_CHARS_MAX} characters")
            hashed = await self._accounts.hashing(self._accounts.hasher.hash, password)
        return await self._accounts.change(
            self._accounts.store.add_link, site.id, name, new_secret(), hashed, days
        )

    async def remove(self, request: Request) -> Response:
        wish, site = await body_as(request, Numbered), site_of(request)
        link = await self._accounts.change(self._accounts.store.remove_link, site.id, wish.id)
        self._auditor.record("link_removed", link=link.id, site_id=site.id, by=request.state.caller.name)
        return JSONResponse({"id": link.id}, headers=NO_STORE)

    async def open(self, request: Request) -> Response:
        """A key for a link with a password: sent in place of the link's own secret from then on."""
        wish = await body_as(request, LinkPassword)
        address = self._parts.gate.address_of(request)
        link = self._accounts.locked_link(wish.link)
        account = f"link {link.id}" if link else "no link"
        self._parts.sign_in.attempt(address, account)
        kept = link.password if link else ""
        fits = await self._accounts.hashing(self._accounts.hasher.fits, kept, wish.password)
        if link is None or not fits:
            raise AccessRefused(401, "The password of this link is wrong.", field="password")
        self._parts.sign_in.succeeded(address, account)
        return JSONResponse({"key": self._accounts.key_for(link)}, headers=NO_STORE)

    async def page(self, request: Request) -> Response:
        """Plausible's address of a shared link, to the dashboard's own. Its `theme` (light, dark or system), and with
        `embed=true` in any case one, makes it the page for a frame.
        """
        site = self._parts.sites.current.lookup(request.path_params["domain"])
        secret = request.query_params.get("auth", "")
        link = self._accounts.locked_link(secret)
        if link is None or site is None or link.site_id != site.id:
            return RedirectResponse("/?auth=over", 302, NO_STORE)
        embedded = "system" if request.query_params.get("embed") == "true" else ""
        theme = request.query_params.get("theme", embedded)
        if theme not in ("", *THEMES):
            raise Rejected("theme", f"must be one of {', '.join(THEMES)}, not {theme[:60]}")
        more = f"&theme={theme}" if theme else ""
        return RedirectResponse(f"/?site={site.domain}&auth={secret}{more}", 302, NO_STORE)

    def _json(self, request: Request, site: Site, link: SharedLink) -> dict[str, Any]:
        return {
            "id": link.id,
            "name": link.name,
            "url": share_url(self._parts, request, site, link),
            "has_password": bool(link.password),
            "created_at": link.created_at,
            "expires_at": link.expires_at,
        }


def share_url(parts: WebParts, request: Request, site: Site, link: SharedLink) -> str:
    """Where a shared link leads, as the caller knows this node."""
    return f"{parts.gate.own_url(request)}/share/{site.domain}?auth={link.secret}"
