"""One process of the generator: `python -m chaos.load.worker`, told what to do by JSON lines on standard input.

First line in: {"settings", "worker", "connect_s_max"}; out, when connected: {"ready": connections}. Then for each
stage a line in (the fields of `Order`) and one out (the fields of `Done`). End of input ends the process; SIGTERM
ends the stage early.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import time
from array import array
from pathlib import Path
from random import Random
from typing import Any

import attrs

from chaos.load.compose import composer
from chaos.load.engine import Engine
from chaos.load.ledger import Header, Ledger
from chaos.load.protocol import Done, Order
from chaos.load.settings import Arrivals, Settings, from_json
from chaos.load.target import parse_target
from chaos.load.variety import Deck


def due_times(order: Order, settings: Settings, worker: int) -> array[float]:
    """Seconds of CLOCK_MONOTONIC at which this process's requests are due, ascending."""
    if settings.arrivals is Arrivals.EVEN:
        step = 1 / order.rate
        first, stride = order.start + worker * step, settings.processes * step
        return array("d", [first + number * stride for number in range(order.requests)])
    rng = Random(f"{settings.variety.seed}-{order.stage}-{worker}")
    gap, times, at = settings.processes / order.rate, array("d"), order.start
    for _ in range(order.requests):
        at += rng.expovariate(1 / gap)
        times.append(at)
    return times


def run_stage(engine: Engine, settings: Settings, worker: int, order: Order) -> Done:
    engine.resume()  # here and not in its run: a stop while this stage waits for its start is meant for it
    now = time.monotonic()
    header = Header(
        settings=settings,
        worker=worker,
        stage=order.stage,
        rate=order.rate,
        seconds=order.seconds,
        start=order.start,
        wall_minus_monotonic=time.time() - now,
        first_request=order.first_request,
        first_seq=order.first_seq,
    )
    ledger = Ledger.blank(header, due_times(order, settings, worker))
    time.sleep(max(0.0, order.start - time.monotonic()))
    cpu, wall, surplus = time.process_time(), time.monotonic(), engine.surplus_answers
    engine.run(ledger)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    ledger.write(Path(order.ledger))
    return Done(order.ledger, cpu, wall, engine.surplus_answers - surplus, engine.connections)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the driver decides
    first: dict[str, Any] = json.loads(sys.stdin.readline())
    settings, worker = from_json(first["settings"]), int(first["worker"])
    if settings.cpus:
        os.sched_setaffinity(0, {settings.cpus[worker % len(settings.cpus)]})
    share = len(range(worker, settings.connections, settings.processes))
    _raise_descriptor_limit()
    target = parse_target(settings.target)
    compose = composer(settings, target, Deck(settings.variety, worker, settings.processes))
    engine = Engine(settings, target, share, compose)
    signal.signal(signal.SIGTERM, lambda *_: engine.stop())
    # Nothing here makes cycles, and a collection would walk through 100,000 requests' pieces in the middle of
    # a run.
    gc.collect()
    gc.freeze()
    gc.disable()
    _say({"ready": engine.connect(float(first["connect_s_max"]))})
    for line in sys.stdin:
        _say(attrs.asdict(run_stage(engine, settings, worker, Order(**json.loads(line)))))
    engine.close()


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
