"""Goals by the command line, reached by events of a running node; and a visit that a SIGKILL does not end."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.server import NOON_ZONE, Server, read_clickhouse, statnive

SITE = "goals.example"
GOALS = (
    "SELECT goal, sum(conversions) AS conversions FROM statnive.daily_events WHERE goal > 0 "
    "GROUP BY goal ORDER BY goal"
)
VISITS = (
    "SELECT sum(visits) AS visits, sum(bounces) AS bounces, sum(pageviews) AS pageviews, "
    "sum(duration_s) AS duration FROM statnive.{}"
)
LASTED = "SELECT toUInt64(max(ts) - min(ts)) AS duration FROM statnive.events_raw"


def goal(*arguments: str, data_dir: Path) -> str:
    done = statnive("goal", *arguments, data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_goals_count_from_their_adding_to_their_removal_and_a_visit_survives_sigkill(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    server = Server(data_dir)
    assert statnive("site", "add", SITE, "--timezone", NOON_ZONE, data_dir=data_dir).returncode == 0
    assert server.event(host=SITE, path="/shop/a").status_code == 202
    added = goal("add", SITE, "--page", "/shop/*", data_dir=data_dir)
    assert added == "added goal 1  Visit /shop/*\n"
    goal("add", SITE, "--event", "Signup", "--value", "9.9", "--currency", "eur", data_dir=data_dir)
    assert server.event(host=SITE, path="/shop/b").status_code == 202
    assert server.event(host=SITE, n="Signup").status_code == 202
    goal("remove", SITE, "1", data_dir=data_dir)
    server.kill()
    with Server(data_dir) as again:
        assert again.event(host=SITE, path="/shop/c").status_code == 202
        assert again.event(host=SITE, n="Signup").status_code == 202
        listed = goal("list", SITE, data_dir=data_dir)
        assert listed == "2  Signup  9.90 EUR\n1  Visit /shop/*  (removed)\n"
        refused = statnive("goal", "add", SITE, "--event", "Signup", data_dir=data_dir)
        assert (refused.returncode, "already" in refused.stderr) == (2, True)
        assert again.stop() == 0
    goals, hourly, pages, lasted = read_clickhouse(
        data_dir, GOALS, VISITS.format("hourly_visitors"), VISITS.format("daily_pages"), LASTED
    )
    assert goals == [{"goal": 1, "conversions": 1}, {"goal": 2, "conversions": 2}]
    (visit,) = hourly
    assert hourly == pages
    assert visit == {"visits": 1, "bounces": 0, "pageviews": 3, "duration": lasted[0]["duration"]}
    assert visit["duration"] > 0, "a node takes a second to start"


def test_one_page_view_before_a_sigkill_and_its_engagement_after_it_are_one_bounce(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    server = Server(data_dir)
    assert statnive("site", "add", SITE, "--timezone", NOON_ZONE, data_dir=data_dir).returncode == 0
    assert server.event(host=SITE, path="/long").status_code == 202
    assert server.event(host=SITE, path="/long", n="engagement", sd=40, e=3_000).status_code == 202
    server.kill()
    with Server(data_dir) as again:
        assert again.event(host=SITE, path="/long", n="engagement", sd=90, e=5_000).status_code == 202
        assert again.stop() == 0
    pages, told, lasted = read_clickhouse(
        data_dir,
        VISITS.format("daily_pages"),
        "SELECT sum(engaged_ms) AS ms, sum(scroll_depth) AS depth, sum(scroll_views) AS views "
        "FROM statnive.daily_pages",
        LASTED,
    )
    assert pages == [{"visits": 1, "bounces": 1, "pageviews": 1, "duration": lasted[0]["duration"]}]
    assert told == [{"ms": 8_000, "depth": 90, "views": 1}]
