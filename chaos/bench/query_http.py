"""Asking a node as a dashboard does: every report over HTTP, cold and warm, alone and while events arrive.

Owns:       the list of questions, and how one is timed. Inputs: a running node on the data of query_data.py. Outputs:
            Timings; what the ingest's acknowledgements took with and without questions beside them.
Invariants: I1 a cold question was never asked before: each begins a day earlier than the one before it, so that its
            range is the one named or a few days longer; I2 a warm one is the last cold one again, word for word.
Failure:    an answer that is no 200 is kept with its message; nothing is asked twice to hide it.
"""

from __future__ import annotations

import itertools
import json
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, Final

import attrs
import httpx

from chaos.bench.query_data import LAST_DAY, site_name
from chaos.bench.stage import Options, run_stage, settings_for
from chaos.load.settings import Stage
from chaos.statnive_node import StatniveNode
from statnive.query import reports

# Of the sites by size: those measured.
MEASURED: Final = {"largest": 1, "middle": 30, "small": 900}
DAY_RANGES: Final = (30, 365)
ROUNDS: Final = 20
# A drill-down takes long enough to be told by few.
ROUNDS_WHEN_SLOW: Final = 5
SLOW_MS: Final = 300.0
INGEST_RATE: Final = 5_000
CONNECTIONS: Final = 256
STAGES: Final = 6  # of ingest alone, and as many with questions
LAST: Final = date(1970, 1, 1) + timedelta(days=LAST_DAY)
STEPS: Final = [{"page": "/section/page-1"}, {"page": "/section/**"}, {"event": "Signup"}]
Say = Callable[[str], None]


@attrs.frozen
class Question:
    """A report with what is asked of it, but the site and the range."""

    name: str
    path: str
    more: dict[str, str] = attrs.field(factory=dict)


@attrs.define
class Timing:
    """What one question took of one site and range, in milliseconds; `with_ingest` beside arriving events."""

    report: str
    site: str
    days: int
    with_ingest: bool = False
    cold_ms: list[float] = attrs.field(factory=list)
    warm_ms: list[float] = attrs.field(factory=list)
    source: str = ""
    sampled: float | None = None
    refused: str = ""


@attrs.frozen
class Acks:
    """A stage of ingest: the acknowledgements' p50 and p99 in ms, and how many questions were answered beside it."""

    p50_ms: float
    p99_ms: float
    acknowledged_per_s: float
    questions: int


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed; of 20, the p99 is the largest."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def questions() -> list[Question]:
    """Every report, bots, some drill-downs, a funnel, the journeys."""
    filters = {
        "pages, of a source": ("pages", ["is", "visit:source", ["source7"]]),
        "sources, of a goal": ("sources", ["is", "event:goal", ["Signup"]]),
        "overview, of a page": ("overview", ["is", "event:page", ["/section/page-1"]]),
        "countries, of a browser and a page": (
            "countries",
            [["is", "visit:browser", ["Browser3"]], ["contains", "event:page", ["page-1"]]],
        ),
    }
    return [
        *(Question(name, name) for name in reports.NAMES),
        Question("bots", "bots"),
        *(Question(name, path, {"filters": json.dumps(wanted)}) for name, (path, wanted) in filters.items()),
        Question("funnel", "funnel", {"steps": json.dumps(STEPS)}),
        Question("journeys", "journeys"),
    ]


class Asker:
    """A client of a node. Each instance counts how many ranges it has asked for (keeps I1)."""

    def __init__(self, url: str, first_shift: int = 0) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self._shift = first_shift

    def close(self) -> None:
        self._http.close()

    def time(self, question: Question, site: int, days: int, shift: int) -> tuple[float, httpx.Response]:
        """(milliseconds, answer) of the range that begins `shift` days earlier than `days` days say."""
        first = LAST - timedelta(days=days - 1 + shift)
        span = {"from": first.isoformat(), "to": LAST.isoformat()}
        started = time.perf_counter()
        answer = self._http.get(
            f"/api/stats/{question.path}", params={"site": site_name(site), **span, **question.more}
        )
        return (time.perf_counter() - started) * 1_000, answer


def note(timing: Timing, answer: httpx.Response, taken_ms: float, *, warm: bool) -> bool:
    """Put one answer down; False when it is an error."""
    if answer.status_code != 200:
        timing.refused = f"{answer.status_code}: {answer.text[:120]}"
        return False
    (timing.warm_ms if warm else timing.cold_ms).append(taken_ms)
    body = answer.json()
    timing.source, timing.sampled = body.get("source", "raw"), body.get("sampled")
    return True


