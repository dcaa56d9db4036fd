from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from statnive.actors import limiter
from statnive.actors.limiter import EVICT_INTERVAL_S, LimiterHandle
from statnive.config import LimiterConfig

CARRIER = LimiterConfig().carrier_asns[0]


class Time:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def admitted(handle: LimiterHandle, network: bytes, tries: int, asn: int = 0, site: int = 1) -> int:
    return sum(
        1
        for _ in range(tries)
        if not handle.admit_address(network, asn) and not handle.admit_site(network, asn, site)
    )


def test_an_address_may_burst_200_and_then_100_a_second() -> None:
    time = Time()
    handle = LimiterHandle(LimiterConfig(), time)
    assert admitted(handle, b"abcd", 500) == 200
    time.now += 1.0
    assert admitted(handle, b"abcd", 500) == 100
    assert admitted(handle, b"efgh", 1) == 1


def test_a_carriers_address_may_burst_2000_and_then_1000_a_second_for_each_site() -> None:
    time = Time()
    handle = LimiterHandle(LimiterConfig(), time)
    assert admitted(handle, b"abcd", 3_000, CARRIER, site=1) == 2_000
    assert admitted(handle, b"abcd", 3_000, CARRIER, site=2) == 2_000
    time.now += 1.0
    assert admitted(handle, b"abcd", 3_000, CARRIER, site=1) == 1_000


def test_a_site_may_take_25000_a_second_from_everybody_together() -> None:
    time = Time()
    handle = LimiterHandle(LimiterConfig(), time)
    taken = sum(not handle.admit_site(n.to_bytes(4, "big"), 0, 7) for n in range(30_000))
    assert taken == 25_000
    assert not handle.admit_site(b"abcd", 0, 8)


def test_a_refusal_tells_whole_seconds_to_wait() -> None:
    handle = LimiterHandle(LimiterConfig(address_per_s=0.5, address_burst=1), Time())
    assert handle.admit_address(b"abcd", 0) == 0
    assert handle.admit_address(b"abcd", 0) == 2


def test_the_table_is_bounded_and_newcomers_share_one_bucket() -> None:
    handle = LimiterHandle(LimiterConfig(keys_max=10, carrier_burst=5), Time())
    taken = sum(not handle.admit_address(n.to_bytes(4, "big"), 0) for n in range(100))
    assert taken == 10 + 5
    assert handle.stats()["limiter_keys"] == 11
    assert handle.stats()["limiter_overflow_total"] == 90


async def test_idle_buckets_are_evicted(autojump_clock: MockClock) -> None:
    handle = LimiterHandle(LimiterConfig(), trio.current_time)
    for n in range(20_000):
        handle.admit_address(n.to_bytes(4, "big"), 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(limiter.run, handle)
        await trio.sleep(2 * EVICT_INTERVAL_S)
        assert handle.stats()["limiter_keys"] == 0
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("tries", [50])
async def test_a_bucket_in_use_is_not_evicted(autojump_clock: MockClock, tries: int) -> None:
    handle = LimiterHandle(LimiterConfig(address_per_s=1, address_burst=tries), trio.current_time)
    for _ in range(tries):
        handle.admit_address(b"abcd", 0)
    handle.forget([b"abcd"])
    assert handle.admit_address(b"abcd", 0) > 0
