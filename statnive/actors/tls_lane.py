"""The TLS lane: a port of its own, each connection one task in hypercorn (HTTP/2 by ALPN, else HTTP/1.1).

Owns:       the TLS port's listening socket, and a slow lane for its connections alone: they take none of the plain
            port's places, and the fast lane knows nothing of them.
Inputs:     connections; the certificate's current context.
Outputs:    requests to the ASGI app.
Invariants: I1 never more than `tls_connections_max` connections, nor more than HANDSHAKES_MAX in their handshake: a
            newcomer beyond that is closed at once; I2 a reload of the certificate touches no open connection.
Failure:    what goes wrong with one connection is that connection's; a lack of descriptors is reported, and waited for.
Shutdown:   `stop_accepting()`, then `drain(grace_s)`: requests in flight are answered.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import trio

from statnive.actors.doorway import NO_ROOM, REST_S
from statnive.actors.slow_lane import SlowLane
from statnive.certificates import Certificate
from statnive.config import ServerConfig

HANDSHAKES_MAX = 256


class TlsLane:
    """See the module's contract."""

    def __init__(
        self,
        listener: socket.socket,
        certificate: Certificate,
        app: Callable[..., Any],
        config: ServerConfig,
        report: Callable[[str, str], None],
    ) -> None:
        self.listener = listener
        self.slow = SlowLane(app, config, report)
        self._certificate = certificate
        self._connections_max = config.tls_connections_max
        self._report = report
        self._stopped = trio.Event()
        self.refused = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Accept until cancelled; cancelling closes every connection."""
        listener = trio.socket.from_stdlib_socket(self.listener)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._accept, nursery, listener)
            task_status.started()
            await self._stopped.wait()
            listener.close()
            await trio.sleep_forever()  # the connections' tasks live here until the acceptor is drained

    async def _accept(self, nursery: trio.Nursery, listener: trio.socket.SocketType) -> None:
        while not self._stopped.is_set():
            try:
                sock, _ = await listener.accept()
            except OSError as error:
                if error.errno == errno.EBADF or self._stopped.is_set():
                    return
                if error.errno in NO_ROOM:
                    self._report("accept_paused", f"no more TLS connections can be opened: {error.strerror}")
                    await trio.sleep(REST_S)
                continue  # else the peer gave up between the handshake and here
            if self.slow.connections >= self._connections_max or self.slow.handshakes >= HANDSHAKES_MAX:
                self.refused += 1  # keeps I1
                sock.close()
                continue
            self.slow.hand_over_tls(nursery, sock, self._certificate.context)

    def stop_accepting(self) -> None:
        """No new connections."""
        self._stopped.set()

    async def drain(self, grace_s: float) -> None:
        """Let requests in flight end; past the grace close every socket."""
        await self.slow.drain(grace_s)

    def stats(self) -> dict[str, float]:
        return {
            "tls_connections": self.slow.connections,
            "tls_connections_total": self.slow.connections_total,
            "tls_handshakes_failed_total": self.slow.handshakes_failed,
            "tls_refused_connections_total": self.refused,
        }
