"""A statnive.clickhouse.client.Client whose driver is the simulated engine: all above the driver is the product's.

Owns:       nothing; the engine belongs to the world.
Inputs:     what the product hands to clickhouse-connect: statements, parameters, insert blocks with settings.
Outputs:    answers; the driver's own exceptions, which the product translates.

The seam: `clickhouse.engine`, `settle`, `repair`, `verify` and `client` run as they are. Replaced are `connect`, the
migrations, and the repair of the embedded engine's log of tokens, which works on chDB's files (Engine.
drop_dangling_tokens does the same to the simulated one).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from chaos.sim import sql
from chaos.sim.engine import Engine
from chaos.sim.link import Embedded, Server
from statnive.clickhouse import engine as product
from statnive.clickhouse import repair
from statnive.clickhouse.client import Client, Purpose
from statnive.clickhouse.settings import INSERT_SETTINGS, INSERT_SETTINGS_IF_KNOWN
from statnive.config import ClickHouseConfig

Link = Embedded | Server
SERVER_URL = "http://simulated:8123"


class SimDriver:
    """What the product uses of clickhouse-connect."""

    server_settings: Mapping[str, str] = {**INSERT_SETTINGS, **INSERT_SETTINGS_IF_KNOWN}

    def __init__(self, engine: Engine, link: Link) -> None:
        self._engine, self._link = engine, link

    def command(self, text: str, parameters: Mapping[str, Any] | None = None) -> None:
        bound = sql.bind(text, parameters or {})
        self._link.call(bound[:40], lambda step: sql.command(self._engine, bound, step))

    def query(self, text: str, parameters: Mapping[str, Any] | None = None) -> sql.Answer:
        bound = sql.bind(text, parameters or {})
        return self._link.call(bound[:40], lambda step: sql.query(self._engine, bound, self._link.running))

    def insert(self, table: str, payload: bytes, settings: Mapping[str, str]) -> None:
        token = settings["insert_deduplication_token"]
        self._link.call(
            f"INSERT {table} {token}", lambda step: self._engine.insert(table, payload, settings, step)
        )

    def flush(self) -> None:
        self._link.flush()

    def ping(self) -> bool:
        return True

    def close(self) -> None:
        pass


class SimClient(Client):
    """See the module's contract."""

    def __init__(self, config: ClickHouseConfig, purpose: Purpose, driver: SimDriver) -> None:
        super().__init__(config, purpose)
        self._sim = driver

    def _open_driver(self) -> Any:
        return self._sim

    def _send_block(self, driver: Any, table: str, payload: bytes, settings: dict[str, str]) -> None:
        self._sim.insert(table, payload, settings)

    def flush_to_disk(self) -> None:
        self._sim.flush()


@contextmanager
def installed(engine: Engine, link: Link, *, repairs_tokens: bool) -> Iterator[None]:
    """The product's Engine opens SimClients, inside."""
    driver = SimDriver(engine, link)

    def connect(
        config: ClickHouseConfig, data_dir: Path, *, purpose: Purpose, deadline_s: float | None = None
    ) -> Client:
        return SimClient(config, purpose, driver)

    def repair_tokens(directory: Path) -> list[str]:
        dropped = link.repair_tokens() if repairs_tokens else 0
        return [f"{dropped} tokens"] if dropped else []

    with (
        patch.object(repair, "secrets", SimpleNamespace(token_hex=link.token_hex)),
        patch.object(product, "connect", connect),
        patch.object(product, "migrate", lambda client, directory: None),
        patch.object(product, "repair_dedup_logs", repair_tokens),
    ):
        yield
