"""Files that the operator names: used from the start, and refused by name when they can't be read."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from chaos.statnive_node import statnive
from tests.e2e.server import NOON_ZONE, TIMEOUT_S, Server

AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize("setting", ["INGEST_SOURCE_TABLE", "GEO_CITY_DATABASE", "GEO_ASN_DATABASE"])
def test_a_file_that_can_not_be_read_stops_the_start_by_name(tmp_path: Path, setting: str) -> None:
    file = tmp_path / "mine"
    file.write_bytes(b"\x00 no table, no database")
    done = statnive(
        "serve",
        "--listen",
        "127.0.0.1:0",
        data_dir=tmp_path / "data",
        settings={f"STATNIVE_{setting}": str(file)},
    )
    assert done.returncode == 5
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_operators_sources_are_named_and_the_start_says_where_address_data_is_from(
    tmp_path: Path,
) -> None:
    table = tmp_path / "sources.tsv"
    table.write_text("wiki.example\tOur wiki\tsocial\n")
    settings = {"STATNIVE_INGEST_SOURCE_TABLE": str(table), "STATNIVE_GEO_ASN_DATABASE": "none"}
    with Server(tmp_path / "data", settings=settings) as server:
        added = statnive("site", "add", "shop.example", "--timezone", NOON_ZONE, data_dir=server.data_dir)
        assert added.returncode == 0, added.stderr
        event = {"n": "pageview", "u": "https://shop.example/", "r": "https://wiki.example/page"}
        headers = {"User-Agent": AGENT, "X-Forwarded-For": "81.2.69.160"}
        answer = httpx.post(f"{server.url}/api/event", json=event, headers=headers, timeout=TIMEOUT_S)
        assert answer.status_code == 202
        assert server.stop() == 0
    log = "".join(server.output) + (server.data_dir / "audit.log").read_text()
    assert "ip-location-db" in log
    assert "CC0-1.0" in log
    assert "mobile carriers: not looked up" in log
    with Server(tmp_path / "data", settings=settings) as server:
        (row,) = server.stats("sources", site="shop.example", period="day")["rows"]
        assert (row["source"], row["channel"]) == ("Our wiki", "Organic Social")
