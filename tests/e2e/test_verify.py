"""`statnive verify`: against a running node and against a directory that no node runs on, with the same result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.server import NOON_ZONE, Server, environment, statnive

BREAK = """
import sys
from pathlib import Path
from statnive.clickhouse.client import connect
from statnive.config import ClickHouseConfig
client = connect(ClickHouseConfig(), Path(sys.argv[1]), purpose="admin")
client.command("INSERT INTO statnive.events_raw SELECT * FROM statnive.events_raw SETTINGS insert_deduplicate = 0")
client.command("ALTER TABLE statnive.daily_pages DELETE WHERE 1 SETTINGS mutations_sync = 2")
client.close()
"""


def wrong(data_dir: Path) -> None:
    """Double the raw rows and what the views make of them, and empty one rollup."""
    done = subprocess.run(
        [sys.executable, "-c", BREAK, str(data_dir)], env=environment(), timeout=300, check=False
    )
    assert done.returncode == 0


def test_what_is_wrong_is_told_then_repaired_and_the_numbers_are_right_again(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    added = statnive("site", "add", "books.example", "--timezone", NOON_ZONE, data_dir=data_dir)
    assert added.returncode == 0, added.stderr
    with Server(data_dir) as server:
        for number in range(10):
            assert server.event(host="books.example", path=f"/{number}").status_code == 202
    good = statnive("verify", data_dir=data_dir)
    assert (good.returncode, good.stderr) == (0, "")
    assert (
        good.stdout
        == "10 rows, 6 rollups (daily_devices, daily_events, daily_geo, daily_pages, daily_sources, hourly_visitors): "
        "everything fits\n"
    )

    wrong(data_dir)
    bad = statnive("verify", data_dir=data_dir)
    assert bad.returncode == 1
    assert "10 rows too many, there twice" in bad.stdout
    assert "daily_pages" in bad.stdout
    assert "0 events, events_raw has 20" in bad.stdout
    assert "WRONG; statnive verify --repair puts right what can be" in bad.stdout

    with Server(data_dir) as server:
        repaired = statnive("verify", "--repair", data_dir=data_dir)
        assert repaired.returncode == 0, repaired.stdout + repaired.stderr
        assert "held 10 rows twice: one of each is left" in repaired.stdout
        assert "built anew" in repaired.stdout
        assert repaired.stdout.endswith("everything fits\n")
        metrics = server.stats("overview", site="books.example", period="day")["metrics"]
        assert metrics["pageviews"] == 10
        pages = server.stats("pages", site="books.example", period="day")["rows"]
        assert [row["pageviews"] for row in pages] == [1] * 10
    assert statnive("verify", data_dir=data_dir).returncode == 0
