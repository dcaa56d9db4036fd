"""Fuzzing for a given time: made requests and mutants of them through Target, the rows into a real engine.

The first thing that must not be ends the run with 1, the seed and the shortest request found that still does it.
"""

from __future__ import annotations

import random
import secrets
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Final, NamedTuple

import click
from hypothesis import HealthCheck, Phase, given, seed, settings

from chaos.fuzz.inputs import NASTY, bodies, heads
from chaos.fuzz.target import Target
from statnive.clickhouse.client import connect
from statnive.clickhouse.migrate import migrate
from statnive.clickhouse.rows import suffix
from statnive.config import ClickHouseConfig

SQL = Path(__file__).parents[2] / "sql"
ROUND: Final = 200  # made requests a round
MUTANTS: Final = 30  # of each
ROWS_AT_ONCE: Final = 20_000
SHRINK_TRIES_MAX: Final = 3_000
BODY_BYTES_MAX: Final = 8_192
LOG_ID: Final = 1
_PIECES: Final = [text.encode("utf-8", "surrogatepass") for text in NASTY] + [
    b"\\ud83d", b"\\udc00", b"\\u0000", b"\\u202e", b"null", b"true", b"-1", b"1e999", b"[", b"]", b"{", b"}", b'"',
    b",", b":", b"\\", b"\r\n", b"\r\n\r\n", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b'"n":"engagement","e":1,',
    b'"$":{"amount":"NaN","currency":"USD"},', b'"p":{"a":[{}],"b":{"c":1}},', b'"u":"data:,",', b'"d":",",',
]  # fmt: skip


class Request(NamedTuple):
    """What one client sends."""

    head: bytes
    body: bytes


def main() -> None:
    """Entry point of `python -m chaos.fuzz`."""
    fuzz(prog_name="python -m chaos.fuzz")


@click.command()
@click.option("--seconds", type=float, default=60, show_default=True, help="How long.")
@click.option("--seed", "start", type=int, default=None, help="The same seed makes the same requests.")
def fuzz(seconds: float, start: int | None) -> None:
    """Bad input through head reader, parser, pipeline, row codec and the embedded engine. Exit 1 with what broke it.

    \b
    Examples:
      python -m chaos.fuzz --seconds 600
      python -m chaos.fuzz --seconds 5 --seed 1
    """
    start = secrets.randbits(32) if start is None else start
    click.echo(f"seed {start}", err=True)
    target, store = Target(), Store()
    try:
        until = time.monotonic() + seconds
        for number in range(start, sys.maxsize):
            if time.monotonic() >= until:
                break
            chance = random.Random(number)
            for made in requests(number):
                for request in (made, *(mutant(made, chance) for _ in range(MUTANTS))):
                    store.add(send(target, request))
        store.insert()
        inserted = store.count()
    finally:
        store.close()
    click.echo(f"{target.requests:,} requests, {store.rows:,} rows made, {inserted:,} in the engine")
    for reason, count in [*target.drops.by_reason.most_common(), *target.pipeline.parser.left_out.items()]:
        click.echo(f"{count:>12,}  {reason}")
    sys.exit(0 if inserted == store.rows else 1)


def requests(number: int) -> list[Request]:
    """The requests of one round."""
    made: list[Request] = []

    @seed(number)
    @settings(
        max_examples=ROUND,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(heads(), bodies())
    def make(head: bytes, body: bytes) -> None:
        made.append(Request(head, body))

    make()
    return made


def mutant(request: Request, chance: random.Random) -> Request:
    """The request with a few bytes cut, repeated, flipped or put in; mostly in the body."""
    head, body = request
    for _ in range(chance.choice((1, 1, 2, 4))):
        if chance.random() < 0.2:
            head = _bent(head[:-4], chance) + b"\r\n\r\n"
        else:
            body = _bent(body, chance)
    return Request(head, body[:BODY_BYTES_MAX])


def _bent(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.choice((1, 1, 2, 8, 40)))
    kind = chance.randrange(4)
    if kind == 0:
        return data[:at] + data[end:]
    if kind == 1:
        return data[:at] + data[at:end] * chance.choice((2, 3, 50)) + data[end:]
    if kind == 2:
        return (
            data[:at] + bytes(byte ^ 1 << chance.randrange(8) for byte in data[at:end][:2]) + data[at + 2 :]
        )
    return data[:at] + chance.choice(_PIECES) + data[at:]


def send(target: Target, request: Request) -> list[bytes]:
    """The rows of a request; ends the process when it breaks something."""
    try:
        return target.send(*request)
    except Exception:
        traceback.print_exc()
        small = shrunk(request)
        click.echo(f"head: {small.head!r}\nbody: {small.body!r}", err=True)
        sys.exit(1)


def shrunk(request: Request) -> Request:
    """The request with whatever can be cut out of it while it still breaks something by itself."""
    if not _breaks(request):
        return request  # only after others: in the state that they left
    tries, size = 0, max(1, len(request.body) // 2)
    while size and tries < SHRINK_TRIES_MAX:
        at, smaller = 0, False
        while at < len(request.body) and tries < SHRINK_TRIES_MAX:
            tries += 1
            shorter = request._replace(body=request.body[:at] + request.body[at + size :])
            if _breaks(shorter):
                request, smaller = shorter, True
            else:
                at += size
        size = size if smaller and size == 1 else size // 2
    return request


_fresh: list[Target] = []


def _breaks(request: Request) -> bool:
    if not _fresh:
        _fresh.append(Target())
    try:
        _fresh[0].send(*request)
    except Exception:
        return True
    return False


class Store:
    """An embedded engine with the schema: takes every row that was made."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="statnive-fuzz-")
        data_dir = Path(self._directory.name)
        config = ClickHouseConfig()
        self._admin = connect(config, data_dir, purpose="admin")
        migrate(self._admin, SQL)
        self._writer = connect(config, data_dir, purpose="writer")
        self._waiting: list[bytes] = []
        self._database = config.database
        self.rows = 0

    def add(self, rows: list[bytes]) -> None:
        self._waiting += rows
        if len(self._waiting) >= ROWS_AT_ONCE:
            self.insert()

    def insert(self) -> None:
        if self._waiting:
            first = self.rows + 1
            block = b"".join(row + suffix(LOG_ID, lsn) for lsn, row in enumerate(self._waiting, first))
            self._writer.insert_block(block, rows=len(self._waiting), token=f"{LOG_ID}:{first}")
            self.rows += len(self._waiting)
            self._waiting.clear()

    def count(self) -> int:
        (row,) = self._writer.operator_query(f"SELECT count() AS n FROM {self._database}.events_raw")
        return int(row["n"])

    def close(self) -> None:
        self._writer.close()
        self._admin.close()
        self._directory.cleanup()


if __name__ == "__main__":
    main()
