"""What of a site is shown to people without an account: public sites, and links that open one site.

Owns:       the tables `public_sites` and `shared_links`. Inputs: wishes, checked here. Outputs: SharedLink.
Invariants: I1 a link opens one site, to be read, until it expires or is removed; I2 its password is kept as a hash.
            (Its address is kept as it is: it has to be shown again. The file is for its owner only.)
Failure:    Rejected naming the field.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import attrs

from statnive.control.site_items import checked_name
from statnive.errors import Rejected

LINKS_MAX: Final = 200  # of a site
DAYS_MAX: Final = 3_650
DAY_S: Final = 86_400

TABLES: Final = (
    """CREATE TABLE public_sites (
        site_id INTEGER PRIMARY KEY REFERENCES sites (id) ON DELETE CASCADE
    ) STRICT""",
    """CREATE TABLE shared_links (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        site_id INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        secret TEXT NOT NULL UNIQUE,
        password TEXT NOT NULL DEFAULT '',
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        UNIQUE (site_id, name)
    ) STRICT""",
)


@attrs.frozen
class SharedLink:
    """A link that opens one site. `password` is a hash, "" = it needs none; times are seconds of the epoch."""

    id: int
    site_id: int
    name: str
    secret: str = attrs.field(repr=False)
    password: str = attrs.field(repr=False)
    created_at: int
    expires_at: int | None = None

    def is_open(self, now: float) -> bool:
        """Whether it opens anything at `now`."""
        return self.expires_at is None or now < self.expires_at


def add(
    connection: sqlite3.Connection,
    site_id: int,
    name: str,
    secret: str,
    password: str,
    days: int | None,
    now: int,
) -> SharedLink:
    """A new link; `password` is a hash or "". Raises Rejected."""
    name = checked_name(name)
    if days is not None and not 1 <= days <= DAYS_MAX:
        raise Rejected("days", f"must be from 1 to {DAYS_MAX}")
    (count,) = connection.execute(
        "SELECT count(*) FROM shared_links WHERE site_id = ?", (site_id,)
    ).fetchone()
    if count >= LINKS_MAX:
        raise Rejected("name", f"the site has the limit of {LINKS_MAX} links already")
    expires = None if days is None else now + days * DAY_S
    try:
        made = connection.execute(
            "INSERT INTO shared_links (site_id, name, secret, password, created_at, expires_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (site_id, name, secret, password, now, expires),
        )
    except sqlite3.IntegrityError:
        raise Rejected("name", f"the site has a link {name} already; remove it first") from None
    assert made.lastrowid is not None
    return SharedLink(made.lastrowid, site_id, name, secret, password, now, expires)


def remove(connection: sqlite3.Connection, site_id: int, link_id: int) -> SharedLink:
    """The link opens nothing any more. Raises Rejected."""
    found = next((link for link in every(connection) if (link.site_id, link.id) == (site_id, link_id)), None)
    if found is None:
        raise Rejected("id", f"{link_id} is no link of this site")
    connection.execute("DELETE FROM shared_links WHERE id = ?", (link_id,))
    return found


def every(connection: sqlite3.Connection) -> list[SharedLink]:
    """Every link, by id."""
    rows: list[Any] = connection.execute(
        "SELECT id, site_id, name, secret, password, created_at, expires_at FROM shared_links ORDER BY id"
    ).fetchall()
    return [SharedLink(*row) for row in rows]


def set_public(connection: sqlite3.Connection, site_id: int, is_public: bool) -> None:
    """Whether anyone may read the site's numbers."""
    if is_public:
        connection.execute("INSERT OR IGNORE INTO public_sites VALUES (?)", (site_id,))
    else:
        connection.execute("DELETE FROM public_sites WHERE site_id = ?", (site_id,))


def public_ids(connection: sqlite3.Connection) -> frozenset[int]:
    """The ids of the sites that anyone may read."""
    return frozenset(number for (number,) in connection.execute("SELECT site_id FROM public_sites"))
