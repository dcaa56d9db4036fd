"""`python -m chaos.sim`: many worlds, or one of them with all that happened in it.

Exit code 0: no promise was broken; 1: one was; 2: a wrong option.
"""

from __future__ import annotations

import os
import sys
import time

import click

from chaos.sim.mutants import MUTANTS
from chaos.sim.sweep import Summary, sweep
from chaos.sim.world import Result, simulate

SHOWN_MAX = 10
TRACE_TAIL_LINES = 60


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=2_000, help="How many worlds.")
@click.option("--first", type=click.IntRange(0), default=0, help="The first seed.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Processes.")
@click.option("--seed", type=click.IntRange(0), help="This world only.")
@click.option("--trace", is_flag=True, help="With --seed: tell all that happens.")
@click.option("--mutant", type=click.Choice(sorted(MUTANTS)), default=None, help="Plant a bug.")
def main(seeds: int, first: int, jobs: int, seed: int | None, trace: bool, mutant: str | None) -> None:
    """Deterministic simulation of the log, the committer and the writer on a failing disk and a failing engine."""
    if seed is not None:
        sys.exit(_one(seed, mutant, whole=trace))
    started = time.monotonic()
    broken: list[Summary] = []
    acknowledged = repairs = 0
    for summary in sweep(first, seeds, jobs, mutant or ""):
        acknowledged += summary.acknowledged
        repairs += summary.repairs
        if summary.violation is not None:
            broken.append(summary)
            if len(broken) <= SHOWN_MAX:
                print(f"seed {summary.seed}: {summary.violation}", flush=True)
    took_s = time.monotonic() - started
    print(
        f"{seeds} seeds from {first}: {acknowledged} events acknowledged, {repairs} repairs, "
        f"{len(broken)} worlds with a broken promise, {seeds / took_s:.0f} seeds/s"
    )
    if broken:
        _one(broken[0].seed, mutant, whole=False)
    sys.exit(1 if broken else 0)


def _one(seed: int, mutant: str | None, *, whole: bool) -> int:
    """Tell of one world; the exit code."""
    result = simulate(seed, [MUTANTS[mutant]] if mutant else [])
    lines = result.trace if whole else result.trace[-TRACE_TAIL_LINES:]
    if whole or result.violation:
        print("\n".join(lines))
    print(_verdict(result))
    if result.violation:
        option = f" --mutant '{mutant}'" if mutant else ""
        print(f"all of it: python -m chaos.sim --seed {seed} --trace{option}")
    return 1 if result.violation else 0


def _verdict(result: Result) -> str:
    said = result.violation or "every promise was kept"
    return f"seed {result.seed} ({result.plan.kind}, {result.digest}): {said}"


if __name__ == "__main__":
    main()
