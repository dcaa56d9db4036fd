"""The composition root: builds every part, nests the nurseries, owns the shutdown order.

Outer nursery: auditor, committer, writer, salts. Inner: acceptor, limiter, eraser, closer, geo watch, control socket.
A stop ends the inner one first (every request in flight gets its answer), then the committer drains, then the writer,
then the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

from statnive import data_directory, resources
from statnive.actors import (
    acceptor,
    auditor,
    closer,
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
from statnive.clickhouse.engine import Engine
from statnive.client import CONTROL_SOCKET
from statnive.clocks import Clocks
from statnive.config import Config, ServerConfig
from statnive.control.accounts import AccountStore
from statnive.control.passwords import new_secret
from statnive.control.snapshot import Snapshot, SnapshotHolder
from statnive.control.store import ControlStore
from statnive.day_closing import closer_of
from statnive.erasing import eraser_of
from statnive.ingest.client_address import ClientAddress
from statnive.ingest.drops import Drops
from statnive.ingest_parts import IngestParts
from statnive.last_resort import LastResort
from statnive.wal.erasure_file import ErasureFile
from statnive.wal.fs import RealFileSystem
from statnive.wal.log import Log
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

        `end_process` is called, with what went wrong first, when `run` can't end because ClickHouse holds a thread
        (last_resort.py); it must not return.
        """
        self.config = config
        self.clocks = clocks or Clocks()
        self.listen = listen
        self._last_resort = LastResort(end_process)
        self.stop_requested = trio.Event()
        self.stopped = trio.Event()
        self.started_at = self.clocks.wall()
        self.certificate = _certificate(config.server) if listen else None
        self._lock = data_directory.take(config.data_dir)
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
        self.recovery.tell(report)
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
        self.parts = IngestParts(
            config,
            sites=self.sites,
            limits=self.limiter,
            salt=self.salts,
            drops=self.drops,
            clock=self.clocks.wall,
            report=report,
        )
        if listen:
            self.parts.rebuild_visits(self.log, self.clocks.monotonic)
        self.imports = Imports(self.parts.tools, config.ingest, self.committer, self.writer)
        routes = IngestRoutes(
            config.server, config.ingest, self.parts.pipeline, resources.directory("tracker")
        )
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
        self.eraser = eraser_of(
            config,
            self.erasures,
            self.engine,
            (self.writer, self.committer),
            eraser.Told(report, self.auditor.record, self.reads.forget, self.reload_sites),
            sites=self.sites,
            clock=self.salts.trusted_now,
            listen=listen,
        )
        self.server_events = ServerEvents(
            self.parts.tools,
            self.parts.pipeline,
            config.ingest,
            append=self.committer.append,
            keeps_day=self.salts.keeps,
            tokens=self.tokens,
        )
        self.closer = closer_of(self.engine, self.clocks.wall, report)
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

    async def run(self, *, task_status: trio.TaskStatus[Node] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop()`, then drain. Raises Fatal when an invariant broke; cancelling ends without a drain."""
        self.auditor.report("start", f"statnive starts on {self.config.data_dir}")
        for file in self.parts.geo_files if self.listen else ():
            self.auditor.report("geo_missing" if file.missing else "geo", file.said)
        act = self._last_resort.act
        async with trio.open_nursery() as outer:
            outer.start_soon(self._last_resort.run)
            audit = partial(auditor.run, check_at_once=self.unclean_stop)
            auditor_done, committer_done, writer_done = trio.Event(), trio.Event(), trio.Event()
            await outer.start(act, audit, auditor_done, self.auditor, self.engine.drift_rows)
            await outer.start(act, committer.run, committer_done, self.committer)
            await outer.start(act, writer.run, writer_done, self.writer, self.engine)
            await outer.start(act, salts.run, trio.Event(), self.salts, self.auditor.report)
            outer.start_soon(reader_check.run, self.engine.check_reader, self.auditor.report)
            # Rows of the last run that are in the log and not in ClickHouse yet.
            self.writer.notify(self.log.durable_lsn)
            async with trio.open_nursery() as inner:
                await inner.start(limiter.run, self.limiter)
                await inner.start(file_watch.run, self.parts.geo_watch)
                await inner.start(self._last_resort.act, eraser.run, trio.Event(), self.eraser)
                if self.listen:
                    await inner.start(self._last_resort.act, closer.run, trio.Event(), self.closer)
                if self.tls_watch is not None:
                    await inner.start(file_watch.run, self.tls_watch)
                control = SlowLane(
                    self.control_app,
                    self.config.server,
                    self.auditor.report,
                    request_bytes_max=2 * BODY_BYTES_MAX,
                )
                if self.acceptor is not None:
                    await inner.start(act, acceptor.run, trio.Event(), self.acceptor)
                    sock = data_directory.listening_socket(self.config.data_dir, CONTROL_SOCKET)
                    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
                    inner.start_soon(control.serve_listener, listener)
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
        self._last_resort.disarm()
        self.state_file.mark_clean()
        self.stopped.set()

    async def _drain_acceptor(self, handle: acceptor.AcceptorHandle) -> None:
        handle.begin_drain()
        with trio.move_on_after(2 * acceptor.DRAIN_GRACE_S):
            await handle.drained.wait()

    def stop(self) -> None:
        """Begin the drain. Safe to call twice."""
        self.stop_requested.set()

    def reload_files(self) -> None:
        """Read the address databases and the certificate again; a broken one is reported and the old one kept."""
        self.parts.geo_watch.request()
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
            self.closer,
            self.parts.geo_watch,
            self.tls_watch,
            self.auditor,
        )
        for part in parts:
            if part is not None:
                stats.update(part.stats())
        stats |= self.reads.stats() | self.tokens.stats() | self.accounts.stats() | self.sign_in.stats()
        stats |= self.server_events.stats()
        stats |= self.ack_times.stats()
        stats |= self.parts.stats()
        stats["slow_events_total"] = self.ingest_app.events_requests
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
