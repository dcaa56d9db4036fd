"""A ClickHouse server or cluster over HTTP(S), as a Client."""

from __future__ import annotations

import math
from io import BytesIO
from typing import Final
from urllib.parse import unquote, urlsplit

import attrs
from clickhouse_connect.driver import create_client
from clickhouse_connect.driver.client import Client as Driver
from clickhouse_connect.driver.httputil import all_managers, get_pool_manager

from statnive.clickhouse.client import Client, Purpose
from statnive.clickhouse.failures import FOREIGN, translate
from statnive.clickhouse.reader_user import read_password, settings_for
from statnive.clickhouse.rows import INSERT_FORMAT
from statnive.clickhouse.settings import reader_settings
from statnive.config import ClickHouseConfig, WriterConfig
from statnive.errors import ConfigError
from statnive.event import ROW_COLUMNS

CONNECT_DEADLINE_S: Final = 5
ADMIN_DEADLINE_S: Final = 600
# A reader's statement is stopped by the server at the query deadline; its answer gets this much longer.
READER_GRACE_S: Final = 5
PORTS: Final = {"http": 8123, "https": 8443}


@attrs.frozen
class Address:
    """What a server's URL says. The password stays out of the repr."""

    scheme: str
    host: str
    port: int
    path: str
    username: str
    password: str = attrs.field(repr=False)


class ServerClient(Client):
    """A handle on a server. Nothing is sent before the first statement, and after a failed opening the next
    one tries again. No session id: a statement never finds its predecessor's state or lock on the server.
    """

    def __init__(self, config: ClickHouseConfig, purpose: Purpose, deadline_s: float | None) -> None:
        super().__init__(config, purpose)
        self._config = config
        self._address = parse_url(config.url)
        default_s = {
            "writer": WriterConfig().insert_deadline_s,
            "reader": config.query_deadline_s + READER_GRACE_S,
            "admin": ADMIN_DEADLINE_S,
        }
        self._deadline_s = math.ceil(deadline_s if deadline_s is not None else default_s[purpose])
        # A pool of its own: the driver's shared one would also follow the HTTP_PROXY of the environment.
        self._pool = get_pool_manager()

    def _open_driver(self) -> Driver:
        if self.purpose == "reader" and self._config.reader_user:
            return self._open_reader_user()
        settings = reader_settings(self._config) if self.purpose == "reader" else {}
        return self._create(self._address.username, self._address.password, settings)

    def _open_reader_user(self) -> Driver:
        """Keeps I2 by the user's own rights, looked at each time. Raises ConfigError for one that may write."""
        config = self._config
        password = read_password(config)
        try:
            driver = self._create(config.reader_user, password, {})
        except FOREIGN as error:
            found = translate(error, inserting=False)
            if isinstance(found, ConfigError):
                raise ConfigError("clickhouse.reader_user", config.reader_user, found.allowed) from error
            raise found from error
        try:
            known = {name: setting.value for name, setting in driver.server_settings.items()}
            for name, value in settings_for(config, known).items():
                driver.set_client_setting(name, value)
        except ConfigError:
            driver.close()
            raise
        return driver

    def _create(self, username: str, password: str, settings: dict[str, str]) -> Driver:
        address = self._address
        return create_client(
            interface=address.scheme,
            host=address.host,
            port=address.port,
            proxy_path=address.path,
            username=username,
            password=password,
            # An admin comes before the database exists.
            database=None if self.purpose == "admin" else self.database,
            settings=settings,
            pool_mgr=self._pool,
            connect_timeout=CONNECT_DEADLINE_S,
            send_receive_timeout=self._deadline_s,
            autogenerate_session_id=False,
            query_retries=0,
            client_name="statnive",
            show_clickhouse_errors=True,
        )

    def _send_block(self, driver: Driver, table: str, payload: bytes, settings: dict[str, str]) -> None:
        """As a file: bytes the driver would send a second time by itself when the connection closes early, and
        a server that came back in between would say OK to what it lost (settle.py).
        """
        driver.raw_insert(
            f"{self.database}.{table}",
            column_names=ROW_COLUMNS,
            insert_block=BytesIO(payload),
            fmt=INSERT_FORMAT,
            # wait_end_of_query: no 200 before the last view's part is in.
            settings={**settings, "wait_end_of_query": "1"},
            transport_settings={"Content-Length": str(len(payload))},
        )

    def close(self) -> None:
        super().close()
        self._pool.clear()
        all_managers.pop(self._pool, None)  # the driver's registry for its exit hook


def parse_url(url: str) -> Address:
    """The parts of http(s)://user:password@host:port/path. Raises ConfigError, without repeating the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad_url("is no URL of the form https://user:password@host:port") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise _bad_url("must be http:// or https:// with a host")
    if parts.query or parts.fragment:
        raise _bad_url("must have no ? or # (a password's special characters are percent-encoded)")
    return Address(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        path=parts.path.strip("/"),
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
    )


def _bad_url(allowed: str) -> ConfigError:
    return ConfigError("clickhouse.url", "(hidden)", allowed)
