"""One frame: the bytes of one group commit.

    header   40 bytes  magic, format version u16, row-schema version u16, log id u64, first LSN u64,
                       commit time u64 (microseconds since the epoch), row count u32, payload bytes u32
    lengths  4 x rows  the length of each row, u32
    payload            the rows, back to back
    checksum 16 bytes  BLAKE3 of all that stands before it

Numbers are little-endian. Rows are opaque here; LSNs are dense, so row i has LSN first LSN + i.

Invariants: I1 a frame is believed only if its checksum is right: all of its bytes are covered.
            I2 no row's text can look like a frame: the magic is not UTF-8, and the log id is never shown.
Failure: bytes that are no whole, undamaged frame come back as a `FrameFault`, never as an exception.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from blake3 import blake3

FORMAT_VERSION: Final = 1
MAGIC: Final = b"\xf7SNF"
MARK: Final = MAGIC + FORMAT_VERSION.to_bytes(2, "little")  # what a search for frames looks for
LSN_MAX: Final = 2**63 - 1
PAYLOAD_BYTES_MAX: Final = 2**32 - 1
CHECKSUM_BYTES: Final = 16

_HEADER: Final = struct.Struct("<4sHHQQQII")
HEADER_BYTES: Final = _HEADER.size
LENGTH_BYTES: Final = 4
_SUFFIX: Final = struct.Struct(">BQBQ")
_MSGPACK_UINT64: Final = 0xCF
ROW_BYTES_MIN: Final = _SUFFIX.size
_SWAP: Final = sys.byteorder == "big"

Buffer = bytes | bytearray


class FrameFault(StrEnum):
    """Why there is no frame at a place."""

    NONE = "no frame begins here"
    SHORT = "the bytes end before the frame does"
    DAMAGED = "the checksum is wrong"


class Header(NamedTuple):
    """What a frame says of itself; to be believed only after `verify`."""

    schema_version: int
    log_id: int
    first_lsn: int
    commit_time_us: int
    row_count: int
    payload_bytes: int

    @property
    def last_lsn(self) -> int:
        return self.first_lsn + self.row_count - 1

    @property
    def frame_bytes(self) -> int:
        return frame_bytes(self.row_count, self.payload_bytes)


class Frame(NamedTuple):
    """A verified frame. `payload` is all its rows back to back, so whole payloads may be joined."""

    first_lsn: int
    schema_version: int
    commit_time_us: int
    lengths: array[int]
    payload: bytes
    log_id: int

    @property
    def last_lsn(self) -> int:
        return self.first_lsn + len(self.lengths) - 1

    def rows(self) -> Iterator[bytes]:
        """Each row's bytes, in LSN order."""
        start = 0
        for length in self.lengths:
            yield self.payload[start : start + length]
            start += length


def frame_bytes(row_count: int, payload_bytes: int) -> int:
    """How many bytes a frame takes on disk."""
    return HEADER_BYTES + LENGTH_BYTES * row_count + payload_bytes + CHECKSUM_BYTES


def row_suffix(log_id: int, lsn: int) -> bytes:
    """The last two columns of a row, `log_id` and `lsn`, as MsgPack: 18 bytes."""
    return _SUFFIX.pack(_MSGPACK_UINT64, log_id, _MSGPACK_UINT64, lsn)


def encode_frame(
    rows: Sequence[bytes], first_lsn: int, commit_time_us: int, schema_version: int, log_id: int
) -> bytearray:
    """One frame of `rows` (none of them empty), the first of which has LSN `first_lsn`."""
    assert rows, "a frame without rows"
    assert 1 <= first_lsn <= LSN_MAX - len(rows), first_lsn
    lengths = array("I", map(len, rows))
    assert min(lengths) > 0, "an empty row"
    payload_bytes = sum(lengths)
    assert payload_bytes <= PAYLOAD_BYTES_MAX, payload_bytes
    if _SWAP:
        lengths.byteswap()
    head = _HEADER.pack(
        MAGIC, FORMAT_VERSION, schema_version, log_id, first_lsn, commit_time_us, len(rows), payload_bytes
    )
    # One growing buffer: joining bytes twice costs four times as much (33 against 124 us for 256 rows of 350
    # bytes).
    frame = bytearray().join((head, lengths.tobytes(), *rows))
    frame += blake3(frame).digest(CHECKSUM_BYTES)
    assert len(frame) == frame_bytes(len(rows), payload_bytes)
    return frame


def parse_header(buffer: Buffer, offset: int) -> Header | None:
    """The header at `offset`, if the bytes there can be one at all. Nothing is verified."""
    if offset + HEADER_BYTES > len(buffer):
        return None
    magic, version, *rest = _HEADER.unpack_from(buffer, offset)
    if magic != MAGIC or version != FORMAT_VERSION:
        return None
    header = Header(*rest)
    if header.row_count == 0 or header.payload_bytes < header.row_count:
        return None
    if not 1 <= header.first_lsn <= LSN_MAX - header.row_count:
        return None
    return header


def verify(buffer: Buffer, offset: int, header: Header) -> FrameFault | None:
    """None if the frame at `offset` is whole and undamaged (keeps I1)."""
    end = offset + header.frame_bytes
    if end > len(buffer):
        return FrameFault.SHORT
    view = memoryview(buffer)
    covered = view[offset : end - CHECKSUM_BYTES]
    if blake3(covered).digest(CHECKSUM_BYTES) != view[end - CHECKSUM_BYTES : end]:
        return FrameFault.DAMAGED
    return None


def decode_frame(buffer: Buffer, offset: int = 0) -> Frame | FrameFault:
    """The frame that begins at `offset`, verified, or why there is none."""
    header = parse_header(buffer, offset)
    if header is None:
        return FrameFault.SHORT if len(buffer) - offset < HEADER_BYTES else FrameFault.NONE
    fault = verify(buffer, offset, header)
    if fault is not None:
        return fault
    table = offset + HEADER_BYTES
    start = table + LENGTH_BYTES * header.row_count
    lengths = array("I")
    lengths.frombytes(buffer[table:start])
    if _SWAP:
        lengths.byteswap()
    assert sum(lengths) == header.payload_bytes, "a frame with a right checksum and wrong lengths"
    payload = bytes(buffer[start : start + header.payload_bytes])
    return Frame(
        header.first_lsn, header.schema_version, header.commit_time_us, lengths, payload, header.log_id
    )
