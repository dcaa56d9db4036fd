from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from statnive.clickhouse.rows import RowEncoder, decode_row, row_head, suffix
from statnive.event import SCROLL_UNTOLD, Row
from statnive.ingest.referrer import Source
from statnive.ingest.visits import Delta, VisitTable

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
    depth: int = SCROLL_UNTOLD,
) -> Delta:
    return table.touch(
        visitor,
        ts,
        ts // 86_400,
        ts - ts % 3_600,
        page,
        kind == "pageview",
        kind == "interactive",
        depth,
        source,
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
            if delta.previous_pathname:
                exits[delta.previous_pathname] -= 1
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
    assert touch(table, b"v", 200, source=DIRECT).source == GOOGLE


def test_a_visit_ends_after_thirty_minutes_without_an_event() -> None:
    table = VisitTable(1_800, 10)
    first = touch(table, b"v", 100)
    assert touch(table, b"v", 1_900).visit_id == first.visit_id
    assert touch(table, b"v", 3_701).visit_id != first.visit_id


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
    assert (delta.visit_id, delta.visit_start, delta.duration_delta) == (first.visit_id, 0, 100)


def test_a_page_views_depths_sum_to_its_deepest_point() -> None:
    table = VisitTable(1_800, 100)
    touch(table, b"v", 100)
    told = [touch(table, b"v", 110, "engagement", "/", depth=depth) for depth in (40, 30, 75, SCROLL_UNTOLD)]
    assert [(delta.scroll_gain, delta.scroll_views) for delta in told] == [(40, 1), (0, 0), (35, 0), (0, 0)]
    touch(table, b"v", 120, page="/")  # the same page once more is another page view
    again = touch(table, b"v", 130, "engagement", "/", depth=10)
    assert (again.scroll_gain, again.scroll_views) == (10, 1)


def test_a_depth_told_of_another_page_than_the_last_is_not_taken_for_it() -> None:
    table = VisitTable(1_800, 100)
    touch(table, b"v", 100, page="/a")
    touch(table, b"v", 101, page="/b")
    late = touch(table, b"v", 102, "engagement", "/a", depth=90)
    assert (late.scroll_gain, late.scroll_views) == (0, 0)


def row_of(make_row: Callable[..., Row], visitor: bytes, ts: int, delta: Delta, page: str = "/") -> bytes:
    columns = {name: value for name, value in delta._asdict().items() if name != "source"}
    row = make_row(ts=ts, visitor=visitor, pathname=page, **columns, **delta.source._asdict())
    return RowEncoder().encode(row) + suffix(1, 1)


def test_a_rebuilt_table_goes_on_where_the_old_one_was(make_row: Callable[..., Row]) -> None:
    old, new = VisitTable(1_800, 100), VisitTable(1_800, 100)
    visitor = b"v" * 16
    first = touch(old, visitor, 100, source=GOOGLE)
    rows = [row_of(make_row, visitor, 100, first)]
    assert new.rebuild(rows, 1_900, row_head, decode_row) == 1
    assert touch(new, visitor, 1_900, page="/b", source=DIRECT) == touch(old, visitor, 1_900, page="/b")


def test_rows_of_the_past_open_no_visit(make_row: Callable[..., Row]) -> None:
    table = VisitTable(1_800, 100)
    rows = [row_of(make_row, b"v" * 16, 99, touch(VisitTable(1_800, 1), b"v" * 16, 99))]
    assert table.rebuild(rows, 1_900, row_head, decode_row) == 0


def test_a_rebuilt_table_is_bounded_and_holds_the_newest(make_row: Callable[..., Row]) -> None:
    table, source = VisitTable(1_800, 3), VisitTable(1_800, 100)
    visitors = [bytes([number]) * 16 for number in (1, 2, 3, 4, 5, 1)]
    rows = [row_of(make_row, visitor, 100, touch(source, visitor, 100)) for visitor in visitors]
    assert table.rebuild(rows, 200, row_head, decode_row) == 3
    assert [bool(table.find(bytes([number]) * 16, 200)) for number in (1, 2, 3, 4, 5)] == [
        True,
        False,
        False,
        True,
        True,
    ]
