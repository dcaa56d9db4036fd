"""chDB behind the node: one directory, one handle for each statement.

A handle costs 0.3 ms, its settings 0.5 ms: cheap enough that no statement ever meets another one's database,
settings or readonly, as on a server without sessions. Handles run at the same time, in any threads. Never
fork after `Engine`."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import chdb

from chaos.clickhouse_node.errors import read_error
from chaos.clickhouse_node.protocol import Statement
from chaos.clickhouse_node.sql import Query

MIB: Final = 1024 * 1024
TRAP: Final = "chaos_trap"
# `SELEC 1` is a syntax error to a server, and an implied SELECT to chDB.
_AS_A_SERVER: Final = {"implicit_select": "0"}


@attrs.frozen
class Result:
    """A statement's answer and what it counted, by the names of X-ClickHouse-Summary."""

    body: bytes
    summary: Mapping[str, int]


class OpenError(Exception):
    """The directory is some other process's, or chDB can't read it."""


class Engine:
    """The engine in `directory`. Raises OpenError."""

    def __init__(self, directory: Path, memory_bytes_max: int) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = directory.with_suffix(".xml")
        config.write_text(_config(memory_bytes_max))
        # chDB compares this as text, so every handle spells it alike.
        self._location = f"{directory.resolve()}?config-file={config.resolve()}"
        try:
            # Open as long as the process: the engine goes with its last handle.
            self._keeper = chdb.connect(self._location)
        except (chdb.ChdbError, RuntimeError) as error:
            why = "another process has it" if _locked(directory / "status") else read_error(str(error)).text
            raise OpenError(f"{directory} does not open: {why}") from error
        self.version, self.timezone = self._line("SELECT version(), timezone()")
        self.release_traps()

    def execute(self, statement: Statement) -> Result:
        """Carry it out, in whatever thread. Raises DBError."""
        query = statement.query
        with _Handle(self._location) as handle:
            handle.set_database(statement.database)
            handle.set({**_AS_A_SERVER, **statement.settings})
            if statement.reading and statement.settings.get("readonly", "0") == "0":
                handle.set({"readonly": "2"})
            if query.data is not None:
                return handle.insert(query, query.data, statement.parameters)
            return handle.query(query.sql, statement.format, statement.parameters)

    def trap(self, table: str) -> None:
        """From now on an insert that reaches `table` ("database.table") throws 395, while what comes before
        it in the chain of views may be in: an insert half done. Raises DBError."""
        database, _, _ = table.partition(".")
        with _Handle(self._location) as handle:
            handle.query(f"CREATE TABLE IF NOT EXISTS {database}.{TRAP} (n UInt8) ENGINE = Null".encode())
            name = f"{database}.{TRAP}_{table.replace('.', '_')}"
            handle.query(
                f"CREATE MATERIALIZED VIEW IF NOT EXISTS {name} TO {database}.{TRAP} "
                f"AS SELECT throwIf(1, 'trap in {table}') AS n FROM {table}".encode()
            )

    def release_traps(self) -> None:
        """Take every trap away, an earlier process's too. Raises DBError."""
        with _Handle(self._location) as handle:
            found = handle.query(
                b"SELECT database, name FROM system.tables WHERE startsWith(name, 'chaos_trap') "
                b"ORDER BY engine = 'Null'"  # the views first
            )
            for line in found.body.decode().splitlines():
                database, name = line.split("\t")
                handle.query(f"DROP TABLE IF EXISTS {database}.{name} SYNC".encode())

    def close(self) -> None:
        """Give the directory back. No statement may be under way."""
        self._keeper.close()

    def _line(self, sql: str) -> list[str]:
        with _Handle(self._location) as handle:
            return handle.query(sql.encode()).body.decode().rstrip("\n").split("\t")


class _Handle:
    """One chDB handle, whose errors are DBErrors."""

    def __init__(self, location: str) -> None:
        self._handle: Any = chdb.connect(location)

    def __enter__(self) -> _Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def set_database(self, database: str) -> None:
        if database:
            self.query(b"USE " + _quoted(database, "`"))

    def set(self, settings: Mapping[str, str]) -> None:
        """Set all, `readonly` last: after it nothing can be set."""
        ordered = sorted(settings.items(), key=lambda item: item[0] == "readonly")
        for name, value in ordered:
            if name != "readonly":
                continue
            ordered.pop()
            self._set(ordered)
            self._set([(name, value)])
            return
        self._set(ordered)

    def _set(self, settings: list[tuple[str, str]]) -> None:
        if settings:
            self.query(
                b"SET " + b", ".join(name.encode() + b" = " + _quoted(value) for name, value in settings)
            )

    def query(
        self, sql: bytes, output: str = "TabSeparated", parameters: Mapping[str, str] | None = None
    ) -> Result:
        try:
            result = self._handle.query(_text(sql), output, params=dict(parameters or {}))
            body = result.bytes() or b""
        except (chdb.ChdbError, RuntimeError) as error:
            raise read_error(str(error)) from error
        return Result(
            body,
            {
                "read_rows": result.storage_rows_read(),
                "read_bytes": result.storage_bytes_read(),
                "written_rows": result.rows_written(),
                "written_bytes": result.bytes_written(),
                "result_rows": result.rows_read(),
                "result_bytes": len(body),
                "elapsed_ns": int(result.elapsed() * 1e9),
            },
        )

    def insert(self, query: Query, data: bytes, parameters: Mapping[str, str]) -> Result:
        """An INSERT whose rows are `data`, by a file in memory: one insert, one dedup token, as from a socket.

        Not by chDB's send_insert: it answers OK when a view throws or the disk is full (26.9).
        """
        descriptor = os.memfd_create("insert")
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            source = f" FROM INFILE '/proc/self/fd/{descriptor}' COMPRESSION 'none' ".encode()
            sql = query.sql + source + query.settings + b" FORMAT " + query.format.encode()
            return self.query(sql, parameters=parameters)
        finally:
            os.close(descriptor)


def _text(sql: bytes) -> str | bytes:
    """Text where it is text: a bound binary value makes bytes of it, which chDB takes too."""
    try:
        return sql.decode()
    except UnicodeDecodeError:
        return sql


def _quoted(text: str, quote: str = "'") -> bytes:
    return (quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote).encode()


def _config(memory_bytes_max: int) -> str:
    """chDB's configuration: bounded memory, and for merged parts' sources a server's default instead of
    chDB's 0.
    """
    return (
        "<clickhouse>\n"
        f"  <max_server_memory_usage>{memory_bytes_max}</max_server_memory_usage>\n"
        f"  <mark_cache_size>{64 * MIB}</mark_cache_size>\n"
        "  <uncompressed_cache_size>0</uncompressed_cache_size>\n"
        "  <send_crash_reports><enabled>false</enabled></send_crash_reports>\n"
        "  <merge_tree><old_parts_lifetime>480</old_parts_lifetime></merge_tree>\n"
        "</clickhouse>\n"
    )


def _locked(file: Path) -> bool:
    try:
        with file.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
