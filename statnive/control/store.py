"""Control data on disk: the sites, their goals and the API tokens, in one SQLite file in the data directory.

Owns: `control.db` (mode 0600, WAL mode) and its two companions. Ingest never waits for it: it has a Snapshot.
Inputs: an operator's wishes, validated here. Outputs: Site, Goal, Token, Snapshot; users and links by AccountStore.
Invariants: I1 a host belongs to at most one site (primary key of `aliases`, which holds each domain too);
I2 a site's or a goal's id is a UInt32 and is never used again, even after it is removed, because rows in ClickHouse
still carry it; I3 a change is durable when its method returns; I4 a migration is applied whole or not at all.
Failure: every error of SQLite leaves here as one of statnive.errors, naming the file.
Shutdown: close(); a killed process leaves a file that the next open recovers.

One connection with a lock around each operation: methods may be called from any thread, and they block.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Self

import attrs

from statnive.control import (
    exclusions,
    funnels,
    goals,
    notes,
    passkeys,
    retention,
    segments,
    sharing,
    site_settings,
    tokens,
    users,
)
from statnive.control.goals import NewGoal
from statnive.control.hosts import canonical_host
from statnive.control.site_settings import SiteChange
from statnive.control.snapshot import Funnel, Goal, Note, Retention, Segment, Site, Snapshot
from statnive.control.timezones import canonical_timezone
from statnive.control.tokens import NewToken, Token
from statnive.errors import BrokenInput, Overloaded, Rejected, Retryable, StatniveError

ALIASES_MAX: Final = 100
SITE_ID_MAX: Final = 2**32 - 1
BUSY_TIMEOUT_MS: Final = 5_000
APPLICATION_ID: Final = 0x73746E76  # "stnv": tells our file from another program's

# One tuple of statements for each schema version; PRAGMA user_version counts those applied. Only ever add to
# the end.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        f"""CREATE TABLE sites (
            id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id BETWEEN 1 AND {SITE_ID_MAX}),
            domain TEXT NOT NULL UNIQUE,
            timezone TEXT NOT NULL,
            created_at INTEGER NOT NULL
        ) STRICT""",
        """CREATE TABLE aliases (
            host TEXT PRIMARY KEY,
            site_id INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX aliases_by_site ON aliases (site_id)",
    ),
    goals.TABLE,
    tokens.TABLES,
    segments.TABLE,
    (*site_settings.COLUMNS, *exclusions.TABLE, *funnels.TABLE),
    notes.TABLE,
    (*users.TABLES, *sharing.TABLES),
    passkeys.TABLE,
    retention.COLUMNS,
)


