"""Starting after a stop of any kind: what was acknowledged is there once, and what is not there is said."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import Any

import attrs
import pytest

from statnive.config import WalConfig
from statnive.errors import Fatal
from statnive.wal.frame import MAGIC, encode_frame, parse_header, row_suffix
from statnive.wal.fs import RealFileSystem, read_file
from statnive.wal.log import Log
from statnive.wal.recovery import Damage, Recovery

FOLDER = Path("/w")
ALL_TIME = {"keep_since_us": 2**62}
FIRST = FOLDER / "00000000000000000001.wal"


def open_log(fs: Any, config: WalConfig, checkpoint: int = 0, seen: int = 0) -> tuple[Log, Recovery]:
    return Log.open(FOLDER, config=config, fs=fs, checkpoint_lsn=checkpoint, seen_lsn=seen)


def append(log: Log, make_rows: Any, count: int = 3, text_bytes: int = 20, at_us: int = 1) -> list[bytes]:
    rows: list[bytes] = make_rows(log.log_id, log.next_lsn, count, text_bytes)
    log.append(rows, at_us)
    return rows


def all_rows(log: Log, from_lsn: int = 1) -> list[bytes]:
    rows: list[bytes] = []
    while frames := log.read(from_lsn, rows_max=4, bytes_max=10**9):
        for frame in frames:
            rows.extend(frame.rows())
        from_lsn = frames[-1].last_lsn + 1
    return rows


def fill_segment(log: Log, make_rows: Any, at_us: int = 1) -> list[bytes]:
    rows: list[bytes] = []
    segments = log.segments
    while log.segments == segments:
        rows += append(log, make_rows, 1, 3000, at_us)
    return rows


def segments_of(sim: Any) -> list[Path]:
    return sorted(path for path in sim.names if path.name.endswith(".wal"))


def extent(sim: Any, path: Path, first_lsn: int, last_lsn: int) -> tuple[int, int]:
    """Where the frame of these LSNs is, and where the next byte is."""
    data = bytes(sim.names[path].volatile)
    offset = -1
    while (offset := data.find(MAGIC, offset + 1)) >= 0:
        header = parse_header(data, offset)
        if header is not None and (header.first_lsn, header.last_lsn) == (first_lsn, last_lsn):
            return offset, offset + header.frame_bytes
    raise AssertionError("no such frame")


# --- torn writes --------------------------------------------------------------------------------------------


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


# --- headers and files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", [0, 9, 12, 20, 30])
def test_a_damaged_header_block_costs_no_row_and_is_said_once(
    sim: Any, small: WalConfig, make_rows: Any, position: int
) -> None:
    log, _ = open_log(sim, small)
    rows = fill_segment(log, make_rows)
    sim.change(FIRST, position, b"\x5a")
    log, recovery = open_log(sim, small)
    (found,) = recovery.corruptions
    assert (found.damage, found.segment, found.lost_rows) == (Damage.HEADER, FIRST.name, 0)
    assert read_file(sim, found.set_aside)[position] == 0x5A
    assert all_rows(log) == rows
    assert open_log(sim, small)[1].corruptions == ()


def test_a_damaged_log_id_is_made_anew_from_the_segments(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    rows, log_id = append(log, make_rows), log.log_id
    sim.change(FOLDER / "log.id", 3, b"\x5a")
    log, recovery = open_log(sim, small)
    assert log.log_id == log_id
    assert [(c.damage, c.segment, c.lost_rows) for c in recovery.corruptions] == [
        (Damage.HEADER, "log.id", 0)
    ]
    sim.remove(FOLDER / "log.id")
    log, recovery = open_log(sim, small)
    assert (log.log_id, recovery.corruptions) == (log_id, ())
    assert all_rows(log) == rows


def test_without_any_log_id_the_operator_is_asked(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows)
    sim.change(FIRST, 3, b"\x5a")
    sim.remove(FOLDER / "log.id")
    with pytest.raises(Fatal, match="restore"):
        open_log(sim, small)


def test_segments_of_another_log_are_refused(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    fill_segment(log, make_rows)
    stranger, _ = Log.open(Path("/other"), config=small, fs=sim, checkpoint_lsn=500)
    append(stranger, make_rows)
    sim.rename(Path("/other/00000000000000000501.wal"), FOLDER / "00000000000000000501.wal")
    with pytest.raises(Fatal, match="2 different logs"):
        open_log(sim, small)


def test_a_misnamed_segment_is_refused(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows)
    sim.rename(FIRST, FOLDER / "00000000000000000002.wal")
    with pytest.raises(Fatal, match="begins with LSN 1"):
        open_log(sim, small)
    sim.rename(FOLDER / "00000000000000000002.wal", FOLDER / "copy.wal")
    with pytest.raises(Fatal, match="not a segment's name"):
        open_log(sim, small)


def test_a_removed_segment_is_reported_as_missing(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    rows = fill_segment(log, make_rows) + fill_segment(log, make_rows) + append(log, make_rows)
    paths = segments_of(sim)
    second, third = (int(path.name[:20]) for path in paths[1:])
    sim.remove(paths[1])
    log, recovery = open_log(sim, small)
    (found,) = recovery.corruptions
    assert (found.damage, found.first_lsn, found.last_lsn) == (Damage.MISSING, second, third - 1)
    assert (found.set_aside, found.lost_rows) == (None, third - second)
    assert all_rows(log) == rows[: second - 1] + rows[third - 1 :]


def test_rows_before_the_first_segment_are_reported_as_missing(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    rows = fill_segment(log, make_rows) + append(log, make_rows)
    second = int(segments_of(sim)[1].name[:20])
    sim.remove(FIRST)
    log, recovery = open_log(sim, small)
    assert [(c.damage, c.first_lsn, c.last_lsn) for c in recovery.corruptions] == [
        (Damage.MISSING, 1, second - 1)
    ]
    assert all_rows(log) == rows[second - 1 :]
    assert open_log(sim, small, checkpoint=second - 1)[1].corruptions == ()


def test_a_shortened_segment_is_reported_and_the_log_goes_on(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    rows = append(log, make_rows, 2) + append(log, make_rows, 2)
    log.close()
    _, end = extent(sim, FIRST, 3, 4)
    for size in (0, 10, 4096, 4100, end - 5, end):
        disk = sim.copy()
        for image in (disk.names[FIRST].volatile, disk.names[FIRST].durable):
            del image[size:]
        log, recovery = open_log(disk, small)
        kept = 4 if size == end else 2 if size == end - 5 else 0
        assert sum(c.lost_rows for c in recovery.corruptions) == 4 - kept
        more = append(log, make_rows, 2, 3000)
        assert all_rows(log) == rows[:kept] + more
        log, _ = open_log(disk, small)
        assert all_rows(log) == rows[:kept] + more
        assert log.bytes_used == sum(len(disk.names[p].volatile) for p in segments_of(disk))


def test_a_deleted_log_goes_on_behind_the_checkpoint_under_a_new_id(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows)
    log.close()
    sim.remove(FIRST)
    old_id = log.log_id
    for disk, checkpoint, seen, expected in (
        (sim.copy(), 500, 0, 501),
        (sim.copy(), 500, 620, 621),
        (sim.copy(), 0, 0, 4),
    ):
        log, recovery = open_log(disk, small, checkpoint, seen)
        assert (log.next_lsn, recovery.log_is_new) == (expected, True)
        assert log.log_id != old_id
        lost = [(c.damage, c.first_lsn, c.last_lsn) for c in recovery.corruptions]
        assert lost == ([] if expected == 501 else [(Damage.MISSING, checkpoint + 1, expected - 1)])
        rows = append(log, make_rows)
        assert all_rows(log, checkpoint + 1) == rows


def test_a_checkpoint_beyond_the_log_is_gone_on_from(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows)
    log_id = log.log_id
    log, recovery = open_log(sim, small, checkpoint=50)
    assert (log.next_lsn, log.log_id, recovery.rows) == (51, log_id, 0)
    assert sum(c.lost_rows for c in recovery.corruptions) == 0
    rows = append(log, make_rows)
    assert all_rows(log, 51) == rows
    log, recovery = open_log(sim, small, checkpoint=50)
    assert (log.next_lsn, recovery.rows) == (54, 3)
    assert all_rows(log, 51) == rows
    assert log.trim(53, **ALL_TIME) == 1


def test_a_checkpoint_inside_a_frame_is_refused(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    append(log, make_rows)
    with pytest.raises(Fatal, match="inside the frame"):
        open_log(sim, small, checkpoint=2)
    assert open_log(sim, small, checkpoint=3)[1].rows == 0


def test_leftovers_are_cleared_and_spares_kept(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    rows = append(log, make_rows)
    log.prepare_spare()
    for name, size in (
        ("spare-9.tmp", 50),
        ("log.id.tmp", 5),
        ("spare-8", 77),
        ("writer.state", 9),
        ("spare-7", 16384),
    ):
        fd = sim.create(FOLDER / name)
        sim.pwrite(fd, bytes(size), 0)
        sim.close(fd)
    log, recovery = open_log(sim, small)
    names = {path.name for path in sim.names}
    assert names == {FIRST.name, "log.id", "writer.state", "spare-2", "spare-7"}
    assert (log.bytes_used, recovery.corruptions) == (3 * 16384, ())
    rows += fill_segment(log, make_rows) + fill_segment(log, make_rows) + fill_segment(log, make_rows)
    assert all_rows(log) == rows


def test_a_log_with_another_segment_size_goes_on(sim: Any, small: WalConfig, make_rows: Any) -> None:
    log, _ = open_log(sim, small)
    log.prepare_spare()
    large = attrs.evolve(small, segment_bytes=65536)
    log, _ = open_log(sim, large)
    rows = append(log, make_rows, 1, 40_000)  # replaces the small, still empty first segment
    assert log.segments == 1
    rows += append(log, make_rows, 1, 40_000)
    log, _ = open_log(sim, small)
    rows += fill_segment(log, make_rows)
    log, _ = open_log(sim, small)
    assert all_rows(log) == rows
    assert log.trim(log.durable_lsn, **ALL_TIME) == 2
    assert log.bytes_used == sum(len(i.volatile) for p, i in sim.names.items() if p.name != "log.id")


def test_old_segments_before_the_checkpoint_are_not_read_at_start(
    sim: Any, small: WalConfig, make_rows: Any
) -> None:
    log, _ = open_log(sim, small)
    for _ in range(10):
        fill_segment(log, make_rows, at_us=5)
    before = sim.bytes_read
    log, _ = open_log(sim, small, checkpoint=log.durable_lsn)
    assert sim.bytes_read - before < 16384 + 11 * 3 * 4096 + 1000
    assert log.trim(log.durable_lsn, keep_since_us=5) == 0
    assert log.trim(log.durable_lsn, keep_since_us=6) == 10


# --- crashes ------------------------------------------------------------------------------------------------


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
