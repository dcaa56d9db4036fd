"""Who may ask the API: bearer tokens, their sites, their scopes, their hourly limit.

Owns:       the tokens in memory, the requests of each in its running hour, how fast each sends events (GCRA, as in the
            limiter), when each was used last.
Inputs:     a request's Authorization header. Outputs: the Token, or TokenRefused with status and message.
Invariants: I1 a request without an open token is refused before anything is read; I2 a token that is revoked opens
            nothing from the next request on; I3 memory is bounded by the tokens there are.
Failure:    that a use can't be noted down is reported, and the request goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import attrs
import trio

from statnive.control.snapshot import Site
from statnive.control.tokens import Token, TokenScope, digest_of
from statnive.errors import StatniveError
from statnive.web.access import AccessRefused

HOUR_S: Final = 3_600
EVENTS_BURST_S: Final = 2.0  # so many seconds' worth of events may come at once
EVENTS_MAX: Final = 50  # of one request, which always fits into a full bucket
# How often at most a token's last use is written to disk; in between it is known in memory.
NOTE_EVERY_S: Final = 300
MISSING: Final = "Missing API key. Please use a valid API key as a Bearer Token."
# The same for a wrong key and a foreign site: nobody learns which sites there are.
INVALID: Final = (
    "Invalid API key or site ID. Please make sure you're using a valid API key with access to the site "
    "you've requested."
)


class TokenRefused(AccessRefused):
    """401 (no key, a wrong one, or not for this site), 403 (lacks the scope) or 429 (over the limit)."""

    def __init__(self, status: int, message: str, retry_after_s: int = 0) -> None:
        super().__init__(status, message, retry_after_s=retry_after_s)


@attrs.define
class _Hour:
    began: float
    requests: int = 0


class TokenGate:
    """See the module's contract. `reload` may be called from a thread; everything else on the event loop."""

    def __init__(
        self,
        load: Callable[[], dict[bytes, Token]],
        note_used: Callable[[int, int], None],
        *,
        clock: Callable[[], float],
        requests_per_hour: int,
        events_per_s: float = 500,
        report: Callable[[str, str], None],
    ) -> None:
        self._load, self._note_used = load, note_used
        self._clock, self._report = clock, report
        self.requests_per_hour = requests_per_hour
        self._interval_s = 1 / events_per_s
        self._burst_s = max(EVENTS_BURST_S, EVENTS_MAX * self._interval_s)
        self._hours: dict[int, _Hour] = {}
        self._full_at: dict[int, float] = {}
        self._used: dict[int, int] = {}
        self._noted: dict[int, float] = {}
        self._tokens = load()
        self.refused = {401: 0, 403: 0, 429: 0}

    def reload(self) -> None:
        """Read the tokens again: one was added or revoked."""
        self._tokens = self._load()  # keeps I2
        left = {token.id for token in self._tokens.values()}
        for kept in (self._hours, self._full_at, self._used, self._noted):
            for number in kept.keys() - left:
                kept.pop(number, None)  # keeps I3

    def last_used(self, token: Token) -> int | None:
        """When it was used last, in seconds of the epoch, also when that is not on disk yet."""
        return self._used.get(token.id, token.last_used_at)

    async def admit(self, authorization: str, *scopes: TokenScope) -> Token:
        """The token of an Authorization header that has one of `scopes`. Raises TokenRefused.

        Cancelling waits for the note of the use, if one is being written.
        """
        now = self._clock()
        token = self._known(authorization, now)
        if scopes != (TokenScope.EVENTS_WRITE,):  # events are counted by their number: take_events
            self._count(token, now)
        if not token.scopes & set(scopes):
            wanted = " or ".join(scopes)
            raise self._refusal(403, f"This API key lacks the scope {wanted}; it has {_named(token)}.")
        self._used[token.id] = int(now)
        if not 0 <= now - self._noted.get(token.id, -1e9) < NOTE_EVERY_S:
            self._noted[token.id] = now
            await self._note(token, int(now))
        return token

    def for_site(self, token: Token, site: Site | None) -> Site:
        """The site, if there is one and the token covers it. Raises TokenRefused."""
        if site is None or not token.covers(site.id):
            raise self._refusal(401, INVALID)
        return site

    def take_events(self, token: Token, events: int) -> None:
        """Count `events` that a token sends, all or none. Raises TokenRefused (429)."""
        now = self._clock()
        needed_s = events * self._interval_s
        # Never more than a full bucket: the wall clock may have been set back.
        ahead_s = min(max(self._full_at.get(token.id, now) - now, 0.0), self._burst_s)
        self._full_at[token.id] = now + ahead_s
        over_s = ahead_s + needed_s - self._burst_s
        if over_s > self._interval_s / 2:  # rounding must not decide about the last one
            message = f"Too many events: this API key may send {1 / self._interval_s:g} a second."
            raise self._refusal(429, message, retry_after_s=math.ceil(over_s))
        self._full_at[token.id] += needed_s

    def stats(self) -> dict[str, float]:
        """Figures by metric name."""
        return {
            "api_tokens": len(self._tokens),
            **{f"api_refused_{status}_total": count for status, count in self.refused.items()},
        }

    def _known(self, authorization: str, now: float) -> Token:
        """Keeps I1."""
        kind, _, rest = authorization.strip().partition(" ")
        if kind.lower() != "bearer" or not rest.strip():
            raise self._refusal(401, MISSING)
        digest = digest_of(rest.strip())
        token = self._tokens.get(digest) if digest is not None else None
        if token is None or not token.is_open(now):
            raise self._refusal(401, INVALID)
        return token

    def _count(self, token: Token, now: float) -> None:
        hour = self._hours.get(token.id)
        if hour is None or not 0 <= now - hour.began < HOUR_S:
            hour = self._hours[token.id] = _Hour(now)
        if hour.requests >= self.requests_per_hour:
            message = f"Too many API requests. Your API key is limited to {self.requests_per_hour} requests per hour."
            raise self._refusal(429, message, retry_after_s=int(hour.began + HOUR_S - now) + 1)
        hour.requests += 1

    async def _note(self, token: Token, at: int) -> None:
        try:
            await trio.to_thread.run_sync(self._note_used, token.id, at)
        except StatniveError as error:
            self._report("token_use", f"the last use of token {token.id} can't be noted: {error}")

    def _refusal(self, status: int, message: str, retry_after_s: int = 0) -> TokenRefused:
        self.refused[status] += 1
        return TokenRefused(status, message, retry_after_s)


def _named(token: Token) -> str:
    return ", ".join(sorted(token.scopes))