class ControlStore:
    """The control database. Any method may raise Retryable (locked), Overloaded (disk full), BrokenInput."""

    def __init__(self, path: Path, connection: sqlite3.Connection, now_s: Callable[[], float]) -> None:
        self._path, self._connection, self._now_s = path, connection, now_s
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls, path: Path, *, now_s: Callable[[], float] = time.time, busy_timeout_ms: int = BUSY_TIMEOUT_MS
    ) -> Self:
        """The store at `path`, created or migrated where due; its directory must exist.

        Raises BrokenInput for a file that isn't ours, is damaged or comes from a newer statnive; Retryable
        when another process has it locked for longer than `busy_timeout_ms`.
        """
        with _translated(path):
            _make_private(path)
            connection = sqlite3.connect(
                path, timeout=busy_timeout_ms / 1000, isolation_level=None, check_same_thread=False
            )
            try:
                _prepare(path, connection)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, now_s)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock, _translated(self._path):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def add_site(self, domain: str, timezone: str, aliases: Iterable[str] = ()) -> Site:
        """A new site. Raises Rejected naming `domain`, `timezone` or `alias` and what is wrong with it.

        Naming the domain or one alias twice is forgiven; a host of another site is not.
        """
        domain = canonical_host("domain", domain)
        timezone = canonical_timezone("timezone", timezone)
        hosts = {domain: "domain"}
        for alias in aliases:
            hosts.setdefault(canonical_host("alias", alias), "alias")
        if len(hosts) - 1 > ALIASES_MAX:
            raise Rejected("alias", f"{len(hosts) - 1} are too many; a site has at most {ALIASES_MAX}")
        with self._change() as connection:
            for host, field in hosts.items():
                _refuse_taken(connection, field, host)
            created = connection.execute(
                "INSERT INTO sites (domain, timezone, created_at) VALUES (?, ?, ?)",
                (domain, timezone, int(self._now_s())),
            )
            site_id = created.lastrowid
            assert site_id is not None
            connection.executemany("INSERT INTO aliases VALUES (?, ?)", [(host, site_id) for host in hosts])
        return Site(site_id, domain, timezone, frozenset(hosts))

    def add_alias(self, domain: str, alias: str) -> Site:
        """One more host for an existing site, which keeps its id and with it its history. Raises Rejected."""
        host = canonical_host("alias", alias)
        with self._change() as connection:
            site = _site(connection, domain)
            if host in site.hosts:
                return site
            if len(site.hosts) > ALIASES_MAX:
                raise Rejected("alias", f"{site.domain} has the limit of {ALIASES_MAX} aliases already")
            _refuse_taken(connection, "alias", host)
            connection.execute("INSERT INTO aliases VALUES (?, ?)", (host, site.id))
        return attrs.evolve(site, hosts=site.hosts | {host})

    def remove_alias(self, domain: str, alias: str) -> Site:
        """Events from the host are no longer the site's. Raises Rejected."""
        with self._change() as connection:
            return site_settings.remove_alias(connection, _site(connection, domain), alias)

    def change_site(self, domain: str, wanted: SiteChange) -> Site:
        """A site's name, time zone, currency or exclusions, as `wanted`. Raises Rejected naming the field."""
        with self._change() as connection:
            return site_settings.change(connection, _site(connection, domain), wanted)

    def set_retention(self, domain: str, wanted: Retention) -> Site:
        """How long a site's days are kept, from its next local day on. Raises Rejected."""
        with self._change() as connection:
            return retention.replace(connection, _site(connection, domain), wanted, int(self._now_s()))

    def remove_site(self, domain: str) -> Site:
        """Forget the site and its hosts; its events stay in ClickHouse under its id. Raises Rejected."""
        with self._change() as connection:
            site = _site(connection, domain)
            connection.execute("DELETE FROM sites WHERE id = ?", (site.id,))
        return site

    def rename_site(self, domain: str, new: str) -> Site:
        """Another domain for a site, which keeps its id; the old one becomes an alias. Raises Rejected."""
        host = canonical_host("domain", new)
        with self._change() as connection:
            site = _site(connection, domain)
            if host not in site.hosts:
                if len(site.hosts) > ALIASES_MAX:
                    raise Rejected("domain", f"{site.domain} has the limit of {ALIASES_MAX} aliases already")
                _refuse_taken(connection, "domain", host)
                connection.execute("INSERT INTO aliases VALUES (?, ?)", (host, site.id))
            connection.execute("UPDATE sites SET domain = ? WHERE id = ?", (host, site.id))
        return attrs.evolve(site, domain=host, hosts=site.hosts | {host})

    def list_sites(self) -> list[Site]:
        """Every site, by domain."""
        with self._lock, _translated(self._path):
            return _sites(self._connection)

    def add_goal(self, domain: str, new: NewGoal) -> Goal:
        """A new goal of a site. Raises Rejected naming the field, or for one that is there already."""
        with self._change() as connection:
            return goals.add(connection, _site(connection, domain).id, new, int(self._now_s()))

    def list_goals(self, domain: str) -> list[tuple[Goal, bool]]:
        """Every goal that the site has or had, by id, and whether it was removed. Raises Rejected."""
        with self._lock, _translated(self._path):
            return goals.of_site(self._connection, _site(self._connection, domain).id)

    def remove_goal(self, domain: str, goal_id: int) -> Goal:
        """From now on nothing reaches the goal; what did stays counted under its id. Raises Rejected."""
        with self._change() as connection:
            return goals.remove(connection, _site(connection, domain).id, goal_id, int(self._now_s()))

    def add_segment(self, domain: str, name: str, filters: str) -> Segment:
        """A new saved filter of a site. Raises Rejected naming the field."""
        with self._change() as connection:
            return segments.add(connection, _site(connection, domain).id, name, filters, int(self._now_s()))

    def list_segments(self, domain: str) -> tuple[Segment, ...]:
        """A site's saved filters, by id. Raises Rejected."""
        with self._lock, _translated(self._path):
            return _site(self._connection, domain).segments

    def remove_segment(self, domain: str, segment_id: int) -> Segment:
        """Forget a saved filter. Raises Rejected."""
        with self._change() as connection:
            return segments.SEGMENTS.remove(connection, _site(connection, domain).id, segment_id)

    def add_note(self, domain: str, day: str, text: str) -> Note:
        """A new note at a local day of a site. Raises Rejected naming the field."""
        with self._change() as connection:
            return notes.add(connection, _site(connection, domain).id, day, text, int(self._now_s()))

    def remove_note(self, domain: str, note_id: int) -> Note:
        """Forget a note. Raises Rejected."""
        with self._change() as connection:
            return notes.NOTES.remove(connection, _site(connection, domain).id, note_id)

    def add_funnel(self, domain: str, name: str, steps: str, window_s: int) -> Funnel:
        """A new saved funnel of a site. Raises Rejected naming the field."""
        with self._change() as connection:
            site_id = _site(connection, domain).id
            return funnels.add(connection, site_id, name, steps, window_s, int(self._now_s()))

    def remove_funnel(self, domain: str, funnel_id: int) -> Funnel:
        """Forget a saved funnel. Raises Rejected."""
        with self._change() as connection:
            return funnels.FUNNELS.remove(connection, _site(connection, domain).id, funnel_id)

    def add_token(self, new: NewToken, secret: str) -> Token:
        """A new API token; its secret is not kept. Raises Rejected naming the field."""
        with self._change() as connection:
            return tokens.add(connection, new, secret, int(self._now_s()))

    def list_tokens(self) -> list[Token]:
        """Every token there is or was, by id."""
        with self._lock, _translated(self._path):
            return tokens.every(self._connection)

    def tokens_by_digest(self) -> dict[bytes, Token]:
        """The tokens that were not revoked, for look-ups in memory."""
        with self._lock, _translated(self._path):
            return tokens.by_digest(self._connection)

    def revoke_token(self, token_id: int) -> Token:
        """The token opens nothing any more. Raises Rejected."""
        with self._change() as connection:
            return tokens.revoke(connection, token_id, int(self._now_s()))

    def token_used(self, token_id: int, at: int) -> None:
        """Note when a token was used last."""
        with self._change() as connection:
            tokens.used(connection, token_id, at)

    def snapshot(self) -> Snapshot:
        """Every site with its goals now, for the hot path."""
        return Snapshot.of(self.list_sites())

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for reads that belong together; for the other stores of this file."""
        with self._lock, _translated(self._path):
            yield self._connection

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: what is checked inside still holds when it commits."""
        with self._lock, _translated(self._path), _transaction(self._connection):
            yield self._connection

    _change = change


