"""Erasing and retention by the command line, with a node and without one; the numbers, and verify, afterwards."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.server import BROWSER, NOON_ZONE, Server, read_clickhouse, statnive

SITE = "shop.example"
MARCH, APRIL = {"from": "2025-03-01", "to": "2025-03-31"}, {"from": "2025-04-01", "to": "2025-04-30"}


def log_of(*days: str) -> bytes:
    """An access log with four page views on each day, of two pages."""
    line = '192.0.2.{0} - - [{1}:12:00:00 +0000] "GET /{2} HTTP/1.1" 200 99 "https://www.google.com/" "{3}"'
    lines = [line.format(number, day, number % 2, BROWSER) for day in days for number in range(1, 5)]
    return "\n".join(lines).encode() + b"\n"


def test_days_are_erased_and_kept_as_asked_and_answers_say_what_they_lack(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    def run(*arguments: str, stdin: bytes | None = None) -> str:
        done = statnive(*arguments, data_dir=data_dir, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def bring(*days: str) -> str:
        return run("import", "log", "-", "--site", SITE, stdin=log_of(*days))

    with Server(data_dir) as server:

        def views(span: dict[str, str], **more: str) -> dict[str, object]:
            answer = server.stats("overview", site=SITE, **span, **more)
            return {"views": answer["metrics"]["pageviews"], "removed": answer.get("removed")}

        run("site", "add", SITE, "--timezone", NOON_ZONE)
        bring("10/Mar/2025", "12/Mar/2025", "02/Apr/2025")
        assert server.event(host=SITE, path="/today").status_code == 202
        assert views(MARCH) == {"views": 8, "removed": None}

        said = run("site", "erase", SITE, "--from", "2025-03-01", "--to", "2025-03-11", "--dry-run")
        assert said.startswith(f"{SITE}, 2025-03-01 to 2025-03-11:\n")
        assert "  events of 2025-03-10 to 2025-03-10\n" in said
        assert views(MARCH)["views"] == 8, "a dry run changes nothing"
        done = run("site", "erase", SITE, "--from", "2025-03-01", "--to", "2025-03-11", "--yes")
        assert done.endswith("erased 4 rows of events and the counts of 4 events, in 1 months\n")
        asked = {"from": "2025-03-01", "to": "2025-03-11", "why": "request", "what": "counts"}
        assert views(MARCH) == {"views": 4, "removed": [asked]}

        done = run("site", "retention", SITE, "--events", "30d", "--apply")
        assert done.startswith(f"{SITE} events: 30d\n{SITE} counts: for ever\n")
        assert done.endswith("erased 8 rows of events and the counts of 0 events, in 2 months\n")
        assert views(APRIL) == {"views": 4, "removed": None}, "the numbers stay"
        combined = '["and",[["is","visit:source",["Google"]],["is","event:page",["/1"]]]]'
        lacks = views(APRIL, filters=combined)
        assert lacks == {"views": 0, "removed": [{**APRIL, "why": "retention", "what": "events"}]}
        assert "erased" in bring("03/Apr/2025"), "and nothing comes below them any more"
        assert views(APRIL)["views"] == 4
        assert "everything fits" in run("verify")
        assert server.metrics()["erasures_open"] == 0
        rows = "SELECT count() AS n FROM statnive.events_raw WHERE site_id = 1"
        assert server.stop() == 0
    assert run("site", "remove", SITE, "--erase", "--yes").startswith(f"removed {SITE}\nerased 1 rows")
    assert read_clickhouse(data_dir, rows)[0][0]["n"] == 0
