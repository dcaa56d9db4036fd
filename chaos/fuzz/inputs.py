"""Requests as browsers, proxies, broken clients and attackers send them, as hypothesis strategies."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from statnive.ingest.client_hints import HEADERS as HINT_HEADERS
from statnive.ingest.parse import Payload

HOSTS: Final = ("example.com", "www.example.com", "xn--bcher-kva.example", "bücher.example", "EXAMPLE.com")
AGENT: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)
# What has broken parsers, stores, terminals and spreadsheets.
NASTY: Final = (
    "", " ", "\x00", "a\x00b", "\r\nX-Injected: 1", "\t", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029", "\ufeff",
    "\u202egnp.exe", "\u2066\u2069", "\u200f", "\U0001f600", "\U0001f468\u200d\U0001f469", "e\u0301", "\ud800",
    "x\udfff", "\udc00\ud800", "\ufffd", "\uffff", "\U0010ffff", "<script>alert(1)</script>", "=1+1", "@SUM(A1)",
    "'; DROP TABLE events_raw; --", "{{7*7}}", "%s%n", "../../etc/passwd", "\\", '"', "%", "%zz", "%u2028", "%00",
    "%ff%fe", "%E0%A4%A", "%25%32", "+", "null", "NaN", "Infinity", "-0", "1e400", "0x1f", "٣", "ß", "İ", "ﬁ",
    "x" * 119, "x" * 121, "ü" * 121, "\U0001f600" * 300, "x" * 2_001, "a." * 130, "%41" * 700,
)  # fmt: skip
URLS: Final = (
    "https://example.com", "https://example.com/", "http://example.com:80/a?b#c", "//example.com/x", "example.com",
    "https://example.com:99999/", "https://example.com:x/", "https://user:secret@example.com/", "https://",
    "https:///path", "https://[::1]/", "https://[::1", "https://[broken]/", "https://exa mple.com/", "https://.",
    "https://..example.com../", "https://bücher.example/ü?q=ü", "https://xn--bcher-kva.example/", "http://xn--a/",
    "https://xn--/", "https://例え.テスト/", "https://EXAMPLE.com./", "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 200 + "com/", "data:text/html,<h1>x</h1>", "data:", "file:///etc/passwd",
    "javascript:alert(1)", "about:blank", "about:srcdoc", "blob:https://example.com/1", "chrome-extension://abc/x",
    "app://local/x", "android-app://com.google.android.gm/", "ios-app://1/", "android-app://" + "a" * 300,
    "not a url", "google", "https://google.ca/url?q=1", "https://www.google.com/search?q=%ff", "mailto:a@b.example",
    "https://example.com/%", "https://example.com/%zz%ff%00", "https://example.com/%E0%A4%A", "https://example.com/\\",
    "https://example.com/" + "%F0%9F%98%80" * 160, "https://example.com/" + "a" * 1_980,
    "https://example.com/" + "a" * 1_981, "https://example.com/" + "ü" * 1_500, "https://example.com/?" + "a&" * 900,
    "https://example.com/?utm_source=%ff&utm_medium=cpc&utm_campaign=" + "c" * 300, "https://example.com/?gclid=1",
    "https://example.com/?utm_source=%00%0d%0a&source=x&ref=y", "https://example.com/?utm_source=" + "%F0%9F" * 80,
)  # fmt: skip
FIELDS: Final = [field.encode_name for field in msgspec.structs.fields(Payload)]

nasty = st.sampled_from(NASTY)
anything = st.text(st.characters(exclude_categories=()), max_size=60)
text = nasty | anything | st.lists(nasty | anything, max_size=3).map("".join)
urls = (
    st.sampled_from(URLS)
    | st.tuples(st.sampled_from(URLS), text).map("".join)
    | st.tuples(st.just("https://"), st.sampled_from(HOSTS) | text, st.just("/"), text).map("".join)
)
numbers = (
    st.integers() | st.floats() | st.sampled_from([10**30, -(10**30), 2**63, -(2**63) - 1, 1e308, 5e-324])
)
scalars = st.none() | st.booleans() | numbers | text
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
props = st.dictionaries(text, values, max_size=4) | st.integers(0, 32).map(
    lambda count: {f"key {number}": "value" for number in range(count)}
)
currencies = st.sampled_from(["USD", "eur", "JPY", "EURO", "XXQ", "ZZZ", "", "U\x00D", "ﬁx", "ΕUR"]) | scalars
amounts = (
    st.sampled_from(["NaN", "-NaN", "sNaN", "Infinity", "-1", "13.37", "1,5", "1e400", "1e-400", "1_0"])
    | values
)
revenues = st.fixed_dictionaries({}, optional={"amount": amounts, "currency": currencies})


def _as_text(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The value, or the text of its JSON: several fields take both."""
    return strategy | strategy.map(lambda value: json.dumps(value))


