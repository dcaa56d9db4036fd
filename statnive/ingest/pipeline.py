"""One request from its head and body to rows or drops: synchronous, no I/O, no database.

Steps, in this order: client address, limiter (address), parse, site, limiter (site), time, place, identity (the
address ends here), agent, source, visit, row. Every event that becomes no row is counted under a DropReason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

from statnive.config import IngestConfig
from statnive.control.snapshot import Site, SnapshotHolder
from statnive.errors import Rejected
from statnive.event import ENGAGEMENT, PAGEVIEW, DropReason, Row
from statnive.ingest import answers
from statnive.ingest.answers import Answer
from statnive.ingest.client_address import ClientAddress, network_key
from statnive.ingest.drops import Drops
from statnive.ingest.fast_reject import FastReject
from statnive.ingest.geo import Place
from statnive.ingest.local_time import LocalTimes
from statnive.ingest.parse import Parser, WireEvent
from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.request import RequestHead
from statnive.ingest.user_agent import Agent
from statnive.ingest.visitor import visitor_hash
from statnive.ingest.visits import VisitTable

SECONDS_OF_DAY = 86_400


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


class GeoLookup(Protocol):
    """Country and AS number of an address."""

    def place(self, ip: str) -> Place: ...
    def asn(self, ip: str) -> int: ...


class Client(NamedTuple):
    """Who sent a request: lives as long as the request, never longer."""

    address: str
    network: bytes
    asn: int
    user_agent: bytes


class Tools(NamedTuple):
    """What the pipeline works with; everything is passed in."""

    clock: Callable[[], float]
    sites: SnapshotHolder
    limiter: Limiter
    salts: Salts
    geo: GeoLookup
    agent: Callable[[str], Agent]
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
        self._addresses = addresses
        self._fast_reject = FastReject(config)
        self._parser = Parser(config)
        self._too_large = answers.body_too_large(config.body_bytes_max)

    @property
    def parser(self) -> Parser:
        return self._parser

    def too_large(self) -> Answer:
        """The answer to a body over the limit, whether announced or read."""
        self._tools.drops.count(DropReason.MALFORMED, f"body over {self._config.body_bytes_max} bytes")
        return self._too_large

    def handle(self, head: RequestHead, body: bytes) -> Answer | Taken:
        """The whole way of one request; the body is complete and within the limit."""
        drops = self._tools.drops
        junk = self._fast_reject.rejects(head)
        if junk and not head.debug:
            drops.count(DropReason.FAST_REJECT, junk)
            return answers.NO_CONTENT
        address = self._addresses.of(head.peer, head.forwarded_for)
        if head.debug:
            return self._debug(head, address, junk)
        network = network_key(address)
        client = Client(address, network, self._tools.geo.asn(address), head.user_agent)
        wait_s = self._tools.limiter.admit_address(network, client.asn)
        if wait_s:
            drops.count(DropReason.RATE_LIMIT, "address")
            return answers.busy(429, wait_s, "too many requests from this address")
        try:
            events = self._parser.parse(body)
        except Rejected as rejected:
            drops.count(DropReason.MALFORMED, str(rejected))
            return answers.errors(400, rejected.field, rejected.reason)
        return self._rows(client, events)

    def _rows(self, client: Client, events: list[WireEvent | Rejected]) -> Answer | Taken:
        rows: list[bytes] = []
        dropped: Counter[str] = Counter()
        last_rejected: Rejected | None = None
        now = int(self._tools.clock())
        snapshot = self._tools.sites.current
        for event in events:
            if isinstance(event, Rejected):
                last_rejected = event
                dropped[DropReason.MALFORMED] += 1
                self._tools.drops.count(DropReason.MALFORMED, str(event))
                continue
            for domain in event.domains:
                site = snapshot.lookup(domain)
                if site is None:
                    dropped[DropReason.UNKNOWN_SITE] += 1
                    self._tools.drops.unknown_site(domain)
                    continue
                wait_s = self._tools.limiter.admit_site(client.network, client.asn, site.id)
                if wait_s:
                    if len(events) == 1:
                        self._tools.drops.count(DropReason.RATE_LIMIT, f"site {site.domain}")
                        return answers.busy(429, wait_s, "too many requests for this site")
                    dropped[DropReason.RATE_LIMIT] += 1
                    self._tools.drops.count(DropReason.RATE_LIMIT, f"site {site.domain}")
                    continue
                row = self.row(site, client, event, now)
                if isinstance(row, DropReason):
                    dropped[row] += 1
                    self._tools.drops.count(row, site.domain)
                else:
                    rows.append(self._tools.encode(row))
        if last_rejected is not None and dropped[DropReason.MALFORMED] == len(events):
            return answers.errors(400, last_rejected.field, last_rejected.reason)
        answer = answers.accepted(dropped)
        return Taken(rows, answer) if rows else answer

    def row(self, site: Site, client: Client, event: WireEvent, ts: int) -> Row | DropReason:
        """The row of one event that happened at `ts`, or why it is not recorded."""
        tools = self._tools
        source = tools.sources.classify(event.referrer, event.page.query, site.hosts)
        if source is None:
            return DropReason.REFERRER_SPAM
        day, hour = tools.times.of(site.timezone).at(ts)
        place = tools.geo.place(client.address)
        visitor = visitor_hash(tools.salts.salt(site.id, day), client.network, client.user_agent)
        self._carry_over_midnight(site, client, day, ts, visitor)
        agent = tools.agent(client.user_agent.decode("ascii", "replace"))
        name, page = event.name, event.page
        is_pageview = name == PAGEVIEW
        if name == ENGAGEMENT and tools.visits.find(visitor, ts) is None:
            return DropReason.NO_VISIT
        delta = tools.visits.touch(
            visitor,
            ts,
            page=page.path,
            is_pageview=is_pageview,
            interactive=event.interactive and name != ENGAGEMENT,
            source=source,
        )
        source = delta.visit.source
        return Row(
            site.id,
            ts,
            visitor,
            delta.visit.visit_id,
            day,
            hour,
            name,
            1 if agent.bot else 0,
            1 if is_pageview else 0,
            delta.visit_start,
            delta.bounce_delta,
            delta.duration_delta,
            event.engaged_ms,
            event.scroll_depth,
            page.host,
            page.path,
            delta.previous_page if is_pageview else "",
            source.referrer,
            source.referrer_name,
            source.channel,
            source.utm_source,
            source.utm_medium,
            source.utm_campaign,
            source.utm_content,
            source.utm_term,
            place.country,
            place.region,
            place.city_id,
            place.city,
            agent.device,
            agent.browser,
            agent.browser_version,
            agent.os,
            agent.os_version,
            event.props,
            [],
            event.revenue,
            event.currency,
        )

    def _carry_over_midnight(self, site: Site, client: Client, day: int, ts: int, visitor: bytes) -> None:
        """Within the inactivity window after local midnight a visit begun under yesterday's hash goes on."""
        earlier, _ = self._tools.times.of(site.timezone).at(ts - self._config.visit_inactivity_s)
        if earlier == day or self._tools.visits.find(visitor, ts) is not None:
            return
        yesterday = visitor_hash(self._tools.salts.salt(site.id, earlier), client.network, client.user_agent)
        if self._tools.visits.find(yesterday, ts) is not None:
            self._tools.visits.rename(yesterday, visitor)

    def _debug(self, head: RequestHead, address: str, junk: str) -> Answer:
        place = self._tools.geo.place(address)
        return answers.debug(
            f"client address: {address}\ncountry: {place.country or 'unknown'}\n"
            f"AS number: {self._tools.geo.asn(address) or 'unknown'}\n"
            f"fast reject: {junk or 'no'}\n"
        )
