"""Bad input: a clean row that inserts, or a counted reason; never an exception, never a failed batch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from chaos.fuzz.inputs import AGENT, bodies, heads
from chaos.fuzz.target import Target
from statnive.clickhouse.rows import decode_row, suffix
from statnive.event import DropReason, Row

HEAD = f"POST /api/event HTTP/1.1\r\nHost: x\r\nUser-Agent: {AGENT}\r\n\r\n".encode()
_TARGETS: list[Target] = []


@pytest.fixture
def target() -> Target:
    """One for all, since its tables take a while to build; every test comes a day later, to no open visit."""
    if not _TARGETS:
        _TARGETS.append(Target())
    found = _TARGETS[0]
    found.drops.by_reason.clear()
    found.pipeline.parser.left_out.clear()
    found.now += 86_400
    return found


def event(**fields: Any) -> bytes:
    made = {"n": "pageview", "u": "https://example.com/", "d": "example.com", **fields}
    return json.dumps({key: value for key, value in made.items() if value is not None}).encode()


def row_of(target: Target, body: bytes, head: bytes = HEAD) -> Row:
    (encoded,) = target.send(head, body)
    return Row._make(decode_row(encoded))


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(heads(), bodies())
def test_any_request_is_recorded_or_counted(target: Target, head: bytes, body: bytes) -> None:
    target.send(head, body)


# What is sent, and what of it is in the row.
CLEANED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("broken percent-encoding", {"u": "https://example.com/a%zz%"}, {"pathname": "/a%zz%"}),
    ("percent-encoded bytes that are no text", {"u": "https://example.com/%ff%fe"}, {"pathname": "/\ufffd\ufffd"}),
    ("percent-encoded controls", {"u": "https://example.com/a%00%0d%0ab"}, {"pathname": "/ab"}),
    ("international host", {"u": "https://b\u00fccher.example/", "d": None}, {"hostname": "xn--bcher-kva.example"}),
    ("punycode host", {"u": "https://XN--BCHER-KVA.example./", "d": None}, {"hostname": "xn--bcher-kva.example"}),
    ("longest URL", {"u": "https://example.com/" + "a" * 1_980}, {"pathname": "/" + "a" * 1_980}),
    ("control characters", {"n": "Sign\x00\x1b[31mup\x85"}, {"name": "Sign[31mup"}),
    ("line ends", {"n": "a\r\nb\u2028c"}, {"name": "abc"}),
    ("emoji", {"n": "\U0001f600", "p": {"k": "\U0001f468\u200d\U0001f469"}}, {"name": "\U0001f600"}),
    ("right-to-left marks", {"n": "\u202eevil", "p": {"\u2066a\u2069": "b"}}, {"name": "evil", "props": {"a": "b"}}),
    ("lone surrogate", {"n": "cut \ud83d", "p": {"a": "\udc00b"}}, {"name": "cut", "props": {"a": "b"}}),
    ("whole surrogate pair beside half of one", {"n": "\U0001f600\ud83d"}, {"name": "\U0001f600"}),
    ("escaped backslash before u", {"n": "\\ud83d\ud83d"}, {"name": "\\ud83d"}),
    ("nested properties", {"p": {"a": {"b": 1}, "c": [1], "d": "e"}}, {"props": {"d": "e"}}),
    ("NaN revenue", {"$": {"amount": "NaN", "currency": "USD"}}, {"revenue": 0, "currency": ""}),
    ("negative revenue", {"$": {"amount": -9.99, "currency": "USD"}}, {"revenue": -9_990, "currency": "USD"}),
    ("unknown currency", {"$": {"amount": 1, "currency": "QQQ"}}, {"revenue": 0, "currency": ""}),
    ("revenue of 400 digits", {"$": {"amount": "1" * 400, "currency": "USD"}}, {"revenue": 0, "currency": ""}),
    ("referrer that is no URL", {"r": "not a url"}, {"referrer": "", "channel": "Direct"}),
    ("referrer of controls", {"r": "https://\x00google.com/\x1b"}, {"referrer_name": "Google"}),
    ("data: referrer", {"r": "data:text/html,x"}, {"referrer": "", "channel": "Direct"}),
    ("file: referrer", {"r": "file:///home/me/x.html"}, {"referrer": "", "channel": "Direct"}),
    ("referrer of 5,000 characters", {"r": "https://news.example/" + "a" * 5_000}, {"channel": "Referral"}),
    ("UTM tag of 5,000 characters", {"u": "https://example.com/?utm_source=" + "b" * 1_900}, {"utm_source": "b" * 200}),
    ("thirty properties", {"p": {str(n): "v" for n in range(30)}}, {"props": {str(n): "v" for n in range(30)}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "expected"), [case[1:] for case in CLEANED], ids=[case[0] for case in CLEANED]
)
def test_what_can_be_cleaned_is_recorded_clean(
    target: Target, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    row = row_of(target, event(**fields))
    assert {column: getattr(row, column) for column in expected} == expected
    assert target.drops.by_reason.total() == 0


REFUSED: list[tuple[str, bytes, DropReason]] = [
    ("data: URL", event(u="data:text/html,<h1>"), DropReason.MALFORMED),
    ("file: URL", event(u="file:///etc/passwd"), DropReason.MALFORMED),
    ("URL over 2,000 bytes", event(u="https://example.com/" + "a" * 1_981), DropReason.MALFORMED),
    ("URL over 2,000 bytes, not characters", event(u="https://example.com/" + "\u00fc" * 995), DropReason.MALFORMED),
    ("broken IPv6 host", event(u="https://[::1/"), DropReason.MALFORMED),
    ("31 properties", event(p={str(n): "v" for n in range(31)}), DropReason.MALFORMED),
    ("a comma for a domain", event(d=","), DropReason.MALFORMED),
    ("name of controls only", event(n="\x00\u202e\x1b"), DropReason.MALFORMED),
    ("NaN in the JSON", b'{"n":"x","u":"https://example.com/","e":NaN}', DropReason.MALFORMED),
    ("bytes that are no text", b'{"n":"\xed\xa0\x80","u":"https://example.com/"}', DropReason.MALFORMED),
    ("5,000 levels", b"[" * 5_000, DropReason.MALFORMED),
    ("unknown host of controls", event(d="\x00\x1b\u202eevil.example"), DropReason.UNKNOWN_SITE),
    ("host that is no name", event(u="https://exa mple.com/", d=None), DropReason.UNKNOWN_SITE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_can_not_is_counted_under_its_reason(target: Target, body: bytes, reason: DropReason) -> None:
    assert target.send(HEAD, body) == []
    assert dict(target.drops.by_reason) == {reason: 1}


def test_what_is_left_out_of_an_event_is_counted(target: Target) -> None:
    target.send(
        HEAD, event(**{"$": {"amount": "NaN", "currency": "USD"}, "p": {"a": [1], "b": None, "c": "d"}})
    )
    target.send(HEAD, event(**{"$": {"amount": 1, "currency": "QQQ"}}))
    assert target.pipeline.parser.left_out == {"revenue": 2, "property": 2}


def test_one_bad_event_costs_the_batch_nothing(target: Target) -> None:
    good = json.loads(event())
    batch = json.dumps([good, {**good, "u": "data:,"}, {**good, "n": "cut \ud83d"}, 5, good]).encode()
    assert len(target.send(HEAD, batch)) == 3
    assert dict(target.drops.by_reason) == {DropReason.MALFORMED: 2}


def test_every_clean_row_inserts(target: Target, engine: Any) -> None:
    rows = [encoded for _, fields, _ in CLEANED for encoded in target.send(HEAD, event(**fields))]
    block = b"".join(row + suffix(7, lsn) for lsn, row in enumerate(rows, 1))
    engine.writer.insert_block(block, rows=len(rows), token="7:1")
    assert engine.scalars("SELECT count() AS n FROM {database}.events_raw") == {"n": len(CLEANED)}
    assert engine.scalars(
        "SELECT countIf(NOT isValidUTF8(name || pathname)) AS n FROM {database}.events_raw"
    ) == {"n": 0}
