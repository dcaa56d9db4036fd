"""The wire: Plausible's events payload, one object or an array of them, into clean `WireEvent` values.

Long keys and short keys both count, the short one wins. Unknown fields are ignored. A bad event is a `Rejected`
value of its own; the other events of its request go on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from statnive import event as limits
from statnive.config import IngestConfig
from statnive.errors import Rejected
from statnive.ingest.cached import Cached
from statnive.ingest.currencies import CURRENCIES

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_REVENUE_LIMIT = Decimal(10) ** 15
_NO_ENGAGEMENT = (limits.SCROLL_UNTOLD, 0)
_NO_REVENUE = (0, "")
# In JSON: a whole pair, half of one, any other escape. Text cut in the middle of an emoji ends with a half.
_ESCAPES = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|(\\.)"
)
_DOMAINS_MAX = 10_000
PAGEVIEW = limits.PAGEVIEW


class Payload(msgspec.Struct, gc=False):
    """One event as it comes. Types are only as strict as the wire format is."""

    n: str | int | None = None
    name: str | int | None = None
    u: str | None = None
    url: str | None = None
    d: str | None = None
    domain: str | None = None
    r: str | None = None
    referrer: str | None = None
    p: dict[str, Any] | str | None = None
    props: dict[str, Any] | str | None = None
    m: dict[str, Any] | str | None = None
    meta: dict[str, Any] | str | None = None
    h: int | bool | None = None
    hash_mode: int | bool | None = msgspec.field(default=None, name="hashMode")
    revenue_short: dict[str, Any] | str | None = msgspec.field(default=None, name="$")
    revenue: dict[str, Any] | str | None = None
    i: bool | None = None
    interactive: bool | None = None
    sd: int | float | str | None = None
    e: int | float | None = None


class Page(NamedTuple):
    """A URL taken apart. `query` is kept only for its campaign tags and is never stored."""

    host: str
    path: str
    query: str


class WireEvent(NamedTuple):
    """One event, validated and bounded."""

    name: str
    page: Page
    domains: tuple[str, ...]
    referrer: str
    props: dict[str, str]
    interactive: bool
    scroll_depth: int
    engaged_ms: int
    revenue: int  # thousandths
    currency: str


_make_event = WireEvent._make  # at a third of its constructor's cost
_decode_one = msgspec.json.Decoder(Payload).decode
_decode_all = msgspec.json.Decoder(list[Payload]).decode
_decode_many = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Parser:
    """`parse(body)` gives each event of the request, or why it was refused."""

    def __init__(self, config: IngestConfig) -> None:
        self._events_max = config.events_per_request_max
        self._pages = PageCache(config.cache_entries)
        self._domains: dict[str, tuple[str, ...]] = {}
        self.left_out: Counter[str] = Counter()  # "revenue", "property": left out of events that were kept

    @property
    def pages(self) -> PageCache:
        return self._pages

    def parse(self, body: bytes) -> list[WireEvent | Rejected]:
        """Raises Rejected when the body as a whole is unusable (not JSON, no event, too many events)."""
        if body[:1] == b"{":
            return [self._event(body)]
        start = body.lstrip(b" \t\r\n")[:1]
        if start == b"{":
            return [self._event(body)]
        if start != b"[":
            raise Rejected("body", "must be a JSON object or an array of them")
        items: Sequence[Payload | msgspec.Raw]
        try:
            items = _decode_all(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            items = self._one_by_one(body)
        if not 1 <= len(items) <= self._events_max:
            raise Rejected("body", f"must hold 1 to {self._events_max} events, holds {len(items)}")
        events: list[WireEvent | Rejected] = []
        for item in items:
            try:
                events.append(self._event(item))
            except Rejected as rejected:
                events.append(rejected)
        return events

    @staticmethod
    def _one_by_one(body: bytes) -> list[msgspec.Raw]:
        """The texts of an array's items, one of which is bad: the others are not."""
        try:
            try:
                return _decode_many(body)
            except msgspec.DecodeError:
                return _decode_many(_mended(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected("body", f"is not valid JSON ({_reason(error)})") from None

    def _event(self, item: Payload | bytes | msgspec.Raw) -> WireEvent:
        payload = item if isinstance(item, Payload) else _decode(item)
        url = payload.u or payload.url
        if not url:
            raise Rejected("url", "is missing")
        page = self._pages.of(url, bool(payload.h or payload.hash_mode))
        name = payload.n if payload.n is not None else payload.name
        name = PAGEVIEW if name == PAGEVIEW else _name(name)
        scroll_depth, engaged_ms = _engagement(payload) if name == limits.ENGAGEMENT else _NO_ENGAGEMENT
        props = payload.p or payload.props or payload.m or payload.meta
        revenue = payload.revenue_short or payload.revenue
        amount, currency = _revenue(revenue) if revenue else _NO_REVENUE
        if revenue and not currency:
            self.left_out["revenue"] += 1
        interactive = payload.i if payload.i is not None else payload.interactive
        domain = payload.d if payload.d is not None else payload.domain
        referrer = payload.r or payload.referrer
        return _make_event(
            (
                name,
                page,
                (page.host,) if domain is None else self._domains.get(domain) or self._split_domains(domain),
                referrer[: limits.REFERRER_BYTES_MAX] if referrer else "",
                _props(props, self.left_out) if props else {},
                interactive is not False,
                scroll_depth,
                engaged_ms,
                amount,
                currency,
            )
        )

    def _split_domains(self, domain: str) -> tuple[str, ...]:
        """The domains of a comma list; a site's tracker always sends the same, so they are remembered (bounded)."""
        domains = _domains(domain)
        if len(self._domains) >= _DOMAINS_MAX:
            self._domains.clear()
        if len(domain) <= limits.HOST_CHARS_MAX:
            self._domains[domain] = domains
        return domains


class PageCache(Cached):
    """URLs taken apart, least recently used ones forgotten: sites have few URLs, visitors ask for the same ones."""

    def __init__(self, entries_max: int) -> None:
        self.of = lru_cache(entries_max)(split_url)
        self._caches = (self.of,)


def split_url(url: str, hash_mode: bool) -> Page:
    """Raises Rejected for what can't be a page's address (too long, `data:`, broken)."""
    if len(url) > limits.URL_BYTES_MAX or len(url.encode("utf-8", "surrogatepass")) > limits.URL_BYTES_MAX:
        raise Rejected("url", f"is longer than {limits.URL_BYTES_MAX} bytes")
    try:
        parts = urlsplit(clean(url))
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        raise Rejected("url", "is not a URL") from None
    if parts.scheme not in ("http", "https", "", "app", "capacitor", "ionic", "tauri", "chrome-extension"):
        raise Rejected("url", f"has a scheme that is not counted ({parts.scheme[:20]}:)")
    path = parts.path or "/"
    if hash_mode and parts.fragment:
        path = f"{path}#{parts.fragment}"
    path = clean(unquote(path)).rstrip(" ") or "/"
    host = clean(_ascii_host(host))[: limits.HOST_CHARS_MAX]
    return Page(host, path[: limits.PATH_CHARS_MAX], parts.query)


def _mended(raw: bytes | msgspec.Raw) -> bytes:
    """JSON without the halves of surrogate pairs, cut in the middle of an emoji: all the rest of it is good."""
    return _ESCAPES.sub(lambda found: found[1] or found[2] or b"", bytes(raw))


def _ascii_host(host: str) -> str:
    """Punycode, lower case: what the site table holds. A host that IDNA refuses stays as it is (and is unknown)."""
    if host.isascii():
        return host.lower()
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return host.lower()


def clean(text: str) -> str:
    """Without control characters, bidirectional overrides and lone surrogates: safe to store, log and show."""
    return text if text.isascii() and text.isprintable() else _UNPRINTABLE.sub("", text)


def _name(name: str | int | None) -> str:
    if name is None or name == "":
        raise Rejected("name", "is missing")
    text = clean(str(name)).strip()
    if not 1 <= len(text) <= limits.NAME_CHARS_MAX:
        raise Rejected("name", f"must have 1 to {limits.NAME_CHARS_MAX} characters")
    return text


def _domains(domain: str) -> tuple[str, ...]:
    if not domain.strip():
        raise Rejected("domain", "is blank")
    hosts = (clean(_ascii_host(part.strip()))[: limits.HOST_CHARS_MAX] for part in domain[:2_000].split(","))
    found = tuple(dict.fromkeys(host for host in hosts if host))
    if not found:
        raise Rejected("domain", "names no host")
    return found


def _props(props: dict[str, Any] | str, left_out: Counter[str]) -> dict[str, str]:
    """Properties as text; lists, objects and blanks are left out, as Plausible does, and counted."""
    if isinstance(props, str):
        try:
            props = msgspec.json.decode(props.encode("utf-8", "replace"), type=dict[str, Any])
        except msgspec.DecodeError:
            raise Rejected("props", "is a text that is not a JSON object") from None
    if len(props) > limits.PROPS_MAX:
        raise Rejected("props", f"holds {len(props)} properties, at most {limits.PROPS_MAX} are allowed")
    ready: dict[str, str] = {}
    for key, value in props.items():
        if type(value) is str and len(value) + len(key) < limits.PROP_KEY_BYTES_MAX and _is_plain(key, value):
            ready[key] = value
            continue
        if value is None or isinstance(value, (list, dict)):
            left_out["property"] += 1
            continue
        text = clean(str(value).lower() if isinstance(value, bool) else str(value)).strip()
        name = clean(key).strip()
        if not text or not name:
            left_out["property"] += 1
            continue
        if len(name.encode()) > limits.PROP_KEY_BYTES_MAX:
            raise Rejected("props", f"has a name longer than {limits.PROP_KEY_BYTES_MAX} bytes")
        if len(text.encode()) > limits.PROP_VALUE_BYTES_MAX:
            raise Rejected(
                "props", f"has a value longer than {limits.PROP_VALUE_BYTES_MAX} bytes ({name[:40]})"
            )
        ready[name] = text
    return ready


def _is_plain(key: str, value: str) -> bool:
    """Whether both are as they would be after cleaning: printable ASCII, no blank at an end."""
    text = key + value
    return bool(
        key
        and value
        and text.isascii()
        and text.isprintable()
        and key == key.strip()
        and value == value.strip()
    )


def _engagement(payload: Payload) -> tuple[int, int]:
    """(scroll depth 0-100 or 255, engaged ms). 30 days and more is a clock gone wrong: not counted."""
    if payload.sd is None and payload.e is None:
        raise Rejected("engagement", "needs sd (scroll depth) or e (engaged ms)")
    depth = limits.SCROLL_UNTOLD
    if payload.sd is not None:
        try:
            depth = min(100, max(0, int(float(payload.sd))))
        except (ValueError, OverflowError):
            raise Rejected("sd", "must be a number from 0 to 100") from None
    engaged = payload.e or 0
    return depth, int(engaged) if 0 < engaged < 30 * 86_400_000 else 0


def _revenue(revenue: dict[str, Any] | str) -> tuple[int, str]:
    """(thousandths, currency); (0, "") when it makes no sense: the event is kept, as Plausible does."""
    try:
        if isinstance(revenue, str):
            revenue = msgspec.json.decode(revenue.encode("utf-8", "replace"), type=dict[str, Any])
        amount = Decimal(str(revenue.get("amount")))
        currency = str(revenue.get("currency")).upper()
    except (InvalidOperation, msgspec.DecodeError):
        return 0, ""
    if not amount.is_finite() or abs(amount) >= _REVENUE_LIMIT or currency not in CURRENCIES:
        return 0, ""
    return int((amount * 1_000).to_integral_value()), currency


def _decode(raw: bytes | msgspec.Raw) -> Payload:
    try:
        try:
            return _decode_one(raw)
        except msgspec.DecodeError:
            return _decode_one(_mended(raw))
    except msgspec.ValidationError as error:
        raise Rejected(_field(error), _reason(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected("body", f"is not valid JSON ({_reason(error)})") from None


def _field(error: msgspec.ValidationError) -> str:
    """The field of "Expected `str`, got `int` - at `$.n`"."""
    _, found, path = str(error).rpartition("at `$.")
    return path.rstrip("`")[:40] if found else "body"


def _reason(error: Exception) -> str:
    return clean(str(error).partition(" - at ")[0])[:200]
