"""Figures of a stage, out of its ledgers, with warnings wherever a figure would say more than it knows."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import attrs

from chaos.load.ledger import Flag, Ledger

LAG_P99_MS_MAX: Final = 10.0
CPU_SHARE_MAX: Final = 0.9
QUANTILES: Final = (("p50", 0.50), ("p99", 0.99), ("p999", 0.999), ("max", 1.0))


@attrs.frozen
class Process:
    """What the stage cost one process of the generator."""

    cpu_s: float
    wall_s: float
    surplus_answers: int

    @property
    def cpu_share(self) -> float:
        return self.cpu_s / self.wall_s if self.wall_s else 0.0


@attrs.frozen
class Summary:
    """One stage over all processes. Counts are requests unless they say events; times are milliseconds.

    `latency_ms` runs from the due time to the acknowledgement, over all requests but the refused ones: those
    without an answer, and those never sent, count with the time until they were given up, so their true
    latency is longer (`latency_at_least` names the quantiles concerned).
    """

    rate: float
    seconds: float
    events_per_request: int
    due: int
    sent: int
    by_status: dict[int, int]
    unknown: dict[str, int]  # sent, no answer: by reason
    unsent: dict[str, int]  # by reason
    events_acknowledged: int
    events_dropped: int
    acknowledged_per_s: float
    acknowledged_late_half: int  # that came within the second half of the stage's time
    latency_ms: dict[str, float]
    latency_at_least: tuple[str, ...]
    lag_ms: dict[str, float]  # the generator's own lateness
    waited: int  # requests that no connection was free for when they were due
    cpu_shares: tuple[float, ...]
    cpu_us_per_request: float
    surplus_answers: int
    warnings: tuple[str, ...] = ()

    @property
    def acknowledged(self) -> int:
        return self.by_status.get(HTTPStatus.ACCEPTED, 0)

    @property
    def refused(self) -> int:
        return sum(self.by_status.values()) - self.acknowledged

    def to_json(self) -> dict[str, Any]:
        return {**attrs.asdict(self), "acknowledged": self.acknowledged, "refused": self.refused}


def summarize(ledgers: Sequence[Ledger], processes: Sequence[Process]) -> Summary:
    """The figures of one stage; one ledger for each process."""
    header = ledgers[0].header
    per = header.settings.events_per_request
    statuses: Counter[int] = Counter()
    unknown: Counter[str] = Counter()
    unsent: Counter[str] = Counter()
    known: list[float] = []
    cut_off: list[float] = []
    lags: list[float] = []
    waited = dropped = sent_count = late_half = 0
    last_ack, middle, end = header.start, header.start + header.seconds / 2, header.start + header.seconds
    for ledger in ledgers:
        dropped += sum(ledger.dropped)
        columns = zip(ledger.due, ledger.sent, ledger.answered, ledger.status, ledger.flags, strict=True)
        for due, sent, answered, status, flags in columns:
            if not sent:
                unsent["connection refused" if flags & Flag.REFUSED else "no free connection"] += 1
                cut_off.append(answered - due)
                waited += flags & Flag.WAITED
                continue
            sent_count += 1
            if flags & Flag.WAITED:
                waited += 1
            else:
                lags.append(sent - due)
            if status == HTTPStatus.ACCEPTED:
                known.append(answered - due)
                last_ack = max(last_ack, answered)
                late_half += middle <= answered < end
            elif not status:
                unknown[_reason(flags)] += 1
                cut_off.append(answered - due)
            statuses[status] += 1
    del statuses[0]
    latency, at_least = quantiles(known, cut_off)
    cpu = sum(process.cpu_s for process in processes)
    summary = Summary(
        rate=header.rate,
        seconds=header.seconds,
        events_per_request=per,
        due=sum(map(len, ledgers)),
        sent=sent_count,
        by_status=dict(sorted(statuses.items())),
        unknown=dict(unknown),
        unsent=dict(unsent),
        events_acknowledged=statuses[HTTPStatus.ACCEPTED] * per - dropped,
        events_dropped=dropped,
        acknowledged_per_s=statuses[HTTPStatus.ACCEPTED] / max(header.seconds, last_ack - header.start),
        acknowledged_late_half=late_half,
        latency_ms=latency,
        latency_at_least=at_least,
        lag_ms=quantiles(lags, [])[0],
        waited=waited,
        cpu_shares=tuple(round(process.cpu_share, 3) for process in processes),
        cpu_us_per_request=cpu / sent_count * 1e6 if sent_count else 0.0,
        surplus_answers=sum(process.surplus_answers for process in processes),
    )
    return attrs.evolve(summary, warnings=tuple(warnings_of(summary)))


def quantiles(known: list[float], cut_off: list[float]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Milliseconds at QUANTILES of all values, and the names of those that are only known from below."""
    values = sorted(known + cut_off)
    if not values:
        return {name: math.nan for name, _ in QUANTILES}, ()
    # From the earliest value that was cut off on, the true order is not known.
    certain = bisect.bisect_left(values, min(cut_off)) if cut_off else len(values)
    result, at_least = {}, []
    for name, share in QUANTILES:
        at = min(len(values) - 1, max(0, math.ceil(share * len(values)) - 1))
        result[name] = round(values[at] * 1e3, 3)
        if at >= certain:
            at_least.append(name)
    return result, tuple(at_least)


