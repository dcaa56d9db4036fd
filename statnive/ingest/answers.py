"""Answers of the ingest routes: one value for both lanes, rendered once for the fast one."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import attrs
import msgspec

CORS: Final = ((b"access-control-allow-origin", b"*"),)
PREFLIGHT: Final = (
    *CORS,
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"content-type, x-debug-request"),
    (b"access-control-max-age", b"86400"),
)
_JSON: Final = ((b"content-type", b"application/json"),)
_TEXT: Final = ((b"content-type", b"text/plain; charset=utf-8"),)


@attrs.frozen(eq=False)
class Answer:
    """A whole HTTP answer without the headers that belong to the connection (date, connection)."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    close: bool = False  # the rest of this connection can't be trusted or is not worth reading
    wire_head: bytes = attrs.field(init=False)
    wire_tail: bytes = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        lines = [b"HTTP/1.1 %d %s" % (self.status, HTTPStatus(self.status).phrase.encode())]
        lines += [name + b": " + value for name, value in self.all_headers()]
        object.__setattr__(self, "wire_head", b"\r\n".join(lines) + b"\r\ndate: ")
        object.__setattr__(self, "wire_tail", b"\r\n\r\n" + self.body)

    def all_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers, content-length among them where the status has a body."""
        if self.status in (204, 304):
            return self.headers
        return (*self.headers, (b"content-length", b"%d" % len(self.body)))

    def wire(self, date: bytes, closing: bool) -> bytes:
        """The bytes of an HTTP/1.1 answer; `date` is the value of its Date header, `closing` says it is the last."""
        if closing:
            return self.wire_head + date + b"\r\nconnection: close" + self.wire_tail
        return self.wire_head + date + self.wire_tail


def errors(status: int, field: str, message: str, *, close: bool = False) -> Answer:
    """A refusal that names the field, in the shape that Plausible's clients know."""
    body = msgspec.json.encode({"errors": {field: [message]}})
    return Answer(status, (*CORS, *_JSON), body, close)


def busy(status: int, retry_after_s: int, message: str) -> Answer:
    """429 or 503: come back in `retry_after_s` seconds."""
    headers = (*CORS, *_TEXT, (b"retry-after", b"%d" % retry_after_s))
    return Answer(status, headers, message.encode())


def accepted(dropped: Mapping[str, int]) -> Answer:
    """202 "ok"; what was dropped is said in two headers (Plausible's, and ours with the reasons)."""
    if not dropped:
        return OK
    reasons = ", ".join(f"{reason}={count}" for reason, count in sorted(dropped.items()))
    extra = (
        (b"x-plausible-dropped", b"%d" % sum(dropped.values())),
        (b"x-statnive-dropped", reasons.encode()),
    )
    return Answer(202, (*CORS, *_TEXT, *extra), b"ok")


def debug(text: str) -> Answer:
    """The reply to X-Debug-Request: what the server made of the sender's address. Nothing is recorded."""
    return Answer(200, (*CORS, *_TEXT, (b"cache-control", b"no-store")), text.encode())


OK: Final = Answer(202, (*CORS, *_TEXT), b"ok")
NO_CONTENT: Final = Answer(204, CORS)
PREFLIGHT_OK: Final = Answer(204, PREFLIGHT)
WRONG_METHOD: Final = Answer(
    405, (*CORS, *_TEXT, (b"allow", b"POST, OPTIONS")), b"send events by POST", close=True
)
WRONG_METHOD_STATIC: Final = Answer(405, (*CORS, *_TEXT, (b"allow", b"GET, HEAD")), b"", close=True)
HEALTHY: Final = Answer(200, (*_TEXT, (b"cache-control", b"no-store")), b"alive\n")
BAD_REQUEST: Final = errors(400, "request", "is not valid HTTP/1.1", close=True)
SMUGGLING: Final = errors(400, "transfer-encoding", "must not come with content-length", close=True)
HEAD_TOO_LARGE: Final = Answer(431, _TEXT, b"request header fields too large", close=True)
FAILED: Final = Answer(500, (*CORS, *_TEXT), b"internal error; the event was not recorded", close=True)
CONGESTED: Final = busy(503, 1, "too many requests are waiting")
FULL: Final = busy(503, 2, "too many connections")


def body_too_large(body_bytes_max: int) -> Answer:
    """413; the body is not read, so the connection ends."""
    return errors(413, "body", f"is longer than {body_bytes_max} bytes", close=True)
