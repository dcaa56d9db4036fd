"""The real embedded engine for tests: one directory for the whole run (a process can hold one), one database
a test.

conftest.py imports the fixtures (`from tests.clickhouse_fixture import …`). Never fork while it is open.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from statnive.clickhouse.client import Client, Purpose, connect
from statnive.clickhouse.migrate import migrate
from statnive.clickhouse.rows import RowEncoder, suffix
from statnive.config import ClickHouseConfig
from statnive.event import SCROLL_UNTOLD, Row

SQL_DIR = Path(__file__).parent.parent / "sql"
LOG_ID = 7
NOON = 1_793_534_400  # 2026-11-01 12:00 UTC
_numbers = itertools.count(1)


def a_row(**changed: Any) -> Row:
    """A page view of site 1 on 2026-11-01 at 12:00 UTC, which begins a visit, with `changed` columns."""
    row = Row(
        site_id=1, ts=NOON, visitor=b"v" * 16, visit_id=1, day=NOON // 86_400, hour=NOON - NOON % 3_600,
        name="pageview", is_bot=0, pageviews=1, visit_start=1, bounce_delta=1, duration_delta=0, engaged_ms=0,
        scroll_depth=SCROLL_UNTOLD, hostname="example.com", pathname="/", previous_pathname="", referrer="",
        referrer_name="", channel="Direct", utm_source="", utm_medium="", utm_campaign="", utm_content="",
        utm_term="", country="", region="", city_id=0, city="", device="Desktop", browser="Firefox",
        browser_version="142", os="Linux", os_version="", props={}, goals=[], revenue=0, currency="",
    )  # fmt: skip
    return row._replace(**changed)


@attrs.define
class Engine:
    """A migrated database of its own in the shared engine; its handles are closed with the test."""

    data_dir: Path
    config: ClickHouseConfig
    readers: list[Client] = attrs.field(factory=list)
    _clients: list[Client] = attrs.field(factory=list)
    _writer: Client | None = None
    _lsn: int = 0

    def connect(self, purpose: Purpose) -> Client:
        client = connect(self.config, self.data_dir, purpose=purpose)
        self._clients.append(client)
        return client

    @property
    def writer(self) -> Client:
        if self._writer is None:
            self._writer = self.connect("writer")
        return self._writer

    row = staticmethod(a_row)

    def payload(self, rows: Iterable[Row], first_lsn: int = 1) -> bytes:
        encoder = RowEncoder()
        return b"".join(encoder.encode(row) + suffix(LOG_ID, lsn) for lsn, row in enumerate(rows, first_lsn))

    def insert(self, *rows: Row) -> None:
        """One block with a token of its own, LSNs counting on."""
        first = self._lsn + 1
        self._lsn += len(rows)
        self.writer.insert_block(
            self.payload(rows, first), rows=len(rows), token=f"{LOG_ID}:{first}-{self._lsn}"
        )

    def scalars(self, sql: str) -> dict[str, Any]:
        """The one row of an answer; {database} is this test's."""
        (row,) = self.writer.operator_query(sql.replace("{database}", self.config.database))
        return row

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """`a_row`, for tests that need no engine."""
    return a_row


@pytest.fixture(scope="session")
def engine_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The engine's one data directory; a handle stays open, so that the engine is opened once."""
    data_dir = tmp_path_factory.mktemp("engine")
    keeper = connect(ClickHouseConfig(memory_bytes_max=1024**3), data_dir, purpose="admin")
    yield data_dir
    keeper.close()


@pytest.fixture
def empty_engine(engine_dir: Path) -> Iterator[Engine]:
    """An Engine whose database does not exist yet."""
    config = ClickHouseConfig(memory_bytes_max=1024**3, database=f"test_{next(_numbers)}")
    engine = Engine(engine_dir, config)
    yield engine
    engine.close()
    admin = connect(config, engine_dir, purpose="admin")
    admin.command(f"DROP DATABASE IF EXISTS {config.database}")
    admin.close()


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    """An Engine whose database is migrated."""
    migrate(empty_engine.connect("admin"), SQL_DIR)
    return empty_engine
