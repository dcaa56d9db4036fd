"""The reader: every line of every kind of file, in bounded memory, and nothing lost before a fault."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tracemalloc
import zlib
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statnive.errors import BrokenInput
from statnive.importer.combined_log import LINE_BYTES_MAX
from statnive.importer.reader import CHUNK_BYTES, LogSource, open_log

NO_STDIN = io.BytesIO(b"not read")
MANY = [b"line %d %s" % (n, b"x" * (n % 97)) for n in range(20_000)]


class Trickle(io.RawIOBase):
    """A stream that gives its content in pieces of the given sizes, over and over."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self.content, self.sizes, self.turn = content, sizes, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        step = self.sizes[self.turn % len(self.sizes)]
        self.turn += 1
        piece, self.content = self.content[:step], self.content[step:]
        return piece


def lines_of(stream: BinaryIO | io.RawIOBase) -> list[bytes]:
    return [line for line, _ in LogSource("log", stream, owned=True)]  # type: ignore[arg-type]


def lines_before_fault(content: bytes) -> tuple[list[bytes], str]:
    lines: list[bytes] = []
    source = LogSource("the.log", io.BytesIO(content), owned=True)
    with pytest.raises(BrokenInput) as caught:
        lines.extend(line for line, _ in source)
    return lines, str(caught.value)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_bytes(b"\n".join(MANY) + b"\n")
    return path


def test_plain_file_gives_its_lines_and_ends_at_its_size(log: Path) -> None:
    with open_log(log, NO_STDIN) as source:
        pairs = list(source)
    assert [line for line, _ in pairs] == MANY
    assert pairs[-1][1] == source.bytes_total == log.stat().st_size
    assert [read for _, read in pairs] == sorted(read for _, read in pairs)
    assert pairs[0][1] < log.stat().st_size


def test_gzip_is_known_by_its_first_bytes_not_by_its_name(log: Path) -> None:
    log.write_bytes(gzip.compress(log.read_bytes()))
    with open_log(log, NO_STDIN) as source:
        pairs = list(source)
    assert [line for line, _ in pairs] == MANY
    assert pairs[-1][1] == source.bytes_total == log.stat().st_size
    plain = log.with_name("plain.gz")
    plain.write_bytes(b"a\nb\n")
    with open_log(str(plain), NO_STDIN) as source:
        assert [line for line, _ in source] == [b"a", b"b"]


def test_dash_is_standard_input_which_stays_open() -> None:
    stdin = io.BytesIO(gzip.compress(b"a\nb\n", mtime=0))
    with open_log("-", stdin) as source:
        assert source.name == "standard input"
        assert source.bytes_total is None
        assert [line for line, _ in source] == [b"a", b"b"]
    assert not stdin.closed


def test_line_of_a_pipe_comes_out_before_the_next_is_written() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as stdin:
        source = open_log("-", stdin)
        assert source.bytes_total is None
        pairs = iter(source)
        os.write(writing, b"first line\n")
        assert next(pairs) == (b"first line", 11)
        os.write(writing, b"second")
        os.close(writing)
        assert list(pairs) == [(b"second", 17)]


def test_file_redirected_to_standard_input_has_a_size(log: Path) -> None:
    with log.open("rb") as stdin:
        assert open_log("-", stdin).bytes_total == log.stat().st_size


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)])
def test_empty_file_has_no_lines(content: bytes) -> None:
    assert lines_of(io.BytesIO(content)) == []


@settings(deadline=None)
@given(
    st.lists(
        st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"").replace(b"\0", b"")), max_size=30
    ),
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
    st.booleans(),
    st.integers(1, 4),
)
def test_any_lines_in_any_pieces_come_out_whole(
    lines: list[bytes], sizes: list[int], packed: bool, members: int
) -> None:
    content = b"".join(line + b"\n" for line in lines)
    if not content.startswith((b"\x1f\x8b", b"BZh", b"PK\x03\x04")):
        step = len(content) // members + 1
        parts = [content[n : n + step] for n in range(0, len(content), step)]
        whole = b"".join(gzip.compress(part, mtime=0) for part in parts) if packed else content
        assert lines_of(Trickle(whole, sizes)) == lines


def test_last_line_without_newline_counts() -> None:
    assert lines_of(io.BytesIO(b"a\n\nb")) == [b"a", b"", b"b"]


@pytest.mark.parametrize("length", [LINE_BYTES_MAX, LINE_BYTES_MAX + 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 5])
@pytest.mark.parametrize("end", [b"\nafter\n", b"\nafter", b""])
def test_long_line_is_cut_where_the_parser_refuses_it_and_the_next_is_whole(length: int, end: bytes) -> None:
    lines = lines_of(io.BytesIO(b"before\n" + b"x" * length + end))
    assert lines == [b"before", b"x" * min(length, LINE_BYTES_MAX + 1)] + ([b"after"] if end else [])


