"""docs/receipts/chaos.md is of a whole run: every scenario, every threshold, nothing red, and it says where."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from chaos.matrix_receipt import THRESHOLDS, receipt, thresholds, write
from chaos.scenarios import SCENARIOS
from chaos.scenarios.contract import Outcome

RECEIPT = (Path(__file__).parents[2] / "docs" / "receipts" / "chaos.md").read_text()
GOOD = Outcome("E", "outage", sent=9, acknowledged=9, recovery_s=0.1, drain_ratio=7.0, makes_backlog=True)
GOOD.client_loss, GOOD.fatal_ends = 0.0, 2


@pytest.mark.parametrize("letter", SCENARIOS)
def test_the_receipt_has_each_scenario_with_its_figures_and_it_is_green(letter: str) -> None:
    name = f"| {letter} {SCENARIOS[letter].title} | green |"
    (row,) = [line for line in RECEIPT.splitlines() if line.startswith(name)]
    sent, acknowledged, _, doubled = (int(cell.replace(",", "")) for cell in row.split(" | ")[2:6])
    assert sent >= acknowledged > 0
    assert doubled == 0
    assert f"**{letter} {SCENARIOS[letter].title}.** " in RECEIPT, "what the clients saw"


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_receipt_names_each_threshold_with_what_was_seen_and_it_is_met(threshold: str) -> None:
    (row,) = [line for line in RECEIPT.splitlines() if line.startswith(f"| {threshold} |")]
    assert re.fullmatch(r"\| .* \| .*\d.* \| met \|", row), row


def test_the_receipt_says_when_and_where_it_was_made() -> None:
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC, on \d+ cores", RECEIPT)
    assert re.search(r"Written by `python -m chaos\.matrix .*--receipt docs/receipts/chaos\.md`", RECEIPT)


def test_a_threshold_that_is_not_met_is_told() -> None:
    bad = Outcome("E", "outage", lost=3, destroyed=2, duplicated=1, recovery_s=2.5, drain_ratio=4.0)
    bad.makes_backlog, bad.client_loss, bad.fatal_ends = True, 0.02, 1
    bad.red = ["every rename fails ended the node with 1, not 3: []"]
    assert [met for _, _, met in thresholds([GOOD])] == [True] * len(THRESHOLDS)
    assert [met for _, _, met in thresholds([GOOD, bad])] == [False] * len(THRESHOLDS)
    assert [name for name, _, _ in thresholds([bad])] == list(THRESHOLDS)
    text = receipt([bad], "python -m chaos.matrix")
    assert text.count("**not met**") == len(THRESHOLDS)
    assert "| E outage | **red** |" in text


def test_what_could_not_be_seen_is_not_met() -> None:
    verdicts = {name: met for name, _, met in thresholds([Outcome("C", "resets")])}
    assert [name for name, met in verdicts.items() if met] == list(THRESHOLDS[:2])


def test_a_scenario_that_is_played_anew_replaces_its_own_line_only(tmp_path: Path) -> None:
    file = tmp_path / "chaos.md"
    write(file, [attrs.evolve(GOOD, letter="C", sent=1), attrs.evolve(GOOD, sent=2)], "first")
    write(file, [attrs.evolve(GOOD, sent=3, ended_at="2026-11-24 20:00")], "second")
    rows = [line for line in file.read_text().splitlines() if line.startswith(("| C ", "| E "))]
    assert [row.split(" | ")[2] for row in rows] == ["1", "3"]
    assert rows[1].endswith("| 2026-11-24 20:00 |")
