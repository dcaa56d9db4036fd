"""The writer's state file: the last one saved, whole, or a refusal that names it."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import Any

import attrs
import pytest

from statnive.errors import Fatal
from statnive.wal.fs import RealFileSystem
from statnive.wal.state import STATE_NAME, Block, StateFile, WriterState

FOLDER = Path("/w")
BLOCK = Block(first_lsn=11, last_lsn=20, rows=10, token="t:11-20", partitions={202610: 4, 202611: 6})
FULL = WriterState(log_id=2**64 - 1, done_lsn=10, block=BLOCK)


@pytest.mark.parametrize(
    "state",
    [
        WriterState(1, 0),
        WriterState(5, 2**62),
        FULL,
        attrs.evolve(FULL, block=attrs.evolve(BLOCK, set_aside=(13, 12))),
    ],
)
def test_what_was_saved_is_loaded(state: WriterState, tmp_path: Path) -> None:
    StateFile(tmp_path, RealFileSystem()).save(state)
    assert StateFile(tmp_path, RealFileSystem()).load() == state
    assert (tmp_path / STATE_NAME).stat().st_mode & 0o777 == 0o600


def test_nothing_saved_is_none(sim: Any) -> None:
    assert StateFile(FOLDER, sim).load() is None


def test_any_damaged_byte_is_fatal_and_names_the_file(sim: Any) -> None:
    StateFile(FOLDER, sim).save(FULL)
    path = FOLDER / STATE_NAME
    data = bytes(sim.names[path].volatile)
    for position in range(len(data)):
        sim.change(path, position, bytes((data[position] ^ 1,)))
        with pytest.raises(Fatal, match=r"/w/writer\.state is damaged"):
            StateFile(FOLDER, sim).load()
        sim.change(path, position, data[position : position + 1])
    assert StateFile(FOLDER, sim).load() == FULL


@pytest.mark.parametrize("size", [0, 1, 40, 65, 80])
def test_a_shortened_file_is_fatal_not_empty(sim: Any, size: int) -> None:
    StateFile(FOLDER, sim).save(FULL)
    del sim.names[FOLDER / STATE_NAME].volatile[size:]
    with pytest.raises(Fatal, match="damaged"):
        StateFile(FOLDER, sim).load()


@pytest.mark.parametrize("number", range(1, 8))
def test_a_crash_while_saving_leaves_the_old_state_or_the_new(
    sim: Any, crash_error: BaseException, number: int
) -> None:
    old, new = WriterState(7, 10), attrs.evolve(FULL, log_id=7)
    for seed in range(10):
        disk = sim.copy()
        file = StateFile(FOLDER, disk)
        file.save(old)
        disk.fail_at(number, crash_error)
        allowed = [new]
        try:
            file.save(new)
        except type(crash_error):
            allowed = [old, new]
        disk.crash(random.Random(seed))
        assert StateFile(FOLDER, disk).load() in allowed


@pytest.mark.parametrize("call", ["create", "pwrite", "fdatasync", "rename", "fsync_dir"])
def test_after_a_failed_write_every_save_is_fatal(sim: Any, call: str) -> None:
    file = StateFile(FOLDER, sim)
    file.save(WriterState(7, 10))
    sim.fail_on(call, OSError(errno.EIO, "broken disk"))
    with pytest.raises(Fatal, match="broken disk"):
        file.save(WriterState(7, 11))
    sim.heal()
    calls = len(sim.calls)
    with pytest.raises(Fatal, match="broken disk"):
        file.save(WriterState(7, 11))
    assert len(sim.calls) == calls


def test_an_unreadable_file_is_fatal(sim: Any) -> None:
    file = StateFile(FOLDER, sim)
    file.save(FULL)
    sim.fail_on("pread", OSError(errno.EIO, "broken disk"))
    with pytest.raises(Fatal, match="broken disk"):
        file.load()


def test_a_stop_without_mark_clean_is_unclean(sim: Any) -> None:
    first = StateFile(FOLDER, sim)
    assert first.mark_running() is False
    assert StateFile(FOLDER, sim).mark_running() is True
    first.mark_clean()
    assert StateFile(FOLDER, sim).mark_running() is False


def test_the_marker_survives_a_power_cut_once_it_is_set(sim: Any) -> None:
    for seed in range(10):
        disk = sim.copy()
        StateFile(FOLDER, disk).mark_running()
        disk.crash(random.Random(seed))
        assert StateFile(FOLDER, disk).mark_running() is True


def test_the_marker_is_made_in_a_directory_that_is_missing(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "data" / "wal", RealFileSystem())
    assert file.mark_running() is False
    file.mark_clean()
    assert not list((tmp_path / "data" / "wal").iterdir())


def test_a_marker_that_cannot_be_set_or_removed_is_fatal(sim: Any) -> None:
    file = StateFile(FOLDER, sim)
    sim.fail_on("fsync_dir", OSError(errno.EIO, "broken disk"))
    with pytest.raises(Fatal, match="can't be made"):
        file.mark_running()
    with pytest.raises(Fatal, match="can't be removed"):
        file.mark_clean()


def test_the_highest_lsn_seen_is_the_block_s_or_the_last_done() -> None:
    assert WriterState(1, 10).seen_lsn == 10
    assert FULL.seen_lsn == 20


def test_the_token_is_another_one_for_other_rows_and_the_same_for_the_same() -> None:
    tokens = [attrs.evolve(BLOCK, set_aside=aside).sent_token for aside in ((), (12,), (12, 15))]
    assert tokens == ["t:11-20", "t:11-20.1", "t:11-20.2"]


def test_a_block_that_does_not_fit_is_a_mistake(sim: Any) -> None:
    file = StateFile(FOLDER, sim)
    for state in (
        attrs.evolve(FULL, done_lsn=11),
        attrs.evolve(FULL, block=attrs.evolve(BLOCK, rows=9)),
        attrs.evolve(FULL, block=attrs.evolve(BLOCK, token="")),
        attrs.evolve(FULL, block=attrs.evolve(BLOCK, set_aside=(12, 12))),
        WriterState(1, -1),
    ):
        with pytest.raises(AssertionError):
            file.save(state)
