"""The parser of the combined format: what it reads, what it leaves out and why; nothing breaks it."""

from __future__ import annotations

import ast
import ipaddress
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import statnive.importer
from statnive.importer.combined_log import LINE_BYTES_MAX, TIME_S_MAX, LogEntry, Skip, parse_line
from statnive.importer.page_views import SkipReason

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HEAD = '203.0.113.7 - - [17/May/2015:10:05:03 +0200] "GET /a?b=c HTTP/1.1" 200 512'
GOOD = f'{HEAD} "https://ref.example/x" "{AGENT}"'
ENTRY = LogEntry("203.0.113.7", 1_431_849_903, "GET", "/a?b=c", 200, "https://ref.example/x", AGENT)


def entry(old: str = "", new: str = "") -> LogEntry:
    """The entry of the good line, with `old` replaced by `new`."""
    assert old in GOOD
    parsed = parse_line(GOOD.replace(old, new, 1).encode("latin-1") if old else GOOD.encode())
    assert isinstance(parsed, LogEntry), parsed
    return parsed


def reason(line: str | bytes) -> SkipReason:
    parsed = parse_line(line.encode() if isinstance(line, str) else line)
    assert isinstance(parsed, Skip), parsed
    return parsed.reason


def test_good_line_gives_every_field() -> None:
    assert entry() == ENTRY
    assert datetime.fromtimestamp(ENTRY.time_s, UTC) == datetime(2015, 5, 17, 8, 5, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stamp", "utc"),
    [
        ("01/Jan/2026:00:00:00 +0000", "2026-01-01T00:00:00"),
        ("31/Dec/2025:23:59:59 -0330", "2026-01-01T03:29:59"),
        ("29/Feb/2024:05:30:00 +0530", "2024-02-29T00:00:00"),
        ("01/Jul/2026:12:45:00 +1245", "2026-07-01T00:00:00"),
        ("30/Jun/2015:23:59:60 +0000", "2015-07-01T00:00:00"),  # a leap second
    ],
)
def test_time_honours_the_offset_of_its_line(stamp: str, utc: str) -> None:
    time_s = entry("17/May/2015:10:05:03 +0200", stamp).time_s
    assert datetime.fromtimestamp(time_s, UTC).isoformat() == utc + "+00:00"


@pytest.mark.parametrize(
    ("client", "ip"),
    [
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_address_is_in_its_usual_spelling(client: str, ip: str) -> None:
    assert entry("203.0.113.7", client).ip == ip


def test_hostname_becomes_a_private_address_of_its_own() -> None:
    first = entry("203.0.113.7", "crawl-1.example.net").ip
    assert first == entry("203.0.113.7", "CRAWL-1.example.net.").ip
    other = entry("203.0.113.7", "crawl-2.example.net").ip
    networks = {ipaddress.IPv6Network(f"{ip}/64", strict=False) for ip in (first, other)}
    assert len(networks) == 2  # two visitors, though IPv6 visitors are told apart by their /64 only
    assert all(network.subnet_of(ipaddress.IPv6Network("fd00::/8")) for network in networks)


@pytest.mark.parametrize("client", ["-", "unix:", "300.1.2.3", "1.2.3", "10.0.0.1:8080", "[::1]", "a,b", '"'])
def test_client_that_is_neither_address_nor_hostname_is_garbage(client: str) -> None:
    assert reason(GOOD.replace("203.0.113.7", client)) is SkipReason.GARBAGE


@pytest.mark.parametrize(
    ("logged", "meant"),
    [
        (r"a \"quoted\" agent of some length", 'a "quoted" agent of some length'),
        (r"back\\slash", "back\\slash"),
        (r"caf\xc3\xa9 \xe2\x82\xac", "café €"),
        (r"caf\xe9", "café"),  # Latin-1
        (r"nginx \x22quotes\x22 and \x5C", 'nginx "quotes" and \\'),
        (r"tab\tand\x09tab", "tab\tand\ttab"),
        (r"no\nnew\x0aline\x00or\x7fnul", r"no\nnew\x0aline\x00or\x7fnul"),  # would be control characters
        (r"odd \q \xZZ", r"odd \q \xZZ"),
    ],
)
def test_escapes_are_undone_but_for_control_characters(logged: str, meant: str) -> None:
    assert entry(AGENT, logged).user_agent == meant
    assert entry("https://ref.example/x", logged).referrer == meant


def test_bytes_that_are_not_utf8_are_read_as_latin1() -> None:
    assert (
        entry("https://ref.example/x", "https://ref.example/caf\xe9").referrer == "https://ref.example/café"
    )
    raw = GOOD.replace("https://ref.example/x", "https://ref.example/€").encode()
    parsed = parse_line(raw)
    assert isinstance(parsed, LogEntry)
    assert parsed.referrer == "https://ref.example/€"


def test_dashes_are_no_referrer_no_bytes_and_no_agent() -> None:
    assert entry("https://ref.example/x", "-").referrer == ""
    assert entry("512", "-") == ENTRY
    assert reason(GOOD.replace(AGENT, "-")) is SkipReason.AGENT
    assert reason(GOOD.replace(AGENT, "")) is SkipReason.AGENT


def test_line_of_the_common_format_has_no_agent() -> None:
    assert reason(HEAD) is SkipReason.AGENT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (" - - ", " ident some user "),
        (f'"{AGENT}"', f'"{AGENT}" "10.0.0.1" 0.003 "other"'),
        (f'"{AGENT}"', f'"{AGENT}"\r'),
        ("HTTP/1.1", "HTTP/2.0"),
    ],
)
def test_harmless_variations_are_read(old: str, new: str) -> None:
    assert entry(old, new) == ENTRY