def _sites(connection: sqlite3.Connection) -> list[Site]:
    rows = connection.execute(
        "SELECT id, domain, timezone, currency, host FROM sites JOIN aliases ON site_id = id ORDER BY domain"
    )
    parts: dict[int, tuple[str, str, str, set[str]]] = {}
    for site_id, domain, timezone, currency, host in rows:
        parts.setdefault(site_id, (domain, timezone, currency, set()))[3].add(host)
    reachable, saved = goals.in_use(connection), segments.SEGMENTS.by_site(connection)
    stepped, excluded = funnels.FUNNELS.by_site(connection), exclusions.by_site(connection)
    noted, lasting = notes.NOTES.by_site(connection), retention.by_site(connection)
    return [
        Site(
            id=site_id,
            domain=domain,
            timezone=zone,
            hosts=frozenset(hosts),
            goals=reachable.get(site_id, ()),
            segments=saved.get(site_id, ()),
            notes=noted.get(site_id, ()),
            funnels=stepped.get(site_id, ()),
            currency=currency,
            exclusions=excluded.get(site_id),
            retention=lasting.get(site_id),
        )
        for site_id, (domain, zone, currency, hosts) in parts.items()
    ]


def _site(connection: sqlite3.Connection, domain: str) -> Site:
    wanted = canonical_host("domain", domain)
    sites = {site.domain: site for site in _sites(connection)}
    if wanted in sites:
        return sites[wanted]
    owner = next((site.domain for site in sites.values() if wanted in site.hosts), None)
    if owner:
        raise Rejected("domain", f"{wanted} is an alias of the site {owner}; name that site")
    close = get_close_matches(wanted, sites, n=1)
    hint = f"did you mean {close[0]}?" if close else "`statnive site list` shows the sites"
    raise Rejected("domain", f"no site is called {wanted}; {hint}")


