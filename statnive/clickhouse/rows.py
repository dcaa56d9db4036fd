"""The MsgPack row codec: an event's row is encoded once, for the log and for ClickHouse alike.

Owns:       the byte format of a row.
Inputs:     statnive.event.Row; the log's id and the row's LSN.
Outputs:    the columns of ROW_COLUMNS as consecutive MessagePack values, without an array header: what
            `FORMAT MsgPack` reads. The log stores the row as `encode` gave it and `suffix` is appended to it.
Invariants: I1 a row is exactly len(ROW_COLUMNS) values; I2 every integer fits its column: ClickHouse's
            MsgPack reader does not refuse 300 for a UInt8, it stores 44 (and reads nil as 0), so nothing
            after us would notice.
Failure:    AssertionError for a row that breaks I1 or I2 (the pipeline bounds its input; this is a
            programmer's error).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from statnive.event import ROW_COLUMNS, Row

INSERT_FORMAT: Final = "MsgPack"

U8: Final = 2**8 - 1
U16: Final = 2**16 - 1
U32: Final = 2**32 - 1
U64: Final = 2**64 - 1
VISITOR_BYTES: Final = 16
# A MessagePack array of 16 to 65,535 values has a header of one type byte and two length bytes.
_ARRAY_HEADER_BYTES: Final = 3
_ROW_HEADER: Final = b"\xdc" + len(Row._fields).to_bytes(2, "big")
_WHOLE_HEADER: Final = b"\xdc" + len(ROW_COLUMNS).to_bytes(2, "big")
_UINT64: Final = b"\xcf"
_EPOCH: Final = date(1970, 1, 1)


class RowEncoder:
    """Encodes rows. Not for two threads at once: msgspec's encoder keeps a buffer."""

    __slots__ = ("_encoder",)

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder()

    def encode(self, row: Row) -> bytes:
        """`row` without its array header, ready for the log; `suffix` completes it (I1)."""
        assert fits(row), f"a row of {len(row)} columns does not fit events_raw"
        encoded = self._encoder.encode(row)
        assert encoded.startswith(_ROW_HEADER), "the array header is not the one that is cut off"
        return encoded[_ARRAY_HEADER_BYTES:]


def fits(row: Row) -> bool:
    """True when every number is within its column's type and the visitor has 16 bytes (I2)."""
    if len(row) != len(Row._fields):
        return False
    # Taken apart at once: a named tuple's attributes cost three times as much.
    (
        site_id, ts, visitor, visit_id, day, hour, _, is_bot, pageviews, visit_start, bounce_delta, duration_delta,
        engaged_ms, scroll_depth, _, _, _, _, _, _, _, _, _, _, _, _, _, city_id, _, _, _, _, _, _, _, goals, revenue,
        _, _, visit_hour, visit_state, scroll_gain, scroll_views,
    ) = row  # fmt: skip
    # Numbers OR-ed together fit n bits, and are not negative, exactly when each of them does.
    return (
        len(visitor) == VISITOR_BYTES
        and 0 <= site_id | ts | hour | duration_delta | engaged_ms | city_id | visit_hour <= U32
        and 0 <= pageviews | visit_start | scroll_depth | visit_state | scroll_gain | scroll_views <= U8
        and 0 <= visit_id <= U64
        and 0 <= day <= U16
        and 0 <= is_bot <= 1
        and -128 <= bounce_delta <= 127
        and -(2**63) <= revenue < 2**63
        and (not goals or (min(goals) >= 0 and max(goals) <= U32))
    )


def suffix(log_id: int, lsn: int) -> bytes:
    """The last two columns: which log, and which row of it. 18 bytes."""
    return _UINT64 + log_id.to_bytes(8, "big") + _UINT64 + lsn.to_bytes(8, "big")


