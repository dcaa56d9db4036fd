"""HTTP/1.1 answers, as little as the ledger needs: status, events dropped, does the connection live."""

from __future__ import annotations

from typing import Final, NamedTuple

ANSWER_BYTES_MAX: Final = 65_536
_BODYLESS: Final = (204, 304)


class Garbled(Exception):  # noqa: N818 - named by what the bytes are
    """These bytes are no answer that this generator can read: the connection is of no more use."""


class Answer(NamedTuple):
    """One answer; `length` bytes of the buffer were it."""

    status: int
    dropped: int
    closes: bool
    length: int


def parse_answer(data: bytes) -> Answer | None:
    """The first answer in `data`, None while it is incomplete; 1xx are skipped. Raises Garbled."""
    start = 0
    while True:
        head_end = data.find(b"\r\n\r\n", start)
        if head_end < 0:
            if len(data) > ANSWER_BYTES_MAX or not b"HTTP/1.".startswith(data[start : start + 7]):
                raise Garbled
            return None
        head = data[start:head_end].lower()
        if not head.startswith(b"http/1.") or not head[9:12].isdigit():
            raise Garbled
        status = int(head[9:12])
        if status >= 200:
            break
        start = head_end + 4
    fields = dict(_fields(head))
    length = 0 if status in _BODYLESS else _number(fields.get(b"content-length", b""))
    if length > ANSWER_BYTES_MAX:
        raise Garbled
    end = head_end + 4 + length
    if len(data) < end:
        return None
    dropped = _number(fields.get(b"x-plausible-dropped", b"0"))
    closes = b"close" in fields.get(b"connection", b"") or head.startswith(b"http/1.0")
    return Answer(status, dropped, closes, end)


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    lines = head.split(b"\r\n")[1:]
    return [(name.strip(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]


def _number(text: bytes) -> int:
    if not text.isdigit():
        raise Garbled
    return int(text)
