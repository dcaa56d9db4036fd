"""D: a bad path between the node and ClickHouse: 150 ms ± 75 ms each way, 2 % of the packets lost (stalls)."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.proxy import Faults
from chaos.rig.clients import latencies_ms, quantile
from chaos.scenarios.contract import Play, Scenario

LATENCY_MS, JITTER_MS, LOSS = 150.0, 75.0, 0.02
P95_FACTOR, P95_MS_MORE = 2.0, 60.0
LAG_S_MAX = 6.0


class DegradedPath(Scenario):
    """Acknowledgements do not wait for ClickHouse, and the backlog stays small."""

    letter = "D"
    title = "degraded path"

    def apply(self, fault: str) -> None:
        assert self.rig.path_to_clickhouse is not None
        self._delayed = self.rig.path_to_clickhouse.counters()["delayed"]
        self.rig.path_to_clickhouse.set(Faults.both(latency_ms=LATENCY_MS, jitter_ms=JITTER_MS, loss=LOSS))

    def restore(self) -> None:
        if self.rig.path_to_clickhouse is not None:
            self.rig.path_to_clickhouse.restore()

    def judge(self, play: Play) -> Iterator[str]:
        (span,) = play.spans
        assert self.rig.path_to_clickhouse is not None
        if self.rig.path_to_clickhouse.counters()["delayed"] <= self._delayed:
            yield "nothing was delayed: the path was good"
        if not self.windows.judges_pace:
            return
        before, during = self._latencies(play)
        if quantile(during, 0.95) > max(
            P95_FACTOR * quantile(before, 0.95), quantile(before, 0.95) + P95_MS_MORE
        ):
            yield f"the clients' p95 went from {quantile(before, 0.95):.0f} to {quantile(during, 0.95):.0f} ms"
        if quantile(during, 1.0) > 1_000:
            yield f"the slowest acknowledgement took {quantile(during, 1.0):.0f} ms"
        last = play.sample_before(span.end)
        lag = last["writer_lag_rows"] if last else 0.0
        if lag > LAG_S_MAX * self.groups()["visitors"].rate:
            yield f"{lag:.0f} events wait: the writer can't keep up over this path"

    def facts(self, play: Play) -> dict[str, str]:
        (span,) = play.spans
        before, during = self._latencies(play)
        last = play.sample_before(span.end)
        return {
            "the clients' p95": f"{quantile(before, 0.95):.0f} ms before, {quantile(during, 0.95):.0f} ms during",
            "backlog at its end": f"{last['writer_lag_rows']:.0f} events" if last else "unknown",
        }

    def _latencies(self, play: Play) -> tuple[list[float], list[float]]:
        (span,) = play.spans
        ledgers = play.all_ledgers()
        return latencies_ms(ledgers, 0, span.begin), latencies_ms(ledgers, span.begin, span.end)
