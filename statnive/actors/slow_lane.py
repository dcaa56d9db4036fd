"""The slow lane: one connection at a time into hypercorn's trio server, behind a bulkhead.

hypercorn speaks what the fast lane does not (HTTP/2, chunked bodies, the dashboard and the API). Known of hypercorn
0.18 on trio, by experiment: an exception that escapes one connection ends the server; a body that is not read wedges
the connection; a send to a client that never reads is shielded and never ends; its read timeout runs whatever the
connection is doing, and once it has struck nobody reads any more, yet the socket stays open. Hence the guards here
and in `protocols.py`.
"""

from __future__ import annotations

import math
import socket
import ssl
from collections.abc import Callable
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState, LifespanState

from statnive.actors.protocols import Server
from statnive.config import ServerConfig

CONNECTION_LIFE_S = 3_600.0
# What a request may send, head and body: no public route reads more than 64 KiB.
REQUEST_BYTES_MAX = 262_144


class ReplayedStream(trio.abc.HalfCloseableStream):
    """A socket stream that first gives back what the fast lane had already read, and whose sends have a deadline."""

    def __init__(self, sock: trio.socket.SocketType, already_read: bytes, send_deadline_s: float) -> None:
        self.socket = sock
        self._stream = trio.SocketStream(sock)
        self._already_read = already_read
        self._send_deadline_s = send_deadline_s

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._already_read:
            await trio.lowlevel.checkpoint()
            size = max_bytes or len(self._already_read)
            data, self._already_read = self._already_read[:size], self._already_read[size:]
            return data
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with trio.move_on_after(self._send_deadline_s) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            self.socket.close()
            raise trio.BrokenResourceError("the client did not read its answer in time")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


class SlowLane:
    """`hand_over(sock, already_read)` starts one connection's task in the nursery given."""

    def __init__(
        self,
        app: Callable[..., Any],
        config: ServerConfig,
        report: Callable[[str, str], None],
        *,
        request_bytes_max: int = REQUEST_BYTES_MAX,
    ) -> None:
        self._request_bytes_max = request_bytes_max
        self._report = report
        self._config = config
        self._hypercorn = _hypercorn_config(config)
        self._app = ASGIWrapper(app)
        self._context = WorkerContext(None)
        self._streams: set[ReplayedStream] = set()
        self._ended = trio.Event()  # replaced whenever a connection ends
        self.connections_total = 0
        self.handshakes = 0  # going on
        self.handshakes_failed = 0

    @property
    def connections(self) -> int:
        return len(self._streams)

    def hand_over(self, nursery: trio.Nursery, sock: socket.socket, already_read: bytes) -> None:
        """Take the connection; from here on it belongs to the slow lane."""
        self.connections_total += 1
        nursery.start_soon(self._serve, trio.socket.from_stdlib_socket(sock), already_read)

    def hand_over_tls(
        self, nursery: trio.Nursery, sock: trio.socket.SocketType, context: ssl.SSLContext
    ) -> None:
        """Take a connection that begins with a TLS handshake."""
        self.connections_total += 1
        nursery.start_soon(self._serve, sock, b"", context)

    async def serve_listener(self, listener: trio.SocketListener) -> None:
        """Accept on a listener of its own (the control socket) until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                stream = await listener.accept()
                nursery.start_soon(self._serve, stream.socket, b"")

    async def _serve(
        self, sock: trio.socket.SocketType, already_read: bytes, context: ssl.SSLContext | None = None
    ) -> None:
        """One connection, to its end. Its failures stay here; cancelling closes it."""
        stream = served = None
        try:
            stream = ReplayedStream(sock, already_read, self._config.answer_deadline_s)
            self._streams.add(stream)
            served = stream if context is None else await self._handshake(stream, context)
            if served is None:
                return
            state = ConnectionState(LifespanState({}))
            with trio.move_on_after(CONNECTION_LIFE_S):
                await Server(
                    self._app, self._hypercorn, self._context, state, served,
                    self._request_bytes_max, self._config.answer_deadline_s,
                )  # fmt: skip
        except (Exception, BaseExceptionGroup) as error:
            # The bulkhead. A cancellation passes through, and so does what ends the process.
            _, fatal = error.split(Exception) if isinstance(error, BaseExceptionGroup) else (None, None)
            if fatal is not None:
                raise fatal from None
            if not isinstance(error, OSError):
                self._report("slow_lane_failed", f"a connection failed: {type(error).__name__}")
        finally:
            if stream is not None:
                self._streams.discard(stream)
                self._ended.set()
                self._ended = trio.Event()
            sock.close()

    async def _handshake(
        self, stream: ReplayedStream, context: ssl.SSLContext
    ) -> trio.SSLStream[ReplayedStream] | None:
        """The TLS stream once its handshake is done, None when it failed or took too long."""
        # Without `https_compatible` an end of the connection would wait for the client's word.
        secured = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        self.handshakes += 1
        try:
            with trio.fail_after(self._config.request_deadline_s):
                await secured.do_handshake()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            self.handshakes_failed += 1
            return None
        finally:
            self.handshakes -= 1
        return secured

    async def drain(self, grace_s: float) -> None:
        """Let requests in flight end, idle connections close at once; past the grace close every socket."""
        await self._context.terminated.set()
        with trio.move_on_after(grace_s):
            while self._streams:
                await self._ended.wait()
        for stream in list(self._streams):
            stream.socket.close()


def _hypercorn_config(config: ServerConfig) -> HypercornConfig:
    hypercorn = HypercornConfig()
    hypercorn.include_server_header = False
    hypercorn.h11_max_incomplete_size = config.header_bytes_max
    hypercorn.read_timeout = config.request_deadline_s  # type: ignore[assignment]
    hypercorn.keep_alive_timeout = config.idle_deadline_s
    hypercorn.max_app_queue_size = math.inf  # type: ignore[assignment]
    hypercorn.accesslog = None  # it writes addresses
    hypercorn.errorlog = None
    hypercorn.h2_max_concurrent_streams = 100
    hypercorn.h2_max_header_list_size = config.header_bytes_max
    hypercorn.keep_alive_max_requests = 1_000
    return hypercorn
