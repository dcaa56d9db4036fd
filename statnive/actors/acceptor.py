"""The acceptor actor: every connection's first owner.

Owns:       the listening sockets, the fast lane (`fast_lane.py`), the slow lane (`slow_lane.py`) and, where a
            certificate is set, the TLS lane (`tls_lane.py`).
Inputs:     connections; durable batches on the acks channel; cancellation to drain.
Outputs:    answers; rows appended to the committer.
Invariants: I1 no event is answered 202 before its batch came back on the acks channel (or its `done` event);
            I2 one connection's failure never touches another.
Failure:    a Fatal or an AssertionError of the lanes ends the process.
Shutdown:   `begin_drain()`: no new connections, idle ones closed, requests in flight answered; `run` returns when
            none is left or the grace is over.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import attrs
import trio

from statnive.actors.ack_times import AckTimes
from statnive.actors.connection import Connection
from statnive.actors.fast_lane import FastLane, Routes
from statnive.actors.slow_lane import SlowLane
from statnive.actors.tls_lane import TlsLane
from statnive.certificates import Certificate
from statnive.config import ServerConfig
from statnive.errors import Busy, ConfigError

DRAIN_GRACE_S = 10.0


@attrs.frozen
class AcceptorParts:
    """What the acceptor works with."""

    config: ServerConfig
    routes: Routes
    app: Callable[..., Any]
    append: Callable[[list[bytes], Any], object]
    acks: trio.MemoryReceiveChannel[list[Any]]
    report: Callable[[str, str], None]
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    ack_times: AckTimes
    slow_only: bool = False
    certificate: Certificate | None = None  # with `server.tls_listen`


class AcceptorHandle:
    """The bound sockets and the lanes; `address` and `tls_address` tell where it listens ("" = no TLS)."""

    def __init__(self, parts: AcceptorParts) -> None:
        self.parts = parts
        self.listener = bind(parts.config.listen, parts.config.backlog)
        self.address = _address_text(self.listener)
        self.slow = SlowLane(parts.app, parts.config, parts.report)
        self.tls: TlsLane | None = None
        self.tls_address = ""
        if parts.certificate is not None:
            try:
                secured = bind(parts.config.tls_listen, parts.config.backlog, key="server.tls_listen")
            except BaseException:
                self.listener.close()
                raise
            self.tls = TlsLane(secured, parts.certificate, parts.app, parts.config, parts.report)
            self.tls_address = _address_text(secured)
        self.drain_begun = trio.Event()
        self.drained = trio.Event()
        self._nursery: trio.Nursery | None = None
        self.fast = FastLane(
            self.listener,
            parts.config,
            parts.routes,
            parts.append,
            self._hand_over,
            parts.report,
            clock=parts.clock,
            monotonic=parts.monotonic,
            ack_times=parts.ack_times,
            slow_only=parts.slow_only,
        )

    def attach(self, nursery: trio.Nursery) -> None:
        """Where the tasks of handed-over connections run."""
        self._nursery = nursery

    def _hand_over(self, sock: socket.socket, already_read: bytes) -> None:
        assert self._nursery is not None, "a connection was handed over before the acceptor ran"
        if self.slow.connections >= self.parts.config.slow_connections_max:
            self.fast.doorway.turn_away(sock)
            return
        self.slow.hand_over(self._nursery, sock, already_read)

    def begin_drain(self) -> None:
        """Stop taking connections and let `run` come to its end."""
        self.drain_begun.set()

    def close(self) -> None:
        """Close the listening sockets; a second call does nothing."""
        self.listener.close()
        if self.tls is not None:
            self.tls.listener.close()

    def stats(self) -> dict[str, float]:
        fast, slow = self.fast, self.slow
        return {
            **(self.tls.stats() if self.tls is not None else {}),
            "acceptor_connections": fast.connections,
            "acceptor_slow_connections": slow.connections,
            "acceptor_requests_total": fast.requests,
            "acceptor_fast_events_total": fast.events_requests,
            "acceptor_handed_over_total": fast.handed_over,
            "acceptor_refused_connections_total": fast.doorway.refused,
            "acceptor_deadlines_total": fast.deadlines_hit,
            "acceptor_congested_total": fast.congestion.refused,
            "acceptor_queue_seconds": round(fast.congestion.delay_s, 4),
        }


async def run(
    handle: AcceptorHandle, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve until drained. Cancelling closes every connection without an answer."""
    try:
        async with trio.open_nursery() as nursery:
            handle.attach(nursery)
            await nursery.start(handle.fast.run)
            nursery.start_soon(handle.fast.run_deadlines)
            nursery.start_soon(_answer, handle.parts.acks, handle.fast)
            if handle.tls is not None:
                await nursery.start(handle.tls.run)
            task_status.started()
            await handle.drain_begun.wait()
            await _drain(handle)
            nursery.cancel_scope.cancel()
    finally:
        handle.fast.close_all()
        handle.drained.set()


async def _answer(acks: trio.MemoryReceiveChannel[list[Any]], fast: FastLane) -> None:
    """Batches that are durable, to the connections that wait for them."""
    with acks:
        async for waiters in acks:
            await fast.answer_durable([w for w in waiters if isinstance(w, Connection)])


async def _drain(handle: AcceptorHandle) -> None:
    handle.fast.stop_accepting()
    if handle.tls is not None:
        handle.tls.stop_accepting()
    with trio.move_on_after(DRAIN_GRACE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(handle.slow.drain, DRAIN_GRACE_S)
            if handle.tls is not None:
                nursery.start_soon(handle.tls.drain, DRAIN_GRACE_S)
            while handle.fast.waiting:
                await trio.sleep(0.01)
                handle.fast.close_idle()


def bind(listen: str, backlog: int, *, key: str = "server.listen") -> socket.socket:
    """A listening socket for "host:port", "[v6]:port" or ":port", the value of `key`. Raises ConfigError or Busy."""
    host, _, port_text = listen.rpartition(":")
    host = host.strip("[]")
    if not port_text.isdigit() or not 0 <= int(port_text) <= 65_535:
        raise ConfigError(key, listen, "must be host:port with a port from 0 to 65535")
    try:
        found = socket.getaddrinfo(
            host or None, int(port_text), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise ConfigError(key, listen, f"has a host that is unknown ({error.strerror})") from None
    # Without a host the IPv6 wildcard serves IPv4 as well.
    family, kind, protocol, _, address = max(found, key=lambda item: item[0]) if not host else found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if host else 0)
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise Busy(f"{listen} is in use by another process; stop it or choose another {key}") from None
        raise ConfigError(key, listen, f"can't be listened on ({error.strerror})") from None
    sock.setblocking(False)
    return sock


def _address_text(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
