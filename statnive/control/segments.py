"""Saved segments: filters of a site, under a name. Their meaning is the query layer's; here they are text.

Owns: the table `segments`. Inputs: a site's id, a name, a filter as JSON that was checked. Outputs: Segment.
Invariants: I1 a segment's id is never used again, so that a saved link never means another one.
Failure: Rejected naming the field. Shutdown: nothing to do.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from statnive.control.snapshot import Segment
from statnive.errors import Rejected

SEGMENTS_MAX: Final = 200
NAME_CHARS_MAX: Final = 100

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


def add(connection: sqlite3.Connection, site_id: int, name: str, filters: str, now_s: int) -> Segment:
    """A new segment. Raises Rejected."""
    name = name.strip()
    if not 0 < len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise Rejected("name", f"has 1 to {NAME_CHARS_MAX} printable characters")
    (count,) = connection.execute("SELECT count(*) FROM segments WHERE site_id = ?", (site_id,)).fetchone()
    if count >= SEGMENTS_MAX:
        raise Rejected("name", f"the site has the limit of {SEGMENTS_MAX} segments already")
    try:
        made = connection.execute(
            "INSERT INTO segments (site_id, name, filters, created_at) VALUES (?, ?, ?, ?)",
            (site_id, name, filters, now_s),
        )
    except sqlite3.IntegrityError:
        raise Rejected("name", f"the site has a segment {name} already; remove it first") from None
    assert made.lastrowid is not None
    return Segment(made.lastrowid, name, filters)


def remove(connection: sqlite3.Connection, site_id: int, segment_id: int) -> Segment:
    """Forget a segment. Raises Rejected."""
    found = connection.execute(
        "SELECT id, name, filters FROM segments WHERE site_id = ? AND id = ?", (site_id, segment_id)
    ).fetchone()
    if found is None:
        raise Rejected("segment", f"{segment_id} is no segment of this site")
    connection.execute("DELETE FROM segments WHERE id = ?", (segment_id,))
    return Segment(*found)


def by_site(connection: sqlite3.Connection) -> dict[int, tuple[Segment, ...]]:
    """Every site's segments, by id."""
    found: dict[int, tuple[Segment, ...]] = {}
    for site_id, *values in connection.execute("SELECT site_id, id, name, filters FROM segments ORDER BY id"):
        found[site_id] = (*found.get(site_id, ()), Segment(*values))
    return found
