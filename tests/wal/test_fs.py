"""The file system Protocol: the real one and the simulated one keep the same promises."""

from __future__ import annotations

import errno
import random
import stat
from pathlib import Path
from typing import Any

import pytest

from statnive.wal.fs import RealFileSystem, read_file, replace_file, write_all, write_zeros


@pytest.fixture(params=["real", "simulated"])
def fs(request: pytest.FixtureRequest, sim: Any) -> Any:
    return RealFileSystem() if request.param == "real" else sim


def test_bytes_are_read_where_they_were_written(fs: Any, tmp_path: Path) -> None:
    fd = fs.create(tmp_path / "a")
    write_all(fs, fd, b"behind a hole", 5000)
    assert fs.pread(fd, 100, 4998) == b"\0\0behind a hole"
    assert fs.pread(fd, 4, 5007) == b"a ho"
    assert fs.pread(fd, 10, 9000) == b""
    fs.fdatasync(fd)
    fs.close(fd)
    assert fs.size(tmp_path / "a") == 5013


def test_creating_again_empties_and_opening_what_is_not_there_fails(fs: Any, tmp_path: Path) -> None:
    replace_file(fs, tmp_path / "a", b"old")
    fs.close(fs.create(tmp_path / "a"))
    assert read_file(fs, tmp_path / "a") == b""
    with pytest.raises(FileNotFoundError):
        fs.open(tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        fs.unlink(tmp_path / "b")


def test_a_renamed_file_takes_the_place_of_another(fs: Any, tmp_path: Path) -> None:
    replace_file(fs, tmp_path / "a", b"new")
    replace_file(fs, tmp_path / "b", b"old")
    fs.rename(tmp_path / "a", tmp_path / "b")
    fs.fsync_dir(tmp_path)
    assert fs.listdir(tmp_path) == ["b"]
    assert read_file(fs, tmp_path / "b") == b"new"
    fs.unlink(tmp_path / "b")
    assert fs.listdir(tmp_path) == []


def test_zeros_cover_exactly_the_range(fs: Any, tmp_path: Path) -> None:
    fd = fs.create(tmp_path / "a")
    write_all(fs, fd, b"x" * 100, 0)
    write_zeros(fs, fd, 10, 75, chunk_bytes=30)
    assert fs.pread(fd, 200, 0) == b"x" * 10 + bytes(65) + b"x" * 25
    write_zeros(fs, fd, 90, 80)
    assert fs.pread(fd, 200, 0) == b"x" * 10 + bytes(65) + b"x" * 25
    fs.close(fd)


def test_a_short_write_is_an_error(sim: Any, tmp_path: Path) -> None:
    fd = sim.create(tmp_path / "a")
    sim.short_writes = True
    with pytest.raises(OSError, match="short write: 5 of 10"):
        write_all(sim, fd, b"0123456789", 0)


def test_files_and_directories_are_for_their_owner_only(tmp_path: Path) -> None:
    fs = RealFileSystem()
    fs.mkdir(tmp_path / "one" / "two")
    fs.mkdir(tmp_path / "one" / "two")
    replace_file(fs, tmp_path / "one" / "two" / "file", b"x")
    modes = [stat.S_IMODE(p.stat().st_mode) for p in sorted((tmp_path / "one").rglob("*"))]
    assert modes == [0o700, 0o600]
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o700


@pytest.mark.parametrize("number", range(1, 8))
def test_a_crash_leaves_a_replaced_file_old_or_new(
    sim: Any, crash_error: BaseException, number: int, tmp_path: Path
) -> None:
    for seed in range(10):
        disk = sim.copy()
        replace_file(disk, tmp_path / "a", b"old " * 300)
        disk.fail_at(number, crash_error)
        done = False
        try:
            replace_file(disk, tmp_path / "a", b"new " * 500)
            done = True
        except type(crash_error):
            pass
        disk.crash(random.Random(seed))
        assert read_file(disk, tmp_path / "a") in (
            (b"new " * 500,) if done else (b"old " * 300, b"new " * 500)
        )


def test_a_failed_replacement_says_so(sim: Any, tmp_path: Path) -> None:
    sim.fail_on("fdatasync", OSError(errno.ENOSPC, "full"))
    with pytest.raises(OSError, match="full"):
        replace_file(sim, tmp_path / "a", b"x")
    assert not sim.fds
