"""Who may see and change what: the node's users, the people of a site, its shared links, its tokens, its sites.

Owns:       nothing. Inputs: requests that the gate let in, JSON bodies. Outputs: JSON.
Invariants: I1 whoever is changed by a request is of the site that the gate judged: `request.state.site`, never a name
            read anew; I2 a token that is made here is for that one site; I3 secrets are shown once, in the answer that
            makes them (a shared link's address excepted).
Failure:    Rejected, AccessRefused.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute

from statnive.control.passwords import PASSWORD_CHARS_MAX, check_new_password, new_secret
from statnive.control.sharing import SharedLink
from statnive.control.snapshot import Site
from statnive.control.tokens import SECRET_BYTES, NewToken, secret_of
from statnive.control.users import User
from statnive.errors import Rejected
from statnive.web.access import (
    ANYONE,
    EDIT,
    OPERATOR,
    OWN,
    Access,
    AccessRefused,
    Caller,
    Endpoint,
    Guarded,
    body_as,
    in_body,
    in_query,
)
from statnive.web.control import site_json, token_json

if TYPE_CHECKING:
    from statnive.web.app import WebParts

NO_STORE: Final = {"cache-control": "no-store"}
INVITE_LIFE_S: Final = 7 * 86_400
THEMES: Final = ("light", "dark", "system")


class NewSite(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/sites."""

    domain: str
    timezone: str = "UTC"
    aliases: list[str] = []


