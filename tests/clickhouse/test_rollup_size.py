"""The size of the rollups of a small site, by the same measurement as docs/receipts/rollups.md, in small."""

from __future__ import annotations

from chaos.bench.rollups import ALL_SIX, FIRST_THREE, SMALL, sizes


def test_a_small_site_s_day_keeps_its_budget(engine) -> None:
    """A single day: the files' heads are not shared with other days, so it is more than the receipt's."""
    found = sizes(engine.connect("admin"), SMALL._replace(days=1), lambda line: None)
    assert {size.table for size in found} == set(ALL_SIX)
    assert all(size.rows > 0 for size in found)
    assert sum(size.kilobytes for size in found if size.table in FIRST_THREE) <= 60
    assert sum(size.kilobytes for size in found) <= 100
