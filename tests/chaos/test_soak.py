"""What a soak leaves behind: the report and its plots, and what it says of a node that grows."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from array import array
from collections.abc import Sequence
from pathlib import Path

import attrs

from chaos.load.ledger import Header, Ledger
from chaos.load.settings import Settings
from chaos.scenarios.contract import Outcome
from chaos.soak import Plan, unfed
from chaos.soak_report import Episode, Track, write_report
from chaos.soak_watch import Reading

READING = Reading(
    at=0.0,
    age_s=0.0,
    resident_mib=300.0,
    descriptors=60,
    threads=30,
    parts=40,
    segments=3,
    lag_rows=5,
    tasks=-1,
)


def track(kind: str, red: Sequence[str] = (), every_s: float = 100.0) -> Track:
    readings = [attrs.evolve(READING, at=1_000.0 + every_s * n, age_s=every_s * n) for n in range(60)]
    outcome = Outcome(kind, "soak", sent=1_200, acknowledged=1_190, client_saw="202 ×1,190", red=list(red))
    episodes = [
        Episode("E", "ClickHouse killed", 0.001, 0.002, ""),
        Episode("E", "ClickHouse killed", 0.004, 0.005, "late"),
        Episode("G", "SIGKILL 1", 0.007, 0.008, ""),
    ]
    return Track(outcome, readings, episodes, [], 1_000.0)


def test_the_report_tells_both_nodes_every_fault_and_what_is_red(tmp_path: Path) -> None:
    tracks = {"server": track("server"), "embedded": track("embedded", ["duplicated: 2"])}
    text = write_report(tmp_path, "python -m chaos.soak --hours 1", 1.0, tracks).read_text()
    assert text.startswith("# Soak of 1 hours: RED")
    assert "| server | 1,200 | 1,190 |" in text
    assert "- embedded: duplicated: 2" in text
    assert "| E ClickHouse killed | 2 | 1 |" in text
    assert "| G SIGKILL 1 | 1 | 0 |" in text


def test_a_green_report_says_so(tmp_path: Path) -> None:
    text = write_report(tmp_path, "python -m chaos.soak", 72.0, {"server": track("server")}).read_text()
    assert text.startswith("# Soak of 72 hours: green")
    assert "Nothing: no acknowledged event lost, none doubled; nothing grew." in text


def test_every_plot_that_the_report_shows_is_there_and_is_an_image(tmp_path: Path) -> None:
    text = write_report(tmp_path, "python -m chaos.soak", 1.0, {"server": track("server")}).read_text()
    shown = [line.rpartition("(")[2].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert {"server-acknowledged.svg", "server-latency.svg", "server-resident_mib.svg"} <= set(shown)
    assert "server-tasks.svg" not in shown, "what could not be seen is not drawn"
    for name in shown:
        assert ET.parse(tmp_path / name).getroot().tag.endswith("svg")


def test_the_daily_curve_has_its_trough_at_four_and_its_peak_at_sixteen_hours() -> None:
    plan = Plan(hours=72, rate=60, hold_s=6, seed=1)
    rates = {hour: plan.rate_at(hour * 3_600) for hour in range(48)}
    assert min(rates, key=lambda hour: rates[hour]) % 24 == 4
    assert max(rates, key=lambda hour: rates[hour]) % 24 == 16
    assert round(rates[16]) == 60
    assert round(rates[4]) == 18


def test_a_stretch_without_traffic_is_red() -> None:
    settings = Settings(target="http://127.0.0.1:9/", run="soak")
    due = array("d", [1.0, 2.0])
    fed, silent = (Ledger.blank(Header(settings, 0, 0, 30.0, 20.0, 0.0, 0.0, 0, 0), due) for _ in range(2))
    fed.status[1] = 202
    assert not list(unfed([fed, silent]))
    assert list(unfed([silent])) == [
        "nothing was acknowledged in a stretch of 30 requests a second: its faults showed nothing"
    ]
    assert list(unfed([])), "nor does one that left no ledger show anything"


def test_a_soak_that_was_short_or_ended_early_does_not_say_that_nothing_grew(tmp_path: Path) -> None:
    text = write_report(
        tmp_path, "python -m chaos.soak", 72.0, {"server": track("server", every_s=1.0)}
    ).read_text()
    assert "growth is not judged: that takes a soak of an hour" in text
    assert "nothing grew" not in text
