"""Fixtures that several folders of tests share, and how hypothesis runs here."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.clickhouse_fixture import empty_engine, engine, engine_dir, make_row  # noqa: F401

# Two busy cores: time says nothing about a property. The same examples each time: what CI says must depend on the
# change alone; `make fuzz` looks for new ones.
settings.register_profile(
    "statnive", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("statnive")
