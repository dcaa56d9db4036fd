"""hypercorn's HTTP/1.1 and HTTP/2 as the slow and the TLS lane use them: without what only an attacker asks for.

Taken away: the upgrade to HTTP/2 without TLS (a client behind a proxy could tunnel past the proxy's rules with it) and
WebSockets, which statnive has no use for; both headers are ignored, as RFC 9110 §7.8 allows.
Bounded: what is read at once (a flood of tiny frames is parsed in one go, and must not hold up the event loop), what a
request may send, and the frames of HTTP/2 that ask for work and for no answer: resets (CVE-2023-44487), settings
(CVE-2019-9515), pings (CVE-2019-9512), priorities (CVE-2019-9513), empty data (CVE-2019-9518). Who sends more is told
ENHANCE_YOUR_CALM and closed.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final, NamedTuple, cast

import h2.errors
import h2.events
import h2.exceptions
import h11
import trio
from h2.stream import StreamState
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H2ProtocolAssumedError, H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import parse_socket_addr

# In a head: a folded line, an LF without its CR, a CR without its LF, a NUL.
_BENT: Final = re.compile(rb"\n[ \t]|(?<!\r)\n|\r(?!\n|$)|\x00")
READ_BYTES: Final = 8_192
RESETS_MAX: Final = 100  # of streams, by the client, on one connection; a browser cancels a few
FRAMES_MAX: Final = 1_000  # of the other kinds, beyond FRAMES_PER_REQUEST
FRAMES_PER_REQUEST: Final = 20
_ASKS_FOR_WORK: Final = (
    h2.events.PingReceived,
    h2.events.RemoteSettingsChanged,
    h2.events.SettingsAcknowledged,
    h2.events.PriorityUpdated,
    h2.events.WindowUpdated,
    h2.events.UnknownFrameReceived,
)


class GuardedH11(H11Protocol):
    """HTTP/1.1 that never turns into another protocol, but for HTTP/2 with prior knowledge, and reads as proxies do.

    h11 takes folded lines, a bare LF and a blank line of LF alone, as RFC 9112 allows; a proxy in front that doesn't
    would see another request than we do. The fast lane's parser refuses such a head, and so does this. A chunked body
    is the last thing on its connection: where it ends for h11, what follows is never read as a request.
    """

    async def handle(self, event: Event) -> None:
        if isinstance(event, RawData) and self.connection.their_state is h11.IDLE:
            head, ended, _ = (self.connection.trailing_data[0] + event.data).partition(b"\r\n\r\n")
            if _BENT.search(head if ended else head[:-3]):
                await self._send_error_response(400)
                await self.send(Closed())
                return
        await super().handle(event)

    async def _check_protocol(self, event: Any) -> None:
        if event.method == b"PRI" and event.target == b"*" and event.http_version == b"2.0":
            raise H2ProtocolAssumedError(b"PRI * HTTP/2.0\r\n\r\n" + self.connection.trailing_data[0])

    async def _create_stream(self, request: Any) -> None:
        # hypercorn reads `Upgrade: websocket` off the headers here; without the header it is a request like others.
        kept = [(name, value) for name, value in request.headers if name != b"upgrade"]
        if any(name == b"transfer-encoding" for name, _ in kept):
            self.keep_alive_requests = (
                self.config.keep_alive_max_requests
            )  # its answer says `Connection: close`
        plain = _Plain(request.method, request.target, request.http_version, kept)
        await super()._create_stream(cast(h11.Request, plain))


class _Plain(NamedTuple):
    """What hypercorn reads of an h11.Request, with other headers: h11's own can't be changed."""

    method: bytes
    target: bytes
    http_version: bytes
    headers: list[tuple[bytes, bytes]]


class GuardedH2(H2Protocol):
    """HTTP/2 with a budget for frames that ask for work and for no answer, and a deadline for reading what was asked.

    A client that opens no window is sent nothing, so that no send would ever be late: `_watch` sees that an answer
    waits and nothing moves (CVE-2019-9517).
    """

    def __init__(self, *arguments: Any, stall_s: float) -> None:
        super().__init__(*arguments)
        self._requests = self._resets = self._frames = 0
        self._stall_s = stall_s
        self._moved_at = trio.current_time()
        self._over = trio.Event()

    async def initiate(self, *arguments: Any) -> None:
        await super().initiate(*arguments)
        self.task_group.spawn(self._watch)

    async def handle(self, event: Event) -> None:
        await super().handle(event)
        if isinstance(event, Closed):
            self._over.set()
            # Else an app that waits for its answer to be taken waits for ever, and its connection's place with it.
            for buffer in list(self.stream_buffers.values()):
                await buffer.close()

    async def _send_data(self, stream_id: int) -> None:
        buffer = self.stream_buffers.get(stream_id)
        before = len(buffer.buffer) if buffer is not None else 0
        await super()._send_data(stream_id)
        if buffer is None or len(buffer.buffer) < before:
            self._moved_at = trio.current_time()

    async def _watch(self) -> None:
        """Close the connection once an answer has waited for so long without a byte of any going out."""
        while not self._over.is_set():
            with trio.move_on_after(self._stall_s / 4):
                await self._over.wait()
            if not any(buffer.buffer for buffer in self.stream_buffers.values()):
                self._moved_at = trio.current_time()
            elif trio.current_time() - self._moved_at > self._stall_s and not self._over.is_set():
                await self.send(Closed())
                return

    async def _handle_events(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                self._requests += 1
            elif isinstance(event, h2.events.StreamReset):
                self._resets += 1
            elif isinstance(event, _ASKS_FOR_WORK) or (
                isinstance(event, h2.events.DataReceived) and not event.data
            ):
                self._frames += 1
        if (
            self._resets > RESETS_MAX
            or self._frames > FRAMES_MAX + FRAMES_PER_REQUEST * self._requests
            or any(_is_odd(event) for event in events)
        ):
            try:
                self.connection.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
                await self._flush()
            except h2.exceptions.ProtocolError:
                pass  # it is closed already
            await self.send(Closed())
            return
        for event in events:
            try:
                await super()._handle_events([event])
            except KeyError:
                # Data of a stream that was answered and closed meanwhile: dropped, and its window given back.
                if not isinstance(event, h2.events.DataReceived):
                    raise
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)


def _is_odd(event: Any) -> bool:
    """A request that hypercorn can't take apart: CONNECT (there is nothing to connect to), or one that is no ASCII."""
    if not isinstance(event, h2.events.RequestReceived):
        return False
    told = dict(event.headers)
    method, path = told.get(b":method", b""), told.get(b":path", b"")
    return method == b"CONNECT" or not method.isascii() or not path.isascii() or not path


