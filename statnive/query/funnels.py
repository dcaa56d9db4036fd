"""Funnels and journeys: drill-downs into the order of things.

Owns:       their statements. Inputs: a reading handle, a site, a range, steps. Outputs: counts for each step; pages and
            where their visits went next.
Invariants: as raw.py: the scope first, bots left out, values bound, a budget of rows and a sample above it.
Failure:    Rejected (names the field); what the reader raises.

A step is reached by an event of its name, or by a view of a page that its pattern is the whole of. A visitor is in
step n when the steps 1 to n happened in this order within `window_s` seconds of the first one. The key that tells
visitors apart changes each local day, so a funnel is one within a day.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import msgspec

from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.query.columns import Binder, wildcard
from statnive.query.engine import LIMITS, Limits, asker, sample_share
from statnive.query.figures import percent, scaled
from statnive.query.model import Filter, Query, Range, Reader
from statnive.query.needs import needs_of
from statnive.query.raw import filter_sql, span_of
from statnive.query.where import Statement, Table, where

STEPS_MIN: Final = 2
STEPS_MAX: Final = 8
WINDOW_S_MAX: Final = 86_400
WINDOW_S_DEFAULT: Final = 86_400
STEP_CHARS_MAX: Final = 2_000
_SOMEBODY: Final = "visitor != toFixedString('', 16)"


@attrs.frozen
class Step:
    """An event's name, or the pattern of a page (`*` is any text within a segment, `**` any text at all)."""

    kind: str
    target: str

    @property
    def name(self) -> str:
        return f"Visit {self.target}" if self.kind == "page" else self.target


class _StepJson(msgspec.Struct, forbid_unknown_fields=True):
    page: str | None = None
    event: str | None = None


def parse_steps(text: str) -> tuple[Step, ...]:
    """`[{"page":"/pricing"},{"event":"Signup"}]`. Raises Rejected("steps", …)."""
    try:
        found = msgspec.json.decode(text[: STEP_CHARS_MAX * STEPS_MAX], type=list[_StepJson])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise Rejected("steps", 'must be JSON such as [{"page":"/pricing"},{"event":"Signup"}]') from None
    if not STEPS_MIN <= len(found) <= STEPS_MAX:
        raise Rejected("steps", f"must be {STEPS_MIN} to {STEPS_MAX}")
    steps = []
    for each in found:
        if (each.page is None) == (each.event is None):
            raise Rejected("steps", "each is either a page or an event")
        target = each.page if each.page is not None else each.event
        if not target or len(target) > STEP_CHARS_MAX:
            raise Rejected("steps", f"a step has 1 to {STEP_CHARS_MAX} characters")
        steps.append(Step("page" if each.page is not None else "event", target))
    return tuple(steps)


def funnel(
    reader: Reader,
    site: Site,
    span: Range,
    steps: tuple[Step, ...],
    filter_: Filter | None = None,
    window_s: int = WINDOW_S_DEFAULT,
    limits: Limits = LIMITS,
) -> dict[str, Any]:
    """{"steps": […], "sampled": share or None}: for each step its visitors, how many of the step before came that far
    (`conversion_rate_step`) and of the first (`conversion_rate`), and how many were lost (`drop_off`).
    """
    query = Query(site, span, ("visitors",), (), filter_)
    share = sample_share(reader, query, limits.ordered_rows_max)
    counts = [0] * (len(steps) + 1)
    for row in asker(reader)(_funnel_statement(query, steps, window_s, share)):
        counts[int(row["level"])] += int(row["visitors"])
    reached = [scaled(sum(counts[level:]), share) for level in range(1, len(steps) + 1)]
    entered, before = reached[0], reached[0]
    answer = []
    for step, visitors in zip(steps, reached, strict=True):
        answer.append(
            {
                "step": step.name,
                "visitors": visitors,
                "conversion_rate": percent(visitors, entered),
                "conversion_rate_step": percent(visitors, before),
                "drop_off": before - visitors,
            }
        )
        before = visitors
    return {"steps": answer, "sampled": share}


def _funnel_statement(query: Query, steps: tuple[Step, ...], window_s: int, share: float | None) -> Statement:
    binder, span = Binder(), span_of(needs_of(query), share)
    conditions = [_step_sql(step, binder) for step in steps]
    any_step = f"AND ({' OR '.join(conditions)}) AND {_SOMEBODY}"
    kept = f" AND {filter_sql(query, binder)}" if query.filter is not None else ""
    columns = (
        f"windowFunnel({binder.number(window_s)})(toDateTime(ts, 'UTC'), {', '.join(conditions)}) AS level"
    )
    tail = f"{span.text} {any_step}{kept} GROUP BY visitor"
    inner = where(query.range.days.scope(query.site.id)).select(
        columns, Table.EVENTS_RAW, tail, **span.bound, **binder.used(columns, tail)
    )
    return inner.outer("level, count() AS visitors", "GROUP BY level")


def _step_sql(step: Step, binder: Binder) -> str:
    if step.kind == "event":
        return f"(name = {binder.text(step.target)})"
    if "*" not in step.target:
        return f"(pageviews = 1 AND pathname = {binder.text(step.target)})"
    return f"(pageviews = 1 AND match(pathname, {binder.text('(?s)' + wildcard(step.target))}))"


def journeys(
    reader: Reader,
    site: Site,
    span: Range,
    page: str = "",
    filter_: Filter | None = None,
    limit: int = 10,
    limits: Limits = LIMITS,
) -> dict[str, Any]:
    """{"rows": [{"page", "next", "visits", "views"}], "sampled"}: from each page (or only `page`) to the one viewed
    next in the same visit; "" = the visit viewed no other. The most frequent first.
    """
    query = Query(site, span, ("visitors",), (), filter_)
    share = sample_share(reader, query, limits.ordered_rows_max)
    binder, span_sql = Binder(), span_of(needs_of(query), share)
    kept = f" AND {filter_sql(query, binder)}" if filter_ is not None else ""
    window = "OVER (PARTITION BY visit_id ORDER BY ts, lsn ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING)"
    columns = (
        f"visit_id, pathname AS page, if(count() {window} = 2, last_value(pathname) {window}, '') AS next"
    )
    tail = f"{span_sql.text} AND pageviews = 1{kept}"
    rows = where(query.range.days.scope(query.site.id)).select(
        columns, Table.EVENTS_RAW, tail, **span_sql.bound, **binder.used(tail)
    )
    only = f"WHERE page = {binder.text(page)} " if page else ""
    tail = f"{only}GROUP BY page, next ORDER BY views DESC, page, next LIMIT {{limit:UInt32}}"
    counted = "page, next, uniqExact(visit_id) AS visits, count() AS views"
    found = asker(reader)(rows.outer(counted, tail, limit=limit, **binder.used(tail)))
    return {
        "rows": [
            {
                "page": row["page"],
                "next": row["next"],
                "visits": scaled(int(row["visits"]), share),
                "views": scaled(int(row["views"]), share),
            }
            for row in found
        ],
        "sampled": share,
    }
