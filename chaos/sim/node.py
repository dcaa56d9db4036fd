"""A node without its web parts: what statnive.node nests around the log, and clients in place of an acceptor.

Owns:       one life's log, state file, committer, writer and engine, all of them the product's.
Inputs:     the life's plan; the process that it is.
Outputs:    entries in the ledger: what was sent, what became of it.
Order:      as in statnive.node: the marker, the state, the log; committer, then writer; at a stop the committer
            drains, then the writer, then the marker goes and the log is closed.
"""

from __future__ import annotations

import random
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import attrs
import trio

from chaos.sim.client import SERVER_URL
from chaos.sim.disk import ProcessFiles
from chaos.sim.ledger import Ledger, Request
from chaos.sim.plan import LifePlan, Plan
from chaos.sim.process import Process
from chaos.sim.tables import Event, Events
from statnive.actors import committer, writer
from statnive.actors.committer import Batch, CommitterHandle
from statnive.actors.writer import WriterHandle
from statnive.clickhouse.engine import Engine
from statnive.clickhouse.rows import RowEncoder
from statnive.config import ClickHouseConfig
from statnive.errors import Fatal, Overloaded, Retryable
from statnive.event import Row
from statnive.wal.log import Log
from statnive.wal.state import StateFile

WALL_CLOCK_START = 1_793_000_000.0
BOT_SHARE = 0.1
THINK_S_MAX = 0.08
# The last day of a month and the first of the next: days since the epoch, and as ClickHouse writes them.
DAYS = ((20_757, "2026-10-31"), (20_758, "2026-11-01"))
ROW = Row(
    1, 1_793_000_000, bytes(range(16)), 7, 0, 1_793_000_000, "pageview", 0, 1, 1, 1, 0, 0, 255, "example.com", "/",
    "", "", "",
    "Direct", "", "", "", "", "", "", "", 0, "", "desktop", "Chrome", "131", "Linux", "", {}, [], 0, "",
)  # fmt: skip


@attrs.frozen
class Parts:
    """What a life is made of."""

    plan: Plan
    life: LifePlan
    process: Process
    files: ProcessFiles
    events: Events
    ledger: Ledger
    directory: Path


async def run(parts: Parts) -> None:
    """A life, to its good end. Raises what ends it otherwise."""
    await _Node(parts).run()


