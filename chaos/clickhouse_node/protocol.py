"""ClickHouse's HTTP interface, the request's side: what is asked for. Pure: bytes in, a Statement out."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import attrs

from chaos.clickhouse_node import encoding
from chaos.clickhouse_node.errors import DBError
from chaos.clickhouse_node.sql import Query, split
from chaos.service.httpd import Request

DEFAULT_FORMAT: Final = "TabSeparated"
PARAMETER: Final = "param_"

# What HTTPHandler takes for itself; every other parameter is a setting.
_RESERVED: Final = frozenset(
    {
        "query", "database", "default_format", "compress", "decompress", "user", "password", "quota_key",
        "query_id", "stacktrace", "buffer_size", "wait_end_of_query", "session_id", "session_timeout",
        "session_check", "client_protocol_version", "close_session",
    }
)  # fmt: skip
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DISPOSITION = re.compile(
    rb"^content-disposition:\s*form-data;(?P<rest>[^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_NAME = re.compile(rb'\bname="(?P<name>[^"]*)"')


@attrs.frozen
class Statement:
    """One statement with all that goes with it. `reading`: GET, which may change nothing."""

    query: Query
    database: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    format: str
    query_id: str
    reading: bool

    @property
    def token(self) -> str:
        return self.settings.get("insert_deduplication_token", "")


@attrs.frozen
class Login:
    """Who may. Without a password everybody, under any name."""

    user: str = "default"
    password: str = attrs.field(default="", repr=False)

    def check(self, request: Request) -> None:
        """Raises DBError: 194 when nobody logs in, 516 for a wrong name or password or two ways at once."""
        if not self.password:
            return
        user, password = _credentials(request)
        if not user and not password:
            raise DBError(194, "default: Authentication failed: password is required")
        right = hmac.compare_digest(user.encode(), self.user.encode())
        if not hmac.compare_digest(password.encode(), self.password.encode()) or not right:
            raise DBError(
                516,
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name",
            )


def check_length(request: Request) -> None:
    """Raises DBError: 381 for a POST of unknown length."""
    sized = "content-length" in request.headers or "transfer-encoding" in request.headers
    if request.method == "POST" and not sized:
        raise DBError(
            381, "The Transfer-Encoding is not chunked and there is no Content-Length header for POST request"
        )


def read_statement(request: Request, bytes_max: int) -> Statement:
    """What `request` asks for. Raises DBError."""
    parameters = dict(parse_qsl(request.query, keep_blank_values=True))
    _refuse(parameters)
    body = encoding.decompress(request.body, request.headers.get("content-encoding", ""), bytes_max)
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        parameters |= _form(body, content_type)
        text = parameters.get("query", "").encode()
    else:
        prefix = parameters.get("query", "").encode()
        text = prefix + b"\n" + body if prefix else body
    query = split(text)
    settings = {
        name: value
        for name, value in parameters.items()
        if name and name not in _RESERVED and not name.startswith(PARAMETER)
    }
    for name in settings:
        if not _SETTING.fullmatch(name):
            raise DBError(115, f"Unknown setting '{name}'")
    return Statement(
        query=query,
        database=request.headers.get("x-clickhouse-database", "") or parameters.get("database", ""),
        settings=settings,
        parameters={
            name.removeprefix(PARAMETER): value
            for name, value in parameters.items()
            if name.startswith(PARAMETER)
        },
        format=query.format
        or request.headers.get("x-clickhouse-format", "")
        or parameters.get("default_format", "")
        or DEFAULT_FORMAT,
        query_id=parameters.get("query_id", "") or request.headers.get("x-clickhouse-query-id", ""),
        reading=request.method != "POST",
    )


def _refuse(parameters: Mapping[str, str]) -> None:
    if "session_id" in parameters:
        # As behind a balancer, where the session is some other server's: nothing of ours may need one.
        raise DBError(372, f"Session {parameters['session_id']} not found")
    for name in ("compress", "decompress"):
        if parameters.get(name, "0") not in ("0", "false", ""):
            raise DBError(48, f"{name}: the native compression is not implemented")


def _credentials(request: Request) -> tuple[str, str]:
    """User and password, from the headers, Basic, or the URL."""
    parameters = dict(parse_qsl(request.query, keep_blank_values=True))
    headers = request.headers
    ways = [
        "x-clickhouse-user" in headers or "x-clickhouse-key" in headers,
        "authorization" in headers,
        "user" in parameters or "password" in parameters,
    ]
    if sum(ways) > 1:
        raise DBError(
            516, "Invalid authentication: it is not allowed to use two authentication schemes at once"
        )
    if ways[0]:
        return headers.get("x-clickhouse-user", ""), headers.get("x-clickhouse-key", "")
    if ways[1]:
        scheme, _, value = headers["authorization"].partition(" ")
        if scheme.lower() != "basic":
            raise DBError(
                516, f"Invalid authentication: '{scheme}' HTTP Authorization scheme is not supported"
            )
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise DBError(516, "Invalid authentication: the Basic credentials can't be read") from None
        return user, password
    return parameters.get("user", ""), parameters.get("password", "")


def _form(body: bytes, content_type: str) -> dict[str, str]:
    """The fields of a multipart form. Raises DBError: 36 when it can't be read, 48 for external tables."""
    _, found, boundary = content_type.partition("boundary=")
    delimiter = b"\r\n--" + boundary.split(";")[0].strip().strip('"').encode()
    parts = (b"\r\n" + body).split(delimiter)
    if not found or len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise DBError(36, "The multipart form can't be read")
    fields = {}
    for part in parts[1:-1]:
        head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        disposition = _DISPOSITION.search(head)
        name = _NAME.search(disposition["rest"]) if disposition else None
        if disposition is None or name is None:
            raise DBError(36, "The multipart form has a part without a name")
        if b"filename=" in disposition["rest"]:
            raise DBError(48, "External tables are not implemented")
        fields[name["name"].decode()] = value.decode()
    return fields
