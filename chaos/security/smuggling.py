"""Request smuggling: bytes that a proxy and the node could take apart differently (RFC 9112 §11.2).

Each vector hides a second request, GET /healthz, in what one reading calls the body. A node that answers it ("alive")
has read the message as only one of the two parties would.
"""

from __future__ import annotations

from typing import Final

from chaos.security.attack import Attack, Told, expect
from chaos.security.stage import AGENT, DOORS, SITE, Stage

HIDDEN: Final = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
EVENT: Final = b'{"n":"pageview","u":"https://%s/smuggled"}' % SITE.encode()
LENGTH: Final = b"%d" % len(HIDDEN)
TARGETS: Final = (b"/api/event", b"/api/v2/query", b"/")
SILENCE_S: Final = 0.2  # in which a second answer would have come
AGENT_LINE: Final = b"User-Agent: " + AGENT.encode()

# Heads whose framing is ambiguous, or no framing at all. {} stands for the length of what hides behind.
FRAMINGS: Final = [
    b"Content-Length: {}\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: {}",
    b"Transfer-Encoding : chunked\r\nContent-Length: {}",
    b" Transfer-Encoding: chunked\r\nContent-Length: {}",
    b"Transfer-Encoding: xchunked\r\nContent-Length: {}",
    b"Transfer-Encoding: chunked, identity\r\nContent-Length: {}",
    b"Transfer-Encoding: identity, chunked\r\nContent-Length: {}",
    b"Transfer-Encoding: identity\r\nContent-Length: {}",
    b"Transfer-Encoding: \x0bchunked\r\nContent-Length: {}",
    b"Transfer-Encoding: \x00chunked\r\nContent-Length: {}",
    b"Transfer-Encoding: chunked\x00\r\nContent-Length: {}",
    b'Transfer-Encoding: "chunked"\r\nContent-Length: {}',
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\nContent-Length: {}",
    b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\nContent-Length: {}",
    b"Transfer-Encoding:\r\n chunked\r\nContent-Length: {}",
    b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: {}",
    b"X: y\rTransfer-Encoding: chunked\r\nContent-Length: {}",
    b"X: y\n\rTransfer-Encoding: chunked\r\nContent-Length: {}",
    b"Transfer-Encoding\n: chunked\r\nContent-Length: {}",
    b"Transfer_Encoding: chunked\r\nContent-Length: {}",
    b"Content-Length: 0\r\nContent-Length: {}",
    b"Content-Length: {}\r\nContent-Length: 0",
    b"Content-Length: 0, {}",
    b"Content-Length: {}, 0",
    b"Content-Length: +{}",
    b"Content-Length: -{}",
    b"Content-Length: 0x{}",
    b"Content-Length: {}a",
    b"Content-Length: \x0b{}",
    b"Content-Length: {}\x00",
    b"Content-Length: {}.0",
    b"Content-Length: 1e2",
    b"Content-Length: \xd9\xa3\xd9\xa4",
    b"Content-Length: 99999999999999999999999999",
    b"Content-Length: 18446744073709551616",
    b"Content-Length:\r\n {}",
    b"Content-Length : {}",
    b"Content-Length\t: {}",
    b" Content-Length: {}",
    b"X: a\r\n Content-Length: {}",
    b"X: a\r\n\tContent-Length: {}",
    b"X: a\nContent-Length: {}",
    b"X: a\rContent-Length: {}",
    b"Content-Length: {}\nX: a",
    b"Content Length: {}",
    b"Content-Length\x00: {}",
    b": x\r\nContent-Length: {}",
    b"Content-Length: ",
    b"Content-Length: {} {}",
]
# Chunked bodies that are none, or that end elsewhere for a careless reader.
CHUNKS: Final = [
    b"0\r\n\r\n" + HIDDEN,  # whole: what follows is a second request, and may be answered as one
    b"0\n\n" + HIDDEN,
    b"0\r\n\n" + HIDDEN,
    b"0\n\r\n" + HIDDEN,
    b"0;\n\r\n\r\n" + HIDDEN,
    b"0;a=\x00\r\n\r\n" + HIDDEN,
    b"-0\r\n\r\n" + HIDDEN,
    b"+0\r\n\r\n" + HIDDEN,
    b"0x0\r\n\r\n" + HIDDEN,
    b" 0\r\n\r\n" + HIDDEN,
    b"\r\n0\r\n\r\n" + HIDDEN,
    b"1_0\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n" + HIDDEN,
    b"10000000000000000\r\n" + HIDDEN,
    b"ffffffffffffffffff\r\n" + HIDDEN,
    b"-1\r\nx\r\n0\r\n\r\n" + HIDDEN,
    b"2\r\nxxx\r\n0\r\n\r\n" + HIDDEN,
    b"2\r\nxx0\r\n\r\n" + HIDDEN,
    b"2;" + b"e" * 40_000 + b"\r\nxx\r\n0\r\n\r\n" + HIDDEN,
    b"0\r\nContent-Length: 5\r\n\r\n" + HIDDEN,
    b"0\r\nX: " + b"t" * 40_000 + b"\r\n\r\n" + HIDDEN,
]
LINES: Final = [
    b"POST {} HTTP/1.1\n",
    b"POST {}  HTTP/1.1\r\n",
    b"POST\t{}\tHTTP/1.1\r\n",
    b"POST {} HTTP/1.1 \r\n",
    b"POST {} HTTP/1.10\r\n",
    b"POST {} http/1.1\r\n",
    b"POST {} HTTP/2.0\r\n",
    b"POST {} HTTP/1.1\r\r\n",
    b"\x00POST {} HTTP/1.1\r\n",
    b"POST {}\x00 HTTP/1.1\r\n",
    b"POST {}\r\n",
    b"POST {} HTTP/1.1\r\n \r\n",
    b"PO\x00ST {} HTTP/1.1\r\n",
    b"POST {} HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
]


