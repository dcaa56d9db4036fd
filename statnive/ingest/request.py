"""What the pipeline wants to know of a request's head, gathered alike by both lanes."""

from __future__ import annotations

from typing import Final

from statnive.ingest.client_hints import HEADERS as HINT_HEADERS

PREFETCH_HEADERS: Final = frozenset((b"x-purpose", b"purpose", b"x-moz", b"sec-purpose"))


class RequestHead:
    """The head of one ingest request: peer address and the few headers that matter. Lives as long as the request."""

    __slots__ = ("debug", "forwarded_for", "hints", "peer", "prefetch", "user_agent")

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.user_agent = b""
        self.forwarded_for = b""
        self.prefetch = False
        self.debug = False
        self.hints: dict[bytes, bytes] | None = None  # Sec-CH-UA…, by name

    def note(self, name: bytes, value: bytes) -> None:
        """Take in one header; `name` in lower case. Repeated X-Forwarded-For lines join, as RFC 9110 says."""
        if name == b"user-agent":
            self.user_agent = value
        elif name == b"x-forwarded-for":
            self.forwarded_for = self.forwarded_for + b"," + value if self.forwarded_for else value
        elif name in PREFETCH_HEADERS:
            self.prefetch = self.prefetch or is_prefetch(name, value)
        elif name in HINT_HEADERS:
            if self.hints is None:
                self.hints = {}
            self.hints[name] = value
        elif name == b"x-debug-request":
            self.debug = value.strip().lower() == b"true"


def is_prefetch(name: bytes, value: bytes) -> bool:
    """Whether this header says that nobody is looking at the page (yet)."""
    text = value.lower()
    return b"prefetch" in text or b"prerender" in text or b"preview" in text or name == b"x-moz"