def test_blank_in_a_target_belongs_to_it() -> None:
    assert entry("/a?b=c", "/a b").target == "/a b"


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("-", SkipReason.REQUEST),
        ("", SkipReason.REQUEST),
        (r"\x16\x03\x01\x02", SkipReason.REQUEST),
        ("GET /", SkipReason.REQUEST),
        ("GET http://other.example/ HTTP/1.1", SkipReason.TARGET),
        ("GET * HTTP/1.1", SkipReason.TARGET),
        ("OPTIONS * HTTP/1.1", SkipReason.METHOD),
        ("CONNECT other.example:443 HTTP/1.1", SkipReason.METHOD),
        ("HEAD /a HTTP/1.1", SkipReason.METHOD),
        ("get /a HTTP/1.1", SkipReason.METHOD),
        ("GET /logo.png HTTP/1.1", SkipReason.STATIC_FILE),
    ],
)
def test_request_that_is_no_page_view_is_left_out_with_the_reason(
    request_line: str, expected: SkipReason
) -> None:
    assert reason(GOOD.replace("GET /a?b=c HTTP/1.1", request_line)) is expected


@pytest.mark.parametrize("status", [301, 302, 206, 204, 403, 404, 500, 100, 999])
def test_status_other_than_200_and_304_is_left_out(status: int) -> None:
    assert reason(GOOD.replace(" 200 ", f" {status} ")) is SkipReason.STATUS
    assert entry(" 200 ", " 304 ").status == 304


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "#Software: something else",
        GOOD[: GOOD.rindex('"')],  # the agent's end is missing
        GOOD[:60],
        GOOD.replace("May", "Mai"),
        GOOD.replace("17/May", "31/Jun"),
        GOOD.replace(":10:05", ":24:05"),
        GOOD.replace("+0200", "+2500"),
        GOOD.replace("2015", "0001"),
        GOOD.replace("2015", "1969"),
        GOOD.replace("2015", "2107"),
        GOOD.replace("200", "OK"),
        GOOD.replace("/a?", "/a\0?"),
        GOOD.replace("Firefox", "Fire\x1bfox"),
        GOOD.replace("Firefox", 'Fire"fox'),
        "example.com:80 " + GOOD,
        "\0" + GOOD,
        '{"time": "2015-05-17T10:05:03Z", "path": "/"}',
    ],
)
def test_broken_line_is_garbage(line: str) -> None:
    assert reason(line) is SkipReason.GARBAGE


@pytest.mark.parametrize("line", [b"", b"\r", b"  \t "])
def test_empty_line_is_no_garbage(line: bytes) -> None:
    assert reason(line) is SkipReason.EMPTY


def test_line_at_the_limit_is_read_and_one_byte_more_is_not() -> None:
    room = LINE_BYTES_MAX - len(GOOD)
    assert len(entry("/a?b=c", "/a?b=c" + "x" * room).target) == room + len("/a?b=c")
    assert reason(GOOD.replace("/a?b=c", "/a?b=c" + "x" * (room + 1))) is SkipReason.TOO_LONG


@settings(deadline=None, max_examples=400)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), st.binary(max_size=12)).map(
            lambda cut: GOOD.encode()[: cut[0]] + cut[2] + GOOD.encode()[cut[0] + cut[1] :]
        ),
        st.lists(
            st.sampled_from([*'"\\ []:/x0-\0\t', "[17/May/2015:10:05:03 +0000] ", "GET "]), max_size=60
        ).map(lambda parts: "".join(parts).encode()),
        st.binary(max_size=40).map(lambda agent: GOOD.encode().replace(AGENT.encode(), agent)),
    )
)
@example(GOOD.encode().replace(b"Firefox", b"Fire\\\x01fox"))
def test_no_bytes_raise_and_what_is_read_keeps_the_invariants(line: bytes) -> None:
    parsed = parse_line(line)
    if isinstance(parsed, Skip):
        assert parsed.reason in SkipReason
        return
    assert str(ipaddress.ip_address(parsed.ip)) == parsed.ip
    assert 0 <= parsed.time_s <= TIME_S_MAX
    assert parsed.target.startswith("/")
    assert parsed.user_agent not in ("", "-")
    for text in (parsed.target, parsed.referrer, parsed.user_agent):
        assert not [c for c in text if (c < " " and c != "\t") or c == "\x7f"]


@pytest.mark.parametrize(
    "unit",
    [
        b"[17/May/2015:10:05:03 +0200] ",
        b'"',
        b"\\",
        b'\\"',
        b" ",
        b"[",
        b'" 200 1 "',
        b"a ",
        b"\xff",
        b'[17/May/2015:10:05:03 +0200] "a ',
    ],
)
def test_no_line_takes_more_than_a_moment(unit: bytes) -> None:
    # A quadratic search over 16 KiB would take tens of milliseconds a line; a linear one takes microseconds.
    for head in (b"", b"1.1.1.1 - - ", GOOD.encode()[: GOOD.index("/a?b")]):
        line = (head + unit * LINE_BYTES_MAX)[:LINE_BYTES_MAX]
        begun = time.thread_time()
        for _ in range(20):
            parse_line(line)
        assert time.thread_time() - begun < 0.4


def test_importer_depends_on_neither_trio_nor_the_pipeline() -> None:
    allowed = ("statnive.importer", "statnive.errors")
    for path in Path(statnive.importer.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.split(".")[0] not in ("trio", "anyio", "asyncio"), path
                assert not name.startswith("statnive") or name.startswith(allowed), path
