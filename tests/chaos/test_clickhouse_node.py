"""The ClickHouse node, whole: what the product's client, clickhouse-connect, the npm client and bare HTTP see of it."""

from __future__ import annotations

import gzip
import http.client
import itertools
import json
import socket
import struct
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode

import attrs
import clickhouse_connect
import lz4.frame
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from chaos.clickhouse_node import ClickHouseNode
from statnive.clickhouse.client import connect
from statnive.clickhouse.failures import LimitExceeded
from statnive.clickhouse.migrate import migrate
from statnive.clickhouse.rows import RowEncoder, suffix
from statnive.clickhouse.verify import count_block, rollup_drift_rows
from statnive.config import ClickHouseConfig
from statnive.errors import ConfigError, PoisonBlock
from tests.clickhouse_fixture import SQL_DIR, a_row

NPM = Path(__file__).parent / "npm"
SECRET = "s3c/r:t"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with ClickHouseNode(tmp_path_factory.mktemp("node"), password=SECRET) as running:
        running.start()
        yield running


@pytest.fixture
def database():
    return f"d{next(numbers)}"


@pytest.fixture
def clients(node, database):
    """Makes the product's own clients."""
    config = ClickHouseConfig(url=node.url, database=database)
    made = []

    def make(purpose, **changed):
        made.append(connect(attrs.evolve(config, **changed), Path("/nonexistent"), purpose=purpose))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="module")
def client(node):
    made = clickhouse_connect.get_client(
        host="127.0.0.1", port=node.port, password=SECRET, autogenerate_session_id=False
    )
    yield made
    made.close()


@pytest.fixture
def driver(client, database):
    """clickhouse-connect's own HTTP client, in a database with a table t (n, s)."""
    client.database = None
    client.command(f"CREATE DATABASE {database} ENGINE = Atomic")
    client.command(f"CREATE TABLE {database}.t (n UInt32, s String) ENGINE = MergeTree ORDER BY n")
    client.database = database
    return client


# A statement must still run when another one ends. A busy machine may take its time with that one: then a longer one.
SLEEPS_S = (0.6, 1.5, 3, 3, 3)


def a_connection(node):
    return closing(http.client.HTTPConnection("127.0.0.1", node.port, timeout=60))


def ask(node, query="", body=None, headers=None, method="POST", **parameters):
    """A bare request; returns status, headers (lower case), body."""
    login = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": SECRET}
    path = "/?" + urlencode({"query": query, **parameters}, quote_via=quote)
    with a_connection(node) as connection:
        connection.request(method, path, body=body, headers=login if headers is None else headers)
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, names, answer.read()


def payload(rows):
    encoder = RowEncoder()
    return b"".join(encoder.encode(row) + suffix(7, lsn) for lsn, row in enumerate(rows, 1))


# The product's client


def test_the_product_migrates_inserts_and_counts_each_block_once(clients):
    assert migrate(clients("admin"), SQL_DIR)
    assert migrate(clients("admin"), SQL_DIR) == []
    rows = [a_row(pathname=f"/{number % 50}", visitor=bytes([number % 250]) * 16) for number in range(5_000)]
    block = payload(rows)
    writer = clients("writer")
    for _ in range(3):
        writer.insert_block(block, rows=len(rows), token="7:1-5000")
    assert count_block(writer, 7, 1, 5_000) == {202611: 5_000}
    assert rollup_drift_rows(writer) == 0
    reader = clients("reader")
    found = reader.operator_query(
        f"SELECT pathname, count() AS n FROM {reader.database}.events_raw "
        "WHERE site_id = {site:UInt32} AND pathname = {path:String} GROUP BY pathname",
        {"site": 1, "path": "/7"},
    )
    assert found == [{"pathname": "/7", "n": 100}]


@pytest.mark.parametrize(
    ("bad", "code"),
    [(b"\xc1", 117), (b"\xa1x", 44), (payload([a_row()])[:-3], 117)],
    ids=["byte", "type", "cut"],
)
def test_bytes_that_are_no_rows_are_poison(clients, bad, code):
    migrate(clients("admin"), SQL_DIR)
    with pytest.raises(PoisonBlock, match=str(code)):
        clients("writer").insert_block(payload([a_row()]) + bad, rows=2, token="p")
    assert count_block(clients("writer"), 7, 0, 2**63) == {}


