"""Imports of past events through the same pipeline, log and writer as live ones.

Owns:       the open imports, each with visits and identity keys of its own: a past date's key is long erased, so an
            import draws a random one that lives as long as it does. Importing the same log twice counts it twice.
Inputs:     entries of an access log, in the order of the log.
Outputs:    rows appended to the committer; counts for the importer's summary.
Invariants: I1 an entry is answered as recorded only once its batch is durable; I2 live events go first: the work is
            cut into slices with a checkpoint between them, and an overloaded log makes the import wait.
Failure:    an entry that can't become a row is counted under its drop reason; the others go on.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar

import trio

from statnive.actors.committer import Batch, CommitterHandle
from statnive.actors.writer import WriterHandle
from statnive.config import IngestConfig
from statnive.control.snapshot import Site, SnapshotHolder
from statnive.errors import Overloaded, Rejected
from statnive.event import PAGEVIEW, SCROLL_UNTOLD, DropReason, Row
from statnive.ingest.client_address import ClientAddress
from statnive.ingest.fast_reject import FastReject
from statnive.ingest.parse import WireEvent, split_url
from statnive.ingest.pipeline import Client, Pipeline, Tools
from statnive.ingest.request import RequestHead
from statnive.ingest.visitor import KEY_BYTES, daily_salt
from statnive.ingest.visits import VisitTable

T = TypeVar("T")
SLICE_ENTRIES = 100
OPEN_IMPORTS_MAX = 4
RETRY_S = 0.2
_EPOCH = date(1970, 1, 1)


class Entry(NamedTuple):
    """One page view of an access log, as the CLI sends it."""

    ip: str
    time_s: int
    target: str
    referrer: str
    user_agent: str


class Hit(NamedTuple):
    """One request of a browser, as `statnive demo` makes it up. `body`: one event in the wire format."""

    ip: str
    time_s: int
    user_agent: str
    body: bytes


class ImportSalts:
    """Salts of a key that is random, in memory only, and gone with the import."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)
        self._salts: dict[tuple[int, int], bytes] = {}

    def salt(self, site_id: int, day: int) -> bytes:
        known = self._salts.get((site_id, day))
        if known is None:
            known = self._salts[(site_id, day)] = daily_salt(self._key, site_id, day)
        return known


class NoLimit:
    """An import is the operator's own doing: no bucket applies."""

    def admit_address(self, network: bytes, asn: int) -> int:
        return 0

    def admit_site(self, network: bytes, asn: int, site_id: int) -> int:
        return 0


class OpenImport(NamedTuple):
    """One import under way."""

    site: Site
    pipeline: Pipeline
    fast_reject: FastReject
    sites: SnapshotHolder


