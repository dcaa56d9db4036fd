"""Where a microsecond goes: the cost of each step of the hot path, on the load generator's own requests.

Each step runs alone in a loop over the same varied requests, caches warmed as in a server that has run for a while.
CPU time of this thread; the best of several rounds, since anything else on the machine can only add.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import httptools

from chaos.load.compose import composer
from chaos.load.settings import Settings, Variety
from chaos.load.target import parse_target
from chaos.load.variety import Deck, site_domain
from statnive.actors.connection import Connection
from statnive.actors.limiter import LimiterHandle
from statnive.clickhouse.rows import RowEncoder
from statnive.config import IngestConfig, LimiterConfig, ServerConfig
from statnive.control.snapshot import Site, Snapshot, SnapshotHolder
from statnive.event import DropReason, Row
from statnive.ingest.client_address import ClientAddress, network_key
from statnive.ingest.drops import Drops
from statnive.ingest.fast_reject import FastReject
from statnive.ingest.geo import Geo
from statnive.ingest.local_time import LocalTimes
from statnive.ingest.parse import Parser, WireEvent
from statnive.ingest.pipeline import Client, Pipeline, Tools
from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.request import RequestHead
from statnive.ingest.user_agent import AgentParser
from statnive.ingest.visitor import visitor_hash
from statnive.ingest.visits import VisitTable

REQUESTS = 50_000
ROUNDS = 3


class Step(NamedTuple):
    """One line of the table."""

    name: str
    microseconds: float


class _FixedSalts:
    def salt(self, site_id: int, day: int) -> bytes:
        return b"s" * 32


class _Sock:
    def fileno(self) -> int:
        return 0


def tools(geo: Geo, sites: int) -> Tools:
    """The pipeline's tools as the node builds them, without a node."""
    known = [
        Site(number + 1, site_domain(number), "Europe/Berlin", frozenset({site_domain(number)}))
        for number in range(sites)
    ]
    config = IngestConfig()
    return Tools(
        clock=time.time,
        sites=SnapshotHolder(Snapshot.of(known)),
        limiter=LimiterHandle(
            LimiterConfig(address_per_s=1e9, address_burst=1e9, site_per_s=1e9), time.monotonic
        ),
        salts=_FixedSalts(),
        geo=geo,
        agent=AgentParser(config.cache_entries),
        sources=SourceClassifier(cache_entries=config.cache_entries),
        visits=VisitTable(config.visit_inactivity_s, config.visits_max),
        drops=Drops(time.time, 100, 100),
        encode=RowEncoder().encode,
        times=LocalTimes(),
    )


def requests(count: int) -> list[bytes]:
    """The first `count` requests of a default load."""
    settings = Settings(target="http://127.0.0.1:8080/api/event", run="profile")
    deck = Deck(settings.variety, 0, 1)
    compose = composer(settings, parse_target(settings.target), deck)
    return [compose(number, number) for number in range(count)]


