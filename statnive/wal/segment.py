"""One segment: a file `<first LSN, 20 digits>.wal` of frames, written with zeros once and recycled.

    block 0   4096 bytes: magic, format version u16, log id u64, first LSN u64, checksum; the rest zeros
    then      frames back to back, the last one followed by zeros, at least as many as a frame header has

A recycled segment still holds its old frames behind the new ones. They can't be taken for new ones: a frame
counts only where the one before it ends, with exactly the next LSN; and a search for frames behind damage
takes only LSNs that are still to come, whereas old frames have lower ones.

Invariants: I1 a segment gets its name only when its zeros and its header block are durable.
            I2 what `walk` yields as found has a right checksum, belongs to the log and comes in LSN order;
               what stands between two such frames is yielded as bad, never passed over.
Failure: unreadable pages (EIO) are read as zeros, so that the frames in them, and only they, are bad.
"""

from __future__ import annotations

import errno
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import attrs
from blake3 import blake3

from statnive.errors import Fatal
from statnive.wal.frame import (
    CHECKSUM_BYTES,
    FORMAT_VERSION,
    HEADER_BYTES,
    LSN_MAX,
    MAGIC,
    MARK,
    Buffer,
    Header,
    parse_header,
    verify,
)
from statnive.wal.fs import FileSystem, write_all, write_zeros

PAGE_BYTES: Final = 4096
SEGMENT_HEADER_BYTES: Final = PAGE_BYTES
SEGMENT_BYTES_MIN: Final = 4 * PAGE_BYTES
READ_CHUNK_BYTES: Final = 1024 * 1024
SYNC_EVERY_BYTES: Final = 8 * 1024 * 1024

_MAGIC: Final = b"\xf7SNWAL\r\n"
_HEADER: Final = struct.Struct("<8sHQQ")
_NAME: Final = re.compile(r"(\d{20})\.wal", re.ASCII)


class SegmentHeader(NamedTuple):
    """The verified header block of a segment."""

    version: int
    log_id: int
    first_lsn: int


@attrs.define
class Segment:
    """What the log knows of one segment; only the log changes it, under its lock.

    `end` is the offset behind the last durable frame (the file's size where it was not scanned). `skips`
    leads from the offset of each damaged stretch to the next good frame.
    """

    path: Path
    first_lsn: int
    size: int
    end: int
    last_lsn: int
    last_commit_us: int = 0
    skips: dict[int, int] = attrs.field(factory=dict)

    @property
    def empty(self) -> bool:
        """No frame was ever written to it."""
        return self.last_lsn < self.first_lsn


class Found(NamedTuple):
    """A good frame and where it begins."""

    offset: int
    header: Header


class Bad(NamedTuple):
    """Bytes [offset, end) that should hold the frames of LSNs [first_lsn, last_lsn], and don't."""

    offset: int
    end: int
    first_lsn: int
    last_lsn: int


def segment_name(first_lsn: int) -> str:
    """The file name of the segment that begins with this LSN."""
    return f"{first_lsn:020d}.wal"


def parse_name(name: str) -> int | None:
    """The first LSN that a file name tells, or None if it names no segment."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    lsn = int(match[1])
    return lsn if 1 <= lsn <= LSN_MAX else None


def encode_header(log_id: int, first_lsn: int) -> bytes:
    """A header block."""
    head = _HEADER.pack(_MAGIC, FORMAT_VERSION, log_id, first_lsn)
    return (head + blake3(head).digest(CHECKSUM_BYTES)).ljust(SEGMENT_HEADER_BYTES, b"\0")


def decode_header(block: bytes) -> SegmentHeader | None:
    """The header block's content, or None if it is damaged."""
    covered, checksum = block[: _HEADER.size], block[_HEADER.size : _HEADER.size + CHECKSUM_BYTES]
    if len(checksum) < CHECKSUM_BYTES or blake3(covered).digest(CHECKSUM_BYTES) != checksum:
        return None
    magic, version, log_id, first_lsn = _HEADER.unpack(covered)
    return SegmentHeader(version, log_id, first_lsn) if magic == _MAGIC else None


def read_header(fs: FileSystem, path: Path) -> SegmentHeader | None:
    """A segment's header block, None if damaged or unreadable.

    Raises Fatal if a newer program wrote the segment: its frames must not be taken for damage.
    """
    fd = fs.open(path)
    try:
        block = fs.pread(fd, SEGMENT_HEADER_BYTES, 0)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return None
    finally:
        fs.close(fd)
    header = decode_header(block)
    if header is not None and header.version != FORMAT_VERSION:
        raise Fatal(
            f"{path}: written in log format {header.version}, this program knows {FORMAT_VERSION}: "
            "start the newer program again"
        )
    return header


