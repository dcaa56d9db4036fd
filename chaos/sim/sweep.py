"""Many worlds, on as many cores as there are."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import attrs

from chaos.sim.mutants import MUTANTS
from chaos.sim.world import simulate

CHUNK_SEEDS = 25


@attrs.frozen
class Summary:
    """What is told of a world that kept its promises, and of one that didn't."""

    seed: int
    violation: str | None
    acknowledged: int
    repairs: int


def sweep(first: int, seeds: int, jobs: int, mutant: str = "") -> Iterator[Summary]:
    """Simulate `seeds` worlds from seed `first` on, in processes of their own unless `jobs` is 1; in no order."""
    chunks = [
        (range(start, min(start + CHUNK_SEEDS, first + seeds)), mutant)
        for start in range(first, first + seeds, CHUNK_SEEDS)
    ]
    if jobs == 1:
        for chunk in chunks:
            yield from _simulate_chunk(chunk)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for summaries in pool.map(_simulate_chunk, chunks):
            yield from summaries


def _simulate_chunk(chunk: tuple[range, str]) -> list[Summary]:
    seeds, mutant = chunk
    planted = [MUTANTS[mutant]] if mutant else []
    results = [simulate(seed, planted) for seed in seeds]
    return [Summary(r.seed, r.violation, r.acknowledged, r.repairs) for r in results]
