"""`make bench`: what the ingest path takes, one command, one run, one receipt (docs/receipts/ingest.md).

Every figure comes from this run on this machine: the open-loop generator of chaos.load beside a node with its whole
pipeline, geo and AS databases, and the embedded engine with every rollup. The machine is shared and noisy; ratios
within the run say more than single figures.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import click

from chaos.bench.hot_path import measure, open_geo, requests
from chaos.load.driver import Ramp, ramp, run
from chaos.load.settings import Settings, Stage
from chaos.load.summary import Summary
from chaos.load.variety import site_domain
from chaos.statnive_node import StatniveNode, add_sites, read_clickhouse

ROOT = Path(__file__).parents[2]
RECEIPT = ROOT / "docs" / "receipts" / "ingest.md"
GEOIP = ROOT.parent / "shared" / "data" / "geoip"
RATES = (2_000, 5_000, 10_000, 16_700)
COMMIT_INTERVALS_MS = (5, 10, 20, 50, 100)
SITES = 50


@attrs.frozen
class Options:
    """How long each part takes."""

    seconds: float
    soak_seconds: float
    connections: int


@attrs.frozen
class Measured:
    """One stage against a node: the generator's summary and what the node used meanwhile."""

    summary: Summary
    cpu_s: dict[str, float]
    resident_bytes: int
    metrics: dict[str, float]  # differences of counters over the stage
    lost: int = -1  # -1 = not held against the oracle
    duplicated: int = -1

    @property
    def cpu_us(self) -> float:
        """CPU of the whole node for each acknowledged request, engine included."""
        return sum(self.cpu_s.values()) / max(1, self.summary.acknowledged) * 1e6

    @property
    def path_us(self) -> float:
        """CPU of the event loop's thread and of the workers that commit: the hot path."""
        path_s = self.cpu_s["event loop"] + self.cpu_s["workers"]
        return path_s / max(1, self.summary.acknowledged) * 1e6


def main() -> None:
    """Entry point of `python -m chaos.bench.ingest`."""
    bench(prog_name="python -m chaos.bench.ingest")


@click.command()
@click.option("--seconds", type=float, default=60, show_default=True, help="For each fixed rate.")
@click.option(
    "--soak-seconds", type=float, default=600, show_default=True, help="At 16,700/s, for the memory."
)
@click.option("--connections", type=int, default=1_024, show_default=True, help="Kept alive.")
@click.option("--output", type=click.Path(path_type=Path), default=RECEIPT, help="The receipt.")
def bench(seconds: float, soak_seconds: float, connections: int, output: Path) -> None:
    """Measure the ingest path and write the receipt.

    \b
    Examples:
      python -m chaos.bench.ingest                                    everything, about 25 minutes
      python -m chaos.bench.ingest --seconds 5 --soak-seconds 0       a quick look
    """
    options = Options(seconds, soak_seconds, connections)
    parts = [_machine()]
    for title, part in (
        ("A fixed rate, single-event requests", fixed_rates),
        ("Ten events a request", ten_events),
        ("A connection for each request", new_connections),
        ("The breaking point", breaking_point),
        ("At twice what it can take", overload),
        ("The commit interval", commit_intervals),
        ("Beside it, on the same core", baselines),
        ("Memory", memory),
        ("Where a microsecond goes", microseconds),
    ):
        click.echo(f"… {title}", err=True)
        parts.append(f"## {title}\n\n{part(options)}")
        click.echo(parts[-1] + "\n")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(_header() + "\n\n".join(parts) + "\n")
    click.echo(f"written to {output}", err=True)


# The parts


def fixed_rates(options: Options) -> str:
    """(a): acknowledged, refused, lost, duplicated, latency, CPU, memory, log bytes at each rate."""
    rows = []
    for rate in RATES:
        measured = _accounted(Stage(rate, options.seconds), options)
        rows.append(_stage_row(f"{rate:,}", measured))
    targets = (
        "Targets: 16,700/s sustained with nothing lost or doubled; ack p99 ≤ 60 ms at 10,000/s and at 16,700/s; hot "
        "path ≤ 45 µs of CPU a request (event loop and committer's thread; the engine's threads are beside it)."
    )
    return _table(_STAGE_HEADINGS, rows) + "\n\n" + targets