class _Protocols(ProtocolWrapper):
    def __init__(self, *arguments: Any, stall_s: float) -> None:
        super().__init__(*arguments)
        self._stall_s = stall_s
        app, config, context, task_group, state, is_tls, client, server, send, _ = arguments
        self._parts = (app, config, context, task_group, state, is_tls, client, server, send)
        is_h2 = isinstance(self.protocol, H2Protocol)
        self.protocol = GuardedH2(*self._parts, stall_s=stall_s) if is_h2 else GuardedH11(*self._parts)

    async def handle(self, event: Event) -> None:
        try:
            await self.protocol.handle(event)
        except H2ProtocolAssumedError as assumed:
            self.protocol = GuardedH2(*self._parts, stall_s=self._stall_s)
            await self.protocol.initiate()
            if assumed.data:
                await self.protocol.handle(RawData(data=assumed.data))


class Server(TCPServer):
    """One connection, `await`ed to its end, with a reader of our own. Its TLS handshake, if any, is done.

    hypercorn gives every read `read_timeout`. That cut off connections which were merely kept alive, and answers that
    took longer than a request may. Here a read has a deadline only while a request is incomplete; between requests
    hypercorn's idle task closes, and while an answer is made the client may be silent.
    """

    over = False  # nothing is read any more

    def __init__(
        self,
        app: AppWrapper,
        config: Any,
        context: Any,
        state: Any,
        stream: Any,
        request_bytes_max: int,
        answer_deadline_s: float,
    ) -> None:
        super().__init__(app, config, context, state, stream)
        self._request_bytes_max = request_bytes_max
        self._answer_deadline_s = answer_deadline_s
        self._bytes = 0  # since the last request began

    async def run(self) -> None:
        """As TCPServer.run, with our protocols."""
        secured = isinstance(self.stream, trio.SSLStream)
        socket = self.stream.transport_stream.socket if secured else self.stream.socket
        alpn = self.stream.selected_alpn_protocol() if secured else "http/1.1"
        try:
            client = parse_socket_addr(socket.family, socket.getpeername())
            server = parse_socket_addr(socket.family, socket.getsockname())
            async with TaskGroup() as self._task_group:
                state = ConnectionState(self.state)
                self.protocol = _Protocols(
                    self.app, self.config, self.context, self._task_group, state,
                    secured, client, server, self.protocol_send, alpn, stall_s=self._answer_deadline_s,
                )  # fmt: skip
                await self.protocol.initiate()
                await self.idle_task.restart(self._task_group, self._idle_timeout)
                await self._read_data()
        except OSError:
            pass
        finally:
            await self._close()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Updated):
            if self.over:
                return  # no idle task for a connection that ends
            self._bytes = 0
        try:
            await super().protocol_send(event)
        except trio.BusyResourceError:  # the connection is being closed by another task
            await self.protocol.handle(Closed())

    async def _read_data(self) -> None:
        """Read until the connection ends, at whichever side. Cancelling leaves the socket to `run`."""
        request_deadline_s = self.config.read_timeout or math.inf
        since: dict[int, float] = {}  # when a request was seen to be incomplete
        while True:
            now = trio.current_time()
            since = {number: since.get(number, now) for number in _incomplete(self.protocol.protocol)}
            try:
                # Of the oldest: a request that drips in byte by byte gets no more time than any other.
                with trio.fail_at(min(since.values(), default=math.inf) + request_deadline_s):
                    data = await self.stream.receive_some(READ_BYTES)
            except (trio.ClosedResourceError, trio.BrokenResourceError, trio.TooSlowError):
                break
            self._bytes += len(data)
            if self._bytes > self._request_bytes_max:
                break
            await self.protocol.handle(RawData(bytes(data)))
            if not data:
                break
        self.over = True
        await self.protocol.handle(Closed())
        # Else the idle task would hold the socket open, with nobody to read it, until the idle deadline.
        await self.idle_task.stop()


def _incomplete(protocol: H11Protocol | H2Protocol) -> set[int]:
    """The requests of which the client owes the rest of a head or of a body, by a number of their own."""
    if isinstance(protocol, H2Protocol):
        # A head in several frames has the idle deadline: h2 doesn't tell that it waits for one.
        known = protocol.connection.streams
        owed = (StreamState.OPEN, StreamState.HALF_CLOSED_LOCAL)
        return {i for i in protocol.streams if i in known and known[i].state_machine.state in owed}
    their_state = protocol.connection.their_state
    half_a_head = their_state is h11.IDLE and bool(protocol.connection.trailing_data[0])
    return {protocol.keep_alive_requests} if their_state is h11.SEND_BODY or half_a_head else set()
