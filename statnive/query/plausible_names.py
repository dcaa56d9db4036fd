"""Plausible's words for what statnive counts: dimensions, labels, filters, and how its APIs round.

Owns:       the way from its vocabulary to statnive.query.model, and back.
Invariants: I1 what can't be answered is refused by name, never left out; I2 a label that an answer shows can be used
            in a filter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from statnive.errors import Rejected
from statnive.query.filters import Segments, filter_of, from_json, no_segments
from statnive.query.model import (
    EVENT_DIMENSIONS,
    FILTER_DEPTH_MAX,
    PROPS_PREFIX,
    TIME_DIMENSIONS,
    VISIT_DIMENSIONS,
    Filter,
    Money,
    Value,
    check_dimension,
)

DIRECT: Final = "Direct / None"
NOT_SET: Final = "(not set)"
NO_PROPERTY: Final = "(none)"
DIMENSIONS: Final = (*EVENT_DIMENSIONS[:-1], *VISIT_DIMENSIONS)
_DIRECT_TOO: Final = ("visit:source", "visit:referrer")
# What Plausible has and statnive does not keep.
_ELSEWHERE: Final[Mapping[str, str]] = {
    "visit:country_name": "names of countries are not kept; use visit:country (ISO 3166-1)",
    "visit:region_name": "names of regions are not kept; use visit:region (ISO 3166-2)",
    "visit:entry_page_hostname": "hostnames belong to events; use event:hostname",
    "visit:exit_page_hostname": "hostnames belong to events; use event:hostname",
}
_DEVICES: Final = {
    "desktop": "Desktop",
    "mobile": "Mobile",
    "tablet": "Tablet",
    "tv": "TV",
    "console": "Console",
}
_OPERATORS: Final = {"matches_wildcard": "wildcard", "matches_wildcard_not": "wildcard_not"}
_EXACT: Final = ("is", "is_not")
_NOTHING: Final[Mapping[str, float]] = {
    "bounce_rate": 0,
    "views_per_visit": 0.0,
    "percentage": 0.0,
    "conversion_rate": 0.0,
    "group_conversion_rate": 0.0,
}
_WHOLE: Final = ("bounce_rate", "visit_duration", "time_on_page", "scroll_depth")
_SYMBOLS: Final = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "BRL": "R$"}
_SHORT: Final = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K"))


def dimension(field: str, name: str) -> str:
    """The dimension of that name. Raises Rejected naming what is allowed (I1)."""
    if name in _ELSEWHERE:
        raise Rejected(field, f"{name}: {_ELSEWHERE[name]}")
    if name in DIMENSIONS:
        return name
    if name.startswith(PROPS_PREFIX):
        check_dimension(field, name)
        return name
    allowed = ", ".join((*DIMENSIONS, f"{PROPS_PREFIX}<name>"))
    raise Rejected(field, f"{name[:60]!r} is unknown; allowed: {allowed}")


def needs_page(metric: str, used: set[str]) -> None:
    """Raise Rejected for a metric of pages in a query that is not of any."""
    if metric in ("time_on_page", "scroll_depth") and "event:page" not in used:
        raise Rejected("metrics", f"{metric} needs event:page as a dimension or in the filters")


def shown(name: str, value: str, direct: str = DIRECT) -> str | int:
    """A value of a dimension as an answer shows it."""
    if name == "visit:city":
        return int(value)
    if name == "visit:device":
        return _DEVICES.get(value, value) or NOT_SET
    if name in TIME_DIMENSIONS:
        return value if len(value) == len("YYYY-MM-DD") else value[:19].replace("T", " ")
    return value or empty_label(name, direct)


def empty_label(name: str, direct: str = DIRECT) -> str:
    """What stands for no value at all."""
    if name in _DIRECT_TOO:
        return direct
    return NO_PROPERTY if name.startswith(PROPS_PREFIX) else NOT_SET


def meant(name: str, value: str) -> str:
    """What is stored for a value of a filter: labels for nothing are "" (I2)."""
    if name == "event:goal":
        return value
    if value.strip("()").casefold() == empty_label(name).strip("()").casefold():
        return ""
    return value.lower() if name == "visit:device" else value


def any_text(pattern: str) -> str:
    """A wildcard pattern of Plausible's: each * is any text, "/" too."""
    return re.sub(r"\*+", "**", pattern)


def parse_filters(text: str, segments: Segments = no_segments) -> Filter | None:
    """As `filters`, from JSON."""
    return filters(from_json(text, '[["is","visit:source",["Google"]]]'), segments)


def filters(decoded: object, segments: Segments = no_segments) -> Filter | None:
    """The filter of Stats API v2's lists. Raises Rejected("filters", …)."""
    if not isinstance(decoded, list):
        raise Rejected("filters", 'must be a list such as [["is","visit:source",["Google"]]]')
    is_one = bool(decoded) and isinstance(decoded[0], str)
    found = _ours(decoded, 1) if is_one else [_ours(part, 1) for part in decoded]
    return filter_of(found, segments)


def _ours(part: Any, depth: int) -> Any:
    """The same with our words; what is malformed stays for `filter_of` to refuse."""
    if depth > FILTER_DEPTH_MAX or not isinstance(part, list) or not part or not isinstance(part[0], str):
        return part
    name, *rest = part
    if name in ("has_done", "has_not_done"):
        raise Rejected("filters", f"{name} can't be answered; filter by what one event is, or use funnels")
    if name in ("and", "or") and len(rest) == 1 and isinstance(rest[0], list):
        return [name, [_ours(inner, depth + 1) for inner in rest[0]]]
    if name == "not" and len(rest) == 1:
        return [name, _ours(rest[0], depth + 1)]
    if len(rest) < 2 or not isinstance(rest[0], str) or not isinstance(rest[1], list) or rest[0] == "segment":
        return part
    if rest[0] in TIME_DIMENSIONS:
        raise Rejected("filters", f"{rest[0]} can't be filtered: use date_range")
    of = dimension("filters", rest[0])
    return [_OPERATORS.get(name, name), of, [_value(name, of, value) for value in rest[1]], *rest[2:]]


def _value(operator: str, name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if operator in _OPERATORS:
        return any_text(value.lower() if name == "visit:device" else value)
    if operator in _EXACT or name == "visit:device":
        return meant(name, value)
    return value


def number(metric: str, value: Value) -> Any:
    """A metric as Plausible's APIs round it; where there is nothing to divide by, 0 for rates and null for times."""
    if isinstance(value, tuple):
        return revenue(value[0]) if len(value) == 1 else None
    if value is None:
        return _NOTHING.get(metric)
    return int(value + 0.5) if metric in _WHOLE else value


def revenue(money: Money) -> dict[str, Any]:
    """{"value", "currency", "short", "long"}."""
    value = money.amount / 1000
    sign = _SYMBOLS.get(money.currency, f"{money.currency} ")
    size, letter = next(((size, letter) for size, letter in _SHORT if abs(value) >= size), (1, ""))
    return {
        "value": value,
        "currency": money.currency,
        "short": f"{sign}{value / size:,.1f}{letter}",
        "long": f"{sign}{value:,.2f}",
    }


def sampled_warning(share: float) -> str:
    """What an answer says that was not counted from everybody."""
    return (
        f"Estimated from {100 * share:.3g} % of the visitors: the range and its filters hold too many events."
    )