def framings(stage: Stage) -> Told:
    """CL/TE and their like at each target and door: refused, or read as one request."""
    tried = refused = 0
    for door in DOORS:
        raws = [
            b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\n\r\n%s"
            % (target, AGENT_LINE, framing.replace(b"{}", LENGTH), HIDDEN)
            for target in _targets(stage, door)
            for framing in FRAMINGS
        ]
        for raw, said in stage.say_each(door, raws, silence_s=SILENCE_S):
            tried += 1
            refused += _one_answer_at_most(said, raw[:200])
    return Told(
        tried,
        f"the hidden request never answered; {refused} refused with 4xx, the others read as one request",
    )


def chunk_tricks(stage: Stage) -> Told:
    """Bent chunk sizes, extensions and trailers: an error, or exactly what the RFC says."""
    tried = 0
    whole = {CHUNKS[0], *CHUNKS[-2:]}  # these are well-formed: what follows is a second request
    for door in DOORS:
        for target in _targets(stage, door):
            head = b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n" % (
                target, AGENT_LINE,
            )  # fmt: skip
            raws = (head + body for body in CHUNKS)
            for raw, said in stage.say_each(door, raws, silence_s=SILENCE_S):
                tried += 1
                body = raw.removeprefix(head)
                if body not in whole:
                    _one_answer_at_most(said, body[:40])
    return Told(tried, "each ended with an error or a closed connection, none let a second request in")


def lines(stage: Stage) -> Told:
    """Bent request lines and bare LF."""
    tried = 0
    rest = b"Host: x\r\n%s\r\nContent-Length: %s\r\n\r\n" % (AGENT_LINE, LENGTH)
    for door in DOORS:
        raws = [
            line.replace(b"{}", target) + rest + HIDDEN for target in _targets(stage, door) for line in LINES
        ]
        for raw, said in stage.say_each(door, raws, silence_s=SILENCE_S):
            tried += 1
            _one_answer_at_most(said, raw[:60])
    return Told(tried, "none let a second request in")


def bodies_that_hide(stage: Stage) -> Told:
    """A well-framed body is a body, whatever it looks like: on GET, with Expect, with Upgrade, over and over."""
    heads = [
        b"GET / HTTP/1.1\r\nContent-Length: {}",
        b"GET /tracker.js HTTP/1.1\r\nContent-Length: {}",
        b"OPTIONS /api/event HTTP/1.1\r\nContent-Length: {}",
        b"DELETE /api/event HTTP/1.1\r\nContent-Length: {}",
        b"POST /api/event HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {}",
        b"POST /api/event HTTP/1.1\r\nExpect: 200-ok\r\nContent-Length: {}",
        b"POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: {}",
        b"POST / HTTP/1.1\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"
        b"\r\nContent-Length: {}",
    ]
    tried = 0
    for door in DOORS:
        raws = [
            head.replace(b"{}", LENGTH) + b"\r\nHost: x\r\n" + AGENT_LINE + b"\r\n\r\n" + HIDDEN
            for head in heads
        ]
        for raw, said in stage.say_each(door, raws, silence_s=SILENCE_S):
            tried += 1
            _one_answer_at_most(said, raw[:60])
    return Told(tried, "each body stayed a body")


def tunnels(stage: Stage) -> Told:
    """Upgrade to h2c or WebSocket and CONNECT: a tunnel past a proxy's rules."""
    asked = [
        b"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        b"GET /api/event HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"CONNECT 127.0.0.1:22 HTTP/1.1",
        b"CONNECT / HTTP/1.1",
        b"TRACE / HTTP/1.1\r\nX-Secret: mirrored",
    ]
    tried = 0
    for door in DOORS:
        raws = [head + b"\r\nHost: x\r\n" + AGENT_LINE + b"\r\n\r\n" for head in asked]
        for raw, said in stage.say_each(door, raws, silence_s=SILENCE_S):
            tried += 1
            expect(b" 101 " not in said[:20], f"{raw[:40]!r} opened a tunnel")
            expect(b"mirrored" not in said, "TRACE mirrors what it was sent")
            expect(not (raw.startswith(b"CONNECT") and b" 200 " in said[:20]), "CONNECT was accepted")
    return Told(tried, "no 101, no tunnel, no mirror")


def _targets(stage: Stage, door: str) -> tuple[bytes, ...]:
    """All; or, to be quick, one of the fast lane and one of hypercorn's."""
    if stage.thorough:
        return TARGETS
    return TARGETS[:2] if door == "plain" else TARGETS[1:2]


def _one_answer_at_most(said: bytes, vector: bytes) -> bool:
    """Whether it was refused. Raises GaveWay when the hidden request was answered."""
    expect(b"alive\n" not in said, f"{vector!r}: the hidden request was answered")
    finals = [line for line in said.split(b"HTTP/1.1 ")[1:] if not line.startswith(b"100")]
    expect(len(finals) <= 1, f"{vector!r}: {len(finals)} answers")
    return bool(finals) and finals[0].startswith(b"4")


ATTACKS: Final = (
    Attack(
        "smuggling/framing", "CL with TE, two of either, obs-fold, bare LF and CR, blanks, NULs", framings
    ),
    Attack("smuggling/chunks", "bent chunk sizes, extensions, ends and trailers", chunk_tricks),
    Attack("smuggling/lines", "bent request lines, bare LF, two Hosts", lines),
    Attack("smuggling/bodies", "a request as the body of GET, Expect, Upgrade", bodies_that_hide),
    Attack("smuggling/tunnels", "Upgrade: h2c and websocket, CONNECT, TRACE", tunnels),
)
