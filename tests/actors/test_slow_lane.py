"""A connection of the slow lane, from its first request to its end. Time is the test's: no real second passes."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import h2.config
import h2.connection
import h2.events
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from statnive.actors.slow_lane import SlowLane
from statnive.config import ServerConfig

REQUEST_S, IDLE_S = 10.0, 75.0  # the deadlines of the configuration below
SILENCE_S = 30.0  # longer than a request may take, shorter than a connection may be idle
CONFIG = ServerConfig(request_deadline_s=REQUEST_S, idle_deadline_s=IDLE_S)
GET = b"GET /quick HTTP/1.1\r\nHost: example.com\r\n\r\n"
SLOW_GET = b"GET /slow HTTP/1.1\r\nHost: example.com\r\n\r\n"


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with the path; "/slow" thinks for a while first."""
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass
    if message["type"] == "http.disconnect":
        return
    if scope["path"] == "/slow":
        await trio.sleep(SILENCE_S)
    body = scope["path"].encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})


@attrs.define
class Client:
    """The client's end, and the lane that serves the other one."""

    lane: SlowLane
    stream: trio.SocketStream
    begun: float = attrs.field(factory=trio.current_time)

    async def ask(self, request: bytes) -> bytes:
        """One HTTP/1.1 answer, its body last; b"" = closed without one."""
        await self.stream.send_all(request)
        return await self.answer()

    async def answer(self) -> bytes:
        said = b""
        while not said.endswith((b"/quick", b"/slow")):
            data = bytes(await self.stream.receive_some())
            if not data:
                break
            said += data
        return said

    async def gone(self) -> float:
        """Waits until the lane has let go of the connection; the seconds since the test began."""
        assert await self.stream.receive_some() == b"", "more was said"
        while self.lane.connections:
            await trio.testing.wait_all_tasks_blocked()
        return trio.current_time() - self.begun


@asynccontextmanager
async def connected(already_read: bytes = b"") -> AsyncIterator[Client]:
    """A connection whose first bytes, if any, the fast lane has read. Unix sockets: what is sent has arrived."""
    reported: list[str] = []
    lane = SlowLane(app, CONFIG, lambda kind, text: reported.append(f"{kind}: {text}"))
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    async with trio.open_nursery() as nursery:
        lane.hand_over(nursery, theirs, already_read)
        async with trio.SocketStream(trio.socket.from_stdlib_socket(ours)) as stream:
            yield Client(lane, stream)
        # Whatever the test did, a client that has gone leaves nothing behind, and not only at the idle deadline.
        with trio.fail_after(1):
            while lane.connections:
                await trio.sleep(0.01)
    assert reported == []


class Http2:
    """As much of an HTTP/2 client as the tests need."""

    def __init__(self) -> None:
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.h2.initiate_connection()

    def request(self, method: str, path: str, *, end: bool = True) -> bytes:
        head = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "example.com")]
        self.h2.send_headers(self.h2.get_next_available_stream_id(), head, end_stream=end)
        return self.h2.data_to_send()

    async def answer(self, stream: trio.SocketStream) -> bytes:
        """The body of the next answer; b"" = closed without one."""
        body = b""
        while data := bytes(await stream.receive_some()):
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    body += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    return body
        return b""


@pytest.mark.parametrize("handed_over", [False, True], ids=["direct", "handed over"])
async def test_a_connection_that_was_silent_is_answered_again(
    autojump_clock: MockClock, handed_over: bool
) -> None:
    async with connected(GET if handed_over else b"") as client:
        first = await (client.answer() if handed_over else client.ask(GET))
        assert first.startswith(b"HTTP/1.1 200")
        assert first.endswith(b"/quick")
        for _ in range(4):  # 120 s in all: each request begins the idle time anew
            await trio.sleep(SILENCE_S)
            assert (await client.ask(GET)).endswith(b"/quick")


@pytest.mark.parametrize("handed_over", [False, True], ids=["direct", "handed over"])
async def test_an_http2_connection_that_was_silent_is_answered_again(
    autojump_clock: MockClock, handed_over: bool
) -> None:
    http2 = Http2()
    first = http2.request("GET", "/quick")
    async with connected(first if handed_over else b"") as client:
        if not handed_over:
            await client.stream.send_all(first)
        assert await http2.answer(client.stream) == b"/quick"
        for _ in range(4):
            await trio.sleep(SILENCE_S)
            await client.stream.send_all(http2.request("GET", "/quick"))
            assert await http2.answer(client.stream) == b"/quick"


async def test_an_answer_may_take_longer_than_a_request(autojump_clock: MockClock) -> None:
    async with connected(SLOW_GET) as client:
        assert (await client.answer()).endswith(b"/slow")
    http2 = Http2()
    async with connected(http2.request("GET", "/slow")) as client:
        assert await http2.answer(client.stream) == b"/slow"


async def test_an_idle_connection_is_closed_at_its_deadline_and_holds_no_slot(
    autojump_clock: MockClock,
) -> None:
    async with connected() as client:
        assert await client.gone() == pytest.approx(IDLE_S, abs=1)
    async with connected(GET) as client:
        await client.answer()
        assert await client.gone() == pytest.approx(IDLE_S, abs=1)
    http2 = Http2()
    async with connected(http2.request("GET", "/quick")) as client:
        await http2.answer(client.stream)
        assert await client.gone() == pytest.approx(IDLE_S, abs=1)


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /quick HTTP/1.1\r\nHo",
        b"POST /quick HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nhalf",
        b"POST /quick HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf",
    ],
    ids=["head", "body", "chunked body"],
)
async def test_a_request_that_stops_half_way_ends_its_connection(
    autojump_clock: MockClock, begun: bytes
) -> None:
    async with connected(begun) as client:
        assert await client.gone() == pytest.approx(REQUEST_S, abs=1)


async def test_an_http2_body_that_stops_half_way_ends_its_connection(autojump_clock: MockClock) -> None:
    http2 = Http2()
    async with connected(http2.request("POST", "/quick", end=False)) as client:
        assert await http2.answer(client.stream) == b""
        assert await client.gone() == pytest.approx(REQUEST_S, abs=1)
