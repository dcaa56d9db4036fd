"""Clients of Plausible's Stats API, installed from PyPI as they are, read a site of a running node."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.e2e.server import NOON_ZONE, Server, environment, statnive

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".venv-clients"
SITE = "clients.example"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
MCP_CLIENT = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}
KCTL_CLIENT = """
import json, os, sys
from kctl_plausible.core.client import PlausibleClient
client = PlausibleClient(os.environ["KCTL_PLAUSIBLE_URL"], os.environ["KCTL_PLAUSIBLE_API_KEY"])
print(json.dumps(client.get(sys.argv[1], params=json.loads(sys.argv[2]))))
"""
PAGES = {"/": 4, "/buy": 2, "/about": 1}


@attrs.frozen
class Reading:
    """A running node with known events, and a token for it."""

    url: str
    token: str
    home: Path

    def settings(self, token: str = "") -> dict[str, str]:
        """A client's environment: it finds no settings but these, and may not phone home."""
        key = token or self.token
        return environment(
            {
                "HOME": str(self.home), "NO_COLOR": "1", "COLUMNS": "200", "PYTHONPATH": "",
                "PLAUSIBLE_BASE_URL": self.url, "PLAUSIBLE_API_KEY": key, "DO_NOT_TRACK": "1",
                "KCTL_PLAUSIBLE_URL": self.url, "KCTL_PLAUSIBLE_API_KEY": key,
                "KCTL_PLAUSIBLE_PROFILE": "tests", "KCTL_NO_UPDATE_CHECK": "1",
            }
        )  # fmt: skip

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the clients' environment; the caller judges the exit code."""
        return subprocess.run(
            [CLIENTS / "bin" / program, *arguments],
            capture_output=True, text=True, env=self.settings(), timeout=300, check=False,
        )  # fmt: skip

    def kctl(self, *arguments: str) -> str:
        """What kctl-plausible prints."""
        done = self.run("kctl-plausible", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kctl_client(self, path: str, **parameters: str) -> Any:
        """An answer by kctl-plausible's own client. Its commands that print tables fail whatever the server (version
        0.10.3: `Output.table() got multiple values for argument 'title'`).
        """
        done = self.run("python", "-c", KCTL_CLIENT, path, json.dumps(parameters))
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def mcp(self, *calls: tuple[str, dict[str, Any]], token: str = "") -> list[str]:
        """The texts that the tools of plausible-mcp answer, over its standard streams."""
        said: list[dict[str, Any]] = [{"id": 0, "method": "initialize", "params": MCP_CLIENT}]
        said += [
            {"id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
            for number, (name, arguments) in enumerate(calls, 1)
        ]
        program = subprocess.Popen(
            [CLIENTS / "bin" / "plausible-mcp"], env=self.settings(token), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        overdue = threading.Timer(300, program.kill)
        overdue.start()
        found = []
        with program:
            assert program.stdin is not None
            assert program.stdout is not None
            for message in said:
                program.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
                program.stdin.flush()
                found.append(json.loads(program.stdout.readline()))
                if message["id"] == 0:
                    program.stdin.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
            program.stdin.close()
        overdue.cancel()
        return [answer["result"]["content"][0]["text"] for answer in found[1:]]


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    """Seven page views of two visitors (two browsers), and a custom event."""
    subprocess.run(["make", "--silent", f"{CLIENTS.name}/.installed"], cwd=ROOT, check=True, timeout=600)
    directory = tmp_path_factory.mktemp("clients")
    data_dir = directory / "data"
    assert statnive("site", "add", SITE, "--timezone", NOON_ZONE, data_dir=data_dir).returncode == 0
    assert statnive("goal", "add", SITE, "--event", "Signup", data_dir=data_dir).returncode == 0
    with Server(data_dir) as server:
        made = statnive("token", "add", "clients", "--site", SITE, data_dir=data_dir)
        assert made.returncode == 0, made.stderr
        for path, views in PAGES.items():
            for number in range(views):
                agent = {"agent": FIREFOX} if number % 2 else {}
                assert server.event(host=SITE, path=path, **agent).status_code == 202
        assert server.event(host=SITE, n="Signup", p={"plan": "pro"}).status_code == 202
        wait_for(server, views=sum(PAGES.values()), token=made.stdout.strip())
        yield Reading(server.url, made.stdout.strip(), directory)


def wait_for(server: Server, *, views: int, token: str) -> None:
    """Until the views are counted and every event is in."""
    deadline = time.monotonic() + 60
    while True:
        counted = server.stats("realtime", site=SITE)["pageviews"]
        if counted == views and server.metrics()["writer_lag_rows"] == 0:
            return
        assert time.monotonic() < deadline, f"{counted} of {views} page views were counted"
        time.sleep(0.05)


def test_kctl_plausible_reads_totals_and_points(reading: Reading) -> None:
    totals = reading.kctl_client(
        "/stats/aggregate", site_id=SITE, period="day", metrics="visitors,visits,pageviews,events"
    )
    assert totals == {
        "results": {
            "visitors": {"value": 2}, "visits": {"value": 2}, "pageviews": {"value": 7}, "events": {"value": 8},
        }
    }  # fmt: skip
    points = reading.kctl_client("/stats/timeseries", site_id=SITE, period="month", metrics="pageviews")
    assert sum(row["pageviews"] for row in points["results"]) == 7
    filtered = reading.kctl_client(
        "/stats/breakdown", site_id=SITE, period="day", property="event:page", metrics="pageviews",
        filters="visit:browser==Firefox",
    )  # fmt: skip
    assert {row["page"]: row["pageviews"] for row in filtered["results"]} == {"/": 2, "/buy": 1}


def test_kctl_plausible_exports_lists_and_shows(reading: Reading) -> None:
    pages = json.loads(reading.kctl("export", "json", SITE, "--property", "event:page", "--period", "day"))
    assert {row["page"]: row["pageviews"] for row in pages} == PAGES
    table = reading.kctl("export", "csv", SITE, "--property", "visit:browser", "--period", "day")
    assert table.splitlines() == ["browser,visitors,pageviews", "Chrome,1,4", "Firefox,1,3"]
    assert "Realtime Visitors: 2" in reading.kctl("stats", "realtime", SITE)
    assert json.loads(reading.kctl("sites", "info", SITE)) == {"domain": SITE, "timezone": NOON_ZONE}
    assert "Connected" in reading.kctl("config", "test")
    (goal,) = reading.kctl_client("/sites/goals", site_id=SITE)["goals"]
    assert (goal["goal_type"], goal["event_name"]) == ("event", "Signup")


def test_plausible_mcp_reads_the_site_with_every_tool(reading: Reading) -> None:
    found = reading.mcp(
        ("get_aggregate_stats", {"site_id": SITE, "date_range": "today"}),
        ("get_breakdown", {"site_id": SITE, "date_range": "today", "property_name": "page"}),
        ("get_breakdown", {"site_id": SITE, "date_range": "today", "property_name": "entry_page"}),
        ("get_breakdown", {"site_id": SITE, "date_range": "today", "property_name": "event:props:plan"}),
        ("get_timeseries", {"site_id": SITE, "date_range": "month"}),
        ("get_realtime_visitors", {"site_id": SITE}),
        ("doctor", {}),
    )
    totals, pages, entries, plans, points, now, doctor = map(json.loads, found)
    assert totals["totals"]["visitors"] == 2
    assert totals["totals"]["pageviews"] == 7
    assert {row["page"] for row in pages["results"]} == PAGES.keys()
    assert entries["results"] == [{"entry_page": "/", "visitors": 2}]
    assert {"plan": "pro", "visitors": 1} in plans["results"]
    assert sum(row["visitors"] for row in points["timeseries"]) == 2
    assert now["realtime_visitors"] == 2
    assert (doctor["status"], doctor["sample_sites"]) == ("healthy", [SITE])


def test_clients_understand_what_a_refusal_means(reading: Reading) -> None:
    (wrong,) = reading.mcp(("get_realtime_visitors", {"site_id": SITE}), token="wrong")
    assert "HTTP 401" in wrong
    (unknown,) = reading.mcp(("get_aggregate_stats", {"site_id": SITE, "metrics": ["pages"]}))
    assert "'pages' is unknown; allowed: visitors" in unknown
    done = reading.run("kctl-plausible", "stats", "aggregate", SITE, "--period", "fortnight")
    assert done.returncode != 0
    assert "fortnight" in done.stdout + done.stderr


def test_every_request_of_the_document_is_answered(reading: Reading) -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    variables = {**reading.settings(), "STATNIVE": reading.url, "TOKEN": reading.token}
    scope = ("--all-sites", "--scope", "sites:manage")
    made = statnive("token", "add", "provisioning", *scope, data_dir=reading.home / "data")
    variables["MANAGER"] = made.stdout.strip()
    scope = ("--site", SITE, "--scope", "events:write")
    variables["WRITER"] = statnive(
        "token", "add", "shop", *scope, data_dir=reading.home / "data"
    ).stdout.strip()
    for block in blocks:
        script = block.replace("example.com", SITE)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            capture_output=True, text=True, env=variables, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, script + done.stderr
        answers = {"$MANAGER": '"url"', "$WRITER": '{"accepted":1,"dropped":[]}'}
        expected = [text for variable, text in answers.items() if variable in block] or ['"results"']
        assert expected[0] in done.stdout
