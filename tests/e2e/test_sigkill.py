"""SIGKILL under load: every acknowledged event is there once, in the raw rows and in the rollups."""

from __future__ import annotations

import http.client
import json
import random
import threading
from pathlib import Path

from tests.e2e.server import BROWSER, Server, read_clickhouse, statnive

ROUNDS = 5
SENDERS = 8
SITE = "kill.example"


class Load:
    """Senders on kept-alive connections; remembers what was acknowledged and what was merely sent."""

    def __init__(self, url: str, round_number: int) -> None:
        self._address = url.removeprefix("http://")
        self._round = round_number
        self.acknowledged: set[str] = set()
        self.sent: set[str] = set()
        self.enough = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]

    def run(self, target: int) -> None:
        self._target = target
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(90)
            assert not thread.is_alive()

    def _send(self, sender: int) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            for number in range(10_000):
                ids = [f"{self._round}-{sender}-{number}-{part}" for part in range(5)]
                body = json.dumps(
                    [
                        {"n": "pageview", "u": f"https://{SITE}/page{number % 7}", "p": {"id": event_id}}
                        for event_id in ids
                    ]
                )
                headers = {"user-agent": BROWSER, "x-forwarded-for": f"198.18.{sender}.{number % 250}"}
                self.sent.update(ids)
                connection.request("POST", "/api/event", body, headers)
                response = connection.getresponse()
                response.read()
                if response.status == 202:
                    self.acknowledged.update(ids)
                    if len(self.acknowledged) >= self._target:
                        self.enough.set()
        except (OSError, http.client.HTTPException):
            return  # the server was killed
        finally:
            connection.close()


def test_every_acknowledged_event_is_there_once_after_sigkill(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    assert statnive("site", "add", SITE, data_dir=data_dir).returncode == 0
    moments = random.Random(7)
    acknowledged: set[str] = set()
    sent: set[str] = set()
    for round_number in range(ROUNDS):
        server = Server(data_dir)
        load = Load(server.url, round_number)
        load.run(moments.randint(2_000, 4_000))
        assert load.enough.wait(120)
        server.kill()
        load.join()
        acknowledged |= load.acknowledged
        sent |= load.sent
    with Server(data_dir) as server:
        assert server.stop() == 0
    assert len(acknowledged) >= ROUNDS * 2_000
    rows, hourly, pages, sources = read_clickhouse(
        data_dir,
        "SELECT props['id'] AS id, count() AS times FROM statnive.events_raw GROUP BY id",
        "SELECT sum(events) AS events, sum(pageviews) AS pageviews FROM statnive.hourly_visitors",
        "SELECT sum(events) AS events, sum(pageviews) AS pageviews FROM statnive.daily_pages",
        "SELECT sum(events) AS events, sum(pageviews) AS pageviews FROM statnive.daily_sources",
    )
    found = {row["id"]: row["times"] for row in rows}
    assert acknowledged - found.keys() == set()
    assert {event_id for event_id, times in found.items() if times != 1} == set()
    assert found.keys() - sent == set()
    for (totals,) in (hourly, pages, sources):
        assert (totals["events"], totals["pageviews"]) == (len(found), len(found))
