"""Events from a site's own programs, with a token: whom an event is about is told by the caller, not seen.

Owns:       nothing; rows go through the pipeline's tools and the committer, as those of browsers do.
Inputs:     POST /api/v1/events with a token of the scope events:write: one event of the tracker's grammar or an array
            of them, each perhaps with `ip`, `user_agent` and `time`. Without the first two the headers X-Forwarded-For
            and User-Agent tell them, as at Plausible.
Outputs:    202 once every row of the request is durable; what was not recorded, and why, by its place in the array.
Invariants: I1 a request is of one site, the one that the gate judged: an event of another is not recorded; I2 a
            request's rows are one append: it is recorded as a whole or, where the log takes no more, not at all;
            I3 an address lives as long as the request, and stands in no answer; I4 an event is never hashed with the
            key of another day: one of a day whose key is erased is refused.
Failure:    Rejected where no event of the request can be recorded as it is, TokenRefused (429), Overloaded (503).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from statnive.actors.committer import Batch
from statnive.config import IngestConfig
from statnive.control.snapshot import Site
from statnive.errors import Overloaded, Rejected
from statnive.event import DropReason, Row
from statnive.ingest.client_address import canonical
from statnive.ingest.fast_reject import FastReject
from statnive.ingest.parse import WireEvent
from statnive.ingest.pipeline import Client, Pipeline, Tools
from statnive.ingest.request import RequestHead
from statnive.web.access import TOKEN_WRITE, Guarded, capped
from statnive.web.openapi import EVENTS_PATH
from statnive.web.token_gate import EVENTS_MAX, TokenGate, TokenRefused

AHEAD_S_MAX: Final = 60  # what clocks may differ by; more is a mistake
NO_STORE: Final = {"cache-control": "no-store"}


class Told(msgspec.Struct):
    """What the caller tells beside the event itself. `time`: seconds of the epoch, or ISO 8601 with an offset."""

    ip: str | None = None
    user_agent: str | None = None
    time: int | float | str | None = None


class Given(NamedTuple):
    """One event as it was read."""

    event: WireEvent
    told: Told


class Lost(NamedTuple):
    """Why an event is not recorded. `field` names what to change, "" = nothing in it is wrong."""

    reason: DropReason
    field: str = ""
    message: str = ""
    wait_s: int = 0


class ServerEvents:
    """See the module's contract."""

    def __init__(
        self,
        tools: Tools,
        pipeline: Pipeline,
        config: IngestConfig,
        *,
        append: Callable[[list[bytes], None], Batch],
        keeps_day: Callable[[int], bool],
        tokens: TokenGate,
    ) -> None:
        self._tools, self._pipeline, self._append = tools, pipeline, append
        self._fast_reject = FastReject(config)
        self._keeps_day, self._tokens = keeps_day, tokens
        self.recorded = 0

    def routes(self) -> list[Guarded]:
        """The route."""
        return [Guarded(EVENTS_PATH, self.take, access=TOKEN_WRITE, methods=("POST",), site=self.named_site)]

    async def named_site(self, request: Request) -> object:
        """The domain of the request's first good event. Raises Rejected when there is none."""
        token = request.state.caller.token
        self._tokens.take_events(token, 1)  # whatever the request turns out to be
        request.state.given = given = self._read(await capped(request))
        self._tokens.take_events(token, len(given) - 1)
        first = next((each for each in given if isinstance(each, Given)), None)
        if first is None:
            assert isinstance(given[0], Rejected), "what is not Given is Rejected"
            self._tools.drops.count(DropReason.MALFORMED, str(given[0]), len(given))
            raise given[0]
        domain = first.event.domains[0]
        if not domain:
            raise Rejected("domain", "is missing, and the url has no host")
        if self._tools.sites.current.lookup(domain) is None:
            self._tools.drops.unknown_site(domain)
        return domain

    async def take(self, request: Request) -> Response:
        """Record what can be. Cancelling abandons the wait for the commit, not the events."""
        given, site = request.state.given, request.state.site
        sender = _of_headers(request)
        rows: list[bytes] = []
        lost: list[tuple[int, Lost]] = []
        # Keeps I2: no await in between, the visits are in the log's order. About 40 µs each, EVENTS_MAX at a stretch.
        for place, each in enumerate(given):
            row = self._row(each, site, sender)
            if isinstance(row, Lost):
                self._tools.drops.count(row.reason, row.message or site.domain)
                lost.append((place, row))
            else:
                rows.append(self._tools.encode(row))
        if not rows:
            return _nothing_taken(lost)
        try:
            batch = self._append(rows, None)
        except Overloaded as overload:
            self._tools.drops.count(DropReason.OVERLOAD, str(overload), len(rows))
            raise
        await batch.wait_durable()
        self.recorded += len(rows)
        return JSONResponse(
            {"accepted": len(rows), "dropped": [_lost_json(*each) for each in lost]}, 202, NO_STORE
        )

    def stats(self) -> dict[str, float]:
        """Figures by metric name."""
        return {"api_events_total": self.recorded}

    def _read(self, body: bytes) -> list[Given | Rejected]:
        """Each event, or why it can't be read. Raises Rejected for a body that is no list of events."""
        if body.lstrip(b" \t\r\n")[:1] != b"[":
            return [self._read_one(body, "")]
        try:
            items = msgspec.json.decode(body, type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            raise Rejected("body", "is not valid JSON") from None
        if not 1 <= len(items) <= EVENTS_MAX:
            raise Rejected("body", f"must hold 1 to {EVENTS_MAX} events, holds {len(items)}")
        return [self._read_one(bytes(item), f"[{place}].") for place, item in enumerate(items)]

    def _read_one(self, raw: bytes, where: str) -> Given | Rejected:
        try:
            if raw.lstrip(b" \t\r\n")[:1] != b"{":
                raise Rejected("body" if not where else "event", "must be a JSON object")
            (event,) = self._pipeline.parser.parse(raw)
            if isinstance(event, Rejected):
                raise event
            return Given(event, msgspec.json.decode(raw, type=Told))
        except Rejected as rejected:
            return Rejected(where + rejected.field, rejected.reason)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            reason, _, path = str(error).partition(" - at `$.")
            return Rejected(where + (path.rstrip("`") or "body"), reason)

    def _row(self, given: Given | Rejected, site: Site, sender: Told) -> Row | Lost:
        """The row of one event, or why there is none."""
        try:
            if isinstance(given, Rejected):
                raise given
            event, told = given
            for domain in event.domains:
                if self._tools.sites.current.lookup(domain) is not site:  # keeps I1
                    raise Rejected("domain", "is not the site of this request's first event")
            ip, agent = _visitor(told, sender)
            ts = self._time(told.time, site)
        except Rejected as rejected:
            return Lost(DropReason.MALFORMED, rejected.field, rejected.reason)
        head = RequestHead(ip)
        head.user_agent = agent
        if junk := self._fast_reject.rejects(head):
            return Lost(DropReason.FAST_REJECT, "user_agent", junk)
        who = self._pipeline.senders.of(ip, b"")
        if wait_s := self._tools.limiter.admit_site(who.network, 0, site.id):
            return Lost(DropReason.RATE_LIMIT, "", "too many events for this site", wait_s)
        client = Client(who.place, who.network, 0, agent)
        row = self._pipeline.row(site, client, event, ts, self._pipeline.identify(site, client, ts))
        return Lost(row) if isinstance(row, DropReason) else row

    def _time(self, told: int | float | str | None, site: Site) -> int:
        """When the event happened; now unless told. Raises Rejected."""
        now = int(self._tools.clock())
        if told is None:
            return now
        ts = _seconds(told)
        if ts > now + AHEAD_S_MAX:
            raise Rejected("time", f"lies more than {AHEAD_S_MAX} seconds ahead")
        if ts < 0 or not self._keeps_day(self._tools.times.of(site.timezone).at(ts).day):  # keeps I4
            raise Rejected(
                "time", "lies on a day whose visitors can't be told apart any more; see docs/api.md"
            )
        return min(ts, now)


def _visitor(told: Told, sender: Told) -> tuple[str, bytes]:
    """Address and user agent of whom an event is about. Raises Rejected; keeps I3."""
    source = told if told.ip or told.user_agent else sender
    if not source.ip:
        raise Rejected("ip", "is missing: the visitor's address, here or first in X-Forwarded-For")
    ip = canonical(source.ip)
    if not ip:
        raise Rejected("ip", "is no address such as 192.0.2.1 or 2001:db8::1")
    if not source.user_agent:
        raise Rejected("user_agent", "is missing: the visitor's, beside its ip")
    return ip, source.user_agent.encode("utf-8", "replace")


def _of_headers(request: Request) -> Told:
    """The visitor as Plausible's clients tell it."""
    forwarded = request.headers.get("x-forwarded-for", "")
    return Told(forwarded.partition(",")[0].strip(), request.headers.get("user-agent"))


def _seconds(told: int | float | str) -> int:
    """An instant in seconds of the epoch. Raises Rejected."""
    if isinstance(told, str):
        try:
            moment = datetime.fromisoformat(told)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise Rejected("time", "must be seconds of the epoch, or like 2026-11-01T12:00:00+01:00")
        return int(moment.timestamp())
    if not abs(told) < 2**32:
        raise Rejected("time", "is too large: seconds of the epoch are meant, not milliseconds")
    return int(told)


def _nothing_taken(lost: Sequence[tuple[int, Lost]]) -> Response:
    """The answer to a request of which nothing was recorded. Raises TokenRefused (429) and Rejected."""
    reasons = {each.reason for _, each in lost}
    _, first = lost[0]
    if reasons == {DropReason.RATE_LIMIT}:
        raise TokenRefused(429, "Too many events for this site.", max(each.wait_s for _, each in lost))
    if reasons == {DropReason.MALFORMED}:
        place = f"[{lost[0][0]}]." if len(lost) > 1 and not first.field.startswith("[") else ""
        raise Rejected(place + first.field, first.message)
    return JSONResponse({"accepted": 0, "dropped": [_lost_json(*each) for each in lost]}, 202, NO_STORE)


def _lost_json(place: int, lost: Lost) -> dict[str, Any]:
    """One event that was not recorded."""
    told = {"field": lost.field, "message": lost.message}
    return {"index": place, "reason": str(lost.reason), **{key: text for key, text in told.items() if text}}
