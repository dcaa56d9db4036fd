"""One connection of the fast lane: its socket, its parser, and the request it is in."""

from __future__ import annotations

import select
import socket

import httptools

from statnive.ingest.answers import Answer
from statnive.ingest.request import NOTED_HEADERS, RequestHead


class Connection:
    """One connection and the request it is in. Also the httptools protocol object of its parser."""

    __slots__ = (
        "accept_encoding",
        "body_bytes",
        "buffer",
        "close_after",
        "closed",
        "deadline",
        "expects",
        "fd",
        "half_closed",
        "has_transfer_encoding",
        "head",
        "if_none_match",
        "linger",
        "lingering",
        "mask",
        "noted",
        "out",
        "parser",
        "peer",
        "pending",
        "request_deadline",
        "sock",
        "target",
    )

    def __init__(self, sock: socket.socket, peer: str) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.peer = peer
        self.parser = httptools.HttpRequestParser(self)
        self.buffer = b""
        self.out = b""
        self.mask = select.EPOLLIN
        self.pending: Answer | None = None  # the answer that waits for its batch
        self.head: RequestHead | None = None  # set once a head is parsed and its body is not complete
        self.body_bytes = -1
        self.deadline = 0.0
        self.request_deadline = 0.0  # 0 = between requests
        self.close_after = False
        self.linger = False
        self.half_closed = False  # the peer will send no more, but may still read
        self.lingering = False  # answered for the last time; what still comes is thrown away
        self.closed = False
        self.start_request()

    def start_request(self) -> None:
        """Forget the last request's head."""
        self.target = b""
        self.body_bytes = -1
        self.has_transfer_encoding = False
        self.expects = False
        self.if_none_match = b""
        self.accept_encoding = b""
        self.noted = RequestHead(self.peer)

    # httptools calls these while it parses a head.
    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in NOTED_HEADERS:
            self.noted.note(name, value)
        elif name == b"content-length":
            self.body_bytes = int(value)
        elif name == b"transfer-encoding":
            self.has_transfer_encoding = True
        elif name == b"expect":
            self.expects = True
        elif name == b"if-none-match":
            self.if_none_match = value
        elif name == b"accept-encoding":
            self.accept_encoding = value
