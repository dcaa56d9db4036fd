"""Client addresses for X-Forwarded-For: distinct ones, an IPv6 client by its /64."""

from __future__ import annotations

import ipaddress
from random import Random
from typing import Final

from chaos.load.settings import AddressKind
from statnive.errors import Rejected

# RFC 2544 (benchmarks) and RFC 3849 (documentation): nobody's.
BENCHMARK_NETWORKS: Final = ("198.18.0.0/15", "2001:db8::/32")

# From MaxMind's public test databases (GeoLite2-City-Test, GeoLite2-ASN-Test; Apache-2.0 or MIT): AS numbers
# that the default list of mobile carriers holds.
CARRIER_NETWORKS: Final = (
    "1.128.0.0/11",  # AS1221 Telstra
    "31.224.0.0/11",  # AS3320 Deutsche Telekom
    "70.192.0.0/11",  # AS6167 Verizon Wireless
    "77.128.0.0/11",  # AS15557 SFR
    "126.0.0.0/8",  # AS17676 SoftBank
    "2a02:3000::/23",  # AS6805 Telefonica Germany
)
GEO_NETWORKS: Final = (
    "81.2.69.160/27",  # GB, London
    "89.160.20.128/25",  # SE, Linkoping
    "175.16.199.0/24",  # CN, Changchun
    "202.196.224.0/20",  # PH
    "214.78.0.0/19",  # US, San Diego
    "2001:218::/32",  # JP
    "2001:220::/32",  # KR
    "2a02:d180::/29",  # DE
    "2a02:d300::/29",  # UA
    "2a02:d5c0::/29",  # ES
    "2a02:e000::/29",  # FR
    "67.160.0.0/11",  # AS7922 Comcast, no city
    *CARRIER_NETWORKS,
)
_NETWORKS: Final = {
    AddressKind.BENCHMARK: BENCHMARK_NETWORKS,
    AddressKind.GEO: GEO_NETWORKS,
    AddressKind.CARRIERS: CARRIER_NETWORKS,
}


def client_addresses(kind: AddressKind, count: int, seed: int) -> list[bytes]:
    """`count` distinct clients, spread over the kind's networks as evenly as their sizes allow, shuffled.

    Raises Rejected where the networks hold fewer. AddressKind.NONE gives empty texts.
    """
    if kind is AddressKind.NONE:
        return [b""] * count
    networks = sorted(map(ipaddress.ip_network, _NETWORKS[kind]), key=_clients)
    if count > sum(map(_clients, networks)):
        raise Rejected("addresses", f"is {count}, the {kind} networks hold {sum(map(_clients, networks))}")
    texts: list[bytes] = []
    for index, network in enumerate(networks):
        share = min(_clients(network), -(-(count - len(texts)) // (len(networks) - index)))
        texts += _texts(network, share)
    Random(seed).shuffle(texts)
    return texts


def _clients(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> int:
    return 1 << (32 if network.version == 4 else 64) - network.prefixlen


def _texts(network: ipaddress.IPv4Network | ipaddress.IPv6Network, count: int) -> list[bytes]:
    base, step = int(network.network_address), _clients(network) // count if count else 1
    if isinstance(network, ipaddress.IPv4Network):
        return [str(ipaddress.IPv4Address(base + i * step)).encode() for i in range(count)]
    return [str(ipaddress.IPv6Address(base + (i * step << 64) + 1 + i % 9)).encode() for i in range(count)]
