"""After a stop of any kind: a torn end is cut, and damage to what was durable is set aside and said."""

from __future__ import annotations

import errno
import random
from typing import Any

import attrs
import pytest

from statnive.config import WalConfig
from statnive.errors import Fatal
from statnive.wal.frame import encode_frame, row_suffix
from statnive.wal.fs import read_file
from statnive.wal.recovery import Damage
from tests.wal.logs import (
    ALL_TIME,
    FIRST,
    all_rows,
    append,
    extent,
    fill_segment,
    open_log,
    segments_of,
)


def test_a_torn_tail_is_cut_wherever_it_was_torn(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    rows = append(log, make_rows, 2) + append(log, make_rows, 2)
    append(log, make_rows, 3)
    start, end = extent(sim, FIRST, 5, 7)
    for cut in range(start, end):
        disk = sim.copy()
        disk.change(FIRST, cut, bytes(end - cut))
        log, recovery = open_log(disk, small)
        assert all_rows(log) == rows
        assert recovery.corruptions == ()
        assert (recovery.next_lsn, recovery.rows) == (5, 4)
        assert 0 <= recovery.torn_bytes <= cut - start
        assert (recovery.torn_bytes > 0) == (cut > start)
        again = append(log, make_rows, 1)
        disk.crash(random.Random(cut))
        log, recovery = open_log(disk, small)
        assert all_rows(log) == rows + again
        assert (recovery.torn_bytes, recovery.corruptions) == (0, ())


def test_a_torn_tail_is_wiped_durably(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows, 2)
    append(log, make_rows, 1, 6000)
    start, end = extent(sim, FIRST, 3, 3)
    sim.change(FIRST, end - 1, b"\xff")
    _, recovery = open_log(sim, small)
    assert recovery.torn_bytes == end - start
    assert sim.names[FIRST].durable[start:] == bytes(small.segment_bytes - start)


def test_a_torn_tail_in_a_recycled_segment_is_cut_and_old_frames_stay_dead(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    for _ in range(3):
        for _ in range(40):  # many small old frames, then recycle
            append(log, make_rows, 2)
        fill_segment(log, make_rows)
        log.trim(log.durable_lsn, **ALL_TIME)
    checkpoint = log.durable_lsn
    rows = append(log, make_rows, 2)
    first = log.next_lsn
    append(log, make_rows, 4)
    path = segments_of(sim)[-1]
    start, end = extent(sim, path, first, first + 3)
    for cut in range(start, end):
        disk = sim.copy()
        disk.change(path, cut, b"\xaa" * (end - cut))
        log, recovery = open_log(disk, small, checkpoint)
        assert all_rows(log, checkpoint + 1) == rows
        assert (recovery.next_lsn, recovery.corruptions) == (first, ())
        assert recovery.torn_bytes > 0


def test_a_whole_frame_that_was_never_acknowledged_is_kept(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    rows = make_rows(log.log_id, 1)
    sim.fail_on("fdatasync", OSError(errno.EIO, "injected"))
    with pytest.raises(Fatal):
        log.append(rows, 1)
    sim.restart()  # the process ends; the page cache still has the frame, marked clean
    log, recovery = open_log(sim, small)
    assert recovery.rows == 3
    assert all_rows(log) == rows
    sim.crash(random.Random(1))  # and from now on it is durable, although its first flush had failed
    log, recovery = open_log(sim, small)
    assert all_rows(log) == rows


# --- corruption ---------------------------------------------------------------------------------------------


def test_a_flip_of_any_byte_of_a_middle_frame_is_set_aside_and_said(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    before = append(log, make_rows, 2)
    append(log, make_rows, 3)
    after = append(log, make_rows, 2) + append(log, make_rows, 1)
    start, end = extent(sim, FIRST, 3, 5)
    whole = bytes(sim.names[FIRST].volatile[start:end])
    for position in range(start, end):
        disk = sim.copy()
        flipped = whole[position - start] ^ (1 << position % 8)
        disk.change(FIRST, position, bytes((flipped,)))
        log, recovery = open_log(disk, small)
        (found,) = recovery.corruptions
        assert (found.damage, found.segment, found.offset, found.bytes) == (
            Damage.FRAMES,
            FIRST.name,
            start,
            end - start,
        )
        assert (found.first_lsn, found.last_lsn, found.lost_rows, found.known) == (3, 5, 3, False)
        copy = read_file(disk, found.set_aside)
        assert len(copy) == len(whole)
        assert [i for i in range(len(whole)) if copy[i] != whole[i]] == [position - start]
        assert (recovery.rows, recovery.torn_bytes) == (5, 0)
        assert all_rows(log) == before + after
        assert [f.first_lsn for f in log.frames_since(0)] == [1, 6, 8]


def test_an_answer_ends_before_a_gap(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    for _ in range(4):
        append(log, make_rows, 2)
    start, _ = extent(sim, FIRST, 3, 4)
    sim.change(FIRST, start + 60, b"\xff\xff\xff")
    log, _ = open_log(sim, small)
    assert [f.first_lsn for f in log.read(1, rows_max=99, bytes_max=10**9)] == [1]
    assert [f.first_lsn for f in log.read(3, rows_max=99, bytes_max=10**9)] == [5, 7]
    assert [f.first_lsn for f in log.read(4, rows_max=99, bytes_max=10**9)] == [5, 7]
    log, _ = open_log(sim, small)  # without a cursor
    assert [f.first_lsn for f in log.read(4, rows_max=99, bytes_max=10**9)] == [5, 7]
    assert [f.first_lsn for f in log.read(7, rows_max=99, bytes_max=10**9)] == [7]


def test_corruption_is_set_aside_once_and_known_from_then_on(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows, 2)
    append(log, make_rows, 2)
    append(log, make_rows, 2)
    start, _ = extent(sim, FIRST, 3, 4)
    sim.change(FIRST, start + 60, b"\xff")
    first = open_log(sim, small)[1].corruptions
    names = set(sim.names)
    second = open_log(sim, small)[1].corruptions
    assert second == (attrs.evolve(first[0], known=True),)
    assert set(sim.names) == names
    behind = open_log(sim, small, checkpoint=4)[1].corruptions
    assert behind == (attrs.evolve(first[0], known=True, lost_rows=0),)


def test_a_bad_last_frame_of_an_older_segment_is_corruption_not_torn(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    rows = fill_segment(log, make_rows) + append(log, make_rows, 1)
    second = int(segments_of(sim)[1].name[:20])
    start, end = extent(sim, FIRST, second - 1, second - 1)
    sim.change(FIRST, end - 40, b"\xff")
    log, recovery = open_log(sim, small)
    (found,) = recovery.corruptions
    assert (found.offset, found.bytes, found.first_lsn, found.last_lsn) == (
        start,
        end - start,
        second - 1,
        second - 1,
    )
    assert all_rows(log) == rows[: second - 2] + rows[second - 1 :]
    rest = append(log, make_rows, 2)
    assert all_rows(log, second) == rows[second - 1 :] + rest


def test_a_bad_last_frame_is_corruption_if_an_empty_segment_follows(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows, 1, 7000)
    calls = len(sim.calls)
    probe = sim.copy()
    append(log, make_rows, 1, 7000)
    frame_write = [i for i, call in enumerate(sim.calls[calls:]) if call == "pwrite"][-1] + 1
    log, _ = open_log(probe, small)
    probe.fail_at(frame_write, OSError(errno.EIO, "injected"))
    with pytest.raises(Fatal):
        log.append(make_rows(log.log_id, 2, 1, 7000), 1)
    probe.restart()
    path = segments_of(probe)[1]
    probe.change(path, 4096, bytes(12288))  # of the second segment nothing but its header was written
    probe.change(FIRST, 5000, b"\xff")
    _, recovery = open_log(probe, small)
    (found,) = recovery.corruptions
    assert (found.first_lsn, found.last_lsn, recovery.next_lsn) == (1, 1, 2)


@pytest.mark.parametrize("how", ["closed", "seen"])
def test_a_bad_last_frame_that_was_known_to_be_durable_is_corruption(
    sim: Any, small: WalConfig, make_rows: Any, how: str
) -> None:
    log, _ = open_log(sim, small)
    rows = append(log, make_rows, 2)
    append(log, make_rows, 3)
    if how == "closed":
        log.close()
    start, end = extent(sim, FIRST, 3, 5)
    seen = 5 if how == "seen" else 0
    whole = bytes(sim.names[FIRST].volatile[start:end])
    for position in range(start, end, 3):
        disk = sim.copy()
        disk.change(FIRST, position, bytes((whole[position - start] ^ 2,)))
        log, recovery = open_log(disk, small, seen=seen)
        (found,) = recovery.corruptions
        assert (found.first_lsn, found.last_lsn, found.lost_rows) == (3, 5, 3)
        assert len(read_file(disk, found.set_aside)) == end - start
        assert (recovery.next_lsn, recovery.torn_bytes) == (6, 0)  # no LSN is given out twice
        more = append(log, make_rows, 2)
        assert all_rows(log) == rows + more
        log, recovery = open_log(disk, small, seen=seen)
        assert [c.known for c in recovery.corruptions] == [True]
        assert all_rows(log) == rows + more


def test_several_damaged_stretches_are_each_reported(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    rows = [append(log, make_rows, 1) for _ in range(9)]
    for lsn in (2, 5, 6, 8):
        start, _ = extent(sim, FIRST, lsn, lsn)
        sim.change(FIRST, start + 50, b"\xff")
    log, recovery = open_log(sim, small)
    assert [(c.first_lsn, c.last_lsn) for c in recovery.corruptions] == [(2, 2), (5, 6), (8, 8)]
    assert all_rows(log) == [rows[i][0] for i in (0, 2, 3, 6, 8)]


def test_unreadable_pages_are_corruption_and_the_rest_is_read(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    rows = [append(log, make_rows, 1, 1200)[0] for _ in range(8)]
    start, _ = extent(sim, FIRST, 5, 5)
    sim.unreadable[FIRST] = {start + 100}
    log, recovery = open_log(sim, small)
    (found,) = recovery.corruptions
    lost = range(found.first_lsn, found.last_lsn + 1)
    assert 5 in lost
    assert (1 in lost, 8 in lost) == (False, False)
    assert (recovery.rows, recovery.next_lsn, recovery.torn_bytes) == (8 - len(lost), 9, 0)
    sim.unreadable.clear()
    assert all_rows(log) == [row for lsn, row in enumerate(rows, 1) if lsn not in lost]


@pytest.mark.parametrize("where", ["head", "body", "end"])
def test_an_unreadable_end_is_corruption_and_no_lsn_is_used_again(
    sim: Any, small: WalConfig, make_rows: Any, where: str
) -> None:
    log, _ = open_log(sim, small)
    rows = append(log, make_rows, 2) + append(log, make_rows, 60, 100)
    start, end = extent(sim, FIRST, 3, 62)
    assert end - start > 4096
    sim.unreadable[FIRST] = {{"head": start, "body": 8192, "end": end - 1}[where]}
    log, recovery = open_log(sim, small)
    (found,) = recovery.corruptions
    kept = 0 if where == "head" else 2  # the first page holds both frames' beginnings
    assert (found.first_lsn, recovery.rows, recovery.torn_bytes) == (kept + 1, kept, 0)
    assert found.last_lsn >= 62
    assert log.next_lsn == found.last_lsn + 1
    more = append(log, make_rows, 2)
    assert all_rows(log) == rows[:kept] + more


def test_an_unreadable_page_that_was_never_written_to_is_no_corruption(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    rows = append(log, make_rows, 2)
    sim.unreadable[FIRST] = {3 * 4096}
    log, recovery = open_log(sim, small)
    assert (recovery.corruptions, recovery.next_lsn) == ((), 3)
    assert all_rows(log) == rows


def test_a_planted_frame_in_a_row_is_not_taken_for_one(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    rows = append(log, make_rows, 1)
    forged = bytes(
        encode_frame([b"forged row"], 3, 1, 1, 12345)
    )  # whoever sends events does not know the log id
    log.append([forged + row_suffix(log.log_id, 2)], 1)
    rows += append(log, make_rows, 1)
    start, end = extent(sim, FIRST, 2, 2)
    sim.change(FIRST, end - 1, bytes((sim.names[FIRST].volatile[end - 1] ^ 1,)))
    log, recovery = open_log(sim, small)
    assert [(c.offset, c.bytes) for c in recovery.corruptions] == [(start, end - start)]
    assert all_rows(log) == rows
