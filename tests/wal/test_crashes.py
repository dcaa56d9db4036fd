"""Crashes and errors at every call: what was acknowledged is there exactly once."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import Any

import pytest

from statnive.config import WalConfig
from statnive.errors import Fatal
from statnive.wal.fs import RealFileSystem
from statnive.wal.log import Log
from tests.wal.logs import (
    ALL_TIME,
    FIRST,
    FOLDER,
    all_rows,
    append,
    extent,
    fill_segment,
    open_log,
    segments_of,
)


def work(log: Log, make_rows: Any, acknowledged: list[bytes]) -> None:
    """Appends over several rotations, with spares and trimming; what is acknowledged is noted at once."""
    for number in range(9):
        rows = make_rows(log.log_id, log.next_lsn, 2, (2500, 300, 4000)[number % 3])
        log.append(rows, number)
        acknowledged.extend(rows)
        if number % 4 == 1:
            log.prepare_spare()
        if number == 6:
            log.trim(CHECKPOINT, keep_since_us=2**62)


def check_after(disk: Any, config: WalConfig, make_rows: Any, acknowledged: list[bytes]) -> None:
    """All that was acknowledged is there exactly once, in order, and the log goes on."""
    log, recovery = Log.open(FOLDER, config=config, fs=disk, checkpoint_lsn=CHECKPOINT)
    assert recovery.corruptions == ()
    expected = acknowledged
    rows = all_rows(log, CHECKPOINT + 1)
    assert rows[: len(expected)] == expected
    unacknowledged = rows[len(expected) :]
    assert len(unacknowledged) in (0, 2)  # at most the one frame that nobody heard of
    assert recovery.rows == len(rows)
    assert log.next_lsn == CHECKPOINT + len(rows) + 1
    more = append(log, make_rows, 1, 3000) + append(log, make_rows, 1, 3000)
    assert all_rows(log, CHECKPOINT + 1) == rows + more


CHECKPOINT = 7


def prepared(sim: Any, small: WalConfig, make_rows: Any) -> None:
    """Three segments, of which the last has one frame and the first is recycled."""
    log, _ = open_log(sim, small)
    fill_segment(log, make_rows)
    fill_segment(log, make_rows)
    log.trim(4, **ALL_TIME)
    log.close()
    assert log.durable_lsn == CHECKPOINT


def test_a_crash_at_any_call_keeps_what_was_acknowledged_exactly_once(
    sim: Any, small: WalConfig, make_rows: Any, crash_error: BaseException
) -> None:
    prepared(sim, small, make_rows)
    finished, number = False, 0
    while not finished:
        number += 1
        for seed in range(6):
            disk, acknowledged = sim.copy(), []
            log, _ = Log.open(FOLDER, config=small, fs=disk, checkpoint_lsn=4)
            disk.fail_at(number, crash_error)
            try:
                work(log, make_rows, acknowledged)
                finished = True
            except type(crash_error):
                pass
            disk.crash(random.Random(seed * 1000 + number))
            check_after(disk, small, make_rows, acknowledged)
    assert number > 30
    assert len(acknowledged) == 18


@pytest.mark.parametrize("power_cut", [False, True])
def test_an_error_at_any_call_keeps_what_was_acknowledged_exactly_once(
    sim: Any, small: WalConfig, make_rows: Any, power_cut: bool
) -> None:
    prepared(sim, small, make_rows)
    calls, number = 1, 0
    while number < calls:
        number += 1
        disk, acknowledged = sim.copy(), []
        log, _ = Log.open(FOLDER, config=small, fs=disk, checkpoint_lsn=4)
        before = len(disk.calls)
        disk.fail_at(number, OSError(errno.EIO, "injected"))
        try:
            work(log, make_rows, acknowledged)
            calls = len(disk.calls) - before  # a spare that could not be made stops nothing
        except Fatal:
            calls = number + 1
        disk.restart()
        if power_cut:
            disk.crash(random.Random(number))
        check_after(disk, small, make_rows, acknowledged)


def test_a_segment_whose_name_was_only_in_memory_is_kept_once_rows_are_in_it(
    sim: Any, small: WalConfig, make_rows: Any, crash_error: BaseException
) -> None:
    for seed in range(10):
        disk = sim.copy()
        log, _ = open_log(disk, small)
        rows = append(log, make_rows, 1, 7000)
        log.prepare_spare()
        disk.fail_on("fsync_dir", crash_error)
        with pytest.raises(type(crash_error)):
            log.append(make_rows(log.log_id, 2, 1, 7000), 1)
        disk.restart()  # the process was killed, the machine goes on
        log, _ = open_log(disk, small)
        assert log.segments == 2
        rows += append(log, make_rows, 1)
        disk.crash(random.Random(seed))
        log, _ = open_log(disk, small)
        assert all_rows(log) == rows


def test_a_recycled_segment_without_a_frame_is_clean(
    sim: Any, small: WalConfig, make_rows: Any, crash_error: BaseException
) -> None:
    log, _ = open_log(sim, small)
    for _ in range(40):
        append(log, make_rows, 1, 100)
    fill_segment(log, make_rows)
    checkpoint = log.durable_lsn
    append(log, make_rows, 1, 3000)
    log.trim(checkpoint - 1, **ALL_TIME)
    sim.calls.clear()
    sim.fault = lambda number, name: crash_error if sim.calls[-2:-1] == ["fsync_dir"] else None
    with pytest.raises(type(crash_error)):  # right after the new segment got its name
        log.append(make_rows(log.log_id, log.next_lsn, 1, 11_000), 1)
    sim.restart()
    log, recovery = open_log(sim, small, checkpoint)
    assert (recovery.torn_bytes, recovery.corruptions, recovery.rows) == (0, (), 1)
    assert log.segments == 2
    assert any(sim.names[segments_of(sim)[-1]].volatile[8192:])  # old frames are in it


def test_a_crash_while_recovering_changes_nothing(
    sim: Any, small: WalConfig, make_rows: Any, crash_error: BaseException
) -> None:
    log, _ = open_log(sim, small)
    rows = fill_segment(log, make_rows) + append(log, make_rows, 2)
    append(log, make_rows, 3)
    path = segments_of(sim)[-1]
    _, end = extent(sim, path, len(rows) + 1, len(rows) + 3)
    sim.change(path, end - 30, bytes(30))  # torn
    for seed in range(4):
        finished, number = False, 0
        while not finished:
            number += 1
            disk = sim.copy()
            disk.fail_at(number, crash_error)
            try:
                open_log(disk, small)
                finished = True
            except type(crash_error):
                pass
            disk.crash(random.Random(seed))
            log, recovery = open_log(disk, small)
            assert recovery.corruptions == ()
            assert all_rows(log) == rows
        assert number > 15


def test_a_crash_while_the_first_log_is_made_leaves_one_that_opens(
    sim: Any, small: WalConfig, make_rows: Any, crash_error: BaseException
) -> None:
    for number in range(1, 30):
        disk = sim.copy()
        disk.fail_at(number, crash_error)
        try:
            open_log(disk, small, checkpoint=7)
        except type(crash_error):
            pass
        disk.crash(random.Random(number))
        log, _ = open_log(disk, small, checkpoint=7)
        assert log.next_lsn == 8
        assert all_rows(log, 8) == []
        rows = append(log, make_rows)
        assert all_rows(log, 8) == rows


def test_random_lives_of_a_log_lose_and_double_nothing(sim: Any, small: WalConfig, make_rows: Any) -> None:
    for seed in range(25):
        rng, disk = random.Random(seed), sim.copy()
        model: list[bytes] = []  # model[i] has LSN i + 1
        checkpoint = 0
        for _ in range(8):
            log, recovery = Log.open(FOLDER, config=small, fs=disk, checkpoint_lsn=checkpoint)
            assert recovery.corruptions == ()
            found = all_rows(log, checkpoint + 1)
            assert found[: len(model) - checkpoint] == model[checkpoint:]
            model = model[:checkpoint] + found
            disk.fail_at(rng.randint(5, 120), OSError(errno.EIO, "injected"))
            try:
                for _ in range(rng.randint(0, 25)):
                    rows = make_rows(log.log_id, log.next_lsn, rng.randint(1, 4), rng.choice((10, 500, 2500)))
                    log.append(rows, 1)
                    model += rows
                    if rng.random() < 0.2:
                        log.prepare_spare()
                    if rng.random() < 0.3:
                        checkpoint = max(
                            checkpoint, log.read(checkpoint + 1, rows_max=9, bytes_max=9**9)[-1].last_lsn
                        )
                        log.trim(checkpoint, keep_since_us=2**62)
            except Fatal:
                pass
            if rng.random() < 0.5:
                disk.crash(rng)
            else:
                disk.restart()


def test_a_real_disk_recovers_too(tmp_path: Path, small: WalConfig, make_rows: Any) -> None:
    fs = RealFileSystem()
    log, _ = Log.open(tmp_path, config=small, fs=fs, checkpoint_lsn=0)
    rows = append(log, make_rows) + append(log, make_rows)
    with open(tmp_path / FIRST.name, "r+b") as file:
        data = file.read()
        file.seek(data.index(b"row 5|"))
        file.write(b"XXX")
    log, recovery = Log.open(tmp_path, config=small, fs=fs, checkpoint_lsn=0)
    assert recovery.torn_bytes > 0
    assert all_rows(log) == rows[:3]
    log.close()
