"""The node's HTTP port: ClickHouse's interface, its faults included.

Owns:       the faults, the counters and the threads in which statements run.
Inputs:     HTTP requests; on the control port faults, traps and questions.
Outputs:    ClickHouse's answers, headers and errors.
Invariants: I1 a statement that was begun is carried out to its end, whether its client waits or not, as a
            server does with an INSERT; I2 an answer is whole before its first byte is sent (as with
            wait_end_of_query=1), so that its status is true; I3 of two statements with one query_id the
            second is refused while the first runs.
Failure:    an engine's error is an answer. Anything else ends the process.
Shutdown:   the ports' (httpd.py); a statement under way keeps the process until it ends.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any, Final
from uuid import uuid4

import trio

from chaos.clickhouse_node import encoding
from chaos.clickhouse_node.engine import Engine, Result
from chaos.clickhouse_node.errors import DBError
from chaos.clickhouse_node.faults import NONE, PING, Counters, Fault, Faults
from chaos.clickhouse_node.protocol import Login, Statement, check_length, read_statement
from chaos.service.control import Action
from chaos.service.httpd import Limits, Request, Response
from chaos.service.values import read_value, write_value

# What a server tells clients about idle connections; the limit itself comes a second later.
KEEP_ALIVE_S: Final = 30
CONTENT_TYPES: Final = {
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tabseparatedwithnames": "text/tab-separated-values; charset=UTF-8",
    "tabseparatedwithnamesandtypes": "text/tab-separated-values; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoncompacteachrow": "application/x-ndjson; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "native": "application/octet-stream",
    "rowbinary": "application/octet-stream",
    "rowbinarywithnames": "application/octet-stream",
    "rowbinarywithnamesandtypes": "application/octet-stream",
}
PLAIN: Final = "text/plain; charset=UTF-8"


class Node:
    """`handle` is the HTTP port's handler, `actions` are the control port's."""

    def __init__(self, engine: Engine, login: Login, *, threads: int, limits: Limits, seed: int = 0) -> None:
        self.faults = Faults(seed)
        self.counters = Counters()
        self._engine, self._login = engine, login
        self._threads = trio.CapacityLimiter(threads)
        self._body_bytes_max = limits.body_bytes_max
        self._running: set[str] = set()
        self._display_name = socket.gethostname()

    async def handle(self, request: Request) -> Response | None:
        """Answer a request; None: close the connection without an answer."""
        query_id = ""
        statement = None
        try:
            if request.path in (PING, "/replicas_status"):
                return await self._ping()
            if request.path != "/":
                return self._plain(
                    404, f"There is no handle {request.path}\n\nUse / or /ping for health checks.\n"
                )
            if request.method == "GET" and not request.query:
                return self._plain(200, "Ok.\n")
            check_length(request)
            self._login.check(request)
            statement = read_statement(request, self._body_bytes_max)
            query_id = statement.query_id or str(uuid4())
            return await self._run(request, statement, query_id)
        except DBError as error:
            self.counters.failed(statement, error.code)
            return self._error(request, error, query_id)

    async def _run(self, request: Request, statement: Statement, query_id: str) -> Response | None:
        if query_id in self._running:
            raise DBError(216, f"Query with id = {query_id} is already running")
        fault = self._take(statement.query.text)
        self._running.add(query_id)
        self.counters.begin(statement)
        try:
            await trio.sleep(fault.delay_before_ms / 1000)
            if fault.close == "before":
                return None
            if not (fault.status or fault.code) or fault.execute:
                result = await trio.to_thread.run_sync(self._engine.execute, statement, limiter=self._threads)
                self.counters.executed(statement)
            if fault.code:
                raise DBError(fault.code, "on purpose")
            await trio.sleep(fault.delay_after_ms / 1000)
            if fault.status:
                self.counters.failed(statement, 0)
                return self._plain(fault.status, f"{fault.status} on purpose\n")
            if fault.close == "after":
                return None
            return self._answer(request, statement, query_id, result, cut=fault.close == "middle")
        finally:
            self.counters.end(statement)
            self._running.discard(query_id)

    def _take(self, text: str) -> Fault:
        fault = self.faults.take(text)
        self.counters.faults += fault is not NONE
        return fault

    async def _ping(self) -> Response | None:
        self.counters.pings += 1
        fault = self._take(PING)
        await trio.sleep((fault.delay_before_ms + fault.delay_after_ms) / 1000)
        if fault.close:
            return None
        if fault.status or fault.code:
            return self._plain(fault.status or 500, "on purpose\n")
        return self._plain(200, "Ok.\n")

    def _answer(
        self, request: Request, statement: Statement, query_id: str, result: Result, *, cut: bool
    ) -> Response:
        totals = {**result.summary, "total_rows_to_read": result.summary["read_rows"]}
        headers = [
            ("X-ClickHouse-Query-Id", query_id),
            ("X-ClickHouse-Timezone", self._engine.timezone),
            ("X-ClickHouse-Summary", json.dumps({name: str(value) for name, value in totals.items()})),
        ]
        content_type = PLAIN
        if statement.query.answers_rows:
            headers.append(("X-ClickHouse-Format", statement.format))
            content_type = CONTENT_TYPES.get(statement.format.lower(), PLAIN)
        return self._respond(request, 200, content_type, headers, result.body, cut=cut)

    def _error(self, request: Request, error: DBError, query_id: str) -> Response:
        headers = [("X-ClickHouse-Exception-Code", str(error.code))]
        if query_id:
            headers.append(("X-ClickHouse-Query-Id", query_id))
        if error.status == 401:
            headers.append(("WWW-Authenticate", 'Basic realm="ClickHouse server HTTP API"'))
        return self._respond(request, error.status, PLAIN, headers, error.body(self._engine.version))

    def _respond(
        self,
        request: Request,
        status: int,
        content_type: str,
        headers: list[tuple[str, str]],
        body: bytes,
        *,
        cut: bool = False,
    ) -> Response:
        wanted = "enable_http_compression=1" in request.query
        method = encoding.choose(request.headers.get("accept-encoding", "")) if wanted and body else ""
        return Response(
            status,
            (
                ("Content-Type", content_type),
                ("X-ClickHouse-Server-Display-Name", self._display_name),
                ("Keep-Alive", f"timeout={KEEP_ALIVE_S}, max=9999"),
                *headers,
                *((("Content-Encoding", method),) if method else ()),
            ),
            encoding.compress(body, method),
            cut=cut,
        )

    def _plain(self, status: int, text: str) -> Response:
        headers = (("Content-Type", PLAIN), ("Keep-Alive", f"timeout={KEEP_ALIVE_S}, max=9999"))
        return Response(status, headers, text.encode())

    def actions(self) -> dict[tuple[str, str], Action]:
        """What the control port can do."""

        async def get_faults(_: Any) -> Any:
            return write_value(self.faults.get())

        async def put_faults(value: Any) -> Any:
            self.faults.set(read_value(value, list[Fault]))
            return write_value(self.faults.get())

        async def get_counters(_: Any) -> Any:
            return self.counters.as_json()

        async def post_trap(value: Any) -> Any:
            return await self._in_thread(self._engine.trap, str(value))

        async def delete_traps(_: Any) -> Any:
            return await self._in_thread(self._engine.release_traps)

        async def get_state(_: Any) -> Any:
            return {"pid": os.getpid(), "version": self._engine.version, "running": len(self._running)}

        return {
            ("GET", "/faults"): get_faults,
            ("PUT", "/faults"): put_faults,
            ("GET", "/counters"): get_counters,
            ("POST", "/traps"): post_trap,
            ("DELETE", "/traps"): delete_traps,
            ("GET", "/"): get_state,
        }

    async def _in_thread(self, function: Any, *arguments: Any) -> None:
        try:
            await trio.to_thread.run_sync(function, *arguments)
        except DBError as error:
            raise ValueError(error.text) from error
