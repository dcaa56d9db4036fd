"""The fast lane: one trio task drives an epoll set over every connection that speaks plain HTTP/1.1.

Owns:       the epoll set, the doorway (`doorway.py`), each connection's socket and state.
Inputs:     connections; batches that became durable (`answer_durable`).
Outputs:    answers; rows to the committer; connections handed over to the slow lane with the bytes already read.
Invariants: I1 answers leave in the order of their requests: while one waits for its commit, later bytes of that
            connection stay in its buffer; I2 an event's answer is written only for a durable batch; I3 every
            connection has a deadline unless it waits for the committer; I4 a connection is handed over at a request
            boundary only; I5 whatever one connection does, the others go on.
Failure:    an unexpected exception answers that one request 500 and is reported; broken invariants (AssertionError,
            Fatal) end the process.
Shutdown:   `stop_accepting`, then `drain`: requests in flight are answered, idle connections closed.

No task, channel, timer or thread hop for a connection or a request. The parser (llhttp, by httptools) judges every
head; framing is ours, so that the end of a request is known to the byte: requests with a transfer coding, an Expect
header or HTTP/1.0 go to the slow lane, whose parser reads those.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from email.utils import formatdate
from operator import attrgetter
from typing import Protocol

import httptools
import trio

from statnive.actors.ack_times import AckTimes
from statnive.actors.congestion import Congestion
from statnive.actors.connection import Connection
from statnive.actors.doorway import Doorway
from statnive.config import ServerConfig
from statnive.errors import Fatal, Overloaded
from statnive.ingest import answers
from statnive.ingest.answers import Answer
from statnive.ingest.pipeline import Taken
from statnive.ingest.request import RequestHead

RECV_BYTES = 65_536
EVENTS_PER_ROUND = 32
ANSWERS_PER_ROUND = 256
WHEEL_SLOTS = 4
WHEEL_TICK_S = 0.5
LINGER_S = 2.0
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\n"
_HEAD_END = b"\r\n\r\n"
_ASKED_AT = attrgetter("asked_at")
_STOP, _NEXT, _BODY = object(), object(), object()


class Routes(Protocol):
    """What a lane serves, shared by both lanes (statnive.web.ingest builds it)."""

    event_paths: frozenset[bytes]
    body_bytes_max: int

    def static(
        self, method: bytes, path: bytes, if_none_match: bytes, accept_encoding: bytes
    ) -> Answer | None: ...
    def is_fast(self, path: bytes) -> bool: ...
    @property
    def event(self) -> Callable[[RequestHead, bytes], Answer | Taken]: ...
    def too_large(self) -> Answer: ...
    def overloaded(self, overload: Overloaded, events: int) -> Answer: ...


class FastLane:
    """The reactor: `run` until stopped; `answer_durable` for each committed batch."""

    def __init__(
        self,
        listener: socket.socket,
        config: ServerConfig,
        routes: Routes,
        append: Callable[[list[bytes], Connection], object],
        hand_over: Callable[[socket.socket, bytes], None],
        report: Callable[[str, str], None],
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        ack_times: AckTimes,
        slow_only: bool = False,
    ) -> None:
        self._config = config
        self._routes = routes
        self._append = append
        self._hand_over = hand_over
        self._report = report
        self._clock = clock
        self._monotonic = monotonic
        self._ack_times = ack_times
        self._slow_only = slow_only
        self._event_lines = tuple(b"POST %s HTTP/1.1\r\n" % path for path in routes.event_paths)
        self._epoll = select.epoll()
        self.doorway = Doorway(listener, self._epoll, config.connections_max, report, monotonic)
        self.congestion = Congestion(self._epoll, config.queue_target_ms / 1_000)
        self._connections: dict[int, Connection] = {}
        self._wheel: list[set[Connection]] = [set() for _ in range(WHEEL_SLOTS)]
        self._date = b""
        self._date_until = 0.0
        self._now = 0.0  # on the monotonic clock, of this round
        self._ok = b""  # the most frequent answer, rendered for this second
        self.requests = 0
        self.events_requests = 0
        self.handed_over = 0
        self.deadlines_hit = 0
        self._head_bytes_max = config.header_bytes_max + len(_HEAD_END)
        self._body_bytes_max = routes.body_bytes_max
        self._look_at_clocks()

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def waiting(self) -> int:
        """Connections with an answer that is not yet wholly sent, or with a request that is half read."""
        return sum(1 for c in self._connections.values() if c.pending or c.out or c.request_deadline)

    # The reactor

    def _look_at_clocks(self) -> None:
        """Once a round: deadlines and the Date header need no more."""
        self._now = self._monotonic()
        now = self._clock()
        if not self._date_until - 1.0 <= now < self._date_until:
            self._date = formatdate(int(now), usegmt=True).encode()
            self._date_until = int(now) + 1.0
            self._ok = answers.OK.wire(self._date, closing=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; cancelling closes nothing (see `close_all`)."""
        task_status.started()
        poll, listener_fd = self._epoll.poll, self.doorway.fd
        connections, congestion = self._connections, self.congestion
        while True:
            ready = poll(0, EVENTS_PER_ROUND)
            if not ready:
                congestion.idle()
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                await trio.sleep(self._config.gather_ms / 1_000)
                continue
            self._look_at_clocks()
            for fd, mask in ready:
                connection = connections.get(fd)
                if connection is not None:
                    self._serve(connection, mask)
                elif fd == listener_fd:
                    self._accept()
                elif fd == congestion.fd:
                    congestion.seen(self._monotonic())
            if len(ready) == EVENTS_PER_ROUND:
                congestion.busy(self._monotonic())
            await trio.lowlevel.checkpoint()

    async def run_deadlines(self) -> None:
        """Close what is past its deadline; each connection is looked at once in WHEEL_SLOTS ticks."""
        slot = 0
        while True:
            await trio.sleep(WHEEL_TICK_S)
            slot = (slot + 1) % WHEEL_SLOTS
            now = self._monotonic()
            for connection in list(self._wheel[slot]):
                if connection.deadline < now and connection.pending is None:  # keeps I3
                    self.deadlines_hit += 1
                    self._close(connection)
            self.doorway.tick(now)

    async def answer_durable(self, waiters: list[Connection]) -> None:
        """Send the answers of a batch that is durable (keeps I2), with a checkpoint between chunks."""
        for start in range(0, len(waiters), ANSWERS_PER_ROUND):
            self._look_at_clocks()
            idle_until = self._now + self._config.idle_deadline_s
            chunk = waiters[start : start + ANSWERS_PER_ROUND]
            # Before an answer lets the next request of its connection in.
            asked = list(map(_ASKED_AT, chunk))
            for connection in chunk:
                if connection.closed:
                    continue
                answer = connection.pending
                assert answer is not None, "a durable batch named a connection that waits for nothing"
                connection.pending = None
                connection.deadline = idle_until
                if answer is not answers.OK or connection.close_after or not self._sent_ok(connection):
                    self._send(connection, answer)
                if connection.buffer and not connection.closed:
                    self._guarded_feed(connection, b"")
                elif connection.half_closed and not connection.out:
                    self._close(connection)
            self._ack_times.add(asked)
            await trio.lowlevel.checkpoint()

    # Accepting and closing

    def _accept(self) -> None:
        for sock, peer in self.doorway.accept(len(self._connections)):
            connection = Connection(sock, peer)
            connection.deadline = self._monotonic() + self._config.request_deadline_s
            self._connections[connection.fd] = connection
            self._wheel[connection.fd % WHEEL_SLOTS].add(connection)
            self._epoll.register(connection.fd, select.EPOLLIN)

    def _detach(self, connection: Connection) -> None:
        del self._connections[connection.fd]
        self._wheel[connection.fd % WHEEL_SLOTS].discard(connection)
        self._epoll.unregister(connection.fd)
        connection.closed = True

    def _close(self, connection: Connection) -> None:
        if not connection.closed:
            self._detach(connection)
            connection.sock.close()

    def stop_accepting(self) -> None:
        """No new connections; those that are idle between requests are closed."""
        self.doorway.close()
        self.close_idle()

    def close_idle(self) -> None:
        """Close the connections that are between two requests."""
        for connection in list(self._connections.values()):
            connection.close_after = True
            if not (connection.pending or connection.out or connection.request_deadline):
                self._close(connection)

    def close_all(self) -> None:
        """Close everything, answered or not."""
        for connection in list(self._connections.values()):
            self._close(connection)
        self.congestion.close()
        self._epoll.close()

    # Reading

    def _serve(self, connection: Connection, mask: int) -> None:
        if mask & select.EPOLLOUT:
            self._flush(connection)
            if connection.closed:
                return
        if not mask & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            return
        try:
            data = connection.sock.recv(RECV_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(connection)
            return
        if not data:
            self._peer_closed(connection)
            return
        if not connection.lingering:
            self._guarded_feed(connection, data)

    def _peer_closed(self, connection: Connection) -> None:
        """A half-closed peer still gets the answer that it waits for."""
        if connection.lingering or (connection.pending is None and not connection.out):
            self._close(connection)
            return
        connection.half_closed = True
        self._watch(connection, connection.mask & ~select.EPOLLIN)

    def _guarded_feed(self, connection: Connection, data: bytes) -> None:
        try:
            self._feed(connection, data)
        except (AssertionError, Fatal):
            raise
        except (
            Exception
        ) as error:  # keeps I5: a bug costs one request, and is reported with its kind and place
            self._report("bug", f"a request failed: {_where(error)}")
            if not connection.closed and connection.pending is None:
                self._send(connection, answers.FAILED)

    def _feed(self, connection: Connection, data: bytes) -> None:
        """Take requests off the front of what was read, until one waits or bytes are missing."""
        if connection.buffer:
            data = connection.buffer + data
            connection.buffer = b""
            if not (connection.mask & select.EPOLLIN or connection.half_closed):
                self._watch(connection, connection.mask | select.EPOLLIN)
        while data and not (connection.closed or connection.lingering):
            if connection.pending is not None or connection.out:
                self._hold(connection, data)  # keeps I1
                return
            if connection.head is None:
                end = data.find(_HEAD_END, 0, self._head_bytes_max)
                if end < 0:
                    self._head_incomplete(connection, data)
                    return
                end += len(_HEAD_END)
                verdict = self._parse_head(connection, data, end)
                if verdict is _STOP:
                    return
                data = data[end:]
                if verdict is _NEXT:
                    continue
            length = connection.body_bytes
            if length == len(data):
                body, data = data, b""
            elif length > len(data):
                connection.buffer = data
                self._request_begun(connection)
                return
            else:
                length = max(0, length)
                body, data = data[:length], data[length:]
            self._event(connection, body)
        if connection.half_closed and not (connection.pending or connection.out):
            self._close(connection)

    def _hold(self, connection: Connection, data: bytes) -> None:
        """Keep pipelined bytes for later; stop reading when they could be more than one request."""
        connection.buffer = data
        if len(data) > self._config.header_bytes_max + self._routes.body_bytes_max:
            self._watch(connection, connection.mask & ~select.EPOLLIN)

    def _request_begun(self, connection: Connection) -> None:
        if not connection.request_deadline:
            connection.request_deadline = self._monotonic() + self._config.request_deadline_s
        connection.deadline = connection.request_deadline

    def _head_incomplete(self, connection: Connection, data: bytes) -> None:
        if len(data) > self._config.header_bytes_max:
            self._send(connection, answers.HEAD_TOO_LARGE)
        else:
            connection.buffer = data
            self._request_begun(connection)

    def _parse_head(self, connection: Connection, data: bytes, end: int) -> object:
        """Parse one head and route it: _BODY (an event, its body comes next), _NEXT (answered) or _STOP."""
        parser = connection.parser
        try:
            connection.read_head(data[:end])
        except httptools.HttpParserUpgrade:
            return self._give_away(connection, data)
        except httptools.HttpParserError:
            if data.startswith(_HTTP2_PREFACE):
                return self._give_away(connection, data)
            return self._refuse(connection, answers.BAD_REQUEST)
        others = connection.others
        if self._slow_only or (
            others is not None and (b"transfer-encoding" in others or b"expect" in others)
        ):
            return self._give_away(connection, data)
        # The request line of an event is known by heart; only others are taken apart.
        if not data.startswith(self._event_lines):
            if data[:end].isspace():  # empty lines: llhttp skips them, and nothing was asked
                return self._refuse(connection, answers.BAD_REQUEST)
            path = connection.target(data[:end]).partition(b"?")[0]
            if not (parser.get_http_version() == "1.1" and self._routes.is_fast(path)):
                return self._give_away(connection, data)
            if path not in self._routes.event_paths or parser.get_method() != b"POST":
                connection.close_after = connection.close_after or not parser.should_keep_alive()
                return self._static(connection, data, end, path)
        if not parser.should_keep_alive():
            connection.close_after = True
        self.requests += 1
        if connection.body_bytes > self._body_bytes_max:
            return self._refuse(connection, self._routes.too_large())
        connection.head = connection.noted
        return _BODY

    def _static(self, connection: Connection, data: bytes, end: int, path: bytes) -> object:
        """The tracker, preflights, health, a wrong method. A body where none belongs: the slow lane reads it."""
        answer = self._routes.static(
            connection.parser.get_method(),
            path,
            (connection.others or {}).get(b"if-none-match", b""),
            connection.accept_encoding(data[:end]),
        )
        if answer is None or connection.body_bytes > 0:
            return self._give_away(connection, data)
        self.requests += 1
        connection.request_deadline = 0.0
        self._send(connection, answer)
        return _NEXT

    def _refuse(self, connection: Connection, answer: Answer) -> object:
        assert answer.close, "what follows a refused head can't be framed"
        connection.head = None
        self._send(connection, answer)
        return _STOP

    def _event(self, connection: Connection, body: bytes) -> None:
        """A whole event request: the pipeline, then the committer, or an answer at once."""
        head, connection.head = connection.head, None
        assert head is not None, "a body without a head"
        if body:
            connection.parser.feed_data(body)
        connection.request_deadline = 0.0
        self.events_requests += 1
        if self.congestion.share and self.congestion.refuses():
            self._send(connection, answers.CONGESTED)
            return
        result = self._routes.event(head, body)
        if isinstance(result, Answer):
            self._send(connection, result)
            return
        try:
            self._append(result.rows, connection)
        except Overloaded as overload:
            self._send(connection, self._routes.overloaded(overload, len(result.rows)))
            return
        connection.pending = result.answer
        connection.asked_at = self._now

    def _give_away(self, connection: Connection, data: bytes) -> object:
        """Hand the connection, with the request's bytes put back in front, to the slow lane (keeps I4)."""
        self.handed_over += 1
        self._detach(connection)
        self._hand_over(connection.sock, data)
        return _STOP

    # Writing

    def _sent_ok(self, connection: Connection) -> bool:
        """Whether the usual answer went out whole; when nothing of it did, `_send` finds out why."""
        try:
            sent = connection.sock.send(self._ok)
        except OSError:
            return False
        if sent < len(self._ok):
            self._wait_to_send(connection, self._ok[sent:])
        return True

    def _send(self, connection: Connection, answer: Answer) -> None:
        if answer.close:
            connection.close_after = connection.linger = True
        wire = answer.wire(self._date, connection.close_after)
        try:
            sent = connection.sock.send(wire)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._close(connection)
            return
        if sent < len(wire):
            self._wait_to_send(connection, wire[sent:])
        elif connection.close_after:
            self._finish(connection, connection.linger)
        else:
            connection.deadline = self._now + self._config.idle_deadline_s

    def _wait_to_send(self, connection: Connection, rest: bytes) -> None:
        connection.out = rest
        connection.deadline = self._now + self._config.answer_deadline_s
        self._watch(connection, connection.mask | select.EPOLLOUT)

    def _flush(self, connection: Connection) -> None:
        if connection.out:
            try:
                sent = connection.sock.send(connection.out)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._close(connection)
                return
            connection.out = connection.out[sent:]
            if connection.out:
                return
        if connection.close_after and connection.pending is None:
            self._finish(connection, connection.linger)
            return
        self._watch(connection, 0 if connection.half_closed else select.EPOLLIN)
        if connection.pending is None and connection.buffer:
            self._guarded_feed(connection, b"")
        elif connection.half_closed and connection.pending is None:
            self._close(connection)

    def _finish(self, connection: Connection, linger: bool) -> None:
        """Close after the last answer. With bytes still on their way the kernel would send a reset that can overtake
        the answer, so such a connection lingers for a moment and what comes is thrown away."""
        if not linger:
            self._close(connection)
            return
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        connection.lingering = True
        connection.deadline = self._monotonic() + LINGER_S
        self._watch(connection, select.EPOLLIN)

    def _watch(self, connection: Connection, mask: int) -> None:
        if mask != connection.mask:
            connection.mask = mask
            self._epoll.modify(connection.fd, mask)


def _where(error: BaseException) -> str:
    """Kind and place of an exception, without its text: that may quote what a visitor sent."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{place}"
