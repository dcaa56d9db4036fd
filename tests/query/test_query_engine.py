"""Any query, by rollup and by drill-down, against the count in plain Python (tests/query/reference.py)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from statnive.clickhouse import closing
from statnive.clickhouse.client import Client
from statnive.clickhouse.migrate import migrate
from statnive.config import ClickHouseConfig
from statnive.control.snapshot import Site
from statnive.day_closing import MAKING
from statnive.errors import Rejected
from statnive.event import Row
from statnive.query import closed, rollup
from statnive.query.engine import Limits, run
from statnive.query.model import (
    CONVERSION_METRICS,
    DIMENSIONS,
    EVENT_METRICS,
    METRICS,
    REVENUE_METRICS,
    VISIT_METRICS,
    And,
    Contains,
    ContainsNot,
    Filter,
    Is,
    IsNot,
    Matches,
    Not,
    Op,
    Or,
    Query,
    Range,
    Test,
    Wildcard,
)
from statnive.query.ranges import Days
from tests.clickhouse_fixture import SQL_DIR, Engine
from tests.query import reference, worlds


class World(NamedTuple):
    site: Site
    rows: list[Row]
    first_day: Any


class Worlds:
    """No attrs: hypothesis would print every row of it."""

    def __init__(self, reader: Client, found: list[World]) -> None:
        self.reader, self.all = reader, found


@pytest.fixture(scope="module")
def stored(engine_dir: Path) -> Iterator[Worlds]:
    engine = Engine(engine_dir, ClickHouseConfig(memory_bytes_max=1024**3, database="query_engine"))
    admin = engine.connect("admin")
    migrate(admin, SQL_DIR)
    found = []
    for number, (zone, around) in enumerate(worlds.ZONES):
        site = worlds.site(100 + number, zone)
        rows = worlds.rows_of(site, around, seed=number)
        for start in range(0, len(rows), 97):
            engine.insert(*rows[start : start + 97])
        found.append(World(site, rows, around))
    close_days(engine.connect("writer"), found)
    yield Worlds(engine.connect("reader"), found)
    admin.command(f"DROP DATABASE {engine.config.database}")
    engine.close()


ALL_DIMENSIONS = [*DIMENSIONS, "event:props:plan", "event:props:a'b\\"]
VALUES = {
    "event:page": [*worlds.PAGES, "/blog", "none"],
    "visit:entry_page": worlds.PAGES,
    "visit:exit_page": worlds.PAGES,
    "visit:source": ["", "Google", "news", "oo"],
    "visit:channel": ["Direct", "Email", "Organic Search"],
    "visit:utm_campaign": ["x'y", "X'Y", ""],
    "visit:country": ["DE", "GB", ""],
    "visit:city": ["2950159", "0"],
    "visit:browser": ["Firefox", "Safari", "f"],
    "event:name": ["pageview", "Signup", 'It\'s \\ "new"', "engagement", "Other"],
    "event:goal": [goal.name for goal in worlds.GOALS],
    "event:hostname": worlds.HOSTS,
    "event:props:plan": ["pro", "free", ""],
    "event:props:a'b\\": ["pro", ""],
}
PATTERNS = ["^/", "o+", "x$", "[A-Z]", "", "(?:a|b)", "%", "\\\\"]
WILDCARDS = ["*", "**", "/*", "/blog/*", "/blog/**", "/**x", "*'*", "G*e", "/ü'\\%_"]


@st.composite
def a_test(draw: st.DrawFn) -> Filter:
    dimension = draw(st.sampled_from(list(VALUES)))
    op = draw(st.sampled_from(list(Op) if dimension != "event:goal" else list(Op)[:4]))
    pool = {Op.MATCHES: PATTERNS, Op.WILDCARD: WILDCARDS}
    choices = pool.get(Op(op.value.removesuffix("_not")) if op is not Op.IS_NOT else Op.IS, VALUES[dimension])
    values = draw(st.lists(st.sampled_from(choices), min_size=1, max_size=2, unique=True))
    return Test(op, dimension, tuple(values), draw(st.sampled_from([True, True, False])))


FILTERS = st.recursive(
    a_test(),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Or(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=4,
)


OF_GOALS = (*EVENT_METRICS, *CONVERSION_METRICS, *REVENUE_METRICS)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    dimensions = draw(
        st.lists(st.sampled_from(ALL_DIMENSIONS), max_size=2, unique=True).filter(
            lambda names: sum(name.startswith("time") for name in names) <= 1
        )
    )
    kinds = st.sampled_from([METRICS, EVENT_METRICS, EVENT_METRICS + VISIT_METRICS, OF_GOALS])
    metrics = draw(
        kinds.flatmap(lambda names: st.lists(st.sampled_from(names), min_size=1, max_size=6, unique=True))
    )
    return {
        "world": draw(st.integers(0, len(worlds.ZONES) - 1)),
        "dimensions": tuple(dimensions),
        "metrics": tuple(metrics),
        "filter": draw(st.none() | FILTERS),
        "first": draw(st.integers(-1, 2)),
        "count": draw(st.integers(1, 3)),
        "hours": draw(st.none() | st.tuples(st.integers(0, 20), st.integers(1, 30), st.sampled_from([0, 0, 17]))),
        "interval": draw(st.sampled_from(["hour", "day", "week", "month"])),
    }  # fmt: skip


def query_of(asked: dict[str, Any], stored: Worlds) -> tuple[Query, World]:
    world = stored.all[asked["world"]]
    zone = ZoneInfo(world.site.timezone)
    first = world.first_day + timedelta(days=asked["first"])
    span = Range(Days(first, first + timedelta(days=asked["count"] - 1), zone))
    if asked["hours"]:
        skip, count, minutes = asked["hours"]
        start = datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC)
        start += timedelta(hours=skip, minutes=minutes)
        span = Range.of_instants(start, start + timedelta(hours=count), zone)
    query = Query(
        world.site, span, asked["metrics"], asked["dimensions"], asked["filter"], limit=10_000,
        interval=asked["interval"], total_rows=True,
    )  # fmt: skip
    return query, world


def close_days(writer: Client, found: list[World]) -> None:
    """Every other day of the worlds."""
    for world in found:
        for number in (-1, 1):
            day = closing.Day(world.site.id, world.first_day + timedelta(days=number), 1, stale=False)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(closing, "EVENTS_MIN", 1)
                assert closing.close(writer, day, MAKING, datetime(2027, 1, 1, tzinfo=UTC), 1024**3)


@settings(max_examples=300, deadline=None)
@given(asked=questions(), way=st.sampled_from(["rollup", "closed days", "raw"]))
def test_every_query_is_answered_as_counted_in_python(
    stored: Worlds, asked: dict[str, Any], way: str
) -> None:
    query, world = query_of(asked, stored)
    with pytest.MonkeyPatch.context() as patch:
        if way == "raw":
            patch.setattr(rollup, "parts_of", lambda needs: None)
        if way == "closed days":
            patch.setattr(closed, "DAYS_MIN", 1)
            patch.setattr(closed, "NUMBERS_DAYS_MIN", 1)
        try:
            result = run(stored.reader, query)
        except Rejected as refused:
            event(f"refused: {refused.field}")
            return
    event(f"{result.source}, {way}")
    if result.source == "rollup" and not query.range.is_whole_days:
        # The hours' bounces and durations are those of visits that began in them: test_hours_… holds them.
        query = attrs.evolve(query, metrics=tuple(m for m in query.metrics if m not in OF_VISIT_HOURS))
        keep = [number for number, name in enumerate(asked["metrics"]) if name in query.metrics]
    else:
        keep = list(range(len(query.metrics)))
    found = {row.dimensions: tuple(row.metrics[number] for number in keep) for row in result.rows}
    assert len(found) == len(result.rows), "a row twice"
    assert result.total_rows == len(result.rows)
    wanted = reference.answer(query, world.rows)
    shown = drop_zeros(found)
    expected = drop_zeros(wanted)
    assert shown.keys() == expected.keys()
    for key, figures in expected.items():
        assert len(found[key]) == len(figures)
        assert all(map(is_same, found[key], figures)), (key, found[key], figures)


def is_same(found: Any, wanted: Any) -> bool:
    """Rates have two digits; which way 1.245 goes is a matter of the order of a division."""
    if isinstance(found, float) and isinstance(wanted, float):
        return abs(found - wanted) < 0.0101
    return bool(found == wanted)


OF_VISIT_HOURS = ("bounce_rate", "visit_duration")


def drop_zeros(rows: dict[Any, tuple[Any, ...]]) -> dict[Any, tuple[Any, ...]]:
    """A series may have or lack a step in which nothing happened."""
    return {
        key: values for key, values in rows.items() if any(value not in (0, None, ()) for value in values)
    }


LISTED = ["visit:source", "event:page", "visit:city", "event:goal", "event:props:plan", "visit:exit_page"]


@pytest.mark.parametrize("dimension", LISTED)
@pytest.mark.parametrize("descending", [True, False])
def test_rows_are_ordered_and_come_in_slices_with_a_total(
    stored: Worlds, dimension: str, descending: bool
) -> None:
    world = stored.all[0]
    span = Range(Days(world.first_day, world.first_day + timedelta(days=2), ZoneInfo("UTC")))
    metric = "visits" if dimension == "visit:exit_page" else "visitors"
    query = Query(
        world.site, span, (metric,), (dimension,), order_by=((metric, descending),), total_rows=True
    )
    whole = run(stored.reader, query).rows
    assert len(whole) > 1
    values = [row.metrics[0] for row in whole]
    assert values == sorted(values, reverse=descending)  # type: ignore[type-var]
    assert list(whole) == sorted(
        whole, key=lambda row: (-row.metrics[0] if descending else row.metrics[0], key_of(row, query))
    )
    for offset in range(len(whole) + 2):
        part = run(stored.reader, attrs.evolve(query, limit=2, offset=offset))
        assert part.rows == whole[offset : offset + 2]
        assert part.total_rows == len(whole)


def key_of(row: Any, query: Query) -> bytes:
    """Goals come in the order of their ids."""
    name = row.dimensions[0]
    ids = {goal.name: str(goal.id) for goal in query.site.goals}
    return ids[name].encode() if query.dimensions == ("event:goal",) else name.encode()


def test_a_sample_is_of_whole_visitors_is_said_and_scales_up(stored: Worlds) -> None:
    world = stored.all[0]
    span = Range(Days(world.first_day, world.first_day + timedelta(days=2), ZoneInfo("UTC")))
    query = Query(world.site, span, ("visitors", "pageviews", "visits", "bounce_rate"), ("visit:referrer",))
    assert run(stored.reader, query).sampled is None
    counted = [
        row
        for row in world.rows
        if not row.is_bot and 0 <= row.day - (world.first_day - reference.EPOCH).days <= 2
    ]
    share = 100 / len(counted)
    result = run(stored.reader, query, Limits(raw_rows_max=100))
    assert result.sampled == share
    # The visitors of these worlds are the bytes 1 to 8, all of them small hashes; who objects is sampled by visit.
    limit = int(share * 2**64)
    kept = [
        row for row in counted if (row.visitor != bytes(16) and row.visitor < limit.to_bytes(8, "big")) or
        (row.visitor == bytes(16) and row.visit_id < limit)
    ]  # fmt: skip
    exact = reference.answer(query, kept)
    for row in result.rows:
        visitors, pageviews, visits, bounce_rate = exact[row.dimensions]
        assert row.metrics == (
            round(visitors / share), round(pageviews / share), round(visits / share), bounce_rate,
        )  # fmt: skip
    assert {row.dimensions for row in result.rows} == exact.keys()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"metrics": ("nonsense",)}, "metrics"),
    ({"metrics": ()}, "metrics"),
    ({"metrics": ("visitors", "visitors")}, "metrics"),
    ({"metrics": ("entries",)}, "metrics"),
    ({"metrics": ("conversion_rate",)}, "metrics"),
    ({"metrics": ("total_revenue",)}, "metrics"),
    ({"metrics": ("visits",), "dimensions": ("event:goal",)}, "metrics"),
    ({"dimensions": ("visit:nonsense",)}, "dimensions"),
    ({"dimensions": ("event:props:",)}, "dimensions"),
    ({"dimensions": ("time:day", "time:hour")}, "dimensions"),
    ({"dimensions": ("visit:source", "visit:source")}, "dimensions"),
    ({"filter": Is("time:day", "2026-01-01")}, "filters"),
    ({"filter": Is("visit:source")}, "filters"),
    ({"filter": Is("event:props", "a")}, "filters"),
    ({"filter": Is("event:goal", "nobody's")}, "filters"),
    ({"filter": Matches("event:goal", ".*")}, "filters"),
    ({"filter": Matches("visit:source", "(a")}, "filters"),
    ({"filter": Matches("visit:source", "(a{1000}){1000}")}, "filters"),
    ({"filter": Matches("visit:source", "(?=a)")}, "filters"),
    ({"filter": Matches("visit:source", "a" * 501)}, "filters"),
    ({"filter": Is("visit:source", "a" * 2_001)}, "filters"),
    ({"filter": Is("visit:source", *map(str, range(501)))}, "filters"),
    ({"filter": And(())}, "filters"),
    ({"filter": Or(tuple(Is("visit:source", "a") for _ in range(100)))}, "filters"),
    ({"order_by": (("visits", True),)}, "order_by"),
    ({"limit": 0}, "limit"),
    ({"limit": 10_001}, "limit"),
    ({"offset": -1}, "limit"),
]


@pytest.mark.parametrize(("changed", "field"), REFUSED)
def test_what_has_no_meaning_is_refused_by_name(stored: Worlds, changed: dict[str, Any], field: str) -> None:
    world = stored.all[0]
    span = Range(Days(world.first_day, world.first_day, ZoneInfo("UTC")))
    query = Query(world.site, span, ("visitors",), ())
    with pytest.raises(Rejected) as refused:
        run(stored.reader, attrs.evolve(query, **changed))
    assert refused.value.field == field


def test_a_filter_fifty_deep_is_refused(stored: Worlds) -> None:
    world = stored.all[0]
    deep: Filter = Is("visit:source", "Google")
    for _ in range(50):
        deep = Not(deep)
    span = Range(Days(world.first_day, world.first_day, ZoneInfo("UTC")))
    with pytest.raises(Rejected, match="12 deep"):
        run(stored.reader, Query(world.site, span, ("visitors",), (), deep))


@pytest.mark.parametrize("raw_only", [False, True])
@pytest.mark.parametrize("filter_", [None, Contains("event:goal", "x"), ContainsNot("event:goal", "x")])
def test_a_site_without_goals_reaches_none(stored: Worlds, raw_only: bool, filter_: Filter | None) -> None:
    world = stored.all[0]
    span = Range(Days(world.first_day, world.first_day, ZoneInfo("UTC")))
    site = attrs.evolve(world.site, goals=())
    query = Query(site, span, ("visitors", "events", "total_revenue"), ("event:goal",), filter_)
    with pytest.MonkeyPatch.context() as patch:
        if raw_only:
            patch.setattr(rollup, "parts_of", lambda needs: None)
        assert run(stored.reader, query).rows == ()
        totals = attrs.evolve(query, metrics=("visitors",), dimensions=())
        found = {row.dimensions: row.metrics for row in run(stored.reader, totals).rows}
    assert found == reference.answer(totals, world.rows)


EXPLODING = ["(a+)+$", "(a|a)*b", "(.*)*x", "(?:.{0,100}){0,10}y"]


@pytest.mark.parametrize("pattern", EXPLODING)
def test_a_pattern_that_explodes_elsewhere_takes_linear_time(stored: Worlds, pattern: str) -> None:
    world = stored.all[0]
    span = Range(Days(world.first_day, world.first_day, ZoneInfo("UTC")))
    query = Query(world.site, span, ("visitors",), (), Matches("visit:referrer", pattern))
    assert run(stored.reader, query).source == "raw"


HOSTILE = [
    "'",
    '"',
    "\\",
    "';--",
    "' OR 1=1 --",
    "{site_id:UInt32}",
    "\0",
    "\t\n\r",
    "%s",
    "\\N",
    "``",
    "*/",
    "😀",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("make", [Is, IsNot, Contains, ContainsNot, Wildcard])
def test_a_value_is_a_value_whatever_is_in_it(stored: Worlds, text: str, make: Any) -> None:
    world = stored.all[0]
    span = Range(Days(world.first_day, world.first_day, ZoneInfo("UTC")))
    for dimension in ("visit:source", "visit:referrer", "event:props:plan"):
        query = Query(world.site, span, ("visitors", "pageviews"), (), make(dimension, text))
        found = {row.dimensions: row.metrics for row in run(stored.reader, query).rows}
        assert found == reference.answer(query, world.rows)


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a\\", "']--", "{x:String}", "ü😀", "a b", "*"])
def test_a_property_s_name_is_a_value_too(stored: Worlds, name: str) -> None:
    world = stored.all[0]
    span = Range(Days(world.first_day, world.first_day, ZoneInfo("UTC")))
    query = Query(world.site, span, ("visitors",), (f"event:props:{name}",))
    found = {row.dimensions: row.metrics for row in run(stored.reader, query).rows}
    assert found == reference.answer(query, world.rows)
