"""Fixtures that several folders of tests share."""

from __future__ import annotations

from tests.clickhouse_fixture import empty_engine, engine, engine_dir, make_row  # noqa: F401
