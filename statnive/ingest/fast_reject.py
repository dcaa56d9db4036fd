"""The fast reject: junk that is refused with 204 before anything is parsed. Rules as the article states them."""

from __future__ import annotations

import re
from socket import AF_INET, AF_INET6, inet_pton

from statnive.config import IngestConfig
from statnive.ingest.request import RequestHead

_UUID = re.compile(
    rb"[{(]?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}[)}]?", re.IGNORECASE
)


class FastReject:
    """`rejects(head)`: whether the request is junk by its user agent or prefetch headers."""

    def __init__(self, config: IngestConfig) -> None:
        self._chars_min = config.user_agent_chars_min
        self._chars_max = config.user_agent_chars_max

    def rejects(self, head: RequestHead) -> str:
        """The reason as a short word, "" when the request may go on."""
        agent = head.user_agent
        length = len(agent)
        if length < self._chars_min:
            return "user agent too short"
        if length > self._chars_max:
            return "user agent too long"
        if not agent.isascii():
            return "user agent not ASCII"
        if head.prefetch:
            return "prefetch"
        # An address or a UUID has no blank; every browser's agent has one.
        if b" " not in agent and (_UUID.fullmatch(agent) or _is_address(agent)):
            return "user agent is an address or a UUID"
        return ""


def _is_address(agent: bytes) -> bool:
    text = agent.decode("ascii").strip("[]")
    for family in (AF_INET, AF_INET6):
        try:
            inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False
