from __future__ import annotations

import pytest

from statnive.config import IngestConfig
from statnive.ingest.fast_reject import FastReject
from statnive.ingest.request import RequestHead

CHROME = (
    b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)


def rejected(agent: bytes, *headers: tuple[bytes, bytes]) -> bool:
    head = RequestHead("127.0.0.1")
    head.note(b"user-agent", agent)
    for name, value in headers:
        head.note(name, value)
    return bool(FastReject(IngestConfig()).rejects(head))


def test_a_browser_goes_on() -> None:
    assert not rejected(CHROME)


@pytest.mark.parametrize(("chars", "refused"), [(15, True), (16, False), (500, False), (501, True)])
def test_user_agent_of_16_to_500_characters_goes_on(chars: int, refused: bool) -> None:
    assert rejected(b"M" * chars) is refused


@pytest.mark.parametrize(
    "agent",
    [
        b"2001:db8:0:0:0:0:0:1",
        b"[2001:db8::aaaa:bbbb]",
        b"550e8400-e29b-41d4-a716-446655440000",
        b"{550E8400-E29B-41D4-A716-446655440000}",
        b"550e8400e29b41d4a716446655440000",
        "Mozilla/5.0 (Möbel) Gecko".encode(),
    ],
)
def test_address_uuid_and_non_ascii_as_user_agent_are_refused(agent: bytes) -> None:
    assert rejected(agent)


@pytest.mark.parametrize(
    "header",
    [
        (b"x-purpose", b"preview"),
        (b"purpose", b"prefetch"),
        (b"x-moz", b"prefetch"),
        (b"sec-purpose", b"prefetch;prerender"),
    ],
)
def test_prefetch_headers_are_refused(header: tuple[bytes, bytes]) -> None:
    assert rejected(CHROME, header)
    assert not rejected(CHROME, (header[0] + b"-not", header[1]))
