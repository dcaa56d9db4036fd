"""The composition root: builds every part, nests the nurseries, owns the shutdown order.

Outer nursery: auditor, committer, writer, salts. Inner nursery: acceptor, limiter, eraser, geo watch, control socket.
A stop ends the inner one first (every request in flight gets its answer), then the committer drains, then the writer,
then the rest.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from statnive import resources
from statnive.actors import (
    acceptor,
    auditor,
    committer,
    eraser,
    file_watch,
    limiter,
    reader_check,
    salts,
    writer,
)
from statnive.actors.ack_times import AckTimes
from statnive.actors.slow_lane import SlowLane
from statnive.certificates import Certificate
from statnive.clickhouse import erase
from statnive.clickhouse.engine import Engine
from statnive.clickhouse.rows import RowEncoder, decode_row, row_head
from statnive.client import CONTROL_SOCKET
from statnive.config import Config, ServerConfig
from statnive.control import retention
from statnive.control.accounts import AccountStore
from statnive.control.passwords import new_secret
from statnive.control.snapshot import Snapshot, SnapshotHolder
from statnive.control.store import ControlStore
from statnive.errors import BrokenInput, Busy
from statnive.geo_files import carrier_file, country_file
from statnive.ingest.client_address import ClientAddress
from statnive.ingest.drops import Drops
from statnive.ingest.geo import Geo
from statnive.ingest.local_time import LocalTimes
from statnive.ingest.pipeline import Pipeline, Tools
from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.user_agent import AgentParser
from statnive.ingest.visits import VisitTable
from statnive.wal.erasure_file import ErasureFile
from statnive.wal.fs import RealFileSystem
from statnive.wal.log import Log
from statnive.wal.recovery import Recovery
from statnive.wal.state import StateFile
from statnive.web.accounts import Accounts
from statnive.web.app import WebParts, control_app, public_app
from statnive.web.control import BODY_BYTES_MAX
from statnive.web.gate import Gate
from statnive.web.imports import Imports
from statnive.web.ingest import IngestApp, IngestRoutes
from statnive.web.reads import Reads
from statnive.web.server_events import ServerEvents
from statnive.web.sign_in import SignIn
from statnive.web.token_gate import TokenGate

EVERYWHERE = ("", "0.0.0.0", "[::]")  # noqa: S104 - compared with, not bound to
DRAIN_DEADLINE_S = 60.0
END_GRACE_S = 3.0


@attrs.define
class Clocks:
    """Wall and monotonic time, in seconds."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


