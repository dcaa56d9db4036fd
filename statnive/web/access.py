"""Who may call a route: the words in which every route says it, and what is known of a caller.

A route is a `Guarded`: it can't be made without an `access`, and an app that is given another kind of route does not
start. The gate (gate.py) is the one place that enforces what is declared here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, TypeVar

import attrs
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from statnive.control.sharing import SharedLink
from statnive.control.snapshot import Site
from statnive.control.tokens import Token, TokenScope
from statnive.control.users import Role, Session, User
from statnive.errors import Rejected

T = TypeVar("T")
BODY_BYTES_MAX: Final = 65_536
NO_STORE: Final = {"cache-control": "no-store"}
Endpoint = Callable[[Request], Awaitable[Response]]
SiteNamed = Callable[[Request], Awaitable[object]]


class AccessRefused(Exception):  # noqa: N818 - named by what happened
    """401 (who are you?), 403 (you may not) or 429 (not so often)."""

    def __init__(
        self, status: int, message: str, *, field: str | None = None, retry_after_s: int = 0
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.field, self.retry_after_s = status, message, field, retry_after_s


@attrs.frozen
class Access:
    """Who may call a route. Whatever is not said is refused; an operator may call everything but `token_only`.

    anyone: no question is asked. role: the least role on the site that the request names. scopes: a token with one of
    them, for that site (or for all of them, where no site is named). shown: also for public sites and shared links.
    listed: everybody who may see any site at all; the answer holds those sites only. person: everybody signed in.
    """

    name: str
    anyone: bool = False
    person: bool = False
    role: Role | None = None
    scopes: tuple[TokenScope, ...] = ()
    shown: bool = False
    listed: bool = False
    token_only: bool = False


_READ, _MANAGE = TokenScope.STATS_READ, TokenScope.SITES_MANAGE
ANYONE: Final = Access("anyone", anyone=True)
PERSON: Final = Access("person", person=True)
OPERATOR: Final = Access("operator")
METRICS: Final = Access("metrics", scopes=(_READ,))
LISTED: Final = Access("listed", listed=True, scopes=(_READ, _MANAGE))
VIEW: Final = Access("view", role=Role.VIEWER, scopes=(_READ,), shown=True)
SETTINGS: Final = Access("settings", role=Role.VIEWER, scopes=(_READ, _MANAGE), shown=True)
EDIT: Final = Access("edit", role=Role.ADMIN, scopes=(_MANAGE,))
OWN: Final = Access("own", role=Role.OWNER)
TOKEN_READ: Final = Access("token_read", role=Role.VIEWER, scopes=(_READ,), token_only=True)
TOKEN_KNOW: Final = Access("token_know", role=Role.VIEWER, scopes=(_READ, _MANAGE), token_only=True)
TOKEN_LIST: Final = Access("token_list", listed=True, scopes=(_READ, _MANAGE), token_only=True)
TOKEN_MANAGE: Final = Access("token_manage", role=Role.ADMIN, scopes=(_MANAGE,), token_only=True)
TOKEN_WRITE: Final = Access(
    "token_write", role=Role.ADMIN, scopes=(TokenScope.EVENTS_WRITE,), token_only=True
)
TOKEN_CREATE: Final = Access("token_create", scopes=(_MANAGE,), token_only=True)


@attrs.frozen
class Caller:
    """What is known of who asks. `trusted`: this machine's operator (control socket, or `auth.mode` open)."""

    trusted: bool = False
    user: User | None = None
    session: Session | None = None
    csrf: str = attrs.field(default="", repr=False)
    token: Token | None = None
    link: SharedLink | None = None

    @property
    def is_operator(self) -> bool:
        return self.trusted or (self.user is not None and self.user.is_operator)

    @property
    def is_nobody(self) -> bool:
        return not self.trusted and self.user is None and self.token is None and self.link is None

    @property
    def name(self) -> str:
        """For the audit log: never an e-mail."""
        if self.user is not None:
            return f"user {self.user.id}"
        return f"token {self.token.id}" if self.token is not None else "the operator of this machine"


class Guarded(BaseRoute):
    """One route and who may call it. `site` finds the site that a request names, for an access with a role."""

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        *,
        access: Access,
        methods: tuple[str, ...] = ("GET",),
        site: SiteNamed | None = None,
    ) -> None:
        if (access.role is not None) != (site is not None):
            raise TypeError(f"{path}: a route with a role, and only such a one, says where its site is named")
        self.path, self.endpoint, self.access, self.site = path, endpoint, access, site
        self.methods = methods


def in_query(name: str = "site") -> SiteNamed:
    """The site is a parameter of the address."""

    async def named(request: Request) -> object:
        values = request.query_params.getlist(name)
        if len(values) > 1:
            raise Rejected(name, "is given twice")
        return values[0] if values else ""

    return named


def in_path(name: str) -> SiteNamed:
    """The site is a part of the path."""

    async def named(request: Request) -> object:
        return request.path_params[name]

    return named


async def in_body(request: Request) -> object:
    """The site is the key `site` of a JSON body."""
    return (await body_of(request)).get("site")


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a body, decoded once: what is judged is what is done. Raises Rejected."""
    kept: dict[str, Any] | None = getattr(request.state, "body", None)
    if kept is not None:
        return kept
    body = await capped(request)
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        found = None
    if not isinstance(found, dict):
        raise Rejected("body", "must be a JSON object")
    request.state.body = found
    return found


async def capped(request: Request, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """The whole body. Raises Rejected for one that is longer."""
    body = b""
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > bytes_max:
                raise Rejected("body", f"is longer than {bytes_max} bytes")
    return body


async def body_as(request: Request, kind: type[T]) -> T:
    """The body as a struct. Raises Rejected naming what is wrong."""
    try:
        return msgspec.convert(await body_of(request), kind)
    except msgspec.ValidationError as error:
        raise Rejected("body", str(error)) from None


def reading(path: str, endpoint: Endpoint, access: Access) -> Guarded:
    """A GET; its site, if it is of one, is a parameter of the address."""
    return Guarded(path, endpoint, access=access, site=in_query() if access.role else None)


def changing(path: str, endpoint: Endpoint, access: Access) -> Guarded:
    """A POST of JSON; its site, if it is of one, is a key of the body."""
    return Guarded(path, endpoint, access=access, methods=("POST",), site=in_body if access.role else None)


def site_of(request: Request) -> Site:
    """The site that the gate judged. Raises Rejected for an operator's request that names none of this node."""
    site: Site | None = request.state.site
    if site is None:
        raise Rejected("site", "names no site of this node; `statnive site list` shows them")
    return site


class Numbered(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a change to one thing of a site."""

    site: str
    id: int
