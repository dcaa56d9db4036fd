"""Where a load may go: loopback, or a private address on a virtual link made here. Nowhere else."""

from __future__ import annotations

import array
import fcntl
import ipaddress
import socket
import struct
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from statnive.errors import Rejected

VIRTUAL_DRIVERS: Final = frozenset(("veth", "bridge", "dummy"))
_SIOCETHTOOL: Final = 0x8946
_ETHTOOL_GDRVINFO: Final = 3
_DRVINFO_BYTES: Final = 196
_BENCHMARK: Final = ipaddress.ip_network("198.18.0.0/15")


@attrs.frozen
class Target:
    """A URL taken apart; `address` is literal, so nothing is resolved."""

    address: str
    port: int
    path: str
    netloc: str
    family: int
    is_loopback: bool


def parse_target(url: str) -> Target:
    """Raises Rejected for anything but http on an address of this machine or of namespaces made here."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.query or parts.fragment or parts.username:
        raise Rejected("target", "must be a plain http:// URL")
    host = {"localhost": "127.0.0.1"}.get(parts.hostname or "", parts.hostname or "")
    try:
        address, port = ipaddress.ip_address(host), parts.port or 80
    except ValueError:
        raise Rejected(
            "target", "must name an address and a port, such as http://127.0.0.1:8080/api/event"
        ) from None
    if not address.is_loopback and not _on_virtual_link(address):
        raise Rejected("target", f"{address} is neither loopback nor on a link made on this machine: refused")
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return Target(str(address), port, parts.path or "/", parts.netloc, family, address.is_loopback)


def _on_virtual_link(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether the kernel reaches a private address directly, through a veth, bridge or dummy device."""
    if not isinstance(address, ipaddress.IPv4Address) or not (address.is_private or address in _BENCHMARK):
        return False
    device = link_of(address, Path("/proc/self/net/route").read_text(encoding="ascii"))
    return bool(device) and _driver(device) in VIRTUAL_DRIVERS


def link_of(address: ipaddress.IPv4Address, routes: str) -> str:
    """The device of the most specific route to `address`, "" when there is none or it leads through a
    gateway.

    `routes` is the text of /proc/net/route: hexadecimal columns in the machine's byte order.
    """
    best_mask, best_device = -1, ""
    for line in routes.splitlines()[1:]:
        device, destination, gateway, _, _, _, _, mask, *_ = line.split()
        network, netmask = _host_order(destination), _host_order(mask)
        if int(address) & netmask == network and netmask > best_mask:
            best_mask, best_device = netmask, "" if int(gateway, 16) else device
    return best_device


def _host_order(text: str) -> int:
    return int.from_bytes(struct.pack("=I", int(text, 16)), "big")


def _driver(device: str) -> str:
    """The kernel driver behind a network device, "" when it has none (ethtool's ETHTOOL_GDRVINFO)."""
    info = array.array("B", struct.pack("I", _ETHTOOL_GDRVINFO) + bytes(_DRVINFO_BYTES - 4))
    request = struct.pack("16sP", device.encode("ascii")[:15], info.buffer_info()[0]).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            fcntl.ioctl(control.fileno(), _SIOCETHTOOL, request)
        except OSError:
            return ""
    return info.tobytes()[4:36].split(b"\0", 1)[0].decode("ascii", "replace")
