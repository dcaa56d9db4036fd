"""Visitors: a load of its own for each scenario, and what they saw of a node, by their own ledgers."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from pathlib import Path
from typing import Final, Self

import attrs

from chaos.load import Flag, Ledger, Load, Settings, Stage, Variety
from chaos.rig.network import Namespace

LATE_S: Final = 1.0  # an answer later than this is no sign of health
VARIETY: Final = Variety(addresses=4_000, user_agents=100, urls=240, sites=24)


@attrs.frozen
class Group:
    """What one group of visitors does. Without a namespace they are on this machine, kept-alive connections."""

    rate: float  # requests a second
    namespace: Namespace | None = None
    connections: int = 64
    new_connections: bool = False
    events_per_request: int = 1
    timeout_s: float = 10.0
    variety: Variety = VARIETY


class Clients:
    """One group's load. `with Clients(...) as clients: clients.begin(); …; clients.end()`."""

    def __init__(self, group: Group, target: str, run: str, directory: Path) -> None:
        self.group, self.run, self.directory = group, run, directory
        directory.mkdir(parents=True, exist_ok=True)
        settings = Settings(
            target=target,
            run=run,
            connections=group.connections,
            new_connections=group.new_connections,
            events_per_request=group.events_per_request,
            timeout_s=group.timeout_s,
            variety=group.variety,
        )
        with self._place():
            self._load = Load(settings, directory)

    def __enter__(self) -> Self:
        with self._place():
            self._load.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._load.__exit__(kind, error, None)

    def begin(self, seconds_max: float, rate: float = 0.0) -> None:
        """Let them come, `rate` (or the group's) requests a second, until `end`."""
        self._load.begin(Stage(rate or self.group.rate, seconds_max))

    def end(self) -> list[Ledger]:
        """No more of them; what is under way is waited for. The ledgers of this stage."""
        self._load.stop()
        return self.finish()

    def finish(self) -> list[Ledger]:
        """Wait until the stage is over by itself."""
        before = len(self._load.ledgers)
        self._load.finish()
        return [Ledger.read(path) for path in self._load.ledgers[before:]]

    def _place(self) -> AbstractContextManager[None]:
        return self.group.namespace.inside() if self.group.namespace else nullcontext()


@attrs.frozen
class Request:
    """One line of a ledger, as far as it matters here."""

    due: float
    sent: float
    answered: float
    status: int
    flags: int

    @property
    def acknowledged(self) -> bool:
        return self.status == HTTPStatus.ACCEPTED


def requests(ledgers: list[Ledger]) -> list[Request]:
    """All requests of some ledgers, in the order in which they were due."""
    found = [
        Request(*line)
        for ledger in ledgers
        for line in zip(ledger.due, ledger.sent, ledger.answered, ledger.status, ledger.flags, strict=True)
    ]
    return sorted(found, key=lambda request: request.due)


@attrs.frozen
class Sight:
    """What a group saw, in events; times in milliseconds."""

    sent: int
    acknowledged: int
    worst_ack_ms: float
    answers: dict[str, int]  # requests by what became of them

    def text(self) -> str:
        return ", ".join(f"{what} ×{count:,}" for what, count in self.answers.items()) or "nothing"


def sight(ledgers: list[Ledger]) -> Sight:
    """All that the clients know."""
    answers: Counter[str] = Counter()
    sent = acknowledged = 0
    worst = 0.0
    for ledger in ledgers:
        per = ledger.header.settings.events_per_request
        for request in requests([ledger]):
            sent += per * bool(request.sent)
            acknowledged += per * request.acknowledged
            if request.acknowledged:
                worst = max(worst, request.answered - request.due)
            answers[_what(request)] += 1
    return Sight(sent, acknowledged, worst * 1e3, dict(answers.most_common()))


def _what(request: Request) -> str:
    if request.status:
        return str(request.status)
    if not request.sent:
        return "not sent"
    for flag, what in ((Flag.TIMEOUT, "no answer"), (Flag.RESET, "reset"), (Flag.GARBLED, "cut answer")):
        if request.flags & flag:
            return what
    return "no answer"


def recovery_s(ledgers: list[Ledger], end: float, until: float = math.inf) -> float | None:
    """How long after the fault's end (CLOCK_MONOTONIC) the first acknowledgement came, or the last request fell due
    that got none within LATE_S, whichever is later. None: no acknowledgement came. `until`: the next fault.
    """
    everything = requests(ledgers)
    back = [r.answered for r in everything if r.acknowledged and end <= r.answered < until]
    if not back:
        return None
    # What fell due right before the next fault may be that one's.
    own = [r for r in everything if end <= r.due < until - LATE_S]
    bad = [r.due for r in own if not (r.acknowledged and r.answered - r.due <= LATE_S)]
    return max([min(back), *bad]) - end


def latencies_ms(ledgers: list[Ledger], start: float, end: float) -> list[float]:
    """Of requests due in a stretch of time, sorted; those never acknowledged count until they were given up."""
    return sorted((r.answered - r.due) * 1e3 for r in requests(ledgers) if start <= r.due < end)


def quantile(values: list[float], share: float) -> float:
    """Of sorted values; 0 for none."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0
