"""A port for a server that is ended and started again on it."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

LOWEST: Final = 10_240
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def unused_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on now and that the kernel gives to no client meanwhile.

    Not one of those that bind() to port 0 gives: while the server is down any connection of this machine may be
    given its port, even one that tries to reach the server, which then reaches itself. Raises OSError.
    """
    first = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    ports = list(range(LOWEST, first)) or list(range(61_000, 65_536))
    random.SystemRandom().shuffle(ports)
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"no port of {host} is free")
