"""The ingest routes, one set for both lanes: the fast lane calls `IngestRoutes`, hypercorn calls `IngestApp`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import trio

from statnive.actors.ack_times import AckTimes
from statnive.actors.committer import Batch
from statnive.config import IngestConfig, ServerConfig
from statnive.errors import Overloaded
from statnive.ingest import answers
from statnive.ingest.answers import Answer
from statnive.ingest.pipeline import Pipeline, Taken
from statnive.ingest.request import RequestHead
from statnive.web.tracker import TrackerScripts

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

HEALTH_PATH = b"/healthz"
BODY_MESSAGES_MAX = 10_000
DISCARD_S = 2.0


class IngestRoutes:
    """What both lanes serve without hypercorn's help."""

    def __init__(
        self, server: ServerConfig, ingest: IngestConfig, pipeline: Pipeline, tracker_directory: Path
    ) -> None:
        self.event_paths = frozenset(path.encode() for path in server.event_paths)
        self.body_bytes_max = ingest.body_bytes_max
        self.request_deadline_s = server.request_deadline_s
        self._pipeline = pipeline
        self.event = pipeline.handle
        self._tracker = TrackerScripts(tracker_directory, server.tracker_paths)
        self._fast = self.event_paths | {HEALTH_PATH}

    def is_fast(self, path: bytes) -> bool:
        """Whether the path is one of these routes."""
        return path in self._fast or self._tracker.find(path) is not None

    def too_large(self) -> Answer:
        return self._pipeline.too_large()

    def overloaded(self, overload: Overloaded, events: int) -> Answer:
        return self._pipeline.overloaded(overload, events)

    def static(
        self, method: bytes, path: bytes, if_none_match: bytes, accept_encoding: bytes
    ) -> Answer | None:
        """The answer to a request without a body, None for HEAD (the slow lane knows how)."""
        if method == b"HEAD":
            return None
        if path in self.event_paths:
            return answers.PREFLIGHT_OK if method == b"OPTIONS" else answers.WRONG_METHOD
        if method == b"OPTIONS":
            return answers.PREFLIGHT_OK
        if method != b"GET":
            return answers.WRONG_METHOD_STATIC
        if path == HEALTH_PATH:
            return answers.HEALTHY
        script = self._tracker.find(path)
        assert script is not None, "is_fast said that this path is served here"
        return script.choose(if_none_match, accept_encoding)


class IngestApp:
    """The same routes as an ASGI app, for connections that hypercorn serves."""

    def __init__(
        self, routes: IngestRoutes, append: Callable[[list[bytes], None], Batch], ack_times: AckTimes
    ) -> None:
        self._routes = routes
        self._append = append
        self.ack_times = ack_times
        self.events_requests = 0

    def serves(self, path: bytes) -> bool:
        """Whether a path belongs to this app."""
        return self._routes.is_fast(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Cancelling abandons the wait for the commit, not the event."""
        head = RequestHead(peer_of(scope) or "127.0.0.1")
        known: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            head.note(name, value)
            known[name] = value
        method = scope["method"].encode("ascii")
        path = scope["raw_path"]
        if b"transfer-encoding" in known and b"content-length" in known:
            await _answer(scope, receive, send, answers.SMUGGLING, body_left=True)
            return
        if method == b"POST" and path in self._routes.event_paths:
            await self._event(scope, receive, send, head, known.get(b"content-length", b""))
            return
        bare = b"GET" if method == b"HEAD" else method
        answer = self._routes.static(
            bare, path, known.get(b"if-none-match", b""), known.get(b"accept-encoding", b"")
        )
        assert answer is not None, "static routes answer everything but HEAD"
        await _answer(scope, receive, send, answer, body_left=True, head_only=method == b"HEAD")

    async def _event(
        self, scope: Scope, receive: Receive, send: Send, head: RequestHead, content_length: bytes
    ) -> None:
        self.events_requests += 1
        limit = self._routes.body_bytes_max
        too_long = content_length.isdigit() and int(content_length) > limit
        body = None if too_long else await _read_body(receive, limit, self._routes.request_deadline_s)
        if body is None:
            await _answer(scope, receive, send, self._routes.too_large(), body_left=True)
            return
        result = self._routes.event(head, body)
        if isinstance(result, Taken):
            result = await self._commit(result)
        await _answer(scope, receive, send, result, closing=True)

    async def _commit(self, taken: Taken) -> Answer:
        asked_at = self.ack_times.clock()
        try:
            batch = self._append(taken.rows, None)
        except Overloaded as overload:
            return self._routes.overloaded(overload, len(taken.rows))
        await batch.wait_durable()
        self.ack_times.add([asked_at])
        return taken.answer


def peer_of(scope: Mapping[str, Any]) -> str:
    """The address at the other end, "" = a Unix socket; IPv4 as such, also on a socket that takes both."""
    client = scope.get("client")
    return client[0].removeprefix("::ffff:") if client else ""


async def _read_body(receive: Receive, bytes_max: int, deadline_s: float) -> bytes | None:
    """The body, or None when it is longer than allowed, in too many pieces, too slow or cut off."""
    body: bytes = b""
    with trio.move_on_after(deadline_s):
        for _ in range(BODY_MESSAGES_MAX):
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > bytes_max:
                return None
            if not message.get("more_body", False):
                return bytes(body)
    return None


async def _answer(
    scope: Scope,
    receive: Receive,
    send: Send,
    answer: Answer,
    *,
    body_left: bool = False,
    closing: bool = False,
    head_only: bool = False,
) -> None:
    """Send one answer. An event here ends an HTTP/1.1 connection, so that proxies' pools return to the fast lane (of
    the plain port: TLS has none).
    """
    headers = list(answer.all_headers())
    closing = closing and scope["scheme"] != "https"
    if (answer.close or closing) and scope["http_version"] in ("1.0", "1.1"):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else answer.body})
    if body_left:
        # hypercorn 0.18 on trio wedges a connection whose body nobody reads (measured: 50 of 50).
        with trio.move_on_after(DISCARD_S):
            while (await receive())["type"] != "http.disconnect":
                pass
