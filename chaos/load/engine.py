"""The open loop of one process: requests leave when the schedule says so, whatever the server does.

Owns: the connections and, while a stage runs, its ledger.
Inputs: the ledger's due times. Outputs: its other columns.
Invariants:
  I1  a request is sent at most once, and `sent` is set before any of its bytes reaches the kernel;
  I2  a connection has at most `pipeline` requests without an answer, and answers come in their order;
  I3  no request leaves before it is due, and none because an answer came: a slow server makes requests
      late, never few.
Failure: a request whose connection ends stays without status (unknown); what could not be sent has no `sent`.
Shutdown: `stop()` from a signal handler ends the schedule; answers under way are waited for.
"""

from __future__ import annotations

import math
import select
import time
from array import array
from typing import Final

from chaos.load.answers import Garbled, parse_answer
from chaos.load.compose import Compose
from chaos.load.connections import Connection, Connections
from chaos.load.ledger import Flag, Header, Ledger
from chaos.load.settings import Settings
from chaos.load.target import Target

SENDS_MAX: Final = 64  # between two looks at the answers
EVENTS_MAX: Final = 256
RECV_BYTES: Final = 8_192
WAIT_S: Final = 0.001  # epoll counts in milliseconds: nothing shorter can be waited for
WAIT_IDLE_S: Final = 0.01
TICK_S: Final = 0.05
SWEEP_S: Final = 0.25
OPENS_PER_TICK: Final = 128
# Servers close idle connections after a minute or so: be first, so that no request meets a close.
IDLE_S: Final = 45.0

_IN: Final = select.EPOLLIN
_OUT: Final = select.EPOLLOUT


