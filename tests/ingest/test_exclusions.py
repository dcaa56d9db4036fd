"""Exclusions at ingest: what is left out, and that nothing else is."""

from __future__ import annotations

import ipaddress

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statnive.control.exclusions import checked
from statnive.control.snapshot import Exclusions, Site
from statnive.ingest.client_address import network_key
from statnive.ingest.exclusions import ExclusionMatcher

SITE = Site(1, "example.com", "UTC", frozenset({"example.com"}))
WANTED = checked(
    networks=["192.0.2.0/24", "198.51.100.7", "2001:db8:1::/48"],
    pages=["/admin/**", "/preview/*"],
    countries=["XK"],
    hostnames=["staging.example.com", "*.dev.example.com"],
)
ADDRESS, COUNTRY, HOST, PATH = "203.0.113.1", "DE", "example.com", "/"


def asked(
    wanted: Exclusions = WANTED,
    address: str = ADDRESS,
    country: str = COUNTRY,
    host: str = HOST,
    path: str = PATH,
) -> str:
    site = attrs.evolve(SITE, exclusions=wanted)
    return ExclusionMatcher(100).excluded(site, network_key(address), country, host, path)


@pytest.mark.parametrize(
    ("given_", "what"),
    [
        ({}, ""),
        ({"address": "192.0.2.255"}, "address"),
        ({"address": "192.0.3.0"}, ""),
        ({"address": "198.51.100.7"}, "address"),
        ({"address": "198.51.100.8"}, ""),
        ({"address": "::ffff:192.0.2.9"}, "address"),
        ({"address": "2001:db8:1:ffff::1"}, "address"),
        ({"address": "2001:db8:2::1"}, ""),
        ({"address": "not known"}, ""),
        ({"country": "XK"}, "country"),
        ({"country": ""}, ""),
        ({"host": "staging.example.com"}, "hostname"),
        ({"host": "a.dev.example.com"}, "hostname"),
        ({"host": "dev.example.com"}, ""),
        ({"host": "xstaging.example.com"}, ""),
        ({"path": "/admin/users/7"}, "page"),
        ({"path": "/admin"}, ""),
        ({"path": "/preview/a"}, "page"),
        ({"path": "/preview/a/b"}, ""),
    ],
)
def test_an_event_is_left_out_by_address_country_hostname_or_page(given_: dict[str, str], what: str) -> None:
    assert asked(**given_) == what


def test_edited_exclusions_hold_from_the_next_event_on() -> None:
    matcher = ExclusionMatcher(100)
    before = attrs.evolve(SITE, exclusions=checked(pages=["/a"]))
    after = attrs.evolve(SITE, exclusions=checked(pages=["/b"]))
    network = network_key(ADDRESS)
    assert matcher.excluded(before, network, COUNTRY, HOST, "/a") == "page"
    assert matcher.excluded(after, network, COUNTRY, HOST, "/a") == ""
    assert matcher.excluded(after, network, COUNTRY, HOST, "/b") == "page"


@given(address=st.ip_addresses(), other=st.ip_addresses(), prefix=st.integers(0, 64))
def test_a_range_holds_what_the_standard_library_says(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
    prefix: int,
) -> None:
    network = ipaddress.ip_network((other, min(prefix, other.max_prefixlen)), strict=False)
    mapped = getattr(address, "ipv4_mapped", None)
    meant = mapped or address
    inside = meant.version == network.version and meant in network
    assert (asked(checked(networks=[str(network)]), str(address)) == "address") == inside
