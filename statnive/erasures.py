"""What was erased and what is being erased: the words that the log, ClickHouse, the reports and the web share.

Days are local dates of a site in days since the epoch, months are partitions (yyyymm). Nothing here reads or writes.

Invariants: I1 a Ledger never changes: each step makes another one, which is durable before it is acted upon
            (statnive/wal/erasure_file.py); I2 whatever is erased from a rollup is erased from events_raw too, so that
            events_raw holds what a rollup holds but for `kept`, which says by how much a month differs; I3 no row of
            a day before `events_from` is inserted any more: else nobody could tell from events_raw what the
            rollups must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Final, Protocol

import attrs

DAY_LAST: Final = 65_535  # of ClickHouse's Date
REQUEST: Final = "request"
RETENTION: Final = "retention"
_EPOCH: Final = date(1970, 1, 1)


@attrs.frozen
class Span:
    """Days `first` to `last` of a site, both included."""

    site_id: int
    first: int
    last: int

    def __attrs_post_init__(self) -> None:
        assert 0 <= self.first <= self.last <= DAY_LAST, self


@attrs.frozen
class LogRows:
    """How many rows of a log are not to be found in events_raw any more, and between which LSNs they were."""

    log_id: int
    first_lsn: int
    last_lsn: int
    rows: int


@attrs.frozen
class Erasure:
    """One wish: the rows of `events` go from events_raw, those of `rollups` from every rollup (keeps I2)."""

    id: int
    kind: str  # REQUEST or RETENTION
    events: tuple[Span, ...]
    rollups: tuple[Span, ...]
    asked_at: int  # seconds of the epoch
    log_id: int = 0
    lsn: int = 0  # when it began every row of the log up to here was in ClickHouse; 0 = it has not begun
    months: tuple[int, ...] = ()  # still to do, once it has begun
    months_all: int = 0
    through: dict[int, int] = attrs.field(
        factory=dict
    )  # month that is done -> the last LSN then in ClickHouse
    rows: int = 0  # that went from events_raw
    counted: int = 0  # events that went from each rollup
    done_at: int = 0

    @property
    def has_begun(self) -> bool:
        return self.log_id != 0

    def covers(self, site_id: int, day: int) -> bool:
        """Whether an event of that day is one of those that go."""
        return any(span.site_id == site_id and span.first <= day <= span.last for span in self.events)


@attrs.frozen
class Swap:
    """Partitions of one month, made ready beside the tables, which take their place whatever happens (the commit of an
    erasure's month, or of the repair of a rollup that holds more than events_raw can tell).
    """

    month: int
    tables: dict[str, str]  # table -> the one that holds its partition as it will be
    erasure_id: int = 0  # 0 = a repair
    lsn: int = 0
    rows: int = 0
    counted: int = 0
    keeps: dict[str, int] = attrs.field(
        factory=dict
    )  # rollup -> how many events more than events_raw it then holds
    logs: tuple[LogRows, ...] = ()


@attrs.frozen
class Removed:
    """What is not there any more of a site; for its reports."""

    events_from: int = 0  # events of earlier days are gone
    counted_from: int = 0  # and what was counted of them, before this day
    spans: tuple[tuple[int, int], ...] = ()  # first and last day of what was erased on request

    @property
    def any(self) -> bool:
        return bool(self.events_from or self.spans)


@attrs.frozen
class Ledger:
    """Everything that was erased, is being erased, and has to be. The empty one is that of a new node."""

    last_id: int = 0
    open: tuple[Erasure, ...] = ()
    done: tuple[Erasure, ...] = ()  # on request; what retention did is in the two floors
    events_from: dict[int, int] = attrs.field(factory=dict)  # site -> the first day whose events are kept
    counted_from: dict[int, int] = attrs.field(factory=dict)  # site -> the first day whose rollups are kept
    # month -> rollup -> events that it holds and events_raw does not
    kept: dict[int, dict[str, int]] = attrs.field(factory=dict)
    logs: tuple[LogRows, ...] = ()  # one of each log
    swap: Swap | None = None

    def ask(self, kind: str, events: Iterable[Span], rollups: Iterable[Span], asked_at: int) -> Ledger:
        """With one more erasure, the last of `open`."""
        new = Erasure(self.last_id + 1, kind, tuple(events), tuple(rollups), asked_at)
        return attrs.evolve(self, last_id=new.id, open=(*self.open, new))

    def floors_asked(self) -> tuple[dict[int, int], dict[int, int]]:
        """The floors of events and of counts, those of retention that has not begun yet among them."""
        events, counted = dict(self.events_from), dict(self.counted_from)
        for one in self.open:
            if one.kind == RETENTION:
                events, counted = _raised(events, one.events), _raised(counted, one.rollups)
        return events, counted

    def find(self, erasure_id: int) -> Erasure | None:
        """The erasure of that id, open or done on request."""
        return next((one for one in (*self.open, *self.done) if one.id == erasure_id), None)

    def begin(self, erasure_id: int, log_id: int, lsn: int, months: Iterable[int]) -> Ledger:
        """The erasure has begun: these months hold rows of it. One of retention raises the floors (keeps I3)."""
        left = tuple(months)
        begun = attrs.evolve(
            self._open(erasure_id), log_id=log_id, lsn=lsn, months=left, months_all=len(left)
        )
        ledger = self._with(begun)
        if begun.kind != RETENTION:
            return ledger
        return attrs.evolve(
            ledger,
            events_from=_raised(self.events_from, begun.events),
            counted_from=_raised(self.counted_from, begun.rollups),
        )

    def kept_in(self, rollup: str, month: int) -> int:
        """Events of a month that a rollup holds and events_raw does not."""
        return self.kept.get(month, {}).get(rollup, 0)

    def commit(self, swap: Swap) -> Ledger:
        """From now on the swap is carried out, also after a crash."""
        assert self.swap is None, self.swap
        return attrs.evolve(self, swap=swap)

    def settle(self) -> Ledger:
        """The swap is carried out."""
        swap = self.swap
        assert swap is not None
        settled = attrs.evolve(self, kept=_kept(self.kept, swap), swap=None)
        if not swap.erasure_id:
            return settled
        one = self._open(swap.erasure_id)
        one = attrs.evolve(
            one,
            months=tuple(month for month in one.months if month != swap.month),
            through={**one.through, swap.month: swap.lsn},
            rows=one.rows + swap.rows,
            counted=one.counted + swap.counted,
        )
        return attrs.evolve(settled._with(one), logs=_merged(self.logs, swap.logs))

    def finish(self, erasure_id: int, done_at: int) -> Ledger:
        """The erasure is done. One on request is remembered."""
        one = attrs.evolve(self._open(erasure_id), done_at=done_at)
        done = (*self.done, one) if one.kind == REQUEST else self.done
        return attrs.evolve(self, open=tuple(other for other in self.open if other.id != one.id), done=done)

    def leave_out(self, rows: LogRows) -> Ledger:
        """Rows of the log that were not inserted, because their day is gone; those of a block that is sent again count
        already.
        """
        known = next((one for one in self.logs if one.log_id == rows.log_id), None)
        if known is not None and rows.first_lsn <= known.last_lsn:
            return self
        return attrs.evolve(self, logs=_merged(self.logs, (rows,)))

    def strike(self, rows: LogRows) -> Ledger:
        """Rows of the log that were set aside, and are no more."""
        return attrs.evolve(self, logs=_merged(self.logs, (rows,)))

    @property
    def has_erased(self) -> bool:
        """Whether there is anything that may not come back."""
        return bool(self.events_from or self.done or self.open)

    def may_leave_out(self, log_id: int, first_lsn: int, first_day: int) -> bool:
        """Whether rows of a block may have to stay out: a quick look at its first LSN and its oldest day."""
        if any(first_day < floor for floor in self.events_from.values()):
            return True
        return any(
            first_lsn <= lsn for one in self._requests(log_id) for lsn in (one.lsn, *one.through.values())
        )

    def leaves_out(self, site_id: int, day: int, month: int, log_id: int, lsn: int) -> bool:
        """Whether a row of the log may not be inserted (any more)."""
        if day < self.events_from.get(site_id, 0):
            return True
        return any(
            lsn <= one.through.get(month, one.lsn) and one.covers(site_id, day)
            for one in self._requests(log_id)
        )

    def removed(self, site_id: int) -> Removed:
        """What is gone of a site."""
        spans = [
            (span.first, min(span.last, max(span.first, one.asked_at // 86_400)))
            for one in (*self.done, *self.open)
            if one.kind == REQUEST and one.has_begun
            for span in one.events
            if span.site_id == site_id
        ]
        return Removed(
            self.events_from.get(site_id, 0), self.counted_from.get(site_id, 0), tuple(sorted(set(spans)))
        )

    def _requests(self, log_id: int) -> list[Erasure]:
        return [
            one
            for one in (*self.done, *self.open)
            if one.kind == REQUEST and one.log_id == log_id and one.has_begun
        ]

    def _open(self, erasure_id: int) -> Erasure:
        return next(one for one in self.open if one.id == erasure_id)

    def _with(self, changed: Erasure) -> Ledger:
        return attrs.evolve(self, open=tuple(changed if one.id == changed.id else one for one in self.open))


EMPTY: Final = Ledger()


class Book(Protocol):
    """Where the Ledger is kept; `change` returns once the changed one is durable."""

    @property
    def ledger(self) -> Ledger: ...
    def change(self, make: Callable[[Ledger], Ledger]) -> Ledger: ...


class Nothing:
    """The Book of a node that erases nothing; in memory only."""

    def __init__(self, ledger: Ledger = EMPTY) -> None:
        self.ledger = ledger

    def change(self, make: Callable[[Ledger], Ledger]) -> Ledger:
        self.ledger = make(self.ledger)
        return self.ledger


def day_text(day: int) -> str:
    """2026-11-01."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def day_number(day: date) -> int:
    """Days since the epoch."""
    return (day - _EPOCH).days


def months_between(spans: Iterable[Span], month: int) -> list[Span]:
    """The parts of the spans that lie in a month (yyyymm)."""
    first = date(month // 100, month % 100, 1)
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    low, high = day_number(first), day_number(after) - 1
    return [
        Span(span.site_id, max(span.first, low), min(span.last, high))
        for span in spans
        if span.first <= high and span.last >= low
    ]


def _kept(kept: Mapping[int, Mapping[str, int]], swap: Swap) -> dict[int, dict[str, int]]:
    month = dict(kept.get(swap.month, {}))
    for rollup, more in swap.keeps.items():
        month[rollup] = month.get(rollup, 0) + more
    found = {number: dict(of) for number, of in kept.items()}
    found[swap.month] = {rollup: events for rollup, events in month.items() if events}
    return {number: of for number, of in found.items() if of}


def _raised(floors: Mapping[int, int], spans: Iterable[Span]) -> dict[int, int]:
    raised = dict(floors)
    for span in spans:
        raised[span.site_id] = max(raised.get(span.site_id, 0), span.last + 1)
    return raised


def _merged(logs: tuple[LogRows, ...], more: Iterable[LogRows]) -> tuple[LogRows, ...]:
    found = {one.log_id: one for one in logs}
    for one in more:
        known = found.get(one.log_id)
        found[one.log_id] = one if known is None else LogRows(
            one.log_id,
            min(known.first_lsn, one.first_lsn),
            max(known.last_lsn, one.last_lsn),
            known.rows + one.rows,
        )  # fmt: skip
    return tuple(found.values())
