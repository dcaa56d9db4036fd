"""The fault proxy in a trio program, on real sockets and a clock that jumps."""

from __future__ import annotations

import random
import socket
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from trio.testing import MockClock

from chaos.proxy import Faults, Path, open_proxy
from chaos.proxy.faults import Shaper
from chaos.service.values import read_value, write_value


@pytest.fixture
def autojump_clock():
    """The clock jumps once nothing has happened for 10 ms: a busy kernel takes its time to deliver, on loopback too."""
    return MockClock(autojump_threshold=0.01)


@asynccontextmanager
async def a_server(handler):
    """`handler` behind a port, which is returned; a reset ends its connection and nothing else."""

    async def guarded(stream):
        with suppress(trio.BrokenResourceError):
            await handler(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, guarded, 0)
        yield ("127.0.0.1", listeners[0].socket.getsockname()[1])
        nursery.cancel_scope.cancel()


async def echo(stream):
    async for data in stream:
        await stream.send_all(data)
    await stream.send_eof()


@asynccontextmanager
async def an_echo(**arguments):
    """A proxy in front of an echo."""
    async with a_server(echo) as to, open_proxy(to, **arguments) as proxy:
        yield proxy


async def connect(proxy):
    return await trio.open_tcp_stream(proxy.host, proxy.port)


async def receive(stream, size):
    data = b""
    while len(data) < size:
        part = await stream.receive_some()
        if not part:
            break
        data += bytes(part)
    return data


async def test_without_faults_every_byte_and_the_end_come_through(autojump_clock):
    sent = random.Random(1).randbytes(1_000_000)
    async with an_echo() as proxy, await connect(proxy) as stream, trio.open_nursery() as nursery:

        async def send():
            await stream.send_all(sent)
            await stream.send_eof()

        nursery.start_soon(send)
        assert await receive(stream, 2_000_000) == sent
        assert (proxy.counters.bytes_up, proxy.counters.bytes_down) == (1_000_000, 1_000_000)
        assert proxy.counters.delayed == proxy.counters.resets == proxy.counters.resets_passed == 0


async def test_each_direction_has_its_own_latency(autojump_clock):
    faults = Faults(up=Path(latency_ms=150), down=Path(latency_ms=30))
    async with an_echo(faults=faults) as proxy, await connect(proxy) as stream:
        started = trio.current_time()
        await stream.send_all(b"x")
        assert await receive(stream, 1) == b"x"
        assert trio.current_time() - started == pytest.approx(0.18, abs=1e-6)


async def test_faults_are_switched_while_a_connection_lives(autojump_clock):
    async with an_echo(faults=Faults.both(latency_ms=500)) as proxy, await connect(proxy) as stream:
        for faults, seconds in (
            (Faults.both(latency_ms=500), 1),
            (Faults(), 0),
            (Faults.both(latency_ms=5), 0.01),
        ):
            proxy.set(faults)
            started = trio.current_time()
            await stream.send_all(b"x")
            await receive(stream, 1)
            assert trio.current_time() - started == pytest.approx(seconds, abs=1e-6)


async def test_latency_does_not_limit_the_throughput(autojump_clock):
    async with an_echo(faults=Faults.both(latency_ms=1000)) as proxy, await connect(proxy) as stream:
        started = trio.current_time()
        for _ in range(10):
            await stream.send_all(b"x" * 10_000)
            await trio.sleep(0.01)
        await receive(stream, 100_000)
        assert trio.current_time() - started < 2.2


async def test_bandwidth_is_what_was_asked_for(autojump_clock):
    faults = Faults(up=Path(bytes_per_s=100_000))
    async with an_echo(faults=faults) as proxy, await connect(proxy) as stream:
        started = trio.current_time()
        await stream.send_all(b"x" * 50_000)
        await receive(stream, 50_000)
        assert trio.current_time() - started == pytest.approx(0.5, abs=1e-3)


async def test_a_black_hole_keeps_everything_and_lets_it_out_at_its_end(autojump_clock):
    async with an_echo() as proxy, await connect(proxy) as stream:
        await stream.send_all(b"a")
        assert await receive(stream, 1) == b"a"
        proxy.set(Faults(up=Path(hold=True)))
        await stream.send_all(b"b")
        with trio.move_on_after(3600) as waiting:
            await receive(stream, 1)
        assert waiting.cancelled_caught
        proxy.set(Faults())
        assert await receive(stream, 1) == b"b"


