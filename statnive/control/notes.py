"""Notes on a site's days: a line of text that the trend shows at its day.

Owns: the table `notes`. Inputs: a site's id, a day, a text. Outputs: Note.
Invariants: I1 a note's id is never used again; I2 a site has NOTES_MAX at most.
Failure: Rejected naming the field. Shutdown: nothing to do.
"""

from __future__ import annotations

import sqlite3
from datetime import date
from typing import Final

from statnive.control.site_items import SiteItems
from statnive.control.snapshot import Note
from statnive.errors import Rejected

NOTES_MAX: Final = 500
TEXT_CHARS_MAX: Final = 200

TABLE: Final = (
    """CREATE TABLE notes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        site_id INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        day TEXT NOT NULL,
        text TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX notes_by_site ON notes (site_id, day)",
)

NOTES: Final = SiteItems("note", "notes", "day, text", Note, NOTES_MAX, "day, id")


def add(connection: sqlite3.Connection, site_id: int, day: str, text: str, now_s: int) -> Note:
    """A new note at a local day of the site, YYYY-MM-DD. Raises Rejected."""
    try:
        known = date.fromisoformat(day).isoformat() == day
    except ValueError:
        known = False
    if not known:
        raise Rejected("day", f"{day[:20]!r} must be a day YYYY-MM-DD")
    text = text.strip()
    if not 0 < len(text) <= TEXT_CHARS_MAX or not text.isprintable():
        raise Rejected("text", f"has 1 to {TEXT_CHARS_MAX} printable characters on one line")
    NOTES.require_room(connection, site_id, "text")
    made = connection.execute(
        "INSERT INTO notes (site_id, day, text, created_at) VALUES (?, ?, ?, ?)", (site_id, day, text, now_s)
    )
    assert made.lastrowid is not None
    return Note(made.lastrowid, day, text)
