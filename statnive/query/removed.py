"""Which days of a range are gone: an answer says so, and does not show them as days on which nobody came.

Owns: nothing. Inputs: a site with what was erased of it, a range, where the answer is from. Outputs: stretches of days.
Invariants: I1 a day of the range is named when anything of it that the answer is made of may have been erased: an
answer from the rollups misses what retention or a request took from them, a drill-down also what only events_raw lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final, Literal

import attrs

from statnive.control.snapshot import Site
from statnive.query.ranges import Days

_EPOCH: Final = date(1970, 1, 1)
_WHY: Final = {
    "retention": "are removed, as the site keeps its {what} for a limited time",
    "request": "were erased on request; what came since is counted",
}


@attrs.frozen
class Gone:
    """Days of the range, both included, of which events, or all that was counted, are erased."""

    first: date
    last: date
    why: Literal["retention", "request"]
    what: Literal["events", "counts"]


def gone_of(site: Site, days: Days, source: Literal["rollup", "raw"]) -> tuple[Gone, ...]:
    """The stretches of `days` that an answer from `source` lacks (keeps I1); () = none."""
    removed = site.removed
    if removed is None:
        return ()
    found = []
    floor = removed.events_from if source == "raw" else removed.counted_from
    what: Literal["events", "counts"] = "events" if floor > removed.counted_from else "counts"
    if floor:
        found.append(Gone(days.first, min(days.last, _date(floor) - timedelta(days=1)), "retention", what))
    for first, last in removed.spans:
        found.append(Gone(max(days.first, _date(first)), min(days.last, _date(last)), "request", "counts"))
    return tuple(one for one in found if one.first <= one.last)


def warnings_of(gone: Iterable[Gone]) -> tuple[str, ...]:
    """Each in a sentence."""
    return tuple(
        f"The days from {one.first} to {one.last} {_WHY[one.why].format(what=one.what)}." for one in gone
    )


def json_of(gone: Iterable[Gone]) -> list[dict[str, Any]]:
    """As an answer holds it under `removed`."""
    return [
        {"from": one.first.isoformat(), "to": one.last.isoformat(), "why": one.why, "what": one.what}
        for one in gone
    ]


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)
