"""The parameters of the native reports: what may be given, and what it means.

Each parameter is declared once (`Parameter`): the routes refuse what is not declared, and the OpenAPI document lists
what is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import attrs

from statnive.errors import Rejected
from statnive.query.catalog import Report
from statnive.query.filters import TEXT_CHARS_MAX, Segments, parse_filters
from statnive.query.model import Filter, Range
from statnive.query.ranges import (
    FIRST_DAY,
    LIMIT_MAX,
    OFFSET_MAX,
    PERIODS,
    Days,
    Interval,
    Slice,
    hour_start,
    parse_days,
    parse_interval,
    parse_slice,
)

SEARCH_CHARS_MAX: Final = 200
COMPARISONS: Final = ("previous_period", "year_before", "custom")
Moment = TypeVar("Moment", bound=date)


@attrs.frozen
class Parameter:
    """One parameter of the query string, with its JSON schema."""

    name: str
    text: str
    schema: Mapping[str, Any] = attrs.field(factory=lambda: {"type": "string"})


def _choice(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def number(least: int, most: int) -> dict[str, Any]:
    """The schema of a whole number."""
    return {"type": "integer", "minimum": least, "maximum": most}


DATE: Final = {"type": "string", "format": "date"}
SITE: Final = Parameter("site", "The domain of the site.")
RANGE: Final = (
    Parameter("period", "Days up to and including `date`; 30d unless from and to are given.", _choice(*PERIODS)),
    Parameter("date", "The day that `period` ends with or is in; today unless given.", DATE),
    Parameter("from", "The first day (YYYY-MM-DD) or local hour (YYYY-MM-DDTHH:00), together with `to`."),
    Parameter("to", "The last day or local hour, which is included."),
)  # fmt: skip
FILTERS: Final = Parameter(
    "filters",
    'A filter as JSON, such as [["is","visit:source",["Google"]],["not",["contains","event:page",["/blog"]]]].',
    {"type": "string", "maxLength": TEXT_CHARS_MAX},
)
COMPARE: Final = (
    Parameter(
        "compare",
        "A second range to compare with. While the range runs, totals are compared with as much of it, up to the hour.",
        _choice(*COMPARISONS),
    ),
    Parameter("compare_from", "The first day of a custom comparison.", DATE),
    Parameter("compare_to", "Its last day.", DATE),
)
METRICS: Final = Parameter("metrics", "The columns, with commas between them.")
FORMAT: Final = Parameter("format", "The answer's format; json unless given.", _choice("json", "csv"))
INTERVAL: Final = Parameter("interval", "The step of the points.", _choice(*Interval))
SLICE: Final = (
    Parameter("limit", "How many rows.", number(1, LIMIT_MAX)),
    Parameter("offset", "How many rows to leave out first.", number(0, OFFSET_MAX)),
)
LIST: Final = (Parameter("sort", "A column of the answer; with - in front, the largest first."), *SLICE)
SEARCH: Final = Parameter(
    "search", "Only rows with this text in their first column.", {"type": "string", "maxLength": SEARCH_CHARS_MAX}
)  # fmt: skip
EVENT: Final = Parameter("event", "Only properties of this event.")
PROPERTY: Final = Parameter("property", "The values of this property, not the names of all.")
COMMON: Final = (SITE, *RANGE, FILTERS, *COMPARE, METRICS, FORMAT)
TOTALS: Final = COMMON
TREND: Final = (*COMMON, INTERVAL)


def of_report(name: str, report: Report) -> tuple[Parameter, ...]:
    """The parameters of a list."""
    more: list[Parameter] = [SEARCH] if report.searched else []
    if report.choice:
        more.append(Parameter(report.choice, "What to divide by.", _choice(*report.choices)))
    if name == "properties":
        more += [EVENT, PROPERTY]
    return (*COMMON, *LIST, *more)


@attrs.frozen
class Options:
    """A request for a report, read."""

    range: Range
    filter: Filter | None = None
    metrics: tuple[str, ...] | None = None
    compare: Range | None = None
    # While the range runs: the part of `compare` that is as far along; see `as_far`.
    compare_as_far: Range | None = None
    interval: Interval = Interval.DAY
    sort: str = ""
    slice: Slice = attrs.field(factory=Slice)
    search: str = ""
    choice: str = ""
    event: str = ""
    property: str = ""


def parse_options(
    given: Mapping[str, str], zone: ZoneInfo, now: datetime, segments: Segments, *, is_list: bool = False
) -> Options:
    """Read a request's parameters. Raises Rejected with the field and what is allowed."""
    span = parse_range(given, zone, now)
    compared = parse_comparison(given, span)
    chosen = given.get("compare") == "custom"
    metrics = tuple(given["metrics"].split(",")) if "metrics" in given else None
    search = given.get("search", "")
    if len(search) > SEARCH_CHARS_MAX or not _is_text(search):
        raise Rejected("search", f"must be at most {SEARCH_CHARS_MAX} characters of text")
    for name in ("event", "property"):
        if name in given and not (0 < len(given[name]) <= 300 and _is_text(given[name])):
            raise Rejected(name, "must be 1 to 300 characters of text")
    return Options(
        range=span,
        filter=parse_filters(given["filters"], segments) if "filters" in given else None,
        metrics=metrics,
        compare=compared,
        compare_as_far=None if compared is None or chosen else as_far(span, compared, now),
        interval=parse_interval(given, span.days),
        sort=given.get("sort", ""),
        slice=parse_slice(given) if is_list else Slice(),
        search=search,
        choice=given.get("tag", ""),
        event=given.get("event", ""),
        property=given.get("property", ""),
    )


