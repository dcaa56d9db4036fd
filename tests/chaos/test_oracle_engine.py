"""The oracle on the real engine with the real schema: its SQL runs, and it sees what an insert can do wrong."""

from __future__ import annotations

from array import array

import pytest

from chaos.load.ledger import Header, Ledger
from chaos.load.settings import Settings, Variety
from chaos.load.variety import Deck
from chaos.oracle import check

SETTINGS = Settings(
    target="http://127.0.0.1:1/", run="r1", variety=Variety(addresses=50, user_agents=5, urls=40, sites=4)
)
REQUESTS = 60
ROLLUPS = [
    "daily_devices", "daily_events", "daily_geo", "daily_pages", "daily_sources", "hourly_visitors"
]  # fmt: skip


@pytest.fixture
def ledger() -> Ledger:
    """All sent, all acknowledged."""
    header = Header(SETTINGS, 0, 0, 100.0, 0.6, 50.0, 1e9, 0, 0)
    ledger = Ledger.blank(header, array("d", [50 + number / 100 for number in range(REQUESTS)]))
    for number in range(REQUESTS):
        ledger.sent[number] = ledger.due[number]
        ledger.answered[number] = ledger.due[number] + 0.05
        ledger.status[number] = 202
    return ledger


def rows(engine, ledger, skip=-1):
    """What the pipeline would have made of the ledger's requests; visits with entry, exit and bounce."""
    deck, made = Deck(SETTINGS.variety, 0, 1), []
    for number in range(REQUESTS):
        page, is_view = deck.page(number, 0), deck.page(number, 0).name == "pageview"
        if number != skip:
            made.append(
                engine.row(
                    site_id=1 + int(page.host[5:7]), hostname=page.host, pathname=page.path, name=page.name,
                    visitor=(number % 9).to_bytes(16, "big"), visit_start=int(number < 9), pageviews=int(is_view),
                    previous_pathname="/" if number % 4 == 1 else "", bounce_delta=number % 3 - 1,
                    duration_delta=number, day=20_758 + number // 45, props={"run": "r1", "seq": f"{number:010d}"},
                    entry_pathname="/entry" if number % 5 else "", scroll_gain=number, scroll_views=number % 2,
                    visit_hour=engine.row().hour - 3_600 if number % 7 == 1 else 0,
                    goals=[1, 2][: number % 3], revenue=number, currency="EUR" if number % 2 else "",
                )
            )  # fmt: skip
    return made


def found(engine, ledger):
    return check(engine.writer.operator_query, [ledger], database=engine.config.database)


def test_everything_there_once_is_green_in_every_rollup_and_measure(engine, ledger):
    engine.insert(*rows(engine, ledger))
    report = found(engine, ledger)
    assert report.ok, report.text()
    assert report.facts["rows in events_raw"] == REQUESTS
    for rollup in ROLLUPS:
        assert report.facts[f"keys of {rollup} compared"] >= 2
        assert not any(line.startswith(rollup) for line in report.unchecked)
    pages = next(line for line in report.checked if line.startswith("daily_pages"))
    assert "site_id, day, pathname" in pages
    for measure in ("events", "pageviews", "visits", "bounces", "duration_s", "entries", "visitors", "exits"):
        assert measure in pages
    assert "scroll_depth" in pages
    assert any(line.startswith("daily_events by site_id, day, goal") for line in report.checked)


def test_a_dropped_row_is_red(engine, ledger):
    engine.insert(*rows(engine, ledger, skip=33))
    report = found(engine, ledger)
    assert [finding.name for finding in report.findings] == ["lost"]
    assert "seq 33" in report.text()


def test_an_alien_row_is_red(engine, ledger):
    engine.insert(*rows(engine, ledger), engine.row(props={"run": "r1", "seq": "77"}))
    assert [finding.name for finding in found(engine, ledger).findings] == ["alien"]


@pytest.mark.parametrize("rollup", ROLLUPS)
def test_a_doubled_or_lost_part_of_one_rollup_is_red(engine, ledger, rollup):
    engine.insert(*rows(engine, ledger))
    table = f"{engine.config.database}.{rollup}"
    engine.writer.command(f"INSERT INTO {table} SELECT * FROM {table} WHERE day = '2026-11-01'")
    doubled = found(engine, ledger)
    assert {finding.name for finding in doubled.findings} == {f"rollup {rollup}"}
    engine.writer.command(f"TRUNCATE TABLE {table}")
    lost = found(engine, ledger)
    assert {finding.name for finding in lost.findings} == {f"rollup {rollup}"}
    assert lost.count(f"rollup {rollup}") > doubled.count(f"rollup {rollup}")


def test_a_block_inserted_twice_is_duplicated_with_the_same_lsns(engine, ledger):
    engine.insert(*rows(engine, ledger))
    engine.writer.insert_block(engine.payload(rows(engine, ledger), 1), rows=REQUESTS, token="another")
    report = found(engine, ledger)
    assert report.count("duplicated") == REQUESTS
    assert report.facts["rows with an LSN seen before"] == REQUESTS
    assert {finding.name for finding in report.findings} == {"duplicated"}
