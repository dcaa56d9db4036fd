"""Aliases and segments by the command line, with a node running and without one."""

from __future__ import annotations

import time
from pathlib import Path

from tests.e2e.server import NOON_ZONE, Server, statnive

SITE = "shop.example"
ALIAS = "blog.example"
FILTER = '["is","event:hostname",["blog.example"]]'


def test_an_alias_and_a_segment_work_from_the_moment_they_are_added(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    def run(*arguments: str, code: int = 0) -> str:
        done = statnive(*arguments, data_dir=data_dir)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    with Server(data_dir) as server:
        run("site", "add", SITE, "--timezone", NOON_ZONE)
        assert server.event(host=ALIAS, path="/a").headers["x-statnive-dropped"] == "unknown_site=1"
        assert run("site", "alias", "add", SITE, ALIAS) == f"{SITE}: {ALIAS}\n"
        assert "x-statnive-dropped" not in server.event(host=ALIAS, path="/a").headers
        assert server.event(host=SITE, path="/b").status_code == 202
        assert run("segment", "add", SITE, "Blog", "--filter", FILTER) == f"added segment 1  Blog  {FILTER}\n"
        assert "has a segment Blog already" in run("segment", "add", SITE, "Blog", "--filter", FILTER, code=2)
        assert "is no JSON" in run("segment", "add", SITE, "Bad", "--filter", "source=Google", code=2)
        while server.metrics()["writer_lag_rows"]:
            time.sleep(0.05)
        (row,) = server.stats("pages", site=SITE, period="day", filters='["is","segment",[1]]')["rows"]
        assert (row["page"], row["pageviews"]) == ("/a", 1)
        assert run("site", "alias", "remove", SITE, ALIAS) == f"{SITE}: no aliases\n"
        assert server.event(host=ALIAS, path="/c").headers["x-statnive-dropped"] == "unknown_site=1"
        assert server.stop() == 0
    assert run("segment", "list", SITE) == f"1  Blog  {FILTER}\n"
    assert run("segment", "remove", SITE, "1").startswith("removed segment 1  Blog")
    assert run("segment", "list", SITE) == ""
