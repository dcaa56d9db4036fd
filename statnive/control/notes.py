"""Notes on a site's days: a line of text that the trend shows at its day.

Owns: the table `notes`. Inputs: a site's id, a day, a text. Outputs: Note.
Invariants: I1 a note's id is never used again; I2 a site has NOTES_MAX at most.
Failure: Rejected naming the field. Shutdown: nothing to do.
"""

from __future__ import annotations

import sqlite3
from datetime import date
from typing import Final

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
    (count,) = connection.execute("SELECT count(*) FROM notes WHERE site_id = ?", (site_id,)).fetchone()
    if count >= NOTES_MAX:
        raise Rejected("text", f"the site has the limit of {NOTES_MAX} notes already; remove one first")
    made = connection.execute(
        "INSERT INTO notes (site_id, day, text, created_at) VALUES (?, ?, ?, ?)", (site_id, day, text, now_s)
    )
    assert made.lastrowid is not None
    return Note(made.lastrowid, day, text)


def remove(connection: sqlite3.Connection, site_id: int, note_id: int) -> Note:
    """Forget a note. Raises Rejected."""
    found = connection.execute(
        "SELECT id, day, text FROM notes WHERE site_id = ? AND id = ?", (site_id, note_id)
    ).fetchone()
    if found is None:
        raise Rejected("note", f"{note_id} is no note of this site")
    connection.execute("DELETE FROM notes WHERE id = ?", (note_id,))
    return Note(*found)


def by_site(connection: sqlite3.Connection) -> dict[int, tuple[Note, ...]]:
    """Every site's notes, by day."""
    found: dict[int, tuple[Note, ...]] = {}
    for site_id, *values in connection.execute("SELECT site_id, id, day, text FROM notes ORDER BY day, id"):
        found[site_id] = (*found.get(site_id, ()), Note(*values))
    return found
