"""The vocabulary of one event: limits of its fields, why it may be dropped, and the row it becomes."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

# Limits of the wire (Plausible's, where it states one). Longer values are cut or refused before a row is encoded,
# so that no value can make a whole block fail in ClickHouse.
NAME_CHARS_MAX: Final = 120
URL_BYTES_MAX: Final = 2_000
HOST_CHARS_MAX: Final = 253
PATH_CHARS_MAX: Final = 2_000
REFERRER_BYTES_MAX: Final = 2_000
UTM_CHARS_MAX: Final = 200
PROPS_MAX: Final = 30
PROP_KEY_BYTES_MAX: Final = 300
PROP_VALUE_BYTES_MAX: Final = 2_000

PAGEVIEW: Final = "pageview"
ENGAGEMENT: Final = "engagement"


class DropReason(StrEnum):
    """Why an event was not recorded. Every drop is counted under one of these and shown to the operator."""

    FAST_REJECT = "fast_reject"  # user agent or prefetch header refused before any parsing
    MALFORMED = "malformed"  # the event breaks the wire format
    UNKNOWN_SITE = "unknown_site"  # no site has this hostname
    RATE_LIMIT = "rate_limit"  # a token bucket was empty
    REFERRER_SPAM = "referrer_spam"  # the referrer is on the spam list
    OVERLOAD = "overload"  # the log was nearly full, nothing was taken
    EXCLUDED = "excluded"  # the site's owner wants it left out
    ERASED = "erased"  # the site's retention has removed that day
    NO_VISIT = "no_visit"  # engagement without a visit to belong to


class Row(NamedTuple):
    """One row of `events_raw`, in column order, without `log_id` and `lsn` (the committer appends those).

    Changing a field means a new ROW_SCHEMA_VERSION: logs written before an upgrade must replay after it.
    Site, time, visitor and visit come first, so that the visit table can be rebuilt from the log.
    """

    site_id: int  # UInt32
    ts: int  # DateTime('UTC'): seconds since the epoch
    visitor: bytes  # FixedString(16): BLAKE3-128; sixteen zero bytes = a visitor who objects
    visit_id: int  # UInt64
    day: int  # Date: the site's local date, days since the epoch
    hour: int  # DateTime('UTC'): the instant at which the site's local hour began
    name: str  # "pageview", "engagement" or a custom event's name
    is_bot: int  # UInt8
    pageviews: int  # UInt8: 1 for a page view
    visit_start: int  # UInt8: 1 for the first event of a visit
    bounce_delta: int  # Int8: +1 when the visit becomes a bounce, -1 when it stops being one
    duration_delta: int  # UInt32: seconds since the visit's previous event
    engaged_ms: int  # UInt32
    scroll_depth: int  # UInt8: 0-100 as an engagement event told it, 255 = not told
    hostname: str
    pathname: str
    previous_pathname: str  # the visit's exit page before this event; "" = it had viewed none
    referrer: str  # host and path, no query
    referrer_name: str  # "Google"; "" = direct
    channel: str
    utm_source: str
    utm_medium: str
    utm_campaign: str
    utm_content: str
    utm_term: str
    country: str  # ISO 3166-1 alpha-2; "" = unknown
    region: str  # ISO 3166-2
    city_id: int  # UInt32: GeoNames id; 0 = unknown
    city: str
    device: str
    browser: str
    browser_version: str
    os: str
    os_version: str
    props: dict[str, str]
    goals: list[int]  # Array(UInt32)
    revenue: int  # Int64, thousandths
    currency: str  # ISO 4217; "" = none
    entry_pathname: str = ""  # the page of the visit's first page view; "" = this event's own
    visit_hour: int = (
        0  # DateTime('UTC'): `hour` of the visit's first event of this day; 0 = this event's own
    )
    visit_state: int = 0  # UInt8: for the restart, see statnive/ingest/visits.py
    scroll_gain: int = 0  # UInt8: by how much the page view's deepest point went down, in per cent
    scroll_views: int = 0  # UInt8: 1 for a page view's first told scroll depth


ROW_SCHEMA_VERSION: Final = 1
ROW_COLUMNS: Final = (*Row._fields, "log_id", "lsn")
NO_VISITOR: Final = bytes(16)
SCROLL_UNTOLD: Final = 255
