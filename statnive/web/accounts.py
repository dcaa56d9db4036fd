"""The accounts in memory: who has which session, which link opens what. One look-up for each request, no disk.

Owns:       the current Directory; when each session was used last; the keys of links with a password.
Inputs:     a session's secret, a link's secret or key; changes to the store. Outputs: User, Session, SharedLink.
Invariants: I1 a session ends when it was idle or alive for too long, its user is disabled or its row is gone; I2 what
            was changed through `change` holds from the next request on; I3 memory is bounded by what the store holds.
Failure:    that a use can't be noted is reported, and the request goes on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeVar

import trio

from statnive.config import AuthConfig
from statnive.control.accounts import AccountStore, Directory
from statnive.control.passwords import Hasher, digest_of, new_secret
from statnive.control.sharing import SharedLink
from statnive.control.users import Session, User
from statnive.errors import Overloaded, StatniveError

T = TypeVar("T")
# How often at most a session's last use is written to disk; in between it is known in memory.
NOTE_EVERY_S: Final = 300
HASHES_WAITING_MAX: Final = 20
LINK_KEY_S: Final = 12 * 3_600
LINK_KEYS_MAX: Final = 10_000


class Accounts:
    """See the module's contract. Everything on the event loop's thread."""

    def __init__(
        self,
        store: AccountStore,
        config: AuthConfig,
        *,
        clock: Callable[[], float],
        report: Callable[[str, str], None],
    ) -> None:
        self.store, self.config = store, config
        self.hasher = Hasher(memory_kib=config.password_memory_kib, passes=config.password_passes)
        self._clock, self._report = clock, report
        self._used: dict[int, int] = {}
        self._noted: dict[int, float] = {}
        self._keys: OrderedDict[bytes, tuple[int, float]] = OrderedDict()
        self._hashing = trio.CapacityLimiter(1)  # a flood of sign-ins gets one core at most, never two
        self.directory: Directory = store.directory()

    async def change(self, change: Callable[..., T], *given: Any) -> T:
        """Make a change to the store in a thread, and have every later request see it."""

        def both() -> tuple[T, Directory]:
            return change(*given), self.store.directory()

        result, self.directory = await trio.to_thread.run_sync(both)  # keeps I2
        left = {session.id for session in self.directory.sessions.values()}
        for kept in (self._used, self._noted):
            for number in kept.keys() - left:
                kept.pop(number, None)  # keeps I3
        return result

    def reload(self) -> None:
        """Read the directory again, here and now: a site was removed, and with it roles and links."""
        self.directory = self.store.directory()

    async def hashing(self, work: Callable[..., T], *given: Any) -> T:
        """Something that takes a hash's time, in the one thread for it. Raises Overloaded when too many wait."""
        if self._hashing.statistics().tasks_waiting >= HASHES_WAITING_MAX:
            raise Overloaded("too many people sign in right now", retry_after_s=2)
        return await trio.to_thread.run_sync(work, *given, limiter=self._hashing)

    def session(self, secret: str) -> tuple[User, Session] | None:
        """Who is signed in with this secret, None when nobody is (any more). Counts as a use."""
        session = self.directory.sessions.get(digest_of(secret))
        if session is None:
            return None
        user = self.directory.users.get(session.user_id)
        now = self._clock()
        idle_s = now - self.used_at(session)
        if user is None or user.disabled_at is not None or now >= session.expires_at:
            return None
        if idle_s > self.config.session_idle_s:
            return None
        self._used[session.id] = int(now)
        return user, session

    def used_at(self, session: Session) -> int:
        """When it was used last, in seconds of the epoch, also when that is not on disk yet."""
        return self._used.get(session.id, session.used_at)

    async def note(self, session: Session) -> None:
        """Write down that a session was used, now and then. Cancelling waits for the note."""
        now = self._clock()
        if 0 <= now - self._noted.get(session.id, session.used_at) < NOTE_EVERY_S:
            return
        self._noted[session.id] = now
        try:
            await trio.to_thread.run_sync(self.store.session_used, session.id, int(now))
        except StatniveError as error:
            self._report("session_use", f"the last use of session {session.id} can't be noted: {error}")

    def link(self, secret: str) -> SharedLink | None:
        """The open link of a secret or of a key; one with a password is opened by its key only."""
        digest, now = digest_of(secret), self._clock()
        found = self.directory.links.get(digest)
        if found is not None:
            return found if found.is_open(now) and not found.password else None
        number, until = self._keys.get(digest, (0, 0.0))
        if now >= until:
            return None
        return next((x for x in self.directory.links.values() if x.id == number and x.is_open(now)), None)

    def locked_link(self, secret: str) -> SharedLink | None:
        """The open link of a secret, whether it needs a password or not."""
        found = self.directory.links.get(digest_of(secret))
        return found if found is not None and found.is_open(self._clock()) else None

    def key_for(self, link: SharedLink) -> str:
        """A key that opens a link with a password for LINK_KEY_S; the oldest ones go when there are too many."""
        key = new_secret()
        self._keys[digest_of(key)] = (link.id, self._clock() + LINK_KEY_S)
        while len(self._keys) > LINK_KEYS_MAX:
            self._keys.popitem(last=False)
        return key

    def stats(self) -> dict[str, float]:
        """Figures by metric name."""
        return {
            "users": len(self.directory.users),
            "sessions": len(self.directory.sessions),
            "shared_links": len(self.directory.links),
        }
