"""The ClickHouse node's pure parts: what a request means, and what chDB's errors say."""

from __future__ import annotations

import base64
import gzip
import zlib

import pytest

from chaos.clickhouse_node import encoding
from chaos.clickhouse_node.errors import DBError, read_error
from chaos.clickhouse_node.protocol import Login, read_statement
from chaos.clickhouse_node.sql import split
from chaos.service.httpd import Request

MIB = 1024 * 1024


def request(query="", body=b"", method="POST", **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, "/", query, names, body)


@pytest.mark.parametrize(
    ("text", "sql", "settings", "data_format", "data"),
    [
        (b"INSERT INTO t FORMAT MsgPack\n\x01\n", b"INSERT INTO t ", b"", "MsgPack", b"\x01\n"),
        (b"insert into t (a) format TSV\r\n1", b"insert into t (a) ", b"", "TSV", b"1"),
        (b"INSERT INTO t FORMAT TSV \n\n1", b"INSERT INTO t ", b"", "TSV", b"\n1"),
        (b"INSERT INTO t FORMAT Values (1)", b"INSERT INTO t ", b"", "Values", b"(1)"),
        (b"INSERT INTO t SETTINGS a = 1 FORMAT TSV\n", b"INSERT INTO t ", b"SETTINGS a = 1 ", "TSV", b""),
        (b"INSERT INTO `FORMAT` /* FORMAT x */ FORMAT TSV\nx", b"INSERT INTO `FORMAT` /* FORMAT x */ ", b"",
         "TSV", b"x"),
        (b"-- c\nINSERT INTO t (`a)`, format) FORMAT TSV\nx", b"-- c\nINSERT INTO t (`a)`, format) ", b"",
         "TSV", b"x"),
    ],
)  # fmt: skip
def test_an_insert_is_split_before_its_rows(text, sql, settings, data_format, data):
    query = split(text)
    assert (query.verb, query.sql, query.settings) == ("INSERT", sql, settings)
    assert (query.format, query.data) == (data_format, data)


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t VALUES (1, ';FORMAT TSV')",
        b"INSERT INTO t SELECT 'FORMAT TSV'",
        b"INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x",
        b"INSERT INTO t",
    ],
)
def test_an_insert_without_a_format_is_the_engines_whole(text):
    query = split(text)
    assert (query.sql, query.data) == (text, None)


@pytest.mark.parametrize(
    ("text", "answer_format"),
    [
        (b"SELECT 1 FORMAT JSON", "JSON"),
        (b"SELECT 1\n FORMAT Native;\n-- end", "Native"),
        (b"SELECT format('{}', 'FORMAT JSON') FROM (SELECT 1 FORMAT TSV)", ""),
        (b"WITH 1 AS x SELECT x FORMAT RowBinary SETTINGS max_threads = 1", "RowBinary"),
    ],
)
def test_the_format_of_an_answer_is_the_one_at_its_end(text, answer_format):
    query = split(text)
    assert query.format == answer_format
    assert query.answers_rows


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", 62),
        (b" -- nothing", 62),
        (b"SELECT 1; DROP TABLE t", 62),
        (b"INSERT INTO t FORMAT TSV; 1", 62),
        (b"INSERT INTO t SELECT 1; SELECT 2", 62),
        (b"SELECT 1 INTO OUTFILE 'x'", 358),
        (b"INSERT INTO t FROM INFILE 'x' FORMAT TSV", 78),
    ],
)
def test_what_a_server_refuses_is_refused(text, code):
    with pytest.raises(DBError) as caught:
        split(text)
    assert caught.value.code == code


def test_a_long_text_with_an_open_quote_takes_no_time():
    split(b"SELECT '" + b"a\\'" * 100_000)


def test_the_url_and_the_body_are_one_text_and_the_rest_are_settings():
    statement = read_statement(
        request(
            "query=INSERT+INTO+t+FORMAT+TSV&database=d&param_x=1&max_threads=2&wait_end_of_query=1&query_id=q",
            b"a\tb\n",
        ),
        MIB,
    )
    assert statement.query.data == b"a\tb\n"
    assert statement.database == "d"
    assert statement.parameters == {"x": "1"}
    assert statement.settings == {"max_threads": "2"}
    assert (statement.query_id, statement.reading) == ("q", False)