class Engine:
    """Runs stages, one after another, on connections that stay open between them."""

    def __init__(self, settings: Settings, target: Target, connections_max: int, compose: Compose) -> None:
        self._settings = settings
        self._compose = compose
        self._connections_max = connections_max
        self._connections = Connections(target, settings.pipeline)
        self._clock = time.monotonic
        self._stopped = False
        self._ok_bytes = 0  # length of the plain good answer, learnt from the first one
        self.surplus_answers = 0  # answers that no request had asked for
        self._offer = self._offer_fresh if settings.new_connections else self._offer_kept
        self._begin(
            Ledger.blank(Header(settings, 0, 0, 0.0, 0.0, 0.0, 0.0, 0, 0), array("d"))
        )  # until a stage runs

    @property
    def connections(self) -> int:
        return len(self._connections)

    def stop(self) -> None:
        """No more requests of this stage; may be called from a signal handler."""
        self._stopped = True

    def resume(self) -> None:
        """A stop was for the stage before: it must not end the next one."""
        self._stopped = False

    def connect(self, deadline_s: float) -> int:
        """Open the kept-alive connections; their number after at most `deadline_s`."""
        if self._settings.new_connections:
            return 0
        end = self._clock() + deadline_s
        while len(self._connections.free) < self._connections_max * self._settings.pipeline:
            now = self._clock()
            if now > end or self._stopped:
                break
            self._replenish(now)
            self._take(self._connections.epoll.poll(WAIT_IDLE_S, EVENTS_MAX), now)
        return len(self._connections)

    def close(self) -> None:
        self._connections.close()

    def run(self, ledger: Ledger) -> None:
        """One stage: returns when every request has an answer, or was given up."""
        self._begin(ledger)
        poll, clock, due = self._connections.epoll.poll, self._clock, self._due
        while True:
            now = clock()
            if now >= self._next_tick and self._tick(now):
                break
            self._offer(now)
            wait = due[self._next] - now
            if wait <= 0:
                # What is due could go out at once, or waits for a connection, which an answer will free.
                wait = 0.0 if self._has_room() else WAIT_IDLE_S
            events = poll(min(max(wait, WAIT_S), WAIT_IDLE_S) if wait > 0 else 0, EVENTS_MAX)
            if events:
                self._take(events, clock())
            elif self._in_flight == 0 and self._next >= self._end:
                break
        self._finish(ledger)

    def _begin(self, ledger: Ledger) -> None:
        self._due, self._sent, self._answered = ledger.due, ledger.sent, ledger.answered
        self._status, self._dropped, self._flags = ledger.status, ledger.dropped, ledger.flags
        self._first_request, self._first_seq = ledger.header.first_request, ledger.header.first_seq
        self._schedule_end = ledger.header.start + ledger.header.seconds
        self._next_tick = self._next_sweep = 0.0
        self._next, self._end, self._in_flight = 0, len(ledger), 0
        self._starved = False
        self._due.append(math.inf)  # a sentinel: the loop need not ask whether there is a next request

    def _finish(self, ledger: Ledger) -> None:
        ledger.due.pop()
        ledger.cut(self._end)

    # -- sending ---------------------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        if self._settings.new_connections:
            return len(self._connections) < self._connections_max
        return bool(self._connections.free)

    def _offer_kept(self, now: float) -> None:
        """Send what is due on connections that are free, the one that rested longest first."""
        free, due, sent, clock = self._connections.free, self._due, self._sent, self._clock
        number, first, per = self._next, self._first_request, self._settings.events_per_request
        for _ in range(SENDS_MAX):
            if due[number] > now:
                self._starved = False
                break
            if not free:
                self._starved = True
                break
            connection = free.popleft()
            if not connection.alive:
                continue
            if self._starved:
                self._flags[number] |= Flag.WAITED
            data = self._compose(first + number, self._first_seq + number * per)
            sent[number] = clock()  # keeps I1
            connection.flight.append(number)
            number += 1
            self._in_flight += 1
            if connection.unsent:  # only with pipelining: the request before still waits for room
                connection.unsent += data
                continue
            try:
                count = connection.send(data)
            except BlockingIOError:
                count = 0
            except OSError:
                self._lose(connection, Flag.RESET)
                continue
            if count != len(data):
                connection.unsent = data[count:]
                self._connections.epoll.modify(connection.fd, _IN | _OUT)
        self._next = number

    def _offer_fresh(self, now: float) -> None:
        """Send what is due, each request on a connection of its own."""
        connections, due, sent, clock = self._connections, self._due, self._sent, self._clock
        number, first, per = self._next, self._first_request, self._settings.events_per_request
        for _ in range(SENDS_MAX):
            if due[number] > now:
                self._starved = False
                break
            if len(connections) >= self._connections_max:
                self._starved = True
                break
            if self._starved:
                self._flags[number] |= Flag.WAITED
            data = self._compose(first + number, self._first_seq + number * per)
            started = clock()
            connection = connections.open(started, _IN)
            if connection is None:
                self._refuse(number, started)
                number += 1
                continue
            sent[number] = started
            connection.flight.append(number)
            self._in_flight += 1
            number += 1
            try:
                # On loopback the handshake is through when connect() returns: no need to wait to be told.
                count = connection.send(data)
                connection.connecting = False
            except BlockingIOError:
                count = 0
            except OSError:
                self._lose(connection, Flag.REFUSED)
                continue
            if count != len(data):
                connection.unsent = data[count:]
                connections.epoll.modify(connection.fd, _IN | _OUT)
        self._next = number

    def _refuse(self, number: int, now: float) -> None:
        self._flags[number] |= Flag.REFUSED
        self._answered[number] = now

    # -- answers ---------------------------------------------------------------------------------------------

    def _take(self, events: list[tuple[int, int]], now: float) -> None:
        """What epoll reported at `now`. The first half is the way of nearly every answer: keep it short."""
        by_fd, free, fresh = self._connections.by_fd, self._connections.free, self._settings.new_connections
        ok_bytes, status, answered = self._ok_bytes, self._status, self._answered
        for fd, mask in events:
            connection = by_fd.get(fd)
            if connection is None or (mask & _OUT and not self._writable(connection)):
                continue
            try:
                data = connection.recv(RECV_BYTES)
            except BlockingIOError:
                continue
            except OSError:
                self._lose(connection, Flag.RESET)
                continue
            if (
                len(data) == ok_bytes
                and data.startswith(b"HTTP/1.1 202")
                and data.endswith(b"\r\n\r\nok")
                and connection.flight
                and not connection.buffer
            ):
                number = connection.flight.popleft()
                status[number] = 202
                answered[number] = connection.since = now
                self._in_flight -= 1
                if fresh:
                    self._connections.drop(connection)
                else:
                    free.append(connection)
            else:
                self._take_odd(connection, data, now)
                ok_bytes = self._ok_bytes

    def _take_odd(self, connection: Connection, data: bytes, now: float) -> None:
        """An end of stream, parts of an answer, several answers, other answers."""
        if not data:
            self._lose(connection, Flag.RESET)
            return
        connection.buffer += data
        try:
            while connection.buffer and (answer := parse_answer(connection.buffer)):
                plain = len(connection.buffer) == answer.length == len(data)
                if plain and answer.status == 202 and not answer.dropped and not answer.closes:
                    self._ok_bytes = answer.length
                connection.buffer = connection.buffer[answer.length :]
                connection.since = now
                if connection.flight:
                    self._record(connection.flight.popleft(), answer.status, answer.dropped, now)
                    if connection.alive and not self._settings.new_connections and not answer.closes:
                        self._connections.free.append(connection)
                else:
                    self.surplus_answers += 1
                if answer.closes or self._settings.new_connections:
                    self._lose(connection, Flag.RESET)
                    return
        except Garbled:
            self._lose(connection, Flag.GARBLED)

    def _record(self, number: int, status: int, dropped: int, now: float) -> None:
        self._status[number] = status
        self._dropped[number] = min(dropped, 255)
        self._answered[number] = now
        self._in_flight -= 1

    def _writable(self, connection: Connection) -> bool:
        """Go on with a connection that became writable; False when there is nothing to read on it."""
        if connection.connecting and not self._settings.new_connections:
            if not self._connections.establish(connection):
                self._connections.drop(connection)
            return False
        try:
            count = connection.send(connection.unsent)
        except BlockingIOError:
            return True
        except OSError:
            self._lose(connection, Flag.REFUSED if connection.connecting else Flag.RESET)
            return False
        connection.connecting = False
        connection.unsent = connection.unsent[count:]
        if not connection.unsent:
            self._connections.epoll.modify(connection.fd, _IN)
        return True

    def _lose(self, connection: Connection, flag: Flag) -> None:
        """The connection ends here; what it still owed an answer for is unknown, or never left."""
        never_opened = connection.connecting
        if flag is Flag.TIMEOUT:
            self._connections.abort(connection)
        else:
            self._connections.drop(connection)
        now = self._clock()
        for number in connection.flight:
            self._flags[number] |= flag
            self._answered[number] = now
            if never_opened:
                self._sent[number] = 0.0
            self._in_flight -= 1
        connection.flight.clear()

    # -- now and then ----------------------------------------------------------------------------------------

    def _tick(self, now: float) -> bool:
        """Deadlines, and connections to replace. True when the stage is over."""
        self._next_tick = now + TICK_S
        if self._stopped and self._next < self._end:
            self._end = self._next
            self._due[self._end] = math.inf
        if self._next < self._end:
            self._give_up_unsent(now)
        if now >= self._next_sweep:
            self._next_sweep = now + min(SWEEP_S, self._settings.timeout_s / 4)
            self._sweep(now)
        if not self._settings.new_connections:
            self._replenish(now)
        return self._in_flight == 0 and self._next >= self._end

    def _sweep(self, now: float) -> None:
        """End connections that owe an answer, or stand idle, for too long."""
        before = now - self._settings.timeout_s
        for connection in list(self._connections.by_fd.values()):
            if connection.flight:
                if self._sent[connection.flight[0]] < before:
                    self._lose(connection, Flag.TIMEOUT)
            elif connection.since < (before if connection.connecting else now - IDLE_S):
                self._connections.drop(connection)

    def _give_up_unsent(self, now: float) -> None:
        """What no connection was free for: after the time limit, or soon after the schedule's end."""
        before = now - self._settings.timeout_s
        if now > self._schedule_end + self._settings.backlog_grace_s:
            before = math.inf
        number = self._next
        while number < self._end and self._due[number] < before:
            self._answered[number] = now
            self._flags[number] |= Flag.WAITED
            number += 1
        self._next = number

    def _replenish(self, now: float) -> None:
        """Open what is missing of the kept-alive connections, a few at a time."""
        missing = self._connections_max - len(self._connections)
        for _ in range(min(missing, OPENS_PER_TICK)):
            if self._connections.open(now, _OUT) is None:
                break
