"""What every scenario is: faults on a rig that are applied, held and taken back while clients keep coming.

    apply(fault)   break it
    hold(seconds)  leave it broken
    restore()      put it right: may be repeated, and does its work in a process that never applied anything

`play` drives one through its faults under load and gives an Outcome: what the clients' ledgers, the oracle and the
scenario itself say. Anything in `Outcome.red` is a failure of the product; what is wrong with the rig is raised.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final

import attrs

from chaos.load import Ledger
from chaos.oracle import Report
from chaos.rig.clients import Clients, Group, Sight, recovery_s, sight
from chaos.rig.rig import DRAIN_S, Ended, Kind, Rig
from chaos.rig.watch import Sample, Watch, drain_ratio, until

INGEST_BACK_S: Final = 2.0
DRAIN_RATIO_MIN: Final = 5.0
CLIENT_LOSS_MAX: Final = 0.005  # of requests whose senders could send
FATAL_END_S: Final = 5.0  # "at once", the injection's own time included
DEATH_S: Final = 60.0  # when a node that should have ended is given up
FATAL_CODE: Final = 3
STAGE_S_MAX: Final = 600.0
REST_S_MAX: Final = 60.0
BACK_ROWS: Final = 50  # so many events taken: the clients have seen that ingest is back


ALL: Final = 1_000_000


@attrs.frozen
class Windows:
    """How long everything lasts, in seconds, and how many rounds of what has rounds."""

    before_s: float = 1.5
    hold_s: float = 4.0
    after_s: float = 3.0
    kills: int = 50
    cuts: int = 30
    points: int = 6  # system calls of each kind to be killed at; ALL
    every_byte: bool = True  # of the last frame; otherwise a sample
    every_fault: bool = True  # of a scenario that has variants of one; otherwise those that differ most
    # The limits of time and loss. `judges_pace`: whether what a busy machine decides counts, too: latencies,
    # the pace of a drain, requests that a node refuses because it can't keep up.
    recovery_s_max: float = INGEST_BACK_S
    fatal_end_s_max: float = FATAL_END_S
    client_loss_max: float = CLIENT_LOSS_MAX
    drain_s_max: float = DRAIN_S
    judges_pace: bool = True


# What `make test` runs beside other tests, on whatever machine: nothing lost and nothing doubled, as ever; how fast is
# for `make chaos`.
QUICK: Final = Windows(
    before_s=0.7,
    hold_s=2.0,
    after_s=1.6,
    kills=4,
    cuts=2,
    points=0,
    every_byte=False,
    every_fault=False,
    recovery_s_max=60.0,
    fatal_end_s_max=DEATH_S,
    client_loss_max=0.5,
    drain_s_max=180.0,
    judges_pace=False,
)
SHORT: Final = Windows()


@attrs.define
class Span:
    """One fault: when it began and ended (CLOCK_MONOTONIC), and what became of the node meanwhile."""

    fault: str
    begin: float
    end: float = 0.0  # when `restore` began
    up: float = 0.0  # when everything was back: a node that had ended was ready
    ended: Ended | None = None


@attrs.define
class Play:
    """What happened: for `judge`."""

    spans: list[Span]
    ledgers: dict[str, list[Ledger]]  # by group
    samples: list[Sample]
    late_ends: list[str] = attrs.field(factory=list)
    report: Report | None = None

    def all_ledgers(self) -> list[Ledger]:
        return [ledger for ledgers in self.ledgers.values() for ledger in ledgers]

    def sample_before(self, at: float) -> Sample | None:
        """The last reading before an instant."""
        earlier = [sample for sample in self.samples if sample.at <= at]
        return earlier[-1] if earlier else None


@attrs.define
class Outcome:
    """A line of the matrix. Events, milliseconds, seconds; None where a figure makes no sense."""

    letter: str
    title: str
    sent: int = 0
    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    destroyed: int = 0  # of the lost ones: on the disk, by the fault itself
    worst_ack_ms: float = 0.0
    recovery_s: float | None = None
    restart_s: float | None = None
    drain_ratio: float | None = None
    makes_backlog: bool = False
    client_loss: float | None = None  # share of the requests whose senders could send
    fatal_ends: int = 0  # of the process, by itself
    client_saw: str = ""
    facts: dict[str, str] = attrs.field(factory=dict)
    red: list[str] = attrs.field(factory=list)
    seconds: float = 0.0
    held_s: float = 0.0  # each of the faults
    ended_at: str = ""  # the run, UTC

    @property
    def ok(self) -> bool:
        return not self.red


class Scenario(ABC):
    """See the module's contract."""

    letter: ClassVar[str]
    title: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]] = (
        "server",
    )  # the rigs that it can be played on; the first one in the matrix
    fatal: ClassVar[bool] = False  # whether its faults may, or must, end the node
    makes_backlog: ClassVar[bool] = False  # whether each of its faults must leave a backlog to drain

    def __init__(self, rig: Rig, windows: Windows) -> None:
        self.rig, self.windows = rig, windows

    def groups(self) -> dict[str, Group]:
        """Who comes meanwhile."""
        return {"visitors": Group(rate=150)}

    def target(self) -> str:
        """Where they send their events."""
        return f"{self.rig.url}/api/event"

    def faults(self) -> Sequence[str]:
        """The faults that are applied, one after the other."""
        return (self.title,)

    def prepare(self) -> None:
        """Before the clients come."""
        self.rig.start_node()

    @abstractmethod
    def apply(self, fault: str) -> None:
        """Break it."""

    def hold(self, seconds: float) -> None:
        """While it is broken."""
        time.sleep(seconds)

    @abstractmethod
    def restore(self) -> None:
        """Put it right."""

    def ends_at_once(self, fault: str) -> bool:
        """Whether a node that such a fault ends has to end at once."""
        return True

    def set_aside(self) -> list[tuple[str, int]]:
        """(run, sequence number) of events that are in quarantine, rightly."""
        return []

    def lost_rightly(self, play: Play) -> int:
        """How many acknowledged events the fault itself destroyed on the disk, and the node must have said so."""
        return 0

    def rest(self) -> None:
        """The clients go on for a while after each fault, and until the node has taken some of their events."""
        self.rest_for(self.windows.after_s)

    def rest_for(self, seconds: float) -> None:
        """At least so long."""
        before = self.rows_taken()
        time.sleep(seconds)
        until(lambda: not self.runs() or self.rows_taken() >= before + BACK_ROWS, REST_S_MAX, 0.1)

    def runs(self) -> bool:
        """Whether the node has not ended; one that has is left to `Rig.reap`."""
        return self.rig.node is not None and self.rig.node.running

    def rows_taken(self) -> float:
        """How many events the node has acknowledged since its start; 0 when it does not answer."""
        figures = self.rig.figures() if self.runs() else None
        return figures["wal_rows_total"] if figures else 0.0

    def judge(self, play: Play) -> Iterator[str]:
        """What the scenario finds wrong, beyond what `play` asks of all."""
        yield from ()

    def client_loss(self, play: Play) -> float | None:
        """The share of requests that got no acknowledgement although their senders could send; None: not asked."""
        return None

    def facts(self, play: Play) -> dict[str, str]:
        """What else is worth a line in the receipt."""
        return {}


