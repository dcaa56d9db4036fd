"""`make bench`: what the ingest path takes, one command, one run, one receipt (docs/receipts/ingest.md).

Every figure comes from this run on this machine: the open-loop generator of chaos.load beside a node with its whole
pipeline, geo and AS databases, and the embedded engine with every rollup. The machine is shared and noisy; ratios
within the run say more than single figures.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from chaos.bench.hot_path import measure, open_geo, requests
from chaos.bench.receipt import STAGE_HEADINGS, Verdicts, header, machine, stage_row, table
from chaos.bench.stage import (
    GEOIP,
    ROOT,
    Measured,
    Options,
    accounted,
    baseline,
    bench_directory,
    cpu_of,
    measured,
    node_on,
    ramped_on_one_core,
    settings_for,
)
from chaos.load.driver import Ramp, ramp, run
from chaos.load.settings import Stage
from chaos.statnive_node import read_clickhouse

RECEIPT = ROOT / "docs" / "receipts" / "ingest.md"
LAW = 16_700
RATES = (2_000, 5_000, 10_000, LAW)
COMMIT_INTERVALS_MS = (5, 10, 20, 50, 100)


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
    verdicts = Verdicts()
    parts = []
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
        parts.append(f"## {title}\n\n{part(options, verdicts)}")
        click.echo(parts[-1] + "\n")
    targets = f"## Targets\n\n{verdicts.table()}"
    click.echo(targets)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(header() + "\n\n".join([machine(), targets, *parts]) + "\n")
    click.echo(f"written to {output}", err=True)


def fixed_rates(options: Options, verdicts: Verdicts) -> str:
    """(a): acknowledged, refused, lost, duplicated, latency, CPU, memory, log bytes at each rate."""
    rows = []
    for rate in RATES:
        stage = accounted(Stage(rate, options.seconds), options)
        rows.append(stage_row(f"{rate:,}", stage))
        if f"p99 at {rate:,}" in ("p99 at 10,000", "p99 at 16,700"):
            p99 = stage.summary.latency_ms["p99"]
            verdicts.note(f"p99 at {rate:,}", f"{p99:.1f} ms", p99 <= 60)
    share = stage.summary.acknowledged / stage.summary.due
    text = f"{stage.summary.acknowledged_per_s:,.0f}/s, lost {stage.lost}, doubled {stage.duplicated}"
    verdicts.note("law", text, share > 0.999 and stage.lost == stage.duplicated == 0)
    verdicts.note("path", f"{stage.path_us:.0f} µs", stage.path_us <= 45)
    explained = (
        "Hot path: CPU of the event loop's thread and of the commits (frame, write, fdatasync); the rest is the "
        "writer's and the engine's, on other threads."
    )
    return f"{table(STAGE_HEADINGS, rows)}\n\n{explained}\n\n{budget(stage)}"


def budget(stage: Measured) -> str:
    """Who used the cores at the law's rate: where the limit is."""
    per_s = stage.summary.acknowledged_per_s / 1e6
    commits_us = stage.metrics["wal_commit_cpu_seconds_total"] / max(1, stage.summary.acknowledged) * 1e6
    rows: list[tuple[str, float]] = [
        ("the event loop's thread: one, so one core is its limit", stage.path_us - commits_us),
        ("commits: frame, write, fdatasync", commits_us),
        ("writer, engine, every rollup, merges", stage.cpu_us - stage.path_us),
        ("the generator", stage.summary.cpu_us_per_request),
    ]
    cells = [[name, f"{us:.1f}", f"{us * per_s:.2f}"] for name, us in rows]
    cells.append(["together", f"{sum(us for _, us in rows):.1f}", f"{sum(us for _, us in rows) * per_s:.2f}"])
    return (
        f"Who used the cores at {stage.summary.acknowledged_per_s:,.0f}/s:\n\n"
        + table(["", "µs a request", f"cores of {os.cpu_count()}"], cells)
        + "\n\nWhere a target is missed, these are why: what is left of two cores decides how long a burst waits. A "
        "third core for the engine or the generator would lift it, or less work a request (the "
        "steps are below), or a second loop."
    )