class OfSite(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/sites/remove."""

    site: str


class PublicWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/sites/public."""

    site: str
    public: bool


class RoleWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/people; `role` null takes it away."""

    site: str
    email: str
    role: str | None


class LinkWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/links; "" = no password, `days` null = it does not expire."""

    site: str
    name: str
    password: str = ""
    days: int | None = None


class Numbered(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/links/remove and /api/tokens/revoke."""

    site: str
    id: int


class LinkPassword(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/links/open."""

    link: str
    password: str


class SiteTokenWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/tokens."""

    site: str
    name: str
    scopes: list[str]
    days: int | None = None


class UserWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/users."""

    email: str
    operator: bool = False


class Email(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/users/disable, /enable and /link."""

    email: str


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /control/users/password."""

    email: str
    password: str


def routes(parts: WebParts) -> list[BaseRoute]:
    """The routes."""
    users, sharing, sites = Users(parts), Sharing(parts), Sites(parts)

    def read(path: str, endpoint: Endpoint, access: Access) -> Guarded:
        return Guarded(path, endpoint, access=access, site=in_query() if access.role else None)

    def change(path: str, endpoint: Endpoint, access: Access) -> Guarded:
        site = in_body if access.role else None
        return Guarded(path, endpoint, access=access, methods=("POST",), site=site)

    return [
        read("/api/users", users.every, OPERATOR),
        change("/api/users", users.add, OPERATOR),
        change("/api/users/disable", users.disable, OPERATOR),
        change("/api/users/enable", users.enable, OPERATOR),
        change("/api/users/link", users.link, OPERATOR),
        read("/api/people", users.of_site, OWN),
        change("/api/people", users.set_role, OWN),
        change("/api/sites", sites.add, OPERATOR),
        change("/api/sites/remove", sites.remove, OWN),
        change("/api/sites/public", sharing.set_public, EDIT),
        read("/api/links", sharing.links, EDIT),
        change("/api/links", sharing.add, EDIT),
        change("/api/links/remove", sharing.remove, EDIT),
        change("/api/links/open", sharing.open, ANYONE),
        Guarded("/share/{domain}", sharing.page, access=ANYONE),
        read("/api/tokens", sites.tokens, EDIT),
        change("/api/tokens", sites.add_token, EDIT),
        change("/api/tokens/revoke", sites.revoke_token, EDIT),
    ]


def _site(request: Request) -> Site:
    """Keeps I1. Raises Rejected for an operator's request that names no site of this node."""
    site: Site | None = request.state.site
    if site is None:
        raise Rejected("site", "names no site of this node; `statnive site list` shows them")
    return site


def _caller(request: Request) -> str:
    caller: Caller = request.state.caller
    return caller.name


class Users:
    """The node's users, and who of them may do what with a site."""

    def __init__(self, parts: WebParts) -> None:
        self._parts, self._accounts, self._auditor = parts, parts.accounts, parts.auditor

    async def every(self, request: Request) -> Response:
        users = sorted(self._accounts.directory.users.values(), key=lambda user: user.email)
        return JSONResponse({"users": [self._json(user) for user in users]}, headers=NO_STORE)

    async def add(self, request: Request) -> Response:
        wish = await body_as(request, UserWish)

        def add() -> User:
            return self._accounts.store.add_user(wish.email, is_operator=wish.operator)

        user = await self._accounts.change(add)
        self._auditor.record("account_added", account=user.id, operator=wish.operator, by=_caller(request))
        return await self._with_link(request, user, 201)

    async def link(self, request: Request) -> Response:
        """A link to choose a (new) password; the one before it opens nothing any more."""
        wish = await body_as(request, Email)
        user = await trio.to_thread.run_sync(self._accounts.store.find, wish.email)
        if user.disabled_at is not None:
            raise Rejected("email", f"{user.email} is disabled; enable the account first")
        self._auditor.record("account_changed", account=user.id, setup_link="made", by=_caller(request))
        return await self._with_link(request, user)

    async def disable(self, request: Request) -> Response:
        wish = await body_as(request, Email)
        user = await self._accounts.change(self._accounts.store.disable, wish.email)
        self._auditor.record("account_changed", account=user.id, state="disabled", by=_caller(request))
        return JSONResponse(self._json(user), headers=NO_STORE)

    async def enable(self, request: Request) -> Response:
        wish = await body_as(request, Email)
        user = await self._accounts.change(self._accounts.store.enable, wish.email)
        self._auditor.record("account_changed", account=user.id, state="enabled", by=_caller(request))
        return JSONResponse(self._json(user), headers=NO_STORE)

    async def of_site(self, request: Request) -> Response:
        site = _site(request)
        found = [
            {"email": user.email, "role": user.roles[site.id], "is_invited": not user.has_password}
            for user in self._accounts.directory.users.values()
            if site.id in user.roles
        ]
        return JSONResponse({"people": sorted(found, key=lambda one: str(one["email"]))}, headers=NO_STORE)

    async def set_role(self, request: Request) -> Response:
        """Give or take a role; who has no account yet gets one, and a link to pass on."""
        wish, site = await body_as(request, RoleWish), _site(request)

        def change() -> User:
            return self._accounts.store.set_role(
                wish.email, site.id, wish.role, add_user=wish.role is not None
            )

        user = await self._accounts.change(change)
        self._auditor.record(
            "role_changed", account=user.id, site_id=site.id, role=wish.role or "none", by=_caller(request)
        )
        if wish.role is not None and not user.has_password and user.disabled_at is None:
            return await self._with_link(request, user, 201)
        return JSONResponse(self._json(user), headers=NO_STORE)

    async def set_password(self, request: Request) -> Response:
        """From the control socket alone: the operator of this machine types it."""
        wish = await body_as(request, NewPassword)
        user = await trio.to_thread.run_sync(self._accounts.store.find, wish.email)
        check_new_password(wish.password, user.email)
        hashed = await self._accounts.hashing(self._accounts.hasher.hash, wish.password)
        await self._accounts.change(self._accounts.store.set_password, user.id, hashed)
        self._auditor.record("password_changed", account=user.id, by=_caller(request))
        return JSONResponse(self._json(user), headers=NO_STORE)

    async def _with_link(self, request: Request, user: User, status: int = 200) -> Response:
        secret = new_secret()
        await self._accounts.change(self._accounts.store.setup_link, user.id, secret, INVITE_LIFE_S)
        url = f"{self._base(request)}/setup#{secret}"
        return JSONResponse({**self._json(user), "setup_url": url}, status, NO_STORE)

    def _base(self, request: Request) -> str:
        """The node's address as the caller knows it; the control socket has none of its own."""
        if request.state.caller.trusted:
            return self._parts.listening_url()
        return self._parts.gate.own_url(request)

    def _json(self, user: User) -> dict[str, Any]:
        known = self._parts.sites.current.by_id
        return {
            "email": user.email,
            "is_operator": user.is_operator,
            "state": "disabled" if user.disabled_at else "active" if user.has_password else "invited",
            "has_totp": user.has_totp,
            "signed_in_at": user.signed_in_at,
            "roles": {known[number].domain: role for number, role in user.roles.items() if number in known},
        }


class Sharing:
    """Public sites, and links for people without an account."""

    def __init__(self, parts: WebParts) -> None:
        self._parts, self._accounts, self._auditor = parts, parts.accounts, parts.auditor

    async def set_public(self, request: Request) -> Response:
        wish, site = await body_as(request, PublicWish), _site(request)
        await self._accounts.change(self._accounts.store.set_public, site.id, wish.public)
        kind = "link_added" if wish.public else "link_removed"
        self._auditor.record(kind, site_id=site.id, public=wish.public, by=_caller(request))
        return JSONResponse({"site": site.domain, "public": wish.public}, headers=NO_STORE)

    async def links(self, request: Request) -> Response:
        site = _site(request)
        own = [link for link in self._accounts.directory.links.values() if link.site_id == site.id]
        public = site.id in self._accounts.directory.public_site_ids
        shown = [self._json(request, site, link) for link in sorted(own, key=lambda link: link.id)]
        return JSONResponse({"public": public, "links": shown}, headers=NO_STORE)

    async def add(self, request: Request) -> Response:
        wish, site = await body_as(request, LinkWish), _site(request)
        link = await self.make(site, wish.name, wish.password, wish.days)
        self._auditor.record("link_added", link=link.id, site_id=site.id, by=_caller(request))
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
        wish, site = await body_as(request, Numbered), _site(request)
        link = await self._accounts.change(self._accounts.store.remove_link, site.id, wish.id)
        self._auditor.record("link_removed", link=link.id, site_id=site.id, by=_caller(request))
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


class Sites:
    """Adding and removing sites, and the tokens of one."""

    def __init__(self, parts: WebParts) -> None:
        self._parts, self._auditor = parts, parts.auditor

    async def add(self, request: Request) -> Response:
        wish = await body_as(request, NewSite)
        site = await self.make(wish.domain, wish.timezone, wish.aliases)
        self._auditor.record("site_added", site_id=site.id, by=_caller(request))
        return JSONResponse(site_json(site), 201, NO_STORE)

    async def make(self, domain: str, timezone: str, aliases: list[str]) -> Site:
        """A new site, counted from now on. Raises Rejected."""
        site = await trio.to_thread.run_sync(self._parts.store.add_site, domain, timezone, aliases)
        await trio.to_thread.run_sync(self._parts.reload_sites)
        for host in site.hosts:
            self._parts.drops.forget_host(host)
        return site

    async def remove(self, request: Request) -> Response:
        site = _site(request)
        await self.forget(site)
        self._auditor.record("site_removed", site_id=site.id, by=_caller(request))
        return JSONResponse({"site": site.domain}, headers=NO_STORE)

    async def forget(self, site: Site) -> None:
        """Its events are kept under its id, which no other site gets; roles, links and goals go."""
        await trio.to_thread.run_sync(self._parts.store.remove_site, site.domain)
        await trio.to_thread.run_sync(self._parts.reload_sites)
        await trio.to_thread.run_sync(self._parts.tokens.reload)

    async def tokens(self, request: Request) -> Response:
        site = _site(request)
        found = await trio.to_thread.run_sync(self._parts.store.list_tokens)
        own = [
            token for token in found if token.site_ids == frozenset((site.id,)) and token.revoked_at is None
        ]
        return JSONResponse({"tokens": [token_json(self._parts, token) for token in own]}, headers=NO_STORE)

    async def add_token(self, request: Request) -> Response:
        wish, site = await body_as(request, SiteTokenWish), _site(request)
        self._refuse_more_than_own(request, wish.scopes)
        secret = secret_of(os.urandom(SECRET_BYTES))
        new = NewToken(wish.name, tuple(wish.scopes), frozenset((site.id,)), wish.days)  # keeps I2
        token = await trio.to_thread.run_sync(self._parts.store.add_token, new, secret)
        await trio.to_thread.run_sync(self._parts.tokens.reload)
        self._auditor.record("token_added", token=token.id, site_id=site.id, by=_caller(request))
        return JSONResponse({**token_json(self._parts, token), "secret": secret}, 201, NO_STORE)

    def _refuse_more_than_own(self, request: Request, scopes: list[str]) -> None:
        """A token makes no token that may do what it may not."""
        token = request.state.caller.token
        if token is not None and not set(scopes) <= set(token.scopes):
            wanted = ", ".join(sorted(set(scopes) - set(token.scopes)))
            raise AccessRefused(403, f"This API key lacks the scope {wanted[:80]}.")

    async def revoke_token(self, request: Request) -> Response:
        wish, site = await body_as(request, Numbered), _site(request)
        found = await trio.to_thread.run_sync(self._parts.store.list_tokens)
        if not any(token.id == wish.id and token.site_ids == frozenset((site.id,)) for token in found):
            raise Rejected("id", f"{wish.id} is no token of this site alone")
        token = await trio.to_thread.run_sync(self._parts.store.revoke_token, wish.id)
        await trio.to_thread.run_sync(self._parts.tokens.reload)
        self._auditor.record("token_revoked", token=token.id, site_id=site.id, by=_caller(request))
        return JSONResponse(token_json(self._parts, token), headers=NO_STORE)


def socket_routes(parts: WebParts) -> list[BaseRoute]:
    """What `statnive user` calls on the control socket."""
    users = Users(parts)

    def change(path: str, endpoint: Endpoint) -> Guarded:
        return Guarded(f"/control/users{path}", endpoint, access=OPERATOR, methods=("POST",))

    return [
        Guarded("/control/users", users.every, access=OPERATOR),
        change("", users.add),
        change("/link", users.link),
        change("/password", users.set_password),
        change("/disable", users.disable),
        change("/enable", users.enable),
        Guarded("/control/users/role", users.set_role, access=OWN, methods=("POST",), site=in_body),
    ]
