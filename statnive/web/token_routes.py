"""The API tokens of one site, for who looks after it.

Owns:       nothing. Inputs: requests that the gate let in, JSON bodies. Outputs: JSON.
Invariants: I1 a token that is made here is for the one site that the gate judged, and only such a one is shown or
            revoked; I2 a token makes none that may do what it may not; I3 a secret is shown once, in the answer that
            makes it.
Failure:    Rejected, AccessRefused.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from statnive.control.tokens import SECRET_BYTES, NewToken, secret_of
from statnive.errors import Rejected
from statnive.web.access import EDIT, NO_STORE, AccessRefused, Numbered, body_as, changing, reading, site_of
from statnive.web.control import token_json

if TYPE_CHECKING:
    from statnive.web.app import WebParts


class SiteTokenWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/tokens."""

    site: str
    name: str
    scopes: list[str]
    days: int | None = None


def routes(parts: WebParts) -> list[BaseRoute]:
    """The routes."""
    tokens = SiteTokens(parts)
    return [
        reading("/api/tokens", tokens.every, EDIT),
        changing("/api/tokens", tokens.add, EDIT),
        changing("/api/tokens/revoke", tokens.revoke, EDIT),
    ]


class SiteTokens:
    """The endpoints."""

    def __init__(self, parts: WebParts) -> None:
        self._parts, self._auditor = parts, parts.auditor

    async def every(self, request: Request) -> Response:
        site = site_of(request)
        found = await trio.to_thread.run_sync(self._parts.store.list_tokens)
        own = [
            token for token in found if token.site_ids == frozenset((site.id,)) and token.revoked_at is None
        ]
        return JSONResponse({"tokens": [token_json(self._parts, token) for token in own]}, headers=NO_STORE)

    async def add(self, request: Request) -> Response:
        wish, site = await body_as(request, SiteTokenWish), site_of(request)
        self._refuse_more_than_own(request, wish.scopes)
        secret = secret_of(os.urandom(SECRET_BYTES))
        new = NewToken(wish.name, tuple(wish.scopes), frozenset((site.id,)), wish.days)  # keeps I1
        token = await trio.to_thread.run_sync(self._parts.store.add_token, new, secret)
        await trio.to_thread.run_sync(self._parts.tokens.reload)
        self._auditor.record("token_added", token=token.id, site_id=site.id, by=request.state.caller.name)
        return JSONResponse({**token_json(self._parts, token), "secret": secret}, 201, NO_STORE)

    def _refuse_more_than_own(self, request: Request, scopes: list[str]) -> None:
        """Keeps I2."""
        token = request.state.caller.token
        if token is not None and not set(scopes) <= set(token.scopes):
            wanted = ", ".join(sorted(set(scopes) - set(token.scopes)))
            raise AccessRefused(403, f"This API key lacks the scope {wanted[:80]}.")

    async def revoke(self, request: Request) -> Response:
        wish, site = await body_as(request, Numbered), site_of(request)
        found = await trio.to_thread.run_sync(self._parts.store.list_tokens)
        if not any(token.id == wish.id and token.site_ids == frozenset((site.id,)) for token in found):
            raise Rejected("id", f"{wish.id} is no token of this site alone")
        token = await trio.to_thread.run_sync(self._parts.store.revoke_token, wish.id)
        await trio.to_thread.run_sync(self._parts.tokens.reload)
        self._auditor.record("token_revoked", token=token.id, site_id=site.id, by=request.state.caller.name)
        return JSONResponse(token_json(self._parts, token), headers=NO_STORE)