def fatal_end(span: Span, windows: Windows, *, at_once: bool = True) -> Iterator[str]:
    """What is wrong with the end of a node that had to end: at once, non-zero and with one clear line."""
    fault, ended = span.fault, span.ended
    if ended is None:
        yield f"{fault} did not end the node"
        return
    words = ended.last_words()
    if at_once and span.end - span.begin > windows.fatal_end_s_max:
        yield f"{fault} took {span.end - span.begin:.1f} s to end the node"
    if ended.code != FATAL_CODE:
        yield f"{fault} ended the node with {ended.code}, not {FATAL_CODE}: {words[-1:]}"
    if len(words) != 1 or not words[0].startswith("statnive: "):
        yield f"{fault} ended the node with {len(words)} lines in place of one: {words[:2]}…{words[-2:]}"


def play(scenario: Scenario, run: str) -> Outcome:
    """Drive a scenario through all of its faults, with a load of its own under the id `run`. Restores at the end,
    however it ends. Raises RigError, ChildError, RuntimeError, OSError for what gives no verdict.
    """
    started = time.monotonic()
    rig, windows = scenario.rig, scenario.windows
    directory = rig.path / "ledgers" / run
    scenario.restore()
    scenario.prepare()
    clients = {
        name: Clients(group, scenario.target(), f"{run}-{name}", directory)
        for name, group in scenario.groups().items()
    }
    played = Play([], {}, [])
    entered: list[Clients] = []
    try:
        for one in clients.values():
            entered.append(one.__enter__())
        with Watch(lambda: rig.url if rig.node else "", lambda: rig.token) as watch:
            for one in clients.values():
                one.begin(STAGE_S_MAX)
            time.sleep(windows.before_s)
            for fault in scenario.faults():
                played.spans.append(break_once(scenario, fault))
                scenario.rest()
                if rig.reap() is not None:
                    words = " / ".join(rig.ended[-1].last_words()[-3:])
                    played.late_ends.append(f"the node ended when {fault!r} was over: {words}")
                    scenario.restore()
            played.ledgers = {name: one.end() for name, one in clients.items()}
            drained = rig.drain(windows.drain_s_max)
            played.samples = watch.samples
    except BaseException as error:
        for one in entered:
            one.__exit__(type(error), error, None)
        scenario.restore()
        raise
    for one in entered:
        one.__exit__(None, None, None)
    return _judge(scenario, played, directory, drained, started)


