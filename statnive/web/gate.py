"""The gate: every request to a Guarded route passes here, and what its declaration does not allow goes no further.

Owns:       nothing; it reads the accounts, the tokens and the sites in memory.
Inputs:     a request and its route's declaration. Outputs: `request.state.caller` and `request.state.site`, or a
            refusal.
Invariants: I1 whatever a declaration does not allow is refused; I2 a site that one may not see and one that is none are
            refused alike; I3 a change that a browser's cookie would allow is made only for this node's own pages: the
            Origin must be ours, and the request must carry the session's token; I4 a request with a token or a link
            has that one's rights and no other's, whatever cookie it brings.
Failure:    AccessRefused or Rejected.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from statnive.actors.auditor import AuditorHandle
from statnive.control.passwords import csrf_token
from statnive.control.snapshot import Site, SnapshotHolder
from statnive.control.tokens import TokenScope
from statnive.errors import Rejected
from statnive.ingest.client_address import ClientAddress
from statnive.web.access import Access, AccessRefused, Caller, Endpoint, Guarded
from statnive.web.accounts import Accounts
from statnive.web.ingest import peer_of
from statnive.web.token_gate import TokenGate

COOKIE: Final = "statnive"
SECURE_COOKIE: Final = "__Host-statnive"
CSRF_HEADER: Final = "x-statnive-csrf"
LINK_HEADER: Final = "x-statnive-link"
_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_NOBODY: Final = Caller()
_TRUSTED: Final = Caller(trusted=True)


class Gate:
    """See the module's contract. `mode`: "accounts", "open" (this machine only) or "socket" (whoever can connect)."""

    def __init__(
        self,
        mode: str,
        *,
        sites: SnapshotHolder,
        accounts: Accounts,
        tokens: TokenGate,
        addresses: ClientAddress,
        auditor: AuditorHandle,
        public_url: str = "",
    ) -> None:
        assert mode in ("accounts", "open", "socket"), mode
        self.mode = mode
        self._sites, self._accounts, self._tokens = sites, accounts, tokens
        self._addresses, self._auditor = addresses, auditor
        self._public_url = public_url

    def routes(self, routes: Sequence[BaseRoute]) -> list[BaseRoute]:
        """The routes with the gate before each. Raises TypeError for one that declares no access."""
        guarded: list[BaseRoute] = []
        for route in routes:
            if not isinstance(route, Guarded):
                raise TypeError(f"{getattr(route, 'path', route)}: the route does not say who may call it")
            guarded.append(Route(route.path, self._before(route), methods=list(route.methods)))
        return guarded

    def sees(self, caller: Caller, site: Site) -> bool:
        """Whether a caller may know the site: by a role, a token, a link, or since it is public."""
        if caller.is_operator:
            return True
        if caller.token is not None:
            return caller.token.covers(site.id)
        if caller.link is not None:
            return caller.link.site_id == site.id
        if caller.user is not None and caller.user.role_on(site.id) is not None:
            return True
        return site.id in self._accounts.directory.public_site_ids

    def may_edit(self, caller: Caller, site: Site) -> bool:
        """Whether a caller looks after the site, beside seeing it."""
        if caller.token is not None:
            return TokenScope.SITES_MANAGE in caller.token.scopes and caller.token.covers(site.id)
        return caller.is_operator or self.role_text(caller, site) != "viewer"

    def role_text(self, caller: Caller, site: Site) -> str:
        """The caller's role on a site that it sees, in words."""
        if caller.is_operator:
            return "owner"
        role = caller.user.role_on(site.id) if caller.user else None
        return str(role) if role else "viewer"

    def is_secure(self, request: HTTPConnection) -> bool:
        """Whether the browser's connection is encrypted, here or at a trusted proxy."""
        if request.url.scheme == "https" or self._public_url.startswith("https://"):
            return True
        forwarded = request.headers.get("x-forwarded-proto", "")
        return forwarded.strip().lower() == "https" and self._addresses.is_trusted(peer_of(request.scope))

    def cookie_name(self, request: HTTPConnection) -> str:
        """A cookie of an encrypted page can't be planted from an unencrypted one: it has another name."""
        return SECURE_COOKIE if self.is_secure(request) else COOKIE

    def address_of(self, request: HTTPConnection) -> str:
        """The client's address, behind trusted proxies too."""
        forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
        return self._addresses.of(peer_of(request.scope), forwarded.encode("latin-1"))

    def own_url(self, request: Request) -> str:
        """This node as the caller knows it, without a slash at its end."""
        if self._public_url:
            return self._public_url
        return f"{'https' if self.is_secure(request) else 'http'}://{self._hosts(request)[0]}"

    def _before(self, route: Guarded) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            caller = await self._caller(route.access, request)
            if request.method not in _SAFE:
                self._check_origin(route.access, request, caller)
            request.state.caller = caller
            try:
                request.state.site = site = await self._judge(route, caller, request)
            except AccessRefused as refused:
                if caller.user is not None and refused.status == 403:
                    self._auditor.record("access_refused", account=caller.user.id, path=route.path)
                raise
            body = getattr(request.state, "body", None)
            if site is not None and body is not None and "site" in body:
                body["site"] = site.domain  # what was judged is what is done, by whatever name it was called
            if caller.session is not None:
                await self._accounts.note(caller.session)
            return await route.endpoint(request)

        return endpoint

    async def _caller(self, access: Access, request: Request) -> Caller:
        authorization = request.headers.get("authorization", "")
        if access.token_only:
            return Caller(token=await self._tokens.admit(authorization, *access.scopes))
        if self.mode == "socket":
            return _TRUSTED
        if authorization[:7].lower() == "bearer ":  # keeps I4
            if access.anyone:
                return _NOBODY
            if not access.scopes:
                raise AccessRefused(403, "No API key opens this; sign in.")
            return Caller(token=await self._tokens.admit(authorization, *access.scopes))
        secret = request.headers.get(LINK_HEADER, "")
        if secret:  # keeps I4
            link = self._accounts.link(secret)
            if link is None and not access.anyone:
                raise self._closed_link(secret)
            return Caller(link=link)
        if self.mode == "open":
            return self._neighbour(request)
        cookie = request.cookies.get(self.cookie_name(request), "")
        found = self._accounts.session(cookie) if cookie else None
        return Caller(user=found[0], session=found[1], csrf=csrf_token(cookie)) if found else _NOBODY

    def _closed_link(self, secret: str) -> AccessRefused:
        if self._accounts.locked_link(secret) is not None:
            return AccessRefused(401, "This link needs a password.", field="password")
        return AccessRefused(401, "This link has expired, or was removed.", field="link")

    def _neighbour(self, request: Request) -> Caller:
        """Who asks an open node: this machine, by a name that no other site can have."""
        if not _is_loopback(self.address_of(request)):
            raise AccessRefused(403, 'With [auth] mode = "open" the dashboard answers this machine only.')
        host = host_of(f"//{request.headers.get('host', '')}")
        if host != "localhost" and not host.endswith(".localhost") and not is_address(host):
            raise AccessRefused(403, "Ask an open node by its address or as localhost.")
        return _TRUSTED

    async def _judge(self, route: Guarded, caller: Caller, request: Request) -> Site | None:
        """Keeps I1: the site that the request names, if it names one. Raises AccessRefused or Rejected."""
        access = route.access
        if access.anyone:
            return None
        if caller.is_nobody and not (access.shown or access.listed):
            raise _unknown()
        if access.role is None:
            self._judge_without_site(access, caller)
            return None
        assert route.site is not None, "Guarded says so"
        name = await route.site(request)
        site = self._sites.current.lookup(name.strip()) if isinstance(name, str) and name else None
        if caller.token is not None:
            if not isinstance(name, str) or not name:
                raise _missing(access)
            return self._tokens.for_site(caller.token, site)
        if caller.is_nobody and (site is None or not self.sees(caller, site)):
            raise _unknown()
        if caller.is_operator:
            return site  # None is told by who uses it: nothing is hidden from an operator
        if not isinstance(name, str) or not name:
            raise _missing(access)
        if site is None or not self.sees(caller, site):
            raise Rejected("site", f"{name[:60]} is not a site of this node")  # keeps I2
        if access.shown:
            return site
        role = caller.user.role_on(site.id) if caller.user else None
        if role is None or not role.holds(access.role):
            raise AccessRefused(403, f"This needs the role {access.role} on {site.domain}.")
        return site

    def _judge_without_site(self, access: Access, caller: Caller) -> None:
        if caller.is_operator:
            return
        if access.listed:
            if caller.is_nobody and not self._accounts.directory.public_site_ids:
                raise _unknown()
            return
        if caller.token is not None:
            if caller.token.site_ids is not None:
                raise AccessRefused(403, "This needs an API key for all sites.")
            return
        if access.person and caller.user is not None:
            return
        raise AccessRefused(403, "This is for operators only." if not access.person else "Sign in for this.")

    def _check_origin(self, access: Access, request: Request, caller: Caller) -> None:
        """Keeps I3. Programs without cookies send no Origin and are not asked for one."""
        if self.mode == "socket" or caller.token is not None:
            return
        try:
            self._judge_origin(access, request, caller)
        except AccessRefused:
            self._auditor.record("csrf_refused", path=request.scope["path"][:100])
            raise

    def _judge_origin(self, access: Access, request: Request, caller: Caller) -> None:
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":  # another site's page has to ask before it sends that, and in vain
            raise AccessRefused(403, "The content type must be application/json.")
        fetched, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if fetched not in (None, "same-origin"):
            raise AccessRefused(403, "Another site's page can't do this.")
        if origin is not None:
            asked = _authority_of(origin)
            if not asked or (asked not in self._hosts(request) and origin != self._public_url):
                raise AccessRefused(
                    403,
                    f"The page is of {origin[:100]!a}, the request is to {self._hosts(request)[0][:100]!a}. "
                    "A proxy has to pass the Host header on; or set [server] public_url.",
                )
        if caller.session is None or access.anyone:
            return
        if fetched is None and origin is None:
            raise AccessRefused(403, "A change needs an Origin header.")
        if not hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), caller.csrf.encode()):
            raise AccessRefused(403, f"A change needs the session's token in {CSRF_HEADER}.", field="csrf")

    def _hosts(self, request: Request) -> list[str]:
        """The names that the request was made to: Host, before it what a trusted proxy says."""
        hosts = [request.headers.get("host", "").lower()]
        forwarded = request.headers.get("x-forwarded-host", "")
        if forwarded and self._addresses.is_trusted(peer_of(request.scope)):
            hosts.insert(0, forwarded.strip().lower())
        return hosts


def _unknown() -> AccessRefused:
    return AccessRefused(401, "Sign in first.")


def _missing(access: Access) -> Rejected:
    field = "site_id" if access.token_only else "site"
    return Rejected(field, "is missing: the domain of the site to report on")


def host_of(url: str) -> str:
    """The host of an address, "" for one that is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # "[::1" and the like
        return ""


def _authority_of(url: str) -> str:
    """Host and port of an address, "" for one that is none."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
