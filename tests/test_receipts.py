"""The receipts name every target, say which machine they come from, and are the work of their command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chaos.bench.receipt import TARGETS

RECEIPTS = Path(__file__).parents[1] / "docs" / "receipts"
INGEST = (RECEIPTS / "ingest.md").read_text()


@pytest.mark.parametrize("target", TARGETS.values())
def test_the_ingest_receipt_names_every_target_with_a_figure(target: str) -> None:
    (row,) = [line for line in INGEST.splitlines() if line.startswith(f"| {target} |")]
    measured, verdict = row.split(" | ")[1:]
    assert re.search(r"\d", measured), row
    assert verdict.strip(" |*") in ("met", "not met")


def test_the_ingest_receipt_says_when_and_where_it_was_measured() -> None:
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", INGEST)
    for word in ("cores", "Python 3", "chdb-core", "trio", "Linux"):
        assert word in INGEST
