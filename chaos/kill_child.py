"""The node's side of chaos/enumerate_kills.py: make a data directory, do one small block under strace, judge what is
left. One process for all orders, which forks a child for each (kill_crew.py is the other end).

An order is a line of JSON: ["prepare", DIR, STATE, OUTPUT], ["run", DIR, OUTPUT] or ["judge", DIR, OUTPUT]. Answers on
standard output: the child's id, and when it has ended its exit code. What a child has to say is in OUTPUT: `run` says
`acked` when its rows are durable and `finished` when all is done, `judge` what it counted.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import trio

from chaos.rollup_check import check_rollups
from statnive.clickhouse import verify
from statnive.clickhouse.client import RAW_TABLE, connect
from statnive.clickhouse.rows import RowEncoder
from statnive.config import ClickHouseConfig, Config, GeoConfig, WalConfig, WriterConfig
from statnive.erasures import REQUEST, Span
from statnive.event import SCROLL_UNTOLD, Row
from statnive.node import Node
from statnive.wal.erasure_file import ErasureFile
from statnive.wal.fs import RealFileSystem
from statnive.wal.state import RUNNING_NAME, Block, StateFile, WriterState

BLOCK_ROWS: Final = 8
FILLER_ROWS: Final = 46  # they nearly fill the first segment, so that the block's frame rotates the log
FRAME_ROWS: Final = 20
SEGMENT_BYTES: Final = 64 * 1024
ROW_BYTES: Final = 1_400
MONTHS: Final = (202610, 202611)
DAYS: Final = (20_757, 20_758)  # 2026-10-31, 2026-11-01: each block is two parts in each table
NOON: Final = 1_793_534_400
SITES: Final = {"block": 1, "filler": 2}


def config(data_dir: Path) -> Config:
    """Small segments, nothing kept, one block at once."""
    return Config(
        data_dir=data_dir,
        clickhouse=ClickHouseConfig(memory_bytes_max=1024**3),
        wal=WalConfig(segment_bytes=SEGMENT_BYTES, size_bytes_max=16 * SEGMENT_BYTES, keep_s=0),
        writer=WriterConfig(block_interval_ms=1),
        geo=GeoConfig("none", "none"),
    )


def a_row(kind: str, number: int) -> bytes:
    """A page view whose path tells it from all others."""
    return RowEncoder().encode(
        Row(
            site_id=SITES[kind], ts=NOON, visitor=f"{kind:>8}{number:08}".encode(), visit_id=number,
            day=DAYS[number % 2], hour=NOON, name="pageview", is_bot=0, pageviews=1, visit_start=1,
            bounce_delta=1, duration_delta=0, engaged_ms=0, scroll_depth=SCROLL_UNTOLD,
            hostname="kill.example", pathname=f"/{kind}/{number}",
            previous_pathname="/" if number % 3 else "", referrer="", referrer_name="", channel="Direct",
            utm_source="", utm_medium="", utm_campaign="", utm_content="", utm_term="", country="", region="",
            city_id=0, city="", device="Desktop", browser="Firefox", browser_version="142", os="Linux",
            os_version="", props={"padding": "x" * (ROW_BYTES - 300)}, goals=[], revenue=0, currency="",
        )
    )  # fmt: skip


async def drained(data_dir: Path, rows: list[bytes], say: Callable[[str], None]) -> None:
    """Start a node, append `rows` (acked once durable), wait until all is in and all is erased, stop it cleanly."""
    node = Node(config(data_dir), listen=False)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(node.run)
            for at in range(0, len(rows), FRAME_ROWS):
                await node.committer.append(rows[at : at + FRAME_ROWS], None).wait_durable()
            if rows:
                say("acked")
            await node.writer.wait_inserted(node.log.durable_lsn)
            while node.erasures.ledger.open:
                await node.eraser.progress.wait()
            node.stop()
    finally:
        node.close()


def prepare(data_dir: Path, state: str) -> None:
    """Make `data_dir`: rows of an earlier block, and for the states of CRASHED a block that a crash left half done."""
    silent: Callable[[str], None] = lambda _: None  # noqa: E731
    trio.run(drained, data_dir, [a_row("filler", number) for number in range(FILLER_ROWS)], silent)
    if state == "fresh":
        return
    if state == ERASING:
        gone = [Span(SITES["filler"], DAYS[0], DAYS[0])]
        ErasureFile(data_dir, RealFileSystem()).change(lambda ledger: ledger.ask(REQUEST, gone, gone, NOON))
        return
    trio.run(drained, data_dir, [a_row("block", number) for number in range(BLOCK_ROWS)], silent)
    file = StateFile(data_dir / "wal", RealFileSystem())
    done = file.load()
    assert done is not None
    first, last = FILLER_ROWS + 1, FILLER_ROWS + BLOCK_ROWS
    half = BLOCK_ROWS // 2
    block = Block(first, last, BLOCK_ROWS, f"{done.log_id:016x}-{first}-{last}", dict.fromkeys(MONTHS, half))
    file.save(WriterState(done.log_id, FILLER_ROWS, block))
    CRASHED[state](data_dir, _rollups(data_dir))


def _rollups(data_dir: Path) -> list[str]:
    """As the product finds them."""
    client = connect(config(data_dir).clickhouse, data_dir, purpose="admin")
    try:
        return verify.rollups(client)
    finally:
        client.close()


def _tokens_without_parts(data_dir: Path, rollups: list[str]) -> None:
    """What the engine of 26.9 leaves when it dies between its record and the part, of which its log was not cured."""
    for table, month in ((RAW_TABLE, MONTHS[0]), (rollups[0], MONTHS[1])):
        shutil.rmtree(_newest_part(data_dir, table, month))


def _parts_without_tokens(data_dir: Path, rollups: list[str]) -> None:
    """What an engine leaves that puts the part in place first: raw's last part is in, and unknown."""
    for table in (RAW_TABLE, *rollups):
        if table != RAW_TABLE:
            for month in MONTHS:
                shutil.rmtree(_newest_part(data_dir, table, month))
        (log,) = _table_dir(data_dir, table).glob("deduplication_logs/*.txt")
        lines = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(lines[: -1 if table == RAW_TABLE else -len(MONTHS)]))
    (data_dir / "wal" / RUNNING_NAME).touch()


