"""`clickhouse.reader_user` against users with real profiles: whoever can write, or read without end, is refused."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import date

import attrs
import pytest

from statnive.clickhouse.client import Client, connect
from statnive.clickhouse.engine import Engine
from statnive.clickhouse.failures import LimitExceeded, Unavailable
from statnive.config import ClickHouseConfig
from statnive.errors import BrokenInput, ConfigError
from statnive.query.where import Scope, Table, TimeColumn, where
from tests.clickhouse.small_server import Server
from tests.clickhouse.small_server import server as server
from tests.clickhouse_fixture import SQL_DIR

LIMITS = {
    "max_execution_time": "10",
    "max_memory_usage": "536870912",
    "max_rows_to_read": "200000000",
    "max_result_rows": "20000",
}
STATEMENT = where(Scope(1, TimeColumn.DAY, date(2026, 11, 1), date(2026, 11, 2))).select(
    "sum(pageviews) AS n", Table.HOURLY_VISITORS
)


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in LIMITS.items() if key != name}


@pytest.fixture
def reader(engine, server: Server, tmp_path) -> Iterator[Callable[[dict[str, str]], Client]]:
    """Makes a reader whose user has the profile given."""
    password = tmp_path / "reader.password"
    password.write_text("s3cret reader\n")
    password.chmod(0o600)
    clients: list[Client] = []

    def make(profile: dict[str, str]) -> Client:
        server.profiles["looker"] = profile
        config = attrs.evolve(
            engine.config, url=server.url, reader_user="looker", reader_password_file=str(password)
        )
        clients.append(connect(config, engine.data_dir, purpose="reader", deadline_s=60))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_a_read_only_user_with_limits_reads_and_is_sent_no_setting(engine, server, reader) -> None:
    engine.insert(engine.row())
    client = reader({**LIMITS, "readonly": "1"})
    assert client.query(STATEMENT) == [{"n": 1}]
    _, params, headers = server.requests[-1]
    assert not {*LIMITS, "readonly", "timeout_overflow_mode"} & params.keys()
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"looker:s3cret reader"


def test_the_limits_of_a_profile_hold(engine, reader) -> None:
    engine.insert(*[engine.row()] * 3)
    client = reader({**LIMITS, "max_result_rows": "2", "readonly": "1"})
    with pytest.raises(LimitExceeded):
        client.operator_query("SELECT number FROM numbers(100)")


def test_a_user_that_may_set_limits_is_sent_ours_or_its_tighter_ones(engine, server, reader) -> None:
    client = reader({"max_execution_time": "3", "max_result_rows": "1000000", "readonly": "2"})
    client.query(STATEMENT)
    _, params, _ = server.requests[-1]
    assert "readonly" not in params  # it may not be changed by whoever has it
    assert (params["max_execution_time"], params["max_result_rows"]) == ("3", "20000")
    assert {"max_memory_usage", "max_rows_to_read"} <= params.keys()


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        (LIMITS, "readonly = 0: it could write"),
        *[
            ({**without(name), "readonly": "1"}, f"a limit {name}")
            for name in LIMITS
            if name != "max_memory_usage"
        ],
        ({**LIMITS, "max_memory_usage": "0", "readonly": "1"}, "a limit max_memory_usage"),
        ({**LIMITS, "timeout_overflow_mode": "break", "readonly": "1"}, "timeout_overflow_mode = 'throw'"),
    ],
)
def test_a_user_that_could_write_or_has_no_limits_is_refused(server, reader, profile, why) -> None:
    client = reader(profile)
    with pytest.raises(ConfigError) as caught:
        client.query(STATEMENT)
    assert caught.value.key == "clickhouse.reader_user"
    assert why in str(caught.value)
    assert "s3cret" not in str(caught.value)
    # Corrected on the server, it is taken without a restart.
    server.profiles["looker"] = {**LIMITS, "readonly": "1"}
    client.query(STATEMENT)


def test_a_wrong_password_names_the_reader_and_not_the_url(server, reader) -> None:
    client = reader({**LIMITS, "readonly": "1"})
    server.faults = ["516"]
    with pytest.raises(ConfigError, match=r"clickhouse.reader_user = 'looker': ClickHouse refused \(516\)"):
        client.open()


def test_a_password_file_that_cant_be_read_is_named(engine, server, tmp_path) -> None:
    config = attrs.evolve(
        engine.config, url=server.url, reader_user="looker", reader_password_file=str(tmp_path / "none")
    )
    client = connect(config, engine.data_dir, purpose="reader")
    with pytest.raises(ConfigError, match=r"clickhouse.reader_password_file = .*No such file"):
        client.open()
    client.close()


def test_a_password_that_others_can_read_is_refused(engine, server, reader, tmp_path) -> None:
    client = reader({**LIMITS, "readonly": "1"})
    (tmp_path / "reader.password").chmod(0o644)
    with pytest.raises(BrokenInput, match="chmod 640"):
        client.open()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reader_password_file": "/x", "url": "http://h"}, "needs clickhouse.reader_user"),
        ({"reader_user": "looker"}, "is for a server"),
    ],
)
def test_settings_that_make_no_sense_together_are_refused(settings, said) -> None:
    with pytest.raises(ConfigError, match=said):
        ClickHouseConfig(**settings)


def test_the_check_at_the_start_tells_refusal_advice_and_outage_apart(engine, server, reader) -> None:
    reader({"readonly": "0"})
    checked = Engine(reader(LIMITS)._config, engine.data_dir, SQL_DIR)
    with pytest.raises(ConfigError, match="it could write"):
        checked.check_reader()
    server.profiles["looker"] = {**LIMITS, "readonly": "1"}
    assert checked.check_reader() == ""
    checked.close()
    plain = Engine(attrs.evolve(engine.config, url=server.url), engine.data_dir, SQL_DIR)
    assert "clickhouse.reader_user" in plain.check_reader()
    plain.close()
    assert Engine(engine.config, engine.data_dir, SQL_DIR).check_reader() == ""
    down = Engine(attrs.evolve(engine.config, url="http://127.0.0.1:9"), engine.data_dir, SQL_DIR)
    with pytest.raises(Unavailable):
        down.check_reader()
    down.close()
