"""Goals at ingest: the one pass over all patterns against a matcher that can't be wrong, and how an edit takes hold."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statnive.control.snapshot import Goal, GoalKind, Site
from statnive.event import SCROLL_UNTOLD
from statnive.ingest.goals import GoalMatcher, Patterns


def site(*goals: Goal) -> Site:
    return Site(1, "example.com", "UTC", frozenset({"example.com"}), goals)


def reached(
    matcher: GoalMatcher, where: Site, name: str, path: str, gain: int = 0, depth: int = SCROLL_UNTOLD
) -> list[int]:
    return matcher.reached(where, name, path, gain, depth)


def matches(pattern: str, path: str) -> bool:
    """By definition: try everything that a wildcard may stand for."""

    @cache
    def at(i: int, j: int) -> bool:
        if i == len(pattern):
            return j == len(path)
        if pattern[i] != "*":
            return j < len(path) and path[j] == pattern[i] and at(i + 1, j + 1)
        end = i
        while end < len(pattern) and pattern[end] == "*":
            end += 1
        stop = j
        while True:
            if at(end, stop):
                return True
            if stop == len(path) or (end - i == 1 and path[stop] == "/"):
                return False
            stop += 1

    return at(0, 0)


ALPHABET = "/ab*"


@given(st.lists(st.text(ALPHABET, max_size=8), max_size=6), st.text("/abc", max_size=10))
def test_every_pattern_that_matches_is_found_and_no_other(patterns: list[str], path: str) -> None:
    found = Patterns(list(zip(patterns, range(len(patterns)), strict=True))).match(path)
    assert found == [number for number, pattern in enumerate(patterns) if matches(pattern, path)]


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/blog/*", "/blog/a", True),
        ("/blog/*", "/blog/", True),
        ("/blog/*", "/blog/a/b", False),
        ("/blog/**", "/blog/a/b", True),
        ("/blog**", "/blog", True),
        ("/*/thanks", "/shop/thanks", True),
        ("/**/thanks", "/a/b/thanks", True),
        ("**", "/", True),
        ("/ü*", "/über", True),
        ("/a.c", "/abc", False),
    ],
)
def test_a_star_stays_within_its_segment_and_two_do_not(pattern: str, path: str, expected: bool) -> None:
    assert bool(Patterns([(pattern, 1)]).match(path)) is expected


def test_no_path_takes_more_than_linear_time() -> None:
    hostile = Patterns([("**a**a**a**a**a**a**b", 1), ("/*a*a*a*a*a*a*b", 2)])
    started = time.thread_time()
    assert hostile.match("/" + "a" * 1_999) == []
    assert time.thread_time() - started < 1  # a regular expression would need years


def test_an_event_reaches_every_goal_that_it_meets() -> None:
    goals = site(
        Goal(9, GoalKind.PAGE, "/thanks"),
        Goal(3, GoalKind.PAGE, "/th*"),
        Goal(4, GoalKind.EVENT, "Signup"),
        Goal(5, GoalKind.SCROLL, "/th*", 50),
    )
    matcher = GoalMatcher(100)
    for _ in range(2):  # the second time from the cache
        assert reached(matcher, goals, "pageview", "/thanks") == [3, 9]
        assert reached(matcher, goals, "pageview", "/other") == []
        assert reached(matcher, goals, "Signup", "/thanks") == [4]
        assert reached(matcher, goals, "Other", "/thanks") == []


def test_a_scroll_goal_is_reached_once_a_page_view() -> None:
    goals = site(Goal(5, GoalKind.SCROLL, "**", 50), Goal(6, GoalKind.SCROLL, "/a", 100))
    matcher = GoalMatcher(100)
    assert reached(matcher, goals, "engagement", "/a", 49, 49) == []
    assert reached(matcher, goals, "engagement", "/a", 1, 50) == [5]
    assert reached(matcher, goals, "engagement", "/a", 0, 50) == []
    assert reached(matcher, goals, "engagement", "/a", 50, 100) == [6]
    assert reached(matcher, goals, "engagement", "/a", 100, 100) == [5, 6]


def test_an_edited_goal_holds_from_the_next_event_on() -> None:
    matcher = GoalMatcher(100)
    assert reached(matcher, site(Goal(1, GoalKind.PAGE, "/a*")), "pageview", "/ab") == [1]
    assert reached(matcher, site(Goal(2, GoalKind.PAGE, "/a*")), "pageview", "/ab") == [2]
    assert reached(matcher, site(), "pageview", "/ab") == []


def test_the_cache_of_paths_is_bounded() -> None:
    matcher = GoalMatcher(10)
    goals = site(Goal(1, GoalKind.PAGE, "/*"))
    for number in range(100):
        assert reached(matcher, goals, "pageview", f"/{number}") == [1]
    assert matcher.paths_cached == 10
