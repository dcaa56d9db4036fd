"""The HTTP client against a small ClickHouse over HTTP: real driver, real engine, faults on demand."""

from __future__ import annotations

import re
import socket

import attrs
import pytest

from statnive.clickhouse.client import INSERT_SETTINGS, connect
from statnive.clickhouse.failures import LimitExceeded, Unavailable
from statnive.clickhouse.server import parse_url
from statnive.clickhouse.verify import count_block, drift
from statnive.config import ClickHouseConfig
from statnive.errors import ConfigError, PoisonBlock
from statnive.query.where import Scope, Table, TimeColumn, where
from tests.clickhouse.small_server import server as server


@pytest.fixture
def client(engine, server, request):
    """A Client of the server: a writer unless the test is parametrized otherwise."""
    purpose = getattr(request, "param", "writer")
    config = attrs.evolve(engine.config, url=server.url)
    client = connect(config, engine.data_dir, purpose=purpose, deadline_s=60)
    yield client
    client.close()


def insert(engine, client, token="t", rows=3):
    client.insert_block(engine.payload([engine.row()] * rows), rows=rows, token=token)


def test_an_insert_over_http_is_in_raw_and_in_the_rollups(engine, client):
    insert(engine, client)
    assert count_block(engine.writer, 7, 1, 3) == {202611: 3}
    assert drift(engine.writer) == []


def test_every_insert_is_sent_with_all_its_settings_and_no_session(engine, client, server):
    insert(engine, client, token="7:1-3")
    (params,) = server.inserts
    assert INSERT_SETTINGS.items() <= params.items()
    assert params["insert_deduplication_token"] == "7:1-3"
    assert params["deduplicate_insert"] == "enable"
    assert not [params for _, params, _ in server.requests if "session_id" in params]


def test_the_driver_never_sends_an_insert_again_by_itself(engine, client, server):
    """A server that came back in between may answer OK to what it lost."""
    client.ping()
    for fault in ("reset before", "reset after"):
        server.faults = [fault]
        with pytest.raises(Unavailable) as caught:
            insert(engine, client, token=fault[6:])
        assert caught.value.ambiguous
    assert [params["insert_deduplication_token"] for params in server.inserts] == ["before", "after"]
    assert count_block(engine.writer, 7, 1, 3) == {202611: 3}


@pytest.mark.parametrize(
    ("faults", "stored"),
    [(["reset before"], 0), (["reset after"], 3), (["silence"], 3), (["proxy 503"], 0), (["241"], 0)],
)
def test_a_failure_after_the_insert_was_sent_is_ambiguous_and_the_same_token_settles_it(
    engine, server, faults, stored
):
    config = attrs.evolve(engine.config, url=server.url)
    # Long enough for an insert on a busy machine; the silence lasts as long.
    deadline_s = 5 if "silence" in faults else 60
    client = connect(config, engine.data_dir, purpose="writer", deadline_s=deadline_s)
    client.ping()
    server.faults = list(faults)
    with pytest.raises(Unavailable) as caught:
        insert(engine, client)
    assert caught.value.ambiguous
    assert sum(count_block(engine.writer, 7, 1, 3).values()) == stored
    insert(engine, client)
    client.close()
    assert count_block(engine.writer, 7, 1, 3) == {202611: 3}
    assert drift(engine.writer) == []


def test_a_server_that_is_down_is_no_error_of_connect_and_its_refusal_is_not_ambiguous(engine):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        client = connect(attrs.evolve(engine.config, url=url), engine.data_dir, purpose="writer")
        assert not client.ping()
        with pytest.raises(Unavailable) as caught:
            insert(engine, client)
        client.close()
    assert not caught.value.ambiguous
    assert "Connection refused" in str(caught.value)


def test_a_transport_error_does_not_repeat_the_statement_s_parameters(engine, client, server):
    client.ping()
    server.faults = ["reset before"] * 2
    with pytest.raises(Unavailable) as caught:
        client.operator_query("SELECT {path:String} AS p", {"path": "/private"})
    assert not re.search(r"private|param_|\?", str(caught.value))


