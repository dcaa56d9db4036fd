"""The embedded engine's log of dedup tokens, made true again before the engine is opened after an unclean stop.

Owns:       `deduplication_logs/deduplication_log_N.txt` of each table, while no process has the engine open.
Inputs:     the engine's directory.
Outputs:    the same logs without the records that are not true: the engine (chDB 26.9) writes a record before it
            puts the part in place, so a crash in between leaves a token whose rows are nowhere, and a retry under
            it would be answered OK and dropped.
Invariants: I1 a record is kept only if a part that holds its rows is in the table's directory: the part that it
            names, or one that it was merged into; I2 of several records for one part name the last is kept (a name
            is used again when its first part never came to be); I3 a log is replaced as a whole, or not at all.
Failure:    Fatal when the disk refuses. A record dropped by mistake costs a count (settle.py), no row.

A record is `1<tab>part<tab>partition_hash_hash` and a newline; 1 is an insert, 2 the part's removal. A part is named
`partition_first_last_level` or `…_level_mutation`: the blocks that it holds, and what was done to it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from statnive.errors import Fatal

LOGS_DIR: Final = "deduplication_logs"
ADDED: Final = b"1"
_RECORD: Final = re.compile(rb"([12])\t([0-9A-Za-z]+_\d+_\d+_\d+(?:_\d+)?)\t([0-9A-Za-z]+_\d+_\d+)")
_PART: Final = re.compile(r"([0-9A-Za-z]+)_(\d+)_(\d+)_\d+(?:_\d+)?")


class Part(NamedTuple):
    """The blocks [first, last] of a partition."""

    partition: str
    first: int
    last: int

    def holds(self, other: Part) -> bool:
        return self.partition == other.partition and self.first <= other.first and other.last <= self.last


def repair_dedup_logs(engine_dir: Path) -> list[str]:
    """Drop from every table's log what is not true (keeps I1); what was dropped, in words, a line a table.

    Nobody may have the engine open. Raises Fatal.
    """
    notes = []
    try:
        for logs in sorted(engine_dir.glob(f"store/*/*/{LOGS_DIR}")):
            dropped = _repair_table(logs)
            if dropped:
                notes.append(f"{dropped} records of the engine's log of tokens named no part: {logs}")
    except OSError as error:
        raise Fatal(f"the engine's log of tokens in {engine_dir} can't be repaired: {error}") from error
    return notes


def _repair_table(logs: Path) -> int:
    """How many records were dropped from a table's logs."""
    parts = [part for name in os.listdir(logs.parent) if (part := parse_part(name))]
    named: set[bytes] = set()
    dropped = 0
    # The newest first, for I2.
    for file in sorted(logs.glob("deduplication_log_*.txt"), key=_number, reverse=True):
        data = file.read_bytes()
        lines = data.split(b"\n")
        kept = list(_true_records(lines, parts, named))
        if len(kept) + 1 != len(lines) or lines[-1]:
            _replace(file, b"".join(line + b"\n" for line in kept))
            dropped += len([line for line in lines if line]) - len(kept)
    return dropped


def _true_records(lines: Sequence[bytes], parts: Sequence[Part], named: set[bytes]) -> Iterator[bytes]:
    """The records to keep, in order. The last of `lines` is what follows the last newline: never whole."""
    kept = []
    for line in reversed(lines[:-1]):
        record = _RECORD.fullmatch(line)
        if record is None:
            continue
        kind, name, _ = record.groups()
        if kind == ADDED:
            part = parse_part(name.decode("ascii"))
            if name in named or part is None or not any(one.holds(part) for one in parts):
                continue
            named.add(name)
        kept.append(line)
    return reversed(kept)


def parse_part(name: str) -> Part | None:
    """What the name of a part's directory says; None when it is the name of something else."""
    match = _PART.fullmatch(name)
    return Part(match[1], int(match[2]), int(match[3])) if match else None


def _number(file: Path) -> int:
    digits = file.stem.rpartition("_")[2]
    return int(digits) if digits.isdecimal() else 0


def _replace(file: Path, data: bytes) -> None:
    """Put `data` in the file's place (keeps I3). The new file begins its life outside of the engine's directories:
    it takes whatever it finds there for a log.
    """
    root = next(parent for parent in file.parents if parent.name == "store").parent
    temporary = root.parent / f"{file.name}.repaired"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    os.replace(temporary, file)
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
