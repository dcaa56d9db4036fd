"""From sums to the metrics that people see; and what orders them in the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from statnive.control.snapshot import Site
from statnive.query.columns import goal_ids
from statnive.query.model import Money, Query, Test, Value, each_test
from statnive.query.needs import Kind, Needs

Sums = Mapping[str, Any]
# Quotients: dividend, divisor, factor.
QUOTIENTS: Final[Mapping[str, tuple[str, str, float]]] = {
    "views_per_visit": ("visit_pageviews", "visits", 1),
    "bounce_rate": ("bounces", "visits", 100),
    "visit_duration": ("duration", "visits", 1),
    "scroll_depth": ("depth", "told", 1),
    "time_on_page": ("engaged", "pageviews", 0.001),
}


def metric(name: str, sums: Sums, needs: Needs, share: float | None, row_goal: int | None) -> Value:
    """One metric of a row, counts scaled up when only a `share` of the visitors was read."""
    if name in ("total_revenue", "average_revenue"):
        return revenue(name, sums, needs.query, share, row_goal)
    if name not in QUOTIENTS:
        return scaled(int(sums.get(name) or 0), share)
    dividend, divisor, factor = quotient(name, needs)
    if dividend not in needs.bases or not sums.get(divisor):
        return None
    value = factor * int(sums.get(dividend) or 0) / int(sums[divisor])
    if name in ("bounce_rate", "scroll_depth"):
        value = min(max(value, 0.0), 100.0)
    return round(value, 2)


def quotient(name: str, needs: Needs) -> tuple[str, str, float]:
    """Dividend, divisor and factor; of a page, bounces and durations are of the visits that entered by it."""
    dividend, divisor, factor = QUOTIENTS[name]
    if needs.kind is Kind.PAGE and divisor == "visits":
        divisor = "entries"
    return dividend, divisor, factor


def order_sql(name: str, needs: Needs) -> str | None:
    """What orders rows by a metric in the engine; None when all of them are alike."""
    if name == "conversion_rate":
        return "b_visitors"
    if name not in QUOTIENTS:
        return f"b_{name}"
    dividend, divisor, _ = quotient(name, needs)
    if dividend not in needs.bases:
        return None
    text = f"b_{dividend} / nullIf(b_{divisor}, 0)"
    return f"least(greatest({text}, 0), 1)" if name == "bounce_rate" else text


def scaled(count: int, share: float | None) -> int:
    return count if share is None else round(count / share)


def percent(part: int, whole: int) -> float | None:
    """Held to 100: two unique counts are two estimates."""
    return round(min(100 * part / whole, 100.0), 2) if whole else None


def revenue(
    name: str, sums: Sums, query: Query, share: float | None, row_goal: int | None
) -> tuple[Money, ...]:
    """By currency: what events brought, and the worth of the goals of events that brought nothing of their own."""
    amounts, events = _counts(sums["b_revenue"]), _counts(sums["b_paid"])
    goals = {goal.id: goal for goal in query.site.goals}
    meant = {row_goal} if row_goal is not None else goals_meant(query.site, query)
    for number, count in _counts(sums["b_unpaid"]).items():
        goal = goals.get(number)
        if goal is not None and number in meant and goal.currency:
            amounts[goal.currency] += count * goal.value
            events[goal.currency] += count
    found = []
    for currency in sorted(events):
        if not events[currency]:
            continue
        amount = amounts[currency]
        is_average = name == "average_revenue"
        amount = round(amount / events[currency]) if is_average else scaled(amount, share)
        found.append(Money(amount, currency))
    return tuple(found)


def goals_meant(site: Site, query: Query) -> set[int]:
    """The goals that the filter asks for by name."""
    found: set[int] = set()
    for test in each_test(query.filter):
        if isinstance(test, Test) and test.dimension == "event:goal":
            ids, meant = goal_ids(site, test)
            found |= set(ids) if meant else set()
    return found


def _counts(pair: tuple[list[Any], list[int]]) -> Counter[Any]:
    return Counter(dict(zip(pair[0], map(int, pair[1]), strict=True)))