def test_a_client_that_found_the_server_down_works_when_it_is_up(engine, client, server):
    server.faults = ["proxy 503"]
    assert not client.ping()
    assert client.ping()
    insert(engine, client)


def test_what_an_operator_must_correct_is_a_config_error_that_hides_the_url(engine, client, server):
    client.ping()
    server.faults = ["516"]
    with pytest.raises(ConfigError, match=r"ClickHouse refused \(516\): told to fail") as caught:
        insert(engine, client)
    assert "127.0.0.1" not in str(caught.value)


def test_rows_that_the_server_can_t_read_are_poison(engine, client):
    with pytest.raises(PoisonBlock, match="117"):
        client.insert_block(engine.payload([engine.row()])[:-1], rows=1, token="t")


def test_a_server_without_a_setting_that_exactly_once_needs_is_too_old(engine, client, server, monkeypatch):
    client.ping()
    monkeypatch.delitem(client._open().server_settings, "deduplicate_blocks_in_dependent_materialized_views")
    with pytest.raises(ConfigError, match="no setting deduplicate_blocks_in_dependent_materialized_views"):
        insert(engine, client)
    assert server.inserts == []


@pytest.mark.parametrize("client", ["reader"], indirect=True)
def test_a_reader_sends_bound_parameters_and_its_limits_with_each_statement(engine, client, server):
    from datetime import date

    engine.insert(engine.row())
    scope = Scope(1, TimeColumn.DAY, date(2026, 11, 1), date(2026, 11, 2))
    statement = where(scope).select("sum(pageviews) AS n", Table.HOURLY_VISITORS)
    assert client.query(statement) == [{"n": 1}]
    sql, params, _ = server.requests[-1]
    assert "{site_id:UInt32}" in sql
    assert params["param_site_id"] == "1"
    assert params["readonly"] == "1"
    assert {"max_execution_time", "max_memory_usage", "max_result_rows", "max_rows_to_read"} <= params.keys()


@pytest.mark.parametrize("client", ["reader"], indirect=True)
def test_a_query_over_its_limits_says_so(client, server):
    client.ping()
    server.faults = ["159"]
    with pytest.raises(LimitExceeded, match=r"exceeds its limits \(159\)"):
        client.operator_query("SELECT 1")


def test_the_password_is_in_no_repr_and_no_error(client, server):
    server.faults = ["516"]
    with pytest.raises(ConfigError) as caught:
        client.operator_query("SELECT 1")
    shown = [repr(client), repr(client._config), repr(client._address), str(caught.value), repr(caught.value)]
    for text in shown:
        assert "s3cret" not in text
    sent = {headers["Authorization"] for _, _, headers in server.requests}
    assert sent == {"Basic d3JpdGVyOnMzY3JldC93b3Jk"}  # writer:s3cret/word


def test_a_proxy_in_the_environment_is_not_followed(engine, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    client = connect(attrs.evolve(engine.config, url=server.url), engine.data_dir, purpose="writer")
    assert client.ping()
    client.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://:8123", "with a host"),
        ("http://h:port", "is no URL"),
        ("ftp://h", "must be http"),
        ("http://u:p#x@h", "percent-encoded|no URL"),
        ("http://h/?user=x", "must have no"),
    ],
)
def test_a_bad_url_is_refused_without_being_repeated(url, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        parse_url(url)
    assert url not in str(caught.value)


def test_ports_and_user_default_to_clickhouse_s():
    plain, tls = parse_url("http://h"), parse_url("https://u@h/proxy/")
    assert (plain.port, plain.username, plain.password, plain.path) == (8123, "default", "", "")
    assert (tls.port, tls.username, tls.path) == (8443, "u", "proxy")


def test_the_config_hides_the_url_too():
    assert "hunter2" not in repr(ClickHouseConfig(url="https://u:hunter2@h"))
