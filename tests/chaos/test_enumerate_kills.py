"""Kill the node, or fail a call of it, at chosen system calls of one small block: nothing is lost or doubled.

A sample of chaos/enumerate_kills.py, which takes all of them (about an hour). ENUMERATE_EVERY=1 takes every call on the
data directory here too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from chaos.enumerate_kills import EIO, KILL, NUMBER_MAX, Campaign, Outcome, Point
from chaos.kill_child import CRASHED, ERASING

TRIES = 4
EVERY = int(os.environ.get("ENUMERATE_EVERY", "0"))


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    with Campaign(tmp_path_factory.mktemp("kills"), jobs=2) as campaign:
        yield campaign


def sample(campaign: Campaign, state: str, call: str, fault: str, few: slice) -> list[Point]:
    points = campaign.points(state, call, fault)
    assert points, f"{state}: no {call} on the data directory"
    return points[::EVERY] if EVERY else points[few]


def bad(outcomes: list[Outcome]) -> list[str]:
    return [
        f"{one.point}: lost {one.lost}, doubled {one.doubled}, {one.wrong}"
        for one in outcomes
        if not one.is_right
    ]


@pytest.mark.slow
def test_a_block_is_in_once_after_a_kill_at_any_call(campaign: Campaign) -> None:
    """Renames put a part in place, and the engine has its token written down before: each is a trap."""
    points = [
        point
        for call, few in (
            ("rename", slice(2, None, 2)),
            ("write", slice(30, None, 30)),
            ("pwrite64", slice(1, None, 6)),
            ("syncfs", slice(1)),
            ("unlink", slice(1)),
        )
        for point in sample(campaign, "fresh", call, KILL, few)
    ]
    outcomes = list(campaign.run(points))
    assert bad(outcomes) == []
    for _ in range(TRIES):
        # The engine's threads share the calls as they get to run: a thread may not have come to its Nth one.
        spared = [one.point for one in outcomes if one.unharmed]
        outcomes = [one for one in outcomes if not one.unharmed] + list(campaign.run(spared))
        assert bad(outcomes) == []
    assert sum(not one.unharmed for one in outcomes) >= len(points) - 1, "the kills did not come"


@pytest.mark.slow
def test_a_block_is_in_once_after_a_call_failed_and_the_node_went_on(campaign: Campaign) -> None:
    """No crash: the engine says no, the retry under the same token says OK, and a part is missing."""
    points = sample(campaign, "fresh", "rename", EIO, slice(4, None, 3))
    outcomes = list(campaign.run(points))
    assert bad(outcomes) == []
    # The renames of the node's own state are among them: those end it, as they must.
    assert any(one.unharmed for one in outcomes), "the node should have gone on"


@pytest.mark.slow
@pytest.mark.parametrize("state", CRASHED)
def test_what_a_crash_left_is_repaired_also_when_the_repair_is_killed(campaign: Campaign, state: str) -> None:
    unharmed = Point(state, "mkdir", NUMBER_MAX)
    points = [unharmed, *sample(campaign, state, "rename", KILL, slice(5, None, 6))]
    outcomes = list(campaign.run(points))
    assert bad(outcomes) == []
    assert outcomes[0].unharmed
    assert not all(one.unharmed for one in outcomes)


@pytest.mark.slow
def test_an_erasure_that_is_killed_at_any_call_goes_on_and_brings_nothing_back(campaign: Campaign) -> None:
    """A block comes in beside it. What had to go is gone, the rest is there once, and the rollups fit."""
    unharmed = Point(ERASING, "mkdir", NUMBER_MAX)
    points = [unharmed, *sample(campaign, ERASING, "rename", KILL, slice(6, None, 40))]
    outcomes = list(campaign.run(points))
    assert bad(outcomes) == []
    assert outcomes[0].unharmed
    assert sum(not one.unharmed for one in outcomes) > len(points) // 2
