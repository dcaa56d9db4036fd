"""The data that `make bench-query` asks about: a day of many sites' events, and a year of the rollups of ten of them.

Owns:       a node's data directory: `control.db` with the sites and the embedded engine with their events.
Inputs:     how many events. Outputs: `Made`, also in `made.json` beside the data, which says that they are whole.
Invariants: I1 every event goes through events_raw and the migrations' own views; I2 the days before the last week are
            copies of that week's rollup rows, a number of weeks earlier: a year of raw events of the largest site alone
            would be several hundred million.
Failure:    raises; a directory without `made.json` is begun anew.

The history's days are smaller than the measured one: its hundredth, and at least HISTORY_ROWS_MIN where the site has as
many. A whole year of the largest site at full size would be 20 GB of visitor states.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import attrs

from chaos.statnive_node import add_sites
from statnive.clickhouse import closing
from statnive.clickhouse.client import Client, connect
from statnive.clickhouse.embedded import ENGINE_DIR
from statnive.clickhouse.migrate import migrate
from statnive.config import ClickHouseConfig
from statnive.control.goals import NewGoal
from statnive.control.store import ControlStore
from statnive.day_closing import MAKING

ROOT: Final = Path(__file__).parents[2]
EVENTS_SQL: Final = Path(__file__).with_name("query_events.sql")
LAST_DAY: Final = 20_758  # 2026-11-01
EPOCH: Final = date(1970, 1, 1)
SITES: Final = 1_000
VIEWS: Final = 4
PAGES: Final = 10_000
BLOCK_ROWS: Final = 1_000_000
INSERTERS: Final = 2  # the engine folds a block on one core
TEMPLATE_DAYS: Final = 7
HISTORY_ROWS_MIN: Final = 20_000
# The sites, by size, that have a history.
WITH_HISTORY: Final = (1, 2, 3, 5, 10, 30, 100, 300, 900, 1_000)
ROLLUPS: Final = (
    "hourly_visitors", "daily_pages", "daily_sources", "daily_geo", "daily_devices", "daily_events",
)  # fmt: skip
CLOSED: Final = ("closed_days",)
MERGES_PATIENCE_S: Final = 240.0
VERSION: Final = 2  # of what is made: another one is made anew, but one without closed days (1) is given them
Say = Callable[[str], None]


@attrs.frozen
class Made:
    """What a data directory holds, and how long it took."""

    events: int
    days: int
    events_s: float
    history_s: float
    merges_s: float
    bytes_on_disk: int
    closed_s: float = 0.0
    version: int = VERSION

    @property
    def seconds(self) -> float:
        return self.events_s + self.history_s + self.merges_s + self.closed_s


def site_name(number: int) -> str:
    """The domain of the site whose rank by size, and whose id, is `number`."""
    return f"site{number}.example"


def build(directory: Path, events: int, days: int, say: Say) -> Made:
    """The data in `directory`, made unless it is there already. `days`: of history, the measured day included."""
    note = directory / "made.json"
    if note.exists():
        found = Made(**json.loads(note.read_text()))
        if (found.events, found.days, found.version) == (events, days, VERSION):
            say(f"{directory} has {events:,} events and {days} days already, made in {found.seconds:.0f} s")
            return found
        if (found.events, found.days, found.version) == (events, days, 1):
            return _closed(directory, found, say)
    shutil.rmtree(directory / ENGINE_DIR, ignore_errors=True)
    for file in ("made.json", "control.db"):
        (directory / file).unlink(missing_ok=True)
    _add_sites(directory)
    config = ClickHouseConfig()
    admin = connect(config, directory, purpose="admin")
    try:
        migrate(admin, ROOT / "sql")
        events_s = _timed(lambda: _insert_day(config, directory, events, say))
        history_s = _timed(lambda: _insert_history(admin, events, days, say))
        merges_s = _timed(lambda: _await_merges(admin, say))
    finally:
        admin.close()
    return _closed(directory, Made(events, days, events_s, history_s, merges_s, 0), say)


def _closed(directory: Path, made: Made, say: Say) -> Made:
    """The data with closed days, as a node that is updated makes them; and the note that says all is whole."""
    config = ClickHouseConfig()
    admin = connect(config, directory, purpose="admin")
    try:
        migrate(admin, ROOT / "sql")
        admin.command(f"TRUNCATE TABLE {admin.database}.closed_days")  # of a run that was cut off
        closed_s = _timed(lambda: _close_history(admin, config, directory, made.days, say))
        (size,) = admin.operator_query(
            "SELECT sum(bytes_on_disk) AS n FROM system.parts WHERE active AND database = {d:String}",
            {"d": admin.database},
        )
    finally:
        admin.close()
    made = attrs.evolve(made, closed_s=closed_s, bytes_on_disk=int(size["n"]), version=VERSION)
    (directory / "made.json").write_text(json.dumps(attrs.asdict(made)))
    return made


def insert_events(
    admin: Client,
    *,
    day: int,
    first: int,
    rows: int,
    only_site: int = 0,
    sites: int = SITES,
    pages: int = PAGES,
) -> None:
    """`rows` events of `day` (since 1970), from the number `first` on; of one site, or of `sites` Zipf-sized ones."""
    values = {
        "database": admin.database, "views": VIEWS, "day": day, "first": first, "rows": rows, "pages": pages,
        "sites": sites, "only_site": only_site,
    }  # fmt: skip
    text = EVENTS_SQL.read_text()
    for name, value in sorted(values.items(), key=lambda item: -len(item[0])):
        text = text.replace(f"${name}", str(value))
    admin.command(text)


def copy_rollups(
    admin: Client,
    *,
    first: int,
    last: int,
    back_days: tuple[int, ...],
    only: tuple[int, ...],
    tables: tuple[str, ...] = ROLLUPS,
) -> None:
    """Each rollup's rows of the days `first` to `last`, of the sites `only`, once more for each of `back_days` earlier.

    All of a table's columns, those of a date or an instant moved.
    """
    for table in tables:
        columns = admin.operator_query(
            "SELECT name, type FROM system.columns WHERE database = {d:String} AND table = {t:String} "
            "ORDER BY position",
            {"d": admin.database, "t": table},
        )
        names = ", ".join(column["name"] for column in columns)
        moved = ", ".join(_moved(column["name"], column["type"]) for column in columns)
        admin.command(
            f"INSERT INTO {admin.database}.{table} ({names}) SELECT {moved} FROM {admin.database}.{table} "
            f"ARRAY JOIN [{', '.join(map(str, back_days))}] AS back "
            f"WHERE day >= toDate({first}) AND day <= toDate({last}) AND site_id IN ({', '.join(map(str, only))}) "
            "SETTINGS max_threads = 2, max_insert_threads = 1, max_partitions_per_insert_block = 0"
        )


def _moved(name: str, kind: str) -> str:
    if kind == "Date":
        return f"{name} - back"
    if kind.startswith("DateTime"):
        return f"{name} - back * 86400"
    return name


def _add_sites(directory: Path) -> None:
    add_sites(directory, [site_name(number) for number in range(1, SITES + 1)], timezone="UTC")
    with ControlStore.open(directory / "control.db") as store:
        # Their numbers are what query_events.sql counts signups under, in this order.
        for number in WITH_HISTORY:
            store.add_goal(site_name(number), NewGoal("event", "Signup", 0, "", ""))


def _insert_day(config: ClickHouseConfig, directory: Path, events: int, say: Say) -> None:
    """The measured day, in blocks, by as many inserters as there are cores."""
    firsts = list(range(0, events, BLOCK_ROWS))
    started, done = time.monotonic(), 0

    def insert(number: int) -> None:
        nonlocal done
        admin = connect(config, directory, purpose="admin")
        try:
            for first in firsts[number::INSERTERS]:
                rows = min(BLOCK_ROWS, events - first)
                insert_events(admin, day=LAST_DAY, first=first, rows=rows)
                done += rows
                per_s = done / (time.monotonic() - started)
                say(f"{done:,} of {events:,} events, {per_s:,.0f}/s, {(events - done) / per_s:,.0f} s to go")
        finally:
            admin.close()

    with ThreadPoolExecutor(INSERTERS) as pool:
        for each in [pool.submit(insert, number) for number in range(INSERTERS)]:
            each.result()


def _insert_history(admin: Client, events: int, days: int, say: Say) -> None:
    for site in WITH_HISTORY:
        rows = history_rows(events, site)
        for day in range(LAST_DAY - min(TEMPLATE_DAYS, days - 1), LAST_DAY):
            insert_events(admin, day=day, first=0, rows=rows, only_site=site)
        say(f"a week of site {site}: {rows:,} events a day")
    if weeks := _copy_weeks(admin, days, ROLLUPS):
        say(f"the week's rollups are copied to {weeks} weeks before it")


def _copy_weeks(admin: Client, days: int, tables: tuple[str, ...]) -> int:
    """The template week's rows to the weeks before it; to how many."""
    weeks = -(-(days - 1) // TEMPLATE_DAYS) - 1
    if weeks > 0:
        first, backs = LAST_DAY - TEMPLATE_DAYS, tuple(TEMPLATE_DAYS * week for week in range(1, weeks + 1))
        copy_rollups(admin, first=first, last=LAST_DAY - 1, back_days=backs, only=WITH_HISTORY, tables=tables)
    return max(weeks, 0)


def _close_history(admin: Client, config: ClickHouseConfig, directory: Path, days: int, say: Say) -> None:
    template = range(LAST_DAY - min(TEMPLATE_DAYS, days - 1), LAST_DAY + 1)
    _close(config, directory, [(EPOCH + timedelta(days=number), False) for number in template], say)
    if weeks := _copy_weeks(admin, days, CLOSED):
        history = range(LAST_DAY - TEMPLATE_DAYS * (weeks + 1), LAST_DAY)
        months = {(EPOCH + timedelta(days=number)).replace(day=1) for number in history}
        _close(config, directory, [(first, True) for first in sorted(months)], say)


def _close(config: ClickHouseConfig, directory: Path, starts: list[tuple[date, bool]], say: Say) -> None:
    """As the node does at night: the sites' with a history; (first day, whether it is a month) of each."""
    writer, started, closed = connect(config, directory, purpose="writer"), time.monotonic(), 0
    try:
        for site in WITH_HISTORY:
            for start, is_month in starts:
                day = closing.Day(site, start, closing.EVENTS_MIN, stale=False, is_month=is_month)
                closed += closing.close(writer, day, MAKING, datetime.now(UTC), config.memory_bytes_max)
    finally:
        writer.close()
    say(f"{closed} of {len(WITH_HISTORY) * len(starts)} are closed, in {time.monotonic() - started:.0f} s")


def history_rows(events: int, site: int) -> int:
    """Events of a day of a site's history: a hundredth of its share of the measured day, or HISTORY_ROWS_MIN."""
    own = events / site / 7  # about what the Zipf of the SQL gives
    return max(VIEWS * 10, int(max(own / 100, min(own, HISTORY_ROWS_MIN))))


def _await_merges(admin: Client, say: Say) -> None:
    """Until the engine has merged what it wants to merge by itself."""
    deadline = time.monotonic() + MERGES_PATIENCE_S
    quiet = 0
    while quiet < 3 and time.monotonic() < deadline:
        (found,) = admin.operator_query("SELECT count() AS n FROM system.merges")
        quiet = 0 if found["n"] else quiet + 1
        if found["n"]:
            say(f"{found['n']} merges are under way")
        time.sleep(2)


def _timed(work: Callable[[], None]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started
