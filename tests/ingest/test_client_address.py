from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statnive.ingest.client_address import ClientAddress, canonical, network_key

LOOPBACK = ("127.0.0.0/8", "::1/128")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", b"", "127.0.0.1"),
        ("127.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("203.0.113.5", b"203.0.113.9", "203.0.113.5"),  # from a stranger: not believed
        (
            "127.0.0.1",
            b"198.51.100.1, 203.0.113.9",
            "203.0.113.9",
        ),  # the client may write the left part itself
        ("127.0.0.1", b"203.0.113.9, 127.0.0.2, 127.0.0.3", "203.0.113.9"),
        ("127.0.0.1", b"unknown", "127.0.0.1"),
        ("127.0.0.1", b"203.0.113.9, unknown, 127.0.0.2", "127.0.0.2"),
        ("127.0.0.1", b"203.0.113.9:4711", "203.0.113.9"),
        ("127.0.0.1", b"[2001:db8::1]:443", "2001:db8::1"),
        ("127.0.0.1", b"2001:DB8:0:0::1", "2001:db8::1"),
        ("127.0.0.1", b"::ffff:203.0.113.9", "203.0.113.9"),
        ("::1", b"203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", b"203.0.113.9," * 200, "127.0.0.1"),  # over the limit: ignored whole
    ],
)
def test_forwarded_for_is_walked_from_the_right_and_believed_only_from_trusted_proxies(
    peer: str, forwarded: bytes, client: str
) -> None:
    assert ClientAddress(LOOPBACK).of(peer, forwarded) == client


@given(st.binary(max_size=300))
def test_any_forwarded_for_gives_an_address(forwarded: bytes) -> None:
    found = ClientAddress(LOOPBACK).of("127.0.0.1", forwarded)
    assert canonical(found) == found


def test_ipv6_clients_are_known_by_their_64() -> None:
    assert (
        network_key("2001:db8:1:2:3:4:5:6")
        == network_key("2001:db8:1:2::9")
        != network_key("2001:db8:1:3::9")
    )
    assert len(network_key("203.0.113.9")) == 4
