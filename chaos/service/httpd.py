"""HTTP/1.1 on trio by h11, for ports that only this machine's tests see.

Owns:       the listening socket and its connections, one task each.
Inputs:     a handler, called with each whole request.
Outputs:    its answers; for None the connection is closed without one.
Invariants: I1 a connection's requests are handled one after another; I2 a client that goes away ends its
            connection and nothing else; I3 what a client sends is bounded in bytes, and in time while it is
            waited for.
Failure:    a handler's exception ends the process: nothing here is expected to fail.
Shutdown:   `stop()`: no new connections, idle ones are closed, requests under way have `drain_s` seconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import attrs
import h11
import trio

RECV_BYTES: Final = 256 * 1024
HEAD_BYTES_MAX: Final = 1024 * 1024 + 64 * 1024  # ClickHouse takes URLs of 1 MiB

Headers = tuple[tuple[str, str], ...]


@attrs.frozen
class Request:
    """A whole request. `headers` by lower-case name; of a repeated one the last counts."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class Response:
    """An answer. `close` ends the connection after it; `cut` sends half of it and ends the connection."""

    status: int
    headers: Headers = ()
    body: bytes = attrs.field(default=b"", repr=False)
    close: bool = False
    cut: bool = False


Handler = Callable[[Request], Awaitable[Response | None]]


@attrs.frozen
class Limits:
    """`idle_s` bounds the wait for a request, `receive_s` each wait for more of it."""

    body_bytes_max: int = 512 * 1024 * 1024
    idle_s: float = 30
    receive_s: float = 30
    drain_s: float = 10


class Httpd:
    """One port: `listen`, then `run` until `stop`."""

    def __init__(self, handler: Handler, limits: Limits | None = None) -> None:
        self._handler = handler
        self._limits = limits or Limits()
        self._accepting = trio.CancelScope()
        self._idle: set[trio.CancelScope] = set()
        self._stopping = False
        self._listeners: list[trio.SocketListener] = []

    async def listen(self, host: str, port: int) -> int:
        """Take the port (0: a free one) and return it. Raises OSError."""
        self._listeners = await trio.open_tcp_listeners(port, host=host)
        bound: int = self._listeners[0].socket.getsockname()[1]
        return bound

    def stop(self) -> None:
        """Accept nothing more and let `run` return; a second time does nothing."""
        self._stopping = True
        self._accepting.cancel()
        for scope in self._idle:
            scope.cancel()

    async def run(self) -> None:
        """Serve until `stop`. Cancelled: closes everything at once, without the answers under way."""
        assert self._listeners, "listen first"
        async with trio.open_nursery() as connections:
            with self._accepting:
                await trio.serve_listeners(self._serve, self._listeners, handler_nursery=connections)
            connections.cancel_scope.deadline = trio.current_time() + self._limits.drain_s

    async def _serve(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        async with stream:
            try:
                while await self._exchange(connection, stream):
                    connection.start_next_cycle()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # I2

    async def _exchange(self, connection: h11.Connection, stream: trio.SocketStream) -> bool:
        """One request and its answer; False when the connection is at its end."""
        try:
            request = await self._receive(connection, stream)
        except h11.RemoteProtocolError as error:
            refusal = Response(error.error_status_hint, body=f"{error}\n".encode(), close=True)
            return connection.our_state in (h11.IDLE, h11.SEND_RESPONSE) and await _send(
                connection, stream, refusal
            )
        if request is None:
            return False
        response = await self._handler(request)
        if response is None:
            return False
        if self._stopping:
            response = attrs.evolve(response, close=True)
        return await _send(connection, stream, response)

    async def _receive(self, connection: h11.Connection, stream: trio.SocketStream) -> Request | None:
        """The next request, None at the connection's end. Raises RemoteProtocolError."""
        scope = trio.move_on_after(self._limits.idle_s)
        with scope:
            self._idle.add(scope)
            if self._stopping:
                scope.cancel()
            try:
                head = await self._event(connection, stream)
            finally:
                self._idle.discard(scope)
        if scope.cancelled_caught or not isinstance(head, h11.Request):
            return None
        body = bytearray()
        while True:
            with trio.move_on_after(self._limits.receive_s) as waiting:
                event = await self._event(connection, stream)
            if waiting.cancelled_caught:
                raise h11.RemoteProtocolError("the request's body did not come", error_status_hint=408)
            if isinstance(event, h11.EndOfMessage):
                break
            assert isinstance(event, h11.Data)
            body += event.data
            if len(body) > self._limits.body_bytes_max:
                raise h11.RemoteProtocolError("the request's body is too large", error_status_hint=413)
        path, _, query = head.target.decode("ascii").partition("?")
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        return Request(head.method.decode("ascii"), path, query, headers, bytes(body))

    async def _event(self, connection: h11.Connection, stream: trio.SocketStream) -> object:
        while True:
            event = connection.next_event()
            if event is not h11.NEED_DATA:
                return event
            if connection.they_are_waiting_for_100_continue:
                await stream.send_all(
                    _bytes(connection, h11.InformationalResponse(status_code=100, headers=[]))
                )
            connection.receive_data(await stream.receive_some(RECV_BYTES))


async def _send(connection: h11.Connection, stream: trio.SocketStream, response: Response) -> bool:
    """Send an answer; True when the connection may be used again."""
    headers = [*response.headers, *((("Connection", "Close"),) if response.close else ())]
    payload = _bytes(connection, h11.Response(status_code=response.status, headers=headers))
    if response.cut:
        body = response.body[: len(response.body) // 2]
        await stream.send_all(payload + (_bytes(connection, h11.Data(data=body)) if body else b""))
        return False
    if response.body:
        payload += _bytes(connection, h11.Data(data=response.body))
    await stream.send_all(payload + _bytes(connection, h11.EndOfMessage()))
    return connection.our_state is h11.DONE and connection.their_state is h11.DONE


def _bytes(connection: h11.Connection, event: h11.Event) -> bytes:
    data = connection.send(event)
    assert data is not None
    return data
