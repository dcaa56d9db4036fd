"""How long each report takes, of a large, a middle and a small site: docs/receipts/queries.md.

    python -m chaos.bench.queries [--events 200000000] [--days 365]

One day of events of 1,000 Zipf-sized sites and a history of the rollups for ten of them, made by SQL
(query_events.sql) and folded by the migrations' own views. Reports are read as a node reads them: a reading handle, no
kept answer. Only what was measured is written.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from statnive.clickhouse.client import Client, connect
from statnive.clickhouse.migrate import migrate
from statnive.config import ClickHouseConfig
from statnive.control.snapshot import Goal, GoalKind, Site
from statnive.errors import StatniveError
from statnive.query import reports
from statnive.query.funnels import Step, funnel, journeys
from statnive.query.given import Options
from statnive.query.model import Filter, Is, Range
from statnive.query.ranges import Days
from statnive.query.reports import Asked

ROOT: Final = Path(__file__).parents[2]
RECEIPT: Final = ROOT / "docs" / "receipts" / "queries.md"
EVENTS_SQL: Final = Path(__file__).with_name("query_events.sql")
LAST_DAY: Final = 20_758  # 2026-11-01
SITES: Final = 1_000
VIEWS: Final = 4
BLOCK_ROWS: Final = 1_000_000
# Of the sites by size: those measured, and those that have a history.
MEASURED: Final = {"largest": 1, "middle": 30, "small": 900}
WITH_HISTORY: Final = (1, 2, 3, 5, 10, 30, 100, 300, 900, 1_000)
STEPS: Final = (Step("page", "/section/page-1"), Step("page", "/section/**"), Step("event", "Signup"))
Work = Callable[[Client], dict[str, Any]]


class Timing(NamedTuple):
    """Milliseconds of one question, and how it was answered."""

    report: str
    site: str
    days: int
    p50_ms: float
    p99_ms: float
    source: str
    sampled: float | None


def build(admin: Client, events: int, days: int, say: Callable[[str], None]) -> float:
    """Insert the events; seconds. The history has a thousandth of the day's events for each day and site."""
    started = time.monotonic()
    for first in range(0, events, BLOCK_ROWS):
        say(f"{first:,} of {events:,} events")
        _insert(admin, LAST_DAY, first, min(BLOCK_ROWS, events - first), only_site=0)
    for site in WITH_HISTORY:
        rows = max(VIEWS * 10, events // 1_000 // site)
        for day in range(LAST_DAY - days + 1, LAST_DAY):
            _insert(admin, day, 0, rows, only_site=site)
        say(f"history of site {site}")
    return time.monotonic() - started


def _insert(admin: Client, day: int, first: int, rows: int, *, only_site: int) -> None:
    values = {
        "database": admin.database, "views": VIEWS, "day": day, "first": first, "rows": rows, "pages": 10_000,
        "sites": SITES, "only_site": only_site,
    }  # fmt: skip
    text = EVENTS_SQL.read_text()
    for name, value in sorted(values.items(), key=lambda item: -len(item[0])):
        text = text.replace(f"${name}", str(value))
    admin.command(text)


def questions(site: Site, days: int) -> Iterator[tuple[str, Work]]:
    """Every report, some with a filter, a funnel and the journeys."""
    last = date(1970, 1, 1) + timedelta(days=LAST_DAY)
    span = Range(Days(last - timedelta(days=days - 1), last, ZoneInfo("UTC")))

    def of(name: str, filter_: Filter | None = None) -> Work:
        asked = Asked(site, Options(span, filter_), datetime(2026, 11, 2, tzinfo=UTC))
        return lambda reader: reports.made_by(name)(reader, asked)

    for name in reports.NAMES:
        yield name, of(name)
    yield "pages, of a source", of("pages", Is("visit:source", "source7"))
    yield "sources, of a goal", of("sources", Is("event:goal", "Signup"))
    yield "overview, of a page", of("overview", Is("event:page", "/section/page-1"))
    yield "funnel", lambda reader: funnel(reader, site, span, STEPS)
    yield "journeys", lambda reader: journeys(reader, site, span)


def measure(reader: Client, rounds: int, day_ranges: tuple[int, ...]) -> list[Timing]:
    """Each question `rounds` times."""
    found = []
    goals = (Goal(1, GoalKind.EVENT, "Signup"),)
    for label, number in MEASURED.items():
        site = Site(number, f"site{number}.example", "UTC", frozenset(), goals)
        for days in day_ranges:
            for name, work in questions(site, days):
                found.append(_time(reader, name, label, days, work, rounds))
    return found


def _time(reader: Client, name: str, label: str, days: int, work: Work, rounds: int) -> Timing:
    taken, answer = [], dict[str, Any]()
    for _ in range(rounds):
        started = time.perf_counter()
        try:
            answer = work(reader)
        except StatniveError as error:
            return Timing(name, label, days, 0.0, 0.0, f"refused: {error}"[:60], None)
        taken.append((time.perf_counter() - started) * 1_000)
    worst = sorted(taken)[min(len(taken) - 1, int(len(taken) * 0.99))]
    return Timing(
        name, label, days, statistics.median(taken), worst, answer.get("source", "raw"), answer.get("sampled")
    )


def write(path: Path, timings: list[Timing], events: int, days: int, rounds: int, built_s: float) -> None:
    """The receipt."""
    lines = [
        "# Receipt: how long the reports take", "",
        f"`python -m chaos.bench.queries --events {events} --days {days}`: {events:,} events of one day over "
        f"{SITES:,} Zipf-sized sites and {days} days of history for ten of them, built in {built_s:.0f} s; each "
        f"question {rounds} times, no answer kept, nothing else running.", "",
        "| report | site | days | p50 ms | p99 ms | from | share read |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for each in timings:
        share = "all" if each.sampled is None else f"{each.sampled:.1%}"
        lines.append(
            f"| {each.report} | {each.site} | {each.days} | {each.p50_ms:.1f} | {each.p99_ms:.1f} "
            f"| {each.source} | {share} |"
        )
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=200_000_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--receipt", type=Path, default=RECEIPT)
    asked = parser.parse_args()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as directory:
        config = ClickHouseConfig()
        admin = connect(config, Path(directory), purpose="admin")
        migrate(admin, ROOT / "sql")
        built_s = build(admin, asked.events, asked.days, say)
        reader = connect(config, Path(directory), purpose="reader")
        timings = measure(reader, asked.rounds, (1, 30, asked.days))
        write(asked.receipt, timings, asked.events, asked.days, asked.rounds, built_s)
        reader.close()
        admin.close()


if __name__ == "__main__":
    main()
