"""Writes a MaxMind-format database (version 2.0) of address ranges, each with one AS number.

Only what build_carriers.py needs: an IPv6 tree with IPv4 below ::/96, and records {"autonomous_system_number": n}.
The same ranges give the same bytes, and the plain interpreter of `make run` is enough (PyPI's writer takes ten times
as long, writes the time of day into the file and needs two packages more). https://maxmind.github.io/MaxMind-DB/
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

KEY: Final = "autonomous_system_number"
RECORD_BITS: Final = 24
ADDRESS_BITS: Final = 128
_SEPARATOR: Final = bytes(16)
_METADATA_MARKER: Final = b"\xab\xcd\xefMaxMind.com"
# Data types as the format numbers them; those from 8 on stand in a second byte.
_STRING, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY = 2, 5, 6, 7, 9, 11


class Range(NamedTuple):
    """Addresses from `start` to `end`, both included, as 128-bit numbers (IPv4 as it is)."""

    start: int
    end: int
    asn: int


class _Tree:
    """Nodes in the order in which they are numbered; a child is a node's number, -1 for nothing, or -1 - asn."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._ranges = ranges
        self._ends = [item.end for item in ranges]
        self.nodes: list[list[int]] = []
        self._split(0, ADDRESS_BITS)

    def _split(self, start: int, bits: int) -> int:
        number = len(self.nodes)
        self.nodes.append([-1, -1])
        half = 1 << (bits - 1)
        for side in (0, 1):
            self.nodes[number][side] = self._child(start + side * half, bits - 1)
        return number

    def _child(self, start: int, bits: int) -> int:
        """What stands for the addresses from `start` on that share all but their last `bits` bits."""
        first = bisect_left(self._ends, start)
        end = start + (1 << bits) - 1
        if first == len(self._ranges) or self._ranges[first].start > end:
            return -1
        found = self._ranges[first]
        if found.start <= start and end <= found.end:
            return -1 - found.asn
        return self._split(start, bits)


def database(ranges: Sequence[Range], *, kind: str, description: str, epoch_s: int) -> bytes:
    """The file's content; `ranges` sorted and apart from each other, adjacent ones of one AS joined."""
    for before, after in pairwise(ranges):
        assert before.end < after.start, f"{before} and {after} overlap or are out of order"
    nodes = _Tree(ranges).nodes
    records, offsets = b"", {}
    for asn in sorted({item.asn for item in ranges}):
        offsets[asn] = len(records)
        records += _map([(KEY, _uint(_UINT32, asn))])
    count = len(nodes)
    assert count + len(_SEPARATOR) + len(records) < 1 << RECORD_BITS, "too many networks for 24-bit records"

    def record(child: int) -> bytes:
        if child < 0:
            child = count if child == -1 else count + len(_SEPARATOR) + offsets[-1 - child]
        return child.to_bytes(RECORD_BITS // 8, "big")

    tree = b"".join(record(left) + record(right) for left, right in nodes)
    metadata = _map(
        [
            ("binary_format_major_version", _uint(_UINT16, 2)),
            ("binary_format_minor_version", _uint(_UINT16, 0)),
            ("build_epoch", _uint(_UINT64, epoch_s)),
            ("database_type", _string(kind)),
            ("description", _map([("en", _string(description))])),
            ("ip_version", _uint(_UINT16, 6)),
            ("languages", _header(_ARRAY, 1) + _string("en")),
            ("node_count", _uint(_UINT32, count)),
            ("record_size", _uint(_UINT16, RECORD_BITS)),
        ]
    )
    return tree + _SEPARATOR + records + _METADATA_MARKER + metadata


def _header(kind: int, size: int) -> bytes:
    """The control byte of a value of up to 284 bytes (entries)."""
    assert size < 285, "no value here is that long"
    more = bytes([size - 29]) if size >= 29 else b""
    size = min(size, 29)
    return bytes([kind << 5 | size]) + more if kind < 8 else bytes([size, kind - 7]) + more


def _uint(kind: int, number: int) -> bytes:
    content = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return _header(kind, len(content)) + content


def _string(text: str) -> bytes:
    content = text.encode()
    return _header(_STRING, len(content)) + content


def _map(items: Sequence[tuple[str, bytes]]) -> bytes:
    return _header(_MAP, len(items)) + b"".join(_string(key) + value for key, value in items)
