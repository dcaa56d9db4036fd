"""What every rollup must hold, counted from the events themselves: no deltas, no table of open visits, and no code of
the pipeline. Visits are cut out of the whole stream, and each number is the difference between what a visit was up to
the end of a local day and up to the end of the day before.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

INACTIVITY_S = 1_800
Key = tuple[Any, ...]
Sums = dict[Key, dict[str, int]]


class Person(NamedTuple):
    """Somebody, as the site may know them."""

    name: str
    place: tuple[str, str, int, str]
    agent: tuple[str, str, str, str, str]  # device, browser, its version, os, its version
    is_bot: bool = False


class Goal(NamedTuple):
    """A goal in force when an event happened."""

    id: int
    kind: str  # event, page, scroll
    target: str
    scroll: int = 0


class Event(NamedTuple):
    """One event that was acknowledged."""

    ts: int
    person: Person
    name: str
    page: str
    source: tuple[str, ...]  # channel, name, five UTM tags: as its referrer and query say
    goals: tuple[Goal, ...]
    interactive: bool = True
    depth: int | None = None
    engaged_ms: int = 0
    revenue: int = 0  # thousandths
    currency: str = ""


class Clock:
    """A site's local time, from the zone's own rules."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)

    def day(self, ts: int) -> date:
        return datetime.fromtimestamp(ts, UTC).astimezone(self._zone).date()

    def hour(self, ts: int) -> int:
        local = datetime.fromtimestamp(ts, UTC).astimezone(self._zone)
        return ts - 60 * local.minute - local.second


def visits_of(events: Iterable[Event]) -> list[list[Event]]:
    """The visits of everybody, each with its events; engagement without a visit is nothing."""
    visits: list[list[Event]] = []
    open_: dict[str, list[Event]] = {}
    for event in events:
        visit = open_.get(event.person.name)
        if visit is None or event.ts - visit[-1].ts > INACTIVITY_S:
            if event.name == "engagement":
                continue
            visit = open_[event.person.name] = []
            visits.append(visit)
        visit.append(event)
    return visits


def _views(part: list[Event]) -> list[Event]:
    return [event for event in part if event.name == "pageview"]


def _is_bounce(part: list[Event]) -> bool:
    customs = [event for event in part if event.name not in ("pageview", "engagement")]
    return len(_views(part)) == 1 and not any(event.interactive for event in customs)


def _days(visit: list[Event], clock: Clock) -> Iterator[tuple[list[Event], list[Event]]]:
    """For each local day: the visit up to the end of the day before, and its events of the day."""
    days = [clock.day(event.ts) for event in visit]
    for day in sorted(set(days)):
        yield (
            [event for event, its in zip(visit, days, strict=True) if its < day],
            [event for event, its in zip(visit, days, strict=True) if its == day],
        )


def _depths(part: list[Event]) -> list[tuple[str, int | None]]:
    """Of each page view: its page and the deepest point told of it."""
    found: list[tuple[str, int | None]] = []
    for event in part:
        if event.name == "pageview":
            found.append((event.page, None))
        elif event.depth is not None and found and found[-1][0] == event.page:
            known = found[-1][1]
            found[-1] = (event.page, event.depth if known is None else max(known, event.depth))
    return found


def _reached(event: Event, before: list[Event]) -> list[int]:
    """The goals that an event reaches, `before` being what the visit had until then."""
    reached = []
    for goal in event.goals:
        if goal.kind == "event":
            hit = event.name == goal.target and event.name not in ("pageview", "engagement")
        elif goal.kind == "page":
            hit = event.name == "pageview" and _matches(goal.target, event.page)
        else:
            views, after = _depths(before), _depths([*before, event])
            was = (views[-1][1] or 0) if views else 0
            now = (after[-1][1] or 0) if after else 0
            hit = was < goal.scroll <= now and event.depth is not None and _matches(goal.target, event.page)
        if hit:
            reached.append(goal.id)
    return reached


