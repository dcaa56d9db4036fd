"""Who sent a request, as far as its connection and X-Forwarded-For tell: one look-up in a bounded cache.

Addresses live in this cache, in memory only. An entry never outlives the databases that it was made from.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Protocol

from statnive.ingest.cached import Cached
from statnive.ingest.client_address import ClientAddress, network_key
from statnive.ingest.geo import Place

CACHED_BYTES_MAX = 64  # one address and some space; chains of proxies are worked out each time


class GeoLookup(Protocol):
    """Country and AS number of an address. `version` changes when answers may."""

    version: int

    def place(self, ip: str) -> Place: ...
    def asn(self, ip: str) -> int: ...


class Sender(NamedTuple):
    """One client of the network."""

    address: str
    network: bytes  # what identifies it: all of IPv4, the /64 of IPv6
    asn: int  # 0 = unknown
    place: Place


class Senders(Cached):
    """`of(peer, forwarded_for)`: the Sender of a request."""

    def __init__(self, addresses: ClientAddress, geo: GeoLookup, cache_entries: int) -> None:
        self._addresses = addresses
        self._geo = geo
        self._version = geo.version
        self._known = lru_cache(cache_entries)(self._look_up)
        self._caches = (self._known,)

    def of(self, peer: str, forwarded_for: bytes) -> Sender:
        """By the address that a trusted peer forwards, else by the peer's own."""
        if self._version != self._geo.version:
            self._version = self._geo.version
            self._known.cache_clear()
        if forwarded_for and self._addresses.is_trusted(peer):
            cached = len(forwarded_for) <= CACHED_BYTES_MAX
            sender = self._known(forwarded_for) if cached else self._look_up(forwarded_for)
            if sender.address:
                return sender
        return self._known(peer)

    def _look_up(self, told: str | bytes) -> Sender:
        """Of a peer's address, or of what a trusted peer sent as X-Forwarded-For."""
        address = told if isinstance(told, str) else self._addresses.forwarded(told)
        return Sender(address, network_key(address), self._geo.asn(address), self._geo.place(address))
