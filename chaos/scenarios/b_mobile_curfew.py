"""B: a mobile curfew. The carriers' addresses lose 80 % of their packets, both ways; nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.rig.clients import Group, latencies_ms, quantile, requests
from chaos.scenarios.a_upstream_cut import UpstreamCut
from chaos.scenarios.contract import Play

LOSS = 0.8
# The others' latency "does not move": within what two stretches of a healthy node differ by on a busy machine.
MEDIAN_MS_MORE = 15.0
P95_FACTOR, P95_MS_MORE = 2.0, 60.0


class MobileCurfew(UpstreamCut):
    """The carriers' half-open and half-sent requests are nobody else's burden."""

    letter = "B"
    title = "mobile curfew"

    def groups(self) -> dict[str, Group]:
        network = self.rig.network
        assert network is not None
        return {
            "visitors": Group(rate=120, namespace=network.groups["visitors"]),
            # Requests of two packets: one of them arrives, the other one does not.
            "carriers": Group(
                rate=25,
                namespace=network.groups["carriers"],
                connections=4_096,
                new_connections=True,
                events_per_request=8,
                timeout_s=min(30.0, self.windows.hold_s + self.windows.after_s),
            ),
        }

    def apply(self, fault: str) -> None:
        assert self.rig.network is not None
        self.rig.network.groups["carriers"].lose(LOSS)

    def judge(self, play: Play) -> Iterator[str]:
        (span,) = play.spans
        hit = [r for r in requests(play.ledgers["carriers"]) if span.begin < r.due < span.end]
        slow = [r for r in hit if not r.acknowledged or r.answered - r.due > 0.5]
        if len(slow) < 0.5 * len(hit):
            yield f"only {len(slow)} of {len(hit)} of the carriers' requests suffered: there was no curfew"
        if self.windows.judges_pace:
            yield from self._judge_others(play)
        yield from self.judge_loss(play, ["carriers"])

    def _judge_others(self, play: Play) -> Iterator[str]:
        before, during = self._others(play)
        if quantile(during, 0.5) > quantile(before, 0.5) + MEDIAN_MS_MORE:
            yield f"the others' median went from {quantile(before, 0.5):.0f} to {quantile(during, 0.5):.0f} ms"
        if quantile(during, 0.95) > max(
            P95_FACTOR * quantile(before, 0.95), quantile(before, 0.95) + P95_MS_MORE
        ):
            yield f"the others' p95 went from {quantile(before, 0.95):.0f} to {quantile(during, 0.95):.0f} ms"
        lost = [r for r in requests(play.ledgers["visitors"]) if not r.acknowledged]
        if lost:
            yield f"{len(lost)} of the others' requests were not acknowledged"

    def facts(self, play: Play) -> dict[str, str]:
        before, during = self._others(play)
        return super().facts(play) | {
            "the others' median": f"{quantile(before, 0.5):.0f} ms before, {quantile(during, 0.5):.0f} ms during",
            "the others' p95": f"{quantile(before, 0.95):.0f} ms before, {quantile(during, 0.95):.0f} ms during",
        }

    def _others(self, play: Play) -> tuple[list[float], list[float]]:
        (span,) = play.spans
        others = play.ledgers["visitors"]
        return latencies_ms(others, 0, span.begin), latencies_ms(others, span.begin, span.end)
