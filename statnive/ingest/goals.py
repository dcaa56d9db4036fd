"""Goals: which of a site's goals an event reaches, decided once, at ingest.

Owns: each site's goals in a form made for matching, and a bounded cache of paths.
Inputs: the goals of the site's snapshot; an event. Outputs: ids, ascending.
Invariants: I1 an edited goal holds from the first event after the swap of the snapshot; I2 an event's name and a path
without wildcards cost one look-up; I3 a path is matched in time linear in its length, whatever the patterns: no
visitor can make an address that costs more.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from statnive.control.snapshot import Goal, GoalKind, Site
from statnive.event import ENGAGEMENT, PAGEVIEW

NO_GOALS: Final[list[int]] = []


class PathGoals(NamedTuple):
    """The goals that have to do with one path."""

    viewed: tuple[int, ...]  # reached by a page view
    scrolled: tuple[tuple[int, int], ...]  # (scroll depth in per cent, id)


NOTHING: Final = PathGoals((), ())


class GoalMatcher:
    """`reached(...)` for every site; a site's goals are compiled when its first event comes."""

    def __init__(self, cache_entries: int) -> None:
        self._compiled: dict[int, tuple[tuple[Goal, ...], SiteGoals]] = {}
        self._of_path = lru_cache(cache_entries)(SiteGoals.of_path)

    def reached(self, site: Site, name: str, path: str, scroll_gain: int, depth: int) -> list[int]:
        """The ids of the goals that the event reaches. An engagement reaches a scroll goal when it is the first of
        its page view to tell that depth: it then told `depth`, by `scroll_gain` more than was known.
        """
        known = self._compiled.get(site.id)
        if known is None or known[0] is not site.goals:
            known = self._compiled[site.id] = (site.goals, SiteGoals(site.goals))  # keeps I1
        goals = known[1]
        if name == PAGEVIEW:
            return list(self._path(goals, path).viewed)
        if name != ENGAGEMENT:
            return list(goals.events.get(name, ()))
        if not scroll_gain:
            return NO_GOALS
        before = depth - scroll_gain
        return [goal for depth_min, goal in self._path(goals, path).scrolled if before < depth_min <= depth]

    @property
    def paths_cached(self) -> int:
        """How many paths the cache holds."""
        return self._of_path.cache_info().currsize

    def _path(self, goals: SiteGoals, path: str) -> PathGoals:
        if goals.patterns is None:
            return goals.paths.get(path, NOTHING)
        return self._of_path(goals, path)


class SiteGoals:
    """One site's goals, compiled."""

    def __init__(self, goals: Iterable[Goal]) -> None:
        self.events: dict[str, tuple[int, ...]] = {}
        self.paths: dict[str, PathGoals] = {}
        self._by_id = {goal.id: goal for goal in sorted(goals, key=lambda goal: goal.id)}
        wild: list[tuple[str, int]] = []
        plain: dict[str, list[int]] = {}
        for goal in self._by_id.values():
            if goal.kind is GoalKind.EVENT:
                self.events[goal.target] = (*self.events.get(goal.target, ()), goal.id)
            elif "*" in goal.target:
                wild.append((goal.target, goal.id))
            else:
                plain.setdefault(goal.target, []).append(goal.id)
        self.patterns = Patterns(wild) if wild else None
        self.paths = {path: self._sorted_out(ids) for path, ids in plain.items()}

    def of_path(self, path: str) -> PathGoals:
        """The goals of a path by its exact name and by every pattern."""
        exact = self.paths.get(path, NOTHING)
        found = self.patterns.match(path) if self.patterns else []
        if not found:
            return exact
        return self._sorted_out([*exact.viewed, *(goal for _, goal in exact.scrolled), *found])

    def _sorted_out(self, ids: list[int]) -> PathGoals:
        goals = [self._by_id[number] for number in sorted(ids)]
        return PathGoals(
            tuple(goal.id for goal in goals if goal.kind is GoalKind.PAGE),
            tuple((goal.scroll_depth, goal.id) for goal in goals if goal.kind is GoalKind.SCROLL),
        )


class Patterns:
    """Path patterns, all matched in one pass: `*` is any text within a segment, `**` any text at all.

    A set of states in the bits of an integer, one bit for each place in each pattern: no pattern and no path can
    make it go back (keeps I3), as a regular expression with several `.*` does.
    """

    def __init__(self, patterns: Iterable[tuple[str, int]]) -> None:
        self._literals: dict[str, int] = {}
        self._within = 0  # places where any character but "/" may be skipped
        self._across = 0  # places where any may
        self._ends: list[tuple[int, int]] = []
        self._start = 0
        bit = 1
        for pattern, goal in patterns:
            self._start |= bit
            for token in _tokens(pattern):
                if token == "**":  # noqa: S105 - of a pattern
                    self._across |= bit
                elif token == "*":  # noqa: S105
                    self._within |= bit
                else:
                    self._literals[token] = self._literals.get(token, 0) | bit
                bit <<= 1
            self._ends.append((bit, goal))
            bit <<= 1
        self._start |= (self._start & (self._within | self._across)) << 1

    def match(self, path: str) -> list[int]:
        """The goals whose pattern is the whole path, in the order they were given."""
        literal, across = self._literals.get, self._across
        wild = self._within | across
        state = self._start
        for character in path:
            stay = state & (across if character == "/" else wild)
            state = (state & literal(character, 0)) << 1 | stay
            state |= (state & wild) << 1  # a wildcard may stand for nothing
            if not state:
                return []
        return [goal for end, goal in self._ends if state & end]


def _tokens(pattern: str) -> list[str]:
    """Characters and wildcards; wildcards side by side are one, `**` if any of them is."""
    tokens: list[str] = []
    for character in pattern:
        if character == "*" and tokens and tokens[-1] in ("*", "**"):
            tokens[-1] = "**"
        else:
            tokens.append(character)
    return tokens
