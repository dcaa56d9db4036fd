"""Hostnames as an operator gives them and as browsers send them: one spelling for both.

The spelling is the one a browser puts into `location.hostname`: lower case, international names in their xn--
form (UTS 46, so that "straße.de" stays its own name), no trailing dot. No scheme, port or path.

"www.": a site answers for its hosts and for "www." + each of them. This is a rule of look-up, not of storage
(`Snapshot.lookup`): nothing is stored for it, and an exact host wins, so www.example.com may still be a site
of its own. It goes one way only: a site added as www.example.com answers for example.com only by an alias.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

import idna

from statnive.errors import Rejected
from statnive.event import HOST_CHARS_MAX

LABEL_CHARS_MAX: Final = 63

# Underscores are no DNS hostnames by the letter, yet browsers open them, and events arrive from them.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_IDEOGRAPHIC_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")  # UTS 46: these separate labels, too


def canonical_host(field: str, text: str) -> str:
    """`text` as a browser would spell it. Raises Rejected naming `field`, what is wrong and the limit."""
    host = text.strip()
    _refuse_more_than_a_host(field, host)
    host = host.translate(_IDEOGRAPHIC_DOTS).removesuffix(".")
    if not host:
        raise Rejected(field, "is empty; give a hostname such as example.com")
    _check_length(field, host)  # before any Unicode work: its cost grows with the length
    host = host.lower() if host.isascii() else _to_ascii(field, host)
    _check_length(field, host)
    labels = host.split(".")
    for label in labels:
        _check_label(field, host, label)
    if labels[-1].isdigit():
        _check_ipv4(field, host)
    return host


def _check_length(field: str, host: str) -> None:
    if len(host) > HOST_CHARS_MAX:
        long = f"has {len(host)} characters; at most {HOST_CHARS_MAX} are allowed"
        raise Rejected(field, f"{_short(host)} {long}")


def _refuse_more_than_a_host(field: str, text: str) -> None:
    """Name the part that doesn't belong: most wrong hostnames are whole addresses pasted from a browser."""
    bare = "; give the bare hostname, such as example.com"
    if "://" in text:
        raise Rejected(field, f"{_short(text)} has a scheme{bare}")
    if any(c in text for c in "/?#\\"):
        raise Rejected(field, f"{_short(text)} has a path{bare}")
    if "@" in text:
        raise Rejected(field, f"{_short(text)} has a user name{bare}")
    if ":" in text:
        raise Rejected(field, f"{_short(text)} has a port or is an IPv6 address{bare}")
    if "*" in text:
        raise Rejected(field, f"{_short(text)} has a wildcard; give each hostname as an alias of its own")
    if any(c.isspace() for c in text):
        raise Rejected(field, f"{_short(text)} has a blank{bare}")


def _to_ascii(field: str, host: str) -> str:
    try:
        return idna.encode(host, uts46=True, std3_rules=False).decode("ascii").lower()
    except UnicodeError as error:  # IDNAError is one
        hint = "if browsers open it, give its xn-- form"
        raise Rejected(field, f"{_short(host)} is no international hostname ({error}); {hint}") from None


def _check_label(field: str, host: str, label: str) -> None:
    if not label:
        raise Rejected(field, f"{_short(host)} has an empty part between dots")
    if len(label) > LABEL_CHARS_MAX:
        long = f"has {len(label)} characters; at most {LABEL_CHARS_MAX} are allowed"
        raise Rejected(field, f"its part {_short(label)} {long}")
    if not _LABEL.fullmatch(label):
        allowed = "letters, digits, - and _, with no - at either end"
        raise Rejected(field, f"its part {_short(label)} is not allowed; a part has {allowed}")


def _check_ipv4(field: str, host: str) -> None:
    """A last label of digits makes a browser read the host as an IPv4 address, or refuse it."""
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise Rejected(field, f"{_short(host)} ends in a number and is no IPv4 address") from None


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
