"""ClickHouse as the node uses it: one writer, a few readers, migrations before either.

Owns:       a writer's client, an admin's, and at most `query_threads` readers'.
Inputs:     insert blocks; functions that read with a reader's client.
Outputs:    rows in ClickHouse; answers.
Invariants: I1 nothing is inserted or read before the migrations are applied; I2 a drift check never runs
            beside an insert (between a part of the raw table and its rollups' parts the numbers rightly
            differ).
Failure:    as statnive.clickhouse.client; a server that is down is contacted again at the next call.
Shutdown:   `close()`, when no thread is inside.

Synchronous; each method is called in a worker thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, LifoQueue
from typing import TypeVar

from statnive.clickhouse.client import Client, connect
from statnive.clickhouse.migrate import migrate
from statnive.clickhouse.verify import rollup_drift_rows
from statnive.config import ClickHouseConfig

T = TypeVar("T")


class Engine:
    """See the module's contract."""

    def __init__(self, config: ClickHouseConfig, data_dir: Path, sql_dir: Path) -> None:
        self._config = config
        self._data_dir = data_dir
        self._sql_dir = sql_dir
        self._lock = threading.Lock()
        self._admin: Client | None = None
        self._writer: Client | None = None
        self._readers: LifoQueue[Client] = LifoQueue()
        self.migrated = False

    def prepare(self) -> None:
        """Connect and migrate, once. Raises Busy, ConfigError, Fatal, or Retryable when a server is down."""
        with self._lock:
            self._prepare()

    def _prepare(self) -> Client:
        if self._admin is None:
            self._admin = connect(self._config, self._data_dir, purpose="admin")
        if not self.migrated:
            migrate(self._admin, self._sql_dir)
            self.migrated = True  # keeps I1
        return self._admin

    def insert_block(self, payload: bytes, *, rows: int, token: str) -> None:
        """Insert one block; the same token never counts twice. Raises Retryable or PoisonBlock."""
        with self._lock:
            self._prepare()
            if self._writer is None:
                self._writer = connect(self._config, self._data_dir, purpose="writer")
            self._writer.insert_block(payload, rows=rows, token=token)

    def flush_to_disk(self) -> None:
        """Return once everything inserted would survive a power cut."""
        with self._lock:
            if self._writer is not None:
                self._writer.flush_to_disk()

    def drift_rows(self) -> int:
        """Rows by which the rollups differ from the raw rows: must be 0 (keeps I2 by the lock)."""
        with self._lock:
            return rollup_drift_rows(self._prepare())

    def read(self, work: Callable[[Client], T]) -> T:
        """Run `work` with a reader's client. The caller bounds how many run at once."""
        if not self.migrated:
            self.prepare()
        try:
            client = self._readers.get_nowait()
        except Empty:
            client = connect(self._config, self._data_dir, purpose="reader")
        try:
            return work(client)
        finally:
            self._readers.put(client)

    def close(self) -> None:
        """Close every client."""
        with self._lock:
            for client in (self._writer, self._admin):
                if client is not None:
                    client.close()
            self._writer = self._admin = None
            while not self._readers.empty():
                self._readers.get_nowait().close()
