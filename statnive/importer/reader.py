"""The lines of a log file: plain, gzipped, or from standard input.

Owns: the open file. Inputs: a path, or "-". Outputs: (line without its newline, bytes of the file read).
Invariants: I1 memory is bounded, whatever the file holds: a line longer than LINE_BYTES_MAX comes out cut
to one byte more, so that the parser refuses it; I2 every line before a fault comes out before the fault is
raised, the unfinished last one too; I3 the kind of file is judged by its first bytes, never by its name.
Failure: BrokenInput naming the file: can't be opened or read, cut short, damaged, packed by another packer.
Shutdown: close(), or leave the `with` block.

Zeros at the start of a line are left out: rotation by copy and truncate leaves a hole there, then good lines.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, Final, Self

from statnive.errors import BrokenInput
from statnive.importer.combined_log import LINE_BYTES_MAX

CHUNK_BYTES: Final = 256 * 1024
_UNPACKED_BYTES_MAX: Final = 1024 * 1024  # of one step: a gzip can unpack to a thousand times its size
_MAGIC_BYTES_MAX: Final = 6
_GZIP = b"\x1f\x8b"
_UNSUPPORTED: Final = {
    b"BZh": ("bzip2", "bzcat"),
    b"\xfd7zXZ": ("xz", "xzcat"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstdcat"),
    b"PK\x03\x04": ("zip", "unzip -p"),
}


class LogSource:
    """An open log; iterate it once. `bytes_total` is the file's size, None where nobody knows it (a pipe)."""

    def __init__(self, name: str, stream: BinaryIO, *, owned: bool) -> None:
        self.name = name
        self.bytes_total = _size(stream)
        self._stream, self._owned = stream, owned

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; standard input stays open. A second call does nothing."""
        if self._owned:
            self._stream.close()

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        return _lines(self._chunks())

    def _chunks(self) -> Iterator[tuple[bytes, int]]:
        """Unpacked bytes, each with the bytes of the file read to get them."""
        raw = self._raw()
        head, bytes_read = b"", 0
        fault: BrokenInput | None = None
        try:
            while len(head) < _MAGIC_BYTES_MAX and (first := next(raw, None)):
                head, bytes_read = head + first[0], first[1]
        except BrokenInput as error:
            fault = error
        whole = chain([(head, bytes_read)], raw)
        for magic, (kind, tool) in _UNSUPPORTED.items():
            if head.startswith(magic):
                hint = f"unpack it: {tool} {self.name} | statnive import log - …"
                raise BrokenInput(f"{self.name}: is packed with {kind}, which is not supported; {hint}")
        yield from _unzipped(self.name, whole) if head.startswith(_GZIP) else whole
        if fault:
            raise fault

    def _raw(self) -> Iterator[tuple[bytes, int]]:
        # read1 hands over what a pipe has so far, where read would wait for a full chunk.
        read = getattr(self._stream, "read1", self._stream.read)
        bytes_read = 0
        while True:
            try:
                piece = read(CHUNK_BYTES)
            except OSError as error:
                where = f"can't be read after {bytes_read} bytes"
                raise BrokenInput(f"{self.name}: {where}: {error.strerror}") from None
            if not piece:
                return
            bytes_read += len(piece)
            yield piece, bytes_read


def open_log(path: str | os.PathLike[str], stdin: BinaryIO) -> LogSource:
    """The log at `path`; "-" is `stdin`. Raises BrokenInput naming a file that can't be opened."""
    name = os.fspath(path)
    if name == "-":
        return LogSource("standard input", stdin, owned=False)
    try:
        stream = open(name, "rb", buffering=0)  # noqa: SIM115 - LogSource closes it
    except OSError as error:
        raise BrokenInput(f"{name}: can't be opened: {error.strerror}") from None
    return LogSource(name, stream, owned=True)


def _size(stream: BinaryIO) -> int | None:
    """The stream's size in bytes if it is a file on a disk."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:  # a stream without a descriptor raises UnsupportedOperation, which is one
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _lines(chunks: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    rest, bytes_read = b"", 0  # rest: the beginning of a line whose newline is not here yet
    cut = False  # rest is full: leave out what follows, up to the newline
    fault: BrokenInput | None = None
    try:
        for chunk, bytes_read in chunks:
            if cut:
                _, newline, chunk = chunk.partition(b"\n")
                if not newline:
                    continue
                yield rest, bytes_read
                rest, cut = b"", False
            lines = (rest + chunk).split(b"\n")
            if b"\0" in chunk:
                lines = [line.lstrip(b"\0") for line in lines]
            rest = lines.pop()
            for line in lines:
                yield line[: LINE_BYTES_MAX + 1], bytes_read
            if len(rest) > LINE_BYTES_MAX:
                rest, cut = rest[: LINE_BYTES_MAX + 1], True
    except BrokenInput as error:
        fault = error
    if rest:
        yield rest, bytes_read
    if fault:
        raise fault


def _unzipped(name: str, pieces: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """Unpack gzip, several members one after the other included (rotated logs are often joined)."""
    unpack = zlib.decompressobj(wbits=31)
    begun = False  # inside a member: the file must not end here
    bytes_read = 0
    for packed, bytes_read in pieces:
        piece, more = packed, True
        while more:
            if not begun:
                piece = piece.lstrip(b"\0")  # padding between members, as tapes have it
                if not piece:
                    break
                unpack, begun = zlib.decompressobj(wbits=31), True
            before = unpack.copy()
            try:
                text = unpack.decompress(piece, _UNPACKED_BYTES_MAX)
            except zlib.error as error:
                yield _salvaged(before, piece), bytes_read  # keeps I2
                raise BrokenInput(f"{name}: its packed data is damaged ({error})") from None
            yield text, bytes_read
            begun = not unpack.eof
            piece = unpack.unconsumed_tail if begun else unpack.unused_data
            more = bool(piece) or len(text) == _UNPACKED_BYTES_MAX  # all is read, perhaps not all is out
    if begun:
        raise BrokenInput(f"{name}: is cut short: its packed data ends early, after {bytes_read} bytes")


def _salvaged(unpack: zlib._Decompress, piece: bytes) -> bytes:
    """What `piece` holds before its fault. A call that fails gives no output, so feed it byte by byte."""
    text = bytearray()
    try:
        for n in range(len(piece)):
            text += unpack.decompress(piece[n : n + 1])
    except zlib.error:
        pass
    return bytes(text)
