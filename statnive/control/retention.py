"""How long a site's events, and what was counted of them, are kept.

Owns: the columns `keep_events` and `keep_counts` of `sites`. Inputs: texts such as "90d" and "13m". Outputs: Retention.
Invariants: I1 what is counted is kept at least as long as its events: the counts are checked against the events;
I2 today and the days in which a visit may still go on are always kept.
Failure: Rejected naming the field. Shutdown: nothing to do.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from statnive.control.snapshot import Retention, Site
from statnive.errors import Rejected

COLUMNS: Final = (
    "ALTER TABLE sites ADD COLUMN keep_events TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE sites ADD COLUMN keep_counts TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE sites ADD COLUMN keep_changed_at INTEGER NOT NULL DEFAULT 0",
)
DAYS_MIN: Final = 7
DAYS_MAX: Final = 3_660
MONTHS_MAX: Final = 120
_MONTH_DAYS: Final = (28, 31)
_ALLOWED: Final = (
    f"must be {DAYS_MIN}d to {DAYS_MAX}d (days), 1m to {MONTHS_MAX}m (whole months before this one), or nothing: "
    "for ever"
)
_EPOCH: Final = date(1970, 1, 1)


def checked(events: str, counts: str) -> Retention:
    """The retention, each term in its one spelling. Raises Rejected."""
    events, counts = _term("keep_events", events), _term("keep_counts", counts)
    if counts and (not events or not _is_within(events, counts)):
        raise Rejected(
            "keep_counts",
            f"is {counts}, and the events are kept {events or 'for ever'}: counts are kept as long as their events, or "
            "longer",
        )  # keeps I1
    return Retention(events, counts)


def replace(connection: sqlite3.Connection, site: Site, wanted: Retention, now_s: int) -> Site:
    """Make this the site's retention, from its next local day on."""
    wanted = attrs.evolve(wanted, changed_at=now_s)
    connection.execute(
        "UPDATE sites SET keep_events = ?, keep_counts = ?, keep_changed_at = ? WHERE id = ?",
        (wanted.events, wanted.counts, now_s, site.id),
    )
    return attrs.evolve(site, retention=wanted if wanted.events else None)


def by_site(connection: sqlite3.Connection) -> dict[int, Retention]:
    """The retention of the sites that have one."""
    rows = connection.execute(
        "SELECT id, keep_events, keep_counts, keep_changed_at FROM sites WHERE keep_events != ''"
    )
    return {site_id: Retention(*terms) for site_id, *terms in rows}


def floors(
    sites: Iterable[Site], now: float, open_s: float, *, at_once: bool = False
) -> dict[int, tuple[int, int]]:
    """By site, the first day whose events and the first day whose counts are kept, in days since the epoch; 0 = all.

    `open_s`: for so long before `now` days are never given up, whatever a site says (keeps I2). A retention that was
    changed today counts from the site's next day on, so that a mistake can be taken back; `at_once`: it counts.
    """
    found = {}
    for site in sites:
        kept = site.retention
        if kept is None:
            continue
        zone = ZoneInfo(site.timezone)
        today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
        changed = datetime.fromtimestamp(kept.changed_at, UTC).astimezone(zone).date()
        if changed >= today and not at_once:
            continue
        newest = datetime.fromtimestamp(now - open_s, UTC).astimezone(zone).date() - timedelta(days=1)
        found[site.id] = (_floor(kept.events, today, newest), _floor(kept.counts, today, newest))
    return found


def _floor(term: str, today: date, newest: date) -> int:
    if not term:
        return 0
    number = int(term[:-1])
    if term[-1] == "d":
        first = today - timedelta(days=number)
    else:
        months = today.year * 12 + today.month - 1 - number
        first = date(months // 12, months % 12 + 1, 1)
    return max((min(first, newest) - _EPOCH).days, 0)


def _term(field: str, text: str) -> str:
    text = text.strip().lower()
    if not text:
        return ""
    found = re.fullmatch(r"0*([1-9]\d{0,3})([dm])", text)
    if found is None:
        raise Rejected(field, _ALLOWED)
    number, unit = int(found[1]), found[2]
    if not (DAYS_MIN <= number <= DAYS_MAX if unit == "d" else number <= MONTHS_MAX):
        raise Rejected(field, _ALLOWED)
    return f"{number}{unit}"


def _is_within(events: str, counts: str) -> bool:
    """Whether what is counted never goes before the event."""
    return (
        _days(events, 1) <= _days(counts, 0)
        if events[-1] != counts[-1]
        else int(events[:-1]) <= int(counts[:-1])
    )


def _days(term: str, longest: int) -> int:
    """The most (1) or the least (0) days before today that are kept."""
    number = int(term[:-1])
    if term[-1] == "d":
        return number
    return number * _MONTH_DAYS[longest] + (30 if longest else 0)