def parse_range(given: Mapping[str, str], zone: ZoneInfo, now: datetime) -> Range:
    """Local days, or local hours when from and to have a time. Raises Rejected."""
    first, last = given.get("from", ""), given.get("to", "")
    if "T" not in first and "T" not in last:
        return Range(parse_days(given, zone, now))
    parse_days({**given, "from": first[:10], "to": last[:10]}, zone, now)
    start = hour_start(_hour("from", first, zone, fold=0), zone)
    end = hour_start(_hour("to", last, zone, fold=1), zone) + timedelta(hours=1)
    if end <= start:
        raise Rejected("to", f"is before from ({first})")
    return Range.of_instants(start, end, zone)


def _hour(field: str, text: str, zone: ZoneInfo, fold: int) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or "T" not in text or moment.minute or moment.second or moment.microsecond:
        raise Rejected(field, "must be a local hour YYYY-MM-DDTHH:00 as the other end is")
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    # The hour that comes twice is meant whole.
    return moment.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def parse_comparison(given: Mapping[str, str], span: Range) -> Range | None:
    """The range to compare with. Raises Rejected."""
    kind = given.get("compare")
    custom = [name for name in ("compare_from", "compare_to") if name in given]
    if kind != "custom" and custom:
        raise Rejected(custom[0], "goes with compare=custom")
    if kind is None:
        return None
    if kind not in COMPARISONS:
        raise Rejected("compare", f"must be one of {', '.join(COMPARISONS)}")
    if kind == "custom":
        for name in ("compare_from", "compare_to"):
            if name not in given:
                raise Rejected(name, "is missing: a custom comparison takes compare_from and compare_to")
        days = {"from": given["compare_from"], "to": given["compare_to"]}
        try:
            return Range(parse_days(days, span.days.zone, datetime(2000, 1, 1, tzinfo=UTC)))
        except Rejected as error:
            raise Rejected(f"compare_{error.field}", error.reason) from None
    return previous_period(span) if kind == "previous_period" else year_before(span)


def previous_period(span: Range) -> Range:
    """The range as long as this one that ends where it begins. Raises Rejected where the calendar ends."""
    days, zone = span.days, span.days.zone
    try:
        if span.start is not None and span.end is not None:
            return _in_calendar(Range.of_instants(span.start - (span.end - span.start), span.start, zone))
        first = days.first - timedelta(days=days.count)
        return _in_calendar(Range(Days(first, days.first - timedelta(days=1), zone)))
    except OverflowError:
        raise Rejected("compare", "there is no period before this one") from None


def year_before(span: Range) -> Range:
    """The same dates (hours) a year before; 28 February for the 29th."""
    days, zone = span.days, span.days.zone
    if span.start is not None and span.end is not None:
        start, end = (_last_year(at.astimezone(zone)) for at in (span.start, span.end))
        return _in_calendar(Range.of_instants(start, end, zone))
    return _in_calendar(Range(Days(_last_year(days.first), _last_year(days.last), zone)))


def as_far(span: Range, compared: Range, now: datetime) -> Range | None:
    """What of `compared` had passed when it was as far along as `span` is `now`, the hour that runs included. None:
    `span` is over, or has not begun; then the whole of it is compared.

    By the site's clock: at 11:20 the day before up to 12:00, also where the clock was changed in between.
    """
    (start, end), zone = span.ends, span.days.zone
    passed = hour_start(now, zone) + timedelta(hours=1)
    if not start < passed < end:
        return None
    first, last = compared.ends
    if span.is_whole_days:
        clock = passed.astimezone(zone)
        day = compared.days.first + (clock.date() - span.days.first)
        until = hour_start(datetime.combine(day, clock.time(), zone), zone)
    else:
        until = first + (passed - start)
    return Range.of_instants(first, until, zone) if first < until < last else None


def _in_calendar(span: Range) -> Range:
    if span.days.first < FIRST_DAY:
        raise Rejected("compare", "there is no period before this one")
    return span


def _last_year(moment: Moment) -> Moment:
    try:
        return moment.replace(year=moment.year - 1)
    except ValueError:
        return moment.replace(year=moment.year - 1, day=28)


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