def ten_events(options: Options, verdicts: Verdicts) -> str:
    """(c): events in 10-event requests."""
    rows, best = [], 0.0
    for rate in (3_000, 6_000, 7_000):
        stage = accounted(Stage(rate, options.seconds / 2), options, events_per_request=10)
        events_per_s = stage.summary.events_acknowledged / stage.summary.seconds
        rows.append([*stage_row(f"{rate:,} × 10", stage), f"{events_per_s:,.0f}"])
        if stage.lost == stage.duplicated == 0:
            best = max(best, events_per_s)
    verdicts.note("ten events", f"{best:,.0f}/s", best >= 59_900)
    return table([*STAGE_HEADINGS, "events/s"], rows)


def new_connections(options: Options, verdicts: Verdicts) -> str:
    """(d): a new connection for each request."""
    rows, best = [], 0.0
    for rate in (6_000, 12_000, 14_000):
        stage = accounted(Stage(rate, options.seconds / 2), options, new_connections=True)
        rows.append(stage_row(f"{rate:,}", stage))
        best = max(best, stage.summary.acknowledged / stage.summary.seconds)
    verdicts.note("new connections", f"{best:,.0f}/s", best >= 11_980)
    return table(STAGE_HEADINGS, rows)


def breaking_point(options: Options, verdicts: Verdicts) -> str:
    """(b): the highest rate that is still answered in time, with the generator beside it."""
    seconds = max(3.0, options.seconds / 12)
    plan = Ramp(start_rate=10_000, stage_seconds=seconds, factor=1.12, p99_ms_max=250)
    with bench_directory() as directory, node_on(directory) as node:
        stages = list(ramp(settings_for(node.url, options, connections=4_096), plan, directory))
    best = max((s.acknowledged_per_s for s in stages if plan.sustained(s)), default=0.0)
    verdicts.note("moonshot", f"{best:,.0f}/s", best >= 33_400)
    rows = [
        [
            f"{s.rate:,.0f}",
            f"{s.acknowledged_per_s:,.0f}",
            f"{s.latency_ms['p99']:,.0f}",
            "yes" if plan.sustained(s) else "no",
        ]
        for s in stages
    ]
    headings = ["offered/s", "acknowledged/s", "p99 ms", "sustained (p99 ≤ 250 ms, no backlog)"]
    return table(headings, rows) + f"\n\nSustained over 4,096 connections: **{best:,.0f} requests a second**."


def overload(options: Options, verdicts: Verdicts) -> str:
    """More than twice the rate it can take, then a modest one: it sheds, goes on, and recovers."""
    stages = [Stage(2_000, 3), Stage(45_000, max(4.0, options.seconds / 6)), Stage(2_000, 3)]
    rows = []
    for connections in (4_096, 16_384):
        with bench_directory() as directory, node_on(directory) as node:
            settings = settings_for(node.url, options, connections=connections, timeout_s=5)
            for summary in run(settings, stages, None).stages:
                name = f"{summary.rate:,.0f} over {connections:,} connections"
                rows.append(stage_row(name, Measured(summary, 0.0, 0.0, node.resident_bytes(), {})))
    keep = (0, 1, 2, 3, 4, 5, 8)
    return table([STAGE_HEADINGS[i] for i in keep], [[row[i] for i in keep] for row in rows])


def commit_intervals(options: Options, verdicts: Verdicts) -> str:
    """Item 4: ack latency, flushes a second and cost by commit interval, at 300/s and at 10,000/s."""
    rows = []
    for interval_ms in COMMIT_INTERVALS_MS:
        for rate in (300, 10_000):
            settings = {"STATNIVE_WAL_COMMIT_INTERVAL_MS": str(interval_ms)}
            stage = measured(Stage(rate, max(4.0, options.seconds / 8)), options, settings=settings)
            latency = stage.summary.latency_ms
            commits = stage.metrics["wal_commits_total"] / stage.summary.seconds
            cells = [
                f"{latency['p50']:.1f}",
                f"{latency['p99']:.1f}",
                f"{commits:,.0f}",
                f"{stage.path_us:.0f}",
            ]
            rows.append([f"{interval_ms}", f"{rate:,}", *cells])
    return table(
        ["interval ms", "requests/s", "ack p50 ms", "ack p99 ms", "fdatasyncs/s", "hot path µs"], rows
    )


