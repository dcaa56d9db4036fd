"""The client's address behind trusted proxies: X-Forwarded-For walked from the right, believed only from them.

Source: RFC 7239 §8.1 on trust; a name that is no address ends the walk at the last hop that was one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

FORWARDED_BYTES_MAX = 1_024
_TRUST_CACHE_MAX = 10_000
_V4_MAPPED = bytes(10) + b"\xff\xff"


class ClientAddress:
    """`of(peer, forwarded_for)` is the client's address as canonical text; IPv4-mapped IPv6 becomes IPv4."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(text) for text in trusted_proxies]
        self._trust: dict[str, bool] = {}

    def of(self, peer: str, forwarded_for: bytes) -> str:
        if forwarded_for and self.is_trusted(peer):
            return self.forwarded(forwarded_for) or peer
        return peer

    def forwarded(self, forwarded_for: bytes) -> str:
        """The address that a trusted proxy's header gives; "" = none."""
        if len(forwarded_for) > FORWARDED_BYTES_MAX:
            return ""
        if b"," not in forwarded_for:  # one proxy: nearly always, and nobody to trust but it
            return canonical(forwarded_for.decode("latin-1"))
        client = ""
        for hop in reversed(forwarded_for.decode("latin-1").split(",")):
            address = canonical(hop)
            if not address:
                return client
            client = address
            if not self.is_trusted(address):
                return address
        return client

    def is_trusted(self, address: str) -> bool:
        """Whether `address` lies in one of the trusted networks (remembered; bounded)."""
        known = self._trust.get(address)
        if known is None:
            known = _inside(address, self._networks)
            if len(self._trust) >= _TRUST_CACHE_MAX:
                self._trust.clear()
            self._trust[address] = known
        return known


def _inside(address: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed.version == network.version and parsed in network for network in networks)


def canonical(text: str) -> str:
    """`text` as a canonical address, without port, brackets or zone; "" when it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    packed = pack(text.partition("%")[0])
    if not packed:
        return ""
    return inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed)


def pack(text: str) -> bytes:
    """The 4 or 16 bytes of an address; b"" when it is none. IPv4-mapped IPv6 gives 4."""
    try:
        if ":" not in text:
            return inet_pton(AF_INET, text)
        packed = inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        return b""
    return packed[12:] if packed.startswith(_V4_MAPPED) else packed


def network_key(address: str) -> bytes:
    """What identifies a client by its address: all of IPv4, the /64 of IPv6 (hosts change the rest at will)."""
    packed = pack(address)
    return packed if len(packed) == 4 else packed[:8]
