"""A stopped node's log, opened up: where its frames are, and new ones put in, whole or torn.

Never on the directory of a node that runs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from statnive.clickhouse.rows import RowEncoder, decode_row
from statnive.config import WalConfig
from statnive.event import ROW_COLUMNS, ROW_SCHEMA_VERSION, SCROLL_UNTOLD, Row
from statnive.wal import segment as seg
from statnive.wal.frame import LSN_MAX, Frame, decode_frame, encode_frame, row_suffix
from statnive.wal.fs import RealFileSystem
from statnive.wal.log import Log
from statnive.wal.state import StateFile

PROPS: Final = ROW_COLUMNS.index("props")
# A row's last value, a count of none, and a text where ClickHouse expects the number.
LAST_COUNT, COUNT_AS_TEXT = b"\x00", b"\xa1x"


@attrs.frozen
class Placed:
    """A good frame, and where it is."""

    path: Path
    offset: int
    frame: Frame = attrs.field(repr=False)

    @property
    def end(self) -> int:
        return self.offset + len(encode(self.frame))

    def events(self) -> list[tuple[str, int]]:
        """(run, sequence number) of its rows, as far as they carry them."""
        props: list[dict[str, str]] = [decode_row(row)[PROPS] for row in self.frame.rows()]
        return [(one["run"], int(one["seq"])) for one in props if "seq" in one]


def encode(frame: Frame) -> bytes:
    """A frame's bytes, as they are on the disk."""
    rows = list(frame.rows())
    return bytes(
        encode_frame(rows, frame.first_lsn, frame.commit_time_us, frame.schema_version, frame.log_id)
    )


def frames(wal: Path) -> list[Placed]:
    """Every good frame of the log in `wal`, in order."""
    fs = RealFileSystem()
    found: list[Placed] = []
    for path in sorted(wal.glob("*.wal")):
        header = seg.read_header(fs, path)
        assert header is not None, path
        buffer, _ = seg.load(fs, path, path.stat().st_size)
        for item in seg.walk(buffer, header.first_lsn, header.log_id, LSN_MAX):
            if isinstance(item, seg.Found):
                frame = decode_frame(buffer, item.offset)
                assert isinstance(frame, Frame)
                found.append(Placed(path, item.offset, frame))
    return found


def done_lsn(wal: Path) -> int:
    """The checkpoint."""
    state = StateFile(wal, RealFileSystem()).load()
    return state.done_lsn if state else 0


def untried(wal: Path) -> list[Placed]:
    """The frames that no attempt to insert has held: none of their rows can be in ClickHouse."""
    state = StateFile(wal, RealFileSystem()).load()
    seen_lsn = state.seen_lsn if state else 0
    return [placed for placed in frames(wal) if placed.frame.first_lsn > seen_lsn]


def make_row(run: str, number: int, *, poison: bool = False) -> bytes:
    """A page view of the load's first site, without its suffix; `poison`: one that ClickHouse can't read."""
    now = int(time.time())
    row = Row(
        site_id=1, ts=now, visitor=f"{number:016}".encode(), visit_id=number + 1, day=now // 86_400,
        hour=now // 3_600 * 3_600, name="pageview", is_bot=0, pageviews=1, visit_start=1, bounce_delta=1,
        duration_delta=0, engaged_ms=0, scroll_depth=SCROLL_UNTOLD, hostname="site-00.example",
        pathname="/surgery", previous_pathname="", referrer="", referrer_name="", channel="Direct",
        utm_source="", utm_medium="", utm_campaign="", utm_content="", utm_term="", country="", region="",
        city_id=0, city="", device="Desktop", browser="Firefox", browser_version="142", os="Linux",
        os_version="", props={"run": run, "seq": str(number)}, goals=[], revenue=0, currency="",
    )  # fmt: skip
    encoded = RowEncoder().encode(row)
    assert encoded.endswith(LAST_COUNT)
    return encoded.removesuffix(LAST_COUNT) + COUNT_AS_TEXT if poison else encoded


def append(wal: Path, config: WalConfig, rows: Sequence[bytes]) -> int:
    """Append rows (without suffix) as one durable frame, as the node would have; the first one's LSN."""
    state = StateFile(wal, RealFileSystem()).load()
    log, _ = Log.open(
        wal,
        config=config,
        fs=RealFileSystem(),
        checkpoint_lsn=state.done_lsn if state else 0,
        seen_lsn=state.seen_lsn if state else 0,
    )
    first = log.next_lsn
    whole = [row + row_suffix(log.log_id, lsn) for lsn, row in enumerate(rows, first)]
    log.append(whole, int(time.time() * 1e6))
    log.close()
    return first


def next_frame(wal: Path, rows: Sequence[bytes]) -> tuple[Path, int, bytes]:
    """The bytes of the frame that would come next, the segment and the offset where it belongs.

    Raises LookupError when it does not fit into the last segment.
    """
    last = frames(wal)[-1]
    first = last.frame.last_lsn + 1
    whole = [row + row_suffix(last.frame.log_id, lsn) for lsn, row in enumerate(rows, first)]
    data = bytes(encode_frame(whole, first, int(time.time() * 1e6), ROW_SCHEMA_VERSION, last.frame.log_id))
    newest = max(wal.glob("*.wal"))
    offset = last.end if newest == last.path else seg.SEGMENT_HEADER_BYTES
    if offset + len(data) > newest.stat().st_size:
        raise LookupError("the last segment is full")
    return newest, offset, data


def write_at(path: Path, offset: int, data: bytes) -> None:
    """Overwrite bytes of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path: Path, offset: int, mask: int = 0x10) -> None:
    """Flip a bit of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


def as_config(settings: dict[str, Any]) -> WalConfig:
    """The log's sizes out of a rig's settings."""
    return WalConfig(
        segment_bytes=int(settings["STATNIVE_WAL_SEGMENT_BYTES"]),
        size_bytes_max=int(settings["STATNIVE_WAL_SIZE_BYTES_MAX"]),
    )
