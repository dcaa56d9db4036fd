"""The agent behind a User-Agent header: browser, operating system, device class; or the bot's name.

Browser and system by the patterns of ua-parser (Apache-2.0, Rust engine), device class by a table of our own,
bots by `bots.py`. Client hints, where a caller has them, correct what browsers have frozen in the header.
Agents live in a bounded cache in memory; nothing here is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

import ua_parser_rs
from ua_parser_builtins.matchers import MATCHERS

from statnive.ingest.bots import AGENT_CHARS_MAX, HEADLESS, OVERLONG, UNKNOWN, BotMatcher
from statnive.ingest.cached import Cached
from statnive.ingest.parse import clean

NAME_CHARS_MAX: Final = 40
VERSION_CHARS_MAX: Final = 12
HINT_CHARS_MAX: Final = 300

DESKTOP: Final = "desktop"
MOBILE: Final = "mobile"
TABLET: Final = "tablet"
TV: Final = "tv"
CONSOLE: Final = "console"
BOT: Final = "bot"
NATIVE_APP: Final = "Native app"


class Agent(NamedTuple):
    """What is known of a visitor's software; "" = unknown. A bot has the device "bot" and, as its browser
    too, its name."""

    browser: str
    browser_version: str  # the major version
    os: str
    os_version: str
    device: str  # desktop, mobile, tablet, tv, console or bot
    bot: str  # "" = a person


class ClientHints(NamedTuple):
    """Values of the Sec-CH-UA headers as sent, quotes and all; "" = not sent."""

    brands: str = ""  # Sec-CH-UA
    mobile: str = ""  # Sec-CH-UA-Mobile
    platform: str = ""  # Sec-CH-UA-Platform
    platform_version: str = ""  # Sec-CH-UA-Platform-Version
    model: str = ""  # Sec-CH-UA-Model


# One product, one name: the device class tells phone from desktop already.
BROWSERS: Final = {
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Edge Mobile": "Edge",
    "Edge WebView2": "Edge",
    "Opera Mobile": "Opera",
    "Opera Tablet": "Opera",
    "Opera GX": "Opera",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "IE Large Screen": "Internet Explorer",
    "DuckDuckGo Mobile": "DuckDuckGo",
    "Brave Mobile": "Brave",
    "QQ Browser Mobile": "QQ Browser",
    "QQ Browser Mini": "QQ Browser",
    "Amazon Silk": "Silk",
    "Google": "Google app",
    "Android": "Android Browser",
    "MiuiBrowser": "MIUI Browser",
    "Ecosia iOS": "Ecosia",
    "Ecosia Android": "Ecosia",
    "Other": "",
}
# What a console, a television or an old phone still has where nothing else in its header is known.
FEATURE_PHONE_TOKENS: Final = ("MIDP", "MAUI")  # their browsers name little else
SYSTEMS: Final = {"Mac OS X": "macOS", "Mac OS": "Mac OS Classic", "Chromium OS": "Chrome OS", "Other": ""}
BRANDS: Final = {  # of Sec-CH-UA, where the product has another name here
    "Google Chrome": "Chrome",
    "Microsoft Edge": "Edge",
    "YaBrowser": "Yandex Browser",
    "Yandex": "Yandex Browser",
    "Opera GX": "Opera",
    "OperaMobile": "Opera",
    "Samsung Internet": "Samsung Internet",
    "Brave": "Brave",
    "Opera": "Opera",
    "Vivaldi": "Vivaldi",
    "DuckDuckGo": "DuckDuckGo",
    "Whale": "Whale",
    "NAVER": "Whale",
}

# Tried before ua-parser's: what it takes for another browser.
MORE_BROWSERS: Final = ((r"(FxiOS)/(\d+)", "Firefox iOS", None, None, None, None),)

# Tried in this order; what matches none is a desktop, or an Android tablet.
DEVICES: Final = (
    (MOBILE, r"iPhone|iPod"),
    (TABLET, r"iPad"),
    (CONSOLE, r"PlayStation|PLAYSTATION|Nintendo |Xbox|XBOX|SteamDeck"),
    (
        TV,
        r"(?i)smart[-_]?tv|hbbtv|google ?tv|apple ?tv|android ?tv|\btv\b|dtv\b|web0s|netcast|crkey|roku"
        r"|bravia|viera|aquos|vidaa|vizio|hisense|\bmibox|\bmitv|philipstv|; ?aft[a-z]{1,6}\b|freebox"
        r"|large screen|chromecast|tsbnettv|espial|netrange|nettv|\bstb\b|shield android",
    ),
    (
        TABLET,
        r"Tablet(?:[^ ]|$| [^P])|Kindle|KF[A-Z]{2,6}\b|PlayBook|Nexus (?:7|9|10)\b|Xoom|XOOM|TouchPad"
        r"|MediaPad|MatePad|SM-[TXP]\d|GT-P\d|GT-N[58]|Pixel C\b|; ?TB-?[0-9X]|Lenovo (?:TB|Yoga Tab)"
        r"|Galaxy Tab|Macintosh.{1,80}Mobile/",  # the last: an iPad that asks for desktop pages
    ),
    (
        MOBILE,
        r"Mobi|Windows Phone|BlackBerry|BB10|Opera Mini|KAIOS|Symbian|SymbOS|Series ?[346]0|MIDP|J2ME|webOS"
        r"|hpwOS|Maemo|MeeGo|Bada/|UCWEB|Nokia|DoCoMo|KDDI|SoftBank|UP\.Browser|Fennec|Palm ?OS|Windows CE"
        r"|IEMobile|Obigo|NetFront|SonyEricsson|SAMSUNG-|LG-|MOT-",
    ),
)


class AgentParser(Cached):
    """`parser(header)` is its Agent. At most `cache_entries` headers are remembered."""

    def __init__(self, cache_entries: int = 20_000) -> None:
        self._bot = BotMatcher()
        browsers, systems, _ = MATCHERS
        fields = attrgetter("regex", "family", "major", "minor", "patch", "patch_minor")
        self._browser = ua_parser_rs.UserAgentExtractor([*MORE_BROWSERS, *map(fields, browsers)])
        self._system = ua_parser_rs.OSExtractor(map(fields, systems))
        self._device = ua_parser_rs.UserAgentExtractor(
            (f"({pattern})", name, None, None, None, None) for name, pattern in DEVICES
        )
        self._known = lru_cache(cache_entries)(self._parse)
        self._hinted = lru_cache(cache_entries)(self._parse_with_hints)
        self._caches = (self._known, self._hinted)

    def __call__(self, ua: str, hints: ClientHints | None = None) -> Agent:
        if len(ua) > AGENT_CHARS_MAX:
            ua = ua[: AGENT_CHARS_MAX + 1]  # a bot for its length; keeps the cache's keys bounded
        if hints is None:
            return self._known(ua)
        if sum(map(len, hints)) > HINT_CHARS_MAX:
            hints = ClientHints(*(hint[: HINT_CHARS_MAX // len(hints)] for hint in hints))
        return self._hinted(ua, hints)

    def _parse(self, ua: str) -> Agent:
        if len(ua) > AGENT_CHARS_MAX:
            return _bot(OVERLONG)
        if not ua.isprintable():
            ua = clean(ua)
        bot = self._bot(ua)
        if bot:
            return _bot(bot)
        browser, system = self._browser.extract(ua), self._system.extract(ua)
        # An app's own requests name the app, whatever it likes: one name for all keeps the dimension small.
        native = " CFNetwork/" in ua or ua.startswith("Dalvik/")
        name = NATIVE_APP if native else _name(browser, BROWSERS)
        os = _name(system, SYSTEMS)
        found = self._device.extract(ua)
        phone = any(token in ua for token in FEATURE_PHONE_TOKENS)
        if not (name or os or phone) and (found is None or "Mozilla/" not in ua):
            return _bot(UNKNOWN)
        if name == "HeadlessChrome":
            return _bot(HEADLESS)
        if found is not None:
            device = found.family
        elif os == "Android" and not native and ua.startswith("Mozilla/"):
            device = TABLET  # an Android phone's browser says "Mobile"
        else:
            device = MOBILE if phone or os in ("Android", "iOS") else DESKTOP
        return Agent(name, _digits(browser.major) if browser else "", os, _os_version(os, system), device, "")

    def _parse_with_hints(self, ua: str, hints: ClientHints) -> Agent:
        agent = self._known(ua)
        if agent.bot:
            return agent
        brands = dict(_brands(hints.brands))
        if any("Headless" in brand for brand in brands):
            return _bot(HEADLESS)
        agent = _with_platform(agent, hints)
        if hints.model and agent.os == "Android":
            model = hints.model.strip(' "')
            found = self._device.extract(clean(f"; {model})"))
            if found is not None and found.family in (TABLET, TV):
                agent = agent._replace(device=found.family)
        for brand, version in brands.items():
            name = BRANDS.get(brand)
            if name and name != "Chrome" and name != agent.browser:
                return agent._replace(browser=name, browser_version=version)
        return agent


def _bot(name: str) -> Agent:
    return Agent(name, "", "", "", BOT, name)


def _name(found: Any, names: dict[str, str]) -> str:
    if found is None:
        return ""
    family = found.family
    return names.get(family) or ("" if family in names else clean(family).strip()[:NAME_CHARS_MAX])


def _digits(text: str | None) -> str:
    return text if text and text.isascii() and text.isalnum() and len(text) <= VERSION_CHARS_MAX else ""


def _os_version(os: str, system: Any) -> str:
    """What of the version tells releases apart: macOS 10.15 but 14, iOS 18.7, Windows 8.1, Android 14."""
    if system is None:
        return ""
    major, minor = _digits(system.major), _digits(system.minor)
    old_android = os == "Android" and len(major) == 1 and major < "5"
    if minor and (os in ("iOS", "Tizen", "webOS") or (os == "macOS" and major == "10") or old_android):
        return f"{major}.{minor}"
    return f"{major}.{minor}" if os == "Windows" and minor and major.isdigit() else major


def _brands(header: str) -> Iterable[tuple[str, str]]:
    """("Brave", "141") of `"Brave";v="141", "Not?A_Brand";v="8"`."""
    for part in header.split(","):
        brand, _, version = part.partition(";v=")
        yield clean(brand).strip(' "'), _digits(version.strip(' "').partition(".")[0])


def _with_platform(agent: Agent, hints: ClientHints) -> Agent:
    """Platform, its true version (frozen in the header) and the device class as the hints tell them."""
    platform = hints.platform.strip(' "')
    os = SYSTEMS.get(platform, platform)
    if os not in ("Windows", "macOS", "Linux", "Android", "Chrome OS", "iOS"):
        os = agent.os
    if os == "Linux" and agent.os:
        os = agent.os  # the header may name the distribution
    version = agent.os_version if os == agent.os else ""
    major, _, rest = hints.platform_version.strip(' "').partition(".")
    if major.isascii() and major.isdigit() and len(major) <= 3:
        if os == "Windows":  # UniversalApiContract: 13 and more is Windows 11, 0 is Windows 7 to 8.1
            version = "11" if int(major) >= 13 else "10" if int(major) else version
        elif os == "macOS" and major == "10":
            version = f"10.{_digits(rest.partition('.')[0])}"
        elif os in ("macOS", "Android"):
            version = major
    device = agent.device
    mobile = hints.mobile.strip()
    if os == "Android" and device in (DESKTOP, MOBILE, TABLET) and mobile in ("?0", "?1"):
        device = MOBILE if mobile == "?1" else TABLET
    elif mobile == "?1" and device == DESKTOP:
        device = MOBILE
    return agent._replace(os=os, os_version=version, device=device)
