"""What may stand in audit.log: the kinds of records, and what is taken out of every text before it is written.

How to record something: `auditor.record("login", account=7)`. The kind stands in RECORDS (docs/security.md lists them;
a test compares). Fields are numbers and short texts. Who it is about: the account's id; where there is none (a log-in
under an unknown name), `auditor.subject(email)`, a keyed hash. Never an address, an e-mail, a password, a token: what
looks like one is replaced, so that a mistake is no leak.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from blake3 import blake3

from statnive.secret_files import load_or_create_key

KEY_BYTES: Final = 32
TEXT_CHARS_MAX: Final = 500
# Records of a kind that strangers can cause are written this often at most; the others are counted.
FLOOD_PER_MINUTE: Final = 60

# kind: what it says, and whether strangers can cause any number of them
RECORDS: Final[dict[str, tuple[str, bool]]] = {
    "setup": ("the first account was made through the setup link", False),
    "login": ("somebody logged in", False),
    "login_failed": ("a log-in was refused", True),
    "login_limited": ("log-ins of a subject are slowed down or locked", True),
    "logout": ("a session was ended by its owner", False),
    "session_revoked": ("sessions were ended by somebody else, or by a new password", False),
    "password_changed": ("an account has a new password", False),
    "second_factor_changed": ("an account's second factor was set up, removed, or its recovery codes renewed", False),
    "second_factor_failed": ("a wrong second factor", True),
    "account_added": ("an account was made", False),
    "account_changed": ("an account was changed, disabled or enabled", False),
    "account_removed": ("an account was removed", False),
    "role_changed": ("an account has another role for a site", False),
    "token_added": ("an API token was made", False),
    "token_revoked": ("an API token was revoked", False),
    "link_added": ("a shared link or public dashboard was opened", False),
    "link_removed": ("a shared link or public dashboard was closed", False),
    "site_added": ("a site was added", False),
    "site_changed": ("a site was changed", False),
    "site_removed": ("a site was removed", False),
    "goal_added": ("a goal was added", False),
    "goal_removed": ("a goal was removed", False),
    "segment_added": ("a saved filter was added", False),
    "segment_removed": ("a saved filter was removed", False),
    "note_added": ("a note was added", False),
    "note_removed": ("a note was removed", False),
    "funnel_added": ("a funnel was saved", False),
    "funnel_removed": ("a saved funnel was removed", False),
    "imported": ("a log was imported", False),
    "verified": ("an operator had every row counted", False),
    "erase_asked": ("somebody asked for a site's events to be erased", False),
    "erased": ("events were erased, on request or by a site's retention", False),
    "retention_changed": ("a site's days are kept for another time", False),
    "csrf_refused": ("a request of another origin was refused", True),
    "access_refused": ("an account asked for what it may not see", True),
    "dropped": ("events that were not recorded since the last such line, by drop reason", False),
    "rate_limited": ("requests refused by a limit since the last such line, by limit", False),
    "api_refused": ("API requests refused since the last such line, by status", False),
    "unlisted": ("records that were too many to write since the last such line, by kind", False),
}  # fmt: skip

_EMAIL = re.compile(r"[^\s@<>\"'(),;:]{1,64}@[^\s@<>\"'(),;:]{1,255}")
_V4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)")
_V6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?![\w:])")
# Random text: 32 and more characters of hex or base64 in one piece, with digits and letters among them.
_SECRET = re.compile(r"(?<![\w/+-])(?=[\w+-]*\d)(?=[\w+-]*[A-Za-z])[\w+-]{32,}={0,2}(?![\w/])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    """The text without anything that ends a line, moves a terminal's cursor or turns its direction; bounded."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)[:TEXT_CHARS_MAX]


class Subjects:
    """Names of people as keyed hashes: the same name gives the same hash on this node, and nobody can turn it back."""

    def __init__(self, key_file: Path) -> None:
        """Raises BrokenInput when the key's file is open to others or damaged."""
        self._key = load_or_create_key(key_file, KEY_BYTES)

    def of(self, name: str) -> str:
        """16 hex digits for an e-mail address or account name; letters' case and outer blanks don't matter."""
        folded = name.strip().casefold().encode("utf-8", "surrogatepass")
        return "subject:" + blake3(folded, key=self._key).hexdigest(8)

    def redact(self, text: str) -> str:
        """The text fit for the file: e-mails as subjects; addresses and what looks like a secret taken out."""
        text = _EMAIL.sub(lambda found: self.of(found[0]), one_line(text))
        text = _V6.sub(lambda found: "[address]" if _is_v6(found[0]) else found[0], text)
        text = _V4.sub("[address]", text)
        return _SECRET.sub("[secret]", text)


def _is_v6(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, text.rstrip("."))
    except (OSError, ValueError):
        return False
    return any(c in "0123456789abcdefABCDEF" for c in text)


class FloodGate:
    """How many records of a kind may be written now. Memory: one entry a kind."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._minutes: dict[str, tuple[float, int]] = {}

    def admits(self, kind: str) -> bool:
        """Whether one more record of a kind that strangers can cause fits into this minute."""
        now = self._monotonic()
        began, count = self._minutes.get(kind, (now, 0))
        if now - began >= 60:
            began, count = now, 0
        self._minutes[kind] = (began, count + 1)
        return count < FLOOD_PER_MINUTE
