"""The log while all is well: appending, reading, rotating, trimming."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import attrs
import pytest

from statnive.config import WalConfig
from statnive.errors import ConfigError
from statnive.wal.frame import row_suffix
from statnive.wal.fs import RealFileSystem
from tests.wal.logs import (
    ALL_TIME,
    EVERYTHING,
    all_rows,
    append,
    fill_segment,
    open_log,
)


def test_an_empty_log_begins_with_lsn_one(sim: Any, small: WalConfig) -> None:
    log, recovery = open_log(sim, small)
    assert (log.next_lsn, log.durable_lsn) == (1, 0)
    assert (recovery.log_is_new, recovery.rows, recovery.corruptions, recovery.torn_bytes) == (True, 0, (), 0)
    assert log.read(1, **EVERYTHING) == []
    assert list(log.frames_since(0)) == []


def test_what_was_appended_is_read_back_in_order(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    rows = [row for count in (1, 5, 2) for row in append(log, make_rows, count, at_us=count)]
    assert (log.next_lsn, log.durable_lsn) == (9, 8)
    frames = log.read(1, **EVERYTHING)
    assert [(f.first_lsn, f.last_lsn, f.commit_time_us) for f in frames] == [(1, 1, 1), (2, 6, 5), (7, 8, 2)]
    assert [row for frame in frames for row in frame.rows()] == rows
    assert b"".join(frame.payload for frame in frames) == b"".join(rows)


def test_an_answer_is_whole_frames_within_its_limits_and_at_least_one(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    for _ in range(4):
        append(log, make_rows, 3)
    row_bytes = 38
    assert [f.first_lsn for f in log.read(1, rows_max=8, bytes_max=10**9)] == [1, 4]
    assert [f.first_lsn for f in log.read(1, rows_max=9, bytes_max=10**9)] == [1, 4, 7]
    assert [f.first_lsn for f in log.read(1, rows_max=1, bytes_max=10**9)] == [1]
    assert [f.first_lsn for f in log.read(4, rows_max=99, bytes_max=6 * row_bytes)] == [4, 7]
    assert [f.first_lsn for f in log.read(4, rows_max=99, bytes_max=1)] == [4]
    assert log.read(13, **EVERYTHING) == []


def test_an_answer_goes_over_segments(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    rows = fill_segment(log, make_rows) + fill_segment(log, make_rows) + append(log, make_rows)
    assert log.segments == 3
    assert [r for f in log.read(1, **EVERYTHING) for r in f.rows()] == rows
    assert all_rows(log) == rows


def test_reading_on_costs_what_is_new(sim: Any, make_rows: Any) -> None:
    log, _ = open_log(sim, WalConfig(segment_bytes=1024 * 1024, size_bytes_max=16 * 1024 * 1024))
    next_lsn = 1
    for _ in range(200):
        append(log, make_rows, 2, 500)
        before = sim.bytes_read
        (frame,) = log.read(next_lsn, **EVERYTHING)
        next_lsn = frame.last_lsn + 1
        assert sim.bytes_read - before < 2_000
    before = sim.bytes_read
    assert log.read(frame.first_lsn, **EVERYTHING) == [frame]  # asking again, as a retry does
    assert log.read(next_lsn, **EVERYTHING) == []
    assert sim.bytes_read - before < 2_000


def test_a_place_in_the_middle_is_found_without_a_cursor(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    rows = fill_segment(log, make_rows) + append(log, make_rows, 1) + append(log, make_rows, 1)
    for lsn in range(len(rows), 0, -1):
        (frame,) = log.read(lsn, rows_max=1, bytes_max=1)
        assert list(frame.rows()) == [rows[lsn - 1]]


def test_rows_with_other_lsns_are_a_mistake_that_writes_nothing(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    calls = len(sim.calls)
    for rows in (
        make_rows(log.log_id, 2),
        make_rows(log.log_id ^ 1, 1),
        [*make_rows(log.log_id, 1, 1), *make_rows(log.log_id, 3, 1)],
    ):
        with pytest.raises(AssertionError):
            log.append(rows, 1)
    assert len(sim.calls) == calls
    append(log, make_rows)


def test_a_frame_larger_than_a_segment_is_a_mistake(sim: Any, small: WalConfig) -> None:
    log, _ = open_log(sim, small)
    fits = b"x" * (log.frame_bytes_max - 40 - 4 - 16 - 18) + row_suffix(log.log_id, 1)
    with pytest.raises(AssertionError):
        log.append([b"x" + fits], 1)
    log.append([fits], 1)
    assert next(log.read(1, **EVERYTHING)[0].rows()) == fits
    assert log.segments == 1


def test_a_frame_is_never_split_over_segments(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows, 1, 7000)
    append(log, make_rows, 1, 7000)
    assert log.segments == 2
    assert sorted(p.name for p in sim.names if p.name.endswith(".wal")) == [
        "00000000000000000001.wal",
        "00000000000000000002.wal",
    ]


def test_an_append_is_one_write_and_one_flush(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    sim.calls.clear()
    append(log, make_rows)
    assert sim.calls == ["pwrite", "fdatasync"]


def test_reading_while_another_thread_appends_gives_every_row_once(
    tmp_path: Path, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(RealFileSystem(), attrs.evolve(small, size_bytes_max=64 * 1024 * 1024), folder=tmp_path)
    written: list[bytes] = []
    failed: list[BaseException] = []

    def append_all() -> None:
        try:
            for number in range(150):
                written.extend(append(log, make_rows, 1 + number % 4, 100 + 17 * (number % 50)))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=append_all)
    thread.start()
    read: list[bytes] = []
    next_lsn = 1
    while thread.is_alive() or next_lsn <= log.durable_lsn:
        frames = log.read(next_lsn, rows_max=20, bytes_max=50_000)
        assert not frames or frames[0].first_lsn == next_lsn
        for frame in frames:
            read.extend(frame.rows())
            next_lsn = frame.last_lsn + 1
        log.trim(next_lsn - 1, **ALL_TIME)
        log.prepare_spare()
    thread.join()
    assert not failed
    assert read == written
    log.close()


# --- rotating and trimming ----------------------------------------------------------------------------------


def test_a_spare_spares_the_append_from_writing_a_segment(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows, 1, 7000)
    assert log.needs_spare
    assert log.prepare_spare()
    assert not log.needs_spare
    calls = len(sim.calls)
    assert log.prepare_spare()
    assert len(sim.calls) == calls
    append(log, make_rows, 1, 7000)
    assert sim.calls[calls:].count("pwrite") == 2  # a header block, a frame
    assert log.segments == 2


def test_trimmed_segments_are_reused_and_their_old_frames_stay_dead(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    rows: list[bytes] = []
    for number in range(12):
        rows += fill_segment(log, make_rows)
        rows += append(log, make_rows, 1, 50 + number)
        log.trim(log.durable_lsn, **ALL_TIME)
        log, recovery = open_log(sim, small, log.durable_lsn)
        assert (recovery.corruptions, recovery.torn_bytes, recovery.rows) == ((), 0, 0)
    files = sorted(path.name for path in sim.names)
    assert len([name for name in files if name.endswith(".wal")]) == 1
    assert len([name for name in files if name.startswith("spare-")]) <= 2
    assert sim.calls.count("create") < 20
    assert [list(frame.rows()) for frame in log.frames_since(0)] == [[row] for row in rows[-2:]]


def test_a_rotation_lets_go_of_a_segment_before_it_is_full_and_no_spare_keeps_its_bytes(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    log.rotate()
    assert log.segments == 1, "an empty one is as good as new"
    old = append(log, make_rows, 3)
    log.rotate()
    new = append(log, make_rows, 2)
    assert (log.segments, log.first_lsn) == (2, 1)
    assert all_rows(log) == old + new
    log.close()
    log, recovery = open_log(sim, small)
    assert (recovery.corruptions, recovery.torn_bytes, recovery.rows) == ((), 0, 5)
    assert all_rows(log) == old + new
    assert log.trim(3, **ALL_TIME) == 1
    assert (log.segments, log.first_lsn) == (1, 4)

    def holds(row: bytes) -> bool:
        return any(row in bytes(inode.volatile) for inode in sim.names.values())

    assert holds(old[0]), "the spare is the old segment"
    assert log.discard_used_spares() == 1
    assert not holds(old[0])
    assert holds(new[0])
    assert log.bytes_used == small.segment_bytes
    assert log.prepare_spare()
    assert log.discard_used_spares() == 0, "a blank one stays"
    assert not log.needs_spare


def test_only_segments_wholly_done_are_trimmed(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    for _ in range(3):
        fill_segment(log, make_rows)
    second = log.read(1, rows_max=1, bytes_max=1)[0].first_lsn  # warms the cursor on what will be removed
    boundaries = sorted(int(p.name[:20]) for p in sim.names if p.name.endswith(".wal"))
    assert second == 1
    assert log.trim(boundaries[1] - 2, **ALL_TIME) == 0
    assert log.trim(boundaries[1] - 1, **ALL_TIME) == 1
    assert len(sim.fds) == 1  # the reader let go of it
    assert log.trim(boundaries[2], **ALL_TIME) == 1
    assert log.read(boundaries[2], rows_max=1, bytes_max=1)[0].first_lsn == boundaries[2]
    assert log.trim(log.durable_lsn, **ALL_TIME) == 1
    assert log.segments == 1  # the last one stays
    with pytest.raises(AssertionError, match="trimmed"):
        log.read(1, **EVERYTHING)


def test_recent_segments_stay_while_there_is_room(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    fill_segment(log, make_rows, at_us=1_000)
    fill_segment(log, make_rows, at_us=2_000)
    assert log.trim(log.durable_lsn, keep_since_us=1_000) == 0
    assert log.trim(log.durable_lsn, keep_since_us=1_001) == 1
    while log.bytes_used <= log.bytes_limit * small.refuse_at_share / 2:
        assert log.trim(log.durable_lsn, keep_since_us=0) == 0
        fill_segment(log, make_rows, at_us=3_000)
    assert log.trim(log.durable_lsn, keep_since_us=0) > 0
    spares = log.bytes_used - log.segments * small.segment_bytes
    assert log.bytes_used - spares <= log.bytes_limit * small.refuse_at_share / 2


def test_segments_of_a_clock_that_ran_ahead_are_not_kept(sim: Any, small: WalConfig, make_rows: Any) -> None:
    """Pitfall: a step of two days and back kept every segment after it for two days."""
    log, _ = open_log(sim, small)
    for at_us in (1_000, 90_000, 1_500, 1_500):  # the last frame of each begins the segment after it
        fill_segment(log, make_rows, at_us=at_us)
    keep = {"keep_since_us": 1_400, "keep_until_us": 2_000}
    assert log.trim(log.durable_lsn, **keep) == 3, "the old one, and the two with frames of the future"
    assert log.trim(log.durable_lsn, **keep) == 0, "what is recent stays"


def test_the_bytes_used_are_what_is_on_disk(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    for number in range(14):
        fill_segment(log, make_rows)
        if number % 3 == 0:
            log.prepare_spare()
        if number % 5 == 4:
            log.trim(log.durable_lsn - 3, **ALL_TIME)
        on_disk = sum(
            len(i.volatile) for p, i in sim.names.items() if p.name.endswith(".wal") or "spare" in p.name
        )
        assert log.bytes_used == on_disk
    log, _ = open_log(sim, small)
    assert log.bytes_used == on_disk


def test_nearly_full_comes_at_the_share_and_goes_with_trimming(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    while not log.nearly_full:
        assert log.bytes_used < 0.8 * log.bytes_limit
        fill_segment(log, make_rows)
    assert log.bytes_used >= 0.8 * log.bytes_limit
    append(log, make_rows)  # what was taken already is still written
    log.trim(log.durable_lsn, keep_since_us=0)
    assert not log.nearly_full


def test_frames_since_begin_where_they_were_committed(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    for at_us in range(1, 30):
        append(log, make_rows, 1, 3000, at_us)
    log, _ = open_log(sim, small, checkpoint=log.durable_lsn)  # all of it is behind the checkpoint
    for since in (0, 1, 12, 29, 30):
        assert [f.commit_time_us for f in log.frames_since(since)] == list(range(max(1, since), 30))


def test_sizes_that_do_not_fit_each_other_are_a_config_error(sim: Any, small: WalConfig) -> None:
    with pytest.raises(ConfigError, match=r"wal\.segment_bytes"):
        open_log(sim, attrs.evolve(small, segment_bytes=4096))
    with pytest.raises(ConfigError, match=r"wal\.size_bytes_max"):
        open_log(sim, attrs.evolve(small, size_bytes_max=4 * 16384))