def ten_events(options: Options) -> str:
    """(c): events in 10-event requests."""
    rows = []
    for rate in (3_000, 6_000, 7_000):
        measured = _accounted(Stage(rate, options.seconds / 2), options, events_per_request=10)
        row = _stage_row(f"{rate:,} × 10", measured)
        rows.append([*row, f"{measured.summary.events_acknowledged / measured.summary.seconds:,.0f}"])
    return _table([*_STAGE_HEADINGS, "events/s"], rows) + "\n\nTarget: 60,000 events a second."


def new_connections(options: Options) -> str:
    """(d): a new connection for each request."""
    rows = []
    for rate in (6_000, 12_000, 14_000):
        measured = _accounted(Stage(rate, options.seconds / 2), options, new_connections=True)
        rows.append(_stage_row(f"{rate:,}", measured))
    return _table(_STAGE_HEADINGS, rows) + "\n\nTarget: 12,000 a second."


def breaking_point(options: Options) -> str:
    """(b): the highest rate that is still answered in time, with the generator beside it."""
    with _directory() as directory, _node(directory) as node:
        settings = _settings(node.url, options, connections=4_096)
        plan = Ramp(
            start_rate=10_000, stage_seconds=max(3.0, options.seconds / 12), factor=1.12, p99_ms_max=250
        )
        stages = list(ramp(settings, plan, directory))
    best = max(
        (stage for stage in stages if plan.sustained(stage)), key=lambda stage: stage.rate, default=None
    )
    rows = [
        [
            f"{s.rate:,.0f}",
            f"{s.acknowledged_per_s:,.0f}",
            f"{s.latency_ms['p99']:,.0f}",
            "yes" if plan.sustained(s) else "no",
        ]
        for s in stages
    ]
    found = f"{best.rate:,.0f} requests a second" if best else "below the ramp's first rate"
    return (
        _table(["offered/s", "acknowledged/s", "p99 ms", "sustained (p99 ≤ 250 ms, no backlog)"], rows)
        + f"\n\nSustained: **{found}** over 4,096 connections. Law: 16,700; moonshot: 33,400."
    )


def overload(options: Options) -> str:
    """Twice the rate it can take, then a modest one: it sheds, goes on, and recovers."""
    with _directory() as directory, _node(directory) as node:
        settings = _settings(node.url, options, connections=4_096, timeout_s=5)
        seconds = max(4.0, options.seconds / 6)
        result = run(
            settings, [Stage(2_000, 3), Stage(45_000, seconds), Stage(2_000, 3)], directory / "ledger"
        )
        rows = [
            _stage_row(f"{stage.rate:,.0f}", Measured(stage, {}, node.resident_bytes(), {}))
            for stage in result.stages
        ]
    keep = (0, 1, 2, 3, 4, 5, 8)
    return _table([_STAGE_HEADINGS[i] for i in keep], [[row[i] for i in keep] for row in rows])


def commit_intervals(options: Options) -> str:
    """Item 4: ack latency, flushes a second and throughput by commit interval, at 10,000/s and at 300/s."""
    rows = []
    for interval_ms in COMMIT_INTERVALS_MS:
        for rate in (300, 10_000):
            settings = {"STATNIVE_WAL_COMMIT_INTERVAL_MS": str(interval_ms)}
            measured = _measured(Stage(rate, max(4.0, options.seconds / 8)), options, settings=settings)
            latency = measured.summary.latency_ms
            rows.append(
                [
                    f"{interval_ms}",
                    f"{rate:,}",
                    f"{latency['p50']:.1f}",
                    f"{latency['p99']:.1f}",
                    f"{measured.metrics['wal_commits_total'] / measured.summary.seconds:,.0f}",
                    f"{measured.path_us:.0f}",
                ]
            )
    return _table(
        ["interval ms", "requests/s", "ack p50 ms", "ack p99 ms", "fdatasyncs/s", "hot path µs"], rows
    )