def break_once(scenario: Scenario, fault: str) -> Span:
    """Apply, hold, restore: one fault. Raises RigError and the like."""
    rig = scenario.rig
    ends = len(rig.ended)
    span = Span(fault, time.monotonic())
    scenario.apply(fault)
    scenario.hold(scenario.windows.hold_s)
    rig.reap()
    if len(rig.ended) > ends:
        span.ended = rig.ended[-1]
    span.end = time.monotonic()
    scenario.restore()
    span.up = time.monotonic()
    return span


def _judge(scenario: Scenario, played: Play, directory: Path, drained: bool, started: float) -> Outcome:
    rig = scenario.rig
    outcome = Outcome(scenario.letter, scenario.title, makes_backlog=scenario.makes_backlog)
    _tell_sight(outcome, {name: sight(ledgers) for name, ledgers in played.ledgers.items()})
    _tell_recovery(scenario, outcome, played)
    outcome.red += played.late_ends
    if not drained:
        outcome.red.append(f"the backlog was not drained in {scenario.windows.drain_s_max:.0f} s")
    if rig.kind == "embedded" and rig.node is not None:
        code = rig.stop_node().code
        if code:
            outcome.red.append(f"SIGTERM ended the node with {code}")
    report = played.report = rig.check(sorted(directory.glob("*.ledger")), set_aside=scenario.set_aside())
    outcome.lost, outcome.duplicated = report.count("lost"), report.count("duplicated")
    outcome.destroyed = rightly = scenario.lost_rightly(played)
    if outcome.lost != rightly:
        outcome.red.append(
            f"acknowledged and lost: {outcome.lost}, of which {rightly} were destroyed on the disk"
        )
    for finding in report.findings:
        if finding.name != "lost":
            outcome.red.append(f"{finding.name}: {finding.count} ({finding.meaning}); {finding.examples[0]}")
    outcome.red += scenario.judge(played)
    outcome.client_loss = scenario.client_loss(played)
    ends = [span.ended for span in played.spans if span.ended is not None]
    outcome.fatal_ends = sum(ended.code == FATAL_CODE for ended in ends)
    outcome.facts |= scenario.facts(played)
    outcome.seconds = time.monotonic() - started
    outcome.held_s = scenario.windows.hold_s
    outcome.ended_at = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return outcome


def _tell_sight(outcome: Outcome, sights: dict[str, Sight]) -> None:
    for name, seen in sights.items():
        outcome.sent += seen.sent
        outcome.acknowledged += seen.acknowledged
        outcome.worst_ack_ms = max(outcome.worst_ack_ms, seen.worst_ack_ms)
        who = f"{name}: " if len(sights) > 1 else ""
        outcome.client_saw += ("; " if outcome.client_saw else "") + who + seen.text()
    if not outcome.acknowledged:
        outcome.red.append("nothing was acknowledged: nothing was shown")


def _tell_recovery(scenario: Scenario, outcome: Outcome, played: Play) -> None:
    """The worst over all faults. A node that had to be started again has until it is ready for free: that time is
    told by itself.
    """
    live_rate = sum(group.rate * group.events_per_request for group in scenario.groups().values())
    ledgers = played.all_ledgers()
    for span, following in zip(played.spans, [*played.spans[1:], None], strict=True):
        until = following.begin if following else float("inf")
        since = span.up if span.ended else span.end
        if span.ended:
            outcome.restart_s = max(outcome.restart_s or 0.0, span.up - span.end)
            if not scenario.fatal:
                words = span.ended.last_words()
                outcome.red.append(
                    f"{span.fault} ended the node: {' / '.join(words[-3:]) or 'without a word'}"
                )
        found = recovery_s(ledgers, since, until)
        if found is None or found > scenario.windows.recovery_s_max:
            took = "not at all" if found is None else f"after {found:.1f} s"
            outcome.red.append(f"ingest came back {took} after: {span.fault}")
        if found is not None:
            outcome.recovery_s = max(outcome.recovery_s or 0.0, found)
        samples = [sample for sample in played.samples if sample.at < until]
        ratio = drain_ratio(samples, since, live_rate)
        makes_backlog = scenario.makes_backlog and scenario.windows.judges_pace
        if ratio is None and makes_backlog:
            outcome.red.append(f"there was no backlog, or no end of it, after: {span.fault}")
        if ratio is not None:
            outcome.drain_ratio = min(outcome.drain_ratio or ratio, ratio)
            if makes_backlog and ratio < DRAIN_RATIO_MIN:
                outcome.red.append(
                    f"the backlog was drained at {ratio:.1f} × the live rate after: {span.fault}"
                )
