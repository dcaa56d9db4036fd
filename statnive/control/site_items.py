"""Small things that a site has several of, each under a number: notes, segments, funnels.

Owns: nothing; `SiteItems` is how their tables are read. Inputs: a connection, a site's id. Outputs: items.
Invariants: I1 nobody reads or removes another site's item. Failure: Rejected naming the field. Shutdown: nothing to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import attrs

from statnive.errors import Rejected

T = TypeVar("T")
NAME_CHARS_MAX: Final = 100


@attrs.frozen
class SiteItems(Generic[T]):
    """A table with `id`, `site_id` and `columns`, which `make` takes after the id. `what`: one of them, in words."""

    what: str
    table: str
    columns: str
    make: Callable[..., T]
    most: int  # of one site
    order: str = "id"

    def require_room(self, connection: sqlite3.Connection, site_id: int, field: str) -> None:
        """Raises Rejected, naming `field`, when the site has as many as it may."""
        (count,) = self._run(connection, "SELECT count(*) FROM {table} WHERE site_id = ?", site_id).fetchone()
        if count >= self.most:
            raise Rejected(
                field, f"the site has the limit of {self.most} {self.table} already; remove one first"
            )

    def remove(self, connection: sqlite3.Connection, site_id: int, number: int) -> T:
        """Forget one. Raises Rejected."""
        of_one = "FROM {table} WHERE site_id = ? AND id = ?"
        found = self._run(connection, "SELECT id, {columns} " + of_one, site_id, number).fetchone()
        if found is None:
            raise Rejected(self.what, f"{number} is no {self.what} of this site")
        self._run(connection, "DELETE " + of_one, site_id, number)
        return self.make(*found)

    def by_site(self, connection: sqlite3.Connection) -> dict[int, tuple[T, ...]]:
        """Every site's, in their order."""
        found: dict[int, list[T]] = {}
        rows = self._run(connection, "SELECT site_id, id, {columns} FROM {table} ORDER BY {order}")
        for site_id, *values in rows:
            found.setdefault(site_id, []).append(self.make(*values))
        return {site_id: tuple(items) for site_id, items in found.items()}

    def _run(self, connection: sqlite3.Connection, sql: str, *values: int) -> sqlite3.Cursor:
        names: dict[str, Any] = {"table": self.table, "columns": self.columns, "order": self.order}
        return connection.execute(sql.format(**names), values)


def checked_name(name: str) -> str:
    """A name, trimmed. Raises Rejected."""
    name = name.strip()
    if not 0 < len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise Rejected("name", f"has 1 to {NAME_CHARS_MAX} printable characters")
    return name
