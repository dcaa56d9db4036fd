"""How a report's time grows: with the sites that share the tables, with the days asked for, with a site's pages.

Owns:       databases of its own in the engine of query_data.py, dropped afterwards. Read in this process by a reader's
            handle, as a node reads: the engine's time, without HTTP.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from unittest.mock import patch
from zoneinfo import ZoneInfo

import attrs

from chaos.bench.query_data import LAST_DAY, ROOT, insert_events
from chaos.bench.query_http import LAST
from statnive.clickhouse.client import Client, connect
from statnive.clickhouse.migrate import migrate
from statnive.config import ClickHouseConfig
from statnive.control.snapshot import Site
from statnive.query import closed, reports
from statnive.query.given import Options
from statnive.query.model import Range
from statnive.query.ranges import Days
from statnive.query.reports import Asked

REPORTS: Final = ("overview", "pages", "sources")
SITES: Final = (10, 100, 1_000, 10_000)
DAYS: Final = (1, 7, 30, 91, 182, 365)
PAGES: Final = (100, 1_000, 10_000, 100_000)
MEASURED_ROWS: Final = 20_000  # of the site that is asked for among others
OTHERS_ROWS: Final = 100  # of each other site
PAGES_ROWS: Final = 400_000
RUNS: Final = 10
Say = Callable[[str], None]


@attrs.frozen
class Growth:
    """Milliseconds (the median) of each report at each size of one thing."""

    title: str
    unit: str
    sizes: tuple[int, ...]
    ms: dict[str, list[float]]

    def factor(self, report: str) -> tuple[float, float]:
        """(times larger, times slower) from the first size to the last."""
        return self.sizes[-1] / self.sizes[0], self.ms[report][-1] / self.ms[report][0]


def measure(directory: Path, days_of_history: int, say: Say) -> list[Growth]:
    """All three, in the engine of `directory`, which no other process has open."""
    keeper = connect(ClickHouseConfig(), directory, purpose="admin")  # the engine goes with its last handle
    try:
        return [
            _with_sites(directory, say),
            _with_days(directory, days_of_history, say),
            _with_pages(directory, say),
        ]
    finally:
        keeper.close()


def anew_ms(directory: Path, names: tuple[str, ...], days: int) -> dict[str, float]:
    """Milliseconds (the median) of each report of the largest site, read from the rollups' states as if no day was
    closed: what a pipeline does that computes the whole range each time.
    """
    reader = connect(ClickHouseConfig(), directory, purpose="reader")
    try:
        with patch.object(closed, "DAYS_MIN", 10 * DAYS[-1]):
            return {name: _median_ms(reader, 1, days, name) for name in names}
    finally:
        reader.close()


def _with_sites(directory: Path, say: Say) -> Growth:
    ms: dict[str, list[float]] = {name: [] for name in REPORTS}
    for count in SITES:
        say(f"growth: {count:,} sites")
        measured = count + 1

        def fill(admin: Client, count: int = count, measured: int = measured) -> None:
            insert_events(admin, day=LAST_DAY, first=0, rows=count * OTHERS_ROWS, sites=count)
            insert_events(admin, day=LAST_DAY, first=0, rows=MEASURED_ROWS, only_site=measured)

        _in_database(directory, f"growth_sites_{count}", fill, measured, 1, ms)
    return Growth("sites in the same tables", "sites", SITES, ms)


def _with_days(directory: Path, days_of_history: int, say: Say) -> Growth:
    ms: dict[str, list[float]] = {name: [] for name in REPORTS}
    sizes = tuple(days for days in DAYS if days <= days_of_history)
    reader = connect(ClickHouseConfig(), directory, purpose="reader")
    try:
        for days in sizes:
            say(f"growth: {days} days of the largest site")
            for name in REPORTS:
                ms[name].append(_median_ms(reader, 1, days, name))
    finally:
        reader.close()
    return Growth("days asked for, of the largest site", "days", sizes, ms)


def _with_pages(directory: Path, say: Say) -> Growth:
    ms: dict[str, list[float]] = {name: [] for name in REPORTS}
    for pages in PAGES:
        say(f"growth: {pages:,} pages")

        def fill(admin: Client, pages: int = pages) -> None:
            insert_events(admin, day=LAST_DAY, first=0, rows=PAGES_ROWS, only_site=1, pages=pages)

        _in_database(directory, f"growth_pages_{pages}", fill, 1, 1, ms)
    return Growth("pages of the site", "pages", PAGES, ms)


def _in_database(
    directory: Path,
    name: str,
    fill: Callable[[Client], None],
    site: int,
    days: int,
    ms: dict[str, list[float]],
) -> None:
    config = ClickHouseConfig(database=name)
    admin = connect(config, directory, purpose="admin")
    try:
        admin.command(f"DROP DATABASE IF EXISTS {name}")
        migrate(admin, ROOT / "sql")
        fill(admin)
        reader = connect(config, directory, purpose="reader")
        try:
            for report in REPORTS:
                ms[report].append(_median_ms(reader, site, days, report))
        finally:
            reader.close()
        admin.command(f"DROP DATABASE {name}")
    finally:
        admin.close()


def _median_ms(reader: Client, number: int, days: int, name: str) -> float:
    site = Site(number, f"site{number}.example", "UTC", frozenset())
    span = Range(Days(LAST - timedelta(days=days - 1), LAST, ZoneInfo("UTC")))
    asked = Asked(site, Options(span, None), datetime.combine(LAST, datetime.min.time(), UTC))
    taken = []
    for _ in range(RUNS):
        started = time.perf_counter()
        reports.made_by(name)(reader, asked)
        taken.append((time.perf_counter() - started) * 1_000)
    return statistics.median(taken)
