"""docs/receipts/chaos.md: what the last run of each scenario found, and which of the thresholds were met.

The figures are kept beside it, in chaos.json: `make chaos ONLY=I` plays one scenario anew, and its line is replaced.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from chaos.scenarios.contract import (
    CLIENT_LOSS_MAX,
    DRAIN_RATIO_MIN,
    FATAL_END_S,
    INGEST_BACK_S,
    Outcome,
)

NO_LOSS: Final = "acknowledged and lost: 0"
NO_DOUBLES: Final = "duplicated: 0"
CLIENT_LOSS: Final = (
    f"A and B: lost by clients that could send, never by the node: ≤ {100 * CLIENT_LOSS_MAX:g} %"
)
BACK: Final = f"ingest is back within {INGEST_BACK_S:g} s of the fault's end"
DRAINED: Final = f"a backlog is drained at ≥ {DRAIN_RATIO_MIN:g} × the live rate"
ENDS: Final = (
    f"only G to J end the process: non-zero, within {FATAL_END_S:g} s of a failed call, with one clear line"
)
THRESHOLDS: Final = (NO_LOSS, NO_DOUBLES, CLIENT_LOSS, BACK, DRAINED, ENDS)


def write(file: Path, outcomes: Sequence[Outcome], command: str) -> None:
    """Write the receipt, with the lines of earlier runs on this machine where there is no later one."""
    figures = file.with_suffix(".json")
    known: dict[str, Any] = json.loads(figures.read_text()) if figures.exists() else {}
    latest = {}
    if known.get("machine") == machine():
        latest = {plain["letter"]: Outcome(**plain) for plain in known["outcomes"]}
    latest |= {one.letter: one for one in outcomes}
    ordered = [latest[letter] for letter in sorted(latest)]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(receipt(ordered, command))
    kept = {"machine": machine(), "outcomes": [attrs.asdict(one) for one in ordered]}
    figures.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def receipt(outcomes: Sequence[Outcome], command: str) -> str:
    """The whole file."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.letter)
    held = ", ".join(f"{seconds:g}" for seconds in sorted({one.held_s for one in ordered}))
    lines = [
        "# The chaos matrix: a receipt",
        "",
        f"Written by `{command}`, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, on {machine()}.",
        f"Each fault was held for {held} s or until it bit; clients came all the time, on an open loop.",
        "Figures are events; the times are the worst over the scenario's faults.",
        "",
        "| scenario | verdict | sent | acknowledged | of them lost | duplicated | worst ack | ingest back after "
        "| restart | backlog drained at | run (UTC) |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        *map(_row, ordered),
        "",
        "*Lost* in J are the events of the frame that was flipped on the disk, which the node reported as lost, "
        "exactly those. *Ingest back* counts from the fault's end; where the node had to be started again, from the "
        "moment it was ready, and *restart* is how long that took. *Backlog* where one was worth the name; only E is "
        "judged by it, since elsewhere it is drained by a node that has just been started.",
        "",
        "## Thresholds",
        "",
        "| threshold | seen | verdict |",
        "|---|---|---|",
        *(
            f"| {name} | {seen} | {'met' if met else '**not met**'} |"
            for name, seen, met in thresholds(ordered)
        ),
        "",
        "## What the clients saw",
        "",
    ]
    for one in ordered:
        lines += [f"**{one.letter} {one.title}.** {one.client_saw}.", ""]
        lines += [f"- {name}: {value}" for name, value in one.facts.items()]
        lines += [f"- **red**: {reason}" for reason in one.red]
        lines += [""]
    return "\n".join(lines).rstrip() + "\n"


def thresholds(outcomes: Sequence[Outcome]) -> list[tuple[str, str, bool]]:
    """(threshold, what was seen, whether it is met) over all outcomes; not met where nothing could be seen."""
    lost = sum(one.lost - one.destroyed for one in outcomes)
    destroyed = sum(one.destroyed for one in outcomes)
    doubled = sum(one.duplicated for one in outcomes)
    losses = [one.client_loss for one in outcomes if one.client_loss is not None]
    backs = [one.recovery_s for one in outcomes if one.recovery_s is not None]
    drains = [one.drain_ratio for one in outcomes if one.makes_backlog and one.drain_ratio is not None]
    ends = sum(one.fatal_ends for one in outcomes)
    wrong_ends = [reason for one in outcomes for reason in one.red if "ended the node" in reason]
    wrong_ends += [reason for one in outcomes for reason in one.red if " end the node" in reason]
    return [
        (NO_LOSS, f"{lost}; {destroyed} more were destroyed on the disk by J, and reported", lost == 0),
        (NO_DOUBLES, f"{doubled}", doubled == 0),
        (
            CLIENT_LOSS,
            f"{100 * max(losses, default=0):.2g} %",
            bool(losses) and max(losses) <= CLIENT_LOSS_MAX,
        ),
        (BACK, f"{max(backs, default=0):.2f} s", bool(backs) and max(backs) <= INGEST_BACK_S),
        (DRAINED, f"{min(drains, default=0):.1f} ×", bool(drains) and min(drains) >= DRAIN_RATIO_MIN),
        (ENDS, f"{ends} ends, {len(wrong_ends)} of them otherwise", ends > 0 and not wrong_ends),
    ]


def _row(one: Outcome) -> str:
    back = "–" if one.recovery_s is None else f"{one.recovery_s:.2f} s"
    restart = "–" if one.restart_s is None else f"{one.restart_s:.1f} s"
    drain = "–" if one.drain_ratio is None else f"{one.drain_ratio:.0f} × live"
    return (
        f"| {one.letter} {one.title} | {'green' if one.ok else '**red**'} | {one.sent:,} | {one.acknowledged:,} "
        f"| {one.lost:,} | {one.duplicated:,} | {one.worst_ack_ms:,.0f} ms | {back} | {restart} | {drain} "
        f"| {one.ended_at} |"
    )


def machine() -> str:
    """What it ran on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cpu = names[0] if names else platform.machine()
    return f"{os.cpu_count()} cores ({cpu}), Linux {platform.release()}, Python {platform.python_version()}"
