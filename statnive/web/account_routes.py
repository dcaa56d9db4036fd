"""One's own account: setup, signing in and out, password, one-time codes, recovery codes, sessions.

Owns:       the cookie. Inputs: JSON bodies. Outputs: JSON; a session's secret leaves in Set-Cookie only.
Invariants: I1 the cookie is HttpOnly, SameSite=Lax, of the whole host and nobody else's, Secure on encrypted
            connections; I2 who changes how one signs in types the password again; I3 a new password ends every other
            session.
Failure:    Rejected, AccessRefused, Overloaded.
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from statnive.control.passwords import (
    TOTP_SECRET_BYTES,
    base32,
    check_new_password,
    csrf_token,
    new_recovery_codes,
    totp_qr,
    totp_step,
    totp_uri,
)
from statnive.control.users import User, canonical_email
from statnive.errors import Rejected
from statnive.web.access import ANYONE, PERSON, AccessRefused, Caller, Guarded, body_as

if TYPE_CHECKING:
    from statnive.web.app import WebParts

NO_STORE: Final = {"cache-control": "no-store"}
_BROWSERS: Final = ("Edg/", "OPR/", "Firefox/", "Chrome/", "Safari/")
_SYSTEMS: Final = ("Windows", "Android", "iPhone", "iPad", "Mac OS X", "Linux")


class SignInWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/account/login; `code` from an authenticator app, or a recovery code."""

    email: str
    password: str
    code: str = ""


class SetupWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/account/setup; `email` for the first account, others have one."""

    link: str
    password: str
    email: str = ""


class LinkName(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/account/setup/look."""

    link: str


class PasswordWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/account/password."""

    password: str
    new: str


class Password(msgspec.Struct, forbid_unknown_fields=True):
    """The body of the changes that ask for the password again (I2)."""

    password: str


class TotpWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/account/totp: the secret that was shown, and its code now."""

    password: str
    secret: str
    code: str


