from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statnive import event as limits
from statnive.config import IngestConfig
from statnive.errors import Rejected
from statnive.ingest.parse import Parser, Payload, WireEvent, clean


def parse(payload: Any) -> list[WireEvent | Rejected]:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Parser(IngestConfig()).parse(body)


def one(**payload: Any) -> WireEvent:
    (event,) = parse({"n": "pageview", "u": "https://example.com/", **payload})
    assert isinstance(event, WireEvent)
    return event


def test_short_keys_win_over_long_ones() -> None:
    (event,) = parse(
        {"n": "a", "name": "b", "u": "https://x.example/1", "url": "https://y.example/2", "d": "d.example"}
    )
    assert isinstance(event, WireEvent)
    assert (event.name, event.page.host, event.page.path, event.domains) == (
        "a",
        "x.example",
        "/1",
        ("d.example",),
    )


def test_unknown_fields_are_ignored() -> None:
    assert one(zzz=[1, {"a": None}]).name == "pageview"


def test_without_a_domain_the_urls_host_counts() -> None:
    assert one(u="https://Shop.Example.COM/x").domains == ("shop.example.com",)


def test_a_comma_list_names_several_sites() -> None:
    assert one(d="a.example, b.example,a.example").domains == ("a.example", "b.example")


@pytest.mark.parametrize("count", [1, 10])
def test_up_to_ten_events_a_request(count: int) -> None:
    assert len(parse([{"n": "pageview", "u": "https://example.com/"}] * count)) == count


@pytest.mark.parametrize("body", [b"", b"[]", b"nope", b"{", b'"x"', b"[" * 5_000, b"\xff\xfe"])
def test_a_body_that_is_not_json_events_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(Rejected, match="body"):
        parse(body)


def test_eleven_events_are_refused_with_the_limit() -> None:
    with pytest.raises(Rejected, match="1 to 10"):
        parse([{"n": "pageview", "u": "https://example.com/"}] * 11)


def test_one_bad_event_does_not_take_the_others_with_it() -> None:
    good = {"n": "pageview", "u": "https://example.com/"}
    events = parse([good, {"n": 1.5, "u": "x"}, good])
    assert [type(event) for event in events] == [WireEvent, Rejected, WireEvent]


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"n": "pageview"}, "url"),
        ({"u": "https://example.com/"}, "name"),
        ({"n": "x" * 121, "u": "https://example.com/"}, "name"),
        ({"n": "pageview", "u": "data:text/html,x"}, "url"),
        ({"n": "pageview", "u": "file:///etc/passwd"}, "url"),
        ({"n": "pageview", "u": "https://example.com/" + "a" * 2_000}, "url"),
        ({"n": "pageview", "u": "https://[broken/"}, "url"),
        ({"n": "pageview", "u": "https://example.com/", "d": " "}, "domain"),
        ({"n": "x", "u": "https://example.com/", "p": {str(i): "v" for i in range(31)}}, "props"),
        ({"n": "x", "u": "https://example.com/", "p": {"k" * 301: "v"}}, "props"),
        ({"n": "x", "u": "https://example.com/", "p": {"k": "v" * 2_001}}, "props"),
        ({"n": "x", "u": "https://example.com/", "p": "not json"}, "props"),
        ({"n": "engagement", "u": "https://example.com/"}, "engagement"),
    ],
)
def test_a_bad_event_is_refused_by_the_name_of_its_field(payload: dict[str, Any], field: str) -> None:
    try:
        (found,) = parse(payload)
    except Rejected as rejected:
        found = rejected
    assert isinstance(found, Rejected)
    assert found.field == field


def test_props_are_text_and_nested_ones_are_left_out() -> None:
    props = {"a": 1, "b": True, "c": [1], "d": {"x": 1}, "e": None, "f": " ", "g": "x\x00y\u202e"}
    assert one(p=props).props == {"a": "1", "b": "true", "g": "xy"}
    assert one(p=json.dumps(props)).props == one(meta=props).props == one(p=props).props


@pytest.mark.parametrize(
    ("revenue", "expected"),
    [
        ({"amount": "13.37", "currency": "eur"}, (13_370, "EUR")),
        ('{"amount": 0.1, "currency": "USD"}', (100, "USD")),
        ({"amount": "NaN", "currency": "USD"}, (0, "")),
        ({"amount": "-1", "currency": "USD"}, (-1_000, "USD")),
        ({"amount": "1e400", "currency": "USD"}, (0, "")),
        ({"amount": "5", "currency": "EURO"}, (0, "")),
        ({"currency": "USD"}, (0, "")),
    ],
)
def test_revenue_is_exact_thousandths_or_left_out(revenue: Any, expected: tuple[int, str]) -> None:
    event = one(**{"$": revenue})
    assert (event.revenue, event.currency) == expected


def test_path_is_decoded_cleaned_and_keeps_the_fragment_only_in_hash_mode() -> None:
    assert one(u="https://example.com/a%20b%00c?x=1#top").page == ("example.com", "/a bc", "x=1")
    assert one(u="https://example.com/a#/route", h=1).page.path == "/a#/route"
    assert one(u="https://example.com").page.path == "/"
    assert one(u="https://bücher.example/ü").page.host == "xn--bcher-kva.example"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from([field.encode_name for field in msgspec.structs.fields(Payload)])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, JSON, max_size=8))
def test_any_json_becomes_a_bounded_clean_event_or_a_rejection(payload: dict[str, Any]) -> None:
    try:
        (found,) = parse(payload)
    except Rejected:
        return
    if isinstance(found, Rejected):
        return
    assert len(found.name) <= limits.NAME_CHARS_MAX
    assert len(found.page.path) <= limits.PATH_CHARS_MAX
    for text in (found.name, found.page.path, found.page.host, *found.props, *found.props.values()):
        assert clean(text) == text
        text.encode()


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_rejected(body: bytes) -> None:
    try:
        parse(body)
    except Rejected as rejected:
        assert rejected.field
