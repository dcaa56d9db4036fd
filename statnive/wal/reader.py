"""Reading durable frames back, in order, while the log is being written.

Owns: one descriptor of its own and the places where the last answer began and ended.
Inputs: `Span`s, which say how far each segment is durable. Outputs: verified whole frames.
Invariants: I1 nothing behind a span's end is looked at. I2 an answer's LSNs are dense
            and its rows have one schema version: it ends before a known gap and before a change.
            I3 going on, or asking for the same again, costs only what is read.
Failure: FrameDamaged if durable bytes are not what was written; OSError.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from statnive.wal import segment as seg
from statnive.wal.frame import HEADER_BYTES, Frame, FrameFault, Header, decode_frame, parse_header
from statnive.wal.fs import FileSystem

WINDOW_BYTES: Final = 1024 * 1024


class FrameDamaged(Exception):  # noqa: N818 - named by what is found
    """A durable frame can't be read back as it was written."""


class Span(NamedTuple):
    """The durable part of a segment: frames up to offset `end`; `skips` leads over damage found at start."""

    path: Path
    first_lsn: int
    last_lsn: int
    end: int
    skips: Mapping[int, int]


class _Place(NamedTuple):
    segment_lsn: int  # the first LSN of the segment
    offset: int


class Reader:
    """The cursor of one consumer; one call at a time."""

    def __init__(self, fs: FileSystem, log_id: int) -> None:
        self._fs, self._log_id = fs, log_id
        self._fd: int | None = None
        self._open_path: Path | None = None
        self._window, self._window_start = b"", 0
        self._places: dict[int, _Place] = {}

    def read(self, spans: Sequence[Span], from_lsn: int, rows_max: int, bytes_max: int) -> list[Frame]:
        """Whole frames from `from_lsn` on, or from behind the gap it is in; at least one if there is one.

        `spans` are in order and begin with the segment that holds `from_lsn`. Raises FrameDamaged, OSError.
        """
        frames: list[Frame] = []
        rows = payload_bytes = 0
        start = _Place(0, 0)
        for place, frame in self._frames(spans, from_lsn):
            rows += len(frame.lengths)
            payload_bytes += len(frame.payload)
            if frames and (rows > rows_max or payload_bytes > bytes_max or not _follows(frames[-1], frame)):
                self._remember(frames, start, place)
                return frames
            if not frames:
                start = place
            frames.append(frame)
        if frames:
            last = spans[-1]
            self._remember(frames, start, _Place(last.first_lsn, last.end))
        return frames

    def forget(self, path: Path) -> None:
        """The file is about to be removed or reused: let go of it."""
        if path == self._open_path:
            self.close()

    def close(self) -> None:
        """Give the descriptor back; a later read opens what it needs."""
        self._window = b""
        self._open_path = None
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._fs.close(fd)

    def _remember(self, frames: list[Frame], start: _Place, end: _Place) -> None:
        self._places = {frames[0].first_lsn: start, frames[-1].last_lsn + 1: end}

    def _frames(self, spans: Sequence[Span], from_lsn: int) -> Iterator[tuple[_Place, Frame]]:
        for number, span in enumerate(spans):
            offset, expected = seg.SEGMENT_HEADER_BYTES, span.first_lsn
            if number == 0:
                offset, expected = self._seek(span, from_lsn)
            self._open(span.path)
            while offset < span.end:
                at = span.skips.get(offset, offset)
                if at >= span.end:
                    break
                frame = self._decode(span, at)
                if frame.first_lsn != expected and (offset not in span.skips or frame.first_lsn < expected):
                    raise FrameDamaged(
                        f"{span.path}, offset {at}: LSN {frame.first_lsn} in place of {expected}"
                    )
                yield _Place(span.first_lsn, offset), frame
                offset = at + self._frame_bytes
                expected = frame.last_lsn + 1

    def _seek(self, span: Span, from_lsn: int) -> tuple[int, int]:
        """The offset of `from_lsn` (or of the gap it is in) and the LSN expected there."""
        place = self._places.get(from_lsn)
        if place is not None and place.segment_lsn == span.first_lsn:
            return place.offset, from_lsn
        self._open(span.path)
        offset, expected = seg.SEGMENT_HEADER_BYTES, span.first_lsn
        while offset < span.end and expected < from_lsn:
            at = span.skips.get(offset, offset)
            header = self._header(span, at)
            if header.first_lsn >= from_lsn:
                return offset, from_lsn  # it is in a gap
            if header.last_lsn >= from_lsn:
                raise FrameDamaged(f"{span.path}, offset {at}: LSN {from_lsn} is inside the frame")
            offset, expected = at + header.frame_bytes, header.last_lsn + 1
        return offset, max(from_lsn, span.first_lsn)  # what is before the log's first segment is gone

    # --- bytes ----------------------------------------------------------------------------------------------

    def _open(self, path: Path) -> None:
        if path != self._open_path:
            self.close()
            self._fd = self._fs.open(path)
            self._open_path = path

    def _load(self, span: Span, offset: int, size: int) -> int:
        """Have the window hold `size` bytes from `offset`, where durable; the place of `offset` in it."""
        held = self._window_start + len(self._window)
        if not self._window_start <= offset <= held or min(offset + size, span.end) > held:
            assert self._fd is not None
            wanted = min(max(size, WINDOW_BYTES), span.end - offset)
            self._window = self._fs.pread(self._fd, wanted, offset)
            self._window_start = offset
        return offset - self._window_start

    def _header(self, span: Span, offset: int) -> Header:
        at = self._load(span, offset, HEADER_BYTES)
        header = parse_header(self._window, at)
        if header is None or header.log_id != self._log_id:
            raise FrameDamaged(f"{span.path}, offset {offset}: {FrameFault.NONE}")
        return header

    def _decode(self, span: Span, offset: int) -> Frame:
        self._frame_bytes = self._header(span, offset).frame_bytes
        at = self._load(span, offset, self._frame_bytes)
        frame = decode_frame(self._window, at)
        if isinstance(frame, FrameFault):
            raise FrameDamaged(f"{span.path}, offset {offset}: {frame}")
        return frame


def _follows(frame: Frame, following: Frame) -> bool:
    """Whether both may stand in one answer (keeps I2)."""
    return following.first_lsn == frame.last_lsn + 1 and following.schema_version == frame.schema_version


def spans_from(spans: Sequence[Span], from_lsn: int) -> Sequence[Span]:
    """The spans that hold `from_lsn` and what comes behind it."""
    return spans[bisect_left(spans, from_lsn, key=lambda span: span.last_lsn) :]
