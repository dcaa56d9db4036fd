"""Summaries as one plain table."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.load.summary import Summary

HEADINGS = (
    "req/s due", "due", "sent", "ack", "ack/s", "refused", "unknown", "unsent", "p50 ms", "p99 ms",
    "p99.9 ms", "max ms", "lag p99", "cpu", "µs/req",
)  # fmt: skip


def render(summaries: Sequence[Summary]) -> str:
    """A row for each stage, then what the columns can't say. `>` marks a time known only from below."""
    rows = [HEADINGS, *(_row(summary) for summary in summaries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    for summary in summaries:
        lines += _notes(summary)
    return "\n".join(lines)


def _row(summary: Summary) -> tuple[str, ...]:
    latencies = (
        f"{'>' if name in summary.latency_at_least else ''}{value:.1f}"
        for name, value in summary.latency_ms.items()
    )
    return (
        f"{summary.rate:,.0f}",
        f"{summary.due:,}",
        f"{summary.sent:,}",
        f"{summary.acknowledged:,}",
        f"{summary.acknowledged_per_s:,.0f}",
        f"{summary.refused:,}",
        f"{sum(summary.unknown.values()):,}",
        f"{sum(summary.unsent.values()):,}",
        *latencies,
        f"{summary.lag_ms['p99']:.1f}",
        "+".join(f"{share:.0%}" for share in summary.cpu_shares),
        f"{summary.cpu_us_per_request:.1f}",
    )


def _notes(summary: Summary) -> list[str]:
    stage = f"{summary.rate:,.0f}/s"
    notes = []
    others = {status: count for status, count in summary.by_status.items() if status != 202}
    if others:
        notes.append(
            f"{stage}: answered " + ", ".join(f"{count:,} × {status}" for status, count in others.items())
        )
    for what, reasons in (("no answer", summary.unknown), ("never sent", summary.unsent)):
        if reasons:
            notes.append(
                f"{stage}: {what}: " + ", ".join(f"{count:,} {why}" for why, count in reasons.items())
            )
    if summary.events_dropped:
        notes.append(f"{stage}: the server acknowledged but dropped {summary.events_dropped:,} events")
    if summary.events_per_request > 1:
        per_s = summary.acknowledged_per_s * summary.events_per_request
        notes.append(f"{stage}: {summary.events_acknowledged:,} events acknowledged, {per_s:,.0f} a second")
    return notes + [f"{stage}: WARNING: {warning}" for warning in summary.warnings]
