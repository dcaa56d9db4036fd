"""Passkeys (WebAuthn credentials) of users, as the control database keeps them.

Owns:       the table `passkeys`, the column `users.handle`. Inputs: keys that were checked (passkey_check.py). Outputs:
            Passkey.
Invariants: I1 a credential is of one account and of one host of this node; I2 a passkey's counter never goes back;
            I3 what authenticators know an account by is random, and no e-mail; I4 an id is never used again.
Failure:    Rejected naming the field.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Final

import attrs

from statnive.errors import Rejected

PASSKEYS_MAX: Final = 20  # of one user
NAME_CHARS_MAX: Final = 60
CREDENTIAL_BYTES_MAX: Final = 1_023  # WebAuthn Level 2, §4
HANDLE_BYTES: Final = 32

TABLE: Final = (
    "ALTER TABLE users ADD COLUMN handle BLOB NOT NULL DEFAULT x''",
    """CREATE TABLE passkeys (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        credential BLOB NOT NULL UNIQUE,
        public_key BLOB NOT NULL,
        host TEXT NOT NULL,
        name TEXT NOT NULL,
        sign_count INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        used_at INTEGER
    ) STRICT""",
    "CREATE INDEX passkeys_by_user ON passkeys (user_id)",
)
_COLUMNS: Final = (
    "passkeys.id, user_id, credential, public_key, handle, host, name, sign_count, passkeys.created_at, used_at "
    "FROM passkeys JOIN users ON users.id = user_id"
)


@attrs.frozen
class NewKey:
    """What a registration gave. `public_key` in COSE; `sign_count` 0 = the authenticator does not count."""

    credential: bytes
    public_key: bytes
    sign_count: int


@attrs.frozen
class Passkey:
    """One passkey of a user. `host`: the name of this node that it was made for (the RP id)."""

    id: int
    user_id: int
    credential: bytes
    public_key: bytes
    handle: bytes  # of the user
    host: str
    name: str
    sign_count: int
    created_at: int
    used_at: int | None


def handle(connection: sqlite3.Connection, user_id: int) -> bytes:
    """What authenticators know the account by (I3); made when it is asked for first."""
    (found,) = connection.execute("SELECT handle FROM users WHERE id = ?", (user_id,)).fetchone()
    if not found:
        found = os.urandom(HANDLE_BYTES)
        connection.execute("UPDATE users SET handle = ? WHERE id = ?", (found, user_id))
    assert isinstance(found, bytes), "the column is a BLOB"
    return found


def of_user(connection: sqlite3.Connection, user_id: int) -> list[Passkey]:
    """A user's passkeys, oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} WHERE user_id = ? ORDER BY passkeys.id", (user_id,))
    return [Passkey(*row) for row in rows]


def by_credential(connection: sqlite3.Connection, credential: bytes) -> Passkey | None:
    """The passkey of a credential, None when nobody who may sign in has it."""
    row = connection.execute(
        f"SELECT {_COLUMNS} WHERE credential = ? AND disabled_at IS NULL",
        (credential,),
    ).fetchone()
    return None if row is None else Passkey(*row)


def add(connection: sqlite3.Connection, user_id: int, key: NewKey, host: str, name: str, now: int) -> Passkey:
    """A passkey more. Raises Rejected for one that is known already, or one too many."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise Rejected("name", f"has 1 to {NAME_CHARS_MAX} printable characters")
    if len(of_user(connection, user_id)) >= PASSKEYS_MAX:
        raise Rejected("passkey", f"there are {PASSKEYS_MAX} already; remove one")
    if not 1 <= len(key.credential) <= CREDENTIAL_BYTES_MAX:
        raise Rejected("passkey", f"has an id of 1 to {CREDENTIAL_BYTES_MAX} bytes")
    try:
        made = connection.execute(
            "INSERT INTO passkeys (user_id, credential, public_key, host, name, sign_count, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (user_id, key.credential, key.public_key, host, name, key.sign_count, now),
        )
    except sqlite3.IntegrityError:  # keeps I1
        raise Rejected("passkey", "is known already") from None
    return next(found for found in of_user(connection, user_id) if found.id == made.lastrowid)


def remove(connection: sqlite3.Connection, user_id: int, passkey_id: int) -> None:
    """The passkey opens nothing any more. Raises Rejected."""
    gone = connection.execute("DELETE FROM passkeys WHERE user_id = ? AND id = ?", (user_id, passkey_id))
    if not gone.rowcount:
        raise Rejected("id", f"{passkey_id} is no passkey of this account")


def used(connection: sqlite3.Connection, passkey: Passkey, sign_count: int, now: int) -> bool:
    """Note a use; False when the counter has moved since `passkey` was read (I2), or it is gone."""
    noted = connection.execute(
        "UPDATE passkeys SET sign_count = ?, used_at = ? WHERE id = ? AND sign_count = ? AND ? >= sign_count",
        (sign_count, now, passkey.id, passkey.sign_count, sign_count),
    )
    return noted.rowcount == 1
