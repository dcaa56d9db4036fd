"""Agents: browser, system and device class, client hints, bounds."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statnive.ingest.bots import UNKNOWN
from statnive.ingest.user_agent import (
    NAME_CHARS_MAX,
    NATIVE_APP,
    VERSION_CHARS_MAX,
    Agent,
    AgentParser,
    ClientHints,
)

CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0{} Safari/537.36"
WINDOWS = CHROME.format("Windows NT 10.0; Win64; x64", "")
PHONE = CHROME.format("Linux; Android 10; K", " Mobile")
TABLET = CHROME.format("Linux; Android 10; K", "")
MAC = CHROME.format("Macintosh; Intel Mac OS X 10_15_7", "")
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
OLD_WINDOWS = "Mozilla/5.0 (Windows NT 6.3; rv:52.0) Gecko/20100101 Firefox/52.0"
OLD_ANDROID = CHROME.format("Linux; Android 4.4.2; GT-I9505", " Mobile")
DEVICES = {"desktop", "mobile", "tablet", "tv", "console", "bot"}


@pytest.fixture(scope="module")
def parser() -> AgentParser:
    return AgentParser()


@pytest.mark.parametrize(
    ("header", "agent"),
    [
        (WINDOWS, Agent("Chrome", "141", "Windows", "10", "desktop", "")),
        (PHONE, Agent("Chrome", "141", "Android", "10", "mobile", "")),
        (TABLET, Agent("Chrome", "141", "Android", "10", "tablet", "")),
        (MAC, Agent("Chrome", "141", "macOS", "10.15", "desktop", "")),
        (IPHONE, Agent("Safari", "18", "iOS", "18.5", "mobile", "")),
        (WINDOWS + " Edg/141.0.0.0", Agent("Edge", "141", "Windows", "10", "desktop", "")),
        (OLD_WINDOWS, Agent("Firefox", "52", "Windows", "8.1", "desktop", "")),
        (OLD_ANDROID, Agent("Chrome", "141", "Android", "4.4", "mobile", "")),
        ("MyShop/7 CFNetwork/1474 Darwin/23.0.0", Agent(NATIVE_APP, "7", "iOS", "17.0", "mobile", "")),
    ],
)  # fmt: skip
def test_browser_system_and_device_are_told(parser: AgentParser, header: str, agent: Agent) -> None:
    assert parser(header) == agent


def test_a_bot_has_a_name_and_nothing_else(parser: AgentParser) -> None:
    agent = parser("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)")
    assert agent == Agent("bingbot", "", "", "", "bot", "bingbot")


def test_what_tells_neither_browser_nor_system_is_a_bot(parser: AgentParser) -> None:
    assert parser("Mozilla/5.0 (compatible)").bot == UNKNOWN
    assert parser("550e8400-e29b-41d4-a716-446655440000").bot == UNKNOWN


def test_repeated_agents_come_from_the_cache() -> None:
    parser = AgentParser(cache_entries=10)
    assert [parser(WINDOWS), parser(WINDOWS), parser(PHONE)][0] is parser(WINDOWS)
    assert (parser.hits, parser.misses) == (2, 2)


def test_cache_is_bounded() -> None:
    parser = AgentParser(cache_entries=3)
    for version in range(20):
        parser(WINDOWS.replace("141", str(version)))
    parser(WINDOWS.replace("141", "0"))
    assert (parser.hits, parser.misses) == (0, 21)


def test_headers_of_any_length_make_short_cache_keys(parser: AgentParser) -> None:
    assert parser("x" * 1_000_000).device == "bot"
    assert parser(WINDOWS + "\x00" * 1_000_000).device == "bot"


@pytest.mark.parametrize(
    ("header", "hints", "told"),
    [
        (WINDOWS, ClientHints(platform='"Windows"', platform_version='"15.0.0"'), ("Windows", "11",
        "desktop")),
        (WINDOWS, ClientHints(platform='"Windows"', platform_version='"10.0.0"'), ("Windows", "10",
        "desktop")),
        (WINDOWS, ClientHints(platform='"Windows"', platform_version='"0.3.0"'), ("Windows", "10",
        "desktop")),
        (MAC, ClientHints(platform='"macOS"', platform_version='"15.6.1"'), ("macOS", "15", "desktop")),
        (MAC, ClientHints(platform='"macOS"', platform_version='"10.14.6"'), ("macOS", "10.14", "desktop")),
        (PHONE, ClientHints(platform='"Android"', platform_version='"16.0.0"', mobile="?1"), ("Android",
        "16", "mobile")),
        (PHONE, ClientHints(platform='"Android"', mobile="?0"), ("Android", "10", "tablet")),
        (PHONE, ClientHints(platform='"Android"', model='"SM-X906C"'), ("Android", "10", "tablet")),
        (PHONE, ClientHints(platform='"Android"', model='"AFTKA"'), ("Android", "10", "tv")),
        (PHONE, ClientHints(platform='"Android"', model='"Pixel 9"', mobile="?1"), ("Android", "10",
        "mobile")),
        (WINDOWS, ClientHints(platform='"Chromium OS"'), ("Chrome OS", "", "desktop")),
        (WINDOWS, ClientHints(platform='"Unknown"', platform_version='"x"'), ("Windows", "10", "desktop")),
        (WINDOWS, ClientHints(platform="\x00<script>", mobile="?2", model="\ud800"), ("Windows", "10",
        "desktop")),
        (WINDOWS, ClientHints(), ("Windows", "10", "desktop")),
    ],
)  # fmt: skip
def test_client_hints_correct_what_the_header_freezes(
    parser: AgentParser, header: str, hints: ClientHints, told: tuple[str, str, str]
) -> None:
    agent = parser(header, hints)
    assert (agent.os, agent.os_version, agent.device) == told


def test_client_hints_tell_brands_that_hide_as_chrome(parser: AgentParser) -> None:
    brave = ClientHints(brands='"Brave";v="141", "Not?A_Brand";v="8", "Chromium";v="141"')
    chrome = ClientHints(brands='"Google Chrome";v="141", "Not?A_Brand";v="8", "Chromium";v="141"')
    edge = ClientHints(brands='"Microsoft Edge";v="140", "Chromium";v="140"')
    assert parser(WINDOWS, brave)[:2] == ("Brave", "141")
    assert parser(WINDOWS, chrome)[:2] == ("Chrome", "141")
    assert parser(WINDOWS, edge)[:2] == ("Edge", "140")


def test_client_hints_betray_a_headless_browser(parser: AgentParser) -> None:
    assert parser(WINDOWS, ClientHints(brands='"HeadlessChrome";v="141"')).bot == "Headless browser"


def test_client_hints_make_no_person_of_a_bot(parser: AgentParser) -> None:
    assert parser("curl/8.5.0", ClientHints(brands='"Brave";v="141"', platform='"Windows"')).bot == "curl"


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=400)
PIECES = st.lists(
    st.sampled_from(
        ["Mozilla/5.0 ", "(Windows NT 10.0; ", "(iPhone; CPU iPhone OS 9_9 ", "Android 9", "Chrome/",
        "Firefox/", "Safari/",
         "Version/", "Mobile ", "x" * 300, "9" * 300, "9.9.9.9", "\x00", "\ud800", "\u202e", "😀", "$1",
         " CFNetwork/1 Darwin/22 ",
         "\n", ") ", "; ", "bot/1.0", "[FBAN/FBIOS;", "HbbTV/", "$", "\\", "{", "İ"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    header=ANY_TEXT | PIECES,
    hints=st.none() | st.builds(ClientHints, ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT),
)
def test_any_header_gives_a_clean_and_bounded_agent(
    parser: AgentParser, header: str, hints: ClientHints | None
) -> None:
    agent = parser(header, hints)
    assert agent.device in DEVICES
    assert bool(agent.bot) == (agent.device == "bot")
    for text in agent:
        text.encode()
        assert len(text) <= NAME_CHARS_MAX
        assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)
    assert len(agent.browser_version) <= VERSION_CHARS_MAX
    assert len(agent.os_version) <= 2 * VERSION_CHARS_MAX + 1
