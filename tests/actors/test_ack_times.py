"""How long requests waited: what is added, what is told of it, and for how long."""

from __future__ import annotations

import random

from statnive.actors.ack_times import BOUNDS_S, RECENT_S, AckTimes, quantile


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_each_request_is_in_one_bucket_and_in_the_sum() -> None:
    clock = Clock()
    times = AckTimes(clock)
    times.add([clock.now - 60, clock.now - 0.05, clock.now - 0.05, clock.now, clock.now, clock.now])
    stats, buckets = times.stats(), dict(times.buckets())
    assert (stats["ack_seconds_count"], stats["ack_seconds_sum"]) == (6, 60.1)
    assert (buckets["0.001"], buckets["0.04"], buckets["0.06"], buckets["10"], buckets["+Inf"]) == (
        3,
        3,
        5,
        5,
        6,
    )
    assert len(buckets) == len(BOUNDS_S) + 1


def test_quantiles_are_within_the_bucket_of_the_exact_ones() -> None:
    pick, clock = random.Random(4), Clock()
    times = AckTimes(clock)
    waits = sorted(pick.lognormvariate(-3, 1) for _ in range(5_000))
    for wait in waits:
        times.add([clock.now - wait])
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        exact = waits[int(share * len(waits)) - 1]
        lower = max((bound for bound in BOUNDS_S if bound < exact), default=0.0)
        upper = min(bound for bound in BOUNDS_S if bound >= exact)
        assert lower <= times.stats()[f"ack_recent_seconds_{name}"] <= upper


def test_the_quantiles_of_nothing_and_of_what_is_above_every_bound() -> None:
    nothing = [0] * (len(BOUNDS_S) + 1)
    assert quantile(nothing, 0.5) == 0.0
    assert quantile([*nothing[:-1], 7], 0.5) == BOUNDS_S[-1]


def test_recent_are_the_last_minutes_however_long_it_was_quiet_before() -> None:
    clock = Clock()
    times = AckTimes(clock)
    for _ in range(30):  # half an hour of slow ones, each minute
        times.add([clock.now - 2])
        clock.now += 60
    assert 5 <= times.stats()["ack_recent_requests"] <= 6
    assert times.stats()["ack_recent_seconds_p50"] > 1
    clock.now += 3_600
    assert times.stats()["ack_recent_requests"] == 0
    times.add([clock.now - 0.008] * 4)
    assert times.stats()["ack_recent_requests"] == 4
    assert times.stats()["ack_recent_seconds_p99"] <= 0.01
    clock.now += RECENT_S - 1
    assert times.stats()["ack_recent_requests"] == 4
    assert times.stats()["ack_seconds_count"] == 34
