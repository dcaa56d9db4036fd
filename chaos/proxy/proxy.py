"""The fault proxy itself.

Owns:       the listening socket, both sockets of each connection, and the bytes on their way.
Inputs:     bytes and ends of both sides; `set`, `reset` and `vanish`, which take effect at once.
Outputs:    the same bytes in the same order, late, never or half, and counters.
Invariants: I1 what comes out is a prefix of what went in; I2 with no faults it is all of it, ends and resets
            included; I3 the same seed decides alike for the n-th connection's bytes, whatever the others do;
            I4 at most CHUNKS_MAX reads of each direction are on their way, then the sender has to wait.
Failure:    a server that can't be reached is a reset of the client. Anything else ends the proxy.
Shutdown:   the end of `run`'s cancel scope: both sides are closed, what is on its way is lost.
"""

from __future__ import annotations

import math
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal, NamedTuple

import attrs
import trio

from chaos.proxy.faults import PACKET_BYTES, Faults, Path, Shaper

CHUNK_BYTES: Final = 64 * 1024
CHUNKS_MAX: Final = 32
SLICE_S: Final = 0.05
BACKLOG: Final = 4_096
PLUGS: Final = 2

During = Literal["now", "request", "answer"]
Side = Literal["client", "server"]
Direction = Literal["up", "down"]


@attrs.define
class Counters:
    """Since the start. `resets`: made here, on purpose; `resets_passed`: one side's, handed to the other."""

    accepted: int = 0
    open: int = 0
    unreachable: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    delayed: int = 0
    stalls: int = 0
    stalled_ms: float = 0
    resets: int = 0
    resets_passed: int = 0
    vanished: int = 0

    def count_bytes(self, direction: Direction, size: int) -> None:
        if direction == "up":
            self.bytes_up += size
        else:
            self.bytes_down += size


