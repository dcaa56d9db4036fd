"""A: the upstream is cut. Every packet of every client is dropped, both ways, and then comes through again."""

from __future__ import annotations

import time
from collections.abc import Iterator

from chaos.rig.clients import Group, Request, requests
from chaos.scenarios.contract import INGEST_BACK_S, Play, Scenario

IMPATIENT_S = 1.0
# So many that a few always wait for an answer when the cut comes: those are the ones that will be reset.
IMPATIENT_RATE = 240
EDGE_S = 0.5  # what is sent right before the cut may be on its way when it comes


class UpstreamCut(Scenario):
    """Nobody can reach the node; what did reach it is there."""

    letter = "A"
    title = "upstream cut"

    def groups(self) -> dict[str, Group]:
        network = self.rig.network
        assert network is not None
        # New visitors, each on a connection of its own, patient enough to get through afterwards; and some on
        # connections that they keep, which give up: what the node still has of those is reset when the link is back.
        return {
            "visitors": Group(
                rate=60,
                namespace=network.groups["visitors"],
                connections=4_096,
                new_connections=True,
                timeout_s=min(30.0, self.windows.hold_s + self.windows.after_s),
            ),
            "carriers": Group(
                rate=IMPATIENT_RATE, namespace=network.groups["carriers"], timeout_s=IMPATIENT_S
            ),
        }

    def prepare(self) -> None:
        super().prepare()
        figures = self.rig.figures()
        self._reached_before = _event_requests(figures.figures) if figures else 0.0
        self._refused_before = _refused(figures.figures) if figures else 0.0

    def apply(self, fault: str) -> None:
        assert self.rig.network is not None
        for namespace in self.rig.network.groups.values():
            namespace.lose(1)
        self._cut_at = time.monotonic()

    def restore(self) -> None:
        assert self.rig.network is not None
        self.rig.network.heal()

    def judge(self, play: Play) -> Iterator[str]:
        (span,) = play.spans
        everything = requests(play.all_ledgers())
        through = [
            r for r in everything if r.acknowledged and self._cut_at < r.sent and r.answered < span.end
        ]
        if through:
            yield f"{len(through)} requests got through the cut: it was none"
        yield from self.judge_loss(play, list(play.ledgers))

    def judge_loss(self, play: Play, groups: list[str]) -> Iterator[str]:
        """Lost is only what never reached the node, and hardly anything where the clients could send."""
        answered = requests(play.all_ledgers())
        refused = [r for r in answered if r.status and not r.acknowledged]
        if refused and self.windows.judges_pace:
            yield f"{len(refused)} requests were refused, such as with {refused[0].status}"
        able = self._able(play, groups)
        lost = [r for r in able if not r.acknowledged]
        if len(lost) > self.windows.client_loss_max * len(able):
            yield f"{len(lost)} of {len(able)} requests were lost while their senders could send"
        figures = self.rig.figures()
        if figures is None:
            yield "the node does not answer any more"
            return
        reached = _event_requests(figures.figures) - self._reached_before
        (there,) = self.rig.sql(
            f"SELECT uniqExact(props['run'], intDiv(toUInt64(props['seq']), per[props['run']])) AS requests "
            f"FROM {self.rig.database}.events_raw WHERE has(mapKeys(per), props['run'])".replace(
                "per", _per_request(play)
            )
        )
        refused_by_node = _refused(figures.figures) - self._refused_before
        if not 0 <= reached - there["requests"] <= refused_by_node:
            yield (
                f"{reached:.0f} requests reached the node, which refused {refused_by_node:.0f}; "
                f"{there['requests']} are there"
            )

    def client_loss(self, play: Play) -> float | None:
        able = self._able(play, list(play.ledgers))
        return sum(not r.acknowledged for r in able) / max(1, len(able))

    def _able(self, play: Play, groups: list[str]) -> list[Request]:
        """Requests whose senders could send."""
        (span,) = play.spans
        back = span.end + min(INGEST_BACK_S, self.windows.after_s / 2)
        everything = [r for group in groups for r in requests(play.ledgers[group])]
        return [r for r in everything if r.due < span.begin - EDGE_S or r.due > back]

    def facts(self, play: Play) -> dict[str, str]:
        assert play.report is not None
        return {"there without an answer": str(play.report.facts["without an answer, there"])}


def _per_request(play: Play) -> str:
    """A ClickHouse map: run id -> events of each request."""
    settings = [ledgers[0].header.settings for ledgers in play.ledgers.values()]
    return "map(" + ", ".join(f"'{one.run}', {one.events_per_request}" for one in settings) + ")"


def _event_requests(figures: dict[str, float]) -> float:
    return figures["acceptor_fast_events_total"] + figures["slow_events_total"]


def _refused(figures: dict[str, float]) -> float:
    """Requests answered with 503: the node could not keep up, which a busy machine may bring about."""
    return figures["acceptor_congested_total"] + figures["wal_refused_total"]
