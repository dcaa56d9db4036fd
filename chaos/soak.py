"""The soak: days of load with a daily curve, and one fault after the other, on both kinds of node at once.

    make soak HOURS=72            three days
    make soak HOURS=0.2           twelve minutes: a smoke test of it

Two rigs run side by side, one with a ClickHouse server, one with the embedded engine, each under its own load for the
whole time. In turn each gets the next fault of a schedule that goes through all of the scenarios' faults, shuffled
anew each time. Memory, file descriptors, threads, parts, segments and lag are watched. It ends with the oracle, and
with DIRECTORY/report.md and its plots. Ctrl-C ends it early, with everything else.

Exit code 0: all green; 1: something is red; 2: no verdict.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import attrs
import click

from chaos.load import Ledger
from chaos.matrix import GROUPS, NO_VERDICT
from chaos.rig.clients import VARIETY, Clients, Group, sight
from chaos.rig.disks import MIB
from chaos.rig.home import Home
from chaos.rig.rig import Kind, Rig
from chaos.rig.shell import RigError
from chaos.scenarios import SCENARIOS
from chaos.scenarios.contract import (
    DEATH_S,
    Outcome,
    Play,
    Scenario,
    Span,
    Windows,
    break_once,
    fatal_end,
)
from chaos.scenarios.j_torn_log import TornLog
from chaos.scenarios.l_power_loss import PowerLoss
from chaos.soak_report import Episode, Track, write_report
from chaos.soak_watch import Watcher

KINDS: Final[tuple[Kind, ...]] = ("server", "embedded")
DAY_H: Final = 24.0
STAGES_A_DAY: Final = 96
STAGE_S_MIN: Final = 20.0
GAP_S: Final = 15.0  # between two faults of one rig, at least
CURVE_DEPTH: Final = 0.7  # the night has 30 % of the noon's traffic
KEEP_GREEN_S: Final = 4.0
# Smaller than the matrix's: at a soak's rate that many events are a minute's, and an outage is to fill several.
SEGMENT_BYTES: Final = 64 * 1024
DISK_BYTES: Final = 256 * MIB
# The embedded node's disk holds the engine too, which keeps parts for eight minutes after a merge: at four blocks a
# second that is more than a gigabyte of small files. The image is sparse, and only the faults are to fill it.
ENGINE_BYTES: Final = 3_072 * MIB
DISK_BYTES_EACH: Final = 150
FULL_SHARE: Final = 0.9  # of that disk: then the next faults would show nothing but a full disk


@attrs.frozen
class Plan:
    """What a soak is told."""

    hours: float
    rate: float  # events a second at noon, for each of the rigs
    hold_s: float
    seed: int

    @property
    def day_s(self) -> float:
        """A short soak has a whole day, too: a short one."""
        return min(DAY_H, self.hours) * 3_600

    @property
    def stage_s(self) -> float:
        return max(STAGE_S_MIN, self.day_s / STAGES_A_DAY)

    @property
    def disk_bytes(self) -> int:
        """Room for all the events that the embedded node's engine will hold."""
        return ENGINE_BYTES + DISK_BYTES_EACH * int(self.hours * 3_600 * self.rate)

    def rate_at(self, at_s: float) -> float:
        """The daily curve: from midnight on, its trough at four, its peak at sixteen hours."""
        phase = 2 * math.pi * (at_s / self.day_s - 4 / 24)
        return self.rate * (1 - CURVE_DEPTH * (1 + math.cos(phase)) / 2)


@attrs.define
class Side:
    """One rig, its clients and what has happened on it."""

    rig: Rig
    clients: Clients
    watcher: Watcher
    schedule: Iterator[tuple[Scenario, str]]
    ledgers: list[Ledger] = attrs.field(factory=list)
    episodes: list[Episode] = attrs.field(factory=list)
    destroyed: set[tuple[str, int]] = attrs.field(factory=set)  # by J
    stage_end: float = 0.0
    red: list[str] = attrs.field(factory=list)


def schedule(rig: Rig, windows: Windows, seed: int) -> Iterator[tuple[Scenario, str]]:
    """Every fault of every scenario that the rig can have, in an order of its own, for ever."""
    shuffle = random.Random(f"{seed}-{rig.kind}")
    while True:
        scenarios = [scenario(rig, windows) for scenario in SCENARIOS.values() if rig.kind in scenario.kinds]
        pairs = [(scenario, fault) for scenario in scenarios for fault in scenario.faults()]
        shuffle.shuffle(pairs)
        yield from pairs


