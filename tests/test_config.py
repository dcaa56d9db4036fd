"""What the settings must agree on."""

from __future__ import annotations

import pytest

from statnive import config
from statnive.errors import ConfigError


def test_the_log_holds_every_open_visit() -> None:
    with pytest.raises(
        ConfigError, match=r"^wal.keep_s = 1799.0: must be at least ingest.visit_inactivity_s \(1800\)"
    ):
        config.load(None, {"STATNIVE_WAL_KEEP_S": "1799"}, {})
    both = {"STATNIVE_WAL_KEEP_S": "60", "STATNIVE_INGEST_VISIT_INACTIVITY_S": "60"}
    assert config.load(None, both, {}).wal.keep_s == 60
    with pytest.raises(ConfigError):
        config.load(None, {"STATNIVE_INGEST_VISIT_INACTIVITY_S": "3600"}, {})
