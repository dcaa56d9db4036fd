"""Headers, names and files of a log that an accident or an operator has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from statnive.config import WalConfig
from statnive.errors import Fatal
from statnive.wal.fs import read_file
from statnive.wal.log import Log
from statnive.wal.recovery import Damage
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
