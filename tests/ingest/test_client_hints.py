from __future__ import annotations

import pytest

from statnive.ingest.client_hints import client_hints
from statnive.ingest.request import RequestHead
from statnive.ingest.user_agent import AgentParser, ClientHints

ENGINE = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
CHROME = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {ENGINE}"
REDUCED_ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {ENGINE}"
SENT_BY_CHROME = {
    b"sec-ch-ua": b'"Google Chrome";v="141", "Not?A_Brand";v="8", "Chromium";v="141"',
    b"sec-ch-ua-mobile": b"?0",
    b"sec-ch-ua-platform": b'"Windows"',
}
SENT_BY_BRAVE = {**SENT_BY_CHROME, b"sec-ch-ua": b'"Brave";v="141", "Not?A_Brand";v="8", "Chromium";v="141"'}


@pytest.fixture(scope="module")
def agents() -> AgentParser:
    return AgentParser(cache_entries=10)


def hints_of(sent: dict[bytes, bytes]) -> ClientHints:
    hints = client_hints(sent)
    assert hints is not None
    return hints


@pytest.mark.parametrize(
    "brands",
    [
        b'"Google Chrome";v="141", "Not?A_Brand";v="8", "Chromium";v="141"',
        b'"Not_A Brand";v="24", "Chromium";v="120", "Microsoft Edge";v="120"',
        b'"Chromium";v="130", "Android WebView";v="130", "Not?A_Brand";v="99"',
        b'"Samsung Internet";v="23.0", "Not)A;Brand";v="24", "Chromium";v="115"',
    ],
)
def test_what_every_chromium_sends_tells_nothing_more(brands: bytes) -> None:
    assert client_hints({**SENT_BY_CHROME, b"sec-ch-ua": brands}) is None
    assert client_hints({}) is None
    assert client_hints({b"sec-ch-ua": b"", b"sec-ch-ua-mobile": b"?1"}) is None


def test_a_brand_behind_chromes_header_is_told(agents: AgentParser) -> None:
    agent = agents(CHROME, hints_of(SENT_BY_BRAVE))
    assert (agent.browser, agent.browser_version, agent.os, agent.device) == (
        "Brave",
        "141",
        "Windows",
        "desktop",
    )
    assert agents(CHROME).browser == "Chrome"


def test_a_browser_without_a_window_is_a_bot_by_its_brand(agents: AgentParser) -> None:
    hints = hints_of({b"sec-ch-ua": b'"HeadlessChrome";v="141", "Chromium";v="141"'})
    assert agents(CHROME, hints).bot
    assert not agents(CHROME).bot


@pytest.mark.parametrize(("version", "expected"), [(b'"15.0.0"', "11"), (b'"10.0.0"', "10")])
def test_the_platforms_version_tells_windows_11(agents: AgentParser, version: bytes, expected: str) -> None:
    hints = hints_of({**SENT_BY_CHROME, b"sec-ch-ua-platform-version": version})
    assert agents(CHROME, hints).os_version == expected


def test_the_model_tells_a_television(agents: AgentParser) -> None:
    sent = {**SENT_BY_CHROME, b"sec-ch-ua-platform": b'"Android"', b"sec-ch-ua-model": b'"BRAVIA 4K VH2"'}
    assert agents(REDUCED_ANDROID, hints_of(sent)).device == "tv"
    assert agents(REDUCED_ANDROID).device == "tablet"


def test_a_head_keeps_hints_as_they_were_sent() -> None:
    head = RequestHead("127.0.0.1")
    for name, value in {**SENT_BY_BRAVE, b"sec-ch-ua-arch": b'"x86"'}.items():
        head.note(name, value)
    assert head.hints == SENT_BY_BRAVE


@pytest.mark.parametrize("value", [b"\xff\xfe", b'"' * 10_000, b";v=;v=,,,", b'"Brave"', b"\x00"])
def test_absurd_hints_are_answered(agents: AgentParser, value: bytes) -> None:
    sent = dict.fromkeys((*SENT_BY_CHROME, b"sec-ch-ua-platform-version", b"sec-ch-ua-model"), value)
    agent = agents(CHROME, hints_of(sent))
    assert all(len(field) <= 40 for field in agent)
