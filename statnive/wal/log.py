"""The write-ahead log: appending, rotating, reading back, trimming.

Owns: the directory `wal/`: segments `<first LSN, 20 digits>.wal`, spares `spare-<n>`, `log.id`, `corrupt/`.
Inputs: batches of encoded rows. Outputs: the same rows, as verified frames, until they are trimmed.

Threads: one appends (`append`), one reads (`read`, `trim`), any may call `prepare_spare` and ask for figures.

Invariants: I1 when `append` returns, its rows are durable. I2 LSNs are dense and never given out twice.
            I3 a frame is in one segment. I4 readers see durable frames only.
            I5 after any failure of `append` nothing is ever appended again: what the kernel says of a file
               after a failed flush can't be believed, so a second flush proves nothing.
            I6 only segments wholly up to the LSN that the caller gave to `trim` are removed or reused.
Failure: Fatal, for ever, from `append`; Fatal from `read` and `trim`. The process must end, and recovers at
its start.
Shutdown: `close`, when nobody appends or reads any more; it writes down how far the log is durable.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from statnive.config import WalConfig
from statnive.errors import ConfigError, Fatal
from statnive.event import ROW_SCHEMA_VERSION
from statnive.wal import segment as seg
from statnive.wal.frame import Frame, FrameFault, decode_frame, encode_frame, row_suffix
from statnive.wal.fs import FileSystem, write_all
from statnive.wal.reader import FrameDamaged, Reader, Span, spans_from
from statnive.wal.recovery import Recovery, recover, write_id
from statnive.wal.segment import Segment

_EVER_US: Final = 2**63
SPARES_MAX: Final = 2
SEGMENTS_MIN: Final = (
    4  # below `refuse_at_share` of the limit there must be room to rotate while others are kept
)


def _random_u64() -> int:
    return secrets.randbits(64)


class Log:
    """An open log. Make one with `Log.open`; nobody else may have the directory open."""

    def __init__(self, directory: Path, config: WalConfig, fs: FileSystem, report: Recovery) -> None:
        self._directory, self._config, self._fs = directory, config, fs
        self._log_id, self._next_lsn = report.log_id, report.next_lsn
        self._refuse_bytes = int(config.size_bytes_max * config.refuse_at_share)
        self._lock = threading.Lock()  # guards what follows; never held while the disk works
        self._segments: list[Segment] = []
        self._spares: list[Path] = []
        self._used_spares: set[Path] = set()  # of them, those that still hold rows of before
        self._spare_number = 0
        self._bytes_used = 0
        self._trimmed_lsn = 0
        self._spare_error = ""
        self._fd: int | None = None  # of the last segment; only `append` uses it
        self._poison = ""
        self._read_lock = threading.Lock()  # one reader at a time; taken before `_lock`
        self._spare_lock = threading.Lock()  # one maker of spares at a time; taken before `_lock`
        self._reader = Reader(fs, report.log_id)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        config: WalConfig,
        fs: FileSystem,
        checkpoint_lsn: int,
        seen_lsn: int = 0,
        random_u64: Callable[[], int] = _random_u64,
    ) -> tuple[Log, Recovery]:
        """Recover the log in `directory` (made if missing) and open it for appending.

        Rows up to `checkpoint_lsn` are in ClickHouse. `seen_lsn` is the highest LSN that anybody knows to
        have been durable; a log that ends before it is corrupt, not torn. One segment is held in memory while
        it is verified. Raises ConfigError for sizes that don't fit each other, Fatal for what an operator has
        to sort out.
        """
        _check_config(config)
        try:
            found = recover(directory, fs, checkpoint_lsn, seen_lsn, random_u64)
            log = cls(directory, config, fs, found.report)
            log._adopt(found.segments, found.spares)
        except OSError as error:
            raise Fatal(f"the log in {directory} can't be opened: {error}") from error
        return log, found.report

    # --- figures --------------------------------------------------------------------------------------------

    @property
    def log_id(self) -> int:
        """The log's random id, u64; with an LSN it names a row for ever."""
        return self._log_id

    @property
    def next_lsn(self) -> int:
        """The LSN that the next row gets."""
        return self._next_lsn

    @property
    def durable_lsn(self) -> int:
        """The LSN of the last durable row."""
        return self._next_lsn - 1

    @property
    def frame_bytes_max(self) -> int:
        """The largest frame that `append` takes, see `frame.frame_bytes`."""
        return self._config.segment_bytes - seg.SEGMENT_HEADER_BYTES

    @property
    def bytes_used(self) -> int:
        """Bytes on disk of all segments not yet trimmed, and of the spares."""
        return self._bytes_used

    @property
    def bytes_limit(self) -> int:
        """The log's size limit in bytes."""
        return self._config.size_bytes_max

    @property
    def nearly_full(self) -> bool:
        """New events must be refused: the log has reached its share, or the disk has no room."""
        if self._bytes_used >= self._refuse_bytes:
            return True
        active = self._segments[-1]
        return bool(self._spare_error) and active.end >= active.size * self._config.refuse_at_share

    @property
    def needs_spare(self) -> bool:
        """Whether `prepare_spare` has something to do."""
        return not self._spares

    @property
    def spare_error(self) -> str:
        """Why no spare could be made; "" when all is well."""
        return self._spare_error

    @property
    def first_lsn(self) -> int:
        """The LSN with which the oldest segment begins."""
        with self._lock:
            return self._segments[0].first_lsn

    @property
    def segments(self) -> int:
        """How many segments there are."""
        return len(self._segments)

    # --- appending ------------------------------------------------------------------------------------------

    def append(self, rows: Sequence[bytes], commit_time_us: int) -> int:
        """Write `rows` as one frame and make it durable (keeps I1); the LSN of the first.

        Row i ends with `row_suffix(log_id, next_lsn + i)`. Raises Fatal, and then always (keeps I5).
        """
        if self._poison:
            raise Fatal(self._poison)
        first_lsn = self._next_lsn
        last_lsn = first_lsn + len(rows) - 1
        assert rows[0].endswith(row_suffix(self._log_id, first_lsn)), (
            "the first row's LSN is not the next one"
        )
        assert rows[-1].endswith(row_suffix(self._log_id, last_lsn)), "the rows' LSNs are not dense"
        frame = encode_frame(rows, first_lsn, commit_time_us, ROW_SCHEMA_VERSION, self._log_id)
        size = len(frame)
        assert size <= self.frame_bytes_max, (
            "a frame larger than a segment: the caller must bound its batches"
        )
        self._poison = "an earlier append did not finish"  # it fails closed, whatever is raised below
        try:
            active = self._segments[-1]
            if active.end + size > active.size:
                active = self._rotate(first_lsn)
            frame += bytes(seg.padding_bytes(active.end + size, active.size))
            assert self._fd is not None
            write_all(self._fs, self._fd, frame, active.end)
            self._fs.fdatasync(self._fd)
        except OSError as error:
            self._poison = f"the log in {self._directory} can't be written: {error}"
            raise Fatal(self._poison) from error
        with self._lock:
            active.end += size
            active.last_lsn = last_lsn
            active.last_commit_us = max(active.last_commit_us, commit_time_us)
            self._next_lsn = last_lsn + 1
        self._poison = ""
        return first_lsn

    def rotate(self) -> None:
        """Begin a new segment, so that `trim` can let go of the last one before it is full. By the one who appends.
        Raises Fatal, and then always (keeps I5).
        """
        if self._poison:
            raise Fatal(self._poison)
        if self._segments[-1].empty:
            return
        self._poison = "an earlier rotation did not finish"
        try:
            self._rotate(self._next_lsn)
        except OSError as error:
            self._poison = f"the log in {self._directory} can't be written: {error}"
            raise Fatal(self._poison) from error
        self._poison = ""

    def prepare_spare(self) -> bool:
        """Have a blank segment ready, so that `append` need not write one; whether there is one.

        Call it every few seconds, in a thread of its own, also when nothing is appended: it may take as long
        as writing a whole segment. When the disk refuses, nothing is lost yet: False, and `nearly_full` once
        the last segment is used up to `refuse_at_share`, until a later call or `trim` finds room.
        """
        with self._spare_lock:
            if self._spares:
                return True
            path = self._new_spare_path()
            temporary = path.with_name(path.name + ".tmp")
            try:
                seg.write_blank(self._fs, temporary, self._config.segment_bytes)
                self._fs.rename(temporary, path)
            except OSError as error:
                self._spare_error = f"no room for the next segment: {error}"
                with suppress(OSError):  # what is left over is removed at the next start
                    self._fs.unlink(temporary)
                return False
            self._add_spare(path)
            return True

    def close(self) -> None:
        """Write down how far the log is durable and let go of the files. Raises Fatal."""
        with self._read_lock:
            self._reader.close()
        try:
            if self._fd is not None:
                fd, self._fd = self._fd, None
                self._fs.close(fd)
            if not self._poison:
                write_id(self._fs, self._directory, self._log_id, self.durable_lsn)
        except OSError as error:
            raise Fatal(f"the log in {self._directory} can't be closed: {error}") from error
        finally:
            self._poison = self._poison or "the log is closed"

    # --- reading --------------------------------------------------------------------------------------------

    def read(self, from_lsn: int, *, rows_max: int, bytes_max: int) -> list[Frame]:
        """Durable frames from `from_lsn` on: at least one if there is one, then as many whole ones as fit.

        `bytes_max` counts payload. An answer's LSNs are dense and its rows have one schema version. If
        `from_lsn` is in a stretch that the recovery reported as lost, the answer begins behind it. Raises
        Fatal if a frame isn't what was written: the process must end, and sets it aside at its next start.
        """
        assert from_lsn > self._trimmed_lsn, f"LSN {from_lsn} was trimmed"
        with self._read_lock:
            spans = spans_from(self._spans(), from_lsn)
            if not spans:
                return []
            try:
                return self._reader.read(spans, from_lsn, rows_max, bytes_max)
            except (OSError, FrameDamaged) as error:
                # The last frame would pass for a torn one at the next start, if it were not known to be
                # durable.
                with suppress(OSError):
                    write_id(self._fs, self._directory, self._log_id, self.durable_lsn)
                raise Fatal(f"the log can't be read back: {error}") from error

    def frames_since(self, commit_time_us: int) -> Iterator[Frame]:
        """The good frames committed at or after that time, oldest first, also those behind the checkpoint.

        For the start of a node, before `trim` is called; holds one segment in memory. Raises Fatal.
        """
        with self._lock:
            recent = [s for s in self._segments if s.last_commit_us >= commit_time_us]
            limits = [(s.path, s.first_lsn, s.last_lsn, s.end) for s in recent]
        for path, first_lsn, last_lsn, end in limits:
            try:
                buffer, _ = seg.load(self._fs, path, end)
            except OSError as error:
                raise Fatal(f"{path} can't be read: {error}") from error
            for item in seg.walk(buffer, first_lsn, self._log_id, last_lsn + 1):
                if isinstance(item, seg.Found) and item.header.commit_time_us >= commit_time_us:
                    frame = decode_frame(buffer, item.offset)
                    assert not isinstance(frame, FrameFault), "a frame that was verified"
                    yield frame

    def _spans(self) -> list[Span]:
        with self._lock:
            return [
                Span(s.path, s.first_lsn, s.last_lsn, s.end, s.skips) for s in self._segments if not s.empty
            ]

    # --- trimming -------------------------------------------------------------------------------------------

    def trim(self, through_lsn: int, *, keep_since_us: int, keep_until_us: int = _EVER_US) -> int:
        """Remove or reuse segments wholly up to `through_lsn` (keeps I6); how many.

        The caller has made the checkpoint `through_lsn` durable. Segments written to since `keep_since_us`
        stay, but only while the log is small: above half of what `nearly_full` allows, room for new events
        comes first. Nor do they stay if their time is after `keep_until_us`: a clock that ran ahead and was
        put right would keep them, and all that come after them, until it is as late again. Raises Fatal.
        """
        done: list[Segment] = []
        with self._read_lock:
            with self._lock:
                while len(self._segments) > 1 and self._may_trim(
                    self._segments[0], through_lsn, keep_since_us, keep_until_us
                ):
                    segment = self._segments.pop(0)
                    self._trimmed_lsn = segment.last_lsn
                    self._bytes_used -= segment.size
                    done.append(segment)
            for segment in done:
                self._reader.forget(segment.path)
        if done:
            try:
                self._dispose(done)
            except OSError as error:
                raise Fatal(f"the log in {self._directory} can't be trimmed: {error}") from error
        return len(done)

    def _may_trim(self, segment: Segment, through_lsn: int, keep_since_us: int, keep_until_us: int) -> bool:
        pressed = self._bytes_used > self._refuse_bytes // 2
        recent = keep_since_us <= segment.last_commit_us <= keep_until_us
        return segment.last_lsn <= through_lsn and (pressed or not recent)

    def _dispose(self, segments: list[Segment]) -> None:
        with self._spare_lock:
            spares: list[Path] = []
            for segment in segments:
                if (
                    segment.size == self._config.segment_bytes
                    and len(self._spares) + len(spares) < SPARES_MAX
                ):
                    path = self._new_spare_path()
                    self._fs.rename(segment.path, path)
                    spares.append(path)
                else:
                    self._fs.unlink(segment.path)
            # Before a spare is used: otherwise a crash could bring back its old name with its new content.
            self._fs.fsync_dir(self._directory)
            for path in spares:
                self._used_spares.add(path)
                self._add_spare(path)

    def discard_used_spares(self) -> int:
        """Remove the spares that hold rows of before; how many. `prepare_spare` makes blank ones in their place. Raises
        Fatal.
        """
        with self._spare_lock:
            with self._lock:
                used = [path for path in self._spares if path in self._used_spares]
                self._spares = [path for path in self._spares if path not in self._used_spares]
                self._bytes_used -= self._config.segment_bytes * len(used)
                self._used_spares.clear()
            try:
                for path in used:
                    self._fs.unlink(path)
                if used:
                    self._fs.fsync_dir(self._directory)
            except OSError as error:
                raise Fatal(f"the log in {self._directory} can't be trimmed: {error}") from error
        return len(used)

    # --- segments -------------------------------------------------------------------------------------------

    def _adopt(self, segments: list[Segment], spares: list[Path]) -> None:
        """Take over what the recovery left; begin a new segment where it ended short."""
        self._spare_number = max((int(path.name.partition("-")[2]) for path in spares), default=0)
        self._segments = segments
        self._bytes_used = sum(segment.size for segment in segments)
        for path in spares:
            if self._fs.size(path) == self._config.segment_bytes and len(self._spares) < SPARES_MAX:
                self._used_spares.add(path)  # whatever it held before
                self._add_spare(path)
            else:
                self._fs.unlink(path)
        if segments and segments[-1].last_lsn + 1 == self._next_lsn:
            self._fd = self._fs.open(segments[-1].path)
        else:
            self._rotate(self._next_lsn)

    def _rotate(self, first_lsn: int) -> Segment:
        """Begin the segment of `first_lsn`; all frames before it are durable. Raises OSError."""
        with self._lock:
            spare = self._spares.pop() if self._spares else None
        if spare is None:
            spare = self._new_spare_path().with_suffix(".tmp")
            seg.write_blank(self._fs, spare, self._config.segment_bytes)
            with self._lock:
                self._bytes_used += self._config.segment_bytes
        path, fd = seg.begin_segment(self._fs, spare, self._directory, self._log_id, first_lsn)
        old_fd, self._fd = self._fd, fd
        start = seg.SEGMENT_HEADER_BYTES
        fresh = Segment(path, first_lsn, self._config.segment_bytes, start, first_lsn - 1)
        with self._lock:
            if self._segments and self._segments[-1].first_lsn == first_lsn:
                self._bytes_used -= (
                    self._segments.pop().size
                )  # an empty one, too short: its name was taken over
            self._segments.append(fresh)
            if len(self._segments) > 1:
                self._segments[-2].last_lsn = first_lsn - 1  # a lost end, if any, belongs to it
        if old_fd is not None:
            self._fs.close(old_fd)
        return fresh

    def _new_spare_path(self) -> Path:
        with self._lock:
            self._spare_number += 1
            return self._directory / f"spare-{self._spare_number}"

    def _add_spare(self, path: Path) -> None:
        with self._lock:
            self._spares.append(path)
            self._bytes_used += self._config.segment_bytes
            self._spare_error = ""


def _check_config(config: WalConfig) -> None:
    if not seg.SEGMENT_BYTES_MIN <= config.segment_bytes < 2**32:
        raise ConfigError(
            "wal.segment_bytes",
            config.segment_bytes,
            f"must be at least {seg.SEGMENT_BYTES_MIN} and below 4 GiB",
        )
    needed = SEGMENTS_MIN * config.segment_bytes
    if config.size_bytes_max * config.refuse_at_share < needed:
        raise ConfigError(
            "wal.size_bytes_max",
            config.size_bytes_max,
            f"its share refuse_at_share must be at least {needed}: {SEGMENTS_MIN} segments of segment_bytes",
        )
