"""What the log's tests share: opening, appending and reading back on a (simulated) disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from statnive.config import WalConfig
from statnive.wal.frame import MAGIC, parse_header
from statnive.wal.log import Log
from statnive.wal.recovery import Recovery

FOLDER = Path("/w")
FIRST = FOLDER / "00000000000000000001.wal"
ALL_TIME = {"keep_since_us": 2**62}
EVERYTHING = {"rows_max": 10**9, "bytes_max": 10**9}


def open_log(
    fs: Any, config: WalConfig, checkpoint: int = 0, seen: int = 0, folder: Path = FOLDER
) -> tuple[Log, Recovery]:
    return Log.open(folder, config=config, fs=fs, checkpoint_lsn=checkpoint, seen_lsn=seen)


def append(log: Log, make_rows: Any, count: int = 3, text_bytes: int = 20, at_us: int = 1) -> list[bytes]:
    rows: list[bytes] = make_rows(log.log_id, log.next_lsn, count, text_bytes)
    first = log.next_lsn
    assert log.append(rows, at_us) == first
    return rows


def all_rows(log: Log, from_lsn: int = 1) -> list[bytes]:
    """Every durable row, read in small answers."""
    rows: list[bytes] = []
    while frames := log.read(from_lsn, rows_max=5, bytes_max=10**9):
        for frame in frames:
            rows.extend(frame.rows())
        from_lsn = frames[-1].last_lsn + 1
    return rows


def fill_segment(log: Log, make_rows: Any, at_us: int = 1) -> list[bytes]:
    """Append until a second segment has begun."""
    rows: list[bytes] = []
    segments = log.segments
    while log.segments == segments:
        rows += append(log, make_rows, 1, 3000, at_us)
    return rows


def segments_of(sim: Any) -> list[Path]:
    return sorted(path for path in sim.names if path.name.endswith(".wal"))


def extent(sim: Any, path: Path, first_lsn: int, last_lsn: int) -> tuple[int, int]:
    """Where the frame of these LSNs is, and where the next byte is."""
    data = bytes(sim.names[path].volatile)
    offset = -1
    while (offset := data.find(MAGIC, offset + 1)) >= 0:
        header = parse_header(data, offset)
        if header is not None and (header.first_lsn, header.last_lsn) == (first_lsn, last_lsn):
            return offset, offset + header.frame_bytes
    raise AssertionError("no such frame")
