"""The generator's open loop, in this process, against small servers that behave as told."""

from __future__ import annotations

import json
import socket
import threading
import time
from array import array
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import httptools
import pytest
import trio

from chaos.load.compose import composer
from chaos.load.connections import Connection, Connections
from chaos.load.engine import Engine
from chaos.load.ledger import Flag, Header, Ledger
from chaos.load.settings import Settings, Variety
from chaos.load.summary import Process, summarize
from chaos.load.target import parse_target
from chaos.load.variety import Deck

OK = b"HTTP/1.1 202 Accepted\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
STALL_S = 2.0  # longer than a busy machine keeps this process from running
SMALL = Variety(addresses=300, user_agents=20, urls=100, sites=10)


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *headers]
    if status != 204:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@attrs.define
class Request:
    """One request as the server read it."""

    headers: dict[str, str]
    body: Any
    connection: int


@attrs.define(eq=False)
class FakeServer:
    """Reads requests with httptools and does with each what `behave(server, stream, request)` says."""

    behave: Callable[[FakeServer, trio.SocketStream, Request], Awaitable[None]]
    requests: list[Request] = attrs.field(factory=list)
    connections: int = 0
    port: int = 0
    reads_after_s: float = 0.0

    async def serve(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=512)
        if self.reads_after_s:
            listeners[0].socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 2_048)
        self.port = listeners[0].socket.getsockname()[1]
        await trio.serve_listeners(self._connection, listeners, task_status=task_status)

    async def _connection(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        number, ready = self.connections, []
        reader = _Reader(ready)
        parser = httptools.HttpRequestParser(reader)
        reader.parser = parser
        try:
            await trio.sleep(self.reads_after_s)
            while data := await stream.receive_some(65_536):
                parser.feed_data(data)
                while ready:
                    headers, body = ready.pop(0)
                    request = Request(headers, body, number)
                    self.requests.append(request)
                    await self.behave(self, stream, request)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            with trio.CancelScope(shield=True):
                await stream.aclose()


class _Reader:
    def __init__(self, ready: list[tuple[dict[str, str], Any]]) -> None:
        self._ready, self._headers, self._body = ready, {}, b""
        self.parser: httptools.HttpRequestParser

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        assert self.parser.get_method() == b"POST"
        self._ready.append((self._headers, json.loads(self._body)))
        self._headers, self._body = {}, b""


async def say_ok(server: FakeServer, stream: trio.SocketStream, request: Request) -> None:
    await stream.send_all(OK)


@attrs.define
class Offered:
    """A load that is over."""

    ledger: Ledger
    server: FakeServer
    engine: Engine

    def statuses(self) -> list[int]:
        return list(self.ledger.status)

    def events(self) -> list[dict[str, Any]]:
        bodies = [request.body for request in self.server.requests]
        return [event for body in bodies for event in (body if isinstance(body, list) else [body])]


async def offer(
    behave: Callable[[FakeServer, trio.SocketStream, Request], Awaitable[None]] = say_ok,
    *,
    rate: float = 1_000,
    requests: int = 100,
    stop_after_s: float | None = None,
    target: str | None = None,
    reads_after_s: float = 0.0,
    connect_s: float = 60.0,
    **changed: Any,
) -> Offered:
    """Run one stage of the engine in a thread while the server runs here."""
    server = FakeServer(behave, reads_after_s=reads_after_s)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        url = target or f"http://127.0.0.1:{server.port}/api/event"
        options = {"connections": 8, "timeout_s": 60.0, "variety": SMALL, **changed}
        settings = Settings(target=url, run="r1", **options)
        offered = await trio.to_thread.run_sync(
            _run_stage, settings, rate, requests, stop_after_s, server, connect_s
        )
        nursery.cancel_scope.cancel()
    return offered


def _run_stage(
    settings: Settings,
    rate: float,
    requests: int,
    stop_after_s: float | None,
    server: FakeServer,
    connect_s: float,
) -> Offered:
    target = parse_target(settings.target)
    compose = composer(settings, target, Deck(settings.variety, 0, 1))
    engine = Engine(settings, target, settings.connections, compose)
    try:
        engine.connect(connect_s)
        start = time.monotonic()
        header = Header(settings, 0, 0, rate, requests / rate, start, 0.0, 0, 1_000)
        ledger = Ledger.blank(header, array("d", [start + number / rate for number in range(requests)]))
        if stop_after_s is not None:
            threading.Timer(stop_after_s, engine.stop).start()
        engine.run(ledger)
    finally:
        engine.close()
    return Offered(ledger, server, engine)


async def test_each_request_is_sent_once_with_its_own_sequence_number():
    offered = await offer(requests=300)
    assert sorted(int(event["p"]["seq"]) for event in offered.events()) == list(range(1_000, 1_300))
    assert {event["p"]["run"] for event in offered.events()} == {"r1"}
    assert set(offered.statuses()) == {202}
    for due, sent, answered in zip(
        offered.ledger.due, offered.ledger.sent, offered.ledger.answered, strict=True
    ):
        assert due <= sent < answered


async def test_connections_are_kept_alive_and_used_in_turn():
    offered = await offer(requests=80, connections=8)
    assert offered.server.connections == 8
    assert {request.connection for request in offered.server.requests} == set(range(1, 9))


async def test_a_stalled_server_cannot_hide():
    """Closed loop, two late answers; open loop, everything that was due while the server slept is late."""

    async def stall_once(server: FakeServer, stream: trio.SocketStream, request: Request) -> None:
        if len(server.requests) == 20:
            stalled.append(trio.current_time())
        if stalled:
            await trio.sleep_until(stalled[0] + STALL_S)
        await stream.send_all(OK)

    stalled: list[float] = []
    offered = await offer(stall_once, rate=500, requests=250, connections=2)
    summary = summarize([offered.ledger], [Process(0.1, 1.0, 0)])
    late = sum(
        1
        for due, got in zip(offered.ledger.due, offered.ledger.answered, strict=True)
        if got - due > STALL_S / 3
    )
    assert late >= 80
    assert summary.latency_ms["p50"] < summary.latency_ms["p99"]
    assert summary.latency_ms["p99"] >= STALL_S / 2 * 1e3
    assert summary.waited >= 80
    assert summary.lag_ms["max"] < STALL_S * 0.8e3, (
        "waiting for the server is not the generator's own lateness"
    )
    assert any("no free connection" in warning for warning in summary.warnings)


async def test_the_status_of_each_answer_is_kept_with_its_request():
    statuses = [202, 204, 400, 413, 429, 503, 500]

    async def by_seq(server: FakeServer, stream: trio.SocketStream, request: Request) -> None:
        status = statuses[int(request.body["p"]["seq"]) % 7]
        if status == 413:
            await stream.send_all(answer(413, "Connection: close", body=b"too large"))
            await stream.send_eof()
            return
        await stream.send_all(answer(status, body=b"" if status == 204 else b"some text"))

    offered = await offer(by_seq, requests=140)
    assert offered.statuses() == [statuses[(1_000 + number) % 7] for number in range(140)]


async def test_what_the_server_says_it_dropped_is_kept_beside_the_202():
    async def drop_some(server: FakeServer, stream: trio.SocketStream, request: Request) -> None:
        dropped = int(request.body[0]["p"]["seq"]) % 3
        headers = (f"X-Plausible-Dropped: {dropped}",) if dropped else ()
        await stream.send_all(answer(202, *headers, body=b"ok"))

    offered = await offer(drop_some, requests=60, events_per_request=4)
    assert list(offered.ledger.dropped) == [(1_000 + number * 4) % 3 for number in range(60)]
    assert set(offered.statuses()) == {202}


async def test_answers_in_pieces_and_several_at_once_reach_their_requests():
    async def in_pieces(server: FakeServer, stream: trio.SocketStream, request: Request) -> None:
        waiting.setdefault(request.connection, []).append(int(request.body["p"]["seq"]))
        if len(waiting[request.connection]) < 2:
            return
        data = b"".join(answer(202 if seq % 2 else 429, body=b"x") for seq in waiting.pop(request.connection))
        for start in range(0, len(data), 70):
            await stream.send_all(data[start : start + 70])

    waiting: dict[int, list[int]] = {}
    offered = await offer(in_pieces, requests=40, connections=1, pipeline=4)
    assert offered.statuses() == [202 if number % 2 else 429 for number in range(40)]
    assert offered.engine.surplus_answers == 0


async def test_a_request_whose_connection_is_reset_is_unknown_and_the_load_goes_on():
    async def reset_some(server: FakeServer, stream: trio.SocketStream, request: Request) -> None:
        if int(request.body["p"]["seq"]) % 10 == 0:
            stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            stream.socket.close()
            raise trio.BrokenResourceError
        await stream.send_all(OK)

    offered = await offer(reset_some, requests=100)
    assert offered.statuses() == [202 if number % 10 else 0 for number in range(100)]
    assert {flags & Flag.RESET for flags in offered.ledger.flags[::10]} == {Flag.RESET}
    assert all(offered.ledger.sent)
    summary = summarize([offered.ledger], [Process(0.1, 1.0, 0)])
    assert summary.unknown == {"connection ended": 10}


async def test_a_request_without_an_answer_is_given_up_after_its_time_limit():
    async def answer_odd_ones(server: FakeServer, stream: trio.SocketStream, request: Request) -> None:
        if int(request.body["p"]["seq"]) % 2:
            await stream.send_all(OK)

    offered = await offer(answer_odd_ones, rate=200, requests=20, timeout_s=2.0, connections=30)
    assert offered.statuses() == [202 if number % 2 else 0 for number in range(20)]
    assert all(flags & Flag.TIMEOUT for flags in offered.ledger.flags[::2])
    summary = summarize([offered.ledger], [Process(0.1, 1.0, 0)])
    assert summary.unknown == {"timeout": 10}
    assert summary.latency_ms["max"] >= 2_000
    assert "max" in summary.latency_at_least


async def test_an_answer_that_is_not_http_ends_its_connection():
    async def garble(server: FakeServer, stream: trio.SocketStream, request: Request) -> None:
        await stream.send_all(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    offered = await offer(garble, requests=10)
    assert offered.statuses() == [0] * 10
    assert all(flags & Flag.GARBLED for flags in offered.ledger.flags)


async def test_an_answer_that_nobody_asked_for_is_counted_and_gives_no_one_a_status():
    async def say_it_twice(server: FakeServer, stream: trio.SocketStream, request: Request) -> None:
        await stream.send_all(OK + (OK if len(server.requests) == 50 else b""))

    offered = await offer(say_it_twice, requests=50)
    assert offered.engine.surplus_answers == 1
    assert offered.statuses() == [202] * 50


async def test_a_new_connection_for_each_request_when_asked():
    async def answer_and_close(server: FakeServer, stream: trio.SocketStream, request: Request) -> None:
        assert request.headers["connection"] == "close"
        await stream.send_all(answer(202, "Connection: close", body=b"ok"))
        raise trio.BrokenResourceError

    offered = await offer(answer_and_close, requests=150, new_connections=True, connections=50)
    assert offered.server.connections == 150
    assert offered.statuses() == [202] * 150


@pytest.mark.parametrize("new_connections", [True, False])
async def test_what_a_dead_server_never_got_was_never_sent(new_connections):
    offered = await offer(
        target="http://127.0.0.1:9/",
        requests=50,
        new_connections=new_connections,
        backlog_grace_s=0.1,
        connect_s=0.1,
    )
    assert set(offered.ledger.sent) == {0.0}
    assert offered.statuses() == [0] * 50
    summary = summarize([offered.ledger], [Process(0.1, 1.0, 0)])
    assert summary.unsent == {"connection refused" if new_connections else "no free connection": 50}
    assert summary.sent == 0


async def test_ten_events_go_as_an_array_of_one_visitor_on_one_site():
    offered = await offer(requests=30, events_per_request=10)
    for number, request in enumerate(
        sorted(offered.server.requests, key=lambda request: request.body[0]["p"]["seq"])
    ):
        seqs = [int(event["p"]["seq"]) for event in request.body]
        assert seqs == list(range(1_000 + number * 10, 1_010 + number * 10))
        assert len({event["d"] for event in request.body}) == 1
        assert len({event["u"] for event in request.body}) == 10
        assert int(request.headers["content-length"]) <= 8_192


async def test_a_server_that_does_not_read_gets_every_request_whole_once_it_does(monkeypatch):
    resumed = []
    establish, writable = Connections.establish, Engine._writable

    def with_little_room(connections: Connections, connection: Connection) -> bool:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        return establish(connections, connection)

    def noting(engine: Engine, connection: Connection) -> bool:
        resumed.append(len(connection.unsent))
        return writable(engine, connection)

    monkeypatch.setattr(Connections, "establish", with_little_room)
    monkeypatch.setattr(Engine, "_writable", noting)
    offered = await offer(
        rate=2_000, requests=120, events_per_request=10, connections=2, pipeline=60, reads_after_s=1.0
    )
    assert max(resumed) > 0, "the kernel never ran out of room: the test shows nothing"
    assert offered.statuses() == [202] * 120
    assert sorted(int(event["p"]["seq"]) for event in offered.events()) == list(range(1_000, 2_200))


async def test_untagged_events_carry_no_properties():
    offered = await offer(requests=20, tagged=False)
    assert len(offered.events()) == 20
    assert not any("p" in event for event in offered.events())


async def test_stop_ends_the_schedule_and_keeps_what_was_answered():
    offered = await offer(rate=500, requests=5_000, stop_after_s=0.2)
    assert 1 <= len(offered.ledger) < 2_000
    assert set(offered.statuses()) == {202}
    assert len(offered.ledger) == len(offered.server.requests)