def test_a_reader_changes_nothing_and_has_limits(clients):
    migrate(clients("admin"), SQL_DIR)
    reader = clients("reader", query_deadline_s=0.5)
    with pytest.raises(ConfigError, match="164"):
        reader.operator_query(f"TRUNCATE TABLE {reader.database}.events_raw")
    with pytest.raises(LimitExceeded, match="396|158"):
        reader.operator_query("SELECT number FROM system.numbers LIMIT 100000")


def test_a_wrong_password_and_a_missing_database_are_matters_of_configuration(node, clients):
    with pytest.raises(ConfigError, match="516") as caught:
        clients("admin", url=f"http://default:wrong@127.0.0.1:{node.port}").command("SELECT 1")
    assert "wrong" not in str(caught.value)
    with pytest.raises(ConfigError, match="81"):
        clients("writer").operator_query("SELECT 1 AS one")


# clickhouse-connect's client


def test_values_bound_to_a_query_arrive_as_they_were(driver):
    awkward = "it's\ta \\ \n {x:y} \u20ac"
    answer = driver.query(
        "SELECT {text:String}, {list:Array(String)}, {number:Int64}",
        parameters={"text": awkward, "list": [awkward, ""], "number": -(2**63)},
    )
    assert answer.result_rows == [(awkward, [awkward, ""], -(2**63))]


def test_parameters_too_long_for_an_url_come_as_a_form(driver):
    long = ["x" * 1_000] * 50
    assert driver.query("SELECT length({list:Array(String)})", parameters={"list": long}).result_rows == [
        (50,)
    ]


def test_types_survive_the_native_format(driver):
    sql = (
        "SELECT toUInt64(number) AS n, toString(number) AS s, toDate('2026-11-01') AS d, "
        "map('k', number) AS m, toLowCardinality('x') AS l, [number] AS a, toDecimal64(1.5, 2) AS e "
        "FROM numbers(100000)"
    )
    answer = driver.query(sql)
    assert answer.row_count == 100_000
    assert answer.result_rows[99_999][:2] == (99_999, "99999")
    assert answer.result_rows[7][3:6] == ({"k": 7}, "x", [7])
    assert driver.query("SELECT n FROM t").result_rows == []
    assert driver.query("SELECT n, s FROM t LIMIT 0").column_names == ("n", "s")


def test_inserts_of_all_kinds_and_encodings_arrive(driver):
    driver.insert("t", [[1, "a"], [2, "b"]], column_names=["n", "s"])  # Native, LZ4
    summary = driver.raw_insert("t", ["n", "s"], b"\x03\xa1c", fmt="MsgPack").summary
    assert summary["written_rows"] == "1"
    driver.raw_insert("t", ["n", "s"], gzip.compress(b"4\td\n"), fmt="TSV", compression="gzip")
    frames = lz4.frame.compress(b"5\te\n") + lz4.frame.compress(b"6\tf\n")
    driver.raw_insert("t", ["n", "s"], frames, fmt="TSV", compression="lz4")
    driver.command("INSERT INTO t VALUES (7, 'g;)''')")
    driver.command("INSERT INTO t SELECT 8, 'FORMAT'")
    rows = driver.query("SELECT n, s FROM t ORDER BY n").result_rows
    assert rows == [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f"), (7, "g;)'"), (8, "FORMAT")]


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip", "deflate"])
def test_answers_come_in_the_encoding_that_was_asked_for(node, encoding):
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=node.port, password=SECRET, autogenerate_session_id=False, compress=encoding
    )
    assert client.query("SELECT number FROM numbers(1000)").result_rows[-1] == (999,)
    client.close()
    headers = {"X-ClickHouse-Key": SECRET, "X-ClickHouse-User": "default", "Accept-Encoding": encoding}
    answer = ask(node, "SELECT 1", headers=headers, enable_http_compression=1, body="")
    assert answer[1]["content-encoding"] == encoding


