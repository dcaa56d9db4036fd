"""Who may see and change what: the node's users, and their roles on a site.

Owns:       nothing. Inputs: requests that the gate let in, JSON bodies. Outputs: JSON.
Invariants: I1 whoever is changed by a request is of the site that the gate judged: `request.state.site`, never a name
            read anew; I2 a link to choose a password is shown once, in the answer that makes it.
Failure:    Rejected, AccessRefused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from statnive.control.passwords import check_new_password, new_secret
from statnive.control.users import User
from statnive.errors import Rejected
from statnive.web.access import (
    NO_STORE,
    OPERATOR,
    OWN,
    Endpoint,
    Guarded,
    body_as,
    changing,
    in_body,
    reading,
    site_of,
)

if TYPE_CHECKING:
    from statnive.web.app import WebParts

INVITE_LIFE_S: Final = 7 * 86_400


class RoleWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/people; `role` null takes it away."""

    site: str
    email: str
    role: str | None


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
    users = Users(parts)
    return [
        reading("/api/users", users.every, OPERATOR),
        changing("/api/users", users.add, OPERATOR),
        changing("/api/users/disable", users.disable, OPERATOR),
        changing("/api/users/enable", users.enable, OPERATOR),
        changing("/api/users/link", users.link, OPERATOR),
        reading("/api/people", users.of_site, OWN),
        changing("/api/people", users.set_role, OWN),
    ]


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
        self._auditor.record(
            "account_added", account=user.id, operator=wish.operator, by=request.state.caller.name
        )
        return await self._with_link(request, user, 201)

    async def link(self, request: Request) -> Response:
        """A link to choose a (new) password; the one before it opens nothing any more."""
        wish = await body_as(request, Email)
        user = await trio.to_thread.run_sync(self._accounts.store.find, wish.email)
        if user.disabled_at is not None:
            raise Rejected("email", f"{user.email} is disabled; enable the account first")
        self._auditor.record(
            "account_changed", account=user.id, setup_link="made", by=request.state.caller.name
        )
        return await self._with_link(request, user)

    async def disable(self, request: Request) -> Response:
        wish = await body_as(request, Email)
        user = await self._accounts.change(self._accounts.store.disable, wish.email)
        self._auditor.record(
            "account_changed", account=user.id, state="disabled", by=request.state.caller.name
        )
        return JSONResponse(self._json(user), headers=NO_STORE)

    async def enable(self, request: Request) -> Response:
        wish = await body_as(request, Email)
        user = await self._accounts.change(self._accounts.store.enable, wish.email)
        self._auditor.record(
            "account_changed", account=user.id, state="enabled", by=request.state.caller.name
        )
        return JSONResponse(self._json(user), headers=NO_STORE)

    async def of_site(self, request: Request) -> Response:
        site = site_of(request)
        found = [
            {"email": user.email, "role": user.roles[site.id], "is_invited": not user.has_password}
            for user in self._accounts.directory.users.values()
            if site.id in user.roles
        ]
        return JSONResponse({"people": sorted(found, key=lambda one: str(one["email"]))}, headers=NO_STORE)

    async def set_role(self, request: Request) -> Response:
        """Give or take a role; who has no account yet gets one, and a link to pass on."""
        wish, site = await body_as(request, RoleWish), site_of(request)

        def change() -> User:
            return self._accounts.store.set_role(
                wish.email, site.id, wish.role, add_user=wish.role is not None
            )

        user = await self._accounts.change(change)
        self._auditor.record(
            "role_changed",
            account=user.id,
            site_id=site.id,
            role=wish.role or "none",
            by=request.state.caller.name,
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
        self._auditor.record("password_changed", account=user.id, by=request.state.caller.name)
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
