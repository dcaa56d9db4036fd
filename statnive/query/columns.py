"""Dimensions as columns, filters as conditions, metrics as quotients of sums.

Owns:       the only way from a name of the vocabulary to an expression of SQL: by table, never by pasting.
Inputs:     a filter, a dimension. Outputs: text of SQL whose values are placeholders, and the values.
Invariants: I1 a value is bound, never part of the text; I2 a dimension without a column here can't be asked for.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from typing import Final

from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.query.model import PROPS_PREFIX, And, Filter, Not, Op, Or, Test
from statnive.query.where import Table

SOURCE_COLUMNS: Final[Mapping[str, str]] = {
    "visit:source": "referrer_name",
    "visit:channel": "channel",
    "visit:utm_source": "utm_source",
    "visit:utm_medium": "utm_medium",
    "visit:utm_campaign": "utm_campaign",
    "visit:utm_content": "utm_content",
    "visit:utm_term": "utm_term",
}
GEO_COLUMNS: Final[Mapping[str, str]] = {
    "visit:country": "country",
    "visit:region": "region",
    "visit:city": "toString(city_id)",
    "visit:city_name": "city",
}
DEVICE_COLUMNS: Final[Mapping[str, str]] = {
    "visit:device": "device",
    "visit:browser": "browser",
    "visit:browser_version": "browser_version",
    "visit:os": "os",
    "visit:os_version": "os_version",
}
# Dimensions that are a column of the rollup. pathname is three dimensions, see rollup.py.
ROLLUP_COLUMNS: Final[Mapping[Table, Mapping[str, str]]] = {
    Table.DAILY_SOURCES: SOURCE_COLUMNS,
    Table.DAILY_GEO: GEO_COLUMNS,
    Table.DAILY_DEVICES: DEVICE_COLUMNS,
    Table.DAILY_EVENTS: {"event:name": "name", "event:goal": "goal"},
    Table.DAILY_PAGES: {
        "event:page": "pathname",
        "visit:entry_page": "pathname",
        "visit:exit_page": "pathname",
    },
    Table.HOURLY_VISITORS: {},
}
# Those of events_raw that are the same whatever the query; the rest is in raw.py.
RAW_COLUMNS: Final[Mapping[str, str]] = {
    **SOURCE_COLUMNS,
    **GEO_COLUMNS,
    **DEVICE_COLUMNS,
    "visit:referrer": "referrer",
    "event:hostname": "hostname",
    "event:name": "name",
}
STEPS: Final[Mapping[str, str]] = {
    "hour": "toUnixTimestamp(hour)",
    "day": "toString(day)",
    "week": "toString(toStartOfWeek(day, 1))",
    "month": "toString(toStartOfMonth(day))",
}
_NEGATED: Final = {
    Op.IS_NOT: Op.IS,
    Op.CONTAINS_NOT: Op.CONTAINS,
    Op.MATCHES_NOT: Op.MATCHES,
    Op.WILDCARD_NOT: Op.WILDCARD,
}
_PLACEHOLDER: Final = re.compile(r"\{(p\d+):")


class Binder:
    """Gives each value a placeholder."""

    def __init__(self) -> None:
        self._values: dict[str, int | str] = {}

    def text(self, value: str) -> str:
        """The placeholder of a String."""
        return self._bind(value, "String")

    def number(self, value: int) -> str:
        """The placeholder of a UInt64."""
        return self._bind(value, "UInt64")

    def _bind(self, value: int | str, kind: str) -> str:
        name = f"p{len(self._values)}"
        self._values[name] = value
        return f"{{{name}:{kind}}}"

    def used(self, *texts: str) -> dict[str, int | str]:
        """The values whose placeholders are in the texts."""
        names = {name for text in texts for name in _PLACEHOLDER.findall(text)}
        return {name: value for name, value in self._values.items() if name in names}


def condition(filter_: Filter, test_sql: Callable[[Test], str]) -> str:
    """The filter as a condition, its tests by `test_sql`."""
    match filter_:
        case Test():
            return test_sql(filter_)
        case Not(inner):
            return f"(NOT {condition(inner, test_sql)})"
        case And(filters):
            return "(" + " AND ".join(condition(inner, test_sql) for inner in filters) + ")"
        case Or(filters):
            return "(" + " OR ".join(condition(inner, test_sql) for inner in filters) + ")"


def text_test(test: Test, column: str, binder: Binder) -> str:
    """A Test of a column of text."""
    op = _NEGATED.get(test.op, test.op)
    if op in (Op.MATCHES, Op.WILDCARD):
        mode = "(?s)" if test.case_sensitive else "(?is)"
        patterns = [value if op is Op.MATCHES else wildcard(value) for value in test.values]
        parts = [f"match({column}, {binder.text(mode + pattern)})" for pattern in patterns]
    else:
        values = [binder.text(value) for value in test.values]
        if not test.case_sensitive:
            column, values = f"lowerUTF8({column})", [f"lowerUTF8({value})" for value in values]
        shape = "{0} = {1}" if op is Op.IS else "position({0}, {1}) > 0"
        parts = [shape.format(column, value) for value in values]
    text = "(" + " OR ".join(parts) + ")"
    return f"(NOT {text})" if test.op in _NEGATED else text


def wildcard(pattern: str) -> str:
    """An RE2 expression for the whole value: `*` is any text without "/", `**` any text at all."""
    parts = re.split(r"(\*+)", pattern)
    quoted = ("[^/]*" if part == "*" else ".*" if part.startswith("*") else _quoted(part) for part in parts)
    return f"^(?:{''.join(quoted)})$"


def _quoted(text: str) -> str:
    """As RE2 takes it: only ASCII punctuation is escaped."""
    return "".join("\\" + letter if letter in string.punctuation else letter for letter in text)


def prop_column(dimension: str, binder: Binder) -> str:
    """The value of the property that event:props:<name> names, "" when the event has none."""
    return f"props[{binder.text(dimension.removeprefix(PROPS_PREFIX))}]"


def goal_ids(site: Site, test: Test) -> tuple[list[int], bool]:
    """The ids of the goals that the test names, and whether those are meant (False: all but those). Raises Rejected."""
    op = _NEGATED.get(test.op, test.op)
    names = {goal.name for goal in site.goals}
    unknown = sorted(set(test.values) - names) if op is Op.IS and test.case_sensitive else []
    if unknown:
        known = ", ".join(sorted(names)) or "(none)"
        raise Rejected("filters", f"{unknown[0][:60]!r} is no goal of this site; its goals: {known[:1_000]}")

    def fits(name: str) -> bool:
        folded = (lambda text: text) if test.case_sensitive else str.lower
        return any(
            folded(value) == folded(name) if op is Op.IS else folded(value) in folded(name)
            for value in test.values
        )

    return [goal.id for goal in site.goals if fits(goal.name)], test.op not in _NEGATED


def ids_sql(ids: list[int], binder: Binder) -> str:
    """The numbers, bound, with commas between them; never empty (no goal has the id 2^32; 0 is "no goal")."""
    return ", ".join(binder.number(number) for number in ids or [2**32])
