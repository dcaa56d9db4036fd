"""What the demo site is: its pages, where its visitors come from, what they use, and what they do there."""

from __future__ import annotations

from typing import Final, NamedTuple

DOMAIN: Final = "demo.example"


class Source(NamedTuple):
    """A way to the site: its share of visits, the referrer, the tags in the address, and where people land."""

    weight: float
    referrer: str
    query: str
    entries: tuple[str, ...]


class Country(NamedTuple):
    """Visitors from one country: their share, and the first two bytes of addresses of a large provider there."""

    code: str
    weight: float
    networks: tuple[str, ...]


class Agent(NamedTuple):
    """A browser: its share, its user agent, and how much shorter its visits are."""

    weight: float
    text: str
    patience: float


BLOG: Final = (
    "/blog/durable-before-it-answers",
    "/blog/why-we-left-cookies-behind",
    "/blog/counting-visitors-without-knowing-them",
    "/blog/a-year-of-small-rollups",
    "/blog/what-a-beacon-costs-on-a-slow-phone",
    "/blog/release-notes-3-0",
)
DOCS: Final = ("/docs", "/docs/install", "/docs/tracker", "/docs/goals", "/docs/api", "/docs/self-hosting")

# From each page: where people go next, as often as it is named.
LINKS: Final[dict[str, tuple[str, ...]]] = {
    "/": ("/pricing", "/pricing", "/features", "/features", "/docs", "/blog", "/signup", "/about"),
    "/features": ("/pricing", "/pricing", "/docs", "/", "/signup", "/customers"),
    "/pricing": ("/signup", "/signup", "/features", "/docs/self-hosting", "/contact", "/"),
    "/signup": ("/welcome", "/pricing"),
    "/welcome": ("/docs/install", "/docs/tracker", "/docs"),
    "/customers": ("/pricing", "/", "/contact"),
    "/about": ("/", "/careers", "/contact"),
    "/careers": ("/about", "/"),
    "/contact": ("/", "/pricing"),
    "/blog": (*BLOG, BLOG[0], BLOG[1], "/"),
    "/docs": (*DOCS[1:], "/docs/install", "/docs/install"),
    **dict.fromkeys(BLOG, ("/blog", "/", "/features", *BLOG[:3])),
    **dict.fromkeys(DOCS[1:], (*DOCS, "/pricing", "/docs/install")),
}

SOURCES: Final = (
    Source(27, "", "", ("/", "/", "/", "/", "/docs", "/pricing", "/signup")),
    Source(24, "https://www.google.com/", "", ("/", "/", "/features", *BLOG[:3], *DOCS[1:3])),
    Source(5, "https://duckduckgo.com/", "", ("/", "/docs/self-hosting", BLOG[1])),
    Source(4, "https://www.bing.com/", "", ("/", "/features", BLOG[2])),
    Source(6, "https://github.com/", "", ("/", "/docs/install", "/docs/api")),
    Source(5, "https://www.reddit.com/", "", (BLOG[1], BLOG[0], "/")),
    Source(4, "https://t.co/", "", (BLOG[0], BLOG[2], "/")),
    Source(3, "https://www.linkedin.com/", "", ("/", BLOG[3], "/customers")),
    Source(2, "https://mastodon.social/", "", (BLOG[1], BLOG[4])),
    Source(2, "https://www.youtube.com/", "", ("/", "/features")),
    Source(2, "https://chatgpt.com/", "", ("/docs/install", "/pricing", "/")),
    Source(2, "https://en.wikipedia.org/", "", ("/", BLOG[2])),
    Source(2, "https://lobste.rs/", "", (BLOG[0], BLOG[3])),
    Source(1, "https://partner.example/reviews", "", ("/pricing", "/features")),
    Source(5, "", "utm_source=newsletter&utm_medium=email&utm_campaign=autumn-letter", (BLOG[5], "/features", BLOG[3])),
    Source(
        4,
        "https://www.google.com/",
        "utm_source=google&utm_medium=cpc&utm_campaign=brand&utm_content=headline-a",
        ("/", "/pricing"),
    ),
    Source(
        2,
        "https://www.facebook.com/",
        "utm_source=facebook&utm_medium=paid-social&utm_campaign=black-week&utm_content=video",
        ("/pricing", "/"),
    ),
    Source(1, "", "utm_source=podcast&utm_medium=audio&utm_campaign=spring-tour", ("/",)),
)  # fmt: skip
# The day that the site's post was on everybody's screen.
NEWS: Final = Source(0, "https://news.ycombinator.com/", "", (BLOG[0], BLOG[0], BLOG[0], "/"))

