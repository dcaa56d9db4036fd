"""Random but coherent rows: people who make visits across hours and midnights, with goals, properties and revenue."""

from __future__ import annotations

import random
from datetime import date, datetime
from zoneinfo import ZoneInfo

from statnive.control.snapshot import Goal, GoalKind, Site
from statnive.event import NO_VISITOR, SCROLL_UNTOLD, Row
from statnive.ingest.goals import GoalMatcher
from statnive.ingest.local_time import LocalTimes
from statnive.ingest.referrer import Source
from statnive.ingest.visits import VisitTable
from tests.clickhouse_fixture import a_row

GOALS = (
    Goal(1, GoalKind.EVENT, "Signup", value=5_000, currency="EUR"),
    Goal(2, GoalKind.PAGE, "/blog/**"),
    Goal(3, GoalKind.SCROLL, "**", 50),
    Goal(4, GoalKind.EVENT, 'It\'s \\ "new"', value=990, currency="USD"),
    Goal(5, GoalKind.PAGE, "/", value=1, currency="EUR"),
)
SOURCES = [
    Source("", "", "Direct", "", "", "", "", ""),
    Source("www.google.com/", "Google", "Organic Search", "", "", "", "", ""),
    Source("news.example/a", "news", "Email", "news", "email", "x'y", "", ""),
    Source("", "news", "Email", "news", "email", "X'Y", "c", "t"),
]
PAGES = ["/", "/a", "/blog/x", "/blog/x/y", "/ü'\\%_", "/A"]
PLACES = [
    ("", "", 0, ""),
    ("DE", "DE-BE", 2_950_159, "Berlin"),
    ("DE", "DE-BY", 2_867_714, "Munich"),
    ("GB", "", 0, ""),
]
AGENTS = [
    ("desktop", "Firefox", "142", "Linux", ""),
    ("desktop", "Firefox", "141", "Linux", ""),
    ("mobile", "Safari", "17", "iOS", "17.4"),
]
HOSTS = ["example.com", "www.example.com"]
ZONES = [
    ("UTC", date(2026, 11, 1)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("Asia/Kolkata", date(2026, 11, 1)),
]


def site(number: int, zone: str) -> Site:
    return Site(number, f"s{number}.example", zone, frozenset({f"s{number}.example"}), GOALS)


def rows_of(the_site: Site, around: date, seed: int, steps: int = 260) -> list[Row]:
    """Rows in the order of the log, from the evening before `around` for two days and more."""
    dice = random.Random(seed)
    times, visits, matcher = LocalTimes().of(the_site.timezone), VisitTable(1_800, 1_000), GoalMatcher(100)
    now = int(datetime(around.year, around.month, around.day, tzinfo=ZoneInfo(the_site.timezone)).timestamp())
    now -= 3 * 3_600
    rows: list[Row] = []
    for _ in range(steps):
        now += dice.choice([0, 3, 40, 200, 200, 900, 1_500, 5_000])
        who = dice.randrange(8)
        # On another day everybody is somebody else: the salt is the day's.
        visitor = bytes([who + 1]) * 13 + times.at(now)[0].to_bytes(3, "big")
        rows.append(_row(the_site, dice, now, who, visitor, times, visits, matcher))
    return rows


def _row(the_site, dice, now, who, visitor, times, visits, matcher) -> Row:  # type: ignore[no-untyped-def]
    day, hour, _ = times.at(now)
    page = dice.choice(PAGES)
    open_visit = visits.find(visitor, now)
    name = dice.choice(["pageview"] * 6 + ["Signup", 'It\'s \\ "new"', "engagement", "Other"])
    if name == "engagement" and open_visit is None:
        name = "pageview"
    if name == "engagement":
        page = open_visit.exit or page
    depth = dice.choice([SCROLL_UNTOLD, 20, 60, 100]) if name == "engagement" else SCROLL_UNTOLD
    interactive = name not in ("pageview", "engagement") and dice.random() < 0.6
    delta = visits.touch(
        visitor, now, day, hour, page, name == "pageview", interactive, depth, dice.choice(SOURCES)
    )
    pays = name in ("Signup", "Other") and dice.random() < 0.4
    props = {} if dice.random() < 0.6 else {dice.choice(["plan", "a'b\\"]): dice.choice(["pro", "free", ""])}
    device, browser, version, os, os_version = AGENTS[who % 3]
    country, region, city_id, city = PLACES[who % 4]
    return a_row(
        site_id=the_site.id, ts=now, visitor=NO_VISITOR if who == 7 else visitor, day=day, hour=hour, name=name,
        is_bot=int(who == 6), pageviews=int(name == "pageview"), scroll_depth=depth,
        engaged_ms=dice.randrange(9_000) if name == "engagement" else 0,
        hostname=dice.choice(HOSTS), pathname=page, props=props,
        goals=matcher.reached(the_site, name, page, delta.scroll_gain, depth),
        revenue=dice.choice([1_990, -500, 7]) if pays else 0, currency=dice.choice(["EUR", "USD"]) if pays else "",
        country=country, region=region, city_id=city_id, city=city, device=device, browser=browser,
        browser_version=version, os=os, os_version=os_version, **_of_visit(delta),
    )  # fmt: skip


def _of_visit(delta) -> dict[str, object]:  # type: ignore[no-untyped-def]
    values = delta._asdict()
    return {**values.pop("source")._asdict(), **values}
