"""Sizes of the rollups and errors of their unique counts, measured on the real engine: docs/receipts/rollups.md.

    python -m chaos.bench.rollups

Events are made by SQL (chaos/bench/rollup_events.sql) and inserted into events_raw, an hour in a block, so that the
rollups are what the migrations' own views make of them. Sizes are bytes on disk after a merge.
"""

from __future__ import annotations

import math
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from statnive.clickhouse.client import Client, connect
from statnive.clickhouse.migrate import migrate
from statnive.clickhouse.verify import rollup_drift_rows
from statnive.config import ClickHouseConfig

ROOT: Final = Path(__file__).parents[2]
RECEIPT: Final = ROOT / "docs" / "receipts" / "rollups.md"
EVENTS_SQL: Final = Path(__file__).with_name("rollup_events.sql")
FIRST_THREE: Final = ("hourly_visitors", "daily_pages", "daily_sources")
ALL_SIX: Final = (*FIRST_THREE, "daily_geo", "daily_devices", "daily_events")
FIRST_DAY: Final = 20_758  # 2026-11-01

PRECISIONS: Final = (12, 13, 14, 15, 16, 17, 18, 19)
CHOSEN: Final = 17
TRIALS: Final = 100
GAP: Final = 2.5  # times 2^precision visitors: where the estimate of most precisions is biased
TOTAL_LIMIT: Final = 0.5  # per cent, of a site's total of a million
PART_LIMIT: Final = 2.0  # per cent, of a page or a source
EXACT_SIZES: Final = (500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 8_000, 12_000, 16_000)
EXACT_TRIALS: Final = 20
STATE_SIZES: Final = (10, 100, 1_000, 10_000, 1_000_000)


class SiteModel(NamedTuple):
    """A site's day: how many of what. Pages, sources, cities and agents are Zipf-distributed."""

    name: str
    visitors: int
    views_each: int
    pages: int
    sources: int
    cities: int
    agents: int
    days: int


SMALL: Final = SiteModel("1,000 visitors, 3,000 page views, 100 pages", 1_000, 3, 100, 40, 300, 120, 30)
LARGE: Final = SiteModel(
    "1,000,000 visitors, 3,000,000 page views, 10,000 pages", 1_000_000, 3, 10_000, 400, 20_000, 2_000, 1
)


class Errors(NamedTuple):
    """Of one precision at one number of visitors, in per cent of it."""

    visitors: int
    rms: float
    worst: float
    within_half: float  # share of trials within 0.5 %


class Accuracy(NamedTuple):
    """Of one precision."""

    million: Errors
    thousands: Errors
    gap: Errors


class Size(NamedTuple):
    """Of one rollup and one day."""

    table: str
    rows: float
    kilobytes: float


Say = Callable[[str], None]
States = dict[tuple[int, int], int]  # bytes of a state, by precision and visitors


def sizes(admin: Client, model: SiteModel, say: Say) -> list[Size]:
    """Insert the model's days, merge, and measure each rollup."""
    for table in ("events_raw", *ALL_SIX):
        admin.command(f"TRUNCATE TABLE {admin.database}.{table}")
    template = EVENTS_SQL.read_text()
    for day in range(FIRST_DAY, FIRST_DAY + model.days):
        say(f"{model.name}: day {day - FIRST_DAY + 1} of {model.days}")
        for hour in range(24):
            values = {**model._asdict(), "database": admin.database, "day": day, "hour": hour}
            text = template
            for name, value in values.items():
                text = text.replace(f"${name}", str(value))
            admin.command(text)
    assert rollup_drift_rows(admin) == 0
    return [_size(admin, table, model.days) for table in ALL_SIX]


def _size(admin: Client, table: str, days: int) -> Size:
    admin.command(f"OPTIMIZE TABLE {admin.database}.{table} FINAL")
    (row,) = admin.operator_query(
        "SELECT sum(rows) AS row_count, sum(bytes_on_disk) AS bytes FROM system.parts "
        "WHERE database = {database:String} AND table = {table:String} AND active",
        {"database": admin.database, "table": table},
    )
    return Size(table, row["row_count"] / days, row["bytes"] / days / 1_000)


def errors(admin: Client, precision: int, visitors: int, trials: int) -> Errors:
    """Estimates of `visitors` distinct visitors, `trials` times, each time other ones."""
    found = []
    for trial in range(trials):
        (row,) = admin.operator_query(
            f"SELECT uniqCombined64({precision})(reinterpretAsFixedString(sipHash128(number, {trial}))) AS n "
            f"FROM numbers({visitors})"
        )
        found.append(abs(row["n"] / visitors - 1) * 100)
    rms = math.sqrt(sum(error**2 for error in found) / trials)
    return Errors(visitors, rms, max(found), sum(error <= 0.5 for error in found) / trials)


