"""The size of the rollups of a small site, by the same measurement as docs/receipts/rollups.md, in small."""

from __future__ import annotations

from chaos.bench.rollups import (
    ALL_SIX,
    CHOSEN,
    FIRST_THREE,
    SMALL,
    STATE_SIZES,
    Accuracy,
    Errors,
    error_table,
    sizes,
)


def test_a_small_site_s_day_keeps_its_budget(engine) -> None:
    """A single day: the files' heads are not shared with other days, so it is more than the receipt's."""
    found = sizes(engine.connect("admin"), SMALL._replace(days=1), lambda line: None)
    assert {size.table for size in found} == set(ALL_SIX)
    assert all(size.rows > 0 for size in found)
    assert sum(size.kilobytes for size in found if size.table in FIRST_THREE) <= 60
    assert sum(size.kilobytes for size in found) <= 100


def test_the_receipt_s_sentences_follow_the_figures() -> None:
    def of(total: float, part: float) -> Accuracy:
        return Accuracy(
            Errors(1_000_000, total, 2 * total, 0.9),
            Errors(100_000, 0.2, 0.4, 1.0),
            Errors(327_680, 0.3, part, 1.0),
        )

    states = {(precision, size): 10 * size for precision in (12, CHOSEN) for size in STATE_SIZES}
    states[12, STATE_SIZES[-1]] = 3_291
    text = error_table({12: of(1.5, 5.46), 16: of(0.7, 1.9), CHOSEN: of(0.28, 0.64)}, states, 4_000)
    assert f"kept by {CHOSEN} alone; 12 is off by 5.46 % for a page, 16 by 0.70 % for a total." in text
    assert "A count of up to 4,000 visitors was exact" in text
    assert "10,000 visitors: 100,000 bytes a state at either" in text
    assert "None of those measured" in error_table({CHOSEN: of(0.6, 0.64)}, states, 0)