class _Node:
    def __init__(self, parts: Parts) -> None:
        """Open everything, as statnive.node.Node does."""
        self._parts, self._process = parts, parts.process
        plan, files = parts.plan, parts.files
        self._state_file = StateFile(parts.directory, files)
        unclean = self._state_file.mark_running()
        state = self._state_file.load()
        kind = "embedded" if plan.kind == "embedded" else SERVER_URL
        self._engine = Engine(
            ClickHouseConfig(url=kind),
            parts.directory.parent,
            Path("/sql"),
            unclean=unclean,
            in_doubt=state is not None and state.block is not None,
        )
        self._log, recovery = Log.open(
            parts.directory,
            config=plan.wal,
            fs=files,
            checkpoint_lsn=state.done_lsn if state else 0,
            seen_lsn=state.seen_lsn if state else 0,
            random_u64=lambda: parts.process.rng.getrandbits(64),
        )
        parts.ledger.log_opened(recovery)
        self._writer = WriterHandle(
            self._log,
            self._state_file,
            state,
            plan.writer,
            parts.directory.parent,
            keep_s=plan.wal.keep_s,
            clock=self._clock,
            report=self._report,
        )
        acks_send, self._acks = trio.open_memory_channel[list[Any]](float("inf"))
        self._committer = CommitterHandle(self._log, plan.wal, self._clock, acks_send, self._writer.notify)

    def _clock(self) -> float:
        return WALL_CLOCK_START + self._parts.life.clock_s + trio.current_time()

    def _report(self, kind: str, text: str) -> None:
        self._process.trace("report", kind, text)
        if kind == "corruption":
            raise self._parts.ledger.broken(f"the writer reports corruption: {text}")

    async def run(self) -> None:
        async with trio.open_nursery() as outer:
            committer_done, writer_done = trio.Event(), trio.Event()
            await outer.start(partial(_run_then_set, committer.run, committer_done), self._committer)
            await outer.start(partial(_run_then_set, writer.run, writer_done), self._writer, self._engine)
            self._writer.notify(self._log.durable_lsn)
            outer.start_soon(self._die_in_time)
            outer.start_soon(self._deliver_acks)
            outer.start_soon(self._check)
            async with trio.open_nursery() as inner:
                for number in range(self._parts.life.clients):
                    inner.start_soon(self._send_requests, number)
            self._committer.close()
            with trio.move_on_after(self._parts.life.drain_s):
                await committer_done.wait()
                self._writer.notify(self._log.durable_lsn)
                self._writer.close()
                await writer_done.wait()
            outer.cancel_scope.cancel()
        self._state_file.mark_clean()
        self._engine.close()
        self._log.close()
        self._parts.ledger.stopped(self._log.durable_lsn, self._writer.lag_rows)

    async def _die_in_time(self) -> None:
        await trio.sleep(self._process.fate.after_s)
        if self._process.fate.death == "cancel":
            self._process.trace("cancelled")
            self._process.scope.cancel()
        elif self._process.fate.death is not None:
            self._process.die("in time")

    async def _check(self) -> None:
        """What the auditor does once a day, and an operator when in doubt."""
        limiter, rng = trio.CapacityLimiter(1), self._process.rng
        for _ in range(self._parts.life.checks):
            await trio.sleep(rng.random() * 3 * THINK_S_MAX)
            try:
                drift_rows = await trio.to_thread.run_sync(self._engine.drift_rows, limiter=limiter)
                check = partial(
                    self._engine.check_all,
                    repairing=True,
                    rows_set_aside=self._parts.ledger.rows_set_aside,
                    patience_s=0.02,
                )
                found = await trio.to_thread.run_sync(check, limiter=limiter)
            except Retryable as error:
                self._process.trace("unchecked", error)
                continue
            self._process.trace("checked", found.rows, found.repaired)
            if drift_rows or found.repaired or found.unrepaired or not found.is_right:
                raise self._parts.ledger.broken(f"no block is in doubt, and yet: drift {drift_rows}, {found}")

    # --- clients --------------------------------------------------------------------------------------------

    async def _send_requests(self, number: int) -> None:
        rng = self._process.rng
        for _ in range(self._parts.life.requests):
            await trio.sleep(rng.random() * THINK_S_MAX)
            request = self._request(rng)
            waits_on_batch = rng.random() < 0.5  # as an ASGI request does; otherwise as the fast lane does
            try:
                batch = self._committer.append(
                    [event.encoded for event in request.events], None if waits_on_batch else request
                )
            except Overloaded:
                request.fate = "refused"
                self._process.trace("refused", number)
                continue
            request.rows = batch.rows[-len(request.events) :]
            request.first_lsn = self._committer.last_lsn - len(request.rows) + 1
            self._process.trace(
                "append", number, request.first_lsn, [event.number for event in request.events]
            )
            if waits_on_batch:
                await self._wait_for(batch, request)

    async def _wait_for(self, batch: Batch, request: Request) -> None:
        try:
            await batch.wait_durable()
        except Fatal:
            return
        self._acknowledge(request)

    async def _deliver_acks(self) -> None:
        async for requests in self._acks:
            for request in requests:
                self._acknowledge(request)

    def _acknowledge(self, request: Request) -> None:
        if not self._process.dead:
            self._process.trace("ack", request.first_lsn, len(request.rows))
            self._parts.ledger.acknowledge(request)

    def _request(self, rng: random.Random) -> Request:
        plan = self._parts.plan
        request = Request([])
        for _ in range(rng.randint(1, plan.request_rows_max)):
            day, text = rng.choice(DAYS)
            is_bot, is_poison = rng.random() < BOT_SHARE, rng.random() < plan.poison_share
            number = self._parts.events.next_number
            encoded = _encode(number, day, is_bot, rng.randrange(plan.row_bytes_max))
            event = Event(number, encoded, text, is_bot, is_poison)
            self._parts.events.all.append(event)
            request.events.append(event)
        self._parts.ledger.requests.append(request)
        return request


@lru_cache(maxsize=1)
def _encoder() -> RowEncoder:
    return RowEncoder()


def _encode(number: int, day: int, is_bot: bool, path_bytes: int) -> bytes:
    row = ROW._replace(site_id=number, day=day, is_bot=int(is_bot), pathname="/" + "x" * path_bytes)
    return _encoder().encode(row)


async def _run_then_set(
    run_actor: Any, done: trio.Event, *arguments: Any, task_status: trio.TaskStatus[None]
) -> None:
    await run_actor(*arguments, task_status=task_status)
    done.set()