def _no_tokens(data_dir: Path, rollups: list[str]) -> None:
    """The whole memory of tokens is gone, and a rollup's part: the retry doubles everything else."""
    shutil.rmtree(_newest_part(data_dir, rollups[-1], MONTHS[1]))
    for log in data_dir.glob("clickhouse/store/*/*/deduplication_logs/*.txt"):
        log.write_bytes(b"")
    (data_dir / "wal" / RUNNING_NAME).touch()


CRASHED: Final[dict[str, Callable[[Path, list[str]], None]]] = {
    "tokens without parts": _tokens_without_parts,
    "parts without tokens": _parts_without_tokens,
    "no tokens": _no_tokens,
}
ERASING: Final = "erasure"  # that of an ordinary block, and half of the rows before it are to be erased
STATES: Final = ("fresh", *CRASHED, ERASING)


def _table_dir(data_dir: Path, table: str) -> Path:
    (sql,) = data_dir.glob(f"clickhouse/store/*/*/{table}.sql")
    found = re.search(r"UUID '([0-9a-f-]+)'", sql.read_text())
    assert found is not None
    return data_dir / "clickhouse" / "store" / found[1][:3] / found[1]


def _newest_part(data_dir: Path, table: str, month: int) -> Path:
    return max(_table_dir(data_dir, table).glob(f"{month}_*"), key=lambda part: int(part.name.split("_")[2]))


def run(data_dir: Path) -> None:
    """What strace watches. The rows are the block's, or none when one is recorded already."""
    state = StateFile(data_dir / "wal", RealFileSystem()).load()
    assert state is not None
    rows = [] if state.block else [a_row("block", number) for number in range(BLOCK_ROWS)]
    trio.run(drained, data_dir, rows, _say, strict_exception_groups=True)
    _say("finished")


def judge(data_dir: Path) -> dict[str, Any]:
    """Start the node once more, as an operator would, and count."""
    trio.run(drained, data_dir, [], lambda _: None)
    client = connect(config(data_dir).clickhouse, data_dir, purpose="admin")
    try:
        times = Counter[str]()
        for row in client.operator_query(
            "SELECT pathname, count() AS times FROM statnive.events_raw GROUP BY pathname"
        ):
            times[row["pathname"]] += row["times"]
        report = check_rollups(client.operator_query, "statnive")
        drifts = [f"{drift.table}.{drift.measure}: {drift.examples}" for drift in report.drifts]
        left = client.operator_query(
            "SELECT name FROM system.tables WHERE database = 'statnive' AND startsWith(name, 'repair_')"
        )
        erased = {f"/filler/{number}" for number in _erased(data_dir)}
        return {
            "block": [times[f"/block/{number}"] for number in range(BLOCK_ROWS)],
            "filler": [
                times[path] for number in range(FILLER_ROWS) if (path := f"/filler/{number}") not in erased
            ],
            "others": len(times.keys() - (_known_paths() - erased)),
            "drifts": drifts,
            "left": [row["name"] for row in left],
        }
    finally:
        client.close()


def _erased(data_dir: Path) -> range:
    """The numbers of the filler rows that must be gone."""
    ledger = ErasureFile(data_dir, RealFileSystem()).ledger
    return range(0, FILLER_ROWS if ledger.done or ledger.open else 0, len(DAYS))


def _known_paths() -> set[str]:
    return {f"/block/{number}" for number in range(BLOCK_ROWS)} | {f"/filler/{n}" for n in range(FILLER_ROWS)}


def _say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


def _await_tracer() -> None:
    """Go on only under strace: nothing that it is to see may have happened before."""
    while "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
        time.sleep(0.002)


def _child(role: str, data_dir: Path, arguments: list[str]) -> None:
    """Carry out one order; the process ends with it."""
    if role == "prepare":
        prepare(data_dir, *arguments)
    elif role == "run":
        _await_tracer()
        run(data_dir)
    else:
        try:
            found = judge(data_dir)
        except BaseException as error:  # also what a nursery wraps: the other end must hear of it
            found = {"error": repr(error)}
        _say(json.dumps(found))


def main() -> None:
    """Take orders until standard input ends."""
    while line := sys.stdin.readline():
        role, data_dir, *arguments, output = json.loads(line)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
                _child(role, Path(data_dir), arguments)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _say(str(pid))
        _, status = os.waitpid(pid, 0)
        _say(str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