async def test_a_connection_into_a_black_hole_is_taken_and_reaches_nobody(autojump_clock):
    async with an_echo(faults=Faults.both(hold=True)) as proxy, await connect(proxy) as stream:
        await stream.send_all(b"a")
        with trio.move_on_after(60):
            await receive(stream, 1)
        assert proxy.counters.bytes_up == 0
        proxy.set(Faults())
        assert await receive(stream, 1) == b"a"


async def test_a_held_answer_waits_although_the_request_went_through(autojump_clock):
    seen = trio.Event()

    async def server(stream):
        await stream.receive_some()
        seen.set()
        await stream.send_all(b"answer")

    held = Faults(down=Path(hold=True))
    async with a_server(server) as to, open_proxy(to, faults=held) as proxy, await connect(proxy) as stream:
        await stream.send_all(b"request")
        await seen.wait()
        with trio.move_on_after(60) as waiting:
            await receive(stream, 1)
        assert waiting.cancelled_caught


async def test_refused_connections_are_refused_and_the_others_go_on(autojump_clock):
    async with an_echo() as proxy, await connect(proxy) as stream:
        await stream.send_all(b"a")
        assert await receive(stream, 1) == b"a"
        for _ in range(2):  # setting it twice is setting it once
            proxy.set(Faults(connects="refused"))
        with pytest.raises(OSError, match=r"refused|failed"):
            await connect(proxy)
        await stream.send_all(b"b")
        assert await receive(stream, 1) == b"b"
        proxy.set(Faults())
        async with await connect(proxy) as again:
            await again.send_all(b"c")
            assert await receive(again, 1) == b"c"


async def test_a_proxy_may_begin_by_refusing(autojump_clock):
    async with an_echo(faults=Faults(connects="refused")) as proxy:
        with pytest.raises(OSError, match=r"refused|failed"):
            await connect(proxy)
        proxy.set(Faults())
        await (await connect(proxy)).aclose()


async def test_unanswered_connections_are_neither_taken_nor_refused():
    async with an_echo() as proxy, await connect(proxy) as stream:
        await stream.send_all(b"a")
        await receive(stream, 1)
        proxy.set(Faults.cut())
        with trio.move_on_after(0.15) as connecting:
            await connect(proxy)
        assert connecting.cancelled_caught
        proxy.set(Faults())
        async with await connect(proxy) as again:
            await again.send_all(b"b")
            assert await receive(again, 1) == b"b"
        assert proxy.counters.accepted == 2, "the plugs in the kernel's queue are no clients"


async def test_a_reset_in_the_middle_of_a_request_delivers_a_part_of_it(autojump_clock):
    received, ended = [], []

    async def server(stream):
        try:
            async for data in stream:
                received.append(bytes(data))
        except trio.BrokenResourceError:
            ended.append("reset")

    async with a_server(server) as to, open_proxy(to, seed=3) as proxy, await connect(proxy) as stream:
        await stream.send_all(b"whole.")
        await trio.sleep(1)
        assert received == [b"whole."]
        assert proxy.reset(during="request") == 1
        await stream.send_all(b"x" * 1000)
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        await trio.sleep(0.01)
        part = b"".join(received).removeprefix(b"whole.")
        assert 0 < len(part) < 1000
        assert part == b"x" * len(part)
        assert ended == ["reset"]
        assert proxy.counters.resets == 1


async def test_a_reset_in_the_middle_of_an_answer_comes_after_the_request_was_received(autojump_clock):
    received = []

    async def server(stream):
        while data := await stream.receive_some():
            received.append(bytes(data))
            await stream.send_all(b"y" * 1000)

    async with a_server(server) as to, open_proxy(to, seed=3) as proxy, await connect(proxy) as stream:
        await stream.send_all(b"first")
        await receive(stream, 1000)
        proxy.reset(during="answer")
        await stream.send_all(b"second")
        answer = bytes(await stream.receive_some())
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        assert received == [b"first", b"second"]
        assert 0 < len(answer) < 1000


async def test_a_share_of_the_connections_is_reset_and_no_other(autojump_clock):
    async with an_echo(seed=5) as proxy:
        streams = [await connect(proxy) for _ in range(10)]
        for stream in streams:
            await stream.send_all(b"a")
            await receive(stream, 1)
        assert proxy.reset(share=0.2) == 2
        alive = 0
        for stream in streams:
            try:
                await stream.send_all(b"b")
                alive += await receive(stream, 1) == b"b"
            except trio.BrokenResourceError:
                pass
            await trio.aclose_forcefully(stream)
        assert alive == 8
        assert proxy.counters.resets == 2


async def test_random_resets_hit_their_share_of_the_writes(autojump_clock):
    async with an_echo(seed=5, faults=Faults(up=Path(reset=0.2))) as proxy:
        for _ in range(50):
            async with await connect(proxy) as stream:
                await stream.send_all(b"abc")
                try:
                    assert await receive(stream, 3) == b"abc"
                except trio.BrokenResourceError:
                    continue
        assert 3 <= proxy.counters.resets <= 20