def write_blank(fs: FileSystem, path: Path, size: int) -> None:
    """Make `path` a durable file of `size` zeros (its name isn't durable yet). Raises OSError.

    It is flushed as it goes, so that a commit's flush next to it never waits for all of it.
    """
    fd = fs.create(path)
    try:
        for start in range(0, size, SYNC_EVERY_BYTES):
            write_zeros(fs, fd, start, min(size, start + SYNC_EVERY_BYTES))
            fs.fdatasync(fd)
    finally:
        fs.close(fd)


def begin_segment(
    fs: FileSystem, blank: Path, directory: Path, log_id: int, first_lsn: int
) -> tuple[Path, int]:
    """Turn a blank or old file into the segment of `first_lsn`: its path and an open descriptor.

    Keeps I1: the header block is durable before the name, and both before this returns. Raises OSError.
    """
    fd = fs.open(blank)
    try:
        write_all(fs, fd, encode_header(log_id, first_lsn), 0)
        fs.fdatasync(fd)
        path = directory / segment_name(first_lsn)
        fs.rename(blank, path)
        fs.fsync_dir(directory)
    except BaseException:
        fs.close(fd)
        raise
    return path, fd


def padding_bytes(end: int, size: int) -> int:
    """How many zeros to write behind a frame that ends at `end`: a frame header at least, to a page's end.

    Whole pages are written, so the kernel never reads one back from the disk to change a part of it, and the
    end of the log is marked by zeros even in a recycled segment.
    """
    padded = -(-(end + HEADER_BYTES) // PAGE_BYTES) * PAGE_BYTES
    return max(0, min(padded, size) - end)


def load(fs: FileSystem, path: Path, end: int) -> tuple[bytearray, list[int]]:
    """The segment's bytes up to `end`, and the offsets of the pages that the disk can't read: they are zeros.

    Raises OSError for anything but EIO.
    """
    buffer = bytearray(end)
    unreadable: list[int] = []
    fd = fs.open(path)
    try:
        for offset in range(0, end, READ_CHUNK_BYTES):
            chunk_end = min(end, offset + READ_CHUNK_BYTES)
            if not _read_into(fs, fd, buffer, offset, chunk_end):
                for page in range(offset, chunk_end, PAGE_BYTES):
                    if not _read_into(fs, fd, buffer, page, min(chunk_end, page + PAGE_BYTES)):
                        unreadable.append(page)
    finally:
        fs.close(fd)
    return buffer, unreadable


def _read_into(fs: FileSystem, fd: int, buffer: bytearray, start: int, end: int) -> bool:
    try:
        data = fs.pread(fd, end - start, start)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return False
    buffer[start : start + len(data)] = data
    return True


def walk(buffer: Buffer, first_lsn: int, log_id: int, limit_lsn: int) -> Iterator[Found | Bad]:
    """The frames of a segment in order, and the damage between them (keeps I2).

    Ends behind the last good frame; what stands there (zeros, old frames, a torn frame) is the caller's to
    judge. Only LSNs from `first_lsn` to below `limit_lsn` (the next segment's first) can be in it.
    """
    offset, expected = SEGMENT_HEADER_BYTES, first_lsn
    while True:
        header = _good_header(buffer, offset, log_id)
        if header is None or header.first_lsn != expected or header.last_lsn >= limit_lsn:
            good = _find_good(buffer, offset, log_id, expected, limit_lsn)
            if good is None:
                return
            yield Bad(offset, good.offset, expected, good.header.first_lsn - 1)
            offset, header = good
        yield Found(offset, header)
        offset += header.frame_bytes
        expected = header.last_lsn + 1


def _good_header(buffer: Buffer, offset: int, log_id: int) -> Header | None:
    header = parse_header(buffer, offset)
    if header is None or header.log_id != log_id or verify(buffer, offset, header) is not None:
        return None
    return header


def _marks(buffer: Buffer, offset: int, log_id: int) -> Iterator[Found]:
    """Every place from `offset` on that looks like a frame header of this log. Nothing is verified."""
    while (offset := buffer.find(MARK, offset)) >= 0:
        header = parse_header(buffer, offset)
        if header is not None and header.log_id == log_id:
            yield Found(offset, header)
        offset += len(MAGIC)


def _find_good(buffer: Buffer, offset: int, log_id: int, lsn_min: int, limit_lsn: int) -> Found | None:
    for place in _marks(buffer, offset, log_id):
        header = place.header
        if (
            lsn_min <= header.first_lsn
            and header.last_lsn < limit_lsn
            and verify(buffer, place.offset, header) is None
        ):
            return place
    return None


def dirty_end(buffer: Buffer, offset: int, log_id: int, lsn: int) -> int:
    """Where the bytes at `offset`, which should be the frame of `lsn`, give way to zeros or old frames."""
    end = max(offset, len(buffer.rstrip(b"\0")))
    older = (place.offset for place in _marks(buffer, offset, log_id) if place.header.first_lsn < lsn)
    return min(end, next(older, end))


def is_blank(buffer: Buffer, offset: int) -> bool:
    """No frame was begun at `offset`: a frame header of zeros is there, or the segment's end."""
    return not any(buffer[offset : offset + HEADER_BYTES])