def test_memory_stays_bounded_for_a_file_without_newlines_and_for_a_gzip_bomb() -> None:
    bomb = gzip.compress(b"x" * 64 * 1024 * 1024, mtime=0)
    tracemalloc.start()
    try:
        assert [len(line) for line in lines_of(io.BytesIO(bomb))] == [LINE_BYTES_MAX + 1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024 * 1024


@pytest.mark.parametrize("hole", [1, 100, CHUNK_BYTES, 2 * CHUNK_BYTES + 7])
def test_hole_of_zeros_before_a_line_is_left_out(hole: int) -> None:
    assert lines_of(io.BytesIO(b"\0" * hole + b"a\nb\n" + b"\0" * hole + b"c\n")) == [b"a", b"b", b"c"]
    assert lines_of(io.BytesIO(b"a\0b\n")) == [b"a\0b"]  # inside a line it is damage, for the parser to judge


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_gzip_cut_short_gives_every_line_before_the_cut_then_says_so(part: float) -> None:
    packed = gzip.compress(b"\n".join(MANY) + b"\n")
    lines, message = lines_before_fault(packed[: int(len(packed) * part)])
    assert message.startswith("the.log: is cut short")
    assert lines[:-1] == MANY[: len(lines) - 1]
    assert MANY[len(lines) - 1].startswith(lines[-1])
    assert len(lines) > len(MANY) * part * 0.8


def test_gzip_cut_in_its_checksum_gives_every_line() -> None:
    lines, message = lines_before_fault(gzip.compress(b"a\nb\n", mtime=0)[:-1])
    assert lines == [b"a", b"b"]
    assert "cut short" in message


def test_damage_in_a_gzip_is_reported_after_every_line_before_it() -> None:
    packed = bytearray(gzip.compress(b"\n".join(MANY)))
    position = len(packed) // 2
    packed[position : position + 64] = bytes(64)
    lines, message = lines_before_fault(bytes(packed))
    assert message.startswith("the.log: its packed data is damaged")
    good = next(n for n, line in enumerate(lines) if line != MANY[n])
    assert good > len(MANY) * 0.4


def test_wrong_checksum_is_damage() -> None:
    packed = bytearray(gzip.compress(b"a\nb\n", mtime=0))
    packed[-5] ^= 1
    lines, message = lines_before_fault(bytes(packed))
    assert lines == [b"a", b"b"]
    assert "damaged" in message


def test_padding_after_a_gzip_is_fine_and_other_bytes_are_damage() -> None:
    packed = gzip.compress(b"a\n", mtime=0)
    assert lines_of(io.BytesIO(packed + bytes(512))) == [b"a"]
    assert lines_of(io.BytesIO(packed + bytes(512) + packed)) == [b"a", b"a"]
    lines, message = lines_before_fault(packed + b"tail")
    assert lines == [b"a"]
    assert "damaged" in message


@pytest.mark.parametrize("lines", [1023, 1024, 1025, 1026, 4096])  # 1024 of them fill a step of unpacking
def test_gzip_loses_nothing_where_a_step_of_unpacking_ends(lines: int) -> None:
    packed = gzip.compress((b"x" * 1023 + b"\n") * lines)
    assert len(lines_of(io.BytesIO(packed))) == lines
    for cut in range(6, 13):  # the trailer has 8 bytes; before it the last step may hold bytes back
        unpacked = zlib.decompressobj(wbits=31).decompress(packed[:-cut])
        assert lines_before_fault(packed[:-cut])[0] == unpacked.removesuffix(b"\n").split(b"\n")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (bz2.compress(b"a\n"), "bzip2"),
        (lzma.compress(b"a\n"), "xz"),
        (b"\x28\xb5\x2f\xfd" + b"x" * 20, "zstd"),
        (b"PK\x03\x04" + b"x" * 20, "zip"),
    ],
)
def test_other_packers_are_named_with_the_way_out(content: bytes, kind: str) -> None:
    lines, message = lines_before_fault(content)
    assert lines == []
    assert message.startswith(f"the.log: is packed with {kind}")
    assert "statnive import log -" in message


def test_file_that_can_not_be_opened_or_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenInput, match=r"missing\.log: can't be opened: No such file"):
        open_log(tmp_path / "missing.log", NO_STDIN)
    with pytest.raises(BrokenInput, match="can't be opened: Is a directory"):
        open_log(tmp_path, NO_STDIN)


def test_read_error_comes_after_the_lines_before_it() -> None:
    class Failing(Trickle):
        def read(self, size: int = -1, /) -> bytes:
            if not self.content:
                raise OSError(5, "Input/output error")
            return super().read(size)

    lines: list[bytes] = []
    source = LogSource("the.log", Failing(b"a\nb\nc", [2]), owned=True)  # type: ignore[arg-type]
    with pytest.raises(BrokenInput, match=r"the\.log: can't be read after 5 bytes: Input/output error"):
        lines.extend(line for line, _ in source)
    assert lines == [b"a", b"b", b"c"]