def _matches(pattern: str, path: str) -> bool:
    parts = (
        ".*" if part == "**" else "[^/]*" if part == "*" else re.escape(part)
        for part in re.split(r"(\*\*|\*)", pattern)
    )
    return re.fullmatch("".join(parts), path, re.DOTALL) is not None


def rollups_of(events: list[Event], zone: str) -> dict[str, Sums]:
    """By table and key what it must hold; zeros are left out."""
    tables: dict[str, Sums] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    people: dict[tuple[str, Key], set[str]] = defaultdict(set)
    clock = Clock(zone)
    for visit in visits_of(events):
        if visit[0].person.is_bot:
            continue
        _count_events(visit, clock, tables, people)
        for before, part in _days(visit, clock):
            _count_day(visit, before, part, clock, tables)
    for (table, key), names in people.items():
        tables[table][key]["visitors"] = len(names)
    return {
        table: {
            key: {name: number for name, number in sums.items() if number}
            for key, sums in keys.items()
            if any(sums.values())
        }
        for table, keys in tables.items()
    }


def _keys(event: Event, visit: list[Event], clock: Clock) -> dict[str, Key]:
    """The key of the event in each of the rollups by a dimension."""
    day, person = clock.day(event.ts), event.person
    return {
        "hourly_visitors": (clock.hour(event.ts), day),
        "daily_pages": (day, event.page),
        "daily_sources": (day, *visit[0].source),
        "daily_geo": (day, *person.place),
        "daily_devices": (day, *person.agent),
    }


def _count_events(
    visit: list[Event], clock: Clock, tables: dict[str, Sums], people: dict[tuple[str, Key], set[str]]
) -> None:
    """What belongs to each event alone."""
    for number, event in enumerate(visit):
        for table, key in _keys(event, visit, clock).items():
            sums = tables[table][key]
            sums["events"] += 1
            sums["pageviews"] += event.name == "pageview"
            sums["visits"] += number == 0
            sums["engaged_ms"] += event.engaged_ms
            people[table, key].add(event.person.name)
        day = clock.day(event.ts)
        keys = [(day, 0, event.name, event.currency)]
        keys += [(day, goal, "", event.currency) for goal in _reached(event, visit[:number])]
        for key in keys:
            sums = tables["daily_events"][key]
            sums["events" if key[1] == 0 else "conversions"] += 1
            sums["revenue"] += event.revenue
            people["daily_events", key].add(event.person.name)


def _count_day(
    visit: list[Event], before: list[Event], part: list[Event], clock: Clock, tables: dict[str, Sums]
) -> None:
    """What the visit became on one local day."""
    whole = [*before, *part]
    bounce = _is_bounce(whole) - _is_bounce(before)
    last = before[-1].ts if before else part[0].ts
    duration = part[-1].ts - last
    keys = _keys(part[0], visit, clock)
    for table in ("hourly_visitors", "daily_sources", "daily_geo", "daily_devices"):
        tables[table][keys[table]]["bounces"] += bounce
        tables[table][keys[table]]["duration_s"] += duration
    pages, day = tables["daily_pages"], clock.day(part[0].ts)
    views, earlier = _views(whole), _views(before)
    if bounce:
        pages[day, views[0].page]["bounces"] += bounce
    for event in part:
        known = [view for view in views if view.ts <= event.ts and whole.index(view) <= whole.index(event)]
        pages[day, known[0].page if known else event.page]["duration_s"] += event.ts - last
        last = event.ts
    if views and not earlier:
        pages[day, views[0].page]["entries"] += 1
    if len(views) > len(earlier):
        pages[day, views[-1].page]["exits"] += 1
        if earlier:
            pages[day, earlier[-1].page]["exits"] -= 1
    depths_before = _depths(before)
    for number, (page, depth) in enumerate(_depths(whole)):
        known_depth = depths_before[number][1] if number < len(depths_before) else None
        if depth is not None:
            pages[day, page]["scroll_depth"] += depth - (known_depth or 0)
            pages[day, page]["scroll_views"] += known_depth is None
