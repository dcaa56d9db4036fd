from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest

from statnive.actors.congestion import SHARE_MAX, Congestion


@pytest.fixture
def epoll() -> Iterator[select.epoll]:
    with select.epoll() as made:
        yield made


def test_the_marker_comes_out_once_and_only_when_it_was_sent(epoll: select.epoll) -> None:
    congestion = Congestion(epoll, 0.25)
    assert epoll.poll(0) == []
    congestion.busy(10.0)
    congestion.busy(10.1)
    assert [fd for fd, _ in epoll.poll(0)] == [congestion.fd]
    assert epoll.poll(0) == []
    congestion.seen(10.2)
    assert congestion.delay_s == pytest.approx(0.2)
    congestion.close()


def test_the_marker_waits_behind_what_was_ready_before_it(epoll: select.epoll) -> None:
    congestion = Congestion(epoll, 0.25)
    others = [os.eventfd(1, os.EFD_NONBLOCK) for _ in range(5)]
    for other in others:
        epoll.register(other, select.EPOLLIN)
    congestion.busy(0.0)
    order = [fd for _ in range(6) for fd, _ in epoll.poll(0, 1)]
    assert order.index(congestion.fd) == 5
    for other in others:
        os.close(other)
    congestion.close()


@pytest.mark.parametrize(
    ("delay_s", "share"), [(0.1, 0.0), (0.25, 0.0), (0.5, 0.5), (1.0, 0.75), (60.0, SHARE_MAX)]
)
def test_past_the_target_the_share_refused_brings_the_wait_back_to_it(
    epoll: select.epoll, delay_s: float, share: float
) -> None:
    congestion = Congestion(epoll, 0.25)
    congestion.busy(0.0)
    congestion.seen(delay_s)
    assert congestion.share == pytest.approx(share)
    refused = sum(congestion.refuses() for _ in range(2_000))
    assert refused == pytest.approx(2_000 * share, abs=150)
    congestion.idle()
    assert not congestion.refuses()
    congestion.close()
