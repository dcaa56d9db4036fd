"""Signing in: password, then a one-time code where one is set up; or a passkey. Slower and slower for who guesses.

Owns:       the failures of each address, and of each address at each account, in memory, bounded.
Inputs:     what a person typed, and from where. Outputs: a new session, or SignInRefused.
Invariants: I1 an unknown, a disabled and a known account answer alike and take as long; I2 only addresses are slowed
            down, never an account: nobody can be locked out by somebody elsewhere; wrong one-time codes, which only
            who has the password can send, close the codes for a while and never the recovery codes; I3 an attempt
            counts before it is checked, so that many at once are no way around.
Failure:    AccessRefused (401, 429), Overloaded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

import attrs

from statnive.actors.auditor import AuditorHandle
from statnive.control import passkey_check
from statnive.control.passkey_check import Place
from statnive.control.passkeys import Passkey
from statnive.control.passwords import digest_of, new_secret, totp_step
from statnive.control.users import Credentials, Session
from statnive.errors import Rejected
from statnive.ingest.client_address import network_key
from statnive.web.access import AccessRefused
from statnive.web.accounts import Accounts

UNKNOWN_PASSKEY: Final = "This passkey is not known here, or can't be used again; sign in with your password."
CREDENTIAL_CHARS_MAX: Final = 1_400
WRONG: Final = "The e-mail or the password is wrong."
FREE_AT_ACCOUNT: Final = 5  # attempts of an address at one account before it has to wait
FREE_AT_ALL: Final = 30  # of an address at all accounts: an office shares one
DELAY_MAX_S: Final = 900
# Less for all accounts together: people who share an address with a guesser must get in between.
DELAY_AT_ALL_MAX_S: Final = 60
FORGET_S: Final = 3_600
KEYS_MAX: Final = 20_000
CODES_WRONG_MAX: Final = 20  # an hour, of one account: 6 digits are few


@attrs.define
class _Tries:
    count: int = 0
    last: float = 0.0
    next_at: float = 0.0


class SlowDown:
    """How long who tries has to wait: doubling from one second on, forgotten after an hour of quiet."""

    def __init__(self, clock: Callable[[], float], *, keys_max: int = KEYS_MAX) -> None:
        self._clock, self._keys_max = clock, keys_max
        self._tries: OrderedDict[Hashable, _Tries] = OrderedDict()

    def wait_s(self, key: Hashable) -> int:
        """Seconds until the next attempt is taken, 0 = now."""
        found = self._tries.get(key)
        return 0 if found is None else max(0, -int(-(found.next_at - self._clock()) // 1))

    def count(self, key: Hashable, free: int, delay_max_s: int = DELAY_MAX_S) -> None:
        """One more attempt; the first `free` cost no time."""
        now = self._clock()
        found = self._tries.pop(key, None)
        if found is None or now - found.last > FORGET_S:
            found = _Tries()
        found.count += 1
        found.last = now
        if found.count >= free:
            found.next_at = now + min(delay_max_s, 2 ** min(found.count - free, 20))
        self._tries[key] = found
        while len(self._tries) > self._keys_max:
            self._tries.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        """The attempts were those of somebody who knew."""
        self._tries.pop(key, None)

    def forgive(self, key: Hashable) -> None:
        """The last attempt was one of somebody who knew; those before it still count."""
        if found := self._tries.get(key):
            found.count -= 1
            found.next_at = 0.0


class SignIn:
    """See the module's contract."""

    def __init__(self, accounts: Accounts, *, clock: Callable[[], float], auditor: AuditorHandle) -> None:
        self._accounts, self._clock, self._auditor = accounts, clock, auditor
        self._slow = SlowDown(clock)
        self._codes: OrderedDict[int, list[float]] = OrderedDict()
        self.counts = {"signed_in": 0, "refused": 0, "slowed": 0}

    async def with_password(
        self, address: str, email: str, password: str, code: str, label: str, replaces: str
    ) -> tuple[str, Session]:
        """A new session's secret and the session. Raises AccessRefused: 401, with the field `code` when it is due.

        Cancelling waits for a hash that is being made.
        """
        self.attempt(address, email.strip().lower())
        found = await self._accounts.hashing(self._checked, email, password)
        if found.user_id == 0:
            self._auditor.record("login_failed", who=self._auditor.subject(email))
            raise self._refused(WRONG)
        if found.totp_secret:
            await self._check_code(found, code)
        self.succeeded(address, email.strip().lower())
        secret, session = await self.open(found.user_id, label, replaces)
        self.counts["signed_in"] += 1
        self._auditor.record("login", account=found.user_id)
        return secret, session

    async def with_passkey(
        self,
        address: str,
        credential: dict[str, Any],
        challenge: bytes,
        place: Place,
        label: str,
        replaces: str,
    ) -> tuple[str, Session]:
        """The same by a passkey, which is a second factor in itself: the person was verified by what they hold.

        `challenge` is one of ours that was good. Raises AccessRefused, the same for whatever does not fit.
        """
        name = f"passkey {str(credential['rawId'])[:CREDENTIAL_CHARS_MAX]}"
        self.attempt(address, name)
        passkey, sign_count = await self._accounts.hashing(self._signed, credential, challenge, place)
        if passkey is None:
            self._auditor.record("login_failed", who=self._auditor.subject(name))
            raise self._refused(UNKNOWN_PASSKEY, field="passkey")
        if sign_count is None or not await self._accounts.change(
            self._accounts.store.passkey_used, passkey, sign_count
        ):
            self._auditor.record("second_factor_failed", account=passkey.user_id, passkey=passkey.id)
            raise self._refused(UNKNOWN_PASSKEY, field="passkey")
        self.succeeded(address, name)
        secret, session = await self.open(passkey.user_id, label, replaces)
        self.counts["signed_in"] += 1
        self._auditor.record("login", account=passkey.user_id, passkey=passkey.id)
        return secret, session

    def _signed(
        self, credential: dict[str, Any], challenge: bytes, place: Place
    ) -> tuple[Passkey | None, int | None]:
        """The passkey that should have signed, None = unknown, and its new counter, None = it does not fit."""
        passkey = self._accounts.store.passkey(passkey_check.from_base64(credential["rawId"]))
        if passkey is None:
            return None, None
        try:
            return passkey, passkey_check.signed(credential, challenge, place, passkey)
        except Rejected:
            return passkey, None

    async def open(self, user_id: int, label: str, replaces: str = "") -> tuple[str, Session]:
        """A new session of a user; the one that the browser had before ends. Its id was never anybody's."""
        secret = new_secret()
        session = await self._accounts.change(
            self._accounts.store.add_session,
            user_id,
            secret,
            label,
            self._accounts.config.session_life_s,
            digest_of(replaces) if replaces else b"",
        )
        return secret, session

    def attempt(self, address: str, account: str) -> None:
        """Count an attempt (I3). Raises AccessRefused (429) when it comes too soon."""
        network = network_key(address)
        pair = (network, digest_of(account)[:16])
        wait_s = max(self._slow.wait_s(network), self._slow.wait_s(pair))
        if wait_s:
            self.counts["slowed"] += 1
            self._auditor.record("login_limited", who=self._auditor.subject(account), wait_s=wait_s)
            raise AccessRefused(
                429, f"Too many attempts. Try again in {wait_s} seconds.", retry_after_s=wait_s
            )
        self._slow.count(network, FREE_AT_ALL, DELAY_AT_ALL_MAX_S)
        self._slow.count(pair, FREE_AT_ACCOUNT)

    def succeeded(self, address: str, account: str) -> None:
        """Forget the attempts of this address at this account."""
        network = network_key(address)
        self._slow.forget((network, digest_of(account)[:16]))
        self._slow.forgive(network)

    async def password_of(self, address: str, user_email: str, password: str) -> None:
        """Check the password of somebody who is signed in already. Raises AccessRefused."""
        self.attempt(address, user_email)
        found = await self._accounts.hashing(self._checked, user_email, password)
        if found.user_id == 0:
            self._auditor.record("login_failed", who=self._auditor.subject(user_email))
            raise self._refused("The password is wrong.", field="password", status=403)
        self.succeeded(address, user_email)

    def _checked(self, email: str, password: str) -> Credentials:
        """The credentials if the password fits, else nobody's; I1: one query and one hash, whatever is asked."""
        found = self._accounts.store.credentials(email)
        if not self._accounts.hasher.fits(found.password, password):
            return Credentials(0)
        if self._accounts.hasher.is_outdated(found.password):
            self._accounts.store.rehash(found.user_id, self._accounts.hasher.hash(password))
        return found

    async def _check_code(self, found: Credentials, code: str) -> None:
        if not code.strip():
            raise AccessRefused(401, "Type the code of your authenticator app.", field="code")
        store = self._accounts.store
        if len(code.replace(" ", "")) > 6:
            if not await self._accounts.change(store.take_recovery_code, found.user_id, code):
                self._auditor.record("second_factor_failed", account=found.user_id)
                raise self._refused("This recovery code is wrong, or was used.", field="code")
            self._auditor.record("second_factor_changed", account=found.user_id, recovery_code="used")
            return
        now = self._clock()
        wrong = [at for at in self._codes.get(found.user_id, ()) if 0 <= now - at < FORGET_S]
        if len(wrong) >= CODES_WRONG_MAX:
            wait_s = int(wrong[0] + FORGET_S - now) + 1
            message = f"Too many wrong codes. Use a recovery code, or wait {wait_s // 60 + 1} minutes."
            raise AccessRefused(429, message, field="code", retry_after_s=wait_s)
        self._codes[found.user_id] = [*wrong, now]  # keeps I3
        while len(self._codes) > KEYS_MAX:
            self._codes.popitem(last=False)
        step = totp_step(found.totp_secret, code, now, found.totp_step)
        if step is None or not await self._accounts.change(store.take_step, found.user_id, step):
            self._auditor.record("second_factor_failed", account=found.user_id)
            raise self._refused("This code is wrong, or was used already.", field="code")
        self._codes[found.user_id].pop()

    def _refused(self, message: str, *, field: str | None = None, status: int = 401) -> AccessRefused:
        self.counts["refused"] += 1
        return AccessRefused(status, message, field=field)

    def stats(self) -> dict[str, float]:
        """Figures by metric name."""
        return {f"sign_in_{name}_total": count for name, count in self.counts.items()}
