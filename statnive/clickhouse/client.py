"""The one way to ClickHouse: a server over HTTP, or chDB inside the data directory.

Owns:       one driver handle for each Client. A Client belongs to one actor and is used by one thread at a
            time.
Inputs:     ClickHouseConfig; insert blocks of MsgPack rows; statements with bound parameters.
Outputs:    rows in ClickHouse; answers as dicts.
Invariants: I1 an insert is one block, sent with all the settings that make it exactly-once and a token; I2 a
            reader's handle is readonly, and each of its statements has limits; I3 the URL's password is in no
            repr, log or error; I4 rows of visitors touch no disk but the log's and the engine's own.
Failure:    everything foreign becomes one of statnive.errors (failures.py). Nothing is sent a second time by
            itself: whether an insert was answered or not, the caller knows.
Shutdown:   `close()`. An insert in flight is waited for, never abandoned.

Never fork after the embedded engine is open: the child's first query hangs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from clickhouse_connect.driver.client import Client as Driver

from statnive.clickhouse.failures import FOREIGN, translate
from statnive.clickhouse.settings import (
    BLOCK_ROWS_LIMIT,
    INSERT_SETTINGS,
    INSERT_SETTINGS_IF_KNOWN,
)
from statnive.config import ClickHouseConfig
from statnive.errors import ConfigError
from statnive.event import ROW_COLUMNS

Purpose = Literal["writer", "reader", "admin"]
RAW_TABLE = "events_raw"
TOKEN_CHARS_MAX = 200
_PUNCTUATION = "-_:."  # of a dedup token


class BoundStatement(Protocol):
    """A statement of statnive.query.where."""

    @property
    def sql(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...


class Client:
    """A handle for one purpose; `connect` makes it."""

    def __init__(self, config: ClickHouseConfig, purpose: Purpose) -> None:
        self.database = config.database
        self.cluster = config.cluster
        self.embedded = config.url == "embedded"
        self.purpose: Purpose = purpose
        self._driver: Driver | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.purpose} of {self.database}>"

    def insert_block(self, payload: bytes, *, rows: int, token: str, table: str = RAW_TABLE) -> None:
        """Insert `rows` whole rows of MsgPack (rows.py) into events_raw and, by its views, the rollups.

        The same token with the same rows counts once, in each table, as far as the engine keeps its word
        (settle.py is for when it may not have). `table`: another one with events_raw's columns. Raises
        Unavailable (Retryable; `ambiguous` when some or all may be in), PoisonBlock, ConfigError.
        """
        assert self.purpose == "writer", f"a {self.purpose} inserts nothing"
        assert 0 < rows <= BLOCK_ROWS_LIMIT, f"{rows} rows are not one block"
        assert _is_token(token), "a token is letters, digits, '-', '_', ':' and '.'"
        try:
            driver = self._open()
            settings = insert_settings(driver)
            settings["insert_deduplication_token"] = token
            self._send_block(driver, table, payload, settings)
        except FOREIGN as error:
            raise translate(error, inserting=True) from error

    def query(self, statement: BoundStatement) -> list[dict[str, Any]]:
        """The rows of a statement made by `where(…)`. Raises Unavailable, LimitExceeded (Retryable),
        ConfigError.
        """
        return self._rows(statement.sql, statement.parameters)

    def operator_query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Rows of a check, a repair or a migration, which see every site. For verify, repair, erase and migrate only:
        a test holds to that.
        """
        return self._rows(sql, parameters or {})

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement without an answer (DDL, the ledger). Raises like `query`."""
        assert self.purpose != "reader", "a reader changes nothing"
        try:
            self._open().command(sql, parameters=dict(parameters or {}))
        except FOREIGN as error:
            raise translate(error, inserting=False) from error

    def open(self) -> None:
        """Connect now, rather than with the first statement. Raises like `query`."""
        try:
            self._open()
        except FOREIGN as error:
            raise translate(error, inserting=False) from error

    def ping(self) -> bool:
        """True when ClickHouse answers."""
        try:
            return bool(self._open().ping())
        except FOREIGN:
            return False

    def flush_to_disk(self) -> None:
        """Return once everything inserted would survive a power cut. Raises Fatal when the disk says no."""

    def close(self) -> None:
        """Give the handle back, for good; a second time does nothing."""
        self._is_closed = True
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        try:
            result = self._open().query(sql, parameters=dict(parameters))
            return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]
        except FOREIGN as error:
            raise translate(error, inserting=False) from error

    def _open(self) -> Driver:
        assert not self._is_closed, f"{self!r} was closed"
        if self._driver is None:
            self._driver = self._open_driver()
        return self._driver

    def _open_driver(self) -> Driver:
        raise NotImplementedError

    def _send_block(self, driver: Driver, table: str, payload: bytes, settings: dict[str, str]) -> None:
        raise NotImplementedError


def connect(
    config: ClickHouseConfig, data_dir: Path, *, purpose: Purpose, deadline_s: float | None = None
) -> Client:
    """A Client. The embedded engine is opened here: Busy when another process holds `data_dir`.

    A server is first contacted by the first statement, so that a node starts while ClickHouse is down.
    `deadline_s` bounds the wait for one answer of a server (by default: writer `writer.insert_deadline_s`'s
    default, reader the query deadline and a bit, admin 600 s). Writers and readers need the database to exist
    (ConfigError); an admin makes it (migrate).
    """
    # Imported late: chDB is half a gigabyte that a node with a server never loads.
    if config.url == "embedded":
        from statnive.clickhouse.embedded import EmbeddedClient

        return EmbeddedClient(config, data_dir, purpose)
    from statnive.clickhouse.server import ServerClient

    return ServerClient(config, purpose, deadline_s)


def insert_settings(driver: Driver) -> dict[str, str]:
    """Every setting of an insert but its token. Raises ConfigError for a server that lacks a needed one."""
    known = driver.server_settings
    missing = sorted(set(INSERT_SETTINGS) - set(known))
    if missing:
        raise ConfigError(
            "clickhouse.url", "(hidden)", f"this server has no setting {missing[0]}: 24.8 or newer is needed"
        )
    optional = {key: value for key, value in INSERT_SETTINGS_IF_KNOWN.items() if key in known}
    return {**INSERT_SETTINGS, **optional}


def insert_columns() -> str:
    """The column list of an insert: named, so that a table with a column more or in another order does no
    harm.
    """
    return ", ".join(ROW_COLUMNS)


def _is_token(token: str) -> bool:
    plain = token
    for mark in _PUNCTUATION:
        plain = plain.replace(mark, "0")
    return len(token) <= TOKEN_CHARS_MAX and plain.isascii() and plain.isalnum()