def soak(plan: Plan, home: Home, directory: Path) -> tuple[dict[str, Side], float]:
    """Run it; the sides with all that was found, and when it began (CLOCK_MONOTONIC)."""
    windows = Windows(
        hold_s=plan.hold_s,
        kills=1,
        cuts=1,
        points=0,
        every_byte=False,
        fatal_end_s_max=DEATH_S,
        judges_pace=False,
    )
    with ExitStack() as stack:
        sides: dict[str, Side] = {}
        for kind in KINDS:
            is_server = kind == "server"
            rig = Rig(
                home,
                kind,
                settings={"STATNIVE_WAL_SEGMENT_BYTES": str(SEGMENT_BYTES)},
                disk_bytes=DISK_BYTES if is_server else plan.disk_bytes,
                groups=GROUPS if is_server else (),
            )
            stack.enter_context(rig)
            namespace = rig.network.groups["visitors"] if rig.network else None
            group = Group(plan.rate, namespace=namespace, timeout_s=5, variety=VARIETY)
            target = f"{rig.url if rig.network else rig.proxied_url}/api/event"
            clients = Clients(group, target, f"soak-{kind}", directory / kind / "ledgers")
            stack.enter_context(clients)
            watcher = stack.enter_context(Watcher(rig))
            sides[kind] = Side(rig, clients, watcher, schedule(rig, windows, plan.seed))
        began = time.monotonic()
        try:
            _run(plan, list(sides.values()), began)
        except KeyboardInterrupt:
            print("ending early", file=sys.stderr)
        for side in sides.values():
            _end_stage(side)
            _finish(side)
    return sides, began


def _run(plan: Plan, sides: list[Side], began: float) -> None:
    end = began + plan.hours * 3_600
    turn = 0
    while time.monotonic() < end:
        for side in sides:
            if time.monotonic() >= side.stage_end:
                _end_stage(side)
                _begin_stage(plan, side, began, end)
        side = sides[turn % len(sides)]
        turn += 1
        _episode(side, began)
        pause = min(GAP_S / len(sides), max(0.0, end - time.monotonic()))
        time.sleep(pause)


def _begin_stage(plan: Plan, side: Side, began: float, end: float) -> None:
    """The next stretch of the daily curve. It may overrun: an episode is never cut short."""
    now = time.monotonic()
    rate = max(1.0, plan.rate_at(now - began))
    side.clients.begin(plan.stage_s + 600, rate)
    side.stage_end = min(end, now + plan.stage_s)


def _end_stage(side: Side) -> list[Ledger]:
    """The clients stop; what they know of this stretch."""
    if not side.stage_end:
        return []
    ledgers = side.clients.end()
    side.ledgers += ledgers
    side.stage_end = 0.0
    side.red += unfed(ledgers)
    return ledgers


def unfed(ledgers: list[Ledger]) -> Iterator[str]:
    """A stretch without traffic shows nothing, whatever was broken in it: it is no green one."""
    if not sight(ledgers).acknowledged:
        asked = sum(ledger.header.rate for ledger in ledgers)
        yield f"nothing was acknowledged in a stretch of {asked:.0f} requests a second: its faults showed nothing"


def _episode(side: Side, began: float) -> None:
    """One fault, and whether the node does afterwards what it should."""
    scenario, fault = next(side.schedule)
    rig = side.rig
    try:
        scenario.prepare()
        span = break_once(scenario, fault)
        rig.heal()
    except RigError as error:  # there was nothing to break just then: the next one
        print(f"{rig.kind}: {scenario.letter} {fault} was left out: {error}", flush=True)
        scenario.restore()
        rig.heal()
        return
    time.sleep(KEEP_GREEN_S)
    wrong = list(_wrong(side, scenario, span))
    side.red += [f"{scenario.letter} {fault}: {what}" for what in wrong]
    hours = [(at - began) / 3_600 for at in (span.begin, span.up)]
    side.episodes.append(Episode(scenario.letter, fault, hours[0], hours[1], "; ".join(wrong)))
    code = f", ended with {span.ended.code}" if span.ended else ""
    verdict = "RED " + "; ".join(wrong) if wrong else "ok"
    print(f"{hours[0]:7.3f} h  {rig.kind:9} {scenario.letter} {fault}{code}: {verdict}", flush=True)
    if isinstance(scenario, TornLog):
        side.destroyed |= set(scenario.destroyed)
    if isinstance(scenario, PowerLoss):  # its image is large, and is looked at before the next fault
        _end_stage(side)
        # With the ledgers of all stretches so far: the image has their events, too, under the same run id.
        side.red += scenario.judge(Play([], {"visitors": list(side.ledgers)}, []))


