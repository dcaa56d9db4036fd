"""A small ClickHouse over HTTP for tests: real driver, real engine, faults and users on demand."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import chdb
import pytest

PASSWORD = "s3cret%2Fword"
NOT_SETTINGS = {
    "query", "query_id", "database", "default_format", "wait_end_of_query", "compress",
    "enable_http_compression",
    "client_protocol_version", "readonly", "send_progress_in_http_headers",
    "cancel_http_readonly_queries_on_client_close", "http_headers_progress_interval_ms",
}  # fmt: skip


class Server(ThreadingHTTPServer):
    """ClickHouse's HTTP interface on the shared engine, far enough for the driver. `faults` are used up in
    order.
    """

    daemon_threads = True

    def __init__(self, engine_dir: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        root = engine_dir.resolve()
        self.location = f"{root / 'clickhouse'}?config-file={root / 'clickhouse.xml'}"
        self.engine = chdb.connect(self.location)
        self.lock = threading.Lock()
        self.faults: list[str] = []
        # What a user's profile sets, by the user's name, in the order given; others have the engine's defaults.
        self.profiles: dict[str, dict[str, str]] = {}
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://writer:{PASSWORD}@127.0.0.1:{self.server_port}"

    @property
    def inserts(self) -> list[dict[str, str]]:
        return [params for sql, params, _ in self.requests if sql.startswith("INSERT")]

    def run_as(self, user: str, sql: bytes, params: dict[str, str]) -> bytes:
        """As a server does for a user with a profile: a handle that has it, and then the statement's settings."""
        handle = chdb.connect(self.location)
        try:
            if database := params.get("database"):
                handle.query(f"USE {database}")
            settings = {k: v for k, v in params.items() if k not in NOT_SETTINGS - {"readonly"}}
            for key, value in [*self.profiles[user].items(), *settings.items()]:
                if not key.startswith("param_"):
                    handle.query(f"SET {key} = '{value}'")
            bound = {k.removeprefix("param_"): v for k, v in params.items() if k.startswith("param_")}
            return bytes(
                handle.query(sql.decode(), params.get("default_format", "TabSeparated"), params=bound).bytes()
            )
        finally:
            handle.close()

    def run(self, sql: bytes, payload: bytes, params: dict[str, str]) -> bytes:
        bound = {
            key.removeprefix("param_"): value for key, value in params.items() if key.startswith("param_")
        }
        settings = {k: v for k, v in params.items() if k not in NOT_SETTINGS and not k.startswith("param_")}
        clause = ", ".join(f"{key} = '{value}'" for key, value in settings.items())
        with self.lock:
            if database := params.get("database"):
                self.engine.query(f"USE {database}")
            if sql.startswith(b"INSERT"):
                insert, _, fmt = sql.decode().rpartition(" FORMAT ")
                stream = self.engine.send_insert(f"{insert} SETTINGS {clause}", fmt)
                stream.append(payload)
                stream.finish()
                return b""
            return bytes(self.engine.query(sql.decode(), "TabSeparated", params=bound).bytes())


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        params = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if urlsplit(self.path).path == "/ping":
            return self.answer(200, b"Ok.\n")
        sql, payload = (params.pop("query").encode(), body) if "query" in params else (body, b"")
        self.server.requests.append((sql.decode(), params, dict(self.headers)))
        fault = self.server.faults.pop(0) if self.server.faults else ""
        if fault == "reset before":
            return self.reset()
        if fault == "proxy 503":
            return self.answer(503, b"no upstream")
        if fault.isdecimal():
            return self.answer(
                500, f"Code: {fault}. DB::Exception: told to fail. (TOLD)".encode(), code=fault
            )
        try:
            user = (
                base64.b64decode(self.headers["Authorization"].removeprefix("Basic "))
                .decode()
                .partition(":")[0]
            )
            if user in self.server.profiles:
                answer = self.server.run_as(user, sql, params)
            else:
                answer = self.server.run(sql, payload, params)
        except Exception as error:
            code = re.findall(r"Code: (\d+)", str(error))[0]
            return self.answer(500, str(error).encode(), code=code)
        if fault == "reset after":
            return self.reset()
        if fault == "silence":
            self.rfile.read(1)  # until the client gives up
            self.close_connection = True
            return None
        return self.answer(200, answer)

    do_POST = do_GET  # noqa: N815

    def reset(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.connection.close()

    def answer(self, status, body, code=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Summary", json.dumps({}))
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(engine, engine_dir) -> Iterator[Server]:
    server = Server(engine_dir)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    server.engine.close()
