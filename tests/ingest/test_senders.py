"""The sender of a request: by what a trusted peer forwards, else the peer; remembered, but never past a reload."""

from __future__ import annotations

from statnive.ingest.client_address import ClientAddress
from statnive.ingest.geo import NOWHERE, Place
from statnive.ingest.senders import CACHED_BYTES_MAX, Senders

LONDON = Place("GB", "GB-ENG", 2643743, "London")


class OneCity:
    """Knows one address, and how often it was asked."""

    def __init__(self) -> None:
        self.version = 0
        self.place_now = LONDON
        self.asked: list[str] = []

    def place(self, ip: str) -> Place:
        self.asked.append(ip)
        return self.place_now if ip == "81.2.69.160" else NOWHERE

    def asn(self, ip: str) -> int:
        return 20712 if ip == "81.2.69.160" else 0


def senders(geo: OneCity, entries: int = 100) -> Senders:
    return Senders(ClientAddress(("127.0.0.0/8",)), geo, entries)


def test_a_trusted_peers_word_counts_whichever_peer_it_is() -> None:
    known = senders(OneCity())
    first = known.of("127.0.0.1", b"81.2.69.160")
    assert first == ("81.2.69.160", bytes([81, 2, 69, 160]), 20712, LONDON)
    assert known.of("127.0.0.2", b"81.2.69.160") is first
    assert (known.hits, known.misses) == (1, 1)


def test_a_strangers_word_counts_for_nothing() -> None:
    known = senders(OneCity())
    assert known.of("127.0.0.1", b"81.2.69.160").address == "81.2.69.160"
    assert known.of("198.51.100.7", b"81.2.69.160").address == "198.51.100.7"


def test_a_header_that_holds_no_address_leaves_the_peers() -> None:
    known = senders(OneCity())
    for header in (b"unknown", b"", b"_hidden, secret", b"x" * 5_000):
        assert known.of("127.0.0.1", header).address == "127.0.0.1"


def test_clients_behind_one_ipv6_subscriber_are_one_network() -> None:
    known = senders(OneCity())
    networks = {known.of("127.0.0.1", f"2001:218::{host:x}".encode()).network for host in range(1, 50)}
    assert networks == {bytes.fromhex("2001021800000000")}


def test_the_cache_is_bounded_and_keeps_no_long_header() -> None:
    geo = OneCity()
    known = senders(geo, entries=10)
    for last in range(200):
        known.of("127.0.0.1", f"10.0.0.{last}".encode())
    known.of("127.0.0.1", b"10.0.0.0")
    assert (known.hits, known.misses) == (0, 201)
    chain = b", ".join([b"81.2.69.160"] * 8)
    assert len(chain) > CACHED_BYTES_MAX
    assert known.of("127.0.0.1", chain).place == LONDON
    assert (known.hits, known.misses) == (0, 201)


def test_no_answer_outlives_its_database() -> None:
    geo = OneCity()
    known = senders(geo)
    assert known.of("81.2.69.160", b"").place == LONDON
    geo.place_now = NOWHERE
    assert known.of("81.2.69.160", b"").place == LONDON, "the databases are as they were"
    geo.version += 1
    assert known.of("81.2.69.160", b"").place == NOWHERE
