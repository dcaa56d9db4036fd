"""The closer with what it needs of the query layer: what the numbers of a day are is the query layer's to say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from statnive.actors.closer import CloserHandle
from statnive.clickhouse.closing import Making
from statnive.clickhouse.engine import Engine
from statnive.query import closed

MAKING: Final = Making(
    closed.COLUMNS, closed.SUMS, closed.ALIKE, closed.rows, closed.made, closed.totals, closed.month_rows
)


def closer_of(engine: Engine, clock: Callable[[], float], report: Callable[[str, str], None]) -> CloserHandle:
    """The closer of a node's engine."""

    def now() -> datetime:
        return datetime.fromtimestamp(clock(), UTC)

    return CloserHandle(
        lambda: engine.days_due(MAKING, now()),
        lambda day, is_stopping: engine.close_day(MAKING, day, now(), is_stopping),
        report,
    )
