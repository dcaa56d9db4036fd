"""The writer's durable memory: what is done, which block is under way, and whether the last stop was clean.

Owns: `writer.state` (sealed JSON) and the marker `running`, both in the log's directory.
Inputs: a `WriterState` to save. Outputs: the last one saved, whole.
Invariants: I1 after `save` returned, a crash finds that state; before, that one or the one before it.
            I2 a block is saved before its first attempt, so its rows and its token are fixed for every later
               one; rows that are set aside make another token, and are saved with the block before its use.
            I3 the marker is durable from `mark_running` to `mark_clean`: no marker means a clean stop.
Failure: a damaged file or a failed write is Fatal, and after a failed write every later `save` is, too.
Shutdown: `mark_clean` last, when the writer is drained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

from statnive.errors import Fatal
from statnive.wal.fs import FileSystem
from statnive.wal.sealed import BrokenSeal, read_sealed, write_sealed

STATE_NAME: Final = "writer.state"
RUNNING_NAME: Final = "running"


@attrs.frozen
class Block:
    """An insert block: whole frames whose LSNs are [first_lsn, last_lsn], all of one row-schema version."""

    first_lsn: int
    last_lsn: int
    rows: int
    token: str  # the insert_deduplication_token of every attempt with all of its rows
    partitions: dict[int, int]  # local month yyyymm -> rows in it
    set_aside: tuple[
        int, ...
    ] = ()  # LSNs of rows that ClickHouse refuses: in the quarantine, and sent no more

    @property
    def sent_token(self) -> str:
        """The token for the rows that are not set aside: the same for the same rows, whatever happened between."""
        return f"{self.token}.{len(self.set_aside)}" if self.set_aside else self.token


@attrs.frozen
class WriterState:
    """All rows up to `done_lsn` are in ClickHouse for good; `block` is under way."""

    log_id: int
    done_lsn: int
    block: Block | None = None

    @property
    def seen_lsn(self) -> int:
        """The highest LSN that is known to have been durable in the log."""
        return self.done_lsn if self.block is None else max(self.done_lsn, self.block.last_lsn)


class StateFile:
    """The files of one writer, in `directory` (made if missing)."""

    def __init__(self, directory: Path, fs: FileSystem) -> None:
        self.fs = fs
        self._directory = directory
        self._path = directory / STATE_NAME
        self._running = directory / RUNNING_NAME
        self._poison = ""

    def load(self) -> WriterState | None:
        """The last state saved, None if there never was one. Raises Fatal if it is damaged or unreadable."""
        try:
            state = read_sealed(self.fs, self._path, WriterState)
        except BrokenSeal as error:
            raise Fatal(
                f"{self._path} is damaged ({error}); without it nobody knows which events are in ClickHouse: "
                "restore it from a backup, or remove it: then all that the log holds is checked row by row, and sent "
                "where it is missing"
            ) from None
        except OSError as error:
            raise Fatal(f"{self._path} can't be read: {error}") from error
        if state is not None:
            self._check(state)
        return state

    def save(self, state: WriterState) -> None:
        """Replace the state, durably (keeps I1). Raises Fatal, then for ever."""
        self._check(state)
        if self._poison:
            raise Fatal(self._poison)
        self._poison = f"{self._path}: an earlier write failed"  # it fails closed, whatever is raised below
        try:
            write_sealed(self.fs, self._path, state)
        except OSError as error:
            self._poison = f"{self._path} can't be written: {error}"
            raise Fatal(self._poison) from error
        self._poison = ""

    def mark_running(self) -> bool:
        """Set the marker, durably; whether it was set already, which means that the last stop was unclean.

        Raises Fatal.
        """
        try:
            self.fs.mkdir(self._directory)
            unclean = RUNNING_NAME in self.fs.listdir(self._directory)
            self.fs.close(self.fs.create(self._running))
            self.fs.fsync_dir(self._directory)
        except OSError as error:
            raise Fatal(f"{self._running} can't be made: {error}") from error
        return unclean

    def mark_clean(self) -> None:
        """Take the marker away, durably; call it when everything else is closed. Raises Fatal."""
        try:
            self.fs.unlink(self._running)
            self.fs.fsync_dir(self._directory)
        except OSError as error:
            raise Fatal(f"{self._running} can't be removed: {error}") from error

    @staticmethod
    def _check(state: WriterState) -> None:
        assert state.done_lsn >= 0, state
        block = state.block
        if block is not None:
            assert state.done_lsn < block.first_lsn <= block.last_lsn, state
            assert block.rows == sum(block.partitions.values()), state
            assert block.token, state
            assert len(set(block.set_aside)) == len(block.set_aside) <= block.rows, state
