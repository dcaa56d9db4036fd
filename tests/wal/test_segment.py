"""Segments: header blocks, names, and walking over frames, old frames and damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from statnive.errors import Fatal
from statnive.wal import segment as seg
from statnive.wal.frame import encode_frame
from statnive.wal.segment import Bad, Found

LOG = 77
FAR = 2**62


def frame(first_lsn: int, count: int = 2, log_id: int = LOG, row: bytes = b"some row") -> bytes:
    return bytes(encode_frame([row] * count, first_lsn, first_lsn, 1, log_id))


def segment_of(*parts: bytes, size: int = 16384) -> bytes:
    return b"".join((seg.encode_header(LOG, 1), *parts)).ljust(size, b"\0")


def walked(buffer: bytes, first_lsn: int = 1, limit: int = FAR) -> list[tuple[int, int]]:
    """(first, last) LSN of each found frame, negative for a bad stretch."""
    out = []
    for item in seg.walk(buffer, first_lsn, LOG, limit):
        if isinstance(item, Found):
            out.append((item.header.first_lsn, item.header.last_lsn))
        else:
            out.append((-item.first_lsn, -item.last_lsn))
    return out


def test_a_name_sorts_as_its_lsn_and_nothing_else_is_one() -> None:
    assert seg.segment_name(12) == "00000000000000000012.wal"
    assert seg.parse_name(seg.segment_name(12)) == 12
    assert sorted(map(seg.segment_name, (9, 100, 20))) == list(map(seg.segment_name, (9, 20, 100)))
    for name in (
        "12.wal",
        "00000000000000000012.wal.tmp",
        "00000000000000000000.wal",
        "9" * 20 + ".wal",
        "x",
    ):
        assert seg.parse_name(name) is None


def test_a_header_block_with_any_bit_flipped_is_refused() -> None:
    block = seg.encode_header(LOG, 5)
    assert seg.decode_header(block) == (1, LOG, 5)
    for position in range(42):
        damaged = bytearray(block)
        damaged[position] ^= 0x10
        assert seg.decode_header(bytes(damaged)) is None, position
    assert seg.decode_header(b"") is None


def test_a_segment_of_a_newer_program_is_fatal_not_damaged(sim: Any) -> None:
    head = bytearray(seg.encode_header(LOG, 5)[:26])
    head[8] = 2
    path = Path("/w/00000000000000000005.wal")
    fd = sim.create(path)
    sim.pwrite(fd, bytes(head) + blake3(head).digest(16), 0)
    with pytest.raises(Fatal, match="log format 2"):
        seg.read_header(sim, path)


def test_walking_ends_at_zeros() -> None:
    assert walked(segment_of(frame(1), frame(3, 5), frame(8))) == [(1, 2), (3, 7), (8, 9)]
    assert walked(segment_of()) == []


def test_old_frames_of_a_recycled_segment_are_not_found() -> None:
    old = b"".join(frame(lsn) for lsn in range(1, 41, 2))
    new = frame(1001) + frame(1003)
    recycled = segment_of(new + old[len(new) :])
    assert walked(recycled, 1001) == [(1001, 1002), (1003, 1004)]
    exactly_behind = segment_of(frame(1001), frame(1), frame(3))
    assert walked(exactly_behind, 1001) == [(1001, 1002)]


def test_frames_of_another_log_are_not_found() -> None:
    assert walked(segment_of(frame(1), frame(3, log_id=LOG + 1), frame(5, log_id=LOG + 1))) == [(1, 2)]


def test_damage_is_yielded_with_the_lsns_it_hides() -> None:
    middle = bytearray(frame(3, 4))
    middle[50] ^= 1
    buffer = segment_of(frame(1), bytes(middle), frame(7))
    items = list(seg.walk(buffer, 1, LOG, FAR))
    start = seg.SEGMENT_HEADER_BYTES + len(frame(1))
    assert items[1] == Bad(start, start + len(middle), 3, 6)
    assert walked(buffer) == [(1, 2), (-3, -6), (7, 8)]


def test_a_missing_frame_between_good_ones_is_yielded_though_no_byte_is_bad() -> None:
    assert walked(segment_of(frame(1), frame(5))) == [(1, 2), (-3, -4), (5, 6)]


def test_a_frame_that_belongs_to_the_next_segment_is_not_found() -> None:
    assert walked(segment_of(frame(1), frame(3)), limit=3) == [(1, 2)]
    assert walked(segment_of(frame(1), frame(3)), limit=4) == [(1, 2)]
    assert walked(segment_of(frame(1), frame(3)), limit=5) == [(1, 2), (3, 4)]


def test_dirty_bytes_end_at_zeros_or_at_an_old_frame() -> None:
    torn = frame(9)[:-20]
    start = seg.SEGMENT_HEADER_BYTES
    assert seg.dirty_end(segment_of(torn), start, LOG, 9) == start + len(torn)
    assert seg.dirty_end(segment_of(torn, frame(1), frame(3)), start, LOG, 9) == start + len(torn)
    assert seg.dirty_end(segment_of(), start, LOG, 9) == start


def test_padding_is_a_header_of_zeros_up_to_a_page_and_within_the_segment() -> None:
    for end in range(4096, 16384):
        padded = end + seg.padding_bytes(end, 16384)
        assert padded <= 16384
        assert padded == 16384 or (padded % seg.PAGE_BYTES == 0 and padded - end >= 40)


def test_unreadable_pages_are_read_as_zeros(sim: Any) -> None:
    path = Path("/w/x")
    fd = sim.create(path)
    sim.pwrite(fd, b"\x01" * 20_000, 0)
    sim.unreadable[path] = {5000}
    data, unreadable = seg.load(sim, path, 20_000)
    assert unreadable == [4096]
    assert data == b"\x01" * 4096 + bytes(4096) + b"\x01" * (20_000 - 8192)


def test_a_segment_gets_its_name_after_its_content_is_durable(sim: Any) -> None:
    blank, folder = Path("/w/spare-1"), Path("/w")
    seg.write_blank(sim, blank, 16384)
    sim.calls.clear()
    path, _ = seg.begin_segment(sim, blank, folder, LOG, 3)
    assert [call for call in sim.calls if call != "open"] == ["pwrite", "fdatasync", "rename", "fsync_dir"]
    assert sim.durable_names[path].durable == segment_of().replace(
        seg.encode_header(LOG, 1)[:42], seg.encode_header(LOG, 3)[:42]
    )
