"""`statnive demo` with a node running and without one: the numbers of the API are those of the made-up traffic."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from statnive.web.badge import short
from tests.e2e.server import NOON_ZONE, TIMEOUT_S, Server, statnive

SITE = "shop.example"
OPTIONS = ("--site", SITE, "--days", "4", "--visits", "60", "--timezone", NOON_ZONE)


@pytest.mark.parametrize("running", [False, True])
def test_a_demo_site_has_every_report_filled_and_is_filled_once(tmp_path: Path, running: bool) -> None:
    data_dir = tmp_path / "data"
    if not running:
        done = statnive("demo", *OPTIONS, data_dir=data_dir)
    with Server(data_dir) as server:
        if running:
            done = statnive("demo", *OPTIONS, data_dir=data_dir)
        assert done.returncode == 0, done.stderr
        told = re.search(r"([\d,]+) events, ([\d,]+) page views", done.stdout)
        assert told is not None
        metrics = server.stats("overview", site=SITE, period="7d")["metrics"]
        where = (
            f"{server.url}/" if running else f"statnive serve --data-dir {data_dir}, then http://127.0.0.1:"
        )
        assert f"Look at it: {where}" in done.stdout
        assert f"/?site={SITE}" in done.stdout
        assert metrics["pageviews"] == int(told[2].replace(",", ""))
        assert 100 < metrics["visitors"] <= metrics["visits"] < metrics["pageviews"]
        for report in ("sources", "pages", "countries", "devices", "events", "goals", "campaigns"):
            assert server.stats(report, site=SITE, period="7d")["total_rows"] > 1, report
        (entry,) = server.stats("sites", period="7d")["sites"]
        assert (entry["site"], entry["metrics"]["visitors"]) == (SITE, metrics["visitors"])
        assert sum(point["visitors"] for point in entry["points"]) == metrics["visitors"]
        status = httpx.get(f"{server.url}/api/operator/status", timeout=TIMEOUT_S).json()
        events = int(told[1].replace(",", ""))
        assert {table["table"]: table["rows"] for table in status["tables"]}["events_raw"] == events
        assert (status["problems"], status["sites"]) == ({}, 1)
        assert 0 < status["disk"]["free_bytes"] < status["disk"]["total_bytes"]
        assert status["figures"].keys() == {name.partition("{")[0] for name in server.metrics()} - {
            "dropped_total",
            "ack_seconds_bucket",
        }
        assert all(status["versions"].values())
        badge = httpx.get(f"{server.url}/badge/{SITE}.svg?metric=pageviews&period=7d", timeout=TIMEOUT_S)
        assert badge.headers["content-type"].startswith("image/svg+xml")
        assert badge.headers.get_list("cross-origin-resource-policy") == ["cross-origin"]
        assert f">{short(metrics['pageviews'])}</text>" in badge.text
        again = statnive("demo", *OPTIONS, data_dir=data_dir)
        assert (again.returncode, "exists" in again.stderr) == (2, True)
        assert server.stats("overview", site=SITE, period="7d")["metrics"] == metrics
        assert server.stop() == 0


def test_a_name_that_may_be_somebody_s_and_a_wrong_option_are_refused(tmp_path: Path) -> None:
    for options, said in ((("--site", "example.com"), ".example"), (("--days", "0"), "1<=x<=400")):
        done = statnive("demo", *options, data_dir=tmp_path / "data")
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "data").exists()