@pytest.mark.parametrize("side", ["server", "client"])
async def test_when_one_side_vanishes_the_other_hears_nothing(autojump_clock, side):
    async with a_server(quiet) as to, open_proxy(to) as proxy, await connect(proxy) as stream:
        await stream.send_all(b"a")
        await receive(stream, 1)
        assert proxy.vanish(side) == 1
        if side == "server":
            await stream.send_all(b"into the void")
            with trio.move_on_after(3600) as waiting:
                await stream.receive_some()
            assert waiting.cancelled_caught
        else:
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()
            await trio.sleep(3600)
            assert proxy.counters.open == 1, "the server's connection has ended"


async def quiet(stream):
    """Answers each piece with a byte and never ends by itself."""
    async for _ in stream:
        await stream.send_all(b".")


async def test_a_reset_of_one_side_is_a_reset_of_the_other_after_what_it_had_sent(autojump_clock):
    async def server(stream):
        await stream.receive_some()
        await stream.send_all(b"last words")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    late = Faults.both(latency_ms=50)
    async with a_server(server) as to, open_proxy(to, faults=late) as proxy, await connect(proxy) as stream:
        await stream.send_all(b"x")
        assert await receive(stream, 10) == b"last words"
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        assert proxy.counters.resets_passed == 1
        assert proxy.counters.resets == 0


async def test_a_server_that_is_not_there_is_a_reset(autojump_clock):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()
    async with open_proxy(nobody) as proxy, await connect(proxy) as stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        assert proxy.counters.unreachable == 1


async def test_a_client_that_half_closes_still_gets_its_answer(autojump_clock):
    async with an_echo(faults=Faults.both(latency_ms=20)) as proxy, await connect(proxy) as stream:
        await stream.send_all(b"abc")
        await stream.send_eof()
        assert await receive(stream, 100) == b"abc"


async def test_a_slow_reader_holds_up_the_sender_and_nobody_else(autojump_clock):
    async with an_echo() as proxy, await connect(proxy) as stuck, await connect(proxy) as other:
        sent = 0
        with trio.move_on_after(5):
            while True:
                await stuck.send_all(b"x" * 100_000)
                sent += 100_000
        assert sent < 64_000_000, "the proxy's memory has no bound"
        await other.send_all(b"y")
        assert await receive(other, 1) == b"y"


async def test_a_port_that_is_taken_says_so():
    async with an_echo() as proxy:
        with pytest.raises(OSError, match="in use"):
            async with open_proxy(("127.0.0.1", 9), port=proxy.port):
                pass


def test_the_same_seed_stalls_the_same_packets():
    def fates(seed):
        shaper = Shaper(random.Random(seed))
        return [shaper.release(100, now, Path(loss=0.3, jitter_ms=5, latency_ms=10)) for now in range(100)]

    assert fates(1) == fates(1)
    assert fates(1) != fates(2)


def test_a_loss_is_a_stall_of_an_rto_and_twice_as_long_the_next_time():
    shaper = Shaper(random.Random(7))
    stalls = [shaper.release(1, now * 1000, Path(loss=0.3, rto_ms=200)).stalled_s for now in range(2_000)]
    assert sum(stall > 0 for stall in stalls) / 2_000 == pytest.approx(0.3, abs=0.04)
    assert {round(stall, 1) for stall in stalls} >= {0.0, 0.2, 0.6, 1.4}


def test_bytes_never_overtake_each_other():
    shaper = Shaper(random.Random(7))
    path = Path(latency_ms=100, jitter_ms=100, loss=0.1)
    times = [shaper.release(1_000, now / 1000, path).at for now in range(1_000)]
    assert times == sorted(times)
    assert shaper.release(1, 1.0, Path()).at == times[-1]


def test_a_reset_is_never_after_the_last_byte():
    shaper = Shaper(random.Random(7))
    assert {shaper.middle(3) for _ in range(100)} == {0, 1, 2}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"up": {"latency": 1}}, "latency"),
        ({"up": {"loss": 2}}, "0 to 1"),
        ({"down": {"latency_ms": -1}}, "below 0"),
        ({"connects": "maybe"}, "maybe|connects"),
        ([], "Faults"),
    ],
)
def test_faults_that_make_no_sense_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        read_value(value, Faults)


def test_faults_survive_json():
    faults = Faults(up=Path(latency_ms=1.5, hold=True), connects="unanswered")
    assert read_value(write_value(faults), Faults) == faults
