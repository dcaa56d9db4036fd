"""Which visitor asks for which page: a deck of picks, the same for the same Variety, worker and number of
workers.

Every URL belongs to a site, the more popular the lower its number (Zipf). Every visitor belongs to one site,
so that a run has as many (site, visitor) pairs as addresses. The oracle deals the same deck again to know
what was sent.
"""

from __future__ import annotations

import itertools
from array import array
from random import Random
from typing import Final, NamedTuple

from chaos.load.settings import Variety

DECK_MIN: Final = 1 << 12
DECK_MAX: Final = 1 << 20

INTERNAL, DIRECT, REFERRED, CAMPAIGN, CUSTOM = range(5)
VARIANT_WEIGHTS: Final = (0.35, 0.20, 0.22, 0.16, 0.07)  # of the kinds above
VARIANTS: Final = len(VARIANT_WEIGHTS)

CUSTOM_NAMES: Final = ("signup", "download", "outbound-click", "add-to-cart", "search")
SECTIONS: Final = ("blog", "docs", "products", "news", "help", "team", "events", "category/tools")
WORDS: Final = (
    "quick",
    "guide",
    "release",
    "howto",
    "pricing",
    "autumn",
    "privacy",
    "faster",
    "notes",
    "small",
)
REFERRERS: Final = (
    "https://www.google.com/", "https://www.google.de/", "https://www.google.co.uk/", "https://www.bing.com/",
    "https://duckduckgo.com/", "https://search.yahoo.com/", "https://yandex.ru/", "https://www.baidu.com/",
    "https://www.ecosia.org/", "https://search.brave.com/", "https://www.facebook.com/", "https://l.facebook.com/",
    "https://t.co/aB3xYz", "https://www.reddit.com/r/selfhosted/", "https://news.ycombinator.com/item?id=1",
    "https://www.linkedin.com/", "https://www.youtube.com/watch?v=1", "https://www.instagram.com/",
    "https://mastodon.social/@someone", "https://bsky.app/", "https://chatgpt.com/", "https://www.perplexity.ai/",
    "https://github.com/", "https://en.wikipedia.org/wiki/Web_analytics", "https://mail.google.com/",
    "https://blog.example.org/links", "https://forum.example.net/t/1234", "android-app://com.google.android.gm/",
)  # fmt: skip
CAMPAIGNS: Final = (
    "utm_source=google&utm_medium=cpc&utm_campaign=brand&utm_term=analytics&utm_content=ad1",
    "utm_source=newsletter&utm_medium=email&utm_campaign=autumn-2026",
    "utm_source=facebook&utm_medium=paid_social&utm_campaign=retarget&utm_content=video",
    "utm_source=partner&utm_medium=affiliate&utm_campaign=p-17",
    "utm_source=linkedin&utm_medium=social&utm_campaign=launch",
    "utm_source=bing&utm_medium=ppc&utm_campaign=brand&utm_term=web+stats",
    "utm_source=podcast&utm_medium=audio&utm_campaign=episode-42",
)


class Page(NamedTuple):
    """What the server should make of an event's URL and name."""

    host: str
    path: str
    name: str


def site_domain(site: int) -> str:
    """The domain of a site, by number: the server must know it."""
    return f"site-{site:02d}.example"


def url_path(variety: Variety, url: int) -> str:
    """The path of a URL, by number; each site's most popular page is its home page."""
    if url < variety.sites:
        return "/"
    words = f"{WORDS[url % 7]}-{WORDS[url * 3 % 10]}"
    return f"/{SECTIONS[url // variety.sites % len(SECTIONS)]}/{url:05d}-{words}"


def page_of(variety: Variety, pick: int) -> Page:
    url, variant = divmod(pick, VARIANTS)
    name = CUSTOM_NAMES[url % len(CUSTOM_NAMES)] if variant == CUSTOM else "pageview"
    return Page(site_domain(url % variety.sites), url_path(variety, url), name)


class Deck:
    """Of a worker's i-th request `visitors[i & mask]` and `picks[i & mask]` = url * VARIANTS + variant."""

    def __init__(self, variety: Variety, worker: int, workers: int) -> None:
        own = len(range(worker, variety.addresses, workers))
        size = DECK_MIN
        while size < own * 1.3 and size < DECK_MAX:
            size *= 2
        rng = Random(variety.seed * 1_000 + worker)
        weights = [
            share / (url + 1) ** variety.zipf_exponent
            for url in range(variety.urls)
            for share in VARIANT_WEIGHTS
        ]
        picks = rng.choices(range(len(weights)), cum_weights=list(itertools.accumulate(weights)), k=size)
        self.variety = variety
        self.mask = size - 1
        self.picks = array("I", picks)
        self.visitors = self._visitors(rng, weights, list(range(worker, variety.addresses, workers)))

    def _visitors(self, rng: Random, weights: list[float], own: list[int]) -> array[int]:
        """Each pick's visitor: its site's in turn; a site has as many as its share of the traffic."""
        sites = self.variety.sites
        share = [0.0] * sites
        for url in range(self.variety.urls):
            share[url % sites] += sum(weights[url * VARIANTS : (url + 1) * VARIANTS])
        rng.shuffle(own)
        total, start, taken = sum(share), 0, 0.0
        in_turn = []
        for site in range(sites):
            taken += share[site]
            end = round(len(own) * taken / total) if site < sites - 1 else len(own)
            in_turn.append(itertools.cycle(own[start:end] or [own[site % len(own)]]))
            start = end
        return array("I", [next(in_turn[pick // VARIANTS % sites]) for pick in self.picks])

    def pick(self, request: int, event: int) -> int:
        """Of one event of a worker's request. Its later events: the site's next pages."""
        first = self.picks[request & self.mask]
        return first if event == 0 else self.next_pick(first, event)

    def next_pick(self, first: int, event: int) -> int:
        url = (first // VARIANTS + event * self.variety.sites) % self.variety.urls
        return url * VARIANTS + INTERNAL

    def page(self, request: int, event: int) -> Page:
        return page_of(self.variety, self.pick(request, event))