def decode_row(encoded: bytes) -> tuple[Any, ...]:
    """The values of one row: with its suffix all of ROW_COLUMNS, without it those of Row.

    Raises ValueError when `encoded` is neither, whole and alone. For tools, tests and rebuilds; never for
    ingest.
    """
    for header, columns in ((_WHOLE_HEADER, len(ROW_COLUMNS)), (_ROW_HEADER, len(Row._fields))):
        try:
            values: tuple[Any, ...] = msgspec.msgpack.decode(header + encoded, type=tuple)
        except msgspec.DecodeError:
            continue
        assert len(values) == columns
        return values
    raise ValueError(f"{len(encoded)} bytes are no row of {len(ROW_COLUMNS)} or {len(Row._fields)} columns")


# Bytes of a MessagePack integer by its type byte; those not listed are one byte.
_INTEGER_BYTES: Final = {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9}


def row_day(encoded: bytes) -> int:
    """The `day` of an encoded row (days since the epoch), without decoding the rest: site, ts, visitor,
    visit, day.
    """
    width = _INTEGER_BYTES.get
    at = width(encoded[0], 1)
    at += width(encoded[at], 1)
    at += 2 + VISITOR_BYTES
    at += width(encoded[at], 1)
    size = width(encoded[at], 1)
    return int.from_bytes(encoded[at + 1 : at + size], "big") if size > 1 else encoded[at]


def row_head(encoded: bytes) -> tuple[int, bytes]:
    """`ts` and `visitor` of an encoded row, without decoding the rest: an eighth of the time that takes."""
    start = _INTEGER_BYTES.get(encoded[0], 1)
    end = start + _INTEGER_BYTES.get(encoded[start], 1)
    ts = int.from_bytes(encoded[start + 1 : end], "big") if end > start + 1 else encoded[start]
    return ts, encoded[end + 2 : end + 2 + VISITOR_BYTES]


def month_of(day: int) -> int:
    """The partition of a day (days since the epoch), as toYYYYMM gives it: 202611."""
    local = _EPOCH + timedelta(days=day)
    return local.year * 100 + local.month


def row_site(encoded: bytes) -> int:
    """The `site_id` of an encoded row."""
    size = _INTEGER_BYTES.get(encoded[0], 1)
    return int.from_bytes(encoded[1:size], "big") if size > 1 else encoded[0]


def row_month(encoded: bytes) -> int:
    """The partition that an encoded row belongs in."""
    return month_of(row_day(encoded))


_WIDTHS: Final = np.array([_INTEGER_BYTES.get(byte, 1) for byte in range(256)], dtype=np.int64)


def months_of(payload: bytes, lengths: Sequence[int]) -> dict[int, int]:
    """How many rows of a payload fall into each local month (yyyymm).

    Every row's `day` is found at once, by arrays: a loop over 17,000 rows would hold the interpreter's lock for 15 ms a
    second, and the event loop with it.
    """
    months: Counter[int] = Counter()
    for day, rows in zip(*np.unique(_days(payload, lengths), return_counts=True), strict=True):
        months[month_of(int(day))] += int(rows)
    return dict(months)


def first_day_of(payload: bytes, lengths: Sequence[int]) -> int:
    """The oldest `day` of a payload's rows, found as in `months_of`."""
    return int(_days(payload, lengths).min())


def _days(payload: bytes, lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    data = np.frombuffer(payload, dtype=np.uint8)
    sizes = np.fromiter(lengths, dtype=np.int64, count=len(lengths))
    at = np.cumsum(sizes) - sizes
    at += _WIDTHS[data[at]]  # past the site
    at += _WIDTHS[data[at]]  # past the time
    at += 2 + VISITOR_BYTES
    at += _WIDTHS[data[at]]  # past the visit
    width = _WIDTHS[data[at]]
    assert width.max(initial=1) <= 3, "a day is 16 bits"
    wide = data[at + 1].astype(np.int64) << 8 | data[at + 2]
    days: npt.NDArray[np.int64] = np.where(width == 3, wide, np.where(width == 2, data[at + 1], data[at]))
    return days
