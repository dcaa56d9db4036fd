"""The doorway: the listening socket in the fast lane's epoll set, and who is let in.

Owns:       the listening socket.
Inputs:     `accept()` when the reactor finds it ready; `tick()` from the deadline wheel.
Outputs:    connected, non-blocking sockets.
Invariants: I1 never more than `connections_max` connections are let in; the next one is told so and closed; I2 out of
            descriptors, the doorway rests for a second: a level-triggered listener would spin otherwise.
Failure:    what goes wrong with one newcomer is that newcomer's; a lack of descriptors is reported.
Shutdown:   `close()`.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
from collections.abc import Callable, Iterator
from email.utils import formatdate

from statnive.ingest import answers

ACCEPTS_PER_ROUND = 64
REST_S = 1.0
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Doorway:
    """See the module's contract."""

    def __init__(
        self,
        listener: socket.socket,
        epoll: select.epoll,
        connections_max: int,
        report: Callable[[str, str], None],
        monotonic: Callable[[], float],
    ) -> None:
        self.fd = listener.fileno()
        self.refused = 0
        self._listener = listener
        self._epoll = epoll
        self._connections_max = connections_max
        self._report = report
        self._monotonic = monotonic
        self._open = True
        self._rests_until = 0.0
        epoll.register(self.fd, select.EPOLLIN)

    def accept(self, connections: int) -> Iterator[tuple[socket.socket, str]]:
        """The newcomers of one round, each with its peer's address; `connections` are in already."""
        for number in range(ACCEPTS_PER_ROUND):
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in NO_ROOM:
                    self._rest(error)
                    return
                continue  # the peer gave up between the handshake and here
            if connections + number >= self._connections_max:
                self.turn_away(sock)  # keeps I1
                continue
            sock.setblocking(False)
            peer = address[0].removeprefix("::ffff:") if isinstance(address, tuple) else ""
            yield sock, peer.partition("%")[0]

    def turn_away(self, sock: socket.socket) -> None:
        """No room for a connection: a word about it, without waiting for the request."""
        self.refused += 1
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.send(answers.FULL.wire(formatdate(usegmt=True).encode(), closing=True))
        sock.close()

    def _rest(self, error: OSError) -> None:
        self._epoll.unregister(self.fd)
        self._rests_until = self._monotonic() + REST_S  # keeps I2
        self._report("accept_paused", f"no more connections can be opened: {error.strerror}")

    def tick(self, now: float) -> None:
        """Open again after a rest."""
        if self._open and self._rests_until and now >= self._rests_until:
            self._rests_until = 0.0
            self._epoll.register(self.fd, select.EPOLLIN)

    def close(self) -> None:
        """Let nobody in any more; a second call does nothing."""
        if self._open:
            self._open = False
            if not self._rests_until:
                self._epoll.unregister(self.fd)
            self._listener.close()