class Node:
    """One data directory and all that works on it. Build, `await run(...)`, `close()`."""

    def __init__(
        self,
        config: Config,
        *,
        listen: bool,
        clocks: Clocks | None = None,
        end_process: Callable[[BaseException | None], None] | None = None,
    ) -> None:
        """Open the data directory and recover the log. Raises Busy, BrokenInput, ConfigError or Fatal.

        `end_process` is called, with what went wrong first, when `run` can't end for END_GRACE_S because ClickHouse
        holds a thread; it must not return.
        """
        self.config = config
        self.clocks = clocks or Clocks()
        self.listen = listen
        self._end_process = end_process
        self._last_resort: threading.Timer | None = None
        self._first_error: BaseException | None = None  # of an actor; the others are cancelled for it
        self.stop_requested = trio.Event()
        self.stopped = trio.Event()
        self.started_at = self.clocks.wall()
        self.certificate = _certificate(config.server) if listen else None
        self._lock = _take_data_dir(config.data_dir)
        self.auditor = auditor.AuditorHandle(config.data_dir / "audit.log", config.audit, self.clocks.wall)
        report = self.auditor.report
        self.tls_watch: file_watch.FileWatchHandle | None = None
        if self.certificate is not None:
            self.tls_watch = file_watch.FileWatchHandle(
                self.certificate, report, name="tls_certificate", what="the TLS certificate and its key"
            )
        self.store = ControlStore.open(config.data_dir / "control.db")
        self.erasures = ErasureFile(config.data_dir, RealFileSystem())
        self.sites = SnapshotHolder(self._snapshot())
        self.state_file = StateFile(config.data_dir / "wal", RealFileSystem())
        self.unclean_stop = self.state_file.mark_running()
        state = self.state_file.load()
        self.engine = Engine(
            config.clickhouse,
            config.data_dir,
            resources.directory("sql"),
            unclean=self.unclean_stop,
            in_doubt=state is not None and state.block is not None,
            insert_deadline_s=config.writer.insert_deadline_s,
            book=self.erasures,
        )
        self.log, self.recovery = Log.open(
            config.data_dir / "wal",
            config=config.wal,
            fs=RealFileSystem(),
            checkpoint_lsn=state.done_lsn if state else 0,
            seen_lsn=state.seen_lsn if state else 0,
        )
        _report_recovery(report, self.recovery)
        self._open_accounts()
        self.drops = Drops(self.clocks.wall, config.audit.drops_kept, config.audit.unknown_hosts_kept)
        self.limiter = limiter.LimiterHandle(config.limiter, self.clocks.monotonic)
        self.salts = salts.SaltsHandle(
            config.data_dir / "identity.key", self.clocks.wall, self.clocks.monotonic
        )
        acks_send, acks_receive = trio.open_memory_channel[list[Any]](float("inf"))
        self.writer = writer.WriterHandle(
            self.log,
            self.state_file,
            state,
            config.writer,
            config.data_dir,
            keep_s=config.wal.keep_s,
            clock=self.clocks.wall,
            report=report,
            book=self.erasures,
        )
        self.committer = committer.CommitterHandle(
            self.log, config.wal, self.clocks.wall, acks_send, self.writer.notify
        )
        self.tools = self._tools()
        if listen:
            self._rebuild_visits()
        self.pipeline = Pipeline(config.ingest, self.tools, ClientAddress(config.server.trusted_proxies))
        self.imports = Imports(self.tools, config.ingest, self.committer, self.writer)
        routes = IngestRoutes(config.server, config.ingest, self.pipeline, resources.directory("tracker"))
        self.ack_times = AckTimes(self.clocks.monotonic)
        self.ingest_app = IngestApp(routes, self.committer.append, self.ack_times)
        self.reads = Reads(
            self.engine.read,
            threads=config.clickhouse.query_threads,
            clock=self.clocks.wall,
            fresh_through=self.fresh_through,
        )
        self.tokens = TokenGate(
            self.store.tokens_by_digest,
            self.store.token_used,
            clock=self.clocks.wall,
            requests_per_hour=config.api.requests_per_hour,
            events_per_s=config.api.events_per_s,
            report=report,
        )
        self.eraser = self._eraser()
        self.server_events = ServerEvents(
            self.tools,
            self.pipeline,
            config.ingest,
            append=self.committer.append,
            keeps_day=self.salts.keeps,
            tokens=self.tokens,
        )
        self.auditor.sum_up("dropped", lambda: self.drops.by_reason)
        self.auditor.sum_up("rate_limited", self.limiter.refusals)
        self.auditor.sum_up("api_refused", lambda: self.tokens.refused)
        web = self._web_parts()
        self.control_app = control_app(web)
        self.acceptor: acceptor.AcceptorHandle | None = None
        if listen:
            parts = acceptor.AcceptorParts(
                config=config.server,
                routes=routes,
                app=public_app(web),
                append=self.committer.append,
                acks=acks_receive,
                report=report,
                clock=self.clocks.wall,
                monotonic=self.clocks.monotonic,
                ack_times=self.ack_times,
                certificate=self.certificate,
            )
            self.acceptor = acceptor.AcceptorHandle(parts)
        else:
            acks_receive.close()

    def _open_accounts(self) -> None:
        """Users, sessions and links, in memory."""
        config, clock = self.config, self.clocks.wall
        store = AccountStore(self.store, now_s=clock)
        self.accounts = Accounts(store, config.auth, clock=clock, report=self.auditor.report)
        self.sign_in = SignIn(self.accounts, clock=clock, auditor=self.auditor)

    def _eraser(self) -> eraser.EraserHandle:
        config = self.config
        open_s = max(config.wal.keep_s, config.ingest.visit_inactivity_s)

        def floors(now: float, at_once: bool) -> dict[int, tuple[int, int]]:
            return retention.floors(self.sites.current.by_id.values(), now, open_s, at_once=at_once)

        told = eraser.Told(self.auditor.report, self.auditor.record, self.reads.forget, self.reload_sites)
        return eraser.EraserHandle(
            self.erasures,
            self.engine,
            self.writer,
            self.committer,
            told,
            floors=floors,
            clock=self.salts.trusted_now,
            scheduled=self.listen and not config.clickhouse.cluster,
            is_refused=erase.ON_A_CLUSTER if config.clickhouse.cluster else "",
        )

    def _gate(self, mode: str) -> Gate:
        return Gate(
            mode,
            sites=self.sites,
            accounts=self.accounts,
            tokens=self.tokens,
            addresses=ClientAddress(self.config.server.trusted_proxies),
            auditor=self.auditor,
            public_url=self.config.server.public_url,
        )

    def _web_parts(self) -> WebParts:
        return WebParts(
            server=self.config.server,
            sites=self.sites,
            store=self.store,
            drops=self.drops,
            engine=self.engine,
            imports=self.imports,
            eraser=self.eraser,
            ingest=self.ingest_app,
            server_events=self.server_events,
            addresses=ClientAddress(self.config.server.trusted_proxies),
            clock=self.clocks.wall,
            fresh_through=self.fresh_through,
            reads=self.reads,
            tokens=self.tokens,
            accounts=self.accounts,
            sign_in=self.sign_in,
            gate=self._gate(self.config.auth.mode),
            socket_gate=self._gate("socket"),
            figures=self.stats,
            readiness=self.readiness,
            listening_url=self.listening_url,
            is_listening=lambda: self.acceptor is not None,
            reload_sites=self.reload_sites,
            report=self.auditor.report,
            auditor=self.auditor,
            dashboard_dir=resources.directory("dashboard"),
            data_dir=self.config.data_dir,
        )

    def _tools(self) -> Tools:
        config = self.config
        self.agents = AgentParser(config.ingest.cache_entries)
        self.sources = SourceClassifier(
            _optional_path(config.ingest.source_table), config.ingest.cache_entries
        )
        self.geo_files = country, carriers = country_file(config.geo), carrier_file(config.geo)
        self.geo = Geo(country.path, carriers.path)
        self.geo_watch = file_watch.FileWatchHandle(
            self.geo, self.auditor.report, name="geo", what="the address databases"
        )
        self.visits = VisitTable(config.ingest.visit_inactivity_s, config.ingest.visits_max)
        return Tools(
            clock=self.clocks.wall,
            sites=self.sites,
            limiter=self.limiter,
            salts=self.salts,
            geo=self.geo,
            agent=self.agents,
            sources=self.sources,
            visits=self.visits,
            drops=self.drops,
            encode=RowEncoder().encode,
            times=LocalTimes(),
        )

    def _rebuild_visits(self) -> None:
        """The visits that were open when the last run ended, from the log; before any event is taken."""
        now, started = int(self.clocks.wall()), self.clocks.monotonic()
        since_us = (now - self.config.ingest.visit_inactivity_s) * 1_000_000
        rows = (row for frame in self.log.frames_since(since_us) for row in frame.rows())
        found = self.visits.rebuild(rows, now, row_head, decode_row)
        if found:
            took_s = self.clocks.monotonic() - started
            self.auditor.report("visits", f"{found} open visits go on (found in the log in {took_s:.1f} s)")

    async def run(self, *, task_status: trio.TaskStatus[Node] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop()`, then drain. Raises Fatal when an invariant broke; cancelling ends without a drain."""
        self.auditor.report("start", f"statnive starts on {self.config.data_dir}")
        for file in self.geo_files if self.listen else ():
            self.auditor.report("geo_missing" if file.missing else "geo", file.said)
        async with trio.open_nursery() as outer:
            outer.start_soon(self._arm_last_resort)
            audit = partial(auditor.run, check_at_once=self.unclean_stop)
            auditor_done, committer_done, writer_done = trio.Event(), trio.Event(), trio.Event()
            await outer.start(self._act, audit, auditor_done, self.auditor, self.engine.drift_rows)
            await outer.start(self._act, committer.run, committer_done, self.committer)
            await outer.start(self._act, writer.run, writer_done, self.writer, self.engine)
            await outer.start(self._act, salts.run, trio.Event(), self.salts, self.auditor.report)
            outer.start_soon(reader_check.run, self.engine.check_reader, self.auditor.report)
            # Rows of the last run that are in the log and not in ClickHouse yet.
            self.writer.notify(self.log.durable_lsn)
            async with trio.open_nursery() as inner:
                await inner.start(limiter.run, self.limiter)
                await inner.start(file_watch.run, self.geo_watch)
                await inner.start(self._act, eraser.run, trio.Event(), self.eraser)
                if self.tls_watch is not None:
                    await inner.start(file_watch.run, self.tls_watch)
                control = SlowLane(
                    self.control_app,
                    self.config.server,
                    self.auditor.report,
                    request_bytes_max=2 * BODY_BYTES_MAX,
                )
                if self.acceptor is not None:
                    await inner.start(self._act, acceptor.run, trio.Event(), self.acceptor)
                    inner.start_soon(control.serve_listener, _listen_control(self.config.data_dir))
                task_status.started(self)
                await self.stop_requested.wait()
                if self.acceptor is not None:
                    await self._drain_acceptor(self.acceptor)
                inner.cancel_scope.cancel()
            self.committer.close()
            with trio.move_on_after(DRAIN_DEADLINE_S):
                await committer_done.wait()
                self.writer.notify(self.log.durable_lsn)
                self.writer.close()
                await writer_done.wait()
            left = self.writer.lag_rows
            text = (
                f"{left} events wait in the log for the next start"
                if left
                else "every event is in ClickHouse"
            )
            self.auditor.tell_sums()
            self.auditor.report("stop", f"statnive stops; {text}", left=left)
            self.auditor.close()
            with trio.move_on_after(1.0):
                await auditor_done.wait()
            outer.cancel_scope.cancel()
        self._disarm_last_resort()
        self.state_file.mark_clean()
        self.stopped.set()

    async def _act(
        self,
        run: Callable[..., Any],
        done: trio.Event,
        *arguments: Any,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run an actor to its end, then set `done`; the first one's error is kept."""
        try:
            await run(*arguments, task_status=task_status)
        except trio.Cancelled:
            raise
        except BaseException as error:
            self._first_error = self._first_error or error
            raise
        done.set()

    async def _arm_last_resort(self) -> None:
        """Once everything is cancelled: a statement that ClickHouse never answers must not keep the process. Seen: the
        engine waits for ever to drop a table on a disk that has failed. The next start finds it as after a kill.
        """
        try:
            await trio.sleep_forever()
        finally:
            if self._end_process is not None:
                end = partial(self._end_process, self._first_error)
                self._last_resort = threading.Timer(END_GRACE_S, end)
                self._last_resort.daemon = True
                self._last_resort.start()

    def _disarm_last_resort(self) -> None:
        if self._last_resort is not None:
            self._last_resort.cancel()
            self._last_resort.join()  # where it has begun, the process ends here, and its stop was no clean one

    async def _drain_acceptor(self, handle: acceptor.AcceptorHandle) -> None:
        handle.begin_drain()
        with trio.move_on_after(2 * acceptor.DRAIN_GRACE_S):
            await handle.drained.wait()

    def stop(self) -> None:
        """Begin the drain. Safe to call twice."""
        self.stop_requested.set()

    def reload_files(self) -> None:
        """Read the address databases and the certificate again; a broken one is reported and the old one kept."""
        self.geo_watch.request()
        if self.tls_watch is not None:
            self.tls_watch.request()

    def reload_sites(self) -> None:
        """Swap in the sites as the control store has them now."""
        self.sites.current = self._snapshot()
        self.accounts.reload()

    def _snapshot(self) -> Snapshot:
        return self.store.snapshot().without(self.erasures.ledger.removed)

    def fresh_through(self) -> float:
        """The instant up to which every acknowledged event is in ClickHouse."""
        return self.writer.last_insert_at if self.writer.lag_rows else self.clocks.wall()

    def listening_url(self) -> str:
        """Where people reach this node, or will once it listens."""
        if self.config.server.public_url:
            return self.config.server.public_url
        address = self.acceptor.address if self.acceptor is not None else self.config.server.listen
        host, _, port = address.rpartition(":")
        # On all addresses of the machine it can be reached by its own one, from here.
        return f"http://{'127.0.0.1' if host in EVERYWHERE else host}:{port}"

    def new_setup_link(self) -> str:
        """The address at which the first account is made, once; "" when there is one, or none is needed."""
        if self.config.auth.mode == "open" or self.accounts.directory.has_users:
            return ""
        secret = new_secret()
        self.accounts.store.setup_link(0, secret, self.config.auth.setup_link_s)
        return f"{self.listening_url()}/setup#{secret}"

    def readiness(self) -> dict[str, str]:
        """What is wrong, by part; {} when all is well. Only "log" keeps events from being taken."""
        problems: dict[str, str] = {}
        if self.log.nearly_full:
            problems["log"] = self.log.spare_error or "nearly full; ClickHouse has to catch up first"
        if self.writer.last_error:
            problems["clickhouse"] = self.writer.last_error
        return problems

    def stats(self) -> dict[str, float]:
        """Every figure of every part, by metric name."""
        stats: dict[str, float] = {"uptime_seconds": round(self.clocks.wall() - self.started_at, 1)}
        parts = (
            self.acceptor,
            self.limiter,
            self.committer,
            self.writer,
            self.salts,
            self.eraser,
            self.geo_watch,
            self.tls_watch,
            self.auditor,
        )
        for part in parts:
            if part is not None:
                stats.update(part.stats())
        stats |= self.reads.stats() | self.tokens.stats() | self.accounts.stats() | self.sign_in.stats()
        stats |= self.server_events.stats()
        stats |= self.ack_times.stats()
        stats["slow_events_total"] = self.ingest_app.events_requests
        for what in ("revenue", "property"):
            stats[f"left_out_{what}_total"] = self.pipeline.parser.left_out[what]
        stats["visits_open"] = len(self.visits)
        stats["visits_evicted_early_total"] = self.visits.evicted_early
        stats["visits_rebuilt"] = self.visits.rebuilt
        for name, cache in (
            ("agent", self.agents),
            ("source", self.sources),
            ("sender", self.pipeline.senders),
            ("page", self.pipeline.parser.pages),
        ):
            stats[f"cache_{name}_hits_total"] = cache.hits
            stats[f"cache_{name}_misses_total"] = cache.misses
        return stats

    def close(self) -> None:
        """Release everything; the node must not be running."""
        if self.acceptor is not None:
            self.acceptor.close()
        self.engine.close()
        self.log.close()
        self.store.close()
        os.close(self._lock)


def _certificate(config: ServerConfig) -> Certificate | None:
    """The pair of the settings, None without one. Raises BrokenInput."""
    return Certificate(Path(config.tls_certificate), Path(config.tls_key)) if config.tls_listen else None


def _optional_path(text: str) -> Path | None:
    return Path(text) if text else None


def _take_data_dir(data_dir: Path) -> int:
    """Create the directory (0700) and lock it for this process. Raises Busy naming the owner, or BrokenInput."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BrokenInput(f"data directory {data_dir} can't be used: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise Busy(f"data directory {data_dir} is in use by process {owner}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _listen_control(data_dir: Path) -> trio.SocketListener:
    """The control socket, for this user only. A stale one is replaced: the data directory is ours by its lock."""
    path = data_dir / CONTROL_SOCKET
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # A Unix socket's path is limited to 107 bytes; relative to the directory's descriptor it always fits.
    directory = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        old_mask = os.umask(0o177)
        try:
            sock.bind(f"/proc/self/fd/{directory}/{CONTROL_SOCKET}")
        finally:
            os.umask(old_mask)
    finally:
        os.close(directory)
    sock.listen(16)
    sock.setblocking(False)
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _report_recovery(report: Callable[..., None], recovery: Recovery) -> None:
    """Say what the log's recovery found: nothing of it is silent."""
    if recovery.torn_bytes:
        report(
            "torn_write",
            f"a torn last frame of {recovery.torn_bytes} bytes was cut off; it was never acknowledged",
        )
    for found in recovery.corruptions:
        if not found.known:
            report(
                "corruption",
                f"{found.damage} of {found.segment or 'the log'} at {found.offset}: {found.bytes} bytes are bad, "
                f"{found.lost_rows} acknowledged events are lost; the bytes are kept in {found.set_aside}",
                lost_rows=found.lost_rows,
            )
    if recovery.rows:
        report("replay", f"{recovery.rows} events of the last run go into ClickHouse now")