def _refuse_taken(connection: sqlite3.Connection, field: str, host: str) -> None:
    """Keeps I1 with a message; the primary key would only say that it is broken."""
    owner = connection.execute(
        "SELECT domain FROM aliases JOIN sites ON id = site_id WHERE host = ?", (host,)
    ).fetchone()
    if owner:
        raise Rejected(field, f"{host} already belongs to the site {owner[0]}")


def _make_private(path: Path) -> None:
    """Create the file with mode 0600, or give an existing one that mode; SQLite copies it to its companions.

    An existing file is not opened: closing it again would drop the locks of a connection in this process.
    """
    try:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
    except OSError as error:
        raise BrokenInput(f"{path}: can't be opened: {error.strerror}") from None


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse what isn't ours, set the connection up, and apply the migrations that are missing."""
    _refuse_foreign(path, connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # keeps I3
    connection.execute("PRAGMA foreign_keys = ON")
    if _pragma(connection, "user_version") < len(MIGRATIONS):
        _migrate(path, connection)
    damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if damage != "ok":
        raise BrokenInput(f"{path}: the database is damaged ({damage}); restore it from a backup")


def _migrate(path: Path, connection: sqlite3.Connection) -> None:
    with _transaction(connection):  # keeps I4; user_version is part of the transaction
        _refuse_foreign(path, connection)  # again, under the lock: another process may have been here first
        for statements in MIGRATIONS[_pragma(connection, "user_version") :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    version = _pragma(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if (tables or version) and _pragma(connection, "application_id") != APPLICATION_ID:
        raise BrokenInput(f"{path}: is a database of another program")
    if version > len(MIGRATIONS):
        known = f"has schema {version}, this statnive knows up to {len(MIGRATIONS)}"
        raise BrokenInput(f"{path}: was written by a newer statnive ({known}); start that version")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk rolls back by itself
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(path, error) from error


def _translate(path: Path, error: sqlite3.Error) -> StatniveError:
    code = getattr(error, "sqlite_errorcode", None)  # the primary code is its low byte
    primary = code & 0xFF if code is not None else None
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Retryable(f"{path}: another process holds it locked; try again")
    if primary == sqlite3.SQLITE_FULL:
        return Overloaded(f"{path}: no room left on its disk")
    if primary == sqlite3.SQLITE_NOTADB:
        return BrokenInput(f"{path}: is not a database")
    if primary == sqlite3.SQLITE_CORRUPT:
        return BrokenInput(f"{path}: the database is damaged; restore it from a backup")
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return BrokenInput(f"{path}: can't be written ({error})")
    if primary in (
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_INTERRUPT,
    ):
        return Retryable(f"{path}: {error}")
    return BrokenInput(f"{path}: does not hold what it should ({error})")
