"""Numbered Jinja2 migrations, written down in a ledger.

Owns:       the database, its tables and the ledger `schema_migrations` (number, name, checksum, applied_at).
Inputs:     sql/NNNN_name.sql.j2, the database's name, the cluster's name ("" = none).
Outputs:    the tables; a ledger row for each migration that was carried out whole.
Invariants: I1 migrations run in the order of their numbers, each at most once to its end; I2 every statement
            is idempotent, so a migration that stopped in the middle is run again from its first statement; I3
            an applied migration never changes; I4 a program older than its database does not touch it.
Failure:    SchemaMismatch (I3, I4) and MigrationFailed end the process with the reason; Unavailable may be
            retried.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import jinja2

from statnive.clickhouse.client import Client
from statnive.clickhouse.failures import Unavailable
from statnive.errors import ConfigError, Fatal

LEDGER: Final = "schema_migrations"
BOOTSTRAP: Final = "_bootstrap.sql.j2"
_FILE = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql\.j2")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CLUSTER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# The checksum is of the statements for this name: a database restored under another one is still the same.
_CHECKSUM_DATABASE: Final = "statnive"


class SchemaMismatch(Fatal):
    """The database and this program's migrations disagree: use the program that belongs to the database."""


class MigrationFailed(Fatal):
    """A migration's statement was refused: nothing is lost, the migration is run again at the next start."""


@attrs.frozen
class Migration:
    """One file, rendered."""

    number: int
    name: str
    checksum: str
    statements: tuple[str, ...] = attrs.field(repr=False)

    @property
    def title(self) -> str:
        return f"{self.number:04}_{self.name}"


def render(sql_dir: Path, database: str, cluster: str, *, fsync: bool) -> list[Migration]:
    """The migrations of `sql_dir` in order. `fsync`: a server fsyncs each part; the embedded engine leaves it
    to us.

    Raises ConfigError for a name that is no identifier, SchemaMismatch for files that are not 0001, 0002 …
    """
    _check_names(database, cluster)
    files, environment = sorted(sql_dir.glob("[0-9]*.sql.j2")), _environment(sql_dir)
    migrations = []
    for expected, file in enumerate(files, start=1):
        match = _FILE.fullmatch(file.name)
        if match is None or int(match["number"]) != expected:
            raise SchemaMismatch(f"{file.name}: expected {expected:04}_name.sql.j2")
        lasting = _statements(environment, file.name, _CHECKSUM_DATABASE, cluster, fsync=False)
        checksum = hashlib.sha256("\n".join(" ".join(text.split()) for text in lasting).encode()).hexdigest()
        statements = tuple(_statements(environment, file.name, database, cluster, fsync=fsync))
        migrations.append(Migration(expected, match["name"], checksum, statements))
    if not migrations:
        raise SchemaMismatch(f"{sql_dir} holds no migrations")
    return migrations


def migrate(client: Client, sql_dir: Path) -> list[Migration]:
    """Bring the database of `client` (an admin) up to date; returns what was applied now, [] when it was.

    Call it before anything is inserted. Raises SchemaMismatch, MigrationFailed, Unavailable, ConfigError.
    """
    fsync = not client.embedded
    migrations = render(sql_dir, client.database, client.cluster, fsync=fsync)
    environment = _environment(sql_dir)
    for statement in _statements(environment, BOOTSTRAP, client.database, client.cluster, fsync=fsync):
        client.command(statement)
    pending = _pending(migrations, _ledger(client), client.database)
    for migration in pending:
        _apply(client, migration)
    return pending


def _pending(
    migrations: Sequence[Migration], ledger: dict[int, tuple[str, str]], database: str
) -> list[Migration]:
    """What the ledger does not hold yet. Raises SchemaMismatch (I3, I4)."""
    newest = max(ledger, default=0)
    if newest > len(migrations):
        raise SchemaMismatch(
            f"database {database} has migration {newest:04}_{ledger[newest][0]}, this program knows "
            f"{migrations[-1].title} at most: start the newer statnive, or restore a backup from before"
        )
    for migration in migrations:
        applied = ledger.get(migration.number)
        if applied is not None and applied != (migration.name, migration.checksum):
            raise SchemaMismatch(
                f"migration {migration.title} was changed after database {database} applied it (as "
                f"{migration.number:04}_{applied[0]}), or clickhouse.cluster was: put it back"
            )
    return [migration for migration in migrations if migration.number not in ledger]


def _apply(client: Client, migration: Migration) -> None:
    """Every statement, then the ledger's row (I2)."""
    for position, statement in enumerate(migration.statements, start=1):
        try:
            client.command(statement)
        except (ConfigError, Unavailable) as error:
            if isinstance(error, Unavailable) and error.code is None:
                raise  # not ClickHouse's word: it was not reached
            raise MigrationFailed(f"migration {migration.title}, statement {position}: {error}") from error
    client.command(
        f"INSERT INTO {client.database}.{LEDGER} (number, name, checksum, applied_at) "
        "SELECT {number:UInt32}, {name:String}, {checksum:String}, now('UTC')",
        {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
    )


def _ledger(client: Client) -> dict[int, tuple[str, str]]:
    """Number to (name, checksum). An insert that was retried left the same row twice."""
    rows = client.operator_query(
        f"SELECT DISTINCT number, name, checksum FROM {client.database}.{LEDGER} ORDER BY number"  # noqa: S608
    )
    return {row["number"]: (row["name"], row["checksum"]) for row in rows}


def _statements(
    environment: jinja2.Environment, file: str, database: str, cluster: str, *, fsync: bool
) -> list[str]:
    """The statements of one template. They end with a semicolon at a line's end, and hold none elsewhere."""
    text = environment.get_template(file).render(database=database, cluster=cluster, fsync=fsync)
    return [part.strip() for part in text.strip().removesuffix(";").split(";\n") if part.strip()]


def _environment(sql_dir: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(sql_dir),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - SQL, not HTML; the names that go into it are checked
    )


def _check_names(database: str, cluster: str) -> None:
    if not _IDENTIFIER.fullmatch(database):
        raise ConfigError("clickhouse.database", database, "must be letters, digits and _")
    if cluster and not _CLUSTER.fullmatch(cluster):
        raise ConfigError("clickhouse.cluster", cluster, "must be letters, digits, _ and -")
