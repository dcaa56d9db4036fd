"""The error tree: named by what the caller must do. Expected outcomes of the hot path are values, not errors."""

from __future__ import annotations


class StatniveError(Exception):
    """Anything this product raises on purpose; its text is fit to show to an operator."""


class ConfigError(StatniveError):
    """A setting is wrong: correct it and start again."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key} = {value!r}: {allowed}")
        self.key, self.value, self.allowed = key, value, allowed


class Rejected(StatniveError):  # noqa: N818 - named by what happened to the input
    """An input breaks a rule: change the field named and send it again."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class Overloaded(StatniveError):  # noqa: N818
    """There is no room now: come back after `retry_after_s` seconds."""

    def __init__(self, reason: str, retry_after_s: int = 1) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Retryable(StatniveError):  # noqa: N818
    """The world failed for now (network, ClickHouse down): try the same thing again later."""


class PoisonBlock(StatniveError):  # noqa: N818
    """ClickHouse understood the rows and refuses them for ever: find the bad one and set it aside."""


class Busy(StatniveError):  # noqa: N818
    """Another process holds the thing (data directory, port): stop it, or use another."""


class Fatal(StatniveError):  # noqa: N818
    """Going on could lose or double an event: the process must end, and replays at its next start."""


class BrokenInput(StatniveError):  # noqa: N818
    """A file given by the operator can't be read as what it should be (GeoIP database, log, table)."""
