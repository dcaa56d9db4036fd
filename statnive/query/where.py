"""The choke point: every read of a product table begins `WHERE site_id = … AND <time> >= … AND <time> < …`.

Owns:       the only constructor of Statement.
Inputs:     a Scope: one site, one time column, a half-open span.
Outputs:    Statements with bound parameters; a value never becomes part of the SQL text.
Invariants: I1 no Statement without a Scope; I2 a span is half-open and not empty; I3 every placeholder has
            its value.
Failure:    AssertionError or TypeError: a report that breaks this is a programmer's error.

tests/query/test_choke_point.py walks the code and refuses SQL that goes around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import attrs


class TimeColumn(StrEnum):
    """What a span is measured in: the site's local date, its local hour's start, or the event's instant."""

    DAY = "day"
    HOUR = "hour"
    TS = "ts"


class Table(StrEnum):
    """The product tables that may be read."""

    EVENTS_RAW = "events_raw"
    HOURLY_VISITORS = "hourly_visitors"
    DAILY_PAGES = "daily_pages"
    DAILY_SOURCES = "daily_sources"
    DAILY_GEO = "daily_geo"
    DAILY_DEVICES = "daily_devices"
    DAILY_EVENTS = "daily_events"
    CLOSED_DAYS = "closed_days"


_TYPES: Final = {TimeColumn.DAY: "Date", TimeColumn.HOUR: "DateTime('UTC')", TimeColumn.TS: "DateTime('UTC')"}
_PLACEHOLDER = re.compile(r"\{(\w+):[^}]+\}")
_MAKER: Final = object()


@attrs.frozen
class Scope:
    """One site and a span [start, end): dates for DAY, aware datetimes for HOUR and TS."""

    site_id: int
    column: TimeColumn
    start: date
    end: date

    def __attrs_post_init__(self) -> None:
        for moment in (self.start, self.end):
            is_instant = isinstance(moment, datetime)
            assert is_instant == (self.column is not TimeColumn.DAY), (
                f"{moment!r} is no bound for {self.column}"
            )
            assert not isinstance(moment, datetime) or moment.tzinfo is not None, (
                "a naive datetime is no instant"
            )
        assert self.start < self.end, "an empty span"


def _made_here(instance: object, attribute: attrs.Attribute[object], value: object) -> None:
    if value is not _MAKER:
        raise TypeError("a Statement is made by where(scope).select(…)")


@attrs.frozen
class Statement:
    """SQL and its bound parameters. `where(scope).select(…)` makes it (I1)."""

    sql: str
    parameters: Mapping[str, Any]
    _made_by: object = attrs.field(repr=False, eq=False, validator=_made_here)

    def outer(self, columns: str, tail: str = "", **bound: int | str) -> Statement:
        """`columns` over this statement's rows, then `tail` (WHERE, GROUP BY …); `bound` as in `Where.select`."""
        sql = f"SELECT {columns} FROM ({self.sql}) {tail}".rstrip()  # noqa: S608
        return _statement(sql, _merged(self.parameters, bound))


@attrs.frozen
class Where:
    """The rendered scope; `where` makes it."""

    text: str
    parameters: Mapping[str, Any]

    def of_visits(self, visits: Statement) -> Where:
        """The same, only rows of the visits whose ids that statement gives."""
        return Where(
            f"{self.text} AND visit_id IN ({visits.sql})",
            MappingProxyType(_merged(self.parameters, visits.parameters)),
        )

    def select(self, columns: str, table: Table, tail: str = "", **bound: int | str) -> Statement:
        """SELECT `columns` FROM `table` for the scope, then `tail` (AND …, GROUP BY, HAVING, ORDER BY, LIMIT).

        `columns` and `tail` are constants of the program; what comes from outside is `bound`, as {name:Type}
        (I3).
        """
        sql = f"SELECT {columns} FROM {Table(table)} {self.text} {tail}".rstrip()  # noqa: S608
        return _statement(sql, _merged(self.parameters, bound))


def union(statements: Sequence[Statement]) -> Statement:
    """The rows of all of them, which have the same columns and give one name one value."""
    assert statements, "a union of nothing"
    parameters: dict[str, Any] = {}
    for statement in statements:
        parameters = _merged(parameters, statement.parameters)
    return _statement(" UNION ALL ".join(statement.sql for statement in statements), parameters)


def _statement(sql: str, parameters: Mapping[str, Any]) -> Statement:
    assert set(_PLACEHOLDER.findall(sql)) == parameters.keys(), "placeholders and parameters differ"
    return Statement(sql, MappingProxyType(dict(parameters)), _MAKER)


def _merged(some: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both; a name that both have has one value."""
    assert all(some[name] == more[name] for name in some.keys() & more.keys()), "a report can't rebind a name"
    return {**some, **more}


def where(scope: Scope) -> Where:
    """The beginning of every read: the site and the span of `scope`, bound."""
    kind, column = _TYPES[scope.column], scope.column.value
    text = (
        "WHERE site_id = {site_id:UInt32} "
        f"AND {column} >= {{from:{kind}}} AND {column} < {{to:{kind}}}"
    )  # fmt: skip
    parameters = {"site_id": scope.site_id, "from": _bound(scope.start), "to": _bound(scope.end)}
    return Where(text, MappingProxyType(parameters))


def _bound(moment: date) -> int | str:
    """As the engine reads it whatever its time zone: a date by name, an instant in seconds of the epoch."""
    if isinstance(moment, datetime):
        return int(moment.astimezone(UTC).timestamp())
    return moment.isoformat()
