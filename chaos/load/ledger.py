"""The ledger: what one process sent in one stage, request by request, and what came back.

File format (little endian): magic `SNLEDGR1`, length of the header (u32), header (JSON), then the columns
below, whole and one after another, then the CRC-32 (u32) of all bytes before it. Request i of n has, at place
i of each column:

  due       f64  seconds of CLOCK_MONOTONIC at which the schedule wanted it sent
  sent      f64  just before the first byte was given to the kernel; 0 = no byte of it left the generator
  answered  f64  when the bytes of its answer were there to read, or when it was given up; 0 = never sent
  status    u16  of the answer; 0 = none (with sent > 0: unknown, the server may hold it)
  dropped   u8   events the server says it dropped, at an otherwise good answer
  flags     u8   bits of Flag

Its events have the sequence numbers first_seq + i * events_per_request and following. Request i is number
first_request + i of its worker's run, which says what was in it (chaos.load.variety.Deck).
"""

from __future__ import annotations

import enum
import json
import os
import sys
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from chaos.load.settings import Settings, from_json, to_json
from statnive.errors import BrokenInput

MAGIC: Final = b"SNLEDGR1"
SUFFIX: Final = ".ledger"
BYTES_PER_REQUEST: Final = 28
_COLUMNS: Final = (
    ("due", "d"),
    ("sent", "d"),
    ("answered", "d"),
    ("status", "H"),
    ("dropped", "B"),
    ("flags", "B"),
)

assert sys.byteorder == "little", "the ledger's columns are written as they lie in memory"


class Flag(enum.IntFlag):
    """What else happened to a request."""

    WAITED = 1  # no connection was free when it was due: the server's lateness, not the generator's
    REFUSED = 2  # the connection could not be opened
    RESET = 4  # the connection ended before the answer did
    TIMEOUT = 8  # no answer within the time limit
    GARBLED = 16  # the answer was not HTTP as we read it


@attrs.frozen
class Header:
    """What the columns are about."""

    settings: Settings
    worker: int
    stage: int
    rate: float
    seconds: float
    start: float  # CLOCK_MONOTONIC of the stage's first due time
    wall_minus_monotonic: float  # seconds; at the stage's start
    first_request: int
    first_seq: int


@attrs.define(eq=False)
class Ledger:
    """One process, one stage. The columns are what the hot loop writes into."""

    header: Header
    due: array[float]
    sent: array[float]
    answered: array[float]
    status: array[int]
    dropped: array[int]
    flags: array[int]

    @classmethod
    def blank(cls, header: Header, due: array[float]) -> Ledger:
        zeros = bytes(8 * len(due))
        return cls(
            header,
            due=due,
            sent=array("d", zeros),
            answered=array("d", zeros),
            status=array("H", zeros[: 2 * len(due)]),
            dropped=array("B", zeros[: len(due)]),
            flags=array("B", zeros[: len(due)]),
        )

    def __len__(self) -> int:
        return len(self.due)

    @property
    def first_seq(self) -> int:
        return self.header.first_seq

    @property
    def end_seq(self) -> int:
        """The first sequence number behind those of this ledger."""
        return self.header.first_seq + len(self) * self.header.settings.events_per_request

    def cut(self, requests: int) -> None:
        """Forget the requests from number `requests` on: the load was ended before they were due."""
        for name, _ in _COLUMNS:
            del getattr(self, name)[requests:]

    def write(self, path: Path) -> None:
        """Whole or not at all: a file of this name is complete."""
        header = json.dumps(
            {
                **attrs.asdict(self.header, recurse=False),
                "settings": to_json(self.header.settings),
                "requests": len(self),
            }
        ).encode()
        start = MAGIC + len(header).to_bytes(4, "little") + header
        crc = zlib.crc32(start)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(start)
            for name, _ in _COLUMNS:
                column = getattr(self, name).tobytes()
                crc = zlib.crc32(column, crc)
                file.write(column)
            file.write(crc.to_bytes(4, "little"))
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Raises BrokenInput for a file that is no whole ledger."""
        data = path.read_bytes()
        try:
            return cls._parse(data)
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenInput(f"{path}: not a ledger of this version ({error})") from None

    @classmethod
    def _parse(cls, data: bytes) -> Ledger:
        if data[: len(MAGIC)] != MAGIC:
            raise ValueError("no magic")
        if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            raise ValueError("checksum does not fit")
        at = len(MAGIC) + 4
        length = int.from_bytes(data[at - 4 : at], "little")
        plain: dict[str, Any] = json.loads(data[at : at + length])
        requests = int(plain.pop("requests"))
        header = Header(**{**plain, "settings": from_json(plain["settings"])})
        at += length
        if len(data) - at - 4 != requests * BYTES_PER_REQUEST:
            raise ValueError("length does not fit")
        ledger = cls.blank(header, array("d", bytes(8 * requests)))
        for name, _ in _COLUMNS:
            column = memoryview(getattr(ledger, name)).cast("B")
            column[:] = data[at : at + len(column)]
            at += len(column)
        return ledger


def read_ledgers(directory: Path) -> Iterator[Ledger]:
    """All ledgers of a directory, in order of name."""
    for name in sorted(os.listdir(directory)):
        if name.endswith(SUFFIX):
            yield Ledger.read(directory / name)