_FIELDS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "n": st.sampled_from(["pageview", "engagement", "Signup", 404]) | text,
    "u": urls,
    "d": st.sampled_from([*HOSTS, "example.com,other.example", ",", " , ", ",,example.com"]) | text,
    "r": urls | text,
    "p": _as_text(props),
    "$": _as_text(revenues),
    "i": st.booleans() | st.none(),
    "sd": st.sampled_from([0, 55, 101, -1, "55", "x", "1e9", "nan", None]) | numbers | text,
    "e": st.sampled_from([0, 1, 3_000, 30 * 86_400_000, -1, 1e300, None]) | numbers,
    "h": st.sampled_from([0, 1, True, None, 2, 10**30]),
}


@st.composite
def events(draw: st.DrawFn) -> Any:
    """One event: mostly one that gets far, with some fields of every kind; else any fields, or no event at all."""
    kind = draw(st.sampled_from(["ours"] * 6 + ["any site"] * 2 + ["any fields", "anything"]))
    if kind == "anything":
        return draw(values)
    if kind == "any fields":
        return draw(st.dictionaries(st.sampled_from(FIELDS) | text, values, max_size=6))
    event: dict[str, Any] = {"n": "Signup", "u": "https://example.com/"}
    if kind == "ours":
        event["d"] = "example.com"
    for field in draw(st.lists(st.sampled_from([field for field in _FIELDS if field != "d"]), max_size=5)):
        event[field] = draw(_FIELDS[field])
    if kind == "any site":
        event["d"] = draw(_FIELDS["d"])
    if event["n"] == "engagement":
        event.setdefault("e", 5_000)
    return event


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """An event or several as JSON, in most cases as it was made, else bent or cut; sometimes any bytes."""
    kind = draw(st.sampled_from(["one"] * 8 + ["many"] * 2 + ["cut", "bent", "nested", "bytes"]))
    if kind == "bytes":
        return draw(st.binary(max_size=200))
    if kind == "nested":
        depth = draw(st.integers(1, 3_000))
        return (
            draw(st.sampled_from([b"[", b'{"p":', b'{"n":"x","u":"https://example.com/","p":{"a":'])) * depth
        )
    value = draw(st.lists(events(), max_size=12) if kind == "many" else events())
    body = json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if kind == "cut":
        return body[: draw(st.integers(0, len(body)))]
    if kind == "bent" and body:
        at = draw(st.integers(0, len(body) - 1))
        return body[:at] + draw(st.binary(max_size=4)) + body[at + draw(st.integers(0, 3)) :]
    return body


_NAMES: Final = [
    b"User-Agent", b"X-Forwarded-For", b"Sec-Purpose", b"Purpose", b"X-Moz", b"X-Purpose", b"X-Debug-Request",
    b"Accept-Encoding", b"Content-Type", b"Referer", b"Cookie", *(name.title() for name in HINT_HEADERS),
]  # fmt: skip
_HEADER_VALUES: Final = [
    AGENT.encode(), AGENT.encode() + b" HeadlessChrome/141", b"curl/8.5.0", b"-", b"x" * 501, b"203.0.113.9",
    b"203.0.113.9, 198.51.100.7", b"2001:db8::1", b"fe80::1%eth0", b"unknown", b'"203.0.113.9:80"', b",,,", b"true",
    b"prefetch", b'"Brave";v="141", "Chromium";v="141"', b'"Google Chrome";v="141"', b'"Windows"', b'"15.0.0"', b"?1",
]  # fmt: skip
_header_values = (
    st.sampled_from(_HEADER_VALUES)
    | text.map(lambda value: value.encode("utf-8", "surrogatepass"))
    | st.binary(max_size=30)
)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """The head of a POST: nearly always with a browser's agent, so that what comes after is reached."""
    lines = [b"POST /api/event HTTP/1.1", b"Host: stats.example"]
    for name, value in draw(st.lists(st.tuples(st.sampled_from(_NAMES), _header_values), max_size=3)):
        lines.append(name + b": " + value)
    if draw(st.sampled_from([True] * 9 + [False])):
        lines.append(b"User-Agent: " + AGENT.encode())  # the last one counts
    return b"\r\n".join(lines) + b"\r\n\r\n"
