"""What each foreign error means to the caller."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from statnive.clickhouse.failures import LimitExceeded, Unavailable, describe, translate
from statnive.errors import ConfigError, Fatal, PoisonBlock, Retryable


def refused(code: int, text: str = "told to fail") -> DatabaseError:
    return DatabaseError(f"Code: {code}. DB::Exception: {text}. (TOLD)", code=code)


@pytest.mark.parametrize("code", [16, 60, 81, 115, 192, 193, 194, 497, 516])
@pytest.mark.parametrize("inserting", [True, False])
def test_what_an_operator_must_correct_is_a_config_error(code, inserting):
    assert isinstance(translate(refused(code), inserting=inserting), ConfigError)


@pytest.mark.parametrize("code", [6, 27, 33, 44, 53, 70, 72, 117, 131])
def test_what_the_rows_themselves_cause_is_poison_for_an_insert_only(code):
    assert isinstance(translate(refused(code), inserting=True), PoisonBlock)
    assert isinstance(translate(refused(code), inserting=False), Retryable)


def test_bad_arguments_are_poison_only_when_the_rows_are_meant():
    unsupported = refused(36, "Unsupported MsgPack extension type: 1")
    assert isinstance(translate(unsupported, inserting=True), PoisonBlock)
    assert isinstance(translate(refused(36, "bad setting"), inserting=True), Retryable)


@pytest.mark.parametrize("code", [62, 159, 202, 209, 210, 216, 241, 242, 252, 319, 999, 1001])
def test_everything_else_of_an_insert_is_tried_again_and_is_ambiguous(code):
    error = translate(refused(code), inserting=True)
    assert isinstance(error, Unavailable)
    assert error.ambiguous
    assert error.code == code


@pytest.mark.parametrize("code", [158, 159, 160, 241, 307, 396])
def test_a_query_over_its_limits_says_so(code):
    assert isinstance(translate(refused(code), inserting=False), LimitExceeded)


def transport(cause: Exception) -> OperationalError:
    error = OperationalError("Error executing HTTP request")
    error.__cause__ = cause
    return error


URL = "/?database=d&param_path=%2Fprivate"
REFUSED = MaxRetryError(None, URL, NewConnectionError(None, "Connection refused"))  # type: ignore[arg-type]
SILENCE = MaxRetryError(None, URL, ReadTimeoutError(None, URL, "Read timed out."))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cause", "ambiguous"), [(REFUSED, False), (SILENCE, True), (ProtocolError("Connection aborted."), True)]
)
def test_a_transport_failure_is_ambiguous_unless_nothing_was_sent(cause, ambiguous):
    error = translate(transport(cause), inserting=True)
    assert isinstance(error, Unavailable)
    assert error.ambiguous is ambiguous
    assert "private" not in str(error)


def test_a_full_disk_is_tried_again():
    assert isinstance(translate(OSError(28, "No space left on device"), inserting=True), Retryable)


def test_our_own_errors_stay_what_they_are():
    error = Fatal("disk")
    assert translate(error, inserting=True) is error


def test_a_description_is_one_short_line_without_versions_urls_and_control_characters():
    text = "Received ClickHouse exception, code: 6, server response: Code: 6. DB::Exception: "
    text += "Code: 6. DB::Exception: bad\nthing\x1b[31m (at row 3). (CANNOT_PARSE_TEXT) "
    text += "(version 26.9.2.1 (official build)) (for url http://h:1)"
    assert describe(DatabaseError(text)) == "bad thing [31m (at row 3). (CANNOT_PARSE_TEXT)"
    assert len(describe(DatabaseError("x" * 1_000))) == 300
    assert describe(DatabaseError()) == "DatabaseError"
