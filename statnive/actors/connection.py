"""One connection of the fast lane: its socket, its parser, and the request it is in."""

from __future__ import annotations

import re
import select
import socket

import httptools

from statnive.ingest.answers import Answer
from statnive.ingest.client_hints import PLAIN_BRANDS
from statnive.ingest.request import RequestHead

# The headers that matter, at the beginning of a line. Matched against the head in lower case. Of client hints only
# those that tell something new, so that what every Chromium sends costs 0.4 µs and not 1.2.
_HEADERS = re.compile(
    rb"\r\n(x-forwarded-for|content-length|transfer-encoding|expect|if-none-match|x-debug-request|x-moz|x-purpose"
    rb"|sec-purpose|purpose|sec-ch-ua(?:(?=:(?!"
    + PLAIN_BRANDS
    + rb"))|-platform-version|-model)):[ \t]*([^\r]*)"
).findall
_HINTS = re.compile(rb"\r\n(sec-ch-ua(?:-mobile|-platform(?:-version)?|-model)?):[ \t]*([^\r]*)")
_ACCEPT_ENCODING = re.compile(rb"\r\naccept-encoding:([^\r]*)", re.IGNORECASE)
_USER_AGENT = b"\r\nuser-agent:"


class Connection:
    """One connection and the request it is in. Also the httptools protocol object of its parser.

    llhttp judges every head, without a callback for each header (17 of them cost 3 µs in calls alone). Which headers
    a head holds is then read off its bytes: llhttp accepts neither folded lines nor a bare CR or LF (a test holds it
    to that), so that a header begins right after CR LF and nowhere else.
    """

    __slots__ = (
        "asked_at",
        "body_bytes",
        "buffer",
        "close_after",
        "closed",
        "deadline",
        "fd",
        "half_closed",
        "head",
        "linger",
        "lingering",
        "mask",
        "noted",
        "others",
        "out",
        "parser",
        "peer",
        "pending",
        "request_deadline",
        "sock",
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
        self.asked_at = 0.0  # when the request was read that `pending` answers, on the monotonic clock
        self.head: RequestHead | None = None  # set once a head is parsed and its body is not complete
        self.noted = RequestHead(peer)
        self.body_bytes = -1  # -1 = no content-length
        self.others: dict[bytes, bytes] | None = None  # transfer-encoding, expect, if-none-match, where sent
        self.deadline = 0.0
        self.request_deadline = 0.0  # 0 = between requests
        self.close_after = False
        self.linger = False
        self.half_closed = False  # the peer will send no more, but may still read
        self.lingering = False  # answered for the last time; what still comes is thrown away
        self.closed = False

    def read_head(self, head: bytes) -> None:
        """Take in a whole head. Raises httptools' errors."""
        self.parser.feed_data(head)
        self.noted = noted = RequestHead(self.peer)
        self.body_bytes = -1
        self.others = None
        lowered = head.lower()
        at = lowered.rfind(_USER_AGENT)
        if at >= 0:
            at += len(_USER_AGENT)
            noted.user_agent = head[at : head.find(b"\r", at)].strip(b" \t")  # its letters as they were sent
        hinted = False
        for name, value in _HEADERS(lowered):
            if name == b"content-length":
                self.body_bytes = int(value)
            elif name == b"x-forwarded-for" and not noted.forwarded_for:
                noted.forwarded_for = value.rstrip(b" \t")
            elif name.startswith(b"sec-ch-ua"):
                hinted = True
            else:
                self._note_rare(name, value.rstrip(b" \t"))
        if hinted:
            for found in _HINTS.finditer(lowered):
                start, end = found.span(2)
                noted.note(found[1], head[start:end].rstrip(b" \t"))

    @staticmethod
    def target(head: bytes) -> bytes:
        """The request target of a head that llhttp has accepted: it stands between the line's first two spaces."""
        return head.split(b" ", 2)[1]

    @staticmethod
    def accept_encoding(head: bytes) -> bytes:
        """The value of that header of a head; b"" = not sent. No event needs it."""
        found = _ACCEPT_ENCODING.search(head)
        return found[1] if found else b""

    def _note_rare(self, name: bytes, value: bytes) -> None:
        if name in (b"transfer-encoding", b"expect", b"if-none-match"):
            if self.others is None:
                self.others = {}
            self.others[name] = value
        else:
            self.noted.note(name, value)