class SessionNumber(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/account/sessions/end; null ends every other one."""

    id: int | None = None


def routes(parts: WebParts) -> list[BaseRoute]:
    """The routes."""
    own = OwnAccount(parts)

    def change(path: str, endpoint: Any, *, anyone: bool = False) -> Guarded:
        return Guarded(
            f"/api/account/{path}", endpoint, access=ANYONE if anyone else PERSON, methods=("POST",)
        )

    return [
        Guarded("/api/account", own.show, access=ANYONE),
        change("login", own.sign_in, anyone=True),
        change("setup", own.set_up, anyone=True),
        change("setup/look", own.look_at_link, anyone=True),
        change("logout", own.sign_out),
        change("password", own.new_password),
        change("totp/begin", own.begin_totp),
        change("totp", own.set_totp),
        change("totp/remove", own.remove_totp),
        change("recovery", own.new_codes),
        Guarded("/api/account/sessions", own.sessions, access=PERSON),
        change("sessions/end", own.end_sessions),
    ]


class OwnAccount:
    """The endpoints."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._accounts, self._sign_in = parts.accounts, parts.sign_in
        self._gate, self._auditor = parts.gate, parts.auditor

    async def show(self, request: Request) -> Response:
        """What a page asks first: is somebody signed in, and if not, can anybody be?"""
        caller: Caller = request.state.caller
        answer: dict[str, Any] = {
            "mode": self._gate.mode,
            "needs_setup": not self._accounts.directory.has_users,
            "account": None,
        }
        if caller.user is not None:
            answer["account"] = _account_json(caller.user)
            answer["csrf"] = caller.csrf
        return JSONResponse(answer, headers=NO_STORE)

    async def sign_in(self, request: Request) -> Response:
        wish = await body_as(request, SignInWish)
        secret, _ = await self._sign_in.with_password(
            self._gate.address_of(request),
            wish.email,
            wish.password,
            wish.code,
            label_of(request.headers.get("user-agent", "")),
            request.cookies.get(self._gate.cookie_name(request), ""),
        )
        return self.signed_in(request, secret)

    async def look_at_link(self, request: Request) -> Response:
        """Whose setup link it is: null = the first account's."""
        self._sign_in.attempt(self._gate.address_of(request), "setup")
        found = await self._accounts.hashing(
            self._accounts.store.check_link, (await body_as(request, LinkName)).link
        )
        self._sign_in.succeeded(self._gate.address_of(request), "setup")
        return JSONResponse({"email": found.email if found else None}, headers=NO_STORE)

    async def set_up(self, request: Request) -> Response:
        wish = await body_as(request, SetupWish)
        address = self._gate.address_of(request)
        self._sign_in.attempt(address, "setup")
        owner = await self._accounts.hashing(self._accounts.store.check_link, wish.link)
        email = owner.email if owner else canonical_email(wish.email)
        check_new_password(wish.password, email)
        hashed = await self._accounts.hashing(self._accounts.hasher.hash, wish.password)
        user = await self._accounts.change(self._accounts.store.use_link, wish.link, email, hashed)
        self._sign_in.succeeded(address, "setup")
        if owner is None:
            self._auditor.record("setup", account=user.id)
        else:
            self._auditor.record("password_changed", account=user.id, by="setup link")
        if user.has_totp:  # a link sets a password; it is no way around the codes
            return JSONResponse({"account": None}, headers=NO_STORE)
        label = label_of(request.headers.get("user-agent", ""))
        secret, _ = await self._sign_in.open(
            user.id, label, request.cookies.get(self._gate.cookie_name(request), "")
        )
        return self.signed_in(request, secret)

    async def sign_out(self, request: Request) -> Response:
        caller = person_of(request)
        assert caller.session is not None
        await self._accounts.change(
            self._accounts.store.end_sessions, caller.session.user_id, caller.session.id
        )
        self._auditor.record("logout", account=caller.session.user_id)
        answer = JSONResponse({"account": None}, headers=NO_STORE)
        self._set_cookie(answer, request, "", 0)
        return answer

    async def new_password(self, request: Request) -> Response:
        """Keeps I2 and I3; this browser goes on under a new id."""
        wish, user = await body_as(request, PasswordWish), user_of(request)
        await self._sign_in.password_of(self._gate.address_of(request), user.email, wish.password)
        check_new_password(wish.new, user.email)
        hashed = await self._accounts.hashing(self._accounts.hasher.hash, wish.new)
        await self._accounts.change(self._accounts.store.set_password, user.id, hashed)
        self._auditor.record("password_changed", account=user.id, by="owner")
        secret, _ = await self._sign_in.open(user.id, label_of(request.headers.get("user-agent", "")))
        return self.signed_in(request, secret)

    async def begin_totp(self, request: Request) -> Response:
        """A secret to scan or type; nothing changes before a code of it comes back."""
        secret = os.urandom(TOTP_SECRET_BYTES)
        uri = totp_uri(secret, user_of(request).email)
        qr = await self._accounts.hashing(totp_qr, uri)  # some milliseconds: not on the events' thread
        return JSONResponse({"secret": base32(secret), "uri": uri, "qr": qr}, headers=NO_STORE)

    async def set_totp(self, request: Request) -> Response:
        wish, user = await body_as(request, TotpWish), user_of(request)
        await self._sign_in.password_of(self._gate.address_of(request), user.email, wish.password)
        secret = _totp_secret(wish.secret)
        step = totp_step(secret, wish.code, self._parts.clock(), 0)
        if step is None:
            raise Rejected("code", "is not the one of this secret now; is the phone's clock right?")
        codes = new_recovery_codes()
        await self._accounts.change(self._accounts.store.set_totp, user.id, secret, step, codes)
        self._auditor.record("second_factor_changed", account=user.id, second_factor="set up")
        return JSONResponse({"recovery_codes": codes}, headers=NO_STORE)

    async def remove_totp(self, request: Request) -> Response:
        wish, user = await body_as(request, Password), user_of(request)
        await self._sign_in.password_of(self._gate.address_of(request), user.email, wish.password)
        await self._accounts.change(self._accounts.store.set_totp, user.id, b"", 0, [])
        self._auditor.record("second_factor_changed", account=user.id, second_factor="removed")
        return await self.show(request)

    async def new_codes(self, request: Request) -> Response:
        wish, user = await body_as(request, Password), user_of(request)
        if not user.has_totp:
            raise Rejected("code", "recovery codes stand in for one-time codes, which are not set up")
        await self._sign_in.password_of(self._gate.address_of(request), user.email, wish.password)
        codes = new_recovery_codes()
        await self._accounts.change(self._accounts.store.set_recovery_codes, user.id, codes)
        self._auditor.record("second_factor_changed", account=user.id, recovery_codes="renewed")
        return JSONResponse({"recovery_codes": codes}, headers=NO_STORE)

    async def sessions(self, request: Request) -> Response:
        caller = person_of(request)
        assert caller.session is not None
        own = [s for s in self._accounts.directory.sessions.values() if s.user_id == caller.session.user_id]
        shown = [
            {
                "id": session.id,
                "label": session.label,
                "created_at": session.created_at,
                "used_at": self._accounts.used_at(session),
                "expires_at": session.expires_at,
                "is_this": session.id == caller.session.id,
            }
            for session in sorted(own, key=self._accounts.used_at, reverse=True)
        ]
        return JSONResponse({"sessions": shown}, headers=NO_STORE)

    async def end_sessions(self, request: Request) -> Response:
        wish, caller = await body_as(request, SessionNumber), person_of(request)
        assert caller.session is not None
        store, user_id = self._accounts.store, caller.session.user_id

        def end() -> int:
            return store.end_sessions(user_id, wish.id, keep=caller.session.id if caller.session else 0)

        ended = await self._accounts.change(end)
        self._auditor.record("session_revoked", account=user_id, sessions=ended)
        return JSONResponse({"ended": ended}, headers=NO_STORE)

    def signed_in(self, request: Request, secret: str) -> Response:
        """The answer that signs a browser in."""
        found = self._accounts.session(secret)
        assert found is not None, "it was made just now"
        answer = JSONResponse(
            {"account": _account_json(found[0]), "csrf": csrf_token(secret)}, headers=NO_STORE
        )
        self._set_cookie(answer, request, secret, self._accounts.config.session_life_s)
        return answer

    def _set_cookie(self, answer: Response, request: Request, secret: str, life_s: int) -> None:
        """Keeps I1."""
        answer.set_cookie(
            self._gate.cookie_name(request), secret, max_age=life_s, path="/", httponly=True, samesite="lax",
            secure=self._gate.is_secure(request),
        )  # fmt: skip


def label_of(user_agent: str) -> str:
    """A browser in words, for the list of sessions: no more of the agent is kept."""
    browser = next((name.rstrip("/") for name in _BROWSERS if name in user_agent), "Another program")
    browser = {"Edg": "Edge", "OPR": "Opera"}.get(browser, browser)
    system = next((name for name in _SYSTEMS if name in user_agent), "")
    return f"{browser}, {system.replace('Mac OS X', 'macOS')}" if system else browser


def _account_json(user: User) -> dict[str, Any]:
    return {
        "email": user.email,
        "is_operator": user.is_operator,
        "has_totp": user.has_totp,
        "recovery_left": user.recovery_left,
    }


def person_of(request: Request) -> Caller:
    """The caller with a session; in an open node there is none."""
    caller: Caller = request.state.caller
    if caller.session is None:
        raise AccessRefused(403, 'Nobody is signed in: this node runs with [auth] mode = "open".')
    return caller


def user_of(request: Request) -> User:
    """Who is signed in. Raises AccessRefused as person_of does."""
    user = person_of(request).user
    assert user is not None, "a session is somebody's"
    return user


def _totp_secret(text: str) -> bytes:
    try:
        secret = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != TOTP_SECRET_BYTES:
        raise Rejected("secret", "is not the one that was shown")
    return secret
