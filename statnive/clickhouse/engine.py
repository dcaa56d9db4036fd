"""ClickHouse as the node uses it: one writer, a few readers, migrations before either.

Owns:       a writer's client, an admin's, one that closes days, and at most `query_threads` readers'.
Inputs:     insert blocks; functions that read with a reader's client.
Outputs:    rows in ClickHouse; answers; what was found and repaired.
Invariants: I1 nothing is inserted or read before the migrations are applied, and the embedded engine is not opened
            after an unclean stop before its log of tokens is true (dedup_log.py); I2 a check of the rollups never
            runs beside an insert, nor while a block is in doubt (between a part of the raw table and its rollups'
            parts the numbers rightly differ); I3 nothing is inserted or counted while a statement of a repair that was
            given up could still change something (repair.drop_left_over), nor before a swap that the ledger holds is
            carried out (repair.finish_swap).
Failure:    as statnive.clickhouse.client; a server that is down is contacted again at the next call.
Shutdown:   `close()`, when no thread is inside.

Synchronous; each method is called in a worker thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from queue import Empty, LifoQueue
from typing import TypeVar

from statnive.clickhouse import closing, erase, repair, verify
from statnive.clickhouse.client import Client, connect
from statnive.clickhouse.dedup_log import repair_dedup_logs
from statnive.clickhouse.embedded import ENGINE_DIR
from statnive.clickhouse.failures import Unavailable
from statnive.clickhouse.full_check import FullCheck, check_all
from statnive.clickhouse.migrate import migrate
from statnive.clickhouse.priority import yield_to_event_loop
from statnive.clickhouse.settle import SentBlock, settle
from statnive.config import ClickHouseConfig
from statnive.erasures import Book, Erasure, Nothing, Span
from statnive.errors import StatniveError

T = TypeVar("T")
YIELD_EVERY = 5  # inserts: the engine starts threads as it goes
# How long the drift check waits for a block in doubt before it says that it could not be made.
DRIFT_PATIENCE_S = 5.0
CLOSE_DEADLINE_S = 180.0


class Engine:
    """See the module's contract."""

    def __init__(
        self,
        config: ClickHouseConfig,
        data_dir: Path,
        sql_dir: Path,
        *,
        unclean: bool = False,
        in_doubt: bool = False,
        insert_deadline_s: float | None = None,
        book: Book | None = None,
    ) -> None:
        """`unclean`: the last stop was. `in_doubt`: a block is recorded, and `settle_block` will be called for it.
        `insert_deadline_s`: how long a server may take to answer the writer; None is the setting's default. `book`:
        what was erased.
        """
        self._config = config
        self._data_dir = data_dir
        self._sql_dir = sql_dir
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._in_doubt = in_doubt
        self._insert_deadline_s = insert_deadline_s
        self._unclean = unclean
        self._notes: list[str] = []
        self._admin: Client | None = None
        self._writer: Client | None = None
        self._closer: Client | None = None
        self._readers: LifoQueue[Client] = LifoQueue()
        self.migrated = False
        self._left_over = True  # whether a repair, of this process or an earlier one, may have been cut off
        self._inserts = 0
        self._book = book or Nothing()

    def prepare(self) -> None:
        """Connect and migrate, once. Raises Busy, ConfigError, Fatal, or Retryable when a server is down."""
        with self._lock:
            self._prepare()

    def _prepare(self) -> Client:
        if self._admin is None:
            if self._unclean and self._config.url == "embedded":
                self._notes += repair_dedup_logs(self._data_dir / ENGINE_DIR)  # keeps I1
            self._unclean = False
            self._admin = connect(self._config, self._data_dir, purpose="admin")
        if self._book.ledger.swap is not None:
            # Before a migration: the ready partitions look like the tables of now.
            self._notes += repair.finish_swap(self._admin, self._book)  # keeps I3
        if not self.migrated:
            migrate(self._admin, self._sql_dir)
            self.migrated = True  # keeps I1
        if self._left_over:
            if not self._config.cluster:
                self._notes += repair.drop_left_over(self._admin)
            self._left_over = False  # keeps I3
        return self._admin

    def _prepare_writer(self) -> Client:
        self._prepare()
        if self._writer is None:
            self._writer = connect(
                self._config, self._data_dir, purpose="writer", deadline_s=self._insert_deadline_s
            )
        return self._writer

    def insert_block(self, payload: bytes, *, rows: int, token: str) -> None:
        """Insert one block, for the first time. Raises PoisonBlock or Retryable; after any error but one that is
        not `ambiguous`, only `settle_block` says whether it is in.
        """
        with self._lock:
            try:
                writer = self._prepare_writer()
                if writer.embedded and self._inserts % YIELD_EVERY == 0:
                    yield_to_event_loop()
                self._inserts += 1
                writer.insert_block(payload, rows=rows, token=token)
            except Unavailable as error:
                self._in_doubt = self._in_doubt or error.ambiguous
                raise
            except StatniveError:
                self._in_doubt = True
                raise

    def settle_block(self, block: SentBlock) -> list[str]:
        """Bring in a block that was, or may have been, sent before; what was repaired, in words. Raises Retryable,
        PoisonBlock (then call it again without the rows that `find_refused` finds).
        """
        with self._settled:
            self._in_doubt = True
            notes = settle(self._prepare_writer(), block, self._book)  # I3: it drops what it left itself
            self._in_doubt = False
            self._settled.notify_all()
            notes, self._notes = self._notes + notes, []
            return notes

    def find_refused(self, rows: Mapping[int, bytes]) -> dict[int, str]:
        """Which rows ClickHouse can't read, by LSN, and why; {} = all can be read. Inserts nothing."""
        with self._lock:
            return repair.find_refused(self._prepare_writer(), rows)

    def flush_to_disk(self) -> None:
        """Return once everything inserted would survive a power cut."""
        with self._lock:
            if self._writer is not None:
                self._writer.flush_to_disk()

    def drift_rows(self) -> int:
        """Rows by which the rollups differ from the raw rows: must be 0. Raises Unavailable while a block is in
        doubt (keeps I2).
        """
        with self._settled:
            if not self._settled.wait_for(lambda: not self._in_doubt, DRIFT_PATIENCE_S):
                raise Unavailable("a block is being sent again", ambiguous=False)
            return verify.rollup_drift_rows(self._prepare(), self._book.ledger)

    def check_all(self, *, repairing: bool, rows_set_aside: int, patience_s: float) -> FullCheck:
        """Check every row and every rollup, and put right what can be, if `repairing`. Inserts wait meanwhile.

        `patience_s`: how long to wait for a block in doubt. Raises Retryable.
        """
        with self._settled:
            if not self._settled.wait_for(lambda: not self._in_doubt, patience_s):
                raise Unavailable("a block is still being sent again; see the metrics", ambiguous=False)
            writer = self._prepare_writer()
            self._left_over = repairing
            found = check_all(writer, repairing=repairing, rows_set_aside=rows_set_aside, book=self._book)
            self._left_over = False
            if found.repaired:
                self._prepare_writer().flush_to_disk()
            return found

    def measure_erasure(self, events: Iterable[Span], rollups: Iterable[Span]) -> erase.Extent:
        """What an erasure would take, as things are. Raises Retryable, Rejected on a cluster."""
        with self._lock:
            writer = self._prepare_writer()
            erase.refuse_cluster(writer)
            return erase.measure(writer, events, rollups)

    def begin_erasure(self, erasure_id: int, log_id: int, lsn: int) -> Erasure:
        """Find the months of an erasure and write them down. `lsn`: every row of the log up to it is in ClickHouse, and
        the writer does nothing meanwhile. Raises Retryable, Rejected.
        """
        wanted = self._erasure(erasure_id)
        found = self.measure_erasure(wanted.events, wanted.rollups)
        self._book.change(lambda ledger: ledger.begin(erasure_id, log_id, lsn, found.months))
        return self._erasure(erasure_id)

    def erase_month(self, erasure_id: int, month: int, lsn: int) -> tuple[Erasure, list[str]]:
        """Erase one month of an erasure that has begun, in every table or in none; the erasure as it is then, and what
        was repaired. The writer does nothing meanwhile. Raises Retryable: call it again; nothing is half done.
        """
        with self._settled:
            if self._in_doubt:
                raise Unavailable("a block is being sent again", ambiguous=False)
            writer = self._prepare_writer()
            notes, self._notes = self._notes, []
            if month in self._erasure(erasure_id).months:  # not if a swap of before was carried out just now
                self._left_over = True
                notes += erase.erase_month(writer, self._erasure(erasure_id), month, lsn, self._book)
                self._left_over = False
            return self._erasure(erasure_id), notes

    def _erasure(self, erasure_id: int) -> Erasure:
        found = self._book.ledger.find(erasure_id)
        assert found is not None, f"no erasure {erasure_id}"
        return found

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

    def days_due(self, making: closing.Making, now: datetime) -> list[closing.Day]:
        """Days to be closed (closing.py); [] on a cluster. Raises Retryable, ConfigError."""
        return [] if self._config.cluster else closing.due(self._prepare_closer(), making.sums, now)

    def close_day(
        self, making: closing.Making, day: closing.Day, now: datetime, is_stopping: Callable[[], bool]
    ) -> bool:
        """Close one of them, beside whatever else is going on; whether it is closed. Raises Retryable, ConfigError."""
        memory = self._config.memory_bytes_max
        return closing.close(self._prepare_closer(), day, making, now, memory, is_stopping)

    def _prepare_closer(self) -> Client:
        if not self.migrated:
            self.prepare()
        if self._closer is None:
            self._closer = connect(
                self._config, self._data_dir, purpose="writer", deadline_s=CLOSE_DEADLINE_S
            )
        return self._closer

    def check_reader(self) -> str:
        """Connect a reader; what an operator should know of its user, or "". Raises ConfigError for a reader_user that
        is not read-only or has no limits, and Retryable when the server is down.
        """
        if self._config.url == "embedded":
            return ""
        self.read(Client.open)
        if self._config.reader_user:
            return ""
        return (
            "dashboards read as the user of clickhouse.url, which may write; statnive holds each statement to "
            "readonly = 1, and a read-only user (clickhouse.reader_user) would make the server do so"
        )

    def close(self) -> None:
        """Close every client."""
        with self._lock:
            for client in (self._writer, self._admin, self._closer):
                if client is not None:
                    client.close()
            self._writer = self._admin = self._closer = None
            while not self._readers.empty():
                self._readers.get_nowait().close()
