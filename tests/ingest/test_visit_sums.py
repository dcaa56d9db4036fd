"""Random streams of events through the real pipeline, the real log and the real engine: every rollup holds what the
reference model counts from the events alone; across midnights, clock changes, restarts and edits of goals.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from statnive.clickhouse.migrate import migrate
from statnive.clickhouse.rows import RowEncoder, decode_row, row_head, suffix
from statnive.config import ClickHouseConfig, IngestConfig, WalConfig
from statnive.control.snapshot import Goal, GoalKind, Site, Snapshot, SnapshotHolder
from statnive.ingest.client_address import ClientAddress
from statnive.ingest.drops import Drops
from statnive.ingest.geo import NOWHERE, Place
from statnive.ingest.local_time import LocalTimes
from statnive.ingest.pipeline import Pipeline, Taken, Tools
from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.request import RequestHead
from statnive.ingest.user_agent import AgentParser
from statnive.ingest.visits import VisitTable
from statnive.wal.fs import RealFileSystem
from statnive.wal.log import Log
from tests.clickhouse_fixture import SQL_DIR, Engine
from tests.ingest import reference

NUMBERS = itertools.count(1_000)
INACTIVITY_S = 1_800
SMALL_LOG = WalConfig(segment_bytes=64 * 1024, size_bytes_max=16 * 1024 * 1024)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.4 Mobile/15E148 Safari/604.1"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
LONDON = Place("GB", "GB-ENG", 2_643_743, "London")
ON_FIREFOX = ("desktop", "Firefox", "142", "Linux", "")
ON_IPHONE = ("mobile", "Safari", "17", "iOS", "17.4")
PEOPLE = {
    ("81.2.69.142", FIREFOX): reference.Person("ann", LONDON, ON_FIREFOX),
    ("81.2.69.142", IPHONE): reference.Person("ben", LONDON, ON_IPHONE),
    ("10.0.0.7", FIREFOX): reference.Person("cem", NOWHERE, ON_FIREFOX),
    ("10.0.0.8", GOOGLEBOT): reference.Person("bot", NOWHERE, ("bot", "", "", "", ""), is_bot=True),
}
SOURCES = {
    ("", ""): ("Direct", "", "", "", "", "", ""),
    ("https://www.google.com/", ""): ("Organic Search", "Google", "", "", "", "", ""),
    ("", "?utm_source=news&utm_medium=email&utm_campaign=x"): ("Email", "news", "news", "email", "x", "", ""),
}
PAGES = ["/", "/a", "/blog/x", "/blog/x/y"]
GOAL_SETS: list[tuple[Goal, ...]] = [
    (),
    (
        Goal(1, GoalKind.EVENT, "Signup"),
        Goal(2, GoalKind.PAGE, "/a"),
        Goal(3, GoalKind.PAGE, "/blog/*"),
        Goal(4, GoalKind.PAGE, "/blog**"),
        Goal(5, GoalKind.SCROLL, "**", 50),
        Goal(6, GoalKind.SCROLL, "/a", 90),
    ),
    (Goal(7, GoalKind.EVENT, "Signup", value=5_000, currency="EUR"), Goal(2, GoalKind.PAGE, "/a")),
]
# Zones and the local dates to be around: clocks go forward, back, at midnight, by half an hour; a month ends.
EDGES = [
    ("UTC", date(2026, 11, 1)),
    ("Asia/Kolkata", date(2026, 7, 15)),
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Santiago", date(2026, 9, 6)),  # midnight does not exist
    ("Asia/Beirut", date(2026, 3, 29)),  # nor here
    ("America/Havana", date(2026, 11, 1)),  # there are two
    ("Pacific/Chatham", date(2026, 9, 27)),
]
MEASURES = "sum(events), sum(pageviews), sum(visits), sum(bounces), sum(duration_s), sum(engaged_ms)"
TABLES = {
    "hourly_visitors": ("toUnixTimestamp(hour), day", MEASURES),
    "daily_pages": (
        "day, pathname",
        f"{MEASURES}, sum(entries), sum(exits), sum(scroll_depth), sum(scroll_views)",
    ),
    "daily_sources": (
        "day, channel, referrer_name, utm_source, utm_medium, utm_campaign, utm_content, utm_term",
        MEASURES,
    ),
    "daily_geo": ("day, country, region, city_id, city", MEASURES),
    "daily_devices": ("day, device, browser, browser_version, os, os_version", MEASURES),
    "daily_events": ("day, goal, name, currency", "sum(events), sum(conversions), sum(revenue)"),
}
AGENTS, CLASSIFIER = AgentParser(100), SourceClassifier(cache_entries=100)


@pytest.fixture(scope="module")
def rollups(engine_dir: Path) -> Iterator[Engine]:
    """One migrated database for all streams: each has a site of its own."""
    engine = Engine(engine_dir, ClickHouseConfig(memory_bytes_max=1024**3, database="visit_sums"))
    admin = engine.connect("admin")
    migrate(admin, SQL_DIR)
    yield engine
    admin.command(f"DROP DATABASE {engine.config.database}")
    engine.close()


class FixedSalts:
    def salt(self, site_id: int, day: int) -> bytes:
        return f"{site_id}|{day}".encode()


class NoLimit:
    def admit_address(self, network: bytes, asn: int) -> int:
        return 0

    def admit_site(self, network: bytes, asn: int, site_id: int) -> int:
        return 0


class FixedGeo:
    version = 0

    def place(self, ip: str) -> Place:
        return LONDON if ip == "81.2.69.142" else NOWHERE

    def asn(self, ip: str) -> int:
        return 0


class Node:
    """Pipeline, visit table and log as a node has them; `restart` loses what is in memory."""

    def __init__(self, directory: Path, number: int, zone: str) -> None:
        self.directory = directory
        self.site = Site(number, "example.com", zone, frozenset({"example.com"}))
        self.holder = SnapshotHolder(Snapshot.of([self.site]))
        self.now = 0
        self.log = self._open()
        self.pipeline = self._pipeline()

    def _open(self) -> Log:
        return Log.open(self.directory, config=SMALL_LOG, fs=RealFileSystem(), checkpoint_lsn=0)[0]

    def _pipeline(self) -> Pipeline:
        visits = VisitTable(INACTIVITY_S, 1_000)
        since_us = (self.now - INACTIVITY_S) * 1_000_000
        rows = (row for frame in self.log.frames_since(since_us) for row in frame.rows())
        visits.rebuild(rows, self.now, row_head, decode_row)
        tools = Tools(
            clock=lambda: float(self.now),
            sites=self.holder,
            limiter=NoLimit(),
            salts=FixedSalts(),
            geo=FixedGeo(),
            agent=AGENTS,
            sources=CLASSIFIER,
            visits=visits,
            drops=Drops(lambda: 0.0, 1, 1),
            encode=RowEncoder().encode,
            times=LocalTimes(),
        )
        return Pipeline(IngestConfig(), tools, ClientAddress(()))

    def restart(self) -> None:
        self.log.close()
        self.log = self._open()
        self.pipeline = self._pipeline()

    def set_goals(self, goals: tuple[Goal, ...]) -> None:
        site = Site(self.site.id, self.site.domain, self.site.timezone, self.site.hosts, goals)
        self.holder.current = Snapshot.of([site])

    def send(self, address: str, agent: str, payload: dict[str, Any]) -> bool:
        """Whether the event was taken; then it is durable."""
        head = RequestHead(address)
        head.user_agent = agent.encode()
        answer = self.pipeline.handle(head, msgspec.json.encode(payload))
        if not isinstance(answer, Taken):
            return False
        first = self.log.next_lsn
        rows = [row + suffix(self.log.log_id, lsn) for lsn, row in enumerate(answer.rows, first)]
        self.log.append(rows, self.now * 1_000_000)
        return True

    def rows(self) -> list[bytes]:
        return [row for frame in self.log.frames_since(0) for row in frame.rows()]


@contextmanager
def a_node(zone: str) -> Iterator[Node]:
    with TemporaryDirectory() as directory:
        node = Node(Path(directory), next(NUMBERS), zone)
        yield node
        node.log.close()


GAPS = st.one_of(
    st.integers(0, 90),
    st.integers(0, 900),
    st.integers(0, 900),
    st.sampled_from([1_000, 1_799, 1_800, 1_801]),
    st.integers(0, 4_000),
)
ACTIONS = st.one_of(
    st.tuples(st.just("view"), st.sampled_from(PAGES), st.sampled_from(list(SOURCES))),
    st.tuples(st.just("view"), st.sampled_from(PAGES), st.just(("", ""))),
    st.tuples(st.just("custom"), st.sampled_from(PAGES), st.booleans(), st.sampled_from([0, 1_990, -500])),
    st.tuples(
        st.just("engagement"),
        st.sampled_from(PAGES),
        st.sampled_from([None, 0, 30, 50, 70, 100]),
        st.integers(1, 9),
    ),
    st.tuples(st.just("restart")),
    st.tuples(st.just("goals"), st.integers(0, 2)),
)
ANN, BEN, _, _ = PEOPLE
STEPS = st.lists(
    st.tuples(GAPS, st.sampled_from([ANN, ANN, ANN, ANN, BEN, *PEOPLE]), ACTIONS), min_size=10, max_size=40
)


def play(
    node: Node, start: int, steps: list[tuple[int, tuple[str, str], tuple[Any, ...]]]
) -> list[reference.Event]:
    """Do the steps; what was acknowledged."""
    taken, goals, node.now = [], GOAL_SETS[0], start
    for gap, who, (kind, *details) in steps:
        node.now += gap
        if kind == "restart":
            node.restart()
        elif kind == "goals":
            goals = GOAL_SETS[details[0]]
            node.set_goals(goals)
        else:
            done = _event(node.now, PEOPLE[who], goals, kind, details)
            if node.send(*who, _payload(done, kind, details)):
                taken.append(done)
    return taken


def _event(ts: int, person: reference.Person, goals: tuple[Goal, ...], kind: str, details: list[Any]) -> Any:
    known = tuple(reference.Goal(goal.id, goal.kind.value, goal.target, goal.scroll_depth) for goal in goals)
    page = details[0]
    direct = SOURCES["", ""]
    if kind == "view":
        return reference.Event(ts, person, "pageview", page, SOURCES[details[1]], known)
    if kind == "custom":
        _, interactive, revenue = details
        currency = "EUR" if revenue else ""
        return reference.Event(
            ts, person, "Signup", page, direct, known, interactive, revenue=revenue, currency=currency
        )
    return reference.Event(
        ts, person, "engagement", page, direct, known, False, depth=details[1], engaged_ms=details[2]
    )


def _payload(done: reference.Event, kind: str, details: list[Any]) -> dict[str, Any]:
    referrer, query = details[1] if kind == "view" else ("", "")
    payload: dict[str, Any] = {"n": done.name, "u": f"https://example.com{done.page}{query}", "r": referrer}
    if kind == "custom":
        payload["i"] = done.interactive
        if done.revenue:
            payload["$"] = {"amount": f"{done.revenue / 1_000:.3f}", "currency": "eur"}
    if kind == "engagement":
        payload["e"] = done.engaged_ms
        if done.depth is not None:
            payload["sd"] = done.depth
    return payload


def stored(engine: Engine, number: int) -> dict[str, reference.Sums]:
    """What the rollups say of a site; zeros are left out."""
    found: dict[str, reference.Sums] = {}
    for table, (keys, measures) in TABLES.items():
        names = ["visitors", *(part.removeprefix("sum(").removesuffix(")") for part in measures.split(", "))]
        answer = engine.writer.operator_query(
            f"SELECT {keys}, uniqCombined64Merge(visitors), {measures} FROM {engine.config.database}.{table} "
            f"WHERE site_id = {number} GROUP BY {', '.join(str(n + 1) for n in range(keys.count(',') + 1))}"
        )
        sums: reference.Sums = {}
        for row in answer:
            values = tuple(row.values())
            numbers = dict(zip(names, values[-len(names) :], strict=True))
            kept = {name: int(value) for name, value in numbers.items() if value}
            if kept:
                sums[values[: -len(names)]] = kept
        if sums:
            found[table] = sums
    return found


def insert(engine: Engine, rows: list[bytes], number: int, block_rows: int) -> None:
    for start in range(0, len(rows), block_rows):
        block = rows[start : start + block_rows]
        engine.writer.insert_block(b"".join(block), rows=len(block), token=f"sums:{number}:{start}")


HOME, OTHER = ("view", "/", ("", "")), ("view", "/a", ("", ""))
INTERACTIVE, PASSIVE = ("custom", "/", True, 0), ("custom", "/", False, 0)
RESTART = ("restart",)


def scrolled(page: str, depth: int) -> tuple[Any, ...]:
    return "engagement", page, depth, 5


def by_ann(*steps: tuple[int, tuple[Any, ...]]) -> list[tuple[int, tuple[str, str], tuple[Any, ...]]]:
    return [(gap, ANN, action) for gap, action in steps]


# What random streams meet seldom, each by itself: the last event before a restart is all that tells of the visit.
ALIVE = (1_500, PASSIVE), (1_000, RESTART)
START_LEAD_S = 4_200  # at 22:50
STREAMS = {
    "a second view in the next hour": by_ann((0, HOME), (1_200, OTHER)),
    "a second view on the next day": by_ann(
        (0, HOME), (1_700, PASSIVE), (1_700, PASSIVE), (1_200, OTHER), (1_200, HOME)
    ),
    "interaction in a third hour": by_ann(
        (0, HOME), (1_700, PASSIVE), (1_700, PASSIVE), (1_700, INTERACTIVE)
    ),
    "a first view in the next hour": by_ann((0, PASSIVE), (1_200, HOME), (1_200, PASSIVE)),
    "hours of the next day": by_ann(
        (4_000, HOME), (1_700, HOME), (1_700, HOME), (1_700, HOME), (0, RESTART), (9, HOME)
    ),
    "bounce, restart, no bounce": by_ann((0, HOME), *ALIVE, (0, OTHER)),
    "no bounce, restart, no bounce": by_ann((0, HOME), (0, INTERACTIVE), *ALIVE, (0, OTHER)),
    "interaction, restart, first view": by_ann((0, INTERACTIVE), *ALIVE, (0, HOME), (0, OTHER)),
    "nothing, restart, first view": by_ann((0, PASSIVE), *ALIVE, (0, HOME), (0, OTHER)),
    "entry, restart, exit": by_ann((0, HOME), (9, OTHER), (9, OTHER), *ALIVE, (9, HOME)),
    "scroll, restart, scroll": by_ann(
        (0, ("goals", 1)),
        (0, HOME),
        (9, scrolled("/", 30)),
        *ALIVE,
        (9, scrolled("/", 70)),
        (9, scrolled("/", 50)),
    ),
    "scroll of another page": by_ann((0, HOME), (9, OTHER), (9, scrolled("/", 30)), (1, scrolled("/a", 0))),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_every_rollup_holds_what_a_chosen_stream_says(rollups: Engine, stream: str) -> None:
    check(rollups, ("Europe/Berlin", date(2026, 11, 1)), START_LEAD_S, STREAMS[stream], 1_000)


@settings(max_examples=25, deadline=None)
@given(
    edge=st.sampled_from(EDGES),
    lead_s=st.integers(0, 3 * 3_600),
    steps=STEPS,
    block_rows=st.sampled_from([1_000, 7]),
)
def test_every_rollup_holds_what_the_events_say(
    rollups: Engine, edge: tuple[str, date], lead_s: int, steps: Any, block_rows: int
) -> None:
    event(f"restarts: {min(2, sum(step[2][0] == 'restart' for step in steps))}")
    check(rollups, edge, lead_s, steps, block_rows)


def check(engine: Engine, edge: tuple[str, date], lead_s: int, steps: Any, block_rows: int) -> None:
    """Play the steps from `lead_s` seconds before the date on; compare the rollups with the reference."""
    zone, day = edge
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    with a_node(zone) as node:
        taken = play(node, int(midnight.timestamp()) - lead_s, steps)
        insert(engine, node.rows(), node.site.id, block_rows)
        assert stored(engine, node.site.id) == reference.rollups_of(taken, zone)


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge[0]}-{edge[1]}")
@pytest.mark.parametrize("restarting", [False, True])
def test_a_visit_goes_on_across_any_midnight(edge: tuple[str, date], restarting: bool) -> None:
    zone, day = edge
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp())
    pause = [(0, RESTART)] if restarting else []
    steps = by_ann((0, HOME), *pause, (600, OTHER), *pause, (900, INTERACTIVE))
    with a_node(zone) as node:
        play(node, midnight - 300, steps)
        rows = [decode_row(row) for row in node.rows()]
    assert len({row[3] for row in rows}) == 1, "one visit"
    assert [row[9] for row in rows] == [1, 0, 0]
    assert sum(row[11] for row in rows) == 1_500


def test_the_edges_are_edges() -> None:
    kinds = set()
    for zone, day in EDGES:
        start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        offsets = [
            (start + timedelta(minutes=15 * n)).astimezone(ZoneInfo(zone)).utcoffset() for n in range(-96, 97)
        ]
        kinds |= {after - before for before, after in itertools.pairwise(offsets)}  # type: ignore[operator]
    assert {kind.total_seconds() for kind in kinds} == {0, 3_600, -3_600, 1_800, -1_800}
