"""The log of a real site, imported with the server stopped and running: numbers held against an independent count."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import crawleruseragents
import pytest

from tests.e2e.server import Server, statnive
from tests.importer.reference import DayCount, reference_counts

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
LOG = SHARED / "logs" / "apache_combined_2015.log"
SITE = "semicomplete.com"


# Agents of this log that say what they are and that the package's patterns do not know; labelled by hand.
ROBOTS = ("Ezooms/", "spinn3r.com/robot", "Google favicon", "libfetch", "BeetleBot", "EasouSpider")
EMPTY = "Mozilla/4.0 (compatible;)"


@cache
def is_person(agent: str) -> bool:
    """By the package's own loop over its patterns, the labels above, and the article's rules for user agents."""
    if not 16 <= len(agent) <= 500 or not agent.isascii() or agent == EMPTY:
        return False
    return not any(mark in agent for mark in ROBOTS) and not crawleruseragents.is_crawler(agent)


def expected() -> dict[str, DayCount]:
    counts = reference_counts(LOG, lambda ip, agent, target, method, status: is_person(agent))
    return {day.isoformat(): count for day, count in counts.items()}


@pytest.mark.parametrize("running", [False, True])
def test_each_days_page_views_are_exact_and_visitors_within_one_percent(
    tmp_path: Path, running: bool
) -> None:
    data_dir = tmp_path / "data"
    if not running:
        assert statnive("site", "add", SITE, data_dir=data_dir).returncode == 0
        done = statnive("import", "log", str(LOG), "--site", SITE, data_dir=data_dir)
        assert done.returncode == 0, done.stderr
    with Server(data_dir) as server:
        if running:
            assert statnive("site", "add", SITE, data_dir=data_dir).returncode == 0
            done = statnive("import", "log", str(LOG), "--site", SITE, data_dir=data_dir)
            assert done.returncode == 0, done.stderr
        trend = server.stats("trend", site=SITE, **{"from": "2015-05-17", "to": "2015-05-20"}, interval="day")
        found = {point["time"]: point for point in trend["points"]}
        wanted = expected()
        assert list(found) == list(wanted) == [f"2015-05-{day}" for day in (17, 18, 19, 20)]
        for day, count in wanted.items():
            assert found[day]["pageviews"] == count.page_views
            assert found[day]["visitors"] == pytest.approx(count.visitors, rel=0.01)
        sources = {
            row["source"]
            for row in server.stats("sources", site=SITE, **{"from": "2015-05-17", "to": "2015-05-20"})[
                "rows"
            ]
        }
        assert "Google" in sources
        assert server.stop() == 0
    assert "10,000" in done.stdout
    assert "static files" in done.stdout


# Page views by crawlers that the log's own agents name: counted by hand with grep and tests/importer/reference.py.
CRAWLERS = {
    "archive.org_bot": 157,
    "Slurp": 83,
    "Tiny Tiny RSS": 83,
    "Baiduspider": 76,
    "bingbot": 34,
    "AhrefsBot": 29,
}
TOP_SOURCES = [
    ("", "Direct"),
    ("Google", "Organic Search"),
    ("Stack Overflow", "Organic Social"),
    ("logstash.net", "Referral"),
]


def test_the_log_s_crawlers_are_flagged_and_its_top_sources_named(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    assert statnive("site", "add", SITE, data_dir=data_dir).returncode == 0
    done = statnive("import", "log", str(LOG), "--site", SITE, data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    everyone = reference_counts(LOG, lambda ip, agent, target, method, status: 16 <= len(agent) <= 500)
    views = sum(count.page_views for count in everyone.values())
    people = sum(count.page_views for count in expected().values())
    span = {"site": SITE, "from": "2015-05-17", "to": "2015-05-20"}
    with Server(data_dir) as server:
        bots = server.stats("bots", **span, limit=100)
        found = {row["bot"]: row["events"] for row in bots["rows"]}
        assert bots["events"] == sum(found.values()) == views - people == 1_271
        assert bots["total_rows"] == len(found)
        assert {name: found.get(name) for name in CRAWLERS} == CRAWLERS
        assert found["Googlebot"] >= 300
        rows = server.stats("sources", **span)["rows"]
        assert [(row["source"], row["channel"]) for row in rows[:4]] == TOP_SOURCES
        assert {"Wikipedia", "DuckDuckGo"} <= {row["source"] for row in rows}
        assert SITE not in {row["source"] for row in rows}
        assert server.stats("overview", **span)["metrics"]["pageviews"] == people
        assert server.stop() == 0


def test_garbage_lines_are_skipped_and_named_and_the_others_go_in(tmp_path: Path) -> None:
    good = LOG.read_bytes().splitlines()[:200]
    mixed = b"\n".join([*good[:100], b"garbage", b"\x00\xff\xfe", b"", *good[100:]]) + b"\n"
    data_dir = tmp_path / "data"
    statnive("site", "add", SITE, data_dir=data_dir)
    clean = statnive("import", "log", "-", "--site", SITE, data_dir=data_dir, stdin=b"\n".join(good))
    dirty = statnive("import", "log", "-", "--site", SITE, data_dir=data_dir, stdin=mixed)
    assert (clean.returncode, dirty.returncode) == (0, 0)
    recorded = [
        [line for line in done.stdout.splitlines() if "page views recorded" in line]
        for done in (clean, dirty)
    ]
    assert recorded[0][0].split()[3] == recorded[1][0].split()[3]
    assert "broken lines" in dirty.stdout
    assert "broken lines" not in clean.stdout


def test_an_unknown_site_and_a_missing_file_are_named(tmp_path: Path) -> None:
    unknown = statnive("import", "log", str(LOG), "--site", "nowhere.example", data_dir=tmp_path / "data")
    assert unknown.returncode == 2
    assert "nowhere.example" in unknown.stderr
    missing = statnive("import", "log", str(tmp_path / "no.log"), "--site", SITE, data_dir=tmp_path / "data")
    assert missing.returncode == 5
    assert "no.log" in missing.stderr
