"""A plausible month of the demo site, made up: the same seed makes the same traffic, event for event.

Days have their curve, weeks their weekend, the month a slow growth and one day on everybody's screen. A visit begins
on a page that suits its source, follows the site's links, tells how far it scrolled, and now and then signs up or buys.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from itertools import accumulate
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from statnive.demo import site
from statnive.demo.site import Agent, Source

_DAY_S: Final = 86_400
# Visits by the hour of the site's clock, Monday to Sunday.
_HOURS: Final = (14, 9, 6, 5, 5, 7, 13, 25, 43, 58, 64, 62, 55, 58, 62, 60, 56, 52, 48, 50, 52, 46, 34, 22)
_WEEK: Final = (1.06, 1.1, 1.09, 1.05, 0.94, 0.66, 0.72)
_NEWS_AGE_DAYS: Final = 11  # how long ago that day was
_NEWS_FACTORS: Final = (3.1, 1.7, 1.25)  # that day and the ones after it
_AGAIN: Final = 0.14  # share of visits by somebody who was here earlier that day
_PAGES_MAX: Final = 14
_SIGNS_UP: Final = 0.42  # of those who see the form
_BUYS: Final = 0.3  # of those who sign up


class Hit(NamedTuple):
    """One request of a browser: from where, when (seconds since the epoch), of what agent, and its body."""

    ip: str
    time_s: int
    user_agent: str
    body: bytes


class _Person(NamedTuple):
    ip: str
    agent: Agent


class Traffic:
    """`hits()`: every request of the last `days` days up to `now`, in the order of time."""

    def __init__(
        self, domain: str, *, days: int, visits_a_day: int, seed: int, now: datetime, zone: ZoneInfo
    ) -> None:
        """`now` is an aware instant; days are cut by `zone`."""
        self._domain, self._days, self._visits_a_day = domain, days, visits_a_day
        self._now_s, self._zone = int(now.timestamp()), zone
        self._today = now.astimezone(zone).date()
        self._random = random.Random(seed)  # noqa: S311 - made-up traffic, no secret
        self._sources = list(accumulate(source.weight for source in site.SOURCES))
        self._countries = list(accumulate(country.weight for country in site.COUNTRIES))
        self._agents = list(accumulate(agent.weight for agent in site.AGENTS))
        self._hours = list(accumulate(_HOURS))

    def hits(self) -> Iterator[Hit]:
        """See the class. A visit may go on over midnight: what is later waits for its turn."""
        waiting: list[Hit] = []
        for age in range(self._days - 1, -1, -1):
            midnight = datetime.combine(self._today - timedelta(days=age), time(), self._zone)
            start_s, end_s = int(midnight.timestamp()), int((midnight + timedelta(days=1)).timestamp())
            waiting += self._day(age, start_s, midnight.weekday())
            waiting.sort(key=lambda hit: hit.time_s)
            until_s = min(end_s, self._now_s)
            cut = next((n for n, hit in enumerate(waiting) if hit.time_s >= until_s), len(waiting))
            yield from waiting[:cut]
            waiting = waiting[cut:]

    def _day(self, age: int, start_s: int, weekday: int) -> list[Hit]:
        growth = 1.12 - 0.3 * age / max(self._days, 1)
        news = _NEWS_FACTORS[_NEWS_AGE_DAYS - age] if 0 <= _NEWS_AGE_DAYS - age < len(_NEWS_FACTORS) else 1.0
        usual = self._visits_a_day * _WEEK[weekday] * growth * self._random.gauss(1, 0.05)
        starts = [self._start_s(start_s) for _ in range(max(1, int(usual * news)))]
        heapq.heapify(starts)
        people: list[_Person] = []
        found: list[Hit] = []
        while starts:
            begins_s = heapq.heappop(starts)
            if people and self._random.random() < _AGAIN:
                person = self._random.choice(people)
            else:
                person = self._person()
                people.append(person)
            is_news = self._random.random() < 1 - 1 / news
            found += self._visit(person, self._source() if not is_news else site.NEWS, begins_s)
        return found

    def _start_s(self, day_s: int) -> int:
        hour = self._random.choices(range(24), cum_weights=self._hours)[0]
        return day_s + hour * 3_600 + self._random.randrange(3_600)

    def _source(self) -> Source:
        return self._random.choices(site.SOURCES, cum_weights=self._sources)[0]

    def _person(self) -> _Person:
        country = self._random.choices(site.COUNTRIES, cum_weights=self._countries)[0]
        ip = f"{self._random.choice(country.networks)}.{self._random.randrange(256)}.{self._random.randrange(1, 255)}"
        return _Person(ip, self._random.choices(site.AGENTS, cum_weights=self._agents)[0])

    def _visit(self, person: _Person, source: Source, at_s: int) -> Iterator[Hit]:
        page, query, referrer = self._random.choice(source.entries), source.query, source.referrer
        more = 0.5 * min(1.0, person.agent.patience)
        for viewed in range(_PAGES_MAX):
            address = f"https://{self._domain}{page}{'?' + query if query else ''}"
            yield self._hit(person, at_s, n="pageview", u=address, r=referrer)
            stays_s = self._stays_s(page, person.agent.patience)
            for after_s, event in self._does(page):
                yield self._hit(person, at_s + min(after_s, stays_s), u=address, **event)
            depth = min(100, int(self._random.betavariate(2.2, 1.6) * 100) + 8)
            at_s += stays_s
            yield self._hit(person, at_s, n="engagement", u=address, sd=depth, e=int(stays_s * 800))
            if self._random.random() > more:
                return
            more = max(0.45, 0.72 - 0.03 * viewed)
            page, query, referrer = self._next(page), "", ""
            at_s += self._random.randrange(1, 4)

    def _next(self, page: str) -> str:
        return self._random.choice(site.LINKS[page])

    def _stays_s(self, page: str, patience: float) -> int:
        reads = 95 if page.startswith(("/blog/", "/docs")) else 34
        return 3 + int(self._random.expovariate(1 / (reads * patience)))

    def _does(self, page: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """What a person does on the page beside looking: (seconds after its view, the event's fields)."""
        chance = self._random.random()
        if page == "/signup" and chance < _SIGNS_UP:
            plan, price, _ = self._random.choices(site.PLANS, weights=[often for *_, often in site.PLANS])[0]
            yield 25, {"n": "Signup", "p": {"plan": plan}}
            if self._random.random() < _BUYS:
                yield 55, {"n": "Purchase", "p": {"plan": plan}, "$": {"currency": "EUR", "amount": price}}
        elif page.startswith("/blog/") and chance < 0.05:
            yield 40, {"n": "Newsletter", "p": {"form": "end of post"}}
        elif page.startswith("/docs") and chance < 0.12:
            yield 20, {"n": "Outbound Link: Click", "p": {"url": self._random.choice(site.OUTBOUND)}}
        elif page == "/docs/self-hosting" and chance < 0.3:
            yield 30, {"n": "File Download", "p": {"url": f"https://{self._domain}/files/compose.yaml"}}

    @staticmethod
    def _hit(person: _Person, at_s: int, **event: Any) -> Hit:
        body = json.dumps({key: value for key, value in event.items() if value != ""}, separators=(",", ":"))
        return Hit(person.ip, at_s, person.agent.text, body.encode())
