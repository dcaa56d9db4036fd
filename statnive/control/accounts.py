"""The accounts' side of the control database: users, sessions, setup links, shared links, public sites.

Owns:       nothing of its own; it works on the ControlStore's file, under its lock and in its transactions.
Inputs:     wishes, and hashes made elsewhere: nothing here takes long. Outputs: Directory, an immutable view.
Invariants: I1 what was changed is in the next Directory; I2 a check and the change that depends on it are one
            transaction.
Failure:    Rejected naming the field; else as the ControlStore. Methods block and may be called from any thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from statnive.control import passkeys, sharing, users
from statnive.control.passkeys import NewKey, Passkey
from statnive.control.passwords import digest_of, recovery_digest
from statnive.control.sharing import SharedLink
from statnive.control.store import ControlStore
from statnive.control.users import Credentials, Session, User
from statnive.errors import Rejected

LINK_FIELD: Final = "link"
LINK_IS_OVER: Final = "is used, expired or none; ask for a new one (statnive user passwd EMAIL)"


@attrs.frozen
class Directory:
    """Everything that a request is checked against, at one moment."""

    users: Mapping[int, User]
    sessions: Mapping[bytes, Session]
    links: Mapping[bytes, SharedLink]  # by the digest of their secrets
    public_site_ids: frozenset[int]

    @property
    def has_users(self) -> bool:
        """Whether anyone can sign in, or could once a password is set."""
        return any(user.has_password for user in self.users.values())


class AccountStore:
    """See the module's contract."""

    def __init__(self, store: ControlStore, *, now_s: Callable[[], float] = time.time) -> None:
        self._store, self._now_s = store, now_s

    def directory(self) -> Directory:
        """Everything as it is now."""
        with self._store.reading() as connection:
            links = sharing.every(connection)
            return Directory(
                MappingProxyType({user.id: user for user in users.every(connection)}),
                MappingProxyType(users.sessions(connection)),
                MappingProxyType({digest_of(link.secret): link for link in links}),
                sharing.public_ids(connection),
            )

    def list_users(self) -> list[User]:
        """Every user, by e-mail."""
        with self._store.reading() as connection:
            return users.every(connection)

    def find(self, email: str) -> User:
        """The user of an e-mail. Raises Rejected."""
        with self._store.reading() as connection:
            return users.by_email(connection, email)

    def credentials(self, email: str) -> Credentials:
        """What to check a sign-in against; NOBODY's for an unknown, disabled or unfinished account."""
        with self._store.reading() as connection:
            return users.credentials(connection, email)

    def add_user(self, email: str, *, is_operator: bool) -> User:
        """A new user without a password. Raises Rejected."""
        with self._store.change() as connection:
            return users.add(connection, email, is_operator=is_operator, now=self._now())

    def set_password(self, user_id: int, hashed: str, *, keep_session: int = 0) -> None:
        """A new password, as its hash; every session ends but `keep_session`."""
        with self._store.change() as connection:
            users.set_password(connection, user_id, hashed, keep_session)

    def rehash(self, user_id: int, hashed: str) -> None:
        """The same password at today's costs: no session ends."""
        with self._store.change() as connection:
            connection.execute("UPDATE users SET password = ? WHERE id = ?", (hashed, user_id))

    def disable(self, email: str) -> User:
        """The user can't sign in any more. Raises Rejected, for the last operator too."""
        with self._store.change() as connection:
            user = users.by_email(connection, email)
            users.disable(connection, user, self._now())
        return attrs.evolve(user, disabled_at=self._now())

    def enable(self, email: str) -> User:
        """The user can sign in again. Raises Rejected."""
        with self._store.change() as connection:
            user = users.by_email(connection, email)
            users.enable(connection, user)
        return attrs.evolve(user, disabled_at=None)

    def set_role(self, email: str, site_id: int, role: str | None, *, add_user: bool = False) -> User:
        """What a user may do with a site, None = nothing; with `add_user` a new one is made. Raises Rejected."""
        with self._store.change() as connection:
            email = users.canonical_email(email)
            if add_user and all(user.email != email for user in users.every(connection)):
                users.add(connection, email, is_operator=False, now=self._now())
            users.set_role(connection, users.by_email(connection, email).id, site_id, role)
            return users.by_email(connection, email)

    def setup_link(self, user_id: int, secret: str, life_s: int) -> None:
        """A link for a user (0: the first operator) to choose a password, in place of the one before."""
        with self._store.change() as connection:
            users.add_setup_link(connection, user_id, digest_of(secret), self._now() + life_s)

    def check_link(self, secret: str) -> User | None:
        """Whose setup link it is, None = the first operator's. Raises Rejected when it opens nothing."""
        with self._store.reading() as connection:
            owner = users.setup_link(connection, digest_of(secret), self._now())
            if owner is None:
                raise Rejected(LINK_FIELD, LINK_IS_OVER)
            return None if owner == 0 else next(u for u in users.every(connection) if u.id == owner)

    def use_link(self, secret: str, email: str, hashed: str) -> User:
        """Set the password that a setup link was for; the first operator is made here. Raises Rejected."""
        digest, now = digest_of(secret), self._now()
        with self._store.change() as connection:
            owner = users.setup_link(connection, digest, now)
            if owner is None:
                raise Rejected(LINK_FIELD, LINK_IS_OVER)
            connection.execute("DELETE FROM setup_links WHERE digest = ?", (digest,))
            owner = owner or users.add(connection, email, is_operator=True, now=now).id
            users.set_password(connection, owner, hashed)
            return next(user for user in users.every(connection) if user.id == owner)

    def set_totp(self, user_id: int, secret: bytes, step: int, codes: list[str]) -> None:
        """One-time codes from now on, with these recovery codes; b"" and [] = none any more."""
        with self._store.change() as connection:
            users.set_totp(connection, user_id, secret, step, [recovery_digest(code) for code in codes])

    def set_recovery_codes(self, user_id: int, codes: list[str]) -> None:
        """New recovery codes in place of the old ones."""
        with self._store.change() as connection:
            users.set_recovery_codes(connection, user_id, [recovery_digest(code) for code in codes])

    def take_step(self, user_id: int, step: int) -> bool:
        """Note that a one-time code was used; False when it was before."""
        with self._store.change() as connection:
            return users.take_step(connection, user_id, step)

    def take_recovery_code(self, user_id: int, code: str) -> bool:
        """Use up a recovery code; False when there is none such."""
        with self._store.change() as connection:
            return users.take_recovery_code(connection, user_id, recovery_digest(code))

    def passkeys(self, user_id: int) -> list[Passkey]:
        """A user's passkeys, oldest first."""
        with self._store.reading() as connection:
            return passkeys.of_user(connection, user_id)

    def passkey(self, credential: bytes) -> Passkey | None:
        """The passkey of a credential, None when nobody who may sign in has it."""
        with self._store.reading() as connection:
            return passkeys.by_credential(connection, credential)

    def handle(self, user_id: int) -> bytes:
        """What authenticators know a user by."""
        with self._store.change() as connection:
            return passkeys.handle(connection, user_id)

    def add_passkey(self, user_id: int, key: NewKey, host: str, name: str) -> Passkey:
        """A passkey more. Raises Rejected."""
        with self._store.change() as connection:
            return passkeys.add(connection, user_id, key, host, name, self._now())

    def remove_passkey(self, user_id: int, passkey_id: int) -> None:
        """The passkey opens nothing any more. Raises Rejected."""
        with self._store.change() as connection:
            passkeys.remove(connection, user_id, passkey_id)

    def passkey_used(self, passkey: Passkey, sign_count: int) -> bool:
        """Note a use; False when the passkey was used or removed since it was read."""
        with self._store.change() as connection:
            return passkeys.used(connection, passkey, sign_count, self._now())

    def add_session(
        self, user_id: int, secret: str, label: str, life_s: int, replaces: bytes = b""
    ) -> Session:
        """A signed-in browser, in place of the session it had before (`replaces`, a digest)."""
        with self._store.change() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = ?", (replaces,))
            return users.add_session(connection, user_id, digest_of(secret), label, self._now(), life_s)

    def end_sessions(self, user_id: int, session_id: int | None = None, *, keep: int = 0) -> int:
        """End one session of a user, or all but `keep`; how many."""
        with self._store.change() as connection:
            return users.end_sessions(connection, user_id, session_id, keep)

    def session_used(self, session_id: int, at: int) -> None:
        """Note when a session was used last."""
        with self._store.change() as connection:
            connection.execute("UPDATE sessions SET used_at = max(used_at, ?) WHERE id = ?", (at, session_id))

    def add_link(self, site_id: int, name: str, secret: str, password: str, days: int | None) -> SharedLink:
        """A new shared link; `password` is a hash or "". Raises Rejected."""
        with self._store.change() as connection:
            return sharing.add(connection, site_id, name, secret, password, days, self._now())

    def remove_link(self, site_id: int, link_id: int) -> SharedLink:
        """The link opens nothing any more. Raises Rejected."""
        with self._store.change() as connection:
            return sharing.remove(connection, site_id, link_id)

    def set_public(self, site_id: int, is_public: bool) -> None:
        """Whether anyone may read the site's numbers."""
        with self._store.change() as connection:
            sharing.set_public(connection, site_id, is_public)

    def _now(self) -> int:
        return int(self._now_s())
