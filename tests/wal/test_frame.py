"""Frames: what goes in comes out, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statnive.wal.frame import (
    CHECKSUM_BYTES,
    HEADER_BYTES,
    LSN_MAX,
    MAGIC,
    Frame,
    FrameFault,
    decode_frame,
    encode_frame,
    frame_bytes,
    parse_header,
    row_suffix,
)

ROWS = st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=40)
U64 = st.integers(0, 2**64 - 1)


@settings(deadline=None)  # the machine may be busy
@given(ROWS, st.integers(1, LSN_MAX - 100), U64, st.integers(0, 2**16 - 1), U64, st.binary(max_size=50))
def test_a_frame_decodes_to_what_was_encoded(
    rows: list[bytes], first_lsn: int, time_us: int, schema: int, log_id: int, before: bytes
) -> None:
    data = encode_frame(rows, first_lsn, time_us, schema, log_id)
    assert len(data) == frame_bytes(len(rows), sum(map(len, rows)))
    frame = decode_frame(before + data + b"what follows", len(before))
    assert isinstance(frame, Frame)
    assert list(frame.rows()) == rows
    assert frame.payload == b"".join(rows)
    assert (frame.first_lsn, frame.last_lsn) == (first_lsn, first_lsn + len(rows) - 1)
    assert (frame.commit_time_us, frame.schema_version, frame.log_id) == (time_us, schema, log_id)


def test_a_flip_of_any_bit_is_noticed() -> None:
    data = encode_frame([b"first", b"second row", b"3"], 7, 1_700_000_000_000_000, 1, 99)
    for position in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            assert isinstance(decode_frame(damaged), FrameFault), (position, bit)


def test_a_frame_cut_anywhere_is_short() -> None:
    data = bytes(encode_frame([b"first", b"second row"], 7, 1, 1, 99))
    for size in range(len(data)):
        assert decode_frame(data[:size]) is FrameFault.SHORT


@settings(deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_make_decoding_raise(data: bytes, with_magic: bool) -> None:
    assert isinstance(decode_frame(MAGIC + b"\x01\0" + data if with_magic else data), FrameFault)


@given(st.integers(0, HEADER_BYTES - 1), st.binary(min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_a_header_with_other_bytes_is_refused_or_unchanged(position: int, replacement: bytes) -> None:
    data = bytes(encode_frame([b"a row", b"b row"], 3, 5, 1, 2**60))
    changed = data[:position] + replacement + data[position + len(replacement) :]
    outcome = decode_frame(changed)
    assert isinstance(outcome, FrameFault) or changed == data


def test_a_frame_without_rows_or_with_an_empty_row_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        encode_frame([], 1, 1, 1, 1)
    with pytest.raises(AssertionError):
        encode_frame([b"row", b""], 1, 1, 1, 1)
    with pytest.raises(AssertionError):
        encode_frame([b"row"], 0, 1, 1, 1)


def test_no_text_can_hold_the_magic() -> None:
    with pytest.raises(UnicodeDecodeError):
        MAGIC.decode("utf-8")
    for lead in range(0x80, 0x800):  # nor together with what could stand before it
        with pytest.raises(UnicodeDecodeError):
            (chr(lead).encode()[:1] + MAGIC).decode("utf-8")


def test_a_header_that_no_frame_can_have_is_none() -> None:
    data = encode_frame([b"row"], 1, 1, 1, 1)
    assert parse_header(data, 0) is not None
    for position, value in (
        (32, bytes(4)),
        (36, bytes(4)),
        (16, bytes(8)),
        (16, b"\xff" * 8),
        (4, b"\x02\0"),
    ):
        changed = bytearray(data)
        changed[position : position + len(value)] = value
        assert parse_header(changed, 0) is None


def test_a_row_suffix_is_two_msgpack_integers() -> None:
    assert row_suffix(0x0102030405060708, 9) == bytes.fromhex("cf0102030405060708cf0000000000000009")
    assert len(row_suffix(2**64 - 1, LSN_MAX)) == 18
    assert CHECKSUM_BYTES == 16
