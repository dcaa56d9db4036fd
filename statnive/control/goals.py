"""Goals as an operator gives them, and as the control database keeps them. Money is a decimal outside, thousandths
inside: never a float.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import attrs

from statnive.control.snapshot import Goal, GoalKind
from statnive.errors import Rejected
from statnive.event import ENGAGEMENT, NAME_CHARS_MAX, PAGEVIEW

GOALS_MAX: Final = 200  # of one site
PATTERN_CHARS_MAX: Final = 500
GOAL_ID_MAX: Final = 2**32 - 1
VALUE_MAX: Final = Decimal(10) ** 12
THOUSANDTH: Final = Decimal("0.001")

_CURRENCY = re.compile(r"[A-Z]{3}")

# A goal that was removed stays, with its time: what was counted under its id keeps a name and a value.
TABLE: Final = (
    f"""CREATE TABLE goals (
        id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id BETWEEN 1 AND {GOAL_ID_MAX}),
        site_id INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        scroll_depth INTEGER NOT NULL,
        value INTEGER NOT NULL,
        currency TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        removed_at INTEGER
    ) STRICT""",
    "CREATE UNIQUE INDEX goals_in_use ON goals (site_id, kind, target, scroll_depth) WHERE removed_at IS NULL",
)
_COLUMNS: Final = "id, kind, target, scroll_depth, value, currency"


@attrs.frozen
class NewGoal:
    """What an operator asks for; `checked` makes it a Goal."""

    kind: str
    target: str
    scroll_depth: int = 0
    value: str = ""  # a decimal, "9.90"; "" = none
    currency: str = ""

    def checked(self, goal_id: int) -> Goal:
        """The goal. Raises Rejected naming the field and what is allowed."""
        if self.kind not in list(GoalKind):
            raise Rejected("kind", f"must be {', '.join(GoalKind)}")
        kind = GoalKind(self.kind)
        is_event = kind is GoalKind.EVENT
        target = _event_name(self.target) if is_event else path_pattern("target", self.target)
        if kind is GoalKind.SCROLL and not 1 <= self.scroll_depth <= 100:
            raise Rejected("scroll_depth", "must be 1 to 100 per cent")
        if kind is not GoalKind.SCROLL and self.scroll_depth:
            raise Rejected("scroll_depth", "belongs to a goal of kind scroll")
        value, currency = _worth(self.value, self.currency)
        return Goal(goal_id, kind, target, self.scroll_depth, value, currency)


def money_text(thousandths: int) -> str:
    """An amount as people and APIs see it: "9.90", "0.005", "-3.00"."""
    amount = Decimal(thousandths).scaleb(-3)
    return f"{amount:.3f}" if thousandths % 10 else f"{amount:.2f}"


def in_use(connection: sqlite3.Connection, site_id: int | None = None) -> dict[int, tuple[Goal, ...]]:
    """The goals of every site (of one) that were not removed, by site."""
    found: dict[int, list[Goal]] = {}
    rows = connection.execute(
        f"SELECT site_id, {_COLUMNS} FROM goals WHERE removed_at IS NULL AND site_id = ifnull(?, site_id) "  # noqa: S608
        "ORDER BY id",
        (site_id,),
    )
    for site, *columns in rows:
        found.setdefault(site, []).append(_goal(columns))
    return {site: tuple(goals) for site, goals in found.items()}


def of_site(connection: sqlite3.Connection, site_id: int) -> list[tuple[Goal, bool]]:
    """Every goal that the site has or had, and whether it was removed; those that were come last."""
    rows = connection.execute(
        f"SELECT removed_at IS NOT NULL, {_COLUMNS} FROM goals WHERE site_id = ? "  # noqa: S608
        "ORDER BY removed_at IS NOT NULL, id",
        (site_id,),
    )
    return [(_goal(columns), bool(removed)) for removed, *columns in rows]


def add(connection: sqlite3.Connection, site_id: int, new: NewGoal, now: int) -> Goal:
    """Write a goal down. Raises Rejected for one that is wrong, there already, or one too many."""
    goal = new.checked(0)
    others = in_use(connection, site_id).get(site_id, ())
    if _what(goal) in map(_what, others):
        raise Rejected(
            "target", f"the site has the goal {goal.name!r} already; remove it to give it another value"
        )
    if len(others) >= GOALS_MAX:
        raise Rejected("target", f"the site has the limit of {GOALS_MAX} goals already")
    created = connection.execute(
        "INSERT INTO goals (site_id, kind, target, scroll_depth, value, currency, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (site_id, goal.kind.value, goal.target, goal.scroll_depth, goal.value, goal.currency, now),
    )
    assert created.lastrowid is not None
    return attrs.evolve(goal, id=created.lastrowid)


def remove(connection: sqlite3.Connection, site_id: int, goal_id: int, now: int) -> Goal:
    """Take a goal out of use. Raises Rejected when the site has none of that id."""
    goal = next((goal for goal in in_use(connection, site_id).get(site_id, ()) if goal.id == goal_id), None)
    if goal is None:
        raise Rejected("id", f"the site has no goal {goal_id}; `statnive goal list` shows them")
    connection.execute("UPDATE goals SET removed_at = ? WHERE id = ?", (now, goal_id))
    return goal


def _what(goal: Goal) -> tuple[str, str, int]:
    return goal.kind, goal.target, goal.scroll_depth


def _goal(columns: Iterable[Any]) -> Goal:
    number, kind, target, scroll_depth, value, currency = columns
    return Goal(number, GoalKind(kind), target, scroll_depth, value, currency)


def _event_name(text: str) -> str:
    name = text.strip()
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise Rejected("target", f"an event's name has 1 to {NAME_CHARS_MAX} printable characters")
    if name in (PAGEVIEW, ENGAGEMENT):
        raise Rejected("target", f"{name} is no custom event; a goal of kind page or scroll counts these")
    return name


def path_pattern(field: str, text: str) -> str:
    """A page's path with wildcards, checked. Raises Rejected naming `field`."""
    pattern = text.strip()
    if not pattern.startswith(("/", "*")) or not pattern.isprintable():
        raise Rejected(field, "a path begins with / or *, such as /thanks, /blog/* or /docs/**")
    if len(pattern) > PATTERN_CHARS_MAX:
        raise Rejected(field, f"has {len(pattern)} characters; at most {PATTERN_CHARS_MAX} are allowed")
    return pattern


def _worth(value: str, currency: str) -> tuple[int, str]:
    if not value and not currency:
        return 0, ""
    if not _CURRENCY.fullmatch(currency.strip().upper()):
        raise Rejected("currency", "must be the three letters of ISO 4217, such as EUR")
    try:
        amount = Decimal(value.strip())
    except InvalidOperation:
        raise Rejected("value", "must be a decimal number, such as 9.90") from None
    if not amount.is_finite() or not 0 < amount < VALUE_MAX or amount != amount.quantize(THOUSANDTH):
        raise Rejected(
            "value", "must be more than 0, less than a million million, with at most three decimals"
        )
    return int(amount * 1000), currency.strip().upper()
