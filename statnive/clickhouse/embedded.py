"""The embedded engine, chDB, as a Client: one directory, one process, several handles."""

from __future__ import annotations

import ctypes
import fcntl
import os
import tempfile
from pathlib import Path
from typing import Final

from clickhouse_connect.driver import create_client
from clickhouse_connect.driver.client import Client as Driver
from clickhouse_connect.driver.exceptions import ClickHouseError

from statnive.clickhouse.client import Client, Purpose, insert_columns
from statnive.clickhouse.failures import FOREIGN, describe, translate
from statnive.clickhouse.rows import INSERT_FORMAT
from statnive.clickhouse.settings import embedded_config, reader_settings
from statnive.config import ClickHouseConfig
from statnive.errors import Busy, Fatal, StatniveError

ENGINE_DIR: Final = "clickhouse"
ENGINE_CONFIG: Final = "clickhouse.xml"
# The engine holds a flock on this file while it is open.
LOCK_FILE: Final = "status"
# Where it spills what a statement can't hold in memory. It never clears it.
SPILL_DIR: Final = "tmp"


class EmbeddedClient(Client):
    """A handle on the engine in `data_dir`/clickhouse (0700); the first one opens it."""

    def __init__(self, config: ClickHouseConfig, data_dir: Path, purpose: Purpose) -> None:
        super().__init__(config, purpose)
        # chDB compares paths as text, so each handle must spell them alike.
        self._directory = Path(os.path.realpath(data_dir)) / ENGINE_DIR
        self._config = config
        self._open()

    def flush_to_disk(self) -> None:
        """syncfs of the data directory: chDB fsyncs nothing by itself, and its fsync settings leave out the
        log of dedup tokens. Raises Fatal when the disk says no.
        """
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if _LIBC.syncfs(descriptor) != 0:
                number = ctypes.get_errno()
                raise Fatal(f"syncfs of {self._directory}: {os.strerror(number)}")
        finally:
            os.close(descriptor)

    def _open_driver(self) -> Driver:
        options = {"config-file": str(_prepare(self._directory, self._config))}
        if not _is_locked(self._directory / LOCK_FILE):
            # Nobody has the engine open: what lies there is of a process that was killed.
            _purge(self._directory / SPILL_DIR)
        # An admin comes before the database exists.
        database = None if self.purpose == "admin" else self.database
        try:
            driver = create_client(
                interface="chdb", path=str(self._directory), database=database, chdb_options=options
            )
        except ClickHouseError as error:
            raise _why_not_open(error, self._directory) from error
        if self.purpose == "reader":
            try:
                for key, value in reader_settings(self._config).items():
                    driver.command(f"SET {key} = '{value}'")
            except FOREIGN as error:
                driver.close()
                raise translate(error, inserting=False) from error
        return driver

    def _send_block(self, driver: Driver, table: str, payload: bytes, settings: dict[str, str]) -> None:
        """By a file in memory: the driver's own way leaves visitors' rows in $TMPDIR when the process is
        killed, and data in the statement's text loses trailing bytes.
        """
        clause = ", ".join(f"{key} = '{value}'" for key, value in settings.items())
        descriptor = os.memfd_create("statnive-block")
        try:
            rest = memoryview(payload)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            driver.command(
                f"INSERT INTO {self.database}.{table} ({insert_columns()})"
                f" FROM INFILE '/proc/self/fd/{descriptor}' COMPRESSION 'none'"
                f" SETTINGS {clause} FORMAT {INSERT_FORMAT}"
            )
        finally:
            os.close(descriptor)


_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def _prepare(directory: Path, config: ClickHouseConfig) -> Path:
    """Make the directory and the engine's configuration file beside it; returns the file's path."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    file = directory.parent / ENGINE_CONFIG
    text = embedded_config(config)
    if not file.exists() or file.read_text() != text:
        # Another handle may be opening it: replaced, never half written.
        handle, name = tempfile.mkstemp(dir=directory.parent, prefix=ENGINE_CONFIG)
        with os.fdopen(handle, "w") as new:
            new.write(text)
        os.replace(name, file)
    return file


def _purge(spill: Path) -> None:
    for file in spill.iterdir() if spill.is_dir() else ():
        if file.is_file():
            file.unlink()


def _why_not_open(error: ClickHouseError, directory: Path) -> StatniveError:
    """chDB says "Error initializing EmbeddedServer" for a lock that is held and for everything else alike."""
    text = str(error)
    if "EmbeddedServer already initialized" in text:
        return Busy(
            f"{directory}: this process has the engine open in another directory, and it can hold one only"
        )
    if "EmbeddedServer" not in text:
        return translate(error, inserting=False)
    if _is_locked(directory / LOCK_FILE):
        return Busy(f"{directory} is in use by another process: stop it, or use its control socket")
    return Fatal(f"the engine in {directory} does not open: {describe(error)}")


def _is_locked(file: Path) -> bool:
    try:
        with file.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
