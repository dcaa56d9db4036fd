"""The read-only user of a ClickHouse server, whom dashboards read as: `clickhouse.reader_user`.

`settings_for` looks at what the server says of the user's settings and tells which ones go with each statement. A user
with readonly = 1 may change none, so that the profile must hold every limit; with readonly = 2 statnive sends its own.
docs/operating.md has the statements that make one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from statnive.clickhouse.settings import reader_settings
from statnive.config import ClickHouseConfig
from statnive.errors import ConfigError
from statnive.secret_files import refuse_if_open

# 0 means "no limit" for each of them.
LIMITS: Final = ("max_execution_time", "max_memory_usage", "max_rows_to_read", "max_result_rows")
# "break" would cut an answer short and call it whole.
OVERFLOW_MODES: Final = ("timeout_overflow_mode", "read_overflow_mode", "result_overflow_mode")
_SEE: Final = 'see "A read-only user" in docs/operating.md'


def read_password(config: ClickHouseConfig) -> str:
    """The reader's password: the file's text, without the line's end. Raises BrokenInput for a file that others can
    read, and ConfigError for one that we can't.
    """
    if not config.reader_password_file:
        return ""
    refuse_if_open(Path(config.reader_password_file), group_may_read=True)
    try:
        return Path(config.reader_password_file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(
            "clickhouse.reader_password_file",
            config.reader_password_file,
            f"must be a readable file that holds the password: {why}",
        ) from None


def settings_for(config: ClickHouseConfig, found: Mapping[str, str]) -> dict[str, str]:
    """What each statement of the reader is sent with, given `found`: the user's settings by name, as system.settings
    has them. Raises ConfigError when the user could write, or could read without limits.
    """
    level = found.get("readonly", "0")
    if level not in ("1", "2"):
        raise _bad(
            config, f"must be read-only, and its profile has readonly = {level}: it could write; {_SEE}"
        )
    if level == "2":
        ours = reader_settings(config)
        del ours["readonly"]  # which it has, and may not change
        return {name: _tighter(name, value, found.get(name, "0")) for name, value in ours.items()}
    for name in LIMITS:
        if _as_number(found.get(name, "0")) <= 0:
            raise _bad(config, f"must have a limit {name} in its profile (readonly = 1), more than 0; {_SEE}")
    for name in OVERFLOW_MODES:
        if found.get(name, "throw") != "throw":
            raise _bad(config, f"must have {name} = 'throw' in its profile, and not {found[name]!r}; {_SEE}")
    return {}


def _tighter(name: str, ours: str, theirs: str) -> str:
    """The smaller of two limits: the profile may constrain what a statement asks for."""
    if name in LIMITS and 0 < _as_number(theirs) < _as_number(ours):
        return theirs
    return ours


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _bad(config: ClickHouseConfig, allowed: str) -> ConfigError:
    return ConfigError("clickhouse.reader_user", config.reader_user, allowed)
