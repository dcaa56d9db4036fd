"""Saved segments: filters of a site, under a name. Their meaning is the query layer's; here they are text.

Owns: the table `segments`. Inputs: a site's id, a name, a filter as JSON that was checked. Outputs: Segment.
Invariants: I1 a segment's id is never used again, so that a saved link never means another one.
Failure: Rejected naming the field. Shutdown: nothing to do.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from statnive.control.site_items import SiteItems, checked_name
from statnive.control.snapshot import Segment
from statnive.errors import Rejected

SEGMENTS_MAX: Final = 200

TABLE: Final = (
    """CREATE TABLE segments (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        site_id INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        filters TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        UNIQUE (site_id, name)
    ) STRICT""",
)

SEGMENTS: Final = SiteItems("segment", "segments", "name, filters", Segment, SEGMENTS_MAX)


def add(connection: sqlite3.Connection, site_id: int, name: str, filters: str, now_s: int) -> Segment:
    """A new segment. Raises Rejected."""
    name = checked_name(name)
    SEGMENTS.require_room(connection, site_id, "name")
    try:
        made = connection.execute(
            "INSERT INTO segments (site_id, name, filters, created_at) VALUES (?, ?, ?, ?)",
            (site_id, name, filters, now_s),
        )
    except sqlite3.IntegrityError:
        raise Rejected("name", f"the site has a segment {name} already; remove it first") from None
    assert made.lastrowid is not None
    return Segment(made.lastrowid, name, filters)
