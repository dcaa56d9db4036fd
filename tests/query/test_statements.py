"""What the query layer may say to the engine, whatever is asked: it begins with the site and the time at every level,
and nothing that came from outside is part of its text.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from statnive.errors import Rejected
from statnive.query import engine as query_engine
from statnive.query import rollup
from statnive.query.closed import SUMS
from statnive.query.engine import run
from statnive.query.funnels import Step, funnel, journeys
from statnive.query.model import DIMENSIONS, METRICS, PROPS_PREFIX, And, Not, Op, Or, Query, Range, Test
from statnive.query.ranges import Days
from statnive.query.where import Statement, Table
from tests.query import worlds

SITE = worlds.site(7, "Europe/Berlin")
_READ = re.compile(rf"FROM (?:{'|'.join(Table)})\b")
_PREFIX = re.compile(
    rf"FROM (?:{'|'.join(Table)}) WHERE site_id = {{site_id:UInt32}} "
    r"AND (day|hour|ts) >= {from:(?:Date|DateTime\('UTC'\))} AND \1 < {to:(?:Date|DateTime\('UTC'\))}(?: |$)"
)
_WORDS = re.compile(
    r"OUTFILE|INFILE|SETTINGS|\bFORMAT\b|\bfile\(|\burl\(|\bremote|\bs3\(|INSERT|\bSET\b|;|--|/\*|system\.",
    re.I,
)
# Nothing of the program's own text has this in it.
MARK = "zq7"


class Listener:
    """A reading handle that keeps what it is asked; with `closed`, every other day of the first week is."""

    def __init__(self, closed: date | None = None) -> None:
        self.heard: list[Statement] = []
        self._closed = closed

    def query(self, statement: Statement) -> list[dict[str, Any]]:
        self.heard.append(statement)
        is_mark = "AS is_month" in statement.sql
        if self._closed and (is_mark or statement.sql.startswith("SELECT day, ")):
            return [
                {
                    "day": self._closed + timedelta(days=number),
                    "closing": number + 1,
                    "is_month": number == 0,
                    **dict.fromkeys(SUMS, 1),
                }
                for number in range(7)
                if not (is_mark and number % 2)
            ]
        return [{"events": 9_000_000_000}] if "sum(events) AS events" in statement.sql[:40] else []


def marked(text: str) -> str:
    return f"{MARK}{text}{MARK}"


HOSTILE = st.text(max_size=12).map(marked) | st.sampled_from(
    [
        marked(text)
        for text in ("'", "\\", "' OR 1=1 --", "{site_id:UInt32}", "} {", "') INTO OUTFILE '/tmp/x")
    ]
)
NAMES = [
    name for name in DIMENSIONS if not name.startswith("time") and name not in ("event:goal", "event:props")
]
FILTERS = st.recursive(
    st.builds(
        Test,
        st.sampled_from(list(Op)),
        st.sampled_from(NAMES) | HOSTILE.map(lambda text: PROPS_PREFIX + text),
        st.lists(HOSTILE, min_size=1, max_size=3).map(tuple),
        st.booleans(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Or(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=5,
)
SPANS = st.builds(
    lambda first, count: Range(Days(first, first.fromordinal(first.toordinal() + count), ZoneInfo("UTC"))),
    st.dates(worlds.ZONES[0][1].replace(year=1971), worlds.ZONES[0][1]),
    st.integers(0, 40),
)


def hold(heard: list[Statement], span: Range) -> None:
    """Every statement is scoped, and no text of anyone is in it."""
    for statement in heard:
        assert _READ.findall(statement.sql)
        assert len(_READ.findall(statement.sql)) == len(_PREFIX.findall(statement.sql)), statement.sql
        assert MARK not in statement.sql
        assert not _WORDS.search(statement.sql), statement.sql
        assert statement.parameters["site_id"] == SITE.id
        assert statement.parameters["from"] == span.days.first.isoformat()


@settings(max_examples=300, deadline=None)
@given(
    span=SPANS,
    metrics=st.lists(st.sampled_from(METRICS), min_size=1, max_size=5, unique=True).map(tuple),
    dimensions=st.lists(
        st.sampled_from(DIMENSIONS) | HOSTILE.map(lambda text: PROPS_PREFIX + text), max_size=3, unique=True
    ).map(tuple),
    filter_=st.none() | FILTERS,
    way=st.sampled_from(["rollup", "closed days", "raw"]),
)
def test_every_statement_begins_with_the_site_and_the_time_and_binds_its_values(
    span: Range, metrics: tuple[str, ...], dimensions: tuple[str, ...], filter_: Any, way: str
) -> None:
    listener = Listener(span.days.first if way == "closed days" else None)
    with pytest.MonkeyPatch.context() as patch:
        if way == "raw":
            patch.setattr(rollup, "parts_of", lambda needs: None)
        try:
            run(listener, Query(SITE, span, metrics, dimensions, filter_, total_rows=True))
        except Rejected:
            return
    hold(listener.heard, span)
    for statement in listener.heard:
        event("of closed days" if "UNION ALL" in statement.sql else "of one table")


@settings(max_examples=60, deadline=None)
@given(span=SPANS, targets=st.lists(HOSTILE, min_size=2, max_size=4), filter_=st.none() | FILTERS)
def test_so_do_those_of_funnels_and_journeys(span: Range, targets: list[str], filter_: Any) -> None:
    listener = Listener()
    steps = tuple(Step("event" if number % 2 else "page", text) for number, text in enumerate(targets))
    try:
        funnel(listener, SITE, span, steps, filter_)
        journeys(listener, SITE, span, targets[0], filter_)
    except Rejected:
        return
    assert len(listener.heard) == 4
    hold(listener.heard, span)


def test_a_drill_down_that_is_too_large_reads_a_share(engine) -> None:  # type: ignore[no-untyped-def]
    """The sample is a range of the sort key, which the engine skips the rest for."""
    engine.insert(*[engine.row(visitor=bytes([number]) * 16, visit_id=number) for number in range(256)])
    reader = engine.connect("reader")
    span = Range(Days(*[worlds.ZONES[0][1]] * 2, ZoneInfo("UTC")))
    query = Query(attrs.evolve(SITE, id=1), span, ("visitors", "pageviews"), ("visit:referrer",))
    result = run(reader, query, query_engine.Limits(raw_rows_max=64))
    assert result.sampled == 0.25
    # 63 visitors and one who objects, of whom there is no telling.
    assert result.rows[0].metrics == (4 * 63, 4 * 64)


def test_the_reading_handle_takes_no_text(engine) -> None:  # type: ignore[no-untyped-def]
    """INTO OUTFILE works on a read-only handle of the engine: that no text of anyone comes to it is what holds."""
    reader = engine.connect("reader")
    with pytest.raises(AttributeError):
        reader.query("SELECT 1 INTO OUTFILE '/tmp/statnive-outfile'")
    with pytest.raises(AssertionError):
        reader.command("SELECT 1")
    with pytest.raises(TypeError):
        Statement("SELECT 1 INTO OUTFILE '/tmp/statnive-outfile'", {}, object())
