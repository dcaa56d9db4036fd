"""What the hour cache saves: days of dashboards played against the product's own `Reads`, on a clock of the play.

A viewer's page asks every report of a dashboard. The work is what those reports took cold, measured, in the engine's
seconds and not in questions: a report whose days are closed reads few rows. Compared are the same `Reads` whose answers
are kept to the next fifth minute; a pipeline that computes every report of the site each five minutes, watched or not;
and the same one where each time the whole range is computed anew from the rollups, as if no day was closed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import trio

from statnive.control.snapshot import Site
from statnive.web.reads import Reads

DAY_S: Final = 86_400
PIPELINE_S: Final = 300
MIDNIGHT: Final = 1_793_491_200  # 2026-11-01 00:00 UTC
# A dashboard's first page.
PAGE: Final = (
    "overview",
    "trend",
    "pages",
    "sources",
    "channels",
    "countries",
    "devices",
    "browsers",
    "events",
)
SEED: Final = 6


@attrs.frozen
class Saved:
    """One pattern of viewing: how often reports were read, and the engine's seconds, under each policy."""

    pattern: str
    page_views: int
    hour_s: float
    five_minutes_s: float
    pipeline_s: float
    anew_s: float
    uncached_s: float

    def share(self, of_s: float) -> float:
        """The share of that work which the hour cache saves."""
        return 1 - self.hour_s / of_s


class _FiveMinutes(Reads):
    def _until(self, site: Site, now: float, through: float) -> float:
        return now - now % PIPELINE_S + PIPELINE_S


def patterns() -> dict[str, list[int]]:
    """Seconds of the day at which the page is opened, by the pattern's name."""
    pick = random.Random(SEED)
    office = [pick.randrange(8 * 3_600, 18 * 3_600) for _ in range(10 * 12)]
    return {
        "a screen on the wall, each minute of the day": list(range(0, DAY_S, 60)),
        "ten people, a dozen times each in office hours": sorted(office),
        "one person, in the morning and in the evening": [9 * 3_600, 9 * 3_600 + 240, 18 * 3_600],
    }


def play(cost_ms: Mapping[str, float], anew_ms: Mapping[str, float]) -> list[Saved]:
    """Each pattern under each policy. By report: `cost_ms` what it takes cold, `anew_ms` without closed days."""
    costs = {name: cost_ms[name] / 1_000 for name in PAGE if name in cost_ms}
    assert costs, "no report of the page was measured"
    whole_s = sum(costs.values())
    return [
        Saved(
            pattern,
            len(opened),
            _read_s(Reads, opened, costs),
            _read_s(_FiveMinutes, opened, costs),
            whole_s * DAY_S / PIPELINE_S,
            sum(anew_ms[name] for name in costs) / 1_000 * DAY_S / PIPELINE_S,
            whole_s * len(opened),
        )
        for pattern, opened in patterns().items()
    ]


def _read_s(kind: type[Reads], opened: list[int], costs: Mapping[str, float]) -> float:
    """Seconds of the engine that the day costs."""
    site = Site(1, "site1.example", "UTC", frozenset())
    now, spent = [float(MIDNIGHT)], [0.0]

    def clock() -> float:
        return now[0]

    def read(work: Callable[[Any], Any]) -> Any:
        return work(None)

    def asking(name: str) -> Callable[[Any], dict[str, str]]:
        def work(_: Any) -> dict[str, str]:
            spent[0] += costs[name]
            return {"report": name}

        return work

    async def day() -> None:
        reads = kind(read, threads=2, clock=clock, fresh_through=clock)
        for at in opened:
            now[0] = MIDNIGHT + at
            for name in costs:
                await reads.ask(site, name, asking(name))

    trio.run(day)
    return spent[0]