class Imports:
    """`begin`, `take` as often as needed, `finish`."""

    def __init__(
        self, tools: Tools, config: IngestConfig, committer: CommitterHandle, writer: WriterHandle
    ) -> None:
        self._tools = tools
        self._config = config
        self._committer = committer
        self._writer = writer
        self._open: dict[int, OpenImport] = {}
        self._next_id = 1

    def begin(self, site: Site) -> int:
        """A new import into `site`; the oldest one left open is given up when there are too many."""
        if len(self._open) >= OPEN_IMPORTS_MAX:
            del self._open[min(self._open)]
        tools = self._tools._replace(
            salts=ImportSalts(),
            limiter=NoLimit(),
            visits=VisitTable(self._config.visit_inactivity_s, self._config.visits_max),
        )
        pipeline = Pipeline(self._config, tools, ClientAddress(()))
        import_id, self._next_id = self._next_id, self._next_id + 1
        self._open[import_id] = OpenImport(site, pipeline, FastReject(self._config), tools.sites)
        return import_id

    async def take(self, import_id: int, entries: Sequence[Entry]) -> dict[str, Any]:
        """Make the entries durable; {"page_views", "bots", "dropped", "days"}. Cancelling stops between slices."""
        return await self._take(self._find(import_id), entries, _row)

    async def take_hits(self, import_id: int, hits: Sequence[Hit]) -> dict[str, Any]:
        """The same for whole events: page views, engagement, custom events."""
        return await self._take(self._find(import_id), hits, _hit_row)

    async def _take(
        self, current: OpenImport, given: Sequence[T], made: Callable[[OpenImport, T], Row | DropReason]
    ) -> dict[str, Any]:
        views: Counter[str] = Counter()
        days: Counter[str] = Counter()
        dropped: Counter[str] = Counter()
        batches: list[Batch] = []
        for start in range(0, len(given), SLICE_ENTRIES):
            rows: list[bytes] = []
            for each in given[start : start + SLICE_ENTRIES]:
                row = made(current, each)
                if isinstance(row, DropReason):
                    dropped[row] += 1
                    continue
                rows.append(self._tools.encode(row))
                if row.is_bot:
                    views["bots"] += 1
                elif row.pageviews:
                    views["page_views"] += 1
                    days[(_EPOCH + timedelta(days=row.day)).isoformat()] += 1
            if rows:
                batches.append(await self._append(rows))
            await trio.lowlevel.checkpoint()
        for batch in batches:
            await (
                batch.wait_durable()
            )  # keeps I1; not after each slice: a commit takes longer than many of them
        return {
            "page_views": views["page_views"],
            "bots": views["bots"],
            "dropped": dict(dropped),
            "days": dict(days),
        }

    async def finish(self, import_id: int) -> tuple[int, dict[str, Any]]:
        """Close the import and wait until everything durable is in ClickHouse; the site's id, and the answer."""
        site_id = self._find(import_id).site.id
        del self._open[import_id]
        lsn = self._committer.log.durable_lsn
        await self._writer.wait_inserted(lsn)
        return site_id, {"inserted_lsn": lsn}

    def _find(self, import_id: int) -> OpenImport:
        current = self._open.get(import_id)
        if current is None:
            raise Rejected("import", f"{import_id} is not open; begin a new one")
        return current

    async def _append(self, rows: list[bytes]) -> Batch:
        while True:
            try:
                return self._committer.append(rows, None)
            except Overloaded:
                await trio.sleep(RETRY_S)  # keeps I2


def _row(current: OpenImport, entry: Entry) -> Row | DropReason:
    agent = entry.user_agent.encode("utf-8", "replace")
    if _is_junk(current, entry.ip, agent):
        return DropReason.FAST_REJECT
    try:
        page = split_url(f"http://{current.site.domain}{entry.target}", hash_mode=False)
    except Rejected:
        return DropReason.MALFORMED
    event = WireEvent(PAGEVIEW, page, (), entry.referrer, {}, True, SCROLL_UNTOLD, 0, 0, "")
    return _made(current, entry.ip, agent, entry.time_s, event)


def _hit_row(current: OpenImport, hit: Hit) -> Row | DropReason:
    agent = hit.user_agent.encode("utf-8", "replace")
    if _is_junk(current, hit.ip, agent):
        return DropReason.FAST_REJECT
    try:
        (event,) = current.pipeline.parser.parse(hit.body)
    except (Rejected, ValueError):
        return DropReason.MALFORMED
    if isinstance(event, Rejected):
        return DropReason.MALFORMED
    return _made(current, hit.ip, agent, hit.time_s, event)


def _is_junk(current: OpenImport, ip: str, agent: bytes) -> bool:
    head = RequestHead(ip)
    head.user_agent = agent
    return bool(current.fast_reject.rejects(head))


def _made(current: OpenImport, ip: str, agent: bytes, time_s: int, event: WireEvent) -> Row | DropReason:
    pipeline, site = current.pipeline, current.site
    removed = current.sites.current.by_id.get(site.id, site).removed
    sender = pipeline.senders.of(ip, b"")
    client = Client(sender.place, sender.network, 0, agent)
    row = pipeline.row(site, client, event, time_s, pipeline.identify(site, client, time_s))
    if removed is not None and not isinstance(row, DropReason) and row.day < removed.events_from:
        return DropReason.ERASED
    return row
