"""A stage of load against a node: run it, measure the node meanwhile, account for every event afterwards."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from chaos.load.driver import Ramp, ramp, run
from chaos.load.settings import Settings, Stage
from chaos.load.summary import Summary
from chaos.load.variety import site_domain
from chaos.statnive_node import StatniveNode, add_sites

ROOT = Path(__file__).parents[2]
GEOIP = ROOT.parent / "shared" / "data" / "geoip"
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
    node_cpu_s: float
    loop_cpu_s: float
    resident_bytes: int
    metrics: dict[str, float]  # differences of counters over the stage
    lost: int = -1  # -1 = not held against the oracle
    duplicated: int = -1

    @property
    def cpu_us(self) -> float:
        """CPU of the whole node for each acknowledged request, engine included."""
        return self.node_cpu_s / max(1, self.summary.acknowledged) * 1e6

    @property
    def path_us(self) -> float:
        """CPU of the event loop's thread and of the commits: the hot path."""
        path_s = self.loop_cpu_s + self.metrics.get("wal_commit_cpu_seconds_total", 0.0)
        return path_s / max(1, self.summary.acknowledged) * 1e6


def settings_for(url: str, options: Options, **changed: Any) -> Settings:
    """A load of the default variety, under a run id of its own."""
    plain: dict[str, Any] = {
        "target": f"{url}/api/event",
        "run": f"bench-{secrets.token_hex(4)}",
        "connections": options.connections,
    }
    return Settings(**{**plain, **changed})


@contextmanager
def bench_directory() -> Iterator[Path]:
    """A directory for one node and its ledgers, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="statnive-bench-") as temporary:
        yield Path(temporary)


@contextmanager
def node_on(
    directory: Path, settings: dict[str, str] | None = None, cpus: tuple[int, ...] = ()
) -> Iterator[StatniveNode]:
    """A node with the load's sites and the geo test databases."""
    add_sites(directory / "data", [site_domain(number) for number in range(SITES)])
    databases = {
        "STATNIVE_GEO_CITY_DATABASE": str(GEOIP / "GeoLite2-City-Test.mmdb"),
        "STATNIVE_GEO_ASN_DATABASE": str(GEOIP / "GeoLite2-ASN-Test.mmdb"),
    }
    with StatniveNode(directory / "data", settings={**databases, **(settings or {})}, cpus=cpus) as node:
        yield node


def measured(
    stage: Stage, options: Options, settings: dict[str, str] | None = None, **changed: Any
) -> Measured:
    """One stage against a node of its own, after a short warm-up."""
    with bench_directory() as directory, node_on(directory, settings) as node:
        return run_stage(node, stage, settings_for(node.url, options, **changed), None)


def accounted(stage: Stage, options: Options, **changed: Any) -> Measured:
    """One stage, then every event of it held against the raw rows and every rollup."""
    with bench_directory() as directory:
        with node_on(directory) as node:
            measured = run_stage(
                node, stage, settings_for(node.url, options, **changed), directory / "ledger"
            )
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


def run_stage(node: StatniveNode, stage: Stage, settings: Settings, ledger: Path | None) -> Measured:
    """One stage after a short warm-up; the node's CPU and counters over it."""
    warm_up = attrs.evolve(settings, run=f"{settings.run}-warm")
    run(warm_up, [Stage(1_000, 2)], None)
    cpu_s, loop_s, metrics = node.cpu_s(), node.loop_cpu_s(), node.metrics()
    result = run(settings, [stage], ledger)
    cpu_s, loop_s, after = node.cpu_s() - cpu_s, node.loop_cpu_s() - loop_s, node.metrics()
    changes = {name: value - metrics.get(name, 0.0) for name, value in after.items()}
    changes["wal_bytes_now"] = after["wal_bytes"]
    return Measured(result.stages[0], cpu_s, loop_s, node.resident_bytes(), changes)


def ramped_on_one_core(
    url: str, start: float, seconds: float, options: Options, cpu_s: Callable[[], float]
) -> tuple[float, float]:
    """(the highest sustained rate, CPU µs a request at that stage)."""
    settings = settings_for(url, options, cpus=(1,))
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
def baseline(kind: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A bare server of chaos.bench.baselines on core 0: its URL and process."""
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


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