def measure_alone(url: str, say: Say, rounds: int = ROUNDS) -> list[Timing]:
    """Every question of every site and range, cold and then warm, one at a time and nothing beside it."""
    asker, found = Asker(url), []
    asker.time(
        Question("overview", "overview"), MEASURED["small"], 1, 0
    )  # the first reading handle is opened
    everything = list(itertools.product(MEASURED.items(), DAY_RANGES, questions()))
    for number, ((label, site), days, question) in enumerate(everything, 1):
        timing = Timing(question.name, label, days)
        found.append(timing)
        for shift in range(rounds):
            taken_ms, answer = asker.time(question, site, days, shift)
            if not note(timing, answer, taken_ms, warm=False):
                break
            if shift + 1 >= ROUNDS_WHEN_SLOW and statistics.median(timing.cold_ms) > SLOW_MS:
                break
        if timing.cold_ms and not timing.refused:
            last = len(timing.cold_ms) - 1
            for _ in range(rounds):
                taken_ms, answer = asker.time(question, site, days, last)
                note(timing, answer, taken_ms, warm=True)
        say(f"{number} of {len(everything)}: {label}, {days} days, {question.name}: {_shown(timing)}")
    asker.close()
    return found


def _shown(timing: Timing) -> str:
    if timing.refused:
        return timing.refused
    warm = f", warm {statistics.median(timing.warm_ms):.1f} ms" if timing.warm_ms else ""
    return f"cold {statistics.median(timing.cold_ms):.1f} ms{warm}"


def measure_beside_ingest(
    node: StatniveNode, seconds: float, say: Say, stages: int = STAGES
) -> tuple[list[Timing], list[Acks], list[Acks]]:
    """(Timings, acknowledgements alone, with questions): `stages` of each at INGEST_RATE events a second, in pairs that
    turn round each time, so that what drifts falls on both. The p99 of two stages alone was seen to differ by
    two and a half times: the medians of six are compared.

    One viewer asks cold questions one after another, without a pause: more than a person does.
    """
    options = Options(seconds, 0, CONNECTIONS)
    timings: dict[tuple[str, str, int], Timing] = {}
    alone, beside = [], []
    # Other ranges than those of `measure_alone`, which the node has kept.
    endless = _endless(ROUNDS)
    for number, asking in enumerate(_turns(stages)):
        what = "with questions" if asking else "alone"
        say(f"ingest {what}, {seconds:.0f} s ({number + 1} of {2 * stages})")
        if not asking:
            alone.append(_ingest(node, options, 0))
            continue
        stop, asked = threading.Event(), [0]
        viewer = threading.Thread(target=_view, args=(node.url, endless, timings, stop, asked))
        viewer.start()
        try:
            acks = _ingest(node, options, 0)
        finally:
            stop.set()
            viewer.join()
        beside.append(attrs.evolve(acks, questions=asked[0]))
    return list(timings.values()), alone, beside


def _turns(stages: int) -> list[bool]:
    """Whether each stage is with questions: no, yes, yes, no, no, yes …"""
    return [(number % 4) in (1, 2) for number in range(2 * stages)]


def _endless(first_shift: int) -> Iterator[tuple[str, int, int, Question, int]]:
    """Every question again and again, each time from a day earlier on; of each round the sites in turn."""
    for shift in itertools.count(first_shift):
        for question in questions():
            for days in DAY_RANGES:
                for label, site in MEASURED.items():
                    yield label, site, days, question, shift


def _view(
    url: str,
    endless: Iterator[tuple[str, int, int, Question, int]],
    timings: dict[tuple[str, str, int], Timing],
    stop: threading.Event,
    asked: list[int],
) -> None:
    asker = Asker(url)
    while not stop.is_set():
        label, site, days, question, shift = next(endless)
        key = (question.name, label, days)
        timing = timings.setdefault(key, Timing(*key, with_ingest=True))
        taken_ms, answer = asker.time(question, site, days, shift)
        if note(timing, answer, taken_ms, warm=False):
            taken_ms, answer = asker.time(question, site, days, shift)
            note(timing, answer, taken_ms, warm=True)
        asked[0] += 1
    asker.close()


def _ingest(node: StatniveNode, options: Options, questions_asked: int) -> Acks:
    measured = run_stage(node, Stage(INGEST_RATE, options.seconds), settings_for(node.url, options), None)
    latency = measured.summary.latency_ms
    return Acks(latency["p50"], latency["p99"], measured.summary.acknowledged_per_s, questions_asked)


def cold_by_report(timings: list[Timing], site: str, days: int) -> dict[str, float]:
    """The median of each report's cold answers."""
    values: dict[str, list[float]] = defaultdict(list)
    for timing in timings:
        if timing.site == site and timing.days == days and timing.cold_ms:
            values[timing.report] += timing.cold_ms
    return {name: statistics.median(found) for name, found in values.items()}


def as_json(timing: Timing) -> dict[str, Any]:
    """For the figures beside the receipt."""
    return {
        **attrs.asdict(timing, filter=lambda field, _: not field.name.endswith("_ms")),
        "cold_ms": [round(value, 2) for value in timing.cold_ms],
        "warm_ms": [round(value, 2) for value in timing.warm_ms],
    }
