"""The receipt: tables, the machine, and each target with what was measured for it."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import attrs

from chaos.bench.stage import Measured

# Issue 3's targets, by the words of its table.
TARGETS = {
    "law": "single-event requests, acknowledged durably, sustained 60 s with nothing lost or doubled: ≥ 16,700/s",
    "moonshot": "the same: ≥ 33,400/s (the moonshot)",
    "p99 at 10,000": "ack p99, open loop, at 10,000/s: ≤ 60 ms",
    "p99 at 16,700": "ack p99, open loop, at 16,700/s: ≤ 60 ms",
    "ten events": "events in 10-event requests: ≥ 60,000/s",
    "path": "whole hot path, CPU a single-event request: ≤ 45 µs",
    "httptools": "the same, against bare trio + httptools (a task for each connection): ≤ 2 ×",
    "hypercorn": "against bare hypercorn on the same core: ≥ 8 ×",
    "idle memory": "resident memory of the node, idle: ≤ 400 MB",
    "loaded memory": "resident memory at 16,700/s after 10 minutes: ≤ 1.2 GB",
    "new connections": "new connection for each request: ≥ 12,000/s",
}


@attrs.define
class Verdicts:
    """What was measured for each target."""

    found: dict[str, tuple[str, bool]] = attrs.field(factory=dict)

    def note(self, target: str, measured: str, met: bool) -> None:
        """A later note for the same target replaces the earlier one."""
        assert target in TARGETS
        self.found[target] = (measured, met)

    def table(self) -> str:
        """Every target, measured or not."""
        rows = []
        for key, text in TARGETS.items():
            measured, met = self.found.get(key, ("not measured in this run", False))
            rows.append([text, measured, "met" if met else "**not met**"])
        return table(["target", "measured", ""], rows)


STAGE_HEADINGS = [
    "requests/s", "acknowledged", "refused", "no answer", "p50 ms", "p99 ms", "p99.9 ms",
    "hot path µs", "memory MB", "node µs", "rest µs", "generator", "WAL B/request", "lost", "doubled",
]  # fmt: skip


def stage_row(name: str, measured: Measured) -> list[str]:
    """One row under STAGE_HEADINGS."""
    summary = measured.summary
    latency = summary.latency_ms
    known = measured.node_cpu_s > 0
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
        f"{measured.cpu_us - measured.path_us:.0f}" if known else "",
        f"{summary.cpu_us_per_request:.0f} µs",
        f"{wal_bytes:.0f}" if wal_bytes else "",
        f"{measured.lost}" if measured.lost >= 0 else "",
        f"{measured.duplicated}" if measured.duplicated >= 0 else "",
    ]


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def header(title: str = "Ingest: what was measured", command: str = "make bench") -> str:
    """The receipt's first lines."""
    return (
        f"# {title}\n\n"
        f"Made by `{command}`; nothing in this file is typed in by hand. The generator (open loop: latency runs from "
        "the time a request was due) runs on the same machine as the node.\n\n"
    )


def machine() -> str:
    """Date, machine and versions."""
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