def accuracy(admin: Client, say: Say) -> dict[int, Accuracy]:
    """By precision."""
    found = {}
    for precision in PRECISIONS:
        say(f"errors of precision {precision}")
        gap = int(GAP * 2**precision)
        found[precision] = Accuracy(
            errors(admin, precision, 1_000_000, TRIALS),
            errors(admin, precision, 100_000, TRIALS),
            errors(admin, precision, gap, TRIALS if gap < 500_000 else TRIALS // 4),
        )
    return found


def state_bytes(admin: Client, precision: int, visitors: int) -> int:
    """The size of one state as it is stored, before compression."""
    (row,) = admin.operator_query(
        f"SELECT length(toString(uniqCombined64State({precision})(MD5(toString(number))))) AS n "
        f"FROM numbers({visitors})"
    )
    return int(row["n"])


def over_the_limits(small: list[Size], large: list[Size], chosen: Accuracy) -> Iterator[str]:
    """Each limit of the design that a measurement exceeds."""
    for name, measured, limit in (
        ("small site, first three, KB", _sum(small, FIRST_THREE), 60.0),
        ("small site, all six, KB", _sum(small, ALL_SIX), 100.0),
        ("large site, all six, MB", _sum(large, ALL_SIX) / 1_000, 60.0),
        ("1,000,000 visitors, standard error, %", chosen.million.rms, TOTAL_LIMIT),
        ("a page or a source, worst error, %", _worst_part(chosen), PART_LIMIT),
    ):
        if measured > limit:
            yield f"{name}: {measured:.2f}, at most {limit:g} allowed"


def _sum(found: list[Size], tables: tuple[str, ...]) -> float:
    return sum(size.kilobytes for size in found if size.table in tables)


def head(admin: Client) -> str:
    (row,) = admin.operator_query("SELECT version() AS version")
    return "\n".join(
        [
            "# What the rollups take, and how well they count",
            "",
            f"Made by `python -m chaos.bench.rollups` on {time.strftime('%Y-%m-%d')}: ClickHouse {row['version']} "
            f"(chDB), Python {platform.python_version()}.",
            "The events are made by `chaos/bench/rollup_events.sql` and go through the views of `sql/`; sizes are",
            "bytes on disk after a merge.",
        ]
    )


def size_table(small: list[Size], large: list[Size]) -> str:
    lines = [
        "## A day's size",
        "",
        f"Small: {SMALL.name} a day; {SMALL.days} days, divided by {SMALL.days}. Large: {LARGE.name}, one day.",
        "Each page view also tells its engagement, and one visitor in twenty reaches a goal with revenue.",
        "",
        "| rollup | small: rows | small: KB | large: rows | large: MB |",
        "|---|---|---|---|---|",
    ]
    for one, other in zip(small, large, strict=True):
        lines.append(
            f"| `{one.table}` | {one.rows:,.0f} | {one.kilobytes:.1f} | {other.rows:,.0f} | "
            f"{other.kilobytes / 1_000:.2f} |"
        )
    for name, tables in (
        ("first three, at most 60 KB", FIRST_THREE),
        ("all six, at most 100 KB and 60 MB", ALL_SIX),
    ):
        lines.append(
            f"| **{name}** | | **{_sum(small, tables):.1f}** | | **{_sum(large, tables) / 1_000:.2f}** |"
        )
    return "\n".join(lines)


def error_table(found: dict[int, Accuracy], states: States, exact: int) -> str:
    lines = [
        "## Errors of unique counts",
        "",
        f"`uniqCombined64(precision)` of random visitors in per cent of their true number, {TRIALS} trials (a quarter",
        f"of that above 500,000 in the last columns). The last columns are at {GAP} × 2^precision visitors.",
        "",
        "| precision | 1,000,000: standard error | worst | within 0.5 % | 100,000: standard error | worst "
        "| visitors | standard error | worst |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for precision, of in found.items():
        name = f"**{precision}**" if precision == CHOSEN else str(precision)
        lines.append(
            f"| {name} | {of.million.rms:.2f} | {of.million.worst:.2f} | {of.million.within_half:.0%} | "
            f"{of.thousands.rms:.2f} | {of.thousands.worst:.2f} | {of.gap.visitors:,} | {of.gap.rms:.2f} | "
            f"{of.gap.worst:.2f} |"
        )
    return "\n".join([*lines, "", *_verdict(found, states, exact)])


def _verdict(found: dict[int, Accuracy], states: States, exact: int) -> list[str]:
    chosen = found[CHOSEN]
    good = [precision for precision, of in found.items() if _keeps_limits(of)]
    bad = [precision for precision in found if precision not in good]
    lines = [f"**Precision {CHOSEN} in every rollup.** {_keeping(found, good, bad)}", ""]
    coarser = min(found)
    same = [size for size in STATE_SIZES if states[coarser, size] == states[CHOSEN, size]]
    if coarser < CHOSEN and same:
        lines += [
            f"Precision {coarser} would save nothing on a page of {max(same):,} visitors: "
            f"{states[CHOSEN, max(same)]:,} bytes a state at either. At {STATE_SIZES[-1]:,} it is "
            f"{states[coarser, STATE_SIZES[-1]]:,} against {states[CHOSEN, STATE_SIZES[-1]]:,} bytes.",
            "",
        ]
    lines += [
        f"A site's total of {chosen.million.visitors:,} visitors has a standard error of {chosen.million.rms:.2f} % "
        f"(limit {TOTAL_LIMIT} %); {chosen.million.within_half:.0%} of single days are within 0.5 %, the worst of "
        f"{TRIALS} is off by {chosen.million.worst:.2f} %. A page or a source is off by {_worst_part(chosen):.2f} % at "
        f"worst (limit {PART_LIMIT:g} %). A count of up to {exact:,} visitors was exact in each of {EXACT_TRIALS} "
        "trials.",
    ]
    return lines


def _worst_part(of: Accuracy) -> float:
    """Of a page's or a source's count, in per cent."""
    return max(of.thousands.worst, of.gap.worst)


def _keeps_limits(of: Accuracy) -> bool:
    return of.million.rms <= TOTAL_LIMIT and _worst_part(of) <= PART_LIMIT


def _keeping(found: dict[int, Accuracy], good: list[int], bad: list[int]) -> str:
    """Which precisions keep both limits, and by what the others miss one."""
    if not good:
        return "None of those measured keeps both limits."
    kept = f"Both limits, {TOTAL_LIMIT} % for a total and {PART_LIMIT:g} % for a page, are kept by {_listed(good)}"
    missed = [
        f"{precision} is off by {_worst_part(found[precision]):.2f} % for a page"
        if _worst_part(found[precision]) > PART_LIMIT
        else f"{precision} by {found[precision].million.rms:.2f} % for a total"
        for precision in bad
    ]
    return f"{kept}; {', '.join(missed)}." if missed else f"{kept}."


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) if len(numbers) > 1 else f"{numbers[0]} alone"


def exact_up_to(admin: Client, precision: int) -> int:
    """The largest of EXACT_SIZES up to which every trial counted exactly; 0 = none."""
    exact = 0
    for visitors in EXACT_SIZES:
        if errors(admin, precision, visitors, EXACT_TRIALS).worst > 0:
            break
        exact = visitors
    return exact


def measure_states(admin: Client) -> States:
    """The bytes of a state, by precision and visitors."""
    return {
        (precision, visitors): state_bytes(admin, precision, visitors)
        for precision in PRECISIONS
        for visitors in STATE_SIZES
    }


def state_table(states: States) -> str:
    lines = [
        "## Bytes of one state",
        "",
        f"| precision | {' | '.join(f'{number:,} visitors' for number in STATE_SIZES)} |",
        f"|---|{'---|' * len(STATE_SIZES)}",
    ]
    for precision in PRECISIONS:
        cells = " | ".join(f"{states[precision, number]:,}" for number in STATE_SIZES)
        lines.append(f"| {precision} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write the receipt, and fail when a limit is broken."""

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    directory = Path(tempfile.mkdtemp(prefix="statnive-rollups-"))
    try:
        admin = connect(ClickHouseConfig(memory_bytes_max=4 * 1024**3), directory, purpose="admin")
        migrate(admin, ROOT / "sql")
        small, large = sizes(admin, SMALL, say), sizes(admin, LARGE, say)
        found, states, exact = accuracy(admin, say), measure_states(admin), exact_up_to(admin, CHOSEN)
        parts = [
            head(admin),
            size_table(small, large),
            error_table(found, states, exact),
            state_table(states),
        ]
        text = "\n\n".join(parts)
        admin.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    RECEIPT.parent.mkdir(parents=True, exist_ok=True)
    RECEIPT.write_text(text + "\n")
    print(text)
    broken = list(over_the_limits(small, large, found[CHOSEN]))
    for line in broken:
        say(f"OVER THE LIMIT: {line}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
