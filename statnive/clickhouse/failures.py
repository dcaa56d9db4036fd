"""Foreign errors into statnive's: the one place where a driver's or an engine's exception gets its meaning.

What counts is what the caller must do. Unknown codes are Retryable: the same block is sent again under the
same token, so that nothing is lost or doubled by trying, while a wrong PoisonBlock would set good rows aside.
"""

from __future__ import annotations

import re
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError, Error
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError

from statnive.errors import ConfigError, Retryable, StatniveError
from statnive.errors import PoisonBlock as PoisonBlock

DETAIL_CHARS_MAX: Final = 300

# What FORMAT MsgPack raises for bytes or types it can't read, before anything is written (found by
# experiment: 44 wrong type, 117 cut, surplus or undecodable bytes, 131 too long for FixedString), and the
# codes of neighbouring parsers. Not 62 (syntax): the statement is ours, and a server that doesn't know it
# would have every event set aside.
POISON_CODES: Final = frozenset({6, 26, 27, 33, 38, 41, 44, 53, 69, 70, 72, 117, 128, 130, 131, 321})
# Wrong password or user, no rights, no such database, table or column, a constraint of the profile: an operator must
# correct something.
CONFIG_CODES: Final = frozenset({16, 60, 81, 115, 164, 192, 193, 194, 291, 452, 492, 497, 516})
# A statement met its own limit of rows, bytes, memory or time.
LIMIT_CODES: Final = frozenset({158, 159, 160, 241, 307, 396})
BAD_ARGUMENTS: Final = 36

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NOISE = re.compile(r"\(version [^()]*(?:\([^()]*\))?\)|\(for url [^()]*\)")
_PREFIX = re.compile(r"^.*?DB::Exception: (?:Code: \d+\. DB::Exception: )*")


class Unavailable(Retryable):
    """ClickHouse could not be reached or failed for now. `ambiguous`: the statement may have been carried
    out.
    """

    def __init__(self, text: str, *, ambiguous: bool, code: int | None = None) -> None:
        super().__init__(text)
        self.ambiguous, self.code = ambiguous, code


class LimitExceeded(Unavailable):
    """A statement read, took or returned more than it may: ask for less, or raise the limit."""


def describe(error: BaseException) -> str:
    """One short line, without control characters: what an operator may see and a log may hold.

    A transport's error is told by its root: the outer ones repeat the request's URL with its parameters.
    """
    text = _CONTROL.sub(" ", str(_root(error))).strip()
    text = _PREFIX.sub("", _NOISE.sub("", text)).strip()
    return text[:DETAIL_CHARS_MAX] or type(error).__name__


def translate(error: Exception, *, inserting: bool) -> StatniveError:
    """The StatniveError that `error`, raised by a driver, means. `inserting`: rows were being sent."""
    if isinstance(error, StatniveError):
        return error
    code = error.code if isinstance(error, Error) else None
    detail = describe(error)
    if code is None:
        return Unavailable(f"ClickHouse: {detail}", ambiguous=inserting and not _never_connected(error))
    if code in CONFIG_CODES:
        return ConfigError("clickhouse.url", "(hidden)", f"ClickHouse refused ({code}): {detail}")
    if inserting and (code in POISON_CODES or (code == BAD_ARGUMENTS and "MsgPack" in detail)):
        return PoisonBlock(f"ClickHouse can't read the rows ({code}): {detail}")
    if code in LIMIT_CODES and not inserting:
        return LimitExceeded(f"the query exceeds its limits ({code}): {detail}", ambiguous=False, code=code)
    # Even an error before the first part can be one of a view's table after raw's part is in place.
    return Unavailable(f"ClickHouse failed ({code}): {detail}", ambiguous=inserting, code=code)


FOREIGN: Final = (ClickHouseError, HTTPError, OSError)


def _never_connected(error: BaseException) -> bool:
    """True when the failure shows that no byte of the statement was sent."""
    return isinstance(_root(error), (NewConnectionError, ConnectTimeoutError))


def _root(error: BaseException) -> BaseException:
    """The transport's error at the bottom of a driver's; anything else is its own root."""
    if isinstance(error, MaxRetryError) and error.reason is not None:
        return _root(error.reason)
    return _root(error.__cause__) if isinstance(error.__cause__, HTTPError) else error