def _wrong(side: Side, scenario: Scenario, span: Span) -> Iterator[str]:
    if span.ended is not None and not scenario.fatal:
        yield f"the node ended: {' / '.join(span.ended.last_words()[-3:])}"
    if span.ended is not None and span.ended.code > 0 and scenario.fatal:
        yield from fatal_end(span, scenario.windows, at_once=scenario.ends_at_once(span.fault))
    if side.rig.reap() is not None:
        yield f"the node ended when all was well again: {side.rig.ended[-1].last_words()[-1:]}"
        side.rig.start_node()
    disk = side.rig.disk
    if disk.free_bytes < (1 - FULL_SHARE) * disk.size_bytes:
        yield f"the rig's disk of {disk.size_bytes // MIB} MiB is full when all is well: it must be larger"
    figures = side.rig.figures()
    if figures is None:
        yield "the node does not answer when all is well again"
    elif figures.figures.get("rollup_drift_rows"):
        yield f"rollups and raw rows differ by {figures['rollup_drift_rows']:.0f} rows"


def _finish(side: Side) -> None:
    """Everything whole, everything in ClickHouse, and the oracle."""
    rig = side.rig
    rig.heal()
    if not rig.drain(600):
        side.red.append("the backlog was not drained")
    side.watcher.stop()
    if rig.kind == "embedded":
        code = rig.stop_node().code
        if code:
            side.red.append(f"SIGTERM ended the node with {code}")
    report = rig.check(sorted(side.clients.directory.glob("*.ledger")))
    acknowledged = {
        (ledger.header.settings.run, ledger.first_seq + number)
        for ledger in side.ledgers
        for number, status in enumerate(ledger.status)
        if status == 202
    }
    rightly = len(acknowledged & side.destroyed)
    if report.count("lost") != rightly:
        side.red.append(f"acknowledged and lost: {report.count('lost')}, {rightly} of them destroyed by J")
    side.red += [
        f"{found.name}: {found.count} ({found.meaning}); {found.examples[0]}"
        for found in report.findings
        if found.name != "lost"
    ]
    side.red += side.watcher.grown()
    print(report.text(), flush=True)


def outcome_of(side: Side) -> Outcome:
    """The figures of a side, as a line of the matrix has them."""
    seen = sight(side.ledgers)
    return Outcome(
        letter=side.rig.kind,
        title="soak",
        sent=seen.sent,
        acknowledged=seen.acknowledged,
        worst_ack_ms=seen.worst_ack_ms,
        client_saw=seen.text(),
        red=side.red,
    )


@click.command(context_settings={"show_default": True})
@click.option("--hours", type=float, default=72.0, help="How long.")
@click.option("--rate", type=float, default=60.0, help="Events a second at noon, for each of the two nodes.")
@click.option("--hold", "hold_s", type=float, default=6.0, help="Seconds that each fault is held.")
@click.option("--seed", type=int, default=1, help="Of the schedule.")
@click.option(
    "--directory", type=click.Path(path_type=Path), default=Path("soak-report"), help="For the report."
)
def main(hours: float, rate: float, hold_s: float, seed: int, directory: Path) -> None:
    """Load with a daily curve, every fault in turn, for hours; then the oracle and a report."""
    plan = Plan(hours, rate, hold_s, seed)
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("*/ledgers/*.ledger"):
        stale.unlink()
    try:
        with Home() as home:
            sides, began = soak(plan, home, directory)
    except NO_VERDICT as error:
        print(f"chaos.soak: no verdict: {error}", file=sys.stderr)
        sys.exit(2)
    tracks = {
        kind: Track(outcome_of(side), side.watcher.readings, side.episodes, side.ledgers, began)
        for kind, side in sides.items()
    }
    command = " ".join(["python -m chaos.soak", *sys.argv[1:]])
    report = write_report(directory, command, plan.hours, tracks)
    (directory / "plan.json").write_text(json.dumps(attrs.asdict(plan), indent=1) + "\n")
    red = [f"{kind}: {what}" for kind, side in sides.items() for what in side.red]
    print("\n".join(f"RED {what}" for what in red) or "all green")
    print(f"report: {report}")
    sys.exit(bool(red))


if __name__ == "__main__":
    main(prog_name="python -m chaos.soak")
