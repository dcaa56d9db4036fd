"""Passkeys: adding one to an account, listing and removing them, and signing in with one.

Owns:       the open challenges. Inputs: JSON bodies; credentials as browsers make them. Outputs: JSON; a session.
Invariants: I1 a challenge is good once, for a few minutes, for one page's origin and one use: adding to the session
            that asked for it, or signing in; I2 who adds or removes a passkey types the password for it; I3 whatever
            does not fit at a sign-in is refused in the same words.
Failure:    Rejected, AccessRefused, Overloaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from statnive.control import passkey_check
from statnive.control.passkey_check import ALGORITHMS, Place, to_base64
from statnive.control.passkeys import Passkey
from statnive.errors import Rejected
from statnive.web.access import ANYONE, NO_STORE, PERSON, AccessRefused, body_as, changing, reading
from statnive.web.account_routes import OwnAccount, Password, label_of, person_of, user_of
from statnive.web.challenges import LIFE_S, Challenges
from statnive.web.gate import host_of, is_address
from statnive.web.sign_in import UNKNOWN_PASSKEY

if TYPE_CHECKING:
    from statnive.web.app import WebParts

_DEFAULT_PORTS: Final = {"https": ":443", "http": ":80"}


class NewPasskey(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/account/passkeys: what the browser made; without a name it has the browser's."""

    credential: dict[str, Any]
    name: str = ""


class PasskeyNumber(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/account/passkeys/remove."""

    id: int
    password: str


class SignedChallenge(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/account/passkey: what the browser's authenticator signed."""

    credential: dict[str, Any]


def routes(parts: WebParts) -> list[BaseRoute]:
    """The routes."""
    passkeys = Passkeys(parts)
    return [
        reading("/api/account/passkeys", passkeys.every, PERSON),
        changing("/api/account/passkeys/begin", passkeys.begin, PERSON),
        changing("/api/account/passkeys", passkeys.add, PERSON),
        changing("/api/account/passkeys/remove", passkeys.remove, PERSON),
        changing("/api/account/passkey/begin", passkeys.begin_sign_in, ANYONE),
        changing("/api/account/passkey", passkeys.sign_in, ANYONE),
    ]


class Passkeys:
    """The endpoints."""

    def __init__(self, parts: WebParts) -> None:
        self._accounts, self._sign_in = parts.accounts, parts.sign_in
        self._gate, self._auditor = parts.gate, parts.auditor
        self._own = OwnAccount(parts)
        self._challenges = Challenges(parts.clock)

    async def every(self, request: Request) -> Response:
        return await self._list(user_of(request).id)

    async def begin(self, request: Request) -> Response:
        """What the browser's `navigator.credentials.create` wants to know; keeps I2."""
        wish, user, place = await body_as(request, Password), user_of(request), self._place(request)
        await self._sign_in.password_of(self._gate.address_of(request), user.email, wish.password)
        handle = await self._accounts.change(self._accounts.store.handle, user.id)
        known = await trio.to_thread.run_sync(self._accounts.store.passkeys, user.id)
        options = {
            "rp": {"id": place.host, "name": "statnive"},
            "user": {"id": to_base64(handle), "name": user.email, "displayName": user.email},
            "challenge": to_base64(self._challenges.new(_adding(request, place))),
            "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in ALGORITHMS],
            "excludeCredentials": [{"type": "public-key", "id": to_base64(key.credential)} for key in known],
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": True,
                "userVerification": "required",
            },
            "attestation": "none",
            "timeout": LIFE_S * 1_000,
        }
        return JSONResponse({"options": options}, headers=NO_STORE)

    async def add(self, request: Request) -> Response:
        wish, user, place = await body_as(request, NewPasskey), user_of(request), self._place(request)
        _, challenge = passkey_check.told(wish.credential)
        if not self._challenges.take(_adding(request, place), challenge):
            raise Rejected("passkey", f"was asked for more than {LIFE_S // 60} minutes ago; begin again")
        name = wish.name.strip() or label_of(request.headers.get("user-agent", ""))
        key = await self._accounts.hashing(passkey_check.registered, wish.credential, challenge, place)
        made = await self._accounts.change(self._accounts.store.add_passkey, user.id, key, place.host, name)
        self._auditor.record("second_factor_changed", account=user.id, passkey=made.id, state="added")
        return await self._list(user.id, 201)

    async def remove(self, request: Request) -> Response:
        """Keeps I2."""
        wish, user = await body_as(request, PasskeyNumber), user_of(request)
        await self._sign_in.password_of(self._gate.address_of(request), user.email, wish.password)
        await self._accounts.change(self._accounts.store.remove_passkey, user.id, wish.id)
        self._auditor.record("second_factor_changed", account=user.id, passkey=wish.id, state="removed")
        return await self._list(user.id)

    async def begin_sign_in(self, request: Request) -> Response:
        """What `navigator.credentials.get` wants to know. It names no account: the authenticator knows them."""
        place = self._place(request)
        options = {
            "challenge": to_base64(self._challenges.new(_signing_in(place))),
            "rpId": place.host,
            "userVerification": "required",
            "timeout": LIFE_S * 1_000,
        }
        return JSONResponse({"options": options}, headers=NO_STORE)

    async def sign_in(self, request: Request) -> Response:
        """Keeps I3."""
        wish, place = await body_as(request, SignedChallenge), self._place(request)
        _, challenge = passkey_check.told(wish.credential)
        if not self._challenges.take(_signing_in(place), challenge):
            raise AccessRefused(401, UNKNOWN_PASSKEY, field="passkey")
        secret, _ = await self._sign_in.with_passkey(
            self._gate.address_of(request),
            wish.credential,
            challenge,
            place,
            label_of(request.headers.get("user-agent", "")),
            request.cookies.get(self._gate.cookie_name(request), ""),
        )
        return self._own.signed_in(request, secret)

    async def _list(self, user_id: int, status: int = 200) -> Response:
        found = await trio.to_thread.run_sync(self._accounts.store.passkeys, user_id)
        return JSONResponse({"passkeys": [_json(passkey) for passkey in found]}, status, NO_STORE)

    def _place(self, request: Request) -> Place:
        """Raises Rejected where no browser makes passkeys: unencrypted pages, and pages without a name."""
        origin = self._gate.own_url(request).lower()
        scheme, host = origin.partition("://")[0], host_of(origin)
        is_local = host == "localhost" or host.endswith(".localhost")
        if not host or is_address(host) or not (is_local or scheme == "https"):
            raise Rejected(
                "passkey", f"needs an encrypted page under a name, https://…; this is {origin[:100]}"
            )
        return Place(origin.removesuffix(_DEFAULT_PORTS[scheme]), host)


def _adding(request: Request, place: Place) -> str:
    session = person_of(request).session
    assert session is not None, "a person has one"
    return f"add {session.id} {place.origin}"


def _signing_in(place: Place) -> str:
    return f"sign in {place.origin}"


def _json(passkey: Passkey) -> dict[str, Any]:
    return {
        "id": passkey.id,
        "name": passkey.name,
        "host": passkey.host,
        "created_at": passkey.created_at,
        "used_at": passkey.used_at,
    }
