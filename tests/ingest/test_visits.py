from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from statnive.ingest.referrer import Source
from statnive.ingest.visits import VisitTable

DIRECT = Source("", "", "Direct", "", "", "", "", "")
GOOGLE = Source("google.com/", "Google", "Organic Search", "", "", "", "", "")
STEP = st.tuples(
    st.sampled_from([b"v1", b"v2", b"v3"]),
    st.integers(0, 2_400),  # seconds since the event before
    st.sampled_from(["pageview", "interactive", "passive"]),
    st.sampled_from(["/", "/a", "/b"]),
)


def touch(
    table: VisitTable,
    visitor: bytes,
    ts: int,
    kind: str = "pageview",
    page: str = "/",
    source: Source = DIRECT,
):  # type: ignore[no-untyped-def]
    return table.touch(
        visitor, ts, page=page, is_pageview=kind == "pageview", interactive=kind != "passive", source=source
    )


@given(st.lists(STEP, max_size=40))
def test_sums_of_deltas_equal_visits_counted_afterwards(steps: list[tuple[bytes, int, str, str]]) -> None:
    table = VisitTable(1_800, 1_000)
    events = []
    ts = 1_000
    totals = {"visits": 0, "bounces": 0, "duration": 0}
    exits: dict[str, int] = {}
    for visitor, gap, kind, page in steps:
        ts += gap
        delta = touch(table, visitor, ts, kind, page)
        events.append((visitor, ts, kind, page))
        totals["visits"] += delta.visit_start
        totals["bounces"] += delta.bounce_delta
        totals["duration"] += delta.duration_delta
        if kind == "pageview":
            exits[page] = exits.get(page, 0) + 1
            if delta.previous_page:
                exits[delta.previous_page] -= 1
    visits: list[list[tuple[int, str, str]]] = []
    for visitor in (b"v1", b"v2", b"v3"):
        last = None
        for who, at, kind, page in events:
            if who != visitor:
                continue
            if last is None or at - last > 1_800:
                visits.append([])
            visits[-1].append((at, kind, page))
            last = at
    expected_exits: dict[str, int] = {}
    for visit in visits:
        viewed = [page for _, kind, page in visit if kind == "pageview"]
        if viewed:
            expected_exits[viewed[-1]] = expected_exits.get(viewed[-1], 0) + 1
    assert totals["visits"] == len(visits)
    assert totals["duration"] == sum(visit[-1][0] - visit[0][0] for visit in visits)
    assert totals["bounces"] == sum(_is_bounce(visit) for visit in visits)
    assert {page: n for page, n in exits.items() if n} == expected_exits


def _is_bounce(visit: list[tuple[int, str, str]]) -> bool:
    """One page view and no interactive custom event."""
    kinds = [kind for _, kind, _ in visit]
    return kinds.count("pageview") == 1 and "interactive" not in kinds


def test_a_visit_keeps_the_source_that_began_it() -> None:
    table = VisitTable(1_800, 10)
    touch(table, b"v", 100, source=GOOGLE)
    assert touch(table, b"v", 200, source=DIRECT).visit.source == GOOGLE


def test_a_visit_ends_after_thirty_minutes_without_an_event() -> None:
    table = VisitTable(1_800, 10)
    first = touch(table, b"v", 100)
    assert touch(table, b"v", 1_900).visit.visit_id == first.visit.visit_id
    assert touch(table, b"v", 3_701).visit.visit_id != first.visit.visit_id


def test_the_table_is_bounded_and_forgets_what_timed_out() -> None:
    table = VisitTable(1_800, 100)
    for n in range(1_000):
        touch(table, n.to_bytes(4, "big"), 100)
    assert len(table) <= 101
    assert table.evicted_early >= 890
    for n in range(200):
        touch(table, n.to_bytes(4, "little") + b"x", 10_000)
    assert len(table) <= 200


def test_a_visit_goes_on_under_its_new_name_after_midnight() -> None:
    table = VisitTable(1_800, 100)
    first = touch(table, b"yesterday", 100)
    table.rename(b"yesterday", b"today")
    delta = touch(table, b"today", 200, page="/b")
    assert (delta.visit.visit_id, delta.visit_start, delta.duration_delta) == (first.visit.visit_id, 0, 100)
