"""Finding out, at start, what of the log can be believed, and saying what can't.

Owns: the log's directory, before the log is open. Inputs: the files there, the checkpoint, the highest LSN
known to have been durable. Outputs: the segments and a `Recovery` for the operator.

What ends a log is a torn frame or nothing; it was never acknowledged and is wiped. What is followed by a good
frame or by a later segment, or has an LSN that is known to have been durable, was acknowledged: that is
corruption. Its bytes are copied to `corrupt/`, it is reported with the LSNs that are lost, and reading goes
on behind it.

Invariants: I1 nothing that may have been acknowledged is wiped. I2 no LSN is given out twice in one log.
            I3 when it returns, all frames it counted are durable, even if only the page cache had them.
Failure: Fatal for what an operator has to sort out (foreign segments, a newer format, no log id); OSError.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Final

import attrs

from statnive.errors import Fatal
from statnive.wal import segment as seg
from statnive.wal.frame import HEADER_BYTES, LSN_MAX, ROW_BYTES_MIN, Header, parse_header
from statnive.wal.fs import FileSystem, read_file, replace_file, write_all, write_zeros
from statnive.wal.sealed import BrokenSeal, read_sealed, write_sealed
from statnive.wal.segment import Bad, Segment

ID_NAME: Final = "log.id"
CORRUPT_NAME: Final = "corrupt"
TIME_MAX: Final = 2**63 - 1
_SPARE: Final = re.compile(r"spare-(\d+)", re.ASCII)
_LEFTOVER: Final = re.compile(r"(spare-\d+|log\.id)\.tmp", re.ASCII)


class Damage(StrEnum):
    """What kind of corruption was found."""

    FRAMES = "frames"  # bytes that were frames and aren't any more
    HEADER = "header"  # a segment's header block, or `log.id`; made anew, no frame is touched
    MISSING = "missing"  # LSNs without a trace: a segment was removed or shortened


@attrs.frozen
class Corruption:
    """Damage to what had been durable: `bytes` at `offset`, where LSNs [first_lsn, last_lsn] belong."""

    damage: Damage
    segment: str  # file name; "" where no file is
    offset: int
    bytes: int
    first_lsn: int
    last_lsn: int  # below first_lsn: no frame is touched
    lost_rows: int  # those not in ClickHouse yet: acknowledged events that are gone (at most, if unreadable)
    set_aside: Path | None  # the copy of the bad bytes; None if there are none
    known: bool = False  # the copy was there before: an earlier start has reported it


@attrs.frozen
class Recovery:
    """What a start found in the log."""

    log_id: int
    log_is_new: bool  # no segment was there: the LSNs go on, under a new log id
    next_lsn: int
    frames: int  # to replay: behind the checkpoint
    rows: int
    torn_bytes: int  # wiped behind the last good frame: a write that was never acknowledged
    corruptions: tuple[Corruption, ...]

    def tell(self, report: Callable[..., None]) -> None:
        """Report each thing found, as `report(kind, text, **figures)`: nothing of it is silent."""
        if self.torn_bytes:
            report(
                "torn_write",
                f"a torn last frame of {self.torn_bytes} bytes was cut off; it was never acknowledged",
            )
        for found in self.corruptions:
            if not found.known:
                report(
                    "corruption",
                    f"{found.damage} of {found.segment or 'the log'} at {found.offset}: {found.bytes} bytes are bad, "
                    f"{found.lost_rows} acknowledged events are lost; the bytes are kept in {found.set_aside}",
                    lost_rows=found.lost_rows,
                )
        if self.rows:
            report("replay", f"{self.rows} events of the last run go into ClickHouse now")


@attrs.frozen
class LogId:
    """The document in `log.id`. `durable_lsn` was durable when it was written: at a stop, or at damage."""

    log_id: int
    durable_lsn: int


@attrs.frozen
class Recovered:
    """What the log needs to go on: a new segment is due unless the last one ends just before `next_lsn`."""

    segments: list[Segment]
    spares: list[Path]
    report: Recovery


def write_id(fs: FileSystem, directory: Path, log_id: int, durable_lsn: int) -> None:
    """Write down the log's id and how far it is known to be durable. Raises OSError."""
    write_sealed(fs, directory / ID_NAME, LogId(log_id, durable_lsn))


