"""The command line: the only place that turns errors into exit codes.

0 done; 1 unexpected; 2 wrong usage or setting; 3 the node can't go on (replays at its next start); 4 busy; 5 the
input can't be used.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio

from statnive import config as configuration
from statnive.client import ControlClient, control
from statnive.commands import Shell
from statnive.config import Config
from statnive.demo_command import demo_command
from statnive.errors import (
    BrokenInput,
    Busy,
    ConfigError,
    Fatal,
    Overloaded,
    Rejected,
    Retryable,
    StatniveError,
)
from statnive.goal_commands import goal_group
from statnive.importer.combined_log import LogEntry, parse_line
from statnive.importer.reader import LogSource, open_log
from statnive.importer.summary import ImportSummary
from statnive.note_commands import note_group
from statnive.segment_commands import segment_group
from statnive.site_commands import site_group
from statnive.token_commands import token_group
from statnive.user_commands import user_group

EXIT_CODES: tuple[tuple[type[StatniveError], int], ...] = (
    (ConfigError, 2),
    (Rejected, 2),
    (Fatal, 3),
    (Busy, 4),
    (BrokenInput, 5),
    (Retryable, 1),
    (Overloaded, 1),
)
SWITCH_INTERVAL_S = 0.000_5
IMPORT_BATCH = 2_000


def main() -> None:
    """Entry point of the `statnive` command."""
    os.umask(0o077)  # also what the engine and SQLite make is for this user alone
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except (StatniveError, BaseExceptionGroup) as error:
        found = _first_of_ours(error)
        if found is None:
            raise
        click.echo(f"statnive: {found}", err=True)
        sys.exit(_exit_code(found))


def _exit_code(error: StatniveError) -> int:
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def _first_of_ours(error: BaseException) -> StatniveError | None:
    """The error to show: ours, out of the groups that nurseries wrap errors in; None when there is a foreign one."""
    if isinstance(error, StatniveError):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = [_first_of_ours(inner) for inner in error.exceptions]
        if found and None not in found:
            return found[0]
    return None


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every command shares."""
    options = (
        click.option("--data-dir", type=click.Path(path_type=Path), help="Everything the node keeps. [data]"),
        click.option("--config", "file", type=click.Path(path_type=Path), help="A TOML file of settings."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _load(data_dir: Path | None, file: Path | None, **parts: dict[str, object]) -> Config:
    overrides: dict[str, dict[str, object]] = {"": {"data_dir": str(data_dir)} if data_dir else {}}
    for table, values in parts.items():
        given = {key: value for key, value in values.items() if value is not None}
        if given:
            overrides[table] = given
    return configuration.load(file, os.environ, overrides)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="statnive")
def cli() -> None:
    """Web analytics on your own machine: durable before it answers, exactly once in ClickHouse.

    \b
    Examples:
      statnive serve
      statnive site add example.com --timezone Europe/Berlin --alias www.example.com
      statnive goal add example.com --event Signup
      statnive segment add example.com "From Google" --filter '["is","visit:source",["Google"]]'
      statnive token add grafana --site example.com
      statnive import log access.log.gz --site example.com
      statnive demo
    """


@cli.command()
@_settings
@click.option("--listen", help="host:port of the one port. [127.0.0.1:8080]")
@click.option("--clickhouse", help='"embedded", or http(s)://user:password@host:port. [embedded]')
def serve(data_dir: Path | None, file: Path | None, listen: str | None, clickhouse: str | None) -> None:
    """Take events, write them to ClickHouse, serve the dashboard. Stops on SIGTERM or Ctrl-C after a full drain;
    SIGHUP reads the address databases and the TLS certificate again.

    \b
    Examples:
      statnive serve
      statnive serve --listen 0.0.0.0:8080 --data-dir /var/lib/statnive
      STATNIVE_CLICKHOUSE_URL=http://default:secret@db:8123 statnive serve
    """
    from statnive.node import Node  # the engine takes a while to import; `--help` must not

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    config = _load(data_dir, file, server={"listen": listen}, clickhouse={"url": clickhouse})
    node = Node(config, listen=True, end_process=_end_process)
    _calm_the_garbage_collector()
    _let_the_commit_thread_in()
    _raise_file_limit()
    try:
        trio.run(partial(_serve, node), strict_exception_groups=True)
    finally:
        node.close()


def _end_process(error: BaseException | None) -> None:
    """At once, whatever threads still do; with the line and the code that `main` would have ended with."""
    found = None if error is None else _first_of_ours(error)
    text = found or "a statement of ClickHouse is still under way; its block is sent again at the next start"
    click.echo(f"statnive: {text}", err=True)
    os._exit(_exit_code(found) if found else int(error is not None))


def _calm_the_garbage_collector() -> None:
    """No full collections on the event loop: over the table of visits one takes 150 ms and more (measured).

    What was built at start is never looked at again; garbage in cycles, which errors make, is found while it is young.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 1_000_000)


def _let_the_commit_thread_in() -> None:
    """A thread that waits for the interpreter's lock gets it after half a millisecond, not after five.

    A commit takes the lock some four times (before and after its write and its flush), each time from a busy event
    loop: at the default interval that made 20 ms of a commit whose flush took 2 (measured).
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def _raise_file_limit() -> None:
    """As many descriptors as the system allows: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(node: Any) -> None:
    on_terminal = os.isatty(0)  # known before anybody is told that we are ready
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            await nursery.start(node.run)
            address = node.acceptor.address
            if node.acceptor.tls_address:
                click.echo(f"TLS on https://{node.acceptor.tls_address}")
            click.echo(f"statnive is ready on http://{address} (data in {node.config.data_dir})")
            if link := node.new_setup_link():
                click.echo(f"nobody has an account yet; make the first one here, once: {link}")
            nursery.start_soon(_obey_signals, signals, node, nursery.cancel_scope, on_terminal)
            await node.stopped.wait()
            nursery.cancel_scope.cancel()


async def _obey_signals(signals: Any, node: Any, scope: trio.CancelScope, on_terminal: bool) -> None:
    """SIGHUP reads the operator's files again. Of the others the first drains, the second ends at once: what is in
    the log is replayed at the next start.
    """
    async for number in signals:
        # A terminal that was closed sends SIGHUP too, and is none from then on: that stays a reason to stop.
        if number == signal.SIGHUP and (not on_terminal or os.isatty(0)):
            node.reload_files()
            continue
        if node.stop_requested.is_set():
            click.echo("stopping at once", err=True)
            scope.cancel()
            return
        click.echo(f"{signal.Signals(number).name}: draining (once more to stop at once)", err=True)
        node.stop()


@cli.command()
@_settings
@click.option("--repair", is_flag=True, help="Put right what is wrong.")
def verify(data_dir: Path | None, file: Path | None, repair: bool) -> None:
    """Count every row: is each there once, and do the rollups hold what the raw rows hold? Exit code 1 if not.

    With --repair, surplus rows are taken out and the rollups that disagree are built anew from the raw rows. A
    running node goes on taking events meanwhile, and inserts them after it.

    \b
    Examples:
      statnive verify
      statnive verify --repair
    """
    found: dict[str, Any] = {}

    async def check(client: ControlClient) -> None:
        found.update(await client.post_json("/control/verify", {"repair": repair}))

    _control(_load(data_dir, file), check)
    for line in _verified(found):
        click.echo(line)
    if not found["is_right"]:
        sys.exit(1)


def _verified(found: dict[str, Any]) -> list[str]:
    """What a check found, a line each."""
    lines = [f"repaired: {text}" for text in found["repaired"]]
    lines += [f"left alone: {text}" for text in found["unrepaired"]]
    for doubled in found["doubled"]:
        lines.append(f"events_raw {doubled['partition']}: {doubled['rows']:,} rows too many, there twice")
    for drift in found["drift"]:
        lines.append(
            f"{drift['rollup']} {drift['partition']}: {drift['rollup_events']:,} events, "
            f"events_raw has {drift['raw_rows']:,}"
        )
    if found["gaps"]:
        lines.append(
            f"{found['gaps']:,} numbers between the first row and the last have no row: set aside "
            f"({found['set_aside']:,} in the quarantine), or lost; erased ones are not among them"
        )
    verdict = (
        "everything fits" if found["is_right"] else "WRONG; statnive verify --repair puts right what can be"
    )
    lines.append(
        f"{found['rows']:,} rows, {len(found['rollups'])} rollups ({', '.join(found['rollups'])}): {verdict}"
    )
    return lines


@cli.group("import")
def import_group() -> None:
    """Bring in what happened before statnive."""


@import_group.command("log")
@click.argument("path")
@click.option("--site", "domain", required=True, help="The site that the log belongs to.")
@_settings
def import_log(path: str, domain: str, data_dir: Path | None, file: Path | None) -> None:
    """Import an access log in the combined format (plain or gzipped, "-" for standard input).

    Times and days are the log's. Page views only: static files, errors and the like are left out, bots are kept out
    of the numbers; the summary says what and why. Importing a log twice counts it twice.

    \b
    Examples:
      statnive import log /var/log/nginx/access.log --site example.com
      zcat access.log.*.gz | statnive import log - --site example.com
    """
    config = _load(data_dir, file)
    with open_log(path, sys.stdin.buffer) as source:
        _control(config, partial(_import, source, domain))


async def _import(source: LogSource, domain: str, client: ControlClient) -> None:
    begun = await client.post_json("/control/imports", {"site": domain})
    where = f"/control/imports/{begun['id']}"
    summary = ImportSummary(source.name)
    entries: list[tuple[Any, ...]] = []

    async def send() -> None:
        if entries:
            answer = await client.post_msgpack(f"{where}/entries", entries)
            summary.answered(**answer)
            entries.clear()

    broken: BrokenInput | None = None
    with click.progressbar(
        length=source.bytes_total or 0, label=f"importing {source.name}", file=sys.stderr, show_pos=True
    ) as bar:
        done = 0
        try:
            for line, bytes_read in source:
                parsed = parse_line(line)
                summary.count(parsed)
                if isinstance(parsed, LogEntry):
                    entries.append(
                        (parsed.ip, parsed.time_s, parsed.target, parsed.referrer, parsed.user_agent)
                    )
                if len(entries) >= IMPORT_BATCH:
                    await send()
                    bar.update(bytes_read - done)
                    done = bytes_read
        except BrokenInput as error:
            broken = error  # the good lines before the fault are kept
        await send()
        if source.bytes_total and broken is None:
            bar.update(source.bytes_total - done)
    await client.post_json(f"{where}/finish", {})
    click.echo(summary.render(), nl=False)
    if broken is not None:
        raise broken


def _control(config: Config, work: Callable[[ControlClient], Any]) -> None:
    """Run `work` against the node that has the data directory, or against the directory itself."""

    async def run() -> None:
        async with control(config) as client:
            await work(client)

    trio.run(run, strict_exception_groups=True)


def _run(data_dir: Path | None, file: Path | None, work: Callable[[ControlClient], Any]) -> None:
    _control(_load(data_dir, file), work)


_SHELL = Shell(_settings, _run)
for command in (demo_command, site_group, goal_group, note_group, segment_group, token_group, user_group):
    cli.add_command(command(_SHELL))
