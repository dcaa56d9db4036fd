"""Saved funnels: steps of a site, under a name. Their meaning is the query layer's; here they are text.

Owns: the table `funnels`. Inputs: a site's id, a name, steps as JSON that were checked, a window in seconds.
Outputs: Funnel. Invariants: I1 a funnel's id is never used again, so that a saved link never means another one.
Failure: Rejected naming the field. Shutdown: nothing to do.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from statnive.control.snapshot import Funnel
from statnive.errors import Rejected

FUNNELS_MAX: Final = 100  # of one site
NAME_CHARS_MAX: Final = 100

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


def add(
    connection: sqlite3.Connection, site_id: int, name: str, steps: str, window_s: int, now_s: int
) -> Funnel:
    """A new funnel. Raises Rejected."""
    name = name.strip()
    if not 0 < len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise Rejected("name", f"has 1 to {NAME_CHARS_MAX} printable characters")
    (count,) = connection.execute("SELECT count(*) FROM funnels WHERE site_id = ?", (site_id,)).fetchone()
    if count >= FUNNELS_MAX:
        raise Rejected("name", f"the site has the limit of {FUNNELS_MAX} funnels already")
    try:
        made = connection.execute(
            "INSERT INTO funnels (site_id, name, steps, window_s, created_at) VALUES (?, ?, ?, ?, ?)",
            (site_id, name, steps, window_s, now_s),
        )
    except sqlite3.IntegrityError:
        raise Rejected("name", f"the site has a funnel {name} already; remove it first") from None
    assert made.lastrowid is not None
    return Funnel(made.lastrowid, name, steps, window_s)


def remove(connection: sqlite3.Connection, site_id: int, funnel_id: int) -> Funnel:
    """Forget a funnel. Raises Rejected."""
    found = connection.execute(
        "SELECT id, name, steps, window_s FROM funnels WHERE site_id = ? AND id = ?", (site_id, funnel_id)
    ).fetchone()
    if found is None:
        raise Rejected("funnel", f"{funnel_id} is no funnel of this site")
    connection.execute("DELETE FROM funnels WHERE id = ?", (funnel_id,))
    return Funnel(*found)


def by_site(connection: sqlite3.Connection) -> dict[int, tuple[Funnel, ...]]:
    """Every site's funnels, by id."""
    found: dict[int, tuple[Funnel, ...]] = {}
    rows = connection.execute("SELECT site_id, id, name, steps, window_s FROM funnels ORDER BY id")
    for site_id, *values in rows:
        found[site_id] = (*found.get(site_id, ()), Funnel(*values))
    return found