def recover(
    directory: Path, fs: FileSystem, checkpoint_lsn: int, seen_lsn: int, random_u64: Callable[[], int]
) -> Recovered:
    """Verify the log behind `checkpoint_lsn` and repair its end. Raises Fatal, OSError."""
    return _Recovery(directory, fs, checkpoint_lsn, seen_lsn).run(random_u64)


class _Recovery:
    def __init__(self, directory: Path, fs: FileSystem, checkpoint_lsn: int, seen_lsn: int) -> None:
        self._directory, self._fs = directory, fs
        self._checkpoint = checkpoint_lsn
        self._seen = max(seen_lsn, checkpoint_lsn)
        self._log_id = 0
        self._frames = self._rows = self._torn_bytes = 0
        self._corruptions: list[Corruption] = []
        self._unreadable: list[int] = []  # pages of the segment under scan

    def run(self, random_u64: Callable[[], int]) -> Recovered:
        self._fs.mkdir(self._directory)
        names = self._fs.listdir(self._directory)
        for name in names:
            if _LEFTOVER.fullmatch(name):
                self._fs.unlink(self._directory / name)
        spares = [self._directory / name for name in names if _SPARE.fullmatch(name)]
        segments = self._list_segments(names)
        identity = self._read_identity(can_do_without=bool(segments))
        if identity is not None:
            self._seen = max(self._seen, identity.durable_lsn)
        if segments:
            self._adopt_id(segments, identity)
            next_lsn = self._scan(segments)
        else:
            # Not the old id, even if `log.id` is still there: nobody knows how far its LSNs were used (keeps
            # I2).
            self._log_id = random_u64() or 1
            write_id(self._fs, self._directory, self._log_id, 0)
            next_lsn = self._seen + 1
            self._report(Damage.MISSING, "", Bad(0, 0, self._checkpoint + 1, self._seen), b"")
        report = Recovery(
            log_id=self._log_id,
            log_is_new=not segments,
            next_lsn=next_lsn,
            frames=self._frames,
            rows=self._rows,
            torn_bytes=self._torn_bytes,
            corruptions=tuple(self._corruptions),
        )
        return Recovered(segments, spares, report)

    # --- whose log it is ------------------------------------------------------------------------------------

    def _list_segments(self, names: list[str]) -> list[Segment]:
        segments = []
        for name in sorted(name for name in names if name.endswith(".wal")):
            first_lsn = seg.parse_name(name)
            if first_lsn is None:
                raise Fatal(f"{self._directory / name}: not a segment's name; move the file away")
            size = self._fs.size(self._directory / name)
            segments.append(Segment(self._directory / name, first_lsn, size, size, first_lsn - 1))
        for old, following in pairwise(segments):
            old.last_lsn = following.first_lsn - 1
        return segments

    def _read_identity(self, *, can_do_without: bool) -> LogId | None:
        path = self._directory / ID_NAME
        try:
            return read_sealed(self._fs, path, LogId)
        except BrokenSeal as error:
            if not can_do_without:
                raise Fatal(
                    f"{path} is damaged ({error}) and no segment is there: remove it to begin anew"
                ) from None
            data = read_file(self._fs, path)
            self._report(Damage.HEADER, ID_NAME, Bad(0, len(data), 1, 0), data)
            return None  # each segment says it, too

    def _adopt_id(self, segments: list[Segment], identity: LogId | None) -> None:
        headers = [seg.read_header(self._fs, segment.path) for segment in segments]
        ids = {header.log_id for header in headers if header is not None}
        if identity is not None:
            ids.add(identity.log_id)
        if not ids:
            raise Fatal(
                f"{self._directory}: {ID_NAME} and every segment's header are damaged: restore one of them"
            )
        if len(ids) > 1:
            raise Fatal(
                f"{self._directory}: segments of {len(ids)} different logs are mixed: move the strangers away"
            )
        self._log_id = ids.pop()
        if identity is None:
            write_id(self._fs, self._directory, self._log_id, 0)
        for segment, header in zip(segments, headers, strict=True):
            if header is None:
                self._repair_header(segment)
            elif header.first_lsn != segment.first_lsn:
                raise Fatal(
                    f"{segment.path}: begins with LSN {header.first_lsn}: give the file its name back"
                )

    def _repair_header(self, segment: Segment) -> None:
        damaged, _ = seg.load(self._fs, segment.path, min(segment.size, seg.SEGMENT_HEADER_BYTES))
        block = bytes(damaged)
        self._report(Damage.HEADER, segment.path.name, Bad(0, len(block), 1, 0), block)
        fd = self._fs.open(segment.path)
        try:
            write_all(self._fs, fd, seg.encode_header(self._log_id, segment.first_lsn), 0)
            self._fs.fdatasync(fd)
        finally:
            self._fs.close(fd)
        segment.size = max(segment.size, seg.SEGMENT_HEADER_BYTES)

    # --- what is in it --------------------------------------------------------------------------------------

    def _scan(self, segments: list[Segment]) -> int:
        """Scan from the segment that holds the checkpoint on; the next LSN."""
        wanted = self._checkpoint + 1
        start = max((i for i, segment in enumerate(segments) if segment.first_lsn <= wanted), default=0)
        self._report(Damage.MISSING, "", Bad(0, 0, wanted, segments[start].first_lsn - 1), b"")
        first_commits: dict[int, int] = {}
        for segment, following in zip(segments[start:], [*segments[start + 1 :], None], strict=True):
            limit = following.first_lsn if following is not None else LSN_MAX
            buffer, last = self._scan_segment(segment, limit, first_commits)
            if following is not None:
                self._judge_middle(segment, buffer, limit)
                segment.last_lsn = limit - 1
            else:
                self._judge_tail(segment, buffer, last)
        self._fs.fsync_dir(self._directory)  # the last segment's name may be in memory only (keeps I3)
        self._bound_commit_times(segments[: start + 1], first_commits)
        return max(segments[-1].last_lsn, self._seen) + 1

    def _scan_segment(
        self, segment: Segment, limit_lsn: int, first_commits: dict[int, int]
    ) -> tuple[bytearray, tuple[int, Header] | None]:
        buffer, self._unreadable = seg.load(self._fs, segment.path, segment.size)
        last: tuple[int, Header] | None = None
        segment.end, segment.last_lsn = seg.SEGMENT_HEADER_BYTES, segment.first_lsn - 1
        for item in seg.walk(buffer, segment.first_lsn, self._log_id, limit_lsn):
            if isinstance(item, Bad):
                segment.skips[item.offset] = item.end
                self._report(Damage.FRAMES, segment.path.name, item, bytes(buffer[item.offset : item.end]))
                continue
            header = item.header
            if header.first_lsn <= self._checkpoint < header.last_lsn:
                raise Fatal(
                    f"{segment.path}: the checkpoint {self._checkpoint} is inside the frame "
                    f"of LSN {header.first_lsn}: it belongs to another log"
                )
            if header.first_lsn > self._checkpoint:
                self._frames += 1
                self._rows += header.row_count
            first_commits.setdefault(segment.first_lsn, header.commit_time_us)
            segment.last_commit_us = max(segment.last_commit_us, header.commit_time_us)
            segment.end, segment.last_lsn = item.offset + header.frame_bytes, header.last_lsn
            last = item.offset, header
        return buffer, last

    def _judge_middle(self, segment: Segment, buffer: bytearray, limit_lsn: int) -> None:
        """A later segment exists, so everything below its first LSN was durable once."""
        expected = segment.last_lsn + 1
        if expected < limit_lsn:
            self._report_tail(segment, buffer, expected, limit_lsn - 1)

    def _judge_tail(self, segment: Segment, buffer: bytearray, last: tuple[int, Header] | None) -> None:
        """The end of the log: corrupt if more was known to be durable, otherwise torn or clean."""
        expected = segment.last_lsn + 1
        if self._hides_frames(segment, buffer):
            # Nobody knows how many rows were there: no LSN that they may have had is used again (keeps I2).
            self._seen = max(self._seen, expected + (segment.size - segment.end) // ROW_BYTES_MIN)
        torn_end = segment.end
        if expected <= self._seen:
            self._report_tail(segment, buffer, expected, self._seen)  # stays as it is: a new segment is begun
        elif not seg.is_blank(buffer, segment.end):
            torn_end = seg.dirty_end(buffer, segment.end, self._log_id, expected)
            self._torn_bytes = torn_end - segment.end
        start = last[0] if last is not None else segment.end
        self._settle(segment, bytes(buffer[start : segment.end]), torn_end, wipe=expected > self._seen)

    def _hides_frames(self, segment: Segment, buffer: bytearray) -> bool:
        """Pages that the disk can't read, and no write can have torn, stand where the log seems to end."""
        behind = [page for page in self._unreadable if page + seg.PAGE_BYTES > segment.end]
        at_end = any(page < segment.end + HEADER_BYTES for page in behind)
        return at_end or (bool(behind) and not seg.is_blank(buffer, segment.end))

    def _settle(self, segment: Segment, last_frame: bytes, torn_end: int, *, wipe: bool) -> None:
        """Make the end of the log durable.

        The last frame is written again, not only flushed: if its flush had failed, the kernel holds it as
        clean, and another flush would "succeed" without writing it.
        """
        fd = self._fs.open(segment.path)
        try:
            zeros = bytes(seg.padding_bytes(segment.end, segment.size)) if wipe else b""
            write_all(self._fs, fd, last_frame + zeros, segment.end - len(last_frame))
            if wipe:
                write_zeros(self._fs, fd, segment.end + len(zeros), torn_end)
            self._fs.fdatasync(fd)
        finally:
            self._fs.close(fd)

    def _bound_commit_times(self, old: list[Segment], first_commits: dict[int, int]) -> None:
        """When the segments before the scan were last written to: no later than the first commit behind them.

        `old` ends with the first segment that was scanned.
        """
        bound = first_commits.get(old[-1].first_lsn)
        for segment in reversed(old[:-1]):
            if bound is None:
                bound = TIME_MAX  # not known, so it is kept while there is room
            segment.last_commit_us = bound
            head, _ = seg.load(
                self._fs, segment.path, min(segment.size, seg.SEGMENT_HEADER_BYTES + seg.PAGE_BYTES)
            )
            header = parse_header(head, seg.SEGMENT_HEADER_BYTES)
            if header is not None and header.first_lsn == segment.first_lsn:
                bound = header.commit_time_us

    # --- saying it ------------------------------------------------------------------------------------------

    def _report_tail(self, segment: Segment, buffer: bytearray, first_lsn: int, last_lsn: int) -> None:
        end = seg.dirty_end(buffer, segment.end, self._log_id, first_lsn)
        damage = Damage.FRAMES if end > segment.end else Damage.MISSING
        bad = Bad(segment.end, end, first_lsn, last_lsn)
        self._report(damage, segment.path.name, bad, bytes(buffer[segment.end : end]))

    def _report(self, damage: Damage, name: str, bad: Bad, data: bytes) -> None:
        """Count the damage and copy its bytes to `corrupt/`, once."""
        if damage is Damage.MISSING and bad.last_lsn < bad.first_lsn:
            return
        set_aside, known = None, False
        if data:
            folder = self._directory / CORRUPT_NAME
            set_aside = folder / f"{name}-{bad.offset}-{len(data)}.bad"
            self._fs.mkdir(folder)
            known = set_aside.name in self._fs.listdir(folder) and read_file(self._fs, set_aside) == data
            if not known:
                replace_file(self._fs, set_aside, data)
        lost_rows = max(0, bad.last_lsn - max(bad.first_lsn, self._checkpoint + 1) + 1)
        self._corruptions.append(
            Corruption(
                damage=damage,
                segment=name,
                offset=bad.offset,
                bytes=len(data),
                first_lsn=bad.first_lsn,
                last_lsn=bad.last_lsn,
                lost_rows=lost_rows,
                set_aside=set_aside,
                known=known,
            )
        )
