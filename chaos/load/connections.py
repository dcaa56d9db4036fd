"""The generator's connections: opened without blocking, kept alive or one for each request."""

from __future__ import annotations

import errno
import itertools
import select
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Final

from chaos.load.target import Target

IP_BIND_ADDRESS_NO_PORT: Final = 24
# Loopback is a /8: with one source address a new connection for each request runs out of ports (28,000) at
# once.
SOURCE_ADDRESSES: Final = tuple(f"127.0.{third}.{last}" for third in range(1, 3) for last in range(1, 65))
STARTED: Final = (0, errno.EINPROGRESS)
_RESET: Final = struct.pack("ii", 1, 0)  # linger for no time
_NON_BLOCKING_STREAM: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK


class Connection:
    """One TCP connection and the numbers of the requests on it that have no answer yet, oldest first."""

    __slots__ = ("alive", "buffer", "connecting", "fd", "flight", "recv", "send", "since", "socket", "unsent")

    def __init__(self, sock: socket.SocketType, now: float) -> None:
        self.socket = sock
        self.fd = sock.fileno()
        self.send: Callable[[bytes], int] = sock.send
        self.recv: Callable[[int], bytes] = sock.recv
        self.flight: deque[int] = deque()
        self.buffer = b""  # the start of an answer that is not whole yet
        self.unsent = b""  # the end of a request that the kernel had no room for
        self.connecting = True
        self.alive = True
        self.since = now  # of the last answer, or of the opening


class Connections:
    """All connections of a process: `by_fd` for the epoll loop, `free` for who may take a request."""

    def __init__(self, target: Target, credit: int) -> None:
        self.epoll = select.epoll()
        self.by_fd: dict[int, Connection] = {}
        self.free: deque[Connection] = deque()
        self._address = (target.address, target.port)
        self._family = target.family
        self._credit = credit
        bind = target.is_loopback and target.family == socket.AF_INET
        self._sources = itertools.cycle(SOURCE_ADDRESSES if bind else ("",))

    def __len__(self) -> int:
        return len(self.by_fd)

    def open(self, now: float, mask: int) -> Connection | None:
        """A connection under way, watched for `mask`; None when it was refused at once."""
        # socket.socket() costs three microseconds more than the type beneath it.
        sock = socket.SocketType(self._family, _NON_BLOCKING_STREAM)
        source = next(self._sources)
        if source:
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
        if sock.connect_ex(self._address) not in STARTED:
            sock.close()
            return None
        connection = Connection(sock, now)
        self.by_fd[connection.fd] = connection
        self.epoll.register(connection.fd, mask)
        return connection

    def establish(self, connection: Connection) -> bool:
        """To be called when a kept-alive connection becomes writable: True when it may take requests."""
        if connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return False
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connecting = False
        self.epoll.modify(connection.fd, select.EPOLLIN)
        self.free.extend([connection] * self._credit)
        return True

    def drop(self, connection: Connection) -> None:
        """Close it; its entries in `free` are skipped by their `alive`."""
        if connection.alive:
            connection.alive = False
            del self.by_fd[connection.fd]
            connection.socket.close()

    def abort(self, connection: Connection) -> None:
        """Reset it: who gives up takes nothing more, and says so to whatever still comes."""
        if connection.alive:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.drop(connection)

    def close(self) -> None:
        for connection in list(self.by_fd.values()):
            self.drop(connection)
        self.free.clear()
        self.epoll.close()
