"""What docs/metrics.md says of the rollups' columns, held against the migrated database."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
# closed_days holds the same figures as plain numbers, and is made from the rollups.
NO_ROLLUP = "table != 'closed_days'"
ROLLUPS = f"SELECT DISTINCT table FROM system.columns WHERE database = {{d:String}} AND name = 'events' AND {NO_ROLLUP}"


def test_every_measure_of_a_rollup_is_documented_and_no_other(engine):
    rows = engine.writer.operator_query(
        f"SELECT table, name FROM system.columns WHERE database = {{d:String}} AND table IN ({ROLLUPS}) "
        "AND is_in_sorting_key = 0 AND NOT endsWith(table, '_mv')",
        {"d": engine.config.database},
    )
    stored: dict[str, set[str]] = {}
    for row in rows:
        stored.setdefault(row["name"], set()).add(row["table"])
    tables = set.union(*stored.values())
    assert len(tables) == 6
    documented = {}
    for name, where in re.findall(r"^\| `(\w+)` \| (all[^|]*|`[^|]*) \|", DOCUMENT, re.MULTILINE):
        named = set(re.findall(r"`(\w+)`", where))
        documented[name] = tables - named if where.startswith("all") else named
    assert documented == stored


def test_every_visitor_state_is_of_the_precision_that_was_measured(engine):
    types = engine.writer.operator_query(
        f"SELECT DISTINCT type FROM system.columns WHERE database = {{d:String}} AND name = 'visitors' AND {NO_ROLLUP}",
        {"d": engine.config.database},
    )
    assert types == [{"type": "AggregateFunction(uniqCombined64, FixedString(16))"}]