def baselines(options: Options) -> str:
    """(e): the same client against bare servers and against the node, all on core 0, the client on core 1."""
    seconds = max(4.0, options.seconds / 10)
    found: dict[str, tuple[float, float]] = {}
    for kind, start in (("hypercorn", 500), ("httptools", 6_000)):
        with _baseline(kind) as (url, process):
            found[kind] = _ramped_on_one_core(url, start, seconds, options, lambda p=process: _cpu_of(p.pid))
    with _directory() as directory, _node(directory, cpus=(0,)) as node:
        found["statnive"] = _ramped_on_one_core(node.url, 4_000, seconds, options, node.cpu_s)
    names = {
        "hypercorn": "bare hypercorn answering 202, no work",
        "httptools": "bare trio + httptools answering 202, a task for each connection, no work",
        "statnive": "statnive: pipeline, durable log, engine with every rollup, all on the same core",
    }
    ours, ours_us = found["statnive"]
    rows = [
        [names[kind], f"{rate:,.0f}", f"{us:.0f}", f"{ours / rate:.1f} ×", f"{ours_us / us:.2f} ×"]
        for kind, (rate, us) in found.items()
    ]
    headings = ["server on core 0", "sustained/s", "CPU µs a request", "ours : it, rate", "ours : it, CPU"]
    return _table(headings, rows) + "\n\nTargets: ≥ 8 × bare hypercorn; CPU ≤ 2 × bare trio + httptools."


def memory(options: Options) -> str:
    """Resident memory idle and after a long load at 16,700/s, with counts held against the database."""
    with _directory() as directory:
        with _node(directory) as node:
            time.sleep(2)
            rows = [["idle", f"{node.resident_bytes() / 1e6:,.0f}", "", ""]]
            acknowledged = 0
            slices = 5
            for number in range(slices if options.soak_seconds else 0):
                stage = Stage(16_700, options.soak_seconds / slices)
                result = run(_settings(node.url, options), [stage], None, first_seq=number * stage.requests)
                (summary,) = result.stages
                acknowledged += summary.acknowledged
                rows.append(
                    [
                        f"after {(number + 1) * stage.seconds:,.0f} s at 16,700/s",
                        f"{node.resident_bytes() / 1e6:,.0f}",
                        f"{summary.acknowledged:,} of {summary.due:,}",
                        f"{summary.latency_ms['p99']:.0f}",
                    ]
                )
        ((stored,),) = read_clickhouse(directory / "data", "SELECT count() AS rows FROM statnive.events_raw")
    table = _table(["when", "resident MB", "acknowledged", "ack p99 ms"], rows)
    return (
        f"{table}\n\nAcknowledged {acknowledged:,}, in `events_raw` {stored['rows']:,}. "
        "Targets: ≤ 400 MB idle, ≤ 1.2 GB after 10 minutes, flat."
    )


def microseconds(options: Options) -> str:
    """(f): each step alone, on the generator's requests."""
    steps = measure(requests(50_000), open_geo(GEOIP))
    rows = [[step.name, f"{step.microseconds:.2f}"] for step in steps]
    return (
        _table(["step", "µs"], rows)
        + "\n\nBest of three rounds over 50,000 varied requests, one thread, caches warm."
    )


# Running things


def _settings(url: str, options: Options, **changed: Any) -> Settings:
    plain: dict[str, Any] = {
        "target": f"{url}/api/event",
        "run": f"bench-{secrets.token_hex(4)}",
        "connections": options.connections,
    }
    return Settings(**{**plain, **changed})


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="statnive-bench-") as temporary:
        yield Path(temporary)


@contextmanager
def _node(
    directory: Path, settings: dict[str, str] | None = None, cpus: tuple[int, ...] = ()
) -> Iterator[StatniveNode]:
    add_sites(directory / "data", [site_domain(number) for number in range(SITES)])
    databases = {
        "STATNIVE_GEO_CITY_DATABASE": str(GEOIP / "GeoLite2-City-Test.mmdb"),
        "STATNIVE_GEO_ASN_DATABASE": str(GEOIP / "GeoLite2-ASN-Test.mmdb"),
    }
    with StatniveNode(directory / "data", settings={**databases, **(settings or {})}, cpus=cpus) as node:
        yield node


def _measured(
    stage: Stage, options: Options, settings: dict[str, str] | None = None, **changed: Any
) -> Measured:
    """One stage against a node of its own, after a short warm-up."""
    with _directory() as directory, _node(directory, settings) as node:
        return _run_stage(node, stage, _settings(node.url, options, **changed), None)


def _accounted(stage: Stage, options: Options, **changed: Any) -> Measured:
    """One stage, then every event of it held against the raw rows and every rollup."""
    with _directory() as directory:
        with _node(directory) as node:
            measured = _run_stage(node, stage, _settings(node.url, options, **changed), directory / "ledger")
        command = [sys.executable, "-m", "chaos.oracle", "--ledger", str(directory / "ledger"), "--json"]
        done = subprocess.run(
            [*command, "--data-dir", str(directory / "data"), "--others-allowed"],
            capture_output=True,
            check=False,
        )
        report = json.loads(done.stdout)
        count = {finding["name"]: finding["count"] for finding in report["findings"]}
        drift = sum(number for name, number in count.items() if name.startswith("rollup"))
        lost, duplicated = count.get("lost", 0) + drift, count.get("duplicated", 0)
    return attrs.evolve(measured, lost=lost, duplicated=duplicated)


