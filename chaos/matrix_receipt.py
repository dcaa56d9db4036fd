"""docs/receipts/chaos.md: what a run of the matrix found, and which of the thresholds it met."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chaos.scenarios.contract import (
    CLIENT_LOSS_MAX,
    DRAIN_RATIO_MIN,
    FATAL_END_S,
    INGEST_BACK_S,
    Outcome,
    Windows,
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


def receipt(outcomes: Sequence[Outcome], command: str, windows: Windows) -> str:
    """The whole file."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.letter)
    lines = [
        "# The chaos matrix: a receipt",
        "",
        f"Written by `{command}`, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, on {os.cpu_count()} cores "
        f"({_cpu()}), Linux {platform.release()}, Python {platform.python_version()}.",
        f"Each fault was held for {windows.hold_s:g} s or until it bit; clients came all the time, on an open loop.",
        "Figures are events; the times are the worst over the scenario's faults.",
        "",
        "| scenario | verdict | sent | acknowledged | of them lost | duplicated | worst ack | ingest back after "
        "| restart | backlog drained at |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
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
        f"| {one.lost:,} | {one.duplicated:,} | {one.worst_ack_ms:,.0f} ms | {back} | {restart} | {drain} |"
    )


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
