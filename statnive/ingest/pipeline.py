"""One request from its head and body to rows or drops: synchronous, no I/O, no database.

Steps, in this order: client address, limiter (address), parse, site, limiter (site), time, place, identity (the
address ends here), exclusions, agent, source, visit, goals, row. Every event that becomes no row is counted under a
DropReason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

from statnive.config import IngestConfig
from statnive.control.snapshot import Site, SnapshotHolder
from statnive.errors import Overloaded, Rejected
from statnive.event import ENGAGEMENT, PAGEVIEW, DropReason, Row
from statnive.ingest import answers
from statnive.ingest.answers import Answer
from statnive.ingest.client_address import ClientAddress
from statnive.ingest.client_hints import client_hints
from statnive.ingest.drops import Drops
from statnive.ingest.exclusions import ExclusionMatcher
from statnive.ingest.fast_reject import FastReject
from statnive.ingest.geo import Place
from statnive.ingest.goals import NO_GOALS, GoalMatcher
from statnive.ingest.local_time import LocalTimes
from statnive.ingest.parse import Parser, WireEvent
from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.request import RequestHead
from statnive.ingest.senders import GeoLookup, Senders
from statnive.ingest.user_agent import Agent, ClientHints
from statnive.ingest.visitor import visitor_hash
from statnive.ingest.visits import VisitTable


class Taken(NamedTuple):
    """Rows to make durable, and the answer that may be given only once they are."""

    rows: list[bytes]
    answer: Answer


class Limiter(Protocol):
    """What the pipeline asks of the limiter actor; 0 = go on, else seconds to wait."""

    def admit_address(self, network: bytes, asn: int) -> int: ...
    def admit_site(self, network: bytes, asn: int, site_id: int) -> int: ...


class Salts(Protocol):
    """What the pipeline asks of the salts actor."""

    def salt(self, site_id: int, day: int) -> bytes: ...


class Client(NamedTuple):
    """Who sent a request: lives as long as the request, never longer."""

    place: Place
    network: bytes
    asn: int
    user_agent: bytes
    hints: ClientHints | None = None


class Identity(NamedTuple):
    """Who a client is to one site at one instant: the same for all events of a request to that site."""

    day: int
    hour: int
    visitor: bytes
    agent: Agent


# Each at a third of its constructor's cost.
_make_client, _make_taken, _make_identity = Client._make, Taken._make, Identity._make


class Tools(NamedTuple):
    """What the pipeline works with; everything is passed in."""

    clock: Callable[[], float]
    sites: SnapshotHolder
    limiter: Limiter
    salts: Salts
    geo: GeoLookup
    agent: Callable[[str, ClientHints | None], Agent]
    sources: SourceClassifier
    visits: VisitTable
    drops: Drops
    encode: Callable[[Row], bytes]
    times: LocalTimes


class Pipeline:
    """`handle(head, body)` for a request; `row(...)` for one event at a given instant (the importer's way in)."""

    def __init__(self, config: IngestConfig, tools: Tools, addresses: ClientAddress) -> None:
        self._config = config
        self._tools = tools
        # Looked up for every event: once here in place of through the tuple each time.
        self._limiter, self._agent = tools.limiter, tools.agent
        self._sources, self._salts, self._times = tools.sources, tools.salts, tools.times
        self._visits, self._encode = tools.visits, tools.encode
        self._goals = GoalMatcher(config.cache_entries)
        self._exclusions = ExclusionMatcher(config.cache_entries)
        self._senders = Senders(addresses, tools.geo, config.address_cache_entries)
        self._fast_reject = FastReject(config)
        self._parser = Parser(config)
        self._too_large = answers.body_too_large(config.body_bytes_max)

    @property
    def parser(self) -> Parser:
        return self._parser

    @property
    def senders(self) -> Senders:
        return self._senders

    def too_large(self) -> Answer:
        """The answer to a body over the limit, whether announced or read."""
        self._tools.drops.count(DropReason.MALFORMED, f"body over {self._config.body_bytes_max} bytes")
        return self._too_large

    def overloaded(self, overload: Overloaded, events: int) -> Answer:
        """The answer when the log takes no more; nothing of the request was recorded."""
        self._tools.drops.count(DropReason.OVERLOAD, str(overload), events)
        return answers.busy(503, overload.retry_after_s, str(overload))

    def handle(self, head: RequestHead, body: bytes) -> Answer | Taken:
        """The whole way of one request; the body is complete and within the limit."""
        drops = self._tools.drops
        junk = self._fast_reject.rejects(head)
        if junk and not head.debug:
            drops.count(DropReason.FAST_REJECT, junk)
            return answers.NO_CONTENT
        address, network, asn, place = self._senders.of(head.peer, head.forwarded_for)
        if head.debug:
            return _debug(address, place, asn, junk)
        wait_s = self._limiter.admit_address(network, asn)
        if wait_s:
            drops.count(DropReason.RATE_LIMIT, "address")
            return answers.busy(429, wait_s, "too many requests from this address")
        try:
            events = self._parser.parse(body)
        except Rejected as rejected:
            drops.count(DropReason.MALFORMED, str(rejected))
            return answers.errors(400, rejected.field, rejected.reason)
        hints = client_hints(head.hints) if head.hints else None
        return self._rows(_make_client((place, network, asn, head.user_agent, hints)), events)

    def _rows(self, client: Client, events: list[WireEvent | Rejected]) -> Answer | Taken:
        """Each event is judged alone; what is good is taken, what is not is counted and told in the answer."""
        rows: list[bytes] = []
        lost: list[DropReason] = []
        rejected: Rejected | None = None
        wait_s = 0
        now = int(self._tools.clock())
        lookup = self._tools.sites.current.by_host.get
        known: Site | None = None
        for event in events:
            if isinstance(event, Rejected):
                rejected = event
                lost.append(self._drop(DropReason.MALFORMED, str(event)))
                continue
            for domain in event.domains:
                site = lookup(domain) or self._tools.sites.current.lookup(domain)
                if site is None:
                    self._tools.drops.unknown_site(domain)
                    lost.append(DropReason.UNKNOWN_SITE)
                elif wait := self._limiter.admit_site(client.network, client.asn, site.id):
                    wait_s = max(wait_s, wait)
                    lost.append(self._drop(DropReason.RATE_LIMIT, f"site {site.domain}"))
                else:
                    if site is not known:
                        known, who = site, self.identify(site, client, now)
                    row = self.row(site, client, event, now, who)
                    if isinstance(row, DropReason):
                        lost.append(self._drop(row, site.domain))
                    else:
                        rows.append(self._encode(row))
        if not lost:
            return _make_taken((rows, answers.OK))
        return self._answer_with_losses(rows, lost, rejected, wait_s)

    def _drop(self, reason: DropReason, detail: str) -> DropReason:
        self._tools.drops.count(reason, detail)
        return reason

    @staticmethod
    def _answer_with_losses(
        rows: list[bytes], lost: list[DropReason], rejected: Rejected | None, wait_s: int
    ) -> Answer | Taken:
        """Refused outright only when nothing was taken and every event was refused for the same reason."""
        if not rows and rejected is not None and set(lost) == {DropReason.MALFORMED}:
            return answers.errors(400, rejected.field, rejected.reason)
        if not rows and set(lost) == {DropReason.RATE_LIMIT}:
            return answers.busy(429, wait_s, "too many requests for this site")
        answer = answers.accepted(Counter(map(str, lost)))
        return Taken(rows, answer) if rows else answer

    def identify(self, site: Site, client: Client, ts: int) -> Identity:
        """Who sends events to `site` at `ts`."""
        day, hour, day_age_s = self._times.of(site.timezone).at(ts)
        visitor = visitor_hash(self._salts.salt(site.id, day), client.network, client.user_agent)
        if day_age_s < self._config.visit_inactivity_s:
            self._carry_over_midnight(site, client, day, ts, visitor)
        agent = self._agent(client.user_agent.decode("latin-1"), client.hints)
        return _make_identity((day, hour, visitor, agent))

    def row(self, site: Site, client: Client, event: WireEvent, ts: int, who: Identity) -> Row | DropReason:
        """The row of one event that happened at `ts`, or why it is not recorded. `who`: the sender, `identify`-ed."""
        page, name = event.page, event.name
        if site.exclusions is not None and self._exclusions.excluded(
            site, client.network, client.place.country, page.host, page.path
        ):
            return DropReason.EXCLUDED
        source = self._sources.classify(event.referrer, page.query, site.hosts)
        if source is None:
            return DropReason.REFERRER_SPAM
        day, hour, visitor, agent = who
        is_pageview = name == PAGEVIEW
        is_engagement = name == ENGAGEMENT
        if is_engagement and self._visits.find(visitor, ts) is None:
            return DropReason.NO_VISIT
        (
            visit_id,
            visit_source,
            visit_start,
            bounce_delta,
            duration_delta,
            previous_pathname,
            entry_pathname,
            visit_hour,
            visit_state,
            scroll_gain,
            scroll_views,
        ) = self._visits.touch(
            visitor,
            ts,
            day,
            hour,
            page.path,
            is_pageview,
            event.interactive and not is_engagement,
            event.scroll_depth,
            source,
        )
        browser, browser_version, os, os_version, device, bot = agent
        # A tuple made into a Row: its constructor would take the 43 values one by one, at three times the cost.
        return Row._make(
            (
                site.id,
                ts,
                visitor,
                visit_id,
                day,
                hour,
                name,
                1 if bot else 0,
                1 if is_pageview else 0,
                visit_start,
                bounce_delta,
                duration_delta,
                event.engaged_ms,
                event.scroll_depth,
                page.host,
                page.path,
                previous_pathname,
                *visit_source,
                *client.place,
                device,
                browser,
                browser_version,
                os,
                os_version,
                event.props,
                self._goals.reached(site, name, page.path, scroll_gain, event.scroll_depth)
                if site.goals
                else NO_GOALS,
                event.revenue,
                event.currency,
                entry_pathname,
                visit_hour,
                visit_state,
                scroll_gain,
                scroll_views,
            )
        )

    def _carry_over_midnight(self, site: Site, client: Client, day: int, ts: int, visitor: bytes) -> None:
        """Within the inactivity window after local midnight a visit begun under yesterday's hash goes on."""
        if self._visits.find(visitor, ts) is not None:
            return
        yesterday = visitor_hash(self._salts.salt(site.id, day - 1), client.network, client.user_agent)
        if self._visits.find(yesterday, ts) is not None:
            self._visits.rename(yesterday, visitor)


def _debug(address: str, place: Place, asn: int, junk: str) -> Answer:
    return answers.debug(
        f"client address: {address}\ncountry: {place.country or 'unknown'}\n"
        f"AS number: {asn or 'unknown'}\nfast reject: {junk or 'no'}\n"
    )
