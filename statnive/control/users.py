"""Users and their roles: the people who may look at sites and change them, as the control database keeps them.

Owns:       the tables `users`, `roles`, `recovery_codes`, `sessions`, `setup_links`. Inputs: wishes, checked here.
Outputs:    User, Session, Credentials.
Invariants: I1 passwords, session ids, links and recovery codes are kept as hashes only; I2 an id is never used again;
            I3 there is always an operator who can sign in, once there was one; I4 a setup link works once, and a
            recovery code too; I5 who is disabled, or has a new password, has no session from before.
Failure:    Rejected naming the field.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import attrs

from statnive.errors import Rejected

EMAIL_CHARS_MAX: Final = 254
USERS_MAX: Final = 10_000
SESSIONS_MAX: Final = 50  # of one user; the one longest unused ends
LABEL_CHARS_MAX: Final = 80
_EMAIL: Final = re.compile(r"[^@\s<>\"]{1,64}@[^@\s<>\"]{1,190}")

TABLES: Final = (
    """CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        email TEXT NOT NULL UNIQUE,
        password TEXT NOT NULL DEFAULT '',
        is_operator INTEGER NOT NULL,
        totp_secret BLOB NOT NULL DEFAULT x'',
        totp_step INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL,
        signed_in_at INTEGER,
        disabled_at INTEGER
    ) STRICT""",
    """CREATE TABLE roles (
        user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        site_id INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        role TEXT NOT NULL,
        PRIMARY KEY (user_id, site_id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE recovery_codes (
        user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        digest BLOB NOT NULL,
        PRIMARY KEY (user_id, digest)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        digest BLOB NOT NULL UNIQUE,
        user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        label TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT""",
    # user_id 0: whoever comes first becomes the operator.
    """CREATE TABLE setup_links (
        digest BLOB PRIMARY KEY,
        user_id INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
)


class Role(StrEnum):
    """What a user may do with a site; each holds what the one before it does."""

    VIEWER = "viewer"  # read
    ADMIN = "admin"  # and change goals, segments, links, tokens
    OWNER = "owner"  # and say who else may, and remove the site

    def holds(self, least: Role) -> bool:
        """Whether it is `least` or more."""
        order = list(Role)
        return order.index(self) >= order.index(least)


@attrs.frozen
class User:
    """A person with an account. Times are seconds of the epoch; `roles` by site id. An operator may do everything."""

    id: int
    email: str
    is_operator: bool
    has_password: bool
    has_totp: bool
    recovery_left: int
    roles: Mapping[int, Role]
    created_at: int
    signed_in_at: int | None = None
    disabled_at: int | None = None

    def role_on(self, site_id: int) -> Role | None:
        return Role.OWNER if self.is_operator else self.roles.get(site_id)


@attrs.frozen
class Session:
    """One signed-in browser. `label` says which one, in words."""

    id: int
    user_id: int
    label: str
    created_at: int
    used_at: int
    expires_at: int


@attrs.frozen
class Credentials:
    """What a sign-in is checked against; "" and b"" = there is none."""

    user_id: int
    password: str = attrs.field(default="", repr=False)
    totp_secret: bytes = attrs.field(default=b"", repr=False)
    totp_step: int = 0


NOBODY: Final = Credentials(0)


def canonical_email(text: str) -> str:
    """An address as it is kept. Raises Rejected."""
    email = text.strip().lower()
    if len(email) > EMAIL_CHARS_MAX or not _EMAIL.fullmatch(email) or not email.isprintable():
        raise Rejected("email", f"{text[:60]!r} is no e-mail address such as ann@example.com")
    return email


def add(connection: sqlite3.Connection, email: str, *, is_operator: bool, now: int) -> User:
    """A new user, who can't sign in before a password is set. Raises Rejected."""
    email = canonical_email(email)
    (count,) = connection.execute("SELECT count(*) FROM users").fetchone()
    if count >= USERS_MAX:
        raise Rejected("email", f"there are {USERS_MAX} users already")
    try:
        made = connection.execute(
            "INSERT INTO users (email, is_operator, created_at) VALUES (?, ?, ?)", (email, is_operator, now)
        )
    except sqlite3.IntegrityError:
        raise Rejected("email", f"{email} has an account already") from None
    assert made.lastrowid is not None
    return User(made.lastrowid, email, is_operator, False, False, 0, MappingProxyType({}), now)


def every(connection: sqlite3.Connection) -> list[User]:
    """Every user, by e-mail."""
    roles: dict[int, dict[int, Role]] = {}
    for user_id, site_id, role in connection.execute("SELECT user_id, site_id, role FROM roles"):
        roles.setdefault(user_id, {})[site_id] = Role(role)
    rows = connection.execute(
        "SELECT id, email, is_operator, password != '', totp_secret != x'', "
        "(SELECT count(*) FROM recovery_codes WHERE user_id = id), created_at, signed_in_at, disabled_at "
        "FROM users ORDER BY email"
    )
    return [
        User(
            number, email, bool(operator), bool(password), bool(totp), codes,
            MappingProxyType(roles.get(number, {})), *times,
        )
        for number, email, operator, password, totp, codes, *times in rows
    ]  # fmt: skip


def by_email(connection: sqlite3.Connection, email: str) -> User:
    """Raises Rejected for one that has no account."""
    wanted = canonical_email(email)
    found = next((user for user in every(connection) if user.email == wanted), None)
    if found is None:
        raise Rejected("email", f"{wanted} has no account; `statnive user list` shows them")
    return found


def credentials(connection: sqlite3.Connection, email: str) -> Credentials:
    """What to check a sign-in against; NOBODY for an unknown or disabled one."""
    row = connection.execute(
        "SELECT id, password, totp_secret, totp_step FROM users WHERE email = ? AND disabled_at IS NULL",
        (email.strip().lower(),),
    ).fetchone()
    return Credentials(*row) if row and row[1] else NOBODY


def set_password(connection: sqlite3.Connection, user_id: int, hashed: str, keep: int = 0) -> None:
    """A new password, as its hash; ends every session but that with the id `keep` (I5), and open setup links."""
    connection.execute("UPDATE users SET password = ? WHERE id = ?", (hashed, user_id))
    connection.execute("DELETE FROM sessions WHERE user_id = ? AND id != ?", (user_id, keep))
    connection.execute("DELETE FROM setup_links WHERE user_id = ?", (user_id,))


def set_role(connection: sqlite3.Connection, user_id: int, site_id: int, role: str | None) -> None:
    """What the user may do with the site; None = nothing any more. Raises Rejected."""
    if role is None:
        connection.execute("DELETE FROM roles WHERE user_id = ? AND site_id = ?", (user_id, site_id))
        return
    if role not in list(Role):
        raise Rejected("role", f"{role[:40]!r} is unknown; allowed: {', '.join(Role)}")
    connection.execute("REPLACE INTO roles VALUES (?, ?, ?)", (user_id, site_id, role))


def disable(connection: sqlite3.Connection, user: User, now: int) -> None:
    """The user can't sign in any more; ends every session (I5). Raises Rejected for the last operator (I3)."""
    if user.is_operator:
        (others,) = connection.execute(
            "SELECT count(*) FROM users WHERE is_operator AND disabled_at IS NULL AND password != '' AND id != ?",
            (user.id,),
        ).fetchone()
        if not others:
            raise Rejected("email", f"{user.email} is the last operator who can sign in")
    connection.execute("UPDATE users SET disabled_at = ? WHERE id = ?", (now, user.id))
    connection.execute("DELETE FROM sessions WHERE user_id = ?", (user.id,))
    connection.execute("DELETE FROM setup_links WHERE user_id = ?", (user.id,))


def enable(connection: sqlite3.Connection, user: User) -> None:
    """The user can sign in again."""
    connection.execute("UPDATE users SET disabled_at = NULL WHERE id = ?", (user.id,))


def set_totp(
    connection: sqlite3.Connection, user_id: int, secret: bytes, step: int, codes: list[bytes]
) -> None:
    """One-time codes from now on, with these recovery codes' digests; b"" = none any more."""
    connection.execute(
        "UPDATE users SET totp_secret = ?, totp_step = ? WHERE id = ?", (secret, step, user_id)
    )
    set_recovery_codes(connection, user_id, codes)


def set_recovery_codes(connection: sqlite3.Connection, user_id: int, codes: list[bytes]) -> None:
    """New recovery codes, by their digests; the old ones open nothing any more."""
    connection.execute("DELETE FROM recovery_codes WHERE user_id = ?", (user_id,))
    connection.executemany("INSERT INTO recovery_codes VALUES (?, ?)", [(user_id, code) for code in codes])


def take_step(connection: sqlite3.Connection, user_id: int, step: int) -> bool:
    """Note that the code of a step was used; False when it or a later one was before."""
    taken = connection.execute(
        "UPDATE users SET totp_step = ? WHERE id = ? AND totp_step < ?", (step, user_id, step)
    )
    return taken.rowcount == 1


def take_recovery_code(connection: sqlite3.Connection, user_id: int, digest: bytes) -> bool:
    """Use up a recovery code (I4); False when there is none such."""
    taken = connection.execute(
        "DELETE FROM recovery_codes WHERE user_id = ? AND digest = ?", (user_id, digest)
    )
    return taken.rowcount == 1


def add_session(
    connection: sqlite3.Connection, user_id: int, digest: bytes, label: str, now: int, life_s: int
) -> Session:
    """Sign a browser in; the oldest session beyond SESSIONS_MAX ends."""
    label = "".join(c for c in label if c.isprintable())[:LABEL_CHARS_MAX]
    made = connection.execute(
        "INSERT INTO sessions (digest, user_id, label, created_at, used_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        (digest, user_id, label, now, now, now + life_s),
    )
    connection.execute("UPDATE users SET signed_in_at = ? WHERE id = ?", (now, user_id))
    connection.execute("DELETE FROM sessions WHERE expires_at <= ?", (now,))
    connection.execute(
        "DELETE FROM sessions WHERE user_id = ? AND id NOT IN "
        "(SELECT id FROM sessions WHERE user_id = ? ORDER BY used_at DESC, id DESC LIMIT ?)",
        (user_id, user_id, SESSIONS_MAX),
    )
    assert made.lastrowid is not None
    return Session(made.lastrowid, user_id, label, now, now, now + life_s)


def end_sessions(connection: sqlite3.Connection, user_id: int, session_id: int | None, keep: int = 0) -> int:
    """End one session of a user, or all but `keep`; how many."""
    if session_id is not None:
        ended = connection.execute("DELETE FROM sessions WHERE user_id = ? AND id = ?", (user_id, session_id))
    else:
        ended = connection.execute("DELETE FROM sessions WHERE user_id = ? AND id != ?", (user_id, keep))
    return ended.rowcount


def sessions(connection: sqlite3.Connection) -> dict[bytes, Session]:
    """Every session by what is kept of its id."""
    rows: list[Any] = connection.execute(
        "SELECT digest, id, user_id, label, created_at, used_at, expires_at FROM sessions"
    ).fetchall()
    return {digest: Session(*rest) for digest, *rest in rows}


def add_setup_link(connection: sqlite3.Connection, user_id: int, digest: bytes, expires_at: int) -> None:
    """A link for a user (0: for the first operator) to choose a password; the one before opens nothing any more."""
    connection.execute("DELETE FROM setup_links WHERE user_id = ?", (user_id,))
    connection.execute("INSERT INTO setup_links VALUES (?, ?, ?)", (digest, user_id, expires_at))


def setup_link(connection: sqlite3.Connection, digest: bytes, now: int) -> int | None:
    """Whose link it is (0: the first operator's), None when it is none, used or expired."""
    row = connection.execute(
        "SELECT user_id FROM setup_links WHERE digest = ? AND expires_at > ?", (digest, now)
    ).fetchone()
    return None if row is None else int(row[0])
