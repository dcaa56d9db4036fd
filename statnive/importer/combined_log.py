"""Lines of an access log in the combined format of Apache and nginx.

    client ident user [17/May/2015:10:05:03 +0200] "GET /path?query HTTP/1.1" 200 1234 "referrer" "user agent"

Owns: nothing. Inputs: one line as bytes, without its newline. Outputs: LogEntry for a page view, else Skip.
Invariants: I1 no line raises; I2 the work is linear in the line, which is at most LINE_BYTES_MAX long; I3
an entry's texts hold no ASCII control character but TAB; I4 `ip` is an address in its usual spelling; I5
the same line gives the same answer on any machine and in any time zone.
Failure: none; a line that can't be read is Skip(GARBAGE). Shutdown: nothing to do.

Accepted beyond the letter: fields after the user agent (many people add some), a user name with blanks, a
client that is a hostname (HostnameLookups On), bytes that are not UTF-8 (read as Latin-1). The common
format has no user agent, so its lines are Skip(AGENT). Lines that begin with a virtual host
("example.com:80 …", that is vhost_combined) are GARBAGE: they mix sites, and a guess would count one site's
pages for another.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from statnive.importer.page_views import SkipReason, no_page_view

LINE_BYTES_MAX: Final = 16_384
TIME_S_MAX: Final = 2**32 - 1  # ClickHouse's DateTime
_HOSTNAME_BYTES_MAX: Final = 253


class LogEntry(NamedTuple):
    """One page view of a log."""

    ip: str  # an address; a hostname in the log becomes a private one that stands for it, see `_client_ip`
    time_s: int  # seconds since the epoch; the line's offset from UTC is applied
    method: str
    target: str  # path and query, as requested, percent-encoding untouched
    status: int
    referrer: str  # "" = none
    user_agent: str


class Skip(NamedTuple):
    """A line that is no page view."""

    reason: SkipReason


# Possessive (++, *+) wherever a repetition could be tried again in vain: keeps I2.
_PLAIN = rb'[^"\\\x00-\x08\x0a-\x1f\x7f]*+'
_FIELD = rb'"(' + _PLAIN + rb"(?:\\[ -~]" + _PLAIN + rb')*+)"'
_LINE = re.compile(
    rb"(\S+) \S+ [^\[\x00]++(?<= )\[(\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d):([0-5]\d):([0-6]\d) ([+-]\d{4})\] "
    + _FIELD
    + rb" (\d{3}) (?:\d+|-)(?: "
    + _FIELD
    + rb" "
    + _FIELD
    + rb"(?:\s|$)|\s*$)"
)
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[ -~])")
_HOSTNAME = re.compile(rb"(?=.*[a-z])[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?", re.I)
_MONTHS = {m: n for n, m in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_SKIP = {reason: Skip(reason) for reason in SkipReason}


def parse_line(line: bytes) -> LogEntry | Skip:
    """The page view that `line` records, or why it records none. Never raises."""
    if len(line) > LINE_BYTES_MAX:
        return _SKIP[SkipReason.TOO_LONG]
    match = _LINE.match(line)
    if match is None:
        return _SKIP[SkipReason.GARBAGE if line.strip() else SkipReason.EMPTY]
    client, hour, minute, second, offset, request, status, referrer, agent = match.groups()
    hour_s = _hour_s(hour, offset)
    ip = _client_ip(client)
    if hour_s is None or ip is None:
        return _SKIP[SkipReason.GARBAGE]
    method, _, target = request.partition(b" ")
    if b"\\" in target:
        target = _unescape(target)
    target, blank, protocol = target.rpartition(b" ")
    if not blank or not protocol.startswith(b"HTTP/"):
        return _SKIP[SkipReason.REQUEST]
    if method == b"GET" and not target.startswith(b"/"):
        return _SKIP[SkipReason.TARGET]
    reason = no_page_view(method, status, target)
    if reason is not None:
        return _SKIP[reason]
    if agent is None or agent in (b"-", b""):
        return _SKIP[SkipReason.AGENT]
    time_s = hour_s + int(minute) * 60 + int(second)
    if not 0 <= time_s <= TIME_S_MAX:
        return _SKIP[SkipReason.GARBAGE]
    source = "" if referrer == b"-" else _text(referrer)
    return LogEntry(ip, time_s, "GET", _decode(target), int(status), source, _text(agent))


def _text(field: bytes) -> str:
    return _decode(_unescape(field) if b"\\" in field else field)


def _decode(field: bytes) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError:
        return field.decode("latin-1")


def _unescape(field: bytes) -> bytes:
    return _ESCAPE.sub(_unescaped, field)


def _unescaped(match: re.Match[bytes]) -> bytes:
    r"""What an escape of Apache (\" \\ \t \xhh) or nginx (\xHH) stands for; controls stay (keeps I3)."""
    code = match[1]
    if len(code) == 3:
        byte = bytes([int(code[1:], 16)])
        return byte if (byte >= b" " and byte != b"\x7f") or byte == b"\t" else match[0]
    if code == b"t":
        return b"\t"
    return code if code in b'"\\' else match[0]


@lru_cache(maxsize=1_024)
def _hour_s(hour: bytes, offset: bytes) -> int | None:
    """Seconds since the epoch when "17/May/2015:10" began; cached: a log has few hours and many lines."""
    try:
        local = datetime(int(hour[7:11]), _MONTHS[hour[3:6]], int(hour[:2]), int(hour[12:]), tzinfo=UTC)
    except (KeyError, ValueError):
        return None
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    if minutes > 14 * 60:  # no place is further from UTC
        return None
    return int(local.timestamp()) - (minutes * 60 if offset.startswith(b"+") else minutes * -60)


@lru_cache(maxsize=65_536)
def _client_ip(client: bytes) -> str | None:
    """The client's address; None for what can be neither an address nor a hostname ("-", "unix:", "host:80").

    A hostname becomes an address in fd00::/8 whose first 64 bits (the part that identifies an IPv6 visitor)
    hold a hash of the name: the same name is the same visitor, no country is made up, and the pipeline
    needs no second kind of client. Two names fall together once in 2^56.
    """
    try:
        address = ipaddress.ip_address(client.partition(b"%")[0].decode("ascii"))
    except ValueError:  # UnicodeDecodeError is one
        if len(client) > _HOSTNAME_BYTES_MAX or not _HOSTNAME.fullmatch(client):
            return None
        name = client.lower().rstrip(b".")
        return str(ipaddress.IPv6Address(b"\xfd" + hashlib.blake2b(name, digest_size=7).digest() + bytes(8)))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
