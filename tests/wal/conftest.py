"""What the log's tests are given: a simulated disk, small segments, rows as the committer makes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chaos.sim.filesystem import Crash, SimFileSystem
from statnive.config import WalConfig
from statnive.wal.frame import row_suffix

KIB = 1024


@pytest.fixture
def sim() -> SimFileSystem:
    return SimFileSystem()


@pytest.fixture
def crash_error() -> BaseException:
    return Crash()


@pytest.fixture
def small() -> WalConfig:
    """Segments of 16 KiB: three frames of 4 KB each."""
    return WalConfig(segment_bytes=16 * KIB, size_bytes_max=640 * KIB)


@pytest.fixture
def make_rows() -> Callable[..., list[bytes]]:
    """Rows as the committer makes them: some text, then log id and LSN."""

    def make(log_id: int, first_lsn: int, count: int = 3, text_bytes: int = 20) -> list[bytes]:
        return [
            f"row {lsn}|".encode().ljust(text_bytes, b".") + row_suffix(log_id, lsn)
            for lsn in range(first_lsn, first_lsn + count)
        ]

    return make