def _run_stage(node: StatniveNode, stage: Stage, settings: Settings, ledger: Path | None) -> Measured:
    warm_up = attrs.evolve(settings, run=f"{settings.run}-warm")
    run(warm_up, [Stage(1_000, 2)], None)
    cpu, metrics = node.thread_cpu_s(), node.metrics()
    result = run(settings, [stage], ledger)
    used = {kind: seconds - cpu[kind] for kind, seconds in node.thread_cpu_s().items()}
    after = node.metrics()
    changes = {name: value - metrics.get(name, 0.0) for name, value in after.items()}
    changes["wal_bytes_now"] = after["wal_bytes"]
    return Measured(result.stages[0], used, node.resident_bytes(), changes)


def _ramped_on_one_core(
    url: str, start: float, seconds: float, options: Options, cpu_s: Any
) -> tuple[float, float]:
    """(the highest sustained rate, CPU µs a request at that stage)."""
    settings = _settings(url, options, cpus=(1,))
    plan = Ramp(start_rate=start, stage_seconds=seconds, factor=1.2, p99_ms_max=500)
    best = (0.0, 0.0)
    with tempfile.TemporaryDirectory() as directory:
        before = cpu_s()
        for summary in ramp(settings, plan, Path(directory)):
            after = cpu_s()
            if plan.sustained(summary):
                best = (summary.acknowledged_per_s, (after - before) / summary.acknowledged * 1e6)
            before = after
    return best


@contextmanager
def _baseline(kind: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["taskset", "-c", "0", sys.executable, "-m", "chaos.bench.baselines", kind, str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# The receipt


_STAGE_HEADINGS = [
    "requests/s", "acknowledged", "refused", "no answer", "p50 ms", "p99 ms", "p99.9 ms",
    "hot path µs", "memory MB", "node µs", "engine µs", "generator", "WAL B/request", "lost", "doubled",
]  # fmt: skip


def _stage_row(name: str, measured: Measured) -> list[str]:
    summary = measured.summary
    latency = summary.latency_ms
    known = bool(measured.cpu_s)
    wal_bytes = measured.metrics.get("wal_payload_bytes_total", 0) / max(1, summary.acknowledged)
    return [
        name,
        f"{summary.acknowledged:,}",
        f"{summary.refused:,}",
        f"{sum(summary.unknown.values()) + sum(summary.unsent.values()):,}",
        f"{latency['p50']:.1f}",
        f"{latency['p99']:.1f}",
        f"{latency['p999']:.1f}",
        f"{measured.path_us:.0f}" if known else "",
        f"{measured.resident_bytes / 1e6:,.0f}",
        f"{measured.cpu_us:.0f}" if known else "",
        f"{measured.cpu_s['engine'] / max(1, summary.acknowledged) * 1e6:.0f}" if known else "",
        f"{summary.cpu_us_per_request:.0f} µs",
        f"{wal_bytes:.0f}" if wal_bytes else "",
        f"{measured.lost}" if measured.lost >= 0 else "",
        f"{measured.duplicated}" if measured.duplicated >= 0 else "",
    ]


def _table(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _header() -> str:
    return (
        "# Ingest: what was measured\n\n"
        "Made by `make bench`; nothing in this file is typed in by hand. The generator (open loop: latency runs from "
        "the time a request was due) runs on the same machine as the node.\n\n"
    )


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    total_kb = int(Path("/proc/meminfo").read_text().split()[1])
    packages = (
        "trio",
        "httptools",
        "hypercorn",
        "msgspec",
        "chdb-core",
        "clickhouse-connect",
        "blake3",
        "maxminddb",
    )
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    disk = shutil.disk_usage(tempfile.gettempdir())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {os.cpu_count()} cores ({model}) · {total_kb / 1e6:.0f} GB memory · "
        f"Linux {platform.release()} · Python {platform.python_version()} · {versions} · disk {disk.total / 1e9:.0f} GB"
    )


if __name__ == "__main__":
    main()