COUNTRIES: Final = (
    Country("US", 26, ("24.5", "68.32", "98.192", "73.15")),
    Country("DE", 17, ("91.10", "84.150", "79.200")),
    Country("GB", 9, ("86.130", "81.140")),
    Country("FR", 8, ("90.20", "92.150")),
    Country("IN", 7, ("106.200", "117.200")),
    Country("NL", 5, ("77.170", "84.80")),
    Country("CA", 5, ("24.200", "70.50")),
    Country("ES", 4, ("83.40", "88.0")),
    Country("BR", 4, ("177.30", "189.40")),
    Country("IR", 3, ("5.120", "2.180")),
    Country("PL", 3, ("83.10", "79.185")),
    Country("IT", 3, ("79.10", "87.10")),
    Country("SE", 2, ("90.230", "78.70")),
    Country("JP", 2, ("126.10", "60.80")),
    Country("AU", 2, ("1.120", "120.150")),
    Country("CH", 2, ("85.2", "178.195")),
    Country("AT", 1, ("77.116", "80.110")),
    Country("KR", 1, ("175.200",)),
    Country("MX", 1, ("187.150",)),
    Country("ZA", 1, ("105.240",)),
)

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)"
_PHONE = "AppleWebKit/537.36 (KHTML, like Gecko) {} Mobile Safari/537.36"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"

AGENTS: Final = (
    Agent(21, f"{_WINDOWS} {_CHROME.format(142)}", 1.0),
    Agent(4, f"{_WINDOWS} {_CHROME.format(140)}", 1.0),
    Agent(8, f"{_WINDOWS} {_CHROME.format(142)} Edg/142.0.0.0", 1.0),
    Agent(5, f"{_WINDOWS[:-1]}; rv:144.0) Gecko/20100101 Firefox/144.0", 1.1),
    Agent(9, f"{_MAC} {_CHROME.format(142)}", 1.1),
    Agent(8, f"{_MAC} {_WEBKIT} Version/18.5 Safari/605.1.15", 1.1),
    Agent(4, f"{_LINUX[:-1]}; rv:144.0) Gecko/20100101 Firefox/144.0", 1.3),
    Agent(3, f"{_LINUX} {_CHROME.format(142)}", 1.3),
    Agent(18, f"{_IPHONE} {_WEBKIT} Version/18.5 Mobile/15E148 Safari/604.1", 0.7),
    Agent(13, f"Mozilla/5.0 (Linux; Android 10; K) {_PHONE.format('Chrome/142.0.0.0')}", 0.7),
    Agent(3, f"Mozilla/5.0 (Linux; Android 15; SM-S931B) {_PHONE.format('SamsungBrowser/28.0 Chrome/130.0.0.0')}", 0.7),
    Agent(2, "Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0", 0.8),
    Agent(2, f"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) {_WEBKIT} Version/18.5 Mobile/15E148 Safari/604.1", 0.9),
)  # fmt: skip

GOALS: Final[tuple[dict[str, str | int], ...]] = (
    {"kind": "event", "target": "Signup"},
    {"kind": "event", "target": "Purchase"},
    {"kind": "event", "target": "Newsletter", "value": "2.50", "currency": "EUR"},
    {"kind": "page", "target": "/pricing"},
    {"kind": "page", "target": "/docs/**"},
    {"kind": "scroll", "target": "/blog/*", "scroll_depth": 75},
)
SEGMENTS: Final[tuple[dict[str, object], ...]] = (
    {
        "name": "Phones from search",
        "filters": [["is", "visit:device", ["Mobile"]], ["is", "visit:channel", ["Organic Search"]]],
    },
    {"name": "Readers of the blog", "filters": [["contains", "event:page", ["/blog/"]]]},
)
FUNNELS: Final[tuple[dict[str, object], ...]] = (
    {
        "name": "From the price to the purchase",
        "steps": [{"page": "/pricing"}, {"page": "/signup"}, {"event": "Signup"}, {"event": "Purchase"}],
    },
)
# (monthly price in EUR, how often it is chosen)
PLANS: Final = (("starter", "9.00", 6), ("team", "29.00", 3), ("business", "99.00", 1))
OUTBOUND: Final = ("https://github.com/", "https://status.example/", "https://docs.python.org/3/")
