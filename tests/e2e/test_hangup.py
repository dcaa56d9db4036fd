"""SIGHUP: the address databases are read again; a terminal that goes away is still a reason to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from chaos.statnive_node import environment
from tests.e2e.server import Server

DATA = Path(__file__).parents[3] / "shared" / "data" / "geoip"
AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
DEADLINE_S = 60.0


def country(url: str, address: str) -> str:
    headers = {"X-Debug-Request": "true", "X-Forwarded-For": address, "User-Agent": AGENT}
    answer = httpx.post(f"{url}/api/event", content=b"{}", headers=headers, timeout=DEADLINE_S)
    assert answer.status_code == 200
    (line,) = (line for line in answer.text.splitlines() if line.startswith("country: "))
    return line.removeprefix("country: ")


def wait_for_report(data_dir: Path, kind: str) -> str:
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        file = data_dir / "audit.log"
        written = file.read_text() if file.exists() else ""
        for line in written.splitlines(keepends=True):
            # The node may be writing the last line just now.
            if line.endswith("\n") and json.loads(line)["kind"] == kind:
                return str(json.loads(line)["text"])
        time.sleep(0.02)
    raise AssertionError(f"no report {kind!r} in {DEADLINE_S:.0f} s")


def test_sighup_reads_a_new_database_and_keeps_the_old_one_where_the_new_is_broken(tmp_path: Path) -> None:
    file = tmp_path / "city.mmdb"
    file.write_bytes((DATA / "GeoLite2-City-Test.mmdb").read_bytes())
    with Server(tmp_path / "data", settings={"STATNIVE_GEO_CITY_DATABASE": str(file)}) as server:
        assert country(server.url, "81.2.69.160") == "GB"
        file.write_bytes(b"broken")
        os.kill(server.pid, signal.SIGHUP)
        assert str(file) in wait_for_report(server.data_dir, "geo_kept")
        assert country(server.url, "81.2.69.160") == "GB"
        file.write_bytes((DATA / "GeoLite2-Country-Test.mmdb").read_bytes())
        os.kill(server.pid, signal.SIGHUP)
        wait_for_report(server.data_dir, "geo_read")
        assert country(server.url, "81.2.69.160") == "GB"
        metrics = server.metrics()
        assert metrics["geo_reloads_total"] >= 1
        assert metrics["geo_kept_total"] >= 1
        assert server.running


def test_a_terminal_that_goes_away_ends_the_node_with_a_drain(tmp_path: Path) -> None:
    master, slave = os.openpty()
    command = [sys.executable, "-m", "statnive", "serve", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--data-dir", str(tmp_path / "data")],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    os.close(slave)
    try:
        assert process.stdout is not None
        assert b"is ready on" in process.stdout.readline()
        os.close(master)
        process.send_signal(signal.SIGHUP)
        assert process.wait(DEADLINE_S) == 0
        assert "every event is in ClickHouse" in wait_for_report(tmp_path / "data", "stop")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
