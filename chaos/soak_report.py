"""What a soak leaves behind: report.md and plots."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from chaos.load import Ledger
from chaos.plots import Band, Line, plot
from chaos.rig.clients import quantile, requests
from chaos.scenarios.contract import Outcome
from chaos.soak_watch import Reading, judges_growth

WATCHED: Final = (
    ("resident_mib", "resident memory", "MiB"),
    ("descriptors", "file descriptors", "open"),
    ("threads", "threads", "of the process"),
    ("tasks", "tasks", "of trio"),
    ("parts", "parts", "directories of all tables"),
    ("segments", "segments of the log", "segments"),
    ("lag_rows", "events that wait for ClickHouse", "events"),
)


@attrs.frozen
class Episode:
    """One fault; times in hours since the start. `wrong`: "" = all as it should be."""

    letter: str
    fault: str
    begin: float
    end: float
    wrong: str


@attrs.frozen
class Track:
    """One of the two nodes."""

    outcome: Outcome
    readings: Sequence[Reading]
    episodes: Sequence[Episode]
    ledgers: Sequence[Ledger]
    began: float


def write_report(directory: Path, command: str, hours: float, tracks: Mapping[str, Track]) -> Path:
    """Write DIRECTORY/report.md and the plots that it shows."""
    red = [what for track in tracks.values() for what in track.outcome.red]
    lines = [
        f"# Soak of {hours:g} hours: {'RED' if red else 'green'}",
        "",
        f"Written by `{command}`, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, on {os.cpu_count()} "
        f"cores, Linux {platform.release()}, Python {platform.python_version()}.",
        "",
        "| node | sent | acknowledged | worst ack | faults | the clients saw |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for kind, track in tracks.items():
        one = track.outcome
        lines.append(
            f"| {kind} | {one.sent:,} | {one.acknowledged:,} | {one.worst_ack_ms:,.0f} ms "
            f"| {len(track.episodes)} | {one.client_saw} |"
        )
    lines += ["", "## What is red", ""]
    lines += [f"- {kind}: {what}" for kind, track in tracks.items() for what in track.outcome.red]
    judged = all(judges_growth(track.readings) for track in tracks.values())
    growth = "nothing grew" if judged else "growth is not judged: that takes a soak of an hour"
    lines += [] if red else [f"Nothing: no acknowledged event lost, none doubled; {growth}."]
    for kind, track in tracks.items():
        lines += ["", f"## {kind}", ""]
        lines += _plots(directory, kind, track)
        lines += ["", "| fault | times | red |", "|---|---:|---:|"]
        times = Counter((episode.letter, episode.fault) for episode in track.episodes)
        bad = Counter((episode.letter, episode.fault) for episode in track.episodes if episode.wrong)
        lines += [f"| {key[0]} {key[1]} | {times[key]} | {bad[key]} |" for key in sorted(times)]
    report = directory / "report.md"
    report.write_text("\n".join(lines) + "\n")
    return report


def _plots(directory: Path, kind: str, track: Track) -> list[str]:
    bands = [Band(one.begin, one.end, f"{one.letter} {one.fault}") for one in track.episodes]
    figures = [("acknowledged", "events acknowledged", "a second", _traffic(track))]
    figures.append(("latency", "time to the acknowledgement", "ms", _latency(track)))
    for name, title, unit in WATCHED:
        points = [
            ((reading.at - track.began) / 3_600, float(getattr(reading, name)))
            for reading in track.readings
            if getattr(reading, name) >= 0
        ]
        if points:
            figures.append((name, title, unit, [Line(title, points)]))
    shown = []
    for name, title, unit, drawn in figures:
        file = f"{kind}-{name}.svg"
        (directory / file).write_text(plot(f"{kind}: {title}", unit, drawn, bands))
        shown.append(f"![{kind}: {title}]({file})")
    return shown


def _traffic(track: Track) -> list[Line]:
    due: Counter[int] = Counter()
    acknowledged: Counter[int] = Counter()
    for request in requests(list(track.ledgers)):
        due[_bucket(request.due, track.began)] += 1
        if request.acknowledged:
            acknowledged[_bucket(request.answered, track.began)] += 1
    return [
        Line(name, [(at * _BUCKET_S / 3_600, count[at] / _BUCKET_S) for at in sorted(due)])
        for name, count in (("due", due), ("acknowledged", acknowledged))
    ]


def _latency(track: Track) -> list[Line]:
    found: dict[int, list[float]] = {}
    for request in requests(list(track.ledgers)):
        if request.acknowledged:
            took = (request.answered - request.due) * 1e3
            found.setdefault(_bucket(request.due, track.began), []).append(took)
    return [
        Line(
            name,
            [(at * _BUCKET_S / 3_600, quantile(sorted(found[at]), share)) for at in sorted(found)],
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


_BUCKET_S: Final = 10.0


def _bucket(at: float, began: float) -> int:
    return max(0, int((at - began) // _BUCKET_S))
