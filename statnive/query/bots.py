"""Which bots came: the one report on events that are in no rollup."""

from __future__ import annotations

from typing import Any

from statnive.control.snapshot import Site
from statnive.query.model import Range, Reader
from statnive.query.ranges import Slice
from statnive.query.where import Table, where


def bots(reader: Reader, site: Site, span: Range, part: Slice) -> dict[str, Any]:
    """Events that were taken for a bot's, by its name, most first: {"events", "total_rows", "rows"}."""
    scope = where(span.days.scope(site.id))
    rows = reader.query(
        scope.select(
            "browser AS bot, countIf(is_bot = 1) AS events",
            Table.EVENTS_RAW,
            "GROUP BY bot HAVING events > 0 ORDER BY events DESC, bot LIMIT {limit:UInt32} OFFSET {offset:UInt32}",
            limit=part.limit,
            offset=part.offset,
        )
    )
    (total,) = reader.query(
        scope.select(
            "countIf(is_bot = 1) AS events, uniqExactIf(browser, is_bot = 1) AS bots", Table.EVENTS_RAW
        )
    )
    return {"events": total["events"], "total_rows": total["bots"], "rows": rows}