def test_settings_of_one_statement_are_not_the_next_ones(driver):
    asked = "SELECT getSetting('max_threads')"
    before = driver.query(asked).result_rows
    assert driver.query(asked, settings={"max_threads": 7}).result_rows == [(7,)]
    assert driver.query(asked).result_rows == before


def test_a_session_is_refused(driver):
    with pytest.raises(DatabaseError, match="Session abc not found"):
        driver.query("SELECT 1", settings={"session_id": "abc"})


# Bare HTTP


def test_health_needs_no_login(node):
    with a_connection(node) as connection:
        for path in ("/ping", "/"):
            connection.request("GET", path)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"Ok.\n")
        connection.request("GET", "/nothing")
        assert connection.getresponse().status == 404


def test_an_answer_has_clickhouses_headers(node):
    status, headers, body = ask(node, "SELECT 1 AS one FORMAT JSONCompact", body="", query_id="q-1")
    assert status == 200
    assert json.loads(body)["data"] == [[1]]
    assert headers["x-clickhouse-query-id"] == "q-1"
    assert headers["x-clickhouse-format"] == "JSONCompact"
    assert headers["content-type"] == "application/json; charset=UTF-8"
    assert headers["x-clickhouse-timezone"]
    assert headers["x-clickhouse-server-display-name"]
    assert headers["keep-alive"].startswith("timeout=30")
    assert json.loads(headers["x-clickhouse-summary"])["result_rows"] == "1"


ERRORS = [
    ("SELEC 1", 400, 62),
    ("", 400, 62),
    ("SELECT 1; SELECT 2", 400, 62),
    ("SELECT * FROM nowhere", 404, 60),
    ("SELECT 1 FROM nodatabase.t", 404, 81),
    ("SELECT nofunction()", 404, 46),
    ("SELECT nocolumn", 404, 47),
    ("SELECT 1 SETTINGS nosetting = 1", 404, 115),
    ("SELECT 1 FORMAT NoFormat", 404, 73),
    ("SELECT throwIf(1)", 500, 395),
    ("SELECT {x:UInt8}", 500, 456),
    ("SELECT toDate('x')", 400, 38),
    ("SELECT 1 INTO OUTFILE '/tmp/x'", 500, 358),
    ("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT TSV", 404, 78),
    (
        "SELECT sleepEachRow(0.2) FROM numbers(9) SETTINGS max_execution_time = 0.1, max_block_size = 1",
        408,
        159,
    ),
]


@pytest.mark.parametrize(("sql", "status", "code"), ERRORS)
def test_an_error_has_clickhouses_status_code_and_words(node, sql, status, code):
    answer = ask(node, body=sql)
    assert (answer[0], answer[1]["x-clickhouse-exception-code"]) == (status, str(code)), answer[2]
    text = answer[2].decode()
    assert text.startswith(f"Code: {code}. DB::Exception: ")
    assert text.count("DB::Exception") == 1
    assert text.rstrip().endswith("(official build))")


def test_a_get_changes_nothing(node, driver):
    for sql in (f"DROP TABLE {driver.database}.t", f"INSERT INTO {driver.database}.t VALUES (1, 'x')"):
        status, headers, _ = ask(node, sql, method="GET")
        assert (status, headers["x-clickhouse-exception-code"]) == (500, "164")
    assert ask(node, "SELECT 1 + 1", method="GET")[2] == b"2\n"


def test_a_post_without_a_length_is_refused(node):
    with a_connection(node) as connection:
        connection.putrequest("POST", "/?query=SELECT+1")
        connection.endheaders()
        assert connection.getresponse().status == 411


def test_a_login_is_needed_and_comes_in_three_ways_one_at_a_time(node):
    assert ask(node, "SELECT 1", headers={})[0] == 401
    assert ask(node, "SELECT 1", headers={"X-ClickHouse-Key": "wrong"})[0] == 403
    assert ask(node, "SELECT 1", headers={"Authorization": "Bearer x"})[0] == 403
    assert ask(node, "SELECT 1", headers={}, user="default", password=SECRET)[0] == 200
    assert ask(node, "SELECT 1", password=SECRET)[0] == 403, "two ways at once"