class Proxy:
    """`run` serves it; `set`, `reset` and `vanish` are synchronous and for the thread of the trio run."""

    def __init__(self, to: tuple[str, int], *, seed: int = 0, faults: Faults | None = None) -> None:
        self.to, self.seed = to, seed
        self.faults = faults or Faults()
        self.counters = Counters()
        self.host, self.port = "", 0
        self._random = random.Random(seed)
        self._links: dict[int, _Link] = {}
        self._changed = trio.Event()
        self._listener: trio.socket.SocketType | None = None
        self._accepting = trio.CancelScope()
        self._plugs: list[socket.socket] = []
        self._plug_addresses: set[object] = set()

    def set(self, faults: Faults) -> None:
        """From now on these and no others. What is on its way keeps its time, but a `hold` holds it too.

        Raises OSError when connections are to be accepted again and the port is taken.
        """
        before, self.faults = self.faults, faults
        changed, self._changed = self._changed, trio.Event()
        changed.set()
        if faults.connects != before.connects and self.port:
            self._accepting.cancel()
            self._prepare_listener()

    def reset(self, share: float = 1.0, during: During = "now") -> int:
        """Reset `share` of the connections there are, chosen at random, and return their number: at once, or
        in the middle of the next bytes of a request or of an answer."""
        chosen = self._choose(share)
        for link in chosen:
            if during == "now":
                link.reset()
            else:
                link.up.armed |= during == "request"
                link.down.armed |= during == "answer"
        return len(chosen)

    def vanish(self, side: Side, share: float = 1.0) -> int:
        """Make `share` of the connections half-open and return their number: `side` is gone, and the other
        side hears nothing, not even an end."""
        chosen = self._choose(share)
        for link in chosen:
            link.vanish(side)
        return len(chosen)

    def _choose(self, share: float) -> list[_Link]:
        links = [link for link in self._links.values() if link.established]
        return self._random.sample(links, round(share * len(links)))

    def listen(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Take the port (0: a free one, see `port`). Raises OSError when it is taken."""
        self.host, self.port = host, port
        self._prepare_listener()

    async def run(self) -> None:
        """Serve until cancelled; then everything is closed."""
        assert self.port, "listen first"
        try:
            async with trio.open_nursery() as links:
                while True:
                    with trio.CancelScope() as self._accepting:
                        await self._accept(links)
        finally:
            self._close_listener()

    async def _accept(self, links: trio.Nursery) -> None:
        """Accept connections, or don't, until the scope is cancelled because `connects` has changed."""
        listener = self._listener
        if listener is None or self.faults.connects != "accepted":
            await trio.sleep_forever()
        while True:
            try:
                accepted, address = await listener.accept()
            except OSError:  # a client that went away before; or no descriptors are left: others end soon
                await trio.sleep(0.01)
                continue
            if address in self._plug_addresses:
                self._plug_addresses.discard(address)
                accepted.close()
                continue
            self.counters.accepted += 1
            links.start_soon(self._serve, trio.SocketStream(accepted), self.counters.accepted)

    async def _serve(self, client: trio.SocketStream, number: int) -> None:
        link = self._links[number] = _Link(self, client, number)
        self.counters.open += 1
        try:
            await link.run()
        finally:
            link.close()
            del self._links[number]
            self.counters.open -= 1

    async def until_released(self, direction: Direction) -> None:
        """Return when this direction is not held."""
        while getattr(self.faults, direction).hold:
            await self._changed.wait()

    def _prepare_listener(self) -> None:
        """Make the listening socket what `connects` says."""
        if self._listener is None and (self.faults.connects != "refused" or not self.port):
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            raw = socket.socket(family, socket.SOCK_STREAM)
            try:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                raw.bind((self.host, self.port))
                raw.listen(BACKLOG)
            except OSError:
                raw.close()
                raise
            self.port = raw.getsockname()[1]
            self._listener = trio.socket.from_stdlib_socket(raw)
        if self.faults.connects == "refused":
            self._close_listener()
            return
        assert self._listener is not None
        if self.faults.connects == "unanswered":
            # The kernel drops a SYN for a full queue: make it one long, and full.
            self._listener.listen(0)
            for _ in range(PLUGS):
                plug = socket.socket(self._listener.family, socket.SOCK_STREAM)
                plug.setblocking(False)
                plug.connect_ex((self.host, self.port))
                self._plugs.append(plug)
        else:
            self._unplug()
            self._listener.listen(BACKLOG)

    def _unplug(self) -> None:
        for plug in self._plugs:
            with suppress(OSError):  # not connected: it is not in the queue
                plug.getpeername()
                self._plug_addresses.add(plug.getsockname())
            plug.close()
        self._plugs.clear()

    def _close_listener(self) -> None:
        self._unplug()
        self._plug_addresses.clear()
        if self._listener is not None:
            self._listener.close()
            self._listener = None


class _Piece(NamedTuple):
    """Bytes on their way, b"" for the end, None for a reset, and when they come out."""

    at: float
    data: bytes | None


class _Way:
    """One direction of one connection."""

    def __init__(self, seed: int, number: int, direction: Direction) -> None:
        self.direction: Direction = direction
        self.shaper = Shaper(random.Random(f"{seed}:{number}:{direction}"))
        self.armed = False  # to be reset in the middle of the next bytes
        self.ended = False  # its sender has ended or is gone


class _Link:
    """One connection: the client's socket, the server's, and what is between them."""

    def __init__(self, proxy: Proxy, client: trio.SocketStream, number: int) -> None:
        self.up, self.down = _Way(proxy.seed, number, "up"), _Way(proxy.seed, number, "down")
        self.established = False
        self._proxy = proxy
        self._client = client
        self._server: trio.SocketStream | None = None
        self._all = trio.CancelScope()
        self._pumps = trio.CancelScope()
        self._vanished: Side | None = None

    async def run(self) -> None:
        """Carry bytes until both sides have ended or one of them is reset."""
        with self._all:
            await self._proxy.until_released("up")
            try:
                self._server = await trio.open_tcp_stream(*self._proxy.to, happy_eyeballs_delay=math.inf)
            except OSError:
                self._proxy.counters.unreachable += 1
                self.reset(counted=False)
                return
            self.established = True
            with self._pumps:
                await self._pump(self._client, self._server)
            if self._vanished is not None:
                gone, survivor = self._client, self._server
                if self._vanished == "server":
                    gone, survivor = survivor, gone
                gone.socket.close()
                await self._swallow(survivor)

    def reset(self, *, counted: bool = True) -> None:
        """A reset for both sides, now."""
        self._proxy.counters.resets += counted
        for stream in (self._client, self._server):
            if stream is not None:
                _reset_at_close(stream)
        self._all.cancel()

    def vanish(self, side: Side) -> None:
        """`side` is gone."""
        self._proxy.counters.vanished += 1
        self._vanished = side
        self.established = False
        gone = self._client if side == "client" else self._server
        assert gone is not None
        _reset_at_close(gone)
        self._pumps.cancel()

    def close(self) -> None:
        for stream in (self._client, self._server):
            if stream is not None:
                stream.socket.close()

    async def _pump(self, client: trio.SocketStream, server: trio.SocketStream) -> None:
        async with trio.open_nursery() as nursery:
            for way, back, source, sink in (
                (self.up, self.down, client, server),
                (self.down, self.up, server, client),
            ):
                entry, exit_ = trio.open_memory_channel[_Piece](CHUNKS_MAX)
                nursery.start_soon(self._read, way, source, entry)
                nursery.start_soon(self._write, way, back, exit_, sink)

    async def _read(
        self, way: _Way, source: trio.SocketStream, entry: trio.MemorySendChannel[_Piece]
    ) -> None:
        """From the socket to the path, each piece with its time; at last the end, or the reset."""
        counters = self._proxy.counters
        with entry:
            data: bytes | None = b"begin"
            while data:
                path: Path = getattr(self._proxy.faults, way.direction)
                try:
                    data = bytes(await source.receive_some(_read_bytes(path)))
                except trio.BrokenResourceError:
                    data = None
                path = getattr(self._proxy.faults, way.direction)
                now = trio.current_time()
                released = way.shaper.release(len(data or b""), now, path)
                counters.stalls += released.stalled_s > 0
                counters.stalled_ms += released.stalled_s * 1000
                counters.delayed += released.at > now
                way.ended = not data
                await entry.send(_Piece(released.at, data))

    async def _write(
        self, way: _Way, back: _Way, exit_: trio.MemoryReceiveChannel[_Piece], sink: trio.SocketStream
    ) -> None:
        """From the path to the socket, each piece at its time."""
        gone = False
        async for piece in exit_:
            if piece.at > trio.current_time():
                await trio.sleep_until(piece.at)
            await self._proxy.until_released(way.direction)
            if piece.data is None:
                self._proxy.counters.resets_passed += 1
                self.reset(counted=False)
            elif not gone:
                try:
                    await self._deliver(way, piece.data, sink)
                except trio.BrokenResourceError:
                    # What the sink had sent before may still be on its way back, its reset behind it.
                    gone = True
            if gone and back.ended and piece.data is not None:
                self.reset(counted=False)

    async def _deliver(self, way: _Way, data: bytes, sink: trio.SocketStream) -> None:
        """Bytes or the end, or the first of the bytes and a reset. Raises BrokenResourceError."""
        if not data:
            await sink.send_eof()
            return
        path: Path = getattr(self._proxy.faults, way.direction)
        cut = way.shaper.middle(len(data)) if way.armed else way.shaper.cut(len(data), path)
        await sink.send_all(data[:cut])
        self._proxy.counters.count_bytes(way.direction, len(data[:cut]))
        if cut is not None:
            self.reset()

    async def _swallow(self, survivor: trio.SocketStream) -> None:
        """What the survivor still sends goes nowhere; its own end ends the connection."""
        with suppress(trio.BrokenResourceError):
            while await survivor.receive_some(CHUNK_BYTES):
                pass


def _reset_at_close(stream: trio.SocketStream) -> None:
    """Its close will be a reset."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _read_bytes(path: Path) -> int:
    """Small pieces where they come out slowly, so that they come out evenly."""
    if not path.bytes_per_s:
        return CHUNK_BYTES
    return max(PACKET_BYTES, min(CHUNK_BYTES, int(path.bytes_per_s * SLICE_S)))


@asynccontextmanager
async def open_proxy(
    to: tuple[str, int],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 0,
    faults: Faults | None = None,
) -> AsyncIterator[Proxy]:
    """A running Proxy, closed at the end of the block. Raises OSError when the port is taken."""
    proxy = Proxy(to, seed=seed, faults=faults)
    proxy.listen(host, port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(proxy.run)
        yield proxy
        nursery.cancel_scope.cancel()
