"""The parser and the independent reference agree on a real log, line by line."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from statnive.importer.combined_log import LogEntry, parse_line
from tests.importer.reference import SAMPLE_LOG, Line, is_page_view, read_lines, reference_counts

DAYS = [date(2015, 5, day) for day in (17, 18, 19, 20)]


def as_entry(line: Line) -> LogEntry:
    referrer = "" if line.referrer == "-" else line.referrer
    return LogEntry(
        line.ip, int(line.time.timestamp()), "GET", line.target, line.status, referrer, line.agent
    )


def test_parser_accepts_the_same_lines_with_the_same_fields() -> None:
    parsed = [parse_line(line) for line in SAMPLE_LOG.read_bytes().split(b"\n")]
    accepted = {n: entry for n, entry in enumerate(parsed, 1) if isinstance(entry, LogEntry)}
    expected = {
        line.number: as_entry(line)
        for line in read_lines(SAMPLE_LOG)
        if is_page_view(line.ip, line.agent, line.target, line.method, line.status)
    }
    assert accepted == expected
    assert len(accepted) > 2_000


def test_parser_gives_the_reference_counts_of_each_day() -> None:
    page_views: defaultdict[date, int] = defaultdict(int)
    visitors: defaultdict[date, set[tuple[str, str]]] = defaultdict(set)
    for line in SAMPLE_LOG.read_bytes().splitlines():
        entry = parse_line(line)
        if isinstance(entry, LogEntry):
            day = datetime.fromtimestamp(entry.time_s, UTC).date()
            page_views[day] += 1
            visitors[day].add((entry.ip, entry.user_agent))
    expected = reference_counts(SAMPLE_LOG)
    assert list(expected) == DAYS
    assert {day: tuple(count) for day, count in expected.items()} == {
        day: (page_views[day], len(visitors[day])) for day in DAYS
    }


def test_reference_counts_what_a_hand_made_log_holds(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    line = '{ip} - - [{stamp}] "{request} HTTP/1.1" {status} 5 "-" "{agent}"\n'.format
    good = {
        "ip": "192.0.2.1",
        "stamp": "01/Jan/2026:23:30:00 +0000",
        "request": "GET /",
        "status": 200,
        "agent": "A",
    }
    changes: list[dict[str, object]] = [
        {},
        {"request": "GET /b.html?x=1", "status": 304},
        {"agent": "B"},
        {"ip": "192.0.2.2", "agent": "Bot"},
        {"stamp": "02/Jan/2026:01:00:00 +0200"},
        {"stamp": "02/Jan/2026:00:00:00 +0000"},
        {"request": "POST /"},
        {"request": "GET /a.png"},
        {"status": 404},
        {"agent": "-"},
    ]
    log.write_text("".join(line(**{**good, **change}) for change in changes) + "broken\n")
    first, second = date(2026, 1, 1), date(2026, 1, 2)
    assert reference_counts(log) == {first: (5, 3), second: (1, 1)}
    no_bots = reference_counts(log, lambda ip, agent, target, method, status: agent != "Bot")
    assert no_bots == {first: (4, 2), second: (1, 1)}
    east = reference_counts(log, zone=timezone(timedelta(hours=5, minutes=30)))
    assert east == {second: (6, 3)}
