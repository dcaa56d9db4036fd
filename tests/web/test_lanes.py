"""One table of requests through both lanes: same status, same headers, same effect."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import pytest
import trio

from statnive.actors import acceptor, committer
from statnive.actors.acceptor import AcceptorHandle, AcceptorParts
from statnive.actors.ack_times import AckTimes
from statnive.actors.committer import CommitterHandle
from statnive.actors.limiter import LimiterHandle
from statnive.clickhouse.rows import RowEncoder
from statnive.config import IngestConfig, LimiterConfig, ServerConfig, WalConfig
from statnive.control.snapshot import Site, Snapshot, SnapshotHolder
from statnive.event import Row
from statnive.ingest.client_address import ClientAddress
from statnive.ingest.drops import Drops
from statnive.ingest.geo import Geo
from statnive.ingest.local_time import LocalTimes
from statnive.ingest.pipeline import Pipeline, Tools
from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.user_agent import AgentParser
from statnive.ingest.visits import VisitTable
from statnive.wal.fs import RealFileSystem
from statnive.wal.log import Log
from statnive.web.ingest import IngestApp, IngestRoutes

TRACKER = Path(__file__).parents[2] / "tracker" / "dist"
AGENT = (
    b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
EVENT = b'{"n":"pageview","u":"https://example.com/a"}'
PER_CONNECTION = frozenset({b"date", b"connection"})


# Their tables take a while to build and never change.
AGENTS = AgentParser(1_000)
SOURCES = SourceClassifier(cache_entries=1_000)


class FixedSalts:
    def salt(self, site_id: int, day: int) -> bytes:
        return bytes(32)


@attrs.define
class Lane:
    """A real acceptor, committer and log; no ClickHouse, which ingest does not need."""

    handle: AcceptorHandle
    log: Log
    drops: Drops
    pipeline: Pipeline
    port: int
    ack_times: AckTimes

    def rows(self) -> int:
        return self.log.durable_lsn


@asynccontextmanager
async def lane(
    directory: Path,
    *,
    slow_only: bool,
    server: ServerConfig | None = None,
    ingest: IngestConfig | None = None,
) -> AsyncIterator[Lane]:
    server = server or ServerConfig(listen="127.0.0.1:0", request_deadline_s=60, answer_deadline_s=60)
    ingest = ingest or IngestConfig()
    wal = WalConfig(
        segment_bytes=1024 * 1024, size_bytes_max=16 * 1024 * 1024, commit_interval_ms=2, commit_gap_ms=0
    )
    log, _ = Log.open(directory / "wal", config=wal, fs=RealFileSystem(), checkpoint_lsn=0)
    site = Site(1, "example.com", "UTC", frozenset({"example.com"}))
    drops = Drops(lambda: 1_000.0, 100, 100)
    tools = Tools(
        clock=lambda: 1_790_000_000.0,
        sites=SnapshotHolder(Snapshot.of([site])),
        limiter=LimiterHandle(LimiterConfig(), trio.current_time),
        salts=FixedSalts(),
        geo=Geo(None, None),
        agent=AGENTS,
        sources=SOURCES,
        visits=VisitTable(1_800, 1_000),
        drops=drops,
        encode=RowEncoder().encode,
        times=LocalTimes(),
    )
    pipeline = Pipeline(ingest, tools, ClientAddress(server.trusted_proxies))
    routes = IngestRoutes(server, ingest, pipeline, TRACKER)
    send, acks = trio.open_memory_channel[list[Any]](float("inf"))
    writer_told: list[int] = []
    commits = CommitterHandle(log, wal, lambda: 1_790_000_000.0, send, writer_told.append)
    ack_times = AckTimes(trio.current_time)
    parts = AcceptorParts(
        config=server,
        routes=routes,
        app=IngestApp(routes, commits.append, ack_times),
        append=commits.append,
        acks=acks,
        report=lambda kind, text: pytest.fail(f"{kind}: {text}"),
        clock=lambda: 1_790_000_000.0,
        monotonic=trio.current_time,
        ack_times=ack_times,
        slow_only=slow_only,
    )
    handle = AcceptorHandle(parts)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run, commits)
        await nursery.start(acceptor.run, handle)
        yield Lane(handle, log, drops, pipeline, handle.listener.getsockname()[1], ack_times)
        handle.begin_drain()
        await handle.drained.wait()
        commits.close()
    log.close()


class Reply(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    def lasting(self) -> tuple[int, dict[bytes, bytes], bytes]:
        """What must be the same in both lanes: all but the headers that belong to the connection."""
        return self.status, {k: v for k, v in self.headers.items() if k not in PER_CONNECTION}, self.body


async def read_replies(stream: trio.SocketStream, count: int) -> list[Reply]:
    """Up to `count` answers; fewer when the server closes."""
    data, replies = b"", []
    with trio.fail_after(60):
        while len(replies) < count:
            head, found, rest = data.partition(b"\r\n\r\n")
            if found:
                first, *lines = head.split(b"\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(b":") for line in lines)}
                length = int(headers.get(b"content-length", b"0"))
                if len(rest) >= length:
                    reply = Reply(int(first.split()[1]), headers, rest[:length])
                    data = rest[length:]
                    if reply.status != 100:
                        replies.append(reply)
                    continue
            try:
                piece = await stream.receive_some(65_536)
            except trio.BrokenResourceError:
                break
            if not piece:
                break
            data += piece
    return replies


async def ask(port: int, raw: bytes, count: int = 1) -> list[Reply]:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(raw)
        return await read_replies(stream, count)


def post(
    body: bytes,
    *extra: bytes,
    agent: bytes = AGENT,
    path: bytes = b"/api/event",
    version: bytes = b"1.1",
    length: bool = True,
) -> bytes:
    lines = [b"POST " + path + b" HTTP/" + version, b"Host: x", b"User-Agent: " + agent, *extra]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def padded(size: int) -> bytes:
    start = b'{"n":"pageview","u":"https://example.com/a","z":"'
    return start + b"z" * (size - len(start) - 2) + b'"}'


def chunked(body: bytes) -> bytes:
    head = post(b"", b"Transfer-Encoding: chunked", length=False)
    return head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


def plain(method: bytes, path: bytes, *extra: bytes) -> bytes:
    return (
        b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: x", b"User-Agent: " + AGENT, *extra])
        + b"\r\n\r\n"
    )


# name, raw request, status, rows that it must make
TABLE: list[tuple[str, bytes, int, int]] = [
    ("valid", post(EVENT), 202, 1),
    ("valid with a query", post(EVENT, path=b"/api/event?x=1"), 202, 1),
    ("ten events", post(b"[" + b",".join([EVENT] * 10) + b"]"), 202, 10),
    ("eleven events", post(b"[" + b",".join([EVENT] * 11) + b"]"), 400, 0),
    ("malformed JSON", post(b'{"n":"pageview",'), 400, 0),
    ("not JSON", post(b"hello"), 400, 0),
    ("a folded header", post(EVENT, b"X: a\r\n Content-Length: 5"), 400, 0),
    ("a bare LF", post(EVENT, b"X: a\nY: b"), 400, 0),
    ("empty body", post(b""), 400, 0),
    ("no content-length", post(b"", length=False), 400, 0),
    ("missing url", post(b'{"n":"pageview"}'), 400, 0),
    ("unknown site", post(b'{"n":"pageview","u":"https://other.example/"}'), 202, 0),
    ("body of 8191 bytes", post(padded(8_191)), 202, 1),
    ("body of 8192 bytes", post(padded(8_192)), 202, 1),
    ("body of 8193 bytes", post(padded(8_193)), 413, 0),
    ("short user agent", post(EVENT, agent=b"curl/8.5.0"), 204, 0),
    ("two user agents, the last is short", post(EVENT, b"User-Agent: curl/8.5.0"), 204, 0),
    ("two user agents, the last is good", post(EVENT, b"User-Agent: " + AGENT, agent=b"curl/8.5.0"), 202, 1),
    ("address as user agent", post(EVENT, agent=b"2001:db8:0:0:0:0:0:1"), 204, 0),
    ("non-ASCII user agent", post(EVENT, agent="Mozilla/5.0 (Möbel)".encode()), 204, 0),
    ("prefetch", post(EVENT, b"Sec-Purpose: prefetch"), 204, 0),
    ("debug", post(EVENT, b"X-Debug-Request: true"), 200, 0),
    (
        "preflight",
        plain(
            b"OPTIONS", b"/api/event", b"Origin: https://example.com", b"Access-Control-Request-Method: POST"
        ),
        204,
        0,
    ),
    ("chunked", chunked(EVENT), 202, 1),
    ("chunked, too long", chunked(padded(9_000)), 413, 0),
    ("expect: 100-continue", post(EVENT, b"Expect: 100-continue"), 202, 1),
    ("content-length and transfer-encoding", post(EVENT, b"Transfer-Encoding: chunked"), 400, 0),
    ("HTTP/1.0", post(EVENT, version=b"1.0"), 202, 1),
    ("oversized header", post(EVENT, b"X-Long: " + b"x" * 20_000), 431, 0),
    ("broken header", post(EVENT, b"Broken Header Without Colon"), 400, 0),
    ("wrong method GET", plain(b"GET", b"/api/event"), 405, 0),
    ("wrong method PUT", post(EVENT).replace(b"POST", b"PUT", 1), 405, 0),
    ("wrong method on the tracker", plain(b"DELETE", b"/tracker.js"), 405, 0),
    ("tracker", plain(b"GET", b"/tracker.js"), 200, 0),
    ("a variant of the tracker", plain(b"GET", b"/tracker.revenue.hash.js"), 200, 0),
    ("tracker gzipped", plain(b"GET", b"/tracker.js", b"Accept-Encoding: br, gzip"), 200, 0),
    ("tracker unchanged", plain(b"GET", b"/tracker.js", b"If-None-Match: *"), 304, 0),
    ("health", plain(b"GET", b"/healthz"), 200, 0),
]


@pytest.mark.parametrize(
    ("raw", "status", "rows"), [case[1:] for case in TABLE], ids=[case[0] for case in TABLE]
)
async def test_both_lanes_give_the_same_answer_and_have_the_same_effect(
    tmp_path: Path, raw: bytes, status: int, rows: int
) -> None:
    seen = []
    for slow_only in (False, True):
        directory = tmp_path / str(slow_only)
        directory.mkdir()
        async with lane(directory, slow_only=slow_only) as served:
            (reply,) = await ask(served.port, raw)
            seen.append((*reply.lasting(), served.rows(), dict(served.drops.by_reason)))
            assert re.fullmatch(rb"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", reply.headers[b"date"])
    fast, slow = seen
    assert fast == slow
    assert (fast[0], fast[3]) == (status, rows)


BRAVE = b'sec-ch-ua: "Brave";v="141", "Not?A_Brand";v="8", "Chromium";v="141"'
CHROME = b'Sec-CH-UA: "Google Chrome";v="141", "Not?A_Brand";v="8", "Chromium";v="141"'
PLATFORM = (b"sec-ch-ua-mobile: ?0", b'Sec-CH-UA-Platform: "Windows"')


@pytest.mark.parametrize(
    ("headers", "browser", "os_version"),
    [
        ((CHROME, *PLATFORM), "Chrome", ""),
        ((*PLATFORM, BRAVE), "Brave", ""),
        ((CHROME, *PLATFORM, b'sec-ch-ua-platform-version:\t"15.0.0" '), "Chrome", "11"),
        ((BRAVE, CHROME, *PLATFORM), "Chrome", ""),
        ((CHROME, BRAVE, *PLATFORM), "Brave", ""),
        ((b"sec-ch-ua:", *PLATFORM), "Chrome", ""),
        ((b'X-Decoy: sec-ch-ua: "Brave";v="1"', CHROME), "Chrome", ""),
    ],
)
async def test_client_hints_make_the_same_row_in_both_lanes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    headers: tuple[bytes, ...],
    browser: str,
    os_version: str,
) -> None:
    rows: dict[bool, list[Row]] = {False: [], True: []}
    for slow_only in (False, True):
        directory = tmp_path / str(slow_only)
        directory.mkdir()
        async with lane(directory, slow_only=slow_only) as served:
            encode, seen = served.pipeline._encode, rows[slow_only]

            def noting(row: Row, encode: Any = encode, seen: list[Row] = seen) -> bytes:
                seen.append(row)
                return bytes(encode(row))

            monkeypatch.setattr(served.pipeline, "_encode", noting)
            assert (await ask(served.port, post(EVENT, *headers)))[0].status == 202
    (fast,), (slow,) = rows[False], rows[True]
    assert fast._replace(visit_id=0) == slow._replace(visit_id=0)
    assert (fast.browser, fast.os_version) == (browser, os_version)


async def test_pipelined_requests_are_answered_in_their_order(tmp_path: Path) -> None:
    requests = [
        post(EVENT),
        plain(b"GET", b"/healthz"),
        post(b"nope"),
        plain(b"GET", b"/tracker.js"),
        post(EVENT),
    ]
    answers = {}
    for slow_only in (False, True):
        directory = tmp_path / str(slow_only)
        directory.mkdir()
        async with lane(directory, slow_only=slow_only) as served:
            left, got = list(requests), []
            while left:
                # The slow lane ends the connection after an event; a client sends what is unanswered once more.
                replies = await ask(served.port, b"".join(left), len(left))
                assert replies
                got += [reply.lasting() for reply in replies]
                left = left[len(replies) :]
            answers[slow_only] = (got, served.rows(), served.ack_times.stats()["ack_seconds_count"])
    assert answers[False] == answers[True]
    assert [reply[0] for reply in answers[False][0]] == [202, 200, 400, 200, 202]
    assert answers[False][1:] == (2, 2), "two events are in the log, and how long each waited is known"


async def test_a_thousand_pipelined_requests_neither_recurse_nor_lose_order(tmp_path: Path) -> None:
    async with lane(tmp_path, slow_only=False) as served:
        stream = await trio.open_tcp_stream("127.0.0.1", served.port)
        async with stream, trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, plain(b"GET", b"/healthz") * 999 + post(EVENT))
            replies = await read_replies(stream, 1_000)
        assert [reply.status for reply in replies] == [200] * 999 + [202]


async def test_a_connection_is_handed_over_at_any_request_boundary(tmp_path: Path) -> None:
    async with lane(tmp_path, slow_only=False) as served:
        stream = await trio.open_tcp_stream("127.0.0.1", served.port)
        async with stream:
            await stream.send_all(post(EVENT) + chunked(EVENT))
            replies = await read_replies(stream, 2)
        assert [reply.status for reply in replies] == [202, 202]
        assert b"connection" not in replies[0].headers
        assert replies[1].headers[b"connection"] == b"close"
        assert served.handle.fast.handed_over == 1
        assert served.rows() == 2


async def test_http2_is_handed_over_and_answered(tmp_path: Path) -> None:
    import h2.config
    import h2.connection
    import h2.events

    async with lane(tmp_path, slow_only=False) as served:
        client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        client.initiate_connection()
        headers = [
            (":method", "POST"),
            (":path", "/api/event"),
            (":scheme", "http"),
            (":authority", "x"),
            ("user-agent", AGENT.decode()),
        ]
        client.send_headers(1, headers)
        client.send_data(1, EVENT, end_stream=True)
        stream = await trio.open_tcp_stream("127.0.0.1", served.port)
        status = b""
        with trio.fail_after(60):
            async with stream:
                await stream.send_all(client.data_to_send())
                while not status:
                    for event in client.receive_data(bytes(await stream.receive_some(65_536))):
                        if isinstance(event, h2.events.ResponseReceived):
                            status = dict(event.headers)[b":status"]
        assert status in (b"202", "202")
        assert served.rows() == 1


async def test_a_request_in_single_bytes_is_answered(tmp_path: Path) -> None:
    async with lane(tmp_path, slow_only=False) as served:
        stream = await trio.open_tcp_stream("127.0.0.1", served.port)
        async with stream:
            for byte in post(EVENT):
                await stream.send_all(bytes([byte]))
                await trio.lowlevel.checkpoint()
            (reply,) = await read_replies(stream, 1)
        assert reply.status == 202
        assert served.handle.fast.handed_over == 0


@pytest.mark.parametrize("start", [b"", b"POST /api/ev", post(EVENT)[:-5]])
async def test_a_slow_client_costs_a_slot_and_a_deadline_and_nothing_else(
    tmp_path: Path, start: bytes
) -> None:
    server = ServerConfig(listen="127.0.0.1:0", request_deadline_s=1, idle_deadline_s=1)
    async with lane(tmp_path, slow_only=False, server=server) as served:
        stream = await trio.open_tcp_stream("127.0.0.1", served.port)
        async with stream:
            if start:
                await stream.send_all(start)
            (reply,) = await ask(served.port, post(EVENT))  # others are served meanwhile
            assert reply.status == 202
            with trio.fail_after(60):
                assert await stream.receive_some(100) == b""
        assert served.handle.fast.deadlines_hit >= 1


async def test_connections_over_the_limit_are_closed_and_counted(tmp_path: Path) -> None:
    server = ServerConfig(listen="127.0.0.1:0", connections_max=1)
    async with lane(tmp_path, slow_only=False, server=server) as served:
        first = await trio.open_tcp_stream("127.0.0.1", served.port)
        async with first:
            await first.send_all(plain(b"GET", b"/healthz"))
            await read_replies(first, 1)
            (refused,) = await ask(served.port, b"")
            assert refused.status == 503
            assert refused.headers[b"retry-after"] == b"2"
        assert served.handle.fast.doorway.refused == 1


async def test_a_slow_lane_that_is_full_turns_away_and_the_fast_one_goes_on(tmp_path: Path) -> None:
    server = ServerConfig(listen="127.0.0.1:0", slow_connections_max=1)
    async with lane(tmp_path, slow_only=False, server=server) as served:
        first = await trio.open_tcp_stream("127.0.0.1", served.port)
        async with first:
            await first.send_all(chunked(EVENT)[:-5])
            while not served.handle.slow.connections:
                await trio.sleep(0.001)
            (refused,) = await ask(served.port, chunked(EVENT))
            assert refused.status == 503
            assert (await ask(served.port, post(EVENT)))[0].status == 202


@pytest.mark.parametrize("slow_only", [False, True])
async def test_at_the_logs_limit_events_get_503_and_are_counted(tmp_path: Path, slow_only: bool) -> None:
    async with lane(tmp_path, slow_only=slow_only) as served:
        served.log._bytes_used = served.log.bytes_limit
        (reply,) = await ask(served.port, post(EVENT))
        assert reply.status == 503
        assert int(reply.headers[b"retry-after"]) >= 1
        assert served.drops.by_reason == {"overload": 1}
        assert served.rows() == 0


async def test_a_bug_in_the_pipeline_costs_one_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lane(tmp_path, slow_only=False) as served:
        reports: list[str] = []
        monkeypatch.setattr(served.handle.fast, "_report", lambda kind, text: reports.append(kind + text))
        real = served.pipeline.handle

        def broken(head: Any, body: bytes) -> Any:
            if body == b"{}":
                raise KeyError("secret 203.0.113.9")
            return real(head, body)

        monkeypatch.setattr(served.handle.fast._routes, "event", broken)
        assert (await ask(served.port, post(b"{}")))[0].status == 500
        assert (await ask(served.port, post(EVENT)))[0].status == 202
        assert len(reports) == 1
        assert "203.0.113.9" not in reports[0]


async def test_a_peer_that_closes_its_sending_side_still_gets_its_answer(tmp_path: Path) -> None:
    async with lane(tmp_path, slow_only=False) as served:
        stream = await trio.open_tcp_stream("127.0.0.1", served.port)
        async with stream:
            await stream.send_all(post(EVENT) + post(EVENT))
            await stream.send_eof()
            replies = await read_replies(stream, 3)
        assert [reply.status for reply in replies] == [202, 202]


async def test_drain_answers_what_is_in_flight_and_takes_no_more(tmp_path: Path) -> None:
    async with lane(tmp_path, slow_only=False) as served:
        stream = await trio.open_tcp_stream("127.0.0.1", served.port)
        async with stream:
            request = post(EVENT)
            await stream.send_all(request[:-5])
            while not served.handle.fast.waiting:
                await trio.sleep(0.001)
            served.handle.begin_drain()
            with trio.fail_after(60), pytest.raises(OSError, match="."):
                while True:  # until the listener is closed
                    await ask(served.port, post(EVENT))
            await stream.send_all(request[-5:])
            (reply,) = await read_replies(stream, 1)
            assert reply.status == 202
            assert reply.headers[b"connection"] == b"close"


def test_what_was_dropped_is_said_with_its_reason() -> None:
    from statnive.ingest import answers

    answer = answers.accepted({"unknown_site": 2, "malformed": 1})
    assert (b"x-plausible-dropped", b"3") in answer.headers
    assert (b"x-statnive-dropped", b"malformed=1, unknown_site=2") in answer.headers
    assert answer.body == b"ok"


async def test_empty_lines_are_no_request_and_no_bug(tmp_path: Path) -> None:
    async with lane(tmp_path, slow_only=False) as served:
        (reply,) = await ask(served.port, b"\r\n\r\n\r\n")
        assert reply.status == 400


@pytest.mark.parametrize("ending", [b"0\r\n\r\n", b"0\r\n\n"])
async def test_what_follows_a_chunked_body_is_never_a_second_request(tmp_path: Path, ending: bytes) -> None:
    head = post(b"", b"Transfer-Encoding: chunked", length=False)
    whole = head + b"%x\r\n" % len(EVENT) + EVENT + b"\r\n" + ending + plain(b"GET", b"/healthz")
    async with lane(tmp_path, slow_only=False) as served:
        replies = await ask(served.port, whole, 2)
        assert [reply.status for reply in replies] in ([202], [400])
        assert all(reply.headers[b"connection"] == b"close" for reply in replies)
