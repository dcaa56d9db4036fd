"""Saved funnels: steps of a site, under a name. Their meaning is the query layer's; here they are text.

Owns: the table `funnels`. Inputs: a site's id, a name, steps as JSON that were checked, a window in seconds.
Outputs: Funnel. Invariants: I1 a funnel's id is never used again, so that a saved link never means another one.
Failure: Rejected naming the field. Shutdown: nothing to do.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from statnive.control.site_items import SiteItems, checked_name
from statnive.control.snapshot import Funnel
from statnive.errors import Rejected

FUNNELS_MAX: Final = 100  # of one site

TABLE: Final = (
    """CREATE TABLE funnels (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        site_id INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        steps TEXT NOT NULL,
        window_s INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        UNIQUE (site_id, name)
    ) STRICT""",
)

FUNNELS: Final = SiteItems("funnel", "funnels", "name, steps, window_s", Funnel, FUNNELS_MAX)


def add(
    connection: sqlite3.Connection, site_id: int, name: str, steps: str, window_s: int, now_s: int
) -> Funnel:
    """A new funnel. Raises Rejected."""
    name = checked_name(name)
    FUNNELS.require_room(connection, site_id, "name")
    try:
        made = connection.execute(
            "INSERT INTO funnels (site_id, name, steps, window_s, created_at) VALUES (?, ?, ?, ?, ?)",
            (site_id, name, steps, window_s, now_s),
        )
    except sqlite3.IntegrityError:
        raise Rejected("name", f"the site has a funnel {name} already; remove it first") from None
    assert made.lastrowid is not None
    return Funnel(made.lastrowid, name, steps, window_s)