def baselines(options: Options, verdicts: Verdicts) -> str:
    """(e): the same client against bare servers and against the node, all on core 0, the client on core 1."""
    seconds = max(4.0, options.seconds / 10)
    found: dict[str, tuple[float, float]] = {}
    for kind, start in (("hypercorn", 500), ("httptools", 6_000)):
        with baseline(kind) as (url, process):
            pid = process.pid
            found[kind] = ramped_on_one_core(url, start, seconds, options, lambda pid=pid: cpu_of(pid))  # type: ignore[misc]
    with bench_directory() as directory, node_on(directory, cpus=(0,)) as node:

        def path_s() -> float:
            return node.loop_cpu_s() + node.metrics()["wal_commit_cpu_seconds_total"]

        found["statnive"] = ramped_on_one_core(node.url, 4_000, seconds, options, path_s)
    names = {
        "hypercorn": "bare hypercorn answering 202, no work",
        "httptools": "bare trio + httptools answering 202, a task for each connection, no work",
        "statnive": "statnive: pipeline, durable log, engine with every rollup, all on the same core",
    }
    ours, ours_us = found["statnive"]
    rows = [
        [
            names[kind],
            f"{rate:,.0f}",
            f"{us:.0f}",
            f"{ours / max(rate, 1):.1f} ×",
            f"{ours_us / max(us, 0.1):.2f} ×",
        ]
        for kind, (rate, us) in found.items()
    ]
    rate_ratio = ours / max(found["hypercorn"][0], 1)
    cpu_ratio = ours_us / max(found["httptools"][1], 0.1)
    verdicts.note("hypercorn", f"{rate_ratio:.1f} ×", rate_ratio >= 8)
    verdicts.note("httptools", f"{cpu_ratio:.2f} ×", 0 < cpu_ratio <= 2)
    return table(
        ["server on core 0", "sustained/s", "CPU µs a request", "ours : it, rate", "ours : it, CPU"], rows
    )


def memory(options: Options, verdicts: Verdicts) -> str:
    """Resident memory idle and after a long load at the law's rate, with counts held against the database."""
    slices = 5
    with bench_directory() as directory:
        with node_on(directory) as node:
            time.sleep(2)
            idle = node.resident_bytes()
            rows = [["idle", f"{idle / 1e6:,.0f}", "", ""]]
            verdicts.note("idle memory", f"{idle / 1e6:,.0f} MB", idle <= 400e6)
            acknowledged = 0
            for number in range(slices if options.soak_seconds else 0):
                stage = Stage(LAW, options.soak_seconds / slices)
                first_seq = number * stage.requests
                (summary,) = run(settings_for(node.url, options), [stage], None, first_seq=first_seq).stages
                acknowledged += summary.acknowledged
                resident = node.resident_bytes()
                name = f"after {(number + 1) * stage.seconds:,.0f} s at {LAW:,}/s"
                taken = f"{summary.acknowledged:,} of {summary.due:,}"
                rows.append([name, f"{resident / 1e6:,.0f}", taken, f"{summary.latency_ms['p99']:.0f}"])
                verdicts.note("loaded memory", f"{resident / 1e6:,.0f} MB", resident <= 1.2e9)
        ((stored,),) = read_clickhouse(directory / "data", "SELECT count() AS rows FROM statnive.events_raw")
    counts = f"\n\nAcknowledged {acknowledged:,}, in `events_raw` {stored['rows']:,}."
    return table(["when", "resident MB", "acknowledged", "ack p99 ms"], rows) + counts


def microseconds(options: Options, verdicts: Verdicts) -> str:
    """(f): each step alone, on the generator's requests."""
    rows = [[step.name, f"{step.microseconds:.2f}"] for step in measure(requests(50_000), open_geo(GEOIP))]
    return (
        table(["step", "µs"], rows)
        + "\n\nBest of three rounds over 50,000 requests, one thread, caches warm."
    )


if __name__ == "__main__":
    bench(prog_name="python -m chaos.bench.ingest")