def test_a_connection_is_kept_for_the_next_request_after_an_error_too(node):
    with a_connection(node) as connection:
        for sql, status in (("SELECT 1", 200), ("SELEC", 400), ("SELECT 2", 200)):
            connection.request(
                "POST", "/", body=sql, headers={"X-ClickHouse-Key": SECRET, "X-ClickHouse-User": "default"}
            )
            used = connection.sock
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
            assert connection.sock is used


def test_what_is_no_http_is_answered_and_ends_its_connection_only(node):
    with socket.create_connection(("127.0.0.1", node.port), timeout=60) as connection:
        connection.sendall(b"\x16\x03\x01 not http\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
    assert ask(node, "SELECT 1", body="")[0] == 200


def test_a_client_that_asks_first_is_told_to_go_on(node):
    head = (
        "POST /?query=SELECT+1&user=default&password=s3c%2Fr%3At HTTP/1.1\r\nHost: x\r\n"
        "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", node.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(b"+1")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_statements_run_side_by_side(node, driver):
    for seconds in SLEEPS_S:
        slow = threading.Thread(target=ask, args=(node, f"SELECT sleep({seconds})"), kwargs={"body": ""})
        slow.start()
        driver.command("TRUNCATE TABLE t")
        for number in range(5):
            driver.raw_insert("t", ["n", "s"], struct.pack(">B", number) + b"\xa1x", fmt="MsgPack")
        assert driver.query("SELECT count() FROM t").result_rows == [(5,)]
        if slow.is_alive():
            slow.join()
            return
    pytest.fail("the inserts waited for the slow query")


def test_a_query_id_that_runs_is_refused_a_second_time(node):
    codes = []
    for seconds in SLEEPS_S:
        first = threading.Thread(
            target=ask, args=(node, f"SELECT sleep({seconds})"), kwargs={"body": "", "query_id": "same"}
        )
        first.start()
        while first.is_alive() and not node.counters()["in_flight"]:
            time.sleep(0.005)
        headers = ask(node, "SELECT 1", body="", query_id="same")[1]
        codes.append(headers.get("x-clickhouse-exception-code"))
        first.join()
        if codes[-1]:
            break
    assert codes[-1] == "216"
    assert ask(node, "SELECT 1", body="", query_id="same")[0] == 200


def test_the_npm_client_works_against_it(node, database):
    if not (NPM / "node_modules" / "@clickhouse").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=NPM, check=True)
    ran = subprocess.run(
        ["node", "client.mjs", node.url, database], cwd=NPM, capture_output=True, text=True, timeout=180
    )
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    assert seen["ping"] == seen["ping_by_select"] == {"success": True}
    assert seen["query_id"] == "by-hand"
    assert seen["json"] == [{"text": "it's\ta \\ {test}", "list": [1, 2], "day": "2026-11-01", "threads": 3}]
    assert seen["headers"]["x-clickhouse-query-id"] == "by-hand"
    assert seen["headers"]["x-clickhouse-format"] == "JSON"
    assert seen["long_parameters"] == [{"length": 20_000}]
    assert seen["written_rows"] == "2"
    assert seen["content_encoding"] == "gzip"
    assert seen["rows"] == [
        [1, "6F6E65"], [2, "74776F"], [3, "7468726565"], [4, "666F7572"], [5, "FF0A27"], [6, "78"]
    ]  # fmt: skip
    found = {name: (error["code"], error["type"]) for name, error in seen["errors"].items()}
    assert found == {
        "syntax": ("62", "SYNTAX_ERROR"),
        "table": ("60", "UNKNOWN_TABLE"),
        "setting": ("115", "UNKNOWN_SETTING"),
        "bytes": ("117", "INCORRECT_DATA"),
        "session": ("372", "SESSION_NOT_FOUND"),
    }