def test_a_form_is_read_and_its_tables_are_refused():
    kind = "multipart/form-data; boundary=xyz"
    form = (
        b'--xyz\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {a:String}\r\n'
        b'--xyz\r\ncontent-disposition: form-data; name="param_a"\r\n\r\nl\xc3\xa4ng\r\n--xyz--\r\n'
    )
    statement = read_statement(request(body=form, content_type=kind), MIB)
    assert statement.query.sql == b"SELECT {a:String}"
    assert statement.parameters == {"a": "l\u00e4ng"}
    table = form.replace(b'name="param_a"', b'name="t"; filename="t.tsv"')
    for body, code in ((table, 48), (form[:-6], 36), (b"", 36)):
        with pytest.raises(DBError) as caught:
            read_statement(request(body=body, content_type=kind), MIB)
        assert caught.value.code == code


def test_a_settings_name_is_an_identifier_or_unknown():
    with pytest.raises(DBError) as caught:
        read_statement(request("query=SELECT+1&max_threads+%3D+1,+readonly=0"), MIB)
    assert (caught.value.code, caught.value.status) == (115, 404)


@pytest.mark.parametrize("name", ["zstd", "lz4", "gzip", "deflate"])
def test_an_encoding_is_undone_frame_by_frame_within_its_limit(name):
    body = encoding.compress(b"a" * 1000, name)
    assert encoding.decompress(body, name, 1000) == b"a" * 1000
    assert encoding.decompress(body + body, name, 2000) == b"a" * 2000
    for wrong, limit in ((body, 999), (body[:-3], 1000), (b"not at all", 1000)):
        with pytest.raises(DBError) as caught:
            encoding.decompress(wrong, name, limit)
        assert caught.value.code == 271


def test_deflate_is_zlibs_and_an_unknown_encoding_is_not_implemented():
    assert encoding.decompress(zlib.compress(b"x"), "Deflate", 10) == b"x"
    assert gzip.decompress(encoding.compress(b"x", "gzip")) == b"x"
    with pytest.raises(DBError) as caught:
        encoding.decompress(b"", "snappy", 10)
    assert (caught.value.code, caught.value.status) == (48, 501)


def test_the_encoding_is_chosen_as_clickhouse_chooses():
    assert encoding.choose("gzip, deflate, lz4, zstd;q=0") == "zstd"
    assert encoding.choose("gzip, deflate") == "gzip"
    assert encoding.choose("identity") == ""


@pytest.mark.parametrize(
    ("headers", "query", "code"),
    [
        ({"x_clickhouse_user": "u", "x_clickhouse_key": "p"}, "", None),
        ({"authorization": "Basic " + base64.b64encode(b"u:p").decode()}, "", None),
        ({}, "user=u&password=p", None),
        ({}, "", 194),
        ({"x_clickhouse_user": "u", "x_clickhouse_key": "P"}, "", 516),
        ({"x_clickhouse_user": "v", "x_clickhouse_key": "p"}, "", 516),
        ({"authorization": "Basic !"}, "", 516),
        ({"authorization": "Bearer x"}, "", 516),
        ({"x_clickhouse_key": "p"}, "user=u", 516),
    ],
)
def test_a_login_is_one_of_three_ways(headers, query, code):
    login = Login("u", "p")
    assert "'p'" not in repr(login)
    if code is None:
        login.check(request(query, **headers))
        return
    with pytest.raises(DBError) as caught:
        login.check(request(query, **headers))
    assert caught.value.code == code


def test_chdbs_words_become_a_servers():
    error = read_error(
        "Code: 117. DB::Exception: Code: 117. DB::Exception: Cannot parse (at row 1)\n"
        ": (in file/uri /proc/self/fd/17): While executing MsgPackRowInputFormat: While executing File: "
        "data for INSERT was parsed from file. (INCORRECT_DATA) (version 26.9.2.1). (INCORRECT_DATA)"
    )
    assert (error.code, error.name, error.status) == (117, "INCORRECT_DATA", 400)
    assert error.body("26.9.2.1") == (
        b"Code: 117. DB::Exception: Cannot parse (at row 1): While executing MsgPackRowInputFormat. "
        b"(INCORRECT_DATA) (version 26.9.2.1 (official build))\n"
    )


def test_words_that_are_no_exception_of_clickhouse_are_its_unknown_one():
    error = read_error("std::bad_alloc")
    assert (error.code, error.status, error.text) == (1002, 500, "std::bad_alloc")
