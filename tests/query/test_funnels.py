"""Funnels and journeys on the real engine, against a walk over the events in Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from statnive.errors import Rejected
from statnive.event import NO_VISITOR
from statnive.query.engine import Limits
from statnive.query.funnels import Step, funnel, journeys, parse_steps
from statnive.query.model import Is, Range
from statnive.query.ranges import Days
from tests.query import reference, worlds


@pytest.fixture
def world(engine):
    zone, around = worlds.ZONES[1]
    site = worlds.site(1, zone)
    rows = worlds.rows_of(site, around, seed=5)
    engine.insert(*rows)
    span = Range(Days(around, around + timedelta(days=1), ZoneInfo(zone)))
    first = (around - reference.EPOCH).days
    return engine.connect("reader"), site, span, [
        row for row in rows if not row.is_bot and first <= row.day <= first + 1
    ]  # fmt: skip


def happens(step, row):
    if step.kind == "event":
        return row.name == step.target
    is_in_blog = step.target == "/blog/**" and "/blog/" in row.pathname
    return row.pageviews == 1 and (row.pathname == step.target or is_in_blog)


def level(rows, steps, window_s):
    """How many steps happened in order, within `window_s` of a first one."""
    best = 0
    for start, first in enumerate(rows):
        if not happens(steps[0], first):
            continue
        done = 1
        for row in rows[start + 1 :]:
            if done < len(steps) and row.ts - first.ts <= window_s and happens(steps[done], row):
                done += 1
        best = max(best, done)
    return best


STEPS = (Step("page", "/"), Step("page", "/blog/**"), Step("event", "Signup"))


@pytest.mark.parametrize("window_s", [60, 1_000, 86_400])
@pytest.mark.parametrize("filtered", [False, True])
def test_a_funnel_counts_who_did_the_steps_in_order(world, window_s, filtered):
    reader, site, span, rows = world
    found = funnel(reader, site, span, STEPS, Is("visit:browser", "Firefox") if filtered else None, window_s)
    by_visitor = defaultdict(list)
    for row in rows:
        if row.visitor != NO_VISITOR and (not filtered or row.browser == "Firefox"):
            by_visitor[row.visitor].append(row)
    levels = [level(mine, STEPS, window_s) for mine in by_visitor.values()]
    wanted = [sum(each >= number for each in levels) for number in (1, 2, 3)]
    assert [step["visitors"] for step in found["steps"]] == wanted
    assert wanted[0] > 0
    assert [step["drop_off"] for step in found["steps"]] == [0, wanted[0] - wanted[1], wanted[1] - wanted[2]]
    assert found["steps"][1]["conversion_rate"] == round(100 * wanted[1] / wanted[0], 2)
    assert [step["step"] for step in found["steps"]] == ["Visit /", "Visit /blog/**", "Signup"]


def test_a_large_funnel_is_of_a_share_of_the_visitors_and_says_so(world):
    reader, site, span, rows = world
    found = funnel(reader, site, span, STEPS, limits=Limits(ordered_rows_max=10))
    assert found["sampled"] == 10 / len(rows)
    assert funnel(reader, site, span, STEPS, limits=Limits(raw_rows_max=10))["sampled"] is None


def test_large_journeys_are_of_whole_visitors_scaled_up_and_say_so(world):
    """Half of the visitors by their hash, each with all of its views: not half of the rows."""
    reader, site, span, rows = world
    found = journeys(reader, site, span, limit=1_000, limits=Limits(ordered_rows_max=len(rows) // 2))
    assert found["sampled"] == pytest.approx(0.5, abs=0.01)
    below = int(found["sampled"] * 2**64)
    views = defaultdict(list)
    for row in rows:
        # Who objects to being recognised has no hash, and is in the sample by visit.
        key = row.visit_id if row.visitor == NO_VISITOR else int.from_bytes(row.visitor[:8])
        if row.pageviews and key < below:
            views[row.visit_id].append(row.pathname)
    wanted = Counter()
    for pages in views.values():
        wanted.update(zip(pages, [*pages[1:], ""], strict=True))
    assert {(row["page"], row["next"]) for row in found["rows"]} == set(wanted)
    for row in found["rows"]:
        assert row["views"] == pytest.approx(wanted[row["page"], row["next"]] / found["sampled"], abs=1)


def test_journeys_are_steps_from_page_to_page_within_a_visit(world):
    reader, site, span, rows = world
    views = defaultdict(list)
    for row in rows:
        if row.pageviews:
            views[row.visit_id].append(row.pathname)
    wanted = Counter()
    for pages in views.values():
        wanted.update(zip(pages, [*pages[1:], ""], strict=True))
    found = journeys(reader, site, span, limit=100)["rows"]
    assert {(row["page"], row["next"]): row["views"] for row in found} == wanted
    assert [row["views"] for row in found] == sorted(wanted.values(), reverse=True)
    some = journeys(reader, site, span, page="/a", limit=100)["rows"]
    assert {row["next"] for row in some} == {after for page, after in wanted if page == "/a"}
    assert {row["page"] for row in some} == {"/a"}


BAD = ["", "{", "[]", "[1]", '[{"page":"/"}]', '[{"page":"/"},{}]', '[{"page":"/","event":"a"},{"page":"/"}]',
       '[{"page":""},{"page":"/"}]', '[{"goal":1},{"page":"/"}]', "[" * 5_000]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_steps_that_are_none_are_refused(text):
    with pytest.raises(Rejected) as refused:
        parse_steps(text)
    assert refused.value.field == "steps"
