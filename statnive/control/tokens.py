"""API tokens: who may ask the API for what, as the control database keeps them.

Owns:       the tables `tokens` and `token_sites`. Inputs: an operator's wish and a new secret. Outputs: Token.
Invariants: I1 only the SHA-256 of a secret is kept, beside its first characters: 32 random bytes need no slow hash;
            I2 a token for named sites never becomes one for all, whatever is removed; I3 a token that was revoked or
            has expired opens nothing; I4 an id is never used again.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sqlite3
from enum import StrEnum
from typing import Any, Final

import attrs

from statnive.control.site_items import checked_name
from statnive.errors import Rejected

TOKENS_MAX: Final = 1_000  # in use at the same time
DAYS_MAX: Final = 3_650
DAY_S: Final = 86_400
SHOWN_CHARS: Final = 9
SECRET_BYTES: Final = 32
PREFIX: Final = "stnv_"  # so that scanners of secrets know one

_SECRET: Final = re.compile(r"stnv_[A-Za-z0-9_-]{43}")

TABLES: Final = (
    """CREATE TABLE tokens (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        digest BLOB NOT NULL UNIQUE,
        shown TEXT NOT NULL,
        scopes TEXT NOT NULL,
        for_all_sites INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        last_used_at INTEGER,
        revoked_at INTEGER
    ) STRICT""",
    """CREATE TABLE token_sites (
        token_id INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
        site_id INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        PRIMARY KEY (token_id, site_id)
    ) STRICT, WITHOUT ROWID""",
)
_COLUMNS: Final = (
    "id, name, shown, scopes, for_all_sites, created_at, expires_at, last_used_at, revoked_at, "
    "(SELECT group_concat(site_id) FROM token_sites WHERE token_id = id)"
)


class TokenScope(StrEnum):
    """What a token opens."""

    STATS_READ = "stats:read"
    EVENTS_WRITE = "events:write"
    SITES_MANAGE = "sites:manage"


@attrs.frozen
class Token:
    """A token without its secret. Times are seconds of the epoch; `site_ids` None = every site, also later ones."""

    id: int
    name: str
    shown: str  # the secret's first characters
    scopes: frozenset[TokenScope]
    site_ids: frozenset[int] | None
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None
    revoked_at: int | None = None

    def is_open(self, now: float) -> bool:
        """Whether it opens anything at `now` (I3)."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def covers(self, site_id: int) -> bool:
        return self.site_ids is None or site_id in self.site_ids


@attrs.frozen
class NewToken:
    """What an operator asks for. `site_ids` as in Token; `days` None = it does not expire."""

    name: str
    scopes: tuple[str, ...]
    site_ids: frozenset[int] | None
    days: int | None = None

    def checked(self, now: int) -> Token:
        """The token with id 0. Raises Rejected naming the field and what is allowed."""
        name = checked_name(self.name)
        for scope in self.scopes:
            if scope not in list(TokenScope):
                raise Rejected("scope", f"{scope[:40]!r} is unknown; allowed: {', '.join(TokenScope)}")
        if not self.scopes:
            raise Rejected("scope", f"must be at least one of {', '.join(TokenScope)}")
        if self.site_ids is not None and not self.site_ids:
            raise Rejected("site", "name at least one site, or ask for all of them")
        if self.days is not None and not 1 <= self.days <= DAYS_MAX:
            raise Rejected("days", f"must be from 1 to {DAYS_MAX}")
        expires = None if self.days is None else now + self.days * DAY_S
        return Token(0, name, "", frozenset(map(TokenScope, self.scopes)), self.site_ids, now, expires)


def secret_of(random: bytes) -> str:
    """The text of a secret, from SECRET_BYTES random bytes."""
    assert len(random) == SECRET_BYTES, "a secret is made of so many bytes"
    return PREFIX + base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def digest_of(secret: str) -> bytes | None:
    """What is kept of a secret; None for a text that is none of ours."""
    return hashlib.sha256(secret.encode()).digest() if _SECRET.fullmatch(secret) else None


def add(connection: sqlite3.Connection, new: NewToken, secret: str, now: int) -> Token:
    """Write a token down. Raises Rejected for a wrong one, or one too many."""
    token = new.checked(now)
    in_use = [found for found in every(connection) if found.is_open(now)]
    if len(in_use) >= TOKENS_MAX:
        raise Rejected("name", f"there are {TOKENS_MAX} tokens in use already; revoke some")
    if token.name in (found.name for found in in_use):
        raise Rejected("name", f"a token {token.name!r} is in use already; `statnive token list` shows them")
    shown = secret[:SHOWN_CHARS]
    created = connection.execute(
        "INSERT INTO tokens (name, digest, shown, scopes, for_all_sites, created_at, expires_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            token.name, digest_of(secret), shown, " ".join(sorted(token.scopes)), token.site_ids is None,
            now, token.expires_at,
        ),
    )  # fmt: skip
    assert created.lastrowid is not None
    connection.executemany(
        "INSERT INTO token_sites VALUES (?, ?)",
        [(created.lastrowid, site_id) for site_id in sorted(token.site_ids or ())],
    )
    return attrs.evolve(token, id=created.lastrowid, shown=shown)


def every(connection: sqlite3.Connection) -> list[Token]:
    """Every token there is or was, by id."""
    return [_token(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM tokens ORDER BY id")]  # noqa: S608


def by_digest(connection: sqlite3.Connection) -> dict[bytes, Token]:
    """The tokens that were not revoked, by what is kept of their secrets."""
    rows = connection.execute(f"SELECT digest, {_COLUMNS} FROM tokens WHERE revoked_at IS NULL")  # noqa: S608
    return {digest: _token(rest) for digest, *rest in rows}


def revoke(connection: sqlite3.Connection, token_id: int, now: int) -> Token:
    """The token opens nothing any more. Raises Rejected when none of that id is left to revoke."""
    token = next((found for found in every(connection) if found.id == token_id), None)
    if token is None or token.revoked_at is not None:
        raise Rejected("id", f"there is no token {token_id} to revoke; `statnive token list` shows them")
    connection.execute("UPDATE tokens SET revoked_at = ? WHERE id = ?", (now, token_id))
    return attrs.evolve(token, revoked_at=now)


def used(connection: sqlite3.Connection, token_id: int, at: int) -> None:
    """Note when a token was used last."""
    connection.execute(
        "UPDATE tokens SET last_used_at = max(?, ifnull(last_used_at, 0)) WHERE id = ?", (at, token_id)
    )


def _token(row: Any) -> Token:
    number, name, shown, scopes, for_all, created, expires, last_used, revoked, sites = row
    return Token(
        number,
        name,
        shown,
        frozenset(map(TokenScope, scopes.split())),
        None if for_all else frozenset(map(int, sites.split(",") if sites else ())),
        created,
        expires,
        last_used,
        revoked,
    )
