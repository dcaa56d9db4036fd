"""What the log does when a disk fails under it: it stops for good, and it never lies."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from statnive.config import WalConfig
from statnive.errors import Fatal
from statnive.wal.fs import RealFileSystem
from tests.wal.logs import (
    ALL_TIME,
    EVERYTHING,
    all_rows,
    append,
    fill_segment,
    open_log,
)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_failed_append_is_fatal_for_ever_and_never_flushed_again(
    sim: Any, small: WalConfig, make_rows: Any, call: str, code: int
) -> None:
    log, _ = open_log(sim, small)
    rows = append(log, make_rows)
    sim.fail_on(call, OSError(code, "injected"))
    with pytest.raises(Fatal, match="injected"):
        log.append(make_rows(log.log_id, 4), 1)
    sim.heal()
    calls = len(sim.calls)
    with pytest.raises(Fatal, match="injected"):
        log.append(make_rows(log.log_id, 4), 1)
    assert len(sim.calls) == calls
    assert log.durable_lsn == 3
    assert all_rows(log) == rows  # and nobody is shown what is not durable
    with pytest.raises(Fatal, match="injected"):
        log.close() or log.append(make_rows(log.log_id, 4), 1)


def test_a_short_write_is_fatal(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    sim.short_writes = True
    with pytest.raises(Fatal, match="short write"):
        log.append(make_rows(log.log_id, 1), 1)
    sim.short_writes = False
    with pytest.raises(Fatal, match="short write"):
        log.append(make_rows(log.log_id, 1), 1)


def test_an_append_that_anything_interrupts_is_the_last(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    sim.fail_on("fdatasync", MemoryError())
    with pytest.raises(MemoryError):
        log.append(make_rows(log.log_id, 1), 1)
    sim.heal()
    with pytest.raises(Fatal):
        log.append(make_rows(log.log_id, 1), 1)


@pytest.mark.parametrize("call", ["create", "pwrite", "fdatasync", "rename", "fsync_dir"])
def test_a_failed_rotation_is_fatal(sim: Any, small: WalConfig, make_rows: Any, call: str) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows, 1, 7000)
    sim.fail_on(call, OSError(errno.EIO, "injected"))
    with pytest.raises(Fatal, match="injected"):
        log.append(make_rows(log.log_id, 2, 1, 7000), 1)
    sim.heal()
    with pytest.raises(Fatal, match="injected"):
        log.append(make_rows(log.log_id, 2, 1, 7000), 1)


@pytest.mark.parametrize("call", ["create", "pwrite", "fdatasync", "rename", "fsync_dir"])
def test_a_failed_rotation_on_demand_is_fatal_too(
    sim: Any, small: WalConfig, make_rows: Any, call: str
) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows)
    sim.fail_on(call, OSError(errno.EIO, "injected"))
    with pytest.raises(Fatal, match="injected"):
        log.rotate()
    sim.heal()
    with pytest.raises(Fatal, match="injected"):
        append(log, make_rows)


def test_no_room_for_a_spare_refuses_events_in_time_and_loses_none(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    sim.fail_on("create", OSError(errno.ENOSPC, "disk full"))
    assert log.prepare_spare() is False
    assert "disk full" in log.spare_error
    assert not log.nearly_full  # the last segment has room
    append(log, make_rows, 1, 9500)
    assert log.nearly_full
    append(log, make_rows, 1, 100)
    sim.heal()
    assert log.prepare_spare() is True
    assert not log.nearly_full
    assert log.spare_error == ""


def test_a_spare_that_failed_half_way_leaves_no_file(sim: Any, small: WalConfig) -> None:
    log, _ = open_log(sim, small)
    names = set(sim.names)
    for call in ("pwrite", "fdatasync", "rename"):
        sim.fail_on(call, OSError(errno.ENOSPC, "disk full"))
        assert log.prepare_spare() is False
        assert set(sim.names) == names
    assert log.bytes_used == small.segment_bytes


def test_a_durable_frame_that_reads_back_wrong_is_fatal_and_counted_at_the_next_start(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    rows = append(log, make_rows) + append(log, make_rows)
    (path,) = (p for p in sim.names if p.name.endswith(".wal"))
    offset = sim.names[path].volatile.index(b"row 5|")
    sim.change(path, offset, b"R")
    with pytest.raises(Fatal, match="checksum"):
        log.read(1, **EVERYTHING)
    sim.restart()
    log, recovery = open_log(sim, small)
    (found,) = recovery.corruptions  # though it is the last frame, it does not pass for a torn one
    assert (found.first_lsn, found.last_lsn, found.lost_rows, recovery.torn_bytes) == (4, 6, 3, 0)
    assert log.next_lsn == 7
    rows = [*rows[:3], *append(log, make_rows)]
    assert all_rows(log) == rows


def test_a_right_frame_in_the_wrong_place_is_not_read(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows)
    (path,) = (p for p in sim.names if p.name.endswith(".wal"))
    first = bytes(sim.names[path].volatile[4096 : 4096 + 182])
    append(log, make_rows)
    sim.change(path, 4096 + len(first), first)  # a write that the disk misdirected
    with pytest.raises(Fatal, match="LSN 1 in place of 4"):
        log.read(1, **EVERYTHING)


@pytest.mark.parametrize("call", ["rename", "fsync_dir"])
def test_a_failed_trim_is_fatal(sim: Any, small: WalConfig, make_rows: Any, call: str) -> None:
    log, _ = open_log(sim, small)
    fill_segment(log, make_rows)
    sim.fail_on(call, OSError(errno.EIO, "injected"))
    with pytest.raises(Fatal, match="injected"):
        log.trim(log.durable_lsn, **ALL_TIME)


def test_a_log_that_cannot_be_read_back_is_fatal(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows)
    sim.fail_on("pread", OSError(errno.EIO, "injected"))
    with pytest.raises(Fatal, match="injected"):
        log.read(1, **EVERYTHING)
    with pytest.raises(Fatal, match="injected"):
        open_log(sim, small)


def test_an_lsn_inside_a_frame_is_fatal_not_a_part_of_it(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows)
    with pytest.raises(Fatal, match="inside the frame"):
        log.read(2, **EVERYTHING)


def test_a_closed_log_takes_nothing_and_gives_its_descriptors_back(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    rows = append(log, make_rows)
    all_rows(log)
    log.close()
    assert not sim.fds
    with pytest.raises(Fatal, match="closed"):
        log.append(make_rows(log.log_id, 4), 1)
    log, recovery = open_log(sim, small)
    assert (recovery.rows, recovery.frames, recovery.log_is_new) == (3, 1, False)
    assert all_rows(log) == rows


def test_a_log_on_a_real_disk_is_readable_by_its_owner_only(
    tmp_path: Path, small: WalConfig, make_rows: Any
) -> None:
    folder = tmp_path / "data" / "wal"
    log, _ = open_log(RealFileSystem(), small, folder=folder)
    rows = fill_segment(log, make_rows)
    log.prepare_spare()
    log.close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o600}
    log, _ = open_log(RealFileSystem(), small, folder=folder)
    assert all_rows(log) == rows
    log.close()
