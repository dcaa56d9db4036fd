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

    def resolve(self, peer: str, forwarded_for: bytes) -> tuple[str, bytes]:
        """The client's address, and what identifies it (`network_key`)."""
        if forwarded_for and self.is_trusted(peer):
            # What a proxy on this machine sends, nearly always: one plain address.
            try:
                text = forwarded_for.decode("ascii")
                if b":" not in forwarded_for:
                    return text, inet_pton(AF_INET, text)
                packed = inet_pton(AF_INET6, text)
                if not packed.startswith(_V4_MAPPED):
                    return text, packed[:8]
            except (OSError, ValueError):
                pass
        address = self.of(peer, forwarded_for)
        return address, network_key(address)

    def of(self, peer: str, forwarded_for: bytes) -> str:
        if not forwarded_for or len(forwarded_for) > FORWARDED_BYTES_MAX or not self.is_trusted(peer):
            return peer
        if b"," not in forwarded_for:
            return canonical(forwarded_for.decode("latin-1")) or peer
        client = peer
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
        return inet_pton(AF_INET, text)
    except (OSError, ValueError):
        pass
    try:
        packed = inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        return b""
    return packed[12:] if packed.startswith(_V4_MAPPED) else packed


def network_key(address: str) -> bytes:
    """What identifies a client by its address: all of IPv4, the /64 of IPv6 (hosts change the rest at will)."""
    packed = pack(address)
    return packed if len(packed) == 4 else packed[:8]
