"""Which headers a head holds is read off its bytes; that is right only because the parser refuses these."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statnive.actors.connection import Connection
from statnive.ingest.client_hints import HEADERS as HINT_HEADERS
from statnive.ingest.client_hints import client_hints
from statnive.ingest.request import RequestHead


class NoSocket:
    def fileno(self) -> int:
        return 0


def read(head: bytes) -> Connection:
    connection = Connection(NoSocket(), "127.0.0.1")  # type: ignore[arg-type]
    connection.read_head(head)
    return connection


@pytest.mark.parametrize(
    "lines",
    [
        b"Host: x\nTransfer-Encoding: chunked\r\nContent-Length: 3",
        b"Host: x\r\n Transfer-Encoding: chunked\r\nContent-Length: 3",
        b"Host: x\r\n\tfolded\r\nContent-Length: 3",
        b"Host: x\rContent-Length: 3",
        b"Transfer-Encoding : chunked\r\nContent-Length: 3",
        b"Content-Length: 3\r\nContent-Length: 3",
        b"Content-Length: 3\r\nContent-Length: 4",
        b"Content-Length: +3",
        b"Content-Length: 3, 3",
        b"Content-Length: 0x3",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3",
        b"Host: x\x00y",
    ],
)
def test_a_head_about_which_parsers_disagree_is_refused(lines: bytes) -> None:
    with pytest.raises(httptools.HttpParserError):
        read(b"POST / HTTP/1.1\r\n" + lines + b"\r\n\r\n")


@given(
    st.integers(0, 9_999),
    st.sampled_from([b"Content-Length", b"CONTENT-LENGTH", b"content-length"]),
    st.booleans(),
)
def test_headers_are_found_whatever_their_case_and_not_inside_values(
    length: int, name: bytes, first: bool
) -> None:
    decoy = b"X-Decoy: a content-length: 7, transfer-encoding: chunked"
    lines = [name + b":  %d " % length, decoy] if first else [decoy, name + b":  %d " % length]
    connection = read(
        b"POST / HTTP/1.1\r\n" + b"\r\n".join([*lines, b"USER-agent: \t Mozilla/5.0 (X11) "]) + b"\r\n\r\n"
    )
    assert connection.body_bytes == length
    assert connection.others is None
    assert connection.noted.user_agent == b"Mozilla/5.0 (X11)"


HINT_VALUES = st.sampled_from(
    [
        b"",
        b"?1",
        b'"Android"',
        b'"Google Chrome";v="141", "Chromium";v="141"',
        b'"GOOGLE CHROME";v="141"',
        b'"Brave";v="141", "Chromium";v="141"',
        b"\xff",
        b'a, sec-ch-ua-model: "x"',
    ]
)


@given(st.lists(st.tuples(st.sampled_from(HINT_HEADERS), HINT_VALUES, st.booleans()), max_size=8))
def test_hints_found_in_the_bytes_are_those_that_every_header_gives(
    headers: list[tuple[bytes, bytes, bool]],
) -> None:
    lines = [(name.upper() if shout else name) + b": " + value for name, value, shout in headers]
    found = read(b"\r\n".join([b"POST / HTTP/1.1", b"Host: x", *lines]) + b"\r\n\r\n").noted
    every = RequestHead("127.0.0.1")
    for name, value, _ in headers:
        every.note(name, value)
    assert client_hints(found.hints or {}) == client_hints(every.hints or {})


def test_repeated_forwarded_for_lines_join_in_their_order() -> None:
    connection = read(
        b"POST / HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\nHost: x\r\nx-forwarded-for: 5.6.7.8\r\n\r\n"
    )
    assert connection.noted.forwarded_for == b"1.2.3.4,5.6.7.8"