def measure(raw: list[bytes], geo: Geo) -> list[Step]:
    """Every step, in the order of the path, and the whole pipeline."""
    kit = tools(geo, Variety().sites)
    pipeline = Pipeline(IngestConfig(), kit, ClientAddress(ServerConfig().trusted_proxies))
    addresses = ClientAddress(ServerConfig().trusted_proxies)
    parser = Parser(IngestConfig())
    fast_reject = FastReject(IngestConfig())
    heads, bodies = _split(raw)
    texts = [addresses.of(head.peer, head.forwarded_for) for head in heads]
    networks = [network_key(text) for text in texts]
    events = [_first(parser, body) for body in bodies]
    agents = [head.user_agent for head in heads]
    agent_texts = [agent.decode("ascii") for agent in agents]
    site = next(iter(kit.sites.current.by_id.values()))
    rows = _rows(pipeline, kit, zip(texts, networks, agents, events, strict=True))
    connection = Connection(_Sock(), "127.0.0.1")  # type: ignore[arg-type]

    def head(data: bytes) -> None:
        end = data.find(b"\r\n\r\n") + 4
        connection.read_head(data[:end])
        connection.parser.feed_data(data[end:])

    def bare(data: bytes) -> None:
        httptools.HttpRequestParser(_NOTHING).feed_data(data)

    limiter, now = kit.limiter, int(time.time())
    steps: list[tuple[str, Callable[..., Any], list[Iterable[Any]]]] = [
        ("httptools alone, no callback (a floor)", bare, [raw]),
        ("head: parse and gather", head, [raw]),
        ("fast reject", fast_reject.rejects, [heads]),
        ("client address, place, AS number", lambda h: pipeline.senders.of(h.peer, h.forwarded_for), [heads]),
        (
            "limiter, address and site",
            lambda n: (limiter.admit_address(n, 0), limiter.admit_site(n, 0, 1)),
            [networks],
        ),
        ("event: JSON, URL, properties", parser.parse, [bodies]),
        (
            "source and channel",
            lambda e: kit.sources.classify(e.referrer, e.page.query, site.hosts),
            [events],
        ),
        ("local time", lambda _: kit.times.of("Europe/Berlin").at(now), [raw]),
        ("visitor hash", lambda n, a: visitor_hash(b"s" * 32, n, a), [networks, agents]),
        ("agent", kit.agent, [agent_texts]),
        ("row: encode", kit.encode, [rows]),
        ("the whole pipeline", pipeline.handle, [heads, [_body(data) for data in raw]]),
    ]
    return [Step(name, _best(call, arguments)) for name, call, arguments in steps]


_NOTHING = object()


def _best(call: Callable[..., Any], arguments: list[Iterable[Any]]) -> float:
    """µs of CPU a call, the best of ROUNDS; the first round warms the caches."""
    best = float("inf")
    for _ in range(ROUNDS + 1):
        started = time.thread_time()
        count = 0
        for values in zip(*arguments, strict=True):
            call(*values)
            count += 1
        best = min(best, (time.thread_time() - started) / count * 1e6)
    return best


def _split(raw: list[bytes]) -> tuple[list[RequestHead], list[bytes]]:
    heads = []
    for data in raw:
        connection = Connection(_Sock(), "127.0.0.1")  # type: ignore[arg-type]
        connection.read_head(data[: data.find(b"\r\n\r\n") + 4])
        connection.parser.feed_data(_body(data))
        heads.append(connection.noted)
    return heads, [_body(data) for data in raw]


def _body(data: bytes) -> bytes:
    return data[data.find(b"\r\n\r\n") + 4 :]


def _first(parser: Parser, body: bytes) -> WireEvent:
    (event,) = parser.parse(body)
    assert isinstance(event, WireEvent)
    return event


def _rows(pipeline: Pipeline, kit: Tools, parts: Iterable[tuple[str, bytes, bytes, WireEvent]]) -> list[Row]:
    site = next(iter(kit.sites.current.by_id.values()))
    rows = []
    for text, network, agent, event in parts:
        now, client = int(time.time()), Client(kit.geo.place(text), network, 0, agent)
        row = pipeline.row(site, client, event, now, pipeline.identify(site, client, now))
        assert not isinstance(row, DropReason)
        rows.append(row)
    return rows


def open_geo(folder: Path) -> Geo:
    """The test databases of `folder`, as a node would open them."""
    return Geo(
        folder / "GeoLite2-City-Test.mmdb",
        folder / "GeoLite2-ASN-Test.mmdb",
    )


def main() -> None:
    """Print the table."""
    shared = Path(__file__).parents[2].parent / "shared" / "data" / "geoip"
    for step in measure(requests(REQUESTS), open_geo(shared)):
        print(f"{step.microseconds:8.2f} µs  {step.name}")


if __name__ == "__main__":
    main()
