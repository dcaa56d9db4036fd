"""Requests as bytes: every piece made once, before the load; sending only joins five of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chaos.load.addresses import client_addresses
from chaos.load.settings import EVENTS_PER_REQUEST_MAX, SEQ_DIGITS, AddressKind, Headers, Settings, Variety
from chaos.load.target import Target
from chaos.load.variety import (
    CAMPAIGN,
    CAMPAIGNS,
    INTERNAL,
    REFERRED,
    REFERRERS,
    VARIANTS,
    Deck,
    page_of,
)

BODY_BYTES_MAX: Final = 8_192
USER_AGENTS_FILE: Final = Path(__file__).with_name("user_agents.txt.gz")
LANGUAGES: Final = (
    "en-US,en;q=0.9",
    "de-DE,de;q=0.9,en;q=0.8",
    "fr-FR,fr;q=0.9",
    "ja",
    "es-ES,es;q=0.9,en;q=0.8",
)

Compose = Callable[[int, int], bytes]
"""(number of the request in its worker's run, sequence number of its first event) -> the request's bytes."""


def user_agents(count: int) -> list[str]:
    """The `count` most frequent agents of the committed list (its header names source and licence)."""
    lines = gzip.decompress(USER_AGENTS_FILE.read_bytes()).decode("ascii").splitlines()
    return [line for line in lines if not line.startswith("#")][:count]


def composer(settings: Settings, target: Target, deck: Deck) -> Compose:
    """The function that makes requests; about 0.5 µs a single-event request."""
    heads = _heads(settings, target)
    addresses = client_addresses(
        settings.variety.address_kind, settings.variety.addresses, settings.variety.seed
    )
    events = [
        _event(settings, pick, addressed=deck.variety) for pick in range(settings.variety.urls * VARIANTS)
    ]
    if settings.events_per_request > 1:
        return _many(settings, deck, heads, addresses, events)
    return _single(settings, deck, heads, addresses, events)


def _single(
    settings: Settings, deck: Deck, heads: list[bytes], addresses: list[bytes], events: list[bytes]
) -> Compose:
    tail = b'"}}' if settings.tagged else b""
    grows = len(tail) + SEQ_DIGITS if settings.tagged else 0
    bodies = [
        _page_headers(settings, pick) + b"Content-Length: %d\r\n\r\n" % (len(event) + grows) + event
        for pick, event in enumerate(events)
    ]
    mask, picks, visitors, agents, join = deck.mask, deck.picks, deck.visitors, len(heads), b"".join
    seq_form = b"%%0%dd" % SEQ_DIGITS

    def compose(request: int, seq: int) -> bytes:
        at = request & mask
        visitor = visitors[at]
        return join((heads[visitor % agents], addresses[visitor], bodies[picks[at]], seq_form % seq, tail))

    def compose_untagged(request: int, seq: int) -> bytes:
        at = request & mask
        visitor = visitors[at]
        return join((heads[visitor % agents], addresses[visitor], bodies[picks[at]]))

    return compose if settings.tagged else compose_untagged


def _many(
    settings: Settings, deck: Deck, heads: list[bytes], addresses: list[bytes], events: list[bytes]
) -> Compose:
    count, mask, picks, visitors, next_pick = (
        settings.events_per_request,
        deck.mask,
        deck.picks,
        deck.visitors,
        deck.next_pick,
    )
    pages = [_page_headers(settings, pick) for pick in range(len(events))]
    end = b'%%s%%0%dd"}}' % SEQ_DIGITS if settings.tagged else b"%s"

    def compose(request: int, seq: int) -> bytes:
        at = request & mask
        visitor, first = visitors[at], picks[at]
        chosen = [first, *[next_pick(first, event) for event in range(1, count)]]
        if settings.tagged:
            body = b",".join([end % (events[pick], seq + i) for i, pick in enumerate(chosen)])
        else:
            body = b",".join([events[pick] for pick in chosen])
        return b"%s%s%sContent-Length: %d\r\n\r\n[%s]" % (
            heads[visitor % len(heads)],
            addresses[visitor],
            pages[first],
            len(body) + 2,
            body,
        )

    return compose


def _heads(settings: Settings, target: Target) -> list[bytes]:
    """For each agent the request line and all headers up to the value of X-Forwarded-For."""
    return [
        _head(settings, target, agent, number).encode("ascii")
        for number, agent in enumerate(user_agents(settings.variety.user_agents))
    ]


def _head(settings: Settings, target: Target, agent: str, number: int) -> str:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {settings.host or target.netloc}",
        f"User-Agent: {agent}",
    ]
    if settings.variety.headers is Headers.BROWSER:
        lines += ["Accept: */*", f"Accept-Language: {LANGUAGES[number % len(LANGUAGES)]}"]
        lines += ["Accept-Encoding: gzip, deflate, br, zstd", "Cache-Control: no-cache", "Pragma: no-cache"]
        if "Chrome/" in agent:
            version = agent.partition("Chrome/")[2].partition(".")[0]
            mobile = "?1" if "Mobile" in agent else "?0"
            system = "Android" if "Android" in agent else "Windows" if "Windows" in agent else "macOS"
            lines += [
                f'sec-ch-ua: "Chromium";v="{version}", "Not_A Brand";v="24", "Google Chrome";v="{version}"'
            ]
            lines += [f"sec-ch-ua-mobile: {mobile}", f'sec-ch-ua-platform: "{system}"']
        lines += ["Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: cross-site"]
    lines += ["Content-Type: text/plain"]
    if settings.new_connections:
        lines += ["Connection: close"]
    forwarded = "" if settings.variety.address_kind is AddressKind.NONE else "X-Forwarded-For: "
    return "\r\n".join(lines) + "\r\n" + forwarded


def _page_headers(settings: Settings, pick: int) -> bytes:
    """What follows the address: the end of its line, and the headers that depend on the page."""
    start = "" if settings.variety.address_kind is AddressKind.NONE else "\r\n"
    if settings.variety.headers is Headers.FEW:
        return start.encode()
    origin = f"https://{page_of(settings.variety, pick).host}"
    return f"{start}Origin: {origin}\r\nReferer: {origin}/\r\n".encode()


def _event(settings: Settings, pick: int, addressed: Variety) -> bytes:
    """The event as JSON; where it is tagged, all of it up to the sequence number."""
    url, variant = divmod(pick, VARIANTS)
    page = page_of(addressed, pick)
    address = f"https://{page.host}{page.path}"
    event: dict[str, object] = {"n": page.name, "u": address, "d": page.host}
    if variant == CAMPAIGN:
        event["u"] = f"{address}?{CAMPAIGNS[url % len(CAMPAIGNS)]}"
    elif variant == REFERRED:
        event["r"] = REFERRERS[url * 7 % len(REFERRERS)]
    elif variant == INTERNAL:
        event["r"] = f"https://{page.host}/"
    if settings.tagged:
        event["p"] = {"run": settings.run, "seq": ""}
    text = json.dumps(event, separators=(",", ":")).encode("ascii")
    assert len(text) * EVENTS_PER_REQUEST_MAX + 200 <= BODY_BYTES_MAX
    return text.removesuffix(b'"}}') if settings.tagged else text