def _reason(flags: int) -> str:
    for flag, reason in (
        (Flag.TIMEOUT, "timeout"),
        (Flag.GARBLED, "garbled answer"),
        (Flag.RESET, "connection ended"),
    ):
        if flags & flag:
            return reason
    return "load ended"


def warnings_of(summary: Summary) -> Iterable[str]:
    """Why a figure may not be what it seems."""
    lag = summary.lag_ms["p99"]
    if lag > LAG_P99_MS_MAX:
        yield (
            f"the generator itself was late: p99 of its lag {lag:.1f} ms (over {LAG_P99_MS_MAX:.0f} ms); "
            "latencies hold its lateness too, and the server was offered bursts"
        )
    if any(share > CPU_SHARE_MAX for share in summary.cpu_shares):
        yield "the generator used its whole core: the rate it offered may be its own limit, not the server's"
    if summary.waited > summary.due // 100:
        yield (
            f"{summary.waited} requests found no free connection when they were due: the server (or too few "
            "connections) held them back; their wait is in the latencies"
        )
    if summary.unsent:
        yield f"{sum(summary.unsent.values())} requests were never sent: not the whole rate was offered"
    if summary.surplus_answers:
        yield f"{summary.surplus_answers} answers came that no request had asked for"


def timeline(ledgers: Sequence[Ledger], bucket_s: float = 1.0) -> list[dict[str, float]]:
    """For each stretch of `bucket_s` since the first start: requests by due time, what became of them, worst
    latency.

    "t" is seconds since the first stage's start; "acknowledged_at" counts acknowledgements by when they came.
    """
    zero = min(ledger.header.start for ledger in ledgers)
    rows: dict[int, dict[str, float]] = {}

    def row(at: float) -> dict[str, float]:
        number = int((at - zero) // bucket_s)
        names = ("due", "acknowledged", "acknowledged_at", "refused", "unknown", "unsent", "worst_ms")
        return rows.setdefault(number, {"t": number * bucket_s, **dict.fromkeys(names, 0.0)})

    for ledger in ledgers:
        for due, sent, answered, status in zip(
            ledger.due, ledger.sent, ledger.answered, ledger.status, strict=True
        ):
            bucket = row(due)
            bucket["due"] += 1
            if status == HTTPStatus.ACCEPTED:
                bucket["acknowledged"] += 1
                bucket["worst_ms"] = max(bucket["worst_ms"], (answered - due) * 1e3)
                row(answered)["acknowledged_at"] += 1
            else:
                bucket["refused" if status else "unknown" if sent else "unsent"] += 1
    return [rows[number] for number in sorted(rows)]
