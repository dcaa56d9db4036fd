"""Filters as JSON: Plausible's v2 lists into the model's, within limits.

["is", "visit:source", ["Google"]]; also is_not, contains, contains_not, matches, matches_not, wildcard, wildcard_not,
each with an optional {"case_sensitive": false} at its end; ["and", […]], ["or", […]], ["not", filter]; and
["is", "segment", [id]], a saved filter of the site. A list of filters is one whose filters all hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.query.model import (
    FILTER_DEPTH_MAX,
    FILTER_NODES_MAX,
    And,
    Filter,
    Not,
    Op,
    Or,
    Test,
    check_filter,
)

TEXT_CHARS_MAX: Final = 6_000  # an address has header_bytes_max at most
OPERATORS: Final = (*Op, "and", "or", "not")
Segments = Callable[[int], Filter | None]


def no_segments(number: int) -> Filter | None:
    """Where there are none."""
    return None


def segments_of(site: Site) -> Segments:
    """The saved filters of a site."""

    def find(number: int) -> Filter | None:
        text = next((segment.filters for segment in site.segments if segment.id == number), None)
        return None if text is None else parse_filters(text)

    return find


def parse_filters(text: str, segments: Segments = no_segments) -> Filter | None:
    """The filter that `text` holds, None for []. `segments` finds a saved one. Raises Rejected("filters", …)."""
    if len(text) > TEXT_CHARS_MAX:
        raise Rejected("filters", f"is longer than {TEXT_CHARS_MAX} characters")
    return filter_of(from_json(text, '["is","visit:source",["Google"]]'), segments)


def from_json(text: str, example: str) -> object:
    """What a text of JSON holds. Raises Rejected("filters", …), which shows the example."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise Rejected("filters", f"is no JSON such as {example}") from None


def filter_of(found: object, segments: Segments = no_segments) -> Filter | None:
    """As `parse_filters`, from decoded JSON."""
    if not isinstance(found, list):
        raise Rejected("filters", 'must be a list such as ["is","visit:source",["Google"]]')
    if not found:
        return None
    maker = _Maker(segments)
    is_one = isinstance(found[0], str)
    made = maker.make(found, 1) if is_one else And(tuple(maker.make(part, 2) for part in found))
    if isinstance(made, And) and len(made.filters) == 1:
        made = made.filters[0]
    check_filter(made)
    return made


def json_of(filter_: Filter) -> list[Any]:
    """The filter as JSON's lists; `filter_of` gives the same filter back."""
    match filter_:
        case And(filters):
            return ["and", [json_of(inner) for inner in filters]]
        case Or(filters):
            return ["or", [json_of(inner) for inner in filters]]
        case Not(inner):
            return ["not", json_of(inner)]
        case Test():
            parts: list[Any] = [filter_.op.value, filter_.dimension, list(filter_.values)]
            return parts if filter_.case_sensitive else [*parts, {"case_sensitive": False}]
    raise AssertionError(filter_)


class _Maker:
    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._nodes = 0

    def make(self, part: object, depth: int) -> Filter:
        self._nodes += 1
        if depth > FILTER_DEPTH_MAX or self._nodes > FILTER_NODES_MAX:
            raise Rejected(
                "filters", f"may be {FILTER_DEPTH_MAX} deep and have {FILTER_NODES_MAX} parts at most"
            )
        if not isinstance(part, list) or not part or not isinstance(part[0], str):
            raise Rejected("filters", f"a filter is a list that begins with {', '.join(OPERATORS)}")
        name = part[0]
        if name in ("and", "or"):
            return self._joined(name, part, depth)
        if name == "not":
            if len(part) != 2:
                raise Rejected("filters", '"not" takes one filter')
            return Not(self.make(part[1], depth + 1))
        try:
            op = Op(name)
        except ValueError:
            raise Rejected("filters", f"{name[:40]!r} is unknown; allowed: {', '.join(OPERATORS)}") from None
        return self._test(op, part)

    def _joined(self, name: str, part: list[Any], depth: int) -> Filter:
        if len(part) != 2 or not isinstance(part[1], list) or not part[1]:
            raise Rejected("filters", f'"{name}" takes a list of filters')
        inner = tuple(self.make(each, depth + 1) for each in part[1])
        return And(inner) if name == "and" else Or(inner)

    def _test(self, op: Op, part: list[Any]) -> Filter:
        if len(part) not in (3, 4) or not isinstance(part[1], str) or not isinstance(part[2], list):
            raise Rejected("filters", f'"{op}" takes a dimension and a list of values')
        if part[1] == "segment":
            return self._segment(op, part[2])
        values = part[2]
        if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in values):
            raise Rejected("filters", f"the values of {part[1][:60]} must be text")
        return Test(op, part[1], tuple(map(str, values)), _case_sensitive(part[3:]))

    def _segment(self, op: Op, values: list[Any]) -> Filter:
        if op is not Op.IS or len(values) != 1 or type(values[0]) is not int:
            raise Rejected("filters", '"segment" takes "is" and the id of one saved segment')
        found = self._segments(values[0])
        if found is None:
            raise Rejected("filters", f"{values[0]} is no saved segment of this site")
        return found


def _case_sensitive(rest: list[Any]) -> bool:
    if not rest:
        return True
    modifiers = rest[0]
    if not isinstance(modifiers, dict) or not modifiers.keys() <= {"case_sensitive"}:
        raise Rejected("filters", 'the only modifier is {"case_sensitive": true or false}')
    value = modifiers.get("case_sensitive", True)
    if not isinstance(value, bool):
        raise Rejected("filters", "case_sensitive is true or false")
    return value
